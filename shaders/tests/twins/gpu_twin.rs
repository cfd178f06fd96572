// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shaders, and the GPU against the CPU twin.

use privacy_shaders::{
    Format, Mode, Picture as Image, Region, Runs, Scratch, Shape, Work, cpu,
    gpu::{GpuError, Kernels, MAX_IN_FLIGHT, Masker, Selection},
};

use crate::support::{MODES, Picture, SIZES, oracle, region, region_lists, work};

/// Needs no adapter: a shader that no driver would take must not wait for one to be found.
#[test]
fn every_shader_is_valid_and_has_its_entry_points() {
    use wgpu::naga;
    for shader in privacy_shaders::gpu::SHADERS {
        let (name, source) = (shader.name, shader.source);
        let module = naga::front::wgsl::parse_str(source)
            .unwrap_or_else(|err| panic!("{name}: {}", err.emit_to_string(source)));
        naga::valid::Validator::new(
            naga::valid::ValidationFlags::all(),
            naga::valid::Capabilities::empty(),
        )
        .validate(&module)
        .unwrap_or_else(|err| panic!("{name}: {}", err.emit_to_string(source)));
        let entries: Vec<&str> = module
            .entry_points
            .iter()
            .map(|e| e.name.as_str())
            .collect();
        assert_eq!(entries, shader.entries);
    }
}

/// A masker on any adapter. Without one: says so, and fails where one is promised.
fn any_gpu(test: &str) -> Option<Masker> {
    gpu_with(test, Kernels::Auto)
}

fn gpu_with(test: &str, kernels: Kernels) -> Option<Masker> {
    let selection = Selection {
        software: true,
        kernels,
        ..Default::default()
    };
    match Masker::open(&selection) {
        Ok(masker) => Some(masker),
        Err(err @ GpuError::NoAdapter { .. }) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{err}");
            eprintln!("SKIPPED {test}: a Vulkan adapter is missing, install mesa-vulkan-drivers");
            None
        }
        Err(err) => panic!("{err}"),
    }
}

/// Both variants of the kernels, one a GPU's and one a CPU's.
fn both_gpus(test: &str) -> Option<[Masker; 2]> {
    Some([
        gpu_with(test, Kernels::Together)?,
        gpu_with(test, Kernels::Alone)?,
    ])
}

/// Numbers that are always the same.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }

    fn around(&mut self, side: u32) -> i32 {
        self.below(side + 20) as i32 - 10
    }
}

/// A picture of noise that can be seen through in part.
fn image() -> Image {
    let mut random = Random(99);
    let rgba: Vec<u8> = (0..90 * 70 * 4).map(|_| random.below(256) as u8).collect();
    Image::new(&rgba, 90, 70, 0xff33_66cc).unwrap()
}

/// Two sets of runs for a frame: a star that crosses itself, and all but two holes.
fn runs(w: u32, h: u32, interlaced: bool) -> [Runs; 2] {
    let mut both = [Runs::default(), Runs::default()];
    let star: Vec<[f64; 2]> = (0..5)
        .map(|i| {
            let angle = f64::from(i) * 4.0 * std::f64::consts::PI / 5.0;
            let at = |part: f64, side: u32| (part * 0.6 + 0.5) * f64::from(side);
            [at(angle.sin(), w), at(angle.cos(), h)]
        })
        .collect();
    both[0].polygon(&star, w, h, interlaced);
    let hole = |x, y| privacy_shaders::Rect {
        x,
        y,
        width: w / 3,
        height: h / 3,
    };
    both[1].except(w, h, &[hole(w / 5, h / 6), hole(w / 2, h / 3)], interlaced);
    both
}

fn assert_same(found: &Picture, expected: &Picture, what: impl FnOnce() -> String) {
    if let Some(i) = (0..found.data.len()).find(|&i| found.data[i] != expected.data[i]) {
        panic!(
            "{:?} {}x{} {}: byte {i} is {}, not {}",
            found.format,
            found.width,
            found.height,
            what(),
            found.data[i],
            expected.data[i]
        );
    }
}

#[test]
fn the_gpu_agrees_with_the_cpu_bit_by_bit() {
    let Some(mut gpus) = both_gpus("the_gpu_agrees_with_the_cpu_bit_by_bit") else {
        return;
    };
    eprintln!("on {}", gpus[0].adapter());
    let image = image();
    let modes = MODES.into_iter().chain([
        Mode::Gaussian { cells: 3 },
        Mode::Gaussian { cells: 64 },
        Mode::Image { picture: &image },
    ]);
    let modes: Vec<Mode> = modes.collect();
    let mut count = 0usize;
    for format in Format::ALL {
        for (w, h, pad) in SIZES {
            let picture = Picture::noise(format, w, h, pad, w * 131 + h);
            for interlaced in [false, true] {
                let runs = runs(w, h, interlaced);
                for list in region_lists(w, h) {
                    for &mode in &modes {
                        count += 1;
                        // Shapes and solid regions in turn; both modules have all of them.
                        let shapes = [
                            Shape::Box,
                            Shape::Ellipse,
                            Shape::Runs(0),
                            Shape::Box,
                            Shape::Runs(1),
                        ];
                        // Half of all, and of interlaced frames an eighth: others for each format.
                        let turn = count / 8 + count;
                        if !turn.is_multiple_of(if interlaced { 8 } else { 2 }) {
                            continue;
                        }
                        let regions: Vec<Region> = list
                            .iter()
                            .enumerate()
                            .map(|(i, region)| Region {
                                shape: shapes[(count / 3 + i) % shapes.len()],
                                solid: (count + i).is_multiple_of(7),
                                ..*region
                            })
                            .collect();
                        let work = Work {
                            runs: &runs,
                            ..work(&regions, mode)
                        };
                        let mut found = picture.clone();
                        let gpu = &mut gpus[count / 16 % 2];
                        gpu.mask(&mut found.frame().with_interlaced(interlaced), &work)
                            .unwrap();
                        let mut expected = picture.clone();
                        cpu::mask(
                            &mut expected.frame().with_interlaced(interlaced),
                            &work,
                            &mut Scratch::default(),
                        );
                        assert_same(&found, &expected, || {
                            format!("+{pad} interlaced {interlaced} {mode:?} {regions:?}")
                        });
                    }
                }
            }
        }
    }
}

/// Sizes, strides, regions and modes that nobody thought of, against the oracle too.
#[test]
fn random_masks_agree() {
    let mut gpu = any_gpu("random_masks_agree (the half on the GPU)");
    let mut random = Random(0x2545_f491);
    for _ in 0..400 {
        let format = Format::ALL[random.below(19) as usize];
        let (w, h) = (1 + random.below(150), 1 + random.below(150));
        let pad = random.below(9) as usize;
        let picture = Picture::noise(format, w, h, pad, random.below(u32::MAX));
        let regions: Vec<Region> = (0..random.below(6))
            .map(|_| {
                let key = u64::from(random.below(9)) << random.below(40);
                let (x, y) = (random.around(w), random.around(h));
                region(x, y, random.below(w + 9), random.below(h + 9), key)
            })
            .collect();
        let cells = random.below(70);
        let mode = match random.below(3) {
            0 => Mode::Solid,
            1 => Mode::Pixelate { cells },
            _ => Mode::Blur { cells },
        };
        let expected = picture.on_cpu(&regions, mode);
        let bound = if matches!(mode, Mode::Blur { .. }) {
            2
        } else {
            0
        };
        let exact = oracle(&picture, &regions, mode);
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= bound;
        assert!(
            expected.data.iter().zip(&exact.data).all(near),
            "{format:?} {w}x{h} {mode:?} {regions:?}"
        );
        if let Some(gpu) = &mut gpu {
            let mut found = picture.clone();
            gpu.mask(&mut found.frame(), &work(&regions, mode)).unwrap();
            assert_same(&found, &expected, || format!("{mode:?} {regions:?}"));
        }
    }
}

/// Streams that nobody thought of: sizes, strides, regions, shapes and modes, with objects that are
/// remembered from frame to frame, and some frames in flight.
#[test]
fn random_streams_agree() {
    let Some(mut gpus) = both_gpus("random_streams_agree") else {
        return;
    };
    let image = image();
    let mut random = Random(0x2545_f491);
    for stream in 0..120 {
        let gpu = &mut gpus[stream % 2];
        let mut scratch = Scratch::default();
        gpu.forget();
        let format = Format::ALL[random.below(19) as usize];
        let (w, h) = (1 + random.below(150), 1 + random.below(150));
        let interlaced = random.below(3) == 0;
        let runs = runs(w, h, interlaced);
        let cells = random.below(70);
        let mode = match random.below(6) {
            0 => Mode::Solid,
            1 | 2 => Mode::Pixelate { cells },
            3 => Mode::Blur { cells },
            4 => Mode::Gaussian { cells },
            _ => Mode::Image { picture: &image },
        };
        let refresh = [0, 3, 100][random.below(3) as usize];
        let in_flight = 1 + random.below(4) as usize;
        let sides: Vec<(u32, u32)> = (0..3)
            .map(|_| (random.below(w + 9), random.below(h + 9)))
            .collect();
        let mut flying = std::collections::VecDeque::new();
        let land = |gpu: &mut Masker, flight| {
            let (ticket, mut found, expected, what): (_, Picture, Picture, String) = flight;
            gpu.collect(ticket, &mut found.frame().with_interlaced(interlaced))
                .unwrap();
            assert_same(&found, &expected, || what);
        };
        for now in 0..10 {
            let picture = Picture::noise(
                format,
                w,
                h,
                random.below(9) as usize,
                random.below(u32::MAX),
            );
            let regions: Vec<Region> = (0..random.below(6))
                .map(|_| {
                    let (width, height) = sides[random.below(3) as usize];
                    let shapes = [
                        Shape::Box,
                        Shape::Ellipse,
                        Shape::Runs(0),
                        Shape::Runs(1),
                        Shape::Runs(9),
                    ];
                    Region {
                        shape: shapes[random.below(5) as usize],
                        solid: random.below(6) == 0,
                        remember: random.below(3) > 0,
                        ..region(
                            random.around(w),
                            random.around(h),
                            width,
                            height,
                            random.below(4).into(),
                        )
                    }
                })
                .collect();
            let work = Work {
                runs: &runs,
                now,
                refresh,
                ..work(&regions, mode)
            };
            let mut found = picture.clone();
            let ticket = gpu
                .submit(&found.frame().with_interlaced(interlaced), &work)
                .unwrap();
            let mut expected = picture;
            cpu::mask(
                &mut expected.frame().with_interlaced(interlaced),
                &work,
                &mut scratch,
            );
            let what =
                format!("stream {stream}, frame {now}, {mode:?}, refresh {refresh}, {regions:?}");
            flying.push_back((ticket, found, expected, what));
            if flying.len() >= in_flight {
                let flight = flying.pop_front().unwrap();
                land(gpu, flight);
            }
        }
        for flight in flying {
            land(gpu, flight);
        }
        assert_eq!(gpu.in_flight(), 0);
    }
}

#[test]
fn large_frames_and_many_regions_agree_too() {
    let Some(mut gpus) = both_gpus("large_frames_and_many_regions_agree_too") else {
        return;
    };
    for (format, w, h) in [
        (Format::Nv12, 1920, 1080),
        (Format::Argb, 1279, 719),
        (Format::Rgb, 1279, 719),
        (Format::P010, 2049, 1081),
        (Format::Gray8, 32_767, 9),
        (Format::Rgbx, 9, 32_767),
    ] {
        let picture = Picture::noise(format, w, h, 2, 5);
        let crowd: Vec<Region> = (0..500)
            .map(|i| {
                let (x, y) = ((i * 73) % w, (i * 37) % h);
                region(x as i32, y as i32, 1 + i % 90, 1 + i % 60, i.into())
            })
            .collect();
        for regions in [vec![Region::whole(w, h)], crowd] {
            for mode in [
                Mode::Pixelate { cells: 1 },
                Mode::Pixelate { cells: 6 },
                Mode::Blur { cells: 64 },
                Mode::Gaussian { cells: 4 },
            ] {
                // Barriers in 100 000 workgroups take a CPU that plays GPU longer than a device may take.
                let many = regions.len() > 1 && !matches!(mode, Mode::Pixelate { .. });
                for gpu in &mut gpus[usize::from(many)..] {
                    let mut found = picture.clone();
                    gpu.mask(&mut found.frame(), &work(&regions, mode)).unwrap();
                    assert_same(&found, &picture.on_cpu(&regions, mode), || {
                        format!("{mode:?}, {} regions", regions.len())
                    });
                }
            }
        }
    }
}

/// What a frame shows of an object that is remembered comes from the memory: not from its pixels.
#[test]
fn remembered_objects_look_the_same_on_every_frame_in_flight() {
    let Some(mut gpu) = any_gpu("remembered_objects_look_the_same_on_every_frame_in_flight") else {
        return;
    };
    let regions = [Region {
        remember: true,
        ..region(8, 8, 30, 30, 5)
    }];
    let work = Work {
        refresh: 1000,
        ..work(&regions, Mode::Pixelate { cells: 6 })
    };
    let mut frames: Vec<Picture> = (0..3)
        .map(|seed| Picture::noise(Format::Nv12, 64, 48, 0, seed))
        .collect();
    let tickets: Vec<_> = frames
        .iter_mut()
        .map(|frame| gpu.submit(&frame.frame(), &work).unwrap())
        .collect();
    for (ticket, frame) in tickets.into_iter().zip(&mut frames) {
        gpu.collect(ticket, &mut frame.frame()).unwrap();
    }
    for frame in &frames[1..] {
        for y in 8..38 {
            let row = frame.at(0, 8, y, 0)..frame.at(0, 38, y, 0);
            assert_eq!(frame.data[row.clone()], frames[0].data[row]);
        }
    }
    // Forgotten, it is looked at again.
    gpu.forget();
    let mut again = Picture::noise(Format::Nv12, 64, 48, 0, 77);
    let expected = again.on_cpu(&regions, work.mode);
    gpu.mask(&mut again.frame(), &work).unwrap();
    assert_same(&again, &expected, || "after forgetting".into());
}

#[test]
fn too_much_for_one_buffer_is_an_error_and_leaves_the_frame_alone() {
    let Some(mut gpu) = any_gpu("too_much_for_one_buffer_is_an_error_and_leaves_the_frame_alone")
    else {
        return;
    };
    let picture = Picture::noise(Format::Nv12, 1920, 1080, 0, 5);
    let mut found = picture.clone();
    let regions = vec![Region::whole(1920, 1080); 200];
    let mode = Mode::Pixelate { cells: 6 };
    let result = gpu.mask(&mut found.frame(), &work(&regions, mode));
    assert!(
        matches!(result, Err(GpuError::TooLarge { .. })),
        "{result:?}"
    );
    assert!(found == picture);
    // It goes on with the next frame.
    gpu.mask(&mut found.frame(), &work(&regions[..1], mode))
        .unwrap();
    assert!(found == picture.on_cpu(&regions[..1], mode));
}

#[test]
fn maskers_share_a_device_and_do_not_disturb_each_other() {
    if any_gpu("maskers_share_a_device_and_do_not_disturb_each_other").is_none() {
        return;
    }
    std::thread::scope(|scope| {
        for seed in 0..3 {
            scope.spawn(move || {
                let mut gpu = any_gpu("thread").unwrap();
                for round in 0..20 {
                    let picture = Picture::noise(Format::Nv12, 70, 50, 0, seed * 100 + round);
                    let regions = &region_lists(70, 50)[6];
                    let mode = MODES[round as usize % MODES.len()];
                    let mut found = picture.clone();
                    gpu.mask(&mut found.frame(), &work(regions, mode)).unwrap();
                    assert!(found == picture.on_cpu(regions, mode));
                }
            });
        }
    });
}

#[test]
fn frames_in_flight_come_back_as_they_were_sent() {
    let Some(mut gpu) = any_gpu("frames_in_flight_come_back_as_they_were_sent") else {
        return;
    };
    let regions = [region(4, 4, 40, 30, 1)];
    let work = work(&regions, Mode::Pixelate { cells: 6 });
    let mut frames: Vec<Picture> = (0..MAX_IN_FLIGHT as u32)
        .map(|seed| Picture::noise(Format::I420, 64, 48, 3, seed))
        .collect();
    let before = frames.clone();
    let mut tickets: Vec<_> = frames
        .iter_mut()
        .map(|frame| gpu.submit(&frame.frame(), &work).unwrap())
        .collect();
    assert_eq!(gpu.in_flight(), MAX_IN_FLIGHT);
    assert!(
        frames == before,
        "nothing is written before it is collected"
    );
    let full = gpu.submit(&frames[0].frame(), &work);
    assert!(matches!(full, Err(GpuError::Refused(_))), "{full:?}");
    // The last first, and one dropped, which makes room.
    let last = tickets.pop().unwrap();
    gpu.collect(last, &mut frames.last_mut().unwrap().frame())
        .unwrap();
    drop(tickets.remove(2));
    for _ in 0..2 {
        let mut extra = before[0].clone();
        let ticket = gpu.submit(&extra.frame(), &work).unwrap();
        gpu.collect(ticket, &mut extra.frame()).unwrap();
        assert!(extra == before[0].on_cpu(&regions, work.mode));
    }
    let more = gpu.submit(&frames[0].frame(), &work).unwrap();
    let another = gpu.submit(&frames[0].frame(), &work).unwrap();
    drop((more, another));
    let kept = [0, 1, 3, 4, 5, 6];
    for (ticket, i) in tickets.into_iter().zip(kept) {
        gpu.collect(ticket, &mut frames[i].frame()).unwrap();
    }
    for i in kept.into_iter().chain([MAX_IN_FLIGHT - 1]) {
        assert_same(&frames[i], &before[i].on_cpu(&regions, work.mode), || {
            format!("frame {i}")
        });
    }
    assert!(frames[2] == before[2]);
}

#[test]
fn a_ticket_is_good_for_its_frame_and_its_masker_only() {
    let Some(mut gpus) = both_gpus("a_ticket_is_good_for_its_frame_and_its_masker_only") else {
        return;
    };
    let regions = [Region::whole(64, 48)];
    let work = work(&regions, Mode::Solid);
    let mut frame = Picture::noise(Format::Nv12, 64, 48, 0, 1);
    let mut other = Picture::noise(Format::Nv12, 64, 50, 0, 1);
    let before = other.clone();
    let ticket = gpus[0].submit(&frame.frame(), &work).unwrap();
    let result = gpus[0].collect(ticket, &mut other.frame());
    assert!(matches!(result, Err(GpuError::Refused(_))), "{result:?}");
    let ticket = gpus[0].submit(&other.frame(), &work).unwrap();
    let result = gpus[1].collect(ticket, &mut other.frame());
    assert!(matches!(result, Err(GpuError::Refused(_))), "{result:?}");
    assert!(other == before);
    // Nothing to mask is nothing to wait for.
    let nothing = Work {
        regions: &[],
        ..work
    };
    let ticket = gpus[0].submit(&other.frame(), &nothing).unwrap();
    gpus[0].collect(ticket, &mut other.frame()).unwrap();
    assert!(other == before);
}

/// For benches: how long, not how well, and only where the device has a clock.
#[test]
fn gpu_kernels_and_copies_are_timed_when_asked() {
    let Some(mut gpu) = any_gpu("gpu_kernels_and_copies_are_timed_when_asked") else {
        return;
    };
    let regions = [Region::whole(64, 48)];
    let work = work(&regions, Mode::Pixelate { cells: 6 });
    let mut frame = Picture::noise(Format::Nv12, 64, 48, 0, 5);
    gpu.mask(&mut frame.frame(), &work).unwrap();
    assert_eq!(gpu.kernel_time(), None, "not asked");
    gpu.set_timed(true);
    let picture = Picture::noise(Format::Nv12, 64, 48, 0, 5);
    let mut frame = picture.clone();
    gpu.mask(&mut frame.frame(), &work).unwrap();
    assert!(frame == picture.on_cpu(&regions, work.mode));
    let copy = gpu.copy_time(1001).unwrap();
    assert_eq!(gpu.kernel_time().is_some(), copy.is_some());
    gpu.set_timed(false);
    gpu.mask(&mut frame.frame(), &work).unwrap();
    assert_eq!(gpu.kernel_time(), None);
}

#[test]
fn an_adapter_that_is_not_there_is_named() {
    let selection = Selection {
        software: true,
        name: "no such card".into(),
        ..Default::default()
    };
    let err = Masker::open(&selection).unwrap_err();
    assert!(matches!(err, GpuError::NoAdapter { .. }));
    assert!(err.to_string().contains("\"no such card\""), "{err}");
}

#[test]
fn a_lost_device_is_an_error_and_the_next_masker_gets_another() {
    let Some(mut gpu) = any_gpu("a_lost_device_is_an_error_and_the_next_masker_gets_another")
    else {
        return;
    };
    let picture = Picture::noise(Format::Nv12, 64, 48, 0, 5);
    let regions = [Region::whole(64, 48)];
    let mode = Mode::Blur { cells: 6 };
    let mut found = picture.clone();
    gpu.mask(&mut found.frame(), &work(&regions, mode)).unwrap();
    gpu.destroy_device();
    let mut found = picture.clone();
    for _ in 0..2 {
        let result = gpu.mask(&mut found.frame(), &work(&regions, mode));
        assert!(matches!(result, Err(GpuError::Lost(_))), "{result:?}");
        assert!(found == picture, "a frame that was not masked is as it was");
    }
    let mut gpu = any_gpu("again").unwrap();
    gpu.mask(&mut found.frame(), &work(&regions, mode)).unwrap();
    assert!(found == picture.on_cpu(&regions, mode));
}

#[test]
fn a_lost_device_is_an_error_for_every_frame_in_flight() {
    let Some(mut gpu) = any_gpu("a_lost_device_is_an_error_for_every_frame_in_flight") else {
        return;
    };
    let regions = [region(4, 4, 40, 30, 1)];
    let remembered = [Region {
        remember: true,
        ..regions[0]
    }];
    let mode = Mode::Pixelate { cells: 6 };
    let work = Work {
        refresh: 1000,
        ..work(&remembered, mode)
    };
    let mut frames: Vec<Picture> = (0..3)
        .map(|seed| Picture::noise(Format::Uyvy, 64, 48, 1, seed))
        .collect();
    let before = frames.clone();
    let tickets: Vec<_> = frames
        .iter_mut()
        .map(|frame| gpu.submit(&frame.frame(), &work).unwrap())
        .collect();
    gpu.destroy_device();
    let late = gpu.submit(&frames[0].frame(), &work);
    assert!(matches!(late, Err(GpuError::Lost(_))), "{late:?}");
    for (ticket, frame) in tickets.into_iter().zip(&mut frames) {
        let result = gpu.collect(ticket, &mut frame.frame());
        assert!(matches!(result, Err(GpuError::Lost(_))), "{result:?}");
    }
    assert!(frames == before, "clear, and not to be shown");
    assert_eq!(gpu.in_flight(), 0);
}
