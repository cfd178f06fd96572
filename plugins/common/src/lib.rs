// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract between the elements of gst-privacy, version 1.
//!
//! Everything that crosses an element boundary is a `GstStructure`, a custom meta or a stock meta, so
//! that elements written in C or Python can take part. Each has one Rust type here:
//!
//! | what | carrier | type |
//! |---|---|---|
//! | the purpose in force | sticky downstream event `privacy-purpose` | [`Purpose`] |
//! | what was found in a frame | `GstVideoRegionOfInterestMeta` | [`Detection`] |
//! | a detector looked at this frame | custom meta `PrivacyScan` | [`ScanStamp`] |
//! | this frame was masked | custom meta `PrivacyMask` | [`MaskStamp`] |
//! | write the register before anything flows | downstream query `privacy-audit` | [`AuditRequest`], [`AuditAnswer`] |
//! | what the session let out | upstream query `privacy-proof` | [`Proof`] |
//!
//! ```
//! # gst::init().unwrap();
//! # privacy_common::init();
//! use privacy_common::{Detection, ScanStamp, attach, detections};
//! let mut frame = gst::Buffer::with_size(64 * 48 * 3 / 2).unwrap();
//! let frame = frame.make_mut();
//! attach(frame, &Detection { class: "person".into(), x: 8, y: 4, width: 16, height: 40, track: Some(7), score: Some(0.8) });
//! ScanStamp { detector: "onnxdetector".into(), found: 1, classes: vec!["person".into()], ..Default::default() }.write(frame);
//! assert_eq!(detections(frame, 64, 48)[0].class, "person");
//! assert!(ScanStamp::read(frame).is_some_and(|s| s.found == 1 && !s.overflow));
//! ```
//!
//! Every structure carries `version`. An unknown version, a missing field or a field of the wrong type
//! makes the whole thing absent, never half read: who receives it then acts as if nobody had declared,
//! looked at or masked anything, which is the closed state.
#![forbid(unsafe_code)]

mod audit;
mod detection;
mod fields;
pub mod message;
mod privacy_metas;
mod purpose;
pub mod site_file;
mod stamps;
pub mod tracker;

pub use audit::{
    AUDIT_QUERY, AuditAnswer, AuditRequest, PROOF_QUERY, PathNote, Proof, SegmentProof, SingleUse,
};
pub use detection::{Detection, attach, detections, strip_detections};
pub use fields::{FieldError, c_text};
pub use privacy_metas::{carries_more_than_pixels, remove_clear_copies};
pub use purpose::{
    DetectorUse, Mask, MaskMethod, PURPOSE_EVENT, Purpose, SinkClass, StatisticsLimits,
};
pub use stamps::{MASK_META, MaskStamp, SCAN_META, ScanStamp, strip_stamps};

/// Version of the contract, carried by every structure as `version`.
pub const CONTRACT_VERSION: u32 = 1;

/// Registers the custom metas of the contract. Call it from `plugin_init`; calling it again is harmless.
///
/// Each plugin links its own copy of this crate, so a process holds up to five of them: whoever comes
/// first registers, and registering twice would be refused by GStreamer with a critical warning.
pub fn init() {
    for name in [SCAN_META, MASK_META] {
        if !gst::meta::CustomMeta::is_registered(name) {
            gst::meta::CustomMeta::register_simple(name);
        }
    }
}
