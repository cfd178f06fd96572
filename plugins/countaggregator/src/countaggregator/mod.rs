// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element, its pads and its bus message.

use glib::prelude::*;

use crate::window::Discard;

mod claims;
mod imp;
mod output;
mod pad;
mod settings;
mod stream;

glib::wrapper! {
    /// The element `countaggregator`.
    pub struct CountAggregator(ObjectSubclass<imp::CountAggregator>)
        @extends gst::Element, gst::Object, @implements gst::ChildProxy;
}

glib::wrapper! {
    /// A sink pad of `countaggregator`: one camera.
    pub struct CountAggregatorPad(ObjectSubclass<pad::CountAggregatorPad>)
        @extends gst::Pad, gst::Object;
}

/// The element message `countaggregator`: a window is over. It carries no values.
///
/// Fields: `event` (`window-closed`), `camera`, `from` and `to` (RFC 3339), `whole` (boolean), `reason`
/// (`start`, `stop`, `gap`, `unscanned`, `interrupted`, `purpose`; empty when whole).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowClosed {
    /// Camera whose window is over.
    pub camera: String,
    /// Its start, RFC 3339 in UTC.
    pub from: String,
    /// Its end, RFC 3339 in UTC.
    pub to: String,
    /// Why it will not be published; `None` when it will be, after the publication delay.
    pub discarded: Option<Discard>,
}

impl From<&WindowClosed> for gst::Structure {
    fn from(message: &WindowClosed) -> Self {
        gst::Structure::builder(MESSAGE)
            .field("event", WINDOW_CLOSED)
            .field("camera", &message.camera)
            .field("from", &message.from)
            .field("to", &message.to)
            .field("whole", message.discarded.is_none())
            .field("reason", message.discarded.map_or("", Discard::nick))
            .build()
    }
}

impl TryFrom<&gst::StructureRef> for WindowClosed {
    type Error = glib::BoolError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, Self::Error> {
        let wrong = |what: &str| glib::bool_error!("{what} of the message is missing or unknown");
        let text = |name: &str| s.get::<String>(name).map_err(|_| wrong(name));
        if s.name() != MESSAGE || text("event")? != WINDOW_CLOSED {
            return Err(wrong("event"));
        }
        let reason = text("reason")?;
        let discarded = match s.get::<bool>("whole").map_err(|_| wrong("whole"))? {
            true => None,
            false => Some(Discard::from_nick(&reason).ok_or_else(|| wrong("reason"))?),
        };
        Ok(Self {
            camera: text("camera")?,
            from: text("from")?,
            to: text("to")?,
            discarded,
        })
    }
}

/// Registers the element. Rank NONE: autoplugging must never pick it.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    CountAggregatorPad::static_type();
    gst::Element::register(
        Some(plugin),
        "countaggregator",
        gst::Rank::NONE,
        CountAggregator::static_type(),
    )
}

const MESSAGE: &str = "countaggregator";
const WINDOW_CLOSED: &str = "window-closed";
