// SPDX-License-Identifier: MIT OR Apache-2.0
//! Greedy non-maximum suppression, class by class (as in R-CNN, arXiv:1311.2524).

/// A possible object, in pixels of the model's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Left, top, right and bottom edge; finite.
    pub edges: [f32; 4],
    /// Score, 0 to 1; a number.
    pub score: f32,
    /// Index of the class.
    pub class: usize,
}

/// What remains of the candidates.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    /// Best score first.
    pub candidates: Vec<Candidate>,
    /// There were more objects than may be reported, or more candidates than can be compared.
    pub overflow: bool,
}

/// Candidates compared at most; more is a broken threshold or model, and is reported as an overflow.
pub const MAX_CANDIDATES: usize = 8192;

/// Keeps of each class the best of every group of candidates that overlap by more than `iou_threshold`,
/// `max_detections` at most.
pub fn suppress(mut candidates: Vec<Candidate>, iou_threshold: f32, max_detections: usize) -> Kept {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept = Kept {
        candidates: Vec::new(),
        overflow: candidates.len() > MAX_CANDIDATES,
    };
    candidates.truncate(MAX_CANDIDATES);
    for candidate in candidates {
        let covered = kept
            .candidates
            .iter()
            .any(|k| k.class == candidate.class && iou(&k.edges, &candidate.edges) > iou_threshold);
        if covered {
            continue;
        }
        if kept.candidates.len() == max_detections {
            kept.overflow = true;
            break;
        }
        kept.candidates.push(candidate);
    }
    kept
}

/// Intersection over union, 0 to 1; 0 where either box is empty.
pub fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let side = |low: f32, high: f32| (high - low).max(0.0);
    let area = |r: &[f32; 4]| side(r[0], r[2]) * side(r[1], r[3]);
    let both = side(a[0].max(b[0]), a[2].min(b[2])) * side(a[1].max(b[1]), a[3].min(b[3]));
    let either = area(a) + area(b) - both;
    if both > 0.0 && either > 0.0 {
        both / either
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, score: f32, class: usize) -> Candidate {
        Candidate {
            edges: [x, 0.0, x + 10.0, 20.0],
            score,
            class,
        }
    }

    #[test]
    fn the_best_of_overlapping_candidates_of_a_class_stays() {
        let kept = suppress(
            vec![at(1.0, 0.5, 0), at(0.0, 0.9, 0), at(1.0, 0.7, 1)],
            0.6,
            10,
        );
        assert_eq!(kept.candidates, [at(0.0, 0.9, 0), at(1.0, 0.7, 1)]);
        assert!(!kept.overflow);
        // 9/11 = 0.818: a higher threshold keeps both.
        assert_eq!(
            suppress(vec![at(1.0, 0.5, 0), at(0.0, 0.9, 0)], 0.82, 10)
                .candidates
                .len(),
            2
        );
    }

    #[test]
    fn one_object_more_than_the_limit_is_an_overflow_and_a_duplicate_is_not() {
        let crowd: Vec<_> = (0..5).map(|i| at(50.0 * i as f32, 0.5, 0)).collect();
        assert!(!suppress(crowd.clone(), 0.6, 5).overflow);
        let less = suppress(crowd.clone(), 0.6, 4);
        assert!(less.overflow);
        assert_eq!(less.candidates.len(), 4);
        let mut twice = crowd.clone();
        twice.extend(crowd.iter().map(|c| Candidate { score: 0.4, ..*c }));
        assert!(!suppress(twice, 0.6, 5).overflow);
    }

    #[test]
    fn too_many_candidates_are_an_overflow() {
        let same = vec![at(0.0, 0.5, 0); MAX_CANDIDATES + 1];
        let kept = suppress(same, 0.6, 10);
        assert!(kept.overflow);
        assert_eq!(kept.candidates.len(), 1);
    }

    #[test]
    fn iou_of_degenerate_boxes_is_zero() {
        let ok = [0.0, 0.0, 10.0, 10.0];
        for strange in [
            [5.0, 5.0, 5.0, 5.0],
            [9.0, 9.0, 1.0, 1.0],
            [f32::NAN; 4],
            [f32::NEG_INFINITY, 0.0, f32::INFINITY, f32::INFINITY],
        ] {
            let share = iou(&ok, &strange);
            assert!((0.0..=1.0).contains(&share), "{strange:?}: {share}");
        }
        assert!((iou(&ok, &ok) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn greedy_suppression_equals_a_plain_reference_on_many_boxes() {
        // A small linear congruential generator: the same boxes in every run.
        let mut seed = 12345u64;
        let mut next = || {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 40) as f32 / (1u64 << 24) as f32
        };
        let candidates: Vec<_> = (0..300)
            .map(|i| {
                let (x, y) = (next() * 100.0, next() * 100.0);
                Candidate {
                    edges: [x, y, x + next() * 40.0, y + next() * 40.0],
                    score: next(),
                    class: i % 3,
                }
            })
            .collect();
        let mut expected = Vec::new();
        let mut rest = candidates.clone();
        while let Some(best) = rest
            .iter()
            .copied()
            .max_by(|a, b| a.score.total_cmp(&b.score))
        {
            expected.push(best);
            rest.retain(|c| {
                *c != best && (c.class != best.class || iou(&c.edges, &best.edges) <= 0.5)
            });
        }
        assert_eq!(suppress(candidates, 0.5, 1000).candidates, expected);
    }
}
