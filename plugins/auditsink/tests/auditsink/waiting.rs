// SPDX-License-Identifier: MIT OR Apache-2.0
//! `on-failure=block`: the stream waits, and nothing is lost.

use std::{
    fs,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::Harness;
use gstauditsink::auditsink::Message;
use privacy_common::AuditAnswer;

use crate::support::*;

/// A minute: only a hang takes so long.
const LONG: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// A register that goes away and comes back.
struct Away {
    site: Site,
    sink: gst::Element,
    bus: gst::Bus,
}

impl Away {
    fn new() -> Self {
        let site = Site::new();
        let sink = site.sink();
        sink.set_property_from_str("on-failure", "block");
        sink.set_property("probe-interval", 100_000_000u64);
        let bus = gst::Bus::new();
        sink.set_bus(Some(&bus));
        Self { site, sink, bus }
    }

    fn leave(&self) {
        fs::rename(&self.site.register, self.site.path("away")).unwrap();
    }

    fn come_back(&self) {
        fs::rename(self.site.path("away"), &self.site.register).unwrap();
    }

    /// Waits for the message that the stream waits.
    fn until_blocked(&self) -> String {
        until_blocked(&self.bus)
    }
}

fn until_blocked(bus: &gst::Bus) -> String {
    let end = Instant::now() + Duration::from(LONG);
    let wanted = [gst::MessageType::Element, gst::MessageType::Warning];
    let mut warned = false;
    while Instant::now() < end {
        let message = bus.timed_pop_filtered(LONG, &wanted);
        let message = message.expect("the stream never waited");
        if message.type_() == gst::MessageType::Warning {
            warned = true;
        } else if let Ok(Message::Blocked(blocked)) =
            Message::try_from(message.structure().unwrap())
        {
            assert!(warned, "whoever only looks at warnings sees it too");
            return blocked.reason;
        }
    }
    panic!("the stream never waited");
}

/// Pushes buffers until the flow ends or the sender is gone; sends back how it ended.
fn push(mut harness: Harness, count: u8) -> mpsc::Receiver<(Harness, Result<u8, gst::FlowError>)> {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let mut result = Ok(count);
        for n in 0..count {
            if let Err(flow) = harness.push(gst::Buffer::from_slice([n; 10])) {
                result = Err(flow);
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = done.send((harness, result));
    });
    is_done
}

fn playing(sink: &gst::Element) -> Harness {
    let mut harness = Harness::with_element(sink, Some("sink"), None);
    harness.set_src_caps_str("application/octet-stream");
    harness.push(gst::Buffer::from_slice([0xff; 10])).unwrap();
    harness
}

#[test]
fn the_stream_waits_until_the_register_is_back_and_nothing_is_lost() {
    let away = Away::new();
    let file = away.site.path("whole.bin");
    away.sink.set_property("location", file.to_str().unwrap());
    let harness = playing(&away.sink);
    let pad = away.sink.static_pad("sink").unwrap();
    away.leave();
    let pushed = push(harness, 20);
    let reason = away.until_blocked();
    assert!(reason.contains("register="), "{reason}");
    // A gate is not made to wait with it, and hears why.
    let mut query = extract("s-2").to_query();
    let answered = pad.query(&mut query);
    match AuditAnswer::read(&query, answered) {
        AuditAnswer::Failed(why) => assert!(why.contains("waits until"), "{why}"),
        other => panic!("{other:?}"),
    }
    thread::sleep(Duration::from_millis(300));
    assert!(pushed.try_recv().is_err(), "nothing is taken in meanwhile");
    away.come_back();
    let (mut harness, result) = pushed.recv().unwrap();
    assert_eq!(result, Ok(20));
    let found = messages(&away.bus);
    assert!(
        matches!(found[0], Message::Resumed(ref m) if m.waited > 0),
        "{found:?}"
    );
    assert!(harness.push_event(gst::event::Eos::new()));
    let wanted: Vec<u8> = [0xff]
        .into_iter()
        .chain(0..20)
        .flat_map(|n| [n; 10])
        .collect();
    assert_eq!(fs::read(&file).unwrap(), wanted);
    let records = away.site.records();
    assert!(!records.last().unwrap().entry.interrupted, "it only waited");
    assert_eq!(errors(&away.bus).len(), 0);
    assert_eq!(away.site.verify().unwrap().interrupted, []);
}

#[test]
fn a_stop_calls_the_wait_off() {
    let away = Away::new();
    let pushed = push(playing(&away.sink), 20);
    away.leave();
    away.until_blocked();
    away.sink.set_state(gst::State::Null).unwrap();
    let (_, result) = pushed.recv().unwrap();
    assert_eq!(result, Err(gst::FlowError::Flushing));
    away.come_back();
    // What could not be closed is told, and nothing says that it ended well.
    let report = away.site.verify().unwrap();
    assert_eq!(report.interrupted.len(), 1);
}

#[test]
fn a_flush_calls_the_wait_off_and_the_stream_goes_on_after_it() {
    let away = Away::new();
    let harness = playing(&away.sink);
    let pad = away.sink.static_pad("sink").unwrap();
    away.leave();
    let pushed = push(harness, 20);
    away.until_blocked();
    assert!(pad.send_event(gst::event::FlushStart::new()));
    let (mut harness, result) = pushed.recv().unwrap();
    assert_eq!(result, Err(gst::FlowError::Flushing));
    away.come_back();
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    harness.push_event(gst::event::Segment::new(&segment));
    harness.push(gst::Buffer::from_slice([7u8; 10])).unwrap();
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(away.site.verify().unwrap().interrupted, []);
}

#[test]
fn an_end_that_is_sent_to_the_sink_gives_up_what_waits() {
    let away = Away::new();
    let harness = playing(&away.sink);
    away.leave();
    let pushed = push(harness, 20);
    away.until_blocked();
    away.sink.send_event(gst::event::Eos::new());
    let (_harness, result) = pushed.recv().unwrap();
    assert_eq!(result, Err(gst::FlowError::Error));
    assert!(!errors(&away.bus).is_empty());
    away.come_back();
}

#[test]
fn pausing_and_playing_go_on_waiting() {
    let away = Away::new();
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("fakesrc")
        .property("num-buffers", 40)
        .property_from_str("sizetype", "fixed")
        .property("sizemax", 10)
        .property("sync", true)
        .property("datarate", 400)
        .property_from_str("format", "time")
        .build()
        .unwrap();
    pipeline.add_many([&source, &away.sink]).unwrap();
    source.link(&away.sink).unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for _ in 0..60_000 {
        if !away.site.records().is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    away.leave();
    until_blocked(&bus);
    pipeline.set_state(gst::State::Paused).unwrap();
    assert!(pipeline.state(LONG).0.is_ok());
    pipeline.set_state(gst::State::Playing).unwrap();
    away.come_back();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(LONG, &wanted).unwrap();
    assert_eq!(message.type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    let records = away.site.records();
    assert_eq!(
        records.last().unwrap().entry.output.as_ref().unwrap().bytes,
        400
    );
    assert!(!records.last().unwrap().entry.interrupted);
}

/// What was tampered with does not mend itself: nobody waits for it.
#[test]
fn what_cannot_pass_is_not_waited_for() {
    let away = Away::new();
    let harness = playing(&away.sink);
    fs::write(away.site.register.join("checkpoint"), b"x").unwrap();
    let (_harness, result) = push(harness, 200).recv().unwrap();
    assert_eq!(result, Err(gst::FlowError::Error));
}

/// A disk that fills up, for the file and not for the register.
#[test]
fn a_full_disk_is_waited_for() {
    const NAME: &str = "waiting::a_full_disk_is_waited_for";
    let Some(disk) = small_disk(NAME) else {
        return;
    };
    let away = Away::new();
    let file = disk.join("piece.bin");
    away.sink.set_property("location", file.to_str().unwrap());
    let filler = disk.join("filler");
    let mut harness = playing(&away.sink);
    fill(&filler, 1024 * 1024);
    let (done, is_done) = mpsc::channel();
    let pusher = thread::spawn(move || {
        for n in 0..20u8 {
            harness
                .push(gst::Buffer::from_slice(vec![n; 400_000]))
                .unwrap();
        }
        done.send(()).unwrap();
        harness
    });
    let reason = away.until_blocked();
    assert!(reason.contains("location="), "{reason}");
    assert!(is_done.try_recv().is_err());
    fs::remove_file(&filler).unwrap();
    let mut harness = pusher.join().unwrap();
    assert!(harness.push_event(gst::event::Eos::new()));
    let wanted: Vec<u8> = [0xff; 10]
        .into_iter()
        .chain((0..20).flat_map(|n| vec![n; 400_000]))
        .collect();
    assert!(fs::read(&file).unwrap() == wanted);
    let records = away.site.records();
    let close = &records.last().unwrap().entry;
    assert!(!close.interrupted);
    assert_eq!(close.output.as_ref().unwrap().sha256, sha256(&file));
}

/// The same with `on-failure=halt`, as it is by default: the stream stops and the entry says so.
#[test]
fn a_full_disk_stops_a_stream_that_does_not_wait() {
    const NAME: &str = "waiting::a_full_disk_stops_a_stream_that_does_not_wait";
    let Some(disk) = small_disk(NAME) else {
        return;
    };
    let site = Site::new();
    let sink = site.sink();
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let file = disk.join("piece.bin");
    sink.set_property("location", file.to_str().unwrap());
    let mut harness = playing(&sink);
    let flow = (0..100).find_map(|n| {
        harness
            .push(gst::Buffer::from_slice(vec![n; 400_000]))
            .err()
    });
    assert_eq!(flow, Some(gst::FlowError::Error));
    let found = errors(&bus);
    assert_eq!(
        found[0].0.kind::<gst::ResourceError>(),
        Some(gst::ResourceError::NoSpaceLeft)
    );
    assert!(!harness.push_event(gst::event::Eos::new()));
    assert!(!file.exists(), "no name for what is not whole");
    let records = site.records();
    let close = &records.last().unwrap().entry;
    assert!(close.interrupted);
    let left = close.more["unfinished"]["left_as"].as_str().unwrap();
    assert!(disk.join(left).exists());
}
