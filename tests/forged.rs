// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stamps written by an element that neither looked nor masked: what the gates take away, what the exit holds, and
//! what nobody can tell. The README says the same in a table.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use gst::prelude::*;
use gst_privacy_tests::{init, site::Site};
use privacy_common::{MaskStamp, ScanStamp};

const FRAMES: u64 = 5;

/// The stamps that a detector and a mask would have written on this frame.
fn perfect(pts: Option<gst::ClockTime>) -> (Option<ScanStamp>, Option<MaskStamp>) {
    let classes = ["person", "bicycle", "car", "motorcycle", "bus", "truck"].map(str::to_owned);
    let scan = ScanStamp {
        detector: "onnxdetector".into(),
        model: "ab".repeat(32),
        classes: classes.to_vec(),
        threshold: 0.3,
        pts,
        width: 64,
        height: 48,
        ..ScanStamp::default()
    };
    let mask = MaskStamp {
        classes: vec![MaskStamp::EVERY_CLASS.into()],
        method: "pixelate".into(),
        cells: 6,
        pts,
        ..MaskStamp::default()
    };
    (Some(scan), Some(mask))
}

/// What came of a run.
struct Run {
    /// Frames that left the exit gate.
    left: u64,
    /// Of them, masked whole.
    whole: u64,
    /// What the register says in the end.
    closing: serde_json::Value,
}

/// Frames through `forger ! entry ! between ! exit`, or with the forger behind the entry when `behind`.
fn run(
    behind: bool,
    between: &str,
    forge: impl Fn(Option<gst::ClockTime>) -> (Option<ScanStamp>, Option<MaskStamp>)
    + Send
    + Sync
    + 'static,
) -> Run {
    init();
    let site = Site::new();
    let (before, after) = if behind {
        ("identity", "identity name=forger")
    } else {
        ("identity name=forger", "identity")
    };
    let text = format!(
        "videotestsrc num-buffers={FRAMES} ! video/x-raw,format=NV12,width=64,height=48,framerate=25/1,pixel-aspect-ratio=1/1 \
         ! {before} ! purposegate purpose=comm.public_publication mandate={} trusted-keys={} camera=cam-12 operator=a-0417 \
         sink-class=file ! {after} ! {between} ! purposegate name=exit stage=exit ! auditsink register={} location={}",
        site.text("mandates/publication.biscuit"),
        site.text("keys/authority.pub"),
        site.text("register"),
        site.text("out.raw"),
    );
    let pipeline = gst::parse::launch(&text)
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    let pad = |name: &str| pipeline.by_name(name).unwrap().static_pad("src").unwrap();
    pad("forger").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let frame = info.buffer_mut().unwrap().make_mut();
        let (scan, mask) = forge(frame.pts());
        if let Some(scan) = scan {
            scan.write(frame);
        }
        if let Some(mask) = mask {
            mask.write(frame);
        }
        gst::PadProbeReturn::Ok
    });
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let seen = counts.clone();
    pad("exit").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let stamp = MaskStamp::read(info.buffer().unwrap());
        seen[0].fetch_add(1, Ordering::SeqCst);
        seen[1].fetch_add(
            stamp.is_some_and(|s| s.whole_frame).into(),
            Ordering::SeqCst,
        );
        gst::PadProbeReturn::Ok
    });
    let bus = pipeline.bus().unwrap();
    let _ = pipeline.set_state(gst::State::Playing);
    let end = bus
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(60),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .unwrap_or_else(|| panic!("no end within a minute\n{text}"));
    assert!(
        matches!(end.view(), gst::MessageView::Eos(_)),
        "{:?}",
        end.view()
    );
    pipeline.set_state(gst::State::Null).unwrap();
    site.verify().unwrap();
    Run {
        left: counts[0].load(Ordering::SeqCst),
        whole: counts[1].load(Ordering::SeqCst),
        closing: site.entries().pop().unwrap(),
    }
}

#[test]
fn stamps_written_before_the_entry_gate_are_taken_away() {
    let run = run(false, "identity", perfect);
    assert_eq!(run.left, 0);
    assert_eq!(
        run.closing["anonymisation"]["mask_failures"], FRAMES,
        "{}",
        run.closing
    );
}

#[test]
fn a_forged_scan_before_the_entry_gate_does_not_reach_the_mask() {
    let run = run(false, "wgpublur backend=cpu", |pts| (perfect(pts).0, None));
    assert_eq!((run.left, run.whole), (FRAMES, FRAMES));
}

/// Whatever the exit can compare, it does.
#[test]
fn stamps_forged_between_the_gates_and_wrong_in_one_thing_are_held() {
    type Spoil = fn(&mut Option<ScanStamp>, &mut Option<MaskStamp>);
    const SPOILT: &[(&str, Spoil)] = &[
        ("no mask stamp", |_, mask| *mask = None),
        ("no scan stamp", |scan, _| *scan = None),
        ("the mask of another frame", |_, mask| {
            mask.as_mut().unwrap().pts = Some(gst::ClockTime::from_seconds(100));
        }),
        ("the mask of no frame", |_, mask| {
            mask.as_mut().unwrap().pts = None;
        }),
        ("a scan of another moment", |scan, _| {
            scan.as_mut().unwrap().pts = Some(gst::ClockTime::from_seconds(100));
        }),
        ("a scan that saw more than it could say", |scan, _| {
            scan.as_mut().unwrap().overflow = true;
        }),
        ("a scan that did not look for trucks", |scan, _| {
            scan.as_mut().unwrap().classes.pop();
        }),
        ("a mask of persons alone", |_, mask| {
            mask.as_mut().unwrap().classes = vec!["person".into()];
        }),
        ("a mask that can be undone", |_, mask| {
            mask.as_mut().unwrap().method = "invert".into();
        }),
        ("a mask by nobody knows what", |_, mask| {
            mask.as_mut().unwrap().method = String::new();
        }),
        ("cells too fine", |_, mask| {
            mask.as_mut().unwrap().cells = 64;
        }),
        ("one object left clear", |_, mask| {
            mask.as_mut().unwrap().clear = 1;
        }),
    ];
    for (what, spoil) in SPOILT {
        let run = run(true, "identity", |pts| {
            let (mut scan, mut mask) = perfect(pts);
            spoil(&mut scan, &mut mask);
            (scan, mask)
        });
        assert_eq!(run.left, 0, "{what}: frames left");
        assert_eq!(
            run.closing["anonymisation"]["mask_failures"], FRAMES,
            "{what}: {}",
            run.closing
        );
    }
}

/// A scan stamp that promises detections, without them: the mask covers everything.
#[test]
fn detections_that_a_stamp_counts_and_that_are_not_there_mask_the_whole_frame() {
    let run = run(true, "wgpublur backend=cpu", |pts| {
        let (mut scan, _) = perfect(pts);
        scan.as_mut().unwrap().found = 3;
        (scan, None)
    });
    assert_eq!((run.left, run.whole), (FRAMES, FRAMES));
}

/// The limit, and this test is there so that nobody believes otherwise: the gate does not look at pixels. What an
/// element between the gates writes without a fault is believed, and the register names the model it claims.
#[test]
fn what_is_forged_between_the_gates_without_a_fault_leaves() {
    let run = run(true, "identity", perfect);
    assert_eq!((run.left, run.whole), (FRAMES, 0));
    assert_eq!(run.closing["anonymisation"]["mask_failures"], 0);
}
