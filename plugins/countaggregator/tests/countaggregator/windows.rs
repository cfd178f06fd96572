// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is published, when, and what is not.

use super::*;

#[test]
fn windows_are_published_after_their_delay_and_hold_no_small_counts() {
    let file = site(SITE);
    let element = element(&file);
    element.set_property("window", 60_000_000_000u64);
    let bus = with_bus(&element);
    let mut h = harness(&element, Some(purpose(60)));
    // Six cross in the first minute, one in the second, two within a second of each other in the third.
    push(&mut h, 0, 60, &[2, 7, 12, 17, 22, 27]);
    push(&mut h, 60, 89, &[70]);
    assert!(pull(&mut h).is_empty(), "nothing before the delay is over");
    push(&mut h, 89, 91, &[]);
    let first = pull(&mut h);
    let [(buffer, line)] = &first[..] else {
        panic!("one window: {first:?}")
    };
    assert_eq!(buffer.pts(), Some(gst::ClockTime::from_seconds(60)));
    assert_eq!(buffer.duration(), Some(gst::ClockTime::from_seconds(60)));
    println!("{line}");
    assert!(line.contains(
        r#""window":{"from":"2026-11-21T10:00:00Z","to":"2026-11-21T10:01:00Z"},"camera":"cam-12""#
    ));
    assert!(line.contains(r#"{"name":"gare","class":"pedestrian","forward":0,"backward":6}"#));
    assert!(line.contains(r#"{"name":"gare","class":"car","forward":0,"backward":0}"#));
    // The purpose allows bicycles and this detector sees none; it sees no vans and none are allowed.
    assert!(
        line.contains(
            r#"{"name":"gare","class":"bicycle","field":"forward","reason":"unsupported"}"#
        )
    );
    assert!(line.contains(
        r#"{"name":"gare","class":"van","field":"forward","reason":"not allowed by the purpose"}"#
    ));
    assert!(line.contains(r#""totals":[{"name":"gare","forward":0,"backward":6}]"#));
    assert!(line.contains(r#""min_count":5,"rules_version":"2026-11","purpose":"stats.traffic_counts","session":"00000000-0000-4000-8000-000000000001"}"#));
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1);

    push(&mut h, 91, 180, &[130, 131]);
    assert!(h.push_event(gst::event::Eos::new()));
    let rest = pull(&mut h);
    assert_eq!(
        rest.len(),
        2,
        "at the end whole windows are published at once"
    );
    for (_, line) in &rest {
        assert!(
            line.contains(r#"{"name":"gare","class":"pedestrian","forward":0,"backward":null}"#),
            "{line}"
        );
        assert!(line.contains(
            r#"{"name":"gare","class":"pedestrian","field":"backward","reason":"below min-count"}"#
        ));
        assert!(line.contains(r#""totals":[{"name":"gare","forward":0,"backward":null}]"#));
        assert!(line.contains(r#"{"name":"parvis","class":"pedestrian","mean":null}"#));
    }
    let closed = messages(&bus);
    assert_eq!(closed.len(), 3);
    assert!(
        closed
            .iter()
            .all(|c| c.camera == "cam-12" && c.discarded.is_none())
    );
    assert_eq!(element.property::<u64>("windows"), 3);
}

#[test]
fn without_a_purpose_the_legal_floors_hold() {
    let file = site(&SITE.replace("cam-12", "sink_0"));
    let e = element(&file);
    e.set_property("window", 899_000_000_000u64);
    let text = refusal(&e, None);
    assert!(
        text.contains("899 s") && text.contains("900 s") && text.contains("propriété"),
        "{text}"
    );

    let e = element(&file);
    e.set_property("window", 900_000_000_000u64);
    let mut h = harness(&e, None);
    push(&mut h, 0, 1199, &[2, 12, 22, 32, 42]);
    assert!(pull(&mut h).is_empty(), "the legal delay is 300 s");
    push(&mut h, 1199, 1201, &[]);
    let lines = pull(&mut h);
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].1.contains(r#""forward":0,"backward":5}"#),
        "{}",
        lines[0].1
    );
    assert!(
        lines[0]
            .1
            .contains(r#""rules_version":null,"purpose":null,"session":null}"#)
    );
}

#[test]
fn a_restart_in_the_middle_of_a_window_discards_it() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("window", 60_000_000_000u64);
    e.set_property("start-time", "2026-11-21T10:00:30+01:00");
    for round in 0..2 {
        let bus = with_bus(&e);
        let mut h = harness(&e, Some(purpose(60)));
        push(&mut h, 0, 29, &[1, 6, 11]);
        // 09:00:59; the next whole window begins at 09:01:00.
        push(&mut h, 29, 130, &[40, 45, 50, 55, 60]);
        assert!(h.push_event(gst::event::Eos::new()));
        let lines = pull(&mut h);
        assert_eq!(lines.len(), 1, "round {round}");
        assert!(
            lines[0].1.contains(r#""from":"2026-11-21T09:01:00Z""#),
            "{}",
            lines[0].1
        );
        assert!(lines[0].1.contains(r#""backward":5}"#), "{}", lines[0].1);
        assert_eq!(lines[0].0.pts(), Some(gst::ClockTime::from_seconds(90)));
        let closed: Vec<_> = messages(&bus)
            .into_iter()
            .map(|c| c.discarded.map(|d| d.nick()))
            .collect();
        assert_eq!(closed, [Some("start"), None, Some("stop")]);
        let stats = e.property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("windows-published"), Ok(1));
        assert_eq!(stats.get::<u64>("windows-discarded"), Ok(2));
        assert_eq!(stats.get::<u64>("frames"), Ok(520));
        drop(h);
        e.set_state(gst::State::Null).unwrap();
        for pad in e.sink_pads() {
            e.release_request_pad(&pad);
        }
        assert_eq!(e.property::<u64>("windows"), 0);
    }
}

#[test]
fn frames_without_a_stamp_count_nothing() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("window", 60_000_000_000u64);
    let bus = with_bus(&e);
    let mut h = harness(&e, Some(purpose(60)));
    let mut at = gst::ClockTime::ZERO;
    for i in 0..240u32 {
        // People everywhere, and one frame in ten without a stamp.
        h.push(frame(at, &[person(i * 40 % 700)], i % 10 != 0))
            .unwrap();
        at += FRAME;
    }
    assert!(h.push_event(gst::event::Eos::new()));
    assert!(pull(&mut h).is_empty());
    assert_eq!(
        messages(&bus)[0].discarded.map(|d| d.nick()),
        Some("unscanned")
    );
    let stats = e.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("unscanned"), Ok(24));
}

#[test]
fn looks_that_overflow_or_are_stale_are_none() {
    let file = site(SITE);
    type Case<'a> = (&'a dyn Fn(&mut ScanStamp, gst::ClockTime), u64);
    let cases: [Case; 5] = [
        (&|_, _| {}, 0),
        (&|s, _| s.overflow = true, 8),
        (&|s, _| (s.predicted, s.pts) = (true, None), 8),
        // The look at the first frame, carried on: fresh for two seconds.
        (
            &|s, _| (s.predicted, s.pts) = (true, Some(gst::ClockTime::ZERO)),
            0,
        ),
        (
            &|s, at| (s.predicted, s.pts) = (true, Some(at - gst::ClockTime::from_seconds(3))),
            8,
        ),
    ];
    for (spoil, unscanned) in cases {
        let e = element(&file);
        e.set_property("window", 60_000_000_000u64);
        let mut h = harness(&e, Some(purpose(60)));
        for i in 0..8 {
            let at = i * FRAME + gst::ClockTime::from_seconds(10);
            let mut buffer = frame(at, &[], false);
            let mut stamp = stamp(at);
            spoil(&mut stamp, at);
            if stamp.pts == Some(gst::ClockTime::ZERO) {
                stamp.pts = Some(gst::ClockTime::from_seconds(10));
            }
            stamp.write(buffer.get_mut().unwrap());
            h.push(buffer).unwrap();
        }
        let stats = e.property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("unscanned"), Ok(unscanned));
    }
}

#[test]
fn a_flush_spoils_the_window_and_nothing_is_told_twice() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("window", 60_000_000_000u64);
    let bus = with_bus(&e);
    let mut h = harness(&e, Some(purpose(60)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    push(&mut h, 0, 100, &[1, 6, 11]);
    let first = pull(&mut h);
    assert_eq!(first.len(), 1);
    // Back to the beginning, and through it again.
    assert!(h.push_event(gst::event::FlushStart::new()));
    assert!(h.push_event(gst::event::FlushStop::new(true)));
    assert!(h.push_event(gst::event::Segment::new(&segment)));
    push(&mut h, 0, 200, &[1, 6, 11]);
    assert!(h.push_event(gst::event::Eos::new()));
    let rest = pull(&mut h);
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert!(
        rest[0].1.contains(r#""from":"2026-11-21T10:02:00Z""#),
        "{}",
        rest[0].1
    );
    let closed: Vec<_> = messages(&bus)
        .into_iter()
        .map(|c| c.discarded.map(|d| d.nick()))
        .collect();
    assert_eq!(closed, [None, Some("interrupted"), None, Some("stop")]);
}

#[test]
fn two_cameras_share_one_output_and_one_end() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("window", 60_000_000_000u64);
    let pads: Vec<_> = (0..2)
        .map(|_| e.request_pad_simple("sink_%u").unwrap())
        .collect();
    pads[1].set_property("camera", "cam-13");
    let mut a = Harness::with_element(&e, Some("sink_0"), Some("src"));
    let mut b = Harness::with_element(&e, Some("sink_1"), None);
    for (h, camera) in [(&mut a, "cam-12"), (&mut b, "cam-13")] {
        h.set_src_caps(caps());
        assert!(
            h.push_event(
                Purpose {
                    camera: camera.into(),
                    ..purpose(60)
                }
                .to_event()
            )
        );
    }
    a.play();
    push(&mut a, 0, 60, &[1, 6, 11, 16, 21]);
    push(&mut b, 0, 60, &[1, 6, 11, 16, 21, 26, 31]);
    assert!(a.push_event(gst::event::Eos::new()));
    let lines = pull(&mut a);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].1.contains(r#""camera":"cam-12""#) && lines[0].1.contains(r#""backward":5}"#));
    let ended = |h: &mut Harness| {
        std::iter::from_fn(|| h.try_pull_event()).any(|e| e.type_() == gst::EventType::Eos)
    };
    assert!(!ended(&mut a), "the other camera goes on");
    assert!(b.push_event(gst::event::Eos::new()));
    let lines = pull(&mut a);
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].1.contains(r#""camera":"cam-13""#) && lines[0].1.contains(r#""backward":7}"#),
        "{}",
        lines[0].1
    );
    assert!(ended(&mut a));
}

#[test]
fn one_camera_is_never_counted_twice() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("window", 60_000_000_000u64);
    let bus = with_bus(&e);
    let pads: Vec<_> = (0..2)
        .map(|_| e.request_pad_simple("sink_%u").unwrap())
        .collect();
    let mut a = Harness::with_element(&e, Some("sink_0"), Some("src"));
    let mut b = Harness::with_element(&e, Some("sink_1"), None);
    for h in [&mut a, &mut b] {
        h.set_src_caps(caps());
        h.push_event(purpose(60).to_event());
    }
    let text = error(&bus).expect("refused");
    assert!(
        text.contains("\"cam-12\"") && text.contains("sink_0"),
        "{text}"
    );
    push(&mut a, 0, 5, &[]);
    let pushed = b.push(frame(gst::ClockTime::ZERO, &[], true));
    assert_eq!(pushed, Err(gst::FlowError::Error));
    // The camera is free again once its pad is gone.
    drop(a);
    e.release_request_pad(&pads[0]);
    b.push_event(
        Purpose {
            session: "another".into(),
            ..purpose(60)
        }
        .to_event(),
    );
    let pushed = b.push(frame(gst::ClockTime::ZERO, &[], true));
    assert_eq!(pushed, Ok(gst::FlowSuccess::Ok));
}

#[test]
fn a_live_camera_takes_the_time_of_the_clock() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("start-time", None::<&str>);
    e.set_property("window", 60_000_000_000u64);
    let before = jiff::Timestamp::now();
    let bus = with_bus(&e);
    let mut h = harness(&e, Some(purpose(60)));
    push(&mut h, 0, 190, &[]);
    let before_the_end = pull(&mut h).len();
    assert!((1..=2).contains(&before_the_end));
    // The end is not a way around the publication delay.
    assert!(h.push_event(gst::event::Eos::new()));
    assert!(pull(&mut h).is_empty());
    let closed = messages(&bus);
    let from: jiff::Timestamp = closed[0].from.parse().unwrap();
    let since = before.duration_since(from).as_secs();
    assert!((0..=60).contains(&since), "{since}");
    assert_eq!(from.as_second() % 60, 0, "aligned to UTC");
}

/// The next pad of a camera goes on where the one before stopped, also with footage that begins again.
#[test]
fn a_released_camera_is_not_told_twice() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("window", 60_000_000_000u64);
    let bus = with_bus(&e);
    let first = e.request_pad_simple("sink_%u").unwrap();
    let second = e.request_pad_simple("sink_%u").unwrap();
    let mut a = Harness::with_element(&e, Some("sink_0"), Some("src"));
    let mut b = Harness::with_element(&e, Some("sink_1"), None);
    a.set_src_caps(caps());
    a.push_event(purpose(60).to_event());
    a.play();
    push(&mut a, 0, 95, &[1, 6, 11, 16, 21]);
    assert_eq!(pull(&mut a).len(), 1);
    e.release_request_pad(&first);
    b.set_src_caps(caps());
    b.push_event(purpose(60).to_event());
    push(&mut b, 0, 130, &[]);
    b.push_event(gst::event::Eos::new());
    let told: Vec<String> = messages(&bus)
        .into_iter()
        .filter(|c| c.discarded.is_none())
        .map(|c| c.from)
        .collect();
    assert_eq!(told, ["2026-11-21T10:00:00Z", "2026-11-21T10:01:00Z"]);
    drop(second);
}

/// Two elements on one camera, 60 s and 90 s: the difference would be a window of 30 s.
#[test]
fn windows_of_two_lengths_do_not_tell_a_shorter_one() {
    let file = site(SITE);
    let (one, other) = (element(&file), element(&file));
    one.set_property("window", 60_000_000_000u64);
    other.set_property("window", 90_000_000_000u64);
    let mut h = harness(&one, Some(purpose(60)));
    push(&mut h, 0, 2, &[]);
    let text = refusal(&other, Some(purpose(60)));
    assert!(
        text.contains("60 s") && text.contains("90 s") && text.contains("`window`"),
        "{text}"
    );
    one.set_state(gst::State::Null).unwrap();
    let bus = with_bus(&other);
    other.set_state(gst::State::Null).unwrap();
    for pad in other.sink_pads() {
        other.release_request_pad(&pad);
    }
    let mut h = harness(&other, Some(purpose(60)));
    push(&mut h, 0, 2, &[]);
    assert_eq!(error(&bus), None);
}
