// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of a gate, from PAUSED to READY: what is decided, what becomes of each frame, and the counts.
//!
//! Nothing here asks, tells or pushes anything. While a decision stands, a frame at the entry meets atomics
//! only: no lock is taken and nothing is allocated. At the exit the one lock that a frame meets is that of the
//! proof, which it holds for the time of one small hash.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use privacy_common::{DetectorUse, Mask, MaskStamp, Proof, Purpose, ScanStamp, c_text};
use privacy_policy::{FootageTime, Grant, Mode, Refusal};

use crate::{
    black, exit,
    frames::{Frames, FramesError},
    held::Why,
    late::Late,
    opening::{self, Asked, Opened, Refused},
    proof,
    purposegate::Stage,
    sessions::{Announced, Shared, Verdict},
    watch::{Closed, Watch},
};

/// Sessions of which an exit gate keeps the counts after the next one began. More than these begin only
/// where an entry gate is started over and over; the oldest are then closed in the register without counts.
const MAX_PAST: usize = 64;

/// Refusals that wait to be written down. More come only where somebody tries all properties in turn.
const MAX_NOTED: usize = 64;

/// How far the times of one stream may step back by themselves: encoders reorder frames within a second or two.
const REORDERED: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// One run.
pub struct Session {
    /// Random identifier (UUID v4).
    pub id: String,
    asked: Asked,
    /// The decision that an entry gate started with; an exit gate has none.
    pub opened: Option<Opened>,
    /// Exit: where each frame is written down.
    frames: Option<Frames>,
    /// Entry: this session in the table that exit gates look at.
    announced: Mutex<Option<Announced>>,
    watch: Watch,
    /// The stream is known to hold images only.
    images: AtomicBool,
    /// Somebody linked something.
    relinked: AtomicBool,
    open: ArcSwapOption<Open>,
    ending: OnceLock<Ending>,
    /// Entry: how it opened.
    mode: OnceLock<Mode>,
    told: OnceLock<()>,
    recorded: AtomicBool,
    /// Entry.
    counts: Counts,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Exit: all that purposes have demanded of this stream.
    floor: Option<Purpose>,
    /// Exit: their sessions.
    rests_on: Vec<Arc<Shared>>,
    /// Of raw video in ordinary memory, which can be painted.
    info: Option<gst_video::VideoInfo>,
    /// Width and height, as the caps of the stream say.
    size: Option<(i32, i32)>,
    ledger: Ledger,
    past: Vec<(Proof, proof::Segments)>,
    told: Option<String>,
    /// A stream has begun since the gate started.
    began: bool,
    ended: bool,
    /// Entry: the stream that was decided on.
    stream: Option<String>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// Refusals that do not end the session: those that wait, and the names of all.
    waiting: Vec<Refusal>,
    noted: BTreeSet<String>,
    expiry_told: bool,
    /// Entry: how it opened.
    opening: Option<(Mode, FootageTime)>,
    /// Entry: the purpose of another mandate, which nobody downstream knows yet.
    renewed: Option<Purpose>,
}

/// What is decided.
pub enum Decision {
    /// Nothing yet: closed.
    Waiting,
    /// Frames may flow.
    Open(Arc<Open>),
    /// Refused, and closed until the gate is started again.
    Shut,
}

/// Why nothing leaves any more.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The refusal.
    pub refusal: Refusal,
    /// The stream stops with an error whatever the deny action: nothing had flowed, or what flows cannot be
    /// proven.
    pub hard: bool,
    /// What kind of error it is.
    pub error: gst::ResourceError,
}

/// A purpose in force.
pub struct Open {
    /// The purpose.
    pub purpose: Purpose,
    /// What has become of the sessions that it rests on: one, or all those of a mosaic.
    rests_on: Vec<Arc<Shared>>,
}

impl Open {
    /// Seconds since 1970-01-01 UTC at which it ends.
    pub fn expires(&self) -> i64 {
        self.rests_on
            .iter()
            .map(|shared| shared.expires())
            .min()
            .unwrap_or(self.purpose.expires)
    }

    /// Whether it may stay open at `now`, as both the clock and the gates see it.
    fn check(&self, watch: &Watch, now: Timestamp) -> Result<(), Closed> {
        if self.worst() == Verdict::Closed {
            return Err(Closed::Upstream);
        }
        watch.check(now.as_second(), self.expires())
    }

    fn worst(&self) -> Verdict {
        let verdicts = self.rests_on.iter().map(|shared| shared.verdict());
        verdicts.max().unwrap_or(Verdict::Closed)
    }

    /// Whether all that it rests on was stopped. A tile may leave a mosaic; with the last one the mosaic ends.
    fn is_over(&self) -> bool {
        let mut verdicts = self.rests_on.iter().map(|shared| shared.verdict());
        verdicts.all(|verdict| verdict == Verdict::Ended)
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
    segments: proof::Segments,
}

/// What becomes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It leaves.
    Out,
    /// It does not, for this reason; others may.
    Held(Why),
    /// Nothing leaves for now.
    Paused,
    /// The session ends with this frame, which does not leave.
    Ends(Closed),
    /// The session has ended.
    Ended,
}

/// The counts of an entry gate.
#[derive(Debug)]
struct Counts {
    frames_in: AtomicU64,
    frames_out: AtomicU64,
    outside: AtomicU64,
    late: AtomicU64,
    first_pts: AtomicU64,
    last_pts: AtomicU64,
    /// Latest time of the stream since a flush.
    reached: AtomicU64,
}

/// Stands for no time.
const NO_TIME: u64 = u64::MAX;

impl Default for Counts {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        let none = || AtomicU64::new(NO_TIME);
        Self {
            frames_in: zero(),
            frames_out: zero(),
            outside: zero(),
            late: zero(),
            first_pts: none(),
            last_pts: none(),
            reached: none(),
        }
    }
}

impl Counts {
    fn ledger(&self) -> Ledger {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let time = |time: &AtomicU64| {
            Some(count(time))
                .filter(|time| *time != NO_TIME)
                .map(gst::ClockTime::from_nseconds)
        };
        Ledger {
            frames_in: count(&self.frames_in),
            frames_out: count(&self.frames_out),
            outside: count(&self.outside),
            late: count(&self.late),
            first_pts: time(&self.first_pts),
            last_pts: time(&self.last_pts),
            ..Default::default()
        }
    }
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
    /// A run that begins at `now`. `opened` makes it one of an entry gate.
    pub fn new(id: String, asked: Asked, opened: Option<Opened>, now: Timestamp) -> Self {
        Self {
            id,
            asked,
            opened,
            frames: None,
            announced: Mutex::default(),
            watch: Watch::new(now.as_second()),
            images: AtomicBool::default(),
            relinked: AtomicBool::default(),
            open: ArcSwapOption::default(),
            ending: OnceLock::new(),
            mode: OnceLock::new(),
            told: OnceLock::new(),
            recorded: AtomicBool::default(),
            counts: Counts::default(),
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

    /// What the user asked for.
    pub fn asked(&self) -> &Asked {
        &self.asked
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
        if self.ending.get().is_some() {
            return Decision::Shut;
        }
        self.open
            .load_full()
            .map_or(Decision::Waiting, Decision::Open)
    }

    /// Whether frames may flow, as far as is decided.
    pub fn is_open(&self) -> bool {
        self.ending.get().is_none() && self.open.load().is_some()
    }

    /// Closes the gate for good, and with it the session at other gates. Only the first reason is kept.
    pub fn end(&self, refusal: Refusal, hard: bool, error: gst::ResourceError) {
        if let Some(announced) = &*self.announced.lock().unwrap() {
            announced.shared().close(refusal.clone());
        }
        // Fails where it has ended before.
        let _ = self.ending.set(Ending {
            refusal,
            hard,
            error,
        });
    }

    /// Exit: what was in force ended at this gate, so it ends at the entry too.
    pub fn end_all(&self, refusal: &Refusal) {
        if let Some(open) = &*self.open.load() {
            for shared in &open.rests_on {
                shared.close(refusal.clone());
            }
        }
    }

    /// Why nothing leaves any more.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// Has the end told once, by `tell`. Whoever comes second waits for it.
    pub fn tell_once(&self, tell: impl FnOnce()) {
        self.told.get_or_init(tell);
    }

    /// Whether the end has still to be written down: a session ends once, and has two gates.
    pub fn is_to_be_recorded(&self) -> bool {
        let first = |recorded: &AtomicBool| !recorded.swap(true, Ordering::AcqRel);
        if let Some(announced) = &*self.announced.lock().unwrap() {
            return first(announced.shared().recorded());
        }
        match &*self.open.load() {
            Some(open) => match open.rests_on.iter().find(|s| s.why().is_some()) {
                Some(shared) => first(shared.recorded()),
                None => first(&self.recorded),
            },
            None => first(&self.recorded),
        }
    }

    /// The refusal that an end by the clock or by another gate means.
    pub fn refusal_of(&self, closed: Closed) -> Refusal {
        let why = self.open.load().as_ref().and_then(|open| {
            let closed = open.rests_on.iter().find_map(|shared| shared.why());
            closed.cloned()
        });
        why.unwrap_or_else(|| (&Late::Closed(closed)).into())
    }

    /// The refusal of this session, with its entry.
    pub fn refused(&self, late: &Late, now: Timestamp) -> Refused {
        self.refused_for(late.into(), now)
    }

    /// As [`Session::refused`], for a refusal of the policy.
    pub fn refused_for(&self, refusal: Refusal, now: Timestamp) -> Refused {
        let id = self.session();
        match self.purpose() {
            // An exit gate is asked for nothing: it knows what was declared to it.
            Some(purpose) if self.opened.is_none() => {
                let asked = Asked {
                    purpose: purpose.purpose,
                    camera: purpose.camera,
                    operator: purpose.operator,
                    ..self.asked.clone()
                };
                opening::refuse(refusal, None, &asked, &id, now)
            }
            _ => opening::refuse(refusal, self.opened.as_ref(), &self.asked, &id, now),
        }
    }

    /// The session that frames belong to: an exit gate has none of its own.
    pub fn session(&self) -> String {
        let inner = self.inner();
        match (&self.opened, &inner.floor) {
            (None, Some(floor)) => floor.session.clone(),
            _ => self.id.clone(),
        }
    }

    /// Notes a refusal that does not end the session, to be written down. Whether it is the first that is
    /// called so.
    pub fn note(&self, name: &str, refusal: impl FnOnce() -> Refusal) -> bool {
        let mut inner = self.inner();
        if inner.noted.len() >= MAX_NOTED || inner.noted.contains(name) {
            return false;
        }
        inner.noted.insert(name.to_owned());
        inner.waiting.push(refusal());
        true
    }

    /// The refusals that wait to be written down.
    pub fn noted(&self) -> Vec<Refusal> {
        std::mem::take(&mut self.inner().waiting)
    }

    /// The entry gate is open from now on, as `announced`.
    pub fn open(&self, purpose: Purpose, announced: Announced) {
        let shared = announced.shared().clone();
        *self.announced.lock().unwrap() = Some(announced);
        self.open.store(Some(Arc::new(Open {
            rests_on: vec![shared.clone()],
            purpose,
        })));
        // It may have ended while the register wrote.
        if let Some(ending) = self.ending.get() {
            shared.close(ending.refusal.clone());
        }
    }

    /// Entry: goes on under another purpose that demands no less.
    pub fn renew(&self, purpose: Purpose) {
        let announced = self.announced.lock().unwrap();
        let Some(announced) = &*announced else {
            return;
        };
        announced.renew(&purpose);
        {
            let mut inner = self.inner();
            inner.expiry_told = false;
            inner.renewed = Some(purpose.clone());
        }
        self.relink();
        self.open.store(Some(Arc::new(Open {
            rests_on: vec![announced.shared().clone()],
            purpose,
        })));
    }

    /// Entry: the purpose that has still to be sent downstream.
    pub fn renewed(&self) -> Option<Purpose> {
        self.inner().renewed.take()
    }

    /// Entry: how it opened, for the entries that come later.
    pub fn opened_on(&self, mode: Mode, footage: FootageTime) {
        // A session opens once.
        let _ = self.mode.set(mode);
        self.inner().opening = Some((mode, footage));
    }

    /// The opening entry as it would be by `grant`; `None` when the gate has not opened.
    pub fn opening_entry(&self, grant: &Grant, now: Timestamp) -> Option<String> {
        let (mode, footage) = self.inner().opening?;
        Some(grant.entry(&self.id, mode, footage, now))
    }

    /// Entry: the run is over, and no exit gate believes its purpose any more.
    pub fn retire(&self) {
        *self.announced.lock().unwrap() = None;
    }

    /// Entry: stops the frames of the session for a while, or lets them go on. Whether that is new.
    pub fn suspend(&self, suspended: bool) -> bool {
        let announced = self.announced.lock().unwrap();
        let shared = announced.as_ref().map(Announced::shared);
        shared.is_some_and(|shared| shared.suspend(suspended))
    }

    /// Whether the clock allows what was granted at `now`.
    ///
    /// # Errors
    ///
    /// When the end is reached, or nobody can tell.
    pub fn check(&self, now: Timestamp) -> Result<(), Closed> {
        let end = match (&*self.open.load(), &self.opened) {
            (Some(open), _) => return open.check(&self.watch, now),
            (None, Some(opened)) => opened.granted().grant.expires.as_second(),
            (None, None) => i64::MAX,
        };
        self.watch.check(now.as_second(), end)
    }

    /// Whether the end comes within `notice` seconds of `now` and nobody was told yet.
    pub fn expires_soon(&self, now: Timestamp, notice: i64) -> Option<i64> {
        let expires = self.open.load().as_ref()?.expires();
        let mut inner = self.inner();
        if inner.expiry_told || expires.saturating_sub(now.as_second()) > notice {
            return None;
        }
        inner.expiry_told = true;
        Some(expires)
    }

    /// Whether something is to be decided before the next frame. A load alone leaves the line of memory where
    /// it is.
    pub fn needs_a_look(&self) -> bool {
        let entry = self.opened.is_some();
        self.ending.get().is_none()
            && (!self.holds_images()
                || entry && (self.relinked.load(Ordering::Acquire) || self.open.load().is_none()))
    }

    /// Somebody linked something.
    pub fn relink(&self) {
        self.relinked.store(true, Ordering::Release);
    }

    /// Whether something was linked since this was asked last.
    pub fn is_relinked(&self) -> bool {
        self.relinked.swap(false, Ordering::AcqRel)
    }

    /// A purpose was declared to the exit gate, of a session that was found in the table; `None` is one that
    /// cannot be read, which closes it.
    pub fn declare(&self, purpose: Option<(Purpose, Arc<Shared>)>) {
        if self.ending.get().is_some() {
            return;
        }
        let mut inner = self.inner();
        let Some((purpose, shared)) = purpose else {
            self.open.store(None);
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
            // Entry gates may start again and again; what has ended stays only as what it demanded.
            inner.rests_on.retain(|s| s.verdict() != Verdict::Ended);
            inner.rests_on.push(shared);
        }
        self.open.store(Some(Arc::new(Open {
            rests_on: inner.rests_on.clone(),
            purpose,
        })));
    }

    /// A new stream begins. At the exit, what was declared of the one before says nothing of it; what was
    /// declared before the first one began was declared of that: a compositor hands on events before its own
    /// stream begins.
    ///
    /// # Errors
    ///
    /// At the entry, when it is another stream than the one that was decided on.
    pub fn stream_started(&self, stream: &str) -> Result<(), Late> {
        let mut inner = self.inner();
        inner.ended = false;
        if self.stage() == Stage::Entry {
            let other = inner.stream.as_deref().is_some_and(|id| id != stream);
            inner.stream = Some(stream.to_owned());
            drop(inner);
            return if other && self.is_open() {
                Err(Late::StreamChanged)
            } else {
                Ok(())
            };
        }
        let first = !std::mem::replace(&mut inner.began, true);
        if !first && let Some(floor) = inner.floor.take() {
            let ended = inner.ledger.proof(&floor.session, Stage::Exit);
            inner.retire(ended);
            inner.rests_on.clear();
            self.open.store(None);
        }
        Ok(())
    }

    /// Entry: what follows lies elsewhere in the recording.
    ///
    /// # Errors
    ///
    /// When that is earlier than what has passed: it is another recording, or the same one again.
    pub fn set_segment(
        &self,
        segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    ) -> Result<(), Late> {
        let mut inner = self.inner();
        let before = std::mem::replace(&mut inner.segment, segment.clone());
        drop(inner);
        let reached = self.counts.reached.load(Ordering::Relaxed);
        let (Some(before), Some(segment)) = (before, segment) else {
            return Ok(());
        };
        if reached == NO_TIME || !self.is_open() {
            return Ok(());
        }
        let reached = before.to_stream_time(gst::ClockTime::from_nseconds(reached));
        let next = segment.to_stream_time(segment.start());
        // Times of the frames count from here.
        self.counts.reached.store(NO_TIME, Ordering::Relaxed);
        match (reached, next) {
            (Some(reached), Some(next)) if next < reached.saturating_sub(REORDERED) => {
                Err(Late::StreamChanged)
            }
            _ => Ok(()),
        }
    }

    /// Entry: a seek that was asked for begins elsewhere.
    pub fn flushed(&self) {
        self.inner().segment = None;
        self.counts.reached.store(NO_TIME, Ordering::Relaxed);
    }

    /// The stream has these caps, and `images` says that they are of images only.
    pub fn set_media(&self, images: bool, caps: &gst::CapsRef) {
        let ordinary = caps.features(0).is_none_or(|features| {
            features
                .is_equal(gst::CapsFeatures::new([gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY]).as_ref())
        });
        self.images.store(images, Ordering::Release);
        let mut inner = self.inner();
        inner.info = (images && ordinary)
            .then(|| gst_video::VideoInfo::from_caps(caps).ok())
            .flatten();
        inner.size = caps.structure(0).and_then(|stream| {
            let side = |name| stream.get::<i32>(name).ok();
            side("width").zip(side("height"))
        });
    }

    /// Whether the images are no larger than what was granted takes; those of unknown size are.
    pub fn check_size(&self) -> Result<(), Late> {
        let Some(opened) = &self.opened else {
            return Ok(());
        };
        let Some(most) = opened.granted().grant.flow.max_size else {
            return Ok(());
        };
        let size = self.inner().size;
        let fits = |side: i32, most: u32| u32::try_from(side).is_ok_and(|side| side <= most);
        match size {
            Some((w, h)) if fits(w, most.0) && fits(h, most.1) => Ok(()),
            _ => Err(Late::TooLarge(size, most)),
        }
    }

    /// Whether the stream is known to hold images only.
    pub fn holds_images(&self) -> bool {
        self.images.load(Ordering::Acquire)
    }

    /// Judges a frame under an open decision, or under none, and counts it. `stream_time` says its place in the
    /// recording, where that matters.
    ///
    /// # Errors
    ///
    /// When a frame that may leave cannot be read for the proof, or written down.
    pub fn judge(
        &self,
        frame: &gst::BufferRef,
        stream_time: impl FnOnce() -> Option<gst::ClockTime>,
        now: Timestamp,
    ) -> Result<Fate, Unproven> {
        match &self.opened {
            Some(opened) => Ok(self.judge_entry(opened, frame, stream_time, now)),
            None => self.judge_exit(frame, now),
        }
    }

    fn judge_entry(
        &self,
        opened: &Opened,
        frame: &gst::BufferRef,
        stream_time: impl FnOnce() -> Option<gst::ClockTime>,
        now: Timestamp,
    ) -> Fate {
        let counts = &self.counts;
        // One thread at a time lets frames in, so these need no more than to be read whole by others.
        let count = |counter: &AtomicU64| {
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        };
        count(&counts.frames_in);
        if self.ending.get().is_some() {
            count(&counts.late);
            return Fate::Ended;
        }
        let open = self.open.load();
        let Some(open) = &*open else {
            return Fate::Paused;
        };
        if let Err(closed) = open.check(&self.watch, now) {
            count(&counts.late);
            return Fate::Ends(closed);
        }
        if open.worst() != Verdict::Open {
            count(&counts.late);
            return Fate::Paused;
        }
        let time = frame.dts_or_pts().map(gst::ClockTime::nseconds);
        if let Some(time) = time {
            let reached = counts.reached.load(Ordering::Relaxed);
            if reached == NO_TIME || time > reached {
                counts.reached.store(time, Ordering::Relaxed);
            } else if time.saturating_add(REORDERED.nseconds()) < reached {
                return Fate::Ends(Closed::StreamChanged);
            }
        }
        let place = opened.footage.needs_place().then(stream_time).flatten();
        let outside = opened.footage.check(frame, place).and_then(|()| {
            let mode = self.mode.get().copied();
            mode.map_or(Ok(()), |mode| {
                opened.footage.check_age(frame, place, mode, now)
            })
        });
        if let Err(outside) = outside {
            count(&counts.outside);
            return Fate::Held(Why::Outside(outside));
        }
        let pts = frame.pts().map_or(NO_TIME, gst::ClockTime::nseconds);
        if counts.frames_out.load(Ordering::Relaxed) == 0 {
            counts.first_pts.store(pts, Ordering::Relaxed);
        }
        counts.last_pts.store(pts, Ordering::Relaxed);
        count(&counts.frames_out);
        Fate::Out
    }

    fn judge_exit(&self, frame: &gst::BufferRef, now: Timestamp) -> Result<Fate, Unproven> {
        let late = |fate| {
            let mut inner = self.inner();
            inner.ledger.frames_in += 1;
            inner.ledger.late += 1;
            Ok(fate)
        };
        if self.ending.get().is_some() {
            return late(Fate::Ended);
        }
        let open = self.open.load();
        let open = open.as_deref();
        if let Some(Err(closed)) = open.map(|open| open.check(&self.watch, now)) {
            return late(Fate::Ends(closed));
        }
        if open.is_some_and(|open| open.worst() == Verdict::Suspended) {
            return late(Fate::Paused);
        }
        let purpose = open.map(|open| &open.purpose);
        // Most frames of a purpose without a mask carry nothing.
        let bare = frame.iter_meta::<gst::Meta>().next().is_none();
        let (scan, mask) = match bare {
            true => (None, None),
            false => (ScanStamp::read(frame), MaskStamp::read(frame)),
        };
        let judged = match open {
            Some(open) if open.is_over() => Err(exit::Held::Ended),
            _ => exit::judge(purpose, scan.as_ref(), mask.as_ref(), frame.pts()),
        };
        if let Err(held) = judged {
            let mut inner = self.inner();
            inner.ledger.frames_in += 1;
            inner.ledger.held += 1;
            return Ok(Fate::Held(Why::Mask(held)));
        }
        let leaf = self.prove(frame, scan.as_ref(), mask.as_ref())?;
        let mut inner = self.inner();
        let ledger = &mut inner.ledger;
        ledger.frames_in += 1;
        if ledger.frames_out == 0 {
            ledger.first_pts = frame.pts();
        }
        ledger.frames_out += 1;
        ledger.last_pts = frame.pts();
        ledger.whole += u64::from(mask.is_some_and(|m| m.whole_frame));
        ledger.tree.push(leaf);
        ledger.segments.push(leaf);
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
            if frame.iter_meta::<gst::Meta>().next().is_some() {
                privacy_common::strip_stamps(frame);
            }
            return;
        }
        let open = self.open.load();
        let Some(open) = &*open else {
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

    /// What `state` says: `closed`, `open`, `suspended`, `expired` or `revoked`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        let open = self.open.load();
        match (self.ending.get(), &*open) {
            (Some(ending), Some(_)) if ending.is_expiry() => "expired",
            (Some(ending), Some(_)) if !ending.hard => "revoked",
            (Some(_), _) | (None, None) => "closed",
            (None, Some(open)) => match open.check(&self.watch, now) {
                Err(Closed::Upstream | Closed::StreamChanged) => "revoked",
                Err(Closed::Expired | Closed::ClockBack) => "expired",
                Ok(()) if open.worst() == Verdict::Suspended => "suspended",
                Ok(()) => "open",
            },
        }
    }

    /// What `decision` says.
    pub fn described(&self, now: Timestamp) -> gst::Structure {
        let mut text =
            gst::Structure::builder("purposegate-decision").field("state", self.state(now));
        if let Some(Ending { refusal, .. }) = self.ending.get() {
            text = text
                .field("code", &*c_text(&refusal.code))
                .field("message-en", &*c_text(&refusal.text(false)))
                .field("message-fr", &*c_text(&refusal.text(true)))
                .field("legal-ref", &*c_text(&refusal.legal_ref));
        }
        if let Some(purpose) = self.purpose() {
            text = text
                .field("purpose", &*c_text(&purpose.purpose))
                .field("mandate-digest", &*c_text(&purpose.mandate_digest))
                .field("rules-version", &*c_text(&purpose.rules_version));
        }
        text.build()
    }

    /// The purpose in force, or that was to the end.
    pub fn purpose(&self) -> Option<Purpose> {
        self.open.load().as_ref().map(|open| open.purpose.clone())
    }

    /// When what is in force ends, in seconds since 1970-01-01 UTC.
    pub fn expires(&self) -> Option<i64> {
        self.open.load().as_ref().map(|open| open.expires())
    }

    /// What this gate has to say of `session`; empty asks for whichever runs. `None` when that session did
    /// not pass here. With `segment`, the segment of that number ends, or ended when it was first asked about. What
    /// was written down of its frames is durable then.
    ///
    /// # Errors
    ///
    /// When it cannot be.
    pub fn proof(&self, session: &str, segment: Option<u64>) -> Result<Option<Proof>, FramesError> {
        // First what was let out, then the lines of at least that.
        let proof = self.said_of(session, segment);
        if let (Some(_), Some(frames)) = (&proof, &self.frames) {
            frames.sync()?;
        }
        Ok(proof)
    }

    fn said_of(&self, session: &str, segment: Option<u64>) -> Option<Proof> {
        let current = self.session();
        let mut inner = self.inner();
        if session.is_empty() || session == current {
            return Some(match self.stage() {
                // It has seen no masks, so it proves nothing of what left.
                Stage::Entry => self.counts.ledger().proof(&current, Stage::Entry),
                Stage::Exit => Proof {
                    segment: segment.and_then(|number| inner.ledger.segments.end(number)),
                    ..inner.ledger.proof(&current, Stage::Exit)
                },
            });
        }
        let (proof, segments) = inner.past.iter_mut().find(|(p, _)| p.session == session)?;
        Some(Proof {
            segment: segment.and_then(|number| segments.end(number)),
            ..proof.clone()
        })
    }

    /// What `stats` says.
    pub fn stats(&self) -> gst::Structure {
        match self.stage() {
            Stage::Entry => self.counts.ledger().stats(),
            Stage::Exit => self.inner().ledger.stats(),
        }
    }
}

/// The counters of a gate that does not run.
pub fn no_stats() -> gst::Structure {
    Ledger::default().stats()
}

impl Ending {
    /// Whether time ended it, and nobody.
    pub fn is_expiry(&self) -> bool {
        ["EXPIRED_MANDATE", "CLOCK_BACK"].contains(&self.refusal.code.as_str())
    }
}

impl Inner {
    fn retire(&mut self, ended: Proof) {
        let ledger = std::mem::take(&mut self.ledger);
        if self.past.len() == MAX_PAST {
            self.past.remove(0);
        }
        self.past.push((ended, ledger.segments));
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
            outside: self.outside,
            late: self.late,
            whole_masked: self.whole,
            root: self.root(),
            first_pts: self.first_pts,
            last_pts: self.last_pts,
            segment: None,
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
