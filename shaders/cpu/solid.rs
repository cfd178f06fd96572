// SPDX-License-Identifier: MIT OR Apache-2.0
//! One colour.

use super::{Lines, write_row};
use crate::plan::{Job, Plan};

/// Fills `job` with its colour.
pub fn solid(job: &Job, plan: &Plan, plane: &mut [u8], stride: usize, lines: &mut Lines) {
    let channels = job.channels as usize;
    lines.line.clear();
    let bytes = job.width as usize * channels;
    lines
        .line
        .extend(job.fill[..channels].iter().cycle().take(bytes));
    for y in 0..job.height {
        write_row(job, plan, y, plane, stride, &lines.line);
    }
}
