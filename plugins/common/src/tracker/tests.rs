// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

fn person(x: f32, y: f32) -> Observation<'static> {
    Observation {
        class: "person",
        rect: Rect {
            x,
            y,
            width: 30.0,
            height: 60.0,
        },
        score: None,
    }
}

fn scored(x: f32, y: f32, score: f32) -> Observation<'static> {
    Observation {
        score: Some(score),
        ..person(x, y)
    }
}

fn tracker() -> Tracker {
    Tracker::with_seed(Config::default(), 7)
}

#[test]
fn a_person_who_walks_keeps_one_track() {
    let mut t = tracker();
    let mut ids = Vec::new();
    for step in 0..100 {
        t.update(1.0, [person(5.0 * step as f32, 50.0)]);
        ids.push(t.tracks()[0].id());
        assert_eq!(t.tracks().len(), 1);
        assert_eq!(t.tracks()[0].confirmed(), step >= 2, "step {step}");
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(t.tracks()[0].hits(), 100);
}

#[test]
fn people_who_cross_keep_their_tracks() {
    let mut t = tracker();
    let mut ends = Vec::new();
    for step in 0..80 {
        let s = step as f32;
        // They pass shoulder to shoulder, the second a little lower; the order of the list changes.
        let (a, b) = (person(6.0 * s, 50.0), person(474.0 - 6.0 * s, 58.0));
        let list = if step % 2 == 0 { [a, b] } else { [b, a] };
        t.update(1.0, list);
        let of = |list_index: usize| {
            t.tracks()[t.assigned()[list_index].expect("every box has a track")].id()
        };
        let pair = if step % 2 == 0 {
            (of(0), of(1))
        } else {
            (of(1), of(0))
        };
        ends.push(pair);
    }
    ends.dedup();
    assert_eq!(ends.len(), 1, "nobody swapped");
}

#[test]
fn missed_frames_are_coasted_over_and_a_lost_track_ends() {
    let mut t = tracker();
    for step in 0..10 {
        t.update(1.0, [person(8.0 * step as f32, 50.0)]);
    }
    let id = t.tracks()[0].id();
    for step in 10..20 {
        t.update(1.0, []);
        let track = &t.tracks()[0];
        assert!(!track.seen());
        assert!(
            (track.rect().x - 8.0 * step as f32).abs() < 2.0,
            "predicted"
        );
    }
    t.update(1.0, [person(160.0, 50.0)]);
    assert_eq!(t.tracks()[0].id(), id);
    assert!(t.tracks()[0].seen() && t.tracks()[0].unseen() == 0.0);
    for _ in 0..30 {
        t.update(1.0, []);
        assert_eq!(t.tracks().len(), 1);
    }
    t.update(1.0, []);
    assert!(t.tracks().is_empty());
}

#[test]
fn tracks_not_confirmed_end_at_the_first_miss_unless_asked_otherwise() {
    let mut t = tracker();
    t.update(1.0, [person(0.0, 0.0)]);
    t.update(1.0, []);
    assert!(t.tracks().is_empty());
    let mut patient: Tracker = Tracker::with_seed(
        Config {
            tentative_coast: 5.0,
            ..Config::default()
        },
        7,
    );
    patient.update(1.0, [person(0.0, 0.0)]);
    for _ in 0..5 {
        patient.update(1.0, []);
        assert_eq!(patient.tracks().len(), 1);
    }
    patient.update(1.0, []);
    assert!(patient.tracks().is_empty());
}

#[test]
fn low_scores_continue_a_track_and_start_none() {
    let mut t = tracker();
    for _ in 0..5 {
        t.update(1.0, [scored(100.0, 100.0, 0.9), scored(300.0, 100.0, 0.3)]);
    }
    assert_eq!(t.tracks().len(), 1);
    for _ in 0..50 {
        t.update(1.0, [scored(100.0, 100.0, 0.2)]);
        assert!(t.tracks()[0].seen());
    }
    t.update(1.0, [scored(100.0, 100.0, 0.05)]);
    assert!(
        !t.tracks()[0].seen(),
        "below the low score nothing is looked at"
    );
    assert_eq!(t.assigned(), [None]);
    t.update(1.0, [scored(100.0, 100.0, f32::NAN)]);
    assert!(t.tracks()[0].seen(), "no number is no score");
}

#[test]
fn classes_never_mix() {
    let mut t = tracker();
    let car = Observation {
        class: "car",
        ..person(0.0, 0.0)
    };
    for _ in 0..5 {
        t.update(1.0, [person(0.0, 0.0), car]);
    }
    let classes: Vec<_> = t.tracks().iter().map(Track::class).collect();
    assert_eq!(classes, ["person", "car"]);
    t.update(1.0, [car]);
    assert!(!t.tracks()[0].seen() && t.tracks()[1].seen());
}

#[test]
fn an_object_faster_than_its_own_size_is_one_track() {
    for speed in 1..=100 {
        let mut t = tracker();
        for step in 0..10 {
            t.update(1.0, [person((speed * step) as f32, 100.0)]);
        }
        assert_eq!(t.tracks().len(), 1, "{speed} px per frame");
        assert_eq!(t.tracks()[0].hits(), 10, "{speed} px per frame");
    }
}

#[test]
fn the_unit_of_time_does_not_matter() {
    let mut frames = tracker();
    let mut seconds: Tracker = Tracker::with_seed(
        Config {
            coast: 30.0 / 25.0,
            ..Config::default()
        },
        7,
    );
    for step in 0..60 {
        let seen = (step % 4 != 3).then(|| person(4.0 * step as f32, 50.0));
        frames.update(1.0, seen);
        seconds.update(1.0 / 25.0, seen);
        let all = |t: &Tracker| {
            t.tracks()
                .iter()
                .map(|t| (t.id(), t.seen(), t.rect().x.round()))
                .collect::<Vec<_>>()
        };
        assert_eq!(all(&frames), all(&seconds), "step {step}");
    }
}

#[test]
fn broken_numbers_are_left_out_and_nothing_panics() {
    let mut t = tracker();
    let strange = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        -1.0,
        0.0,
        1e-30,
        1e9,
    ];
    for &x in &strange {
        for &width in &strange {
            for &elapsed in &strange {
                let broken = Observation {
                    class: "person",
                    rect: Rect {
                        x,
                        y: x,
                        width,
                        height: width,
                    },
                    score: Some(width),
                };
                t.update(elapsed, [broken, person(10.0, 10.0)]);
                for track in t.tracks() {
                    let r = track.rect();
                    assert!(r.x.is_finite() && r.y.is_finite());
                    assert!(r.width.is_finite() && r.height > 0.0);
                }
            }
        }
    }
}

#[test]
fn a_hundred_thousand_ids_take_bounded_memory() {
    let mut t = tracker();
    let mut drawn = std::collections::HashSet::new();
    for step in 0..100_000u32 {
        // Each object is seen once, far from the one before.
        let x = (step % 100) as f32 * 1000.0;
        t.update(1.0, [person(x, (step / 100 % 7) as f32 * 3000.0)]);
        assert!(t.tracks().len() <= 2);
        drawn.extend(t.tracks().iter().map(Track::id));
    }
    assert!(drawn.len() > 99_000, "{}", drawn.len());
    assert!(drawn.iter().all(|&id| id > 0 && i32::try_from(id).is_ok()));
    assert!(t.tracks.capacity() <= 16 && t.boxes.capacity() <= 16 && t.pairs.capacity() <= 16);
    for class in 0..1000 {
        let class = format!("class {class}");
        t.update(
            1.0,
            [Observation {
                class: &class,
                ..person(0.0, 0.0)
            }],
        );
    }
    assert!(t.classes.len() <= MAX_KNOWN_CLASSES);
}

#[test]
fn a_crowd_beyond_the_bound_keeps_what_is_in_view() {
    let config = Config {
        max_tracks: 10,
        confirm_hits: 1,
        ..Config::default()
    };
    let mut t: Tracker = Tracker::with_seed(config, 1);
    let crowd =
        |n: usize, row: f32| (0..n).map(move |i| person(100.0 * i as f32, row * 500.0 + 1.0));
    t.update(1.0, crowd(25, 0.0));
    assert_eq!(t.tracks().len(), 10);
    let ids: Vec<_> = t.tracks().iter().map(Track::id).collect();
    t.update(1.0, crowd(25, 0.0));
    assert_eq!(t.tracks().iter().map(Track::id).collect::<Vec<_>>(), ids);
    // Another crowd elsewhere takes the room of the one that left, and every box knows its track.
    t.update(1.0, crowd(4, 3.0));
    assert_eq!(t.tracks().len(), 10);
    for (b, index) in t.assigned().iter().enumerate() {
        let track = &t.tracks()[index.unwrap()];
        assert_eq!((track.rect().x, track.rect().y), (100.0 * b as f32, 1501.0));
    }
}

#[test]
fn it_is_deterministic_and_ids_can_be_redrawn() {
    let run = |seed| {
        let mut t: Tracker = Tracker::with_seed(Config::default(), seed);
        let mut all = Vec::new();
        for step in 0..50 {
            let s = step as f32;
            t.update(1.0, [person(s, s), person(s, 30.0), person(200.0 - s, s)]);
            all.extend(t.tracks().iter().map(|t| (t.id(), t.rect().x as i32)));
        }
        all
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));

    let mut t = tracker();
    t.update(1.0, [person(0.0, 0.0), person(300.0, 0.0)]);
    let before: Vec<_> = t.tracks().iter().map(Track::id).collect();
    t.redraw_ids();
    let after: Vec<_> = t.tracks().iter().map(Track::id).collect();
    assert!(before.iter().all(|id| !after.contains(id)) && after[0] != after[1]);
    t.clear();
    assert!(t.tracks().is_empty());

    let fresh = || {
        let mut t: Tracker = Tracker::new(Config::default());
        t.update(1.0, [person(0.0, 0.0)]);
        t.tracks()[0].id()
    };
    assert_ne!(fresh(), fresh(), "another run, another id");
}

#[test]
fn the_owners_state_lives_and_dies_with_the_track() {
    let mut t: Tracker<u32> = Tracker::with_seed(Config::default(), 1);
    for _ in 0..10 {
        t.update(1.0, [person(0.0, 0.0)]);
        for track in t.tracks_mut() {
            track.state += 1;
        }
    }
    assert_eq!(t.tracks()[0].state, 10);
    t.update(100.0, [person(0.0, 0.0)]);
    assert_eq!(t.tracks()[0].state, 0, "another object, seen much later");
}

#[test]
fn looking_only_at_boxes_nearby_misses_none() {
    let mut seed = 1u64;
    let mut random = move |from: f32, to: f32| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        from + (to - from) * ((seed >> 40) as f32 / (1u64 << 24) as f32)
    };
    let (mut same, mut other) = (0, 0);
    for _ in 0..20_000 {
        let mut rect = || Rect {
            x: random(0.0, 400.0),
            y: random(0.0, 100.0),
            width: random(1.0, 200.0),
            height: random(1.0, 200.0),
        };
        let [a, b, wide] = [rect(), rect(), rect()];
        let seen = |class, rect| Observation {
            class,
            rect,
            score: None,
        };
        let config = Config::default();
        let mut t: Tracker = Tracker::with_seed(config, 1);
        t.update(1.0, [seen("person", a)]);
        t.update(1.0, [seen("car", wide), seen("person", b)]);
        let expected =
            iou(&a, &b, config.match_iou).is_some() || nearness(&a, &b, config.reach).is_some();
        let person = t.tracks().iter().any(|t| t.hits() == 2);
        assert_eq!(person, expected, "{a:?} {b:?}");
        same += u32::from(expected);
        other += u32::from(!expected);
    }
    assert!(same > 1000 && other > 1000, "{same} {other}");
}
