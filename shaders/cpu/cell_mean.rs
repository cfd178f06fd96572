// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `cell_mean.wgsl`: the level of each cell.

use super::noise::noise;
use crate::{
    MAX_CELLS, Seed,
    plan::{Job, edge},
};

/// Writes the levels of `job` into `values`: cell after cell, channel after channel.
pub fn cell_mean(job: &Job, plane: &[u8], stride: usize, seed: Seed, values: &mut [u8]) {
    let channels = job.channels as usize;
    let mut sums = [[0u64; 4]; MAX_CELLS as usize];
    for cy in 0..job.ny {
        let (top, bottom) = (
            edge(cy, job.ny, job.height),
            edge(cy + 1, job.ny, job.height),
        );
        let sums = &mut sums[..job.nx as usize];
        sums.fill([0; 4]);
        for y in top..bottom {
            let row = &plane[job.row(y, stride)];
            for (cx, sum) in sums.iter_mut().enumerate() {
                let cx = cx as u32;
                let left = edge(cx, job.nx, job.width) as usize * channels;
                let right = edge(cx + 1, job.nx, job.width) as usize * channels;
                add(sum, &row[left..right], channels);
            }
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

/// Adds the samples of a part of a row, each channel by itself.
fn add(sum: &mut [u64; 4], part: &[u8], channels: usize) {
    match channels {
        1 => {
            sum[0] += u64::from(part.iter().map(|&b| u32::from(b)).sum::<u32>());
        }
        2 => add_interleaved::<2>(sum, part),
        3 => add_interleaved::<3>(sum, part),
        _ => add_interleaved::<4>(sum, part),
    }
}

fn add_interleaved<const N: usize>(sum: &mut [u64; 4], part: &[u8]) {
    let mut of_row = [0u32; N];
    for sample in part.as_chunks::<N>().0 {
        for (total, &byte) in of_row.iter_mut().zip(sample) {
            *total += u32::from(byte);
        }
    }
    for (total, part) in sum.iter_mut().zip(of_row) {
        *total += u64::from(part);
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
