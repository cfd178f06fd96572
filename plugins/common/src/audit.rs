// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two queries between a gate and the register.
//!
//! Before the first buffer the entry gate sends `privacy-audit` downstream. Elements on the way note
//! what they are; `auditsink` writes the entry, makes it durable and only then answers with its index.
//! No answer, no flow. At the end the sink sends `privacy-proof` upstream and the nearest gate answers
//! with the session's counters and the root of the proof.
//!
//! Queries and not events, because an encoder holds back an event until its first frame, while a query
//! passes queues, encoders and muxers at once.

use gst::prelude::*;

use crate::{
    CONTRACT_VERSION, fields,
    fields::{FieldError, c_text},
};

/// Name of the structure of the downstream query.
pub const AUDIT_QUERY: &str = "privacy-audit";
/// Name of the structure of the upstream query.
pub const PROOF_QUERY: &str = "privacy-proof";

/// What a gate asks the register to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRequest {
    /// The session that the entry opens or refuses.
    pub session: String,
    /// Identifier of the purpose.
    pub purpose: String,
    /// What is done: `consult`, `extract`, `publish`, `window_published`, `refuse`, …
    pub operation: String,
    /// A JSON object: the fields of the entry that the gate knows. The sink adds time, host, models and output.
    pub entry: String,
}

/// What the register answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditAnswer {
    /// The entry is on the disk, at this index.
    Durable(u64),
    /// The register said why it cannot write.
    Failed(String),
    /// The clock of the host is behind the last entry; what the register said.
    ClockBack(String),
    /// The mandate may be used once, and the register holds its use at this index.
    AlreadyUsed(u64),
    /// The register wrote an entry and did not look whether the mandate was used before, as it was asked to.
    UseUnchecked,
    /// Nobody answered: no register downstream.
    None,
}

/// A mandate that may be used once. On the request for its opening entry, the register is to look for an
/// earlier use first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleUse {
    /// What makes two uses the same, as the register writes it.
    pub key: String,
    /// Second (Unix time) before which the mandate cannot have been used.
    pub since: i64,
}

/// What an element says of itself as `privacy-audit` passes it on its way to the register.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathNote {
    /// An exit gate stands on the path.
    pub exit_gate: bool,
    /// The path goes through a counter, which lets no image through.
    pub counter: bool,
    /// Elements of the family on the path, as `name version`.
    pub elements: Vec<String>,
    /// SHA-256 of the models on the path, in hex.
    pub models: Vec<String>,
}

impl AuditRequest {
    /// A query to send downstream.
    pub fn to_query(&self) -> gst::query::Custom<gst::Query> {
        gst::query::Custom::new(
            gst::Structure::builder(AUDIT_QUERY)
                .field("version", CONTRACT_VERSION)
                .field("session", &*c_text(&self.session))
                .field("purpose", &*c_text(&self.purpose))
                .field("operation", &*c_text(&self.operation))
                .field("entry", &*c_text(&self.entry))
                .field("exit-gate", false)
                .field("counter", false)
                .field("elements", "")
                .field("models", "")
                .build(),
        )
    }

    /// `None` when the query is not ours, `Some(Err)` when it is ours and cannot be read, which must
    /// be answered as a failure.
    pub fn from_query(query: &gst::QueryRef) -> Option<Result<Self, FieldError>> {
        let s = query.structure().filter(|s| s.name() == AUDIT_QUERY)?;
        let read = || {
            fields::version(s)?;
            let text = |name| fields::get::<&str>(s, name).map(str::to_owned);
            Ok(Self {
                session: text("session")?,
                purpose: text("purpose")?,
                operation: text("operation")?,
                entry: text("entry")?,
            })
        };
        Some(read())
    }
}

impl PathNote {
    /// Whether `query` is a `privacy-audit` query, which each element on the way adds its note to.
    pub fn is_audit(query: &gst::QueryRef) -> bool {
        query.structure().is_some_and(|s| s.name() == AUDIT_QUERY)
    }

    /// What the elements passed so far said.
    pub fn read(query: &gst::QueryRef) -> Self {
        let Some(s) = query.structure().filter(|s| s.name() == AUDIT_QUERY) else {
            return Self::default();
        };
        let list = |name| fields::list(s, name).unwrap_or_default();
        Self {
            exit_gate: s.get("exit-gate").unwrap_or(false),
            counter: s.get("counter").unwrap_or(false),
            elements: list("elements"),
            models: list("models"),
        }
    }

    /// Adds this note to those already on the query.
    pub fn add_to(&self, query: &mut gst::QueryRef) {
        if !Self::is_audit(query) {
            return;
        }
        let before = Self::read(query);
        let s = query.structure_mut();
        s.set("exit-gate", before.exit_gate || self.exit_gate);
        s.set("counter", before.counter || self.counter);
        s.set(
            "elements",
            fields::join(&[before.elements, self.elements.clone()].concat()),
        );
        s.set(
            "models",
            fields::join(&[before.models, self.models.clone()].concat()),
        );
    }
}

impl SingleUse {
    /// Adds this to a request. An answer to it counts only when it says that the register has looked.
    pub fn add_to(&self, query: &mut gst::QueryRef) {
        if PathNote::is_audit(query) {
            let s = query.structure_mut();
            s.set("single-use", &*c_text(&self.key));
            s.set("used-since", self.since);
        }
    }

    /// What a request says of it; `None` where the mandate may be used more than once.
    pub fn read(query: &gst::QueryRef) -> Option<Result<Self, FieldError>> {
        let s = query.structure().filter(|s| s.has_field("single-use"))?;
        let read = || {
            Ok(Self {
                key: fields::get::<&str>(s, "single-use")?.to_owned(),
                since: fields::get(s, "used-since")?,
            })
        };
        Some(read())
    }

    /// Says in the answer that the register has looked.
    pub fn checked(query: &mut gst::QueryRef) {
        query.structure_mut().set("use-checked", true);
    }
}

impl AuditAnswer {
    /// Writes the answer into the query; the sink then handles the query as answered.
    pub fn write(&self, query: &mut gst::QueryRef) {
        let s = query.structure_mut();
        match self {
            Self::Durable(index) => s.set("index", index),
            Self::Failed(error) => s.set("error", &*c_text(error)),
            Self::ClockBack(error) => {
                s.set("error", &*c_text(error));
                s.set("clock-back", true);
            }
            Self::AlreadyUsed(index) => s.set("used-at", index),
            Self::UseUnchecked | Self::None => {}
        }
    }

    /// Reads what `pad.peer_query()` brought back. `answered` is what that call returned.
    pub fn read(query: &gst::QueryRef, answered: bool) -> Self {
        let Some(s) = query.structure().filter(|_| answered) else {
            return Self::None;
        };
        if let Ok(error) = s.get::<&str>("error") {
            match s.get::<bool>("clock-back") {
                Ok(true) => Self::ClockBack(error.to_owned()),
                _ => Self::Failed(error.to_owned()),
            }
        } else if let Ok(index) = s.get::<u64>("used-at") {
            Self::AlreadyUsed(index)
        } else if let Ok(index) = s.get::<u64>("index") {
            // A sink that does not know of single use must not let a mandate be used again.
            if s.has_field("single-use") && s.get::<bool>("use-checked") != Ok(true) {
                return Self::UseUnchecked;
            }
            Self::Durable(index)
        } else {
            Self::None
        }
    }
}

/// What a gate has to say of a session when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// The session.
    pub session: String,
    /// Stage of the gate that answered: `entry` or `exit`.
    pub stage: String,
    /// Frames that reached the gate.
    pub frames_in: u64,
    /// Frames that it let out.
    pub frames_out: u64,
    /// Frames held back because their mask was missing or too weak.
    pub mask_failures: u64,
    /// Frames held back because they were filmed outside the time that the mandate names.
    pub outside: u64,
    /// Frames that came after the decision had ended.
    pub late: u64,
    /// Of the frames let out, those masked as a whole.
    pub whole_masked: u64,
    /// Root of the Merkle tree over the frames let out, in hex; empty when there is none.
    pub root: String,
    /// PTS of the first frame let out.
    pub first_pts: Option<gst::ClockTime>,
    /// PTS of the last frame let out.
    pub last_pts: Option<gst::ClockTime>,
    /// Of the frames let out, those of the segment that was asked about.
    pub segment: Option<SegmentProof>,
}

/// The frames let out between two cuts of a stream, which have a tree of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentProof {
    /// Number of the segment, from 0.
    pub number: u64,
    /// Its first frame, counted from 0 among those let out in the session.
    pub first_frame: u64,
    /// Number of its frames.
    pub frames: u64,
    /// Root of the Merkle tree over them, in hex; empty when there is none.
    pub root: String,
}

impl Proof {
    /// A query to send upstream. `session` names the session asked about; empty asks for whichever runs.
    pub fn query(session: &str) -> gst::query::Custom<gst::Query> {
        gst::query::Custom::new(
            gst::Structure::builder(PROOF_QUERY)
                .field("version", CONTRACT_VERSION)
                .field("asked", &*c_text(session))
                .build(),
        )
    }

    /// The same, and the segment of this number ends now. Asked again it is answered the same.
    pub fn query_segment(session: &str, number: u64) -> gst::query::Custom<gst::Query> {
        let mut query = Self::query(session);
        query.structure_mut().set("segment", number);
        query
    }

    /// The number of the segment that ends with a `privacy-proof` query; `None` when none does.
    pub fn asked_segment(query: &gst::QueryRef) -> Option<u64> {
        let s = query.structure().filter(|s| s.name() == PROOF_QUERY)?;
        s.get("segment").ok()
    }

    /// The session that a `privacy-proof` query asks about; `None` when the query is another.
    pub fn asked(query: &gst::QueryRef) -> Option<String> {
        let s = query.structure().filter(|s| s.name() == PROOF_QUERY)?;
        Some(s.get::<&str>("asked").unwrap_or_default().to_owned())
    }

    /// Writes the answer into the query.
    pub fn answer(&self, query: &mut gst::QueryRef) {
        let time = |t: Option<gst::ClockTime>| t.map_or(u64::MAX, gst::ClockTime::nseconds);
        let s = query.structure_mut();
        s.set("session", &*c_text(&self.session));
        s.set("stage", &*c_text(&self.stage));
        s.set("frames-in", self.frames_in);
        s.set("frames-out", self.frames_out);
        s.set("mask-failures", self.mask_failures);
        s.set("outside", self.outside);
        s.set("late", self.late);
        s.set("whole-masked", self.whole_masked);
        s.set("root", &*c_text(&self.root));
        s.set("first-pts", time(self.first_pts));
        s.set("last-pts", time(self.last_pts));
        if let Some(segment) = &self.segment {
            s.set("segment-number", segment.number);
            s.set("segment-first-frame", segment.first_frame);
            s.set("segment-frames", segment.frames);
            s.set("segment-root", &*c_text(&segment.root));
        }
    }

    /// Reads what a peer answered; an error when it cannot be read.
    pub fn read(query: &gst::QueryRef) -> Result<Self, FieldError> {
        let s = query
            .structure()
            .filter(|s| s.name() == PROOF_QUERY)
            .ok_or(FieldError::Field("version"))?;
        fields::version(s)?;
        let text = |name| fields::get::<&str>(s, name).map(str::to_owned);
        let time = |name| fields::get::<u64>(s, name).map(|t| gst::ClockTime::try_from(t).ok());
        Ok(Self {
            session: text("session")?,
            stage: text("stage")?,
            frames_in: fields::get(s, "frames-in")?,
            frames_out: fields::get(s, "frames-out")?,
            mask_failures: fields::get(s, "mask-failures")?,
            outside: fields::get(s, "outside")?,
            late: fields::get(s, "late")?,
            whole_masked: fields::get(s, "whole-masked")?,
            root: text("root")?,
            first_pts: time("first-pts")?,
            last_pts: time("last-pts")?,
            segment: match s.has_field("segment-number") {
                true => Some(SegmentProof {
                    number: fields::get(s, "segment-number")?,
                    first_frame: fields::get(s, "segment-first-frame")?,
                    frames: fields::get(s, "segment-frames")?,
                    root: text("segment-root")?,
                }),
                false => None,
            },
        })
    }

    /// Asks the elements upstream of `sink_pad`. `None` when no gate answered.
    pub fn ask(sink_pad: &impl IsA<gst::Pad>, session: &str) -> Option<Self> {
        Self::ask_by(sink_pad, Self::query(session))
    }

    /// The same, and the segment of this number ends at the gate.
    pub fn ask_segment(sink_pad: &impl IsA<gst::Pad>, session: &str, number: u64) -> Option<Self> {
        Self::ask_by(sink_pad, Self::query_segment(session, number))
    }

    fn ask_by(
        sink_pad: &impl IsA<gst::Pad>,
        mut query: gst::query::Custom<gst::Query>,
    ) -> Option<Self> {
        if !sink_pad.peer_query(&mut query) {
            return None;
        }
        Self::read(&query).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gathers_notes_and_an_answer_on_its_way() {
        gst::init().unwrap();
        let request = AuditRequest {
            session: "s".into(),
            purpose: "stats.traffic_counts".into(),
            operation: "window_published".into(),
            entry: "{\"motif\":\"étude\"}".into(),
        };
        let mut query = request.to_query();
        assert_eq!(AuditRequest::from_query(&query), Some(Ok(request)));
        PathNote {
            elements: vec!["onnxdetector 0.1.0".into()],
            models: vec!["aa".into()],
            ..Default::default()
        }
        .add_to(&mut query);
        PathNote {
            counter: true,
            elements: vec!["countaggregator 0.1.0".into()],
            ..Default::default()
        }
        .add_to(&mut query);
        assert_eq!(
            PathNote::read(&query),
            PathNote {
                exit_gate: false,
                counter: true,
                elements: vec!["onnxdetector 0.1.0".into(), "countaggregator 0.1.0".into()],
                models: vec!["aa".into()],
            }
        );
        assert_eq!(AuditAnswer::read(&query, true), AuditAnswer::None);
        AuditAnswer::Durable(41).write(&mut query);
        assert_eq!(AuditAnswer::read(&query, true), AuditAnswer::Durable(41));
        assert_eq!(AuditAnswer::read(&query, false), AuditAnswer::None);
        AuditAnswer::Failed("full".into()).write(&mut query);
        assert_eq!(
            AuditAnswer::read(&query, true),
            AuditAnswer::Failed("full".into()),
            "an error outweighs an index"
        );
    }

    #[test]
    fn c2_an_answer_for_a_single_use_counts_only_when_the_register_has_looked() {
        gst::init().unwrap();
        let request = AuditRequest {
            session: "s".into(),
            purpose: "judicial.requisition_extract".into(),
            operation: "extract".into(),
            entry: "{}".into(),
        };
        let mut query = request.to_query();
        assert_eq!(SingleUse::read(&query), None);
        let single = SingleUse {
            key: "ab\0".into(),
            since: -5,
        };
        single.add_to(&mut query);
        let read = SingleUse::read(&query).unwrap().unwrap();
        assert_eq!((read.key.as_str(), read.since), ("ab\u{fffd}", -5));
        AuditAnswer::Durable(3).write(&mut query);
        assert_eq!(AuditAnswer::read(&query, true), AuditAnswer::UseUnchecked);
        SingleUse::checked(&mut query);
        assert_eq!(AuditAnswer::read(&query, true), AuditAnswer::Durable(3));
        AuditAnswer::ClockBack("late".into()).write(&mut query);
        assert_eq!(
            AuditAnswer::read(&query, true),
            AuditAnswer::ClockBack("late".into())
        );
        let mut query = request.to_query();
        AuditAnswer::AlreadyUsed(1).write(&mut query);
        assert_eq!(AuditAnswer::read(&query, true), AuditAnswer::AlreadyUsed(1));
        assert_eq!(AuditAnswer::read(&query, false), AuditAnswer::None);
    }

    #[test]
    fn a_proof_survives_the_query() {
        gst::init().unwrap();
        let proof = Proof {
            session: "s".into(),
            stage: "exit".into(),
            frames_in: 10,
            frames_out: 9,
            mask_failures: 1,
            outside: 3,
            late: 4,
            whole_masked: 2,
            root: "ab".into(),
            first_pts: Some(gst::ClockTime::ZERO),
            last_pts: None,
            segment: Some(SegmentProof {
                number: 2,
                first_frame: 6,
                frames: 3,
                root: "cd".into(),
            }),
        };
        assert_eq!(Proof::asked_segment(&Proof::query("s")), None);
        let mut query = Proof::query_segment("s", 2);
        assert_eq!(Proof::asked_segment(&query), Some(2));
        assert_eq!(Proof::asked(&query).as_deref(), Some("s"));
        assert!(Proof::read(&query).is_err(), "not answered yet");
        proof.answer(&mut query);
        assert_eq!(Proof::read(&query), Ok(proof));
    }

    #[test]
    fn a_nul_in_a_text_breaks_nothing_and_cuts_nothing_off() {
        gst::init().unwrap();
        let request = AuditRequest {
            session: "s\0t".into(),
            purpose: "p\0".into(),
            operation: "\0".into(),
            entry: "{\0}".into(),
        };
        let mut query = request.to_query();
        let read = AuditRequest::from_query(&query).unwrap().unwrap();
        assert_eq!(read.session, "s\u{fffd}t");
        assert_eq!(read.entry, "{\u{fffd}}");
        PathNote {
            elements: vec!["a\0b".into(), "c\nd".into()],
            models: vec!["\0".into()],
            ..Default::default()
        }
        .add_to(&mut query);
        assert_eq!(
            PathNote::read(&query).elements,
            ["a\u{fffd}b", "c\u{fffd}d"]
        );
        AuditAnswer::Failed("disk \0 full".into()).write(&mut query);
        assert_eq!(
            AuditAnswer::read(&query, true),
            AuditAnswer::Failed("disk \u{fffd} full".into())
        );
        let proof = Proof {
            session: "s\0".into(),
            stage: "\0exit".into(),
            root: "a\0b".into(),
            ..Default::default()
        };
        let mut query = Proof::query("s\0t");
        assert_eq!(Proof::asked(&query).as_deref(), Some("s\u{fffd}t"));
        proof.answer(&mut query);
        assert_eq!(Proof::read(&query).unwrap().stage, "\u{fffd}exit");
    }

    #[test]
    fn other_queries_are_not_ours() {
        gst::init().unwrap();
        let mut latency = gst::query::Latency::new();
        assert_eq!(AuditRequest::from_query(&latency), None);
        assert_eq!(Proof::asked(&latency), None);
        PathNote::default().add_to(&mut latency);
    }
}
