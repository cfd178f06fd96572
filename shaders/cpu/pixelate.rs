// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `pixelate.wgsl`: flat cells.

use crate::plan::{Job, edge};

/// Writes the cells of `job`. All rows of a row of cells are alike, so one is made and copied.
pub fn pixelate(job: &Job, plane: &mut [u8], stride: usize, values: &[u8], line: &mut Vec<u8>) {
    let channels = job.channels as usize;
    line.resize((job.width * job.channels) as usize, 0);
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
            plane[job.row(y, stride)].copy_from_slice(line);
        }
    }
}
