// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which witnesses must have cosigned: [C2SP tlog-policy](https://c2sp.org/tlog-policy).
//!
//! ```text
//! log gst-privacy/csu-1+0f5d5cd0+AbJ…
//! witness prefecture witness.prefecture.example/csu+6a2f1c3d+BPk…
//! witness region     witness.region.example/csu+11d0c6b2+BHs…
//! witness voisine    witness.voisine.example/csu+5be0aa91+BMx…
//! group two 2 prefecture region voisine
//! quorum two
//! ```

mod reading;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use signed_note::{Note, NoteError, Verifier, VerifierList};
use tlog_tiles::Checkpoint;

use crate::{
    checkpoint::CheckpointError,
    cosignature::{self, WitnessVerifier},
    error::VerifyError,
    files::{self, MAX_CHECKPOINT},
    key::VerifierKey,
    report::Report,
    verify::verify_since,
    witness::WITNESSED,
};

/// Longest policy that is read, in bytes.
const MAX_POLICY: u64 = 1024 * 1024;

/// A policy: the logs, the witnesses, and how many of them must have cosigned.
#[derive(Debug, Clone)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    /// Witnesses and groups in the order of their lines: a group names only what stands above it.
    members: Vec<Member>,
    /// Index in `members`; `None` is `quorum none`.
    quorum: Option<usize>,
}

#[derive(Debug, Clone)]
struct Member {
    /// Octets, as the specification wants them compared.
    name: Vec<u8>,
    kind: Kind,
    depth: usize,
    /// Whether a group counts it already.
    taken: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    Witness {
        /// `None`: of a type that is not verified here, so it never counts.
        key: Option<Box<WitnessVerifier>>,
        url: Option<String>,
    },
    Group {
        needed: usize,
        members: Vec<usize>,
    },
}

/// A checkpoint that a policy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Origin of the log.
    pub origin: String,
    /// Entries that it covers.
    pub size: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// The witnesses that have cosigned, in the order of the policy, also those that the quorum does not need.
    pub by: Vec<Cosignature>,
    /// Names of the witnesses of the policy that have not.
    pub missing: Vec<String>,
}

/// Who has cosigned, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Name within the policy.
    pub name: String,
    /// Name of the key of the witness.
    pub witness: String,
    /// Time by the clock of the witness.
    pub time: Timestamp,
}

/// Why a policy cannot be used, or does not accept a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("the policy {path} cannot be read: {source}; check the path (vérifiez le chemin)", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is wrong.
    #[error("line {line} of the policy: {why} (politique de témoins, ligne {line})")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong and how to put it right.
        why: String,
    },
    /// No quorum.
    #[error(
        "the policy has no quorum line; add one at the end, such as: quorum <witness or group>, or quorum none (ajoutez une ligne quorum)"
    )]
    NoQuorum,
    /// No log.
    #[error(
        "the policy names no log that could have signed the checkpoint; add a line: log <key of the register> (ajoutez une ligne log avec la clé du registre)"
    )]
    NoLog,
    /// The policy is for others.
    #[error(
        "the policy does not name the key {key}; add a line: log {key}, or use the policy of this register (cette politique ne concerne pas ce registre)"
    )]
    OtherLog {
        /// Key of the register.
        key: String,
    },
    /// The checkpoint itself is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A cosignature does not verify: the file was changed.
    #[error(
        "the cosignature of {witness} does not verify, so the checkpoint or the cosignature was changed (la cosignature de {witness} est fausse : le fichier a été modifié)"
    )]
    Cosignature {
        /// Name of the key.
        witness: String,
    },
    /// Not enough witnesses.
    #[error(
        "the checkpoint of {size} entries lacks cosignatures: the quorum needs {needs}; cosigned: {cosigned}; missing: {missing}. Submit it to the missing witnesses, then verify again (cosignatures manquantes : {missing})"
    )]
    Quorum {
        /// Entries of the checkpoint.
        size: u64,
        /// What the quorum is.
        needs: String,
        /// Names of who has cosigned, or "nobody".
        cosigned: String,
        /// Names of who has not.
        missing: String,
    },
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Line`] with the number of the line, [`PolicyError::NoQuorum`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let mut reading = reading::Reading::default();
        let Some(text) = bytes.strip_suffix(b"\n") else {
            let line = bytes.iter().filter(|b| **b == b'\n').count() + 1;
            return Err(error(
                line,
                "it does not end in a newline, so the file may have been cut off; add the newline",
            ));
        };
        for (at, line) in text.split(|b| *b == b'\n').enumerate() {
            reading.line(line).map_err(|why| error(at + 1, why))?;
        }
        let quorum = reading.quorum.ok_or(PolicyError::NoQuorum)?;
        Ok(Self {
            logs: reading.logs,
            members: reading.members,
            quorum,
        })
    }

    /// Reads a policy from a file.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Read`], and those of [`Policy::parse`].
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let bytes = files::read_limited(path, MAX_POLICY).map_err(|source| PolicyError::Read {
            path: path.into(),
            source,
        })?;
        Self::parse(&bytes)
    }

    /// Keys of the logs that it accepts, without those of ML-DSA.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Name, key and URL of each witness, without those of ML-DSA.
    pub fn witnesses(&self) -> impl Iterator<Item = (String, &WitnessVerifier, Option<&str>)> {
        self.members.iter().filter_map(|member| match &member.kind {
            Kind::Witness {
                key: Some(key),
                url,
            } => Some((shown(&member.name), key.as_ref(), url.as_deref())),
            _ => None,
        })
    }

    /// Whether it asks for cosignatures at all.
    pub fn wants_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Accepts a checkpoint that one of the logs of the policy has signed and enough witnesses have cosigned.
    /// Signatures of keys that the policy does not name are passed by.
    ///
    /// # Errors
    ///
    /// What is wrong or missing.
    pub fn check(&self, note: &[u8]) -> Result<Witnessed, PolicyError> {
        if self.logs.is_empty() {
            return Err(PolicyError::NoLog);
        }
        self.check_by(note, &self.logs)
    }

    /// [`Policy::check`] for a register whose key is known. Where the policy names logs, it must be one of them.
    ///
    /// # Errors
    ///
    /// Those of [`Policy::check`], and [`PolicyError::OtherLog`].
    pub fn check_for(&self, note: &[u8], key: &VerifierKey) -> Result<Witnessed, PolicyError> {
        if !self.logs.is_empty() && !self.logs.contains(key) {
            return Err(PolicyError::OtherLog {
                key: key.to_string(),
            });
        }
        self.check_by(note, std::slice::from_ref(key))
    }

    fn check_by(&self, bytes: &[u8], logs: &[VerifierKey]) -> Result<Witnessed, PolicyError> {
        if bytes.len() as u64 > MAX_CHECKPOINT {
            return Err(CheckpointError::Malformed.into());
        }
        let note = Note::from_bytes(bytes).map_err(|_| CheckpointError::Malformed)?;
        let checkpoint =
            Checkpoint::from_bytes(note.text()).map_err(|_| CheckpointError::Malformed)?;
        // One spelling, or what was signed is not what is read.
        if note.to_bytes() != bytes || checkpoint.to_bytes() != note.text() {
            return Err(CheckpointError::Malformed.into());
        }
        let own = |key: &&VerifierKey| key.name() == checkpoint.origin();
        let Some(log) = logs.iter().find(own) else {
            return Err(CheckpointError::Origin {
                found: checkpoint.origin().into(),
                expected: logs
                    .iter()
                    .map(VerifierKey::name)
                    .collect::<Vec<_>>()
                    .join(", "),
            }
            .into());
        };
        let verifiers = logs
            .iter()
            .filter(own)
            .filter_map(|key| Some(Box::new(key.standard().ok()?) as Box<dyn Verifier>))
            .collect();
        note.verify(&VerifierList::new(verifiers))
            .map_err(|_| CheckpointError::Signature(log.to_string()))?;

        let witnesses: Vec<_> = self
            .members
            .iter()
            .map(|member| match &member.kind {
                Kind::Witness { key, .. } => key.as_deref(),
                Kind::Group { .. } => None,
            })
            .collect();
        let verifiers = witnesses
            .iter()
            .flatten()
            .map(|key| Box::new((*key).clone()) as Box<dyn Verifier>)
            .collect();
        let signed = match note.verify(&VerifierList::new(verifiers)) {
            Ok((signed, _)) => signed,
            Err(NoteError::UnverifiedNote) => Vec::new(),
            Err(NoteError::InvalidSignature { name, .. }) => {
                return Err(PolicyError::Cosignature { witness: name });
            }
            Err(_) => return Err(CheckpointError::Malformed.into()),
        };
        // POSIX seconds by member. What verifies has a time.
        let times: Vec<Option<u64>> = witnesses
            .iter()
            .map(|key| {
                let key = (*key)?;
                let signature = signed
                    .iter()
                    .find(|s| s.name() == key.name() && s.id() == key.key_id())?;
                cosignature::time_of(signature.signature())
            })
            .collect();
        self.judge(&checkpoint, &times)
    }

    fn judge(
        &self,
        checkpoint: &Checkpoint,
        times: &[Option<u64>],
    ) -> Result<Witnessed, PolicyError> {
        // Groups name only what stands above them, so one pass settles all.
        let mut settled: Vec<bool> = Vec::with_capacity(self.members.len());
        for (member, time) in self.members.iter().zip(times) {
            settled.push(match &member.kind {
                Kind::Witness { .. } => time.is_some(),
                Kind::Group { needed, members } => {
                    members.iter().filter(|at| settled[**at]).count() >= *needed
                }
            });
        }
        let mut by = Vec::new();
        let mut missing = Vec::new();
        for (member, time) in self.members.iter().zip(times) {
            let Kind::Witness { key, .. } = &member.kind else {
                continue;
            };
            match (key, time) {
                (Some(key), Some(time)) => by.push(Cosignature {
                    name: shown(&member.name),
                    witness: key.name().into(),
                    time: cosignature::timestamp(*time),
                }),
                (Some(_), None) => missing.push(shown(&member.name)),
                (None, _) => missing.push(format!(
                    "{} (an ML-DSA key, which is not verified here)",
                    shown(&member.name)
                )),
            }
        }
        if let Some(at) = self.quorum
            && !settled[at]
        {
            let cosigned: Vec<_> = by.iter().map(|c| c.name.as_str()).collect();
            return Err(PolicyError::Quorum {
                size: checkpoint.size(),
                needs: self.needs(at),
                cosigned: if cosigned.is_empty() {
                    "nobody".into()
                } else {
                    cosigned.join(", ")
                },
                missing: missing.join(", "),
            });
        }
        Ok(Witnessed {
            origin: checkpoint.origin().into(),
            size: checkpoint.size(),
            root: checkpoint.hash().0,
            by,
            missing,
        })
    }

    /// The quorum in words, one level deep.
    fn needs(&self, at: usize) -> String {
        let name = shown(&self.members[at].name);
        match &self.members[at].kind {
            Kind::Witness { .. } => name,
            Kind::Group { needed, members } => {
                let names: Vec<_> = members
                    .iter()
                    .map(|at| shown(&self.members[*at].name))
                    .collect();
                format!("{name} ({needed} of {})", names.join(", "))
            }
        }
    }
}

fn error(line: usize, why: impl Into<String>) -> PolicyError {
    PolicyError::Line {
        line,
        why: why.into(),
    }
}

/// A name for a person to read.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// A register that was verified, and what its witnesses have seen of it.
#[derive(Debug, Clone)]
pub struct WitnessedReport {
    /// Of the whole register.
    pub report: Report,
    /// The cosigned checkpoint.
    pub witnessed: Witnessed,
    /// Entries younger than it: only the key of the register vouches for these.
    pub younger: u64,
}

/// Why a register is not what its witnesses have seen, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum WitnessedError {
    /// No witness was ever asked, or the file was removed.
    #[error(
        "{path} is not there: no witness has cosigned this register yet, or somebody removed the file. Ask the witnesses for the last checkpoint that they have cosigned (aucune cosignature de témoin : demandez aux témoins leur dernier point de contrôle)",
        path = .0.display()
    )]
    Never(PathBuf),
    /// Reading failed.
    #[error("{path}: {source}; nothing is proved either way: check the path, and that you may read it", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The policy does not accept the cosigned checkpoint.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The register itself does not verify, or does not begin with what was cosigned.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Verifies that enough witnesses have cosigned the register, that it begins with what they have cosigned, and all
/// that [`verify`](crate::verify) does.
///
/// # Errors
///
/// The first fault.
pub fn verify_witnessed(
    dir: &Path,
    key: &VerifierKey,
    policy: &Policy,
) -> Result<WitnessedReport, WitnessedError> {
    let read = |name| {
        let path = dir.join(name);
        files::read_optional(&path, MAX_CHECKPOINT)
            .map_err(|source| WitnessedError::Io { path, source })
    };
    let note = match read(WITNESSED)? {
        Some(note) => note,
        // A policy that wants nobody accepts what the register alone has signed.
        None if !policy.wants_witnesses() => read(files::CHECKPOINT)?.unwrap_or_default(),
        None => return Err(WitnessedError::Never(dir.join(WITNESSED))),
    };
    let witnessed = policy.check_for(&note, key)?;
    let report = verify_since(dir, key, &note)?;
    let younger = report.entries.saturating_sub(witnessed.size);
    Ok(WitnessedReport {
        report,
        witnessed,
        younger,
    })
}
