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

use std::{fmt, ops::Range};

use crate::{
    Frame, Memory, Seed, Work,
    plan::{Job, Kind, Plan},
};

/// What is kept from frame to frame: the cells of remembered regions, and memory, so that masking
/// allocates nothing once it has warmed up.
#[derive(Default)]
pub struct Scratch {
    plan: Plan,
    memory: Memory,
    lines: Lines,
}

impl fmt::Debug for Scratch {
    /// Not the pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch")
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

impl Scratch {
    /// Forgets the cells of remembered regions: the stream goes on somewhere else.
    pub fn forget(&mut self) {
        self.memory.forget();
    }
}

/// Memory of the kernels.
#[derive(Default)]
struct Lines {
    apart: Apart,
    /// One row of a region.
    row: Vec<u8>,
    /// Sums of the bytes of some rows.
    sums: Vec<u16>,
    noise: noise::Noise,
    grid: blur::Grid,
    smooth: smooth::Lines,
}

/// Which regions overlap no other one.
#[derive(Default)]
struct Apart {
    /// Regions from top to bottom.
    order: Vec<usize>,
    /// For each job.
    jobs: Vec<bool>,
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

/// The instruction set that masks are computed with on this machine.
pub fn instruction_set() -> &'static str {
    struct Name;
    impl pulp::WithSimd for Name {
        type Output = &'static str;

        fn with_simd<S: pulp::Simd>(self, _: S) -> &'static str {
            match std::any::type_name::<S>().rsplit("::").next() {
                Some("V4") => "AVX-512",
                Some("V3") => "AVX2",
                Some("Neon") => "NEON",
                _ => "baseline",
            }
        }
    }
    pulp::Arch::new().dispatch(Name)
}

struct Mask<'a, 'f> {
    frame: &'a mut Frame<'f>,
    seed: Seed,
    scratch: &'a mut Scratch,
}

impl pulp::WithSimd for Mask<'_, '_> {
    type Output = ();

    // Everything that is called from here is inlined into it, or it would not be compiled for the
    // instruction set: no kernel may be called through a closure or from many places.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self {
            frame,
            seed,
            scratch,
        } = self;
        let Scratch {
            plan,
            memory,
            lines,
        } = scratch;
        lines.noise.forget();
        mark_apart(plan, frame.format().planes(), &mut lines.apart);
        let mut values = std::mem::take(&mut plan.values);
        // Every cell is taken before anything is written (see "Overlaps" in the crate's documentation),
        // but where nothing else is written it does no harm to take cells later, and to write over them
        // while they are still in the cache.
        for (job, &apart) in plan.jobs.iter().zip(&lines.apart.jobs) {
            if job.known || (apart && job.smooth == 0) {
                continue;
            }
            let (data, stride) = frame.plane(job.plane);
            let values = &mut values[job.value_range()];
            for cy in 0..job.ny {
                let (sums, noise) = (&mut lines.sums, &mut lines.noise);
                cell_mean::cell_mean(job, data, stride, seed, cy, values, sums, noise);
            }
            if job.smooth > 0 {
                smooth::smooth(job, values, &mut lines.smooth);
            }
        }
        for (job, &apart) in plan.jobs.iter().zip(&lines.apart.jobs) {
            let (data, stride) = frame.plane_mut(job.plane);
            let values = &mut values[job.value_range()];
            let grid = &mut lines.grid;
            match job.kind {
                Kind::Solid => solid::solid(job, plan, data, stride, &mut lines.row),
                Kind::Flat => {}
                Kind::Interpolated => blur::begin(job, grid),
            }
            for cy in 0..job.ny {
                if !job.known && apart && job.smooth == 0 {
                    let (sums, noise) = (&mut lines.sums, &mut lines.noise);
                    cell_mean::cell_mean(job, data, stride, seed, cy, values, sums, noise);
                }
                if job.kind == Kind::Flat {
                    pixelate::pixelate(job, plan, data, stride, cy, values, &mut lines.row);
                } else {
                    blur::blur(job, plan, data, stride, cy, values, grid);
                }
            }
        }
        plan.values = values;
        plan.learn(memory);
    }
}

/// More regions than this are taken to overlap: finding out would cost more than it saves.
const MAX_APART: usize = 1024;

/// Says for each job whether its region overlaps no other one. Each region has `planes` jobs, and on the
/// first plane they overlap where they do on any.
fn mark_apart(plan: &Plan, planes: usize, apart: &mut Apart) {
    let Apart { order, jobs } = apart;
    let regions = plan.jobs.len() / planes;
    jobs.clear();
    jobs.resize(
        plan.jobs.len(),
        (2..=MAX_APART).contains(&regions) || regions == 1,
    );
    if !(2..=MAX_APART).contains(&regions) {
        return;
    }
    let first = |region: usize| &plan.jobs[region * planes];
    order.clear();
    order.extend(0..regions);
    order.sort_unstable_by_key(|&region| first(region).y);
    for (i, &upper) in order.iter().enumerate() {
        let a = first(upper);
        let below = order[i + 1..].iter();
        for &lower in below.take_while(|&&lower| first(lower).y < a.y + a.height) {
            let b = first(lower);
            if a.x < b.x + b.width && b.x < a.x + a.width {
                for region in [upper, lower] {
                    jobs[region * planes..][..planes].fill(false);
                }
            }
        }
    }
}

/// The runs of bytes of row `y` of a job that are written, from its left edge.
#[inline(always)]
fn spans<'a>(job: &'a Job, plan: &'a Plan, y: u32) -> impl Iterator<Item = Range<usize>> + use<'a> {
    let channels = job.channels as usize;
    plan.spans(job, y)
        .map(move |span| span.start * channels..span.end * channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Mode, Region, Shape};

    /// Those that this machine has, besides the one that is taken.
    fn instruction_sets() -> Vec<pulp::Arch> {
        let mut sets = vec![pulp::Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            sets.extend(pulp::x86::V3::try_new().map(pulp::Arch::V3));
            sets.extend(pulp::x86::V4::try_new().map(pulp::Arch::V4));
        }
        sets
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        eprintln!("the best here is {}", instruction_set());
        let (width, height) = (333, 190);
        for format in [Format::I420, Format::P010, Format::Rgb, Format::Bgra] {
            let (mut offsets, mut strides, mut end) = (vec![], vec![], 0);
            for plane in 0..format.planes() {
                let (samples, rows) = format.plane_size(plane, width, height);
                offsets.push(end);
                strides.push((samples * format.channels(plane)) as usize + plane);
                end += strides[plane] * rows as usize;
            }
            let before: Vec<u8> = (0..end).map(|i| (i * i / 97) as u8).collect();
            let regions: Vec<Region> = (0..9)
                .map(|i| Region {
                    x: 41 * i - 5,
                    y: 13 * i,
                    width: 10 + 9 * i as u32,
                    height: 60,
                    key: 1,
                    shape: if i % 2 == 0 {
                        Shape::Box
                    } else {
                        Shape::Ellipse
                    },
                    ..Region::default()
                })
                .chain([Region::whole(width, height)])
                .collect();
            for mode in [
                Mode::Solid,
                Mode::Pixelate { cells: 6 },
                Mode::Blur { cells: 7 },
                Mode::Gaussian { cells: 9 },
            ] {
                // Apart from each other, and all over each other.
                for regions in [&regions[..1], &regions[..9], &regions[9..], &regions] {
                    let work = Work {
                        regions,
                        ..Work::new(mode, Seed(5))
                    };
                    let masked = |arch: pulp::Arch| {
                        let (mut data, mut scratch) = (before.clone(), Scratch::default());
                        let frame = &mut Frame::from_slice(
                            format, width, height, &mut data, &offsets, &strides,
                        )
                        .unwrap();
                        scratch.plan.make(frame, &work, &mut scratch.memory);
                        arch.dispatch(Mask {
                            frame,
                            seed: work.seed,
                            scratch: &mut scratch,
                        });
                        data
                    };
                    let expected = masked(pulp::Arch::Scalar);
                    assert!(expected != before);
                    for arch in instruction_sets() {
                        assert!(masked(arch) == expected, "{format:?} {mode:?} {arch:?}");
                    }
                }
            }
        }
    }
}
