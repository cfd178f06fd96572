// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many instructions the masks take on the CPU, held against limits: a gate for changes, as the count
//! is the same on a busy machine. Valgrind has no AVX-512, so these are the kernels for AVX2.
//!
//! ```sh
//! cargo install --locked gungraun-runner --version 0.20.0 # and Debian's valgrind
//! cargo bench -p gst-privacy-shaders --bench instructions
//! ```
//!
//! A limit lies 5 % above what was counted when it was set, with Rust 1.95. Who makes a kernel faster lowers
//! it; who has to raise it says why. `.ci/run` runs this. Fewer instructions are not always less time: long rows
//! are read one by one, though adding eight at a time takes a fifth fewer, as memory read in its order comes twice
//! as fast (`cargo bench -p gst-plugin-wgpublur --bench masks`).

#![forbid(unsafe_code)]
#![expect(
    missing_docs,
    reason = "the macros make public items without documentation"
)]

use std::hint::black_box;

use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, prelude::*};
use privacy_shaders::{Format, Frame, Mode, Region, Scratch, Seed, Work, cpu};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;

/// A frame, what to do with it, and memory that has seen such a frame.
struct Case {
    format: Format,
    data: Vec<u8>,
    regions: Vec<Region>,
    mode: Mode<'static>,
    scratch: Scratch,
}

impl Case {
    fn mask(&mut self) {
        let row = (WIDTH * self.format.channels(0)) as usize;
        let luma = row * HEIGHT as usize;
        let (planes, strides) = match self.format.planes() {
            1 => (&[0][..], &[row][..]),
            _ => (&[0, luma][..], &[row, row][..]),
        };
        let mut frame =
            Frame::from_slice(self.format, WIDTH, HEIGHT, &mut self.data, planes, strides)
                .expect("the memory is made for the frame");
        let work = Work {
            regions: &self.regions,
            refresh: 1,
            ..Work::new(self.mode, Seed(1))
        };
        cpu::mask(&mut frame, &work, &mut self.scratch);
    }
}

fn case(format: Format, mode: Mode<'static>, regions: Vec<Region>) -> Case {
    let bytes = (0..format.planes())
        .map(|plane| {
            let (samples, rows) = format.plane_size(plane, WIDTH, HEIGHT);
            samples * rows * format.channels(plane)
        })
        .sum::<u32>();
    let mut case = Case {
        format,
        data: (0..bytes)
            .map(|i| (i.wrapping_mul(i) / 251) as u8)
            .collect(),
        regions,
        mode,
        scratch: Scratch::default(),
    };
    // What is allocated and taken on the first frame only is no part of it.
    case.mask();
    case
}

fn whole(mode: Mode<'static>) -> Case {
    case(Format::Nv12, mode, vec![Region::whole(WIDTH, HEIGHT)])
}

/// Ten people, none of whom hides another.
fn people(mode: Mode<'static>, remember: bool) -> Case {
    let region = |i: i32| Region {
        x: 8 + 63 * i,
        y: 20 + 17 * i,
        width: 36,
        height: 72,
        key: i as u64,
        remember,
        ..Region::default()
    };
    case(Format::Nv12, mode, (0..10).map(region).collect())
}

/// Only the cells are not taken again: what it takes less than the others is what they cost.
fn kept(mode: Mode<'static>) -> Case {
    let region = Region {
        remember: true,
        ..Region::whole(WIDTH, HEIGHT)
    };
    case(Format::Nv12, mode, vec![region])
}

fn rgb(mode: Mode<'static>) -> Case {
    case(Format::Rgb, mode, vec![Region::whole(WIDTH, HEIGHT)])
}

fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

const PIXELATE: Mode<'static> = Mode::Pixelate { cells: 6 };
const BLUR: Mode<'static> = Mode::Blur { cells: 6 };
const FINE_BLUR: Mode<'static> = Mode::Blur { cells: 64 };
const GAUSSIAN: Mode<'static> = Mode::Gaussian { cells: 6 };

#[library_benchmark]
#[bench::solid_whole(args = (Mode::Solid), setup = whole, config = at_most(62_900))]
#[bench::pixelate_whole(args = (PIXELATE), setup = whole, config = at_most(194_000))]
#[bench::pixelate_kept_whole(args = (PIXELATE), setup = kept, config = at_most(69_600))]
#[bench::blur_whole(args = (BLUR), setup = whole, config = at_most(448_000))]
#[bench::fine_blur_whole(args = (FINE_BLUR), setup = whole, config = at_most(2_240_000))]
#[bench::gaussian_whole(args = (GAUSSIAN), setup = whole, config = at_most(2_540_000))]
#[bench::solid_people(args = (Mode::Solid, false), setup = people, config = at_most(23_700))]
#[bench::pixelate_people(args = (PIXELATE, false), setup = people, config = at_most(266_000))]
#[bench::pixelate_kept_people(args = (PIXELATE, true), setup = people, config = at_most(81_600))]
#[bench::blur_people(args = (BLUR, false), setup = people, config = at_most(532_000))]
#[bench::pixelate_rgb(args = (PIXELATE), setup = rgb, config = at_most(310_000))]
fn mask(mut case: Case) -> Case {
    case.mask();
    black_box(case)
}

library_benchmark_group!(name = masks, benchmarks = mask);
main!(library_benchmark_groups = masks);
