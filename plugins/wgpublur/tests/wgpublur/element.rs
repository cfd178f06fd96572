// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element, frame by frame.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoRegionOfInterestMeta, prelude::*};
use gstwgpublur::{Event, Notice, Reason};
use privacy_common::{
    AuditRequest, Detection, DetectorUse, Mask, MaskStamp, PathNote, ScanStamp, attach, detections,
};

use crate::support::{Bench, bytes, init, purpose, scan, stamp};

const FORMATS: [VideoFormat; 10] = [
    VideoFormat::Nv12,
    VideoFormat::I420,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Xrgb,
    VideoFormat::Xbgr,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Argb,
    VideoFormat::Abgr,
];

#[test]
fn a_frame_that_nobody_looked_at_is_masked_as_a_whole() {
    for format in FORMATS {
        for (w, h) in [(64, 48), (33, 17), (1, 1)] {
            let mut bench = Bench::new(format, w, h, "mode=solid fill-color=0xff102030");
            // Detections without a stamp prove nothing.
            let mut frame = bench.frame(0);
            VideoRegionOfInterestMeta::add(frame.make_mut(), "person", (0, 0, 1, 1));
            let out = bench.run(frame);
            let stamp = stamp(&out);
            assert!(stamp.whole_frame && stamp.reason == "no-scan" && stamp.share == 1.0);
            assert_eq!(
                (stamp.method.as_str(), stamp.cells, stamp.regions),
                ("solid", 0, 0)
            );
            let frame =
                gst_video::VideoFrameRef::from_buffer_ref_readable(&out, &bench.info).unwrap();
            for component in 0..frame.n_components() {
                let stride = frame.comp_stride(component) as usize;
                let step = frame.comp_pstride(component) as usize;
                let data = frame.comp_data(component).unwrap();
                let value = data[0];
                for y in 0..frame.comp_height(component) as usize {
                    for x in 0..frame.comp_width(component) as usize {
                        assert_eq!(data[y * stride + x * step], value, "{format:?} {w}x{h}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_frame_with_nobody_on_it_leaves_as_it_came_but_stamped() {
    for format in FORMATS {
        let mut bench = Bench::new(format, 33, 17, "");
        let frame = bench.scanned(0, &[]);
        let before = bytes(&frame);
        let out = bench.run(frame);
        assert_eq!(bytes(&out), before);
        assert_eq!(
            stamp(&out),
            MaskStamp {
                classes: vec![MaskStamp::EVERY_CLASS.into()],
                method: "pixelate".into(),
                cells: 6,
                regions: 0,
                clear: 0,
                zones: 0,
                whole_frame: false,
                reason: String::new(),
                share: 0.0,
                pts: out.pts(),
            }
        );
    }
}

#[test]
fn a_detection_is_masked_and_everything_else_stays() {
    for format in FORMATS {
        for mode in ["pixelate", "solid", "blur"] {
            let mut bench = Bench::new(format, 64, 48, &format!("mode={mode} padding=0.1"));
            let frame = bench.scanned(0, &[(20, 20, 10, 10)]);
            let before = frame.copy_deep().unwrap();
            let out = bench.run(frame);
            // 10 % on each side and 20 % above, then outward to even pixels (19..31, 18..31).
            let yuv = matches!(format, VideoFormat::Nv12 | VideoFormat::I420);
            let (left, top, right, bottom) = if yuv {
                (18, 18, 32, 32)
            } else {
                (19, 18, 31, 31)
            };
            let changed = bench.changed(&before, &out);
            for &(x, y) in &changed {
                assert!(
                    (left..right).contains(&x) && (top..bottom).contains(&y),
                    "{x},{y}"
                );
            }
            // A sample may keep its value by chance; most must not.
            assert!(changed.len() * 10 > ((right - left) * (bottom - top)) as usize * 8);
            let stamp = stamp(&out);
            assert_eq!((stamp.regions, stamp.whole_frame), (1, false));
            let share = f64::from((right - left) * (bottom - top)) / (64.0 * 48.0);
            assert!((stamp.share - share).abs() < 1e-9);
            assert_eq!(
                detections(&out, 64, 48).len(),
                1,
                "without a purpose they stay"
            );
        }
    }
}

#[test]
fn odd_boxes_are_masked_and_nothing_breaks() {
    let odd: Vec<(u32, u32, u32, u32)> = vec![
        (5, 5, 1, 1),
        (0, 0, 2, 2),
        (63, 47, 1, 1),
        (60, 40, 100, 100),
        (4_294_967_293, 10, 10, 5),
        (10, 4_294_967_290, 5, 10),
        (0, 0, u32::MAX, 1),
    ];
    for format in [VideoFormat::Nv12, VideoFormat::Bgrx] {
        let mut bench = Bench::new(format, 64, 48, "padding=0 hold=0");
        for (number, &rect) in odd.iter().enumerate() {
            let frame = bench.scanned(number as u64, &[rect]);
            let before = frame.copy_deep().unwrap();
            let inside = detections(&frame, 64, 48);
            let out = bench.run(frame);
            let stamp = stamp(&out);
            assert!(!stamp.whole_frame, "{rect:?}");
            assert_eq!(stamp.regions as usize, inside.len(), "{rect:?}");
            if let Some(d) = inside.first() {
                let changed = bench.changed(&before, &out);
                assert!(!changed.is_empty(), "{rect:?}");
                for (x, y) in changed {
                    assert!(x + 1 >= d.x && x <= d.x + d.width, "{rect:?}");
                    assert!(y + 1 >= d.y && y <= d.y + d.height, "{rect:?}");
                }
            }
        }
    }
}

#[test]
fn five_hundred_people_are_masked_from_the_first_frame() {
    let mut bench = Bench::new(VideoFormat::Nv12, 640, 480, "padding=0");
    let boxes: Vec<_> = (0..500)
        .map(|i| (i % 25 * 25 + 2, i / 25 * 24 + 2, 16, 16))
        .collect();
    let frame = bench.scanned(0, &boxes);
    let before = frame.copy_deep().unwrap();
    let out = bench.run(frame);
    assert_eq!(stamp(&out).regions, 500);
    let changed = bench.changed(&before, &out);
    for (x, y, w, h) in boxes {
        let inside = changed
            .iter()
            .filter(|(cx, cy)| (x..x + w).contains(cx) && (y..y + h).contains(cy))
            .count();
        assert!(inside > 200, "{inside} pixels of ({x},{y}) changed");
    }
}

#[test]
fn too_many_people_mask_the_whole_frame() {
    let mut bench = Bench::new(VideoFormat::Nv12, 640, 480, "");
    let boxes: Vec<_> = (0..1100)
        .map(|i| (i % 40 * 16, i / 40 * 16, 4, 4))
        .collect();
    let frame = bench.scanned(0, &boxes);
    assert_eq!(stamp(&bench.run(frame)).reason, "too-many-regions");
    // As for as many that fill the frame many times over.
    let mut bench = Bench::new(VideoFormat::Nv12, 640, 480, "");
    let frame = bench.scanned(0, &[(0, 0, 640, 480); 20]);
    assert_eq!(stamp(&bench.run(frame)).reason, "too-many-regions");
}

#[test]
fn doubt_masks_the_whole_frame() {
    type Spoil = fn(&mut gst::BufferRef);
    let cases: [(&str, Spoil, &str); 5] = [
        (
            "",
            |b| {
                ScanStamp {
                    overflow: true,
                    ..scan(b, 1)
                }
                .write(b);
            },
            "overflow",
        ),
        (
            "",
            |b| {
                let pts = Some(gst::ClockTime::from_mseconds(1));
                ScanStamp { pts, ..scan(b, 1) }.write(b);
            },
            "stale-scan",
        ),
        (
            "",
            |b| privacy_common::strip_detections(b),
            "detections-lost",
        ),
        ("classes=plate", |_| (), "class-not-scanned"),
        ("whole-frame=true", |_| (), "property"),
    ];
    for (settings, spoil, reason) in cases {
        let mut bench = Bench::new(VideoFormat::I420, 64, 48, settings);
        let mut frame = bench.scanned(0, &[(8, 8, 8, 8)]);
        spoil(frame.make_mut());
        let stamp = stamp(&bench.run(frame));
        assert_eq!((stamp.reason.as_str(), stamp.whole_frame), (reason, true));
    }
}

#[test]
fn an_older_scan_is_accepted_within_its_age() {
    let mut bench = Bench::new(VideoFormat::I420, 64, 48, "max-scan-age=80000000");
    for (number, whole) in [(2, false), (3, true)] {
        let mut frame = bench.scanned(number, &[(8, 8, 8, 8)]);
        let b = frame.make_mut();
        let pts = Some(gst::ClockTime::ZERO);
        ScanStamp {
            pts,
            predicted: true,
            ..scan(b, 1)
        }
        .write(b);
        assert_eq!(stamp(&bench.run(frame)).whole_frame, whole);
    }
}

#[test]
fn a_missing_scan_can_drop_or_stop_instead() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "on-missing-scan=drop");
    let frame = bench.frame(0);
    assert_eq!(bench.harness.push(frame), Ok(gst::FlowSuccess::Ok));
    assert!(bench.harness.try_pull().is_none());
    let frame = bench.scanned(1, &[]);
    bench.run(frame);
    let stats: gst::Structure = bench.element.property("stats");
    assert_eq!(stats.get::<u64>("dropped"), Ok(1));
    assert_eq!(stats.get::<u64>("frames"), Ok(1));

    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "on-missing-scan=error");
    let frame = bench.frame(0);
    assert_eq!(bench.harness.push(frame), Err(gst::FlowError::Error));
    assert!(bench.harness.try_pull().is_none());
    let message = bench.bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!("filtered")
    };
    assert!(error.error().to_string().contains("no-scan"));
    // And it stays closed.
    let frame = bench.scanned(1, &[]);
    assert_eq!(bench.harness.push(frame), Err(gst::FlowError::Error));
}

#[test]
fn only_listed_classes_are_masked() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "classes=car,person");
    let mut frame = bench.scanned(0, &[(4, 4, 8, 8)]);
    VideoRegionOfInterestMeta::add(frame.make_mut(), "dog", (40, 20, 8, 8));
    let before = frame.copy_deep().unwrap();
    let out = bench.run(frame);
    let stamp = stamp(&out);
    assert_eq!(
        (stamp.regions, stamp.classes),
        (1, vec!["car".into(), "person".into()])
    );
    let changed = bench.changed(&before, &out);
    assert!(!changed.is_empty() && changed.iter().all(|&(x, _)| x < 20));
}

#[test]
fn g6_a_purpose_raises_what_is_masked_and_takes_detections_away() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "classes=car cells=30");
    let event = purpose(Mask::Persons, DetectorUse::Mask).to_event();
    assert!(bench.harness.push_event(event));
    let frame = bench.scanned(0, &[(4, 4, 8, 8)]);
    let out = bench.run(frame);
    let first = stamp(&out);
    assert_eq!((first.regions, first.cells), (1, 8));
    assert!(first.covers("person") && first.covers("car"));
    assert_eq!(detections(&out, 64, 48), []);
    assert!(ScanStamp::read(&out).is_some());

    for (event, reason) in [
        (
            purpose(Mask::Frame, DetectorUse::None).to_event(),
            "purpose",
        ),
        (
            gst::event::CustomDownstreamSticky::new(
                gst::Structure::builder(privacy_common::PURPOSE_EVENT)
                    .field("version", 99u32)
                    .build(),
            ),
            "unreadable-purpose",
        ),
    ] {
        assert!(bench.harness.push_event(event));
        let frame = bench.scanned(1, &[]);
        assert_eq!(stamp(&bench.run(frame)).reason, reason);
    }
    // A purpose that allows clear images does not undo what the properties ask for.
    let event = purpose(Mask::None, DetectorUse::Search).to_event();
    assert!(bench.harness.push_event(event));
    let mut frame = bench.frame(2);
    let b = frame.make_mut();
    let car = Detection {
        class: "car".into(),
        x: 30,
        y: 30,
        width: 8,
        height: 8,
        ..Default::default()
    };
    attach(b, &car);
    scan(b, 1).write(b);
    let out = bench.run(frame);
    assert_eq!(
        (stamp(&out).regions, stamp(&out).cells),
        (1, 30),
        "nobody asks for the person that is held any more"
    );
    assert_eq!(detections(&out, 64, 48).len(), 1);
}

#[test]
fn a_missed_detection_stays_masked() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "hold=120000000");
    let regions: Vec<u32> = [true, false, false, false, false, true]
        .into_iter()
        .enumerate()
        .map(|(i, seen)| {
            let boxes: &[_] = if seen { &[(20, 20, 10, 10)] } else { &[] };
            let frame = bench.scanned(i as u64, boxes);
            stamp(&bench.run(frame)).regions
        })
        .collect();
    assert_eq!(regions, [1, 1, 1, 1, 0, 1]);
}

#[test]
fn padded_strides_and_planes_apart_are_masked() {
    // Odd size, strides wider than the rows, planes with gaps: 33 x 17 NV12 with a stride of 48.
    let mut bench = Bench::new(VideoFormat::Nv12, 33, 17, "mode=solid");
    let (stride, luma, chroma) = (48usize, 16usize, 16 + 48 * 17 + 32);
    let mut frame = gst::Buffer::from_slice(vec![77u8; chroma + stride * 9]);
    {
        let b = frame.make_mut();
        b.set_pts(gst::ClockTime::ZERO);
        gst_video::VideoMeta::add_full(
            b,
            gst_video::VideoFrameFlags::empty(),
            VideoFormat::Nv12,
            33,
            17,
            &[luma, chroma],
            &[stride as i32, stride as i32],
        )
        .unwrap();
        VideoRegionOfInterestMeta::add(b, "person", (31, 15, 2, 2));
        scan(b, 1).write(b);
    }
    bench.element.set_property("padding", 0.0);
    let out = bytes(&bench.run(frame));
    let mut expected = vec![77u8; chroma + stride * 9];
    for y in 14..17 {
        expected[luma + y * stride + 30..luma + y * stride + 33].fill(16);
    }
    for y in 7..9 {
        expected[chroma + y * stride + 30..chroma + y * stride + 34].fill(128);
    }
    assert!(out == expected);
}

#[test]
fn a_frame_of_another_size_than_its_caps_does_not_leave() {
    let mut bench = Bench::new(VideoFormat::Bgrx, 16, 16, "");
    let mut frame = gst::Buffer::from_slice(vec![77u8; 32 * 32 * 4]);
    {
        let b = frame.make_mut();
        gst_video::VideoMeta::add(
            b,
            gst_video::VideoFrameFlags::empty(),
            VideoFormat::Bgrx,
            32,
            32,
        )
        .unwrap();
    }
    assert_eq!(bench.harness.push(frame), Err(gst::FlowError::Error));
    assert!(bench.harness.try_pull().is_none());
}

/// The same frames through the GPU and the CPU, or a line that says why not.
#[test]
fn the_gpu_masks_the_same_pixels_and_says_when_it_is_software() {
    init();
    let element = gst::ElementFactory::make("wgpublur")
        .property_from_str("backend", "gpu")
        .property_from_str("mode", "solid")
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    if element.set_state(gst::State::Paused).is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no adapter");
        eprintln!(
            "SKIPPED the_gpu_masks_the_same_pixels_and_says_when_it_is_software: a Vulkan adapter is \
             missing, install mesa-vulkan-drivers"
        );
        element.set_state(gst::State::Null).unwrap();
        return;
    }
    assert_eq!(element.property::<String>("active-backend"), "gpu");
    let adapter = element.property::<String>("adapter");
    assert!(!adapter.is_empty());
    if adapter.contains("llvmpipe") {
        assert!(bus.pop_filtered(&[gst::MessageType::Warning]).is_some());
    }
    element.set_state(gst::State::Null).unwrap();
    let mut cpu = Bench::new(VideoFormat::Nv12, 64, 48, "mode=solid");
    let mut gpu = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    gpu.set_src_caps(cpu.info.to_caps().unwrap());
    for number in 0..3 {
        let frame = cpu.scanned(number, &[(20, 20, 11, 9), (60, 40, 9, 9)]);
        let on_gpu = gpu.push_and_pull(frame.copy_deep().unwrap()).unwrap();
        let on_cpu = cpu.run(frame);
        assert!(bytes(&on_gpu) == bytes(&on_cpu));
        assert_eq!(stamp(&on_gpu), stamp(&on_cpu));
    }
}

#[test]
fn a_frame_that_others_hold_is_copied_and_keeps_its_metas() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let frame = bench.scanned(0, &[(20, 20, 10, 10)]);
    let held = frame.clone();
    let before = bytes(&held);
    let out = bench.run(frame);
    let stamp = stamp(&out);
    assert_eq!((stamp.regions, stamp.reason.as_str()), (1, ""));
    assert_eq!(
        bytes(&held),
        before,
        "the frame of another branch stays as it was"
    );
    assert!(bytes(&out) != before);
}

#[test]
fn metas_that_keep_clear_pixels_are_removed() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let clear = bench.frame(0);
    let clear_bytes = bytes(&clear);
    // The pixels of this frame are the parent's own memory.
    let mut frame = gst::Buffer::new();
    {
        let b = frame.get_mut().unwrap();
        b.append_memory(clear.memory(0).unwrap());
        gst::meta::ParentBufferMeta::add(b, &clear);
        b.set_pts(gst::ClockTime::ZERO);
        scan(b, 0).write(b);
        VideoRegionOfInterestMeta::add(b, "person", (20, 20, 10, 10));
    }
    let out = bench.run(frame);
    assert!(out.meta::<gst::meta::ParentBufferMeta>().is_none());
    assert_eq!(stamp(&out).regions, 1);
    assert_eq!(bytes(&clear), clear_bytes);
    drop(clear);
    assert!(bytes(&out) != clear_bytes);
}

#[test]
fn trouble_and_its_end_are_told_on_the_bus() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    for i in 0..3 {
        let frame = bench.frame(i);
        bench.run(frame);
    }
    for i in 3..40 {
        let frame = bench.scanned(i, &[]);
        bench.run(frame);
    }
    let told: Vec<_> = bench
        .notices()
        .iter()
        .map(|n| (n.event, n.reason))
        .collect();
    assert_eq!(
        told,
        [
            (Event::Degraded, Some(Reason::NoScan)),
            (Event::Recovered, Some(Reason::NoScan))
        ]
    );
}

#[test]
fn what_masks_is_told_at_the_start() {
    init();
    for (backend, names) in [("cpu", &["cpu"][..]), ("auto", &["cpu", "gpu"])] {
        let element = gst::ElementFactory::make("wgpublur")
            .property_from_str("backend", backend)
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        element.set_state(gst::State::Paused).unwrap();
        let ready = std::iter::from_fn(|| bus.pop())
            .find_map(|m| Notice::try_from(m.structure()?).ok())
            .unwrap();
        assert_eq!((ready.event, ready.reason), (Event::Ready, None));
        assert!(names.contains(&ready.backend.as_str()), "{ready:?}");
        assert_eq!(ready.detail.is_empty(), backend == "cpu", "{ready:?}");
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn audit_queries_get_a_note_on_their_way() {
    let mut bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
    let frame = bench.scanned(0, &[]);
    bench.run(frame);
    let mut query = AuditRequest {
        session: "s".into(),
        purpose: "p".into(),
        operation: "publish".into(),
        entry: "{}".into(),
    }
    .to_query();
    let sink = bench.element.static_pad("sink").unwrap();
    sink.query(&mut query);
    let note = PathNote::read(&query);
    assert_eq!(note.elements.len(), 1);
    assert!(note.elements[0].starts_with("wgpublur "));
}

#[test]
fn bad_properties_are_refused_at_start() {
    init();
    for (settings, part) in [
        ("classes=person,,car", "person,,car"),
        ("backend=cpu device=nvidia", "device is \"nvidia\""),
        ("backend=gpu device=no-such-card", "no-such-card"),
        ("backend=auto device=no-such-card", "no-such-card"),
    ] {
        let element = gst::parse::launch(&format!("wgpublur {settings}")).unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err(), "{settings}");
        let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else {
            unreachable!("filtered")
        };
        let text = error.error().to_string();
        assert!(text.contains(part), "{text}");
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn it_starts_again_as_if_new() {
    init();
    let element = gst::ElementFactory::make("wgpublur")
        .property_from_str("backend", "cpu")
        .build()
        .unwrap();
    let harness = |element: &gst::Element| {
        let mut h = gst_check::Harness::with_element(element, Some("sink"), Some("src"));
        h.set_src_caps_str("video/x-raw,format=NV12,width=64,height=48,framerate=25/1");
        h
    };
    for _ in 0..2 {
        assert_eq!(element.property::<String>("active-backend"), "");
        let mut h = harness(&element);
        let bench = Bench::new(VideoFormat::Nv12, 64, 48, "");
        h.push_event(purpose(Mask::Frame, DetectorUse::None).to_event());
        for (number, boxes) in [(0, vec![(20, 20, 10, 10)]), (1, vec![])] {
            let out = h.push_and_pull(bench.scanned(number, &boxes)).unwrap();
            assert_eq!(stamp(&out).reason, "purpose");
        }
        assert_eq!(element.property::<String>("active-backend"), "cpu");
        let stats: gst::Structure = element.property("stats");
        assert_eq!(stats.get::<u64>("whole-frames"), Ok(2));
        assert_eq!(stats.get::<f64>("masked-share"), Ok(1.0));
        drop(h);
        element.set_state(gst::State::Null).unwrap();
        // Neither the purpose nor held regions are remembered.
        let mut h = harness(&element);
        let out = h.push_and_pull(bench.scanned(2, &[])).unwrap();
        assert_eq!(stamp(&out).regions, 0);
        assert!(!stamp(&out).whole_frame);
        drop(h);
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn defaults_are_those_of_a_fresh_object() {
    init();
    let element = gst::ElementFactory::make("wgpublur").build().unwrap();
    for pspec in element.list_properties() {
        if pspec.owner_type() != element.type_() {
            continue;
        }
        assert!(
            pspec.blurb().is_some_and(|b| b.ends_with('.')),
            "{}",
            pspec.name()
        );
        if pspec.name() == "stats" {
            continue;
        }
        let fresh = element.property_value(pspec.name());
        assert_eq!(
            fresh.serialize().ok(),
            pspec.default_value().serialize().ok(),
            "{}",
            pspec.name()
        );
    }
    assert_eq!(element.factory().unwrap().rank(), gst::Rank::NONE);
    assert_eq!(
        element.factory().unwrap().metadata("klass"),
        Some("Filter/Effect/Video")
    );
}

#[test]
fn a_pipeline_runs_to_its_end() {
    init();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=10 ! video/x-raw,width=320,height=240 ! wgpublur backend=cpu mode=blur \
         ! fakesink name=sink signal-handoffs=true",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    pipeline
        .by_name("sink")
        .unwrap()
        .connect("handoff", false, move |args| {
            let buffer = args[1].get::<gst::Buffer>().ok()?;
            let _ = sender.send(MaskStamp::read(&buffer).is_some_and(|s| s.whole_frame));
            None
        });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.map(|m| m.type_()), Some(gst::MessageType::Eos));
    drop(pipeline);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [true; 10]);
}
