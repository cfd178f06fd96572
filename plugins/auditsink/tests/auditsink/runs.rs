// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs begin and end.

use std::fs;

use gst::prelude::*;
use gst_check::Harness;
use privacy_common::AuditAnswer;
use privacy_register::{Phase, Reader, Register};

use crate::support::*;

#[test]
fn defaults_are_those_of_the_specs() {
    init();
    let sink = gst::ElementFactory::make("auditsink").build().unwrap();
    assert_eq!(sink.factory().unwrap().rank(), gst::Rank::NONE);
    for spec in sink.list_properties() {
        if spec.owner_type().name() != "GstAuditSink" {
            continue;
        }
        let value = sink.property_value(spec.name());
        assert_eq!(
            format!("{:?}", spec.default_value()),
            format!("{value:?}"),
            "{}",
            spec.name()
        );
        let blurb = spec.blurb().unwrap();
        assert!(!blurb.is_empty() && !blurb.ends_with('.'), "{blurb}");
    }
    assert!(!sink.property::<bool>("sync"));
    assert!(
        sink.property::<bool>("async"),
        "the end of a stream would get lost"
    );
    assert!(
        !sink.property::<bool>("enable-last-sample"),
        "no frame may be kept"
    );
}

#[test]
fn a_stop_without_end_of_stream_closes_as_interrupted() {
    let site = Site::new();
    let sink = site.sink();
    let file = site.path("cut.bin");
    sink.set_property("location", file.to_str().unwrap());
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    let pad = harness.srcpad().unwrap();
    let mut query = extract("s-1").to_query();
    let answered = pad.peer_query(&mut query);
    assert_eq!(AuditAnswer::read(&query, answered), AuditAnswer::Durable(0));
    answer_proofs(&pad, "s-1");
    harness.set_src_caps_str("application/octet-stream");
    harness.push(gst::Buffer::from_slice([1u8; 10])).unwrap();
    assert!(!file.exists());
    sink.set_state(gst::State::Null).unwrap();
    assert_eq!(fs::read(&file).unwrap(), [1; 10]);
    let records = site.records();
    assert_eq!(records.len(), 2);
    assert!(records[1].entry.interrupted);
    assert_eq!(
        records[1]
            .entry
            .anonymisation
            .as_ref()
            .unwrap()
            .frames_total,
        10,
        "the gate was still asked"
    );
    let report = site.verify().unwrap();
    assert!(report.interrupted[0].closed);
}

#[test]
fn a_process_that_dies_leaves_an_interrupted_session() {
    let site = Site::new();
    let sink = site.sink();
    let harness = Harness::with_element(&sink, Some("sink"), None);
    let mut query = extract("s-1").to_query();
    assert!(harness.srcpad().unwrap().peer_query(&mut query));
    // As a dead process leaves it: the register as it stands on the disk.
    let report = site.verify().unwrap();
    assert_eq!(report.interrupted.len(), 1);
    assert!(!report.interrupted[0].closed);
}

#[test]
fn it_can_be_started_again_and_again() {
    let site = Site::new();
    let pipeline = launch(&format!(
        "videotestsrc num-buffers=2 pattern=black ! video/x-raw,width=16,height=16 ! auditsink name=s register={}",
        site.register.display()
    ));
    let sink = pipeline.by_name("s").unwrap();
    for _ in 0..2 {
        pipeline.set_state(gst::State::Paused).unwrap();
        let _ = pipeline.state(gst::ClockTime::from_seconds(20));
        pipeline.set_state(gst::State::Null).unwrap();
    }
    let before = site.records().len();
    let mut digests = Vec::new();
    for round in 1..=2 {
        run(&pipeline).unwrap();
        assert_eq!(site.records().len(), before + 2 * round);
        digests.push(sink.property::<String>("digest"));
        assert_eq!(sink.property::<u64>("entries"), 2);
    }
    assert_eq!(digests[0], digests[1]);
    // From READY too, with another register.
    let other = site.path("other");
    drop(Register::init(&other, "gst-privacy/other").unwrap());
    sink.set_state(gst::State::Ready).unwrap();
    sink.set_property("register", other.to_str().unwrap());
    run(&pipeline).unwrap();
    assert_eq!(Reader::open(&other).unwrap().size(), 2);
    assert!(site.verify().is_ok());
}

#[test]
fn a_new_stream_after_the_end_is_a_new_run() {
    let site = Site::new();
    let sink = site.sink();
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    for round in 1..=2 {
        harness.push_event(gst::event::StreamStart::new("a"));
        harness.set_src_caps_str("application/octet-stream");
        harness.push(gst::Buffer::from_slice([1u8; 10])).unwrap();
        assert!(harness.push_event(gst::event::Eos::new()));
        assert_eq!(site.records().len(), 2 * round);
        harness.push_event(gst::event::FlushStart::new());
        harness.push_event(gst::event::FlushStop::new(true));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        harness.push_event(gst::event::Segment::new(&segment));
    }
    assert!(site.verify().is_ok());
}

#[test]
fn several_sinks_share_a_register() {
    let site = Site::new();
    let register = site.register.display();
    run(&launch(&format!(
        "videotestsrc num-buffers=5 ! video/x-raw,width=16,height=16 ! tee name=t \
         t. ! queue ! auditsink register={register} \
         t. ! queue ! auditsink register={register} location={} \
         t. ! queue ! auditsink register={register}",
        site.path("f").display()
    )))
    .unwrap();
    let report = site.verify().unwrap();
    assert_eq!((report.entries, report.sessions), (6, 3));
    assert_eq!(report.interrupted, []);
}

/// The source ends its stream after a failure too; the entry must not call that an end.
#[test]
fn an_error_upstream_closes_as_interrupted() {
    for (middle, interrupted) in [
        ("identity", false),
        ("identity error-after=3", true),
        ("identity eos-after=3", false),
    ] {
        let site = Site::new();
        let pipeline = launch(&format!(
            "videotestsrc is-live=true num-buffers=9 ! {middle} ! queue ! auditsink register={} location={}",
            site.register.display(),
            site.path("f").display()
        ));
        // Live, so that the failure comes while it plays: one that comes before keeps the pipeline from
        // playing, and then nothing is written of which the register could tell.
        pipeline.set_state(gst::State::Playing).unwrap();
        // The end of stream arrives in every case; nothing is stopped before it has.
        for _ in 0..60_000 {
            if site.records().len() == 2 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        pipeline.set_state(gst::State::Null).unwrap();
        let close = &site.records()[1].entry;
        assert_eq!(close.phase, Some(Phase::Close), "{middle}");
        assert_eq!(close.interrupted, interrupted, "{middle}");
    }
}
