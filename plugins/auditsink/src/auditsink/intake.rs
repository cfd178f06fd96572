// SPDX-License-Identifier: MIT OR Apache-2.0
//! Taking in buffers, and waiting where they cannot be taken in.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use gst::{MappedMemory, memory::Readable, subclass::prelude::*};
use gst_base::prelude::*;

use super::{
    Blocked, OnFailure, Resumed, fault,
    imp::{AuditSink, CAT},
    message::Message,
};
use crate::{
    journal::{Journal, JournalError},
    patience::Waited,
};

/// How long is waited before something that could not be written is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// A part of a buffer, which stays there and unchanged as long as this does.
#[derive(Clone)]
struct Piece(Arc<Mapped>);

struct Mapped {
    memory: MappedMemory<Readable>,
    // A buffer that goes back to its pool is filled anew.
    _buffer: gst::Buffer,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0.memory
    }
}

impl AuditSink {
    /// Takes in a buffer, after whatever must stand in the register before it.
    pub(super) fn take_in(&self, buffer: &gst::Buffer) -> Result<(), gst::FlowError> {
        let camera = self.settings.lock().unwrap().camera.clone();
        let camera = camera.unwrap_or_default();
        let running_time = self.running_time(buffer);
        let (opened, due) = self.persist(|journal| {
            let opened = journal.before_bytes(&camera)?;
            Ok((opened, journal.segment_due(running_time)))
        })?;
        if let Some(opened) = opened {
            self.opened(opened);
        }
        if due {
            let counts = self.ask_gates();
            let media_type = self.status.lock().unwrap().media_type.clone();
            let cut = self.persist(|journal| {
                journal.cut(running_time, &media_type, |session| counts.of(session))
            })?;
            self.recorded(&cut);
        }
        let mut pieces = self.map(buffer)?;
        let pts = buffer.pts().map(gst::ClockTime::nseconds);
        let duration = buffer.duration().map(gst::ClockTime::nseconds);
        self.persist(|journal| journal.take(&mut pieces, pts, duration))
    }

    /// Running time of the buffer; its own time where the stream is one of bytes, as that of a muxer.
    fn running_time(&self, buffer: &gst::BufferRef) -> Option<u64> {
        let pts = buffer.pts()?;
        let segment = self.obj().segment();
        let time = match segment.downcast_ref::<gst::ClockTime>() {
            Some(segment) => segment.to_running_time(pts)?,
            None => pts,
        };
        Some(time.nseconds())
    }

    fn map(&self, buffer: &gst::Buffer) -> Result<VecDeque<Piece>, gst::FlowError> {
        let memories = buffer.iter_memories_owned();
        let pieces = memories.map(|memory| {
            let memory = memory.into_mapped_memory_readable().map_err(|_| {
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::Read,
                    ["a buffer cannot be read"]
                );
                gst::FlowError::Error
            })?;
            Ok(Piece(Arc::new(Mapped {
                memory,
                _buffer: buffer.clone(),
            })))
        });
        pieces.collect()
    }

    /// Runs `work` on the journal until it succeeds, for as long as `on-failure` lets it.
    fn persist<T>(
        &self,
        mut work: impl FnMut(&mut Journal) -> Result<T, JournalError>,
    ) -> Result<T, gst::FlowError> {
        let mut since = None;
        let result = loop {
            let error = match self.with(&mut work) {
                Ok(done) => break Ok(done),
                Err(error) => error,
            };
            let settings = self.settings();
            if settings.on_failure == OnFailure::Halt || !error.may_pass() {
                self.post_error_message(fault::message(&settings, &error));
                break Err(gst::FlowError::Error);
            }
            if since.is_none() {
                since = Some(Instant::now());
                self.patience.set_waiting(true);
                self.blocked(&fault::text(&settings, &error));
            }
            match self.patience.wait(RETRY) {
                Waited::Through => {}
                // PAUSED waits here for PLAYING; a flush and a stop take the buffer away.
                Waited::Released => {
                    if let Err(flow) = self.obj().wait_preroll() {
                        break Err(flow);
                    }
                }
                Waited::GivenUp => {
                    let _ = self.with(|journal| {
                        journal.give_up();
                        Ok(())
                    });
                    self.post_error_message(fault::message(&settings, &error));
                    break Err(gst::FlowError::Error);
                }
            }
        };
        if let Some(since) = since {
            self.patience.set_waiting(false);
            if result.is_ok() {
                let waited = since.elapsed();
                gst::info!(CAT, imp = self, "goes on after {waited:?}");
                self.post(&Message::Resumed(Resumed {
                    waited: u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX),
                }));
            }
        }
        result
    }

    fn blocked(&self, reason: &str) {
        gst::element_imp_warning!(
            self,
            gst::ResourceError::Write,
            ["waiting until it can be written again: {reason}"]
        );
        self.post(&Message::Blocked(Blocked {
            reason: reason.to_owned(),
        }));
    }
}
