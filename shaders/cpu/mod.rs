// SPDX-License-Identifier: MIT OR Apache-2.0
//! The masks on the CPU: reference for the shaders, and a backend of its own.
//!
//! Each module is the twin of the shader of the same name.

mod blur;
mod cell_mean;
mod noise;
mod pixelate;
mod smooth;
mod solid;

pub use noise::half_sip_hash;

use crate::{
    Frame, Memory, Work,
    plan::{Kind, Plan},
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
    line: Vec<u8>,
    /// Position of each sample between two cell centres, 0 to 255.
    fraction: Vec<u8>,
    /// Cell left of each sample, and where the next one takes over.
    segments: Vec<blur::Segment>,
    /// Values between two passes of a Gaussian, in 1/256.
    smooth: Vec<u32>,
    /// Its weights.
    weights: Vec<u32>,
}

/// Masks `work.regions` of `frame` in place. It cannot fail: a frame is valid by construction, and what
/// lies outside it is ignored.
pub fn mask(frame: &mut Frame<'_>, work: &Work<'_>, scratch: &mut Scratch) {
    let Scratch {
        plan,
        memory,
        lines,
    } = scratch;
    plan.make(frame, work, memory);
    // Every cell is taken before anything is written: see "Overlaps" in the crate's documentation.
    for job in plan.jobs.iter().filter(|job| !job.known) {
        let (data, stride) = frame.plane(job.plane);
        let values = &mut plan.values[job.value_range()];
        cell_mean::cell_mean(job, data, stride, work.seed, values);
        if job.smooth > 0 {
            smooth::smooth(job, values, lines);
        }
    }
    plan.learn(memory);
    for job in &plan.jobs {
        let (data, stride) = frame.plane_mut(job.plane);
        let values = &plan.values[job.value_range()];
        match job.kind {
            Kind::Solid => solid::solid(job, plan, data, stride, lines),
            Kind::Flat => pixelate::pixelate(job, plan, data, stride, values, lines),
            Kind::Interpolated => blur::blur(job, plan, data, stride, values, lines),
        }
    }
}

/// Copies from one row of a job to row `y` what is written of it.
fn write_row(
    job: &crate::plan::Job,
    plan: &Plan,
    y: u32,
    plane: &mut [u8],
    stride: usize,
    line: &[u8],
) {
    let row = &mut plane[job.row(y, stride)];
    let channels = job.channels as usize;
    for span in plan.spans(job, y) {
        let bytes = span.start * channels..span.end * channels;
        row[bytes.clone()].copy_from_slice(&line[bytes]);
    }
}
