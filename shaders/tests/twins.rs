// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CPU twin against a naive oracle, and the GPU against the CPU twin.

use privacy_shaders::{
    Format, Frame, Mode, Region, Scratch, Seed, cpu,
    gpu::{GpuError, Masker, Selection},
};

const SEED: Seed = Seed(0x0123_4567_89ab_cdef);

/// A frame in one piece of memory, with guard bytes around and between the planes.
#[derive(Clone, PartialEq)]
struct Picture {
    format: Format,
    width: u32,
    height: u32,
    offsets: Vec<usize>,
    strides: Vec<usize>,
    data: Vec<u8>,
}

impl Picture {
    /// `pad` bytes more than needed in each row, noise everywhere, padding and guards too.
    fn noise(format: Format, width: u32, height: u32, pad: usize, seed: u32) -> Self {
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

    fn frame(&mut self) -> Frame<'_> {
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

    fn on_cpu(&self, regions: &[Region], mode: Mode) -> Self {
        let mut out = self.clone();
        cpu::mask(
            &mut out.frame(),
            regions,
            mode,
            SEED,
            &mut Scratch::default(),
        );
        out
    }

    /// Index of byte `channel` of sample (`x`, `y`) of a plane.
    fn at(&self, plane: usize, x: u32, y: u32, channel: u32) -> usize {
        let channels = self.format.channels(plane);
        self.offsets[plane] + y as usize * self.strides[plane] + (x * channels + channel) as usize
    }
}

fn region(x: u32, y: u32, width: u32, height: u32, key: u64) -> Region {
    Region {
        x,
        y,
        width,
        height,
        key,
    }
}

/// Regions for a frame: one pixel, edges, corners, overlaps, all of it, nothing, outside.
fn region_lists(w: u32, h: u32) -> Vec<Vec<Region>> {
    let mid = region(w / 3, h / 3, w.div_ceil(2), h.div_ceil(2), 1 << 40);
    vec![
        vec![],
        vec![Region::whole(w, h)],
        vec![mid],
        vec![region(w / 2, h / 2, 1, 1, 2)],
        vec![region(w - 1, h - 1, 1, 1, 3), region(0, 0, 1, 1, 4)],
        vec![region(w - 1, 0, 9, h, 5), region(0, h - 1, w, 9, 6)],
        vec![
            mid,
            region(w / 2, h / 2, w, h, 7),
            region(w / 4, h / 4, w / 2 + 1, 2, 8),
        ],
        vec![
            region(1, 1, 0, 5, 9),
            region(w, h, 5, 5, 10),
            region(u32::MAX, 0, 5, 5, 11),
        ],
    ]
}

const SIZES: [(u32, u32, usize); 9] = [
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

const MODES: [Mode; 8] = [
    Mode::Solid { argb: 0xff00_0000 },
    Mode::Solid { argb: 0x8012_a4fe },
    Mode::Pixelate { cells: 1 },
    Mode::Pixelate { cells: 6 },
    Mode::Pixelate { cells: 64 },
    Mode::Blur { cells: 1 },
    Mode::Blur { cells: 6 },
    Mode::Blur { cells: 64 },
];

/// A mask written as plainly as possible, in floating point and sample by sample.
fn oracle(picture: &Picture, regions: &[Region], mode: Mode) -> Picture {
    let mut out = picture.clone();
    let format = picture.format;
    let packed = format.planes() == 1;
    for region in regions {
        // Aligned outward to even coordinates for 4:2:0, inside the frame.
        let even = if packed { 1 } else { 2 };
        let x1 = u64::from(region.x) + u64::from(region.width);
        let y1 = u64::from(region.y) + u64::from(region.height);
        let x1 = x1.min(picture.width.into()) as u32;
        let y1 = y1.min(picture.height.into()) as u32;
        if region.x >= x1 || region.y >= y1 {
            continue;
        }
        let (x0, y0) = (region.x / even * even, region.y / even * even);
        let x1 = (x1.div_ceil(even) * even).min(picture.width);
        let y1 = (y1.div_ceil(even) * even).min(picture.height);
        let long = (x1 - x0).max(y1 - y0);
        let n = mode.cells().min(long / 4).max(1);
        let count = |side: u32| {
            ((f64::from(side) * f64::from(n) / f64::from(long) + 0.5).floor() as u32).max(1)
        };
        let (nx, ny) = (count(x1 - x0), count(y1 - y0));
        for plane in 0..format.planes() {
            let half = if plane > 0 { 2 } else { 1 };
            let (px, py) = (x0 / half, y0 / half);
            let (w, h) = ((x1 - x0).div_ceil(half), (y1 - y0).div_ceil(half));
            for channel in 0..format.channels(plane) {
                let opaque = packed && Some(channel) == format.opaque_byte();
                let level = |cx: u32, cy: u32| -> f64 {
                    if opaque {
                        return 255.0;
                    }
                    let (mut sum, mut area) = (0.0, 0.0);
                    for y in cy * h / ny..(cy + 1) * h / ny {
                        for x in cx * w / nx..(cx + 1) * w / nx {
                            sum +=
                                f64::from(picture.data[picture.at(plane, px + x, py + y, channel)]);
                            area += 1.0;
                        }
                    }
                    let quantised = (sum / area / 8.0 + 0.5).floor().min(31.0);
                    let hash = cpu::half_sip_hash(
                        [SEED.0 as u32, (SEED.0 >> 32) as u32],
                        &[region.key as u32, (region.key >> 32) as u32, cy * nx + cx],
                    );
                    let bits = hash >> (2 * plane as u32 + 2 * channel);
                    let noise = f64::from(bits & 1) + f64::from((bits >> 1) & 1) - 1.0;
                    (quantised + noise).clamp(0.0, 31.0) * 8.0
                };
                let levels: Vec<Vec<f64>> = if matches!(mode, Mode::Solid { .. }) {
                    Vec::new()
                } else {
                    (0..ny)
                        .map(|cy| (0..nx).map(|cx| level(cx, cy)).collect())
                        .collect()
                };
                for y in 0..h {
                    for x in 0..w {
                        let value = match mode {
                            Mode::Solid { argb } => {
                                let fill = format.fill(plane, argb, Default::default());
                                f64::from(fill[channel as usize])
                            }
                            Mode::Pixelate { .. } => {
                                let cell = |at: u32, n: u32, length: u32| {
                                    (0..n).rfind(|i| i * length / n <= at).unwrap() as usize
                                };
                                levels[cell(y, ny, h)][cell(x, nx, w)]
                            }
                            Mode::Blur { .. } => {
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

#[test]
fn the_cpu_twin_agrees_with_the_oracle() {
    for format in Format::ALL {
        for (w, h, pad) in SIZES {
            let picture = Picture::noise(format, w, h, pad, w * 131 + h);
            for regions in region_lists(w, h) {
                for mode in MODES {
                    let found = picture.on_cpu(&regions, mode);
                    let expected = oracle(&picture, &regions, mode);
                    // Positions between centres have 8 bits, and two levels are up to 248 apart.
                    let bound = if matches!(mode, Mode::Blur { .. }) {
                        2
                    } else {
                        0
                    };
                    for (i, (a, b)) in found.data.iter().zip(&expected.data).enumerate() {
                        assert!(
                            a.abs_diff(*b) <= bound,
                            "{format:?} {w}x{h}+{pad} {mode:?} {regions:?}: byte {i} is {a}, not {b}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_outside_the_aligned_regions_changes() {
    for format in Format::ALL {
        for (w, h, pad) in SIZES {
            let picture = Picture::noise(format, w, h, pad, 3);
            for regions in region_lists(w, h) {
                let found = picture.on_cpu(&regions, Mode::Pixelate { cells: 6 });
                let mut inside = vec![false; picture.data.len()];
                for r in regions.iter().filter_map(|r| r.aligned(format, w, h)) {
                    for plane in 0..format.planes() {
                        let half = if plane > 0 { 2 } else { 1 };
                        for y in r.y / half..(r.y + r.height).div_ceil(half) {
                            for x in r.x / half..(r.x + r.width).div_ceil(half) {
                                for c in 0..format.channels(plane) {
                                    inside[picture.at(plane, x, y, c)] = true;
                                }
                            }
                        }
                    }
                }
                for (i, inside) in inside.into_iter().enumerate() {
                    assert!(inside || found.data[i] == picture.data[i], "byte {i}");
                }
            }
        }
    }
}

/// The bound on information: whatever the pixels are, equal cells give equal output.
#[test]
fn the_output_is_a_function_of_the_cell_levels_alone() {
    let (w, h) = (60, 48);
    for format in Format::ALL {
        for mode in [Mode::Pixelate { cells: 6 }, Mode::Blur { cells: 6 }] {
            let picture = Picture::noise(format, w, h, 0, 77);
            let regions = [Region::whole(w, h)];
            let mut other = picture.clone();
            // 6 x 5 cells of 10 x 9 or 10 pixels. Bytes of the same channel change places within a
            // cell, so every mean stays and nearly every byte changes.
            for plane in 0..format.planes() {
                let half = if plane > 0 { 2 } else { 1 };
                let (pw, ph) = (w / half, h / half);
                for c in 0..format.channels(plane) {
                    for cy in 0..5 {
                        let (top, bottom) = (cy * ph / 5, (cy + 1) * ph / 5);
                        for cx in 0..6 {
                            let (left, right) = (cx * pw / 6, (cx + 1) * pw / 6);
                            for y in top..bottom {
                                for x in left..right {
                                    let (mx, my) = (left + right - 1 - x, top + bottom - 1 - y);
                                    let to = other.at(plane, x, y, c);
                                    other.data[to] = picture.data[picture.at(plane, mx, my, c)];
                                }
                            }
                        }
                    }
                }
            }
            assert!(other != picture);
            let (a, b) = (picture.on_cpu(&regions, mode), other.on_cpu(&regions, mode));
            for plane in 0..format.planes() {
                let (pw, ph) = format.plane_size(plane, w, h);
                for y in 0..ph {
                    let row = a.at(plane, 0, y, 0)..a.at(plane, pw, y, 0);
                    assert!(a.data[row.clone()] == b.data[row], "{format:?} {mode:?}");
                }
            }
        }
    }
}

#[test]
fn a_region_shows_few_levels_and_bounded_cells_at_any_size() {
    for side in [1u32, 2, 3, 7, 20, 64, 333, 2000] {
        let picture = Picture::noise(Format::Nv12, side, side, 0, side);
        let out = picture.on_cpu(&[Region::whole(side, side)], Mode::Pixelate { cells: 6 });
        let mut changes = 0;
        for x in 0..side {
            let now = out.data[out.at(0, x, 0, 0)];
            assert_eq!(now % 8, 0);
            if x > 0 && now != out.data[out.at(0, x - 1, 0, 0)] {
                changes += 1;
            }
        }
        assert!(changes < 6, "{side}: {changes} edges along a row");
    }
}

#[test]
fn noise_is_constant_for_a_key_and_differs_between_keys_and_seeds() {
    let picture = {
        let mut p = Picture::noise(Format::Bgrx, 64, 64, 0, 1);
        p.data.fill(100);
        p
    };
    let mode = Mode::Pixelate { cells: 6 };
    let of = |key, seed| {
        let mut out = picture.clone();
        let whole = region(0, 0, 64, 64, key);
        cpu::mask(
            &mut out.frame(),
            &[whole],
            mode,
            seed,
            &mut Scratch::default(),
        );
        out.data
    };
    assert!(of(1, SEED) == of(1, SEED));
    assert!(of(1, SEED) != of(2, SEED));
    assert!(of(1, SEED) != of(1 << 32 | 1, SEED));
    assert!(of(1, SEED) != of(1, Seed(SEED.0 ^ 1)));
    assert!(of(1, SEED) != of(1, Seed(SEED.0 ^ (1 << 63))));
}

#[test]
fn scratch_of_another_frame_changes_nothing() {
    let mut scratch = Scratch::default();
    for (w, h, pad) in SIZES {
        for mode in MODES {
            let picture = Picture::noise(Format::I420, w, h, pad, 9);
            let regions = &region_lists(w, h)[6];
            let mut out = picture.clone();
            cpu::mask(&mut out.frame(), regions, mode, SEED, &mut scratch);
            assert!(out == picture.on_cpu(regions, mode));
        }
    }
}

/// Needs no adapter: a shader that no driver would take must not wait for one to be found.
#[test]
fn every_shader_is_valid_and_has_its_entry_point() {
    use wgpu::naga;
    for (name, source) in privacy_shaders::gpu::SHADERS {
        let module = naga::front::wgsl::parse_str(source)
            .unwrap_or_else(|err| panic!("{name}: {}", err.emit_to_string(source)));
        naga::valid::Validator::new(
            naga::valid::ValidationFlags::all(),
            naga::valid::Capabilities::empty(),
        )
        .validate(&module)
        .unwrap_or_else(|err| panic!("{name}: {}", err.emit_to_string(source)));
        let entries: Vec<&str> = module
            .entry_points
            .iter()
            .map(|e| e.name.as_str())
            .collect();
        assert_eq!(entries, [name]);
    }
}

/// A masker on any adapter. Without one: says so, and fails where one is promised.
fn any_gpu(test: &str) -> Option<Masker> {
    let selection = Selection {
        software: true,
        ..Default::default()
    };
    match Masker::open(&selection) {
        Ok(masker) => Some(masker),
        Err(err @ GpuError::NoAdapter { .. }) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{err}");
            eprintln!("SKIPPED {test}: a Vulkan adapter is missing, install mesa-vulkan-drivers");
            None
        }
        Err(err) => panic!("{err}"),
    }
}

#[test]
fn the_gpu_agrees_with_the_cpu_bit_by_bit() {
    let Some(mut gpu) = any_gpu("the_gpu_agrees_with_the_cpu_bit_by_bit") else {
        return;
    };
    eprintln!("on {}", gpu.adapter());
    for format in Format::ALL {
        for (w, h, pad) in SIZES {
            let picture = Picture::noise(format, w, h, pad, w * 131 + h);
            for regions in region_lists(w, h) {
                for mode in MODES {
                    let mut found = picture.clone();
                    gpu.mask(&mut found.frame(), &regions, mode, SEED).unwrap();
                    let expected = picture.on_cpu(&regions, mode);
                    if let Some(i) =
                        (0..found.data.len()).find(|&i| found.data[i] != expected.data[i])
                    {
                        panic!(
                            "{format:?} {w}x{h}+{pad} {mode:?} {regions:?}: byte {i} is {}, not {}",
                            found.data[i], expected.data[i]
                        );
                    }
                }
            }
        }
    }
}

/// Sizes, strides, regions and modes that nobody thought of.
#[test]
fn random_masks_agree() {
    let mut gpu = any_gpu("random_masks_agree (the half on the GPU)");
    let mut state = 0x2545_f491u32;
    let mut random = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    for _ in 0..400 {
        let format = Format::ALL[random(10) as usize];
        let (w, h) = (1 + random(150), 1 + random(150));
        let picture = Picture::noise(format, w, h, random(9) as usize, random(u32::MAX));
        let regions: Vec<Region> = (0..random(6))
            .map(|_| {
                let key = u64::from(random(9)) << random(40);
                region(
                    random(w + 4),
                    random(h + 4),
                    random(w + 9),
                    random(h + 9),
                    key,
                )
            })
            .collect();
        let cells = random(70);
        let mode = match random(3) {
            0 => Mode::Solid {
                argb: random(u32::MAX),
            },
            1 => Mode::Pixelate { cells },
            _ => Mode::Blur { cells },
        };
        let expected = picture.on_cpu(&regions, mode);
        let bound = if matches!(mode, Mode::Blur { .. }) {
            2
        } else {
            0
        };
        let exact = oracle(&picture, &regions, mode);
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= bound;
        assert!(
            expected.data.iter().zip(&exact.data).all(near),
            "{format:?} {w}x{h} {mode:?} {regions:?}"
        );
        if let Some(gpu) = &mut gpu {
            let mut found = picture.clone();
            gpu.mask(&mut found.frame(), &regions, mode, SEED).unwrap();
            assert!(found == expected, "{format:?} {w}x{h} {mode:?} {regions:?}");
        }
    }
}

#[test]
fn large_frames_and_many_regions_agree_too() {
    let Some(mut gpu) = any_gpu("large_frames_and_many_regions_agree_too") else {
        return;
    };
    for (format, w, h) in [(Format::Nv12, 1920, 1080), (Format::Argb, 1279, 719)] {
        let picture = Picture::noise(format, w, h, 2, 5);
        let crowd: Vec<Region> = (0..500)
            .map(|i| region((i * 73) % w, (i * 37) % h, 1 + i % 90, 1 + i % 60, i.into()))
            .collect();
        for regions in [vec![Region::whole(w, h)], crowd] {
            for mode in [
                Mode::Pixelate { cells: 1 },
                Mode::Pixelate { cells: 6 },
                Mode::Blur { cells: 64 },
            ] {
                let mut found = picture.clone();
                gpu.mask(&mut found.frame(), &regions, mode, SEED).unwrap();
                assert!(
                    found == picture.on_cpu(&regions, mode),
                    "{format:?} {mode:?}"
                );
            }
        }
    }
}

#[test]
fn too_much_for_one_buffer_is_an_error_and_leaves_the_frame_alone() {
    let Some(mut gpu) = any_gpu("too_much_for_one_buffer_is_an_error_and_leaves_the_frame_alone")
    else {
        return;
    };
    let picture = Picture::noise(Format::Nv12, 1920, 1080, 0, 5);
    let mut found = picture.clone();
    let regions = vec![Region::whole(1920, 1080); 200];
    let mode = Mode::Pixelate { cells: 6 };
    let result = gpu.mask(&mut found.frame(), &regions, mode, SEED);
    assert!(
        matches!(result, Err(GpuError::TooLarge { .. })),
        "{result:?}"
    );
    assert!(found == picture);
    // It goes on with the next frame.
    gpu.mask(&mut found.frame(), &regions[..1], mode, SEED)
        .unwrap();
    assert!(found == picture.on_cpu(&regions[..1], mode));
}

#[test]
fn maskers_share_a_device_and_do_not_disturb_each_other() {
    if any_gpu("maskers_share_a_device_and_do_not_disturb_each_other").is_none() {
        return;
    }
    std::thread::scope(|scope| {
        for seed in 0..3 {
            scope.spawn(move || {
                let mut gpu = any_gpu("thread").unwrap();
                for round in 0..20 {
                    let picture = Picture::noise(Format::Nv12, 70, 50, 0, seed * 100 + round);
                    let regions = &region_lists(70, 50)[6];
                    let mode = MODES[(round % 8) as usize];
                    let mut found = picture.clone();
                    gpu.mask(&mut found.frame(), regions, mode, SEED).unwrap();
                    assert!(found == picture.on_cpu(regions, mode));
                }
            });
        }
    });
}

#[test]
fn an_adapter_that_is_not_there_is_named() {
    let selection = Selection {
        software: true,
        name: "no such card".into(),
    };
    let err = Masker::open(&selection).unwrap_err();
    assert!(matches!(err, GpuError::NoAdapter { .. }));
    assert!(err.to_string().contains("\"no such card\""), "{err}");
}

#[test]
fn a_lost_device_is_an_error_and_the_next_masker_gets_another() {
    let Some(mut gpu) = any_gpu("a_lost_device_is_an_error_and_the_next_masker_gets_another")
    else {
        return;
    };
    let picture = Picture::noise(Format::Nv12, 64, 48, 0, 5);
    let regions = [Region::whole(64, 48)];
    let mode = Mode::Blur { cells: 6 };
    let mut found = picture.clone();
    gpu.mask(&mut found.frame(), &regions, mode, SEED).unwrap();
    gpu.destroy_device();
    let mut found = picture.clone();
    for _ in 0..2 {
        let result = gpu.mask(&mut found.frame(), &regions, mode, SEED);
        assert!(matches!(result, Err(GpuError::Lost(_))), "{result:?}");
        assert!(found == picture, "a frame that was not masked is as it was");
    }
    let mut gpu = any_gpu("again").unwrap();
    gpu.mask(&mut found.frame(), &regions, mode, SEED).unwrap();
    assert!(found == picture.on_cpu(&regions, mode));
}
