// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signing and verifying: the form as the facts of a Biscuit token.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use biscuit_auth::{
    AuthorizerBuilder, AuthorizerLimits, Biscuit, BiscuitBuilder, BlockBuilder, KeyPair, PublicKey,
    UnverifiedBiscuit,
    builder::{Fact, MapKey, Term},
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::form::Form;
use crate::{
    complete,
    decide::{Conditions, Request},
    refusal::{NEW_MANDATE, Refusal, refuse},
    vocabulary::SinkClass,
};

/// Longest token that is read; a mandate with a hundred cameras and operators stays far below.
pub const MAX_TOKEN_BYTES: usize = 256 * 1024;

/// A mandate whose signature was verified. Whether it allows a request is for [`crate::decide`] to say.
#[derive(Debug, Clone)]
pub struct Mandate {
    /// What it says.
    pub form: Form,
    /// SHA-256 of the token's bytes, in hex.
    pub digest: String,
    /// Revocation identifiers, one per block, in hex. Revoking any of them revokes the mandate.
    pub revocation_ids: Vec<String>,
    /// Fingerprint of the key that signed it.
    pub signed_by: String,
    token: Biscuit,
}

/// Why a form could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The rules would refuse the mandate; the refusal says why.
    #[error("{0}")]
    Refused(Refusal),
    /// The token could not be built.
    #[error("the token cannot be built: {0}")]
    Token(String),
}

/// Why a token could not be narrowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NarrowError {
    /// The token itself is not accepted.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// No restriction was asked for.
    #[error("nothing to narrow: name a camera, an operator, a sink class or an end")]
    Nothing,
    /// The block could not be added: the token is sealed, or a value has no form in it.
    #[error("the token cannot be narrowed: {0}")]
    Token(String),
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No key to verify with.
    #[error("no trusted key")]
    NoKey,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not a token, altered, or signed by a key that is not trusted.
    #[error("not a token signed by a trusted key")]
    Signature,
    /// Signed, but its facts are not a mandate of this version.
    #[error("signed, but not a mandate of version {}", super::form::VERSION)]
    NotAMandate,
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::NoKey => refuse(
                "NO_TRUSTED_KEY",
                (
                    "No trusted public key could be read, so no mandate can be verified.",
                    "Aucune clé publique de confiance n'a pu être lue : aucun mandat ne peut être vérifié.",
                ),
                (
                    "Point trusted-keys at the public key file of the authority that signs mandates.",
                    "Indiquez dans trusted-keys le fichier de clé publique de l'autorité qui signe les mandats.",
                ),
                "CSI R.253-2",
            ),
            VerifyError::TooLong | VerifyError::Signature => refuse(
                "BAD_SIGNATURE",
                (
                    "The mandate is damaged or was not signed by a trusted key.",
                    "Le mandat est altéré ou n'est pas signé par une clé de confiance.",
                ),
                (
                    "Check the mandate file and that trusted-keys holds the key of the authority that signed it.",
                    "Vérifiez le fichier du mandat et que trusted-keys contient la clé de l'autorité signataire.",
                ),
                "CSI R.253-2",
            ),
            VerifyError::NotAMandate => refuse(
                "BAD_MANDATE",
                (
                    "The file is signed, but it is not a mandate that this version can read.",
                    "Le fichier est signé, mais ce n'est pas un mandat lisible par cette version.",
                ),
                NEW_MANDATE,
                "CSI R.253-3",
            ),
        }
    }
}

/// Signs a form that the rules find complete. `now` is the time of signing: an expired form is refused.
pub fn sign(
    form: &Form,
    conditions: &Conditions<'_>,
    key: &KeyPair,
    now: Timestamp,
) -> Result<Vec<u8>, SignError> {
    complete::complete(conditions, form, now).map_err(SignError::Refused)?;
    build(form, key).map_err(|e| SignError::Token(e.to_string()))
}

pub(crate) fn build(form: &Form, key: &KeyPair) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let Value::Object(fields) = serde_json::to_value(form)? else {
        return Err("a form is a table".into());
    };
    let mut builder = BiscuitBuilder::new();
    for (name, value) in &fields {
        let term = match name.as_str() {
            "valid_from" => date(form.valid_from)?,
            "valid_to" => date(form.valid_to)?,
            _ => term(value)?,
        };
        builder = builder.fact(Fact::new(name.clone(), vec![term]))?;
    }
    let parameters = [
        ("from".to_owned(), date(form.valid_from)?),
        ("to".to_owned(), date(form.valid_to)?),
    ];
    builder = builder.code_with_params(
        "check if time($now), $now >= {from}, $now < {to};",
        parameters.into(),
        HashMap::new(),
    )?;
    Ok(builder.build(key)?.to_vec()?)
}

/// What a further block allows of a mandate; `None` leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Narrowing {
    /// Only this camera.
    pub camera: Option<String>,
    /// Only this operator.
    pub operator: Option<String>,
    /// Only this destination.
    pub sink_class: Option<SinkClass>,
    /// Only before this instant.
    pub until: Option<Timestamp>,
}

/// Narrows a token, without the private key: the result allows less, never more.
pub fn narrow(
    token: &[u8],
    keys: &[PublicKey],
    narrowing: &Narrowing,
) -> Result<Vec<u8>, NarrowError> {
    let (token, _) = open(token, keys)?;
    let text = |t: &Option<String>| t.clone().map(Term::Str);
    let until = match narrowing.until {
        None => None,
        Some(until) => Some(date(until).map_err(|e| NarrowError::Token(e.to_string()))?),
    };
    let checks = [
        ("check if camera({value});", text(&narrowing.camera)),
        ("check if operator({value});", text(&narrowing.operator)),
        (
            "check if sink_class({value});",
            narrowing.sink_class.map(|c| Term::Str(c.word().to_owned())),
        ),
        ("check if time($now), $now < {value};", until),
    ];
    let mut block = BlockBuilder::new();
    let mut any = false;
    for (code, value) in checks {
        if let Some(value) = value {
            any = true;
            block = block
                .code_with_params(code, [("value".to_owned(), value)].into(), HashMap::new())
                .map_err(|e| NarrowError::Token(e.to_string()))?;
        }
    }
    if !any {
        return Err(NarrowError::Nothing);
    }
    token
        .append(block)
        .and_then(|token| token.to_vec())
        .map_err(|e| NarrowError::Token(e.to_string()))
}

/// The Datalog of a token that nobody verified, for people to read. Never decide anything on it.
pub fn unverified_source(bytes: &[u8]) -> Result<String, VerifyError> {
    if bytes.len() > MAX_TOKEN_BYTES {
        return Err(VerifyError::TooLong);
    }
    let token = UnverifiedBiscuit::from(bytes).map_err(|_| VerifyError::Signature)?;
    (0..token.block_count())
        .map(|block| token.print_block_source(block))
        .collect::<Result<Vec<_>, _>>()
        .map(|blocks| blocks.join("\n"))
        .map_err(|_| VerifyError::NotAMandate)
}

/// Reads a token and checks its signature against the trusted keys, offline. Any bytes may be given.
///
/// Expiry is judged by [`crate::decide`], so that an expired mandate can still be inspected.
pub fn verify(bytes: &[u8], keys: &[PublicKey]) -> Result<Mandate, VerifyError> {
    let (token, key) = open(bytes, keys)?;
    let form = read_form(&token).ok_or(VerifyError::NotAMandate)?;
    Ok(Mandate {
        form,
        digest: hex::encode(Sha256::digest(bytes)),
        revocation_ids: token
            .revocation_identifiers()
            .iter()
            .map(hex::encode)
            .collect(),
        signed_by: crate::key::fingerprint(&key),
        token,
    })
}

fn open(bytes: &[u8], keys: &[PublicKey]) -> Result<(Biscuit, PublicKey), VerifyError> {
    if keys.is_empty() {
        return Err(VerifyError::NoKey);
    }
    if bytes.len() > MAX_TOKEN_BYTES {
        return Err(VerifyError::TooLong);
    }
    keys.iter()
        .find_map(|key| Biscuit::from(bytes, key).ok().map(|token| (token, *key)))
        .ok_or(VerifyError::Signature)
}

/// The form in the facts of the first block; facts of later blocks are out of the query's scope.
fn read_form(token: &Biscuit) -> Option<Form> {
    let mut authorizer = AuthorizerBuilder::new()
        .set_limits(limits())
        .build(token)
        .ok()?;
    let mut fields = Map::new();
    for name in FACTS {
        let rule = format!("found($value) <- {name}($value)");
        let facts: Vec<Fact> = authorizer.query(rule.as_str()).ok()?;
        match facts.as_slice() {
            [] => {}
            [fact] => {
                let value = value(fact.predicate.terms.first()?)?;
                fields.insert((*name).to_owned(), value);
            }
            // Two answers to one question: nobody can tell which was meant.
            _ => return None,
        }
    }
    let form: Form = serde_json::from_value(Value::Object(fields)).ok()?;
    (form.version == super::form::VERSION).then_some(form)
}

impl Mandate {
    /// The restrictions that were added to the mandate after it was signed, one text per block.
    pub fn restrictions(&self) -> Vec<String> {
        (1..self.token.block_count())
            .map(|block| {
                self.token
                    .print_block_source(block)
                    .map(|source| source.split_whitespace().collect::<Vec<_>>().join(" "))
                    .unwrap_or_else(|e| e.to_string())
            })
            .collect()
    }

    /// Evaluates the checks of every block against the request: expiry, and whatever narrows the token.
    pub(crate) fn checks_hold(&self, request: &Request<'_>) -> bool {
        let authorize = || {
            let fact = |name: &str, text: &str| {
                Fact::new(name.to_owned(), vec![Term::Str(text.to_owned())])
            };
            AuthorizerBuilder::new()
                .set_limits(limits())
                .fact(Fact::new("time".to_owned(), vec![date(request.now).ok()?]))
                .and_then(|b| b.fact(fact("purpose", request.purpose)))
                .and_then(|b| b.fact(fact("camera", request.camera)))
                .and_then(|b| b.fact(fact("operator", request.operator)))
                .and_then(|b| b.fact(fact("sink_class", request.sink_class.word())))
                .and_then(|b| b.policy("allow if true"))
                .and_then(|b| b.build(&self.token))
                .and_then(|mut a| a.authorize())
                .ok()
        };
        authorize().is_some()
    }
}

/// The facts of a mandate: the fields of [`Form`], held together by a test.
const FACTS: &[&str] = &[
    "version",
    "mandate_id",
    "rules_version",
    "purpose_id",
    "motif",
    "valid_from",
    "valid_to",
    "issued_by",
    "issued_at",
    "cameras",
    "operators",
    "sink_classes",
    "anonymisation",
    "legal_basis",
    "regime",
    "csi_ground",
    "controller",
    "dpo",
    "rights_contact",
    "csi_authorisation",
    "audience",
    "viewing_places",
    "public_notice",
    "dpia",
    "ropa_ref",
    "compliance_commitment",
    "necessity",
    "proportionality",
    "requisition",
    "recipient",
    "channel",
    "item_ref",
    "approver",
    "consents",
    "declaration_non_electoral",
    "beneficiary_type",
    "promotional",
    "stats",
    "footage",
    "schedule",
    "incident_ref",
    "retention_days",
    "procedure",
    "access_request",
    "magistrate_authorisation",
    "strict_case_ref",
    "event",
    "origin_purpose",
    "legal_review",
    "models",
    "case_copy_ref",
    "search",
    "revocation",
];

/// Wide enough for a busy host: Biscuit's own limit of 1 ms would refuse lawful mandates under load.
fn limits() -> AuthorizerLimits {
    AuthorizerLimits {
        max_facts: 2000,
        max_iterations: 100,
        max_time: Duration::from_secs(2),
    }
}

/// Seconds since 1970, the only unit a token has; instants before 1970 are refused.
fn date(instant: Timestamp) -> Result<Term, std::num::TryFromIntError> {
    u64::try_from(instant.as_second()).map(Term::Date)
}

fn term(value: &Value) -> Result<Term, &'static str> {
    Ok(match value {
        Value::Null => Term::Null,
        Value::Bool(b) => Term::Bool(*b),
        Value::Number(n) => Term::Integer(n.as_i64().ok_or("numbers in a mandate are whole")?),
        Value::String(s) => Term::Str(s.clone()),
        Value::Array(items) => Term::Array(items.iter().map(term).collect::<Result<_, _>>()?),
        Value::Object(map) => Term::Map(
            map.iter()
                .map(|(k, v)| Ok((MapKey::Str(k.clone()), term(v)?)))
                .collect::<Result<BTreeMap<_, _>, &'static str>>()?,
        ),
    })
}

fn value(term: &Term) -> Option<Value> {
    Some(match term {
        Term::Null => Value::Null,
        Term::Bool(b) => (*b).into(),
        Term::Integer(i) => (*i).into(),
        Term::Str(s) => s.clone().into(),
        Term::Date(seconds) => Timestamp::from_second(i64::try_from(*seconds).ok()?)
            .ok()?
            .to_string()
            .into(),
        Term::Array(items) => Value::Array(items.iter().map(value).collect::<Option<_>>()?),
        Term::Map(map) => Value::Object(
            map.iter()
                .map(|(k, v)| match k {
                    MapKey::Str(k) => Some((k.clone(), value(v)?)),
                    MapKey::Integer(_) | MapKey::Parameter(_) => None,
                })
                .collect::<Option<_>>()?,
        ),
        Term::Variable(_) | Term::Bytes(_) | Term::Set(_) | Term::Parameter(_) => return None,
    })
}
