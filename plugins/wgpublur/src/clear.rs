// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stays clear on purpose: everything that was chosen (`invert`), or one track (`clear-track`).
//!
//! | `invert` | `clear-track` | clear | masked |
//! |---|---|---|---|
//! | no | 0 | what is no detection | detections of the classes to mask |
//! | no | n | that, and the box of track n | the other detections, over the box too |
//! | yes | 0 | the boxes of the classes | everything else, other detections over the boxes too |
//! | yes | n | the box of track n, if its class is one of the classes | everything else |
//!
//! Boxes are taken as detected, without padding, and only from a detector that measured them on this very
//! frame: a box carried here by a tracker may lie beside its object by now, and somebody else in it. A
//! track that two different boxes claim to be is nobody's, and stays masked.
//!
//! A purpose always wins. What it requires to be masked is: only one chosen track may stay clear, and only
//! for a purpose that says so ([`privacy_common::Purpose::one_clear`]: the copy for the person concerned,
//! GDPR art. 15(3), where the others in the picture are masked, art. 15(4)). Zones are masked in any case.

use privacy_common::Detection;

use crate::{classes::Classes, settings::Live, verdict::Demand};

/// What of a frame stays clear. Kept from frame to frame, it allocates nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Clear {
    /// Which detections, as indices, in order: their boxes stay clear, except where something else is
    /// masked over them.
    pub boxes: Vec<usize>,
    /// Everything that lies in none of these boxes is masked.
    pub is_inverted: bool,
    /// For [`privacy_common::MaskStamp::clear`]: objects among `boxes` that would have been masked. While
    /// a mask is demanded, those that the purpose requires to be masked; else all of them.
    pub count: u32,
}

impl Clear {
    /// Chooses among the detections of a frame. `asked` are the classes of the properties, `demand` may
    /// add to them; `is_measured`: the detector looked at this very frame
    /// (`!scan.predicted && scan.pts == buffer.pts()`).
    ///
    /// To draw the frame:
    /// 1. with `is_inverted`, everything but the rectangles of `boxes`;
    /// 2. every detection that [`Clear::is_masked`], and every object that is only held, for it may be in
    ///    front of a box; with `is_inverted`, holds follow detections of every class;
    /// 3. the zones.
    pub fn choose(
        &mut self,
        detections: &[Detection],
        asked: &Classes,
        demand: &Demand,
        live: &Live,
        is_measured: bool,
    ) {
        self.boxes.clear();
        self.count = 0;
        self.is_inverted = live.invert;
        if !is_measured || !live.invert && live.clear_track == 0 {
            return;
        }
        let chosen = chosen(detections, live.clear_track);
        for (i, detection) in detections.iter().enumerate() {
            let is_chosen = chosen.is_some_and(|c| same(c, detection));
            let is_required = is_required(demand, &detection.class);
            let is_wanted = match (live.invert, live.clear_track) {
                (true, 0) => asked.contains(&detection.class),
                (true, _) => is_chosen && asked.contains(&detection.class),
                // What is not masked anyway is not left clear on purpose.
                (false, _) => is_chosen && (is_required || asked.contains(&detection.class)),
            };
            let is_allowed = !is_required || is_chosen && demand.allows_one_clear();
            if is_wanted && is_allowed {
                // One object may be there twice, as a region of interest and as a relation.
                let is_new = !self.boxes.iter().any(|&b| same(&detections[b], detection));
                let counts = is_required || !demand.is_mask_required();
                self.count += u32::from(is_new && counts);
                self.boxes.push(i);
            }
        }
    }

    /// Whether the detection with this index is drawn as masked: it was not chosen to stay clear, and
    /// its class is to be masked, or everything is that was not chosen. `classes` are those of the
    /// properties and the purpose together.
    pub fn is_masked(&self, index: usize, class: &str, classes: &Classes) -> bool {
        self.boxes.binary_search(&index).is_err() && (self.is_inverted || classes.contains(class))
    }
}

/// The one detection of a track; `None` when there is none, or more than one.
fn chosen(detections: &[Detection], track: u32) -> Option<&Detection> {
    let of_track = || {
        detections
            .iter()
            .filter(|d| track != 0 && d.track == Some(track))
    };
    let first = of_track().next()?;
    of_track().all(|d| same(first, d)).then_some(first)
}

/// Whether two detections are the same one.
fn same(a: &Detection, b: &Detection) -> bool {
    let key = |d: &Detection| (d.x, d.y, d.width, d.height, d.track);
    key(a) == key(b) && a.class == b.class
}

/// Whether a purpose requires detections of `class` to be masked.
fn is_required(demand: &Demand, class: &str) -> bool {
    match demand {
        Demand::Undeclared => false,
        Demand::Unreadable => true,
        Demand::Declared(_) => demand.required_classes().iter().any(|c| c == class),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use privacy_common::{DetectorUse, Mask, MaskMethod, Purpose, SinkClass};

    fn detection(class: &str, x: u32, track: Option<u32>) -> Detection {
        Detection {
            class: class.into(),
            x,
            y: 0,
            width: 10,
            height: 20,
            track,
            score: None,
        }
    }

    /// Two people, a car and a dog.
    fn street() -> Vec<Detection> {
        vec![
            detection("person", 0, Some(1)),
            detection("person", 5, Some(2)),
            detection("car", 40, Some(3)),
            detection("dog", 60, None),
        ]
    }

    fn demand(required_mask: Mask, one_clear: bool) -> Demand {
        Demand::Declared(Box::new(Purpose {
            session: String::new(),
            purpose: "rights.access_copy".into(),
            mandate_digest: String::new(),
            rules_version: String::new(),
            camera: String::new(),
            operator: String::new(),
            sink_class: SinkClass::File,
            required_mask,
            mask_classes: vec!["person".into()],
            mask_method: MaskMethod::Any,
            one_clear,
            detector_use: DetectorUse::Mask,
            classes: vec![],
            statistics: None,
            expires: 0,
        }))
    }

    fn of(
        detections: &[Detection],
        asked: &str,
        demand: &Demand,
        (invert, clear_track): (bool, u32),
    ) -> (Vec<usize>, Vec<usize>, u32) {
        let live = Live {
            invert,
            clear_track,
            ..Settings::default().live
        };
        let asked = Classes::parse(asked, "").unwrap();
        let classes = asked.raised_by(demand.required_classes());
        let mut clear = Clear {
            boxes: vec![7],
            is_inverted: true,
            count: 9,
        };
        clear.choose(detections, &asked, demand, &live, true);
        assert_eq!(clear.is_inverted, invert);
        let masked = (0..detections.len())
            .filter(|&i| clear.is_masked(i, &detections[i].class, &classes))
            .collect();
        (clear.boxes, masked, clear.count)
    }

    #[test]
    fn one_track_stays_clear() {
        let none = Demand::Undeclared;
        let street = street();
        assert_eq!(
            of(&street, "", &none, (false, 0)),
            (vec![], vec![0, 1, 2, 3], 0)
        );
        assert_eq!(
            of(&street, "", &none, (false, 2)),
            (vec![1], vec![0, 2, 3], 1)
        );
        assert_eq!(
            of(&street, "person", &none, (false, 2)),
            (vec![1], vec![0], 1)
        );
        assert_eq!(
            of(&street, "", &none, (false, 9)),
            (vec![], vec![0, 1, 2, 3], 0)
        );
        assert_eq!(
            of(&street, "person", &none, (false, 3)),
            (vec![], vec![0, 1], 0),
            "the car is clear anyway"
        );
    }

    #[test]
    fn a_track_of_two_boxes_is_nobodys() {
        let mut twice = street();
        twice[0].track = Some(2);
        assert_eq!(of(&twice, "", &Demand::Undeclared, (false, 2)).0, [0; 0]);
        let mut double = street();
        double.push(double[1].clone());
        assert_eq!(
            of(&double, "", &Demand::Undeclared, (false, 2)),
            (vec![1, 4], vec![0, 2, 3], 1),
            "the same box, told twice"
        );
    }

    #[test]
    fn everything_but_the_chosen_is_masked() {
        let none = Demand::Undeclared;
        let street = street();
        assert_eq!(
            of(&street, "car", &none, (true, 0)),
            (vec![2], vec![0, 1, 3], 1)
        );
        assert_eq!(
            of(&street, "", &none, (true, 0)),
            (vec![0, 1, 2, 3], vec![], 4)
        );
        assert_eq!(
            of(&street, "", &none, (true, 1)),
            (vec![0], vec![1, 2, 3], 1)
        );
        assert_eq!(
            of(&street, "car", &none, (true, 1)),
            (vec![], vec![0, 1, 2, 3], 0)
        );
    }

    #[test]
    fn a_purpose_wins() {
        let street = street();
        let persons = demand(Mask::Persons, false);
        assert_eq!(
            of(&street, "", &persons, (false, 2)),
            (vec![], vec![0, 1, 2, 3], 0)
        );
        assert_eq!(
            of(&street, "car", &persons, (true, 0)),
            (vec![2], vec![0, 1, 3], 0),
            "nobody that it requires is clear"
        );
        assert_eq!(
            of(&street, "", &persons, (true, 0)),
            (vec![2, 3], vec![0, 1], 0)
        );
        let access = demand(Mask::Persons, true);
        assert_eq!(
            of(&street, "", &access, (false, 2)),
            (vec![1], vec![0, 2, 3], 1)
        );
        assert_eq!(
            of(&street, "car", &access, (false, 2)),
            (vec![1], vec![0, 2], 1)
        );
        assert_eq!(
            of(&street, "person", &access, (true, 0)),
            (vec![], vec![0, 1, 2, 3], 0),
            "one chosen person, and not all of them"
        );
        assert_eq!(
            of(&street, "person", &access, (true, 2)),
            (vec![1], vec![0, 2, 3], 1)
        );
        assert_eq!(of(&street, "", &Demand::Unreadable, (true, 2)).0, [0; 0]);
        let clear = demand(Mask::None, false);
        assert_eq!(
            of(&street, "", &clear, (false, 2)),
            (vec![1], vec![0, 2, 3], 1)
        );
    }

    #[test]
    fn boxes_of_another_frame_leave_nothing_clear() {
        let mut clear = Clear::default();
        for (invert, clear_track) in [(true, 0), (false, 2), (true, 2)] {
            let live = Live {
                invert,
                clear_track,
                ..Settings::default().live
            };
            clear.choose(
                &street(),
                &Classes::Every,
                &Demand::Undeclared,
                &live,
                false,
            );
            assert_eq!((clear.boxes.len(), clear.is_inverted), (0, invert));
        }
    }
}
