// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects over time: what is masked on a frame on which they were not found.
//!
//! A detector that misses a face in one frame of fifty shows it in one frame of fifty, and one is
//! enough. An object therefore stays masked for the hold time after it was last seen: where it was, where
//! it should be by its motion, and between the two, growing. A frame that waits for later ones is also
//! masked where an object was found soon after it. Detections of one object are joined by track, else by
//! overlap, so that an object has one key for as long as it is seen, and one region and not a trail of
//! them.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use privacy_common::Detection;

use crate::{
    motion::{self, Edges, FIT, Sighting},
    verdict::Reason,
};

/// Most objects followed at a time. With more, the whole frame is masked.
pub const MAX_OBJECTS: usize = 1024;

/// Least intersection over union at which two boxes are taken for the same object.
const SAME_OBJECT: f64 = 0.3;

/// Growth of a region that is not seen: on each side, the object's size per second of absence. Its motion says
/// where it is by now; on PETS 2009 S2.L1 more growth covers nobody more, and less of a head than the same area
/// spent on padding.
const GROWTH_PER_SECOND: f64 = 0.25;

/// The same of an object seen on one frame alone, whose motion nobody knows, as a share of its longer side: a
/// walker crosses their own height in little more than a second.
const GROWTH_UNKNOWN: f64 = 0.5;

/// How long an object keeps its key after it was last seen, whatever the hold time.
const REMEMBER: gst::ClockTime = gst::ClockTime::SECOND;

/// Classes whose names are kept although no object has them, before they are forgotten.
const MAX_IDLE_CLASSES: usize = 64;

/// A frame of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Its number, counted as frames come.
    pub frame: u64,
    /// Its time. Runs backwards after a seek, or while playing backwards.
    pub time: gst::ClockTime,
}

impl Moment {
    fn away(self, other: Self) -> gst::ClockTime {
        gst::ClockTime::from_nseconds(self.time.nseconds().abs_diff(other.time.nseconds()))
    }
}

/// How far a sighting reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// To the frames after it.
    pub hold: gst::ClockTime,
    /// To the frames before it.
    pub ahead: gst::ClockTime,
}

/// Something to mask.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Label of its class.
    pub class: Arc<str>,
    /// Left, top, right and bottom in pixels of the frame, which they may leave; right and bottom are not
    /// before left and top, and all are finite.
    pub rect: Edges,
    /// Width and height of the object alone: what a share of its size is a share of.
    pub size: [f64; 2],
    /// Stable for as long as this is the same object.
    pub key: u64,
    /// Found on this very frame, as the detection with this index: the rectangle is its box, or larger when the
    /// box is smaller than usual.
    pub seen: Option<usize>,
}

#[derive(Debug)]
struct Held {
    class: Arc<str>,
    track: Option<u32>,
    key: u64,
    /// Oldest first, never empty: all on frames that have not left, and some before.
    seen: VecDeque<Sighting>,
}

impl Held {
    fn last(&self) -> &Sighting {
        &self.seen[self.seen.len() - 1]
    }
}

/// Some objects of these frames are not followed, and why.
#[derive(Debug, Clone, Copy)]
struct Lost {
    first: Moment,
    last: Moment,
    reason: Reason,
}

/// Objects seen lately.
#[derive(Debug, Default)]
pub struct Holds {
    held: Vec<Held>,
    next_key: u64,
    lost: Option<Lost>,
    /// Names of classes, shared by the objects.
    classes: Vec<Arc<str>>,
    /// Room for sightings, of objects that are forgotten.
    spare: Vec<VecDeque<Sighting>>,
    scratch: Scratch,
}

/// A detection.
#[derive(Debug)]
struct Found {
    index: usize,
    rect: Edges,
    class: Arc<str>,
    track: Option<u32>,
    /// The held object that it is.
    joined: Option<usize>,
}

/// Reused from frame to frame.
#[derive(Debug, Default)]
struct Scratch {
    boxes: Vec<Found>,
    taken: Vec<bool>,
    /// Held objects by track and class.
    tracks: HashMap<(u32, usize), usize>,
    pairs: Vec<(f64, usize, usize)>,
    moved: Vec<Option<Edges>>,
}

impl Holds {
    /// Takes the detections on the frame at `now`, of every class: what need not be masked may have to be on
    /// the next frame. `oldest` is the oldest frame that has not left yet.
    pub fn observe(
        &mut self,
        now: Moment,
        oldest: Moment,
        hold: gst::ClockTime,
        detections: &[Detection],
    ) {
        self.forget_before(oldest, hold);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.boxes.clear();
        for (index, d) in detections.iter().enumerate() {
            // More than are followed: which of them do not matter, for all of the frame is masked.
            if scratch.boxes.len() == MAX_OBJECTS {
                self.lose(now, Reason::TooManyRegions);
                break;
            }
            let class = self.class(&d.class);
            scratch.boxes.push(Found {
                index,
                rect: edges(d),
                class,
                track: d.track,
                joined: None,
            });
        }
        self.join(&mut scratch, now);
        for found in scratch.boxes.drain(..) {
            let Found { class, track, .. } = found;
            let sighting = Sighting {
                frame: now.frame,
                time: now.time,
                rect: found.rect,
                index: found.index,
            };
            match found.joined {
                Some(i) => {
                    let held = &mut self.held[i];
                    held.seen.push_back(sighting);
                    held.track = track.or(held.track);
                }
                None if self.held.len() < MAX_OBJECTS => {
                    self.next_key += 1;
                    let mut seen = self.spare.pop().unwrap_or_default();
                    seen.push_back(sighting);
                    self.held.push(Held {
                        class,
                        track,
                        key: self.next_key,
                        seen,
                    });
                }
                None => self.lose(now, Reason::TooManyRegions),
            }
        }
        self.scratch = scratch;
    }

    /// What to mask on the frame at `now`, into `objects`: what was seen on it, and what was seen within
    /// reach of it; or why that is not known.
    pub fn objects(
        &mut self,
        now: Moment,
        reach: Reach,
        objects: &mut Vec<Object>,
    ) -> Result<(), Reason> {
        objects.clear();
        if let Some(lost) = self.lost {
            let is_after = now.frame > lost.last.frame;
            let is_in_reach = if is_after {
                now.away(lost.last) <= reach.hold
            } else {
                now.frame >= lost.first.frame || now.away(lost.first) <= reach.ahead
            };
            if is_in_reach {
                return Err(lost.reason);
            }
            if is_after {
                self.lost = None;
            }
        }
        objects.extend(self.held.iter().filter_map(|h| h.on(now, reach)));
        Ok(())
    }

    /// The frames have another size from here on. What was seen lies somewhere else on them, scaled or
    /// cut, and nobody says which. None may be waiting.
    pub fn size_changed(&mut self) {
        let last = self.held.iter().map(Held::last).max_by_key(|s| s.frame);
        if let Some(moment) = last.map(Sighting::moment) {
            self.lose(moment, Reason::SizeChanged);
        }
        self.clear();
    }

    /// Forgets what was seen. Keys are not given twice, so that two people never share their noise.
    pub fn forget(&mut self) {
        self.clear();
        self.lost = None;
    }

    fn clear(&mut self) {
        self.spare
            .extend(self.held.drain(..).map(|h| emptied(h.seen)));
    }

    fn lose(&mut self, at: Moment, reason: Reason) {
        let first = self.lost.map_or(at, |lost| lost.first);
        self.lost = Some(Lost {
            first,
            last: at,
            reason,
        });
    }

    /// Forgets what no frame from `oldest` on needs.
    fn forget_before(&mut self, oldest: Moment, hold: gst::ClockTime) {
        let (spare, longest) = (&mut self.spare, hold.max(REMEMBER));
        self.held.retain_mut(|held| {
            let last = held.last();
            let is_needed = last.frame >= oldest.frame || last.moment().away(oldest) <= longest;
            if !is_needed {
                spare.push(emptied(std::mem::take(&mut held.seen)));
            } else {
                while held.seen.get(FIT).is_some_and(|s| s.frame < oldest.frame) {
                    held.seen.pop_front();
                }
            }
            is_needed
        });
    }

    /// The name of a class, shared.
    fn class(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.classes.iter().find(|c| ***c == *name) {
            return Arc::clone(known);
        }
        if self.classes.len() >= MAX_IDLE_CLASSES {
            self.classes.retain(|c| Arc::strong_count(c) > 1);
        }
        let class: Arc<str> = name.into();
        self.classes.push(Arc::clone(&class));
        class
    }

    /// Finds for each box which of the held objects of its class it is, for two detectors may count their
    /// tracks each from 1, and what is masked, and how, is a matter of class: at most one each, the same track first, then
    /// the largest overlap with where the object was last seen or, if that was not on the frame before,
    /// with where it should be by now.
    fn join(&self, scratch: &mut Scratch, now: Moment) {
        let Scratch {
            boxes,
            taken,
            tracks,
            pairs,
            moved,
        } = scratch;
        taken.clear();
        taken.resize(self.held.len(), false);
        tracks.clear();
        let with_track = self.held.iter().enumerate();
        tracks.extend(with_track.filter_map(|(i, h)| Some(((h.track?, place(&h.class)), i))));
        for found in &mut *boxes {
            let track = found.track.map(|t| (t, place(&found.class)));
            if let Some(&i) = track.and_then(|t| tracks.get(&t))
                && !taken[i]
            {
                (found.joined, taken[i]) = (Some(i), true);
            }
        }
        moved.clear();
        moved.extend(self.held.iter().zip(&*taken).map(|(held, taken)| {
            let is_missing = !taken && held.last().frame + 1 < now.frame;
            is_missing.then(|| motion::predict(&held.seen, now.time))
        }));
        pairs.clear();
        for (d, found) in boxes.iter().enumerate() {
            if found.joined.is_some() {
                continue;
            }
            for (i, held) in self.held.iter().enumerate() {
                // Two tracks are two objects, however much they overlap.
                let is_other_track =
                    matches!((held.track, found.track), (Some(a), Some(b)) if a != b);
                if taken[i] || is_other_track || !Arc::ptr_eq(&held.class, &found.class) {
                    continue;
                }
                let overlap = motion::overlap(&found.rect, &held.last().rect);
                let overlap = match &moved[i] {
                    Some(moved) => overlap.max(motion::overlap(&found.rect, moved)),
                    None => overlap,
                };
                if overlap >= SAME_OBJECT {
                    pairs.push((overlap, d, i));
                }
            }
        }
        pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for &(_, d, i) in &*pairs {
            if boxes[d].joined.is_none() && !taken[i] {
                (boxes[d].joined, taken[i]) = (Some(i), true);
            }
        }
    }
}

impl Held {
    /// What to mask of it on the frame at `now`, if anything.
    fn on(&self, now: Moment, reach: Reach) -> Option<Object> {
        let later = self.seen.partition_point(|s| s.frame <= now.frame);
        let (past, future) = (later.checked_sub(1), self.seen.get(later));
        let past = past.map(|i| &self.seen[i]);
        let future = future.filter(|s| s.moment().away(now) <= reach.ahead);
        let away = |s: &Sighting| s.moment().away(now).nseconds() as f64 / 1e9;
        let (rect, nearest, absent) = match (past, future) {
            // Whoever asks for no hold gets nothing of other frames.
            (Some(s), _) if s.frame == now.frame && reach.hold.is_zero() => (s.rect, s, 0.0),
            (Some(s), _) if s.frame == now.frame => {
                let known = self.seen.range(..later);
                (motion::steadied(known.rev()), s, 0.0)
            }
            (Some(a), Some(b)) => {
                let nearest = if away(a) <= away(b) { a } else { b };
                (motion::between(a, b, now.time), nearest, away(nearest))
            }
            (Some(a), None) if a.moment().away(now) <= reach.hold => {
                let known = self.seen.range(..later);
                let moved = motion::fit(known.rev(), now.time);
                (motion::hull(&a.rect, &moved), a, away(a))
            }
            (None, Some(b)) => {
                let known = self.seen.range(later..);
                let moved = motion::fit(known, now.time);
                (motion::hull(&b.rect, &moved), b, away(b))
            }
            _ => return None,
        };
        let seen = (nearest.frame == now.frame).then_some(nearest.index);
        let size = motion::size(&nearest.rect);
        let growth = if self.seen.len() > 1 {
            size.map(|side| side * GROWTH_PER_SECOND * absent)
        } else {
            [size[0].max(size[1]) * GROWTH_UNKNOWN * absent; 2]
        };
        Some(Object {
            class: Arc::clone(&self.class),
            rect: if seen.is_some() {
                rect
            } else {
                motion::grown(&rect, &growth)
            },
            size,
            key: self.key,
            seen,
        })
    }
}

/// Tells shared names of classes apart.
fn place(class: &Arc<str>) -> usize {
    Arc::as_ptr(class).cast::<u8>().addr()
}

fn edges(d: &Detection) -> Edges {
    let (x, y) = (f64::from(d.x), f64::from(d.y));
    [x, y, x + f64::from(d.width), y + f64::from(d.height)]
}

fn emptied<T>(mut room: VecDeque<T>) -> VecDeque<T> {
    room.clear();
    room
}

#[cfg(test)]
mod tests;
