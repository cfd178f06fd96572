// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a rules file says otherwise than the built-in one, and whether that allows more or less.

use std::fmt::Write as _;

use toml::{Table, Value};

use crate::terminal::plain;

/// What a difference does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows more.
    Looser,
    /// It allows less.
    Stricter,
    /// Neither can be said: a text, a name, a date of reading.
    Changed,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The purpose or the table.
    pub place: String,
    /// The field; empty for a table as a whole.
    pub field: String,
    /// What the built-in rules say.
    pub old: String,
    /// What the file says.
    pub new: String,
    /// What it does.
    pub effect: Effect,
}

/// How to read a field: what its values are called when it is absent, and which way is looser.
enum Kind {
    /// A list in which more allows more. The flag: an empty list stands for any.
    Allows(bool),
    /// A list in which more demands more.
    Demands,
    /// A number; absent stands for no limit at all when the flag is set, for 0 otherwise.
    Most(bool),
    /// A number of which more is stricter; absent is 0.
    Least,
    /// A switch that allows.
    Allow,
    /// A switch that demands.
    Demand,
    /// Words from the strictest to the loosest; the first one when absent, or another one.
    Words(&'static [&'static str], &'static str),
    /// A day of which a later one is looser; absent is the end of time.
    Until,
    /// A day of which a later one is stricter; absent is the beginning of time.
    From,
    /// Anything else.
    Text,
}

fn kind(field: &str) -> Kind {
    match field {
        "capacities"
        | "sink_classes"
        | "modes"
        | "place_types"
        | "legal_bases"
        | "regimes"
        | "controllers"
        | "detector_classes"
        | "objections"
        | "targets"
        | "clear_sources"
        | "clear_sinks"
        | "procedure_types"
        | "private_controllers" => Kind::Allows(false),
        "recipient_capacities" | "requisition_articles" | "commitment_types" => Kind::Allows(true),
        "required"
        | "training"
        | "mask_classes"
        | "required_on_public_road"
        | "notice_content"
        | "empty_motifs" => Kind::Demands,
        "max_session_s" | "max_width" | "max_height" => Kind::Most(true),
        "max_duration_days"
        | "max_duration_s"
        | "max_retention_days"
        | "max_authorisation_days"
        | "max_provisional_days"
        | "max_event_days"
        | "max_register_days"
        | "live_max_age_s"
        | "window_ceiling_s" => Kind::Most(false),
        "min_motif_chars" | "deferred_min_age_s" | "window_floor_s" | "min_count_floor"
        | "min_count_default" | "publish_delay_s" | "min_delay_s" => Kind::Least,
        "export" | "video_out" | "one_clear" | "enabled" => Kind::Allow,
        "single_use" | "second_person" | "lossless" | "election_sensitive" => Kind::Demand,
        "status" => Kind::Words(&["refused", "restricted", "allowed"], "refused"),
        "required_mask" => Kind::Words(&["frame", "persons+vehicles", "persons", "none"], "frame"),
        "mask_method" => Kind::Words(&["solid", "any"], "any"),
        "detector_use" => Kind::Words(&["none", "mask", "statistics", "search"], "none"),
        "plain_source" => Kind::Words(&["refuse", "warn"], "refuse"),
        "review_by" | "valid_to" => Kind::Until,
        "valid_from" => Kind::From,
        _ => Kind::Text,
    }
}

/// Every difference between two rules files that were both found sound.
pub fn differences(builtin: &Table, file: &Table) -> Vec<Difference> {
    let mut found = Vec::new();
    for key in keys(builtin, file) {
        match (builtin.get(&key), file.get(&key)) {
            (old, new) if key == "purpose" => purposes(old, new, &mut found),
            (old, new) if key == "reuse" => reuse(old, new, &mut found),
            (Some(Value::Table(old)), Some(Value::Table(new))) => table(&key, old, new, &mut found),
            (old, new) => field("", &key, old, new, &mut found),
        }
    }
    found
}

fn keys(a: &Table, b: &Table) -> Vec<String> {
    let mut keys: Vec<String> = a.keys().chain(b.keys()).cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn purposes(old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    let none = Table::new();
    let (old, new) = (
        old.and_then(Value::as_table).unwrap_or(&none),
        new.and_then(Value::as_table).unwrap_or(&none),
    );
    for id in keys(old, new) {
        let (was, is) = (
            old.get(&id).and_then(Value::as_table),
            new.get(&id).and_then(Value::as_table),
        );
        let status = |t: &Table| t.get("status").map_or_else(String::new, text);
        let open = |t: &Table| {
            status(t) == "allowed" || t.get("enabled").and_then(Value::as_bool) == Some(true)
        };
        match (was, is) {
            (Some(was), Some(is)) => table(&id, was, is, found),
            (was, is) => found.push(Difference {
                effect: match (was.is_some_and(open), is.is_some_and(open)) {
                    (false, true) => Effect::Looser,
                    (true, false) => Effect::Stricter,
                    _ => Effect::Changed,
                },
                place: id,
                field: String::new(),
                old: was.map_or_else(String::new, status),
                new: is.map_or_else(String::new, status),
            }),
        }
    }
}

/// The table of re-use, as one list of targets for each origin.
fn reuse(old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    let read = |value: Option<&Value>| {
        let mut table = Table::new();
        for entry in value.and_then(Value::as_array).into_iter().flatten() {
            if let (Some(origin), Some(targets)) = (entry.get("origin"), entry.get("targets")) {
                table.insert(text(origin), targets.clone());
            }
        }
        table
    };
    let (old, new) = (read(old), read(new));
    for origin in keys(&old, &new) {
        let place = format!("reuse {origin}");
        field(&place, "targets", old.get(&origin), new.get(&origin), found);
    }
}

fn table(place: &str, old: &Table, new: &Table, found: &mut Vec<Difference>) {
    for key in keys(old, new) {
        field(place, &key, old.get(&key), new.get(&key), found);
    }
}

fn field(
    place: &str,
    name: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    if old == new {
        return;
    }
    let mut push = |old: String, new: String, effect| {
        found.push(Difference {
            place: place.to_owned(),
            field: name.to_owned(),
            old,
            new,
            effect,
        });
    };
    let said = |value: Option<&Value>| value.map_or_else(String::new, text);
    let way = |looser: bool| {
        if looser {
            Effect::Looser
        } else {
            Effect::Stricter
        }
    };
    match kind(name) {
        list @ (Kind::Allows(_) | Kind::Demands) => {
            let (was, is) = (words(old), words(new));
            let allows = !matches!(list, Kind::Demands);
            if matches!(list, Kind::Allows(true)) && was.is_empty() != is.is_empty() {
                return push(said(old), said(new), way(is.is_empty()));
            }
            let missing = |from: &[String], of: &[String]| {
                let list: Vec<&str> = from
                    .iter()
                    .filter(|w| !of.contains(w))
                    .map(String::as_str)
                    .collect();
                list.join(", ")
            };
            let (added, removed) = (missing(&is, &was), missing(&was, &is));
            if added.is_empty() && removed.is_empty() {
                return push(said(old), said(new), Effect::Changed);
            }
            if !added.is_empty() {
                push(String::new(), added, way(allows));
            }
            if !removed.is_empty() {
                push(removed, String::new(), way(!allows));
            }
        }
        Kind::Most(unlimited) => {
            let absent = if unlimited { i64::MAX } else { 0 };
            let number = |v: Option<&Value>| v.and_then(Value::as_integer).unwrap_or(absent);
            push(said(old), said(new), way(number(new) > number(old)));
        }
        Kind::Least => {
            let number = |v: Option<&Value>| v.and_then(Value::as_integer).unwrap_or(0);
            push(said(old), said(new), way(number(new) < number(old)));
        }
        switch @ (Kind::Allow | Kind::Demand) => {
            let on = |v: Option<&Value>| v.and_then(Value::as_bool).unwrap_or(false);
            let effect = if on(old) == on(new) {
                Effect::Changed
            } else {
                way(on(new) == matches!(switch, Kind::Allow))
            };
            push(said(old), said(new), effect);
        }
        Kind::Words(order, default) => {
            let place = |v: Option<&Value>| {
                let word = v.and_then(Value::as_str).unwrap_or(default);
                order.iter().position(|w| *w == word)
            };
            let effect = if place(old) == place(new) {
                Effect::Changed
            } else {
                way(place(new) > place(old))
            };
            push(said(old), said(new), effect);
        }
        day @ (Kind::Until | Kind::From) => {
            // Days are written year first, so that their texts are in their order.
            let until = matches!(day, Kind::Until);
            let day = |v: Option<&Value>| match v {
                Some(v) => text(v),
                None if until => "9999-12-31".to_owned(),
                None => String::new(),
            };
            push(said(old), said(new), way((day(new) > day(old)) == until));
        }
        Kind::Text => push(said(old), said(new), Effect::Changed),
    }
}

fn words(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |list| list.iter().map(text).collect())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The differences for people: one line each, and a sum at the end.
pub fn report(found: &[Difference], french: bool) -> String {
    let pick = |en, fr| if french { fr } else { en };
    let mut out = String::new();
    let nothing = pick("nothing", "rien");
    let or_nothing = |t: &str| {
        if t.is_empty() {
            nothing.to_owned()
        } else {
            t.to_owned()
        }
    };
    for d in found {
        let effect = match d.effect {
            Effect::Looser => pick("looser", "plus permissif"),
            Effect::Stricter => pick("stricter", "plus strict"),
            Effect::Changed => pick("changed", "modifié"),
        };
        let label = label(&d.field, french);
        let name = match (d.place.as_str(), d.field.as_str()) {
            (place, "") => place.to_owned(),
            ("", field) => format!("{label} ({field})"),
            (place, field) => format!("{place}: {label} ({field})"),
        };
        let line = format!(
            "[{effect}] {name}: {} → {}",
            or_nothing(&d.old),
            or_nothing(&d.new)
        );
        // One line, whatever the file holds. Writing to a string cannot fail.
        let _ = writeln!(out, "{}", plain(&line));
    }
    let count = |effect| found.iter().filter(|d| d.effect == effect).count();
    let (looser, stricter, changed) = (
        count(Effect::Looser),
        count(Effect::Stricter),
        count(Effect::Changed),
    );
    let _ = if french {
        writeln!(
            out,
            "Par rapport aux règles intégrées : {looser} plus permissif, {stricter} plus strict, {changed} modifié."
        )
    } else {
        writeln!(
            out,
            "Against the built-in rules: {looser} looser, {stricter} stricter, {changed} changed."
        )
    };
    out
}

/// The name of a field in words.
fn label(field: &str, french: bool) -> &str {
    let (en, fr) = match field {
        "capacities" => ("capacities", "qualités"),
        "sink_classes" => ("destinations", "destinations"),
        "modes" => ("source", "source"),
        "place_types" => ("kinds of place", "types de lieu"),
        "legal_bases" => ("legal bases", "bases légales"),
        "regimes" => ("titles of the act", "titres de la loi"),
        "controllers" => ("controllers", "responsables de traitement"),
        "recipient_capacities" => ("recipients", "destinataires"),
        "detector_classes" => ("detected classes", "classes détectées"),
        "detector_use" => ("detector", "détecteur"),
        "required" => ("mandate needs", "le mandat exige"),
        "training" => ("training", "formations"),
        "required_mask" => ("required mask", "masquage exigé"),
        "mask_classes" => ("masked classes", "classes masquées"),
        "status" => ("status", "statut"),
        "enabled" => ("opened by the site", "ouverte par le site"),
        "export" => ("extraction", "extraction"),
        "max_duration_days" | "max_duration_s" => ("longest mandate", "mandat maximal"),
        "max_session_s" => ("longest run", "usage maximal"),
        "max_retention_days" => ("longest retention", "conservation maximale"),
        "targets" => ("may serve", "peut servir à"),
        "review_by" => ("review by", "à relire avant le"),
        "valid_to" => ("end of the regime", "fin du régime"),
        "second_person" => ("second person", "seconde personne"),
        "single_use" => ("single use", "usage unique"),
        _ => return field,
    };
    if french { fr } else { en }
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_policy::rules::BUILTIN;

    fn diff(from: &str, to: &str) -> Vec<Difference> {
        assert!(BUILTIN.contains(from), "{from}");
        let builtin = toml::from_str(BUILTIN).unwrap();
        let file = toml::from_str(&BUILTIN.replacen(from, to, 1)).unwrap();
        differences(&builtin, &file)
    }

    #[test]
    fn every_way_of_a_difference_is_told() {
        use Effect::{Changed, Looser, Stricter};
        for (from, to, expected) in [
            (
                "rules_version = \"fr-2026.11\"",
                "rules_version = \"x\"",
                &[Changed][..],
            ),
            (
                "review_by = 2027-11-21",
                "review_by = 2027-11-20",
                &[Stricter],
            ),
            (
                "max_retention_days = 31",
                "max_retention_days = 365",
                &[Looser],
            ),
            ("min_motif_chars = 10", "min_motif_chars = 1", &[Looser]),
            (
                "plain_source = \"warn\"",
                "plain_source = \"refuse\"",
                &[Stricter],
            ),
            (
                "capacities = [\"communication\"]",
                "capacities = [\"communication\", \"technicien\"]",
                &[Looser],
            ),
            (
                "capacities = [\"communication\"]",
                "capacities = [\"technicien\"]",
                &[Looser, Stricter],
            ),
            (
                "training = [\"legal\", \"blurring\"]",
                "training = [\"legal\"]",
                &[Looser],
            ),
            (
                "training = [\"legal\", \"blurring\"]",
                "training = [\"blurring\", \"legal\"]",
                &[Changed],
            ),
            (
                "required_mask = \"persons+vehicles\"",
                "required_mask = \"frame\"",
                &[Stricter],
            ),
            (
                "required_mask = \"persons+vehicles\"",
                "required_mask = \"persons\"",
                &[Looser],
            ),
            ("single_use = true\n", "", &[Looser]),
            ("export = false", "export = true", &[Looser]),
            ("max_session_s = 43200", "max_session_s = 3600", &[Stricter]),
            ("max_session_s = 43200     # 12 h\n", "", &[Looser]),
            (
                "recipient_capacities = [\"OPJ\", \"APJ\", \"magistrat\"]\n",
                "",
                &[Looser],
            ),
            ("enabled = false", "enabled = true", &[Looser]),
            ("valid_to = 2025-03-31", "valid_to = 2030-03-31", &[Looser]),
            (
                "status = \"allowed\"",
                "status = \"restricted\"",
                &[Stricter],
            ),
            (
                "targets = [\"training.operator\"]",
                "targets = []",
                &[Stricter],
            ),
            ("\"derogation_78_116\", ", "", &[Stricter]),
            ("label_fr = \"Son\"", "label_fr = \"Sons\"", &[Changed]),
            (
                "[purpose.\"refused.sound\"]",
                "[purpose.\"refused.noise\"]",
                &[Changed, Changed],
            ),
            (
                "[purpose.\"vp.recording\"]",
                "[purpose.\"vp.storing\"]",
                &[Stricter, Looser],
            ),
        ] {
            let found: Vec<_> = diff(from, to).iter().map(|d| d.effect).collect();
            assert_eq!(found, expected, "{from} → {to}");
        }
        assert_eq!(differences(&Table::new(), &Table::new()), []);
    }

    #[test]
    fn a_report_has_a_line_each_and_a_sum_in_both_languages() {
        let found = diff("max_retention_days = 31", "max_retention_days = 365");
        assert_eq!(
            report(&found, false),
            "[looser] limits: longest retention (max_retention_days): 31 → 365\n\
             Against the built-in rules: 1 looser, 0 stricter, 0 changed.\n"
        );
        assert!(report(&found, true).contains("[plus permissif] limits: conservation maximale"));
        let forged = diff("label_fr = \"Son\"", "label_fr = \"a\\n[stricter] b\"");
        assert_eq!(report(&forged, false).lines().count(), 2);
    }
}
