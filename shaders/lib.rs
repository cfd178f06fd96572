// SPDX-License-Identifier: MIT OR Apache-2.0
//! Irreversible masks on raw video frames, on the GPU (WGSL) and on the CPU, with the same bits.
//!
//! ```
//! use privacy_shaders::{Format, Frame, Mode, Region, Scratch, Seed, Work, cpu};
//! let mut pixels = vec![90u8; 64 * 48 * 3 / 2]; // one NV12 frame
//! let mut frame = Frame::from_slice(Format::Nv12, 64, 48, &mut pixels, &[0, 64 * 48], &[64, 64])?;
//! let face = Region { x: 10, y: 8, width: 20, height: 24, key: 7, ..Region::default() };
//! let work = Work { regions: &[face], ..Work::new(Mode::Pixelate { cells: 6 }, Seed(1)) };
//! cpu::mask(&mut frame, &work, &mut Scratch::default());
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
//! levels and therefore tells no more than [`Mode::Pixelate`]; [`Mode::Gaussian`], whose 8-bit form can
//! be undone (arXiv:2512.16086), is for looks alone.
//!
//! **Noise** is HalfSipHash-2-4 under a secret [`Seed`], constant per (key, cell), in whole levels, so
//! that neither averaging over frames nor rounding removes it. The grid is anchored to the region: a
//! grid fixed to the frame would let a moving face be sampled at many offsets. What a trembling box
//! samples at many offsets is not shown either: the values of a region that is to be
//! [remembered](Region::remember) are taken once per grid and [`Work::refresh`].
//!
//! **Overlaps.** Every cell is taken from the untouched frame before anything is written; then regions
//! are written in the order given, so where two overlap the later one shows. Both backends do this.
//!
//! **Chroma** of subsampled formats is masked over the same pixels as luma: regions are first grown
//! outward to [`Format::alignment`]. Padding bytes and alpha are overwritten too.
//!
//! **Twins.** The kernels of [`cpu`] and the shaders compute the same. All arithmetic is in integers, and
//! a test compares both bit by bit over every format and mode; another one compares the CPU with a second
//! derivation of this documentation.
#![forbid(unsafe_code)]

pub mod cpu;
mod format;
mod frame;
pub mod gpu;
mod memory;
mod picture;
pub mod plan;
mod region;
mod runs;

pub use cpu::Scratch;
pub use format::{Colorimetry, Format, Matrix, Range};
pub use frame::{Frame, FrameError, MAX_DIMENSION, Plane};
pub use memory::Memory;
pub use picture::{PICTURE_SIDE, Picture};
pub use region::{Rect, Region, Shape};
pub use runs::Runs;

/// Most cells along the longer side of a region.
pub const MAX_CELLS: u32 = 64;

/// What regions are replaced with. Numbers of cells are 1 to [`MAX_CELLS`] along the longer side of a
/// region; values outside are moved inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode<'a> {
    /// One colour, [`Work::fill`]. Nothing of the original is left.
    Solid,
    /// Flat cells.
    Pixelate {
        /// Most cells along the longer side.
        cells: u32,
    },
    /// The cells of [`Mode::Pixelate`], interpolated: softer to look at, no more information.
    Blur {
        /// Most cells along the longer side.
        cells: u32,
    },
    /// As a Gaussian blur looks whose standard deviation is half of the longer side over `cells`. For
    /// looks alone: 64 × 64 means of 8 bits without noise can be sharpened again.
    Gaussian {
        /// Cells of [`Mode::Blur`] that look about as soft.
        cells: u32,
    },
    /// A picture, stretched over the region. Nothing of the original is left.
    Image {
        /// The picture.
        picture: &'a Picture,
    },
}

impl Mode<'_> {
    /// Most cells along the longer side of a region that tell something of it; 0 when nothing does.
    pub fn cells(self) -> u32 {
        match self {
            Self::Solid | Self::Image { .. } => 0,
            Self::Pixelate { cells } | Self::Blur { cells } => cells.clamp(1, MAX_CELLS),
            Self::Gaussian { .. } => MAX_CELLS,
        }
    }
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// Regions in the order in which they are written.
    pub regions: &'a [Region],
    /// For [`Shape::Runs`].
    pub runs: &'a [Runs],
    /// What regions are replaced with that are not [`Region::solid`].
    pub mode: Mode<'a>,
    /// Colour of solid regions: alpha, red, green, blue from the most significant byte down. Alpha is
    /// used by formats that have it.
    pub fill: u32,
    /// Secret of the noise.
    pub seed: Seed,
    /// Time of the frame in nanoseconds, on any clock that its stream keeps to.
    pub now: u64,
    /// How long the cells of [remembered](Region::remember) regions stay, in nanoseconds; 0 for never.
    pub refresh: u64,
}

impl<'a> Work<'a> {
    /// No regions, an opaque black fill, nothing remembered.
    pub fn new(mode: Mode<'a>, seed: Seed) -> Self {
        Self {
            regions: &[],
            runs: &[],
            mode,
            fill: 0xff00_0000,
            seed,
            now: 0,
            refresh: 0,
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
    fn the_seed_is_not_printed() {
        assert_eq!(format!("{:?}", Seed(0x1234)), "Seed(secret)");
        let work = Work::new(Mode::Solid, Seed(0x1234));
        assert!(!format!("{work:?}").contains("4660"));
    }

    #[test]
    fn modes_say_how_much_they_tell() {
        assert_eq!(Mode::Solid.cells(), 0);
        assert_eq!(Mode::Blur { cells: 99 }.cells(), 64);
        assert_eq!(Mode::Pixelate { cells: 0 }.cells(), 1);
        assert_eq!(Mode::Gaussian { cells: 6 }.cells(), 64);
    }
}
