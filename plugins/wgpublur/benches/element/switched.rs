// SPDX-License-Identifier: MIT OR Apache-2.0
//! Elements compared in one running pipeline, which sends a few frames through each of them in turn.
//!
//! Pipelines that run one after the other differ by more than the elements do: where their memory lies, what
//! the host did meanwhile. Here source, sink and frames are the same and turns last milliseconds, so that what
//! is left between two turns beside each other is the elements.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use gst::prelude::*;

use crate::{
    Leg,
    check::check,
    report::percentile,
    run::{WARM_UP, play_until},
    scene::Scene,
};

/// Frames of a turn that are counted; one before them is not, since it pays for the switch.
pub const TURN: u64 = 8;

/// What a leg showed beside the first one.
#[derive(Debug, Clone, Copy)]
pub struct Ratio {
    /// Median of the rates, frames a second.
    pub rate: f64,
    /// Median over the rounds of its rate as a share of the first leg's.
    pub median: f64,
    /// Where the middle half of the rounds lie.
    pub quartiles: [f64; 2],
}

#[derive(Debug)]
struct Watch {
    /// Frames that went in and came out.
    into: u64,
    out: u64,
    last: Option<Instant>,
    /// Seconds of the turn that is going on.
    turn: f64,
    /// Seconds of each turn of each leg.
    turns: Vec<Vec<f64>>,
    /// A late frame of each leg, before and after it.
    before: Option<gst::Buffer>,
    pairs: Vec<Option<(u64, gst::Buffer, gst::Buffer)>>,
    legs: usize,
    done: bool,
}

impl Watch {
    /// The leg whose turn frame `number` falls into, and whether the frame is counted.
    fn leg(&self, number: u64) -> Option<(usize, bool)> {
        let number = number.checked_sub(WARM_UP * self.legs as u64)?;
        let turn = number / (TURN + 1);
        Some((self.at(turn), number % (TURN + 1) > 0))
    }

    /// First in one order, then in the other, so that a drift hits all alike.
    fn at(&self, turn: u64) -> usize {
        let legs = self.legs as u64;
        let (round, at) = (turn / legs, turn % legs);
        (if round % 2 == 0 { at } else { legs - 1 - at }) as usize
    }
}

/// Frames that [`compare`] takes from the source.
pub fn frames(legs: usize, rounds: usize) -> u64 {
    legs as u64 * (WARM_UP + rounds as u64 * (TURN + 1))
}

/// Runs `rounds` rounds; each leg must do its work on a frame near the end.
pub fn compare(
    scene: &Arc<Scene>,
    source: &str,
    legs: &[Leg<'_>],
    rounds: usize,
) -> Result<Vec<Ratio>> {
    let branches: String = legs
        .iter()
        .map(|(_, element, _)| format!(" fork. ! {element} ! join."))
        .collect();
    let description = format!(
        "{source} ! capsfilter name=scene caps={} ! output-selector name=fork funnel name=join ! fakesink name=sink \
         sync=false enable-last-sample=false{branches}",
        scene.caps(),
    );
    let pipeline = gst::parse::launch(&description)
        .with_context(|| format!("cannot make the pipeline {description}"))?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow::anyhow!("not a pipeline: {description}"))?;
    let element = |name| pipeline.by_name(name).context("an element is missing");
    let fork = element("fork")?;
    let into = element("scene")?.static_pad("src").context("no pad")?;
    let out = element("sink")?.static_pad("sink").context("no pad")?;
    let mut pads = fork.src_pads();
    pads.sort_by_key(|pad| pad.name());
    ensure!(pads.len() == legs.len(), "not one pad for each element");

    let frames = frames(legs.len(), rounds);
    let watch = Arc::new(Mutex::new(Watch {
        into: 0,
        out: 0,
        last: None,
        turn: 0.0,
        turns: vec![Vec::new(); legs.len()],
        before: None,
        pairs: vec![None; legs.len()],
        legs: legs.len(),
        done: false,
    }));
    let (w, s) = (Arc::clone(&watch), Arc::clone(scene));
    into.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let watch = &mut *w.lock().unwrap();
        let number = watch.into;
        watch.into += 1;
        if number >= frames {
            return gst::PadProbeReturn::Drop;
        }
        let leg = match watch.leg(number) {
            Some((leg, _)) => leg,
            None => (number / WARM_UP) as usize,
        };
        let first = match number.checked_sub(WARM_UP * watch.legs as u64) {
            Some(number) => number % (TURN + 1) == 0,
            None => number % WARM_UP == 0,
        };
        if first {
            fork.set_property("active-pad", &pads[leg]);
        }
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            s.stamp(number, buffer.make_mut());
            // The uncounted frame of the last turns.
            let near_the_end = number + (TURN + 1) * watch.legs as u64 >= frames;
            watch.before = (first && near_the_end)
                .then(|| buffer.copy_deep().ok())
                .flatten();
        }
        gst::PadProbeReturn::Ok
    })
    .context("no probe before the elements under test")?;
    let w = Arc::clone(&watch);
    out.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let now = Instant::now();
        let watch = &mut *w.lock().unwrap();
        let number = watch.out;
        watch.out += 1;
        let took = watch.last.map_or(0.0, |last| (now - last).as_secs_f64());
        if let Some((leg, counted)) = watch.leg(number) {
            if counted {
                watch.turn += took;
                if (number - WARM_UP * watch.legs as u64) % (TURN + 1) == TURN {
                    let turn = std::mem::take(&mut watch.turn);
                    watch.turns[leg].push(turn);
                }
            }
            if let (Some(before), Some(gst::PadProbeData::Buffer(after))) =
                (watch.before.take(), &info.data)
            {
                watch.pairs[leg] = after.copy_deep().ok().map(|after| (number, before, after));
            }
        }
        watch.done |= watch.out == frames;
        watch.last = Some(Instant::now());
        gst::PadProbeReturn::Ok
    })
    .context("no probe behind the elements under test")?;

    let played = play_until(&pipeline, || watch.lock().unwrap().done);
    pipeline.set_state(gst::State::Null)?;
    played.with_context(|| format!("in the pipeline {description}"))?;

    let watch = &mut *watch.lock().unwrap();
    ensure!(watch.done, "only {} of {frames} frames came out", watch.out);
    for ((_, element, expected), pair) in legs.iter().zip(&watch.pairs) {
        let (number, before, after) = pair.as_ref().context("a leg without a frame")?;
        let boxes: Vec<[u32; 4]> = scene.boxes(*number).collect();
        check(*expected, &scene.info, &boxes, before, after)
            .with_context(|| format!("`{element}` does not do its work"))?;
    }
    let first = watch.turns[0].clone();
    Ok(watch
        .turns
        .iter()
        .map(|turns| {
            let ratios: Vec<f64> = first
                .iter()
                .zip(turns)
                .map(|(bare, ours)| bare / ours)
                .collect();
            let rates: Vec<f64> = turns.iter().map(|turn| TURN as f64 / turn).collect();
            Ratio {
                rate: percentile(&rates, 0.5),
                median: percentile(&ratios, 0.5),
                quartiles: [0.25, 0.75].map(|at| percentile(&ratios, at)),
            }
        })
        .collect())
}
