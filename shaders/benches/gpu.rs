// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mask costs on the GPU: time of the kernels by the device's own clock beside a copy of the same
//! bytes, and time from frame to masked frame.
//!
//! ```sh
//! cargo bench -p gst-privacy-shaders --bench gpu
//! ```
//!
//! It needs a Vulkan driver and nothing else, so the program that cargo builds also runs by itself on a
//! host with a GPU: `target/release/deps/gpu-… [part of the adapter's name]`. Each figure follows masks
//! that were compared with the CPU twin bit by bit, in the same run. Where the only adapter is a CPU it
//! says so, and tells nothing of a GPU.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    time::{Duration, Instant},
};

use privacy_shaders::{
    Format, Frame, Mode, Region, Scratch, Seed, Work, cpu,
    gpu::{Masker, Selection},
};

/// Frames in turn, so that none is in a cache from the time before.
const FRAMES: u32 = 8;

/// Goals: times the copy of the same bytes, and milliseconds where the GPU is a CPU.
const PIXELATE_GOAL: f64 = 1.6;
const BLUR_GOAL: f64 = 2.0;
const SOFTWARE_GOAL_MS: f64 = 10.0;

const SIZES: [(u32, u32); 2] = [(1920, 1080), (3840, 2160)];

const SEED: Seed = Seed(0x5eed);

/// An NV12 frame of noise on a ramp.
struct Picture {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Picture {
    fn new(width: u32, height: u32, seed: u32) -> Self {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let bytes = (width * height * 3 / 2) as usize;
        let data = (0..bytes)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 26) as usize + i % width as usize * 190 / width as usize) as u8
            })
            .collect();
        Self {
            width,
            height,
            data,
        }
    }

    fn frame(&mut self) -> Result<Frame<'_>, Box<dyn Error>> {
        let (stride, luma) = (self.width as usize, (self.width * self.height) as usize);
        let (data, offsets) = (&mut self.data, [0, luma]);
        let frame = Frame::from_slice(
            Format::Nv12,
            self.width,
            self.height,
            data,
            &offsets,
            &[stride; 2],
        )?;
        Ok(frame)
    }
}

fn pictures(width: u32, height: u32) -> Vec<Picture> {
    (0..FRAMES)
        .map(|seed| Picture::new(width, height, seed))
        .collect()
}

fn work<'a>(regions: &'a [Region], mode: Mode<'a>) -> Work<'a> {
    Work {
        regions,
        ..Work::new(mode, SEED)
    }
}

/// Squares of 128 pixels, side by side, as far as they fit.
fn squares(count: u32, width: u32, height: u32) -> Vec<Region> {
    let (columns, rows) = (width / 128, height / 128);
    (0..count.min(columns * rows))
        .map(|i| Region {
            x: (i % columns * 128) as i32,
            y: (i / columns * 128) as i32,
            width: 128,
            height: 128,
            key: i.into(),
            ..Region::default()
        })
        .collect()
}

/// Times, in milliseconds.
struct Times(Vec<f64>);

impl Times {
    fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut ms: Vec<f64> = times.into_iter().map(|t| t.as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        Self(ms)
    }

    fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0
            .get((last as f64 * share).round() as usize)
            .copied()
            .unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p95, p99) = (self.at(0.5), self.at(0.95), self.at(0.99));
        write!(f, "{median:.3} ms (p95 {p95:.3}, p99 {p99:.3})")
    }
}

/// Masks every picture on both sides and compares them.
fn check(
    gpu: &mut Masker,
    pictures: &[Picture],
    regions: &[Region],
    mode: Mode,
) -> Result<(), Box<dyn Error>> {
    for picture in pictures {
        let [mut found, mut expected] = [0, 1].map(|_| Picture {
            data: picture.data.clone(),
            ..*picture
        });
        gpu.mask(&mut found.frame()?, &work(regions, mode))?;
        let mut scratch = Scratch::default();
        cpu::mask(&mut expected.frame()?, &work(regions, mode), &mut scratch);
        if found.data != expected.data {
            return Err(format!("{mode:?}: the GPU masks otherwise than the CPU").into());
        }
    }
    Ok(())
}

/// Times of `count` frames from frame to masked frame, one after another.
fn one_by_one(
    gpu: &mut Masker,
    pictures: &mut [Picture],
    regions: &[Region],
    mode: Mode,
    count: usize,
) -> Result<Times, Box<dyn Error>> {
    let mut times = Vec::with_capacity(count);
    for i in 0..count + FRAMES as usize {
        let picture = &mut pictures[i % FRAMES as usize];
        let mut frame = picture.frame()?;
        let began = Instant::now();
        gpu.mask(&mut frame, &work(regions, mode))?;
        times.push(began.elapsed());
    }
    Ok(Times::of(times.drain(FRAMES as usize..)))
}

/// Frames a second with `depth` in flight.
fn in_flight(
    gpu: &mut Masker,
    pictures: &mut [Picture],
    regions: &[Region],
    mode: Mode,
    depth: usize,
    count: usize,
) -> Result<f64, Box<dyn Error>> {
    let mut flying = VecDeque::new();
    let mut began = Instant::now();
    for i in 0..count + FRAMES as usize {
        if i == FRAMES as usize {
            began = Instant::now();
        }
        let at = i % FRAMES as usize;
        let ticket = gpu.submit(&pictures[at].frame()?, &work(regions, mode))?;
        flying.push_back((ticket, at));
        while flying.len() >= depth {
            if let Some((ticket, at)) = flying.pop_front() {
                gpu.collect(ticket, &mut pictures[at].frame()?)?;
            }
        }
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    for (ticket, at) in flying {
        gpu.collect(ticket, &mut pictures[at].frame()?)?;
    }
    Ok(rate)
}

/// Time of the kernels, and of a copy of the same bytes, in turn.
fn kernels(
    gpu: &mut Masker,
    pictures: &mut [Picture],
    regions: &[Region],
    mode: Mode,
    bytes: u64,
    count: usize,
) -> Result<Option<(Times, Times)>, Box<dyn Error>> {
    let (mut masks, mut copies) = (Vec::new(), Vec::new());
    gpu.set_timed(true);
    for i in 0..count + FRAMES as usize {
        let picture = &mut pictures[i % FRAMES as usize];
        gpu.mask(&mut picture.frame()?, &work(regions, mode))?;
        let copy = gpu.copy_time(bytes)?;
        let (Some(mask), Some(copy)) = (gpu.kernel_time(), copy) else {
            gpu.set_timed(false);
            return Ok(None);
        };
        if i >= FRAMES as usize {
            masks.push(mask);
            copies.push(copy);
        }
    }
    gpu.set_timed(false);
    Ok(Some((Times::of(masks), Times::of(copies))))
}

fn verdict(good: bool) -> &'static str {
    if good { "met" } else { "NOT met" }
}

fn whole_frames(gpu: &mut Masker, count: usize) -> Result<(), Box<dyn Error>> {
    let adapter = gpu.adapter().to_string();
    for (width, height) in SIZES {
        let mut pictures = pictures(width, height);
        let regions = [Region::whole(width, height)];
        let bytes = pictures[0].data.len() as u64;
        for (mode, goal) in [
            (Mode::Solid, None),
            (Mode::Pixelate { cells: 6 }, Some(PIXELATE_GOAL)),
            (Mode::Blur { cells: 6 }, Some(BLUR_GOAL)),
            (Mode::Gaussian { cells: 6 }, None),
        ] {
            check(gpu, &pictures, &regions, mode)?;
            println!("{adapter}: whole {width}x{height} NV12, {mode:?}, {bytes} bytes, N {count}");
            match kernels(gpu, &mut pictures, &regions, mode, bytes, count)? {
                None => println!("  kernels: the device has no clock"),
                Some((mask, copy)) => {
                    let ratio = mask.at(0.5) / copy.at(0.5);
                    println!("  kernels {mask}; copy {copy}");
                    match goal {
                        None => println!("  {ratio:.2} copies"),
                        Some(goal) => println!(
                            "  {ratio:.2} copies; goal {goal} or less: {}",
                            verdict(ratio <= goal)
                        ),
                    }
                }
            }
            let latency = one_by_one(gpu, &mut pictures, &regions, mode, count)?;
            let mut rates = [0.0; 3];
            for (rate, depth) in rates.iter_mut().zip(1..) {
                *rate = in_flight(gpu, &mut pictures, &regions, mode, depth, count)?;
            }
            println!(
                "  end to end {latency}; frames/s with 1, 2, 3 in flight: {:.0}, {:.0}, {:.0}",
                rates[0], rates[1], rates[2]
            );
        }
    }
    Ok(())
}

fn by_bytes(gpu: &mut Masker, count: usize) -> Result<(), Box<dyn Error>> {
    let adapter = gpu.adapter().to_string();
    let mode = Mode::Pixelate { cells: 6 };
    println!("{adapter}: end to end by bytes masked, Pixelate, squares of 128 pixels, N {count}");
    for squares_asked in [1, 4, 16, 64] {
        for (width, height) in SIZES {
            let mut pictures = pictures(width, height);
            let regions = squares(squares_asked, width, height);
            check(gpu, &pictures, &regions, mode)?;
            let times = one_by_one(gpu, &mut pictures, &regions, mode, count)?;
            let bytes = regions.len() * 128 * 128 * 3 / 2;
            println!("  {bytes:>9} bytes of {width}x{height}: {times}");
        }
    }
    Ok(())
}

fn software(gpu: &mut Masker) -> Result<(), Box<dyn Error>> {
    let adapter = gpu.adapter().to_string();
    println!("The only adapter, {adapter}, is a CPU: nothing here is a figure of a GPU.");
    let (width, height) = SIZES[0];
    let mut pictures = pictures(width, height);
    let regions = [Region::whole(width, height)];
    let all = [
        Mode::Solid,
        Mode::Pixelate { cells: 6 },
        Mode::Blur { cells: 6 },
        Mode::Gaussian { cells: 6 },
    ];
    for mode in all {
        check(gpu, &pictures, &regions, mode)?;
    }
    let mode = Mode::Pixelate { cells: 6 };
    let times = one_by_one(gpu, &mut pictures, &regions, mode, 40)?;
    let median = times.at(0.5);
    println!(
        "{adapter}: correctness: the same bits as the CPU in {} modes; a whole {width}x{height} NV12 \
         frame in {times}, N 40; goal {SOFTWARE_GOAL_MS} ms or less: {}",
        all.len(),
        verdict(median <= SOFTWARE_GOAL_MS)
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo says `--bench`.
    let name = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let mut gpu = Masker::open(&Selection {
        software: true,
        name: name.unwrap_or_default(),
        ..Selection::default()
    })?;
    if gpu.adapter().is_software {
        return software(&mut gpu);
    }
    whole_frames(&mut gpu, 200)?;
    by_bytes(&mut gpu, 200)
}
