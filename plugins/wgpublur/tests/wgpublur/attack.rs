// SPDX-License-Identifier: MIT OR Apache-2.0
//! An attack with many frames: whoever films masked objects that move knows each at many offsets against
//! its cells, and the average of many frames, laid over each other and sharpened, shows what no single one
//! shows.
//!
//! The attacker here is given more than a real one has: the true motion of the objects to the pixel, the
//! places of the cells, and of all linear filters the one that brings the result closest to the originals,
//! which takes the originals to find. What is measured is the share of the objects' detail that the result
//! explains: of their energy in the octave above the highest frequency that the cells of one frame can
//! carry, which is where many frames bring something back first.

use std::f64::consts::PI;

use gst_video::{VideoFormat, VideoRegionOfInterestMeta};

use crate::support::{Bench, scan};

const FRAMES: u64 = 200;
/// Single frames of which the best is compared with what all of them give.
const SINGLES: u64 = 8;
/// The objects stand in lanes of this size, so many across and down.
const LANE: usize = 160;
const LANES: (usize, usize) = (3, 2);
const OBJECTS: usize = LANES.0 * LANES.1;
/// Size of an object.
const W: usize = 64;
const H: usize = 72;
/// Highest frequencies looked at, in cycles over the object.
const HIGHEST: usize = 16;

/// Numbers that look random, from a seed (the multiplier is Knuth's; the upper bits).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1u64 << 24) as f64
    }

    /// A whole number from `-most` to `most`.
    fn tremble(&mut self, most: i64) -> i64 {
        (self.next() * (2 * most + 1) as f64) as i64 - most
    }
}

/// An object with about as much energy in each octave, from single pixels to a third of its size.
fn texture(noise: &mut Noise) -> Vec<f64> {
    let mut sum = vec![0.0; W * H];
    for step in [1usize, 2, 4, 8, 12, 16, 24] {
        let across = W.div_ceil(step) + 1;
        let lattice: Vec<f64> = (0..across * (H.div_ceil(step) + 1))
            .map(|_| noise.next() - 0.5)
            .collect();
        for (i, value) in sum.iter_mut().enumerate() {
            *value += lattice[i / W / step * across + i % W / step];
        }
    }
    let most = sum.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    sum.iter()
        .map(|v| (128.0 + v * 120.0 / most).round())
        .collect()
}

/// Where object `k` is on frame `n`: to and fro, at another offset on nearly every frame.
fn position(k: usize, n: u64) -> (usize, usize) {
    let bounce = |t: u64, way: u64| (way - (t % (2 * way)).abs_diff(way)) as usize;
    let n = n + 29 * k as u64;
    (
        k % LANES.0 * LANE + 24 + bounce(3 * n, 41),
        k / LANES.0 * LANE + 28 + bounce(2 * n, 37),
    )
}

/// How well the detector's boxes follow the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Boxes {
    /// To the pixel.
    Exact,
    /// Each edge is wrong by up to this many pixels, on every frame by others.
    Tremble(i64),
    /// In steps of this many pixels, so that the object moves through the box and over all of its cells.
    Step(usize),
}

/// What stands between the attacker and the objects.
struct Camera {
    bench: Bench,
    objects: Vec<Vec<f64>>,
    background: Vec<u8>,
    noise: Noise,
    boxes: Boxes,
    /// The detector names tracks.
    tracks: bool,
}

impl Camera {
    fn new(settings: &str, boxes: Boxes, tracks: bool) -> Self {
        let (width, height) = (LANES.0 * LANE, LANES.1 * LANE);
        let bench = Bench::new(VideoFormat::Nv12, width as u32, height as u32, settings);
        let mut noise = Noise(7);
        let objects = (0..OBJECTS).map(|_| texture(&mut noise)).collect();
        // Grey with a slope, so that its own detail does not stand for the objects'.
        let background = (0..bench.info.size())
            .map(|i| 100 + (i % width / 8) as u8)
            .collect();
        Self {
            bench,
            objects,
            background,
            noise,
            boxes,
            tracks,
        }
    }

    /// The objects as the masked frame `n` shows them, cut out where they truly are.
    fn film(&mut self, n: u64) -> Vec<Vec<f64>> {
        let stride = self.bench.info.stride()[0] as usize;
        let mut pixels = self.background.clone();
        for (k, object) in self.objects.iter().enumerate() {
            let (left, top) = position(k, n);
            for (y, row) in object.chunks_exact(W).enumerate() {
                let line = &mut pixels[(top + y) * stride + left..][..W];
                for (to, from) in line.iter_mut().zip(row) {
                    *to = *from as u8;
                }
            }
        }
        let mut buffer = gst::Buffer::from_slice(pixels);
        let b = buffer.make_mut();
        b.set_pts(gst::ClockTime::from_mseconds(40 * n));
        b.set_duration(gst::ClockTime::from_mseconds(40));
        for k in 0..OBJECTS {
            let (left, top) = position(k, n);
            let edges = [left, top, left + W, top + H];
            let [x0, y0, x1, y1] = match self.boxes {
                Boxes::Exact => edges,
                Boxes::Tremble(most) => {
                    edges.map(|e| (e as i64 + self.noise.tremble(most)) as usize)
                }
                Boxes::Step(step) => {
                    let (x, y) = (left / step * step, top / step * step);
                    [x, y, x + W + step, y + H + step]
                }
            }
            .map(|e| e as u32);
            let rect = (x0, y0, x1 - x0, y1 - y0);
            let mut roi = VideoRegionOfInterestMeta::add(b, "person", rect);
            if self.tracks {
                roi.set_id(k as i32 + 1);
            }
        }
        scan(b, OBJECTS as u32).write(b);
        let masked = self.bench.run(buffer);
        let map = masked.map_readable().unwrap();
        (0..OBJECTS)
            .map(|k| {
                let (left, top) = position(k, n);
                let rows = (0..H).flat_map(|y| &map[(top + y) * stride + left..][..W]);
                rows.map(|v| f64::from(*v)).collect()
            })
            .collect()
    }
}

/// The spectrum of a cut-out under a window of Hann, up to the highest frequency looked at.
struct Spectrum {
    /// By frequency across, from minus the highest, then down: real and imaginary parts.
    values: Vec<(f64, f64)>,
    /// Energy at all frequencies.
    energy: f64,
}

impl Spectrum {
    fn of(picture: &[f64]) -> Self {
        let mean = picture.iter().sum::<f64>() / picture.len() as f64;
        let window =
            |i: usize, n: usize| 0.5 - 0.5 * (2.0 * PI * (i as f64 + 0.5) / n as f64).cos();
        let (across, down): (Vec<_>, Vec<_>) = (
            (0..W).map(|x| window(x, W)).collect(),
            (0..H).map(|y| window(y, H)).collect(),
        );
        let shown: Vec<f64> = picture
            .iter()
            .enumerate()
            .map(|(i, value)| (value - mean) * across[i % W] * down[i / W])
            .collect();
        let turn = |k: usize, n: usize| -> Vec<(f64, f64)> {
            let angle = |i: usize| 2.0 * PI * (k as f64 - HIGHEST as f64) * i as f64 / n as f64;
            (0..n).map(|i| angle(i).sin_cos()).collect()
        };
        let mut values = Vec::new();
        for u in 0..=2 * HIGHEST {
            let turns = turn(u, W);
            let columns: Vec<(f64, f64)> = shown
                .chunks_exact(W)
                .map(|row| {
                    row.iter()
                        .zip(&turns)
                        .fold((0.0, 0.0), |sum, (v, (sin, cos))| {
                            (sum.0 + v * cos, sum.1 - v * sin)
                        })
                })
                .collect();
            // The other half is the same mirrored: the picture is real.
            for v in HIGHEST..=2 * HIGHEST {
                let sum = columns.iter().zip(turn(v, H)).fold(
                    (0.0, 0.0),
                    |sum, ((re, im), (sin, cos))| {
                        (sum.0 + re * cos + im * sin, sum.1 + im * cos - re * sin)
                    },
                );
                values.push(sum);
            }
        }
        Self {
            values,
            energy: shown.iter().map(|v| v * v).sum(),
        }
    }
}

/// What the best linear filter makes of pictures of the objects.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// Share of the detail explained, 0 to 1.
    detail: f64,
    /// Of the sharpened pictures against the originals, in dB.
    psnr: f64,
}

impl Found {
    /// The better of both.
    fn or(self, other: Self) -> Self {
        Self {
            detail: self.detail.max(other.detail),
            psnr: self.psnr.max(other.psnr),
        }
    }
}

/// Sharpens pictures with the filter that brings all of them closest to the originals: one factor for each
/// ring of frequencies, a cycle wide. `cell` is the side of a cell in pixels.
fn sharpen(pictures: &[Vec<f64>], originals: &[Spectrum], cell: f64) -> Found {
    // Of each ring, of the detail and of the rest: energy of originals, of pictures, and what they share.
    let mut sums = vec![[[0.0f64; 3]; 2]; 2 * HIGHEST];
    let limit = H as f64 / cell / 2.0;
    assert!(2.0 * limit < HIGHEST as f64);
    for (picture, original) in pictures.iter().zip(originals) {
        let picture = Spectrum::of(picture);
        for (i, (o, p)) in original.values.iter().zip(&picture.values).enumerate() {
            let (u, v) = (i / (HIGHEST + 1), i % (HIGHEST + 1));
            // Those with none down appear with their mirror images, the others alone.
            let weight = if v == 0 { 0.5 } else { 1.0 };
            let across = (u as f64 - HIGHEST as f64) * H as f64 / W as f64;
            let frequency = across.hypot(v as f64);
            let detail = frequency > limit && frequency <= 2.0 * limit;
            let sum = &mut sums[frequency as usize][usize::from(detail)];
            sum[0] += weight * (o.0 * o.0 + o.1 * o.1);
            sum[1] += weight * (p.0 * p.0 + p.1 * p.1);
            sum[2] += weight * (o.0 * p.0 + o.1 * p.1);
        }
    }
    let explained = |s: &[f64; 3]| if s[1] > 0.0 { s[2] * s[2] / s[1] } else { 0.0 };
    let detail: f64 = sums.iter().map(|s| s[1][0]).sum();
    let found: f64 = sums.iter().map(|s| explained(&s[1])).sum();
    let known: f64 = sums.iter().flatten().map(explained).sum();
    // By Parseval; half of the frequencies were looked at. The mean square of the window is 3/8 each way.
    let pixels = (W * H) as f64;
    let energy: f64 = originals.iter().map(|o| o.energy).sum();
    let error = (energy - 2.0 * known / pixels) / pixels / OBJECTS as f64 / (0.375 * 0.375);
    Found {
        detail: found / detail,
        psnr: 10.0 * (255.0 * 255.0 / error).log10(),
    }
}

/// The bilinear upsampling of the cells: what was constant over a cell, smoothed over one.
fn smoothed(picture: &[f64], cell: usize) -> Vec<f64> {
    let mean = |along: &dyn Fn(usize) -> f64, at: usize, n: usize| {
        let span = at.saturating_sub(cell / 2)..(at + cell / 2 + 1).min(n);
        let length = span.len() as f64;
        span.map(along).sum::<f64>() / length
    };
    let rows: Vec<f64> = (0..W * H)
        .map(|i| mean(&|x| picture[i / W * W + x], i % W, W))
        .collect();
    (0..W * H)
        .map(|i| mean(&|y| rows[y * W + i % W], i / W, H))
        .collect()
}

/// The cells of one picture that lie within the object: their edges across and down, and their values.
struct Cells {
    across: Vec<usize>,
    down: Vec<usize>,
    values: Vec<f64>,
}

impl Cells {
    /// Reads them off a picture: a cell ends where the values change in some row or column.
    fn of(shown: &[f64]) -> Self {
        let across: Vec<_> = (1..W)
            .filter(|x| (0..H).any(|y| shown[y * W + x] != shown[y * W + x - 1]))
            .collect();
        let down: Vec<_> = (1..H)
            .filter(|y| (0..W).any(|x| shown[y * W + x] != shown[(y - 1) * W + x]))
            .collect();
        let rows = &down[..down.len().saturating_sub(1)];
        let columns = &across[..across.len().saturating_sub(1)];
        let values = rows
            .iter()
            .flat_map(|y| columns.iter().map(move |x| shown[y * W + x]))
            .collect();
        Self {
            across,
            down,
            values,
        }
    }

    /// Adds to `sum` what `value` gives for each cell, from the mean of `picture` over it and its own value.
    fn add(&self, sum: &mut [f64], picture: &[f64], value: impl Fn(f64, f64) -> f64) {
        let columns = self.across.len().saturating_sub(1);
        for (row, y) in self.down.windows(2).enumerate() {
            for (column, x) in self.across.windows(2).enumerate() {
                let lines = || (y[0]..y[1]).map(|y| y * W + x[0]..y * W + x[1]);
                let area = ((y[1] - y[0]) * (x[1] - x[0])) as f64;
                let mean = lines().map(|l| picture[l].iter().sum::<f64>()).sum::<f64>() / area;
                let value = value(mean, self.values[row * columns + column]);
                for line in lines() {
                    for s in &mut sum[line] {
                        *s += value;
                    }
                }
            }
        }
    }
}

/// The picture that fits the cells of all frames best, by least squares: the strongest linear attack, which
/// knows where the cells lie. By conjugate gradients.
fn fit(frames: &[Cells]) -> Vec<f64> {
    const DAMPING: f64 = 2.0;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut picture = vec![0.0; W * H];
    let mut residual = vec![0.0; W * H];
    for frame in frames {
        frame.add(&mut residual, &picture, |_, value| value - 128.0);
    }
    let mut direction = residual.clone();
    let mut energy = dot(&residual, &residual);
    for _ in 0..8 {
        let mut image: Vec<f64> = direction.iter().map(|d| d * DAMPING).collect();
        for frame in frames {
            frame.add(&mut image, &direction, |mean, _| mean);
        }
        let length = energy / dot(&direction, &image);
        for (p, d) in picture.iter_mut().zip(&direction) {
            *p += length * d;
        }
        for (r, i) in residual.iter_mut().zip(&image) {
            *r -= length * i;
        }
        let before = std::mem::replace(&mut energy, dot(&residual, &residual));
        for (d, r) in direction.iter_mut().zip(&residual) {
            *d = r + energy / before * *d;
        }
    }
    picture
}

/// The best of single frames, and the best of what all give: their average, and what fits all.
fn attack(settings: &str, boxes: Boxes, tracks: bool) -> (Found, Found) {
    let mut camera = Camera::new("", boxes, tracks);
    let cell = {
        let shown = camera.film(0);
        let cells = Cells::of(&shown[0]);
        let edges = [cells.across, cells.down];
        let sides = edges.iter().flat_map(|e| e.windows(2)).map(|e| e[1] - e[0]);
        sides.clone().sum::<usize>() as f64 / sides.count() as f64
    };
    let mut camera = Camera::new(settings, boxes, tracks);
    let originals: Vec<_> = camera.objects.iter().map(|o| Spectrum::of(o)).collect();
    let mut average = vec![vec![0.0; W * H]; OBJECTS];
    let mut single = Found::default();
    let mut cells: Vec<Vec<Cells>> = (0..OBJECTS).map(|_| Vec::new()).collect();
    // The cells of a blur run into each other and cannot be read off so simply.
    let readable = !settings.contains("mode=");
    for n in 0..FRAMES {
        let shown = camera.film(n);
        for ((sum, picture), cells) in average.iter_mut().zip(&shown).zip(&mut cells) {
            for (sum, value) in sum.iter_mut().zip(picture) {
                *sum += value / FRAMES as f64;
            }
            if readable {
                cells.push(Cells::of(picture));
            }
        }
        if n % (FRAMES / SINGLES) == 0 {
            let smooth: Vec<_> = shown
                .iter()
                .map(|p| smoothed(p, cell.round() as usize))
                .collect();
            for pictures in [shown, smooth] {
                single = single.or(sharpen(&pictures, &originals, cell));
            }
        }
    }
    let mut all = sharpen(&average, &originals, cell);
    let averaged = all;
    if readable {
        let fitted: Vec<_> = cells.iter().map(|frames| fit(frames)).collect();
        all = all.or(sharpen(&fitted, &originals, cell));
    }
    println!(
        "{settings:28} {boxes:?}, tracks {tracks}, cells of {cell:.1}: detail {:.1} % of one frame, {:.1} % of {FRAMES} \
         ({:.1} % averaged); {:.2} dB, {:.2} dB",
        100.0 * single.detail,
        100.0 * all.detail,
        100.0 * averaged.detail,
        single.psnr,
        all.psnr,
    );
    (single, all)
}

/// What all frames give may exceed the best of some single ones by this much, by chance: the grid is laid on
/// even pixels, so it shifts against the object by one, and the others' frames were not looked at.
const TOLERANCE: Found = Found {
    detail: 0.02,
    psnr: 0.15,
};

#[test]
fn b4_two_hundred_frames_tell_no_more_than_one() {
    for (settings, boxes, tracks) in [
        ("", Boxes::Exact, true),
        ("", Boxes::Tremble(3), true),
        ("", Boxes::Tremble(3), false),
        ("", Boxes::Step(16), true),
        ("mode=blur", Boxes::Exact, true),
        ("mode=blur", Boxes::Tremble(3), true),
        ("mode=blur", Boxes::Step(16), false),
    ] {
        let (single, all) = attack(settings, boxes, tracks);
        assert!(
            all.detail <= single.detail + TOLERANCE.detail
                && all.psnr <= single.psnr + TOLERANCE.psnr,
            "{settings} {boxes:?}: {all:?} of {FRAMES} frames, {single:?} of one"
        );
    }
    // What the cells' memory is for: without it the same attack brings back twice as much as one frame.
    for (boxes, tracks) in [(Boxes::Tremble(3), true), (Boxes::Step(16), true)] {
        let (single, all) = attack("refresh-interval=0", boxes, tracks);
        assert!(
            all.detail > 1.4 * single.detail && all.psnr > single.psnr + 2.0 * TOLERANCE.psnr,
            "the attack does not work on what is not protected: {boxes:?} {all:?}, {single:?} of one"
        );
    }
    // And a Gaussian of the same strength is undone in part with a single frame.
    let (pixelated, _) = attack("", Boxes::Exact, true);
    let (gaussian, _) = attack("mode=gaussian", Boxes::Exact, true);
    assert!(
        gaussian.detail > 1.4 * pixelated.detail,
        "{gaussian:?} of a Gaussian, {pixelated:?} of cells"
    );
}
