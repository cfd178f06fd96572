// SPDX-License-Identifier: MIT OR Apache-2.0

use gst_video::{VideoFormat, VideoInfo};
use privacy_shaders::gpu::GpuError;

use super::*;
use crate::{
    backend::tests::{give_up, working},
    wgpublur::Overload,
};

const SIDE: u32 = 32;

fn session(masker: Masker, in_flight: u32) -> Session {
    let settings = Settings {
        in_flight,
        ..Settings::default()
    };
    let what = What::load(&settings).unwrap();
    let mut session = Session::new(masker, what, &settings);
    let info = VideoInfo::builder(VideoFormat::Gray8, SIDE, SIDE)
        .fps(gst::Fraction::new(25, 1))
        .build()
        .unwrap();
    session.set_info(&info).unwrap();
    session
}

fn frame(number: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(vec![77u8; (SIDE * SIDE) as usize]);
    let b = buffer.get_mut().unwrap();
    b.set_pts(gst::ClockTime::from_mseconds(40 * number));
    gst_video::VideoRegionOfInterestMeta::add(b, "person", (4, 4, 8, 8));
    ScanStamp {
        classes: vec!["person".into()],
        found: 1,
        pts: b.pts(),
        width: SIDE,
        height: SIDE,
        ..Default::default()
    }
    .write(b);
    buffer
}

#[test]
fn gpu_frames_in_flight_when_it_fails_leave_masked_as_a_whole_or_not_at_all() {
    gst::init().unwrap();
    privacy_common::init();
    let test = "gpu_frames_in_flight_when_it_fails_leave_masked_as_a_whole_or_not_at_all";
    let late = || GpuError::Timeout(Duration::from_secs(2));
    let lost = || GpuError::Lost("gone".into());
    for (why, on_overload, reason) in [
        (lost(), Overload::Drop, Some("backend-failure")),
        (late(), Overload::Frame, Some("too-slow")),
        (late(), Overload::Drop, None),
        (late(), Overload::Error, None),
    ] {
        let Some(masker) = working(test, false) else {
            return;
        };
        let live = Live {
            on_overload,
            ..Settings::default().live
        };
        let mut session = session(masker, 4);
        assert!(session.is_delayed());
        assert_eq!(
            session.delay(),
            (gst::ClockTime::from_mseconds(120), Some(3))
        );
        for number in 0..3 {
            session.wait(frame(number), &live).unwrap();
            assert!(session.next(&live, false).unwrap().is_none());
        }
        give_up(&mut session.masker, why);
        assert_eq!(
            session.delay().0,
            gst::ClockTime::ZERO,
            "the CPU keeps none waiting"
        );
        if on_overload == Overload::Error {
            assert!(matches!(
                session.next(&live, true),
                Err(Failure::Overload(Reason::TooSlow))
            ));
            continue;
        }
        for number in 0..3 {
            let next = session.next(&live, true).unwrap().unwrap();
            match (next, reason) {
                (Next::Frame(buffer, handled), Some(reason)) => {
                    let stamp = handled.stamp.unwrap();
                    assert_eq!(stamp.reason, reason);
                    assert!(stamp.whole_frame && stamp.regions == 0);
                    assert_eq!(buffer.pts().unwrap().mseconds(), 40 * number);
                    let pixels = buffer.map_readable().unwrap();
                    assert!(pixels.iter().all(|p| *p != 77), "frame {number}");
                }
                (Next::Dropped(handled), None) => assert!(handled.stamp.is_none()),
                (next, _) => panic!("{next:?}"),
            }
        }
        session.wait(frame(3), &live).unwrap();
        let next = session.next(&live, false).unwrap();
        let Some(Next::Frame(_, handled)) = next else {
            panic!("{next:?}")
        };
        assert_eq!(handled.stamp.unwrap().regions, 1, "the CPU goes on");
    }
}

#[test]
fn a_session_forgets_frames_of_other_caps() {
    gst::init().unwrap();
    privacy_common::init();
    let masker = Masker::open(crate::wgpublur::Backend::Cpu, "").unwrap();
    let settings = Settings {
        lookahead: gst::ClockTime::SECOND,
        ..Settings::default()
    };
    let mut session = Session::new(masker, What::load(&settings).unwrap(), &settings);
    let live = &settings.live;
    assert!(matches!(session.wait(frame(0), live), Err(Failure::NoCaps)));
    let info = |format| VideoInfo::builder(format, SIDE, SIDE).build().unwrap();
    session.set_info(&info(VideoFormat::Gray8)).unwrap();
    session.wait(frame(0), live).unwrap();
    session.set_info(&info(VideoFormat::Gray8)).unwrap();
    assert!(session.is_waiting(), "the same caps again");
    session.set_info(&info(VideoFormat::Gray16Le)).unwrap_err();
    assert!(!session.is_waiting());
    assert!(matches!(session.wait(frame(1), live), Err(Failure::NoCaps)));
}
