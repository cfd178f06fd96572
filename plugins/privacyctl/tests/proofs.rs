// SPDX-License-Identifier: MIT OR Apache-2.0
//! `prove`, `check-proof` and `check-file` as a user meets them.
#![forbid(unsafe_code)]

mod support;

use std::fs;

use privacy_register::FrameFile;
use serde_json::json;
use support::{EXPORT, PLAIN, Site, closing, ok, opening, refused, run, sha256, with_frames};

#[test]
fn an_entry_is_proven_by_two_files_alone() {
    let site = Site::new();
    let mut register = site.register();
    for n in 0..3 {
        let session = format!("s-{n}");
        let prior = register.append(&opening(&session)).unwrap();
        register
            .append(&closing(&session, prior, &[n as u8]))
            .unwrap();
    }
    register.checkpoint().unwrap();
    drop(register);
    let dir = site.at("register");
    let out = site.at("proofs");
    let written = ok(&["prove", &dir, "3", "--out", &out]);
    let (body, proof) = (
        format!("{out}/entry-3.json"),
        format!("{out}/entry-3.tlog-proof"),
    );
    assert_eq!(written, format!("{body}\n{proof}\n"));
    // Nothing is overwritten, and nothing is the matter when the same stands there.
    ok(&["prove", &dir, "3", "--out", &out]);
    fs::write(&proof, "another").unwrap();
    assert!(refused(&["prove", &dir, "3", "--out", &out]).contains("not overwritten"));
    fs::remove_file(&proof).unwrap();
    ok(&["prove", &dir, "3", "--out", &out]);
    assert!(refused(&["prove", &dir, "6", "--out", &out]).contains("there is no entry 6"));

    // What the files say is said without the register.
    let key = site.put("inspector.pub", &fs::read(site.key()).unwrap());
    fs::rename(site.path("register"), site.path("away")).unwrap();
    for files in [
        vec![proof.as_str()],
        vec![body.as_str()],
        vec![body.as_str(), proof.as_str()],
    ] {
        let mut args = vec!["check-proof", "--key", &key];
        args.extend(files);
        let text = ok(&args);
        assert!(text.starts_with("proof verified: yes\n"), "{text}");
        for part in ["a-0417", "OPJ 3321", "extract", "s-1.mkv", "3, among 6"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "nothing moves the cursor");
        args.extend(["--lang", "fr"]);
        let text = ok(&args);
        assert!(text.starts_with("proof verified: yes\n"), "{text}");
        assert!(text.contains("destinataire") && text.contains("extraction"));
    }

    // Not one of these passes, and each says why.
    let bytes = fs::read(&body).unwrap();
    let changed = String::from_utf8(bytes.clone())
        .unwrap()
        .replace("a-0417", "a-0418");
    let changed = site.put("changed.json", changed.as_bytes());
    let text = refused(&["check-proof", "--key", &key, &changed, &proof]);
    assert!(
        text.starts_with("proof verified: NO\n") && text.contains("is not what was signed"),
        "{text}"
    );
    ok(&["prove", &site.at("away"), "2", "--out", &out]);
    let other = format!("{out}/entry-2.json");
    refused(&["check-proof", "--key", &key, &other, &proof]);
    // Several are told apart by their names.
    let text = ok(&["check-proof", "--key", &key, &other, &body]);
    assert!(text.contains("2, among 6") && text.contains("3, among 6"));
    let elsewhere = Site::new();
    let text = refused(&["check-proof", "--key", &elsewhere.key(), &proof]);
    assert!(text.contains("not signed by the key"), "{text}");
    let text = refused(&[
        "check-proof",
        "--key",
        &key,
        "--lang",
        "fr",
        &changed,
        &proof,
    ]);
    assert!(text.contains("n'est pas ce qui a été signé"), "{text}");
    let cut = site.put("cut.tlog-proof", &fs::read(&proof).unwrap()[..90]);
    refused(&["check-proof", "--key", &key, &body, &cut]);
    refused(&["check-proof", "--key", &key, &site.at("none.json")]);
}

#[test]
fn a_frame_is_proven_and_says_nothing_of_the_others() {
    let site = Site::new();
    let frames: Vec<Vec<u8>> = (0..5).map(|n| vec![n; 100]).collect();
    let lines: String = frames
        .iter()
        .enumerate()
        .map(|(n, frame)| {
            let line = json!({
                "n": n,
                "pts": n * 40_000_000,
                "frame": blake3::hash(frame).to_hex().as_str(),
                "scan": format!("PrivacyScan, version=(uint)1, detector=(string)onnxdetector, model=(string)m{n};"),
                "mask": "PrivacyMask, version=(uint)1, method=(string)pixelate, share=(double)0.25;",
            });
            line.to_string() + "\n"
        })
        .collect();
    let file = site.put("frames.jsonl", lines.as_bytes());
    let root = FrameFile::read(&site.path("frames.jsonl")).unwrap().root();
    let mut register = site.register();
    register.append(&opening("s")).unwrap();
    register
        .append(&with_frames(closing("s", 0, EXPORT), &root, 5))
        .unwrap();
    register.checkpoint().unwrap();
    drop(register);
    let (dir, key, out) = (site.at("register"), site.key(), site.at("out"));
    ok(&[
        "prove", &dir, "1", "--frames", &file, "--frame", "3", "--out", &out,
    ]);
    ok(&[
        "prove", &dir, "1", "--frames", &file, "--frame", "4", "--out", &out,
    ]);
    let proof = format!("{out}/entry-1.frame-3.json");
    let text = ok(&["check-proof", &proof, "--key", &key]);
    for part in ["0.120000000 s", "m3", "pixelate", "25.0 %", "3, of 5"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!fs::read_to_string(&proof).unwrap().contains("m2"));
    let raw = site.put("raw", &frames[3]);
    let text = ok(&["check-proof", &proof, "--key", &key, "--raw", &raw]);
    assert!(text.contains("the very bytes"), "{text}");
    let raw = site.put("raw", &frames[2]);
    let text = refused(&["check-proof", &proof, "--key", &key, "--raw", &raw]);
    assert!(text.contains("not those of frame 3"), "{text}");

    let text = refused(&[
        "prove", &dir, "1", "--frames", &file, "--frame", "5", "--out", &out,
    ]);
    assert!(text.contains("there is no frame 5"), "{text}");
    let text = refused(&[
        "prove", &dir, "0", "--frames", &file, "--frame", "1", "--out", &out,
    ]);
    assert!(text.contains("holds no root of frames"), "{text}");
    // A file that goes on, as one of a session that was cut off may, proves what the entry counts; one that
    // ends before, or says something else, proves nothing.
    let longer = site.put("longer.jsonl", format!("{lines}{{\"n\":5,").as_bytes());
    ok(&[
        "prove", &dir, "1", "--frames", &longer, "--frame", "3", "--out", &out,
    ]);
    let fewer: String = lines.split_inclusive('\n').take(4).collect();
    let fewer = site.put("fewer.jsonl", fewer.as_bytes());
    let text = refused(&[
        "prove", &dir, "1", "--frames", &fewer, "--frame", "1", "--out", &out,
    ]);
    assert!(
        text.contains("4 frames, but the closing entry counts 5"),
        "{text}"
    );
    let other = site.put("other.jsonl", lines.replace("pixelate", "solid").as_bytes());
    let text = refused(&[
        "prove", &dir, "1", "--frames", &other, "--frame", "1", "--out", &out,
    ]);
    assert!(text.contains("lead to the root"), "{text}");
    let changed = fs::read_to_string(&proof)
        .unwrap()
        .replace("pixelate", "solid");
    let changed = site.put("out/entry-1.frame-9.json", changed.as_bytes());
    let text = refused(&["check-proof", &changed, "--key", &key]);
    assert!(text.contains("frame 3 does not lead"), "{text}");
}

#[test]
fn a_file_says_whose_export_it_is() {
    let site = Site::new();
    let mut register = site.register();
    register.append(&opening("s-1")).unwrap();
    register.append(&closing("s-1", 0, EXPORT)).unwrap();
    register.append(&opening("s-2")).unwrap();
    let mut encrypted = closing("s-2", 2, b"age ciphertext");
    encrypted.interrupted = true;
    encrypted.more.insert(
        "encryption".into(),
        json!({"method": "age-x25519", "recipients": ["age1"], "plain_sha256": sha256(PLAIN), "plain_bytes": PLAIN.len()}),
    );
    register.append(&encrypted).unwrap();
    register.checkpoint().unwrap();
    drop(register);
    let dir = site.at("register");
    let export = site.put("extract.mkv", EXPORT);
    let text = ok(&["check-file", &export, "--register", &dir]);
    assert!(text.starts_with("file in register: yes\n"), "{text}");
    for part in [
        "a-0417",
        "OPJ 3321",
        "complete",
        "réquisition",
        "0, 1, proven",
        "s-1.mkv",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("found in the register itself"));
    let text = ok(&[
        "check-file",
        &export,
        "--register",
        &dir,
        "--key",
        &site.key(),
        "--lang",
        "fr",
    ]);
    assert!(
        text.contains("complet\n") && !text.contains("comparez-la"),
        "{text}"
    );

    let cipher = site.put("extract.age", b"age ciphertext");
    let text = ok(&["check-file", &cipher, "--register", &dir]);
    assert!(text.contains("the file as it was exported") && text.contains("interrupted"));
    let plain = site.put("decrypted", PLAIN);
    let text = ok(&["check-file", &plain, "--register", &dir]);
    assert!(
        text.contains("the content of an encrypted export"),
        "{text}"
    );

    let strange = site.put("strange", b"cut with an editor");
    let text = refused(&["check-file", &strange, "--register", &dir]);
    assert!(
        text.starts_with("file in register: NO\n") && text.contains("not in this register"),
        "{text}"
    );
    let text = refused(&["check-file", &strange, "--register", &dir, "--lang", "fr"]);
    assert!(text.contains("absent de ce registre"), "{text}");
    refused(&["check-file", "/dev/zero", "--register", &dir]);
    refused(&["check-file", &export, "--register", &site.at("none")]);

    // Somebody who makes an entry say what it did not finds the file, and no proof.
    let bundle = site.path("register/tile/entries/000.p/4");
    let mut forged = fs::read(&bundle).unwrap();
    let (theirs, ours) = (sha256(EXPORT), sha256(b"cut with an editor"));
    let at = forged
        .windows(theirs.len())
        .position(|window| window == theirs.as_bytes())
        .unwrap();
    forged[at..at + ours.len()].copy_from_slice(ours.as_bytes());
    fs::write(&bundle, forged).unwrap();
    let text = refused(&["check-file", &strange, "--register", &dir]);
    assert!(text.contains("was changed after it was signed"), "{text}");
}

#[test]
fn wrong_usage_is_told_from_a_wrong_proof() {
    assert_eq!(run(&["check-proof", "x"]).status.code(), Some(2), "no key");
    assert_eq!(
        run(&["check-file", "x"]).status.code(),
        Some(2),
        "no register"
    );
    assert_eq!(
        run(&["prove", "x", "1", "--frame", "1"]).status.code(),
        Some(2),
        "no file of frames"
    );
}
