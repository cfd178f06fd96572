// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `blur.wgsl`: cells interpolated between their centres (bilinear, in 16.16 fixed point).

use super::{Lines, each_span};
use crate::plan::{Job, Plan};

/// Where sample `at` lies among `n` cells of a side of `length` samples: the cell whose centre is at
/// or before it, and how far it is to the next centre, in 1/256. Before the first and after the last
/// centre the level stays what it is there.
pub fn place(at: u32, n: u32, length: u32) -> (u32, u32) {
    // Centres lie at (2i + 1) / 2n of the side, the sample at (2·at + 1) / 2·length.
    let position = ((2 * at + 1) * n * 128 / length).max(128) - 128;
    let position = position.min((n - 1) * 256);
    (position >> 8, position & 255)
}

/// Writes `job`, interpolated: across once per row of cells, down in every row.
#[inline(always)]
pub fn blur(
    job: &Job,
    plan: &Plan,
    plane: &mut [u8],
    stride: usize,
    values: &[u8],
    lines: &mut Lines,
) {
    let Lines {
        upper,
        lower,
        places,
        ..
    } = lines;
    places.clear();
    places.extend((0..job.width).map(|x| place(x, job.nx, job.width)));
    let per_row = (job.nx * job.channels) as usize;
    // Of which row of cells `upper` is.
    let mut at = None;
    let mut before = None;
    for y in 0..job.height {
        let (cy, g) = place(y, job.ny, job.height);
        if at != Some(cy) {
            let below = (cy + 1).min(job.ny - 1);
            if cy > 0 && at == Some(cy - 1) {
                std::mem::swap(upper, lower);
            } else {
                across(
                    job,
                    &values[cy as usize * per_row..][..per_row],
                    places,
                    upper,
                );
            }
            across(
                job,
                &values[below as usize * per_row..][..per_row],
                places,
                lower,
            );
            at = Some(cy);
        }
        if before == Some((cy, g)) && job.is_box() {
            // On large cells every third row is as the one before.
            let above = job.row(y - 1, stride);
            plane.copy_within(above, job.row(y, stride).start);
            continue;
        }
        before = Some((cy, g));
        each_span(job, plan, y, plane, stride, |row, at| {
            down(row, &upper[at.clone()], &lower[at], g);
        });
    }
}

/// Interpolates a row of cells across, in 1/256: at most 255 · 256.
#[inline(always)]
fn across(job: &Job, cells: &[u8], places: &[(u32, u32)], line: &mut Vec<u16>) {
    line.clear();
    line.resize(places.len() * job.channels as usize, 0);
    match job.channels {
        1 => across_by::<1>(cells, places, line),
        2 => across_by::<2>(cells, places, line),
        3 => across_by::<3>(cells, places, line),
        _ => across_by::<4>(cells, places, line),
    }
}

#[inline(always)]
fn across_by<const N: usize>(cells: &[u8], places: &[(u32, u32)], line: &mut [u16]) {
    let cells = cells.as_chunks::<N>().0;
    for (sample, &(cell, f)) in line.as_chunks_mut::<N>().0.iter_mut().zip(places) {
        let left = cells[cell as usize];
        let right = cells[(cell as usize + 1).min(cells.len() - 1)];
        for c in 0..N {
            sample[c] = (u32::from(left[c]) * (256 - f) + u32::from(right[c]) * f) as u16;
        }
    }
}

/// Interpolates between two lines: `g` is how far it is to the lower one, in 1/256.
#[inline(always)]
fn down(row: &mut [u8], upper: &[u16], lower: &[u16], g: u32) {
    for (out, (&a, &b)) in row.iter_mut().zip(upper.iter().zip(lower)) {
        *out = ((u32::from(a) * (256 - g) + u32::from(b) * g + 0x8000) >> 16) as u8;
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
