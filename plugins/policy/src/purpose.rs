// SPDX-License-Identifier: MIT OR Apache-2.0
//! One purpose of the rules, and what can be said about it alone.

use jiff::civil::Date;
use serde::Deserialize;

use crate::{
    time,
    vocabulary::{
        Capacity, DetectorUse, Field, Mask, MaskMethod, Mode, Operation, PlaceType, SinkClass,
    },
};

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

impl Purpose {
    /// What can be said about one table alone.
    pub(crate) fn check(&self, id: &str) -> Result<(), String> {
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
        need(
            !self.enabled || self.status == Status::Restricted,
            "enabled is for restricted purposes; the others are open or refused by their status",
        )?;
        let decided = |by: &Option<String>| by.as_ref().is_some_and(|by| !by.trim().is_empty());
        need(
            !self.enabled || decided(&self.enabled_by) && self.enabled_on.is_some(),
            "enabled = true opens a restricted purpose: enabled_by says who decided it, enabled_on when",
        )?;
        need(
            self.status == Status::Restricted
                || self.detector_use != DetectorUse::Search && !id.starts_with("experiment."),
            "a search and an experiment are restricted; detector_use \"search\" is not available in an allowed purpose",
        )?;
        if self.status != Status::Allowed {
            need(
                self.code.as_ref().is_some_and(|c| !c.is_empty()),
                "a refused or restricted purpose names the code of its refusal",
            )?;
            need(
                self.message_en.is_some() && self.message_fr.is_some(),
                "a refused or restricted purpose says why, in message_en and message_fr",
            )?;
        }
        // A restricted purpose that a site may open is checked before anybody opens it.
        if self.status == Status::Refused
            || self.status == Status::Restricted && !self.enabled && self.capacities.is_empty()
        {
            return Ok(());
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
            (self.max_duration_days > 0) != self.max_duration_s.is_some_and(|s| s > 0),
            "either max_duration_days or max_duration_s says how long a mandate may run: none is open-ended",
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
            self.detector_use != DetectorUse::Statistics || !self.video_out,
            "a purpose with detector_use \"statistics\" lets no image out (video_out = false)",
        )?;
        need(
            self.detector_use != DetectorUse::Statistics
                || self.required.contains(&Field::Stats) && !self.detector_classes.is_empty(),
            "detector_use \"statistics\" needs the field stats and detector_classes",
        )?;
        self.check_law(id)
    }

    /// What the law says of every purpose, and of those of one family: a rules file cannot say otherwise.
    fn check_law(&self, id: &str) -> Result<(), String> {
        use Field as F;
        let need = |ok: bool, message: &str| if ok { Ok(()) } else { Err(message.to_owned()) };
        let family = |name: &str| id.starts_with(name);
        let detects = |class: &str| self.detector_classes.iter().any(|c| c == class);
        let require = |fields: &[Field], why: &str| match fields
            .iter()
            .find(|f| !self.required.contains(f))
        {
            None => Ok(()),
            Some(field) => Err(format!("required lacks {field}: {why}")),
        };
        require(
            &[
                F::LegalBasis,
                F::Regime,
                F::Controller,
                F::Dpo,
                F::RightsContact,
            ],
            "every processing names its ground, who answers for it and where rights are exercised (RGPD 5(2), 6, 12, 37)",
        )?;
        if self.video_out {
            require(&[F::Audience], "images are for somebody (CSI R.253-3)")?;
        }
        let judicial = family("judicial.");
        if !judicial && !family("oversight.") {
            require(&[F::PublicNotice], "the public is informed (CSI R.253-6 I)")?;
        }
        if self.detector_use != DetectorUse::None || family("vp.") {
            require(
                &[F::Dpia],
                "systematic monitoring needs an impact assessment (RGPD 35)",
            )?;
        }
        if self.modes == [Mode::Deferred] {
            require(
                &[F::OriginPurpose],
                "recordings keep the purpose they were made for (RGPD 5(1)(b))",
            )?;
        }
        let displays = [SinkClass::CsuDisplay, SinkClass::InternalSecured];
        let seen_clear = self.video_out
            && self.required_mask < Mask::PersonsVehicles
            && self.sink_classes.iter().any(|s| displays.contains(s));
        if seen_clear || self.one_clear && self.sink_classes.iter().any(|s| displays.contains(s)) {
            require(
                &[F::ViewingPlaces],
                "clear images are seen in named places (CSI R.253-3)",
            )?;
        }
        if self.export && self.video_out && self.required_mask == Mask::None || self.one_clear {
            need(
                self.second_person,
                "second_person: a second person countersigns clear exports and the lifting of a mask",
            )?;
        }
        need(
            !self.capacities.contains(&Capacity::Commercant),
            "capacities: a shopkeeper never views (CSI R.251-2)",
        )?;
        need(
            self.place_types
                .iter()
                .all(|p| matches!(p, PlaceType::PublicRoad | PlaceType::PublicPlace)),
            "place_types: these elements are for public roads and places open to the public (CSI L.251-2)",
        )?;
        need(
            self.sink_classes.contains(&SinkClass::Store) == (self.operation == Operation::Collect),
            "the sink class \"store\" and the operation \"collect\" are those of the recorder, and go together",
        )?;
        need(
            (self.detector_use == DetectorUse::Statistics) == family("stats."),
            "detector_use \"statistics\" is for purposes named stats.*, and they have no other (CNIL 2024)",
        )?;
        need(
            !family("stats.") || self.modes == [Mode::Live],
            "stats.* count live images only, in memory; modes = [\"live\"]",
        )?;
        need(
            !detects("plate") || self.detector_use == DetectorUse::Mask,
            "detector_classes: plates are found only to be masked (CSI L.233-1)",
        )?;
        need(
            !detects("face") || self.detector_use == DetectorUse::Mask,
            "detector_classes: faces are found only to be masked (RGPD 9)",
        )?;
        if self.detector_use == DetectorUse::Search {
            need(
                judicial && self.modes == [Mode::Deferred],
                "detector_use \"search\" is judicial, and on recordings only (CNIL 2024)",
            )?;
            require(
                &[
                    F::Requisition,
                    F::Search,
                    F::Necessity,
                    F::Proportionality,
                    F::Models,
                ],
                "a search is asked for, described and necessary (CPP 230-20; CNIL 2024)",
            )?;
        }
        need(
            !family("vp.") || self.detector_use <= DetectorUse::Mask,
            "an authorisation of vidéoprotection never implies analysis: vp.* has detector_use \"none\" or \"mask\"",
        )?;
        if family("vp.") {
            require(
                &[F::CsiAuthorisation],
                "vidéoprotection is authorised by the prefect (CSI L.252-1)",
            )?;
            need(
                !self.commitment_types.is_empty(),
                "commitment_types: public controllers commit to the CNIL before the first use (CSI R.253-7)",
            )?;
        }
        if judicial || family("procedure.") || family("rights.") {
            need(
                self.modes == [Mode::Deferred],
                "judicial.*, procedure.* and rights.* are for recordings; modes = [\"deferred\"]",
            )?;
        }
        if judicial {
            require(
                &[F::Requisition],
                "judicial.* serves one requisition (CPP 60-1, 77-1-1, 99-3)",
            )?;
            need(
                !self.requisition_articles.is_empty(),
                "requisition_articles is empty; name the articles that a requisition can rest on",
            )?;
        }
        if family("procedure.") || family("rights.") || family("oversight.") {
            require(
                &[F::Procedure],
                "images are seen in a procedure of the law (CSI R.253-3 III)",
            )?;
            need(
                !self.procedure_types.is_empty(),
                "procedure_types is empty; name the procedures of the law",
            )?;
        }
        if family("comm.") {
            need(
                self.video_out && self.required_mask >= Mask::PersonsVehicles,
                "comm.* publishes nothing clear: required_mask \"persons+vehicles\" or \"frame\" (RGPD 25)",
            )?;
            need(
                self.election_sensitive,
                "election_sensitive: comm.* follows the election calendar (C. élect. L.52-1)",
            )?;
            require(
                &[
                    F::CsiAuthorisation,
                    F::RopaRef,
                    F::Recipient,
                    F::Channel,
                    F::ItemRef,
                    F::Approver,
                    F::Consents,
                    F::DeclarationNonElectoral,
                    F::BeneficiaryType,
                    F::Promotional,
                ],
                "a publication is approved, consented to and not electoral (C. civ. 9; C. élect. L.52-8)",
            )?;
        }
        Ok(())
    }

    /// Whether the purpose opens to anybody at all, dates aside.
    pub fn is_open(&self) -> bool {
        match self.status {
            Status::Allowed => true,
            Status::Restricted => self.enabled,
            Status::Refused => false,
        }
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
