// SPDX-License-Identifier: MIT OR Apache-2.0
//! `proof-location`: what an exit gate writes down of each frame that it lets out.
#![forbid(unsafe_code)]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, sync::Once};

use gst::prelude::*;
use gst_check::Harness;
use gstpurposegate::{Stage, proof, sessions};
use privacy_common::{
    DetectorUse, Mask, MaskMethod, MaskStamp, Proof, Purpose, ScanStamp, SinkClass,
};

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstpurposegate::plugin_register_static().unwrap();
    });
}

fn purpose(session: &str) -> Purpose {
    Purpose {
        session: session.into(),
        purpose: "comm.public_publication".into(),
        mandate_digest: "00".into(),
        rules_version: "test".into(),
        camera: "cam-12".into(),
        operator: "a-0417".into(),
        sink_class: SinkClass::File,
        required_mask: Mask::PersonsVehicles,
        mask_classes: vec!["person".into(), "car".into()],
        mask_method: MaskMethod::Any,
        one_clear: false,
        detector_use: DetectorUse::Mask,
        classes: vec![],
        statistics: None,
        expires: i64::MAX,
    }
}

/// Declares a purpose as an entry gate in front of the harness does: announced first, then sent.
fn declare(h: &mut Harness, purpose: &Purpose) {
    let sink = h.element().unwrap().static_pad("sink").unwrap();
    // For good: these entry gates run until the process ends.
    std::mem::forget(sessions::announce(purpose, &sink.peer().unwrap()));
    h.push_event(purpose.to_event());
}

/// A frame of 8×8 pixels in NV12, padded, with the stamps that let it out unless it is `bare`.
fn frame(n: u64, bare: bool) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(vec![n as u8; 96]);
    {
        let buffer = buffer.get_mut().unwrap();
        let pts = (n != 3).then(|| gst::ClockTime::from_mseconds(100 * n));
        buffer.set_pts(pts);
        if !bare {
            ScanStamp {
                classes: vec!["person".into(), "car".into()],
                pts,
                ..Default::default()
            }
            .write(buffer);
            MaskStamp {
                classes: vec![MaskStamp::EVERY_CLASS.into()],
                method: "pixelate".into(),
                pts,
                ..Default::default()
            }
            .write(buffer);
        }
    }
    buffer
}

fn gate(location: &str, deny_action: &str) -> (gst::Element, gst::Bus) {
    init();
    let gate = gst::ElementFactory::make("purposegate")
        .property("stage", Stage::Exit)
        .property_from_str("deny-action", deny_action)
        .property("proof-location", location)
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    gate.set_bus(Some(&bus));
    (gate, bus)
}

fn harness(gate: &gst::Element) -> Harness {
    let mut h = Harness::with_element(gate, Some("sink"), Some("src"));
    h.set_src_caps_str("video/x-raw,format=NV12,width=8,height=8,framerate=10/1");
    h
}

/// Stops the gate and takes it out of the harness, for the next one.
fn end(h: Harness) {
    let gate = h.element().unwrap();
    gate.set_state(gst::State::Null).unwrap();
    let (sink, src) = (
        gate.static_pad("sink").unwrap(),
        gate.static_pad("src").unwrap(),
    );
    sink.peer().unwrap().unlink(&sink).unwrap();
    src.unlink(&src.peer().unwrap()).unwrap();
}

fn ask(h: &Harness, session: &str) -> Option<Proof> {
    let pad = h.element().unwrap().static_pad("src").unwrap();
    Proof::ask(&pad.peer().unwrap(), session)
}

fn error(bus: &gst::Bus) -> Option<String> {
    std::iter::from_fn(|| bus.pop()).find_map(|message| match message.view() {
        gst::MessageView::Error(e) => Some(e.error().to_string()),
        _ => None,
    })
}

/// The root, and the number of lines, that a file gives.
fn root(path: &Path) -> (String, u64) {
    let mut tree = proof::Tree::default();
    for line in fs::read_to_string(path).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["n"].as_u64(), Some(tree.len()));
        let frame: [u8; 32] = hex::decode(line["frame"].as_str().unwrap())
            .unwrap()
            .try_into()
            .unwrap();
        tree.push(proof::leaf_of(
            line["pts"].as_u64().unwrap_or(u64::MAX),
            &frame.into(),
            line["scan"].as_str().unwrap(),
            line["mask"].as_str().unwrap(),
        ));
    }
    (
        tree.root()
            .map_or_else(String::new, |root| hex::encode(root.as_bytes())),
        tree.len(),
    )
}

#[test]
fn the_lines_give_the_root_and_nothing_held_or_black_is_among_them() {
    let tmp = tempfile::tempdir().unwrap();
    for deny_action in ["drop", "black"] {
        let path = tmp.path().join(deny_action);
        let (gate, _bus) = gate(path.to_str().unwrap(), deny_action);
        let mut h = harness(&gate);
        h.push(frame(0, false)).unwrap();
        declare(&mut h, &purpose("s"));
        for n in 0..300 {
            h.push(frame(n, n % 3 == 1)).unwrap();
        }
        // Asking makes the lines durable, while frames may go on.
        let proof = ask(&h, "s").unwrap();
        assert_eq!((proof.frames_out, proof.mask_failures), (200, 100));
        assert_eq!(root(&path), (proof.root, 200), "{deny_action}");
        h.push(frame(300, false)).unwrap();
        h.push_event(gst::event::Eos::new());
        let (at_the_end, lines) = root(&path);
        assert_eq!(lines, 201);
        assert_eq!(ask(&h, "").unwrap().root, at_the_end);
        let black = u32::from(deny_action == "black");
        assert_eq!(h.buffers_received(), 201 + 101 * black);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_taken_name_is_refused_and_a_name_of_the_session_starts_again() {
    let tmp = tempfile::tempdir().unwrap();
    let one = tmp.path().join("one.jsonl");
    let (gate_one, bus) = gate(one.to_str().unwrap(), "error");
    let each = tmp.path().join("%s.jsonl");
    let (gate_each, _bus) = gate(each.to_str().unwrap(), "error");
    for (gate, again) in [(&gate_one, false), (&gate_each, true)] {
        for session in ["first", "second"] {
            if session == "second" && !again {
                assert!(gate.set_state(gst::State::Paused).is_err());
                let error = error(&bus).unwrap();
                assert!(
                    error.contains("PROOF_FILE")
                        && error.contains("not overwritten")
                        && error.contains("n'est pas écrasé"),
                    "{error}"
                );
                gate.set_state(gst::State::Null).unwrap();
                continue;
            }
            let mut h = harness(gate);
            declare(&mut h, &purpose(session));
            h.push(frame(1, false)).unwrap();
            let proof = ask(&h, session).unwrap();
            end(h);
            let path = match again {
                true => tmp.path().join(format!("{session}.jsonl")),
                false => one.clone(),
            };
            assert_eq!(root(&path), (proof.root, 1));
        }
    }
}

#[test]
fn a_run_that_let_nothing_out_may_be_tried_again() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("f");
    let (gate, _bus) = gate(path.to_str().unwrap(), "drop");
    for _ in 0..2 {
        let mut h = harness(&gate);
        declare(&mut h, &purpose("s"));
        h.push(frame(0, true)).unwrap();
        assert!(path.exists());
        end(h);
        assert!(!path.exists());
    }
}

#[test]
fn a_second_session_in_one_run_needs_a_file_of_its_own() {
    let tmp = tempfile::tempdir().unwrap();
    let (gate_each, _bus) = gate(tmp.path().join("%s").to_str().unwrap(), "drop");
    let mut h = harness(&gate_each);
    for session in ["one", "two"] {
        declare(&mut h, &purpose(session));
        h.push(frame(0, false)).unwrap();
        h.push(frame(1, false)).unwrap();
    }
    for session in ["one", "two"] {
        let proof = ask(&h, session).unwrap();
        assert_eq!(root(&tmp.path().join(session)), (proof.root, 2));
    }

    let (gate_one, bus) = gate(tmp.path().join("f").to_str().unwrap(), "drop");
    let mut h = harness(&gate_one);
    declare(&mut h, &purpose("one"));
    h.push(frame(0, false)).unwrap();
    declare(&mut h, &purpose("two"));
    assert!(h.push(frame(1, false)).is_err());
    assert!(error(&bus).unwrap().contains("earlier session"));
    assert!(h.push(frame(2, false)).is_err());
    assert_eq!(h.buffers_received(), 1);
}

#[test]
fn an_entry_gate_refuses_it() {
    init();
    let gate = gst::ElementFactory::make("purposegate")
        .property("proof-location", "/nowhere/f")
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    gate.set_bus(Some(&bus));
    assert!(gate.set_state(gst::State::Paused).is_err());
    let error = error(&bus).unwrap();
    assert!(
        error.contains("stage=exit") && error.contains("l'étape exit"),
        "{error}"
    );
    gate.set_state(gst::State::Null).unwrap();
}

/// Runs again within a process that may write files of 4 KiB only, which is what a full disk looks like.
#[test]
fn nothing_leaves_when_the_disk_is_full() {
    const INSIDE: &str = "GST_PRIVACY_TEST_FULL";
    let Some(folder) = std::env::var_os(INSIDE) else {
        let tmp = tempfile::tempdir().unwrap();
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "nothing_leaves_when_the_disk_is_full"])
            .env(INSIDE, tmp.path())
            .env("GST_REGISTRY_UPDATE", "no")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let file = fs::metadata(tmp.path().join("frames")).unwrap();
        assert_eq!(
            file.len(),
            4096,
            "it ran, and wrote what there was room for"
        );
        return;
    };
    let path = Path::new(&folder).join("frames");
    let (gate, bus) = gate(path.to_str().unwrap(), "drop");
    let mut h = harness(&gate);
    declare(&mut h, &purpose("s"));
    let out = (0..1000)
        .take_while(|&n| h.push(frame(n, false)).is_ok())
        .count();
    assert!(out < 1000, "the file grew beyond its limit");
    assert_eq!(h.buffers_received() as usize, out);
    assert!(error(&bus).unwrap().contains("PROOF_FILE"));
    assert!(h.push(frame(1, false)).is_err(), "and nothing leaves later");
    assert_eq!(ask(&h, "s"), None, "no proof without its lines");
}
