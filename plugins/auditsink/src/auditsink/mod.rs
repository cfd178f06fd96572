// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `auditsink` and its messages.

use glib::prelude::*;

mod fault;
mod imp;
mod message;
mod settings;
mod upstream;

pub use message::{Checkpoint, Closed, MESSAGE, Message, Opened};
pub use privacy_common::message::MessageError;

glib::wrapper! {
    /// The sink that writes the register.
    pub struct AuditSink(ObjectSubclass<imp::AuditSink>) @extends gst_base::BaseSink, gst::Element, gst::Object;
}

/// Registers the element, with a rank that keeps it out of autoplugging.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "auditsink",
        gst::Rank::NONE,
        AuditSink::static_type(),
    )
}
