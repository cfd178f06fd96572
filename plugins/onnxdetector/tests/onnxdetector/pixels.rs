// SPDX-License-Identifier: MIT OR Apache-2.0
//! Formats, odd sizes and padded rows lead to the same boxes, with a real model on a real frame.

use std::path::PathBuf;

use gst::prelude::*;
use gst_video::{VideoFormat, VideoFrameExt, VideoFrameRef, VideoInfo};
use privacy_common::Detection;

use crate::{
    clip::frames,
    support::{asset, detector, edges, harness, iou, look},
};

struct Scene {
    clip: PathBuf,
    element: gst::Element,
}

fn scene(test: &str) -> Option<Scene> {
    let clip = asset(test, "vtest.avi")?;
    let model = asset(test, "nanodet.onnx")?;
    Some(Scene {
        clip,
        element: detector(test, &model)?,
    })
}

fn run(element: &gst::Element, frame: &gst::Buffer, caps: &gst::Caps) -> Vec<Detection> {
    let info = VideoInfo::from_caps(caps).unwrap();
    let mut h = harness(element, caps);
    let seen = look(&mut h, frame.copy(), info.width(), info.height());
    assert!(seen.stamp.is_some(), "{caps}");
    drop(h);
    element.set_state(gst::State::Null).unwrap();
    seen.boxes
}

/// Every sure detection of `a` is in `b`, at the same place and with a score that differs by less than `score`.
fn agree(what: &str, a: &[Detection], b: &[Detection], score: f32) {
    for d in a.iter().filter(|d| d.score.unwrap() > 0.4) {
        let same = b.iter().any(|o| {
            o.class == d.class
                && iou(edges(o), edges(d)) > 0.8
                && (o.score.unwrap() - d.score.unwrap()).abs() < score
        });
        assert!(same, "{what}: {d:?} is not among {b:?}");
    }
}

#[test]
fn every_format_gives_nearly_the_same_boxes() {
    let Some(s) = scene("every_format_gives_nearly_the_same_boxes") else {
        return;
    };
    let mut first: Option<Vec<Detection>> = None;
    for format in [
        "I420", "NV12", "RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA",
    ] {
        let convert = format!("videoconvert ! video/x-raw,format={format} !");
        let (frames, caps) = frames(&s.clip, &[100], &convert);
        let boxes = run(&s.element, &frames[0], &caps);
        assert!(
            boxes.iter().filter(|d| d.class == "person").count() >= 6,
            "{format}"
        );
        match &first {
            None => first = Some(boxes),
            Some(first) => {
                agree(format, first, &boxes, 0.05);
                agree(format, &boxes, first, 0.05);
            }
        }
    }
}

#[test]
fn colorimetry_of_the_caps_is_obeyed() {
    let Some(s) = scene("colorimetry_of_the_caps_is_obeyed") else {
        return;
    };
    let (plain, caps) = frames(&s.clip, &[100], "");
    let expected = run(&s.element, &plain[0], &caps);
    for colorimetry in ["bt709", "1:4:0:0", "bt2020"] {
        let convert = format!("videoconvert ! video/x-raw,format=NV12,colorimetry={colorimetry} !");
        let (frames, caps) = frames(&s.clip, &[100], &convert);
        agree(
            colorimetry,
            &expected,
            &run(&s.element, &frames[0], &caps),
            0.05,
        );
    }
}

/// A copy of the left upper `width` x `height` pixels with `padding` more bytes at the end of each row.
fn cut(
    frame: &gst::Buffer,
    info: &VideoInfo,
    width: u32,
    height: u32,
    padding: usize,
) -> (gst::Buffer, gst::Caps) {
    let source = VideoFrameRef::from_buffer_ref_readable(frame, info).unwrap();
    let target = VideoInfo::builder(info.format(), width, height)
        .fps(info.fps())
        .colorimetry(&info.colorimetry())
        .build()
        .unwrap();
    let (mut data, mut offsets, mut strides) = (Vec::new(), Vec::new(), Vec::new());
    for plane in 0..info.n_planes() {
        // Bytes of a row: the plane's first component with its step, of NV12 both chroma components.
        let component = (0..3u8).find(|&c| info.comp_plane(c) == plane).unwrap();
        let row = (target.comp_width(component) as i32 * target.comp_pstride(component)) as usize;
        let rows = target.comp_height(component) as usize;
        offsets.push(data.len());
        strides.push((row + padding) as i32);
        let from = source.plane_data(plane).unwrap();
        let stride = source.plane_stride()[plane as usize] as usize;
        for y in 0..rows {
            data.extend_from_slice(&from[y * stride..][..row]);
            data.extend(std::iter::repeat_n(0xa5, padding));
        }
    }
    let mut buffer = gst::Buffer::from_mut_slice(data);
    gst_video::VideoMeta::add_full(
        buffer.make_mut(),
        gst_video::VideoFrameFlags::empty(),
        info.format(),
        width,
        height,
        &offsets,
        &strides,
    )
    .unwrap();
    (buffer, target.to_caps().unwrap())
}

#[test]
fn padded_rows_and_odd_sizes_change_nothing() {
    let Some(s) = scene("padded_rows_and_odd_sizes_change_nothing") else {
        return;
    };
    for format in ["I420", "NV12", "RGB", "BGRx"] {
        let convert = format!("videoconvert ! video/x-raw,format={format} !");
        let (frames, caps) = frames(&s.clip, &[100], &convert);
        let info = VideoInfo::from_caps(&caps).unwrap();
        assert_ne!(info.format(), VideoFormat::Unknown);
        let whole = run(&s.element, &frames[0], &caps);
        for (width, height) in [(768, 576), (767, 575), (511, 333)] {
            let (tight, caps) = cut(&frames[0], &info, width, height, 0);
            let (padded, _) = cut(&frames[0], &info, width, height, 37);
            let boxes = run(&s.element, &tight, &caps);
            assert_eq!(
                boxes,
                run(&s.element, &padded, &caps),
                "{format} {width}x{height}: padding is not looked at"
            );
            if width > 700 {
                // One pixel less moves every sample a little.
                agree(format, &whole, &boxes, 0.15);
            }
            for d in &boxes {
                assert!(d.x + d.width <= width && d.y + d.height <= height, "{d:?}");
            }
        }
    }
}

#[test]
fn the_caps_may_change_while_playing() {
    let Some(s) = scene("the_caps_may_change_while_playing") else {
        return;
    };
    let (frames, caps) = frames(&s.clip, &[100], "");
    let info = VideoInfo::from_caps(&caps).unwrap();
    let (small, small_caps) = cut(&frames[0], &info, 511, 333, 0);
    let mut h = harness(&s.element, &caps);
    let first = look(&mut h, frames[0].copy(), 768, 576).boxes;
    h.set_src_caps(small_caps);
    let seen = look(&mut h, small, 511, 333);
    assert!(seen.stamp.is_some() && seen.boxes.len() < first.len());
    h.set_src_caps(caps);
    assert_eq!(look(&mut h, frames[0].copy(), 768, 576).boxes, first);
}

#[test]
fn streams_side_by_side_find_what_each_finds_alone() {
    let test = "streams_side_by_side_find_what_each_finds_alone";
    let Some(s) = scene(test) else { return };
    let (frames, caps) = frames(&s.clip, &[100, 400], "");
    let alone = [&frames[0], &frames[1]].map(|f| run(&s.element, f, &caps));
    assert_ne!(alone[0], alone[1]);
    std::thread::scope(|scope| {
        for stream in 0..4 {
            let (frames, caps, alone) = (&frames, &caps, &alone);
            scope.spawn(move || {
                let s = scene(test).unwrap();
                for turn in 0..2 {
                    let frame = (stream + turn) % 2;
                    assert_eq!(run(&s.element, &frames[frame], caps), alone[frame]);
                }
            });
        }
    });
}
