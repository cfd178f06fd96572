// SPDX-License-Identifier: MIT OR Apache-2.0
//! YOLOX (<https://github.com/Megvii-BaseDetection/YOLOX>, arXiv:2107.08430), exported without its decoding.
//!
//! One output, 1×N×(5 + classes), N the cells of strides 8, 16 and 32 one after the other, each row by row. A cell
//! holds x, y, w, h, objectness and class scores (sigmoid applied to these). Its box has the centre
//! ((column + x) · S, (row + y) · S) and the size (exp(w) · S, exp(h) · S); its score for a class is objectness times
//! class score.

use super::{Candidates, DecodeError, Output, Wanted, check_size, three_dimensional};
use crate::{
    letterbox::Placement,
    preprocess::{ChannelOrder, InputSpec},
};

/// The output of one YOLOX model.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    output: String,
    width: u32,
    height: u32,
    cells: usize,
    classes: usize,
}

/// Values before the class scores: x, y, w, h, objectness.
const FIXED: usize = 5;
const STRIDES: [u32; 3] = [8, 16, 32];

/// BGR of 0 to 255, top left, the border in the grey that the model was trained with.
pub fn input(width: u32, height: u32) -> InputSpec {
    InputSpec {
        width,
        height,
        order: ChannelOrder::Bgr,
        mean: [0.0; 3],
        std: [1.0; 3],
        border: [114.0; 3],
        placement: Placement::TopLeft,
    }
}

impl Head {
    /// Finds the output; the error says what is missing.
    pub(super) fn find(input: (u32, u32), outputs: &[Output]) -> Result<Self, String> {
        let [output] = outputs else {
            return Err(format!(
                "one output is expected, there are {}",
                outputs.len()
            ));
        };
        let cells = STRIDES
            .iter()
            .map(|s| input.0.div_ceil(*s) as usize * input.1.div_ceil(*s) as usize)
            .sum();
        let (_, values) = three_dimensional(output)
            .filter(|&(n, values)| (n < 0 || n == cells as i64) && values > FIXED as i64)
            .ok_or_else(|| format!("{} is not float32 1x{cells}x(5 + classes)", output.name))?;
        Ok(Self {
            output: output.name.clone(),
            width: input.0,
            height: input.1,
            cells,
            classes: values as usize - FIXED,
        })
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    pub(super) fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    pub(super) fn decode(
        &self,
        outputs: &[&[f32]],
        wanted: Wanted<'_>,
    ) -> Result<Candidates, DecodeError> {
        let values = FIXED + self.classes;
        let data = outputs.first().copied().unwrap_or_default();
        check_size(&self.output, data.len(), self.cells * values)?;
        let mut found = Candidates::default();
        let mut rows = data.chunks_exact(values);
        for stride in STRIDES {
            let columns = self.width.div_ceil(stride) as usize;
            let lines = self.height.div_ceil(stride) as usize;
            for (cell, row) in rows.by_ref().take(columns * lines).enumerate() {
                let objectness = row[FIXED - 1];
                // Class scores are 1 at most, so nothing of a weak cell can reach the threshold.
                if !found.reaches(objectness, wanted.threshold) {
                    continue;
                }
                for &class in wanted.classes {
                    let score = objectness * row[FIXED + class];
                    if found.reaches(score, wanted.threshold) {
                        found.push(edges(row, cell, columns, stride as f32), score, class);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Left, top, right and bottom in pixels of the input.
fn edges(row: &[f32], cell: usize, columns: usize, stride: f32) -> [f32; 4] {
    let x = ((cell % columns) as f32 + row[0]) * stride;
    let y = ((cell / columns) as f32 + row[1]) * stride;
    let (half_width, half_height) = (row[2].exp() * stride / 2.0, row[3].exp() * stride / 2.0);
    [
        x - half_width,
        y - half_height,
        x + half_width,
        y + half_height,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(cells: i64, values: i64) -> Output {
        Output {
            name: "output".into(),
            shape: vec![1, cells, values],
            float32: true,
        }
    }

    const ALL: Wanted<'static> = Wanted {
        classes: &[0, 1],
        threshold: 0.3,
    };

    #[test]
    fn the_output_is_found_by_its_shape() {
        let head = Head::find((416, 416), &[output(3549, 85)]).unwrap();
        assert_eq!((head.cells, head.classes), (3549, 80));
        assert!(Head::find((640, 384), &[output(-1, 6)]).is_ok());
        for (cells, values) in [(3548, 85), (3549, 5), (3549, -1)] {
            assert!(Head::find((416, 416), &[output(cells, values)]).is_err());
        }
        assert!(Head::find((416, 416), &[output(3549, 85), output(3549, 85)]).is_err());
        assert!(Head::find((416, 416), &[]).is_err());
    }

    #[test]
    fn every_cell_lands_on_its_place() {
        // 64x32: 32, 8 and 2 cells.
        let head = Head::find((64, 32), &[output(42, 7)]).unwrap();
        let mut seed = 3u64;
        let mut next = || {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 40) as f32 / (1u64 << 24) as f32
        };
        let data: Vec<f32> = (0..42)
            .flat_map(|_| {
                [
                    next(),
                    next(),
                    next() * 4.0 - 2.0,
                    next() * 4.0 - 2.0,
                    next(),
                    next(),
                    next(),
                ]
            })
            .collect();
        let found = head.decode(&[&data], ALL).unwrap();
        let mut all = found.list.iter();
        let mut row = 0;
        for stride in [8u32, 16, 32] {
            for y in 0..32 / stride {
                for x in 0..64 / stride {
                    let r: Vec<f64> = data[row * 7..][..7].iter().map(|&v| f64::from(v)).collect();
                    row += 1;
                    let s = f64::from(stride);
                    let (cx, cy) = ((f64::from(x) + r[0]) * s, (f64::from(y) + r[1]) * s);
                    let (w, h) = (r[2].exp() * s, r[3].exp() * s);
                    for class in 0..2 {
                        let score = r[4] * r[5 + class];
                        if score < 0.3 {
                            continue;
                        }
                        let got = all.next().unwrap();
                        assert_eq!(got.class, class);
                        assert!((f64::from(got.score) - score).abs() < 1e-6);
                        let want = [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0];
                        for (a, b) in got.edges.iter().zip(want) {
                            assert!((f64::from(*a) - b).abs() < 1e-3, "{a} {b}");
                        }
                    }
                }
            }
        }
        assert!(all.next().is_none());
        assert!(found.list.len() > 5 && !found.unsure);
    }

    #[test]
    fn only_wanted_classes_are_reported() {
        let head = Head::find((64, 32), &[output(42, 7)]).unwrap();
        let data = [0.5, 0.5, 0.0, 0.0, 1.0, 0.9, 0.9].repeat(42);
        let one = Wanted {
            classes: &[1],
            threshold: 0.3,
        };
        let found = head.decode(&[&data], one).unwrap();
        assert!(found.list.len() == 42 && found.list.iter().all(|c| c.class == 1));
        let none = Wanted {
            classes: &[],
            threshold: 0.0,
        };
        assert!(head.decode(&[&data], none).unwrap().list.is_empty());
    }

    #[test]
    fn outputs_of_another_size_are_an_error() {
        let head = Head::find((64, 32), &[output(42, 7)]).unwrap();
        assert!(head.decode(&[&[0.0; 293]], ALL).is_err());
        assert!(head.decode(&[], ALL).is_err());
    }
}
