// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proofs of small registers, and texts that are none.

use tlog_tiles::EMPTY_HASH;

use super::*;
use crate::{Agent, Entry, Operation, Register, tree::Tree};

/// Root of the tree of the first `size` entries as the tiles have it.
fn root(dir: &Path, size: u64) -> Hash {
    match size {
        0 => EMPTY_HASH,
        _ => tree_hash(size, &State::read(dir).unwrap().tiles(size).unwrap()).unwrap(),
    }
}

fn filled(dir: &Path, entries: usize) -> Register {
    let mut register = Register::init(dir, "gst-privacy/test").unwrap();
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "p".into();
    entry.motif = "m".into();
    entry.agent = Some(Agent {
        id: "a".into(),
        ..Default::default()
    });
    for _ in 0..entries {
        register.append(&entry).unwrap();
    }
    register.checkpoint().unwrap();
    register
}

#[test]
fn every_entry_is_proved_and_no_other_body_passes() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let register = filled(&dir, 5);
    let key = register.verifier_key();
    let reader = Reader::open(&dir).unwrap();
    for index in 0..5 {
        let proof = prove(&dir, &key, index).unwrap();
        let text = proof.to_text();
        assert!(text.len() < 2048, "{text}");
        let read = Proof::from_text(&text).unwrap();
        assert_eq!(read, proof);
        for other in 0..5 {
            let body = reader.body(other).unwrap();
            let checked = read.check(&body, &key);
            assert_eq!(checked.is_ok(), other == index, "{index} {other}");
        }
    }
    assert!(matches!(
        prove(&dir, &key, 5),
        Err(ProofError::Read(ReadError::Beyond { index: 5, size: 5 }))
    ));
}

#[test]
fn what_is_not_a_proof_is_refused_with_its_line() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let register = filled(&dir, 3);
    let key = register.verifier_key();
    let body = Reader::open(&dir).unwrap().body(1).unwrap();
    let text = prove(&dir, &key, 1).unwrap().to_text();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(Proof::from_text(&text[..end]).is_err(), "{end}");
    }
    let lines: Vec<&str> = text.lines().collect();
    let cases = [
        (text.replacen("v1", "v2", 1), 1),
        (text.replacen("index 1", "index 01", 1), 2),
        (text.replacen("index 1", "index +1", 1), 2),
        (text.replacen("index 1", "extra !\nindex 1", 1), 2),
        (text.replacen(lines[2], "AAAA", 1), 3),
        (text.replacen('\n', "\r\n", 1), 1),
        (text.replacen(lines[2], &[lines[2]; 64].join("\n"), 1), 66),
    ];
    for (changed, wanted) in cases {
        let error = Proof::from_text(&changed).unwrap_err();
        assert!(
            matches!(error, ProofError::Malformed { line, .. } if line == wanted),
            "{changed}: {error}"
        );
    }
    // One that reads and is not true.
    let more = text.replacen(lines[2], &[lines[2]; 2].join("\n"), 1);
    let fewer = text.replacen(&format!("{}\n", lines[2]), "", 1);
    let moved = text.replacen("index 1", "index 0", 1);
    for changed in [more, fewer, moved] {
        let proof = Proof::from_text(&changed).unwrap();
        assert!(matches!(
            proof.check(&body, &key),
            Err(ProofError::NotIncluded(_))
        ));
    }
    // Data beside it are kept, and change nothing.
    let extra = text.replacen("index", "extra AAEC\nindex", 1);
    let proof = Proof::from_text(&extra).unwrap();
    assert_eq!(proof.to_text(), extra);
    assert_eq!(proof.check(&body, &key).unwrap().seq, 1);
    assert!(matches!(proof.check(b"", &key), Err(ProofError::Erased(1))));
}

#[test]
fn consistency_holds_between_any_two_sizes() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    filled(&dir, 9);
    for new in 0..=9u64 {
        for old in 0..=new {
            let proof = consistency(&dir, old, new).unwrap();
            if old == 0 || old == new {
                assert!(proof.is_empty());
            } else {
                check_tree(&proof, new, root(&dir, new), old, root(&dir, old)).unwrap();
            }
        }
    }
    assert!(matches!(
        consistency(&dir, 2, 1),
        Err(ProofError::Order { old: 2, new: 1 })
    ));
    assert!(matches!(
        consistency(&dir, 1, 10),
        Err(ProofError::Read(ReadError::Beyond { .. }))
    ));
    assert_eq!(root(&dir, 0), Tree::default().root());
}
