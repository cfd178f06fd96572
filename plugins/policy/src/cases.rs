// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a case, a procedure, an event or an origin must be before images of it may be used.

use jiff::{Timestamp, civil::Date};

use crate::{
    complete::{DAY_S, bad_field, missing},
    mandate::{AccessDecision, Footage, Form, MagistrateBasis},
    refusal::{NEW_MANDATE, Refusal, refuse},
    rules::{Purpose, Rules},
    time,
    vocabulary::{Field, Mask},
};

/// Everything about the case that a mandate serves.
pub(crate) fn cases(
    rules: &Rules,
    purpose: &Purpose,
    form: &Form,
    now: Timestamp,
) -> Result<(), Refusal> {
    origin(rules, purpose, form)?;
    procedure(purpose, form)?;
    access(form)?;
    magistrate(form, now)?;
    event(rules, form)?;
    search(rules, purpose, form)?;
    review(form, now)?;
    models(form, now)?;
    retention(rules, purpose, form, now)
}

/// Whether a field need not be there after all: a published test clip was recorded for no purpose of the law. That
/// counts only where everything that leaves is masked.
pub(crate) fn waived(purpose: &Purpose, form: &Form, field: Field) -> bool {
    field == Field::OriginPurpose
        && form.footage == Some(Footage::Test)
        && purpose.required_mask >= Mask::PersonsVehicles
        && !purpose.one_clear
}

/// Recordings serve what they were made for, and what the rules list beside it (RGPD 5(1)(b)).
fn origin(rules: &Rules, purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    let Some(origin) = &form.origin_purpose else {
        return Ok(());
    };
    let target = &form.purpose_id;
    if rules
        .reuse
        .get(origin)
        .is_some_and(|targets| targets.contains(target))
    {
        return Ok(());
    }
    let extract = rules
        .purpose("refused.communication_extract")
        .filter(|_| purpose.election_sensitive)
        .map(Refusal::of_purpose);
    Err(extract.unwrap_or_else(|| {
        refuse(
            "MISUSE_OF_PURPOSE",
            (
                format!("Images recorded for {origin} may not be used for {target}."),
                format!("Des images recueillies pour {origin} ne peuvent servir à {target}."),
            ),
            (
                "Name in origin_purpose what the images were truly recorded for.",
                "Indiquez dans origin_purpose la finalité pour laquelle les images ont réellement été recueillies.",
            ),
            "RGPD art. 5(1)(b) ; C. pén. 226-21",
        )
    }))
}

fn procedure(purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    let Some(procedure) = &form.procedure else {
        return Ok(());
    };
    if purpose.procedure_types.contains(&procedure.kind) {
        return Ok(());
    }
    let (kind, id) = (&procedure.kind, &form.purpose_id);
    let list = purpose.procedure_types.join(", ");
    Err(refuse(
        "WRONG_PROCEDURE",
        (
            format!("\"{kind}\" is not a procedure of {id}, which knows: {list}."),
            format!("« {kind} » n'est pas une procédure prévue pour {id}, qui connaît : {list}."),
        ),
        (
            "Name in procedure.type a procedure of the law; other uses have a purpose of their own or none.",
            "Indiquez dans procedure.type une procédure prévue par la loi ; tout autre usage a sa finalité, ou aucune.",
        ),
        "CSI R.253-3 III, R.253-6 IV",
    ))
}

fn access(form: &Form) -> Result<(), Refusal> {
    let Some(request) = &form.access_request else {
        return Ok(());
    };
    if request.decision == AccessDecision::Granted {
        return Ok(());
    }
    Err(refuse(
        "ACCESS_REFUSED",
        (
            format!(
                "Access was refused to the request {}: no image is shown.",
                request.reference
            ),
            format!(
                "L'accès a été refusé à la demande {} : aucune image n'est montrée.",
                request.reference
            ),
        ),
        (
            "Tell the applicant why (CSI R.253-6 IV) and to whom to appeal.",
            "Indiquez au demandeur le motif du refus (CSI R.253-6 IV) et les voies de recours.",
        ),
        "CSI R.253-6 IV ; RGPD art. 15",
    ))
}

/// One case, authorised for it; in flagrance the prosecutor was told (CPP R.40-40).
fn magistrate(form: &Form, now: Timestamp) -> Result<(), Refusal> {
    let Some(m) = &form.magistrate_authorisation else {
        return Ok(());
    };
    not_in_future("magistrate_authorisation.date", m.date, now)?;
    if m.basis == MagistrateBasis::Flagrance && !m.prosecutor_informed {
        return Err(bad_field(
            "magistrate_authorisation.prosecutor_informed",
            "in flagrance the prosecutor is told first (CPP R.40-40)",
            "en flagrance, le procureur est d'abord informé (CPP R.40-40)",
        ));
    }
    if let Some(requisition) = &form.requisition
        && requisition.case_ref.as_ref() != Some(&m.case_ref)
    {
        return Err(bad_field(
            "requisition.case_ref",
            format!("it is not the one case of the magistrate, {}", m.case_ref),
            format!(
                "ce n'est pas l'affaire unique visée par le magistrat, {}",
                m.case_ref
            ),
        ));
    }
    Ok(())
}

fn event(rules: &Rules, form: &Form) -> Result<(), Refusal> {
    let Some(e) = &form.event else {
        return Ok(());
    };
    let longest = i64::from(rules.max_event_days) * DAY_S;
    if e.valid_from >= e.valid_to || time::elapsed_s(e.valid_from, e.valid_to) > longest {
        let days = rules.max_event_days;
        return Err(bad_field(
            "event.valid_to",
            format!("an order names {days} days at most"),
            format!("un arrêté vise {days} jours au plus"),
        ));
    }
    if form.valid_from < e.valid_from || form.valid_to > e.valid_to {
        return Err(bad_field(
            "valid_from, valid_to",
            "the mandate runs outside the event",
            "le mandat court hors de l'événement",
        ));
    }
    if let Some(camera) = form.cameras.iter().find(|c| !e.perimeter.contains(&c.id)) {
        return Err(bad_field(
            "event.perimeter",
            format!("camera {} lies outside it", camera.id),
            format!("la caméra {} est en dehors", camera.id),
        ));
    }
    Ok(())
}

fn search(rules: &Rules, purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    let Some(search) = &form.search else {
        return Ok(());
    };
    if search.classes.iter().any(|c| c == "face") {
        return Err(rules
            .purpose("refused.facial_recognition")
            .map(Refusal::of_purpose)
            .unwrap_or_else(|| bad_field("search.classes", "face", "visage")));
    }
    if let Some(class) = search
        .classes
        .iter()
        .find(|c| !purpose.detector_classes.contains(c))
    {
        let list = purpose.detector_classes.join(", ");
        return Err(bad_field(
            "search.classes",
            format!("\"{class}\" is not one of: {list}"),
            format!("« {class} » n'est pas dans la liste : {list}"),
        ));
    }
    Ok(())
}

fn review(form: &Form, now: Timestamp) -> Result<(), Refusal> {
    form.legal_review
        .as_ref()
        .map_or(Ok(()), |r| not_in_future("legal_review.date", r.date, now))
}

fn models(form: &Form, now: Timestamp) -> Result<(), Refusal> {
    for model in &form.models {
        sha256("models.sha256", &model.sha256)?;
        not_in_future("models.approved_on", model.approved_on, now)?;
    }
    for camera in &form.cameras {
        if let Some(digest) = &camera.privacy_zones_digest
            && digest != "none"
        {
            sha256("cameras.privacy_zones_digest", digest)?;
        }
    }
    Ok(())
}

/// Recordings are kept as long as the authorisation says, a month at the most (CSI L.252-5).
fn retention(rules: &Rules, purpose: &Purpose, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    let kept = form
        .csi_authorisation
        .as_ref()
        .map_or(rules.max_retention_days, |a| {
            a.retention_days.min(rules.max_retention_days)
        });
    if form.retention_days.is_some_and(|days| days > kept) {
        return Err(bad_field(
            "retention_days",
            format!("the authorisation allows {kept} days"),
            format!("l'autorisation permet {kept} jours"),
        ));
    }
    let of_a_case = [Field::Requisition, Field::Procedure];
    if form.case_copy_ref.is_some() && !of_a_case.iter().any(|f| purpose.required.contains(f)) {
        return Err(bad_field(
            "case_copy_ref",
            "only a requisition or a procedure keeps a copy longer",
            "seules une réquisition ou une procédure conservent une copie plus longtemps",
        ));
    }
    let oldest = now.as_second() - i64::from(kept) * DAY_S;
    if form.case_copy_ref.is_none()
        && form
            .requisition
            .as_ref()
            .is_some_and(|r| r.to.as_second() <= oldest)
    {
        return Err(rules
            .purpose("refused.over_retention")
            .map(Refusal::of_purpose)
            .unwrap_or_else(|| bad_field("requisition.to", "too old", "trop ancien")));
    }
    Ok(())
}

/// A document is not of tomorrow.
pub(crate) fn not_in_future(field: &str, day: Date, now: Timestamp) -> Result<(), Refusal> {
    if day <= time::day_of(now) {
        return Ok(());
    }
    Err(bad_field(
        field,
        "it lies in the future",
        "elle est dans le futur",
    ))
}

/// The digest of a document, a model or a file.
pub(crate) fn sha256(field: &str, digest: &str) -> Result<(), Refusal> {
    if digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(bad_field(
        field,
        "a SHA-256 has 64 hex digits",
        "un SHA-256 compte 64 chiffres hexadécimaux",
    ))
}

/// A public controller commits to the CNIL before the first use, in one of the ways that the purpose lists.
pub(crate) fn commitment(rules: &Rules, purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    let private = form
        .controller
        .as_ref()
        .is_some_and(|c| rules.private_controllers.contains(&c.kind));
    if purpose.commitment_types.is_empty() {
        return Ok(());
    }
    let Some(commitment) = &form.compliance_commitment else {
        return if private {
            Ok(())
        } else {
            Err(missing(
                Field::ComplianceCommitment.word(),
                &form.purpose_id,
            ))
        };
    };
    if !purpose.commitment_types.contains(&commitment.kind) {
        let list = purpose.commitment_types.join(", ");
        return Err(bad_field(
            "compliance_commitment.type",
            format!("\"{}\" is not one of: {list}", commitment.kind),
            format!("« {} » n'est pas dans la liste : {list}", commitment.kind),
        ));
    }
    if commitment.sent_on > time::day_of(form.valid_from) {
        return Err(bad_field(
            "compliance_commitment.sent_on",
            "the commitment must be sent before the mandate begins (CSI R.253-7)",
            "l'engagement doit être envoyé avant le début du mandat (CSI R.253-7)",
        ));
    }
    Ok(())
}

/// The public notice says what the law wants it to say (CSI R.253-6 I).
pub(crate) fn notice_content(rules: &Rules, form: &Form) -> Result<(), Refusal> {
    let Some(notice) = &form.public_notice else {
        return Ok(());
    };
    let lacking = rules
        .notice_content
        .iter()
        .find(|p| !notice.content.contains(p));
    let version = notice.content_version.as_ref();
    if lacking.is_none() && version.is_some_and(|v| !v.trim().is_empty()) {
        return Ok(());
    }
    Err(refuse(
        "NOTICE_INCOMPLETE",
        (
            "The public notice does not say all it must: pictogram, controller, purposes and rights, with its version.",
            "L'information du public est incomplète : pictogramme, responsable, finalités et droits, avec sa version.",
        ),
        NEW_MANDATE,
        "CSI R.253-6 I ; RGPD art. 13",
    ))
}
