// SPDX-License-Identifier: MIT OR Apache-2.0
//! The debug category, and what ONNX Runtime says in it.

use std::sync::LazyLock;

use ort::logging::LogLevel;

/// Of the element.
pub static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "onnxdetector",
        gst::DebugColorFlags::empty(),
        Some("Detector of people and vehicles"),
    )
});

/// Messages of ONNX Runtime, in the element's debug category. Failures also reach the bus, as errors.
pub fn runtime(level: LogLevel, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => gst::error!(CAT, "ONNX Runtime: {message}"),
        LogLevel::Warning => gst::warning!(CAT, "ONNX Runtime: {message}"),
        LogLevel::Info | LogLevel::Verbose => gst::trace!(CAT, "ONNX Runtime: {message}"),
    }
}
