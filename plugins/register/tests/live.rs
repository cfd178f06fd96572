// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions whose process died are found by exactly one of those that come after.

#[expect(dead_code, reason = "other tests need the rest")]
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use privacy_register::*;
use support::{ORIGIN, entry};

fn opening(session: &str) -> Entry {
    let mut entry = entry(0);
    entry.session = session.into();
    entry.phase = Some(Phase::Open);
    entry
}

fn close(register: &mut Register, index: u64, open: &Entry) -> u64 {
    let mut close = open.clone();
    close.phase = Some(Phase::Close);
    close.prior_entry_seq = Some(index);
    close.interrupted = true;
    register.append(&close).unwrap()
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir.join("live")).map_or(0, Iterator::count)
}

#[test]
fn a_session_is_interrupted_once_nobody_holds_it() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    assert_eq!(register.interrupted().unwrap(), []);
    let open = opening("session/with: odd words");
    let (index, held) = register.open_session(&open).unwrap();
    let second = register.append(&opening("second")).unwrap();
    let other = register.hold("second", second).unwrap();
    assert_eq!((index, second, files(&dir)), (0, 1, 2));
    assert_eq!(register.interrupted().unwrap(), [], "both run");
    let mut another = Register::open(&dir, None).unwrap();
    assert_eq!(another.interrupted().unwrap(), []);
    other.release().unwrap();
    assert_eq!(files(&dir), 1);
    drop(held);
    let found = another.interrupted().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, &found[0].1.entry), (0, &open));
    assert_eq!(register.interrupted().unwrap(), [], "another is at it");
    drop(another);
    assert_eq!(
        register.interrupted().unwrap().len(),
        1,
        "it was not settled"
    );
    close(&mut register, 0, &open);
    register.settled(0).unwrap();
    assert_eq!((files(&dir), register.interrupted().unwrap().len()), (0, 0));
    register.settled(0).unwrap();
}

/// The file was not removed in time, or came back after a power cut: what is closed is not closed again.
#[test]
fn a_closed_session_is_not_found() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let open = opening("s");
    let (index, held) = register.open_session(&open).unwrap();
    drop(held);
    for n in 0..300 {
        register.append(&entry(n)).unwrap();
    }
    close(&mut register, index, &open);
    assert_eq!(register.interrupted().unwrap(), []);
    assert_eq!(files(&dir), 0);
}

/// The process died between making the file and writing the entry, or before the entry was noted in it.
#[test]
fn a_session_without_a_noted_entry_is_looked_for() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    register.append(&opening("before")).unwrap();
    let path = dir.join("live/s");
    fs::create_dir(dir.join("live")).unwrap();
    fs::write(&path, "{\"session\":\"s\",\"from\":1}\n").unwrap();
    assert_eq!(
        register.interrupted().unwrap(),
        [],
        "its entry was never written"
    );
    assert!(!path.exists());
    register.append(&opening("s")).unwrap();
    register.append(&opening("after")).unwrap();
    for content in ["{\"session\":\"s\",\"from\":1}\n", "", "{\"sess", "\0\0\0"] {
        fs::write(&path, content).unwrap();
        let found = register.interrupted().unwrap();
        assert_eq!(found.len(), 1, "{content:?}");
        assert_eq!((found[0].0, &*found[0].1.entry.session), (1, "s"));
        register.settled(1).unwrap();
        assert!(!path.exists());
    }
    // What is no file of a session does not stop anybody.
    fs::create_dir(&path).unwrap();
    assert_eq!(register.interrupted().unwrap(), []);
}

/// A session that was opened and whose entry was refused leaves nothing.
#[test]
fn an_opening_entry_that_fails_leaves_no_file() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let mut long = opening("s");
    long.motif = "m".repeat(MAX_ENTRY_SIZE);
    assert!(register.open_session(&long).is_err());
    assert_eq!(files(&dir), 0);
    // The same session twice.
    let (first, a) = register.open_session(&opening("s")).unwrap();
    let (second, b) = register.open_session(&opening("s")).unwrap();
    assert_eq!((first, second, files(&dir)), (0, 1, 2));
    drop(b);
    let found = register.interrupted().unwrap();
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [1]);
    a.release().unwrap();
    register.settled(1).unwrap();
    assert_eq!(files(&dir), 0);
}

/// Not a test of its own: opens sessions and dies, or closes those that it finds.
#[test]
fn session_process() {
    let Some(dir) = std::env::var_os("PRIVACY_LIVE_DIR") else {
        return;
    };
    let mut register = Register::open(Path::new(&dir), None).unwrap();
    if std::env::var("PRIVACY_LIVE_ROLE").as_deref() == Ok("dies") {
        let held: Vec<_> = (0..20)
            .map(|n| {
                register
                    .open_session(&opening(&format!("dead-{n}")))
                    .unwrap()
            })
            .collect();
        println!("{}", held.len());
        std::process::abort();
    }
    for (index, record) in register.interrupted().unwrap() {
        close(&mut register, index, &record.entry);
        register.settled(index).unwrap();
    }
}

#[test]
fn of_several_that_start_at_once_one_closes_each_dead_session() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let register = Register::init(&dir, ORIGIN).unwrap();
    let start = |role: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "session_process", "--nocapture"])
            .env("PRIVACY_LIVE_DIR", &dir)
            .env("PRIVACY_LIVE_ROLE", role)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    assert!(!start("dies").wait().unwrap().success());
    assert_eq!(files(&dir), 20);
    let closing: Vec<_> = (0..4).map(|_| start("closes")).collect();
    for mut process in closing {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(files(&dir), 0);
    let report = verify(&dir, &register.verifier_key()).unwrap();
    assert_eq!((report.entries, report.interrupted.len()), (40, 20));
    assert!(report.interrupted.iter().all(|i| i.closed));
}
