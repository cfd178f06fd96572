// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CPU twin against the oracle, and what a mask tells.

use privacy_shaders::{Format, Mode, Region, Scratch, Seed, Work, cpu};

use crate::support::{MODES, Picture, SEED, SIZES, halves, oracle, region, region_lists, work};

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
                for r in regions
                    .iter()
                    .filter_map(|r| r.aligned(format, false, w, h))
                {
                    for plane in 0..format.planes() {
                        let (across, down) = halves(format, plane);
                        for y in r.y / down..(r.y + r.height).div_ceil(down) {
                            for x in r.x / across..(r.x + r.width).div_ceil(across) {
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
                let (across, down) = halves(format, plane);
                let (pw, ph) = (w / across, h / down);
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
        let work = Work {
            regions: &[region(0, 0, 64, 64, key)],
            ..Work::new(mode, seed)
        };
        cpu::mask(&mut out.frame(), &work, &mut Scratch::default());
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
            cpu::mask(&mut out.frame(), &work(regions, mode), &mut scratch);
            assert!(out == picture.on_cpu(regions, mode));
        }
    }
}
