// SPDX-License-Identifier: MIT OR Apache-2.0
//! A street that nobody filmed: dwellings, a shop, a car with its plate, and three people.

use privacy_common::Detection;

use crate::raster::{Canvas, Rgb, mix};

pub const WIDTH: u32 = 640;
pub const HEIGHT: u32 = 400;

/// A person, by where the feet are.
struct Person {
    x: f64,
    foot: f64,
    height: f64,
    skin: Rgb,
    hair: Rgb,
    long_hair: bool,
    coat: Rgb,
    trousers: Rgb,
    bag: Option<Rgb>,
    track: u32,
}

const PEOPLE: [Person; 3] = [
    Person {
        x: 92.0,
        foot: 362.0,
        height: 214.0,
        skin: [226, 178, 146],
        hair: [70, 44, 28],
        long_hair: true,
        coat: [190, 48, 58],
        trousers: [44, 56, 92],
        bag: Some([96, 62, 40]),
        track: 1,
    },
    Person {
        x: 262.0,
        foot: 336.0,
        height: 182.0,
        skin: [148, 100, 70],
        hair: [24, 20, 20],
        long_hair: false,
        coat: [240, 190, 60],
        trousers: [70, 74, 80],
        bag: None,
        track: 2,
    },
    Person {
        x: 368.0,
        foot: 386.0,
        height: 238.0,
        skin: [240, 200, 172],
        hair: [196, 150, 84],
        long_hair: false,
        coat: [46, 110, 92],
        trousers: [120, 102, 82],
        bag: Some([40, 44, 60]),
        track: 3,
    },
];

/// Left, top, width and height of the car and of its plate.
const CAR: [f64; 4] = [452.0, 232.0, 170.0, 126.0];
const PLATE: [f64; 4] = [501.0, 311.0, 72.0, 17.0];

/// The street, as rows of red, green and blue.
pub fn draw() -> Vec<u8> {
    let mut c = Canvas::new(WIDTH, HEIGHT);
    c.shade(0.0, 0.0, 640.0, 200.0, [142, 186, 222], [222, 234, 240]);
    dwellings(&mut c);
    shop(&mut c);
    offices(&mut c);
    ground(&mut c);
    tree(&mut c);
    car(&mut c);
    for person in &PEOPLE {
        draw_person(&mut c, person);
    }
    c.rgb()
}

/// What a detector would find.
pub fn detections() -> Vec<Detection> {
    let of = |class: &str, [x, y, width, height]: [f64; 4], track| Detection {
        class: class.into(),
        x: x as u32,
        y: y as u32,
        width: width as u32,
        height: height as u32,
        track,
        score: Some(0.9),
    };
    let mut found: Vec<Detection> = PEOPLE
        .iter()
        .map(|p| {
            let (width, height) = (0.36 * p.height, 1.01 * p.height);
            let rect = [p.x - 0.52 * width, p.foot - height, width, height];
            of("person", rect, Some(p.track))
        })
        .collect();
    found.push(of("car", CAR, Some(4)));
    found.push(of("license-plate", PLATE, None));
    found
}

fn dwellings(c: &mut Canvas) {
    c.polygon(
        &[(0.0, 8.0), (228.0, 8.0), (240.0, 26.0), (0.0, 26.0)],
        [86, 92, 104],
    );
    c.shade(0.0, 26.0, 236.0, 234.0, [226, 210, 182], [204, 186, 156]);
    for row in 0..2 {
        let y = 40.0 + 62.0 * f64::from(row);
        c.rect(0.0, y + 51.0, 236.0, 3.0, [186, 168, 138]);
        for column in 0..4 {
            let x = 14.0 + 56.0 * f64::from(column);
            let lit = (row, column) == (0, 2) || (row, column) == (1, 0);
            c.rect(x - 9.0, y, 8.0, 46.0, [108, 134, 150]);
            c.rect(x + 33.0, y, 8.0, 46.0, [108, 134, 150]);
            for slat in 0..9 {
                let at = y + 3.0 + 5.0 * f64::from(slat);
                c.rect(x - 8.0, at, 6.0, 1.2, [84, 108, 124]);
                c.rect(x + 34.0, at, 6.0, 1.2, [84, 108, 124]);
            }
            c.rect(x - 1.0, y - 1.0, 34.0, 48.0, [244, 240, 230]);
            let glass = if lit { [250, 218, 140] } else { [78, 98, 116] };
            c.shade(
                x + 1.0,
                y + 1.0,
                30.0,
                44.0,
                glass,
                mix(glass, [30, 36, 44], 0.35),
            );
            if lit {
                // Somebody at home.
                let at = x + 15.0;
                c.ellipse(at, y + 19.0, 5.5, 6.5, [150, 106, 78]);
                c.ellipse(at, y + 15.5, 5.8, 4.0, [60, 40, 30]);
                c.round_rect([at - 9.0, y + 26.0, 18.0, 20.0], 6.0, [88, 70, 120]);
            } else {
                c.polygon(
                    &[
                        (x + 1.0, y + 1.0),
                        (x + 12.0, y + 1.0),
                        (x + 5.0, y + 45.0),
                        (x + 1.0, y + 45.0),
                    ],
                    [176, 190, 200],
                );
            }
            c.rect(x + 15.2, y, 1.6, 46.0, [244, 240, 230]);
            c.rect(x - 3.0, y + 46.0, 38.0, 3.0, [172, 154, 126]);
        }
    }
    // The entrance, with names beside the door.
    c.rect(170.0, 168.0, 50.0, 92.0, [178, 160, 130]);
    c.shade(175.0, 173.0, 40.0, 87.0, [104, 66, 42], [82, 50, 32]);
    c.rect(180.0, 178.0, 30.0, 22.0, [150, 176, 190]);
    c.rect(194.5, 173.0, 1.0, 87.0, [60, 36, 22]);
    c.ellipse(190.0, 218.0, 1.8, 1.8, [220, 190, 90]);
    c.rect(222.0, 200.0, 8.0, 14.0, [210, 210, 204]);
    for (x, width) in [(16.0, 36.0), (70.0, 36.0), (122.0, 36.0)] {
        c.rect(x, 182.0, width, 44.0, [240, 236, 226]);
        c.shade(
            x + 2.0,
            184.0,
            width - 4.0,
            40.0,
            [70, 88, 104],
            [46, 60, 74],
        );
    }
}

fn shop(c: &mut Canvas) {
    c.shade(236.0, 52.0, 190.0, 208.0, [188, 112, 90], [166, 94, 76]);
    for row in 0..14 {
        let y = 58.0 + 8.0 * f64::from(row);
        let shift = if row % 2 == 0 { 0.0 } else { 8.0 };
        c.rect(236.0, y, 190.0, 0.8, [150, 86, 70]);
        for brick in 0..12 {
            let x = 236.0 + shift + 16.0 * f64::from(brick);
            c.rect(x, y - 7.0, 0.8, 7.0, [150, 86, 70]);
        }
    }
    for column in 0..3 {
        let x = 256.0 + 58.0 * f64::from(column);
        c.rect(x - 2.0, 72.0, 38.0, 54.0, [238, 232, 222]);
        c.shade(x, 74.0, 34.0, 50.0, [120, 146, 166], [70, 90, 108]);
        c.rect(x + 16.2, 74.0, 1.6, 50.0, [238, 232, 222]);
    }
    c.rect(240.0, 144.0, 182.0, 22.0, [58, 40, 34]);
    c.text(267.0, 147.5, 2.1, "BOULANGERIE", [246, 220, 160]);
    c.rect(246.0, 184.0, 170.0, 74.0, [70, 52, 44]);
    c.shade(250.0, 188.0, 114.0, 58.0, [250, 226, 176], [226, 186, 124]);
    for shelf in 0..2 {
        let y = 212.0 + 22.0 * f64::from(shelf);
        c.rect(250.0, y, 114.0, 2.5, [150, 108, 70]);
        for loaf in 0..7 {
            let x = 258.0 + 16.0 * f64::from(loaf);
            c.ellipse(x, y - 4.0, 6.5, 4.5, [188, 124, 60]);
            c.ellipse(x - 1.0, y - 5.5, 4.0, 1.6, [222, 164, 96]);
        }
    }
    c.shade(370.0, 188.0, 42.0, 70.0, [126, 160, 172], [90, 118, 132]);
    c.rect(405.0, 220.0, 2.5, 14.0, [220, 200, 150]);
    for stripe in 0..10 {
        let x = 242.0 + 18.0 * f64::from(stripe);
        let colour = if stripe % 2 == 0 {
            [238, 234, 226]
        } else {
            [186, 60, 56]
        };
        c.polygon(
            &[(x, 166.0), (x + 18.0, 166.0), (x + 18.0, 184.0), (x, 184.0)],
            colour,
        );
        c.ellipse(x + 9.0, 184.0, 9.0, 6.0, colour);
    }
}

fn offices(c: &mut Canvas) {
    c.shade(426.0, 0.0, 214.0, 260.0, [204, 208, 212], [182, 186, 192]);
    for row in 0..5 {
        for column in 0..4 {
            let (x, y) = (
                440.0 + 50.0 * f64::from(column),
                12.0 + 46.0 * f64::from(row),
            );
            c.shade(x, y, 38.0, 32.0, [120, 150, 178], [84, 110, 136]);
            c.polygon(
                &[
                    (x, y + 32.0),
                    (x + 16.0, y),
                    (x + 24.0, y),
                    (x + 8.0, y + 32.0),
                ],
                [150, 178, 200],
            );
        }
    }
    c.rect(424.0, 0.0, 3.0, 260.0, [150, 154, 160]);
}

fn ground(c: &mut Canvas) {
    c.shade(0.0, 256.0, 640.0, 50.0, [188, 184, 176], [172, 168, 162]);
    for slab in 0..16 {
        let x = 42.0 * f64::from(slab);
        let lean = (x - 320.0) * 0.12;
        c.limb((x, 256.0), (x + lean, 306.0), (0.5, 0.7), [158, 154, 148]);
    }
    c.rect(0.0, 278.0, 640.0, 0.9, [158, 154, 148]);
    c.rect(0.0, 302.0, 640.0, 5.0, [206, 204, 198]);
    c.shade(0.0, 307.0, 640.0, 93.0, [92, 94, 98], [74, 76, 82]);
    for bar in 0..5 {
        let x = 196.0 + 46.0 * f64::from(bar);
        let near = 320.0 + (x - 320.0) * 1.5;
        c.polygon(
            &[
                (x, 311.0),
                (x + 24.0, 311.0),
                (near + 38.0, 400.0),
                (near, 400.0),
            ],
            [222, 222, 218],
        );
    }
    c.limb((-10.0, 372.0), (60.0, 372.0), (1.6, 1.6), [214, 206, 170]);
}

fn tree(c: &mut Canvas) {
    c.limb((622.0, 262.0), (618.0, 150.0), (7.0, 4.5), [92, 66, 46]);
    for (x, y, r, shade) in [
        (606.0, 132.0, 32.0, 0.0),
        (638.0, 118.0, 34.0, 0.2),
        (616.0, 92.0, 30.0, 0.5),
        (592.0, 112.0, 20.0, 0.7),
        (630.0, 82.0, 18.0, 0.9),
    ] {
        c.ellipse(x, y, r, 0.9 * r, mix([58, 104, 54], [116, 160, 78], shade));
    }
    // A lamp.
    c.limb((438.0, 262.0), (438.0, 70.0), (3.2, 2.0), [62, 66, 72]);
    c.limb((438.0, 72.0), (456.0, 64.0), (1.8, 1.4), [62, 66, 72]);
    c.ellipse(460.0, 66.0, 9.0, 4.0, [72, 76, 82]);
    c.ellipse(460.0, 68.0, 6.0, 2.2, [250, 240, 200]);
}

fn car(c: &mut Canvas) {
    let [x, y, w, h] = CAR;
    c.ellipse(x + w / 2.0, y + h - 2.0, w / 2.0 + 8.0, 8.0, [58, 60, 64]);
    c.round_rect([x + 8.0, y + h - 28.0, 30.0, 28.0], 6.0, [34, 34, 38]);
    c.round_rect([x + w - 38.0, y + h - 28.0, 30.0, 28.0], 6.0, [34, 34, 38]);
    let body = [56, 104, 166];
    c.polygon(
        &[
            (x + 34.0, y + 4.0),
            (x + w - 34.0, y + 4.0),
            (x + w - 14.0, y + 54.0),
            (x + 14.0, y + 54.0),
        ],
        body,
    );
    c.round_rect([x + 30.0, y, w - 60.0, 14.0], 7.0, body);
    c.polygon(
        &[
            (x + 40.0, y + 10.0),
            (x + w - 40.0, y + 10.0),
            (x + w - 26.0, y + 50.0),
            (x + 26.0, y + 50.0),
        ],
        [34, 46, 60],
    );
    c.polygon(
        &[
            (x + 52.0, y + 10.0),
            (x + 70.0, y + 10.0),
            (x + 52.0, y + 50.0),
            (x + 34.0, y + 50.0),
        ],
        [66, 84, 102],
    );
    c.round_rect([x + 2.0, y + 46.0, w - 4.0, 64.0], 16.0, body);
    c.round_rect([x + 2.0, y + 46.0, w - 4.0, 18.0], 9.0, [82, 132, 192]);
    c.round_rect([x + 6.0, y + 92.0, w - 12.0, 22.0], 9.0, [40, 76, 124]);
    for side in [x + 6.0, x + w - 38.0] {
        c.round_rect([side, y + 62.0, 32.0, 15.0], 5.0, [204, 42, 40]);
        c.round_rect([side + 9.0, y + 65.0, 12.0, 9.0], 3.0, [250, 200, 190]);
    }
    let [px, py, pw, ph] = PLATE;
    c.round_rect([px - 1.5, py - 1.5, pw + 3.0, ph + 3.0], 2.0, [30, 40, 60]);
    c.rect(px, py, pw, ph, [246, 246, 240]);
    c.rect(px, py, 7.0, ph, [30, 70, 170]);
    c.rect(px + pw - 7.0, py, 7.0, ph, [30, 70, 170]);
    c.text(px + 9.5, py + 4.6, 1.0, "AB-123-CD", [20, 20, 24]);
}

fn draw_person(c: &mut Canvas, p: &Person) {
    let h = p.height;
    let at = |x: f64, y: f64| (p.x + x * h, p.foot - y * h);
    let dark = |colour: Rgb| mix(colour, [0, 0, 0], 0.25);
    c.ellipse(p.x, p.foot + 0.005 * h, 0.17 * h, 0.02 * h, [66, 68, 72]);
    // Legs and shoes, one foot before the other.
    for (hip, foot, colour) in [
        (0.035, 0.095, dark(p.trousers)),
        (-0.035, -0.075, p.trousers),
    ] {
        let knee = at((hip + foot) / 2.0 + 0.012, 0.26);
        c.limb(at(hip, 0.48), knee, (0.052 * h, 0.04 * h), colour);
        c.limb(knee, at(foot, 0.05), (0.04 * h, 0.03 * h), colour);
        c.limb(
            at(foot, 0.02),
            at(foot + 0.045, 0.015),
            (0.022 * h, 0.018 * h),
            [40, 34, 32],
        );
    }
    // The arm behind, the body, the arm before.
    c.limb(
        at(0.1, 0.77),
        at(0.15, 0.6),
        (0.034 * h, 0.03 * h),
        dark(p.coat),
    );
    c.limb(
        at(0.15, 0.6),
        at(0.135, 0.48),
        (0.03 * h, 0.024 * h),
        dark(p.coat),
    );
    c.ellipse(
        p.x + 0.135 * h,
        p.foot - 0.46 * h,
        0.022 * h,
        0.026 * h,
        p.skin,
    );
    if p.long_hair {
        c.limb(at(0.0, 0.93), at(0.0, 0.79), (0.068 * h, 0.074 * h), p.hair);
    }
    c.limb(
        at(0.0, 0.86),
        at(0.0, 0.8),
        (0.03 * h, 0.034 * h),
        mix(p.skin, [0, 0, 0], 0.12),
    );
    c.polygon(
        &[
            at(-0.055, 0.825),
            at(0.055, 0.825),
            at(0.115, 0.79),
            at(0.1, 0.6),
            at(0.105, 0.42),
            at(-0.105, 0.42),
            at(-0.1, 0.6),
            at(-0.115, 0.79),
        ],
        p.coat,
    );
    c.limb(
        at(0.0, 0.81),
        at(0.0, 0.44),
        (0.003 * h, 0.003 * h),
        dark(p.coat),
    );
    c.polygon(
        &[at(-0.03, 0.825), at(0.03, 0.825), at(0.0, 0.77)],
        [238, 238, 234],
    );
    if let Some(bag) = p.bag {
        c.limb(
            at(0.09, 0.8),
            at(-0.12, 0.52),
            (0.006 * h, 0.006 * h),
            dark(bag),
        );
        let (x, y) = at(-0.19, 0.56);
        c.round_rect([x, y, 0.12 * h, 0.11 * h], 0.018 * h, bag);
        c.rect(x, y + 0.03 * h, 0.12 * h, 0.006 * h, dark(bag));
    }
    c.limb(
        at(-0.1, 0.77),
        at(-0.145, 0.61),
        (0.034 * h, 0.03 * h),
        p.coat,
    );
    c.limb(
        at(-0.145, 0.61),
        at(-0.12, 0.49),
        (0.03 * h, 0.024 * h),
        p.coat,
    );
    c.ellipse(
        p.x - 0.118 * h,
        p.foot - 0.47 * h,
        0.022 * h,
        0.026 * h,
        p.skin,
    );
    // Face.
    let (x, y) = at(0.0, 0.905);
    let r = 0.062 * h;
    let spot = |c: &mut Canvas, dx: f64, dy: f64, rx: f64, ry: f64, colour| {
        c.ellipse(x + dx * r, y + dy * r, rx * r, ry * r, colour);
    };
    spot(c, 0.0, -0.12, 1.1, 1.2, p.hair);
    spot(c, -0.95, 0.1, 0.2, 0.28, p.skin);
    spot(c, 0.95, 0.1, 0.2, 0.28, p.skin);
    spot(c, 0.0, 0.12, 0.92, 1.15, p.skin);
    spot(c, 0.0, -0.82, 0.95, 0.5, p.hair);
    for side in [-1.0, 1.0] {
        spot(c, 0.38 * side, 0.0, 0.2, 0.13, [250, 250, 250]);
        spot(c, 0.38 * side, 0.0, 0.1, 0.12, [50, 36, 30]);
        spot(c, 0.38 * side, -0.26, 0.26, 0.06, p.hair);
    }
    spot(c, 0.05, 0.32, 0.11, 0.2, mix(p.skin, [120, 60, 50], 0.25));
    spot(c, 0.0, 0.74, 0.32, 0.1, [176, 78, 78]);
    if !p.long_hair && p.bag.is_some() {
        // A beard.
        spot(c, 0.0, 1.06, 0.62, 0.28, p.hair);
    }
}
