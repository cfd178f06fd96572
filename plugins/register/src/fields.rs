// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parts of an entry.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who acted: always a pseudonym, never a name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Agent {
    /// Identifier of the author of the operation (art. R. 253-5 CSI).
    pub id: String,
    /// Capacity in which they acted (art. R. 253-3 CSI).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub capacity: String,
    /// Reference of their authorisation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub habilitation_ref: String,
}

/// To whom the images go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recipient {
    /// The word `aucun`: to nobody.
    Nobody(Nobody),
    /// A person or a service.
    Somebody {
        /// Name or role.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// Service.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        service: String,
        /// Capacity in which they receive.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        capacity: String,
    },
}

/// The only word that stands for no recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nobody {
    /// `aucun`
    #[serde(rename = "aucun")]
    Aucun,
}

impl Recipient {
    /// No recipient.
    pub const NOBODY: Self = Self::Nobody(Nobody::Aucun);

    pub(crate) fn names_somebody(&self) -> bool {
        match self {
            Self::Nobody(_) => false,
            Self::Somebody { name, service, .. } => {
                !name.trim().is_empty() || !service.trim().is_empty()
            }
        }
    }
}

/// How the images that left were masked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Anonymisation {
    /// Weakest mask that the purpose allows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub required: String,
    /// Mask applied, as far as the gate at the exit proved it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub applied: String,
    /// Frames that reached the gate.
    #[serde(default)]
    pub frames_in: u64,
    /// Frames let out.
    #[serde(default)]
    pub frames_total: u64,
    /// Of these, frames masked as a whole.
    #[serde(default)]
    pub frames_whole_masked: u64,
    /// Frames held back because their mask was missing or too weak.
    #[serde(default)]
    pub mask_failures: u64,
    /// Frames held back because they were filmed outside the time that the mandate names.
    #[serde(default)]
    pub frames_outside: u64,
    /// Frames that came after the decision had ended.
    #[serde(default)]
    pub frames_late: u64,
    /// Root of the Merkle tree over the frames let out, in hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof_root: String,
    /// Who counted: the gate at the `exit`, the gate at the `entry`, or `none`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub counted_at: String,
}

/// What was written or handed on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Output {
    /// Where the images went.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sink_class: String,
    /// Name of the file, without its folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_id: String,
    /// Media type of the stream.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// SHA-256 of the finished file, or of all bytes that arrived when there is none, in hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Length of what was hashed, in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Time from the first to the last buffer, in nanoseconds, where they carried times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ns: Option<u64>,
    /// PTS of the first buffer in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_pts_ns: Option<u64>,
    /// PTS of the last buffer in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pts_ns: Option<u64>,
}

/// A model used on the images.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Model {
    /// SHA-256 of the model file, in hex.
    pub sha256: String,
}

/// A piece of software on the way of the images.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refusal {
    /// Code of the refusal.
    pub code: String,
    /// What the user was told, in English.
    #[serde(default)]
    pub message_en: String,
    /// What the user was told, in French.
    #[serde(default)]
    pub message_fr: String,
    /// Text that the refusal rests on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub legal_ref: String,
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Erasure {
    /// Why.
    pub reason: String,
    /// Files erased, by name without folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// When it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_date: Option<Timestamp>,
    /// When the bodies of entries of this register were erased: those with an index below this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_before: Option<u64>,
}
