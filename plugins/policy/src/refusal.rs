// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refusals: a stable code, what happened and what to do, in English and French.

use std::{fmt, ops::Deref};

use jiff::Timestamp;

use crate::{rules::Purpose, time};

/// Why nothing may flow. Nothing but a change of the mandate, the rules or the request lifts it.
///
/// The fields are those of [`RefusalText`], reached through `Deref`; the box keeps results small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Box<RefusalText>);

/// What a refusal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalText {
    /// Stable code, such as `EXPIRED_MANDATE`.
    pub code: String,
    /// What happened, in English.
    pub message_en: String,
    /// What happened, in French.
    pub message_fr: String,
    /// What to do, in English; empty where nothing can be done.
    pub remedy_en: String,
    /// What to do, in French; empty where nothing can be done.
    pub remedy_fr: String,
    /// The articles it rests on.
    pub legal_ref: String,
}

impl Deref for Refusal {
    type Target = RefusalText;

    fn deref(&self) -> &RefusalText {
        &self.0
    }
}

impl From<RefusalText> for Refusal {
    fn from(text: RefusalText) -> Self {
        Self(Box::new(text))
    }
}

impl Refusal {
    /// The message and the remedy in one language, as one text.
    pub fn text(&self, french: bool) -> String {
        let (message, remedy) = if french {
            (&self.message_fr, &self.remedy_fr)
        } else {
            (&self.message_en, &self.remedy_en)
        };
        if remedy.is_empty() {
            message.clone()
        } else {
            format!("{message} {remedy}")
        }
    }

    /// The same refusal, with what whoever goes on regardless would risk (Penal Code).
    pub(crate) fn with_risk(mut self, purpose: &Purpose) -> Self {
        for (message, risk) in [
            (&mut self.0.message_en, &purpose.risk_en),
            (&mut self.0.message_fr, &purpose.risk_fr),
        ] {
            if let Some(risk) = risk {
                message.push(' ');
                message.push_str(risk);
            }
        }
        self
    }

    /// The refusal that a refused or restricted purpose always meets.
    pub(crate) fn of_purpose(purpose: &Purpose) -> Self {
        // A purpose can be refused by name on any day, so where its text names a day there is none to tell.
        let text = |t: &Option<String>| t.clone().unwrap_or_default().replace("{date}", "…");
        Self(Box::new(RefusalText {
            // The rules were checked on load: such a purpose has a code and both messages.
            code: purpose
                .code
                .clone()
                .unwrap_or_else(|| "REFUSED_PURPOSE".into()),
            message_en: text(&purpose.message_en),
            message_fr: text(&purpose.message_fr),
            remedy_en: text(&purpose.remedy_en),
            remedy_fr: text(&purpose.remedy_fr),
            legal_ref: purpose.legal_refs.join(" ; "),
        }))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} / {}",
            self.code,
            self.text(false),
            self.text(true)
        )
    }
}

impl std::error::Error for Refusal {}

/// Builds a refusal: code, English, French, English remedy, French remedy, articles.
pub(crate) fn refuse(
    code: &str,
    message: (impl Into<String>, impl Into<String>),
    remedy: (impl Into<String>, impl Into<String>),
    legal_ref: &str,
) -> Refusal {
    Refusal(Box::new(RefusalText {
        code: code.to_owned(),
        message_en: one_line(message.0.into()),
        message_fr: one_line(message.1.into()),
        remedy_en: one_line(remedy.0.into()),
        remedy_fr: one_line(remedy.1.into()),
        legal_ref: legal_ref.to_owned(),
    }))
}

/// A message quotes mandates and requests; what they hold must neither begin a line of its own in a log nor speak to
/// a terminal.
fn one_line(text: String) -> String {
    if text.contains(char::is_control) {
        text.replace(char::is_control, "\u{fffd}")
    } else {
        text
    }
}

/// Renew or correct the mandate: the remedy of most refusals.
pub(crate) const NEW_MANDATE: (&str, &str) = (
    "Have the mandate corrected and signed again.",
    "Faites corriger et signer à nouveau le mandat.",
);

/// An instant as people in France read it, for messages.
pub(crate) fn local(instant: Timestamp) -> String {
    instant
        .to_zoned(time::paris())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}
