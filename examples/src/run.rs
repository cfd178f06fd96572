// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one pipeline to its end, with a progress bar, and collects what can be said about it from outside.

use std::{
    sync::{Arc, Mutex},
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

/// Runs `description`, whose decoder is named `decode` and whose last gate, if any, is named `exit`.
///
/// # Errors
/// When the pipeline cannot be built, an element refuses or fails; the element's own words are in the error.
pub fn run(name: &str, description: &str, bar: &ProgressBar) -> Result<Outcome> {
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
    let result = play(&pipeline);
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

fn play(pipeline: &gst::Pipeline) -> Result<()> {
    use gst::MessageView::{Eos, Error, Warning};
    let bus = pipeline.bus().context("a pipeline without a bus")?;
    // What went wrong is on the bus and says more than the failed change of state.
    let refused = pipeline.set_state(gst::State::Playing).is_err();
    loop {
        let timeout = gst::ClockTime::from_seconds(if refused { 1 } else { 120 });
        let kinds = [
            gst::MessageType::Eos,
            gst::MessageType::Error,
            gst::MessageType::Warning,
        ];
        let Some(message) = bus.timed_pop_filtered(timeout, &kinds) else {
            bail!("the pipeline neither ends nor fails");
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
        let error = run("clip", description, &ProgressBar::hidden()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/clip.avi"), "{error:#}");
    }
}
