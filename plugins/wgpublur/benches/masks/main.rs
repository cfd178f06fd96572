// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mask costs on the CPU, on one thread, beside the goals and beside plain loops that do the same.
//!
//! ```sh
//! cargo bench -p gst-plugin-wgpublur --bench masks
//! ```
//!
//! Each row first masks frames and compares every byte with the plain loops (a Gaussian has none). Then
//! it masks frames of noise in turn, together larger than the third cache, and prints the median, what 95
//! of 100 frames stay below, and how many were taken; the plain loops and a copy of the frame run in turns
//! with it. Frames are masked again and again: no kernel looks at what it masks. Without `--bench`, as
//! under `cargo test --benches`, one frame each only shows that all of it works.
#![forbid(unsafe_code)]

mod naive;

use std::{hint::black_box, process::ExitCode, time::Instant};

use privacy_shaders::{Format, Frame, Mode, Picture, Region, Scratch, Seed, Work, cpu};

const SEED: Seed = Seed(0x5eed);
const FILL: u32 = 0xff10_2030;

/// Bytes of all frames that are masked in turn: more than the third cache of the reference host (32 MiB).
const TOGETHER: usize = 33 << 20;
const LEAST_FRAMES: usize = 12;

const HD: (u32, u32) = (1920, 1080);
const UHD: (u32, u32) = (3840, 2160);

/// One row of the table.
struct Case<'a> {
    name: &'a str,
    size: (u32, u32),
    regions: Vec<Region>,
    mode: Mode<'a>,
    /// The cells are kept, and taken on the first frame only.
    is_known: bool,
    /// Microseconds.
    goal: Option<f64>,
    is_checked: bool,
}

/// NV12 frames of noise.
struct Frames {
    size: (u32, u32),
    data: Vec<Vec<u8>>,
}

impl Frames {
    fn new(size: (u32, u32), least: usize) -> Self {
        let bytes = (size.0 * size.1 * 3 / 2) as usize;
        let count = least.max(TOGETHER.div_ceil(bytes));
        let mut state = 0x2545_f491_4f6c_dd1du64;
        let frame = || -> Vec<u8> {
            (0..bytes)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect()
        };
        let data = std::iter::repeat_with(frame).take(count).collect();
        Self { size, data }
    }

    fn frame(&mut self, i: usize) -> Frame<'_> {
        let ((width, height), count) = (self.size, self.data.len());
        view(&mut self.data[i % count], width, height)
    }
}

fn view(data: &mut [u8], width: u32, height: u32) -> Frame<'_> {
    let (row, luma) = (width as usize, (width * height) as usize);
    Frame::from_slice(Format::Nv12, width, height, data, &[0, luma], &[row, row])
        .expect("the memory is made for the frame")
}

/// Microseconds of each frame.
struct Times(Vec<f64>);

impl Times {
    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted[rank.saturating_sub(1)]
    }
}

fn time(times: &mut Times, run: impl FnOnce()) {
    let start = Instant::now();
    run();
    times.0.push(start.elapsed().as_secs_f64() * 1e6);
}

/// 10 people that cover 5 % of 1080p: 72 × 144 pixels each.
fn ten() -> Vec<Region> {
    let region = |i: i32| Region {
        x: 37 + 181 * i,
        y: 30 + (i * 331) % 880,
        width: 72,
        height: 144,
        key: i as u64,
        ..Region::default()
    };
    (0..10).map(region).collect()
}

/// 100 people on 4K: 64 × 130 pixels each, 10 % of the frame.
fn hundred() -> Vec<Region> {
    let region = |i: i32| Region {
        x: 21 + (i % 20) * 189,
        y: 33 + (i / 20) * 411,
        width: 64,
        height: 130,
        key: i as u64,
        ..Region::default()
    };
    (0..100).map(region).collect()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // nextest asks every target for its tests.
    if arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let is_quick = !arguments.iter().any(|a| a == "--bench");
    let wanted: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|a| !a.starts_with('-'))
        .collect();
    bench(is_quick, |name| {
        wanted.is_empty() || wanted.iter().any(|w| name.contains(w))
    })
}

fn bench(is_quick: bool, is_wanted: impl Fn(&str) -> bool) -> ExitCode {
    let gradient: Vec<u8> = (0..=255u8).flat_map(|v| [v, 255 - v, v / 2, 255]).collect();
    let picture = Picture::new(&gradient, 16, 16, 0).expect("16 x 16 pixels of 4 bytes");
    let whole = vec![Region::whole(HD.0, HD.1)];
    let case = |name, regions: &[Region], mode, goal| Case {
        name,
        size: HD,
        regions: regions.to_vec(),
        mode,
        is_known: false,
        goal,
        is_checked: true,
    };
    let pixelate = |cells| Mode::Pixelate { cells };
    let blur = |cells| Mode::Blur { cells };
    let uhd = |case| Case { size: UHD, ..case };
    let known = |case| Case {
        is_known: true,
        ..case
    };
    let unchecked = |case| Case {
        is_checked: false,
        ..case
    };
    let gaussian = Mode::Gaussian { cells: 6 };
    let image = Mode::Image { picture: &picture };
    let cases = [
        case("solid, 10 regions = 5 %", &ten(), Mode::Solid, Some(15.0)),
        case("pixelate, 10 regions = 5 %", &ten(), pixelate(6), None),
        known(case(
            "pixelate, 10 regions, kept",
            &ten(),
            pixelate(6),
            None,
        )),
        case("solid, whole", &whole, Mode::Solid, None),
        case("pixelate, whole", &whole, pixelate(6), Some(300.0)),
        case("pixelate, whole, 64 cells", &whole, pixelate(64), None),
        known(case("pixelate, whole, kept", &whole, pixelate(6), None)),
        case("blur, whole, 1 cell", &whole, blur(1), Some(600.0)),
        case("blur, whole, 6 cells", &whole, blur(6), Some(600.0)),
        case("blur, whole, 64 cells", &whole, blur(64), Some(600.0)),
        known(case("blur, whole, kept", &whole, blur(6), None)),
        unchecked(case("gaussian, whole", &whole, gaussian, None)),
        unchecked(case("image, whole", &whole, image, None)),
        uhd(case(
            "solid, 100 regions on 4K",
            &hundred(),
            Mode::Solid,
            None,
        )),
        uhd(case(
            "pixelate, 100 regions on 4K",
            &hundred(),
            pixelate(6),
            Some(1600.0),
        )),
        uhd(case(
            "blur, 100 regions on 4K",
            &hundred(),
            blur(6),
            Some(1600.0),
        )),
    ];
    println!("{}", machine());
    println!(
        "{:28} {:>9} {:>9} {:>9} {:>6}  {:>9} {:>7}  {:>9}  checksum",
        "NV12, one thread, µs a frame", "median", "95 %", "goal", "n", "plain", "ratio", "copy"
    );
    let mut is_reached = true;
    let mut frames: Option<Frames> = None;
    for case in cases.iter().filter(|case| is_wanted(case.name)) {
        let least = if is_quick { 1 } else { LEAST_FRAMES };
        let frames = match &mut frames {
            Some(frames) if frames.size == case.size => frames,
            other => other.insert(Frames::new(case.size, least)),
        };
        is_reached &= row(case, frames, is_quick);
    }
    if is_wanted("plain Gaussian") {
        plain_gaussian(is_quick);
    }
    println!("load average: {}", load());
    if is_reached || is_quick {
        ExitCode::SUCCESS
    } else {
        println!("not every goal is reached");
        ExitCode::FAILURE
    }
}

/// Checks, measures and prints one row; whether its goal is reached.
fn row(case: &Case<'_>, frames: &mut Frames, is_quick: bool) -> bool {
    let (width, height) = case.size;
    let regions: Vec<Region> = case
        .regions
        .iter()
        .map(|region| Region {
            remember: case.is_known,
            ..*region
        })
        .collect();
    let work = Work {
        regions: &regions,
        fill: FILL,
        refresh: u64::from(case.is_known),
        ..Work::new(case.mode, SEED)
    };
    let mut scratch = Scratch::default();
    let checksum = {
        let mut masked = frames.data[0].clone();
        let mut plain = masked.clone();
        cpu::mask(&mut view(&mut masked, width, height), &work, &mut scratch);
        if case.is_checked {
            naive::mask(&mut plain, width, height, &work);
            assert!(masked == plain, "{}: not what plain loops give", case.name);
        }
        masked.iter().fold(0u64, |sum, &byte| {
            sum.rotate_left(5).wrapping_mul(0x9e37_79b9) ^ u64::from(byte)
        })
    };
    let (rounds, plain_rounds) = if is_quick { (1, 1) } else { (400, 5) };
    let (mut ours, mut plain, mut copies) = (Times(vec![]), Times(vec![]), Times(vec![]));
    let mut copy = frames.data[0].clone();
    for round in 0..rounds {
        let mut frame = frames.frame(round);
        time(&mut ours, || cpu::mask(&mut frame, &work, &mut scratch));
        if round % (rounds / plain_rounds) == 0 {
            let count = frames.data.len();
            let frame = &mut frames.data[round % count];
            time(&mut copies, || copy.copy_from_slice(black_box(frame)));
            if case.is_checked {
                time(&mut plain, || naive::mask(frame, width, height, &work));
            }
        }
    }
    black_box(copy);
    let median = ours.at(0.5);
    let or_none = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.1}"));
    let plain = case.is_checked.then(|| plain.at(0.5));
    println!(
        "{:28} {median:9.1} {:9.1} {:>9} {:6}  {:>9} {:>7}  {:9.1}  {checksum:016x}{}",
        case.name,
        ours.at(0.95),
        or_none(case.goal),
        ours.0.len(),
        or_none(plain),
        or_none(plain.map(|plain| plain / median)),
        copies.at(0.5),
        if case.goal.is_some_and(|goal| median > goal) {
            "  MISSED"
        } else {
            ""
        }
    );
    case.goal.is_none_or(|goal| median <= goal)
}

/// What a Gaussian of 61 taps across and down costs, for scale.
fn plain_gaussian(is_quick: bool) {
    let (width, height) = if is_quick { (192, 108) } else { HD };
    let mut frame = Frames::new((width, height), 1).data.swap_remove(0);
    let mut times = Times(vec![]);
    for _ in 0..if is_quick { 1 } else { 5 } {
        time(&mut times, || {
            naive::gaussian(&mut frame, width, height, 61);
        });
    }
    black_box(frame);
    println!(
        "{:28} {:9.1} {:9.1} {:>9} {:6}",
        "plain Gaussian, 61 taps",
        times.at(0.5),
        times.at(0.95),
        "-",
        times.0.len()
    );
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown CPU", |(_, name)| name);
    let build = if cfg!(debug_assertions) {
        "WITHOUT the release profile: the figures mean nothing"
    } else {
        "release"
    };
    format!(
        "{model}, kernels for {}, {build}, load average {}",
        cpu::instruction_set(),
        load()
    )
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.trim().to_owned()
}
