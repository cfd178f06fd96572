// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `auditsink` and its messages.

use glib::prelude::*;
use gst::prelude::*;

mod fault;
mod gate;
mod imp;
mod intake;
mod message;
mod run;
mod settings;
mod upstream;
mod witness;

pub use message::{
    Blocked, Checkpoint, Closed, Interrupted, MESSAGE, Message, Opened, Resumed, Segment, Witness,
};
pub use privacy_common::message::MessageError;

/// What becomes of a stream of which the register or the disk takes no more.
#[derive(Debug, Eq, PartialEq, Clone, Copy, Default, glib::Enum)]
#[enum_type(name = "GstAuditSinkOnFailure")]
pub enum OnFailure {
    /// It stops with an error.
    #[default]
    #[enum_value(name = "Stop the stream with an error", nick = "halt")]
    Halt,
    /// It waits, and takes nothing in, until both can be written again.
    #[enum_value(
        name = "Wait, and take nothing in, until both can be written again",
        nick = "block"
    )]
    Block,
}

glib::wrapper! {
    /// The sink that writes the register.
    pub struct AuditSink(ObjectSubclass<imp::AuditSink>) @extends gst_base::BaseSink, gst::Element, gst::Object;
}

/// Registers the element, with a rank that keeps it out of autoplugging.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    OnFailure::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "auditsink",
        gst::Rank::NONE,
        AuditSink::static_type(),
    )
}
