// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plugin `onnxdetector`: finds people, vehicles and whatever else a model reports, on the way of
//! the frames, and identifies nobody.
//!
//! ```sh
//! gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! videoconvert \
//!     ! onnxdetector model-file=nanodet.onnx ! wgpublur ! autovideosink
//! ```
//!
//! It reads NanoDet, YOLOX and CenterFace models through ONNX Runtime, which is loaded when the first
//! element starts. The element is in [`onnxdetector`]; the other modules know nothing of GStreamer.
#![forbid(unsafe_code)]

pub mod biometrics;
pub mod decode;
pub mod detector;
pub mod labels;
pub mod letterbox;
pub mod model;
pub mod nms;
pub mod onnxdetector;
pub mod preprocess;
pub mod runtime;

pub use plugin::plugin_desc::plugin_register_static;

#[expect(
    missing_docs,
    reason = "what plugin_define! makes cannot be given documentation"
)]
mod plugin {
    fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        privacy_common::init();
        crate::onnxdetector::register(plugin)
    }

    gst::plugin_define!(
        onnxdetector,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        // GStreamer knows a fixed list of licence names; the project is MIT OR Apache-2.0.
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}
