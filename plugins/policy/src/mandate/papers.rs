// SPDX-License-Identifier: MIT OR Apache-2.0
//! The papers of a procedure, a case or an event that a form can cite.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::time;

/// How a camera is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mobility {
    /// Fixed to a building or a mast; it may turn and zoom.
    Fixed,
    /// Carried, in a vehicle or moved from place to place.
    Mobile,
}

/// What a public notice must say (CSI R.253-6 I).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticePart {
    /// The pictogram of a camera.
    Pictogram,
    /// Who the controller is.
    Controller,
    /// What the images serve for.
    Purposes,
    /// The rights of those filmed, and where to exercise them.
    Rights,
}

/// A procedure in which images may be seen or communicated (CSI R.253-3 III, R.253-6 IV).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// Kind of procedure, one of those that the purpose lists.
    #[serde(rename = "type")]
    pub kind: String,
    /// Reference.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Who conducts it.
    pub authority: String,
}

/// What was decided on a request for access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessDecision {
    /// The applicant may see the images.
    Granted,
    /// Access is refused, for one of the motives of CSI R.253-6 IV.
    Refused,
}

/// Request of somebody who was filmed (RGPD 15, CSI R.253-6 IV).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// Reference of the request.
    #[serde(rename = "ref")]
    pub reference: String,
    /// What was decided.
    pub decision: AccessDecision,
    /// Why access was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motive: Option<String>,
}

/// On what ground judicial software is used (CPP R.40-40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MagistrateBasis {
    /// The magistrate authorised it.
    Authorisation,
    /// Inquiry in flagrance: deemed authorised, and the prosecutor is told.
    Flagrance,
}

/// Decision of a magistrate for one case (CPP 230-20 and following).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MagistrateAuthorisation {
    /// Magistrate, by function.
    pub magistrate: String,
    /// Court.
    pub court: String,
    /// The one case.
    pub case_ref: String,
    /// Day.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
    /// Authorisation or flagrance.
    pub basis: MagistrateBasis,
    /// In flagrance: the prosecutor was told.
    #[serde(default)]
    pub prosecutor_informed: bool,
}

/// Event that an order of the prefect names (law 2023-380 art. 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Name.
    pub name: String,
    /// Kind: sporting, recreational or cultural.
    pub kind: String,
    /// Cameras within the perimeter of the order.
    pub perimeter: Vec<String>,
    /// Order of the prefect.
    pub order_ref: String,
    /// First instant.
    #[serde(deserialize_with = "time::from")]
    pub valid_from: Timestamp,
    /// First instant after the end.
    #[serde(deserialize_with = "time::until")]
    pub valid_to: Timestamp,
}

/// Legal review of a use whose ground is debated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalReview {
    /// Who reviewed, by role.
    pub by: String,
    /// Day.
    #[serde(deserialize_with = "time::date")]
    pub date: Date,
}

/// A detection model that the controller approved: another file is another model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovedModel {
    /// SHA-256 of the model's file, in hex.
    pub sha256: String,
    /// Who approved it, by role.
    pub approved_by: String,
    /// Day.
    #[serde(deserialize_with = "time::date")]
    pub approved_on: Date,
}

/// What a judicial search looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Classes of objects.
    pub classes: Vec<String>,
    /// In words: colour, size, what is carried.
    pub description: String,
}
