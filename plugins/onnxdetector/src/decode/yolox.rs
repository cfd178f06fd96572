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
