// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a writer is given, and what becomes of it.

use std::{
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::{
    entry::{Entry, EntryError, MAX_ENTRY_SIZE, SCHEMA},
    error::{AppendError, JournalFault, OpenError},
    files,
};

/// An entry on its way into the register.
#[derive(Debug)]
pub struct Job {
    /// The entry as JSON.
    pub(super) json: Vec<u8>,
    /// Its time, if it is not that of the clock.
    pub(super) time: Option<Timestamp>,
}

impl Job {
    /// Checks an entry and does what can be done before it has a place.
    pub fn new(entry: &Entry, time: Option<Timestamp>) -> Result<Self, EntryError> {
        entry.check()?;
        let json = serde_json::to_vec(entry).map_err(|e| EntryError::Json(e.to_string()))?;
        Ok(Self { json, time })
    }

    /// The body of the entry as it stands in the register, in two parts: what [`crate::Record::to_bytes`] makes of it.
    pub(super) fn body(
        &self,
        seq: u64,
        time: Timestamp,
        salt: &[u8],
    ) -> Result<(String, &[u8]), EntryError> {
        let salt = hex::encode(salt);
        let first = format!(
            "{{\"schema\":\"{SCHEMA}\",\"seq\":{seq},\"timestamp\":\"{time}\",\"salt\":\"{salt}\","
        );
        // An entry has an operation at least, so a field follows the brace.
        let rest = self.json.get(1..).unwrap_or_default();
        match first.len() + rest.len() {
            length if length > MAX_ENTRY_SIZE => Err(EntryError::TooLong(length)),
            _ => Ok((first, rest)),
        }
    }
}

/// The index of an entry, or why it is not in the register.
pub type Outcome = Result<u64, AppendError>;

/// What became of some jobs, as far as it is known.
#[derive(Debug)]
pub struct Batch {
    pub outcomes: Vec<Outcome>,
    /// From here on they are of the commit that is still to be written.
    pub(super) unsettled: usize,
    pub(super) dir: PathBuf,
}

impl Batch {
    /// The outcomes once the last commit was `written`, or was not.
    pub fn settled(mut self, written: io::Result<()>) -> Vec<Outcome> {
        if let Err(e) = written {
            let error = failed(&self.dir, e);
            for outcome in &mut self.outcomes[self.unsettled..] {
                if outcome.is_ok() {
                    *outcome = Err(error.copy().into());
                }
            }
        }
        self.outcomes
    }
}

/// The journal cannot be read or written.
pub(super) fn failed(dir: &Path, source: io::Error) -> OpenError {
    let path = dir.join(files::JOURNAL);
    match source.kind() {
        io::ErrorKind::NotFound => OpenError::Journal {
            path,
            source: JournalFault::Missing,
        },
        _ => OpenError::Io { path, source },
    }
}
