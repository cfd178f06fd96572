// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decisions, table-driven over the rules; names begin with the requirement they hold.

use std::sync::LazyLock;

use jiff::Timestamp;

use crate::{
    Capacity, Conditions, Field, FootageTime, Form, Grant, KeyPair, Mandate, Mask, MaskMethod,
    Mode, PublicKey, Refusal, Request, Revocations, Rules, SinkClass, Status, decide, key,
    mandate::{self, Beneficiary, Footage, Narrowing, VerifyError},
    needs_second_person,
};

mod graded;
mod rows_a_to_e;
mod rows_f_to_j;

/// Every purpose that opens, each with a form in `tests/forms`.
const ALLOWED: &[&str] = &[
    "comm.public_live",
    "comm.public_publication",
    "judicial.requisition_extract",
    "maintenance.setup",
    "oversight.inspection",
    "procedure.administrative",
    "rights.subject_access",
    "stats.occupancy_study",
    "stats.traffic_counts",
    "training.operator",
    "vp.live_view.masked",
    "vp.live_view.public_place",
    "vp.live_view.public_road",
    "vp.live_view.shop_frontage",
    "vp.live_view.terrorism",
    "vp.recording",
    "vp.replay.incident",
];

/// A purpose to publish under, where any would do.
const COMM: &str = "comm.public_publication";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-11-21T12:00:00+01:00")
}

/// The built-in rules, read once.
fn builtin() -> &'static Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(Rules::builtin);
    &RULES
}

fn form(purpose: &str) -> Form {
    let path = format!("{}/tests/forms/{purpose}.toml", env!("CARGO_MANIFEST_DIR"));
    Form::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Whoever countersigns in these tests.
static SECOND: LazyLock<KeyPair> = LazyLock::new(key::generate);
static COSIGNERS: LazyLock<[PublicKey; 1]> = LazyLock::new(|| [SECOND.public()]);

/// The rules, and the second person as a trusted one.
fn with_second(rules: &Rules) -> Conditions<'_> {
    Conditions {
        cosigners: COSIGNERS.as_slice(),
        ..Conditions::new(rules)
    }
}

/// A token with the second signature, if this purpose takes one.
fn countersigned(token: Vec<u8>, form: &Form, pair: &KeyPair) -> Vec<u8> {
    match builtin().purpose(&form.purpose_id) {
        Some(purpose) if needs_second_person(purpose, form) => mandate::countersign(
            &token,
            &[pair.public()],
            "Adjoint",
            "élu de permanence",
            &SECOND,
        )
        .unwrap(),
        _ => token,
    }
}

/// Signs without asking the rules, as another tool might.
fn force(form: &Form, pair: &KeyPair) -> Mandate {
    let token = countersigned(mandate::build(form, pair).unwrap(), form, pair);
    mandate::verify(&token, &[pair.public()]).unwrap()
}

fn request(form: &Form) -> Request<'_> {
    Request {
        now: noon(),
        purpose: &form.purpose_id,
        camera: "cam-12",
        operator: "a-0417",
        sink_class: form.sink_classes[0],
        recipient: "",
        live: builtin()
            .purpose(&form.purpose_id)
            .and_then(|p| p.modes.first().copied())
            .map(|mode| mode == Mode::Live),
    }
}

/// What comes of a form after `change`, asked for by `ask`.
fn outcome(
    purpose: &str,
    change: impl FnOnce(&mut Form),
    ask: impl FnOnce(&mut Request<'_>),
) -> Result<Grant, Refusal> {
    let mut form = form(purpose);
    change(&mut form);
    let pair = key::generate();
    let mandate = force(&form, &pair);
    let mut request = request(&form);
    ask(&mut request);
    decide(&with_second(builtin()), Some(&mandate), &request)
}

fn code(result: Result<Grant, Refusal>) -> String {
    result.map_or_else(|r| r.code.clone(), |_| "open".into())
}

#[test]
fn b11_every_complete_mandate_is_signed_and_opens() {
    let rules = Rules::builtin();
    let pair = key::generate();
    for purpose in ALLOWED {
        let form = form(purpose);
        let token = mandate::sign(&form, &with_second(&rules), &pair, noon()).unwrap();
        let token = countersigned(token, &form, &pair);
        let mandate = mandate::verify(&token, &[key::generate().public(), pair.public()]).unwrap();
        assert_eq!(
            mandate.form, form,
            "{purpose}: the token says what the form said"
        );
        let grant = decide(&with_second(&rules), Some(&mandate), &request(&form)).unwrap();
        assert_eq!(grant.purpose_id, *purpose);
        assert!(grant.expires > noon() && grant.expires <= form.valid_to);
        assert_eq!(grant.mandate_digest.len(), 64);
    }
}

fn bilingual(refusal: &Refusal) {
    assert!(
        !refusal.code.is_empty()
            && refusal.message_en.len() > 10
            && refusal.message_fr.len() > 10
            && refusal.message_en != refusal.message_fr
            && refusal.remedy_en.is_empty() == refusal.remedy_fr.is_empty(),
        "{refusal:?}"
    );
    assert!(
        refusal
            .code
            .chars()
            .all(|c| c.is_ascii_uppercase() || c == '_'),
        "{}",
        refusal.code
    );
}

#[test]
fn g5_every_closed_purpose_stays_closed_whatever_the_mandate_says() {
    let rules = Rules::builtin();
    let pair = key::generate();
    let mut seen = 0;
    for (id, purpose) in rules.purposes() {
        if purpose.status == Status::Allowed {
            assert!(ALLOWED.contains(&id), "{id} needs a form in tests/forms");
            continue;
        }
        seen += 1;
        for capacity in Capacity::ALL {
            let mut form = form("judicial.requisition_extract");
            form.purpose_id = id.to_owned();
            form.operators[0].capacity = *capacity;
            let mandate = force(&form, &pair);
            for sink_class in SinkClass::ALL {
                for live in [None, Some(true), Some(false)] {
                    let request = Request {
                        sink_class: *sink_class,
                        live,
                        ..request(&form)
                    };
                    let refusal =
                        decide(&with_second(&rules), Some(&mandate), &request).unwrap_err();
                    if id == "experiment.event_security" {
                        assert_eq!(refusal.code, "EXPIRED_REGIME");
                        bilingual(&refusal);
                        continue;
                    }
                    let said = |t: &Option<String>| t.as_ref().map(|t| t.replace("{date}", "…"));
                    assert_eq!(Some(&refusal.code), purpose.code.as_ref(), "{id}");
                    assert_eq!(
                        Some(&refusal.message_en),
                        said(&purpose.message_en).as_ref()
                    );
                    assert_eq!(
                        Some(&refusal.message_fr),
                        said(&purpose.message_fr).as_ref()
                    );
                    bilingual(&refusal);
                }
            }
            assert!(mandate::sign(&form, &with_second(&rules), &pair, noon()).is_err());
        }
    }
    assert!(
        seen >= 26,
        "{seen}: section 2.C and 2.B of the requirements, at least"
    );
}

#[test]
fn the_codes_of_closed_purposes_are_those_of_the_requirements() {
    let rules = Rules::builtin();
    for (id, code) in [
        ("refused.facial_recognition", "BIOMETRICS"),
        ("refused.biometric_characterisation", "BIOMETRICS"),
        ("refused.operational_realtime_analysis", "REALTIME_ANALYSIS"),
        ("refused.municipal_initiative", "MUNICIPAL_INITIATIVE"),
        ("refused.election_period", "ELECTION_PERIOD"),
        ("refused.out_of_scope", "OUT_OF_SCOPE"),
        ("refused.expired_regime", "EXPIRED_REGIME"),
        ("judicial.lrj_search", "JUDICIAL_SEARCH_DISABLED"),
        ("judicial.requisition_search", "REQUISITION_SEARCH_DISABLED"),
    ] {
        assert_eq!(
            rules.purpose(id).unwrap().code.as_deref(),
            Some(code),
            "{id}"
        );
    }
}

#[test]
fn h1_an_unknown_purpose_is_refused() {
    for purpose in ["security", "other", "", "comm.*", "COMM.PUBLIC_PUBLICATION"] {
        let request = Request {
            purpose,
            ..Request::at(noon())
        };
        let refusal = decide(&with_second(&Rules::builtin()), None, &request).unwrap_err();
        assert_eq!(refusal.code, "UNKNOWN_PURPOSE");
        bilingual(&refusal);
    }
}

#[test]
fn h14_rules_past_review_refuse_everything() {
    let rules = Rules::builtin();
    let pair = key::generate();
    let form = form("comm.public_publication");
    let mandate = force(&form, &pair);
    // The review day itself still counts, in Paris.
    for (now, code) in [
        ("2027-11-21T22:59:59Z", "EXPIRED_MANDATE"),
        ("2027-11-21T23:00:00Z", "RULES_PAST_REVIEW"),
        ("2031-01-01T00:00:00Z", "RULES_PAST_REVIEW"),
    ] {
        let request = Request {
            now: at(now),
            ..request(&form)
        };
        assert_eq!(
            decide(&with_second(&rules), Some(&mandate), &request)
                .unwrap_err()
                .code,
            code,
            "{now}"
        );
    }
}

#[test]
fn without_a_mandate_nothing_opens() {
    for purpose in ALLOWED {
        let form = form(purpose);
        let refusal = decide(&with_second(&Rules::builtin()), None, &request(&form)).unwrap_err();
        assert_eq!(refusal.code, "NO_MANDATE");
        assert!(refusal.remedy_en.contains(purpose));
    }
}

#[test]
fn a1_operator_not_listed_or_out_of_date_is_refused() {
    let p = "vp.live_view.public_road";
    assert_eq!(
        code(outcome(p, |_| {}, |r| r.operator = "a-0418")),
        "NOT_HABILITATED"
    );
    assert_eq!(
        code(outcome(p, |_| {}, |r| r.operator = "")),
        "NOT_HABILITATED"
    );
    let ended = |f: &mut Form| f.operators[0].habilitation.valid_to = at("2026-11-21T10:59:59Z");
    assert_eq!(code(outcome(p, ended, |_| {})), "NOT_HABILITATED");
    let future = |f: &mut Form| f.operators[0].habilitation.valid_from = at("2026-11-22T00:00:00Z");
    assert_eq!(code(outcome(p, future, |_| {})), "NOT_HABILITATED");
}

#[test]
fn a3_a_designation_without_its_act_is_refused() {
    let no_act = |f: &mut Form| f.operators[0].habilitation.act_ref = " ".into();
    assert_eq!(code(outcome(COMM, no_act, |_| {})), "MISSING_FIELD");
}

#[test]
fn a7_a_camera_of_the_next_municipality_is_refused() {
    let next = |f: &mut Form| f.cameras[0].insee_code = "38185".into();
    assert_eq!(
        code(outcome("vp.live_view.public_road", next, |_| {})),
        "WRONG_TERRITORY"
    );
}

#[test]
fn c1_an_extraction_is_never_free() {
    let p = "vp.live_view.public_road";
    assert_eq!(
        code(outcome(p, |_| {}, |r| r.sink_class = SinkClass::File)),
        "EXTRACTION_NOT_FREE"
    );
    let written = |f: &mut Form| f.sink_classes.push(SinkClass::File);
    assert_eq!(code(outcome(p, written, |_| {})), "EXTRACTION_NOT_FREE");
}

#[test]
fn h12_no_wildcard_and_no_endless_mandate() {
    for id in ["*", "cam-*", "cam-??", ""] {
        let wild = |f: &mut Form| f.cameras[0].id = id.into();
        assert_eq!(
            code(outcome(COMM, wild, |r| r.camera = id)),
            "CAMERA_WILDCARD",
            "{id}"
        );
    }
    for (purpose, end, expected) in [
        (
            "judicial.requisition_extract",
            "2026-11-26T23:00:00Z",
            "open",
        ),
        (
            "judicial.requisition_extract",
            "2026-11-26T23:00:01Z",
            "MANDATE_TOO_LONG",
        ),
        ("vp.replay.incident", "2026-11-22T08:00:00+01:00", "open"),
        (
            "vp.replay.incident",
            "2026-11-22T08:00:01+01:00",
            "MANDATE_TOO_LONG",
        ),
        (
            "maintenance.setup",
            "2026-11-21T16:00:01+01:00",
            "MANDATE_TOO_LONG",
        ),
        (
            "judicial.requisition_extract",
            "2026-11-29T00:00:00Z",
            "MANDATE_TOO_LONG",
        ),
        (
            "comm.public_publication",
            "2027-01-01T00:00:00Z",
            "MANDATE_TOO_LONG",
        ),
        (
            "stats.traffic_counts",
            "2027-12-01T00:00:00Z",
            "MANDATE_TOO_LONG",
        ),
    ] {
        let long = |f: &mut Form| f.valid_to = at(end);
        assert_eq!(
            code(outcome(purpose, long, |_| {})),
            expected,
            "{purpose} {end}"
        );
    }
    assert!(Form::parse("version = 1").is_err(), "valid_to is mandatory");
}

#[test]
fn c7_a_motif_is_a_sentence() {
    for motif in ["", "test", "motif", "   ", "divers", "à voir"] {
        let vague = |f: &mut Form| f.motif = motif.into();
        assert_eq!(code(outcome(COMM, vague, |_| {})), "BAD_FIELD", "{motif}");
    }
}

#[test]
fn every_required_field_is_missed() {
    let rules = Rules::builtin();
    for id in ALLOWED {
        for field in &rules.purpose(id).unwrap().required {
            let without = |f: &mut Form| clear(f, *field);
            let refusal = outcome(id, without, |_| {}).unwrap_err();
            assert_eq!(refusal.code, "MISSING_FIELD", "{id} without {field}");
            assert!(refusal.message_fr.contains(field.word()));
        }
    }
}

fn clear(f: &mut Form, field: Field) {
    match field {
        Field::LegalBasis => f.legal_basis = None,
        Field::Regime => f.regime = None,
        Field::CsiGround => f.csi_ground = None,
        Field::Controller => f.controller = None,
        Field::Dpo => f.dpo = None,
        Field::RightsContact => f.rights_contact = Some("  ".into()),
        Field::CsiAuthorisation => f.csi_authorisation = None,
        Field::Audience => f.audience = None,
        Field::ViewingPlaces => f.viewing_places.clear(),
        Field::PublicNotice => f.public_notice = None,
        Field::Dpia => f.dpia = None,
        Field::RopaRef => f.ropa_ref = None,
        Field::ComplianceCommitment => f.compliance_commitment = None,
        Field::Necessity => f.necessity = None,
        Field::Proportionality => f.proportionality = Some(String::new()),
        Field::Requisition => f.requisition = None,
        Field::Recipient => f.recipient = None,
        Field::Channel => f.channel = None,
        Field::ItemRef => f.item_ref = None,
        Field::Approver => f.approver = None,
        Field::Consents => f.consents = Some(mandate::Consents::Given(vec![])),
        Field::DeclarationNonElectoral => f.declaration_non_electoral = None,
        Field::BeneficiaryType => f.beneficiary_type = None,
        Field::Promotional => f.promotional = None,
        Field::Stats => f.stats = None,
        Field::Schedule => f.schedule = None,
        Field::IncidentRef => f.incident_ref = None,
        Field::RetentionDays => f.retention_days = None,
        Field::Procedure => f.procedure = None,
        Field::AccessRequest => f.access_request = None,
        Field::MagistrateAuthorisation => f.magistrate_authorisation = None,
        Field::StrictCaseRef => f.strict_case_ref = None,
        Field::Event => f.event = None,
        Field::OriginPurpose => f.origin_purpose = None,
        Field::LegalReview => f.legal_review = None,
        Field::Models => f.models.clear(),
        Field::CaseCopyRef => f.case_copy_ref = None,
        Field::Search => f.search = None,
    }
}

#[test]
fn documents_must_say_what_the_purpose_needs() {
    type Change = fn(&mut Form);
    let live = "vp.live_view.public_road";
    let comm = "comm.public_publication";
    let stats = "stats.traffic_counts";
    let judicial = "judicial.requisition_extract";
    let table: &[(&str, &str, Change, &str)] = &[
        (
            "f8",
            stats,
            |f| f.dpia.as_mut().unwrap().covers = vec!["vp.recording".into()],
            "DPIA_NOT_COVERING",
        ),
        (
            "e4",
            stats,
            |f| {
                f.public_notice.as_mut().unwrap().mentions =
                    vec!["vp.live_view.public_road".into()];
            },
            "NOTICE_NOT_COVERING",
        ),
        (
            "j5",
            live,
            |f| f.csi_authorisation.as_mut().unwrap().valid_to = at("2026-11-21T10:00:00Z"),
            "AUTHORISATION_EXPIRED",
        ),
        (
            "j5",
            live,
            |f| f.csi_authorisation.as_mut().unwrap().valid_to = at("2035-01-01T00:00:00Z"),
            "BAD_FIELD",
        ),
        (
            "j5",
            live,
            |f| f.csi_authorisation.as_mut().unwrap().event_end = Some(at("2026-11-20T23:00:00Z")),
            "AUTHORISATION_EXPIRED",
        ),
        (
            "j3",
            live,
            |f| f.csi_authorisation.as_mut().unwrap().retention_days = 32,
            "BAD_FIELD",
        ),
        (
            "f7",
            live,
            |f| f.compliance_commitment.as_mut().unwrap().sent_on = "2026-12-01".parse().unwrap(),
            "BAD_FIELD",
        ),
        (
            "h3",
            live,
            |f| f.legal_basis = Some("rgpd_6_1_a".into()),
            "BAD_FIELD",
        ),
        (
            "h3",
            stats,
            |f| f.legal_basis = Some("rgpd_6_1_f".into()),
            "BAD_FIELD",
        ),
        (
            "h9",
            live,
            |f| f.controller.as_mut().unwrap().kind = "commerce".into(),
            "BAD_FIELD",
        ),
        (
            "a2",
            live,
            |f| f.audience = Some(mandate::Audience::Public),
            "THIRD_PARTY_VIEWING",
        ),
        (
            "b3",
            comm,
            |f| f.anonymisation = Mask::Persons,
            "CLEAR_PUBLICATION",
        ),
        (
            "d2",
            comm,
            |f| f.beneficiary_type = Some(Beneficiary::Candidate),
            "ELECTORAL_PROMOTION",
        ),
        (
            "d2",
            comm,
            |f| f.beneficiary_type = Some(Beneficiary::List),
            "ELECTORAL_PROMOTION",
        ),
        (
            "d2",
            comm,
            |f| f.beneficiary_type = Some(Beneficiary::Party),
            "ELECTORAL_PROMOTION",
        ),
        (
            "d2",
            comm,
            |f| f.beneficiary_type = Some(Beneficiary::Campaign),
            "ELECTORAL_PROMOTION",
        ),
        (
            "d3",
            comm,
            |f| f.promotional = Some(true),
            "ELECTION_PERIOD",
        ),
        (
            "e1",
            comm,
            |f| drop(f.operators[0].training.pop()),
            "NOT_TRAINED",
        ),
        (
            "e1",
            comm,
            |f| f.operators[0].training[0].valid_to = at("2026-11-21T10:00:00Z"),
            "NOT_TRAINED",
        ),
        (
            "e2",
            live,
            |f| drop(f.operators[0].training.remove(1)),
            "NOT_TRAINED",
        ),
        (
            "c2",
            judicial,
            |f| f.requisition.as_mut().unwrap().cameras = vec!["cam-13".into()],
            "OUTSIDE_REQUISITION",
        ),
        (
            "c2",
            judicial,
            |f| f.requisition.as_mut().unwrap().to = at("2026-11-17T16:00:00Z"),
            "BAD_FIELD",
        ),
        (
            "c2",
            judicial,
            |f| f.requisition.as_mut().unwrap().date = "2026-11-22".parse().unwrap(),
            "BAD_FIELD",
        ),
        (
            "a5",
            judicial,
            |f| f.recipient.as_mut().unwrap().0[0].capacity = "police_municipale".into(),
            "BAD_FIELD",
        ),
        (
            "4.3",
            stats,
            |f| f.stats.as_mut().unwrap().objection = "button".into(),
            "STATS_OBJECTION_UNDOCUMENTED",
        ),
        (
            "4.3",
            stats,
            |f| f.stats.as_mut().unwrap().objection_justification = String::new(),
            "STATS_OBJECTION_UNDOCUMENTED",
        ),
        (
            "4.2",
            stats,
            |f| f.stats.as_mut().unwrap().window_s = Some(60),
            "STATS_WINDOW",
        ),
        (
            "4.2",
            stats,
            |f| f.stats.as_mut().unwrap().window_s = Some(86_401),
            "STATS_WINDOW",
        ),
        (
            "4.2",
            stats,
            |f| f.stats.as_mut().unwrap().min_count = Some(2),
            "BAD_FIELD",
        ),
        (
            "4.2",
            stats,
            |f| f.stats.as_mut().unwrap().publish_delay_s = Some(0),
            "BAD_FIELD",
        ),
        (
            "f15",
            stats,
            |f| f.stats.as_mut().unwrap().classes.push("face".into()),
            "BAD_FIELD",
        ),
        (
            "issued",
            comm,
            |f| f.issued_at = "2026-11-22".parse().unwrap(),
            "BAD_FIELD",
        ),
    ];
    for (requirement, purpose, change, expected) in table {
        let refusal = outcome(purpose, change, |_| {}).unwrap_err();
        assert_eq!(
            refusal.code, *expected,
            "{requirement} {purpose}: {refusal}"
        );
        bilingual(&refusal);
    }
}

/// A form for a promotion, from an hour before `now` to ten days after it.
fn promotion(now: Timestamp) -> Form {
    let mut form = form("comm.public_publication");
    form.promotional = Some(true);
    form.issued_at = "2026-09-01".parse().unwrap();
    form.declaration_non_electoral.as_mut().unwrap().date = form.issued_at;
    form.valid_from = Timestamp::from_second(now.as_second() - 3600).unwrap();
    form.valid_to = Timestamp::from_second(now.as_second() + 10 * 86_400).unwrap();
    form
}

fn publish(conditions: &Conditions<'_>, form: &Form, now: Timestamp) -> Result<Grant, Refusal> {
    let mandate = force(form, &key::generate());
    let request = Request {
        now,
        ..request(form)
    };
    decide(conditions, Some(&mandate), &request)
}

#[test]
fn d3_the_election_calendar_has_a_day_before_and_a_day_after() {
    let rules = Rules::builtin();
    let conditions = with_second(&rules);
    let election = &conditions.calendar.elections[0];
    for (now, expected) in [
        (election.from.as_second() - 1, "open"),
        (election.from.as_second(), "ELECTION_PERIOD"),
        (election.to.as_second() - 1, "ELECTION_PERIOD"),
        (election.to.as_second(), "open"),
    ] {
        let now = Timestamp::from_second(now).unwrap();
        let mut form = promotion(now);
        assert_eq!(code(publish(&conditions, &form, now)), expected, "{now}");
        form.promotional = Some(false);
        assert_eq!(code(publish(&conditions, &form, now)), "open", "{now}");
    }
}

#[test]
fn d3_a_promotion_ends_when_the_period_begins() {
    let rules = Rules::builtin();
    let conditions = with_second(&rules);
    let election = &conditions.calendar.elections[0];
    let eve = Timestamp::from_second(election.from.as_second() - 3600).unwrap();
    let grant = publish(&conditions, &promotion(eve), eve).unwrap();
    assert_eq!(grant.expires, election.from);
    let mut form = promotion(eve);
    form.promotional = Some(false);
    let grant = publish(&conditions, &form, eve).unwrap();
    assert!(grant.expires > election.from);
}

#[test]
fn d3_without_a_calendar_nothing_is_published() {
    let rules = Rules::builtin();
    let mut conditions = with_second(&rules);
    let ends = conditions.calendar.covered_until();
    for (now, expected) in [
        (ends.as_second() - 1, "open"),
        (ends.as_second(), "CALENDAR_MISSING"),
    ] {
        // The rules end on the same day; other rules may be read again before that.
        let text = crate::rules::BUILTIN
            .replace("verified_on = 2026-11-21", "verified_on = 2027-10-01")
            .replace("review_by = 2027-11-21", "review_by = 2028-10-01");
        let later = Rules::parse(&text).unwrap();
        let conditions = Conditions {
            rules: &later,
            ..conditions
        };
        let now = Timestamp::from_second(now).unwrap();
        let mut form = promotion(now);
        form.promotional = Some(false);
        let outcome = publish(&conditions, &form, now);
        if let Err(refusal) = &outcome {
            bilingual(refusal);
        }
        assert_eq!(code(outcome), expected, "{now}");
    }
    conditions.calendar = crate::Calendar::none();
    let mut form = promotion(noon());
    form.promotional = Some(false);
    assert_eq!(
        code(publish(&conditions, &form, noon())),
        "CALENDAR_MISSING"
    );
    // Nobody else needs one.
    let live = self::form("vp.live_view.public_road");
    assert_eq!(code(publish(&conditions, &live, noon())), "open");
}

#[test]
fn d3_the_warning_begins_thirty_days_before() {
    let rules = Rules::builtin();
    let text = crate::calendar::BUILTIN.replace("from = 2026-10-01", "from = 2026-12-31");
    let calendar = crate::Calendar::parse(&text).unwrap();
    let conditions = Conditions {
        calendar: &calendar,
        ..with_second(&rules)
    };
    for (now, codes) in [
        ("2026-11-30T22:59:59Z", &[][..]),
        ("2026-11-30T23:00:00Z", &["ELECTION_NEAR"][..]),
        ("2026-12-30T22:59:59Z", &["ELECTION_NEAR"][..]),
    ] {
        let grant = publish(&conditions, &promotion(at(now)), at(now)).unwrap();
        let given: Vec<_> = grant.notices.iter().map(|n| n.code).collect();
        assert_eq!(given, codes, "{now}");
        let entry = grant.entry("s", Mode::Deferred, FootageTime::default(), at(now));
        assert_eq!(entry.contains("ELECTION_NEAR"), !codes.is_empty());
    }
}

#[test]
fn d3_a_period_concerns_its_territory_alone() {
    let rules = Rules::builtin();
    for (territory, expected) in [
        ("*", "ELECTION_PERIOD"),
        ("38565", "ELECTION_PERIOD"),
        ("dept:38", "ELECTION_PERIOD"),
        ("38185", "open"),
        ("dept:69", "open"),
    ] {
        let text = crate::calendar::BUILTIN.replacen("\"*\"]", &format!("\"{territory}\"]"), 1);
        let calendar = crate::Calendar::parse(&text).unwrap();
        let conditions = Conditions {
            calendar: &calendar,
            ..with_second(&rules)
        };
        let outcome = publish(&conditions, &promotion(noon()), noon());
        assert_eq!(code(outcome), expected, "{territory}");
    }
}

#[test]
fn the_dpo_may_lower_the_window_to_what_is_signed_and_no_further() {
    let signoff = |min_window_s| {
        move |f: &mut Form| {
            let stats = f.stats.as_mut().unwrap();
            stats.window_s = Some(60);
            stats.dpo_signoff = Some(mandate::DpoSignoff {
                by: "Déléguée à la protection des données".into(),
                date: "2026-11-20".parse().unwrap(),
                min_window_s,
                min_publish_delay_s: None,
            });
        }
    };
    let grant = outcome("stats.traffic_counts", signoff(60), |_| {}).unwrap();
    let limits = grant.statistics.unwrap();
    assert_eq!(
        (
            limits.min_window_s,
            limits.min_count,
            limits.publish_delay_s
        ),
        (60, 5, 300)
    );
    assert_eq!(
        code(outcome("stats.traffic_counts", signoff(61), |_| {})),
        "STATS_WINDOW"
    );
    assert_eq!(
        code(outcome("stats.traffic_counts", signoff(0), |_| {})),
        "STATS_WINDOW"
    );
    // A sign-off never raises the floor either: what it names is the least, not a new rule.
    let grant = outcome(
        "stats.traffic_counts",
        |f| {
            signoff(5000)(f);
            f.stats.as_mut().unwrap().window_s = None;
        },
        |_| {},
    )
    .unwrap();
    assert_eq!(grant.statistics.unwrap().min_window_s, 900);
}

#[test]
fn f2_statistics_are_live_only_but_for_a_published_test_clip() {
    let p = "stats.traffic_counts";
    let deferred = |r: &mut Request<'_>| r.live = Some(false);
    assert_eq!(code(outcome(p, |_| {}, deferred)), "DEFERRED_SOURCE");
    assert_eq!(
        code(outcome(
            p,
            |f| f.footage = Some(Footage::Videoprotection),
            deferred
        )),
        "DEFERRED_SOURCE"
    );
    let test_clip = |f: &mut Form| {
        f.footage = Some(Footage::Test);
        f.stats.as_mut().unwrap().publish_delay_s = Some(0);
    };
    let grant = outcome(p, test_clip, deferred).unwrap();
    assert!(
        grant
            .entry("s", Mode::Deferred, FootageTime::default(), noon())
            .contains("\"footage\":\"test\""),
        "the register says so"
    );
    assert!(!grant.video_out);
    // The field opens nothing else.
    let live_view = outcome(
        "vp.live_view.public_road",
        |f| f.footage = Some(Footage::Test),
        deferred,
    );
    assert_eq!(code(live_view), "DEFERRED_SOURCE");
    let judicial = outcome(
        "judicial.requisition_extract",
        |f| f.footage = Some(Footage::Test),
        |r| r.live = Some(true),
    );
    assert_eq!(code(judicial), "LIVE_SOURCE");
}

#[test]
fn the_mode_can_be_asked_later() {
    let grant = outcome("comm.public_publication", |_| {}, |r| r.live = None).unwrap();
    assert_eq!(grant.check_mode(false).unwrap(), Mode::Deferred);
    assert_eq!(grant.check_mode(true).unwrap_err().code, "LIVE_SOURCE");
}

#[test]
fn a_mandate_for_one_purpose_opens_no_other() {
    let pair = key::generate();
    let form = form("comm.public_publication");
    let mandate = force(&form, &pair);
    for purpose in ALLOWED.iter().filter(|p| **p != form.purpose_id) {
        let request = Request {
            purpose,
            ..request(&form)
        };
        let refusal =
            decide(&with_second(&Rules::builtin()), Some(&mandate), &request).unwrap_err();
        assert_eq!(refusal.code, "WRONG_PURPOSE");
    }
}

#[test]
fn a_stronger_mask_in_the_mandate_is_granted_with_its_classes() {
    let grant = outcome(
        "vp.live_view.public_road",
        |f| f.anonymisation = Mask::PersonsVehicles,
        |_| {},
    )
    .unwrap();
    assert_eq!(grant.required_mask, Mask::PersonsVehicles);
    assert!(grant.mask_classes.iter().any(|c| c == "person"));
    assert!(grant.mask_classes.iter().any(|c| c == "truck"));
    let frame = outcome(
        "comm.public_publication",
        |f| f.anonymisation = Mask::Frame,
        |_| {},
    );
    assert_eq!(frame.unwrap().required_mask, Mask::Frame);
}

#[test]
fn b4_the_grant_says_how_to_mask_and_whether_one_person_may_stay_clear() {
    let form = form("comm.public_publication");
    let granted = |change: &dyn Fn(String) -> String, anonymisation: Mask| {
        let mut form = form.clone();
        form.anonymisation = anonymisation;
        form.sink_classes = vec![SinkClass::File];
        let rules = Rules::parse(&change(crate::rules::BUILTIN.to_owned())).unwrap();
        let pair = key::generate();
        let keys = [pair.public()];
        let token = mandate::build(&form, &pair).unwrap();
        // Whether two people are needed is for these rules to say.
        let token = mandate::countersign(&token, &keys, "Adjoint", "élu", &SECOND).unwrap();
        let mandate = mandate::verify(&token, &keys).unwrap();
        let grant = decide(&with_second(&rules), Some(&mandate), &request(&form)).unwrap();
        (grant.mask_method, grant.one_clear)
    };
    let mask = Mask::PersonsVehicles;
    assert_eq!(granted(&|rules| rules, mask), (MaskMethod::Any, false));
    let strict = |rules: String| {
        let rules = rules.replacen(
            "sink_classes = [\"file\", \"public\"]",
            "sink_classes = [\"file\"]\nmask_method = \"solid\"\none_clear = true\nsecond_person = true",
            1,
        );
        assert_ne!(rules, crate::rules::BUILTIN);
        rules
    };
    assert_eq!(granted(&strict, mask), (MaskMethod::Solid, true));
    assert_eq!(
        granted(&strict, Mask::Frame),
        (MaskMethod::Solid, false),
        "a mandate that asks for the whole frame leaves nobody out"
    );
}

#[test]
fn the_grant_ends_with_whatever_ends_first() {
    let p = "vp.live_view.public_road";
    let twelve_hours = at("2026-11-21T23:00:00Z");
    assert_eq!(outcome(p, |_| {}, |_| {}).unwrap().expires, twelve_hours);
    let soon = at("2026-11-21T15:00:00Z");
    for change in [
        (|f, t| f.valid_to = t) as fn(&mut Form, Timestamp),
        |f, t| f.operators[0].habilitation.valid_to = t,
        |f, t| f.operators[0].training[2].valid_to = t,
        |f, t| f.csi_authorisation.as_mut().unwrap().event_end = Some(t),
    ] {
        assert_eq!(
            outcome(p, |f| change(f, soon), |_| {}).unwrap().expires,
            soon
        );
    }
    // A renewed training counts by its latest end.
    let renewed = |f: &mut Form| {
        let mut old = f.operators[0].training[0].clone();
        old.valid_to = at("2026-11-01T00:00:00Z");
        f.operators[0].training.push(old);
    };
    assert_eq!(outcome(p, renewed, |_| {}).unwrap().expires, twelve_hours);
}

#[test]
fn c4_the_entry_holds_what_the_register_must_know() {
    let grant = outcome("judicial.requisition_extract", |_| {}, |_| {}).unwrap();
    let filmed = FootageTime {
        declared_start: Some(at("2026-11-17T16:59:00Z")),
        first_frame: Some(at("2026-11-21T10:00:00Z")),
    };
    let entry: serde_json::Value =
        serde_json::from_str(&grant.entry("5e55", Mode::Deferred, filmed, noon())).unwrap();
    for (pointer, value) in [
        ("/operation", "extract"),
        ("/session", "5e55"),
        ("/purpose_id", "judicial.requisition_extract"),
        ("/purpose_label_fr", "Extraction sur réquisition"),
        (
            "/motif",
            "Extraction sur réquisition de l'OPJ, vol avec violence",
        ),
        ("/agent/id", "a-0417"),
        ("/agent/capacity", "csu_operator"),
        ("/agent/habilitation_ref", "arrêté 2026-31"),
        ("/destinataire/service", "Brigade de gendarmerie de Voreppe"),
        ("/rules_version", "fr-2026.11"),
        ("/cameras/0", "cam-12"),
        ("/footage_from", "2026-11-17T17:00:00Z"),
        ("/footage_to", "2026-11-17T18:00:00Z"),
        ("/footage_start", "2026-11-17T16:59:00Z"),
        ("/mode", "deferred"),
        ("/legal_refs/requisition", "PV 2026/01542"),
        ("/legal_refs/authorisation", "AP 38-2024-1187"),
        ("/anonymisation/required", "none"),
        ("/output/sink_class", "file"),
    ] {
        assert_eq!(
            entry.pointer(pointer).and_then(|v| v.as_str()),
            Some(value),
            "{pointer}"
        );
    }
    assert_eq!(entry["frame_age_s"], 3600);
    let publication = outcome("comm.public_publication", |_| {}, |_| {}).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&publication.entry(
        "s",
        Mode::Deferred,
        FootageTime::default(),
        noon(),
    ))
    .unwrap();
    assert_eq!(entry["channel"], "website");
    assert_eq!(entry["consents_count"], 0);
    assert_eq!(entry["anonymisation"]["required"], "persons+vehicles");
    assert!(
        entry["non_electoral_declaration"]
            .as_str()
            .unwrap()
            .contains("2026-11-20")
    );
}

#[test]
fn c8_a_refusal_has_an_entry_too() {
    let rules = Rules::builtin();
    let request = Request {
        purpose: "refused.facial_recognition",
        camera: "cam-12",
        operator: "a-0417",
        ..Request::at(noon())
    };
    let refusal = decide(&with_second(&rules), None, &request).unwrap_err();
    let entry: serde_json::Value =
        serde_json::from_str(&refusal.entry("s", Some(&rules), None, &request)).unwrap();
    assert_eq!(entry["operation"], "refuse");
    assert_eq!(entry["refusal"]["code"], "BIOMETRICS");
    assert_eq!(entry["purpose_label_fr"], "Reconnaissance faciale");
    assert_eq!(entry["agent"]["id"], "a-0417");
}

#[test]
fn a_refusal_names_the_designation_of_whoever_was_refused() {
    let pair = key::generate();
    let form = form("judicial.requisition_extract");
    let mandate = force(&form, &pair);
    let rules = Rules::builtin();
    let request = Request {
        camera: "cam-13",
        ..request(&form)
    };
    let refusal = decide(&with_second(&rules), Some(&mandate), &request).unwrap_err();
    let entry: serde_json::Value =
        serde_json::from_str(&refusal.entry("s", Some(&rules), Some(&mandate), &request)).unwrap();
    assert_eq!(entry["refusal"]["code"], "WRONG_CAMERA");
    assert_eq!(entry["agent"]["capacity"], "csu_operator");
    assert_eq!(entry["agent"]["habilitation_ref"], "arrêté 2026-31");
    assert_eq!(entry["destinataire"]["capacity"], "OPJ");
}

#[test]
fn c8_a_refusal_entry_stays_short_whatever_was_asked_for() {
    let pair = key::generate();
    let mut form = form("judicial.requisition_extract");
    form.motif = "é".repeat(60_000);
    let mandate = force(&form, &pair);
    let rules = Rules::builtin();
    let endless = "\u{1}".repeat(200_000);
    let request = Request {
        camera: &endless,
        operator: &endless,
        ..request(&form)
    };
    let refusal = decide(&with_second(&rules), Some(&mandate), &request).unwrap_err();
    let entry = refusal.entry("s", Some(&rules), Some(&mandate), &request);
    assert!(entry.len() < 60_000, "{} bytes", entry.len());
}

#[test]
fn a_grant_ends_when_the_narrowed_mandate_does() {
    let pair = key::generate();
    let keys = [pair.public()];
    let form = form("vp.live_view.public_road");
    let token = mandate::build(&form, &pair).unwrap();
    let until = at("2026-11-21T11:17:03Z");
    let narrowing = Narrowing {
        until: Some(until),
        ..Default::default()
    };
    let narrowed = mandate::narrow(&token, &keys, &narrowing).unwrap();
    let narrowed = mandate::verify(&narrowed, &keys).unwrap();
    let grant = decide(
        &with_second(&Rules::builtin()),
        Some(&narrowed),
        &request(&form),
    )
    .unwrap();
    assert_eq!(
        grant.expires, until,
        "and not with the mandate it was made from"
    );
    assert!(grant.still_holds(&narrowed, at("2026-11-21T11:17:02Z")));
    assert!(!grant.still_holds(&narrowed, until));
}

#[test]
fn a_class_that_would_fall_apart_in_a_list_is_no_class() {
    for (sound, spoilt) in [
        ("\"fr-2026.11\"", "\"fr\\u0000\""),
        (
            "mask_classes = [\"person\",",
            "mask_classes = [\"per\\nson\",",
        ),
    ] {
        let text = crate::rules::BUILTIN.replace(sound, spoilt);
        assert_ne!(text, crate::rules::BUILTIN);
        let error = Rules::parse(&text).unwrap_err();
        assert!(error.message.contains("control character"), "{error}");
    }
}

#[test]
fn a_narrowed_mandate_allows_less_and_cannot_allow_more() {
    let rules = Rules::builtin();
    let pair = key::generate();
    let mut form = form("comm.public_publication");
    let mut second = form.cameras[0].clone();
    second.id = "cam-13".into();
    form.cameras.push(second);
    let token = mandate::sign(&form, &with_second(&rules), &pair, noon()).unwrap();
    let keys = [pair.public()];
    let narrowing = Narrowing {
        cameras: vec!["cam-13".into()],
        until: Some(at("2026-11-22T00:00:00Z")),
        ..Default::default()
    };
    let narrowed = mandate::narrow(&token, &keys, &narrowing).unwrap();
    let mandate = mandate::verify(&narrowed, &keys).unwrap();
    assert_eq!(mandate.form, form);
    assert_eq!(mandate.revocation_ids.len(), 2);
    assert_eq!(mandate.restrictions.len(), 2);
    let ask = |camera, now: &str| {
        let request = Request {
            camera,
            now: at(now),
            ..request(&form)
        };
        code(decide(&with_second(&rules), Some(&mandate), &request))
    };
    assert_eq!(ask("cam-13", "2026-11-21T12:00:00Z"), "open");
    assert_eq!(ask("cam-12", "2026-11-21T12:00:00Z"), "NARROWED_MANDATE");
    assert_eq!(ask("cam-13", "2026-11-22T12:00:00Z"), "NARROWED_MANDATE");
    assert_eq!(ask("cam-14", "2026-11-21T12:00:00Z"), "WRONG_CAMERA");
    assert!(mandate::narrow(&token, &keys, &Narrowing::default()).is_err());

    // Facts in a further block are not the mandate's: nobody can add an operator to it.
    let forged = biscuit_auth::Biscuit::from(&token, pair.public())
        .unwrap()
        .append(
            biscuit_auth::BlockBuilder::new()
                .code("operators([{\"id\": \"intruder\"}]); valid_to(2040-01-01T00:00:00Z); time(2026-11-21T12:00:00Z);")
                .unwrap(),
        )
        .unwrap()
        .to_vec()
        .unwrap();
    // Not even read: what the reader does not know might restrict.
    assert_eq!(
        mandate::verify(&forged, &keys).unwrap_err(),
        VerifyError::Unknown
    );
}

#[test]
fn a_token_of_another_key_or_of_another_kind_is_refused() {
    let pair = key::generate();
    let token = mandate::build(&form(COMM), &pair).unwrap();
    let verify = |bytes: &[u8], keys: &[_]| mandate::verify(bytes, keys).err();
    assert_eq!(verify(&token, &[]), Some(VerifyError::NoKey));
    assert_eq!(
        verify(&token, &[key::generate().public()]),
        Some(VerifyError::Signature)
    );
    assert_eq!(
        verify(&vec![0; mandate::MAX_TOKEN_BYTES + 1], &[pair.public()]),
        Some(VerifyError::TooLong)
    );
    let other = biscuit_auth::Biscuit::builder()
        .code("user(\"a-0417\");")
        .unwrap()
        .build(&pair)
        .unwrap()
        .to_vec()
        .unwrap();
    assert_eq!(
        verify(&other, &[pair.public()]),
        Some(VerifyError::NotAMandate)
    );
    let mut newer = form(COMM);
    newer.version = 2;
    let newer = mandate::build(&newer, &pair).unwrap();
    assert_eq!(
        verify(&newer, &[pair.public()]),
        Some(VerifyError::NotAMandate)
    );
    for error in [
        VerifyError::NoKey,
        VerifyError::Signature,
        VerifyError::TooLong,
        VerifyError::NotAMandate,
        VerifyError::TooManyBlocks,
        VerifyError::Unknown,
        VerifyError::SamePerson,
    ] {
        bilingual(&Refusal::from(error));
    }
}

#[test]
fn c5_no_altered_token_is_accepted_and_no_bytes_panic() {
    let pair = key::generate();
    let keys = [pair.public()];
    let token = mandate::build(&form(COMM), &pair).unwrap();
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.clone();
        bytes[at] ^= 1 << (at % 8);
        if let Ok(mandate) = mandate::verify(&bytes, &keys) {
            // A bit that no signature covers (the proof of the last block) must not change what it says.
            assert_eq!(mandate.form, form(COMM), "byte {at}");
        }
    }
    for length in 0..token.len().min(400) {
        assert!(
            mandate::verify(&token[..length], &keys).is_err(),
            "{length} bytes"
        );
    }
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    for round in 0..400 {
        let length = (random.next() % 512) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if round % 2 == 0 {
            // Half of them begin as a token does, to get further into the parser.
            let keep = (random.next() as usize % token.len()).min(200);
            bytes.splice(0..0, token[..keep].iter().copied());
        }
        assert!(mandate::verify(&bytes, &keys).is_err());
        let _ = mandate::unverified_source(&bytes);
        let _ = Form::parse(&String::from_utf8_lossy(&bytes));
        let _ = Rules::parse(&String::from_utf8_lossy(&bytes));
    }
}

/// Marsaglia's xorshift64, so that a failing round can be repeated.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn templates_hold_what_is_needed_and_cannot_be_signed_unfilled() {
    let rules = Rules::builtin();
    for id in ALLOWED {
        let purpose = rules.purpose(id).unwrap();
        let today = "2026-11-21".parse().unwrap();
        let text = mandate::template(&rules, id, purpose, "6f1c2a52", today);
        let error = Form::parse(&text).unwrap_err();
        let mandate::FormError::Unfilled { value, line, .. } = error else {
            panic!("{id}: {error}");
        };
        assert!(text.lines().nth(line - 1).unwrap().contains(&value), "{id}");
        // Filled in by replacing the values, and only them, it is the form of this purpose.
        let filled = fill(&text, id);
        let parsed = Form::parse(&filled).unwrap_or_else(|e| panic!("{id}: {e}\n{filled}"));
        for field in &purpose.required {
            assert!(parsed.has(*field), "{id} {field}");
        }
        crate::complete::complete(&with_second(&rules), &parsed, noon())
            .unwrap_or_else(|e| panic!("{id}: {e}"));
    }
}

/// Fills a template in as a clerk would.
fn fill(template: &str, id: &str) -> String {
    let mut out = String::new();
    let mut table = "";
    for line in template.lines() {
        if line.starts_with('[') {
            table = line;
        }
        let key = line.split(" = ").next().unwrap_or("");
        let value = match (table, key) {
            ("", "valid_from" | "valid_to") if line.contains("T08:") || line.contains("T16:") => "",
            ("", "retention_days") => "15",
            (_, "models") => {
                "models = [{ sha256 = \"abababababababababababababababababababababababababababababababab\", approved_by = \"DPO\", approved_on = 2026-11-02 }]"
                    .trim_start_matches("models = ")
            }
            (_, "motif") => "\"Réaménagement de la place du marché\"",
            ("", "valid_from") => "2026-11-21",
            ("", "valid_to") => "2026-11-25",
            (
                "[operators.habilitation]" | "[[operators.training]]" | "[csi_authorisation]",
                "valid_to",
            ) => "2028-11-25",
            ("[requisition]", "from") => "2026-11-20T18:00:00",
            ("[requisition]", "to") => "2026-11-20T19:00:00",
            (_, "csi_ground") => "5",
            (_, "promotional") => "false",
            (_, "legal_basis") if id.starts_with("oversight.") => "\"rgpd_6_1_c\"",
            (_, "legal_basis") => "\"rgpd_6_1_e\"",
            (_, "regime") => "\"II\"",
            ("[controller]", "type") if id == "vp.live_view.shop_frontage" => "\"commerce\"",
            ("[controller]", "type") => "\"commune\"",
            ("[recipient]", "capacity") if id.starts_with("rights.") => "\"personne_concernee\"",
            ("[recipient]", "capacity") => "\"OPJ\"",
            (_, "objection") => "\"derogation_78_116\"",
            _ => "",
        };
        if value.is_empty() {
            out.push_str(&line.replace("\"<", "\"").replace(">\"", "\""));
        } else {
            out.push_str(&format!("{key} = {value}"));
        }
        out.push('\n');
    }
    assert!(out.contains(id));
    out
}

#[test]
fn the_facts_of_a_token_are_the_fields_of_a_form() {
    // Every field of the form that any purpose uses survives the token: a field that the reader did not
    // know would be lost here.
    let pair = key::generate();
    let mut names = std::collections::BTreeSet::new();
    let closed = [
        "judicial.lrj_search",
        "judicial.requisition_search",
        "experiment.event_security",
    ];
    for id in ALLOWED.iter().chain(&closed) {
        let mut form = form(id);
        form.footage = Some(Footage::Videoprotection);
        form.revocation = Some("https://ville.example/revoked.toml".into());
        form.case_copy_ref = Some("PV 2026/01542".into());
        let serde_json::Value::Object(map) = serde_json::to_value(&form).unwrap() else {
            panic!("a form is an object");
        };
        names.extend(map.keys().cloned());
        assert_eq!(force(&form, &pair).form, form);
    }
    assert_eq!(names.len(), 53);
}

#[test]
fn a_revoked_parent_takes_its_narrowed_children_along_and_a_child_nobody_else() {
    let form = form("vp.live_view.public_road");
    let pair = key::generate();
    let keys = [pair.public()];
    let token = mandate::build(&form, &pair).unwrap();
    let narrowing = Narrowing {
        cameras: vec!["cam-12".into()],
        ..Narrowing::default()
    };
    let child = mandate::narrow(&token, &keys, &narrowing).unwrap();
    let parent = mandate::verify(&token, &keys).unwrap();
    let child = mandate::verify(&child, &keys).unwrap();
    assert_eq!(child.revocation_ids.len(), 2);
    assert_eq!(child.revocation_ids[0], parent.revocation_ids[0]);
    assert_ne!(child.digest, parent.digest);
    let rules = Rules::builtin();
    let revoke = |id: &str| {
        let text = format!(
            "version = 1\n[[revoked]]\nid = \"{id}\"\ndate = 2026-11-20\nby = \"DGS\"\nreason = \"called off\"\n"
        );
        Revocations::parse(&text).unwrap()
    };
    let open = |mandate: &Mandate, list: &Revocations| {
        let conditions = Conditions {
            revocations: list,
            ..with_second(&rules)
        };
        code(decide(&conditions, Some(mandate), &request(&form)))
    };
    let list = revoke(&parent.revocation_ids[0]);
    assert_eq!(open(&parent, &list), "REVOKED_MANDATE");
    assert_eq!(open(&child, &list), "REVOKED_MANDATE");
    let list = revoke(&child.revocation_ids[1]);
    assert_eq!(open(&parent, &list), "open");
    assert_eq!(open(&child, &list), "REVOKED_MANDATE");
    // A grant that was given before is taken back too.
    let grant = decide(&with_second(&rules), Some(&child), &request(&form)).unwrap();
    assert_eq!(grant.authority_block(), parent.revocation_ids[0]);
    let refusal = grant.check_revocations(&list, noon()).unwrap_err();
    assert_eq!(refusal.code, "REVOKED_MANDATE");
    bilingual(&refusal);
}
