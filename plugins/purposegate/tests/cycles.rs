// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ten thousand starts and stops leave nothing behind: no memory, no file, no thread, no session.
#![forbid(unsafe_code)]

mod hostile {
    pub mod site;
}

use std::{fs, time::Duration};

use gst::prelude::*;
use gstpurposegate::sessions;
use hostile::site::{CAPS, Register, Site, bus, error, frame};

/// How often each gate is started and stopped.
const CYCLES: usize = 10_000;

/// What the process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    resident_kib: usize,
    files: usize,
    threads: usize,
}

impl Held {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        Self {
            resident_kib: number("VmRSS:"),
            files: fs::read_dir("/proc/self/fd").unwrap().count(),
            threads: number("Threads:"),
        }
    }

    /// The same once threads that were told to end have ended.
    fn settled(threads: usize) -> Self {
        for _ in 0..100 {
            if Self::now().threads <= threads {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Self::now()
    }
}

/// A gate whose frames nobody takes.
fn lone(gate: &gst::Element) -> gst::Pad {
    let end = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok))
        .event_function(|_, _, _| true)
        .build();
    gate.static_pad("src").unwrap().link(&end).unwrap();
    end.set_active(true).unwrap();
    end
}

/// One run, with one frame that leaves.
fn run(gate: &gst::Element, caps: &gst::Event, frames: bool) {
    gate.set_state(gst::State::Paused).unwrap();
    if frames {
        let sink = gate.static_pad("sink").unwrap();
        sink.send_event(gst::event::StreamStart::new("camera"));
        sink.send_event(caps.clone());
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        sink.send_event(gst::event::Segment::new(&segment));
        sink.chain(frame(0)).unwrap();
    }
    gate.set_state(gst::State::Null).unwrap();
}

#[test]
fn ten_thousand_starts_and_stops_leave_nothing_behind() {
    let site = Site::new();
    let (h, register) = site.live_view();
    let _ = (bus(&h), error(&gst::Bus::new()));
    drop(h);
    let entry = gst::parse::launch(&format!(
        "purposegate {}",
        site.mandate(&Site::form("vp.live_view.public_road"))
    ))
    .unwrap();
    Site::answer_latency(&entry.static_pad("sink").unwrap(), true);
    let entries = Register::on(&entry.static_pad("src").unwrap());
    let exit = gst::parse::launch("purposegate stage=exit deny-action=drop").unwrap();
    let _ends = [lone(&entry), lone(&exit)];
    let caps = gst::event::Caps::new(&CAPS.parse().unwrap());
    let both = |n: usize| {
        // Every tenth run lets a frame in, whose register answers.
        run(&entry, &caps, n.is_multiple_of(10));
        run(&exit, &caps, true);
    };
    (0..200).for_each(both);
    let before = Held::settled(1);
    (200..CYCLES).for_each(both);
    let after = Held::settled(before.threads);
    assert_eq!(entries.operations().len(), CYCLES / 10);
    assert_eq!(entries.refusals("NO_REGISTER"), 0);
    assert!(register.operations().is_empty());
    assert_ne!(entries.first(), entries.last(), "a session each");
    assert_eq!(sessions::count(), 0, "no session is left");
    assert_eq!(after.files, before.files, "{before:?} {after:?}");
    assert_eq!(after.threads, before.threads, "{before:?} {after:?}");
    // The register of this test keeps its entries, some KiB each.
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    assert!(grown < 24 * 1024, "{before:?} {after:?}");
}
