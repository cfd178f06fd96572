// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the frame lies inside the model's input, and the way back for boxes.

/// Where the scaled frame is put when its shape is not that of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In the middle, borders on both sides.
    Centre,
    /// In the top left corner, borders to the right or below.
    TopLeft,
}

/// A frame scaled to fit the input with its aspect ratio kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letterbox {
    /// Width and height of the frame, pixels.
    pub frame: (u32, u32),
    /// First column of the input that holds the frame.
    pub left: u32,
    /// First row of the input that holds the frame.
    pub top: u32,
    /// Columns that the frame takes in the input, at least 1.
    pub width: u32,
    /// Rows that the frame takes in the input, at least 1.
    pub height: u32,
}

/// A box in whole pixels of the frame, inside it and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

impl Letterbox {
    /// Fits a frame of `frame` (width, height) pixels into an input of `input` (width, height) pixels.
    pub fn new(frame: (u32, u32), input: (u32, u32), placement: Placement) -> Self {
        let scale = f64::min(
            f64::from(input.0) / f64::from(frame.0.max(1)),
            f64::from(input.1) / f64::from(frame.1.max(1)),
        );
        let fit =
            |size: u32, room: u32| ((f64::from(size) * scale).round() as u32).clamp(1, room.max(1));
        let (width, height) = (fit(frame.0, input.0), fit(frame.1, input.1));
        let (left, top) = match placement {
            Placement::Centre => ((input.0 - width) / 2, (input.1 - height) / 2),
            Placement::TopLeft => (0, 0),
        };
        Self {
            frame,
            left,
            top,
            width,
            height,
        }
    }

    /// A box (left, top, right, bottom) from pixels of the input to whole pixels of the frame.
    ///
    /// It is cut at the edges of the frame and rounded outwards, because a mask that is one pixel too
    /// large hides the person and one that is too small does not. `None` when nothing of it lies inside
    /// or an edge is not a number.
    pub fn to_frame(&self, edges: [f32; 4]) -> Option<Rect> {
        let across = f64::from(self.frame.0) / f64::from(self.width);
        let down = f64::from(self.frame.1) / f64::from(self.height);
        let x = |v: f32| (f64::from(v) - f64::from(self.left)) * across;
        let y = |v: f32| (f64::from(v) - f64::from(self.top)) * down;
        let (x, width) = whole(x(edges[0]), x(edges[2]), self.frame.0)?;
        let (y, height) = whole(y(edges[1]), y(edges[3]), self.frame.1)?;
        Some(Rect {
            x,
            y,
            width,
            height,
        })
    }
}

/// Start and length in whole pixels of the interval from `low` to `high`, inside 0 to `size`.
fn whole(low: f64, high: f64, size: u32) -> Option<(u32, u32)> {
    // `max` and `min` would turn an edge that is not a number into the edge of the frame.
    if low.is_nan() || high.is_nan() {
        return None;
    }
    let (low, high) = (low.max(0.0), high.min(f64::from(size)));
    if low >= high {
        return None;
    }
    // A box smaller than the rounding is a pixel: somebody is there.
    let low = (low + ROUNDING).floor().min(f64::from(size) - 1.0);
    let high = (high - ROUNDING).ceil().max(low + 1.0);
    Some((low as u32, (high - low) as u32))
}

/// Keeps an edge that lies on a whole pixel there in spite of rounding errors.
const ROUNDING: f64 = 1e-3;

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [(u32, u32); 7] = [
        (640, 480),
        (768, 576),
        (1920, 1080),
        (1080, 1920),
        (123, 77),
        (77, 123),
        (3840, 2160),
    ];

    #[test]
    fn boxes_come_back_to_within_a_pixel_at_every_shape() {
        for placement in [Placement::Centre, Placement::TopLeft] {
            for input in [(416, 416), (640, 384)] {
                for frame in SHAPES {
                    let letterbox = Letterbox::new(frame, input, placement);
                    assert!(letterbox.left + letterbox.width <= input.0);
                    assert!(letterbox.top + letterbox.height <= input.1);
                    for (x0, y0, x1, y1) in [(0.0, 0.0, 1.0, 1.0), (0.2, 0.3, 0.4, 0.9)] {
                        let there = |v: f64, size: u32, room: u32, start: u32| {
                            (v * f64::from(size) * f64::from(room) / f64::from(size)
                                + f64::from(start)) as f32
                        };
                        let rect = letterbox
                            .to_frame([
                                there(x0, frame.0, letterbox.width, letterbox.left),
                                there(y0, frame.1, letterbox.height, letterbox.top),
                                there(x1, frame.0, letterbox.width, letterbox.left),
                                there(y1, frame.1, letterbox.height, letterbox.top),
                            ])
                            .unwrap();
                        let near = |got: u32, share: f64, size: u32| {
                            (f64::from(got) - share * f64::from(size)).abs() <= 1.0
                        };
                        assert!(near(rect.x, x0, frame.0), "{frame:?} {rect:?}");
                        assert!(near(rect.y, y0, frame.1), "{frame:?} {rect:?}");
                        assert!(near(rect.x + rect.width, x1, frame.0), "{frame:?} {rect:?}");
                        assert!(
                            near(rect.y + rect.height, y1, frame.1),
                            "{frame:?} {rect:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn aspect_ratio_is_kept_to_within_half_a_pixel_of_the_input() {
        for frame in SHAPES {
            let l = Letterbox::new(frame, (416, 416), Placement::Centre);
            let scale = f64::min(416.0 / f64::from(frame.0), 416.0 / f64::from(frame.1));
            assert!((f64::from(l.width) - f64::from(frame.0) * scale).abs() <= 0.5);
            assert!((f64::from(l.height) - f64::from(frame.1) * scale).abs() <= 0.5);
        }
    }

    #[test]
    fn boxes_outside_empty_or_broken_are_none() {
        let l = Letterbox::new((640, 480), (416, 416), Placement::Centre);
        for edges in [
            [10.0, 10.0, 10.0, 20.0],
            [20.0, 100.0, 10.0, 200.0],
            [10.0, 0.0, 20.0, 50.0], // in the border above the frame
            [500.0, 100.0, 600.0, 200.0],
            [-50.0, 100.0, -1.0, 200.0],
            [f32::NAN, 100.0, 20.0, 200.0],
            [10.0, f32::NAN, 20.0, 200.0],
            [10.0, 100.0, f32::NAN, 200.0],
            [10.0, 100.0, 20.0, f32::NAN],
        ] {
            assert_eq!(l.to_frame(edges), None, "{edges:?}");
        }
        let all = l.to_frame([f32::NEG_INFINITY, f32::MIN, f32::INFINITY, f32::MAX]);
        assert_eq!(
            all,
            Some(Rect {
                x: 0,
                y: 0,
                width: 640,
                height: 480
            })
        );
    }

    #[test]
    fn the_smallest_box_is_a_pixel_and_not_nothing() {
        let l = Letterbox::new((416, 416), (416, 416), Placement::Centre);
        for (low, high) in [(10.0, 10.000_01), (9.999_5, 10.000_5), (415.999_9, 416.0)] {
            let rect = l.to_frame([low, low, high, high]).unwrap();
            assert_eq!((rect.width, rect.height), (1, 1), "{low} {high}");
            assert!(rect.x < 416 && rect.y < 416);
        }
    }

    #[test]
    fn extreme_shapes_keep_a_pixel() {
        let l = Letterbox::new((10_000, 1), (416, 416), Placement::Centre);
        assert_eq!((l.width, l.height), (416, 1));
        assert_eq!(l.to_frame([0.0, 0.0, 416.0, 416.0]).unwrap().height, 1);
    }
}
