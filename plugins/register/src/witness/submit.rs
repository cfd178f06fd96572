// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asking a witness to cosign the checkpoint of a register, and keeping what it answers.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use signed_note::{Note, Signature, Verifier, VerifierList};
use tlog_tiles::{Hash, check_tree};

use super::{
    Answer, SIZE_TYPE,
    request::{Request, parse_size},
};
use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    cosignature::{self, WitnessVerifier},
    files::{self, Lock, MAX_CHECKPOINT},
    key::VerifierKey,
    proof::{ProofError, consistency},
};

/// The file in a register that holds its last cosigned checkpoint.
pub const WITNESSED: &str = "witnessed";
/// Requests that are sent before giving up: one to learn the size, one to cosign, and some for a register that grows.
const ATTEMPTS: u32 = 4;
/// How long to wait for the writer of the register.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is shown of an answer that is not understood.
const SHOWN: usize = 200;

/// A cosignature that was verified and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Entries that it covers.
    pub size: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// When the witness has signed, by its clock.
    pub time: Timestamp,
    /// Name of the witness.
    pub witness: String,
}

/// Why there is no new cosignature. Entries are none the worse for it.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The address cannot be one of a witness.
    #[error(
        "\"{url}\" cannot be the address of a witness: {why}; give the prefix before /add-checkpoint, such as http://witness.example:8080 (adresse de témoin invalide)"
    )]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The witness was not reached, or did not answer in time.
    #[error(
        "the witness {witness} was not reached: {why}; check its address and the network, then submit again (témoin injoignable : vérifiez l'adresse et le réseau)"
    )]
    Unreachable {
        /// Name of the witness.
        witness: String,
        /// Why.
        why: String,
    },
    /// The witness does not know this register, or not its key.
    #[error(
        "the witness {witness} does not cosign for this register (HTTP {status}); give whoever runs it the key {key} (le témoin ne connaît pas ce registre : transmettez-lui cette clé)"
    )]
    Unknown {
        /// Name of the witness.
        witness: String,
        /// HTTP status, 403 or 404.
        status: u16,
        /// Key of the register.
        key: String,
    },
    /// The witness answers something else.
    #[error(
        "the witness {witness} answered HTTP {status}: {text}; see its log, then submit again (réponse inattendue du témoin : consultez son journal)"
    )]
    Refused {
        /// Name of the witness.
        witness: String,
        /// HTTP status.
        status: u16,
        /// Beginning of the answer.
        text: String,
    },
    /// The answer holds no cosignature of the key that was given.
    #[error(
        "the witness {witness} answered without a valid cosignature of its key {key}; check that the address and the key belong together (la cosignature ne correspond pas à la clé du témoin)"
    )]
    Cosignature {
        /// Name of the witness.
        witness: String,
        /// Its key.
        key: String,
    },
    /// The register is not a continuation of what the witness has cosigned.
    #[error(
        "the register and the witness {witness} disagree since entry {size} at the latest: the tree of {size} entries that it has cosigned is not the beginning of this register. Either a second host writes with the same key, or entries were rewritten. Stop writing, keep this directory and the copy of the witness as evidence, run privacyctl register verify, and tell whoever controls the register (le registre et le témoin {witness} divergent au plus tard depuis la mention {size} : un second hôte utilise la même clé, ou des mentions ont été réécrites ; arrêtez les écritures, conservez le dossier comme preuve, lancez privacyctl register verify et prévenez le responsable du contrôle)"
    )]
    Disagree {
        /// Name of the witness.
        witness: String,
        /// Entries of the tree that both have, and that differs.
        size: u64,
    },
    /// More was cosigned than there is.
    #[error(
        "the register holds {size} entries, and {known} were cosigned under the same key, as the witness {witness} or the file \"witnessed\" shows: entries are missing since entry {size}. Either an old copy was restored, or a second host writes with the same key. Stop writing, find the directory with all {known} entries, run privacyctl register verify there, and tell whoever controls the register (le registre contient {size} mentions, mais {known} ont été cosignées : une ancienne copie a été restaurée, ou un second hôte utilise la même clé ; arrêtez les écritures, retrouvez le dossier complet et prévenez le responsable du contrôle)"
    )]
    Behind {
        /// Name of the witness.
        witness: String,
        /// Entries of the register.
        size: u64,
        /// Entries that were cosigned.
        known: u64,
    },
    /// The register grows faster than the witness answers.
    #[error(
        "the witness {witness} did not settle on a size within {ATTEMPTS} requests; submit again (le témoin n'a pas convergé : recommencez)"
    )]
    Unsettled {
        /// Name of the witness.
        witness: String,
    },
    /// The checkpoint of the register is not one of its key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is no proof that the register continues what the witness knows: it is damaged.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The register is locked for too long.
    #[error("the register {dir} is being written for too long to keep the cosignature; submit again (registre occupé : recommencez)", dir = .0.display())]
    Locked(PathBuf),
    /// Reading or writing failed.
    #[error("{path}: {source}; check that the register is mounted, writable and not full (vérifiez le disque)", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Asks a witness to cosign the published checkpoint of the register `dir`, checks its answer and keeps it in the
/// file [`WITNESSED`], beside the cosignatures of other witnesses for the same checkpoint.
///
/// `post` sends a body to `add-checkpoint` of the witness and returns the answer. Call
/// [`Register::checkpoint`](crate::Register::checkpoint) before, so that all entries are published.
///
/// # Errors
///
/// [`SubmitError::Disagree`] and [`SubmitError::Behind`] when the register is not what the witness knows: this must
/// reach a person. Any other: there is no cosignature for now, and none of the entries is the worse for it.
pub fn submit_through(
    mut post: impl FnMut(&[u8]) -> Result<Answer, SubmitError>,
    dir: &Path,
    key: &VerifierKey,
    witness: &WitnessVerifier,
) -> Result<Cosigned, SubmitError> {
    let name = || witness.name().to_owned();
    let disagree = |size| SubmitError::Disagree {
        witness: name(),
        size,
    };
    let kept = read_kept(dir, key)?;
    let mut old = kept
        .as_ref()
        .filter(|(_, note)| has_signed(note, witness))
        .map_or(0, |(kept, _)| kept.size());
    for _ in 0..ATTEMPTS {
        // Read anew each time: others append meanwhile.
        let checkpoint = read_checkpoint(dir, key)?;
        let size = checkpoint.size();
        // What was cosigned was published before, whoever has cosigned it.
        let known = kept.as_ref().map_or(old, |(kept, _)| kept.size().max(old));
        if known > size {
            return Err(SubmitError::Behind {
                witness: name(),
                size,
                known,
            });
        }
        let proof = match old {
            0 => Vec::new(),
            old if old == size => Vec::new(),
            old => consistency(dir, old, size)?,
        };
        // What was kept is as good a witness of the past as the witness is.
        if let Some((kept, _)) = kept
            .as_ref()
            .filter(|(kept, _)| kept.size() == old && old > 0)
        {
            let (root, old_root) = (Hash(*checkpoint.root()), Hash(*kept.root()));
            if check_tree(&proof, size, root, old, old_root).is_err() {
                return Err(disagree(old));
            }
        }
        let answer = post(&Request::write(old, &proof, checkpoint.bytes()))?;
        match (answer.status, size_told(&answer)) {
            (200, _) => return keep(dir, key, &checkpoint, &answer, witness),
            (409, Some(told)) if told != old => old = told,
            // A wrong proof, or the same size and another root.
            (422, _) | (409, Some(_)) if old > 0 => return Err(disagree(old)),
            (409, None) if old > 0 && old == size => return Err(disagree(old)),
            (status @ (403 | 404), _) => {
                return Err(SubmitError::Unknown {
                    witness: name(),
                    status,
                    key: key.to_string(),
                });
            }
            (status, _) => {
                return Err(SubmitError::Refused {
                    witness: name(),
                    status,
                    text: shown(&answer.body),
                });
            }
        }
    }
    Err(SubmitError::Unsettled { witness: name() })
}

fn read_checkpoint(dir: &Path, key: &VerifierKey) -> Result<SignedCheckpoint, SubmitError> {
    let path = dir.join(files::CHECKPOINT);
    let bytes = files::read_limited(&path, MAX_CHECKPOINT)
        .map_err(|source| SubmitError::Io { path, source })?;
    Ok(SignedCheckpoint::verify(&bytes, key)?)
}

/// What is in the file [`WITNESSED`], if it is a checkpoint of this key.
fn read_kept(
    dir: &Path,
    key: &VerifierKey,
) -> Result<Option<(SignedCheckpoint, Note)>, SubmitError> {
    let path = dir.join(WITNESSED);
    let bytes = files::read_optional(&path, MAX_CHECKPOINT)
        .map_err(|source| SubmitError::Io { path, source })?;
    Ok(bytes.and_then(|bytes| {
        let checkpoint = SignedCheckpoint::verify(&bytes, key).ok()?;
        Some((checkpoint, Note::from_bytes(&bytes).ok()?))
    }))
}

fn has_signed(note: &Note, witness: &WitnessVerifier) -> bool {
    note.verify(&VerifierList::new(vec![Box::new(witness.clone())]))
        .is_ok()
}

/// The size in a 409 answer.
fn size_told(answer: &Answer) -> Option<u64> {
    let media_type = answer.content_type.split(';').next()?.trim();
    let line = str::from_utf8(&answer.body).ok()?.strip_suffix('\n')?;
    (answer.status == 409 && media_type.eq_ignore_ascii_case(SIZE_TYPE))
        .then(|| parse_size(line))?
}

/// Beginning of an answer, on one line.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    let text = text.trim();
    if text.is_empty() {
        return "(no text)".into();
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Verifies the cosignature in an answer and writes it down.
fn keep(
    dir: &Path,
    key: &VerifierKey,
    checkpoint: &SignedCheckpoint,
    answer: &Answer,
    witness: &WitnessVerifier,
) -> Result<Cosigned, SubmitError> {
    let verified = || {
        let text = str::from_utf8(&answer.body).ok()?.strip_suffix('\n')?;
        let note = Note::from_bytes(checkpoint.bytes()).ok()?;
        // Cosignatures of other keys are passed by, as the protocol says.
        let signature = text
            .split('\n')
            .filter_map(|line| Signature::from_bytes(line.as_bytes()).ok())
            .find(|s| s.name() == witness.name() && s.id() == witness.key_id())?;
        let time = cosignature::time_of(signature.signature()).filter(|time| *time > 0)?;
        witness
            .verify(note.text(), signature.signature())
            .then_some((note, signature, time))
    };
    let Some((note, signature, time)) = verified() else {
        return Err(SubmitError::Cosignature {
            witness: witness.name().into(),
            key: witness.to_string(),
        });
    };
    store(dir, key, checkpoint, &note, signature, witness)?;
    Ok(Cosigned {
        size: checkpoint.size(),
        root: *checkpoint.root(),
        time: cosignature::timestamp(time),
        witness: witness.name().into(),
    })
}

fn store(
    dir: &Path,
    key: &VerifierKey,
    checkpoint: &SignedCheckpoint,
    note: &Note,
    signature: Signature,
    witness: &WitnessVerifier,
) -> Result<(), SubmitError> {
    let path = dir.join(WITNESSED);
    let io = |source| SubmitError::Io {
        path: path.clone(),
        source,
    };
    let _lock = Lock::take(dir, true, PATIENCE)
        .map_err(io)?
        .ok_or_else(|| SubmitError::Locked(dir.into()))?;
    let log = Note::from_bytes(checkpoint.bytes()).map_err(|_| CheckpointError::Malformed)?;
    let verifier = key.standard().map_err(|_| CheckpointError::Malformed)?;
    let (mut signatures, _) = log
        .verify(&VerifierList::new(vec![Box::new(verifier)]))
        .map_err(|_| CheckpointError::Signature(key.to_string()))?;
    if let Some((kept, kept_note)) = read_kept(dir, key)? {
        if kept.size() > checkpoint.size() {
            // Another process was faster, with more entries.
            return Ok(());
        }
        if kept.size() == checkpoint.size() && kept.root() != checkpoint.root() {
            // Both are signed by the log: the proof of a fork is not to be written over.
            return Err(SubmitError::Disagree {
                witness: witness.name().into(),
                size: kept.size(),
            });
        }
        if kept_note.text() == note.text() {
            signatures.extend(others(&kept_note, key, witness));
        }
    }
    signatures.push(signature);
    let merged = Note::new(note.text(), &signatures)
        .map_err(|_| CheckpointError::Malformed)?
        .to_bytes();
    files::write_durable(dir, WITNESSED, &merged).map_err(io)
}

/// Signatures of a note by others than the log and this witness.
fn others(note: &Note, key: &VerifierKey, witness: &WitnessVerifier) -> Vec<Signature> {
    let mut known: Vec<Box<dyn Verifier>> = vec![Box::new(witness.clone())];
    if let Ok(log) = key.standard() {
        known.push(Box::new(log));
    }
    note.verify(&VerifierList::new(known))
        .map(|(_, others)| others)
        .unwrap_or_default()
}
