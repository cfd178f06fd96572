// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records the commit and its date in the plugin.

fn main() {
    gst_plugin_version_helper::info();
}
