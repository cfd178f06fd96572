// SPDX-License-Identifier: MIT OR Apache-2.0

use std::fs;

use privacy_register::{EntryError, Phase, Reader, Record, verify};

use super::{request::MAX_OPENING, *};
use crate::entries::Counted;

fn journal(tmp: &Path) -> (Journal, PathBuf) {
    let dir = tmp.join("register");
    drop(Register::init(&dir, "gst-privacy/test").unwrap());
    let journal = Journal::open(&dir, None, "host-1", Duration::ZERO).unwrap();
    (journal, dir)
}

fn file(location: &Path) -> Plan {
    Plan {
        location: Some(location.into()),
        ..Default::default()
    }
}

fn extract() -> Request {
    Request {
        session: "s-1".into(),
        purpose: "judicial.requisition_extract".into(),
        operation: "extract".into(),
        entry: r#"{"motif":"réquisition 12","agent":{"id":"a-1"},
            "destinataire":{"name":"OPJ 3321"},"anonymisation":{"required":"none"},
            "output":{"sink_class":"file"}}"#
            .into(),
        exit_gate: true,
        elements: vec!["purposegate 0.1.0".into()],
        ..Default::default()
    }
}

fn records(dir: &Path) -> Vec<Record> {
    let reader = Reader::open(dir).unwrap();
    let bodies = reader.iter(0..reader.size()).map(|read| read.unwrap().1);
    let records = bodies.map(|body| Record::from_bytes(&body));
    records.collect::<Result<_, _>>().unwrap()
}

#[test]
fn an_extraction_is_opened_written_and_closed() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    let location = tmp.path().join("piece.mp4");
    assert!(matches!(
        journal.request(&extract()),
        Err(JournalError::NotRunning)
    ));
    journal.begin(&file(&location)).unwrap();
    let opened = journal.request(&extract()).unwrap();
    assert_eq!((opened.index, opened.repeated), (0, false));
    assert!(journal.request(&extract()).unwrap().repeated);
    let mut other = extract();
    other.operation = "publish".into();
    assert!(matches!(
        journal.request(&other),
        Err(JournalError::SessionOpen(_))
    ));
    for (pts, bytes) in [(40, "a"), (0, "b"), (80, "c")] {
        assert_eq!(journal.before_bytes("").unwrap(), None);
        let mut pieces = VecDeque::from([bytes.as_bytes().to_vec()]);
        journal.take(&mut pieces, Some(pts), Some(40)).unwrap();
    }
    let ended = journal
        .end(
            "video/quicktime",
            |session| {
                assert_eq!(session, "s-1");
                Some(Counted {
                    stage: "exit".into(),
                    frames_in: 5,
                    frames_out: 3,
                    mask_failures: 2,
                    whole_masked: 3,
                    root: "ab".into(),
                    ..Default::default()
                })
            },
            false,
        )
        .unwrap()
        .unwrap();
    assert_eq!(fs::read(&location).unwrap(), b"abc");
    assert_eq!(ended.sessions[0].index, 1);
    assert_eq!(ended.checkpoint.size(), 2);

    let records = records(&dir);
    let (open, close) = (&records[0].entry, &records[1].entry);
    assert_eq!(open.phase, Some(Phase::Open));
    assert_eq!(open.output.as_ref().unwrap().sha256, "");
    assert_eq!(open.elements.len(), 2);
    assert_eq!(open.more["path"]["exit_gate"], true);
    assert_eq!(close.prior_entry_seq, Some(0));
    assert_eq!(close.motif, "réquisition 12");
    let output = close.output.as_ref().unwrap();
    assert_eq!(output.sha256, ended.output.sha256);
    assert_eq!((output.bytes, output.duration_ns), (3, Some(120)));
    assert_eq!(output.media_id, "piece.mp4");
    assert_eq!(output.sink_class, "file");
    let masked = close.anonymisation.as_ref().unwrap();
    assert_eq!((masked.frames_in, masked.frames_total), (5, 3));
    assert_eq!(
        (masked.applied.as_str(), masked.required.as_str()),
        ("frame", "none")
    );
    let key = Register::open(&dir, None).unwrap().verifier_key();
    assert_eq!(verify(&dir, &key).unwrap().interrupted, []);
}

#[test]
fn what_nobody_declared_is_recorded_as_such() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    journal.begin(&Plan::default()).unwrap();
    let opened = journal.before_bytes("cam-3").unwrap().unwrap();
    assert_eq!(opened.session, UNDECLARED);
    journal.write(b"x").unwrap();
    let ended = journal.end("video/x-raw", |_| None, true).unwrap().unwrap();
    assert!(ended.sessions[0].interrupted);
    let records = records(&dir);
    assert_eq!(records[0].entry.operation, Operation::Collect);
    assert_eq!(records[0].entry.cameras, ["cam-3"]);
    assert!(records[1].entry.interrupted);
    let key = Register::open(&dir, None).unwrap().verifier_key();
    assert_eq!(verify(&dir, &key).unwrap().interrupted.len(), 1);
}

#[test]
fn refusals_stand_alone_and_an_empty_run_leaves_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    let location = tmp.path().join("piece.mp4");
    journal.begin(&file(&location)).unwrap();
    let refusal = Request {
        session: "s".into(),
        operation: "refuse".into(),
        entry: r#"{"refusal":{"code":"NO_MANDATE"},"agent":{"id":""}}"#.into(),
        ..Default::default()
    };
    assert_eq!(journal.request(&refusal).unwrap().index, 0);
    assert_eq!(journal.request(&refusal).unwrap().index, 1);
    assert_eq!(journal.end("", |_| None, true).unwrap(), None);
    assert_eq!(records(&dir).len(), 2);
    assert!(!location.exists());
    assert_eq!(journal.end("", |_| None, true).unwrap(), None);
}

#[test]
fn a_request_that_says_too_little_or_too_much_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    journal.begin(&file(&tmp.path().join("f"))).unwrap();
    type Change = fn(&mut Request);
    let changes: [Change; 7] = [
        |r| r.entry = r.entry.replace("\"file\"", "\"csu-display\""),
        |r| r.entry = "{}".into(),
        |r| r.entry = "no".into(),
        |r| r.entry = r#"{"seq":7}"#.into(),
        |r| r.operation = "look".into(),
        |r| r.operation = "consult".into(),
        |r| r.purpose.clear(),
    ];
    for change in changes {
        let mut request = extract();
        change(&mut request);
        assert!(journal.request(&request).is_err(), "{request:?}");
    }
    assert_eq!(records(&dir).len(), 0);
    assert_eq!(journal.sessions(), Vec::<String>::new());
}

#[test]
fn a_file_loses_its_name_when_the_register_does_not_take_the_entry() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    let location = tmp.path().join("piece.mp4");
    journal.begin(&file(&location)).unwrap();
    journal.request(&extract()).unwrap();
    journal.write(b"abc").unwrap();
    fs::rename(&dir, tmp.path().join("away")).unwrap();
    let error = journal.end("", |_| None, false).unwrap_err();
    assert!(matches!(error, JournalError::Unclosed { .. }), "{error}");
    assert!(!location.exists());
    let left: Vec<_> = fs::read_dir(tmp.path())
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().into_string().ok())
        .filter(|n| n.ends_with(".part"))
        .collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn a_run_that_failed_once_is_closed_as_interrupted() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    journal.begin(&Plan::default()).unwrap();
    journal.before_bytes("").unwrap();
    journal.write(b"abc").unwrap();
    assert!(journal.seek(0).is_err(), "no file");
    let ended = journal.end("", |_| None, false).unwrap().unwrap();
    assert!(ended.sessions[0].interrupted);
    assert!(records(&dir)[1].entry.interrupted);
}

#[test]
fn an_entry_that_could_not_be_closed_is_not_opened() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, _dir) = journal(tmp.path());
    journal.begin(&file(&tmp.path().join("piece"))).unwrap();
    let mut request = extract();
    let long = |n: usize| extract().entry.replace("réquisition 12", &"m".repeat(n));
    request.entry = long(60_000);
    assert!(matches!(
        journal.request(&request),
        Err(JournalError::Entry(EntryError::TooLong(_)))
    ));
    request.entry = long(MAX_OPENING - 1000);
    journal.request(&request).unwrap();
    journal.write(b"x").unwrap();
    assert!(journal.end(&"v".repeat(100), |_| None, false).is_ok());
}

#[test]
fn a_register_that_goes_away_stops_the_run_at_the_next_probe() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    journal.begin(&Plan::default()).unwrap();
    journal.before_bytes("").unwrap();
    journal.before_bytes("").unwrap();
    fs::rename(&dir, tmp.path().join("away")).unwrap();
    assert!(journal.before_bytes("").is_err());
}

/// Two gates may share a file. The first closing entry names it; when the second is not taken, the name stays
/// true.
#[test]
fn a_file_that_an_entry_names_keeps_its_name() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    let location = tmp.path().join("piece.mp4");
    journal.begin(&file(&location)).unwrap();
    journal.request(&extract()).unwrap();
    let mut second = extract();
    second.session = "s-2".into();
    journal.request(&second).unwrap();
    journal.write(b"abc").unwrap();
    // The register goes away between the two closing entries.
    let away = tmp.path().join("away");
    let leave = |session: &str| {
        if session == "s-2" {
            fs::rename(&dir, &away).unwrap();
        }
        None
    };
    let error = journal.end("", leave, false).unwrap_err();
    fs::rename(&away, &dir).unwrap();
    assert!(matches!(error, JournalError::Append(_)), "{error}");
    let records = records(&dir);
    assert_eq!(records.len(), 3);
    let named = records[2].entry.output.as_ref().unwrap();
    assert_eq!(named.media_id, "piece.mp4");
    assert_eq!(fs::read(&location).unwrap(), b"abc");
}

#[test]
fn an_opening_entry_claims_no_result() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    journal.begin(&Plan::default()).unwrap();
    let mut request = extract();
    request.entry = r#"{"motif":"m","agent":{"id":"a"},"destinataire":{"name":"n"},
        "interrupted":false,"prior_entry_seq":7,"phase":"close",
        "output":{"sink_class":"file","sha256":"ab","bytes":9,"media_id":"other.mp4","duration_ns":5},
        "anonymisation":{"required":"persons","applied":"frame","frames_total":9,"proof_root":"cd","counted_at":"exit"}}"#
        .into();
    journal.request(&request).unwrap();
    journal.write(b"abc").unwrap();
    journal.end("", |_| None, false).unwrap();
    let records = records(&dir);
    let open = &records[0].entry;
    assert_eq!(
        (open.phase, open.prior_entry_seq),
        (Some(Phase::Open), None)
    );
    let output = open.output.as_ref().unwrap();
    assert_eq!(output.sink_class, "file");
    assert_eq!((output.sha256.as_str(), output.bytes), ("", 0));
    assert_eq!((output.media_id.as_str(), output.duration_ns), ("", None));
    for record in &records {
        let masked = record.entry.anonymisation.as_ref().unwrap();
        assert_eq!(masked.required, "persons");
        assert_eq!((masked.applied.as_str(), masked.frames_total), ("", 0));
        assert_eq!(masked.proof_root, "");
        assert_ne!(masked.counted_at, "exit");
    }
}

#[test]
fn a_request_never_has_entries_of_the_register_erased() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    journal.begin(&Plan::default()).unwrap();
    let request = Request {
        operation: "erase".into(),
        entry: r#"{"erasure":{"reason":"r","entries_before":1000}}"#.into(),
        ..Default::default()
    };
    let error = journal.request(&request).unwrap_err();
    assert!(error.to_string().contains("entries_before"), "{error}");
    assert_eq!(records(&dir).len(), 0);
}

/// What the register takes in it can read again: nesting as deep as it gets.
#[test]
fn a_deeply_nested_entry_is_refused_or_can_be_read() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    journal.begin(&Plan::default()).unwrap();
    let mut taken = 0;
    for depth in [1, 100, 120, 124, 125, 126, 127, 128, 129, 200, 20_000] {
        let mut request = extract();
        request.session = format!("s-{depth}");
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        request.entry = request
            .entry
            .replacen('{', &format!("{{\"deep\":{nested},"), 1);
        taken += usize::from(journal.request(&request).is_ok());
    }
    assert!(taken > 3);
    journal.end("", |_| None, false).unwrap();
    assert_eq!(records(&dir).len(), 2 * taken);
    let key = Register::open(&dir, None).unwrap().verifier_key();
    assert!(verify(&dir, &key).is_ok());
}

#[test]
fn a_file_that_cannot_be_finished_is_closed_as_interrupted() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    let location = tmp.path().join("piece.mp4");
    journal.begin(&file(&location)).unwrap();
    journal.request(&extract()).unwrap();
    journal.write(b"abc").unwrap();
    fs::write(&location, b"somebody else's").unwrap();
    let error = journal.end("", |_| None, false).unwrap_err();
    assert!(matches!(error, JournalError::Output(_)), "{error}");
    assert_eq!(fs::read(&location).unwrap(), b"somebody else's");
    let records = records(&dir);
    let close = &records[1].entry;
    assert!(close.interrupted);
    let output = close.output.as_ref().unwrap();
    assert_eq!((output.media_id.as_str(), output.bytes), ("", 3));
    let left = close.more["unfinished"]["left_as"].as_str().unwrap();
    assert_eq!(fs::read(tmp.path().join(left)).unwrap(), b"abc");
}

#[test]
fn no_gate_opens_the_session_that_nobody_declared() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    journal.begin(&Plan::default()).unwrap();
    journal.before_bytes("").unwrap();
    let request = Request {
        session: UNDECLARED.into(),
        operation: "collect".into(),
        ..Default::default()
    };
    assert!(matches!(
        journal.request(&request),
        Err(JournalError::SessionOpen(_))
    ));
    assert_eq!(records(&dir).len(), 1);
}

fn once(session: &str, key: &str) -> Request {
    let mut request = extract();
    request.session = session.into();
    request.single_use = Some(Single {
        key: key.into(),
        since: 0,
    });
    request
}

/// Opens and ends a run of `request`, whose gate let out so many frames.
fn use_up(journal: &mut Journal, request: &Request, frames_out: u64) -> Result<u64, JournalError> {
    journal.begin(&Plan::default()).unwrap();
    let opened = journal.request(request);
    journal.write(b"piece").unwrap();
    let counted = Counted {
        stage: "entry".into(),
        frames_in: 3,
        frames_out,
        ..Default::default()
    };
    let ended = journal.end("", |_| Some(counted.clone()), false);
    let opened = opened?;
    ended.unwrap();
    Ok(opened.index)
}

#[test]
fn c2_a_mandate_for_one_use_is_used_once() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    // Nothing left: nothing is used up.
    assert_eq!(use_up(&mut journal, &once("a", "m1"), 0).unwrap(), 0);
    assert_eq!(use_up(&mut journal, &once("b", "m1"), 2).unwrap(), 2);
    for session in ["c", "d"] {
        assert!(matches!(
            use_up(&mut journal, &once(session, "m1"), 2),
            Err(JournalError::AlreadyUsed(2))
        ));
    }
    // Another mandate, or one for more uses, is not this one.
    use_up(&mut journal, &once("e", "m2"), 2).unwrap();
    use_up(&mut journal, &extract(), 2).unwrap();
    // The same after a start, and behind more entries than are read at a time.
    let mut refusal = extract();
    refusal.operation = "refuse".into();
    refusal.entry =
        r#"{"motif":"m","agent":{"id":"a-1"},"refusal":{"code":"X","message_fr":"x","legal_ref":"x"}}"#
            .into();
    journal.begin(&Plan::default()).unwrap();
    for _ in 0..600 {
        journal.request(&refusal).unwrap();
    }
    journal.end("", |_| None, false).unwrap();
    drop(journal);
    let mut journal = Journal::open(&dir, None, "host-1", Duration::ZERO).unwrap();
    assert!(matches!(
        use_up(&mut journal, &once("f", "m1"), 2),
        Err(JournalError::AlreadyUsed(2))
    ));
    // A mandate that began later cannot have been used before: no old entry is read for it.
    let mut later = once("g", "m1");
    later.single_use.as_mut().unwrap().since = i64::MAX;
    let mut journal = Journal::open(&dir, None, "host-1", Duration::ZERO).unwrap();
    use_up(&mut journal, &later, 2).unwrap();
    let openings = records(&dir)
        .iter()
        .filter(|r| r.entry.more.contains_key(entries::MANDATE_USE))
        .filter(|r| r.entry.phase == Some(Phase::Open))
        .count();
    assert_eq!(openings, 4);
}

#[test]
fn c2_a_use_that_still_runs_and_one_that_died_are_uses() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut first, dir) = journal(tmp.path());
    first.begin(&Plan::default()).unwrap();
    first.request(&once("a", "m1")).unwrap();
    assert!(first.request(&once("a", "m1")).unwrap().repeated);
    let mut second = Journal::open(&dir, None, "host-1", Duration::ZERO).unwrap();
    second.begin(&Plan::default()).unwrap();
    assert!(matches!(
        second.request(&once("b", "m1")),
        Err(JournalError::AlreadyUsed(0))
    ));
    drop(first);
    assert!(matches!(
        second.request(&once("c", "m1")),
        Err(JournalError::AlreadyUsed(0))
    ));
}

#[test]
fn c2_a_file_without_a_frame_is_not_delivered() {
    let tmp = tempfile::tempdir().unwrap();
    let (mut journal, dir) = journal(tmp.path());
    let location = tmp.path().join("piece.mp4");
    for (session, frames_out) in [("a", 0), ("b", 1)] {
        journal.begin(&file(&location)).unwrap();
        let mut request = extract();
        request.session = session.into();
        journal.request(&request).unwrap();
        journal.write(b"headers only").unwrap();
        let counted = Counted {
            stage: "entry".into(),
            frames_out,
            ..Default::default()
        };
        journal.end("", |_| Some(counted.clone()), false).unwrap();
        assert_eq!(location.exists(), frames_out > 0, "{session}");
    }
    let closing = &records(&dir)[1].entry;
    assert_eq!(closing.output.as_ref().unwrap().media_id, "");
    assert_eq!(
        fs::read_dir(tmp.path()).unwrap().count(),
        2,
        "the register and the second file"
    );
}
