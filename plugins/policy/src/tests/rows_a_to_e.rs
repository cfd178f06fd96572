// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rows A to E: people, publication, extraction, elections, information of the public.

use super::{
    graded::{RESTRICTED, opened},
    *,
};
use crate::mandate::{AccessDecision, Audience, Consent, Consents, NoticePart};

const LIVE: &str = "vp.live_view.public_road";
const EXTRACT: &str = "judicial.requisition_extract";
const COMMS: &[&str] = &["comm.public_live", "comm.public_publication"];

/// What comes of a form under rules that open the restricted purposes.
pub(super) fn under_open_rules(purpose: &str, change: impl FnOnce(&mut Form)) -> String {
    let rules = opened();
    let mut form = form(purpose);
    change(&mut form);
    let mandate = force(&form, &key::generate());
    code(decide(&with_second(rules), Some(&mandate), &request(&form)))
}

pub(super) fn changed(purpose: &str, change: impl FnOnce(&mut Form)) -> String {
    let outcome = outcome(purpose, change, |_| {});
    if let Err(refusal) = &outcome {
        bilingual(refusal);
    }
    code(outcome)
}

/// The purposes that open and whose name begins so.
pub(super) fn family(name: &str) -> impl Iterator<Item = &'static str> {
    ALLOWED
        .iter()
        .copied()
        .filter(move |id| id.starts_with(name))
}

#[test]
fn a2_clear_images_are_for_designated_people_alone() {
    let rules = builtin();
    for id in ALLOWED {
        let purpose = rules.purpose(id).unwrap();
        if !purpose.video_out {
            continue;
        }
        assert_eq!(changed(id, |f| f.audience = None), "MISSING_FIELD", "{id}");
        let public = changed(id, |f| f.audience = Some(Audience::Public));
        let expected = if purpose.required_mask == Mask::None {
            "THIRD_PARTY_VIEWING"
        } else {
            "open"
        };
        assert_eq!(public, expected, "{id}");
        // The whole frame masked may be seen by anybody.
        let masked = changed(id, |f| {
            f.audience = Some(Audience::Public);
            f.anonymisation = Mask::Frame;
        });
        assert_eq!(masked, "open", "{id}");
    }
}

#[test]
fn a3_a_designation_names_its_authority_and_is_in_date() {
    assert_eq!(
        changed(LIVE, |f| f.operators[0].habilitation.authority =
            String::new()),
        "MISSING_FIELD"
    );
    assert_eq!(
        changed(LIVE, |f| f.operators[0].habilitation.valid_to =
            at("2026-11-20T23:00:00Z")),
        "NOT_HABILITATED"
    );
}

#[test]
fn a4_clear_images_are_seen_in_named_places_on_a_secured_network() {
    let rules = builtin();
    let displays = [SinkClass::CsuDisplay, SinkClass::InternalSecured];
    for id in ALLOWED {
        let purpose = rules.purpose(id).unwrap();
        if !purpose.video_out
            || purpose.required_mask >= Mask::PersonsVehicles && !purpose.one_clear
        {
            continue;
        }
        assert!(
            !purpose.sink_classes.contains(&SinkClass::InternalUnsecured),
            "{id}"
        );
        if purpose.sink_classes.iter().any(|s| displays.contains(s)) {
            assert_eq!(
                changed(id, |f| f.viewing_places.clear()),
                "MISSING_FIELD",
                "{id}"
            );
            assert_eq!(
                changed(id, |f| f.viewing_places = vec![" ".into()]),
                "MISSING_FIELD",
                "{id}"
            );
        }
    }
    for (sink, mask, expected) in [
        (SinkClass::CsuDisplay, Mask::None, "open"),
        (SinkClass::InternalSecured, Mask::None, "open"),
        (SinkClass::InternalUnsecured, Mask::None, "SINK_CLASS"),
        (
            SinkClass::InternalUnsecured,
            Mask::PersonsVehicles,
            "SINK_CLASS",
        ),
        (SinkClass::Undeclared, Mask::PersonsVehicles, "SINK_CLASS"),
    ] {
        let came = changed(LIVE, |f| {
            f.sink_classes = vec![sink];
            f.anonymisation = mask;
        });
        assert_eq!(came, expected, "{sink} {mask}");
    }
    let masked = changed("vp.live_view.masked", |f| {
        f.sink_classes = vec![SinkClass::InternalUnsecured];
    });
    assert_eq!(masked, "open");
}

#[test]
fn a5_judicial_software_is_for_judicial_police_and_magistrates() {
    let id = "judicial.lrj_search";
    for capacity in Capacity::ALL {
        let came = under_open_rules(id, |f| f.operators[0].capacity = *capacity);
        let expected = match capacity {
            Capacity::Opj | Capacity::Apj | Capacity::Magistrat => "open",
            _ => "WRONG_CAPACITY",
        };
        assert_eq!(came, expected, "{capacity}");
        // Off unless a site opens it, to them as to everybody.
        assert_eq!(
            changed(id, |f| f.operators[0].capacity = *capacity),
            "JUDICIAL_SEARCH_DISABLED"
        );
    }
    let outsider = changed(EXTRACT, |f| {
        f.recipient = form("rights.subject_access").recipient;
    });
    assert_eq!(outsider, "BAD_FIELD");
}

#[test]
fn a6_municipal_police_never_search_on_their_own_initiative() {
    let police = |requisition: bool| {
        move |f: &mut Form| {
            f.operators[0].capacity = Capacity::PoliceMunicipale;
            if !requisition {
                f.requisition = None;
            }
        }
    };
    assert_eq!(changed(EXTRACT, police(false)), "MUNICIPAL_INITIATIVE");
    assert_eq!(changed(EXTRACT, police(true)), "open");
    let search = "judicial.requisition_search";
    assert_eq!(
        under_open_rules(search, police(false)),
        "MUNICIPAL_INITIATIVE"
    );
    assert_eq!(under_open_rules(search, police(true)), "open");
    assert_eq!(changed(search, police(true)), "REQUISITION_SEARCH_DISABLED");
    // Nobody else's either: the requisition is missing all the same.
    assert_eq!(changed(EXTRACT, |f| f.requisition = None), "MISSING_FIELD");
    // It is refused when it is signed, too.
    let rules = builtin();
    let mut form = form(EXTRACT);
    police(false)(&mut form);
    let error = mandate::sign(&form, &with_second(rules), &key::generate(), noon()).unwrap_err();
    assert!(
        error.to_string().contains("MUNICIPAL_INITIATIVE"),
        "{error}"
    );
}

#[test]
fn b2_consents_are_recorded_and_never_lower_the_mask() {
    let given = |digest: &str, date: &str| {
        Some(Consents::Given(vec![Consent {
            digest: digest.into(),
            date: date.parse().unwrap(),
            scope: "site internet".into(),
        }]))
    };
    let digest = "0f".repeat(32);
    for id in COMMS {
        assert_eq!(changed(id, |f| f.consents = None), "MISSING_FIELD", "{id}");
        assert_eq!(
            changed(id, |f| f.consents = given(&digest, "2026-11-20")),
            "open"
        );
        assert_eq!(
            changed(id, |f| f.consents = given("0f", "2026-11-20")),
            "BAD_FIELD"
        );
        assert_eq!(
            changed(id, |f| f.consents = given(&digest, "2026-11-22")),
            "BAD_FIELD"
        );
        let lowered = changed(id, |f| {
            f.consents = given(&digest, "2026-11-20");
            f.anonymisation = Mask::None;
        });
        assert_eq!(lowered, "CLEAR_PUBLICATION");
        let grant = outcome(id, |f| f.consents = given(&digest, "2026-11-20"), |_| {}).unwrap();
        let entry = grant.entry("s", Mode::Live, FootageTime::default(), noon());
        assert!(
            entry.contains(&digest) && entry.contains("\"consents_count\":1"),
            "{entry}"
        );
    }
}

#[test]
fn b3_a_clear_publication_is_refused_in_the_words_of_the_rules() {
    for id in COMMS {
        for mask in [Mask::None, Mask::Persons] {
            let refusal = outcome(id, |f| f.anonymisation = mask, |_| {}).unwrap_err();
            assert_eq!(refusal.code, "CLEAR_PUBLICATION");
            assert!(
                refusal.message_fr.contains("anonymisation complète"),
                "{refusal}"
            );
            assert!(
                refusal.message_fr.contains("226-21"),
                "the risk is told: {refusal}"
            );
        }
    }
}

#[test]
fn b5_a_public_live_broadcast_has_its_case_its_mask_and_its_delay() {
    let id = "comm.public_live";
    assert_eq!(changed(id, |f| f.strict_case_ref = None), "MISSING_FIELD");
    assert_eq!(
        changed(id, |f| f.anonymisation = Mask::None),
        "CLEAR_PUBLICATION"
    );
    assert_eq!(changed(id, |f| f.anonymisation = Mask::Frame), "open");
    let grant = outcome(id, |_| {}, |_| {}).unwrap();
    assert!(grant.flow.min_delay_s >= 5);
    assert!(grant.expires <= at("2026-11-22T12:00:00+01:00"));
    let deferred = outcome(id, |_| {}, |r| r.live = Some(false));
    assert_eq!(code(deferred), "DEFERRED_SOURCE");
}

#[test]
fn b7_a_publication_names_its_channel() {
    for id in COMMS {
        assert_eq!(changed(id, |f| f.channel = None), "MISSING_FIELD", "{id}");
        let path = format!("{}/tests/forms/{id}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(Form::parse(&text.replace("\"website\"", "\"tv\"")).is_err());
    }
}

#[test]
fn b9_a_publication_rests_on_an_authorisation_and_on_the_record_of_processing() {
    for id in COMMS {
        assert_eq!(
            changed(id, |f| f.csi_authorisation = None),
            "MISSING_FIELD",
            "{id}"
        );
        assert_eq!(changed(id, |f| f.ropa_ref = None), "MISSING_FIELD", "{id}");
    }
}

#[test]
fn c2_a_requisition_names_its_cameras_its_time_and_its_article() {
    for (what, change, expected) in [
        (
            "cameras",
            (|f| f.requisition.as_mut().unwrap().cameras = vec!["cam-13".into()]) as fn(&mut Form),
            "OUTSIDE_REQUISITION",
        ),
        (
            "no camera",
            |f| f.requisition.as_mut().unwrap().cameras.clear(),
            "MISSING_FIELD",
        ),
        (
            "end",
            |f| f.requisition.as_mut().unwrap().to = at("2026-11-17T16:00:00Z"),
            "BAD_FIELD",
        ),
        (
            "to come",
            |f| f.requisition.as_mut().unwrap().from = at("2026-11-22T16:00:00Z"),
            "BAD_FIELD",
        ),
        (
            "date",
            |f| f.requisition.as_mut().unwrap().date = "2026-11-22".parse().unwrap(),
            "BAD_FIELD",
        ),
        (
            "article",
            |f| f.requisition.as_mut().unwrap().legal_article = "CPP 16".into(),
            "BAD_FIELD",
        ),
        (
            "article 77-1-1",
            |f| f.requisition.as_mut().unwrap().legal_article = "CPP 77-1-1".into(),
            "open",
        ),
    ] {
        assert_eq!(changed(EXTRACT, change), expected, "{what}");
    }
}

#[test]
fn c3_the_procedures_are_those_of_the_law() {
    let rules = builtin();
    for (id, kinds) in [
        (
            "procedure.administrative",
            &["administrative", "disciplinary"][..],
        ),
        ("rights.subject_access", &["subject_access"]),
        (
            "oversight.inspection",
            &["cnil", "commission_departementale", "inspection"],
        ),
    ] {
        assert_eq!(rules.purpose(id).unwrap().procedure_types, kinds);
        for kind in kinds {
            let came = changed(id, |f| {
                f.procedure.as_mut().unwrap().kind = (*kind).to_owned();
            });
            assert_eq!(came, "open", "{id} {kind}");
        }
        let came = changed(id, |f| f.procedure.as_mut().unwrap().kind = "civil".into());
        assert_eq!(came, "WRONG_PROCEDURE", "{id}");
        assert_eq!(changed(id, |f| f.procedure = None), "MISSING_FIELD", "{id}");
        let grant = outcome(id, |_| {}, |_| {}).unwrap();
        let entry = grant.entry("s", Mode::Deferred, FootageTime::default(), noon());
        assert!(entry.contains("\"procedure\":\"PROC-2026-07\""), "{entry}");
    }
}

#[test]
fn c6_recorded_material_keeps_its_purpose() {
    let rules = builtin();
    let origins: Vec<&str> = rules.purposes().map(|(id, _)| id).collect();
    let mut lawful = 0;
    for id in ALLOWED {
        for origin in &origins {
            let came = changed(id, |f| f.origin_purpose = Some((*origin).to_owned()));
            // Written out here once more, and not read from the rules.
            let expected = match *origin {
                "vp.recording" => {
                    matches!(
                        *id,
                        "vp.replay.incident"
                            | "judicial.requisition_extract"
                            | "procedure.administrative"
                            | "rights.subject_access"
                            | "oversight.inspection"
                            | "comm.public_publication"
                    )
                }
                "comm.public_publication" => *id == "training.operator",
                _ => false,
            };
            let refused = if COMMS.contains(id) {
                "COMMUNICATION_EXTRACT"
            } else {
                "MISUSE_OF_PURPOSE"
            };
            assert_eq!(
                came,
                if expected { "open" } else { refused },
                "{origin} → {id}"
            );
            lawful += usize::from(expected);
        }
        let purpose = rules.purpose(id).unwrap();
        if purpose.modes == [Mode::Deferred] {
            assert_eq!(
                changed(id, |f| f.origin_purpose = None),
                "MISSING_FIELD",
                "{id}"
            );
        }
    }
    assert_eq!(lawful, 7);
    // A published test clip was recorded for no purpose of the law; a clear copy of it is none all the same.
    let test_clip = |f: &mut Form| {
        f.origin_purpose = None;
        f.footage = Some(Footage::Test);
    };
    for (id, expected) in [
        ("comm.public_publication", "open"),
        ("training.operator", "open"),
        ("judicial.requisition_extract", "MISSING_FIELD"),
        ("rights.subject_access", "MISSING_FIELD"),
    ] {
        assert_eq!(changed(id, test_clip), expected, "{id}");
    }
}

#[test]
fn c8_every_refusal_speaks_both_languages_and_names_its_articles() {
    let rules = builtin();
    for (id, purpose) in rules.purposes() {
        if purpose.is_open() {
            continue;
        }
        let request = Request {
            purpose: id,
            ..Request::at(noon())
        };
        let refusal = decide(&with_second(rules), None, &request).unwrap_err();
        bilingual(&refusal);
        assert!(!refusal.legal_ref.is_empty(), "{id}");
        assert!(!refusal.message_en.contains('{'), "{id}: {refusal}");
    }
}

#[test]
fn d1_electoral_promotion_is_refused_on_any_day() {
    for now in [
        "2026-01-05T12:00:00Z",
        "2026-11-21T12:00:00Z",
        "2027-08-01T12:00:00Z",
    ] {
        let request = Request {
            purpose: "refused.electoral_promotion",
            ..Request::at(at(now))
        };
        let refusal = decide(&with_second(builtin()), None, &request).unwrap_err();
        assert_eq!(refusal.code, "ELECTORAL_PROMOTION");
    }
    for id in COMMS {
        assert_eq!(
            changed(id, |f| f.declaration_non_electoral = None),
            "MISSING_FIELD",
            "{id}"
        );
        let late = |f: &mut Form| {
            f.declaration_non_electoral.as_mut().unwrap().date = "2026-11-22".parse().unwrap();
        };
        assert_eq!(changed(id, late), "BAD_FIELD", "{id}");
    }
}

#[test]
fn d2_no_publication_serves_a_candidate_a_list_a_party_or_a_campaign() {
    for id in COMMS {
        assert_eq!(
            changed(id, |f| f.beneficiary_type = None),
            "MISSING_FIELD",
            "{id}"
        );
        for (beneficiary, expected) in [
            (Beneficiary::PublicBody, "open"),
            (Beneficiary::Other, "open"),
            (Beneficiary::Candidate, "ELECTORAL_PROMOTION"),
            (Beneficiary::List, "ELECTORAL_PROMOTION"),
            (Beneficiary::Party, "ELECTORAL_PROMOTION"),
            (Beneficiary::Campaign, "ELECTORAL_PROMOTION"),
        ] {
            let came = changed(id, |f| f.beneficiary_type = Some(beneficiary));
            assert_eq!(came, expected, "{id} {beneficiary:?}");
        }
    }
}

#[test]
fn d3_a_live_broadcast_follows_the_calendar_too() {
    for id in COMMS {
        assert_eq!(
            changed(id, |f| f.promotional = Some(true)),
            "ELECTION_PERIOD",
            "{id}"
        );
    }
}

/// Each topic taken away in turn, and each expired in turn.
fn untrained(id: &str) {
    let topics = form(id).operators[0].training.len();
    assert!(topics > 0, "{id}");
    for n in 0..topics {
        let gone = changed(id, |f| drop(f.operators[0].training.remove(n)));
        assert_eq!(gone, "NOT_TRAINED", "{id} {n}");
        let over = changed(id, |f| {
            f.operators[0].training[n].valid_to = at("2026-11-20T23:00:00Z");
        });
        assert_eq!(over, "NOT_TRAINED", "{id} {n}");
    }
}

#[test]
fn e1_who_publishes_is_trained_in_law_and_in_blurring() {
    for id in COMMS {
        assert_eq!(
            builtin().purpose(id).unwrap().training,
            ["legal", "blurring"]
        );
        untrained(id);
    }
}

#[test]
fn e2_who_operates_is_trained_in_regulation_incidents_and_data_protection() {
    for id in family("vp.") {
        let rules = builtin();
        assert_eq!(
            rules.purpose(id).unwrap().training,
            ["regulation", "incident", "data_protection"],
            "{id}"
        );
        untrained(id);
    }
}

#[test]
fn e3_the_notice_says_what_it_must() {
    let parts = [
        NoticePart::Pictogram,
        NoticePart::Controller,
        NoticePart::Purposes,
        NoticePart::Rights,
    ];
    for id in family("vp.").chain(family("stats.")).chain(family("comm.")) {
        assert_eq!(
            changed(id, |f| f.public_notice = None),
            "MISSING_FIELD",
            "{id}"
        );
        for part in parts {
            let came = changed(id, |f| {
                f.public_notice
                    .as_mut()
                    .unwrap()
                    .content
                    .retain(|p| *p != part);
            });
            assert_eq!(came, "NOTICE_INCOMPLETE", "{id} {part:?}");
        }
        let came = changed(id, |f| {
            f.public_notice.as_mut().unwrap().content_version = None;
        });
        assert_eq!(came, "NOTICE_INCOMPLETE", "{id}");
        let came = changed(id, |f| {
            f.public_notice.as_mut().unwrap().sign_ids = vec![String::new()];
        });
        assert_eq!(came, "MISSING_FIELD", "{id}");
    }
}

#[test]
fn e4_statistics_have_a_notice_of_their_own() {
    for id in family("stats.") {
        let came = changed(id, |f| {
            f.public_notice.as_mut().unwrap().mentions = vec!["vp.live_view.public_road".into()];
        });
        assert_eq!(came, "NOTICE_NOT_COVERING", "{id}");
        let came = changed(id, |f| {
            f.public_notice.as_mut().unwrap().posted_on = "2026-11-22".parse().unwrap();
        });
        assert_eq!(came, "NOTICE_NOT_COVERING", "{id}");
    }
}

#[test]
fn e6_the_data_protection_officer_is_named() {
    for id in ALLOWED {
        assert_eq!(changed(id, |f| f.dpo = None), "MISSING_FIELD", "{id}");
    }
    for id in RESTRICTED {
        assert_eq!(
            under_open_rules(id, |f| f.dpo = None),
            "MISSING_FIELD",
            "{id}"
        );
    }
}

#[test]
fn h4_access_shows_one_person_and_only_when_it_was_granted() {
    let id = "rights.subject_access";
    let grant = outcome(id, |_| {}, |_| {}).unwrap();
    assert!(grant.one_clear && grant.required_mask == Mask::PersonsVehicles);
    let refused = |f: &mut Form| {
        f.access_request.as_mut().unwrap().decision = AccessDecision::Refused;
    };
    assert_eq!(changed(id, refused), "ACCESS_REFUSED");
    for id in ALLOWED {
        assert_eq!(
            changed(id, |f| f.rights_contact = None),
            "MISSING_FIELD",
            "{id}"
        );
    }
}
