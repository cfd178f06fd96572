// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a register holds, and the rules that its entries follow among each other.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use crate::{
    checkpoint::SignedCheckpoint,
    entry::{Operation, Phase, Record},
    error::VerifyError,
};

/// What a register that verifies holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The checkpoint that everything was verified against.
    pub checkpoint: SignedCheckpoint,
    /// Number of entries.
    pub entries: u64,
    /// Of these, entries whose body was erased after its time.
    pub erased: u64,
    /// Sessions opened.
    pub sessions: u64,
    /// Refusals recorded.
    pub refusals: u64,
    /// Sessions that were never closed, or closed as interrupted. One that is still running looks the same.
    pub interrupted: Vec<Interrupted>,
    /// Time of the first entry that can be read.
    pub first: Option<Timestamp>,
    /// Time of the last entry.
    pub last: Option<Timestamp>,
}

/// A session without a proper end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// Index of the entry that opened it.
    pub index: u64,
    /// The session.
    pub session: String,
    /// When it was opened.
    pub timestamp: Timestamp,
    /// A closing entry says that it was interrupted; otherwise there is no closing entry.
    pub closed: bool,
}

/// An entry, as well as it can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName {
    /// Index, from 0.
    pub index: u64,
    /// Operation and time, where they can still be read. They may themselves have been changed.
    pub readable: Option<(Operation, Timestamp)>,
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}", self.index)?;
        match self.readable {
            Some((operation, time)) => write!(f, " ({}, {time})", operation.nick()),
            None => write!(f, " (not readable)"),
        }
    }
}

impl EntryName {
    pub(crate) fn new(index: u64, body: &[u8]) -> Self {
        Self {
            index,
            readable: Record::from_bytes(body)
                .ok()
                .map(|r| (r.entry.operation, r.timestamp)),
        }
    }
}

/// The rules that entries follow among each other, judged once all bodies are known to be authentic.
#[derive(Default)]
pub struct Rules {
    fault: Option<VerifyError>,
    entries: u64,
    erased: Vec<u64>,
    erased_before: u64,
    refusals: u64,
    sessions: u64,
    /// Opening entries that no closing entry completes: session and time. By index, since sessions that
    /// nobody declared share one name.
    open: BTreeMap<u64, (String, Timestamp)>,
    interrupted: Vec<Interrupted>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Rules {
    /// Takes in the body of entry `seq`.
    pub fn entry(&mut self, seq: u64, body: &[u8]) {
        self.entries += 1;
        if body.is_empty() {
            self.erased.push(seq);
            return;
        }
        let name = EntryName::new(seq, body);
        let mut fault = |why: String| {
            self.fault.get_or_insert(VerifyError::Rule {
                name: name.clone(),
                why,
            });
        };
        let record = match Record::from_bytes(body) {
            Ok(record) => record,
            Err(e) => return fault(e.to_string()),
        };
        if record.seq != seq {
            fault(format!("it says that it is entry {}", record.seq));
        }
        if let Some(last) = self.last.filter(|last| record.timestamp < *last) {
            fault(format!("it is older than the entry before it ({last})"));
        }
        if let Err(e) = record.entry.check() {
            fault(e.to_string());
        }
        let prior = record.entry.prior_entry_seq;
        if prior.is_some_and(|prior| prior >= seq) {
            fault("it completes an entry that comes after it".into());
        }
        if let (Some(Phase::Close), Some(prior)) = (record.entry.phase, prior) {
            match self.open.get(&prior) {
                Some((session, _)) if *session != record.entry.session => {
                    fault(format!("it completes entry {prior}, of another session"));
                }
                Some(_) => {}
                None if self.erased.binary_search(&prior).is_ok() => {}
                None => fault(format!(
                    "it completes entry {prior}, which is not an open session"
                )),
            }
        }
        self.first.get_or_insert(record.timestamp);
        self.last = Some(record.timestamp);
        match record.entry.operation {
            Operation::Refuse => self.refusals += 1,
            Operation::Erase => {
                if let Some(before) = record.entry.erasure.and_then(|e| e.entries_before) {
                    // An entry cannot announce the erasure of later ones.
                    self.erased_before = self.erased_before.max(before.min(seq));
                }
            }
            _ => {}
        }
        match record.entry.phase {
            Some(Phase::Open) => {
                self.sessions += 1;
                self.open
                    .insert(seq, (record.entry.session, record.timestamp));
            }
            Some(Phase::Close) => {
                // Absent too when the body of the opening entry was erased after its time.
                let opened = prior.and_then(|prior| self.open.remove(&prior));
                if record.entry.interrupted {
                    self.interrupted.push(Interrupted {
                        index: prior.unwrap_or(seq),
                        session: record.entry.session,
                        timestamp: opened.map_or(record.timestamp, |(_, time)| time),
                        closed: true,
                    });
                }
            }
            None => {}
        }
    }

    /// The report, or the first rule broken.
    pub fn finish(mut self, checkpoint: SignedCheckpoint) -> Result<Report, VerifyError> {
        if let Some(index) = self.erased.iter().find(|i| **i >= self.erased_before) {
            return Err(VerifyError::Erased(*index));
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.interrupted
            .extend(
                self.open
                    .into_iter()
                    .map(|(index, (session, timestamp))| Interrupted {
                        index,
                        session,
                        timestamp,
                        closed: false,
                    }),
            );
        self.interrupted.sort_by_key(|i| i.index);
        Ok(Report {
            checkpoint,
            entries: self.entries,
            erased: self.erased.len() as u64,
            sessions: self.sessions,
            refusals: self.refusals,
            interrupted: self.interrupted,
            first: self.first,
            last: self.last,
        })
    }
}
