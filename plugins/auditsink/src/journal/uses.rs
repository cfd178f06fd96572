// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mandates that may be used once, and the entries of this register that are their use.
//!
//! A requisition asks for one extraction. Whoever holds its mandate could otherwise extract the same images
//! again and again while it runs, and only a reader of the register would notice. A use is an opening entry; one
//! whose closing entry says that no frame left has used nothing up.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use privacy_register::{Phase, ReadError, Reader, Record};

use super::Request;
use crate::entries::MANDATE_USE;

/// Entries that are read at a time, on the way back in the register.
const STEP: u64 = 256;

/// Uses found so far. What was read once is not read again.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Entries read: the first one, and the one after the last.
    read: Option<(u64, u64)>,
    /// Everything since this second was read.
    since: Option<i64>,
    /// Opening entries by what they use.
    used: BTreeMap<String, Vec<u64>>,
    /// Opening entries under which no frame left.
    unused: HashSet<u64>,
}

/// What a gate says of a mandate that may be used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Single {
    /// What makes two uses the same.
    pub key: String,
    /// Second (Unix time) before which there can be none.
    pub since: i64,
}

impl Uses {
    /// The first use of `single` other than entry `own`.
    pub(super) fn find(
        &mut self,
        dir: &Path,
        single: &Single,
        own: Option<u64>,
    ) -> Result<Option<u64>, ReadError> {
        self.catch_up(dir, single.since)?;
        let uses = self.used.get(&single.key).into_iter().flatten();
        Ok(uses
            .copied()
            .filter(|index| Some(*index) != own && !self.unused.contains(index))
            .min())
    }

    /// Reads what was not read yet of the register since `since`, in steps back from its end.
    fn catch_up(&mut self, dir: &Path, since: i64) -> Result<(), ReadError> {
        let reader = Reader::open(dir)?;
        let size = reader.size();
        let (mut first, next) = self.read.unwrap_or((size, size));
        self.add(&reader, next..size)?;
        self.read = Some((first, size));
        while first > 0 && self.since.is_none_or(|read| since < read) {
            let from = first.saturating_sub(STEP);
            let reaches = self.add(&reader, from..first)?;
            first = from;
            self.read = Some((first, size));
            // Entries stand in the order of their times.
            if reaches.is_some_and(|time| time < since) {
                self.since = Some(since);
            }
        }
        if first == 0 {
            self.since = Some(i64::MIN);
        }
        Ok(())
    }

    /// Notes the uses among `range`. The time of its first entry that has one.
    fn add(
        &mut self,
        reader: &Reader,
        range: std::ops::Range<u64>,
    ) -> Result<Option<i64>, ReadError> {
        let mut earliest = None;
        for read in reader.iter(range) {
            let (index, body) = read?;
            if earliest.is_some() && !holds(&body, MANDATE_USE) {
                continue;
            }
            // What is no entry of this version opens nothing either.
            let Ok(record) = Record::from_bytes(&body) else {
                continue;
            };
            earliest.get_or_insert(record.timestamp.as_second());
            self.note(index, &record);
        }
        Ok(earliest)
    }

    fn note(&mut self, index: u64, record: &Record) {
        let entry = &record.entry;
        let Some(key) = entry.more.get(MANDATE_USE).and_then(|key| key.as_str()) else {
            return;
        };
        match (entry.phase, entry.prior_entry_seq) {
            (Some(Phase::Open), _) => self.used.entry(key.to_owned()).or_default().push(index),
            (Some(Phase::Close), Some(prior)) => {
                let nothing_left = entry.anonymisation.as_ref().is_some_and(|counted| {
                    counted.frames_total == 0 && matches!(&*counted.counted_at, "entry" | "exit")
                });
                if nothing_left {
                    self.unused.insert(prior);
                }
            }
            _ => {}
        }
    }
}

impl Request {
    /// What the request uses up, if its mandate may be used once and something is to flow under it.
    pub(super) fn uses_up(&self, alone: bool) -> Option<&Single> {
        self.single_use.as_ref().filter(|_| !alone)
    }
}

fn holds(body: &[u8], word: &str) -> bool {
    body.windows(word.len()).any(|part| part == word.as_bytes())
}
