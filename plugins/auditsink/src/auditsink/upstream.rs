// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether an end of stream is one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gst::prelude::*;

/// Watches the bus of the pipeline for errors while a run goes on.
///
/// A source that could not read, or whose data some element refused, ends its stream with the same event as one
/// that has given everything. The error message is posted before it, on the same thread.
#[derive(Debug)]
pub struct Watch {
    failed: Arc<AtomicBool>,
    bus: Option<(gst::Bus, Option<glib::SignalHandlerId>)>,
}

impl Watch {
    /// Watches the pipeline around `element`, if it is in one.
    pub fn new(element: &gst::Element) -> Self {
        let mut top = element.clone().upcast::<gst::Object>();
        while let Some(parent) = top.parent() {
            top = parent;
        }
        let failed = Arc::new(AtomicBool::new(false));
        let bus = top.downcast::<gst::Pipeline>().ok().and_then(|p| p.bus());
        let bus = bus.map(|bus| {
            // Counted: others may watch the same bus, in this way and in any other.
            bus.enable_sync_message_emission();
            let failed = failed.clone();
            let handler = bus.connect_sync_message(Some("error"), move |_, _| {
                failed.store(true, Ordering::SeqCst);
            });
            (bus, Some(handler))
        });
        Self { failed, bus }
    }

    /// Whether some element has failed since.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((bus, handler)) = &mut self.bus {
            if let Some(handler) = handler.take() {
                bus.disconnect(handler);
            }
            bus.disable_sync_message_emission();
        }
    }
}
