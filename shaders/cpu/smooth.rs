// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Gaussian over the values of the cells.

use crate::plan::{Job, gaussian};

/// Memory of the kernel.
#[derive(Default)]
pub struct Lines {
    weights: Vec<u32>,
    /// A row of values, continued on both sides.
    row: Vec<u32>,
    /// Sums of a row.
    sums: Vec<u32>,
    /// All rows after the pass across, in 1/256.
    across: Vec<u32>,
}

/// Runs the Gaussian of `job` over its values, across and then down. Beyond the edges the values stay
/// what they are there.
#[inline(always)]
pub fn smooth(job: &Job, values: &mut [u8], lines: &mut Lines) {
    let Lines {
        weights,
        row,
        sums,
        across,
    } = lines;
    gaussian(job.smooth, weights);
    let channels = job.channels as usize;
    let per_row = job.nx as usize * channels;
    let reach = (weights.len() - 1) * channels;
    across.clear();
    for cells in values.chunks_exact(per_row) {
        row.clear();
        let (first, last) = (&cells[..channels], &cells[per_row - channels..]);
        let left = first.iter().cycle().take(reach);
        let right = last.iter().cycle().take(reach);
        row.extend(left.chain(cells).chain(right).map(|&v| u32::from(v)));
        sums.clear();
        sums.resize(per_row, 0);
        for (i, &weight) in weights.iter().enumerate() {
            let (left, right) = (reach - i * channels, reach + i * channels);
            add(
                sums,
                weight,
                i,
                &row[left..][..per_row],
                &row[right..][..per_row],
            );
        }
        // At most 255 · 256: 65 536 times that still fits 32 bits.
        across.extend(sums.iter().map(|sum| (sum + 0x80) >> 8));
    }
    let rows = job.ny as usize;
    for (y, out) in values.chunks_exact_mut(per_row).enumerate() {
        sums.clear();
        sums.resize(per_row, 0);
        for (i, &weight) in weights.iter().enumerate() {
            let (above, below) = (y.saturating_sub(i), (y + i).min(rows - 1));
            let row = |y: usize| &across[y * per_row..][..per_row];
            add(sums, weight, i, row(above), row(below));
        }
        for (i, (out, sum)) in out.iter_mut().zip(&*sums).enumerate() {
            let byte = i % channels;
            *out = ((sum + 0x80_0000) >> 24) as u8 & job.keep[byte] | job.set[byte];
        }
    }
}

/// Adds the values on both sides, `i` cells away, in their weight. In the middle there is only one.
#[inline(always)]
fn add(sums: &mut [u32], weight: u32, i: usize, left: &[u32], right: &[u32]) {
    let right_weight = if i == 0 { 0 } else { weight };
    for (sum, (&left, &right)) in sums.iter_mut().zip(left.iter().zip(right)) {
        *sum += weight * left + right_weight * right;
    }
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
