// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether one frame may leave at the exit: what the purpose demands against what the stamps prove.

use privacy_common::{DetectorUse, Mask, MaskMethod, MaskStamp, Purpose, ScanStamp};

/// Longest time between the frame a detector looked at and the frame that leaves. A person walks half
/// their own width in about this time, which is what a mask's padding covers.
const MAX_SCAN_AGE: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// Methods of a mask stamp that cannot be undone: a colour, a picture, or cells that keep a few levels.
const METHODS: [&str; 4] = [SOLID, "image", "pixelate", "blur"];
const SOLID: &str = "solid";

/// Most cells across the longer side of a region that leave nobody recognisable.
const MAX_CELLS: u32 = 8;

/// Why a frame may not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// No purpose was declared upstream.
    #[error(
        "no purpose was declared upstream; put a purposegate with stage=entry behind the source"
    )]
    NoPurpose,
    /// The entry gate that let the frame in does not run any more.
    #[error("the purposegate with stage=entry that let the frame in was stopped")]
    Ended,
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
    /// The mask was made by a method that can be undone, or by one that nobody knows.
    #[error(
        "the mask was made by the method \"{0}\", which hides nobody for sure; set mode=pixelate, blur, solid or image on wgpublur"
    )]
    Method(String),
    /// The mask was made by another method than the purpose demands.
    #[error(
        "the purpose asks for a mask of one colour and this one was made by the method \"{0}\"; set mode=solid on wgpublur"
    )]
    NotSolid(String),
    /// The mask leaves too much to see.
    #[error(
        "the mask leaves {0} cells across an object, and at most {MAX_CELLS} hide it; set cells={MAX_CELLS} or fewer on wgpublur"
    )]
    TooFine(u32),
    /// More was left clear on purpose than the purpose allows.
    #[error(
        "{clear} object(s) were left clear and the purpose \"{purpose}\" allows {allowed}; set clear-track=0 and invert=false on wgpublur, or choose one single track where one person may stay clear"
    )]
    LeftClear {
        /// Objects left clear.
        clear: u32,
        /// How many may be.
        allowed: u32,
        /// The purpose.
        purpose: String,
    },
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
    made_well(purpose, mask)?;
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

/// Whether what was masked, be it the whole frame, was masked as the purpose demands, and nothing was left out.
fn made_well(purpose: &Purpose, mask: &MaskStamp) -> Result<(), Held> {
    if purpose.mask_method == MaskMethod::Solid && mask.method != SOLID {
        return Err(Held::NotSolid(mask.method.clone()));
    }
    if !METHODS.contains(&mask.method.as_str()) {
        return Err(Held::Method(mask.method.clone()));
    }
    if mask.cells > MAX_CELLS {
        return Err(Held::TooFine(mask.cells));
    }
    // A whole frame is one of which nothing stays clear.
    let allowed = u32::from(purpose.one_clear && !mask.whole_frame);
    if mask.clear > allowed {
        return Err(Held::LeftClear {
            clear: mask.clear,
            allowed,
            purpose: purpose.purpose.clone(),
        });
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
    use privacy_common::SinkClass;

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
            method: "pixelate".into(),
            cells: 6,
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
            method: "solid".into(),
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
            method: "pixelate".into(),
            cells: 6,
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
            method: "pixelate".into(),
            cells: 6,
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

    #[test]
    fn b4_a_mask_that_can_be_undone_is_held() {
        let public = purpose(Mask::Persons, &["person"]);
        let seen = scan(&["person"]);
        let judged = |method: &str, cells: u32, whole_frame: bool| {
            let masked = MaskStamp {
                method: method.into(),
                cells,
                whole_frame,
                ..mask(&["*"])
            };
            judge(Some(&public), Some(&seen), Some(&masked), NOW)
        };
        for whole in [false, true] {
            for (method, cells) in [("solid", 0), ("image", 0), ("pixelate", 8), ("blur", 1)] {
                assert_eq!(judged(method, cells, whole), Ok(()), "{method}");
            }
            for method in ["gaussian", "", "Solid", "none", "pixelate\nsolid"] {
                assert_eq!(judged(method, 6, whole), Err(Held::Method(method.into())));
            }
            for cells in [9, u32::MAX] {
                assert_eq!(judged("pixelate", cells, whole), Err(Held::TooFine(cells)));
            }
        }
    }

    #[test]
    fn b4_where_one_colour_is_demanded_nothing_else_leaves() {
        let mut extract = purpose(Mask::Persons, &["person"]);
        extract.mask_method = MaskMethod::Solid;
        let seen = scan(&["person"]);
        for whole_frame in [false, true] {
            for method in ["pixelate", "blur", "gaussian", "image", "", "solid "] {
                let masked = MaskStamp {
                    method: method.into(),
                    whole_frame,
                    ..mask(&["*"])
                };
                let held = judge(Some(&extract), Some(&seen), Some(&masked), NOW).unwrap_err();
                assert_eq!(held, Held::NotSolid(method.into()));
                assert!(held.to_string().contains("mode=solid"), "{held}");
            }
            let masked = MaskStamp {
                method: "solid".into(),
                cells: 0,
                whole_frame,
                ..mask(&["*"])
            };
            assert_eq!(
                judge(Some(&extract), Some(&seen), Some(&masked), NOW),
                Ok(())
            );
        }
    }

    #[test]
    fn b3_nothing_is_left_clear_but_the_one_person_who_may_be() {
        let public = purpose(Mask::PersonsVehicles, &["person", "car"]);
        let mut access = public.clone();
        access.one_clear = true;
        let seen = scan(&["person", "car"]);
        let judged = |purpose: &Purpose, clear: u32, whole_frame: bool| {
            let masked = MaskStamp {
                clear,
                whole_frame,
                ..mask(&["*"])
            };
            judge(Some(purpose), Some(&seen), Some(&masked), NOW)
        };
        let left = |clear: u32, allowed: u32| {
            Err(Held::LeftClear {
                clear,
                allowed,
                purpose: "comm.public_publication".into(),
            })
        };
        assert_eq!(judged(&public, 0, false), Ok(()));
        assert_eq!(judged(&public, 1, false), left(1, 0));
        assert_eq!(judged(&access, 1, false), Ok(()));
        assert_eq!(judged(&access, 2, false), left(2, 1), "one, not several");
        assert_eq!(
            judged(&access, 1, true),
            left(1, 0),
            "a frame masked whole that leaves somebody clear is no such frame"
        );
        assert!(
            judged(&public, 1, false)
                .unwrap_err()
                .to_string()
                .contains("clear-track=0")
        );
        access.required_mask = Mask::None;
        assert_eq!(judged(&access, 9, false), Ok(()), "clear images altogether");
    }
}
