// SPDX-License-Identifier: MIT OR Apache-2.0
//! The line of frames that wait: latency, events, flushes, purposes, pools.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use gstwgpublur::Reason;
use privacy_common::{DetectorUse, Mask, detections};

use crate::{
    support::{Bench, bytes, init, purpose, scan, stamp},
    time::{Box, MASKED, bench, drained, left, numbers},
};

#[test]
fn without_a_wait_a_frame_leaves_at_once_in_its_own_memory() {
    for settings in ["", "lookahead=0 in-flight=1", "in-flight=8"] {
        let mut bench = bench(settings);
        for n in 0..3 {
            let frame = bench.scanned(n, &[(4, 4, 8, 8)]).copy_deep().unwrap();
            let memory = frame.peek_memory(0).as_ptr();
            let out = bench.run(frame);
            assert_eq!(out.peek_memory(0).as_ptr(), memory, "not a copy");
        }
        assert_eq!(bench.harness.query_latency(), Some(gst::ClockTime::ZERO));
        assert!(
            bench
                .bus
                .pop_filtered(&[gst::MessageType::Latency])
                .is_none()
        );
    }
}

#[test]
fn frames_wait_as_long_as_the_latency_says() {
    // 25 frames a second.
    for (lookahead, frames) in [
        (0u64, 0),
        (1, 0),
        (40, 1),
        (41, 1),
        (60, 2),
        (100, 3),
        (10_000, 250),
    ] {
        let mut bench = bench(&format!("lookahead={}", lookahead * 1_000_000));
        let latency = bench.harness.query_latency().unwrap();
        assert_eq!(latency.mseconds(), 40 * frames, "{lookahead} ms");
        let told = bench.bus.pop_filtered(&[gst::MessageType::Latency]);
        assert_eq!(told.is_some(), frames > 0);
        for n in 0..frames {
            let frame = bench.scanned(n, &[]);
            bench.harness.push(frame).unwrap();
        }
        assert!(left(&mut bench).is_empty(), "{lookahead} ms");
        let frame = bench.scanned(frames, &[]);
        bench.harness.push(frame).unwrap();
        assert_eq!(numbers(&left(&mut bench)), [0], "{lookahead} ms");
    }
}

#[test]
fn latency_is_added_to_what_comes_before_and_told_when_it_changes() {
    let mut bench = bench("lookahead=100000000");
    let upstream = gst::ClockTime::from_mseconds(70);
    bench.harness.set_upstream_latency(upstream);
    let latency = |bench: &Bench| {
        let mut query = gst::query::Latency::new();
        let pad = bench.element.static_pad("src").unwrap();
        assert!(pad.query(&mut query));
        query.result()
    };
    let ms = gst::ClockTime::from_mseconds;
    let (live, min, max) = latency(&bench);
    assert_eq!((live, min), (true, ms(190)));
    assert!(max.is_none_or(|max| max >= min));
    while bench
        .bus
        .pop_filtered(&[gst::MessageType::Latency])
        .is_some()
    {}
    let with_rate = |n, d| {
        VideoInfo::builder(VideoFormat::Gray8, 320, 120)
            .fps(gst::Fraction::new(n, d))
            .build()
            .unwrap()
    };
    for (rate, wait) in [
        ((10, 1), 100),
        ((30_000, 1001), 100),
        ((0, 1), 100),
        ((2, 1), 500),
    ] {
        bench.set_info(with_rate(rate.0, rate.1));
        let (_, min, _) = latency(&bench);
        assert_eq!((min - upstream).mseconds(), wait, "{rate:?}");
        assert!(min - upstream >= ms(100));
    }
    let told = std::iter::from_fn(|| bench.bus.pop_filtered(&[gst::MessageType::Latency]));
    assert!(told.count() >= 2);
}

/// What passes the source pad, in order: frames by number, events by type.
pub fn journal(bench: &Bench) -> Arc<Mutex<Vec<String>>> {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let journal = Arc::clone(&seen);
    let pad = bench.element.static_pad("src").unwrap();
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(kinds, move |_, info| {
        let entry = match &info.data {
            Some(gst::PadProbeData::Buffer(b)) => (b.pts().unwrap().mseconds() / 40).to_string(),
            Some(gst::PadProbeData::Event(e)) => match e.structure() {
                Some(s) if s.name() != "GstEventCaps" => s.name().to_string(),
                _ => format!("{:?}", e.type_()),
            },
            _ => return gst::PadProbeReturn::Ok,
        };
        journal.lock().unwrap().push(entry);
        gst::PadProbeReturn::Ok
    });
    seen
}

pub fn push(bench: &mut Bench, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let frame = bench.scanned(n, &[]);
        assert_eq!(bench.harness.push(frame), Ok(gst::FlowSuccess::Ok));
    }
}

#[test]
fn events_keep_their_place_and_those_that_end_something_let_everything_out() {
    let mut bench = bench("lookahead=80000000");
    let journal = journal(&bench);
    push(&mut bench, 0..2);
    let note = |name| gst::event::CustomDownstream::new(gst::Structure::new_empty(name));
    assert!(bench.harness.push_event(note("first")));
    push(&mut bench, 2..3);
    assert!(bench.harness.push_event(note("second")));
    push(&mut bench, 3..6);
    let caps = VideoInfo::builder(VideoFormat::Nv12, 64, 48)
        .fps(gst::Fraction::new(25, 1))
        .build()
        .unwrap();
    bench.set_info(caps);
    push(&mut bench, 6..8);
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    bench.harness.push_event(gst::event::Segment::new(&segment));
    push(&mut bench, 8..9);
    // Nothing comes for a second: nobody can appear on the frames that wait.
    let gap = gst::event::Gap::builder(gst::ClockTime::from_mseconds(360))
        .duration(gst::ClockTime::SECOND)
        .build();
    bench.harness.push_event(gap);
    push(&mut bench, 40..42);
    let mut query = gst::query::Drain::new();
    bench.element.static_pad("sink").unwrap().query(&mut query);
    push(&mut bench, 42..43);
    bench
        .harness
        .push_event(gst::event::StreamStart::new("next"));
    push(&mut bench, 43..45);
    bench.harness.push_event(gst::event::Eos::new());
    let expected = [
        "0",
        "1",
        "first",
        "2",
        "second",
        "3",
        "4",
        "5",
        "Caps",
        "Segment",
        "6",
        "7",
        "Segment",
        "8",
        "Gap",
        "40",
        "41",
        "42",
        "StreamStart",
        "43",
        "44",
        "Eos",
    ];
    let seen: Vec<String> = journal
        .lock()
        .unwrap()
        .iter()
        .map(|entry| match entry.as_str() {
            "GstEventGap" => "Gap".to_owned(),
            "GstEventSegment" => "Segment".to_owned(),
            "GstEventStreamStart" => "StreamStart".to_owned(),
            other => other.to_owned(),
        })
        .collect();
    assert_eq!(seen, expected);
    for frame in left(&mut bench) {
        let size = if frame.pts() < Some(gst::ClockTime::from_mseconds(240)) {
            320 * 120
        } else {
            64 * 48 * 3 / 2
        };
        assert_eq!((frame.size(), stamp(&frame).whole_frame), (size, false));
    }
}

#[test]
fn a_flush_takes_the_frames_that_wait_with_it() {
    let mut bench = bench("lookahead=80000000");
    let rect = (100, 30, 24, 60);
    for n in 0..2 {
        let frame = bench.scanned(n, &[rect]);
        bench.harness.push(frame).unwrap();
    }
    bench.harness.push_event(gst::event::FlushStart::new());
    bench.harness.push_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    bench.harness.push_event(gst::event::Segment::new(&segment));
    push(&mut bench, 50..54);
    let mut out = left(&mut bench);
    out.extend(drained(&mut bench));
    assert_eq!(numbers(&out), [50, 51, 52, 53]);
    assert!(
        out.iter().all(|f| stamp(f).regions == 0),
        "nobody is remembered"
    );
}

#[test]
fn it_starts_again_as_if_nobody_had_waited() {
    init();
    let element = gst::ElementFactory::make("wgpublur")
        .property_from_str("backend", "cpu")
        .property("lookahead", 80_000_000u64)
        .build()
        .unwrap();
    let frames = bench("");
    for _ in 0..2 {
        let mut h = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        h.set_src_caps(frames.info.to_caps().unwrap());
        for n in 0..4 {
            h.push(frames.scanned(n, &[(20, 20, 10, 10)])).unwrap();
        }
        let out: Vec<_> = std::iter::from_fn(|| h.try_pull()).collect();
        assert_eq!(numbers(&out), [0, 1]);
        // Two are waiting, and nobody lets them out.
        drop(h);
        element.set_state(gst::State::Null).unwrap();
        let mut h = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        h.set_src_caps(frames.info.to_caps().unwrap());
        h.push(frames.scanned(9, &[])).unwrap();
        h.push_event(gst::event::Eos::new());
        let out: Vec<_> = std::iter::from_fn(|| h.try_pull()).collect();
        assert_eq!(numbers(&out), [9]);
        assert_eq!(stamp(&out[0]).regions, 0);
        drop(h);
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn each_frame_is_masked_as_the_purpose_demands_under_which_it_came() {
    let mut bench = bench("lookahead=80000000");
    push(&mut bench, 0..2);
    let frame = purpose(Mask::Frame, DetectorUse::None);
    assert!(bench.harness.push_event(frame.to_event()));
    for n in 2..4 {
        let frame = bench.scanned(n, &[(4, 4, 8, 8)]);
        bench.harness.push(frame).unwrap();
    }
    let persons = purpose(Mask::Persons, DetectorUse::Mask);
    assert!(bench.harness.push_event(persons.to_event()));
    for n in 4..7 {
        let frame = bench.scanned(n, &[(4, 4, 8, 8)]);
        bench.harness.push(frame).unwrap();
    }
    let mut out = left(&mut bench);
    out.extend(drained(&mut bench));
    let reasons: Vec<String> = out.iter().map(|f| stamp(f).reason).collect();
    assert_eq!(reasons, ["", "", "purpose", "purpose", "", "", ""]);
    assert_eq!(stamp(&out[1]).regions, 1, "the person is found soon after");
    let carried: Vec<usize> = out.iter().map(|f| detections(f, 320, 120).len()).collect();
    assert_eq!(carried, [0; 7], "detections do not outlive the mask");
    // Flushed frames take no purpose with them, here or downstream.
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let flush = |bench: &mut Bench| {
        bench.harness.push_event(gst::event::FlushStart::new());
        bench.harness.push_event(gst::event::FlushStop::new(true));
        bench.harness.push_event(gst::event::Segment::new(&segment));
    };
    flush(&mut bench);
    push(&mut bench, 7..8);
    assert!(bench.harness.push_event(frame_demand()));
    flush(&mut bench);
    push(&mut bench, 8..9);
    let out = drained(&mut bench);
    assert_eq!(stamp(&out[0]).reason, "purpose");
    let pad = bench.harness.sinkpad().unwrap();
    let known = privacy_common::Purpose::on_pad(&pad).unwrap();
    assert_eq!(known.required_mask, Mask::Frame);
}

fn frame_demand() -> gst::Event {
    purpose(Mask::Frame, DetectorUse::None).to_event()
}

#[test]
fn frames_that_wait_when_their_purpose_ends_do_not_leave() {
    let mut bench = bench("lookahead=80000000");
    let seconds = || {
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
    };
    let mut ending = purpose(Mask::Persons, DetectorUse::Mask);
    // Seconds are whole, and the frames below must come before it ends.
    ending.expires = seconds() + 3;
    assert!(bench.harness.push_event(ending.to_event()));
    push(&mut bench, 0..2);
    while seconds() <= ending.expires {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // What comes now was let through by whoever watches the purpose: a black frame, say.
    push(&mut bench, 2..3);
    let out = drained(&mut bench);
    assert!(
        numbers(&out).ends_with(&[2]) && out.len() <= 1,
        "{:?}",
        numbers(&out)
    );
    let stats: gst::Structure = bench.element.property("stats");
    assert_eq!(stats.get::<u64>("dropped"), Ok(2));
    assert!(out[0].flags().contains(gst::BufferFlags::DISCONT));
    assert!(
        bench
            .notices()
            .iter()
            .any(|n| n.reason == Some(Reason::Expired))
    );
}

#[test]
fn timestamps_that_do_not_move_on_fill_no_memory() {
    for (settings, reason) in [("", "too-many-frames"), ("on-overload=drop", "")] {
        let mut bench = bench(&format!("lookahead=80000000 {settings}"));
        let mut out = Vec::new();
        for _ in 0..50 {
            let mut frame = bench.scanned(7, &[]);
            let b = frame.make_mut();
            scan(b, 0).write(b);
            bench.harness.push(frame).unwrap();
            out.extend(left(&mut bench));
        }
        if reason.is_empty() {
            assert!(out.is_empty());
        } else {
            assert!(out.len() > 30);
            assert!(out.iter().all(|f| stamp(f).reason == reason));
        }
    }
}

#[test]
fn a_small_pool_upstream_never_runs_dry() {
    for settings in ["", "lookahead=400000000"] {
        let mut bench = bench(settings);
        let pool = gst::BufferPool::new();
        let caps = bench.info.to_caps().unwrap();
        let mut config = pool.config();
        config.set_params(Some(&caps), bench.info.size() as u32, 0, 2);
        pool.set_config(config).unwrap();
        pool.set_active(true).unwrap();
        let mut params =
            gst::BufferPoolAcquireParams::with_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
        params.set_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
        let mut out = 0;
        for n in 0..40 {
            let mut frame = pool
                .acquire_buffer(Some(&params))
                .unwrap_or_else(|err| panic!("{settings}: frame {n}: {err}"));
            let b = frame.make_mut();
            b.set_pts(gst::ClockTime::from_mseconds(40 * n));
            scan(b, 0).write(b);
            bench.harness.push(frame).unwrap();
            out += left(&mut bench).len();
        }
        assert_eq!(out + drained(&mut bench).len(), 40);
        pool.set_active(false).unwrap();
    }
}

#[test]
fn whoever_makes_the_frames_is_asked_for_as_many_more() {
    for (settings, frames) in [("", 0), ("lookahead=400000000", 11)] {
        let bench = bench(settings);
        let caps = bench.info.to_caps().unwrap();
        let least = |bench: &Bench| {
            let mut query = gst::query::Allocation::new(Some(&caps), true);
            bench.element.static_pad("sink").unwrap().query(&mut query);
            query
                .allocation_pools()
                .map(|(_, size, min, max)| {
                    assert!(size as usize >= bench.info.size() && (max == 0 || max >= min));
                    min
                })
                .min()
        };
        let asked = least(&bench).unwrap_or(0);
        assert!(asked >= frames && (frames > 0 || asked == 0), "{asked}");
        // A pool downstream that holds too few is not passed on.
        let (size, pool) = (bench.info.size() as u32, gst::BufferPool::new());
        let pad = bench.element.static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
            let query = info.query_mut().map(gst::QueryRef::view_mut);
            let Some(gst::QueryViewMut::Allocation(query)) = query else {
                return gst::PadProbeReturn::Ok;
            };
            query.add_allocation_pool(Some(&pool), size, 2, 4);
            gst::PadProbeReturn::Handled
        });
        let mut query = gst::query::Allocation::new(Some(&caps), true);
        let sink = bench.element.static_pad("sink").unwrap();
        assert!(sink.query(&mut query));
        let pools: Vec<_> = query.allocation_pools().collect();
        assert_eq!(pools.len(), 1);
        let (pool, _, min, max) = &pools[0];
        if frames == 0 {
            assert_eq!((pool.is_some(), *min, *max), (true, 2, 4));
        } else {
            assert_eq!((pool.is_some(), *min, *max), (false, 13, 0));
        }
    }
}

#[test]
fn pipelines_run_to_their_end_whatever_waits() {
    init();
    for (source, settings) in [
        (
            "videotestsrc num-buffers=30 ! video/x-raw,format=NV12,width=64,height=48",
            "lookahead=300000000",
        ),
        (
            "videotestsrc num-buffers=30 is-live=true ! video/x-raw,width=64,height=48,framerate=60/1",
            "lookahead=100000000",
        ),
        (
            "videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48",
            "lookahead=10000000000",
        ),
        (
            "videotestsrc num-buffers=30 ! video/x-raw,width=64,height=48 ! tee ! queue",
            "lookahead=100000000 in-flight=4",
        ),
    ] {
        let line = format!(
            "{source} ! wgpublur backend=cpu {settings} ! fakesink name=sink sync=true signal-handoffs=true"
        );
        let pipeline = gst::parse::launch(&line)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        let count = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&count);
        pipeline
            .by_name("sink")
            .unwrap()
            .connect("handoff", false, move |args| {
                let buffer = args[1].get::<gst::Buffer>().ok()?;
                seen.lock()
                    .unwrap()
                    .push((buffer.pts(), stamp(&buffer).whole_frame));
                None
            });
        pipeline.set_state(gst::State::Playing).unwrap();
        let end = pipeline.bus().unwrap().timed_pop_filtered(
            gst::ClockTime::from_seconds(60),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(
            end.map(|m| m.type_()),
            Some(gst::MessageType::Eos),
            "{line}"
        );
        let seen = count.lock().unwrap();
        let frames = if source.contains("=3 ") { 3 } else { 30 };
        assert!(
            seen.is_sorted() && seen.len() == frames,
            "{line}: {}",
            seen.len()
        );
        assert!(seen.iter().all(|(_, whole)| *whole));
    }
}

#[test]
fn whatever_comes_while_frames_wait_nobody_reported_is_seen() {
    let mut seed = 11u64;
    let mut next = move |below: u32| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % u64::from(below)) as u32
    };
    let mut bench = bench("hold=100000000 lookahead=200000000 classes=person");
    let mut time = 0;
    let (mut pushed, mut flushed, mut came) = (0u64, 0usize, 0usize);
    // What each frame that waits reported, by its offset.
    let mut reported: HashMap<u64, Vec<Box>> = Default::default();
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let mut check = |bench: &mut Bench, reported: &mut HashMap<u64, Vec<Box>>| {
        let out = left(bench);
        for frame in &out {
            let boxes = reported.remove(&frame.offset()).expect("each leaves once");
            let stamp = stamp(frame);
            assert_eq!(stamp.pts, frame.pts());
            let pixels = bytes(frame);
            let stride = bench.info.stride()[0] as usize;
            if frame.size() != bench.info.size() {
                continue;
            }
            for (x, y, w, h) in boxes {
                for (x, y) in (y..y + h).flat_map(|y| (x..x + w).map(move |x| (x, y))) {
                    assert_eq!(pixels[y as usize * stride + x as usize], MASKED);
                }
            }
        }
        came += out.len();
        out.len()
    };
    for _ in 0..3000 {
        match next(40) {
            0 => {
                // Flushed frames are gone.
                bench.harness.push_event(gst::event::FlushStart::new());
                bench.harness.push_event(gst::event::FlushStop::new(true));
                bench.harness.push_event(gst::event::Segment::new(&segment));
                flushed += reported.len();
                reported.clear();
            }
            1 => {
                bench.harness.push_event(gst::event::Segment::new(&segment));
                check(&mut bench, &mut reported);
                assert!(reported.is_empty(), "a segment lets everything out");
            }
            2 => time = u64::from(next(100)) * 40,
            3 => {
                let gap = gst::event::Gap::builder(gst::ClockTime::from_mseconds(time)).build();
                bench.harness.push_event(gap);
            }
            4 => {
                let mask = [Mask::None, Mask::Persons, Mask::Frame][next(3) as usize];
                let event = purpose(mask, DetectorUse::Search).to_event();
                bench.harness.push_event(event);
            }
            5 => {
                let rate = [25, 30, 5][next(3) as usize];
                let info = VideoInfo::builder(VideoFormat::Gray8, 320, 120)
                    .fps(gst::Fraction::new(rate, 1))
                    .build()
                    .unwrap();
                bench.set_info(info);
                check(&mut bench, &mut reported);
                assert!(reported.is_empty(), "new caps let everything out");
            }
            _ => {
                time += [40u64, 40, 40, 0, 41, 39, 400][next(7) as usize];
                let boxes: Vec<Box> = (0..next(3))
                    .map(|_| (next(300), next(100), 1 + next(20), 1 + next(20)))
                    .collect();
                let mut frame = bench.scanned(0, &boxes);
                let b = frame.make_mut();
                let pts = (next(50) > 0).then(|| gst::ClockTime::from_mseconds(time));
                b.set_pts(pts);
                b.set_offset(pushed);
                let mut scan = scan(b, boxes.len() as u32);
                scan.overflow = next(30) == 0;
                if next(30) > 0 {
                    scan.write(b);
                } else {
                    privacy_common::ScanStamp::remove(b);
                }
                reported.insert(pushed, boxes);
                pushed += 1;
                assert_eq!(bench.harness.push(frame), Ok(gst::FlowSuccess::Ok));
            }
        }
        check(&mut bench, &mut reported);
        assert!(reported.len() < 60, "{} wait", reported.len());
    }
    bench.harness.push_event(gst::event::Eos::new());
    check(&mut bench, &mut reported);
    assert!(reported.is_empty());
    assert_eq!(came + flushed, pushed as usize);
    assert!(came > 1500 && flushed > 50, "{came} {flushed}");
}
