// SPDX-License-Identifier: MIT OR Apache-2.0
//! Masks people and objects in video, on the GPU or the CPU, and stamps every frame it masked.
//!
//! ```sh
//! gst-launch-1.0 filesrc location=street.avi ! decodebin ! videoconvert ! onnxdetector model-file=m.onnx ! wgpublur ! videoconvert ! autovideosink
//! ```
#![forbid(unsafe_code)]

mod backend;
mod classes;
mod clear;
mod delay;
mod failure;
mod file;
mod frame;
mod hold;
mod motion;
mod notice;
mod pictures;
mod regions;
mod replacement;
mod session;
mod settings;
mod verdict;
pub mod wgpublur;
mod what;
mod zones;

pub use notice::{Event, Notice, NoticeError};
pub use verdict::Reason;

pub use plugin::plugin_desc::plugin_register_static;

#[expect(
    missing_docs,
    reason = "what plugin_define! makes cannot be given documentation"
)]
mod plugin {
    fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        privacy_common::init();
        crate::wgpublur::register(plugin)
    }

    gst::plugin_define!(
        wgpublur,
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
