// SPDX-License-Identifier: MIT OR Apache-2.0
//! One frame through model and decoder: prepare, run, decode, suppress, back to the frame.

use std::time::{Duration, Instant};

use crate::{
    decode::Wanted,
    letterbox::Rect,
    model::{Model, RunError},
    nms,
    preprocess::{Component, Format, PreprocessError, Preprocessor},
};

/// A model and what the frames of the stream look like.
#[derive(Debug)]
pub struct Detector {
    model: Model,
    preprocessor: Option<Preprocessor>,
}

/// What is asked of one frame.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Indices of the classes to report.
    pub classes: &'a [usize],
    /// Lowest score to report, 0 to 1.
    pub score_threshold: f32,
    /// Overlap above which two boxes of a class are one object, 0 to 1.
    pub iou_threshold: f32,
    /// Most objects to report.
    pub max_detections: usize,
}

/// One object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    /// Index of its class.
    pub class: usize,
    /// Score, 0 to 1.
    pub score: f32,
    /// Where in the frame.
    pub rect: Rect,
}

/// What was found in one frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scan {
    /// Best score first.
    pub objects: Vec<Object>,
    /// More is there than `objects` holds, or something that has no usable box.
    pub overflow: bool,
    /// Time for preparing, running and decoding.
    pub times: Times,
}

/// How long the three steps took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// From the planes of the frame to the input.
    pub preprocess: Duration,
    /// The model itself.
    pub inference: Duration,
    /// From its outputs to boxes.
    pub decode: Duration,
}

/// Why a frame could not be looked at. It must go on without a stamp.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// No format was set.
    #[error("a frame came before its caps")]
    NoFormat,
    /// The frame cannot be read.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The model failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Detector {
    /// A detector that waits for its first format.
    pub fn new(model: Model) -> Self {
        Self {
            model,
            preprocessor: None,
        }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What the following frames look like: width and height in pixels, and their samples.
    pub fn set_format(&mut self, frame: (u32, u32), format: &Format) -> Result<(), ScanError> {
        self.preprocessor = None;
        self.model.fit(frame)?;
        let preprocessor = Preprocessor::new(frame, format, self.model.input);
        preprocessor.fill_border(self.model.tensor()?)?;
        self.preprocessor = Some(preprocessor);
        Ok(())
    }

    /// Looks at one frame.
    pub fn scan(
        &mut self,
        components: &[Component<'_>; 3],
        options: Options<'_>,
    ) -> Result<Scan, ScanError> {
        let preprocessor = self.preprocessor.as_ref().ok_or(ScanError::NoFormat)?;
        let start = Instant::now();
        preprocessor.fill(components, self.model.tensor()?)?;
        let prepared = Instant::now();
        let (candidates, ran) = self.model.run(|decoder, outputs| {
            let ran = Instant::now();
            let wanted = Wanted {
                classes: options.classes,
                threshold: options.score_threshold,
            };
            Ok((decoder.decode(outputs, wanted)?, ran))
        })?;
        let kept = nms::suppress(
            candidates.list,
            options.iou_threshold,
            options.max_detections,
        );
        let objects = kept
            .candidates
            .iter()
            .filter_map(|c| {
                Some(Object {
                    class: c.class,
                    score: c.score,
                    rect: preprocessor.letterbox().to_frame(c.edges)?,
                })
            })
            .collect();
        Ok(Scan {
            objects,
            overflow: kept.overflow || candidates.unsure,
            times: Times {
                preprocess: prepared - start,
                inference: ran - prepared,
                decode: ran.elapsed(),
            },
        })
    }
}
