// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random frames with padding, guards, regions and shapes.

use privacy_shaders::{Format, Frame, Rect, Region, Runs, Shape};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below((last - first + 1) as u64) as i64
    }

    pub fn is(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A frame in one piece of memory, with guards around and between the planes, all of it noise.
#[derive(Clone, PartialEq)]
pub struct Picture {
    pub format: Format,
    pub interlaced: bool,
    pub width: u32,
    pub height: u32,
    pub offsets: Vec<usize>,
    pub strides: Vec<usize>,
    pub data: Vec<u8>,
}

impl Picture {
    pub fn random(random: &mut Random, format: Format, width: u32, height: u32) -> Self {
        let (mut offsets, mut strides, mut end) = (Vec::new(), Vec::new(), 0);
        for plane in 0..format.planes() {
            let (samples, rows) = format.plane_size(plane, width, height);
            let stride = (samples * format.channels(plane)) as usize + random.below(20) as usize;
            end += random.below(9) as usize;
            offsets.push(end);
            strides.push(stride);
            end += stride * rows as usize;
        }
        // The memory of the last plane may end with its last sample.
        let last = strides.len() - 1;
        let (samples, _) = format.plane_size(last, width, height);
        if random.is(2) {
            end -= strides[last] - (samples * format.channels(last)) as usize;
        } else {
            end += random.below(70) as usize;
        }
        Self {
            format,
            interlaced: random.is(3),
            width,
            height,
            offsets,
            strides,
            data: (0..end).map(|_| random.next() as u8).collect(),
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
        .with_interlaced(self.interlaced)
    }

    /// Index of a byte of a sample.
    pub fn at(&self, plane: usize, x: i64, y: i64, byte: usize) -> usize {
        let bytes = self.format.channels(plane) as usize;
        self.offsets[plane] + y as usize * self.strides[plane] + x as usize * bytes + byte
    }
}

/// From one pixel to some hundred, odd or even, wide or high.
pub fn size(random: &mut Random) -> (u32, u32) {
    let mut side = || match random.below(6) {
        0 => 1 + random.below(6) as u32,
        1 => 1 + random.below(400) as u32,
        _ => 1 + random.below(120) as u32,
    };
    (side(), side())
}

/// What makes pixels of a frame: the same numbers for the masks and for the derivation.
#[derive(Clone, Debug)]
pub enum Pixels {
    Polygon(Vec<[f64; 2]>),
    Except(Vec<Rect>),
}

impl Pixels {
    pub fn random(random: &mut Random, width: u32, height: u32) -> Self {
        if random.is(2) {
            let corner = |random: &mut Random, side: u32| {
                random.between(-800, 800 + i64::from(side) * 100) as f64 / 100.0 + 0.003_1
            };
            let corners = 3 + random.below(6);
            Self::Polygon(
                (0..corners)
                    .map(|_| [corner(random, width), corner(random, height)])
                    .collect(),
            )
        } else {
            let holes = random.below(4);
            let hole = |random: &mut Random| Rect {
                x: random.below(u64::from(width) + 3) as u32,
                y: random.below(u64::from(height) + 3) as u32,
                width: random.below(u64::from(width) + 9) as u32,
                height: random.below(u64::from(height) + 9) as u32,
            };
            Self::Except((0..holes).map(|_| hole(random)).collect())
        }
    }

    pub fn runs(&self, width: u32, height: u32, interlaced: bool) -> Runs {
        let mut runs = Runs::default();
        match self {
            Self::Polygon(corners) => runs.polygon(corners, width, height, interlaced),
            Self::Except(clear) => runs.except(width, height, clear, interlaced),
        }
        runs
    }
}

/// Inside, across an edge, outside, around all of it.
pub fn region(random: &mut Random, width: u32, height: u32, shapes: u64) -> Region {
    let (w, h) = (i64::from(width), i64::from(height));
    Region {
        x: random.between(-20, w + 4) as i32,
        y: random.between(-20, h + 4) as i32,
        width: random.below(width as u64 + 40) as u32,
        height: random.below(height as u64 + 40) as u32,
        key: random.next() >> random.below(64),
        shape: match random.below(3) {
            0 => Shape::Box,
            1 => Shape::Ellipse,
            // One more than there are: taken for a box.
            _ => Shape::Runs(random.below(shapes + 1) as u32),
        },
        solid: random.is(6),
        remember: random.is(2),
    }
}
