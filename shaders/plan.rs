// SPDX-License-Identifier: MIT OR Apache-2.0
//! From regions to jobs: what is masked on which plane, with which grid, and which of its bytes are
//! written. Both backends follow it.

use std::{fmt, ops::Range};

use crate::{
    Format, Frame, Mode, PICTURE_SIDE, Picture, Rect, Region, Runs, Shape, Work,
    memory::{Id, Memory, Recall},
};

/// Shortest side of a cell, in luma samples. A grid finer than this would leave a small region nearly
/// as it was: the number of cells is lowered instead.
pub const MIN_CELL: u32 = 4;

/// Most regions masked one by one. With more, the whole frame is masked as one region: it bounds the
/// memory and the work, and leaves no region out.
pub const MAX_REGIONS: usize = 4096;

/// What a job writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// [`Job::fill`].
    #[default]
    Solid,
    /// The value of the cell.
    Flat,
    /// The values of the four nearest cells, interpolated between their centres.
    Interpolated,
}

/// A region on one plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Job {
    /// What is written.
    pub kind: Kind,
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
    /// Bytes per sample: 1 to 4.
    pub channels: u32,
    /// Cells across; 0 for a solid fill.
    pub nx: u32,
    /// Cells down; 0 for a solid fill.
    pub ny: u32,
    /// Cells to be taken by the jobs before this one: those that are known are not counted.
    pub first_cell: u32,
    /// Where the values of this job begin; a cell has `channels` of them. Jobs may share them.
    pub first_value: u32,
    /// First bit of the noise hash that this plane uses: planes share a hash, not its bits.
    pub noise_bit: u32,
    /// Of the region.
    pub key: u64,
    /// The values are there (from the memory, a picture, or a job before this one): nothing is to be
    /// taken, and no pixel is read.
    pub known: bool,
    /// The values are to be kept. Never for those that are known.
    pub remember: bool,
    /// 0 for levels (5 bits and noise). Else the means keep 8 bits, and a Gaussian of this standard
    /// deviation, in 1/256 cells, runs over them; see [`gaussian`].
    pub smooth: u32,
    /// Of each byte of a sample: 255 where a value is used, 0 for a constant.
    pub keep: [u8; 4],
    /// Of each byte of a sample: the constant, 0 where a value is used. A value is
    /// `value & keep | set`.
    pub set: [u8; 4],
    /// First of two bytes, two apart, that share one value, the mean of both; 4 for none.
    pub pair: u32,
    /// Bytes of a sample of a solid fill; those of one and two bytes repeat.
    pub fill: [u8; 4],
    /// Where its bands begin among those of the plan; `NO_OUTLINE` when all of it is written.
    pub(crate) outline: u32,
    /// Number of its first band in the plane.
    pub(crate) first_band: u32,
    /// Rows of a band in the plane.
    pub(crate) band_rows: u32,
    /// Pixels per sample, as a shift.
    pub(crate) across: u32,
    /// First pixel, which is 0, and last + 1 of a box.
    pub(crate) whole: [u32; 2],
}

const NO_OUTLINE: u32 = u32::MAX;

impl Job {
    /// Bytes of row `y` of the job within its plane.
    pub(crate) fn row(&self, y: u32, stride: usize) -> Range<usize> {
        let start = (self.y + y) as usize * stride + (self.x * self.channels) as usize;
        start..start + (self.width * self.channels) as usize
    }

    /// Whether all of its samples are written.
    pub fn is_box(&self) -> bool {
        self.outline == NO_OUTLINE
    }

    /// Number of its values.
    pub fn values(&self) -> usize {
        (self.nx * self.ny * self.channels) as usize
    }

    /// Where its values are.
    pub(crate) fn value_range(&self) -> Range<usize> {
        let first = self.first_value as usize;
        first..first + self.values()
    }

    fn id(&self) -> Id {
        Id {
            key: self.key,
            plane: self.plane,
            nx: self.nx,
            ny: self.ny,
        }
    }
}

/// Everything one frame needs, reused from frame to frame.
#[derive(Default)]
pub struct Plan {
    /// Jobs in the order in which they are written.
    pub jobs: Vec<Job>,
    /// Cells to be taken, of all jobs.
    pub cells: u32,
    /// Values of all jobs, as they number them. Those of jobs that are known are there, the others 0.
    pub values: Vec<u8>,
    /// A frame before this one takes values that this one needs. The plan is of no use: have the other
    /// frame [`learn`](Plan::learn) its values, and make this plan again.
    pub pending: bool,
    /// Number of the frame in the memory.
    frame: u64,
    /// Where the spans of the bands of outlined regions begin, and after the last of each where they end.
    bands: Vec<u32>,
    /// First pixel and last pixel + 1, from the left edge of the region.
    spans: Vec<[u32; 2]>,
}

impl fmt::Debug for Plan {
    /// Not the values: they are what is left of the people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("jobs", &self.jobs)
            .field("cells", &self.cells)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Plans `work`, its regions in their order. Empty regions and those outside the frame are left
    /// out; more than [`MAX_REGIONS`] become the whole frame.
    ///
    /// Values that `memory` knows are taken from there; those that are to be kept are reserved until
    /// [`Plan::learn`] or [`Plan::abandon`].
    pub fn make(&mut self, frame: &Frame<'_>, work: &Work<'_>, memory: &mut Memory) {
        self.jobs.clear();
        self.values.clear();
        self.bands.clear();
        self.spans.clear();
        (self.cells, self.pending) = (0, false);
        self.frame = memory.begin(frame.format(), work.now, work.refresh);
        let mut whole = [Region::whole(frame.width(), frame.height())];
        let regions = if work.regions.len() > MAX_REGIONS {
            whole[0].solid = work.regions.iter().any(|r| r.solid);
            &whole
        } else {
            work.regions
        };
        // All regions show one picture.
        let mut pictures = [None; 3];
        for region in regions {
            if let Some(rect) = region.on(frame)
                && let Some(outline) = self.outline(region, rect, frame, work)
            {
                self.region(region, rect, outline, frame, work, memory, &mut pictures);
            }
        }
        if self.pending {
            memory.abandon(self.frame);
        }
    }

    /// Tells the memory the values that this frame took, from [`Plan::values`].
    pub fn learn(&self, memory: &mut Memory) {
        for job in self.jobs.iter().filter(|job| job.remember) {
            memory.learn(self.frame, job.id(), &self.values[job.value_range()]);
        }
    }

    /// Tells the memory that this frame takes no values, because it failed.
    pub fn abandon(&self, memory: &mut Memory) {
        memory.abandon(self.frame);
    }

    /// The samples of row `row` of `job` that are written, from its left edge: sorted and apart.
    #[inline]
    pub fn spans<'a>(
        &'a self,
        job: &'a Job,
        row: u32,
    ) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let spans = if job.is_box() {
            std::slice::from_ref(&job.whole)
        } else {
            let band = (job.y + row) / job.band_rows - job.first_band;
            let band = (job.outline + band) as usize;
            &self.spans[self.bands[band] as usize..self.bands[band + 1] as usize]
        };
        let shift = job.across;
        spans
            .iter()
            .map(move |[first, end]| (first >> shift) as usize..end.div_ceil(1 << shift) as usize)
    }

    #[expect(clippy::too_many_arguments, reason = "a part of `make`")]
    fn region(
        &mut self,
        region: &Region,
        rect: Rect,
        outline: u32,
        frame: &Frame<'_>,
        work: &Work<'_>,
        memory: &mut Memory,
        pictures: &mut [Option<u32>; 3],
    ) {
        let (kind, cells, picture) = match work.mode {
            _ if region.solid => (Kind::Solid, 0, None),
            Mode::Solid => (Kind::Solid, 0, None),
            Mode::Pixelate { cells } => (Kind::Flat, cells.clamp(1, crate::MAX_CELLS), None),
            Mode::Blur { cells } => (Kind::Interpolated, cells.clamp(1, crate::MAX_CELLS), None),
            Mode::Gaussian { .. } => (Kind::Interpolated, crate::MAX_CELLS, None),
            Mode::Image { picture } => (Kind::Interpolated, 0, Some(picture)),
        };
        let (nx, ny) = match picture {
            Some(_) => (PICTURE_SIDE, PICTURE_SIDE),
            None => grid(rect.width, rect.height, cells),
        };
        let smooth = match work.mode {
            Mode::Gaussian { cells } if kind != Kind::Solid => {
                (nx.max(ny) * 128 / cells.clamp(1, crate::MAX_CELLS)).max(1)
            }
            _ => 0,
        };
        let levels = kind != Kind::Solid && picture.is_none() && smooth == 0;
        let remember = levels && region.remember && work.refresh > 0;
        let (nx, ny) = match remember {
            true => memory.grid(region.key, (nx, ny), |grid| fits(grid, &rect, cells)),
            false => (nx, ny),
        };
        let format = frame.format();
        for plane in 0..format.planes() {
            let (across, down) = format.subsampling(plane);
            // The region begins at a multiple of the alignment, so this is exact on the left and top.
            let (width, height) = format.plane_size(plane, rect.width, rect.height);
            let band_rows = Runs::band_rows(frame.interlaced()) >> down;
            let constants = format.constants(plane);
            let mut job = Job {
                kind,
                plane,
                x: rect.x >> across,
                y: rect.y >> down,
                width,
                height,
                channels: format.channels(plane),
                nx,
                ny,
                first_cell: self.cells,
                first_value: self.values.len() as u32,
                noise_bit: 2 * plane as u32,
                key: region.key,
                known: kind == Kind::Solid,
                remember,
                smooth,
                keep: constants.map(|c| if c.is_some() { 0 } else { 255 }),
                set: constants.map(|c| c.unwrap_or(0)),
                pair: format.luma_pair().unwrap_or(4),
                fill: format.fill(plane, work.fill, frame.colorimetry()),
                outline,
                first_band: (rect.y >> down) / band_rows,
                band_rows,
                across,
                whole: [0, rect.width],
            };
            if let Some(picture) = picture {
                self.picture(&mut job, picture, format, frame, pictures);
            } else if job.remember {
                self.recall(&mut job, memory);
            } else if kind != Kind::Solid {
                self.values.resize(self.values.len() + job.values(), 0);
            }
            if !job.known {
                self.cells += nx * ny;
            }
            self.jobs.push(job);
        }
    }

    fn picture(
        &mut self,
        job: &mut Job,
        picture: &Picture,
        format: Format,
        frame: &Frame<'_>,
        pictures: &mut [Option<u32>; 3],
    ) {
        job.known = true;
        job.first_value = *pictures[job.plane].get_or_insert_with(|| {
            let first = self.values.len() as u32;
            picture.values(format, job.plane, frame.colorimetry(), &mut self.values);
            first
        });
    }

    fn recall(&mut self, job: &mut Job, memory: &mut Memory) {
        match memory.recall(job.id(), job.values(), job.first_value) {
            Recall::Known(values) => {
                self.values.extend_from_slice(values);
                (job.known, job.remember) = (true, false);
                return;
            }
            Recall::Taken(first_value) => {
                job.first_value = first_value;
                (job.known, job.remember) = (true, false);
                return;
            }
            Recall::Pending => self.pending = true,
            Recall::New => {}
            Recall::Full => job.remember = false,
        }
        self.values.resize(self.values.len() + job.values(), 0);
    }

    /// Notes the spans of a region, of which `rect` lies in the frame. `None` when nothing is written.
    fn outline(
        &mut self,
        region: &Region,
        rect: Rect,
        frame: &Frame<'_>,
        work: &Work<'_>,
    ) -> Option<u32> {
        let (width, height, interlaced) = (frame.width(), frame.height(), frame.interlaced());
        match region.shape {
            Shape::Box => return Some(NO_OUTLINE),
            Shape::Runs(index)
                if !work
                    .runs
                    .get(index as usize)
                    .is_some_and(|runs| runs.fits(width, height, interlaced)) =>
            {
                return Some(NO_OUTLINE);
            }
            Shape::Runs(_) | Shape::Ellipse => {}
        }
        let rows = Runs::band_rows(interlaced);
        let (first_span, outline) = (self.spans.len(), self.bands.len() as u32);
        self.bands.push(first_span as u32);
        for band in rect.y / rows..(rect.y + rect.height).div_ceil(rows) {
            let spans = &mut self.spans;
            region.spans(
                rect,
                work.runs,
                width,
                height,
                interlaced,
                band,
                |first, end| {
                    spans.push([first - rect.x, end - rect.x]);
                },
            );
            self.bands.push(self.spans.len() as u32);
        }
        (self.spans.len() > first_span).then_some(outline)
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

/// Whether a rectangle may be shown with a grid that was made for another: no cell would be empty, nor
/// would there be more of them than [`grid`] makes.
fn fits((nx, ny): (u32, u32), rect: &Rect, cells: u32) -> bool {
    let most = cells.min(rect.width.max(rect.height) / MIN_CELL).max(1);
    nx.max(ny) <= most && nx <= rect.width.div_ceil(2) && ny <= rect.height.div_ceil(2)
}

/// First sample of cell `i` of `n` along a side of `length` samples.
pub(crate) fn edge(i: u32, n: u32, length: u32) -> u32 {
    i * length / n
}

/// Weights of a Gaussian of standard deviation `sigma`, in 1/256 cells: the centre, then each next
/// cell on either side. They add up to 65 536 with both sides.
pub fn gaussian(sigma: u32, weights: &mut Vec<u32>) {
    let sigma = f64::from(sigma.max(1)) / 256.0;
    // Beyond 3 standard deviations lie 0.3 %; a grid has no more than 64 cells.
    let radius = ((3.0 * sigma).ceil() as u32).min(crate::MAX_CELLS);
    let bell = |i: u32| (-0.5 * (f64::from(i) / sigma).powi(2)).exp();
    let total: f64 = 1.0 + 2.0 * (1..=radius).map(bell).sum::<f64>();
    weights.clear();
    weights.extend((0..=radius).map(|i| (bell(i) / total * 65_536.0).round() as u32));
    // The centre takes what rounding left over.
    let sides: u32 = weights[1..].iter().sum();
    weights[0] = 65_536 - 2 * sides;
}

/// Cell in which sample `at` lies: the inverse of [`edge`].
#[cfg(test)]
pub(crate) fn cell_at(at: u32, n: u32, length: u32) -> u32 {
    ((at + 1) * n - 1) / length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_DIMENSION, Seed};

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
        let (mut plan, mut memory) = (Plan::default(), Memory::default());
        let mut make = |regions: &[Region], mode| {
            let work = Work {
                regions,
                ..Work::new(mode, Seed(1))
            };
            plan.make(&frame, &work, &mut memory);
            let at = |j: &Job| (j.plane, j.x, j.y, j.width, j.height);
            let at: Vec<_> = plan.jobs.iter().map(at).collect();
            (at, plan.cells, plan.values.len())
        };
        let region = Region {
            x: 31,
            y: 3,
            width: 2,
            height: 1,
            key: 9,
            ..Region::default()
        };
        assert_eq!(
            make(&[region], Mode::Pixelate { cells: 6 }),
            (
                vec![(0, 30, 2, 3, 2), (1, 15, 1, 2, 1), (2, 15, 1, 2, 1)],
                3,
                3
            )
        );
        let outside = Region { x: 40, ..region };
        assert_eq!(make(&[outside, outside], Mode::Solid), (vec![], 0, 0));
        let crowd = vec![region; MAX_REGIONS + 1];
        let (jobs, ..) = make(&crowd, Mode::Pixelate { cells: 64 });
        assert_eq!((jobs.len(), jobs[0]), (3, (0, 0, 0, 33, 17)));
        let (jobs, ..) = make(&crowd[1..], Mode::Pixelate { cells: 64 });
        assert_eq!(jobs.len(), 3 * MAX_REGIONS);
        let painted = Region {
            solid: true,
            ..region
        };
        assert_eq!(make(&[painted], Mode::Blur { cells: 6 }).2, 0);
    }
}
