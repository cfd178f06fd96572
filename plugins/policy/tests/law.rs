// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the rules and mandates hold, row by row of the requirements: each test begins with the row that it shows.
//! From outside, with nothing but what a controller has: a form, a key and a rules file.

use jiff::Timestamp;
use privacy_policy::{
    Capacity, Conditions, DetectorUse, FootageTime, Form, Mask, Mode, PlaceType, Refusal, Request,
    Rules, SinkClass, Status, decide, key,
    mandate::{self, Audience, Beneficiary, Channel, Consents, MagistrateBasis, SignError},
    rules::BUILTIN,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-11-21T12:00:00+01:00")
}

fn form(purpose: &str) -> Form {
    let path = format!("{}/tests/forms/{purpose}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    Form::parse(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The rules of a site that opens what is restricted, the experiment for longer than its law runs.
fn opened() -> Rules {
    let text = BUILTIN
        .replace(
            "enabled = false",
            "enabled = true\nenabled_by = \"Maire\"\nenabled_on = 2026-11-01",
        )
        .replace("valid_to = 2025-03-31", "valid_to = 2027-03-31");
    Rules::parse(&text).unwrap()
}

/// Whether the changed form can be signed, by these rules.
fn signed_by(rules: &Rules, purpose: &str, change: impl FnOnce(&mut Form)) -> Result<(), Refusal> {
    let mut form = form(purpose);
    change(&mut form);
    match mandate::sign(&form, &Conditions::new(rules), &key::generate(), noon()) {
        Ok(_) => Ok(()),
        Err(SignError::Refused(refusal)) => Err(refusal),
        Err(SignError::Token(error)) => panic!("{error}"),
    }
}

/// The code of its refusal, or `signed`.
fn sign(rules: &Rules, purpose: &str, change: impl FnOnce(&mut Form)) -> String {
    signed_by(rules, purpose, change)
        .map_or_else(|refusal| refusal.code.clone(), |()| "signed".into())
}

/// The code of the decision on the changed form, or `open`. What cannot be signed has the code of that.
fn decided(rules: &Rules, purpose: &str, change: impl FnOnce(&mut Form)) -> String {
    let mut form = form(purpose);
    change(&mut form);
    let conditions = Conditions::new(rules);
    let pair = key::generate();
    let token = match mandate::sign(&form, &conditions, &pair, noon()) {
        Ok(token) => token,
        Err(SignError::Refused(refusal)) => return refusal.code.clone(),
        Err(SignError::Token(error)) => panic!("{error}"),
    };
    let mandate = mandate::verify(&token, &[pair.public()]).unwrap();
    let request = Request {
        purpose: &form.purpose_id,
        camera: &form.cameras[0].id,
        operator: &form.operators[0].id,
        sink_class: form.sink_classes[0],
        ..Request::at(noon())
    };
    decide(&conditions, Some(&mandate), &request)
        .map_or_else(|refusal| refusal.code.clone(), |_| "open".into())
}

/// Ids of the purposes that are open to somebody and begin like this.
fn family(start: &'static str) -> Vec<String> {
    let rules = Rules::builtin();
    let ids = rules
        .purposes()
        .filter(|(id, p)| p.status == Status::Allowed && id.starts_with(start))
        .map(|(id, _)| id.to_owned());
    let ids: Vec<String> = ids.collect();
    assert!(!ids.is_empty(), "{start}");
    ids
}

/// The code with which the built-in rules refuse a purpose by its name.
fn by_name(purpose: &str) -> String {
    let rules = Rules::builtin();
    let request = Request {
        purpose,
        ..Request::at(noon())
    };
    decide(&Conditions::new(&rules), None, &request)
        .unwrap_err()
        .code
        .clone()
}

/// What is wrong with the built-in rules when `to` stands for `from` in the table of a purpose.
fn fault(purpose: &str, from: &str, to: &str) -> String {
    let table = BUILTIN
        .find(&format!("[purpose.\"{purpose}\"]"))
        .unwrap_or_else(|| panic!("{purpose}"));
    let place = BUILTIN[table..]
        .find(from)
        .unwrap_or_else(|| panic!("{purpose}: {from}"));
    let (head, tail) = BUILTIN.split_at(table + place);
    let text = format!("{head}{to}{}", &tail[from.len()..]);
    Rules::parse(&text)
        .expect_err(&format!("{purpose}: {to} was accepted"))
        .message
}

#[test]
fn a2_clear_images_are_for_habilitated_people_alone() {
    let rules = Rules::builtin();
    let live = "vp.live_view.public_road";
    let public = |f: &mut Form| f.audience = Some(Audience::Public);
    assert_eq!(sign(&rules, live, public), "THIRD_PARTY_VIEWING");
    assert_eq!(sign(&rules, live, |f| f.audience = None), "MISSING_FIELD");
    assert_eq!(
        sign(&rules, "judicial.requisition_extract", public),
        "THIRD_PARTY_VIEWING"
    );
    assert_eq!(sign(&rules, "comm.public_publication", public), "signed");
    assert_eq!(
        by_name("refused.third_party_viewing"),
        "THIRD_PARTY_VIEWING"
    );
}

#[test]
fn a4_clear_images_are_seen_in_named_places_and_on_secured_screens() {
    let rules = Rules::builtin();
    for id in family("vp.") {
        let purpose = rules.purpose(&id).unwrap();
        if purpose.required_mask == Mask::None
            && purpose.sink_classes.contains(&SinkClass::CsuDisplay)
        {
            let none = |f: &mut Form| f.viewing_places.clear();
            assert_eq!(sign(&rules, &id, none), "MISSING_FIELD", "{id}");
        }
    }
    for class in ["internal-unsecured", "public"] {
        let to = format!("[\"csu-display\", \"{class}\"]");
        let said = fault(
            "vp.live_view.public_road",
            "[\"csu-display\", \"internal-secured\"]",
            &to,
        );
        assert!(said.contains("unsecured"), "{said}");
    }
}

#[test]
fn a5_a_search_is_for_officers_and_magistrates() {
    let id = "judicial.lrj_search";
    assert_eq!(
        sign(&Rules::builtin(), id, |_| {}),
        "JUDICIAL_SEARCH_DISABLED"
    );
    let rules = opened();
    for capacity in Capacity::ALL {
        let code = decided(&rules, id, |f| f.operators[0].capacity = *capacity);
        let may = [Capacity::Opj, Capacity::Apj, Capacity::Magistrat].contains(capacity);
        assert_eq!(code != "WRONG_CAPACITY", may, "{capacity}: {code}");
        // What is left is the second person, whom this mandate lacks.
        assert!(
            !may || ["open", "SECOND_PERSON_MISSING"].contains(&code.as_str()),
            "{code}"
        );
    }
}

#[test]
fn a6_municipal_police_do_not_search_or_extract_on_their_own_initiative() {
    let initiative = |f: &mut Form| {
        f.requisition = None;
        f.operators[0].capacity = Capacity::PoliceMunicipale;
    };
    let extract = "judicial.requisition_extract";
    let rules = Rules::builtin();
    assert_eq!(sign(&rules, extract, initiative), "MUNICIPAL_INITIATIVE");
    let search = "judicial.requisition_search";
    assert_eq!(sign(&rules, search, |_| {}), "REQUISITION_SEARCH_DISABLED");
    assert_eq!(sign(&opened(), search, initiative), "MUNICIPAL_INITIATIVE");
    assert_eq!(
        sign(&opened(), search, |f| f.operators[0].capacity =
            Capacity::PoliceMunicipale),
        "signed"
    );
    assert_eq!(
        by_name("refused.municipal_initiative"),
        "MUNICIPAL_INITIATIVE"
    );
}

#[test]
fn b2_a_publication_says_who_consented_and_a_consent_lowers_no_mask() {
    let rules = Rules::builtin();
    for id in family("comm.") {
        assert_eq!(
            sign(&rules, &id, |f| f.consents = None),
            "MISSING_FIELD",
            "{id}"
        );
        let nobody = |f: &mut Form| f.consents = Some(Consents::Given(vec![]));
        assert_eq!(sign(&rules, &id, nobody), "MISSING_FIELD", "{id}");
    }
    let consent = |digest: String| {
        Consents::Given(vec![mandate::Consent {
            digest,
            date: jiff::civil::date(2026, 11, 20),
            scope: "website".into(),
        }])
    };
    let id = "comm.public_publication";
    assert_eq!(
        sign(&rules, id, |f| f.consents = Some(consent("ab".repeat(32)))),
        "signed"
    );
    let clear = |f: &mut Form| {
        f.consents = Some(consent("ab".repeat(32)));
        f.anonymisation = Mask::None;
    };
    assert_eq!(sign(&rules, id, clear), "CLEAR_PUBLICATION");
}

#[test]
fn b7_a_publication_names_its_channel() {
    let rules = Rules::builtin();
    for id in family("comm.") {
        assert_eq!(
            sign(&rules, &id, |f| f.channel = None),
            "MISSING_FIELD",
            "{id}"
        );
        let social = |f: &mut Form| f.channel = Some(Channel::Social);
        assert_eq!(sign(&rules, &id, social), "signed", "{id}");
    }
    let path = format!(
        "{}/tests/forms/comm.public_publication.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let other = text.replace("channel = \"website\"", "channel = \"billboard\"");
    assert!(
        Form::parse(&other)
            .unwrap_err()
            .to_string()
            .contains("billboard")
    );
}

#[test]
fn b9_a_publication_rests_on_the_authorisation_and_on_the_record_of_processing() {
    let rules = Rules::builtin();
    for id in family("comm.") {
        assert_eq!(
            sign(&rules, &id, |f| f.csi_authorisation = None),
            "MISSING_FIELD",
            "{id}"
        );
        assert_eq!(
            sign(&rules, &id, |f| f.ropa_ref = None),
            "MISSING_FIELD",
            "{id}"
        );
    }
}

#[test]
fn c2_a_requisition_names_authority_date_cameras_and_hours() {
    let rules = Rules::builtin();
    let id = "judicial.requisition_extract";
    let change = |change: fn(&mut mandate::Requisition)| {
        sign(&rules, id, |f| change(f.requisition.as_mut().unwrap()))
    };
    assert_eq!(
        change(|r| r.cameras = vec!["cam-13".into()]),
        "OUTSIDE_REQUISITION"
    );
    assert_eq!(change(|r| r.to = r.from), "BAD_FIELD");
    assert_eq!(
        change(|r| r.date = jiff::civil::date(2026, 11, 22)),
        "BAD_FIELD"
    );
    assert_eq!(
        change(|r| r.legal_article = "CSI L.251-2".into()),
        "BAD_FIELD"
    );
    assert_eq!(sign(&rules, id, |f| f.recipient = None), "MISSING_FIELD");
}

#[test]
fn c3_images_are_communicated_in_a_procedure_of_the_law() {
    let rules = Rules::builtin();
    let mut seen = 0;
    for (id, purpose) in rules.purposes() {
        if purpose.status != Status::Allowed || purpose.procedure_types.is_empty() {
            continue;
        }
        seen += 1;
        assert_eq!(
            sign(&rules, id, |f| f.procedure = None),
            "MISSING_FIELD",
            "{id}"
        );
        let other = |f: &mut Form| f.procedure.as_mut().unwrap().kind = "divorce".into();
        assert_eq!(sign(&rules, id, other), "WRONG_PROCEDURE", "{id}");
    }
    assert!(seen > 0);
}

#[test]
fn c6_recorded_material_keeps_its_purpose() {
    let rules = Rules::builtin();
    let mut pairs = 0;
    for target in family("") {
        if form(&target).origin_purpose.is_none() {
            continue;
        }
        for origin in family("") {
            let code = sign(&rules, &target, |f| {
                f.footage = None;
                f.origin_purpose = Some(origin.clone());
            });
            let listed = rules
                .reuse
                .get(&origin)
                .is_some_and(|t| t.contains(&target));
            assert_eq!(code == "signed", listed, "{origin} for {target}: {code}");
            pairs += 1;
        }
    }
    assert!(pairs > 40, "{pairs}");
    let none = |f: &mut Form| f.origin_purpose = None;
    assert_eq!(
        sign(&rules, "judicial.requisition_extract", none),
        "MISSING_FIELD"
    );
}

#[test]
fn d1_no_image_serves_a_campaign_in_any_year() {
    let rules = Rules::builtin();
    for day in [
        "2026-11-21T12:00:00Z",
        "2027-06-15T12:00:00Z",
        "2027-11-01T12:00:00Z",
    ] {
        let request = Request {
            purpose: "refused.electoral_promotion",
            ..Request::at(at(day))
        };
        let refusal = decide(&Conditions::new(&rules), None, &request).unwrap_err();
        assert_eq!(refusal.code, "ELECTORAL_PROMOTION", "{day}");
    }
    for id in family("comm.") {
        let none = |f: &mut Form| f.declaration_non_electoral = None;
        assert_eq!(sign(&rules, &id, none), "MISSING_FIELD", "{id}");
    }
}

#[test]
fn d2_a_candidate_a_list_a_party_or_a_campaign_gets_nothing() {
    use Beneficiary::{Campaign, Candidate, List, Party};
    let rules = Rules::builtin();
    for id in family("comm.") {
        for beneficiary in [Candidate, List, Party, Campaign] {
            let code = sign(&rules, &id, |f| f.beneficiary_type = Some(beneficiary));
            assert_eq!(code, "ELECTORAL_PROMOTION", "{id} {beneficiary:?}");
        }
    }
}

/// Takes each topic that the purposes ask for out of the training in turn, and lets it expire.
fn training(start: &'static str, topics: &[&str]) {
    let rules = Rules::builtin();
    for id in family(start) {
        for topic in topics {
            let gone = |f: &mut Form| f.operators[0].training.retain(|t| t.topic != *topic);
            assert_eq!(decided(&rules, &id, gone), "NOT_TRAINED", "{id} {topic}");
            let past = |f: &mut Form| {
                let mut all = f.operators[0].training.iter_mut();
                all.find(|t| t.topic == *topic).unwrap().valid_to = noon();
            };
            assert_eq!(decided(&rules, &id, past), "NOT_TRAINED", "{id} {topic}");
        }
    }
}

#[test]
fn e1_whoever_publishes_is_trained_in_the_law_and_in_blurring() {
    training("comm.", &["legal", "blurring"]);
}

#[test]
fn e2_whoever_views_is_trained() {
    training(
        "vp.live_view.",
        &["regulation", "incident", "data_protection"],
    );
}

#[test]
fn e3_the_public_is_informed_of_all_that_it_must_be() {
    let rules = Rules::builtin();
    for id in family("vp.").into_iter().chain(family("stats.")) {
        assert_eq!(
            sign(&rules, &id, |f| f.public_notice = None),
            "MISSING_FIELD",
            "{id}"
        );
        let unsaid = |f: &mut Form| {
            f.public_notice.as_mut().unwrap().content.pop();
        };
        assert_eq!(sign(&rules, &id, unsaid), "NOTICE_INCOMPLETE", "{id}");
    }
}

#[test]
fn e4_statistics_have_a_notice_of_their_own() {
    let rules = Rules::builtin();
    for id in family("stats.") {
        let other = |f: &mut Form| {
            f.public_notice.as_mut().unwrap().mentions = vec!["vp.live_view.public_road".into()];
        };
        assert_eq!(sign(&rules, &id, other), "NOTICE_NOT_COVERING", "{id}");
    }
}

#[test]
fn e6_every_mandate_names_the_data_protection_officer() {
    let rules = Rules::builtin();
    for id in family("") {
        assert_eq!(sign(&rules, &id, |f| f.dpo = None), "MISSING_FIELD", "{id}");
    }
}

#[test]
fn f2_a_detector_that_does_more_than_mask_is_for_statistics_without_images() {
    for (id, purpose) in Rules::builtin().purposes() {
        match purpose.detector_use {
            DetectorUse::Statistics => {
                assert!(id.starts_with("stats.") && !purpose.video_out, "{id}");
            }
            DetectorUse::Search => assert!(
                id.starts_with("judicial.") && purpose.modes == [Mode::Deferred],
                "{id}"
            ),
            DetectorUse::None | DetectorUse::Mask => {}
        }
    }
    let live = fault(
        "judicial.lrj_search",
        "modes = [\"deferred\"]",
        "modes = [\"live\", \"deferred\"]",
    );
    assert!(live.contains("recordings only"), "{live}");
    assert_eq!(
        by_name("refused.operational_realtime_analysis"),
        "REALTIME_ANALYSIS"
    );
}

#[test]
fn f3_the_experiment_ended_with_its_law() {
    let text = BUILTIN.replace(
        "enabled = false",
        "enabled = true\nenabled_by = \"Maire\"\nenabled_on = 2025-01-01",
    );
    let rules = Rules::parse(&text).unwrap();
    let code = |now: &str| {
        let request = Request {
            purpose: "experiment.event_security",
            ..Request::at(at(now))
        };
        decide(&Conditions::new(&rules), None, &request)
            .unwrap_err()
            .code
            .clone()
    };
    assert_eq!(code("2025-03-31T23:59:59+02:00"), "NO_MANDATE");
    assert_eq!(code("2025-04-01T00:00:00+02:00"), "EXPIRED_REGIME");
    assert_eq!(code("2026-11-21T12:00:00+01:00"), "EXPIRED_REGIME");
    assert_eq!(by_name("refused.expired_regime"), "EXPIRED_REGIME");
}

#[test]
fn f4_an_event_has_an_order_a_perimeter_and_a_month_at_most() {
    let rules = opened();
    let id = "experiment.event_security";
    assert_eq!(sign(&rules, id, |_| {}), "signed");
    assert_eq!(sign(&rules, id, |f| f.event = None), "MISSING_FIELD");
    let event =
        |change: fn(&mut mandate::Event)| sign(&rules, id, |f| change(f.event.as_mut().unwrap()));
    assert_eq!(event(|e| e.perimeter = vec!["cam-13".into()]), "BAD_FIELD");
    assert_eq!(
        event(|e| e.valid_from = at("2026-10-01T00:00:00Z")),
        "BAD_FIELD"
    );
    assert_eq!(event(|e| e.valid_to = noon()), "BAD_FIELD");
}

#[test]
fn f6_a_search_serves_one_case_that_a_magistrate_authorised() {
    let rules = opened();
    let id = "judicial.lrj_search";
    assert_eq!(
        sign(&rules, id, |f| f.magistrate_authorisation = None),
        "MISSING_FIELD"
    );
    let change = |change: fn(&mut mandate::MagistrateAuthorisation)| {
        sign(&rules, id, |f| {
            change(f.magistrate_authorisation.as_mut().unwrap());
        })
    };
    assert_eq!(change(|m| m.case_ref = "another".into()), "BAD_FIELD");
    assert_eq!(
        change(|m| m.date = jiff::civil::date(2026, 11, 22)),
        "BAD_FIELD"
    );
    let flagrance = |informed: bool| {
        sign(&rules, id, |f| {
            let m = f.magistrate_authorisation.as_mut().unwrap();
            m.basis = MagistrateBasis::Flagrance;
            m.prosecutor_informed = informed;
        })
    };
    assert_eq!(flagrance(false), "BAD_FIELD");
    assert_eq!(flagrance(true), "signed");
}

/// The commitment to the CNIL: there, of the right kind, and sent before the first use.
fn commitment(rules: &Rules, id: &str) {
    assert_eq!(sign(rules, id, |_| {}), "signed", "{id}");
    assert_eq!(
        sign(rules, id, |f| f.compliance_commitment = None),
        "MISSING_FIELD",
        "{id}"
    );
    let kind = |f: &mut Form| f.compliance_commitment.as_mut().unwrap().kind = "MR-001".into();
    assert_eq!(sign(rules, id, kind), "BAD_FIELD", "{id}");
    let late = |f: &mut Form| {
        f.compliance_commitment.as_mut().unwrap().sent_on = jiff::civil::date(2026, 12, 1);
    };
    assert_eq!(sign(rules, id, late), "BAD_FIELD", "{id}");
}

#[test]
fn f7_judicial_software_has_its_commitment() {
    commitment(&opened(), "judicial.lrj_search");
}

#[test]
fn f8_the_impact_assessment_covers_the_purpose() {
    let rules = Rules::builtin();
    let mut seen = 0;
    for id in family("") {
        if form(&id).dpia.is_none() {
            continue;
        }
        seen += 1;
        let other = |f: &mut Form| f.dpia.as_mut().unwrap().covers = vec!["another".into()];
        assert_eq!(sign(&rules, &id, other), "DPIA_NOT_COVERING", "{id}");
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn f10_a_search_is_for_objects_and_never_for_a_face() {
    let rules = opened();
    for id in ["judicial.lrj_search", "judicial.requisition_search"] {
        assert_eq!(sign(&rules, id, |_| {}), "signed", "{id}");
        let face = |f: &mut Form| f.search.as_mut().unwrap().classes.push("face".into());
        assert_eq!(sign(&rules, id, face), "BIOMETRICS", "{id}");
        let other = |f: &mut Form| f.search.as_mut().unwrap().classes.push("umbrella".into());
        assert_eq!(sign(&rules, id, other), "BAD_FIELD", "{id}");
        let said = fault(
            id,
            "detector_classes = [\"person\"",
            "detector_classes = [\"face\", \"person\"",
        );
        assert!(said.contains("face"), "{said}");
    }
}

#[test]
fn f12_a_search_is_off_until_a_site_opens_it_and_then_necessary() {
    for (id, purpose) in Rules::builtin().purposes() {
        assert!(!purpose.enabled, "{id}");
        if purpose.status == Status::Restricted {
            assert!(sign(&Rules::builtin(), id, |_| {}) != "signed", "{id}");
        }
    }
    let rules = opened();
    for id in ["judicial.lrj_search", "judicial.requisition_search"] {
        assert_eq!(
            sign(&rules, id, |f| f.necessity = None),
            "MISSING_FIELD",
            "{id}"
        );
        assert_eq!(
            sign(&rules, id, |f| f.proportionality = None),
            "MISSING_FIELD",
            "{id}"
        );
    }
    let said = fault("judicial.lrj_search", "enabled = false", "enabled = true");
    assert!(said.contains("enabled_by"), "{said}");
}

#[test]
fn f13_no_offence_is_detected() {
    assert_eq!(by_name("refused.offence_detection"), "OFFENCE_DETECTION");
}

#[test]
fn f14_nothing_abnormal_is_detected_and_no_bag_is_looked_for() {
    assert_eq!(
        by_name("refused.abnormal_event_detection"),
        "ABNORMAL_EVENT_DETECTION"
    );
    for (id, purpose) in Rules::builtin().purposes() {
        if purpose.status == Status::Allowed {
            for class in ["backpack", "handbag", "suitcase"] {
                assert!(
                    !purpose.detector_classes.iter().any(|c| c == class),
                    "{id}: {class}"
                );
            }
        }
    }
}

#[test]
fn f16_a_search_is_on_judicial_demand_alone() {
    let rules = opened();
    let search = "judicial.requisition_search";
    assert_eq!(
        sign(&rules, search, |f| f.requisition = None),
        "MISSING_FIELD"
    );
    let path = format!("{}/tests/forms/{search}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let other = text.replace(
        "authority_type = \"police_judiciaire\"",
        "authority_type = \"maire\"",
    );
    assert_ne!(other, text);
    assert!(
        Form::parse(&other)
            .unwrap_err()
            .to_string()
            .contains("maire")
    );
}

#[test]
fn g5_a_face_search_is_refused_to_an_officer_with_a_magistrates_order() {
    assert_eq!(by_name("refused.facial_recognition"), "BIOMETRICS");
    let code = decided(&opened(), "judicial.lrj_search", |f| {
        f.operators[0].capacity = Capacity::Opj;
        f.search.as_mut().unwrap().classes = vec!["face".into()];
    });
    assert_eq!(code, "BIOMETRICS");
}

#[test]
fn h2_statistics_are_necessary_proportionate_and_small() {
    let rules = Rules::builtin();
    for id in family("stats.") {
        assert_eq!(
            sign(&rules, &id, |f| f.necessity = None),
            "MISSING_FIELD",
            "{id}"
        );
        assert_eq!(
            sign(&rules, &id, |f| f.proportionality = None),
            "MISSING_FIELD",
            "{id}"
        );
        let purpose = rules.purpose(&id).unwrap();
        assert_eq!(
            (purpose.max_width, purpose.max_height),
            (Some(1920), Some(1080)),
            "{id}"
        );
    }
}

#[test]
fn h3_the_legal_basis_is_one_of_the_purpose() {
    let rules = Rules::builtin();
    for id in family("") {
        assert_eq!(
            sign(&rules, &id, |f| f.legal_basis = None),
            "MISSING_FIELD",
            "{id}"
        );
        let other = |f: &mut Form| f.legal_basis = Some("rgpd_6_1_d".into());
        assert_eq!(sign(&rules, &id, other), "BAD_FIELD", "{id}");
    }
    // A legitimate interest is none of a public authority's (RGPD 6(1), last paragraph).
    let interest = |f: &mut Form| f.legal_basis = Some("rgpd_6_1_f".into());
    assert_eq!(sign(&rules, "stats.traffic_counts", interest), "BAD_FIELD");
}

#[test]
fn h4_rights_are_exercised_somewhere_and_a_copy_shows_one_person() {
    let rules = Rules::builtin();
    for id in family("") {
        assert_eq!(
            sign(&rules, &id, |f| f.rights_contact = None),
            "MISSING_FIELD",
            "{id}"
        );
        let purpose = rules.purpose(&id).unwrap();
        assert!(!purpose.one_clear || purpose.second_person, "{id}");
    }
    let refused = |f: &mut Form| {
        f.access_request.as_mut().unwrap().decision = mandate::AccessDecision::Refused;
    };
    assert_eq!(
        sign(&rules, "rights.subject_access", refused),
        "ACCESS_REFUSED"
    );
}

#[test]
fn h5_the_regime_is_named_and_recorded() {
    let rules = Rules::builtin();
    for id in family("") {
        assert_eq!(
            sign(&rules, &id, |f| f.regime = None),
            "MISSING_FIELD",
            "{id}"
        );
        let fourth = |f: &mut Form| f.regime = Some("IV".into());
        assert_eq!(sign(&rules, &id, fourth), "BAD_FIELD", "{id}");
    }
    let form = form("vp.live_view.public_road");
    let pair = key::generate();
    let conditions = Conditions::new(&rules);
    let token = mandate::sign(&form, &conditions, &pair, noon()).unwrap();
    let mandate = mandate::verify(&token, &[pair.public()]).unwrap();
    let request = Request {
        purpose: &form.purpose_id,
        camera: &form.cameras[0].id,
        operator: &form.operators[0].id,
        sink_class: form.sink_classes[0],
        live: Some(true),
        ..Request::at(noon())
    };
    let grant = decide(&conditions, Some(&mandate), &request).unwrap();
    let entry = grant.entry("s", Mode::Live, FootageTime::default(), noon());
    for word in ["regime", "legal_basis"] {
        assert!(entry.contains(&format!("\"{word}\"")), "{word}: {entry}");
    }
}

#[test]
fn h6_an_authorisation_to_film_is_none_to_analyse() {
    for (id, purpose) in Rules::builtin().purposes() {
        if id.starts_with("vp.") {
            assert!(purpose.detector_use <= DetectorUse::Mask, "{id}");
        }
    }
    let said = fault(
        "vp.live_view.public_road",
        "detector_use = \"mask\"",
        "detector_use = \"statistics\"",
    );
    assert!(!said.is_empty());
}

#[test]
fn h7_a_camera_is_in_a_kind_of_place_that_the_purpose_knows() {
    let rules = Rules::builtin();
    for id in family("") {
        let purpose = rules.purpose(&id).unwrap();
        for place in PlaceType::ALL {
            // Some papers are needed on the public road alone; the place is what matters here.
            let code = sign(&rules, &id, |f| f.cameras[0].place_type = *place);
            let known = purpose.place_types.contains(place);
            assert_eq!(code == "OUT_OF_SCOPE", !known, "{id} {place}: {code}");
        }
    }
}

#[test]
fn h8_what_is_not_public_is_out_of_scope() {
    let rules = Rules::builtin();
    for place in [PlaceType::NotOpen, PlaceType::Private, PlaceType::Research] {
        for id in family("") {
            let code = sign(&rules, &id, |f| f.cameras[0].place_type = place);
            assert_eq!(code, "OUT_OF_SCOPE", "{id}");
        }
    }
    assert_eq!(by_name("refused.out_of_scope"), "OUT_OF_SCOPE");
}

#[test]
fn h9_the_controller_is_of_a_kind_that_the_purpose_allows() {
    let rules = Rules::builtin();
    for id in family("") {
        let purpose = rules.purpose(&id).unwrap();
        let commerce = |f: &mut Form| f.controller.as_mut().unwrap().kind = "commerce".into();
        let known = purpose.controllers.iter().any(|c| c == "commerce");
        if !known {
            assert_eq!(sign(&rules, &id, commerce), "BAD_FIELD", "{id}");
        }
        let other = |f: &mut Form| f.controller.as_mut().unwrap().kind = "association".into();
        assert_ne!(sign(&rules, &id, other), "signed", "{id}");
    }
}

#[test]
fn h10_no_audience_is_measured() {
    assert_eq!(by_name("refused.audience_profiling"), "AUDIENCE_PROFILING");
}

#[test]
fn h13_each_purpose_opens_for_its_capacities_destinations_modes_and_masks_alone() {
    let (rules, pair) = (Rules::builtin(), key::generate());
    let conditions = Conditions::new(&rules);
    let mut open = 0;
    for id in family("") {
        let purpose = rules.purpose(&id).unwrap();
        if purpose.second_person {
            continue; // Countersigned mandates have their own tests.
        }
        for capacity in Capacity::ALL {
            let mut form = form(&id);
            form.operators[0].capacity = *capacity;
            let token = match mandate::sign(&form, &conditions, &pair, noon()) {
                Ok(token) => token,
                Err(error) => {
                    assert!(
                        !purpose.capacities.contains(capacity),
                        "{id} {capacity}: {error}"
                    );
                    continue;
                }
            };
            let mandate = mandate::verify(&token, &[pair.public()]).unwrap();
            for sink_class in SinkClass::ALL {
                for live in [true, false] {
                    for now in [noon(), form.valid_to, at("2026-01-01T00:00:00Z")] {
                        let request = Request {
                            now,
                            purpose: &id,
                            camera: &form.cameras[0].id,
                            operator: &form.operators[0].id,
                            sink_class: *sink_class,
                            live: Some(live),
                            recipient: "",
                        };
                        let decision = decide(&conditions, Some(&mandate), &request);
                        let mode = if live { Mode::Live } else { Mode::Deferred };
                        let test = form.footage == Some(mandate::Footage::Test);
                        let may = purpose.capacities.contains(capacity)
                            && purpose.sink_classes.contains(sink_class)
                            && form.sink_classes.contains(sink_class)
                            && (purpose.modes.contains(&mode) || test)
                            && now == noon();
                        assert_eq!(
                            decision.is_ok(),
                            may,
                            "{id} {capacity} {sink_class} live={live} {now}: {:?}",
                            decision.err().map(|r| r.code.clone())
                        );
                        if let Ok(grant) = decision {
                            assert!(grant.required_mask >= purpose.required_mask, "{id}");
                            open += 1;
                        }
                    }
                }
            }
        }
        for mask in Mask::ALL {
            let code = sign(&rules, &id, |f| f.anonymisation = *mask);
            let weak = purpose.video_out && *mask < purpose.required_mask;
            assert!(!weak || code != "signed", "{id} {mask}: {code}");
        }
    }
    assert!(open > 20, "{open}");
}

#[test]
fn h17_the_rules_name_their_sources() {
    let rules = Rules::builtin();
    let all = rules.sources.join("\n");
    for source in [
        "Code de la sécurité intérieure",
        "CNIL, 5 décembre 2024",
        "CNIL, position de juillet 2022",
        "506370",
        "MED-2024-150",
        "MEDP-2024-001",
        "2011-418",
        "687",
        "2023-380",
        "2023-828",
        "RU-18",
        "230-20",
        "R.40-39",
        "2019-536",
        "L.52-1",
        "L.52-8",
        "226-21",
        "3 août 2007",
        "2025-878 DC",
    ] {
        assert!(all.contains(source), "{source}");
    }
    for (id, purpose) in rules.purposes() {
        assert!(!purpose.legal_refs.is_empty(), "{id}");
    }
}

#[test]
fn j3_nothing_is_kept_or_used_beyond_a_month() {
    let rules = Rules::builtin();
    let live = "vp.live_view.public_road";
    let long = |f: &mut Form| f.csi_authorisation.as_mut().unwrap().retention_days = 32;
    assert_eq!(sign(&rules, live, long), "BAD_FIELD");
    let recording = |f: &mut Form| f.retention_days = Some(32);
    assert_eq!(sign(&rules, "vp.recording", recording), "BAD_FIELD");
    let extract = "judicial.requisition_extract";
    let old = |f: &mut Form| {
        let r = f.requisition.as_mut().unwrap();
        (r.from, r.to) = (at("2026-10-01T10:00:00Z"), at("2026-10-01T11:00:00Z"));
    };
    assert_eq!(sign(&rules, extract, old), "OVER_RETENTION");
    let copy = |f: &mut Form| {
        old(f);
        f.case_copy_ref = Some("scellé 2026/00417".into());
    };
    assert_eq!(sign(&rules, extract, copy), "signed");
    assert_eq!(by_name("refused.over_retention"), "OVER_RETENTION");
}

#[test]
fn j4_each_use_is_entered_as_what_it_is_and_entries_are_kept_three_years() {
    use privacy_policy::Operation::{Collect, Consult, Extract, Publish, WindowPublished};
    let rules = Rules::builtin();
    for id in family("") {
        let operation = rules.purpose(&id).unwrap().operation;
        let expected = match id.split('.').next().unwrap() {
            "comm" => Publish,
            "judicial" => Extract,
            "stats" => WindowPublished,
            "vp" if id == "vp.recording" => Collect,
            "vp" => Consult,
            _ => continue,
        };
        assert_eq!(operation, expected, "{id}");
    }
    assert!(BUILTIN.contains("max_register_days = 1096"));
}

#[test]
fn j5_nothing_outlives_the_prefects_authorisation() {
    let rules = Rules::builtin();
    for id in family("vp.") {
        let change = |change: fn(&mut mandate::CsiAuthorisation)| {
            sign(&rules, &id, |f| {
                change(f.csi_authorisation.as_mut().unwrap());
            })
        };
        assert_eq!(
            change(|a| a.valid_to = at("2026-11-21T10:00:00Z")),
            "AUTHORISATION_EXPIRED",
            "{id}"
        );
        assert_eq!(
            change(|a| a.valid_to = at("2040-01-01T00:00:00Z")),
            "BAD_FIELD",
            "{id}"
        );
        assert_eq!(
            sign(&rules, &id, |f| f.csi_authorisation = None),
            "MISSING_FIELD",
            "{id}"
        );
    }
}

#[test]
fn j6_a_shopkeeper_never_watches_the_street() {
    let rules = Rules::builtin();
    for id in family("") {
        let keeper = |f: &mut Form| f.operators[0].capacity = Capacity::Commercant;
        let code = decided(&rules, &id, keeper);
        assert_eq!(code, "WRONG_CAPACITY", "{id}");
    }
    let said = fault(
        "vp.live_view.shop_frontage",
        "capacities = [",
        "capacities = [\"commercant\", ",
    );
    assert!(said.contains("shopkeeper"), "{said}");
}

#[test]
fn j7_public_authorities_commit_to_the_cnil_before_they_film() {
    let rules = Rules::builtin();
    for id in family("vp.") {
        let holder = form(&id).controller.unwrap().kind;
        let public = !rules.private_controllers.contains(&holder);
        if public && !rules.purpose(&id).unwrap().commitment_types.is_empty() {
            commitment(&rules, &id);
        }
    }
    assert_eq!(
        rules
            .purpose("vp.live_view.public_road")
            .unwrap()
            .commitment_types,
        ["R253-7"]
    );
}

#[test]
fn j8_plates_are_found_only_to_be_masked() {
    for (id, purpose) in Rules::builtin().purposes() {
        if purpose.detector_classes.iter().any(|c| c == "plate") {
            assert_eq!(purpose.detector_use, DetectorUse::Mask, "{id}");
        }
    }
    let said = fault(
        "stats.traffic_counts",
        "detector_classes = [\"pedestrian\"",
        "detector_classes = [\"plate\", \"pedestrian\"",
    );
    assert!(said.contains("plates"), "{said}");
    assert_eq!(
        by_name("refused.realtime_plate_reading"),
        "REALTIME_PLATE_READING"
    );
}
