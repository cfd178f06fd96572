// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether one frame may leave at the exit: what the purpose demands against what the stamps prove.

use privacy_common::{DetectorUse, Mask, MaskStamp, Purpose, ScanStamp};

/// Longest time between the frame a detector looked at and the frame that leaves. A person walks half
/// their own width in about this time, which is what a mask's padding covers.
const MAX_SCAN_AGE: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// Why a frame may not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// No purpose was declared upstream.
    #[error(
        "no purpose was declared upstream; put a purposegate with stage=entry behind the source"
    )]
    NoPurpose,
    /// The purpose lets no image out at all.
    #[error("the purpose \"{0}\" lets no image out; use countaggregator, which gives counts")]
    NoVideo(String),
    /// Nobody masked the frame.
    #[error("the frame carries no mask stamp; put wgpublur before this gate")]
    NotMasked,
    /// The mask stamp was written for another frame.
    #[error("the mask stamp was written for another frame than this")]
    Copied,
    /// Nobody looked at the frame, so nobody knows what ought to be masked.
    #[error("the frame carries no scan stamp; put onnxdetector before wgpublur")]
    NotScanned,
    /// The detector saw more than it could report.
    #[error("the detector saw more objects than it could report")]
    Overflow,
    /// The detector looked at a frame too far from this one.
    #[error("the detector looked at another moment than this frame's")]
    Stale,
    /// A class that must be masked was not looked for or not masked.
    #[error("the class \"{0}\" must be masked and was not looked for or not masked")]
    Class(String),
    /// The purpose asks for the whole frame.
    #[error("the purpose asks for the whole frame to be masked")]
    NotWhole,
}

/// Judges one frame. Everything that is not proven is held.
pub fn judge(
    purpose: Option<&Purpose>,
    scan: Option<&ScanStamp>,
    mask: Option<&MaskStamp>,
    pts: Option<gst::ClockTime>,
) -> Result<(), Held> {
    let purpose = purpose.ok_or(Held::NoPurpose)?;
    if purpose.detector_use == DetectorUse::Statistics {
        return Err(Held::NoVideo(purpose.purpose.clone()));
    }
    if purpose.required_mask == Mask::None {
        return Ok(());
    }
    let mask = mask.ok_or(Held::NotMasked)?;
    // Metas are copied from buffer to buffer: a stamp of another moment says nothing of these pixels.
    if !same_moment(mask.pts, pts) {
        return Err(Held::Copied);
    }
    if mask.whole_frame {
        return Ok(());
    }
    if purpose.required_mask == Mask::Frame {
        return Err(Held::NotWhole);
    }
    let scan = scan.ok_or(Held::NotScanned)?;
    if scan.overflow {
        return Err(Held::Overflow);
    }
    if !same_moment(scan.pts, pts) {
        return Err(Held::Stale);
    }
    // A purpose that demands a mask names what it must cover; one that names nothing is not understood.
    if purpose.mask_classes.is_empty() {
        return Err(Held::NotWhole);
    }
    for class in &purpose.mask_classes {
        if !mask.covers(class) || !scan.classes.iter().any(|c| c == class) {
            return Err(Held::Class(class.clone()));
        }
    }
    Ok(())
}

/// Whether a stamp speaks of this frame or of one close enough: `videorate` moves frames a little.
fn same_moment(stamped: Option<gst::ClockTime>, frame: Option<gst::ClockTime>) -> bool {
    match (stamped, frame) {
        (Some(stamped), Some(frame)) => stamped.absdiff(frame) <= MAX_SCAN_AGE,
        // A source without timestamps cannot be late: the stamp lies on the very buffer.
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_common::{MaskMethod, SinkClass};

    fn purpose(required_mask: Mask, classes: &[&str]) -> Purpose {
        Purpose {
            session: "s".into(),
            purpose: "comm.public_publication".into(),
            mandate_digest: String::new(),
            rules_version: String::new(),
            camera: String::new(),
            operator: String::new(),
            sink_class: SinkClass::Public,
            required_mask,
            mask_classes: classes.iter().map(|c| (*c).to_owned()).collect(),
            mask_method: MaskMethod::Any,
            one_clear: false,
            detector_use: DetectorUse::Mask,
            classes: vec![],
            statistics: None,
            expires: 0,
        }
    }

    fn scan(classes: &[&str]) -> ScanStamp {
        ScanStamp {
            classes: classes.iter().map(|c| (*c).to_owned()).collect(),
            pts: gst::ClockTime::from_seconds(1).into(),
            ..Default::default()
        }
    }

    fn mask(classes: &[&str]) -> MaskStamp {
        MaskStamp {
            pts: NOW,
            classes: classes.iter().map(|c| (*c).to_owned()).collect(),
            ..Default::default()
        }
    }

    const NOW: Option<gst::ClockTime> = Some(gst::ClockTime::from_seconds(1));

    #[test]
    fn b3_only_what_is_proven_leaves() {
        let both = purpose(Mask::PersonsVehicles, &["person", "car"]);
        let (seen, masked) = (scan(&["person", "car", "dog"]), mask(&["*"]));
        assert_eq!(judge(Some(&both), Some(&seen), Some(&masked), NOW), Ok(()));
        assert_eq!(
            judge(None, Some(&seen), Some(&masked), NOW),
            Err(Held::NoPurpose)
        );
        assert_eq!(
            judge(Some(&both), None, Some(&masked), NOW),
            Err(Held::NotScanned)
        );
        assert_eq!(
            judge(Some(&both), Some(&seen), None, NOW),
            Err(Held::NotMasked)
        );
        assert_eq!(
            judge(Some(&both), Some(&scan(&["person"])), Some(&masked), NOW),
            Err(Held::Class("car".into())),
            "the detector could not see cars"
        );
        assert_eq!(
            judge(Some(&both), Some(&seen), Some(&mask(&["person"])), NOW),
            Err(Held::Class("car".into())),
            "cars were left clear"
        );
        let crowd = ScanStamp {
            overflow: true,
            ..seen.clone()
        };
        assert_eq!(
            judge(Some(&both), Some(&crowd), Some(&masked), NOW),
            Err(Held::Overflow)
        );
        let elsewhere = MaskStamp {
            pts: Some(gst::ClockTime::from_seconds(9)),
            whole_frame: true,
            ..Default::default()
        };
        assert_eq!(
            judge(Some(&both), Some(&seen), Some(&elsewhere), NOW),
            Err(Held::Copied),
            "the stamp of another frame, even one masked whole"
        );
        for late in [
            None,
            Some(gst::ClockTime::from_mseconds(1501)),
            Some(gst::ClockTime::from_mseconds(499)),
        ] {
            let masked = MaskStamp {
                pts: late,
                ..masked.clone()
            };
            assert_eq!(
                judge(Some(&both), Some(&seen), Some(&masked), late),
                Err(Held::Stale)
            );
        }
    }

    #[test]
    fn a_whole_mask_satisfies_every_demand_and_nothing_else_satisfies_frame() {
        let whole = MaskStamp {
            pts: NOW,
            whole_frame: true,
            ..Default::default()
        };
        for required in [Mask::Persons, Mask::PersonsVehicles, Mask::Frame] {
            let purpose = purpose(required, &["person"]);
            assert_eq!(judge(Some(&purpose), None, Some(&whole), NOW), Ok(()));
        }
        let frame = purpose(Mask::Frame, &["person"]);
        assert_eq!(
            judge(
                Some(&frame),
                Some(&scan(&["person"])),
                Some(&mask(&["*"])),
                NOW
            ),
            Err(Held::NotWhole)
        );
    }

    #[test]
    fn a_clear_purpose_needs_no_stamp_and_statistics_let_nothing_out() {
        assert_eq!(
            judge(Some(&purpose(Mask::None, &[])), None, None, NOW),
            Ok(())
        );
        let mut counts = purpose(Mask::None, &[]);
        counts.detector_use = DetectorUse::Statistics;
        let whole = MaskStamp {
            pts: NOW,
            whole_frame: true,
            ..Default::default()
        };
        assert!(matches!(
            judge(Some(&counts), None, Some(&whole), NOW),
            Err(Held::NoVideo(_))
        ));
    }

    #[test]
    fn a_demand_without_classes_is_not_understood() {
        let vague = purpose(Mask::Persons, &[]);
        assert_eq!(
            judge(
                Some(&vague),
                Some(&scan(&["person"])),
                Some(&mask(&["*"])),
                NOW
            ),
            Err(Held::NotWhole)
        );
    }
}
