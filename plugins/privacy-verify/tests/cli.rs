// SPDX-License-Identifier: MIT OR Apache-2.0
//! The binary that inspectors carry, as they meet it. What it shares with `privacyctl` is tested there.
#![forbid(unsafe_code)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use privacy_register::{Agent, Entry, Operation, Reader, Register, prove};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_privacy-verify"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn register(dir: &Path) -> Register {
    let mut register = Register::init(dir, "gst-privacy/test").unwrap();
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "vp.live_view.public_road".into();
    entry.motif = "surveillance".into();
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        ..Default::default()
    });
    register.append(&entry).unwrap();
    register.checkpoint().unwrap();
    register
}

#[test]
fn it_verifies_and_leaves_no_trace() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let verifier = register(&dir).verifier_key();
    let at = |name: &str| tmp.path().join(name).to_str().unwrap().to_owned();
    let (register, key) = (at("register"), at("register/register.pub"));
    fs::write(
        at("entry-0.tlog-proof"),
        prove(&dir, &verifier, 0).unwrap().to_text(),
    )
    .unwrap();
    fs::write(
        at("entry-0.json"),
        Reader::open(&dir).unwrap().body(0).unwrap(),
    )
    .unwrap();
    let listing = || {
        let mut files = Vec::new();
        let mut folders = vec![dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    files.push((entry.path(), fs::read(entry.path()).unwrap()));
                }
            }
        }
        files.sort();
        files
    };
    let before = listing();
    let proof = at("entry-0.tlog-proof");
    for (arguments, code, first) in [
        (
            vec!["verify", &register, "--key", &key],
            0,
            "register verified: yes",
        ),
        (
            vec!["verify", "/nothing", "--key", &key],
            1,
            "register verified: NO",
        ),
        (
            vec!["check-proof", &proof, "--key", &key],
            0,
            "proof verified: yes",
        ),
        (
            vec!["check-proof", &key, "--key", &key],
            1,
            "proof verified: NO",
        ),
        (
            vec!["check-file", &proof, "--register", &register],
            1,
            "file in register: NO",
        ),
        (vec!["check-file", &proof], 2, ""),
        (vec!["prove", &register, "0"], 2, ""),
    ] {
        let output = run(&arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert_eq!(said.lines().next().unwrap_or_default(), first);
        assert_eq!(code == 0, output.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(listing(), before);
}

#[test]
fn a_proof_shows_its_witnesses_when_a_policy_asks() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let verifier = register(&dir).verifier_key();
    let at = |name: &str| tmp.path().join(name).to_str().unwrap().to_owned();
    fs::write(
        at("p.tlog-proof"),
        prove(&dir, &verifier, 0).unwrap().to_text(),
    )
    .unwrap();
    fs::write(at("p.json"), Reader::open(&dir).unwrap().body(0).unwrap()).unwrap();
    let witness = privacy_register::WitnessKey::generate("witness.example").unwrap();
    let check = |policy: &str| {
        fs::write(at("policy"), policy).unwrap();
        run(&[
            "check-proof",
            &at("p.tlog-proof"),
            "--key",
            &at("register/register.pub"),
            "--policy",
            &at("policy"),
        ])
    };
    let none = check(&format!("log {verifier}\nquorum none\n"));
    assert!(none.status.success(), "{none:?}");
    let asked = check(&format!(
        "log {verifier}\nwitness w {}\nquorum w\n",
        witness.verifier()
    ));
    let said = String::from_utf8_lossy(&asked.stdout);
    assert_eq!(asked.status.code(), Some(1));
    assert!(said.contains("lacks cosignatures"), "{said}");
}
