// SPDX-License-Identifier: MIT OR Apache-2.0
//! Element messages named `auditsink`; the field `event` says which.

use privacy_common::{
    c_text,
    message::{MessageError, event, field, text},
};

use crate::journal;

/// Name of the structure of every message.
pub const MESSAGE: &str = "auditsink";

/// What the element tells the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `event=opened`: an entry is on the disk, and what it stands for may begin.
    Opened(Opened),
    /// `event=closed`: the closing entry of a session is on the disk.
    Closed(Closed),
    /// `event=checkpoint`: a signed tree head, to be kept elsewhere.
    Checkpoint(Checkpoint),
}

/// What was opened, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// `index`: index of the entry.
    pub index: u64,
    /// `session`.
    pub session: String,
    /// `purpose`: its identifier.
    pub purpose: String,
    /// `operation`: `consult`, `extract`, `refuse`, …
    pub operation: String,
}

/// What was closed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closed {
    /// `index`: index of the entry.
    pub index: u64,
    /// `prior-index`: index of the entry that it completes.
    pub prior_index: u64,
    /// `session`.
    pub session: String,
    /// `sha256`: of the finished file, or of all bytes that arrived, in hex.
    pub sha256: String,
    /// `bytes`: length of what was hashed.
    pub bytes: u64,
    /// `interrupted`: it ended without its end of stream.
    pub interrupted: bool,
}

/// The signed head.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// `size`: entries that it covers.
    pub size: u64,
    /// `root`: root of the Merkle tree, in hex.
    pub root: String,
    /// `checkpoint`: the signed note, as the file `checkpoint` of the register holds it.
    pub checkpoint: String,
}

impl From<journal::Opened> for Message {
    fn from(opened: journal::Opened) -> Self {
        Self::Opened(Opened {
            index: opened.index,
            session: opened.session,
            purpose: opened.purpose,
            operation: opened.operation,
        })
    }
}

impl Message {
    /// What is said at the end of a run.
    pub fn of_end(ended: &journal::Ended) -> Vec<Self> {
        let closed = ended.sessions.iter().map(|session| {
            Self::Closed(Closed {
                index: session.index,
                prior_index: session.prior,
                session: session.session.clone(),
                sha256: ended.output.sha256.clone(),
                bytes: ended.output.bytes,
                interrupted: session.interrupted,
            })
        });
        let checkpoint = Self::Checkpoint(Checkpoint {
            size: ended.checkpoint.size(),
            root: hex::encode(ended.checkpoint.root()),
            checkpoint: String::from_utf8_lossy(ended.checkpoint.bytes()).into_owned(),
        });
        closed.chain([checkpoint]).collect()
    }
}

impl From<&Message> for gst::Structure {
    fn from(message: &Message) -> Self {
        let builder = gst::Structure::builder(MESSAGE);
        match message {
            Message::Opened(m) => builder
                .field("event", "opened")
                .field("index", m.index)
                .field("session", &*c_text(&m.session))
                .field("purpose", &*c_text(&m.purpose))
                .field("operation", &*c_text(&m.operation))
                .build(),
            Message::Closed(m) => builder
                .field("event", "closed")
                .field("index", m.index)
                .field("prior-index", m.prior_index)
                .field("session", &*c_text(&m.session))
                .field("sha256", &*c_text(&m.sha256))
                .field("bytes", m.bytes)
                .field("interrupted", m.interrupted)
                .build(),
            Message::Checkpoint(m) => builder
                .field("event", "checkpoint")
                .field("size", m.size)
                .field("root", &*c_text(&m.root))
                .field("checkpoint", &*c_text(&m.checkpoint))
                .build(),
        }
    }
}

impl TryFrom<&gst::StructureRef> for Message {
    type Error = MessageError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, MessageError> {
        match event(s, MESSAGE)?.as_str() {
            "opened" => Ok(Self::Opened(Opened {
                index: field(s, "index")?,
                session: text(s, "session")?,
                purpose: text(s, "purpose")?,
                operation: text(s, "operation")?,
            })),
            "closed" => Ok(Self::Closed(Closed {
                index: field(s, "index")?,
                prior_index: field(s, "prior-index")?,
                session: text(s, "session")?,
                sha256: text(s, "sha256")?,
                bytes: field(s, "bytes")?,
                interrupted: field(s, "interrupted")?,
            })),
            "checkpoint" => Ok(Self::Checkpoint(Checkpoint {
                size: field(s, "size")?,
                root: text(s, "root")?,
                checkpoint: text(s, "checkpoint")?,
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
            Message::Opened(Opened {
                index: 3,
                session: "s".into(),
                purpose: "p".into(),
                operation: "extract".into(),
            }),
            Message::Closed(Closed {
                index: 4,
                prior_index: 3,
                session: "s".into(),
                sha256: "ab".into(),
                bytes: 7,
                interrupted: true,
            }),
            Message::Checkpoint(Checkpoint {
                size: 5,
                root: "cd".into(),
                checkpoint: "o\n5\nr\n\n— o x\n".into(),
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
