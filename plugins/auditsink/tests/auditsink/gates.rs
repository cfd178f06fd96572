// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gates ask, and are answered.

use std::fs;

use gst::prelude::*;
use gst_check::Harness;
use gstauditsink::auditsink::Message;
use privacy_common::{AuditAnswer, PathNote};
use privacy_register::{Operation, Phase};

use crate::support::*;

#[test]
fn a_gate_is_answered_once_the_entry_is_durable() {
    let site = Site::new();
    let sink = site.sink();
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    let pad = harness.srcpad().unwrap();
    let mut query = extract("s-1").to_query();
    PathNote {
        exit_gate: true,
        elements: vec!["purposegate 0.1.0".into()],
        models: vec!["ab".into()],
        ..Default::default()
    }
    .add_to(&mut query);
    let answered = pad.peer_query(&mut query);
    assert_eq!(AuditAnswer::read(&query, answered), AuditAnswer::Durable(0));
    let report = site.verify().unwrap();
    assert_eq!((report.entries, report.interrupted.len()), (1, 1));
    let records = site.records();
    let entry = &records[0].entry;
    assert_eq!(
        (entry.operation, entry.phase),
        (Operation::Extract, Some(Phase::Open))
    );
    assert_eq!(entry.elements[0].name, "purposegate");
    assert_eq!(entry.models[0].sha256, "ab");
    assert!(!entry.host_id.is_empty());
    assert_eq!(entry.more["legal_refs"]["requisition"], "2026/114");

    // A refusal needs no session and stands beside it.
    let mut query = refuse().to_query();
    let answered = pad.peer_query(&mut query);
    assert_eq!(AuditAnswer::read(&query, answered), AuditAnswer::Durable(1));

    answer_proofs(&pad, "s-1");
    harness.set_src_caps_str("application/octet-stream");
    for n in 0..10u64 {
        let mut buffer = gst::Buffer::from_slice([n as u8; 10]);
        let b = buffer.get_mut().unwrap();
        b.set_pts(gst::ClockTime::from_mseconds(40 * n));
        b.set_duration(gst::ClockTime::from_mseconds(40));
        assert_eq!(harness.push(buffer), Ok(gst::FlowSuccess::Ok));
    }
    assert_eq!(sink.property::<Option<String>>("digest"), None);
    assert!(harness.push_event(gst::event::Eos::new()));
    let digest: String = sink.property("digest");
    assert_eq!(sink.property::<u64>("entries"), 3);
    assert_eq!(sink.property::<i64>("last-index"), 2);
    let found = messages(&bus);
    assert!(matches!(&found[0], Message::Opened(m) if m.index == 0 && m.session == "s-1"));
    assert!(matches!(&found[1], Message::Opened(m) if m.operation == "refuse"));
    assert!(
        matches!(&found[2], Message::Closed(m) if m.index == 2 && m.prior_index == 0 && m.sha256 == digest && m.bytes == 100 && !m.interrupted)
    );
    let kept = fs::read_to_string(site.register.join("checkpoint")).unwrap();
    assert!(matches!(&found[3], Message::Checkpoint(m) if m.size == 3 && m.checkpoint == kept));
    assert_eq!(found.len(), 4);

    let records = site.records();
    let close = &records[2].entry;
    assert_eq!(close.prior_entry_seq, Some(0));
    let output = close.output.as_ref().unwrap();
    assert_eq!(output.media_type, "application/octet-stream");
    assert_eq!(output.duration_ns, Some(400_000_000));
    let masked = close.anonymisation.as_ref().unwrap();
    assert_eq!((masked.frames_in, masked.frames_total), (12, 10));
    assert_eq!((masked.mask_failures, masked.frames_whole_masked), (2, 1));
    assert_eq!(masked.proof_root, "ab".repeat(32));
    let report = site.verify().unwrap();
    assert_eq!((report.entries, report.refusals), (3, 1));
    assert_eq!(report.interrupted, []);
    drop(harness);
    assert_eq!(site.records().len(), 3, "nothing more at the stop");
}

#[test]
fn a_gate_is_told_why_there_is_no_entry() {
    let site = Site::new();
    let sink = site.sink();
    sink.set_property("location", site.path("f").to_str().unwrap());
    let harness = Harness::with_element(&sink, Some("sink"), None);
    let pad = harness.srcpad().unwrap();
    let ask = |query: &mut gst::QueryRef| {
        let answered = pad.peer_query(query);
        match AuditAnswer::read(query, answered) {
            AuditAnswer::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    };
    let mut nobody = extract("s-1");
    nobody.entry = r#"{"motif":"m","agent":{"id":"a"},"destinataire":"aucun"}"#.into();
    assert!(ask(&mut nobody.to_query()).contains("destinataire"));
    let mut look = extract("s-2");
    look.operation = "consult".into();
    assert!(ask(&mut look.to_query()).contains("consulter n'autorise pas"));
    let mut unknown = extract("s-3").to_query();
    unknown.structure_mut().set("version", 9u32);
    assert!(ask(&mut unknown).contains("version 9"));
    assert_eq!(site.records().len(), 0);

    fs::remove_dir_all(&site.register).unwrap();
    assert!(ask(&mut extract("s-4").to_query()).contains("is mounted, writable"));
}

#[test]
fn frames_that_nobody_declared_are_recorded_before_they_are_taken_in() {
    let site = Site::new();
    let text = format!(
        "videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=33,height=17 ! auditsink name=s camera=cam-7 host-id=h-1 register={}",
        site.register.display()
    );
    let pipeline = launch(&text);
    let sink = pipeline.by_name("s").unwrap();
    run(&pipeline).unwrap();
    let records = site.records();
    assert_eq!(records.len(), 2);
    let (open, close) = (&records[0].entry, &records[1].entry);
    assert_eq!(open.operation, Operation::Collect);
    assert_eq!(open.session, "undeclared");
    assert_eq!(open.cameras, ["cam-7"]);
    assert_eq!(open.host_id, "h-1");
    let output = close.output.as_ref().unwrap();
    assert_eq!(output.media_type, "video/x-raw");
    // 33 × 17 in I420, rows padded to four bytes: luma 36 × 18, chroma twice 20 × 9.
    assert_eq!(output.bytes, 5 * (36 * 18 + 2 * 20 * 9));
    assert_eq!(output.media_id, "");
    assert_eq!(
        close.anonymisation.as_ref().unwrap().counted_at,
        "none",
        "no gate, no proof"
    );
    assert_eq!(site.verify().unwrap().interrupted, []);
    assert_eq!(
        sink.property::<Option<String>>("digest"),
        Some(output.sha256.clone())
    );
    assert_eq!(site.leftovers(), Vec::<String>::new());
}

/// Text of a request comes back in errors and logs, which are C strings.
#[test]
fn hostile_text_in_a_request_is_an_answer_and_no_panic() {
    let site = Site::new();
    let sink = site.sink();
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let harness = Harness::with_element(&sink, Some("sink"), None);
    let pad = harness.srcpad().unwrap();
    for entry in [
        r#"{"phase":"\u0000"}"#,
        r#"{"destinataire":"\u0000\u001b[2J"}"#,
        r#"{"agent":{"id":"a\u0000b"},"motif":"\u0000m","destinataire":{"name":"\u202e"}}"#,
        "null",
        "{\"motif\":1e999}",
        "\u{feff}{}",
    ] {
        let mut request = extract(entry);
        request.entry = entry.into();
        let mut query = request.to_query();
        let answered = pad.peer_query(&mut query);
        assert!(answered, "{entry}");
        assert_ne!(AuditAnswer::read(&query, answered), AuditAnswer::None);
    }
    assert_eq!(errors(&bus).len(), 0);
    sink.set_state(gst::State::Null).unwrap();
    assert!(site.verify().is_ok());
}

/// Before, after and between runs there is no entry, and the gate hears so; within one, other gates may come.
#[test]
fn a_gate_that_asks_outside_a_run_is_told_so() {
    let site = Site::new();
    let sink = site.sink();
    let pad = sink.static_pad("sink").unwrap();
    let ask = |session: &str| {
        let mut query = extract(session).to_query();
        let answered = pad.query(&mut query);
        AuditAnswer::read(&query, answered)
    };
    let refused = |answer: AuditAnswer, when: &str| {
        assert!(!matches!(answer, AuditAnswer::Durable(_)), "{when}");
    };
    refused(ask("a"), "before it is started");
    sink.set_state(gst::State::Ready).unwrap();
    refused(ask("b"), "in READY");
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    assert_eq!(ask("c"), AuditAnswer::Durable(0));
    assert_eq!(ask("d"), AuditAnswer::Durable(1), "while another runs");
    assert_eq!(ask("c"), AuditAnswer::Durable(0), "again");
    harness.set_src_caps_str("application/octet-stream");
    harness.push(gst::Buffer::from_slice([1u8; 10])).unwrap();
    assert!(harness.push_event(gst::event::Eos::new()));
    refused(ask("e"), "after the end");
    sink.set_state(gst::State::Null).unwrap();
    refused(ask("f"), "after the stop");
    let report = site.verify().unwrap();
    assert_eq!((report.entries, report.sessions), (4, 2));
    assert_eq!(report.interrupted, []);
}
