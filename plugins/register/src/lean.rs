// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the rules of a register need to know of an entry, read without building the whole of it.
//!
//! [`Record::from_bytes`] takes an entry apart into some thirty values on the heap, which a million entries do not
//! need. This reader walks over the same JSON once, holds each field against the type that it has in [`Record`], and
//! keeps what [`crate::report::Rules`] asks for. Where it finds a fault it leaves the word to
//! [`Record::from_bytes`], so both always agree (there is a test that they do).

use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::entry::{EntryError, Filled, Operation, Phase, Record, SCHEMA, filled};

/// What the rules need to know of an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub seq: u64,
    pub timestamp: Timestamp,
    pub operation: Operation,
    pub phase: Option<Phase>,
    pub prior: Option<u64>,
    pub interrupted: bool,
    /// Empty where there is no phase: then nobody asks.
    pub session: String,
    pub entries_before: Option<u64>,
    pub filled: Filled,
}

impl Facts {
    /// Reads the body of an entry.
    ///
    /// # Errors
    ///
    /// Those of [`Record::from_bytes`].
    pub fn from_bytes(body: &[u8]) -> Result<Self, EntryError> {
        if let Some(facts) = std::str::from_utf8(body).ok().and_then(read) {
            return Ok(facts);
        }
        let entry = Record::from_bytes(body)?;
        Ok(Self::from_record(entry))
    }

    fn from_record(record: Record) -> Self {
        let (entry, seq, timestamp) = (record.entry, record.seq, record.timestamp);
        Self {
            seq,
            timestamp,
            operation: entry.operation,
            phase: entry.phase,
            prior: entry.prior_entry_seq,
            interrupted: entry.interrupted,
            filled: entry.filled(),
            session: match entry.phase {
                Some(_) => entry.session,
                None => String::new(),
            },
            entries_before: entry.erasure.and_then(|e| e.entries_before),
        }
    }

    /// [`crate::Entry::check`].
    pub fn check(&self) -> Result<(), EntryError> {
        self.filled.check(self.operation, self.phase)
    }
}

fn read(body: &str) -> Option<Facts> {
    let mut noted = Noted::default();
    let mut json = serde_json::Deserializer::from_str(body);
    let whole = Value {
        kind: &WHOLE,
        may_be_null: false,
        note: Note::Nothing,
        noted: &mut noted,
    };
    whole.deserialize(&mut json).ok()?;
    json.end().ok()?;
    if !noted.schema {
        return None;
    }
    let operation = noted.operation?;
    let mut session = std::mem::take(&mut noted.session);
    noted.filled.session = filled(&session);
    noted.filled.prior = noted.prior.is_some();
    if noted.phase.is_none() {
        session.clear();
    }
    Some(Facts {
        seq: noted.seq?,
        timestamp: noted.timestamp?,
        operation,
        phase: noted.phase,
        prior: noted.prior,
        interrupted: noted.interrupted,
        session,
        entries_before: noted.entries_before,
        filled: noted.filled,
    })
}

/// What was kept on the way over an entry.
#[derive(Default)]
struct Noted {
    schema: bool,
    seq: Option<u64>,
    timestamp: Option<Timestamp>,
    operation: Option<Operation>,
    phase: Option<Phase>,
    prior: Option<u64>,
    interrupted: bool,
    session: String,
    entries_before: Option<u64>,
    filled: Filled,
}

/// What to keep of a value.
#[derive(Clone, Copy)]
enum Note {
    Nothing,
    Schema,
    Seq,
    Timestamp,
    Operation,
    Phase,
    Prior,
    Interrupted,
    Session,
    Purpose,
    Motif,
    Agent,
    Recipient,
    Refusal,
    Erasure,
    EntriesBefore,
}

/// The type of a value.
enum Kind {
    Any,
    Text,
    Number,
    Flag,
    Time,
    List(&'static Kind),
    Object(&'static [Field]),
    /// The word `aucun`, or an object.
    Recipient,
}

struct Field {
    name: &'static str,
    kind: Kind,
    need: Need,
    note: Note,
}

/// Whether a field must be there.
#[derive(Clone, Copy, PartialEq)]
enum Need {
    Must,
    MayBeAbsent,
    MayBeNull,
}

const fn field(name: &'static str, kind: Kind, need: Need, note: Note) -> Field {
    Field {
        name,
        kind,
        need,
        note,
    }
}

const fn text(name: &'static str) -> Field {
    field(name, Kind::Text, Need::MayBeAbsent, Note::Nothing)
}

const fn number(name: &'static str) -> Field {
    field(name, Kind::Number, Need::MayBeAbsent, Note::Nothing)
}

const fn time_or_null(name: &'static str) -> Field {
    field(name, Kind::Number, Need::MayBeNull, Note::Nothing)
}

/// The fields of [`Record`] and [`crate::Entry`], in the order in which they are written.
static RECORD: &[Field] = &[
    field("schema", Kind::Text, Need::Must, Note::Schema),
    field("seq", Kind::Number, Need::Must, Note::Seq),
    field("timestamp", Kind::Time, Need::Must, Note::Timestamp),
    field("salt", Kind::Text, Need::Must, Note::Nothing),
    field("operation", Kind::Text, Need::Must, Note::Operation),
    field("session", Kind::Text, Need::MayBeAbsent, Note::Session),
    field("phase", Kind::Text, Need::MayBeNull, Note::Phase),
    field(
        "prior_entry_seq",
        Kind::Number,
        Need::MayBeNull,
        Note::Prior,
    ),
    field(
        "interrupted",
        Kind::Flag,
        Need::MayBeAbsent,
        Note::Interrupted,
    ),
    field("purpose_id", Kind::Text, Need::MayBeAbsent, Note::Purpose),
    text("purpose_label_fr"),
    field("motif", Kind::Text, Need::MayBeAbsent, Note::Motif),
    field("agent", Kind::Object(AGENT), Need::MayBeNull, Note::Nothing),
    field(
        "destinataire",
        Kind::Recipient,
        Need::MayBeNull,
        Note::Nothing,
    ),
    text("mandate_id"),
    text("mandate_digest"),
    text("rules_version"),
    field(
        "cameras",
        Kind::List(&Kind::Text),
        Need::MayBeAbsent,
        Note::Nothing,
    ),
    field(
        "anonymisation",
        Kind::Object(ANONYMISATION),
        Need::MayBeNull,
        Note::Nothing,
    ),
    field(
        "output",
        Kind::Object(OUTPUT),
        Need::MayBeNull,
        Note::Nothing,
    ),
    field(
        "models",
        Kind::List(&Kind::Object(MODEL)),
        Need::MayBeAbsent,
        Note::Nothing,
    ),
    field(
        "elements",
        Kind::List(&Kind::Object(ELEMENT)),
        Need::MayBeAbsent,
        Note::Nothing,
    ),
    text("host_id"),
    field(
        "refusal",
        Kind::Object(REFUSAL),
        Need::MayBeNull,
        Note::Nothing,
    ),
    field(
        "erasure",
        Kind::Object(ERASURE),
        Need::MayBeNull,
        Note::Nothing,
    ),
];
static WHOLE: Kind = Kind::Object(RECORD);
static AGENT: &[Field] = &[
    field("id", Kind::Text, Need::Must, Note::Agent),
    text("capacity"),
    text("habilitation_ref"),
];
static RECIPIENT: &[Field] = &[
    field("name", Kind::Text, Need::MayBeAbsent, Note::Recipient),
    field("service", Kind::Text, Need::MayBeAbsent, Note::Recipient),
    text("capacity"),
];
static ANONYMISATION: &[Field] = &[
    text("required"),
    text("applied"),
    number("frames_in"),
    number("frames_total"),
    number("frames_whole_masked"),
    number("mask_failures"),
    number("frames_outside"),
    number("frames_late"),
    text("proof_root"),
    text("counted_at"),
];
static OUTPUT: &[Field] = &[
    text("sink_class"),
    text("media_id"),
    text("media_type"),
    text("sha256"),
    number("bytes"),
    time_or_null("duration_ns"),
    time_or_null("first_pts_ns"),
    time_or_null("last_pts_ns"),
];
static MODEL: &[Field] = &[field("sha256", Kind::Text, Need::Must, Note::Nothing)];
static ELEMENT: &[Field] = &[
    field("name", Kind::Text, Need::Must, Note::Nothing),
    text("version"),
];
static REFUSAL: &[Field] = &[
    field("code", Kind::Text, Need::Must, Note::Refusal),
    text("message_en"),
    text("message_fr"),
    text("legal_ref"),
];
static ERASURE: &[Field] = &[
    field("reason", Kind::Text, Need::Must, Note::Erasure),
    field(
        "files",
        Kind::List(&Kind::Text),
        Need::MayBeAbsent,
        Note::Nothing,
    ),
    field("due_date", Kind::Time, Need::MayBeNull, Note::Nothing),
    field(
        "entries_before",
        Kind::Number,
        Need::MayBeNull,
        Note::EntriesBefore,
    ),
];

/// A value about to be read.
struct Value<'a> {
    kind: &'static Kind,
    may_be_null: bool,
    note: Note,
    noted: &'a mut Noted,
}

impl Value<'_> {
    fn text<E: Error>(self, value: &str) -> Result<(), E> {
        let wrong = || E::custom("wrong type or word");
        let noted = self.noted;
        match self.kind {
            Kind::Any => return Ok(()),
            Kind::Text => {}
            Kind::Time => {
                let time = value.parse().map_err(E::custom)?;
                if matches!(self.note, Note::Timestamp) {
                    noted.timestamp = Some(time);
                }
                return Ok(());
            }
            Kind::Recipient if value == "aucun" => return Ok(()),
            _ => return Err(wrong()),
        }
        match self.note {
            Note::Schema => noted.schema = value == SCHEMA,
            Note::Operation => {
                noted.operation = Some(Operation::from_nick(value).ok_or_else(wrong)?);
            }
            Note::Phase => noted.phase = Some(Phase::from_nick(value).ok_or_else(wrong)?),
            Note::Session => value.clone_into(&mut noted.session),
            Note::Purpose => noted.filled.purpose = filled(value),
            Note::Motif => noted.filled.motif = filled(value),
            Note::Agent => noted.filled.agent = filled(value),
            // Name or service.
            Note::Recipient => noted.filled.recipient |= filled(value),
            Note::Refusal => noted.filled.refusal = filled(value),
            Note::Erasure => noted.filled.erasure = filled(value),
            _ => {}
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the type that the field has")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.kind {
            Kind::Any => Ok(()),
            _ if self.may_be_null => Ok(()),
            _ => Err(E::custom("null")),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.kind {
            Kind::Any => {}
            Kind::Flag => self.noted.interrupted = value,
            _ => return Err(E::custom("a flag")),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match (self.kind, self.note) {
            (Kind::Any, _) => {}
            (Kind::Number, Note::Seq) => self.noted.seq = Some(value),
            (Kind::Number, Note::Prior) => self.noted.prior = Some(value),
            (Kind::Number, Note::EntriesBefore) => self.noted.entries_before = Some(value),
            (Kind::Number, _) => {}
            _ => return Err(E::custom("a number")),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        match self.kind {
            Kind::Any => Ok(()),
            _ => Err(E::custom("a negative number")),
        }
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        match self.kind {
            Kind::Any => Ok(()),
            _ => Err(E::custom("a fraction")),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.text(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let kind = match self.kind {
            Kind::Any => &Kind::Any,
            Kind::List(kind) => kind,
            _ => return Err(A::Error::custom("a list")),
        };
        while list
            .next_element_seed(Value {
                kind,
                may_be_null: false,
                note: Note::Nothing,
                noted: &mut *self.noted,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let fields = match self.kind {
            Kind::Any => &[],
            Kind::Object(fields) => *fields,
            Kind::Recipient => RECIPIENT,
            _ => return Err(A::Error::custom("an object")),
        };
        let mut seen = 0u32;
        // Fields mostly come in the order of the table.
        let mut next = 0;
        while let Some(at) = object.next_key_seed(Key { fields, next })? {
            let Some((at, field)) = at.and_then(|at| Some((at, fields.get(at)?))) else {
                object.next_value_seed(Value {
                    kind: &Kind::Any,
                    may_be_null: true,
                    note: Note::Nothing,
                    noted: &mut *self.noted,
                })?;
                continue;
            };
            if seen & (1 << at) != 0 {
                return Err(A::Error::custom("the same field twice"));
            }
            seen |= 1 << at;
            next = at + 1;
            object.next_value_seed(Value {
                kind: &field.kind,
                may_be_null: field.need == Need::MayBeNull,
                note: field.note,
                noted: &mut *self.noted,
            })?;
        }
        let missing =
            |(at, field): (usize, &Field)| field.need == Need::Must && seen & (1 << at) == 0;
        if fields.iter().enumerate().any(missing) {
            return Err(A::Error::custom("a field is missing"));
        }
        Ok(())
    }
}

/// The name of a field: its place in the table.
struct Key {
    fields: &'static [Field],
    next: usize,
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let (before, after) = self.fields.split_at(self.next.min(self.fields.len()));
        let place = |fields: &[Field]| fields.iter().position(|field| field.name == name);
        Ok(place(after)
            .map(|at| before.len() + at)
            .or_else(|| place(before)))
    }
}

#[cfg(test)]
mod tests;
