// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stamps on a frame: who looked at it, and who masked it.
//!
//! Both are custom metas without tags, which ordinary elements copy whatever they do to the pixels
//! (videoconvert, videoscale, encoders, muxers); `deinterlace` and `compositor` drop them, after which
//! the frame counts as never looked at. A stamp holds state only: a rectangle in it would be wrong
//! after a crop.

use gst::meta::CustomMeta;

use crate::{
    CONTRACT_VERSION, fields,
    fields::{FieldError, c_text},
};

/// Name of the scan stamp's meta.
pub const SCAN_META: &str = "PrivacyScan";
/// Name of the mask stamp's meta.
pub const MASK_META: &str = "PrivacyMask";

/// A detector looked at this frame, even if it found nobody.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanStamp {
    /// Element that looked.
    pub detector: String,
    /// SHA-256 of the model file, in hex.
    pub model: String,
    /// Classes it was able and asked to report, as labels.
    pub classes: Vec<String>,
    /// Lowest score reported, 0 to 1.
    pub threshold: f64,
    /// Number of detections reported.
    pub found: u32,
    /// It saw more than it could report: the detections are incomplete.
    pub overflow: bool,
    /// PTS of the frame truly analysed, which is another one than this for a predicted stamp.
    pub pts: Option<gst::ClockTime>,
    /// The boxes were carried here by a tracker and not measured on this frame.
    pub predicted: bool,
    /// Width of the frame analysed, in pixels; 0 when unknown, which is read as "of another shape".
    pub width: u32,
    /// Height of the frame analysed, in pixels; 0 when unknown.
    pub height: u32,
    /// Pixel aspect ratio of the frame analysed, as numerator and denominator.
    pub par: (i32, i32),
}

impl Default for ScanStamp {
    fn default() -> Self {
        Self {
            detector: String::new(),
            model: String::new(),
            classes: Vec::new(),
            threshold: 0.0,
            found: 0,
            overflow: false,
            pts: None,
            predicted: false,
            width: 0,
            height: 0,
            // Square pixels, as in caps that name no ratio.
            par: (1, 1),
        }
    }
}

/// This frame was masked, written last by whatever touched the pixels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MaskStamp {
    /// Classes whose detections were masked; [`MaskStamp::EVERY_CLASS`] for all of them.
    pub classes: Vec<String>,
    /// How: `solid`, `pixelate`, `blur`, `gaussian`, `image`.
    pub method: String,
    /// Cells across the longer side of a region (0 for solid): what is left to see.
    pub cells: u32,
    /// Regions masked.
    pub regions: u32,
    /// Objects left clear on purpose, because one track was chosen or everything but some was masked.
    pub clear: u32,
    /// Static zones masked.
    pub zones: u32,
    /// The whole frame was masked.
    pub whole_frame: bool,
    /// Why the whole frame was masked: `no-scan`, `overflow`, `stale-scan`, `purpose`, `property`, …; empty otherwise.
    pub reason: String,
    /// Share of the frame that is masked, 0 to 1.
    pub share: f64,
    /// PTS of the frame masked, by which a stamp copied onto other pixels is noticed.
    pub pts: Option<gst::ClockTime>,
}

impl MaskStamp {
    /// Stands for every class that a detector can report.
    pub const EVERY_CLASS: &str = "*";

    /// Whether this mask covers detections of `class`.
    pub fn covers(&self, class: &str) -> bool {
        self.whole_frame
            || self
                .classes
                .iter()
                .any(|c| c == Self::EVERY_CLASS || c == class)
    }
}

impl From<&ScanStamp> for gst::Structure {
    fn from(stamp: &ScanStamp) -> Self {
        let mut structure = Self::new_empty(SCAN_META);
        stamp.fill(&mut structure);
        structure
    }
}

impl ScanStamp {
    fn fill(&self, s: &mut gst::StructureRef) {
        s.set("version", CONTRACT_VERSION);
        s.set("detector", &*c_text(&self.detector));
        s.set("model", &*c_text(&self.model));
        s.set("classes", fields::join(&self.classes));
        s.set("threshold", self.threshold);
        s.set("found", self.found);
        s.set("overflow", self.overflow);
        s.set("pts", self.pts.map_or(u64::MAX, gst::ClockTime::nseconds));
        s.set("predicted", self.predicted);
        s.set("width", self.width);
        s.set("height", self.height);
        // Two numbers and not a fraction: a fraction over 0, which a stranger may write, is no value.
        s.set("par-n", self.par.0);
        s.set("par-d", self.par.1);
    }
}

impl TryFrom<&gst::StructureRef> for ScanStamp {
    type Error = FieldError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, FieldError> {
        use fields::get;
        fields::version(s)?;
        Ok(Self {
            detector: get::<&str>(s, "detector")?.to_owned(),
            model: get::<&str>(s, "model")?.to_owned(),
            classes: fields::list(s, "classes")?,
            threshold: get(s, "threshold")?,
            found: get(s, "found")?,
            overflow: get(s, "overflow")?,
            pts: gst::ClockTime::try_from(get::<u64>(s, "pts")?).ok(),
            predicted: get(s, "predicted")?,
            width: get(s, "width")?,
            height: get(s, "height")?,
            par: (get(s, "par-n")?, get(s, "par-d")?),
        })
    }
}

impl From<&MaskStamp> for gst::Structure {
    fn from(stamp: &MaskStamp) -> Self {
        let mut structure = Self::new_empty(MASK_META);
        stamp.fill(&mut structure);
        structure
    }
}

impl MaskStamp {
    fn fill(&self, s: &mut gst::StructureRef) {
        s.set("version", CONTRACT_VERSION);
        s.set("classes", fields::join(&self.classes));
        s.set("method", &*c_text(&self.method));
        s.set("cells", self.cells);
        s.set("regions", self.regions);
        s.set("clear", self.clear);
        s.set("zones", self.zones);
        s.set("whole-frame", self.whole_frame);
        s.set("reason", &*c_text(&self.reason));
        s.set("share", self.share);
        s.set("pts", self.pts.map_or(u64::MAX, gst::ClockTime::nseconds));
    }
}

impl TryFrom<&gst::StructureRef> for MaskStamp {
    type Error = FieldError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, FieldError> {
        use fields::get;
        fields::version(s)?;
        Ok(Self {
            classes: fields::list(s, "classes")?,
            method: get::<&str>(s, "method")?.to_owned(),
            cells: get(s, "cells")?,
            regions: get(s, "regions")?,
            clear: get(s, "clear")?,
            zones: get(s, "zones")?,
            whole_frame: get(s, "whole-frame")?,
            reason: get::<&str>(s, "reason")?.to_owned(),
            share: get(s, "share")?,
            pts: gst::ClockTime::try_from(get::<u64>(s, "pts")?).ok(),
        })
    }
}

impl ScanStamp {
    /// Puts the stamp on a frame, replacing an earlier one.
    pub fn write(&self, frame: &mut gst::BufferRef) {
        write(frame, SCAN_META, |s| self.fill(s));
    }

    /// The stamp of a frame; `None` when nobody looked at it or the stamp cannot be read.
    pub fn read(frame: &gst::BufferRef) -> Option<Self> {
        let meta = CustomMeta::from_buffer(frame, SCAN_META).ok()?;
        Self::try_from(meta.structure()).ok()
    }

    /// Takes the stamp off a frame.
    pub fn remove(frame: &mut gst::BufferRef) {
        remove(frame, SCAN_META);
    }
}

impl MaskStamp {
    /// Puts the stamp on a frame, replacing an earlier one.
    pub fn write(&self, frame: &mut gst::BufferRef) {
        write(frame, MASK_META, |s| self.fill(s));
    }

    /// The stamp of a frame; `None` when nobody masked it or the stamp cannot be read.
    pub fn read(frame: &gst::BufferRef) -> Option<Self> {
        let meta = CustomMeta::from_buffer(frame, MASK_META).ok()?;
        Self::try_from(meta.structure()).ok()
    }

    /// Takes the stamp off a frame.
    pub fn remove(frame: &mut gst::BufferRef) {
        remove(frame, MASK_META);
    }
}

/// Takes both stamps off a frame, readable or not. A frame without any is left as it is, shared or not.
pub fn strip_stamps(frame: &mut gst::Buffer) {
    for name in [SCAN_META, MASK_META] {
        if CustomMeta::from_buffer(frame, name).is_ok() {
            remove(frame.make_mut(), name);
        }
    }
}

fn write(frame: &mut gst::BufferRef, name: &str, fill: impl FnOnce(&mut gst::StructureRef)) {
    remove(frame, name);
    // Adding fails only for a name that `init` has not registered; the frame then has no stamp, which
    // everybody downstream reads as "nobody looked" or "nobody masked".
    if let Ok(mut meta) = CustomMeta::add(frame, name) {
        fill(meta.mut_structure());
    }
}

fn remove(frame: &mut gst::BufferRef, name: &str) {
    frame.foreach_meta_mut(|meta| {
        let ours = meta
            .try_as_custom_meta()
            .is_some_and(|custom| custom.has_name(name));
        std::ops::ControlFlow::Continue(if ours {
            gst::buffer::BufferMetaForeachAction::Remove
        } else {
            gst::buffer::BufferMetaForeachAction::Keep
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_survive_a_buffer_and_replace_each_other() {
        gst::init().unwrap();
        crate::init();
        crate::init();
        let mut buffer = gst::Buffer::new();
        let buffer = buffer.make_mut();
        assert_eq!(ScanStamp::read(buffer), None);
        for (pts, predicted) in [
            (None, false),
            (Some(gst::ClockTime::from_mseconds(40)), true),
        ] {
            let scan = ScanStamp {
                detector: "onnxdetector".into(),
                model: "ab".into(),
                classes: vec!["person".into(), "traffic light".into()],
                threshold: 0.3,
                found: 3,
                overflow: true,
                pts,
                predicted,
                width: 720,
                height: 576,
                par: (16, 15),
            };
            scan.write(buffer);
            assert_eq!(ScanStamp::read(buffer), Some(scan));
        }
        let mask = MaskStamp {
            classes: vec!["person".into()],
            method: "pixelate".into(),
            cells: 6,
            regions: 2,
            clear: 1,
            zones: 4,
            whole_frame: false,
            reason: String::new(),
            share: 0.07,
            pts: Some(gst::ClockTime::from_mseconds(40)),
        };
        mask.write(buffer);
        assert_eq!(MaskStamp::read(buffer).as_ref(), Some(&mask));
        assert!(mask.covers("person") && !mask.covers("car"));
        ScanStamp::remove(buffer);
        assert_eq!(ScanStamp::read(buffer), None);
        assert_eq!(MaskStamp::read(buffer), Some(mask));
    }

    #[test]
    fn a_frame_without_stamps_is_not_copied_to_strip_it() {
        gst::init().unwrap();
        crate::init();
        let mut bare = gst::Buffer::with_size(4).unwrap();
        let shared = bare.clone();
        strip_stamps(&mut bare);
        assert_eq!(bare.as_ptr(), shared.as_ptr());
        ScanStamp::default().write(bare.make_mut());
        MaskStamp::default().write(bare.make_mut());
        CustomMeta::from_mut_buffer(bare.make_mut(), MASK_META)
            .unwrap()
            .mut_structure()
            .set("version", 9u32);
        strip_stamps(&mut bare);
        assert!(CustomMeta::from_buffer(&bare, SCAN_META).is_err());
        assert!(CustomMeta::from_buffer(&bare, MASK_META).is_err());
    }

    #[test]
    fn a_stamp_that_cannot_be_read_is_absent() {
        gst::init().unwrap();
        crate::init();
        let whole = gst::Structure::from(&ScanStamp::default());
        for field in whole.fields() {
            let mut cut = whole.clone();
            cut.remove_field(field);
            assert!(
                ScanStamp::try_from(cut.as_ref()).is_err(),
                "without {field}"
            );
        }
        let whole = gst::Structure::from(&MaskStamp::default());
        for field in whole.fields() {
            let mut cut = whole.clone();
            cut.remove_field(field);
            assert!(
                MaskStamp::try_from(cut.as_ref()).is_err(),
                "without {field}"
            );
        }
        let mut buffer = gst::Buffer::new();
        let buffer = buffer.make_mut();
        MaskStamp::default().write(buffer);
        CustomMeta::from_mut_buffer(buffer, MASK_META)
            .unwrap()
            .mut_structure()
            .set("version", 9u32);
        assert_eq!(MaskStamp::read(buffer), None);
    }
}
