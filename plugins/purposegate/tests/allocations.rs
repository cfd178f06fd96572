// SPDX-License-Identifier: MIT OR Apache-2.0
//! A frame under a standing decision allocates nothing, at the entry and at an exit without a mask.
#![forbid(unsafe_code)]

mod hostile {
    pub mod site;
}

use gst::prelude::*;
use gst_check::Harness;
use gstpurposegate::{
    opening,
    session::{Fate, Session},
    sessions,
};
use hostile::site::{CAPS, Register, Site, bus, error, frame};
use jiff::Timestamp;
use privacy_common::Purpose;

/// Frames, made ahead.
fn frames(n: u64) -> Vec<gst::Buffer> {
    (0..n).map(|n| frame(n * 40)).collect()
}

/// An entry gate that is open, and what it declared.
fn open() -> (Site, Harness, Purpose) {
    let site = Site::new();
    let (mut h, register) = site.live_view();
    let bus = bus(&h);
    h.set_src_caps_str(CAPS);
    h.push(frame(0)).unwrap();
    assert_eq!(register.operations(), ["consult"]);
    assert_eq!(register.refusals("NO_REGISTER"), 0);
    assert_eq!(register.first(), register.last());
    assert_eq!(error(&bus), None);
    let pad = h.element().unwrap().static_pad("src").unwrap();
    let purpose = Purpose::on_pad(&pad).unwrap();
    (site, h, purpose)
}

/// Runs of `judge` and `strip` on frames of its own, warm first.
fn measured(session: &Session) -> u64 {
    let now = Timestamp::now();
    let mut all = frames(264);
    let mut judge = |frame: &mut gst::Buffer| {
        let fate = session.judge(frame, || None, now).unwrap();
        assert_eq!(fate, Fate::Out);
        session.strip(frame);
    };
    let (warm, counted) = all.split_at_mut(132);
    warm.iter_mut().for_each(&mut judge);
    allocation_counter::measure(|| counted.iter_mut().for_each(&mut judge)).count_total
}

#[test]
fn an_entry_gate_allocates_nothing_for_a_frame() {
    let (site, h, _) = open();
    let gate = h.element().unwrap();
    let text = |name: &str| gate.property::<Option<String>>(name).unwrap_or_default();
    let asked = opening::Asked {
        purpose: text("purpose"),
        mandate: text("mandate"),
        trusted_keys: site.text("authority.pub"),
        camera: text("camera"),
        operator: text("operator"),
        sink_class: Some(privacy_policy::SinkClass::CsuDisplay),
        ..Default::default()
    };
    let now = Timestamp::now();
    let opened = opening::open(&asked, "allocations", now).unwrap();
    let purpose = opening::purpose_event(&opened.granted().grant, "allocations");
    let session = Session::new("allocations".into(), asked, Some(opened), now);
    let pad = gst::Pad::new(gst::PadDirection::Src);
    session.open(purpose.clone(), sessions::announce(&purpose, &pad));
    assert_eq!(measured(&session), 0);
}

#[test]
fn an_exit_gate_without_a_mask_allocates_nothing_for_a_frame() {
    let (_site, _h, purpose) = open();
    let now = Timestamp::now();
    let session = Session::new("exit".into(), opening::Asked::default(), None, now);
    let pad = gst::Pad::new(gst::PadDirection::Src);
    let announced = sessions::announce(&purpose, &pad);
    session.declare(Some((purpose, announced.shared().clone())));
    assert_eq!(measured(&session), 0);
}

/// What a whole element adds to an element that passes frames on: nothing.
#[test]
fn the_element_allocates_no_more_than_one_that_does_nothing() {
    fn pushes(h: &Harness) -> u64 {
        let sink = h.element().unwrap().static_pad("sink").unwrap();
        let pad = h.element().unwrap().static_pad("src").unwrap();
        // Frames go no further: the harness would keep them in a list that grows.
        pad.add_probe(gst::PadProbeType::BUFFER, |_, _| gst::PadProbeReturn::Drop);
        let mut all = frames(264);
        let counted = all.split_off(132);
        for frame in all {
            sink.chain(frame).unwrap();
        }
        allocation_counter::measure(|| {
            for frame in counted {
                sink.chain(frame).unwrap();
            }
        })
        .count_total
    }
    let (_site, gate, _) = open();
    let mut nothing = Harness::new("identity");
    nothing.set_src_caps_str(CAPS);
    nothing.push(frame(0)).unwrap();
    let (gate, nothing) = (pushes(&gate), pushes(&nothing));
    assert!(gate <= nothing, "{gate} beside {nothing}");
    let _ = Register::default();
}
