// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attacks on mandates: by whoever holds the authority's key and another tool, by whoever holds a token, and by the
//! clock.

use std::{collections::BTreeMap, sync::LazyLock};

use biscuit_auth::{
    BiscuitBuilder,
    builder::{Fact, MapKey, Term},
};
use jiff::{SignedDuration, Timestamp};
use privacy_policy::{
    Conditions, Form, Grant, KeyPair, Mandate, Mode, PublicKey, Refusal, Request, Revocations,
    Rules, SinkClass, decide, key,
    mandate::{self, Narrowing, Restriction, VerifyError},
    needs_second_person,
};
use serde_json::Value;

static RULES: LazyLock<Rules> = LazyLock::new(Rules::builtin);
static AUTHORITY: LazyLock<KeyPair> = LazyLock::new(key::generate);
static SECOND: LazyLock<KeyPair> = LazyLock::new(key::generate);
static COSIGNERS: LazyLock<[PublicKey; 1]> = LazyLock::new(|| [SECOND.public()]);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-11-21T12:00:00+01:00")
}

fn conditions() -> Conditions<'static> {
    Conditions {
        cosigners: COSIGNERS.as_slice(),
        ..Conditions::new(&RULES)
    }
}

fn authority() -> [PublicKey; 1] {
    [AUTHORITY.public()]
}

/// The forms that the rules accept, by purpose.
fn forms() -> Vec<Form> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/forms");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| Form::parse(&std::fs::read_to_string(path).unwrap()).unwrap())
        .filter(|form| RULES.open_purpose(&form.purpose_id, noon()).is_ok())
        .collect()
}

fn form(purpose: &str) -> Form {
    forms()
        .into_iter()
        .find(|f| f.purpose_id == purpose)
        .unwrap()
}

fn term(value: &Value) -> Term {
    match value {
        Value::Null => Term::Null,
        Value::Bool(b) => Term::Bool(*b),
        Value::Number(n) => Term::Integer(n.as_i64().unwrap()),
        Value::String(s) => Term::Str(s.clone()),
        Value::Array(items) => Term::Array(items.iter().map(term).collect()),
        Value::Object(map) => Term::Map(
            map.iter()
                .map(|(k, v)| (MapKey::Str(k.clone()), term(v)))
                .collect::<BTreeMap<_, _>>(),
        ),
    }
}

/// Signs facts as another tool would that holds the authority's key, and countersigns what needs it.
fn forge(facts: &Value) -> Result<Mandate, VerifyError> {
    let second = |n: Timestamp| u64::try_from(n.as_second()).unwrap();
    let date = |name: &str| {
        facts[name]
            .as_str()
            .and_then(|t| t.parse().ok())
            .map(second)
    };
    let mut builder = BiscuitBuilder::new();
    for (name, value) in facts.as_object().unwrap() {
        let term = match name.as_str() {
            "valid_from" | "valid_to" => date(name).map_or_else(|| term(value), Term::Date),
            _ => term(value),
        };
        builder = builder.fact(Fact::new(name.clone(), vec![term])).unwrap();
    }
    let from = date("valid_from").unwrap_or_default();
    let to = date("valid_to").unwrap_or(4_102_444_800);
    builder = builder
        .code_with_params(
            "check if time($now), $now >= {from}, $now < {to};",
            [
                ("from".to_owned(), Term::Date(from)),
                ("to".to_owned(), Term::Date(to)),
            ]
            .into(),
            Default::default(),
        )
        .unwrap();
    let token = builder.build(&AUTHORITY).unwrap().to_vec().unwrap();
    let mandate = mandate::verify(&token, &authority())?;
    match RULES.purpose(&mandate.form.purpose_id) {
        Some(purpose) if needs_second_person(purpose, &mandate.form) => {
            mandate::verify(&countersigned(&token), &authority())
        }
        _ => Ok(mandate),
    }
}

fn countersigned(token: &[u8]) -> Vec<u8> {
    mandate::countersign(
        token,
        &authority(),
        "Première adjointe",
        "permanence",
        &SECOND,
    )
    .unwrap()
}

fn request<'f>(form: &'f Form) -> Request<'f> {
    let id = |text: Option<&'f String>| text.map_or("", String::as_str);
    Request {
        purpose: &form.purpose_id,
        camera: id(form.cameras.first().map(|c| &c.id)),
        operator: id(form.operators.first().map(|o| &o.id)),
        sink_class: form
            .sink_classes
            .first()
            .copied()
            .unwrap_or(SinkClass::File),
        live: RULES
            .purpose(&form.purpose_id)
            .and_then(|p| p.modes.first())
            .map(|mode| *mode == Mode::Live),
        ..Request::at(noon())
    }
}

/// What comes of facts, asked for with the request of the form that they were made of.
fn outcome(facts: &Value, form: &Form) -> Result<Grant, Refusal> {
    decide(&conditions(), Some(&forge(facts)?), &request(form))
}

/// The paths of every value in a form, as JSON pointers.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    if !path.is_empty() {
        found.push(path.to_owned());
    }
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(k, v)| paths(v, &format!("{path}/{}", k.replace('/', "~1")), found)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(i, v)| paths(v, &format!("{path}/{i}"), found)),
        _ => {}
    }
}

fn remove(value: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(name)),
        Some(Value::Array(list)) => drop(list.remove(name.parse().unwrap())),
        other => panic!("{path}: {other:?}"),
    }
}

/// What a mandate may do without, `*` for an item of a list: one of several destinations, days, classes or trainings
/// (one less allows less, or was not asked for), and what is no unless it says yes.
const OPTIONAL: &[&str] = &[
    "csi_authorisation.provisional",
    "operators.*.training",
    "operators.*.training.*",
    "schedule.slot.*.days.*",
    "sink_classes.*",
    "stats.classes.*",
];

fn general(path: &str) -> String {
    path.split('/')
        .skip(1)
        .map(|part| {
            if part.parse::<usize>().is_ok() {
                "*"
            } else {
                part
            }
        })
        .collect::<Vec<_>>()
        .join(".")
}

#[test]
fn every_field_of_every_form_removed_is_refused() {
    let mut missed = Vec::new();
    let mut seen = 0;
    for form in forms() {
        let facts = serde_json::to_value(&form).unwrap();
        let granted = outcome(&facts, &form).unwrap_or_else(|r| panic!("{}: {r}", form.purpose_id));
        assert_eq!(granted.purpose_id, form.purpose_id);
        let mut found = Vec::new();
        paths(&facts, "", &mut found);
        for path in found {
            let mut facts = facts.clone();
            remove(&mut facts, &path);
            seen += 1;
            if outcome(&facts, &form).is_ok() && !OPTIONAL.contains(&general(&path).as_str()) {
                missed.push(format!("{}: {}", form.purpose_id, general(&path)));
            }
        }
    }
    missed.sort();
    missed.dedup();
    assert!(missed.is_empty(), "opened without:\n{}", missed.join("\n"));
    assert!(seen > 500, "{seen}");
}

/// Text that nobody checks beyond its being there: what it says is for people to judge.
fn same_but_for_texts(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(_), Value::String(_)) => true,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same_but_for_texts(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.keys().eq(other.keys())
                && one
                    .values()
                    .zip(other.values())
                    .all(|(a, b)| same_but_for_texts(a, b))
        }
        _ => one == other,
    }
}

#[test]
fn a_field_of_another_kind_is_refused() {
    let mut seen = 0;
    for form in forms() {
        let facts = serde_json::to_value(&form).unwrap();
        let mut found = Vec::new();
        paths(&facts, "", &mut found);
        for path in found {
            let old = facts.pointer(&path).unwrap();
            let others: &[Value] = match old {
                Value::Bool(_) => &[7.into(), "true".into()],
                Value::Number(_) => &[(-1).into(), "7".into()],
                Value::String(_) => &[7.into()],
                Value::Array(_) => &["".into()],
                Value::Object(_) => &["".into()],
                Value::Null => panic!("{path}: a form holds no null"),
            };
            for other in others {
                let mut facts = facts.clone();
                *facts.pointer_mut(&path).unwrap() = other.clone();
                let outcome = outcome(&facts, &form);
                seen += 1;
                // A larger or a negative number of the same field is what the rules judge; nothing else is read.
                let number = old.is_number() && other.is_i64();
                assert!(
                    outcome.is_err() || number || old == other,
                    "{}: {path} = {other} opened",
                    form.purpose_id
                );
            }
        }
    }
    assert!(seen > 700, "{seen}");
}

#[test]
fn a_text_that_was_emptied_is_refused() {
    // Bounds that no form needs: an empty one is none.
    const FREE: &[&str] = &[
        "public_notice.mentions.*",
        "requisition.object",
        "requisition.authority_type",
    ];
    let mut missed = Vec::new();
    for form in forms() {
        let facts = serde_json::to_value(&form).unwrap();
        let mut found = Vec::new();
        paths(&facts, "", &mut found);
        for path in found {
            if !facts.pointer(&path).unwrap().is_string() {
                continue;
            }
            let mut facts = facts.clone();
            *facts.pointer_mut(&path).unwrap() = "".into();
            let name = general(&path);
            if outcome(&facts, &form).is_ok()
                && !FREE.contains(&name.as_str())
                && !OPTIONAL.iter().any(|o| name.starts_with(o))
            {
                missed.push(format!("{}: {name}", form.purpose_id));
            }
        }
    }
    missed.sort();
    missed.dedup();
    assert!(
        missed.is_empty(),
        "opened with an empty\n{}",
        missed.join("\n")
    );
}

#[test]
fn a_field_of_another_mandate_opens_no_other_purpose_camera_or_hour() {
    let forms = forms();
    let mut opened = 0;
    for one in &forms {
        let own = serde_json::to_value(one).unwrap();
        for other in &forms {
            if other.purpose_id == one.purpose_id {
                continue;
            }
            let foreign = serde_json::to_value(other).unwrap();
            for (name, value) in foreign.as_object().unwrap() {
                if own.get(name) == Some(value) {
                    continue;
                }
                let mut facts = own.clone();
                facts[name] = value.clone();
                let Ok(grant) = outcome(&facts, one) else {
                    continue;
                };
                opened += 1;
                // Only what the rules let vary: the form still is one for its own purpose.
                let purpose = RULES.purpose(&one.purpose_id).unwrap();
                assert_eq!(grant.purpose_id, one.purpose_id, "{name}");
                assert!(grant.required_mask >= purpose.required_mask, "{name}");
                assert!(purpose.sink_classes.contains(&grant.sink_class), "{name}");
                assert!(grant.expires <= one.valid_to.max(other.valid_to), "{name}");
                assert_eq!(grant.detector_use, purpose.detector_use, "{name}");
                if name == "purpose_id" || name == "cameras" && one.cameras != other.cameras {
                    assert!(
                        same_but_for_texts(&own[name], value),
                        "{name} of {}",
                        other.purpose_id
                    );
                }
                assert_ne!(
                    name, "purpose_id",
                    "{} opened as {}",
                    other.purpose_id, one.purpose_id
                );
            }
        }
    }
    assert!(opened > 0, "some fields are alike enough to be exchanged");
}

/// Tokens of one block, of two, of three, and countersigned.
fn tokens() -> Vec<(&'static str, Vec<u8>)> {
    let requisition = form("judicial.requisition_extract");
    let one = mandate::sign(&requisition, &conditions(), &AUTHORITY, noon()).unwrap();
    let narrow = |token: &[u8], narrowing: Narrowing| {
        mandate::narrow(token, &authority(), &narrowing).unwrap()
    };
    let two = narrow(
        &one,
        Narrowing {
            cameras: vec!["cam-12".into()],
            ..Narrowing::default()
        },
    );
    let three = narrow(
        &two,
        Narrowing {
            until: Some(at("2026-11-22T12:00:00Z")),
            ..Narrowing::default()
        },
    );
    let second = countersigned(&two);
    vec![
        ("one block", one),
        ("two blocks", two),
        ("three blocks", three),
        ("countersigned", second),
    ]
}

#[test]
fn c5_a_token_cut_anywhere_is_no_token() {
    for (name, token) in tokens() {
        assert!(mandate::verify(&token, &authority()).is_ok(), "{name}");
        for length in 0..token.len() {
            let cut = mandate::verify(&token[..length], &authority());
            assert!(cut.is_err(), "{name}: {length} of {} bytes", token.len());
        }
        let longer = [&token[..], &[0]].concat();
        assert!(mandate::verify(&longer, &authority()).is_err(), "{name}");
    }
}

#[test]
fn c5_no_byte_of_a_token_can_be_changed() {
    for (name, token) in tokens() {
        let original = mandate::verify(&token, &authority()).unwrap();
        for at in 0..token.len() {
            let mut bytes = token.clone();
            bytes[at] ^= 1 << (at % 8);
            // A bit may mean nothing; then it must change nothing, what the mandate is revoked by included.
            if let Ok(changed) = mandate::verify(&bytes, &authority()) {
                assert_eq!(changed.form, original.form, "{name}: byte {at}");
                assert_eq!(
                    changed.revocation_ids, original.revocation_ids,
                    "{name}: byte {at}"
                );
                assert_eq!(
                    changed.restrictions, original.restrictions,
                    "{name}: byte {at}"
                );
                assert_eq!(
                    changed.countersignatures, original.countersignatures,
                    "{name}: byte {at}"
                );
            }
        }
    }
}

#[test]
fn c5_two_tokens_make_no_third() {
    let one = form("vp.live_view.public_road");
    let mut two = one.clone();
    two.cameras[0].id = "cam-13".into();
    let sign = |form: &Form| {
        let facts = serde_json::to_value(form).unwrap();
        forge(&facts).unwrap();
        mandate::sign(form, &conditions(), &AUTHORITY, noon()).unwrap()
    };
    let (one, two) = (sign(&one), sign(&two));
    for at in 1..one.len().min(two.len()) {
        for (head, tail) in [(&one, &two), (&two, &one)] {
            let spliced = [&head[..at], &tail[at..]].concat();
            if spliced == *head || spliced == *tail {
                continue;
            }
            assert!(
                mandate::verify(&spliced, &authority()).is_err(),
                "at byte {at}"
            );
        }
    }
}

#[test]
fn an_unknown_key_and_an_unknown_second_person_open_nothing() {
    let form = form("judicial.requisition_extract");
    let token = mandate::sign(&form, &conditions(), &AUTHORITY, noon()).unwrap();
    let stranger = key::generate();
    assert_eq!(
        mandate::verify(&token, &[stranger.public()]).unwrap_err(),
        VerifyError::Signature
    );
    let open = |token: &[u8], conditions: &Conditions<'_>| {
        let mandate = mandate::verify(token, &authority()).unwrap();
        decide(conditions, Some(&mandate), &request(&form)).map_err(|r| r.code.clone())
    };
    let missing = Err("SECOND_PERSON_MISSING".to_owned());
    assert_eq!(open(&token, &conditions()).map(drop), missing);
    let by_stranger =
        mandate::countersign(&token, &authority(), "Inconnu", "permanence", &stranger).unwrap();
    assert_eq!(open(&by_stranger, &conditions()).map(drop), missing);
    let by_second = countersigned(&token);
    assert_eq!(
        open(&by_second, &Conditions::new(&RULES)).map(drop),
        missing
    );
    let grant = open(&by_second, &conditions()).unwrap();
    assert_eq!(grant.countersigned_by.len(), 1);
    assert!(grant.single_use);
    // A stranger's signature beside a trusted one counts for nothing, and harms nobody.
    let both =
        mandate::countersign(&by_second, &authority(), "Inconnu", "permanence", &stranger).unwrap();
    assert_eq!(
        open(&both, &conditions()).unwrap().countersigned_by.len(),
        1
    );
    // The signer is not the second person, whichever keys are trusted.
    let again = mandate::countersign(&token, &authority(), "Adjointe", "p", &AUTHORITY);
    assert!(matches!(
        again,
        Err(mandate::CountersignError::SamePerson(_))
    ));
}

#[test]
fn a_countersignature_belongs_to_its_token() {
    let form = form("judicial.requisition_extract");
    let token = mandate::sign(&form, &conditions(), &AUTHORITY, noon()).unwrap();
    let other = mandate::sign(&form, &conditions(), &AUTHORITY, noon()).unwrap();
    // The second block of one token behind the first of another, found by the length of what they share.
    let signed = countersigned(&token);
    // Near the ends of the first block every byte, before them some.
    let near = other.len().min(token.len()).saturating_sub(150);
    for at in (0..near).step_by(97).chain(near..other.len()) {
        let moved = [&other[..at], &signed[at.min(token.len())..]].concat();
        if let Ok(mandate) = mandate::verify(&moved, &authority()) {
            let real = mandate::verify(&signed, &authority()).unwrap();
            assert_eq!(mandate.revocation_ids, real.revocation_ids, "at byte {at}");
        }
    }
}

#[test]
fn an_unknown_restriction_a_rule_and_a_fact_are_refused_as_a_whole() {
    let form = form("vp.live_view.public_road");
    let token = mandate::sign(&form, &conditions(), &AUTHORITY, noon()).unwrap();
    let append = |code: &str| {
        let token = biscuit_auth::Biscuit::from(&token, AUTHORITY.public()).unwrap();
        let block = biscuit_auth::BlockBuilder::new().code(code).unwrap();
        mandate::verify(
            &token.append(block).unwrap().to_vec().unwrap(),
            &authority(),
        )
    };
    for code in [
        "cameras([]);",
        "countersigned(\"a\", \"b\", \"c\");",
        "camera($c) <- operator($c);",
        "check if shutter(\"open\");",
        "check all camera($c), $c == \"cam-12\";",
        "reject if camera(\"cam-12\");",
        "check if camera(\"cam-12\"), operator(\"a-0417\");",
        "check if camera(\"cam-12\") or operator(\"a-0417\");",
        "check if camera($c);",
        "check if time($t), $t > 2026-11-21T00:00:00Z;",
        "check if time($t), $t < 2026-11-21T00:00:00Z, $t < 2027-11-21T00:00:00Z;",
        "check if time($t), $u < 2026-11-21T00:00:00Z, operator($u);",
        "check if true;",
        "check if paris_time(\"mon\", $m), $m >= 480, $m < 1441;",
        "check if paris_time(\"lundi\", $m), $m >= 480, $m < 1200;",
        "check if sink_class(\"anywhere\");",
        "check if camera(\"cam-12\") trusting previous;",
    ] {
        assert_eq!(append(code).unwrap_err(), VerifyError::Unknown, "{code}");
    }
    // A text that imitates another check is one text.
    let quoted = append("check if camera(\"x\\\"); check if camera(\\\"cam-12\");").unwrap();
    assert_eq!(
        quoted.restrictions,
        [Restriction::Cameras(vec![
            "x\"); check if camera(\"cam-12".into()
        ])]
    );
    // A ninth block is not read.
    let narrowing = Narrowing {
        cameras: vec!["cam-12".into()],
        ..Narrowing::default()
    };
    let mut long = token.clone();
    for _ in 1..mandate::MAX_BLOCKS {
        long = mandate::narrow(&long, &authority(), &narrowing).unwrap();
    }
    assert!(mandate::narrow(&long, &authority(), &narrowing).is_err());
    let longer = biscuit_auth::Biscuit::from(&long, AUTHORITY.public())
        .and_then(|t| t.append(biscuit_auth::BlockBuilder::new()))
        .and_then(|t| t.to_vec())
        .unwrap();
    assert_eq!(
        mandate::verify(&longer, &authority()).unwrap_err(),
        VerifyError::TooManyBlocks
    );
}

#[test]
fn a_mandate_ends_to_the_second_in_both_nights_of_the_change_of_hour() {
    // Mondays too: the days after both nights.
    for (valid_to, first_closed) in [
        ("2026-10-25", "2026-10-25T23:00:00Z"),
        ("2026-10-24", "2026-10-24T22:00:00Z"),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
        ("2027-03-27", "2027-03-27T23:00:00Z"),
        ("2027-03-28", "2027-03-28T22:00:00Z"),
        ("2027-03-28T01:59:59", "2027-03-28T00:59:59Z"),
        ("2027-03-28T03:00:00", "2027-03-28T01:00:00Z"),
    ] {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/forms/vp.live_view.public_road.toml"
        );
        let end: Timestamp = at(first_closed);
        let day = (end - SignedDuration::from_hours(72)).to_string();
        let text = std::fs::read_to_string(path).unwrap();
        let form = |valid_to: &str| {
            let lines: Vec<String> = text
                .lines()
                .scan(false, |in_table, line| {
                    *in_table |= line.starts_with('[');
                    Some(match line.split(" = ").next() {
                        Some("valid_from") if !*in_table => format!("valid_from = \"{day}\""),
                        Some("valid_to") if !*in_table => format!("valid_to = \"{valid_to}\""),
                        Some("issued_at") => format!("issued_at = {}", &day[..10]),
                        _ => line.to_owned(),
                    })
                })
                .collect();
            Form::parse(&lines.join("\n"))
        };
        let mut form = form(valid_to).unwrap_or_else(|e| panic!("{valid_to}: {e}"));
        assert_eq!(form.valid_to, end, "{valid_to}");
        // The hours of the day are not what this is about.
        form.schedule = form.schedule.map(|mut s| {
            s.slots.truncate(1);
            s.slots[0].days = privacy_policy::schedule::Day::ALL.to_vec();
            s.slots[0].from = jiff::civil::Time::midnight();
            s.slots[0].to = jiff::civil::Time::midnight();
            s
        });
        let mandate = forge(&serde_json::to_value(&form).unwrap()).unwrap();
        let ask = |now: Timestamp| {
            let request = Request {
                now,
                ..request(&form)
            };
            decide(&conditions(), Some(&mandate), &request).map_err(|r| r.code.clone())
        };
        let open =
            ask(end - SignedDuration::from_secs(1)).unwrap_or_else(|r| panic!("{valid_to}: {r}"));
        assert_eq!(open.expires, end, "{valid_to}");
        assert_eq!(
            ask(end).map(drop),
            Err("EXPIRED_MANDATE".into()),
            "{valid_to}"
        );
        let none = Revocations::none();
        let last = end - SignedDuration::from_nanos(1);
        assert!(open.check_at(&mandate, none, last).is_ok(), "{valid_to}");
        let ended = open.check_at(&mandate, none, end).unwrap_err();
        assert_eq!(ended.code, "EXPIRED_MANDATE", "{valid_to}");
        // A clock that goes back before the beginning opens nothing either.
        let early = ask(form.valid_from - SignedDuration::from_secs(1));
        assert_eq!(
            early.map(drop),
            Err("MANDATE_NOT_YET_VALID".into()),
            "{valid_to}"
        );
    }
}

#[test]
fn a_clock_set_back_a_day_opens_no_ended_mandate_that_had_not_begun() {
    let form = form("vp.live_view.public_road");
    let mandate = forge(&serde_json::to_value(&form).unwrap()).unwrap();
    let ask = |now: Timestamp| {
        let request = Request {
            now,
            ..request(&form)
        };
        decide(&conditions(), Some(&mandate), &request).map_err(|r| r.code.clone())
    };
    let day = SignedDuration::from_hours(24);
    assert_eq!(ask(form.valid_to).map(drop), Err("EXPIRED_MANDATE".into()));
    assert_eq!(
        ask(form.valid_from + day / 2 - day).map(drop),
        Err("MANDATE_NOT_YET_VALID".into())
    );
    // A revocation holds whatever the clock says.
    let list = Revocations::parse(&format!(
        "version = 1\n[[revoked]]\nid = \"{}\"\ndate = 2026-11-21\nby = \"DGS\"\nreason = \"fini\"\n",
        mandate.revocation_ids[0]
    ))
    .unwrap();
    let conditions = Conditions {
        revocations: &list,
        ..conditions()
    };
    let request = Request {
        now: noon() - day,
        ..request(&form)
    };
    let refusal = decide(&conditions, Some(&mandate), &request).unwrap_err();
    assert_eq!(refusal.code, "REVOKED_MANDATE");
}
