// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a register holds, and the rules that its entries follow among each other.

use std::{collections::BTreeMap, fmt, ops::Range};

use jiff::Timestamp;

use crate::{
    checkpoint::SignedCheckpoint,
    entry::{EntryError, Operation, Phase},
    error::VerifyError,
    lean::Facts,
};

/// What a register that verifies holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The checkpoint that everything was verified against.
    pub checkpoint: SignedCheckpoint,
    /// Number of entries.
    pub entries: u64,
    /// Of these, entries that so far stand in the journal only, under a checkpoint of its own.
    pub unpublished: u64,
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
            readable: Facts::from_bytes(body)
                .ok()
                .map(|facts| (facts.operation, facts.timestamp)),
        }
    }
}

/// What stands at the place of one entry.
#[derive(Debug)]
pub enum Stands {
    /// Nothing: the body was erased.
    Nothing,
    /// A body that can be read.
    Facts(Facts),
    /// A body that cannot.
    Unreadable(EntryError),
}

impl Stands {
    pub fn new(body: &[u8]) -> Self {
        if body.is_empty() {
            return Self::Nothing;
        }
        match Facts::from_bytes(body) {
            Ok(facts) => Self::Facts(facts),
            Err(e) => Self::Unreadable(e),
        }
    }
}

/// The rules that entries follow among each other, judged once all bodies are known to be authentic.
#[derive(Default)]
pub struct Rules {
    fault: Option<VerifyError>,
    entries: u64,
    /// Erased entries. A purge erases from the beginning on, so this is one range or a few.
    erased: Vec<Range<u64>>,
    erased_before: u64,
    refusals: u64,
    sessions: u64,
    /// Opening entries that no closing entry completes: session and time. By index, since sessions that
    /// nobody declared share one name.
    open: BTreeMap<u64, (Box<str>, Timestamp)>,
    interrupted: Vec<Interrupted>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Rules {
    /// Takes in entry `seq`, which follows the one before.
    pub fn entry(&mut self, seq: u64, stands: Stands) {
        self.entries += 1;
        let facts = match stands {
            Stands::Facts(facts) => facts,
            Stands::Nothing => {
                match self.erased.last_mut() {
                    Some(range) if range.end == seq => range.end += 1,
                    _ => self.erased.push(seq..seq + 1),
                }
                return;
            }
            Stands::Unreadable(e) => {
                let name = EntryName {
                    index: seq,
                    readable: None,
                };
                self.fault.get_or_insert_with(|| VerifyError::Rule {
                    name,
                    why: e.to_string(),
                });
                return;
            }
        };
        if self.fault.is_none()
            && let Some(why) = self.breaks(seq, &facts)
        {
            let readable = Some((facts.operation, facts.timestamp));
            let name = EntryName {
                index: seq,
                readable,
            };
            self.fault = Some(VerifyError::Rule { name, why });
        }
        self.first.get_or_insert(facts.timestamp);
        self.last = Some(facts.timestamp);
        match facts.operation {
            Operation::Refuse => self.refusals += 1,
            Operation::Erase => {
                if let Some(before) = facts.entries_before {
                    // An entry cannot announce the erasure of later ones.
                    self.erased_before = self.erased_before.max(before.min(seq));
                }
            }
            _ => {}
        }
        match facts.phase {
            Some(Phase::Open) => {
                self.sessions += 1;
                self.open
                    .insert(seq, (facts.session.into(), facts.timestamp));
            }
            Some(Phase::Close) => {
                // Absent too when the body of the opening entry was erased after its time.
                let opened = facts.prior.and_then(|prior| self.open.remove(&prior));
                if facts.interrupted {
                    self.interrupted.push(Interrupted {
                        index: facts.prior.unwrap_or(seq),
                        session: facts.session,
                        timestamp: opened.map_or(facts.timestamp, |(_, time)| time),
                        closed: true,
                    });
                }
            }
            Some(Phase::Segment) | None => {}
        }
    }

    /// The first rule that entry `seq` breaks.
    fn breaks(&self, seq: u64, facts: &Facts) -> Option<String> {
        if facts.seq != seq {
            return Some(format!("it says that it is entry {}", facts.seq));
        }
        if let Some(last) = self.last.filter(|last| facts.timestamp < *last) {
            return Some(format!("it is older than the entry before it ({last})"));
        }
        if let Err(e) = facts.check() {
            return Some(e.to_string());
        }
        let prior = facts.prior?;
        if prior >= seq {
            return Some("it completes an entry that comes after it".into());
        }
        let completes = match facts.phase {
            Some(Phase::Close) => "completes",
            Some(Phase::Segment) => "continues",
            Some(Phase::Open) | None => return None,
        };
        match self.open.get(&prior) {
            Some((session, _)) if **session != *facts.session => {
                Some(format!("it {completes} entry {prior}, of another session"))
            }
            None if !self.is_erased(prior) => Some(format!(
                "it {completes} entry {prior}, which is not an open session"
            )),
            _ => None,
        }
    }

    fn is_erased(&self, index: u64) -> bool {
        let after = self.erased.partition_point(|range| range.end <= index);
        self.erased
            .get(after)
            .is_some_and(|range| range.contains(&index))
    }

    /// The report, or the first rule broken.
    pub fn finish(
        mut self,
        checkpoint: SignedCheckpoint,
        unpublished: u64,
    ) -> Result<Report, VerifyError> {
        if let Some(range) = self.erased.iter().find(|r| r.end > self.erased_before) {
            return Err(VerifyError::Erased(range.start.max(self.erased_before)));
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
                        session: session.into(),
                        timestamp,
                        closed: false,
                    }),
            );
        self.interrupted.sort_by_key(|i| i.index);
        Ok(Report {
            checkpoint,
            entries: self.entries,
            unpublished,
            erased: self.erased.iter().map(|r| r.end - r.start).sum(),
            sessions: self.sessions,
            refusals: self.refusals,
            interrupted: self.interrupted,
            first: self.first,
            last: self.last,
        })
    }
}
