// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is masked: rectangles, and the part of them that is written.

use crate::{Format, Frame, Runs};

/// A rectangle inside a frame, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// Which pixels of a region are written. The cells are always those of the whole rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// All of the rectangle.
    #[default]
    Box,
    /// The ellipse inside the rectangle, also where it sticks out of the frame. Whoever wants a box
    /// covered asks for one √2 times as wide and high: the ellipse then runs through its corners. Two
    /// rows (four of an interlaced frame) are covered from the leftmost to the rightmost pixel that the
    /// ellipse touches in either.
    Ellipse,
    /// Those of [`Work::runs`](crate::Work::runs) with this index. Where there are none of that index,
    /// or not for a frame of this size, all of the rectangle.
    Runs(u32),
}

/// A rectangle to mask, in pixels of the frame.
///
/// What lies outside the frame is ignored; an empty region masks nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Region {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Stable for as long as this is the same object: the noise of a cell depends on it, and what is
    /// remembered is remembered under it.
    pub key: u64,
    /// Which part of the rectangle is written.
    pub shape: Shape,
    /// Paints the region with [`Work::fill`](crate::Work::fill) whatever the mode.
    pub solid: bool,
    /// Shows the same cells for [`Work::refresh`](crate::Work::refresh), whatever the frames show.
    pub remember: bool,
}

impl Region {
    /// The whole frame.
    pub fn whole(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            ..Self::default()
        }
    }

    /// The part inside a frame of `width` × `height`, grown outward to what `format` can mask (see
    /// [`Format::alignment`]). `None` when nothing is inside.
    ///
    /// For [`Shape::Box`] these are exactly the pixels that a mask overwrites; other shapes overwrite
    /// some of them.
    pub fn aligned(
        &self,
        format: Format,
        interlaced: bool,
        width: u32,
        height: u32,
    ) -> Option<Rect> {
        let (across, down) = format.alignment(interlaced);
        let (x, right) = side(self.x, self.width, width, across)?;
        let (y, bottom) = side(self.y, self.height, height, down)?;
        Some(Rect {
            x,
            y,
            width: right - x,
            height: bottom - y,
        })
    }

    /// [`Region::aligned`] to a frame.
    pub(crate) fn on(&self, frame: &Frame<'_>) -> Option<Rect> {
        self.aligned(
            frame.format(),
            frame.interlaced(),
            frame.width(),
            frame.height(),
        )
    }

    /// Calls `span` with the first pixel and the last + 1 of each piece of a row that a mask overwrites, in
    /// order, in every row of `rect` that lies in band `band` of the frame (see [`Runs::band_rows`]; a
    /// [`Shape::Box`] is the same in all of them). `rect` is the region [aligned](Region::aligned) to the
    /// frame of `width` × `height`.
    #[expect(clippy::too_many_arguments, reason = "the frame is told by its sizes")]
    pub fn spans(
        &self,
        rect: Rect,
        runs: &[Runs],
        width: u32,
        height: u32,
        interlaced: bool,
        band: u32,
        mut span: impl FnMut(u32, u32),
    ) {
        let (left, right) = (rect.x, rect.x + rect.width);
        let mut push = |first: u32, end: u32| {
            let (first, end) = (first.max(left), end.min(right));
            if first < end {
                span(first, end);
            }
        };
        match self.shape {
            Shape::Box => push(left, right),
            Shape::Ellipse => {
                let rows = Runs::band_rows(interlaced);
                if let Some((a, b)) = self.ellipse_span(band * rows, (band + 1) * rows) {
                    // `as` saturates; the even pixel after the last one is cut with the rest.
                    push(a as u32 & !1, (b as u32).saturating_add(1) & !1);
                }
            }
            Shape::Runs(index) => match runs.get(index as usize) {
                Some(runs) if runs.fits(width, height, interlaced) => {
                    runs.band(band).iter().for_each(|&[a, b]| push(a, b));
                }
                // Rather too much than nothing.
                _ => push(left, right),
            },
        }
    }

    /// First and last pixel + 1 that its ellipse touches in the rows from `top` to before `bottom`, in
    /// pixels of the frame and not cut at its edges; `None` where it touches none.
    fn ellipse_span(&self, top: u32, bottom: u32) -> Option<(f64, f64)> {
        let (a, b) = (f64::from(self.width) / 2.0, f64::from(self.height) / 2.0);
        let (cx, cy) = (f64::from(self.x) + a, f64::from(self.y) + b);
        // The row that comes nearest to the centre is the widest.
        let nearest = cy.clamp(f64::from(top), f64::from(bottom)) - cy;
        let share = nearest / b;
        // Not a number for an ellipse without a height.
        if share.is_nan() || share.abs() >= 1.0 {
            return None;
        }
        let half = a * (1.0 - share * share).sqrt();
        Some(((cx - half).floor(), (cx + half).ceil()))
    }
}

/// The part of a side that lies in 0 to `limit`, from a multiple of `step` to a multiple or the limit.
fn side(start: i32, length: u32, limit: u32, step: u32) -> Option<(u32, u32)> {
    let first = i64::from(start).max(0);
    let end = (i64::from(start) + i64::from(length)).min(i64::from(limit));
    if first >= end {
        return None;
    }
    // Both are inside 0 to `limit`, which is a u32.
    let (first, end) = (first as u32, end as u32);
    Some((first / step * step, end.next_multiple_of(step).min(limit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(x: i32, y: i32, width: u32, height: u32) -> Region {
        Region {
            x,
            y,
            width,
            height,
            ..Region::default()
        }
    }

    #[test]
    fn regions_are_cut_and_aligned_outward() {
        let of = |r: Region, format, interlaced| {
            r.aligned(format, interlaced, 33, 17)
                .map(|r| (r.x, r.y, r.width, r.height))
        };
        let nv12 = |x, y, w, h| of(region(x, y, w, h), Format::Nv12, false);
        assert_eq!(nv12(3, 3, 1, 1), Some((2, 2, 2, 2)));
        assert_eq!(
            nv12(31, 15, 9, 9),
            Some((30, 14, 3, 3)),
            "odd edges stay inside"
        );
        assert_eq!(nv12(32, 16, 1, 1), Some((32, 16, 1, 1)));
        assert_eq!(nv12(33, 0, 5, 5), None);
        assert_eq!(nv12(4, 4, 0, 5), None);
        assert_eq!(nv12(-5, -4, 8, 7), Some((0, 0, 4, 4)), "cut on the left");
        assert_eq!(nv12(-5, 0, 5, 7), None);
        let all = (0, 0, 33, 17);
        assert_eq!(nv12(i32::MIN, 0, u32::MAX, 17).map(|r| r.2), Some(33));
        assert_eq!(nv12(1, 1, u32::MAX, u32::MAX), Some(all), "no overflow");
        assert_eq!(nv12(i32::MAX, i32::MAX, u32::MAX, u32::MAX), None);
        let one = region(3, 3, 1, 1);
        assert_eq!(of(one, Format::Bgrx, true), Some((3, 3, 1, 1)));
        assert_eq!(of(one, Format::Yuy2, true), Some((2, 3, 2, 1)));
        assert_eq!(of(one, Format::I420, true), Some((2, 0, 2, 4)));
    }

    #[test]
    fn an_ellipse_touches_the_middles_of_its_rectangle_and_not_the_corners() {
        let circle = region(-10, 0, 40, 40);
        assert_eq!(circle.ellipse_span(18, 20), Some((-10.0, 30.0)));
        assert_eq!(circle.ellipse_span(19, 21), Some((-10.0, 30.0)));
        // 2 rows from the top: 20² − 18² = 76 = 8.7².
        assert_eq!(circle.ellipse_span(0, 2), Some((1.0, 19.0)));
        assert_eq!(circle.ellipse_span(38, 40), Some((1.0, 19.0)));
        assert_eq!(circle.ellipse_span(40, 42), None);
        assert_eq!(region(0, 0, 5, 0).ellipse_span(0, 2), None);
        assert_eq!(region(4, 4, 1, 1).ellipse_span(4, 6), Some((4.0, 5.0)));
    }

    /// A box is covered by the ellipse that whoever wants it covered asks for.
    #[test]
    fn an_ellipse_through_the_corners_covers_a_box() {
        for (x, y, w, h) in [(100, 80, 31, 57), (101, 81, 2, 2), (7, 9, 300, 41)] {
            let grow = |side: i32| (f64::from(side) * (2f64.sqrt() - 1.0) / 2.0).ceil() as i32;
            let (dx, dy) = (grow(w), grow(h));
            let around = region(x - dx, y - dy, (w + 2 * dx) as u32, (h + 2 * dy) as u32);
            for row in y..y + h {
                let (left, right) = around.ellipse_span(row as u32, row as u32 + 1).unwrap();
                assert!(left <= f64::from(x) && right >= f64::from(x + w));
            }
        }
    }
}
