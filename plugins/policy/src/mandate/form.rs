// SPDX-License-Identifier: MIT OR Apache-2.0
//! The form that a controller fills in, which is also what a token says.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::papers::{
    AccessRequest, ApprovedModel, Event, LegalReview, MagistrateAuthorisation, Mobility,
    NoticePart, Procedure, Search,
};
use super::recipients::Recipients;
use crate::{
    schedule::Schedule,
    time,
    vocabulary::{Capacity, Field, Mask, PlaceType, SinkClass},
};

/// Version of the form; a token of another version is refused.
pub const VERSION: u32 = 1;

/// A mandate before it is signed. Field names and meaning: requirements of the rules file; a day without
/// an hour counts in Paris time, and a last day counts in full.
///
/// Which of the optional fields are needed depends on the purpose: see [`crate::rules::Purpose::required`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Version of the form, [`VERSION`].
    pub version: u32,
    /// Random identifier (UUID).
    pub mandate_id: String,
    /// Version of the rules it was drawn up under.
    pub rules_version: String,
    /// The one purpose.
    pub purpose_id: String,
    /// The reason in a sentence, which goes into the register (CSI R.253-5).
    pub motif: String,
    /// First instant.
    #[serde(deserialize_with = "time::from")]
    pub valid_from: Timestamp,
    /// First instant after the end.
    #[serde(deserialize_with = "time::until")]
    pub valid_to: Timestamp,
    /// Who issues it.
    pub issued_by: String,
    /// Day of issue.
    #[serde(deserialize_with = "time::date")]
    pub issued_at: Date,
    /// The cameras, each by name: there is no wildcard.
    pub cameras: Vec<Camera>,
    /// The people who may operate.
    pub operators: Vec<Operator>,
    /// Where the images may go.
    pub sink_classes: Vec<SinkClass>,
    /// The mask, at least the purpose's.
    pub anonymisation: Mask,

    /// Legal basis (`rgpd_6_1_e`, …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
    /// Title of the data protection act: `II`, `III` or `IV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regime: Option<String>,
    /// Ground of CSI L.251-2, 1 to 11.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csi_ground: Option<u8>,
    /// Who decides on the processing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<Controller>,
    /// Data protection officer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpo: Option<Dpo>,
    /// Where filmed people exercise their rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights_contact: Option<String>,
    /// Prefectoral authorisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csi_authorisation: Option<CsiAuthorisation>,
    /// `habilitated` or `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// Places of viewing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub viewing_places: Vec<String>,
    /// Public notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_notice: Option<PublicNotice>,
    /// Impact assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpia: Option<Dpia>,
    /// Entry in the record of processing activities (RGPD 30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ropa_ref: Option<String>,
    /// Commitment of conformity sent to the CNIL (CSI R.253-7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliance_commitment: Option<ComplianceCommitment>,
    /// Why the processing is necessary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub necessity: Option<String>,
    /// Why it is proportionate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proportionality: Option<String>,
    /// Judicial requisition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requisition: Option<Requisition>,
    /// Who receives the images: one recipient, or several of whom each run serves one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Recipients>,
    /// Channel of publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// What is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_ref: Option<String>,
    /// Role of who approved the publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// Consents of recognisable people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consents: Option<Consents>,
    /// Declaration that the publication is not electoral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declaration_non_electoral: Option<Declaration>,
    /// Who benefits from the publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beneficiary_type: Option<Beneficiary>,
    /// Whether it promotes what the authority achieved or how it is run (C. élect. L.52-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotional: Option<bool>,
    /// Limits and objection for statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Stats>,
    /// `test` for published test footage that is not vidéoprotection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footage: Option<Footage>,
    /// Days and hours at which it serves; at any time when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Incident that is looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_ref: Option<String>,
    /// Days that recordings are kept; never more than the authorisation allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Procedure in which the images are seen or communicated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub procedure: Option<Procedure>,
    /// Request for access, and what was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_request: Option<AccessRequest>,
    /// Decision of a magistrate for one case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub magistrate_authorisation: Option<MagistrateAuthorisation>,
    /// The narrowly framed case of a public live broadcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_case_ref: Option<String>,
    /// Event that an order of the prefect names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Purpose that the images were recorded for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_purpose: Option<String>,
    /// Legal review of a use whose ground is debated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_review: Option<LegalReview>,
    /// Detection models that the controller approved; any other is refused when the list is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ApprovedModel>,
    /// Reference of the copy kept for a case, which may be older than recordings are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_copy_ref: Option<String>,
    /// What a judicial search looks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// Where the controller publishes what it withdraws; a gate then needs its copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
}

/// One camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Identifier, as in the `camera` property.
    pub id: String,
    /// INSEE code of the municipality.
    pub insee_code: String,
    /// Public road or place open to the public; others are out of scope.
    pub place_type: PlaceType,
    /// Fixed or mobile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobility: Option<Mobility>,
    /// Position of a camera that turns, whose privacy zones these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// SHA-256 of the file of privacy zones in hex, or `none`: the controller states that no dwelling is in view
    /// (CSI L.251-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy_zones_digest: Option<String>,
}

/// One operator, by pseudonym.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Pseudonym, as in the `operator` property.
    pub id: String,
    /// In what quality this person acts.
    pub capacity: Capacity,
    /// Individual designation.
    pub habilitation: Habilitation,
    /// INSEE codes this person may see images of (CSI R.253-3 II 2°).
    pub territory: Vec<String>,
    /// Training followed.
    #[serde(default)]
    pub training: Vec<Training>,
}

/// Act that designates one operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Habilitation {
    /// Who designates.
    pub authority: String,
    /// Reference of the act.
    pub act_ref: String,
    /// First instant.
    #[serde(deserialize_with = "time::from")]
    pub valid_from: Timestamp,
    /// First instant after the end.
    #[serde(deserialize_with = "time::until")]
    pub valid_to: Timestamp,
}

/// One training followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Topic, such as `regulation`.
    pub topic: String,
    /// Day it ended.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
    /// First instant it no longer counts.
    #[serde(deserialize_with = "time::until")]
    pub valid_to: Timestamp,
}

/// Who decides on the processing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// Name of the body.
    pub name: String,
    /// Kind of body (`commune`, `epci`, …).
    #[serde(rename = "type")]
    pub kind: String,
    /// SIREN number.
    pub siren: String,
    /// Contact.
    pub contact: String,
}

/// Data protection officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dpo {
    /// Name or role.
    pub role: String,
    /// Contact.
    pub contact: String,
}

/// Prefectoral authorisation (CSI L.252-1 to L.252-7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsiAuthorisation {
    /// Prefect who signed.
    pub prefect: String,
    /// Reference of the act.
    pub act_ref: String,
    /// Day of the act.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
    /// First instant after its end.
    #[serde(deserialize_with = "time::until")]
    pub valid_to: Timestamp,
    /// Days that recordings are kept.
    pub retention_days: u32,
    /// Provisional authorisation (L.252-6).
    #[serde(default)]
    pub provisional: bool,
    /// For a provisional one: first instant after the event.
    #[serde(
        default,
        deserialize_with = "time::opt_until",
        skip_serializing_if = "Option::is_none"
    )]
    pub event_end: Option<Timestamp>,
}

/// Who may see the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Individually designated people only.
    Habilitated,
    /// Anybody.
    Public,
}

/// Public notice (CSI R.253-6 I).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicNotice {
    /// Identifiers of the signs.
    pub sign_ids: Vec<String>,
    /// Day they were put up.
    #[serde(deserialize_with = "time::date")]
    pub posted_on: Date,
    /// Purposes that the notice announces.
    pub mentions: Vec<String>,
    /// Where the complete text is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Version of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version: Option<String>,
    /// What the notice says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<NoticePart>,
}

/// Impact assessment (RGPD 35).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dpia {
    /// Reference.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Day.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
    /// Purposes it covers.
    pub covers: Vec<String>,
}

/// Commitment of conformity (CSI R.253-7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplianceCommitment {
    /// `R253-7` or `RU-18`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Reference at the CNIL.
    pub cnil_ref: String,
    /// Day it was sent; never after the first use.
    #[serde(deserialize_with = "time::date")]
    pub sent_on: Date,
}

/// Who issued a requisition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorityType {
    /// Judicial police.
    PoliceJudiciaire,
    /// Prosecutor or investigating judge.
    AutoriteJudiciaire,
}

/// Judicial requisition: one, with its cameras and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requisition {
    /// Kind of authority.
    pub authority_type: AuthorityType,
    /// Officer, by service and number.
    pub officer: String,
    /// Number of the requisition.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Day.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
    /// Article of the code of criminal procedure.
    pub legal_article: String,
    /// Cameras it names.
    pub cameras: Vec<String>,
    /// First instant it asks for.
    #[serde(deserialize_with = "time::from")]
    pub from: Timestamp,
    /// First instant after what it asks for.
    #[serde(deserialize_with = "time::until")]
    pub to: Timestamp,
    /// What it asks for.
    pub object: String,
    /// The case it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_ref: Option<String>,
}

/// Who receives the images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Name or role.
    pub name: String,
    /// Service.
    pub service: String,
    /// Capacity (`OPJ`, `public`, …).
    pub capacity: String,
}

/// Channel of publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Website.
    Website,
    /// Magazine.
    Magazine,
    /// Social network.
    Social,
    /// E-mail.
    Email,
    /// Another electronic medium.
    OtherElectronic,
    /// Press.
    Press,
}

/// Consents of recognisable people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Consents {
    /// `none_recognisable`: nobody can be recognised.
    None(NoneRecognisable),
    /// One per person.
    Given(Vec<Consent>),
}

/// The word `none_recognisable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoneRecognisable {
    /// Nobody can be recognised.
    #[serde(rename = "none_recognisable")]
    NoneRecognisable,
}

/// One consent; the document itself stays with the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// SHA-256 of the document, in hex.
    pub digest: String,
    /// Day.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
    /// What was consented to.
    pub scope: String,
}

/// Declaration that a publication is not electoral.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Role of who declares.
    pub signatory: String,
    /// Day.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
}

/// Who benefits from a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beneficiary {
    /// The public body itself.
    PublicBody,
    /// Another body that takes no part in an election.
    Other,
    /// A candidate: always refused.
    Candidate,
    /// A list: always refused.
    List,
    /// A party: always refused.
    Party,
    /// A campaign account: always refused.
    Campaign,
}

/// Limits and objection for statistics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stats {
    /// Classes that are counted.
    pub classes: Vec<String>,
    /// Window in seconds; the rules' default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<u32>,
    /// Smallest count published; the rules' default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_count: Option<u32>,
    /// Seconds between the end of a window and its publication; the rules' default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_delay_s: Option<u32>,
    /// How the right to object is met (`derogation_78_116`, `alternative_path`, `exclusion_zone`,
    /// `not_personal_after_capture`).
    pub objection: String,
    /// Why that way.
    pub objection_justification: String,
    /// Written agreement of the DPO to limits below the floors of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpo_signoff: Option<DpoSignoff>,
}

/// Agreement of the DPO to shorter windows, in the DPO's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpoSignoff {
    /// Name or role.
    pub by: String,
    /// Day.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
    /// Shortest window agreed to, in seconds.
    pub min_window_s: u32,
    /// Shortest publication delay agreed to, in seconds; the rules' when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_publish_delay_s: Option<u32>,
}

/// What kind of footage this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Footage {
    /// Images of a vidéoprotection system.
    Videoprotection,
    /// A published test clip.
    Test,
}

/// Why a form was refused before its content was judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not TOML, or not a form: line and column are in the text.
    #[error("{0}")]
    Toml(String),
    /// A value that nobody filled in.
    #[error(
        "line {line}: {field} still holds the placeholder {value}; replace it / remplacez cette valeur"
    )]
    Unfilled {
        /// Path of the field.
        field: String,
        /// The placeholder.
        value: String,
        /// Line of the form, from 1.
        line: usize,
    },
}

impl Form {
    /// Reads a form. Placeholders (`<…>`) that were left in it are errors.
    pub fn parse(text: &str) -> Result<Self, FormError> {
        let table: toml::Table =
            toml::from_str(text).map_err(|e| FormError::Toml(e.to_string()))?;
        if let Some((field, value)) = placeholder("", &toml::Value::Table(table)) {
            // The key is the last part of the path that is not the number of an item.
            let key = field
                .rsplit('.')
                .find(|part| part.parse::<usize>().is_err());
            let line = text
                .lines()
                .position(|l| l.trim_start().starts_with(key.unwrap_or("")) && l.contains(&value))
                .map_or(1, |l| l + 1);
            return Err(FormError::Unfilled { field, value, line });
        }
        toml::from_str(text).map_err(|e| FormError::Toml(e.to_string()))
    }

    /// Whether the form fills in `field`, with something in it.
    pub fn has(&self, field: Field) -> bool {
        let text = |t: &Option<String>| t.as_ref().is_some_and(|t| !t.trim().is_empty());
        match field {
            Field::LegalBasis => text(&self.legal_basis),
            Field::Regime => text(&self.regime),
            Field::CsiGround => self.csi_ground.is_some(),
            Field::Controller => self
                .controller
                .as_ref()
                .is_some_and(|c| filled(&[&c.name, &c.kind, &c.siren, &c.contact])),
            Field::Dpo => self
                .dpo
                .as_ref()
                .is_some_and(|d| filled(&[&d.role, &d.contact])),
            Field::RightsContact => text(&self.rights_contact),
            Field::CsiAuthorisation => self
                .csi_authorisation
                .as_ref()
                .is_some_and(|a| filled(&[&a.prefect, &a.act_ref])),
            Field::Audience => self.audience.is_some(),
            Field::ViewingPlaces => all_filled(&self.viewing_places),
            Field::PublicNotice => self
                .public_notice
                .as_ref()
                .is_some_and(|n| all_filled(&n.sign_ids)),
            Field::Dpia => self.dpia.as_ref().is_some_and(|d| filled(&[&d.reference])),
            Field::RopaRef => text(&self.ropa_ref),
            Field::ComplianceCommitment => self
                .compliance_commitment
                .as_ref()
                .is_some_and(|c| filled(&[&c.kind, &c.cnil_ref])),
            Field::Necessity => text(&self.necessity),
            Field::Proportionality => text(&self.proportionality),
            Field::Requisition => self.requisition.as_ref().is_some_and(|r| {
                filled(&[&r.officer, &r.reference, &r.legal_article, &r.object])
                    && all_filled(&r.cameras)
            }),
            Field::Recipient => self.recipient.as_ref().is_some_and(|list| {
                !list.is_empty()
                    && list
                        .iter()
                        .all(|r| filled(&[&r.name, &r.service, &r.capacity]))
            }),
            Field::Channel => self.channel.is_some(),
            Field::ItemRef => text(&self.item_ref),
            Field::Approver => text(&self.approver),
            Field::Consents => match &self.consents {
                None => false,
                Some(Consents::None(_)) => true,
                Some(Consents::Given(given)) => {
                    !given.is_empty() && given.iter().all(|c| filled(&[&c.digest, &c.scope]))
                }
            },
            Field::DeclarationNonElectoral => self
                .declaration_non_electoral
                .as_ref()
                .is_some_and(|d| filled(&[&d.signatory])),
            Field::BeneficiaryType => self.beneficiary_type.is_some(),
            Field::Promotional => self.promotional.is_some(),
            Field::Stats => self.stats.as_ref().is_some_and(|s| !s.classes.is_empty()),
            Field::Schedule => self.schedule.as_ref().is_some_and(|s| !s.slots.is_empty()),
            Field::IncidentRef => text(&self.incident_ref),
            Field::RetentionDays => self.retention_days.is_some_and(|days| days > 0),
            Field::Procedure => self
                .procedure
                .as_ref()
                .is_some_and(|p| filled(&[&p.kind, &p.reference, &p.authority])),
            Field::AccessRequest => self
                .access_request
                .as_ref()
                .is_some_and(|r| filled(&[&r.reference])),
            Field::MagistrateAuthorisation => self
                .magistrate_authorisation
                .as_ref()
                .is_some_and(|m| filled(&[&m.magistrate, &m.court, &m.case_ref])),
            Field::StrictCaseRef => text(&self.strict_case_ref),
            Field::Event => self.event.as_ref().is_some_and(|e| {
                filled(&[&e.name, &e.kind, &e.order_ref]) && all_filled(&e.perimeter)
            }),
            Field::OriginPurpose => text(&self.origin_purpose),
            Field::LegalReview => self.legal_review.as_ref().is_some_and(|r| filled(&[&r.by])),
            Field::Models => {
                !self.models.is_empty()
                    && self
                        .models
                        .iter()
                        .all(|m| filled(&[&m.sha256, &m.approved_by]))
            }
            Field::CaseCopyRef => text(&self.case_copy_ref),
            Field::Search => self
                .search
                .as_ref()
                .is_some_and(|s| all_filled(&s.classes) && filled(&[&s.description])),
        }
    }
}

fn filled(texts: &[&str]) -> bool {
    texts.iter().all(|t| !t.trim().is_empty())
}

/// Whether a list holds something, and nothing empty.
fn all_filled(texts: &[String]) -> bool {
    !texts.is_empty() && texts.iter().all(|t| !t.trim().is_empty())
}

/// The first text that is still a placeholder, with its path.
fn placeholder(path: &str, value: &toml::Value) -> Option<(String, String)> {
    let join = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        toml::Value::String(s) if s.starts_with('<') && s.ends_with('>') => {
            Some((path.to_owned(), s.clone()))
        }
        toml::Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(i, item)| placeholder(&join(&(i + 1).to_string()), item)),
        toml::Value::Table(table) => table
            .iter()
            .find_map(|(key, item)| placeholder(&join(key), item)),
        _ => None,
    }
}
