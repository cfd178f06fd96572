// SPDX-License-Identifier: MIT OR Apache-2.0
//! CenterFace (<https://github.com/Star-Clouds/CenterFace>, arXiv:1911.03599): faces, as peaks of a heat map.
//!
//! Four outputs, 1×C×rows×columns with cells of 4 pixels: heat (C = 1, scores of 0 to 1), scale (C = 2,
//! logarithms of height and width in cells), offset (C = 2, of the centre, down and across) and landmarks
//! (C = 10), which are never read: a face is located in order to mask it, and nothing more.

use super::{Candidates, DecodeError, Output, Wanted, check_size};
use crate::{
    letterbox::Placement,
    preprocess::{ChannelOrder, InputSpec},
};

/// The outputs of one CenterFace model.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Heat, scale and offset.
    outputs: [String; 3],
    columns: usize,
    rows: usize,
}

/// Pixels of the input per cell.
const STRIDE: u32 = 4;
/// Channels of the outputs, in the order in which the model declares them.
const CHANNELS: [i64; 4] = [1, 2, 2, 10];

/// RGB of 0 to 255, centred on black.
pub fn input(width: u32, height: u32) -> InputSpec {
    InputSpec {
        width,
        height,
        order: ChannelOrder::Rgb,
        mean: [0.0; 3],
        std: [1.0; 3],
        border: [0.0; 3],
        placement: Placement::Centre,
    }
}

impl Head {
    /// Finds the outputs; the error says what is missing.
    pub(super) fn find(input: (u32, u32), outputs: &[Output]) -> Result<Self, String> {
        let (columns, rows) = grid(input)?;
        let fits = |o: &Output, channels: i64| {
            let size = |d: i64, cells: usize| d < 0 || d == cells as i64;
            o.float32
                && matches!(o.shape[..], [1 | -1, c, h, w]
                    if c == channels && size(h, rows) && size(w, columns))
        };
        let expected = outputs.iter().zip(CHANNELS);
        if outputs.len() != CHANNELS.len() || !expected.clone().all(|(o, c)| fits(o, c)) {
            return Err(format!(
                "float32 1xCx{rows}x{columns} with C = 1, 2, 2 and 10 are expected"
            ));
        }
        Ok(Self {
            outputs: std::array::from_fn(|i| outputs[i].name.clone()),
            columns,
            rows,
        })
    }

    /// Takes another size of the input.
    pub(super) fn resize(&mut self, input: (u32, u32)) -> Result<(), String> {
        (self.columns, self.rows) = grid(input)?;
        Ok(())
    }

    pub(super) fn outputs(&self) -> Vec<&str> {
        self.outputs.iter().map(String::as_str).collect()
    }

    pub(super) fn decode(
        &self,
        outputs: &[&[f32]],
        wanted: Wanted<'_>,
    ) -> Result<Candidates, DecodeError> {
        let cells = self.columns * self.rows;
        let data: [&[f32]; 3] =
            std::array::from_fn(|i| outputs.get(i).copied().unwrap_or_default());
        for ((name, data), channels) in self.outputs.iter().zip(data).zip([1, 2, 2]) {
            check_size(name, data.len(), channels * cells)?;
        }
        let [heat, scale, offset] = data;
        let mut found = Candidates::default();
        if wanted.classes.is_empty() {
            return Ok(found);
        }
        for (cell, &score) in heat.iter().enumerate() {
            if found.reaches(score, wanted.threshold) {
                let stride = STRIDE as f32;
                let x = ((cell % self.columns) as f32 + offset[cells + cell] + 0.5) * stride;
                let y = ((cell / self.columns) as f32 + offset[cell] + 0.5) * stride;
                let half_width = scale[cells + cell].exp() * stride / 2.0;
                let half_height = scale[cell].exp() * stride / 2.0;
                let edges = [
                    x - half_width,
                    y - half_height,
                    x + half_width,
                    y + half_height,
                ];
                found.push(edges, score, 0);
            }
        }
        Ok(found)
    }
}

/// Columns and rows of the outputs.
fn grid(input: (u32, u32)) -> Result<(usize, usize), String> {
    if input.0.is_multiple_of(32) && input.1.is_multiple_of(32) {
        Ok(((input.0 / STRIDE) as usize, (input.1 / STRIDE) as usize))
    } else {
        Err("its input is no multiple of 32 pixels".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(rows: i64, columns: i64) -> Vec<Output> {
        CHANNELS
            .iter()
            .zip(["537", "538", "539", "540"])
            .map(|(&c, name)| Output {
                name: name.into(),
                shape: vec![1, c, rows, columns],
                float32: true,
            })
            .collect()
    }

    #[test]
    fn the_outputs_are_found_by_their_channels() {
        let head = Head::find((64, 32), &outputs(8, 16)).unwrap();
        assert_eq!(head.outputs(), ["537", "538", "539"]);
        assert!(Head::find((64, 32), &outputs(-1, -1)).is_ok());
        assert!(Head::find((64, 32), &outputs(16, 8)).is_err());
        assert!(Head::find((60, 32), &outputs(-1, -1)).is_err());
        assert!(Head::find((64, 32), &outputs(8, 16)[..3]).is_err());
    }

    #[test]
    fn a_peak_becomes_a_box_around_its_centre() {
        let mut head = Head::find((32, 32), &outputs(-1, -1)).unwrap();
        head.resize((64, 32)).unwrap();
        let cells = 8 * 16;
        let (mut heat, mut scale, mut offset) =
            (vec![0.0; cells], vec![0.0; 2 * cells], vec![0.0; 2 * cells]);
        // Row 2, column 5: 12 pixels high, 8 wide, a quarter cell down and half a cell across.
        let cell = 2 * 16 + 5;
        heat[cell] = 0.8;
        (scale[cell], scale[cells + cell]) = (3.0f32.ln(), 2.0f32.ln());
        (offset[cell], offset[cells + cell]) = (0.25, 0.5);
        let wanted = Wanted {
            classes: &[0],
            threshold: 0.5,
        };
        let found = head.decode(&[&heat, &scale, &offset], wanted).unwrap();
        let (x, y) = ((5.0 + 0.5 + 0.5) * 4.0, (2.0 + 0.25 + 0.5) * 4.0);
        let expected = [x - 4.0, y - 6.0, x + 4.0, y + 6.0];
        assert_eq!(found.list.len(), 1);
        for (a, b) in found.list[0].edges.iter().zip(expected) {
            assert!((a - b).abs() < 1e-4, "{:?}", found.list);
        }
        let none = Wanted {
            classes: &[],
            ..wanted
        };
        assert!(
            head.decode(&[&heat, &scale, &offset], none)
                .unwrap()
                .list
                .is_empty()
        );

        scale[cell] = f32::NAN;
        let found = head.decode(&[&heat, &scale, &offset], wanted).unwrap();
        assert!(found.unsure && found.list.is_empty());
        heat[0] = f32::NAN;
        assert!(
            head.decode(&[&heat, &scale, &offset], wanted)
                .unwrap()
                .unsure
        );
        assert!(head.decode(&[&heat, &scale], wanted).is_err());
        assert!(head.decode(&[&heat[1..], &scale, &offset], wanted).is_err());
    }
}
