// SPDX-License-Identifier: MIT OR Apache-2.0
//! The quick start: a street scene becomes a masked video, counts and a register that verifies.
//!
//! Two pipelines run at the same time over the same clip, each with its own mandate and both with one
//! register:
//!
//! ```text
//! comm.public_publication  decode ! gate ! detector ! mask ! exit gate ! encoder ! mp4 ! register + file
//! stats.traffic_counts     decode ! gate ! detector ! counter ! register + file (JSON Lines, no image)
//! ```
//!
//! `examples/quickstart` builds everything and starts this program.
#![forbid(unsafe_code)]

mod report;
mod run;
mod sheet;
mod site;
mod stages;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::AtomicBool,
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{run::Outcome, site::Site, stages::StageTimes};

/// Takes a clip to a masked video, counts and a verified register.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder of onnxruntime, models and the clip, as left by examples/fetch-assets.
    #[arg(long, default_value = "examples/assets")]
    assets: PathBuf,
    /// Folder of the built plugins and of privacyctl.
    #[arg(long, default_value = "target/release")]
    build: PathBuf,
    /// Folder with the example mandates and site.toml.
    #[arg(long, default_value = "examples")]
    examples: PathBuf,
    /// Folder to write to.
    #[arg(long, default_value = "examples/out")]
    out: PathBuf,
}

/// Frames of vtest.avi, for the length of the bars.
const FRAMES: u64 = 795;

fn main() -> ExitCode {
    match quickstart(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn quickstart(arguments: &Arguments) -> Result<()> {
    gst::init()?;
    load_plugins(&arguments.build)?;
    let asset = |name: &str| {
        let path = arguments.assets.join(name);
        ensure!(
            path.is_file(),
            "{} is missing: run ./examples/fetch-assets",
            path.display()
        );
        fs::canonicalize(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let clip = asset("vtest.avi")?;
    let model = asset("nanodet.onnx")?;
    let runtime = asset("libonnxruntime.so")?;
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make {}", arguments.out.display()))?;
    let out = fs::canonicalize(&arguments.out)?;
    let site = Site::prepare(
        &out,
        &arguments.build.join("privacyctl"),
        &arguments.examples.join("mandates"),
    )?;

    let video = out.join("anonymised.mp4");
    let counts = out.join("counts.jsonl");
    for old in [&video, &counts] {
        // An exported file is never written over by the sink; these are this example's own, from its last run.
        if old.exists() {
            fs::remove_file(old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    let source = |purpose: &str, mandate: &str| {
        format!(
            "filesrc location={} ! avidemux ! avdec_msmpeg4 name=decode ! \
             videoconvert name=convert ! video/x-raw,format=NV12 ! queue max-size-buffers=4 ! \
             purposegate name=entry purpose={purpose} mandate={} trusted-keys={} camera=cam-12 \
             operator=a-0417 sink-class=file ! \
             onnxdetector name=detect model-file={} runtime-library={}",
            quote(&clip),
            quote(&site.mandate(mandate)),
            quote(&site.trusted_keys()),
            quote(&model),
            quote(&runtime),
        )
    };
    let sink = |location: &Path| {
        format!(
            "auditsink name=register register={} location={}",
            quote(&site.register()),
            quote(location)
        )
    };
    let publish = format!(
        "{} ! wgpublur name=mask ! purposegate name=exit stage=exit ! queue max-size-buffers=4 ! \
         x264enc name=encode speed-preset=veryfast threads=1 ! h264parse ! mp4mux name=mux ! {}",
        source("comm.public_publication", "publication"),
        sink(&video),
    );
    let count = format!(
        "{} use=statistics ! countaggregator name=count config={} window=60000000000 \
         start-time=2026-11-21T10:00:00Z ! {}",
        source("stats.traffic_counts", "statistics"),
        quote(&arguments.examples.join("site.toml")),
        sink(&counts),
    );

    let times = StageTimes::start();
    let (published, counted) = run_both(&publish, &count)?;
    let rows = rows(&published);
    let picture = out.join("before-after.png");
    sheet::write(&picture, &clip, &video, &rows).context("cannot make the contact sheet")?;
    report::print(&report::Report {
        published: &published,
        counted: &counted,
        times: &times,
        site: &site,
        files: &[&picture, &video, &counts],
        counts: &counts,
    })
}

/// Loads the plugins from the build folder, so that neither the environment nor an installed version matters.
fn load_plugins(build: &Path) -> Result<()> {
    for name in [
        "purposegate",
        "onnxdetector",
        "wgpublur",
        "countaggregator",
        "auditsink",
    ] {
        let path = build.join(format!("libgst{name}.so"));
        let plugin = gst::Plugin::load_file(&path).with_context(|| {
            format!(
                "cannot load {}: run ./examples/quickstart, which builds it",
                path.display()
            )
        })?;
        gst::Registry::get().add_plugin(&plugin)?;
    }
    for (element, package) in [
        ("avidemux", "gstreamer1.0-plugins-good"),
        ("avdec_msmpeg4", "gstreamer1.0-libav"),
        ("x264enc", "gstreamer1.0-plugins-ugly"),
        ("h264parse", "gstreamer1.0-plugins-bad"),
        ("mp4mux", "gstreamer1.0-plugins-good"),
    ] {
        if gst::ElementFactory::find(element).is_none() {
            bail!("the GStreamer element {element} is missing: install Debian's {package}");
        }
    }
    Ok(())
}

/// A path as a value in a pipeline description.
fn quote(path: &Path) -> String {
    let text = path.to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Both pipelines at once, each with a bar.
fn run_both(publish: &str, count: &str) -> Result<(Outcome, Outcome)> {
    let bars = MultiProgress::new();
    let style = ProgressStyle::with_template(
        "{prefix:<9} [{bar:32}] {pos:>3} of {len} frames, {per_sec}, {eta} left",
    )?;
    let bar = |name: &'static str| {
        bars.add(
            ProgressBar::new(FRAMES)
                .with_style(style.clone())
                .with_prefix(name),
        )
    };
    let (masking, counting) = (bar("masking"), bar("counting"));
    let stop = AtomicBool::new(false);
    let (published, counted) = thread::scope(|scope| {
        let other = scope.spawn(|| run::run("counting", count, &counting, &stop));
        let published = run::run("masking", publish, &masking, &stop);
        (published, other.join())
    });
    masking.finish();
    counting.finish();
    let counted = counted.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match (published, counted) {
        (Ok(published), Ok(counted)) => Ok((published, counted)),
        // The one that failed by itself says why; the other was stopped for it.
        (Err(error), Err(other)) if error.is::<run::Stopped>() => {
            Err(other.context("the count failed"))
        }
        (Err(error), _) => Err(error.context("the publication failed")),
        (_, Err(error)) => Err(error.context("the count failed")),
    }
}

/// Three frames to show, one of each third of the clip: that with the most objects found. A pair holds the
/// number of the frame in the original and in the export, which differ once a gate has held a frame back.
fn rows(outcome: &Outcome) -> Vec<(usize, usize)> {
    let third = outcome.frames_out.len().div_ceil(3).max(1);
    outcome
        .frames_out
        .chunks(third)
        .enumerate()
        .filter_map(|(part, frames)| {
            let (at, frame) = frames.iter().enumerate().max_by_key(|(_, f)| f.found)?;
            let original = outcome.frames_in.iter().position(|pts| *pts == frame.pts)?;
            Some((original, part * third + at))
        })
        .collect()
}
