// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of the element: from buffers to masked and stamped buffers, at once or after a wait.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use gst_video::VideoInfo;
use privacy_common::{Detection, MaskStamp, ScanStamp};
use privacy_shaders::{Picture, Rect, Work};

use crate::{
    backend::{Masker, Outcome},
    classes::Classes,
    clear::Clear,
    delay::{self, Item, Line},
    failure::Failure,
    frame,
    hold::{Holds, Moment, Object, Reach},
    notice::{Event, Health},
    regions::{Canvas, Regions},
    settings::{Live, MAX_HOLD, SettingsError},
    verdict::{Demand, Evidence, Reason, Verdict, judge},
    wgpublur::{MissingScan, Mode, Overload},
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
    scan: Option<ScanStamp>,
    detections: Vec<Detection>,
}

#[derive(Debug)]
struct Waiting {
    buffer: gst::Buffer,
    look: Look,
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
    pub fn new(masker: Masker, what: What, lookahead: gst::ClockTime) -> Self {
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

    /// Takes new caps; `false` when they cannot be masked. No frame of other caps may be waiting.
    pub fn set_info(&mut self, info: &VideoInfo) -> bool {
        let known = self.stream.take();
        self.stream = frame::geometry(info).map(|(format, width, height)| Stream {
            info: info.clone(),
            canvas: Canvas {
                format,
                width,
                height,
                interlaced: info.is_interlaced(),
            },
        });
        let canvas = |s: &Stream| s.canvas;
        let (was, is) = (known.as_ref().map(canvas), self.stream.as_ref().map(canvas));
        if was != is {
            // A frame must never be seen as one of another layout.
            self.discard();
        }
        let size = |c: Canvas| (c.width, c.height);
        if was.map(size) != is.map(size) {
            self.holds.size_changed();
        }
        self.line.set_duration(self.frame_duration());
        self.stream.is_some()
    }

    /// Whether frames wait before they leave.
    pub fn is_delayed(&self) -> bool {
        !self.lookahead.is_zero()
    }

    /// By how much frames are delayed, and how many wait for that, if that is known.
    pub fn delay(&self) -> (gst::ClockTime, Option<u32>) {
        match self.frame_duration() {
            _ if !self.is_delayed() => (gst::ClockTime::ZERO, None),
            Some(frame) => {
                let frames = delay::frames(self.lookahead, frame);
                (
                    frame.saturating_mul(frames),
                    Some(u32::try_from(frames).unwrap_or(u32::MAX)),
                )
            }
            None => (self.lookahead, None),
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

    /// Forgets what was seen, and the frames that wait: the stream goes on somewhere else.
    pub fn flush(&mut self) {
        self.discard();
        self.holds.forget();
    }

    fn discard(&mut self) {
        self.line.clear();
        // What was declared stays declared, though its frames are gone.
        if let Some(last) = self.coming.pop_back() {
            self.policy = last;
        }
        self.coming.clear();
    }

    /// Whether frames or events wait.
    pub fn is_waiting(&self) -> bool {
        !self.line.is_empty()
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
    pub fn wait(&mut self, mut buffer: gst::Buffer, live: &Live) -> Result<(), Failure> {
        let look = self.look(buffer.make_mut(), live)?;
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

    /// What leaves the line next, if anything does; with `all`, whether or not it has waited long enough.
    pub fn next(&mut self, live: &Live, all: bool) -> Result<Option<Next>, Failure> {
        let is_full = self.line.is_full();
        Ok(match self.line.next(all) {
            None => None,
            Some(Item::Event(notified)) => {
                if notified.is_purpose
                    && let Some(policy) = self.coming.pop_front()
                {
                    self.policy = policy;
                }
                Some(Next::Event(notified.event))
            }
            Some(Item::Frame(Waiting { mut buffer, look })) => {
                let forced = is_full.then_some(Reason::TooManyFrames);
                let handled = self.mask(buffer.make_mut(), &look, live, forced)?;
                Some(match handled.stamp {
                    Some(_) => Next::Frame(buffer, handled),
                    None => Next::Dropped(handled),
                })
            }
        })
    }

    /// Masks and stamps a frame at once.
    pub fn handle(&mut self, buffer: &mut gst::BufferRef, live: &Live) -> Result<Handled, Failure> {
        let look = self.look(buffer, live)?;
        self.mask(buffer, &look, live, None)
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
        let policies = || self.coming.iter().chain([&self.policy]);
        self.holds.observe(at, oldest, hold, &detections, |class| {
            live.invert || policies().any(|p| p.classes.contains(class))
        });
        Ok(Look {
            at,
            scan: ScanStamp::read(buffer),
            detections,
        })
    }

    /// Masks and stamps a frame that was looked at, or says that it is to be dropped.
    fn mask(
        &mut self,
        buffer: &mut gst::BufferRef,
        look: &Look,
        live: &Live,
        forced: Option<Reason>,
    ) -> Result<Handled, Failure> {
        live.check(self.what.picture.is_some())?;
        let live = &live.under(&self.policy.demand)?;
        let verdict = self.decide(buffer.pts(), look, live);
        let mut reason = match (verdict, forced) {
            (Verdict::Regions, None) => None,
            (Verdict::Regions, Some(reason)) | (Verdict::Whole(reason), _) => Some(reason),
            (Verdict::Missing(reason), _) => match live.on_missing_scan {
                MissingScan::Frame => Some(reason),
                MissingScan::Drop => return Ok(self.dropped(buffer, look, reason)),
                MissingScan::Error => return Err(Failure::MissingScan(reason)),
            },
        };
        if let Some(overload) = reason.filter(|r| r.is_overload()) {
            match live.on_overload {
                Overload::Frame => {}
                Overload::Drop => return Ok(self.dropped(buffer, look, overload)),
                Overload::Error => return Err(Failure::Overload(overload)),
            }
        }
        if reason.is_some() {
            self.regions.whole();
        }

        let began = Instant::now();
        let mode = mode(live, self.what.picture.as_ref())?;
        frame::own_pixels(buffer)?;
        let mut took_over = None;
        if !self.regions.regions().is_empty() {
            let info = &self.stream.as_ref().ok_or(Failure::NoCaps)?.info;
            let mut mapped = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, info)?;
            let mut view = frame::view(&mut mapped, info)?;
            let work = Work {
                regions: self.regions.regions(),
                runs: self.regions.runs(),
                fill: live.fill_color,
                now: look.at.time.nseconds(),
                refresh: live.refresh_interval.nseconds(),
                ..Work::new(mode, self.masker.seed())
            };
            if let Outcome::TookOver(why) = self.masker.mask(&mut view, &work)? {
                took_over = Some(why);
            }
        }
        let time = began.elapsed();
        if took_over.is_some() {
            reason = reason.or(Some(Reason::BackendFailure));
        }
        let stamp = MaskStamp {
            classes: self.policy.classes.for_stamp(look.classes()),
            method: live.mode.nick().to_owned(),
            cells: mode.cells(),
            regions: match reason {
                None => self.regions.others(),
                Some(_) => 0,
            },
            clear: match reason {
                None => self.clear.count,
                Some(_) => 0,
            },
            zones: self.regions.zones(),
            whole_frame: reason.is_some(),
            reason: reason.map_or("", Reason::nick).to_owned(),
            share: match reason {
                None => self.regions.share(),
                Some(_) => 1.0,
            },
            pts: buffer.pts(),
        };
        privacy_common::remove_clear_copies(buffer, true);
        if self.policy.demand.strips_detections() {
            privacy_common::strip_detections(buffer);
        }
        // Last, so that a frame on which anything above failed has no stamp.
        stamp.write(buffer);
        let trouble = match took_over {
            Some(_) => Some(Reason::BackendFailure),
            None => reason.filter(|r| r.is_degraded()),
        };
        Ok(Handled {
            stamp: Some(stamp),
            pts: buffer.pts(),
            time,
            change: self.health.observe(look.at.time, trouble),
            took_over,
        })
    }

    fn dropped(&mut self, buffer: &gst::BufferRef, look: &Look, reason: Reason) -> Handled {
        Handled {
            stamp: None,
            pts: buffer.pts(),
            time: Duration::ZERO,
            change: self.health.observe(look.at.time, Some(reason)),
            took_over: None,
        }
    }

    /// Judges a frame and draws its regions.
    fn decide(&mut self, pts: Option<gst::ClockTime>, look: &Look, live: &Live) -> Verdict {
        let Some(Stream { info, canvas }) = &self.stream else {
            return Verdict::Whole(Reason::SizeChanged);
        };
        let Policy { demand, classes } = &self.policy;
        let scan = look.scan.as_ref();
        let is_scanned = |d: &&Detection| look.classes().contains(&d.class);
        let verdict = judge(
            &Evidence {
                scan,
                pts,
                size: (canvas.width, canvas.height),
                par: (info.par().numer(), info.par().denom()),
                carried: look.detections.iter().filter(is_scanned).count(),
            },
            demand,
            classes,
            live.whole_frame,
            live.max_scan_age,
        );
        let is_known = self.regions.look(*canvas, &self.what, demand, &live.preset);
        if verdict != Verdict::Regions {
            return verdict;
        }
        if !is_known {
            return Verdict::Whole(Reason::UnknownView);
        }
        let frame = frame::duration(info, FRAME_DURATION);
        let reach = Reach {
            hold: hold(live.hold, info),
            // Frames wait until one is at least as much later.
            ahead: match self.lookahead {
                gst::ClockTime::ZERO => gst::ClockTime::ZERO,
                lookahead => lookahead.saturating_add(frame),
            },
        };
        if let Err(reason) = self.holds.objects(look.at, reach, &mut self.objects) {
            return Verdict::Whole(reason);
        }
        let is_measured = scan.is_some_and(|s| !s.predicted && s.pts == pts);
        let clear = &mut self.clear;
        clear.choose(
            &look.detections,
            &self.what.classes,
            demand,
            live,
            is_measured,
        );
        self.boxes.clear();
        self.boxes.extend(clear.boxes.iter().map(|&i| {
            let d = &look.detections[i];
            Rect {
                x: d.x,
                y: d.y,
                width: d.width,
                height: d.height,
            }
        }));
        let is_masked = |o: &&Object| match o.seen {
            Some(index) => clear.is_masked(index, &o.class, classes),
            // What is only held may be in front of a clear box.
            None => clear.is_inverted || classes.contains(&o.class),
        };
        let is_demanded = demand.is_mask_required();
        let solid = &self.what.solid;
        let drawn = self
            .objects
            .iter()
            .filter(is_masked)
            .map(|o| (o, solid.contains(&o.class, is_demanded)));
        let around = clear.is_inverted.then_some(&*self.boxes);
        match self.regions.draw(drawn, around, live) {
            Ok(()) => Verdict::Regions,
            Err(_) => Verdict::Whole(Reason::TooManyRegions),
        }
    }
}

impl Look {
    /// Classes that the detector looked for.
    fn classes(&self) -> &[String] {
        self.scan.as_ref().map_or(&[], |s| &s.classes)
    }
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

fn mode<'a>(
    live: &Live,
    picture: Option<&'a Picture>,
) -> Result<privacy_shaders::Mode<'a>, SettingsError> {
    let cells = live.cells;
    Ok(match live.mode {
        Mode::Solid => privacy_shaders::Mode::Solid,
        Mode::Pixelate => privacy_shaders::Mode::Pixelate { cells },
        Mode::Blur => privacy_shaders::Mode::Blur { cells },
        Mode::Gaussian => privacy_shaders::Mode::Gaussian { cells },
        Mode::Image => privacy_shaders::Mode::Image {
            picture: picture.ok_or(SettingsError::NoImage)?,
        },
    })
}
