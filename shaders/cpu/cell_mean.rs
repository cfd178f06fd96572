// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `cell_mean.wgsl`: the level of each cell.

use std::ops::Range;

use super::noise::Noise;
use crate::{
    MAX_CELLS, Seed,
    plan::{Job, edge},
};

/// Rows whose sums of bytes fit 16 bits.
const ROWS: u32 = 256;

/// Bytes that are added at a time.
const BLOCK: usize = 32;

/// Bytes of a long row.
const LONG: usize = 512;

/// Sums of a cell, one for each byte of a sample.
type Sums = [u64; 4];

/// Writes the values of row `cy` of the cells of `job` into its `values`: cell after cell, channel after
/// channel.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel and its memory")]
pub fn cell_mean(
    job: &Job,
    plane: &[u8],
    stride: usize,
    seed: Seed,
    cy: u32,
    values: &mut [u8],
    sums_of_rows: &mut Vec<u16>,
    noise: &mut Noise,
) {
    let channels = job.channels as usize;
    let (top, bottom) = rows_of_cells(job, cy);
    let mut all = [Sums::default(); MAX_CELLS as usize];
    let sums = &mut all[..job.nx as usize];
    let mut y = top;
    while y < bottom {
        let end = bottom.min(y + ROWS);
        add_rows(job, plane, stride, y..end, sums_of_rows);
        let mut left = 0;
        for (cx, sum) in sums.iter_mut().enumerate() {
            let right = edge(cx as u32 + 1, job.nx, job.width) as usize * channels;
            add_cell(sum, &sums_of_rows[left..right], channels);
            left = right;
        }
        y = end;
    }
    let noise = match job.smooth {
        0 => noise.row(seed, job, cy),
        _ => &[],
    };
    let mut left = 0;
    let first = (cy * job.nx) as usize * channels;
    let values = values[first..].chunks_exact_mut(channels);
    for (cx, (sum, values)) in sums.iter().zip(values).enumerate() {
        let right = edge(cx as u32 + 1, job.nx, job.width);
        let area = u64::from(right - left) * u64::from(bottom - top);
        left = right;
        let bits = noise.get(cx).map_or(0, |bits| bits >> job.noise_bit);
        for (channel, value) in values.iter_mut().enumerate() {
            // Of two bytes that share a value both have the noise of the first.
            let (sum, area, channel_of_noise) = match job.pair as usize {
                first if channel == first || channel == first + 2 => {
                    (sum[first] + sum[first + 2], 2 * area, first)
                }
                _ => (sum[channel], area, channel),
            };
            let shown = match job.smooth {
                0 => level(quantise(sum, area), bits >> (2 * channel_of_noise)),
                _ => ((sum + area / 2) / area) as u8,
            };
            *value = shown & job.keep[channel] | job.set[channel];
        }
    }
}

/// First row of row `cy` of the cells and last + 1.
#[inline(always)]
pub fn rows_of_cells(job: &Job, cy: u32) -> (u32, u32) {
    (
        edge(cy, job.ny, job.height),
        edge(cy + 1, job.ny, job.height),
    )
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

/// Sums of some rows of `job`, byte by byte: at most [`ROWS`]. There may be more sums than bytes in a
/// row.
#[inline(always)]
fn add_rows(job: &Job, plane: &[u8], stride: usize, rows: Range<u32>, sums: &mut Vec<u16>) {
    let bytes = (job.width * job.channels) as usize;
    let start = |y: u32| job.row(y, stride).start;
    // What lies right of the job is added too where it is there: whole blocks are quicker than parts.
    let blocks = bytes.div_ceil(BLOCK);
    let length = match start(rows.end - 1) + blocks * BLOCK <= plane.len() {
        true => blocks * BLOCK,
        false => bytes,
    };
    sums.clear();
    sums.resize(blocks * BLOCK, 0);
    let row = |y: u32| &plane[start(y)..][..length];
    let mut y = rows.start;
    // Several rows at a time where they are short: the sums travel less, and what is not in the cache is
    // waited for once. Long rows one by one: memory is quickest when it is read in its order.
    if length < LONG {
        while y + 8 <= rows.end {
            let upper = [row(y), row(y + 1), row(y + 2), row(y + 3)];
            let lower = [row(y + 4), row(y + 5), row(y + 6), row(y + 7)];
            add_eight(upper, lower, &mut sums[..length]);
            y += 8;
        }
    }
    while y < rows.end {
        for (sum, &byte) in sums[..length].iter_mut().zip(row(y)) {
            *sum = sum.wrapping_add(wide(byte));
        }
        y += 1;
    }
}

/// No indices: where the compiler cannot rule out that one is too large, it leaves scalar code behind.
#[inline(always)]
fn add_eight([a, b, c, d]: [&[u8]; 4], [e, f, g, h]: [&[u8]; 4], sums: &mut [u16]) {
    let upper = a.iter().zip(b).zip(c.iter().zip(d));
    let lower = e.iter().zip(f).zip(g.iter().zip(h));
    for (sum, (upper, lower)) in sums.iter_mut().zip(upper.zip(lower)) {
        let (((&a, &b), (&c, &d)), ((&e, &f), (&g, &h))) = (upper, lower);
        let upper = wide(a) + wide(b) + wide(c) + wide(d);
        let lower = wide(e) + wide(f) + wide(g) + wide(h);
        *sum = sum.wrapping_add(upper + lower);
    }
}

#[inline(always)]
fn wide(byte: u8) -> u16 {
    u16::from(byte)
}

/// Adds the sums of the bytes of a cell to those of its channels.
#[inline(always)]
fn add_cell(sum: &mut Sums, part: &[u16], channels: usize) {
    match channels {
        1 => add_channels::<1>(sum, part),
        2 => add_channels::<2>(sum, part),
        3 => add_channels::<3>(sum, part),
        _ => add_channels::<4>(sum, part),
    }
}

#[inline(always)]
fn add_channels<const N: usize>(sum: &mut Sums, part: &[u16]) {
    // A row has at most 32 767 samples, so that this fits.
    let mut totals = [0u32; N];
    for sample in part.as_chunks::<N>().0 {
        for channel in 0..N {
            totals[channel] += u32::from(sample[channel]);
        }
    }
    for (sum, total) in sum.iter_mut().zip(totals) {
        *sum += u64::from(total);
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
