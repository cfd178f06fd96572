// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole chain on real footage, and what leaves when a link of it is missing.

use std::path::{Path, PathBuf};

use gst::prelude::*;
use gst_privacy_tests::{asset, init, site::Site, yesterday_noon};
use gst_video::prelude::*;

/// What a run came to: how it ended, and the element messages seen.
struct Run {
    error: Option<String>,
    messages: Vec<gst::Structure>,
}

fn run(description: &str) -> Run {
    init();
    let pipeline = gst::parse::launch(description)
        .unwrap_or_else(|e| panic!("{e}\n{description}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    let bus = pipeline.bus().unwrap();
    let started = pipeline.set_state(gst::State::Playing);
    let mut run = Run {
        error: None,
        messages: Vec::new(),
    };
    let patience = gst::ClockTime::from_seconds(240);
    loop {
        let Some(message) = bus.timed_pop(patience) else {
            panic!("no end within four minutes\n{description}");
        };
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(e) => {
                run.error = Some(e.error().to_string());
                break;
            }
            gst::MessageView::Element(e) => {
                run.messages.extend(e.structure().map(ToOwned::to_owned));
            }
            _ => {}
        }
    }
    assert!(started.is_ok() || run.error.is_some());
    pipeline.set_state(gst::State::Null).unwrap();
    run
}

/// Assets of the main job, or `None` after saying what is missing.
struct Assets {
    clip: PathBuf,
    model: PathBuf,
    runtime: PathBuf,
}

impl Assets {
    fn find(test: &str) -> Option<Self> {
        Some(Self {
            clip: asset(test, "vtest.avi")?,
            model: asset(test, "nanodet.onnx")?,
            runtime: asset(test, "libonnxruntime.so")?,
        })
    }

    fn detector(&self) -> String {
        format!(
            "onnxdetector model-file={} runtime-library={}",
            self.model.display(),
            self.runtime.display()
        )
    }
}

fn source(clip: &Path, frames: u32) -> String {
    format!(
        "filesrc location={} ! avidemux ! decodebin ! identity eos-after={} ! videoconvert ! video/x-raw,format=NV12",
        clip.display(),
        frames + 1
    )
}

fn entry(site: &Site, purpose: &str, mandate: &str) -> String {
    format!(
        "purposegate purpose={purpose} mandate={} trusted-keys={} cosigner-keys={} camera=cam-12 operator=a-0417 \
         sink-class=file",
        site.text(&format!("mandates/{mandate}.biscuit")),
        site.text("keys/authority.pub"),
        site.text("keys/second.pub"),
    )
}

fn sink(site: &Site, name: &str) -> String {
    format!(
        "auditsink register={} location={}",
        site.text("register"),
        site.text(name)
    )
}

const ENCODE: &str = "x264enc speed-preset=ultrafast ! h264parse ! mp4mux";

/// Frames of a written file that holds some: without any, a demuxer never says that it has ended.
fn decoded(path: &str) -> Vec<gst::Sample> {
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={path} ! decodebin ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=out sync=false"
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let out: gst_app::AppSink = pipeline.by_name("out").unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut frames = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        frames.push(sample);
    }
    pipeline.set_state(gst::State::Null).unwrap();
    frames
}

#[test]
fn b11_a_clip_is_published_masked_and_in_the_register() {
    let Some(assets) = Assets::find("b11_a_clip_is_published_masked_and_in_the_register") else {
        return;
    };
    let site = Site::new();
    let description = format!(
        "{} ! {} ! {} ! wgpublur backend=cpu ! purposegate stage=exit ! {ENCODE} ! {}",
        source(&assets.clip, 40),
        entry(&site, "comm.public_publication", "publication"),
        assets.detector(),
        sink(&site, "out.mp4"),
    );
    let outcome = run(&description);
    assert_eq!(outcome.error, None);
    assert_eq!(decoded(&site.text("out.mp4")).len(), 40);
    let report = site.verify().unwrap();
    assert_eq!((report.entries, report.sessions), (2, 1));
    assert!(report.interrupted.is_empty(), "{:?}", report.interrupted);
    let entries = site.entries();
    assert_eq!(entries[0]["operation"], "publish");
    assert_eq!(entries[0]["purpose_id"], "comm.public_publication");
    assert_eq!(entries[0]["agent"]["id"], "a-0417");
    assert!(entries[0]["motif"].as_str().unwrap().contains("place"));
    let closing = &entries[1];
    assert_eq!(closing["prior_entry_seq"], 0, "{closing}");
    let written = std::fs::read(site.path().join("out.mp4")).unwrap();
    assert_eq!(closing["output"]["bytes"], written.len());
    assert_eq!(closing["anonymisation"]["frames_total"], 40, "{closing}");
    assert_eq!(closing["anonymisation"]["mask_failures"], 0);
}

#[test]
fn without_the_detector_no_clear_frame_gets_out() {
    let Some(assets) = Assets::find("without_the_detector_no_clear_frame_gets_out") else {
        return;
    };
    let site = Site::new();
    // Nobody looked, so the whole frame is masked: 30 frames leave, and none shows the scene.
    let masked = run(&format!(
        "{} ! {} ! wgpublur backend=cpu ! purposegate stage=exit ! {ENCODE} ! {}",
        source(&assets.clip, 30),
        entry(&site, "comm.public_publication", "publication"),
        sink(&site, "whole.mp4"),
    ));
    assert_eq!(masked.error, None);
    let frames = decoded(&site.text("whole.mp4"));
    assert_eq!(frames.len(), 30);
    for sample in &frames {
        let (detail, cells) = detail(sample);
        assert!(
            detail < 12.0 && cells,
            "a frame with detail {detail} is not masked whole"
        );
    }
    let closing = site.entries().pop().unwrap();
    assert_eq!(
        closing["anonymisation"]["frames_whole_masked"], 30,
        "{closing}"
    );
    // Without the mask as well, nothing leaves at all.
    let nothing = run(&format!(
        "{} ! {} ! purposegate stage=exit ! {ENCODE} ! {}",
        source(&assets.clip, 30),
        entry(&site, "comm.public_publication", "publication"),
        sink(&site, "nothing.mp4"),
    ));
    // The muxer still writes its headers, and no byte of media.
    assert_eq!(
        media_bytes(&site.path().join("nothing.mp4")),
        0,
        "{:?}",
        nothing.error
    );
    assert!(media_bytes(&site.path().join("whole.mp4")) > 1000);
    let closing = site.entries().pop().unwrap();
    assert_eq!(closing["anonymisation"]["mask_failures"], 30, "{closing}");
    site.verify().unwrap();
}

/// Bytes in the `mdat` boxes of an MP4 file (ISO/IEC 14496-12 §8.1.1); 0 when there is no file.
fn media_bytes(path: &Path) -> u64 {
    let file = std::fs::read(path).unwrap_or_default();
    let (mut at, mut media) = (0, 0);
    while let Some(head) = file.get(at..at + 8) {
        let size = u64::from(u32::from_be_bytes(head[..4].try_into().unwrap()));
        let (size, header) = match size {
            0 => ((file.len() - at) as u64, 8),
            1 => (
                u64::from_be_bytes(file[at + 8..at + 16].try_into().unwrap()),
                16,
            ),
            size => (size, 8),
        };
        if &head[4..] == b"mdat" {
            media += size - header;
        }
        at += usize::try_from(size).unwrap();
    }
    media
}

/// Mean absolute difference of horizontal neighbours, and whether it is (nearly) the blockiness of six
/// cells: a whole masked frame of 768 pixels changes at 5 columns only.
fn detail(sample: &gst::Sample) -> (f64, bool) {
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info)
        .unwrap();
    let (stride, width) = (frame.plane_stride()[0] as usize, info.width() as usize);
    let data = frame.plane_data(0).unwrap();
    let (mut sum, mut count, mut still) = (0u64, 0u64, 0u64);
    for row in data.chunks(stride) {
        for pair in row[..width].windows(2) {
            let difference = u64::from(pair[0].abs_diff(pair[1]));
            sum += difference;
            count += 1;
            still += u64::from(difference <= 3);
        }
    }
    (
        sum as f64 / count as f64,
        still as f64 > 0.95 * count as f64,
    )
}

#[test]
fn expired_yesterday_writes_no_video_and_one_refusal() {
    let Some(assets) = Assets::find("expired_yesterday_writes_no_video_and_one_refusal") else {
        return;
    };
    let site = Site::new();
    let form = std::fs::read_to_string(
        gst_privacy_tests::root().join("examples/mandates/publication.toml"),
    )
    .unwrap()
    .replace("valid_to = @tomorrow", "valid_to = @today");
    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    site.sign("expired", &form, yesterday);
    let outcome = run(&format!(
        "{} ! {} ! {} ! wgpublur backend=cpu ! purposegate stage=exit ! {ENCODE} ! {}",
        source(&assets.clip, 30),
        entry(&site, "comm.public_publication", "expired"),
        assets.detector(),
        sink(&site, "expired.mp4"),
    ));
    let error = outcome.error.unwrap();
    assert!(
        error.contains("EXPIRED_MANDATE") && error.contains("Le mandat a pris fin"),
        "{error}"
    );
    assert!(
        !site.path().join("expired.mp4").exists(),
        "0 bytes of video"
    );
    assert_eq!(
        std::fs::read_dir(site.path()).unwrap().count(),
        3,
        "keys, mandates and register, and no temporary file"
    );
    let entries = site.entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["operation"], "refuse");
    assert_eq!(entries[0]["refusal"]["code"], "EXPIRED_MANDATE");
    let report = site.verify().unwrap();
    assert_eq!((report.entries, report.refusals), (1, 1));
}

#[test]
fn c5_one_flipped_byte_is_found_and_the_entry_named() {
    init();
    let site = Site::new();
    let description = format!(
        "videotestsrc is-live=true num-buffers=5 ! video/x-raw,width=64,height=48,framerate=25/1 ! \
         purposegate purpose=vp.live_view.public_road mandate={} trusted-keys={} camera=cam-12 operator=a-0417 \
         sink-class=csu-display ! auditsink register={}",
        site.text("mandates/live_view.biscuit"),
        site.text("keys/authority.pub"),
        site.text("register"),
    );
    for _ in 0..2 {
        assert_eq!(run(&description).error, None);
    }
    assert_eq!(site.verify().unwrap().entries, 4);
    let bundle = std::fs::read_dir(site.path().join("register/tile/entries/000.p"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .find(|p| p.ends_with("4"))
        .unwrap();
    let whole = std::fs::read(&bundle).unwrap();
    // The third entry is the second session's opening: flip one byte of its reason.
    let at = whole
        .windows(6)
        .enumerate()
        .filter(|(_, w)| w == b"\"motif")
        .nth(2)
        .map(|(i, _)| i + 12)
        .unwrap();
    let mut spoilt = whole.clone();
    spoilt[at] ^= 1;
    std::fs::write(&bundle, &spoilt).unwrap();
    let error = site.verify().unwrap_err().to_string();
    assert!(error.contains("entry 2"), "{error}");
    if let Some(tool) = gst_privacy_tests::privacyctl() {
        let output = std::process::Command::new(tool)
            .args(["register", "verify", &site.text("register")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("register verified: NO") && said.contains("entry 2"),
            "{said}"
        );
    }
    std::fs::write(&bundle, &whole).unwrap();
    site.verify().unwrap();
}

#[test]
fn c4_a_register_that_cannot_be_written_lets_nothing_out() {
    init();
    let site = Site::new();
    let outcome = run(&format!(
        "videotestsrc is-live=true num-buffers=5 ! {} ! tee name=t t. ! queue ! filesink location={} t. ! queue ! fakesink",
        entry(&site, "vp.live_view.public_road", "live_view")
            .replace("sink-class=file", "sink-class=csu-display"),
        site.text("leak.raw"),
    ));
    let error = outcome.error.unwrap();
    assert!(error.contains("NO_REGISTER"), "{error}");
    assert_eq!(
        std::fs::metadata(site.path().join("leak.raw")).map_or(0, |m| m.len()),
        0
    );
}

#[test]
fn c1_live_viewing_does_not_open_for_a_file() {
    init();
    let site = Site::new();
    let outcome = run(&format!(
        "videotestsrc is-live=true num-buffers=5 ! {} ! {}",
        entry(&site, "vp.live_view.public_road", "live_view"),
        sink(&site, "leak.raw"),
    ));
    assert!(outcome.error.unwrap().contains("EXTRACTION_NOT_FREE"));
    assert!(!site.path().join("leak.raw").exists());
    assert_eq!(site.entries()[0]["refusal"]["code"], "EXTRACTION_NOT_FREE");
}

#[test]
fn b3_a_branch_around_the_exit_gate_is_refused() {
    init();
    let site = Site::new();
    let outcome = run(&format!(
        "videotestsrc num-buffers=5 ! {} ! tee name=t t. ! queue ! wgpublur backend=cpu ! purposegate stage=exit ! {} \
         t. ! queue ! filesink name=clear location={}",
        entry(&site, "comm.public_publication", "publication"),
        sink(&site, "masked.raw"),
        site.text("leak.raw"),
    ));
    let error = outcome.error.unwrap();
    assert!(
        error.contains("UNGUARDED_PATH") && error.contains("clear"),
        "{error}"
    );
    assert_eq!(
        std::fs::metadata(site.path().join("leak.raw")).map_or(0, |m| m.len()),
        0
    );
}

#[test]
fn f5_a_requisition_is_served_from_a_recording_and_not_from_a_live_camera() {
    init();
    let site = Site::new();
    let noon = yesterday_noon();
    let outcome = run(&format!(
        "videotestsrc is-live=true num-buffers=5 ! {} footage-start={noon} ! {}",
        entry(&site, "judicial.requisition_extract", "requisition"),
        sink(&site, "live.raw"),
    ));
    assert!(outcome.error.unwrap().contains("LIVE_SOURCE"));
    let outcome = run(&format!(
        "videotestsrc num-buffers=5 ! {} footage-start={noon} ! {}",
        entry(&site, "judicial.requisition_extract", "requisition"),
        sink(&site, "piece.raw"),
    ));
    assert_eq!(outcome.error, None);
    let entries = site.entries();
    assert_eq!(entries[0]["operation"], "refuse");
    assert_eq!(entries[1]["operation"], "extract");
    assert_eq!(entries[1]["destinataire"]["capacity"], "OPJ");
    assert!(site.path().join("piece.raw").exists());
    site.verify().unwrap();
}

#[test]
fn f15_footfall_is_counted_and_no_image_leaves() {
    let Some(assets) = Assets::find("f15_footfall_is_counted_and_no_image_leaves") else {
        return;
    };
    let site = Site::new();
    let config = gst_privacy_tests::root().join("examples/site.toml");
    let counted = run(&format!(
        "{} ! {} ! {} use=statistics ! countaggregator config={} window=60000000000 start-time=2026-11-21T10:00:00Z ! {}",
        source(&assets.clip, 700),
        entry(&site, "stats.traffic_counts", "statistics"),
        assets.detector(),
        config.display(),
        sink(&site, "counts.jsonl"),
    ));
    assert_eq!(counted.error, None);
    let text = std::fs::read_to_string(site.path().join("counts.jsonl")).unwrap();
    let windows: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(
        windows.len(),
        1,
        "one whole minute, and the rest is discarded: {text}"
    );
    assert!(
        text.contains("\"middle\"") && !text.contains("\"x\""),
        "{text}"
    );
    // The same purpose lets no image through, masked or not.
    let leak = run(&format!(
        "{} ! {} ! {} use=statistics ! wgpublur backend=cpu ! purposegate stage=exit ! {}",
        source(&assets.clip, 5),
        entry(&site, "stats.traffic_counts", "statistics"),
        assets.detector(),
        sink(&site, "leak.raw"),
    ));
    assert!(leak.error.unwrap().contains("UNGUARDED_PATH"));
    assert!(!site.path().join("leak.raw").exists());
    site.verify().unwrap();
}

#[test]
fn c7_a_clock_behind_the_register_opens_nothing() {
    init();
    let site = Site::new();
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let mut entry_of = privacy_register::Entry::new(privacy_register::Operation::Config);
    entry_of.motif = "a clock that was ahead".into();
    privacy_register::Register::open(&site.path().join("register"), None)
        .unwrap()
        .append_at(&entry_of, tomorrow)
        .unwrap();
    let outcome = run(&format!(
        "videotestsrc is-live=true num-buffers=5 ! {} ! auditsink register={}",
        entry(&site, "vp.live_view.public_road", "live_view")
            .replace("sink-class=file", "sink-class=csu-display"),
        site.text("register"),
    ));
    let error = outcome.error.unwrap();
    assert!(error.contains("CLOCK_BACK"), "{error}");
    assert_eq!(site.entries().len(), 1, "no session was opened");
}
