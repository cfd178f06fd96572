// SPDX-License-Identifier: MIT OR Apache-2.0
//! Narrowing a token, which needs no private key.

use biscuit_auth::{BlockBuilder, PublicKey};
use jiff::Timestamp;

use super::{
    form::Form,
    restriction::Restriction,
    token::{self, MAX_BLOCKS, Mandate, VerifyError},
};
use crate::{schedule::Schedule, vocabulary::SinkClass};

/// What a further block allows of a mandate; what is empty or `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Narrowing {
    /// Only these cameras.
    pub cameras: Vec<String>,
    /// Only these operators.
    pub operators: Vec<String>,
    /// Only these destinations.
    pub sink_classes: Vec<SinkClass>,
    /// Only these recipients, by name.
    pub recipients: Vec<String>,
    /// Only from this instant.
    pub from: Option<Timestamp>,
    /// Only before this instant.
    pub until: Option<Timestamp>,
    /// Only in these hours; excepted days are for the form.
    pub schedule: Option<Schedule>,
}

/// Why a token could not be narrowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NarrowError {
    /// The token itself is not accepted.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// No restriction was asked for.
    #[error(
        "nothing to narrow: name cameras, operators, sink classes, recipients, hours, a beginning or an end"
    )]
    Nothing,
    /// Something that the mandate does not allow to begin with; the result would open nothing.
    #[error(
        "{field} {value} is not in the mandate, so the result would open nothing / n'est pas dans le mandat, le résultat n'ouvrirait rien"
    )]
    NotIn {
        /// What was narrowed.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// The mandate was narrowed as often as is read.
    #[error("the mandate has {MAX_BLOCKS} blocks already; narrow an earlier copy of it")]
    TooManyBlocks,
    /// The block could not be added: the token is sealed, or a value has no form in it.
    #[error("the token cannot be narrowed: {0}")]
    Token(String),
}

/// Narrows a token, without the private key: the result allows less, never more.
pub fn narrow(
    bytes: &[u8],
    keys: &[PublicKey],
    narrowing: &Narrowing,
) -> Result<Vec<u8>, NarrowError> {
    let mandate = token::verify(bytes, keys)?;
    let (token, _) = token::open(bytes, keys)?;
    if token.block_count() >= MAX_BLOCKS {
        return Err(NarrowError::TooManyBlocks);
    }
    let restrictions = narrowing.restrictions(&mandate)?;
    let block = restrictions
        .iter()
        .try_fold(BlockBuilder::new(), |block, r| r.append(block))
        .map_err(NarrowError::Token)?;
    token
        .append(block)
        .and_then(|token| token.to_vec())
        .map_err(|e| NarrowError::Token(e.to_string()))
}

impl Narrowing {
    fn restrictions(&self, mandate: &Mandate) -> Result<Vec<Restriction>, NarrowError> {
        let form = &mandate.form;
        let within = |field, wanted: &[String], allowed: Vec<&str>| {
            let missing = wanted.iter().find(|w| !allowed.contains(&w.as_str()));
            missing.map_or(Ok(()), |value| Err(not_in(field, value)))
        };
        within(
            "camera",
            &self.cameras,
            form.cameras.iter().map(|c| c.id.as_str()).collect(),
        )?;
        within(
            "operator",
            &self.operators,
            form.operators.iter().map(|o| o.id.as_str()).collect(),
        )?;
        within("recipient", &self.recipients, recipients(form))?;
        if let Some(class) = self
            .sink_classes
            .iter()
            .find(|c| !form.sink_classes.contains(c))
        {
            return Err(not_in("sink class", class.word()));
        }
        if let Some(from) = self.from.filter(|from| *from >= form.valid_to) {
            return Err(not_in("from", &from.to_string()));
        }
        if let Some(until) = self.until.filter(|until| *until <= form.valid_from) {
            return Err(not_in("until", &until.to_string()));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return Err(not_in("until", &until.to_string()));
        }
        if let Some(schedule) = &self.schedule
            && (schedule.fault().is_some() || !schedule.except.is_empty())
        {
            return Err(NarrowError::Token(
                "hours: slots with a day each, and no excepted days".into(),
            ));
        }
        let mut list = Vec::new();
        let mut add = |wanted: bool, restriction: Restriction| {
            if wanted {
                list.push(restriction);
            }
        };
        add(
            !self.cameras.is_empty(),
            Restriction::Cameras(self.cameras.clone()),
        );
        add(
            !self.operators.is_empty(),
            Restriction::Operators(self.operators.clone()),
        );
        add(
            !self.sink_classes.is_empty(),
            Restriction::SinkClasses(self.sink_classes.clone()),
        );
        add(
            !self.recipients.is_empty(),
            Restriction::Recipients(self.recipients.clone()),
        );
        add(
            self.from.is_some() || self.until.is_some(),
            Restriction::Period {
                from: self.from,
                until: self.until,
            },
        );
        if let Some(schedule) = &self.schedule {
            add(true, Restriction::Hours(schedule.clone()));
        }
        if list.is_empty() {
            return Err(NarrowError::Nothing);
        }
        Ok(list)
    }
}

fn recipients(form: &Form) -> Vec<&str> {
    form.recipient
        .iter()
        .flat_map(|list| list.iter())
        .map(|r| r.name.as_str())
        .collect()
}

fn not_in(field: &'static str, value: &str) -> NarrowError {
    NarrowError::NotIn {
        field,
        value: format!("\"{value}\""),
    }
}
