// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shaders, and the GPU against the CPU twin.

use privacy_shaders::{
    Format, Mode, Region,
    gpu::{GpuError, Masker, Selection},
};

use crate::support::{MODES, Picture, SIZES, oracle, region, region_lists, work};

/// Those that the shaders know.
const FORMATS: [Format; 10] = [
    Format::Nv12,
    Format::I420,
    Format::Rgbx,
    Format::Bgrx,
    Format::Xrgb,
    Format::Xbgr,
    Format::Rgba,
    Format::Bgra,
    Format::Argb,
    Format::Abgr,
];

/// Needs no adapter: a shader that no driver would take must not wait for one to be found.
#[test]
fn every_shader_is_valid_and_has_its_entry_point() {
    use wgpu::naga;
    for (name, source) in privacy_shaders::gpu::SHADERS {
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
        assert_eq!(entries, [name]);
    }
}

/// A masker on any adapter. Without one: says so, and fails where one is promised.
fn any_gpu(test: &str) -> Option<Masker> {
    let selection = Selection {
        software: true,
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

#[test]
fn the_gpu_agrees_with_the_cpu_bit_by_bit() {
    let Some(mut gpu) = any_gpu("the_gpu_agrees_with_the_cpu_bit_by_bit") else {
        return;
    };
    eprintln!("on {}", gpu.adapter());
    for format in FORMATS {
        for (w, h, pad) in SIZES {
            let picture = Picture::noise(format, w, h, pad, w * 131 + h);
            for regions in region_lists(w, h) {
                for mode in MODES {
                    let mut found = picture.clone();
                    gpu.mask(&mut found.frame(), &work(&regions, mode)).unwrap();
                    let expected = picture.on_cpu(&regions, mode);
                    if let Some(i) =
                        (0..found.data.len()).find(|&i| found.data[i] != expected.data[i])
                    {
                        panic!(
                            "{format:?} {w}x{h}+{pad} {mode:?} {regions:?}: byte {i} is {}, not {}",
                            found.data[i], expected.data[i]
                        );
                    }
                }
            }
        }
    }
}

/// Sizes, strides, regions and modes that nobody thought of.
#[test]
fn random_masks_agree() {
    let mut gpu = any_gpu("random_masks_agree (the half on the GPU)");
    let mut state = 0x2545_f491u32;
    let mut random = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    for _ in 0..400 {
        let format = FORMATS[random(10) as usize];
        let (w, h) = (1 + random(150), 1 + random(150));
        let picture = Picture::noise(format, w, h, random(9) as usize, random(u32::MAX));
        let regions: Vec<Region> = (0..random(6))
            .map(|_| {
                let key = u64::from(random(9)) << random(40);
                region(
                    random(w + 4) as i32,
                    random(h + 4) as i32,
                    random(w + 9),
                    random(h + 9),
                    key,
                )
            })
            .collect();
        let cells = random(70);
        let mode = match random(3) {
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
            assert!(found == expected, "{format:?} {w}x{h} {mode:?} {regions:?}");
        }
    }
}

#[test]
fn large_frames_and_many_regions_agree_too() {
    let Some(mut gpu) = any_gpu("large_frames_and_many_regions_agree_too") else {
        return;
    };
    for (format, w, h) in [(Format::Nv12, 1920, 1080), (Format::Argb, 1279, 719)] {
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
            ] {
                let mut found = picture.clone();
                gpu.mask(&mut found.frame(), &work(&regions, mode)).unwrap();
                assert!(
                    found == picture.on_cpu(&regions, mode),
                    "{format:?} {mode:?}"
                );
            }
        }
    }
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
                    let mode = MODES[(round % 7) as usize];
                    let mut found = picture.clone();
                    gpu.mask(&mut found.frame(), &work(regions, mode)).unwrap();
                    assert!(found == picture.on_cpu(regions, mode));
                }
            });
        }
    });
}

#[test]
fn an_adapter_that_is_not_there_is_named() {
    let selection = Selection {
        software: true,
        name: "no such card".into(),
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
