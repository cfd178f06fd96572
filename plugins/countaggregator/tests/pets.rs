// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counting against an annotated clip: PETS 2009 S2.L1, view 1 (795 frames at 7 per second, 768 × 576).

use std::{path::PathBuf, sync::Arc};

use gstcountaggregator::{
    counter::{Counter, Look},
    geometry::{Direction, Line, Passage, Point, Polygon},
    record::{Authority, ClassSet},
    site::Site,
    window::{Limits, SECOND},
};
use privacy_common::Detection;

const WIDTH: u32 = 768;
const HEIGHT: u32 = 576;
const FPS: i64 = 7;

/// Frames in the window that is evaluated.
const WHOLE: usize = 112 * FPS as usize;

/// A row of the annotation: frame, person, box in pixels.
#[derive(Clone, Copy)]
struct Row {
    frame: usize,
    person: u32,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// The annotation, or `None` after saying that it is not there.
fn annotation(test: &str) -> Option<Vec<Row>> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pets09-s2l1/gt.txt");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!(
            "SKIPPED {test}: ../shared/data/pets09-s2l1/gt.txt is missing (MOTChallenge, PETS09-S2L1)"
        );
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "the annotation must be there in CI"
        );
        return None;
    };
    let rows = text.lines().map(|line| {
        let v: Vec<f64> = line
            .split(',')
            .map(|field| field.parse().unwrap())
            .collect();
        Row {
            frame: v[0] as usize,
            person: v[1] as u32,
            x: v[2],
            y: v[3],
            width: v[4],
            height: v[5],
        }
    });
    Some(rows.collect())
}

/// The boxes of each frame as a detector would report them: whole pixels, cut at the edges.
fn frames(rows: &[Row]) -> Vec<Vec<Detection>> {
    let last = rows.iter().map(|r| r.frame).max().unwrap();
    let mut frames = vec![Vec::new(); last];
    for row in rows {
        let left = row.x.round().clamp(0.0, f64::from(WIDTH - 1));
        let top = row.y.round().clamp(0.0, f64::from(HEIGHT - 1));
        let right = (row.x + row.width)
            .round()
            .clamp(left + 1.0, f64::from(WIDTH));
        let bottom = (row.y + row.height)
            .round()
            .clamp(top + 1.0, f64::from(HEIGHT));
        frames[row.frame - 1].push(Detection {
            class: "person".into(),
            x: left as u32,
            y: top as u32,
            width: (right - left) as u32,
            height: (bottom - top) as u32,
            track: None,
            score: None,
        });
    }
    frames
}

/// What the annotated identities say: crossings forward and backward, mean in the zone.
fn truth(rows: &[Row], line: &Line, zone: &Polygon, frames: usize) -> (u32, u32, f64) {
    let mut passages = std::collections::HashMap::<u32, Passage>::new();
    let (mut forward, mut backward, mut inside) = (0, 0, 0);
    for row in rows {
        let foot = Point {
            x: row.x + row.width / 2.0,
            // Some boxes are annotated beyond the lower edge, where no detector sees feet.
            y: (row.y + row.height).min(HEIGHT.into()),
        };
        match passages.entry(row.person).or_default().step(line, foot) {
            Some(Direction::Forward) => forward += 1,
            Some(Direction::Backward) => backward += 1,
            None => {}
        }
        inside += u32::from(zone.contains(foot));
    }
    (forward, backward, f64::from(inside) / frames as f64)
}

fn shapes(site: &Site) -> (Line, Polygon) {
    let (l, z) = (&site.cameras[0].lines[0], &site.cameras[0].zones[0]);
    (
        Line::new(l.from, l.to, WIDTH, HEIGHT),
        Polygon::new(&z.polygon, WIDTH, HEIGHT),
    )
}

fn site(from: [f64; 2], to: [f64; 2]) -> Site {
    Site::parse(&format!(
        "[[camera]]\nname = \"pets\"\n[[camera.line]]\nname = \"l\"\nfrom = {from:?}\nto = {to:?}\n\
         [[camera.zone]]\nname = \"z\"\npolygon = [[0.390625, 0.2604166667], [0.78125, 0.2604166667], [0.78125, 0.6944444444], [0.390625, 0.6944444444]]\n"
    ))
    .unwrap()
}

/// The published forward and backward counts and the mean of one window over the whole clip.
fn counted(site: &Site, frames: &[Vec<Detection>]) -> (Option<u64>, Option<u64>, Option<f64>) {
    let limits = Limits {
        window: 112 * SECOND,
        min_count: 3,
        publish_delay: 0,
    };
    let mut counter = Counter::new(
        Arc::new(site.cameras[0].clone()),
        limits,
        Authority::default(),
        ClassSet::ALL,
    );
    counter.resize(WIDTH, HEIGHT);
    let classes = ClassSet::from_labels(["person"]);
    for (i, detections) in frames.iter().enumerate() {
        counter.frame(
            i as i64 * SECOND / FPS,
            Look::New {
                classes,
                detections,
            },
        );
    }
    counter.end(false);
    let due = counter.take_due(true).expect("one whole window");
    let json: serde_json::Value =
        serde_json::from_str(&due.record.to_json_line().unwrap()).unwrap();
    (
        json["lines"][0]["forward"].as_u64(),
        json["lines"][0]["backward"].as_u64(),
        json["zones"][0]["mean"].as_f64(),
    )
}

/// What a poor detector makes of the same frames: it misses three boxes in ten and is off by pixels.
fn spoilt(frames: &[Vec<Detection>], mut seed: u64) -> Vec<Vec<Detection>> {
    let mut random = move |n: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 33) as u32 % n
    };
    let mut frames = frames.to_vec();
    for frame in &mut frames {
        frame.retain(|_| random(10) >= 3);
        for d in frame {
            d.x = (d.x + random(7)).saturating_sub(3);
            d.y = (d.y + random(7)).saturating_sub(3);
            d.height = (d.height + random(9)).saturating_sub(4).max(4);
        }
    }
    frames
}

#[test]
fn the_annotated_clip_is_counted_as_annotated() {
    let Some(rows) = annotation("the_annotated_clip_is_counted_as_annotated") else {
        return;
    };
    let all = frames(&rows);
    let middle = site([0.5, 0.0], [0.5, 1.0]);
    let (line, zone) = shapes(&middle);
    // The line (384,0)-(384,576) over the whole clip, as the annotation was evaluated independently:
    // 18 forward, 14 backward, 2.712 people in the zone.
    let (forward, backward, mean) = truth(&rows, &line, &zone, all.len());
    assert_eq!((forward, backward), (18, 14));
    assert!((mean - 2.712).abs() < 0.001, "{mean}");

    // Every tenth of the width, over the first 112 seconds, which are one window.
    let first: Vec<_> = rows.iter().filter(|r| r.frame <= WHOLE).copied().collect();
    let close = |truth: u32, counted: Option<u64>, error: u64, what: &str| match counted {
        None => assert!((1..3).contains(&truth), "{what}: {truth} withheld"),
        Some(n) => assert!(n.abs_diff(truth.into()) <= error, "{what}: {n} for {truth}"),
    };
    for tenth in 1..10 {
        let x = f64::from(tenth) / 10.0;
        let site = site([x, 0.0], [x, 1.0]);
        let (line, zone) = shapes(&site);
        let (forward, backward, mean) = truth(&first, &line, &zone, WHOLE);
        let (f, b, m) = counted(&site, &all);
        println!(
            "line at {x}: true {forward} and {backward}, {mean:.2} inside; counted {f:?} and {b:?}, {m:?}"
        );
        close(forward, f, 1, "forward");
        close(backward, b, 1, "backward");
        assert!((m.unwrap() - mean).abs() <= 0.1, "{m:?} for {mean}");
        for seed in 1..6 {
            let (f, b, m) = counted(&site, &spoilt(&all, seed));
            close(forward, f, 2, "forward, poor detector");
            close(backward, b, 2, "backward, poor detector");
            assert!((m.unwrap() - mean).abs() <= 0.15, "{m:?} for {mean}");
        }
    }
}
