// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a box will be, and how close two boxes are.

use super::input::{LARGEST, Rect};

/// Constant velocity of the centre, slowly changing size.
#[derive(Debug, Clone, Copy)]
pub struct Motion {
    centre: (f32, f32),
    velocity: (f32, f32),
    size: (f32, f32),
}

impl Motion {
    pub fn new(rect: &Rect) -> Self {
        Self {
            centre: rect.centre(),
            velocity: (0.0, 0.0),
            size: (rect.width, rect.height),
        }
    }

    pub fn predict(&mut self, elapsed: f32) {
        let place = |centre: f32, velocity: f32| {
            (centre + velocity * elapsed).clamp(-2.0 * LARGEST, 2.0 * LARGEST)
        };
        self.centre = (
            place(self.centre.0, self.velocity.0),
            place(self.centre.1, self.velocity.1),
        );
    }

    /// Takes in measurement number `n`, made `elapsed` after the one before it.
    pub fn correct(&mut self, measured: &Rect, elapsed: f32, n: u32) {
        let n = n.min(100) as f32;
        let memory = n * (n + 1.0);
        let alpha = (2.0 * (2.0 * n - 1.0) / memory).max(ALPHA);
        let beta = (6.0 / memory).clamp(ALPHA * ALPHA / (2.0 - ALPHA), 1.0);
        let (x, y) = measured.centre();
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        self.centre.0 += alpha * dx;
        self.centre.1 += alpha * dy;
        // Two frames at the same instant say nothing about speed.
        if elapsed > f32::EPSILON {
            self.velocity.0 = (self.velocity.0 + beta * dx / elapsed).clamp(-LARGEST, LARGEST);
            self.velocity.1 = (self.velocity.1 + beta * dy / elapsed).clamp(-LARGEST, LARGEST);
        }
        self.size.0 += alpha * (measured.width - self.size.0);
        self.size.1 += alpha * (measured.height - self.size.1);
    }

    pub fn rect(&self) -> Rect {
        Rect {
            x: self.centre.0 - self.size.0 / 2.0,
            y: self.centre.1 - self.size.1 / 2.0,
            width: self.size.0,
            height: self.size.1,
        }
    }
}

/// Intersection over union when it reaches `least`.
pub fn iou(a: &Rect, b: &Rect, least: f32) -> Option<f32> {
    let width = (a.x + a.width).min(b.x + b.width) - a.x.max(b.x);
    let height = (a.y + a.height).min(b.y + b.height) - a.y.max(b.y);
    if width <= 0.0 || height <= 0.0 {
        return None;
    }
    let both = width * height;
    let iou = both / (a.width * a.height + b.width * b.height - both);
    (iou >= least).then_some(iou)
}

/// How near two boxes of similar size are, when no further apart than `reach` box sizes.
pub fn nearness(a: &Rect, b: &Rect, reach: f32) -> Option<f32> {
    let size = |r: &Rect| (r.width + r.height) / 2.0;
    let (small, large) = (size(a).min(size(b)), size(a).max(size(b)));
    if large > 2.0 * small {
        return None;
    }
    let ((ax, ay), (bx, by)) = (a.centre(), b.centre());
    let distance = (ax - bx).hypot(ay - by) / small;
    (distance <= reach).then(|| 1.0 / (1.0 + distance))
}

/// Gain of the settled filter.
const ALPHA: f32 = 0.5;
