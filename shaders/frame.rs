// SPDX-License-Identifier: MIT OR Apache-2.0
//! A raw frame in system memory, as planes with strides, and the colours of its samples.

/// Largest width and height that the fixed-point arithmetic of the masks holds.
pub const MAX_DIMENSION: u32 = 32_767;

/// Layout of the samples, named as GStreamer names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are GStreamer's and say it all")]
pub enum Format {
    Nv12,
    I420,
    Rgbx,
    Bgrx,
    Xrgb,
    Xbgr,
    Rgba,
    Bgra,
    Argb,
    Abgr,
}

impl Format {
    /// Every format, for tests and tables.
    pub const ALL: [Self; 10] = [
        Self::Nv12,
        Self::I420,
        Self::Rgbx,
        Self::Bgrx,
        Self::Xrgb,
        Self::Xbgr,
        Self::Rgba,
        Self::Bgra,
        Self::Argb,
        Self::Abgr,
    ];

    /// Number of planes.
    pub fn planes(self) -> usize {
        match self {
            Self::Nv12 => 2,
            Self::I420 => 3,
            _ => 1,
        }
    }

    /// Whether chroma has half the luma's resolution both ways (4:2:0).
    pub fn is_subsampled(self) -> bool {
        matches!(self, Self::Nv12 | Self::I420)
    }

    /// Bytes per sample of a plane: 1, 2 (interleaved chroma) or 4 (packed).
    pub fn channels(self, plane: usize) -> u32 {
        match (self, plane) {
            (Self::Nv12, 0) | (Self::I420, _) => 1,
            (Self::Nv12, _) => 2,
            _ => 4,
        }
    }

    /// Samples per row and rows of a plane.
    pub fn plane_size(self, plane: usize, width: u32, height: u32) -> (u32, u32) {
        if self.is_subsampled() && plane > 0 {
            (width.div_ceil(2), height.div_ceil(2))
        } else {
            (width, height)
        }
    }

    /// Byte of a packed pixel that holds no colour (padding or alpha); `None` for YUV.
    pub fn opaque_byte(self) -> Option<u32> {
        match self {
            Self::Nv12 | Self::I420 => None,
            Self::Rgbx | Self::Bgrx | Self::Rgba | Self::Bgra => Some(3),
            Self::Xrgb | Self::Xbgr | Self::Argb | Self::Abgr => Some(0),
        }
    }

    /// Bytes of one sample of `plane` in the colour `argb` (alpha first), repeated to four bytes.
    pub fn fill(self, plane: usize, argb: u32, colorimetry: Colorimetry) -> [u8; 4] {
        let [a, r, g, b] = argb.to_be_bytes();
        match self {
            Self::Nv12 | Self::I420 => {
                let [y, u, v] = colorimetry.yuv(r, g, b);
                match (self, plane) {
                    (_, 0) => [y; 4],
                    (Self::Nv12, _) => [u, v, u, v],
                    (_, 1) => [u; 4],
                    _ => [v; 4],
                }
            }
            Self::Rgbx => [r, g, b, 255],
            Self::Bgrx => [b, g, r, 255],
            Self::Xrgb => [255, r, g, b],
            Self::Xbgr => [255, b, g, r],
            Self::Rgba => [r, g, b, a],
            Self::Bgra => [b, g, r, a],
            Self::Argb => [a, r, g, b],
            Self::Abgr => [a, b, g, r],
        }
    }
}

/// Matrix from RGB to YUV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matrix {
    /// ITU-R BT.601, standard definition.
    #[default]
    Bt601,
    /// ITU-R BT.709, high definition.
    Bt709,
}

/// Range of the luma and chroma samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// Luma 16 to 235, chroma 16 to 240.
    #[default]
    Limited,
    /// 0 to 255, as JPEG cameras send it.
    Full,
}

/// How YUV samples stand for colours; used for the fill colour only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colorimetry {
    /// Matrix.
    pub matrix: Matrix,
    /// Range.
    pub range: Range,
}

impl Colorimetry {
    /// The luma and the two chroma samples of a colour.
    pub fn yuv(self, r: u8, g: u8, b: u8) -> [u8; 3] {
        // Coefficients of BT.601 and BT.709 in 1/256; those of a chroma row add up to 0, so that
        // greys have no colour.
        let (offset, [y, u, v]) = match (self.matrix, self.range) {
            (Matrix::Bt601, Range::Limited) => {
                (16, [[66, 129, 25], [-38, -74, 112], [112, -94, -18]])
            }
            (Matrix::Bt709, Range::Limited) => {
                (16, [[47, 157, 16], [-26, -86, 112], [112, -102, -10]])
            }
            (Matrix::Bt601, Range::Full) => (0, [[77, 150, 29], [-43, -85, 128], [128, -107, -21]]),
            (Matrix::Bt709, Range::Full) => (0, [[54, 183, 19], [-29, -99, 128], [128, -116, -12]]),
        };
        let row = |[cr, cg, cb]: [i32; 3], offset: i32| {
            let sum = cr * i32::from(r) + cg * i32::from(g) + cb * i32::from(b);
            (((sum + 128) >> 8) + offset).clamp(0, 255) as u8
        };
        [row(y, offset), row(u, 128), row(v, 128)]
    }
}

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
#[derive(Debug, Default)]
pub struct Plane<'a> {
    /// Its bytes, beginning with the first sample.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// A frame whose every row is known to lie inside its memory.
#[derive(Debug)]
pub struct Frame<'a> {
    format: Format,
    width: u32,
    height: u32,
    colorimetry: Colorimetry,
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
    fn colours_follow_the_recommendations() {
        let of = |matrix, range| Colorimetry { matrix, range };
        // BT.601 and BT.709, black, white and red; nominal values rounded.
        let limited = of(Matrix::Bt601, Range::Limited);
        assert_eq!(limited.yuv(0, 0, 0), [16, 128, 128]);
        assert_eq!(limited.yuv(255, 255, 255), [235, 128, 128]);
        assert_eq!(limited.yuv(255, 0, 0), [82, 90, 240]);
        let hd = of(Matrix::Bt709, Range::Limited);
        assert_eq!(hd.yuv(255, 255, 255), [235, 128, 128]);
        assert_eq!(hd.yuv(255, 0, 0), [63, 102, 240]);
        for matrix in [Matrix::Bt601, Matrix::Bt709] {
            let full = of(matrix, Range::Full);
            assert_eq!(full.yuv(0, 0, 0), [0, 128, 128]);
            assert_eq!(full.yuv(255, 255, 255), [255, 128, 128]);
            assert_eq!(full.yuv(255, 0, 0)[2], 255);
        }
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
