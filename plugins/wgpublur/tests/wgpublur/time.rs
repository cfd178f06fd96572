// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects over time: hold and lookahead.

use gst_video::{VideoFormat, VideoInfo};
use gstwgpublur::Event;
use privacy_common::{Detection, attach};

use crate::{
    support::{Bench, bytes, scan, stamp},
    waiting::push,
};

/// Frames of one byte a pixel, masked with a value that their pattern seldom has.
const SOLID: &str = "mode=solid fill-color=0xff808080 padding=0";
pub const MASKED: u8 = 128;

pub type Box = (u32, u32, u32, u32);

pub fn bench(settings: &str) -> Bench {
    Bench::new(VideoFormat::Gray8, 320, 120, &format!("{SOLID} {settings}"))
}

/// Everything that has left, oldest first.
pub fn left(bench: &mut Bench) -> Vec<gst::Buffer> {
    std::iter::from_fn(|| bench.harness.try_pull()).collect()
}

/// Sends the end of the stream, and takes what leaves.
pub fn drained(bench: &mut Bench) -> Vec<gst::Buffer> {
    assert!(bench.harness.push_event(gst::event::Eos::new()));
    left(bench)
}

/// Share of a box that can be seen on a frame, 0 to 1.
pub fn seen(frame: &gst::Buffer, info: &VideoInfo, (x, y, w, h): Box) -> f64 {
    let (pixels, stride) = (bytes(frame), info.stride()[0] as usize);
    let rows = (y..y + h).map(|row| {
        let row = &pixels[row as usize * stride..][x as usize..(x + w) as usize];
        row.iter().filter(|&&p| p != MASKED).count()
    });
    rows.sum::<usize>() as f64 / f64::from(w * h)
}

pub fn numbers(frames: &[gst::Buffer]) -> Vec<u64> {
    let number = |f: &gst::Buffer| f.pts().unwrap().mseconds() / 40;
    frames.iter().map(number).collect()
}

/// Somebody who walks, stops, walks on faster and turns round, as (frame, box); a step of at most 4 pixels.
pub fn walker(frames: u64) -> Vec<Box> {
    let mut x = 10.0f64;
    (0..frames)
        .map(|n| {
            let speed = match n % 60 {
                0..20 => 2.0,
                20..25 => 0.0,
                25..45 => 3.0,
                _ => -2.5,
            };
            x = (x + speed).clamp(0.0, 280.0);
            (x as u32, 30, 24, 60)
        })
        .collect()
}

/// Frames that show the walker and nobody else, found on those that are not `missed`.
pub fn walk(bench: &mut Bench, path: &[Box], missed: impl Fn(usize) -> bool) -> Vec<gst::Buffer> {
    let mut out = Vec::new();
    for (n, &rect) in path.iter().enumerate() {
        let found: &[Box] = if missed(n) { &[] } else { &[rect] };
        let frame = bench.scanned(n as u64, found);
        assert_eq!(bench.harness.push(frame), Ok(gst::FlowSuccess::Ok));
        out.extend(left(bench));
    }
    out.extend(drained(bench));
    let all: Vec<u64> = (0..path.len() as u64).collect();
    assert_eq!(numbers(&out), all, "each frame leaves once, in order");
    out
}

/// Frames on which more than a fiftieth of the walker is to be seen.
fn leaks(bench: &Bench, frames: &[gst::Buffer], path: &[Box]) -> Vec<usize> {
    let is_leak = |n: &usize| seen(&frames[*n], &bench.info, path[*n]) > 0.02;
    (0..path.len()).filter(is_leak).collect()
}

/// Three frames of ten, chosen anew in each ten.
fn blind(n: usize) -> bool {
    let mut hash = (n / 10) as u64;
    let mut blind = Vec::new();
    while blind.len() < 3 {
        hash = hash
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let frame = (hash >> 33) as usize % 10;
        if !blind.contains(&frame) {
            blind.push(frame);
        }
    }
    blind.contains(&(n % 10))
}

#[test]
fn a_detector_blind_on_three_frames_of_ten_shows_nobody() {
    let path = walker(300);
    let mut none = bench("hold=0 padding=0.1");
    let out = walk(&mut none, &path, blind);
    let exposed = leaks(&none, &out, &path).len();
    assert!(exposed > 80, "the test is of use: {exposed}");
    let mut both = bench("hold=500000000 lookahead=400000000 padding=0.1");
    let out = walk(&mut both, &path, blind);
    assert_eq!(leaks(&both, &out, &path), [0; 0]);
    for frame in &out {
        let stamp = stamp(frame);
        assert!(!stamp.whole_frame && stamp.regions == 1 && stamp.share < 0.2);
    }
}

#[test]
fn a_first_detection_that_comes_late_masks_the_frames_before_it() {
    let path = walker(40);
    for late in 1..=10 {
        let is_missed = |n| n < late;
        let mut hold = bench("");
        let out = walk(&mut hold, &path, is_missed);
        assert_eq!(leaks(&hold, &out, &path).len(), late);
        let mut ahead = bench("lookahead=400000000 padding=0.1");
        let out = walk(&mut ahead, &path, is_missed);
        let exposed = leaks(&ahead, &out, &path);
        // The frame that has waited longest knows of one detection and of no motion.
        assert!(
            exposed.iter().all(|n| late == 10 && *n == 0),
            "{late}: {exposed:?}"
        );
        assert!(seen(&out[0], &ahead.info, path[0]) < 0.3, "{late}");
        // No further than was asked for.
        let mut short = bench("lookahead=120000000 hold=0 padding=0.1");
        let out = walk(&mut short, &path, is_missed);
        let clear: Vec<usize> = (0..late.saturating_sub(4)).collect();
        let exposed = leaks(&short, &out, &path);
        assert!(exposed.starts_with(&clear) && exposed.len() <= late.saturating_sub(3));
    }
}

#[test]
fn somebody_who_stands_still_for_ten_minutes_stays_masked() {
    let still = (100, 30, 24, 60);
    for settings in ["", "lookahead=2000000000"] {
        let mut bench = bench(settings);
        // Five frames a second, of which the detector finds them on two of three.
        let frames = 5 * 600;
        let mut out = 0;
        let check = |bench: &mut Bench, frames: Vec<gst::Buffer>| {
            for frame in &frames {
                let stamp = stamp(frame);
                assert!(!stamp.whole_frame && stamp.regions == 1, "{:?}", stamp.pts);
                assert_eq!(seen(frame, &bench.info, still), 0.0, "{:?}", stamp.pts);
            }
            frames.len()
        };
        for n in 0..frames {
            let found: &[Box] = if n % 3 == 2 { &[] } else { &[still] };
            let frame = bench.scanned(5 * n, found);
            bench.harness.push(frame).unwrap();
            let frames = left(&mut bench);
            out += check(&mut bench, frames);
        }
        let frames = drained(&mut bench);
        out += check(&mut bench, frames);
        assert_eq!(out, 3000);
    }
}

#[test]
fn frames_without_timestamps_wait_too() {
    let mut bench = bench("lookahead=80000000");
    let rect = (100, 30, 24, 60);
    let mut out = Vec::new();
    for n in 0..10 {
        let found: &[Box] = if n < 2 { &[] } else { &[rect] };
        let mut frame = bench.scanned(n, found);
        let b = frame.make_mut();
        b.set_pts(None);
        scan(b, found.len() as u32).write(b);
        bench.harness.push(frame).unwrap();
        out.extend(left(&mut bench));
    }
    assert_eq!(out.len(), 8);
    out.extend(drained(&mut bench));
    assert_eq!(out.len(), 10);
    assert!(out.iter().all(|f| seen(f, &bench.info, rect) == 0.0));
}

#[test]
fn playing_backwards_frames_wait_too() {
    let mut bench = bench("lookahead=80000000 hold=80000000");
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(-1.0);
    segment.set_stop(gst::ClockTime::from_seconds(4));
    bench.harness.push_event(gst::event::Segment::new(&segment));
    let rect = (100, 30, 24, 60);
    for n in (0..10).rev() {
        let found: &[Box] = if n == 5 { &[rect] } else { &[] };
        let frame = bench.scanned(n, found);
        bench.harness.push(frame).unwrap();
    }
    let out = drained(&mut bench);
    assert_eq!(numbers(&out), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    let hidden = out.iter().map(|f| seen(f, &bench.info, rect) == 0.0);
    let numbers = numbers(&out).into_iter().zip(hidden);
    let hidden: Vec<u64> = numbers
        .filter_map(|(n, hidden)| hidden.then_some(n))
        .collect();
    // A frame more before it than after: what has waited long enough waits for the next.
    assert!(
        hidden.ends_with(&[7, 6, 5, 4, 3]) && hidden.len() <= 6,
        "{hidden:?}"
    );
}

#[test]
fn overload_masks_the_frame_drops_it_or_stops() {
    let overflowing = |bench: &Bench, number| {
        let mut frame = bench.scanned(number, &[(4, 4, 8, 8)]);
        let b = frame.make_mut();
        let mut scan = scan(b, 1);
        scan.overflow = true;
        scan.write(b);
        frame
    };
    for wait in ["", "lookahead=80000000"] {
        let mut bench = bench(&format!("on-overload=frame {wait}"));
        let frame = overflowing(&bench, 0);
        bench.harness.push(frame).unwrap();
        let mut out = left(&mut bench);
        out.extend(drained(&mut bench));
        assert_eq!(stamp(&out[0]).reason, "overflow");

        let mut bench = self::bench(&format!("on-overload=drop {wait}"));
        let frame = overflowing(&bench, 0);
        bench.harness.push(frame).unwrap();
        push(&mut bench, 1..5);
        let mut out = left(&mut bench);
        out.extend(drained(&mut bench));
        assert_eq!(numbers(&out), [1, 2, 3, 4]);
        assert!(out[0].flags().contains(gst::BufferFlags::DISCONT));
        assert!(!out[1].flags().contains(gst::BufferFlags::DISCONT));
        assert!(bench.notices().iter().any(|n| n.event == Event::Degraded));

        let mut bench = self::bench(&format!("on-overload=error {wait}"));
        let frame = overflowing(&bench, 0);
        let first = bench.harness.push(frame);
        let mut last = first;
        for n in 1..5 {
            let frame = bench.scanned(n, &[]);
            last = bench.harness.push(frame);
        }
        assert_eq!(last, Err(gst::FlowError::Error));
        assert!(drained(&mut bench).is_empty());
        let message = bench.bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else {
            unreachable!("filtered")
        };
        let text = error.error().to_string();
        assert!(
            text.contains("overflow") && text.contains("masquer"),
            "{text}"
        );
    }
}

#[test]
fn tracks_are_followed_while_frames_wait() {
    let mut bench = bench("lookahead=120000000 hold=0 clear-track=1");
    // Two people meet and change places; one of them is to stay clear, and is lost for two frames.
    for n in 0..12u64 {
        let mut frame = bench.frame(n);
        let b = frame.make_mut();
        let mut found = 0;
        for (track, x) in [(1, 20 + 12 * n as u32), (2, 152 - 12 * n as u32)] {
            if track == 1 && (5..7).contains(&n) {
                continue;
            }
            found += 1;
            let person = Detection {
                class: "person".into(),
                x,
                y: 30,
                width: 10,
                height: 60,
                track: Some(track),
                score: None,
            };
            attach(b, &person);
        }
        scan(b, found).write(b);
        bench.harness.push(frame).unwrap();
    }
    let out = drained(&mut bench);
    for (n, frame) in out.iter().enumerate() {
        let other = (152 - 12 * n as u32, 30, 10, 60);
        assert_eq!(seen(frame, &bench.info, other), 0.0, "{n}: the other one");
        let chosen = (20 + 12 * n as u32, 30, 10, 60);
        let is_lost = (5..7).contains(&n);
        let share = seen(frame, &bench.info, chosen);
        // On the frames on which it was not found nobody can say who it is.
        assert!(
            if is_lost { share < 0.05 } else { share > 0.2 },
            "{n}: {share}"
        );
        assert_eq!(stamp(frame).clear, u32::from(!is_lost));
    }
}

#[test]
fn a_whole_frame_shows_new_cells_twice_a_second_and_an_object_every_ten() {
    let flat = |bench: &Bench, number: u64, level: u8, boxes: &[(u32, u32, u32, u32)]| {
        let mut frame = bench.scanned(number, boxes);
        let mut map = frame.make_mut().map_writable().unwrap();
        map.fill(level);
        drop(map);
        frame
    };
    let shown = |settings: &str, boxes: &[(u32, u32, u32, u32)]| {
        let mut bench = Bench::new(VideoFormat::Gray8, 64, 64, settings);
        // A dark scene for one frame, and a bright one for two seconds.
        let mut levels = Vec::new();
        for number in 0..50 {
            let level = if number == 0 { 40 } else { 200 };
            let out = bench.run(flat(&bench, number, level, boxes));
            let data = out.map_readable().unwrap();
            levels.push(data[20 * 64 + 20] > 120);
        }
        levels.iter().position(|is_bright| *is_bright)
    };
    // 40 ms a frame: 500 ms are 12.5 of them.
    assert_eq!(shown("whole-frame=true", &[]), Some(13));
    assert_eq!(shown("whole-frame=true refresh-interval=0", &[]), Some(1));
    assert_eq!(shown("", &[(10, 10, 20, 20)]), None);
    let half = "refresh-interval=500000000";
    assert_eq!(shown(half, &[(10, 10, 20, 20)]), Some(13));
}
