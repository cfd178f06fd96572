// SPDX-License-Identifier: MIT OR Apache-2.0
//! One pass against the textbook, and input that does not fit.

use super::*;

const BT601: (f32, f32) = (0.299, 0.114);
const BT709: (f32, f32) = (0.2126, 0.0722);

fn spec(placement: Placement, order: ChannelOrder) -> InputSpec {
    InputSpec {
        width: 48,
        height: 40,
        order,
        mean: [123.675, 116.28, 103.53],
        std: [58.395, 57.12, 57.375],
        border: [114.0, 10.0, 200.0],
        placement,
    }
}

fn yuv(kr_kb: (f32, f32), cosited: bool, steps: [usize; 3], full_range: bool) -> Format {
    Format {
        steps,
        yuv: Some(Yuv {
            kr_kb,
            cosited_across: cosited,
            cosited_down: false,
        }),
        full_range,
    }
}

fn rgb(step: usize) -> Format {
    Format {
        steps: [step; 3],
        yuv: None,
        full_range: true,
    }
}

/// A frame of noise, rows padded by `padding` bytes; each component lies in a plane of its own unless
/// its step is larger than 1.
struct Noise {
    planes: [Vec<u8>; 3],
    strides: [usize; 3],
}

impl Noise {
    fn new(sizes: [(usize, usize); 3], steps: [usize; 3], padding: usize) -> Self {
        let mut seed = 99u64;
        let strides: [usize; 3] = std::array::from_fn(|c| sizes[c].0 * steps[c] + padding);
        let planes = std::array::from_fn(|c| {
            (0..strides[c] * sizes[c].1)
                .map(|_| {
                    seed = seed
                        .wrapping_mul(6364136223846793005)
                        .wrapping_add(1442695040888963407);
                    (seed >> 56) as u8
                })
                .collect()
        });
        Self { planes, strides }
    }

    fn components(&self) -> [Component<'_>; 3] {
        std::array::from_fn(|c| Component {
            data: &self.planes[c],
            stride: self.strides[c],
        })
    }
}

/// The input by the textbook, in f64: sample each component, convert, normalise.
fn reference(frame: (usize, usize), format: &Format, spec: &InputSpec, noise: &Noise) -> Vec<f64> {
    let letterbox = Letterbox::new(
        (frame.0 as u32, frame.1 as u32),
        (spec.width, spec.height),
        spec.placement,
    );
    let sample = |c: usize, x: f64, y: f64| {
        let halved = format.yuv.is_some() && c > 0;
        let (w, h) = if halved {
            (frame.0.div_ceil(2), frame.1.div_ceil(2))
        } else {
            frame
        };
        let (mut x, mut y) = (x, y);
        if halved {
            let yuv = format.yuv.unwrap();
            x = if yuv.cosited_across {
                x / 2.0
            } else {
                (x - 0.5) / 2.0
            };
            y = if yuv.cosited_down {
                y / 2.0
            } else {
                (y - 0.5) / 2.0
            };
        }
        let at = |x: f64, y: f64| {
            let x = x.clamp(0.0, (w - 1) as f64) as usize;
            let y = y.clamp(0.0, (h - 1) as f64) as usize;
            f64::from(noise.planes[c][y * noise.strides[c] + x * format.steps[c]])
        };
        let (x0, y0) = (x.floor(), y.floor());
        let (u, v) = (x - x0, y - y0);
        (at(x0, y0) * (1.0 - u) + at(x0 + 1.0, y0) * u) * (1.0 - v)
            + (at(x0, y0 + 1.0) * (1.0 - u) + at(x0 + 1.0, y0 + 1.0) * u) * v
    };
    let plane = (spec.width * spec.height) as usize;
    let mut out = vec![0.0; 3 * plane];
    for row in 0..spec.height {
        for column in 0..spec.width {
            let inside = (letterbox.left..letterbox.left + letterbox.width).contains(&column)
                && (letterbox.top..letterbox.top + letterbox.height).contains(&row);
            let rgb = if inside {
                let x = (f64::from(column - letterbox.left) + 0.5) * frame.0 as f64
                    / f64::from(letterbox.width)
                    - 0.5;
                let y = (f64::from(row - letterbox.top) + 0.5) * frame.1 as f64
                    / f64::from(letterbox.height)
                    - 0.5;
                let s: [f64; 3] = std::array::from_fn(|c| sample(c, x, y));
                match format.yuv {
                    None => s,
                    Some(yuv) => {
                        let (kr, kb) = (f64::from(yuv.kr_kb.0), f64::from(yuv.kr_kb.1));
                        let (y, cb, cr) = if format.full_range {
                            (s[0] / 255.0, (s[1] - 128.0) / 255.0, (s[2] - 128.0) / 255.0)
                        } else {
                            (
                                (s[0] - 16.0) / 219.0,
                                (s[1] - 128.0) / 224.0,
                                (s[2] - 128.0) / 224.0,
                            )
                        };
                        let r = y + 2.0 * (1.0 - kr) * cr;
                        let b = y + 2.0 * (1.0 - kb) * cb;
                        let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
                        [r, g, b].map(|v| (v * 255.0).clamp(0.0, 255.0))
                    }
                }
            } else {
                spec.border.map(f64::from)
            };
            for (i, value) in rgb.iter().enumerate() {
                let target = match spec.order {
                    ChannelOrder::Rgb => i,
                    ChannelOrder::Bgr => 2 - i,
                };
                out[target * plane + (row * spec.width + column) as usize] =
                    (value - f64::from(spec.mean[i])) / f64::from(spec.std[i]);
            }
        }
    }
    out
}

#[test]
fn one_pass_equals_the_textbook_for_every_format_shape_and_stride() {
    let formats = [
        rgb(3),
        rgb(4),
        yuv(BT601, false, [1, 1, 1], false),
        yuv(BT709, true, [1, 2, 2], false),
        yuv(BT709, false, [1, 2, 2], true),
    ];
    // Larger and smaller than the input, 4:3, 16:9, 9:16, odd, and a single pixel.
    let shapes = [(64, 48), (160, 90), (90, 160), (77, 51), (13, 7), (1, 1)];
    for format in formats {
        for frame in shapes {
            for (placement, order, padding) in [
                (Placement::Centre, ChannelOrder::Rgb, 0),
                (Placement::TopLeft, ChannelOrder::Bgr, 13),
            ] {
                let spec = spec(placement, order);
                let p = Preprocessor::new((frame.0 as u32, frame.1 as u32), &format, spec);
                let noise = Noise::new(p.sizes, format.steps, padding);
                let mut tensor = vec![0.0; 3 * 48 * 40];
                p.fill_border(&mut tensor).unwrap();
                p.fill(&noise.components(), &mut tensor).unwrap();
                let expected = reference(frame, &format, &spec, &noise);
                let worst = tensor
                    .iter()
                    .zip(&expected)
                    .map(|(a, b)| (f64::from(*a) - b).abs())
                    .fold(0.0, f64::max);
                assert!(worst < 2e-4, "{format:?} {frame:?} {spec:?}: {worst}");
            }
        }
    }
}

#[test]
fn limited_range_rgb_is_stretched() {
    let format = Format {
        full_range: false,
        ..rgb(3)
    };
    let mut spec = spec(Placement::Centre, ChannelOrder::Rgb);
    (spec.mean, spec.std) = ([0.0; 3], [1.0; 3]);
    let p = Preprocessor::new((48, 40), &format, spec);
    for (sample, expected) in [(16u8, 0.0), (235, 255.0), (0, 0.0), (255, 255.0)] {
        let data = vec![sample; 48 * 40 * 3];
        let component = Component {
            data: &data,
            stride: 48 * 3,
        };
        let mut tensor = vec![0.0; 3 * 48 * 40];
        p.fill(&[component; 3], &mut tensor).unwrap();
        assert!(
            (tensor[0] - expected).abs() < 1e-3,
            "{sample}: {}",
            tensor[0]
        );
    }
}

#[test]
fn a_short_buffer_or_tensor_is_an_error_and_never_a_panic() {
    let format = rgb(3);
    let p = Preprocessor::new(
        (10, 10),
        &format,
        spec(Placement::Centre, ChannelOrder::Rgb),
    );
    let data = [0u8; 299];
    let mut tensor = vec![0.0; 3 * 48 * 40];
    let components: [Component<'_>; 3] = std::array::from_fn(|c| Component {
        data: &data[c.min(2)..],
        stride: 30,
    });
    assert_eq!(
        p.fill(&components, &mut tensor),
        Err(PreprocessError::TooSmall {
            component: 2,
            have: 297,
            need: 298
        })
    );
    assert!(matches!(
        p.fill(&components, &mut tensor[1..]),
        Err(PreprocessError::Tensor { .. })
    ));
    assert!(p.fill_border(&mut []).is_err());
}
