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
    /// `expiring`: the decision ends soon.
    Expiring {
        /// The session.
        session: String,
        /// End of the decision, RFC 3339.
        expires_at: String,
    },
    /// `revoked`: images flowed and do no more, for another reason than time.
    Revoked {
        /// The session.
        session: String,
        /// Code of the refusal.
        code: String,
    },
    /// `suspended`: images do not flow for now (deny-action drop or black).
    Suspended {
        /// The session.
        session: String,
        /// Code of the refusal.
        code: String,
    },
    /// `resumed`: images flow again after a suspension.
    Resumed {
        /// The session.
        session: String,
    },
    /// `renewed`: another mandate took the place of the one in use.
    Renewed {
        /// The session.
        session: String,
        /// SHA-256 of the new mandate, in hex.
        mandate_digest: String,
        /// End of the decision, RFC 3339.
        expires_at: String,
    },
    /// `held`: the gate holds frames back; sent when the reason changes.
    Held {
        /// The session; empty without a purpose.
        session: String,
        /// Stable code.
        code: String,
        /// Why, in English.
        reason: String,
        /// Why, in French.
        reason_fr: String,
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
            Message::Expiring {
                session,
                expires_at,
            } => builder
                .field("event", "expiring")
                .field("session", &*c_text(session))
                .field("expires-at", &*c_text(expires_at)),
            Message::Revoked { session, code } => builder
                .field("event", "revoked")
                .field("session", &*c_text(session))
                .field("code", &*c_text(code)),
            Message::Suspended { session, code } => builder
                .field("event", "suspended")
                .field("session", &*c_text(session))
                .field("code", &*c_text(code)),
            Message::Resumed { session } => builder
                .field("event", "resumed")
                .field("session", &*c_text(session)),
            Message::Renewed {
                session,
                mandate_digest,
                expires_at,
            } => builder
                .field("event", "renewed")
                .field("session", &*c_text(session))
                .field("mandate-digest", &*c_text(mandate_digest))
                .field("expires-at", &*c_text(expires_at)),
            Message::Held {
                session,
                code,
                reason,
                reason_fr,
            } => builder
                .field("event", "held")
                .field("session", &*c_text(session))
                .field("code", &*c_text(code))
                .field("reason", &*c_text(reason))
                .field("reason-fr", &*c_text(reason_fr)),
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
            "expiring" => Self::Expiring {
                session: text("session")?,
                expires_at: text("expires-at")?,
            },
            "revoked" => Self::Revoked {
                session: text("session")?,
                code: text("code")?,
            },
            "suspended" => Self::Suspended {
                session: text("session")?,
                code: text("code")?,
            },
            "resumed" => Self::Resumed {
                session: text("session")?,
            },
            "renewed" => Self::Renewed {
                session: text("session")?,
                mandate_digest: text("mandate-digest")?,
                expires_at: text("expires-at")?,
            },
            "held" => Self::Held {
                session: text("session")?,
                code: text("code")?,
                reason: text("reason")?,
                reason_fr: text("reason-fr")?,
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
                code: "HELD_NOT_MASKED".into(),
                reason: "r".into(),
                reason_fr: "é".into(),
            },
            Message::Expiring {
                session: "s".into(),
                expires_at: "2026-11-21T12:00:00Z".into(),
            },
            Message::Revoked {
                session: "s".into(),
                code: "REVOKED_MANDATE".into(),
            },
            Message::Suspended {
                session: "s".into(),
                code: "OUTSIDE_SCHEDULE".into(),
            },
            Message::Resumed {
                session: "s".into(),
            },
            Message::Renewed {
                session: "s".into(),
                mandate_digest: "00".into(),
                expires_at: "2026-11-21T12:00:00Z".into(),
            },
        ] {
            let structure = gst::Structure::from(&message);
            assert_eq!(Message::try_from(structure.as_ref()).unwrap(), message);
        }
        assert!(Message::try_from(gst::Structure::new_empty("level").as_ref()).is_err());
    }
}
