// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties: their descriptions, and their values as the user set them.

use std::sync::LazyLock;

use glib::prelude::*;
use gst::prelude::*;
use privacy_common::c_text;
use privacy_policy::{Refusal, SinkClass};

use super::{DenyAction, Language, Sink, Stage};
use crate::{
    frames::{Frames, FramesError},
    opening::Asked,
};

/// The user's, as they stand. Checked when the element starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub stage: Stage,
    pub asked: Asked,
    pub proof_location: String,
    pub deny_action: DenyAction,
    pub language: Language,
}

/// Descriptions of all properties, the read-only ones included.
pub fn param_specs() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let defaults = Settings::default();
        let text = |name: &'static str, nick: &'static str, blurb: &'static str| {
            glib::ParamSpecString::builder(name)
                .nick(nick)
                .blurb(blurb)
                .mutable_ready()
                .build()
        };
        let read = |name: &'static str, nick: &'static str, blurb: &'static str| {
            glib::ParamSpecString::builder(name)
                .nick(nick)
                .blurb(blurb)
                .read_only()
                .build()
        };
        vec![
            glib::ParamSpecEnum::builder_with_default("stage", defaults.stage)
                .nick("Stage")
                .blurb("Whether the gate stands behind the source or before the way out")
                .mutable_ready()
                .build(),
            text("purpose", "Purpose", "Identifier of the one purpose to open for (entry)"),
            text("mandate", "Mandate", "Path of the signed mandate (entry)"),
            text(
                "trusted-keys",
                "Trusted keys",
                "Path of the public key file of the authority that signs mandates, or of a folder of them (entry)",
            ),
            text(
                "rules-file",
                "Rules file",
                "Path of a rules file to use instead of the built-in one (entry)",
            ),
            text(
                "revocation-file",
                "Revocation file",
                "Path of the list of withdrawn mandates and of suspensions, looked at again while frames flow; one that is missing or cannot be read refuses (entry)",
            ),
            text(
                "election-calendar",
                "Election calendar",
                "Path of an election calendar to use instead of the built-in one (entry)",
            ),
            text(
                "cosigner-keys",
                "Cosigner keys",
                "Path of the public key file of the people who may countersign, or of a folder of them (entry)",
            ),
            text("camera", "Camera", "Identifier of the camera, as the mandate names it (entry)"),
            text(
                "operator",
                "Operator",
                "Pseudonym of the operator, as the mandate names it; never a name (entry)",
            ),
            text(
                "recipient",
                "Recipient",
                "Name of the recipient, where the mandate names several (entry)",
            ),
            glib::ParamSpecEnum::builder_with_default("sink-class", Sink::default())
                .nick("Sink class")
                .blurb("Where the images go (entry)")
                .mutable_ready()
                .build(),
            text(
                "footage-start",
                "Footage start",
                "Date and time at which the recording begins (RFC 3339, with its offset), for mandates that name a time (entry)",
            ),
            text(
                "proof-location",
                "Proof location",
                "Path of a new file that holds what the proof of each frame let out is made of, one line of JSON a frame; %s in it stands for the session (exit)",
            ),
            glib::ParamSpecEnum::builder_with_default("deny-action", defaults.deny_action)
                .nick("Deny action")
                .blurb("What leaves when the decision ends while playing; frames held at the exit are dropped or, with black, painted black")
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("language", defaults.language)
                .nick("Language")
                .blurb("Language of error texts")
                .mutable_ready()
                .build(),
            read("state", "State", "closed, open, suspended, expired or revoked"),
            read("session", "Session", "Random identifier of the running session, as in the register"),
            read("expires-at", "Expires at", "When the decision ends, RFC 3339"),
            glib::ParamSpecBoxed::builder::<gst::Structure>("decision")
                .nick("Decision")
                .blurb("What is decided: state, and of an end its code, reason and legal reference")
                .read_only()
                .build(),
            glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                .nick("Statistics")
                .blurb("Counters of the running session")
                .read_only()
                .build(),
        ]
    });
    PROPERTIES.as_ref()
}

impl Settings {
    /// Stores a value.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        let text = || {
            value
                .get::<Option<String>>()
                .expect("type checked upstream")
                .unwrap_or_default()
        };
        match name {
            "stage" => self.stage = value.get().expect("type checked upstream"),
            "purpose" => self.asked.purpose = text(),
            "mandate" => self.asked.mandate = text(),
            "trusted-keys" => self.asked.trusted_keys = text(),
            "recipient" => self.asked.recipient = text(),
            "rules-file" => self.asked.rules_file = text(),
            "revocation-file" => self.asked.revocation_file = text(),
            "election-calendar" => self.asked.election_calendar = text(),
            "cosigner-keys" => self.asked.cosigner_keys = text(),
            "camera" => self.asked.camera = text(),
            "operator" => self.asked.operator = text(),
            "footage-start" => self.asked.footage_start = text(),
            "sink-class" => {
                self.asked.sink_class = match value.get().expect("type checked upstream") {
                    Sink::Undeclared => None,
                    Sink::CsuDisplay => Some(SinkClass::CsuDisplay),
                    Sink::InternalSecured => Some(SinkClass::InternalSecured),
                    Sink::InternalUnsecured => Some(SinkClass::InternalUnsecured),
                    Sink::Store => Some(SinkClass::Store),
                    Sink::File => Some(SinkClass::File),
                    Sink::Public => Some(SinkClass::Public),
                };
            }
            "proof-location" => self.proof_location = text(),
            "deny-action" => self.deny_action = value.get().expect("type checked upstream"),
            "language" => self.language = value.get().expect("type checked upstream"),
            other => unreachable!("no writable property {other}"),
        }
    }

    /// The value of a property that the user sets.
    pub fn get(&self, name: &str) -> glib::Value {
        let text = |text: &str| (!text.is_empty()).then_some(text).to_value();
        match name {
            "stage" => self.stage.to_value(),
            "purpose" => text(&self.asked.purpose),
            "mandate" => text(&self.asked.mandate),
            "trusted-keys" => text(&self.asked.trusted_keys),
            "recipient" => text(&self.asked.recipient),
            "rules-file" => text(&self.asked.rules_file),
            "revocation-file" => text(&self.asked.revocation_file),
            "election-calendar" => text(&self.asked.election_calendar),
            "cosigner-keys" => text(&self.asked.cosigner_keys),
            "camera" => text(&self.asked.camera),
            "operator" => text(&self.asked.operator),
            "footage-start" => text(&self.asked.footage_start),
            "sink-class" => match self.asked.sink_class {
                None | Some(SinkClass::Undeclared) => Sink::Undeclared,
                Some(SinkClass::CsuDisplay) => Sink::CsuDisplay,
                Some(SinkClass::InternalSecured) => Sink::InternalSecured,
                Some(SinkClass::InternalUnsecured) => Sink::InternalUnsecured,
                Some(SinkClass::Store) => Sink::Store,
                Some(SinkClass::File) => Sink::File,
                Some(SinkClass::Public) => Sink::Public,
            }
            .to_value(),
            "proof-location" => text(&self.proof_location),
            "deny-action" => self.deny_action.to_value(),
            "language" => self.language.to_value(),
            other => unreachable!("no property {other}"),
        }
    }

    /// Where each frame let out is written down, if anywhere.
    pub fn frames(&self) -> Result<Option<Frames>, FramesError> {
        match (self.proof_location.as_str(), self.stage) {
            ("", _) => Ok(None),
            (_, Stage::Entry) => Err(FramesError::NotAtTheExit),
            (location, Stage::Exit) => Frames::new(location).map(Some),
        }
    }

    /// A refusal as the user reads it: the code, then one or both languages.
    pub fn text(&self, refusal: &Refusal) -> String {
        let (en, fr) = (refusal.text(false), refusal.text(true));
        let text = match self.language {
            Language::En => en,
            Language::Fr => fr,
            Language::Auto if french_locale() => format!("{fr} / {en}"),
            Language::Auto => format!("{en} / {fr}"),
        };
        let text = format!("{}: {text} ({})", refusal.code, refusal.legal_ref);
        // It may quote what a file holds.
        c_text(&text).into_owned()
    }
}

/// Whether the user's locale is French, by the variables of POSIX in their order.
fn french_locale() -> bool {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| value.starts_with("fr"))
}
