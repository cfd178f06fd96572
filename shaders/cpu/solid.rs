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

/// As `repeat`, two columns of `BYTES` of the line at a time; it must have as many. Some may be written
/// twice.
#[inline(always)]
fn columns<const BYTES: usize>(plane: &mut [u8], stride: usize, rows: usize, line: &[u8]) {
    // All rows but the last are as long as the stride.
    let Some((body, end)) = plane.split_at_mut_checked((rows - 1) * stride) else {
        return;
    };
    let last = line.len() - BYTES;
    for left in (0..line.len()).step_by(2 * BYTES) {
        let at = [left.min(last), (left + BYTES).min(last)];
        let block = |start: usize| line[start..].first_chunk::<BYTES>();
        let (Some(&a), Some(&b)) = (block(at[0]), block(at[1])) else {
            return;
        };
        for row in body.chunks_exact_mut(stride) {
            write(row, at, a, b);
        }
        write(end, at, a, b);
    }
}

#[inline(always)]
fn write<const BYTES: usize>(row: &mut [u8], at: [usize; 2], a: [u8; BYTES], b: [u8; BYTES]) {
    if let Some(out) = row[at[0]..].first_chunk_mut() {
        *out = a;
    }
    if let Some(out) = row[at[1]..].first_chunk_mut() {
        *out = b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length_are_copied_to_every_row() {
        for length in 1..600 {
            let line: Vec<u8> = (0..length).map(|i| (i * 7 + 1) as u8).collect();
            for (stride, rows, more) in [(length, 1, 0), (length + 3, 4, 0), (length, 3, 9)] {
                let mut plane = vec![0; stride * (rows - 1) + length + more];
                repeat(&mut plane, stride, rows, &line);
                for (i, &byte) in plane.iter().enumerate() {
                    let inside = i / stride < rows && i % stride < length;
                    let expected = if inside { line[i % stride] } else { 0 };
                    assert_eq!(byte, expected, "{i} of {length}, {stride}, {rows}");
                }
            }
        }
    }
}
