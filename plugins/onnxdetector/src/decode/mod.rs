// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the model's outputs to candidates, one module per family of models.

pub mod centerface;
pub mod nanodet;
pub mod yolox;

use crate::{nms::Candidate, preprocess::InputSpec};

/// One output of a model as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Name of the tensor.
    pub name: String,
    /// Sizes; -1 where the file leaves one free.
    pub shape: Vec<i64>,
    /// It holds float32 values.
    pub float32: bool,
}

/// Family of models, as the user chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// NanoDet: a score and a distance tensor per stride.
    NanoDet,
    /// YOLOX: one tensor of boxes, objectness and class scores, not yet decoded.
    Yolox,
    /// CenterFace: heat map, scale and offset of faces.
    CenterFace,
}

/// How the outputs of one model are read.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoder {
    /// See [`nanodet`].
    NanoDet(nanodet::Head),
    /// See [`yolox`].
    Yolox(yolox::Head),
    /// See [`centerface`].
    CenterFace(centerface::Head),
}

/// What a frame's outputs hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Candidates {
    /// Everything that scored at least the threshold.
    pub list: Vec<Candidate>,
    /// A score was not a number, an edge was not finite or a box was empty: something may be there that
    /// has no box, so the frame counts as one with more objects than reported.
    pub unsure: bool,
}

/// Which candidates are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Indices of the classes to report, each less than the number of classes of the model.
    pub classes: &'a [usize],
    /// Lowest score.
    pub threshold: f32,
}

/// Why outputs cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No decoder fits: this is no detector that the element can read.
    #[error(
        "the outputs {0} are those of no known detector: known are NanoDet (cls_S and dis_S for each stride S), YOLOX (one output 1 x cells x (5 + classes), not decoded) and CenterFace (heat, scale, offset, landmarks)"
    )]
    Unknown(String),
    /// The decoder that was asked for does not fit.
    #[error("the outputs {outputs} are not those of decoder={decoder}: {why}")]
    Mismatch {
        /// Value of the property.
        decoder: &'static str,
        /// What the model has.
        outputs: String,
        /// What is missing.
        why: String,
    },
    /// An output of one frame has another size than the file declared.
    #[error("output {name} holds {have} values, {need} are needed")]
    Size {
        /// Name of the output.
        name: String,
        /// Values there.
        have: usize,
        /// Values needed.
        need: usize,
    },
}

impl Decoder {
    /// The decoder for a model with an input of `input` (width, height) pixels; `family` is `None` for
    /// whichever fits.
    pub fn find(
        family: Option<Family>,
        input: (u32, u32),
        outputs: &[Output],
    ) -> Result<Self, DecodeError> {
        let nanodet = || nanodet::Head::find(input, outputs).map(Self::NanoDet);
        let yolox = || yolox::Head::find(input, outputs).map(Self::Yolox);
        let centerface = || centerface::Head::find(input, outputs).map(Self::CenterFace);
        let mismatch = |decoder| {
            move |why| DecodeError::Mismatch {
                decoder,
                outputs: describe(outputs),
                why,
            }
        };
        match family {
            Some(Family::NanoDet) => nanodet().map_err(mismatch("nanodet")),
            Some(Family::Yolox) => yolox().map_err(mismatch("yolox")),
            Some(Family::CenterFace) => centerface().map_err(mismatch("centerface")),
            None => nanodet()
                .or_else(|_| yolox())
                .or_else(|_| centerface())
                .map_err(|_| DecodeError::Unknown(describe(outputs))),
        }
    }

    /// Value of the property `decoder` that stands for this one.
    pub fn nick(&self) -> &'static str {
        match self {
            Self::NanoDet(_) => "nanodet",
            Self::Yolox(_) => "yolox",
            Self::CenterFace(_) => "centerface",
        }
    }

    /// Number of classes that the outputs hold.
    pub fn classes(&self) -> usize {
        match self {
            Self::NanoDet(head) => head.classes(),
            Self::Yolox(head) => head.classes(),
            Self::CenterFace(_) => 1,
        }
    }

    /// Names of the outputs, in the order in which [`Decoder::decode`] takes them.
    pub fn outputs(&self) -> Vec<&str> {
        match self {
            Self::NanoDet(head) => head.outputs(),
            Self::Yolox(head) => head.outputs(),
            Self::CenterFace(head) => head.outputs(),
        }
    }

    /// What this family expects of its input.
    pub fn input(&self, width: u32, height: u32) -> InputSpec {
        match self {
            Self::NanoDet(_) => nanodet::input(width, height),
            Self::Yolox(_) => yolox::input(width, height),
            Self::CenterFace(_) => centerface::input(width, height),
        }
    }

    /// Takes another size of the input, of a model that leaves it free.
    pub fn resize(&mut self, width: u32, height: u32) -> Result<(), DecodeError> {
        match self {
            Self::CenterFace(head) => {
                head.resize((width, height))
                    .map_err(|why| DecodeError::Mismatch {
                        decoder: "centerface",
                        outputs: String::new(),
                        why,
                    })
            }
            Self::NanoDet(_) | Self::Yolox(_) => Ok(()),
        }
    }

    /// Reads the outputs of one frame.
    pub fn decode(
        &self,
        outputs: &[&[f32]],
        wanted: Wanted<'_>,
    ) -> Result<Candidates, DecodeError> {
        match self {
            Self::NanoDet(head) => head.decode(outputs, wanted),
            Self::Yolox(head) => head.decode(outputs, wanted),
            Self::CenterFace(head) => head.decode(outputs, wanted),
        }
    }
}

impl Candidates {
    /// Takes a candidate whose score has reached the threshold.
    fn push(&mut self, edges: [f32; 4], score: f32, class: usize) {
        let [left, top, right, bottom] = edges;
        if edges.iter().all(|e| e.is_finite()) && left < right && top < bottom {
            self.list.push(Candidate {
                edges,
                score,
                class,
            });
        } else {
            self.unsure = true;
        }
    }

    /// Whether a score is worth a box; one that is no finite number is remembered.
    fn reaches(&mut self, score: f32, threshold: f32) -> bool {
        self.unsure |= !score.is_finite();
        score >= threshold && score.is_finite()
    }
}

/// The output of that name, if there is exactly one and it has three dimensions of float32, the first one 1.
fn three_dimensional(output: &Output) -> Option<(i64, i64)> {
    match output.shape[..] {
        [1 | -1, cells, values] if output.float32 => Some((cells, values)),
        _ => None,
    }
}

fn check_size(name: &str, have: usize, need: usize) -> Result<(), DecodeError> {
    if have == need {
        Ok(())
    } else {
        Err(DecodeError::Size {
            name: name.to_owned(),
            have,
            need,
        })
    }
}

/// The outputs in words, for an error.
pub fn describe(outputs: &[Output]) -> String {
    outputs
        .iter()
        .map(|o| {
            let shape: Vec<_> = o
                .shape
                .iter()
                .map(|&d| if d < 0 { "?".to_owned() } else { d.to_string() })
                .collect();
            format!("{} [{}]", o.name, shape.join("x"))
        })
        .collect::<Vec<_>>()
        .join(", ")
}
