// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `cell_mean.wgsl`: the level of each cell.

use std::ops::Range;

use super::{Lines, noise::noise};
use crate::{
    MAX_CELLS, Seed,
    plan::{Job, edge},
};

/// Rows whose sums of bytes fit 16 bits.
const ROWS: u32 = 256;

/// Sums of a cell, one for each byte of a sample.
type Sums = [u64; 4];

/// Writes the values of `job`: cell after cell, channel after channel.
#[inline(always)]
pub fn cell_mean(
    job: &Job,
    plane: &[u8],
    stride: usize,
    seed: Seed,
    values: &mut [u8],
    lines: &mut Lines,
) {
    let channels = job.channels as usize;
    let mut all = [Sums::default(); MAX_CELLS as usize];
    let sums = &mut all[..job.nx as usize];
    for cy in 0..job.ny {
        let (top, bottom) = (
            edge(cy, job.ny, job.height),
            edge(cy + 1, job.ny, job.height),
        );
        sums.fill(Sums::default());
        let mut y = top;
        while y < bottom {
            let end = bottom.min(y + ROWS);
            add_rows(job, plane, stride, y..end, &mut lines.sums);
            for (cx, sum) in sums.iter_mut().enumerate() {
                let cx = cx as u32;
                let left = edge(cx, job.nx, job.width) as usize * channels;
                let right = edge(cx + 1, job.nx, job.width) as usize * channels;
                add_cell(sum, &lines.sums[left..right], channels);
            }
            y = end;
        }
        for (cx, sum) in sums.iter().enumerate() {
            let cx = cx as u32;
            let width = edge(cx + 1, job.nx, job.width) - edge(cx, job.nx, job.width);
            let area = u64::from(width) * u64::from(bottom - top);
            let cell = cy * job.nx + cx;
            let bits = match job.smooth {
                0 => noise(seed, job.key, cell) >> job.noise_bit,
                _ => 0,
            };
            for channel in 0..channels {
                // Of two bytes that share a value both have the noise of the first.
                let (sum, area, channel_of_noise) = match job.pair as usize {
                    first if channel == first || channel == first + 2 => {
                        (sum[first] + sum[first + 2], 2 * area, first)
                    }
                    _ => (sum[channel], area, channel),
                };
                let value = match job.smooth {
                    0 => level(quantise(sum, area), bits >> (2 * channel_of_noise)),
                    _ => ((sum + area / 2) / area) as u8,
                };
                values[cell as usize * channels + channel] =
                    value & job.keep[channel] | job.set[channel];
            }
        }
    }
}

/// The mean in 5 bits: the nearest multiple of 8, as its number.
fn quantise(sum: u64, area: u64) -> u32 {
    (((sum + 4 * area) / (8 * area)) as u32).min(31)
}

/// What is shown of a quantised mean: −1, 0, 0 or +1 step further, by two bits of noise.
fn level(quantised: u32, noise: u32) -> u8 {
    let moved = quantised + (noise & 1) + ((noise >> 1) & 1);
    (moved.clamp(1, 32) - 1) as u8 * 8
}

/// Sums of some rows of `job`, byte by byte: at most [`ROWS`].
#[inline(always)]
fn add_rows(job: &Job, plane: &[u8], stride: usize, rows: Range<u32>, sums: &mut Vec<u16>) {
    sums.clear();
    sums.resize((job.width * job.channels) as usize, 0);
    let mut y = rows.start;
    while y + 8 <= rows.end {
        let row = |i: u32| &plane[job.row(y + i, stride)];
        add([0, 1, 2, 3, 4, 5, 6, 7].map(row), sums);
        y += 8;
    }
    while y < rows.end {
        add([&plane[job.row(y, stride)]], sums);
        y += 1;
    }
}

/// Adds rows of the same length to `sums`. Several at a time, so that the sums travel less.
#[inline(always)]
fn add<const N: usize>(rows: [&[u8]; N], sums: &mut [u16]) {
    let rows = rows.map(|row| &row[..sums.len()]);
    for (i, sum) in sums.iter_mut().enumerate() {
        let mut total = *sum;
        for row in rows {
            total = total.wrapping_add(u16::from(row[i]));
        }
        *sum = total;
    }
}

/// Adds the sums of the bytes of a cell to those of its channels.
#[inline(always)]
fn add_cell(sum: &mut Sums, part: &[u16], channels: usize) {
    match channels {
        1 => add_channels::<1, 32>(sum, part),
        2 => add_channels::<2, 32>(sum, part),
        3 => add_channels::<3, 48>(sum, part),
        _ => add_channels::<4, 32>(sum, part),
    }
}

/// `LANES` is a multiple of `N`: lanes are added each by itself, and then to the channel that they hold.
#[inline(always)]
fn add_channels<const N: usize, const LANES: usize>(sum: &mut Sums, part: &[u16]) {
    let (blocks, rest) = part.as_chunks::<LANES>();
    // A row has at most 4 · 32 767 bytes, so that this fits.
    let mut lanes = [0u32; LANES];
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane += u32::from(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += u32::from(value);
    }
    for (i, lane) in lanes.into_iter().enumerate() {
        sum[i % N] += u64::from(lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_multiples_of_eight_and_noise_moves_them_by_one_step() {
        assert_eq!(quantise(0, 9), 0);
        assert_eq!(quantise(128 * 9, 9), 16, "neutral chroma stays neutral");
        assert_eq!(quantise(255 * 9, 9), 31);
        assert_eq!(quantise(4 * 9 - 1, 9), 0);
        assert_eq!(quantise(4 * 9, 9), 1);
        assert_eq!([0, 1, 2, 3].map(|n| level(16, n)), [120, 128, 128, 136]);
        assert_eq!([0, 1, 2, 3].map(|n| level(0, n)), [0, 0, 0, 8]);
        assert_eq!([0, 1, 2, 3].map(|n| level(31, n)), [240, 248, 248, 248]);
    }

    #[test]
    fn the_largest_frame_does_not_overflow() {
        let area = u64::from(crate::MAX_DIMENSION).pow(2);
        assert_eq!(quantise(255 * area, area), 31);
        assert_eq!(quantise(100 * area, area), 13);
    }
}
