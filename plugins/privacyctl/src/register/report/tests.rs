// SPDX-License-Identifier: MIT OR Apache-2.0
use privacy_policy::Rules;
use privacy_register::{Entry, Phase, Record, Refusal, SCHEMA};
use privacy_verify::input::Failure;

use super::*;
use crate::register::{snapshot, verdict::Summary};

fn verdict(good: bool) -> Verdict {
    Verdict {
        origin: "ville-exemple.fr/csu-1".into(),
        key: "ville-exemple.fr/csu-1+00000000+key".into(),
        key_from_elsewhere: true,
        report: match good {
            true => Ok(Summary {
                entries: 1234,
                erased: 0,
                root: "00".repeat(32),
            }),
            false => Err(Failure {
                en: "entry 3 was changed".into(),
                fr: "la mention 3 a été modifiée".into(),
            }),
        },
    }
}

fn record(operation: Operation, change: impl FnOnce(&mut Entry)) -> Record {
    let mut entry = Entry::new(operation);
    entry.motif = "SECRET-motif".into();
    entry.cameras = vec!["SECRET-cam".into()];
    entry.session = "SECRET-session".into();
    entry.agent = Some(privacy_register::Agent {
        id: "SECRET-agent".into(),
        ..Default::default()
    });
    entry.more.insert(
        "legal_refs".into(),
        serde_json::json!({"requisition": "SECRET-pv"}),
    );
    change(&mut entry);
    Record {
        schema: SCHEMA.into(),
        seq: 0,
        timestamp: Timestamp::UNIX_EPOCH,
        salt: String::new(),
        entry,
    }
}

/// 1203 viewings of which 6 broke off, 23 extractions, 2 publications, 2 sessions of counts, 1 undeclared;
/// 31 refusals for want of a mandate, 7 of biometrics, 3 for a wrong camera, 2 for something unknown.
fn counts(purposes: &[Purpose]) -> Counts {
    let mut counts = Counts::new(purposes);
    let mut add = |n: u64, operation, phase, interrupted, purpose: &str| {
        for _ in 0..n {
            let record = record(operation, |entry| {
                entry.phase = Some(phase);
                entry.interrupted = interrupted;
                entry.purpose_id = purpose.into();
            });
            counts.add(purposes, &record);
        }
    };
    use Operation as Op;
    use Phase::{Close, Open, Segment};
    let view = "vp.live_view.public_road";
    add(1203, Op::Consult, Open, false, view);
    add(1197, Op::Consult, Close, false, view);
    add(6, Op::Consult, Close, true, view);
    add(40, Op::Consult, Segment, false, view);
    add(23, Op::Extract, Open, false, "judicial.requisition_extract");
    add(2, Op::Publish, Open, false, "comm.public_publication");
    add(2, Op::WindowPublished, Open, false, "stats.traffic_counts");
    add(1, Op::Collect, Open, false, "SECRET-purpose");
    for (n, code) in [
        (31, "NO_MANDATE"),
        (7, "BIOMETRICS"),
        (3, "WRONG_CAMERA"),
        (2, "SECRET_CODE"),
    ] {
        for _ in 0..n {
            let refusal = record(Op::Refuse, |entry| {
                entry.refusal = Some(Refusal {
                    code: code.into(),
                    message_en: "SECRET-message".into(),
                    ..Default::default()
                });
            });
            counts.add(purposes, &refusal);
        }
    }
    counts
}

fn doc(good: bool, french: bool) -> Doc {
    let purposes = count::purposes(&Rules::builtin());
    let made = "2026-11-02T09:00:00Z".parse().unwrap();
    let month = "2026-10".parse().unwrap();
    report(
        month,
        &purposes,
        &counts(&purposes),
        &verdict(good),
        made,
        french,
    )
}

#[test]
fn the_report_reads_as_it_should() {
    snapshot::check("report-en.txt", &doc(true, false).text());
    snapshot::check("report-fr.txt", &doc(true, true).text());
    snapshot::check("report-en.html", &doc(true, false).html());
    snapshot::check("report-fr.html", &doc(true, true).html());
    let bad = doc(false, true).html();
    assert!(bad.contains("class=\"bad\"") && bad.contains("NE SE VÉRIFIE PAS"));
    assert!(!bad.contains("class=\"good\""));
}

#[test]
fn nothing_that_an_entry_says_comes_out() {
    for (good, french) in [(true, false), (true, true), (false, false), (false, true)] {
        let doc = doc(good, french);
        for text in [doc.text(), doc.html()] {
            for secret in [
                "SECRET", "a-04", "cam-", "<script", "http://", "https://", "1234", "0000",
            ] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
}

#[test]
fn months_are_those_of_paris() {
    let month: Month = "2026-10".parse().unwrap();
    let (from, to) = month.span().unwrap();
    assert_eq!(from.to_string(), "2026-09-30T22:00:00Z");
    assert_eq!(
        to.to_string(),
        "2026-10-31T23:00:00Z",
        "winter time by then"
    );
    assert_eq!(
        (month.name(false), month.name(true)),
        ("October 2026".into(), "octobre 2026".into())
    );
    for bad in [
        "",
        "2026",
        "2026-13",
        "2026-1",
        "2026-00",
        "10-2026",
        "2026-10-01",
    ] {
        assert!(bad.parse::<Month>().is_err(), "{bad}");
    }
}

#[test]
fn numbers_are_written_as_the_language_does() {
    assert_eq!(number(1_234_567, false), "1,234,567");
    assert_eq!(number(1_234, true), "1\u{202f}234");
    assert_eq!(number(999, true), "999");
}
