// SPDX-License-Identifier: MIT OR Apache-2.0
//! One camera's counting: boxes in, closed windows out. No GStreamer, no clock of its own.
//!
//! Every object is followed by this camera's own tracker, whatever ids came with the boxes: some
//! detectors number the boxes of each frame, and a number that is not a track would count anybody twice.
//! An id, a box, a velocity and the side of each line is all that is known of an object; it is forgotten
//! as soon as the object has been out of sight for [`COAST`], and ids are drawn anew at the end of each
//! window.

use std::{collections::VecDeque, sync::Arc};

use privacy_common::{
    Detection,
    tracker::{Config, Observation, Tracker},
};

use crate::{
    geometry::{self, Direction, Line, Passage, Point, Polygon},
    record::{Authority, CLASSES, Class, ClassSet, Record},
    site::CameraSite,
    window::{Discard, Limits, SECOND, Window},
};

/// What a detector said of one frame.
#[derive(Debug, Clone, Copy)]
pub enum Look<'a> {
    /// Nothing usable: no stamp, more objects than it could report, or a stamp too old.
    None,
    /// The boxes were counted with an earlier frame and only carried to this one.
    Carried,
    /// A new look.
    New {
        /// Classes the detector can see.
        classes: ClassSet,
        /// What it found.
        detections: &'a [Detection],
    },
}

/// A window that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Its start, ns since 1970 UTC.
    pub from: i64,
    /// Its end.
    pub to: i64,
    /// Why it will not be published; `None` when it will.
    pub discarded: Option<Discard>,
}

/// A record that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Start of its window.
    pub from: i64,
    /// End of its window.
    pub to: i64,
    /// The record.
    pub record: Record,
}

/// Counting for one camera.
#[derive(Debug)]
pub struct Counter {
    site: Arc<CameraSite>,
    limits: Limits,
    authority: Authority,
    allowed: ClassSet,
    size: (u32, u32),
    lines: Vec<Line>,
    zones: Vec<Polygon>,
    /// For each line, the others that count the same people.
    line_kin: Vec<Vec<usize>>,
    /// For each zone, those that overlap it.
    zone_kin: Vec<Vec<usize>>,
    tracker: Tracker<Object>,
    now: Option<i64>,
    looked: Option<i64>,
    tally: Option<Tally>,
    /// Why the next window to open cannot be whole, if it began before it opens.
    late: Option<Discard>,
    /// No window that begins earlier is ever opened again.
    closed_until: i64,
    closed: Vec<Closed>,
    pending: VecDeque<Due>,
}

/// What is known of an object.
#[derive(Debug, Default)]
struct Object {
    lines: Vec<AtLine>,
    /// Zones in which it was counted in this window.
    zones: Vec<bool>,
}

#[derive(Debug, Default, Clone)]
struct AtLine {
    passage: Passage,
    /// Crossings not counted yet: those made before it was confirmed.
    untold: [u32; 2],
}

/// The sums of one window.
#[derive(Debug)]
struct Tally {
    window: Window,
    supported: ClassSet,
    looks: u64,
    crossings: Vec<[[u32; 2]; CLASSES.len()]>,
    zones: Vec<[InZone; CLASSES.len()]>,
}

#[derive(Debug, Default, Clone, Copy)]
struct InZone {
    sum: u64,
    objects: u32,
}

impl Counter {
    /// Counts at the lines and zones of `site`. `allowed` are the classes that the purpose lets it count.
    pub fn new(
        site: Arc<CameraSite>,
        limits: Limits,
        authority: Authority,
        allowed: ClassSet,
    ) -> Self {
        let config = Config {
            coast: COAST as f32 / SECOND as f32,
            tentative_coast: COAST as f32 / SECOND as f32 / 3.0,
            ..Config::default()
        };
        let line_kin = publish::kin(&site.lines, |a, b| {
            geometry::lines_overlap((a.from, a.to), (b.from, b.to))
        });
        let zone_kin = publish::kin(&site.zones, |a, b| {
            geometry::zones_overlap(&a.polygon, &b.polygon)
        });
        Self {
            site,
            limits,
            authority,
            allowed,
            size: (0, 0),
            lines: Vec::new(),
            zones: Vec::new(),
            line_kin,
            zone_kin,
            tracker: Tracker::new(config),
            now: None,
            looked: None,
            tally: None,
            late: Some(Discard::Start),
            closed_until: i64::MIN,
            closed: Vec::new(),
            pending: VecDeque::new(),
        }
    }

    /// Changes what it counts under. The window in progress is discarded when anything changed.
    pub fn govern(&mut self, limits: Limits, authority: Authority, allowed: ClassSet) {
        if (self.limits, &self.authority, self.allowed) == (limits, &authority, allowed) {
            return;
        }
        (self.limits, self.authority, self.allowed) = (limits, authority, allowed);
        if let Some(tally) = self.tally.take() {
            self.discard(&tally.window, Discard::Purpose);
            self.late = Some(Discard::Purpose);
        }
    }

    /// The frames are now of `width` × `height` pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        if self.size == (width, height) {
            return;
        }
        if self.size != (0, 0) {
            self.interrupt();
        }
        self.size = (width, height);
        self.lines = self
            .site
            .lines
            .iter()
            .map(|line| Line::new(line.from, line.to, width, height))
            .collect();
        self.zones = self
            .site
            .zones
            .iter()
            .map(|zone| Polygon::new(&zone.polygon, width, height))
            .collect();
    }

    /// The stream broke off and goes on: the window in progress is not whole, nobody is known any more.
    pub fn interrupt(&mut self) {
        if let Some(tally) = &mut self.tally {
            tally.window.spoil(Discard::Interrupted);
        }
        self.tracker.clear();
        self.looked = None;
    }

    /// Time passed without a frame.
    pub fn pass(&mut self, at: i64) {
        if self.now.is_some() {
            self.advance(at);
        }
    }

    /// Takes in a frame of the instant `at`.
    pub fn frame(&mut self, at: i64, look: Look) {
        if !self.advance(at) {
            return;
        }
        let Some(tally) = &mut self.tally else {
            return;
        };
        tally.window.frame(at, !matches!(look, Look::None));
        let Look::New {
            classes,
            detections,
        } = look
        else {
            return;
        };
        tally.supported = tally.supported.and(classes);
        tally.looks += 1;
        // Lossy, and exact enough: seconds between two frames.
        let elapsed = self
            .looked
            .map_or(0.0, |last| at.saturating_sub(last) as f32 / SECOND as f32);
        self.looked = Some(at);
        let observations = detections.iter().filter_map(|detection| {
            Some(Observation {
                class: Class::from_label(&detection.class)?.nick(),
                ..Observation::from(detection)
            })
        });
        self.tracker.update(elapsed, observations);
        for track in self.tracker.tracks_mut() {
            let (r, seen, confirmed) = (track.rect(), track.seen(), track.confirmed());
            let class = Class::from_label(track.class()).map(Class::index);
            let Some(class) = class else { continue };
            let foot = Point {
                x: f64::from(r.x + r.width / 2.0),
                y: f64::from(r.y + r.height),
            };
            let object = &mut track.state;
            if seen {
                object.walk(foot, &self.lines);
            }
            if confirmed {
                object.tell(class, tally);
                object.stand(foot, class, &self.zones, tally);
            }
        }
    }

    /// No window that begins before `until` is opened: it was told already.
    pub fn resume(&mut self, until: i64) {
        self.closed_until = self.closed_until.max(until);
    }

    /// Up to where windows were told or discarded.
    pub fn told(&self) -> i64 {
        self.closed_until
    }

    /// The stream ended. What is whole of recorded footage is due now; a `live` stream's windows whose delay
    /// is not over are discarded, since nobody can wait for it any more. The rest is discarded too.
    pub fn end(&mut self, live: bool) {
        if let Some(tally) = self.tally.take() {
            self.close(tally, true);
        }
        if live {
            let now = self.now.unwrap_or(i64::MIN);
            let delay = self.limits.publish_delay;
            let closed = &mut self.closed;
            self.pending.retain(|due| {
                let over = due.to.saturating_add(delay) <= now;
                if !over {
                    closed.push(Closed {
                        from: due.from,
                        to: due.to,
                        discarded: Some(Discard::Stop),
                    });
                }
                over
            });
        }
        self.tracker.clear();
        self.looked = None;
        self.late = Some(Discard::Start);
    }

    /// The windows that ended since the last call.
    pub fn take_closed(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.closed)
    }

    /// The next record whose delay is over, or that waits when the stream has ended.
    pub fn take_due(&mut self, ended: bool) -> Option<Due> {
        let now = self.now?;
        let delay = self.limits.publish_delay;
        let due = self
            .pending
            .front()
            .is_some_and(|due| ended || due.to.saturating_add(delay) <= now);
        due.then(|| self.pending.pop_front()).flatten()
    }

    /// Moves time on, and closes and opens windows. Returns whether a window is open at `at`.
    fn advance(&mut self, at: i64) -> bool {
        if self.now.is_some_and(|now| at < now) {
            // A loop or a seek: whatever was counted twice or missed, the window is not whole.
            self.interrupt();
            if self.tally.as_ref().is_some_and(|t| at < t.window.from) {
                return false;
            }
        }
        self.now = Some(self.now.map_or(at, |now| now.max(at)));
        if let Some(tally) = self.tally.take_if(|tally| tally.window.to <= at) {
            self.close(tally, false);
            self.tracker.redraw_ids();
            for track in self.tracker.tracks_mut() {
                track.state.zones.fill(false);
            }
        }
        if self.tally.is_none() {
            let window = Window::around(at, self.limits.window);
            if window.to <= self.closed_until {
                return false;
            }
            self.open(window);
        }
        true
    }

    fn open(&mut self, mut window: Window) {
        if window.from < self.closed_until {
            // Part of it was already told in a window of another length.
            window.spoil(self.late.unwrap_or(Discard::Interrupted));
        }
        window.late(self.late.take());
        self.tally = Some(Tally {
            window,
            supported: ClassSet::ALL,
            looks: 0,
            crossings: vec![Default::default(); self.site.lines.len()],
            zones: vec![Default::default(); self.site.zones.len()],
        });
    }

    fn close(&mut self, tally: Tally, ended: bool) {
        match tally.window.verdict(ended) {
            Err(why) => self.discard(&tally.window, why),
            Ok(()) => {
                let Window { from, to, .. } = tally.window;
                let record = self.publishable(&tally);
                self.pending.push_back(Due { from, to, record });
                self.closed.push(Closed {
                    from,
                    to,
                    discarded: None,
                });
                self.closed_until = self.closed_until.max(to);
            }
        }
    }

    fn discard(&mut self, window: &Window, why: Discard) {
        self.closed.push(Closed {
            from: window.from,
            to: window.to,
            discarded: Some(why),
        });
        // A window that was begun and discarded is not begun again either.
        self.closed_until = self
            .closed_until
            .max(window.to.min(self.now.unwrap_or(window.to)));
    }
}

impl Object {
    /// It was seen here. A place that was only predicted crosses nothing: whoever stops at a line would
    /// be carried over it and back.
    fn walk(&mut self, foot: Point, lines: &[Line]) {
        self.lines.resize(lines.len(), AtLine::default());
        for (at, line) in self.lines.iter_mut().zip(lines) {
            match at.passage.step(line, foot) {
                Some(Direction::Forward) => at.untold[FORWARD] += 1,
                Some(Direction::Backward) => at.untold[BACKWARD] += 1,
                None => {}
            }
        }
    }

    /// Counts what it crossed.
    fn tell(&mut self, class: usize, tally: &mut Tally) {
        for (at, crossings) in self.lines.iter_mut().zip(&mut tally.crossings) {
            for (sum, untold) in crossings[class].iter_mut().zip(&mut at.untold) {
                *sum = sum.saturating_add(std::mem::take(untold));
            }
        }
    }

    /// It is here, or ought to be: a detector misses some people on some frames, and a mean without them
    /// would be too low by as much.
    fn stand(&mut self, foot: Point, class: usize, zones: &[Polygon], tally: &mut Tally) {
        self.zones.resize(zones.len(), false);
        for ((counted, zone), tallies) in self.zones.iter_mut().zip(zones).zip(&mut tally.zones) {
            if zone.contains(foot) {
                let tally = &mut tallies[class];
                tally.sum += 1;
                tally.objects += u32::from(!std::mem::replace(counted, true));
            }
        }
    }
}

/// How long an object may be out of sight and still be the same, ns.
pub const COAST: i64 = 3 * SECOND / 2;
const FORWARD: usize = 0;
const BACKWARD: usize = 1;

mod publish;

#[cfg(test)]
mod tests;
