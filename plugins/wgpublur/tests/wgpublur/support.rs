// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share: an element in a harness, frames, stamps and purposes.

use std::{cell::Cell, sync::Once};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoRegionOfInterestMeta, prelude::*};
use gstwgpublur::Notice;
use privacy_common::{DetectorUse, Mask, MaskMethod, MaskStamp, Purpose, ScanStamp, SinkClass};

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstwgpublur::plugin_register_static().unwrap();
    });
}

/// An element on the CPU in a harness, with frames of one format.
pub struct Bench {
    pub harness: gst_check::Harness,
    pub element: gst::Element,
    pub bus: gst::Bus,
    pub info: VideoInfo,
}

impl Bench {
    pub fn new(format: VideoFormat, width: u32, height: u32, settings: &str) -> Self {
        init();
        let info = VideoInfo::builder(format, width, height)
            .fps(gst::Fraction::new(25, 1))
            .build()
            .unwrap();
        let mut harness = gst_check::Harness::new_empty();
        harness.add_parse(&format!("wgpublur name=blur backend=cpu {settings}"));
        let element = harness.element().unwrap();
        let element = match element.downcast::<gst::Bin>() {
            Ok(bin) => bin.by_name("blur").unwrap(),
            Err(element) => element,
        };
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        harness.set_src_caps(info.to_caps().unwrap());
        SIZE.set((width, height));
        Self {
            harness,
            element,
            bus,
            info,
        }
    }

    /// Goes on with frames of other caps.
    pub fn set_info(&mut self, info: VideoInfo) {
        SIZE.set((info.width(), info.height()));
        self.harness.set_src_caps(info.to_caps().unwrap());
        self.info = info;
    }

    /// A frame with a pattern that has no flat area.
    pub fn frame(&self, number: u64) -> gst::Buffer {
        let pixels: Vec<u8> = (0..self.info.size())
            .map(|i| ((i * 37 + i / 251 * 11) % 251) as u8)
            .collect();
        let mut buffer = gst::Buffer::from_slice(pixels);
        {
            let buffer = buffer.get_mut().unwrap();
            buffer.set_pts(gst::ClockTime::from_mseconds(40 * number));
            buffer.set_duration(gst::ClockTime::from_mseconds(40));
        }
        buffer
    }

    /// A frame that a detector looked at and found `boxes` on.
    pub fn scanned(&self, number: u64, boxes: &[(u32, u32, u32, u32)]) -> gst::Buffer {
        let mut buffer = self.frame(number);
        let b = buffer.make_mut();
        for &rect in boxes {
            VideoRegionOfInterestMeta::add(b, "person", rect);
        }
        scan(b, boxes.len() as u32).write(b);
        buffer
    }

    pub fn run(&mut self, buffer: gst::Buffer) -> gst::Buffer {
        self.harness.push_and_pull(buffer).unwrap()
    }

    pub fn notices(&self) -> Vec<Notice> {
        std::iter::from_fn(|| self.bus.pop_filtered(&[gst::MessageType::Element]))
            .filter_map(|m| Notice::try_from(m.structure()?).ok())
            .collect()
    }

    /// Which pixels of the first plane differ, as (x, y).
    pub fn changed(&self, before: &gst::Buffer, after: &gst::Buffer) -> Vec<(u32, u32)> {
        let before =
            gst_video::VideoFrameRef::from_buffer_ref_readable(before, &self.info).unwrap();
        let after = gst_video::VideoFrameRef::from_buffer_ref_readable(after, &self.info).unwrap();
        let pixel = self.info.comp_pstride(0) as usize;
        let mut changed = Vec::new();
        for y in 0..self.info.height() {
            for x in 0..self.info.width() {
                let at = |f: &gst_video::VideoFrameRef<&gst::BufferRef>| {
                    let start = y as usize * f.plane_stride()[0] as usize + x as usize * pixel;
                    f.plane_data(0).unwrap()[start..start + pixel].to_vec()
                };
                if at(&before) != at(&after) {
                    changed.push((x, y));
                }
            }
        }
        changed
    }
}

thread_local! {
    /// Of the frames of this test: a stamp names the size of the frame that was looked at.
    static SIZE: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

pub fn scan(buffer: &gst::BufferRef, found: u32) -> ScanStamp {
    let (width, height) = SIZE.get();
    ScanStamp {
        width,
        height,
        detector: "test".into(),
        classes: vec!["person".into(), "car".into()],
        found,
        pts: buffer.pts(),
        ..Default::default()
    }
}

pub fn purpose(required_mask: Mask, detector_use: DetectorUse) -> Purpose {
    Purpose {
        session: "s".into(),
        purpose: "comm.public_publication".into(),
        mandate_digest: "00".into(),
        rules_version: "test".into(),
        camera: "cam".into(),
        operator: "a-1".into(),
        sink_class: SinkClass::Public,
        required_mask,
        mask_classes: vec!["person".into()],
        mask_method: MaskMethod::Any,
        one_clear: false,
        detector_use,
        classes: vec![],
        statistics: None,
        expires: i64::MAX,
    }
}

pub fn bytes(buffer: &gst::Buffer) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

pub fn stamp(buffer: &gst::Buffer) -> MaskStamp {
    MaskStamp::read(buffer).expect("every frame that leaves is stamped")
}
