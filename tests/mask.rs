// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a masked stream shows at the end of the whole chain, by the rows of the requirements that a mask
//! has to meet. The detector is a probe that knows what the scene holds, so these tests need no model.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_privacy_tests::{asset, init, root, site::Site};
use gst_video::{VideoInfo, VideoRegionOfInterestMeta};
use privacy_common::{MaskStamp, ScanStamp};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;

/// What the purpose of these tests asks to be masked.
const CLASSES: [&str; 6] = ["person", "bicycle", "car", "motorcycle", "bus", "truck"];

/// A detection: class, left, top, width, height.
type Object = (&'static str, u32, u32, u32, u32);

const PERSON: Object = ("person", 60, 50, 40, 100);
const CAR: Object = ("car", 180, 120, 90, 60);

/// A frame as it leaves.
struct Shot {
    stamp: MaskStamp,
    info: VideoInfo,
    data: Vec<u8>,
}

impl Shot {
    fn luma(&self, x: u32, y: u32) -> u8 {
        self.data[y as usize * self.info.stride()[0] as usize + x as usize]
    }

    /// Share of horizontal neighbours in a box that differ. Of noise nearly all do, of cells nearly none.
    fn detail(&self, (_, left, top, width, height): Object) -> f64 {
        let pairs =
            || (top..top + height).flat_map(|y| (left..left + width - 1).map(move |x| (x, y)));
        let differ = pairs().filter(|&(x, y)| self.luma(x, y) != self.luma(x + 1, y));
        differ.count() as f64 / pairs().count() as f64
    }

    /// All of it.
    fn everything(&self) -> Object {
        ("", 0, 0, self.info.width(), self.info.height())
    }
}

/// What came of a run.
struct Outcome {
    shots: Vec<Shot>,
    error: Option<String>,
    /// What the register says of it in the end.
    closing: serde_json::Value,
}

/// [`run`] by the rules of this project.
fn chain(
    frames: u32,
    between: &str,
    mask: &str,
    find: impl Fn(u64) -> Option<Vec<Object>> + Send + Sync + 'static,
) -> Outcome {
    run(|rules| rules, frames, between, mask, find)
}

/// Noise of `frames` frames through entry gate, detector, `between`, `mask` and an exit gate. `find` says
/// what the detector finds on a frame; `None` when it does not look. `change` changes the rules.
fn run(
    change: impl Fn(String) -> String,
    frames: u32,
    between: &str,
    mask: &str,
    find: impl Fn(u64) -> Option<Vec<Object>> + Send + Sync + 'static,
) -> Outcome {
    init();
    let site = Site::new();
    let rules = change(privacy_policy::rules::BUILTIN.to_owned());
    std::fs::write(site.path().join("rules.toml"), rules).unwrap();
    // For files alone, which suffices here and which each of these rules allows.
    let form = root().join("examples/mandates/publication.toml");
    let form = std::fs::read_to_string(form).unwrap();
    let both = "sink_classes = [\"file\", \"public\"]";
    assert!(form.contains(both));
    let form = form.replace(both, "sink_classes = [\"file\"]");
    site.sign("publication", &form, jiff::Timestamp::now());
    // Rules that lift a mask ask for it.
    site.countersign("publication");
    let text = format!(
        "videotestsrc pattern=snow num-buffers={frames} ! \
         video/x-raw,format=NV12,width={WIDTH},height={HEIGHT},framerate=25/1,pixel-aspect-ratio=1/1 ! \
         purposegate purpose=comm.public_publication mandate={} trusted-keys={} cosigner-keys={} camera=cam-12 \
         operator=a-0417 sink-class=file rules-file={} ! identity name=detector ! {between} ! {mask} ! purposegate name=exit stage=exit ! \
         auditsink register={} location={}",
        site.text("mandates/publication.biscuit"),
        site.text("keys/authority.pub"),
        site.text("keys/second.pub"),
        site.text("rules.toml"),
        site.text("register"),
        site.text("out.raw"),
    );
    let pipeline = gst::parse::launch(&text)
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    let pad = |name: &str| pipeline.by_name(name).unwrap().static_pad("src").unwrap();
    let number = std::sync::atomic::AtomicU64::new(0);
    pad("detector").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if let Some(objects) = find(number) {
            detect(info.buffer_mut().unwrap().make_mut(), &objects);
        }
        gst::PadProbeReturn::Ok
    });
    let shots = Arc::new(Mutex::new(Vec::new()));
    let taken = shots.clone();
    pad("exit").add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let buffer = info.buffer().unwrap();
        taken.lock().unwrap().push(Shot {
            stamp: MaskStamp::read(buffer).expect("nothing leaves without a stamp"),
            info: VideoInfo::from_caps(&pad.current_caps().unwrap()).unwrap(),
            data: buffer.map_readable().unwrap().to_vec(),
        });
        gst::PadProbeReturn::Ok
    });
    let bus = pipeline.bus().unwrap();
    let _ = pipeline.set_state(gst::State::Playing);
    let ended = bus
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(120),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .unwrap_or_else(|| panic!("no end within two minutes\n{text}"));
    let error = match ended.view() {
        gst::MessageView::Error(e) => Some(e.error().to_string()),
        _ => None,
    };
    pipeline.set_state(gst::State::Null).unwrap();
    site.verify().unwrap();
    let shots = std::mem::take(&mut *shots.lock().unwrap());
    Outcome {
        shots,
        error,
        closing: site.entries().pop().unwrap(),
    }
}

fn detect(frame: &mut gst::BufferRef, objects: &[Object]) {
    for (track, &(class, x, y, width, height)) in (1..).zip(objects) {
        VideoRegionOfInterestMeta::add(frame, class, (x, y, width, height)).set_id(track);
    }
    ScanStamp {
        detector: "probe".into(),
        classes: CLASSES.map(str::to_owned).to_vec(),
        found: objects.len() as u32,
        pts: frame.pts(),
        width: WIDTH,
        height: HEIGHT,
        ..Default::default()
    }
    .write(frame);
}

const MASK: &str = "wgpublur backend=cpu";

#[test]
fn b3_whole_persons_and_whole_vehicles_are_masked_and_nothing_leaves_without_the_mask() {
    let both = |_| Some(vec![PERSON, CAR]);
    for mode in ["pixelate", "solid", "blur"] {
        let mask = format!("{MASK} mode={mode}");
        let outcome = chain(5, "identity", &mask, both);
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.shots.len(), 5);
        for shot in &outcome.shots {
            assert_eq!(shot.stamp.method, mode);
            assert!(!shot.stamp.whole_frame && shot.stamp.regions == 2);
            // A blur changes from pixel to pixel, by little.
            let most = if mode == "blur" { 0.9 } else { 0.2 };
            for object in [PERSON, CAR] {
                assert!(
                    shot.detail(object) < most,
                    "{mode}: {}",
                    shot.detail(object)
                );
            }
            assert!(
                shot.detail(("", 0, 0, WIDTH, 20)) > 0.9,
                "the rest is clear"
            );
        }
        assert_eq!(outcome.closing["anonymisation"]["frames_whole_masked"], 0);
    }
    let bypassed = chain(5, "identity", "identity", both);
    assert_eq!(bypassed.shots.len(), 0);
    assert_eq!(bypassed.closing["anonymisation"]["mask_failures"], 5);
}

#[test]
fn b3_a_frame_of_another_shape_than_the_detector_saw_is_masked_whole() {
    // Before GStreamer 1.28 `videoscale` leaves the border out when it moves the boxes.
    let borders = |size: &str| {
        format!("videoscale add-borders=true ! video/x-raw,{size},pixel-aspect-ratio=1/1")
    };
    for (between, reason) in [
        (borders("width=320,height=320"), "reshaped"),
        (borders("width=200,height=240"), "reshaped"),
        (borders("width=640,height=490"), "reshaped"),
        // Pixels of another shape instead of borders.
        (
            "videoscale ! video/x-raw,width=320,height=320".to_owned(),
            "reshaped",
        ),
        (
            "videoscale add-borders=false ! video/x-raw,width=320,height=320,pixel-aspect-ratio=1/1"
                .to_owned(),
            "reshaped",
        ),
        // These lose the boxes, with or without another shape.
        ("videocrop top=40".to_owned(), ""),
        ("videoflip video-direction=90r".to_owned(), ""),
        ("videoflip video-direction=180".to_owned(), "detections-lost"),
    ] {
        let outcome = chain(4, &between, MASK, |_| Some(vec![PERSON]));
        assert_eq!(outcome.error, None, "{between}");
        assert_eq!(outcome.shots.len(), 4, "{between}");
        for shot in &outcome.shots {
            assert!(shot.stamp.whole_frame, "{between}: {:?}", shot.stamp);
            assert!(shot.stamp.reason.contains(reason), "{:?}", shot.stamp);
            assert!(shot.detail(shot.everything()) < 0.1, "{between}");
        }
        assert_eq!(outcome.closing["anonymisation"]["frames_whole_masked"], 4);
    }
    for (between, (_, left, top, width, height)) in [
        ("videoscale ! video/x-raw,width=160,height=120", PERSON),
        ("videoscale ! video/x-raw,width=480,height=360", PERSON),
        // Less than a pixel off the shape.
        (
            "videoscale add-borders=false ! video/x-raw,width=107,height=80,pixel-aspect-ratio=1/1",
            PERSON,
        ),
    ] {
        let outcome = chain(4, between, MASK, |_| Some(vec![PERSON]));
        assert_eq!(outcome.shots.len(), 4, "{between}");
        for shot in &outcome.shots {
            assert!(!shot.stamp.whole_frame, "{between}: {:?}", shot.stamp);
            let scaled = |v: u32| v * shot.info.width() / WIDTH;
            let person = (
                "person",
                scaled(left),
                scaled(top),
                scaled(width),
                scaled(height),
            );
            assert!(
                shot.detail(person) < 0.2,
                "{between}: {}",
                shot.detail(person)
            );
        }
    }
}

#[test]
fn b4_a_missed_detection_leaves_the_mask_on() {
    // Five frames on which the detector looks and misses the person.
    let outcome = chain(20, "identity", MASK, |n| {
        Some(if (8..13).contains(&n) {
            vec![]
        } else {
            vec![PERSON]
        })
    });
    assert_eq!(outcome.shots.len(), 20);
    for (n, shot) in outcome.shots.iter().enumerate() {
        assert!(
            shot.detail(PERSON) < 0.2,
            "frame {n}: {}",
            shot.detail(PERSON)
        );
    }
}

#[test]
fn b4_a_mask_that_can_be_undone_stops_a_stream_that_must_be_masked() {
    let outcome = chain(5, "identity", "wgpublur backend=cpu mode=gaussian", |_| {
        Some(vec![PERSON])
    });
    let error = outcome.error.expect("refused");
    assert!(
        error.contains("gaussian") && error.contains("réversible"),
        "{error}"
    );
    assert_eq!(outcome.shots.len(), 0);
}

#[test]
fn b4_no_property_leaves_anyone_clear_who_must_be_masked() {
    for more in [
        "invert=true",
        "clear-track=1",
        "exclude-classes=person",
        "classes=dog",
        "cells=64",
    ] {
        let mask = format!("{MASK} {more}");
        let outcome = chain(5, "identity", &mask, |_| Some(vec![PERSON, CAR]));
        for shot in &outcome.shots {
            for object in [PERSON, CAR] {
                assert!(shot.detail(object) < 0.3, "{more}: {}", shot.detail(object));
            }
            assert_eq!(shot.stamp.clear, 0, "{more}");
            assert!(shot.stamp.cells <= 8, "{more}");
        }
        assert!(
            outcome.error.is_some() || outcome.shots.len() == 5,
            "{more}: refused with a word, or masked all the same"
        );
    }
}

/// The rules of publication with these lines more, for files alone.
fn publication_with(more: &str) -> impl Fn(String) -> String {
    let more = format!("sink_classes = [\"file\"]\n{more}");
    move |rules| {
        let changed = rules.replacen("sink_classes = [\"file\", \"public\"]", &more, 1);
        assert_ne!(changed, rules);
        changed
    }
}

#[test]
fn b4_where_the_rules_demand_one_colour_nothing_else_leaves() {
    let solid = publication_with("mask_method = \"solid\"");
    for more in ["", "mode=blur", "whole-frame=true"] {
        let mask = format!("{MASK} {more}");
        let outcome = run(&solid, 4, "identity", &mask, |_| Some(vec![PERSON, CAR]));
        assert_eq!(outcome.error, None, "{more}");
        assert_eq!(outcome.shots.len(), 4, "{more}");
        for shot in &outcome.shots {
            assert_eq!(shot.stamp.method, "solid", "{more}");
            assert_eq!(shot.detail(PERSON), 0.0, "{more}");
            assert_eq!(shot.detail(CAR), 0.0, "{more}");
        }
    }
}

#[test]
fn b3_one_person_stays_clear_where_the_rules_allow_it_and_nobody_else() {
    let mask = format!("{MASK} clear-track=1");
    let find = |_| Some(vec![PERSON, CAR]);
    let access = publication_with("one_clear = true\nsecond_person = true");
    let outcome = run(&access, 4, "identity", &mask, find);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.shots.len(), 4);
    for shot in &outcome.shots {
        assert_eq!(shot.stamp.clear, 1);
        assert!(shot.detail(PERSON) > 0.9 && shot.detail(CAR) < 0.2);
    }
    let outcome = run(|rules| rules, 4, "identity", &mask, find);
    for shot in &outcome.shots {
        assert_eq!(shot.stamp.clear, 0);
        assert!(shot.detail(PERSON) < 0.2 && shot.detail(CAR) < 0.2);
    }
}

#[test]
fn b5_a_detector_that_stops_looking_leaves_nothing_to_see_from_that_frame_on() {
    for (policy, whole) in [("frame", 10), ("drop", 0), ("error", 0)] {
        let mask = format!("{MASK} on-missing-scan={policy}");
        let outcome = chain(20, "identity", &mask, |n| (n < 10).then(|| vec![PERSON]));
        assert_eq!(outcome.error.is_some(), policy == "error");
        assert_eq!(outcome.shots.len(), 10 + whole, "{policy}");
        for (n, shot) in outcome.shots.iter().enumerate() {
            assert_eq!(shot.stamp.whole_frame, n >= 10, "{policy}: frame {n}");
            assert!(
                n < 10 || shot.detail(shot.everything()) < 0.1,
                "{policy}: frame {n}"
            );
        }
    }
}

#[test]
fn b6_a_mosaic_and_a_still_obey_the_rules_of_the_stream() {
    // A compositor makes a new frame, of which nobody has said anything: masked tiles or not, what is
    // masked before it proves nothing behind it, and what is masked behind it is masked whole.
    let mosaic = "compositor name=wall";
    let unproven = chain(6, mosaic, "identity", |_| Some(vec![PERSON]));
    assert_eq!(unproven.shots.len(), 0);
    let tiles = chain(6, &format!("{MASK} ! {mosaic}"), "identity", |_| {
        Some(vec![PERSON])
    });
    assert_eq!(tiles.shots.len(), 0);
    let masked = chain(6, mosaic, MASK, |_| Some(vec![PERSON]));
    assert!(
        !masked.shots.is_empty(),
        "{:?} {}",
        masked.error,
        masked.closing
    );
    for shot in &masked.shots {
        assert!(shot.stamp.whole_frame);
        assert!(shot.detail(shot.everything()) < 0.1);
    }
    // One small picture is no exemption (B8).
    let small = "videoscale ! video/x-raw,width=64,height=48";
    assert_eq!(
        chain(1, small, "identity", |_| Some(vec![PERSON]))
            .shots
            .len(),
        0
    );
    let still = chain(1, small, MASK, |_| Some(vec![PERSON]));
    assert_eq!(still.shots.len(), 1);
    assert!(still.shots[0].detail(("person", 12, 10, 8, 20)) < 0.4);
}

#[test]
fn b10_without_any_property_nothing_clear_leaves() {
    init();
    let outcome = chain(5, "identity", "wgpublur", |_| None);
    assert_eq!(outcome.shots.len(), 5);
    for shot in &outcome.shots {
        assert!(shot.stamp.whole_frame && shot.stamp.method == "pixelate");
        assert!(shot.detail(shot.everything()) < 0.1);
    }
    for gate in ["purposegate", "purposegate stage=exit"] {
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc num-buffers=5 ! {gate} name=gate ! fakesink"
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        let passed = Arc::new(Mutex::new(0));
        let count = passed.clone();
        let pad = pipeline.by_name("gate").unwrap().static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            *count.lock().unwrap() += 1;
            gst::PadProbeReturn::Ok
        });
        if pipeline.set_state(gst::State::Playing).is_ok() {
            pipeline
                .bus()
                .unwrap()
                .timed_pop_filtered(
                    gst::ClockTime::from_seconds(60),
                    &[gst::MessageType::Eos, gst::MessageType::Error],
                )
                .expect("it ends");
        }
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(*passed.lock().unwrap(), 0, "{gate}");
    }
}

/// The zones of a camera with two views.
const ZONES: &str = r#"
[[camera]]
name = "cam-12"
preset = "square"
[[camera.zone]]
name = "house"
polygon = [[0.5, 0.0], [1.0, 0.0], [1.0, 0.5], [0.5, 0.5]]
"#;

#[test]
fn j2_a_dwelling_is_masked_on_every_frame_and_an_unknown_view_is_masked_whole() {
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), ZONES).unwrap();
    let zones = format!("{MASK} zones={}", file.path().display());
    let house = ("", WIDTH / 2, 0, WIDTH / 2, HEIGHT / 2);
    // The camera's name comes with the purpose.
    let known = chain(5, "identity", &format!("{zones} preset=square"), |_| {
        Some(vec![])
    });
    assert_eq!(known.error, None);
    assert_eq!(known.shots.len(), 5);
    for shot in &known.shots {
        assert!(
            !shot.stamp.whole_frame && shot.stamp.zones == 1,
            "{:?}",
            shot.stamp
        );
        assert_eq!(shot.detail(house), 0.0, "one colour");
        assert!(shot.detail(("", 0, HEIGHT / 2, WIDTH, HEIGHT / 2)) > 0.9);
    }
    for (more, camera) in [
        ("preset=church", ""),
        ("", ""),
        ("preset=square", "camera=cam-13"),
    ] {
        let unknown = chain(5, "identity", &format!("{zones} {more} {camera}"), |_| {
            Some(vec![PERSON])
        });
        assert_eq!(unknown.error, None, "{more} {camera}");
        assert_eq!(unknown.shots.len(), 5, "{more} {camera}");
        for shot in &unknown.shots {
            assert!(shot.stamp.whole_frame, "{more} {camera}: {:?}", shot.stamp);
            assert!(shot.detail(shot.everything()) < 0.1);
        }
    }
}

/// The same with the detector of this project on footage, as far as it is there.
#[test]
fn b3_borders_behind_the_detector_mask_the_frame_whole_on_footage() {
    const TEST: &str = "b3_borders_behind_the_detector_mask_the_frame_whole_on_footage";
    init();
    let (Some(clip), Some(model), Some(runtime)) = (
        asset(TEST, "vtest.avi"),
        asset(TEST, "nanodet.onnx"),
        asset(TEST, "libonnxruntime.so"),
    ) else {
        return;
    };
    for (shape, all_whole) in [
        ("width=640,height=640,pixel-aspect-ratio=1/1", true),
        ("width=384,height=288", false),
    ] {
        let site = Site::new();
        let pipeline = gst::parse::launch(&format!(
            "filesrc location={} ! avidemux ! decodebin ! identity eos-after=21 ! videoconvert ! video/x-raw,format=NV12 ! \
             purposegate purpose=comm.public_publication mandate={} trusted-keys={} camera=cam-12 operator=a-0417 sink-class=file ! \
             onnxdetector model-file={} runtime-library={} ! videoscale add-borders=true ! video/x-raw,{shape} ! \
             wgpublur backend=cpu ! purposegate stage=exit ! auditsink register={} location={}",
            clip.display(),
            site.text("mandates/publication.biscuit"),
            site.text("keys/authority.pub"),
            model.display(),
            runtime.display(),
            site.text("register"),
            site.text("out.raw"),
        ))
        .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let ended = pipeline.bus().unwrap().timed_pop_filtered(
            gst::ClockTime::from_seconds(240),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        assert_eq!(ended.map(|m| m.type_()), Some(gst::MessageType::Eos));
        pipeline.set_state(gst::State::Null).unwrap();
        let masked = &site.entries().pop().unwrap()["anonymisation"];
        assert_eq!(masked["frames_total"], 20, "{masked}");
        assert_eq!(masked["mask_failures"], 0, "{masked}");
        let whole = masked["frames_whole_masked"].as_u64().unwrap();
        assert!(
            if all_whole { whole == 20 } else { whole < 20 },
            "{shape}: {masked}"
        );
    }
}
