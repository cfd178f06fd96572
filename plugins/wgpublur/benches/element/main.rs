// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the element costs in a pipeline.
//!
//! ```sh
//! cargo bench -p gst-plugin-wgpublur --bench element                 # everything, some minutes
//! cargo bench -p gst-plugin-wgpublur --bench element -- rate copies  # some of: rate pipelines cost paced copies peers
//! ```
//!
//! - `rate`: frames per second with the element, as a share of those with `identity` in its place, on 1080p
//!   NV12 of which 10 boxes cover 5 %: in one running pipeline, which sends frames through one and the other.
//! - `pipelines`: the same from pipelines of their own, one after the other, with times of single frames.
//! - `cost`: time of a frame in the element when frames cost nothing to come by.
//! - `paced`: CPU time of 100 regions on 4K NV12 at 30 frames a second, above that of `identity`.
//! - `copies`: whether GStreamer or the element copies a frame.
//! - `peers`: time of a frame in other elements that blur, where they are installed.
//!
//! Boxes and scan stamp are put on by a probe in every pipeline alike, so that they cancel out. Everything
//! compared runs in turns within one process. The last frame of every run is checked: boxes masked, the rest
//! untouched. Without `--bench`, as under `cargo test --benches`, a few frames only show that all of it works.
#![forbid(unsafe_code)]

mod check;
mod report;
mod run;
mod scene;
mod switched;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result};
use gst_video::VideoFormat;

use crate::{
    check::Expected,
    report::{median, percentile},
    run::{Copies, Run, Setup, WARM_UP, run},
    scene::Scene,
};

const SECTIONS: [&str; 6] = ["rate", "pipelines", "cost", "paced", "copies", "peers"];

/// Elements compared with each other: name, description, what its boxes must look like.
type Leg<'a> = (&'a str, &'a str, Expected);

/// Hands frames through, and is what everything else is compared with.
const IDENTITY: Leg<'_> = ("identity", "identity", Expected::Untouched);
const PIXELATE: Leg<'_> = (
    "pixelate",
    "wgpublur backend=cpu padding=0",
    Expected::Cells(6),
);
const SOLID: Leg<'_> = (
    "solid",
    "wgpublur backend=cpu padding=0 mode=solid",
    Expected::Black,
);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // nextest asks every target for its tests.
    if arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let is_quick = !arguments.iter().any(|a| a == "--bench");
    let asked: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|a| !a.starts_with('-'))
        .collect();
    if let Some(unknown) = asked.iter().find(|a| !SECTIONS.contains(a)) {
        eprintln!(
            "error: \"{unknown}\" is no part of this bench; choose from: {}",
            SECTIONS.join(" ")
        );
        return ExitCode::FAILURE;
    }
    let is_asked = |name: &str| asked.is_empty() || asked.contains(&name);
    match bench(is_quick, is_asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(is_quick: bool, is_asked: impl Fn(&str) -> bool) -> Result<()> {
    gst::init()?;
    gstwgpublur::plugin_register_static()?;
    report::machine();
    let folder = tempfile::tempdir().context("no temporary folder for the frames")?;
    let (rounds, frames) = if is_quick { (1, 40) } else { (11, 320) };
    if is_asked("rate") {
        rate(folder.path(), if is_quick { 2 } else { 151 })?;
    }
    if is_asked("pipelines") {
        pipelines(folder.path(), rounds, frames)?;
    }
    if is_asked("cost") {
        cost(
            if is_quick { 1 } else { 5 },
            if is_quick { 40 } else { 2000 },
        )?;
    }
    if is_asked("paced") {
        paced(
            if is_quick { 1 } else { 5 },
            WARM_UP + if is_quick { 20 } else { 150 },
        )?;
    }
    if is_asked("peers") {
        peers(
            if is_quick { 1 } else { 5 },
            WARM_UP + if is_quick { 3 } else { 40 },
        )?;
    }
    // Last: it turns GStreamer's debug log on, which costs time.
    if is_asked("copies") {
        copies(folder.path())?;
    }
    report::load("at the end");
    Ok(())
}

/// Runs the legs in turns, first in one order, then in the other, so that a drift hits all alike.
fn in_turns(
    scene: &Arc<Scene>,
    source: &str,
    legs: &[Leg<'_>],
    rounds: usize,
    frames: u64,
    paced: bool,
) -> Result<Vec<Vec<Run>>> {
    let mut runs = vec![Vec::new(); legs.len()];
    for round in 0..rounds {
        for i in 0..legs.len() {
            let leg = if round % 2 == 0 {
                i
            } else {
                legs.len() - 1 - i
            };
            let (_, element, expected) = legs[leg];
            let setup = Setup {
                source,
                element,
                expected,
                frames,
                paced,
            };
            runs[leg].push(run(scene, &setup, None)?);
        }
    }
    Ok(runs)
}

fn rate(folder: &Path, rounds: usize) -> Result<()> {
    let scene = Arc::new(Scene::ten_on_1080p());
    println!(
        "\nrate: 1080p NV12, 10 moving boxes with tracks; one pipeline, {} frames through each element in turn, \
         {rounds} rounds; goal: at least 95 % of identity",
        switched::TURN
    );
    println!(
        "{:<28}{:<10}{:>9}{:>9}  middle half",
        "source", "element", "frames/s", "ratio"
    );
    let legs = [IDENTITY, PIXELATE, SOLID];
    for (name, source) in sources(folder, &scene, switched::frames(legs.len(), rounds))? {
        let ratios = switched::compare(&scene, &source, &legs, rounds)?;
        for ((leg, ..), ratio) in legs.iter().zip(ratios) {
            let [low, high] = ratio.quartiles;
            println!(
                "{name:<28}{leg:<10}{:>9.0}{:>9.3}  {low:.3} to {high:.3}",
                ratio.rate, ratio.median
            );
        }
    }
    Ok(())
}

fn pipelines(folder: &Path, rounds: usize, frames: u64) -> Result<()> {
    let scene = Arc::new(Scene::ten_on_1080p());
    println!(
        "\npipelines: 1080p NV12, 10 moving boxes with tracks; {rounds} rounds of {} frames in turns; goal: at least \
         95 % of identity",
        frames - WARM_UP
    );
    rate_heads();
    for (name, source) in sources(folder, &scene, frames)? {
        rates(name, &source, &scene, rounds, frames)?;
    }
    Ok(())
}

fn cost(rounds: usize, frames: u64) -> Result<()> {
    let scene = Arc::new(Scene::ten_on_1080p());
    println!(
        "\ncost: the same with frames that lie in memory and go round, {rounds} rounds of {} frames in turns; its \
         ratio is of frames that nobody made",
        frames - WARM_UP
    );
    rate_heads();
    rates("memory", &feed_source(&scene), &scene, rounds, frames)
}

fn rate_heads() {
    for heads in [
        [
            "source", "element", "frames/s", "ratio", "median", "p95", "p99", "pixels", "masked",
        ],
        ["", "", "median", "", "µs", "µs", "µs", "µs", "%"],
    ] {
        let [source, element, figures @ ..] = heads;
        print!("{source:<28}{element:<10}");
        println!("{}", figures.map(|f| format!("{f:>9}")).concat());
    }
}

/// Measures and prints the rows of one source; µs are from the pad before the element to the pad behind it,
/// those on the pixels by the element's own account.
fn rates(name: &str, source: &str, scene: &Arc<Scene>, rounds: usize, frames: u64) -> Result<()> {
    let legs = [IDENTITY, PIXELATE, SOLID];
    let runs = in_turns(scene, source, &legs, rounds, frames, false)?;
    let bare = of(&runs[0], |r| r.rate);
    for ((leg, ..), runs) in legs.iter().zip(&runs) {
        let inside: Vec<f64> = runs.iter().flat_map(|r| r.inside.clone()).collect();
        let rate = of(runs, |r| r.rate);
        println!(
            "{name:<28}{leg:<10}{rate:>9.0}{:>9.3}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>9.2}",
            rate / bare,
            median(&inside),
            percentile(&inside, 0.95),
            percentile(&inside, 0.99),
            of(runs, |r| r.own),
            100.0 * of(runs, |r| r.share),
        );
    }
    Ok(())
}

/// The median over the rounds.
fn of(runs: &[Run], what: fn(&Run) -> f64) -> f64 {
    median(&runs.iter().map(what).collect::<Vec<_>>())
}

/// Frames that lie in memory; see `run::feed`.
fn feed_source(scene: &Scene) -> String {
    format!(
        "appsrc name=feed format=time max-buffers=2 caps=\"{}\"",
        scene.caps()
    )
}

/// Where frames come from, the cheapest last.
fn sources(folder: &Path, scene: &Scene, frames: u64) -> Result<Vec<(&'static str, String)>> {
    let mut sources = vec![(
        "videotestsrc",
        format!("videotestsrc num-buffers={}", frames.min(i32::MAX as u64)),
    )];
    let pattern = folder.join("frame%02d.nv12");
    let pattern = pattern.display();
    for number in 0..16 {
        let mut pixels = vec![0; scene.info.size()];
        scene::paint(number, &mut pixels);
        let path = folder.join(format!("frame{number:02}.nv12"));
        std::fs::write(&path, &pixels)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let files = format!(
        "multifilesrc location={pattern} start-index=0 stop-index=15 loop=true caps=\"{}\"",
        scene.caps()
    );
    let clip = folder.join("clip.mp4");
    match encode(&clip, frames) {
        Ok(()) => sources.push((
            "H.264, decoded, to NV12",
            format!(
                "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! videoconvert",
                clip.display()
            ),
        )),
        Err(why) => println!("no decoded source: {why:#}"),
    }
    sources.push(("16 raw files in page cache", files));
    Ok(sources)
}

/// Makes a 1080p clip of moving texture.
fn encode(clip: &Path, frames: u64) -> Result<()> {
    let description = format!(
        "videotestsrc num-buffers={} pattern=zone-plate kx2=20 ky2=20 kt=4 ! \
         video/x-raw,format=I420,width=1920,height=1080,framerate=30/1,colorimetry=bt709 ! \
         x264enc speed-preset=ultrafast bitrate=8000 ! h264parse ! mp4mux ! filesink location={}",
        frames + 10,
        clip.display()
    );
    run::to_the_end(&description)
}

fn paced(rounds: usize, frames: u64) -> Result<()> {
    let scene = Arc::new(Scene::hundred_on_4k());
    println!(
        "\npaced: 4K NV12 at 30 frames/s, 100 moving boxes with tracks, frames in memory; {rounds} rounds of {} \
         frames in turns; goal: less than 5 % of one core above identity",
        frames - WARM_UP
    );
    let legs = [IDENTITY, PIXELATE, SOLID];
    let runs = in_turns(&scene, &feed_source(&scene), &legs, rounds, frames, true)?;
    println!(
        "{:<10}{:>12}{:>12}{:>9}{:>9}{:>9}{:>9}{:>8}",
        "element", "% of a core", "above", "median", "p95", "p99", "pixels", "masked"
    );
    let bare = of(&runs[0], |r| r.cores);
    for ((leg, ..), runs) in legs.iter().zip(&runs) {
        let inside: Vec<f64> = runs.iter().flat_map(|r| r.inside.clone()).collect();
        let cores = of(runs, |r| r.cores);
        println!(
            "{leg:<10}{:>12.2}{:>12.2}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>8.2}",
            100.0 * cores,
            100.0 * (cores - bare),
            median(&inside),
            percentile(&inside, 0.95),
            percentile(&inside, 0.99),
            of(runs, |r| r.own),
            100.0 * of(runs, |r| r.share),
        );
    }
    println!("CPU time of the whole process by clock_gettime; µs as above");
    Ok(())
}

fn peers(rounds: usize, frames: u64) -> Result<()> {
    println!(
        "\npeers: time of one 1080p frame, {rounds} rounds of {} frames in turns",
        frames - WARM_UP
    );
    println!(
        "{:<44}{:<8}{:>10}{:>10}{:>10}{:>10}",
        "element", "format", "median ms", "p95 ms", "p99 ms", "ratio"
    );
    // Values of cells that are known already need no look at the frame: taken anew for each frame here.
    let ours = ["pixelate", "blur", "gaussian"].map(|mode| {
        let element =
            format!("wgpublur backend=cpu whole-frame=true refresh-interval=0 mode={mode}");
        (
            format!("wgpublur whole-frame=true mode={mode}"),
            element,
            VideoFormat::Nv12,
        )
    });
    let mut legs = ours.to_vec();
    match gst::ElementFactory::find("gaussianblur") {
        Some(_) => legs.push((
            "gaussianblur sigma=8".to_owned(),
            "gaussianblur sigma=8".to_owned(),
            VideoFormat::Ayuv,
        )),
        None => println!("gaussianblur is not installed (gstreamer1.0-plugins-bad), not compared"),
    }
    match (gst::ElementFactory::find("faceblur"), cascade()) {
        (Some(_), Some(cascade)) => legs.push((
            "faceblur".to_owned(),
            format!("faceblur profile={}", cascade.display()),
            VideoFormat::Rgb,
        )),
        (Some(_), None) => println!("faceblur finds no face without a cascade, not compared"),
        (None, _) => println!("faceblur is not installed (gstreamer1.0-opencv), not compared"),
    }
    let mut inside = vec![Vec::new(); legs.len()];
    for _ in 0..rounds {
        for ((name, element, format), inside) in legs.iter().zip(&mut inside) {
            let scene = Arc::new(Scene::empty_1080p(*format));
            let source = format!("videotestsrc num-buffers={frames}");
            let leg = (&**name, &**element, Expected::Anything);
            let runs = in_turns(&scene, &source, &[leg], 1, frames, false)?;
            inside.extend(runs.into_iter().flatten().flat_map(|r| r.inside));
        }
    }
    let first = median(&inside[0]);
    for ((name, _, format), inside) in legs.iter().zip(&inside) {
        println!(
            "{name:<44}{:<8}{:>10.3}{:>10.3}{:>10.3}{:>10.1}",
            format.to_str(),
            median(inside) / 1e3,
            percentile(inside, 0.95) / 1e3,
            percentile(inside, 0.99) / 1e3,
            median(inside) / first,
        );
    }
    Ok(())
}

/// The cascade that faceblur looks for faces with: Debian's package opencv-data, or the virtual environment of
/// `against-opencv`. Its default names no file, and then it lets every face pass.
fn cascade() -> Option<PathBuf> {
    let name = "haarcascade_frontalface_default.xml";
    let site = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/opencv-venv/lib/python3.11/site-packages/cv2/data");
    [PathBuf::from("/usr/share/opencv4/haarcascades"), site]
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Counts frames that come out in other memory than they went in, and GStreamer's own reports of copies.
fn copies(folder: &Path) -> Result<()> {
    let scene = Arc::new(Scene::ten_on_1080p());
    let counter = Copies::count(scene.info.size());
    println!("\ncopies: of whole frames between the pads around the element, 1080p NV12");
    let control = gst::Buffer::with_size(scene.info.size())?;
    counter.inside(true);
    let copy = control.copy_deep();
    counter.inside(false);
    drop(copy);
    println!(
        "control: a frame copied on purpose was seen {} times",
        counter.take()
    );
    for (name, source) in sources(folder, &scene, 60)? {
        for (leg, element, expected) in [IDENTITY, PIXELATE, SOLID] {
            let setup = Setup {
                source: &source,
                element,
                expected,
                frames: 60,
                paced: false,
            };
            let run = run(&scene, &setup, Some(&counter))?;
            println!(
                "{name:<28}{leg:<10} {} copies; {} of {} frames came out in the memory in which they went in",
                counter.take(),
                run.in_place.0,
                run.in_place.1
            );
        }
    }
    Ok(())
}
