// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flat cells.

use super::{Lines, write_row};
use crate::plan::{Job, Plan, edge};

/// Writes the cells of `job`. All rows of a row of cells are alike, so one is made and copied.
pub fn pixelate(
    job: &Job,
    plan: &Plan,
    plane: &mut [u8],
    stride: usize,
    values: &[u8],
    lines: &mut Lines,
) {
    let channels = job.channels as usize;
    let line = &mut lines.line;
    line.resize(job.width as usize * channels, 0);
    for cy in 0..job.ny {
        for cx in 0..job.nx {
            let left = edge(cx, job.nx, job.width) as usize * channels;
            let right = edge(cx + 1, job.nx, job.width) as usize * channels;
            let cell = (cy * job.nx + cx) as usize * channels;
            let value = &values[cell..cell + channels];
            match *value {
                [v] => line[left..right].fill(v),
                _ => line[left..right]
                    .chunks_exact_mut(channels)
                    .for_each(|sample| sample.copy_from_slice(value)),
            }
        }
        for y in edge(cy, job.ny, job.height)..edge(cy + 1, job.ny, job.height) {
            write_row(job, plan, y, plane, stride, line);
        }
    }
}
