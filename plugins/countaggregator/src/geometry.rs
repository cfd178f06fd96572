// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines that are crossed and polygons that are stood in.
//!
//! The direction of a crossing, in one picture (y grows downwards, as in every image):
//!
//! ```text
//!              left of the line
//!                     │
//!    from ●━━━━━━━━━━━┿━━━━━━━━━━━▶● to
//!                     ▼
//!             right of the line          this walk, down the screen, is `forward`
//! ```
//!
//! In numbers, which is what holds: `side = ((to.x−from.x)·(p.y−from.y) − (to.y−from.y)·(p.x−from.x)) / length`,
//! positive on the right; `forward` ends on the positive side. For the line (384,0)-(384,576), drawn
//! from top to bottom, `forward` is therefore a walk from the right of the screen to its left.

/// A point in pixels, or in fractions of the frame before [`Line::new`] scales it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Rightwards.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

/// Which way a line was crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the left of the line to its right, looking from its first point to its second.
    Forward,
    /// The other way.
    Backward,
}

/// A line in the pixels of one frame size, with the margin that a crossing must reach beyond it.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    from: Point,
    to: Point,
    length: f64,
    margin_right: f64,
    margin_left: f64,
}

/// What one object has done at one line so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Passage {
    /// 1 on the right, -1 on the left, 0 while it has not been clear of the line yet.
    side: i8,
    /// Last point strictly on that side.
    last: Point,
}

/// A zone in the pixels of one frame size.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<Point>);

impl Point {
    /// The point in pixels of a frame, from fractions of it.
    pub fn scaled(self, width: u32, height: u32) -> Self {
        Self {
            x: self.x * f64::from(width),
            y: self.y * f64::from(height),
        }
    }
}

impl Line {
    /// A line between two points in fractions of a frame of `width` × `height` pixels.
    pub fn new(from: Point, to: Point, width: u32, height: u32) -> Self {
        let (from, to) = (from.scaled(width, height), to.scaled(width, height));
        let mut line = Self {
            from,
            to,
            length: (to.x - from.x).hypot(to.y - from.y),
            margin_right: 0.0,
            margin_left: 0.0,
        };
        let margin = MARGIN * f64::from(height);
        let (left, right) = line.room(width.into(), height.into());
        line.margin_right = margin.min(right / 2.0);
        line.margin_left = margin.min(left / 2.0);
        line
    }

    /// How far the frame reaches to the left and to the right of the line.
    fn room(&self, width: f64, height: f64) -> (f64, f64) {
        let corners = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)];
        corners
            .iter()
            .map(|&(x, y)| self.side(Point { x, y }))
            .fold((0.0, 0.0), |(left, right): (f64, f64), d| {
                (left.max(-d), right.max(d))
            })
    }

    /// Signed distance in pixels, positive on the right.
    pub fn side(&self, p: Point) -> f64 {
        let (dx, dy) = (self.to.x - self.from.x, self.to.y - self.from.y);
        (dx * (p.y - self.from.y) - dy * (p.x - self.from.x)) / self.length
    }

    /// Whether the foot of `p` on the line lies between its two points.
    pub fn along(&self, p: Point) -> bool {
        let (dx, dy) = (self.to.x - self.from.x, self.to.y - self.from.y);
        let t = ((p.x - self.from.x) * dx + (p.y - self.from.y) * dy) / (self.length * self.length);
        // Feet cut at the lower edge of the frame lie exactly at the end of a line drawn down to it.
        (-ROUNDING..=1.0 + ROUNDING).contains(&t)
    }
}

impl Passage {
    /// Takes in where the object is now; a crossing is told once, when the object is clear of the line
    /// on the other side.
    ///
    /// A point is clear when it lies further from the line than the margin, so that a box that trembles
    /// on the line crosses nothing. What counts is the way from the last point on the old side to this
    /// one, so that a point exactly on the line loses nothing and no speed is too high.
    pub fn step(&mut self, line: &Line, p: Point) -> Option<Direction> {
        let d = line.side(p);
        let now = if d > line.margin_right {
            1
        } else if d < -line.margin_left {
            -1
        } else {
            0
        };
        if self.side == 0 {
            self.side = now;
            self.last = p;
            return None;
        }
        if now != -self.side {
            if d * f64::from(self.side) > 0.0 {
                self.last = p;
            }
            return None;
        }
        // The two distances have opposite signs, so the way meets the line at this share of it.
        let before = line.side(self.last);
        let share = before / (before - d);
        let meeting = Point {
            x: self.last.x + share * (p.x - self.last.x),
            y: self.last.y + share * (p.y - self.last.y),
        };
        self.side = now;
        self.last = p;
        line.along(meeting).then_some(if now > 0 {
            Direction::Forward
        } else {
            Direction::Backward
        })
    }
}

impl Polygon {
    /// A polygon with corners in fractions of a frame of `width` × `height` pixels.
    pub fn new(corners: &[Point], width: u32, height: u32) -> Self {
        Self(corners.iter().map(|p| p.scaled(width, height)).collect())
    }

    /// Whether `p` lies inside, by the even-odd rule. Each point of a border shared by two polygons
    /// belongs to one of them: edges include their upper end and exclude their lower one.
    pub fn contains(&self, p: Point) -> bool {
        edges(&self.0)
            .filter(|(a, b)| {
                (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x
            })
            .count()
            % 2
            == 1
    }
}

/// Area enclosed by the corners, in the square of their unit (shoelace formula).
pub fn area(corners: &[Point]) -> f64 {
    let twice: f64 = edges(corners).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    twice.abs() / 2.0
}

/// Whether two edges that are not neighbours meet, so that inside and outside would be unclear.
pub fn crosses_itself(corners: &[Point]) -> bool {
    let edges: Vec<_> = edges(corners).collect();
    let n = edges.len();
    (0..n).any(|i| {
        (i + 2..n)
            .filter(|j| (j + 1) % n != i)
            .any(|j| meet(edges[i], edges[j]))
    })
}

/// Whether two zones share an area. Neighbours that only touch do not.
pub fn zones_overlap(a: &[Point], b: &[Point]) -> bool {
    let crossing = edges(a).any(|(p, q)| edges(b).any(|(r, s)| cross(p, q, r, s)));
    if crossing {
        return true;
    }
    // Where no edges cross, each stays on its side of the others between two corners, so that one look
    // at the height in the middle tells.
    let mut heights: Vec<f64> = a.iter().chain(b).map(|p| p.y).collect();
    heights.sort_by(f64::total_cmp);
    heights.windows(2).any(|pair| {
        if pair[1] - pair[0] < ROUNDING {
            return false;
        }
        let y = (pair[0] + pair[1]) / 2.0;
        let (a, b) = (spans(a, y), spans(b, y));
        a.iter()
            .any(|&(a0, a1)| b.iter().any(|&(b0, b1)| a1.min(b1) - a0.max(b0) > ROUNDING))
    })
}

/// Whether two lines, in fractions of the frame, run so close beside each other that whoever crosses one
/// crosses the other there.
pub fn lines_overlap(a: (Point, Point), b: (Point, Point)) -> bool {
    let line = |(from, to): (Point, Point)| Line {
        from,
        to,
        length: (to.x - from.x).hypot(to.y - from.y),
        margin_right: 0.0,
        margin_left: 0.0,
    };
    let (a_line, b_line) = (line(a), line(b));
    let sine = ((a.1.x - a.0.x) * (b.1.y - b.0.y) - (a.1.y - a.0.y) * (b.1.x - b.0.x))
        / (a_line.length * b_line.length);
    if sine.abs() > SAME_DIRECTION {
        return false;
    }
    let close = |line: &Line, (from, to): (Point, Point)| {
        let place = |p: Point| {
            let (dx, dy) = (line.to.x - line.from.x, line.to.y - line.from.y);
            ((p.x - line.from.x) * dx + (p.y - line.from.y) * dy) / line.length
        };
        let (one, other) = (place(from), place(to));
        let (first, last) = (one.min(other).max(0.0), one.max(other).min(line.length));
        // The distance at both ends of the stretch that they have beside each other.
        let away = |at: f64| {
            let share = (at - one) / (other - one);
            let p = Point {
                x: from.x + share * (to.x - from.x),
                y: from.y + share * (to.y - from.y),
            };
            line.side(p)
        };
        last - first > ROUNDING
            && (away(first).abs().min(away(last).abs()) <= SAME_PLACE
                || away(first).signum() != away(last).signum())
    };
    close(&a_line, b) || close(&b_line, a)
}

/// Where a level at height `y` lies inside.
fn spans(corners: &[Point], y: f64) -> Vec<(f64, f64)> {
    let mut at: Vec<f64> = edges(corners)
        .filter(|(a, b)| (a.y > y) != (b.y > y))
        .map(|(a, b)| (b.x - a.x) * (y - a.y) / (b.y - a.y) + a.x)
        .collect();
    at.sort_by(f64::total_cmp);
    at.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// How far the unit square reaches to either side of the line through two points in fractions; the
/// smaller of the two.
pub fn smaller_side(from: Point, to: Point) -> f64 {
    let line = Line {
        from,
        to,
        length: (to.x - from.x).hypot(to.y - from.y),
        margin_right: 0.0,
        margin_left: 0.0,
    };
    let (left, right) = line.room(1.0, 1.0);
    left.min(right)
}

fn edges(corners: &[Point]) -> impl Iterator<Item = (Point, Point)> + '_ {
    let next = corners.iter().cycle().skip(1);
    corners.iter().copied().zip(next.copied())
}

/// Which way it goes from `p` over `q` to `r`: 1, -1, or 0 for straight on.
fn turn(p: Point, q: Point, r: Point) -> f64 {
    let cross = (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    if cross.abs() < 1e-12 {
        0.0
    } else {
        cross.signum()
    }
}

/// Whether the ways from `a` to `b` and from `c` to `d` cross, and do not only touch.
fn cross(a: Point, b: Point, c: Point, d: Point) -> bool {
    turn(a, b, c) * turn(a, b, d) < 0.0 && turn(c, d, a) * turn(c, d, b) < 0.0
}

fn meet((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let within = |p: Point, q: Point, r: Point| {
        r.x >= p.x.min(q.x) && r.x <= p.x.max(q.x) && r.y >= p.y.min(q.y) && r.y <= p.y.max(q.y)
    };
    let (abc, abd, cda, cdb) = (turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b));
    cross(a, b, c, d)
        || abc == 0.0 && within(a, b, c)
        || abd == 0.0 && within(a, b, d)
        || cda == 0.0 && within(c, d, a)
        || cdb == 0.0 && within(c, d, b)
}

/// How far beyond a line a point must be, as a share of the frame's height: 5 pixels of 576. Half the
/// room there is where the line runs closer to the edge of the frame.
const MARGIN: f64 = 5.0 / 576.0;
const ROUNDING: f64 = 1e-9;
/// Lines up to 10 degrees apart have one direction (sine).
const SAME_DIRECTION: f64 = 0.174;
/// Lines this close together, in fractions of the frame, are in one place.
const SAME_PLACE: f64 = 0.02;

#[cfg(test)]
mod tests;
