// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every format, bit by bit, against what GStreamer says of where its components lie.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoInterlaceMode, VideoMeta};

use crate::{
    support::{Bench, bytes, init, scan, stamp},
    what::error,
};

const FORMATS: [VideoFormat; 19] = [
    VideoFormat::Nv12,
    VideoFormat::Nv21,
    VideoFormat::I420,
    VideoFormat::Yv12,
    VideoFormat::Yuy2,
    VideoFormat::Uyvy,
    VideoFormat::P01010le,
    VideoFormat::Y444,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Gray8,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Xrgb,
    VideoFormat::Xbgr,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Argb,
    VideoFormat::Abgr,
];

/// Grey has no colour, so that no matrix changes it: luma 126 of 16 to 235, chroma 128.
const GREY: &str = "mode=solid fill-color=0xff808080 padding=0";

/// Where the planes of a frame lie.
struct Layout {
    info: VideoInfo,
    offsets: Vec<usize>,
    strides: Vec<usize>,
    size: usize,
}

impl Layout {
    /// As GStreamer lays them out.
    fn plain(info: &VideoInfo) -> Self {
        Self {
            offsets: info.offset().to_vec(),
            strides: info.stride().iter().map(|&s| s as usize).collect(),
            size: info.size(),
            info: info.clone(),
        }
    }

    /// With bytes that belong to no row before, between and behind the planes, and at the end of rows.
    fn padded(info: &VideoInfo) -> Self {
        let mut layout = Self::plain(info);
        let mut end = 5;
        for plane in 0..info.n_planes() as usize {
            layout.offsets[plane] = end;
            layout.strides[plane] += 7 + 4 * plane;
            end += layout.strides[plane] * rows(info, plane) + 3;
        }
        layout.size = end;
        layout
    }

    fn frame(&self, number: u64) -> gst::Buffer {
        let pattern = |i: usize| ((i * 37 + i / 251 * 11 + number as usize) % 251) as u8;
        let mut buffer =
            gst::Buffer::from_mut_slice((0..self.size).map(pattern).collect::<Vec<_>>());
        let b = buffer.make_mut();
        b.set_pts(gst::ClockTime::from_mseconds(40 * number));
        let plain = Self::plain(&self.info);
        if (&self.offsets, &self.strides) != (&plain.offsets, &plain.strides) {
            let strides: Vec<i32> = self.strides.iter().map(|&s| s as i32).collect();
            VideoMeta::add_full(
                b,
                gst_video::VideoFrameFlags::empty(),
                self.info.format(),
                self.info.width(),
                self.info.height(),
                &self.offsets,
                &strides,
            )
            .unwrap();
        }
        buffer
    }

    /// What a grey mask over `[left, top, right, bottom]`, already aligned, makes of a frame.
    fn masked(&self, frame: &[u8], [left, top, right, bottom]: [u32; 4]) -> Vec<u8> {
        let mut expected = frame.to_vec();
        let format = self.info.format_info();
        let is_rgb = format.flags().contains(gst_video::VideoFormatFlags::RGB);
        let is_full = is_rgb || format.flags().contains(gst_video::VideoFormatFlags::GRAY);
        for c in 0..format.n_components() as usize {
            let plane = format.plane()[c] as usize;
            let (w_sub, h_sub) = (format.w_sub()[c], format.h_sub()[c]);
            let pixel = format.pixel_stride()[c] as usize;
            let is_deep = format.depth()[c] + format.shift()[c] > 8;
            // GStreamer counts the offset of the second chroma sample of P010 in samples.
            let offset = format.poffset()[c] as usize * if is_deep { 2 } else { 1 };
            let value = match (c, is_full) {
                (3, _) => 255u8,
                (_, true) | (1.., false) => 128,
                (0, false) => 126,
            };
            for y in top >> h_sub..bottom.div_ceil(1 << h_sub) {
                for x in left >> w_sub..right.div_ceil(1 << w_sub) {
                    let at = self.offsets[plane]
                        + y as usize * self.strides[plane]
                        + x as usize * pixel
                        + offset;
                    if is_deep {
                        expected[at..at + 2].copy_from_slice(&[0, value]);
                    } else {
                        expected[at] = value;
                    }
                    // The byte of four that is no component.
                    if c == 0 && is_rgb && pixel == 4 && format.n_components() == 3 {
                        let start = at - offset;
                        let used: Vec<_> = format.poffset()[..3].to_vec();
                        let unused = (0..4).find(|b| !used.contains(b)).unwrap();
                        expected[start + unused as usize] = 255;
                    }
                }
            }
            // A macropixel at an odd right edge holds the luma of a pixel that is none.
            if c == 0 && w_sub == 0 && pixel == 2 && right == self.info.width() && right % 2 == 1 {
                for y in top..bottom {
                    let at = self.offsets[plane]
                        + y as usize * self.strides[plane]
                        + right as usize * pixel
                        + offset;
                    if !is_deep {
                        expected[at] = value;
                    }
                }
            }
        }
        expected
    }
}

fn rows(info: &VideoInfo, plane: usize) -> usize {
    info.format_info().scale_height(plane as u8, info.height()) as usize
}

fn info(format: VideoFormat, width: u32, height: u32, mode: VideoInterlaceMode) -> VideoInfo {
    init();
    VideoInfo::builder(format, width, height)
        .fps(gst::Fraction::new(25, 1))
        .interlace_mode(mode)
        .build()
        .unwrap()
}

/// What is masked of a box: chroma and luma in the same blocks, of both fields.
fn aligned(info: &VideoInfo, [left, top, right, bottom]: [u32; 4]) -> [u32; 4] {
    let format = info.format_info();
    let sub = |subs: &[u32]| subs.iter().copied().max().unwrap_or(0);
    let across = 1 << sub(format.w_sub());
    let half_rows = sub(format.h_sub());
    let down = 1 << (half_rows * if info.is_interlaced() { 2 } else { 1 });
    [
        left / across * across,
        top / down * down,
        right.next_multiple_of(across).min(info.width()),
        bottom.next_multiple_of(down).min(info.height()),
    ]
}

fn bench(info: &VideoInfo, settings: &str) -> Bench {
    let mut bench = Bench::new(info.format(), info.width(), info.height(), settings);
    bench.set_info(info.clone());
    bench
}

fn check(info: &VideoInfo, layout: &Layout, rect: [u32; 4]) {
    let mut bench = bench(info, GREY);
    let [left, top, right, bottom] = rect;
    let mut frame = layout.frame(0);
    let b = frame.make_mut();
    let roi = (left, top, right - left, bottom - top);
    gst_video::VideoRegionOfInterestMeta::add(b, "person", roi);
    scan(b, 1).write(b);
    let before = bytes(&frame);
    let out = bench.run(frame);
    let what = format!(
        "{:?} {}x{} {:?} {rect:?}",
        info.format(),
        info.width(),
        info.height(),
        info.interlace_mode()
    );
    assert!(!stamp(&out).whole_frame, "{what}");
    let expected = layout.masked(&before, aligned(info, rect));
    let wrong = first_difference(&bytes(&out), &expected);
    assert_eq!(wrong, None, "{what}");
}

/// Where two frames differ first, with what one of them has there and the other should have.
fn first_difference(is: &[u8], should: &[u8]) -> Option<(usize, u8, u8)> {
    if is == should {
        return None;
    }
    assert_eq!(is.len(), should.len());
    let mut pairs = is.iter().zip(should).enumerate();
    pairs
        .find(|(_, (a, b))| a != b)
        .map(|(at, (a, b))| (at, *a, *b))
}

#[test]
fn a_region_is_masked_in_every_format_and_not_a_bit_beside_it() {
    for format in FORMATS {
        for (w, h, rect) in [
            (1, 1, [0, 0, 1, 1]),
            (2, 3, [1, 1, 2, 2]),
            (5, 9, [3, 3, 5, 9]),
            (33, 17, [32, 16, 33, 17]),
            (33, 17, [7, 5, 20, 12]),
            (64, 48, [21, 13, 40, 30]),
        ] {
            for mode in [
                VideoInterlaceMode::Progressive,
                VideoInterlaceMode::Interleaved,
            ] {
                let info = info(format, w, h, mode);
                check(&info, &Layout::plain(&info), rect);
                check(&info, &Layout::padded(&info), rect);
            }
        }
    }
}

#[test]
fn full_hd_frames_of_every_format_are_masked() {
    for format in FORMATS {
        let info = info(format, 1920, 1080, VideoInterlaceMode::Progressive);
        check(&info, &Layout::plain(&info), [1201, 1000, 1920, 1080]);
    }
}

#[test]
fn frames_of_mixed_streams_are_masked_as_interlaced_ones() {
    for format in [VideoFormat::I420, VideoFormat::Nv21, VideoFormat::P01010le] {
        let info = info(format, 48, 34, VideoInterlaceMode::Mixed);
        for flags in [
            gst_video::VideoBufferFlags::empty(),
            gst_video::VideoBufferFlags::INTERLACED | gst_video::VideoBufferFlags::TFF,
        ] {
            let layout = Layout::plain(&info);
            let mut bench = bench(&info, GREY);
            let mut frame = layout.frame(0);
            let b = frame.make_mut();
            b.set_flags(gst::BufferFlags::from_bits_truncate(flags.bits()));
            gst_video::VideoRegionOfInterestMeta::add(b, "person", (9, 9, 3, 1));
            scan(b, 1).write(b);
            let before = bytes(&frame);
            let out = bench.run(frame);
            // Line 9 is in the second field, whose chroma line lies in lines 8 to 11.
            let expected = layout.masked(&before, [8, 8, 12, 12]);
            assert_eq!(
                first_difference(&bytes(&out), &expected),
                None,
                "{format:?}"
            );
        }
    }
}

#[test]
fn streams_of_single_fields_are_refused_with_the_remedy() {
    for mode in ["fields", "alternate"] {
        let mut bench = Bench::new(VideoFormat::I420, 64, 48, "");
        let frame = bench.frame(0);
        let mut caps = bench.info.to_caps().unwrap();
        caps.make_mut().set("interlace-mode", mode);
        bench.harness.set_src_caps(caps);
        assert!(bench.harness.push(frame).is_err(), "{mode}");
        assert_eq!(bench.harness.buffers_in_queue(), 0);
    }
    let mut bench = Bench::new(VideoFormat::I420, 64, 48, "");
    let frame = bench.frame(0);
    let mut caps = bench.info.to_caps().unwrap();
    caps.make_mut().set("interlace-mode", "fields");
    bench.harness.set_src_caps(caps);
    assert!(bench.harness.push(frame).is_err());
    let error = error(&bench);
    assert!(
        error.contains("fields") && error.contains("deinterlace"),
        "{error}"
    );
    assert!(error.contains("insérez"), "{error}");
}

#[test]
fn frames_that_are_cut_short_are_refused_in_every_format() {
    for format in FORMATS {
        for (w, h) in [(1, 1), (33, 17)] {
            let info = info(format, w, h, VideoInterlaceMode::Progressive);
            for layout in [Layout::plain(&info), Layout::padded(&info)] {
                let is_padded = layout.size > info.size();
                // The last bytes of a padded layout belong to no row.
                let last = info.n_planes() as usize - 1;
                let row = info.stride()[last] as usize;
                let whole = layout.offsets[last] + layout.strides[last] * (rows(&info, last) - 1);
                let least = if is_padded { whole + 1 } else { info.size() };
                assert!(row > 0 && least > 0);
                for size in [0, 1, layout.offsets[last], least - 1] {
                    let mut frame = layout.frame(0);
                    frame.make_mut().set_size(size);
                    let mut bench = bench(&info, "whole-frame=true");
                    assert!(
                        bench.harness.push(frame).is_err(),
                        "{format:?} {w}x{h} {size}"
                    );
                    assert_eq!(bench.harness.buffers_in_queue(), 0);
                    assert!(error(&bench).contains("a frame cannot be masked"));
                }
            }
        }
    }
}

#[test]
fn every_format_is_masked_in_every_mode_and_shape() {
    for format in FORMATS {
        for mode in ["pixelate", "blur", "gaussian", "solid"] {
            for shape in ["box", "ellipse"] {
                let settings = format!("mode={mode} shape={shape} padding=0.1");
                for interlaced in [
                    VideoInterlaceMode::Progressive,
                    VideoInterlaceMode::Interleaved,
                ] {
                    let info = info(format, 47, 41, interlaced);
                    let mut bench = bench(&info, &settings);
                    let mut frame = Layout::padded(&info).frame(0);
                    let b = frame.make_mut();
                    gst_video::VideoRegionOfInterestMeta::add(b, "person", (11, 9, 13, 17));
                    scan(b, 1).write(b);
                    let before = frame.copy_deep().unwrap();
                    let out = bench.run(frame);
                    let stamp = stamp(&out);
                    assert_eq!((stamp.regions, &*stamp.method), (1, mode));
                    let changed = bench.changed(&before, &out);
                    let pixels = f64::from(47 * 41) * stamp.share;
                    // A pixel may be masked with the value that it has.
                    assert!(
                        changed.len() as f64 <= pixels + 0.5,
                        "{format:?} {settings}"
                    );
                    assert!(
                        changed.len() as f64 >= 0.8 * pixels,
                        "{format:?} {settings}"
                    );
                    for corner in [(11, 9), (23, 9), (11, 25), (23, 25)] {
                        let near = |&(x, y): &(u32, u32)| {
                            x.abs_diff(corner.0) <= 1 && y.abs_diff(corner.1) <= 1
                        };
                        assert!(changed.iter().any(near), "{format:?} {settings} {corner:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn memory_of_its_own_is_masked_in_place() {
    for format in FORMATS {
        let info = info(format, 64, 48, VideoInterlaceMode::Progressive);
        let mut bench = bench(&info, GREY);
        let mut frame = gst::Buffer::with_size(info.size()).unwrap();
        let b = frame.make_mut();
        b.set_pts(gst::ClockTime::ZERO);
        gst_video::VideoRegionOfInterestMeta::add(b, "person", (8, 8, 8, 8));
        scan(b, 1).write(b);
        let address = |b: &gst::Buffer| b.map_readable().unwrap().as_ptr() as usize;
        let before = address(&frame);
        let out = bench.run(frame);
        assert_eq!(address(&out), before, "{format:?}");
        assert_ne!(bytes(&out), vec![0; info.size()]);
    }
}

/// Whether there is an adapter; says so, where there is none.
fn has_gpu(test: &str) -> bool {
    init();
    let element = gst::ElementFactory::make("wgpublur")
        .property_from_str("backend", "gpu")
        .build()
        .unwrap();
    let opened = element.set_state(gst::State::Paused);
    element.set_state(gst::State::Null).unwrap();
    if opened.is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no adapter");
        eprintln!("SKIPPED {test}: a Vulkan adapter is missing, install mesa-vulkan-drivers");
    }
    opened.is_ok()
}

#[test]
fn the_gpu_masks_every_format_as_the_cpu_does() {
    if !has_gpu("the_gpu_masks_every_format_as_the_cpu_does") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let zones = dir.path().join("zones.toml");
    let text = "[[camera]]\nname = \"c\"\n[[camera.zone]]\nname = \"z\"\npolygon = [[0.5,0.1],[1,0.2],[0.7,0.9]]\n";
    std::fs::write(&zones, text).unwrap();
    let picture = dir.path().join("picture.png");
    image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([6 * x as u8, 6 * y as u8, 90]))
        .save(&picture)
        .unwrap();
    for settings in [
        "mode=solid".to_owned(),
        "mode=solid shape=ellipse invert=true clear-track=1".to_owned(),
        format!(
            "mode=image image-location={} shape=ellipse zones={} camera=c",
            picture.display(),
            zones.display()
        ),
    ] {
        for mode in [
            VideoInterlaceMode::Progressive,
            VideoInterlaceMode::Interleaved,
        ] {
            for format in FORMATS {
                let info = info(format, 61, 45, mode);
                let layout = Layout::padded(&info);
                let [cpu, gpu] = ["cpu", "gpu"].map(|backend| {
                    let mut bench = bench(&info, &format!("{settings} backend={backend}"));
                    let mut frame = layout.frame(3);
                    let b = frame.make_mut();
                    for (track, rect) in [(1, (5, 3, 20, 30)), (2, (20, 20, 37, 19))] {
                        let mut roi = gst_video::VideoRegionOfInterestMeta::add(b, "person", rect);
                        roi.set_id(track);
                    }
                    scan(b, 2).write(b);
                    assert_eq!(bench.element.property::<String>("active-backend"), backend);
                    let out = bench.run(frame);
                    (bytes(&out), stamp(&out))
                });
                assert_eq!(cpu.1, gpu.1, "{format:?} {mode:?} {settings}");
                let difference = cpu
                    .0
                    .iter()
                    .zip(&gpu.0)
                    .position(|(a, b)| a.abs_diff(*b) > 1);
                assert_eq!(difference, None, "{format:?} {mode:?} {settings}");
                let exact = cpu.0 == gpu.0 || settings.contains("image");
                assert!(exact, "{format:?} {mode:?} {settings}");
            }
        }
    }
}
