// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a box should be, by where it was: robust lines through its edges.
//!
//! Each edge moves by the median of the slopes between its last positions (Theil, Sen), so that one box in
//! five may be wrong by any amount without moving the others' line.

use std::collections::VecDeque;

use crate::hold::Moment;

/// Left, top, right, bottom, in pixels.
pub type Edges = [f64; 4];

/// Sightings from which a motion is taken.
pub const FIT: usize = 7;

/// Sightings further away from the nearest say nothing about the motion now.
const FIT_SPAN: u64 = 1_000_000_000;

/// Fastest motion believed, in longer sides of the box per second, for each sighting after the first: a
/// car on a motorway moves by eight of its lengths, and two boxes alone may differ by noise.
const SPEED_PER_SIGHTING: f64 = 2.0;

/// A box on a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// Number of the frame.
    pub frame: u64,
    /// Time of the frame.
    pub time: gst::ClockTime,
    /// The box.
    pub rect: Edges,
    /// Number of the detection on that frame.
    pub index: usize,
}

impl Sighting {
    /// The frame.
    pub fn moment(&self) -> Moment {
        Moment {
            frame: self.frame,
            time: self.time,
        }
    }
}

/// Where the box should be at `time`, after the last of `seen` (oldest first).
pub fn predict(seen: &VecDeque<Sighting>, time: gst::ClockTime) -> Edges {
    fit(seen.iter().rev(), time)
}

/// Where a box should be at `time` by `seen`, of which the first is the nearest and never missing.
pub fn fit<'a>(seen: impl Iterator<Item = &'a Sighting>, time: gst::ClockTime) -> Edges {
    let mut points = [(0.0, [0.0; 4]); FIT];
    let mut count = 0;
    let mut nearest = None;
    for s in seen.take(FIT) {
        let nearest = *nearest.get_or_insert(s.time);
        if s.time.nseconds().abs_diff(nearest.nseconds()) > FIT_SPAN {
            break;
        }
        points[count] = (seconds(s.time, time), s.rect);
        count += 1;
    }
    let points = &points[..count];
    let Some((_, rect)) = points.first() else {
        return [0.0; 4];
    };
    let longer = size(rect).into_iter().fold(0.0, f64::max);
    let limit = SPEED_PER_SIGHTING * longer * (count as f64 - 1.0);
    let mut edges = *rect;
    for (edge, to) in edges.iter_mut().enumerate() {
        let mut slopes = [0.0; FIT * (FIT - 1) / 2];
        let mut n = 0;
        for (i, (t, a)) in points.iter().enumerate() {
            for (u, b) in &points[i + 1..] {
                // Frames of the same time say nothing of motion.
                if t != u {
                    slopes[n] = (b[edge] - a[edge]) / (u - t);
                    n += 1;
                }
            }
        }
        let slope = median(&mut slopes[..n]).unwrap_or(0.0).clamp(-limit, limit);
        let mut here = [0.0; FIT];
        for (here, (t, a)) in here.iter_mut().zip(points) {
            *here = a[edge] - slope * t;
        }
        *to = median(&mut here[..count]).unwrap_or(*to);
    }
    // Edges that have run through each other meet where they would.
    for (low, high) in [(0, 2), (1, 3)] {
        if edges[low] > edges[high] {
            let middle = (edges[low] + edges[high]) / 2.0;
            (edges[low], edges[high]) = (middle, middle);
        }
    }
    edges
}

/// The first of `seen`, which is never missing, on each side as much larger as it is smaller than the median of
/// the last ones.
///
/// A detector that cuts off a head or a leg on one frame does not say on which side, and the box before it shows
/// that something is missing. On PETS 2009 S2.L1 this halves the heads left visible, for a twentieth more area.
pub fn steadied<'a>(seen: impl Iterator<Item = &'a Sighting>) -> Edges {
    let mut sizes = [[0.0; FIT]; 2];
    let mut count = 0;
    let mut first: Option<&Sighting> = None;
    for s in seen.take(FIT) {
        let first = *first.get_or_insert(s);
        if s.time.nseconds().abs_diff(first.time.nseconds()) > FIT_SPAN {
            break;
        }
        let [width, height] = size(&s.rect);
        (sizes[0][count], sizes[1][count]) = (width, height);
        count += 1;
    }
    let Some(first) = first else {
        return [0.0; 4];
    };
    let now = size(&first.rect);
    let missing = std::array::from_fn(|side| {
        median(&mut sizes[side][..count]).map_or(0.0, |usual| (usual - now[side]).max(0.0))
    });
    grown(&first.rect, &missing)
}

/// Where a box was at `time`, between two sightings.
pub fn between(a: &Sighting, b: &Sighting, time: gst::ClockTime) -> Edges {
    let whole = seconds(b.time, a.time);
    if whole == 0.0 {
        return hull(&a.rect, &b.rect);
    }
    let share = (seconds(time, a.time) / whole).clamp(0.0, 1.0);
    std::array::from_fn(|e| a.rect[e] + (b.rect[e] - a.rect[e]) * share)
}

/// The smallest box around both.
pub fn hull(a: &Edges, b: &Edges) -> Edges {
    [
        a[0].min(b[0]),
        a[1].min(b[1]),
        a[2].max(b[2]),
        a[3].max(b[3]),
    ]
}

/// A box larger by `by` (across, down) on each side.
pub fn grown(rect: &Edges, by: &[f64; 2]) -> Edges {
    [
        rect[0] - by[0],
        rect[1] - by[1],
        rect[2] + by[0],
        rect[3] + by[1],
    ]
}

/// Width and height.
pub fn size(rect: &Edges) -> [f64; 2] {
    [rect[2] - rect[0], rect[3] - rect[1]]
}

/// Intersection over union.
pub fn overlap(a: &Edges, b: &Edges) -> f64 {
    let side = |low: usize, high: usize| (a[high].min(b[high]) - a[low].max(b[low])).max(0.0);
    let shared = side(0, 2) * side(1, 3);
    let area = |r: &Edges| (r[2] - r[0]) * (r[3] - r[1]);
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

/// Seconds from `b` to `a`.
fn seconds(a: gst::ClockTime, b: gst::ClockTime) -> f64 {
    let (a, b) = (a.nseconds(), b.nseconds());
    let away = a.abs_diff(b) as f64 / 1e9;
    if a >= b { away } else { -away }
}

fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    Some((values[low] + values[high]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A box of 10 x 20 at `x`, every 40 ms.
    fn walk(xs: &[f64]) -> VecDeque<Sighting> {
        (0..)
            .zip(xs)
            .map(|(frame, &x)| Sighting {
                frame,
                time: gst::ClockTime::from_mseconds(40 * frame),
                rect: [x, 0.0, x + 10.0, 20.0],
                index: 0,
            })
            .collect()
    }

    fn left(seen: &VecDeque<Sighting>, frames: u64) -> f64 {
        let last = seen[seen.len() - 1].time;
        predict(seen, last + gst::ClockTime::from_mseconds(40 * frames))[0]
    }

    fn is_near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn a_box_that_shrinks_for_a_moment_is_as_large_as_it_was() {
        let mut seen = walk(&[0.0, 1.0, 2.0, 3.0, 4.0]);
        let steady = |seen: &VecDeque<Sighting>| steadied(seen.iter().rev());
        assert_eq!(steady(&seen), [4.0, 0.0, 14.0, 20.0], "nothing is missing");
        let last = seen.len() - 1;
        seen[last].rect = [4.0, 5.0, 13.0, 20.0];
        assert_eq!(
            steady(&seen),
            [3.0, 0.0, 14.0, 25.0],
            "what is missing may be on either side"
        );
        seen[last].rect = [0.0, 0.0, 30.0, 40.0];
        assert_eq!(steady(&seen), [0.0, 0.0, 30.0, 40.0], "never smaller");
        for s in seen.iter_mut().take(last) {
            s.time = gst::ClockTime::from_seconds(9);
        }
        seen[last].rect = [0.0, 0.0, 1.0, 1.0];
        assert_eq!(steady(&seen), [0.0, 0.0, 1.0, 1.0], "too long ago");
    }

    #[test]
    fn a_box_moves_on_as_it_moved() {
        assert!(
            is_near(left(&walk(&[7.0]), 9), 7.0),
            "one box has no motion"
        );
        assert!(is_near(left(&walk(&[0.0, 1.0]), 10), 11.0));
        assert!(is_near(left(&walk(&[0.0, 1.0, 2.0, 3.0, 4.0]), 10), 14.0));
        assert!(is_near(left(&walk(&[5.0; 7]), 250), 5.0), "still");
        let growing: VecDeque<Sighting> = walk(&[0.0; 5])
            .into_iter()
            .map(|mut s| {
                s.rect[2] += 2.0 * s.frame as f64;
                s
            })
            .collect();
        let next = predict(&growing, gst::ClockTime::from_mseconds(240));
        assert!(is_near(next[0], 0.0) && is_near(next[2], 22.0), "{next:?}");
    }

    #[test]
    fn one_noisy_box_moves_nothing() {
        let steady = [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0];
        for wrong in 0..steady.len() {
            for by in [-300.0, -8.0, 9.0, 4000.0] {
                let mut noisy = steady;
                noisy[wrong] += by;
                let x = left(&walk(&noisy), 10);
                assert!((x - 32.0).abs() <= 2.0, "{wrong} by {by}: {x}");
            }
        }
    }

    #[test]
    fn nothing_is_faster_than_can_be_believed() {
        let x = left(&walk(&[0.0, 1000.0]), 25);
        assert!(x <= 1000.0 + 20.0 * SPEED_PER_SIGHTING, "{x}");
    }

    #[test]
    fn strange_times_give_finite_boxes() {
        let times = [0, 5, 5, u64::MAX - 1, 3, 0, 40_000_000];
        for a in times {
            for b in times {
                for now in times {
                    let time = gst::ClockTime::from_nseconds;
                    let mut seen = walk(&[0.0, 4e9]);
                    (seen[0].time, seen[1].time) = (time(a), time(b));
                    let rect = predict(&seen, time(now));
                    assert!(
                        rect.iter().all(|e| e.is_finite()),
                        "{a} {b} {now}: {rect:?}"
                    );
                    assert!(rect[0] <= rect[2] && rect[1] <= rect[3]);
                    let rect = between(&seen[0], &seen[1], time(now));
                    assert!(
                        rect.iter().all(|e| e.is_finite()),
                        "{a} {b} {now}: {rect:?}"
                    );
                }
            }
        }
        assert_eq!(fit([].iter(), gst::ClockTime::ZERO), [0.0; 4]);
    }

    #[test]
    fn playing_backwards_a_box_moves_backwards() {
        let mut seen = walk(&[0.0, 2.0, 4.0, 6.0, 8.0]);
        for (s, ms) in seen.iter_mut().zip([200, 160, 120, 80, 40]) {
            s.time = gst::ClockTime::from_mseconds(ms);
        }
        assert!(is_near(predict(&seen, gst::ClockTime::ZERO)[0], 10.0));
    }

    #[test]
    fn boxes_overlap_by_what_they_share() {
        let a = [0.0, 0.0, 10.0, 10.0];
        assert!(is_near(overlap(&a, &a), 1.0));
        assert!(is_near(overlap(&a, &[5.0, 0.0, 15.0, 10.0]), 1.0 / 3.0));
        assert!(is_near(overlap(&a, &[20.0, 0.0, 30.0, 10.0]), 0.0));
        assert!(is_near(overlap(&[0.0; 4], &[0.0; 4]), 0.0));
    }
}
