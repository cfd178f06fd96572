// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is fuzzed: each function takes any bytes, and panics when an invariant does not hold.
//!
//! The same functions replay the committed corpus in the normal tests (`plugins/policy/tests/corpus.rs`), so that
//! whatever a run once found stays found without a fuzzer.

use std::sync::OnceLock;

use biscuit_auth::{Algorithm, Biscuit, BiscuitBuilder, BlockBuilder, PrivateKey};
use jiff::Timestamp;
use privacy_policy::{
    Calendar, Conditions, Form, Grant, KeyPair, Mandate, Mask, PublicKey, Refusal, Request,
    Revocations, Rules, SinkClass, Status, decide, mandate, needs_second_person,
    revocation::Revoked,
};

/// The key of every token here. Known to all, and worth nothing outside this folder.
pub fn key() -> KeyPair {
    let secret = PrivateKey::from_bytes(&[7; 32], Algorithm::Ed25519).expect("32 bytes are a key");
    KeyPair::from(&secret)
}

/// The key of whoever countersigns here.
fn second() -> KeyPair {
    let secret = PrivateKey::from_bytes(&[8; 32], Algorithm::Ed25519).expect("32 bytes are a key");
    KeyPair::from(&secret)
}

/// These rules, and the second person as a trusted one.
fn with_second(rules: &Rules) -> Conditions<'_> {
    static COSIGNERS: OnceLock<[PublicKey; 1]> = OnceLock::new();
    Conditions {
        cosigners: COSIGNERS.get_or_init(|| [second().public()]),
        ..Conditions::new(rules)
    }
}

fn keys() -> [PublicKey; 1] {
    [key().public()]
}

/// The moment at which everything here is decided: the forms of the corpus are valid then.
pub fn noon() -> Timestamp {
    "2026-11-21T12:00:00+01:00"
        .parse()
        .expect("a timestamp is written above")
}

/// Forms that the rules accept at [`noon`], of several purposes.
pub const FORMS: &[(&str, &str)] = &[
    (
        "comm.public_publication",
        include_str!("../../plugins/policy/tests/forms/comm.public_publication.toml"),
    ),
    (
        "judicial.requisition_extract",
        include_str!("../../plugins/policy/tests/forms/judicial.requisition_extract.toml"),
    ),
    (
        "stats.traffic_counts",
        include_str!("../../plugins/policy/tests/forms/stats.traffic_counts.toml"),
    ),
    (
        "vp.live_view.public_road",
        include_str!("../../plugins/policy/tests/forms/vp.live_view.public_road.toml"),
    ),
];

/// [`FORMS`], signed.
///
/// # Panics
/// When the rules refuse one of them.
pub fn tokens() -> &'static [(&'static str, Vec<u8>)] {
    static TOKENS: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let rules = Rules::builtin();
        let sign = |(name, text): &(&'static str, &str)| {
            let form = Form::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            let token = mandate::sign(&form, &with_second(&rules), &key(), noon());
            let token = token.unwrap_or_else(|e| panic!("{name}: {e}"));
            let purpose = rules.purpose(&form.purpose_id).expect("it was signed");
            let token = if needs_second_person(purpose, &form) {
                mandate::countersign(&token, &keys(), "second", "second person", &second())
                    .unwrap_or_else(|e| panic!("{name}: {e}"))
            } else {
                token
            };
            (*name, token)
        };
        FORMS.iter().map(sign).collect()
    })
}

/// Every request that the mandate could be meant for, and one that it cannot.
fn requests(form: &Form) -> Vec<Request<'_>> {
    let mut all = vec![Request {
        purpose: &form.purpose_id,
        camera: "no such camera",
        operator: "nobody",
        sink_class: SinkClass::Public,
        ..Request::at(noon())
    }];
    for camera in form.cameras.iter().take(2) {
        for operator in form.operators.iter().take(2) {
            for sink_class in form.sink_classes.iter().take(3) {
                all.push(Request {
                    purpose: &form.purpose_id,
                    camera: &camera.id,
                    operator: &operator.id,
                    sink_class: *sink_class,
                    ..Request::at(noon())
                });
            }
        }
    }
    all
}

/// Decides, and holds whatever comes of it against what must be true of every decision.
fn decided(rules: &Rules, mandate: &Mandate, request: &Request<'_>) -> Result<Grant, Refusal> {
    let decision = decide(&with_second(rules), Some(mandate), request);
    match &decision {
        Ok(grant) => {
            let form = &mandate.form;
            let purpose = rules
                .purpose(request.purpose)
                .expect("a granted purpose is in the rules");
            assert_ne!(purpose.status, Status::Refused, "a closed purpose opened");
            assert!(!request.purpose.starts_with("refused."));
            assert_eq!(form.purpose_id, request.purpose);
            assert!(form.cameras.iter().any(|c| c.id == request.camera));
            assert!(form.operators.iter().any(|o| o.id == request.operator));
            assert!(form.sink_classes.contains(&request.sink_class));
            assert!(form.valid_from <= request.now && request.now < form.valid_to);
            assert!(
                grant.expires <= form.valid_to,
                "open for longer than the mandate"
            );
            assert!(
                grant.required_mask >= purpose.required_mask,
                "a weaker mask than the purpose's"
            );
            assert!(
                grant.required_mask >= form.anonymisation,
                "a weaker mask than the mandate's"
            );
            if request.sink_class == SinkClass::Public && grant.video_out {
                assert!(
                    grant.required_mask >= Mask::PersonsVehicles,
                    "clear images to the public"
                );
            }
            assert!(grant.still_holds(mandate, request.now));
        }
        Err(refusal) => legible(refusal),
    }
    decision
}

/// How many of [`tokens`] open for one of their requests.
pub fn opening() -> usize {
    let rules = Rules::builtin();
    let opens = |token: &Vec<u8>| {
        let mandate = mandate::verify(token, &keys()).expect("they are signed above");
        requests(&mandate.form)
            .iter()
            .any(|request| decided(&rules, &mandate, request).is_ok())
    };
    tokens().iter().filter(|(_, token)| opens(token)).count()
}

/// A refusal has a code, a text in both languages, and no control character that could forge a line.
fn legible(refusal: &Refusal) {
    assert!(
        !refusal.code.is_empty()
            && refusal
                .code
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'),
        "{:?}",
        refusal.code
    );
    for text in [&refusal.message_en, &refusal.message_fr] {
        assert!(!text.is_empty(), "{}", refusal.code);
        assert!(
            !text.contains(char::is_control),
            "{}: {text:?}",
            refusal.code
        );
    }
}

/// A rules file. Whatever parses keeps what no rules file may change: purposes named `refused.` stay closed, a file
/// past its review refuses everything, and nothing opens without a mandate. Whatever does not parse says where.
pub fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let rules = match Rules::parse(text) {
        Ok(rules) => rules,
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(
                error.line >= 1 && error.line <= text.lines().count() + 1,
                "{error}"
            );
            assert!(error.column >= 1, "{error}");
            return;
        }
    };
    let far = "2099-01-01T00:00:00Z".parse().expect("a timestamp");
    let ids: Vec<String> = rules.purposes().map(|(id, _)| id.to_owned()).collect();
    for id in ids.iter().take(64) {
        let request = Request {
            purpose: id,
            camera: "cam-12",
            operator: "a-0417",
            sink_class: SinkClass::File,
            live: Some(false),
            ..Request::at(noon())
        };
        legible(
            &decide(&with_second(&rules), None, &request)
                .expect_err("nothing opens without a mandate"),
        );
        if rules.review_by.year() < 2099 {
            let late = decide(
                &with_second(&rules),
                None,
                &Request {
                    now: far,
                    ..request
                },
            );
            let late = late.expect_err("nothing opens without a mandate");
            assert_eq!(late.code, "RULES_PAST_REVIEW");
        }
        let purpose = rules.purpose(id).expect("it is in the list");
        if id.starts_with("refused.") {
            assert_eq!(purpose.status, Status::Refused, "{id}");
        }
    }
    for (_, token) in tokens() {
        if let Ok(mandate) = mandate::verify(token, &keys()) {
            for request in requests(&mandate.form) {
                let _ = decided(&rules, &mandate, &request);
            }
        }
    }
}

/// A form. Whatever parses can be judged; whatever the rules then sign reads back as the same form.
pub fn form(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let form = match Form::parse(text) {
        Ok(form) => form,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let rules = Rules::builtin();
    match mandate::sign(&form, &with_second(&rules), &key(), noon()) {
        Ok(token) => {
            let mandate = mandate::verify(&token, &keys()).expect("what was signed verifies");
            assert_eq!(mandate.form, form, "what was signed reads back otherwise");
            for request in requests(&mandate.form) {
                let _ = decided(&rules, &mandate, &request);
            }
        }
        Err(mandate::SignError::Refused(refusal)) => legible(&refusal),
        Err(mandate::SignError::Token(_)) => {}
    }
}

/// Bytes given as a mandate. What verifies does so again and the same way, and can be decided on.
pub fn token(data: &[u8]) {
    let _ = mandate::unverified_source(data);
    let Ok(mandate) = mandate::verify(data, &keys()) else {
        return;
    };
    assert!(data.len() <= mandate::MAX_TOKEN_BYTES);
    let again = mandate::verify(data, &keys()).expect("it verified a moment ago");
    assert_eq!(again.form, mandate.form);
    assert_eq!(again.digest, mandate.digest);
    assert_eq!(again.restrictions, mandate.restrictions);
    assert_eq!(again.countersignatures, mandate.countersignatures);
    assert!(mandate.revocation_ids.len() <= mandate::MAX_BLOCKS);
    assert!(mandate.countersignatures.len() < mandate.revocation_ids.len());
    let blocks = mandate::outline(data).expect("it verified a moment ago");
    assert!(
        blocks
            .iter()
            .map(|(id, _)| id)
            .eq(mandate.revocation_ids.iter())
    );
    let rules = Rules::builtin();
    for request in requests(&mandate.form) {
        let _ = decided(&rules, &mandate, &request);
    }
    let other = KeyPair::new().public();
    assert!(mandate::verify(data, &[other]).is_err(), "any key will do");
}

/// Datalog signed as the first block of a token: the one way past the signature, as if the authority's own key were
/// used with another tool.
pub fn facts(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(token) = BiscuitBuilder::new()
        .code(text)
        .ok()
        .and_then(|builder| builder.build(&key()).ok())
        .and_then(|token| token.to_vec().ok())
    else {
        return;
    };
    self::token(&token);
}

/// Datalog appended to each mandate of the corpus: it never allows more than the mandate did.
pub fn blocks(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(block) = BlockBuilder::new().code(text) else {
        return;
    };
    let rules = Rules::builtin();
    for (_, bytes) in tokens() {
        let Ok(parent) = mandate::verify(bytes, &keys()) else {
            continue;
        };
        let Some(bytes) = Biscuit::from(bytes, key().public())
            .ok()
            .and_then(|token| token.append(block.clone()).ok())
            .and_then(|token| token.to_vec().ok())
        else {
            continue;
        };
        let Ok(child) = mandate::verify(&bytes, &keys()) else {
            continue;
        };
        assert_eq!(
            child.form, parent.form,
            "a further block changed the mandate"
        );
        assert_eq!(child.revocation_ids[0], parent.revocation_ids[0]);
        for request in requests(&parent.form) {
            let Ok(grant) = decided(&rules, &child, &request) else {
                continue;
            };
            let wider = decided(&rules, &parent, &request).expect("the mandate itself allows it");
            assert!(
                grant.expires <= wider.expires,
                "a further block opens for longer"
            );
            assert_eq!(grant.required_mask, wider.required_mask);
            assert_eq!(grant.classes, wider.classes);
            assert_eq!(grant.footage_range(), wider.footage_range());
        }
    }
}

/// A revocation file. It never opens anything, what it withdraws stays shut, and an entry that is appended to a file
/// that could be read is either read or makes the file unreadable: it is never passed over.
pub fn revocations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let list = match Revocations::parse(text) {
        Ok(list) => list,
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(
                (1..=text.lines().count() + 1).contains(&error.line) && error.column >= 1,
                "{error}"
            );
            return;
        }
    };
    let rules = Rules::builtin();
    for (_, bytes) in tokens() {
        let mandate = mandate::verify(bytes, &keys()).expect("they are signed above");
        let entry = Revoked {
            id: mandate.revocation_ids[0].clone(),
            mandate_id: None,
            date: noon(),
            by: "A".into(),
            reason: "B".into(),
        };
        let longer = Revocations::parse(&format!("{text}\n{}", entry.to_toml()));
        for request in requests(&mandate.form) {
            let conditions = Conditions {
                revocations: &list,
                ..with_second(&rules)
            };
            let decision = decide(&conditions, Some(&mandate), &request);
            if decision.is_ok() {
                assert!(
                    list.of(&mandate.revocation_ids, &mandate.form.mandate_id)
                        .is_none()
                );
                decided(&rules, &mandate, &request).expect("a revocation file opened something");
            }
            if let Err(refusal) = decision {
                legible(&refusal);
            }
            if let Ok(longer) = &longer {
                let conditions = Conditions {
                    revocations: longer,
                    ..conditions
                };
                assert!(
                    decide(&conditions, Some(&mandate), &request).is_err(),
                    "an entry was passed over"
                );
            }
        }
    }
}

/// An election calendar. A promotion never opens in one of its periods, outside the days it covers, or for longer than
/// to the next period.
pub fn calendar(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let calendar = match Calendar::parse(text) {
        Ok(calendar) => calendar,
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(
                (1..=text.lines().count() + 1).contains(&error.line) && error.column >= 1,
                "{error}"
            );
            return;
        }
    };
    let rules = Rules::builtin();
    let conditions = Conditions {
        calendar: &calendar,
        ..with_second(&rules)
    };
    let mut form = Form::parse(FORMS[0].1).expect("it is signed above");
    form.promotional = Some(true);
    let token = match mandate::sign(&form, &conditions, &key(), noon()) {
        Ok(token) => token,
        Err(mandate::SignError::Refused(refusal)) => return legible(&refusal),
        Err(mandate::SignError::Token(error)) => panic!("{error}"),
    };
    let mandate = mandate::verify(&token, &keys()).expect("what was signed verifies");
    for request in requests(&mandate.form) {
        let grant = match decide(&conditions, Some(&mandate), &request) {
            Ok(grant) => grant,
            Err(refusal) => {
                legible(&refusal);
                continue;
            }
        };
        let today = jiff::civil::date(2026, 11, 21);
        assert!(calendar.covers_from <= today && today <= calendar.covers_to);
        for election in &calendar.elections {
            if election
                .territories
                .iter()
                .any(|t| t == "*" || t == "38565")
            {
                assert!(
                    !(election.from <= request.now && request.now < election.to),
                    "a promotion in an election period"
                );
                assert!(
                    election.to <= request.now || grant.expires <= election.from,
                    "a promotion runs into an election period"
                );
            }
        }
    }
}
