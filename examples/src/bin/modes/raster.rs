// SPDX-License-Identifier: MIT OR Apache-2.0
//! Filled shapes with smooth edges, enough to draw a street.

/// Colour, 0 to 255 each.
pub type Rgb = [u8; 3];

/// Samples per pixel and side, averaged in the end.
const FINE: u32 = 3;

/// A picture that is drawn on in pixels, with fractions.
pub struct Canvas {
    width: u32,
    height: u32,
    samples: Vec<Rgb>,
}

impl Canvas {
    pub fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            samples: vec![[0; 3]; (width * FINE * height * FINE) as usize],
        }
    }

    /// The picture as rows of red, green and blue.
    pub fn rgb(&self) -> Vec<u8> {
        let row = (self.width * FINE) as usize;
        let mut pixels = Vec::with_capacity((self.width * self.height * 3) as usize);
        for y in 0..self.height {
            for x in 0..self.width {
                for channel in 0..3 {
                    let mut sum = 0u32;
                    for j in 0..FINE {
                        for i in 0..FINE {
                            let at = (y * FINE + j) as usize * row + (x * FINE + i) as usize;
                            sum += u32::from(self.samples[at][channel]);
                        }
                    }
                    pixels.push((sum / (FINE * FINE)) as u8);
                }
            }
        }
        pixels
    }

    /// Fills what is inside, of the rectangle from `left`, `top` to `right`, `bottom`.
    pub fn fill(
        &mut self,
        [left, top, right, bottom]: [f64; 4],
        colour: impl Fn(f64, f64) -> Rgb,
        inside: impl Fn(f64, f64) -> bool,
    ) {
        let fine = f64::from(FINE);
        // `as` saturates: what lies outside the picture is cut.
        let (x0, y0) = ((left * fine).floor() as u32, (top * fine).floor() as u32);
        let x1 = ((right * fine).ceil() as u32).min(self.width * FINE);
        let y1 = ((bottom * fine).ceil() as u32).min(self.height * FINE);
        for y in y0..y1 {
            for x in x0..x1 {
                let (px, py) = ((f64::from(x) + 0.5) / fine, (f64::from(y) + 0.5) / fine);
                if inside(px, py) {
                    let at = (y * self.width * FINE + x) as usize;
                    self.samples[at] = colour(px, py);
                }
            }
        }
    }

    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, colour: Rgb) {
        let (right, bottom) = (x + width, y + height);
        self.fill(
            [x, y, right, bottom],
            |_, _| colour,
            |px, py| px >= x && px < right && py >= y && py < bottom,
        );
    }

    /// From one colour at the top to another at the bottom.
    pub fn shade(&mut self, x: f64, y: f64, width: f64, height: f64, top: Rgb, bottom: Rgb) {
        self.fill(
            [x, y, x + width, y + height],
            |_, py| mix(top, bottom, ((py - y) / height).clamp(0.0, 1.0)),
            |px, _| px >= x && px < x + width,
        );
    }

    pub fn round_rect(&mut self, [x, y, width, height]: [f64; 4], radius: f64, colour: Rgb) {
        let (right, bottom) = (x + width, y + height);
        self.fill(
            [x, y, right, bottom],
            |_, _| colour,
            |px, py| {
                let dx = (x + radius - px).max(px - right + radius).max(0.0);
                let dy = (y + radius - py).max(py - bottom + radius).max(0.0);
                dx * dx + dy * dy <= radius * radius
            },
        );
    }

    pub fn ellipse(&mut self, x: f64, y: f64, across: f64, down: f64, colour: Rgb) {
        self.fill(
            [x - across, y - down, x + across, y + down],
            |_, _| colour,
            |px, py| ((px - x) / across).powi(2) + ((py - y) / down).powi(2) <= 1.0,
        );
    }

    /// A polygon, by the even-odd rule.
    pub fn polygon(&mut self, corners: &[(f64, f64)], colour: Rgb) {
        let over = |of: fn(&(f64, f64)) -> f64, pick: fn(f64, f64) -> f64| {
            corners.iter().map(of).reduce(pick).unwrap_or(0.0)
        };
        let around = [
            over(|c| c.0, f64::min),
            over(|c| c.1, f64::min),
            over(|c| c.0, f64::max),
            over(|c| c.1, f64::max),
        ];
        self.fill(
            around,
            |_, _| colour,
            |px, py| {
                let next = corners.iter().cycle().skip(1);
                let crossings = corners.iter().zip(next).filter(|((x0, y0), (x1, y1))| {
                    (*y0 > py) != (*y1 > py) && px < (x1 - x0) * (py - y0) / (y1 - y0) + x0
                });
                crossings.count() % 2 == 1
            },
        );
    }

    /// A line with round ends, thinner or thicker at its other end.
    pub fn limb(&mut self, from: (f64, f64), to: (f64, f64), radii: (f64, f64), colour: Rgb) {
        let most = radii.0.max(radii.1);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).max(1e-9);
        self.fill(
            [
                from.0.min(to.0) - most,
                from.1.min(to.1) - most,
                from.0.max(to.0) + most,
                from.1.max(to.1) + most,
            ],
            |_, _| colour,
            |px, py| {
                let along = ((px - from.0) * dx + (py - from.1) * dy) / length;
                let along = along.clamp(0.0, 1.0);
                let (x, y) = (from.0 + along * dx, from.1 + along * dy);
                let radius = radii.0 + along * (radii.1 - radii.0);
                (px - x).powi(2) + (py - y).powi(2) <= radius * radius
            },
        );
    }

    /// Capitals and digits, `size` pixels per dot of five by seven.
    pub fn text(&mut self, x: f64, y: f64, size: f64, text: &str, colour: Rgb) {
        for (i, letter) in text.chars().enumerate() {
            for (row, dots) in glyph(letter).into_iter().enumerate() {
                for column in 0..5 {
                    if dots >> (4 - column) & 1 == 1 {
                        let left = x + (i as f64 * 6.0 + f64::from(column)) * size;
                        self.rect(left, y + row as f64 * size, size, size, colour);
                    }
                }
            }
        }
    }
}

/// `share` of the way from one colour to another.
pub fn mix(from: Rgb, to: Rgb, share: f64) -> Rgb {
    let channel = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))) as u8;
    [
        channel(from[0], to[0]),
        channel(from[1], to[1]),
        channel(from[2], to[2]),
    ]
}

/// The dots of a letter, a row in the lower five bits of each byte.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        'A' => [14, 17, 17, 31, 17, 17, 17],
        'B' => [30, 17, 17, 30, 17, 17, 30],
        'C' => [14, 17, 16, 16, 16, 17, 14],
        'D' => [30, 17, 17, 17, 17, 17, 30],
        'E' => [31, 16, 16, 30, 16, 16, 31],
        'G' => [14, 17, 16, 23, 17, 17, 14],
        'I' => [14, 4, 4, 4, 4, 4, 14],
        'L' => [16, 16, 16, 16, 16, 16, 31],
        'N' => [17, 25, 25, 21, 19, 19, 17],
        'O' => [14, 17, 17, 17, 17, 17, 14],
        'R' => [30, 17, 17, 30, 20, 18, 17],
        'U' => [17, 17, 17, 17, 17, 17, 14],
        '1' => [4, 12, 4, 4, 4, 4, 14],
        '2' => [14, 17, 1, 2, 4, 8, 31],
        '3' => [14, 17, 1, 6, 1, 17, 14],
        '-' => [0, 0, 0, 31, 0, 0, 0],
        _ => [0; 7],
    }
}
