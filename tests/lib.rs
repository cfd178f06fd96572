// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests across elements share: the five plugins registered in this process, the assets, and
//! a site (keys, mandates, register) made afresh in a temporary folder.
#![forbid(unsafe_code)]

use std::{
    path::{Path, PathBuf},
    sync::Once,
};

pub mod site;

/// Names of the five elements, which are the names of their plugins.
pub const ELEMENTS: [&str; 5] = [
    "purposegate",
    "onnxdetector",
    "wgpublur",
    "countaggregator",
    "auditsink",
];

/// Initialises GStreamer and registers the five plugins, once per process.
///
/// # Panics
/// When GStreamer or a plugin cannot be initialised: no test can run then.
pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().expect("GStreamer initialises");
        gstpurposegate::plugin_register_static().expect("purposegate registers");
        gstonnxdetector::plugin_register_static().expect("onnxdetector registers");
        gstwgpublur::plugin_register_static().expect("wgpublur registers");
        gstcountaggregator::plugin_register_static().expect("countaggregator registers");
        gstauditsink::plugin_register_static().expect("auditsink registers");
    });
}

/// Root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests folder lies in the repository")
        .to_owned()
}

/// An asset of `examples/assets`, or `None` after saying by name what is missing.
///
/// # Panics
/// When the asset is missing and `CI` is `true`: a skipped test must not look like a passed one there.
pub fn asset(test: &str, name: &str) -> Option<PathBuf> {
    let path = root().join("examples/assets").join(name);
    if path.is_file() {
        return Some(path);
    }
    let message = format!("{test}: {name} is missing, run ./examples/fetch-assets");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
    eprintln!("SKIPPED {message}");
    None
}

/// Noon of yesterday in Paris, RFC 3339: within the requisition among the example mandates, whose days are
/// Paris days, as those of an act are.
///
/// # Panics
/// When the clock stands at the end of time.
pub fn yesterday_noon() -> String {
    let paris = privacy_policy::time::paris();
    let yesterday = jiff::Timestamp::now()
        .to_zoned(paris)
        .yesterday()
        .expect("there is a yesterday");
    yesterday.strftime("%FT12:00:00%:z").to_string()
}

/// The tool `privacyctl` as built beside the tests, or `None` after saying that it is missing.
///
/// # Panics
/// When it is missing and `CI` is `true`.
pub fn privacyctl() -> Option<PathBuf> {
    tool("privacyctl")
}

/// [`privacyctl`] for any of the tools.
///
/// # Panics
/// When it is missing and `CI` is `true`.
pub fn tool(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.join(name)));
    if let Some(path) = beside.filter(|p| p.is_file()) {
        return Some(path);
    }
    let message = format!("{name} is not built, run: cargo build -p {name}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
    eprintln!("SKIPPED {message}");
    None
}
