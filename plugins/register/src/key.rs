// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys in the text form of [C2SP signed-note](https://c2sp.org/signed-note): the signing key is
//! `PRIVATE+KEY+<name>+<hash>+<key>`, the verifier key `<name>+<hash>+<key>`, Ed25519 both.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use signed_note::{StandardSigner, StandardVerifier, Verifier};

use crate::{error::copy_io, files};

/// Longest key file that is read: a key is one short line.
const MAX_KEY_FILE: u64 = 4096;
/// Ed25519 in a signed-note key.
const ALGORITHM: u8 = 1;

/// Signs checkpoints.
#[derive(Clone)]
pub struct SigningKey {
    pub(crate) signer: StandardSigner,
    text: String,
    verifier: VerifierKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the secret.
        write!(f, "SigningKey({})", self.verifier.text)
    }
}

impl SigningKey {
    /// A new random key. `name` is the origin of the register that it will sign for.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] when `name` is empty or holds a space, a control character or a plus sign;
    /// [`KeyError::Random`] when the system has no random numbers.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let seed = new_seed(name)?;
        Self::from_seed(name, &seed).ok_or_else(|| KeyError::Name(name.into()))
    }

    fn from_seed(name: &str, seed: &[u8; 32]) -> Option<Self> {
        let public = ed25519_dalek::SigningKey::from_bytes(seed).verifying_key();
        let id = signed_note::key_id(name, &[&[ALGORITHM], public.as_bytes().as_slice()].concat());
        let secret = BASE64_STANDARD.encode([&[ALGORITHM], seed.as_slice()].concat());
        let text = format!("PRIVATE+KEY+{name}+{id:08x}+{secret}");
        Some(Self {
            signer: StandardSigner::new(&text).ok()?,
            text,
            verifier: VerifierKey {
                text: signed_note::new_ed25519_verifier_key(name, &public),
            },
        })
    }

    /// Reads a key from its text form.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { what: "signing" };
        let text = text.strip_suffix('\n').unwrap_or(text);
        StandardSigner::new(text).map_err(|_| malformed())?;
        // The crate does not give the public key back, so take the seed from the text it has accepted.
        let mut parts = text.splitn(5, '+').skip(2);
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let key = BASE64_STANDARD.decode(key).map_err(|_| malformed())?;
        key.get(1..)
            .and_then(|seed| Self::from_seed(name, seed.try_into().ok()?))
            // One key has one spelling: the id could also be written in capitals.
            .filter(|key| key.text == text)
            .ok_or_else(malformed)
    }

    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`KeyError::Read`], [`KeyError::Exposed`] when others than the owner can read or write the file,
    /// [`KeyError::File`] when it holds no key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::from_text(&read_secret(path)?).map_err(|_| KeyError::File {
            path: path.into(),
            what: "signing",
        })
    }

    /// Writes the key to a new file that only its owner can read.
    ///
    /// # Errors
    ///
    /// [`KeyError::Write`], also when the file exists.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        write_secret(path, &self.text)
    }

    /// Origin of the register that this key signs for.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }
}

/// Verifies checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    text: String,
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl VerifierKey {
    /// Reads a key from its text form, with or without the newline at the end.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { what: "verifier" };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let verifier = StandardVerifier::new(text).map_err(|_| malformed())?;
        // One key has one spelling: the id could also be written in capitals.
        let id = text.split('+').nth(1).ok_or_else(malformed)?;
        if id != format!("{:08x}", verifier.key_id()) {
            return Err(malformed());
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`KeyError::Read`] or [`KeyError::File`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::from_text(&read_key_file(path)?).map_err(|_| KeyError::File {
            path: path.into(),
            what: "verifier",
        })
    }

    /// Origin of the register that this key verifies.
    pub fn name(&self) -> &str {
        self.text.split('+').next().unwrap_or_default()
    }

    pub(crate) fn standard(&self) -> Result<StandardVerifier, KeyError> {
        StandardVerifier::new(&self.text).map_err(|_| KeyError::Malformed { what: "verifier" })
    }
}

/// Random bytes for a key that `name` can name.
pub(crate) fn new_seed(name: &str) -> Result<[u8; 32], KeyError> {
    if name.is_empty()
        || name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
    {
        return Err(KeyError::Name(name.into()));
    }
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|e| KeyError::Random(e.to_string()))?;
    Ok(seed)
}

/// Writes a secret key to a new file that only its owner can read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), KeyError> {
    let write = |source| KeyError::Write {
        path: path.into(),
        source,
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(write)?;
    file.write_all(format!("{text}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(write)?;
    files::sync_parent(path).map_err(write)
}

/// Reads a file of a secret key, unless others than its owner can.
pub(crate) fn read_secret(path: &Path) -> Result<String, KeyError> {
    let mode = fs::metadata(path)
        .map_err(|source| KeyError::Read {
            path: path.into(),
            source,
        })?
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.into(),
            mode,
        });
    }
    read_key_file(path)
}

pub(crate) fn read_key_file(path: &Path) -> Result<String, KeyError> {
    let read = |source| KeyError::Read {
        path: path.into(),
        source,
    };
    let bytes = files::read_limited(path, MAX_KEY_FILE).map_err(read)?;
    String::from_utf8(bytes)
        .map_err(|_| read(io::Error::new(io::ErrorKind::InvalidData, "not text")))
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The origin cannot name a key.
    #[error(
        "the origin \"{0}\" cannot name a key; use a name without spaces or plus signs, such as gst-privacy/csu-1"
    )]
    Name(String),
    /// No random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
    /// The file cannot be read.
    #[error("the key file {path} cannot be read: {source}; check the path, and that you may read it (vérifiez le chemin et vos droits)", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("the key file {path} cannot be written: {source}; choose a new name in a folder that you may write to (choisissez un nouveau nom)", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read or write the private key.
    #[error(
        "the signing key {path} has mode {mode:04o}, so others than its owner can use it; run chmod 600 on it (la clé de signature doit être réservée à son propriétaire)",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{path} does not hold a {what} key in signed-note form; name the file that privacyctl register init made, or a copy of it", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Which key was expected.
        what: &'static str,
    },
    /// The file holds no key of a witness.
    #[error("{path} does not hold the {what} key of a witness (signature type 4, cosignature/v1); name the file that privacyctl register witness-key new made, or ask whoever runs the witness for its key (ce fichier ne contient pas de clé de témoin)", path = path.display())]
    WitnessFile {
        /// The file.
        path: PathBuf,
        /// Which key was expected.
        what: &'static str,
    },
    /// The text is something else.
    #[error("the text is not a {what} key in signed-note form")]
    Malformed {
        /// Which key was expected.
        what: &'static str,
    },
}

impl KeyError {
    /// The same once more.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::Name(name) => Self::Name(name.clone()),
            Self::Random(why) => Self::Random(why.clone()),
            Self::Read { path, source } => Self::Read {
                path: path.clone(),
                source: copy_io(source),
            },
            Self::Write { path, source } => Self::Write {
                path: path.clone(),
                source: copy_io(source),
            },
            Self::Exposed { path, mode } => Self::Exposed {
                path: path.clone(),
                mode: *mode,
            },
            Self::File { path, what } => Self::File {
                path: path.clone(),
                what,
            },
            Self::WitnessFile { path, what } => Self::WitnessFile {
                path: path.clone(),
                what,
            },
            Self::Malformed { what } => Self::Malformed { what },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_refused_when_exposed() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("k");
        let key = SigningKey::generate("gst-privacy/test").unwrap();
        key.save(&path).unwrap();
        assert!(key.save(&path).is_err(), "never overwritten");
        let read = SigningKey::load(&path).unwrap();
        assert_eq!(read.verifier(), key.verifier());
        assert_eq!(read.name(), "gst-privacy/test");
        assert!(!format!("{read:?}").contains("PRIVATE"));
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = SigningKey::load(&path).unwrap_err();
            assert!(matches!(error, KeyError::Exposed { .. }), "{error}");
            assert!(error.to_string().contains("chmod 600"));
        }
        let text = key.verifier().to_string();
        assert_eq!(VerifierKey::from_text(&text).unwrap(), *key.verifier());
        assert!(VerifierKey::from_text(&text.to_uppercase()).is_err());
        assert!(SigningKey::from_text(&text).is_err());
    }

    #[test]
    fn names_that_would_break_a_note_are_refused() {
        for name in ["", "a b", "a+b", "a\nb", "a\u{7}b", "a\u{a0}b"] {
            assert!(
                matches!(SigningKey::generate(name), Err(KeyError::Name(_))),
                "{name:?}"
            );
        }
    }
}
