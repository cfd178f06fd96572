// SPDX-License-Identifier: MIT OR Apache-2.0
//! At the exit.

use gst::prelude::*;
use gst_check::Harness;
use gstpurposegate::{Stage, sessions};
use privacy_common::{
    Detection, DetectorUse, Mask, MaskMethod, MaskStamp, Proof, Purpose, ScanStamp, SinkClass,
    attach, detections,
};

use crate::site::{CAPS, bus, error, frame, init};

fn gate(deny_action: &str) -> Harness {
    init();
    let gate = gst::ElementFactory::make("purposegate")
        .property("stage", Stage::Exit)
        .property_from_str("deny-action", deny_action)
        .build()
        .unwrap();
    let mut h = Harness::with_element(&gate, Some("sink"), Some("src"));
    h.set_src_caps_str(CAPS);
    h
}

fn purpose(session: &str, required_mask: Mask) -> Purpose {
    Purpose {
        session: session.into(),
        purpose: "comm.public_publication".into(),
        mandate_digest: "00".into(),
        rules_version: "test".into(),
        camera: "cam-12".into(),
        operator: "a-0417".into(),
        sink_class: SinkClass::File,
        required_mask,
        mask_classes: vec!["person".into()],
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

fn stamped(ms: u64) -> gst::Buffer {
    let mut buffer = frame(ms);
    let pts = buffer.pts();
    ScanStamp {
        classes: vec!["person".into()],
        pts,
        ..Default::default()
    }
    .write(buffer.make_mut());
    MaskStamp {
        classes: vec!["person".into()],
        method: "pixelate".into(),
        pts,
        ..Default::default()
    }
    .write(buffer.make_mut());
    buffer
}

fn proof(h: &Harness, session: &str) -> Option<Proof> {
    let pad = h.element().unwrap().static_pad("src").unwrap();
    Proof::ask(&pad.peer().unwrap(), session)
}

#[test]
fn a_later_purpose_can_only_raise_what_is_demanded() {
    let mut h = gate("drop");
    declare(&mut h, &purpose("a", Mask::Persons));
    h.push(stamped(0)).unwrap();
    assert_eq!(h.buffers_received(), 1);
    // The same session, and another one whose frames are mixed with it (a mosaic), both weaker.
    declare(&mut h, &purpose("a", Mask::None));
    h.push(frame(100)).unwrap();
    declare(&mut h, &purpose("b", Mask::None));
    h.push(frame(200)).unwrap();
    assert_eq!(h.buffers_received(), 1, "no clear frame");
    declare(&mut h, &purpose("b", Mask::Frame));
    h.push(stamped(300)).unwrap();
    assert_eq!(h.buffers_received(), 1, "regions are not the whole frame");
}

#[test]
fn a_later_purpose_cannot_last_longer_or_cover_less() {
    let mut h = gate("drop");
    let mut first = purpose("a", Mask::Persons);
    first.mask_classes = vec!["person".into(), "car".into()];
    declare(&mut h, &first);
    declare(&mut h, &purpose("a", Mask::Persons));
    h.push(stamped(0)).unwrap();
    assert_eq!(h.buffers_received(), 0, "cars must be masked still");
    let mut ended = purpose("a", Mask::None);
    ended.expires = 1;
    h.push_event(gst::event::StreamStart::new("next"));
    declare(&mut h, &ended);
    ended.expires = i64::MAX;
    declare(&mut h, &ended);
    h.push(frame(100)).unwrap();
    assert_eq!(h.buffers_received(), 0, "what has ended has ended");
}

#[test]
fn a_purpose_ends_with_its_stream() {
    let mut h = gate("drop");
    declare(&mut h, &purpose("a", Mask::None));
    h.push(frame(0)).unwrap();
    assert_eq!(h.buffers_received(), 1);
    // The entry gate is gone: its source was linked past it, which starts the stream again.
    h.push_event(gst::event::StreamStart::new("next"));
    h.push(frame(100)).unwrap();
    assert_eq!(h.buffers_received(), 1, "nobody declared this stream");
    declare(&mut h, &purpose("b", Mask::Persons));
    h.push(frame(200)).unwrap();
    h.push(stamped(300)).unwrap();
    assert_eq!(h.buffers_received(), 2);
    // Each session has its own counts.
    let (a, b) = (proof(&h, "a").unwrap(), proof(&h, "b").unwrap());
    assert_eq!((a.session.as_str(), a.frames_in, a.frames_out), ("a", 1, 1));
    assert_eq!(
        (b.session.as_str(), b.frames_out, b.mask_failures),
        ("b", 1, 1)
    );
    assert_eq!(proof(&h, "c"), None, "not a session of this gate");
}

#[test]
fn a_flush_does_not_open_or_close_the_exit() {
    let mut h = gate("drop");
    let flush = |h: &mut Harness| {
        h.push_event(gst::event::FlushStart::new());
        h.push_event(gst::event::FlushStop::new(true));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        h.push_event(gst::event::Segment::new(&segment));
    };
    flush(&mut h);
    h.push(stamped(0)).unwrap();
    assert_eq!(h.buffers_received(), 0);
    declare(&mut h, &purpose("a", Mask::Persons));
    flush(&mut h);
    h.push(frame(100)).unwrap();
    h.push(stamped(200)).unwrap();
    assert_eq!(h.buffers_received(), 1);
}

#[test]
fn j1_only_media_known_to_hold_no_sound_pass() {
    for caps in [
        "video/mpeg,mpegversion=2,systemstream=true",
        "video/mpeg,mpegversion=2",
        "video/x-dv,systemstream=true",
        "video/x-matroska-3d",
        "application/octet-stream",
        "application/x-rtp",
        "multipart/x-mixed-replace",
        "text/x-raw,format=utf8",
    ] {
        let mut h = gate("drop");
        let bus = bus(&h);
        declare(&mut h, &purpose("a", Mask::None));
        h.push(frame(0)).unwrap();
        let caps: gst::Caps = caps.parse().unwrap();
        h.push_event(gst::event::Caps::new(&caps));
        assert!(h.push(frame(100)).is_err(), "{caps}");
        assert_eq!(h.buffers_received(), 1, "{caps}");
        let text = error(&bus).unwrap();
        assert!(
            text.contains("SOUND") || text.contains("UNKNOWN_MEDIA"),
            "{caps}: {text}"
        );
    }
    for caps in [
        "video/x-h264,stream-format=avc",
        "video/mpeg,mpegversion=4,systemstream=false",
        "video/x-msmpeg,msmpegversion=43",
        "image/jpeg",
        "video/x-raw(memory:DMABuf),format=NV12,width=8,height=8",
    ] {
        let mut h = gate("drop");
        h.set_src_caps_str(caps);
        declare(&mut h, &purpose("a", Mask::None));
        h.push(frame(0)).unwrap();
        assert_eq!(h.buffers_received(), 1, "{caps}");
    }
}

#[test]
fn no_picture_hides_in_a_tag() {
    let mut h = gate("drop");
    let sample = gst::Sample::builder().buffer(&frame(0)).build();
    let mut tags = gst::TagList::new();
    {
        let tags = tags.get_mut().unwrap();
        tags.add::<gst::tags::Image>(&sample, gst::TagMergeMode::Append);
        tags.add::<gst::tags::PreviewImage>(&sample, gst::TagMergeMode::Append);
        tags.add::<gst::tags::Codec>(&"MJPEG", gst::TagMergeMode::Append);
    }
    h.push_event(gst::event::Tag::new(tags));
    let mut seen = 0;
    while let Some(event) = h.try_pull_event() {
        if let gst::EventView::Tag(tag) = event.view() {
            seen += 1;
            assert!(tag.tag().get::<gst::tags::Image>().is_none());
            assert!(tag.tag().get::<gst::tags::PreviewImage>().is_none());
            assert!(tag.tag().get::<gst::tags::Codec>().is_some());
        }
    }
    assert_eq!(seen, 1);
}

#[test]
fn a_black_frame_is_a_new_one() {
    let mut h = gate("black");
    declare(&mut h, &purpose("a", Mask::Persons));
    // Padded rows in two memories, and somebody else holds the buffer.
    let mut clear = gst::Buffer::new();
    {
        let clear = clear.get_mut().unwrap();
        clear.append_memory(gst::Memory::from_mut_slice(vec![77u8; 12 * 8]));
        clear.append_memory(gst::Memory::from_mut_slice(vec![78u8; 12 * 4]));
        clear.set_pts(gst::ClockTime::from_mseconds(40));
        gst_video::VideoMeta::add_full(
            clear,
            gst_video::VideoFrameFlags::empty(),
            gst_video::VideoFormat::Nv12,
            8,
            8,
            &[0, 96],
            &[12, 12],
        )
        .unwrap();
        attach(
            clear,
            &Detection {
                class: "person".into(),
                x: 0,
                y: 0,
                width: 4,
                height: 4,
                track: None,
                score: None,
            },
        );
    }
    let kept = clear.clone();
    h.push(clear).unwrap();
    let out = h.pull().unwrap();
    assert_eq!(out.pts(), Some(gst::ClockTime::from_mseconds(40)));
    assert!(detections(&out, 8, 8).is_empty());
    let map = out.map_readable().unwrap();
    assert_eq!(map.len(), 96, "the layout of the caps, without padding");
    assert!(map[..64].iter().all(|&y| y == 16) && map[64..].iter().all(|&c| c == 128));
    assert!(kept.map_readable().unwrap().iter().all(|&v| v >= 77));
    // Ten bits cannot be painted, so such a frame is dropped.
    h.set_src_caps_str("video/x-raw,format=P010_10LE,width=8,height=8,framerate=10/1");
    h.push(frame(100)).unwrap();
    assert_eq!(h.buffers_received(), 1);
}

#[test]
fn nothing_beside_the_masked_pixels_leaves() {
    let mut h = gate("drop");
    declare(&mut h, &purpose("a", Mask::Persons));
    let mut masked = stamped(0);
    let person = Detection {
        class: "person".into(),
        x: 0,
        y: 0,
        width: 4,
        height: 4,
        track: Some(7),
        score: Some(0.9),
    };
    attach(masked.make_mut(), &person);
    h.push(masked).unwrap();
    let out = h.pull().unwrap();
    assert!(
        detections(&out, 8, 8).is_empty(),
        "detections do not outlive the mask"
    );
    assert!(MaskStamp::read(&out).is_some());
}

#[test]
fn a_frame_shown_again_later_needs_a_look_of_its_own() {
    let mut h = gate("drop");
    declare(&mut h, &purpose("a", Mask::Persons));
    let once = stamped(0);
    h.push(once.clone()).unwrap();
    // videorate shows a frame again, with its stamps, at another time.
    let mut again = once;
    again
        .make_mut()
        .set_pts(gst::ClockTime::from_mseconds(2000));
    h.push(again).unwrap();
    assert_eq!(h.buffers_received(), 1);
}

#[test]
fn a_stream_that_ends_by_expiry_says_so_downstream() {
    let mut h = gate("eos");
    let mut ended = purpose("a", Mask::None);
    ended.expires = 1;
    declare(&mut h, &ended);
    assert_eq!(h.push(frame(0)), Err(gst::FlowError::Eos));
    assert_eq!(h.push(frame(100)), Err(gst::FlowError::Eos));
    let mut ends = 0;
    while let Some(event) = h.try_pull_event() {
        ends += u32::from(event.type_() == gst::EventType::Eos);
    }
    assert_eq!(ends, 1);
    // Held for want of time, not for want of a mask.
    let proof = proof(&h, "a").unwrap();
    assert_eq!((proof.frames_out, proof.mask_failures), (0, 0));
}

/// Sends a purpose into a pad as an entry gate does: after caps and segment, before the first frame.
fn declare_at_first(pad: &gst::Pad, purpose: Purpose) {
    std::mem::forget(sessions::announce(&purpose, pad));
    let sent = std::sync::atomic::AtomicBool::new(false);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        if !sent.swap(true, std::sync::atomic::Ordering::Relaxed) {
            pad.push_event(purpose.to_event());
        }
        gst::PadProbeReturn::Ok
    });
}

/// Frames that leave a mosaic of two sessions with these demands.
fn mosaic(one: Mask, other: Mask) -> u64 {
    init();
    let pipeline = gst::parse::launch(&format!(
        "compositor name=mix ! {CAPS} ! purposegate name=exit stage=exit ! fakesink async=false \
         videotestsrc num-buffers=5 ! {CAPS} ! identity name=a ! mix. \
         videotestsrc num-buffers=5 ! {CAPS} ! identity name=b ! mix."
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    for (name, demand) in [("a", one), ("b", other)] {
        let pad = pipeline.by_name(name).unwrap().static_pad("src").unwrap();
        declare_at_first(&pad, purpose(name, demand));
    }
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ended = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(ended.map(|m| m.type_()), Some(gst::MessageType::Eos));
    let gate = pipeline.by_name("exit").unwrap();
    let stats: gst::Structure = gate.property("stats");
    pipeline.set_state(gst::State::Null).unwrap();
    stats.get("frames-out").unwrap()
}

#[test]
fn b6_a_purpose_that_comes_before_the_first_stream_holds_for_it_and_no_longer() {
    init();
    let gate = gst::ElementFactory::make("purposegate")
        .property("stage", Stage::Exit)
        .property_from_str("deny-action", "drop")
        .build()
        .unwrap();
    let mut h = Harness::with_element(&gate, None, Some("src"));
    let sink = gate.static_pad("sink").unwrap();
    h.play();
    // In the order in which `compositor` sends them.
    let source = gst::Pad::builder(gst::PadDirection::Src).build();
    source.link(&sink).unwrap();
    let declared = purpose("a", Mask::Persons);
    let _announced = sessions::announce(&declared, &source);
    sink.send_event(declared.to_event());
    let start = |sink: &gst::Pad| {
        sink.send_event(gst::event::StreamStart::new("wall"));
        sink.send_event(gst::event::Caps::new(&CAPS.parse().unwrap()));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        sink.send_event(gst::event::Segment::new(&segment));
    };
    start(&sink);
    sink.chain(stamped(0)).unwrap();
    sink.chain(frame(100)).unwrap();
    assert_eq!(h.buffers_received(), 1, "the one that is masked");
    start(&sink);
    sink.chain(stamped(200)).unwrap();
    assert_eq!(h.buffers_received(), 1, "nobody declared the second stream");
}

#[test]
fn b6_a_mosaic_obeys_the_strictest_of_its_tiles() {
    assert!(
        mosaic(Mask::None, Mask::None) > 0,
        "a mosaic can be let out"
    );
    assert_eq!(mosaic(Mask::None, Mask::Persons), 0);
    assert_eq!(mosaic(Mask::Persons, Mask::None), 0);
}
