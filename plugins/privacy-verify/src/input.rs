// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the files that are to be checked, which come from anywhere.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use privacy_register::{KeyError, VerifierKey};

/// Why something was not checked, in both languages: the reader's own is printed, and the English one goes to
/// standard error.
#[derive(Debug)]
pub struct Failure {
    /// In English.
    pub en: String,
    /// In French.
    pub fr: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// A failure of the system, or one of which only the system's words are known.
    pub fn of_file(path: &Path, error: &dyn fmt::Display) -> Self {
        Self {
            en: format!(
                "{}: {error}; check the path, and that you may read it",
                path.display()
            ),
            fr: format!(
                "{} : {error} ; vérifiez le chemin et vos droits",
                path.display()
            ),
        }
    }

    /// In the reader's language.
    pub fn text(&self, french: bool) -> &str {
        if french { &self.fr } else { &self.en }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self {
            en: error.to_string(),
            fr: format!("la clé : {error}"),
        }
    }
}

/// Opens a regular file. A pipe or a device may never end.
///
/// # Errors
///
/// Names the file.
pub fn open(path: &Path) -> Result<File, Failure> {
    let open = || {
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other(
                "not a regular file / pas un fichier ordinaire",
            ));
        }
        File::open(path)
    };
    open().map_err(|e| Failure::of_file(path, &e))
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
///
/// Names the file.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    open(path)?
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::of_file(path, &e))?;
    if bytes.len() > limit {
        return Err(Failure {
            en: format!("{}: longer than {limit} bytes", path.display()),
            fr: format!("{} : dépasse {limit} octets", path.display()),
        });
    }
    Ok(bytes)
}

/// The key at `path`, or the one that lies in the register `dir`, and whether it is that one.
///
/// # Errors
///
/// When it cannot be used.
pub fn key_of(dir: &Path, path: Option<&Path>) -> Result<VerifierKey, Failure> {
    let own: PathBuf = dir.join("register.pub");
    Ok(VerifierKey::load(path.unwrap_or(&own))?)
}

/// Says of which key something was found true: one that lies in the register proves less.
pub fn whose_key(own: bool, french: bool) -> &'static str {
    match (own, french) {
        (false, _) => "",
        (true, false) => " (found in the register itself; compare it with your own copy)",
        (true, true) => " (trouvée dans le registre ; comparez-la à votre propre copie)",
    }
}
