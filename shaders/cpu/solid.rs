// SPDX-License-Identifier: MIT OR Apache-2.0
//! One colour.

use super::{Lines, each_span};
use crate::plan::{Job, Plan};

/// Fills `job` with its colour.
#[inline(always)]
pub fn solid(job: &Job, plan: &Plan, plane: &mut [u8], stride: usize, lines: &mut Lines) {
    let channels = job.channels as usize;
    if channels == 1 {
        for y in 0..job.height {
            each_span(job, plan, y, plane, stride, |row, _| row.fill(job.fill[0]));
        }
        return;
    }
    let line = &mut lines.row;
    line.clear();
    line.extend(
        job.fill[..channels]
            .iter()
            .cycle()
            .take(job.width as usize * channels),
    );
    for y in 0..job.height {
        each_span(job, plan, y, plane, stride, |row, at| {
            row.copy_from_slice(&line[at]);
        });
    }
}
