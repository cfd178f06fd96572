// SPDX-License-Identifier: MIT OR Apache-2.0
//! NanoDet (<https://github.com/RangiLyu/nanodet>): anchor-free, boxes as distributions of distances
//! (generalised focal loss, arXiv:2006.04388).
//!
//! For each stride S there are two outputs, N = ceil(height / S) × ceil(width / S) cells row by row:
//! `cls_S`, 1×N×classes, scores of 0 to 1 with the sigmoid applied, and `dis_S`, 1×N×4·bins, for left, top,
//! right and bottom the logits of a distribution over 0 to bins - 1. Its expectation times S is the
//! distance of that edge from the centre of the cell, ((column + 0.5) · S, (row + 0.5) · S).

use super::{Candidates, DecodeError, Output, Wanted, check_size, three_dimensional};
use crate::{
    letterbox::Placement,
    preprocess::{ChannelOrder, InputSpec},
};

/// The outputs of one NanoDet model.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    levels: Vec<Level>,
    classes: usize,
    bins: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Level {
    stride: u32,
    columns: usize,
    cells: usize,
    scores: String,
    distances: String,
}

/// RGB of ImageNet's mean and deviation, centred, the border in the mean colour (0 after normalisation).
pub fn input(width: u32, height: u32) -> InputSpec {
    InputSpec {
        width,
        height,
        order: ChannelOrder::Rgb,
        mean: MEAN,
        std: [58.395, 57.12, 57.375],
        border: MEAN,
        placement: Placement::Centre,
    }
}

const MEAN: [f32; 3] = [123.675, 116.28, 103.53];

impl Head {
    /// Finds the pairs of outputs; the error says what is missing.
    pub(super) fn find(input: (u32, u32), outputs: &[Output]) -> Result<Self, String> {
        let mut levels = Vec::new();
        let mut sizes = None;
        for output in outputs {
            let Some(stride) = output.name.strip_prefix("cls_") else {
                continue;
            };
            let stride: u32 = stride
                .parse()
                .ok()
                .filter(|s| (1..=256).contains(s))
                .ok_or_else(|| format!("{} names no stride", output.name))?;
            let name = format!("dis_{stride}");
            let distances = outputs
                .iter()
                .find(|o| o.name == name)
                .ok_or_else(|| format!("{name} is missing"))?;
            let columns = input.0.div_ceil(stride) as usize;
            let cells = columns * input.1.div_ceil(stride) as usize;
            let values = |o: &Output| {
                three_dimensional(o)
                    .filter(|&(n, values)| (n < 0 || n == cells as i64) && values > 0)
                    .map(|(_, values)| values as usize)
                    .ok_or_else(|| format!("{} is not float32 1x{cells}xvalues", o.name))
            };
            let (classes, logits) = (values(output)?, values(distances)?);
            if !logits.is_multiple_of(4) || logits < 8 {
                return Err(format!("{name} holds no four distributions per cell"));
            }
            if *sizes.get_or_insert((classes, logits)) != (classes, logits) {
                return Err("the strides differ in classes or bins".to_owned());
            }
            levels.push(Level {
                stride,
                columns,
                cells,
                scores: output.name.clone(),
                distances: name,
            });
        }
        let (classes, logits) = sizes.ok_or_else(|| "cls_S is missing".to_owned())?;
        if outputs.len() != 2 * levels.len() {
            return Err("there are outputs beside cls_S and dis_S".to_owned());
        }
        levels.sort_by_key(|l| l.stride);
        Ok(Self {
            levels,
            classes,
            bins: logits / 4,
        })
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    pub(super) fn outputs(&self) -> Vec<&str> {
        self.levels
            .iter()
            .flat_map(|l| [l.scores.as_str(), l.distances.as_str()])
            .collect()
    }

    pub(super) fn decode(
        &self,
        outputs: &[&[f32]],
        wanted: Wanted<'_>,
    ) -> Result<Candidates, DecodeError> {
        let mut found = Candidates::default();
        check_size("cls_S and dis_S", outputs.len(), 2 * self.levels.len())?;
        for (level, pair) in self.levels.iter().zip(outputs.chunks_exact(2)) {
            let (scores, distances) = (pair[0], pair[1]);
            check_size(&level.scores, scores.len(), level.cells * self.classes)?;
            check_size(
                &level.distances,
                distances.len(),
                level.cells * 4 * self.bins,
            )?;
            let cells = scores
                .chunks_exact(self.classes)
                .zip(distances.chunks_exact(4 * self.bins));
            for (cell, (scores, logits)) in cells.enumerate() {
                // Decoding the box costs more than looking at the scores, and few cells have one.
                let mut edges = None;
                for &class in wanted.classes {
                    let score = scores[class];
                    if found.reaches(score, wanted.threshold) {
                        let edges = *edges.get_or_insert_with(|| self.edges(level, cell, logits));
                        found.push(edges, score, class);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Left, top, right and bottom in pixels of the input.
    fn edges(&self, level: &Level, cell: usize, logits: &[f32]) -> [f32; 4] {
        let stride = level.stride as f32;
        let x = ((cell % level.columns) as f32 + 0.5) * stride;
        let y = ((cell / level.columns) as f32 + 0.5) * stride;
        let distance = |side: usize| expectation(&logits[side * self.bins..][..self.bins]) * stride;
        [
            x - distance(0),
            y - distance(1),
            x + distance(2),
            y + distance(3),
        ]
    }
}

/// Expectation of 0, 1, … under the softmax of the logits.
fn expectation(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (value, logit) in logits.iter().enumerate() {
        let weight = (logit - highest).exp();
        sum += weight;
        weighted += weight * value as f32;
    }
    weighted / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(input: (i64, i64), classes: i64, bins: i64) -> Vec<Output> {
        [8, 16, 32]
            .into_iter()
            .flat_map(|s: i64| {
                let cells = ((input.0 + s - 1) / s) * ((input.1 + s - 1) / s);
                [("cls", classes), ("dis", 4 * bins)].map(|(kind, values)| Output {
                    name: format!("{kind}_{s}"),
                    shape: vec![1, cells, values],
                    float32: true,
                })
            })
            .collect()
    }

    #[test]
    fn outputs_are_found_in_any_order_and_size() {
        let mut declared = outputs((416, 320), 80, 11);
        declared.reverse();
        let head = Head::find((416, 320), &declared).unwrap();
        assert_eq!((head.classes, head.bins), (80, 11));
        assert_eq!(
            head.outputs(),
            ["cls_8", "dis_8", "cls_16", "dis_16", "cls_32", "dis_32"]
        );
        assert!(Head::find((100, 75), &outputs((100, 75), 3, 8)).is_ok());
    }

    #[test]
    fn outputs_that_do_not_fit_are_told_apart() {
        let good = outputs((416, 416), 80, 11);
        let change = |f: &dyn Fn(&mut Vec<Output>)| {
            let mut outputs = good.clone();
            f(&mut outputs);
            Head::find((416, 416), &outputs)
        };
        assert!(change(&|_| {}).is_ok());
        assert!(change(&|o| o[0].shape[1] = -1).is_ok());
        assert!(change(&|o| o[0].shape[1] = 5).is_err());
        assert!(change(&|o| o[0].shape[2] = -1).is_err());
        assert!(change(&|o| o[0].shape[2] = 79).is_err());
        assert!(change(&|o| o[1].shape[2] = 43).is_err());
        assert!(change(&|o| o[1].shape[2] = 40).is_err());
        assert!(change(&|o| o[0].float32 = false).is_err());
        assert!(change(&|o| o[0].name = "cls_x".into()).is_err());
        assert!(change(&|o| o[1].name = "dis_9".into()).is_err());
        assert!(
            change(&|o| o.push(Output {
                name: "id".into(),
                ..o[0].clone()
            }))
            .is_err()
        );
        assert!(change(&|o| o.clear()).is_err());
    }

    /// Cell and edges of one object by the textbook, in f64.
    fn expected(cell: usize, columns: usize, stride: f64, logits: &[f32]) -> [f64; 4] {
        let distance = |side: usize| {
            let weights: Vec<f64> = logits[side * 8..][..8]
                .iter()
                .map(|&l| f64::from(l).exp())
                .collect();
            let sum: f64 = weights.iter().sum();
            weights
                .iter()
                .enumerate()
                .map(|(i, w)| i as f64 * w / sum)
                .sum::<f64>()
                * stride
        };
        let x = ((cell % columns) as f64 + 0.5) * stride;
        let y = ((cell / columns) as f64 + 0.5) * stride;
        [
            x - distance(0),
            y - distance(1),
            x + distance(2),
            y + distance(3),
        ]
    }

    #[test]
    fn boxes_equal_a_reference_in_double_precision() {
        let head = Head::find((100, 75), &outputs((100, 75), 3, 8)).unwrap();
        let mut seed = 7u64;
        let mut next = || {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 40) as f32 / (1u64 << 24) as f32
        };
        let data: Vec<Vec<f32>> = head
            .levels
            .iter()
            .flat_map(|l| [l.cells * 3, l.cells * 32])
            .enumerate()
            .map(|(i, n)| {
                (0..n)
                    .map(|_| {
                        if i % 2 == 0 {
                            next()
                        } else {
                            next() * 20.0 - 10.0
                        }
                    })
                    .collect()
            })
            .collect();
        let slices: Vec<&[f32]> = data.iter().map(Vec::as_slice).collect();
        let wanted = Wanted {
            classes: &[0, 2],
            threshold: 0.6,
        };
        let found = head.decode(&slices, wanted).unwrap();
        assert!(!found.unsure && found.list.len() > 20);
        let mut all = found.list.iter();
        for (i, level) in head.levels.iter().enumerate() {
            for cell in 0..level.cells {
                for class in [0, 2] {
                    let score = data[2 * i][cell * 3 + class];
                    if score < 0.6 {
                        continue;
                    }
                    let candidate = all.next().unwrap();
                    assert_eq!((candidate.class, candidate.score), (class, score));
                    let logits = &data[2 * i + 1][cell * 32..][..32];
                    let reference = expected(cell, level.columns, f64::from(level.stride), logits);
                    for (edge, wanted) in candidate.edges.iter().zip(reference) {
                        assert!((f64::from(*edge) - wanted).abs() < 1e-3, "{edge} {wanted}");
                    }
                }
            }
        }
        assert!(all.next().is_none());
    }

    #[test]
    fn broken_numbers_make_the_frame_unsure() {
        let head = Head::find((8, 8), &outputs((8, 8), 1, 8)).unwrap();
        let wanted = Wanted {
            classes: &[0],
            threshold: 0.5,
        };
        let decode = |score: f32, logit: f32| {
            let logits = vec![logit; 32];
            let (none, zero) = ([0.0], vec![0.0; 32]);
            head.decode(&[&[score], &logits, &none, &zero, &none, &zero], wanted)
                .unwrap()
        };
        assert_eq!(decode(0.9, 0.0).list.len(), 1);
        assert!(!decode(0.4, f32::NAN).unsure, "nobody is there");
        for (score, logit) in [
            (f32::NAN, 0.0),
            (0.9, f32::NAN),
            (0.9, f32::INFINITY),
            (0.9, f32::NEG_INFINITY),
        ] {
            let found = decode(score, logit);
            assert!(found.unsure && found.list.is_empty(), "{score} {logit}");
        }
        // Large logits are no overflow.
        assert!(!decode(0.9, 3e38).unsure);
    }

    #[test]
    fn outputs_of_another_size_are_an_error() {
        let head = Head::find((8, 8), &outputs((8, 8), 1, 8)).unwrap();
        let wanted = Wanted {
            classes: &[0],
            threshold: 0.5,
        };
        for sizes in [[1, 31], [2, 32], [0, 0]] {
            let (a, b) = (vec![0.0; sizes[0]], vec![0.0; sizes[1]]);
            assert!(head.decode(&[&a, &b, &a, &b, &a, &b], wanted).is_err());
        }
        assert!(head.decode(&[&[0.0]], wanted).is_err());
        assert!(head.decode(&[], wanted).is_err());
    }
}
