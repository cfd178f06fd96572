// SPDX-License-Identifier: MIT OR Apache-2.0
//! A register to try commands on.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use privacy_register::{
    Agent, Anonymisation, Entry, Operation, Output as Written, Phase, Recipient, Register,
};
use sha2::{Digest as _, Sha256};

/// What was exported.
pub const EXPORT: &[u8] = b"the exported file";
/// What an encrypted export holds.
pub const PLAIN: &[u8] = b"what the encrypted file holds";

/// Runs `privacyctl register`.
pub fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_privacyctl"))
        .arg("register")
        .args(args)
        .env("LC_ALL", "C")
        .output()
        .unwrap()
}

/// Standard output of a command that must succeed.
pub fn ok(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", err(&output));
    out(&output)
}

/// Standard output of a command that must end with status 1.
pub fn refused(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{args:?}: {} {}",
        out(&output),
        err(&output)
    );
    out(&output) + &err(&output)
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A folder with a register in it.
pub struct Site {
    pub tmp: tempfile::TempDir,
}

impl Site {
    /// An empty register.
    pub fn new() -> Self {
        let site = Self {
            tmp: tempfile::tempdir().unwrap(),
        };
        ok(&["init", &site.at("register"), "--origin", "gst-privacy/test"]);
        site
    }

    /// Path of something in the folder.
    pub fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    pub fn register(&self) -> Register {
        Register::open(&self.path("register"), None).unwrap()
    }

    pub fn key(&self) -> String {
        self.at("register/register.pub")
    }

    /// Puts a file there.
    pub fn put(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.at(name)
    }
}

/// The opening entry of an extraction.
pub fn opening(session: &str) -> Entry {
    let mut entry = Entry::new(Operation::Extract);
    entry.session = session.into();
    entry.phase = Some(Phase::Open);
    entry.purpose_id = "judicial.requisition_extract".into();
    entry.motif = "réquisition 2026/114\u{1b}[2J".into();
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        ..Default::default()
    });
    entry.destinataire = Some(Recipient::Somebody {
        name: "OPJ 3321".into(),
        service: "commissariat".into(),
        capacity: String::new(),
    });
    entry
}

/// The closing entry of the extraction that entry `prior` opened.
pub fn closing(session: &str, prior: u64, written: &[u8]) -> Entry {
    let mut entry = opening(session);
    entry.phase = Some(Phase::Close);
    entry.prior_entry_seq = Some(prior);
    entry.output = Some(Written {
        media_id: format!("{session}.mkv"),
        sha256: sha256(written),
        bytes: written.len() as u64,
        ..Default::default()
    });
    entry
}

/// Closing entry whose frames have this root.
pub fn with_frames(mut entry: Entry, root: &str, frames: u64) -> Entry {
    entry.anonymisation = Some(Anonymisation {
        required: "persons_vehicles".into(),
        frames_total: frames,
        proof_root: root.into(),
        ..Default::default()
    });
    entry
}
