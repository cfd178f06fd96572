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

fn flush(harness: &mut Harness) {
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    harness.push_event(gst::event::Segment::new(&segment));
}

/// One run, one register, one file.
#[test]
fn properties_stay_as_they_are_while_a_run_goes_on() {
    let site = Site::new();
    let sink = site.sink();
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    sink.set_property("location", site.path("f").to_str().unwrap());
    sink.set_property_from_str("on-failure", "block");
    sink.set_property("segment-duration", 1_000_000_000u64);
    assert_eq!(sink.property::<Option<String>>("location"), None);
    assert_eq!(sink.property::<u64>("segment-duration"), 0);
    harness.set_src_caps_str("application/octet-stream");
    harness.push(gst::Buffer::from_slice([1u8; 10])).unwrap();
    assert!(harness.push_event(gst::event::Eos::new()));
    // Between runs they go for the next one.
    sink.set_property("location", site.path("f").to_str().unwrap());
    flush(&mut harness);
    harness.push_event(gst::event::StreamStart::new("b"));
    harness.set_src_caps_str("application/octet-stream");
    harness.push(gst::Buffer::from_slice([2u8; 10])).unwrap();
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(fs::read(site.path("f")).unwrap(), [2; 10]);
    assert_eq!(site.records().len(), 4);
}

#[test]
fn live_pipelines_keep_their_latency() {
    let site = Site::new();
    let latency = |sink: &str| {
        let pipeline = launch(&format!(
            "videotestsrc is-live=true ! video/x-raw,width=32,height=32,framerate=25/1 ! queue ! x264enc tune=zerolatency ! mpegtsmux latency=40000000 ! {sink}"
        ));
        pipeline.set_state(gst::State::Playing).unwrap();
        let sink = pipeline.iterate_sinks().next().unwrap().unwrap();
        let pad = sink.static_pad("sink").unwrap();
        // The encoder does not answer before its first frame.
        for _ in 0..60_000 {
            let mut upstream = gst::query::Latency::new();
            if pad.peer_query(&mut upstream) && upstream.result().0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let mut whole = gst::query::Latency::new();
        let answered = pipeline.query(&mut whole);
        pipeline.set_state(gst::State::Null).unwrap();
        (answered, whole.result())
    };
    let ours = latency(&format!(
        "auditsink register={} location={} segment-duration=200000000 probe-interval=100000000",
        site.register.display(),
        site.path("a.ts").display()
    ));
    assert_eq!(ours, latency("fakesink sync=false"));
}

/// End of stream, caps and flushes at odd moments.
#[test]
fn an_empty_stream_leaves_nothing_and_caps_may_change() {
    let site = Site::new();
    let sink = site.sink();
    sink.set_property("location", site.path("f").to_str().unwrap());
    sink.set_property("segment-duration", 100_000_000u64);
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    harness.set_src_caps_str("application/octet-stream");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(site.records().len(), 0);
    assert_eq!(site.leftovers(), Vec::<String>::new());
    flush(&mut harness);
    for (caps, n) in [("video/x-a", 1u8), ("video/x-b", 2)] {
        harness.set_src_caps_str(caps);
        harness.push(gst::Buffer::from_slice([n; 3])).unwrap();
    }
    harness.push(gst::Buffer::new()).unwrap();
    flush(&mut harness);
    harness.push(gst::Buffer::from_slice([3u8; 3])).unwrap();
    assert!(harness.push_event(gst::event::Eos::new()));
    let records = site.records();
    let output = records.last().unwrap().entry.output.as_ref().unwrap();
    assert_eq!(output.media_type, "video/x-b");
    assert_eq!(
        fs::read(site.path("f")).unwrap(),
        [1, 1, 1, 2, 2, 2, 3, 3, 3]
    );
    assert_eq!(site.verify().unwrap().interrupted, []);
}

/// A session that lasts stands in what is published, and not in the journal alone.
#[test]
fn a_long_session_stands_in_the_published_register() {
    let site = Site::new();
    let sink = site.sink();
    sink.set_property("probe-interval", 100_000_000u64);
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    let published = || fs::read_to_string(site.register.join("checkpoint")).unwrap();
    let size = |size: &str| {
        // However slow this machine is.
        (0..60_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            published().lines().nth(1) == Some(size)
        })
    };
    // Not even a buffer has to come.
    let pad = harness.srcpad().unwrap();
    let mut query = extract("s-1").to_query();
    assert!(pad.peer_query(&mut query));
    assert!(size("1"));
    let mut query = refuse().to_query();
    assert!(pad.peer_query(&mut query));
    harness.set_src_caps_str("application/octet-stream");
    harness.push(gst::Buffer::from_slice([1u8; 3])).unwrap();
    assert!(size("2"));
}
