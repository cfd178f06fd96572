// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the gate that lets a frame out to the inspector who holds that one frame: what `purposegate` writes down,
//! what stands in the register, and what the tools make of both.

use std::process::{Command, Output};

use gst::prelude::*;
use gst_privacy_tests::{init, site::Site, tool};
use privacy_register::{FrameFile, Phase, Record, prove_frame_among, prove_frame_within};

/// Bytes of a frame of 64×48 pixels in NV12.
const FRAME: usize = 64 * 48 * 3 / 2;

fn publish(site: &Site) {
    publish_with(site, "");
}

/// With `more` properties of the sink.
fn publish_with(site: &Site, more: &str) {
    let description = format!(
        "videotestsrc num-buffers=20 pattern=snow ! video/x-raw,format=NV12,width=64,height=48,framerate=10/1 ! \
         purposegate purpose=comm.public_publication mandate={} trusted-keys={} camera=cam-12 operator=a-0417 \
         sink-class=file ! wgpublur backend=cpu whole-frame=true ! \
         purposegate stage=exit proof-location={} ! auditsink register={} location={} {more}",
        site.text("mandates/publication.biscuit"),
        site.text("keys/authority.pub"),
        site.text("frames-%s.jsonl"),
        site.text("register"),
        site.text("out.raw"),
    );
    let pipeline = gst::parse::launch(&description)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(120),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    let end = end.expect("an end within two minutes");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
}

/// The closing entry.
fn closing(site: &Site) -> Record {
    let entries = site.entries();
    assert_eq!(entries.len(), 2);
    Record::from_bytes(entries[1].to_string().as_bytes()).unwrap()
}

fn file_of(site: &Site, closing: &Record) -> String {
    site.text(&format!("frames-{}.jsonl", closing.entry.session))
}

#[test]
fn what_the_gate_writes_down_leads_to_the_root_in_the_register() {
    init();
    let site = Site::new();
    publish(&site);
    site.verify().unwrap();
    let closing = closing(&site);
    let masked = closing.entry.anonymisation.clone().unwrap();
    assert_eq!(masked.frames_total, 20);
    let file = FrameFile::read(file_of(&site, &closing).as_ref()).unwrap();
    file.check(&masked.proof_root, masked.frames_total).unwrap();
}

#[test]
fn an_inspector_with_one_frame_is_shown_that_it_was_let_out() {
    let (Some(privacyctl), Some(verifier)) = (tool("privacyctl"), tool("privacy-verify")) else {
        return;
    };
    init();
    let site = Site::new();
    publish(&site);
    let closing = closing(&site);
    let run = |program: &std::path::Path, arguments: &[&str]| -> Output {
        Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .output()
            .unwrap()
    };
    let register = site.text("register");
    let proven = run(
        &privacyctl,
        &[
            "register",
            "prove",
            &register,
            "1",
            "--frames",
            &file_of(&site, &closing),
            "--frame",
            "7",
            "--out",
            &site.text("proof"),
        ],
    );
    assert!(proven.status.success(), "{proven:?}");

    // The export is raw, so its parts are the frames as they left.
    let export = std::fs::read(site.text("out.raw")).unwrap();
    assert_eq!(export.len(), 20 * FRAME);
    let key = site.text("register/register.pub");
    let proof = site.text("proof/entry-1.frame-7.json");
    for (change, right) in [(0, true), (1, false)] {
        // Another frame may hold the same cells, so another one is made.
        let mut frame = export[7 * FRAME..][..FRAME].to_vec();
        frame[100] ^= change;
        let raw = site.text("raw");
        std::fs::write(&raw, frame).unwrap();
        let checked = run(
            &verifier,
            &["check-proof", &proof, "--key", &key, "--raw", &raw],
        );
        let text = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.success(), right, "{text}");
        assert!(!right || text.contains("whole frame"), "{text}");
    }
    let whose = run(
        &verifier,
        &[
            "check-file",
            &site.text("out.raw"),
            "--register",
            &register,
            "--key",
            &key,
        ],
    );
    let text = String::from_utf8_lossy(&whose.stdout);
    assert!(
        whose.status.success() && text.contains("a-0417") && text.contains("complete"),
        "{text}"
    );
}

#[test]
fn a_frame_is_proven_by_the_segment_that_it_left_in() {
    init();
    let site = Site::new();
    publish_with(&site, "segment-duration=500000000");
    site.verify().unwrap();
    let entries = site.entries();
    let parts: Vec<Record> = entries
        .iter()
        .map(|entry| Record::from_bytes(entry.to_string().as_bytes()).unwrap())
        .filter(|record| record.entry.phase == Some(Phase::Segment))
        .collect();
    assert!(parts.len() >= 3, "{} segments of two seconds", parts.len());
    let path = file_of(&site, &parts[0]);
    let mut next = 0;
    for part in &parts {
        // The frames of each segment have a tree of their own, and every frame is in one of them.
        let of = &part.entry.more["segment"];
        let number = |name: &str| of[name].as_u64().unwrap();
        let (first, frames) = (number("first_frame"), number("frames"));
        assert_eq!(first, next);
        next += frames;
        let root = of["proof_root"].as_str().unwrap();
        let own = FrameFile::read_within(path.as_ref(), first, frames).unwrap();
        assert_eq!(own.root(), root, "segment {}", of["number"]);
        if frames > 0 {
            let last = prove_frame_within(path.as_ref(), next - 1, first, frames).unwrap();
            last.check(root).unwrap();
            for other in parts.iter().filter(|other| other.seq != part.seq) {
                let root = other.entry.more["segment"]["proof_root"].as_str().unwrap();
                assert!(last.check(root).is_err(), "entry {}", other.seq);
            }
        }
        let masked = part.entry.anonymisation.clone().unwrap();
        // Frames may be on their way between the gate and the sink, so the root may be over some more.
        let file = FrameFile::read_first(path.as_ref(), masked.frames_total).unwrap();
        file.check(&masked.proof_root, masked.frames_total).unwrap();
        let proof = prove_frame_among(path.as_ref(), 0, masked.frames_total).unwrap();
        proof.check(&masked.proof_root).unwrap();
    }
    let closing = entries.last().unwrap();
    assert_eq!(closing["anonymisation"]["frames_total"], next);
}

#[test]
fn an_encrypted_export_is_known_before_and_after_it_is_opened() {
    const TEST: &str = "an_encrypted_export_is_known_before_and_after_it_is_opened";
    let Some(verifier) = tool("privacy-verify") else {
        return;
    };
    let site = Site::new();
    let key = site.text("recipient.txt");
    let made = Command::new("age-keygen").args(["-o", &key]).output();
    let Ok(made) = made else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "age-keygen is missing"
        );
        eprintln!("SKIPPED {TEST}: age-keygen is missing, install the Debian package age");
        return;
    };
    assert!(made.status.success(), "{made:?}");
    let text = std::fs::read_to_string(&key).unwrap();
    let public = text
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .unwrap();
    init();
    publish_with(&site, &format!("recipient-key={public}"));
    let opened = Command::new("age")
        .args([
            "-d",
            "-i",
            &key,
            "-o",
            &site.text("opened"),
            &site.text("out.raw"),
        ])
        .output()
        .unwrap();
    assert!(opened.status.success(), "{opened:?}");
    for (file, is) in [
        ("out.raw", "the file as it was exported"),
        ("opened", "the content of an encrypted export"),
    ] {
        let whose = Command::new(&verifier)
            .args([
                "check-file",
                &site.text(file),
                "--register",
                &site.text("register"),
            ])
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&whose.stdout);
        assert!(
            whose.status.success() && text.contains(is),
            "{file}: {text}"
        );
    }
}
