// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flat cells.

use super::{Lines, each_span};
use crate::plan::{Job, Plan, edge};

/// Writes the cells of `job`. All rows of a row of cells are alike, so one is made and copied.
#[inline(always)]
pub fn pixelate(
    job: &Job,
    plan: &Plan,
    plane: &mut [u8],
    stride: usize,
    values: &[u8],
    lines: &mut Lines,
) {
    let channels = job.channels as usize;
    let line = &mut lines.row;
    line.resize(job.width as usize * channels, 0);
    for cy in 0..job.ny {
        for cx in 0..job.nx {
            let left = edge(cx, job.nx, job.width) as usize * channels;
            let right = edge(cx + 1, job.nx, job.width) as usize * channels;
            let cell = (cy * job.nx + cx) as usize * channels;
            repeat(&mut line[left..right], &values[cell..cell + channels]);
        }
        for y in edge(cy, job.ny, job.height)..edge(cy + 1, job.ny, job.height) {
            each_span(job, plan, y, plane, stride, |row, at| {
                row.copy_from_slice(&line[at]);
            });
        }
    }
}

/// Fills `part` with samples of this value.
#[inline(always)]
fn repeat(part: &mut [u8], value: &[u8]) {
    match *value {
        [a] => part.fill(a),
        [a, b] => part.as_chunks_mut().0.fill([a, b]),
        [a, b, c] => part.as_chunks_mut().0.fill([a, b, c]),
        [a, b, c, d] => part.as_chunks_mut().0.fill([a, b, c, d]),
        _ => {}
    }
}
