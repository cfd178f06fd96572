// SPDX-License-Identifier: MIT OR Apache-2.0
//! The masks as plain loops, sample by sample, for boxes on NV12: what the kernels must equal and beat.

use privacy_shaders::{Colorimetry, Format, Mode, Region, Seed, Work, cpu};

/// Masks a frame whose planes lie one after the other without padding.
pub fn mask(data: &mut [u8], width: u32, height: u32, work: &Work<'_>) {
    let luma = (width * height) as usize;
    let mut values = Vec::new();
    for region in work.regions {
        let rect = region
            .aligned(Format::Nv12, false, width, height)
            .expect("every region lies in the frame");
        for plane in 0..2usize {
            let shift = plane as u32;
            let samples = &mut data[if plane == 0 {
                0..luma
            } else {
                luma..luma * 3 / 2
            }];
            let area = Area {
                x: rect.x >> shift,
                y: rect.y >> shift,
                width: rect.width >> shift,
                height: rect.height >> shift,
                channels: 1 + shift,
                stride: width as usize,
            };
            let cells = work.mode.cells();
            let long = rect.width.max(rect.height);
            let n = cells.min(long / 4).max(1);
            let count = |side: u32| ((side * n + long / 2) / long).max(1);
            let grid = (count(rect.width), count(rect.height));
            match work.mode {
                Mode::Pixelate { .. } => {
                    area.levels(samples, grid, plane, region, work.seed, &mut values);
                    area.pixelate(samples, grid, &values);
                }
                Mode::Blur { .. } => {
                    area.levels(samples, grid, plane, region, work.seed, &mut values);
                    area.blur(samples, grid, &values);
                }
                _ => {
                    let fill = Format::Nv12.fill(plane, work.fill, Colorimetry::default());
                    area.each(|_, _, c, at| samples[at] = fill[c as usize]);
                }
            }
        }
    }
}

struct Area {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    channels: u32,
    stride: usize,
}

impl Area {
    /// Calls `f` with each sample, its channel and where it is.
    fn each(&self, mut f: impl FnMut(u32, u32, u32, usize)) {
        for y in 0..self.height {
            for x in 0..self.width {
                for c in 0..self.channels {
                    let column = (self.x + x) * self.channels + c;
                    f(
                        x,
                        y,
                        c,
                        (self.y + y) as usize * self.stride + column as usize,
                    );
                }
            }
        }
    }

    fn levels(
        &self,
        samples: &[u8],
        (nx, ny): (u32, u32),
        plane: usize,
        region: &Region,
        seed: Seed,
        values: &mut Vec<u8>,
    ) {
        values.clear();
        for cy in 0..ny {
            for cx in 0..nx {
                let (left, right) = (cx * self.width / nx, (cx + 1) * self.width / nx);
                let (top, bottom) = (cy * self.height / ny, (cy + 1) * self.height / ny);
                let hash = cpu::half_sip_hash(
                    [seed.0 as u32, (seed.0 >> 32) as u32],
                    &[region.key as u32, (region.key >> 32) as u32, cy * nx + cx],
                );
                for c in 0..self.channels {
                    let mut sum = 0u32;
                    for y in top..bottom {
                        for x in left..right {
                            let column = (self.x + x) * self.channels + c;
                            let row = (self.y + y) as usize * self.stride;
                            sum += u32::from(samples[row + column as usize]);
                        }
                    }
                    let area = (right - left) * (bottom - top);
                    let level = ((sum + 4 * area) / (8 * area)).min(31);
                    let bits = hash >> (2 * plane as u32 + 2 * c);
                    let moved = level + (bits & 1) + ((bits >> 1) & 1);
                    values.push((moved.clamp(1, 32) - 1) as u8 * 8);
                }
            }
        }
    }

    fn pixelate(&self, samples: &mut [u8], (nx, ny): (u32, u32), values: &[u8]) {
        let cell = |at: u32, n: u32, length: u32| ((at + 1) * n - 1) / length;
        self.each(|x, y, c, at| {
            let cell = cell(y, ny, self.height) * nx + cell(x, nx, self.width);
            samples[at] = values[(cell * self.channels + c) as usize];
        });
    }

    fn blur(&self, samples: &mut [u8], (nx, ny): (u32, u32), values: &[u8]) {
        let place = |at: u32, n: u32, length: u32| {
            let position = ((2 * at + 1) * n * 128 / length).max(128) - 128;
            let position = position.min((n - 1) * 256);
            (position >> 8, position & 255)
        };
        self.each(|x, y, c, at| {
            let ((cx, f), (cy, g)) = (place(x, nx, self.width), place(y, ny, self.height));
            let value = |cx: u32, cy: u32| {
                let cell = cy.min(ny - 1) * nx + cx.min(nx - 1);
                u32::from(values[(cell * self.channels + c) as usize])
            };
            let across = |cy: u32| value(cx, cy) * (256 - f) + value(cx + 1, cy) * f;
            let sum = across(cy) * (256 - g) + across(cy + 1) * g;
            samples[at] = ((sum + 0x8000) >> 16) as u8;
        });
    }
}

/// A separable Gaussian of `taps` taps over both planes, as image libraries have it.
pub fn gaussian(data: &mut [u8], width: u32, height: u32, taps: usize) {
    let half = taps as i64 / 2;
    // The standard deviation that OpenCV takes for a number of taps.
    let sigma = 0.3 * ((taps as f32 - 1.0) * 0.5 - 1.0) + 0.8;
    let bell = |i: i64| (-0.5 * (i as f32 / sigma).powi(2)).exp();
    let total: f32 = (-half..=half).map(bell).sum();
    let weights: Vec<f32> = (-half..=half).map(|i| bell(i) / total).collect();
    let luma = (width * height) as usize;
    for (range, channels, rows) in [
        (0..luma, 1i64, i64::from(height)),
        (luma..luma * 3 / 2, 2, i64::from(height / 2)),
    ] {
        let plane = &mut data[range];
        let bytes = i64::from(width);
        let mut across = vec![0f32; plane.len()];
        for y in 0..rows {
            for x in 0..bytes {
                let tap = |i: i64| {
                    let at =
                        (x + i * channels).clamp(x % channels, bytes - channels + x % channels);
                    f32::from(plane[(y * bytes + at) as usize])
                };
                let sum = (-half..=half).zip(&weights).map(|(i, w)| tap(i) * w).sum();
                across[(y * bytes + x) as usize] = sum;
            }
        }
        for y in 0..rows {
            for x in 0..bytes {
                let tap = |i: i64| across[((y + i).clamp(0, rows - 1) * bytes + x) as usize];
                let sum: f32 = (-half..=half).zip(&weights).map(|(i, w)| tap(i) * w).sum();
                plane[(y * bytes + x) as usize] = (sum + 0.5) as u8;
            }
        }
    }
}
