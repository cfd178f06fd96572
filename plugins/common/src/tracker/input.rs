// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tracker is given: boxes, and how it is to decide.

use crate::Detection;

/// A box in pixels, in floating point because predictions fall between pixels and outside the frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// A box seen on a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<'a> {
    /// Label of the class.
    pub class: &'a str,
    /// Where it is.
    pub rect: Rect,
    /// Score, 0 to 1. A box without one counts as confident: ordinary elements drop scores.
    pub score: Option<f32>,
}

/// How a [`Tracker`](super::Tracker) decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Boxes from this score on are confident: they are matched first, and only they start tracks.
    pub high_score: f32,
    /// Boxes below this score are not looked at.
    pub low_score: f32,
    /// Smallest overlap (intersection over union) of a confident box with the track it continues.
    pub match_iou: f32,
    /// Smallest overlap of a box of low score with the track it continues.
    pub low_match_iou: f32,
    /// How far a track without a velocity may jump, in means of width and height of its box.
    pub reach: f32,
    /// Number of frames an object must be seen on before its track is confirmed; at least 1.
    pub confirm_hits: u32,
    /// How long a confirmed track is carried on without being seen, in the unit of `elapsed`.
    pub coast: f32,
    /// The same for a track that is not confirmed yet.
    pub tentative_coast: f32,
    /// Most tracks held at once. Beyond it the longest unseen one makes room; if all are in view, new
    /// objects wait.
    pub max_tracks: usize,
}

impl Default for Config {
    /// For counting, with `elapsed` in frames: the thresholds of ByteTrack at its 30 frames of patience.
    fn default() -> Self {
        Self {
            high_score: 0.5,
            low_score: 0.1,
            match_iou: 0.2,
            low_match_iou: 0.5,
            reach: 2.5,
            confirm_hits: 3,
            coast: 30.0,
            tentative_coast: 0.0,
            max_tracks: 512,
        }
    }
}

impl Rect {
    /// Whether the box has an area and lies where pixels can be.
    pub fn is_valid(&self) -> bool {
        let place = |v: f32| v.abs() <= LARGEST;
        let size = |v: f32| v > 0.0 && v <= LARGEST;
        place(self.x) && place(self.y) && size(self.width) && size(self.height)
    }

    pub(super) fn centre(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

impl<'a> From<&'a Detection> for Observation<'a> {
    fn from(d: &'a Detection) -> Self {
        // Coordinates of frames are far below 2²⁴, where f32 stops being exact.
        let rect = Rect {
            x: d.x as f32,
            y: d.y as f32,
            width: d.width as f32,
            height: d.height as f32,
        };
        Self {
            class: &d.class,
            rect,
            score: d.score,
        }
    }
}

impl Config {
    pub(super) fn level(&self, observation: &Observation) -> Level {
        if !observation.rect.is_valid() {
            return Level::Ignored;
        }
        match observation.score {
            Some(score) if score < self.low_score => Level::Ignored,
            Some(score) if score < self.high_score => Level::Low,
            // No score, a confident one, or one that is not a number and therefore no score.
            _ => Level::High,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    High,
    Low,
    Taken,
    Ignored,
}

/// No frame is larger, in pixels; beyond it, f32 is not exact either.
pub const LARGEST: f32 = 1_000_000.0;
