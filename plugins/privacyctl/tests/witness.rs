// SPDX-License-Identifier: MIT OR Apache-2.0
//! A register, a witness that runs as a process of its own, and whoever tries to write two histories.
#![forbid(unsafe_code)]

#[expect(dead_code, reason = "shared with the tests of proofs")]
mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use support::{EXPORT, Site, closing, ok, opening, refused, sha256};

/// A witness that runs.
struct Witness {
    child: Child,
    out: BufReader<ChildStdout>,
    url: String,
}

impl Witness {
    fn start(site: &Site, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_privacyctl"))
            .args(["register", "witness", "--listen", "127.0.0.1:0"])
            .args(["--key", &site.at("w.key"), "--state", &site.at("state")])
            .args(more)
            .args(["--log", &site.key()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let url = loop {
            line.clear();
            if out.read_line(&mut line).unwrap() == 0 {
                let mut error = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut error)
                    .unwrap();
                panic!("the witness did not start: {error}");
            }
            if let Some(url) = line.strip_prefix("listening ") {
                break url.trim().to_owned();
            }
        };
        Self { child, out, url }
    }

    /// What `GET` gives.
    fn get(&self, path: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: w\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.to_owned()
    }

    /// Ends it as systemd would, and gives back what it said of requests.
    fn end(mut self, signal: &str) -> String {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "stopped\n");
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

fn session(dir: &Path, name: &str) {
    let mut register = privacy_register::Register::open(dir, None).unwrap();
    let prior = register.append(&opening(name)).unwrap();
    register.append(&closing(name, prior, EXPORT)).unwrap();
    register.checkpoint().unwrap();
}

#[test]
fn a_witness_finds_a_fork_and_a_rollback_that_the_directory_does_not_show() {
    let site = Site::new();
    let made = ok(&[
        "witness-key",
        "new",
        "--name",
        "witness.example/a",
        "--out",
        &site.at("w"),
    ]);
    assert!(made.contains("witness.example/a+"), "{made}");
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(site.path("w.key")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    refused(&["witness-key", "new", "--name", "b", "--out", &site.at("w")]);

    let witness = Witness::start(&site, &["--init"]);
    let dir = site.at("register");
    let public = site.at("w.pub");
    let cosign = |dir: &str, url: &str| {
        vec!["cosign", dir, "--witness", url, "--witness-key", &public]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let args = |args: &[String]| {
        args.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let ok_of = |list: Vec<String>| ok(&args(&list).split('\n').collect::<Vec<_>>());
    let refused_of = |list: Vec<String>| refused(&args(&list).split('\n').collect::<Vec<_>>());

    session(&site.path("register"), "s-1");
    let text = ok_of(cosign(&dir, &witness.url));
    assert!(
        text.contains("2 entries cosigned by witness.example/a"),
        "{text}"
    );

    // Before the policy is asked for, and after.
    let key = |path: &str| fs::read_to_string(site.at(path)).unwrap().trim().to_owned();
    let policy = site.put(
        "policy",
        format!(
            "log {}\nwitness city {}\nquorum city\n",
            key("register/register.pub"),
            key("w.pub")
        )
        .as_bytes(),
    );
    let text = ok(&["verify", &dir, "--policy", &policy]);
    assert!(text.contains("2 entries, by city ("), "{text}");
    assert!(!text.contains("younger"));

    copy(&site.path("register"), &site.path("early"));
    // Somebody takes the directory with its key to another host, and both go on.
    let elsewhere = site.path("elsewhere");
    copy(&site.path("register"), &elsewhere);
    session(&site.path("register"), "s-2");
    session(&site.path("register"), "s-3");
    session(&elsewhere, "t-2");
    let text = ok(&["verify", &dir, "--policy", &policy]);
    assert!(text.contains("4 entries, which only the key"), "{text}");
    ok_of(cosign(&dir, &witness.url));
    let text = refused_of(cosign(elsewhere.to_str().unwrap(), &witness.url));
    assert!(
        text.contains("holds 4 entries, and 6 were cosigned") && text.contains("witness.example/a"),
        "{text}"
    );
    session(&elsewhere, "t-3");
    session(&elsewhere, "t-4");
    let text = refused_of(cosign(elsewhere.to_str().unwrap(), &witness.url));
    assert!(
        text.contains("disagree since entry 6") && text.contains("divergent"),
        "{text}"
    );
    // By itself it looks as it should; the checkpoint of the witness tells.
    ok(&["verify", elsewhere.to_str().unwrap()]);
    let origin = sha256(b"gst-privacy/test");
    let seen = site.put(
        "seen",
        witness.get(&format!("/{origin}/checkpoint")).as_bytes(),
    );
    let text = refused(&[
        "verify",
        elsewhere.to_str().unwrap(),
        "--policy",
        &policy,
        "--checkpoint",
        &seen,
    ]);
    assert!(
        text.contains("is not a beginning of this register"),
        "{text}"
    );
    let text = ok(&["verify", &dir, "--policy", &policy, "--checkpoint", &seen]);
    assert!(text.contains("6 entries, by city ("), "{text}");

    // An old copy put back, with the newer cosignatures beside it, or with the old ones.
    let now = fs::read(site.path("register/witnessed")).unwrap();
    let log = witness.end("-TERM");
    assert!(
        log.contains(" 422 POST /add-checkpoint gst-privacy/test"),
        "{log}"
    );

    fs::remove_dir_all(site.path("register")).unwrap();
    copy(&site.path("early"), &site.path("register"));
    fs::write(site.path("register/witnessed"), &now).unwrap();
    let text = refused(&["verify", &dir, "--policy", &policy, "--lang", "fr"]);
    assert!(text.contains("n'est pas un début de ce registre"), "{text}");
    let text = refused(&["verify", &dir, "--checkpoint", &seen]);
    assert!(text.contains("is not a beginning"), "{text}");
    fs::remove_dir_all(site.path("register")).unwrap();
    copy(&site.path("early"), &site.path("register"));
    ok(&["verify", &dir, "--policy", &policy]);
    let text = refused(&["verify", &dir, "--policy", &policy, "--checkpoint", &seen]);
    assert!(text.contains("is not a beginning"), "{text}");
    fs::remove_file(site.path("register/witnessed")).unwrap();
    let text = refused(&["verify", &dir, "--policy", &policy]);
    assert!(text.contains("no witness has cosigned"), "{text}");

    // The witness remembers across its own end.
    let witness = Witness::start(&site, &[]);
    let text = refused_of(cosign(&dir, &witness.url));
    assert!(text.contains("an old copy was restored"), "{text}");
    witness.end("-INT");

    // Without its state it does not begin anew.
    fs::remove_dir_all(site.path("state")).unwrap();
    let text = refused(&[
        "witness",
        "--listen",
        "127.0.0.1:0",
        "--key",
        &site.at("w.key"),
        "--state",
        &site.at("state"),
        "--log",
        &site.key(),
    ]);
    assert!(text.contains("is not the state of a witness"), "{text}");
}

/// Copies a register as somebody would who takes the disk.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
