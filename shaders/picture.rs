// SPDX-License-Identifier: MIT OR Apache-2.0
//! A picture to show in place of regions.

use crate::{Colorimetry, Format};

/// Samples of a picture along each side.
pub const PICTURE_SIDE: u32 = 64;

/// A picture to show in place of every region, stretched over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Red, green, blue of the samples, row after row.
    samples: Vec<[u8; 3]>,
}

impl Picture {
    /// Takes a picture of `width` × `height` pixels of red, green, blue and alpha, row after row, and
    /// lays it over the colour `fill` (ARGB, its alpha is not used). `None` when a side is 0 or the
    /// pixels do not fit the size.
    pub fn new(rgba: &[u8], width: u32, height: u32, fill: u32) -> Option<Self> {
        let pixels = rgba.as_chunks::<4>().0;
        let (columns, rows) = (width as usize, height as usize);
        let expected = columns.checked_mul(rows)?;
        if expected == 0 || expected.checked_mul(4)? != rgba.len() {
            return None;
        }
        let [_, fill @ ..] = fill.to_be_bytes();
        let side = PICTURE_SIDE as usize;
        // The pixels of a sample: at least one, also where there are fewer than 64.
        let range = |i: usize, length: usize| {
            let (start, end) = (i * length / side, (i + 1) * length / side);
            start..end.max(start + 1)
        };
        let mut samples = Vec::with_capacity(side * side);
        for sy in 0..side {
            for sx in 0..side {
                let (mut sums, mut count) = ([0u64; 3], 0u64);
                for y in range(sy, rows) {
                    for pixel in &pixels[y * columns..][range(sx, columns)] {
                        let alpha = u64::from(pixel[3]);
                        for (sum, (&over, &under)) in sums.iter_mut().zip(pixel.iter().zip(&fill)) {
                            *sum += u64::from(over) * alpha + u64::from(under) * (255 - alpha);
                        }
                        count += 255;
                    }
                }
                samples.push(sums.map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        Some(Self { samples })
    }

    /// Adds the values of a plane: cell after cell, channel after channel.
    pub(crate) fn values(
        &self,
        format: Format,
        plane: usize,
        colorimetry: Colorimetry,
        values: &mut Vec<u8>,
    ) {
        let channels = format.channels(plane) as usize;
        for &[r, g, b] in &self.samples {
            let argb = u32::from_be_bytes([255, r, g, b]);
            values.extend_from_slice(&format.fill(plane, argb, colorimetry)[..channels]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_averaged_and_laid_over_the_fill() {
        assert_eq!(Picture::new(&[], 0, 1, 0), None);
        assert_eq!(Picture::new(&[0; 7], 2, 1, 0), None);
        assert_eq!(Picture::new(&[0; 8], u32::MAX, u32::MAX, 0), None);
        let of = |picture: &Picture, x: usize, y: usize| picture.samples[y * 64 + x];
        // Red, and blue half seen through over green.
        let two = [255, 0, 0, 255, 0, 0, 255, 128];
        let picture = Picture::new(&two, 2, 1, 0xff00_ff00).unwrap();
        assert_eq!(of(&picture, 0, 0), [255, 0, 0]);
        assert_eq!(of(&picture, 31, 63), [255, 0, 0]);
        assert_eq!(of(&picture, 32, 0), [0, 127, 128]);
        // 128 pixels of black and white in turn: each sample is the mean of two by two.
        let stripes: Vec<u8> = (0..128 * 128)
            .flat_map(|i| [if i % 2 == 0 { 255 } else { 0 }, 10, 20, 255])
            .collect();
        let picture = Picture::new(&stripes, 128, 128, 0).unwrap();
        assert!(picture.samples.iter().all(|s| *s == [128, 10, 20]));
    }

    #[test]
    fn values_are_those_of_the_plane() {
        let red = Picture::new(&[255, 0, 0, 255], 1, 1, 0).unwrap();
        let of = |format, plane| {
            let mut values = Vec::new();
            red.values(format, plane, Colorimetry::default(), &mut values);
            assert_eq!(
                values.len(),
                64 * 64 * Format::channels(format, plane) as usize
            );
            values[..4].to_vec()
        };
        assert_eq!(of(Format::Nv12, 0), [82; 4]);
        assert_eq!(of(Format::P010, 1), [0, 90, 0, 240]);
        assert_eq!(of(Format::Rgb, 0), [255, 0, 0, 255]);
        assert_eq!(of(Format::Bgra, 0), [0, 0, 255, 255]);
    }
}
