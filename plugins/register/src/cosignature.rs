// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cosignatures: [C2SP tlog-cosignature](https://c2sp.org/tlog-cosignature), Ed25519 (`cosignature/v1`, signature
//! type 4).
//!
//! A cosignature says: "at this time, the largest tree that I have seen of this log has this root, and each tree
//! that I saw before is its beginning." What is signed is
//!
//! ```text
//! cosignature/v1
//! time 1679315147
//! example.com/behind-the-sofa
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ```
//!
//! and the signature is the time in 8 bytes, most significant first, and 64 bytes of Ed25519. ML-DSA-44
//! cosignatures (type 6) are passed by like those of any other key that is not asked for.

use std::{fmt, path::Path};

use base64::prelude::{BASE64_STANDARD, Engine};
use ed25519_dalek::{Signer as _, Verifier as _};
use jiff::Timestamp;
use signed_note::{Signer, Verifier};

use crate::key::{self, KeyError};

/// Signature type of `cosignature/v1` in a signed-note key.
pub(crate) const ALGORITHM: u8 = 4;
/// Time, then Ed25519.
const SIGNATURE_LENGTH: usize = 8 + ed25519_dalek::SIGNATURE_LENGTH;
/// Times are POSIX seconds below 2⁶³.
const MAX_TIME: u64 = i64::MAX as u64;

/// The bytes that a cosignature signs. `text` is that of the note, with its last newline.
fn message(time: u64, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {time}\n").as_bytes(), text].concat()
}

/// The time within the signature bytes of a cosignature (behind the key id), in POSIX seconds.
pub(crate) fn time_of(signature: &[u8]) -> Option<u64> {
    let (time, rest) = signature.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    (rest.len() == ed25519_dalek::SIGNATURE_LENGTH && time <= MAX_TIME).then_some(time)
}

/// The same as a timestamp. A time beyond the year 9999 is given as the last one that can be.
pub(crate) fn timestamp(seconds: u64) -> Timestamp {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Verifies cosignatures of one witness: `<name>+<id>+<key>`, where the key begins with signature type 4.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessVerifier {
    text: String,
    id: u32,
    public: ed25519_dalek::VerifyingKey,
}

impl fmt::Debug for WitnessVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessVerifier({})", self.text)
    }
}

impl fmt::Display for WitnessVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parts of `<name>+<id>+<key>` in its only spelling: name, type and bytes of the key.
pub(crate) fn split_vkey(text: &str) -> Option<(&str, u8, Vec<u8>)> {
    let mut parts = text.splitn(3, '+');
    let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
    let key = BASE64_STANDARD.decode(key).ok()?;
    let spelt = format!("{:08x}", signed_note::key_id(name, &key));
    (signed_note::is_key_name_valid(name) && id == spelt)
        .then(|| Some((name, *key.first()?, key[1..].to_vec())))?
}

impl WitnessVerifier {
    fn new(name: &str, public: ed25519_dalek::VerifyingKey) -> Self {
        let key = [&[ALGORITHM], public.as_bytes().as_slice()].concat();
        let id = signed_note::key_id(name, &key);
        Self {
            text: format!("{name}+{id:08x}+{}", BASE64_STANDARD.encode(key)),
            id,
            public,
        }
    }

    /// Reads a key from its text form, with or without the newline at the end.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`], also for the key of a register (type 1) and for ML-DSA (type 6).
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        split_vkey(text)
            .filter(|(_, algorithm, _)| *algorithm == ALGORITHM)
            .and_then(|(name, _, public)| {
                let public = ed25519_dalek::VerifyingKey::try_from(public.as_slice()).ok()?;
                Some(Self::new(name, public))
            })
            .filter(|key| key.text == text)
            .ok_or(KeyError::Malformed {
                what: "witness verifier (signature type 4)",
            })
    }

    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`KeyError::Read`] or [`KeyError::WitnessFile`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::from_text(&key::read_key_file(path)?).map_err(|_| KeyError::WitnessFile {
            path: path.into(),
            what: "verifier",
        })
    }

    /// Name of the witness, a URL without its scheme as a rule.
    pub fn name(&self) -> &str {
        self.text.split('+').next().unwrap_or_default()
    }
}

impl Verifier for WitnessVerifier {
    fn name(&self) -> &str {
        self.name()
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, msg: &[u8], sig: &[u8]) -> bool {
        let Some(time) = time_of(sig) else {
            return false;
        };
        sig.last_chunk().is_some_and(|sig| {
            let sig = ed25519_dalek::Signature::from_bytes(sig);
            self.public.verify(&message(time, msg), &sig).is_ok()
        })
    }
}

/// Signs for a witness: `PRIVATE+KEY+<name>+<id>+<key>`, where the key begins with signature type 4.
#[derive(Clone)]
pub struct WitnessKey {
    signer: ed25519_dalek::SigningKey,
    text: String,
    verifier: WitnessVerifier,
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the secret.
        write!(f, "WitnessKey({})", self.verifier.text)
    }
}

impl WitnessKey {
    /// A new random key. `name` names the witness, such as `witness.example/csu`. What is signed does not hold
    /// the name, so one key is for one witness only.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] when `name` is empty or holds a space, a control character or a plus sign;
    /// [`KeyError::Random`] when the system has no random numbers.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let seed = key::new_seed(name)?;
        Ok(Self::from_seed(name, &seed))
    }

    fn from_seed(name: &str, seed: &[u8; 32]) -> Self {
        let signer = ed25519_dalek::SigningKey::from_bytes(seed);
        let verifier = WitnessVerifier::new(name, signer.verifying_key());
        let secret = BASE64_STANDARD.encode([&[ALGORITHM], seed.as_slice()].concat());
        Self {
            signer,
            text: format!("PRIVATE+KEY+{name}+{:08x}+{secret}", verifier.id),
            verifier,
        }
    }

    /// Reads a key from its text form.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`], also for the key of a register (type 1).
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let read = || {
            let mut parts = text.strip_prefix("PRIVATE+KEY+")?.splitn(3, '+');
            let (name, _, key) = (parts.next()?, parts.next()?, parts.next()?);
            let key = BASE64_STANDARD.decode(key).ok()?;
            let (algorithm, seed) = key.split_first()?;
            let seed = seed.try_into().ok()?;
            (*algorithm == ALGORITHM && signed_note::is_key_name_valid(name))
                .then(|| Self::from_seed(name, seed))
                // The id, too, must be right: one key has one spelling.
                .filter(|key| key.text == text)
        };
        read().ok_or(KeyError::Malformed {
            what: "witness signing (signature type 4)",
        })
    }

    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`KeyError::Read`], [`KeyError::Exposed`] when others than the owner can read or write the file,
    /// [`KeyError::WitnessFile`] when it holds no key of a witness.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::from_text(&key::read_secret(path)?).map_err(|_| KeyError::WitnessFile {
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
        key::write_secret(path, &self.text)
    }

    /// Name of the witness.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> &WitnessVerifier {
        &self.verifier
    }

    /// Signs notes as of `time`, in POSIX seconds.
    pub(crate) fn at(&self, time: u64) -> Cosigner<'_> {
        Cosigner { key: self, time }
    }
}

/// A key and the time that it signs with.
pub(crate) struct Cosigner<'a> {
    key: &'a WitnessKey,
    time: u64,
}

impl Signer for Cosigner<'_> {
    fn name(&self) -> &str {
        self.key.name()
    }

    fn key_id(&self) -> u32 {
        self.key.verifier.id
    }

    fn sign(&self, msg: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        if self.time > MAX_TIME {
            return Err(ed25519_dalek::SignatureError::new());
        }
        let signature = self.key.signer.try_sign(&message(self.time, msg))?;
        let mut bytes = Vec::with_capacity(SIGNATURE_LENGTH);
        bytes.extend(self.time.to_be_bytes());
        bytes.extend(signature.to_bytes());
        Ok(bytes)
    }
}
