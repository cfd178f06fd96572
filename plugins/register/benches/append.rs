// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long a durable, signed entry takes, next to what the host itself takes to make as many bytes durable; and how
//! many entries a second sessions that share one register write. On the disk of `APPEND_DIR`, or else of the
//! build folder: `cargo bench -p gst-privacy-register --bench append [-- ROUNDS]`.

use std::{
    error::Error,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use privacy_register::{Agent, Entry, Operation, Register, verify};

/// Appends in one block: the baseline and the register take turns.
const BLOCK: usize = 64;
const BLOCKS: usize = 8;
const SESSIONS: usize = 16;
const PROCESSES: usize = 4;
/// How long the rates are measured, and in how many turns.
const SPAN: Duration = Duration::from_secs(4);
const TURNS: u32 = 10;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn entry() -> Entry {
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "vp.live_view.public_road".into();
    entry.motif = "surveillance de la voie publique".into();
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        ..Default::default()
    });
    // About the length of a real entry.
    entry
        .more
        .insert("legal_refs".into(), "r".repeat(900).into());
    entry
}

fn at(times: &mut [Duration], share: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// One durable append with nobody else there, next to a write of as many bytes to the end of a file and `fsync`.
fn idle(dir: &Path) -> Result<()> {
    let entry = entry();
    let bytes = vec![b'x'; serde_json::to_vec(&entry)?.len() + 120];
    let mut host = File::options()
        .create(true)
        .append(true)
        .open(dir.join("host"))?;
    let mut register = Register::init(&dir.join("register"), "gst-privacy/bench")?;
    let (mut baseline, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..BLOCKS {
        for _ in 0..BLOCK {
            let start = Instant::now();
            host.write_all(&bytes)?;
            host.sync_all()?;
            baseline.push(start.elapsed());
        }
        for _ in 0..BLOCK {
            let start = Instant::now();
            register.append(&entry)?;
            ours.push(start.elapsed());
        }
    }
    for (what, times) in [
        ("host: write + fsync", &mut baseline),
        ("append", &mut ours),
    ] {
        println!(
            "{what:<22} median {:7.1} µs, 95 % within {:8.1} µs, longest {:8.1} µs",
            micros(at(times, 0.5)),
            micros(at(times, 0.95)),
            micros(at(times, 1.0)),
        );
    }
    println!(
        "{:<22} median {:.2}, 95 % {:.2} (goal 1.10)",
        "append / host",
        micros(at(&mut ours, 0.5)) / micros(at(&mut baseline, 0.5)),
        micros(at(&mut ours, 0.95)) / micros(at(&mut baseline, 0.95)),
    );
    let start = Instant::now();
    register.publish()?;
    println!("publish what waits     {:?}", start.elapsed());
    Ok(())
}

/// Entries a second of `sessions` threads, each with a register of its own on one directory.
fn threads(dir: &Path, sessions: usize, span: Duration) -> Result<f64> {
    let start = Instant::now();
    let written = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..sessions)
            .map(|_| scope.spawn(|| appends(dir, start + span)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a session panicked")?)
            .sum::<Result<u64>>()
    })?;
    Ok(written as f64 / start.elapsed().as_secs_f64())
}

fn appends(dir: &Path, end: Instant) -> Result<u64> {
    let entry = entry();
    let mut register = Register::open(dir, None)?;
    let mut written = 0;
    while Instant::now() < end {
        register.append(&entry)?;
        written += 1;
    }
    Ok(written)
}

/// The same of processes with `sessions` threads each. They begin when all of them are ready.
fn processes(dir: &Path, processes: usize, sessions: usize) -> Result<f64> {
    let mut children = Vec::new();
    for _ in 0..processes {
        let child = Command::new(std::env::current_exe()?)
            .env("APPEND_AS", format!("{sessions} {}", dir.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        children.push(child);
    }
    let mut outputs = Vec::new();
    for child in &mut children {
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        output.read_line(&mut String::new())?;
        outputs.push(output);
    }
    for child in &mut children {
        drop(child.stdin.take());
    }
    let mut rate = 0.0;
    for (mut output, mut child) in outputs.into_iter().zip(children) {
        let mut line = String::new();
        output.read_line(&mut line)?;
        rate += line.trim().parse::<f64>()?;
        finish(&mut child)?;
    }
    Ok(rate)
}

fn finish(child: &mut Child) -> Result<()> {
    if child.wait()?.success() {
        Ok(())
    } else {
        Err("a process failed".into())
    }
}

/// What the processes run.
fn child(what: &str) -> Result<()> {
    let (sessions, dir) = what.split_once(' ').ok_or("APPEND_AS")?;
    let dir = PathBuf::from(dir);
    let held = Register::open(&dir, None)?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    println!("{}", threads(&dir, sessions.parse()?, SPAN)?);
    drop(held);
    Ok(())
}

fn main() -> Result<()> {
    if let Ok(what) = std::env::var("APPEND_AS") {
        return child(&what);
    }
    let rounds = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(3);
    let disk = std::env::var_os("APPEND_DIR").unwrap_or(env!("CARGO_TARGET_TMPDIR").into());
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        let tmp = tempfile::tempdir_in(&disk)?;
        idle(tmp.path())?;
        let dir = tmp.path().join("shared");
        let register = Register::init(&dir, "gst-privacy/bench")?;
        // Each in turn, many times, so that a disk that changes its mind shows in both.
        let (mut one, mut many) = (0.0, 0.0);
        for _ in 0..TURNS {
            one += threads(&dir, 1, SPAN / TURNS)? / f64::from(TURNS);
            many += threads(&dir, SESSIONS, SPAN / TURNS)? / f64::from(TURNS);
        }
        println!(
            "1 session {one:.0} entries/s, {SESSIONS} sessions {many:.0} entries/s: {:.1} times (goals 8 times, 5000/s)",
            many / one
        );
        let apart = processes(&dir, PROCESSES, 1)?;
        let together = processes(&dir, PROCESSES, SESSIONS / PROCESSES)?;
        println!(
            "{PROCESSES} processes of 1 session {apart:.0} entries/s, of {} sessions {together:.0} entries/s",
            SESSIONS / PROCESSES
        );
        let key = register.verifier_key();
        drop(register);
        let start = Instant::now();
        let report = verify(&dir, &key)?;
        println!("verify {} entries: {:?}\n", report.entries, start.elapsed());
    }
    Ok(())
}
