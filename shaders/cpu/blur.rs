// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `blur.wgsl`: cells interpolated between their centres (bilinear, in 16.16 fixed point).

use std::ops::Range;

use super::spans;
use crate::plan::{Job, Plan};

/// Bytes that are written at a time.
const BLOCK: usize = 64;

/// Samples that lie between the centres of the same two cells.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// Cell on the left.
    cell: usize,
    /// First byte.
    start: usize,
}

/// Where samples lie on a line of cells, and the two lines between which rows lie.
#[derive(Default)]
pub struct Grid {
    segments: Vec<Segment>,
    /// Bytes of a row. The lines are longer, in whole blocks and one more.
    bytes: usize,
    /// Of each byte: how far its sample is to the next centre, in 1/256.
    fraction: Vec<u8>,
    /// Of each byte: value of the cell on its left, and on its right.
    left: Vec<u8>,
    right: Vec<u8>,
    /// A row of cells interpolated across, in 1/256, and the one below it.
    upper: Vec<u16>,
    lower: Vec<u16>,
    /// What is made of the two, so that a row takes additions and multiplications of 16 bits only: see
    /// [`down`].
    high: Vec<u16>,
    high_step: Vec<u16>,
    low: Vec<u16>,
    low_step: Vec<u16>,
    /// Where each row of the job lies among its rows of cells, in 1/256: see [`place`].
    rows: Vec<u32>,
    /// Rows that are written.
    done: u32,
}

/// Prepares for the rows of `job`.
#[inline(always)]
pub fn begin(job: &Job, grid: &mut Grid) {
    let channels = job.channels as usize;
    let bytes = job.width as usize * channels;
    (grid.done, grid.bytes) = (0, bytes);
    grid.segments.clear();
    grid.rows.clear();
    grid.rows.extend(positions(job.ny, job.height));
    let room = bytes.next_multiple_of(BLOCK) + BLOCK;
    grid.fraction.clear();
    grid.fraction.resize(room, 0);
    for line in [&mut grid.left, &mut grid.right] {
        line.resize(room, 0);
    }
    for line in [
        &mut grid.upper,
        &mut grid.lower,
        &mut grid.high,
        &mut grid.high_step,
        &mut grid.low,
        &mut grid.low_step,
    ] {
        line.resize(room, 0);
    }
    match channels {
        1 => places::<1>(job, grid),
        2 => places::<2>(job, grid),
        3 => places::<3>(job, grid),
        _ => places::<4>(job, grid),
    }
}

/// Where the samples of a side of `length` samples lie among its `n` cells, in 1/256 from the centre of
/// the first to that of the last. Before the first and after the last centre the level stays what it is
/// there.
///
/// Centres lie at (2i + 1) / 2n of the side, the sample at (2 · at + 1) / 2 · length. The quotient is
/// carried from sample to sample, without dividing.
#[inline(always)]
fn positions(n: u32, length: u32) -> impl Iterator<Item = u32> {
    let (mut quotient, mut remainder) = (n * 128 / length, n * 128 % length);
    let (step, more) = (n * 256 / length, n * 256 % length);
    (0..length).map(move |_| {
        let position = (quotient.max(128) - 128).min((n - 1) * 256);
        (quotient, remainder) = (quotient + step, remainder + more);
        if remainder >= length {
            (quotient, remainder) = (quotient + 1, remainder - length);
        }
        position
    })
}

/// Notes where the samples of a row lie.
#[inline(always)]
fn places<const N: usize>(job: &Job, grid: &mut Grid) {
    let mut before = u32::MAX;
    let fractions = grid.fraction.as_chunks_mut::<N>().0;
    let positions = positions(job.nx, job.width);
    for (x, (fraction, position)) in fractions.iter_mut().zip(positions).enumerate() {
        *fraction = [position as u8; N];
        let cell = position >> 8;
        if cell != before {
            grid.segments.push(Segment {
                cell: cell as usize,
                start: x * N,
            });
            before = cell;
        }
    }
}

/// Writes the rows of `job` that lie between the centres of row `cy` of its cells and the one above,
/// interpolated: across once per row of cells, down in every row. For the first and the last row of cells
/// it writes what lies outside the centres, too. To be called for one row after the other.
#[inline(always)]
pub fn blur(
    job: &Job,
    plan: &Plan,
    plane: &mut [u8],
    stride: usize,
    cy: u32,
    values: &[u8],
    grid: &mut Grid,
) {
    // The row `cy` becomes `lower`, which was the row above it.
    let per_row = (job.nx * job.channels) as usize;
    std::mem::swap(&mut grid.upper, &mut grid.lower);
    across(job, &values[cy as usize * per_row..][..per_row], grid);
    if cy == 0 && job.ny > 1 {
        return;
    }
    if job.ny == 1 {
        // There is no other row: both are it.
        grid.upper.copy_from_slice(&grid.lower);
    }
    split(grid);
    let mut before = None;
    while grid.done < job.height {
        let y = grid.done;
        let position = grid.rows[y as usize];
        // The last row lies at its own centre, as lower as it gets.
        let g = match (cy << 8).checked_sub(position) {
            _ if job.ny == 1 => 0,
            Some(up) if up > 0 || cy + 1 == job.ny => 256 - up,
            _ => break,
        };
        grid.done += 1;
        let row = job.row(y, stride);
        if before == Some(g) && job.is_box() {
            // On large cells every third row is as the one before.
            plane.copy_within(job.row(y - 1, stride), row.start);
            continue;
        }
        before = Some(g);
        let row = &mut plane[row];
        if job.is_box() {
            let all = 0..row.len();
            down(row, grid, all, g);
            continue;
        }
        for span in spans(job, plan, y) {
            down(&mut row[span.clone()], grid, span, g);
        }
    }
}

/// Interpolates a row of cells across into `lower`, in 1/256: at most 255 · 256.
#[inline(always)]
fn across(job: &Job, cells: &[u8], grid: &mut Grid) {
    match job.channels {
        1 => expand::<1, BLOCK>(cells, grid),
        2 => expand::<2, BLOCK>(cells, grid),
        3 => expand::<3, 48>(cells, grid),
        _ => expand::<4, BLOCK>(cells, grid),
    }
    let sides = grid.left.iter().zip(&grid.right).zip(&grid.fraction);
    for (out, ((&left, &right), &fraction)) in grid.lower.iter_mut().zip(sides) {
        let f = u16::from(fraction);
        *out = (u16::from(left) * (256 - f)).wrapping_add(u16::from(right) * f);
    }
}

/// Writes the cell on the left and on the right of each sample, in blocks that run on beyond a segment
/// to where the next one writes over them. `BYTES` is a multiple of `N` and at most [`BLOCK`].
#[inline(always)]
fn expand<const N: usize, const BYTES: usize>(cells: &[u8], grid: &mut Grid) {
    let cells = cells.as_chunks::<N>().0;
    let block = |cell: usize| {
        let mut block = [0; BYTES];
        block.as_chunks_mut().0.fill(cells[cell]);
        block
    };
    let ends = grid.segments.iter().skip(1).map(|segment| segment.start);
    for (segment, end) in grid.segments.iter().zip(ends.chain([grid.bytes])) {
        let left = block(segment.cell);
        let right = block((segment.cell + 1).min(cells.len() - 1));
        for start in (segment.start..end).step_by(BYTES) {
            grid.left[start..start + BYTES].copy_from_slice(&left);
            grid.right[start..start + BYTES].copy_from_slice(&right);
        }
    }
}

/// Prepares the two lines for [`down`].
#[inline(always)]
fn split(grid: &mut Grid) {
    let lines = grid.upper.iter().zip(&grid.lower);
    let high = grid.high.iter_mut().zip(&mut grid.high_step);
    let low = grid.low.iter_mut().zip(&mut grid.low_step);
    for ((&a, &b), ((high, high_step), (low, low_step))) in lines.zip(high.zip(low)) {
        *high = (a & 0xff00) + 0x80;
        *high_step = (b >> 8).wrapping_sub(a >> 8);
        *low = a << 8;
        *low_step = (b & 0xff).wrapping_sub(a & 0xff);
    }
}

/// Interpolates between the two lines, `g`/256 from the upper to the lower: for a and b in 1/256,
/// (a · (256 − g) + b · g + 0x8000) >> 16.
///
/// That is the same as (h + (l >> 8) + 0x80) >> 8, with h and l the sums for the high bytes of a and b and
/// for their low bytes: l / 256 is the only part of a sum that is not whole. Both sums fit 16 bits, and
/// as a · 256 + (b − a) · g they may go through numbers that do not, as 16-bit arithmetic wraps.
#[inline(always)]
fn down(row: &mut [u8], grid: &Grid, at: Range<usize>, g: u32) {
    let g = g as u16;
    let high = grid.high[at.clone()]
        .iter()
        .zip(&grid.high_step[at.clone()]);
    let low = grid.low[at.clone()].iter().zip(&grid.low_step[at]);
    for (out, ((&high, &high_step), (&low, &low_step))) in row.iter_mut().zip(high.zip(low)) {
        let low = low.wrapping_add(low_step.wrapping_mul(g));
        let high = high.wrapping_add(high_step.wrapping_mul(g));
        *out = (high.wrapping_add(low >> 8) >> 8) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_run_from_the_first_to_the_last_centre() {
        let of = |n, length| positions(n, length).collect::<Vec<_>>();
        assert_eq!(of(1, 1), [0]);
        assert_eq!(of(2, 8), [0, 0, 32, 96, 160, 224, 256, 256]);
        for (n, length) in [(1, 9), (6, 24), (64, 32_767), (8, 1081), (64, 5), (64, 64)] {
            let found = of(n, length);
            assert!(found.is_sorted());
            for (at, found) in (0..length).zip(found) {
                let exact = ((2 * at + 1) * n * 128 / length).max(128) - 128;
                assert_eq!(found, exact.min((n - 1) * 256), "{at} of {n}, {length}");
            }
        }
    }

    /// The 16-bit arithmetic, against the plain formula.
    #[test]
    fn rows_are_the_weighted_means_of_two_lines() {
        let mut grid = Grid::default();
        let values = || (0..=255u16).flat_map(|v| [v * 256, v * 255, v * 255 + 77, v * 251]);
        grid.upper = values().map(|v| v.min(65_280)).collect();
        grid.lower = grid.upper.iter().rev().copied().collect();
        grid.lower.rotate_left(99);
        let n = grid.upper.len();
        for line in [
            &mut grid.high,
            &mut grid.high_step,
            &mut grid.low,
            &mut grid.low_step,
        ] {
            line.resize(n, 0);
        }
        split(&mut grid);
        let mut row = vec![0; n];
        for g in 0..=256 {
            down(&mut row, &grid, 0..n, g);
            for (out, (&a, &b)) in row.iter().zip(grid.upper.iter().zip(&grid.lower)) {
                let sum = u32::from(a) * (256 - g) + u32::from(b) * g;
                assert_eq!(u32::from(*out), (sum + 0x8000) >> 16, "{a}, {b}, {g}");
            }
        }
    }
}
