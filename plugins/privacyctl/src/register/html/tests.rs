// SPDX-License-Identifier: MIT OR Apache-2.0
use privacy_register::{
    Agent, Anonymisation, Entry, Erasure, Output, Phase, Recipient, Refusal, SCHEMA,
};

use super::*;
use crate::register::{
    snapshot,
    verdict::{Summary, Verdict},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn verdict(good: bool) -> Verdict {
    Verdict {
        origin: "ville-exemple.fr/csu-1".into(),
        key: "ville-exemple.fr/csu-1+00000000+AAAA".into(),
        key_from_elsewhere: false,
        report: match good {
            true => Ok(Summary {
                entries: 12,
                erased: 3,
                root: "ab".repeat(32),
            }),
            false => Err(input::Failure {
                en: "entry 3 <changed>".into(),
                fr: "la mention 3 <modifiée>".into(),
            }),
        },
    }
}

fn record(seq: u64, time: &str, entry: Entry) -> Record {
    Record {
        schema: SCHEMA.into(),
        seq,
        timestamp: at(time),
        salt: "00".repeat(16),
        entry,
    }
}

fn extraction() -> Entry {
    let mut entry = Entry::new(Operation::Extract);
    entry.session = "s".into();
    entry.phase = Some(Phase::Open);
    entry.purpose_id = "judicial.requisition_extract".into();
    entry.purpose_label_fr = "Extraction sur réquisition".into();
    entry.motif = "Extraction sur réquisition de l'OPJ, vol avec violence".into();
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        capacity: "csu_operator".into(),
        habilitation_ref: "arrêté 2026-31".into(),
    });
    entry.destinataire = Some(Recipient::Somebody {
        name: "OPJ matricule 123456".into(),
        service: "Brigade de gendarmerie".into(),
        capacity: "OPJ".into(),
    });
    entry.cameras = vec!["cam-12".into(), "cam-13".into()];
    entry.more.insert(
        "legal_refs".into(),
        serde_json::json!({"requisition": "PV 2026/01542", "authorisation": "AP 38-2024-1187", "dpia": ""}),
    );
    entry
}

fn closing(prior: u64) -> Entry {
    let mut entry = extraction();
    entry.phase = Some(Phase::Close);
    entry.prior_entry_seq = Some(prior);
    entry.output = Some(Output {
        media_id: "piece-1.mkv".into(),
        sha256: "0123456789abcdef".repeat(4),
        bytes: 18_222_926,
        ..Default::default()
    });
    entry.anonymisation = Some(Anonymisation {
        frames_total: 795,
        mask_failures: 2,
        ..Default::default()
    });
    entry
}

/// A page with a row of every kind.
fn rows(page: &Page<'_>) -> String {
    let mut done = Outcome {
        segments: 2,
        ..Default::default()
    };
    done.close(7, &record(7, "2026-11-20T10:05:00Z", closing(3)));
    let mut cut = Outcome::default();
    let mut interrupted = closing(8);
    interrupted.interrupted = true;
    interrupted.anonymisation = None;
    cut.close(9, &record(9, "2026-11-21T10:05:00Z", interrupted));
    let mut refusal = Entry::new(Operation::Refuse);
    refusal.purpose_id = "refused.facial_recognition".into();
    refusal.purpose_label_fr = "Reconnaissance faciale".into();
    refusal.refusal = Some(Refusal {
        code: "BIOMETRICS".into(),
        message_en: "Facial recognition is not authorised.".into(),
        message_fr: "La reconnaissance faciale n'est pas autorisée.".into(),
        legal_ref: "RGPD art. 9".into(),
    });
    let mut erase = Entry::new(Operation::Erase);
    erase.erasure = Some(Erasure {
        reason: "kept for 1096 days (CSI R.253-5)".into(),
        entries_before: Some(3),
        ..Default::default()
    });
    let mut text = page.erased(&(0..3));
    text += &page.row(
        3,
        &record(3, "2026-11-20T10:00:00Z", extraction()),
        Some(&done),
    );
    text += &page.row(
        8,
        &record(8, "2026-11-21T10:00:00Z", extraction()),
        Some(&cut),
    );
    text += &page.row(
        10,
        &record(10, "2026-11-21T11:00:00Z", extraction()),
        Some(&Outcome::default()),
    );
    text += &page.row(11, &record(11, "2026-11-21T12:00:00Z", refusal), None);
    text += &page.row(12, &record(12, "2026-11-21T12:30:00Z", erase), None);
    text += &page.unreadable(13);
    text
}

fn whole(good: bool, french: bool) -> String {
    let verdict = verdict(good);
    let filter = Filter {
        from: Some(at("2026-10-31T23:00:00Z")),
        camera: Some("cam-12".into()),
        ..Default::default()
    };
    let page = Page {
        verdict: &verdict,
        filter: &filter,
        period: Some((at("2026-11-20T10:00:00Z"), at("2026-11-21T12:30:00Z"))),
        made: at("2026-11-22T09:00:00Z"),
        french,
        not_told: 3,
    };
    page.head() + &rows(&page) + &page.foot(5)
}

/// Start tags of elements that are closed, and end tags, pair up.
fn well_formed(html: &str) {
    let mut open = Vec::new();
    for tag in html.split('<').skip(1) {
        let name: String = tag
            .chars()
            .take_while(|c| c.is_alphanumeric() || "/!".contains(*c))
            .collect();
        match name.as_str() {
            "!DOCTYPE" | "meta" | "br" | "col" => {}
            name => match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "at </{name}>"),
                None => open.push(name.to_owned()),
            },
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_paper_register_reads_as_it_should() {
    for (good, french, name) in [
        (true, false, "register-en.html"),
        (true, true, "register-fr.html"),
        (false, true, "register-bad-fr.html"),
    ] {
        let html = whole(good, french);
        snapshot::check(name, &html);
        well_formed(&html);
        for foreign in [
            "<script", "http://", "https://", "src=", "href=", "@import", "url(",
        ] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        assert_eq!(html.contains("role=\"alert\""), !good);
    }
}

#[test]
fn every_text_of_an_entry_is_only_text() {
    let nasty = "<script>alert('x')</script>\"><img src=x onerror=1>&amp;\u{202e}\u{1b}[2J\r\n";
    let mut entry = closing(0);
    entry.phase = None;
    entry.motif = nasty.repeat(1 + 60_000 / nasty.len());
    for text in [&mut entry.purpose_id, &mut entry.purpose_label_fr] {
        *text = nasty.into();
    }
    entry.cameras = vec![nasty.into()];
    entry.agent = Some(Agent {
        id: nasty.into(),
        capacity: nasty.into(),
        habilitation_ref: nasty.into(),
    });
    entry.destinataire = Some(Recipient::Somebody {
        name: nasty.into(),
        service: nasty.into(),
        capacity: nasty.into(),
    });
    entry.output = Some(Output {
        media_id: nasty.into(),
        sha256: nasty.into(),
        ..Default::default()
    });
    entry.more.insert("requisition".into(), nasty.into());
    entry.refusal = Some(Refusal {
        code: nasty.into(),
        message_en: nasty.into(),
        message_fr: nasty.into(),
        legal_ref: nasty.into(),
    });
    let mut verdict = verdict(true);
    verdict.origin = nasty.into();
    verdict.key = nasty.into();
    let filter = Filter {
        agent: Some(nasty.into()),
        ..Default::default()
    };
    for french in [false, true] {
        let page = Page {
            verdict: &verdict,
            filter: &filter,
            period: None,
            made: at("2026-11-22T09:00:00Z"),
            french,
            not_told: 0,
        };
        let mut outcome = Outcome::default();
        outcome.close(1, &record(1, "2026-11-22T09:00:00Z", entry.clone()));
        let mut html = page.head();
        for operation in Operation::ALL {
            entry.operation = operation;
            let record = record(0, "2026-11-22T09:00:00Z", entry.clone());
            html += &page.row(0, &record, None);
            html += &page.row(0, &record, Some(&outcome));
        }
        html += &page.foot(1);
        well_formed(&html);
        for bad in ["<script", "<img", "\u{202e}", "\u{1b}", "\r", "onerror=1>"] {
            assert!(!html.contains(bad), "{bad:?}");
        }
        // A reason of twenty sheets is cut, and said to be.
        assert!(html.len() < 400_000, "{}", html.len());
        assert!(html.contains("privacyctl register show … 0"));
    }
}
