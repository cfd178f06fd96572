// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing acknowledged is lost: writers killed at any instant, and power cuts after every write.
//!
//! `CRASH_KILLS` sets the number of kills (40), about how many disks that a power cut could leave are looked
//! at (15000 for all recordings together), `CRASH_SEED` the seed. `tests/soak/crash` runs them for long.

mod cuts;
mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use privacy_register::*;
use support::{ORIGIN, Random, at, copy, entry, files_below, fill, published};

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number"))
    })
}

/// Says that entry `index` was acknowledged, in one write.
fn acknowledge(index: u64, token: &str) {
    let line = format!("ack {index} {token}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// An entry that `token` can be read from.
fn named(token: &str) -> Entry {
    let mut entry = entry(token.len());
    entry.motif = token.into();
    entry
}

/// Index and token of an acknowledgement.
fn acknowledged(line: &str) -> Option<(u64, String)> {
    let mut words = line.strip_prefix("ack ")?.split(' ');
    let index = words.next()?.parse().ok()?;
    Some((index, words.next()?.to_owned()))
}

/// This test as a process of its own, which does what `role` says to the register `dir`.
fn child(role: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_writer_process", "--nocapture"])
        .env("PRIVACY_CRASH_ROLE", role)
        .env("PRIVACY_CRASH_DIR", dir);
    command
}

/// What the children run; nothing when run as a test.
#[test]
fn a_writer_process() {
    let Ok(role) = std::env::var("PRIVACY_CRASH_ROLE") else {
        return;
    };
    let dir = PathBuf::from(std::env::var_os("PRIVACY_CRASH_DIR").unwrap());
    // libtest has begun a line of its own.
    std::io::stdout().write_all(b"\n").unwrap();
    match role.as_str() {
        "appends for ever" => append_for_ever(&dir),
        "sessions for ever" => sessions_for_ever(&dir),
        "closes the dead" => println!("closed {}", close_the_dead(&dir)),
        "full disk" => full_disk(&dir),
        "read-only disk" => read_only_disk(&dir),
        role => recorded(role, &dir),
    }
}

/// Two threads append, each with a token of its own, until the process is killed.
fn append_for_ever(dir: &Path) {
    std::thread::scope(|scope| {
        for thread in ["x", "y"] {
            scope.spawn(move || {
                let mut register = Register::open(dir, None).unwrap();
                for n in 0.. {
                    let token = format!("{}{thread}{n}", std::process::id());
                    let index = register.append(&named(&token)).unwrap();
                    acknowledge(index, &token);
                    if n % 7 == 3 {
                        register.checkpoint().unwrap();
                    }
                }
            });
        }
    });
}

/// A process that appends, and what it has said.
struct Writer {
    child: Child,
    said: JoinHandle<Vec<String>>,
    acknowledged: Arc<AtomicUsize>,
}

impl Writer {
    fn spawn(role: &str, dir: &Path) -> Self {
        let mut child = child(role, dir).stdout(Stdio::piped()).spawn().unwrap();
        let pipe = BufReader::new(child.stdout.take().unwrap());
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&acknowledged);
        let said = std::thread::spawn(move || {
            let lines = pipe.lines().map_while(Result::ok);
            let lines = lines.inspect(|line| {
                count.fetch_add(usize::from(line.starts_with("ack ")), Ordering::Relaxed);
            });
            lines.collect()
        });
        Self {
            child,
            said,
            acknowledged,
        }
    }

    /// Waits until it is at work: most of a short life would go to starting.
    fn at_work(&mut self) {
        let writes = || self.acknowledged.load(Ordering::Relaxed) > 0;
        while !writes() && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills it; returns what it has said until then.
    fn kill(mut self) -> Vec<String> {
        assert_eq!(
            self.child.try_wait().unwrap(),
            None,
            "a writer ended by itself"
        );
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.join().unwrap()
    }
}

/// What was acknowledged is where it was acknowledged.
fn nothing_lost(dir: &Path, acknowledged: &BTreeMap<u64, String>, what: &str) {
    let bodies = published(dir);
    for (index, token) in acknowledged {
        let body = bodies
            .get(*index as usize)
            .unwrap_or_else(|| panic!("{what}: entry {index} ({token}) is lost"));
        let record = Record::from_bytes(body).unwrap();
        assert_eq!(record.seq, *index, "{what}");
        assert_eq!(record.entry.motif, *token, "{what}: entry {index}");
    }
}

/// Four processes of two threads each, one or all of which are killed again and again.
#[test]
fn killed_writers_lose_nothing() {
    let seed = number("CRASH_SEED", 20_261_122);
    let kills = number("CRASH_KILLS", 40);
    println!("seed {seed}, {kills} kills");
    let mut random = Random(seed);
    let tmp = tempfile::tempdir().unwrap();
    let mut killed = 0;
    let mut rounds = 0;
    let mut total = 0;
    while killed < kills {
        rounds += 1;
        let dir = tmp.path().join(format!("register-{rounds}"));
        let mut register = Register::init(&dir, ORIGIN).unwrap();
        let key = register.verifier_key();
        let mut kept = register.checkpoint().unwrap();
        drop(register);
        let mut acknowledged_so_far = BTreeMap::new();
        // A register that grows for ever would make each look at it slower.
        while killed < kills && acknowledged_so_far.len() < 2000 {
            let mut writers: Vec<Writer> = (0..4)
                .map(|_| Writer::spawn("appends for ever", &dir))
                .collect();
            let mut said = Vec::new();
            for _ in 0..4 {
                let victim = random.below(4);
                writers[victim].at_work();
                std::thread::sleep(Duration::from_millis(random.below(60) as u64));
                let new = Writer::spawn("appends for ever", &dir);
                said.extend(std::mem::replace(&mut writers[victim], new).kill());
                killed += 1;
            }
            writers.iter_mut().for_each(Writer::at_work);
            std::thread::sleep(Duration::from_millis(random.below(60) as u64));
            killed += 1;
            said.extend(writers.into_iter().flat_map(Writer::kill));
            for (index, token) in said.iter().filter_map(|line| acknowledged(line)) {
                let other = acknowledged_so_far.insert(index, token);
                assert_eq!(other, None, "entry {index} was acknowledged twice");
            }

            let mut register = Register::open(&dir, None).unwrap();
            let size = register.size();
            let token = format!("parent{killed}");
            let index = register.append(&named(&token)).unwrap();
            assert_eq!(index, size, "the next writer goes on where they were");
            acknowledged_so_far.insert(index, token);
            let now = register.checkpoint().unwrap();
            let report = verify_since(&dir, &key, kept.bytes()).unwrap();
            assert_eq!(report.entries, index + 1);
            kept = now;
            nothing_lost(&dir, &acknowledged_so_far, &format!("after {killed} kills"));
        }
        total += acknowledged_so_far.len();
    }
    println!("{killed} kills, {total} entries acknowledged, none lost");
    assert!(total as u64 > kills, "the writers hardly wrote: {total}");
}

/// Opens a register and does to it what `role` says, saying what was acknowledged.
fn recorded(role: &str, dir: &Path) {
    if let "careless" | "careful" = role {
        let path = dir.join("note");
        std::fs::write(&path, b"something to keep").unwrap();
        if role == "careful" {
            for path in [&path, dir] {
                std::fs::File::open(path).unwrap().sync_all().unwrap();
            }
        }
        return acknowledge(0, role);
    }
    if role == "init" {
        let mut register = Register::init(dir, ORIGIN).unwrap();
        append(&mut register, 2);
        return;
    }
    let mut register = Register::open(dir, None).unwrap();
    match role {
        "appends" => {
            append(&mut register, 8);
            checkpoint(&mut register);
            append(&mut register, 5);
            register.probe().unwrap();
            checkpoint(&mut register);
            append(&mut register, 4);
        }
        "a full tile" => {
            append(&mut register, 4);
            checkpoint(&mut register);
            append(&mut register, 2);
        }
        "sessions" => {
            let (first, held) = open_session(&mut register, "session-1");
            append(&mut register, 1);
            let (second, _held) = open_session(&mut register, "session/2");
            let mut segment = session_entry(Phase::Segment, "session-1");
            segment.prior_entry_seq = Some(first);
            register.append(&segment).unwrap();
            close_session(&mut register, "session-1", first, false);
            held.release().unwrap();
            checkpoint(&mut register);
            close_session(&mut register, "session/2", second, true);
            open_session(&mut register, "session-3");
        }
        "a journal that fills" => {
            for n in 0..12 {
                let token = format!("long{n}");
                let mut entry = named(&token);
                entry.rules_version = "·".repeat(14_000);
                let index = register.append(&entry).unwrap();
                acknowledge(index, &token);
            }
        }
        "purge" => {
            append(&mut register, 1);
            let now = jiff::Timestamp::now();
            assert_eq!(register.purge(at(2), "retention", now).unwrap(), 2);
            std::io::stdout().write_all(b"purged 2\n").unwrap();
            append(&mut register, 2);
        }
        "threads" => {
            std::thread::scope(|scope| {
                for thread in 0..3 {
                    scope.spawn(move || {
                        let mut register = Register::open(dir, None).unwrap();
                        for n in 0..6 {
                            let token = format!("thread{thread}-{n}");
                            let index = register.append(&named(&token)).unwrap();
                            acknowledge(index, &token);
                        }
                    });
                }
            });
        }
        other => panic!("{other}: not a role"),
    }
}

fn append(register: &mut Register, entries: usize) {
    for _ in 0..entries {
        let token = format!("token{}", register.size());
        let index = register.append(&named(&token)).unwrap();
        acknowledge(index, &token);
    }
}

fn checkpoint(register: &mut Register) {
    let checkpoint = hex::encode(register.checkpoint().unwrap().bytes());
    let line = format!("checkpoint {checkpoint}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn session_entry(phase: Phase, session: &str) -> Entry {
    let mut entry = named(session);
    entry.session = session.into();
    entry.phase = Some(phase);
    entry
}

fn open_session(register: &mut Register, session: &str) -> (u64, Held) {
    let entry = session_entry(Phase::Open, session);
    let (index, held) = register.open_session(&entry).unwrap();
    let line = format!("opened {index} {session}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    (index, held)
}

fn close_session(register: &mut Register, session: &str, opening: u64, interrupted: bool) {
    let mut entry = session_entry(Phase::Close, session);
    entry.prior_entry_seq = Some(opening);
    entry.interrupted = interrupted;
    register.append(&entry).unwrap();
}

/// Closes the sessions whose process has died. Returns how many.
fn close_the_dead(dir: &Path) -> usize {
    let mut register = Register::open(dir, None).unwrap();
    let dead = register.interrupted().unwrap();
    for (index, record) in &dead {
        assert_eq!(record.seq, *index);
        close_session(&mut register, &record.entry.session, *index, true);
        register.settled(*index).unwrap();
    }
    dead.len()
}

/// Opens and closes sessions until the process is killed.
fn sessions_for_ever(dir: &Path) {
    let mut register = Register::open(dir, None).unwrap();
    for n in 0.. {
        let session = format!("{}-{n}", std::process::id());
        let (index, held) = open_session(&mut register, &session);
        acknowledge(index, &session);
        if n % 3 == 1 {
            register.checkpoint().unwrap();
        }
        close_session(&mut register, &session, index, false);
        held.release().unwrap();
    }
}

/// Sessions of processes that are killed are closed by the next start, each once, though several start at once.
#[test]
fn sessions_of_killed_processes_are_closed_once() {
    let seed = number("CRASH_SEED", 20_261_122);
    let rounds = number("CRASH_KILLS", 40) / 8;
    println!("seed {seed}");
    let mut random = Random(seed);
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    drop(register);
    let mut closed = 0;
    for round in 0..rounds {
        let mut writers: Vec<Writer> = (0..3)
            .map(|_| Writer::spawn("sessions for ever", &dir))
            .collect();
        writers.iter_mut().for_each(Writer::at_work);
        // One goes on while the others are found dead.
        let alive = writers.pop().unwrap();
        let mut opened = Vec::new();
        for writer in writers {
            std::thread::sleep(Duration::from_millis(random.below(20) as u64));
            opened.extend(writer.kill());
        }
        let closers: Vec<Child> = (0..3)
            .map(|_| {
                child("closes the dead", &dir)
                    .stdout(Stdio::piped())
                    .spawn()
            })
            .map(Result::unwrap)
            .collect();
        for closer in closers {
            let output = closer.wait_with_output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{said}");
            let count = said.lines().find_map(|line| line.strip_prefix("closed "));
            closed += count.unwrap().parse::<usize>().unwrap();
        }
        opened.extend(alive.kill());
        closed += close_the_dead(&dir);
        // A session closed twice, or one that was not open, breaks a rule that is verified.
        let report = verify(&dir, &key).unwrap_or_else(|e| panic!("round {round}: {e}"));
        let open = report.interrupted.iter().find(|session| !session.closed);
        assert_eq!(open, None, "round {round}");
        assert_eq!(report.interrupted.len(), closed, "round {round}");
        assert!(files_below(&dir.join("live")).is_empty(), "round {round}");
        let bodies = published(&dir);
        for line in &opened {
            let Some((index, session)) = line
                .strip_prefix("opened ")
                .and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            let record = Record::from_bytes(&bodies[index.parse::<usize>().unwrap()]).unwrap();
            assert_eq!(record.entry, session_entry(Phase::Open, session));
        }
    }
    println!("{closed} sessions of dead processes closed, each once");
}

/// Where power cuts are played: memory, if there is such a folder, as a disk would make every state wait.
fn playground() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// The instrument itself: what was not synchronised is lost in some of the states, what was is in all.
#[test]
fn power_cuts_lose_what_was_not_synchronised() {
    if !cuts::strace_works() {
        let message = "power cuts: strace is missing, run: apt-get install strace";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        eprintln!("SKIPPED {message}");
        return;
    }
    for (role, keeps) in [("careless", false), ("careful", true)] {
        let tmp = playground();
        let (recorded, dir) = (tmp.path().join("recorded"), tmp.path().join("cut"));
        std::fs::create_dir(&recorded).unwrap();
        let recording = cuts::Recording::of(&child(role, &recorded), &recorded);
        let mut kept = Vec::new();
        recording.states(40, &mut Random(1), |state| {
            state.restore(&dir);
            if state.said.iter().any(|line| acknowledged(line).is_some()) {
                kept.push(std::fs::read(dir.join("note")).ok());
            }
        });
        let whole = |note: &Option<Vec<u8>>| note.as_deref() == Some(b"something to keep");
        assert_eq!(kept.iter().all(whole), keeps, "{role}: {kept:?}");
        // Whole, without a name, and named but empty.
        assert!(kept.iter().any(whole) && (keeps || kept.contains(&None)));
        assert!(
            keeps || kept.contains(&Some(Vec::new())),
            "{role}: {kept:?}"
        );
    }
}

/// Every state that a power cut could leave opens again, with all that was acknowledged, verifies and goes on.
fn power_cuts(role: &str, before: usize) {
    if !cuts::strace_works() {
        let message = format!("power cuts, {role}: strace is missing, run: apt-get install strace");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        eprintln!("SKIPPED {message}");
        return;
    }
    let seed = number("CRASH_SEED", 20_261_122);
    let states = number("CRASH_STATES", 15000) as usize / 7;
    let tmp = playground();
    let (recorded, dir) = (tmp.path().join("recorded"), tmp.path().join("cut"));
    std::fs::create_dir(&recorded).unwrap();
    let mut first = BTreeMap::new();
    if role != "init" {
        let mut register = Register::init(&recorded.join("register"), ORIGIN).unwrap();
        fill(&mut register, before);
        register.checkpoint().unwrap();
        let bodies = published(&recorded.join("register"));
        first.extend((0u64..).zip(bodies));
    }
    let recording = cuts::Recording::of(&child(role, &recorded.join("register")), &recorded);
    // Twice as many cuts as changes, near enough, as each is synchronised or spoken of.
    let mixtures = (states / (2 * recording.changes())).max(2);
    let mut refused = 0;
    let shown = recording.states(mixtures, &mut Random(seed), |state| {
        state.restore(&dir);
        let what = format!("{role}, seed {seed}, {}", state.name);
        refused += usize::from(!recovers(&dir.join("register"), state.said, &first, &what));
    });
    println!(
        "{role}: {} changes, {shown} states (seed {seed}), {refused} without a register",
        recording.changes()
    );
    assert!(role == "init" || refused == 0);
}

/// Judges one state. `false` when there is no register yet, nor anything acknowledged.
fn recovers(dir: &Path, said: &[String], first: &BTreeMap<u64, Vec<u8>>, what: &str) -> bool {
    let acknowledged: BTreeMap<u64, String> = said.iter().filter_map(|s| acknowledged(s)).collect();
    let before = VerifierKey::load(&dir.join("register.pub")).map(|key| verify(dir, &key));
    let register = match Register::open_within(dir, None, Duration::ZERO) {
        Ok(register) => register,
        Err(error @ (OpenError::NotARegister(_) | OpenError::Key(_)))
            if acknowledged.is_empty() && first.is_empty() =>
        {
            // The power went before the register was made.
            assert!(!error.to_string().is_empty());
            return false;
        }
        Err(error) => panic!("{what}: does not open: {error}"),
    };
    // Before it is opened again a torn end may be seen, but nobody is accused of a forgery.
    match before.unwrap_or_else(|e| panic!("{what}: {e}")) {
        Ok(_) | Err(VerifyError::Unsigned(_) | VerifyError::Tile { .. }) => {}
        Err(error) => panic!("{what}: before recovery verify says: {error}"),
    }
    drop(register);
    close_the_dead(dir);
    let mut register = Register::open(dir, None).unwrap();
    let size = register.size();
    let token = "afterwards";
    let index = register
        .append(&named(token))
        .unwrap_or_else(|e| panic!("{what}: does not go on: {e}"));
    assert_eq!(index, size, "{what}");
    register.checkpoint().unwrap();
    let key = register.verifier_key();
    let report = verify(dir, &key).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(report.entries, index + 1, "{what}");
    let open = report.interrupted.iter().find(|session| !session.closed);
    assert_eq!(open, None, "{what}");
    for line in said {
        if let Some(kept) = line.strip_prefix("checkpoint ") {
            let kept = hex::decode(kept).unwrap();
            verify_since(dir, &key, &kept).unwrap_or_else(|e| panic!("{what}: {e}"));
        }
    }
    nothing_lost(dir, &acknowledged, what);
    let purged = said.iter().any(|line| line == "purged 2");
    let bodies = published(dir);
    for (index, body) in first {
        let now = &bodies[*index as usize];
        let may_be_erased = *index < 2 && what.starts_with("purge");
        assert!(
            now == body || may_be_erased && now.is_empty(),
            "{what}: entry {index}"
        );
        if purged && may_be_erased {
            assert!(now.is_empty(), "{what}: entry {index} came back");
            // The agent of an entry is in its body alone.
            let agent = entry(*index as usize).agent.unwrap().id;
            for path in files_below(dir) {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(agent.len()).any(|w| w == agent.as_bytes());
                assert!(
                    !found,
                    "{what}: entry {index} is still in {}",
                    path.display()
                );
            }
        }
    }
    true
}

#[test]
fn power_cuts_while_appending() {
    power_cuts("appends", 3);
}

#[test]
fn power_cuts_while_a_tile_fills() {
    power_cuts("a full tile", 253);
}

#[test]
fn power_cuts_while_purging() {
    power_cuts("purge", 4);
}

#[test]
fn power_cuts_while_threads_share_a_commit() {
    power_cuts("threads", 1);
}

#[test]
fn power_cuts_while_sessions_open_and_close() {
    power_cuts("sessions", 2);
}

#[test]
fn power_cuts_while_the_journal_fills() {
    power_cuts("a journal that fills", 2);
}

#[test]
fn power_cuts_while_a_register_is_made() {
    power_cuts("init", 0);
}

/// Runs `role` where it may mount: in mount points of its own, which go with it.
fn with_own_mounts(test: &str, role: &str) {
    let tmp = tempfile::tempdir().unwrap();
    let may = |options: &[&str]| {
        let tried = Command::new("unshare").args(options).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    };
    let options = [&["--mount"][..], &["--map-root-user", "--mount"]];
    let Some(options) = options.into_iter().find(|options| may(options)) else {
        eprintln!("SKIPPED {test}: no file system may be mounted here");
        return;
    };
    let inner = child(role, tmp.path());
    let output = Command::new("unshare")
        .args(options)
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("came to its end"), "{said}");
}

fn mount(options: &str, dir: &Path) {
    let mut mount = Command::new("mount");
    let mounted = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir);
    assert!(mounted.status().unwrap().success(), "{options}");
}

#[test]
fn a_full_disk_loses_nothing() {
    with_own_mounts("a_full_disk_loses_nothing", "full disk");
}

/// A disk that fills up at many different points, and then is given room again.
fn full_disk(dir: &Path) {
    mount("size=32m", dir);
    let register_dir = dir.join("register");
    let mut register = Register::init(&register_dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    let mut acknowledged = BTreeMap::new();
    let mut failures = 0;
    for round in 0..24 {
        let ballast = dir.join("ballast");
        // All the rest of the disk but a few pages.
        let mut file = std::fs::File::create(&ballast).unwrap();
        let page = [0x55; 4096];
        while file.write_all(&page).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length - 4096 * (round % 12)).unwrap();
        // Open, it would keep its pages when it is removed.
        drop(file);
        for n in 0..40 {
            let mut entry = named(&format!("full{round}-{n}"));
            // Long, so that files grow by pages.
            entry.rules_version = "·".repeat(1500);
            match register.append(&entry) {
                Ok(index) => {
                    acknowledged.insert(index, entry);
                }
                Err(error) => {
                    failures += 1;
                    let text = error.to_string();
                    assert!(text.contains("not full") && text.contains("/"), "{text}");
                    break;
                }
            }
            if n % 8 == 7 {
                // Publishing needs room too; without it, what was acknowledged waits.
                if let Err(error) = register.checkpoint() {
                    failures += 1;
                    assert!(error.to_string().contains("not full"), "{error}");
                    break;
                }
            }
        }
        // What is there is whole, on the full disk and to a process that opens it anew.
        let report = verify(&register_dir, &key).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert!(report.entries >= acknowledged.len() as u64, "round {round}");
        if round % 3 == 0 {
            drop(register);
            match Register::open_within(&register_dir, None, Duration::ZERO) {
                Ok(_) => {}
                Err(error) => assert!(error.to_string().contains("not full"), "{error}"),
            }
            std::fs::remove_file(&ballast).unwrap();
            register = Register::open(&register_dir, None).unwrap();
        } else {
            std::fs::remove_file(&ballast).unwrap();
        }
        let token = format!("room{round}");
        let index = register.append(&named(&token)).unwrap();
        acknowledged.insert(index, named(&token));
        register.checkpoint().unwrap();
        verify(&register_dir, &key).unwrap_or_else(|e| panic!("round {round}: {e}"));
    }
    assert!(failures > 10, "the disk was never full");
    let bodies = published(&register_dir);
    for (index, entry) in acknowledged {
        let record = Record::from_bytes(&bodies[index as usize]).unwrap();
        assert_eq!(record.entry, entry, "entry {index}");
    }
    println!("came to its end, {failures} failures");
}

#[test]
fn a_disk_that_turns_read_only_is_told_and_loses_nothing() {
    with_own_mounts("a_disk_that_turns_read_only", "read-only disk");
}

fn read_only_disk(dir: &Path) {
    mount("size=32m", dir);
    let register_dir = dir.join("register");
    let remount = |mode: &str| {
        let mut mount = Command::new("mount");
        let mounted = mount
            .args(["-o", &format!("remount,{mode}")])
            .arg(dir)
            .status();
        assert!(mounted.unwrap().success(), "{mode}");
    };
    let mut register = Register::init(&register_dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    let mut acknowledged = BTreeMap::new();
    for n in 0..5 {
        let token = format!("before{n}");
        acknowledged.insert(register.append(&named(&token)).unwrap(), token);
    }
    drop(register);
    remount("ro");
    let refused = Register::open_within(&register_dir, None, Duration::ZERO)
        .map_err(|error| error.to_string())
        .and_then(|mut register| {
            let appended = register.append(&named("refused"));
            appended.map_err(|error| error.to_string())
        })
        .unwrap_err();
    assert!(refused.contains("writable"), "{refused}");
    assert_eq!(verify(&register_dir, &key).unwrap().entries, 5);
    remount("rw");
    let mut register = Register::open(&register_dir, None).unwrap();
    let token = "after".to_owned();
    acknowledged.insert(register.append(&named(&token)).unwrap(), token);

    // Read-only under an open register: files that are open already may still be written.
    let mut bind = Command::new("mount");
    let bound = bind
        .args(["--bind", "-o", "ro"])
        .args([&register_dir, &register_dir]);
    assert!(bound.status().unwrap().success());
    let mut refusals = 0;
    for n in 0..3 {
        let token = format!("under{n}");
        match register.append(&named(&token)) {
            Ok(index) => {
                acknowledged.insert(index, token);
            }
            Err(error) => {
                refusals += 1;
                assert!(error.to_string().contains("writable"), "{error}");
            }
        }
    }
    let told = register.probe().unwrap_err().to_string();
    assert!(told.contains("writable"), "{told}");
    verify(&register_dir, &key).unwrap();
    let mut unbind = Command::new("umount");
    assert!(
        unbind
            .arg("-l")
            .arg(&register_dir)
            .status()
            .unwrap()
            .success()
    );
    register.probe().unwrap();
    let token = "writable again".replace(' ', "-");
    acknowledged.insert(register.append(&named(&token)).unwrap(), token);
    register.checkpoint().unwrap();
    verify(&register_dir, &key).unwrap();
    nothing_lost(&register_dir, &acknowledged, "read-only");
    println!("came to its end, {refusals} refusals");
}

/// The clock of the host is set back: nothing is written until it is right again, and nothing is lost.
#[test]
fn a_clock_set_back_is_told() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    fill(&mut register, 5);
    for opened_anew in [false, true] {
        if opened_anew {
            drop(register);
            register = Register::open(&dir, None).unwrap();
        }
        for n in [0, 3] {
            let error = register.append_at(&entry(5), at(n)).unwrap_err();
            assert!(matches!(error, AppendError::Clock { .. }), "{error}");
            assert!(error.to_string().contains("set the clock right"), "{error}");
        }
        let published = register.checkpoint().unwrap();
        assert_eq!(published.size(), register.size());
        assert_eq!(verify(&dir, &key).unwrap().entries, register.size());
        let n = register.size() as usize;
        assert_eq!(register.append_at(&entry(n), at(n)).unwrap(), n as u64);
    }
}

/// A register is copied with its key and both copies are written: each verifies, and whoever keeps a checkpoint of
/// one sees that the other is another history. A witness cosigns for one of them only.
#[test]
fn two_hosts_with_one_key_are_found_out() {
    use privacy_register::witness::WitnessState;
    let tmp = tempfile::tempdir().unwrap();
    let (one, two) = (tmp.path().join("one"), tmp.path().join("two"));
    let mut register = Register::init(&one, ORIGIN).unwrap();
    let key = register.verifier_key();
    fill(&mut register, 4);
    let common = register.checkpoint().unwrap();
    drop(register);
    copy(&one, &two);
    let witness_key = WitnessKey::generate("witness.example/w1").unwrap();
    let state = tmp.path().join("witness");
    WitnessState::init(&state, &witness_key).unwrap();
    let witness = WitnessState::open(&state, witness_key, std::slice::from_ref(&key)).unwrap();
    let ask = |old: u64, dir: &Path, checkpoint: &SignedCheckpoint| {
        let mut request = format!("old {old}\n");
        if old > 0 && old < checkpoint.size() {
            for hash in consistency(dir, old, checkpoint.size()).unwrap() {
                request += &format!("{hash}\n");
            }
        }
        let request = [request.as_bytes(), b"\n", checkpoint.bytes()].concat();
        let answer = witness.add_checkpoint(&request);
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    assert_eq!(ask(0, &one, &common).0, 200);
    let mut heads = Vec::new();
    for (dir, offset) in [(&one, 100), (&two, 200)] {
        let mut register = Register::open(dir, None).unwrap();
        for n in 4..7 + offset / 100 {
            register.append_at(&entry(n + offset), at(n)).unwrap();
        }
        heads.push(register.checkpoint().unwrap());
        verify(dir, &key).unwrap();
        verify_since(dir, &key, common.bytes()).unwrap();
    }
    // The second of them is longer, which does not make it the same.
    let error = verify_since(&two, &key, heads[0].bytes()).unwrap_err();
    assert!(matches!(error, VerifyError::Forked { size: 8 }), "{error}");
    let error = verify_since(&one, &key, heads[1].bytes()).unwrap_err();
    assert!(matches!(error, VerifyError::Forked { size: 9 }), "{error}");
    assert_eq!(ask(4, &one, &heads[0]).0, 200);
    // Not from where the witness stands, and not with a proof of its own history either.
    assert_eq!(ask(4, &two, &heads[1]), (409, "8\n".into()));
    assert_eq!(ask(8, &two, &heads[1]).0, 422);
}
