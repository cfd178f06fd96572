// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a witness remembers, and what it does with a request.
//!
//! ```text
//! witness              verifier key of the witness: without this file the directory is not one
//! lock                 empty; whoever answers a request holds it
//! logs/<SHA-256>       last checkpoint of the log whose origin has that hash, with the signature of the
//!                      log and the cosignature of the witness
//! refused/<SHA-256>    checkpoints that a log has signed and that do not continue its last one: evidence, and
//!                      no more than 100 of them
//! ```
//!
//! The last checkpoint is on the disk before its cosignature leaves, so a crash at any point leaves at most a
//! cosignature that nobody has got; the log asks again and gets one for the same tree.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use signed_note::{Note, Signature, VerifierList};
use tlog_tiles::{EMPTY_HASH, Hash, check_tree};

use super::{
    Answer, SIZE_TYPE,
    request::{MAX_REQUEST, Request, read_note},
};
use crate::{
    cosignature::{self, WitnessKey},
    files::{self, Lock, MAX_CHECKPOINT},
    key::VerifierKey,
};

/// The file that makes a directory the state of a witness.
const MARKER: &str = "witness";
/// How long a request waits for others.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where checkpoints that were refused are kept, and how many.
const REFUSED: &str = "refused";
const MAX_REFUSED: usize = 100;

/// A witness: its key, the logs that it cosigns for, and the directory of what it has cosigned.
#[derive(Debug)]
pub struct WitnessState {
    dir: PathBuf,
    key: WitnessKey,
    /// Keys by origin.
    logs: BTreeMap<String, Vec<VerifierKey>>,
}

/// The last checkpoint that was cosigned for a log.
struct Last {
    size: u64,
    root: Hash,
    /// Time of the cosignature, in POSIX seconds.
    time: u64,
}

/// Why a witness cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The directory is not the state of a witness.
    #[error(
        "{dir} is not the state of a witness: its file \"witness\" is not there. Check that the disk is mounted. If the state is lost, retire the key and make a new one, because this one may have cosigned what is forgotten now; for a new witness, make the state first (ce dossier n'est pas l'état d'un témoin ; si l'état est perdu, changez de clé)",
        dir = .0.display()
    )]
    NotAState(PathBuf),
    /// There is a state already.
    #[error("{dir} is not empty; choose a new directory for the state of a new witness (choisissez un dossier vide)", dir = .0.display())]
    Exists(PathBuf),
    /// The state belongs to another key.
    #[error(
        "{dir} is the state of the witness {found}, not of {expected}; a key goes with its own state (cet état appartient à une autre clé)",
        dir = dir.display()
    )]
    OtherKey {
        /// The directory.
        dir: PathBuf,
        /// Key of the state.
        found: String,
        /// Key that was given.
        expected: String,
    },
    /// A file of the state was changed or cut off.
    #[error(
        "{path} is not a checkpoint that this witness has cosigned; restore it from the last copy, or retire the key: without it the witness could sign two histories (état du témoin endommagé : restaurez-le ou changez de clé)",
        path = .0.display()
    )]
    Damaged(PathBuf),
    /// Nothing to witness.
    #[error(
        "no log is given: name the verifier key of each register to be witnessed (register.pub) (indiquez la clé publique de chaque registre)"
    )]
    NoLog,
    /// Reading or writing failed.
    #[error("{path}: {source}; check the path, and that you may read and write it (vérifiez le chemin et vos droits)", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl WitnessState {
    /// Makes the state of a new witness in a directory that is empty or not there yet.
    ///
    /// # Errors
    ///
    /// [`WitnessError::Exists`] and [`WitnessError::Io`].
    pub fn init(dir: &Path, key: &WitnessKey) -> Result<(), WitnessError> {
        let io = |source| WitnessError::Io {
            path: dir.into(),
            source,
        };
        match fs::create_dir(dir) {
            Ok(()) => files::sync_parent(dir).map_err(io)?,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if fs::read_dir(dir).map_err(io)?.next().is_some() {
                    return Err(WitnessError::Exists(dir.into()));
                }
            }
            Err(e) => return Err(io(e)),
        }
        files::write_durable(dir, MARKER, format!("{}\n", key.verifier()).as_bytes()).map_err(io)
    }

    /// Opens the state of a witness that cosigns for the given logs. The same origin may have several keys.
    ///
    /// # Errors
    ///
    /// Everything but [`WitnessError::Exists`]. All files are read, so that a damaged one is found now.
    pub fn open(dir: &Path, key: WitnessKey, logs: &[VerifierKey]) -> Result<Self, WitnessError> {
        let path = dir.join(MARKER);
        let marker = files::read_optional(&path, MAX_CHECKPOINT)
            .map_err(|source| WitnessError::Io { path, source })?
            .ok_or_else(|| WitnessError::NotAState(dir.into()))?;
        let found = String::from_utf8_lossy(&marker).trim_end().to_owned();
        if found != key.verifier().to_string() {
            return Err(WitnessError::OtherKey {
                dir: dir.into(),
                found,
                expected: key.verifier().to_string(),
            });
        }
        let mut by_origin = BTreeMap::<String, Vec<VerifierKey>>::new();
        for log in logs {
            let keys = by_origin.entry(log.name().to_owned()).or_default();
            // The same key twice would be ambiguous to the verifier.
            if !keys.contains(log) {
                keys.push(log.clone());
            }
        }
        if by_origin.is_empty() {
            return Err(WitnessError::NoLog);
        }
        let state = Self {
            dir: dir.into(),
            key,
            logs: by_origin,
        };
        for origin in state.logs.keys() {
            state.last(origin)?;
        }
        Ok(state)
    }

    /// The key that the cosignatures verify with.
    pub fn verifier(&self) -> &cosignature::WitnessVerifier {
        self.key.verifier()
    }

    /// The logs that it cosigns for.
    pub fn logs(&self) -> impl Iterator<Item = &VerifierKey> {
        self.logs.values().flatten()
    }

    /// Answers an HTTP request below the prefix of the witness: `POST …/add-checkpoint`, and
    /// `GET …/<SHA-256 of the origin in hexadecimal>/checkpoint`, the last checkpoint as it was cosigned, for those
    /// who compare. The server reads no more than [`MAX_REQUEST`] bytes of body, and one more to notice a longer one.
    pub fn answer(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let mut parts = path.rsplit('/');
        match (method, parts.next(), parts.next()) {
            ("POST", Some("add-checkpoint"), _) => self.add_checkpoint(body),
            ("GET", Some("checkpoint"), Some(hash)) => self.checkpoint(hash),
            (_, Some("add-checkpoint" | "checkpoint"), _) => {
                Answer::new(405, "POST add-checkpoint, GET checkpoint\n")
            }
            _ => Answer::new(404, "add-checkpoint is what a witness answers\n"),
        }
    }

    /// Answers `add-checkpoint`.
    ///
    /// 200 with the cosignature; 400 malformed, 404 unknown origin, 403 not signed by the log, 409 with the size
    /// that is known, or with a text where the same size has another root, 413 too long, 422 wrong proof; 500 and
    /// 503 when the witness itself cannot: damaged state, full disk, clock set back.
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        self.add_checkpoint_at(body, Timestamp::now())
    }

    pub(super) fn add_checkpoint_at(&self, body: &[u8], now: Timestamp) -> Answer {
        if body.len() as u64 > MAX_REQUEST {
            return Answer::new(413, "the request is too long\n");
        }
        let request = match Request::parse(body) {
            Ok(request) => request,
            Err(why) => return Answer::new(400, format!("{why}\n")),
        };
        let origin = request.checkpoint.origin();
        let Some(keys) = self.logs.get(origin) else {
            return Answer::new(404, "this witness does not know the origin\n");
        };
        let verifiers = keys
            .iter()
            .filter_map(
                |key| Some(Box::new(key.standard().ok()?) as Box<dyn signed_note::Verifier>),
            )
            .collect();
        let Ok((signatures, _)) = request.note.verify(&VerifierList::new(verifiers)) else {
            return Answer::new(403, "no key of the log has signed the checkpoint\n");
        };
        if request.old > request.checkpoint.size() {
            return Answer::new(400, "the old size is beyond the checkpoint\n");
        }

        // From here on nobody else reads or writes the state, in this process or another.
        let _lock = match Lock::take(&self.dir, true, PATIENCE) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Answer::new(503, "the witness is busy\n"),
            Err(_) => return Answer::new(500, "the witness cannot lock its state\n"),
        };
        // A lost disk must not look like a new witness.
        if !self.dir.join(MARKER).exists() {
            return Answer::new(500, "the witness has lost its state\n");
        }
        let Ok(last) = self.last(origin) else {
            return Answer::new(500, "the witness cannot read its state\n");
        };
        if let Some(refusal) = judge(&request, last.as_ref()) {
            // An old size that is not known says nothing about the tree.
            if refusal.content_type != SIZE_TYPE {
                self.keep_refused(request.note.text(), &signatures);
            }
            return refusal;
        }
        // Each cosignature says "the largest that I have seen as of now".
        let time = u64::try_from(now.as_second()).unwrap_or(0);
        let before = last.map_or(1, |last| last.time);
        if time < before {
            let before = cosignature::timestamp(before);
            return Answer::new(
                503,
                format!(
                    "the clock of the witness says {now}, which is before its last cosignature ({before}): set it \
                     right; if that one was too late, retire the key (horloge du témoin en retard)\n"
                ),
            );
        }

        let cosigner = self.key.at(time);
        let cosigned = Note::new(request.note.text(), &signatures)
            .and_then(|mut note| note.add_sigs(&[&cosigner]).map(|()| note.to_bytes()));
        let Ok(note) = cosigned else {
            return Answer::new(500, "the witness cannot sign\n");
        };
        if note.len() as u64 > MAX_CHECKPOINT {
            return Answer::new(413, "the checkpoint is too long\n");
        }
        if files::write_durable(&self.dir, &relative(&hash_of(origin)), &note).is_err() {
            return Answer::new(500, "the witness cannot write its state\n");
        }
        // The cosignature is the last line.
        let line = note[..note.len() - 1]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        Answer::new(200, &note[line..])
    }

    /// The last checkpoint that was cosigned for the origin with this SHA-256, in lower-case hexadecimal: 200, or
    /// 404 where there is none.
    pub fn checkpoint(&self, origin_hash: &str) -> Answer {
        let none = || Answer::new(404, "nothing was cosigned for this origin\n");
        let Some(origin) = self.logs.keys().find(|o| hash_of(o) == origin_hash) else {
            return none();
        };
        let path = self.dir.join(relative(origin_hash));
        match (
            self.last(origin),
            files::read_optional(&path, MAX_CHECKPOINT),
        ) {
            (Ok(Some(_)), Ok(Some(note))) => Answer::new(200, note),
            (Ok(None), _) => none(),
            _ => Answer::new(500, "the witness cannot read its state\n"),
        }
    }

    /// Keeps what a log has signed beside what it had signed before. That it cannot be kept changes no answer.
    fn keep_refused(&self, text: &[u8], signatures: &[Signature]) {
        let name = format!("{REFUSED}/{}", hex::encode(Sha256::digest(text)));
        let kept = fs::read_dir(self.dir.join(REFUSED)).map_or(0, Iterator::count);
        if kept >= MAX_REFUSED || self.dir.join(&name).exists() {
            return;
        }
        if let Ok(note) = Note::new(text, signatures) {
            let _ = files::write_durable(&self.dir, &name, &note.to_bytes());
        }
    }

    /// What was cosigned last for an origin. A file that this key has not cosigned is an error, never "nothing".
    fn last(&self, origin: &str) -> Result<Option<Last>, WitnessError> {
        let path = self.dir.join(relative(&hash_of(origin)));
        let bytes = match files::read_optional(&path, MAX_CHECKPOINT) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(source) => return Err(WitnessError::Io { path, source }),
        };
        let read = || {
            let (note, checkpoint) = read_note(&bytes)?;
            let verifier = Box::new(self.key.verifier().clone());
            let (ours, _) = note.verify(&VerifierList::new(vec![verifier])).ok()?;
            Some(Last {
                size: checkpoint.size(),
                root: *checkpoint.hash(),
                time: cosignature::time_of(ours.first()?.signature())?,
            })
            .filter(|_| checkpoint.origin() == origin)
        };
        read().map(Some).ok_or(WitnessError::Damaged(path))
    }
}

/// Whether the tree continues the last one; the refusal where it does not.
fn judge(request: &Request, last: Option<&Last>) -> Option<Answer> {
    let wrong = || Some(Answer::new(422, "the proof does not verify\n"));
    let (size, root) = (request.checkpoint.size(), *request.checkpoint.hash());
    let (known, known_root) = last.map_or((0, EMPTY_HASH), |last| (last.size, last.root));
    if request.old != known {
        return Some(Answer::size(known));
    }
    if size == 0 && root != EMPTY_HASH {
        return wrong();
    }
    if size == known && root != known_root {
        return Some(Answer::new(
            409,
            format!("the witness has cosigned another root for size {size}\n"),
        ));
    }
    let holds = if known == 0 || size == known {
        request.proof.is_empty()
    } else {
        check_tree(&request.proof, size, root, known, known_root).is_ok()
    };
    if holds { None } else { wrong() }
}

/// SHA-256 of an origin, in hexadecimal.
fn hash_of(origin: &str) -> String {
    hex::encode(Sha256::digest(origin.as_bytes()))
}

/// Path of the last checkpoint below the state.
fn relative(origin_hash: &str) -> String {
    format!("logs/{origin_hash}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use crate::checkpoint::SignedCheckpoint;

    #[test]
    fn a_clock_set_back_stops_the_witness() {
        let tmp = tempfile::tempdir().unwrap();
        let log = SigningKey::generate("gst-privacy/test").unwrap();
        let key = WitnessKey::generate("witness.example/w1").unwrap();
        let dir = tmp.path().join("state");
        WitnessState::init(&dir, &key).unwrap();
        let witness = WitnessState::open(&dir, key, &[log.verifier().clone()]).unwrap();
        let signed = SignedCheckpoint::sign(&log, 1, Hash([7; 32])).unwrap();
        let at = |old, second| {
            let now = Timestamp::from_second(second).unwrap();
            let answer = witness.add_checkpoint_at(&Request::write(old, &[], signed.bytes()), now);
            (answer.status, String::from_utf8(answer.body).unwrap())
        };
        assert_eq!(at(0, -1).0, 503);
        assert_eq!(at(0, 0).0, 503);
        assert_eq!(at(0, 1_700_000_000).0, 200);
        // The same second is no step back.
        assert_eq!(at(1, 1_700_000_000).0, 200);
        let (status, text) = at(1, 1_699_999_999);
        assert_eq!(status, 503);
        assert!(text.contains("2023-11-14T22:13:20Z"), "{text}");
        assert_eq!(at(1, 1_700_000_001).0, 200);
    }
}
