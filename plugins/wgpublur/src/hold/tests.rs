// SPDX-License-Identifier: MIT OR Apache-2.0

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
        self.holds.observe(now, now, hold, detections);
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
        holds.observe(*now, frames[0], reach.hold, &on);
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
        holds.observe(moment(n, 40 * n - 40), first, HOLD, on);
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
