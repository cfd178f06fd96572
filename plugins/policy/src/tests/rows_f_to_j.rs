// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rows F to J: analysis, biometrics, the general rules of the RGPD, the code of internal security.

use super::{
    graded::{RESTRICTED, opened},
    rows_a_to_e::{changed, family, under_open_rules},
    *,
};
use crate::{
    DetectorUse, Operation, PlaceType,
    mandate::{ComplianceCommitment, MagistrateBasis},
};

/// What the reader of rules says to a change of the built-in ones within one purpose.
fn fault(id: &str, from: &str, to: &str) -> String {
    let text = crate::rules::BUILTIN;
    let start = text.find(&format!("[purpose.\"{id}\"]")).unwrap();
    let table = &text[start..];
    let end = table[1..]
        .find("\n[purpose")
        .map_or(table.len(), |at| at + 1);
    let table = &table[..end];
    assert!(table.contains(from), "{id}: {from}");
    let changed = text.replacen(table, &table.replacen(from, to, 1), 1);
    match Rules::parse(&changed) {
        Ok(_) => "sound".into(),
        Err(e) => {
            assert!(e.line > 1, "{e}");
            e.message
        }
    }
}

#[test]
fn f2_analysis_in_real_time_is_statistics_or_nothing() {
    for (id, purpose) in builtin().purposes() {
        if purpose.modes.contains(&Mode::Live) && purpose.detector_use > DetectorUse::Mask {
            assert!(id.starts_with("stats.") && !purpose.video_out, "{id}");
        }
        if purpose.detector_use == DetectorUse::Search {
            assert!(
                id.starts_with("judicial.") && purpose.modes == [Mode::Deferred],
                "{id}"
            );
        }
    }
    let live = "vp.live_view.public_road";
    let (mask, statistics) = ("detector_use = \"mask\"", "detector_use = \"statistics\"");
    assert!(fault(live, mask, statistics).contains("statistics"));
    assert!(fault(live, mask, "detector_use = \"search\"").contains("search"));
    let deferred = "modes = [\"deferred\"]";
    for id in [
        "judicial.lrj_search",
        "judicial.requisition_search",
        "judicial.requisition_extract",
    ] {
        assert_ne!(fault(id, deferred, "modes = [\"live\"]"), "sound", "{id}");
    }
    assert!(
        fault(
            "stats.traffic_counts",
            "modes = [\"live\"]",
            "modes = [\"live\", \"deferred\"]"
        )
        .contains("stats.*")
    );
}

#[test]
fn f3_a_regime_that_ended_has_ended_for_everybody() {
    let id = "experiment.event_security";
    let text = crate::rules::BUILTIN
        .replace("verified_on = 2026-11-21", "verified_on = 2024-11-21")
        .replace("review_by = 2027-11-21", "review_by = 2025-11-21");
    let off = Rules::parse(&text).unwrap();
    let on = Rules::parse(&text.replace(
        "enabled = false",
        "enabled = true\nenabled_by = \"Préfet\"\nenabled_on = 2024-11-20",
    ))
    .unwrap();
    for (rules, now, expected) in [
        (&off, "2025-03-31T23:59:59+02:00", "EXPERIMENT_DISABLED"),
        (&off, "2025-04-01T00:00:00+02:00", "EXPIRED_REGIME"),
        (&on, "2025-03-31T23:59:59+02:00", "NO_MANDATE"),
        (&on, "2025-04-01T00:00:00+02:00", "EXPIRED_REGIME"),
    ] {
        let request = Request {
            purpose: id,
            ..Request::at(at(now))
        };
        let refusal = decide(&with_second(rules), None, &request).unwrap_err();
        bilingual(&refusal);
        assert_eq!(refusal.code, expected, "{now}");
        if expected == "EXPIRED_REGIME" {
            assert!(refusal.message_fr.contains("2025-03-31"), "{refusal}");
        }
    }
    assert!(fault(id, "status = \"restricted\"", "status = \"allowed\"").contains("restricted"));
}

#[test]
fn f4_an_event_has_its_order_its_perimeter_and_a_month_at_most() {
    let id = "experiment.event_security";
    let event = |change: fn(&mut mandate::Event)| {
        under_open_rules(id, move |f| change(f.event.as_mut().unwrap()))
    };
    assert_eq!(event(|_| {}), "open");
    assert_eq!(under_open_rules(id, |f| f.event = None), "MISSING_FIELD");
    assert_eq!(event(|e| e.order_ref = String::new()), "MISSING_FIELD");
    assert_eq!(event(|e| e.perimeter = vec!["cam-13".into()]), "BAD_FIELD");
    assert_eq!(event(|e| e.valid_to = at("2026-12-20T23:00:00Z")), "open");
    assert_eq!(
        event(|e| e.valid_to = at("2026-12-20T23:00:01Z")),
        "BAD_FIELD"
    );
    assert_eq!(
        event(|e| e.valid_to = at("2026-11-25T23:00:00Z")),
        "BAD_FIELD"
    );
}

#[test]
fn f6_one_case_and_its_magistrate() {
    let id = "judicial.lrj_search";
    let by = |change: fn(&mut mandate::MagistrateAuthorisation)| {
        under_open_rules(id, move |f| {
            change(f.magistrate_authorisation.as_mut().unwrap());
        })
    };
    assert_eq!(by(|_| {}), "open");
    assert_eq!(
        under_open_rules(id, |f| f.magistrate_authorisation = None),
        "MISSING_FIELD"
    );
    assert_eq!(by(|m| m.case_ref = "PV 2026/01543".into()), "BAD_FIELD");
    assert_eq!(by(|m| m.date = "2026-11-22".parse().unwrap()), "BAD_FIELD");
    assert_eq!(by(|m| m.basis = MagistrateBasis::Flagrance), "BAD_FIELD");
    let told = |m: &mut mandate::MagistrateAuthorisation| {
        m.basis = MagistrateBasis::Flagrance;
        m.prosecutor_informed = true;
    };
    assert_eq!(by(told), "open");
    let another = |f: &mut Form| f.requisition.as_mut().unwrap().case_ref = None;
    assert_eq!(under_open_rules(id, another), "BAD_FIELD");
}

#[test]
fn f7_the_commitment_is_of_the_right_kind_and_sent_before() {
    let with = |kind: &str, sent: &str| {
        Some(ComplianceCommitment {
            kind: kind.into(),
            cnil_ref: "CNIL 2236548".into(),
            sent_on: sent.parse().unwrap(),
        })
    };
    for (id, right, wrong) in [
        ("vp.live_view.public_road", "R253-7", "RU-18"),
        ("judicial.lrj_search", "RU-18", "R253-7"),
    ] {
        let came = |c: Option<ComplianceCommitment>| {
            under_open_rules(id, move |f| f.compliance_commitment = c)
        };
        assert_eq!(came(with(right, "2026-11-20")), "open", "{id}");
        assert_eq!(came(with(wrong, "2026-11-20")), "BAD_FIELD", "{id}");
        assert_eq!(
            came(with(right, "2026-11-21")),
            "BAD_FIELD",
            "after it begins: {id}"
        );
        assert_eq!(came(None), "MISSING_FIELD", "{id}");
    }
}

#[test]
fn f8_the_impact_assessment_covers_the_purpose() {
    let rules = opened();
    for id in ALLOWED.iter().chain(RESTRICTED) {
        if !rules.purpose(id).unwrap().required.contains(&Field::Dpia) {
            assert!(
                id.starts_with("judicial.req") || id.starts_with("oversight."),
                "{id}"
            );
            continue;
        }
        let other = |f: &mut Form| f.dpia.as_mut().unwrap().covers = vec!["refused.sound".into()];
        assert_eq!(under_open_rules(id, other), "DPIA_NOT_COVERING", "{id}");
        let planned = |f: &mut Form| f.dpia.as_mut().unwrap().date = "2026-11-22".parse().unwrap();
        assert_eq!(under_open_rules(id, planned), "DPIA_NOT_COVERING", "{id}");
    }
}

#[test]
fn f10_a_search_never_looks_for_a_face() {
    for id in ["judicial.lrj_search", "judicial.requisition_search"] {
        let search = |classes: &[&str]| {
            let classes = classes.iter().map(|c| (*c).to_owned()).collect();
            under_open_rules(id, |f| f.search.as_mut().unwrap().classes = classes)
        };
        assert_eq!(search(&["truck", "backpack"]), "open", "{id}");
        assert_eq!(search(&["truck", "face"]), "BIOMETRICS", "{id}");
        assert_eq!(search(&["plate"]), "BAD_FIELD", "{id}");
        assert_eq!(search(&["age"]), "BAD_FIELD", "{id}");
        assert_eq!(search(&[]), "MISSING_FIELD", "{id}");
        assert!(fault(id, "\"person\", \"bicycle\"", "\"face\", \"bicycle\"").contains("faces"));
    }
}

#[test]
fn f11_plates_are_found_only_to_be_masked() {
    for (id, purpose) in builtin().purposes() {
        if purpose.detector_classes.iter().any(|c| c == "plate") {
            assert_eq!(purpose.detector_use, DetectorUse::Mask, "{id}");
        }
    }
    assert!(fault("judicial.lrj_search", "\"suitcase\"", "\"plate\"").contains("plates"));
}

#[test]
fn f12_what_the_law_restricts_is_off_and_a_site_that_opens_it_says_who_and_when() {
    let rules = builtin();
    for (id, purpose) in rules.purposes() {
        assert_eq!(
            purpose.status == Status::Restricted,
            RESTRICTED.contains(&id),
            "{id}"
        );
        assert!(!purpose.enabled, "{id}");
    }
    for id in RESTRICTED {
        let on = "enabled = true";
        assert!(
            fault(id, "enabled = false", on).contains("enabled_by"),
            "{id}"
        );
        let by = format!("{on}\nenabled_by = \"Directeur\"");
        assert!(
            fault(id, "enabled = false", &by).contains("enabled_on"),
            "{id}"
        );
        let blank = format!("{on}\nenabled_by = \" \"\nenabled_on = 2026-11-20");
        assert!(
            fault(id, "enabled = false", &blank).contains("enabled_by"),
            "{id}"
        );
        let whole = format!("{by}\nenabled_on = 2026-11-20");
        assert_eq!(fault(id, "enabled = false", &whole), "sound", "{id}");
        assert_ne!(
            fault(id, "status = \"restricted\"", "status = \"allowed\""),
            "sound",
            "{id}"
        );
    }
    assert!(
        fault(
            "refused.sound",
            "code = \"SOUND\"",
            "code = \"SOUND\"\nenabled = true"
        )
        .contains("restricted")
    );
    for id in ["judicial.lrj_search", "judicial.requisition_search"] {
        assert_eq!(under_open_rules(id, |_| {}), "open", "{id}");
        assert_eq!(
            under_open_rules(id, |f| f.necessity = None),
            "MISSING_FIELD",
            "{id}"
        );
        assert_eq!(
            under_open_rules(id, |f| f.proportionality = None),
            "MISSING_FIELD",
            "{id}"
        );
    }
}

#[test]
fn f13_offences_are_detected_for_nobody() {
    refused_by_name("refused.offence_detection", "OFFENCE_DETECTION");
}

/// Refused whoever asks, live or not.
fn refused_by_name(id: &str, expected: &str) {
    for live in [None, Some(true), Some(false)] {
        let request = Request {
            purpose: id,
            live,
            ..Request::at(noon())
        };
        let refusal = decide(&with_second(builtin()), None, &request).unwrap_err();
        assert_eq!(refusal.code, expected);
        bilingual(&refusal);
    }
}

#[test]
fn f14_abnormal_events_and_baggage_are_detected_for_nobody() {
    refused_by_name(
        "refused.abnormal_event_detection",
        "ABNORMAL_EVENT_DETECTION",
    );
    for (id, purpose) in builtin().purposes() {
        let baggage = ["backpack", "handbag", "suitcase"];
        if purpose.status == Status::Allowed {
            assert!(
                !purpose
                    .detector_classes
                    .iter()
                    .any(|c| baggage.contains(&c.as_str())),
                "{id}"
            );
        }
    }
}

#[test]
fn f16_a_municipality_searches_on_a_requisition_alone() {
    let id = "judicial.requisition_search";
    assert_eq!(changed(id, |_| {}), "REQUISITION_SEARCH_DISABLED");
    assert_eq!(
        under_open_rules(id, |f| f.requisition = None),
        "MISSING_FIELD"
    );
    let path = format!("{}/tests/forms/{id}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("\"police_judiciaire\""));
    assert!(Form::parse(&text.replace("\"police_judiciaire\"", "\"maire\"")).is_err());
    let mayor = |f: &mut Form| f.recipient = form("comm.public_publication").recipient;
    assert_eq!(
        under_open_rules(id, mayor),
        "BAD_FIELD",
        "results for the officer alone"
    );
}

#[test]
fn g5_a_face_search_is_refused_to_an_officer_with_a_magistrates_order() {
    let id = "judicial.lrj_search";
    let came = under_open_rules(id, |f| {
        f.operators[0].capacity = Capacity::Opj;
        f.search.as_mut().unwrap().classes = vec!["face".into()];
    });
    assert_eq!(came, "BIOMETRICS");
    refused_by_name("refused.facial_recognition", "BIOMETRICS");
    refused_by_name("refused.biometric_characterisation", "BIOMETRICS");
}

#[test]
fn h2_statistics_name_their_necessity_and_take_no_more_pixels_than_they_need() {
    for id in family("stats.") {
        assert_eq!(changed(id, |f| f.necessity = None), "MISSING_FIELD", "{id}");
        assert_eq!(
            changed(id, |f| f.proportionality = None),
            "MISSING_FIELD",
            "{id}"
        );
        let grant = outcome(id, |_| {}, |_| {}).unwrap();
        assert_eq!(grant.flow.max_size, Some((1920, 1080)), "{id}");
    }
}

#[test]
fn h3_the_legal_basis_is_one_of_the_purpose() {
    let rules = builtin();
    let all = [
        "rgpd_6_1_a",
        "rgpd_6_1_c",
        "rgpd_6_1_e",
        "rgpd_6_1_f",
        "lil_titre_iii",
        "consent",
    ];
    for id in ALLOWED {
        let purpose = rules.purpose(id).unwrap();
        let private = form(id)
            .controller
            .is_some_and(|c| rules.private_controllers.contains(&c.kind));
        for basis in all {
            let came = changed(id, |f| f.legal_basis = Some(basis.into()));
            let listed = purpose.legal_bases.iter().any(|b| b == basis);
            // RGPD 6(1), last paragraph: (f) is not for public authorities.
            let lawful = listed && (basis != "rgpd_6_1_f" || private);
            assert_eq!(
                came,
                if lawful { "open" } else { "BAD_FIELD" },
                "{id} {basis}"
            );
        }
        assert_eq!(
            changed(id, |f| f.legal_basis = None),
            "MISSING_FIELD",
            "{id}"
        );
    }
}

#[test]
fn h5_the_regime_is_one_of_the_purpose_and_in_the_register() {
    let rules = builtin();
    for id in ALLOWED {
        for regime in ["II", "III", "IV", ""] {
            let came = changed(id, |f| f.regime = Some(regime.into()));
            let listed = rules
                .purpose(id)
                .unwrap()
                .regimes
                .iter()
                .any(|r| r == regime);
            assert_eq!(came == "open", listed, "{id} {regime}: {came}");
        }
        let grant = outcome(id, |_| {}, |_| {}).unwrap();
        let entry = grant.entry("s", Mode::Live, FootageTime::default(), noon());
        let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
        let form = form(id);
        assert_eq!(entry["regime"].as_str(), form.regime.as_deref(), "{id}");
        assert_eq!(
            entry["legal_basis"].as_str(),
            form.legal_basis.as_deref(),
            "{id}"
        );
        assert_eq!(entry["rules_digest"].as_str().map(str::len), Some(64));
    }
}

#[test]
fn h6_an_authorisation_of_cameras_never_implies_analysis() {
    for id in family("vp.") {
        let purpose = builtin().purpose(id).unwrap().clone();
        assert!(purpose.detector_use <= DetectorUse::Mask, "{id}");
        let said = fault(
            id,
            "detector_use = \"mask\"",
            "detector_use = \"statistics\"",
        );
        assert!(said.contains("statistics"), "{id}: {said}");
    }
}

#[test]
fn h7_places_outside_the_law_of_public_cameras_are_out_of_scope() {
    let rules = builtin();
    for id in ALLOWED {
        for place in PlaceType::ALL {
            let came = changed(id, |f| {
                f.cameras[0].place_type = *place;
                f.legal_review = form("stats.traffic_counts").legal_review;
            });
            let listed = rules.purpose(id).unwrap().place_types.contains(place);
            assert_eq!(
                came,
                if listed { "open" } else { "OUT_OF_SCOPE" },
                "{id} {place}"
            );
        }
    }
}

#[test]
fn h8_a_warehouse_is_out_of_scope() {
    for place in [PlaceType::NotOpen, PlaceType::Private, PlaceType::Research] {
        for (id, purpose) in builtin().purposes() {
            assert!(!purpose.place_types.contains(&place), "{id}");
        }
        let line = "place_types = [\"public_place\"]";
        let to = format!("place_types = [\"public_place\", \"{place}\"]");
        assert!(fault("vp.live_view.public_place", line, &to).contains("place_types"));
    }
}

#[test]
fn h9_the_controller_is_one_of_the_purpose() {
    let rules = builtin();
    for id in ALLOWED {
        let came = changed(id, |f| {
            f.controller.as_mut().unwrap().kind = "commerce".into();
        });
        let listed = rules
            .purpose(id)
            .unwrap()
            .controllers
            .iter()
            .any(|c| c == "commerce");
        assert_eq!(came == "open", listed, "{id}: {came}");
        let came = changed(id, |f| f.controller.as_mut().unwrap().siren = "1234".into());
        assert_eq!(came, "BAD_FIELD", "{id}");
    }
}

#[test]
fn h10_audiences_are_profiled_for_nobody() {
    refused_by_name("refused.audience_profiling", "AUDIENCE_PROFILING");
}

#[test]
fn h12_a_day_is_a_day_when_the_clocks_change() {
    // 24 hours at most: a whole day of 25 hours is one day, a day and a second is not.
    let id = "vp.replay.incident";
    for (from, to, expected) in [
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "open"),
        (
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:01Z",
            "MANDATE_TOO_LONG",
        ),
        ("2026-10-24T10:00:00Z", "2026-10-25T11:00:00Z", "open"),
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "open"),
        ("2026-03-28T23:00:00Z", "2026-03-29T23:00:00Z", "open"),
        (
            "2026-03-28T23:00:00Z",
            "2026-03-29T23:00:01Z",
            "MANDATE_TOO_LONG",
        ),
    ] {
        let mut form = form(id);
        form.valid_from = at(from);
        form.valid_to = at(to);
        form.issued_at = "2026-03-01".parse().unwrap();
        let mandate = force(&form, &key::generate());
        let request = Request {
            now: at(from),
            ..request(&form)
        };
        let came = code(decide(&with_second(builtin()), Some(&mandate), &request));
        assert_eq!(came, expected, "{from} {to}");
    }
}

#[test]
fn h14_a_mandate_of_other_rules_opens_with_a_notice() {
    let grant = outcome(
        "vp.live_view.public_road",
        |f| f.rules_version = "fr-2026.10".into(),
        |_| {},
    )
    .unwrap();
    assert_eq!(
        grant.notices.iter().map(|n| n.code).collect::<Vec<_>>(),
        ["OTHER_RULES"]
    );
    let entry = grant.entry("s", Mode::Live, FootageTime::default(), noon());
    assert!(
        entry.contains("\"mandate_rules_version\":\"fr-2026.10\""),
        "{entry}"
    );
}

#[test]
fn h17_the_rules_name_their_sources() {
    let sources = builtin().sources.join("\n");
    for source in [
        "Code de la sécurité intérieure",
        "CNIL, 5 décembre 2024",
        "juillet 2022",
        "506370",
        "MED-2024-150",
        "MEDP-2024-001",
        "2011-418",
        "2012-687",
        "2023-380",
        "2023-828",
        "RU-18",
        "230-20",
        "R.40-39",
        "2019-536",
        "L.52-1",
        "226-21",
        "3 août 2007",
        "2025-878",
    ] {
        assert!(sources.contains(source), "{source}");
    }
    for (id, purpose) in builtin().purposes() {
        assert!(!purpose.legal_refs.is_empty(), "{id}");
    }
}

#[test]
fn j3_recordings_are_kept_as_long_as_authorised_and_a_month_at_most() {
    let recording = "vp.recording";
    assert_eq!(
        changed(recording, |f| f.retention_days = None),
        "MISSING_FIELD"
    );
    assert_eq!(
        changed(recording, |f| f.retention_days = Some(0)),
        "MISSING_FIELD"
    );
    assert_eq!(
        changed(recording, |f| f.retention_days = Some(16)),
        "BAD_FIELD",
        "authorised: 15"
    );
    let longer = |f: &mut Form| f.csi_authorisation.as_mut().unwrap().retention_days = 32;
    assert_eq!(changed(recording, longer), "BAD_FIELD");
    // What a requisition asks for was erased long ago, unless a copy was kept for the case.
    let extract = "judicial.requisition_extract";
    let days_ago = |days: i64, copy: bool| {
        move |f: &mut Form| {
            let r = f.requisition.as_mut().unwrap();
            r.to = Timestamp::from_second(noon().as_second() - days * 86_400).unwrap();
            r.from = Timestamp::from_second(r.to.as_second() - 3600).unwrap();
            f.case_copy_ref = copy.then(|| "PV 2026/01542".to_owned());
        }
    };
    assert_eq!(changed(extract, days_ago(14, false)), "open");
    assert_eq!(changed(extract, days_ago(15, false)), "OVER_RETENTION");
    assert_eq!(changed(extract, days_ago(40, false)), "OVER_RETENTION");
    assert_eq!(changed(extract, days_ago(40, true)), "open");
    assert_eq!(
        outcome(extract, days_ago(14, false), |_| {})
            .unwrap()
            .flow
            .retention_s,
        Some(15 * 86_400)
    );
    assert_eq!(
        outcome(extract, days_ago(14, true), |_| {})
            .unwrap()
            .flow
            .retention_s,
        None
    );
    // Nobody else keeps a copy.
    let copy = |f: &mut Form| f.case_copy_ref = Some("PV 2026/01542".into());
    assert_eq!(changed("comm.public_publication", copy), "BAD_FIELD");
    assert_eq!(changed("vp.replay.incident", copy), "BAD_FIELD");
}

#[test]
fn j4_the_five_operations_of_the_register_are_each_somebodys() {
    let rules = builtin();
    for operation in [
        Operation::Collect,
        Operation::Consult,
        Operation::Communicate,
        Operation::Extract,
    ] {
        assert!(
            rules.purposes().any(|(_, p)| p.operation == operation),
            "{operation}"
        );
    }
    assert_eq!(rules.max_register_days, 1096);
}

#[test]
fn j5_the_prefects_authorisation_is_in_force() {
    for id in family("vp.") {
        let authorised = |change: fn(&mut mandate::CsiAuthorisation)| {
            changed(id, move |f| change(f.csi_authorisation.as_mut().unwrap()))
        };
        assert_eq!(
            changed(id, |f| f.csi_authorisation = None),
            "MISSING_FIELD",
            "{id}"
        );
        assert_eq!(
            authorised(|a| a.valid_to = at("2026-11-21T10:00:00Z")),
            "AUTHORISATION_EXPIRED"
        );
        assert_eq!(
            authorised(|a| a.valid_to = at("2035-01-01T00:00:00Z")),
            "BAD_FIELD"
        );
        assert_eq!(
            authorised(|a| a.event_end = Some(at("2026-11-20T23:00:00Z"))),
            "AUTHORISATION_EXPIRED"
        );
        assert_eq!(
            authorised(|a| a.provisional = true),
            "BAD_FIELD",
            "{id}: four months at most"
        );
    }
}

#[test]
fn j6_a_shopkeeper_never_views() {
    for id in ALLOWED {
        let came = changed(id, |f| f.operators[0].capacity = Capacity::Commercant);
        assert_eq!(came, "WRONG_CAPACITY", "{id}");
    }
    let shop = "vp.live_view.shop_frontage";
    let line = "capacities = [\"police_nationale\"";
    assert!(fault(shop, line, "capacities = [\"commercant\"").contains("shopkeeper"));
    assert_eq!(
        changed(shop, |f| f.operators[0].capacity = Capacity::Prive),
        "WRONG_CAPACITY"
    );
}

#[test]
fn j7_public_controllers_commit_to_the_cnil_and_private_ones_need_not() {
    let id = "vp.live_view.public_place";
    assert_eq!(
        changed(id, |f| f.compliance_commitment = None),
        "MISSING_FIELD"
    );
    let private = |f: &mut Form| {
        f.compliance_commitment = None;
        f.controller.as_mut().unwrap().kind = "gestionnaire_prive".into();
    };
    assert_eq!(changed(id, private), "open");
    for id in family("vp.") {
        assert!(
            !builtin().purpose(id).unwrap().commitment_types.is_empty(),
            "{id}"
        );
    }
}

#[test]
fn j8_plates_are_read_in_real_time_for_nobody_here() {
    refused_by_name("refused.realtime_plate_reading", "REALTIME_PLATE_READING");
    let said = fault("stats.traffic_counts", "\"pedestrian\"", "\"plate\"");
    assert!(said.contains("plates"), "{said}");
}

#[test]
fn j9_evidence_leaves_as_it_was_recorded() {
    assert!(
        outcome("judicial.requisition_extract", |_| {}, |_| {})
            .unwrap()
            .flow
            .lossless
    );
}

#[test]
fn combination_nothing_but_counts_leaves_statistics() {
    for id in family("stats.") {
        assert_ne!(
            fault(id, "video_out = false", "video_out = true"),
            "sound",
            "{id}"
        );
    }
}

#[test]
fn combination_nothing_clear_is_published() {
    for id in family("comm.") {
        let masks = "required_mask = \"persons+vehicles\"";
        for weaker in ["required_mask = \"none\"", "required_mask = \"persons\""] {
            assert_ne!(fault(id, masks, weaker), "sound", "{id}");
        }
        assert!(
            fault(
                id,
                "election_sensitive = true",
                "election_sensitive = false"
            )
            .contains("calendar")
        );
    }
}

#[test]
fn combination_a_clear_export_and_a_lifted_mask_take_two_people() {
    for id in [
        "judicial.requisition_extract",
        "judicial.requisition_search",
        "judicial.lrj_search",
        "rights.subject_access",
        "procedure.administrative",
    ] {
        assert!(
            fault(id, "second_person = true", "second_person = false").contains("second person"),
            "{id}"
        );
    }
}

#[test]
fn combination_recordings_for_the_recorder_alone() {
    let line = "sink_classes = [\"csu-display\", \"internal-secured\"]";
    let to = "sink_classes = [\"csu-display\", \"store\"]";
    assert!(fault("vp.live_view.public_road", line, to).contains("store"));
    assert!(
        fault(
            "vp.recording",
            "operation = \"collect\"",
            "operation = \"consult\""
        )
        .contains("store")
    );
}
