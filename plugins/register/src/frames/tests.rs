// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files of frames of any length, and proofs that were changed.

use super::*;

fn frame(n: u64) -> Frame {
    Frame {
        n,
        pts: (n % 7 != 3).then_some(n * 40_000_000),
        frame: blake3::hash(&n.to_be_bytes()).to_hex().to_string(),
        scan: format!("privacy-scan, regions=(int){n};"),
        mask: if n.is_multiple_of(5) {
            String::new()
        } else {
            "privacy-mask, ok=true;".into()
        },
    }
}

fn lines(count: u64) -> String {
    (0..count)
        .map(|n| serde_json::to_string(&frame(n)).unwrap() + "\n")
        .collect()
}

/// The definition of RFC 6962 §2.1, word for word.
fn definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [one] => *one,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node(&definition(&leaves[..k]), &definition(&leaves[k..]))
        }
    }
}

#[test]
fn each_frame_of_files_of_any_length_is_proved() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("frames.jsonl");
    let leaves: Vec<Hash> = (0..70).map(|n| frame(n).leaf().unwrap()).collect();
    for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 64, 70] {
        std::fs::write(&path, lines(count)).unwrap();
        let file = FrameFile::read(&path).unwrap();
        assert_eq!(file.frames(), count);
        if count == 0 {
            assert_eq!(file.root(), "");
            assert!(file.check("", 0).is_ok());
        } else {
            let root = definition(&leaves[..count as usize]).to_hex();
            assert_eq!(file.root(), root.as_str());
            file.check(&root, count).unwrap();
            assert!(matches!(
                file.check(&root, count + 1),
                Err(FrameError::Count { .. })
            ));
            assert!(matches!(
                file.check("", count),
                Err(FrameError::Root { .. })
            ));
        }
        for n in 0..count {
            let proof = prove_frame(&path, n).unwrap();
            proof.check(&file.root()).unwrap();
            let json = proof.to_json().unwrap();
            assert_eq!(FrameProof::from_json(&json).unwrap(), proof);
            assert_eq!(proof.frame(), &frame(n));
        }
        // An entry that counts fewer frames than the file has by now.
        let among = prove_frame_among(&path, 0, count.min(3));
        assert_eq!(among.is_ok(), count > 0);
        if let Ok(among) = among {
            let file = FrameFile::read_first(&path, count.min(3)).unwrap();
            assert_eq!(among.frames(), count.min(3));
            among.check(&file.root()).unwrap();
        }
        assert!(matches!(
            FrameFile::read_first(&path, count + 1),
            Err(FrameError::Count { .. })
        ));
        assert!(matches!(
            prove_frame(&path, count),
            Err(FrameError::Beyond { n, of }) if n == count && of == count
        ));
    }
}

#[test]
fn no_part_of_a_proof_can_be_changed() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("frames.jsonl");
    std::fs::write(&path, lines(13)).unwrap();
    let proof = prove_frame(&path, 6).unwrap();
    let root = proof.root();
    type Change = fn(&mut FrameProof);
    let closing = Anonymisation {
        proof_root: root.clone(),
        frames_total: 13,
        ..Default::default()
    };
    proof.check_entry(&closing).unwrap();
    let cases: [Change; 11] = [
        |p| p.frame.n = 7,
        |p| p.frame.pts = None,
        |p| p.frame.pts = Some(1),
        |p| p.frame.frame = blake3::hash(b"x").to_hex().to_string(),
        |p| p.frame.scan.push(' '),
        |p| p.frame.mask = std::mem::take(&mut p.frame.scan),
        |p| p.of = 16,
        |p| p.of = 6,
        |p| {
            p.way.pop();
        },
        |p| p.way.push(p.root),
        |p| p.root = blake3::hash(b"x"),
    ];
    for (at, change) in cases.into_iter().enumerate() {
        let mut changed = proof.clone();
        change(&mut changed);
        assert!(changed.check_entry(&closing).is_err(), "{at}");
    }
    assert!(matches!(proof.check(""), Err(FrameError::Root { .. })));
}

#[test]
fn a_file_that_is_not_one_of_frames_is_refused_with_its_line() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("frames.jsonl");
    let good = lines(4);
    let max = u64::MAX.to_string();
    let cases = [
        (good.replacen("\"n\":2", "\"n\":3", 1), 3),
        (good.trim_end().to_owned(), 4),
        (good.replacen("\n", "\n\n", 1), 2),
        (good.replacen("\"pts\":0", "\"pts\":-1", 1), 1),
        (good.replacen("\"pts\":0", &format!("\"pts\":{max}"), 1), 1),
        (good.replacen("\"frame\":\"", "\"frame\":\"0", 1), 1),
        (format!("{good}{}\n", "x".repeat(2 << 20)), 5),
        (format!("{good}\0\n"), 5),
        ("[[[[".repeat(1000) + "\n", 1),
    ];
    for (text, wanted) in cases {
        std::fs::write(&path, &text).unwrap();
        let error = FrameFile::read(&path).unwrap_err();
        assert!(
            matches!(error, FrameError::Line { line, .. } if line == wanted),
            "{wanted}: {error}"
        );
        // What stands before it is not touched by it.
        assert!(FrameFile::read_first(&path, wanted - 1).is_ok());
    }
    assert!(matches!(
        FrameFile::read(tmp.path()),
        Err(FrameError::Io { .. })
    ));
    for json in ["", "{}", "[]", &"[".repeat(1 << 20), &"x".repeat(3 << 20)] {
        assert!(FrameProof::from_json(json).is_err());
    }
}
