// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `blur.wgsl`: cells interpolated between their centres (bilinear, in 16.16 fixed point).

use super::{Lines, write_row};
use crate::{
    MAX_CELLS,
    plan::{Job, Plan},
};

/// Samples that lie between the centres of the same two cells.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// Cell on the left.
    cell: u32,
    /// First sample after the segment.
    end: u32,
}

/// Where sample `at` lies among `n` cells of a side of `length` samples: the cell whose centre is at
/// or before it, and how far it is to the next centre, in 1/256. Before the first and after the last
/// centre the level stays what it is there.
pub fn place(at: u32, n: u32, length: u32) -> (u32, u32) {
    // Centres lie at (2i + 1) / 2n of the side, the sample at (2·at + 1) / 2·length.
    let position = ((2 * at + 1) * n * 128 / length).max(128) - 128;
    let position = position.min((n - 1) * 256);
    (position >> 8, position & 255)
}

/// Writes `job`, interpolated.
pub fn blur(
    job: &Job,
    plan: &Plan,
    plane: &mut [u8],
    stride: usize,
    values: &[u8],
    lines: &mut Lines,
) {
    let channels = job.channels as usize;
    let Lines {
        line,
        fraction,
        segments,
        ..
    } = lines;
    line.resize(job.width as usize * channels, 0);
    fraction.clear();
    segments.clear();
    for x in 0..job.width {
        let (cell, f) = place(x, job.nx, job.width);
        fraction.push(f as u8);
        match segments.last_mut() {
            Some(segment) if segment.cell == cell => segment.end = x + 1,
            _ => segments.push(Segment { cell, end: x + 1 }),
        }
    }
    // One row of cells, interpolated down: at most 255 · 256.
    let mut row = [0u32; 4 * MAX_CELLS as usize];
    let per_row = job.nx as usize * channels;
    for y in 0..job.height {
        let (cy, g) = place(y, job.ny, job.height);
        let upper = &values[cy as usize * per_row..][..per_row];
        let lower_row = (cy + 1).min(job.ny - 1) as usize;
        let lower = &values[lower_row * per_row..][..per_row];
        for (out, (&a, &b)) in row.iter_mut().zip(upper.iter().zip(lower)) {
            *out = u32::from(a) * (256 - g) + u32::from(b) * g;
        }
        let row = &row[..per_row];
        match channels {
            1 => across::<1>(line, row, fraction, segments),
            2 => across::<2>(line, row, fraction, segments),
            3 => across::<3>(line, row, fraction, segments),
            _ => across::<4>(line, row, fraction, segments),
        }
        write_row(job, plan, y, plane, stride, line);
    }
}

/// Interpolates a row of cells across.
fn across<const N: usize>(line: &mut [u8], row: &[u32], fraction: &[u8], segments: &[Segment]) {
    let cells = row.as_chunks::<N>().0;
    let samples = line.as_chunks_mut::<N>().0;
    let mut start = 0;
    for segment in segments {
        let end = segment.end as usize;
        let left = cells[segment.cell as usize];
        let right = cells[(segment.cell as usize + 1).min(cells.len() - 1)];
        for (sample, &f) in samples[start..end].iter_mut().zip(&fraction[start..end]) {
            let f = u32::from(f);
            for c in 0..N {
                sample[c] = ((left[c] * (256 - f) + right[c] * f + 0x8000) >> 16) as u8;
            }
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_from_the_first_to_the_last_centre() {
        assert_eq!(place(0, 1, 1), (0, 0));
        assert_eq!(place(0, 2, 8), (0, 0), "before the first centre");
        assert_eq!(place(7, 2, 8), (1, 0), "after the last centre");
        assert_eq!(place(2, 2, 8), (0, 32), "half a sample after a centre");
        for (n, length) in [(1, 9), (6, 24), (64, 32_767), (8, 1081)] {
            let mut before = (0, 0);
            for at in 0..length {
                let now = place(at, n, length);
                assert!(now >= before && now <= (n - 1, 0));
                before = now;
            }
        }
    }
}
