// SPDX-License-Identifier: MIT OR Apache-2.0
//! The binary that inspectors carry, as they meet it. What it shares with `privacyctl` is tested there.
#![forbid(unsafe_code)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use privacy_register::{Agent, Entry, Operation, Reader, Recipient, Register, prove};
use sha2::{Digest as _, Sha256};

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

#[test]
fn what_a_running_writer_has_not_published_is_verified_too() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = register(&dir);
    let at = |name: &str| tmp.path().join(name).to_str().unwrap().to_owned();
    let export = b"exported a moment ago";
    fs::write(at("export"), export).unwrap();
    let mut entry = Entry::new(Operation::Extract);
    entry.purpose_id = "judicial.requisition_extract".into();
    entry.motif = "réquisition".into();
    entry.agent = Some(Agent {
        id: "a-0421".into(),
        ..Default::default()
    });
    entry.destinataire = Some(Recipient::Somebody {
        name: "OPJ 3321".into(),
        service: String::new(),
        capacity: String::new(),
    });
    entry.output = Some(privacy_register::Output {
        sha256: hex::encode(Sha256::digest(export)),
        bytes: export.len() as u64,
        ..Default::default()
    });
    register.append(&entry).unwrap();
    // The writer lives on, as that of a pipeline does.
    let verified = run(&["verify", &at("register")]);
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said}");
    assert!(said.contains("entries        2"), "{said}");
    let found = run(&["check-file", &at("export"), "--register", &at("register")]);
    let said = String::from_utf8_lossy(&found.stdout);
    assert!(found.status.success(), "{said}");
    assert!(
        said.contains("a-0421") && said.contains("1, proven among 2 signed"),
        "{said}"
    );
    drop(register);
}
