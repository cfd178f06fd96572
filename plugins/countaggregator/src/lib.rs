// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plugin `countaggregator`: detections in, anonymous counts out, and no image.
//!
//! ```text
//! … ! purposegate purpose=stats.traffic_counts … ! onnxdetector … !
//!     countaggregator config=site.toml ! auditsink register=… location=counts.jsonl
//! ```
//!
//! The element is glue around plain modules, which know nothing of GStreamer:
//!
//! - [`site`]: the file that names lines and zones;
//! - [`geometry`]: when a line is crossed and who stands in a zone;
//! - [`window`]: which windows are whole, and what may be published of them;
//! - [`counter`]: one camera, from boxes to closed windows;
//! - [`record`]: the JSON that leaves.
#![forbid(unsafe_code)]

mod countaggregator;
pub mod counter;
pub mod geometry;
pub mod record;
pub mod site;
pub mod window;

pub use countaggregator::{CountAggregator, CountAggregatorPad, WindowClosed};
pub use plugin::plugin_register_static;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    privacy_common::init();
    countaggregator::register(plugin)
}

#[expect(missing_docs, reason = "the macro writes items without documentation")]
mod plugin {
    use super::plugin_init;

    gst::plugin_define!(
        countaggregator,
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
