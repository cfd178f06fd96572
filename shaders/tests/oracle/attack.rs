// SPDX-License-Identifier: MIT OR Apache-2.0
//! An attacker who has 200 masked frames of a moving object, knows where it was in each to the pixel,
//! lays them over each other and averages. Detectors tremble, so the cells lie on the object elsewhere in
//! every frame; that is how many coarse pictures make a sharp one (Irani, Peleg 1991).

use privacy_shaders::{Format, Frame, Mode, Region, Scratch, Seed, Work, cpu};

use crate::frames::Random;

const FRAMES: u64 = 200;
/// Of the frames, and of the object.
const SIZE: (usize, usize) = (760, 200);
const OBJECT: (usize, usize) = (72, 144);
/// How far a detector's box is off, each way.
const TREMBLE: i64 = 12;
/// Side of a cell, in pixels: 6 along the longer side of the object.
const CELL: usize = 24;
/// Of the reconstruction, and how far it goes in each.
const ROUNDS: usize = 60;
const STEP: f64 = 1.9;

const SECOND: u64 = 1_000_000_000;

/// What lies under the mask: a smooth texture, much of it finer than the cells (24 pixels).
fn object(random: &mut Random) -> Vec<f64> {
    let mut picture: Vec<f64> = (0..OBJECT.0 * OBJECT.1)
        .map(|_| random.below(256) as f64)
        .collect();
    for _ in 0..2 {
        picture = smooth(&picture, 3);
    }
    let (least, most) = picture
        .iter()
        .fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
    picture
        .iter()
        .map(|v| (v - least) / (most - least) * 255.0)
        .collect()
}

/// The mean of the samples at most `reach` away.
fn smooth(picture: &[f64], reach: i64) -> Vec<f64> {
    let (width, height) = (OBJECT.0 as i64, OBJECT.1 as i64);
    let mean = |x: i64, y: i64| {
        let (mut sum, mut count) = (0.0, 0.0);
        for v in (y - reach).max(0)..(y + reach + 1).min(height) {
            for u in (x - reach).max(0)..(x + reach + 1).min(width) {
                sum += picture[(v * width + u) as usize];
                count += 1.0;
            }
        }
        sum / count
    };
    (0..width * height)
        .map(|i| mean(i % width, i / width))
        .collect()
}

/// How much of the detail finer than a cell is found again: the correlation of what is left of both
/// pictures when all that is coarser is taken away. 1 for all, 0 for none.
fn detail(truth: &[f64], found: &[f64]) -> f64 {
    let fine = |picture: &[f64]| -> Vec<f64> {
        let coarse = smooth(picture, 12);
        picture.iter().zip(coarse).map(|(v, c)| v - c).collect()
    };
    let (a, b) = (fine(truth), fine(found));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt().max(1e-9)
}

/// A masked frame as the attacker has it: where the box was, from the object's left and top, and its cells.
struct Clue {
    left: i64,
    top: i64,
    values: Vec<f64>,
}

/// What 200 masked frames show: the object in `first`, and from the second frame on that in `then`.
fn clues(first: &[f64], then: &[f64], refresh: u64, seed: u64) -> Vec<Clue> {
    let mut random = Random(seed);
    let noise = Seed(random.next());
    let mut scratch = Scratch::default();
    let (width, height) = SIZE;
    let background: Vec<u8> = (0..width * height).map(|_| random.next() as u8).collect();
    (0..FRAMES)
        .map(|time| {
            let mut data = background.clone();
            let (left, top) = (20 + 3 * time as usize, 20 + (time as usize / 9) % 8);
            let object = if time == 0 { first } else { then };
            for (y, row) in object.chunks(OBJECT.0).enumerate() {
                for (x, value) in row.iter().enumerate() {
                    data[(top + y) * width + left + x] = *value as u8;
                }
            }
            let (dx, dy) = (
                random.between(-TREMBLE, TREMBLE),
                random.between(-TREMBLE, TREMBLE),
            );
            let region = Region {
                x: (left as i64 + dx) as i32,
                y: (top as i64 + dy) as i32,
                width: OBJECT.0 as u32,
                height: OBJECT.1 as u32,
                key: 1,
                remember: true,
                ..Region::default()
            };
            let work = Work {
                regions: &[region],
                now: time * SECOND / 25,
                refresh,
                ..Work::new(Mode::Pixelate { cells: 6 }, noise)
            };
            let (w, h) = (width as u32, height as u32);
            let mut frame =
                Frame::from_slice(Format::Gray8, w, h, &mut data, &[0], &[width]).unwrap();
            cpu::mask(&mut frame, &work, &mut scratch);
            let value = |cell: usize| {
                let (x, y) = (cell % 3 * CELL + CELL / 2, cell / 3 * CELL + CELL / 2);
                f64::from(data[(region.y as usize + y) * width + region.x as usize + x])
            };
            Clue {
                left: dx,
                top: dy,
                values: (0..18).map(value).collect(),
            }
        })
        .collect()
}

/// Puts the frames together: a picture whose cells, where each frame had them, are what it showed. By
/// back projection, again and again (Irani, Peleg 1991).
fn reconstruct(clues: &[Clue]) -> Vec<f64> {
    let (width, height) = (OBJECT.0 as i64, OBJECT.1 as i64);
    let cell = CELL as i64;
    let mut picture = vec![128.0; OBJECT.0 * OBJECT.1];
    for _ in 0..ROUNDS {
        let (mut steps, mut counts) = (vec![0.0; picture.len()], vec![0.0; picture.len()]);
        for clue in clues {
            for (i, value) in clue.values.iter().enumerate() {
                let (left, top) = (
                    clue.left + i as i64 % 3 * cell,
                    clue.top + i as i64 / 3 * cell,
                );
                let rows = top.max(0)..(top + cell).min(height);
                let columns = left.max(0)..(left + cell).min(width);
                // What sticks out of the object is not known, and is taken to be like the rest.
                let inside = rows
                    .clone()
                    .flat_map(|y| columns.clone().map(move |x| (y * width + x) as usize));
                let mean = inside.clone().map(|at| picture[at]).sum::<f64>()
                    / inside.clone().count() as f64;
                for at in inside {
                    steps[at] += value - mean;
                    counts[at] += 1.0;
                }
            }
        }
        for (value, (step, count)) in picture.iter_mut().zip(steps.iter().zip(&counts)) {
            *value += STEP * step / f64::max(*count, 1.0);
        }
    }
    picture
}

/// The attack works where every frame shows new values, and finds nothing where they are kept: less even
/// than in one frame, as 199 lay the same cells in the wrong place.
#[test]
fn many_frames_bring_no_detail_back() {
    for seed in 0..4 {
        let object = object(&mut Random(seed));
        let kept = clues(&object, &object, 10 * SECOND, seed);
        let fresh = clues(&object, &object, 0, seed);
        let of = |clues: &[Clue]| detail(&object, &reconstruct(clues));
        let (one, kept, fresh) = (of(&kept[..1]), of(&kept), of(&fresh));
        eprintln!(
            "one frame {one:.3}, 200 with kept values {kept:.3}, 200 with fresh ones {fresh:.3}"
        );
        assert!(fresh > 0.4 && fresh > one + 0.3, "the attack works");
        assert!(kept < one + 0.03);
    }
}

/// Why that is so for every attack: 199 of 200 frames show the values of the first, whatever they look at.
#[test]
fn later_frames_tell_nothing_of_what_they_look_at() {
    let (one, other) = (object(&mut Random(1)), object(&mut Random(2)));
    let of = |then: &[f64]| clues(&one, then, 10 * SECOND, 3);
    for (a, b) in of(&one).iter().zip(of(&other)) {
        assert!(a.values == b.values && (a.left, a.top) == (b.left, b.top));
    }
}
