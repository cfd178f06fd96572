// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

const W: u32 = 768;
const H: u32 = 576;

fn p(x: f64, y: f64) -> Point {
    Point { x, y }
}

fn line(from: (f64, f64), to: (f64, f64)) -> Line {
    Line::new(p(from.0, from.1), p(to.0, to.1), W, H)
}

fn walk(line: &Line, points: impl IntoIterator<Item = Point>) -> Vec<Direction> {
    let mut passage = Passage::default();
    points
        .into_iter()
        .filter_map(|point| passage.step(line, point))
        .collect()
}

fn random(seed: &mut u64) -> f64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn the_picture_in_the_documentation_is_true() {
    // From left to right across the screen; a walk down the screen is forward.
    let l = line((0.0, 0.5), (1.0, 0.5));
    assert!(l.side(p(300.0, 500.0)) > 0.0, "right of the line is below");
    let down = || (100..500).map(|y| p(300.0, f64::from(y)));
    assert_eq!(walk(&l, down()), [Direction::Forward]);
    assert_eq!(walk(&l, down().rev()), [Direction::Backward]);
    // Turned around, the same walk is the other way.
    let turned = line((1.0, 0.5), (0.0, 0.5));
    assert_eq!(walk(&turned, down()), [Direction::Backward]);
    // A line drawn down the screen: forward is towards smaller x.
    let l = line((0.5, 0.0), (0.5, 1.0));
    let left = (100..700).rev().map(|x| p(f64::from(x), 300.0));
    assert_eq!(walk(&l, left), [Direction::Forward]);
}

#[test]
fn a_mirrored_walk_has_the_other_sign() {
    let l = line((0.5, 0.0), (0.5, 1.0));
    let mut seed = 9;
    for _ in 0..200 {
        let points: Vec<_> = (0..40)
            .map(|_| p(random(&mut seed) * 768.0, random(&mut seed) * 576.0))
            .collect();
        let there = walk(&l, points.iter().copied());
        let back = walk(&l, points.iter().rev().copied());
        let forward = |w: &[Direction]| w.iter().filter(|&&d| d == Direction::Forward).count();
        assert_eq!(forward(&there), back.len() - forward(&back));
        let mirrored = walk(&l, points.iter().map(|q| p(768.0 - q.x, q.y)));
        assert_eq!(mirrored.len(), there.len());
        assert!(there.iter().zip(&mirrored).all(|(a, b)| a != b));
    }
}

#[test]
fn points_exactly_on_the_line_lose_nothing() {
    let l = line((0.5, 0.0), (0.5, 1.0));
    for on_the_line in 1..20 {
        let mut points = vec![p(300.0, 300.0), p(360.0, 300.0)];
        points.extend(std::iter::repeat_n(p(384.0, 300.0), on_the_line));
        points.extend([p(400.0, 300.0), p(450.0, 300.0)]);
        assert_eq!(walk(&l, points), [Direction::Backward]);
    }
    // Turning back on the line is no crossing.
    let back = [
        p(300.0, 300.0),
        p(384.0, 300.0),
        p(384.0, 300.0),
        p(300.0, 300.0),
    ];
    assert_eq!(walk(&l, back), []);
    // Through an end point of the line, on it, is one.
    let short = line((0.5, 0.25), (0.5, 0.75));
    for y in [144.0, 432.0] {
        assert_eq!(
            walk(&short, [p(300.0, y), p(384.0, y), p(500.0, y)]).len(),
            1
        );
    }
    // Every point twice changes nothing.
    let twice = (0..100).flat_map(|i| [p(f64::from(i) * 7.68, 300.0); 2]);
    assert_eq!(walk(&l, twice), [Direction::Backward]);
}

#[test]
fn every_speed_counts_the_same() {
    for (from, to) in [
        ((0.5, 0.0), (0.5, 1.0)),
        ((0.3, 0.1), (0.6, 0.95)),
        ((0.55, 0.4), (0.55, 0.7)),
    ] {
        let l = line(from, to);
        for speed in 1..=200 {
            for offset in [0.0, 0.37, 0.5] {
                let points = (0..)
                    .map(|i| p((f64::from(i) + offset) * f64::from(speed), 300.0))
                    .take_while(|point| point.x < 768.0);
                assert_eq!(
                    walk(&l, points),
                    [Direction::Backward],
                    "{speed} px, {from:?} {to:?}"
                );
            }
        }
    }
}

#[test]
fn every_position_of_the_line_counts_once_the_edges_included() {
    for x in 2..767 {
        let at = f64::from(x) / 768.0;
        let l = line((at, 0.0), (at, 1.0));
        let right = (0..=768).map(|x| p(f64::from(x), 300.0));
        assert_eq!(walk(&l, right.clone()), [Direction::Backward], "x = {x}");
        assert_eq!(walk(&l, right.rev()), [Direction::Forward], "x = {x}");
    }
    for y in 2..575 {
        let at = f64::from(y) / 576.0;
        let l = line((1.0, at), (0.0, at));
        let down = (0..=576).map(|y| p(300.0, f64::from(y)));
        assert_eq!(walk(&l, down), [Direction::Backward], "y = {y}");
    }
}

#[test]
fn trembling_on_the_line_counts_nothing_and_passing_it_once() {
    let l = line((0.5, 0.0), (0.5, 1.0));
    let mut seed = 4;
    let tremble = |seed: &mut u64| (random(seed) * 11.0).floor() - 5.0;
    for _ in 0..500 {
        let still: Vec<_> = (0..500)
            .map(|_| p(384.0 + tremble(&mut seed), 300.0))
            .collect();
        assert_eq!(walk(&l, still.iter().copied()), []);
        let comes = (0..50).map(|i| p(100.0 + 5.0 * f64::from(i), 300.0));
        let goes = (0..50).map(|i| p(420.0 + 5.0 * f64::from(i), 300.0));
        let there = comes.clone().chain(still.iter().copied());
        assert_eq!(walk(&l, there.clone().chain(goes)), [Direction::Backward]);
        assert_eq!(walk(&l, there.chain(comes.rev())), []);
    }
}

#[test]
fn only_the_drawn_part_of_a_line_counts() {
    let l = line((0.5, 0.25), (0.5, 0.5));
    let at = |y: f64| walk(&l, (0..768).step_by(3).map(|x| p(f64::from(x), y))).len();
    assert_eq!((at(143.0), at(145.0), at(287.0), at(289.0)), (0, 1, 1, 0));
    // Whoever walks around its end has crossed nothing, and the way back through it counts.
    let around = [
        p(300.0, 200.0),
        p(300.0, 500.0),
        p(500.0, 500.0),
        p(500.0, 200.0),
    ];
    assert_eq!(walk(&l, around), []);
    let then_back = around.into_iter().chain([p(300.0, 200.0)]);
    assert_eq!(walk(&l, then_back), [Direction::Forward]);
}

#[test]
fn each_point_belongs_to_one_of_two_neighbours() {
    // The middle is shared by four zones, each border by two; corners listed twice do no harm.
    let square = |x: f64, y: f64| {
        let c = [
            p(x, y),
            p(x + 0.5, y),
            p(x + 0.5, y + 0.5),
            p(x + 0.5, y + 0.5),
            p(x, y + 0.5),
        ];
        Polygon::new(&c, W, H)
    };
    let zones = [
        square(0.0, 0.0),
        square(0.5, 0.0),
        square(0.0, 0.5),
        square(0.5, 0.5),
    ];
    for x in (0..768).step_by(4) {
        for y in (0..576).step_by(4) {
            let point = p(f64::from(x), f64::from(y));
            let inside = zones.iter().filter(|zone| zone.contains(point)).count();
            assert_eq!(inside, 1, "{point:?}");
        }
    }
    let l_shape = Polygon::new(
        &[
            p(0.0, 0.0),
            p(1.0, 0.0),
            p(1.0, 0.5),
            p(0.5, 0.5),
            p(0.5, 1.0),
            p(0.0, 1.0),
        ],
        100,
        100,
    );
    assert!(l_shape.contains(p(75.0, 25.0)) && l_shape.contains(p(25.0, 75.0)));
    assert!(!l_shape.contains(p(75.0, 75.0)));
}

#[test]
fn the_direction_of_a_polygon_does_not_matter() {
    let corners = [p(0.1, 0.2), p(0.8, 0.1), p(0.9, 0.7), p(0.3, 0.9)];
    let turned: Vec<_> = corners.iter().rev().copied().collect();
    let (a, b) = (Polygon::new(&corners, W, H), Polygon::new(&turned, W, H));
    let mut seed = 5;
    for _ in 0..1000 {
        let point = p(random(&mut seed) * 768.0, random(&mut seed) * 576.0);
        assert_eq!(a.contains(point), b.contains(point));
    }
    assert!((area(&corners) - area(&turned)).abs() < 1e-12);
    assert!(!crosses_itself(&corners));
    assert!(crosses_itself(&[
        p(0.0, 0.0),
        p(1.0, 1.0),
        p(1.0, 0.0),
        p(0.0, 1.0)
    ]));
    assert!(!crosses_itself(&corners[..3]));
}

#[test]
fn zones_overlap_where_they_share_an_area_and_not_where_they_touch() {
    let square = |x: f64, y: f64, side: f64| {
        [
            p(x, y),
            p(x + side, y),
            p(x + side, y + side),
            p(x, y + side),
        ]
    };
    let a = square(0.2, 0.2, 0.4);
    for (b, overlaps) in [
        (square(0.2, 0.2, 0.4), true),
        (square(0.3, 0.3, 0.1), true),
        (square(0.0, 0.0, 1.0), true),
        (square(0.5, 0.5, 0.4), true),
        (square(0.2, 0.2, 0.2), true),
        (square(0.6, 0.2, 0.4), false),
        (square(0.6, 0.6, 0.2), false),
        (square(0.7, 0.7, 0.1), false),
    ] {
        assert_eq!(zones_overlap(&a, &b), overlaps, "{b:?}");
        assert_eq!(zones_overlap(&b, &a), overlaps, "{b:?}");
    }
    // A cross, and a thin strip through it.
    let strip = [p(0.0, 0.4), p(1.0, 0.4), p(1.0, 0.401), p(0.0, 0.401)];
    assert!(zones_overlap(&a, &strip));
}

#[test]
fn lines_overlap_where_they_run_beside_each_other() {
    let a = (p(0.5, 0.0), p(0.5, 1.0));
    for (b, overlaps) in [
        (a, true),
        ((p(0.5, 1.0), p(0.5, 0.0)), true),
        ((p(0.5, 0.2), p(0.5, 0.4)), true),
        ((p(0.51, 0.2), p(0.49, 0.4)), true),
        ((p(0.51, 0.2), p(0.51, 0.4)), true),
        ((p(0.6, 0.2), p(0.6, 0.4)), false),
        ((p(0.0, 0.5), p(1.0, 0.5)), false),
        ((p(0.2, 0.2), p(0.8, 0.8)), false),
    ] {
        assert_eq!(lines_overlap(a, b), overlaps, "{b:?}");
        assert_eq!(lines_overlap(b, a), overlaps, "{b:?}");
    }
    let (upper, lower) = ((p(0.5, 0.0), p(0.5, 0.5)), (p(0.5, 0.5), p(0.5, 1.0)));
    assert!(!lines_overlap(upper, lower), "end to end");
}
