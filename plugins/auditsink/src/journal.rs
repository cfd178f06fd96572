// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run in the register: opening entries before anything flows, entries of segments while it flows, closing
//! entries after the end.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use privacy_register::{Entry, Held, Operation, Register, SignedCheckpoint, VerifierKey};
use serde_json::json;

use crate::{
    entries::{self, Times, UNDECLARED},
    output::{Finished, Output, Recipients, Segment},
};

mod cuts;
mod dead;
mod ending;
mod error;
mod request;
mod uses;

use cuts::Cuts;
pub use dead::Settled;
pub use error::JournalError;
pub use request::Request;
pub use uses::Single;
use uses::Uses;

/// A register, and the run that is going on.
#[derive(Debug)]
pub struct Journal {
    register: Register,
    host: String,
    run: Option<Run>,
    uses: Uses,
    next_probe: Option<Instant>,
    probe_interval: Duration,
}

/// How a run is to be made.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// File to write; `None`: bytes are hashed and forgotten.
    pub location: Option<PathBuf>,
    /// Those to whom the file is encrypted.
    pub recipients: Recipients,
    /// Length of a segment; zero for none.
    pub segment: Duration,
    /// What cannot be written for now is tried again, and is no failure of the run.
    pub waits: bool,
}

#[derive(Debug)]
struct Run {
    output: Output,
    /// Name of the file that is being written, and the tag of its temporary name.
    file: Option<(String, String)>,
    sessions: Vec<Session>,
    times: Times,
    cuts: Option<Cuts>,
    /// Times of the present segment, and the number of bytes that had arrived before it.
    segment_times: Times,
    segment_from: u64,
    /// A segment that ended and that not all sessions have an entry of yet.
    ended: Option<(Segment, Times)>,
    waits: bool,
    /// Something was not taken in: whatever comes after, the run did not end well.
    failed: bool,
}

#[derive(Debug)]
struct Session {
    index: u64,
    text: String,
    entry: Entry,
    /// Segments that have their entry.
    segments: u64,
    /// Given back with the closing entry; without, the next start finds the session.
    held: Held,
}

/// An entry that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its index.
    pub index: u64,
    /// The session.
    pub session: String,
    /// Identifier of the purpose.
    pub purpose: String,
    /// The operation, as a word.
    pub operation: String,
    /// The same was asked before: the index is that of the entry written then.
    pub repeated: bool,
}

/// The entry of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its index.
    pub index: u64,
    /// Index of the opening entry.
    pub prior: u64,
    /// The session.
    pub session: String,
    /// Number of the segment, from 0.
    pub number: u64,
    /// Bytes that had arrived before it.
    pub from: u64,
    /// Bytes that had arrived at its end.
    pub to: u64,
    /// SHA-256 of its bytes as they arrived, in hex.
    pub sha256: String,
}

/// A segment that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its entries, one for each session.
    pub segments: Vec<Recorded>,
    /// The published checkpoint over them; `None` where nothing had arrived.
    pub checkpoint: Option<SignedCheckpoint>,
}

/// A session that was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Index of the closing entry.
    pub index: u64,
    /// Index of the opening entry.
    pub prior: u64,
    /// The session.
    pub session: String,
    /// It ended without its end of stream.
    pub interrupted: bool,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What went out.
    pub output: Finished,
    /// Entries of the last segment.
    pub segments: Vec<Recorded>,
    /// The sessions, in the order in which they were opened.
    pub sessions: Vec<Closed>,
    /// The checkpoint over their entries.
    pub checkpoint: SignedCheckpoint,
}

impl Journal {
    /// Opens the register.
    ///
    /// # Errors
    ///
    /// Those of [`Register::open`].
    pub fn open(
        dir: &Path,
        key: Option<&Path>,
        host: &str,
        probe_interval: Duration,
    ) -> Result<Self, JournalError> {
        Ok(Self {
            register: Register::open(dir, key)?,
            host: host.to_owned(),
            run: None,
            uses: Uses::default(),
            next_probe: None,
            probe_interval,
        })
    }

    /// The key that verifies the register.
    pub fn verifier_key(&self) -> VerifierKey {
        self.register.verifier_key()
    }

    /// Begins a run.
    ///
    /// # Errors
    ///
    /// When the file exists or cannot be made.
    pub fn begin(&mut self, plan: &Plan) -> Result<(), JournalError> {
        let (output, file) = match &plan.location {
            Some(location) => {
                let tag = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
                let output = Output::create(location, &tag, &plan.recipients)?;
                let name = location.file_name().unwrap_or_default().to_string_lossy();
                (output, Some((name.into_owned(), tag)))
            }
            None => (Output::hash_only(), None),
        };
        self.run = Some(Run {
            output,
            file,
            sessions: Vec::new(),
            times: Times::default(),
            cuts: Cuts::every(plan.segment),
            segment_times: Times::default(),
            segment_from: 0,
            ended: None,
            waits: plan.waits,
            failed: false,
        });
        self.next_probe = None;
        Ok(())
    }

    /// Whether a run is going on.
    pub fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> Vec<String> {
        let run = self.run.iter();
        run.flat_map(|run| &run.sessions)
            .map(|s| s.entry.session.clone())
            .collect()
    }

    /// Writes the entry that a gate asks for. When it returns, the entry is durable.
    ///
    /// # Errors
    ///
    /// When the request cannot be read or may not be, or the register does not take it. The gate must
    /// stay shut.
    pub fn request(&mut self, request: &Request) -> Result<Opened, JournalError> {
        let run = self.run.as_mut().ok_or(JournalError::NotRunning)?;
        let operation = request.operation()?;
        let opened = |index, repeated| Opened {
            index,
            session: request.session.clone(),
            purpose: request.purpose.clone(),
            operation: request.operation.clone(),
            repeated,
        };
        // What a gate writes without anything flowing from it stands alone.
        let alone = request::stands_alone(operation);
        if !alone && request.session == UNDECLARED {
            // The name of what nobody declared.
            return Err(JournalError::SessionOpen(request.session.clone()));
        }
        if !alone
            && let Some(open) = run
                .sessions
                .iter()
                .find(|s| s.entry.session == request.session)
        {
            return if open.text == request.entry && open.entry.operation == operation {
                Ok(opened(open.index, true))
            } else {
                Err(JournalError::SessionOpen(request.session.clone()))
            };
        }
        let mut entry = request.entry(operation, &self.host, run.file.is_some())?;
        if !alone {
            run.announce(&mut entry);
        }
        request::leaves_room(&entry)?;
        if alone {
            return Ok(opened(self.register.append(&entry)?, false));
        }
        let single = request.uses_up(alone);
        if let Some(single) = single
            && let Some(earlier) = self.uses.find(self.register.dir(), single, None)?
        {
            return Err(JournalError::AlreadyUsed(earlier));
        }
        let (index, held) = self.register.open_session(&entry)?;
        if let Some(single) = single
            && let Some(earlier) = self
                .uses
                .find(self.register.dir(), single, Some(index))?
                .filter(|earlier| *earlier < index)
        {
            // Another process asked at the same time, and came first.
            self.register.append(&entries::given_up(&entry, index))?;
            let _ = held.release();
            return Err(JournalError::AlreadyUsed(earlier));
        }
        run.sessions.push(Session {
            index,
            text: request.entry.clone(),
            entry,
            segments: 0,
            held,
        });
        Ok(opened(index, false))
    }

    /// To be called before the first byte: without an open session it records the run as undeclared.
    /// Later, once in every probe interval, it makes sure that the register can still be written, and publishes what
    /// it has taken.
    ///
    /// # Errors
    ///
    /// When the register cannot be written. Nothing may be taken in.
    pub fn before_bytes(&mut self, camera: &str) -> Result<Option<Opened>, JournalError> {
        let result = self.open_or_probe(camera);
        self.note(result)
    }

    fn open_or_probe(&mut self, camera: &str) -> Result<Option<Opened>, JournalError> {
        let run = self.run.as_mut().ok_or(JournalError::NotRunning)?;
        let now = Instant::now();
        if !run.sessions.is_empty() {
            if self.next_probe.is_none_or(|at| now >= at) {
                // The entry itself was the first probe.
                if self.next_probe.is_some() {
                    self.register.probe()?;
                }
                self.next_probe = Some(now + self.probe_interval);
            }
            return Ok(None);
        }
        let mut entry = entries::undeclared(camera, &self.host);
        run.announce(&mut entry);
        let (index, held) = self.register.open_session(&entry)?;
        self.next_probe = Some(now + self.probe_interval);
        run.sessions.push(Session {
            index,
            text: String::new(),
            entry,
            segments: 0,
            held,
        });
        Ok(Some(Opened {
            index,
            session: UNDECLARED.into(),
            purpose: UNDECLARED.into(),
            operation: Operation::Collect.nick().into(),
            repeated: false,
        }))
    }

    /// Takes in the bytes of a buffer, and its time. After a failure the call may be repeated with the same `pieces`,
    /// of which those are gone that were taken.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn take<P: AsRef<[u8]> + Clone + Send + Sync + 'static>(
        &mut self,
        pieces: &mut VecDeque<P>,
        pts: Option<u64>,
        duration: Option<u64>,
    ) -> Result<(), JournalError> {
        let run = self.run.as_mut().ok_or(JournalError::NotRunning)?;
        let result = run.write(pieces);
        if let (Ok(()), Some(pts)) = (&result, pts) {
            run.times.add(pts, duration);
            run.segment_times.add(pts, duration);
        }
        self.note(result)
    }

    /// [`Journal::take`] of bytes without a time.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.take(&mut VecDeque::from([bytes.to_vec()]), None, None)
    }

    /// Remembers a failure until the end of the run, but not one that is tried again.
    fn note<T>(&mut self, result: Result<T, JournalError>) -> Result<T, JournalError> {
        if let (Err(error), Some(run)) = (&result, &mut self.run)
            && !(run.waits && error.may_pass())
        {
            run.failed = true;
        }
        result
    }

    /// What could not be written is not tried again.
    pub fn give_up(&mut self) {
        if let Some(run) = &mut self.run {
            run.failed = true;
        }
    }

    /// Goes to another byte of the file.
    ///
    /// # Errors
    ///
    /// Without a file, or when it cannot be written.
    pub fn seek(&mut self, position: u64) -> Result<(), JournalError> {
        let run = self.run.as_mut().ok_or(JournalError::NotRunning)?;
        let result = run.output.seek(position).map_err(JournalError::from);
        self.note(result)
    }
}

impl Run {
    /// Says in an opening entry what file is going to be written, so that it can be told what a run that dies has left.
    fn announce(&self, entry: &mut Entry) {
        if let Some((name, tag)) = &self.file {
            entry
                .more
                .insert(entries::FILE.into(), json!({"name": name, "tag": tag}));
        }
    }

    fn write<P: AsRef<[u8]> + Clone + Send + Sync + 'static>(
        &mut self,
        pieces: &mut VecDeque<P>,
    ) -> Result<(), JournalError> {
        self.output.retry()?;
        while let Some(piece) = pieces.pop_front() {
            let before = self.output.arrived();
            if let Err(error) = self.output.write_shared(piece.clone()) {
                // What has arrived is kept until it can be written, and is not to come again.
                if self.output.arrived() == before {
                    pieces.push_front(piece);
                }
                return Err(error.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
