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

/// A gate on a mandate of its own: each may be used once.
fn gate(site: &Site) -> String {
    let form = gst_privacy_tests::root().join("examples/mandates/requisition.toml");
    let form = std::fs::read_to_string(form).unwrap();
    let name = uuid::Uuid::new_v4().to_string();
    let mandate = site.sign(&name, &form, jiff::Timestamp::now());
    format!(
        "purposegate purpose=judicial.requisition_extract mandate={} trusted-keys={} cosigner-keys={} \
         camera=cam-12 operator=a-0417 sink-class=file footage-start={}",
        mandate.display(),
        site.text("keys/authority.pub"),
        site.text("keys/second.pub"),
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
            "{CAMERA} ! tee name=t t. ! queue ! {} ! queue ! wall. t. ! queue ! {} ! queue ! wall. \
             compositor name=wall ! {}",
            gate(&site),
            gate(&site),
            sink(&site, "two.raw"),
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

/// A gate for live viewing to `sink_class`, on a live test picture of `source`.
fn live(site: &Site, sink_class: &str, more: &str) -> String {
    format!(
        "purposegate purpose=vp.live_view.public_road mandate={} trusted-keys={} camera=cam-12 operator=a-0417 \
         sink-class={sink_class} {more}",
        site.text("mandates/live_view.biscuit"),
        site.text("keys/authority.pub"),
    )
}

const LIVE: &str =
    "videotestsrc is-live=true num-buffers=3 ! video/x-raw,width=64,height=48,framerate=25/1";

#[test]
fn c1_a_display_that_is_a_network_is_refused() {
    let site = Site::new();
    for sink in [
        "udpsink host=127.0.0.1 port=9",
        "srtsink uri=srt://:0?passphrase=0123456789 wait-for-connection=false",
        "souphttpclientsink location=https://127.0.0.1:9/",
    ] {
        let error = run(&format!(
            "{LIVE} ! {} ! tee name=t t. ! queue ! auditsink register={} t. ! queue ! jpegenc ! {sink}",
            live(&site, "csu-display", ""),
            site.text("register"),
        ))
        .unwrap_or_else(|| panic!("{sink} was let through"));
        assert!(error.contains("EXTRACTION_NOT_FREE"), "{sink}: {error}");
    }
    let entries = site.entries();
    assert_eq!(entries.len(), 3);
    assert!(
        entries
            .iter()
            .all(|e| e["refusal"]["code"] == "EXTRACTION_NOT_FREE")
    );
}

#[test]
fn e5_clear_images_leave_encrypted_or_not_at_all() {
    let site = Site::new();
    let form =
        std::fs::read_to_string(gst_privacy_tests::root().join("examples/mandates/live_view.toml"))
            .unwrap()
            .replace(
                "[\"csu-display\"]",
                "[\"csu-display\", \"internal-secured\"]",
            );
    site.sign("live_view", &form, jiff::Timestamp::now());
    let ends = |sink: &str| {
        run(&format!(
            "{LIVE} ! {} ! tee name=t t. ! queue ! auditsink register={} t. ! queue ! jpegenc ! {sink}",
            live(&site, "internal-secured", ""),
            site.text("register"),
        ))
    };
    for plain in [
        "udpsink host=127.0.0.1 port=9",
        "tcpserversink port=0",
        "srtsink uri=srt://:0 wait-for-connection=false",
    ] {
        let error = ends(plain).unwrap_or_else(|| panic!("{plain} was let through"));
        assert!(error.contains("UNSECURED_TRANSPORT"), "{plain}: {error}");
    }
    let refusals = site.entries();
    assert_eq!(refusals.len(), 3);
    for entry in &refusals {
        assert_eq!(entry["refusal"]["code"], "UNSECURED_TRANSPORT");
        assert!(!entry["refusal"]["legal_ref"].as_str().unwrap().is_empty());
    }
    assert_eq!(ends("fakesink"), None);
    assert_eq!(
        ends("srtsink uri=srt://:0?passphrase=0123456789 wait-for-connection=false"),
        None
    );
}

#[test]
fn e5_a_plain_source_is_warned_of_or_refused_as_the_rules_say() {
    init();
    for (profile, refused) in [("warn", false), ("refuse", true)] {
        let site = Site::new();
        let rules =
            std::fs::read_to_string(gst_privacy_tests::root().join("plugins/policy/rules/fr.toml"))
                .unwrap()
                .replace(
                    "plain_source = \"warn\"",
                    &format!("plain_source = \"{profile}\""),
                );
        std::fs::write(site.path().join("rules.toml"), rules).unwrap();
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        // A camera that sends each picture in a packet.
        let pipeline = gst::parse::launch(&format!(
            "udpsrc port={port} address=127.0.0.1 name=camera \
             caps=video/x-raw,format=GRAY8,width=16,height=16,framerate=25/1 ! {} ! auditsink register={}",
            live(
                &site,
                "csu-display",
                &format!("rules-file={}", site.text("rules.toml"))
            ),
            site.text("register"),
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let bus = pipeline.bus().unwrap();
        let message = (0..600)
            .find_map(|_| {
                sender.send_to(&[77; 256], ("127.0.0.1", port)).unwrap();
                bus.timed_pop_filtered(
                    gst::ClockTime::from_mseconds(100),
                    &[gst::MessageType::Error, gst::MessageType::Warning],
                )
            })
            .expect("it is told");
        let (text, error) = match message.view() {
            gst::MessageView::Error(e) => (e.error().to_string(), true),
            gst::MessageView::Warning(w) => (w.error().to_string(), false),
            _ => unreachable!("filtered"),
        };
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(
            text.contains("UNSECURED_TRANSPORT") && text.contains("camera"),
            "{profile}: {text}"
        );
        assert_eq!(error, refused, "{profile}: {text}");
    }
}

#[test]
fn c2_a_requisition_is_served_once() {
    let site = Site::new();
    let gate = gate(&site);
    let serve = |name: &str| run(&format!("{CAMERA} ! {gate} ! {}", sink(&site, name)));
    // For a time at which nothing was filmed, nothing leaves and nothing is used up.
    let last_year = "footage-start=2025-11-20T12:00:00+01:00";
    let noon = gate.split_whitespace().last().unwrap();
    let wrong = gate.replace(noon, last_year);
    let nothing = run(&format!("{CAMERA} ! {wrong} ! {}", sink(&site, "no.raw")));
    assert!(!site.path().join("no.raw").exists(), "{nothing:?}");
    assert_eq!(serve("first.raw"), None);
    let error = serve("second.raw").unwrap();
    assert!(error.contains("ALREADY_USED"), "{error}");
    assert!(!site.path().join("second.raw").exists());
    let refusal = site.entries().pop().unwrap();
    assert_eq!(refusal["operation"], "refuse");
    assert_eq!(refusal["refusal"]["code"], "ALREADY_USED");
    site.verify().unwrap();
}
