// SPDX-License-Identifier: MIT OR Apache-2.0
//! What somebody who wants to see a clear pixel, or to stop the stream, would try.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoRegionOfInterestMeta};

use privacy_common::{DetectorUse, Mask};

use crate::{
    flight::on_gpu,
    support::{Bench, bytes, purpose, scan, stamp},
    time::{Box, MASKED, bench, drained, left, numbers, seen},
};

/// Pushes frames with nobody on them, `numbers` of them, and returns what leaves.
fn nobody(bench: &mut Bench, numbers: std::ops::Range<u64>) -> Vec<gst::Buffer> {
    let mut out = Vec::new();
    for n in numbers {
        let frame = bench.scanned(n, &[]);
        bench.harness.push(frame).unwrap();
        out.extend(left(bench));
    }
    out
}

const VIEWS: &str = r#"
[[camera]]
name = "dome"
preset = "square"
[[camera.zone]]
name = "left"
polygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
[[camera]]
name = "dome"
preset = "park"
[[camera.zone]]
name = "right"
polygon = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
"#;

/// Whether the left and the right half of a frame are masked.
fn halves(frame: &gst::Buffer) -> (bool, bool) {
    let is_masked = |pixels: &[u8]| pixels.iter().all(|p| *p == MASKED);
    let pixels = bytes(frame);
    let rows = || pixels.chunks_exact(320);
    (
        rows().all(|row| is_masked(&row[..160])),
        rows().all(|row| is_masked(&row[160..])),
    )
}

#[test]
fn frames_that_wait_while_a_camera_turns_keep_the_zones_of_what_they_show() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("zones.toml");
    std::fs::write(&path, VIEWS).unwrap();
    let mut bench = bench(&format!(
        "lookahead=120000000 zones={} camera=dome preset=square",
        path.display()
    ));
    let mut out = nobody(&mut bench, 0..5);
    bench.element.set_property("preset", "park");
    out.extend(nobody(&mut bench, 5..10));
    out.extend(drained(&mut bench));
    assert_eq!(out.len(), 10);
    for (n, frame) in out.iter().enumerate() {
        assert_eq!(halves(frame), (n < 5, n >= 5), "frame {n}");
    }
}

#[test]
fn frames_that_came_under_whole_frame_leave_masked_as_a_whole() {
    let mut bench = bench("lookahead=120000000");
    let mut out = nobody(&mut bench, 0..4);
    bench.element.set_property("whole-frame", true);
    out.extend(nobody(&mut bench, 4..6));
    bench.element.set_property("whole-frame", false);
    out.extend(nobody(&mut bench, 6..12));
    out.extend(drained(&mut bench));
    let whole: Vec<bool> = out.iter().map(|f| stamp(f).whole_frame).collect();
    assert!(whole[4] && whole[5], "{whole:?}");
    assert!(!whole[6..].iter().any(|w| *w), "{whole:?}");
}

#[test]
fn frames_in_flight_when_their_purpose_ends_do_not_leave() {
    let name = "frames_in_flight_when_their_purpose_ends_do_not_leave";
    let Some(mut bench) = on_gpu(name, "in-flight=3") else {
        return;
    };
    let seconds = || {
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
    };
    let mut ending = purpose(Mask::Persons, DetectorUse::Mask);
    // Seconds are whole, and the frames below must come before it ends.
    ending.expires = seconds() + 3;
    assert!(bench.harness.push_event(ending.to_event()));
    assert!(nobody(&mut bench, 0..2).is_empty());
    while seconds() <= ending.expires {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut out = nobody(&mut bench, 2..5);
    out.extend(drained(&mut bench));
    assert_eq!(numbers(&out), [2, 3, 4], "let through by the gate upstream");
    let stats: gst::Structure = bench.element.property("stats");
    assert_eq!(stats.get::<u64>("dropped"), Ok(2));
}

#[test]
fn absurd_frame_rates_ask_nobody_for_absurd_amounts_of_memory() {
    // 90 000/1 is the clock of RTP, which some cameras write where the frame rate should be.
    for rate in [
        (90_000, 1),
        (1_000_000_000, 1),
        (i32::MAX, 1),
        (1000, 1),
        (1, i32::MAX),
        (0, 1),
    ] {
        for lookahead in [1u64, 500_000_000, 10_000_000_000] {
            let mut bench = bench(&format!("lookahead={lookahead}"));
            bench.set_info(
                VideoInfo::builder(VideoFormat::Gray8, 320, 120)
                    .fps(gst::Fraction::new(rate.0, rate.1))
                    .build()
                    .unwrap(),
            );
            let caps = bench.info.to_caps().unwrap();
            let mut query = gst::query::Allocation::new(Some(&caps), true);
            bench.element.static_pad("sink").unwrap().query(&mut query);
            let asked = query.allocation_pools().map(|(_, _, min, _)| min).max();
            assert!(
                asked.unwrap_or(0) <= 1300,
                "{rate:?}, {lookahead} ns: {asked:?}"
            );
            let mut out = nobody(&mut bench, 0..3);
            out.extend(drained(&mut bench));
            assert_eq!(out.len(), 3);
        }
    }
}

#[test]
fn nobody_upstream_is_told_that_frames_may_be_cut_by_a_meta() {
    for settings in ["", "lookahead=80000000"] {
        let bench = bench(settings);
        let pad = bench.element.static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
            let query = info.query_mut().map(gst::QueryRef::view_mut);
            let Some(gst::QueryViewMut::Allocation(query)) = query else {
                return gst::PadProbeReturn::Ok;
            };
            query.add_allocation_meta::<gst_video::VideoMeta>(None);
            query.add_allocation_meta::<gst_video::VideoCropMeta>(None);
            gst::PadProbeReturn::Handled
        });
        let caps = bench.info.to_caps().unwrap();
        let mut query = gst::query::Allocation::new(Some(&caps), true);
        assert!(bench.element.static_pad("sink").unwrap().query(&mut query));
        assert!(
            query
                .find_allocation_meta::<gst_video::VideoCropMeta>()
                .is_none(),
            "{settings}"
        );
    }
}

/// A frame whose meta says that only its middle is to be shown. All of it is masked all the same: whoever
/// does not know the meta shows all of it.
#[test]
fn a_frame_that_is_cut_by_a_meta_is_masked_beyond_the_cut() {
    let mut bench = bench("");
    let mut frame = bench.scanned(0, &[(4, 4, 40, 40)]);
    gst_video::VideoCropMeta::add(frame.make_mut(), (160, 60, 100, 50));
    let out = bench.run(frame);
    assert_eq!(stamp(&out).regions, 1);
    assert_eq!(seen(&out, &bench.info, (4, 4, 40, 40)), 0.0);
}

#[test]
fn a_gap_that_lies_before_the_frames_that_wait_lets_nobody_out() {
    let mut bench = bench("lookahead=400000000");
    assert!(nobody(&mut bench, 100..103).is_empty());
    let mut frame = bench.scanned(103, &[]);
    let b = frame.make_mut();
    scan(b, 0).write(b);
    bench
        .harness
        .push_event(gst::event::Gap::new(gst::ClockTime::ZERO, None));
    assert!(left(&mut bench).is_empty());
    bench.harness.push(frame).unwrap();
    assert!(left(&mut bench).is_empty());
    assert_eq!(drained(&mut bench).len(), 4);
}

#[test]
fn somebody_missed_on_the_first_frame_of_a_demand_is_masked() {
    for settings in ["classes=car", "exclude-classes=person"] {
        let mut bench = bench(settings);
        let box_ = (40, 20, 30, 60);
        for n in 0..3 {
            let frame = bench.scanned(n, &[box_]);
            let out = bench.run(frame);
            assert!(seen(&out, &bench.info, box_) > 0.9, "nobody demands it yet");
        }
        let demand = purpose(Mask::Persons, DetectorUse::Mask);
        assert!(bench.harness.push_event(demand.to_event()));
        let frame = bench.scanned(3, &[]);
        let out = bench.run(frame);
        assert_eq!(stamp(&out).regions, 1, "{settings}");
        assert_eq!(seen(&out, &bench.info, box_), 0.0, "{settings}");
    }
}

/// Two detectors in a row count their tracks each from 1.
#[test]
fn a_plate_with_the_track_of_somebody_else_is_a_plate_all_the_same() {
    let on = |bench: &Bench, n: u64, boxes: &[(&str, Box)]| {
        let mut frame = bench.frame(n);
        let b = frame.make_mut();
        for &(class, rect) in boxes {
            VideoRegionOfInterestMeta::add(b, class, rect).set_id(1);
        }
        let mut scan = scan(b, boxes.len() as u32);
        scan.classes.push("license-plate".into());
        scan.write(b);
        frame
    };
    let plate = ("license-plate", (200, 40, 60, 20));
    let person = ("person", (40, 20, 30, 60));
    let car = ("car", (40, 20, 30, 60));
    let mut pixelated = Bench::new(
        VideoFormat::Gray8,
        320,
        120,
        "fill-color=0xff808080 padding=0",
    );
    for boxes in [&[person][..], &[plate, person], &[person], &[plate]] {
        let frame = on(&pixelated, 0, boxes);
        let out = pixelated.run(frame);
        let is_there = boxes.contains(&plate);
        assert!(!is_there || seen(&out, &pixelated.info, plate.1) == 0.0);
    }
    for settings in ["classes=person", "exclude-classes=car"] {
        let mut bench = bench(settings);
        let person = ("person", (200, 20, 30, 60));
        for boxes in [&[car][..], &[person, car], &[car], &[person]] {
            let frame = on(&bench, 0, boxes);
            let out = bench.run(frame);
            let is_there = boxes.contains(&person);
            assert!(!is_there || seen(&out, &bench.info, person.1) == 0.0);
        }
    }
}
