// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plugin `auditsink`: writes the register before anything flows and after it ends, and the exported
//! file where there is one.
//!
//! ```sh
//! privacyctl register init register
//! gst-launch-1.0 videotestsrc num-buffers=100 ! x264enc ! mp4mux \
//!     ! auditsink register=register location=piece.mp4
//! privacyctl register verify register
//! ```
//!
//! The element is in [`auditsink`]; [`journal`], [`entries`], [`output`], [`patience`] and [`errand`] know nothing
//! of GStreamer.
#![forbid(unsafe_code)]

pub mod auditsink;
pub mod entries;
pub mod errand;
pub mod journal;
pub mod output;
pub mod patience;

pub use plugin::plugin_desc::plugin_register_static;

#[expect(
    missing_docs,
    reason = "what plugin_define! makes cannot be given documentation"
)]
mod plugin {
    fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        privacy_common::init();
        crate::auditsink::register(plugin)
    }

    gst::plugin_define!(
        auditsink,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}
