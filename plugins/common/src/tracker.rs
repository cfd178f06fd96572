// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tracking of boxes over frames, by place and motion alone.
//!
//! No appearance vector, no histogram, no crop: a track is a box, a velocity and the time since it was
//! last seen, so nothing in it can recognise anybody who comes back. It is plain Rust and knows nothing
//! of GStreamer.
//!
//! The method is that of ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every
//! Detection Box", ECCV 2022), which stands on SORT (Bewley et al., "Simple Online and Realtime
//! Tracking", ICIP 2016): confident boxes are matched first to where each track ought to be by now, then
//! boxes of low score to the tracks left over. What differs from those papers:
//!
//! - Motion is an α-β filter on the centre instead of a Kalman filter. With constant noise a Kalman
//!   filter of constant velocity *is* an α-β filter once settled; the gains of the first measurements are
//!   those of the expanding-memory filter, α = 2(2n−1)/n(n+1) and β = 6/n(n+1) (Brookner, "Tracking and
//!   Kalman Filtering Made Easy", 1998, chapter 1). Their limit is α = 0.5 with β = α²/(2−α) (Benedict
//!   and Bordner, "Synthesis of an Optimal Set of Radar Track-While-Scan Smoothing Equations", 1962).
//! - Matching is greedy by falling overlap, with ties broken by position in the lists: deterministic.
//! - A track that is too young to have a velocity may also be continued by distance, so that an object
//!   faster than its own width per frame is not born anew on each frame.
//! - A box is only ever matched to a track of its own class.
//!
//! ```
//! use privacy_common::tracker::{Config, Observation, Rect, Tracker};
//! let mut tracker: Tracker = Tracker::with_seed(Config::default(), 1);
//! for step in 0..5 {
//!     let rect = Rect { x: 10.0 + 4.0 * step as f32, y: 20.0, width: 30.0, height: 60.0 };
//!     tracker.update(1.0, [Observation { class: "person", rect, score: None }]);
//! }
//! let [person] = tracker.tracks() else { panic!("one track") };
//! assert!(person.confirmed() && person.seen());
//! ```

use std::{
    hash::{BuildHasher, Hasher},
    ops::Range,
    sync::Arc,
};

mod input;
mod motion;

use input::Level;
pub use input::{Config, Observation, Rect};
use motion::{Motion, iou, nearness};

/// One object followed over frames. `S` is what the owner of the tracker wants to remember of it; it
/// goes when the track goes.
#[derive(Debug, Clone)]
pub struct Track<S = ()> {
    id: u32,
    class: Arc<str>,
    rect: Rect,
    motion: Motion,
    unseen: f32,
    hits: u32,
    confirmed: bool,
    matched: bool,
    /// The owner's own state of this object.
    pub state: S,
}

/// Follows boxes over frames.
#[derive(Debug, Clone)]
pub struct Tracker<S = ()> {
    config: Config,
    random: u64,
    tracks: Vec<Track<S>>,
    classes: Vec<Arc<str>>,
    assigned: Vec<Option<usize>>,
    // Scratch space, kept so that a frame allocates nothing.
    boxes: Vec<Seen>,
    left: Vec<(Rect, u32)>,
    pairs: Vec<(f32, u32, u32)>,
    moved: Vec<Option<usize>>,
}

impl<S> Track<S> {
    /// A random number from 1 to 2³¹−1, which says nothing about the object or its order of arrival.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Label of the class it was first seen as.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// Where it is: as measured when it was seen on this frame, as predicted otherwise.
    pub fn rect(&self) -> Rect {
        self.rect
    }

    /// Whether a box of this frame belongs to it.
    pub fn seen(&self) -> bool {
        self.matched
    }

    /// Time since it was last seen, in the unit of `elapsed`; 0 when it is seen now.
    pub fn unseen(&self) -> f32 {
        self.unseen
    }

    /// Number of frames it was seen on.
    pub fn hits(&self) -> u32 {
        self.hits
    }

    /// Whether it was seen often enough to be believed.
    pub fn confirmed(&self) -> bool {
        self.confirmed
    }
}

impl<S: Default> Tracker<S> {
    /// A tracker whose ids cannot be foreseen.
    pub fn new(config: Config) -> Self {
        // The keys of the standard library's hash maps come from the operating system's generator.
        let seed = std::hash::RandomState::new().build_hasher().finish();
        Self::with_seed(config, seed)
    }

    /// A tracker whose ids follow from `seed`, for tests.
    pub fn with_seed(config: Config, seed: u64) -> Self {
        Self {
            config,
            random: seed,
            tracks: Vec::new(),
            classes: Vec::new(),
            assigned: Vec::new(),
            boxes: Vec::new(),
            left: Vec::new(),
            pairs: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// Takes in one frame. `elapsed` is the time since the last one, in frames or seconds, as long as it
    /// is always the same and that of [`Config::coast`]. Boxes without an area or with numbers that are
    /// not finite are left out.
    pub fn update<'a>(
        &mut self,
        elapsed: f32,
        observations: impl IntoIterator<Item = Observation<'a>>,
    ) {
        let elapsed = if elapsed.is_finite() {
            elapsed.max(0.0)
        } else {
            0.0
        };
        for track in &mut self.tracks {
            track.matched = false;
            track.unseen += elapsed;
            track.motion.predict(elapsed);
            track.rect = track.motion.rect();
        }

        self.boxes.clear();
        self.assigned.clear();
        for observation in observations {
            let level = self.config.level(&observation);
            let class = match level {
                Level::Ignored => None,
                _ => Some(self.intern(observation.class)),
            };
            self.assigned.push(None);
            self.boxes.push(Seen {
                rect: observation.rect,
                level,
                class,
            });
        }

        let Config {
            match_iou,
            low_match_iou,
            reach,
            ..
        } = self.config;
        let overlapping = |track: &Rect| track.x..track.x + track.width;
        let reachable = |track: &Rect| {
            // Boxes of up to twice the size are reached from, and `nearness` measures in the smaller.
            let far = reach * (track.width + track.height) / 2.0 + track.width + track.height;
            track.x - far..track.x + track.width + far
        };
        // The order of ByteTrack: old acquaintances first, then what is barely seen of them, then the
        // newcomers of the last frames.
        self.associate(
            Level::High,
            |t| t.confirmed,
            overlapping,
            |a, b| iou(a, b, match_iou),
        );
        self.associate(
            Level::Low,
            |t| t.confirmed && t.unseen <= elapsed,
            overlapping,
            |a, b| iou(a, b, low_match_iou),
        );
        self.associate(
            Level::High,
            |t| !t.confirmed,
            overlapping,
            |a, b| iou(a, b, match_iou),
        );
        self.associate(
            Level::High,
            |t| t.hits < VELOCITY_HITS && t.unseen <= elapsed,
            reachable,
            |a, b| nearness(a, b, reach),
        );
        self.forget();
        self.begin();
    }

    /// Every track, in the order of arrival, those not confirmed and those not in view included.
    pub fn tracks(&self) -> &[Track<S>] {
        &self.tracks
    }

    /// The same, with the owner's state open to change.
    pub fn tracks_mut(&mut self) -> impl Iterator<Item = &mut Track<S>> {
        self.tracks.iter_mut()
    }

    /// For each observation of the last frame, in their order, the index of its track in
    /// [`Tracker::tracks`]; `None` when it was left out.
    pub fn assigned(&self) -> &[Option<usize>] {
        &self.assigned
    }

    /// Gives every track a new id, so that an id cannot link what came before to what comes after.
    pub fn redraw_ids(&mut self) {
        for index in 0..self.tracks.len() {
            self.tracks[index].id = self.draw_id();
        }
    }

    /// Forgets every object.
    pub fn clear(&mut self) {
        self.tracks.clear();
        self.assigned.clear();
    }

    /// Matches the boxes of `level` that are left to the tracks that are left and `open`, best first.
    /// `closeness` is `None` when the two cannot be the same object, and always so for a box that lies
    /// outside the `range` of the track from left to right.
    fn associate(
        &mut self,
        level: Level,
        open: impl Fn(&Track<S>) -> bool,
        range: impl Fn(&Rect) -> Range<f32>,
        closeness: impl Fn(&Rect, &Rect) -> Option<f32>,
    ) {
        self.pairs.clear();
        self.left.clear();
        let left = self.boxes.iter().enumerate();
        // Both lists are far shorter than u32::MAX.
        self.left.extend(
            left.filter(|(_, seen)| seen.level == level)
                .map(|(b, seen)| (seen.rect, b as u32)),
        );
        // From left to right, so that a track looks only at boxes near it.
        self.left
            .sort_unstable_by(|a, b| a.0.x.total_cmp(&b.0.x).then(a.1.cmp(&b.1)));
        let Some(widest) = self.left.iter().map(|l| l.0.width).max_by(f32::total_cmp) else {
            return;
        };
        for (t, track) in self.tracks.iter().enumerate() {
            if track.matched || track.unseen > self.config.coast || !open(track) {
                continue;
            }
            let around = range(&track.rect);
            let first = self
                .left
                .partition_point(|(rect, _)| rect.x < around.start - widest);
            for &(rect, b) in &self.left[first..] {
                if rect.x > around.end {
                    break;
                }
                if let Some(closeness) = closeness(&track.rect, &rect)
                    && self.boxes[b as usize].class.as_deref() == Some(&*track.class)
                {
                    self.pairs.push((closeness, t as u32, b));
                }
            }
        }
        self.pairs
            .sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for &(_, t, b) in &self.pairs {
            let (track, seen) = (&mut self.tracks[t as usize], &mut self.boxes[b as usize]);
            if track.matched || seen.level != level {
                continue;
            }
            seen.level = Level::Taken;
            self.assigned[b as usize] = Some(t as usize);
            track
                .motion
                .correct(&seen.rect, track.unseen, track.hits + 1);
            track.rect = seen.rect;
            track.hits = track.hits.saturating_add(1);
            track.confirmed |= track.hits >= self.config.confirm_hits;
            track.unseen = 0.0;
            track.matched = true;
        }
    }

    /// Drops the tracks that went unseen for too long, and makes room for new ones.
    fn forget(&mut self) {
        let Config {
            coast,
            tentative_coast,
            max_tracks,
            ..
        } = self.config;
        let stays = |track: &Track<S>| {
            let patience = if track.confirmed {
                coast
            } else {
                tentative_coast.min(coast)
            };
            track.matched || track.unseen <= patience
        };
        self.moved.clear();
        let mut kept = 0;
        for track in &self.tracks {
            self.moved.push(stays(track).then_some(kept));
            kept += usize::from(stays(track));
        }
        let newcomers = self.boxes.iter().filter(|b| b.level == Level::High).count();
        let mut excess = (kept + newcomers).saturating_sub(max_tracks);
        while excess > 0 {
            let oldest = self
                .tracks
                .iter()
                .enumerate()
                .filter(|(index, track)| self.moved[*index].is_some() && !track.matched)
                .max_by(|a, b| a.1.unseen.total_cmp(&b.1.unseen).then(b.0.cmp(&a.0)));
            let Some((index, _)) = oldest else { break };
            self.moved[index] = None;
            excess -= 1;
        }
        for (kept, moved) in self.moved.iter_mut().flatten().enumerate() {
            *moved = kept;
        }
        for index in self.assigned.iter_mut().flatten() {
            // A matched track always stays.
            if let Some(moved) = self.moved[*index] {
                *index = moved;
            }
        }
        let mut stays = self.moved.iter().map(Option::is_some);
        self.tracks.retain(|_| stays.next().unwrap_or(false));
    }

    /// Starts a track for each confident box that no track took.
    fn begin(&mut self) {
        for b in 0..self.boxes.len() {
            if self.tracks.len() >= self.config.max_tracks {
                break;
            }
            let (Level::High, Some(class)) = (self.boxes[b].level, self.boxes[b].class.take())
            else {
                continue;
            };
            let rect = self.boxes[b].rect;
            let id = self.draw_id();
            self.assigned[b] = Some(self.tracks.len());
            self.tracks.push(Track {
                id,
                class,
                rect,
                motion: Motion::new(&rect),
                unseen: 0.0,
                hits: 1,
                confirmed: self.config.confirm_hits <= 1,
                matched: true,
                state: S::default(),
            });
        }
    }

    /// The class as a shared string. Labels are few; what a broken source sends beyond that is not kept.
    fn intern(&mut self, class: &str) -> Arc<str> {
        if let Some(known) = self.classes.iter().find(|known| &***known == class) {
            return known.clone();
        }
        let new: Arc<str> = class.into();
        if self.classes.len() < MAX_KNOWN_CLASSES {
            self.classes.push(new.clone());
        }
        new
    }

    /// An id from 1 to 2³¹−1 that no living track has: the field of the meta that carries it is signed.
    fn draw_id(&mut self) -> u32 {
        loop {
            // SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators", 2014).
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.random;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let id = (z >> 33) as u32;
            if id != 0 && self.tracks.iter().all(|track| track.id != id) {
                return id;
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Seen {
    rect: Rect,
    level: Level,
    class: Option<Arc<str>>,
}

/// A velocity is believed after this many measurements.
const VELOCITY_HITS: u32 = 3;
/// Labels kept as shared strings.
const MAX_KNOWN_CLASSES: usize = 64;

#[cfg(test)]
mod tests;
