// SPDX-License-Identifier: MIT OR Apache-2.0
//! The masks on the CPU: reference for the shaders, and a backend of its own.
//!
//! Each module is the twin of the shader of the same name.

mod blur;
mod cell_mean;
mod noise;
mod pixelate;
mod solid;

pub use noise::half_sip_hash;

use crate::{Frame, Mode, Region, Seed, plan::Plan};

/// Memory that is kept from frame to frame, so that masking allocates nothing once it has warmed up.
#[derive(Debug, Default)]
pub struct Scratch {
    plan: Plan,
    /// Levels of all cells, as numbered by the plan.
    values: Vec<u8>,
    /// One row of a region.
    line: Vec<u8>,
    /// Position of each sample between two cell centres, 0 to 255.
    fraction: Vec<u8>,
    /// Cell left of each sample, and where the next one takes over.
    segments: Vec<blur::Segment>,
}

/// Masks `regions` of `frame` in place. It cannot fail: a frame is valid by construction, and what
/// lies outside it is ignored.
pub fn mask(
    frame: &mut Frame<'_>,
    regions: &[Region],
    mode: Mode,
    seed: Seed,
    scratch: &mut Scratch,
) {
    scratch.plan.make(frame, regions, mode);
    // Every cell is taken before anything is written: see "Overlaps" in the crate's documentation.
    scratch.values.clear();
    scratch.values.resize(scratch.plan.values as usize, 0);
    if !matches!(mode, Mode::Solid { .. }) {
        for job in &scratch.plan.jobs {
            let (data, stride) = frame.plane(job.plane);
            let values = &mut scratch.values[job.first_value as usize..];
            cell_mean::cell_mean(job, data, stride, seed, values);
        }
    }
    for job in &scratch.plan.jobs {
        let (data, stride) = frame.plane_mut(job.plane);
        let values = &scratch.values[job.first_value as usize..];
        match mode {
            Mode::Solid { .. } => solid::solid(job, data, stride, &mut scratch.line),
            Mode::Pixelate { .. } => {
                pixelate::pixelate(job, data, stride, values, &mut scratch.line);
            }
            Mode::Blur { .. } => blur::blur(
                job,
                data,
                stride,
                values,
                &mut scratch.fraction,
                &mut scratch.segments,
            ),
        }
    }
}
