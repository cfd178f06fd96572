// SPDX-License-Identifier: MIT OR Apache-2.0
//! The line in which frames wait for what later ones tell, with the events between them.

use std::collections::VecDeque;

use crate::hold::Moment;

/// Timestamps of one frame rate differ by their rounding, and this much is taken for it.
const SLACK: gst::ClockTime = gst::ClockTime::MSECOND;

/// Shortest time between frames for which a line without a known frame rate has room.
pub const SHORTEST: gst::ClockTime = gst::ClockTime::from_nseconds(1_000_000_000 / 120);

/// Room beyond what the frame rate says, for frames that come in bursts.
const ROOM: u64 = 8;

/// What waits.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<F, E> {
    /// A frame.
    Frame(F),
    /// What comes between two frames.
    Event(E),
}

/// Frames and events in the order in which they came.
#[derive(Debug)]
pub struct Line<F, E> {
    items: VecDeque<(Moment, Item<F, E>)>,
    frames: usize,
    wait: gst::ClockTime,
    /// Most frames that it takes.
    room: usize,
    /// How far the stream has got.
    newest: gst::ClockTime,
}

impl<F, E> Line<F, E> {
    /// A line in which each frame waits until one comes that is `wait` later.
    pub fn new(wait: gst::ClockTime) -> Self {
        let mut line = Self {
            items: VecDeque::new(),
            frames: 0,
            wait,
            room: 0,
            newest: gst::ClockTime::ZERO,
        };
        line.set_duration(None);
        line
    }

    /// Takes the time from one frame to the next, which says how many may wait.
    pub fn set_duration(&mut self, frame: Option<gst::ClockTime>) {
        let frame = frame.unwrap_or(SHORTEST).max(gst::ClockTime::MSECOND);
        let frames = self.wait.nseconds().div_ceil(frame.nseconds());
        // At most 10 000 for the longest wait and the shortest frames.
        self.room = (2 * frames + ROOM) as usize;
    }

    /// Puts a frame at the end.
    pub fn push(&mut self, at: Moment, frame: F) {
        self.newest = at.time;
        self.frames += 1;
        self.items.push_back((at, Item::Frame(frame)));
    }

    /// Puts an event at the end.
    pub fn push_event(&mut self, event: E) {
        let at = Moment {
            frame: 0,
            time: self.newest,
        };
        self.items.push_back((at, Item::Event(event)));
    }

    /// The stream has got to `time` without a frame. A time that lies behind the newest frame, in the
    /// direction in which those that wait were played, is no news.
    pub fn pass(&mut self, time: gst::ClockTime) {
        let is_backwards = self.oldest().is_some_and(|o| o.time > self.newest);
        self.newest = if is_backwards {
            self.newest.min(time)
        } else {
            self.newest.max(time)
        };
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether more frames wait than it has room for: their times do not move on.
    pub fn is_full(&self) -> bool {
        self.frames > self.room
    }

    /// The oldest frame.
    pub fn oldest(&self) -> Option<Moment> {
        let frame = |(at, item): &(Moment, Item<F, E>)| match item {
            Item::Frame(_) => Some(*at),
            Item::Event(_) => None,
        };
        self.items.iter().find_map(frame)
    }

    /// The next that has waited long enough, or with `all` the next.
    pub fn next(&mut self, all: bool) -> Option<Item<F, E>> {
        let (at, item) = self.items.front()?;
        let waited = at.time.nseconds().abs_diff(self.newest.nseconds());
        let is_due = match item {
            Item::Event(_) => true,
            Item::Frame(_) => {
                waited.saturating_add(SLACK.nseconds()) >= self.wait.nseconds() || self.is_full()
            }
        };
        if !is_due && !all {
            return None;
        }
        let (_, item) = self.items.pop_front()?;
        self.frames -= usize::from(matches!(item, Item::Frame(_)));
        Some(item)
    }

    /// Forgets the frames, and gives back the events.
    pub fn clear(&mut self) -> impl Iterator<Item = E> + '_ {
        self.frames = 0;
        self.items.drain(..).filter_map(|(_, item)| match item {
            Item::Frame(_) => None,
            Item::Event(event) => Some(event),
        })
    }
}

/// How many frames wait in a line of frames of this duration.
pub fn frames(wait: gst::ClockTime, frame: gst::ClockTime) -> u64 {
    let wait = wait.saturating_sub(SLACK).nseconds();
    wait.div_ceil(frame.nseconds().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(ms)
    }

    /// A line of 100 ms, and what leaves it after each frame of these times.
    fn leaves(times: &[u64]) -> Vec<Vec<u64>> {
        let mut line: Line<u64, &str> = Line::new(ms(100));
        (1..)
            .zip(times)
            .map(|(frame, &t)| {
                let time = ms(t);
                line.push(Moment { frame, time }, t);
                let next = std::iter::from_fn(|| line.next(false));
                next.map(|item| match item {
                    Item::Frame(t) => t,
                    Item::Event(e) => panic!("{e}"),
                })
                .collect()
            })
            .collect()
    }

    #[test]
    fn frames_wait_until_one_comes_that_is_as_much_later() {
        let none: Vec<u64> = Vec::new();
        assert_eq!(
            leaves(&[0, 40, 80, 120, 160]),
            [none.clone(), none.clone(), none.clone(), vec![0], vec![40]]
        );
        assert_eq!(leaves(&[0, 33, 66, 99])[3], [0], "a rounded time");
        assert_eq!(
            leaves(&[0, 40, 5000]),
            [none.clone(), none.clone(), vec![0, 40]]
        );
        assert_eq!(
            leaves(&[5000, 4960, 4920, 4880]),
            [none.clone(), none.clone(), none.clone(), vec![5000]],
            "backwards"
        );
        assert_eq!((frames(ms(100), ms(40)), frames(ms(80), ms(40))), (3, 2));
        assert_eq!(
            frames(ms(100), gst::ClockTime::from_nseconds(33_333_333)),
            3
        );
        assert_eq!((frames(ms(0), ms(40)), frames(ms(1), ms(0))), (0, 0));
    }

    #[test]
    fn a_line_has_room_for_its_wait_and_no_more() {
        let stuck: Vec<u64> = leaves(&[7; 200]).concat();
        let mut line: Line<u64, ()> = Line::new(ms(100));
        assert!(stuck.len() > 150, "{}", stuck.len());
        line.set_duration(Some(ms(40)));
        for frame in 1..=14 {
            line.push(Moment { frame, time: ms(7) }, frame);
            assert!(!line.is_full() && line.next(false).is_none());
        }
        line.push(
            Moment {
                frame: 15,
                time: ms(7),
            },
            15,
        );
        assert!(line.is_full());
        assert_eq!(line.next(false), Some(Item::Frame(1)));
        assert_eq!(line.next(false), None);
        line.push_event(());
        assert_eq!(line.clear().count(), 1);
        assert!(line.is_empty() && line.oldest().is_none());
    }

    #[test]
    fn events_keep_their_place() {
        let mut line: Line<u64, &str> = Line::new(ms(80));
        line.push_event("first");
        line.push(
            Moment {
                frame: 1,
                time: ms(0),
            },
            0,
        );
        line.push_event("second");
        line.push(
            Moment {
                frame: 2,
                time: ms(40),
            },
            40,
        );
        assert_eq!(line.oldest().map(|m| m.frame), Some(1));
        assert_eq!(line.next(false), Some(Item::Event("first")));
        assert_eq!(line.next(false), None);
        line.pass(ms(80));
        assert_eq!(line.next(false), Some(Item::Frame(0)));
        assert_eq!(line.next(false), Some(Item::Event("second")));
        assert_eq!(line.next(false), None);
        assert_eq!(line.next(true), Some(Item::Frame(40)));
        assert_eq!((line.next(true), line.oldest()), (None, None));
    }
}
