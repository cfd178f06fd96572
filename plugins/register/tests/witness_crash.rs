// SPDX-License-Identifier: MIT OR Apache-2.0
//! A witness that is killed at any instant: it never cosigns two trees of a size, and never forgets one that it has
//! handed out.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use privacy_register::{
    Agent, Entry, Operation, Register, VerifierKey, WitnessKey, consistency, witness::WitnessState,
};

/// Tells the child, which is this test program again, where the state is.
const STATE: &str = "GST_PRIVACY_TEST_WITNESS_STATE";
const KILLS: usize = 60;
const SIZES: usize = 120;

fn append(register: &mut Register, motif: &str) {
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "vp.live_view.public_road".into();
    entry.motif = motif.into();
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        ..Default::default()
    });
    register.append(&entry).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

/// The child: answers requests from standard input, each behind its length, on standard output.
#[test]
fn child() {
    let Some(state) = std::env::var_os(STATE) else {
        return;
    };
    let dir = PathBuf::from(state);
    let key = WitnessKey::load(&dir.with_file_name("witness.key")).unwrap();
    let log = VerifierKey::load(&dir.with_file_name("register.pub")).unwrap();
    let witness = WitnessState::open(&dir.join("state"), key, &[log]).unwrap();
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    // What the harness writes to standard output ends here.
    output.write_all(b"\0").unwrap();
    output.flush().unwrap();
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        input.read_exact(&mut body).unwrap();
        let answer = witness.add_checkpoint(&body);
        output.write_all(&answer.status.to_be_bytes()).unwrap();
        output
            .write_all(&(answer.body.len() as u32).to_be_bytes())
            .unwrap();
        output.write_all(&answer.body).unwrap();
        output.flush().unwrap();
    }
    std::process::exit(0);
}

fn spawn(dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(STATE, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut byte = [1];
    while byte != [0] {
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
    }
    child
}

/// Status and body, or nothing when the child is gone.
fn ask(child: &mut Child, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let input = child.stdin.as_mut()?;
    input.write_all(&(body.len() as u32).to_be_bytes()).ok()?;
    input.write_all(body).ok()?;
    input.flush().ok()?;
    let output = child.stdout.as_mut()?;
    let (mut status, mut length) = ([0; 2], [0; 4]);
    output.read_exact(&mut status).ok()?;
    output.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    output.read_exact(&mut body).ok()?;
    Some((u16::from_be_bytes(status), body))
}

#[test]
fn a_killed_witness_never_contradicts_itself() {
    let tmp = tempfile::tempdir().unwrap();
    let (ours, fork) = (tmp.path().join("ours"), tmp.path().join("fork"));
    let mut register = Register::init(&ours, "gst-privacy/test").unwrap();
    for n in 0..5 {
        append(&mut register, &format!("common {n}"));
    }
    let mut checkpoints = [BTreeMap::new(), BTreeMap::new()];
    let first = register.checkpoint().unwrap();
    drop(register);
    copy(&ours, &fork);
    for (dir, checkpoints) in [&ours, &fork].into_iter().zip(&mut checkpoints) {
        checkpoints.insert(5, first.bytes().to_vec());
        let mut register = Register::open(dir, None).unwrap();
        for n in 6..=SIZES {
            append(&mut register, &format!("{} {n}", dir.display()));
            let checkpoint = register.checkpoint().unwrap();
            checkpoints.insert(n, checkpoint.bytes().to_vec());
        }
    }
    let home = tmp.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let key = WitnessKey::generate("witness.example/w1").unwrap();
    key.save(&tmp.path().join("witness.key")).unwrap();
    std::fs::copy(ours.join("register.pub"), tmp.path().join("register.pub")).unwrap();
    WitnessState::init(&home.join("state"), &key).unwrap();

    // What was handed out: the tree of each size. Both hosts ask in turn, and whoever gets beyond the common
    // entries first has won.
    let mut cosigned = BTreeMap::<usize, usize>::new();
    let mut handed_out = 0;
    let mut known = 0;
    let mut turn = 0usize;
    for kill in 0..KILLS {
        let mut child = spawn(&home);
        let pid = child.id().to_string();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(300 * (kill as u64 % 20) + 50));
            let _ = Command::new("kill").args(["-9", &pid]).status();
        });
        loop {
            turn += 1;
            let host = turn % 2;
            let (dir, own) = if host == 0 {
                (&ours, &checkpoints[0])
            } else {
                (&fork, &checkpoints[1])
            };
            // Also sizes that are passed already: a host that lags.
            let size = (known + turn % 3).clamp(5, SIZES);
            let proof = match known {
                0 => String::new(),
                known if known >= size => String::new(),
                known => consistency(dir, known as u64, size as u64)
                    .unwrap()
                    .iter()
                    .map(|hash| format!("{hash}\n"))
                    .collect(),
            };
            let request = [format!("old {known}\n{proof}\n").as_bytes(), &own[&size]].concat();
            let Some((status, body)) = ask(&mut child, &request) else {
                break;
            };
            match status {
                200 => {
                    assert!(body.starts_with("— witness.example/w1 ".as_bytes()));
                    if size > 5 {
                        let other = cosigned.insert(size, host);
                        assert!(
                            other.is_none_or(|other| other == host),
                            "two trees of size {size}"
                        );
                    }
                    handed_out = handed_out.max(size);
                    known = size;
                }
                409 => {
                    if let Ok(text) = str::from_utf8(&body)
                        && let Ok(told) = text.trim().parse::<usize>()
                    {
                        assert!(told >= handed_out, "forgot {handed_out}, knows {told}");
                        known = told;
                    }
                }
                422 => {}
                other => panic!("{other}: {}", String::from_utf8_lossy(&body)),
            }
        }
        killer.join().unwrap();
        child.wait().unwrap();
        // What the kill has left opens.
        let log = VerifierKey::load(&tmp.path().join("register.pub")).unwrap();
        WitnessState::open(&home.join("state"), key.clone(), &[log]).unwrap();
    }
    let winners: std::collections::BTreeSet<_> = cosigned.values().collect();
    assert!(winners.len() <= 1, "{cosigned:?}");
    assert!(handed_out > 5, "nobody won within {KILLS} kills");
}
