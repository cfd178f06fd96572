// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `onnxdetector` and its messages.

use glib::prelude::*;

mod frame;
mod imp;
mod log;
mod message;
mod running;
mod settings;
mod status;

pub use message::{InferenceFailed, MESSAGE, Message, Ready};
pub use privacy_common::message::MessageError;

glib::wrapper! {
    /// See the [plugin](crate).
    pub struct OnnxDetector(ObjectSubclass<imp::OnnxDetector>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// How the outputs of the model are read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstOnnxDetectorDecoder")]
#[repr(i32)]
pub enum Decoder {
    /// Found from the names and shapes of the outputs.
    #[default]
    #[enum_value(name = "Found from the names and shapes of the outputs", nick = "auto")]
    Auto,
    /// NanoDet.
    #[enum_value(name = "NanoDet: cls_S and dis_S for each stride S", nick = "nanodet")]
    NanoDet,
    /// YOLOX.
    #[enum_value(
        name = "YOLOX: one output of boxes, objectness and class scores, not decoded",
        nick = "yolox"
    )]
    Yolox,
    /// CenterFace.
    #[enum_value(
        name = "CenterFace: heat, scale and offset of faces",
        nick = "centerface"
    )]
    CenterFace,
}

/// What runs the model. A provider that is not there is an error, never replaced by another.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstOnnxDetectorExecutionProvider")]
#[repr(i32)]
pub enum ExecutionProvider {
    /// The processor.
    #[default]
    #[enum_value(name = "The processor", nick = "cpu")]
    Cpu,
}

/// What the detections are used for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, glib::Enum)]
#[enum_type(name = "GstOnnxDetectorUse")]
#[repr(i32)]
pub enum Use {
    /// Only to find what must be masked.
    #[default]
    #[enum_value(name = "Only to find what must be masked", nick = "mask")]
    Mask,
    /// Anonymous counts as well.
    #[enum_value(name = "Anonymous counts as well", nick = "statistics")]
    Statistics,
}

/// Registers the element. Rank none: nothing may plug a detector by itself.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "onnxdetector",
        gst::Rank::NONE,
        OnnxDetector::static_type(),
    )
}
