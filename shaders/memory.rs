// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cell values that are shown again: the answer to averaging and registering many frames.
//!
//! Noise that is constant per cell does not stop an object that moves over its grid, or trembles on it,
//! from being sampled at many offsets, and many quantised means at many offsets add up to a sharp
//! picture. So the values themselves are kept: within a refresh interval an object shows one set of
//! them per grid, however many frames there are.

use std::collections::HashMap;

use crate::Format;

/// How long values are kept, at least, after their object was last masked, in nanoseconds.
const UNSEEN: u64 = 2_000_000_000;

/// Most bytes of values kept: 1 000 objects with some grids of 64 × 64 cells each. With more, those
/// not on the frame at hand are forgotten, and then no more are kept.
const MAX_BYTES: usize = 32 << 20;

/// Whose values: an object, a plane, and the cells across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub key: u64,
    pub plane: usize,
    pub nx: u32,
    pub ny: u32,
}

#[derive(Debug)]
struct Entry {
    /// When the values were taken.
    taken: u64,
    /// When they were last shown.
    seen: u64,
    state: State,
    values: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The frame with this number takes them, from there on among its values.
    Taking { frame: u64, first_value: u32 },
    /// They are there.
    Known,
}

/// What is known of the values of a grid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recall<'a> {
    /// Shown before.
    Known(&'a [u8]),
    /// This frame takes them already, for another region; from there on.
    Taken(u32),
    /// A frame before this one takes them and has not said what they are.
    Pending,
    /// To be taken, and told with [`Memory::learn`].
    New,
    /// To be taken and not kept: there is no room.
    Full,
}

/// Cell values of the objects of one stream. See the module.
#[derive(Debug, Default)]
pub struct Memory {
    entries: HashMap<Id, Entry>,
    /// Values of entries that are gone, for their memory.
    free: Vec<Vec<u8>>,
    bytes: usize,
    format: Option<Format>,
    frame: u64,
    now: u64,
    refresh: u64,
}

impl Memory {
    /// Forgets everything: the stream goes on somewhere else, or is another one.
    pub fn forget(&mut self) {
        self.retain(|_| false);
    }

    /// Number of grids that are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A new frame, at `now`; returns its number. Values older than `refresh` are taken again. Both are
    /// in nanoseconds. Time may jump either way: what counts is how far.
    pub(crate) fn begin(&mut self, format: Format, now: u64, refresh: u64) -> u64 {
        if self.format.replace(format) != Some(format) {
            self.forget();
        }
        (self.now, self.refresh) = (now, refresh);
        self.frame += 1;
        if !self.entries.is_empty() {
            self.retain(|e| e.state != State::Known || now.abs_diff(e.seen) <= refresh.max(UNSEEN));
        }
        self.frame
    }

    /// What is known of a grid of `length` values. When that is nothing, the frame takes them, and has
    /// them among its values from `first_value` on.
    pub(crate) fn recall(&mut self, id: Id, length: usize, first_value: u32) -> Recall<'_> {
        let (frame, now, refresh) = (self.frame, self.now, self.refresh);
        if !self.entries.contains_key(&id) && !self.reserve(id, length) {
            return Recall::Full;
        }
        let Some(entry) = self.entries.get_mut(&id) else {
            return Recall::Full;
        };
        entry.seen = now;
        match entry.state {
            State::Known if entry.values.len() == length && now.abs_diff(entry.taken) < refresh => {
                Recall::Known(&entry.values)
            }
            State::Taking {
                frame: taking,
                first_value,
            } if taking == frame => Recall::Taken(first_value),
            State::Taking { frame: taking, .. } if taking != 0 => Recall::Pending,
            _ => {
                self.bytes = self.bytes + length - entry.values.len();
                entry.values.resize(length, 0);
                entry.taken = now;
                entry.state = State::Taking { frame, first_value };
                Recall::New
            }
        }
    }

    /// Takes the values that the frame took: `of` gives them by their first.
    pub(crate) fn learn(&mut self, frame: u64, id: Id, values: &[u8]) {
        if let Some(entry) = self.entries.get_mut(&id)
            && matches!(entry.state, State::Taking { frame: f, .. } if f == frame)
            && entry.values.len() == values.len()
        {
            entry.values.copy_from_slice(values);
            entry.state = State::Known;
        }
    }

    /// The frame did not take its values after all.
    pub(crate) fn abandon(&mut self, frame: u64) {
        self.retain(|e| !matches!(e.state, State::Taking { frame: f, .. } if f == frame));
    }

    /// Makes room for a grid and an entry without values; `false` when there is none.
    fn reserve(&mut self, id: Id, length: usize) -> bool {
        if self.bytes + length > MAX_BYTES {
            let now = self.now;
            self.retain(|e| e.state != State::Known || e.seen == now);
            if self.bytes + length > MAX_BYTES {
                return false;
            }
        }
        let mut values = self.free.pop().unwrap_or_default();
        values.clear();
        let entry = Entry {
            taken: self.now,
            seen: self.now,
            // Of no frame: to be taken.
            state: State::Taking {
                frame: 0,
                first_value: 0,
            },
            values,
        };
        self.entries.insert(id, entry);
        true
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        let (free, bytes) = (&mut self.free, &mut self.bytes);
        self.entries.retain(|_, entry| {
            let keep = keep(entry);
            if !keep {
                *bytes -= entry.values.len();
                // Not more than a frame is likely to ask for at once.
                if free.len() < 1024 {
                    free.push(std::mem::take(&mut entry.values));
                }
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const ID: Id = Id {
        key: 1,
        plane: 0,
        nx: 2,
        ny: 1,
    };

    fn take(memory: &mut Memory, now: u64, values: [u8; 2]) -> Option<Vec<u8>> {
        let frame = memory.begin(Format::Nv12, now, 10 * SECOND);
        let known = match memory.recall(ID, 2, 0) {
            Recall::Known(values) => Some(values.to_vec()),
            Recall::New => None,
            other => panic!("{other:?}"),
        };
        memory.learn(frame, ID, &values);
        known
    }

    #[test]
    fn values_stay_until_the_refresh_and_are_then_taken_again() {
        let mut memory = Memory::default();
        let now = 100 * SECOND;
        assert_eq!(take(&mut memory, now, [8, 16]), None);
        assert_eq!(take(&mut memory, now + 1, [0, 0]), Some(vec![8, 16]));
        // It was not forgotten while it was away.
        let end = now + 10 * SECOND;
        assert_eq!(take(&mut memory, end - 1, [0, 0]), Some(vec![8, 16]));
        assert_eq!(take(&mut memory, end, [24, 32]), None);
        assert_eq!(take(&mut memory, end + 1, [0, 0]), Some(vec![24, 32]));
        // A jump back is no way to other values, a far one is another scene.
        assert_eq!(take(&mut memory, end - SECOND, [0, 0]), Some(vec![24, 32]));
        assert_eq!(take(&mut memory, 0, [40, 48]), None);
        memory.forget();
        assert!(memory.is_empty() && memory.bytes == 0);
        assert_eq!(take(&mut memory, 0, [56, 64]), None);
    }

    #[test]
    fn what_is_not_seen_is_forgotten() {
        let mut memory = Memory::default();
        take(&mut memory, 0, [0, 0]);
        memory.begin(Format::Nv12, 10 * SECOND, 10 * SECOND);
        assert_eq!(memory.len(), 1);
        memory.begin(Format::Nv12, 10 * SECOND + 1, 10 * SECOND);
        assert_eq!((memory.len(), memory.bytes, memory.free.len()), (0, 0, 1));
        take(&mut memory, 0, [0, 0]);
        memory.begin(Format::Nv21, 1, 10 * SECOND);
        assert!(memory.is_empty(), "values of another format are others");
    }

    #[test]
    fn a_frame_takes_values_once_and_others_wait_for_them() {
        let mut memory = Memory::default();
        let first = memory.begin(Format::Nv12, 5, SECOND);
        assert_eq!(memory.recall(ID, 2, 7), Recall::New);
        assert_eq!(memory.recall(ID, 2, 9), Recall::Taken(7));
        let second = memory.begin(Format::Nv12, 6, SECOND);
        assert_eq!(memory.recall(ID, 2, 0), Recall::Pending);
        memory.abandon(second);
        assert_eq!(memory.recall(ID, 2, 0), Recall::Pending);
        memory.learn(second, ID, &[1, 1]);
        assert_eq!(memory.recall(ID, 2, 0), Recall::Pending, "not its values");
        memory.learn(first, ID, &[8, 16]);
        assert_eq!(memory.recall(ID, 2, 0), Recall::Known(&[8, 16]));
        let third = memory.begin(Format::Nv12, 2 * SECOND, SECOND);
        assert_eq!(memory.recall(ID, 2, 0), Recall::New);
        memory.abandon(third);
        assert!(memory.is_empty());
    }

    #[test]
    fn it_is_bounded_and_what_is_on_the_frame_stays() {
        let mut memory = Memory::default();
        let id = |key| Id { key, ..ID };
        let third = MAX_BYTES / 3;
        let frame = memory.begin(Format::Nv12, 0, SECOND);
        let values = vec![3; third];
        for key in 0..3 {
            assert_eq!(memory.recall(id(key), third, 0), Recall::New);
            memory.learn(frame, id(key), &values);
        }
        assert_eq!(memory.recall(id(3), third, 0), Recall::Full);
        memory.begin(Format::Nv12, 1, SECOND);
        assert_eq!(memory.recall(id(1), third, 0), Recall::Known(&values));
        assert_eq!(memory.recall(id(3), third, 0), Recall::New);
        assert_eq!(memory.recall(id(1), third, 0), Recall::Known(&values));
        assert_eq!(memory.len(), 2);
        assert!(memory.bytes <= MAX_BYTES);
    }
}
