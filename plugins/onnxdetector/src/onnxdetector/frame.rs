// SPDX-License-Identifier: MIT OR Apache-2.0
//! From GStreamer's description of a frame to the one of [`crate::preprocess`].

use gst_video::{
    VideoChromaSite, VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameExt, VideoFrameRef,
    VideoInfo, VideoInterlaceMode, VideoMeta, VideoMultiviewMode,
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

/// Whether each buffer of these caps holds one picture. Of two fields or views only one would be looked at.
pub fn is_one_picture(info: &VideoInfo) -> bool {
    !matches!(
        info.interlace_mode(),
        VideoInterlaceMode::Fields | VideoInterlaceMode::Alternate
    ) && info.multiview_mode() != VideoMultiviewMode::Separated
}

/// Checks that a buffer holds one picture of the stream and all of it, before anything maps it: mapping
/// believes what a video meta says of planes, even when the memory has been cut since.
pub fn check(buffer: &gst::BufferRef, stream: &VideoInfo) -> Result<(), String> {
    let pictures = buffer.iter_meta::<VideoMeta>().count();
    if pictures > 1 {
        return Err(format!("its buffer holds {pictures} pictures"));
    }
    // Without a meta the size is checked when it is mapped.
    let Some(meta) = buffer.meta::<VideoMeta>() else {
        return Ok(());
    };
    let given = (meta.format(), meta.width(), meta.height());
    let (format, width, height) = (stream.format(), stream.width(), stream.height());
    if given != (format, width, height) || meta.n_planes() != stream.n_planes() {
        return Err(format!(
            "it is {} {}x{} in a stream of {format} {width}x{height}",
            given.0, given.1, given.2
        ));
    }
    for (plane, (&offset, &stride)) in meta.offset().iter().zip(meta.stride()).enumerate() {
        let stride =
            usize::try_from(stride).map_err(|_| "rows stored from bottom to top are not read")?;
        let components =
            || (0..stream.n_components() as u8).filter(|&c| stream.comp_plane(c) as usize == plane);
        let rows = components()
            .map(|c| stream.comp_height(c))
            .max()
            .unwrap_or(1);
        let end = |rows: u32| offset.saturating_add(stride.saturating_mul(rows as usize));
        let row = components()
            .map(|c| stream.comp_width(c) as usize * stream.comp_pstride(c).unsigned_abs() as usize)
            .max()
            .unwrap_or(0);
        // A row longer than the buffer is a mistake, even where there is only one.
        if stride.max(end(rows.saturating_sub(1)).saturating_add(row)) > buffer.size() {
            return Err(format!(
                "plane {plane} ends after its {} bytes",
                buffer.size()
            ));
        }
    }
    Ok(())
}

/// Whether every plane lies within one memory: of a plane in two, only the part in the first is mapped.
pub fn is_in_one_piece(buffer: &gst::BufferRef) -> bool {
    let Some(meta) = buffer.meta::<VideoMeta>() else {
        return true;
    };
    let info = gst_video::VideoFormatInfo::from_format(meta.format());
    meta.offset()
        .iter()
        .zip(meta.stride())
        .enumerate()
        .all(|(plane, (&start, &stride))| {
            let rows = info.scale_height(plane as u8, meta.height()) as usize;
            let stride = usize::try_from(stride).unwrap_or(0);
            let end = start.saturating_add(stride.saturating_mul(rows));
            buffer
                .find_memory(start..end)
                .is_some_and(|(memories, _)| memories.len() == 1)
        })
}

/// The same frame in one piece of memory, every row of it as long as its stride.
pub fn in_one_piece(buffer: &gst::BufferRef) -> Result<gst::Buffer, glib::BoolError> {
    let mut bytes = buffer.map_readable()?.as_slice().to_vec();
    let Some(meta) = buffer.meta::<VideoMeta>() else {
        return Ok(gst::Buffer::from_mut_slice(bytes));
    };
    let ends = meta.offset().iter().zip(meta.stride()).map(|(&o, &s)| {
        let stride = usize::try_from(s).unwrap_or(0);
        o.saturating_add(stride.saturating_mul(meta.height() as usize))
    });
    // Rows of chroma are fewer than those of luma: a bound on what is needed.
    bytes.resize(ends.max().unwrap_or(0).max(bytes.len()), 0);
    let mut copy = gst::Buffer::from_mut_slice(bytes);
    VideoMeta::add_full(
        copy.make_mut(),
        meta.video_frame_flags(),
        meta.format(),
        meta.width(),
        meta.height(),
        meta.offset(),
        meta.stride(),
    )?;
    Ok(copy)
}

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
