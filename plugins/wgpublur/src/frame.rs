// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between GStreamer's frames and those of `privacy_shaders`.

use gst_video::{
    VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo, VideoInterlaceMode,
    VideoMeta, VideoMultiviewMode, prelude::*,
};
use privacy_shaders::{Colorimetry, Format, Frame, FrameError, Matrix, Plane, Range};

use crate::regions::Canvas;

/// Formats that can be masked.
pub const FORMATS: [(VideoFormat, Format); 19] = [
    (VideoFormat::Nv12, Format::Nv12),
    (VideoFormat::Nv21, Format::Nv21),
    (VideoFormat::I420, Format::I420),
    (VideoFormat::Yv12, Format::Yv12),
    (VideoFormat::Yuy2, Format::Yuy2),
    (VideoFormat::Uyvy, Format::Uyvy),
    (VideoFormat::P01010le, Format::P010),
    (VideoFormat::Y444, Format::Y444),
    (VideoFormat::Rgb, Format::Rgb),
    (VideoFormat::Bgr, Format::Bgr),
    (VideoFormat::Gray8, Format::Gray8),
    (VideoFormat::Rgbx, Format::Rgbx),
    (VideoFormat::Bgrx, Format::Bgrx),
    (VideoFormat::Xrgb, Format::Xrgb),
    (VideoFormat::Xbgr, Format::Xbgr),
    (VideoFormat::Rgba, Format::Rgba),
    (VideoFormat::Bgra, Format::Bgra),
    (VideoFormat::Argb, Format::Argb),
    (VideoFormat::Abgr, Format::Abgr),
];

/// Why no frame of a stream can be masked. In English and, in brackets, in French.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapsError {
    /// A format that the pad templates do not allow.
    #[error(
        "frames of format {0} cannot be masked; put videoconvert in front \
         (le format {0} ne peut pas être masqué ; insérez videoconvert avant)"
    )]
    Format(VideoFormat),
    /// Two fields in one buffer, or one after the other: two pictures, of which one would be masked.
    #[error(
        "frames of interlace-mode={0} hold one field at a time, and boxes are of whole frames; put \
         deinterlace in front (interlace-mode={0} : trames séparées ; insérez deinterlace avant)"
    )]
    Fields(&'static str),
    /// Two views in one buffer.
    #[error(
        "frames of multiview-mode=separated hold several pictures, of which one would be masked; put \
         one wgpublur behind each camera \
         (plusieurs vues par image ; placez un wgpublur derrière chaque caméra)"
    )]
    Views,
}

/// What frames of a stream are like, or why they cannot be masked.
pub fn canvas(info: &VideoInfo) -> Result<Canvas, CapsError> {
    let interlaced = match info.interlace_mode() {
        VideoInterlaceMode::Progressive => false,
        // A progressive frame among interlaced ones is masked as these are: in larger blocks.
        VideoInterlaceMode::Interleaved | VideoInterlaceMode::Mixed => true,
        VideoInterlaceMode::Fields => return Err(CapsError::Fields("fields")),
        VideoInterlaceMode::Alternate => return Err(CapsError::Fields("alternate")),
        _ => return Err(CapsError::Fields("unknown")),
    };
    if info.multiview_mode() == VideoMultiviewMode::Separated {
        return Err(CapsError::Views);
    }
    let known = FORMATS.iter().find(|(f, _)| *f == info.format());
    let (_, format) = known.ok_or(CapsError::Format(info.format()))?;
    Ok(Canvas {
        format: *format,
        width: info.width(),
        height: info.height(),
        interlaced,
    })
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
    /// Nor can the others of its stream.
    #[error("{0}")]
    Caps(#[from] CapsError),
    /// A video meta of another format than the caps.
    #[error("it is of format {0} in a stream of another")]
    Format(VideoFormat),
    /// A video meta says another size than the caps.
    #[error("it is {0}x{1} pixels in a stream of {2}x{3}")]
    Size(u32, u32, u32, u32),
    /// Two fields, or the views of several eyes.
    #[error("its buffer holds {0} pictures, and one is masked; put deinterlace in front")]
    Pictures(usize),
    /// The memory ends before the frame does.
    #[error("plane {plane} ends at byte {end} of a buffer of {size} bytes")]
    Short {
        /// Number of the plane.
        plane: usize,
        /// Byte after its last sample.
        end: usize,
        /// Bytes of the buffer.
        size: usize,
    },
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

/// Checks that a buffer holds one picture of the stream and all of it, before anything maps it: mapping
/// believes what a video meta says of planes, even when the memory has been cut since.
pub fn check(buffer: &gst::BufferRef, stream: &VideoInfo) -> Result<(), ViewError> {
    let size = buffer.size();
    let metas = buffer.iter_meta::<VideoMeta>().count();
    if metas > 1 {
        return Err(ViewError::Pictures(metas));
    }
    let Some(meta) = buffer.meta::<VideoMeta>() else {
        return if size < stream.size() {
            let (plane, end) = (stream.n_planes() as usize - 1, stream.size());
            Err(ViewError::Short { plane, end, size })
        } else {
            Ok(())
        };
    };
    let Canvas {
        format,
        width,
        height,
        ..
    } = canvas(stream)?;
    if meta.format() != stream.format() {
        return Err(ViewError::Format(meta.format()));
    }
    // Regions were made by the caps: what lies beyond them would stay clear.
    if (meta.width(), meta.height()) != (width, height) {
        return Err(ViewError::Size(meta.width(), meta.height(), width, height));
    }
    if meta.n_planes() as usize != format.planes() {
        return Err(ViewError::Format(meta.format()));
    }
    for (plane, (&offset, &given)) in meta.offset().iter().zip(meta.stride()).enumerate() {
        let stride = usize::try_from(given).map_err(|_| ViewError::Stride {
            plane,
            stride: given,
        })?;
        let (samples, rows) = format.plane_size(plane, width, height);
        let end = offset
            .saturating_add(stride.saturating_mul(rows as usize - 1))
            .saturating_add((samples * format.channels(plane)) as usize);
        // A row longer than the buffer is a mistake, even where there is only one.
        if end.max(stride) > size {
            return Err(ViewError::Short { plane, end, size });
        }
    }
    Ok(())
}

/// The pixels of a mapped frame of a stream.
pub fn view<'a>(
    frame: &'a mut VideoFrameRef<&mut gst::BufferRef>,
    stream: &VideoInfo,
) -> Result<Frame<'a>, ViewError> {
    let Canvas {
        format,
        width,
        height,
        interlaced,
    } = canvas(stream)?;
    if (frame.format(), frame.width(), frame.height()) != (stream.format(), width, height) {
        return Err(ViewError::Size(
            frame.width(),
            frame.height(),
            width,
            height,
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
    Ok(Frame::new(format, width, height, planes)?
        .with_colorimetry(colorimetry(stream))
        .with_interlaced(interlaced))
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

/// Makes sure that the pixels of a checked buffer live in plain memory of its own, each plane in one piece.
///
/// Memory that hangs on a parent buffer may be the parent's: writing would not reach it, or would be seen
/// by whoever else holds the parent. What is written to a private mapping of a file descriptor is lost when
/// it is unmapped, and the clear pixels would come back. Memory shared in the ordinary way is copied by
/// GStreamer when it is mapped for writing.
pub fn own_pixels(buffer: &mut gst::BufferRef) -> Result<(), glib::BoolError> {
    let foreign = buffer.meta::<gst::meta::ParentBufferMeta>().is_some()
        || buffer
            .iter_memories()
            .any(|memory| !PLAIN.iter().any(|kind| memory.is_type(*kind)));
    let whole = end_of_planes(buffer);
    if !foreign && whole.is_none() {
        return Ok(());
    }
    let mut pixels = buffer.map_readable()?.as_slice().to_vec();
    if let Some(end) = whole {
        pixels.resize(pixels.len().max(end), 0);
    }
    buffer.replace_all_memory(gst::Memory::from_mut_slice(pixels));
    Ok(())
}

/// Memory that is nothing but bytes of this process: GStreamer's, and what Rust programs hand in.
const PLAIN: [&str; 2] = ["SystemMemory", "RustGlobalAllocatorMemory"];

/// Where the last plane ends, strides included, when a plane does not lie within one memory, of which
/// alone the first byte is looked for when it is mapped.
fn end_of_planes(buffer: &gst::BufferRef) -> Option<usize> {
    let meta = buffer.meta::<VideoMeta>()?;
    let info = gst_video::VideoFormatInfo::from_format(meta.format());
    let ends = || {
        (0..meta.n_planes()).map(|plane| {
            let rows = info.scale_height(plane as u8, meta.height()) as usize;
            let stride = usize::try_from(meta.stride()[plane as usize]).unwrap_or(0);
            let start = meta.offset()[plane as usize];
            (start, start.saturating_add(stride.saturating_mul(rows)))
        })
    };
    let in_one = |(start, end): (usize, usize)| {
        buffer
            .find_memory(start..end)
            .is_some_and(|(memories, _)| memories.len() == 1)
    };
    if ends().all(in_one) {
        return None;
    }
    ends().map(|(_, end)| end).max()
}
