// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an entry says.
//!
//! Fields and names follow the register required by art. R. 252-11 and R. 253-5 of the *Code de la
//! sécurité intérieure* (date, reason, authorised agent, recipient) and what a control needs beyond
//! them. An entry never holds pixels, crops, plates, embeddings or names of filmed people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::{Agent, Anonymisation, Element, Erasure, Model, Output, Recipient, Refusal};

/// The `schema` of the entries that this version writes.
pub const SCHEMA: &str = "gst-privacy/register-entry/1";

/// Longest entry in bytes, set by the 16-bit length of a C2SP entry bundle.
pub const MAX_ENTRY_SIZE: usize = 65_535;

/// What was done. The first five are those that art. R. 253-5 CSI wants logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Images were taken in.
    Collect,
    /// Images were changed.
    Modify,
    /// Images were looked at.
    Consult,
    /// Images were communicated to somebody.
    Communicate,
    /// Images, or bodies of entries of this register, were erased.
    Erase,
    /// Images were extracted into a file or a stream that leaves the system.
    Extract,
    /// Images were published.
    Publish,
    /// Something was asked for and refused.
    Refuse,
    /// The system was configured.
    Config,
    /// A window of statistics was published.
    WindowPublished,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 10] = [
        Self::Collect,
        Self::Modify,
        Self::Consult,
        Self::Communicate,
        Self::Erase,
        Self::Extract,
        Self::Publish,
        Self::Refuse,
        Self::Config,
        Self::WindowPublished,
    ];

    /// The word used in entries.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Modify => "modify",
            Self::Consult => "consult",
            Self::Communicate => "communicate",
            Self::Erase => "erase",
            Self::Extract => "extract",
            Self::Publish => "publish",
            Self::Refuse => "refuse",
            Self::Config => "config",
            Self::WindowPublished => "window_published",
        }
    }

    /// The operation that `nick` names; `None` for an unknown word.
    pub fn from_nick(nick: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.nick() == nick)
    }
}

/// Place of an entry in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Written before anything flows. A later `close` entry completes it.
    Open,
    /// Written in between, with what has flowed so far; `prior_entry_seq` names the opening entry.
    Segment,
    /// Written after the end; `prior_entry_seq` names the entry that it completes.
    Close,
}

impl Phase {
    /// The phase that `nick`, as in entries, names; `None` for an unknown word.
    pub(crate) fn from_nick(nick: &str) -> Option<Self> {
        match nick {
            "open" => Some(Self::Open),
            "segment" => Some(Self::Segment),
            "close" => Some(Self::Close),
            _ => None,
        }
    }
}

/// What the writer of an entry has to say; [`Record`] adds what the register adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What was done.
    pub operation: Operation,
    /// The session, a random identifier shared by the entries of one run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// Place in the session; `None` for an entry that stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The entry that this one completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_entry_seq: Option<u64>,
    /// The session ended without its end of stream.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Identifier of the purpose.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose_id: String,
    /// The purpose in French, as shown to users.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose_label_fr: String,
    /// The reason, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub motif: String,
    /// Who acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// To whom the images go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destinataire: Option<Recipient>,
    /// Identifier of the mandate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mandate_id: String,
    /// SHA-256 of the mandate, in hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mandate_digest: String,
    /// Version of the rules that decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rules_version: String,
    /// Cameras concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<String>,
    /// How the images were masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymisation: Option<Anonymisation>,
    /// What was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// Models used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Model>,
    /// Software used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Element>,
    /// Host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_id: String,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Erasure>,
    /// Everything else that the writer knows (`legal_refs`, `mode`, `footage_from`, …), kept as it came.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

impl Entry {
    /// An empty entry. [`Entry::check`] says what is still missing.
    pub fn new(operation: Operation) -> Self {
        Self {
            operation,
            session: String::new(),
            phase: None,
            prior_entry_seq: None,
            interrupted: false,
            purpose_id: String::new(),
            purpose_label_fr: String::new(),
            motif: String::new(),
            agent: None,
            destinataire: None,
            mandate_id: String::new(),
            mandate_digest: String::new(),
            rules_version: String::new(),
            cameras: Vec::new(),
            anonymisation: None,
            output: None,
            models: Vec::new(),
            elements: Vec::new(),
            host_id: String::new(),
            refusal: None,
            erasure: None,
            more: BTreeMap::new(),
        }
    }

    /// Reads an entry from a JSON object. `operation` stands in for a missing or different one: whoever
    /// asks for an entry says beside it what the operation is.
    ///
    /// # Errors
    ///
    /// When `json` is not an object, or a known field has another type.
    pub fn from_json(operation: Operation, json: &str) -> Result<Self, EntryError> {
        let mut value: Value =
            serde_json::from_str(json).map_err(|e| EntryError::Json(e.to_string()))?;
        let Some(object) = value.as_object_mut() else {
            return Err(EntryError::Json("not a JSON object".into()));
        };
        // These are the register's own: a writer that sets them would forge its place in the list.
        for own in ["schema", "seq", "timestamp", "salt"] {
            if object.contains_key(own) {
                return Err(EntryError::Reserved(own));
            }
        }
        // It would let whoever can write to the disk empty those entries, and they would pass for erased.
        if object
            .get("erasure")
            .is_some_and(|erasure| erasure.get("entries_before").is_some())
        {
            return Err(EntryError::Reserved("erasure.entries_before"));
        }
        object.insert("operation".into(), operation.nick().into());
        serde_json::from_value(value).map_err(|e| EntryError::Json(e.to_string()))
    }

    /// Whether the fields that make the register a register are there: reason, purpose and agent for
    /// anything that was done with images, recipient for anything that leaves.
    ///
    /// # Errors
    ///
    /// The first field that is missing.
    pub fn check(&self) -> Result<(), EntryError> {
        self.filled().check(self.operation, self.phase)
    }

    pub(crate) fn filled(&self) -> Filled {
        Filled {
            purpose: filled(&self.purpose_id),
            motif: filled(&self.motif),
            agent: self.agent.as_ref().is_some_and(|a| filled(&a.id)),
            recipient: self
                .destinataire
                .as_ref()
                .is_some_and(Recipient::names_somebody),
            refusal: self.refusal.as_ref().is_some_and(|r| filled(&r.code)),
            erasure: self.erasure.as_ref().is_some_and(|e| filled(&e.reason)),
            session: filled(&self.session),
            prior: self.prior_entry_seq.is_some(),
        }
    }
}

/// Whether a text says anything.
pub(crate) fn filled(text: &str) -> bool {
    !text.trim().is_empty()
}

/// Which of the fields that some operation cannot do without are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Filled {
    pub purpose: bool,
    pub motif: bool,
    pub agent: bool,
    pub recipient: bool,
    pub refusal: bool,
    pub erasure: bool,
    pub session: bool,
    pub prior: bool,
}

impl Filled {
    pub fn check(self, operation: Operation, phase: Option<Phase>) -> Result<(), EntryError> {
        use Operation as Op;
        let wanted: &[(bool, &'static str)] = match operation {
            Op::Refuse => &[(self.refusal, "refusal.code")],
            Op::Config => &[],
            Op::Erase => &[(self.erasure, "erasure.reason")],
            _ => &[
                (self.purpose, "purpose_id"),
                (self.motif, "motif"),
                (self.agent, "agent.id"),
            ],
        };
        let leaves = matches!(operation, Op::Communicate | Op::Extract | Op::Publish);
        let continues = matches!(phase, Some(Phase::Segment | Phase::Close));
        let further = [
            (!leaves || self.recipient, "destinataire"),
            (phase.is_none() || self.session, "session"),
            (!continues || self.prior, "prior_entry_seq"),
        ];
        match wanted.iter().chain(&further).find(|(there, _)| !there) {
            Some((_, field)) => Err(EntryError::Missing {
                operation: operation.nick(),
                field,
            }),
            None => Ok(()),
        }
    }
}

/// An entry as it stands in the register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// Index of the entry, from 0.
    pub seq: u64,
    /// When it was written (UTC, milliseconds).
    pub timestamp: Timestamp,
    /// 32 random hex digits: an erased body cannot be guessed from its leaf hash.
    pub salt: String,
    /// What the writer said.
    #[serde(flatten)]
    pub entry: Entry,
}

impl Record {
    /// Reads the body of an entry.
    ///
    /// # Errors
    ///
    /// When it is not a record of this [`SCHEMA`].
    pub fn from_bytes(body: &[u8]) -> Result<Self, EntryError> {
        let record: Self =
            serde_json::from_slice(body).map_err(|e| EntryError::Json(e.to_string()))?;
        if record.schema != SCHEMA {
            return Err(EntryError::Schema(record.schema));
        }
        Ok(record)
    }

    /// The bytes that go into the register.
    ///
    /// # Errors
    ///
    /// When they are more than [`MAX_ENTRY_SIZE`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        let body = serde_json::to_vec(self).map_err(|e| EntryError::Json(e.to_string()))?;
        if body.len() > MAX_ENTRY_SIZE {
            return Err(EntryError::TooLong(body.len()));
        }
        Ok(body)
    }
}

/// Why something cannot be an entry. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not JSON, or a field has the wrong type.
    #[error("the entry cannot be read: {0}")]
    Json(String),
    /// A field that only the register may set.
    #[error("the field `{0}` belongs to the register; leave it out of the entry")]
    Reserved(&'static str),
    /// A field without which the entry says nothing.
    #[error(
        "the field `{field}` is mandatory for the operation \"{operation}\"; fill it in (le champ « {field} » est obligatoire pour cette opération : renseignez-le)"
    )]
    Missing {
        /// The operation.
        operation: &'static str,
        /// The field.
        field: &'static str,
    },
    /// Longer than a bundle can hold.
    #[error("the entry has {0} bytes, more than {MAX_ENTRY_SIZE}; shorten it")]
    TooLong(usize),
    /// Written by another version.
    #[error("the schema \"{0}\" is not {SCHEMA}")]
    Schema(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Entry {
        let mut entry = Entry::new(Operation::Extract);
        entry.purpose_id = "judicial.requisition_extract".into();
        entry.motif = "réquisition 2026/114".into();
        entry.agent = Some(Agent {
            id: "a-0417".into(),
            ..Default::default()
        });
        entry.destinataire = Some(Recipient::Somebody {
            name: "OPJ 3321".into(),
            service: "commissariat".into(),
            capacity: String::new(),
        });
        entry
    }

    #[test]
    fn each_of_the_four_mandatory_fields_is_missed() {
        assert_eq!(full().check(), Ok(()));
        type Strip = fn(&mut Entry);
        let cases: [(&str, Strip); 6] = [
            ("motif", |e| e.motif = "  ".into()),
            ("purpose_id", |e| e.purpose_id.clear()),
            ("agent.id", |e| e.agent = None),
            ("agent.id", |e| e.agent = Some(Agent::default())),
            ("destinataire", |e| e.destinataire = None),
            ("destinataire", |e| {
                e.destinataire = Some(Recipient::NOBODY);
            }),
        ];
        for (field, strip) in cases {
            let mut entry = full();
            strip(&mut entry);
            assert_eq!(
                entry.check(),
                Err(EntryError::Missing {
                    operation: "extract",
                    field
                })
            );
        }
        let mut refusal = Entry::new(Operation::Refuse);
        assert!(refusal.check().is_err());
        refusal.refusal = Some(Refusal {
            code: "NO_MANDATE".into(),
            ..Default::default()
        });
        assert_eq!(refusal.check(), Ok(()));
    }

    #[test]
    fn json_keeps_unknown_fields_and_refuses_forged_ones() {
        let json = r#"{"motif":"m","purpose_id":"p","csi_ground":3,"legal_refs":{"dpia":"D-1"},
            "agent":{"id":"a"},"destinataire":"aucun","operation":"publish"}"#;
        let entry = Entry::from_json(Operation::Consult, json).unwrap();
        assert_eq!(entry.operation, Operation::Consult);
        assert_eq!(entry.destinataire, Some(Recipient::NOBODY));
        assert_eq!(entry.more["csi_ground"], 3);
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        assert_eq!(
            Entry::from_json(Operation::Consult, r#"{"seq":4}"#),
            Err(EntryError::Reserved("seq"))
        );
        assert_eq!(
            Entry::from_json(
                Operation::Erase,
                r#"{"erasure":{"reason":"r","entries_before":9}}"#
            ),
            Err(EntryError::Reserved("erasure.entries_before")),
            "only a purge erases entries"
        );
        for bad in ["", "[]", "{", "{\"agent\":3}", "{\"destinataire\":\"x\"}"] {
            assert!(Entry::from_json(Operation::Consult, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nicks_are_the_serialised_words() {
        for op in Operation::ALL {
            assert_eq!(
                serde_json::to_value(op).unwrap(),
                Value::from(op.nick().to_owned())
            );
            assert_eq!(Operation::from_nick(op.nick()), Some(op));
        }
        assert_eq!(Operation::from_nick("view"), None);
    }
}
