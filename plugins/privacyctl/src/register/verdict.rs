// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a register verifies, for whatever is made out of it.

use std::path::{Path, PathBuf};

use privacy_register::{Report, VerifyError, verify};
use privacy_verify::{input, verify as words};

/// What verifying a register said.
#[derive(Debug)]
pub struct Verdict {
    /// Name of the register: that of the key that verifies it.
    pub origin: String,
    /// The key, and whether it came from elsewhere than the register.
    pub key: String,
    /// See `key`.
    pub key_from_elsewhere: bool,
    /// What it holds, or why it does not verify.
    pub report: Result<Summary, input::Failure>,
}

/// What a register that verifies holds.
#[derive(Debug)]
pub struct Summary {
    /// Number of entries verified.
    pub entries: u64,
    /// Of these, those erased after their time.
    pub erased: u64,
    /// Root of the tree over them, in hex.
    pub root: String,
}

impl From<Report> for Summary {
    fn from(report: Report) -> Self {
        Self {
            entries: report.entries,
            erased: report.erased,
            root: hex::encode(report.checkpoint.root()),
        }
    }
}

/// Which register, and by which key.
#[derive(Debug, Clone, clap::Args)]
pub struct Source {
    /// The register.
    pub dir: PathBuf,
    /// Verifier key, from elsewhere than the register; DIR/register.pub when absent.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// Verifies the whole register.
pub fn of(source: &Source) -> Verdict {
    let key_from_elsewhere = source.key.is_some();
    match input::key_of(&source.dir, source.key.as_deref()) {
        Ok(key) => Verdict {
            origin: key.name().to_owned(),
            key: key.to_string(),
            key_from_elsewhere,
            report: verify(&source.dir, &key)
                .map(Summary::from)
                .map_err(failure),
        },
        Err(e) => Verdict {
            origin: claimed_origin(&source.dir),
            key: String::new(),
            key_from_elsewhere,
            report: Err(e),
        },
    }
}

fn failure(error: VerifyError) -> input::Failure {
    input::Failure {
        en: error.to_string(),
        fr: words::in_french(&error),
    }
}

/// What the register calls itself where no key says what it is called.
fn claimed_origin(dir: &Path) -> String {
    let bytes = input::read(&dir.join("checkpoint"), 64 * 1024).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().next().unwrap_or_default().to_owned()
}
