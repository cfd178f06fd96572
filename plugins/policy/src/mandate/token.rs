// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signing and verifying: the form as the facts of a Biscuit token.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use biscuit_auth::{
    Authorizer, AuthorizerBuilder, AuthorizerLimits, Biscuit, BiscuitBuilder, KeyPair, PublicKey,
    UnverifiedBiscuit,
    builder::{Fact, MapKey, Rule, Term},
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    form::Form,
    restriction::{Restriction, Subject, date},
    second::Countersignature,
};
use crate::{
    complete,
    decide::Conditions,
    refusal::{NEW_MANDATE, Refusal, refuse},
};

/// Longest token that is read; a mandate with a hundred cameras and operators stays far below.
pub const MAX_TOKEN_BYTES: usize = 256 * 1024;

/// Most blocks that are read: the authority's, and those that narrow or countersign.
pub const MAX_BLOCKS: usize = 8;

/// A mandate whose signature was verified. Whether it allows a request is for [`crate::decide`] to say.
#[derive(Debug, Clone)]
pub struct Mandate {
    /// What it says.
    pub form: Form,
    /// SHA-256 of the token's bytes, in hex.
    pub digest: String,
    /// Revocation identifiers, one per block, in hex, the authority's first. Revoking any of them revokes the
    /// mandate.
    pub revocation_ids: Vec<String>,
    /// Fingerprint of the key that signed it.
    pub signed_by: String,
    /// What narrowed it after it was signed.
    pub restrictions: Vec<Restriction>,
    /// Who countersigned it, with any key: [`crate::Conditions::cosigners`] says whose counts.
    pub countersignatures: Vec<Countersignature>,
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
    /// More than [`MAX_BLOCKS`] blocks.
    #[error("more than {MAX_BLOCKS} blocks")]
    TooManyBlocks,
    /// A fact, a rule or a check that this version does not know, and so cannot hold to.
    #[error("it says something that this version does not know")]
    Unknown,
    /// Countersigned twice with one key or by one person, or by whoever signed it.
    #[error("signed twice by the same person")]
    SamePerson,
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
            VerifyError::TooManyBlocks => refuse(
                "BAD_MANDATE",
                (
                    format!(
                        "The mandate was narrowed or countersigned too often: it has more than {MAX_BLOCKS} blocks."
                    ),
                    format!(
                        "Le mandat a été restreint ou contresigné trop de fois : il compte plus de {MAX_BLOCKS} blocs."
                    ),
                ),
                (
                    "Narrow the mandate that the authority signed in one go.",
                    "Restreignez en une fois le mandat signé par l'autorité.",
                ),
                "CSI R.253-3",
            ),
            VerifyError::Unknown => refuse(
                "BAD_MANDATE",
                (
                    "The mandate says something that this version does not know, perhaps a restriction: it cannot hold to it, so it refuses.",
                    "Le mandat énonce quelque chose que cette version ne connaît pas, peut-être une restriction : ne pouvant la respecter, elle refuse.",
                ),
                (
                    "Use the version that the mandate was made for, or restrict it with privacyctl mandate attenuate.",
                    "Utilisez la version pour laquelle le mandat a été fait, ou restreignez-le avec privacyctl mandate attenuate.",
                ),
                "CSI R.253-3",
            ),
            VerifyError::SamePerson => same_person(),
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

/// What can be said of a token that nobody verified: its revocation ids, and for each block the fingerprint of the
/// foreign key that signed it, if one did.
pub fn outline(bytes: &[u8]) -> Result<Vec<(String, Option<String>)>, VerifyError> {
    if bytes.len() > MAX_TOKEN_BYTES {
        return Err(VerifyError::TooLong);
    }
    let token = UnverifiedBiscuit::from(bytes).map_err(|_| VerifyError::Signature)?;
    let keys = token.external_public_keys();
    Ok(token
        .revocation_identifiers()
        .iter()
        .map(hex::encode)
        .zip(keys.iter().map(|k| k.as_ref().map(crate::key::fingerprint)))
        .collect())
}

/// The Datalog of a token that nobody verified, for those who work on tokens. Texts in it are not escaped, so one
/// that imitates a fact cannot be told from a fact: never decide anything on it, and show it to nobody as what a
/// mandate says.
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
    if token.block_count() > MAX_BLOCKS {
        return Err(VerifyError::TooManyBlocks);
    }
    let mut authorizer = AuthorizerBuilder::new()
        .set_limits(limits())
        .build(&token)
        .map_err(|_| VerifyError::NotAMandate)?;
    let (_, rules, checks, _) = authorizer.dump();
    if !rules.is_empty() {
        // Before anything is asked: to answer is to run them.
        return Err(VerifyError::Unknown);
    }
    let (form, fields) = read_form(&mut authorizer).ok_or(VerifyError::NotAMandate)?;
    let countersignatures = countersignatures(&token, &mut authorizer, &form, &key)?;
    // What was not read is not understood, and might restrict.
    if authorizer.fact_count() != fields + countersignatures.len() {
        return Err(VerifyError::Unknown);
    }
    let mut restrictions: Vec<Restriction> = checks
        .iter()
        .map(Restriction::of)
        .collect::<Option<_>>()
        .ok_or(VerifyError::Unknown)?;
    let own = Restriction::Period {
        from: Some(form.valid_from),
        until: Some(form.valid_to),
    };
    if restrictions.first() != Some(&own) {
        return Err(VerifyError::NotAMandate);
    }
    restrictions.remove(0);
    Ok(Mandate {
        form,
        digest: hex::encode(Sha256::digest(bytes)),
        revocation_ids: token
            .revocation_identifiers()
            .iter()
            .map(hex::encode)
            .collect(),
        signed_by: crate::key::fingerprint(&key),
        restrictions,
        countersignatures,
    })
}

/// A token and the trusted key that signed it.
pub(super) fn open(bytes: &[u8], keys: &[PublicKey]) -> Result<(Biscuit, PublicKey), VerifyError> {
    if keys.is_empty() {
        return Err(VerifyError::NoKey);
    }
    if bytes.len() > MAX_TOKEN_BYTES {
        return Err(VerifyError::TooLong);
    }
    keys.iter()
        .filter(|key| crate::key::fit_to_sign(key))
        .find_map(|key| Biscuit::from(bytes, key).ok().map(|token| (token, *key)))
        .ok_or(VerifyError::Signature)
}

/// The form in the facts of the first block, and how many facts it is made of. Facts of later blocks are out of
/// the query's scope.
fn read_form(authorizer: &mut Authorizer) -> Option<(Form, usize)> {
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
    let count = fields.len();
    let form: Form = serde_json::from_value(Value::Object(fields)).ok()?;
    (form.version == super::form::VERSION).then_some((form, count))
}

/// The countersignatures in a token, each in a block of its own key.
fn countersignatures(
    token: &Biscuit,
    authorizer: &mut Authorizer,
    form: &Form,
    signer: &PublicKey,
) -> Result<Vec<Countersignature>, VerifyError> {
    let mut found: Vec<Countersignature> = Vec::new();
    for (block, key) in token.external_public_keys().into_iter().enumerate() {
        let Some(key) = key else { continue };
        if key == *signer || found.iter().any(|c| c.key == key) {
            return Err(VerifyError::SamePerson);
        }
        let mut rule = Rule::try_from(
            "found($mandate, $name, $role) <- countersigned($mandate, $name, $role) trusting {key}",
        )
        .map_err(|_| VerifyError::NotAMandate)?;
        rule.set_scope("key", key)
            .map_err(|_| VerifyError::NotAMandate)?;
        let facts: Vec<Fact> = authorizer.query(rule).map_err(|_| VerifyError::Unknown)?;
        let [fact] = facts.as_slice() else {
            return Err(VerifyError::Unknown);
        };
        let [Term::Str(mandate), Term::Str(name), Term::Str(role)] =
            fact.predicate.terms.as_slice()
        else {
            return Err(VerifyError::Unknown);
        };
        if *mandate != form.mandate_id {
            return Err(VerifyError::NotAMandate);
        }
        let one = Countersignature {
            key,
            block,
            name: name.clone(),
            role: role.clone(),
        };
        if one.is_by(&form.issued_by) || found.iter().any(|other| one.is_by(&other.name)) {
            return Err(VerifyError::SamePerson);
        }
        found.push(one);
    }
    Ok(found)
}

impl Mandate {
    /// The first restriction that does not allow this, if any.
    pub(crate) fn refused_by(&self, subject: &Subject<'_>) -> Option<&Restriction> {
        self.restrictions.iter().find(|r| !r.allows(subject))
    }
}

/// The refusal of a second signature by the first person.
pub(crate) fn same_person() -> Refusal {
    refuse(
        "SAME_PERSON_TWICE",
        (
            "The mandate is signed twice by the same person; the second signature must be another's.",
            "Le mandat est signé deux fois par la même personne ; la seconde signature doit être celle d'une autre.",
        ),
        (
            "Have somebody else countersign it, with their own key: privacyctl mandate countersign.",
            "Faites-le contresigner par quelqu'un d'autre, avec sa propre clé : privacyctl mandate countersign.",
        ),
        "CSI R.253-2 ; RGPD art. 32",
    )
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

/// A token holds no rule, so nothing takes long; Biscuit's own limit of 1 ms would refuse lawful mandates on a busy
/// host all the same.
fn limits() -> AuthorizerLimits {
    AuthorizerLimits {
        max_facts: 2000,
        max_iterations: 100,
        max_time: Duration::from_millis(100),
    }
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
