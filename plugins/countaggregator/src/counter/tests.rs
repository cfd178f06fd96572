// SPDX-License-Identifier: MIT OR Apache-2.0

use serde_json::Value;

use super::*;
use crate::site::Site;

const W: u32 = 768;
const H: u32 = 576;
/// 25 frames per second.
const FRAME: i64 = SECOND / 25;
const MINUTE: i64 = 60 * SECOND;

fn site(line_x: f64) -> Arc<CameraSite> {
    let text = format!(
        "[[camera]]\nname = \"c\"\n[[camera.line]]\nname = \"l\"\nfrom = [{line_x:?}, 0.0]\nto = [{line_x:?}, 1.0]\n\
         [[camera.zone]]\nname = \"z\"\npolygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]\n"
    );
    Arc::new(Site::parse(&text).unwrap().cameras[0].clone())
}

fn limits() -> Limits {
    Limits {
        window: MINUTE,
        min_count: 3,
        publish_delay: 0,
    }
}

fn counter(line_x: f64) -> Counter {
    let mut c = Counter::new(site(line_x), limits(), Authority::default(), ClassSet::ALL);
    c.resize(W, H);
    c
}

/// A counter whose window is long enough not to matter.
fn hour(line_x: f64) -> Counter {
    let mut c = counter(line_x);
    let window = 60 * MINUTE;
    c.govern(
        Limits { window, ..limits() },
        Authority::default(),
        ClassSet::ALL,
    );
    c
}

/// Crossings of pedestrians in the window in progress.
fn so_far(c: &Counter) -> [u32; 2] {
    c.tally.as_ref().unwrap().crossings[0][0]
}

fn all_classes() -> ClassSet {
    ClassSet::from_labels(["person", "car", "truck"])
}

/// A box with its left edge at `x`, cut at the edges of the frame as a detector's would be.
fn cut(class: &str, x: i64, width: i64) -> Option<Detection> {
    let (left, right) = (x.max(0), (x + width).min(W.into()));
    (left < right).then(|| Detection {
        class: class.into(),
        x: left as u32,
        y: 200,
        width: (right - left) as u32,
        height: 150,
        track: None,
        score: None,
    })
}

fn look(c: &mut Counter, at: i64, detections: &[Detection]) {
    c.frame(
        at,
        Look::New {
            classes: all_classes(),
            detections,
        },
    );
}

/// Runs one minute at 25 frames per second in which `scene` says what is on each frame.
fn minute(c: &mut Counter, start: i64, mut scene: impl FnMut(i64) -> Vec<Detection>) {
    for i in 0..MINUTE / FRAME {
        look(c, start + i * FRAME, &scene(i));
    }
}

fn records(c: &mut Counter) -> Vec<Value> {
    std::iter::from_fn(|| c.take_due(true))
        .map(|due| serde_json::from_str(&due.record.to_json_line().unwrap()).unwrap())
        .collect()
}

/// Forward and backward of the first class of the only record.
fn pedestrians(c: &mut Counter) -> (Value, Value) {
    c.end(false);
    let records = records(c);
    assert_eq!(records.len(), 1, "{:?}", c.take_closed());
    let row = &records[0]["lines"][0];
    (row["forward"].clone(), row["backward"].clone())
}

#[test]
fn every_speed_from_1_to_200_pixels_a_frame_counts_the_same() {
    for speed in 1..=200 {
        let mut c = hour(0.5);
        // One after the other, each out of sight for longer than it is remembered before the next.
        let steps = (W as i64 + 100) / speed + 1;
        let mut at = 0;
        for _ in 0..4 {
            for i in 0..steps {
                let detections: Vec<_> = cut("person", i * speed - 60, 60).into_iter().collect();
                look(&mut c, at, &detections);
                at += FRAME;
            }
            for _ in 0..50 {
                look(&mut c, at, &[]);
                at += FRAME;
            }
        }
        assert_eq!(so_far(&c), [0, 4], "{speed} px per frame");
    }
}

#[test]
fn a_line_counts_wherever_it_is_drawn() {
    for x in [2, 3, 5, 10, 20, 100, 384, 700, 758, 765, 766] {
        let mut c = hour(f64::from(x) / f64::from(W));
        for i in 0..1800 {
            // To the right, and back, until nothing of it is left to see.
            let left = if i < 900 { i - 60 } else { 840 - (i - 900) };
            let detections: Vec<_> = cut("person", left, 60).into_iter().collect();
            look(&mut c, i * FRAME, &detections);
        }
        assert_eq!(so_far(&c), [1, 1], "x = {x}");
    }
}

#[test]
fn trembling_boxes_and_changing_ids_count_nothing() {
    let mut c = counter(0.5);
    let mut seed = 1u64;
    minute(&mut c, 0, |i| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let jitter = (seed >> 40) as i64 % 11 - 5;
        // Three people stand on the line; whoever numbered them changes the numbers on each frame.
        [0, 150, 300]
            .into_iter()
            .filter_map(|y| {
                let mut d = cut("person", 384 - 30 + jitter, 60)?;
                d.y = y;
                d.track = Some(1 + (i as u32 + y) % 7);
                Some(d)
            })
            .collect()
    });
    assert_eq!(pedestrians(&mut c), (0.into(), 0.into()));
}

#[test]
fn numbers_that_came_with_the_boxes_never_matter() {
    // All alike, all different, none, or each frame's own: the count is that of the boxes.
    let numbering: [fn(i64) -> Option<u32>; 4] = [
        |_| Some(1),
        |i| Some(i as u32 + 1),
        |_| None,
        |i| Some(i as u32 % 2 + 1),
    ];
    for track in numbering {
        let mut c = counter(0.5);
        minute(&mut c, 0, |i| {
            let mut d = cut("person", (i % 300) * 4 - 60, 60);
            if let Some(d) = &mut d {
                d.track = track(i);
            }
            d.into_iter().collect()
        });
        assert_eq!(pedestrians(&mut c), (0.into(), 5.into()));
    }
}

#[test]
fn classes_are_counted_apart_even_under_the_same_number() {
    let mut c = counter(0.5);
    minute(&mut c, 0, |i| {
        let class = ["person", "car"][(i / 150 % 2) as usize];
        let mut d = cut(class, (i % 150) * 8 - 60, 60);
        if let Some(d) = &mut d {
            d.track = Some(3);
        }
        d.into_iter()
            .chain(cut("face", (i % 150) * 8 - 60, 20))
            .collect()
    });
    c.end(false);
    let record = &records(&mut c)[0];
    for row in record["lines"].as_array().unwrap() {
        let expected = match row["class"].as_str().unwrap() {
            "pedestrian" | "car" => Value::from(5),
            "truck" => Value::from(0),
            _ => Value::Null,
        };
        assert_eq!(row["backward"], expected, "{row}");
    }
    assert_eq!(record["totals"][0]["backward"], 10);
}

#[test]
fn a_crossing_at_the_boundary_is_counted_once() {
    for offset in -40..40i64 {
        let mut c = counter(0.5);
        let frames = 2 * MINUTE / FRAME;
        for i in 0..frames {
            // Three walk abreast; they are at the line when the first window ends.
            let left = (i - MINUTE / FRAME + offset) * 5 + 384 - 30;
            let people: Vec<_> = [0, 150, 300]
                .into_iter()
                .filter_map(|y| cut("person", left, 60).map(|d| Detection { y, ..d }))
                .collect();
            look(&mut c, i * FRAME, &people);
        }
        c.end(false);
        let all = records(&mut c);
        let sum: u64 = all
            .iter()
            .map(|r| r["lines"][0]["backward"].as_u64().unwrap())
            .sum();
        assert_eq!((all.len(), sum), (2, 3), "offset {offset}");
    }
}

#[test]
fn frames_that_nobody_looked_at_count_nothing_and_spoil_the_window() {
    let walk =
        |i: i64| -> Vec<Detection> { cut("person", (i % 300) * 4 - 60, 60).into_iter().collect() };
    let mut c = counter(0.5);
    for i in 0..MINUTE / FRAME {
        let detections = walk(i);
        let look = Look::New {
            classes: all_classes(),
            detections: &detections,
        };
        c.frame(i * FRAME, if i % 19 == 0 { Look::None } else { look });
    }
    c.end(false);
    assert!(records(&mut c).is_empty());
    assert_eq!(c.take_closed()[0].discarded, Some(Discard::Unscanned));

    // A look that is only carried on is no second look: its boxes count with their first frame.
    let mut c = counter(0.5);
    for i in 0..MINUTE / FRAME {
        let detections = walk(i);
        let look = Look::New {
            classes: all_classes(),
            detections: &detections,
        };
        c.frame(i * FRAME, if i % 2 == 0 { look } else { Look::Carried });
    }
    assert_eq!(pedestrians(&mut c), (0.into(), 5.into()));
}

#[test]
fn a_class_counts_only_if_it_could_be_seen_all_along() {
    let mut c = counter(0.5);
    for i in 0..MINUTE / FRAME {
        let classes = ClassSet::from_labels(if i == 700 {
            vec!["person"]
        } else {
            vec!["person", "car"]
        });
        c.frame(
            i * FRAME,
            Look::New {
                classes,
                detections: &[],
            },
        );
    }
    c.end(false);
    let record = &records(&mut c)[0];
    let row = |class: &str| {
        let rows = record["lines"].as_array().unwrap();
        rows.iter().find(|r| r["class"] == class).unwrap()["forward"].clone()
    };
    assert_eq!(
        (row("pedestrian"), row("car"), row("van")),
        (0.into(), Value::Null, Value::Null)
    );
    let suppressed = record["suppressed"].as_array().unwrap();
    assert!(
        suppressed
            .iter()
            .any(|s| s["class"] == "car" && s["reason"] == "unsupported")
    );
}

#[test]
fn a_mean_needs_enough_people() {
    for (people, withheld) in [(0, false), (2, true), (3, false)] {
        let mut c = counter(0.5);
        minute(&mut c, 0, |_| {
            (0..people)
                .filter_map(|n| cut("person", 80 * n, 60))
                .collect()
        });
        c.end(false);
        let mean = records(&mut c)[0]["zones"][0]["mean"].clone();
        let expected = if withheld {
            Value::Null
        } else {
            (people as f64).into()
        };
        assert_eq!(mean, expected, "{people} people");
    }
}

#[test]
fn what_is_missing_is_said_and_nothing_of_it_published() {
    // Late start, interruption, new size, change of purpose, early stop.
    type Fault = fn(&mut Counter);
    let faults: [(Fault, Discard); 3] = [
        (Counter::interrupt, Discard::Interrupted),
        (|c| c.resize(W + 2, H), Discard::Interrupted),
        (
            |c| {
                c.govern(
                    Limits {
                        min_count: 7,
                        ..limits()
                    },
                    Authority::default(),
                    ClassSet::ALL,
                );
            },
            Discard::Purpose,
        ),
    ];
    for (fault, why) in faults {
        let mut c = counter(0.5);
        minute(&mut c, 30 * SECOND, |_| vec![]);
        assert_eq!(c.take_closed()[0].discarded, Some(Discard::Start));
        fault(&mut c);
        minute(&mut c, 90 * SECOND, |_| vec![]);
        minute(&mut c, 150 * SECOND, |_| vec![]);
        c.end(false);
        let closed = c.take_closed();
        assert!(
            closed.iter().any(|w| w.discarded == Some(why)),
            "{closed:?}"
        );
        assert_eq!(closed.last().unwrap().discarded, Some(Discard::Stop));
        let published = records(&mut c);
        assert_eq!(published.len(), 1, "only 2:00 to 3:00 is whole");
        assert_eq!(published[0]["window"]["from"], "1970-01-01T00:02:00Z");
    }
}

#[test]
fn the_same_time_is_never_told_twice() {
    let mut c = counter(0.5);
    for _ in 0..3 {
        minute(&mut c, 0, |_| vec![]);
        minute(&mut c, MINUTE, |_| vec![]);
    }
    c.end(false);
    let closed = c.take_closed();
    let all = records(&mut c);
    // The first round is whole up to where the second begins; the last window of a round cannot be.
    assert_eq!(all.len(), 1, "{closed:?}");
    assert_eq!(all[0]["window"]["from"], "1970-01-01T00:00:00Z");

    // Whatever happens in whatever order, windows do not overlap and are aligned to their length.
    let mut seed = 1u64;
    let mut random = move |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % n
    };
    let mut published = 0;
    for _ in 0..40 {
        let mut c = counter(0.5);
        let (mut at, mut told): (i64, Vec<(i64, i64)>) = (0, Vec::new());
        for _ in 0..600 {
            match random(120) {
                0 => c.end(false),
                1 => c.interrupt(),
                2 => at -= random(200) as i64 * SECOND,
                3 => at += random(20) as i64 * SECOND,
                4 => {
                    let window = [10, 20, 30, 35][random(4) as usize] * SECOND;
                    c.govern(
                        Limits { window, ..limits() },
                        Authority::default(),
                        ClassSet::ALL,
                    );
                }
                _ => {}
            }
            look(&mut c, at, &[]);
            at += SECOND;
            told.extend(std::iter::from_fn(|| c.take_due(false)).map(|d| (d.from, d.to)));
        }
        published += told.len();
        for (i, a) in told.iter().enumerate() {
            assert_eq!(a.0.rem_euclid(a.1 - a.0), 0, "aligned");
            for b in &told[i + 1..] {
                assert!(a.1 <= b.0, "{a:?} {b:?}");
            }
        }
    }
    assert!(published > 200, "{published}");
}

#[test]
fn nothing_is_due_before_its_delay() {
    let mut c = Counter::new(
        site(0.5),
        Limits {
            publish_delay: 30 * SECOND,
            ..limits()
        },
        Authority::default(),
        ClassSet::ALL,
    );
    c.resize(W, H);
    let mut due_at = Vec::new();
    for s in 0..300 {
        look(&mut c, s * SECOND, &[]);
        while let Some(due) = c.take_due(false) {
            due_at.push((s, due.to / SECOND));
        }
    }
    assert_eq!(due_at, [(90, 60), (150, 120), (210, 180), (270, 240)]);
    // Time passes without frames too, and what nobody looked at is not whole.
    c.pass(329 * SECOND);
    assert_eq!(c.take_due(false), None);
    c.pass(330 * SECOND);
    assert_eq!(c.take_due(false).unwrap().to, 300 * SECOND);
    c.pass(1000 * SECOND);
    assert_eq!(c.take_due(false), None);
    assert_eq!(
        c.take_closed().last().unwrap().discarded,
        Some(Discard::Gap)
    );
}

#[test]
fn days_of_objects_take_bounded_memory() {
    let mut c = counter(0.5);
    for i in 0..100_000i64 {
        // A new object on every frame, nowhere near the one before.
        let mut d = cut("person", (i * 379) % 700, 20).unwrap();
        (d.y, d.height) = ((i * 211 % 500) as u32, 30);
        look(&mut c, i * 2 * SECOND, &[d]);
        c.take_closed();
        while c.take_due(false).is_some() {}
    }
    assert!(c.tracker.tracks().len() < 50);
    assert!(c.pending.is_empty() && c.closed.is_empty());
    assert!(c.pending.capacity() < 64 && c.closed.capacity() < 64);
}

/// A live stream that ends tells nothing before its time; recorded footage has had its time.
#[test]
fn the_end_of_a_live_stream_does_not_cut_the_delay_short() {
    for (live, told) in [(true, [60].as_slice()), (false, &[60, 120])] {
        let limits = Limits {
            publish_delay: 30 * SECOND,
            ..limits()
        };
        let mut c = Counter::new(site(0.5), limits, Authority::default(), ClassSet::ALL);
        c.resize(W, H);
        for s in 0..=125 {
            look(&mut c, s * SECOND, &[]);
        }
        c.end(live);
        let due: Vec<i64> = std::iter::from_fn(|| c.take_due(true))
            .map(|due| due.to / SECOND)
            .collect();
        assert_eq!(due, told, "live: {live}");
        let last = c.take_closed().pop().unwrap();
        assert_eq!(last.discarded, Some(Discard::Stop));
    }
}

/// Whole = left + right, for lines drawn either way and for zones: what one of the parts withholds must not be
/// the difference of the others.
#[test]
fn overlapping_lines_and_zones_do_not_tell_by_difference() {
    let text = r#"
[[camera]]
name = "c"
[[camera.line]]
name = "whole"
from = [0.5, 0.0]
to = [0.5, 1.0]
[[camera.line]]
name = "upper"
from = [0.5, 0.0]
to = [0.5, 0.5]
[[camera.line]]
name = "lower, drawn upwards"
from = [0.5, 1.0]
to = [0.5, 0.5]
[[camera.line]]
name = "elsewhere"
from = [0.2, 0.0]
to = [0.2, 1.0]
[[camera.zone]]
name = "all"
polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
[[camera.zone]]
name = "top"
polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]
[[camera.zone]]
name = "bottom"
polygon = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]
"#;
    let site = Arc::new(Site::parse(text).unwrap().cameras[0].clone());
    let mut c = Counter::new(site, limits(), Authority::default(), ClassSet::ALL);
    c.resize(W, H);
    assert_eq!(c.line_kin, [vec![1, 2], vec![0], vec![0], vec![]]);
    assert_eq!(c.zone_kin, [vec![1, 2], vec![0], vec![0]]);
    // Six people walk through the upper half, one through the lower.
    minute(&mut c, 0, |frame| {
        let (walk, step) = (frame / 200, frame % 200);
        let mut person = match walk {
            0..7 => cut("person", 4 * step, 40),
            _ => None,
        };
        if let Some(person) = &mut person {
            (person.y, person.height) = if walk == 3 { (400, 80) } else { (100, 80) };
        }
        person.into_iter().collect()
    });
    c.end(false);
    let record = &records(&mut c)[0];
    let row = |table: &str, name: &str| {
        let rows = record[table].as_array().unwrap().iter();
        let mut rows = rows.filter(|row| row["name"] == name);
        rows.find(|row| row["class"] == "pedestrian" || table == "totals")
            .unwrap()
            .clone()
    };
    assert_eq!(row("lines", "upper")["backward"], 6);
    assert_eq!(row("lines", "elsewhere")["backward"], 7);
    assert_eq!(row("lines", "lower, drawn upwards")["forward"], Value::Null);
    assert_eq!(row("lines", "whole")["backward"], Value::Null);
    assert_eq!(row("totals", "whole")["backward"], Value::Null);
    assert_eq!(row("totals", "elsewhere")["backward"], 7);
    assert_eq!(row("zones", "bottom")["mean"], Value::Null);
    assert_eq!(row("zones", "all")["mean"], Value::Null);
    assert!(row("zones", "top")["mean"].is_number());
    // And no reason says which of them is small.
    let reasons = record["suppressed"].as_array().unwrap().iter();
    for suppressed in reasons.filter(|s| s["class"] == "pedestrian") {
        assert_eq!(
            suppressed["reason"], "would reveal a withheld count",
            "{suppressed}"
        );
    }
}
