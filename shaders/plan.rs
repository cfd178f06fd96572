// SPDX-License-Identifier: MIT OR Apache-2.0
//! From regions to jobs: what is masked on which plane, with which grid. Both backends follow it.

use crate::{Frame, Mode, Region};

/// Shortest side of a cell, in luma samples. A grid finer than this would leave a small region nearly
/// as it was: the number of cells is lowered instead.
pub const MIN_CELL: u32 = 4;

/// Most regions masked one by one. With more, the whole frame is masked as one region: it bounds the
/// memory and the work, and leaves no region out.
pub const MAX_REGIONS: usize = 4096;

/// A region on one plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Job {
    /// Number of the plane.
    pub plane: usize,
    /// Left edge on the plane, samples.
    pub x: u32,
    /// Top edge on the plane, rows.
    pub y: u32,
    /// Samples per row, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// Bytes per sample: 1, 2 or 4.
    pub channels: u32,
    /// Cells across; 0 for a solid fill.
    pub nx: u32,
    /// Cells down; 0 for a solid fill.
    pub ny: u32,
    /// Cells of the jobs before this one.
    pub first_cell: u32,
    /// Where the levels of this job begin; a cell has `channels` of them.
    pub first_value: u32,
    /// First bit of the noise hash that this plane uses: planes share a hash, not its bits.
    pub noise_bit: u32,
    /// Of the region.
    pub key: u64,
    /// Byte of a sample that is set to 255 (padding, alpha); 4 when there is none.
    pub opaque: u32,
    /// Bytes of a solid fill, repeating.
    pub fill: [u8; 4],
}

impl Job {
    /// First byte of row `y` of the job within its plane.
    pub(crate) fn row(&self, y: u32, stride: usize) -> std::ops::Range<usize> {
        let start = (self.y + y) as usize * stride + (self.x * self.channels) as usize;
        start..start + (self.width * self.channels) as usize
    }
}

/// Everything one frame needs, reused from frame to frame.
#[derive(Debug, Default)]
pub struct Plan {
    /// Jobs in the order in which they are written.
    pub jobs: Vec<Job>,
    /// Cells of all jobs.
    pub cells: u32,
    /// Levels of all jobs.
    pub values: u32,
}

impl Plan {
    /// Plans `mode` on `regions`, in this order. Empty regions and those outside the frame are left
    /// out; more than [`MAX_REGIONS`] become the whole frame.
    pub fn make(&mut self, frame: &Frame<'_>, regions: &[Region], mode: Mode) {
        self.jobs.clear();
        (self.cells, self.values) = (0, 0);
        let (format, width, height) = (frame.format(), frame.width(), frame.height());
        let whole = [Region::whole(width, height)];
        let regions = if regions.len() > MAX_REGIONS {
            &whole
        } else {
            regions
        };
        for region in regions {
            let Some(r) = region.aligned(format, width, height) else {
                continue;
            };
            let (nx, ny) = grid(r.width, r.height, mode.cells());
            for plane in 0..format.planes() {
                let channels = format.channels(plane);
                // The region begins at even coordinates, so half of it is exact on the left and top.
                let shift = u32::from(format.is_subsampled() && plane > 0);
                let (width, height) = format.plane_size(plane, r.width, r.height);
                self.jobs.push(Job {
                    plane,
                    x: r.x >> shift,
                    y: r.y >> shift,
                    width,
                    height,
                    channels,
                    nx,
                    ny,
                    first_cell: self.cells,
                    first_value: self.values,
                    noise_bit: 2 * plane as u32,
                    key: r.key,
                    opaque: format.opaque_byte().unwrap_or(4),
                    fill: match mode {
                        Mode::Solid { argb } => format.fill(plane, argb, frame.colorimetry()),
                        _ => [0; 4],
                    },
                });
                self.cells += nx * ny;
                self.values += nx * ny * channels;
            }
        }
    }
}

/// Cells across and down for a region, at most `cells` along the longer side, about square, none
/// shorter than [`MIN_CELL`] along the longer side and none empty, on half-size chroma planes either.
fn grid(width: u32, height: u32, cells: u32) -> (u32, u32) {
    if cells == 0 {
        return (0, 0);
    }
    let long = width.max(height);
    let n = cells.min(long / MIN_CELL).max(1);
    let across = |side: u32| ((side * n + long / 2) / long).max(1);
    (across(width), across(height))
}

/// First sample of cell `i` of `n` along a side of `length` samples.
pub(crate) fn edge(i: u32, n: u32, length: u32) -> u32 {
    i * length / n
}

/// Cell in which sample `at` lies: the inverse of [`edge`].
#[cfg(test)]
pub(crate) fn cell_at(at: u32, n: u32, length: u32) -> u32 {
    ((at + 1) * n - 1) / length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, MAX_DIMENSION};

    #[test]
    fn cells_are_few_about_square_and_never_empty() {
        assert_eq!(grid(120, 240, 6), (3, 6));
        assert_eq!(grid(240, 120, 6), (6, 3));
        assert_eq!(grid(1, 1, 6), (1, 1));
        assert_eq!(grid(2, 2, 64), (1, 1));
        assert_eq!(
            grid(12, 12, 6),
            (3, 3),
            "no cell is smaller than 4 x 4 pixels"
        );
        assert_eq!(grid(MAX_DIMENSION, 1, 64), (64, 1));
        assert_eq!(grid(50, 50, 0), (0, 0));
        for width in 1..70 {
            for height in 1..70 {
                for cells in [1, 2, 3, 6, 8, 64] {
                    let (nx, ny) = grid(width, height, cells);
                    assert!(nx.max(ny) <= cells);
                    for (side, n) in [(width, nx), (height, ny)] {
                        let half = side.div_ceil(2);
                        assert!(
                            half >= n,
                            "{width}x{height}, {cells}: a chroma cell is empty"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn edges_and_cells_agree() {
        for length in 1..200 {
            for n in 1..=length.min(64) {
                for i in 0..n {
                    for at in edge(i, n, length)..edge(i + 1, n, length) {
                        assert_eq!(cell_at(at, n, length), i);
                    }
                }
            }
        }
    }

    #[test]
    fn planes_of_a_region_cover_the_same_pixels() {
        let mut data = vec![0u8; 33 * 17 + 2 * 17 * 9];
        let frame = Frame::from_slice(
            Format::I420,
            33,
            17,
            &mut data,
            &[0, 561, 561 + 153],
            &[33, 17, 17],
        )
        .unwrap();
        let mut plan = Plan::default();
        let region = Region {
            x: 31,
            y: 3,
            width: 2,
            height: 1,
            key: 9,
        };
        plan.make(&frame, &[region], Mode::Pixelate { cells: 6 });
        let at = |j: &Job| (j.plane, j.x, j.y, j.width, j.height);
        assert_eq!(
            plan.jobs.iter().map(at).collect::<Vec<_>>(),
            [(0, 30, 2, 3, 2), (1, 15, 1, 2, 1), (2, 15, 1, 2, 1)]
        );
        assert_eq!((plan.cells, plan.values), (3, 3));
        let outside = Region { x: 40, ..region };
        plan.make(&frame, &[outside, outside], Mode::Solid { argb: 0 });
        assert!(plan.jobs.is_empty());
        let crowd = vec![region; MAX_REGIONS + 1];
        plan.make(&frame, &crowd, Mode::Pixelate { cells: 64 });
        assert_eq!(at(&plan.jobs[0]), (0, 0, 0, 33, 17));
        assert_eq!(plan.jobs.len(), 3);
        plan.make(&frame, &crowd[1..], Mode::Pixelate { cells: 64 });
        assert_eq!(plan.jobs.len(), 3 * MAX_REGIONS);
    }
}
