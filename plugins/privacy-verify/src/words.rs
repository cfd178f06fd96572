// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words that every command about the register uses, in English and in French.

use clap::ValueEnum;
use jiff::{Timestamp, tz::TimeZone};
use privacy_register::Operation;

/// Language of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English.
    En,
    /// French.
    Fr,
}

impl Lang {
    /// The language of the user's locale: French if it says so, else English.
    pub fn of_locale() -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        match locale {
            Some(value) if value.starts_with("fr") => Self::Fr,
            _ => Self::En,
        }
    }

    /// Whether `lang`, or the locale's language in its absence, is French.
    pub fn is_french(lang: Option<Self>) -> bool {
        lang.unwrap_or_else(Self::of_locale) == Self::Fr
    }
}

/// An operation in the reader's language.
pub fn operation_name(operation: Operation, french: bool) -> &'static str {
    if !french {
        return operation.nick();
    }
    match operation {
        Operation::Collect => "collecte",
        Operation::Modify => "modification",
        Operation::Consult => "consultation",
        Operation::Communicate => "communication",
        Operation::Erase => "effacement",
        Operation::Extract => "extraction",
        Operation::Publish => "publication",
        Operation::Refuse => "refus",
        Operation::Config => "configuration",
        Operation::WindowPublished => "publication de comptages",
    }
}

/// Europe/Paris from its rule, so that a host without a time zone database shows the same.
pub fn paris() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap_or(TimeZone::UTC)
}

/// An instant as the clocks of France show it.
pub fn local(time: Timestamp) -> String {
    time.to_zoned(paris())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// Labelled lines, the labels in the reader's language.
#[derive(Debug, Default)]
pub struct Lines {
    text: String,
    french: bool,
}

impl Lines {
    /// No line yet.
    pub fn new(french: bool) -> Self {
        Self {
            text: String::new(),
            french,
        }
    }

    /// One of two texts.
    pub fn pick<T>(&self, en: T, fr: T) -> T {
        if self.french { fr } else { en }
    }

    /// Adds a line of a label and a value. Whatever the value holds, it moves no cursor.
    pub fn add(&mut self, en: &str, fr: &str, value: &str) {
        let label = self.pick(en, fr);
        let value = crate::terminal::plain(value);
        self.text += format!("{label:<14} {value}").trim_end();
        self.text.push('\n');
    }

    /// [`Lines::add`], unless there is no value.
    pub fn add_if(&mut self, en: &str, fr: &str, value: &str) {
        if !value.trim().is_empty() {
            self.add(en, fr, value);
        }
    }

    /// The lines.
    pub fn text(self) -> String {
        self.text
    }
}
