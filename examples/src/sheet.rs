// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contact sheet: frames of the original beside the same frames of the exported file.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail, ensure};
use gst::prelude::*;
use gst_video::prelude::*;
use image::{Rgb, RgbImage, imageops};

/// Space around and between the pictures, in pixels.
const GAP: u32 = 8;
/// Height of the line of captions, in pixels.
const HEADER: u32 = 40;
const PAPER: Rgb<u8> = Rgb([24, 26, 30]);
const INK: Rgb<u8> = Rgb([235, 235, 235]);

/// Writes a PNG with one row per pair of frame numbers (counted from 0): left from `original`, right from
/// `masked`.
///
/// # Errors
/// When a file cannot be decoded, is too short, or the PNG cannot be written.
pub fn write(path: &Path, original: &Path, masked: &Path, rows: &[(usize, usize)]) -> Result<()> {
    let left = frames(original, rows.iter().map(|r| r.0))?;
    let right = frames(masked, rows.iter().map(|r| r.1))?;
    let (width, height) = left
        .values()
        .next()
        .context("no frame to show")?
        .dimensions();
    let rows_high = u32::try_from(rows.len())? * (height + GAP);
    let mut sheet = RgbImage::from_pixel(2 * width + 3 * GAP, HEADER + rows_high, PAPER);
    caption(&mut sheet, GAP, "ORIGINAL");
    caption(&mut sheet, width + 2 * GAP, "MASKED");
    let mut y = i64::from(HEADER);
    for (a, b) in rows {
        let masked = &right[b];
        ensure!(
            masked.dimensions() == (width, height),
            "the exported frames are {:?}, not {width}x{height}",
            masked.dimensions()
        );
        imageops::replace(&mut sheet, &left[a], i64::from(GAP), y);
        imageops::replace(&mut sheet, masked, i64::from(width + 2 * GAP), y);
        y += i64::from(height + GAP);
    }
    sheet
        .save(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The frames of these numbers, decoded.
fn frames(path: &Path, numbers: impl Iterator<Item = usize>) -> Result<BTreeMap<usize, RgbImage>> {
    let mut wanted: Vec<usize> = numbers.collect();
    wanted.sort_unstable();
    wanted.dedup();
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=RGB ! \
         appsink name=frames sync=false max-buffers=4",
    )?
    .downcast::<gst::Pipeline>()
    .ok()
    .context("not a pipeline")?;
    pipeline
        .by_name("file")
        .context("no filesrc")?
        .set_property("location", path.to_str().context("path is not UTF-8")?);
    let sink = pipeline
        .by_name("frames")
        .and_downcast::<gst_app::AppSink>()
        .context("no appsink")?;
    pipeline.set_state(gst::State::Playing)?;
    let mut found = BTreeMap::new();
    let result = (|| {
        let mut number = 0;
        for wanted in wanted {
            let sample = loop {
                let Ok(sample) = sink.pull_sample() else {
                    bail!(
                        "{} ends or fails at frame {number}, frame {wanted} was wanted",
                        path.display()
                    );
                };
                number += 1;
                if number > wanted {
                    break sample;
                }
            };
            found.insert(wanted, picture(&sample)?);
        }
        Ok(())
    })();
    pipeline.set_state(gst::State::Null)?;
    result.map(|()| found)
}

fn picture(sample: &gst::Sample) -> Result<RgbImage> {
    let info = gst_video::VideoInfo::from_caps(sample.caps().context("a frame without caps")?)?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(
        sample.buffer().context("a sample without a frame")?,
        &info,
    )?;
    let stride = usize::try_from(frame.plane_stride()[0])?;
    let row = info.width() as usize * 3;
    let pixels = frame
        .plane_data(0)?
        .chunks(stride)
        .take(info.height() as usize)
        .flat_map(|line| &line[..row])
        .copied()
        .collect();
    RgbImage::from_raw(info.width(), info.height(), pixels).context("a frame shorter than its size")
}

/// Writes a word at the top, each dot of the letters 3 pixels wide.
fn caption(sheet: &mut RgbImage, x: u32, word: &str) {
    const DOT: u32 = 3;
    for (letter, place) in word.chars().zip(0u32..) {
        for (row, bits) in glyph(letter).into_iter().enumerate() {
            for column in 0..5 {
                if bits >> (4 - column) & 1 == 1 {
                    for (dx, dy) in (0..DOT * DOT).map(|i| (i % DOT, i / DOT)) {
                        let px = x + (place * 6 + column) * DOT + dx;
                        let py = 10 + row as u32 * DOT + dy;
                        // A tiny clip has less room than the words.
                        if let Some(pixel) = sheet.get_pixel_mut_checked(px, py) {
                            *pixel = INK;
                        }
                    }
                }
            }
        }
    }
}

/// Five dots by seven; the letters of the two captions, so that no font is needed.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        'A' => [0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11],
        'D' => [0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e],
        'E' => [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f],
        'G' => [0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0e],
        'I' => [0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e],
        'K' => [0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11],
        'L' => [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f],
        'M' => [0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11],
        'N' => [0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11],
        'O' => [0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e],
        'R' => [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11],
        'S' => [0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e],
        _ => [0; 7],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_the_frames_asked_for() {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clip = |name: &str, pattern: &str| {
            let path = folder.path().join(name);
            let description = format!(
                "videotestsrc num-buffers=4 pattern={pattern} ! video/x-raw,width=34,height=18 ! \
                 jpegenc ! avimux ! filesink location={}",
                path.display()
            );
            let bar = indicatif::ProgressBar::hidden();
            // The element that is watched may have any job.
            let description = description.replace("jpegenc", "jpegenc name=decode");
            let outcome = crate::run::run("clip", &description, &bar, &false.into()).unwrap();
            assert_eq!(outcome.frames_in.len(), 4);
            path
        };
        let (red, green) = (clip("red.avi", "red"), clip("green.avi", "green"));
        let sheet = folder.path().join("sheet.png");
        write(&sheet, &red, &green, &[(0, 0), (3, 2)]).unwrap();
        let sheet = image::open(&sheet).unwrap().to_rgb8();
        assert_eq!(
            sheet.dimensions(),
            (2 * 34 + 3 * GAP, HEADER + 2 * (18 + GAP))
        );
        for row in [0, 1] {
            let y = HEADER + row * (18 + GAP) + 9;
            let [r, g, _] = sheet.get_pixel(GAP + 17, y).0;
            assert!(r > 200 && g < 60, "the original is on the left");
            let [r, g, _] = sheet.get_pixel(2 * GAP + 34 + 17, y).0;
            assert!(g > 200 && r < 60, "the export is on the right");
        }
        let error = write(&folder.path().join("x.png"), &red, &green, &[(4, 0)]).unwrap_err();
        assert!(error.to_string().contains("frame 4 was wanted"), "{error}");
    }
}
