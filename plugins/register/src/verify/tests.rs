// SPDX-License-Identifier: MIT OR Apache-2.0
//! Claims of any size, and journals in every state.

use tlog_tiles::{Hash, check_tree, record_hash};

use super::*;
use crate::{
    Agent, Entry, Operation, Reader, Record, Register, SCHEMA, SigningKey, consistency,
    error::OpenError,
    journal::{FIRST_LENGTH, Journal, Staged, lock},
    prove,
    tree::Tree,
};

/// A signed size is a claim like any other: the answer comes at the first entry that is not there.
#[test]
fn a_checkpoint_over_more_entries_than_there_are_is_answered_at_once() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    drop(Register::init(&dir, "gst-privacy/test").unwrap());
    let key = SigningKey::load(&files::default_key(&dir)).unwrap();
    for name in [files::JOURNAL, files::LOCK] {
        std::fs::remove_file(dir.join(name)).unwrap();
    }
    for size in [1, 256, 257, 1 << 40, 1 << 62] {
        let claim = SignedCheckpoint::sign(&key, size, Hash([7; 32])).unwrap();
        std::fs::write(dir.join(files::CHECKPOINT), claim.bytes()).unwrap();
        let error = verify(&dir, key.verifier()).unwrap_err();
        assert!(
            matches!(error, VerifyError::Missing { first: 0, .. }),
            "{size}: {error}"
        );
        for index in [0, size - 1] {
            assert!(prove(&dir, key.verifier(), index).is_err());
        }
        assert!(consistency(&dir, 1, size).is_err() || size == 1);
        assert!(matches!(
            Register::open(&dir, None),
            Err(OpenError::Damaged { .. } | OpenError::Journal { .. })
        ));
        std::fs::remove_file(dir.join(files::LOCK)).unwrap();
    }
}

fn body(seq: u64) -> Vec<u8> {
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "p".into();
    entry.motif = format!("m {seq}");
    entry.agent = Some(Agent {
        id: "a".into(),
        ..Default::default()
    });
    Record {
        schema: SCHEMA.into(),
        seq,
        timestamp: jiff::Timestamp::from_second(1_800_000_000 + seq as i64).unwrap(),
        salt: format!("{seq:032x}"),
        entry,
    }
    .to_bytes()
    .unwrap()
}

/// A register of `published` entries, and what its writer knows.
struct Made {
    dir: PathBuf,
    key: SigningKey,
    tree: Tree,
    _tmp: tempfile::TempDir,
}

fn write(staged: Staged) {
    let disk = staged.disk();
    staged.write(&mut lock(&disk)).unwrap();
}

impl Made {
    fn new(published: u64) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("r");
        drop(Register::init(&dir, "gst-privacy/test").unwrap());
        let key = SigningKey::load(&files::default_key(&dir)).unwrap();
        let mut made = Self {
            dir,
            key,
            tree: Tree::default(),
            _tmp: tmp,
        };
        made.publish(published);
        made.journal(published);
        made
    }

    fn write(&self, relative: &str, bytes: &[u8]) {
        files::write_durable(&self.dir, relative, bytes).unwrap();
    }

    /// Publishes the next entries up to `size`.
    fn publish(&mut self, size: u64) {
        let first = self.tree.size();
        for index in first / TILE_WIDTH..size.div_ceil(TILE_WIDTH) {
            self.bundle(index, size);
        }
        for seq in first..size {
            for tile in self.tree.push(record_hash(&body(seq))) {
                self.write(
                    &files::tile_path(tile.level, tile.index, tile.width),
                    &tile.bytes,
                );
            }
        }
        for tile in self.tree.partial_tiles() {
            self.write(
                &files::tile_path(tile.level, tile.index, tile.width),
                &tile.bytes,
            );
        }
        self.write(files::CHECKPOINT, self.head().bytes());
    }

    fn bundle(&self, index: u64, size: u64) {
        let mut bundle = Vec::new();
        let end = size.min((index + 1) * TILE_WIDTH);
        for seq in index * TILE_WIDTH..end {
            files::add_to_bundle(&mut bundle, &body(seq));
        }
        let width = end - index * TILE_WIDTH;
        self.write(&files::bundle_path(index, width as u32), &bundle);
    }

    fn head(&self) -> SignedCheckpoint {
        SignedCheckpoint::sign(&self.key, self.tree.size(), self.tree.root()).unwrap()
    }

    /// An empty journal over the first `base` entries.
    fn journal(&self, base: u64) -> Journal {
        let mut tree = Tree::default();
        for seq in 0..base {
            tree.push(record_hash(&body(seq)));
        }
        Journal::create(&self.dir, FIRST_LENGTH, base, tree.root()).unwrap()
    }

    /// Commits the entries of `range`; returns the tree with them.
    fn commit(&self, journal: &mut Journal, mut tree: Tree, end: u64) -> Tree {
        let mut commit = journal.begin_commit();
        for seq in tree.size()..end {
            tree.push(commit.entry([&body(seq), b""]));
        }
        let head = SignedCheckpoint::sign(&self.key, end, tree.root()).unwrap();
        write(journal.stage(commit, head.bytes(), Tree::default()));
        tree
    }

    fn verify(&self) -> Result<Report, VerifyError> {
        verify(&self.dir, self.key.verifier())
    }
}

#[test]
fn the_journal_goes_on_where_the_checkpoint_ends() {
    for published in [0, 1, 5, 255, 256, 257] {
        let made = Made::new(published);
        let mut journal = made.journal(published);
        let report = made.verify().unwrap();
        assert_eq!((report.entries, report.unpublished), (published, 0));
        let mut tree = made.tree.clone();
        for more in [1, 3, 260] {
            let size = published + more;
            let early = (tree.size(), tree.root());
            tree = made.commit(&mut journal, tree, size);
            let report = made.verify().unwrap();
            assert_eq!((report.entries, report.unpublished), (size, more));
            assert_eq!(*report.checkpoint.root(), tree.root().0);
            assert_eq!(report.checkpoint.size(), size);

            let reader = Reader::open(&made.dir).unwrap();
            assert_eq!((reader.size(), reader.published()), (size, published));
            let read: Vec<_> = reader.iter(0..u64::MAX).map(Result::unwrap).collect();
            let wanted: Vec<_> = (0..size).map(|seq| (seq, body(seq))).collect();
            assert_eq!(read, wanted);
            for index in [0, published.saturating_sub(1), published, size - 1] {
                assert_eq!(reader.body(index).unwrap(), body(index));
                let proof = prove(&made.dir, made.key.verifier(), index).unwrap();
                let checked = proof.check(&body(index), made.key.verifier()).unwrap();
                assert_eq!(checked.seq, index);
            }
            assert!(prove(&made.dir, made.key.verifier(), size).is_err());
            let (old, root) = early;
            let proof = consistency(&made.dir, old, size).unwrap();
            if old > 0 {
                check_tree(&proof, size, tree.root(), old, root).unwrap();
            }
            // A checkpoint that only the journal ever held is a beginning, too.
            let earlier = SignedCheckpoint::sign(&made.key, old, root).unwrap();
            verify_since(&made.dir, made.key.verifier(), earlier.bytes()).unwrap();
            let forged = SignedCheckpoint::sign(&made.key, size - 1, Hash([1; 32])).unwrap();
            assert!(matches!(
                verify_since(&made.dir, made.key.verifier(), forged.bytes()),
                Err(VerifyError::Forked { .. })
            ));
            let beyond = SignedCheckpoint::sign(&made.key, size + 1, tree.root()).unwrap();
            assert!(matches!(
                verify_since(&made.dir, made.key.verifier(), beyond.bytes()),
                Err(VerifyError::Forked { .. })
            ));
        }
    }
}

#[test]
fn what_a_crash_leaves_of_publishing_is_no_fault() {
    let mut made = Made::new(250);
    let mut journal = made.journal(250);
    let tree = made.commit(&mut journal, made.tree.clone(), 600);
    // Some bundles, then all of them, then tiles, then the checkpoint: the journal holds it all as well.
    for index in [0, 1, 2] {
        made.bundle(index, 600);
        let report = made.verify().unwrap();
        assert_eq!((report.entries, report.unpublished), (600, 350), "{index}");
    }
    made.publish(600);
    let report = made.verify().unwrap();
    assert_eq!((report.entries, report.unpublished), (600, 0));
    assert_eq!(Reader::open(&made.dir).unwrap().size(), 600);
    assert_eq!(*report.checkpoint.root(), tree.root().0);

    // An entry that is in neither is added by somebody.
    let mut bundle = std::fs::read(made.dir.join(files::bundle_path(2, 88))).unwrap();
    files::add_to_bundle(&mut bundle, &body(600));
    made.write(&files::bundle_path(2, 89), &bundle);
    assert!(matches!(
        made.verify(),
        Err(VerifyError::Unsigned(name)) if name.index == 600
    ));
}

#[test]
fn a_journal_that_does_not_follow_is_refused() {
    let fork = |result: Result<Report, VerifyError>| {
        matches!(result, Err(VerifyError::Journal(JournalFault::Fork { .. })))
    };
    // Another history, signed or not.
    let made = Made::new(5);
    let mut other = Tree::default();
    for seq in 1..6 {
        other.push(record_hash(&body(seq)));
    }
    let mut journal = Journal::create(&made.dir, FIRST_LENGTH, 5, other.root()).unwrap();
    assert!(fork(made.verify()));
    made.commit(&mut journal, other, 6);
    assert!(fork(made.verify()));

    // The right entries under another's head, or under one over fewer.
    for (size, key) in [
        (6, SigningKey::generate("gst-privacy/test").unwrap()),
        (5, made.key.clone()),
        (7, made.key.clone()),
    ] {
        let mut journal = made.journal(5);
        let mut commit = journal.begin_commit();
        let mut tree = made.tree.clone();
        tree.push(commit.entry([&body(5), b""]));
        let head = SignedCheckpoint::sign(&key, size, tree.root()).unwrap();
        write(journal.stage(commit, head.bytes(), Tree::default()));
        assert!(fork(made.verify()), "{size}");
        assert!(prove(&made.dir, made.key.verifier(), 5).is_err());
    }

    // An entry that the head does not cover.
    let mut journal = made.journal(5);
    let mut commit = journal.begin_commit();
    commit.entry([&body(6), b""]);
    let mut tree = made.tree.clone();
    tree.push(record_hash(&body(5)));
    let head = SignedCheckpoint::sign(&made.key, 6, tree.root()).unwrap();
    write(journal.stage(commit, head.bytes(), Tree::default()));
    assert!(fork(made.verify()));

    // A copy of an earlier time in the place of one of the two.
    let mut made = Made::new(5);
    let mut journal = made.journal(5);
    made.commit(&mut journal, made.tree.clone(), 9);
    made.publish(300);
    assert!(matches!(
        made.verify(),
        Err(VerifyError::Journal(JournalFault::Behind {
            end: 9,
            size: 300
        }))
    ));
    assert!(Reader::open(&made.dir).is_err());
    made.journal(301);
    assert!(matches!(
        made.verify(),
        Err(VerifyError::Journal(JournalFault::Ahead {
            base: 301,
            size: 300
        }))
    ));
    assert!(prove(&made.dir, made.key.verifier(), 300).is_err());
    // Without any, what is published still verifies, where that is a copy to be read and nothing else is missing.
    std::fs::remove_file(made.dir.join(files::JOURNAL)).unwrap();
    assert!(matches!(
        made.verify(),
        Err(VerifyError::Journal(JournalFault::Missing))
    ));
    std::fs::remove_file(made.dir.join(files::LOCK)).unwrap();
    assert_eq!(made.verify().unwrap().entries, 300);
}

#[test]
fn every_changed_byte_of_a_journal_is_found() {
    let made = Made::new(3);
    let mut journal = made.journal(3);
    let tree = made.commit(&mut journal, made.tree.clone(), 5);
    made.commit(&mut journal, tree, 6);
    let end = journal.place.end as usize;
    drop(journal);
    let path = made.dir.join(files::JOURNAL);
    let good = std::fs::read(&path).unwrap();
    let mut unnoticed = Vec::new();
    // Between the two copies of the header there is nothing.
    let idle = |at: &usize| *at < 8192 && at % 4096 > 110 && !at.is_multiple_of(97);
    for at in (0..end).filter(|at| !idle(at)) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        match made.verify() {
            Err(_) => {}
            Ok(report) => {
                assert_eq!(report.entries, 6, "byte {at}");
                unnoticed.push(at);
            }
        }
    }
    // One of the two copies of the header, and what is between them, may change: the other one holds.
    assert!(unnoticed.iter().all(|at| *at < 8192), "{unnoticed:?}");
    std::fs::write(&path, &good).unwrap();
    assert_eq!(made.verify().unwrap().entries, 6);
    for length in [0, 100, 8192, good.len() - 1] {
        std::fs::write(&path, &good[..length]).unwrap();
        assert!(matches!(made.verify(), Err(VerifyError::Journal(_))));
    }
}
