// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures of what `wgpublur` makes of a street in each of its modes, for the README.
//!
//! The street is drawn, so that nobody filmed is in these pictures; the detections that a detector would
//! find are put on the frame, and the element masks it in a pipeline of its own:
//!
//! ```text
//! appsrc ! wgpublur … ! appsink
//! ```
//!
//! `examples/mask-pictures` builds and starts this program. The noise of the cells has a new secret in each
//! run, and so no two runs write the same pictures.
#![forbid(unsafe_code)]

mod raster;
mod scene;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use gst::prelude::*;
use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use privacy_common::{ScanStamp, attach};

/// Writes one picture per mode of wgpublur.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder to write to.
    #[arg(long, default_value = "examples/pictures")]
    out: PathBuf,
}

/// Name of the picture, and the settings of wgpublur that make it; none for the street as it is.
/// `{zones}` and `{image}` stand for files.
const PICTURES: [(&str, Option<&str>); 11] = [
    ("clear", None),
    ("pixelate", Some("")),
    ("blur", Some("mode=blur")),
    ("solid", Some("mode=solid")),
    ("gaussian", Some("mode=gaussian")),
    (
        "image",
        Some("mode=image image-location={image} classes=person,license-plate"),
    ),
    ("ellipse", Some("mode=blur shape=ellipse")),
    ("zones", Some("zones={zones} camera=cam-12")),
    ("clear-track", Some("clear-track=2")),
    ("invert", Some("invert=true clear-track=2 mode=blur")),
    ("whole-frame", Some("whole-frame=true mode=blur")),
];

/// Its zones of cam-12 are the windows and the entrance of the dwellings in this street.
const ZONES: &str = include_str!("../../../zones.toml");

fn main() -> ExitCode {
    match pictures(&Arguments::parse().out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn pictures(out: &Path) -> Result<()> {
    gst::init()?;
    gstwgpublur::plugin_register_static()?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let files =
        tempfile::tempdir().context("cannot make a folder for the zones and the picture")?;
    let (zones, image) = (
        files.path().join("zones.toml"),
        files.path().join("image.png"),
    );
    fs::write(&zones, ZONES).context("cannot write the zones")?;
    replacement(&image)?;
    let frame = frame()?;
    for (name, settings) in PICTURES {
        let mask = settings.map_or("identity".to_owned(), |settings| {
            let settings = settings
                .replace("{zones}", &quoted(&zones))
                .replace("{image}", &quoted(&image));
            format!("wgpublur backend=cpu {settings}")
        });
        let path = out.join(format!("{name}.png"));
        run(&mask, frame.copy(), &path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// The street as a frame with its detections, and the stamp of whoever found them.
fn frame() -> Result<gst::Buffer> {
    let mut frame = gst::Buffer::from_mut_slice(scene::draw());
    let b = frame.get_mut().context("a new buffer is nobody else's")?;
    b.set_pts(gst::ClockTime::ZERO);
    let detections = scene::detections();
    for detection in &detections {
        attach(b, detection);
    }
    ScanStamp {
        detector: "drawn".into(),
        classes: ["person", "car", "license-plate"].map(str::to_owned).into(),
        found: detections.len() as u32,
        pts: b.pts(),
        width: scene::WIDTH,
        height: scene::HEIGHT,
        ..Default::default()
    }
    .write(b);
    Ok(frame)
}

/// Masks a frame with the element that `mask` describes and writes it as PNG.
fn run(mask: &str, frame: gst::Buffer, path: &Path) -> Result<()> {
    let (width, height) = (scene::WIDTH, scene::HEIGHT);
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, width, height)
        .fps(gst::Fraction::new(25, 1))
        .build()?;
    let description =
        format!("appsrc name=street format=time ! {mask} ! appsink name=masked sync=false");
    let pipeline = gst::parse::launch(&description)?
        .downcast::<gst::Pipeline>()
        .ok()
        .context("several elements are a pipeline")?;
    let source = pipeline
        .by_name("street")
        .and_downcast::<gst_app::AppSrc>()
        .context("the pipeline has an appsrc")?;
    let sink = pipeline
        .by_name("masked")
        .and_downcast::<gst_app::AppSink>()
        .context("the pipeline has an appsink")?;
    source.set_caps(Some(&info.to_caps()?));
    pipeline.set_state(gst::State::Playing)?;
    source.push_buffer(frame)?;
    source.end_of_stream()?;
    let masked = sink.pull_sample();
    let refused = pipeline
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    pipeline.set_state(gst::State::Null)?;
    if let Some(gst::MessageView::Error(error)) = refused.as_ref().map(|m| m.view()) {
        bail!("{}", error.error());
    }
    let masked = masked.context("no frame came out")?;
    let buffer = masked
        .buffer()
        .context("a sample of a stream has a buffer")?;
    let pixels = buffer.map_readable().context("the frame cannot be read")?;
    let file = fs::File::create(path).context("cannot write to it")?;
    PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive)
        .write_image(&pixels, width, height, ExtendedColorType::Rgb8)
        .context("cannot write to it")
}

/// The picture that mode image shows: stripes with a figure that is nobody.
fn replacement(path: &Path) -> Result<()> {
    const SIDE: u32 = 128;
    let mut c = raster::Canvas::new(SIDE, SIDE);
    let side = f64::from(SIDE);
    c.fill(
        [0.0, 0.0, side, side],
        |x, y| {
            if ((x + y) / 16.0) as i32 % 2 == 0 {
                [52, 84, 124]
            } else {
                [62, 98, 142]
            }
        },
        |_, _| true,
    );
    c.ellipse(64.0, 40.0, 26.0, 14.0, [232, 238, 246]);
    c.round_rect([22.0, 62.0, 84.0, 54.0], 16.0, [232, 238, 246]);
    let picture = image::RgbImage::from_raw(SIDE, SIDE, c.rgb());
    let Some(picture) = picture else {
        bail!("the replacement has another size than its pixels");
    };
    picture.save(path).context("cannot write the replacement")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_made_and_masked() {
        let dir = tempfile::tempdir().unwrap();
        pictures(dir.path()).unwrap();
        let open = |name: &str| {
            let picture = image::open(dir.path().join(format!("{name}.png"))).unwrap();
            picture.into_rgb8()
        };
        let clear = open("clear");
        let boxes = scene::detections();
        let chosen = |track: Option<u32>| track == Some(2);
        for (name, settings) in PICTURES {
            let masked = open(name);
            assert_eq!(masked.dimensions(), (scene::WIDTH, scene::HEIGHT));
            for found in &boxes {
                let rect = (found.x..found.x + found.width)
                    .flat_map(|x| (found.y..found.y + found.height).map(move |y| (x, y)));
                let same = rect
                    .filter(|&(x, y)| clear.get_pixel(x, y) == masked.get_pixel(x, y))
                    .count() as u32;
                let share = f64::from(same) / f64::from(found.width * found.height);
                let stays = settings.is_none()
                    || settings.is_some_and(|s| s.contains("clear-track")) && chosen(found.track)
                    || settings.is_some_and(|s| s.contains("classes=")) && found.class == "car";
                // The car's box holds the masked plate, and a mask may have a colour that was there.
                assert_eq!(
                    share > 0.3,
                    stays,
                    "{name}: {} is {share} clear",
                    found.class
                );
            }
        }
    }
}
