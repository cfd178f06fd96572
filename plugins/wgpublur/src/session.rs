// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of the element: from buffers to masked and stamped buffers, at once or after a wait.

mod masking;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gst_video::VideoInfo;
use privacy_common::{Detection, MaskStamp, ScanStamp};
use privacy_shaders::Rect;

use self::masking::{Begun, Masking};
use crate::{
    backend::Masker,
    classes::Classes,
    clear::Clear,
    delay::{self, Item, Line},
    failure::Failure,
    frame::{self, CapsError},
    hold::{Holds, Moment, Object},
    notice::{Event, Health},
    regions::{Canvas, Regions},
    settings::{Live, MAX_HOLD, Settings},
    verdict::{Demand, Reason},
    what::What,
};

/// Assumed between frames of a stream that has neither timestamps nor a frame rate.
const FRAME_DURATION: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// Everything that is known while frames flow, and forgotten when they stop.
#[derive(Debug)]
pub struct Session {
    masker: Masker,
    what: What,
    /// Of the frames that leave.
    policy: Policy,
    /// Of frames that wait, in step with the events in the line.
    coming: VecDeque<Policy>,
    stream: Option<Stream>,
    line: Line<Waiting, Notified>,
    lookahead: gst::ClockTime,
    /// Frames that are being masked.
    flight: VecDeque<Flying>,
    /// Events that leave before the next frame.
    events: VecDeque<gst::Event>,
    /// How many the user wants to be.
    in_flight: u32,
    /// The next frame does not follow the last one.
    is_after_drop: bool,
    holds: Holds,
    clear: Clear,
    regions: Regions,
    /// Reused from frame to frame.
    objects: Vec<Object>,
    /// Reused from frame to frame.
    boxes: Vec<Rect>,
    health: Health,
    /// The newest frame: its time by timestamp, or counted.
    newest: Moment,
}

/// What a purpose asks for, and the classes to mask because of it.
#[derive(Debug)]
struct Policy {
    demand: Demand,
    classes: Classes,
}

/// What the caps say.
#[derive(Debug, Clone)]
struct Stream {
    info: VideoInfo,
    canvas: Canvas,
}

/// What a frame brought with it.
#[derive(Debug)]
struct Look {
    at: Moment,
    pts: Option<gst::ClockTime>,
    /// Seconds since 1970 at which the purpose ends under which it came, if that had not ended by then.
    expires: Option<i64>,
    /// The properties under which it came.
    came: Came,
    scan: Option<ScanStamp>,
    detections: Vec<Detection>,
}

/// Of the properties, those that say what a frame shows and what of it may be seen: they are meant for the
/// frames that come from then on, not for those that wait.
#[derive(Debug)]
struct Came {
    preset: Arc<str>,
    whole_frame: bool,
    invert: bool,
    clear_track: u32,
}

impl Came {
    fn under(live: &Live) -> Self {
        Self {
            preset: Arc::clone(&live.preset),
            whole_frame: live.whole_frame,
            invert: live.invert,
            clear_track: live.clear_track,
        }
    }

    /// The properties for a frame that came under these and leaves under `live`. What was or is to be
    /// masked is.
    fn and(&self, live: &Live) -> Live {
        let is_chosen = self.clear_track == live.clear_track;
        Live {
            preset: Arc::clone(&self.preset),
            whole_frame: self.whole_frame || live.whole_frame || self.invert != live.invert,
            clear_track: if is_chosen { live.clear_track } else { 0 },
            ..live.clone()
        }
    }
}

#[derive(Debug)]
struct Waiting {
    buffer: gst::Buffer,
    look: Look,
}

/// A frame in flight, and the events behind it.
#[derive(Debug)]
struct Flying {
    frame: Waiting,
    masking: Masking,
    behind: Vec<gst::Event>,
}

#[derive(Debug)]
struct Notified {
    event: gst::Event,
    /// It changes the policy to the first of those to come.
    is_purpose: bool,
}

/// What leaves the line.
#[derive(Debug)]
pub enum Next {
    /// A frame, masked and stamped.
    Frame(gst::Buffer, Handled),
    /// A frame was dropped.
    Dropped(Handled),
    /// An event that came behind it.
    Event(gst::Event),
}

/// What became of a frame.
#[derive(Debug)]
pub struct Handled {
    /// What was masked; `None` for a frame to be dropped.
    pub stamp: Option<MaskStamp>,
    /// Its PTS.
    pub pts: Option<gst::ClockTime>,
    /// Time spent on the pixels.
    pub time: Duration,
    /// To be told on the bus: what changed, and why.
    pub change: Option<(Event, Reason)>,
    /// The GPU failed on this frame and the CPU took over. Says why.
    pub took_over: Option<String>,
}

impl Session {
    /// A new run.
    pub fn new(masker: Masker, what: What, settings: &Settings) -> Self {
        let lookahead = settings.lookahead;
        Self {
            masker,
            policy: Policy {
                demand: Demand::default(),
                classes: what.classes.clone(),
            },
            coming: VecDeque::new(),
            what,
            stream: None,
            line: Line::new(lookahead),
            lookahead,
            flight: VecDeque::new(),
            events: VecDeque::new(),
            in_flight: settings.in_flight,
            is_after_drop: false,
            holds: Holds::default(),
            clear: Clear::default(),
            regions: Regions::default(),
            objects: Vec::new(),
            boxes: Vec::new(),
            health: Health::default(),
            newest: Moment {
                frame: 0,
                time: gst::ClockTime::ZERO,
            },
        }
    }

    /// The backend in use.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Takes new caps. Frames of others must have left: any that wait are forgotten.
    pub fn set_info(&mut self, info: &VideoInfo) -> Result<(), CapsError> {
        let known = self.stream.take();
        let canvas = frame::canvas(info);
        self.stream = canvas.as_ref().ok().map(|canvas| Stream {
            info: info.clone(),
            canvas: *canvas,
        });
        let (was, is) = (known.map(|s| s.canvas), canvas.as_ref().ok().copied());
        if was != is {
            // A frame must never be seen as one of another layout.
            self.discard();
        }
        let size = |c: Canvas| (c.width, c.height);
        if was.map(size) != is.map(size) {
            self.holds.size_changed();
        }
        self.line.set_duration(self.frame_duration());
        canvas.map(|_| ())
    }

    /// How many frames may be masked at a time: those but the one at hand wait.
    fn depth(&self) -> usize {
        self.masker.depth(self.in_flight)
    }

    /// Whether frames wait before they leave.
    pub fn is_delayed(&self) -> bool {
        !self.lookahead.is_zero() || self.depth() > 1
    }

    /// By how much frames are delayed, and how many wait for that, if that is known.
    pub fn delay(&self) -> (gst::ClockTime, Option<u32>) {
        // At most `settings::MAX_IN_FLIGHT`.
        let flying = self.depth() as u64 - 1;
        match self.frame_duration() {
            _ if !self.is_delayed() => (gst::ClockTime::ZERO, None),
            Some(frame) => {
                let frames = delay::frames(self.lookahead, frame) + flying;
                // Some cameras write a clock, 90 000 ticks a second, where the frame rate should be.
                let is_rate = frame >= delay::SHORTEST;
                (
                    frame.saturating_mul(frames),
                    u32::try_from(frames).ok().filter(|_| is_rate),
                )
            }
            None => {
                let frames = u32::try_from(flying).ok();
                let delay = FRAME_DURATION.saturating_mul(flying);
                (
                    self.lookahead.saturating_add(delay),
                    frames.filter(|_| self.lookahead.is_zero()),
                )
            }
        }
    }

    /// Whether the caps are these already.
    pub fn is_of(&self, info: &VideoInfo) -> bool {
        self.stream.as_ref().is_some_and(|s| s.info == *info)
    }

    fn frame_duration(&self) -> Option<gst::ClockTime> {
        let stream = self.stream.as_ref()?;
        let known = frame::duration(&stream.info, gst::ClockTime::ZERO);
        (!known.is_zero()).then_some(known)
    }

    /// Takes a new purpose for all frames that leave from here on.
    pub fn set_demand(&mut self, demand: Demand) {
        self.policy = self.policy_of(demand);
    }

    fn policy_of(&self, demand: Demand) -> Policy {
        Policy {
            classes: self.what.classes.raised_by(demand.required_classes()),
            demand,
        }
    }

    /// Forgets what was seen, and the frames that wait: the stream goes on somewhere else. Gives back the
    /// events that waited.
    pub fn flush(&mut self) -> Vec<gst::Event> {
        self.holds.forget();
        self.masker.forget();
        self.discard()
    }

    /// Forgets the frames that wait, and gives back the events between them.
    pub fn discard(&mut self) -> Vec<gst::Event> {
        let mut events: Vec<gst::Event> = self.events.drain(..).collect();
        events.extend(self.flight.drain(..).flat_map(|flying| flying.behind));
        events.extend(self.line.clear().map(|notified| notified.event));
        // What was declared stays declared, though its frames are gone.
        if let Some(last) = self.coming.pop_back() {
            self.policy = last;
        }
        self.coming.clear();
        events
    }

    /// Whether frames or events wait.
    pub fn is_waiting(&self) -> bool {
        !(self.line.is_empty() && self.flight.is_empty() && self.events.is_empty())
    }

    /// A copy of a frame in memory of its own, to be put into the line.
    pub fn copy(&self, buffer: &gst::BufferRef) -> Result<gst::Buffer, Failure> {
        let info = &self.stream.as_ref().ok_or(Failure::NoCaps)?.info;
        frame::check(buffer, info)?;
        let mut copy = buffer.copy_deep()?;
        // Metas that hold on to the buffer that was copied would hold on to its pool.
        privacy_common::remove_clear_copies(copy.make_mut(), true);
        Ok(copy)
    }

    /// Puts a frame into the line.
    pub fn wait(&mut self, buffer: gst::Buffer, live: &Live) -> Result<(), Failure> {
        let look = self.look(&buffer, live)?;
        let at = look.at;
        self.line.push(at, Waiting { buffer, look });
        Ok(())
    }

    /// Puts an event into the line.
    pub fn wait_event(&mut self, event: gst::Event, demand: Option<Demand>) {
        let is_purpose = demand.is_some();
        let policy = demand.map(|demand| self.policy_of(demand));
        self.coming.extend(policy);
        self.line.push_event(Notified { event, is_purpose });
    }

    /// The stream has got to `time` without a frame.
    pub fn pass(&mut self, time: gst::ClockTime) {
        self.line.pass(time);
    }

    /// When the purpose of the frames that come ends, unless it has.
    fn expiry(&self) -> Option<i64> {
        match &self.coming.back().unwrap_or(&self.policy).demand {
            Demand::Declared(purpose) => Some(purpose.expires).filter(|e| !has_ended(*e)),
            Demand::Undeclared | Demand::Unreadable => None,
        }
    }

    /// What leaves next, if anything does; with `all`, whether or not it has waited long enough.
    pub fn next(&mut self, live: &Live, all: bool) -> Result<Option<Next>, Failure> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(Next::Event(event)));
            }
            // A frame is in flight until as many are as may be.
            if self.flight.len() >= self.depth() {
                return self.land(live);
            }
            let forced = self.line.is_full().then_some(Reason::TooManyFrames);
            match self.line.next(all) {
                None if all => return self.land(live),
                None => return Ok(None),
                Some(Item::Event(notified)) => {
                    if notified.is_purpose
                        && let Some(policy) = self.coming.pop_front()
                    {
                        self.policy = policy;
                    }
                    match self.flight.back_mut() {
                        Some(ahead) => ahead.behind.push(notified.event),
                        None => self.events.push_back(notified.event),
                    }
                }
                // The gate upstream closed behind it, and nothing leaves after that.
                Some(Item::Frame(Waiting { look, .. })) if look.expires.is_some_and(has_ended) => {
                    return Ok(Some(Next::Dropped(self.dropped(&look, Reason::Expired))));
                }
                Some(Item::Frame(Waiting { mut buffer, look })) => {
                    let live = &look.came.and(live);
                    match self.begin(buffer.make_mut(), &look, live, forced)? {
                        Begun::Dropped(handled) => return Ok(Some(Next::Dropped(handled))),
                        Begun::Masking(masking) => {
                            self.flight.push_back(Flying {
                                frame: Waiting { buffer, look },
                                masking,
                                behind: Vec::new(),
                            });
                        }
                    }
                }
            }
        }
    }

    /// Ends the masking of the oldest frame in flight.
    fn land(&mut self, live: &Live) -> Result<Option<Next>, Failure> {
        let Some(flying) = self.flight.pop_front() else {
            return Ok(None);
        };
        let Waiting { mut buffer, look } = flying.frame;
        self.events.extend(flying.behind);
        if look.expires.is_some_and(has_ended) {
            return Ok(Some(Next::Dropped(self.dropped(&look, Reason::Expired))));
        }
        let handled = self.end(buffer.make_mut(), &look, live, flying.masking)?;
        Ok(Some(match handled.stamp {
            Some(_) => Next::Frame(buffer, handled),
            None => Next::Dropped(handled),
        }))
    }

    /// Masks and stamps a frame at once.
    pub fn handle(&mut self, buffer: &mut gst::BufferRef, live: &Live) -> Result<Handled, Failure> {
        let look = self.look(buffer, live)?;
        match self.begin(buffer, &look, live, None)? {
            Begun::Dropped(handled) => {
                // The base class says so on the next frame.
                self.is_after_drop = false;
                Ok(handled)
            }
            Begun::Masking(masking) => self.end(buffer, &look, live, masking),
        }
    }

    /// Takes what a frame says of the objects on it.
    fn look(&mut self, buffer: &gst::BufferRef, live: &Live) -> Result<Look, Failure> {
        let Stream { info, canvas } = self.stream.as_ref().ok_or(Failure::NoCaps)?;
        // Even when nothing is to be masked: what was not looked at must not leave.
        frame::check(buffer, info)?;
        let counted = frame::duration(info, FRAME_DURATION);
        let at = Moment {
            frame: self.newest.frame + 1,
            time: buffer
                .pts()
                .unwrap_or_else(|| self.newest.time.saturating_add(counted)),
        };
        self.newest = at;
        let detections = privacy_common::detections(buffer, canvas.width, canvas.height);
        // Followed even while whole frames are masked: what is seen now may be missed once the
        // detector is back.
        let (oldest, hold) = (self.line.oldest().unwrap_or(at), hold(live.hold, info));
        self.holds.observe(at, oldest, hold, &detections);
        Ok(Look {
            at,
            pts: buffer.pts(),
            expires: self.is_delayed().then(|| self.expiry()).flatten(),
            came: Came::under(live),
            scan: ScanStamp::read(buffer),
            detections,
        })
    }
}

impl Look {
    /// Classes that the detector looked for.
    fn classes(&self) -> &[String] {
        self.scan.as_ref().map_or(&[], |s| &s.classes)
    }
}

/// Whether a time, in seconds since 1970, is over.
fn has_ended(expires: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.is_ok_and(|now| i64::try_from(now.as_secs()).is_ok_and(|now| now >= expires))
}

/// How long a region is held: as asked, and over one missed frame of a slow camera unless no hold is asked.
fn hold(asked: gst::ClockTime, info: &VideoInfo) -> gst::ClockTime {
    if asked.is_zero() {
        return asked;
    }
    let frame = frame::duration(info, gst::ClockTime::ZERO);
    // Half a frame more, for timestamps that tremble.
    asked.max(frame.saturating_add(frame / 2).min(MAX_HOLD))
}

#[cfg(test)]
mod tests;
