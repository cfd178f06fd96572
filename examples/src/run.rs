// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one pipeline to its end, with a progress bar, and collects what can be said about it from outside.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use indicatif::ProgressBar;

/// What one run did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// PTS of the frames that came from the decoder.
    pub frames_in: Vec<Option<gst::ClockTime>>,
    /// What left the last gate, in order; empty for a pipeline without one.
    pub frames_out: Vec<Out>,
    /// From PLAYING to the end of the stream.
    pub wall: Duration,
}

/// One frame that left, as its stamps describe it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Out {
    /// Presentation time.
    pub pts: Option<gst::ClockTime>,
    /// Objects that the detector found.
    pub found: u32,
    /// Regions masked: also where an object was a moment ago.
    pub regions: u32,
    /// Masked as a whole.
    pub whole: bool,
    /// Share of the frame masked, 0..1.
    pub share: f64,
}

/// The error of a pipeline that was stopped because another one failed.
#[derive(Debug)]
pub struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped, as the other pipeline failed")
    }
}

impl std::error::Error for Stopped {}

/// Longest wait for a frame: a slow machine takes a second for one, a pipeline that hangs for ever.
const STALL: Duration = Duration::from_secs(60);

/// Runs `description`, whose decoder is named `decode` and whose last gate, if any, is named `exit`. `stop` ends it
/// from outside, and is set when it fails.
///
/// # Errors
/// When the pipeline cannot be built, an element refuses or fails; the element's own words are in the error.
pub fn run(name: &str, description: &str, bar: &ProgressBar, stop: &AtomicBool) -> Result<Outcome> {
    let pipeline = gst::parse::launch(description)
        .with_context(|| format!("cannot build the pipeline:\n{description}"))?
        .downcast::<gst::Pipeline>()
        .ok()
        .context("not a pipeline")?;
    pipeline.set_property("name", name);
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    watch(&pipeline, "decode", &outcome, {
        let bar = bar.clone();
        move |outcome, frame| {
            outcome.frames_in.push(frame.pts());
            bar.inc(1);
        }
    })?;
    if pipeline.by_name("exit").is_some() {
        watch(&pipeline, "exit", &outcome, |outcome, frame| {
            outcome.frames_out.push(out(frame));
        })?;
    }
    let start = Instant::now();
    let frames = || outcome.lock().expect("no holder panics").frames_in.len();
    let result = play(&pipeline, stop, frames);
    if result.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    let wall = start.elapsed();
    // Also after an error: an element closes its session in the register on the way down.
    pipeline.set_state(gst::State::Null)?;
    result?;
    let mut outcome = std::mem::take(&mut *outcome.lock().expect("no holder panics"));
    outcome.wall = wall;
    Ok(outcome)
}

/// Calls `note` for each buffer that leaves the element.
fn watch(
    pipeline: &gst::Pipeline,
    element: &str,
    outcome: &Arc<Mutex<Outcome>>,
    note: impl Fn(&mut Outcome, &gst::BufferRef) + Send + Sync + 'static,
) -> Result<()> {
    let outcome = outcome.clone();
    pipeline
        .by_name(element)
        .and_then(|e| e.static_pad("src"))
        .with_context(|| format!("no element {element} with a src pad"))?
        .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer() {
                note(&mut outcome.lock().expect("no holder panics"), buffer);
            }
            gst::PadProbeReturn::Ok
        });
    Ok(())
}

/// Any program can read the stamps: they are custom metas with plain fields.
fn out(frame: &gst::BufferRef) -> Out {
    let mut out = Out {
        pts: frame.pts(),
        ..Out::default()
    };
    if let Ok(meta) = gst::meta::CustomMeta::from_buffer(frame, "PrivacyScan") {
        out.found = meta.structure().get("found").unwrap_or_default();
    }
    if let Ok(meta) = gst::meta::CustomMeta::from_buffer(frame, "PrivacyMask") {
        let stamp = meta.structure();
        out.regions = stamp.get("regions").unwrap_or_default();
        out.whole = stamp.get("whole-frame").unwrap_or_default();
        out.share = stamp.get("share").unwrap_or_default();
    }
    out
}

/// Waits for the end, an error, `stop`, or a minute without a frame.
fn play(pipeline: &gst::Pipeline, stop: &AtomicBool, frames: impl Fn() -> usize) -> Result<()> {
    use gst::MessageView::{Eos, Error, Warning};
    let bus = pipeline.bus().context("a pipeline without a bus")?;
    // What went wrong is on the bus and says more than the failed change of state.
    let refused = pipeline.set_state(gst::State::Playing).is_err();
    let mut progress = (0, Instant::now());
    loop {
        let kinds = [
            gst::MessageType::Eos,
            gst::MessageType::Error,
            gst::MessageType::Warning,
        ];
        let Some(message) = bus.timed_pop_filtered(gst::ClockTime::from_mseconds(200), &kinds)
        else {
            let now = frames();
            if now != progress.0 {
                progress = (now, Instant::now());
            }
            if refused || progress.1.elapsed() > STALL {
                bail!("the pipeline stands still after {now} frames and says nothing");
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Stopped.into());
            }
            continue;
        };
        match message.view() {
            Eos(_) => return Ok(()),
            Error(e) => {
                let element = e.src().map(|s| s.name()).unwrap_or_default();
                bail!(
                    "{element}: {}\n{}",
                    e.error(),
                    e.debug().unwrap_or_default()
                );
            }
            Warning(w) => eprintln!("warning: {} {}", w.error(), w.debug().unwrap_or_default()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_an_element_is_told_in_its_words() {
        gst::init().unwrap();
        let description = "filesrc location=/nowhere/clip.avi ! identity name=decode ! fakesink";
        let error = run(
            "clip",
            description,
            &ProgressBar::hidden(),
            &AtomicBool::new(false),
        )
        .unwrap_err();
        assert!(error.to_string().contains("/nowhere/clip.avi"), "{error:#}");
    }
}
