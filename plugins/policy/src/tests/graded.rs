// SPDX-License-Identifier: MIT OR Apache-2.0
//! Row H13: purpose × capacity × destination × live or deferred × mask × expiry, against an expectation that is worked
//! out here from the lists of the rules and the form, without asking the decision.

use super::*;

/// The built-in rules with every restricted purpose opened by a site.
pub(super) fn opened() -> &'static Rules {
    static OPENED: LazyLock<Rules> = LazyLock::new(open_all);
    &OPENED
}

fn open_all() -> Rules {
    let text = crate::rules::BUILTIN
        .replace(
            "enabled = false",
            "enabled = true\nenabled_by = \"Directeur\"\nenabled_on = 2026-11-20",
        )
        .replace("valid_to = 2025-03-31", "valid_to = 2026-12-31");
    Rules::parse(&text).unwrap()
}

pub(super) const RESTRICTED: &[&str] = &[
    "experiment.event_security",
    "judicial.lrj_search",
    "judicial.requisition_search",
];

/// The mask that images carry, from nothing to everything.
fn strength(mask: Mask) -> u8 {
    match mask {
        Mask::None => 0,
        Mask::Persons => 1,
        Mask::PersonsVehicles => 2,
        Mask::Frame => 3,
    }
}

fn walk(ids: &[&str]) -> usize {
    let rules = opened();
    let pair = key::generate();
    let mut opened = 0;
    for id in ids {
        let purpose = rules.purpose(id).unwrap();
        let base = form(id);
        let second = |s: i64| Timestamp::from_second(s).unwrap();
        let (from, to) = (base.valid_from.as_second(), base.valid_to.as_second());
        for capacity in Capacity::ALL {
            for mask in Mask::ALL {
                let mut form = base.clone();
                form.operators[0].capacity = *capacity;
                form.anonymisation = *mask;
                let mandate = force(&form, &pair);
                let asked = request(&form);
                for sink_class in SinkClass::ALL {
                    for live in [true, false] {
                        for (now, in_date) in
                            [(from - 1, false), (from, true), (to - 1, true), (to, false)]
                        {
                            let request = Request {
                                now: second(now),
                                sink_class: *sink_class,
                                live: Some(live),
                                ..asked
                            };
                            let mode = if live { Mode::Live } else { Mode::Deferred };
                            let masked = !purpose.video_out
                                || strength(*mask) >= strength(purpose.required_mask);
                            let expected = in_date
                                && masked
                                && purpose.capacities.contains(capacity)
                                && purpose.sink_classes.contains(sink_class)
                                && base.sink_classes.contains(sink_class)
                                && purpose.modes.contains(&mode);
                            let outcome = decide(&with_second(rules), Some(&mandate), &request);
                            assert_eq!(
                                outcome.is_ok(),
                                expected,
                                "{id} {capacity} {mask} {sink_class} {mode} {now}: {outcome:?}"
                            );
                            match outcome {
                                Ok(grant) => {
                                    opened += 1;
                                    assert!(strength(grant.required_mask) >= strength(*mask));
                                    assert!(grant.expires <= form.valid_to);
                                }
                                Err(refusal) => bilingual(&refusal),
                            }
                        }
                    }
                }
            }
        }
    }
    opened
}

#[test]
fn h13_every_purpose_capacity_sink_mode_mask_and_date_part_1() {
    assert!(walk(&ALLOWED[..9]) > 100);
}

#[test]
fn h13_every_purpose_capacity_sink_mode_mask_and_date_part_2() {
    assert!(walk(&ALLOWED[9..]) > 100);
}

#[test]
fn h13_a_restricted_purpose_that_a_site_opened_is_no_freer_than_the_others() {
    assert!(walk(RESTRICTED) > 10);
}
