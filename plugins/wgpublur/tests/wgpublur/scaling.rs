// SPDX-License-Identifier: MIT OR Apache-2.0
//! `videoscale` between detector and mask.

use gst::prelude::*;
use gst_video::VideoInfo;

use crate::support::{bytes, init, scan, stamp};

/// What `videoscale` with these settings makes of a frame on which a detector found somebody.
fn scaled(scale: &str, source: &str) -> Vec<(gst::Buffer, VideoInfo)> {
    init();
    let line = format!(
        "videotestsrc pattern=white num-buffers=5 ! video/x-raw,format=GRAY8,framerate=25/1,{source} ! \
         identity name=detector ! {scale} ! wgpublur backend=cpu mode=solid fill-color=0xff000000 padding=0 ! \
         appsink name=sink sync=false"
    );
    let pipeline = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let pad = pipeline
        .by_name("detector")
        .unwrap()
        .static_pad("src")
        .unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let video = VideoInfo::from_caps(&pad.current_caps().unwrap()).unwrap();
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            let b = buffer.make_mut();
            gst_video::VideoRegionOfInterestMeta::add(b, "person", (100, 0, 40, 40));
            let mut stamp = scan(b, 1);
            (stamp.width, stamp.height) = (video.width(), video.height());
            stamp.par = (video.par().numer(), video.par().denom());
            stamp.write(b);
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let sink = pipeline.by_name("sink").unwrap();
    let mut out = Vec::new();
    while let Some(sample) = sink.emit_by_name::<Option<gst::Sample>>("pull-sample", &[]) {
        let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        out.push((sample.buffer_owned().unwrap(), info));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(out.len(), 5, "{line}");
    out
}

#[test]
fn borders_added_behind_the_detector_leave_nothing_clear() {
    for (scale, source) in [
        (
            "videoscale add-borders=true ! video/x-raw,width=320,height=320,pixel-aspect-ratio=1/1",
            "width=320,height=180,pixel-aspect-ratio=1/1",
        ),
        (
            "videoscale add-borders=true ! video/x-raw,width=640,height=480,pixel-aspect-ratio=1/1",
            "width=320,height=180,pixel-aspect-ratio=1/1",
        ),
        (
            "videoscale add-borders=true ! video/x-raw,width=320,height=180,pixel-aspect-ratio=2/1",
            "width=320,height=180,pixel-aspect-ratio=1/1",
        ),
    ] {
        for (frame, _) in scaled(scale, source) {
            assert_eq!(stamp(&frame).reason, "reshaped", "{scale}");
            let black = bytes(&frame)[0];
            assert!(bytes(&frame).iter().all(|p| *p == black), "{scale}");
        }
    }
}

#[test]
fn plain_scaling_takes_regions_along() {
    for size in [(640, 360), (160, 90), (480, 270), (320, 180)] {
        let scale = format!(
            "videoscale ! video/x-raw,width={},height={}",
            size.0, size.1
        );
        for (frame, info) in scaled(&scale, "width=320,height=180") {
            let stamp = stamp(&frame);
            assert_eq!((stamp.regions, stamp.whole_frame), (1, false), "{scale}");
            let pixels = bytes(&frame);
            let at = |x: u32, y: u32| pixels[(y * info.stride()[0] as u32 + x) as usize];
            let (x, y) = (120 * size.0 / 320, 20 * size.1 / 180);
            assert!(at(x, y) < 20 && at(0, 0) > 200, "{scale}");
        }
    }
}
