// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random frames: the masks equal the derivation in every byte of the memory, so what a region shows is a
//! function of its values alone, and nothing outside it changes.

use privacy_shaders::{Format, Mode, Region, Runs, Scratch, Seed, Shape, Work, cpu};

use crate::{
    derive::{self, Kept, Shown},
    frames::{Picture, Pixels, Random, region, size},
};

/// Frames per format.
const ROUNDS: usize = 140;

#[test]
fn masks_are_what_the_documentation_says() {
    let rgba: Vec<u8> = (0..37 * 90 * 4).map(|i| (i * i / 7) as u8).collect();
    let shown = Shown {
        rgba: &rgba,
        width: 37,
        height: 90,
        fill: 0x0020_c040,
    };
    let picture = privacy_shaders::Picture::new(&rgba, 37, 90, shown.fill).unwrap();
    let mut scratch = Scratch::default();
    let (mut compared, mut left_out) = (0, 0);
    for (i, format) in Format::ALL.into_iter().enumerate() {
        let mut random = Random(i as u64);
        for round in 0..ROUNDS {
            let (width, height) = size(&mut random);
            let before = Picture::random(&mut random, format, width, height);
            let pixels: Vec<Pixels> = (0..random.below(3))
                .map(|_| Pixels::random(&mut random, width, height))
                .collect();
            let runs: Vec<Runs> = pixels
                .iter()
                .map(|p| p.runs(width, height, before.interlaced))
                .collect();
            let regions: Vec<Region> = (0..random.below(5))
                .map(|_| region(&mut random, width, height, runs.len() as u64))
                .collect();
            // More than 64 are 64, and 0 is 1.
            let cells = random.pick(&[0, 1, 2, 3, 6, 7, 8, 13, 64, 99]);
            let mode = match random.below(8) {
                0 => Mode::Solid,
                1..4 => Mode::Pixelate { cells },
                4..6 => Mode::Blur { cells },
                6 => Mode::Gaussian { cells },
                _ => Mode::Image { picture: &picture },
            };
            let work = Work {
                regions: &regions,
                runs: &runs,
                fill: random.next() as u32,
                ..Work::new(mode, Seed(random.next()))
            };
            let Some(expected) =
                derive::mask(&before, &work, &pixels, &shown, &mut Kept::default())
            else {
                left_out += 1;
                continue;
            };
            let mut found = before.clone();
            cpu::mask(&mut found.frame(), &work, &mut scratch);
            compared += 1;
            if let Some(at) = (0..found.data.len()).find(|&i| found.data[i] != expected.data[i]) {
                panic!(
                    "{format:?} {width}x{height}, interlaced {}, round {round}: byte {at} is {}, not {} \
                     ({} before), planes at {:?}, strides {:?}\n{mode:?}\n{regions:?}\n{pixels:?}",
                    before.interlaced,
                    found.data[at],
                    expected.data[at],
                    before.data[at],
                    before.offsets,
                    before.strides,
                );
            }
        }
    }
    eprintln!("{compared} frames compared, {left_out} left out because rounding decides a shape");
    assert!(left_out * 10 < compared);
}

/// With the cells that a purpose allows, a region of any size shows 64 values or fewer per channel, and
/// they are what is on the screen: sharper than its cells is nothing in it.
#[test]
fn few_values_are_shown_whatever_the_size() {
    for cells in 1..=8 {
        for (width, height) in [(1, 1), (3, 200), (31, 33), (64, 64), (640, 7), (333, 500)] {
            let mut picture = Picture::random(&mut Random(9), Format::Y444, width, height);
            let work = Work {
                regions: &[Region::whole(width, height)],
                ..Work::new(Mode::Pixelate { cells }, Seed(3))
            };
            cpu::mask(&mut picture.frame(), &work, &mut Scratch::default());
            let row = |y: u32| (0..width).map(move |x| (x, y));
            let column = |x: u32| (0..height).map(move |y| (x, y));
            let edges = |line: Vec<(u32, u32)>| {
                let at = |(x, y): (u32, u32)| picture.data[picture.at(0, x.into(), y.into(), 0)];
                line.windows(2).filter(|w| at(w[0]) != at(w[1])).count() as u32
            };
            for (x, y) in row(height / 2) {
                assert_eq!(picture.data[picture.at(0, x.into(), y.into(), 0)] % 8, 0);
            }
            let across = edges(row(height / 2).collect());
            let down = edges(column(width / 2).collect());
            assert!(across < cells && down < cells, "{width}x{height}, {cells}");
            assert!((across + 1) * (down + 1) <= 64);
            // Cells are at least 4 pixels long, so that small regions do not stay as they were.
            assert!(across * 4 <= width && down * 4 <= height);
        }
    }
}

/// Chroma alone shows skin and the colour of a plate: it is masked where luma is, pixel by pixel.
#[test]
fn chroma_is_masked_where_luma_is() {
    for (format, interlaced) in [
        (Format::Nv12, false),
        (Format::Nv12, true),
        (Format::Yv12, false),
        (Format::I420, true),
        (Format::P010, false),
    ] {
        let mut random = Random(17);
        for _ in 0..60 {
            let (width, height) = size(&mut random);
            let mut before = Picture::random(&mut random, format, width, height);
            before.interlaced = interlaced;
            // Where nothing of a solid mask is, every byte is 200.
            before.data.fill(200);
            let one = Region {
                shape: if random.is(2) {
                    Shape::Box
                } else {
                    Shape::Ellipse
                },
                ..region(&mut random, width, height, 0)
            };
            let work = Work {
                regions: &[one],
                fill: 0xff00_0000,
                ..Work::new(Mode::Solid, Seed(0))
            };
            let mut after = before.clone();
            cpu::mask(&mut after.frame(), &work, &mut Scratch::default());
            let last = format.channels(0) as usize - 1;
            let chroma = format.channels(1) as usize - 1;
            for y in 0..i64::from(height) {
                for x in 0..i64::from(width) {
                    let luma = after.data[after.at(0, x, y, last)] != 200;
                    // A row of a field lies two rows from the next.
                    let row = if interlaced { y / 4 * 2 + y % 2 } else { y / 2 };
                    if row < i64::from(height.div_ceil(2)) {
                        let chroma = after.data[after.at(1, x / 2, row, chroma)] != 200;
                        assert_eq!(
                            luma, chroma,
                            "{format:?} {width}x{height}: {x}, {y}; {one:?}"
                        );
                    }
                }
            }
        }
    }
}
