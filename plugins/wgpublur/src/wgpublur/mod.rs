// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `wgpublur`.

mod flow;
mod imp;
mod shared;

use glib::prelude::*;

glib::wrapper! {
    /// Masks detections, or whole frames when unsure; see the plugin's documentation.
    pub struct WgpuBlur(ObjectSubclass<imp::WgpuBlur>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Where frames are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstWgpuBlurBackend")]
#[repr(u32)]
pub enum Backend {
    /// The first real GPU, else the CPU.
    #[default]
    #[enum_value(name = "Auto: the first real GPU, else the CPU", nick = "auto")]
    Auto,
    /// A GPU; an error without one. Accepts a software adapter, with a warning.
    #[enum_value(name = "GPU: a Vulkan adapter or an error", nick = "gpu")]
    Gpu,
    /// The CPU.
    #[enum_value(name = "CPU", nick = "cpu")]
    Cpu,
}

/// What a region is replaced with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstWgpuBlurMode")]
#[repr(u32)]
pub enum Mode {
    /// Flat cells, few and noisy.
    #[default]
    #[enum_value(name = "Pixelate: few flat cells with noise", nick = "pixelate")]
    Pixelate,
    /// One colour.
    #[enum_value(name = "Solid: one colour, for plates and text", nick = "solid")]
    Solid,
    /// The cells of pixelate, interpolated.
    #[enum_value(name = "Blur: the cells of pixelate, interpolated", nick = "blur")]
    Blur,
    /// A Gaussian blur of many cells without noise: pretty, and no protection. Refused while a purpose
    /// demands a mask.
    #[enum_value(
        name = "Gaussian: cosmetic, can be undone, refused while a purpose demands a mask",
        nick = "gaussian"
    )]
    Gaussian,
    /// A picture of the user's, stretched over the region.
    #[enum_value(
        name = "Image: the picture of image-location, nothing of the original",
        nick = "image"
    )]
    Image,
}

impl Mode {
    /// As a mask stamp names it.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Pixelate => "pixelate",
            Self::Solid => "solid",
            Self::Blur => "blur",
            Self::Gaussian => "gaussian",
            Self::Image => "image",
        }
    }
}

/// What becomes of a frame that no detector looked at in time. There is no value that lets it pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstWgpuBlurMissingScan")]
#[repr(u32)]
pub enum MissingScan {
    /// It is masked as a whole.
    #[default]
    #[enum_value(name = "Frame: mask the whole frame", nick = "frame")]
    Frame,
    /// It is dropped.
    #[enum_value(name = "Drop: drop the frame", nick = "drop")]
    Drop,
    /// The stream stops with an error.
    #[enum_value(name = "Error: stop with an error", nick = "error")]
    Error,
}

/// Outline of what is masked for a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstWgpuBlurShape")]
#[repr(u32)]
pub enum Shape {
    /// The padded box.
    #[default]
    #[enum_value(name = "Box: the padded box", nick = "box")]
    Box,
    /// The ellipse through the corners of the padded box: it covers the box, and more.
    #[enum_value(
        name = "Ellipse: through the corners of the padded box, which it covers",
        nick = "ellipse"
    )]
    Ellipse,
}

/// What becomes of a frame on which more is to be masked than can be, or not in time. There is no value
/// that lets it pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstWgpuBlurOverload")]
#[repr(u32)]
pub enum Overload {
    /// It is masked as a whole.
    #[default]
    #[enum_value(name = "Frame: mask the whole frame", nick = "frame")]
    Frame,
    /// It is dropped.
    #[enum_value(name = "Drop: drop the frame", nick = "drop")]
    Drop,
    /// The stream stops with an error.
    #[enum_value(name = "Error: stop with an error", nick = "error")]
    Error,
}

/// Registers the element, with rank NONE: nothing may plug a mask in, or leave it out, by itself.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Backend::static_type();
    Mode::static_type();
    MissingScan::static_type();
    Shape::static_type();
    Overload::static_type();
    gst::Element::register(
        Some(plugin),
        "wgpublur",
        gst::Rank::NONE,
        WgpuBlur::static_type(),
    )
}
