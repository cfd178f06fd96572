// SPDX-License-Identifier: MIT OR Apache-2.0
//! At the entry.

use gst::prelude::*;
use gstpurposegate::Message;
use jiff::{SignedDuration, Timestamp};
use privacy_common::{AuditAnswer, AuditRequest, MaskStamp, Purpose, ScanStamp};

use crate::site::{CAPS, Register, Site, bus, error, frame, init};

#[test]
fn an_entry_gate_opens_once_and_every_frame_of_a_list_is_judged() {
    let site = Site::new();
    let (mut h, register) = site.live_view();
    h.set_src_caps_str(CAPS);
    h.push(frame(0)).unwrap();
    let mut list = gst::BufferList::new();
    for n in 1..4 {
        list.get_mut().unwrap().add(frame(100 * n));
    }
    let source = h
        .element()
        .unwrap()
        .static_pad("sink")
        .unwrap()
        .peer()
        .unwrap();
    source.push_list(list).unwrap();
    assert_eq!(h.buffers_received(), 4);
    assert_eq!(register.operations(), ["consult"]);
    let stats: gst::Structure = h.element().unwrap().property("stats");
    assert_eq!(stats.get::<u64>("frames-in").unwrap(), 4);
}

#[test]
fn a_source_that_goes_on_after_the_refusal_writes_no_second_refusal() {
    let site = Site::new();
    let gate = gst::parse::launch(&format!(
        "purposegate {}",
        site.mandate(&Site::form("vp.live_view.public_road"))
    ))
    .unwrap();
    let operations = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let asked = operations.clone();
    gate.static_pad("src").unwrap().add_probe(
        gst::PadProbeType::QUERY_DOWNSTREAM,
        move |_, info| {
            let Some(query) = info.query_mut() else {
                return gst::PadProbeReturn::Ok;
            };
            let Some(Ok(request)) = AuditRequest::from_query(query) else {
                return gst::PadProbeReturn::Ok;
            };
            let refusal = request.operation == "refuse";
            asked.lock().unwrap().push(request.operation);
            if refusal {
                AuditAnswer::Durable(1).write(query);
            } else {
                AuditAnswer::Failed("full".into()).write(query);
            }
            gst::PadProbeReturn::Handled
        },
    );
    let mut h = gst_check::Harness::with_element(&gate, Some("sink"), Some("src"));
    h.set_src_caps_str(CAPS);
    for n in 0..3 {
        assert!(h.push(frame(n)).is_err());
    }
    assert_eq!(h.buffers_received(), 0);
    assert_eq!(*operations.lock().unwrap(), ["consult", "refuse"]);
}

#[test]
fn j1_a_stream_without_caps_is_refused_and_recorded() {
    let site = Site::new();
    let (mut h, register) = site.live_view();
    let bus = bus(&h);
    h.push_event(gst::event::StreamStart::new("file"));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    h.push_event(gst::event::Segment::new(&segment));
    assert!(h.push(frame(0)).is_err());
    assert_eq!(h.buffers_received(), 0);
    assert_eq!(register.operations(), ["refuse"]);
    assert!(error(&bus).unwrap().contains("UNKNOWN_MEDIA"));
}

#[test]
fn j1_sound_that_comes_later_is_refused_and_recorded() {
    let site = Site::new();
    let (mut h, register) = site.live_view();
    let bus = bus(&h);
    h.set_src_caps_str(CAPS);
    h.push(frame(0)).unwrap();
    let sound: gst::Caps = "audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved"
        .parse()
        .unwrap();
    h.push_event(gst::event::Caps::new(&sound));
    assert!(h.push(frame(100)).is_err());
    assert_eq!(h.buffers_received(), 1);
    assert_eq!(register.operations(), ["consult", "refuse"]);
    assert!(register.last().contains("SOUND"), "{}", register.last());
    assert!(error(&bus).unwrap().contains("SOUND"));
}

#[test]
fn stamps_from_before_the_entry_prove_nothing() {
    let site = Site::new();
    let (mut h, _) = site.live_view();
    h.set_src_caps_str(CAPS);
    let mut stamped = frame(0);
    ScanStamp::default().write(stamped.make_mut());
    MaskStamp {
        whole_frame: true,
        ..Default::default()
    }
    .write(stamped.make_mut());
    h.push(stamped).unwrap();
    let out = h.pull().unwrap();
    assert_eq!(
        (ScanStamp::read(&out), MaskStamp::read(&out)),
        (None, None),
        "whoever masked it knew nothing of this purpose"
    );
}

#[test]
fn c6_two_gates_at_the_entry_let_nothing_through_and_record_it() {
    let site = Site::new();
    let gate = format!(
        "purposegate {}",
        site.mandate(&Site::form("vp.live_view.public_road"))
    );
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc is-live=true num-buffers=5 ! {CAPS} ! {gate} ! {gate} ! fakesink name=s"
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let sink = pipeline.by_name("s").unwrap().static_pad("sink").unwrap();
    let register = Register::on(&sink);
    let frames = count(&sink);
    pipeline.set_state(gst::State::Playing).unwrap();
    let text = wait_for_error(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(text.contains("TWO_PURPOSES"), "{text}");
    assert_eq!(*frames.lock().unwrap(), 0);
    assert_eq!(register.operations(), ["consult", "refuse"]);
}

fn count(pad: &gst::Pad) -> std::sync::Arc<std::sync::Mutex<u32>> {
    let frames = std::sync::Arc::new(std::sync::Mutex::new(0));
    let counted = frames.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        *counted.lock().unwrap() += 1;
        gst::PadProbeReturn::Ok
    });
    frames
}

fn wait_for_error(pipeline: &gst::Pipeline) -> String {
    let bus = pipeline.bus().unwrap();
    loop {
        let message = bus
            .timed_pop(gst::ClockTime::from_seconds(60))
            .expect("an error comes");
        match message.view() {
            gst::MessageView::Error(e) => return e.error().to_string(),
            gst::MessageView::Eos(_) => panic!("the stream ended without an error"),
            _ => {}
        }
    }
}

#[test]
fn b3_a_branch_linked_around_the_exit_while_playing_stops_the_stream() {
    let site = Site::new();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc pattern=black ! {CAPS} ! identity sleep-time=20000 ! \
         purposegate name=entry {} ! tee name=t ! queue ! \
         purposegate stage=exit ! fakesink name=s async=false",
        site.mandate(&Site::form("comm.public_publication"))
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let sink = pipeline.by_name("s").unwrap().static_pad("sink").unwrap();
    let register = Register::on(&sink);
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_seconds(60)).unwrap();
        match message.view() {
            gst::MessageView::Element(e)
                if matches!(
                    e.structure().map(Message::try_from),
                    Some(Ok(Message::Opened { .. }))
                ) =>
            {
                break;
            }
            gst::MessageView::Error(e) => panic!("{e:?}"),
            _ => {}
        }
    }
    let leak = gst::ElementFactory::make("fakesink")
        .name("leak")
        .property("async", false)
        .property("sync", false)
        .build()
        .unwrap();
    pipeline.add(&leak).unwrap();
    leak.sync_state_with_parent().unwrap();
    pipeline.by_name("t").unwrap().link(&leak).unwrap();
    let text = wait_for_error(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(
        text.contains("UNGUARDED_PATH") && text.contains("leak"),
        "{text}"
    );
    assert_eq!(register.operations()[0], "publish");
    assert_eq!(register.refusals("UNGUARDED_PATH"), 1);
}

#[test]
fn a_fifo_a_folder_or_an_empty_file_is_refused_and_blocks_nobody() {
    let site = Site::new();
    let made = std::process::Command::new("mkfifo")
        .arg(site.path("fifo"))
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::write(site.path("empty"), "").unwrap();
    std::fs::write(site.path("binary"), [0xff, 0, 0x80, 7].repeat(1000)).unwrap();
    // An error that quotes this name holds a NUL, where C strings end.
    std::fs::write(site.path("nul"), "\"a\\u0000b\" = 1\n").unwrap();
    std::fs::write(site.path("huge"), vec![b'a'; 3 << 20]).unwrap();
    std::os::unix::fs::symlink(site.path("nowhere"), site.path("dangling")).unwrap();
    let good = site.mandate(&Site::form("vp.live_view.public_road"));
    for property in ["mandate", "trusted-keys", "rules-file"] {
        for bad in ["fifo", ".", "empty", "binary", "nul", "huge", "dangling"] {
            if (property, bad) == ("trusted-keys", ".") {
                // A folder of keys is what it takes.
                continue;
            }
            let gate = gst::parse::launch(&format!("purposegate {good}")).unwrap();
            gate.set_property(property, site.text(bad));
            let bus = gst::Bus::new();
            gate.set_bus(Some(&bus));
            let (sender, ended) = std::sync::mpsc::channel();
            let starting = gate.clone();
            std::thread::spawn(move || {
                sender.send(starting.set_state(gst::State::Paused)).unwrap();
            });
            let started = ended
                .recv_timeout(std::time::Duration::from_secs(60))
                .unwrap_or_else(|_| panic!("{property}={bad} blocks the start"));
            assert!(started.is_err(), "{property}={bad}");
            let text = error(&bus).unwrap();
            assert!(
                text.contains(property) || text.contains("BAD_SIGNATURE"),
                "{property}={bad}: {text}"
            );
            gate.set_state(gst::State::Null).unwrap();
        }
    }
}

#[test]
fn c8_an_endless_property_does_not_keep_the_refusal_out_of_the_register() {
    let site = Site::new();
    for property in ["purpose", "camera", "operator", "mandate", "footage-start"] {
        let good = site.mandate(&Site::form("vp.live_view.public_road"));
        let gate = gst::parse::launch(&format!("purposegate {good}")).unwrap();
        gate.set_property(property, "é".repeat(100_000));
        let register = Register::on(&gate.static_pad("src").unwrap());
        // Linked, so that the query has a way to go.
        let sink = gst::ElementFactory::make("fakesink").build().unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&gate, &sink]).unwrap();
        gate.link(&sink).unwrap();
        assert!(pipeline.set_state(gst::State::Paused).is_err());
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(register.operations(), ["refuse"], "{property}");
        let length = register.last().len();
        assert!(length < 32 * 1024, "{property}: an entry of {length} bytes");
    }
}

#[test]
fn a_refusal_says_whether_it_is_in_the_register() {
    init();
    for (recorded, sink) in [(false, false), (true, true)] {
        let gate = gst::ElementFactory::make("purposegate").build().unwrap();
        let fake = gst::ElementFactory::make("fakesink").build().unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&gate, &fake]).unwrap();
        gate.link(&fake).unwrap();
        if sink {
            Register::on(&gate.static_pad("src").unwrap());
        }
        assert!(pipeline.set_state(gst::State::Paused).is_err());
        let bus = pipeline.bus().unwrap();
        let said = std::iter::from_fn(|| bus.pop()).find_map(|m| {
            let s = m.structure()?.to_owned();
            (s.name() == "purposegate").then(|| s.get::<bool>("recorded").unwrap())
        });
        assert_eq!(said, Some(recorded));
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_mandate_that_ends_before_the_first_frame_opens_nothing() {
    let site = Site::new();
    let mut form = Site::form("vp.live_view.public_road");
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    form.valid_to = now + SignedDuration::from_secs(2);
    let (mut h, register) = site.gate(&form, "", true);
    h.set_src_caps_str(CAPS);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert!(h.push(frame(0)).is_err());
    assert_eq!(register.operations(), ["refuse"]);
    assert!(register.last().contains("EXPIRED_MANDATE"));
}

#[test]
fn the_purpose_stands_on_the_pad_after_a_flush_and_a_seek() {
    let site = Site::new();
    let (mut h, register) = site.live_view();
    h.set_src_caps_str(CAPS);
    h.push(frame(0)).unwrap();
    h.push_event(gst::event::FlushStart::new());
    h.push_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    h.push_event(gst::event::Segment::new(&segment));
    h.push(frame(500)).unwrap();
    assert_eq!(register.operations(), ["consult"], "one session");
    let pad = h.element().unwrap().static_pad("src").unwrap();
    assert_eq!(
        Purpose::on_pad(&pad).unwrap().purpose,
        "vp.live_view.public_road"
    );
}

#[test]
fn c1_live_viewing_with_a_file_on_a_branch_is_refused() {
    let site = Site::new();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc is-live=true num-buffers=5 ! {CAPS} ! purposegate {} ! tee name=t \
         t. ! queue ! fakesink name=s async=false t. ! queue ! filesink async=false location={}",
        site.mandate(&Site::form("vp.live_view.public_road")),
        site.text("copy.raw"),
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let register = Register::on(&pipeline.by_name("s").unwrap().static_pad("sink").unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let text = wait_for_error(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(text.contains("EXTRACTION_NOT_FREE"), "{text}");
    assert!(!text.contains("NO_REGISTER"), "{text}");
    assert_eq!(register.operations(), ["refuse"]);
    let copied = std::fs::metadata(site.path("copy.raw")).map_or(0, |m| m.len());
    assert_eq!(copied, 0);
}

#[test]
fn an_error_says_that_the_refusal_is_in_no_register() {
    init();
    let gate = gst::ElementFactory::make("purposegate").build().unwrap();
    let bus = gst::Bus::new();
    gate.set_bus(Some(&bus));
    assert!(gate.set_state(gst::State::Paused).is_err());
    let text = error(&bus).unwrap();
    assert!(
        text.starts_with("UNKNOWN_PURPOSE") && text.contains("NO_REGISTER"),
        "{text}"
    );
    gate.set_state(gst::State::Null).unwrap();
}

#[test]
fn h2_images_larger_than_statistics_need_are_refused() {
    let site = Site::new();
    let raw = |w, h| format!("video/x-raw,format=NV12,width={w},height={h},framerate=10/1");
    let too_large = |caps: &str| {
        let (mut h, register) = site.gate(&Site::form("stats.traffic_counts"), "", true);
        let bus = bus(&h);
        h.set_src_caps_str(caps);
        let _ = h.push(frame(0));
        let told = error(&bus).unwrap_or_default();
        (register.refusals("RESOLUTION"), told)
    };
    assert_eq!(too_large(&raw(1920, 1080)).0, 0);
    for wide in [raw(1922, 1080), raw(1920, 1082)] {
        let (entries, told) = too_large(&wide);
        assert_eq!(entries, 1, "{told}");
        assert!(
            told.contains("RESOLUTION") && told.contains("1920×1080"),
            "{told}"
        );
    }
    let (entries, told) = too_large("video/x-h264");
    assert_eq!(entries, 1, "nobody knows how large these are: {told}");
}
