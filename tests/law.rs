// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rows of the requirements that take several elements to hold.

use gst::prelude::*;
use gst_privacy_tests::{ELEMENTS, init, site::Site};

/// Runs to the end or to an error.
fn run(description: &str) -> Result<(), String> {
    init();
    let pipeline = gst::parse::launch(description)
        .unwrap_or_else(|e| panic!("{e}\n{description}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).ok();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    match end.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(e)) => Err(e.error().to_string()),
        _ => panic!("no end within a minute\n{description}"),
    }
}

fn publish(site: &Site, picture: &str, mask: &str) -> u64 {
    let out = site.text("one.raw");
    run(&format!(
        "videotestsrc num-buffers=1 ! {picture} ! purposegate purpose=comm.public_publication mandate={} trusted-keys={} \
         camera=cam-12 operator=a-0417 sink-class=file ! {mask} ! purposegate stage=exit ! auditsink register={} location={out}",
        site.text("mandates/publication.biscuit"),
        site.text("keys/authority.pub"),
        site.text("register"),
    ))
    .unwrap();
    std::fs::metadata(&out).map_or(0, |m| m.len())
}

/// Neither a small size, nor a low rate, nor a single picture makes a clear image lawful.
#[test]
fn b8_one_small_picture_is_no_exemption() {
    let site = Site::new();
    let small = "video/x-raw,format=GRAY8,width=16,height=16,framerate=1/10";
    assert_eq!(publish(&site, small, "identity"), 0);
    let held = site.entries().pop().unwrap();
    assert_eq!(held["anonymisation"]["mask_failures"], 1, "{held}");
    assert_eq!(publish(&site, small, "wgpublur backend=cpu"), 256);
    site.verify().unwrap();
}

/// No element has a property for plates to be read or looked for.
#[test]
fn f11_no_element_reads_a_plate() {
    init();
    for name in ELEMENTS {
        let element = gst::ElementFactory::make(name).build().unwrap();
        for spec in element.list_properties() {
            for word in ["plate", "lookup", "watchlist", "ocr", "anpr"] {
                assert!(!spec.name().contains(word), "{name}.{}", spec.name());
            }
        }
    }
}

/// SHA-256 of each access unit of a Matroska file.
fn units(path: &str) -> Vec<Vec<u8>> {
    init();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={path} ! matroskademux ! appsink name=out sync=false"
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let out: gst_app::AppSink = pipeline.by_name("out").unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut units = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        units.push(sample.buffer().unwrap().map_readable().unwrap().to_vec());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    units
}

/// Evidence leaves as it was recorded: each access unit is the recorder's, to the byte.
#[test]
fn j9_evidence_is_the_recording_to_the_byte() {
    let site = Site::new();
    let recording = site.text("recording.mkv");
    run(&format!(
        "videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! x264enc ! h264parse ! \
         matroskamux ! filesink location={recording}"
    ))
    .unwrap();
    let piece = site.text("piece.mkv");
    run(&format!(
        "filesrc location={recording} ! matroskademux ! purposegate purpose=judicial.requisition_extract mandate={} \
         trusted-keys={} cosigner-keys={} camera=cam-12 operator=a-0417 sink-class=file footage-start={} ! matroskamux ! \
         auditsink register={} location={piece}",
        site.text("mandates/requisition.biscuit"),
        site.text("keys/authority.pub"),
        site.text("keys/second.pub"),
        gst_privacy_tests::yesterday_noon(),
        site.text("register"),
    ))
    .unwrap();
    let (recorded, served) = (units(&recording), units(&piece));
    assert_eq!(recorded.len(), 30);
    assert!(recorded == served, "the piece differs from the recording");
    site.verify().unwrap();
}
