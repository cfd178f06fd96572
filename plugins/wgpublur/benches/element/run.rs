// SPDX-License-Identifier: MIT OR Apache-2.0
//! One pipeline, run once: how fast, how much CPU time, and what came out.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use gst::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use crate::{
    check::{Expected, check},
    scene::Scene,
};

/// Frames at the start of a run that are not counted: pools fill, caches warm.
pub const WARM_UP: u64 = 20;

/// A pipeline: where frames come from, and what is done to them.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// Elements up to the frames, which then have the caps of the scene.
    pub source: &'a str,
    /// Elements under test.
    pub element: &'a str,
    pub expected: Expected,
    /// Frames to run, those of the warm-up included.
    pub frames: u64,
    /// Whether frames wait for their time, as those of a camera.
    pub paced: bool,
}

/// What a run showed.
#[derive(Debug, Clone)]
pub struct Run {
    /// Frames per second.
    pub rate: f64,
    /// CPU time of the process per second, in cores; 0 unless frames wait for their time.
    pub cores: f64,
    /// Time of each frame between the pads around the elements under test, µs.
    pub inside: Vec<f64>,
    /// Time on the pixels by the element's own account, µs a frame; NaN where there is no account.
    pub own: f64,
    /// Share of the last frame that is masked, by its stamp.
    pub share: f64,
    /// Frames that came out in the memory in which they went in, of those that came out.
    pub in_place: (u64, u64),
}

#[derive(Debug, Default)]
struct Watch {
    entered: Option<Instant>,
    inside: Vec<f64>,
    started: Option<(Instant, Duration)>,
    ended: Option<(Instant, Duration)>,
    /// Pixels of the last frame before and after.
    before: Option<gst::Buffer>,
    after: Option<gst::Buffer>,
    address: Option<usize>,
    in_place: u64,
    out: u64,
}

/// Frames that GStreamer copied while they were inside the elements under test.
#[derive(Debug, Default)]
pub struct Copies {
    is_inside: AtomicBool,
    seen: AtomicU64,
}

impl Copies {
    /// Counts GStreamer's own debug lines about copied memory of more than half a frame, from now on.
    /// Everything else that it would have printed is lost.
    pub fn count(frame: usize) -> Arc<Self> {
        let copies = Arc::new(Self::default());
        gst::log::remove_default_log_function();
        if let Some(category) = gst::DebugCategory::get("GST_PERFORMANCE") {
            category.set_threshold(gst::DebugLevel::Log);
        }
        let counter = Arc::clone(&copies);
        gst::log::add_log_function(move |category, _, _, _, _, _, message| {
            let text = message.get();
            // "memcpy 3110400 memory 0x… -> 0x…" and "copy 3110400 bytes …"
            let bytes = text.as_deref().and_then(|text| {
                let words = text.split_whitespace();
                words.filter_map(|word| word.parse::<usize>().ok()).max()
            });
            if category.name() == "GST_PERFORMANCE"
                && counter.is_inside.load(Relaxed)
                && bytes.is_some_and(|bytes| bytes > frame / 2)
            {
                counter.seen.fetch_add(1, Relaxed);
            }
        });
        copies
    }

    /// Says that a frame has entered, or left.
    pub fn inside(&self, is_inside: bool) {
        self.is_inside.store(is_inside, Relaxed);
    }

    /// The copies since this was last asked.
    pub fn take(&self) -> u64 {
        self.seen.swap(0, Relaxed)
    }
}

/// Runs a pipeline of its own to its end.
pub fn to_the_end(description: &str) -> Result<()> {
    let pipeline = gst::parse::launch(description)?;
    let bus = pipeline.bus().context("no bus")?;
    pipeline.set_state(gst::State::Playing)?;
    let message = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(120),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null)?;
    match message.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => bail!("{}", error.error()),
        _ => bail!("not done within two minutes: {description}"),
    }
}

/// Runs a pipeline over the frames of a scene and checks its last frame.
pub fn run(scene: &Arc<Scene>, setup: &Setup, copies: Option<&Arc<Copies>>) -> Result<Run> {
    let description = format!(
        "{} ! capsfilter name=scene caps={} ! {} ! fakesink name=sink sync={} enable-last-sample=false",
        setup.source,
        scene.caps(),
        setup.element,
        setup.paced
    );
    let pipeline = gst::parse::launch(&description)
        .with_context(|| format!("cannot make the pipeline {description}"))?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow::anyhow!("not a pipeline: {description}"))?;
    let pad = |element: &str, pad: &str| {
        let element = pipeline.by_name(element)?;
        element.static_pad(pad)
    };
    let (into, out) = pad("scene", "src")
        .zip(pad("sink", "sink"))
        .context("no pads around the elements under test")?;
    let watch = Arc::new(Mutex::new(Watch::default()));
    let last = setup.frames - 1;
    feed(&pipeline, scene, setup.frames)?;

    let (w, s, c) = (Arc::clone(&watch), Arc::clone(scene), copies.cloned());
    into.add_probe(gst::PadProbeType::BUFFER, {
        let number = AtomicU64::new(0);
        move |_, info| {
            let number = number.fetch_add(1, Relaxed);
            if number > last {
                // What is left of an endless source.
                return gst::PadProbeReturn::Drop;
            }
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                s.stamp(number, buffer.make_mut());
                let watch = &mut *w.lock().unwrap();
                watch.address = address(buffer);
                if number == last {
                    watch.before = buffer.copy_deep().ok();
                }
                if let Some(copies) = &c {
                    copies.inside(true);
                }
                watch.entered = Some(Instant::now());
            }
            gst::PadProbeReturn::Ok
        }
    })
    .context("no probe before the elements under test")?;

    let (w, c, paced) = (Arc::clone(&watch), copies.cloned(), setup.paced);
    // Asked for where it is wanted only: it is a call into the kernel.
    let cpu = move || if paced { cpu_time() } else { Duration::ZERO };
    out.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let now = Instant::now();
        if let Some(copies) = &c {
            copies.inside(false);
        }
        let watch = &mut *w.lock().unwrap();
        if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data {
            let number = watch.out;
            watch.out += 1;
            watch.in_place += u64::from(address(buffer) == watch.address);
            if number == WARM_UP {
                watch.started = Some((now, cpu()));
            } else if number > WARM_UP
                && let Some(entered) = watch.entered.take()
            {
                watch.inside.push((now - entered).as_secs_f64() * 1e6);
            }
            if number == last {
                watch.ended = Some((now, cpu()));
                watch.after = Some(buffer.clone());
            }
        }
        gst::PadProbeReturn::Ok
    })
    .context("no probe behind the elements under test")?;

    let own = play(&pipeline, last, &watch);
    pipeline.set_state(gst::State::Null)?;
    let own = own.with_context(|| format!("in the pipeline {description}"))?;

    let watch = &mut *watch.lock().unwrap();
    let ((t0, c0), (t1, c1)) = watch
        .started
        .zip(watch.ended)
        .context("fewer frames came out than the warm-up takes")?;
    let (before, after) = watch
        .before
        .take()
        .zip(watch.after.take())
        .context("the last frame did not come out")?;
    let boxes: Vec<[u32; 4]> = scene.boxes(last).collect();
    let share = check(setup.expected, &scene.info, &boxes, &before, &after)
        .with_context(|| format!("`{}` does not do its work", setup.element))?;
    let seconds = (t1 - t0).as_secs_f64();
    Ok(Run {
        rate: watch.inside.len() as f64 / seconds,
        cores: (c1.saturating_sub(c0)).as_secs_f64() / seconds,
        inside: std::mem::take(&mut watch.inside),
        own,
        share,
        in_place: (watch.in_place, watch.out),
    })
}

/// Plays until the last frame is out, and returns the element's own account of its time, µs a frame.
fn play(pipeline: &gst::Pipeline, last: u64, watch: &Mutex<Watch>) -> Result<f64> {
    play_until(pipeline, || watch.lock().unwrap().after.is_some()).with_context(|| {
        let out = watch.lock().unwrap().out;
        format!("{out} of {} frames came out", last + 1)
    })?;
    let stats = pipeline
        .iterate_elements()
        .into_iter()
        .flatten()
        .find(|e| e.factory().is_some_and(|f| f.name() == "wgpublur"))
        .map(|e| e.property::<gst::Structure>("stats"));
    Ok(stats.map_or(f64::NAN, |stats| {
        let of = |name| stats.get::<u64>(name).unwrap_or(0) as f64;
        of("time") / of("frames") / 1e3
    }))
}

/// Plays until `done`, or the end of the stream.
pub fn play_until(pipeline: &gst::Pipeline, done: impl Fn() -> bool) -> Result<()> {
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("no bus")?;
    let limit = Instant::now() + Duration::from_secs(300);
    loop {
        let message = bus.timed_pop_filtered(
            gst::ClockTime::from_mseconds(20),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        match message.as_ref().map(|m| m.view()) {
            Some(gst::MessageView::Error(error)) => {
                bail!("{} ({:?})", error.error(), error.debug())
            }
            Some(_) => return Ok(()),
            None if done() => return Ok(()),
            None => ensure!(Instant::now() < limit, "not done within five minutes"),
        }
    }
}

/// Feeds `appsrc name=feed`, where the pipeline has one, with frames that were painted before and go round: at
/// least eight, and more than any cache holds.
fn feed(pipeline: &gst::Pipeline, scene: &Scene, frames: u64) -> Result<()> {
    let Some(feed) = pipeline.by_name("feed") else {
        return Ok(());
    };
    let feed = feed
        .downcast::<gst_app::AppSrc>()
        .map_err(|_| anyhow::anyhow!("the element feed is no appsrc"))?;
    let pool = gst_video::VideoBufferPool::new();
    let mut config = pool.config();
    let caps = scene.info.to_caps()?;
    let size = scene.info.size();
    let around = 8.max((64 << 20) / size) as u32;
    config.set_params(Some(&caps), size as u32, around, around);
    pool.set_config(config)?;
    pool.set_active(true)?;
    {
        let mut fresh = Vec::new();
        for number in 0..around {
            let mut buffer = pool.acquire_buffer(None)?;
            let pixels = buffer.get_mut().context("a pooled buffer has one owner")?;
            crate::scene::paint(number.into(), pixels.map_writable()?.as_mut_slice());
            fresh.push(buffer);
        }
    }
    let number = AtomicU64::new(0);
    feed.set_callbacks(
        gst_app::AppSrcCallbacks::builder()
            .need_data(move |feed, _| {
                let at = number.fetch_add(1, Relaxed);
                if at >= frames {
                    // Fails only when the pipeline is stopping.
                    let _ = feed.end_of_stream();
                    return;
                }
                let Ok(mut buffer) = pool.acquire_buffer(None) else {
                    return;
                };
                if let Some(buffer) = buffer.get_mut() {
                    if at + 1 == frames {
                        // What was masked a turn ago would not show a mask of now.
                        if let Ok(mut pixels) = buffer.map_writable() {
                            crate::scene::paint(at, pixels.as_mut_slice());
                        }
                    }
                    buffer.set_pts(gst::ClockTime::SECOND * at / 30);
                    buffer.set_duration(gst::ClockTime::SECOND / 30);
                }
                let _ = feed.push_buffer(buffer);
            })
            .build(),
    );
    Ok(())
}

fn address(buffer: &gst::BufferRef) -> Option<usize> {
    let pixels = buffer.map_readable().ok()?;
    Some(pixels.as_ptr() as usize)
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
