// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the gate's properties to a grant or a refusal: the files are read here, the policy decides.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use privacy_common as contract;
use privacy_policy::{
    Grant, Mandate, PublicKey, Refusal, RefusalText, Request, Rules, SinkClass, key, mandate,
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
}

/// A refusal, and the entry that the register writes of it.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// JSON of the entry.
    pub entry: String,
}

/// Reads the files that `asked` names and decides at `now` for `session`.
pub fn open(asked: &Asked, session: &str, now: Timestamp) -> Result<Opened, Box<Refused>> {
    let request = Request {
        now,
        purpose: &asked.purpose,
        camera: &asked.camera,
        operator: &asked.operator,
        sink_class: asked.sink_class.unwrap_or(SinkClass::Undeclared),
        live: None,
    };
    let refused = |refusal: Refusal, rules: Option<&Rules>, mandate: Option<&Mandate>| {
        Box::new(Refused {
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
    match privacy_policy::decide(&rules, mandate.as_ref(), &request) {
        Ok(grant) => match mandate {
            Some(mandate) => Ok(Opened {
                grant,
                rules,
                mandate,
            }),
            None => Err(refused(
                file_refusal("NO_MANDATE", "mandate", "", "no mandate was given"),
                Some(&rules),
                None,
            )),
        },
        Err(r) => Err(refused(r, Some(&rules), mandate.as_ref())),
    }
}

impl Opened {
    /// The refusal of this session for a reason that shows only once the source is known.
    pub fn refuse(
        &self,
        refusal: Refusal,
        asked: &Asked,
        session: &str,
        now: Timestamp,
    ) -> Refused {
        let request = Request {
            now,
            purpose: &asked.purpose,
            camera: &asked.camera,
            operator: &asked.operator,
            sink_class: asked.sink_class.unwrap_or(SinkClass::Undeclared),
            live: None,
        };
        Refused {
            entry: refusal.entry(session, Some(&self.rules), Some(&self.mandate), &request),
            refusal,
        }
    }
}

/// The purpose event of a grant.
pub fn purpose_event(grant: &Grant, session: &str) -> contract::Purpose {
    use privacy_policy::{DetectorUse, Mask};
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
    let refuse = |why: String| file_refusal("BAD_RULES", "rules-file", path, &why);
    let text = read(Path::new(path), 1 << 20)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()))
        .map_err(refuse)?;
    Rules::parse(&text).map_err(|e| refuse(e.to_string()))
}

/// `None` when no mandate was given at all: the policy then says what that means for the purpose.
fn load_mandate(asked: &Asked) -> Result<Option<Mandate>, Refusal> {
    if asked.mandate.is_empty() {
        return Ok(None);
    }
    let keys = load_keys(&asked.trusted_keys)?;
    let bytes = read(Path::new(&asked.mandate), mandate::MAX_TOKEN_BYTES as u64)
        .map_err(|why| file_refusal("NO_MANDATE", "mandate", &asked.mandate, &why))?;
    mandate::verify(&bytes, &keys)
        .map(Some)
        .map_err(Refusal::from)
}

fn load_keys(path: &str) -> Result<Vec<PublicKey>, Refusal> {
    let refuse = |path: &str, why: &str| file_refusal("NO_TRUSTED_KEY", "trusted-keys", path, why);
    if path.is_empty() {
        return Err(Refusal::from(mandate::VerifyError::NoKey));
    }
    let mut files = Vec::new();
    if Path::new(path).is_dir() {
        let entries = fs::read_dir(path).map_err(|e| refuse(path, &e.to_string()))?;
        for entry in entries {
            let file = entry.map_err(|e| refuse(path, &e.to_string()))?.path();
            if file.extension().is_some_and(|e| e == "pub" || e == "pem") {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(PathBuf::from(path));
    }
    let mut keys = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = read(&file, 1 << 20)
            .and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| "it is not a PEM text".to_owned())
            })
            .map_err(|why| refuse(&name, &why))?;
        keys.extend(key::parse_public(&text).map_err(|e| refuse(&name, &e.to_string()))?);
    }
    if keys.is_empty() {
        return Err(refuse(path, "the folder holds no *.pub and no *.pem file"));
    }
    Ok(keys)
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|e| e.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("it is longer than {limit} bytes"));
    }
    Ok(bytes)
}

fn file_refusal(code: &str, property: &str, path: &str, why: &str) -> Refusal {
    RefusalText {
        code: code.to_owned(),
        message_en: format!("{property}=\"{path}\" cannot be used: {why}."),
        message_fr: format!("{property}=\"{path}\" est inutilisable : {why}."),
        remedy_en: format!("Set {property} to a file that this process can read."),
        remedy_fr: format!("Indiquez dans {property} un fichier lisible par ce processus."),
        legal_ref: "CSI R.253-2".to_owned(),
    }
    .into()
}
