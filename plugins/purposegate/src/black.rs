// SPDX-License-Identifier: MIT OR Apache-2.0
//! Black frames: what leaves instead of a held frame when the user asks for a stream that goes on.

use gst_video::{VideoFormatFlags, prelude::*};

/// The format has samples that are no whole bytes, or planes that cannot be reached: drop the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frames of this format cannot be painted")]
pub struct NotPaintable;

/// A black frame with the times of `clear` and nothing else of it: memory, padding and metas are new.
///
/// # Errors
///
/// For formats that cannot be painted; the frame must then be dropped.
pub fn instead_of(
    clear: &gst::BufferRef,
    info: &gst_video::VideoInfo,
) -> Result<gst::Buffer, NotPaintable> {
    // Zeroed, since the padding between rows leaves as well.
    let mut black = gst::Buffer::from_mut_slice(vec![0u8; info.size()]);
    let buffer = black.make_mut();
    paint(
        &mut gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, info)
            .map_err(|_| NotPaintable)?,
    )?;
    buffer.set_pts(clear.pts());
    buffer.set_dts(clear.dts());
    buffer.set_duration(clear.duration());
    Ok(black)
}

/// Paints a frame black. Fails for formats whose samples are not whole bytes: a frame that
/// is only half painted would be worse than none.
fn paint(frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>) -> Result<(), NotPaintable> {
    let info = frame.format_info();
    let flags = info.flags();
    let eight_bits = (0..info.n_components()).all(|c| info.depth()[c as usize] == 8);
    let known = flags
        .intersects(VideoFormatFlags::YUV | VideoFormatFlags::RGB | VideoFormatFlags::GRAY)
        && !flags.intersects(
            VideoFormatFlags::COMPLEX | VideoFormatFlags::PALETTE | VideoFormatFlags::TILED,
        );
    if !eight_bits || !known {
        return Err(NotPaintable);
    }
    let yuv = flags.contains(VideoFormatFlags::YUV);
    for component in 0..info.n_components() {
        let c = component as usize;
        let value = match (yuv, component) {
            // Transparency does not matter, but a viewer may composite: opaque black.
            (_, 3) => 255,
            (true, 0) => 16,
            (true, _) => 128,
            (false, _) => 0,
        };
        let plane = info.plane()[c];
        let step = info.pixel_stride()[c] as usize;
        let offset = info.poffset()[c] as usize;
        let stride =
            usize::try_from(frame.plane_stride()[plane as usize]).map_err(|_| NotPaintable)?;
        let width = frame.comp_width(component) as usize;
        let height = frame.comp_height(component) as usize;
        let data = frame.plane_data_mut(plane).map_err(|_| NotPaintable)?;
        for row in data.chunks_mut(stride.max(1)).take(height) {
            for sample in row.iter_mut().skip(offset).step_by(step.max(1)).take(width) {
                *sample = value;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_video::VideoFormat;

    #[test]
    fn no_pixel_of_the_frame_is_left() {
        gst::init().unwrap();
        for (format, black) in [
            (VideoFormat::Nv12, &[16u8, 128] as &[u8]),
            (VideoFormat::I420, &[16, 128]),
            (VideoFormat::Yuy2, &[16, 128]),
            (VideoFormat::Bgrx, &[0, 77]),
            (VideoFormat::Rgba, &[0, 255]),
            (VideoFormat::Gray8, &[16, 0]),
        ] {
            for (width, height) in [(1, 1), (7, 5), (64, 48)] {
                let info = gst_video::VideoInfo::builder(format, width, height)
                    .build()
                    .unwrap();
                let mut buffer = gst::Buffer::from_mut_slice(vec![77u8; info.size()]);
                {
                    let buffer = buffer.get_mut().unwrap();
                    let mut frame =
                        gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &info).unwrap();
                    paint(&mut frame).unwrap();
                }
                let frame = gst_video::VideoFrame::from_buffer_readable(buffer, &info).unwrap();
                for component in 0..frame.n_components() {
                    let plane = frame.format_info().plane()[component as usize];
                    let data = frame.plane_data(plane).unwrap();
                    let stride = frame.plane_stride()[plane as usize] as usize;
                    let step = frame.format_info().pixel_stride()[component as usize] as usize;
                    let offset = frame.format_info().poffset()[component as usize] as usize;
                    for y in 0..frame.comp_height(component) as usize {
                        for x in 0..frame.comp_width(component) as usize {
                            let sample = data[y * stride + offset + x * step];
                            assert!(
                                black.contains(&sample),
                                "{format} {width}×{height}: {sample}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_format_that_cannot_be_painted_says_so() {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(VideoFormat::P01010le, 8, 8)
            .build()
            .unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        let mut frame =
            gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info)
                .unwrap();
        assert_eq!(paint(&mut frame), Err(NotPaintable));
    }
}
