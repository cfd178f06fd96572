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

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    decide::open_purpose,
    refusal::Refusal,
    time,
    vocabulary::{
        Capacity, DetectorUse, Field, Mask, MaskMethod, Mode, Operation, PlaceType, SinkClass,
    },
};

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
    /// Periods in which a public body may not promote itself (C. élect. L.52-1).
    pub election_calendar: Vec<Election>,
    /// Where the rules come from.
    pub sources: Vec<String>,
    purposes: BTreeMap<String, Purpose>,
}

/// Whether a purpose can open at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Opens on a complete mandate.
    Allowed,
    /// Known to the law under conditions these elements do not check: refused.
    Restricted,
    /// Forbidden to everybody.
    Refused,
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

/// A period in which promotional publication is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Election {
    /// Name of the election.
    pub name: String,
    /// INSEE codes concerned, or `*` for the whole country.
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

/// One purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// Whether it can open at all.
    pub status: Status,
    /// Code of the refusal, for refused and restricted purposes.
    #[serde(default)]
    pub code: Option<String>,
    /// Name in English.
    pub label_en: String,
    /// Name in French.
    pub label_fr: String,
    /// Why it is refused or what to know, in English.
    #[serde(default)]
    pub message_en: Option<String>,
    /// Why it is refused or what to know, in French.
    #[serde(default)]
    pub message_fr: Option<String>,
    /// What to do instead, in English.
    #[serde(default)]
    pub remedy_en: Option<String>,
    /// What to do instead, in French.
    #[serde(default)]
    pub remedy_fr: Option<String>,
    /// First day of the legal regime.
    #[serde(default, deserialize_with = "time::opt_date")]
    pub valid_from: Option<Date>,
    /// Last day of the legal regime.
    #[serde(default, deserialize_with = "time::opt_date")]
    pub valid_to: Option<Date>,
    /// Articles.
    #[serde(default)]
    pub legal_refs: Vec<String>,
    /// Legal bases a mandate may name.
    #[serde(default)]
    pub legal_bases: Vec<String>,
    /// Titles of the data protection act a mandate may name.
    #[serde(default)]
    pub regimes: Vec<String>,
    /// Kinds of controller.
    #[serde(default)]
    pub controllers: Vec<String>,
    /// Fields that the mandate must fill in, beside those that every mandate has.
    #[serde(default)]
    pub required: Vec<Field>,
    /// Capacities of operators.
    #[serde(default)]
    pub capacities: Vec<Capacity>,
    /// Capacities of recipients; empty for any.
    #[serde(default)]
    pub recipient_capacities: Vec<String>,
    /// Topics every operator must be trained in.
    #[serde(default)]
    pub training: Vec<String>,
    /// Where the images may go.
    #[serde(default)]
    pub sink_classes: Vec<SinkClass>,
    /// Live, deferred or both.
    #[serde(default)]
    pub modes: Vec<Mode>,
    /// Kinds of place.
    #[serde(default)]
    pub place_types: Vec<PlaceType>,
    /// Weakest mask that may leave.
    #[serde(default = "strictest_mask")]
    pub required_mask: Mask,
    /// Classes a mask must cover, as COCO labels.
    #[serde(default)]
    pub mask_classes: Vec<String>,
    /// How it must be masked.
    #[serde(default = "any_method")]
    pub mask_method: MaskMethod,
    /// One chosen person may stay clear, for the copy that somebody filmed has a right to (RGPD art. 15).
    #[serde(default)]
    pub one_clear: bool,
    /// What a detector may be used for.
    #[serde(default = "no_detector")]
    pub detector_use: DetectorUse,
    /// Classes that may be detected.
    #[serde(default)]
    pub detector_classes: Vec<String>,
    /// Whether images may leave as a file.
    #[serde(default)]
    pub export: bool,
    /// Whether images may leave at all.
    #[serde(default)]
    pub video_out: bool,
    /// Whether the register must hold the opening entry before anything flows.
    #[serde(default = "yes")]
    pub record_before_flow: bool,
    /// Longest mandate, in days.
    #[serde(default)]
    pub max_duration_days: u32,
    /// Longest single run, in seconds.
    #[serde(default)]
    pub max_session_s: Option<u32>,
    /// Operation in the register.
    #[serde(default = "refuse")]
    pub operation: Operation,
    /// Where this table comes from.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Opens a restricted purpose; whoever writes it says who decided and when.
    #[serde(default)]
    pub enabled: bool,
    /// Who opened a restricted purpose, by role.
    #[serde(default)]
    pub enabled_by: Option<String>,
    /// Day on which a restricted purpose was opened.
    #[serde(default, deserialize_with = "time::opt_date")]
    pub enabled_on: Option<Date>,
    /// What whoever misuses this risks, in English; told with each refusal.
    #[serde(default)]
    pub risk_en: Option<String>,
    /// What whoever misuses this risks, in French; told with each refusal.
    #[serde(default)]
    pub risk_fr: Option<String>,
    /// Longest mandate, in seconds; where it is given, `max_duration_days` is not.
    #[serde(default)]
    pub max_duration_s: Option<u32>,
    /// Shortest delay between capture and release of a live image, in seconds.
    #[serde(default)]
    pub min_delay_s: Option<u32>,
    /// Largest width of an image, in pixels.
    #[serde(default)]
    pub max_width: Option<u32>,
    /// Largest height of an image, in pixels.
    #[serde(default)]
    pub max_height: Option<u32>,
    /// A mandate opens once.
    #[serde(default)]
    pub single_use: bool,
    /// A second person countersigns.
    #[serde(default)]
    pub second_person: bool,
    /// Images leave as they were recorded, never decoded.
    #[serde(default)]
    pub lossless: bool,
    /// Promotion under this purpose ends with the beginning of an election period.
    #[serde(default)]
    pub election_sensitive: bool,
    /// Commitments to the CNIL of which a public controller needs one.
    #[serde(default)]
    pub commitment_types: Vec<String>,
    /// Procedures of which the mandate names one.
    #[serde(default)]
    pub procedure_types: Vec<String>,
    /// Articles of which a requisition rests on one.
    #[serde(default)]
    pub requisition_articles: Vec<String>,
    /// Purposes of which the public notice mentions one; the purpose itself when empty.
    #[serde(default)]
    pub notice_for: Vec<String>,
    /// Fields that are needed beside `required` where a camera films a public road.
    #[serde(default)]
    pub required_on_public_road: Vec<Field>,
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
        for election in &file.election {
            let e = election.get_ref();
            check(
                e.from < e.to && !e.territories.is_empty(),
                election.span(),
                format!(
                    "election {}: it needs territories and from before to",
                    e.name
                ),
            )?;
        }
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
            election_calendar: file.election.into_iter().map(Spanned::into_inner).collect(),
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

impl Purpose {
    /// What can be said about one table alone.
    fn check(&self, id: &str) -> Result<(), String> {
        let need = |ok: bool, message: &str| if ok { Ok(()) } else { Err(message.to_owned()) };
        need(
            !id.starts_with("refused.") || self.status == Status::Refused,
            "a purpose named refused.* has status \"refused\"",
        )?;
        // Labels travel between elements in lists with a line each.
        let mut labels = self.mask_classes.iter().chain(&self.detector_classes);
        need(
            !id.contains(char::is_control) && !labels.any(|l| l.contains(char::is_control)),
            "its name or one of its classes holds a control character",
        )?;
        if let (Some(from), Some(to)) = (self.valid_from, self.valid_to) {
            need(from <= to, "valid_from lies after valid_to")?;
        }
        // Of a closed purpose too: what it says of the mask is in force on the day it is opened.
        need(
            self.mask_method == MaskMethod::Any || self.required_mask != Mask::None,
            "mask_method says how to mask, so required_mask must not be \"none\"",
        )?;
        need(
            !self.one_clear || matches!(self.required_mask, Mask::Persons | Mask::PersonsVehicles),
            "one_clear leaves one person out of a mask of persons, so required_mask must be \"persons\" or \"persons+vehicles\"",
        )?;
        let leaves_unprotected = self
            .sink_classes
            .iter()
            .any(|s| matches!(s, SinkClass::InternalUnsecured | SinkClass::Public));
        need(
            !self.one_clear || !leaves_unprotected,
            "one_clear: images of one clear person may not go to the public or to an unsecured network, so sink_classes must name neither",
        )?;
        if self.status != Status::Allowed {
            need(
                self.code.as_ref().is_some_and(|c| !c.is_empty()),
                "a refused or restricted purpose names the code of its refusal",
            )?;
            return need(
                self.message_en.is_some() && self.message_fr.is_some(),
                "a refused or restricted purpose says why, in message_en and message_fr",
            );
        }
        need(
            !self.capacities.is_empty(),
            "capacities is empty, so nobody could use it",
        )?;
        need(
            !self.sink_classes.is_empty(),
            "sink_classes is empty, so nothing could open",
        )?;
        need(
            !self.sink_classes.contains(&SinkClass::Undeclared),
            "sink_classes must not hold \"undeclared\"",
        )?;
        need(
            !self.modes.is_empty(),
            "modes is empty; name \"live\", \"deferred\" or both",
        )?;
        need(!self.place_types.is_empty(), "place_types is empty")?;
        need(!self.legal_bases.is_empty(), "legal_bases is empty")?;
        need(!self.legal_refs.is_empty(), "legal_refs is empty")?;
        need(
            self.max_duration_days > 0,
            "max_duration_days is missing or 0: no mandate is open-ended",
        )?;
        need(
            self.record_before_flow,
            "record_before_flow = false is not supported: nothing flows unrecorded",
        )?;
        need(
            matches!(self.required_mask, Mask::None | Mask::Frame) || !self.mask_classes.is_empty(),
            "required_mask names classes of objects, so mask_classes must list them",
        )?;
        need(
            self.required_mask < Mask::PersonsVehicles
                || self.required_mask == Mask::Frame
                || self.mask_classes.iter().any(|c| c == "person") && self.mask_classes.len() > 1,
            "required_mask \"persons+vehicles\" needs person and vehicles in mask_classes",
        )?;
        need(
            !self.video_out || !leaves_unprotected || self.required_mask >= Mask::PersonsVehicles,
            "images for the public or for an unsecured network need required_mask \"persons+vehicles\" or \"frame\"",
        )?;
        need(
            self.export || !self.video_out || !self.sink_classes.contains(&SinkClass::File),
            "sink class \"file\" is an extraction and needs export = true",
        )?;
        need(
            self.detector_use != DetectorUse::Search,
            "detector_use \"search\" is not available in an allowed purpose",
        )?;
        need(
            self.detector_use != DetectorUse::Statistics || !self.video_out,
            "a purpose with detector_use \"statistics\" lets no image out (video_out = false)",
        )?;
        need(
            self.detector_use != DetectorUse::Statistics
                || self.required.contains(&Field::Stats) && !self.detector_classes.is_empty(),
            "detector_use \"statistics\" needs the field stats and detector_classes",
        )
    }
}

fn fault(text: &str, span: Range<usize>, message: String) -> RulesError {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    RulesError {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message,
    }
}

fn strictest_mask() -> Mask {
    Mask::Frame
}

fn any_method() -> MaskMethod {
    MaskMethod::Any
}

fn no_detector() -> DetectorUse {
    DetectorUse::None
}

fn yes() -> bool {
    true
}

fn refuse() -> Operation {
    Operation::Refuse
}

fn spanned_date<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Spanned<Date>, D::Error> {
    #[derive(Deserialize)]
    struct Day(#[serde(deserialize_with = "time::date")] Date);
    let day = Spanned::<Day>::deserialize(d)?;
    Ok(Spanned::new(day.span(), day.into_inner().0))
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules_version: Spanned<String>,
    jurisdiction: String,
    #[serde(deserialize_with = "time::date")]
    verified_on: Date,
    #[serde(deserialize_with = "spanned_date")]
    review_by: Spanned<Date>,
    #[serde(default)]
    sources: Vec<String>,
    statistics: Spanned<Statistics>,
    limits: Limits,
    #[serde(default)]
    election: Vec<Spanned<Election>>,
    purpose: BTreeMap<String, Spanned<Purpose>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    max_retention_days: u32,
    max_authorisation_days: u32,
    max_provisional_days: u32,
    min_motif_chars: usize,
}
