// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a frame needs, from its stamps, the purpose and the properties: thinking without pixels.

use privacy_common::{Mask, MaskMethod, Purpose, ScanStamp};

use crate::classes::Classes;

/// Why a whole frame was masked. Goes into the mask stamp and the bus message as its nick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The property `whole-frame` asks for it.
    Property,
    /// The purpose asks for it.
    Purpose,
    /// A purpose was declared that this version cannot read.
    UnreadablePurpose,
    /// No detector looked at this frame.
    NoScan,
    /// A detector looked at another frame, too long before or after this one.
    StaleScan,
    /// The detector saw more than it could report.
    Overflow,
    /// The detector does not look for a class that has to be masked.
    ClassNotScanned,
    /// Fewer detections of the detector's classes are on the frame, inside it, than it reported:
    /// something in between drops or moves them.
    DetectionsLost,
    /// The detector looked at a frame of other proportions: borders have been added or cut off since, and
    /// its boxes lie somewhere else.
    Reshaped,
    /// The file of zones does not know what the camera sees.
    UnknownView,
    /// The frames have another size than those on which something was seen a moment ago.
    SizeChanged,
    /// More regions, or more pixels in regions, than are masked one by one.
    TooManyRegions,
    /// More frames wait for later ones than there is room for: their timestamps do not move on.
    TooManyFrames,
    /// The GPU did not answer in time. The frame was masked on the CPU.
    TooSlow,
    /// The purpose ended while the frame waited for later ones; it was dropped.
    Expired,
    /// The GPU failed on this frame, which was then masked on the CPU.
    BackendFailure,
}

impl Reason {
    const ALL: [Self; 16] = [
        Self::Property,
        Self::Purpose,
        Self::UnreadablePurpose,
        Self::NoScan,
        Self::StaleScan,
        Self::Overflow,
        Self::ClassNotScanned,
        Self::DetectionsLost,
        Self::Reshaped,
        Self::UnknownView,
        Self::SizeChanged,
        Self::TooManyRegions,
        Self::TooManyFrames,
        Self::TooSlow,
        Self::Expired,
        Self::BackendFailure,
    ];

    /// The word used in stamps and messages.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Property => "property",
            Self::Purpose => "purpose",
            Self::UnreadablePurpose => "unreadable-purpose",
            Self::NoScan => "no-scan",
            Self::StaleScan => "stale-scan",
            Self::Overflow => "overflow",
            Self::ClassNotScanned => "class-not-scanned",
            Self::DetectionsLost => "detections-lost",
            Self::Reshaped => "reshaped",
            Self::UnknownView => "unknown-view",
            Self::SizeChanged => "size-changed",
            Self::TooManyRegions => "too-many-regions",
            Self::TooManyFrames => "too-many-frames",
            Self::TooSlow => "too-slow",
            Self::Expired => "expired",
            Self::BackendFailure => "backend-failure",
        }
    }

    /// The reason that `nick` names.
    pub fn from_nick(nick: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.nick() == nick)
    }

    /// Whether masking the whole frame was not what anybody asked for, but the safe way out.
    pub fn is_degraded(self) -> bool {
        !matches!(self, Self::Property | Self::Purpose)
    }

    /// Whether there was more to mask than can be, or not enough time.
    pub fn is_overload(self) -> bool {
        matches!(
            self,
            Self::Overflow | Self::TooManyRegions | Self::TooManyFrames | Self::TooSlow
        )
    }
}

/// What the purpose in force asks of the blur.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Demand {
    /// No purpose was declared.
    #[default]
    Undeclared,
    /// One was declared and cannot be read.
    Unreadable,
    /// One was declared.
    Declared(Box<Purpose>),
}

impl Demand {
    /// Classes that the mask must cover.
    pub fn required_classes(&self) -> &[String] {
        match self {
            Self::Declared(p) if p.required_mask != Mask::None => &p.mask_classes,
            _ => &[],
        }
    }

    /// Whether a mask is required, whatever the properties say.
    pub fn is_mask_required(&self) -> bool {
        match self {
            Self::Undeclared => false,
            Self::Unreadable => true,
            Self::Declared(p) => p.required_mask != Mask::None,
        }
    }

    /// Whether nothing but one colour will do.
    pub fn is_solid_required(&self) -> bool {
        matches!(self, Self::Declared(p) if p.required_mask != Mask::None && p.mask_method == MaskMethod::Solid)
    }

    /// Whether one chosen object of the required classes may stay clear.
    pub fn allows_one_clear(&self) -> bool {
        matches!(self, Self::Declared(p) if p.one_clear)
    }

    /// Whether detections must not outlive the mask.
    pub fn strips_detections(&self) -> bool {
        match self {
            Self::Undeclared => false,
            Self::Unreadable => true,
            Self::Declared(p) => p.detector_use <= privacy_common::DetectorUse::Mask,
        }
    }
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Mask its regions.
    Regions,
    /// Mask all of it.
    Whole(Reason),
    /// Nobody looked at it in time: mask all of it, drop it or stop, by property.
    Missing(Reason),
}

/// What is known of a frame.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// Its scan stamp.
    pub scan: Option<&'a ScanStamp>,
    /// Its PTS.
    pub pts: Option<gst::ClockTime>,
    /// Its width and height in pixels.
    pub size: (u32, u32),
    /// Its pixel aspect ratio.
    pub par: (i32, i32),
    /// Detections that it carries, inside the frame and of a class that the scan looked for.
    pub carried: usize,
}

/// Judges a frame. `classes` are those of the properties and the purpose together.
pub fn judge(
    evidence: &Evidence<'_>,
    demand: &Demand,
    classes: &Classes,
    whole_frame: bool,
    max_age: gst::ClockTime,
) -> Verdict {
    match demand {
        Demand::Unreadable => return Verdict::Whole(Reason::UnreadablePurpose),
        Demand::Declared(p) if p.required_mask == Mask::Frame => {
            return Verdict::Whole(Reason::Purpose);
        }
        // It demands a mask and says of whom none.
        Demand::Declared(p) if p.required_mask != Mask::None && p.mask_classes.is_empty() => {
            return Verdict::Whole(Reason::UnreadablePurpose);
        }
        _ => {}
    }
    if whole_frame {
        return Verdict::Whole(Reason::Property);
    }
    let Some(scan) = evidence.scan else {
        return Verdict::Missing(Reason::NoScan);
    };
    if !is_fresh(scan, evidence.pts, max_age) {
        return Verdict::Missing(Reason::StaleScan);
    }
    if scan.overflow {
        return Verdict::Whole(Reason::Overflow);
    }
    let sees = |class: &String| scan.classes.contains(class);
    let listed = match classes {
        // A detector that looks for nothing finds nobody.
        Classes::Every | Classes::EveryBut(_) => !scan.classes.is_empty(),
        Classes::Only(labels) => labels.iter().all(sees),
    };
    if !listed || !demand.required_classes().iter().all(sees) {
        return Verdict::Whole(Reason::ClassNotScanned);
    }
    if evidence.carried < scan.found as usize {
        return Verdict::Whole(Reason::DetectionsLost);
    }
    if !has_shape_of(evidence, scan) {
        return Verdict::Whole(Reason::Reshaped);
    }
    Verdict::Regions
}

/// Whether a frame has the proportions of the one that the detector analysed, but for less than a pixel.
/// Scaling carries boxes along; adding borders does not, before GStreamer 1.28.
fn has_shape_of(frame: &Evidence<'_>, scan: &ScanStamp) -> bool {
    let (width, height) = (u64::from(frame.size.0), u64::from(frame.size.1));
    let (scan_width, scan_height) = (u64::from(scan.width), u64::from(scan.height));
    let is_same_ratio = |(an, ad): (i32, i32), (bn, bd): (i32, i32)| {
        ad != 0 && bd != 0 && i64::from(an) * i64::from(bd) == i64::from(bn) * i64::from(ad)
    };
    scan_width > 0
        && scan_height > 0
        && is_same_ratio(frame.par, scan.par)
        // width / scan_width and height / scan_height, by both of them.
        && (width * scan_height).abs_diff(height * scan_width) < scan_width.min(scan_height)
}

/// Whether the frame that the detector analysed is at most `max_age` away from this one.
fn is_fresh(scan: &ScanStamp, pts: Option<gst::ClockTime>, max_age: gst::ClockTime) -> bool {
    match (scan.pts, pts) {
        (Some(analysed), Some(shown)) => {
            analysed.nseconds().abs_diff(shown.nseconds()) <= max_age.nseconds()
        }
        // A stream without times: only a measured stamp speaks of this very frame.
        (None, None) => !scan.predicted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_common::{DetectorUse, SinkClass};

    fn ms(t: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(t)
    }

    fn scan() -> ScanStamp {
        ScanStamp {
            classes: vec!["person".into(), "car".into()],
            found: 1,
            pts: Some(ms(40)),
            width: 640,
            height: 480,
            ..Default::default()
        }
    }

    fn purpose(required_mask: Mask, detector_use: DetectorUse) -> Demand {
        Demand::Declared(Box::new(Purpose {
            session: String::new(),
            purpose: "comm.public_publication".into(),
            mandate_digest: String::new(),
            rules_version: String::new(),
            camera: String::new(),
            operator: String::new(),
            sink_class: SinkClass::Public,
            required_mask,
            mask_classes: vec!["person".into()],
            mask_method: MaskMethod::Any,
            one_clear: false,
            detector_use,
            classes: vec![],
            statistics: None,
            expires: 0,
        }))
    }

    fn of(scan: Option<&ScanStamp>, carried: usize, classes: &Classes, demand: &Demand) -> Verdict {
        let evidence = Evidence {
            scan,
            pts: Some(ms(40)),
            size: (640, 480),
            par: (1, 1),
            carried,
        };
        judge(&evidence, demand, classes, false, gst::ClockTime::ZERO)
    }

    #[test]
    fn a_fresh_complete_scan_is_needed_for_regions() {
        let (every, nobody) = (Classes::Every, Demand::Undeclared);
        assert_eq!(of(Some(&scan()), 1, &every, &nobody), Verdict::Regions);
        assert_eq!(of(Some(&scan()), 5, &every, &nobody), Verdict::Regions);
        assert_eq!(
            of(None, 1, &every, &nobody),
            Verdict::Missing(Reason::NoScan),
            "detections without a stamp prove nothing"
        );
        assert_eq!(
            of(Some(&scan()), 0, &every, &nobody),
            Verdict::Whole(Reason::DetectionsLost),
            "videoflip and videocrop drop detections and keep stamps"
        );
        let overflow = ScanStamp {
            overflow: true,
            ..scan()
        };
        assert_eq!(
            of(Some(&overflow), 1, &every, &nobody),
            Verdict::Whole(Reason::Overflow)
        );
    }

    #[test]
    fn every_class_to_mask_must_have_been_looked_for() {
        let plates = Classes::Only(vec!["license-plate".into()]);
        let nobody = Demand::Undeclared;
        assert_eq!(
            of(Some(&scan()), 1, &plates, &nobody),
            Verdict::Whole(Reason::ClassNotScanned)
        );
        let persons = purpose(Mask::Persons, DetectorUse::Mask);
        assert_eq!(
            of(Some(&scan()), 1, &Classes::Every, &persons),
            Verdict::Regions
        );
        let cars_only = ScanStamp {
            classes: vec!["car".into()],
            ..scan()
        };
        assert_eq!(
            of(Some(&cars_only), 1, &Classes::Every, &persons),
            Verdict::Whole(Reason::ClassNotScanned)
        );
        let clear = purpose(Mask::None, DetectorUse::None);
        assert_eq!(
            of(Some(&cars_only), 1, &Classes::Every, &clear),
            Verdict::Regions
        );
    }

    #[test]
    fn scans_age() {
        let at = |analysed, shown, predicted, max| {
            let stamp = ScanStamp {
                pts: analysed,
                predicted,
                ..scan()
            };
            is_fresh(&stamp, shown, max)
        };
        let none = gst::ClockTime::ZERO;
        assert!(at(Some(ms(40)), Some(ms(40)), false, none));
        assert!(!at(Some(ms(40)), Some(ms(41)), false, none));
        assert!(!at(Some(ms(41)), Some(ms(40)), false, none));
        assert!(at(Some(ms(0)), Some(ms(40)), true, ms(40)));
        assert!(!at(Some(ms(0)), Some(ms(80)), true, ms(40)));
        assert!(at(None, None, false, none));
        assert!(!at(None, None, true, ms(40)));
        assert!(!at(None, Some(ms(0)), false, ms(40)));
        assert!(!at(Some(ms(0)), None, false, ms(40)));
    }

    #[test]
    fn a_scan_of_a_frame_of_other_proportions_is_of_no_use() {
        let of = |scanned: (u32, u32), scan_par, size, par| {
            let scan = ScanStamp {
                width: scanned.0,
                height: scanned.1,
                par: scan_par,
                ..scan()
            };
            let evidence = Evidence {
                scan: Some(&scan),
                pts: scan.pts,
                size,
                par,
                carried: 1,
            };
            has_shape_of(&evidence, &scan)
        };
        let square = (1, 1);
        for size in [(640, 480), (320, 240), (1280, 960), (333, 250), (1, 1)] {
            assert!(of((640, 480), square, size, square), "{size:?}");
        }
        assert!(of((1920, 1080), square, (854, 480), square));
        for size in [(640, 360), (640, 481), (641, 480), (480, 640), (321, 240)] {
            assert!(!of((640, 480), square, size, square), "{size:?}");
        }
        assert!(of((720, 576), (16, 15), (720, 576), (32, 30)));
        assert!(!of((720, 576), (16, 15), (720, 576), square));
        for unknown in [(0, 0), (0, 480), (640, 0), (u32::MAX, u32::MAX - 1)] {
            assert!(!of(unknown, square, (640, 480), square), "{unknown:?}");
        }
        assert!(!of((640, 480), (1, 0), (640, 480), (1, 0)));
    }

    #[test]
    fn a_purpose_can_only_raise() {
        let every = Classes::Every;
        let frame = purpose(Mask::Frame, DetectorUse::None);
        assert_eq!(
            of(Some(&scan()), 1, &every, &frame),
            Verdict::Whole(Reason::Purpose)
        );
        assert_eq!(
            of(Some(&scan()), 1, &every, &Demand::Unreadable),
            Verdict::Whole(Reason::UnreadablePurpose)
        );
        let evidence = Evidence {
            scan: Some(&scan()),
            pts: Some(ms(40)),
            size: (640, 480),
            par: (1, 1),
            carried: 1,
        };
        let clear = purpose(Mask::None, DetectorUse::None);
        assert_eq!(
            judge(&evidence, &clear, &every, true, gst::ClockTime::ZERO),
            Verdict::Whole(Reason::Property),
            "a purpose without a mask does not undo a property"
        );
        assert!(!clear.is_mask_required() && Demand::Unreadable.is_mask_required());
        assert!(purpose(Mask::Persons, DetectorUse::Mask).strips_detections());
        assert!(!purpose(Mask::Persons, DetectorUse::Search).strips_detections());
        assert!(!Demand::Undeclared.strips_detections());
    }

    #[test]
    fn nicks_are_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_nick(reason.nick()), Some(reason));
        }
        assert_eq!(Reason::from_nick(""), None);
    }
}
