// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules file: what each purpose allows and demands, with its dates.
//!
//! ```toml
//! [purpose."refused.sound"]
//! status = "refused"
//! code = "SOUND"
//! label_en = "Sound"
//! label_fr = "Son"
//! message_en = "Sound may not be recorded or transmitted with these images (CSI R.253-1)."
//! message_fr = "Le son ne peut être capté avec ces images (CSI R.253-1)."
//! legal_refs = ["CSI R.253-1"]
//! ```

use std::{collections::BTreeMap, ops::Range};

use jiff::{Timestamp, ToSpan as _, civil::Date};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

pub use crate::purpose::{Purpose, Status};
use crate::{decide::open_purpose, mandate::NoticePart, refusal::Refusal, time};

/// The rules that ship with the crate.
pub const BUILTIN: &str = include_str!("../rules/fr.toml");

/// Rules that were read and found sound.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Version, written into every mandate and every register entry.
    pub version: String,
    /// Country whose law they hold.
    pub jurisdiction: String,
    /// Day somebody last compared them with the law.
    pub verified_on: Date,
    /// Last day they may be used; past it everything is refused.
    pub review_by: Date,
    /// Floors and defaults for statistics.
    pub statistics: Statistics,
    /// Longest retention of recordings, in days (CSI L.252-5).
    pub max_retention_days: u32,
    /// Longest prefectoral authorisation, in days (CSI L.252-4).
    pub max_authorisation_days: u32,
    /// Longest provisional authorisation, in days (CSI L.252-6).
    pub max_provisional_days: u32,
    /// Shortest accepted reason, in characters.
    pub min_motif_chars: usize,
    /// Youngest image that counts as a recording, in seconds since it was filmed.
    pub deferred_min_age_s: u32,
    /// Oldest image that counts as live, in seconds since it was filmed.
    pub live_max_age_s: u32,
    /// Longest event that an order of the prefect may name, in days.
    pub max_event_days: u32,
    /// Longest time that entries of the register are kept, in days.
    pub max_register_days: u32,
    /// Words that are no reason.
    pub empty_motifs: Vec<String>,
    /// What a public notice must say.
    pub notice_content: Vec<NoticePart>,
    /// Kinds of controller that are private.
    pub private_controllers: Vec<String>,
    /// Which networks count as encrypted.
    pub transport: Transport,
    /// For what images recorded for one purpose may serve, by the first purpose.
    pub reuse: BTreeMap<String, Vec<String>>,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// Where the rules come from.
    pub sources: Vec<String>,
    purposes: BTreeMap<String, Purpose>,
}

/// Floors and defaults for statistics, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Window when the mandate names none.
    pub window_default_s: u32,
    /// Shortest window without the DPO's written agreement.
    pub window_floor_s: u32,
    /// Longest window.
    pub window_ceiling_s: u32,
    /// Smallest published count when the mandate names none.
    pub min_count_default: u32,
    /// Smallest published count at all.
    pub min_count_floor: u32,
    /// Delay between the end of a window and its publication, default and floor without the DPO's agreement.
    pub publish_delay_s: u32,
    /// Accepted ways to meet the right to object.
    pub objections: Vec<String>,
    /// Sources of these values.
    pub sources: Vec<String>,
}

/// What is done about a camera whose own network is not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlainSource {
    /// A warning.
    Warn,
    /// A refusal.
    Refuse,
}

/// Which networks count as encrypted (LIL 101, RGPD 32), as schemes of URIs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transport {
    /// Schemes by which clear images may come.
    pub clear_sources: Vec<String>,
    /// Schemes by which clear images may leave.
    pub clear_sinks: Vec<String>,
    /// What is done about a source of another scheme.
    pub plain_source: PlainSource,
}

/// Why a rules file was refused. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct RulesError {
    /// Line of the fault.
    pub line: usize,
    /// Column of the fault.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Rules {
    /// The rules that ship with the crate.
    pub fn builtin() -> Self {
        // A test parses the same constant, so this cannot fail in a build that passed its tests.
        Self::parse(BUILTIN).expect("the embedded rules are tested")
    }

    /// Reads and checks a rules file.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let file: File = toml::from_str(text).map_err(|e| {
            fault(
                text,
                e.span().unwrap_or(0..0),
                e.message().trim().to_owned(),
            )
        })?;
        let check = |ok: bool, span: Range<usize>, message: String| {
            if ok {
                Ok(())
            } else {
                Err(fault(text, span, message))
            }
        };
        check(
            !file.rules_version.get_ref().trim().is_empty(),
            file.rules_version.span(),
            "rules_version is empty; name the version".into(),
        )?;
        check(
            !file.rules_version.get_ref().contains(char::is_control),
            file.rules_version.span(),
            "rules_version holds a control character".into(),
        )?;
        check(
            *file.review_by.get_ref() >= file.verified_on,
            file.review_by.span(),
            format!(
                "review_by {} lies before verified_on {}",
                file.review_by.get_ref(),
                file.verified_on
            ),
        )?;
        check(
            file.verified_on
                .checked_add(366.days())
                .is_ok_and(|latest| *file.review_by.get_ref() <= latest),
            file.review_by.span(),
            format!(
                "review_by {} lies more than a year after verified_on {}: rules are read again every year",
                file.review_by.get_ref(),
                file.verified_on
            ),
        )?;
        let s = file.statistics.get_ref();
        check(
            0 < s.window_floor_s
                && s.window_floor_s <= s.window_default_s
                && s.window_default_s <= s.window_ceiling_s,
            file.statistics.span(),
            "statistics: 0 < window_floor_s <= window_default_s <= window_ceiling_s does not hold"
                .into(),
        )?;
        check(
            2 <= s.min_count_floor && s.min_count_floor <= s.min_count_default,
            file.statistics.span(),
            "statistics: 2 <= min_count_floor <= min_count_default does not hold".into(),
        )?;
        for (n, reuse) in file.reuse.iter().enumerate() {
            let r = reuse.get_ref();
            let unknown = std::iter::once(&r.origin)
                .chain(&r.targets)
                .find(|id| !file.purpose.contains_key(*id));
            check(
                unknown.is_none(),
                reuse.span(),
                format!(
                    "reuse: no purpose is called \"{}\"",
                    unknown.map_or("", |id| id)
                ),
            )?;
            check(
                file.reuse[..n]
                    .iter()
                    .all(|o| o.get_ref().origin != r.origin),
                reuse.span(),
                format!("reuse: {} stands twice; one table per origin", r.origin),
            )?;
        }
        check(
            !file.limits.notice_content.is_empty(),
            0..0,
            "limits: notice_content is empty".into(),
        )?;
        let mut purposes = BTreeMap::new();
        for (id, purpose) in file.purpose {
            let span = purpose.span();
            let purpose = purpose.into_inner();
            let fault_in =
                |message: String| fault(text, span.clone(), format!("purpose {id}: {message}"));
            purpose.check(&id).map_err(fault_in)?;
            purposes.insert(id, purpose);
        }
        Ok(Self {
            version: file.rules_version.into_inner(),
            jurisdiction: file.jurisdiction,
            verified_on: file.verified_on,
            review_by: file.review_by.into_inner(),
            statistics: file.statistics.into_inner(),
            max_retention_days: file.limits.max_retention_days,
            max_authorisation_days: file.limits.max_authorisation_days,
            max_provisional_days: file.limits.max_provisional_days,
            min_motif_chars: file.limits.min_motif_chars,
            deferred_min_age_s: file.limits.deferred_min_age_s,
            live_max_age_s: file.limits.live_max_age_s,
            max_event_days: file.limits.max_event_days,
            max_register_days: file.limits.max_register_days,
            empty_motifs: file.limits.empty_motifs,
            notice_content: file.limits.notice_content,
            private_controllers: file.limits.private_controllers,
            transport: file.transport,
            reuse: file
                .reuse
                .into_iter()
                .map(|r| (r.get_ref().origin.clone(), r.into_inner().targets))
                .collect(),
            digest: hex::encode(Sha256::digest(text)),
            sources: file.sources,
            purposes,
        })
    }

    /// The purpose called `id`.
    pub fn purpose(&self, id: &str) -> Option<&Purpose> {
        self.purposes.get(id)
    }

    /// The purpose called `id`, unless it is closed to everybody at this time.
    pub fn open_purpose(&self, id: &str, now: Timestamp) -> Result<&Purpose, Refusal> {
        open_purpose(self, id, now)
    }

    /// Every purpose with its identifier, in alphabetical order.
    pub fn purposes(&self) -> impl Iterator<Item = (&str, &Purpose)> {
        self.purposes.iter().map(|(id, p)| (id.as_str(), p))
    }
}

pub(crate) fn fault(text: &str, span: Range<usize>, message: String) -> RulesError {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    RulesError {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message,
    }
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules_version: Spanned<String>,
    jurisdiction: String,
    #[serde(deserialize_with = "time::date")]
    verified_on: Date,
    #[serde(deserialize_with = "time::spanned_date")]
    review_by: Spanned<Date>,
    #[serde(default)]
    sources: Vec<String>,
    statistics: Spanned<Statistics>,
    limits: Limits,
    transport: Transport,
    #[serde(default)]
    reuse: Vec<Spanned<Reuse>>,
    purpose: BTreeMap<String, Spanned<Purpose>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    max_retention_days: u32,
    max_authorisation_days: u32,
    max_provisional_days: u32,
    min_motif_chars: usize,
    deferred_min_age_s: u32,
    live_max_age_s: u32,
    max_event_days: u32,
    max_register_days: u32,
    empty_motifs: Vec<String>,
    notice_content: Vec<NoticePart>,
    private_controllers: Vec<String>,
}

/// For what images recorded for one purpose may serve.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reuse {
    origin: String,
    targets: Vec<String>,
}
