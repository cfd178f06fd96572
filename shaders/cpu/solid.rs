// SPDX-License-Identifier: MIT OR Apache-2.0
//! One colour.

use std::ops::Range;

use super::spans;
use crate::plan::{Job, Plan};

/// Fills `job` with its colour.
#[inline(always)]
pub fn solid(job: &Job, plan: &Plan, plane: &mut [u8], stride: usize, line: &mut Vec<u8>) {
    let channels = job.channels as usize;
    line.resize(job.width as usize * channels, 0);
    fill(line, &job.fill[..channels]);
    write_rows(job, plan, plane, stride, 0..job.height, line);
}

/// Fills `part` with samples of this value.
#[inline(always)]
pub fn fill(part: &mut [u8], value: &[u8]) {
    match *value {
        [a] => part.fill(a),
        [a, b] => part.as_chunks_mut().0.fill([a, b]),
        [a, b, c] => part.as_chunks_mut().0.fill([a, b, c]),
        [a, b, c, d] => part.as_chunks_mut().0.fill([a, b, c, d]),
        _ => {}
    }
}

/// Copies what is written of `line` to rows of a job.
#[inline(always)]
pub fn write_rows(
    job: &Job,
    plan: &Plan,
    plane: &mut [u8],
    stride: usize,
    rows: Range<u32>,
    line: &[u8],
) {
    if job.is_box() {
        return repeat(
            &mut plane[job.row(rows.start, stride).start..],
            stride,
            rows.len(),
            line,
        );
    }
    for y in rows {
        let row = &mut plane[job.row(y, stride)];
        for span in spans(job, plan, y) {
            row[span.clone()].copy_from_slice(&line[span]);
        }
    }
}

/// Copies `line` to `rows` rows.
#[inline(always)]
fn repeat(plane: &mut [u8], stride: usize, rows: usize, line: &[u8]) {
    // Going down the columns of a narrow region saves a call per row.
    match line.len() {
        512.. | ..4 => {
            for row in plane.chunks_mut(stride).take(rows) {
                row[..line.len()].copy_from_slice(line);
            }
        }
        64.. => columns::<64>(plane, stride, rows, line),
        32.. => columns::<32>(plane, stride, rows, line),
        16.. => columns::<16>(plane, stride, rows, line),
        8.. => columns::<8>(plane, stride, rows, line),
        _ => columns::<4>(plane, stride, rows, line),
    }
}

/// As `repeat`, `BYTES` of the line at a time; it must have as many. The last ones may be written twice.
#[inline(always)]
fn columns<const BYTES: usize>(plane: &mut [u8], stride: usize, rows: usize, line: &[u8]) {
    let last = line.len() - BYTES;
    for start in (0..last).step_by(BYTES).chain([last]) {
        let Some(&block) = line[start..].first_chunk::<BYTES>() else {
            return;
        };
        for row in plane[start..].chunks_mut(stride).take(rows) {
            if let Some(out) = row.first_chunk_mut() {
                *out = block;
            }
        }
    }
}
