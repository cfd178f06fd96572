// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entries that the sink itself words.

use privacy_register::{Agent, Anonymisation, Element, Entry, Operation, Phase};
use serde_json::json;

use crate::output::{Finished, Leftover, METHOD, Segment};

/// Session, purpose, reason and agent of a run that no gate declared.
pub const UNDECLARED: &str = "undeclared";

/// Field of an opening entry: the file that is going to be written.
pub const FILE: &str = "file";

/// Field of a closing entry: who closed a session in the place of its process.
pub const CLOSED_BY: &str = "closed_by";

/// Field of the entries of a session whose mandate may be used once: what it uses up.
pub const MANDATE_USE: &str = "mandate_use";

/// Fields that only the sink writes, whatever a request says.
pub const OWN: [&str; 7] = [
    CLOSED_BY,
    "encryption",
    FILE,
    MANDATE_USE,
    "path",
    "segment",
    "unfinished",
];

/// Who closed a session whose process died.
const NEXT_START: &str = "next start";

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
    /// Frames held back because of the time at which they were filmed.
    pub outside: u64,
    /// Frames that came after the end.
    pub late: u64,
    /// Frames let out that were masked as a whole.
    pub whole_masked: u64,
    /// Root of the proof.
    pub root: String,
    /// The segment that ended when it was asked.
    pub segment: Option<CountedSegment>,
}

/// Frames that a gate let out between two cuts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountedSegment {
    /// Number of the segment.
    pub number: u64,
    /// Its first frame, counted in the session.
    pub first_frame: u64,
    /// Number of its frames.
    pub frames: u64,
    /// Root of their proof.
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

/// What a run, or a segment of it, came to.
#[derive(Debug)]
pub struct End<'a> {
    /// Times of its buffers.
    pub times: &'a Times,
    /// Its bytes.
    pub output: &'a Finished,
    /// Media type of the stream.
    pub media_type: &'a str,
    /// What the gate has counted until then.
    pub counted: Option<Counted>,
}

impl Times {
    /// Notes the time of a buffer.
    pub fn add(&mut self, pts: u64, duration: Option<u64>) {
        let end = pts.saturating_add(duration.unwrap_or(0));
        self.first = Some(self.first.map_or(pts, |t| t.min(pts)));
        self.last = Some(self.last.map_or(pts, |t| t.max(pts)));
        self.end = Some(self.end.map_or(end, |t| t.max(end)));
    }
}

/// The entry that completes `opening`, which is entry `index`. It says everything anew: an inspector reads it alone.
pub fn closing(opening: &Entry, index: u64, end: End) -> Entry {
    let encryption = end.output.encryption.clone();
    let mut entry = continued(opening, index, Phase::Close, end);
    if let Some(encryption) = encryption {
        entry.more.insert(
            "encryption".into(),
            json!({
                "method": METHOD,
                "recipients": encryption.recipients,
                "plain_sha256": encryption.plain_sha256,
                "plain_bytes": encryption.plain_bytes,
            }),
        );
    }
    entry
}

/// The entry of a segment of what `opening`, which is entry `index`, has begun.
pub fn segment(opening: &Entry, index: u64, end: End, segment: &Segment) -> Entry {
    let frames = end.counted.as_ref().and_then(|c| c.segment.clone());
    let mut entry = continued(opening, index, Phase::Segment, end);
    let mut said = json!({
        "number": segment.number,
        "from_byte": segment.from_byte,
        "to_byte": segment.to_byte,
    });
    if let Some(frames) = frames.filter(|frames| frames.number == segment.number) {
        said["first_frame"] = frames.first_frame.into();
        said["frames"] = frames.frames.into();
        said["proof_root"] = frames.root.into();
    }
    entry.more.insert("segment".into(), said);
    entry
}

/// The entry that completes `opening`, entry `index`, of a process that died. `left` is what is there of its file.
pub fn abandoned(opening: &Entry, index: u64, left: Option<&Leftover>) -> Entry {
    let mut entry = opening.clone();
    entry.phase = Some(Phase::Close);
    entry.prior_entry_seq = Some(index);
    entry.interrupted = true;
    if let Some(masked) = &mut entry.anonymisation {
        masked.counted_at = "none".into();
    }
    entry.more.insert(CLOSED_BY.into(), NEXT_START.into());
    if let Some(left) = left {
        entry.more.insert(
            "unfinished".into(),
            json!({"left_as": left.name, "bytes": left.bytes}),
        );
    }
    entry
}

/// The entry that completes `opening`, entry `index`, under which nothing was to flow after all.
pub fn given_up(opening: &Entry, index: u64) -> Entry {
    let mut entry = opening.clone();
    entry.phase = Some(Phase::Close);
    entry.prior_entry_seq = Some(index);
    entry.interrupted = true;
    entry.more.remove(FILE);
    entry.anonymisation.get_or_insert_default().counted_at = "entry".into();
    entry
}

fn continued(opening: &Entry, index: u64, phase: Phase, end: End) -> Entry {
    let End {
        times,
        output: finished,
        media_type,
        counted,
    } = end;
    let mut entry = opening.clone();
    entry.phase = Some(phase);
    entry.prior_entry_seq = Some(index);
    entry.more.remove(FILE);
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
            anonymisation.frames_outside = counted.outside;
            anonymisation.frames_late = counted.late;
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
