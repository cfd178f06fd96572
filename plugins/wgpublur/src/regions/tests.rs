// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::settings::Settings;

fn canvas(format: Format, width: u32, height: u32, interlaced: bool) -> Canvas {
    Canvas {
        format,
        width,
        height,
        interlaced,
    }
}

const VGA: Canvas = Canvas {
    format: Format::Nv12,
    width: 640,
    height: 480,
    interlaced: false,
};

fn object([x, y, width, height]: [u32; 4]) -> Object {
    let [x, y, width, height] = [x, y, width, height].map(f64::from);
    Object {
        class: "person".into(),
        rect: [x, y, x + width, y + height],
        size: [width, height],
        key: 3,
        seen: Some(0),
    }
}

fn live(padding: f64, padding_pixels: u32, shape: wgpublur::Shape) -> Live {
    Live {
        padding,
        padding_pixels,
        shape,
        ..Settings::default().live
    }
}

/// Left, top, width, height.
fn boxed(object: &Object, padding: f64, pixels: u32, solid: bool) -> (i32, i32, u32, u32) {
    let r = outline(
        object,
        solid,
        &live(padding, pixels, wgpublur::Shape::Box),
        VGA,
    );
    assert_eq!((r.key, r.solid, r.shape), (3, solid, Shape::Box));
    (r.x, r.y, r.width, r.height)
}

fn look(canvas: Canvas, zones: &str) -> Regions {
    let what = What {
        classes: Default::default(),
        solid: Default::default(),
        zones: (!zones.is_empty()).then(|| crate::zones::Zones::parse(zones).unwrap()),
        camera: Some("c".into()),
        picture: None,
    };
    let mut regions = Regions::default();
    assert!(regions.look(canvas, &what, &Demand::Undeclared, &Arc::from("")));
    regions
}

#[test]
fn boxes_grow_by_their_size_and_more_above() {
    let of = |rect, padding, pixels| boxed(&object(rect), padding, pixels, false);
    assert_eq!(of([100, 200, 50, 100], 0.1, 0), (95, 180, 60, 130));
    assert_eq!(of([100, 200, 50, 100], 0.0, 0), (100, 200, 50, 100));
    assert_eq!(of([100, 200, 50, 100], 0.0, 7), (93, 193, 64, 114));
    assert_eq!(of([100, 200, 50, 100], 0.1, 7), (88, 173, 74, 144));
    assert_eq!(
        of([7, 9, 1, 1], 0.1, 0),
        (6, 8, 3, 3),
        "outward to whole pixels"
    );
    assert_eq!(of([0, 0, 10, 10], 2.0, 0), (-20, -21, 50, 51));
    let moved = Object {
        rect: [80.5, -20.0, 150.0, 300.0],
        ..object([100, 200, 50, 100])
    };
    assert_eq!(
        boxed(&moved, 0.1, 0, false),
        (75, -40, 80, 350),
        "padding is a share of the object, not of the path it may have taken"
    );
}

#[test]
fn a_plate_that_is_cut_at_each_end_is_covered_with_its_last_letters() {
    for width in [40u32, 52, 137, 520] {
        let (left, cut) = (60, width * 15 / 100);
        let (x, y, w, h) = boxed(
            &object([left + cut, 100 + 3, width - 2 * cut, 14]),
            0.1,
            0,
            true,
        );
        assert!(
            x <= left as i32 && x + w as i32 >= (left + width) as i32,
            "{width}"
        );
        // 20 pixels high, of which 3 are cut at the top and at the bottom.
        assert!(y <= 100 && y + h as i32 >= 120);
    }
    let bare = boxed(&object([10, 10, 20, 10]), 0.0, 0, true);
    assert_eq!(bare, (10, 10, 20, 10), "no padding at all was asked for");
}

#[test]
fn objects_anywhere_and_of_any_size_break_nothing() {
    let edges = [-1e300, -1e9, -1.0, 0.0, 639.5, 1e9, 1e300];
    for left in edges {
        for right in edges.into_iter().filter(|r| *r >= left) {
            for shape in [wgpublur::Shape::Box, wgpublur::Shape::Ellipse] {
                let object = Object {
                    rect: [left, left, right, right],
                    size: [right - left; 2],
                    ..object([0; 4])
                };
                let mut regions = look(VGA, "");
                let live = live(2.0, 4096, shape);
                let drawn = regions.draw([(&object, false)].into_iter(), None, &live);
                assert_eq!(drawn, Ok(()));
                let covers_all = left <= 0.0 && right >= 640.0;
                assert!(
                    !covers_all || regions.share() == 1.0,
                    "{left} {right} {shape:?}"
                );
            }
        }
    }
}

#[test]
fn an_ellipse_covers_the_padded_box() {
    for rect in [
        [100, 80, 31, 57],
        [101, 81, 2, 2],
        [7, 9, 300, 41],
        [0, 0, 1, 1],
    ] {
        for canvas in [
            canvas(Format::Nv12, 320, 200, false),
            canvas(Format::Nv12, 320, 200, true),
            canvas(Format::Rgb, 320, 200, false),
        ] {
            let object = object(rect);
            let [ellipse, whole] = [wgpublur::Shape::Ellipse, wgpublur::Shape::Box]
                .map(|shape| outline(&object, false, &live(0.1, 1, shape), canvas));
            let box_alone = whole
                .aligned(canvas.format, canvas.interlaced, 320, 200)
                .unwrap();
            let share = |regions: &[Region]| {
                let mut drawn = look(canvas, "");
                drawn.regions.extend(regions);
                drawn.share()
            };
            assert_eq!(
                share(&[ellipse, whole]),
                share(&[ellipse]),
                "{rect:?} {canvas:?}"
            );
            assert!(share(&[whole]) == pixels(box_alone) as f64 / 64_000.0);
        }
    }
}

#[test]
fn what_lies_outside_is_left_out_and_too_much_is_refused() {
    let live = live(0.1, 0, wgpublur::Shape::Box);
    let of = |objects: &[Object]| {
        let mut regions = look(VGA, "");
        regions
            .draw(objects.iter().map(|o| (o, false)), None, &live)
            .map(|()| regions.regions().len())
    };
    assert_eq!(of(&[object([700, 500, 10, 10])]), Ok(0));
    let whole = object([0, 0, 640, 480]);
    assert_eq!(of(&vec![whole.clone(); 4]), Ok(4));
    assert_eq!(of(&vec![whole; 5]), Err(TooMany));
    for strange in [f64::NAN, f64::INFINITY] {
        let mut lost = object([1, 2, 3, 4]);
        lost.rect[2] = strange;
        assert_eq!(of(&[lost]), Err(TooMany), "it is nowhere");
    }
    let nowhere = Regions::default().draw([].into_iter(), None, &live);
    assert_eq!(nowhere, Err(TooMany), "frames of which nothing is known");
}

const ZONES: &str = r#"
[[camera]]
name = "c"
[[camera.zone]]
name = "left"
polygon = [[0, 0], [0.25, 0], [0.25, 1], [0, 1]]
[[camera.zone]]
name = "corner"
polygon = [[0.5, 0.5], [1, 0.5], [1, 1]]
"#;

#[test]
fn the_order_is_surroundings_objects_text_zones() {
    let mut regions = look(VGA, ZONES);
    let (plate, person) = (object([10, 10, 20, 10]), object([10, 10, 40, 90]));
    let live = live(0.0, 0, wgpublur::Shape::Box);
    let hole = Rect {
        x: 320,
        y: 0,
        width: 160,
        height: 240,
    };
    let objects = [(&plate, true), (&person, false)];
    regions
        .draw(objects.into_iter(), Some(&[hole]), &live)
        .unwrap();
    let shapes: Vec<_> = regions
        .regions()
        .iter()
        .map(|r| (r.shape, r.solid))
        .collect();
    assert_eq!(
        shapes,
        [
            (Shape::Runs(2), false),
            (Shape::Box, false),
            (Shape::Box, true),
            (Shape::Runs(0), true),
            (Shape::Runs(1), true),
        ]
    );
    assert_eq!((regions.zones(), regions.others()), (2, 3));
    assert_eq!(regions.runs().len(), 3);
    assert_eq!(regions.share(), 1.0 - 0.25 * 0.5);
    regions.whole();
    assert_eq!((regions.regions().len(), regions.share()), (3, 1.0));
}

#[test]
fn zones_follow_the_frames_the_camera_and_its_position() {
    let zones = format!("{ZONES}[[camera]]\nname = \"d\"\npreset = \"p\"\nno-zone = true\n");
    let mut what = What {
        classes: Default::default(),
        solid: Default::default(),
        zones: Some(crate::zones::Zones::parse(&zones).unwrap()),
        camera: Some("c".into()),
        picture: None,
    };
    let mut regions = Regions::default();
    let live = live(0.1, 0, wgpublur::Shape::Box);
    let mut of = |what: &What, canvas: Canvas, preset: &str| {
        let is_known = regions.look(canvas, what, &Demand::Undeclared, &Arc::from(preset));
        regions.draw([].into_iter(), None, &live).unwrap();
        (is_known, regions.regions().len(), regions.share())
    };
    let (known, count, share) = of(&what, VGA, "");
    assert!(
        known && count == 2 && share > 0.375 && share < 0.38,
        "{share}"
    );
    assert_eq!(of(&what, VGA, "").2, share, "nothing changed");
    let small = canvas(Format::Rgb, 16, 16, true);
    let (known, count, share) = of(&what, small, "");
    assert!(known && count == 2 && share > 0.375, "{share}");
    assert_eq!(of(&what, VGA, "p"), (false, 0, 0.0));
    what.camera = Some("d".into());
    assert_eq!(of(&what, VGA, ""), (false, 0, 0.0));
    assert_eq!(of(&what, VGA, "p"), (true, 0, 0.0));
    what.camera = None;
    assert_eq!(
        of(&what, VGA, "p"),
        (false, 0, 0.0),
        "nobody names the camera"
    );
}

#[test]
fn the_share_counts_overlaps_once() {
    let rgb = canvas(Format::Rgb, 10, 10, false);
    let of = |boxes: &[[u32; 4]]| {
        let mut drawn = look(rgb, "");
        let region = |&[x, y, width, height]: &[u32; 4]| Region {
            x: x as i32,
            y: y as i32,
            width,
            height,
            ..Region::default()
        };
        drawn.regions.extend(boxes.iter().map(region));
        (drawn.share() * 100.0).round()
    };
    assert_eq!(of(&[]), 0.0);
    assert_eq!(of(&[[0, 0, 10, 10]]), 100.0);
    assert_eq!(of(&[[0, 0, 5, 10], [0, 0, 5, 10]]), 50.0);
    assert_eq!(of(&[[0, 0, 4, 4], [2, 2, 4, 4]]), 28.0);
    assert_eq!(of(&[[0, 0, 1, 1], [9, 9, 1, 1]]), 2.0);
    assert_eq!(of(&[[0, 0, 9, 1], [1, 0, 2, 1], [5, 0, 5, 1]]), 10.0);
    assert_eq!(
        of(&[[0, 0, 2, 9], [4, 3, 2, 2], [0, 8, 10, 2], [4, 3, 1, 7]]),
        43.0
    );
}

#[test]
fn the_share_of_any_regions_is_that_of_their_pixels() {
    let mut seed = 11u64;
    let mut next = move |below: u32| {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((seed >> 33) % u64::from(below)) as u32
    };
    for round in 0..200 {
        let canvas = canvas(
            [Format::Nv12, Format::Rgb, Format::Uyvy][next(3) as usize],
            1 + next(60),
            1 + next(40),
            next(2) == 0,
        );
        let mut drawn = look(canvas, if next(3) == 0 { ZONES } else { "" });
        let objects: Vec<Object> = (0..next(6))
            .map(|_| object([next(60), next(40), next(30), next(30)]))
            .collect();
        let shape = [wgpublur::Shape::Box, wgpublur::Shape::Ellipse][next(2) as usize];
        let hole = Rect {
            x: 3,
            y: 4,
            width: 20,
            height: 18,
        };
        let clear = (next(3) == 0).then_some([hole]);
        let live = live(0.1, 0, shape);
        let objects = objects.iter().map(|o| (o, false));
        if drawn
            .draw(objects, clear.as_ref().map(|c| &c[..]), &live)
            .is_err()
        {
            drawn.whole();
        }
        let written = count(canvas, &drawn);
        let share = drawn.share() * f64::from(canvas.width) * f64::from(canvas.height);
        assert_eq!(
            written,
            share.round() as u64,
            "{round}: {canvas:?} {:?}",
            drawn.regions()
        );
    }
}

/// How many pixels a white mask writes on a frame of zeros.
fn count(canvas: Canvas, drawn: &Regions) -> u64 {
    use privacy_shaders::{Frame, Mode, Plane, Scratch, Seed, Work, cpu};
    let Canvas {
        format,
        width,
        height,
        interlaced,
    } = canvas;
    let mut memory: Vec<(Vec<u8>, usize)> = (0..format.planes())
        .map(|plane| {
            let (samples, rows) = format.plane_size(plane, width, height);
            let stride = (samples * format.channels(plane)) as usize;
            (vec![0; stride * rows as usize], stride)
        })
        .collect();
    let planes = memory.iter_mut().map(|(data, stride)| Plane {
        data,
        stride: *stride,
    });
    let mut frame = Frame::new(format, width, height, planes)
        .unwrap()
        .with_interlaced(interlaced);
    let work = Work {
        regions: drawn.regions(),
        runs: drawn.runs(),
        fill: 0xffff_ffff,
        ..Work::new(Mode::Solid, Seed(1))
    };
    cpu::mask(&mut frame, &work, &mut Scratch::default());
    let (luma, stride) = &memory[0];
    let is_written = |x: u32, y: u32| {
        let x = x as usize;
        let at = match format {
            Format::Nv12 => x,
            Format::Rgb => 3 * x,
            Format::Uyvy => 2 * x + 1,
            format => panic!("{format:?} is not among those that are tested"),
        };
        luma[y as usize * stride + at] != 0
    };
    (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .filter(|&(x, y)| is_written(x, y))
        .count() as u64
}
