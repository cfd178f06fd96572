// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a form holds what its purpose demands: asked when it is signed and again at each decision.

use jiff::Timestamp;

use crate::{
    decide::{open_purpose, place_allowed},
    mandate::{Audience, Beneficiary, Camera, Form, Operator},
    refusal::{NEW_MANDATE, Refusal, local, refuse},
    rules::{Purpose, Rules},
    time,
    vocabulary::{DetectorUse, Field, Mask, SinkClass},
};

const DAY_S: i64 = 86_400;

/// Everything about a form that does not depend on who asks for what.
pub(crate) fn complete(rules: &Rules, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    let purpose = open_purpose(rules, &form.purpose_id, now)?;
    identity(rules, form)?;
    dates(purpose, form, now)?;
    for field in &purpose.required {
        if !form.has(*field) {
            return Err(missing(field.word(), &form.purpose_id));
        }
    }
    lists(purpose, form)?;
    choices(purpose, form)?;
    documents(rules, purpose, form, now)?;
    anonymisation(purpose, form)?;
    publication(rules, form, now)?;
    requisition(purpose, form, now)?;
    if purpose.detector_use == DetectorUse::Statistics {
        statistics(rules, purpose, form)?;
    }
    Ok(())
}

fn missing(field: &str, purpose: &str) -> Refusal {
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

fn bad_field(field: &str, en: impl std::fmt::Display, fr: impl std::fmt::Display) -> Refusal {
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
    let empty_words = [
        "test", "essai", "todo", "divers", "autre", "n/a", "motif", "raison", "reason",
    ];
    if motif.chars().count() < rules.min_motif_chars
        || empty_words.contains(&motif.to_lowercase().as_str())
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
    let days = purpose.max_duration_days;
    // One day more than the maximum, since a last day counts in full, and clocks change.
    if form.valid_to.as_second() - form.valid_from.as_second() > i64::from(days + 1) * DAY_S {
        return Err(refuse(
            "MANDATE_TOO_LONG",
            (
                format!(
                    "A mandate for {} may run {days} days at most.",
                    form.purpose_id
                ),
                format!(
                    "Un mandat pour {} ne peut excéder {days} jours.",
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
        if camera.insee_code.trim().is_empty() {
            return Err(missing("cameras.insee_code", &form.purpose_id));
        }
    }
    for operator in &form.operators {
        let h = &operator.habilitation;
        if operator.id.trim().is_empty() || operator.id.contains('*') {
            return Err(missing("operators.id", &form.purpose_id));
        }
        if h.act_ref.trim().is_empty() || h.authority.trim().is_empty() {
            return Err(missing("operators.habilitation", &form.purpose_id));
        }
        if !purpose.capacities.contains(&operator.capacity) {
            return Err(capacity(form, purpose, operator));
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

fn capacity(form: &Form, purpose: &Purpose, operator: &Operator) -> Refusal {
    let allowed = purpose
        .capacities
        .iter()
        .map(|c| c.word())
        .collect::<Vec<_>>()
        .join(", ");
    refuse(
        "WRONG_CAPACITY",
        (
            format!(
                "Operator {} acts as {}; {} is open to: {allowed}.",
                operator.id, operator.capacity, form.purpose_id
            ),
            format!(
                "L'opérateur {} agit comme {} ; {} est ouvert à : {allowed}.",
                operator.id, operator.capacity, form.purpose_id
            ),
        ),
        (
            "Have somebody with that capacity act.",
            "Faites agir une personne ayant cette qualité.",
        ),
        "CSI R.253-3",
    )
}

/// Fields that must hold one of the words that the purpose lists.
fn choices(purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
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
    one_of(
        "recipient.capacity",
        form.recipient.as_ref().map(|r| r.capacity.as_str()),
        &purpose.recipient_capacities,
    )?;
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
        && controller.is_some_and(|c| c.kind != "gestionnaire_prive")
    {
        return Err(bad_field(
            "legal_basis",
            "rgpd_6_1_f is for private controllers only",
            "rgpd_6_1_f est réservé aux responsables privés",
        ));
    }
    Ok(())
}

/// Authorisation, impact assessment, notice and commitment.
fn documents(rules: &Rules, purpose: &Purpose, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    let id = &form.purpose_id;
    let today = time::day_of(now);
    if let Some(a) = &form.csi_authorisation {
        let ends = a
            .event_end
            .map_or(a.valid_to, |event| event.min(a.valid_to));
        if now >= ends {
            return Err(refuse(
                "AUTHORISATION_EXPIRED",
                (
                    format!(
                        "The prefectoral authorisation {} ended on {}.",
                        a.act_ref,
                        local(ends)
                    ),
                    format!(
                        "L'autorisation préfectorale {} a pris fin le {}.",
                        a.act_ref,
                        local(ends)
                    ),
                ),
                (
                    "Have the authorisation renewed before any use.",
                    "Faites renouveler l'autorisation avant tout usage.",
                ),
                "CSI L.252-4, L.252-6",
            ));
        }
        let longest = if a.provisional {
            rules.max_provisional_days
        } else {
            rules.max_authorisation_days
        };
        let start = time::start_of(a.date).map_or(i64::MAX, Timestamp::as_second);
        if a.date > today
            || a.valid_to.as_second().saturating_sub(start) > i64::from(longest + 1) * DAY_S
        {
            return Err(bad_field(
                "csi_authorisation",
                format!("an authorisation begins in the past and lasts {longest} days at most"),
                format!("une autorisation commence dans le passé et dure {longest} jours au plus"),
            ));
        }
        if a.provisional && a.event_end.is_none() {
            return Err(missing("csi_authorisation.event_end", id));
        }
        if a.retention_days > rules.max_retention_days {
            return Err(bad_field(
                "csi_authorisation.retention_days",
                format!(
                    "recordings are kept {} days at most",
                    rules.max_retention_days
                ),
                format!(
                    "les enregistrements sont conservés {} jours au plus",
                    rules.max_retention_days
                ),
            ));
        }
    }
    if purpose.required.contains(&Field::Dpia)
        && !form
            .dpia
            .as_ref()
            .is_some_and(|d| d.covers.contains(id) && d.date <= today)
    {
        return Err(refuse(
            "DPIA_NOT_COVERING",
            (
                format!("The impact assessment does not cover {id}."),
                format!("L'analyse d'impact (AIPD) ne couvre pas {id}."),
            ),
            (
                "Have the assessment extended, then list the purpose in dpia.covers.",
                "Faites compléter l'AIPD, puis ajoutez la finalité à dpia.covers.",
            ),
            "RGPD art. 35 ; LIL art. 90",
        ));
    }
    if purpose.required.contains(&Field::PublicNotice)
        && !form
            .public_notice
            .as_ref()
            .is_some_and(|n| n.mentions.contains(id) && n.posted_on <= today)
    {
        return Err(refuse(
            "NOTICE_NOT_COVERING",
            (
                format!("The public notice does not mention {id}."),
                format!("L'information du public ne mentionne pas {id}."),
            ),
            (
                "Inform the public of this purpose, then list it in public_notice.mentions.",
                "Informez le public de cette finalité, puis ajoutez-la à public_notice.mentions.",
            ),
            "CSI R.253-6 I ; RGPD art. 13",
        ));
    }
    if form
        .compliance_commitment
        .as_ref()
        .is_some_and(|c| c.sent_on > today)
    {
        return Err(bad_field(
            "compliance_commitment.sent_on",
            "the commitment must be sent before the first use (CSI R.253-7)",
            "l'engagement doit être envoyé avant la première utilisation (CSI R.253-7)",
        ));
    }
    Ok(())
}

fn anonymisation(purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    if form.anonymisation < purpose.required_mask && purpose.video_out {
        return Err(refuse(
            "MASK_TOO_WEAK",
            (
                format!(
                    "{} needs the mask \"{}\" or a stronger one; the mandate says \"{}\".",
                    form.purpose_id, purpose.required_mask, form.anonymisation
                ),
                format!(
                    "{} exige au moins le masquage « {} » ; le mandat indique « {} ».",
                    form.purpose_id, purpose.required_mask, form.anonymisation
                ),
            ),
            NEW_MANDATE,
            "RGPD art. 25",
        ));
    }
    if form.anonymisation == Mask::None
        && purpose.video_out
        && form.audience.is_some_and(|a| a != Audience::Habilitated)
    {
        return Err(refuse(
            "THIRD_PARTY_VIEWING",
            (
                "Clear images are for individually designated people: audience must be \"habilitated\".",
                "Les images en clair sont réservées aux personnes habilitées : audience doit valoir « habilitated ».",
            ),
            (
                "Mask the images for any other audience.",
                "Masquez les images pour tout autre public.",
            ),
            "CSI R.253-3 ; CSI L.254-1",
        ));
    }
    Ok(())
}

/// Publication: no electoral use, no promotion in an election period.
fn publication(rules: &Rules, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    let electoral = matches!(
        form.beneficiary_type,
        Some(
            Beneficiary::Candidate | Beneficiary::List | Beneficiary::Party | Beneficiary::Campaign
        )
    );
    if electoral {
        return Err(rules
            .purpose("refused.electoral_promotion")
            .map(Refusal::of_purpose)
            .unwrap_or_else(|| bad_field("beneficiary_type", "electoral use", "usage électoral")));
    }
    if form.promotional == Some(true) {
        let blocked = rules.election_calendar.iter().find(|e| {
            e.from <= now
                && now < e.to
                && e.territories
                    .iter()
                    .any(|t| t == "*" || form.cameras.iter().any(|camera| camera.insee_code == *t))
        });
        if let Some(election) = blocked {
            return Err(refuse(
                "ELECTION_PERIOD",
                (
                    format!(
                        "Promotional publication is blocked until {} ({}).",
                        local(election.to),
                        election.name
                    ),
                    format!(
                        "Publication promotionnelle bloquée jusqu'au {} ({}).",
                        local(election.to),
                        election.name
                    ),
                ),
                (
                    "Publish after the decisive round, or something that promotes nothing.",
                    "Publiez après le tour décisif, ou un contenu sans caractère promotionnel.",
                ),
                "C. élect. L.52-1",
            ));
        }
    }
    Ok(())
}

fn requisition(purpose: &Purpose, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    if !purpose.required.contains(&Field::Requisition) {
        return Ok(());
    }
    let Some(r) = &form.requisition else {
        return Err(missing("requisition", &form.purpose_id));
    };
    if r.from >= r.to || r.to > now {
        return Err(bad_field(
            "requisition.from, requisition.to",
            "the time asked for has a beginning and an end, both past",
            "la période demandée a un début et une fin, tous deux passés",
        ));
    }
    if r.date > time::day_of(now) {
        return Err(bad_field(
            "requisition.date",
            "it lies in the future",
            "elle est dans le futur",
        ));
    }
    if let Some(camera) = form.cameras.iter().find(|c| !r.cameras.contains(&c.id)) {
        return Err(refuse(
            "OUTSIDE_REQUISITION",
            (
                format!(
                    "Camera {} is not named by the requisition {}.",
                    camera.id, r.reference
                ),
                format!(
                    "La caméra {} n'est pas visée par la réquisition {}.",
                    camera.id, r.reference
                ),
            ),
            (
                "Take the camera out of the mandate, or obtain a requisition that names it.",
                "Retirez la caméra du mandat, ou obtenez une réquisition qui la vise.",
            ),
            "CPP 60-1, 77-1-1, 99-3",
        ));
    }
    Ok(())
}

fn statistics(rules: &Rules, purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    let Some(stats) = &form.stats else {
        return Err(missing("stats", &form.purpose_id));
    };
    let limits = &rules.statistics;
    if let Some(class) = stats
        .classes
        .iter()
        .find(|c| !purpose.detector_classes.contains(c))
    {
        let list = purpose.detector_classes.join(", ");
        return Err(bad_field(
            "stats.classes",
            format!("\"{class}\" is not one of: {list}"),
            format!("« {class} » n'est pas dans la liste : {list}"),
        ));
    }
    if !limits.objections.contains(&stats.objection)
        || stats.objection_justification.trim().is_empty()
    {
        let list = limits.objections.join(", ");
        return Err(refuse(
            "STATS_OBJECTION_UNDOCUMENTED",
            (
                format!(
                    "The mandate does not say how the right to object is met; stats.objection is one of: {list}, with a justification."
                ),
                format!(
                    "Le mandat ne dit pas comment le droit d'opposition est assuré ; stats.objection vaut : {list}, avec une justification."
                ),
            ),
            NEW_MANDATE,
            "RGPD art. 21 ; LIL art. 78 ; décret 2019-536 art. 116",
        ));
    }
    let signoff = stats.dpo_signoff.as_ref();
    let window_floor = signoff.map_or(limits.window_floor_s, |s| {
        s.window_floor_s.min(limits.window_floor_s)
    });
    let window = stats.window_s.unwrap_or(limits.window_default_s);
    if window_floor == 0 || window < window_floor || window > limits.window_ceiling_s {
        return Err(refuse(
            "STATS_WINDOW",
            (
                format!(
                    "A window of {window} s lies outside {window_floor} to {} s.",
                    limits.window_ceiling_s
                ),
                format!(
                    "Une fenêtre de {window} s est hors de l'intervalle {window_floor} à {} s.",
                    limits.window_ceiling_s
                ),
            ),
            (
                "Lengthen stats.window_s, or have the DPO agree in writing (stats.dpo_signoff).",
                "Allongez stats.window_s, ou obtenez l'accord écrit du DPO (stats.dpo_signoff).",
            ),
            "RGPD art. 89 ; CNIL 2022",
        ));
    }
    if signoff.is_some_and(|s| s.by.trim().is_empty() || s.reason.trim().is_empty()) {
        return Err(missing("stats.dpo_signoff.by, .reason", &form.purpose_id));
    }
    let delay_floor = signoff
        .and_then(|s| s.publish_delay_floor_s)
        .map_or(limits.publish_delay_s, |floor| {
            floor.min(limits.publish_delay_s)
        });
    if stats
        .publish_delay_s
        .is_some_and(|delay| delay < delay_floor)
    {
        return Err(bad_field(
            "stats.publish_delay_s",
            format!(
                "at least {delay_floor} s, or less with stats.dpo_signoff.publish_delay_floor_s"
            ),
            format!(
                "au moins {delay_floor} s, ou moins avec stats.dpo_signoff.publish_delay_floor_s"
            ),
        ));
    }
    if stats
        .min_count
        .is_some_and(|count| count < limits.min_count_floor)
    {
        return Err(bad_field(
            "stats.min_count",
            format!("at least {}", limits.min_count_floor),
            format!("au moins {}", limits.min_count_floor),
        ));
    }
    Ok(())
}

/// The camera of a request, if the mandate names it.
pub(crate) fn camera<'f>(
    form: &'f Form,
    purpose: &Purpose,
    id: &str,
) -> Result<&'f Camera, Refusal> {
    form.cameras
        .iter()
        .find(|c| c.id == id && place_allowed(purpose, c.place_type))
        .ok_or_else(|| {
            let list = form.cameras.iter().map(|c| c.id.as_str()).collect::<Vec<_>>().join(", ");
            refuse(
                "WRONG_CAMERA",
                (
                    format!("The mandate does not name the camera \"{id}\"; it names: {list}."),
                    format!("Le mandat ne vise pas la caméra « {id} » ; il vise : {list}."),
                ),
                (
                    "Set the property camera to the camera truly used, or have the mandate extended.",
                    "Indiquez dans la propriété camera la caméra réelle, ou faites étendre le mandat.",
                ),
                "CSI R.252-3 3°",
            )
        })
}

/// The operator of a request, if designated, in date, trained and competent for the camera.
pub(crate) fn operator<'f>(
    form: &'f Form,
    purpose: &Purpose,
    id: &str,
    camera: &Camera,
    now: Timestamp,
) -> Result<&'f Operator, Refusal> {
    let not_habilitated = |en: String, fr: String| {
        refuse(
            "NOT_HABILITATED",
            (en, fr),
            (
                "Only people designated one by one may act: have the mandate name this operator, in date.",
                "Seules les personnes individuellement habilitées peuvent agir : faites désigner cet opérateur, à jour.",
            ),
            "CSI R.253-3",
        )
    };
    let Some(operator) = form.operators.iter().find(|o| o.id == id) else {
        return Err(not_habilitated(
            format!("The mandate does not designate the operator \"{id}\"."),
            format!("Le mandat n'habilite pas l'opérateur « {id} »."),
        ));
    };
    let h = &operator.habilitation;
    if now < h.valid_from || now >= h.valid_to {
        return Err(not_habilitated(
            format!(
                "The designation of operator {id} runs from {} to {}.",
                local(h.valid_from),
                local(h.valid_to)
            ),
            format!(
                "L'habilitation de l'opérateur {id} court du {} au {}.",
                local(h.valid_from),
                local(h.valid_to)
            ),
        ));
    }
    if !purpose.capacities.contains(&operator.capacity) {
        return Err(capacity(form, purpose, operator));
    }
    if !operator.territory.contains(&camera.insee_code) {
        return Err(refuse(
            "WRONG_TERRITORY",
            (
                format!(
                    "Camera {} films municipality {}, outside the territory of operator {id}.",
                    camera.id, camera.insee_code
                ),
                format!(
                    "La caméra {} filme la commune {}, hors du territoire de l'opérateur {id}.",
                    camera.id, camera.insee_code
                ),
            ),
            (
                "Have an operator of that municipality act.",
                "Faites agir un opérateur de cette commune.",
            ),
            "CSI R.253-3 II 2°",
        ));
    }
    let lacking: Vec<&str> = purpose
        .training
        .iter()
        .filter(|topic| {
            !operator
                .training
                .iter()
                .any(|t| t.topic == **topic && t.date <= time::day_of(now) && now < t.valid_to)
        })
        .map(String::as_str)
        .collect();
    if !lacking.is_empty() {
        let list = lacking.join(", ");
        return Err(refuse(
            "NOT_TRAINED",
            (
                format!("Operator {id} has no training in force on: {list}."),
                format!("L'opérateur {id} n'a pas de formation en cours de validité sur : {list}."),
            ),
            (
                "Train the operator, then list the training in the mandate.",
                "Formez l'opérateur, puis inscrivez la formation au mandat.",
            ),
            "CSI R.253-3 ; RGPD art. 32(4)",
        ));
    }
    Ok(operator)
}
