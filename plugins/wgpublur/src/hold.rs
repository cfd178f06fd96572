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
    tracks: HashMap<u32, usize>,
    pairs: Vec<(f64, usize, usize)>,
    moved: Vec<Option<Edges>>,
}

impl Holds {
    /// Takes the detections on the frame at `now`. `oldest` is the oldest frame that has not left yet.
    pub fn observe(
        &mut self,
        now: Moment,
        oldest: Moment,
        hold: gst::ClockTime,
        detections: &[Detection],
        is_wanted: impl Fn(&str) -> bool,
    ) {
        self.forget_before(oldest, hold);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.boxes.clear();
        for (index, d) in detections.iter().enumerate() {
            if !is_wanted(&d.class) {
                continue;
            }
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

    /// Finds for each box which of the held objects it is: at most one each, the same track first, then
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
        tracks.extend(with_track.filter_map(|(i, h)| Some((h.track?, i))));
        for found in &mut *boxes {
            if let Some(&i) = found.track.and_then(|t| tracks.get(&t))
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

fn edges(d: &Detection) -> Edges {
    let (x, y) = (f64::from(d.x), f64::from(d.y));
    [x, y, x + f64::from(d.width), y + f64::from(d.height)]
}

fn emptied<T>(mut room: VecDeque<T>) -> VecDeque<T> {
    room.clear();
    room
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: gst::ClockTime = gst::ClockTime::from_mseconds(500);

    /// Frames of 40 ms, and what leaves of them at once.
    struct Stream {
        holds: Holds,
        hold: gst::ClockTime,
        frame: u64,
    }

    impl Stream {
        fn new(hold: gst::ClockTime) -> Self {
            Self {
                holds: Holds::default(),
                hold,
                frame: 0,
            }
        }

        fn at(&mut self, ms: u64, detections: &[Detection]) -> Result<Vec<Object>, Reason> {
            self.frame += 1;
            let now = moment(self.frame, ms);
            let hold = self.hold;
            self.holds.observe(now, now, hold, detections, |_| true);
            let reach = Reach {
                hold,
                ahead: gst::ClockTime::ZERO,
            };
            let mut objects = Vec::new();
            self.holds.objects(now, reach, &mut objects)?;
            Ok(objects)
        }
    }

    fn moment(frame: u64, ms: u64) -> Moment {
        Moment {
            frame,
            time: gst::ClockTime::from_mseconds(ms),
        }
    }

    fn at(x: u32, track: Option<u32>) -> Detection {
        Detection {
            class: "person".into(),
            x,
            y: 0,
            width: 10,
            height: 20,
            track,
            score: None,
        }
    }

    fn lefts(objects: &[Object]) -> Vec<f64> {
        let mut x: Vec<f64> = objects.iter().map(|o| o.rect[0]).collect();
        x.sort_by(f64::total_cmp);
        x
    }

    #[test]
    fn a_missed_object_stays_masked_until_the_hold_is_over() {
        let mut stream = Stream::new(HOLD);
        let seen = stream.at(0, &[at(5, None)]).unwrap();
        assert_eq!(seen[0].rect, [5.0, 0.0, 15.0, 20.0]);
        assert_eq!(seen[0].seen, Some(0));
        let missed = stream.at(200, &[]).unwrap();
        assert_eq!(
            missed[0].rect,
            [3.0, -2.0, 17.0, 22.0],
            "it may have moved: it grows"
        );
        assert_eq!((missed[0].key, missed[0].seen), (seen[0].key, None));
        assert_eq!(stream.at(500, &[]).unwrap().len(), 1);
        assert!(stream.at(501, &[]).unwrap().is_empty());
        let again = stream.at(600, &[at(5, None)]).unwrap();
        assert_eq!(
            again[0].key, seen[0].key,
            "its key is remembered for longer"
        );
    }

    #[test]
    fn a_box_that_is_cut_for_a_moment_is_masked_as_large_as_it_was() {
        for (hold, top) in [(HOLD, 0.0), (gst::ClockTime::ZERO, 8.0)] {
            let mut stream = Stream::new(hold);
            for step in 0..5 {
                stream.at(40 * step, &[at(5, None)]).unwrap();
            }
            let mut cut = at(5, None);
            (cut.y, cut.height) = (8, 12);
            let seen = &stream.at(200, &[cut]).unwrap()[0];
            assert_eq!((seen.rect[1], seen.seen), (top, Some(0)));
        }
    }

    #[test]
    fn a_moving_object_leaves_no_trail() {
        let mut stream = Stream::new(HOLD);
        let mut key = None;
        for step in 0..20 {
            let seen = stream
                .at(40 * u64::from(step), &[at(3 * step, None)])
                .unwrap();
            assert_eq!(lefts(&seen), [f64::from(3 * step)]);
            assert_eq!(*key.get_or_insert(seen[0].key), seen[0].key);
        }
    }

    #[test]
    fn a_missed_object_moves_on_and_is_known_where_it_comes_back() {
        let mut stream = Stream::new(HOLD);
        // 2 pixels a frame, which no later box overlaps where it was last seen.
        for step in 0..6 {
            stream
                .at(40 * u64::from(step), &[at(2 * step, None)])
                .unwrap();
        }
        let mut key = 0;
        for step in 6..15u32 {
            let held = &stream.at(40 * u64::from(step), &[]).unwrap()[0];
            let x = f64::from(2 * step);
            assert!(held.rect[0] <= 10.0 && held.rect[2] >= x + 10.0, "{held:?}");
            assert!(held.rect[2] < x + 10.0 + 4.0, "no further than it may be");
            key = held.key;
        }
        let back = stream.at(600, &[at(30, None)]).unwrap();
        assert_eq!(back.len(), 1);
        assert_eq!((back[0].key, back[0].rect[0]), (key, 30.0));
    }

    #[test]
    fn a_track_is_followed_over_any_distance() {
        let mut stream = Stream::new(HOLD);
        let before = stream.at(0, &[at(0, Some(1)), at(100, Some(2))]).unwrap();
        // They change places; without tracks each would be taken for the other.
        let after = stream.at(40, &[at(100, Some(1)), at(0, Some(2))]).unwrap();
        assert_eq!(lefts(&after), [0.0, 100.0]);
        for (a, b) in before.iter().zip(&after) {
            assert_eq!((a.key, a.seen), (b.key, b.seen));
            assert_ne!(a.rect, b.rect);
        }
    }

    #[test]
    fn a_neighbour_does_not_end_the_hold_of_another() {
        let mut stream = Stream::new(HOLD);
        stream.at(0, &[at(0, None), at(4, None)]).unwrap();
        let missed = stream.at(40, &[at(4, None)]).unwrap();
        assert_eq!(missed.iter().filter(|o| o.seen.is_some()).count(), 1);
        assert_eq!(missed.len(), 2);
    }

    #[test]
    fn without_a_hold_only_what_is_seen_is_masked() {
        let mut stream = Stream::new(gst::ClockTime::ZERO);
        let seen = stream.at(0, &[at(5, None)]).unwrap();
        assert!(stream.at(40, &[]).unwrap().is_empty());
        let again = stream.at(80, &[at(6, None)]).unwrap();
        assert_eq!(again[0].key, seen[0].key);
    }

    #[test]
    fn memory_is_bounded_and_an_overflow_lasts_as_long_as_a_hold() {
        let mut stream = Stream::new(HOLD);
        let crowd: Vec<Detection> = (0..=MAX_OBJECTS as u32).map(|i| at(20 * i, None)).collect();
        assert_eq!(stream.at(0, &crowd), Err(Reason::TooManyRegions));
        assert_eq!(stream.holds.held.len(), MAX_OBJECTS);
        assert_eq!(stream.at(500, &[]), Err(Reason::TooManyRegions));
        assert!(stream.at(501, &[]).unwrap().is_empty());
        assert!(stream.at(5000, &[]).unwrap().is_empty());
        assert!(stream.holds.held.is_empty());
        for number in 0..5000 {
            let mut named = at(5, None);
            named.class = format!("class {number}");
            stream.at(10_000 + 2000 * number, &[named]).unwrap();
        }
        assert!(stream.holds.classes.len() <= MAX_IDLE_CLASSES + 1);
        let sightings = |s: &Stream| s.holds.held.iter().map(|h| h.seen.len()).max();
        for number in 0..50 {
            stream.at(20_000_000 + 40 * number, &[at(5, None)]).unwrap();
        }
        assert_eq!(sightings(&stream), Some(FIT + 1));
    }

    #[test]
    fn a_jump_backwards_ends_holds_too() {
        let mut stream = Stream::new(HOLD);
        stream.at(10_000, &[at(5, None)]).unwrap();
        assert!(stream.at(0, &[]).unwrap().is_empty());
    }

    /// Ten frames of 40 ms that all wait until the last is seen; `found` says where.
    fn afterwards(found: &[(u64, u32)], reach: Reach) -> Vec<Vec<Object>> {
        let mut holds = Holds::default();
        let frames: Vec<Moment> = (1..=10).map(|n| moment(n, 40 * n)).collect();
        for now in &frames {
            let on: Vec<Detection> = found
                .iter()
                .filter(|(frame, _)| *frame == now.frame)
                .map(|(_, x)| at(*x, None))
                .collect();
            holds.observe(*now, frames[0], reach.hold, &on, |_| true);
        }
        frames
            .iter()
            .map(|now| {
                let mut objects = Vec::new();
                holds.objects(*now, reach, &mut objects).unwrap();
                objects
            })
            .collect()
    }

    #[test]
    fn frames_before_the_first_sighting_are_masked_as_far_as_it_reaches() {
        let reach = Reach {
            hold: gst::ClockTime::ZERO,
            ahead: gst::ClockTime::from_mseconds(160),
        };
        // 3 pixels a frame, first found on the sixth.
        let found: Vec<(u64, u32)> = (6..=10).map(|n| (n, 3 * n as u32)).collect();
        for (frame, objects) in (1..).zip(afterwards(&found, reach)) {
            assert_eq!(objects.len(), usize::from(frame >= 2), "{frame}");
            for o in objects {
                let x = f64::from(3 * frame);
                assert!(o.rect[0] <= x && o.rect[2] >= x + 10.0, "{frame}: {o:?}");
                assert_eq!(o.seen.is_some(), frame >= 6);
            }
        }
    }

    #[test]
    fn between_two_sightings_it_is_where_the_line_between_them_is() {
        let reach = Reach {
            hold: HOLD,
            ahead: gst::ClockTime::from_mseconds(400),
        };
        let found = [(1, 3), (2, 6), (3, 9), (8, 24), (9, 27), (10, 30)];
        for (frame, objects) in (1..).zip(afterwards(&found, reach)) {
            assert_eq!(objects.len(), 1, "{frame}");
            let (o, x) = (&objects[0], f64::from(3 * frame));
            // Two frames of 40 ms away at most: it grows by a fiftieth.
            assert!((x - o.rect[0] - 0.1).abs() <= 0.11, "{frame}: {o:?}");
            assert!((o.rect[2] - x - 10.1).abs() <= 0.11, "{frame}: {o:?}");
        }
    }

    #[test]
    fn an_overflow_masks_the_frames_before_it_too() {
        let mut holds = Holds::default();
        let crowd: Vec<Detection> = (0..=MAX_OBJECTS as u32).map(|i| at(20 * i, None)).collect();
        let first = moment(1, 0);
        for n in 1..=5 {
            let on = if n == 4 { &crowd[..] } else { &[] };
            holds.observe(moment(n, 40 * n - 40), first, HOLD, on, |_| true);
        }
        let reach = Reach {
            hold: gst::ClockTime::ZERO,
            ahead: gst::ClockTime::from_mseconds(80),
        };
        let mut objects = Vec::new();
        let known: Vec<bool> = (1..=5)
            .map(|n| {
                holds
                    .objects(moment(n, 40 * n - 40), reach, &mut objects)
                    .is_ok()
            })
            .collect();
        assert_eq!(known, [true, false, false, false, true]);
    }
}
