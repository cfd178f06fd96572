// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the gate that lets a frame out to the inspector who holds that one frame: what `purposegate` writes down,
//! what stands in the register, and what the tools make of both.

use std::process::{Command, Output};

use gst::prelude::*;
use gst_privacy_tests::{init, site::Site, tool};
use privacy_register::{FrameFile, Record};

/// Bytes of a frame of 64×48 pixels in NV12.
const FRAME: usize = 64 * 48 * 3 / 2;

fn publish(site: &Site) {
    let description = format!(
        "videotestsrc num-buffers=20 pattern=snow ! video/x-raw,format=NV12,width=64,height=48,framerate=10/1 ! \
         purposegate purpose=comm.public_publication mandate={} trusted-keys={} camera=cam-12 operator=a-0417 \
         sink-class=file ! wgpublur backend=cpu whole-frame=true ! \
         purposegate stage=exit proof-location={} ! auditsink register={} location={}",
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
