// SPDX-License-Identifier: MIT OR Apache-2.0
//! Segments: a word in the register while the stream goes on.

use std::time::Duration;

use gst::prelude::*;
use gst_check::Harness;
use gstauditsink::auditsink::Message;
use privacy_common::AuditAnswer;
use privacy_register::{Phase, SignedCheckpoint, VerifierKey};
use sha2::{Digest, Sha256};

use crate::support::*;

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn buffer(n: u8, pts: Option<gst::ClockTime>) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice([n; 10]);
    let b = buffer.get_mut().unwrap();
    b.set_pts(pts);
    b.set_duration(pts.map(|_| gst::ClockTime::from_mseconds(250)));
    buffer
}

#[test]
fn each_segment_is_recorded_and_published_while_the_stream_goes_on() {
    let site = Site::new();
    let sink = site.sink();
    sink.set_property("segment-duration", 1_000_000_000u64);
    let file = site.path("long.bin");
    sink.set_property("location", file.to_str().unwrap());
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    let pad = harness.srcpad().unwrap();
    let mut query = extract("s-1").to_query();
    let answered = pad.peer_query(&mut query);
    assert_eq!(AuditAnswer::read(&query, answered), AuditAnswer::Durable(0));
    answer_proofs(&pad, "s-1");
    harness.set_src_caps_str("application/octet-stream");
    for n in 0..10u64 {
        let pts = gst::ClockTime::from_mseconds(5000 + 250 * n);
        harness.push(buffer(n as u8, Some(pts))).unwrap();
        assert_eq!(site.records().len() as u64, 1 + n / 4, "buffer {n}");
    }
    let published = std::fs::read(site.register.join("checkpoint")).unwrap();
    let key = VerifierKey::load(&site.register.join("register.pub")).unwrap();
    let published = SignedCheckpoint::verify(&published, &key).unwrap();
    assert_eq!(published.size(), 3, "static copies have the segments too");
    assert!(harness.push_event(gst::event::Eos::new()));

    let records = site.records();
    assert_eq!(records.len(), 5, "opened, three segments, closed");
    let bytes: Vec<u8> = (0..10).flat_map(|n| [n; 10]).collect();
    for (n, (from, to)) in [(0, 40), (40, 80), (80, 100)].into_iter().enumerate() {
        let entry = &records[1 + n].entry;
        assert_eq!(entry.phase, Some(Phase::Segment));
        assert_eq!(entry.prior_entry_seq, Some(0));
        assert_eq!(entry.motif, "réquisition 2026/114", "read alone");
        let segment = &entry.more["segment"];
        assert_eq!(segment["number"], n);
        assert_eq!(
            (&segment["from_byte"], &segment["to_byte"]),
            (&from.into(), &to.into())
        );
        let output = entry.output.as_ref().unwrap();
        assert_eq!(output.sha256, hash(&bytes[from..to]));
        assert_eq!(output.bytes as usize, to - from);
        assert_eq!(output.media_id, "", "there is no file of that name yet");
        assert_eq!(
            output.first_pts_ns,
            Some(5_000_000_000 + n as u64 * 1_000_000_000)
        );
        let masked = entry.anonymisation.as_ref().unwrap();
        assert_eq!(masked.counted_at, "exit");
        assert_eq!(masked.proof_root, "ab".repeat(32));
        assert!(!entry.more.contains_key("file"));
    }
    let close = &records[4].entry;
    assert_eq!(close.phase, Some(Phase::Close));
    assert_eq!(close.output.as_ref().unwrap().sha256, hash(&bytes));
    assert!(!close.more.contains_key("segment"));
    let report = site.verify().unwrap();
    assert_eq!((report.entries, report.sessions), (5, 1));
    assert_eq!(report.interrupted, []);

    let found = messages(&bus);
    let numbers: Vec<u64> = found
        .iter()
        .filter_map(|m| match m {
            Message::Segment(s) => Some(s.number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
    let sizes: Vec<u64> = found
        .iter()
        .filter_map(|m| match m {
            Message::Checkpoint(c) => Some(c.size),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [2, 3, 5]);
    assert_eq!(sink.property::<u64>("entries"), 5);
}

/// A stream of JSON carries no times: its segments go by the clock.
#[test]
fn a_stream_without_times_is_cut_by_its_arrival() {
    let site = Site::new();
    let sink = site.sink();
    sink.set_property("segment-duration", 100_000_000u64);
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    harness.set_src_caps_str("application/x-json, format=privacy-counts");
    harness.push(buffer(1, None)).unwrap();
    assert_eq!(site.records().len(), 1);
    std::thread::sleep(Duration::from_millis(120));
    harness.push(buffer(2, None)).unwrap();
    assert!(harness.push_event(gst::event::Eos::new()));
    let records = site.records();
    let media = |n: usize| &records[n].entry.output.as_ref().unwrap().media_type;
    assert_eq!(records.len(), 4);
    assert_eq!(media(1), "application/x-json");
    assert_eq!(
        records[1].entry.output.as_ref().unwrap().sha256,
        hash(&[1; 10])
    );
    assert_eq!(
        records[2].entry.output.as_ref().unwrap().sha256,
        hash(&[2; 10])
    );
}

/// Two gates share the stream: each session hears of each segment.
#[test]
fn every_open_session_gets_the_segment() {
    let site = Site::new();
    let sink = site.sink();
    sink.set_property("segment-duration", 1_000_000_000u64);
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    let pad = harness.srcpad().unwrap();
    for session in ["a", "b"] {
        let mut query = extract(session).to_query();
        assert!(pad.peer_query(&mut query));
    }
    harness.set_src_caps_str("application/octet-stream");
    for n in 0..2u64 {
        let pts = gst::ClockTime::from_seconds(n);
        harness.push(buffer(n as u8, Some(pts))).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let records = site.records();
    let phases: Vec<_> = records
        .iter()
        .map(|r| (r.entry.session.as_str(), r.entry.phase.unwrap()))
        .collect();
    use Phase::{Close, Open, Segment};
    assert_eq!(
        phases,
        [
            ("a", Open),
            ("b", Open),
            ("a", Segment),
            ("b", Segment),
            ("a", Segment),
            ("b", Segment),
            ("a", Close),
            ("b", Close),
        ]
    );
    assert_eq!(site.verify().unwrap().interrupted, []);
}

/// The sink asks the gate while the gate's own thread pushes: through queues, an encoder and a muxer.
#[test]
fn gates_are_asked_on_the_thread_that_brings_their_frames() {
    for muxer in [
        "matroskamux streamable=true",
        "mpegtsmux",
        "mp4mux fragment-duration=200",
        "mp4mux",
    ] {
        let site = Site::new();
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=60 ! video/x-raw,width=64,height=48,framerate=30/1 ! identity name=gate ! \
             x264enc key-int-max=10 ! {muxer} ! auditsink register={} location={} segment-duration=500000000",
            site.register.display(),
            site.path("f").display()
        ));
        let gate = pipeline.by_name("gate").unwrap().static_pad("src").unwrap();
        answer_proofs(&gate, "s-9");
        let once = std::sync::atomic::AtomicBool::new(false);
        gate.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
            if !once.swap(true, std::sync::atomic::Ordering::Relaxed) {
                let mut query = extract("s-9").to_query();
                let answered = pad.peer_query(&mut query);
                assert_eq!(AuditAnswer::read(&query, answered), AuditAnswer::Durable(0));
            }
            gst::PadProbeReturn::Ok
        });
        run(&pipeline).unwrap();
        let records = site.records();
        assert!(records.len() >= 4, "{muxer}: {}", records.len());
        let mut arrived = 0;
        for record in &records[1..records.len() - 1] {
            let segment = &record.entry.more["segment"];
            assert_eq!(segment["from_byte"], arrived, "{muxer}");
            arrived = segment["to_byte"].as_u64().unwrap();
            assert_eq!(
                record.entry.anonymisation.as_ref().unwrap().counted_at,
                "exit"
            );
        }
        assert_eq!(
            records
                .last()
                .unwrap()
                .entry
                .output
                .as_ref()
                .unwrap()
                .sha256,
            sha256(&site.path("f")),
            "{muxer}"
        );
    }
}
