// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verifying registers of several bundles: where the fault is, and that work going on is none.

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use privacy_register::*;
use support::{ORIGIN, Random, at, copy, entry, fill};

fn filled(dir: &Path, size: usize) -> Register {
    let mut register = Register::init(dir, ORIGIN).unwrap();
    fill(&mut register, size);
    register.checkpoint().unwrap();
    register
}

/// Where body `n` starts in its bundle.
fn place(bundle: &[u8], n: usize) -> usize {
    let mut at = 0;
    for _ in 0..n {
        at += 2 + usize::from(u16::from_be_bytes([bundle[at], bundle[at + 1]]));
    }
    at + 2
}

#[test]
fn faults_in_any_bundle_are_found_and_the_first_is_named() {
    let tmp = tempfile::tempdir().unwrap();
    let whole = tmp.path().join("whole");
    let key = filled(&whole, 1100).verifier_key();
    let report = verify(&whole, &key).unwrap();
    assert_eq!((report.entries, report.unpublished), (1100, 0));
    assert_eq!(support::published(&whole).len(), 1100);
    let dir = tmp.path().join("r");

    // The entry that was changed is named, also where a later one was too.
    for changed in [
        vec![300],
        vec![1023, 700],
        vec![0, 1099],
        vec![1099],
        vec![512, 511],
    ] {
        copy(&whole, &dir);
        for n in &changed {
            let (bundle, within) = (n / 256, n % 256);
            let partial = if bundle == 4 { ".p/76" } else { "" };
            let path = dir.join(format!("tile/entries/{bundle:03}{partial}"));
            let mut bytes = fs::read(&path).unwrap();
            let start = place(&bytes, within);
            // In the words of the reason, so that the rest can still be read.
            let motif = bytes[start..]
                .windows(5)
                .position(|w| w == b"motif")
                .unwrap();
            bytes[start + motif + 8] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
        let first = *changed.iter().min().unwrap() as u64;
        match verify(&dir, &key).unwrap_err() {
            VerifyError::Changed(name) => {
                assert_eq!(name.index, first);
                assert!(name.readable.is_some());
            }
            e => panic!("{changed:?}: {e}"),
        }
    }

    // A bundle in the middle is gone, or cut short, or another's.
    type Harm = fn(&Path);
    let cases: [(Harm, &str); 7] = [
        (
            |dir| fs::remove_file(dir.join("tile/entries/001")).unwrap(),
            "entries 256 to 1099 are missing",
        ),
        (
            |dir| {
                let path = dir.join("tile/entries/002");
                let mut bytes = fs::read(&path).unwrap();
                bytes.truncate(place(&bytes, 3) - 2);
                fs::write(path, bytes).unwrap();
            },
            "entries 515 to 1099 are missing",
        ),
        (
            |dir| {
                fs::copy(dir.join("tile/entries/002"), dir.join("tile/entries/001")).unwrap();
            },
            "entry 256 ",
        ),
        (
            |dir| {
                fs::copy(dir.join("tile/entries/002"), dir.join("tile/entries/001")).unwrap();
                fs::copy(dir.join("tile/0/002"), dir.join("tile/0/001")).unwrap();
            },
            "entries 256 to 511: some of them, and their hashes with them",
        ),
        (
            |dir| fs::remove_file(dir.join("tile/0/003")).unwrap(),
            "the hash file tile/0/003 is damaged (it covers entries 768 to 1023",
        ),
        (
            |dir| fs::write(dir.join("tile/1/000.p/4"), [0; 128]).unwrap(),
            "the hash file tile/1/000.p/4 is damaged (it covers entries 0 to 1023",
        ),
        (
            |dir| {
                let path = dir.join("tile/entries/000");
                let mut bytes = fs::read(&path).unwrap();
                bytes.extend([0, 1, b'x']);
                fs::write(path, bytes).unwrap();
            },
            "entry 255 ",
        ),
    ];
    for (harm, wanted) in cases {
        copy(&whole, &dir);
        harm(&dir);
        let text = verify(&dir, &key).unwrap_err().to_string();
        assert!(text.starts_with(wanted), "{wanted}: {text}");
    }
}

#[test]
fn an_earlier_checkpoint_of_any_size_is_found_again() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, other) = (tmp.path().join("r"), tmp.path().join("other"));
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    // Another history under the same key.
    copy(&dir, &other);
    fs::set_permissions(
        other.join("keys/register.key"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let mut fork = Register::open(&other, None).unwrap();
    let sizes = [0, 1, 100, 255, 256, 257, 400, 512, 600];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for size in sizes {
        fill(&mut register, size);
        ours.push(register.checkpoint().unwrap());
        for n in fork.size() as usize..size {
            let n = if n == 0 { 1 } else { n };
            fork.append_at(&entry(n), at(n)).unwrap();
        }
        theirs.push(fork.checkpoint().unwrap());
    }
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(verify_since(&dir, &key, ours.bytes()).unwrap().entries, 600);
        match verify_since(&dir, &key, theirs.bytes()) {
            Err(VerifyError::Forked { size }) => assert_eq!(size, theirs.size()),
            result => assert_eq!((theirs.size(), result.is_ok()), (0, true)),
        }
    }
    fill(&mut register, 601);
    let later = register.checkpoint().unwrap();
    copy(&other, &dir);
    assert!(matches!(
        verify_since(&dir, &key, later.bytes()),
        Err(VerifyError::Forked { size: 601 })
    ));
}

#[test]
fn work_that_goes_on_is_no_fault() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let mut register = filled(&dir, 500);
    let key = register.verifier_key();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..4 {
                let size = register.size() as usize;
                fill(&mut register, size + 90);
                register
                    .purge(at(100 * (round + 1)), "three years", at(size + 90))
                    .unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut random = Random(1);
        let (mut verified, mut most) = (0, 0);
        while !done.load(Ordering::Relaxed) || verified == 0 {
            let report = verify(&dir, &key).unwrap_or_else(|e| panic!("{e}"));
            assert!(report.entries >= most, "a register only grows");
            most = report.entries;
            verified += 1;
            let reader = Reader::open(&dir).unwrap();
            let index = random.below(reader.size() as usize) as u64;
            let proof = prove(&dir, &key, index).unwrap_or_else(|e| panic!("{index}: {e}"));
            let body = reader.body(index).unwrap();
            if !body.is_empty() {
                proof.check(&body, &key).unwrap();
            }
        }
    });
    let report = verify(&dir, &key).unwrap();
    assert_eq!((report.entries, report.erased), (864, 400));
}

#[test]
fn a_copy_on_a_read_only_medium_verifies() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let key = filled(&dir, 270).verifier_key();
    // As it may be handed over: without the key, without the lock.
    fs::remove_dir_all(dir.join("keys")).unwrap();
    fs::remove_file(dir.join("lock")).unwrap();
    let before = support::files_below(&dir);
    let mut folders = vec![dir.clone()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
            }
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    }
    assert_eq!(verify(&dir, &key).unwrap().entries, 270);
    let reader = Reader::open(&dir).unwrap();
    assert_eq!(reader.iter(0..270).filter(Result::is_ok).count(), 270);
    let proof = prove(&dir, &key, 269).unwrap();
    proof.check(&reader.body(269).unwrap(), &key).unwrap();
    assert_eq!(support::files_below(&dir), before, "nothing is written");
    for folder in ["", "tile", "tile/0", "tile/1", "tile/entries"] {
        let _ = fs::set_permissions(dir.join(folder), fs::Permissions::from_mode(0o755));
    }
}

#[test]
fn segments_continue_an_open_session_and_no_other() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    let phase = |phase, session: &str, prior| {
        let mut entry = entry(0);
        entry.phase = Some(phase);
        entry.session = session.into();
        entry.prior_entry_seq = prior;
        entry
    };
    register.append(&phase(Phase::Open, "a", None)).unwrap();
    register.append(&phase(Phase::Open, "b", None)).unwrap();
    for _ in 0..3 {
        register
            .append(&phase(Phase::Segment, "a", Some(0)))
            .unwrap();
    }
    register.append(&phase(Phase::Close, "a", Some(0))).unwrap();
    register.checkpoint().unwrap();
    let report = verify(&dir, &key).unwrap();
    assert_eq!((report.sessions, report.interrupted.len()), (2, 1));
    assert_eq!(report.interrupted[0].session, "b");
    assert!(register.append(&phase(Phase::Segment, "b", None)).is_err());

    for (session, prior, wanted) in [
        ("a", 0, "entry 6 (consult"),
        ("a", 1, "another session"),
        ("a", 9, "comes after it"),
    ] {
        let copied = tmp.path().join(format!("{prior}"));
        copy(&dir, &copied);
        let mut copied = Register::open(&copied, None).unwrap();
        copied
            .append(&phase(Phase::Segment, session, Some(prior)))
            .unwrap();
        copied.checkpoint().unwrap();
        let text = verify(copied.dir(), &key).unwrap_err().to_string();
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn readers_have_their_turn_among_many_writers() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let key = filled(&dir, 20).verifier_key();
    let writers = AtomicUsize::new(4);
    thread::scope(|scope| {
        for writer in 0..4 {
            let (dir, writers) = (&dir, &writers);
            scope.spawn(move || {
                let mut register = Register::open(dir, None).unwrap();
                for n in 0..250 {
                    register.append(&entry(writer * 1000 + n)).unwrap();
                }
                writers.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut random = Random(3);
        let mut most = 0;
        while writers.load(Ordering::Relaxed) > 0 {
            let report = verify(&dir, &key).unwrap_or_else(|e| panic!("{e}"));
            assert!(report.entries >= most, "a register only grows");
            let reader = Reader::open(&dir).unwrap();
            assert!(reader.size() >= report.entries);
            most = reader.size();
            let last = most - 1 - random.below(20) as u64;
            let proof = prove(&dir, &key, last).unwrap_or_else(|e| panic!("{last}: {e}"));
            proof.check(&reader.body(last).unwrap(), &key).unwrap();
            let old = report.entries - random.below(20) as u64;
            consistency(&dir, old, report.entries).unwrap();
            verify_since(&dir, &key, report.checkpoint.bytes()).unwrap();
        }
    });
    let report = verify(&dir, &key).unwrap();
    assert_eq!(report.entries, 1020);
}

#[test]
fn an_erasure_that_was_cut_off_is_told_from_a_forgery() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, before) = (tmp.path().join("r"), tmp.path().join("before"));
    let mut register = filled(&dir, 3);
    let key = register.verifier_key();
    fill(&mut register, 5);
    register.checkpoint().unwrap();
    copy(&dir, &before);
    register.purge(at(2), "three years", at(5)).unwrap();
    register.checkpoint().unwrap();
    assert_eq!(verify(&dir, &key).unwrap().erased, 2);
    // A copy for readers of an earlier checkpoint that the power cut left.
    let copies = "tile/entries/000.p";
    let left = fs::read(before.join(copies).join("3")).unwrap();
    fs::write(dir.join(copies).join("3"), &left).unwrap();
    match verify(&dir, &key).unwrap_err() {
        VerifyError::Unpurged { path, entry } => {
            assert_eq!((path.as_str(), entry), ("tile/entries/000.p/3", 0));
        }
        e => panic!("{e}"),
    }
    // The same with another body in it is the work of a hand.
    let mut forged = left.clone();
    let motif = left.windows(5).position(|w| w == b"motif").unwrap();
    forged[motif + 8] ^= 1;
    fs::write(dir.join(copies).join("3"), &forged).unwrap();
    assert!(matches!(
        verify(&dir, &key),
        Err(VerifyError::Stale { entry: 0, .. })
    ));
    // And a body that nobody said was erased is that, whatever else still has it.
    let bundle = fs::read(before.join(copies).join("5")).unwrap();
    let length = usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
    let emptied = [&[0, 0], &bundle[2 + length..]].concat();
    fs::write(before.join(copies).join("5"), emptied).unwrap();
    assert!(matches!(verify(&before, &key), Err(VerifyError::Erased(0))));
}
