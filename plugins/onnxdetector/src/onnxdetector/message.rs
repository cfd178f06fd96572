// SPDX-License-Identifier: MIT OR Apache-2.0
//! Element messages named `onnxdetector`; the field `event` says which.

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

/// Why a structure is none of these messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is a message of something else, or of a newer version of the element.
    #[error("it is no message of onnxdetector known here")]
    Unknown,
    /// A field is missing or has another type.
    #[error("field `{0}` is missing or has the wrong type")]
    Field(&'static str),
}

impl From<&Message> for gst::Structure {
    fn from(message: &Message) -> Self {
        let builder = gst::Structure::builder(MESSAGE);
        match message {
            Message::Ready(m) => builder
                .field("event", "ready")
                .field("model-sha256", &m.model_sha256)
                .field("decoder", &m.decoder)
                .field("runtime-version", &m.runtime_version)
                .field("active-provider", &m.active_provider)
                .field("classes", m.classes.join("\n"))
                .field("use", &m.used_for)
                .build(),
            Message::InferenceFailed(m) => builder
                .field("event", "inference-failed")
                .field(
                    "timestamp",
                    m.timestamp.map_or(u64::MAX, gst::ClockTime::nseconds),
                )
                .field("consecutive", m.consecutive)
                .field("error", &m.error)
                .build(),
        }
    }
}

impl TryFrom<&gst::StructureRef> for Message {
    type Error = MessageError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, MessageError> {
        if s.name() != MESSAGE {
            return Err(MessageError::Unknown);
        }
        match text(s, "event")?.as_str() {
            "ready" => Ok(Self::Ready(Ready {
                model_sha256: text(s, "model-sha256")?,
                decoder: text(s, "decoder")?,
                runtime_version: text(s, "runtime-version")?,
                active_provider: text(s, "active-provider")?,
                classes: text(s, "classes")?.lines().map(str::to_owned).collect(),
                used_for: text(s, "use")?,
            })),
            "inference-failed" => Ok(Self::InferenceFailed(InferenceFailed {
                timestamp: gst::ClockTime::try_from(field::<u64>(s, "timestamp")?).ok(),
                consecutive: field(s, "consecutive")?,
                error: text(s, "error")?,
            })),
            _ => Err(MessageError::Unknown),
        }
    }
}

fn field<'a, T: glib::value::FromValue<'a>>(
    s: &'a gst::StructureRef,
    name: &'static str,
) -> Result<T, MessageError> {
    s.get::<T>(name).map_err(|_| MessageError::Field(name))
}

fn text(s: &gst::StructureRef, name: &'static str) -> Result<String, MessageError> {
    field::<&str>(s, name).map(str::to_owned)
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
            Err(MessageError::Unknown)
        );
    }
}
