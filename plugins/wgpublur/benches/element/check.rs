// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the frames that were timed are really masked.

use anyhow::{Context, Result, ensure};
use gst_video::{VideoFrameRef, VideoInfo};
use privacy_common::MaskStamp;

/// What the boxes of a frame must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// As they came.
    Untouched,
    /// Black in BT.709 with limited range.
    Black,
    /// At most this many cells along each side, each of one colour.
    Cells(usize),
    /// Nothing is said of the pixels.
    Anything,
}

/// Compares an NV12 frame with what it was before: inside the boxes it must be as expected, outside not a
/// byte may differ. Returns the share of the frame that the stamp says is masked.
pub fn check(
    expected: Expected,
    info: &VideoInfo,
    boxes: &[[u32; 4]],
    before: &gst::Buffer,
    after: &gst::Buffer,
) -> Result<f64> {
    let stamp = MaskStamp::read(after);
    match expected {
        Expected::Anything => return Ok(stamp.map_or(0.0, |s| s.share)),
        Expected::Untouched => ensure!(stamp.is_none(), "a mask stamp on a frame nobody masked"),
        Expected::Black | Expected::Cells(_) => {
            let stamp = stamp.as_ref().context("a frame without a mask stamp")?;
            ensure!(!stamp.whole_frame, "masked as a whole: {}", stamp.reason);
            ensure!(
                stamp.regions as usize == boxes.len(),
                "{} regions masked of {}",
                stamp.regions,
                boxes.len()
            );
        }
    }
    let before = VideoFrameRef::from_buffer_ref_readable(before, info)?;
    let after = VideoFrameRef::from_buffer_ref_readable(after, info)?;
    for plane in 0..2u32 {
        let stride = info.stride()[plane as usize] as usize;
        let (old, new) = (before.plane_data(plane)?, after.plane_data(plane)?);
        let mut inside = vec![false; new.len()];
        for &rect in boxes {
            // Chroma: half the rows, and as many bytes a row, of two a sample.
            let [x, y, w, h] = rect.map(|side| side as usize);
            let (y, h) = (y >> plane, h >> plane);
            let rows: Vec<&[u8]> = (y..y + h)
                .map(|row| {
                    inside[row * stride + x..row * stride + x + w].fill(true);
                    &new[row * stride + x..row * stride + x + w]
                })
                .collect();
            match expected {
                Expected::Black => {
                    let black = if plane == 0 { 16 } else { 128 };
                    let clear = rows.iter().any(|row| row.iter().any(|&b| b != black));
                    ensure!(
                        !clear,
                        "plane {plane}, box {rect:?}: not all of it is black"
                    );
                }
                Expected::Cells(cells) => {
                    is_cells(&rows, plane as usize + 1, cells)
                        .with_context(|| format!("plane {plane}, box {rect:?}"))?;
                }
                Expected::Untouched | Expected::Anything => {}
            }
        }
        if expected == Expected::Untouched {
            inside.fill(false);
        }
        let changed = (0..new.len()).find(|&i| !inside[i] && old[i] != new[i]);
        ensure!(
            changed.is_none(),
            "plane {plane}: byte {changed:?} outside the boxes was changed"
        );
    }
    Ok(stamp.map_or(0.0, |s| s.share))
}

/// Whether rows of samples of `channels` bytes are made of flat cells, in 32 levels.
fn is_cells(rows: &[&[u8]], channels: usize, cells: usize) -> Result<()> {
    let down = rows.windows(2).filter(|two| two[0] != two[1]).count() + 1;
    ensure!(down <= cells, "{down} cells down, expected {cells} at most");
    for row in rows {
        let across = row
            .chunks(channels)
            .zip(row.chunks(channels).skip(1))
            .filter(|(a, b)| a != b)
            .count()
            + 1;
        ensure!(
            across <= cells,
            "{across} cells across, expected {cells} at most"
        );
        ensure!(
            row.iter().all(|byte| byte % 8 == 0),
            "a value that is none of the 32 levels"
        );
    }
    Ok(())
}
