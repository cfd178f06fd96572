// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element, with pushed frames that carry detections and stamps.

mod refusals;
mod stream;
mod windows;

use std::sync::Once;

use gst::prelude::*;
use gst_check::Harness;
use gstcountaggregator::WindowClosed;
use privacy_common::{
    AuditAnswer, AuditRequest, Detection, DetectorUse, Mask, MaskMethod, PathNote, Proof, Purpose,
    ScanStamp, SinkClass, StatisticsLimits, attach,
};

const SITE: &str = r#"
[[camera]]
name = "cam-12"
[[camera.line]]
name = "gare"
from = [0.5, 0.0]
to = [0.5, 1.0]
[[camera.zone]]
name = "parvis"
polygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]

[[camera]]
name = "cam-13"
[[camera.line]]
name = "quai"
from = [0.5, 0.0]
to = [0.5, 1.0]
"#;

const WIDTH: i32 = 768;
const HEIGHT: i32 = 576;
/// Frames come four times a second: sparse enough for a test of 20 minutes, dense enough to be whole.
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(250);

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstcountaggregator::plugin_register_static().unwrap();
    });
}

fn site(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn element(file: &tempfile::NamedTempFile) -> gst::Element {
    init();
    gst::ElementFactory::make("countaggregator")
        .property("config", file.path().to_str().unwrap())
        .property("start-time", "2026-11-21T10:00:00Z")
        .build()
        .unwrap()
}

fn purpose(min_window: u64) -> Purpose {
    Purpose {
        session: "00000000-0000-4000-8000-000000000001".into(),
        purpose: "stats.traffic_counts".into(),
        mandate_digest: "00".into(),
        rules_version: "2026-11".into(),
        camera: "cam-12".into(),
        operator: "a-0417".into(),
        sink_class: SinkClass::InternalSecured,
        required_mask: Mask::Frame,
        mask_classes: vec![],
        mask_method: MaskMethod::Any,
        one_clear: false,
        detector_use: DetectorUse::Statistics,
        classes: vec!["person".into(), "bicycle".into(), "car".into()],
        statistics: Some(StatisticsLimits {
            min_window: gst::ClockTime::from_seconds(min_window),
            max_window: gst::ClockTime::from_seconds(86_400),
            min_count: 3,
            publish_delay: gst::ClockTime::from_seconds(30),
        }),
        expires: 4_000_000_000,
    }
}

fn caps() -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", WIDTH)
        .field("height", HEIGHT)
        .field("framerate", gst::Fraction::new(4, 1))
        .build()
}

/// A harness whose input is the pad `sink_0`, with the events that come first.
fn harness(element: &gst::Element, purpose: Option<Purpose>) -> Harness {
    let mut h = Harness::with_element(element, Some("sink_%u"), Some("src"));
    h.set_src_caps(caps());
    if let Some(purpose) = purpose {
        assert!(h.push_event(purpose.to_event()));
    }
    h.play();
    h
}

fn stamp(at: gst::ClockTime) -> ScanStamp {
    ScanStamp {
        detector: "test".into(),
        classes: vec!["person".into(), "car".into()],
        threshold: 0.3,
        pts: Some(at),
        ..ScanStamp::default()
    }
}

fn person(x: u32) -> Detection {
    Detection {
        class: "person".into(),
        x,
        y: 200,
        width: 60,
        height: 150,
        // A number that is no track: some detectors count the boxes of each frame.
        track: Some(1),
        score: None,
    }
}

fn frame(at: gst::ClockTime, people: &[Detection], stamped: bool) -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    let b = buffer.get_mut().unwrap();
    b.set_pts(at);
    b.set_duration(FRAME);
    for person in people {
        attach(b, person);
    }
    if stamped {
        stamp(at).write(b);
    }
    buffer
}

/// Pushes the frames from `from` to `to` seconds. At each of `walks` (in seconds) somebody sets out from
/// the left of the frame to its right, 40 px per frame: `backward` over a line drawn downwards.
fn push(h: &mut Harness, from: u64, to: u64, walks: &[u64]) {
    let mut at = gst::ClockTime::from_seconds(from);
    while at < gst::ClockTime::from_seconds(to) {
        let people: Vec<_> = walks
            .iter()
            .filter_map(|&start| {
                let since = at.checked_sub(gst::ClockTime::from_seconds(start))?;
                let x = 40 * (since.nseconds() / FRAME.nseconds());
                (x < 700).then(|| person(x as u32))
            })
            .collect();
        h.push(frame(at, &people, true)).unwrap();
        at += FRAME;
    }
}

fn pull(h: &mut Harness) -> Vec<(gst::Buffer, String)> {
    std::iter::from_fn(|| h.try_pull())
        .map(|b| {
            let text = String::from_utf8(b.map_readable().unwrap().to_vec()).unwrap();
            (b, text)
        })
        .collect()
}

fn messages(bus: &gst::Bus) -> Vec<WindowClosed> {
    bus.iter()
        .filter_map(|m| match m.view() {
            gst::MessageView::Element(e) => WindowClosed::try_from(e.structure()?).ok(),
            _ => None,
        })
        .collect()
}

fn with_bus(element: &gst::Element) -> gst::Bus {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    bus
}

fn error(bus: &gst::Bus) -> Option<String> {
    bus.iter().find_map(|m| match m.view() {
        gst::MessageView::Error(e) => Some(e.error().to_string()),
        _ => None,
    })
}

/// Pushes one frame and returns the error that the element posted.
fn refusal(element: &gst::Element, purpose: Option<Purpose>) -> String {
    let bus = with_bus(element);
    let mut h = Harness::with_element(element, Some("sink_%u"), Some("src"));
    h.set_src_caps(caps());
    if let Some(purpose) = purpose {
        h.push_event(purpose.to_event());
    }
    let pushed = h.push(frame(gst::ClockTime::ZERO, &[], true));
    assert_eq!(pushed, Err(gst::FlowError::Error));
    let text = error(&bus).expect("an error is posted");
    assert!(text.contains(" / "), "in both languages: {text}");
    assert_eq!(
        h.push(frame(FRAME, &[], true)),
        Err(gst::FlowError::Error),
        "and stays refused"
    );
    assert!(error(&bus).is_none(), "said once");
    text
}
