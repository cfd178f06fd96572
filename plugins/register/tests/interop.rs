// SPDX-License-Identifier: MIT OR Apache-2.0
//! Others' code reads what a register writes, and the other way round.
//!
//! The other side is the implementation behind Go's checksum database, `golang.org/x/mod/sumdb/note` and `tlog`,
//! of the Debian packages `golang-go` and `golang-golang-x-mod-dev`; `interop/main.go` is its command line.

mod support;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use privacy_register::*;
use support::{ORIGIN, Random, at, copy, entry, files_below, fill, published};

/// The program of `interop/main.go`, built afresh.
struct Go {
    _folder: tempfile::TempDir,
    program: PathBuf,
}

/// What it said.
struct Said {
    accepted: bool,
    out: Vec<u8>,
    why: String,
}

impl Go {
    /// Builds it, or returns `None` after saying what is missing.
    fn build(test: &str) -> Option<Self> {
        let sources = "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog";
        let missing = if !Path::new(sources).is_dir() {
            "golang-golang-x-mod-dev"
        } else if Command::new("go").arg("version").output().is_err() {
            "golang-go"
        } else {
            let folder = tempfile::tempdir().unwrap();
            let program = folder.path().join("interop");
            let built = Command::new("go")
                .args(["build", "-o"])
                .arg(&program)
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/main.go"))
                // Debian's sources alone: no module, no network.
                .env("GO111MODULE", "off")
                .env("GOPATH", "/usr/share/gocode")
                .env("GOFLAGS", "")
                .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"))
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(built.status.success(), "{built:?}");
            return Some(Self {
                _folder: folder,
                program,
            });
        };
        let message = format!("{test}: {missing} is missing, run: apt-get install {missing}");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        eprintln!("SKIPPED {message}");
        None
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Said {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Whoever does not read it has ended already.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_ne!(output.status.code(), Some(2), "{why}");
        assert!(!why.contains("panic:"), "{why}");
        Said {
            accepted: output.status.success(),
            out: output.stdout,
            why,
        }
    }

    /// The output of a run that accepts.
    #[track_caller]
    fn accept(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let said = self.run(arguments, input);
        assert!(said.accepted, "{arguments:?}: {}", said.why);
        said.out
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Signature, every tile, every entry and an inclusion proof of each, at every shape that a tree has.
#[test]
fn go_reads_registers_of_every_shape() {
    let Some(go) = Go::build("go_reads_registers_of_every_shape") else {
        return;
    };
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key().to_string();
    let mut kept = Vec::new();
    for size in [1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 700] {
        fill(&mut register, size);
        let checkpoint = register.checkpoint().unwrap();
        assert_eq!(checkpoint.size(), size as u64);
        let read = go.accept(&["read", text(&dir), &key], b"");
        assert_eq!(read, format!("{size}\n").into_bytes());
        kept.push(checkpoint);
    }
    // A reader of an earlier checkpoint still finds its tiles, though the register has grown.
    for checkpoint in kept.iter().filter(|c| c.size() > 512) {
        let old = tmp.path().join("old");
        copy(&dir, &old);
        fs::write(old.join("checkpoint"), checkpoint.bytes()).unwrap();
        go.accept(&["read", text(&old), &key], b"");
    }
}

/// Each spoilt file is refused by both, or by neither because neither reads it.
#[test]
fn go_and_we_refuse_the_same() {
    let Some(go) = Go::build("go_and_we_refuse_the_same") else {
        return;
    };
    let tmp = tempfile::tempdir().unwrap();
    let (whole, dir) = (tmp.path().join("whole"), tmp.path().join("spoilt"));
    let mut register = Register::init(&whole, ORIGIN).unwrap();
    fill(&mut register, 5);
    register.checkpoint().unwrap();
    let key = register.verifier_key();
    drop(register);
    let seed = 6962;
    let mut random = Random(seed);
    let mut refused = 0;
    for name in ["checkpoint", "tile/entries/000.p/5", "tile/0/000.p/5"] {
        let bytes = fs::read(whole.join(name)).unwrap();
        for _ in 0..50 {
            copy(&whole, &dir);
            let mut spoilt = bytes.clone();
            let at = random.below(spoilt.len());
            spoilt[at] ^= 1 << random.below(8);
            fs::write(dir.join(name), &spoilt).unwrap();
            let said = go.run(&["read", text(&dir), &key.to_string()], b"");
            let ours = verify(&dir, &key);
            assert_eq!(
                said.accepted,
                ours.is_ok(),
                "byte {at} of {name} (seed {seed}): Go says {:?}, we say {ours:?}",
                said.why
            );
            refused += usize::from(!said.accepted);
        }
    }
    assert_eq!(refused, 150);
    go.accept(&["read", text(&whole), &key.to_string()], b"");
}

/// Keys and checkpoints of Go's, read here.
#[test]
fn what_go_signs_is_verified_here() {
    let Some(go) = Go::build("what_go_signs_is_verified_here") else {
        return;
    };
    let keys = String::from_utf8(go.accept(&["newkey", "example.com/log"], b"")).unwrap();
    let mut lines = keys.lines();
    let (secret, public) = (lines.next().unwrap(), lines.next().unwrap());
    let signing = SigningKey::from_text(secret).unwrap();
    assert_eq!(signing.verifier().to_string(), public);
    let key = VerifierKey::from_text(public).unwrap();
    let body = "example.com/log\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let signed = go.accept(&["sign", secret], body.as_bytes());
    let checkpoint = SignedCheckpoint::verify(&signed, &key).unwrap();
    assert_eq!(checkpoint.size(), 20_852_163);
    for at in 0..signed.len() {
        let mut spoilt = signed.clone();
        spoilt[at] ^= 1;
        assert!(SignedCheckpoint::verify(&spoilt, &key).is_err(), "{at}");
    }
    // A register made with Go's key.
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    fs::create_dir_all(dir.join("keys")).unwrap();
    signing.save(&dir.join("keys/register.key")).unwrap();
    let mut register = Register::init(&dir, "example.com/log").unwrap();
    register.append_at(&entry(0), at(0)).unwrap();
    register.checkpoint().unwrap();
    go.accept(&["read", text(&dir), public], b"");
    assert!(!files_below(&dir).is_empty());
}

/// Our tlog-proof files and consistency proofs, checked by Go; and Go's, checked by ours.
#[test]
fn proofs_are_understood_both_ways() {
    let Some(go) = Go::build("proofs_are_understood_both_ways") else {
        return;
    };
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let (file, body_file) = (tmp.path().join("p.tlog-proof"), tmp.path().join("body"));
    let (old_file, new_file) = (tmp.path().join("old"), tmp.path().join("new"));
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let key = register.verifier_key();
    let vkey = key.to_string();
    let mut kept: Vec<SignedCheckpoint> = Vec::new();
    for size in [1, 2, 3, 5, 8, 255, 256, 257, 600] {
        fill(&mut register, size);
        let checkpoint = register.checkpoint().unwrap();
        let bodies = published(&dir);
        let mut indexes = vec![0, size / 2, size - 1];
        indexes.dedup();
        for index in indexes {
            let body = &bodies[index];
            let proof = prove(&dir, &key, index as u64).unwrap();
            assert_eq!(proof.checkpoint(), checkpoint.bytes());
            fs::write(&file, proof.to_text()).unwrap();
            fs::write(&body_file, body).unwrap();
            go.accept(&["proof", text(&file), &vkey, text(&body_file)], b"");
            let theirs = go.accept(&["prove", text(&dir), &vkey, &index.to_string()], b"");
            assert_eq!(String::from_utf8(theirs).unwrap(), proof.to_text());
            // Another body is refused by both.
            let other = [&body[..], b" "].concat();
            fs::write(&body_file, &other).unwrap();
            let said = go.run(&["proof", text(&file), &vkey, text(&body_file)], b"");
            assert!(!said.accepted);
            assert!(proof.check(body, &key).is_ok() && proof.check(&other, &key).is_err());
        }
        fs::write(&new_file, checkpoint.bytes()).unwrap();
        for old in &kept {
            let ours = consistency(&dir, old.size(), checkpoint.size()).unwrap();
            let ours: String = ours.iter().map(|hash| format!("{hash}\n")).collect();
            fs::write(&old_file, old.bytes()).unwrap();
            let tree = ["tree", text(&old_file), text(&new_file), &vkey];
            go.accept(&tree, ours.as_bytes());
            let old_size = old.size().to_string();
            let theirs = go.accept(&["consistency", text(&dir), &vkey, &old_size], b"");
            assert_eq!(String::from_utf8(theirs).unwrap(), ours);
            let said = go.run(&tree, format!("{ours}{}\n", Hash([7; 32])).as_bytes());
            assert!(!said.accepted, "a proof with a hash more");
        }
        kept.push(checkpoint);
    }
}

/// Our witness takes Go's consistency proofs, and each side verifies the other's cosignatures.
#[test]
fn cosignatures_are_understood_both_ways() {
    use privacy_register::witness::WitnessState;
    let Some(go) = Go::build("cosignatures_are_understood_both_ways") else {
        return;
    };
    let tmp = tempfile::tempdir().unwrap();
    let (dir, state) = (tmp.path().join("register"), tmp.path().join("witness"));
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    let log = register.verifier_key();
    let key = WitnessKey::generate("witness.example/w1").unwrap();
    let witness_key = key.verifier().to_string();
    WitnessState::init(&state, &key).unwrap();
    let witness = WitnessState::open(&state, key, std::slice::from_ref(&log)).unwrap();
    let mut old = 0;
    for size in [3, 300] {
        fill(&mut register, size);
        let checkpoint = register.checkpoint().unwrap();
        let mut request = format!("old {old}\n").into_bytes();
        if old > 0 {
            let arguments = [
                "consistency",
                text(&dir),
                &log.to_string(),
                &old.to_string(),
            ];
            request.extend(go.accept(&arguments, b""));
        }
        request.extend(b"\n");
        request.extend(checkpoint.bytes());
        let answer = witness.add_checkpoint(&request);
        let line = String::from_utf8(answer.body).unwrap();
        assert_eq!(answer.status, 200, "{line}");
        let file = tmp.path().join("cosigned");
        fs::write(&file, [checkpoint.bytes(), line.as_bytes()].concat()).unwrap();
        let arguments = ["cosigned", text(&file), &log.to_string(), &witness_key];
        let said = String::from_utf8(go.accept(&arguments, b"")).unwrap();
        assert!(said.starts_with(&format!("{size} ")), "{said}");
        old = size;
    }

    // A witness of Go's, as a policy names it.
    let checkpoint = register.checkpoint().unwrap();
    let keys = String::from_utf8(go.accept(&["newkey", "witness.example/w2"], b"")).unwrap();
    let secret = keys.lines().next().unwrap();
    let said = go.run(&["cosign", secret, "1795320000"], checkpoint.bytes());
    assert!(said.accepted, "{}", said.why);
    let policy = format!("log {log}\nwitness w2 {}quorum w2\n", said.why);
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let witnessed = policy.check(&said.out).unwrap();
    assert_eq!((witnessed.size, witnessed.root), (300, *checkpoint.root()));
    assert_eq!(witnessed.by.len(), 1);
    assert_eq!(witnessed.by[0].time.as_second(), 1_795_320_000);
    assert!(policy.check(checkpoint.bytes()).is_err(), "nobody cosigned");
}

/// A checkpoint of another's log with four cosignatures of others' witnesses, as it stood on the network.
///
/// Source: `arche2025h1.staging.ct.transparency.dev/checkpoint`, a Certificate Transparency log that TrustFabric runs
/// with Tessera, on 23 May 2026. The keys are those that the operators of the witnesses publish
/// (transparency.dev/witnesses, witness1.smartit.nu/witness1/about.txt, remora.n621.de, witness.stagemole.eu/about).
#[test]
fn a_checkpoint_from_the_network_is_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/arche2025h1");
    let note = fs::read(folder.join("checkpoint")).unwrap();
    let policy = Policy::load(&folder.join("policy")).unwrap();
    let witnessed = policy.check(&note).unwrap();
    assert_eq!(witnessed.origin, "arche2025h1.staging.ct.transparency.dev");
    assert_eq!(witnessed.size, 1_432_088_532);
    let mut names: Vec<&str> = witnessed.by.iter().map(|by| by.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["little-garden", "remora", "smartit", "stagemole"]);
    for by in &witnessed.by {
        assert_eq!(by.time, "2026-05-23T21:50:24Z".parse().unwrap());
    }
    // Any byte of what was signed, and the witnesses fall away; with two left, three are not had.
    for at in 0..note.iter().position(|byte| *byte == b'=').unwrap() {
        let mut spoilt = note.clone();
        spoilt[at] ^= 1;
        assert!(policy.check(&spoilt).is_err(), "{at}");
    }
    let lines: Vec<&str> = str::from_utf8(&note).unwrap().lines().collect();
    for (keep, accepted) in [(9, true), (8, false)] {
        let fewer = lines[..keep].join("\n") + "\n";
        assert_eq!(policy.check(fewer.as_bytes()).is_ok(), accepted, "{keep}");
    }
}
