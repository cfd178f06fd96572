// SPDX-License-Identifier: MIT OR Apache-2.0
//! Purposes that no entry gate announced for the exit gate they reach. Any element can send such an event.

use gst::prelude::*;
use gst_check::Harness;
use gstpurposegate::{Stage, sessions};
use privacy_common::{DetectorUse, Mask, MaskMethod, Purpose, SinkClass};

use crate::site::{CAPS, Register, Site, bus, error, frame, init};

fn clear(session: &str) -> Purpose {
    Purpose {
        session: session.into(),
        purpose: "vp.live_view.public_road".into(),
        mandate_digest: "00".into(),
        rules_version: "test".into(),
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
    }
}

fn exit(name: &str) -> (Harness, Register) {
    init();
    let gate = gst::ElementFactory::make("purposegate")
        .name(name)
        .property("stage", Stage::Exit)
        .build()
        .unwrap();
    let register = Register::on(&gate.static_pad("src").unwrap());
    let mut h = Harness::with_element(&gate, Some("sink"), Some("src"));
    h.set_src_caps_str(CAPS);
    (h, register)
}

/// An exit gate that was sent this event lets nothing out, says why and has it written down.
fn refuses(h: &mut Harness, register: &Register, event: gst::Event) {
    let bus = bus(h);
    let before = h.buffers_received();
    h.push_event(event);
    for n in 0..3 {
        assert!(h.push(frame(1000 + n)).is_err());
    }
    assert_eq!(h.buffers_received(), before, "nothing leaves");
    let text = error(&bus).unwrap();
    assert!(text.contains("UNKNOWN_SESSION"), "{text}");
    assert_eq!(register.operations(), ["refuse"], "one refusal, one entry");
    assert!(register.last().contains("UNKNOWN_SESSION"));
    assert!(register.last().contains("RGPD art. 5(1)(b)"));
}

#[test]
fn a_purpose_that_nobody_announced_opens_nothing() {
    let (mut h, register) = exit("exit");
    refuses(&mut h, &register, clear("made up").to_event());
}

#[test]
fn a_purpose_of_a_live_session_on_another_line_opens_nothing() {
    let site = Site::new();
    let (mut other, _) = site.live_view();
    other.set_src_caps_str(CAPS);
    other.push(frame(0)).unwrap();
    let declared = Purpose::on_pad(&other.element().unwrap().static_pad("src").unwrap()).unwrap();
    let (mut h, register) = exit("exit");
    refuses(&mut h, &register, declared.to_event());
    assert!(other.push(frame(100)).is_ok(), "the other one goes on");
}

#[test]
fn a_purpose_changed_on_its_way_opens_nothing() {
    let (mut h, register) = exit("exit");
    let source = h.element().unwrap().static_pad("sink").unwrap().peer();
    let mut announced = clear("changed");
    announced.required_mask = Mask::Frame;
    let _live = sessions::announce(&announced, &source.unwrap());
    refuses(&mut h, &register, clear("changed").to_event());
}

#[test]
fn a_purpose_of_a_session_that_has_ended_opens_nothing() {
    let (mut h, register) = exit("exit");
    let source = h.element().unwrap().static_pad("sink").unwrap().peer();
    drop(sessions::announce(&clear("ended"), &source.unwrap()));
    refuses(&mut h, &register, clear("ended").to_event());
}

#[test]
fn frames_of_an_entry_gate_that_was_stopped_are_held() {
    let (mut h, _) = exit("exit");
    let source = h.element().unwrap().static_pad("sink").unwrap().peer();
    let live = sessions::announce(&clear("stopped"), &source.unwrap());
    h.push_event(clear("stopped").to_event());
    h.push(frame(0)).unwrap();
    drop(live);
    h.push(frame(100)).unwrap();
    assert_eq!(h.buffers_received(), 1);
}

/// An entry gate, `between` and an exit gate with a register.
fn line(site: &Site, between: &str, deny_action: &str) -> (Harness, Register) {
    let bin = gst::parse::bin_from_description(
        &format!(
            "purposegate name=entry {} ! {between} ! purposegate name=exit stage=exit deny-action={deny_action}",
            site.mandate(&Site::form("vp.live_view.public_road"))
        ),
        true,
    )
    .unwrap();
    let entry = bin.by_name("entry").unwrap().static_pad("sink").unwrap();
    Site::answer_latency(&entry, true);
    let register = Register::on(&bin.by_name("exit").unwrap().static_pad("src").unwrap());
    let mut h = Harness::with_element(&bin, Some("sink"), Some("src"));
    h.set_src_caps_str(CAPS);
    (h, register)
}

#[test]
fn an_entry_gate_opens_the_exit_behind_it() {
    let site = Site::new();
    let (mut h, register) = line(&site, "identity", "error");
    h.push(frame(0)).unwrap();
    assert_eq!(h.buffers_received(), 1);
    assert_eq!(register.operations(), ["consult"]);
    assert_eq!(sessions::count(), 1);
    drop(h);
    assert_eq!(sessions::count(), 0, "nothing is left of it");
}

#[test]
fn a_purpose_that_is_swallowed_opens_nothing() {
    let site = Site::new();
    let (mut h, _) = line(&site, "identity name=between", "error");
    let bin = h.element().unwrap().downcast::<gst::Bin>().unwrap();
    let between = bin.by_name("between").unwrap().static_pad("src").unwrap();
    between.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        match info.event().and_then(|event| Purpose::from_event(event)) {
            Some(_) => gst::PadProbeReturn::Drop,
            None => gst::PadProbeReturn::Ok,
        }
    });
    h.push(frame(0)).unwrap();
    assert_eq!(h.buffers_received(), 0);
}

#[test]
fn a_refusal_at_the_entry_reaches_the_frames_that_are_past_it() {
    let site = Site::new();
    let (mut h, register) = line(&site, "identity name=between", "drop");
    let bin = h.element().unwrap().downcast::<gst::Bin>().unwrap();
    h.push(frame(0)).unwrap();
    assert_eq!(h.buffers_received(), 1);
    // The entry gate meets sound; frames that it let in before reach the exit after.
    let sound = "audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved";
    h.push_event(gst::event::Caps::new(&sound.parse().unwrap()));
    assert!(h.push(frame(100)).is_err());
    let exit = bin.by_name("exit").unwrap();
    exit.static_pad("sink").unwrap().chain(frame(50)).unwrap();
    assert_eq!(h.buffers_received(), 1);
    assert_eq!(register.operations(), ["consult", "refuse"]);
}

#[test]
fn a_purpose_after_the_end_of_the_stream_opens_nothing() {
    let site = Site::new();
    let (mut h, _) = line(&site, "identity name=between", "error");
    h.push(frame(0)).unwrap();
    let bin = h.element().unwrap().downcast::<gst::Bin>().unwrap();
    let exit = bin.by_name("exit").unwrap().static_pad("sink").unwrap();
    h.push_event(gst::event::Eos::new());
    // A stream of somebody else follows, with a purpose that nobody announced.
    exit.send_event(gst::event::FlushStart::new());
    exit.send_event(gst::event::FlushStop::new(true));
    exit.send_event(gst::event::StreamStart::new("other"));
    exit.send_event(gst::event::Caps::new(&CAPS.parse().unwrap()));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    exit.send_event(gst::event::Segment::new(&segment));
    exit.send_event(clear("after the end").to_event());
    assert!(exit.chain(frame(500)).is_err());
    assert_eq!(h.buffers_received(), 1);
}
