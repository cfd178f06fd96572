// SPDX-License-Identifier: MIT OR Apache-2.0
//! The empty form of a purpose, with what each field is for.

use crate::{
    rules::{Purpose, Rules},
    vocabulary::{DetectorUse, Field},
};

/// An empty form for a purpose, as TOML with comments in both languages, holding only what the purpose
/// needs. Every value in angle brackets has to be replaced: [`super::Form::parse`] refuses them.
///
/// `mandate_id` is a random identifier, `today` the day of issue.
pub fn template(
    rules: &Rules,
    id: &str,
    purpose: &Purpose,
    mandate_id: &str,
    today: jiff::civil::Date,
) -> String {
    let needs = |field| match field {
        // Public controllers need it; a private one takes it out.
        Field::ComplianceCommitment => {
            purpose.required.contains(&field) || !purpose.commitment_types.is_empty()
        }
        _ => purpose.required.contains(&field) || purpose.required_on_public_road.contains(&field),
    };
    let words = |list: Vec<&str>| list.join(" | ");
    let strings = |list: &[String]| words(list.iter().map(String::as_str).collect());
    let sinks = words(purpose.sink_classes.iter().map(|c| c.word()).collect());
    let capacities = words(purpose.capacities.iter().map(|c| c.word()).collect());
    let places = words(purpose.place_types.iter().map(|c| c.word()).collect());
    let (long_en, long_fr) = match purpose.max_duration_s {
        Some(s) => (
            format!("{} hours", s / 3600),
            format!("{} heures", s / 3600),
        ),
        None => {
            let days = purpose.max_duration_days;
            (format!("{days} days"), format!("{days} jours"))
        }
    };
    let (begin, end) = match purpose.max_duration_s {
        Some(_) => (format!("{today}T08:00:00"), format!("{today}T16:00:00")),
        None => (today.to_string(), today.to_string()),
    };
    let mut out = format!(
        "# {label_en} / {label_fr}\n\
         # {refs}\n\
         # Replace every value in angle brackets, then sign: privacyctl mandate sign FORM --key KEY --out MANDATE\n\
         # Remplacez chaque valeur entre chevrons, puis signez : privacyctl mandate sign FORMULAIRE --key CLÉ --out MANDAT\n\
         # Days are whole days, Paris time. / Les jours sont des jours entiers, heure de Paris.\n\n\
         version = 1\n\
         mandate_id = \"{mandate_id}\"\n\
         rules_version = \"{version}\"\n\
         purpose_id = \"{id}\"\n\
         # Why, in a sentence; it goes into the register. / Le motif en une phrase, repris dans le registre.\n\
         motif = \"<motif>\"\n\
         # {long_en} at most. / {long_fr} au plus.\n\
         valid_from = \"<{begin}>\"\n\
         valid_to = \"<{end}>\"\n\
         issued_by = \"<autorité / authority>\"\n\
         issued_at = {today}\n\
         # Any of / Au choix : {sinks}\n\
         sink_classes = [\"<{first_sink}>\"]\n\
         # At least \"{mask}\": none | persons | persons+vehicles | frame. / Au moins « {mask} ».\n\
         anonymisation = \"{mask}\"\n",
        label_en = purpose.label_en,
        label_fr = purpose.label_fr,
        refs = purpose.legal_refs.join(" ; "),
        version = rules.version,
        first_sink = purpose.sink_classes.first().map_or("", |c| c.word()),
        mask = purpose.required_mask,
    );
    if purpose.second_person {
        out.push_str(
            "# A second person countersigns after the signature: privacyctl mandate countersign. \
             / Une seconde personne contresigne ensuite.\n",
        );
    }
    let line = |out: &mut String, field: Field, comment: &str, text: &str| {
        if needs(field) {
            out.push_str(&format!("# {comment}\n{text}\n"));
        }
    };
    line(
        &mut out,
        Field::LegalBasis,
        &strings(&purpose.legal_bases),
        "legal_basis = \"<base légale / legal basis>\"",
    );
    line(
        &mut out,
        Field::Regime,
        &format!("LIL, titre : {}", strings(&purpose.regimes)),
        "regime = \"<titre / title>\"",
    );
    line(
        &mut out,
        Field::CsiGround,
        "Ground of CSI L.251-2, 1 to 11 (a number). / Motif de CSI L.251-2, 1 à 11 (un nombre).",
        "csi_ground = \"<1-11>\"",
    );
    line(
        &mut out,
        Field::RightsContact,
        "Where filmed people exercise their rights. / Où exercer ses droits.",
        "rights_contact = \"<contact>\"",
    );
    line(
        &mut out,
        Field::RopaRef,
        "Record of processing activities (GDPR 30). / Registre des traitements (RGPD 30).",
        "ropa_ref = \"<référence / reference>\"",
    );
    line(
        &mut out,
        Field::Audience,
        "habilitated | public",
        "audience = \"<habilitated>\"",
    );
    line(
        &mut out,
        Field::ViewingPlaces,
        "Rooms where the images are seen. / Lieux de visionnage.",
        "viewing_places = [\"<lieu / place>\"]",
    );
    line(
        &mut out,
        Field::Necessity,
        "Why it is necessary. / Pourquoi c'est nécessaire.",
        "necessity = \"<nécessité / necessity>\"",
    );
    line(
        &mut out,
        Field::Proportionality,
        "Why it is proportionate. / Pourquoi c'est proportionné.",
        "proportionality = \"<proportionnalité / proportionality>\"",
    );
    line(
        &mut out,
        Field::Channel,
        "website | magazine | social | email | other_electronic | press",
        "channel = \"<website>\"",
    );
    line(
        &mut out,
        Field::ItemRef,
        "What is published. / Ce qui est publié.",
        "item_ref = \"<référence / reference>\"",
    );
    line(
        &mut out,
        Field::Approver,
        "Role of who reviewed and approved it. / Fonction de qui a relu et approuvé.",
        "approver = \"<fonction / role>\"",
    );
    line(
        &mut out,
        Field::Consents,
        "\"none_recognisable\", or [{ digest = \"…\", date = 2026-01-31, scope = \"…\" }] per person recognisable. \
         / ou un consentement par personne reconnaissable.",
        "consents = \"<none_recognisable>\"",
    );
    line(
        &mut out,
        Field::BeneficiaryType,
        "public_body | other (never a candidate, list, party or campaign / jamais un candidat, une liste, un parti)",
        "beneficiary_type = \"<public_body>\"",
    );
    line(
        &mut out,
        Field::Promotional,
        "Does it promote the authority's achievements? true | false (C. élect. L.52-1) \
         / Met-elle en valeur les réalisations de la collectivité ?",
        "promotional = \"<false>\"",
    );
    let origins: Vec<String> = rules
        .reuse
        .iter()
        .filter(|(_, targets)| targets.iter().any(|t| t == id))
        .map(|(origin, _)| origin.clone())
        .collect();
    line(
        &mut out,
        Field::OriginPurpose,
        &format!(
            "What the images were recorded for. / Finalité d'origine des images : {}",
            strings(&origins)
        ),
        &format!(
            "origin_purpose = \"<{}>\"",
            origins.first().map_or("", String::as_str)
        ),
    );
    line(
        &mut out,
        Field::IncidentRef,
        "The incident that is looked into. / L'incident concerné.",
        "incident_ref = \"<référence / reference>\"",
    );
    line(
        &mut out,
        Field::RetentionDays,
        "Days that recordings are kept (a number), never more than authorised. / Jours de conservation (un nombre).",
        "retention_days = \"<15>\"",
    );
    line(
        &mut out,
        Field::StrictCaseRef,
        "The narrowly framed case. / Le cas strictement encadré.",
        "strict_case_ref = \"<délibération / decision>\"",
    );
    if needs(Field::Requisition) || needs(Field::Procedure) {
        out.push_str(
            "# Only for the copy kept for a case beyond the retention of recordings. / Copie conservée pour une affaire.\n\
             # case_copy_ref = \"…\"\n",
        );
    }
    line(
        &mut out,
        Field::Models,
        "SHA-256 of the detection models that were approved. / Modèles de détection approuvés.",
        &format!(
            "models = [{{ sha256 = \"<SHA-256>\", approved_by = \"<fonction / role>\", approved_on = \"<{today}>\" }}]"
        ),
    );
    if purpose.detector_use == DetectorUse::Statistics {
        out.push_str(
            "# Only for published test footage that is not vidéoprotection. / Uniquement pour un clip de test publié.\n\
             # footage = \"test\"\n",
        );
    }
    out.push_str(&format!(
        "\n# One table per camera; no wildcard. / Une table par caméra ; pas de joker.\n\
         [[cameras]]\nid = \"<cam-01>\"\ninsee_code = \"<38185>\"\n\
         # {places}\nplace_type = \"<{first_place}>\"\n\
         # mobility = \"fixed\" | \"mobile\"\n\
         # SHA-256 of the privacy zones, or \"none\" where no dwelling is in view (CSI L.251-3). / Zones de masquage.\n\
         # privacy_zones_digest = \"…\"\n\n\
         # One table per operator, by pseudonym. / Une table par opérateur, par pseudonyme.\n\
         [[operators]]\nid = \"<a-0001>\"\n# {capacities}\ncapacity = \"<{first_capacity}>\"\n\
         # INSEE codes whose images this person may see. / Codes INSEE de compétence.\n\
         territory = [\"<38185>\"]\n\
         [operators.habilitation]\nauthority = \"<autorité / authority>\"\nact_ref = \"<arrêté / act>\"\n\
         valid_from = \"<{today}>\"\nvalid_to = \"<{today}>\"\n",
        first_place = purpose.place_types.first().map_or("", |p| p.word()),
        first_capacity = purpose.capacities.first().map_or("", |c| c.word()),
    ));
    for topic in &purpose.training {
        out.push_str(&format!(
            "[[operators.training]]\ntopic = \"{topic}\"\ndate = \"<{today}>\"\nvalid_to = \"<{today}>\"\n"
        ));
    }
    let table = |out: &mut String, field: Field, text: &str| {
        if needs(field) {
            out.push_str(&format!("\n{text}\n"));
        }
    };
    table(
        &mut out,
        Field::Controller,
        &format!(
            "# Controller / Responsable de traitement. type: {}\n\
             [controller]\nname = \"<nom / name>\"\ntype = \"<type>\"\nsiren = \"<000000000>\"\ncontact = \"<contact>\"",
            strings(&purpose.controllers)
        ),
    );
    table(
        &mut out,
        Field::Dpo,
        "# Data protection officer / Délégué à la protection des données\n\
         [dpo]\nrole = \"<nom ou fonction / name or role>\"\ncontact = \"<contact>\"",
    );
    table(
        &mut out,
        Field::CsiAuthorisation,
        &format!(
            "# Prefectoral authorisation (CSI L.252-1) / Autorisation préfectorale\n\
             [csi_authorisation]\nprefect = \"<préfet de … / prefect of …>\"\nact_ref = \"<arrêté / act>\"\n\
             date = \"<{today}>\"\nvalid_to = \"<{today}>\"\nretention_days = {}",
            rules.max_retention_days
        ),
    );
    table(
        &mut out,
        Field::PublicNotice,
        &format!(
            "# Public notice (CSI R.253-6 I); it mentions this very purpose. / Information du public, pour cette finalité.\n\
             [public_notice]\nsign_ids = [\"<panneau / sign>\"]\nposted_on = \"<{today}>\"\nmentions = [\"<{mention}>\"]\n\
             content_version = \"<version>\"\ncontent = [\"<pictogram>\", \"<controller>\", \"<purposes>\", \"<rights>\"]",
            mention = purpose
                .notice_for
                .iter()
                .find(|n| *n != id)
                .filter(|_| !purpose.notice_for.iter().any(|n| n == id))
                .map_or(id, String::as_str),
        ),
    );
    table(
        &mut out,
        Field::Dpia,
        &format!(
            "# Impact assessment (GDPR 35) covering this purpose. / Analyse d'impact couvrant cette finalité.\n\
             [dpia]\nref = \"<référence / reference>\"\ndate = \"<{today}>\"\ncovers = [\"<{id}>\"]"
        ),
    );
    table(
        &mut out,
        Field::ComplianceCommitment,
        &format!(
            "# Commitment sent to the CNIL before the first use (CSI R.253-7). / Engagement de conformité.\n\
             [compliance_commitment]\ntype = \"{kind}\"\ncnil_ref = \"<référence / reference>\"\nsent_on = \"<{today}>\"",
            kind = purpose
                .commitment_types
                .first()
                .map_or("R253-7", String::as_str),
        ),
    );
    table(
        &mut out,
        Field::Recipient,
        &format!(
            "# Who receives the images (CSI R.253-5). / Destinataire.{}\n\
             [recipient]\nname = \"<nom ou fonction / name or role>\"\nservice = \"<service>\"\ncapacity = \"<qualité / capacity>\"",
            if purpose.recipient_capacities.is_empty() {
                String::new()
            } else {
                format!(" capacity: {}", strings(&purpose.recipient_capacities))
            }
        ),
    );
    table(
        &mut out,
        Field::DeclarationNonElectoral,
        &format!(
            "# Declaration that the publication is not electoral. / Déclaration de non-usage électoral.\n\
             [declaration_non_electoral]\nsignatory = \"<fonction / role>\"\ndate = \"<{today}>\""
        ),
    );
    table(
        &mut out,
        Field::Requisition,
        &format!(
            "# The one requisition: its cameras, its time. / La réquisition, une seule : ses caméras, sa période.\n\
             # authority_type: police_judiciaire | autorite_judiciaire; legal_article: {articles}\n\
             [requisition]\nauthority_type = \"<police_judiciaire>\"\nofficer = \"<service et matricule / service and number>\"\n\
             ref = \"<PV n°>\"\ndate = \"<{today}>\"\nlegal_article = \"<CPP 60-1>\"\ncameras = [\"<cam-01>\"]\n\
             from = \"<{today}T18:00:00>\"\nto = \"<{today}T19:00:00>\"\nobject = \"<objet / object>\"\ncase_ref = \"<affaire / case>\"",
            articles = strings(&purpose.requisition_articles),
        ),
    );
    table(
        &mut out,
        Field::Procedure,
        &format!(
            "# The procedure / La procédure. type: {}\n\
             [procedure]\ntype = \"<{}>\"\nref = \"<référence / reference>\"\nauthority = \"<autorité / authority>\"",
            strings(&purpose.procedure_types),
            purpose.procedure_types.first().map_or("", String::as_str),
        ),
    );
    table(
        &mut out,
        Field::AccessRequest,
        "# Request of the person filmed (CSI R.253-6 IV). decision: granted | refused / Demande d'accès.\n\
         [access_request]\nref = \"<référence / reference>\"\ndecision = \"<granted>\"",
    );
    table(
        &mut out,
        Field::MagistrateAuthorisation,
        &format!(
            "# Decision of the magistrate for one case. basis: authorisation | flagrance / Décision du magistrat.\n\
             [magistrate_authorisation]\nmagistrate = \"<magistrat / magistrate>\"\ncourt = \"<tribunal / court>\"\n\
             case_ref = \"<affaire / case>\"\ndate = \"<{today}>\"\nbasis = \"<authorisation>\"\n\
             # prosecutor_informed = true"
        ),
    );
    table(
        &mut out,
        Field::Search,
        &format!(
            "# What is looked for. / Objet de la recherche. classes: {}\n\
             [search]\nclasses = [\"<car>\"]\ndescription = \"<description>\"",
            strings(&purpose.detector_classes)
        ),
    );
    table(
        &mut out,
        Field::Event,
        &format!(
            "# The event of the prefect's order, and the cameras in its perimeter. / L'événement et son périmètre.\n\
             [event]\nname = \"<nom / name>\"\nkind = \"<sportif, récréatif, culturel>\"\nperimeter = [\"<cam-01>\"]\n\
             order_ref = \"<arrêté / order>\"\nvalid_from = \"<{today}>\"\nvalid_to = \"<{today}>\""
        ),
    );
    table(
        &mut out,
        Field::LegalReview,
        &format!(
            "# Legal review, needed where a public road is filmed. / Revue juridique, pour la voie publique.\n\
             [legal_review]\nby = \"<fonction / role>\"\ndate = \"<{today}>\""
        ),
    );
    table(
        &mut out,
        Field::Schedule,
        "# Days and hours (Paris time); from 00:00:00 to 00:00:00 is the whole day. / Jours et heures.\n\
         [[schedule.slot]]\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\n\
         from = \"<00:00:00>\"\nto = \"<00:00:00>\"",
    );
    let s = &rules.statistics;
    table(
        &mut out,
        Field::Stats,
        &format!(
            "# Classes: {}\n\
             # objection: {} (LIL 78, décret 2019-536 art. 116)\n\
             [stats]\nclasses = [\"<person>\"]\nwindow_s = {}\nmin_count = {}\npublish_delay_s = {}\n\
             objection = \"<objection>\"\nobjection_justification = \"<justification>\"\n\
             # Windows under {} s or delays under {} s need the DPO's written agreement. / Accord écrit du DPO.\n\
             # [stats.dpo_signoff]\n# by = \"…\"\n# date = {today}\n# min_window_s = 60\n\
             # min_publish_delay_s = 0",
            strings(&purpose.detector_classes),
            s.objections.join(" | "),
            s.window_default_s,
            s.min_count_default,
            s.publish_delay_s,
            s.window_floor_s,
            s.publish_delay_s,
        ),
    );
    out
}
