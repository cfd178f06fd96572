// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the documents that a mandate cites must say.

use jiff::Timestamp;

use crate::{
    cases,
    complete::{DAY_S, bad_field, missing},
    decide::{self, Conditions},
    mandate::{Audience, Beneficiary, Consents, Footage, Form},
    refusal::{NEW_MANDATE, Refusal, local, refuse},
    rules::{Purpose, Rules},
    time,
    vocabulary::{Field, Mask},
};

/// Authorisation, impact assessment, notice and commitment.
pub(crate) fn documents(
    rules: &Rules,
    purpose: &Purpose,
    form: &Form,
    now: Timestamp,
) -> Result<(), Refusal> {
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
        && !form.public_notice.as_ref().is_some_and(|n| {
            let announced = if purpose.notice_for.is_empty() {
                n.mentions.contains(id)
            } else {
                n.mentions.iter().any(|m| purpose.notice_for.contains(m))
            };
            announced && n.posted_on <= today
        })
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
    if purpose.required.contains(&Field::PublicNotice) {
        cases::notice_content(rules, form)?;
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

pub(crate) fn anonymisation(rules: &Rules, purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
    if form.anonymisation < purpose.required_mask && purpose.video_out {
        if purpose.election_sensitive
            && let Some(clear) = rules.purpose("refused.clear_publication")
        {
            return Err(Refusal::of_purpose(clear));
        }
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
    if decide::required_mask(purpose, form) == Mask::None
        && purpose.video_out
        && form.audience != Some(Audience::Habilitated)
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
pub(crate) fn publication(
    conditions: &Conditions<'_>,
    purpose: &Purpose,
    form: &Form,
    now: Timestamp,
) -> Result<(), Refusal> {
    let rules = conditions.rules;
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
    for consent in match &form.consents {
        Some(Consents::Given(given)) => given.as_slice(),
        Some(Consents::None(_)) | None => &[],
    } {
        cases::sha256("consents.digest", &consent.digest)?;
        cases::not_in_future("consents.date", consent.date, now)?;
    }
    if let Some(declaration) = &form.declaration_non_electoral {
        cases::not_in_future("declaration_non_electoral.date", declaration.date, now)?;
    }
    let calendar = conditions.calendar;
    if purpose.election_sensitive && !calendar.covers(now) {
        return Err(refuse(
            "CALENDAR_MISSING",
            (
                "No election calendar says that publication is allowed today, so it is not.",
                "Aucun calendrier électoral n'indique qu'une publication est permise aujourd'hui : elle est donc refusée.",
            ),
            (
                "Install an election calendar that covers today (election-calendar).",
                "Installez un calendrier électoral qui couvre la date du jour (election-calendar).",
            ),
            "C. élect. L.52-1",
        ));
    }
    if form.promotional == Some(true) {
        let blocked = calendar.blocking(form, now);
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

pub(crate) fn requisition(purpose: &Purpose, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    if !purpose.required.contains(&Field::Requisition) {
        return Ok(());
    }
    let Some(r) = &form.requisition else {
        return Err(missing("requisition", &form.purpose_id));
    };
    if r.from >= r.to || r.from > now {
        return Err(bad_field(
            "requisition.from, requisition.to",
            "the time asked for begins in the past and ends after its beginning",
            "la période demandée commence dans le passé et finit après son début",
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

pub(crate) fn statistics(rules: &Rules, purpose: &Purpose, form: &Form) -> Result<(), Refusal> {
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
        s.min_window_s.min(limits.window_floor_s)
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
    if signoff.is_some_and(|s| s.by.trim().is_empty()) {
        return Err(missing("stats.dpo_signoff.by", &form.purpose_id));
    }
    // Nothing is operational about a published clip, so its counts may appear at once.
    let delay_floor = if form.footage == Some(Footage::Test) {
        0
    } else {
        signoff
            .and_then(|s| s.min_publish_delay_s)
            .map_or(limits.publish_delay_s, |floor| {
                floor.min(limits.publish_delay_s)
            })
    };
    if stats
        .publish_delay_s
        .is_some_and(|delay| delay < delay_floor)
    {
        return Err(bad_field(
            "stats.publish_delay_s",
            format!("at least {delay_floor} s, or less with stats.dpo_signoff.min_publish_delay_s"),
            format!(
                "au moins {delay_floor} s, ou moins avec stats.dpo_signoff.min_publish_delay_s"
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
