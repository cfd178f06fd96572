// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Gaussian over the values of the cells.

use super::Lines;
use crate::plan::{Job, gaussian};

/// Runs the Gaussian of `job` over its values, across and then down. Beyond the edges the values stay
/// what they are there.
pub fn smooth(job: &Job, values: &mut [u8], lines: &mut Lines) {
    gaussian(job.smooth, &mut lines.weights);
    let (nx, ny, channels) = (job.nx as usize, job.ny as usize, job.channels as usize);
    let per_row = nx * channels;
    // In 1/256, at most 255 · 256: 65 536 times that still fits.
    let across = &mut lines.smooth;
    across.clear();
    for row in values.chunks_exact(per_row) {
        for i in 0..per_row {
            let (at, channel) = (i / channels, i % channels);
            let value = |cell: usize| u32::from(row[cell * channels + channel]);
            let sum = convolve(&lines.weights, at, nx, value);
            across.push((sum + 0x80) >> 8);
        }
    }
    for (i, out) in values.iter_mut().enumerate() {
        let (at, column) = (i / per_row, i % per_row);
        let value = |row: usize| across[row * per_row + column];
        let sum = convolve(&lines.weights, at, ny, value);
        let byte = column % channels;
        *out = ((sum + 0x80_0000) >> 24) as u8 & job.keep[byte] | job.set[byte];
    }
}

fn convolve(weights: &[u32], at: usize, n: usize, value: impl Fn(usize) -> u32) -> u32 {
    let sides = weights
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, weight)| weight * (value(at.saturating_sub(i)) + value((at + i).min(n - 1))));
    weights[0] * value(at) + sides.sum::<u32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_and_flat_stays_flat() {
        let mut lines = Lines::default();
        for smooth in [1, 2, 100, 256, 1365, 8192, 100_000] {
            gaussian(smooth, &mut lines.weights);
            let sides: u32 = lines.weights[1..].iter().sum();
            assert_eq!(lines.weights[0] + 2 * sides, 65_536, "{smooth}");
            for level in [0, 1, 128, 255] {
                let job = Job {
                    nx: 5,
                    ny: 3,
                    channels: 2,
                    smooth,
                    keep: [255; 4],
                    ..Job::default()
                };
                let mut values = vec![level; 30];
                super::smooth(&job, &mut values, &mut lines);
                assert_eq!(values, [level; 30]);
            }
        }
    }

    #[test]
    fn a_point_becomes_a_bell_of_the_same_sum() {
        let job = Job {
            nx: 33,
            ny: 33,
            channels: 1,
            smooth: 512,
            keep: [255; 4],
            ..Job::default()
        };
        let mut values = vec![0; 33 * 33];
        values[16 * 33 + 16] = 255;
        super::smooth(&job, &mut values, &mut Lines::default());
        // 255 / (2 π 2²) = 10.1 in the middle; e^(-1/2) of it one standard deviation away.
        assert_eq!(values[16 * 33 + 16], 10);
        assert_eq!((values[16 * 33 + 18], values[14 * 33 + 16]), (6, 6));
        let sum: u32 = values.iter().map(|&v| u32::from(v)).sum();
        assert!((220..=290).contains(&sum), "{sum}");
    }
}
