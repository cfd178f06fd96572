// SPDX-License-Identifier: MIT OR Apache-2.0
//! A site as `examples/quickstart` makes one, in a temporary folder: the authority's key, the four example
//! mandates signed for today, and an empty register.

use std::path::{Path, PathBuf};

use privacy_policy::{Conditions, Form, KeyPair, Rules, key, mandate, needs_second_person};
use privacy_register::{Reader, Register, Report, VerifierKey, VerifyError};

use crate::root;

/// The folder and what lies in it. Removed when dropped.
pub struct Site {
    folder: tempfile::TempDir,
    key: KeyPair,
    second: KeyPair,
    register_key: VerifierKey,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// Makes the site.
    ///
    /// # Panics
    /// When a file cannot be written, or an example mandate is not one that the rules accept.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let at = |name: &str| folder.path().join(name);
        for name in ["keys", "mandates"] {
            std::fs::create_dir(at(name)).expect("a folder can be made");
        }
        let (key, second) = (key::generate(), key::generate());
        for (name, key) in [("keys/authority.pub", &key), ("keys/second.pub", &second)] {
            let public = key::public_pem(&key.public()).expect("a public key has a text");
            std::fs::write(at(name), public).expect("a file can be written");
        }
        let private = key::private_pem(&key).expect("a private key has a text");
        write_private(&at("keys/authority.key"), &private);
        let register =
            Register::init(&at("register"), "gst-privacy/test").expect("a register can be made");
        let site = Self {
            register_key: register.verifier_key(),
            folder,
            key,
            second,
        };
        for name in ["live_view", "publication", "statistics", "requisition"] {
            let text =
                std::fs::read_to_string(root().join(format!("examples/mandates/{name}.toml")))
                    .expect("the example forms are in the repository");
            site.sign(name, &text, jiff::Timestamp::now());
        }
        site
    }

    /// The folder, laid out as `examples/out`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder, as text for a pipeline description.
    ///
    /// # Panics
    /// When the temporary folder's path is no text.
    pub fn text(&self, name: &str) -> String {
        self.path()
            .join(name)
            .to_str()
            .expect("the temporary folder has a plain name")
            .to_owned()
    }

    /// Signs `form` (with the tokens of the example forms) as of `now`, into `mandates/NAME.biscuit` and
    /// `mandates/NAME.toml`.
    ///
    /// # Panics
    /// When the form is not one that the rules accept at `now`.
    pub fn sign(&self, name: &str, form: &str, now: jiff::Timestamp) -> PathBuf {
        let rules = Rules::builtin();
        let today = now.to_zoned(privacy_policy::time::paris()).date();
        let id = uuid::Uuid::new_v4().to_string();
        let filled = gst_privacy_examples::fill(form, today, &rules.version, &id);
        let parsed = Form::parse(&filled).unwrap_or_else(|e| panic!("{name}: {e}"));
        let token = mandate::sign(&parsed, &Conditions::new(&rules), &self.key, now)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let purpose = rules.purpose(&parsed.purpose_id).expect("it was signed");
        let token = if needs_second_person(purpose, &parsed) {
            let keys = [self.key.public()];
            mandate::countersign(&token, &keys, "Adjointe", "permanence", &self.second)
                .unwrap_or_else(|e| panic!("{name}: {e}"))
        } else {
            token
        };
        let path = self.path().join(format!("mandates/{name}.biscuit"));
        std::fs::write(&path, token).expect("a file can be written");
        std::fs::write(path.with_extension("toml"), filled).expect("a file can be written");
        path
    }

    /// Has the second person countersign the mandate `name`, whatever the rules that ship ask for.
    ///
    /// # Panics
    /// When the mandate was not signed, or was countersigned already.
    pub fn countersign(&self, name: &str) {
        let path = self.path().join(format!("mandates/{name}.biscuit"));
        let token = std::fs::read(&path).expect("the mandate is signed");
        let keys = [self.key.public()];
        let token = mandate::countersign(&token, &keys, "Adjointe", "permanence", &self.second)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        std::fs::write(path, token).expect("a file can be written");
    }

    /// Signs what `change` makes of the Datalog of the mandate `base`, into `mandates/NAME.biscuit`, without asking the
    /// rules: as somebody would who holds the authority's key and another tool.
    ///
    /// # Panics
    /// When `change` did nothing, or what it made is no Datalog.
    pub fn forge(&self, name: &str, base: &str, change: impl FnOnce(String) -> String) {
        let base = self.path().join(format!("mandates/{base}.biscuit"));
        let token = std::fs::read(base).expect("the example mandates are signed");
        let source = mandate::unverified_source(&token).expect("a mandate is a token");
        // The second signature is made anew below: it belongs to the token it was made for.
        let (second, source): (Vec<&str>, Vec<&str>) = source
            .lines()
            .partition(|l| l.starts_with("countersigned("));
        let source = source.join("\n");
        let changed = change(source.clone());
        assert_ne!(source, changed, "{name}: nothing was changed");
        let token = biscuit_auth::builder::BiscuitBuilder::new()
            .code(changed)
            .and_then(|builder| builder.build(&self.key))
            .and_then(|token| token.to_vec())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let token = if second.is_empty() {
            token
        } else {
            let keys = [self.key.public()];
            mandate::countersign(&token, &keys, "Adjointe", "permanence", &self.second)
                .unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let path = self.path().join(format!("mandates/{name}.biscuit"));
        std::fs::write(path, token).expect("a file can be written");
    }

    /// Verifies the register as an inspector would.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self) -> Result<Report, VerifyError> {
        privacy_register::verify(&self.path().join("register"), &self.register_key)
    }

    /// The entries of the register, oldest first.
    ///
    /// # Panics
    /// When an entry cannot be read.
    pub fn entries(&self) -> Vec<serde_json::Value> {
        let reader = Reader::open(&self.path().join("register")).expect("a register");
        reader
            .iter(0..reader.size())
            .map(|read| read.expect("the register can be read"))
            .map(|(_, body)| serde_json::from_slice(&body).expect("an entry is JSON"))
            .collect()
    }
}

fn write_private(path: &Path, text: &str) {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("a private file can be written");
}
