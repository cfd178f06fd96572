// SPDX-License-Identifier: MIT OR Apache-2.0
//! Irreversible masks on raw video frames, on the GPU (WGSL) and on the CPU, with the same bits.
//!
//! ```
//! use privacy_shaders::{Format, Frame, Mode, Region, Scratch, Seed, cpu};
//! let mut pixels = vec![90u8; 64 * 48 * 3 / 2]; // one NV12 frame
//! let mut frame = Frame::from_slice(Format::Nv12, 64, 48, &mut pixels, &[0, 64 * 48], &[64, 64])?;
//! let face = Region { x: 10, y: 8, width: 20, height: 24, key: 7 };
//! cpu::mask(&mut frame, &[face], Mode::Pixelate { cells: 6 }, Seed(1), &mut Scratch::default());
//! # Ok::<(), privacy_shaders::FrameError>(())
//! ```
//!
//! **What is left to see.** A region is cut into at most `cells` cells along its longer side, none
//! smaller than [`plan::MIN_CELL`] samples. What a cell shows is the mean of its samples in 5 bits
//! (32 levels) per channel, moved by −1, 0 or +1 level of noise: the output is a function of the noisy
//! levels alone, and 6 × 6 cells × 3 channels × 5 bits = 68 bytes bound what a region still tells.
//! Pixelation with many cells is not safe (McPherson, Shokri, Shmatikov 2016, arXiv:1609.00408:
//! recognition well above chance at 14 cells across a face; Hill et al., PoPETs 2016(4): mosaiced text
//! can be read back), so plates and text want [`Mode::Solid`]. [`Mode::Blur`] interpolates the very same
//! levels and therefore tells no more than [`Mode::Pixelate`]; a Gaussian kernel, whose 8-bit form can
//! be undone (arXiv:2512.16086), does not exist here.
//!
//! **Noise** is HalfSipHash-2-4 under a secret [`Seed`], constant per (key, cell), in whole levels, so
//! that neither averaging over frames nor rounding removes it. The grid is anchored to the region: a
//! grid fixed to the frame would let a moving face be sampled at many offsets.
//!
//! **Overlaps.** Every cell is taken from the untouched frame before anything is written; then regions
//! are written in the order given, so where two overlap the later one shows. Both backends do this.
//!
//! **Chroma** of 4:2:0 formats is masked over the same region, which is first grown outward to even
//! coordinates. Padding bytes and alpha are overwritten too.
//!
//! **Twins.** `cpu::x` mirrors `x.wgsl` line by line where that is possible. All arithmetic is in
//! integers, and a test compares both bit by bit over every format and mode.
#![forbid(unsafe_code)]

pub mod cpu;
mod frame;
pub mod gpu;
pub mod plan;

pub use cpu::Scratch;
pub use frame::{Colorimetry, Format, Frame, FrameError, MAX_DIMENSION, Matrix, Plane, Range};

/// Most cells along the longer side of a region.
pub const MAX_CELLS: u32 = 64;

/// A rectangle to mask, in pixels of the frame.
///
/// What lies outside the frame is ignored; an empty region masks nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Region {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Stable for as long as this is the same object: the noise of a cell depends on it.
    pub key: u64,
}

impl Region {
    /// The whole frame.
    pub fn whole(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            ..Self::default()
        }
    }

    /// The part inside a frame of `width` × `height`, grown outward to what `format` can mask: even
    /// coordinates for 4:2:0. `None` when nothing is inside.
    ///
    /// These are exactly the pixels that a mask overwrites.
    pub fn aligned(self, format: Format, width: u32, height: u32) -> Option<Self> {
        let right = self.x.saturating_add(self.width).min(width);
        let bottom = self.y.saturating_add(self.height).min(height);
        if self.x >= right || self.y >= bottom {
            return None;
        }
        let (mut x, mut y, mut right, mut bottom) = (self.x, self.y, right, bottom);
        if format.is_subsampled() {
            (x, y) = (x & !1, y & !1);
            right = (right + (right & 1)).min(width);
            bottom = (bottom + (bottom & 1)).min(height);
        }
        Some(Self {
            x,
            y,
            width: right - x,
            height: bottom - y,
            key: self.key,
        })
    }
}

/// What a region is replaced with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One colour. Nothing of the original is left.
    Solid {
        /// Alpha, red, green, blue from the most significant byte down. Alpha is used by formats that
        /// have it.
        argb: u32,
    },
    /// Flat cells.
    Pixelate {
        /// Most cells along the longer side, 1 to [`MAX_CELLS`]; values outside are moved inside.
        cells: u32,
    },
    /// The cells of [`Mode::Pixelate`], interpolated: softer to look at, no more information.
    Blur {
        /// Most cells along the longer side, 1 to [`MAX_CELLS`]; values outside are moved inside.
        cells: u32,
    },
}

impl Mode {
    /// Most cells along the longer side of a region; 0 for a solid fill.
    pub fn cells(self) -> u32 {
        match self {
            Self::Solid { .. } => 0,
            Self::Pixelate { cells } | Self::Blur { cells } => cells.clamp(1, MAX_CELLS),
        }
    }
}

/// Secret of a run that the noise depends on. Draw it at random; never derive it from the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_cut_and_aligned_outward() {
        let r = |x, y, width, height| Region {
            x,
            y,
            width,
            height,
            key: 0,
        };
        let nv12 = |region: Region| region.aligned(Format::Nv12, 33, 17);
        assert_eq!(nv12(r(3, 3, 1, 1)), Some(r(2, 2, 2, 2)));
        assert_eq!(
            nv12(r(31, 15, 9, 9)),
            Some(r(30, 14, 3, 3)),
            "odd edges stay inside"
        );
        assert_eq!(nv12(r(32, 16, 1, 1)), Some(r(32, 16, 1, 1)));
        assert_eq!(nv12(r(33, 0, 5, 5)), None);
        assert_eq!(nv12(r(4, 4, 0, 5)), None);
        assert_eq!(
            nv12(r(1, 1, u32::MAX, u32::MAX)),
            Some(r(0, 0, 33, 17)),
            "no overflow"
        );
        assert_eq!(
            r(3, 3, 1, 1).aligned(Format::Bgrx, 33, 17),
            Some(r(3, 3, 1, 1))
        );
    }

    #[test]
    fn the_seed_is_not_printed() {
        assert_eq!(format!("{:?}", Seed(0x1234)), "Seed(secret)");
    }
}
