// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pixels of a frame as runs along its rows: polygons, and everything but some rectangles.

use crate::Rect;

/// Sets of pixels of a frame, for [`Shape::Runs`](crate::Shape::Runs). The rows are taken in bands of
/// two (four in an interlaced frame), and runs begin and end at even pixels or at the right edge, so
/// that a set is the same on every plane. Kept from frame to frame, it allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    width: u32,
    height: u32,
    interlaced: bool,
    /// Where the spans of each band begin, and after the last where they end.
    bands: Vec<u32>,
    /// Sorted and apart within a band: first pixel, last pixel + 1.
    spans: Vec<[u32; 2]>,
}

impl Runs {
    /// Rows of a band: bands are counted from the top of a frame, and the last one may have fewer.
    pub fn band_rows(interlaced: bool) -> u32 {
        if interlaced { 4 } else { 2 }
    }

    /// Every pixel that a polygon touches in a frame of `width` × `height`. The corners are in pixels
    /// of the frame and may lie outside; the polygon closes by itself, may cross itself (what it winds
    /// around is inside) and may be concave. One without an area touches at most a line of pixels. A
    /// corner that is not a number makes it the whole frame.
    pub fn polygon(&mut self, corners: &[[f64; 2]], width: u32, height: u32, interlaced: bool) {
        self.begin(width, height, interlaced);
        if corners.iter().flatten().any(|c| !c.is_finite()) {
            self.each_band(|spans, _, _| spans.push([0, width]));
            return;
        }
        let edges = || {
            let next = corners.iter().cycle().skip(1);
            corners.iter().copied().zip(next.copied())
        };
        self.each_band(|spans, top, bottom| {
            let (top, bottom) = (f64::from(top), f64::from(bottom));
            let first = spans.len();
            for (a, b) in edges() {
                if let Some((left, right)) = touched(a, b, top, bottom) {
                    push(spans, left, right, width);
                }
            }
            merge(spans, first);
            // No edge passes between two of these spans: what lies there is inside or outside as a
            // whole, as any of its points is.
            let middle = (top + bottom) / 2.0;
            let touched = spans.len();
            for i in first..touched {
                let left = if i == first { 0 } else { spans[i - 1][1] };
                fill_gap(spans, left, spans[i][0], middle, edges());
            }
            let left = if touched == first {
                0
            } else {
                spans[touched - 1][1]
            };
            fill_gap(spans, left, width, middle, edges());
            merge(spans, first);
            drop_empty(spans, first);
        });
    }

    /// Every pixel of a frame of `width` × `height` that lies in none of the `clear` rectangles. They
    /// are cut inward to bands and even pixels: no more than they hold stays clear.
    pub fn except(&mut self, width: u32, height: u32, clear: &[Rect], interlaced: bool) {
        self.begin(width, height, interlaced);
        self.each_band(|spans, top, bottom| {
            let first = spans.len();
            for hole in clear {
                let right = hole.x.saturating_add(hole.width).min(width);
                let left = hole.x.saturating_add(hole.x & 1).min(width);
                let right = if right == width { right } else { right & !1 };
                let inside = hole.y <= top && bottom <= hole.y.saturating_add(hole.height);
                if inside && left < right {
                    spans.push([left, right]);
                }
            }
            merge(spans, first);
            // What lies between the holes takes their place.
            let mut left = 0;
            for span in &mut spans[first..] {
                let [start, end] = *span;
                *span = [left, start];
                left = end;
            }
            spans.push([left, width]);
            drop_empty(spans, first);
        });
    }

    /// How many pixels these are.
    pub fn pixels(&self) -> u64 {
        let rows = Self::band_rows(self.interlaced);
        (0..self.bands.len().saturating_sub(1) as u32)
            .map(|band| {
                let rows = rows.min(self.height - band * rows);
                let length: u32 = self.band(band).iter().map(|[a, b]| b - a).sum();
                u64::from(rows) * u64::from(length)
            })
            .sum()
    }

    /// Whether they are made for such a frame.
    pub(crate) fn fits(&self, width: u32, height: u32, interlaced: bool) -> bool {
        (self.width, self.height, self.interlaced) == (width, height, interlaced)
    }

    /// The spans of a band of a frame that they fit.
    pub(crate) fn band(&self, band: u32) -> &[[u32; 2]] {
        let band = band as usize;
        &self.spans[self.bands[band] as usize..self.bands[band + 1] as usize]
    }

    fn begin(&mut self, width: u32, height: u32, interlaced: bool) {
        (self.width, self.height, self.interlaced) = (width, height, interlaced);
        self.bands.clear();
        self.spans.clear();
    }

    /// Calls `make` for each band with the spans so far, to which it adds, and its first and last
    /// row + 1.
    fn each_band(&mut self, mut make: impl FnMut(&mut Vec<[u32; 2]>, u32, u32)) {
        let rows = Self::band_rows(self.interlaced);
        let mut top = 0;
        self.bands.push(0);
        while top < self.height {
            let bottom = (top + rows).min(self.height);
            make(&mut self.spans, top, bottom);
            self.bands.push(self.spans.len() as u32);
            top = bottom;
        }
    }
}

/// Leftmost and rightmost point of an edge within the rows from `top` to `bottom`.
fn touched(a: [f64; 2], b: [f64; 2], top: f64, bottom: f64) -> Option<(f64, f64)> {
    let (upper, lower) = if a[1] <= b[1] { (a, b) } else { (b, a) };
    if lower[1] <= top || upper[1] >= bottom {
        return None;
    }
    let at = |y: f64| {
        let share = (y - upper[1]) / (lower[1] - upper[1]);
        // The ends themselves are exact.
        (upper[0] + share * (lower[0] - upper[0]))
            .clamp(upper[0].min(lower[0]), upper[0].max(lower[0]))
    };
    let first = if upper[1] >= top { upper[0] } else { at(top) };
    let last = if lower[1] <= bottom {
        lower[0]
    } else {
        at(bottom)
    };
    Some((first.min(last), first.max(last)))
}

/// Adds the pixels from `left` to `right`, outward to even ones. None, between two pixels, still parts
/// what lies on either side.
fn push(spans: &mut Vec<[u32; 2]>, left: f64, right: f64, width: u32) {
    let limit = f64::from(width);
    if right < 0.0 || left >= limit {
        return;
    }
    // `as` saturates.
    let first = left.max(0.0).floor() as u32 & !1;
    let end = right.min(limit).ceil() as u32;
    spans.push([first, end.next_multiple_of(2).min(width)]);
}

/// Adds what lies from `left` to before `right` when the edges wind around it.
fn fill_gap(
    spans: &mut Vec<[u32; 2]>,
    left: u32,
    right: u32,
    y: f64,
    edges: impl Iterator<Item = ([f64; 2], [f64; 2])>,
) {
    if left >= right {
        return;
    }
    let x = (f64::from(left) + f64::from(right)) / 2.0;
    let mut winding = 0i32;
    for (a, b) in edges {
        let down = a[1] <= y && b[1] > y;
        let up = b[1] <= y && a[1] > y;
        if (down || up) && a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) < x {
            winding += if down { 1 } else { -1 };
        }
    }
    if winding != 0 {
        spans.push([left, right]);
    }
}

/// Sorts the spans from `first` on and joins those that touch.
fn merge(spans: &mut Vec<[u32; 2]>, first: usize) {
    spans[first..].sort_unstable();
    let mut kept = first;
    for i in first..spans.len() {
        let span = spans[i];
        if kept > first && spans[kept - 1][1] >= span[0] {
            spans[kept - 1][1] = spans[kept - 1][1].max(span[1]);
        } else {
            spans[kept] = span;
            kept += 1;
        }
    }
    spans.truncate(kept);
}

/// Takes out the spans from `first` on that hold nothing.
fn drop_empty(spans: &mut Vec<[u32; 2]>, first: usize) {
    let mut kept = first;
    for i in first..spans.len() {
        if spans[i][0] < spans[i][1] {
            spans[kept] = spans[i];
            kept += 1;
        }
    }
    spans.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Vec<[u32; 2]> {
        Vec::new()
    }

    fn rows(runs: &Runs) -> Vec<Vec<[u32; 2]>> {
        (0..runs.bands.len() as u32 - 1)
            .map(|band| runs.band(band).to_vec())
            .collect()
    }

    fn polygon(corners: &[[f64; 2]], width: u32, height: u32) -> Runs {
        let mut runs = Runs::default();
        runs.polygon(corners, width, height, false);
        runs
    }

    #[test]
    fn polygons_cover_every_pixel_that_they_touch() {
        let square = [[4.0, 2.0], [8.0, 2.0], [8.0, 6.0], [4.0, 6.0]];
        let of = |corners: &[[f64; 2]]| rows(&polygon(corners, 16, 9));
        let b = |x0, x1| vec![[x0, x1]];
        assert_eq!(of(&square), [vec![], b(4, 8), b(4, 8), vec![], vec![]]);
        let shifted = square.map(|[x, y]| [x + 0.5, y + 0.5]);
        assert_eq!(of(&shifted), [vec![], b(4, 10), b(4, 10), b(4, 10), vec![]]);
        // Wider than the frame on every side: nothing of it is an edge in the frame.
        let all = [[-9.0, -9.0], [99.0, -9.0], [99.0, 99.0], [-9.0, 99.0]];
        assert_eq!(of(&all), vec![b(0, 16); 5]);
        let outside = square.map(|[x, y]| [x + 50.0, y]);
        assert_eq!(of(&outside), vec![none(); 5]);
        assert_eq!(of(&square.map(|[x, y]| [x - 50.0, y])), vec![none(); 5]);
        // A line touches its pixels; nothing is nothing.
        assert_eq!(of(&[[3.0, 4.5], [9.5, 4.5]])[2], b(2, 10));
        assert_eq!(of(&[]), vec![none(); 5]);
        assert_eq!(of(&[[f64::NAN, 1.0], [2.0, 2.0]]), vec![b(0, 16); 5]);
        assert_eq!(of(&[[1e300, -1e300], [-1e300, 0.0], [0.0, 1e300]]).len(), 5);
    }

    #[test]
    fn concave_and_crossing_polygons_keep_their_gaps() {
        // A U: two legs and a bottom.
        let u = [
            [0.0, 0.0],
            [4.0, 0.0],
            [4.0, 6.0],
            [12.0, 6.0],
            [12.0, 0.0],
            [16.0, 0.0],
            [16.0, 8.0],
            [0.0, 8.0],
        ];
        let found = rows(&polygon(&u, 20, 8));
        assert_eq!(found[0], [[0, 4], [12, 16]]);
        assert_eq!(found[3], [[0, 16]]);
        // A square wound twice is inside, not outside.
        let square = [[2.0, 0.0], [10.0, 0.0], [10.0, 8.0], [2.0, 8.0]];
        let twice: Vec<_> = square.iter().chain(&square).copied().collect();
        assert_eq!(rows(&polygon(&twice, 20, 8)), vec![vec![[2, 10]]; 4]);
    }

    /// Against a test of many points: where one is inside, its pixel is covered.
    #[test]
    fn no_point_of_a_random_polygon_is_left_out() {
        let mut state = 77u32;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for round in 0..300 {
            let (width, height) = (1 + random(40), 1 + random(40));
            let corners: Vec<[f64; 2]> = (0..3 + random(5))
                .map(|_| [0; 2].map(|_: i32| f64::from(random(600)) / 10.0 - 10.0))
                .collect();
            let mut runs = Runs::default();
            runs.polygon(&corners, width, height, round % 2 == 0);
            let rows = Runs::band_rows(runs.interlaced);
            let mut covered = 0;
            for y in 0..height {
                for x in 0..width {
                    let masked = runs
                        .band(y / rows)
                        .iter()
                        .any(|[a, b]| (*a..*b).contains(&x));
                    covered += u64::from(masked);
                    for (dx, dy) in [(0.1, 0.1), (0.9, 0.2), (0.5, 0.5), (0.2, 0.9)] {
                        let (px, py) = (f64::from(x) + dx, f64::from(y) + dy);
                        let mut winding = 0;
                        for i in 0..corners.len() {
                            let (a, b) = (corners[i], corners[(i + 1) % corners.len()]);
                            if (a[1] <= py) != (b[1] <= py) {
                                let at = a[0] + (py - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
                                winding += i32::from(at < px) * if a[1] <= py { 1 } else { -1 };
                            }
                        }
                        assert!(masked || winding == 0, "{corners:?}: {px}, {py}");
                    }
                }
            }
            assert_eq!(runs.pixels(), covered);
            for spans in (0..height.div_ceil(rows)).map(|band| runs.band(band)) {
                assert!(spans.windows(2).all(|w| w[0][1] < w[1][0]), "sorted, apart");
                assert!(
                    spans
                        .iter()
                        .all(|[a, b]| a % 2 == 0 && (b % 2 == 0 || *b == width))
                );
            }
        }
    }

    #[test]
    fn no_more_than_the_rectangles_stays_clear() {
        let clear = |x, y, width, height| Rect {
            x,
            y,
            width,
            height,
        };
        let of = |holes: &[Rect], interlaced| {
            let mut runs = Runs::default();
            runs.except(15, 9, holes, interlaced);
            rows(&runs)
        };
        assert_eq!(of(&[], false), vec![vec![[0, 15]]; 5]);
        assert_eq!(of(&[clear(0, 0, 15, 9)], false), vec![none(); 5]);
        let full = vec![[0, 15]];
        let cut = of(&[clear(3, 3, 6, 4)], false);
        let hole = vec![[0, 4], [8, 15]];
        assert_eq!(
            cut,
            [
                full.clone(),
                full.clone(),
                hole.clone(),
                full.clone(),
                full.clone()
            ]
        );
        let cut = of(&[clear(4, 2, 4, 6)], true);
        assert_eq!(cut, [full.clone(), hole, full.clone()]);
        let two = of(
            &[clear(0, 0, 6, 9), clear(4, 0, 6, 9), clear(14, 0, 9, 9)],
            false,
        );
        assert_eq!(two, vec![vec![[10, 14]]; 5]);
        let odd = of(&[clear(u32::MAX, 0, 3, 3), clear(3, 0, 1, 9)], false);
        assert_eq!(odd, vec![full; 5]);
    }
}
