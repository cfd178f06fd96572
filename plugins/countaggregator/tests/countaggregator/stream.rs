// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events, queries, messages and a whole pipeline.

use super::*;

#[test]
fn only_our_own_events_pass_and_in_order() {
    let file = site(SITE);
    let e = element(&file);
    e.set_property("window", 60_000_000_000u64);
    let mut h = harness(&e, Some(purpose(60)));
    let mut tags = gst::TagList::new();
    tags.get_mut()
        .unwrap()
        .add::<gst::tags::GeoLocationName>(&"rue de la Gare", gst::TagMergeMode::Append);
    assert!(h.push_event(gst::event::Tag::new(tags)));
    let other = gst::Structure::new_empty("someone-elses");
    assert!(h.push_event(gst::event::CustomDownstreamSticky::new(other)));
    push(&mut h, 0, 95, &[]);
    assert!(h.push_event(gst::event::Eos::new()));
    assert!(h.push_event(gst::event::FlushStart::new()));
    assert!(h.push_event(gst::event::FlushStop::new(true)));
    let events: Vec<_> = std::iter::from_fn(|| h.try_pull_event())
        .map(|e| e.type_())
        .collect();
    use gst::EventType::*;
    assert_eq!(
        events,
        [
            StreamStart,
            Caps,
            Segment,
            CustomDownstreamSticky,
            Eos,
            FlushStart,
            FlushStop
        ]
    );
    assert_eq!(
        Purpose::on_pad(&e.static_pad("src").unwrap().peer().unwrap()),
        Some(purpose(60))
    );
    assert_eq!(
        e.static_pad("src")
            .unwrap()
            .current_caps()
            .unwrap()
            .to_string(),
        "application/x-json, format=(string)privacy-counts"
    );
}

#[test]
fn the_audit_passes_downstream_and_the_proof_upstream() {
    let file = site(SITE);
    let e = element(&file);
    let source = gst::Pad::builder(gst::PadDirection::Src)
        .name("gate")
        .query_function(|_, _, query| {
            let asked = Proof::asked(query);
            if let Some(session) = &asked {
                Proof {
                    session: session.clone(),
                    frames_in: 7,
                    ..Proof::default()
                }
                .answer(query);
            }
            asked.is_some()
        })
        .build();
    let register = gst::Pad::builder(gst::PadDirection::Sink)
        .name("register")
        .query_function(|_, _, query| {
            let note = PathNote::read(query);
            let ours = note.counter
                && note.elements == [concat!("countaggregator ", env!("CARGO_PKG_VERSION"))];
            AuditAnswer::Durable(41).write(query);
            ours
        })
        .build();
    let sink = e.request_pad_simple("sink_%u").unwrap();
    let src = e.static_pad("src").unwrap();
    source.link(&sink).unwrap();
    src.link(&register).unwrap();
    for pad in [&source, &sink, &src, &register] {
        pad.set_active(true).unwrap();
    }
    let request = AuditRequest {
        session: "s".into(),
        purpose: "stats.traffic_counts".into(),
        operation: "window_published".into(),
        entry: "{}".into(),
    };
    let mut query = request.to_query();
    let answered = source.peer_query(&mut query);
    assert_eq!(
        AuditAnswer::read(&query, answered),
        AuditAnswer::Durable(41)
    );
    let proof = Proof::ask(&register, "s").expect("the gate answers");
    assert_eq!((proof.session.as_str(), proof.frames_in), ("s", 7));
}

#[test]
fn the_latency_is_that_of_the_cameras_and_not_the_publication_delay() {
    let file = site(SITE);
    let e = element(&file);
    let mut h = harness(&e, Some(purpose(60)));
    h.set_upstream_latency(gst::ClockTime::from_mseconds(70));
    let mut query = gst::query::Latency::new();
    assert!(e.static_pad("src").unwrap().query(&mut query));
    let (_, min, max) = query.result();
    assert_eq!((min, max), (gst::ClockTime::from_mseconds(70), None));
}

#[test]
fn messages_survive_their_structure() {
    init();
    use gstcountaggregator::window::Discard;
    for discarded in [None, Some(Discard::Start), Some(Discard::Unscanned)] {
        let message = WindowClosed {
            camera: "cam-12".into(),
            from: "2026-11-21T10:00:00Z".into(),
            to: "2026-11-21T10:20:00Z".into(),
            discarded,
        };
        let s = gst::Structure::from(&message);
        assert_eq!(WindowClosed::try_from(s.as_ref()).unwrap(), message);
        for field in s.fields() {
            let mut cut = s.clone();
            cut.remove_field(field);
            assert!(
                WindowClosed::try_from(cut.as_ref()).is_err(),
                "without {field}"
            );
        }
    }
}

#[test]
fn a_pipeline_without_a_detector_ends_with_nothing_counted() {
    init();
    let file = site(SITE);
    for _ in 0..2 {
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=63,height=47 ! \
             countaggregator name=c config={} sink_0::camera=cam-13 start-time=2026-11-21T10:00:00Z ! \
             fakesink name=s signal-handoffs=true",
            file.path().display()
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        let sink = pipeline.by_name("s").unwrap();
        sink.connect("handoff", false, |_| panic!("nothing may be published"));
        for _ in 0..2 {
            pipeline.set_state(gst::State::Playing).unwrap();
            let bus = pipeline.bus().unwrap();
            let end = bus.timed_pop_filtered(
                gst::ClockTime::from_seconds(60),
                &[gst::MessageType::Eos, gst::MessageType::Error],
            );
            assert_eq!(end.map(|m| m.type_()), Some(gst::MessageType::Eos));
            let stats = pipeline
                .by_name("c")
                .unwrap()
                .property::<gst::Structure>("stats");
            assert_eq!(stats.get::<u64>("unscanned"), Ok(30));
            assert_eq!(stats.get::<u64>("windows-published"), Ok(0));
            pipeline.set_state(gst::State::Null).unwrap();
        }
    }
}
