// SPDX-License-Identifier: MIT OR Apache-2.0

use tlog_tiles::Hash;

use super::{
    reading::{MAX_DEPTH, ML_DSA_44, ML_DSA_44_LENGTH},
    *,
};
use crate::{SignedCheckpoint, SigningKey, WitnessKey};

fn log() -> SigningKey {
    SigningKey::generate("gst-privacy/test").unwrap()
}

fn witnesses(count: usize) -> Vec<WitnessKey> {
    (0..count)
        .map(|n| WitnessKey::generate(&format!("witness.example/{n}")).unwrap())
        .collect()
}

fn lines(keys: &[WitnessKey], names: &[&str]) -> String {
    let lines = keys.iter().zip(names);
    lines
        .map(|(key, name)| format!("witness {name} {}\n", key.verifier()))
        .collect()
}

fn cosigned<'a>(log: &SigningKey, by: impl IntoIterator<Item = &'a WitnessKey>) -> Vec<u8> {
    let signed = SignedCheckpoint::sign(log, 41, Hash([7; 32])).unwrap();
    let mut note = Note::from_bytes(signed.bytes()).unwrap();
    for (n, key) in by.into_iter().enumerate() {
        note.add_sigs(&[&key.at(1_700_000_000 + n as u64)]).unwrap();
    }
    note.to_bytes()
}

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text.as_bytes())
}

/// The example of the specification, with every set of witnesses.
#[test]
fn two_levels_of_groups_decide_as_the_specification_says() {
    let log = log();
    let keys = witnesses(6);
    let policy = parse(&format!(
        "# two operators\nlog {}\n\n{}group X-witnesses 2 X1 X2 X3\n\t \n\
         \t # the others\n{}group Y-witnesses any Y1 Y2 Y3\n\
         group \t X-and-Y all X-witnesses   Y-witnesses \nquorum X-and-Y\n",
        log.verifier(),
        lines(&keys[..3], &["X1", "X2", "X3"]),
        lines(&keys[3..], &["Y1", "Y2", "Y3"]),
    ))
    .unwrap();
    assert_eq!(policy.witnesses().count(), 6);
    for set in 0u32..64 {
        let by = |at: &usize| set & (1 << at) != 0;
        let note = cosigned(&log, (0..6).filter(by).map(|at| &keys[at]));
        let wanted = (set & 7).count_ones() >= 2 && set >> 3 != 0;
        match policy.check(&note) {
            Ok(found) => {
                assert!(wanted, "{set:b}");
                assert_eq!((found.size, found.root), (41, [7; 32]));
                assert_eq!(found.by.len() as u32, set.count_ones());
                assert_eq!(found.by.len() + found.missing.len(), 6);
                assert_eq!(found.by[0].time.as_second(), 1_700_000_000);
            }
            Err(error) => {
                assert!(!wanted, "{set:b}: {error}");
                assert!(
                    matches!(error, PolicyError::Quorum { size: 41, .. }),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn only_the_named_logs_count() {
    let (log, other) = (log(), log());
    let keys = witnesses(1);
    let w = lines(&keys, &["w"]);
    let note = cosigned(&log, &keys);
    let named = parse(&format!("log {}\n{w}quorum w\n", log.verifier())).unwrap();
    assert!(named.check(&note).is_ok());
    assert!(named.check_for(&note, log.verifier()).is_ok());
    assert!(matches!(
        named.check_for(&note, other.verifier()),
        Err(PolicyError::OtherLog { .. })
    ));
    // The same origin, and another key.
    let strange = parse(&format!("log {}\n{w}quorum w\n", other.verifier())).unwrap();
    assert!(matches!(
        strange.check(&note),
        Err(PolicyError::Checkpoint(CheckpointError::Signature(_)))
    ));
    let elsewhere = SigningKey::generate("gst-privacy/elsewhere").unwrap();
    let strange = parse(&format!("log {}\n{w}quorum w\n", elsewhere.verifier())).unwrap();
    assert!(matches!(
        strange.check(&note),
        Err(PolicyError::Checkpoint(CheckpointError::Origin { .. }))
    ));
    let any = parse(&format!("{w}quorum w\n")).unwrap();
    assert!(matches!(any.check(&note), Err(PolicyError::NoLog)));
    assert!(any.check_for(&note, log.verifier()).is_ok());
    // Nobody is needed, and whoever did is told.
    let none = parse(&format!("log {}\n{w}quorum none\n", log.verifier())).unwrap();
    assert_eq!(none.check(&cosigned(&log, [])).unwrap().missing, ["w"]);
    assert_eq!(none.check(&note).unwrap().by.len(), 1);
    assert!(!none.wants_witnesses() && any.wants_witnesses());
    // The log itself must have signed, whatever witnesses say.
    let text = String::from_utf8(note).unwrap();
    let line = text.lines().find(|l| l.starts_with("— gst")).unwrap();
    let bare = text.replace(&format!("{line}\n"), "");
    assert!(named.check(bare.as_bytes()).is_err());
}

#[test]
fn a_forged_cosignature_is_named() {
    let log = log();
    let keys = witnesses(2);
    let policy = parse(&format!(
        "log {}\n{}group g any a b\nquorum g\n",
        log.verifier(),
        lines(&keys, &["a", "b"])
    ))
    .unwrap();
    // The cosignature of another checkpoint.
    let other = SignedCheckpoint::sign(&log, 42, Hash([7; 32])).unwrap();
    let mut note = Note::from_bytes(other.bytes()).unwrap();
    note.add_sigs(&[&keys[1].at(1)]).unwrap();
    let line = String::from_utf8(note.to_bytes()).unwrap();
    let forged = format!(
        "{}{}\n",
        String::from_utf8(cosigned(&log, [&keys[0]])).unwrap(),
        line.lines().last().unwrap()
    );
    let error = policy.check(forged.as_bytes()).unwrap_err();
    assert!(
        matches!(&error, PolicyError::Cosignature { witness } if witness == "witness.example/1"),
        "{error}"
    );
    // One witness twice is one witness.
    let two = parse(&format!(
        "log {}\n{}group g all a b\nquorum g\n",
        log.verifier(),
        lines(&keys, &["a", "b"])
    ))
    .unwrap();
    let once = String::from_utf8(cosigned(&log, [&keys[0]])).unwrap();
    let twice = format!("{once}{}\n", once.lines().last().unwrap());
    assert!(matches!(
        two.check(twice.as_bytes()),
        Err(PolicyError::Quorum { .. })
    ));
}

#[test]
fn wrong_lines_are_named_by_their_number() {
    let log = log();
    let keys = witnesses(3);
    let vkey = keys[0].verifier();
    let head = format!("log {}\n{}", log.verifier(), lines(&keys, &["a", "b", "c"]));
    // Four lines stand before each of these.
    for (rest, line) in [
        ("quorum\n", 5),
        ("quorum a b\n", 5),
        ("quorum d\n", 5),
        ("quorum a\nquorum a\n", 6),
        ("quorum a\nquorum none\n", 6),
        ("Quorum a\n", 5),
        ("group g all\n", 5),
        ("group g\n", 5),
        ("group g 0 a\n", 5),
        ("group g 2 a\n", 5),
        ("group g 01 a\n", 5),
        ("group g +1 a\n", 5),
        ("group g some a\n", 5),
        ("group g any d\n", 5),
        // What stands below, or is itself, is not above.
        ("group g any g\n", 5),
        ("group g any h\ngroup h any g\n", 5),
        ("group g any a a\n", 5),
        ("group g any a\ngroup h any a b\n", 6),
        ("group a any b\n", 5),
        ("group none any a\n", 5),
        ("group g any none\n", 5),
        ("witness a\n", 5),
        ("witness\n", 5),
        ("witness d x\n", 5),
        ("log\n", 5),
        ("log x\n", 5),
        ("quorum g # inline\n", 5),
        ("quorum a\r\n", 5),
        ("\0\n", 5),
        ("quorum a\n\u{7f}\n", 6),
        ("quorum a", 5),
        ("quorum a\n#", 6),
    ] {
        let text = format!("{head}{rest}");
        match parse(&text) {
            Err(PolicyError::Line { line: found, why }) => {
                assert_eq!(found, line, "{rest:?}: {why}");
            }
            other => panic!("{rest:?}: {other:?}"),
        }
    }
    for rest in [
        // The same key under another name, the key of a register as a witness, and the other way round.
        format!("witness d {vkey}\n"),
        format!("log {}\n", log.verifier()),
        format!("witness d {}\n", log.verifier()),
        format!("log {vkey}\n"),
        format!("witness none {}\n", witnesses(1)[0].verifier()),
        format!("witness a {}\n", witnesses(1)[0].verifier()),
        format!("witness d {} u v\n", witnesses(1)[0].verifier()),
    ] {
        let error = parse(&format!("{head}{rest}quorum a\n")).unwrap_err();
        assert!(
            matches!(error, PolicyError::Line { line: 5, .. }),
            "{error}"
        );
    }
    assert!(matches!(parse("\n"), Err(PolicyError::NoQuorum)));
    assert!(matches!(parse(&head), Err(PolicyError::NoQuorum)));
    assert!(parse("").is_err());
    // Names are octets: neither UTF-8 nor spelling matters.
    let key = witnesses(1).remove(0);
    let odd = [
        head.as_bytes(),
        b"witness \xff# ",
        key.verifier().to_string().as_bytes(),
        b" http://\xe9\n# \x80\ngroup 2 any \xff#\nquorum 2\n",
    ]
    .concat();
    let policy = Policy::parse(&odd).unwrap();
    assert!(policy.check(&cosigned(&log, [&key])).is_ok());
}

#[test]
fn groups_within_groups_have_an_end() {
    let log = log();
    let keys = witnesses(1);
    let policy = |levels: usize| {
        let mut text = format!("log {}\n{}", log.verifier(), lines(&keys, &["g0"]));
        for n in 1..=levels {
            text += &format!("group g{n} all g{}\n", n - 1);
        }
        parse(&format!("{text}quorum g{levels}\n"))
    };
    let deep = policy(MAX_DEPTH).unwrap();
    assert!(deep.check(&cosigned(&log, &keys)).is_ok());
    assert!(deep.check(&cosigned(&log, [])).is_err());
    assert!(matches!(
        policy(MAX_DEPTH + 1),
        Err(PolicyError::Line { .. })
    ));
    // What the specification recommends at least, each.
    let logs: String = (0..32)
        .map(|n| {
            let key = SigningKey::generate(&format!("log{n}")).unwrap();
            format!("log {}\n", key.verifier())
        })
        .collect();
    let keys = witnesses(32);
    let names: Vec<String> = (0..32).map(|n| format!("w{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut text = logs + &lines(&keys, &names);
    for n in 0..32 {
        text += &format!("group g{n} any w{n}\n");
    }
    let policy = parse(&format!("{text}quorum g7\n")).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().count()), (32, 32));
}

/// ML-DSA keys are allowed in a policy. They count for nothing here, and are named as missing.
#[test]
fn keys_of_ml_dsa_never_count() {
    let log = log();
    let keys = witnesses(1);
    let vkey = |name: &str, length: usize| {
        use base64::prelude::{BASE64_STANDARD, Engine};
        let key = [vec![ML_DSA_44], vec![3; length]].concat();
        let id = signed_note::key_id(name, &key);
        format!("{name}+{id:08x}+{}", BASE64_STANDARD.encode(key))
    };
    let text = format!(
        "log {}\nlog {}\n{}witness q {}\n",
        log.verifier(),
        vkey("log", ML_DSA_44_LENGTH),
        lines(&keys, &["a"]),
        vkey("witness", ML_DSA_44_LENGTH)
    );
    // A signature of a type that nobody knows changes nothing.
    let mut note = String::from_utf8(cosigned(&log, &keys)).unwrap();
    let line = signed_note::Signature::new("witness".into(), 7, vec![1; 2428]).unwrap();
    note += &String::from_utf8(line.to_bytes()).unwrap();
    let any = parse(&format!("{text}group g any a q\nquorum g\n")).unwrap();
    let found = any.check(note.as_bytes()).unwrap();
    assert!(found.missing[0].contains("ML-DSA"), "{:?}", found.missing);
    let all = parse(&format!("{text}group g all a q\nquorum g\n")).unwrap();
    assert!(all.check(note.as_bytes()).is_err());
    for bad in [vkey("w", 32), vkey("w", 0)] {
        assert!(parse(&format!("{text}witness x {bad}\nquorum a\n")).is_err());
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let log = log();
    let keys = witnesses(2);
    let good = format!(
        "log {}\n{}group g 2 a b\nquorum g\n",
        log.verifier(),
        lines(&keys, &["a", "b"])
    );
    for at in 0..good.len() {
        for byte in [0, b'\n', b' ', b'#', b'+', 0xff] {
            let mut bad = good.clone().into_bytes();
            bad[at] = byte;
            let _ = Policy::parse(&bad);
        }
        let _ = Policy::parse(&good.as_bytes()[..at]);
    }
}
