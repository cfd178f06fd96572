// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;
use crate::{
    entry::{Entry, Operation, SCHEMA},
    fields::Agent,
};

#[test]
fn the_body_is_what_a_record_would_be() {
    let mut entry = Entry::new(Operation::Consult);
    let time: Timestamp = "2026-11-22T03:04:05.678Z".parse().unwrap();
    let whole: Timestamp = "2026-11-22T03:04:05Z".parse().unwrap();
    for (seq, time) in [(0, time), (12_345, whole), (u64::MAX, time)] {
        let record = Record {
            schema: SCHEMA.into(),
            seq,
            timestamp: time,
            salt: "ab".repeat(16),
            entry: entry.clone(),
        };
        entry.motif = "« réquisition » \"2026\"\n\u{1}".into();
        entry.agent = Some(Agent {
            id: "a-0417".into(),
            ..Default::default()
        });
        entry
            .more
            .insert("seq_of".into(), serde_json::json!({"seq": [1, null]}));
        let job = Job {
            json: serde_json::to_vec(&record.entry).unwrap(),
            time: None,
        };
        let (first, rest) = job.body(seq, time, &[0xab; 16]).unwrap();
        let body = [first.as_bytes(), rest].concat();
        assert_eq!(body, record.to_bytes().unwrap());
        assert_eq!(Record::from_bytes(&body).unwrap(), record);
    }
}

fn job() -> Job {
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "vp.live_view.public_road".into();
    entry.motif = "surveillance de la voie publique".into();
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        ..Default::default()
    });
    Job::new(&entry, None).unwrap()
}

#[test]
fn what_was_staged_behind_a_failed_commit_is_not_written() {
    let tmp = tempfile::tempdir().unwrap();
    let key = SigningKey::generate("gst-privacy/test").unwrap();
    let mut writer = Writer::init(tmp.path(), key).unwrap();
    let job = job();
    assert!(matches!(writer.append(&[&job])[..], [Ok(0)]));

    // Two commits on their way, the first of which fails.
    let (first, one) = writer.stage(&[&job, &job]);
    let (second, two) = writer.stage(&[&job]);
    writer.journal.make_read_only();
    let (one, two) = (one.unwrap(), two.unwrap());
    let disk = one.disk();
    let first = first.settled(one.write(&mut journal::lock(&disk)));
    let second = second.settled(two.write(&mut journal::lock(&disk)));
    assert!(matches!(first[..], [Err(_), Err(_)]), "{first:?}");
    assert!(matches!(second[..], [Err(_)]), "{second:?}");
    let error = second[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("journal"), "{error}");
    // Nothing that failed is published.
    assert!(writer.publish().is_err());

    // The file can be written again once it is read again, and holds what was acknowledged.
    writer.refresh(true).unwrap();
    assert_eq!(writer.size(), 1);
    assert!(matches!(writer.append(&[&job, &job])[..], [Ok(1), Ok(2)]));
    writer.publish().unwrap();
    let key = writer.key.verifier().clone();
    assert_eq!(crate::verify(tmp.path(), &key).unwrap().entries, 3);
}

#[test]
fn commits_may_be_staged_before_the_one_before_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    let key = SigningKey::generate("gst-privacy/test").unwrap();
    let mut writer = Writer::init(tmp.path(), key).unwrap();
    let job = job();
    for n in 0..80u64 {
        let (batch, one) = writer.stage(&[&job]);
        let (other, two) = writer.stage(&[&job]);
        for (batch, staged, seq) in [(batch, one, 2 * n), (other, two, 2 * n + 1)] {
            let written = staged.map(|staged| {
                let disk = staged.disk();
                let mut disk = journal::lock(&disk);
                staged.write(&mut disk)
            });
            let outcomes = batch.settled(written.unwrap());
            assert!(
                matches!(outcomes[..], [Ok(at)] if at == seq),
                "{outcomes:?}"
            );
        }
    }
    let key = writer.key.verifier().clone();
    assert_eq!(crate::verify(tmp.path(), &key).unwrap().unpublished, 160);
}
