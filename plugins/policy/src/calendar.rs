// SPDX-License-Identifier: MIT OR Apache-2.0
//! The election calendar.

use std::sync::LazyLock;

use crate::rules::{Election, Rules};

/// The periods in which a public body may not promote itself (C. élect. L.52-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// The periods.
    pub elections: Vec<Election>,
}

impl Calendar {
    /// The calendar that ships with the crate.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Calendar> = LazyLock::new(|| Calendar {
            elections: Rules::builtin().election_calendar,
        });
        &BUILTIN
    }
}
