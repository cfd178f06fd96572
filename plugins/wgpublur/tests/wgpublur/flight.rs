// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames in flight on a GPU.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

use crate::{
    support::{Bench, bytes, init, stamp},
    time::{bench, drained, left, numbers, seen, walk, walker},
    waiting::{journal, push},
};

/// An element on any GPU, or a line that says why not.
pub fn on_gpu(test: &str, settings: &str) -> Option<Bench> {
    init();
    let probe = gst::ElementFactory::make("wgpublur")
        .property_from_str("backend", "gpu")
        .build()
        .unwrap();
    let has_adapter = probe.set_state(gst::State::Paused).is_ok();
    probe.set_state(gst::State::Null).unwrap();
    if !has_adapter {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no adapter");
        eprintln!("SKIPPED {test}: a Vulkan adapter is missing, install mesa-vulkan-drivers");
        return None;
    }
    Some(bench(&format!("backend=gpu {settings}")))
}

#[test]
fn gpu_frames_in_flight_leave_in_order_and_as_the_cpu_masks_them() {
    let name = "gpu_frames_in_flight_leave_in_order_and_as_the_cpu_masks_them";
    let path = walker(12);
    for (settings, waiting) in [("in-flight=4", 3), ("in-flight=2 lookahead=80000000", 3)] {
        let Some(mut gpu) = on_gpu(name, settings) else {
            return;
        };
        let latency = gpu.harness.query_latency().unwrap();
        assert_eq!(latency.mseconds(), 40 * waiting);
        let mut cpu = bench(settings.split("in-flight=4").next().unwrap_or_default());
        let journal = journal(&gpu);
        let mut out = Vec::new();
        for (n, &rect) in path.iter().enumerate() {
            let frame = gpu.scanned(n as u64, &[rect]);
            gpu.harness.push(frame).unwrap();
            out.extend(left(&mut gpu));
            assert_eq!(out.len(), (n + 1).saturating_sub(waiting as usize));
            if n == 5 {
                let note = gst::Structure::new_empty("note");
                gpu.harness
                    .push_event(gst::event::CustomDownstream::new(note));
            }
        }
        out.extend(drained(&mut gpu));
        let place = journal.lock().unwrap();
        assert_eq!(place[5..8], ["5", "note", "6"]);
        let expected = walk(&mut cpu, &path, |_| false);
        for (n, (gpu, cpu)) in out.iter().zip(&expected).enumerate() {
            assert!(bytes(gpu) == bytes(cpu), "{settings}: frame {n}");
            assert_eq!(stamp(gpu), stamp(cpu));
        }
        assert_eq!(out.len(), path.len());
    }
}

#[test]
fn gpu_frames_in_flight_are_forgotten_by_a_flush_and_a_restart() {
    let name = "gpu_frames_in_flight_are_forgotten_by_a_flush_and_a_restart";
    let Some(mut gpu) = on_gpu(name, "in-flight=3") else {
        return;
    };
    let rect = (100, 30, 24, 60);
    for n in 0..2 {
        let frame = gpu.scanned(n, &[rect]);
        gpu.harness.push(frame).unwrap();
    }
    assert!(left(&mut gpu).is_empty());
    gpu.harness.push_event(gst::event::FlushStart::new());
    gpu.harness.push_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    gpu.harness.push_event(gst::event::Segment::new(&segment));
    for n in 10..16 {
        let frame = gpu.scanned(n, &[rect]);
        gpu.harness.push(frame).unwrap();
    }
    let caps = VideoInfo::builder(VideoFormat::Nv12, 64, 48)
        .build()
        .unwrap();
    gpu.set_info(caps);
    push(&mut gpu, 16..18);
    let out = left(&mut gpu);
    assert_eq!(numbers(&out), [10, 11, 12, 13, 14, 15]);
    assert!(out.iter().all(|f| {
        let info = VideoInfo::builder(VideoFormat::Gray8, 320, 120)
            .build()
            .unwrap();
        seen(f, &info, rect) == 0.0
    }));
    let element = gpu.element.clone();
    drop(gpu);
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(element.property::<String>("active-backend"), "");
}
