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

#[cfg(test)]
mod tests {
    use signed_note::{Note, VerifierList};

    use super::*;

    const TEXT: &[u8] =
        b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn cosign(key: &WitnessKey, time: u64) -> Note {
        let mut note = Note::new(TEXT, &[]).unwrap();
        note.add_sigs(&[&key.at(time)]).unwrap();
        note
    }

    fn verifies(note: &Note, key: &WitnessVerifier) -> bool {
        note.verify(&VerifierList::new(vec![Box::new(key.clone())]))
            .is_ok()
    }

    /// The message and the form of the signature in c2sp.org/tlog-cosignature. It publishes no key.
    #[test]
    fn the_form_is_that_of_the_specification() {
        let wanted = "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n\
            CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        assert_eq!(message(1_679_315_147, TEXT), wanted.as_bytes());
        let line = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
        let bytes = BASE64_STANDARD.decode(line).unwrap();
        assert_eq!(time_of(&bytes[4..]), Some(1_679_315_147));

        // TestCoSigV1Timestamp of transparency-dev/formats.
        for (line, time) in [
            (
                "ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJXORmnFBOBA==",
                Some(1_727_964_367),
            ),
            (
                "eQjRQm6eSKzFoiYalgwCPXu2y3ijtg68is9M46JKxuZB+dRfTmeQeDBoXnvxZx2ugnkyV+MUMLXpWs1hPb/W/4xkNQY=",
                None,
            ),
        ] {
            let bytes = BASE64_STANDARD.decode(line).unwrap();
            assert_eq!(time_of(&bytes[4..]), time);
        }
    }

    /// A checkpoint of a public log that four operators have cosigned, each with the key that it publishes.
    #[test]
    fn published_cosignatures_verify() {
        let text = include_str!("../tests/interop/arche2025h1/checkpoint");
        let policy = include_str!("../tests/interop/arche2025h1/policy");
        let note = Note::from_bytes(text.as_bytes()).unwrap();
        let mut verified = 0;
        for line in policy.lines().filter(|line| line.starts_with("witness ")) {
            let key = WitnessVerifier::from_text(line.split(' ').nth(2).unwrap()).unwrap();
            assert!(verifies(&note, &key), "{key}");
            verified += 1;
        }
        assert_eq!(verified, 4);
    }

    #[test]
    fn a_cosignature_covers_every_byte_and_its_time() {
        let key = WitnessKey::generate("witness.example/w1").unwrap();
        let note = cosign(&key, 1_679_315_147);
        assert!(verifies(&note, key.verifier()));
        let bytes = note.to_bytes();
        for at in 0..bytes.len() {
            for mask in [1, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= mask;
                assert!(
                    Note::from_bytes(&changed).map_or(true, |note| {
                        // A second spelling of the base64 is refused where notes are read.
                        note.to_bytes() != changed || !verifies(&note, key.verifier())
                    }),
                    "byte {at}"
                );
            }
        }
        // Extension lines belong to what is signed.
        let text = [TEXT, b"extension\n"].concat();
        let (signed, _) = note
            .verify(&VerifierList::new(vec![Box::new(key.verifier().clone())]))
            .unwrap();
        assert!(!verifies(
            &Note::new(&text, &signed).unwrap(),
            key.verifier()
        ));
        // Another key of the same name, and the same key under another name.
        let other = WitnessKey::generate("witness.example/w1").unwrap();
        assert!(!verifies(&note, other.verifier()));
        let renamed = WitnessVerifier::new("witness.example/w2", key.verifier.public);
        assert_ne!(renamed.id, key.verifier.id);
        assert!(!verifies(&note, &renamed));
    }

    #[test]
    fn times_end_at_two_to_the_63() {
        let key = WitnessKey::generate("w").unwrap();
        for time in [0, 1, MAX_TIME] {
            assert!(verifies(&cosign(&key, time), key.verifier()), "{time}");
        }
        let mut note = Note::new(TEXT, &[]).unwrap();
        assert!(note.add_sigs(&[&key.at(MAX_TIME + 1)]).is_err());
        let bytes = [(MAX_TIME + 1).to_be_bytes().as_slice(), &[0; 64]].concat();
        assert_eq!(time_of(&bytes), None);
        assert!(!key.verifier().verify(TEXT, &bytes));
        for length in [0, 7, 8, 64, 71, 73] {
            assert!(!key.verifier().verify(TEXT, &vec![0; length]));
        }
        assert_eq!(timestamp(MAX_TIME), Timestamp::MAX);
        assert_eq!(timestamp(1_679_315_147).as_second(), 1_679_315_147);
    }

    #[test]
    fn keys_have_one_spelling_and_one_type() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("witness.key");
        let key = WitnessKey::generate("witness.example/w1").unwrap();
        key.save(&path).unwrap();
        assert!(key.save(&path).is_err(), "never overwritten");
        let read = WitnessKey::load(&path).unwrap();
        assert_eq!(read.verifier(), key.verifier());
        assert_eq!(read.name(), "witness.example/w1");
        assert!(!format!("{read:?}").contains("PRIVATE"));
        let text = key.verifier().to_string();
        assert_eq!(WitnessVerifier::from_text(&text).unwrap(), *key.verifier());
        assert_eq!(
            WitnessVerifier::from_text(&format!("{text}\n")).unwrap(),
            *key.verifier()
        );
        let log = crate::SigningKey::generate("witness.example/w1").unwrap();
        let (name, rest) = text.split_once('+').unwrap();
        let (id, public) = rest.split_once('+').unwrap();
        for bad in [
            String::new(),
            "+".into(),
            "++".into(),
            log.verifier().to_string(),
            format!("{name}+{}+{public}", id.to_uppercase()),
            format!("{name}+{public}"),
            format!("other+{id}+{public}"),
            format!("{text}\n\n"),
            format!(" {text}"),
            format!("{text}="),
            text[..text.len() - 4].into(),
        ] {
            // An id of digits alone is the same in capitals.
            assert!(
                WitnessVerifier::from_text(&bad).is_err() || bad == text,
                "{bad}"
            );
        }
        let secret = std::fs::read_to_string(&path).unwrap();
        for bad in [
            text.clone(),
            secret.replace("w1", "w2"),
            format!("{secret}x"),
        ] {
            assert!(WitnessKey::from_text(&bad).is_err(), "{bad}");
        }
        let log_path = tmp.path().join("log.key");
        log.save(&log_path).unwrap();
        let error = WitnessKey::load(&log_path).unwrap_err();
        assert!(matches!(error, KeyError::WitnessFile { .. }), "{error}");
        assert!(crate::SigningKey::load(&path).is_err());
    }
}
