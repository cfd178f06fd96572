// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the gate's properties to a grant or a refusal: the files are read here, the policy decides.

use std::path::Path;

use jiff::Timestamp;
use privacy_common as contract;
use privacy_policy::{
    Conditions, Grant, Mandate, Refusal, RefusalText, Request, Rules, SinkClass, mandate,
};

use crate::{
    files::{self, FileError},
    footage::Footage,
    watch::{Closed, Watch},
};

/// What the user asked for, as properties say it. Empty texts are missing ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Identifier of the purpose.
    pub purpose: String,
    /// Path of the mandate.
    pub mandate: String,
    /// Path of a file of public keys, or of a folder of them.
    pub trusted_keys: String,
    /// Path of the rules; empty for the built-in ones.
    pub rules_file: String,
    /// Identifier of the camera.
    pub camera: String,
    /// Pseudonym of the operator.
    pub operator: String,
    /// Where the images go.
    pub sink_class: Option<SinkClass>,
    /// Instant at which the recording begins; empty when unknown.
    pub footage_start: String,
}

impl Asked {
    /// The purpose for the register, which takes no endless name.
    fn purpose_name(&self) -> String {
        self.purpose.chars().take(200).collect()
    }

    fn request(&self, now: Timestamp) -> Request<'_> {
        Request {
            now,
            purpose: &self.purpose,
            camera: &self.camera,
            operator: &self.operator,
            sink_class: self.sink_class.unwrap_or(SinkClass::Undeclared),
            live: None,
        }
    }
}

/// A grant, with what a later refusal of the same session needs.
#[derive(Debug)]
pub struct Opened {
    /// The grant.
    pub grant: Grant,
    /// The rules that decided.
    pub rules: Rules,
    /// The mandate it rests on.
    pub mandate: Mandate,
    /// The clock since the decision.
    pub watch: Watch,
    /// The time of the frames, and the time that the mandate asks for.
    pub footage: Footage,
}

/// A refusal, and the entry that the register writes of it.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The purpose that was asked for, as the entry names it.
    pub purpose: String,
    /// JSON of the entry.
    pub entry: String,
}

/// Reads the files that `asked` names and decides at `now` for `session`.
pub fn open(asked: &Asked, session: &str, now: Timestamp) -> Result<Opened, Box<Refused>> {
    let request = asked.request(now);
    let refused = |refusal: Refusal, rules: Option<&Rules>, mandate: Option<&Mandate>| {
        Box::new(Refused {
            purpose: asked.purpose_name(),
            entry: refusal.entry(session, rules, mandate, &request),
            refusal,
        })
    };
    let rules = load_rules(&asked.rules_file).map_err(|r| refused(r, None, None))?;
    // A purpose that is always refused is refused for what it is, and not for a missing mandate.
    rules
        .open_purpose(&asked.purpose, now)
        .map_err(|r| refused(r, Some(&rules), None))?;
    let mandate = match load_mandate(asked) {
        Ok(mandate) => mandate,
        Err(r) => return Err(refused(r, Some(&rules), None)),
    };
    let grant = match privacy_policy::decide(&Conditions::new(&rules), mandate.as_ref(), &request) {
        Ok(grant) => grant,
        Err(r) => return Err(refused(r, Some(&rules), mandate.as_ref())),
    };
    let start = match footage_start(&asked.footage_start, now) {
        Ok(start) => start,
        Err(r) => return Err(refused(r, Some(&rules), mandate.as_ref())),
    };
    // Nothing is granted without a mandate; should that ever change, this refuses what it cannot hold.
    let mandate = mandate.ok_or_else(|| {
        let error = FileError::Content("no mandate was given".to_owned());
        refused(
            error.refusal("NO_MANDATE", "mandate", ""),
            Some(&rules),
            None,
        )
    })?;
    Ok(Opened {
        watch: Watch::new(grant.expires.as_second(), now.as_second()),
        footage: Footage::new(grant.footage_range(), start),
        grant,
        rules,
        mandate,
    })
}

impl Opened {
    /// What the mandate may be used for once, if once is all: one camera. The digest of the mandate would not
    /// do: whoever narrows it changes that.
    pub fn single_use(&self) -> Option<contract::SingleUse> {
        let authority = self.grant.revocation_ids.first()?;
        self.grant.single_use.then(|| contract::SingleUse {
            key: blake3::hash(format!("{authority}\n{}", self.grant.camera).as_bytes())
                .to_hex()
                .to_string(),
            since: self.mandate.form.valid_from.as_second(),
        })
    }

    /// Whether what was granted is still granted at `now`.
    pub fn check(&self, now: Timestamp) -> Result<(), Closed> {
        self.watch.check(now.as_second())?;
        if self.grant.still_holds(&self.mandate, now) {
            Ok(())
        } else {
            Err(Closed::Expired)
        }
    }
}

/// The refusal of a session for a reason that shows only while it runs, and its entry. `opened` where a
/// decision was made before.
pub fn refuse(
    refusal: Refusal,
    opened: Option<&Opened>,
    asked: &Asked,
    session: &str,
    now: Timestamp,
) -> Refused {
    let (rules, mandate) = opened.map(|o| (&o.rules, &o.mandate)).unzip();
    Refused {
        purpose: asked.purpose_name(),
        entry: refusal.entry(session, rules, mandate, &asked.request(now)),
        refusal,
    }
}

/// The purpose event of a grant.
pub fn purpose_event(grant: &Grant, session: &str) -> contract::Purpose {
    use privacy_policy::{DetectorUse, Mask, MaskMethod};
    let seconds = |s: u32| gst::ClockTime::from_seconds(s.into());
    contract::Purpose {
        session: session.to_owned(),
        purpose: grant.purpose_id.clone(),
        mandate_digest: grant.mandate_digest.clone(),
        rules_version: grant.rules_version.clone(),
        camera: grant.camera.clone(),
        operator: grant.operator.clone(),
        sink_class: match grant.sink_class {
            SinkClass::Undeclared => contract::SinkClass::Undeclared,
            SinkClass::CsuDisplay => contract::SinkClass::CsuDisplay,
            SinkClass::InternalSecured => contract::SinkClass::InternalSecured,
            SinkClass::InternalUnsecured => contract::SinkClass::InternalUnsecured,
            SinkClass::Store => contract::SinkClass::Store,
            SinkClass::File => contract::SinkClass::File,
            SinkClass::Public => contract::SinkClass::Public,
        },
        required_mask: match grant.required_mask {
            Mask::None => contract::Mask::None,
            Mask::Persons => contract::Mask::Persons,
            Mask::PersonsVehicles => contract::Mask::PersonsVehicles,
            Mask::Frame => contract::Mask::Frame,
        },
        mask_classes: grant.mask_classes.clone(),
        mask_method: match grant.mask_method {
            MaskMethod::Any => contract::MaskMethod::Any,
            MaskMethod::Solid => contract::MaskMethod::Solid,
        },
        one_clear: grant.one_clear,
        detector_use: match grant.detector_use {
            DetectorUse::None => contract::DetectorUse::None,
            DetectorUse::Mask => contract::DetectorUse::Mask,
            DetectorUse::Statistics => contract::DetectorUse::Statistics,
            DetectorUse::Search => contract::DetectorUse::Search,
        },
        classes: grant.classes.clone(),
        statistics: grant.statistics.map(|limits| contract::StatisticsLimits {
            min_window: seconds(limits.min_window_s),
            max_window: seconds(limits.max_window_s),
            min_count: limits.min_count,
            publish_delay: seconds(limits.publish_delay_s),
        }),
        expires: grant.expires.as_second(),
    }
}

fn load_rules(path: &str) -> Result<Rules, Refusal> {
    if path.is_empty() {
        return Ok(Rules::builtin());
    }
    files::read_text(Path::new(path), files::MAX_TEXT_BYTES)
        .and_then(|text| Rules::parse(&text).map_err(|e| FileError::Content(e.to_string())))
        .map_err(|e| e.refusal("BAD_RULES", "rules-file", path))
}

/// `None` when no mandate was given at all: the policy then says what that means for the purpose.
fn load_mandate(asked: &Asked) -> Result<Option<Mandate>, Refusal> {
    if asked.mandate.is_empty() {
        return Ok(None);
    }
    let keys = files::trusted_keys(&asked.trusted_keys)?;
    let bytes = files::read(Path::new(&asked.mandate), mandate::MAX_TOKEN_BYTES as u64)
        .map_err(|e| e.refusal("NO_MANDATE", "mandate", &asked.mandate))?;
    mandate::verify(&bytes, &keys)
        .map(Some)
        .map_err(Refusal::from)
}

/// The instant that `footage-start` names; `None` when it is not set.
fn footage_start(text: &str, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    let refuse = |why_en: &str, why_fr: &str| {
        Refusal::from(RefusalText {
            code: "BAD_FOOTAGE_START".to_owned(),
            message_en: format!("footage-start=\"{text}\" cannot be used: {why_en}."),
            message_fr: format!("footage-start=\"{text}\" est inutilisable : {why_fr}."),
            remedy_en: "Set footage-start to the date and time at which the recording begins, such as 2026-11-20T18:00:00+01:00.".to_owned(),
            remedy_fr: "Indiquez dans footage-start la date et l'heure du début de l'enregistrement, par exemple 2026-11-20T18:00:00+01:00.".to_owned(),
            legal_ref: "CSI R.253-1 ; CPP 60-1, 77-1-1, 99-3".to_owned(),
        })
    };
    if text.is_empty() {
        return Ok(None);
    }
    let start: Timestamp = text.parse().map_err(|_| {
        refuse(
            "it is not an instant of RFC 3339 with its offset",
            "ce n'est pas un instant RFC 3339 avec son décalage horaire",
        )
    })?;
    if start > now {
        return Err(refuse("it lies in the future", "il est dans le futur"));
    }
    Ok(Some(start))
}
