// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of a gate, from PAUSED to READY: what is decided, what becomes of each frame, and the counts.
//!
//! Nothing here asks, tells or pushes anything, so the one lock is only ever held for an instant.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use privacy_common::{DetectorUse, Mask, MaskStamp, Proof, Purpose, ScanStamp};
use privacy_policy::Refusal;

use crate::{
    black, exit,
    footage::Outside,
    frames::{Frames, FramesError},
    late::Late,
    opening::{self, Asked, Opened, Refused},
    proof,
    purposegate::Stage,
    sessions::{Announced, Shared, Verdict},
    watch::{Closed, Rounds, Watch},
};

/// Sessions of which an exit gate keeps the counts after the next one began. More than these begin only
/// where an entry gate is started over and over; the oldest are then closed in the register without counts.
const MAX_PAST: usize = 64;

/// One run.
pub struct Session {
    /// Random identifier (UUID v4).
    pub id: String,
    asked: Asked,
    /// The decision that an entry gate started with; an exit gate has none.
    pub opened: Option<Opened>,
    /// When the pipeline is to be walked again.
    pub rounds: Rounds,
    /// Exit: where each frame is written down.
    frames: Option<Frames>,
    /// Entry: this session in the table that exit gates look at.
    announced: Mutex<Option<Announced>>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    decision: Decision,
    /// Exit: all that purposes have demanded of this stream.
    floor: Option<Purpose>,
    /// Exit: their sessions.
    rests_on: Vec<Arc<Shared>>,
    /// The stream is known to hold images only.
    images: bool,
    /// Of raw video in ordinary memory, which can be painted.
    info: Option<gst_video::VideoInfo>,
    ledger: Ledger,
    past: Vec<Proof>,
    told: Option<String>,
    /// A stream has begun since the gate started.
    began: bool,
    ended: bool,
}

/// What is decided.
#[derive(Default, Clone)]
pub enum Decision {
    /// Nothing yet: closed.
    #[default]
    Waiting,
    /// Frames may flow.
    Open(Arc<Open>),
    /// Refused, and closed until the gate is started again.
    Shut,
}

/// A purpose in force.
pub struct Open {
    /// The purpose.
    pub purpose: Purpose,
    watch: Watch,
    /// What has become of the sessions that it rests on: one, or all those of a mosaic.
    rests_on: Vec<Arc<Shared>>,
}

impl Open {
    /// Whether it may stay open at `now`, as both the clock and the entry gates see it.
    fn check(&self, now: Timestamp) -> Result<(), Closed> {
        self.watch.check(now.as_second())?;
        match self.rests_on.iter().map(|s| s.verdict()).max() {
            Some(Verdict::Closed) => Err(Closed::Upstream),
            _ => Ok(()),
        }
    }

    /// Whether it lets nothing out for now.
    fn pauses(&self) -> Option<exit::Held> {
        let verdicts = || self.rests_on.iter().map(|s| s.verdict());
        if verdicts().any(|verdict| verdict == Verdict::Suspended) {
            return Some(exit::Held::Suspended);
        }
        // A tile may leave a mosaic; with the last one the mosaic ends.
        verdicts()
            .all(|verdict| verdict == Verdict::Ended)
            .then_some(exit::Held::Ended)
    }
}

#[derive(Default)]
struct Ledger {
    frames_in: u64,
    frames_out: u64,
    /// For want of proof of a mask.
    held: u64,
    /// For the time at which they were filmed.
    outside: u64,
    /// After the end.
    late: u64,
    whole: u64,
    first_pts: Option<gst::ClockTime>,
    last_pts: Option<gst::ClockTime>,
    tree: proof::Tree,
}

/// What becomes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It leaves.
    Out,
    /// It does not, for this reason; others may.
    Held(String),
    /// Nothing leaves any more.
    Closed(Closed),
}

/// Nothing can be proven of a frame that may leave, so it does not.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unproven {
    /// The frame cannot be read.
    #[error("a frame cannot be read")]
    Unreadable,
    /// It cannot be written down.
    #[error(transparent)]
    Frames(#[from] FramesError),
}

impl Session {
    /// A run that begins. `opened` makes it one of an entry gate.
    pub fn new(id: String, asked: Asked, opened: Option<Opened>) -> Self {
        Self {
            id,
            asked,
            opened,
            rounds: Rounds::default(),
            frames: None,
            announced: Mutex::default(),
            inner: Mutex::default(),
        }
    }

    /// The same, with each frame that is let out written down.
    pub fn with_frames(mut self, frames: Option<Frames>) -> Self {
        self.frames = frames;
        self
    }

    /// What is written down of frames, if anything is.
    pub fn frames(&self) -> Option<&Frames> {
        self.frames.as_ref()
    }

    /// Where the gate stands.
    pub fn stage(&self) -> Stage {
        match self.opened {
            Some(_) => Stage::Entry,
            None => Stage::Exit,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What is decided now.
    pub fn decision(&self) -> Decision {
        self.inner().decision.clone()
    }

    /// Closes the gate for good. Whether it was not closed so before: a refusal is told and recorded once.
    pub fn shut(&self) -> bool {
        !matches!(
            std::mem::replace(&mut self.inner().decision, Decision::Shut),
            Decision::Shut
        )
    }

    /// The refusal of this session, with its entry.
    pub fn refused(&self, late: &Late, now: Timestamp) -> Refused {
        self.refused_for(late.into(), now)
    }

    /// As [`Session::refused`], for a refusal of the policy.
    pub fn refused_for(&self, refusal: Refusal, now: Timestamp) -> Refused {
        opening::refuse(refusal, self.opened.as_ref(), &self.asked, &self.id, now)
    }

    /// The entry gate is open from now on, as `announced`.
    pub fn open(&self, purpose: Purpose, announced: Announced, now: Timestamp) -> Arc<Open> {
        let open = Arc::new(Open {
            rests_on: vec![announced.shared().clone()],
            watch: Watch::new(purpose.expires, now.as_second()),
            purpose,
        });
        *self.announced.lock().unwrap() = Some(announced);
        self.inner().decision = Decision::Open(open.clone());
        open
    }

    /// Entry: the run is over, and no exit gate believes its purpose any more.
    pub fn end(&self) {
        *self.announced.lock().unwrap() = None;
    }

    /// Entry: tells the exit gates that nothing of this session may leave any more, and why.
    pub fn close(&self, why: &Refusal) {
        if let Some(announced) = &*self.announced.lock().unwrap() {
            announced.shared().close(why.clone());
        }
    }

    /// Why the entry gates closed what is in force here, where they did.
    pub fn why(&self) -> Option<Refusal> {
        match self.decision() {
            Decision::Open(open) => open.rests_on.iter().find_map(|s| s.why().cloned()),
            Decision::Waiting | Decision::Shut => None,
        }
    }

    /// A purpose was declared to the exit gate, of a session that was found in the table; `None` is one that
    /// cannot be read, which closes it.
    pub fn declare(&self, purpose: Option<(Purpose, Arc<Shared>)>, now: Timestamp) {
        let mut inner = self.inner();
        if matches!(inner.decision, Decision::Shut) {
            return;
        }
        let Some((purpose, shared)) = purpose else {
            inner.decision = Decision::Waiting;
            return;
        };
        let purpose = match &inner.floor {
            None => purpose,
            Some(floor) => purpose.with_demands_of(floor),
        };
        match inner.floor.as_ref().map(|floor| floor.session.clone()) {
            Some(same) if same == purpose.session => {}
            Some(ended) => {
                let ended = inner.ledger.proof(&ended, Stage::Exit);
                inner.retire(ended);
            }
            // Frames held before anybody declared anything are nobody's.
            None => inner.ledger = Ledger::default(),
        }
        if let Some(frames) = &self.frames {
            frames.begin(&purpose.session);
        }
        inner.floor = Some(purpose.clone());
        if !inner.rests_on.iter().any(|s| Arc::ptr_eq(s, &shared)) {
            // A run restarts its entry gates again and again; what ended and left no demand is forgotten.
            inner.rests_on.retain(|s| s.verdict() != Verdict::Ended);
            inner.rests_on.push(shared);
        }
        inner.decision = Decision::Open(Arc::new(Open {
            rests_on: inner.rests_on.clone(),
            watch: Watch::new(purpose.expires, now.as_second()),
            purpose,
        }));
    }

    /// A new stream begins: what was declared of the one before says nothing of it. What was declared before
    /// the first one began was declared of that: a compositor hands on events before its own stream begins.
    pub fn stream_started(&self) {
        let mut inner = self.inner();
        inner.ended = false;
        let first = !std::mem::replace(&mut inner.began, true);
        if self.stage() == Stage::Exit
            && !first
            && let Some(floor) = inner.floor.take()
        {
            let ended = inner.ledger.proof(&floor.session, Stage::Exit);
            inner.retire(ended);
            inner.rests_on.clear();
            if !matches!(inner.decision, Decision::Shut) {
                inner.decision = Decision::Waiting;
            }
        }
    }

    /// The stream has these caps, and `images` says that they are of images only.
    pub fn set_media(&self, images: bool, caps: &gst::CapsRef) {
        let ordinary = caps.features(0).is_none_or(|features| {
            features
                .is_equal(gst::CapsFeatures::new([gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY]).as_ref())
        });
        let mut inner = self.inner();
        inner.images = images;
        inner.info = (images && ordinary)
            .then(|| gst_video::VideoInfo::from_caps(caps).ok())
            .flatten();
    }

    /// Whether the stream is known to hold images only.
    pub fn holds_images(&self) -> bool {
        self.inner().images
    }

    /// Judges a frame under an open decision, or under none, and counts it.
    ///
    /// # Errors
    ///
    /// When a frame that may leave cannot be read for the proof, or written down.
    pub fn judge(
        &self,
        frame: &gst::BufferRef,
        stream_time: Option<gst::ClockTime>,
        now: Timestamp,
    ) -> Result<Fate, Unproven> {
        let open = match self.decision() {
            Decision::Open(open) => Some(open),
            Decision::Waiting | Decision::Shut => None,
        };
        if let Some(open) = &open
            && let Err(closed) = open.check(now)
        {
            let mut inner = self.inner();
            inner.ledger.frames_in += 1;
            inner.ledger.late += 1;
            return Ok(Fate::Closed(closed));
        }
        let purpose = open.as_ref().map(|open| &open.purpose);
        let (scan, mask) = (ScanStamp::read(frame), MaskStamp::read(frame));
        let (leaf, held) = match &self.opened {
            Some(opened) => (
                None,
                opened
                    .footage
                    .check(frame, stream_time)
                    .err()
                    .map(Why::Outside),
            ),
            None => match open.as_ref().and_then(|open| open.pauses()).map_or_else(
                || exit::judge(purpose, scan.as_ref(), mask.as_ref(), frame.pts()),
                Err,
            ) {
                Ok(()) => (Some(self.prove(frame, scan.as_ref(), mask.as_ref())?), None),
                Err(held) => (None, Some(Why::Mask(held))),
            },
        };
        let mut inner = self.inner();
        let ledger = &mut inner.ledger;
        ledger.frames_in += 1;
        match held {
            Some(Why::Outside(outside)) => {
                ledger.outside += 1;
                return Ok(Fate::Held(outside.to_string()));
            }
            Some(Why::Mask(held)) => {
                ledger.held += 1;
                return Ok(Fate::Held(held.to_string()));
            }
            None => {}
        }
        if ledger.frames_out == 0 {
            ledger.first_pts = frame.pts();
        }
        ledger.frames_out += 1;
        ledger.last_pts = frame.pts();
        ledger.whole += u64::from(mask.is_some_and(|m| m.whole_frame));
        if let Some(leaf) = leaf {
            ledger.tree.push(leaf);
        }
        Ok(Fate::Out)
    }

    /// The leaf of a frame that leaves, which is written down before it does.
    fn prove(
        &self,
        frame: &gst::BufferRef,
        scan: Option<&ScanStamp>,
        mask: Option<&MaskStamp>,
    ) -> Result<blake3::Hash, Unproven> {
        let hash = {
            let map = frame.map_readable().map_err(|_| Unproven::Unreadable)?;
            blake3::hash(&map)
        };
        let text = |s: Option<gst::Structure>| s.map_or_else(String::new, |s| s.to_string());
        let (scan, mask) = (
            text(scan.map(gst::Structure::from)),
            text(mask.map(gst::Structure::from)),
        );
        let pts = frame.pts().map(gst::ClockTime::nseconds);
        if let Some(frames) = &self.frames {
            // Frames and declarations come one after the other, so this stays its place in the tree.
            let n = self.inner().ledger.tree.len();
            frames.write(n, pts, &hash, &scan, &mask)?;
        }
        Ok(proof::leaf_of(pts.unwrap_or(u64::MAX), &hash, &scan, &mask))
    }

    /// Takes off a frame that leaves what may not leave with it. A frame without any of it is not copied.
    pub fn strip(&self, frame: &mut gst::Buffer) {
        if self.stage() == Stage::Entry {
            // Whoever looked at it or masked it before knew nothing of this purpose.
            privacy_common::strip_stamps(frame);
            return;
        }
        let Decision::Open(open) = self.decision() else {
            return;
        };
        let purpose = &open.purpose;
        if purpose.required_mask != Mask::None && privacy_common::carries_more_than_pixels(frame) {
            let frame = frame.make_mut();
            privacy_common::remove_clear_copies(frame, false);
            if purpose.detector_use <= DetectorUse::Mask {
                privacy_common::strip_detections(frame);
            }
        }
    }

    /// A black frame in the place of one that may not leave; `None` where there is none of these caps.
    pub fn black(&self, clear: &gst::BufferRef) -> Option<gst::Buffer> {
        let info = self.inner().info.clone()?;
        black::instead_of(clear, &info).ok()
    }

    /// Whether `reason` has not just been told.
    pub fn is_news(&self, reason: &str) -> bool {
        let mut inner = self.inner();
        if inner.told.as_deref() == Some(reason) {
            return false;
        }
        inner.told = Some(reason.to_owned());
        true
    }

    /// Whether the end of the stream has still to be told downstream.
    pub fn ends(&self) -> bool {
        !std::mem::replace(&mut self.inner().ended, true)
    }

    /// What `state` says: `closed`, `open` or `expired`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.decision() {
            Decision::Waiting | Decision::Shut => "closed",
            Decision::Open(open) if open.check(now).is_err() => "expired",
            Decision::Open(_) => "open",
        }
    }

    /// The purpose in force.
    pub fn purpose(&self) -> Option<Purpose> {
        match self.decision() {
            Decision::Open(open) => Some(open.purpose.clone()),
            Decision::Waiting | Decision::Shut => None,
        }
    }

    /// What this gate has to say of `session`; empty asks for whichever runs. `None` when that session did
    /// not pass here. What was written down of its frames is durable then.
    ///
    /// # Errors
    ///
    /// When it cannot be.
    pub fn proof(&self, session: &str) -> Result<Option<Proof>, FramesError> {
        // First what was let out, then the lines of at least that.
        let proof = self.said_of(session);
        if let (Some(_), Some(frames)) = (&proof, &self.frames) {
            frames.sync()?;
        }
        Ok(proof)
    }

    fn said_of(&self, session: &str) -> Option<Proof> {
        let inner = self.inner();
        let current = match (&self.opened, &inner.floor) {
            (None, Some(floor)) => &floor.session,
            _ => &self.id,
        };
        if session.is_empty() || session == current {
            return Some(inner.ledger.proof(current, self.stage()));
        }
        inner.past.iter().find(|p| p.session == session).cloned()
    }

    /// What `stats` says.
    pub fn stats(&self) -> gst::Structure {
        self.inner().ledger.stats()
    }
}

/// The counters of a gate that does not run.
pub fn no_stats() -> gst::Structure {
    Ledger::default().stats()
}

enum Why {
    Mask(exit::Held),
    Outside(Outside),
}

impl Inner {
    fn retire(&mut self, ended: Proof) {
        self.ledger = Ledger::default();
        if self.past.len() == MAX_PAST {
            self.past.remove(0);
        }
        self.past.push(ended);
    }
}

impl Ledger {
    fn root(&self) -> String {
        self.tree
            .root()
            .map_or_else(String::new, |root| hex::encode(root.as_bytes()))
    }

    fn proof(&self, session: &str, stage: Stage) -> Proof {
        Proof {
            session: session.to_owned(),
            stage: match stage {
                Stage::Entry => "entry".to_owned(),
                Stage::Exit => "exit".to_owned(),
            },
            frames_in: self.frames_in,
            frames_out: self.frames_out,
            mask_failures: self.held,
            whole_masked: self.whole,
            root: self.root(),
            first_pts: self.first_pts,
            last_pts: self.last_pts,
        }
    }

    fn stats(&self) -> gst::Structure {
        gst::Structure::builder("purposegate-stats")
            .field("frames-in", self.frames_in)
            .field("frames-out", self.frames_out)
            .field("frames-held", self.held)
            .field("frames-outside", self.outside)
            .field("frames-expired", self.late)
            .field("frames-whole-masked", self.whole)
            .field("proof-root", self.root())
            .build()
    }
}
