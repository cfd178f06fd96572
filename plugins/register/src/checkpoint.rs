// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signed tree heads: a [C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint) in a signed note.

use signed_note::{Note, NoteError, VerifierList};
use tlog_tiles::{Checkpoint, Hash};

use crate::{
    files::MAX_CHECKPOINT,
    key::{SigningKey, VerifierKey},
};

/// A checkpoint whose signature was verified, with the bytes that carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    bytes: Vec<u8>,
    size: u64,
    root: [u8; 32],
}

/// Why a checkpoint is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint in a signed note, or not in its only spelling.
    #[error("the checkpoint is malformed, so it was not written by a register, or changed since")]
    Malformed,
    /// Signed by another key, or changed after signing.
    #[error("the checkpoint is not signed by the key {0}")]
    Signature(String),
    /// Signed by the right key for another register.
    #[error("the checkpoint is for the origin \"{found}\", not \"{expected}\"")]
    Origin {
        /// Origin of the checkpoint.
        found: String,
        /// Origin of the key.
        expected: String,
    },
}

impl SignedCheckpoint {
    /// Signs the head of a tree.
    pub(crate) fn sign(key: &SigningKey, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        let bytes = Checkpoint::new(key.name(), size, root, "")
            .ok()
            .and_then(|checkpoint| Note::new(&checkpoint.to_bytes(), &[]).ok())
            .and_then(|mut note| {
                note.add_sigs(&[&key.signer]).ok()?;
                Some(note.to_bytes())
            })
            .ok_or_else(|| CheckpointError::Signature(key.verifier().to_string()))?;
        Ok(Self {
            bytes,
            size,
            root: root.0,
        })
    }

    /// Reads and verifies a checkpoint. Further signatures, of witnesses say, may follow the one of `key`.
    ///
    /// # Errors
    ///
    /// Whatever it is that makes the checkpoint not one of `key`.
    pub fn verify(bytes: &[u8], key: &VerifierKey) -> Result<Self, CheckpointError> {
        if bytes.len() as u64 > MAX_CHECKPOINT {
            return Err(CheckpointError::Malformed);
        }
        let note = Note::from_bytes(bytes).map_err(|_| CheckpointError::Malformed)?;
        let not_signed = || CheckpointError::Signature(key.to_string());
        let verifier = key.standard().map_err(|_| not_signed())?;
        note.verify(&VerifierList::new(vec![Box::new(verifier)]))
            .map_err(|e| match e {
                NoteError::MalformedNote => CheckpointError::Malformed,
                _ => not_signed(),
            })?;
        let checkpoint =
            Checkpoint::from_bytes(note.text()).map_err(|_| CheckpointError::Malformed)?;
        // What was signed must be what is read: no second spelling of the same bytes.
        if note.to_bytes() != bytes || checkpoint.to_bytes() != note.text() {
            return Err(CheckpointError::Malformed);
        }
        if checkpoint.origin() != key.name() {
            return Err(CheckpointError::Origin {
                found: checkpoint.origin().into(),
                expected: key.name().into(),
            });
        }
        Ok(Self {
            bytes: bytes.to_vec(),
            size: checkpoint.size(),
            root: checkpoint.hash().0,
        })
    }

    /// Size and root that `bytes` claim, whoever signed them.
    pub(crate) fn claim(bytes: &[u8]) -> Result<(u64, Hash), CheckpointError> {
        if bytes.len() as u64 > MAX_CHECKPOINT {
            return Err(CheckpointError::Malformed);
        }
        Note::from_bytes(bytes)
            .ok()
            .and_then(|note| Checkpoint::from_bytes(note.text()).ok())
            .map(|checkpoint| (checkpoint.size(), *checkpoint.hash()))
            .ok_or(CheckpointError::Malformed)
    }

    /// The checkpoint as it stands on the disk. It is text.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of entries that it covers.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the Merkle tree over them (RFC 6962, SHA-256).
    pub fn root(&self) -> &[u8; 32] {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_noticed() {
        let key = SigningKey::generate("gst-privacy/test").unwrap();
        let signed = SignedCheckpoint::sign(&key, 41, Hash([7; 32])).unwrap();
        let bytes = signed.bytes().to_vec();
        assert_eq!(
            SignedCheckpoint::verify(&bytes, key.verifier()).unwrap(),
            signed
        );
        for at in 0..bytes.len() {
            for mask in [1, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= mask;
                assert!(
                    SignedCheckpoint::verify(&changed, key.verifier()).is_err(),
                    "byte {at}"
                );
            }
            assert!(SignedCheckpoint::verify(&bytes[..at], key.verifier()).is_err());
        }
        let other = SigningKey::generate("gst-privacy/test").unwrap();
        assert!(matches!(
            SignedCheckpoint::verify(&bytes, other.verifier()),
            Err(CheckpointError::Signature(_))
        ));
    }

    #[test]
    fn a_witness_may_sign_too() {
        let key = SigningKey::generate("gst-privacy/test").unwrap();
        let witness = SigningKey::generate("witness.example").unwrap();
        let signed = SignedCheckpoint::sign(&key, 1, Hash([7; 32])).unwrap();
        let mut note = Note::from_bytes(signed.bytes()).unwrap();
        note.add_sigs(&[&witness.signer]).unwrap();
        let both = SignedCheckpoint::verify(&note.to_bytes(), key.verifier()).unwrap();
        assert_eq!(both.size(), 1);
    }
}
