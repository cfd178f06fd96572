// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a form holds what its purpose demands: asked when it is signed and again at each decision.

use jiff::Timestamp;

use crate::{
    cases,
    decide::{Conditions, open_purpose, place_allowed},
    documents,
    mandate::{Form, VERSION},
    people,
    refusal::{NEW_MANDATE, Refusal, local, refuse},
    rules::{Purpose, Rules},
    schedule::Schedule,
    time,
    vocabulary::{DetectorUse, Field, PlaceType, SinkClass},
};

pub(crate) const DAY_S: i64 = 86_400;

/// Everything about a form that does not depend on who asks for what.
pub(crate) fn complete(
    conditions: &Conditions<'_>,
    form: &Form,
    now: Timestamp,
) -> Result<(), Refusal> {
    let rules = conditions.rules;
    let purpose = open_purpose(rules, &form.purpose_id, now)?;
    // Whoever is refused for what a form says is told what going on regardless would risk.
    content(conditions, purpose, form, now).map_err(|refusal| refusal.with_risk(purpose))
}

fn content(
    conditions: &Conditions<'_>,
    purpose: &Purpose,
    form: &Form,
    now: Timestamp,
) -> Result<(), Refusal> {
    let rules = conditions.rules;
    identity(rules, form)?;
    dates(purpose, form, now)?;
    people::municipal_initiative(rules, purpose, form, "")?;
    let on_road = form
        .cameras
        .iter()
        .any(|c| c.place_type == PlaceType::PublicRoad);
    let also: &[Field] = if on_road {
        &purpose.required_on_public_road
    } else {
        &[]
    };
    for field in purpose.required.iter().chain(also) {
        if !form.has(*field) && !cases::waived(purpose, form, *field) {
            return Err(missing(field.word(), &form.purpose_id));
        }
    }
    // One that is given is given in full, needed or not.
    if form.compliance_commitment.is_some() && !form.has(Field::ComplianceCommitment) {
        return Err(missing(
            Field::ComplianceCommitment.word(),
            &form.purpose_id,
        ));
    }
    cases::commitment(rules, purpose, form)?;
    lists(purpose, form)?;
    choices(rules, purpose, form)?;
    documents::documents(rules, purpose, form, now)?;
    documents::anonymisation(rules, purpose, form)?;
    documents::publication(conditions, purpose, form, now)?;
    documents::requisition(purpose, form, now)?;
    cases::cases(rules, purpose, form, now)?;
    if purpose.detector_use == DetectorUse::Statistics {
        documents::statistics(rules, purpose, form)?;
    }
    Ok(())
}

pub(crate) fn missing(field: &str, purpose: &str) -> Refusal {
    refuse(
        "MISSING_FIELD",
        (
            format!("The mandate lacks the field {field}, which {purpose} needs."),
            format!("Il manque au mandat le champ {field}, exigé pour {purpose}."),
        ),
        NEW_MANDATE,
        "CSI R.253-3 ; RGPD art. 5(2)",
    )
}

pub(crate) fn bad_field(
    field: &str,
    en: impl std::fmt::Display,
    fr: impl std::fmt::Display,
) -> Refusal {
    refuse(
        "BAD_FIELD",
        (
            format!("The field {field} of the mandate does not hold: {en}."),
            format!("Le champ {field} du mandat ne convient pas : {fr}."),
        ),
        NEW_MANDATE,
        "RGPD art. 5(2)",
    )
}

fn identity(rules: &Rules, form: &Form) -> Result<(), Refusal> {
    // Signed, it could never be read again.
    if form.version != VERSION {
        return Err(bad_field(
            "version",
            format!("this program writes and reads version {VERSION} alone"),
            format!("ce programme n'écrit et ne lit que la version {VERSION}"),
        ));
    }
    // A token counts time in whole seconds.
    for (field, instant) in [("valid_from", form.valid_from), ("valid_to", form.valid_to)] {
        if instant.subsec_nanosecond() != 0 {
            return Err(bad_field(
                field,
                "write a time in whole seconds",
                "écrivez une heure en secondes entières",
            ));
        }
    }
    for (field, text) in [
        ("mandate_id", &form.mandate_id),
        ("rules_version", &form.rules_version),
        ("issued_by", &form.issued_by),
    ] {
        if text.trim().is_empty() {
            return Err(missing(field, &form.purpose_id));
        }
    }
    let motif = form.motif.trim();
    if motif.chars().count() < rules.min_motif_chars
        || rules.empty_motifs.contains(&motif.to_lowercase())
    {
        let n = rules.min_motif_chars;
        return Err(bad_field(
            "motif",
            format!("\"{motif}\" is not a reason; write a sentence of {n} characters or more"),
            format!(
                "« {motif} » n'est pas un motif ; écrivez une phrase d'au moins {n} caractères"
            ),
        ));
    }
    Ok(())
}

fn dates(purpose: &Purpose, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    if form.valid_from >= form.valid_to {
        return Err(bad_field(
            "valid_to",
            "it must lie after valid_from",
            "il doit être postérieur à valid_from",
        ));
    }
    let days = i64::from(purpose.max_duration_days);
    let longest = purpose.max_duration_s.map_or(days * DAY_S, i64::from);
    let (long_en, long_fr) = if purpose.max_duration_s.is_some() {
        let hours = longest / 3600;
        (format!("{hours} hours"), format!("{hours} heures"))
    } else {
        (format!("{days} days"), format!("{days} jours"))
    };
    if time::elapsed_s(form.valid_from, form.valid_to) > longest {
        return Err(refuse(
            "MANDATE_TOO_LONG",
            (
                format!(
                    "A mandate for {} may run {long_en} at most.",
                    form.purpose_id
                ),
                format!(
                    "Un mandat pour {} ne peut excéder {long_fr}.",
                    form.purpose_id
                ),
            ),
            (
                "Shorten valid_to; a mandate can be renewed.",
                "Rapprochez valid_to ; un mandat peut être renouvelé.",
            ),
            "RGPD art. 5(1)(e)",
        ));
    }
    if now >= form.valid_to {
        return Err(refuse(
            "EXPIRED_MANDATE",
            (
                format!(
                    "The mandate ended on {} (Paris time).",
                    local(form.valid_to)
                ),
                format!(
                    "Le mandat a pris fin le {} (heure de Paris).",
                    local(form.valid_to)
                ),
            ),
            NEW_MANDATE,
            "CSI L.252-4",
        ));
    }
    if form.issued_at > time::day_of(now) {
        return Err(bad_field(
            "issued_at",
            "it lies in the future",
            "il est dans le futur",
        ));
    }
    Ok(())
}

fn lists(purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    if form.cameras.is_empty() {
        return Err(missing("cameras", &form.purpose_id));
    }
    if form.operators.is_empty() {
        return Err(missing("operators", &form.purpose_id));
    }
    if form.sink_classes.is_empty() {
        return Err(missing("sink_classes", &form.purpose_id));
    }
    for camera in &form.cameras {
        if camera.id.contains(['*', '?']) || camera.id.trim().is_empty() {
            return Err(refuse(
                "CAMERA_WILDCARD",
                (
                    format!(
                        "\"{}\" is not one camera: cameras are named one by one.",
                        camera.id
                    ),
                    format!(
                        "« {} » n'est pas une caméra : les caméras sont désignées une à une.",
                        camera.id
                    ),
                ),
                NEW_MANDATE,
                "CSI R.252-3 3°",
            ));
        }
        if !place_allowed(purpose, camera.place_type) {
            return Err(refuse(
                "OUT_OF_SCOPE",
                (
                    format!(
                        "{} does not apply to a {} (camera {}).",
                        form.purpose_id, camera.place_type, camera.id
                    ),
                    format!(
                        "{} ne s'applique pas à ce type de lieu : {} (caméra {}).",
                        form.purpose_id, camera.place_type, camera.id
                    ),
                ),
                ("", ""),
                "CSI L.251-2",
            ));
        }
        if form.cameras.iter().filter(|c| c.id == camera.id).count() > 1 {
            return Err(bad_field(
                "cameras.id",
                format!("\"{}\" stands twice", camera.id),
                format!("« {} » figure deux fois", camera.id),
            ));
        }
        if camera.insee_code.trim().is_empty() {
            return Err(missing("cameras.insee_code", &form.purpose_id));
        }
    }
    for operator in &form.operators {
        let h = &operator.habilitation;
        if operator.id.trim().is_empty() || operator.id.contains('*') {
            return Err(missing("operators.id", &form.purpose_id));
        }
        if form
            .operators
            .iter()
            .filter(|o| o.id == operator.id)
            .count()
            > 1
        {
            return Err(bad_field(
                "operators.id",
                format!("\"{}\" stands twice", operator.id),
                format!("« {} » figure deux fois", operator.id),
            ));
        }
        if h.act_ref.trim().is_empty() || h.authority.trim().is_empty() {
            return Err(missing("operators.habilitation", &form.purpose_id));
        }
        if !purpose.capacities.contains(&operator.capacity) {
            return Err(people::capacity(form, purpose, operator));
        }
    }
    if let Some(bad) = form
        .sink_classes
        .iter()
        .find(|c| !purpose.sink_classes.contains(c))
    {
        return Err(refuse(
            if *bad == SinkClass::File && !purpose.export && purpose.video_out {
                "EXTRACTION_NOT_FREE"
            } else {
                "SINK_CLASS"
            },
            (
                format!(
                    "{} does not allow the destination \"{bad}\".",
                    form.purpose_id
                ),
                format!(
                    "{} ne permet pas la destination « {bad} ».",
                    form.purpose_id
                ),
            ),
            (
                "Take it out of sink_classes.",
                "Retirez-la de sink_classes.",
            ),
            "CSI R.253-3 ; RGPD art. 32",
        ));
    }
    Ok(())
}

/// Fields that must hold one of the words that the purpose lists.
fn choices(rules: &Rules, purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    let one_of = |field: &str, value: Option<&str>, allowed: &[String]| {
        let Some(value) = value else { return Ok(()) };
        if allowed.is_empty() || allowed.iter().any(|a| a == value) {
            return Ok(());
        }
        let list = allowed.join(", ");
        Err(bad_field(
            field,
            format!("\"{value}\" is not one of: {list}"),
            format!("« {value} » n'est pas dans la liste : {list}"),
        ))
    };
    one_of(
        "legal_basis",
        form.legal_basis.as_deref(),
        &purpose.legal_bases,
    )?;
    one_of("regime", form.regime.as_deref(), &purpose.regimes)?;
    let controller = form.controller.as_ref();
    one_of(
        "controller.type",
        controller.map(|c| c.kind.as_str()),
        &purpose.controllers,
    )?;
    if let Some(recipients) = &form.recipient {
        for (at, recipient) in recipients.iter().enumerate() {
            one_of(
                "recipient.capacity",
                Some(&recipient.capacity),
                &purpose.recipient_capacities,
            )?;
            // A run names one of them.
            if recipients[..at].iter().any(|r| r.name == recipient.name) {
                return Err(bad_field(
                    "recipient.name",
                    format!("\"{}\" stands twice in the list", recipient.name),
                    format!("« {} » figure deux fois dans la liste", recipient.name),
                ));
            }
        }
    }
    if let Some((en, fr)) = form.schedule.as_ref().and_then(Schedule::fault) {
        return Err(bad_field("schedule", en, fr));
    }
    one_of(
        "requisition.legal_article",
        form.requisition.as_ref().map(|r| r.legal_article.as_str()),
        &purpose.requisition_articles,
    )?;
    if controller.is_some_and(|c| {
        let digits = c.siren.bytes().filter(u8::is_ascii_digit).count();
        digits != 9 || !c.siren.bytes().all(|b| b.is_ascii_digit() || b == b' ')
    }) {
        return Err(bad_field(
            "controller.siren",
            "a SIREN has 9 digits",
            "un SIREN compte 9 chiffres",
        ));
    }
    if form
        .csi_ground
        .is_some_and(|ground| !(1..=11).contains(&ground))
    {
        return Err(bad_field(
            "csi_ground",
            "CSI L.251-2 has the grounds 1 to 11",
            "CSI L.251-2 compte les motifs 1 à 11",
        ));
    }
    // RGPD 6(1)(f) is closed to public authorities in their tasks (RGPD 6(1), last paragraph).
    if form.legal_basis.as_deref() == Some("rgpd_6_1_f")
        && controller.is_some_and(|c| !rules.private_controllers.contains(&c.kind))
    {
        return Err(bad_field(
            "legal_basis",
            "rgpd_6_1_f is for private controllers only",
            "rgpd_6_1_f est réservé aux responsables privés",
        ));
    }
    Ok(())
}
