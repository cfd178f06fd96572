// SPDX-License-Identifier: MIT OR Apache-2.0
//! The election calendar: in which periods a public body may not promote itself (C. élect. L.52-1).
//!
//! ```toml
//! calendar_version = "fr-elections-2026.11"
//! jurisdiction = "FR"
//! verified_on = 2026-11-21
//! covers_from = 2026-09-01        # before it and after covers_to nobody knows of polls, so nothing is published
//! covers_to = 2027-11-21
//! warning_days = 30
//!
//! [[election]]
//! name = "Élection présidentielle 2027"
//! territories = ["*"]             # or INSEE codes, or departments: "dept:38"
//! from = 2026-10-01
//! to = 2027-05-02
//! source = "C. élect. L.52-1; Constitution, art. 6 et 7"
//! ```

use std::sync::LazyLock;

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    mandate::Form,
    rules::{RulesError, fault},
    time,
};

/// The calendar that ships with the crate.
pub const BUILTIN: &str = include_str!("../rules/elections-fr.toml");

/// Longest warning before a period; half a year says no more than always.
const MAX_WARNING_DAYS: u32 = 366;

/// A calendar that was read and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Version.
    pub version: String,
    /// Day somebody last compared it with the decrees.
    pub verified_on: Date,
    /// First day it knows of; nothing is published before.
    pub covers_from: Date,
    /// Last day it knows of; nothing is published after.
    pub covers_to: Date,
    /// For how many days before a period a warning is given.
    pub warning_days: u32,
    /// The periods.
    pub elections: Vec<Election>,
}

/// A period in which promotional publication is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Election {
    /// Name of the election.
    pub name: String,
    /// INSEE codes concerned, departments (`dept:38`), or `*` for the whole country.
    pub territories: Vec<String>,
    /// First instant.
    #[serde(deserialize_with = "time::from")]
    pub from: Timestamp,
    /// First instant after the decisive round.
    #[serde(deserialize_with = "time::until")]
    pub to: Timestamp,
    /// Where the dates come from.
    pub source: String,
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    calendar_version: Spanned<String>,
    jurisdiction: Spanned<String>,
    #[serde(deserialize_with = "time::date")]
    verified_on: Date,
    #[serde(deserialize_with = "time::date")]
    covers_from: Date,
    #[serde(deserialize_with = "time::spanned_date")]
    covers_to: Spanned<Date>,
    warning_days: Spanned<u32>,
    #[serde(default, rename = "sources")]
    _sources: Vec<String>,
    #[serde(default)]
    election: Vec<Spanned<Election>>,
}

impl Calendar {
    /// The calendar that ships with the crate.
    pub fn builtin() -> &'static Self {
        static CALENDAR: LazyLock<Calendar> = LazyLock::new(|| {
            // A test parses the same constant, so this cannot fail in a build that passed its tests.
            Calendar::parse(BUILTIN).expect("the embedded calendar is tested")
        });
        &CALENDAR
    }

    /// No calendar at all: it covers no day, so nothing is published.
    pub fn none() -> &'static Self {
        static NONE: LazyLock<Calendar> = LazyLock::new(|| Calendar {
            version: String::new(),
            verified_on: Date::MIN,
            covers_from: Date::MAX,
            covers_to: Date::MIN,
            warning_days: 0,
            elections: Vec::new(),
        });
        &NONE
    }

    /// Reads and checks a calendar.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let file: File = toml::from_str(text).map_err(|e| {
            fault(
                text,
                e.span().unwrap_or(0..0),
                e.message().trim().to_owned(),
            )
        })?;
        let check = |ok: bool, span, message: &str| {
            if ok {
                Ok(())
            } else {
                Err(fault(text, span, message.to_owned()))
            }
        };
        let version = file.calendar_version.get_ref();
        check(
            !version.trim().is_empty() && !version.contains(char::is_control),
            file.calendar_version.span(),
            "calendar_version is empty or holds a control character; name the version",
        )?;
        check(
            file.jurisdiction.get_ref() == "FR",
            file.jurisdiction.span(),
            "jurisdiction is \"FR\": the rules of no other country are known",
        )?;
        check(
            file.covers_from <= *file.covers_to.get_ref(),
            file.covers_to.span(),
            "covers_to lies before covers_from",
        )?;
        check(
            *file.warning_days.get_ref() <= MAX_WARNING_DAYS,
            file.warning_days.span(),
            "warning_days is 366 at most",
        )?;
        for election in &file.election {
            let e = election.get_ref();
            let sound = |t: &String| {
                let insee = |code: &str, lengths: &[usize]| {
                    lengths.contains(&code.len())
                        && code
                            .bytes()
                            .all(|b| b.is_ascii_digit() || matches!(b, b'A' | b'B'))
                };
                t == "*"
                    || t.strip_prefix("dept:")
                        .map_or_else(|| insee(t, &[5]), |dept| insee(dept, &[2, 3]))
            };
            check(
                !e.name.trim().is_empty() && !e.name.contains(char::is_control),
                election.span(),
                "election: its name is empty or holds a control character",
            )?;
            check(
                e.from < e.to,
                election.span(),
                &format!("election {}: from lies before to", e.name),
            )?;
            check(
                !e.territories.is_empty() && e.territories.iter().all(sound),
                election.span(),
                &format!(
                    "election {}: territories holds \"*\", INSEE codes (\"38565\") or departments (\"dept:38\")",
                    e.name
                ),
            )?;
        }
        Ok(Self {
            version: file.calendar_version.into_inner(),
            verified_on: file.verified_on,
            covers_from: file.covers_from,
            covers_to: file.covers_to.into_inner(),
            warning_days: file.warning_days.into_inner(),
            elections: file.election.into_iter().map(Spanned::into_inner).collect(),
        })
    }

    /// Whether the calendar knows which polls there are at `now`.
    pub fn covers(&self, now: Timestamp) -> bool {
        let today = time::day_of(now);
        self.covers_from <= today && today <= self.covers_to
    }

    /// The first instant that the calendar no longer knows of.
    pub fn covered_until(&self) -> Timestamp {
        time::end_of(self.covers_to).unwrap_or(Timestamp::MIN)
    }

    /// The period at `now` in the territory of one of the cameras of the mandate.
    pub fn blocking(&self, form: &Form, now: Timestamp) -> Option<&Election> {
        self.elections
            .iter()
            .find(|e| e.from <= now && now < e.to && e.concerns(form))
    }

    /// The next period after `now` in the territory of one of the cameras of the mandate.
    pub fn next(&self, form: &Form, now: Timestamp) -> Option<&Election> {
        self.elections
            .iter()
            .filter(|e| now < e.from && e.concerns(form))
            .min_by_key(|e| e.from)
    }

    /// The next period, once it is so near that a warning is due.
    pub fn warning(&self, form: &Form, now: Timestamp) -> Option<&Election> {
        self.next(form, now).filter(|e| {
            let begins = time::day_of(e.from);
            let days = time::day_of(now)
                .until(begins)
                .map_or(i32::MAX, |span| span.get_days());
            days.unsigned_abs() <= self.warning_days
        })
    }
}

impl Election {
    fn concerns(&self, form: &Form) -> bool {
        self.territories.iter().any(|territory| {
            territory == "*"
                || form.cameras.iter().any(|camera| {
                    territory
                        .strip_prefix("dept:")
                        .map_or(camera.insee_code == *territory, |dept| {
                            camera.insee_code.starts_with(dept)
                        })
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULTS: &[(&str, &str, &str)] = &[
        (
            "covers_to = 2027-11-21",
            "covers_to = 2026-01-01",
            "covers_to",
        ),
        (
            "covers_to = 2027-11-21",
            "covers_to = \"soon\"",
            "not a day",
        ),
        ("covers_to = 2027-11-21\n", "", "covers_to"),
        ("warning_days = 30", "warning_days = 367", "warning_days"),
        ("warning_days = 30", "warning_days = -1", "u32"),
        ("jurisdiction = \"FR\"", "jurisdiction = \"BE\"", "FR"),
        ("\"fr-elections-2026.11\"", "\" \"", "calendar_version"),
        (
            "from = 2026-10-01",
            "from = 2028-10-01",
            "from lies before to",
        ),
        ("territories = [\"*\"]", "territories = []", "territories"),
        (
            "territories = [\"*\"]",
            "territories = [\"Voreppe\"]",
            "INSEE",
        ),
        (
            "territories = [\"*\"]",
            "territories = [\"dept:\"]",
            "INSEE",
        ),
        (
            "territories = [\"*\"]",
            "teritories = [\"*\"]",
            "teritories",
        ),
        (
            "name = \"Élection",
            "name = \"\\nÉlection",
            "control character",
        ),
    ];

    #[test]
    fn d3_a_fault_in_the_calendar_is_named_with_its_line_and_column() {
        assert!(Calendar::builtin().covers_to >= Calendar::builtin().verified_on);
        for (from, to, expected) in FAULTS {
            assert!(BUILTIN.contains(from), "{from}");
            let text = BUILTIN.replacen(from, to, 1);
            let error = Calendar::parse(&text).expect_err(to);
            assert!(error.line > 1 || *expected == "covers_to", "{to}: {error}");
            assert!(
                error.line <= text.lines().count() && error.column >= 1,
                "{error}"
            );
            assert!(error.to_string().contains(expected), "{to}: {error}");
        }
        for cut in (0..BUILTIN.len()).step_by(53) {
            let _ = BUILTIN.get(..cut).map(Calendar::parse);
            let _ = BUILTIN.get(cut..).map(Calendar::parse);
        }
    }
}
