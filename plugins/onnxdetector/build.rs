// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passes the commit and the release date on to the plugin description.

fn main() {
    gst_plugin_version_helper::info();
}
