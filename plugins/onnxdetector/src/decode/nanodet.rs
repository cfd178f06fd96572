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
        for (level, pair) in self.levels.iter().zip(outputs.chunks(2)) {
            let [scores, distances] = pair else {
                return Err(DecodeError::Size {
                    name: level.distances.clone(),
                    have: 0,
                    need: level.cells * 4 * self.bins,
                });
            };
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
