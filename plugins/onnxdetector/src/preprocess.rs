// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the planes of a frame straight to the model's input: colour conversion, scaling and
//! normalisation in one pass, without an intermediate picture.
//!
//! Scaling is bilinear with half-pixel centres and no low-pass filter, like `cv2.resize`, with which the
//! common detectors were trained.

use crate::letterbox::{Letterbox, Placement};

/// What the model expects of its input, 1×3×height×width float32.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputSpec {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Order of the three planes.
    pub order: ChannelOrder,
    /// Subtracted from red, green and blue (0 to 255).
    pub mean: [f32; 3],
    /// Divides red, green and blue after that.
    pub std: [f32; 3],
    /// Red, green and blue (0 to 255) of the border around the frame.
    pub border: [f32; 3],
    /// Where the frame lies in the input.
    pub placement: Placement,
}

/// Order of the planes of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How the samples of a frame make a colour. Components are red, green, blue or Y, Cb, Cr.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Format {
    /// Bytes from one sample of a component to the next in a row.
    pub steps: [usize; 3],
    /// `None` for RGB.
    pub yuv: Option<Yuv>,
    /// Values take 0 to 255, and not 16 to 235 (chroma 16 to 240).
    pub full_range: bool,
}

/// What is particular to luma and chroma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yuv {
    /// Weights of red and of blue in luma (ITU-T H.273, table 4).
    pub kr_kb: (f32, f32),
    /// Chroma samples lie on every second luma sample of a row, and not between two.
    pub cosited_across: bool,
    /// Chroma samples lie on every second row of luma, and not between two.
    pub cosited_down: bool,
}

/// One component of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Component<'a> {
    /// From the first sample on.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// Why a frame cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreprocessError {
    /// The buffer is smaller than its caps say: the frame was not looked at.
    #[error("component {component} of the frame holds {have} bytes, {need} are needed")]
    TooSmall {
        /// 0 to 2.
        component: usize,
        /// Bytes there.
        have: usize,
        /// Bytes that the size and the stride ask for.
        need: usize,
    },
    /// The tensor has another size than the input; nothing was written.
    #[error("the input tensor holds {have} values, {need} are needed")]
    Tensor {
        /// Values there.
        have: usize,
        /// Values needed.
        need: usize,
    },
}

/// Everything that depends on the size and format of the frames alone, computed once per caps.
#[derive(Debug, Clone)]
pub struct Preprocessor {
    letterbox: Letterbox,
    spec: InputSpec,
    sizes: [(usize, usize); 3],
    steps: [usize; 3],
    across: [Vec<Tap>; 3],
    down: [Vec<Tap>; 3],
    /// Rows red, green, blue; columns three components and a constant.
    to_rgb: Option<[[f32; 4]; 3]>,
    scale: [f32; 3],
    bias: [f32; 3],
}

/// Two neighbours and the share of the second one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tap {
    low: usize,
    high: usize,
    part: f32,
}

impl Preprocessor {
    /// For frames of `frame` (width, height) pixels.
    pub fn new(frame: (u32, u32), format: &Format, spec: InputSpec) -> Self {
        let letterbox = Letterbox::new(frame, (spec.width, spec.height), spec.placement);
        let (width, height) = (frame.0 as usize, frame.1 as usize);
        let sizes: [(usize, usize); 3] = std::array::from_fn(|c| {
            if c > 0 && format.yuv.is_some() {
                (width.div_ceil(2), height.div_ceil(2))
            } else {
                (width, height)
            }
        });
        let halved = |c: usize, cosited: fn(&Yuv) -> bool| {
            format.yuv.filter(|_| c > 0).map(|yuv| cosited(&yuv))
        };
        let across = std::array::from_fn(|c| {
            let mut row = taps(
                letterbox.width,
                width,
                sizes[c].0,
                halved(c, |yuv| yuv.cosited_across),
            );
            for tap in &mut row {
                tap.low *= format.steps[c];
                tap.high *= format.steps[c];
            }
            row
        });
        let down = std::array::from_fn(|c| {
            taps(
                letterbox.height,
                height,
                sizes[c].1,
                halved(c, |yuv| yuv.cosited_down),
            )
        });
        Self {
            letterbox,
            spec,
            sizes,
            steps: format.steps,
            across,
            down,
            to_rgb: to_rgb(format),
            scale: spec.std.map(|s| 1.0 / s),
            bias: std::array::from_fn(|i| -spec.mean[i] / spec.std[i]),
        }
    }

    /// Where the frame lies in the input.
    pub fn letterbox(&self) -> &Letterbox {
        &self.letterbox
    }

    /// Writes the border over the whole input: once per tensor, since frames are only written inside it.
    pub fn fill_border(&self, tensor: &mut [f32]) -> Result<(), PreprocessError> {
        self.check_tensor(tensor)?;
        for (plane, values) in tensor.chunks_exact_mut(self.plane()).enumerate() {
            let colour = self.colour_of(plane);
            values.fill(self.spec.border[colour] * self.scale[colour] + self.bias[colour]);
        }
        Ok(())
    }

    /// Writes a frame into the input.
    pub fn fill(
        &self,
        components: &[Component<'_>; 3],
        tensor: &mut [f32],
    ) -> Result<(), PreprocessError> {
        self.check_tensor(tensor)?;
        for (c, component) in components.iter().enumerate() {
            let (width, height) = self.sizes[c];
            let need = component.stride * (height - 1) + self.steps[c] * (width - 1) + 1;
            if component.data.len() < need {
                return Err(PreprocessError::TooSmall {
                    component: c,
                    have: component.data.len(),
                    need,
                });
            }
        }
        let (first, rest) = tensor.split_at_mut(self.plane());
        let (second, third) = rest.split_at_mut(self.plane());
        let [red, green, blue] = match self.spec.order {
            ChannelOrder::Rgb => [first, second, third],
            ChannelOrder::Bgr => [third, second, first],
        };
        let width = self.letterbox.width as usize;
        // One row of each component, sampled; what follows runs over whole rows and is vectorised.
        let mut samples: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; width]);
        for row in 0..self.letterbox.height as usize {
            for (c, samples) in samples.iter_mut().enumerate() {
                let tap = self.down[c][row];
                let length = self.steps[c] * (self.sizes[c].0 - 1) + 1;
                let line = |y: usize| &components[c].data[components[c].stride * y..][..length];
                sample(
                    line(tap.low),
                    line(tap.high),
                    tap.part,
                    &self.across[c],
                    samples,
                );
            }
            let start = (self.letterbox.top as usize + row) * self.spec.width as usize
                + self.letterbox.left as usize;
            let targets = [&mut *red, &mut *green, &mut *blue];
            for (colour, target) in targets.into_iter().enumerate() {
                let target = &mut target[start..][..width];
                let (scale, bias) = (self.scale[colour], self.bias[colour]);
                match &self.to_rgb {
                    None => {
                        for (out, v) in target.iter_mut().zip(&samples[colour]) {
                            *out = v * scale + bias;
                        }
                    }
                    Some(matrix) => {
                        let m = &matrix[colour];
                        let [a, b, c] = &samples;
                        for (out, ((a, b), c)) in target.iter_mut().zip(a.iter().zip(b).zip(c)) {
                            let value = m[0] * a + m[1] * b + m[2] * c + m[3];
                            *out = value.clamp(0.0, 255.0) * scale + bias;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn plane(&self) -> usize {
        self.spec.width as usize * self.spec.height as usize
    }

    /// Index of the colour (red, green, blue) in the plane of that index.
    fn colour_of(&self, plane: usize) -> usize {
        match self.spec.order {
            ChannelOrder::Rgb => plane,
            ChannelOrder::Bgr => 2 - plane,
        }
    }

    fn check_tensor(&self, tensor: &[f32]) -> Result<(), PreprocessError> {
        let need = 3 * self.plane();
        if tensor.len() == need {
            Ok(())
        } else {
            Err(PreprocessError::Tensor {
                have: tensor.len(),
                need,
            })
        }
    }
}

/// One row of a component at the positions of `taps`, between the rows `low` and `high`.
fn sample(low: &[u8], high: &[u8], part: f32, taps: &[Tap], out: &mut [f32]) {
    let mix = |a: u8, b: u8, part: f32| {
        let a = f32::from(a);
        a + (f32::from(b) - a) * part
    };
    for (out, tap) in out.iter_mut().zip(taps) {
        let above = mix(low[tap.low], low[tap.high], tap.part);
        let below = mix(high[tap.low], high[tap.high], tap.part);
        *out = above + (below - above) * part;
    }
}

/// For each of `out` positions, where it lies between the `samples` that cover `size` pixels.
/// `halved` is set for chroma and says whether its samples lie on the pixels or between them.
fn taps(out: u32, size: usize, samples: usize, halved: Option<bool>) -> Vec<Tap> {
    let ratio = size as f64 / f64::from(out);
    (0..out)
        .map(|i| {
            let pixel = (f64::from(i) + 0.5) * ratio - 0.5;
            let at = match halved {
                None => pixel,
                Some(true) => pixel / 2.0,
                Some(false) => (pixel + 0.5) / 2.0 - 0.5,
            };
            let at = at.clamp(0.0, (samples - 1) as f64);
            let low = at.floor();
            Tap {
                low: low as usize,
                high: (low as usize + 1).min(samples - 1),
                part: (at - low) as f32,
            }
        })
        .collect()
}

/// ITU-T H.273, equations for matrix coefficients and range; `None` when samples are red, green and
/// blue of 0 to 255 already.
fn to_rgb(format: &Format) -> Option<[[f32; 4]; 3]> {
    let (offset, luma, chroma) = if format.full_range {
        (0.0, 1.0, 1.0)
    } else {
        (16.0, 255.0 / 219.0, 255.0 / 224.0)
    };
    let Some(yuv) = format.yuv else {
        if format.full_range {
            return None;
        }
        let mut m = [[0.0; 4]; 3];
        for (i, row) in m.iter_mut().enumerate() {
            row[i] = luma;
            row[3] = -offset * luma;
        }
        return Some(m);
    };
    let (kr, kb) = yuv.kr_kb;
    let kg = 1.0 - kr - kb;
    let row = |cb: f32, cr: f32| {
        let (cb, cr) = (cb * chroma, cr * chroma);
        [luma, cb, cr, -offset * luma - 128.0 * (cb + cr)]
    };
    Some([
        row(0.0, 2.0 * (1.0 - kr)),
        row(-2.0 * kb * (1.0 - kb) / kg, -2.0 * kr * (1.0 - kr) / kg),
        row(2.0 * (1.0 - kb), 0.0),
    ])
}

#[cfg(test)]
mod tests;
