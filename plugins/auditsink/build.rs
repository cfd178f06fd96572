// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passes the commit and the release date to `plugin_define!`.
fn main() {
    gst_plugin_version_helper::info();
}
