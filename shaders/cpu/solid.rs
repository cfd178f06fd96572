// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `solid.wgsl`: one colour.

use crate::plan::Job;

/// Fills `job` with its colour.
pub fn solid(job: &Job, plane: &mut [u8], stride: usize, line: &mut Vec<u8>) {
    line.clear();
    let bytes = (job.width * job.channels) as usize;
    // A colour repeats every 1, 2 or 4 bytes, so four bytes hold it whatever the format.
    line.extend(job.fill.iter().cycle().take(bytes));
    for y in 0..job.height {
        plane[job.row(y, stride)].copy_from_slice(line);
    }
}
