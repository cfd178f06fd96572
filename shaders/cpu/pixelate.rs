// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flat cells.

use super::{
    cell_mean::rows_of_cells,
    solid::{fill, write_rows},
};
use crate::plan::{Job, Plan, edge};

/// Writes row `cy` of the cells of `job`. All its rows are alike, so one is made and copied.
#[inline(always)]
pub fn pixelate(
    job: &Job,
    plan: &Plan,
    plane: &mut [u8],
    stride: usize,
    cy: u32,
    values: &[u8],
    line: &mut Vec<u8>,
) {
    let channels = job.channels as usize;
    line.resize(job.width as usize * channels, 0);
    let values = values[(cy * job.nx) as usize * channels..].chunks_exact(channels);
    let mut left = 0;
    for (cx, value) in (0..job.nx).zip(values) {
        let right = edge(cx + 1, job.nx, job.width) as usize * channels;
        fill(&mut line[left..right], value);
        left = right;
    }
    let (top, bottom) = rows_of_cells(job, cy);
    write_rows(job, plan, plane, stride, top..bottom, line);
}
