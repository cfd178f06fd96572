// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is masked, what stays clear, and with what: classes, zones, chosen tracks, shapes and pictures.

use std::path::PathBuf;

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use privacy_common::{Detection, DetectorUse, Mask, MaskMethod, Purpose, ScanStamp, attach};

use crate::support::{Bench, bytes, init, purpose, scan, stamp};

/// The text of the first error on the bus.
pub fn error(bench: &Bench) -> String {
    let message = bench
        .bus
        .pop_filtered(&[gst::MessageType::Error])
        .expect("an error was posted");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!("nothing else passes the filter")
    };
    error.error().to_string()
}

/// Solid grey, without padding or hold: what is masked is exactly what is grey.
const GREY: &str = "mode=solid fill-color=0xff808080 padding=0 hold=0";

/// Whether a pixel of an RGBA frame is masked by [`GREY`]; the pattern of a frame has no grey.
fn is_grey(pixels: &[u8], info: &VideoInfo, x: u32, y: u32) -> bool {
    let at = y as usize * info.stride()[0] as usize + 4 * x as usize;
    pixels[at..at + 3] == [128; 3]
}

struct Street {
    bench: Bench,
    number: u64,
}

impl Street {
    fn new(settings: &str) -> Self {
        Self {
            bench: Bench::new(VideoFormat::Rgba, 64, 48, &format!("{GREY} {settings}")),
            number: 0,
        }
    }

    fn declare(&mut self, purpose: &Purpose) {
        assert!(self.bench.harness.push_event(purpose.to_event()));
    }

    fn frame(&mut self, detections: &[Detection]) -> gst::Buffer {
        let mut frame = self.bench.frame(self.number);
        self.number += 1;
        let b = frame.make_mut();
        for detection in detections {
            attach(b, detection);
        }
        ScanStamp {
            classes: ["person", "car", "dog", "license-plate", "screen"]
                .map(str::to_owned)
                .to_vec(),
            ..scan(b, detections.len() as u32)
        }
        .write(b);
        frame
    }

    /// Runs a frame with these detections; returns its stamp and whether a pixel is masked.
    fn run(
        &mut self,
        detections: &[Detection],
    ) -> (privacy_common::MaskStamp, impl Fn(u32, u32) -> bool + use<>) {
        let frame = self.frame(detections);
        let out = self.bench.run(frame);
        let (pixels, info) = (bytes(&out), self.bench.info.clone());
        let stamp = stamp(&out);
        let masked = move |x, y| is_grey(&pixels, &info, x, y);
        let all = (0..info_size().1).flat_map(|y| (0..info_size().0).map(move |x| (x, y)));
        let count = all.filter(|&(x, y)| masked(x, y)).count() as f64;
        let share = stamp.share * f64::from(info_size().0 * info_size().1);
        assert!(
            (count - share).abs() < 0.5,
            "{count} pixels are masked and {share} are said to be: {stamp:?}"
        );
        (stamp, masked)
    }
}

fn info_size() -> (u32, u32) {
    (64, 48)
}

fn detection(class: &str, (x, y, width, height): (u32, u32, u32, u32), track: u32) -> Detection {
    Detection {
        class: class.into(),
        x,
        y,
        width,
        height,
        track: (track > 0).then_some(track),
        score: None,
    }
}

struct ZonesFile {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl ZonesFile {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zones.toml");
        std::fs::write(&path, text).unwrap();
        Self { _dir: dir, path }
    }

    fn setting(&self) -> String {
        format!("zones={}", self.path.display())
    }
}

const ZONES: &str = r#"
[[camera]]
name = "cam"
[[camera.zone]]
name = "windows"
polygon = [[0, 0], [0.25, 0], [0.25, 0.5], [0, 0.5]]
[[camera.zone]]
name = "door"
polygon = [[0.75, 0.75], [1, 0.75], [1, 1]]
[[camera]]
name = "dome"
preset = "square"
[[camera.zone]]
name = "windows"
polygon = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
[[camera]]
name = "dome"
preset = "park"
no-zone = true
"#;

/// Whether the zones of camera `cam` are masked, and a pixel beside them is.
fn zones_and_rest(masked: impl Fn(u32, u32) -> bool) -> (bool, bool) {
    let windows = (0..24).all(|y| (0..16).all(|x| masked(x, y)));
    let door = masked(63, 40) && masked(50, 36) && masked(63, 46);
    (windows && door, masked(30, 20))
}

#[test]
fn zones_are_masked_on_every_frame() {
    let file = ZonesFile::new(ZONES);
    for settings in [
        "",
        "invert=true",
        "clear-track=1",
        "whole-frame=true",
        "classes=dog",
        "shape=ellipse",
        "on-missing-scan=drop",
    ] {
        let mut street = Street::new(&format!("{} camera=cam {settings}", file.setting()));
        for detections in [
            vec![],
            vec![detection("dog", (40, 2, 4, 4), 0)],
            // The chosen one, in front of the windows.
            vec![detection("person", (4, 4, 20, 20), 1)],
        ] {
            let (stamp, masked) = street.run(&detections);
            assert_eq!(stamp.zones, 2, "{settings}");
            assert!(zones_and_rest(masked).0, "{settings} {detections:?}");
        }
        // Nobody looked: the whole frame, and the zones as well.
        street
            .bench
            .element
            .set_property_from_str("on-missing-scan", "frame");
        let frame = street.bench.frame(9);
        let out = street.bench.run(frame);
        assert!(stamp(&out).whole_frame && stamp(&out).zones == 2);
    }
}

#[test]
fn zones_are_one_colour_whatever_the_mode_and_under_a_whole_frame() {
    let file = ZonesFile::new(ZONES);
    for mode in ["pixelate", "blur", "gaussian", "solid"] {
        let settings = format!("{} camera=cam mode={mode} whole-frame=true", file.setting());
        let mut street = Street::new(&settings);
        let frame = street.frame(&[]);
        let out = street.bench.run(frame);
        let pixels = bytes(&out);
        let masked = |x, y| is_grey(&pixels, &street.bench.info, x, y);
        assert!(zones_and_rest(masked).0, "{mode}");
    }
}

#[test]
fn zones_follow_the_size_of_the_frames() {
    let file = ZonesFile::new(ZONES);
    let mut street = Street::new(&format!("{} camera=cam", file.setting()));
    let (_, masked) = street.run(&[]);
    assert_eq!(zones_and_rest(masked), (true, false));
    for (width, height) in [(128, 96), (16, 200), (1, 1), (64, 48)] {
        let info = VideoInfo::builder(VideoFormat::Rgba, width, height)
            .fps(gst::Fraction::new(25, 1))
            .build()
            .unwrap();
        street.bench.set_info(info.clone());
        let frame = street.frame(&[]);
        let out = street.bench.run(frame);
        assert_eq!(stamp(&out).zones, 2);
        let pixels = bytes(&out);
        for y in 0..height {
            for x in 0..width {
                let inside = 4 * x + 4 <= width && 2 * y + 2 <= height;
                assert!(
                    !inside || is_grey(&pixels, &info, x, y),
                    "{width}x{height} at {x},{y}"
                );
            }
        }
    }
}

#[test]
fn an_unknown_view_is_masked_as_a_whole() {
    let file = ZonesFile::new(ZONES);
    for settings in [
        "",
        "camera=other",
        "camera=dome",
        "camera=cam preset=square",
    ] {
        let mut street = Street::new(&format!("{} {settings}", file.setting()));
        let (stamp, _) = street.run(&[]);
        assert!(stamp.whole_frame, "{settings}");
        assert_eq!((&*stamp.reason, stamp.zones), ("unknown-view", 0));
    }
    // The purpose names the camera, and a purpose for another one unnames it.
    let mut street = Street::new(&file.setting());
    street.declare(&purpose(Mask::None, DetectorUse::Mask));
    let (stamp, masked) = street.run(&[]);
    assert!(!stamp.whole_frame && stamp.zones == 2);
    assert_eq!(zones_and_rest(masked), (true, false));
    street.declare(&Purpose {
        camera: "cam-99".into(),
        ..purpose(Mask::None, DetectorUse::Mask)
    });
    assert_eq!(street.run(&[]).0.reason, "unknown-view");
}

#[test]
fn a_camera_that_turns_has_zones_by_position() {
    let file = ZonesFile::new(ZONES);
    let mut street = Street::new(&format!("{} camera=dome preset=square", file.setting()));
    let (stamp, masked) = street.run(&[]);
    assert!(!stamp.whole_frame && masked(32, 0) && masked(63, 47) && !masked(31, 20));
    // It turns while the stream runs, first to nowhere known.
    for (preset, reason, zones) in [
        ("", "unknown-view", 0),
        ("roof", "unknown-view", 0),
        ("park", "", 0),
        ("square", "", 1),
    ] {
        street.bench.element.set_property("preset", preset);
        let (stamp, _) = street.run(&[]);
        assert_eq!((&*stamp.reason, stamp.zones), (reason, zones), "{preset}");
    }
}

#[test]
fn a_chosen_track_stays_clear_and_nothing_else_does() {
    let mut street = Street::new("clear-track=7");
    let (a, b) = ((4, 4, 10, 20), (12, 8, 12, 20));
    let (first, second) = (detection("person", a, 7), detection("person", b, 9));
    let (stamp, masked) = street.run(&[first, second]);
    assert_eq!((stamp.clear, stamp.regions), (1, 1));
    assert!(!masked(5, 5) && !masked(11, 22), "the chosen one is clear");
    assert!(
        masked(12, 8) && masked(23, 27),
        "the other one is not, and lies over it"
    );
    assert!(!masked(40, 40));
    // The tracks swap: whoever has the number is clear, and nobody else.
    let (stamp, masked) = street.run(&[detection("person", a, 9), detection("person", b, 7)]);
    assert_eq!((stamp.clear, stamp.regions), (1, 1));
    assert!(masked(4, 4) && masked(13, 23) && !masked(14, 8) && !masked(23, 27));
    // Two have the number: nobody is chosen.
    let (stamp, masked) = street.run(&[detection("person", a, 7), detection("person", b, 7)]);
    assert_eq!((stamp.clear, stamp.regions), (0, 2));
    assert!(masked(4, 4) && masked(23, 27));
    // The chosen one is not there.
    let (stamp, masked) = street.run(&[detection("person", b, 9)]);
    assert_eq!((stamp.clear, stamp.regions), (0, 1));
    assert!(masked(23, 27));
}

#[test]
fn a_chosen_track_that_is_only_held_or_predicted_is_masked() {
    let mut street = Street::new("clear-track=7 hold=500000000");
    let chosen = detection("person", (4, 4, 10, 20), 7);
    let (stamp, masked) = street.run(std::slice::from_ref(&chosen));
    assert!(stamp.clear == 1 && !masked(8, 8));
    let (stamp, masked) = street.run(&[]);
    assert!(
        stamp.clear == 0 && stamp.regions == 1 && masked(8, 8),
        "held, and so masked"
    );
    let mut frame = street.frame(&[chosen]);
    let b = frame.make_mut();
    ScanStamp {
        predicted: true,
        ..ScanStamp::read(b).unwrap()
    }
    .write(b);
    let out = street.bench.run(frame);
    assert_eq!((stamp_of(&out).clear, stamp_of(&out).regions), (0, 1));
}

fn stamp_of(buffer: &gst::Buffer) -> privacy_common::MaskStamp {
    stamp(buffer)
}

#[test]
fn everything_but_the_chosen_classes_is_masked() {
    let car = detection("car", (10, 10, 30, 20), 0);
    let person = detection("person", (20, 5, 5, 30), 0);
    let mut street = Street::new("invert=true classes=car");
    let (stamp, masked) = street.run(&[car.clone(), person.clone()]);
    assert_eq!((stamp.clear, stamp.whole_frame), (1, false));
    assert!(masked(0, 0) && masked(63, 47) && masked(9, 15) && masked(40, 15));
    assert!(!masked(10, 10) && !masked(39, 29));
    assert!(
        masked(20, 10) && masked(24, 29),
        "somebody in front of the car"
    );
    assert!((stamp.share - (1.0 - (30.0 - 5.0) * 20.0 / (64.0 * 48.0))).abs() < 1e-9);
    // Nothing detected: nothing clear.
    let (stamp, masked) = street.run(&[]);
    assert!(stamp.share == 1.0 && stamp.clear == 0 && masked(20, 20));
    // Without classes every detection stays clear.
    let mut street = Street::new("invert=true");
    let (stamp, masked) = street.run(&[car, person]);
    assert!(stamp.clear == 2 && !masked(20, 10) && !masked(22, 6) && masked(50, 40));
}

#[test]
fn who_stands_before_a_clear_box_stays_masked_when_the_detector_misses_them() {
    let mut street = Street::new("invert=true classes=car hold=500000000");
    let car = detection("car", (10, 10, 30, 20), 0);
    let person = detection("person", (20, 5, 5, 30), 0);
    let (_, masked) = street.run(&[car.clone(), person]);
    assert!(masked(22, 20));
    let (stamp, masked) = street.run(&[car]);
    assert!(masked(22, 20) && !masked(11, 11) && stamp.clear == 1);
}

#[test]
fn a_purpose_wins_over_whatever_is_to_stay_clear() {
    let person = detection("person", (4, 4, 10, 20), 7);
    let other = detection("person", (30, 4, 10, 20), 8);
    let car = detection("car", (44, 30, 10, 10), 0);
    let street = [person, other, car];
    for (settings, one_clear, clear, regions) in [
        ("clear-track=7", false, 0, 3),
        ("clear-track=7", true, 1, 2),
        ("clear-track=7 classes=car", false, 0, 3),
        ("clear-track=7 classes=car", true, 1, 2),
        // The surroundings are a region too.
        ("invert=true classes=person", false, 0, 4),
        ("invert=true classes=person", true, 0, 4),
        ("invert=true clear-track=7", true, 1, 3),
        // The car stays clear, which this purpose does not forbid.
        ("invert=true", false, 0, 3),
    ] {
        let mut bench = Street::new(settings);
        bench.declare(&Purpose {
            one_clear,
            ..purpose(Mask::Persons, DetectorUse::Mask)
        });
        let (stamp, masked) = bench.run(&street);
        assert_eq!(
            (stamp.clear, stamp.regions),
            (clear, regions),
            "{settings} {one_clear}"
        );
        assert_eq!(masked(8, 12), clear == 0, "{settings} {one_clear}");
        assert!(
            masked(35, 12),
            "{settings}: the other person never stays clear"
        );
    }
    // An unreadable purpose leaves nothing clear at all.
    let mut bench = Street::new("clear-track=7");
    let mut s = gst::Structure::from(&purpose(Mask::None, DetectorUse::Mask));
    s.set("version", 99u32);
    bench
        .bench
        .harness
        .push_event(gst::event::CustomDownstreamSticky::new(s));
    let (stamp, _) = bench.run(&street);
    assert!(stamp.whole_frame && stamp.clear == 0);
}

#[test]
fn excluded_classes_are_left_and_required_ones_cannot_be_excluded() {
    let street = [
        detection("person", (4, 4, 10, 20), 0),
        detection("car", (30, 4, 10, 20), 0),
        detection("dog", (44, 30, 10, 10), 0),
    ];
    let mut bench = Street::new("exclude-classes=car,person");
    let (stamp, masked) = bench.run(&street);
    assert!(!masked(8, 8) && !masked(35, 8) && masked(48, 35));
    assert_eq!(
        stamp.classes,
        ["dog", "license-plate", "screen"],
        "it claims no more"
    );
    bench.declare(&purpose(Mask::Persons, DetectorUse::Mask));
    let (stamp, masked) = bench.run(&street);
    assert!(masked(8, 8) && !masked(35, 8) && masked(48, 35));
    assert!(stamp.covers("person") && !stamp.covers("car"));
}

#[test]
fn plates_are_one_colour_whatever_the_mode() {
    let street = [
        detection("license-plate", (20, 20, 12, 6), 0),
        // The car around it, drawn as its mode says and never over the plate.
        detection("car", (10, 5, 40, 30), 0),
        detection("screen", (50, 40, 8, 6), 0),
    ];
    for mode in ["pixelate", "blur", "gaussian"] {
        let mut bench = Street::new(&format!("mode={mode} solid-classes=license-plate,screen"));
        let frame = bench.frame(&street);
        let out = bench.bench.run(frame);
        let pixels = bytes(&out);
        let masked = |x, y| is_grey(&pixels, &bench.bench.info, x, y);
        for (x, y) in [(20, 20), (31, 25), (25, 23), (50, 40), (57, 45)] {
            assert!(masked(x, y), "{mode} at {x},{y}");
        }
        assert!(!masked(12, 8));
    }
    // Without the property, plates are mosaiced, but not where a purpose demands a mask.
    for (demanded, solid) in [(false, false), (true, true)] {
        let mut bench = Street::new("mode=pixelate solid-classes=screen");
        if demanded {
            bench.declare(&purpose(Mask::Persons, DetectorUse::Mask));
        }
        let frame = bench.frame(&street[..1]);
        let out = bench.bench.run(frame);
        let pixels = bytes(&out);
        let all = (20..32).all(|x| is_grey(&pixels, &bench.bench.info, x, 22));
        assert_eq!(all, solid);
    }
}

#[test]
fn a_plate_cut_at_both_ends_is_covered_by_the_default_padding() {
    // 24 of 34 pixels are found.
    let mut bench = Street::new("padding=0.1");
    let (stamp, masked) = bench.run(&[detection("license-plate", (15, 20, 24, 6), 0)]);
    assert_eq!(stamp.regions, 1);
    for x in 10..44 {
        for y in 19..27 {
            assert!(masked(x, y), "{x},{y}");
        }
    }
}

#[test]
fn padding_in_pixels_is_added() {
    let mut bench = Street::new("padding-pixels=3");
    let (stamp, masked) = bench.run(&[detection("person", (20, 20, 10, 10), 0)]);
    assert!((stamp.share - 256.0 / 3072.0).abs() < 1e-9);
    assert!(masked(17, 17) && masked(32, 32) && !masked(16, 20) && !masked(33, 20));
}

#[test]
fn an_ellipse_covers_the_box() {
    for rect in [
        (20, 10, 13, 21),
        (0, 0, 9, 40),
        (55, 40, 9, 8),
        (30, 30, 1, 1),
    ] {
        let mut bench = Street::new("shape=ellipse padding-pixels=1");
        let (stamp, masked) = bench.run(&[detection("person", rect, 0)]);
        assert_eq!(stamp.regions, 1);
        let (x0, y0, w, h) = rect;
        for y in y0.saturating_sub(1)..(y0 + h + 1).min(48) {
            for x in x0.saturating_sub(1)..(x0 + w + 1).min(64) {
                assert!(masked(x, y), "{rect:?} at {x},{y}");
            }
        }
    }
}

/// A PNG picture, red on the left and blue on the right.
fn flag(dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("flag.png");
    let picture = image::RgbImage::from_fn(64, 64, |x, _| {
        image::Rgb(if x < 32 { [255, 0, 0] } else { [0, 0, 255] })
    });
    picture.save(&path).unwrap();
    path
}

#[test]
fn a_picture_replaces_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let settings = format!("mode=image image-location={}", flag(&dir).display());
    let rect = (8, 8, 40, 32);
    let mut inside = Vec::new();
    for shift in [0, 1, 2] {
        let mut bench = Street::new(&settings);
        bench.number = shift;
        let frame = bench.frame(&[detection("person", rect, 0)]);
        let out = bench.bench.run(frame);
        let s = stamp(&out);
        assert_eq!((&*s.method, s.cells, s.regions), ("image", 0, 1));
        let pixels = bytes(&out);
        let at = |x: usize, y: usize| &pixels[(y * 64 + x) * 4..][..3];
        assert_eq!(at(9, 20), [255, 0, 0]);
        assert_eq!(at(46, 20), [0, 0, 255]);
        let rows = (8..40).flat_map(|y| pixels[(y * 64 + 8) * 4..(y * 64 + 48) * 4].to_vec());
        inside.push(rows.collect::<Vec<u8>>());
    }
    assert!(
        inside[0] == inside[1] && inside[1] == inside[2],
        "no pixel of the frames is left"
    );
}

#[test]
fn a_mode_that_can_be_undone_stops_a_stream_that_demands_a_mask() {
    let person = [detection("person", (4, 4, 10, 20), 0)];
    let mut street = Street::new("mode=gaussian");
    let frame = street.frame(&person);
    assert_eq!(stamp(&street.bench.run(frame)).method, "gaussian");
    street.declare(&purpose(Mask::Persons, DetectorUse::Mask));
    let frame = street.frame(&person);
    assert!(street.bench.harness.push(frame).is_err());
    assert_eq!(street.bench.harness.buffers_in_queue(), 0);
    let error = error(&street.bench);
    for word in ["gaussian", "mode", "pixelate", "réversible"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_purpose_may_demand_one_colour() {
    let person = [detection("person", (4, 4, 10, 20), 0)];
    for mode in ["pixelate", "blur", "solid"] {
        let mut street = Street::new(&format!("mode={mode}"));
        street.declare(&Purpose {
            mask_method: MaskMethod::Solid,
            ..purpose(Mask::Persons, DetectorUse::Mask)
        });
        let (stamp, masked) = street.run(&person);
        assert_eq!((&*stamp.method, stamp.cells), ("solid", 0));
        assert!(masked(4, 4) && masked(13, 23));
    }
}

#[test]
fn mode_image_without_a_picture_stops_the_stream() {
    let mut street = Street::new("");
    let _ = street.run(&[]);
    street.bench.element.set_property_from_str("mode", "image");
    let frame = street.frame(&[]);
    assert!(street.bench.harness.push(frame).is_err());
    assert_eq!(street.bench.harness.buffers_in_queue(), 0);
    assert!(error(&street.bench).contains("image-location"));
}

/// The error with which an element of these settings refuses to start.
fn refusal(settings: &[(&str, &str)]) -> String {
    init();
    let element = gst::ElementFactory::make("wgpublur")
        .property_from_str("backend", "cpu")
        .build()
        .unwrap();
    for (name, value) in settings {
        element.set_property_from_str(name, value);
    }
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(
        element.set_state(gst::State::Paused).is_err(),
        "{settings:?}"
    );
    let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    element.set_state(gst::State::Null).unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!("nothing else passes the filter")
    };
    error.error().to_string()
}

#[test]
fn settings_that_cannot_be_meant_are_refused_with_name_value_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let crossing = write(
        "crossing.toml",
        "[[camera]]\nname = \"c\"\n[[camera.zone]]\nname = \"z\"\npolygon = [[0,0],[1,1],[1,0],[0,1]]\n",
    );
    let empty = write("empty.toml", "");
    // A message is a C string and must not end there.
    let nul = write("nul.toml", "\"a\\u0000b\" = 3\n");
    let no_png = write("logo.png", "GIF89a");
    let missing = dir.path().join("nowhere").to_str().unwrap().to_owned();
    for (settings, words) in [
        (
            vec![("classes", "person,,car")],
            vec!["classes", "person,,car", "virgule"],
        ),
        (
            vec![("exclude-classes", ",")],
            vec!["exclude-classes", "virgule"],
        ),
        (
            vec![("solid-classes", "a,")],
            vec!["solid-classes", "a,", "virgule"],
        ),
        (
            vec![("classes", "car"), ("exclude-classes", "car")],
            vec!["car", "exclude-classes", "retirez"],
        ),
        (vec![("zones", &nul)], vec!["zones", "unknown field"]),
        (
            vec![("mode", "image")],
            vec!["mode", "image-location", "PNG", "fichier"],
        ),
        (
            vec![("mode", "image"), ("image-location", &missing)],
            vec!["image-location", "nowhere", "indiquez"],
        ),
        (
            vec![("image-location", &no_png)],
            vec!["image-location", "logo.png", "convertissez"],
        ),
        (
            vec![("camera", "cam-12")],
            vec!["camera", "cam-12", "zones", "videz"],
        ),
        (
            vec![("preset", "square")],
            vec!["preset", "square", "zones", "videz"],
        ),
        (
            vec![("zones", &missing)],
            vec!["zones", "nowhere", "indiquez"],
        ),
        (
            vec![("zones", &empty)],
            vec!["zones", "line 1, column 1", "ligne 1", "ajouter"],
        ),
        (
            vec![("zones", &crossing)],
            vec![
                "line 5, column 11",
                "\"z\"",
                "ligne 5, colonne 11",
                "recoupe",
            ],
        ),
    ] {
        let error = refusal(&settings);
        for word in words {
            assert!(
                error.contains(word),
                "{settings:?}: {word} is not in {error}"
            );
        }
    }
}
