// SPDX-License-Identifier: MIT OR Apache-2.0
//! The days and hours at which a mandate serves.

use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

/// Day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Hours on some days of the week, in Paris time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Days.
    pub days: Vec<Day>,
    /// First minute.
    pub from: Time,
    /// First minute after it.
    pub to: Time,
}

/// When a mandate serves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Hours.
    #[serde(default, rename = "slot")]
    pub slots: Vec<Slot>,
    /// Days on which it does not serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Date>,
}
