// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waits in the journal: changed, cut, restored from another time, shared between sessions and processes.

#[expect(dead_code, reason = "other tests need the rest")]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use privacy_register::*;
use support::{ORIGIN, Random, at, copy, entry, fill};

/// A register of `entries` published and `waiting` unpublished entries, copied while its writer runs.
fn waiting(entries: usize, waiting: usize) -> (tempfile::TempDir, PathBuf, VerifierKey) {
    // In memory, where there is such a folder: these registers are opened thousands of times.
    let memory = Path::new("/dev/shm");
    let tmp = match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    };
    let (work, dir) = (tmp.path().join("work"), tmp.path().join("register"));
    let mut register = Register::init(&work, ORIGIN).unwrap();
    fill(&mut register, entries);
    register.publish().unwrap();
    fill(&mut register, entries + waiting);
    copy(&work, &dir);
    (tmp, dir, register.verifier_key())
}

fn bodies(dir: &Path) -> Vec<Vec<u8>> {
    let reader = Reader::open(dir).unwrap();
    let entries = reader.iter(0..reader.size());
    entries.map(|entry| entry.unwrap().1).collect()
}

#[test]
fn what_waits_is_read_like_the_rest_and_published_by_the_next_writer() {
    let (_tmp, dir, key) = waiting(3, 4);
    let before = bodies(&dir);
    assert_eq!(before.len(), 7);
    let pending = journal::read(&dir).unwrap();
    assert_eq!((pending.base, pending.covered, pending.torn), (3, 4, false));
    assert_eq!(pending.entries, before[3..]);
    let head = SignedCheckpoint::verify(&pending.head.unwrap(), &key).unwrap();
    assert_eq!(head.size(), 7);
    assert!(!dir.join("tile/entries/000.p/7").exists());

    let mut register = Register::open(&dir, None).unwrap();
    assert_eq!(register.size(), 7);
    assert!(dir.join("tile/entries/000.p/7").exists());
    assert_eq!(fs::read(dir.join("checkpoint")).unwrap(), head.bytes());
    assert_eq!(journal::read(&dir).unwrap().entries.len(), 0);
    assert_eq!(bodies(&dir), before);
    for n in [1, 2, 4, 5, 6] {
        let there = dir.join(format!("tile/entries/000.p/{n}")).exists();
        assert!(!there, "width {n} was never published");
    }
    assert!(dir.join("tile/entries/000.p/3").exists(), "this one was");
    assert_eq!(register.checkpoint().unwrap(), head);
}

/// No changed byte is taken for what was signed: a register opens with all that was acknowledged, or without the last
/// commit where that is the one that is not whole, or says that it was changed.
#[test]
fn each_flipped_byte_is_refused_or_undoes_only_the_last_commit() {
    let (tmp, whole, key) = waiting(2, 3);
    let dir = tmp.path().join("flipped");
    let bytes = fs::read(whole.join("journal")).unwrap();
    let all = bodies(&whole);
    let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    let (mut refused, mut shortened, mut unchanged) = (0, 0, 0);
    copy(&whole, &dir);
    for at in (0..used).filter(|at| at % 4096 < 104 || *at >= 8192 || at % 100 == 0) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(dir.join("journal"), &changed).unwrap();
        let verdict = verify(&dir, &key);
        match Register::open(&dir, None) {
            Ok(register) => {
                let now = bodies(&dir);
                assert_eq!(now.len() as u64, register.size());
                assert!(
                    now.len() >= all.len() - 1,
                    "byte {at}: {} entries",
                    now.len()
                );
                assert_eq!(now, all[..now.len()], "byte {at}");
                assert_eq!(verify(&dir, &key).unwrap().entries, now.len() as u64);
                if now.len() < all.len() {
                    shortened += 1;
                    assert!(
                        matches!(verdict, Err(VerifyError::Unsigned(_))),
                        "byte {at}: {verdict:?}"
                    );
                } else {
                    unchanged += 1;
                }
                drop(register);
                copy(&whole, &dir);
            }
            Err(error) => {
                assert!(
                    matches!(error, OpenError::Journal { .. }),
                    "byte {at}: {error}"
                );
                assert!(error.to_string().contains("journal"), "{error}");
                assert!(verdict.is_err(), "byte {at}");
                refused += 1;
            }
        }
    }
    // The last of three commits, the two before it, and the headers with the zeros behind them.
    assert!(
        shortened > 400 && refused > 800 && unchanged > 100,
        "{shortened} {refused} {unchanged}"
    );
}

#[test]
fn a_journal_cut_anywhere_is_refused_and_nothing_is_made_anew() {
    let (_tmp, dir, key) = waiting(2, 3);
    let bytes = fs::read(dir.join("journal")).unwrap();
    let mut random = Random(6);
    for _ in 0..300 {
        let length = random.below(bytes.len());
        fs::write(dir.join("journal"), &bytes[..length]).unwrap();
        let error = Register::open(&dir, None).unwrap_err();
        assert!(
            matches!(error, OpenError::Journal { .. }),
            "{length}: {error}"
        );
        assert!(verify(&dir, &key).is_err());
        assert_eq!(fs::read(dir.join("journal")).unwrap(), bytes[..length]);
    }
    fs::remove_file(dir.join("journal")).unwrap();
    let error = Register::open(&dir, None).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Journal {
                source: JournalFault::Missing,
                ..
            }
        ),
        "{error}"
    );
    assert!(!dir.join("journal").exists());
    fs::write(dir.join("journal"), bytes).unwrap();
    assert_eq!(Register::open(&dir, None).unwrap().size(), 5);
}

/// Blocks of the file changed at random: what opens is a beginning of what was acknowledged, whatever was at work.
#[test]
fn random_damage_never_shows_other_entries() {
    let (tmp, whole, key) = waiting(1, 12);
    let dir = tmp.path().join("damaged");
    let bytes = fs::read(whole.join("journal")).unwrap();
    let all = bodies(&whole);
    let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    let mut random = Random(20_261_122);
    for round in 0..400 {
        copy(&whole, &dir);
        let mut changed = bytes.clone();
        for _ in 0..=random.below(3) {
            let length = 1 + random.below(700);
            let (from, to) = (random.below(used), random.below(used));
            for n in 0..length {
                // Other bytes of the same file, or zeros.
                changed[to + n] = if round % 2 == 0 { bytes[from + n] } else { 0 };
            }
        }
        fs::write(dir.join("journal"), &changed).unwrap();
        let _ = verify(&dir, &key);
        let _ = journal::read(&dir);
        if let Ok(register) = Register::open(&dir, None) {
            let now = bodies(&dir);
            assert_eq!(now, all[..now.len()], "round {round}");
            assert_eq!(verify(&dir, &key).unwrap().entries, register.size());
        }
    }
}

#[test]
fn a_copy_of_another_time_in_one_of_the_two_places_is_refused_by_name() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, mixed) = (tmp.path().join("register"), tmp.path().join("mixed"));
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    let keep = |name: &str| copy(&dir, &tmp.path().join(name));
    fill(&mut register, 3);
    register.publish().unwrap();
    fill(&mut register, 5);
    keep("early");
    fill(&mut register, 7);
    register.publish().unwrap();
    fill(&mut register, 9);
    keep("late");
    drop(register);
    for (checkpoint, journal, old) in [
        ("early", "late", "checkpoint"),
        ("late", "early", "journal"),
    ] {
        copy(&tmp.path().join("late"), &mixed);
        for (file, from) in [("checkpoint", checkpoint), ("journal", journal)] {
            fs::copy(tmp.path().join(from).join(file), mixed.join(file)).unwrap();
        }
        let error = Register::open(&mixed, None).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, OpenError::Journal { .. }), "{text}");
        let named = match old {
            "journal" => "an old copy of the journal was restored",
            _ => "an old copy of the checkpoint was restored",
        };
        assert!(text.contains(named), "{text}");
        assert!(verify(&mixed, &key).is_err());
        // The tiles are untouched.
        assert!(mixed.join("tile/entries/000.p/7").exists());
    }
    // The journal of another register with the same key.
    let other = tmp.path().join("other");
    copy(&tmp.path().join("early"), &other);
    fs::remove_dir_all(other.join("tile")).unwrap();
    for file in ["journal", "checkpoint", "register.pub"] {
        fs::remove_file(other.join(file)).unwrap();
    }
    let mut register = Register::init(&other, ORIGIN).unwrap();
    fill(&mut register, 9);
    copy(&tmp.path().join("late"), &mixed);
    fs::copy(other.join("journal"), mixed.join("journal")).unwrap();
    let error = Register::open(&mixed, None).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Journal {
                source: JournalFault::Fork { .. },
                ..
            }
        ),
        "{error}"
    );
    assert!(verify(&mixed, &key).is_err());
}

#[test]
fn a_full_journal_is_published_and_becomes_longer() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let length = || fs::metadata(dir.join("journal")).unwrap().len();
    let first = length();
    let mut long = entry(0);
    long.motif = "m".repeat(60_000);
    let mut published = 0;
    for n in 0..40 {
        register.append_at(&long, at(n)).unwrap();
        let text = fs::read_to_string(dir.join("checkpoint")).unwrap();
        let now: u64 = text.lines().nth(1).unwrap().parse().unwrap();
        published += u32::from(now > 0 && now == n as u64);
        assert_eq!(
            verify(&dir, &register.verifier_key()).unwrap().entries,
            n as u64 + 1
        );
    }
    assert!((1..6).contains(&published), "{published} times");
    assert!(length() > first);
    // The longest entries that there are fit.
    long.motif = "m".repeat(MAX_ENTRY_SIZE - 400);
    for n in 40..60 {
        assert_eq!(register.append_at(&long, at(n)).unwrap(), n as u64);
    }
    drop(register);
    let register = Register::open(&dir, None).unwrap();
    assert_eq!(verify(&dir, &register.verifier_key()).unwrap().entries, 60);
}

/// Sessions of one process, each with a register of its own, while others publish, probe and read.
#[test]
fn sessions_that_share_commits_get_each_an_index_of_their_own() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let key = Register::init(&dir, ORIGIN).unwrap().verifier_key();
    let (sessions, each) = (12, 150);
    let done = std::sync::atomic::AtomicBool::new(false);
    let acknowledged: BTreeMap<u64, String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..sessions)
            .map(|session| {
                let dir = &dir;
                scope.spawn(move || {
                    let mut register = Register::open(dir, None).unwrap();
                    let mut mine = Vec::new();
                    for n in 0..each {
                        let mut entry = entry(n);
                        entry.motif = format!("{session}-{n}");
                        if n % 40 == 13 {
                            // What cannot be appended does not take its neighbours with it.
                            let mut long = entry.clone();
                            long.motif = "m".repeat(MAX_ENTRY_SIZE);
                            let error = register.append(&long).unwrap_err();
                            assert!(matches!(error, AppendError::Entry(EntryError::TooLong(_))));
                            let error = register.append_at(&entry, at(0)).unwrap_err();
                            assert!(matches!(error, AppendError::Clock { .. }));
                        }
                        mine.push((register.append(&entry).unwrap(), entry.motif));
                    }
                    assert!(mine.is_sorted_by_key(|(index, _)| *index));
                    mine
                })
            })
            .collect();
        scope.spawn(|| {
            let mut register = Register::open(&dir, None).unwrap();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                register.publish().unwrap();
                register.probe().unwrap();
                verify(&dir, &key).unwrap();
            }
        });
        let mine: Vec<_> = writers.into_iter().map(|w| w.join().unwrap()).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        mine.into_iter().flatten().collect()
    });
    assert_eq!(acknowledged.len(), sessions * each);
    assert_eq!(
        verify(&dir, &key).unwrap().entries,
        (sessions * each) as u64
    );
    for (index, body) in (0..).zip(bodies(&dir)) {
        let record = Record::from_bytes(&body).unwrap();
        assert_eq!(record.seq, index);
        assert_eq!(Some(&record.entry.motif), acknowledged.get(&index));
    }
}

/// Not a test of its own: a process with several sessions.
#[test]
fn sessions_process() {
    let Some(dir) = std::env::var_os("PRIVACY_JOURNAL_DIR") else {
        return;
    };
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let dir = Path::new(&dir);
            scope.spawn(move || {
                let mut register = Register::open(dir, None).unwrap();
                for n in 0..60 {
                    let mut entry = entry(n);
                    entry.motif = format!("{}-{thread}-{n}", std::process::id());
                    let index = register.append(&entry).unwrap();
                    let line = format!("acknowledged {index} {}\n", entry.motif);
                    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn processes_with_several_sessions_take_turns() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let processes: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "sessions_process", "--nocapture"])
                .env("PRIVACY_JOURNAL_DIR", &dir)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    // And this one among them.
    let mut acknowledged = BTreeMap::new();
    for n in 0..60 {
        let mut entry = entry(n);
        entry.motif = format!("parent-{n}");
        acknowledged.insert(register.append(&entry).unwrap(), entry.motif);
    }
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            if let Some((_, what)) = line.split_once("acknowledged ") {
                let (index, motif) = what.split_once(' ').unwrap();
                acknowledged.insert(index.parse().unwrap(), motif.into());
            }
        }
    }
    assert_eq!(acknowledged.len(), 3 * 3 * 60 + 60);
    let report = verify(&dir, &register.verifier_key()).unwrap();
    assert_eq!(report.entries, acknowledged.len() as u64);
    for (index, body) in (0..).zip(bodies(&dir)) {
        let motif = Record::from_bytes(&body).unwrap().entry.motif;
        assert_eq!(Some(&motif), acknowledged.get(&index));
    }
    drop(register);
    let pending = journal::read(&dir).unwrap();
    assert!(pending.entries.is_empty(), "the last one has published all");
}

/// Whoever holds the lock for too long is told of, to every session that waits, and nothing is written then.
#[test]
fn a_stuck_process_is_told_of_and_nothing_is_left_of_what_failed() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    fill(&mut register, 2);
    let lock = fs::File::open(dir.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                let patience = Duration::from_millis(100);
                // The others of this process have it open, so there is nothing to be read under the lock.
                let error = Register::open_within(&dir, None, patience).unwrap_err();
                assert!(matches!(error, OpenError::Locked { .. }), "{error}");
            });
        }
    });
    drop(lock);
    let mut impatient = Register::open_within(&dir, None, Duration::from_millis(50)).unwrap();
    let lock = fs::File::open(dir.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    for _ in 0..2 {
        let error = impatient.append_at(&entry(2), at(2)).unwrap_err();
        assert!(
            matches!(error, AppendError::Register(OpenError::Locked { .. })),
            "{error}"
        );
    }
    drop(lock);
    assert_eq!(impatient.append_at(&entry(2), at(2)).unwrap(), 2);
    assert_eq!(register.append_at(&entry(3), at(3)).unwrap(), 3);
}

/// What a purge erases is in no file, the journal with what earlier generations have left in it included.
#[test]
fn a_purge_reaches_into_the_journal() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    fill(&mut register, 20);
    register.publish().unwrap();
    fill(&mut register, 300);
    let holds = |n: usize| {
        let agent = entry(n).agent.unwrap().id;
        let needle = format!("\"{agent}\"");
        support::files_below(&dir).into_iter().find(|path| {
            let bytes = fs::read(path).unwrap();
            bytes.windows(needle.len()).any(|w| w == needle.as_bytes())
        })
    };
    assert!([3, 19, 20, 299].iter().all(|n| holds(*n).is_some()));
    assert_eq!(register.purge(at(290), "retention", at(400)).unwrap(), 290);
    for n in 0..290 {
        assert_eq!(holds(n), None, "entry {n}");
    }
    assert!(holds(290).is_some());
    assert_eq!(register.append_at(&entry(301), at(401)).unwrap(), 301);
    let report = verify(&dir, &register.verifier_key()).unwrap();
    assert_eq!((report.entries, report.erased), (302, 290));
}
