// SPDX-License-Identifier: MIT OR Apache-2.0
//! The embedded rules are sound, and unsound ones are refused with the place of the fault.

use privacy_policy::{Mask, MaskMethod, Rules, SinkClass, Status, rules::BUILTIN};

#[test]
fn the_embedded_rules_are_sound() {
    let rules = Rules::parse(BUILTIN).unwrap();
    assert_eq!(rules.jurisdiction, "FR");
    assert!(rules.purposes().count() > 40);
    for (id, purpose) in rules.purposes() {
        assert!(
            !purpose.label_en.is_empty() && !purpose.label_fr.is_empty(),
            "{id}"
        );
        assert!(!purpose.legal_refs.is_empty(), "{id}");
        if purpose.status == Status::Allowed {
            assert!(
                (purpose.max_duration_days > 0) != purpose.max_duration_s.is_some(),
                "{id}"
            );
        }
    }
    let s = &rules.statistics;
    assert_eq!(
        (s.window_default_s, s.window_floor_s, s.window_ceiling_s),
        (1200, 900, 86_400)
    );
    assert_eq!(
        (s.min_count_default, s.min_count_floor, s.publish_delay_s),
        (5, 3, 300)
    );
}

#[test]
fn b3_nothing_clear_may_go_to_the_public() {
    for (id, purpose) in Rules::builtin().purposes() {
        let open = purpose
            .sink_classes
            .iter()
            .any(|s| matches!(s, SinkClass::Public | SinkClass::InternalUnsecured));
        if purpose.status == Status::Allowed && open && purpose.video_out {
            assert!(purpose.required_mask >= Mask::PersonsVehicles, "{id}");
        }
    }
}

#[test]
fn b3_one_person_stays_clear_in_the_copy_of_that_person_alone() {
    let one = ["procedure.administrative", "rights.subject_access"];
    for (id, purpose) in Rules::builtin().purposes() {
        assert_eq!(purpose.one_clear, one.contains(&id), "{id}");
        assert_eq!(purpose.mask_method, MaskMethod::Any, "{id}");
        if purpose.one_clear {
            assert!(purpose.second_person, "{id}");
            assert!(purpose.required_mask >= Mask::Persons, "{id}");
        }
    }
}

/// Each fault: what to replace in the embedded rules, by what, and what the message says.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "review_by = 2027-11-21",
        "review_by = 2025-01-01",
        "review_by",
    ),
    (
        "review_by = 2027-11-21",
        "review_by = \"soon\"",
        "not a day",
    ),
    (
        "rules_version = \"fr-2026.11\"",
        "rules_version = \" \"",
        "rules_version",
    ),
    (
        "min_count_floor = 3",
        "min_count_floor = 1",
        "min_count_floor",
    ),
    (
        "window_floor_s = 900",
        "window_floor_s = 0",
        "window_floor_s",
    ),
    (
        "window_default_s = 1200",
        "window_default_s = 86401",
        "window_default_s",
    ),
    ("status = \"allowed\"", "status = \"maybe\"", "maybe"),
    ("modes = [\"live\"]", "modes = []", "modes"),
    ("modes = [\"live\"]", "modes = [\"sometimes\"]", "sometimes"),
    (
        "sink_classes = [\"file\", \"public\"]",
        "sink_classes = [\"undeclared\"]",
        "undeclared",
    ),
    (
        "sink_classes = [\"file\", \"public\"]",
        "sink_classes = []",
        "sink_classes",
    ),
    (
        "capacities = [\"communication\"]",
        "capacities = [\"mayor\"]",
        "mayor",
    ),
    (
        "capacities = [\"communication\"]",
        "capacities = []",
        "capacities",
    ),
    (
        "sink_classes = [\"csu-display\", \"internal-secured\"]",
        "sink_classes = [\"csu-display\", \"public\"]",
        "required_mask",
    ),
    (
        "sink_classes = [\"csu-display\", \"internal-secured\"]",
        "sink_classes = [\"csu-display\", \"file\"]",
        "export",
    ),
    (
        "required_mask = \"persons+vehicles\"",
        "required_mask = \"persons\"",
        "required_mask",
    ),
    (
        "mask_classes = [\"person\", \"bicycle\", \"car\", \"motorcycle\", \"bus\", \"truck\"]",
        "mask_classes = [\"person\"]",
        "person and vehicles",
    ),
    (
        "required_mask = \"none\"\n",
        "required_mask = \"none\"\nmask_method = \"solid\"\n",
        "mask_method",
    ),
    (
        "required_mask = \"persons+vehicles\"\n",
        "required_mask = \"persons+vehicles\"\nmask_method = \"gaussian\"\n",
        "gaussian",
    ),
    (
        "required_mask = \"none\"\n",
        "required_mask = \"none\"\none_clear = true\n",
        "one_clear",
    ),
    (
        "required_mask = \"frame\"",
        "one_clear = true\nrequired_mask = \"frame\"",
        "one_clear",
    ),
    // Everybody is masked for the public.
    (
        "required_mask = \"persons+vehicles\"\n",
        "required_mask = \"persons+vehicles\"\none_clear = true\n",
        "unsecured",
    ),
    // Of a purpose that is closed today too.
    (
        "required_mask = \"persons+vehicles\"  # of everybody else (RGPD art. 15(4))\n",
        "",
        "one_clear",
    ),
    ("one_clear = true  ", "one_clear = \"yes\"  ", "boolean"),
    (
        "detector_use = \"statistics\"\n",
        "detector_use = \"search\"\n",
        "search",
    ),
    (
        "video_out = false",
        "video_out = true",
        "stats.traffic_counts",
    ),
    (
        "max_duration_days = 31 ",
        "max_duration_days = 0 ",
        "max_duration_days",
    ),
    (
        "max_duration_days = 31 ",
        "max_durations_days = 31 ",
        "max_durations_days",
    ),
    (
        "operation = \"publish\"",
        "operation = \"publish\"\nrecord_before_flow = false",
        "record_before_flow",
    ),
    (
        "[purpose.\"refused.sound\"]\nstatus = \"refused\"",
        "[purpose.\"refused.sound\"]\nstatus = \"allowed\"",
        "refused.*",
    ),
    ("code = \"SOUND\"\n", "", "code"),
    (
        "message_fr = \"Le son ne peut être capté avec ces images (CSI R.253-1).\"\n",
        "",
        "message_fr",
    ),
    (
        "review_by = 2027-11-21",
        "review_by = 2027-11-23",
        "more than a year",
    ),
    (
        "origin = \"vp.recording\"",
        "origin = \"vp.recordings\"",
        "vp.recordings",
    ),
    (
        "targets = [\"training.operator\"]",
        "targets = [\"training.operators\"]",
        "training.operators",
    ),
    (
        "origin = \"comm.public_publication\"",
        "origin = \"vp.recording\"",
        "twice",
    ),
    (
        "plain_source = \"warn\"",
        "plain_source = \"ignore\"",
        "ignore",
    ),
];

#[test]
fn a_fault_in_the_rules_is_named_with_its_line_and_column() {
    for (from, to, expected) in FAULTS {
        assert!(BUILTIN.contains(from), "{from}");
        let text = BUILTIN.replacen(from, to, 1);
        let error = Rules::parse(&text).expect_err(to);
        assert!(
            error.line > 1 && error.column >= 1 && error.line <= text.lines().count(),
            "{to}: {error}"
        );
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
    let error = Rules::parse("rules_version = \"x\"\njurisdiction = [").unwrap_err();
    assert_eq!(error.line, 2);
    assert!(error.to_string().starts_with("line 2, column "));
}

#[test]
fn no_text_panics_the_reader() {
    for cut in (0..BUILTIN.len()).step_by(97) {
        if let Some(text) = BUILTIN.get(..cut) {
            let _ = Rules::parse(text);
        }
        if let Some(text) = BUILTIN.get(cut..) {
            let _ = Rules::parse(text);
        }
    }
}
