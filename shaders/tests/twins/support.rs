// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures, regions and modes to try, and a mask written plainly.

use privacy_shaders::{Format, Frame, Mode, Region, Scratch, Seed, Work, cpu};

pub const SEED: Seed = Seed(0x0123_4567_89ab_cdef);

/// A frame in one piece of memory, with guard bytes around and between the planes.
#[derive(Clone, PartialEq)]
pub struct Picture {
    pub format: Format,
    pub width: u32,
    pub height: u32,
    pub offsets: Vec<usize>,
    pub strides: Vec<usize>,
    pub data: Vec<u8>,
}

impl Picture {
    /// `pad` bytes more than needed in each row, noise everywhere, padding and guards too.
    pub fn noise(format: Format, width: u32, height: u32, pad: usize, seed: u32) -> Self {
        let (mut offsets, mut strides, mut end) = (Vec::new(), Vec::new(), 5);
        for plane in 0..format.planes() {
            let (samples, rows) = format.plane_size(plane, width, height);
            let stride = (samples * format.channels(plane)) as usize + pad;
            offsets.push(end);
            strides.push(stride);
            end += stride * rows as usize + 3;
        }
        let mut state = seed;
        let data = (0..end)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        Self {
            format,
            width,
            height,
            offsets,
            strides,
            data,
        }
    }

    pub fn frame(&mut self) -> Frame<'_> {
        Frame::from_slice(
            self.format,
            self.width,
            self.height,
            &mut self.data,
            &self.offsets,
            &self.strides,
        )
        .unwrap()
    }

    pub fn on_cpu(&self, regions: &[Region], mode: Mode) -> Self {
        let mut out = self.clone();
        cpu::mask(
            &mut out.frame(),
            &work(regions, mode),
            &mut Scratch::default(),
        );
        out
    }

    /// Index of byte `channel` of sample (`x`, `y`) of a plane.
    pub fn at(&self, plane: usize, x: u32, y: u32, channel: u32) -> usize {
        let channels = self.format.channels(plane);
        self.offsets[plane] + y as usize * self.strides[plane] + (x * channels + channel) as usize
    }
}

/// A colour in which no two bytes are alike, in any format.
pub const FILL: u32 = 0x8012_a4fe;

pub fn work<'a>(regions: &'a [Region], mode: Mode<'a>) -> Work<'a> {
    Work {
        regions,
        fill: FILL,
        ..Work::new(mode, SEED)
    }
}

/// Pixels per sample of a plane, across and down.
pub fn halves(format: Format, plane: usize) -> (u32, u32) {
    use Format as F;
    match (format, plane) {
        (F::Yuy2 | F::Uyvy, _) => (2, 1),
        (F::Nv12 | F::Nv21 | F::I420 | F::Yv12 | F::P010, 1..) => (2, 2),
        _ => (1, 1),
    }
}

/// What a byte of a sample is that holds no colour.
fn constant(format: Format, plane: usize, channel: u32) -> Option<f64> {
    use Format as F;
    match (format, plane, channel) {
        (F::Rgbx | F::Bgrx | F::Rgba | F::Bgra, _, 3) => Some(255.0),
        (F::Xrgb | F::Xbgr | F::Argb | F::Abgr, _, 0) => Some(255.0),
        (F::P010, _, 0) | (F::P010, 1, 2) => Some(0.0),
        _ => None,
    }
}

/// The bytes of a sample whose mean a byte shows.
fn together(format: Format, channel: u32) -> &'static [u32] {
    match (format, channel) {
        (Format::Yuy2, 0 | 2) => &[0, 2],
        (Format::Uyvy, 1 | 3) => &[1, 3],
        (_, 0) => &[0],
        (_, 1) => &[1],
        (_, 2) => &[2],
        _ => &[3],
    }
}

pub fn region(x: i32, y: i32, width: u32, height: u32, key: u64) -> Region {
    Region {
        x,
        y,
        width,
        height,
        key,
        ..Region::default()
    }
}

/// Regions for a frame: one pixel, edges, corners, overlaps, all of it, nothing, outside.
pub fn region_lists(w: u32, h: u32) -> Vec<Vec<Region>> {
    let whole = Region::whole(w, h);
    let (half_w, half_h) = (w.div_ceil(2), h.div_ceil(2));
    let (w, h) = (w as i32, h as i32);
    let mid = region(w / 3, h / 3, half_w, half_h, 1 << 40);
    vec![
        vec![],
        vec![whole],
        vec![mid],
        vec![region(w / 2, h / 2, 1, 1, 2)],
        vec![region(w - 1, h - 1, 1, 1, 3), region(0, 0, 1, 1, 4)],
        vec![
            region(w - 1, 0, 9, whole.height, 5),
            region(0, h - 1, whole.width, 9, 6),
        ],
        vec![region(-3, -5, 9, 8, 12), region(-9, 2, 9, 9, 13)],
        vec![
            mid,
            region(w / 2, h / 2, whole.width, whole.height, 7),
            region(w / 4, h / 4, whole.width / 2 + 1, 2, 8),
        ],
        vec![
            region(1, 1, 0, 5, 9),
            region(w, h, 5, 5, 10),
            region(i32::MAX, 0, 5, 5, 11),
        ],
    ]
}

pub const SIZES: [(u32, u32, usize); 9] = [
    (64, 48, 0),
    (64, 48, 16),
    (1, 1, 0),
    (2, 2, 3),
    (33, 17, 1),
    (1, 31, 0),
    (97, 1, 5),
    (129, 131, 7),
    (200, 90, 0),
];

pub const MODES: [Mode; 7] = [
    Mode::Solid,
    Mode::Pixelate { cells: 1 },
    Mode::Pixelate { cells: 6 },
    Mode::Pixelate { cells: 64 },
    Mode::Blur { cells: 1 },
    Mode::Blur { cells: 6 },
    Mode::Blur { cells: 64 },
];

/// A mask written as plainly as possible, in floating point and sample by sample.
pub fn oracle(picture: &Picture, regions: &[Region], mode: Mode) -> Picture {
    let mut out = picture.clone();
    let format = picture.format;
    for region in regions {
        // Aligned outward to whole samples of every plane, inside the frame.
        let (even_x, even_y) = halves(format, format.planes() - 1);
        let side = |start: i32, length: u32, limit: u32, even: u32| {
            let end = (i64::from(start) + i64::from(length)).min(limit.into());
            let start = i64::from(start).max(0);
            (start < end).then(|| {
                let end = (end as u32).div_ceil(even) * even;
                (start as u32 / even * even, end.min(limit))
            })
        };
        let Some((x0, x1)) = side(region.x, region.width, picture.width, even_x) else {
            continue;
        };
        let Some((y0, y1)) = side(region.y, region.height, picture.height, even_y) else {
            continue;
        };
        let long = (x1 - x0).max(y1 - y0);
        let n = mode.cells().min(long / 4).max(1);
        let count = |side: u32| {
            ((f64::from(side) * f64::from(n) / f64::from(long) + 0.5).floor() as u32).max(1)
        };
        let (nx, ny) = (count(x1 - x0), count(y1 - y0));
        for plane in 0..format.planes() {
            let (across, down) = halves(format, plane);
            let (px, py) = (x0 / across, y0 / down);
            let (w, h) = ((x1 - x0).div_ceil(across), (y1 - y0).div_ceil(down));
            for channel in 0..format.channels(plane) {
                let level = |cx: u32, cy: u32| -> f64 {
                    if let Some(constant) = constant(format, plane, channel) {
                        return constant;
                    }
                    let bytes = together(format, channel);
                    let (mut sum, mut area) = (0.0, 0.0);
                    for y in cy * h / ny..(cy + 1) * h / ny {
                        for x in cx * w / nx..(cx + 1) * w / nx {
                            for &byte in bytes {
                                let at = picture.at(plane, px + x, py + y, byte);
                                sum += f64::from(picture.data[at]);
                                area += 1.0;
                            }
                        }
                    }
                    let quantised = (sum / area / 8.0 + 0.5).floor().min(31.0);
                    let hash = cpu::half_sip_hash(
                        [SEED.0 as u32, (SEED.0 >> 32) as u32],
                        &[region.key as u32, (region.key >> 32) as u32, cy * nx + cx],
                    );
                    let bits = hash >> (2 * plane as u32 + 2 * bytes[0]);
                    let noise = f64::from(bits & 1) + f64::from((bits >> 1) & 1) - 1.0;
                    (quantised + noise).clamp(0.0, 31.0) * 8.0
                };
                let levels: Vec<Vec<f64>> = if matches!(mode, Mode::Solid) {
                    Vec::new()
                } else {
                    (0..ny)
                        .map(|cy| (0..nx).map(|cx| level(cx, cy)).collect())
                        .collect()
                };
                for y in 0..h {
                    for x in 0..w {
                        let value = match mode {
                            Mode::Solid => {
                                let fill = format.fill(plane, FILL, Default::default());
                                f64::from(fill[channel as usize])
                            }
                            Mode::Pixelate { .. } => {
                                let cell = |at: u32, n: u32, length: u32| {
                                    (0..n).rfind(|i| i * length / n <= at).unwrap() as usize
                                };
                                levels[cell(y, ny, h)][cell(x, nx, w)]
                            }
                            _ => {
                                let place = |at: u32, n: u32, length: u32| {
                                    let exact = (f64::from(at) + 0.5) * f64::from(n)
                                        / f64::from(length)
                                        - 0.5;
                                    let inside = exact.clamp(0.0, f64::from(n - 1));
                                    let cell = inside.floor() as usize;
                                    let next = (cell + 1).min(n as usize - 1);
                                    (cell, next, inside - inside.floor())
                                };
                                let (a, b, f) = place(x, nx, w);
                                let (c, d, g) = place(y, ny, h);
                                let row = |r: usize| levels[r][a] * (1.0 - f) + levels[r][b] * f;
                                (row(c) * (1.0 - g) + row(d) * g).round()
                            }
                        };
                        let at = out.at(plane, px + x, py + y, channel);
                        out.data[at] = value as u8;
                    }
                }
            }
        }
    }
    out
}
