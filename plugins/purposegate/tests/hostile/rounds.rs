// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changes while images flow: mandates, lists of what was withdrawn, streams, properties.

use std::{fs, path::Path, time::Duration};

use gst::prelude::*;
use gst_check::Harness;
use gstpurposegate::Message;
use jiff::{SignedDuration, Timestamp};
use privacy_policy::Form;

use crate::site::{CAPS, Register, Site, bus, frame};

const LIVE: &str = "vp.live_view.public_road";
const EMPTY: &str = "version = 1\n";

/// The first of the gate's messages that `wanted` takes, within a minute.
fn wait(bus: &gst::Bus, wanted: impl Fn(&Message) -> bool) -> Message {
    loop {
        let message = bus
            .timed_pop_filtered(
                gst::ClockTime::from_seconds(60),
                &[gst::MessageType::Element],
            )
            .expect("the gate says something within a minute");
        let said = message.structure().map(Message::try_from);
        if let Some(Ok(said)) = said
            && wanted(&said)
        {
            return said;
        }
    }
}

fn code(message: &Message) -> &str {
    match message {
        Message::Refused { code, .. }
        | Message::Revoked { code, .. }
        | Message::Suspended { code, .. } => code,
        _ => "",
    }
}

/// Takes the place of a file in one step.
fn replace(path: &Path, text: impl AsRef<[u8]>) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

struct Running {
    site: Site,
    h: Harness,
    register: Register,
    bus: gst::Bus,
    form: Form,
}

/// A gate that lets frames in, with an empty list of what was withdrawn.
fn running(deny_action: &str) -> Running {
    let site = Site::new();
    fs::write(site.path("revoked.toml"), EMPTY).unwrap();
    let form = Site::form(LIVE);
    let more = format!(
        "deny-action={deny_action} revocation-file={}",
        site.text("revoked.toml")
    );
    let (mut h, register) = site.gate(&form, &more, true);
    let bus = bus(&h);
    h.set_src_caps_str(CAPS);
    h.push(frame(0)).unwrap();
    assert_eq!(h.buffers_received(), 1);
    Running {
        site,
        h,
        register,
        bus,
        form,
    }
}

fn withdrawn(form: &Form) -> String {
    format!(
        "{EMPTY}[[revoked]]\nmandate_id = \"{}\"\ndate = 2026-11-20T10:00:00+01:00\nby = \"DGS\"\nreason = \"Called off.\"\n",
        form.mandate_id
    )
}

/// After the end, each deny action lets out what it says.
fn ends_as(run: &mut Running, deny_action: &str, expected: &str) {
    for n in 0..2 {
        let pushed = run.h.push(frame(1000 + n));
        match deny_action {
            "error" => assert_eq!(pushed, Err(gst::FlowError::Error)),
            "eos" => assert_eq!(pushed, Err(gst::FlowError::Eos)),
            _ => assert!(pushed.is_ok()),
        }
    }
    let out = if deny_action == "black" { 3 } else { 1 };
    assert_eq!(run.h.buffers_received(), out, "{deny_action} {expected}");
    run.h.pull().unwrap();
    if deny_action == "black" {
        let black = run.h.pull().unwrap();
        assert!(black.map_readable().unwrap()[..64].iter().all(|&y| y == 16));
    }
    let mut ends = 0;
    while let Some(event) = run.h.try_pull_event() {
        ends += u32::from(event.type_() == gst::EventType::Eos);
    }
    assert_eq!(ends, u32::from(deny_action == "eos"));
    assert_eq!(run.register.refusals(expected), 1, "one end, one entry");
    let errors = std::iter::from_fn(|| run.bus.pop_filtered(&[gst::MessageType::Error])).count();
    assert_eq!(errors, usize::from(deny_action == "error"));
    let gate = run.h.element().unwrap();
    let decision: gst::Structure = gate.property("decision");
    assert_eq!(decision.get::<&str>("code").unwrap(), expected);
}

#[test]
fn a_withdrawn_mandate_ends_every_stream_that_runs_on_it_without_a_frame() {
    for deny_action in ["error", "drop", "black", "eos"] {
        let mut run = running(deny_action);
        replace(&run.site.path("revoked.toml"), withdrawn(&run.form));
        // No frame comes: the gate looks by itself.
        let said = wait(&run.bus, |m| matches!(m, Message::Revoked { .. }));
        assert_eq!(code(&said), "REVOKED_MANDATE");
        let gate = run.h.element().unwrap();
        assert_eq!(gate.property::<String>("state"), "revoked");
        // Taking the line out again opens nothing.
        replace(&run.site.path("revoked.toml"), EMPTY);
        ends_as(&mut run, deny_action, "REVOKED_MANDATE");
    }
}

#[test]
fn a_list_that_is_missing_or_cannot_be_read_refuses_at_the_start_and_later() {
    for broken in [None, Some("version = 2\n"), Some("revoked = 1")] {
        let mut run = running("drop");
        let path = run.site.path("revoked.toml");
        match broken {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => replace(&path, text),
        }
        wait(&run.bus, |m| matches!(m, Message::Revoked { .. }));
        ends_as(&mut run, "drop", "REVOCATION_UNREADABLE");
        let more = format!("revocation-file={}", path.display());
        let gate = format!("purposegate {} {more}", run.site.mandate(&run.form));
        let gate = gst::parse::launch(&gate).unwrap();
        assert!(gate.set_state(gst::State::Paused).is_err());
        gate.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn h16_a_suspension_stops_the_stream_and_its_end_lets_it_go_on() {
    let mut run = running("drop");
    let suspended = format!(
        "{EMPTY}[[suspended]]\nall = true\norder = \"38-2026-0412\"\nby = \"DGS\"\nreason = \"Order.\"\n"
    );
    replace(&run.site.path("revoked.toml"), &suspended);
    let said = wait(&run.bus, |m| matches!(m, Message::Suspended { .. }));
    assert_eq!(code(&said), "SUSPENDED_MANDATE");
    run.h.push(frame(100)).unwrap();
    assert_eq!(run.h.buffers_received(), 1);
    let gate = run.h.element().unwrap();
    assert_eq!(gate.property::<String>("state"), "suspended");
    assert_eq!(run.register.refusals("SUSPENDED_MANDATE"), 1);
    replace(&run.site.path("revoked.toml"), EMPTY);
    wait(&run.bus, |m| matches!(m, Message::Resumed { .. }));
    run.h.push(frame(200)).unwrap();
    assert_eq!(run.h.buffers_received(), 2);
    assert_eq!(gate.property::<String>("state"), "open");
    // Whoever asked for an error gets one.
    let run = running("error");
    replace(&run.site.path("revoked.toml"), suspended);
    let said = wait(&run.bus, |m| matches!(m, Message::Revoked { .. }));
    assert_eq!(code(&said), "SUSPENDED_MANDATE");
}

#[test]
fn a_mandate_that_is_taken_away_or_replaced_by_rubbish_ends_the_stream() {
    for (bad, expected) in [(None, "MANDATE_GONE"), (Some("rubbish"), "BAD_MANDATE")] {
        let mut run = running("drop");
        let path = run.site.path("mandate.biscuit");
        match bad {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => replace(&path, text),
        }
        let said = wait(&run.bus, |m| matches!(m, Message::Revoked { .. }));
        let said = code(&said).to_owned();
        assert!(
            said == expected || bad.is_some() && said == "BAD_SIGNATURE",
            "{said}"
        );
        ends_as(&mut run, "drop", &said);
    }
}

#[test]
fn a_mandate_that_demands_no_less_takes_over_and_may_last_longer() {
    let mut run = running("error");
    let gate = run.h.element().unwrap();
    let before: String = gate.property("expires-at");
    let mut longer = run.form.clone();
    longer.valid_to += SignedDuration::from_hours(1);
    // `mandate` writes the file.
    run.site.mandate(&longer);
    let said = wait(&run.bus, |m| matches!(m, Message::Renewed { .. }));
    run.h.push(frame(100)).unwrap();
    assert_eq!(run.h.buffers_received(), 2);
    let Message::Renewed { expires_at, .. } = said else {
        panic!("{said:?}");
    };
    assert!(expires_at.parse::<Timestamp>().unwrap() >= before.parse().unwrap());
    assert_eq!(run.register.operations(), ["consult", "config"]);
    let pad = gate.static_pad("src").unwrap();
    let declared = privacy_common::Purpose::on_pad(&pad).unwrap();
    assert_eq!(
        declared.mandate_digest,
        gate.property::<gst::Structure>("decision")
            .get::<String>("mandate-digest")
            .unwrap(),
        "the stream carries the new one"
    );
}

#[test]
fn a_mandate_for_something_else_ends_the_stream() {
    let mut run = running("drop");
    let mut other = run.form.clone();
    other.cameras[0].id = "cam-99".into();
    run.site.mandate(&other);
    let said = wait(&run.bus, |m| matches!(m, Message::Revoked { .. }));
    assert_eq!(code(&said), "WRONG_CAMERA");
    ends_as(&mut run, "drop", "WRONG_CAMERA");
}

#[test]
fn a_mandate_that_ends_is_told_before_and_at_its_end_without_a_frame() {
    for deny_action in ["error", "drop", "black", "eos"] {
        let site = Site::new();
        let mut form = Site::form(LIVE);
        form.valid_to = Timestamp::now() + SignedDuration::from_secs(4);
        let (mut h, register) = site.gate(&form, &format!("deny-action={deny_action}"), true);
        let bus = bus(&h);
        h.set_src_caps_str(CAPS);
        h.push(frame(0)).unwrap();
        wait(&bus, |m| matches!(m, Message::Expiring { .. }));
        let said = wait(&bus, |m| matches!(m, Message::Expired { .. }));
        assert!(matches!(said, Message::Expired { reason, .. } if reason == "expired"));
        let mut run = Running {
            site,
            h,
            register,
            bus,
            form,
        };
        ends_as(&mut run, deny_action, "EXPIRED_MANDATE");
    }
}

#[test]
fn another_stream_or_the_same_one_again_does_not_run_on_the_first_ones_decision() {
    for deny_action in ["error", "drop", "black", "eos"] {
        // Another recording.
        let mut run = running(deny_action);
        run.h.push_event(gst::event::StreamStart::new("another"));
        ends_as(&mut run, deny_action, "STREAM_CHANGED");
        // The recording starts again, without a flush.
        let mut run = running(deny_action);
        for n in 1..20 {
            run.h.push(frame(n * 1000)).unwrap();
        }
        while run.h.buffers_received() > 1 && run.h.buffers_in_queue() > 1 {
            run.h.pull().unwrap();
        }
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        run.h.push_event(gst::event::Segment::new(&segment));
        wait(&run.bus, |m| code(m) == "STREAM_CHANGED");
        assert_eq!(run.register.refusals("STREAM_CHANGED"), 1);
    }
}

#[test]
fn the_same_stream_that_is_announced_again_goes_on() {
    let mut run = running("error");
    let sink = run.h.element().unwrap().static_pad("sink").unwrap();
    let again = sink.sticky_event::<gst::event::StreamStart>(0).unwrap();
    run.h.push_event(again.into());
    run.h.set_src_caps_str(CAPS);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(1));
    segment.set_time(gst::ClockTime::from_seconds(1));
    run.h.push_event(gst::event::Segment::new(&segment));
    run.h.push(frame(1000)).unwrap();
    assert_eq!(run.h.buffers_received(), 2);
}

#[test]
fn frames_that_jump_back_belong_to_another_recording() {
    let mut run = running("drop");
    run.h.push(frame(20_000)).unwrap();
    run.h.push(frame(19_960)).unwrap();
    assert_eq!(run.h.buffers_received(), 3, "encoders reorder frames");
    run.h.push(frame(0)).unwrap();
    assert_eq!(run.h.buffers_received(), 3);
    assert_eq!(run.register.refusals("STREAM_CHANGED"), 1);
}

#[test]
fn c6_every_property_is_locked_while_playing_and_each_attempt_is_recorded_once() {
    let mut run = running("error");
    let gate = run.h.element().unwrap();
    let mut names = Vec::new();
    for spec in gate.list_properties() {
        let writable = spec.flags().contains(glib::ParamFlags::WRITABLE);
        if spec.owner_type() != gate.type_() || !writable {
            continue;
        }
        let name = spec.name();
        let before = gate.property_value(name);
        let text = |value: &glib::Value| format!("{:?}", value.transform::<String>().unwrap());
        for _ in 0..3 {
            if let Some(spec) = spec.downcast_ref::<glib::ParamSpecEnum>() {
                let class = spec.enum_class();
                let other = class.values().iter().find(|v| {
                    Some(v.value()) != before.transform::<i32>().ok().and_then(|v| v.get().ok())
                });
                gate.set_property_from_str(name, other.unwrap().nick());
            } else {
                gate.set_property(name, "something else");
            }
            assert_eq!(text(&gate.property_value(name)), text(&before), "{name}");
        }
        names.push(name.to_owned());
    }
    assert!(names.len() >= 15, "{names:?}");
    for name in &names {
        let said = wait(&run.bus, |m| code(m) == "PROPERTY_LOCKED");
        let Message::Refused {
            message_en,
            message_fr,
            recorded,
            ..
        } = said
        else {
            panic!("{said:?}");
        };
        assert!(
            message_en.contains(name) && message_fr.contains(name),
            "{message_en}"
        );
        assert!(recorded);
    }
    assert_eq!(run.register.refusals("PROPERTY_LOCKED"), names.len());
    // The run goes on as it was decided.
    run.h.push(frame(100)).unwrap();
    assert_eq!(run.h.buffers_received(), 2);
    // The value that stands is no change.
    let operator: String = gate.property("operator");
    gate.set_property("operator", operator);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(run.register.refusals("PROPERTY_LOCKED"), names.len());
}

/// The clock of the host cannot be set here, so the session is asked at another time.
#[test]
fn c7_a_clock_that_is_set_back_a_day_ends_both_gates_for_good() {
    use gstpurposegate::{
        opening::{self, Asked},
        session::{Fate, Session},
        sessions,
        watch::Closed,
    };
    let site = Site::new();
    site.mandate(&Site::form(LIVE));
    let asked = Asked {
        purpose: LIVE.into(),
        mandate: site.text("mandate.biscuit"),
        trusted_keys: site.text("authority.pub"),
        camera: "cam-12".into(),
        operator: Site::form(LIVE).operators[0].id.clone(),
        sink_class: Some(privacy_policy::SinkClass::CsuDisplay),
        ..Default::default()
    };
    let now = Timestamp::now();
    let yesterday = now - SignedDuration::from_hours(24);
    let opened = opening::open(&asked, "clock", now).unwrap();
    let purpose = opening::purpose_event(&opened.granted().grant, "clock");
    let entry = Session::new("clock".into(), asked, Some(opened), now);
    let exit = Session::new("exit".into(), Asked::default(), None, now);
    let pad = gst::Pad::new(gst::PadDirection::Src);
    let announced = sessions::announce(&purpose, &pad);
    exit.declare(Some((purpose.clone(), announced.shared().clone())));
    entry.open(purpose, announced);
    for gate in [&exit, &entry] {
        let judge = |now| gate.judge(&frame(0), || None, now).unwrap();
        assert_eq!(judge(now), Fate::Out);
        assert_eq!(judge(yesterday), Fate::Ends(Closed::ClockBack));
        assert!(gate.check(yesterday).is_err());
    }
    // One gate that ends it ends it for both, and no clock that is set right opens it again.
    let refusal = exit.refusal_of(Closed::ClockBack);
    exit.end_all(&refusal);
    for gate in [&exit, &entry] {
        let fate = gate.judge(&frame(40), || None, now).unwrap();
        assert_eq!(fate, Fate::Ends(Closed::Upstream));
        assert_eq!(gate.refusal_of(Closed::Upstream).code, "CLOCK_BACK");
    }
}
