// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element as GStreamer sees it: properties, states, stamps, purpose, audit, failures.

use std::path::PathBuf;

use gst::prelude::*;
use gst_check::Harness;
use gstonnxdetector::onnxdetector::Message;
use privacy_common::{
    Detection, DetectorUse, Mask, MaskMethod, PathNote, Purpose, ScanStamp, SinkClass,
    StatisticsLimits, attach, detections,
};

use crate::{
    onnx::{self, CELLS, SIDE, row},
    support::{asset, caps, detector, harness, init, look, start_error},
};

/// Nobody anywhere.
fn nobody() -> Vec<f32> {
    row(8.0, 8.0, 0.0, &[0.0, 0.0]).repeat(CELLS)
}

/// One person of 16 pixels around (12, 12), one car of 32 pixels around (16, 16).
fn person_and_car() -> Vec<f32> {
    let mut values = nobody();
    values[5 * 7..6 * 7].copy_from_slice(&row(8.0, 16.0, 0.9, &[0.9, 0.1]));
    values[20 * 7..21 * 7].copy_from_slice(&row(32.0, 32.0, 0.8, &[0.0, 0.9]));
    values
}

struct Tiny {
    _folder: tempfile::TempDir,
    element: gst::Element,
}

fn tiny(test: &str, model: onnx::Model) -> Option<Tiny> {
    let folder = tempfile::tempdir().unwrap();
    let path = model.file(&folder, "tiny.onnx");
    Some(Tiny {
        element: detector(test, &path)?,
        _folder: folder,
    })
}

impl Tiny {
    fn harness(&self) -> Harness {
        harness(&self.element, &caps("RGB", SIDE, SIDE))
    }
}

fn frame(level: u8, pts: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(vec![level; (SIDE * SIDE * 3) as usize]);
    buffer
        .make_mut()
        .set_pts(gst::ClockTime::from_mseconds(pts));
    buffer
}

fn purpose(detector_use: DetectorUse, classes: &[&str], mask_classes: &[&str]) -> Purpose {
    let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Purpose {
        session: "s".into(),
        purpose: "comm.public_live".into(),
        mandate_digest: "00".into(),
        rules_version: "2026-11".into(),
        camera: "cam-12".into(),
        operator: "a-0417".into(),
        sink_class: SinkClass::Public,
        required_mask: Mask::Persons,
        mask_classes: strings(mask_classes),
        mask_method: MaskMethod::Any,
        one_clear: false,
        detector_use,
        classes: strings(classes),
        statistics: (detector_use == DetectorUse::Statistics).then_some(StatisticsLimits {
            min_window: gst::ClockTime::from_seconds(900),
            max_window: gst::ClockTime::from_seconds(86_400),
            min_count: 5,
            publish_delay: gst::ClockTime::from_seconds(300),
        }),
        expires: i64::MAX,
    }
}

fn errors(bus: &gst::Bus) -> Vec<String> {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Error]))
        .map(|m| match m.view() {
            gst::MessageView::Error(e) => e.error().to_string(),
            _ => unreachable!("filtered"),
        })
        .collect()
}

fn messages(bus: &gst::Bus) -> Vec<Message> {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element]))
        .filter_map(|m| Message::try_from(m.structure()?).ok())
        .collect()
}

#[test]
fn defaults_of_the_specs_are_those_of_a_fresh_object() {
    init();
    let element = gst::ElementFactory::make("onnxdetector").build().unwrap();
    let mut own = 0;
    for spec in element.list_properties() {
        if spec.owner_type().name() != "GstOnnxDetector" || spec.name() == "stats" {
            continue;
        }
        own += 1;
        assert!(!spec.blurb().unwrap_or("").is_empty(), "{}", spec.name());
        let value = element.property_value(spec.name());
        let default = spec.default_value();
        let same = match default.get::<Option<String>>() {
            Ok(text) => {
                text.unwrap_or_default()
                    == value.get::<Option<String>>().unwrap().unwrap_or_default()
            }
            Err(_) => format!("{value:?}") == format!("{default:?}"),
        };
        assert!(same, "{}: {value:?} and {default:?}", spec.name());
    }
    assert_eq!(own, 14);
    assert_eq!(element.factory().unwrap().rank(), gst::Rank::NONE);
}

#[test]
fn no_property_or_variable_turns_refusals_off() {
    init();
    let element = gst::ElementFactory::make("onnxdetector").build().unwrap();
    let mut names: Vec<_> = element
        .list_properties()
        .iter()
        .filter(|s| {
            s.owner_type().name() == "GstOnnxDetector"
                && s.flags().contains(glib::ParamFlags::WRITABLE)
        })
        .map(|s| s.name().to_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "classes",
            "decoder",
            "execution-provider",
            "iou-threshold",
            "label-file",
            "max-detections",
            "model-file",
            "runtime-library",
            "score-threshold",
            "threads",
            "use"
        ]
    );
}

#[test]
fn boxes_and_stamp_are_written_and_an_empty_frame_is_stamped_too() {
    let test = "boxes_and_stamp_are_written_and_an_empty_frame_is_stamped_too";
    let Some(found) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    let mut h = found.harness();
    let seen = look(&mut h, frame(10, 40), SIDE, SIDE);
    let rects: Vec<_> = seen
        .boxes
        .iter()
        .map(|d| (d.class.as_str(), d.x, d.y, d.width, d.height))
        .collect();
    assert_eq!(rects, [("person", 4, 4, 16, 16), ("car", 0, 0, 32, 32)]);
    assert!((seen.boxes[0].score.unwrap() - 0.81).abs() < 1e-6);
    let stamp = seen.stamp.unwrap();
    assert_eq!(
        stamp,
        ScanStamp {
            detector: "onnxdetector".into(),
            model: found.element.property("model-sha256"),
            classes: vec!["person".into(), "car".into()],
            threshold: f64::from(0.3f32),
            found: 2,
            overflow: false,
            pts: Some(gst::ClockTime::from_mseconds(40)),
            predicted: false,
            width: 32,
            height: 32,
            par: (1, 1),
        }
    );
    assert_eq!(stamp.model.len(), 64);

    let Some(empty) = tiny(test, onnx::yolox(&nobody())) else {
        return;
    };
    let mut h = empty.harness();
    let seen = look(&mut h, frame(10, 80), SIDE, SIDE);
    assert!(seen.boxes.is_empty());
    let stamp = seen.stamp.unwrap();
    assert_eq!((stamp.found, stamp.overflow), (0, false));
    assert_eq!(stamp.pts, Some(gst::ClockTime::from_mseconds(80)));
}

#[test]
fn thresholds_change_while_playing_and_everything_else_is_refused() {
    let test = "thresholds_change_while_playing_and_everything_else_is_refused";
    let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    let mut h = t.harness();
    t.element.set_property("score-threshold", 0.75f32);
    let seen = look(&mut h, frame(10, 0), SIDE, SIDE);
    assert_eq!(seen.boxes.len(), 1);
    assert_eq!(seen.stamp.unwrap().threshold, 0.75);
    t.element.set_property("classes", "car");
    assert_eq!(t.element.property::<Option<String>>("classes"), None);
    t.element.set_property("model-file", "/nonexistent");
    assert_ne!(t.element.property::<String>("model-file"), "/nonexistent");
}

#[test]
fn an_earlier_stamp_is_replaced_and_earlier_boxes_stay() {
    let test = "an_earlier_stamp_is_replaced_and_earlier_boxes_stay";
    let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    let mut h = t.harness();
    let mut buffer = frame(10, 40);
    {
        let buffer = buffer.get_mut().unwrap();
        for class in ["person", "face"] {
            attach(
                buffer,
                &Detection {
                    class: class.into(),
                    x: 1,
                    y: 1,
                    width: 3,
                    height: 3,
                    ..Default::default()
                },
            );
        }
        ScanStamp {
            detector: "other".into(),
            overflow: true,
            predicted: true,
            ..Default::default()
        }
        .write(buffer);
    }
    let seen = look(&mut h, buffer, SIDE, SIDE);
    let classes: Vec<_> = seen.boxes.iter().map(|d| d.class.as_str()).collect();
    assert_eq!(classes, ["person", "face", "person", "car"]);
    let stamp = seen.stamp.unwrap();
    assert_eq!(
        (stamp.detector.as_str(), stamp.found, stamp.predicted),
        ("onnxdetector", 2, false)
    );
    assert!(
        stamp.overflow,
        "what the other one could not report stays unreported"
    );
}

#[test]
fn more_objects_than_reported_is_an_overflow() {
    let test = "more_objects_than_reported_is_an_overflow";
    let crowd = row(8.0, 4.0, 0.9, &[0.9, 0.0]).repeat(16);
    let values = [crowd, row(8.0, 8.0, 0.0, &[0.0, 0.0]).repeat(5)].concat();
    let Some(t) = tiny(test, onnx::yolox(&values)) else {
        return;
    };
    let mut h = t.harness();
    for (limit, overflow) in [(16u32, false), (15, true), (1, true)] {
        t.element.set_property("max-detections", limit);
        let seen = look(&mut h, frame(10, 0), SIDE, SIDE);
        assert_eq!(seen.boxes.len(), limit as usize);
        assert_eq!(seen.stamp.unwrap().overflow, overflow, "{limit}");
    }
}

#[test]
fn broken_numbers_of_a_model_make_the_frame_unsure_and_never_panic() {
    let test = "broken_numbers_of_a_model_make_the_frame_unsure_and_never_panic";
    for (column, value) in [
        (0, f32::NAN),
        (1, f32::INFINITY),
        (2, f32::INFINITY),
        (3, f32::NAN),
        (2, 1e30),
        (4, f32::NAN),
        (5, f32::NAN),
        (5, f32::INFINITY),
    ] {
        let mut values = person_and_car();
        values[5 * 7 + column] = value;
        let Some(t) = tiny(test, onnx::yolox(&values)) else {
            return;
        };
        let seen = look(&mut t.harness(), frame(10, 0), SIDE, SIDE);
        let stamp = seen.stamp.expect("looked at");
        assert!(stamp.overflow, "column {column}, {value}");
        assert_eq!(seen.boxes.len(), 1, "the other object is still reported");
    }
    // An empty box hides nothing and is left out.
    let mut values = person_and_car();
    values[5 * 7 + 2] = f32::NEG_INFINITY;
    let Some(t) = tiny(test, onnx::yolox(&values)) else {
        return;
    };
    let seen = look(&mut t.harness(), frame(10, 0), SIDE, SIDE);
    assert_eq!(seen.boxes.len(), 1);
}

#[test]
fn a_failed_inference_leaves_no_stamp_and_ten_in_a_row_end_the_stream() {
    let test = "a_failed_inference_leaves_no_stamp_and_ten_in_a_row_end_the_stream";
    let Some(t) = tiny(test, onnx::moody(&person_and_car())) else {
        return;
    };
    let bus = gst::Bus::new();
    let mut h = t.harness();
    t.element.set_bus(Some(&bus));
    assert!(look(&mut h, frame(10, 0), SIDE, SIDE).stamp.is_some());
    for pts in [40, 80] {
        // A stamp of someone else would say that this frame was looked at here.
        let mut bright = frame(250, pts);
        ScanStamp::default().write(bright.get_mut().unwrap());
        let seen = look(&mut h, bright, SIDE, SIDE);
        assert!(seen.stamp.is_none() && seen.boxes.is_empty());
    }
    let told = messages(&bus);
    assert_eq!(told.len(), 2);
    match &told[1] {
        Message::InferenceFailed(f) => {
            assert_eq!(f.timestamp, Some(gst::ClockTime::from_mseconds(80)));
            assert_eq!(f.consecutive, 2);
        }
        other => panic!("{other:?}"),
    }
    // One good frame, and the count begins anew.
    assert!(look(&mut h, frame(10, 120), SIDE, SIDE).stamp.is_some());
    for _ in 0..9 {
        assert!(look(&mut h, frame(250, 0), SIDE, SIDE).stamp.is_none());
    }
    assert_eq!(errors(&bus), Vec::<String>::new());
    assert_eq!(h.push(frame(250, 0)), Err(gst::FlowError::Error));
    assert_eq!(errors(&bus).len(), 1);
    let stats = t.element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("frames"), Ok(2));
    assert_eq!(stats.get::<u64>("failures"), Ok(12));
    assert_eq!(stats.get::<u64>("detections"), Ok(4));
    assert!(stats.get::<u64>("inference-time").unwrap() > 0);
    t.element.set_bus(None);
}

#[test]
fn it_starts_twice_and_forgets_in_between() {
    let test = "it_starts_twice_and_forgets_in_between";
    let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    for _ in 0..2 {
        assert_eq!(t.element.property::<String>("model-sha256"), "");
        let bus = gst::Bus::new();
        t.element.set_bus(Some(&bus));
        let mut h = t.harness();
        match messages(&bus).as_slice() {
            [Message::Ready(ready)] => {
                assert_eq!(
                    ready.model_sha256,
                    t.element.property::<String>("model-sha256")
                );
                assert_eq!(ready.classes, ["person", "car"]);
                assert_eq!(
                    (ready.decoder.as_str(), ready.used_for.as_str()),
                    ("yolox", "mask")
                );
                assert_eq!(ready.active_provider, "cpu");
                assert!(ready.runtime_version.starts_with("1."));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(look(&mut h, frame(10, 0), SIDE, SIDE).boxes.len(), 2);
        let stats = t.element.property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("frames"), Ok(1));
        drop(h);
        t.element.set_state(gst::State::Null).unwrap();
        t.element.set_bus(None);
    }
}

#[test]
fn the_purpose_limits_classes_but_never_those_to_mask() {
    let test = "the_purpose_limits_classes_but_never_those_to_mask";
    let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    let mut h = t.harness();
    for (classes, masked, expected) in [
        (&["car"][..], &[][..], &["car"][..]),
        (&["car"], &["person"], &["person", "car"]),
        (&[], &["person"], &["person"]),
        (&[], &[], &[]),
        (&["boat"], &[], &[]),
    ] {
        let event = purpose(DetectorUse::Mask, classes, masked).to_event();
        assert!(h.push_event(event));
        let seen = look(&mut h, frame(10, 0), SIDE, SIDE);
        let found: Vec<_> = seen.boxes.iter().map(|d| d.class.as_str()).collect();
        assert_eq!(found, expected);
        assert_eq!(seen.stamp.unwrap().classes, expected);
    }
}

#[test]
fn a_purpose_that_allows_no_class_allows_none_whatever_the_use() {
    let test = "a_purpose_that_allows_no_class_allows_none_whatever_the_use";
    for (used_for, allowed) in [
        ("statistics", DetectorUse::Statistics),
        ("mask", DetectorUse::Search),
        ("mask", DetectorUse::Mask),
    ] {
        let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
            return;
        };
        t.element.set_property_from_str("use", used_for);
        let mut h = t.harness();
        for (classes, masked, expected) in [
            (&[][..], &[][..], &[][..]),
            (&[], &["car"], &["car"]),
            (&["person"], &[], &["person"]),
        ] {
            assert!(h.push_event(purpose(allowed, classes, masked).to_event()));
            let seen = look(&mut h, frame(10, 0), SIDE, SIDE);
            let found: Vec<_> = seen.boxes.iter().map(|d| d.class.as_str()).collect();
            assert_eq!(found, expected, "{used_for}");
            let stamp = seen.stamp.expect("looked at, for nothing");
            assert_eq!(stamp.classes, expected, "{used_for}");
        }
    }
}

#[test]
fn the_stamp_says_what_shape_of_frame_was_analysed() {
    let test = "the_stamp_says_what_shape_of_frame_was_analysed";
    let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    let mut h = t.harness();
    let stamp = look(&mut h, frame(10, 0), SIDE, SIDE).stamp.unwrap();
    assert_eq!((stamp.width, stamp.height, stamp.par), (SIDE, SIDE, (1, 1)));
    // The same bytes as other pixels: half as high, and twice as high each.
    let half = SIDE / 2;
    h.set_src_caps_str(&format!(
        "video/x-raw,format=RGB,width={SIDE},height={half},framerate=25/1,pixel-aspect-ratio=1/2"
    ));
    let stamp = look(&mut h, frame(10, 40), SIDE, half).stamp.unwrap();
    assert_eq!((stamp.width, stamp.height, stamp.par), (SIDE, half, (1, 2)));
}

#[test]
fn a_purpose_that_cannot_be_read_is_none() {
    let test = "a_purpose_that_cannot_be_read_is_none";
    let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    let mut h = t.harness();
    h.push_event(purpose(DetectorUse::Mask, &["car"], &[]).to_event());
    assert_eq!(look(&mut h, frame(10, 0), SIDE, SIDE).boxes.len(), 1);
    let mut newer = gst::Structure::from(&purpose(DetectorUse::None, &[], &[]));
    newer.set("version", 2u32);
    h.push_event(gst::event::CustomDownstreamSticky::new(newer));
    let seen = look(&mut h, frame(10, 40), SIDE, SIDE);
    assert_eq!(seen.stamp.unwrap().classes, ["person", "car"]);
}

#[test]
fn f1_a_use_beyond_the_purpose_is_refused_in_both_languages() {
    let test = "f1_a_use_beyond_the_purpose_is_refused_in_both_languages";
    for (used_for, allowed, refused) in [
        ("mask", DetectorUse::None, true),
        ("mask", DetectorUse::Mask, false),
        ("mask", DetectorUse::Search, false),
        ("statistics", DetectorUse::None, true),
        ("statistics", DetectorUse::Mask, true),
        ("statistics", DetectorUse::Statistics, false),
    ] {
        let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
            return;
        };
        t.element.set_property_from_str("use", used_for);
        let bus = gst::Bus::new();
        let mut h = t.harness();
        t.element.set_bus(Some(&bus));
        h.push_event(purpose(allowed, &[], &[]).to_event());
        let out = h.push(frame(10, 0));
        let errors = errors(&bus);
        t.element.set_bus(None);
        if refused {
            assert!(out.is_err(), "no frame leaves");
            assert_eq!(h.buffers_in_queue(), 0);
            assert!(errors[0].contains("DETECTOR_USE"), "{errors:?}");
            assert!(errors[0].contains("the purpose comm.public_live"));
            assert!(errors[0].contains("la finalité comm.public_live"));
        } else {
            assert!(out.is_ok() && errors.is_empty(), "{used_for} {allowed}");
        }
    }
}

#[test]
fn a_revoked_use_stops_a_running_detector() {
    let test = "a_revoked_use_stops_a_running_detector";
    let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    let mut h = t.harness();
    h.push_event(purpose(DetectorUse::Mask, &[], &[]).to_event());
    look(&mut h, frame(10, 0), SIDE, SIDE);
    h.push_event(purpose(DetectorUse::None, &[], &[]).to_event());
    assert!(h.push(frame(10, 40)).is_err());
}

#[test]
fn g3_an_audit_query_carries_element_and_model() {
    let test = "g3_an_audit_query_carries_element_and_model";
    let Some(t) = tiny(test, onnx::yolox(&nobody())) else {
        return;
    };
    let h = t.harness();
    let request = privacy_common::AuditRequest {
        session: "s".into(),
        purpose: "p".into(),
        operation: "publish".into(),
        entry: "{}".into(),
    };
    let mut query = request.to_query();
    // Nobody answers behind the harness, and the note is on the query all the same.
    assert!(!t.element.static_pad("sink").unwrap().query(&mut query));
    let note = PathNote::read(&query);
    assert_eq!(
        note.elements,
        [concat!("onnxdetector ", env!("CARGO_PKG_VERSION"))]
    );
    assert_eq!(note.models, [t.element.property::<String>("model-sha256")]);
    drop(h);
}

#[test]
fn a_whole_pipeline_runs_to_its_end() {
    let test = "a_whole_pipeline_runs_to_its_end";
    let Some(t) = tiny(test, onnx::yolox(&person_and_car())) else {
        return;
    };
    let runtime: PathBuf = asset(test, "libonnxruntime.so").unwrap();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers=5 ! video/x-raw,format=NV12,width=330,height=246 ! onnxdetector model-file={} \
         runtime-library={} classes=person ! videoconvert ! video/x-raw,format=RGBA ! fakesink name=out signal-handoffs=true",
        t.element.property::<String>("model-file"),
        runtime.display()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    pipeline
        .by_name("out")
        .unwrap()
        .connect("handoff", false, move |values| {
            let buffer = values[1].get::<gst::Buffer>().unwrap();
            send.send((detections(&buffer, 330, 246), ScanStamp::read(&buffer)))
                .unwrap();
            None
        });
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(60),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    let frames: Vec<_> = receive.try_iter().collect();
    assert_eq!(frames.len(), 5);
    for (boxes, stamp) in frames {
        assert_eq!(boxes.len(), 1);
        assert_eq!(boxes[0].class, "person");
        assert_eq!(stamp.unwrap().classes, ["person"]);
    }
}

#[test]
fn an_element_without_a_model_says_so() {
    init();
    let element = gst::ElementFactory::make("onnxdetector").build().unwrap();
    let error = start_error(&element).expect("no model");
    assert!(error.message().contains("model-file is not set"), "{error}");
    assert!(error.message().contains("./examples/fetch-assets"));
}
