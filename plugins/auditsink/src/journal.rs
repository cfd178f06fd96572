// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run in the register: opening entries before anything flows, closing entries after the end.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use privacy_register::{
    Anonymisation, AppendError, Entry, EntryError, MAX_ENTRY_SIZE, Model, OpenError, Operation,
    Phase, Register, SignedCheckpoint,
};
use serde_json::json;

use crate::{
    entries::{self, Counted, Times, UNDECLARED},
    output::{Finished, Output, OutputError},
};

/// Sink classes of a mandate that allow looking only.
const DISPLAYS: [&str; 3] = ["csu-display", "internal-secured", "internal-unsecured"];

/// Longest opening entry in bytes; the closing one says the same and what came of it.
const MAX_OPENING: usize = MAX_ENTRY_SIZE - 8 * 1024;

/// A register, and the run that is going on.
#[derive(Debug)]
pub struct Journal {
    register: Register,
    host: String,
    run: Option<Run>,
    next_probe: Option<Instant>,
    probe_interval: Duration,
}

#[derive(Debug)]
struct Run {
    output: Output,
    has_location: bool,
    sessions: Vec<Session>,
    times: Times,
    /// Something was not taken in: whatever comes after, the run did not end well.
    failed: bool,
}

#[derive(Debug)]
struct Session {
    index: u64,
    text: String,
    entry: Entry,
}

/// What a gate asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The session.
    pub session: String,
    /// Identifier of the purpose.
    pub purpose: String,
    /// The operation, as a word.
    pub operation: String,
    /// Fields of the entry, a JSON object.
    pub entry: String,
    /// A gate stands at the exit.
    pub exit_gate: bool,
    /// A counter stands on the way.
    pub counter: bool,
    /// Software on the way, as `name version`.
    pub elements: Vec<String>,
    /// SHA-256 of the models on the way.
    pub models: Vec<String>,
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
    /// The sessions, in the order in which they were opened.
    pub sessions: Vec<Closed>,
    /// The checkpoint over their entries.
    pub checkpoint: SignedCheckpoint,
}

/// Why the journal cannot go on. Nothing may flow.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The register cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The register did not take an entry.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The register did not take the closing entry, so the file is not under its name.
    #[error("{source}; the file was kept as {kept}, without its closing entry", kept = kept.display())]
    Unclosed {
        /// Why.
        source: AppendError,
        /// The temporary name of the file.
        kept: PathBuf,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The request cannot be read.
    #[error("the entry that the gate asked for: {0}")]
    Entry(#[from] EntryError),
    /// An operation that is not one.
    #[error(
        "the operation \"{0}\" is unknown; use one of collect, modify, consult, communicate, erase, extract, publish, refuse, config, window_published"
    )]
    Operation(String),
    /// The session is open already, with another entry.
    #[error("the session {0} is open already; give each session its own identifier")]
    SessionOpen(String),
    /// A file was asked for under an operation that allows looking only.
    #[error(
        "what the gate opened for allows looking at images, not writing them to a file: leave out location, or obtain a mandate for an extraction (consulter n'autorise pas à extraire : une extraction n'est jamais libre)"
    )]
    NotAnExtraction,
    /// Nothing is running, so nothing can be written.
    #[error("the sink is not running")]
    NotRunning,
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
            next_probe: None,
            probe_interval,
        })
    }

    /// Begins a run, with a file at `location` if there is to be one.
    ///
    /// # Errors
    ///
    /// When the file exists or cannot be made.
    pub fn begin(&mut self, location: Option<&Path>) -> Result<(), JournalError> {
        let output = match location {
            Some(location) => {
                let tag = uuid::Uuid::new_v4().simple().to_string();
                Output::create(location, &tag[..8], &crate::output::Recipients::none())?
            }
            None => Output::hash_only(),
        };
        self.run = Some(Run {
            output,
            has_location: location.is_some(),
            sessions: Vec::new(),
            times: Times::default(),
            failed: false,
        });
        self.next_probe = None;
        Ok(())
    }

    /// Whether a run is going on.
    pub fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// Whether the stream may go back to earlier bytes, and where it is.
    pub fn place(&self) -> Option<(bool, u64)> {
        let output = &self.run.as_ref()?.output;
        Some((output.is_seekable(), output.position()))
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
        let operation = Operation::from_nick(&request.operation)
            .ok_or_else(|| JournalError::Operation(request.operation.clone()))?;
        let opened = |index, repeated| Opened {
            index,
            session: request.session.clone(),
            purpose: request.purpose.clone(),
            operation: request.operation.clone(),
            repeated,
        };
        // What a gate writes without anything flowing from it stands alone.
        let alone = matches!(
            operation,
            Operation::Refuse | Operation::Config | Operation::Erase
        );
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
        let mut entry = Entry::from_json(operation, &request.entry)?;
        // A file of images is an extraction, whatever else the gate has opened for. Counts are not images.
        let display = entry
            .output
            .as_ref()
            .is_some_and(|output| DISPLAYS.contains(&output.sink_class.as_str()));
        let images = !alone && !request.counter;
        if run.has_location && images && (display || operation == Operation::Consult) {
            return Err(JournalError::NotAnExtraction);
        }
        entry.session.clone_from(&request.session);
        entry.purpose_id.clone_from(&request.purpose);
        entry.phase = (!alone).then_some(Phase::Open);
        entry.prior_entry_seq = None;
        entry.interrupted = false;
        // What came of it is not known yet, whatever the request says; the closing entry tells.
        if let Some(output) = &mut entry.output {
            *output = privacy_register::Output {
                sink_class: std::mem::take(&mut output.sink_class),
                ..Default::default()
            };
        }
        if let Some(masked) = &mut entry.anonymisation {
            *masked = Anonymisation {
                required: std::mem::take(&mut masked.required),
                ..Default::default()
            };
        }
        entry.host_id.clone_from(&self.host);
        entry.elements = entries::elements(&request.elements);
        entry.models = request
            .models
            .iter()
            .map(|sha256| Model {
                sha256: sha256.clone(),
            })
            .collect();
        if !alone {
            entry.more.insert(
                "path".into(),
                json!({"exit_gate": request.exit_gate, "counter": request.counter}),
            );
        }
        // What does not leave room for the closing entry could be opened and never closed.
        let length = serde_json::to_vec(&entry).map_or(usize::MAX, |bytes| bytes.len());
        if length > MAX_OPENING {
            return Err(EntryError::TooLong(length).into());
        }
        let index = self.register.append(&entry)?;
        if !alone {
            run.sessions.push(Session {
                index,
                text: request.entry.clone(),
                entry,
            });
        }
        Ok(opened(index, false))
    }

    /// To be called before the first byte: without an open session it records the run as undeclared.
    /// Later, once in every probe interval, it makes sure that the register can still be written.
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
        let entry = entries::undeclared(camera, &self.host);
        let index = self.register.append(&entry)?;
        self.next_probe = Some(now + self.probe_interval);
        run.sessions.push(Session {
            index,
            text: String::new(),
            entry,
        });
        Ok(Some(Opened {
            index,
            session: UNDECLARED.into(),
            purpose: UNDECLARED.into(),
            operation: Operation::Collect.nick().into(),
            repeated: false,
        }))
    }

    /// Takes in bytes.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let run = self.run.as_mut().ok_or(JournalError::NotRunning)?;
        let result = run.output.write(bytes).map_err(JournalError::from);
        self.note(result)
    }

    /// Remembers a failure until the end of the run.
    fn note<T>(&mut self, result: Result<T, JournalError>) -> Result<T, JournalError> {
        if let (Err(_), Some(run)) = (&result, &mut self.run) {
            run.failed = true;
        }
        result
    }

    /// Notes the time of a buffer, in nanoseconds.
    pub fn time(&mut self, pts: u64, duration: Option<u64>) {
        if let Some(run) = &mut self.run {
            let times = &mut run.times;
            let end = pts.saturating_add(duration.unwrap_or(0));
            times.first = Some(times.first.map_or(pts, |t| t.min(pts)));
            times.last = Some(times.last.map_or(pts, |t| t.max(pts)));
            times.end = Some(times.end.map_or(end, |t| t.max(end)));
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

    /// Ends the run: the file first, then the closing entries, so that no entry speaks of a file that is
    /// not there; if the register does not take the first of them, the file loses its name again. `None` when
    /// nothing ran, or nothing was opened and nothing arrived.
    ///
    /// # Errors
    ///
    /// When the file or an entry cannot be written. The run is over all the same, and the register reports
    /// its sessions as interrupted: a file that could not be finished has closing entries that say so.
    pub fn end(
        &mut self,
        media_type: &str,
        counted: impl Fn(&str) -> Option<Counted>,
        interrupted: bool,
    ) -> Result<Option<Ended>, JournalError> {
        let Some(mut run) = self.run.take() else {
            return Ok(None);
        };
        if run.sessions.is_empty() {
            run.output.discard();
            return Ok(None);
        }
        let finished = run.output.finish();
        // A file that could not be finished is no end, and the entry says what is left of it.
        let interrupted = interrupted || run.failed || finished.is_err();
        let (output, failure) = match finished {
            Ok(output) => (output, None),
            Err(error) => (run.output.unfinished(), Some(error)),
        };
        let mut sessions = Vec::new();
        for session in &run.sessions {
            let counted = counted(&session.entry.session);
            let mut entry = entries::closing(
                &session.entry,
                session.index,
                &run.times,
                &output,
                media_type,
                counted,
                interrupted,
            );
            if failure.is_some() {
                let left = run.output.temporary_name();
                entry
                    .more
                    .insert("unfinished".into(), json!({"left_as": left}));
            }
            match self.register.append(&entry) {
                Ok(index) => sessions.push(Closed {
                    index,
                    prior: session.index,
                    session: session.entry.session.clone(),
                    interrupted,
                }),
                Err(source) => {
                    // An entry that names the file stands already: the name stays true.
                    if failure.is_some() || !sessions.is_empty() {
                        return Err(failure.map_or_else(|| source.into(), JournalError::from));
                    }
                    return Err(match run.output.take_back() {
                        Ok(Some(kept)) => JournalError::Unclosed { source, kept },
                        Ok(None) | Err(_) => source.into(),
                    });
                }
            }
        }
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        Ok(Some(Ended {
            output,
            sessions,
            checkpoint: self.register.checkpoint()?,
        }))
    }
}

#[cfg(test)]
mod tests;
