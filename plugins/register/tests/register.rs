// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers on a disk: written, read, cut short and tampered with.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use privacy_register::*;

const ORIGIN: &str = "gst-privacy/test";

/// The bodies of all entries with their indexes.
fn read_entries(dir: &Path) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
    let reader = Reader::open(dir)?;
    reader.iter(0..reader.size()).collect()
}

fn entry(n: usize) -> Entry {
    let mut entry = Entry::new(Operation::Consult);
    entry.session = format!("session-{n}");
    entry.phase = Some(Phase::Open);
    entry.purpose_id = "vp.live_view.public_road".into();
    entry.motif = format!("motif nº {n}");
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        ..Default::default()
    });
    entry
}

fn start() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

fn at(n: usize) -> Timestamp {
    start() + SignedDuration::from_secs(n as i64)
}

/// A folder in memory, where there is such a thing: a disk would make thousands of registers wait.
fn playground() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// A register whose every entry was published before the next one.
fn filled(dir: &Path, entries: usize) -> Register {
    let mut register = Register::init(dir, ORIGIN).unwrap();
    for n in 0..entries {
        assert_eq!(
            register.append_at(&entry(n), at(n)).unwrap(),
            n as u64,
            "entry {n}"
        );
        register.publish().unwrap();
    }
    register
}

/// Sorted; none when `dir` is not there.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).into_iter().flatten() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for path in files_below(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, &target).unwrap();
    }
}

#[test]
fn what_goes_in_comes_out() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 3);
    let mut close = entry(1);
    close.phase = Some(Phase::Close);
    close.prior_entry_seq = Some(1);
    assert_eq!(register.append_at(&close, at(3)).unwrap(), 3);
    let mut refusal = Entry::new(Operation::Refuse);
    refusal.refusal = Some(Refusal {
        code: "NO_MANDATE".into(),
        ..Default::default()
    });
    register.append_at(&refusal, at(4)).unwrap();

    let key = VerifierKey::load(&dir.join("register.pub")).unwrap();
    assert_eq!(key, register.verifier_key());
    let report = verify(&dir, &key).unwrap();
    assert_eq!(
        (report.entries, report.sessions, report.refusals),
        (5, 3, 1)
    );
    let open: Vec<u64> = report.interrupted.iter().map(|i| i.index).collect();
    assert_eq!(open, [0, 2], "session-1 was closed");
    assert_eq!(report.checkpoint.size(), 5);
    assert_eq!((report.first, report.last), (Some(at(0)), Some(at(4))));

    let bodies = read_entries(&dir).unwrap();
    let record = Record::from_bytes(&bodies[1].1).unwrap();
    assert_eq!((record.seq, record.timestamp), (1, at(1)));
    assert_eq!(record.entry, entry(1));
    assert_eq!(record.salt.len(), 32);
    let other = Record::from_bytes(&bodies[2].1).unwrap();
    assert_ne!(record.salt, other.salt);

    // The same directory, opened anew.
    drop(register);
    let mut again = Register::open(&dir, None).unwrap();
    assert_eq!(again.size(), 5);
    assert_eq!(again.append_at(&entry(5), at(5)).unwrap(), 5);
    assert_eq!(verify(&dir, &key).unwrap().entries, 6);
}

#[test]
fn inclusion_proofs_of_the_reference_hold() {
    use tlog_tiles::{Hash, check_record, prove_record, record_hash, stored_hashes};
    struct Stored(Vec<Hash>);
    impl tlog_tiles::HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|i| self.0[*i as usize]).collect())
        }
    }
    let tmp = tempfile::tempdir().unwrap();
    let mut register = filled(tmp.path().join("r").as_path(), 11);
    let checkpoint = register.checkpoint().unwrap();
    let mut stored = Stored(Vec::new());
    let entries = read_entries(register.dir()).unwrap();
    for (n, body) in &entries {
        let hashes = stored_hashes(*n, body, &stored).unwrap();
        stored.0.extend(hashes);
    }
    for (n, body) in &entries {
        let proof = prove_record(11, *n, &stored).unwrap();
        check_record(&proof, 11, Hash(*checkpoint.root()), *n, record_hash(body)).unwrap();
    }
}

#[test]
fn tiles_fill_up_and_open_again_at_every_boundary() {
    let tmp = playground();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    assert_eq!(verify(&dir, &key).unwrap().entries, 0);
    for n in 0..600 {
        register.append_at(&entry(n), at(n)).unwrap();
        if n + 1 == 599 {
            register.publish().unwrap();
        }
        if [1, 2, 255, 256, 257, 511, 512, 513, 600].contains(&(n + 1)) {
            assert_eq!(verify(&dir, &key).unwrap().entries, n as u64 + 1);
            register = Register::open(&dir, None).unwrap();
            assert_eq!(register.size(), n as u64 + 1);
        }
    }
    let exists = |path: &str| dir.join(path).exists();
    for path in [
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
        "tile/0/000",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
    ] {
        assert!(exists(path), "{path}");
    }
    assert!(!exists("tile/entries/000.p") && !exists("tile/0/001.p"));
    assert!(
        exists("tile/0/002.p/87"),
        "each published size keeps its partial tiles until the tile is full"
    );
    // A checkpoint of every earlier size is a beginning of this register.
    assert_eq!(fs::read(dir.join("tile/0/000")).unwrap().len(), 256 * 32);
}

/// Every byte of a small register, but the lock and the private key, matters.
#[test]
fn each_flipped_byte_is_found_and_the_entry_named() {
    let tmp = playground();
    let dir = tmp.path().join("register");
    let register = filled(&dir, 4);
    let key = register.verifier_key();
    drop(register);
    let mut flipped = 0;
    for path in files_below(&dir) {
        let name = path
            .strip_prefix(&dir)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let bytes = fs::read(&path).unwrap();
        // Where each entry of a bundle ends.
        let mut ends = Vec::new();
        if name.starts_with("tile/entries/") {
            let mut rest = &bytes[..];
            while let Some((length, after)) = rest.split_first_chunk::<2>() {
                rest = &after[usize::from(u16::from_be_bytes(*length))..];
                ends.push(bytes.len() - rest.len());
            }
        }
        // Nothing waits in the journal, so only its header matters, and that is there twice.
        let matters = |at: usize| {
            name != "journal" || at % 4096 < 104 && at < 8192 || at.is_multiple_of(9973)
        };
        for at in (0..bytes.len()).filter(|at| matters(*at)) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).unwrap();
            let own_key = VerifierKey::load(&dir.join("register.pub"));
            let result = verify(&dir, &key);
            flipped += 1;
            match name.as_str() {
                "keys/register.key" => {
                    assert!(result.is_ok(), "the private key is not read");
                    assert!(Register::open(&dir, None).is_err(), "byte {at} of the key");
                }
                "register.pub" => {
                    assert!(result.is_ok(), "another copy of the key was given");
                    let with_own = own_key.map(|key| verify(&dir, &key));
                    assert!(
                        !matches!(with_own, Ok(Ok(_))),
                        "byte {at} of the public key"
                    );
                }
                "journal" => {
                    assert!(result.is_ok(), "byte {at} of the journal: {result:?}");
                    assert!(Register::open(&dir, None).is_ok(), "byte {at}");
                    let now = fs::read(&path).unwrap();
                    assert!(now[..104] == bytes[..104] && now[4096..4200] == bytes[4096..4200]);
                }
                // Only a mark of who has written last.
                "lock" => {
                    assert!(result.is_ok(), "byte {at} of the lock: {result:?}");
                    assert!(Register::open(&dir, None).is_ok(), "byte {at} of the lock");
                }
                "checkpoint" => assert!(
                    matches!(result, Err(VerifyError::Checkpoint(_))),
                    "byte {at} of the checkpoint: {result:?}"
                ),
                name if name.starts_with("tile/entries/") => {
                    let wanted = ends.iter().position(|end| at < *end).unwrap() as u64;
                    let error = result.expect_err(name);
                    match &error {
                        VerifyError::Changed(name) => assert_eq!(name.index, wanted, "{error}"),
                        VerifyError::Stale { entry, .. } => assert_eq!(*entry, wanted, "{error}"),
                        _ => panic!("byte {at} of {name}: {error}"),
                    }
                    assert!(error.to_string().contains(&format!("entry {wanted}")));
                }
                name if name.starts_with("tile/0/") => {
                    let error = result.expect_err(name);
                    assert!(
                        matches!(error, VerifyError::Tile { .. } | VerifyError::Stale { .. }),
                        "byte {at} of {name}: {error}"
                    );
                }
                other => panic!("{other} is not expected in a register"),
            }
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(flipped > 3000);
    assert_eq!(verify(&dir, &key).unwrap().entries, 4);
}

#[test]
fn each_missing_or_shortened_file_is_found() {
    let tmp = playground();
    let dir = tmp.path().join("register");
    let key = filled(&dir, 3).verifier_key();
    for path in files_below(&dir) {
        let name = path
            .strip_prefix(&dir)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let matters = !["lock", "register.pub", "keys/register.key"]
            .contains(&name.as_str())
            // Readers of earlier checkpoints miss a narrower copy; what is signed now stands without.
            && !name.ends_with(".p/1") && !name.ends_with(".p/2");
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(verify(&dir, &key).is_err(), matters, "{name} removed");
        let needed = name.starts_with("tile") || ["checkpoint", "journal"].contains(&&*name);
        let step = if name == "journal" { 1009 } else { 1 };
        for length in (0..bytes.len()).step_by(step) {
            fs::write(&path, &bytes[..length]).unwrap();
            let found = verify(&dir, &key).is_err();
            assert_eq!(found, needed, "{name} cut to {length}");
        }
        fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
        assert_eq!(verify(&dir, &key).is_err(), needed, "{name} made longer");
        fs::write(&path, &bytes).unwrap();
    }
}

#[test]
fn a_deleted_tail_is_found_and_the_register_stays_shut() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let key = filled(&dir, 5).verifier_key();
    for full in ["tile/entries/000", "tile/0/000"] {
        fs::remove_file(dir.join(format!("{full}.p/5"))).unwrap();
    }
    let error = verify(&dir, &key).unwrap_err();
    assert!(
        matches!(error, VerifyError::Missing { first: 4, last: 4 }),
        "{error}"
    );
    let error = Register::open(&dir, None).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_rolled_back_register_verifies_only_without_an_earlier_checkpoint() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, old) = (tmp.path().join("register"), tmp.path().join("old"));
    let mut register = filled(&dir, 3);
    let key = register.verifier_key();
    copy(&dir, &old);
    for n in 3..5 {
        register.append_at(&entry(n), at(n)).unwrap();
    }
    let kept = register.checkpoint().unwrap();
    drop(register);
    assert!(verify_since(&dir, &key, kept.bytes()).is_ok());
    let three = fs::read(old.join("checkpoint")).unwrap();
    assert!(
        verify_since(&dir, &key, &three).is_ok(),
        "three is a beginning of five"
    );

    copy(&old, &dir);
    assert!(verify(&dir, &key).is_ok());
    assert!(matches!(
        verify_since(&dir, &key, kept.bytes()),
        Err(VerifyError::Forked { size: 5 })
    ));
    // The holder of the key goes on from there with other entries.
    let mut register = Register::open(&dir, None).unwrap();
    for n in 3..9 {
        register.append_at(&entry(n + 100), at(n)).unwrap();
    }
    assert!(verify(&dir, &key).is_ok());
    assert!(matches!(
        verify_since(&dir, &key, kept.bytes()),
        Err(VerifyError::Forked { size: 5 })
    ));
    assert!(matches!(
        verify_since(&dir, &key, b"nonsense"),
        Err(VerifyError::Earlier(_))
    ));
}

/// The states that a crash can leave within one append and the publication of its entry, at every byte of every
/// file: the journal; then the bundle, the tiles, the checkpoint, each first under a temporary name; then
/// the two copies of the header of the journal.
#[test]
fn a_crash_at_any_byte_of_an_append_loses_nothing_acknowledged() {
    for size in [0usize, 3, 255] {
        let tmp = playground();
        let names = ["before", "appended", "published", "crashed", "work"];
        let [before, appended, published, dir, work] = names.map(|name| tmp.path().join(name));
        let mut register = filled(&work, size);
        let key = register.verifier_key();
        // Copies for readers of far earlier checkpoints only make this test slow.
        for path in files_below(&work.join("tile")) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.parse().is_ok_and(|width: usize| width + 4 < size) {
                fs::remove_file(path).unwrap();
            }
        }
        copy(&work, &before);
        register.append_at(&entry(size), at(size)).unwrap();
        copy(&work, &appended);
        register.publish().unwrap();
        copy(&work, &published);
        drop(register);
        let opens = |wanted: usize, state: &str| {
            let mut register = Register::open(&dir, None)
                .unwrap_or_else(|e| panic!("{size} entries, {state}: {e}"));
            assert_eq!(register.size(), wanted as u64, "{size} entries, {state}");
            assert_eq!(verify(&dir, &key).unwrap().entries, wanted as u64);
            register.append_at(&entry(wanted), at(wanted)).unwrap();
            assert_eq!(verify(&dir, &key).unwrap().entries, wanted as u64 + 1);
        };
        let journal = |path: &Path| fs::read(path.join("journal")).unwrap();
        // What was written to the journal, cut anywhere: its first bytes, then what was there before.
        let cuts = |from: &Path, to: &Path| {
            let (old, new) = (journal(from), journal(to));
            let differ = |at: &usize| old[*at] != new[*at];
            let (first, end) = (
                (0..old.len()).find(differ).unwrap(),
                (0..old.len()).rfind(differ).unwrap() + 1,
            );
            let step = if size < 255 { 5 } else { 50 };
            let lengths = (first..end)
                .filter(|at| differ(at))
                .step_by(step)
                .chain([end]);
            lengths
                .map(|at| (at == end, [&new[..at], &old[at..]].concat()))
                .collect::<Vec<_>>()
        };
        for (whole, bytes) in cuts(&before, &appended) {
            copy(&before, &dir);
            fs::write(dir.join("journal"), bytes).unwrap();
            opens(size + usize::from(whole), "journal");
        }

        // What the publication wrote, in its order.
        let mut written: Vec<String> = files_below(&published)
            .iter()
            .filter(|path| {
                let name = path.strip_prefix(&published).unwrap();
                fs::read(appended.join(name)).ok() != fs::read(path).ok()
            })
            .map(|path| {
                path.strip_prefix(&published)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .into()
            })
            .filter(|name| name != "journal")
            .collect();
        written.sort_by_key(|name| match name.split('/').nth(1) {
            Some("entries") => 0,
            Some(level) => 1 + level.parse::<usize>().unwrap(),
            None => 9,
        });
        assert!(written.len() >= 3, "{written:?}");
        assert_eq!(written.last().unwrap(), "checkpoint");
        for done in 0..=written.len() {
            let cut = written
                .get(done)
                .map_or(vec![], |name| fs::read(published.join(name)).unwrap());
            // Every so many lengths: each opens, verifies and grows the register.
            let step = (cut.len() / if size < 255 { 40 } else { 6 }).max(1);
            for length in (0..=cut.len()).step_by(step) {
                copy(&appended, &dir);
                for name in &written[..done] {
                    let target = dir.join(name);
                    fs::create_dir_all(target.parent().unwrap()).unwrap();
                    fs::copy(published.join(name), target).unwrap();
                }
                if let Some(name) = written.get(done) {
                    let target = dir.join(name);
                    fs::create_dir_all(target.parent().unwrap()).unwrap();
                    let file = target.file_name().unwrap().to_str().unwrap();
                    let temporary = target.with_file_name(format!(".{file}.new"));
                    fs::write(temporary, &cut[..length]).unwrap();
                }
                opens(size + 1, &format!("{done} files, {length} bytes"));
            }
        }
        for (_, bytes) in cuts(&appended, &published) {
            copy(&published, &dir);
            fs::write(dir.join("journal"), bytes).unwrap();
            opens(size + 1, "header");
        }
    }
}

/// Worse than a crash: the file last written is itself cut short. What was signed is restored, or the register
/// stays shut; it never opens with less than the checkpoint says.
#[test]
fn a_last_file_cut_at_any_byte_never_opens_with_less() {
    let tmp = playground();
    let (whole, dir) = (tmp.path().join("whole"), tmp.path().join("cut"));
    let key = filled(&whole, 3).verifier_key();
    for (name, opens) in [
        ("tile/entries/000.p/3", false),
        ("tile/0/000.p/3", true),
        ("checkpoint", false),
    ] {
        let bytes = fs::read(whole.join(name)).unwrap();
        for length in 0..bytes.len() {
            copy(&whole, &dir);
            fs::write(dir.join(name), &bytes[..length]).unwrap();
            match Register::open(&dir, None) {
                Ok(register) => {
                    assert!(opens, "{name} cut to {length}");
                    assert_eq!(register.size(), 3);
                    assert_eq!(verify(&dir, &key).unwrap().entries, 3);
                }
                Err(e) => assert!(!opens, "{name} cut to {length}: {e}"),
            }
        }
    }
    // A bundle that ends in a fourth entry, whole or cut anywhere, which is not in the journal: an acknowledged one
    // would be.
    let longer = tmp.path().join("longer");
    copy(&whole, &longer);
    let mut register = Register::open(&longer, None).unwrap();
    register.append_at(&entry(3), at(3)).unwrap();
    register.publish().unwrap();
    let four = fs::read(longer.join("tile/entries/000.p/4")).unwrap();
    for length in 0..=four.len() {
        copy(&whole, &dir);
        fs::write(dir.join("tile/entries/000.p/4"), &four[..length]).unwrap();
        let verdict = verify(&dir, &key);
        assert!(
            matches!(verdict, Err(VerifyError::Unsigned(_))),
            "cut to {length}: {verdict:?}"
        );
        let register = Register::open(&dir, None).unwrap();
        assert_eq!(register.size(), 3, "cut to {length}");
        assert_eq!(verify(&dir, &key).unwrap().entries, 3);
    }
}

#[test]
fn damaged_tiles_are_rebuilt_from_the_entries_they_hash() {
    let tmp = playground();
    let dir = tmp.path().join("register");
    let key = filled(&dir, 260).verifier_key();
    for name in ["tile/0/000", "tile/0/001.p/4", "tile/1/000.p/1"] {
        fs::remove_file(dir.join(name)).unwrap();
    }
    assert!(verify(&dir, &key).is_err());
    assert_eq!(Register::open(&dir, None).unwrap().size(), 260);
    assert_eq!(verify(&dir, &key).unwrap().entries, 260);
}

#[test]
fn two_writers_share_a_register() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let key = Register::init(&dir, ORIGIN).unwrap().verifier_key();
    let each = 40;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut register = Register::open(&dir, None).unwrap();
                for n in 0..each {
                    register.append(&entry(n)).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                verify(&dir, &key).unwrap();
            }
        });
    });
    assert_eq!(verify(&dir, &key).unwrap().entries, 3 * each as u64);
}

/// Not a test of its own: the process that the two tests below start and kill. Appends until it is killed, or
/// `PRIVACY_REGISTER_COUNT` times, and says on standard output which entries were acknowledged.
#[test]
fn writer_process() {
    use std::io::Write;
    let Some(dir) = std::env::var_os("PRIVACY_REGISTER_DIR") else {
        return;
    };
    let count = std::env::var("PRIVACY_REGISTER_COUNT");
    let count = count.map_or(usize::MAX, |n| n.parse().unwrap());
    let mut register = Register::open(Path::new(&dir), None).unwrap();
    let mut out = std::io::stdout();
    for n in 0..count {
        let index = register.append(&entry(n)).unwrap();
        // Not println!, which the test harness keeps to itself.
        out.write_all(format!("acknowledged {index}\n").as_bytes())
            .unwrap();
        out.flush().unwrap();
    }
}

fn start_writer(dir: &Path, count: Option<usize>) -> std::process::Child {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "writer_process", "--nocapture"])
        .env("PRIVACY_REGISTER_DIR", dir)
        .stdout(std::process::Stdio::piped());
    if let Some(count) = count {
        command.env("PRIVACY_REGISTER_COUNT", count.to_string());
    }
    command.spawn().unwrap()
}

#[test]
fn two_processes_share_a_register() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let key = Register::init(&dir, ORIGIN).unwrap().verifier_key();
    let writers = [start_writer(&dir, Some(40)), start_writer(&dir, Some(40))];
    for writer in writers {
        assert!(writer.wait_with_output().unwrap().status.success());
    }
    assert_eq!(verify(&dir, &key).unwrap().entries, 80);
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    use std::io::BufRead;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let key = Register::init(&dir, ORIGIN).unwrap().verifier_key();
    let mut acknowledged = 0u64;
    for round in 0..12 {
        let mut writer = start_writer(&dir, None);
        let mut lines = std::io::BufReader::new(writer.stdout.take().unwrap()).lines();
        // Let it get going, then kill it at a moment of nobody's choosing.
        for line in lines.by_ref().take(8 + round) {
            if let Some((_, index)) = line.unwrap().split_once("acknowledged ") {
                acknowledged = index.parse::<u64>().unwrap() + 1;
            }
        }
        std::thread::sleep(Duration::from_micros(700 * round as u64));
        writer.kill().unwrap();
        writer.wait().unwrap();
        for line in lines {
            if let Some((_, index)) = line.unwrap().split_once("acknowledged ") {
                acknowledged = index.parse::<u64>().unwrap() + 1;
            }
        }
        let register = Register::open(&dir, None).unwrap();
        let size = register.size();
        assert!(
            size == acknowledged || size == acknowledged + 1,
            "{acknowledged} acknowledged, {size} there"
        );
        assert_eq!(verify(&dir, &key).unwrap().entries, size);
    }
    assert!(acknowledged > 12);
}

#[test]
fn a_full_disk_at_any_step_is_an_error_and_the_next_append_goes_on() {
    for name in [
        "tile/entries/000.p/.4.new",
        "tile/0/000.p/.4.new",
        ".checkpoint.new",
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("register");
        let mut register = filled(&dir, 3);
        let key = register.verifier_key();
        register.append_at(&entry(3), at(3)).unwrap();
        // /dev/full refuses every write, as a full disk does.
        std::os::unix::fs::symlink("/dev/full", dir.join(name)).unwrap();
        let error = register.publish().unwrap_err();
        let AppendError::Io { source, .. } = &error else {
            panic!("{name}: {error}");
        };
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{name}");
        // The same process goes on, and so does another; what was acknowledged is there.
        register.append_at(&entry(4), at(4)).unwrap();
        let other = start_writer(&dir, Some(1)).wait_with_output().unwrap();
        assert!(other.status.success());
        let last = register.append(&entry(6)).unwrap();
        assert_eq!(last, 6, "{name}");
        assert_eq!(verify(&dir, &key).unwrap().entries, 7, "{name}");
        let entries = read_entries(&dir).unwrap();
        let record = Record::from_bytes(&entries[3].1).unwrap();
        assert_eq!(record.entry.session, "session-3", "{name}");
    }
}

/// An older copy of the register is authentic in itself; whoever has written more since knows better.
#[test]
fn a_register_rolled_back_while_open_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, old) = (tmp.path().join("register"), tmp.path().join("old"));
    let mut register = filled(&dir, 3);
    copy(&dir, &old);
    register.append_at(&entry(3), at(3)).unwrap();
    copy(&old, &dir);
    let damaged = |result: Result<(), AppendError>| {
        assert!(matches!(
            result,
            Err(AppendError::Register(OpenError::Damaged {
                first: 3,
                last: 3
            }))
        ));
    };
    damaged(register.probe());
    damaged(register.append_at(&entry(4), at(4)).map(drop));
    // And so is one that went on differently.
    use std::os::unix::fs::PermissionsExt;
    let key = dir.join("keys/register.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = Register::open(&dir, None);
    assert!(
        matches!(refused, Err(OpenError::Damaged { .. })),
        "this process knows better"
    );
    // Another one does not.
    let other = start_writer(&dir, Some(1)).wait_with_output().unwrap();
    assert!(other.status.success());
    damaged(register.probe());
}

/// Whatever stands where a file should: an answer at once.
#[test]
fn pipes_and_folders_in_place_of_files_are_errors_and_nobody_waits() {
    let tmp = playground();
    let (whole, dir) = (tmp.path().join("whole"), tmp.path().join("odd"));
    let key = filled(&whole, 3).verifier_key();
    for path in files_below(&whole) {
        let relative = path.strip_prefix(&whole).unwrap();
        for pipe in [true, false] {
            copy(&whole, &dir);
            let target = dir.join(relative);
            fs::remove_file(&target).unwrap();
            if pipe {
                let made = std::process::Command::new("mkfifo").arg(&target).status();
                assert!(made.unwrap().success());
            } else {
                fs::create_dir(&target).unwrap();
            }
            let _ = read_entries(&dir);
            let _ = VerifierKey::load(&dir.join("register.pub"));
            let verified = verify(&dir, &key);
            let needed = relative.starts_with("tile")
                || relative.ends_with("checkpoint")
                || relative.ends_with("journal");
            assert_eq!(verified.is_err(), needed, "{}", target.display());
            let _ = Register::open(&dir, None);
        }
    }
}

/// Whoever can write files and has no key cannot have entries erased.
#[test]
fn an_erasure_nobody_signed_is_not_taken_in() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let key = filled(&dir, 3).verifier_key();
    let mut erase = Entry::new(Operation::Erase);
    erase.erasure = Some(Erasure {
        reason: "retention".into(),
        entries_before: Some(3),
        ..Default::default()
    });
    let record = Record {
        schema: SCHEMA.into(),
        seq: 3,
        timestamp: at(3),
        salt: "00".repeat(16),
        entry: erase,
    };
    let body = record.to_bytes().unwrap();
    let mut bundle = fs::read(dir.join("tile/entries/000.p/3")).unwrap();
    bundle.extend((body.len() as u16).to_be_bytes());
    bundle.extend(body);
    fs::write(dir.join("tile/entries/000.p/4"), bundle).unwrap();
    assert_eq!(Register::open(&dir, None).unwrap().size(), 3);
    assert_eq!(verify(&dir, &key).unwrap().erased, 0);
}

/// Only its owner writes a register, whatever the umask of the process.
#[test]
fn no_file_of_a_register_can_be_written_by_others() {
    use std::os::unix::fs::PermissionsExt;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    drop(Register::init(&dir, ORIGIN).unwrap());
    let written = std::process::Command::new("sh")
        .args([
            "-c",
            "umask 000; exec \"$0\" --exact writer_process --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("PRIVACY_REGISTER_DIR", &dir)
        .env("PRIVACY_REGISTER_COUNT", "3")
        .output()
        .unwrap();
    assert!(written.status.success(), "{written:?}");
    assert_eq!(read_entries(&dir).unwrap().len(), 3);
    for path in files_below(&dir) {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o022, 0, "{}: {mode:o}", path.display());
    }
}

/// A closing entry closes an open session, its own, and once.
#[test]
fn a_closing_entry_that_closes_nothing_is_found() {
    for (prior, session, why) in [
        (0, "session-1", "another session"),
        (1, "session-1", "not an open session"),
        (2, "session-2", "not an open session"),
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("register");
        let mut register = filled(&dir, 2);
        let mut close = entry(1);
        close.phase = Some(Phase::Close);
        close.prior_entry_seq = Some(1);
        register.append_at(&close, at(2)).unwrap();
        assert!(verify(&dir, &register.verifier_key()).is_ok());
        close.session = session.into();
        close.prior_entry_seq = Some(prior);
        register.append_at(&close, at(3)).unwrap();
        let error = verify(&dir, &register.verifier_key()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

/// Another writer goes on while a long purge runs, and no erased body comes back with what it writes.
#[test]
fn a_purge_and_a_writer_get_on() {
    let tmp = playground();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 700);
    let mut other = Register::open(&dir, None).unwrap();
    let writer = std::thread::spawn(move || {
        for n in 0..20 {
            other.append_at(&entry(9000 + n), at(9000)).unwrap();
        }
    });
    assert_eq!(register.purge(at(700), "retention", at(9000)).unwrap(), 700);
    writer.join().unwrap();
    let report = verify(&dir, &register.verifier_key()).unwrap();
    assert_eq!((report.entries, report.erased), (721, 700));
    for path in files_below(&dir.join("tile/entries")) {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for n in [0, 300, 699] {
            let body = format!("motif nº {n}\"");
            assert!(!text.contains(&body), "{}: {n}", path.display());
        }
    }
}

#[test]
fn a_purge_removes_what_crashes_and_strays_have_left() {
    let tmp = playground();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 5);
    register.publish().unwrap();
    fs::create_dir(dir.join("set-aside")).unwrap();
    let old = ["tile/entries/.000.new", ".checkpoint.new", "set-aside/old"];
    for name in old.iter().chain(&["set-aside/young", "tile/entries/notes"]) {
        fs::write(dir.join(name), b"\0\x02{}").unwrap();
    }
    // The times of the test are of 2026, so what is older than them has to be made so.
    let year = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let aside = fs::File::options()
        .write(true)
        .open(dir.join("set-aside/old"));
    aside.unwrap().set_modified(year).unwrap();
    let next = year + Duration::from_secs(400 * 24 * 3600);
    let young = fs::File::options()
        .write(true)
        .open(dir.join("set-aside/young"));
    young.unwrap().set_modified(next).unwrap();
    // Nothing is due, but what was left goes.
    let limit = Timestamp::try_from(year + Duration::from_secs(3600)).unwrap();
    assert_eq!(register.purge(limit, "retention", at(300)).unwrap(), 0);
    for name in old {
        assert!(!dir.join(name).exists(), "{name}");
    }
    assert!(dir.join("set-aside/young").exists());
    assert!(
        dir.join("tile/entries/notes").exists(),
        "not ours to remove"
    );
    assert!(verify(&dir, &register.verifier_key()).is_ok());
}

/// A purge that dies between writing a bundle and removing its narrower copies.
#[test]
fn a_purge_cut_off_is_finished_by_the_next() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 3);
    let narrow = dir.join("tile/entries/000.p/2");
    let bodies = fs::read(&narrow).unwrap();
    assert_eq!(register.purge(at(3), "retention", at(9)).unwrap(), 3);
    fs::write(&narrow, bodies).unwrap();
    assert_eq!(register.purge(at(3), "retention", at(10)).unwrap(), 0);
    assert!(!narrow.exists(), "the bodies are gone from every copy");
    assert_eq!(verify(&dir, &register.verifier_key()).unwrap().erased, 3);
}

#[test]
fn a_probe_shows_that_the_register_is_there_and_leaves_no_trace() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 2);
    register.probe().unwrap();
    assert_eq!(verify(&dir, &register.verifier_key()).unwrap().entries, 2);
    std::os::unix::fs::symlink("/dev/full", dir.join(".checkpoint.new")).unwrap();
    assert!(register.probe().is_err());
    assert!(register.probe().is_ok(), "space again");
    fs::remove_file(dir.join("checkpoint")).unwrap();
    assert!(register.probe().is_err());
}

/// An entry that somebody put behind the signed ones is not taken for one that a crash has left.
#[test]
fn what_no_append_writes_is_not_taken_in() {
    let tmp = tempfile::tempdir().unwrap();
    let (whole, dir) = (tmp.path().join("whole"), tmp.path().join("forged"));
    let key = filled(&whole, 3).verifier_key();
    let bodies = read_entries(&whole).unwrap();
    let good = Record::from_bytes(&bodies[2].1).unwrap();
    type Forge = fn(&mut Record);
    let forgeries: [Forge; 3] = [
        |r| r.seq = 7,
        |r| r.timestamp = at(0),
        |r| r.entry.agent = None,
    ];
    for forge in forgeries {
        let mut record = good.clone();
        record.seq = 3;
        forge(&mut record);
        let body = record.to_bytes().unwrap();
        copy(&whole, &dir);
        let mut bundle = fs::read(dir.join("tile/entries/000.p/3")).unwrap();
        bundle.extend((body.len() as u16).to_be_bytes());
        bundle.extend(body);
        fs::write(dir.join("tile/entries/000.p/4"), bundle).unwrap();
        assert!(matches!(
            verify(&dir, &key),
            Err(VerifyError::Unsigned(EntryName { index: 3, .. }))
        ));
        assert_eq!(Register::open(&dir, None).unwrap().size(), 3);
        assert_eq!(verify(&dir, &key).unwrap().entries, 3);
    }
}

#[test]
fn a_locked_register_is_refused_and_says_so() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    drop(filled(&dir, 1));
    let lock = fs::File::open(dir.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let error = Register::open_within(&dir, None, Duration::ZERO).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains("verrouillé"));
    drop(lock);
    assert!(Register::open_within(&dir, None, Duration::ZERO).is_ok());
}

#[test]
fn a_clock_behind_the_last_entry_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 2);
    let error = register.append_at(&entry(2), at(0)).unwrap_err();
    assert!(matches!(error, AppendError::Clock { .. }), "{error}");
    assert!(error.to_string().contains("horloge"));
    drop(register);
    let mut register = Register::open(&dir, None).unwrap();
    assert!(
        register.append_at(&entry(2), at(0)).is_err(),
        "also after opening anew"
    );
    assert_eq!(register.append_at(&entry(2), at(1)).unwrap(), 2);
}

#[test]
fn incomplete_and_oversized_entries_are_refused_and_leave_no_trace() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 1);
    let mut nobody = entry(1);
    nobody.agent = None;
    assert!(matches!(
        register.append(&nobody),
        Err(AppendError::Entry(EntryError::Missing { .. }))
    ));
    let mut long = entry(1);
    long.motif = "m".repeat(MAX_ENTRY_SIZE);
    assert!(matches!(
        register.append_at(&long, at(1)),
        Err(AppendError::Entry(EntryError::TooLong(_)))
    ));
    // The longest that fits.
    long.motif = "m".repeat(MAX_ENTRY_SIZE - 400);
    register.append_at(&long, at(1)).unwrap();
    assert_eq!(verify(&dir, &register.verifier_key()).unwrap().entries, 2);
}

#[test]
fn a_register_that_vanishes_is_not_made_anew() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 1);
    fs::remove_dir_all(&dir).unwrap();
    assert!(register.append_at(&entry(1), at(1)).is_err());
    assert!(!dir.exists());
    assert!(matches!(
        Register::open(&dir, None),
        Err(OpenError::NotARegister(_))
    ));
    // A file in its place, and a folder that cannot be written into.
    fs::write(&dir, b"").unwrap();
    assert!(Register::open(&dir, None).is_err());
    assert!(Register::init(&dir, ORIGIN).is_err());
    fs::remove_file(&dir).unwrap();
    let mut register = filled(&dir, 1);
    fs::rename(dir.join("tile/entries"), tmp.path().join("entries")).unwrap();
    fs::write(dir.join("tile/entries"), b"").unwrap();
    assert_eq!(
        register.append_at(&entry(1), at(1)).unwrap(),
        1,
        "in the journal"
    );
    assert!(register.publish().is_err());
    assert!(register.checkpoint().is_err());
    fs::remove_file(dir.join("tile/entries")).unwrap();
    fs::rename(tmp.path().join("entries"), dir.join("tile/entries")).unwrap();
    register.publish().unwrap();
    assert_eq!(verify(&dir, &register.verifier_key()).unwrap().entries, 2);
    // Nor is one without its journal, or without its checkpoint.
    for name in ["journal", "checkpoint"] {
        fs::rename(dir.join(name), tmp.path().join(name)).unwrap();
        assert!(register.append_at(&entry(2), at(2)).is_err(), "{name}");
        assert!(register.probe().is_err(), "{name}");
        assert!(Register::open(&dir, None).is_err(), "{name}");
        assert!(!dir.join(name).exists(), "{name}");
        fs::rename(tmp.path().join(name), dir.join(name)).unwrap();
    }
    assert_eq!(register.append_at(&entry(2), at(2)).unwrap(), 2);
}

#[test]
fn a_register_is_never_made_over_another() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    drop(filled(&dir, 1));
    assert!(matches!(
        Register::init(&dir, ORIGIN),
        Err(OpenError::Exists(_))
    ));
    fs::remove_file(dir.join("checkpoint")).unwrap();
    assert!(
        matches!(Register::init(&dir, ORIGIN), Err(OpenError::Exists(_))),
        "history cannot be restarted by removing the checkpoint"
    );
    // Another key, or another's key.
    let other = tmp.path().join("other");
    drop(filled(&other, 1));
    let key = dir.join("keys/register.key");
    assert!(matches!(
        Register::open(&other, Some(&key)),
        Err(OpenError::Checkpoint(_))
    ));
}

#[test]
fn bodies_are_erased_after_their_time_and_everything_still_verifies() {
    let tmp = playground();
    let dir = tmp.path().join("register");
    let mut register = filled(&dir, 260);
    let key = register.verifier_key();
    let kept = register.checkpoint().unwrap();
    assert_eq!(register.purge(at(0), "retention", at(300)).unwrap(), 0);
    assert_eq!(register.size(), 260, "nothing to erase, nothing written");
    assert_eq!(register.purge(at(258), "retention", at(300)).unwrap(), 258);
    let report = verify_since(&dir, &key, kept.bytes()).unwrap();
    assert_eq!((report.entries, report.erased), (261, 258));
    for path in files_below(&dir.join("tile/entries")) {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        assert!(!text.contains("motif nº 1\""), "the body is gone");
    }
    // Opens, grows and purges on.
    let mut register = Register::open(&dir, None).unwrap();
    register.append_at(&entry(9), at(301)).unwrap();
    assert_eq!(register.purge(at(301), "retention", at(302)).unwrap(), 3);
    let report = verify_since(&dir, &key, kept.bytes()).unwrap();
    assert_eq!((report.entries, report.erased), (263, 261));
}

#[test]
fn an_emptied_body_without_an_erasure_is_found() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let key = filled(&dir, 3).verifier_key();
    let mut bytes = Vec::new();
    for (n, body) in read_entries(&dir).unwrap() {
        let body = if n == 1 { Vec::new() } else { body };
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
    }
    fs::write(dir.join("tile/entries/000.p/3"), bytes).unwrap();
    for narrower in ["1", "2"] {
        fs::remove_file(dir.join("tile/entries/000.p").join(narrower)).unwrap();
    }
    let error = verify(&dir, &key).unwrap_err();
    assert!(matches!(error, VerifyError::Erased(1)), "{error}");
}

/// Outside bytes in every file: an answer, never a panic.
#[test]
fn random_bytes_in_any_file_never_panic() {
    let tmp = playground();
    let (whole, dir) = (tmp.path().join("whole"), tmp.path().join("random"));
    let key = filled(&whole, 3).verifier_key();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let files = files_below(&whole);
    for round in 0..600 {
        copy(&whole, &dir);
        let path = &files[random() as usize % files.len()];
        let target = dir.join(path.strip_prefix(&whole).unwrap());
        let mut bytes = fs::read(&target).unwrap();
        match round % 3 {
            0 => {
                let length = random() as usize % 600;
                bytes = (0..length).map(|_| random() as u8).collect();
            }
            1 => {
                for _ in 0..4 {
                    let length = bytes.len();
                    if length > 0 {
                        bytes[random() as usize % length] = random() as u8;
                    }
                }
            }
            _ => {
                let text: String = (0..random() % 80)
                    .map(|_| ['+', '\n', 'A', '{', '"', '—', ' ', '0'][random() as usize % 8])
                    .collect();
                bytes = text.into_bytes();
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = SigningKey::from_text(&text);
        let _ = VerifierKey::from_text(&text);
        let _ = SignedCheckpoint::verify(&bytes, &key);
        let _ = Record::from_bytes(&bytes);
        let _ = Entry::from_json(Operation::Consult, &text);
        fs::write(&target, &bytes).unwrap();
        let _ = verify(&dir, &key);
        let _ = read_entries(&dir);
        if let Ok(register) = Register::open(&dir, None) {
            assert_eq!(register.size(), 3, "{}", target.display());
        }
    }
}
