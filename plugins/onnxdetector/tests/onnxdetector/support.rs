// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share.

use std::{
    path::{Path, PathBuf},
    sync::Once,
};

use gst::prelude::*;
use gst_check::Harness;
use privacy_common::{Detection, ScanStamp, detections};

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstonnxdetector::plugin_register_static().unwrap();
    });
}

/// A file beside the project, or `None` after saying that the test is skipped; in continuous
/// integration a missing file is a failure.
pub fn file(test: &str, path: &str, remedy: &str) -> Option<PathBuf> {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    if let Ok(whole) = whole.canonicalize() {
        return Some(whole);
    }
    eprintln!("SKIPPED {test}: {path} is missing{remedy}");
    let ci = std::env::var("CI").is_ok_and(|v| v == "true");
    assert!(
        !ci || remedy.is_empty(),
        "{test}: {path} is missing{remedy}"
    );
    None
}

/// An asset of the examples.
pub fn asset(test: &str, name: &str) -> Option<PathBuf> {
    file(
        test,
        &format!("examples/assets/{name}"),
        ", run ./examples/fetch-assets",
    )
}

/// An element with ONNX Runtime of the examples and this model.
pub fn detector(test: &str, model: &Path) -> Option<gst::Element> {
    init();
    let runtime = asset(test, "libonnxruntime.so")?;
    let element = gst::ElementFactory::make("onnxdetector")
        .property("runtime-library", runtime.to_str().unwrap())
        .property("model-file", model.to_str().unwrap())
        .build()
        .unwrap();
    Some(element)
}

/// Starts `element` alone and gives its error, or `None` when it started.
pub fn start_error(element: &gst::Element) -> Option<glib::Error> {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let started = element.set_state(gst::State::Paused);
    let message = bus.pop_filtered(&[gst::MessageType::Error]);
    element.set_state(gst::State::Null).unwrap();
    element.set_bus(None);
    let error = message.map(|m| match m.view() {
        gst::MessageView::Error(e) => e.error(),
        _ => unreachable!("filtered"),
    });
    assert_eq!(
        started.is_err(),
        error.is_some(),
        "an error comes with a message"
    );
    error
}

/// A harness with `element` playing and these caps.
pub fn harness(element: &gst::Element, caps: &gst::Caps) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(caps.clone());
    harness
}

pub fn caps(format: &str, width: u32, height: u32) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width as i32)
        .field("height", height as i32)
        .field("framerate", gst::Fraction::new(25, 1))
        .build()
}

/// What the element wrote on a frame.
pub struct Seen {
    pub boxes: Vec<Detection>,
    pub stamp: Option<ScanStamp>,
}

/// Pushes a frame and reads it back.
pub fn look(harness: &mut Harness, frame: gst::Buffer, width: u32, height: u32) -> Seen {
    let out = harness.push_and_pull(frame).unwrap();
    Seen {
        boxes: detections(&out, width, height),
        stamp: ScanStamp::read(&out),
    }
}

/// Intersection over union of two boxes of left, top, width, height.
pub fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let overlap = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let both = overlap(0) * overlap(1);
    both / (a[2] * a[3] + b[2] * b[3] - both)
}

pub fn edges(d: &Detection) -> [f64; 4] {
    [d.x, d.y, d.width, d.height].map(f64::from)
}
