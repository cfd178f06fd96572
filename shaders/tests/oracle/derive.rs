// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mask must do, derived a second time and as plainly as possible, sample by sample. It takes
//! from the crate the names of things and the bytes of a colour ([`Format::fill`], tested by itself).

use std::collections::HashMap;

use privacy_shaders::{Format, Mode, Region, Shape, Work};

use crate::frames::{Picture, Pixels};

/// Values that are kept, and the grids that objects are shown with: when either was taken and last shown.
#[derive(Clone, Default)]
pub struct Kept(HashMap<Id, (u64, u64, Vec<u8>)>, HashMap<u64, Chosen>);

/// A grid, and when it was chosen and last shown.
type Chosen = ((i64, i64), u64, u64);

impl Kept {
    /// The grid of an object whose box of this size asks for `wanted`, with at most `cells`: the one it has,
    /// for as long as values are kept, when that is at most a cell away and has no cell too small.
    pub fn grid(
        &mut self,
        work: &Work<'_>,
        key: u64,
        (width, height): (i64, i64),
        cells: i64,
        wanted: (i64, i64),
    ) -> (i64, i64) {
        let (grid, taken, seen) = self.1.entry(key).or_insert((wanted, work.now, work.now));
        let (nx, ny) = *grid;
        let is_near = (nx - wanted.0).abs() <= 1 && (ny - wanted.1).abs() <= 1;
        let most = cells.min(width.max(height) / 4).max(1);
        let fits = nx <= most && ny <= most && 2 * nx <= width + 1 && 2 * ny <= height + 1;
        if !is_near || !fits || work.now.abs_diff(*taken) >= work.refresh {
            (*grid, *taken) = (wanted, work.now);
        }
        *seen = work.now;
        *grid
    }
}

/// Object, plane and grid. The values come with when they were taken and last shown.
type Id = (u64, usize, i64, i64);

/// A picture to show: its pixels (RGBA), its size, the colour under it.
pub struct Shown<'a> {
    pub rgba: &'a [u8],
    pub width: usize,
    pub height: usize,
    pub fill: u32,
}

/// Masks `picture`. `None` where a shape touches a pixel so barely that rounding decides.
pub fn mask(
    picture: &Picture,
    work: &Work<'_>,
    pixels: &[Pixels],
    shown: &Shown<'_>,
    kept: &mut Kept,
) -> Option<Picture> {
    let (now, refresh) = (work.now, work.refresh);
    kept.0
        .retain(|_, (_, seen, _)| now.abs_diff(*seen) <= refresh.max(2_000_000_000));
    kept.1
        .retain(|_, (_, _, seen)| now.abs_diff(*seen) <= refresh.max(2_000_000_000));
    // All values come from the frame as it was.
    let mut painted = Vec::new();
    for region in work.regions {
        let Some(area) = Area::new(picture, region) else {
            continue;
        };
        let written = written(picture, region, &area, pixels)?;
        if !written.contains(&true) {
            // Nothing is shown, so nothing is kept either.
            continue;
        }
        let values = (0..picture.format.planes())
            .map(|plane| values(picture, work, region, &area, plane, shown, kept))
            .collect::<Vec<_>>();
        painted.push((region, area, written, values));
    }
    let mut out = picture.clone();
    for (region, area, written, values) in painted {
        for (plane, values) in values.iter().enumerate() {
            paint(&mut out, work, region, &area, &written, plane, values);
        }
    }
    Some(out)
}

/// A region's rectangle in the frame, grown to whole samples of every plane.
pub struct Area {
    pub left: i64,
    pub top: i64,
    pub right: i64,
    pub bottom: i64,
}

impl Area {
    fn new(picture: &Picture, region: &Region) -> Option<Self> {
        let (width, height) = (i64::from(picture.width), i64::from(picture.height));
        let (step_x, step_y) = block(picture.format, picture.interlaced);
        let cut = |start: i64, length: i64, limit: i64, step: i64| {
            let (start, end) = (start.max(0), (start + length).min(limit));
            (start < end).then(|| {
                let (first, last) = (start / step, (end - 1) / step);
                (first * step, ((last + 1) * step).min(limit))
            })
        };
        let (left, right) = cut(region.x.into(), region.width.into(), width, step_x)?;
        let (top, bottom) = cut(region.y.into(), region.height.into(), height, step_y)?;
        Some(Self {
            left,
            top,
            right,
            bottom,
        })
    }

    /// Its grid with at most `cells` along the longer side, none shorter than 4 pixels there.
    fn grid(&self, cells: i64) -> (i64, i64) {
        let (width, height) = (self.right - self.left, self.bottom - self.top);
        let long = width.max(height);
        let n = cells.min(long / 4).max(1);
        // To the nearest, halves up.
        let count = |side: i64| ((2 * side * n + long) / (2 * long)).max(1);
        (count(width), count(height))
    }
}

/// Pixels of a block that all planes have in common.
fn block(format: Format, interlaced: bool) -> (i64, i64) {
    match format {
        Format::Nv12 | Format::Nv21 | Format::I420 | Format::Yv12 | Format::P010 => {
            (2, if interlaced { 4 } else { 2 })
        }
        Format::Yuy2 | Format::Uyvy => (2, 1),
        _ => (1, 1),
    }
}

/// Pixels of a sample of a plane, across and down.
fn sample(format: Format, plane: usize) -> (i64, i64) {
    match (format, plane) {
        (Format::Yuy2 | Format::Uyvy, _) => (2, 1),
        (Format::Nv12 | Format::Nv21 | Format::I420 | Format::Yv12 | Format::P010, 1..) => (2, 2),
        _ => (1, 1),
    }
}

/// What a byte of a sample is that holds no colour.
fn constant(format: Format, plane: usize, byte: usize) -> Option<u8> {
    match (format, plane, byte) {
        (Format::Rgbx | Format::Bgrx | Format::Rgba | Format::Bgra, _, 3) => Some(255),
        (Format::Xrgb | Format::Xbgr | Format::Argb | Format::Abgr, _, 0) => Some(255),
        (Format::P010, _, 0) | (Format::P010, 1, 2) => Some(0),
        _ => None,
    }
}

/// Bytes of a sample that show one mean with this one.
fn together(format: Format, byte: usize) -> Vec<usize> {
    match (format, byte) {
        (Format::Yuy2, 0 | 2) => vec![0, 2],
        (Format::Uyvy, 1 | 3) => vec![1, 3],
        _ => vec![byte],
    }
}

/// Whether each pixel of the frame is written.
fn written(
    picture: &Picture,
    region: &Region,
    area: &Area,
    pixels: &[Pixels],
) -> Option<Vec<bool>> {
    let (width, height) = (i64::from(picture.width), i64::from(picture.height));
    let rows = if picture.interlaced { 4 } else { 2 };
    let mut out = vec![false; (width * height) as usize];
    for y in area.top..area.bottom {
        for x in area.left..area.right {
            // Shapes are made of blocks of two pixels and the rows of a band.
            let (left, top) = (x / 2 * 2, y / rows * rows);
            let (right, bottom) = ((left + 2).min(width), (top + rows).min(height));
            let block = [left, top, right, bottom];
            out[(y * width + x) as usize] = match region.shape {
                Shape::Box => true,
                Shape::Ellipse => touches_ellipse(region, [left, top, left + 2, top + rows])?,
                Shape::Runs(i) => match pixels.get(i as usize) {
                    None => true,
                    Some(Pixels::Polygon(corners)) => touches_polygon(corners, block)?,
                    Some(Pixels::Except(clear)) => !clear.iter().any(|hole| {
                        let (x, y) = (i64::from(hole.x), i64::from(hole.y));
                        let (w, h) = (i64::from(hole.width), i64::from(hole.height));
                        x <= left && right <= x + w && y <= top && bottom <= y + h
                    }),
                },
            };
        }
    }
    Some(out)
}

/// Whether an ellipse has a point inside a block: the nearest point to its centre is in it. In integers.
fn touches_ellipse(region: &Region, [left, top, right, bottom]: [i64; 4]) -> Option<bool> {
    let (w, h) = (i128::from(region.width), i128::from(region.height));
    // Everything twice as large, so that the centre is whole.
    let (cx, cy) = (2 * i128::from(region.x) + w, 2 * i128::from(region.y) + h);
    let near =
        |c: i128, first: i64, last: i64| c.clamp(2 * i128::from(first), 2 * i128::from(last)) - c;
    let (dx, dy) = (near(cx, left, right), near(cy, top, bottom));
    let (share, all) = (dx * dx * h * h + dy * dy * w * w, w * w * h * h);
    let is_close = (share - all).abs() < all / 1_000_000_000 + 1;
    if is_close && dy != 0 && dx != 0 {
        return None;
    }
    Some(share < all)
}

/// Whether a polygon has a point inside a block.
fn touches_polygon(corners: &[[f64; 2]], block: [i64; 4]) -> Option<bool> {
    let [left, top, right, bottom] = block.map(|edge| edge as f64);
    let with = |more: f64| {
        let rect = [left - more, top - more, right + more, bottom + more];
        let edges = (0..corners.len()).map(|i| (corners[i], corners[(i + 1) % corners.len()]));
        let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
        edges.clone().any(|(a, b)| crosses(a, b, rect)) || winds(edges, middle)
    };
    let (less, more) = (with(-1e-6), with(1e-6));
    (less == more).then_some(more)
}

/// Whether a piece of an edge longer than nothing lies in a rectangle (Liang and Barsky 1984).
fn crosses(a: [f64; 2], b: [f64; 2], [left, top, right, bottom]: [f64; 4]) -> bool {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let (mut first, mut last) = (0f64, 1f64);
    for (p, q) in [
        (-dx, a[0] - left),
        (dx, right - a[0]),
        (-dy, a[1] - top),
        (dy, bottom - a[1]),
    ] {
        if p == 0.0 && q <= 0.0 {
            return false;
        } else if p < 0.0 {
            first = first.max(q / p);
        } else if p > 0.0 {
            last = last.min(q / p);
        }
    }
    first < last
}

/// Whether edges go around a point, whichever way and however often.
fn winds(edges: impl Iterator<Item = ([f64; 2], [f64; 2])>, [x, y]: [f64; 2]) -> bool {
    let turns = edges.map(|(a, b)| {
        let side = (b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1]);
        if a[1] <= y && b[1] > y && side < 0.0 {
            1
        } else if a[1] > y && b[1] <= y && side > 0.0 {
            -1
        } else {
            0
        }
    });
    turns.sum::<i32>() != 0
}

/// Grid and values of a plane: all that is left of the region. Empty for a solid fill.
type Values = (i64, i64, Vec<u8>);

fn values(
    picture: &Picture,
    work: &Work<'_>,
    region: &Region,
    area: &Area,
    plane: usize,
    shown: &Shown<'_>,
    kept: &mut Kept,
) -> Values {
    let cells = |cells: u32| i64::from(cells.clamp(1, 64));
    match work.mode {
        _ if region.solid => (0, 0, Vec::new()),
        Mode::Solid => (0, 0, Vec::new()),
        Mode::Image { .. } => (64, 64, shown_values(picture, plane, shown)),
        Mode::Gaussian { cells: softness } => {
            let (nx, ny) = area.grid(64);
            let mut values = means(picture, area, plane, nx, ny)
                .iter()
                .map(|(sum, area)| ((2 * sum + area) / (2 * area)) as u8)
                .collect::<Vec<_>>();
            let sigma = (nx.max(ny) * 128 / cells(softness)).max(1);
            gaussian(picture, plane, nx, ny, sigma, &mut values);
            constants(picture, plane, &mut values);
            (nx, ny, values)
        }
        Mode::Pixelate { cells: n } | Mode::Blur { cells: n } => {
            let is_kept = region.remember && work.refresh > 0;
            let (mut nx, mut ny) = area.grid(cells(n));
            if is_kept {
                let size = (area.right - area.left, area.bottom - area.top);
                (nx, ny) = kept.grid(work, region.key, size, cells(n), (nx, ny));
            }
            let id = (region.key, plane, nx, ny);
            if is_kept && let Some((taken, seen, values)) = kept.0.get_mut(&id) {
                // Also what this frame has taken already, for another region.
                if work.now.abs_diff(*taken) < work.refresh {
                    *seen = work.now;
                    return (nx, ny, values.clone());
                }
            }
            let bytes = picture.format.channels(plane) as usize;
            let mut values = Vec::new();
            for (i, (sum, area)) in means(picture, area, plane, nx, ny).into_iter().enumerate() {
                let (cell, byte) = (i / bytes, i % bytes);
                // In 32 levels, to the nearest, halves up.
                let level = ((sum + 4 * area) / (8 * area)).min(31) as i64;
                let first = together(picture.format, byte)[0];
                let hash = half_sip_hash(work.seed.0, region.key, cell as u32);
                let bits = hash >> (2 * (plane + first));
                let noise = i64::from(bits & 1) + i64::from(bits >> 1 & 1) - 1;
                values.push(((level + noise).clamp(0, 31) * 8) as u8);
            }
            constants(picture, plane, &mut values);
            if is_kept {
                kept.0.insert(id, (work.now, work.now, values.clone()));
            }
            (nx, ny, values)
        }
    }
}

fn constants(picture: &Picture, plane: usize, values: &mut [u8]) {
    let bytes = picture.format.channels(plane) as usize;
    for (i, value) in values.iter_mut().enumerate() {
        *value = constant(picture.format, plane, i % bytes).unwrap_or(*value);
    }
}

/// Sum and number of the bytes of each cell and channel.
fn means(picture: &Picture, area: &Area, plane: usize, nx: i64, ny: i64) -> Vec<(u64, u64)> {
    let (x, y, width, height) = on_plane(picture.format, area, plane);
    let bytes = picture.format.channels(plane) as usize;
    let mut out = vec![(0, 0); (nx * ny) as usize * bytes];
    for row in 0..height {
        for column in 0..width {
            let cell = cell(row, ny, height) * nx + cell(column, nx, width);
            for byte in 0..bytes {
                for other in together(picture.format, byte) {
                    let (sum, count) = &mut out[cell as usize * bytes + byte];
                    *sum += u64::from(picture.data[picture.at(plane, x + column, y + row, other)]);
                    *count += 1;
                }
            }
        }
    }
    out
}

/// Left, top, width and height of an area in samples of a plane.
fn on_plane(format: Format, area: &Area, plane: usize) -> (i64, i64, i64, i64) {
    let (across, down) = sample(format, plane);
    let part = |start: i64, end: i64, step: i64| (start / step, (end - start + step - 1) / step);
    let (x, width) = part(area.left, area.right, across);
    let (y, height) = part(area.top, area.bottom, down);
    (x, y, width, height)
}

/// The cell of a sample: the last that begins at or before it.
fn cell(at: i64, n: i64, length: i64) -> i64 {
    (0..n).rfind(|i| i * length / n <= at).unwrap()
}

/// HalfSipHash-2-4 of the key of an object and the number of a cell (Aumasson, Bernstein 2012).
pub fn half_sip_hash(seed: u64, key: u64, cell: u32) -> u32 {
    let (k0, k1) = (seed as u32, (seed >> 32) as u32);
    let (mut a, mut b, mut c, mut d) = (k0, k1, 0x6c79_6765 ^ k0, 0x7465_6462 ^ k1);
    let mut rounds = |n: usize, before: u32, after: u32, end: u32| {
        d ^= before;
        c ^= end;
        for _ in 0..n {
            a = a.wrapping_add(b);
            c = c.wrapping_add(d);
            b = b.rotate_left(5) ^ a;
            d = d.rotate_left(8) ^ c;
            a = a.rotate_left(16);
            a = a.wrapping_add(d);
            c = c.wrapping_add(b);
            d = d.rotate_left(7) ^ a;
            b = b.rotate_left(13) ^ c;
            c = c.rotate_left(16);
        }
        a ^= after;
        b ^ d
    };
    for word in [key as u32, (key >> 32) as u32, cell, 12 << 24] {
        rounds(2, word, word, 0);
    }
    rounds(4, 0, 0, 0xff)
}

/// A Gaussian of standard deviation `sigma` / 256 cells, up to three of them far, in whole 1/65536.
fn gaussian(picture: &Picture, plane: usize, nx: i64, ny: i64, sigma: i64, values: &mut [u8]) {
    let sigma = sigma as f64 / 256.0;
    let reach = ((3.0 * sigma).ceil() as i64).min(64);
    let bell = |i: i64| (-0.5 * (i as f64 / sigma).powi(2)).exp();
    let total = 1.0 + 2.0 * (1..=reach).map(bell).sum::<f64>();
    let side = |i: i64| (bell(i) / total * 65_536.0).round() as u64;
    let middle = 65_536 - 2 * (1..=reach).map(side).sum::<u64>();
    let weight = |i: i64| if i == 0 { middle } else { side(i.abs()) };
    let weights: Vec<(i64, u64)> = (-reach..=reach).map(|i| (i, weight(i))).collect();
    let bytes = picture.format.channels(plane) as i64;
    let index = |x: i64, y: i64, byte: i64| {
        ((y.clamp(0, ny - 1) * nx + x.clamp(0, nx - 1)) * bytes + byte) as usize
    };
    let each = |of: &dyn Fn(i64, i64, i64) -> u64| -> Vec<u64> {
        (0..nx * ny * bytes)
            .map(|i| of(i / bytes % nx, i / bytes / nx, i % bytes))
            .collect()
    };
    let across = each(&|x, y, byte| {
        let taps = weights.iter();
        let sum: u64 = taps
            .map(|(i, w)| w * u64::from(values[index(x + i, y, byte)]))
            .sum();
        (sum + 128) / 256
    });
    let down = each(&|x, y, byte| {
        let taps = weights.iter();
        let sum: u64 = taps.map(|(i, w)| w * across[index(x, y + i, byte)]).sum();
        (sum + (1 << 23)) >> 24
    });
    for (value, down) in values.iter_mut().zip(down) {
        *value = down as u8;
    }
}

/// The picture in 64 × 64 samples, over its colour.
fn shown_values(picture: &Picture, plane: usize, shown: &Shown<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for i in 0..64 * 64 {
        let range = |i: usize, length: usize| {
            i * length / 64..((i + 1) * length / 64).max(i * length / 64 + 1)
        };
        let [_, under @ ..] = shown.fill.to_be_bytes();
        let mut colour = [0; 3];
        for (channel, colour) in colour.iter_mut().enumerate() {
            let (mut sum, mut count) = (0u64, 0u64);
            for y in range(i / 64, shown.height) {
                for x in range(i % 64, shown.width) {
                    let pixel = &shown.rgba[(y * shown.width + x) * 4..][..4];
                    let alpha = u64::from(pixel[3]);
                    sum += alpha * u64::from(pixel[channel])
                        + (255 - alpha) * u64::from(under[channel]);
                    count += 255;
                }
            }
            *colour = ((2 * sum + count) / (2 * count)) as u8;
        }
        let argb = u32::from_be_bytes([255, colour[0], colour[1], colour[2]]);
        let bytes = picture.format.channels(plane) as usize;
        out.extend(&picture.format.fill(plane, argb, Default::default())[..bytes]);
    }
    out
}

/// Writes a plane from values alone.
fn paint(
    out: &mut Picture,
    work: &Work<'_>,
    region: &Region,
    area: &Area,
    written: &[bool],
    plane: usize,
    (nx, ny, values): &Values,
) {
    let (nx, ny) = (*nx, *ny);
    let bytes = out.format.channels(plane) as usize;
    let (x, y, width, height) = on_plane(out.format, area, plane);
    let fill = out.format.fill(plane, work.fill, Default::default());
    for row in 0..height {
        for column in 0..width {
            if !is_written(out, written, plane, x + column, y + row) {
                continue;
            }
            for byte in 0..bytes {
                let value = |cx: i64, cy: i64| {
                    let cell = cy.min(ny - 1) * nx + cx.min(nx - 1);
                    u64::from(values[cell as usize * bytes + byte])
                };
                let shown = match work.mode {
                    _ if region.solid => fill[byte],
                    Mode::Solid => fill[byte],
                    Mode::Pixelate { .. } => {
                        value(cell(column, nx, width), cell(row, ny, height)) as u8
                    }
                    _ => {
                        let ((cx, f), (cy, g)) = (place(column, nx, width), place(row, ny, height));
                        let across = |cy| value(cx, cy) * (256 - f) + value(cx + 1, cy) * f;
                        let sum = across(cy) * (256 - g) + across(cy + 1) * g;
                        ((sum + 32_768) / 65_536) as u8
                    }
                };
                let at = out.at(plane, x + column, y + row, byte);
                out.data[at] = shown;
            }
        }
    }
}

/// The cell whose centre is at or before a sample, and how far the sample is to the next, in 1/256.
fn place(at: i64, n: i64, length: i64) -> (i64, u64) {
    let position = ((2 * at + 1) * n * 128 / length - 128).clamp(0, (n - 1) * 256);
    (position / 256, position as u64 % 256)
}

/// Whether a sample is written: its pixels are. All of them, or none.
fn is_written(picture: &Picture, written: &[bool], plane: usize, x: i64, y: i64) -> bool {
    let (width, height) = (i64::from(picture.width), i64::from(picture.height));
    let (across, down) = sample(picture.format, plane);
    let rows = if down == 2 && picture.interlaced {
        // Two rows of one field.
        let first = y / 2 * 4 + y % 2;
        [first, first + 2]
    } else {
        [y * down, y * down + down - 1]
    };
    let pixels = rows.into_iter().flat_map(|row| {
        let columns = x * across..(x * across + across).min(width);
        columns.map(move |column| (column, row))
    });
    // The last row of a field may be missing, and its chroma goes with the band.
    let inside = pixels.map(|(x, y)| written[(y.min(height - 1) * width + x) as usize]);
    let all: Vec<bool> = inside.collect();
    assert!(all.iter().all(|w| *w == all[0]), "half a sample is masked");
    all[0]
}
