// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate alone: closed by default, and at the exit. Gates that open on a signed mandate are tested with
//! the other elements, in the workspace's `tests`.
#![forbid(unsafe_code)]

use std::sync::{Mutex, Once, mpsc};

use gst::prelude::*;
use gst_check::Harness;
use gstpurposegate::{Message, PurposeGate, Stage, sessions};
use privacy_common::{
    AuditAnswer, AuditRequest, DetectorUse, Mask, MaskMethod, MaskStamp, PathNote, Proof, Purpose,
    ScanStamp, SinkClass,
};

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstpurposegate::plugin_register_static().unwrap();
    });
}

const CAPS: &str = "video/x-raw,format=NV12,width=8,height=8,framerate=10/1";

fn purpose(required_mask: Mask) -> Purpose {
    Purpose {
        session: "5e55".into(),
        purpose: "comm.public_publication".into(),
        mandate_digest: "00".into(),
        rules_version: "test".into(),
        camera: "cam-12".into(),
        operator: "a-0417".into(),
        sink_class: SinkClass::File,
        required_mask,
        mask_classes: vec!["person".into(), "car".into()],
        mask_method: MaskMethod::Any,
        one_clear: false,
        detector_use: DetectorUse::Mask,
        classes: vec![],
        statistics: None,
        expires: i64::MAX,
    }
}

/// Declares a purpose as an entry gate in front of the harness does: announced first, then sent.
fn declare(h: &mut Harness, purpose: &Purpose) {
    let sink = h.element().unwrap().static_pad("sink").unwrap();
    // For good: these entry gates run until the process ends.
    std::mem::forget(sessions::announce(purpose, &sink.peer().unwrap()));
    h.push_event(purpose.to_event());
}

/// A frame of grey 77, stamped as asked.
fn frame(n: u64, scan: bool, mask: bool) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(vec![77u8; 96]);
    {
        let buffer = buffer.get_mut().unwrap();
        let pts = gst::ClockTime::from_mseconds(100 * n);
        buffer.set_pts(pts);
        if scan {
            ScanStamp {
                classes: vec!["person".into(), "car".into()],
                pts: Some(pts),
                ..Default::default()
            }
            .write(buffer);
        }
        if mask {
            MaskStamp {
                classes: vec![MaskStamp::EVERY_CLASS.into()],
                method: "pixelate".into(),
                pts: Some(pts),
                ..Default::default()
            }
            .write(buffer);
        }
    }
    buffer
}

/// Text of the first error on a bus.
fn error(bus: &gst::Bus) -> Option<String> {
    std::iter::from_fn(|| bus.pop()).find_map(|message| match message.view() {
        gst::MessageView::Error(e) => Some(e.error().to_string()),
        _ => None,
    })
}

fn exit_gate(deny_action: &str) -> Harness {
    init();
    let gate = gst::ElementFactory::make("purposegate")
        .property("stage", Stage::Exit)
        .property_from_str("deny-action", deny_action)
        .build()
        .unwrap();
    let mut harness = Harness::with_element(&gate, Some("sink"), Some("src"));
    harness.set_src_caps_str(CAPS);
    harness
}

#[test]
fn defaults_of_the_properties_are_those_of_a_fresh_element() {
    init();
    let gate = gst::ElementFactory::make("purposegate").build().unwrap();
    for spec in gate.list_properties() {
        if spec.owner_type() == gate.type_() && spec.flags().contains(glib::ParamFlags::WRITABLE) {
            let (value, default) = (gate.property_value(spec.name()), spec.default_value());
            assert_eq!(
                value.transform::<String>().unwrap().get::<Option<String>>(),
                default
                    .transform::<String>()
                    .unwrap()
                    .get::<Option<String>>(),
                "{}",
                spec.name()
            );
        }
    }
}

#[test]
fn b10_a_gate_without_any_property_does_not_start_twice_in_a_row() {
    init();
    let pipeline =
        gst::parse::launch("videotestsrc num-buffers=3 ! purposegate name=g ! fakesink name=s")
            .unwrap();
    let bus = pipeline.bus().unwrap();
    for _ in 0..2 {
        assert!(pipeline.set_state(gst::State::Paused).is_err());
        let (mut refused, mut error) = (None, None);
        while let Some(message) = bus.timed_pop(gst::ClockTime::ZERO) {
            match message.view() {
                gst::MessageView::Element(e) => {
                    refused = e.structure().and_then(|s| Message::try_from(s).ok());
                }
                gst::MessageView::Error(e) => error = Some(e.error().to_string()),
                _ => {}
            }
        }
        assert!(
            matches!(refused, Some(Message::Refused { ref code, .. }) if code == "UNKNOWN_PURPOSE"),
            "{refused:?}"
        );
        let error = error.unwrap();
        assert!(
            error.contains("UNKNOWN_PURPOSE") && error.contains("Finalité"),
            "{error}"
        );
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn c8_a_refusal_reaches_the_register_before_anything_starts() {
    init();
    let pipeline = gst::parse::launch(
        "videotestsrc ! purposegate name=g purpose=refused.facial_recognition ! queue ! fakesink name=s",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let (sender, entries) = mpsc::channel();
    let sender = Mutex::new(sender);
    let pad = pipeline.by_name("s").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
        let Some(query) = info.query_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        let Some(Ok(request)) = AuditRequest::from_query(query) else {
            return gst::PadProbeReturn::Ok;
        };
        AuditAnswer::Durable(7).write(query);
        sender.lock().unwrap().send(request).unwrap();
        gst::PadProbeReturn::Handled
    });
    assert!(pipeline.set_state(gst::State::Playing).is_err());
    pipeline.set_state(gst::State::Null).unwrap();
    let entry = entries.try_recv().unwrap();
    assert_eq!(entry.operation, "refuse");
    assert!(entry.entry.contains("BIOMETRICS"), "{}", entry.entry);
    assert!(entries.try_recv().is_err(), "one refusal, one entry");
}

#[test]
fn every_refused_purpose_is_refused_by_its_own_text() {
    init();
    let rules = privacy_policy::Rules::builtin();
    let mut seen = 0;
    for (id, _) in rules
        .purposes()
        .filter(|(_, p)| p.status != privacy_policy::Status::Allowed)
    {
        let gate = gst::ElementFactory::make("purposegate")
            .property("purpose", id)
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        gate.set_bus(Some(&bus));
        assert!(gate.set_state(gst::State::Paused).is_err(), "{id}");
        let error = error(&bus).unwrap_or_else(|| panic!("{id}: no error message"));
        assert!(error.contains(" / "), "{id}: {error} is not bilingual");
        gate.set_state(gst::State::Null).unwrap();
        seen += 1;
    }
    assert!(seen >= 23, "only {seen} refused purposes");
}

#[test]
fn the_exit_is_closed_without_a_purpose() {
    let mut h = exit_gate("drop");
    for n in 0..3 {
        h.push(frame(n, true, true)).unwrap();
    }
    assert_eq!(h.buffers_received(), 0);
}

#[test]
fn b3_the_exit_lets_out_only_stamped_frames_and_counts_the_rest() {
    let mut h = exit_gate("error");
    declare(&mut h, &purpose(Mask::PersonsVehicles));
    h.push(frame(0, true, true)).unwrap();
    h.push(frame(1, false, true)).unwrap();
    h.push(frame(2, true, false)).unwrap();
    h.push(frame(3, false, false)).unwrap();
    h.push(frame(4, true, true)).unwrap();
    assert_eq!(h.buffers_received(), 2);
    let sink = h
        .element()
        .unwrap()
        .static_pad("src")
        .unwrap()
        .peer()
        .unwrap();
    let proof = Proof::ask(&sink, "5e55").unwrap();
    assert_eq!(
        (proof.frames_in, proof.frames_out, proof.mask_failures),
        (5, 2, 3)
    );
    assert_eq!(proof.session, "5e55");
    assert_eq!(proof.stage, "exit");
    assert_eq!(proof.first_pts, Some(gst::ClockTime::ZERO));
    assert_eq!(proof.last_pts, Some(gst::ClockTime::from_mseconds(400)));
    assert_eq!(proof.root.len(), 64);
    // The root can be computed again from the frames that left.
    let mut tree = gstpurposegate::proof::Tree::default();
    for _ in 0..2 {
        let out = h.pull().unwrap();
        let text = |s: gst::Structure| s.to_string();
        tree.push(gstpurposegate::proof::leaf(
            out.pts().unwrap().nseconds(),
            &out.map_readable().unwrap(),
            &text((&ScanStamp::read(&out).unwrap()).into()),
            &text((&MaskStamp::read(&out).unwrap()).into()),
        ));
    }
    assert_eq!(proof.root, hex::encode(tree.root().unwrap().as_bytes()));
}

#[test]
fn held_frames_leave_black_when_asked_for() {
    let mut h = exit_gate("black");
    declare(&mut h, &purpose(Mask::PersonsVehicles));
    h.push(frame(0, false, false)).unwrap();
    let out = h.pull().unwrap();
    let map = out.map_readable().unwrap();
    assert!(map[..64].iter().all(|&y| y == 16) && map[64..].iter().all(|&c| c == 128));
}

#[test]
fn an_expired_purpose_lets_nothing_out() {
    let mut h = exit_gate("drop");
    let mut expired = purpose(Mask::PersonsVehicles);
    expired.expires = 1_000_000_000;
    declare(&mut h, &expired);
    h.push(frame(0, true, true)).unwrap();
    assert_eq!(h.buffers_received(), 0);
    let gate: PurposeGate = h.element().unwrap().downcast().unwrap();
    assert_eq!(gate.property::<String>("state"), "expired");
}

#[test]
fn an_unreadable_purpose_closes_the_exit_again() {
    let mut h = exit_gate("drop");
    declare(&mut h, &purpose(Mask::PersonsVehicles));
    h.push(frame(0, true, true)).unwrap();
    let mut newer = gst::Structure::from(&purpose(Mask::None));
    newer.set("version", 2u32);
    h.push_event(gst::event::CustomDownstreamSticky::new(newer));
    h.push(frame(1, true, true)).unwrap();
    assert_eq!(h.buffers_received(), 1);
}

#[test]
fn the_exit_says_that_it_stands_there() {
    let h = exit_gate("drop");
    let source = h
        .element()
        .unwrap()
        .static_pad("sink")
        .unwrap()
        .peer()
        .unwrap();
    let mut query = AuditRequest {
        session: String::new(),
        purpose: String::new(),
        operation: String::new(),
        entry: String::new(),
    }
    .to_query();
    source.peer_query(&mut query);
    let note = PathNote::read(&query);
    assert!(
        note.exit_gate && note.elements[0].starts_with("purposegate "),
        "{note:?}"
    );
}

#[test]
fn j1_sound_and_containers_are_refused() {
    init();
    for caps in [
        "audio/x-raw,format=S16LE,rate=8000,channels=1",
        "video/quicktime",
        "video/mpegts",
    ] {
        let gate = gst::ElementFactory::make("purposegate")
            .property("stage", Stage::Exit)
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        gate.set_bus(Some(&bus));
        let mut h = Harness::with_element(&gate, Some("sink"), Some("src"));
        h.set_src_caps_str(caps);
        assert!(
            h.push(gst::Buffer::with_size(4).unwrap()).is_err(),
            "{caps}"
        );
        let error = error(&bus).expect("an error is posted");
        assert!(error.contains("SOUND"), "{error}");
    }
}

#[test]
fn c6_the_purpose_is_locked_while_the_gate_runs() {
    let h = exit_gate("drop");
    let gate = h.element().unwrap();
    gate.set_property("stage", Stage::Entry);
    gate.set_property("purpose", "vp.live_view.public_road");
    assert_eq!(gate.property::<Stage>("stage"), Stage::Exit);
    assert_eq!(gate.property::<Option<String>>("purpose"), None);
}

#[test]
fn an_exit_gate_starts_again_with_nothing_left() {
    init();
    let gate = gst::ElementFactory::make("purposegate")
        .property("stage", Stage::Exit)
        .build()
        .unwrap();
    for _ in 0..2 {
        let mut h = Harness::with_element(&gate, Some("sink"), Some("src"));
        h.set_src_caps_str(CAPS);
        h.push(frame(0, true, true)).unwrap();
        assert_eq!(h.buffers_received(), 0, "an earlier purpose is forgotten");
        declare(&mut h, &purpose(Mask::PersonsVehicles));
        h.push(frame(1, true, true)).unwrap();
        assert_eq!(h.buffers_received(), 1);
        drop(h);
        gate.set_state(gst::State::Null).unwrap();
    }
}

/// What a gate says of `caps` in its error.
fn said(language: &str) -> String {
    let mut h = {
        init();
        let gate = gst::ElementFactory::make("purposegate")
            .property("stage", Stage::Exit)
            .property_from_str("language", language)
            .build()
            .unwrap();
        Harness::with_element(&gate, Some("sink"), Some("src"))
    };
    let bus = gst::Bus::new();
    h.element().unwrap().set_bus(Some(&bus));
    h.set_src_caps_str("video/quicktime");
    assert!(h.push(gst::Buffer::with_size(4).unwrap()).is_err());
    error(&bus).unwrap()
}

#[test]
fn an_error_is_in_the_language_that_was_asked_for() {
    let (english, french) = ("tell images from sound", "ne se distinguent pas");
    for (language, en, fr) in [
        ("en", true, false),
        ("fr", false, true),
        ("auto", true, true),
    ] {
        let text = said(language);
        assert_eq!(text.contains(english), en, "{text}");
        assert_eq!(text.contains(french), fr, "{text}");
    }
}

/// Runs again within a process of another locale.
#[test]
fn the_language_of_the_locale_comes_first() {
    const INSIDE: &str = "GST_PRIVACY_TEST_LANG";
    if let Ok(first) = std::env::var(INSIDE) {
        let text = said("auto");
        assert!(text.starts_with(&format!("SOUND: {first}")), "{text}");
        return;
    }
    for (variable, value, first) in [
        ("LANG", "fr_FR.UTF-8", "Dans un conteneur"),
        ("LANG", "en_GB.UTF-8", "Inside a container"),
        ("LC_ALL", "fr_FR", "Dans un conteneur"),
        ("LC_MESSAGES", "fr", "Dans un conteneur"),
        ("LANG", "C", "Inside a container"),
    ] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_language_of_the_locale_comes_first"])
            .env_remove("LC_ALL")
            .env_remove("LC_MESSAGES")
            .env_remove("LANG")
            .env(variable, value)
            .env(INSIDE, first)
            .env("GST_REGISTRY_UPDATE", "no")
            .output()
            .unwrap();
        assert!(output.status.success(), "{variable}={value}: {output:?}");
    }
}

#[test]
fn held_frames_are_told_in_both_languages() {
    let h = exit_gate("drop");
    let bus = gst::Bus::new();
    let mut h = h;
    h.element().unwrap().set_bus(Some(&bus));
    h.push(frame(0, true, true)).unwrap();
    let held = std::iter::from_fn(|| bus.pop())
        .filter_map(|m| m.structure().and_then(|s| Message::try_from(s).ok()))
        .find(|m| matches!(m, Message::Held { .. }));
    let Some(Message::Held {
        code,
        reason,
        reason_fr,
        ..
    }) = held
    else {
        panic!("{held:?}");
    };
    assert_eq!(code, "HELD_NO_PURPOSE");
    assert!(reason.contains("no purpose was declared") && reason_fr.contains("aucune finalité"));
}
