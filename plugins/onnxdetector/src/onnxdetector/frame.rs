// SPDX-License-Identifier: MIT OR Apache-2.0
//! From GStreamer's description of a frame to the one of [`crate::preprocess`].

use gst_video::{
    VideoChromaSite, VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameExt, VideoFrameRef,
    VideoInfo,
};

use crate::preprocess::{Component, Format, Yuv};

/// Formats that can be read.
pub const FORMATS: [VideoFormat; 10] = [
    VideoFormat::Nv12,
    VideoFormat::I420,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Xrgb,
    VideoFormat::Xbgr,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
];

/// How the samples of frames with these caps make a colour.
pub fn format(info: &VideoInfo) -> Format {
    let site = info.chroma_site();
    let colorimetry = info.colorimetry();
    Format {
        steps: std::array::from_fn(|c| info.comp_pstride(c as u8).unsigned_abs() as usize),
        yuv: info.is_yuv().then(|| Yuv {
            kr_kb: match colorimetry.matrix() {
                VideoColorMatrix::Bt709 => (0.2126, 0.0722),
                VideoColorMatrix::Bt2020 => (0.2627, 0.0593),
                VideoColorMatrix::Smpte240m => (0.212, 0.087),
                VideoColorMatrix::Fcc => (0.30, 0.11),
                _ => (0.299, 0.114),
            },
            cosited_across: site.contains(VideoChromaSite::H_COSITED),
            cosited_down: site.contains(VideoChromaSite::V_COSITED),
        }),
        full_range: match colorimetry.range() {
            VideoColorRange::Range0_255 => true,
            VideoColorRange::Range16_235 => false,
            _ => !info.is_yuv(),
        },
    }
}

/// The components of a frame; `None` when its rows are stored in a way that cannot be read.
pub fn components<'a>(frame: &'a VideoFrameRef<&gst::BufferRef>) -> Option<[Component<'a>; 3]> {
    // A negative stride (rows from bottom to top) would be read as a huge one.
    if frame.plane_stride().iter().any(|&stride| stride < 0) {
        return None;
    }
    let component = |c: u32| {
        Some(Component {
            data: frame.comp_data(c).ok()?,
            stride: usize::try_from(frame.comp_stride(c)).ok()?,
        })
    };
    Some([component(0)?, component(1)?, component(2)?])
}
