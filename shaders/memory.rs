// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cell values that are shown again: the answer to averaging and registering many frames.
//!
//! Noise that is constant per cell does not stop an object that moves over its grid, or trembles on it,
//! from being sampled at many offsets, and many quantised means at many offsets add up to a sharp
//! picture. So the values themselves are kept: within a refresh interval an object shows one set of
//! them per grid, however many frames there are.

use std::{collections::HashMap, fmt, hash::Hash};

use crate::Format;

/// How long values are kept, at least, after their object was last masked, in nanoseconds.
const UNSEEN: u64 = 2_000_000_000;

/// Most bytes of values kept: 1 000 objects with some grids of 64 × 64 cells each. With more, those
/// not on the frame at hand are forgotten, and then no more are kept.
const MAX_BYTES: usize = 32 << 20;

/// Most objects whose grid is kept: more than are ever masked one by one on two frames.
const MAX_GRIDS: usize = 2 * crate::plan::MAX_REGIONS;

/// Most grids whose values are kept, however small: those of so many objects on three planes.
const MAX_ENTRIES: usize = 3 * MAX_GRIDS;

/// The grid that an object is shown with.
#[derive(Debug, Clone, Copy)]
struct Grid {
    cells: (u32, u32),
    /// When it was chosen.
    taken: u64,
    /// When it was last shown.
    seen: u64,
}

/// Whose values: an object, a plane, and the cells across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub key: u64,
    pub plane: usize,
    pub nx: u32,
    pub ny: u32,
}

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
#[derive(Default)]
pub struct Memory {
    entries: HashMap<Id, Entry>,
    /// By object.
    grids: HashMap<u64, Grid>,
    /// Most of either that there is room for. See [`make_room`].
    entries_room: usize,
    grids_room: usize,
    /// Values of entries that are gone, for their memory.
    free: Vec<Vec<u8>>,
    bytes: usize,
    format: Option<Format>,
    frame: u64,
    now: u64,
    refresh: u64,
}

impl fmt::Debug for Memory {
    /// Not the values: they are what is left of the people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("grids", &self.entries.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// Forgets everything: the stream goes on somewhere else, or is another one.
    pub fn forget(&mut self) {
        self.grids.clear();
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
        self.grids
            .retain(|_, g| now.abs_diff(g.seen) <= refresh.max(UNSEEN));
        if !self.entries.is_empty() {
            self.retain(|e| e.state != State::Known || now.abs_diff(e.seen) <= refresh.max(UNSEEN));
        }
        self.frame
    }

    /// The cells across and down that an object is shown with: those it was shown with before, unless
    /// these are due to be taken again, or `wanted` is more than a cell away, or they no longer fit. A box
    /// that trembles asks now for one grid and now for the next, and each would tell something else.
    pub(crate) fn grid(
        &mut self,
        key: u64,
        wanted: (u32, u32),
        fits: impl FnOnce((u32, u32)) -> bool,
    ) -> (u32, u32) {
        let (now, refresh) = (self.now, self.refresh);
        if let Some(grid) = self.grids.get_mut(&key) {
            let (nx, ny) = grid.cells;
            let is_near = nx.abs_diff(wanted.0) <= 1 && ny.abs_diff(wanted.1) <= 1;
            grid.seen = now;
            if !(is_near && now.abs_diff(grid.taken) < refresh && fits(grid.cells)) {
                (grid.cells, grid.taken) = (wanted, now);
            }
            return grid.cells;
        }
        if self.grids.len() >= MAX_GRIDS {
            self.grids.retain(|_, g| g.seen == now);
        }
        if self.grids.len() < MAX_GRIDS {
            let grid = Grid {
                cells: wanted,
                taken: now,
                seen: now,
            };
            make_room(&mut self.grids, &mut self.grids_room);
            self.grids.insert(key, grid);
        }
        wanted
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
        let is_full = |memory: &Self| {
            memory.bytes + length > MAX_BYTES || memory.entries.len() >= MAX_ENTRIES
        };
        if is_full(self) {
            let now = self.now;
            self.retain(|e| e.state != State::Known || e.seen == now);
            if is_full(self) {
                return false;
            }
        }
        let mut values = self.free.pop().unwrap_or_default();
        values.clear();
        // Room for any grid of 8 × 8 cells, so that it can be used again for another one.
        values.reserve(length.max(8 * 8 * 4));
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
        make_room(&mut self.entries, &mut self.entries_room);
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

/// Room for one more, twice as much as is in use: entries come and go, and a map that is more than half
/// full may be moved to a larger memory on any of them.
fn make_room<K: Eq + Hash, V>(map: &mut HashMap<K, V>, room: &mut usize) {
    if map.len() >= *room {
        *room = (map.len() + 1).next_power_of_two().max(64);
        map.reserve(2 * *room - map.len());
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
    fn a_grid_stays_while_the_box_trembles_and_the_values_are_kept() {
        let mut memory = Memory::default();
        let mut at = |now, wanted| {
            memory.begin(Format::Nv12, now, 10 * SECOND);
            memory.grid(1, wanted, |(nx, ny)| nx * ny <= 20)
        };
        assert_eq!(at(0, (3, 6)), (3, 6));
        assert_eq!(at(1, (2, 6)), (3, 6));
        assert_eq!(at(2, (4, 5)), (3, 6));
        assert_eq!(at(10 * SECOND, (2, 6)), (2, 6), "taken again");
        assert_eq!(at(10 * SECOND + 1, (4, 6)), (4, 6), "another shape");
        assert_eq!(at(10 * SECOND + 2, (3, 5)), (3, 5), "24 do not fit");
        memory.begin(Format::Nv12, 0, SECOND);
        for key in 0..3 * MAX_GRIDS as u64 {
            memory.grid(key, (1, 1), |_| true);
        }
        assert!(memory.grids.len() <= MAX_GRIDS);
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
    fn many_small_grids_are_bounded_too() {
        let mut memory = Memory::default();
        for time in 0..5 {
            let frame = memory.begin(Format::Nv12, time, SECOND);
            for key in 0..MAX_ENTRIES as u64 / 2 {
                let id = Id {
                    key: key + (time << 32),
                    ..ID
                };
                assert_eq!(memory.recall(id, 1, 0), Recall::New);
                memory.learn(frame, id, &[8]);
            }
            assert!(memory.len() <= MAX_ENTRIES);
        }
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
