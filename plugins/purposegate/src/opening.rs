// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the gate's properties to a grant or a refusal: the files are read here, the policy decides.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use privacy_common as contract;
use privacy_policy::{
    Calendar, Conditions, Grant, Mandate, PublicKey, Refusal, RefusalText, Request, Revocations,
    Rules, SinkClass, mandate,
};

use crate::{
    files::{self, FileError, Stamp},
    footage::Footage,
    late::Late,
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
    /// Path of the list of what was withdrawn; empty for none.
    pub revocation_file: String,
    /// Path of the election calendar; empty for the built-in one.
    pub election_calendar: String,
    /// Path of a file of the public keys of the people who may countersign, or of a folder of them; empty for
    /// nobody.
    pub cosigner_keys: String,
    /// Name of the recipient; empty where the mandate leaves only one.
    pub recipient: String,
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
            recipient: &self.recipient,
            live: None,
        }
    }
}

/// A grant, with what it rests on and what is asked again while it lasts.
#[derive(Debug)]
pub struct Opened {
    /// The rules that decided.
    pub rules: Rules,
    /// The time of the frames, and the time that the mandate asks for.
    pub footage: Footage,
    calendar: Option<Calendar>,
    cosigners: Vec<PublicKey>,
    current: Mutex<Current>,
}

/// A grant and the mandate that gave it.
#[derive(Debug)]
pub struct Granted {
    /// The grant.
    pub grant: Grant,
    /// The mandate.
    pub mandate: Mandate,
}

/// What may change while images flow.
#[derive(Debug)]
struct Current {
    granted: Arc<Granted>,
    mandate_file: Option<Stamp>,
    revocations: Arc<Revocations>,
    revocation_file: Option<Stamp>,
}

/// A grant by a mandate that took the place of another one.
#[derive(Debug)]
pub struct Renewed {
    /// What holds from now on.
    pub granted: Arc<Granted>,
    /// Digest of the mandate before.
    pub before: String,
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
    // Looked at before they are read, so that a change in between is met in the first round.
    let mandate_file = files::stamp(&asked.mandate);
    let revocation_file = files::stamp(&asked.revocation_file);
    let rules = load_rules(&asked.rules_file).map_err(|r| refused(r, None, None))?;
    // A purpose that is always refused is refused for what it is, and not for a missing mandate.
    rules
        .open_purpose(&asked.purpose, now)
        .map_err(|r| refused(r, Some(&rules), None))?;
    let mandate = match load_mandate(asked) {
        Ok(mandate) => mandate,
        Err(r) => return Err(refused(r, Some(&rules), None)),
    };
    let beside = || {
        Ok((
            load_calendar(&asked.election_calendar)?,
            load_revocations(&asked.revocation_file)?,
            load_cosigners(&asked.cosigner_keys)?,
        ))
    };
    let (calendar, revocations, cosigners) =
        beside().map_err(|r| refused(r, Some(&rules), mandate.as_ref()))?;
    let conditions = conditions(&rules, calendar.as_ref(), &revocations, &cosigners);
    let grant = match privacy_policy::decide(&conditions, mandate.as_ref(), &request) {
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
        footage: Footage::new(grant.footage_range(), start).with_ages((&grant.flow).into()),
        rules,
        calendar,
        cosigners,
        current: Mutex::new(Current {
            granted: Arc::new(Granted { grant, mandate }),
            mandate_file,
            revocations: Arc::new(revocations),
            revocation_file,
        }),
    })
}

fn conditions<'a>(
    rules: &'a Rules,
    calendar: Option<&'a Calendar>,
    revocations: &'a Revocations,
    cosigners: &'a [PublicKey],
) -> Conditions<'a> {
    let built_in = Conditions::new(rules);
    Conditions {
        calendar: calendar.unwrap_or(built_in.calendar),
        revocations,
        cosigners,
        ..built_in
    }
}

impl Opened {
    /// What the mandate may be used for once, if once is all: one camera. The digest of the mandate would not
    /// do: whoever narrows it changes that.
    pub fn single_use(&self) -> Option<contract::SingleUse> {
        let granted = self.granted();
        let grant = &granted.grant;
        let authority = grant.revocation_ids.first()?;
        grant.single_use.then(|| contract::SingleUse {
            key: blake3::hash(format!("{authority}\n{}", grant.camera).as_bytes())
                .to_hex()
                .to_string(),
            since: granted.mandate.form.valid_from.as_second(),
        })
    }

    /// What is granted now.
    pub fn granted(&self) -> Arc<Granted> {
        self.current.lock().unwrap().granted.clone()
    }

    /// Looks at the files again where they changed, and decides again at `now`. A mandate that took the place
    /// of the one before is told.
    ///
    /// # Errors
    ///
    /// When what was granted would not be granted any more, or a file cannot be used any more.
    pub fn look_again(&self, asked: &Asked, now: Timestamp) -> Result<Option<Renewed>, Refusal> {
        let (granted, mandate_before, revocations_before) = {
            let current = self.current.lock().unwrap();
            (
                current.granted.clone(),
                current.mandate_file.clone(),
                current.revocation_file.clone(),
            )
        };
        let revocation_file = files::stamp(&asked.revocation_file);
        if revocation_file != revocations_before {
            let revocations = Arc::new(load_revocations(&asked.revocation_file)?);
            let mut current = self.current.lock().unwrap();
            current.revocations = revocations;
            current.revocation_file = revocation_file;
        }
        let mandate_file = files::stamp(&asked.mandate);
        if mandate_file == mandate_before {
            self.decide(asked, &granted.mandate, now)?;
            return Ok(None);
        }
        if mandate_file.is_none() {
            return Err((&Late::MandateGone).into());
        }
        let mandate = load_mandate(asked)?.ok_or_else(|| Refusal::from(&Late::MandateGone))?;
        let same = mandate.digest == granted.mandate.digest;
        let grant = self.decide(asked, &mandate, now)?;
        let mut current = self.current.lock().unwrap();
        current.mandate_file = mandate_file;
        if same {
            return Ok(None);
        }
        if let Err(weaker) = at_least_as_strict(&granted.grant, &grant) {
            return Err((&Late::MandateReplaced(weaker)).into());
        }
        current.granted = Arc::new(Granted { grant, mandate });
        Ok(Some(Renewed {
            granted: current.granted.clone(),
            before: granted.mandate.digest.clone(),
        }))
    }

    fn decide(&self, asked: &Asked, mandate: &Mandate, now: Timestamp) -> Result<Grant, Refusal> {
        let revocations = self.current.lock().unwrap().revocations.clone();
        let conditions = conditions(
            &self.rules,
            self.calendar.as_ref(),
            &revocations,
            &self.cosigners,
        );
        privacy_policy::decide(&conditions, Some(mandate), &asked.request(now))
    }
}

/// Whether a grant demands all that the one before did; otherwise what it does not.
fn at_least_as_strict(before: &Grant, after: &Grant) -> Result<(), &'static str> {
    let within = |one: &[String], other: &[String]| one.iter().all(|class| other.contains(class));
    let statistics = match (before.statistics, after.statistics) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            b.min_window_s >= a.min_window_s
                && b.max_window_s <= a.max_window_s
                && b.min_count >= a.min_count
                && b.publish_delay_s >= a.publish_delay_s
        }
        _ => false,
    };
    let same = before.purpose_id == after.purpose_id
        && before.camera == after.camera
        && before.operator == after.operator
        && before.sink_class == after.sink_class
        && before.operation == after.operation;
    for (holds, what) in [
        (same, "purpose, camera, operator, sink_class"),
        (after.required_mask >= before.required_mask, "anonymisation"),
        (
            within(&before.mask_classes, &after.mask_classes),
            "mask_classes",
        ),
        (after.mask_method >= before.mask_method, "mask_method"),
        (before.one_clear || !after.one_clear, "one_clear"),
        (after.detector_use <= before.detector_use, "detector_use"),
        (within(&after.classes, &before.classes), "classes"),
        (statistics, "stats"),
        (
            after.footage_range() == before.footage_range(),
            "requisition",
        ),
        // Each use of such a mandate is a session of its own.
        (!before.single_use && !after.single_use, "requisition"),
    ] {
        if !holds {
            return Err(what);
        }
    }
    Ok(())
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
    let granted = opened.map(Opened::granted);
    Refused {
        purpose: asked.purpose_name(),
        entry: refusal.entry(
            session,
            opened.map(|o| &o.rules),
            granted.as_ref().map(|g| &g.mandate),
            &asked.request(now),
        ),
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

/// `None` stands for the built-in one.
fn load_calendar(path: &str) -> Result<Option<Calendar>, Refusal> {
    if path.is_empty() {
        return Ok(None);
    }
    files::read_text(Path::new(path), files::MAX_TEXT_BYTES)
        .and_then(|text| Calendar::parse(&text).map_err(|e| FileError::Content(e.to_string())))
        .map(Some)
        .map_err(|e| e.refusal("CALENDAR_MISSING", "election-calendar", path))
}

fn load_revocations(path: &str) -> Result<Revocations, Refusal> {
    if path.is_empty() {
        return Ok(Revocations::default());
    }
    files::read_text(Path::new(path), files::MAX_TEXT_BYTES)
        .and_then(|text| Revocations::parse(&text).map_err(|e| FileError::Content(e.to_string())))
        .map_err(|e| e.refusal("REVOCATION_UNREADABLE", "revocation-file", path))
}

fn load_cosigners(path: &str) -> Result<Vec<PublicKey>, Refusal> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    files::public_keys("cosigner-keys", path)
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
