// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other threads may ask for while frames flow.

use std::time::Duration;

use crate::detector::{Scan, Times};

/// What other threads may ask for.
#[derive(Debug, Clone, Default)]
pub struct Status {
    pub started: bool,
    pub model_sha256: String,
    pub runtime_version: String,
    pub active_provider: String,
    pub frames: u64,
    pub failures: u64,
    pub detections: u64,
    pub times: Times,
}

impl Status {
    /// Adds a frame that was looked at.
    pub fn count(&mut self, scan: &Scan) {
        self.frames += 1;
        self.detections += scan.objects.len() as u64;
        self.times.preprocess += scan.times.preprocess;
        self.times.inference += scan.times.inference;
        self.times.decode += scan.times.decode;
    }

    /// The property `stats`; times are means per frame in nanoseconds.
    pub fn stats(&self) -> gst::Structure {
        let mean = |total: Duration| (total.as_nanos() / u128::from(self.frames.max(1))) as u64;
        gst::Structure::builder("stats")
            .field("frames", self.frames)
            .field("failures", self.failures)
            .field("detections", self.detections)
            .field("preprocess-time", mean(self.times.preprocess))
            .field("inference-time", mean(self.times.inference))
            .field("decode-time", mean(self.times.decode))
            .build()
    }
}
