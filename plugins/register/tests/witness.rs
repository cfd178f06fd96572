// SPDX-License-Identifier: MIT OR Apache-2.0
//! A register before its witnesses: what they cosign, what they refuse, and what an attacker would try.

use std::{fs, path::Path};

use privacy_register::{
    Agent, Entry, Operation, Policy, PolicyError, Register, SignedCheckpoint, SigningKey,
    VerifierKey, WitnessKey, WitnessVerifier, WitnessedError, verify_witnessed,
    witness::{
        Answer, MAX_REQUEST, SIZE_TYPE, SubmitError, WITNESSED, WitnessState, submit_through,
    },
};

const ORIGIN: &str = "gst-privacy/test";

fn entry(motif: &str) -> Entry {
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "vp.live_view.public_road".into();
    entry.motif = motif.into();
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        ..Default::default()
    });
    entry
}

/// A folder with a register and a witness beside it.
struct Town {
    tmp: tempfile::TempDir,
    register: Register,
    key: VerifierKey,
    witness: WitnessState,
    witness_key: WitnessKey,
}

impl Town {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let register = Register::init(&tmp.path().join("register"), ORIGIN).unwrap();
        let key = register.verifier_key();
        let witness_key = WitnessKey::generate("witness.example/w1").unwrap();
        let dir = tmp.path().join("witness");
        WitnessState::init(&dir, &witness_key).unwrap();
        let witness =
            WitnessState::open(&dir, witness_key.clone(), std::slice::from_ref(&key)).unwrap();
        Self {
            tmp,
            register,
            key,
            witness,
            witness_key,
        }
    }

    fn dir(&self) -> &Path {
        self.register.dir()
    }

    fn grow(&mut self, by: usize) {
        for n in 0..by {
            self.register.append(&entry(&format!("motif {n}"))).unwrap();
        }
        self.register.checkpoint().unwrap();
    }

    fn submit(&self) -> Result<u64, SubmitError> {
        self.submit_from(self.dir())
    }

    fn submit_from(&self, dir: &Path) -> Result<u64, SubmitError> {
        submit_to(&self.witness, dir, &self.key, self.witness_key.verifier())
    }

    fn policy(&self) -> Policy {
        let text = format!(
            "log {}\nwitness w1 {}\nquorum w1\n",
            self.key,
            self.witness_key.verifier()
        );
        Policy::parse(text.as_bytes()).unwrap()
    }

    /// The request that the register would send, and the answer to it.
    fn request(&self) -> Vec<u8> {
        let mut sent = Vec::new();
        let _ = submit_through(
            |body| {
                sent = body.to_vec();
                Ok(self.witness.add_checkpoint(body))
            },
            self.dir(),
            &self.key,
            self.witness_key.verifier(),
        );
        sent
    }
}

fn submit_to(
    witness: &WitnessState,
    dir: &Path,
    key: &VerifierKey,
    verifier: &WitnessVerifier,
) -> Result<u64, SubmitError> {
    submit_through(
        |body| Ok(witness.answer("POST", "/prefix/add-checkpoint", body)),
        dir,
        key,
        verifier,
    )
    .map(|cosigned| cosigned.size)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

#[test]
fn a_register_that_grows_is_cosigned_and_verifies() {
    let mut town = Town::new();
    let policy = town.policy();
    assert!(matches!(
        verify_witnessed(town.dir(), &town.key, &policy),
        Err(WitnessedError::Never(_))
    ));
    let mut size = 0;
    // An empty tree, one entry, a full tile, one more, and the same again.
    for by in [0, 1, 255, 1, 0, 300] {
        town.grow(by);
        size += by as u64;
        assert_eq!(town.submit().unwrap(), size);
        let found = verify_witnessed(town.dir(), &town.key, &policy).unwrap();
        assert_eq!((found.witnessed.size, found.younger), (size, 0));
        assert_eq!(found.witnessed.by[0].name, "w1");
        assert_eq!(found.witnessed.by[0].witness, "witness.example/w1");
        assert!(found.witnessed.missing.is_empty());
    }
    town.grow(3);
    let found = verify_witnessed(town.dir(), &town.key, &policy).unwrap();
    assert_eq!((found.report.entries, found.younger), (size + 3, 3));

    // Whoever compares gets the last one from the witness, with both signatures.
    let hash = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(ORIGIN))
    };
    let answer = town
        .witness
        .answer("GET", &format!("/{hash}/checkpoint"), b"");
    assert_eq!(answer.status, 200);
    assert_eq!(policy.check(&answer.body).unwrap().size, size);
    for path in ["/checkpoint", "/../checkpoint", "/00/checkpoint", "/", ""] {
        assert_eq!(town.witness.answer("GET", path, b"").status, 404, "{path}");
    }
    let answer = town.witness.answer("GET", "/add-checkpoint", b"");
    assert_eq!(answer.status, 405);
}

/// The cosignatures of several witnesses stand beside each other over the same checkpoint.
#[test]
fn several_witnesses_are_kept_together() {
    let mut town = Town::new();
    town.grow(5);
    let mut lines = format!(
        "log {}\nwitness w1 {}\n",
        town.key,
        town.witness_key.verifier()
    );
    let mut others = Vec::new();
    for n in 2..=3 {
        let key = WitnessKey::generate(&format!("witness.example/w{n}")).unwrap();
        let dir = town.tmp.path().join(format!("w{n}"));
        WitnessState::init(&dir, &key).unwrap();
        let state = WitnessState::open(&dir, key.clone(), std::slice::from_ref(&town.key)).unwrap();
        lines += &format!("witness w{n} {}\n", key.verifier());
        others.push((state, key));
    }
    let policy = |rest: &str| Policy::parse(format!("{lines}{rest}").as_bytes()).unwrap();
    let two = policy("group g 2 w1 w2 w3\nquorum g\n");
    let all = policy("group g all w1 w2 w3\nquorum g\n");

    town.submit().unwrap();
    let error = verify_witnessed(town.dir(), &town.key, &two).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, WitnessedError::Policy(PolicyError::Quorum { .. })),
        "{text}"
    );
    assert!(
        text.contains("missing: w2, w3") && text.contains("2 of w1, w2, w3"),
        "{text}"
    );

    for (at, (state, key)) in others.iter().enumerate() {
        submit_to(state, town.dir(), &town.key, key.verifier()).unwrap();
        // Once more takes the place of the older one.
        submit_to(state, town.dir(), &town.key, key.verifier()).unwrap();
        let found = verify_witnessed(town.dir(), &town.key, &two).unwrap();
        assert_eq!(found.witnessed.by.len(), 2 + at);
    }
    let found = verify_witnessed(town.dir(), &town.key, &all).unwrap();
    assert_eq!(found.witnessed.by.len(), 3);
    let note = fs::read_to_string(town.dir().join(WITNESSED)).unwrap();
    assert_eq!(note.lines().filter(|line| line.starts_with('—')).count(), 4);
}

/// Two hosts with one key: the witness cosigns one history only, and the other host is told.
#[test]
fn a_fork_is_refused_and_named() {
    let mut town = Town::new();
    town.grow(3);
    let twin = town.tmp.path().join("twin");
    copy(town.dir(), &twin);
    let _ = fs::remove_file(twin.join(WITNESSED));
    let mut other = Register::open(&twin, None).unwrap();

    town.grow(4);
    assert_eq!(town.submit().unwrap(), 7);
    // Fewer, as many, and more entries than the witness has seen.
    for (by, size) in [(2, 5), (2, 7), (300, 307)] {
        for n in 0..by {
            other.append(&entry(&format!("another {n}"))).unwrap();
        }
        other.checkpoint().unwrap();
        let error = town.submit_from(&twin).unwrap_err();
        let text = error.to_string();
        match error {
            SubmitError::Behind { size: s, known, .. } => assert_eq!((s, known, size), (5, 7, 5)),
            SubmitError::Disagree { size: since, .. } => assert_eq!((since, size > 5), (7, true)),
            other => panic!("{other}"),
        }
        assert!(text.contains("witness.example/w1"), "{text}");
        assert!(
            text.contains("second host") && text.contains("second hôte"),
            "{text}"
        );
        assert!(!twin.join(WITNESSED).exists());
    }
    // The witness has kept what the second host has signed.
    let refused: Vec<_> = fs::read_dir(town.tmp.path().join("witness/refused"))
        .unwrap()
        .map(|item| fs::read(item.unwrap().path()).unwrap())
        .map(|note| SignedCheckpoint::verify(&note, &town.key).unwrap().size())
        .collect();
    assert!(
        refused.contains(&7) && refused.contains(&307),
        "{refused:?}"
    );
    // The first host goes on as if nothing had been.
    town.grow(1);
    assert_eq!(town.submit().unwrap(), 8);

    // With the cosignature of the first host put into the register of the second, verifying tells.
    drop(other);
    fs::copy(town.dir().join(WITNESSED), twin.join(WITNESSED)).unwrap();
    let error = verify_witnessed(&twin, &town.key, &town.policy()).unwrap_err();
    assert!(matches!(error, WitnessedError::Verify(_)), "{error}");
    // And so does submitting, without asking anybody.
    let error = submit_through(
        |_| panic!("asked the witness"),
        &twin,
        &town.key,
        town.witness_key.verifier(),
    )
    .unwrap_err();
    assert!(
        matches!(error, SubmitError::Disagree { size: 8, .. }),
        "{error}"
    );
    assert_eq!(
        fs::read(twin.join(WITNESSED)).unwrap(),
        fs::read(town.dir().join(WITNESSED)).unwrap(),
        "the evidence is still there"
    );
}

#[test]
fn a_restored_old_copy_is_named() {
    let mut town = Town::new();
    town.grow(3);
    town.submit().unwrap();
    let old = town.tmp.path().join("old");
    copy(town.dir(), &old);
    town.grow(3);
    town.submit().unwrap();
    // The old copy with its own cosignature verifies: only the witness knows that there was more.
    assert!(verify_witnessed(&old, &town.key, &town.policy()).is_ok());
    let error = town.submit_from(&old).unwrap_err();
    assert!(
        matches!(
            error,
            SubmitError::Behind {
                size: 3,
                known: 6,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("ancienne copie"));
    // Another witness, which knows nothing, is not even asked where the cosignature of the first tells.
    fs::copy(town.dir().join(WITNESSED), old.join(WITNESSED)).unwrap();
    let other = WitnessKey::generate("witness.example/w2").unwrap();
    let error = submit_through(
        |_| panic!("asked the witness"),
        &old,
        &town.key,
        other.verifier(),
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            SubmitError::Behind {
                size: 3,
                known: 6,
                ..
            }
        ),
        "{error}"
    );
}

/// Statuses of the specification, in the order in which it states its checks.
#[test]
fn each_refusal_has_its_status() {
    let mut town = Town::new();
    town.grow(3);
    let first = town.request();
    let text = String::from_utf8(first.clone()).unwrap();
    let checkpoint = text.split_once("\n\n").unwrap().1.to_owned();
    let status = |body: &str| town.witness.add_checkpoint(body.as_bytes()).status;

    // The witness knows 3 by now.
    let hash = "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    assert_eq!(status(&format!("old 3\n\n{checkpoint}")), 200);
    for malformed in [
        String::new(),
        checkpoint.clone(),
        format!("old 3\n{checkpoint}"),
        format!("old 03\n\n{checkpoint}"),
        format!("old +3\n\n{checkpoint}"),
        format!("old -0\n\n{checkpoint}"),
        format!("old  3\n\n{checkpoint}"),
        format!("OLD 3\n\n{checkpoint}"),
        format!("old 3 \n\n{checkpoint}"),
        format!("old 3\r\n\r\n{checkpoint}"),
        format!("\nold 3\n\n{checkpoint}"),
        format!("old 18446744073709551616\n\n{checkpoint}"),
        format!("old 3\nAAAA\n\n{checkpoint}"),
        format!("old 3\n*\n\n{checkpoint}"),
        // 43 characters, and bits beyond the last octet.
        format!("old 3\n{}\n\n{checkpoint}", &hash[..43]),
        format!("old 3\n{}F=\n\n{checkpoint}", &hash[..42]),
        format!("old 3\n{}\n{checkpoint}", hash.repeat(64)),
        "old 3\n\n\n".into(),
        format!("old 3\n\n{}", checkpoint.replace('—', "-")),
        format!("old 3\n\n{}", checkpoint.trim_end()),
        format!("old 3\n\n{checkpoint}\n"),
        // More than the checkpoint holds.
        format!("old 4\n\n{checkpoint}"),
    ] {
        assert_eq!(status(&malformed), 400, "{malformed:?}");
    }
    assert_eq!(
        status(&format!(
            "old 3\n\n{}",
            checkpoint.replace(ORIGIN, "gst-privacy/other")
        )),
        404
    );
    // A changed root, a signature of another key, and a signature by a name that only looks like the log's.
    assert_eq!(
        status(&format!(
            "old 3\n\n{}",
            checkpoint.replacen("\n3\n", "\n4\n", 1)
        )),
        403
    );
    let other = town.tmp.path().join("other");
    let mut stranger = Register::init(&other, ORIGIN).unwrap();
    stranger.append(&entry("x")).unwrap();
    stranger.checkpoint().unwrap();
    let foreign = fs::read_to_string(other.join("checkpoint")).unwrap();
    assert_eq!(status(&format!("old 0\n\n{foreign}")), 403);

    let answer = town.witness.add_checkpoint(&first);
    assert_eq!(
        answer,
        Answer {
            status: 409,
            content_type: SIZE_TYPE.into(),
            body: b"3\n".to_vec()
        }
    );
    // A proof where there is nothing to prove.
    assert_eq!(status(&format!("old 3\n{hash}\n{checkpoint}")), 422);
    let long = vec![b'a'; MAX_REQUEST as usize + 1];
    assert_eq!(town.witness.add_checkpoint(&long).status, 413);

    // A stranger's signature beside the right one changes nothing.
    let line = foreign.lines().last().unwrap();
    assert_eq!(status(&format!("old 3\n\n{checkpoint}{line}\n")), 200);
}

/// Whatever bytes come, the witness answers, and cosigns only the tree that it was shown.
#[test]
fn changed_requests_are_answered_and_never_cosigned() {
    let mut town = Town::new();
    town.grow(3);
    town.submit().unwrap();
    town.grow(300);
    let mut request = Vec::new();
    // A request with a proof, which the witness has not seen.
    let _ = submit_through(
        |body| {
            request = body.to_vec();
            Ok(Answer {
                status: 503,
                content_type: String::new(),
                body: Vec::new(),
            })
        },
        town.dir(),
        &town.key,
        town.witness_key.verifier(),
    );
    assert!(request.starts_with(b"old 3\n"));
    for at in 0..request.len() {
        for change in [1, 0x20, 0x80, 0xff] {
            let mut changed = request.clone();
            changed[at] ^= change;
            let answer = town.witness.add_checkpoint(&changed);
            assert_ne!(answer.status, 200, "byte {at}");
            assert!(answer.status < 500, "byte {at}: {}", answer.status);
        }
        for changed in [
            request[..at].to_vec(),
            [&request[..at], b"\n", &request[at..]].concat(),
            [&request[..at], &request[at + 1..]].concat(),
        ] {
            assert_ne!(
                town.witness.add_checkpoint(&changed).status,
                200,
                "byte {at}"
            );
        }
    }
    assert_eq!(town.witness.add_checkpoint(&request).status, 200);
}

/// Many at once, from threads as from processes: each opens the state for itself.
#[test]
fn at_once_a_witness_never_goes_back() {
    let mut town = Town::new();
    town.grow(1);
    let mut copies = Vec::new();
    for n in 0..4 {
        town.grow(5);
        let dir = town.tmp.path().join(format!("copy{n}"));
        copy(town.dir(), &dir);
        copies.push(dir);
    }
    let state = town.tmp.path().join("witness");
    std::thread::scope(|scope| {
        for dir in &copies {
            let (state, key, witness) = (&state, &town.key, &town.witness_key);
            scope.spawn(move || {
                let own =
                    WitnessState::open(state, witness.clone(), std::slice::from_ref(key)).unwrap();
                for _ in 0..5 {
                    match submit_to(&own, dir, key, witness.verifier()) {
                        Ok(_) | Err(SubmitError::Behind { .. } | SubmitError::Unsettled { .. }) => {
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
    });
    // The largest is what it knows in the end.
    assert_eq!(town.submit().unwrap(), 21);
}

/// Whatever a crash leaves of the state, no second tree of a size is ever cosigned.
#[test]
fn a_state_that_is_lost_or_damaged_stops_the_witness() {
    let mut town = Town::new();
    town.grow(3);
    town.submit().unwrap();
    let dir = town.tmp.path().join("witness");
    let logs = std::slice::from_ref(&town.key);
    let open = || WitnessState::open(&dir, town.witness_key.clone(), logs);
    let request = town.request();
    let last = fs::read_dir(dir.join("logs"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = fs::read(&last).unwrap();
    // What the writing of the next one may leave beside it is passed by.
    fs::write(last.with_file_name(".x.new"), &good[..10]).unwrap();
    open().unwrap();
    for at in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        for bad in [bad, good[..at].to_vec()] {
            fs::write(&last, bad).unwrap();
            // The signature of the log is not looked at again; the cosignature covers the rest.
            if open().is_ok() {
                continue;
            }
            assert_eq!(town.witness.add_checkpoint(&request).status, 500);
        }
    }
    fs::write(&last, b"").unwrap();
    let text = open().unwrap_err().to_string();
    assert!(
        text.contains("restore") && text.contains("restaurez"),
        "{text}"
    );
    fs::write(&last, &good).unwrap();
    open().unwrap();

    // Another key, an unmounted disk, a folder of something else.
    let other = WitnessKey::generate("witness.example/w1").unwrap();
    assert!(WitnessState::open(&dir, other.clone(), logs).is_err());
    assert!(WitnessState::open(&dir, town.witness_key.clone(), &[]).is_err());
    assert!(WitnessState::init(&dir, &other).is_err());
    let away = town.tmp.path().join("away");
    fs::rename(&dir, &away).unwrap();
    assert!(open().is_err());
    assert_eq!(town.witness.add_checkpoint(&request).status, 500);
    fs::create_dir(&dir).unwrap();
    let text = open().unwrap_err().to_string();
    assert!(text.contains("retire the key"), "{text}");
    assert_eq!(town.witness.add_checkpoint(&request).status, 500);
    fs::remove_dir_all(&dir).unwrap();
    fs::rename(&away, &dir).unwrap();
    assert_eq!(town.witness.add_checkpoint(&request).status, 200);
}

/// What a dishonest or broken witness answers is not kept.
#[test]
fn answers_that_prove_nothing_are_not_kept() {
    let mut town = Town::new();
    town.grow(3);
    let other_key = WitnessKey::generate("witness.example/w1").unwrap();
    let other_dir = town.tmp.path().join("impostor");
    WitnessState::init(&other_dir, &other_key).unwrap();
    let impostor =
        WitnessState::open(&other_dir, other_key, std::slice::from_ref(&town.key)).unwrap();
    let error = submit_to(
        &impostor,
        town.dir(),
        &town.key,
        town.witness_key.verifier(),
    );
    assert!(matches!(error, Err(SubmitError::Cosignature { .. })));

    let answer = |status: u16, content_type: &str, body: &[u8]| {
        let answer = Answer {
            status,
            content_type: content_type.into(),
            body: body.to_vec(),
        };
        submit_through(
            |_| Ok(answer.clone()),
            town.dir(),
            &town.key,
            town.witness_key.verifier(),
        )
        .unwrap_err()
    };
    for body in [
        &b""[..],
        b"\n",
        b"\xff\xfe\n",
        b"no signature\n",
        "— w AAAA\n".as_bytes(),
    ] {
        assert!(matches!(
            answer(200, "", body),
            SubmitError::Cosignature { .. }
        ));
    }
    // The vectors of the sigsum project's client for this answer; 0 is what was sent.
    for (content_type, body) in [
        ("text/plain", "10"),
        (SIZE_TYPE, ""),
        (SIZE_TYPE, "50"),
        (SIZE_TYPE, "050\n"),
        (SIZE_TYPE, "0\n"),
    ] {
        assert!(matches!(
            answer(409, content_type, body.as_bytes()),
            SubmitError::Refused { status: 409, .. }
        ));
    }
    assert!(matches!(
        answer(409, SIZE_TYPE, b"50\n"),
        SubmitError::Behind {
            size: 3,
            known: 50,
            ..
        }
    ));
    assert!(matches!(
        answer(404, "", b""),
        SubmitError::Unknown { status: 404, .. }
    ));
    let text = answer(500, "", "a\u{1b}[31mé".repeat(1000).as_bytes()).to_string();
    assert!(
        text.contains("HTTP 500") && !text.contains('\u{1b}'),
        "{text}"
    );
    assert!(text.len() < 1000);
    assert!(!town.dir().join(WITNESSED).exists());

    // A witness that never settles is not asked for ever.
    let mut told = 0u64;
    let error = submit_through(
        |_| {
            told = 3 - told % 3;
            Ok(Answer {
                status: 409,
                content_type: SIZE_TYPE.into(),
                body: format!("{told}\n").into(),
            })
        },
        town.dir(),
        &town.key,
        town.witness_key.verifier(),
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            SubmitError::Unsettled { .. } | SubmitError::Disagree { .. }
        ),
        "{error}"
    );
}

/// Every changed byte of the file of cosignatures is noticed, or leaves the meaning as it is.
#[test]
fn a_changed_cosignature_is_noticed() {
    let mut town = Town::new();
    town.grow(3);
    town.submit().unwrap();
    let policy = town.policy();
    let path = town.dir().join(WITNESSED);
    let good = fs::read(&path).unwrap();
    let size = policy.check(&good).unwrap();
    for at in 0..good.len() {
        for mask in [1, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= mask;
            if let Ok(found) = policy.check(&bad) {
                panic!("byte {at}: {found:?} for {size:?}");
            }
        }
        assert!(policy.check(&good[..at]).is_err());
    }
    // Without the line of the witness it is a checkpoint like any other.
    let text = String::from_utf8(good).unwrap();
    let cut = text.trim_end().rfind('\n').unwrap() + 1;
    fs::write(&path, &text[..cut]).unwrap();
    let error = verify_witnessed(town.dir(), &town.key, &policy).unwrap_err();
    assert!(error.to_string().contains("cosigned: nobody"), "{error}");
}

/// The race of the specification's last paragraph and the requests of Torchwood's litewitness, whose key and
/// signatures these are (internal/witness/witness_test.go of FiloSottile/torchwood).
#[test]
fn the_requests_of_litewitness_get_its_answers() {
    let origin =
        "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562";
    let public = "ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f";
    let public = <[u8; 32]>::try_from(hex::decode(public).unwrap()).unwrap();
    let public = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
    let log =
        VerifierKey::from_text(&signed_note::new_ed25519_verifier_key(origin, &public)).unwrap();
    let tmp = tempfile::tempdir().unwrap();
    let key = WitnessKey::generate("example.com").unwrap();
    let dir = tmp.path().join("state");
    WitnessState::init(&dir, &key).unwrap();
    let witness = WitnessState::open(&dir, key, &[log]).unwrap();

    let checkpoint = |size: u64, root: &str, signature: &str| {
        format!("{origin}\n{size}\n{root}\n\n— {origin} {signature}\n")
    };
    let one = checkpoint(
        1,
        "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=",
    );
    let three = checkpoint(
        3,
        "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=",
        "UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=",
    );
    let five = checkpoint(
        5,
        "QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=",
        "UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww=",
    );
    let hash = "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let to_three = format!("{hash}KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    let to_five = format!(
        "{hash}+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=\nKgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    );
    let answer = |body: String| witness.add_checkpoint(body.as_bytes());

    // Too many lines of proof, and a proof from nothing.
    assert_eq!(
        answer(format!("old 0\n{}\n{one}", hash.repeat(64))).status,
        400
    );
    assert_eq!(answer(format!("old 0\n{hash}\n{one}")).status, 422);
    assert_eq!(answer(format!("old 0\n\n{one}")).status, 200);
    assert_eq!(answer(format!("old 1\n{to_three}\n{five}")).status, 422);
    assert_eq!(answer(format!("old 1\n{to_five}\n{five}")).status, 200);
    // The shorter one comes too late.
    let late = answer(format!("old 1\n{to_three}\n{three}"));
    assert_eq!((late.status, late.body.as_slice()), (409, &b"5\n"[..]));
    assert_eq!(answer(format!("old 5\n\n{three}")).status, 400);
    assert_eq!(answer(format!("old 5\n\n{five}")).status, 200);
}

/// Torchwood's cases of a tree of size zero.
#[test]
fn an_empty_tree_has_one_root() {
    let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let tmp = tempfile::tempdir().unwrap();
    let log = SigningKey::generate("example.com/log").unwrap();
    let signer_file = tmp.path().join("key");
    log.save(&signer_file).unwrap();
    let signer =
        signed_note::StandardSigner::new(fs::read_to_string(&signer_file).unwrap().trim()).unwrap();
    let key = WitnessKey::generate("example.com/witness").unwrap();
    let dir = tmp.path().join("state");
    WitnessState::init(&dir, &key).unwrap();
    let witness = WitnessState::open(&dir, key, &[log.verifier().clone()]).unwrap();
    let signed = |size: u64, root: &str| {
        let text = format!("example.com/log\n{size}\n{root}\n");
        let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        note.add_sigs(&[&signer]).unwrap();
        String::from_utf8(note.to_bytes()).unwrap()
    };
    let leaf = "lbN9/UfhRCaD3qG3YzMtpZ5BSMJ3COs6+xDLHVAQxVs=";
    let zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (old, size, root, proof, status) in [
        (0, 0, leaf, "", 422),
        (0, 0, zero, "", 422),
        (0, 0, empty, leaf, 422),
        (0, 0, empty, "", 200),
        (0, 0, empty, "", 200),
        (0, 1, leaf, leaf, 422),
        (0, 1, leaf, "", 200),
        (1, 1, leaf, "", 200),
        (1, 1, zero, "", 409),
        (0, 1, leaf, leaf, 409),
        (1, 0, empty, "", 400),
    ] {
        let proof = if proof.is_empty() {
            String::new()
        } else {
            format!("{proof}\n")
        };
        let body = format!("old {old}\n{proof}\n{}", signed(size, root));
        let answer = witness.add_checkpoint(body.as_bytes());
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(status == 200, answer.body.starts_with("— ".as_bytes()));
    }
}
