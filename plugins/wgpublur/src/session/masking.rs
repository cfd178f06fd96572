// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is masked on one frame, and its stamp.

use std::time::{Duration, Instant};

use privacy_common::{Detection, MaskStamp};
use privacy_shaders::{Picture, Rect, Work, gpu::GpuError};

use super::{FRAME_DURATION, Handled, Look, Policy, Session, Stream, hold};
use crate::{
    backend::{Outcome, Ticket},
    failure::Failure,
    frame,
    hold::{Object, Reach},
    settings::{Live, SettingsError},
    verdict::{Evidence, Reason, Verdict, judge},
    wgpublur::{MissingScan, Mode, Overload},
};

/// How long a whole frame shows the same cells, at most: its grid follows nobody, and a picture that stands
/// still for longer looks like a stream that broke off.
const WHOLE_FRAME_REFRESH: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// A frame that is being masked.
#[derive(Debug)]
pub(super) struct Masking {
    /// On the GPU.
    flying: Option<Ticket>,
    /// How it was masked, unless it is still flying.
    outcome: Outcome,
    /// To be written once it is masked.
    stamp: MaskStamp,
    reason: Option<Reason>,
    /// Its detections must not outlive the mask.
    strips: bool,
    /// Spent so far.
    time: Duration,
}

#[derive(Debug)]
pub(super) enum Begun {
    Masking(Masking),
    Dropped(Handled),
}

impl Session {
    /// Begins to mask a frame that was looked at, or says that it is to be dropped.
    pub(super) fn begin(
        &mut self,
        buffer: &mut gst::BufferRef,
        look: &Look,
        live: &Live,
        forced: Option<Reason>,
    ) -> Result<Begun, Failure> {
        live.check(self.what.picture.is_some())?;
        let live = &live.under(&self.policy.demand)?;
        let verdict = self.decide(look, live);
        let reason = match (verdict, forced) {
            (Verdict::Regions, None) => None,
            (Verdict::Regions, Some(reason)) | (Verdict::Whole(reason), _) => Some(reason),
            (Verdict::Missing(reason), _) => match live.on_missing_scan {
                MissingScan::Frame => Some(reason),
                MissingScan::Drop => return Ok(Begun::Dropped(self.dropped(look, reason))),
                MissingScan::Error => return Err(Failure::MissingScan(reason)),
            },
        };
        if let Some(overload) = reason.filter(|r| r.is_overload())
            && let Some(dropped) = self.overloaded(look, live, overload)?
        {
            return Ok(Begun::Dropped(dropped));
        }
        if reason.is_some() {
            self.regions.whole();
        }

        let began = Instant::now();
        let mode = mode(live, self.what.picture.as_ref())?;
        let refresh = match reason {
            None => live.refresh_interval,
            Some(_) => live.refresh_interval.min(WHOLE_FRAME_REFRESH),
        };
        frame::own_pixels(buffer)?;
        let mut flying = None;
        let mut outcome = Outcome::AsAsked;
        if !self.regions.regions().is_empty() {
            let info = &self.stream.as_ref().ok_or(Failure::NoCaps)?.info;
            let mut mapped = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, info)?;
            let mut view = frame::view(&mut mapped, info)?;
            let work = Work {
                regions: self.regions.regions(),
                runs: self.regions.runs(),
                fill: live.fill_color,
                now: look.at.time.nseconds(),
                refresh: refresh.nseconds(),
                ..Work::new(mode, self.masker.seed())
            };
            let ticket = self.masker.submit(&mut view, &work)?;
            if self.depth() > 1 {
                flying = Some(ticket);
            } else {
                outcome = self.masker.collect(ticket, &mut view)?;
            }
        }
        Ok(Begun::Masking(Masking {
            flying,
            outcome,
            stamp: MaskStamp {
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
            },
            reason,
            strips: self.policy.demand.strips_detections(),
            time: began.elapsed(),
        }))
    }

    /// Ends what [`Session::begin`] began, and stamps the frame.
    pub(super) fn end(
        &mut self,
        buffer: &mut gst::BufferRef,
        look: &Look,
        live: &Live,
        masking: Masking,
    ) -> Result<Handled, Failure> {
        let Masking {
            flying,
            mut outcome,
            mut stamp,
            reason,
            strips,
            mut time,
        } = masking;
        if let Some(ticket) = flying {
            let began = Instant::now();
            let info = &self.stream.as_ref().ok_or(Failure::NoCaps)?.info;
            let mut mapped = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, info)?;
            outcome = self
                .masker
                .collect(ticket, &mut frame::view(&mut mapped, info)?)?;
            time += began.elapsed();
        }
        let mut trouble = reason.filter(|r| r.is_degraded());
        let mut took_over = None;
        if let Outcome::TookOver(why) = outcome {
            let reason = match why {
                GpuError::Timeout(_) => Reason::TooSlow,
                _ => Reason::BackendFailure,
            };
            if !stamp.whole_frame {
                let reason = reason.nick().to_owned();
                stamp = MaskStamp {
                    regions: 0,
                    clear: 0,
                    whole_frame: true,
                    reason,
                    share: 1.0,
                    ..stamp
                };
            }
            (trouble, took_over) = (Some(reason), Some(why.to_string()));
            if reason.is_overload()
                && let Some(dropped) = self.overloaded(look, live, reason)?
            {
                return Ok(Handled {
                    took_over,
                    ..dropped
                });
            }
        }
        privacy_common::remove_clear_copies(buffer, true);
        if strips {
            privacy_common::strip_detections(buffer);
        }
        if std::mem::take(&mut self.is_after_drop) {
            buffer.set_flags(gst::BufferFlags::DISCONT);
        }
        // Last, so that a frame on which anything above failed has no stamp.
        stamp.write(buffer);
        Ok(Handled {
            pts: stamp.pts,
            stamp: Some(stamp),
            time,
            change: self.health.observe(look.at.time, trouble),
            took_over,
        })
    }

    /// What becomes of a frame with more to mask than can be: dropped, or `None` when it may leave masked
    /// as a whole.
    fn overloaded(
        &mut self,
        look: &Look,
        live: &Live,
        reason: Reason,
    ) -> Result<Option<Handled>, Failure> {
        match live.on_overload {
            Overload::Frame => Ok(None),
            Overload::Drop => Ok(Some(self.dropped(look, reason))),
            Overload::Error => Err(Failure::Overload(reason)),
        }
    }

    pub(super) fn dropped(&mut self, look: &Look, reason: Reason) -> Handled {
        self.is_after_drop = true;
        Handled {
            stamp: None,
            pts: look.pts,
            time: Duration::ZERO,
            change: self.health.observe(look.at.time, Some(reason)),
            took_over: None,
        }
    }

    /// Judges a frame and draws its regions.
    fn decide(&mut self, look: &Look, live: &Live) -> Verdict {
        let Some(Stream { info, canvas }) = &self.stream else {
            return Verdict::Whole(Reason::SizeChanged);
        };
        let Policy { demand, classes } = &self.policy;
        let scan = look.scan.as_ref();
        let is_scanned = |d: &&Detection| look.classes().contains(&d.class);
        let verdict = judge(
            &Evidence {
                scan,
                pts: look.pts,
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
        let is_measured = scan.is_some_and(|s| !s.predicted && s.pts == look.pts);
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
