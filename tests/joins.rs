// SPDX-License-Identifier: MIT OR Apache-2.0
//! What joins the images from the side, behind the gate that decided about them.

use gst::prelude::*;
use gst_privacy_tests::{init, site::Site};

/// How a run ended: the text of its error, if it was one.
fn run(description: &str) -> Option<String> {
    init();
    let pipeline = gst::parse::launch(description)
        .unwrap_or_else(|e| panic!("{e}\n{description}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    let bus = pipeline.bus().unwrap();
    let _ = pipeline.set_state(gst::State::Playing);
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(120),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    match end.expect("it ends within two minutes").view() {
        gst::MessageView::Error(e) => Some(e.error().to_string()),
        _ => None,
    }
}

fn gate(site: &Site) -> String {
    format!(
        "purposegate purpose=judicial.requisition_extract mandate={} trusted-keys={} camera=cam-12 operator=a-0417 \
         sink-class=file footage-start={}",
        site.text("mandates/requisition.biscuit"),
        site.text("keys/authority.pub"),
        gst_privacy_tests::yesterday_noon(),
    )
}

fn sink(site: &Site, name: &str) -> String {
    format!(
        "auditsink register={} location={}",
        site.text("register"),
        site.text(name)
    )
}

const CAMERA: &str = "videotestsrc num-buffers=10 ! video/x-raw,width=64,height=48,framerate=25/1";
const ENCODE: &str = "x264enc speed-preset=ultrafast ! h264parse";

/// The one refusal in the register, and no file.
fn refused(site: &Site, name: &str, description: &str, code: &str) {
    let error = run(description).unwrap_or_else(|| panic!("{code} expected"));
    assert!(error.contains(code), "{error}");
    assert!(!site.path().join(name).exists(), "{name} was written");
    let entries = site.entries();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["operation"], "refuse");
    assert_eq!(entries[0]["refusal"]["code"], code);
    assert!(
        !entries[0]["refusal"]["legal_ref"]
            .as_str()
            .unwrap()
            .is_empty()
    );
    site.verify().unwrap();
}

#[test]
fn j1_sound_that_a_muxer_puts_beside_the_images_is_refused() {
    let site = Site::new();
    let description = format!(
        "{CAMERA} ! {} ! {ENCODE} ! queue ! mp4mux name=m ! {} \
         audiotestsrc num-buffers=10 ! audioconvert ! lamemp3enc ! queue ! m.",
        gate(&site),
        sink(&site, "sound.mp4"),
    );
    refused(&site, "sound.mp4", &description, "SOUND");
}

#[test]
fn j1_the_sound_of_the_same_recording_is_refused() {
    let site = Site::new();
    let recording = site.text("recording.mkv");
    assert_eq!(
        run(&format!(
            "{CAMERA} ! {ENCODE} ! queue ! matroskamux name=m ! filesink location={recording} \
             audiotestsrc num-buffers=20 ! lamemp3enc ! queue ! m."
        )),
        None
    );
    let description = format!(
        "filesrc location={recording} ! matroskademux name=d d.video_0 ! queue ! h264parse ! {} ! \
         matroskamux name=m ! {} d.audio_0 ! queue ! m.audio_0",
        gate(&site),
        sink(&site, "both.mkv"),
    );
    refused(&site, "both.mkv", &description, "SOUND");
    // Without its sound it is served.
    assert_eq!(
        run(&format!(
            "filesrc location={recording} ! matroskademux name=d d.video_0 ! queue ! h264parse ! {} ! \
             matroskamux name=m ! {}",
            gate(&site),
            sink(&site, "images.mkv"),
        )),
        None
    );
    assert!(site.path().join("images.mkv").exists());
}

#[test]
fn h3_a_second_camera_in_the_picture_without_a_gate_is_refused() {
    let site = Site::new();
    let wall = |wall: &str, name: &str| {
        format!(
            "{CAMERA} ! {} ! queue ! {wall} name=wall ! {} {CAMERA} ! queue ! wall.",
            gate(&site),
            sink(&site, name),
        )
    };
    refused(
        &site,
        "wall.raw",
        &wall("compositor", "wall.raw"),
        "UNGATED_JOIN",
    );
    // What comes first through a switch is not the gate's: it is there before anything is refused.
    for switch in ["input-selector", "funnel"] {
        let error = run(&wall(switch, switch)).unwrap();
        assert!(error.contains("UNGATED_JOIN"), "{switch}: {error}");
    }
    let refusals = site.entries();
    let refusals = refusals.iter().filter(|e| e["operation"] == "refuse");
    assert_eq!(refusals.count(), 3);
}

#[test]
fn h3_two_gates_on_a_tee_and_a_tee_behind_a_gate_are_allowed() {
    let site = Site::new();
    // Each branch has passed a gate of its own, and the two sessions close with what they let out.
    assert_eq!(
        run(&format!(
            "{CAMERA} ! tee name=t t. ! queue ! {gate} ! queue ! wall. t. ! queue ! {gate} ! queue ! wall. \
             compositor name=wall ! {}",
            sink(&site, "two.raw"),
            gate = gate(&site),
        )),
        None
    );
    assert!(site.path().join("two.raw").exists());
    assert_eq!(site.verify().unwrap().sessions, 2);
    assert_eq!(
        run(&format!(
            "{CAMERA} ! {} ! tee name=t t. ! queue ! wall. t. ! queue ! wall. compositor name=wall ! {}",
            gate(&site),
            sink(&site, "one.raw"),
        )),
        None
    );
    assert_eq!(site.verify().unwrap().sessions, 3);
}
