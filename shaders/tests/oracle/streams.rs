// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random streams: values that are kept, against the derivation; and one object in many frames.

use std::collections::{BTreeMap, BTreeSet};

use privacy_shaders::{Format, Mode, Region, Runs, Scratch, Seed, Shape, Work, cpu};

use crate::{
    derive::{self, Kept, Shown},
    frames::{Picture, Pixels, Random, region},
};

const SECOND: u64 = 1_000_000_000;

#[test]
fn streams_show_kept_values_as_the_documentation_says() {
    let shown = Shown {
        rgba: &[],
        width: 0,
        height: 0,
        fill: 0,
    };
    for (i, format) in Format::ALL.into_iter().enumerate() {
        let mut random = Random(1000 + i as u64);
        let (width, height) = (90 + random.below(9) as u32, 70 + random.below(9) as u32);
        let refresh = random.pick(&[0, SECOND, 10 * SECOND]);
        let (mut scratch, mut kept) = (Scratch::default(), Kept::default());
        let mut now = random.below(100) * SECOND;
        // Some objects; two regions may be one object.
        let mut objects: Vec<Region> = (0..5)
            .map(|i| Region {
                key: i % 4,
                ..region(&mut random, width, height, 1)
            })
            .collect();
        let mut known = 0;
        for round in 0..80 {
            let before = Picture::random(&mut random, format, width, height);
            let pixels = [Pixels::random(&mut random, width, height)];
            let runs = [pixels[0].runs(width, height, before.interlaced)];
            for object in &mut objects {
                // They move, and tremble by a pixel.
                object.x = (object.x + random.between(-2, 3) as i32) % width as i32;
                object.width = (object.width + random.below(3) as u32)
                    .saturating_sub(1)
                    .max(8);
            }
            let seen = 1 + random.below(objects.len() as u64) as usize;
            let mode = match round / 30 {
                0 => Mode::Pixelate { cells: 6 },
                1 => Mode::Blur { cells: 6 },
                _ => Mode::Pixelate { cells: 8 },
            };
            let work = Work {
                regions: &objects[..seen],
                runs: &runs,
                now,
                refresh,
                ..Work::new(mode, Seed(77))
            };
            // Time goes on, stands, jumps ahead, and sometimes back.
            now = match random.below(12) {
                0 => now,
                1 => now + random.below(15) * SECOND,
                2 => now.saturating_sub(random.below(3) * SECOND),
                _ => now + SECOND / 25,
            };
            let mut later = kept.clone();
            let Some(expected) = derive::mask(&before, &work, &pixels, &shown, &mut later) else {
                // Neither sees this frame.
                continue;
            };
            kept = later;
            let mut found = before.clone();
            cpu::mask(&mut found.frame(), &work, &mut scratch);
            assert!(found == expected, "{format:?}, frame {round}: {work:?}");
            known += usize::from(refresh > 0);
        }
        assert!(refresh == 0 || known > 40);
    }
}

/// An object with a texture walks and its box trembles in place and size: 200 frames show one set of
/// values per refresh interval, in one grid, and tell no more than so many frames.
#[test]
fn two_hundred_frames_show_one_set_of_values_in_one_grid() {
    for mode in [Mode::Pixelate { cells: 6 }, Mode::Blur { cells: 6 }] {
        for (refresh, intervals) in [(10 * SECOND, 1), (2 * SECOND, 4)] {
            let kept = sets(mode, refresh);
            let shown: usize = kept.values().map(BTreeSet::len).sum();
            assert!(shown <= intervals, "{kept:?}");
            let fresh = sets(mode, 0);
            assert!(fresh.len() > 1, "boxes that tremble ask for several grids");
            assert!(
                fresh.values().any(|sets| sets.len() > 20),
                "without memory there is much to average"
            );
        }
    }
}

/// The different values that each grid shows in 200 frames at 25 per second.
fn sets(mode: Mode<'_>, refresh: u64) -> BTreeMap<(u32, u32), BTreeSet<Vec<u8>>> {
    let (width, height) = (640u32, 240u32);
    let mut random = Random(5);
    let (mut scratch, mut kept) = (Scratch::default(), Kept::default());
    let mut sets: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let background = Picture::random(&mut Random(1), Format::Gray8, width, height);
    let object = |i: i64| texture(i % 66, i / 66);
    let object: Vec<u8> = (0..66 * 120).map(object).collect();
    for time in 0..200u64 {
        let mut picture = background.clone();
        let left = 10 + 2 * time as i64;
        for (y, row) in (0..).zip(object.chunks(66)) {
            let at = picture.at(0, left, 50 + y, 0);
            picture.data[at..at + 66].copy_from_slice(row);
        }
        let mut tremble = || random.between(-3, 3) as i32;
        let region = Region {
            x: left as i32 + tremble(),
            y: 50 + tremble(),
            width: (66 + tremble()) as u32,
            height: (120 + tremble()) as u32,
            key: 4,
            remember: true,
            shape: Shape::Box,
            ..Region::default()
        };
        let work = Work {
            regions: &[region],
            now: 5 * SECOND + time * SECOND / 25,
            refresh,
            ..Work::new(mode, Seed(1))
        };
        cpu::mask(&mut picture.frame(), &work, &mut scratch);
        // The values, read from the picture where each cell shows its own: at the centres.
        let n = |side: u32| ((2 * side * 6 + region.height) / (2 * region.height)).max(1);
        let mut grid = (i64::from(n(region.width)), i64::from(n(region.height)));
        if refresh > 0 {
            let size = (i64::from(region.width), i64::from(region.height));
            grid = kept.grid(&work, region.key, size, 6, grid);
        }
        let (nx, ny) = (grid.0 as u32, grid.1 as u32);
        let centre = |i: u32, n: u32, side: u32| i64::from((2 * i + 1) * side / (2 * n));
        let values = (0..nx * ny)
            .map(|i| {
                let x = i64::from(region.x) + centre(i % nx, nx, region.width);
                let y = i64::from(region.y) + centre(i / nx, ny, region.height);
                let value = picture.data[picture.at(0, x, y, 0)];
                // Blur is a sample or so from the centre: to the level.
                if matches!(mode, Mode::Blur { .. }) {
                    value.saturating_add(4) / 8 * 8
                } else {
                    value
                }
            })
            .collect();
        sets.entry((nx, ny)).or_default().insert(values);
    }
    sets
}

/// Stripes and blobs of several sizes, 0 to 255.
fn texture(x: i64, y: i64) -> u8 {
    let wave = |period: f64, at: i64| (at as f64 / period * std::f64::consts::TAU).sin();
    let value = wave(23.0, x) + wave(31.0, y) + wave(7.0, x + y) + wave(90.0, x - 2 * y);
    (128.0 + 31.0 * value) as u8
}

/// Runs made for other frames mask too much rather than nothing.
#[test]
fn runs_of_another_frame_are_a_box() {
    let mut picture = Picture::random(&mut Random(2), Format::Gray8, 40, 30);
    let mut runs = Runs::default();
    runs.polygon(
        &[[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]],
        41,
        30,
        picture.interlaced,
    );
    let work = Work {
        regions: &[Region {
            shape: Shape::Runs(0),
            ..Region::whole(40, 30)
        }],
        runs: &[runs],
        fill: 0xff00_0000,
        ..Work::new(Mode::Solid, Seed(0))
    };
    cpu::mask(&mut picture.frame(), &work, &mut Scratch::default());
    for y in 0..30 {
        let row = picture.at(0, 0, y, 0)..picture.at(0, 40, y, 0);
        assert!(picture.data[row].iter().all(|&b| b == 16));
    }
}
