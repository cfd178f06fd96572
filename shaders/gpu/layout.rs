// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a plan to what the shaders read: where each job has its pixels, cells and workgroups, and how
//! rows of a frame become words and back.

use std::collections::HashMap;

use super::{GpuError, Kernels};
use crate::{
    Frame, Seed,
    plan::{Job, Kind, Plan, gaussian},
};

/// The arithmetic of the shaders holds cells of up to 2^28 samples.
pub const MAX_BYTES: u64 = 1 << 28;

/// Workgroups per dimension that every Vulkan device takes.
const MAX_GROUPS: u32 = 65_535;

/// Invocations of a workgroup that paints, as in `paint.wgsl`.
const PAINTERS: u32 = 64;

/// As `Job` in `common.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct GpuJob {
    pixels: u32,
    pitch: u32,
    width: u32,
    height: u32,
    shift: u32,
    kind: u32,
    fill: [u8; 4],
    nx: u32,
    ny: u32,
    first_cell: u32,
    first_group: u32,
    block: u32,
    first_piece: u32,
    pieces: u32,
    bytes: [u8; 4],
    noise_bit: u32,
    key: [u32; 2],
    radius: u32,
    weights: u32,
}

/// As the head of `Work` in `common.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct GpuWork {
    seed: [u32; 2],
    jobs_used: u32,
    jobs_measured: u32,
    cells: u32,
    pieces: u32,
    groups: u32,
    reserved: u32,
}

/// Words of a cell below which an invocation is faster by itself than with 63 others.
const SMALL_CELL: u32 = 128;

/// A byte of a cell that always shows 0, and one that always shows 255.
const ALWAYS_0: u8 = 254;
const ALWAYS_255: u8 = 255;

/// What one frame sends to the device, kept from frame to frame.
#[derive(Debug, Default)]
pub struct Layout {
    /// Head and jobs, those to be measured first.
    pub work: Vec<u8>,
    /// Words of `values` after those of the cells to be measured: known cells, then weights.
    pub known: Vec<u32>,
    /// Words of the pixels of all jobs.
    pub words: u32,
    /// Of those, the first: pixels that the device has to see.
    pub words_seen: u32,
    /// Cells to be measured.
    pub cells: u32,
    /// Pieces that they are measured in.
    pub pieces: u32,
    /// Workgroups that paint.
    pub groups: u32,
    /// Whether any cell has several.
    pub split: bool,
    /// Whether each piece and cell is measured by one invocation.
    pub alone: bool,
    /// Whether a Gaussian runs over the cells.
    pub smooth: bool,
    /// Whether values are to be read back.
    pub learns: bool,
    /// First word of each job, in the order of the plan.
    first_word: Vec<u32>,
    /// Cell at which known values begin, by their place in the plan.
    cell_of_value: HashMap<u32, u32>,
    /// First weight and radius, by the standard deviation.
    weights_of: HashMap<u32, (u32, u32)>,
    weights: Vec<u32>,
    line: Vec<u8>,
}

impl Layout {
    /// Lays out `plan`; no buffer may hold more than `limit` bytes.
    pub fn make(
        &mut self,
        plan: &Plan,
        seed: Seed,
        kernels: Kernels,
        limit: u64,
    ) -> Result<(), GpuError> {
        let seen = |job: &&Job| !job.known;
        let total: u64 = plan.jobs.iter().map(job_words).sum();
        let total_seen: u64 = plan.jobs.iter().filter(seen).map(job_words).sum();
        self.alone = match kernels {
            Kernels::Together => false,
            Kernels::Alone => true,
            Kernels::Auto => total_seen < u64::from(SMALL_CELL) * u64::from(plan.cells),
        };
        let target = match kernels {
            // Enough pieces to keep a few cores busy, or a GPU, and not more.
            Kernels::Alone => (total_seen / 256).clamp(256, 1 << 20) as u32,
            Kernels::Auto if self.alone => SMALL_CELL,
            _ => (total_seen / 2048).clamp(512, 1 << 20) as u32,
        };
        let pieces: u64 = plan
            .jobs
            .iter()
            .filter(seen)
            .map(|job| u64::from(pieces_per_cell(job, target)) * u64::from(job.nx * job.ny))
            .sum();
        let values = u64::from(plan.cells) + plan.values.len() as u64;
        for needed in [4 * total, 16 * pieces, 4 * values] {
            if needed > limit {
                return Err(GpuError::TooLarge { needed, limit });
            }
        }
        // All below 2^28 from here on.
        let block = match kernels {
            Kernels::Alone => 64,
            _ => (total >> 16).clamp(1, 16) as u32,
        };
        self.cell_of_value.clear();
        self.weights_of.clear();
        self.known.clear();
        self.work.clear();
        self.work.resize(size_of::<GpuWork>(), 0);
        self.first_word.clear();
        self.first_word.resize(plan.jobs.len(), 0);
        (self.words, self.cells, self.pieces, self.groups) = (0, 0, 0, 0);
        (self.split, self.smooth, self.learns) = (false, false, false);
        for (i, job) in plan.jobs.iter().enumerate() {
            if !job.known {
                self.cell_of_value.insert(job.first_value, self.cells);
                let pieces = pieces_per_cell(job, target);
                let cell = self.cells;
                self.push(i, job, cell, pieces, block);
                self.cells += job.nx * job.ny;
                self.pieces += pieces * job.nx * job.ny;
                self.split |= pieces > 1;
                self.learns |= job.remember;
            }
        }
        self.words_seen = self.words;
        let measured = (self.work.len() - size_of::<GpuWork>()) / size_of::<GpuJob>();
        for (i, job) in plan.jobs.iter().enumerate().filter(|(_, job)| job.known) {
            let cell = match job.kind {
                Kind::Solid => 0,
                _ => self.known_cell(plan, job),
            };
            self.push(i, job, cell, 0, block);
        }
        // The weights come after the cells that are known, whose number is known by now.
        let first_weight = self.cells + self.known.len() as u32;
        if self.smooth {
            for job in
                bytemuck::cast_slice_mut::<u8, GpuJob>(&mut self.work[size_of::<GpuWork>()..])
            {
                job.weights += first_weight;
            }
        }
        self.known.append(&mut self.weights);
        let head = GpuWork {
            seed: halves(seed.0),
            jobs_used: plan.jobs.len() as u32,
            jobs_measured: measured as u32,
            cells: self.cells,
            pieces: self.pieces,
            groups: self.groups,
            reserved: 0,
        };
        self.work[..size_of::<GpuWork>()].copy_from_slice(bytemuck::bytes_of(&head));
        Ok(())
    }

    fn push(&mut self, index: usize, job: &Job, first_cell: u32, pieces: u32, block: u32) {
        let (weights, radius) = match job.smooth {
            0 => (0, 0),
            sigma => {
                self.smooth = true;
                let all = &mut self.weights;
                *self.weights_of.entry(sigma).or_insert_with(|| {
                    let first = all.len() as u32;
                    let mut own = Vec::new();
                    gaussian(sigma, &mut own);
                    all.extend_from_slice(&own);
                    (first, own.len() as u32 - 1)
                })
            }
        };
        let gpu = GpuJob {
            pixels: self.words,
            pitch: pitch(job),
            width: job.width,
            height: job.height,
            shift: shift(job),
            kind: match job.kind {
                Kind::Solid => 0,
                Kind::Flat => 1,
                Kind::Interpolated => 2,
            },
            fill: job.fill,
            nx: job.nx,
            ny: job.ny,
            first_cell,
            first_group: self.groups,
            block,
            first_piece: self.pieces,
            pieces,
            bytes: bytes(job),
            noise_bit: job.noise_bit,
            key: halves(job.key),
            radius,
            weights,
        };
        self.work.extend_from_slice(bytemuck::bytes_of(&gpu));
        self.first_word[index] = self.words;
        self.words += job_words(job) as u32;
        self.groups += (pitch(job) * job.height.div_ceil(block)).div_ceil(PAINTERS);
    }

    /// Where the values of a job that is known begin among the cells. Jobs may share them, with each
    /// other and with one that is measured.
    fn known_cell(&mut self, plan: &Plan, job: &Job) -> u32 {
        let (cells, known) = (self.cells, &mut self.known);
        *self
            .cell_of_value
            .entry(job.first_value)
            .or_insert_with(|| {
                let first = cells + known.len() as u32;
                let values = &plan.values[job.value_range()];
                known.extend(values.chunks_exact(job.channels as usize).map(word));
                first
            })
    }

    /// Words of `values`.
    pub fn values_words(&self) -> u32 {
        self.cells + self.known.len() as u32
    }

    /// Packs the rows of the jobs that are measured.
    pub fn pack(&mut self, plan: &Plan, frame: &Frame<'_>, mut to: wgpu::WriteOnly<'_, [u8]>) {
        let jobs = plan.jobs.iter().zip(&self.first_word);
        for (job, &first) in jobs.filter(|(job, _)| !job.known) {
            let (data, stride) = frame.plane(job.plane);
            let mut at = 4 * first as usize;
            for y in 0..job.height {
                let mut row = &data[job.row(y, stride)];
                if job.channels == 3 {
                    self.line.clear();
                    let widened = row.as_chunks::<3>().0.iter();
                    self.line
                        .extend(widened.flat_map(|&[a, b, c]| [a, b, c, 0]));
                    row = &self.line;
                }
                to.slice(at..at + row.len()).copy_from_slice(row);
                at += 4 * pitch(job) as usize;
            }
        }
    }

    /// Copies the masked samples into the frame, job after job, and of each those that are written.
    pub fn unpack(&self, plan: &Plan, masked: &[u8], frame: &mut Frame<'_>) {
        for (job, &first) in plan.jobs.iter().zip(&self.first_word) {
            let (data, stride) = frame.plane_mut(job.plane);
            let channels = job.channels as usize;
            let width = 1 << shift(job);
            let mut at = 4 * first as usize;
            for y in 0..job.height {
                let row = &mut data[job.row(y, stride)];
                for span in plan.spans(job, y) {
                    let from = &masked[at + span.start * width..at + span.end * width];
                    let to = &mut row[span.start * channels..span.end * channels];
                    if channels == 3 {
                        let samples = to.as_chunks_mut::<3>().0.iter_mut();
                        for (to, &[a, b, c, _]) in samples.zip(from.as_chunks::<4>().0) {
                            *to = [a, b, c];
                        }
                    } else {
                        to.copy_from_slice(from);
                    }
                }
                at += 4 * pitch(job) as usize;
            }
        }
    }

    /// Takes the values that the plan is to keep from the cells that were measured.
    pub fn read_values(&self, plan: &mut Plan, cells: &[u8]) {
        let cells = cells.as_chunks::<4>().0;
        for job in plan.jobs.iter().filter(|job| job.remember) {
            let first = job.first_cell as usize;
            let values = &mut plan.values[job.value_range()];
            let values = values.chunks_exact_mut(job.channels as usize);
            for (value, cell) in values.zip(&cells[first..]) {
                value.copy_from_slice(&cell[..value.len()]);
            }
        }
    }
}

/// Workgroups in two dimensions, at least `count`.
pub fn groups(count: u32) -> (u32, u32) {
    let rows = count.div_ceil(MAX_GROUPS).max(1);
    (count.div_ceil(rows), rows)
}

/// Bytes per packed sample, as a shift: three bytes are widened to four.
fn shift(job: &Job) -> u32 {
    job.channels.next_power_of_two().trailing_zeros()
}

/// Words per packed row.
fn pitch(job: &Job) -> u32 {
    (job.width << shift(job)).div_ceil(4)
}

fn job_words(job: &Job) -> u64 {
    u64::from(pitch(job)) * u64::from(job.height)
}

/// Pieces that each cell of a job is measured in, each at least a row.
fn pieces_per_cell(job: &Job, target: u32) -> u32 {
    let rows = job.height.div_ceil(job.ny);
    let words = pitch(job).div_ceil(job.nx) * rows;
    (words / target).clamp(1, rows)
}

/// What each byte of a sample shows, as `byte_of_cell` in `cell_mean.wgsl` reads it.
fn bytes(job: &Job) -> [u8; 4] {
    [0u8, 1, 2, 3].map(|byte| {
        let i = usize::from(byte);
        if u32::from(byte) >= job.channels {
            ALWAYS_0
        } else if job.keep[i] == 0 {
            if job.set[i] == 0 {
                ALWAYS_0
            } else {
                ALWAYS_255
            }
        } else if u32::from(byte) == job.pair + 2 {
            byte - 2
        } else {
            byte
        }
    })
}

/// The word of a cell: its sample, repeated to four bytes.
fn word(values: &[u8]) -> u32 {
    u32::from_le_bytes(match *values {
        [a] => [a; 4],
        [a, b] => [a, b, a, b],
        [a, b, c] => [a, b, c, 0],
        [a, b, c, d, ..] => [a, b, c, d],
        [] => [0; 4],
    })
}

fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Memory, Mode, Picture, Region, Work};

    #[test]
    fn groups_cover_the_work_within_the_limits() {
        for count in [1, 2, 65_535, 65_536, 131_071, 4_194_304, 67_108_864] {
            let (x, y) = groups(count);
            assert!(x <= MAX_GROUPS && y <= MAX_GROUPS);
            assert!(u64::from(x) * u64::from(y) >= u64::from(count));
        }
    }

    #[test]
    fn structures_are_as_large_as_in_wgsl() {
        assert_eq!(size_of::<GpuJob>(), 80);
        assert_eq!(size_of::<GpuWork>(), 32);
    }

    #[test]
    fn samples_repeat_to_words() {
        assert_eq!(word(&[7]), 0x0707_0707);
        assert_eq!(word(&[1, 2]), 0x0201_0201);
        assert_eq!(word(&[1, 2, 3]), 0x0003_0201);
        assert_eq!(word(&[1, 2, 3, 4]), 0x0403_0201);
    }

    fn lay_out(work: &Work<'_>, memory: &mut Memory) -> (Plan, Layout) {
        let mut data = vec![0u8; 64 * 48 * 3 / 2];
        let frame =
            Frame::from_slice(Format::Nv12, 64, 48, &mut data, &[0, 64 * 48], &[64, 64]).unwrap();
        let (mut plan, mut layout) = (Plan::default(), Layout::default());
        plan.make(&frame, work, memory);
        layout
            .make(&plan, work.seed, Kernels::Auto, MAX_BYTES)
            .unwrap();
        (plan, layout)
    }

    #[test]
    fn pixels_go_to_the_device_only_where_cells_are_to_be_measured() {
        let region = |x, solid| Region {
            x,
            y: 8,
            width: 20,
            height: 20,
            key: 1,
            solid,
            remember: true,
            ..Region::default()
        };
        let regions = [region(0, true), region(20, false), region(30, false)];
        let mut memory = Memory::default();
        let work = Work {
            regions: &regions,
            refresh: 10,
            ..Work::new(Mode::Blur { cells: 2 }, Seed(1))
        };
        // Luma and chroma of a region: 5 words of 20 rows, and 5 words of 10 rows.
        let (plan, layout) = lay_out(&work, &mut memory);
        assert_eq!((layout.words, layout.words_seen), (3 * 150, 150));
        assert_eq!((layout.cells, layout.values_words()), (8, 8));
        assert!(layout.learns);
        plan.learn(&mut memory);
        let (_, layout) = lay_out(&work, &mut memory);
        assert_eq!((layout.words, layout.words_seen), (3 * 150, 0));
        assert_eq!((layout.cells, layout.learns), (0, false));
        assert_eq!(layout.values_words(), 16, "each region as it knows it");
        let picture = Picture::new(&[9; 4], 1, 1, 0).unwrap();
        let image = Work {
            mode: Mode::Image { picture: &picture },
            ..work
        };
        let (_, layout) = lay_out(&image, &mut memory);
        assert_eq!((layout.words_seen, layout.cells), (0, 0));
        assert_eq!(layout.values_words(), 2 * 64 * 64, "one for all regions");
    }

    #[test]
    fn too_much_is_refused_before_anything_is_sent() {
        let work = Work {
            regions: &[Region::whole(64, 48)],
            ..Work::new(Mode::Solid, Seed(1))
        };
        let (plan, mut layout) = lay_out(&work, &mut Memory::default());
        let needed = 64 * 48 * 3 / 2;
        let result = layout.make(&plan, Seed(1), Kernels::Auto, needed - 1);
        let limit = needed - 1;
        assert_eq!(result, Err(GpuError::TooLarge { needed, limit }));
    }
}
