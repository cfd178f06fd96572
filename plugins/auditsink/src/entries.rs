// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entries that the sink itself words.

use privacy_register::{Agent, Anonymisation, Element, Entry, Operation, Phase};

use crate::output::Finished;

/// Session, purpose, reason and agent of a run that no gate declared.
pub const UNDECLARED: &str = "undeclared";

/// Times of the buffers, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// PTS of the earliest buffer.
    pub first: Option<u64>,
    /// PTS of the latest buffer.
    pub last: Option<u64>,
    /// End of the latest buffer.
    pub end: Option<u64>,
}

/// What the gate of a session counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Stage of the gate: `entry` or `exit`.
    pub stage: String,
    /// Frames that reached it.
    pub frames_in: u64,
    /// Frames let out.
    pub frames_out: u64,
    /// Frames held back because of their mask.
    pub mask_failures: u64,
    /// Frames let out that were masked as a whole.
    pub whole_masked: u64,
    /// Root of the proof.
    pub root: String,
}

/// The opening entry of a run that no gate declared.
pub fn undeclared(camera: &str, host: &str) -> Entry {
    let mut entry = Entry::new(Operation::Collect);
    entry.session = UNDECLARED.into();
    entry.purpose_id = UNDECLARED.into();
    entry.purpose_label_fr = "non déclarée".into();
    entry.motif = "non déclaré".into();
    entry.agent = Some(Agent {
        id: UNDECLARED.into(),
        ..Default::default()
    });
    if !camera.is_empty() {
        entry.cameras = vec![camera.into()];
    }
    entry.phase = Some(Phase::Open);
    entry.host_id = host.into();
    entry.elements = elements(&[]);
    entry
}

/// The entry that completes `opening`, which is entry `index`. It says everything anew: an inspector reads it alone.
pub fn closing(
    opening: &Entry,
    index: u64,
    times: &Times,
    finished: &Finished,
    media_type: &str,
    counted: Option<Counted>,
    interrupted: bool,
) -> Entry {
    let mut entry = opening.clone();
    entry.phase = Some(Phase::Close);
    entry.prior_entry_seq = Some(index);
    entry.interrupted = interrupted;
    let mut output = entry.output.take().unwrap_or_default();
    output.media_id = finished.name.clone().unwrap_or_default();
    output.media_type = media_type.to_owned();
    output.sha256.clone_from(&finished.sha256);
    output.bytes = finished.bytes;
    output.first_pts_ns = times.first;
    output.last_pts_ns = times.last;
    output.duration_ns = times
        .first
        .zip(times.end)
        .map(|(first, end)| end.saturating_sub(first));
    entry.output = Some(output);
    let mut anonymisation: Anonymisation = entry.anonymisation.take().unwrap_or_default();
    match counted {
        Some(counted) => {
            // Only the gate at the exit has seen masks; the one at the entry counts clear frames.
            if counted.stage == "exit" {
                let whole = counted.frames_out > 0 && counted.whole_masked == counted.frames_out;
                anonymisation.applied = if whole {
                    "frame".into()
                } else {
                    anonymisation.required.clone()
                };
            }
            anonymisation.frames_in = counted.frames_in;
            anonymisation.frames_total = counted.frames_out;
            anonymisation.frames_whole_masked = counted.whole_masked;
            anonymisation.mask_failures = counted.mask_failures;
            anonymisation.proof_root = counted.root;
            anonymisation.counted_at = counted.stage;
        }
        None => anonymisation.counted_at = "none".into(),
    }
    entry.anonymisation = Some(anonymisation);
    entry
}

/// `name version` to name and version, and this sink at the end.
pub fn elements(on_the_way: &[String]) -> Vec<Element> {
    let own = concat!("auditsink ", env!("CARGO_PKG_VERSION"));
    on_the_way
        .iter()
        .map(String::as_str)
        .chain([own])
        .map(|text| {
            let (name, version) = text.rsplit_once(' ').unwrap_or((text, ""));
            Element {
                name: name.into(),
                version: version.into(),
            }
        })
        .collect()
}
