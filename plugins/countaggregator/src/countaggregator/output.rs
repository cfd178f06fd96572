// SPDX-License-Identifier: MIT OR Apache-2.0
//! The source pad: one stream of records for all cameras.

use std::{
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use gst::prelude::*;

/// The source pad and what went through it.
///
/// Cameras come on threads of their own. The stream lock of the pad keeps their records, and the events
/// that come before them, in order, as `funnel` does; the flags change under it alone.
#[derive(Debug)]
pub struct Output {
    pad: gst::Pad,
    started: AtomicBool,
    segment: AtomicBool,
    ended: AtomicBool,
    published: AtomicU64,
}

impl Output {
    pub fn new(pad: gst::Pad) -> Self {
        pad.use_fixed_caps();
        Self {
            pad,
            started: AtomicBool::new(false),
            segment: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            published: AtomicU64::new(0),
        }
    }

    pub fn pad(&self) -> &gst::Pad {
        &self.pad
    }

    /// Number of records that went out.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Pushes records.
    pub fn push(&self, records: Vec<gst::Buffer>) -> Result<gst::FlowSuccess, gst::FlowError> {
        if records.is_empty() {
            return Ok(gst::FlowSuccess::Ok);
        }
        let _in_order = self.pad.stream_lock();
        self.begin();
        for record in records {
            self.pad.push(record)?;
            self.published.fetch_add(1, Ordering::Relaxed);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Sends an event of a camera on, after those that come first.
    pub fn forward(&self, event: gst::Event) -> bool {
        let _in_order = self.pad.stream_lock();
        self.begin();
        self.pad.push_event(event)
    }

    /// Sends a flush stop on; a new segment follows it.
    pub fn flushed(&self, event: gst::Event) -> bool {
        let _in_order = self.pad.stream_lock();
        self.segment.store(false, Ordering::SeqCst);
        self.ended.store(false, Ordering::SeqCst);
        self.pad.push_event(event)
    }

    /// Ends the stream, once.
    pub fn end(&self) {
        let _in_order = self.pad.stream_lock();
        if !self.ended.swap(true, Ordering::SeqCst) {
            self.begin();
            self.pad.push_event(gst::event::Eos::new());
        }
    }

    /// As if nothing had ever gone out.
    pub fn reset(&self) {
        for flag in [&self.started, &self.segment, &self.ended] {
            flag.store(false, Ordering::SeqCst);
        }
        self.published.store(0, Ordering::Relaxed);
    }

    fn begin(&self) {
        if !self.started.swap(true, Ordering::SeqCst) {
            // `create_stream_id` takes elements with one sink pad at most.
            let random = std::hash::RandomState::new().build_hasher().finish();
            let id = format!("countaggregator/{random:016x}");
            let start = gst::event::StreamStart::builder(&id).group_id(gst::GroupId::next());
            self.pad.push_event(start.build());
            self.pad.push_event(gst::event::Caps::new(&caps()));
        }
        if !self.segment.swap(true, Ordering::SeqCst) {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.pad.push_event(gst::event::Segment::new(&segment));
        }
    }
}

/// What leaves.
pub fn caps() -> gst::Caps {
    gst::Caps::builder("application/x-json")
        .field("format", "privacy-counts")
        .build()
}
