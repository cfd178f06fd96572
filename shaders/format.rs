// SPDX-License-Identifier: MIT OR Apache-2.0
//! Layouts of samples, and what samples stand for which colours.

/// Layout of the samples, named as GStreamer names it; all of 8 bits but `P010`, which is `P010_10LE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are GStreamer's and say it all")]
pub enum Format {
    Nv12,
    Nv21,
    I420,
    Yv12,
    Yuy2,
    Uyvy,
    P010,
    Y444,
    Rgb,
    Bgr,
    Gray8,
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
    pub const ALL: [Self; 19] = [
        Self::Nv12,
        Self::Nv21,
        Self::I420,
        Self::Yv12,
        Self::Yuy2,
        Self::Uyvy,
        Self::P010,
        Self::Y444,
        Self::Rgb,
        Self::Bgr,
        Self::Gray8,
        Self::Rgbx,
        Self::Bgrx,
        Self::Xrgb,
        Self::Xbgr,
        Self::Rgba,
        Self::Bgra,
        Self::Argb,
        Self::Abgr,
    ];

    /// Number of planes, 1 to 3.
    pub fn planes(self) -> usize {
        match self {
            Self::Nv12 | Self::Nv21 | Self::P010 => 2,
            Self::I420 | Self::Yv12 | Self::Y444 => 3,
            _ => 1,
        }
    }

    /// How often the width and the height of a frame are halved to get the samples of a plane: (1, 1)
    /// for the chroma of 4:2:0, (1, 0) for packed 4:2:2, whose sample is the four bytes of two pixels.
    pub fn subsampling(self, plane: usize) -> (u32, u32) {
        match self {
            Self::Nv12 | Self::Nv21 | Self::P010 | Self::I420 | Self::Yv12 if plane > 0 => (1, 1),
            Self::Yuy2 | Self::Uyvy => (1, 0),
            _ => (0, 0),
        }
    }

    /// What the left and top edges of a mask have to be multiples of, in pixels, so that chroma is
    /// masked in the same blocks as luma. A row of the chroma of an interlaced 4:2:0 frame belongs to
    /// two rows of one field, which lie in the same four rows of the frame as those of the other field.
    pub fn alignment(self, interlaced: bool) -> (u32, u32) {
        match self.subsampling(self.planes() - 1) {
            (1, 1) if interlaced => (2, 4),
            (across, down) => (1 << across, 1 << down),
        }
    }

    /// Bytes per sample of a plane, 1 to 4: interleaved chroma and packed pixels are one sample.
    pub fn channels(self, plane: usize) -> u32 {
        match (self, plane) {
            (Self::Nv12 | Self::Nv21 | Self::P010, 0) => 1 + u32::from(self == Self::P010),
            (Self::Nv12 | Self::Nv21, _) => 2,
            (Self::I420 | Self::Yv12 | Self::Y444 | Self::Gray8, _) => 1,
            (Self::Rgb | Self::Bgr, _) => 3,
            _ => 4,
        }
    }

    /// Samples per row and rows of a plane.
    pub fn plane_size(self, plane: usize, width: u32, height: u32) -> (u32, u32) {
        let (across, down) = self.subsampling(plane);
        (width.div_ceil(1 << across), height.div_ceil(1 << down))
    }

    /// What the bytes of a masked sample of `plane` that hold no colour are set to: 255 for padding and
    /// alpha, 0 for the low bytes of P010. `None` for bytes that hold a colour, and those after the
    /// sample.
    pub fn constants(self, plane: usize) -> [Option<u8>; 4] {
        match self {
            Self::Rgbx | Self::Bgrx | Self::Rgba | Self::Bgra => [None, None, None, Some(255)],
            Self::Xrgb | Self::Xbgr | Self::Argb | Self::Abgr => [Some(255), None, None, None],
            Self::P010 if plane == 0 => [Some(0), None, None, None],
            Self::P010 => [Some(0), None, Some(0), None],
            _ => [None; 4],
        }
    }

    /// First of the two bytes of a sample, two apart, that share a level because both are luma: packed
    /// 4:2:2. `None` for other formats.
    pub fn luma_pair(self) -> Option<u32> {
        match self {
            Self::Yuy2 => Some(0),
            Self::Uyvy => Some(1),
            _ => None,
        }
    }

    /// Bytes of one sample of `plane` in the colour `argb` (alpha first). Samples of one and two bytes
    /// are repeated to four, the byte after those of three is 0.
    pub fn fill(self, plane: usize, argb: u32, colorimetry: Colorimetry) -> [u8; 4] {
        let [a, r, g, b] = argb.to_be_bytes();
        match self {
            Self::Rgb => [r, g, b, 0],
            Self::Bgr => [b, g, r, 0],
            Self::Rgbx => [r, g, b, 255],
            Self::Bgrx => [b, g, r, 255],
            Self::Xrgb => [255, r, g, b],
            Self::Xbgr => [255, b, g, r],
            Self::Rgba => [r, g, b, a],
            Self::Bgra => [b, g, r, a],
            Self::Argb => [a, r, g, b],
            Self::Abgr => [a, b, g, r],
            _ => {
                let [y, u, v] = colorimetry.yuv(r, g, b);
                match (self, plane) {
                    (Self::Yuy2, _) => [y, u, y, v],
                    (Self::Uyvy, _) => [u, y, v, y],
                    (Self::P010, 0) => [0, y, 0, y],
                    (_, 0) => [y; 4],
                    (Self::Nv12, _) => [u, v, u, v],
                    (Self::Nv21, _) => [v, u, v, u],
                    (Self::P010, _) => [0, u, 0, v],
                    (Self::Yv12, 1) => [v; 4],
                    (Self::Yv12, _) => [u; 4],
                    (_, 1) => [u; 4],
                    _ => [v; 4],
                }
            }
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
    fn masks_begin_where_every_plane_has_a_sample() {
        assert_eq!(Format::Nv12.alignment(false), (2, 2));
        assert_eq!(Format::P010.alignment(true), (2, 4));
        assert_eq!(Format::Uyvy.alignment(false), (2, 1));
        assert_eq!(Format::Uyvy.alignment(true), (2, 1));
        assert_eq!(Format::Y444.alignment(true), (1, 1));
        assert_eq!(Format::Rgb.alignment(false), (1, 1));
        assert_eq!(Format::Yuy2.plane_size(0, 5, 3), (3, 3));
        assert_eq!(Format::Yv12.plane_size(2, 5, 3), (3, 2));
    }

    #[test]
    fn fills_have_their_constants() {
        for format in Format::ALL {
            for plane in 0..format.planes() {
                let fill = format.fill(plane, 0xff12_3456, Colorimetry::default());
                let constants = format.constants(plane);
                for (byte, constant) in fill.iter().zip(constants) {
                    assert!(constant.is_none_or(|c| c == *byte), "{format:?}");
                }
                assert!(format.channels(plane) <= 4);
            }
        }
        let red = |format: Format, plane| format.fill(plane, 0xffff_0000, Colorimetry::default());
        assert_eq!(red(Format::Nv21, 1), [240, 90, 240, 90]);
        assert_eq!(red(Format::Yv12, 1), [240; 4]);
        assert_eq!(red(Format::Yuy2, 0), [82, 90, 82, 240]);
        assert_eq!(red(Format::P010, 1), [0, 90, 0, 240]);
        assert_eq!(red(Format::Bgr, 0), [0, 0, 255, 0]);
        assert_eq!(red(Format::Gray8, 0), [82; 4]);
    }
}
