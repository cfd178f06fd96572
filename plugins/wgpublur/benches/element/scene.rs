// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is on the frames: boxes that move, and the stamp of the detector that found them.

use gst_video::{VideoFormat, VideoInfo, VideoRegionOfInterestMeta};
use privacy_common::ScanStamp;

/// Boxes on frames of one size. They move from frame to frame and never overlap.
#[derive(Debug, Clone)]
pub struct Scene {
    pub info: VideoInfo,
    /// Left, top, width, height at rest; all even, so that a mask of them covers exactly them.
    boxes: Vec<[u32; 4]>,
    /// How far a box swings down from where it rests.
    swing: u32,
}

impl Scene {
    /// 10 people on 1080p, who cover 5 % of it.
    pub fn ten_on_1080p() -> Self {
        let boxes = (0..10).map(|i| [40 + 188 * i, 200 + 60 * (i % 5), 72, 144]);
        Self {
            info: info(VideoFormat::Nv12, 1920, 1080),
            boxes: boxes.collect(),
            swing: 120,
        }
    }

    /// 100 people on 4K, of 40 × 80 to 112 × 188 pixels.
    pub fn hundred_on_4k() -> Self {
        let boxes = (0..100).map(|i| {
            let (column, row) = (i % 10, i / 10);
            let (width, height) = (40 + 8 * ((i * 7) % 10), 80 + 12 * ((i * 3) % 10));
            [8 + 384 * column, 4 + 216 * row, width, height]
        });
        Self {
            info: info(VideoFormat::Nv12, 3840, 2160),
            boxes: boxes.collect(),
            swing: 20,
        }
    }

    /// Nobody: for elements that mask whole frames, or that find people themselves.
    pub fn empty_1080p(format: VideoFormat) -> Self {
        Self {
            info: info(format, 1920, 1080),
            boxes: Vec::new(),
            swing: 0,
        }
    }

    pub fn caps(&self) -> String {
        format!(
            "video/x-raw,format={},width={},height={},framerate=30/1,colorimetry=bt709",
            self.info.format(),
            self.info.width(),
            self.info.height()
        )
    }

    /// The boxes on frame `number`.
    pub fn boxes(&self, number: u64) -> impl Iterator<Item = [u32; 4]> + '_ {
        let period = u64::from(self.swing.max(1));
        self.boxes
            .iter()
            .zip(0u64..)
            .map(move |(&[x, y, w, h], i)| {
                // Two pixels a frame, down and up again, each box at its own moment.
                let at = (number * 2 + i * 14) % (2 * period);
                let down = at.min(2 * period - at).min(u64::from(self.swing));
                [x, y + (down as u32 & !1), w, h]
            })
    }

    /// Puts the boxes of frame `number` and the scan stamp on a frame, as a detector with a tracker does.
    pub fn stamp(&self, number: u64, buffer: &mut gst::BufferRef) {
        for (rect, track) in self.boxes(number).zip(1..) {
            let [x, y, w, h] = rect;
            VideoRegionOfInterestMeta::add(buffer, "person", (x, y, w, h)).set_id(track);
        }
        ScanStamp {
            detector: "bench".into(),
            model: "0".repeat(64),
            classes: vec!["person".into(), "car".into()],
            threshold: 0.3,
            found: self.boxes.len() as u32,
            width: self.info.width(),
            height: self.info.height(),
            pts: buffer.pts(),
            ..Default::default()
        }
        .write(buffer);
    }
}

fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
    VideoInfo::builder(format, width, height)
        .fps(gst::Fraction::new(30, 1))
        .build()
        .expect("a size that every format has")
}

/// Fills a frame with a texture of its own: a gradient under noise, no flat area, no row like another.
pub fn paint(number: u64, pixels: &mut [u8]) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ (number + 1);
    for (i, eight) in pixels.chunks_mut(8).enumerate() {
        // xorshift64: not for secrets, and quick.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let base = ((i as u64 * 8 + number * 4099) >> 9) as u8;
        for (byte, noise) in eight.iter_mut().zip(state.to_le_bytes()) {
            *byte = base.wrapping_add(noise >> 2);
        }
    }
}
