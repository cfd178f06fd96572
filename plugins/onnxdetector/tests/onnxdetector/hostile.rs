// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames and files that are wrong or made to harm.

use std::{path::Path, process::Command};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoFrameFlags, VideoMeta};
use privacy_common::{Detection, ScanStamp, attach, detections};

use crate::{
    onnx::{self, CELLS, SIDE, row},
    support::{asset, caps, detector, harness, init, look, start_error},
};

fn nobody() -> Vec<f32> {
    row(8.0, 8.0, 0.0, &[0.0, 0.0]).repeat(CELLS)
}

/// An element with a tiny model that reports `values`.
fn tiny(test: &str, values: &[f32]) -> Option<(gst::Element, tempfile::TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let path = onnx::yolox(values).file(&folder, "tiny.onnx");
    Some((detector(test, &path)?, folder))
}

/// An old stamp and an old box on a frame.
fn with_traces(mut buffer: gst::Buffer) -> gst::Buffer {
    let b = buffer.make_mut();
    let old = Detection {
        class: "person".into(),
        x: 1,
        y: 1,
        width: 3,
        height: 3,
        ..Default::default()
    };
    attach(b, &old);
    let classes = vec!["person".into(), "car".into()];
    ScanStamp {
        classes,
        pts: b.pts(),
        ..Default::default()
    }
    .write(b);
    buffer
}

#[test]
fn a_frame_that_its_buffer_does_not_hold_gets_no_stamp_and_nothing_breaks() {
    let test = "a_frame_that_its_buffer_does_not_hold_gets_no_stamp_and_nothing_breaks";
    let Some((element, _folder)) = tiny(test, &nobody()) else {
        return;
    };
    let mut h = harness(&element, &caps("BGRx", SIDE, SIDE));
    let whole = (SIDE * SIDE * 4) as usize;
    for size in [whole - 4, whole / 2, 1] {
        let mut frame = gst::Buffer::with_size(whole).unwrap();
        {
            let b = frame.make_mut();
            VideoMeta::add(b, VideoFrameFlags::empty(), VideoFormat::Bgrx, SIDE, SIDE).unwrap();
            b.set_size(size);
        }
        let seen = look(&mut h, with_traces(frame), SIDE, SIDE);
        assert!(seen.stamp.is_none(), "{size} bytes");
    }
    // Two memories, one plane: what lies in the second one is not behind the first.
    let mut frame = gst::Buffer::new();
    {
        let b = frame.make_mut();
        for _ in 0..2 {
            b.append_memory(gst::Memory::from_slice(vec![9u8; whole / 2]));
        }
        VideoMeta::add(b, VideoFrameFlags::empty(), VideoFormat::Bgrx, SIDE, SIDE).unwrap();
    }
    assert!(look(&mut h, frame, SIDE, SIDE).stamp.is_some());
}

#[test]
fn a_frame_that_is_not_what_its_caps_say_gets_no_stamp() {
    let test = "a_frame_that_is_not_what_its_caps_say_gets_no_stamp";
    let Some((element, _folder)) = tiny(test, &nobody()) else {
        return;
    };
    let mut h = harness(&element, &caps("BGRx", SIDE, SIDE));
    let side = 2 * SIDE;
    for (format, width, height, pictures) in [
        (VideoFormat::Bgrx, side, side, 1),
        (VideoFormat::Rgbx, SIDE, SIDE, 1),
        (VideoFormat::Nv12, SIDE, SIDE, 1),
        (VideoFormat::Bgrx, SIDE, SIDE, 2),
    ] {
        let mut frame = gst::Buffer::with_size((side * side * 4) as usize).unwrap();
        for _ in 0..pictures {
            let b = frame.make_mut();
            VideoMeta::add(b, VideoFrameFlags::empty(), format, width, height).unwrap();
        }
        let seen = look(&mut h, with_traces(frame), SIDE, SIDE);
        assert!(
            seen.stamp.is_none(),
            "{format:?} {width}x{height}, {pictures}"
        );
    }
}

#[test]
fn fields_and_views_apart_are_refused_by_their_caps() {
    let test = "fields_and_views_apart_are_refused_by_their_caps";
    let Some((element, _folder)) = tiny(test, &nobody()) else {
        return;
    };
    for field in ["interlace-mode=fields", "multiview-mode=separated,views=2"] {
        let text = format!("video/x-raw,format=RGB,width=32,height=32,framerate=25/1,{field}");
        let mut h = harness(&element, &text.parse().unwrap());
        let frame = gst::Buffer::with_size(2 * 32 * 32 * 3).unwrap();
        assert_eq!(h.push(frame), Err(gst::FlowError::NotNegotiated), "{field}");
        drop(h);
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn someone_without_a_box_makes_the_frame_unsure() {
    let test = "someone_without_a_box_makes_the_frame_unsure";
    for column in [2, 3] {
        let mut values = nobody();
        values[5 * 7..6 * 7].copy_from_slice(&row(8.0, 16.0, 0.9, &[0.9, 0.1]));
        values[5 * 7 + column] = f32::NEG_INFINITY;
        let Some((element, _folder)) = tiny(test, &values) else {
            return;
        };
        let mut h = harness(&element, &caps("RGB", SIDE, SIDE));
        let frame = gst::Buffer::with_size((SIDE * SIDE * 3) as usize).unwrap();
        let seen = look(&mut h, frame, SIDE, SIDE);
        assert!(seen.boxes.is_empty() && seen.stamp.unwrap().overflow);
    }
}

#[test]
fn what_an_earlier_detector_found_stays_masked() {
    let test = "what_an_earlier_detector_found_stays_masked";
    let Some((element, _folder)) = tiny(test, &nobody()) else {
        return;
    };
    let mut h = harness(&element, &caps("RGB", SIDE, SIDE));
    let frame = || with_traces(gst::Buffer::with_size((SIDE * SIDE * 3) as usize).unwrap());
    let seen = look(&mut h, frame(), SIDE, SIDE);
    assert_eq!((seen.boxes.len(), seen.stamp.unwrap().found), (1, 0));
    drop(h);
    element.set_state(gst::State::Null).unwrap();
    // To count, an object that two detectors found is one object.
    element.set_property_from_str("use", "statistics");
    let mut h = harness(&element, &caps("RGB", SIDE, SIDE));
    let out = h.push_and_pull(frame()).unwrap();
    assert!(detections(&out, SIDE, SIDE).is_empty());
}

#[test]
fn a_pipe_or_a_folder_as_a_file_does_not_hang_the_start() {
    let test = "a_pipe_or_a_folder_as_a_file_does_not_hang_the_start";
    let Some((element, folder)) = tiny(test, &nobody()) else {
        return;
    };
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
        for property in ["label-file", "model-file"] {
            let before = element.property::<Option<String>>(property);
            element.set_property(property, path.to_str().unwrap());
            let error = start_error(&element).expect("no regular file");
            assert!(error.message().contains("not a regular file"), "{error}");
            assert!(error.message().contains(property), "{error}");
            element.set_property(property, before);
        }
    }
    assert_eq!(start_error(&element), None);
}

#[test]
fn weights_outside_the_model_file_are_refused() {
    let test = "weights_outside_the_model_file_are_refused";
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("weights.bin");
    let raw: Vec<u8> = nobody().iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(&weights, raw).unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    // By name and by path: the SHA-256 on every frame would not change when these bytes do.
    let up = format!("../../../../../..{}", weights.display());
    for location in ["weights.bin", weights.to_str().unwrap(), &up] {
        let path = onnx::external(location).file(&folder, "model.onnx");
        let Some(element) = detector(test, &path) else {
            return;
        };
        let error = start_error(&element).expect("its weights are not in the file");
        assert!(
            error.message().contains("cannot be loaded by ONNX Runtime"),
            "{error}"
        );
    }
}

#[test]
fn numbers_that_are_none_are_refused_by_the_properties() {
    init();
    let element = gst::ElementFactory::make("onnxdetector").build().unwrap();
    for name in ["score-threshold", "iou-threshold"] {
        let before = element.property::<f32>(name);
        for strange in [f32::NAN, f32::INFINITY, -1.0, 1.5] {
            let set = std::panic::AssertUnwindSafe(|| element.set_property(name, strange));
            assert!(std::panic::catch_unwind(set).is_err(), "{name}={strange}");
            assert_eq!(element.property::<f32>(name), before);
        }
    }
}

#[test]
fn twenty_restarts_leave_no_thread_behind() {
    let test = "twenty_restarts_leave_no_thread_behind";
    let Some((element, _folder)) = tiny(test, &nobody()) else {
        return;
    };
    element.set_property("threads", 3u32);
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let mut after_first = None;
    for _ in 0..20 {
        let mut h = harness(&element, &caps("RGB", SIDE, SIDE));
        let frame = gst::Buffer::with_size((SIDE * SIDE * 3) as usize).unwrap();
        assert!(look(&mut h, frame, SIDE, SIDE).stamp.is_some());
        drop(h);
        element.set_state(gst::State::Null).unwrap();
        after_first.get_or_insert_with(threads);
    }
    assert_eq!(Some(threads()), after_first);
}

#[test]
fn elements_start_at_the_same_time() {
    let test = "elements_start_at_the_same_time";
    init();
    let folder = tempfile::tempdir().unwrap();
    let model = onnx::yolox(&nobody()).file(&folder, "tiny.onnx");
    if asset(test, "libonnxruntime.so").is_none() {
        return;
    }
    let no_library = folder.path().join("other.so");
    std::fs::write(&no_library, "no library").unwrap();
    let results: Vec<bool> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|i| {
                let (model, no_library) = (&model, &no_library);
                scope.spawn(move || {
                    let element = detector(test, model).unwrap();
                    if i % 4 == 0 {
                        element.set_property("runtime-library", no_library.to_str().unwrap());
                    }
                    start_error(&element).is_none()
                })
            })
            .collect();
        starts.into_iter().map(|s| s.join().unwrap()).collect()
    });
    assert_eq!(results, [false, true, true, true, false, true, true, true]);
}

/// Set in the child process that loads what it says.
const CHILD: &str = "ONNXDETECTOR_TEST_MODEL";

#[test]
fn damaged_models_are_errors_and_crash_nothing() {
    let test = "damaged_models_are_errors_and_crash_nothing";
    if let Some(path) = std::env::var_os(CHILD) {
        let element = detector(test, Path::new(&path)).unwrap();
        // It may start when a weight was hit; then it must also run.
        if start_error(&element).is_none() {
            let mut h = harness(&element, &caps("RGB", 64, 64));
            let frame = gst::Buffer::with_size(64 * 64 * 3).unwrap();
            let _ = h.push(frame);
        }
        return;
    }
    let Some(model) = asset(test, "nanodet.onnx") else {
        return;
    };
    if asset(test, "libonnxruntime.so").is_none() {
        return;
    }
    let good = std::fs::read(model).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.onnx");
    let mut seed = 11u64;
    let mut next = move |below: usize| {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for round in 0..24 {
        let mut bytes = good.clone();
        match round % 3 {
            0 => bytes.truncate(next(good.len())),
            // The graph's structure lies at the end, its weights before it.
            1 => (0..8).for_each(|_| {
                let at = good.len() - 1 - next(20_000);
                bytes[at] ^= 1 << next(8);
            }),
            _ => (0..64).for_each(|_| bytes[next(good.len())] = next(256) as u8),
        }
        std::fs::write(&path, &bytes).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("hostile::{test}"), "--nocapture"])
            .env(CHILD, &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(
            child.status.success(),
            "round {round}: {} {said}",
            child.status
        );
    }
}
