// SPDX-License-Identifier: MIT OR Apache-2.0
//! Masking allocates nothing once it has seen frames like this one. A binary of its own: it counts what
//! the allocator is asked for.

use privacy_shaders::{
    Format, Frame, Mode, Picture, Rect, Region, Runs, Scratch, Seed, Shape, Work, cpu,
};

const SECOND: u64 = 1_000_000_000;
const SIZE: (u32, u32) = (640, 360);

/// People who walk, one of whom leaves and comes back, a plate, and a zone: the same again after 44 frames.
fn regions(time: u32, out: &mut Vec<Region>) {
    out.clear();
    for i in 0..12i32 {
        if i == 3 && time.is_multiple_of(11) {
            continue;
        }
        out.push(Region {
            x: (i * 97 + time as i32 * 15) % 660 - 20,
            y: (i * 61) % 300,
            width: 30 + i as u32 * 4,
            height: 70,
            key: i as u64,
            shape: if i % 2 == 0 {
                Shape::Box
            } else {
                Shape::Ellipse
            },
            solid: i == 5,
            remember: i % 3 != 0,
        });
    }
    out.push(Region {
        shape: Shape::Runs(0),
        ..Region::whole(SIZE.0, SIZE.1)
    });
}

#[test]
fn masking_allocates_nothing_once_it_has_warmed_up() {
    let (width, height) = SIZE;
    let picture = Picture::new(&[9; 64], 4, 4, 0).unwrap();
    let corners = [[10.0, 10.0], [200.5, 40.0], [90.0, 300.0]];
    for format in [
        Format::Nv12,
        Format::I420,
        Format::Yuy2,
        Format::P010,
        Format::Rgb,
        Format::Bgra,
    ] {
        let (mut offsets, mut strides, mut end) = (vec![], vec![], 0);
        for plane in 0..format.planes() {
            let (samples, rows) = format.plane_size(plane, width, height);
            offsets.push(end);
            strides.push((samples * format.channels(plane)) as usize);
            end += strides[plane] * rows as usize;
        }
        let mut data = vec![77u8; end];
        for mode in [
            Mode::Solid,
            Mode::Pixelate { cells: 6 },
            Mode::Blur { cells: 8 },
            Mode::Gaussian { cells: 6 },
            Mode::Image { picture: &picture },
        ] {
            let mut scratch = Scratch::default();
            let (mut list, mut runs) = (Vec::new(), [Runs::default(), Runs::default()]);
            let clear = [Rect {
                x: 50,
                y: 60,
                width: 70,
                height: 80,
            }];
            let mut frame = |time: u32| {
                regions(time, &mut list);
                runs[0].polygon(&corners, width, height, false);
                runs[1].except(width, height, &clear, false);
                let work = Work {
                    regions: &list,
                    runs: &runs,
                    now: u64::from(time) * SECOND / 5,
                    refresh: 22 * SECOND / 5,
                    ..Work::new(mode, Seed(1))
                };
                let planes = split(&mut data, &offsets, &strides);
                let mut frame = Frame::new(format, width, height, planes).unwrap();
                cpu::mask(&mut frame, &work, &mut scratch);
            };
            // Around the frame until every object had its values taken again, and as often once more.
            let counted = allocation_counter::measure(|| (0..132).for_each(&mut frame));
            assert!(counted.count_total > 0, "it counts");
            let counted = allocation_counter::measure(|| (132..264).for_each(&mut frame));
            assert_eq!(counted.count_total, 0, "{format:?} {mode:?}: {counted:?}");
        }
    }
}

/// The planes of a frame, without a list of them.
fn split<'a>(
    mut data: &'a mut [u8],
    offsets: &'a [usize],
    strides: &'a [usize],
) -> impl Iterator<Item = privacy_shaders::Plane<'a>> {
    (0..offsets.len()).map(move |plane| {
        let end = offsets
            .get(plane + 1)
            .map_or(data.len(), |next| next - offsets[plane]);
        let (own, rest) = std::mem::take(&mut data).split_at_mut(end);
        data = rest;
        privacy_shaders::Plane {
            data: own,
            stride: strides[plane],
        }
    })
}
