// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between GStreamer's frames and those of `privacy_shaders`.

use gst_video::{
    VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo, prelude::*,
};
use privacy_shaders::{Colorimetry, Format, Frame, FrameError, Matrix, Plane, Range};

/// Formats that can be masked.
pub const FORMATS: [(VideoFormat, Format); 10] = [
    (VideoFormat::Nv12, Format::Nv12),
    (VideoFormat::I420, Format::I420),
    (VideoFormat::Rgbx, Format::Rgbx),
    (VideoFormat::Bgrx, Format::Bgrx),
    (VideoFormat::Xrgb, Format::Xrgb),
    (VideoFormat::Xbgr, Format::Xbgr),
    (VideoFormat::Rgba, Format::Rgba),
    (VideoFormat::Bgra, Format::Bgra),
    (VideoFormat::Argb, Format::Argb),
    (VideoFormat::Abgr, Format::Abgr),
];

/// Format, width and height; `None` for a format that cannot be masked.
pub fn geometry(info: &VideoInfo) -> Option<(Format, u32, u32)> {
    let (_, format) = FORMATS.iter().find(|(f, _)| *f == info.format())?;
    Some((*format, info.width(), info.height()))
}

/// Time from one frame to the next by the frame rate, or `otherwise`.
pub fn duration(info: &VideoInfo, otherwise: gst::ClockTime) -> gst::ClockTime {
    let fps = info.fps();
    match (u64::try_from(fps.numer()), u64::try_from(fps.denom())) {
        (Ok(n), Ok(d)) if n > 0 => gst::ClockTime::SECOND
            .mul_div_floor(d, n)
            .unwrap_or(otherwise),
        _ => otherwise,
    }
}

/// Why a mapped frame cannot be masked.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A format that the pad templates do not allow.
    #[error("format {0} cannot be masked")]
    Format(VideoFormat),
    /// A video meta says another size than the caps.
    #[error("it is {0}x{1} pixels in a stream of {2}x{3}")]
    Size(u32, u32, u32, u32),
    /// Rows run upwards.
    #[error("plane {plane} has a stride of {stride} bytes; put videoconvert in front")]
    Stride {
        /// Number of the plane.
        plane: usize,
        /// Its stride.
        stride: i32,
    },
    /// The memory does not hold the frame.
    #[error("{0}")]
    Frame(#[from] FrameError),
}

/// The pixels of a mapped frame of a stream.
pub fn view<'a>(
    frame: &'a mut VideoFrameRef<&mut gst::BufferRef>,
    stream: &VideoInfo,
) -> Result<Frame<'a>, ViewError> {
    let (format, width, height) =
        geometry(frame.info()).ok_or(ViewError::Format(frame.format()))?;
    // A video meta may say otherwise than the caps, and regions were made by the caps: what lies
    // beyond them would stay clear.
    if (width, height, frame.format()) != (stream.width(), stream.height(), stream.format()) {
        return Err(ViewError::Size(
            width,
            height,
            stream.width(),
            stream.height(),
        ));
    }
    let mut strides = [0usize; 3];
    for (plane, stride) in strides.iter_mut().enumerate().take(format.planes()) {
        let given = frame.plane_stride()[plane];
        *stride = usize::try_from(given).map_err(|_| ViewError::Stride {
            plane,
            stride: given,
        })?;
    }
    let planes = frame
        .planes_data_mut()
        .into_iter()
        .zip(strides)
        .take(format.planes())
        .map(|(data, stride)| Plane { data, stride });
    Ok(Frame::new(format, width, height, planes)?.with_colorimetry(colorimetry(stream)))
}

fn colorimetry(info: &VideoInfo) -> Colorimetry {
    let given = info.colorimetry();
    Colorimetry {
        matrix: match given.matrix() {
            // BT.2020 is nearer to BT.709 than to BT.601; it moves a fill colour only.
            VideoColorMatrix::Bt709 | VideoColorMatrix::Bt2020 => Matrix::Bt709,
            _ => Matrix::Bt601,
        },
        range: match given.range() {
            VideoColorRange::Range0_255 => Range::Full,
            _ => Range::Limited,
        },
    }
}

/// Makes sure that the pixels of a buffer live in memory of its own.
///
/// Memory that hangs on a parent buffer may be the parent's: writing would not reach it, or would be
/// seen by whoever else holds the parent. Memory shared in the ordinary way is copied by GStreamer
/// when it is mapped for writing.
pub fn own_pixels(buffer: &mut gst::BufferRef) -> Result<(), glib::BoolError> {
    if buffer.meta::<gst::meta::ParentBufferMeta>().is_none() {
        return Ok(());
    }
    for i in 0..buffer.n_memory() {
        let copy = {
            let memory = buffer.peek_memory(i);
            let map = memory.map_readable()?;
            gst::Memory::from_slice(map.as_slice().to_vec())
        };
        buffer.replace_memory(i, copy);
    }
    Ok(())
}
