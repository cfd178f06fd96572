// SPDX-License-Identifier: MIT OR Apache-2.0
//! The masks on the CPU: reference for the shaders, and a backend of its own.
//!
//! The kernels are plain loops over slices that compilers turn into vector instructions. They are
//! inlined into one function that is compiled for each instruction set (AVX-512, AVX2, NEON, the
//! baseline); the best one that the machine has is taken at run time.

mod blur;
mod cell_mean;
mod noise;
mod pixelate;
mod smooth;
mod solid;

pub use noise::half_sip_hash;

use std::ops::Range;

use crate::{
    Frame, Memory, Seed, Work,
    plan::{Job, Kind, Plan},
};

/// What is kept from frame to frame: the cells of remembered regions, and memory, so that masking
/// allocates nothing once it has warmed up.
#[derive(Debug, Default)]
pub struct Scratch {
    plan: Plan,
    memory: Memory,
    lines: Lines,
}

impl Scratch {
    /// Forgets the cells of remembered regions: the stream goes on somewhere else.
    pub fn forget(&mut self) {
        self.memory.forget();
    }
}

/// Memory of the kernels.
#[derive(Debug, Default)]
struct Lines {
    /// One row of a region.
    row: Vec<u8>,
    /// Sums of the bytes of some rows.
    sums: Vec<u16>,
    /// A row of cells interpolated across, in 1/256, and the one below it.
    upper: Vec<u16>,
    lower: Vec<u16>,
    /// Cell left of each sample, and how far the sample is to the next, in 1/256.
    places: Vec<(u32, u32)>,
    /// Values between two passes of a Gaussian, in 1/256.
    smooth: Vec<u32>,
    /// Its weights.
    weights: Vec<u32>,
}

/// Masks `work.regions` of `frame` in place. It cannot fail: a frame is valid by construction, and what
/// lies outside it is ignored.
pub fn mask(frame: &mut Frame<'_>, work: &Work<'_>, scratch: &mut Scratch) {
    scratch.plan.make(frame, work, &mut scratch.memory);
    pulp::Arch::new().dispatch(Mask {
        frame,
        seed: work.seed,
        scratch,
    });
}

struct Mask<'a, 'f> {
    frame: &'a mut Frame<'f>,
    seed: Seed,
    scratch: &'a mut Scratch,
}

impl pulp::WithSimd for Mask<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Scratch {
            plan,
            memory,
            lines,
        } = self.scratch;
        // Every cell is taken before anything is written: see "Overlaps" in the crate's documentation.
        for job in plan.jobs.iter().filter(|job| !job.known) {
            let (data, stride) = self.frame.plane(job.plane);
            let values = &mut plan.values[job.value_range()];
            cell_mean::cell_mean(job, data, stride, self.seed, values, lines);
            if job.smooth > 0 {
                smooth::smooth(job, values, lines);
            }
        }
        plan.learn(memory);
        for job in &plan.jobs {
            let (data, stride) = self.frame.plane_mut(job.plane);
            let values = &plan.values[job.value_range()];
            match job.kind {
                Kind::Solid => solid::solid(job, plan, data, stride, lines),
                Kind::Flat => pixelate::pixelate(job, plan, data, stride, values, lines),
                Kind::Interpolated => blur::blur(job, plan, data, stride, values, lines),
            }
        }
    }
}

/// Calls `write` for each run of bytes of row `y` of a job that is written, with the bytes and where
/// they are in the row.
#[inline(always)]
fn each_span(
    job: &Job,
    plan: &Plan,
    y: u32,
    plane: &mut [u8],
    stride: usize,
    mut write: impl FnMut(&mut [u8], Range<usize>),
) {
    let row = &mut plane[job.row(y, stride)];
    if job.is_box() {
        let all = 0..row.len();
        return write(row, all);
    }
    let channels = job.channels as usize;
    for span in plan.spans(job, y) {
        let bytes = span.start * channels..span.end * channels;
        write(&mut row[bytes.clone()], bytes);
    }
}
