// SPDX-License-Identifier: MIT OR Apache-2.0
use gst::prelude::*;

mod asking;
mod closing;
mod imp;
mod links;
mod message;
mod settings;

pub use message::Message;

glib::wrapper! {
    /// The element `purposegate`.
    pub struct PurposeGate(ObjectSubclass<imp::PurposeGate>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Where a gate stands.
#[derive(Debug, Eq, PartialEq, Clone, Copy, Default, glib::Enum)]
#[enum_type(name = "GstPurposeGateStage")]
pub enum Stage {
    /// Right behind the camera or the demuxer: decides whether anything flows.
    #[default]
    #[enum_value(
        name = "Behind the source: decides whether anything flows",
        nick = "entry"
    )]
    Entry,
    /// Last before the encoder, the display, the file or the network: lets out only what is proven.
    #[enum_value(
        name = "Before the way out: lets out only what is proven",
        nick = "exit"
    )]
    Exit,
}

/// What leaves while nothing may.
#[derive(Debug, Eq, PartialEq, Clone, Copy, Default, glib::Enum)]
#[enum_type(name = "GstPurposeGateDenyAction")]
pub enum DenyAction {
    /// The stream stops with an error.
    #[default]
    #[enum_value(name = "Stop the stream with an error", nick = "error")]
    Error,
    /// Frames are dropped.
    #[enum_value(name = "Drop frames", nick = "drop")]
    Drop,
    /// Black frames of the same caps leave (raw video of 8 bits; other frames are dropped).
    #[enum_value(name = "Send black frames", nick = "black")]
    Black,
    /// The stream ends.
    #[enum_value(name = "End the stream", nick = "eos")]
    Eos,
}

/// Language of what the user reads.
#[derive(Debug, Eq, PartialEq, Clone, Copy, Default, glib::Enum)]
#[enum_type(name = "GstPurposeGateLanguage")]
pub enum Language {
    /// Both, that of `LANG` first.
    #[default]
    #[enum_value(name = "English and French, that of LANG first", nick = "auto")]
    Auto,
    /// English.
    #[enum_value(name = "English", nick = "en")]
    En,
    /// French.
    #[enum_value(name = "Français", nick = "fr")]
    Fr,
}

/// Where the images go, as the user declares it.
#[derive(Debug, Eq, PartialEq, Clone, Copy, Default, glib::Enum)]
#[enum_type(name = "GstPurposeGateSinkClass")]
pub enum Sink {
    /// Not declared: nothing opens.
    #[default]
    #[enum_value(name = "Not declared: nothing opens", nick = "undeclared")]
    Undeclared,
    /// Display in the city's video control room.
    #[enum_value(name = "Display in the video control room (CSU)", nick = "csu-display")]
    CsuDisplay,
    /// Another display on a secured internal network.
    #[enum_value(
        name = "Display on a secured internal network",
        nick = "internal-secured"
    )]
    InternalSecured,
    /// A display that other staff can see.
    #[enum_value(
        name = "Display that other staff can see, or on an unsecured network",
        nick = "internal-unsecured"
    )]
    InternalUnsecured,
    /// The system's own recorder.
    #[enum_value(
        name = "Recorder of the system, which erases by itself",
        nick = "store"
    )]
    Store,
    /// A file: an extraction.
    #[enum_value(name = "File handed over or kept", nick = "file")]
    File,
    /// Anybody.
    #[enum_value(name = "Anybody", nick = "public")]
    Public,
}

pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    for plugin_api in [
        Stage::static_type(),
        DenyAction::static_type(),
        Language::static_type(),
        Sink::static_type(),
    ] {
        plugin_api.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(
        Some(plugin),
        "purposegate",
        gst::Rank::NONE,
        PurposeGate::static_type(),
    )
}
