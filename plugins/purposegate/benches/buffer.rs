// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a gate costs a frame while its decision stands: `cargo bench -p gst-plugin-purposegate --bench buffer --
//! [FRAMES] [ROUNDS]`.
//!
//! The element is timed beside `identity`, which is the same base class and does nothing, in turns in one process.
//! `Session::judge` alone is what this project adds to it. The goal is 1 µs a frame. At the exit every byte that
//! leaves is hashed, which `--bench proof` measures; here its frames hold 64 bytes.

#[path = "../tests/hostile/site.rs"]
mod site;

use std::time::Instant;

use gst::prelude::*;
use gst_check::Harness;
use gstpurposegate::{
    opening::{self, Asked},
    session::{Fate, Session},
    sessions,
};
use jiff::Timestamp;
use privacy_common::Purpose;

use site::{CAPS, Register, Site, bus, error, frame};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let frames = numbers.next().unwrap_or(200_000_u32);
    let rounds = numbers.next().unwrap_or(7_u32).max(1);
    let site = Site::new();
    let (mut gate, register) = site.live_view();
    let messages = bus(&gate);
    gate.set_src_caps_str(CAPS);
    gate.push(frame(0)).expect("the gate opens");
    assert_eq!(error(&messages), None);
    assert_eq!(register.operations(), ["consult"]);
    assert_eq!(register.refusals("NO_REGISTER"), 0, "{}", register.last());
    assert_eq!(register.first(), register.last());
    let purpose = Purpose::on_pad(&src(&gate)).expect("the gate declares a purpose");
    let mut identity = Harness::new("identity");
    identity.set_src_caps_str(CAPS);
    identity.push(frame(0)).expect("identity passes frames on");
    for h in [&gate, &identity] {
        // Frames go no further: what comes behind is not measured.
        src(h).add_probe(gst::PadProbeType::BUFFER, |_, _| gst::PadProbeReturn::Drop);
    }
    let (entry, exit) = (entry(&site, &gate), exit(&purpose));
    let mut best = [f64::MAX; 5];
    for _ in 0..rounds {
        let times = [
            pushed(&identity, frames),
            pushed(&gate, frames),
            judged(&entry, frames),
            judged(&exit.0, frames),
            clock(frames),
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = best.min(time);
        }
    }
    println!("best of {rounds} rounds of {frames} frames, in ns a frame");
    println!("identity              {:8.1}", best[0]);
    println!("purposegate, entry    {:8.1}", best[1]);
    println!("  above identity      {:8.1}", best[1] - best[0]);
    println!("judge, entry          {:8.1}", best[2]);
    println!("judge, exit, no mask  {:8.1}", best[3]);
    println!("  reading the clock   {:8.1}", best[4]);
    println!("goal: 1000 a frame for the gate");
    let _ = Register::default();
}

fn src(h: &Harness) -> gst::Pad {
    let gate = h.element().expect("there is an element");
    gate.static_pad("src").expect("it has a source pad")
}

fn pushed(h: &Harness, frames: u32) -> f64 {
    let gate = h.element().expect("there is an element");
    let sink = gate.static_pad("sink").expect("it has a sink pad");
    let one = frame(0);
    let start = Instant::now();
    for _ in 0..frames {
        sink.chain(one.clone()).expect("the frame passes");
    }
    per_frame(start, frames)
}

fn judged(session: &Session, frames: u32) -> f64 {
    let mut one = gst::Buffer::from_mut_slice(vec![0u8; 64]);
    let start = Instant::now();
    for _ in 0..frames {
        let fate = session.judge(&one, || None, Timestamp::now());
        assert!(matches!(fate, Ok(Fate::Out)));
        session.strip(&mut one);
    }
    per_frame(start, frames)
}

fn clock(frames: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..frames {
        std::hint::black_box(Timestamp::now());
    }
    per_frame(start, frames)
}

fn per_frame(start: Instant, frames: u32) -> f64 {
    start.elapsed().as_nanos() as f64 / f64::from(frames)
}

/// A session that an entry gate would hold open.
fn entry(site: &Site, h: &Harness) -> Session {
    let gate = h.element().expect("there is an element");
    let text = |name: &str| gate.property::<Option<String>>(name).unwrap_or_default();
    let asked = Asked {
        purpose: text("purpose"),
        mandate: text("mandate"),
        trusted_keys: site.text("authority.pub"),
        camera: text("camera"),
        operator: text("operator"),
        sink_class: Some(privacy_policy::SinkClass::CsuDisplay),
        ..Default::default()
    };
    let now = Timestamp::now();
    let opened = opening::open(&asked, "bench", now).expect("the mandate opens");
    let purpose = opening::purpose_event(&opened.granted().grant, "bench");
    let session = Session::new("bench".into(), asked, Some(opened), now);
    let pad = gst::Pad::new(gst::PadDirection::Src);
    session.open(purpose.clone(), sessions::announce(&purpose, &pad));
    session
}

/// The same at an exit; the second value keeps its entry gate.
fn exit(purpose: &Purpose) -> (Session, sessions::Announced) {
    let session = Session::new("exit".into(), Asked::default(), None, Timestamp::now());
    let pad = gst::Pad::new(gst::PadDirection::Src);
    let announced = sessions::announce(purpose, &pad);
    session.declare(Some((purpose.clone(), announced.shared().clone())));
    (session, announced)
}
