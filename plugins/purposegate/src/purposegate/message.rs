// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gate says on the bus: an element message named `purposegate`.

use privacy_common::c_text;
use privacy_policy::Refusal;

/// Name of the message's structure.
const NAME: &str = "purposegate";

/// A message of the gate. Field `event` names the variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `opened`: images flow.
    Opened {
        /// The session.
        session: String,
        /// The purpose.
        purpose: String,
        /// Index of the opening entry in the register.
        entry: u64,
        /// End of the decision, RFC 3339.
        expires_at: String,
    },
    /// `refused`: nothing flows.
    Refused {
        /// The session.
        session: String,
        /// Stable code.
        code: String,
        /// What happened and what to do, in English.
        message_en: String,
        /// What happened and what to do, in French.
        message_fr: String,
        /// The articles it rests on.
        legal_ref: String,
        /// Whether the register holds an entry of it.
        recorded: bool,
    },
    /// `expired`: images flowed and do no more.
    Expired {
        /// The session.
        session: String,
        /// `expired` or `clock-back`.
        reason: String,
    },
    /// `held`: the exit gate holds frames back; sent when the reason changes.
    Held {
        /// The session; empty without a purpose.
        session: String,
        /// Why, in English.
        reason: String,
    },
}

impl Message {
    /// The message of a refusal.
    pub fn refused(session: &str, refusal: &Refusal, recorded: bool) -> Self {
        Self::Refused {
            session: session.to_owned(),
            code: refusal.code.clone(),
            message_en: refusal.text(false),
            message_fr: refusal.text(true),
            legal_ref: refusal.legal_ref.clone(),
            recorded,
        }
    }
}

impl From<&Message> for gst::Structure {
    fn from(message: &Message) -> Self {
        let builder = gst::Structure::builder(NAME);
        match message {
            Message::Opened {
                session,
                purpose,
                entry,
                expires_at,
            } => builder
                .field("event", "opened")
                .field("session", &*c_text(session))
                .field("purpose", &*c_text(purpose))
                .field("entry", entry)
                .field("expires-at", &*c_text(expires_at)),
            Message::Refused {
                session,
                code,
                message_en,
                message_fr,
                legal_ref,
                recorded,
            } => builder
                .field("event", "refused")
                .field("session", &*c_text(session))
                .field("code", &*c_text(code))
                .field("message-en", &*c_text(message_en))
                .field("message-fr", &*c_text(message_fr))
                .field("legal-ref", &*c_text(legal_ref))
                .field("recorded", recorded),
            Message::Expired { session, reason } => builder
                .field("event", "expired")
                .field("session", &*c_text(session))
                .field("reason", &*c_text(reason)),
            Message::Held { session, reason } => builder
                .field("event", "held")
                .field("session", &*c_text(session))
                .field("reason", &*c_text(reason)),
        }
        .build()
    }
}

impl TryFrom<&gst::StructureRef> for Message {
    type Error = glib::BoolError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, glib::BoolError> {
        let text = |name: &str| {
            s.get::<String>(name)
                .map_err(|e| glib::bool_error!("{NAME}: {e}"))
        };
        if s.name() != NAME {
            return Err(glib::bool_error!("not a message of {NAME}"));
        }
        Ok(match text("event")?.as_str() {
            "opened" => Self::Opened {
                session: text("session")?,
                purpose: text("purpose")?,
                entry: s
                    .get("entry")
                    .map_err(|e| glib::bool_error!("{NAME}: {e}"))?,
                expires_at: text("expires-at")?,
            },
            "refused" => Self::Refused {
                session: text("session")?,
                code: text("code")?,
                message_en: text("message-en")?,
                message_fr: text("message-fr")?,
                legal_ref: text("legal-ref")?,
                recorded: s
                    .get("recorded")
                    .map_err(|e| glib::bool_error!("{NAME}: {e}"))?,
            },
            "expired" => Self::Expired {
                session: text("session")?,
                reason: text("reason")?,
            },
            "held" => Self::Held {
                session: text("session")?,
                reason: text("reason")?,
            },
            other => return Err(glib::bool_error!("{NAME}: unknown event \"{other}\"")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_its_structure() {
        gst::init().unwrap();
        for message in [
            Message::Opened {
                session: "s".into(),
                purpose: "p".into(),
                entry: 3,
                expires_at: "2026-11-21T12:00:00Z".into(),
            },
            Message::Refused {
                session: "s".into(),
                code: "EXPIRED_MANDATE".into(),
                message_en: "a".into(),
                message_fr: "é".into(),
                legal_ref: "CSI".into(),
                recorded: true,
            },
            Message::Expired {
                session: "s".into(),
                reason: "clock-back".into(),
            },
            Message::Held {
                session: String::new(),
                reason: "r".into(),
            },
        ] {
            let structure = gst::Structure::from(&message);
            assert_eq!(Message::try_from(structure.as_ref()).unwrap(), message);
        }
        assert!(Message::try_from(gst::Structure::new_empty("level").as_ref()).is_err());
    }
}
