// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both readers of an entry agree.

use super::*;
use crate::{Agent, Anonymisation, Element, Entry, Erasure, Model, Output, Recipient, Refusal};

fn full() -> Record {
    let mut entry = Entry::new(Operation::Extract);
    entry.session = "s-1".into();
    entry.phase = Some(Phase::Close);
    entry.prior_entry_seq = Some(3);
    entry.interrupted = true;
    entry.purpose_id = "p".into();
    entry.purpose_label_fr = "libellé".into();
    entry.motif = "réquisition \"2026/114\"\n".into();
    entry.agent = Some(Agent {
        id: "a".into(),
        capacity: "OPJ".into(),
        habilitation_ref: "h".into(),
    });
    entry.destinataire = Some(Recipient::Somebody {
        name: String::new(),
        service: "commissariat".into(),
        capacity: "c".into(),
    });
    entry.mandate_id = "m".into();
    entry.mandate_digest = "d".into();
    entry.rules_version = "1".into();
    entry.cameras = vec!["c1".into(), "c2".into()];
    entry.anonymisation = Some(Anonymisation {
        required: "blur".into(),
        frames_in: 9,
        proof_root: "00".into(),
        ..Default::default()
    });
    entry.output = Some(Output {
        sha256: "00".into(),
        bytes: 1 << 40,
        duration_ns: Some(1),
        ..Default::default()
    });
    entry.models = vec![Model {
        sha256: "00".into(),
    }];
    entry.elements = vec![Element {
        name: "x".into(),
        version: "1".into(),
    }];
    entry.host_id = "h".into();
    entry.refusal = Some(Refusal {
        code: "C".into(),
        ..Default::default()
    });
    entry.erasure = Some(Erasure {
        reason: "r".into(),
        files: vec!["f".into()],
        due_date: Some("2026-11-21T08:00:00Z".parse().unwrap()),
        entries_before: Some(2),
    });
    let more = r#"{"a":[1,-2,3.5,null,true,{"b":"\u00e9"}],"c":1e300}"#;
    entry
        .more
        .insert("further".into(), serde_json::from_str(more).unwrap());
    Record {
        schema: SCHEMA.into(),
        seq: 4,
        timestamp: "2026-11-21T08:00:00.123Z".parse().unwrap(),
        salt: "00".into(),
        entry,
    }
}

/// Both readers agree on whether there is a record, and on what it says.
#[track_caller]
fn agree(body: &[u8]) {
    let quick = std::str::from_utf8(body).ok().and_then(read);
    let slow = Record::from_bytes(body);
    if let Some(quick) = quick {
        match slow {
            Ok(record) => {
                assert_eq!(quick.check(), record.entry.check());
                assert_eq!(quick, Facts::from_record(record));
            }
            Err(e) => panic!("{}: {e}", String::from_utf8_lossy(body)),
        }
    }
}

#[test]
fn what_the_whole_record_says_is_read() {
    let record = full();
    let body = record.to_bytes().unwrap();
    let quick = read(std::str::from_utf8(&body).unwrap()).expect("read the quick way");
    assert_eq!(quick, Facts::from_record(record.clone()));
    for operation in Operation::ALL {
        for phase in [
            None,
            Some(Phase::Open),
            Some(Phase::Segment),
            Some(Phase::Close),
        ] {
            let mut record = record.clone();
            record.entry.operation = operation;
            record.entry.phase = phase;
            let body = record.to_bytes().unwrap();
            assert!(read(std::str::from_utf8(&body).unwrap()).is_some());
            agree(&body);
        }
    }
    // Everything that can be left out, left out, or null.
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    for name in value.as_object().unwrap().keys() {
        for put in [
            None,
            Some("null"),
            Some("1"),
            Some("-1"),
            Some("\"\""),
            Some("[]"),
            Some("{}"),
            Some("true"),
            Some("\"aucun\""),
            Some("1.0"),
            Some("[null]"),
            Some("[\"x\"]"),
            Some("[{}]"),
            Some("{\"id\":\"\"}"),
            Some("{\"id\":null}"),
            Some("{\"name\":\" \"}"),
            Some("{\"open\":null}"),
            Some("\"open\""),
            Some("{\"bytes\":-1}"),
            Some("1e400"),
            Some("18446744073709551616"),
            Some("\"\\ud800\""),
        ] {
            let mut copy = value.clone();
            let object = copy.as_object_mut().unwrap();
            object.remove(name);
            let mut text = serde_json::to_string(&copy).unwrap();
            if let Some(put) = put {
                text.insert_str(1, &format!("\"{name}\":{put},"));
            }
            agree(text.as_bytes());
        }
    }
}

#[test]
fn both_readers_agree_on_damaged_entries() {
    let body = full().to_bytes().unwrap();
    for at in 0..body.len() {
        agree(&body[..at]);
        for byte in [
            0,
            b'"',
            b'\\',
            b'0',
            b',',
            b'}',
            b'[',
            b' ',
            0xff,
            body[at] ^ 1,
        ] {
            let mut changed = body.clone();
            changed[at] = byte;
            agree(&changed);
        }
    }
    let text = String::from_utf8(body).unwrap();
    for (from, to) in [
        ("\"seq\":4", "\"seq\":4,\"seq\":4"),
        ("\"seq\":4", "\"seq\":4,\"session\":\"t\""),
        ("\"reason\":\"r\"", "\"reason\":\"r\",\"reason\":\"r\""),
        ("\"further\"", "\"further\":1,\"further\""),
        ("}", "}} "),
    ] {
        agree(text.replacen(from, to, 1).as_bytes());
    }
    for deep in [100, 126, 127, 128, 129, 5000] {
        let nest = "[".repeat(deep) + &"]".repeat(deep);
        agree(
            text.replacen("\"seq\"", &format!("\"deep\":{nest},\"seq\""), 1)
                .as_bytes(),
        );
    }
}
