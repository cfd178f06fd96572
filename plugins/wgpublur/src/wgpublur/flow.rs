// SPDX-License-Identifier: MIT OR Apache-2.0
//! How frames and events go through the element: at once, or in one line after a wait.

use glib::subclass::prelude::*;
use gst::{EventView, prelude::*};
use gst_base::{prelude::*, subclass::prelude::*};
use gst_video::VideoInfo;
use privacy_common::Purpose;

use super::{imp::WgpuBlur, shared::CAT};
use crate::{
    failure::Failure,
    frame::CapsError,
    pictures,
    session::{Handled, Next, Session},
    settings::Live,
    verdict::Demand,
};

impl WgpuBlur {
    /// Runs `change` on the session, if one is on.
    fn change<R>(&self, change: impl FnOnce(&mut Session) -> R) -> Option<R> {
        self.session.lock().unwrap().as_mut().map(change)
    }

    /// Takes the session out, runs `work` on it, and puts it back unless that failed: what comes then is
    /// refused until a restart.
    fn run<R>(
        &self,
        work: impl FnOnce(&mut Session, &Live) -> Result<R, Failure>,
        handled: impl FnOnce(&R) -> Option<&Handled>,
    ) -> Result<R, gst::FlowError> {
        let Some(mut session) = self.session.lock().unwrap().take() else {
            gst::element_imp_error!(
                self,
                gst::CoreError::Failed,
                ["a frame came while stopped, or after a frame that could not be masked"]
            );
            return Err(gst::FlowError::Error);
        };
        let live = self.settings.lock().unwrap().live.clone();
        let result = work(&mut session, &live).map_err(|failure| self.fail(&failure))?;
        let handled = handled(&result);
        let notice = handled.and_then(|h| self.account(h, session.masker()));
        // The CPU keeps no frames waiting.
        let delay = handled
            .filter(|h| h.took_over.is_some())
            .map(|_| session.delay());
        *self.session.lock().unwrap() = Some(session);
        if let Some(delay) = delay {
            self.set_delay(delay);
        }
        if let Some(notice) = notice {
            self.tell(&notice);
        }
        Ok(result)
    }

    /// Masks a frame at once.
    pub(super) fn with_session(
        &self,
        work: impl FnOnce(&mut Session, &Live) -> Result<Handled, Failure>,
    ) -> Result<Handled, gst::FlowError> {
        self.run(work, |handled| Some(handled))
    }

    /// Puts a frame into the line. A pool that was not asked for as many frames as may wait gets this one
    /// back at once: its owner could wait for it forever.
    pub(super) fn wait(&self, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
        let is_asked = self.shared.lock().unwrap().is_asked;
        self.run(
            |session, live| {
                let buffer = if is_asked {
                    buffer
                } else {
                    session.copy(&buffer)?
                };
                session.wait(buffer, live)
            },
            |()| None,
        )
    }

    /// The next frame that leaves the line; events before it are sent on. With `all`, frames leave whether
    /// or not they have waited long enough.
    pub(super) fn advance(&self, all: bool) -> Result<Option<gst::Buffer>, gst::FlowError> {
        loop {
            let next = self.run(
                |session, live| session.next(live, all),
                |next| match next {
                    Some(Next::Frame(_, handled) | Next::Dropped(handled)) => Some(handled),
                    Some(Next::Event(_)) | None => None,
                },
            )?;
            match next {
                None => return Ok(None),
                Some(Next::Frame(buffer, _)) => return Ok(Some(buffer)),
                Some(Next::Dropped(_)) => {}
                Some(Next::Event(event)) => {
                    self.parent_sink_event(event);
                }
            }
        }
    }

    fn is_waiting(&self) -> bool {
        self.change(|session| session.is_waiting()) == Some(true)
    }

    /// Sends on what is due.
    fn push(&self) -> Result<(), gst::FlowError> {
        self.push_while(false)
    }

    /// Sends on everything that waits, masked by what is known so far. What is not wanted is forgotten: it
    /// must not leave behind what comes next.
    pub(super) fn drain(&self) {
        if let Err(err) = self.push_while(true) {
            gst::debug!(CAT, imp = self, "Frames that waited are not wanted: {err}");
            self.keep_sticky(self.change(Session::discard));
        }
    }

    fn push_while(&self, all: bool) -> Result<(), gst::FlowError> {
        while self.is_waiting() {
            let Some(buffer) = self.advance(all)? else {
                break;
            };
            self.obj().src_pad().push(buffer)?;
        }
        Ok(())
    }

    /// Frames are gone; what was said for good between them still holds, a purpose above all.
    fn keep_sticky(&self, events: Option<Vec<gst::Event>>) {
        for event in events.into_iter().flatten().filter(|e| e.is_sticky()) {
            if let Err(err) = self.obj().src_pad().store_sticky_event(&event) {
                gst::debug!(CAT, imp = self, "An event is not wanted: {err}");
            }
        }
    }

    /// Takes an event from upstream. Serialized events keep their place among the frames.
    pub(super) fn route(&self, event: gst::Event) -> bool {
        // An event that overtakes frames is no purpose of theirs.
        let purpose = event
            .is_serialized()
            .then(|| Purpose::from_event(&event))
            .flatten();
        let demand = purpose.map(|purpose| match purpose {
            Ok(purpose) => Demand::Declared(Box::new(purpose)),
            Err(_) => Demand::Unreadable,
        });
        if let Some(demand) = &demand {
            self.log_demand(demand);
        }
        let Some(event) = pictures::removed(event) else {
            return true;
        };
        if event.type_() == gst::EventType::FlushStop {
            self.keep_sticky(self.change(Session::flush));
        } else if event.is_serialized() && self.is_waiting() {
            if ends_wait(&event) {
                self.drain();
            } else {
                let passed = match event.view() {
                    EventView::Gap(gap) => {
                        let (start, duration) = gap.get();
                        Some(start.saturating_add(duration.unwrap_or(gst::ClockTime::ZERO)))
                    }
                    _ => None,
                };
                self.change(|session| {
                    session.wait_event(event, demand);
                    passed.map(|time| session.pass(time))
                });
                // Whatever is wrong downstream, the next frame is told.
                let _ = self.push();
                return true;
            }
        }
        if let Some(demand) = demand {
            self.change(|session| session.set_demand(demand));
        }
        self.parent_sink_event(event)
    }

    fn log_demand(&self, demand: &Demand) {
        match demand {
            Demand::Declared(p) => gst::info!(
                CAT,
                imp = self,
                "Purpose {} requires mask \"{}\"",
                p.purpose,
                p.required_mask
            ),
            _ => gst::warning!(CAT, imp = self, "Unreadable purpose: masking whole frames"),
        }
    }

    /// Takes new caps.
    pub(super) fn set_stream(&self, info: &VideoInfo) -> Result<(), CapsError> {
        let taken = self.change(|session| {
            let is_new = !session.is_of(info);
            (session.set_info(info), is_new, session.delay())
        });
        let Some((fits, is_new, delay)) = taken else {
            return Ok(());
        };
        // Another allocation query will come.
        self.shared.lock().unwrap().is_asked &= !is_new;
        self.set_delay(delay);
        fits
    }

    /// Tells by how much frames are delayed, when that has changed.
    fn set_delay(&self, (delay, frames): (gst::ClockTime, Option<u32>)) {
        let known = {
            let shared = &mut *self.shared.lock().unwrap();
            shared.frames = frames;
            std::mem::replace(&mut shared.delay, delay)
        };
        if known != delay {
            let message = gst::message::Latency::builder().src(&*self.obj()).build();
            // Fails only without a bus, and then nobody listens.
            let _ = self.obj().post_message(message);
        }
    }

    /// Asks for as many buffers more as may wait. `false` when none do, or nobody knows how many.
    pub(super) fn asks_for_frames(&self, query: &mut gst::query::Allocation) -> bool {
        let Some(frames) = self.shared.lock().unwrap().frames else {
            return false;
        };
        // One more than wait: the one that makes the first leave.
        let more = frames + 1;
        let size = query
            .get()
            .0
            .and_then(|caps| VideoInfo::from_caps(caps).ok())
            .and_then(|info| u32::try_from(info.size()).ok());
        let Some(mut size) = size else {
            return false;
        };
        let (mut index, mut least) = (0, 0);
        while let Some((pool, pool_size, min, max)) = query.allocation_pools().nth(index as usize) {
            let needed = min.saturating_add(more);
            (size, least) = (size.max(pool_size), least.max(min));
            if max != 0 && max < needed {
                query.remove_nth_allocation_pool(index);
            } else {
                query.set_nth_allocation_pool(index, pool.as_ref(), pool_size, needed, max);
                index += 1;
            }
        }
        if index == 0 {
            let needed = least.saturating_add(more);
            query.add_allocation_pool(None::<&gst::BufferPool>, size, needed, 0);
        }
        self.shared.lock().unwrap().is_asked = true;
        true
    }
}

/// Whether no frame behind an event says anything of those before it, or none may come for long.
fn ends_wait(event: &gst::Event) -> bool {
    match event.view() {
        EventView::StreamStart(_)
        | EventView::Caps(_)
        | EventView::Segment(_)
        | EventView::SegmentDone(_)
        | EventView::StreamGroupDone(_)
        | EventView::Eos(_) => true,
        _ => event
            .structure()
            .is_some_and(|s| s.name() == "GstEventStillFrame"),
    }
}
