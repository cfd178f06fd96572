// SPDX-License-Identifier: MIT OR Apache-2.0
//! Element messages named `auditsink`; the field `event` says which.

use privacy_common::{
    c_text,
    message::{MessageError, event, field, text},
};
use privacy_register::SignedCheckpoint;

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
    /// `event=segment`: the entry of a segment is on the disk; a checkpoint follows.
    Segment(Segment),
    /// `event=interrupted`: a session whose process died was found and closed.
    Interrupted(Interrupted),
    /// `event=blocked`: the stream waits until the register and the disk can be written again.
    Blocked(Blocked),
    /// `event=resumed`: it goes on.
    Resumed(Resumed),
    /// `event=witness`: the witness has cosigned, or not.
    Witness(Witness),
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

/// A segment that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segment {
    /// `index`: index of the entry.
    pub index: u64,
    /// `prior-index`: index of the opening entry.
    pub prior_index: u64,
    /// `session`.
    pub session: String,
    /// `number`: from 0.
    pub number: u64,
    /// `from-byte`: number of bytes that had arrived when the segment began.
    pub from_byte: u64,
    /// `to-byte`: number of bytes that had arrived when it ended.
    pub to_byte: u64,
    /// `sha256`: of the bytes of this segment as they arrived, in hex.
    pub sha256: String,
}

/// A session of an earlier run that was closed at the start of this one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interrupted {
    /// `index`: index of the closing entry.
    pub index: u64,
    /// `prior-index`: index of the opening entry.
    pub prior_index: u64,
    /// `session`.
    pub session: String,
    /// `left-as`: name of the file that it left, without its folder; empty when none is known.
    pub left_as: String,
}

/// Why the stream waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blocked {
    /// `reason`: the error, with its remedy.
    pub reason: String,
}

/// How long the stream has waited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resumed {
    /// `waited`: in nanoseconds.
    pub waited: u64,
}

/// What came of asking the witness.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Witness {
    /// `witness`: its name.
    pub witness: String,
    /// `cosigned`: it has, and the cosignature was kept.
    pub cosigned: bool,
    /// `size`: entries that the cosignature covers; 0 when there is none.
    pub size: u64,
    /// `root`: root of the Merkle tree over them, in hex; empty when there is none.
    pub root: String,
    /// `disagrees`: the witness knows another history of this register. A person must look at it.
    pub disagrees: bool,
    /// `error`: why there is no cosignature, with the remedy; empty when there is one.
    pub error: String,
}

impl Checkpoint {
    fn of(checkpoint: &SignedCheckpoint) -> Self {
        Self {
            size: checkpoint.size(),
            root: hex::encode(checkpoint.root()),
            checkpoint: String::from_utf8_lossy(checkpoint.bytes()).into_owned(),
        }
    }
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
    /// What is said when a segment has ended.
    pub fn of_cut(cut: &journal::Cut) -> Vec<Self> {
        let segments = cut.segments.iter().cloned().map(Self::from);
        let checkpoint = cut.checkpoint.iter().map(Checkpoint::of);
        segments.chain(checkpoint.map(Self::Checkpoint)).collect()
    }

    /// What is said at the end of a run.
    pub fn of_end(ended: &journal::Ended) -> Vec<Self> {
        let segments = ended.segments.iter().cloned().map(Self::from);
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
        let checkpoint = Self::Checkpoint(Checkpoint::of(&ended.checkpoint));
        segments.chain(closed).chain([checkpoint]).collect()
    }
}

impl From<journal::Recorded> for Message {
    fn from(segment: journal::Recorded) -> Self {
        Self::Segment(Segment {
            index: segment.index,
            prior_index: segment.prior,
            session: segment.session,
            number: segment.number,
            from_byte: segment.from,
            to_byte: segment.to,
            sha256: segment.sha256,
        })
    }
}

impl From<journal::Settled> for Message {
    fn from(settled: journal::Settled) -> Self {
        Self::Interrupted(Interrupted {
            index: settled.index,
            prior_index: settled.prior,
            session: settled.session,
            left_as: settled.left_as.unwrap_or_default(),
        })
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
            Message::Segment(m) => builder
                .field("event", "segment")
                .field("index", m.index)
                .field("prior-index", m.prior_index)
                .field("session", &*c_text(&m.session))
                .field("number", m.number)
                .field("from-byte", m.from_byte)
                .field("to-byte", m.to_byte)
                .field("sha256", &*c_text(&m.sha256))
                .build(),
            Message::Interrupted(m) => builder
                .field("event", "interrupted")
                .field("index", m.index)
                .field("prior-index", m.prior_index)
                .field("session", &*c_text(&m.session))
                .field("left-as", &*c_text(&m.left_as))
                .build(),
            Message::Blocked(m) => builder
                .field("event", "blocked")
                .field("reason", &*c_text(&m.reason))
                .build(),
            Message::Resumed(m) => builder
                .field("event", "resumed")
                .field("waited", m.waited)
                .build(),
            Message::Witness(m) => builder
                .field("event", "witness")
                .field("witness", &*c_text(&m.witness))
                .field("cosigned", m.cosigned)
                .field("size", m.size)
                .field("root", &*c_text(&m.root))
                .field("disagrees", m.disagrees)
                .field("error", &*c_text(&m.error))
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
            "segment" => Ok(Self::Segment(Segment {
                index: field(s, "index")?,
                prior_index: field(s, "prior-index")?,
                session: text(s, "session")?,
                number: field(s, "number")?,
                from_byte: field(s, "from-byte")?,
                to_byte: field(s, "to-byte")?,
                sha256: text(s, "sha256")?,
            })),
            "interrupted" => Ok(Self::Interrupted(Interrupted {
                index: field(s, "index")?,
                prior_index: field(s, "prior-index")?,
                session: text(s, "session")?,
                left_as: text(s, "left-as")?,
            })),
            "blocked" => Ok(Self::Blocked(Blocked {
                reason: text(s, "reason")?,
            })),
            "resumed" => Ok(Self::Resumed(Resumed {
                waited: field(s, "waited")?,
            })),
            "witness" => Ok(Self::Witness(Witness {
                witness: text(s, "witness")?,
                cosigned: field(s, "cosigned")?,
                size: field(s, "size")?,
                root: text(s, "root")?,
                disagrees: field(s, "disagrees")?,
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
            Message::Segment(Segment {
                index: 5,
                prior_index: 3,
                session: "s".into(),
                number: 1,
                from_byte: 10,
                to_byte: 20,
                sha256: "ef".into(),
            }),
            Message::Interrupted(Interrupted {
                index: 6,
                prior_index: 2,
                session: "t".into(),
                left_as: ".piece.mp4.ab.part".into(),
            }),
            Message::Blocked(Blocked {
                reason: "full".into(),
            }),
            Message::Resumed(Resumed { waited: 9 }),
            Message::Witness(Witness {
                witness: "w".into(),
                cosigned: true,
                size: 7,
                root: "01".into(),
                disagrees: false,
                error: String::new(),
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
