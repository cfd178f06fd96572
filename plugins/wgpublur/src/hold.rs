// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions that stay masked after their detection is gone.
//!
//! A detector that misses a face in one frame of fifty shows it in one frame of fifty, and one is
//! enough. A region is therefore kept where it last was, growing, until it has not been seen for the
//! hold time. Detections of one object are joined by track, else by overlap, so that an object has one
//! key for as long as it is seen, and one region and not a trail of them.

use std::collections::HashMap;

use privacy_common::Detection;

use crate::verdict::Reason;

/// Most objects followed at a time. With more, the whole frame is masked.
pub const MAX_OBJECTS: usize = 1024;

/// Least intersection over union at which two boxes are taken for the same object.
const SAME_OBJECT: f64 = 0.3;

/// Growth of a region that is only held: on each side, its size per second of absence.
const GROWTH_PER_SECOND: f64 = 1.0;

/// How long an object keeps its key after it was last seen, whatever the hold time.
const REMEMBER: gst::ClockTime = gst::ClockTime::SECOND;

/// A box to mask, in pixels, with the share of its size by which it grows on each side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    /// Left, top, width, height.
    pub rect: [u32; 4],
    /// Stable for as long as this is the same object.
    pub key: u64,
    /// 0 for an object seen on this frame.
    pub growth: f64,
}

#[derive(Debug, Clone)]
struct Held {
    class: String,
    rect: [u32; 4],
    track: Option<u32>,
    key: u64,
    seen: gst::ClockTime,
}

/// Objects seen lately.
#[derive(Debug, Default)]
pub struct Holds {
    held: Vec<Held>,
    next_key: u64,
    /// Some objects of the frame of this time are not followed, and why: until the hold is over, the
    /// whole frame is masked.
    lost: Option<(gst::ClockTime, Reason)>,
}

impl Holds {
    /// Takes the detections of the frame at `now` and returns what to mask: these, and those seen at
    /// most `hold` before that are not among them; or why that is not known.
    pub fn update<'a>(
        &mut self,
        now: gst::ClockTime,
        hold: gst::ClockTime,
        detections: impl IntoIterator<Item = &'a Detection>,
    ) -> Result<Vec<Object>, Reason> {
        // Time may run backwards after a seek: what counts is how far away it is.
        let age = |then: gst::ClockTime| {
            gst::ClockTime::from_nseconds(now.nseconds().abs_diff(then.nseconds()))
        };
        self.held.retain(|h| age(h.seen) <= hold.max(REMEMBER));
        let detections: Vec<&Detection> = detections.into_iter().collect();
        let matches = self.matches(&detections);
        for (detection, matched) in detections.iter().zip(matches) {
            let rect = [detection.x, detection.y, detection.width, detection.height];
            match matched {
                Some(i) => {
                    let held = &mut self.held[i];
                    (held.rect, held.seen) = (rect, now);
                    held.track = detection.track.or(held.track);
                }
                None if self.held.len() < MAX_OBJECTS => {
                    self.next_key += 1;
                    self.held.push(Held {
                        class: detection.class.clone(),
                        rect,
                        track: detection.track,
                        key: self.next_key,
                        seen: now,
                    });
                }
                None => self.lost = Some((now, Reason::TooManyRegions)),
            }
        }
        match self.lost {
            Some((then, reason)) if age(then) <= hold => return Err(reason),
            _ => self.lost = None,
        }
        Ok(self
            .held
            .iter()
            .filter(|h| age(h.seen) <= hold)
            .map(|h| Object {
                rect: h.rect,
                key: h.key,
                growth: GROWTH_PER_SECOND * age(h.seen).nseconds() as f64 / 1e9,
            })
            .collect())
    }

    /// The frames have another size from here on. What was seen lies somewhere else on them, scaled or
    /// cut, and nobody says which.
    pub fn size_changed(&mut self) {
        if let Some(last) = self.held.iter().map(|h| h.seen).max() {
            self.lost = Some((last, Reason::SizeChanged));
        }
        self.held.clear();
    }

    /// Forgets what was seen. Keys are not given twice, so that two people never share their noise.
    pub fn forget(&mut self) {
        self.held.clear();
        self.lost = None;
    }

    /// For each detection, which of the held objects it is: at most one each, the same track first,
    /// then the largest overlap.
    fn matches(&self, detections: &[&Detection]) -> Vec<Option<usize>> {
        let mut of_detection = vec![None; detections.len()];
        let mut taken = vec![false; self.held.len()];
        let tracks: HashMap<u32, usize> = self
            .held
            .iter()
            .enumerate()
            .filter_map(|(i, h)| Some((h.track?, i)))
            .collect();
        for (d, detection) in detections.iter().enumerate() {
            if let Some(&i) = detection.track.and_then(|t| tracks.get(&t))
                && !taken[i]
            {
                (of_detection[d], taken[i]) = (Some(i), true);
            }
        }
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for (d, detection) in detections.iter().enumerate() {
            if of_detection[d].is_some() {
                continue;
            }
            let rect = [detection.x, detection.y, detection.width, detection.height];
            for (i, held) in self.held.iter().enumerate() {
                // Two tracks are two objects, however much they overlap.
                let other_track =
                    matches!((held.track, detection.track), (Some(a), Some(b)) if a != b);
                if taken[i] || other_track || held.class != detection.class {
                    continue;
                }
                let overlap = intersection_over_union(rect, held.rect);
                if overlap >= SAME_OBJECT {
                    pairs.push((overlap, d, i));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, d, i) in pairs {
            if of_detection[d].is_none() && !taken[i] {
                (of_detection[d], taken[i]) = (Some(i), true);
            }
        }
        of_detection
    }
}

fn intersection_over_union(a: [u32; 4], b: [u32; 4]) -> f64 {
    let overlap = |at: usize| {
        let low = a[at].max(b[at]);
        let high = (a[at].saturating_add(a[at + 2])).min(b[at].saturating_add(b[at + 2]));
        f64::from(high.saturating_sub(low))
    };
    let shared = overlap(0) * overlap(1);
    let area = |r: [u32; 4]| f64::from(r[2]) * f64::from(r[3]);
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: gst::ClockTime = gst::ClockTime::from_mseconds(500);

    fn ms(t: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(t)
    }

    fn at(x: u32, track: Option<u32>) -> Detection {
        Detection {
            class: "person".into(),
            x,
            y: 0,
            width: 10,
            height: 20,
            track,
            score: None,
        }
    }

    fn rects(objects: &[Object]) -> Vec<u32> {
        let mut x: Vec<u32> = objects.iter().map(|o| o.rect[0]).collect();
        x.sort_unstable();
        x
    }

    #[test]
    fn a_missed_object_stays_masked_until_the_hold_is_over() {
        let mut holds = Holds::default();
        let seen = holds.update(ms(0), HOLD, &[at(5, None)]).unwrap();
        assert_eq!((rects(&seen), seen[0].growth), (vec![5], 0.0));
        let missed = holds.update(ms(250), HOLD, &[]).unwrap();
        assert_eq!(rects(&missed), [5]);
        assert_eq!(missed[0].growth, 0.25, "it may have moved: it grows");
        assert_eq!(missed[0].key, seen[0].key);
        assert_eq!(rects(&holds.update(ms(500), HOLD, &[]).unwrap()), [5]);
        assert!(holds.update(ms(501), HOLD, &[]).unwrap().is_empty());
        let again = holds.update(ms(600), HOLD, &[at(5, None)]).unwrap();
        assert_eq!(
            again[0].key, seen[0].key,
            "its key is remembered for longer"
        );
    }

    #[test]
    fn a_moving_object_leaves_no_trail() {
        let mut holds = Holds::default();
        let mut key = None;
        for step in 0..20 {
            let seen = holds
                .update(ms(40 * u64::from(step)), HOLD, &[at(3 * step, None)])
                .unwrap();
            assert_eq!(rects(&seen), [3 * step]);
            assert_eq!(*key.get_or_insert(seen[0].key), seen[0].key);
        }
    }

    #[test]
    fn a_track_is_followed_over_any_distance() {
        let mut holds = Holds::default();
        let before = holds
            .update(ms(0), HOLD, &[at(0, Some(1)), at(100, Some(2))])
            .unwrap();
        // They change places; without tracks each would be taken for the other.
        let after = holds
            .update(ms(40), HOLD, &[at(100, Some(1)), at(0, Some(2))])
            .unwrap();
        assert_eq!(rects(&after), [0, 100]);
        for (a, b) in before.iter().zip(&after) {
            assert_eq!(a.key, b.key);
            assert_ne!(a.rect, b.rect);
        }
    }

    #[test]
    fn a_neighbour_does_not_end_the_hold_of_another() {
        let mut holds = Holds::default();
        holds
            .update(ms(0), HOLD, &[at(0, None), at(4, None)])
            .unwrap();
        let missed = holds.update(ms(40), HOLD, &[at(4, None)]).unwrap();
        assert_eq!(rects(&missed), [0, 4]);
    }

    #[test]
    fn without_a_hold_only_what_is_seen_is_masked() {
        let mut holds = Holds::default();
        let zero = gst::ClockTime::ZERO;
        let seen = holds.update(ms(0), zero, &[at(5, None)]).unwrap();
        assert!(holds.update(ms(40), zero, &[]).unwrap().is_empty());
        let again = holds.update(ms(80), zero, &[at(6, None)]).unwrap();
        assert_eq!(again[0].key, seen[0].key);
    }

    #[test]
    fn memory_is_bounded_and_an_overflow_lasts_as_long_as_a_hold() {
        let mut holds = Holds::default();
        let crowd: Vec<Detection> = (0..=MAX_OBJECTS as u32).map(|i| at(20 * i, None)).collect();
        assert_eq!(
            holds.update(ms(0), HOLD, &crowd),
            Err(Reason::TooManyRegions)
        );
        assert_eq!(holds.held.len(), MAX_OBJECTS);
        assert_eq!(
            holds.update(ms(500), HOLD, &[]),
            Err(Reason::TooManyRegions)
        );
        assert!(holds.update(ms(501), HOLD, &[]).unwrap().is_empty());
        assert!(holds.update(ms(5000), HOLD, &[]).unwrap().is_empty());
        assert!(holds.held.is_empty());
    }

    #[test]
    fn a_jump_backwards_ends_holds_too() {
        let mut holds = Holds::default();
        holds.update(ms(10_000), HOLD, &[at(5, None)]).unwrap();
        assert!(holds.update(ms(0), HOLD, &[]).unwrap().is_empty());
    }
}
