// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proofs of single entries: made from few files, checked without any, and against the reference.

mod support;

use std::{fs, path::Path};

use privacy_register::*;
use support::{ORIGIN, Random, at, fill};
use tlog_tiles::{
    EMPTY_HASH, HashReader, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, stored_hashes, tree_hash,
};

fn filled(dir: &Path, size: usize) -> Register {
    let mut register = Register::init(dir, ORIGIN).unwrap();
    fill(&mut register, size);
    register.checkpoint().unwrap();
    register
}

/// All hashes of a tree, as the reference stores them.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|i| self.0[*i as usize]).collect())
    }
}

impl Stored {
    fn of(bodies: &[Vec<u8>]) -> Self {
        let mut stored = Self(Vec::new());
        for (n, body) in bodies.iter().enumerate() {
            let hashes = stored_hashes(n as u64, body, &stored).unwrap();
            stored.0.extend(hashes);
        }
        stored
    }
}

/// The tiles of a directory, for the reader of the reference.
struct OnDisk<'a>(&'a Path);

impl TileReader for OnDisk<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        tiles
            .iter()
            .map(|tile| {
                let path = tile.path().replacen("tile/8/", "tile/", 1);
                fs::read(self.0.join(path)).map_err(|_| tlog_tiles::Error::InvalidTile)
            })
            .collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn hashes_of(proof: &Proof) -> Vec<Hash> {
    let text = proof.to_text();
    let (head, _) = text.split_once("\n\n").unwrap();
    head.lines()
        .skip(2)
        .map(|line| Hash::parse_hash(line).unwrap())
        .collect()
}

#[test]
fn proofs_are_those_of_the_reference() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    for size in [1, 2, 3, 7, 8, 255, 256, 257, 511, 520] {
        fill(&mut register, size);
        let checkpoint = register.checkpoint().unwrap();
        let root = Hash(*checkpoint.root());
        let reader = Reader::open(&dir).unwrap();
        assert_eq!(reader.size(), size as u64);
        let bodies: Vec<Vec<u8>> = reader
            .iter(0..u64::MAX)
            .map(|read| read.unwrap().1)
            .collect();
        assert_eq!(bodies, support::published(&dir));
        let stored = Stored::of(&bodies);
        assert_eq!(tree_hash(size as u64, &stored).unwrap(), root);
        let on_disk = OnDisk(&dir);
        let authentic = TileHashReader::new(size as u64, root, &on_disk);
        for index in (0..size as u64).filter(|i| i % 37 == 0 || *i + 3 > size as u64) {
            let body = &bodies[index as usize];
            let proof = prove(&dir, &key, index).unwrap();
            let hashes = hashes_of(&proof);
            assert_eq!(hashes, prove_record(size as u64, index, &stored).unwrap());
            assert_eq!(
                hashes,
                prove_record(size as u64, index, &authentic).unwrap()
            );
            check_record(&hashes, size as u64, root, index, record_hash(body)).unwrap();
            let text = proof.to_text();
            assert!(text.len() <= 2048);
            let record = Proof::from_text(&text).unwrap().check(body, &key).unwrap();
            assert_eq!(record.seq, index);
            assert_eq!(reader.body(index).unwrap(), *body);
        }
        for old in [1, 2, size as u64 / 2, size as u64 - 1, size as u64] {
            if old == 0 || old > size as u64 {
                continue;
            }
            let proof = consistency(&dir, old, size as u64).unwrap();
            assert_eq!(proof, prove_tree(size as u64, old, &stored).unwrap());
            let before = tree_hash(old, &stored).unwrap();
            check_tree(&proof, size as u64, root, old, before).unwrap();
        }
        assert_eq!(consistency(&dir, 0, size as u64).unwrap(), []);
    }
    assert_eq!(EMPTY_HASH, tree_hash(0, &Stored(Vec::new())).unwrap());
}

#[test]
fn no_byte_of_a_proof_or_of_its_entry_can_be_changed() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let register = filled(&dir, 21);
    let key = register.verifier_key();
    let proof = prove(&dir, &key, 13).unwrap();
    let body = Reader::open(&dir).unwrap().body(13).unwrap();
    let text = proof.to_text();
    assert!(proof.check(&body, &key).is_ok());
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        assert!(proof.check(&changed, &key).is_err(), "body, byte {at}");
        assert!(proof.check(&body[..at], &key).is_err());
    }
    for at in 0..text.len() {
        for mask in [1, 0x20] {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= mask;
            let Ok(changed) = String::from_utf8(changed) else {
                continue;
            };
            let checked = Proof::from_text(&changed).and_then(|p| p.check(&body, &key));
            assert!(checked.is_err(), "proof, byte {at}");
        }
    }
    let other = Register::init(&tmp.path().join("other"), ORIGIN).unwrap();
    assert!(matches!(
        proof.check(&body, &other.verifier_key()),
        Err(ProofError::Checkpoint(_))
    ));
}

#[test]
fn a_proof_outlives_growth_and_the_erasure_of_the_body() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let mut register = filled(&dir, 5);
    let key = register.verifier_key();
    let early = prove(&dir, &key, 2).unwrap();
    let body = Reader::open(&dir).unwrap().body(2).unwrap();
    fill(&mut register, 300);
    register.checkpoint().unwrap();
    assert!(early.check(&body, &key).is_ok());
    register.purge(at(4), "three years", at(300)).unwrap();
    register.checkpoint().unwrap();
    let reader = Reader::open(&dir).unwrap();
    assert_eq!(reader.body(2).unwrap(), b"");
    // Whoever kept the body can still have it proved, under today's checkpoint too.
    let late = prove(&dir, &key, 2).unwrap();
    for proof in [early, late] {
        assert!(proof.check(&body, &key).is_ok());
        let error = proof.check(b"", &key).unwrap_err();
        assert!(matches!(error, ProofError::Erased(2)), "{error}");
    }
}

#[test]
fn nothing_damaged_is_proved_and_the_file_is_named() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let whole = tmp.path().join("whole");
    let key = filled(&whole, 300).verifier_key();
    support::copy(&whole, &dir);
    for (path, needs) in [
        ("tile/0/000", 0),
        ("tile/0/001.p/44", 299),
        ("tile/1/000.p/1", 299),
    ] {
        let full = dir.join(path);
        let good = fs::read(&full).unwrap();
        // Some hashes of a tile are not needed for every entry, and a proof without them is true.
        for proof in (0..300)
            .step_by(23)
            .filter_map(|i| prove(&dir, &key, i).ok())
        {
            let body = Reader::open(&dir).unwrap().body(proof.index()).unwrap();
            proof.check(&body, &key).unwrap();
        }
        for at in (0..good.len()).step_by(31) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            fs::write(&full, &bad).unwrap();
            for index in [0, 7, 255, 256, 299] {
                match prove(&dir, &key, index) {
                    Ok(proof) => {
                        let body = Reader::open(&dir).unwrap().body(index).unwrap();
                        proof.check(&body, &key).unwrap();
                    }
                    Err(ProofError::Root(_) | ProofError::Changed(_)) => {}
                    Err(e) => panic!("{path} {at} {index}: {e}"),
                }
            }
        }
        fs::write(&full, &good[..40.min(good.len() - 1)]).unwrap();
        let error = prove(&dir, &key, needs).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        fs::remove_file(&full).unwrap();
        let error = prove(&dir, &key, needs).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        fs::write(&full, &good).unwrap();
    }
    let bundle = dir.join("tile/entries/001.p/44");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[20] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert!(matches!(
        prove(&dir, &key, 256),
        Err(ProofError::Changed(name)) if name.index == 256
    ));
    assert!(prove(&dir, &key, 257).is_ok());
}

#[test]
fn whatever_stands_in_the_place_of_a_file_is_an_error_and_nobody_waits() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let register = filled(&dir, 260);
    let key = register.verifier_key();
    let mut random = Random(7);
    for path in support::files_below(&dir) {
        let relative = path.strip_prefix(&dir).unwrap().to_owned();
        if relative.starts_with("keys") || relative == Path::new("register.pub") {
            continue;
        }
        let good = fs::read(&path).unwrap();
        let attempt = |what: &str| {
            for index in [0, 3, 255, 256, 259, 260, u64::MAX] {
                let reader = Reader::open(&dir);
                if let (Ok(proof), Ok(reader)) = (prove(&dir, &key, index), &reader) {
                    let body = reader.body(index).unwrap();
                    proof.check(&body, &key).unwrap();
                }
                let _ = reader.map(|r| (r.body(index), r.iter(0..u64::MAX).count()));
            }
            let _ = consistency(&dir, 17, 259);
            let verified = verify(&dir, &key);
            // An empty file is what the lock is; nothing else passes.
            assert!(
                verified.is_err() || relative == Path::new("lock"),
                "{what} in the place of {}",
                relative.display()
            );
        };
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        attempt("a pipe");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        attempt("a folder");
        fs::remove_dir(&path).unwrap();
        let huge = fs::File::create(&path).unwrap();
        huge.set_len(2 << 30).unwrap();
        attempt("two gigabytes");
        for length in [1, 31, 700] {
            let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            fs::write(&path, bytes).unwrap();
            attempt("random bytes");
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(verify(&dir, &key).is_ok());
}

#[test]
fn a_reader_streams_any_range() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    filled(&dir, 520);
    let reader = Reader::open(&dir).unwrap();
    for range in [
        0..0,
        0..1,
        0..520,
        5..6,
        200..300,
        255..257,
        256..512,
        519..600,
        600..700,
    ] {
        let read: Vec<(u64, Vec<u8>)> = reader.iter(range.clone()).map(Result::unwrap).collect();
        let wanted: Vec<u64> = (range.start..range.end.min(520)).collect();
        assert_eq!(read.iter().map(|(n, _)| *n).collect::<Vec<_>>(), wanted);
        for (n, body) in read {
            assert_eq!(Record::from_bytes(&body).unwrap().seq, n);
        }
    }
    let error = reader.body(520).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Beyond {
                index: 520,
                size: 520
            }
        ),
        "{error}"
    );
    let error = Reader::open(tmp.path()).unwrap_err();
    assert!(matches!(error, ReadError::Io { .. }), "{error}");
}

#[test]
fn a_proof_leads_to_the_checkpoint_that_witnesses_have_seen() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("r");
    let mut register = filled(&dir, 3);
    let key = register.verifier_key();
    // What witnesses add is not looked at here, so a checkpoint without any of them does.
    let witnessed = register.checkpoint().unwrap();
    fill(&mut register, 300);
    let present = register.checkpoint().unwrap();
    fs::write(dir.join("witnessed"), witnessed.bytes()).unwrap();
    let reader = Reader::open(&dir).unwrap();
    for (index, leads_to) in [
        (0, &witnessed),
        (2, &witnessed),
        (3, &present),
        (299, &present),
    ] {
        let proof = prove(&dir, &key, index).unwrap();
        assert_eq!(proof.checkpoint(), leads_to.bytes(), "entry {index}");
        proof.check(&reader.body(index).unwrap(), &key).unwrap();
    }
    // One that is not to be believed is not passed over in silence.
    let other = filled(&tmp.path().join("other"), 3).checkpoint().unwrap();
    fs::write(dir.join("witnessed"), other.bytes()).unwrap();
    let error = prove(&dir, &key, 0).unwrap_err();
    assert!(matches!(error, ProofError::Witnessed(_)), "{error}");
}
