// SPDX-License-Identifier: MIT OR Apache-2.0
//! Element messages named `onnxdetector`; the field `event` says which.

use privacy_common::{
    c_text,
    message::{MessageError, event, field, text, time},
};

/// Name of the structure of every message.
pub const MESSAGE: &str = "onnxdetector";

/// What the element tells the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `event=ready`: the model is loaded and checked.
    Ready(Ready),
    /// `event=inference-failed`: a frame was not looked at and goes on without a scan stamp.
    InferenceFailed(InferenceFailed),
}

/// What is ready.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ready {
    /// `model-sha256`: SHA-256 of the model file, in hex.
    pub model_sha256: String,
    /// `decoder`: how its outputs are read.
    pub decoder: String,
    /// `runtime-version`: version and build of ONNX Runtime.
    pub runtime_version: String,
    /// `active-provider`: what runs it.
    pub active_provider: String,
    /// `classes`: labels that are reported, one per line.
    pub classes: Vec<String>,
    /// `use`: `mask` or `statistics`.
    pub used_for: String,
}

/// Which frame was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InferenceFailed {
    /// `timestamp`: PTS of the frame.
    pub timestamp: Option<gst::ClockTime>,
    /// `consecutive`: failures in a row, this one included.
    pub consecutive: u32,
    /// `error`: what failed.
    pub error: String,
}

impl From<&Message> for gst::Structure {
    fn from(message: &Message) -> Self {
        let builder = gst::Structure::builder(MESSAGE);
        match message {
            Message::Ready(m) => builder
                .field("event", "ready")
                .field("model-sha256", &*c_text(&m.model_sha256))
                .field("decoder", &*c_text(&m.decoder))
                .field("runtime-version", &*c_text(&m.runtime_version))
                .field("active-provider", &*c_text(&m.active_provider))
                .field("classes", &*c_text(&m.classes.join("\n")))
                .field("use", &*c_text(&m.used_for))
                .build(),
            Message::InferenceFailed(m) => builder
                .field("event", "inference-failed")
                .field(
                    "timestamp",
                    m.timestamp.map_or(u64::MAX, gst::ClockTime::nseconds),
                )
                .field("consecutive", m.consecutive)
                .field("error", &*c_text(&m.error))
                .build(),
        }
    }
}

impl TryFrom<&gst::StructureRef> for Message {
    type Error = MessageError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, MessageError> {
        match event(s, MESSAGE)?.as_str() {
            "ready" => Ok(Self::Ready(Ready {
                model_sha256: text(s, "model-sha256")?,
                decoder: text(s, "decoder")?,
                runtime_version: text(s, "runtime-version")?,
                active_provider: text(s, "active-provider")?,
                classes: text(s, "classes")?.lines().map(str::to_owned).collect(),
                used_for: text(s, "use")?,
            })),
            "inference-failed" => Ok(Self::InferenceFailed(InferenceFailed {
                timestamp: time(s, "timestamp")?,
                consecutive: field(s, "consecutive")?,
                error: text(s, "error")?,
            })),
            _ => Err(MessageError::Unknown(MESSAGE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_a_structure_and_miss_no_field() {
        gst::init().unwrap();
        for message in [
            Message::Ready(Ready {
                model_sha256: "ab".into(),
                decoder: "nanodet".into(),
                runtime_version: "1.31 (build)".into(),
                active_provider: "cpu".into(),
                classes: vec!["person".into(), "traffic light".into()],
                used_for: "mask".into(),
            }),
            Message::InferenceFailed(InferenceFailed {
                timestamp: None,
                consecutive: 3,
                error: "index out of range".into(),
            }),
        ] {
            let s = gst::Structure::from(&message);
            assert_eq!(Message::try_from(s.as_ref()), Ok(message));
            for name in s.fields() {
                let mut cut = s.clone();
                cut.remove_field(name);
                assert!(Message::try_from(cut.as_ref()).is_err(), "without {name}");
            }
        }
        let other = gst::Structure::new_empty("level");
        assert_eq!(
            Message::try_from(other.as_ref()),
            Err(MessageError::Unknown(MESSAGE))
        );
    }
}
