// SPDX-License-Identifier: MIT OR Apache-2.0
//! A raw frame in system memory, as planes with strides.

use std::fmt;

use crate::{Colorimetry, Format};

/// Largest width and height that the fixed-point arithmetic of the masks holds.
pub const MAX_DIMENSION: u32 = 32_767;

/// Why memory cannot be taken as a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Width or height is 0 or above [`MAX_DIMENSION`].
    #[error("a frame of {0}x{1} pixels cannot be masked: both sides must be 1 to {MAX_DIMENSION}")]
    Size(u32, u32),
    /// The number of planes is not the format's.
    #[error("{format:?} has {expected} planes, not {found}")]
    Planes {
        /// Format asked for.
        format: Format,
        /// Planes it has.
        expected: usize,
        /// Planes given.
        found: usize,
    },
    /// A row is longer than the stride.
    #[error("plane {plane} has a stride of {stride} bytes, shorter than its rows of {row} bytes")]
    Stride {
        /// Number of the plane.
        plane: usize,
        /// Stride given.
        stride: usize,
        /// Bytes of one row.
        row: usize,
    },
    /// The memory ends before the last row does.
    #[error("plane {plane} needs {needed} bytes, its memory holds {found}")]
    Memory {
        /// Number of the plane.
        plane: usize,
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        found: usize,
    },
    /// Planes overlap or are out of order in the slice.
    #[error("plane {0} begins before the one before it ends")]
    Order(usize),
}

/// One plane of a frame.
#[derive(Default)]
pub struct Plane<'a> {
    /// Its bytes, beginning with the first sample.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

impl fmt::Debug for Plane<'_> {
    /// Not the pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane")
            .field("bytes", &self.data.len())
            .field("stride", &self.stride)
            .finish()
    }
}

/// A frame whose every row is known to lie inside its memory.
#[derive(Debug)]
pub struct Frame<'a> {
    format: Format,
    width: u32,
    height: u32,
    colorimetry: Colorimetry,
    interlaced: bool,
    /// Those the format has; the rest is empty.
    planes: [Plane<'a>; 3],
}

impl<'a> Frame<'a> {
    /// A frame whose planes may lie in memories of their own.
    pub fn new(
        format: Format,
        width: u32,
        height: u32,
        planes: impl IntoIterator<Item = Plane<'a>>,
    ) -> Result<Self, FrameError> {
        if !(1..=MAX_DIMENSION).contains(&width) || !(1..=MAX_DIMENSION).contains(&height) {
            return Err(FrameError::Size(width, height));
        }
        let mut given = planes.into_iter();
        let mut planes: [Plane<'a>; 3] = Default::default();
        let mut found = 0;
        for (slot, plane) in planes.iter_mut().zip(&mut given) {
            *slot = plane;
            found += 1;
        }
        found += given.count();
        if found != format.planes() {
            return Err(FrameError::Planes {
                format,
                expected: format.planes(),
                found,
            });
        }
        for (i, plane) in planes.iter().enumerate().take(format.planes()) {
            let (samples, rows) = format.plane_size(i, width, height);
            let row = (samples * format.channels(i)) as usize;
            if plane.stride < row {
                return Err(FrameError::Stride {
                    plane: i,
                    stride: plane.stride,
                    row,
                });
            }
            let needed = plane
                .stride
                .saturating_mul(rows as usize - 1)
                .saturating_add(row);
            if plane.data.len() < needed {
                return Err(FrameError::Memory {
                    plane: i,
                    needed,
                    found: plane.data.len(),
                });
            }
        }
        Ok(Self {
            format,
            width,
            height,
            colorimetry: Colorimetry::default(),
            interlaced: false,
            planes,
        })
    }

    /// A frame in one piece of memory: `offsets` and `strides` in bytes, one per plane, in order.
    pub fn from_slice(
        format: Format,
        width: u32,
        height: u32,
        data: &'a mut [u8],
        offsets: &[usize],
        strides: &[usize],
    ) -> Result<Self, FrameError> {
        if offsets.len() != format.planes() || strides.len() != format.planes() {
            return Err(FrameError::Planes {
                format,
                expected: format.planes(),
                found: offsets.len().min(strides.len()),
            });
        }
        let mut planes = Vec::with_capacity(offsets.len());
        let (mut rest, mut done) = (data, 0usize);
        for (i, (&offset, &stride)) in offsets.iter().zip(strides).enumerate() {
            let skip = offset.checked_sub(done).ok_or(FrameError::Order(i))?;
            let end = offsets
                .get(i + 1)
                .copied()
                .unwrap_or(done.saturating_add(rest.len()));
            let length = end.checked_sub(offset).ok_or(FrameError::Order(i + 1))?;
            let missing = |found| FrameError::Memory {
                plane: i,
                needed: length,
                found,
            };
            let (_, tail) = rest.split_at_mut_checked(skip).ok_or(missing(0))?;
            let available = tail.len();
            let (plane, tail) = tail
                .split_at_mut_checked(length)
                .ok_or(missing(available))?;
            planes.push(Plane {
                data: plane,
                stride,
            });
            rest = tail;
            done = end;
        }
        Self::new(format, width, height, planes)
    }

    /// The same frame with samples of this colorimetry (BT.601 limited otherwise).
    pub fn with_colorimetry(mut self, colorimetry: Colorimetry) -> Self {
        self.colorimetry = colorimetry;
        self
    }

    /// The same frame as two interleaved fields (one picture otherwise): rows of 4:2:0 chroma then
    /// belong to one field each.
    pub fn with_interlaced(mut self, interlaced: bool) -> Self {
        self.interlaced = interlaced;
        self
    }

    /// Layout of the samples.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Pixels per row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// What the YUV samples stand for.
    pub fn colorimetry(&self) -> Colorimetry {
        self.colorimetry
    }

    /// Whether it holds two interleaved fields.
    pub fn interlaced(&self) -> bool {
        self.interlaced
    }

    /// The bytes and the stride of a plane of the format.
    pub(crate) fn plane(&self, plane: usize) -> (&[u8], usize) {
        (self.planes[plane].data, self.planes[plane].stride)
    }

    /// The bytes and the stride of a plane of the format.
    pub(crate) fn plane_mut(&mut self, plane: usize) -> (&mut [u8], usize) {
        let stride = self.planes[plane].stride;
        (self.planes[plane].data, stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_not_printed() {
        let mut data = [177u8; 64];
        let frame = Frame::from_slice(Format::Gray8, 8, 8, &mut data, &[0], &[8]).unwrap();
        assert!(!format!("{frame:?}").contains("177"), "{frame:?}");
    }

    #[test]
    fn memory_that_does_not_hold_the_frame_is_refused() {
        let mut data = vec![0u8; 100];
        let mut make = |w, h, offsets: &[usize], strides: &[usize]| {
            Frame::from_slice(Format::Nv12, w, h, &mut data, offsets, strides).map(|_| ())
        };
        assert_eq!(make(8, 8, &[0, 64], &[8, 8]), Ok(()));
        assert_eq!(make(0, 8, &[0, 64], &[8, 8]), Err(FrameError::Size(0, 8)));
        assert_eq!(
            make(40_000, 8, &[0, 64], &[8, 8]),
            Err(FrameError::Size(40_000, 8))
        );
        assert!(matches!(
            make(8, 8, &[0], &[8]),
            Err(FrameError::Planes { .. })
        ));
        assert!(matches!(
            make(8, 8, &[0, 64], &[7, 8]),
            Err(FrameError::Stride { plane: 0, .. })
        ));
        assert!(matches!(
            make(8, 8, &[0, 60], &[8, 8]),
            Err(FrameError::Memory { plane: 0, .. })
        ));
        assert!(matches!(
            make(8, 8, &[0, 90], &[8, 8]),
            Err(FrameError::Memory { plane: 1, .. })
        ));
        assert!(matches!(
            make(8, 8, &[0, 900], &[8, 8]),
            Err(FrameError::Memory { plane: 0, .. })
        ));
        assert!(matches!(
            make(8, 8, &[64, 0], &[8, 8]),
            Err(FrameError::Order(1))
        ));
        assert!(
            matches!(
                make(9, 9, &[0, 90], &[9, usize::MAX]),
                Err(FrameError::Memory { .. })
            ),
            "no overflow"
        );
    }
}
