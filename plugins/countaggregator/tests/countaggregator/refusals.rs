// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is refused, and how it is said.

use super::*;

#[test]
fn defaults_are_those_of_a_fresh_object() {
    init();
    let element = gst::ElementFactory::make("countaggregator")
        .build()
        .unwrap();
    for pspec in element.list_properties() {
        if pspec.owner_type() == element.type_() && pspec.name() != "stats" {
            let fresh = element.property_value(pspec.name());
            assert_eq!(
                format!("{fresh:?}"),
                format!("{:?}", pspec.default_value()),
                "{}",
                pspec.name()
            );
        }
    }
    let pad = element.request_pad_simple("sink_%u").unwrap();
    assert_eq!(pad.property::<Option<String>>("camera"), None);
    element.release_request_pad(&pad);
    let factory = gst::ElementFactory::find("countaggregator").unwrap();
    assert_eq!(factory.rank(), gst::Rank::NONE);
    assert_eq!(factory.klass(), "Analyzer/Video");
}

#[test]
fn f9_no_pad_and_no_property_lets_an_image_or_an_alarm_through() {
    init();
    let factory = gst::ElementFactory::find("countaggregator").unwrap();
    for template in factory.static_pad_templates() {
        let video = template
            .caps()
            .iter()
            .any(|s| s.name().starts_with("video/"));
        assert_eq!(video, template.direction() == gst::PadDirection::Sink);
    }
    let element = gst::ElementFactory::make("countaggregator")
        .build()
        .unwrap();
    assert_eq!(element.src_pads().len(), 1);
    for name in [
        "alert-threshold",
        "alert",
        "dwell-time",
        "threshold",
        "speed",
        "reset",
    ] {
        assert!(element.find_property(name).is_none(), "{name}");
    }
}

#[test]
fn bad_properties_and_site_files_refuse_to_start() {
    let good = site(SITE);
    let starts = |set: &dyn Fn(&gst::Element)| {
        let element = element(&good);
        set(&element);
        let bus = with_bus(&element);
        let started = element.set_state(gst::State::Paused);
        let text = error(&bus);
        element.set_state(gst::State::Null).unwrap();
        assert_eq!(started.is_err(), text.is_some());
        text.unwrap_or_default()
    };
    assert_eq!(starts(&|_| {}), "");
    let bad = site("[[camera]]\nname = \"cam-12\"\nalert-threshold = 3\n");
    let nul = site("[[camera]]\nname = \"cam-12\"\n\"a\\u0000b\" = 3\n");
    type Case<'a> = (&'a dyn Fn(&gst::Element), &'a [&'a str]);
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let cases: [Case; 9] = [
        (
            &|e| e.set_property("config", "/dev/zero"),
            &["`config`", "/dev/zero", "plain file"],
        ),
        (
            &|e| e.set_property("config", pipe.to_str().unwrap()),
            &["`config`", "plain file", "readable"],
        ),
        (
            &|e| e.set_property("config", None::<&str>),
            &["`config`", "not set", "propriété"],
        ),
        (
            &|e| e.set_property("config", "/nowhere/site.toml"),
            &["`config`", "/nowhere/site.toml", "readable"],
        ),
        (
            &|e| e.set_property("config", bad.path().to_str().unwrap()),
            &["line 3, column 1", "alert-threshold", "ligne 3"],
        ),
        (
            &|e| e.set_property("config", nul.path().to_str().unwrap()),
            &["line 3, column 1", "a\u{fffd}b"],
        ),
        (
            &|e| e.set_property("min-count", 2u32),
            &["`min-count`: 2", "min-count=3", "plancher"],
        ),
        (&|e| e.set_property("min-count", 0u32), &["`min-count`: 0"]),
        (
            &|e| e.set_property("start-time", "yesterday"),
            &[
                "`start-time`",
                "yesterday",
                "2026-11-21T10:00:00Z",
                "RFC 3339",
            ],
        ),
    ];
    for (set, parts) in cases {
        let text = starts(set);
        for part in parts {
            assert!(text.contains(part), "{part} in: {text}");
        }
    }
}

#[test]
fn what_a_purpose_or_the_law_does_not_allow_is_an_error() {
    let file = site(SITE);
    let with_window = |seconds: u64| {
        let e = element(&file);
        e.set_property("window", seconds * 1_000_000_000);
        e
    };
    let text = refusal(&with_window(60), Some(purpose(61)));
    assert!(
        text.contains("`window`: 60 s")
            && text.contains("61 s")
            && text.contains("window=61000000000"),
        "{text}"
    );
    let text = refusal(&with_window(100_000), Some(purpose(60)));
    assert!(text.contains("86400 s"), "{text}");
    // No purpose: the legal floors. The pad names the camera.
    let e = with_window(899);
    assert!(refusal(&e, None).contains("no camera \"sink_0\", but: cam-12, cam-13"));
    let e = with_window(899);
    let pad = e.request_pad_simple("sink_0").unwrap();
    pad.set_property("camera", "cam-12");
    e.release_request_pad(&pad);

    let mask = Purpose {
        detector_use: DetectorUse::Mask,
        statistics: None,
        ..purpose(60)
    };
    let text = refusal(&with_window(1200), Some(mask));
    assert!(
        text.contains("\"mask\"")
            && text.contains("stats.traffic_counts")
            && text.contains("finalité"),
        "{text}"
    );
    let nobody = Purpose {
        classes: vec!["face".into()],
        ..purpose(60)
    };
    assert!(refusal(&with_window(1200), Some(nobody)).contains("no class"));
    let elsewhere = Purpose {
        camera: "cam-99".into(),
        ..purpose(60)
    };
    assert!(refusal(&with_window(1200), Some(elsewhere)).contains("no camera \"cam-99\""));
}

#[test]
fn an_unreadable_purpose_is_none_and_a_revoked_one_stops() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("window", 60_000_000_000u64);
    let bus = with_bus(&e);
    let mut h = harness(&e, Some(purpose(60)));
    push(&mut h, 0, 5, &[]);
    // A version of the contract that is not known: as if nothing had been declared.
    let mut s = purpose(60).to_event().structure().unwrap().to_owned();
    s.set("version", 9u32);
    h.push_event(gst::event::CustomDownstreamSticky::new(s));
    assert!(error(&bus).is_some());
    assert_eq!(
        h.push(frame(gst::ClockTime::from_seconds(5), &[], true)),
        Err(gst::FlowError::Error)
    );
    // A purpose that can be read opens again.
    assert!(h.push_event(purpose(60).to_event()));
    assert_eq!(
        h.push(frame(gst::ClockTime::from_seconds(6), &[], true)),
        Ok(gst::FlowSuccess::Ok)
    );
}

#[test]
fn frames_that_cannot_be_placed_are_refused_or_left_out() {
    let file = site(SITE);
    let e = element(&file);
    let bus = with_bus(&e);
    let mut h = harness(&e, Some(purpose(60)));
    // Neither a time before the segment nor none at all counts.
    let mut untimed = frame(gst::ClockTime::ZERO, &[], true);
    untimed.get_mut().unwrap().set_pts(None);
    h.push(untimed).unwrap();
    let stats = e.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("unscanned"), Ok(1));
    let bytes = gst::FormattedSegment::<gst::format::Bytes>::new();
    h.push_event(gst::event::Segment::new(&bytes));
    assert!(error(&bus).is_some_and(|text| text.contains("segment")));

    let e = element(&file);
    let bus = with_bus(&e);
    let mut h = Harness::with_element(&e, Some("sink_%u"), Some("src"));
    h.set_src_caps_str("video/x-raw, format=I420");
    h.push_event(purpose(60).to_event());
    assert!(h.push(frame(gst::ClockTime::ZERO, &[], true)).is_err());
    assert!(error(&bus).is_some_and(|text| text.contains("width and height")));
}
