// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a month holds, counted. Nothing but numbers comes out of here: what an entry says stays behind.

use jiff::{Timestamp, ToSpan as _, civil};
use privacy_policy::{Rules, time};
use privacy_register::{Operation, Phase, Record};

use super::reasons::{self, REASONS};

/// A month of the calendar, in Paris.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    first: civil::Date,
}

impl std::str::FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let first = format!("{text}-01").parse::<civil::Date>();
        match (first, text.len()) {
            (Ok(first), 7) => Ok(Self { first }),
            _ => Err("a month such as 2026-11 / un mois, écrit ainsi".into()),
        }
    }
}

impl Month {
    /// Its first instant, and the first one after it.
    pub fn span(self) -> Result<(Timestamp, Timestamp), jiff::Error> {
        let next = self.first.checked_add(1.month())?;
        Ok((time::start_of(self.first)?, time::start_of(next)?))
    }

    /// Its name, as in "November 2026".
    pub fn name(self, french: bool) -> String {
        const EN: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        const FR: [&str; 12] = [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ];
        // Months of a date are 1 to 12.
        let at = (self.first.month() as usize).saturating_sub(1).min(11);
        format!(
            "{} {}",
            if french { FR[at] } else { EN[at] },
            self.first.year()
        )
    }
}

/// A purpose that the rules open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    id: String,
    operation: Operation,
    /// Its name in English and in French.
    pub label: (String, String),
    /// Articles.
    pub legal_refs: String,
}

impl Purpose {
    /// What is done for it.
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

/// The purposes that the rules open: the rows of the report, whatever happened.
pub fn purposes(rules: &Rules) -> Vec<Purpose> {
    let open = rules.purposes().filter(|(_, purpose)| purpose.is_open());
    open.filter_map(|(id, purpose)| {
        Some(Purpose {
            id: id.to_owned(),
            operation: Operation::from_nick(purpose.operation.word())?,
            label: (purpose.label_en.clone(), purpose.label_fr.clone()),
            legal_refs: purpose.legal_refs.join(" ; "),
        })
    })
    .collect()
}

/// The numbers of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Sessions begun: one for each purpose, and at the end those of any other, or of none declared.
    pub sessions: Vec<u64>,
    /// Sessions that were closed as interrupted, in the same order.
    pub interrupted: Vec<u64>,
    /// Refusals: one for each of [`REASONS`], and at the end those for any other.
    pub refusals: Vec<u64>,
    /// Overrides by a person.
    pub overrides: u64,
}

impl Counts {
    /// Nothing yet.
    pub fn new(purposes: &[Purpose]) -> Self {
        Self {
            sessions: vec![0; purposes.len() + 1],
            interrupted: vec![0; purposes.len() + 1],
            refusals: vec![0; REASONS.len() + 1],
            overrides: 0,
        }
    }

    /// Takes in an entry of the month.
    ///
    /// Each counts where it stands and by what it says itself, so that nothing written after the month changes
    /// its numbers: two reports of one month that differed would give single operations away.
    pub fn add(&mut self, purposes: &[Purpose], record: &Record) {
        let entry = &record.entry;
        if entry.operation == Operation::Refuse {
            let code = entry.refusal.as_ref().map_or("", |refusal| &refusal.code);
            self.refusals[reasons::place(code).unwrap_or(REASONS.len())] += 1;
            return;
        }
        let first = matches!(entry.phase, Some(Phase::Open) | None);
        let overridden = |value: &serde_json::Value| !value.is_null() && value != false;
        if first && entry.more.get("override").is_some_and(overridden) {
            self.overrides += 1;
        }
        if matches!(entry.operation, Operation::Erase | Operation::Config) {
            return;
        }
        // An operation that its purpose does not allow is none of that purpose.
        let of = |purpose: &Purpose| {
            purpose.id == entry.purpose_id && purpose.operation == entry.operation
        };
        let row = purposes.iter().position(of).unwrap_or(purposes.len());
        if first {
            self.sessions[row] += 1;
        } else if entry.phase == Some(Phase::Close) && entry.interrupted {
            self.interrupted[row] += 1;
        }
    }
}
