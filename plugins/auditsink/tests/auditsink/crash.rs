// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processes that die: at every call of the system that writes, while another one starts, and many at once.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use gst::prelude::*;
use gst_check::Harness;
use gstauditsink::auditsink::Message;
use privacy_common::AuditAnswer;
use privacy_register::{Phase, Record};

use crate::support::*;

const SITE: &str = "AUDITSINK_TEST_SITE";
const WORK: &str = "AUDITSINK_TEST_WORK";
const NAME: &str = "crash::the_other_process";

/// Calls of the system after which the disk is another one.
const WRITES: [&str; 15] = [
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "ftruncate",
    "fallocate",
    "mkdir",
    "mkdirat",
];

/// What runs in the other process; nothing where it is run as a test.
#[test]
fn the_other_process() {
    let (Some(site), Ok(work)) = (std::env::var_os(SITE), std::env::var(WORK)) else {
        return;
    };
    let site = Path::new(&site);
    match work.as_str() {
        "export" => drop(export(site)),
        "wait" => {
            let harness = open(site);
            println!("ACK");
            let _ = std::io::stdin().read(&mut [0]);
            drop(harness);
        }
        "start" => start(&site.join("register"), Some(&site.join("piece.bin"))),
        other => panic!("{other}"),
    }
}

fn sink_at(register: &Path, location: Option<&Path>) -> gst::Element {
    init();
    let sink = gst::ElementFactory::make("auditsink")
        .property("register", register.to_str().unwrap())
        .property("segment-duration", 1_000_000_000u64)
        .build()
        .unwrap();
    if let Some(location) = location {
        sink.set_property("location", location.to_str().unwrap());
    }
    sink
}

/// Opens a session and takes in one buffer.
fn open(site: &Path) -> Harness {
    let sink = sink_at(&site.join("register"), Some(&site.join("piece.bin")));
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    let pad = harness.srcpad().unwrap();
    let mut query = extract("s-1").to_query();
    let answered = pad.peer_query(&mut query);
    assert_eq!(AuditAnswer::read(&query, answered), AuditAnswer::Durable(0));
    harness.set_src_caps_str("application/octet-stream");
    push(&mut harness, 0);
    harness
}

fn push(harness: &mut Harness, n: u8) {
    let mut buffer = gst::Buffer::from_slice(vec![n; 100_000]);
    let pts = gst::ClockTime::from_mseconds(500 * u64::from(n));
    buffer.get_mut().unwrap().set_pts(pts);
    harness.push(buffer).unwrap();
}

fn export(site: &Path) -> Harness {
    let mut harness = open(site);
    eprintln!("ACK");
    for n in 1..4 {
        push(&mut harness, n);
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    eprintln!("DONE");
    harness
}

/// Starts a sink and stops it again: it closes what it finds dead.
fn start(register: &Path, location: Option<&Path>) {
    let sink = sink_at(register, location);
    sink.set_state(gst::State::Ready).unwrap();
    sink.set_state(gst::State::Null).unwrap();
}

fn other(site: &Site, work: &str, before: &[&str]) -> Command {
    let binary = std::env::current_exe().unwrap();
    let mut command = match before {
        [] => Command::new(binary),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(binary);
            command
        }
    };
    command
        .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
        .env(SITE, site.tmp.path())
        .env(WORK, work)
        .env("GST_REGISTRY_UPDATE", "no");
    command
}

/// What must hold whenever a process died, once another one has started.
fn judge(site: &Site, output: &Output, when: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    let file = site.path("piece.bin");
    start(&site.register, None);
    let report = site.verify().unwrap_or_else(|e| panic!("{when}: {e}"));
    let records = site.records();
    let of_phase = |phase| -> Vec<&Record> {
        let found = records.iter().filter(|r| r.entry.phase == Some(phase));
        found.collect()
    };
    let (opened, closed) = (of_phase(Phase::Open), of_phase(Phase::Close));
    assert!(
        opened.len() <= 1 && closed.len() == opened.len(),
        "{when}: {text}"
    );
    assert!(report.interrupted.iter().all(|i| i.closed), "{when}");
    if text.contains("ACK") {
        assert_eq!(opened.len(), 1, "{when}: what was acknowledged is there");
    }
    // Never a file without an entry.
    if file.exists() {
        let announced = &opened[0].entry.more["file"]["name"];
        assert_eq!(announced, "piece.bin", "{when}");
    }
    let Some(close) = closed.first() else { return };
    if close.entry.interrupted {
        assert!(
            !text.contains("DONE"),
            "{when}: what ended well was closed as such"
        );
        assert_eq!(close.entry.more["closed_by"], "next start", "{when}");
    } else {
        // Never an entry marked complete without a file.
        let output = close.entry.output.as_ref().unwrap();
        assert_eq!(output.media_id, "piece.bin", "{when}");
        assert_eq!(output.sha256, sha256(&file), "{when}");
    }
    let bytes: Vec<u8> = (0..4).flat_map(|n| vec![n; 100_000]).collect();
    for segment in of_phase(Phase::Segment) {
        use sha2::{Digest, Sha256};
        let at = |name: &str| segment.entry.more["segment"][name].as_u64().unwrap() as usize;
        let hash = hex::encode(Sha256::digest(&bytes[at("from_byte")..at("to_byte")]));
        assert_eq!(
            segment.entry.output.as_ref().unwrap().sha256,
            hash,
            "{when}"
        );
    }
    // The next start has nothing left to do.
    start(&site.register, None);
    assert_eq!(site.records().len(), records.len(), "{when}");
}

/// Exports in a process that is killed when it makes the call of the system for the `n`th time.
fn export_until(site: &Site, call: &str, n: usize) -> std::io::Result<Output> {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=KILL:when={n}");
    let strace = [
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    other(site, "export", &strace).output()
}

#[test]
fn killed_at_each_call_of_the_system_that_writes() {
    let whole = Site::new();
    match export_until(&whole, "rename", 65_535) {
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("DONE") => {
            judge(&whole, &output, "whole");
        }
        other => {
            eprintln!(
                "SKIPPED killed_at_each_call_of_the_system_that_writes: strace cannot be used here: {other:?}"
            );
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!ci, "strace must work in CI");
            return;
        }
    }
    let (mut killed, mut interrupted) = (0, 0);
    for call in WRITES {
        for n in 1.. {
            let site = Site::new();
            let output = export_until(&site, call, n).unwrap();
            judge(&site, &output, &format!("killed at {call} {n}"));
            if output.status.success() {
                break;
            }
            killed += 1;
            let last = site.records().into_iter().last();
            interrupted += u32::from(last.is_some_and(|r| r.entry.interrupted));
        }
    }
    eprintln!("killed {killed} times, {interrupted} of them in the middle of a session");
    assert!(interrupted > 20, "{interrupted} of {killed}");
}

fn waiting(site: &Site) -> Child {
    let mut child = other(site, "wait", &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = lines.map_while(Result::ok).any(|line| line.contains("ACK"));
    assert!(found, "the other process did not begin");
    child
}

#[test]
fn a_session_is_closed_once_its_process_is_dead_and_not_before() {
    let site = Site::new();
    let mut child = waiting(&site);
    let file = site.path("piece.bin");
    start(&site.register, Some(&file));
    assert_eq!(site.records().len(), 1, "it runs");
    child.kill().unwrap();
    child.wait().unwrap();
    let sink = sink_at(&site.register, Some(&file));
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    sink.set_state(gst::State::Ready).unwrap();
    let found = messages(&bus);
    let [Message::Interrupted(told)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((told.index, told.prior_index), (1, 0));
    assert_eq!(told.session, "s-1");
    assert!(told.left_as.starts_with(".piece.bin.") && told.left_as.ends_with(".part"));
    sink.set_state(gst::State::Null).unwrap();
    let records = site.records();
    let close = &records[1].entry;
    assert!(close.interrupted);
    assert_eq!(close.prior_entry_seq, Some(0));
    assert_eq!(close.more["closed_by"], "next start");
    assert_eq!(close.more["unfinished"]["left_as"], told.left_as.as_str());
    let left = fs::metadata(site.path(&told.left_as)).unwrap().len();
    assert_eq!(close.more["unfinished"]["bytes"], left);
    assert!(site.verify().unwrap().interrupted[0].closed);
}

/// Nobody declared anything, and several sinks share the name of the session.
#[test]
fn undeclared_sessions_are_told_apart() {
    let site = Site::new();
    let mut running = Vec::new();
    for _ in 0..2 {
        let sink = site.sink();
        let mut harness = Harness::with_element(&sink, Some("sink"), None);
        harness.set_src_caps_str("application/octet-stream");
        harness.push(gst::Buffer::from_slice([1u8; 10])).unwrap();
        running.push(harness);
    }
    start(&site.register, None);
    assert_eq!(site.records().len(), 2, "both run");
    for mut harness in running {
        assert!(harness.push_event(gst::event::Eos::new()));
    }
    assert_eq!(site.records().len(), 4);
    assert_eq!(site.verify().unwrap().interrupted, []);
    let live = fs::read_dir(site.register.join("live")).unwrap();
    assert_eq!(live.count(), 0);
}

#[test]
fn of_many_that_start_at_once_one_closes_it() {
    let site = Site::new();
    let mut child = waiting(&site);
    child.kill().unwrap();
    child.wait().unwrap();
    let starting: Vec<Child> = (0..6)
        .map(|_| other(&site, "start", &[]).spawn().unwrap())
        .collect();
    for mut child in starting {
        assert!(child.wait().unwrap().success());
    }
    let records = site.records();
    assert_eq!(records.len(), 2, "opened, and closed once");
    assert!(records[1].entry.interrupted);
}
