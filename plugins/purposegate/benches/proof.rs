// SPDX-License-Identifier: MIT OR Apache-2.0
//! How fast an exit gate hashes what it lets out, on one core: `cargo bench -p gst-plugin-purposegate --bench proof --
//! [SECONDS]`.
//!
//! Frames of 1080p and 4K in NV12 go through `Session::judge`, which hashes every byte, and beside it through BLAKE3
//! alone. Eight frames in turn are more than most caches hold, so that a frame is read from memory as it is in a
//! pipeline. The goal is 4 GB/s.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use gstpurposegate::{
    opening::Asked,
    session::{Fate, Session},
    sessions,
};
use jiff::Timestamp;
use privacy_common::{DetectorUse, Mask, MaskMethod, Purpose, SinkClass};

fn main() {
    gst::init().expect("GStreamer starts");
    let seconds = std::env::args().skip(1).find_map(|a| a.parse().ok());
    let span = Duration::from_secs(seconds.unwrap_or(3));
    println!("GB/s on one core; goal 4");
    for (name, bytes) in [("1080p", 1920 * 1080 * 3 / 2), ("4K", 3840 * 2160 * 3 / 2)] {
        let frames: Vec<gst::Buffer> = (0..8u8)
            .map(|n| gst::Buffer::from_mut_slice(vec![n; bytes]))
            .collect();
        let (session, _announced) = exit();
        let judged = rate(span, &frames, |frame| {
            let fate = session.judge(frame, || None, Timestamp::now());
            assert!(matches!(fate, Ok(Fate::Out)));
        });
        let alone = rate(span, &frames, |frame| {
            let map = frame.map_readable().expect("a frame can be read");
            black_box(blake3::hash(&map));
        });
        println!("{name:6} judge {judged:6.2}   BLAKE3 alone {alone:6.2}");
    }
}

fn rate(span: Duration, frames: &[gst::Buffer], mut one: impl FnMut(&gst::BufferRef)) -> f64 {
    frames.iter().for_each(|frame| one(frame));
    let (start, mut bytes) = (Instant::now(), 0);
    while start.elapsed() < span {
        for frame in frames {
            one(frame);
            bytes += frame.size();
        }
    }
    bytes as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn exit() -> (Session, sessions::Announced) {
    let purpose = Purpose {
        session: "bench".into(),
        purpose: "vp.live_view.public_road".into(),
        mandate_digest: String::new(),
        rules_version: String::new(),
        camera: "cam-12".into(),
        operator: "a-0417".into(),
        sink_class: SinkClass::CsuDisplay,
        required_mask: Mask::None,
        mask_classes: vec![],
        mask_method: MaskMethod::Any,
        one_clear: false,
        detector_use: DetectorUse::None,
        classes: vec![],
        statistics: None,
        expires: i64::MAX,
    };
    let session = Session::new("exit".into(), Asked::default(), None, Timestamp::now());
    let pad = gst::Pad::new(gst::PadDirection::Src);
    let announced = sessions::announce(&purpose, &pad);
    session.declare(Some((purpose, announced.shared().clone())));
    (session, announced)
}
