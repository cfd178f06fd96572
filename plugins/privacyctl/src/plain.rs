// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mandates, grants and rules in plain English and French.

use std::fmt::Write as _;

use crate::terminal::plain;
use jiff::Timestamp;
use privacy_policy::{Grant, Mask, MaskMethod, Purpose, Refusal, Rules, Status, time};

/// Picks the language.
pub(crate) fn pick<'a>(french: bool, en: &'a str, fr: &'a str) -> &'a str {
    if french { fr } else { en }
}

/// A list of labelled lines.
pub(crate) struct Lines {
    french: bool,
    pub(crate) text: String,
}

impl Lines {
    pub(crate) fn new(french: bool) -> Self {
        Self {
            french,
            text: String::new(),
        }
    }

    pub(crate) fn add(&mut self, en: &str, fr: &str, value: impl std::fmt::Display) {
        let label = pick(self.french, en, fr);
        // One line, whatever the value: a line break in it would forge the next one.
        let value = plain(&value.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{label:<22} {value}");
    }

    pub(crate) fn add_some(&mut self, en: &str, fr: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.add(en, fr, value);
        }
    }

    pub(crate) fn title(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
    }
}

pub(crate) fn local(instant: Timestamp) -> String {
    instant
        .to_zoned(time::paris())
        .strftime("%Y-%m-%d %H:%M (Paris)")
        .to_string()
}

/// A refusal: code, why, what to do, on which ground.
pub fn refusal(refusal: &Refusal, french: bool) -> String {
    let mut text = format!(
        "{} {}: {}",
        pick(french, "refused,", "refusé,"),
        refusal.code,
        refusal.text(french)
    );
    if !refusal.legal_ref.is_empty() {
        let _ = write!(text, " [{}]", refusal.legal_ref);
    }
    text
}

/// A grant: what may flow, until when, with what mask.
pub fn grant(grant: &Grant, french: bool) -> String {
    let mut lines = Lines::new(french);
    lines.title(pick(french, "It would open.", "Il s'ouvrirait."));
    lines.add(
        "purpose",
        "finalité",
        pick(french, &grant.label_en, &grant.label_fr),
    );
    lines.add("camera", "caméra", &grant.camera);
    lines.add("operator", "opérateur", &grant.operator);
    lines.add("destination", "destination", grant.sink_class);
    if let Some(recipient) = &grant.recipient {
        lines.add("recipient", "destinataire", &recipient.name);
    }
    for c in &grant.countersigned_by {
        lines.add(
            "countersigned",
            "contresigné",
            format_args!("{:?}, {:?}", c.name, c.role),
        );
    }
    for notice in &grant.notices {
        lines.add(
            "note",
            "à noter",
            pick(french, &notice.message_en, &notice.message_fr),
        );
    }
    if grant.video_out {
        lines.add(
            "required mask",
            "masquage exigé",
            mask(
                grant.required_mask,
                grant.mask_method,
                grant.one_clear,
                &[],
                french,
            ),
        );
    } else {
        lines.add(
            "images",
            "images",
            pick(french, "none leaves", "aucune ne sort"),
        );
    }
    lines.add("register entry", "inscription registre", grant.operation);
    if let Some((from, to)) = grant.footage_range() {
        lines.add(
            "footage",
            "images",
            format_args!(
                "{} – {} ({} footage-start)",
                local(from),
                local(to),
                pick(french, "needs", "exige")
            ),
        );
    }
    lines.add("until", "jusqu'au", local(grant.expires));
    lines.text
}

/// What a mask must cover and how, in words.
fn mask(
    required: Mask,
    method: MaskMethod,
    one_clear: bool,
    classes: &[String],
    french: bool,
) -> String {
    let mut text = format!("{required} {}", classes.join(", "))
        .trim_end()
        .to_owned();
    if method == MaskMethod::Solid {
        text += pick(french, "; by one colour", " ; en aplat de couleur");
    }
    if one_clear {
        text += pick(
            french,
            "; one chosen person may stay clear",
            " ; une personne choisie peut rester en clair",
        );
    }
    text
}

/// The list of purposes.
pub fn rules(rules: &Rules, french: bool) -> String {
    let mut lines = Lines::new(french);
    lines.add("rules", "règles", &rules.version);
    lines.add("verified on", "vérifiées le", rules.verified_on);
    lines.add("review by", "à relire avant le", rules.review_by);
    lines.title("");
    for (id, p) in rules.purposes() {
        let line = format!(
            "{:<10} {id:<36} {}",
            status(p.status, french),
            pick(french, &p.label_en, &p.label_fr)
        );
        lines.title(&plain(&line));
    }
    lines.text
}

fn status(status: Status, french: bool) -> &'static str {
    match status {
        Status::Allowed => pick(french, "allowed", "permise"),
        Status::Restricted => pick(french, "restricted", "restreinte"),
        Status::Refused => pick(french, "refused", "refusée"),
    }
}

/// One purpose in full.
pub fn purpose(id: &str, p: &Purpose, french: bool) -> String {
    let mut lines = Lines::new(french);
    lines.add("purpose", "finalité", id);
    lines.add("name", "nom", pick(french, &p.label_en, &p.label_fr));
    lines.add("status", "statut", status(p.status, french));
    let (message, remedy) = if french {
        (&p.message_fr, &p.remedy_fr)
    } else {
        (&p.message_en, &p.remedy_en)
    };
    lines.add_some("message", "message", message.as_ref());
    lines.add_some("instead", "à la place", remedy.as_ref());
    lines.add("legal references", "références", p.legal_refs.join(" ; "));
    let risk = if french { &p.risk_fr } else { &p.risk_en };
    lines.add_some("risk", "risque", risk.as_ref());
    if let Some(end) = p.valid_to {
        lines.add("regime ended", "fin du régime", end);
    }
    if let (true, Some(by), Some(on)) = (p.enabled, &p.enabled_by, p.enabled_on) {
        lines.add(
            "opened by the site",
            "ouverte par le site",
            format_args!("{by}, {on}"),
        );
    }
    // A restricted purpose says what it would take; the others are closed whatever a mandate says.
    if p.capacities.is_empty() {
        return lines.text;
    }
    let words = |list: Vec<&str>| list.join(", ");
    lines.add(
        "capacities",
        "qualités",
        words(p.capacities.iter().map(|c| c.word()).collect()),
    );
    lines.add("training", "formations", p.training.join(", "));
    lines.add(
        "destinations",
        "destinations",
        words(p.sink_classes.iter().map(|c| c.word()).collect()),
    );
    lines.add(
        "source",
        "source",
        words(p.modes.iter().map(|c| c.word()).collect()),
    );
    if p.video_out {
        lines.add(
            "required mask",
            "masquage exigé",
            mask(
                p.required_mask,
                p.mask_method,
                p.one_clear,
                &p.mask_classes,
                french,
            ),
        );
    } else {
        lines.add(
            "images",
            "images",
            pick(french, "none leaves", "aucune ne sort"),
        );
    }
    lines.add("detector", "détecteur", p.detector_use);
    lines.add(
        "longest mandate",
        "mandat maximal",
        match p.max_duration_s {
            Some(s) => format!("{} {}", s / 3600, pick(french, "hours", "heures")),
            None => format!("{} {}", p.max_duration_days, pick(french, "days", "jours")),
        },
    );
    lines.add(
        "mandate needs",
        "le mandat exige",
        words(p.required.iter().map(|f| f.word()).collect()),
    );
    if !p.required_on_public_road.is_empty() {
        lines.add(
            "on a public road",
            "sur la voie publique",
            words(p.required_on_public_road.iter().map(|f| f.word()).collect()),
        );
    }
    for (list, en, fr) in [
        (&p.recipient_capacities, "recipients", "destinataires"),
        (&p.procedure_types, "procedures", "procédures"),
        (&p.commitment_types, "CNIL commitment", "engagement CNIL"),
        (&p.requisition_articles, "articles", "articles"),
    ] {
        if !list.is_empty() {
            lines.add(en, fr, list.join(", "));
        }
    }
    for (set, en, fr) in [
        (p.single_use, "opens once", "usage unique"),
        (p.second_person, "second signature", "seconde signature"),
        (
            p.election_sensitive,
            "election calendar",
            "calendrier électoral",
        ),
        (p.lossless, "as recorded", "tel qu'enregistré"),
    ] {
        if set {
            lines.add(en, fr, pick(french, "yes", "oui"));
        }
    }
    lines.text
}
