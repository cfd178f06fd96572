// SPDX-License-Identifier: MIT OR Apache-2.0
//! C2: outside the time that a requisition names, nothing leaves.

use gst::prelude::*;
use gst_check::Harness;
use jiff::{SignedDuration, Timestamp};
use privacy_policy::Form;

use crate::site::{CAPS, Site, bus, error, frame};

/// A requisition for two seconds of footage, an hour ago.
fn form(from: Timestamp) -> Form {
    let mut form = Site::form("judicial.requisition_extract");
    let requisition = form.requisition.as_mut().unwrap();
    requisition.from = from;
    requisition.to = from + SignedDuration::from_secs(2);
    form
}

fn an_hour_ago() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() - 3600).unwrap()
}

fn received(h: &mut Harness) -> Vec<u64> {
    let waiting = h.buffers_in_queue();
    (0..waiting)
        .map(|_| h.pull().unwrap().pts().unwrap().mseconds())
        .collect()
}

#[test]
fn c2_frames_outside_the_time_of_the_requisition_are_held_and_counted() {
    let site = Site::new();
    let from = an_hour_ago();
    let begins = from - SignedDuration::from_secs(1);
    let (mut h, register) = site.gate(&form(from), &format!("footage-start={begins}"), false);
    h.set_src_caps_str(CAPS);
    for ms in [0, 500, 999, 1000, 2000, 2999, 3000, 4000] {
        h.push(frame(ms)).unwrap();
    }
    assert_eq!(received(&mut h), [1000, 2000, 2999]);
    let stats: gst::Structure = h.element().unwrap().property("stats");
    assert_eq!(stats.get::<u64>("frames-outside").unwrap(), 5);
    assert_eq!(stats.get::<u64>("frames-held").unwrap(), 0);
    // Once, and beside the frames: none of them waits for a disk.
    for _ in 0..600 {
        if register.operations().len() > 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(register.refusals("OUTSIDE_REQUISITION_TIME"), 1);
    assert_eq!(register.operations(), ["extract", "refuse"]);
    let declared = format!("\"footage_start\":\"{begins}\"");
    assert!(
        register.first().contains(&declared),
        "the register says what the operator declared: {}",
        register.first()
    );
}

#[test]
fn c2_the_place_in_the_recording_counts_and_not_the_timestamp() {
    let site = Site::new();
    let from = an_hour_ago();
    let (mut h, _) = site.gate(&form(from), &format!("footage-start={from}"), false);
    h.set_src_caps_str(CAPS);
    // A transport stream that was cut out of a longer one begins at any timestamp.
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(1000));
    segment.set_time(gst::ClockTime::ZERO);
    h.push_event(gst::event::Segment::new(&segment));
    for ms in [1_000_000, 1_001_999, 1_002_000] {
        h.push(frame(ms)).unwrap();
    }
    assert_eq!(received(&mut h), [1_000_000, 1_001_999]);
}

#[test]
fn c2_frames_that_only_know_when_to_be_decoded_are_placed_by_that() {
    let site = Site::new();
    let from = an_hour_ago();
    let (mut h, _) = site.gate(&form(from), &format!("footage-start={from}"), false);
    h.set_src_caps_str("video/x-msmpeg,msmpegversion=43");
    for seconds in [0, 1, 2] {
        let mut frame = frame(0);
        frame.make_mut().set_pts(gst::ClockTime::NONE);
        frame
            .make_mut()
            .set_dts(gst::ClockTime::from_seconds(seconds));
        h.push(frame).unwrap();
    }
    assert_eq!(h.buffers_in_queue(), 2, "as avidemux sends them");
}

#[test]
fn c2_footage_of_an_unknown_time_is_refused_with_what_to_do() {
    let site = Site::new();
    let (mut h, register) = site.gate(&form(an_hour_ago()), "", false);
    let bus = bus(&h);
    h.set_src_caps_str(CAPS);
    assert!(h.push(frame(0)).is_err());
    let text = error(&bus).unwrap();
    assert!(
        text.contains("FOOTAGE_TIME_UNKNOWN")
            && text.contains("Set footage-start")
            && text.contains("Indiquez dans footage-start"),
        "{text}"
    );
    assert_eq!(register.operations(), ["refuse"]);
}

#[test]
fn c2_time_that_the_camera_wrote_needs_no_declaration_and_outweighs_one() {
    let site = Site::new();
    let from = an_hour_ago();
    let unix: gst::Caps = "timestamp/x-unix".parse().unwrap();
    let timed = |ms: u64| {
        let mut buffer = frame(ms);
        let seconds = u64::try_from(from.as_second()).unwrap();
        let at = gst::ClockTime::from_seconds(seconds) + gst::ClockTime::from_mseconds(ms);
        gst::meta::ReferenceTimestampMeta::add(buffer.make_mut(), &unix, at, None);
        buffer
    };
    let (mut h, _) = site.gate(&form(from), "", false);
    h.set_src_caps_str(CAPS);
    h.push(timed(0)).unwrap();
    h.push(frame(100)).unwrap();
    h.push(timed(1999)).unwrap();
    h.push(timed(2000)).unwrap();
    assert_eq!(received(&mut h), [0, 1999], "the second has no time at all");
    // A false declaration does not bring in what the camera says was filmed later.
    let (mut h, _) = site.gate(&form(from), &format!("footage-start={from}"), false);
    h.set_src_caps_str(CAPS);
    let mut later = timed(5000);
    later.make_mut().set_pts(gst::ClockTime::from_mseconds(100));
    h.push(later).unwrap();
    assert_eq!(received(&mut h), [0u64; 0]);
}

#[test]
fn a_bad_footage_start_is_refused_by_name() {
    let site = Site::new();
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    for bad in [
        "yesterday",
        "2026-11-20",
        "2026-11-20T10:00:00",
        &tomorrow.to_string(),
    ] {
        let gate = gst::parse::launch(&format!(
            "purposegate {}",
            site.mandate(&form(an_hour_ago()))
        ))
        .unwrap();
        gate.set_property("footage-start", bad);
        let bus = gst::Bus::new();
        gate.set_bus(Some(&bus));
        assert!(gate.set_state(gst::State::Paused).is_err(), "{bad}");
        let text = error(&bus).unwrap();
        assert!(
            text.contains("BAD_FOOTAGE_START")
                && text.contains(bad)
                && text.contains("footage-start"),
            "{text}"
        );
        gate.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn f5_what_was_filmed_just_now_is_no_recording_and_j3_what_should_be_erased_is_not_served() {
    let site = Site::new();
    for (ago_s, code) in [(60, "RECORDING_TOO_FRESH"), (40 * 86_400, "OVER_RETENTION")] {
        let start = an_hour_ago() + SignedDuration::from_secs(3600 - ago_s);
        let from = start.max(an_hour_ago());
        let (mut h, register) = site.gate(&form(from), &format!("footage-start={start}"), false);
        let bus = bus(&h);
        h.set_src_caps_str(CAPS);
        assert!(h.push(frame(0)).is_err(), "{code}");
        assert_eq!(h.buffers_received(), 0);
        assert!(error(&bus).unwrap().contains(code), "{code}");
        assert_eq!(register.operations(), ["refuse"]);
        assert_eq!(register.refusals(code), 1);
    }
}

#[test]
fn f5_an_old_image_from_a_live_source_is_held_and_recorded_once() {
    let site = Site::new();
    let (mut h, register) = site.live_view();
    h.set_src_caps_str(CAPS);
    let now = u64::try_from(Timestamp::now().as_second()).unwrap();
    for (ms, age) in [(0, 0), (100, 3600), (200, 3600), (300, 0)] {
        let mut frame = frame(ms);
        gst::meta::ReferenceTimestampMeta::add(
            frame.make_mut(),
            &"timestamp/x-unix".parse().unwrap(),
            gst::ClockTime::from_seconds(now - age),
            None,
        );
        h.push(frame).unwrap();
    }
    assert_eq!(received(&mut h), [0, 300]);
    // Beside the frames: none of them waits for a disk.
    for _ in 0..600 {
        if register.operations().len() > 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(register.operations(), ["consult", "refuse"]);
    assert_eq!(register.refusals("DEFERRED_SOURCE"), 1);
}
