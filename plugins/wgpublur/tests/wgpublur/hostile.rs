// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames, stamps and events that are wrong, late or contradictory: nothing clear may leave.

use std::collections::HashSet;

use gst::prelude::*;
use gst_video::{
    VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta, VideoRegionOfInterestMeta, prelude::*,
};
use privacy_common::{DetectorUse, Mask, ScanStamp};

use crate::support::{Bench, bytes, init, purpose, scan, stamp};

/// Whether the element refuses a frame, with an error and without letting it out.
fn is_refused(bench: &mut Bench, frame: gst::Buffer) -> bool {
    let refused = bench.harness.push(frame) == Err(gst::FlowError::Error);
    refused && bench.harness.try_pull().is_none()
}

#[test]
fn a_frame_whose_rows_run_past_its_memory_does_not_leave_and_nothing_breaks() {
    for found in [0, 1] {
        for size in [32 * 32 * 4 - 4, 32 * 16, 1, 0] {
            let mut bench = Bench::new(VideoFormat::Bgrx, 32, 32, "");
            let mut frame = gst::Buffer::with_size(32 * 32 * 4).unwrap();
            {
                let b = frame.make_mut();
                b.set_pts(gst::ClockTime::ZERO);
                VideoMeta::add(b, VideoFrameFlags::empty(), VideoFormat::Bgrx, 32, 32).unwrap();
                for _ in 0..found {
                    VideoRegionOfInterestMeta::add(b, "person", (20, 20, 10, 10));
                }
                scan(b, found).write(b);
                // The meta still says 32 rows.
                b.set_size(size);
            }
            assert!(is_refused(&mut bench, frame), "{found} found, {size} bytes");
        }
    }
}

#[test]
fn a_plane_in_two_memories_is_masked_as_one() {
    let mut bench = Bench::new(VideoFormat::Bgrx, 32, 32, "mode=solid");
    let mut frame = gst::Buffer::new();
    {
        let b = frame.make_mut();
        for _ in 0..2 {
            b.append_memory(gst::Memory::from_slice(vec![77u8; 32 * 16 * 4]));
        }
        b.set_pts(gst::ClockTime::ZERO);
        VideoMeta::add(b, VideoFrameFlags::empty(), VideoFormat::Bgrx, 32, 32).unwrap();
    }
    let out = bench.run(frame);
    assert!(stamp(&out).whole_frame);
    let pixels = bytes(&out);
    assert!(
        pixels
            .as_chunks::<4>()
            .0
            .iter()
            .all(|p| *p == [0, 0, 0, 255])
    );
}

#[test]
fn a_frame_larger_than_its_caps_does_not_leave_even_with_nobody_on_it() {
    let mut bench = Bench::new(VideoFormat::Bgrx, 16, 16, "");
    let mut frame = gst::Buffer::with_size(32 * 32 * 4).unwrap();
    {
        let b = frame.make_mut();
        VideoMeta::add(b, VideoFrameFlags::empty(), VideoFormat::Bgrx, 32, 32).unwrap();
        scan(b, 0).write(b);
    }
    assert!(is_refused(&mut bench, frame), "nobody looked beyond 16x16");
}

#[test]
fn a_second_picture_in_the_buffer_does_not_leave_clear() {
    for whole in ["", "whole-frame=true"] {
        let mut bench = Bench::new(VideoFormat::Bgrx, 16, 16, whole);
        let mut frame = gst::Buffer::with_size(2 * 16 * 16 * 4).unwrap();
        {
            let b = frame.make_mut();
            b.set_pts(gst::ClockTime::ZERO);
            for at in [0, 16 * 16 * 4] {
                let (format, none) = (VideoFormat::Bgrx, VideoFrameFlags::empty());
                VideoMeta::add_full(b, none, format, 16, 16, &[at], &[64]).unwrap();
            }
            scan(b, 0).write(b);
        }
        assert!(
            is_refused(&mut bench, frame),
            "fields or views in one buffer"
        );
    }
}

#[test]
fn fields_and_views_apart_are_refused_by_their_caps() {
    init();
    for field in ["interlace-mode=fields", "multiview-mode=separated,views=2"] {
        let mut h = gst_check::Harness::new_parse("wgpublur backend=cpu whole-frame=true");
        h.set_src_caps_str(&format!(
            "video/x-raw,format=NV12,width=64,height=48,framerate=25/1,{field}"
        ));
        let frame = gst::Buffer::with_size(2 * 64 * 48 * 3 / 2).unwrap();
        assert_eq!(h.push(frame), Err(gst::FlowError::NotNegotiated), "{field}");
    }
}

#[test]
fn a_foreign_region_does_not_hide_that_a_detection_was_lost() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let mut frame = bench.scanned(0, &[]);
    let b = frame.make_mut();
    // One person was reported; what is on the frame is a region that an encoder is to favour.
    VideoRegionOfInterestMeta::add(b, "roi/x264enc", (0, 0, 4, 4));
    scan(b, 1).write(b);
    assert_eq!(stamp(&bench.run(frame)).reason, "detections-lost");
}

#[test]
fn a_reported_detection_without_a_place_masks_the_whole_frame() {
    for rect in [(64, 0, 10, 10), (5, 5, 0, 10), (0, 48, 10, 10)] {
        let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
        let frame = bench.scanned(0, &[rect]);
        assert_eq!(
            stamp(&bench.run(frame)).reason,
            "detections-lost",
            "{rect:?}"
        );
    }
}

#[test]
fn a_scan_for_no_class_at_all_proves_nothing() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let mut frame = bench.scanned(0, &[]);
    let b = frame.make_mut();
    ScanStamp {
        classes: vec![],
        ..scan(b, 0)
    }
    .write(b);
    assert_eq!(stamp(&bench.run(frame)).reason, "class-not-scanned");
}

#[test]
fn a_purpose_that_demands_a_mask_of_nothing_is_not_understood() {
    for mask in [Mask::Persons, Mask::PersonsVehicles] {
        let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "classes=car");
        let mut event = purpose(mask, DetectorUse::Mask);
        event.mask_classes.clear();
        assert!(bench.harness.push_event(event.to_event()));
        let frame = bench.scanned(0, &[(4, 4, 8, 8)]);
        assert_eq!(stamp(&bench.run(frame)).reason, "unreadable-purpose");
    }
}

fn info_of(width: u32, height: u32, rate: i32) -> VideoInfo {
    VideoInfo::builder(VideoFormat::Nv12, width, height)
        .fps(gst::Fraction::new(rate, 1))
        .build()
        .unwrap()
}

#[test]
fn a_hold_outlives_new_caps_of_the_same_size() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let frame = bench.scanned(0, &[(20, 20, 10, 10)]);
    bench.run(frame);
    bench.set_info(info_of(64, 48, 30));
    let frame = bench.scanned(1, &[]);
    let stamp = stamp(&bench.run(frame));
    assert_eq!((stamp.regions, stamp.whole_frame), (1, false));
}

#[test]
fn a_hold_over_a_change_of_size_masks_the_whole_frame_until_it_is_over() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "hold=120000000");
    let frame = bench.scanned(0, &[(20, 20, 10, 10)]);
    bench.run(frame);
    bench.set_info(info_of(128, 96, 25));
    let reasons: Vec<String> = (1..5)
        .map(|number| {
            let frame = bench.scanned(number, &[]);
            stamp(&bench.run(frame)).reason
        })
        .collect();
    let changed = "size-changed";
    assert_eq!(reasons, [changed, changed, changed, ""]);

    // Nobody was held: nothing is in doubt.
    bench.set_info(info_of(64, 48, 25));
    let frame = bench.scanned(5, &[]);
    assert!(!stamp(&bench.run(frame)).whole_frame);
}

#[test]
fn timestamps_at_the_end_of_time_or_missing_break_nothing() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let times = [
        Some(gst::ClockTime::MAX),
        None,
        None,
        Some(gst::ClockTime::ZERO),
        None,
        Some(gst::ClockTime::from_seconds(5)),
        Some(gst::ClockTime::from_seconds(4)),
    ];
    for pts in times {
        let mut frame = bench.scanned(0, &[(20, 20, 10, 10)]);
        {
            let b = frame.make_mut();
            b.set_pts(pts);
            scan(b, 1).write(b);
        }
        let out = bench.run(frame);
        assert_eq!(out.pts(), pts);
        let stamp = stamp(&out);
        assert!(stamp.regions >= 1 && !stamp.whole_frame && stamp.pts == pts);
    }
}

#[test]
fn pictures_in_tags_do_not_pass() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let picture = gst::Sample::builder()
        .buffer(&gst::Buffer::from_slice([7u8; 16]))
        .build();
    let mut tags = gst::TagList::new();
    {
        let tags = tags.make_mut();
        tags.add::<gst::tags::Title>(&"a", gst::TagMergeMode::Append);
        tags.add::<gst::tags::PreviewImage>(&picture, gst::TagMergeMode::Append);
        tags.add::<gst::tags::Image>(&picture, gst::TagMergeMode::Append);
    }
    assert!(bench.harness.push_event(gst::event::Tag::new(tags)));
    let frame = bench.scanned(0, &[]);
    bench.run(frame);
    let mut seen = 0;
    while let Some(event) = bench.harness.try_pull_event() {
        if let gst::EventView::Tag(tag) = event.view() {
            seen += 1;
            assert!(tag.tag().get::<gst::tags::Title>().is_some());
            assert!(tag.tag().get::<gst::tags::PreviewImage>().is_none());
            assert!(tag.tag().get::<gst::tags::Image>().is_none());
        }
    }
    assert_eq!(seen, 1);
}

#[test]
fn numbers_that_are_none_are_refused_by_the_properties() {
    init();
    let element = gst::ElementFactory::make("wgpublur").build().unwrap();
    for strange in [f64::NAN, f64::INFINITY, -1.0] {
        let set = std::panic::AssertUnwindSafe(|| element.set_property("padding", strange));
        assert!(std::panic::catch_unwind(set).is_err(), "{strange}");
        assert_eq!(element.property::<f64>("padding"), 0.15);
    }
}

#[test]
fn lines_of_one_pixel_and_the_longest_frames_are_masked() {
    for (width, height) in [(1, 1), (1, 97), (97, 1), (2, 3), (32_767, 1), (1, 32_767)] {
        for mode in ["pixelate", "blur", "solid"] {
            let settings = format!("mode={mode} cells=64");
            let mut bench = Bench::new(VideoFormat::I420, width, height, &settings);
            let frame = bench.frame(0);
            assert!(stamp(&bench.run(frame)).whole_frame);
            let frame = bench.scanned(1, &[(width - 1, height - 1, 1, 1)]);
            assert_eq!(stamp(&bench.run(frame)).regions, 1);
        }
    }
}

#[test]
fn properties_may_change_between_any_two_frames() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    bench
        .harness
        .push_event(purpose(Mask::Persons, DetectorUse::Mask).to_event());
    for (number, (name, value)) in [
        ("mode", "solid"),
        ("cells", "64"),
        ("mode", "blur"),
        ("whole-frame", "true"),
        ("whole-frame", "false"),
        ("fill-color", "0"),
        ("mode", "solid"),
        ("padding", "0"),
        ("hold", "0"),
    ]
    .into_iter()
    .enumerate()
    {
        bench.element.set_property_from_str(name, value);
        let frame = bench.scanned(number as u64, &[(20, 20, 10, 10)]);
        let before = frame.copy_deep().unwrap();
        let out = bench.run(frame);
        let stamp = stamp(&out);
        assert!(stamp.cells <= 8, "{name}={value}");
        assert!(stamp.whole_frame || stamp.regions == 1, "{name}={value}");
        assert!(bench.changed(&before, &out).len() > 50, "{name}={value}");
    }
}

#[test]
fn a_slow_camera_holds_over_one_missed_frame_too() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    bench.set_info(info_of(64, 48, 1));
    let regions: Vec<u32> = [true, false, false]
        .into_iter()
        .enumerate()
        .map(|(second, seen)| {
            let boxes: &[_] = if seen { &[(20, 20, 10, 10)] } else { &[] };
            // Frames are numbered by 40 ms.
            let frame = bench.scanned(25 * second as u64, boxes);
            stamp(&bench.run(frame)).regions
        })
        .collect();
    assert_eq!(regions, [1, 1, 0], "half a second is less than a frame");
    // Whoever asks for no hold gets none.
    bench.element.set_property("hold", 0u64);
    let frame = bench.scanned(100, &[(20, 20, 10, 10)]);
    bench.run(frame);
    let frame = bench.scanned(125, &[]);
    assert_eq!(stamp(&bench.run(frame)).regions, 0);
}

#[test]
fn what_is_read_at_the_start_cannot_change_unnoticed() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let frame = bench.scanned(0, &[]);
    bench.run(frame);
    for (name, value) in [("classes", "dog"), ("device", "x"), ("backend", "gpu")] {
        let before = bench.element.property_value(name);
        bench.element.set_property_from_str(name, value);
        let after = bench.element.property_value(name);
        assert_eq!(before.serialize().ok(), after.serialize().ok(), "{name}");
    }
}

#[test]
fn flags_flushes_and_segments_open_nothing() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    for flags in [
        gst::BufferFlags::GAP,
        gst::BufferFlags::GAP | gst::BufferFlags::DROPPABLE,
        gst::BufferFlags::DISCONT | gst::BufferFlags::CORRUPTED,
        gst::BufferFlags::DECODE_ONLY,
        gst::BufferFlags::HEADER,
    ] {
        let mut frame = bench.frame(0);
        frame.make_mut().set_flags(flags);
        assert!(stamp(&bench.run(frame)).whole_frame, "{flags:?}");
    }
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(-1.0);
    segment.set_stop(gst::ClockTime::from_seconds(1));
    for event in [
        gst::event::FlushStart::new(),
        gst::event::FlushStop::new(true),
        gst::event::Segment::new(&segment),
        gst::event::Gap::builder(gst::ClockTime::ZERO).build(),
    ] {
        bench.harness.push_event(event);
    }
    let frame = bench.frame(20);
    assert!(stamp(&bench.run(frame)).whole_frame);
    // Frames come from last to first: what was seen on the later one is held on the earlier.
    let frame = bench.scanned(19, &[(20, 20, 10, 10)]);
    bench.run(frame);
    let frame = bench.scanned(18, &[]);
    assert_eq!(stamp(&bench.run(frame)).regions, 1);
}

#[test]
fn a_class_in_another_case_is_another_class() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "classes=Person");
    let frame = bench.scanned(0, &[(20, 20, 10, 10)]);
    assert_eq!(stamp(&bench.run(frame)).reason, "class-not-scanned");
}

#[test]
fn whatever_frames_and_stamps_say_nobody_reported_is_seen() {
    const GREY: u8 = 128;
    let mut seed = 5u64;
    let mut next = move |below: u32| {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((seed >> 33) % u64::from(below)) as u32
    };
    let classes = ["person", "car", "roi/x264enc", "face"];
    let settings = "mode=solid fill-color=0xff808080 padding=0 hold=0 classes=person,face";
    let mut bench = Bench::new(VideoFormat::Rgba, 37, 29, settings);
    let (mut whole, mut regions) = (0, 0);
    for number in 0..1200 {
        let mut frame = bench.frame(number);
        let b = frame.make_mut();
        let edges = [0, 1, 17, 36, 37, 40, u32::MAX - 2, u32::MAX];
        let boxes: Vec<_> = (0..next(4))
            .map(|_| {
                let mut edge = || edges[next(8) as usize];
                let rect = (edge(), edge(), edge(), edge());
                let class = classes[next(4) as usize];
                VideoRegionOfInterestMeta::add(b, class, rect);
                (class, rect)
            })
            .collect();
        let looked_for: Vec<&str> = classes.into_iter().filter(|_| next(8) > 0).collect();
        let is_scanned = next(8) > 0;
        let (found, is_late, overflow) = (next(2), next(8) == 0, next(8) == 0);
        if is_scanned {
            let pts = b
                .pts()
                .map(|t| t + gst::ClockTime::from_nseconds(is_late.into()));
            ScanStamp {
                classes: looked_for.iter().map(|c| (*c).to_owned()).collect(),
                overflow,
                pts,
                ..scan(b, found)
            }
            .write(b);
        }
        let carried = privacy_common::detections(&frame, 37, 29);
        let known = carried
            .iter()
            .filter(|d| looked_for.contains(&d.class.as_str()))
            .count();
        let proven = is_scanned
            && !is_late
            && !overflow
            && known >= found as usize
            && looked_for.contains(&"person")
            && looked_for.contains(&"face");
        let out = bench.run(frame);
        let stamp = stamp(&out);
        assert!(proven || stamp.whole_frame, "{number}: {boxes:?} {stamp:?}");
        whole += u32::from(stamp.whole_frame);
        regions += stamp.regions;
        let pixels = bytes(&out);
        let is_grey = |x: u32, y: u32| {
            let at = (y * 37 + x) as usize * 4;
            pixels[at..at + 3] == [GREY; 3]
        };
        for d in &carried {
            let is_wanted = ["person", "face"].contains(&d.class.as_str());
            for y in d.y..d.y + d.height {
                for x in d.x..d.x + d.width {
                    assert!(!is_wanted || is_grey(x, y), "{number}: {d:?} at {x},{y}");
                }
            }
        }
        if stamp.whole_frame {
            assert!((0..29).all(|y| (0..37).all(|x| is_grey(x, y))), "{number}");
        }
    }
    assert!(whole > 100 && regions > 50, "{whole} {regions}");
}

#[test]
fn ten_thousand_boxes_are_masked_or_the_whole_frame_is() {
    for settings in [
        "",
        "shape=ellipse",
        "invert=true",
        "invert=true clear-track=7",
        "clear-track=7 hold=0",
        "padding-pixels=4096 padding=2",
        "lookahead=100000000",
        "max-scan-age=1000000000",
    ] {
        let settings = format!("mode=solid fill-color=0xff808080 {settings}");
        let mut bench = Bench::new(VideoFormat::Gray8, 320, 240, &settings);
        let boxes: Vec<_> = (0..10_000)
            .map(|i| (i * 31 % 320, i * 17 % 240, 1 + i % 40, 1 + i % 60))
            .collect();
        for number in 0..2 {
            let frame = bench.scanned(number, &boxes);
            bench.harness.push(frame).unwrap();
        }
        bench.harness.push_event(gst::event::Eos::new());
        let mut seen = 0;
        while let Some(out) = bench.harness.try_pull() {
            let stamp = stamp(&out);
            assert!(
                stamp.whole_frame && stamp.clear == 0,
                "{settings}: {stamp:?}"
            );
            assert_eq!(stamp.reason, "too-many-regions");
            assert!(bytes(&out).iter().all(|b| *b == 128), "{settings}");
            seen += 1;
        }
        assert_eq!(seen, 2, "{settings}");
    }
    for (what, leaves) in [("drop", true), ("error", false)] {
        let mut bench = Bench::new(VideoFormat::Gray8, 320, 240, &format!("on-overload={what}"));
        let frame = bench.scanned(0, &vec![(0, 0, 9, 9); 10_000]);
        assert_eq!(bench.harness.push(frame).is_ok(), leaves, "{what}");
        assert!(bench.harness.try_pull().is_none(), "{what}");
    }
}

#[test]
fn boxes_without_pixels_are_refused() {
    for format in [VideoFormat::Gray8, VideoFormat::P01010le, VideoFormat::Yv12] {
        for settings in ["", "whole-frame=true", "lookahead=100000000", "invert=true"] {
            let mut bench = Bench::new(format, 64, 48, settings);
            let mut frame = gst::Buffer::new();
            let b = frame.make_mut();
            b.set_pts(gst::ClockTime::ZERO);
            VideoRegionOfInterestMeta::add(b, "person", (4, 4, 8, 8));
            scan(b, 1).write(b);
            assert!(is_refused(&mut bench, frame), "{format:?} {settings}");
        }
    }
}

#[test]
fn boxes_of_no_area_or_outside_are_lost_detections() {
    for rect in [
        (4, 4, 0, 8),
        (4, 4, 8, 0),
        (64, 4, 8, 8),
        (4, 48, 8, 8),
        (u32::MAX, 4, 1, 8),
        // -8 to 0, as a detector writes it that works with signed numbers.
        (0u32.wrapping_sub(8), 4, 8, 8),
        (i32::MAX as u32, i32::MAX as u32, u32::MAX, u32::MAX),
    ] {
        for settings in ["", "shape=ellipse", "invert=true", "clear-track=1"] {
            let mut bench = Bench::new(VideoFormat::Uyvy, 64, 48, settings);
            let frame = bench.scanned(0, &[rect]);
            let stamp = stamp(&bench.run(frame));
            assert!(stamp.whole_frame, "{rect:?} {settings}: {stamp:?}");
            assert_eq!(stamp.reason, "detections-lost");
        }
    }
}

/// Any settings, any purpose, any frames: whoever has to be masked is, and nothing breaks.
#[test]
fn whatever_is_set_nobody_who_must_be_masked_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let zones = dir.path().join("zones.toml");
    let text = "[[camera]]\nname = \"cam\"\n[[camera.zone]]\nname = \"z\"\npolygon = [[0.5,0.1],[1,0.2],[0.7,0.9]]\n";
    std::fs::write(&zones, text).unwrap();
    let mut seed = 77u64;
    let mut next = move |below: u32| {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((seed >> 33) % u64::from(below)) as u32
    };
    let formats = [
        VideoFormat::Rgba,
        VideoFormat::Gray8,
        VideoFormat::Nv21,
        VideoFormat::Y444,
        VideoFormat::P01010le,
    ];
    let (mut clear, mut whole, mut regions) = (0, 0, 0);
    for round in 0..60 {
        let format = formats[next(5) as usize];
        let (width, height) = (1 + next(70), 1 + next(50));
        let mut settings = "mode=solid fill-color=0xff808080".to_owned();
        let mut maybe = |next: &mut dyn FnMut(u32) -> u32, values: &[&str]| {
            let value = values[next(values.len() as u32) as usize];
            settings += " ";
            settings += value;
            value.to_owned()
        };
        maybe(&mut next, &["", "shape=ellipse"]);
        let inverted = maybe(&mut next, &["", "", "invert=true"]);
        let chosen = maybe(&mut next, &["", "clear-track=1", "clear-track=2"]);
        let classes = maybe(&mut next, &["", "classes=person", "exclude-classes=car"]);
        maybe(&mut next, &["padding=0", "padding=0.3", "padding-pixels=9"]);
        maybe(&mut next, &["hold=0", "hold=200000000"]);
        if next(3) == 0 {
            settings += &format!(" camera=cam zones={}", zones.display());
        }
        let mut bench = Bench::new(format, width, height, &settings);
        let mode = [
            gst_video::VideoInterlaceMode::Progressive,
            gst_video::VideoInterlaceMode::Interleaved,
        ][next(2) as usize];
        bench.set_info(
            VideoInfo::builder(format, width, height)
                .fps(gst::Fraction::new(25, 1))
                .interlace_mode(mode)
                .build()
                .unwrap(),
        );
        let demanded = next(2) == 0;
        if demanded {
            let purpose = purpose(Mask::Persons, DetectorUse::Statistics);
            bench.harness.push_event(purpose.to_event());
        }
        for number in 0..12 {
            let mut frame = bench.frame(number);
            let b = frame.make_mut();
            let count = next(5);
            for _ in 0..count {
                let class = ["person", "car"][next(2) as usize];
                let rect = (next(width), next(height), 1 + next(40), 1 + next(40));
                let mut meta = VideoRegionOfInterestMeta::add(b, class, rect);
                meta.set_id(next(4) as i32);
            }
            if next(6) > 0 {
                scan(b, count).write(b);
            }
            let carried = privacy_common::detections(&frame, width, height);
            let before = frame.copy_deep().unwrap();
            let out = bench.run(frame);
            let stamp = stamp(&out);
            clear += stamp.clear;
            whole += u32::from(stamp.whole_frame);
            regions += stamp.regions;
            assert!(!demanded || stamp.clear == 0, "{round} {settings}");
            let changed: HashSet<_> = bench.changed(&before, &out).into_iter().collect();
            let is_changed = |x: u32, y: u32| changed.contains(&(x, y));
            for d in &carried {
                let is_wanted = d.class == "person" || classes.is_empty();
                let is_required = demanded && d.class == "person";
                // Somebody with the chosen number, or everything that is wanted, may stay clear.
                let is_chosen = if inverted.is_empty() {
                    d.track.is_some_and(|t| chosen.ends_with(&format!("={t}")))
                } else {
                    is_wanted
                };
                let must = is_required || is_wanted && !is_chosen;
                let (right, bottom) = (d.x + d.width - 1, d.y + d.height - 1);
                if must {
                    // The pattern has no two grey pixels in a row.
                    for (x, y) in [(d.x, d.y), (right, d.y), (d.x, bottom), (right, bottom)] {
                        let seen = !is_changed(x, y) && !is_grey(&bench, &before, x, y);
                        assert!(!seen, "{round} {settings}: {d:?} at {x},{y} {stamp:?}");
                    }
                }
            }
        }
    }
    assert!(
        clear > 10 && whole > 50 && regions > 300,
        "{clear} {whole} {regions}"
    );
}

/// Whether the luma of a pixel is that of the grey mask already.
fn is_grey(bench: &Bench, frame: &gst::Buffer, x: u32, y: u32) -> bool {
    let info = &bench.info;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(frame, info).unwrap();
    let pixel = info.comp_pstride(0) as usize;
    let at = y as usize * frame.plane_stride()[0] as usize + x as usize * pixel;
    let bytes = &frame.plane_data(0).unwrap()[at..at + pixel];
    bytes.iter().any(|b| [126, 128].contains(b))
}
