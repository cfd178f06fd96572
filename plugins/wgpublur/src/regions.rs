// SPDX-License-Identifier: MIT OR Apache-2.0
//! From objects to regions: padding, and when the whole frame is cheaper and safer.

use privacy_shaders::{Format, Region};

use crate::hold::Object;

/// Added above a box, as a share of its height, besides the padding: detectors cut hair and hats.
const HEADROOM: f64 = 0.1;

/// When regions add up to more than this many frames, the whole frame is masked instead: it shows
/// less and bounds the work, whatever a broken detector sends.
const MAX_FRAMES: u64 = 4;

/// Regions of `objects` on a frame, grown by `padding` (share of a box's size, on each side).
/// `None` when there is so much of them that the whole frame has to be masked.
pub fn regions(
    objects: &[Object],
    padding: f64,
    format: Format,
    width: u32,
    height: u32,
) -> Option<Vec<Region>> {
    let mut regions = Vec::with_capacity(objects.len());
    let mut area = 0u64;
    for object in objects {
        let region = padded(object, padding);
        let Some(rect) = region.aligned(format, false, width, height) else {
            continue;
        };
        area += u64::from(rect.width) * u64::from(rect.height);
        regions.push(Region {
            x: rect.x as i32,
            y: rect.y as i32,
            width: rect.width,
            height: rect.height,
            ..region
        });
    }
    let frame = u64::from(width) * u64::from(height);
    (area <= MAX_FRAMES * frame).then_some(regions)
}

/// Share of a frame that aligned regions cover, 0 to 1, overlaps counted once.
pub fn share(regions: &[Region], width: u32, height: u32) -> f64 {
    let frame = f64::from(width) * f64::from(height);
    if frame > 0.0 {
        covered(regions) as f64 / frame
    } else {
        0.0
    }
}

/// Pixels in the union of regions: for each strip between two horizontal edges, the length of the
/// union of the intervals in it.
fn covered(regions: &[Region]) -> u64 {
    let bottom_of = |r: &Region| r.y.saturating_add_unsigned(r.height);
    let mut edges: Vec<i32> = regions.iter().flat_map(|r| [r.y, bottom_of(r)]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut by_left: Vec<&Region> = regions.iter().collect();
    by_left.sort_unstable_by_key(|r| r.x);
    let mut pixels = 0;
    for strip in edges.windows(2) {
        let (top, bottom) = (strip[0], strip[1]);
        let (mut length, mut reached) = (0u64, 0i32);
        for r in by_left
            .iter()
            .filter(|r| r.y <= top && bottom <= bottom_of(r))
        {
            let right = r.x.saturating_add_unsigned(r.width);
            length += u64::from(right.saturating_sub(reached.max(r.x)).max(0).unsigned_abs());
            reached = reached.max(right);
        }
        pixels += length * u64::from(bottom.abs_diff(top));
    }
    pixels
}

/// The box with its padding, cut at the left and top edges of the frame (the others are cut by
/// [`Region::aligned`]). Sides move outward to whole pixels.
fn padded(object: &Object, padding: f64) -> Region {
    let [x, y, width, height] = object.rect;
    let side = |size: u32, share: f64| (f64::from(size) * share).ceil();
    let each = padding + object.growth;
    // Whoever asks for no padding at all gets none.
    let above = if padding > 0.0 { each + HEADROOM } else { each };
    let left = (f64::from(x) - side(width, each)).max(0.0);
    let top = (f64::from(y) - side(height, above)).max(0.0);
    let right = f64::from(x) + f64::from(width) + side(width, each);
    let bottom = f64::from(y) + f64::from(height) + side(height, each);
    // `as` saturates: a box larger than any frame stays one.
    Region {
        x: left as i32,
        y: top as i32,
        width: (right - left) as u32,
        height: (bottom - top) as u32,
        key: object.key,
        ..Region::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(rect: [u32; 4], growth: f64) -> Object {
        Object {
            rect,
            key: 3,
            growth,
        }
    }

    fn region(x: i32, y: i32, width: u32, height: u32) -> Region {
        Region {
            x,
            y,
            width,
            height,
            key: 3,
            ..Region::default()
        }
    }

    #[test]
    fn boxes_grow_by_their_size_and_more_above() {
        let of = |rect, padding, growth| padded(&object(rect, growth), padding);
        assert_eq!(of([100, 200, 50, 100], 0.1, 0.0), region(95, 180, 60, 130));
        assert_eq!(of([100, 200, 50, 100], 0.0, 0.0), region(100, 200, 50, 100));
        assert_eq!(
            of([100, 200, 50, 100], 0.0, 0.5),
            region(75, 150, 100, 200),
            "a held box grows even without padding"
        );
        assert_eq!(
            of([7, 9, 1, 1], 0.1, 0.0),
            region(6, 8, 3, 3),
            "outward to whole pixels"
        );
        assert_eq!(of([0, 0, 10, 10], 2.0, 0.0), region(0, 0, 30, 30));
        let huge = of([u32::MAX, u32::MAX, u32::MAX, u32::MAX], 2.0, 9.0);
        assert!(huge.aligned(Format::Nv12, false, 64, 64).is_some());
    }

    #[test]
    fn what_lies_outside_is_left_out_and_too_much_is_refused() {
        let out = object([640, 480, 10, 10], 0.0);
        assert_eq!(
            regions(&[out], 0.0, Format::Nv12, 640, 480),
            Some(Vec::new())
        );
        let whole = object([0, 0, 640, 480], 0.0);
        let of = |n| regions(&vec![whole; n], 0.1, Format::Nv12, 640, 480);
        assert_eq!(of(4).map(|r| r.len()), Some(4));
        assert_eq!(of(5), None);
    }

    #[test]
    fn the_share_counts_overlaps_once() {
        let of = |regions: &[Region]| share(regions, 10, 10);
        assert_eq!(of(&[]), 0.0);
        assert_eq!(of(&[region(0, 0, 10, 10)]), 1.0);
        assert_eq!(of(&[region(0, 0, 5, 10), region(0, 0, 5, 10)]), 0.5);
        assert_eq!(of(&[region(0, 0, 4, 4), region(2, 2, 4, 4)]), 0.28);
        assert_eq!(of(&[region(0, 0, 1, 1), region(9, 9, 1, 1)]), 0.02);
        assert_eq!(
            of(&[region(0, 0, 9, 1), region(1, 0, 2, 1), region(5, 0, 5, 1)]),
            0.1
        );
    }
}
