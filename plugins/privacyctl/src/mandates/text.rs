// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mandate in plain English and French.
//!
//! Every field of the form is told, by its name in [`FIELDS`], so that nothing that was signed stays unseen. What
//! others added after the signature is told from its structure and quoted, so that it cannot pass for another line.

use jiff::Timestamp;
use privacy_policy::{Capacity, Mandate, Rules, allowed};
use serde_json::Value;

use crate::{
    plain::{Lines, local, pick},
    register::row::capacity,
};

/// Fields of a form in the order in which they are told, with their names.
const FIELDS: &[(&str, &str, &str)] = &[
    ("motif", "reason", "motif"),
    ("csi_ground", "ground (CSI L.251-2)", "motif (CSI L.251-2)"),
    ("issued_by", "issued by", "établi par"),
    ("issued_at", "issued on", "établi le"),
    ("cameras", "camera", "caméra"),
    ("schedule", "hours (Paris)", "horaires (Paris)"),
    ("operators", "operator", "opérateur"),
    ("sink_classes", "destinations", "destinations"),
    ("anonymisation", "mask", "masquage"),
    ("audience", "audience", "public admis"),
    ("viewing_places", "viewed at", "lieux de visionnage"),
    ("recipient", "recipient", "destinataire"),
    ("requisition", "requisition", "réquisition"),
    ("magistrate_authorisation", "magistrate", "magistrat"),
    ("procedure", "procedure", "procédure"),
    ("access_request", "request for access", "demande d'accès"),
    ("incident_ref", "incident", "incident"),
    ("strict_case_ref", "case", "affaire"),
    ("case_copy_ref", "copy kept for a case", "copie conservée"),
    ("event", "event", "événement"),
    ("search", "search", "recherche"),
    ("origin_purpose", "recorded for", "enregistré pour"),
    ("retention_days", "kept, days", "conservation, jours"),
    ("channel", "channel", "canal"),
    ("item_ref", "item", "objet publié"),
    ("approver", "approved by", "approuvé par"),
    ("consents", "consents", "consentements"),
    ("beneficiary_type", "for the benefit of", "au bénéfice de"),
    ("promotional", "promotional", "promotionnel"),
    (
        "declaration_non_electoral",
        "not electoral",
        "non électoral",
    ),
    ("stats", "statistics", "statistiques"),
    ("footage", "footage", "images"),
    ("models", "approved model", "modèle approuvé"),
    ("legal_basis", "legal basis", "base légale"),
    ("regime", "title of the LIL", "titre de la LIL"),
    ("controller", "controller", "responsable"),
    ("dpo", "DPO", "DPO"),
    ("rights_contact", "rights", "droits"),
    ("csi_authorisation", "authorisation", "autorisation"),
    ("public_notice", "public notice", "information du public"),
    ("dpia", "impact assessment", "analyse d'impact"),
    ("ropa_ref", "processing record", "registre RGPD 30"),
    (
        "compliance_commitment",
        "commitment (CNIL)",
        "engagement (CNIL)",
    ),
    ("necessity", "necessity", "nécessité"),
    ("proportionality", "proportionality", "proportionnalité"),
    ("legal_review", "legal review", "avis juridique"),
    ("revocation", "revocations at", "révocations"),
    ("mandate_id", "identifier", "identifiant"),
    ("rules_version", "rules", "règles"),
];

/// Fields inside those, by the last part of their path.
const PARTS: &[(&str, &str, &str)] = &[
    ("act_ref", "act", "acte"),
    ("approved_by", "approved by", "approuvé par"),
    ("approved_on", "approved on", "approuvé le"),
    ("authority", "authority", "autorité"),
    ("authority_type", "authority", "autorité"),
    ("basis", "basis", "fondement"),
    ("cameras", "cameras", "caméras"),
    ("capacity", "capacity", "qualité"),
    ("case_ref", "case", "affaire"),
    ("classes", "classes", "classes"),
    ("cnil_ref", "CNIL reference", "référence CNIL"),
    ("contact", "contact", "contact"),
    ("content", "content", "contenu"),
    ("content_version", "version of the text", "version du texte"),
    ("court", "court", "juridiction"),
    ("covers", "covers", "couvre"),
    ("date", "date", "date"),
    ("days", "days", "jours"),
    ("decision", "decision", "décision"),
    ("description", "description", "description"),
    ("digest", "SHA-256", "SHA-256"),
    ("dpo_signoff", "DPO's agreement", "accord du DPO"),
    ("event_end", "end of the event", "fin de l'événement"),
    ("except", "except on", "sauf le"),
    ("from", "from", "du"),
    ("habilitation", "designation", "habilitation"),
    ("id", "id", "id"),
    ("insee_code", "INSEE", "INSEE"),
    ("kind", "kind", "nature"),
    ("legal_article", "article", "article"),
    ("magistrate", "magistrate", "magistrat"),
    ("mentions", "mentions", "mentions"),
    ("min_count", "smallest count", "effectif minimal"),
    (
        "min_publish_delay_s",
        "shortest delay, s",
        "délai minimal, s",
    ),
    ("min_window_s", "shortest window, s", "fenêtre minimale, s"),
    ("mobility", "mobility", "mobilité"),
    ("motive", "reason", "motif"),
    ("name", "name", "nom"),
    ("object", "object", "objet"),
    ("objection", "right to object", "droit d'opposition"),
    ("objection_justification", "because", "parce que"),
    ("officer", "officer", "officier"),
    ("order_ref", "order", "arrêté"),
    ("perimeter", "perimeter", "périmètre"),
    ("place_type", "place", "lieu"),
    ("posted_on", "posted on", "affiché le"),
    ("prefect", "prefect", "préfet"),
    ("preset", "preset", "préréglage"),
    ("privacy_zones_digest", "privacy zones", "zones masquées"),
    (
        "prosecutor_informed",
        "prosecutor informed",
        "procureur informé",
    ),
    ("provisional", "provisional", "provisoire"),
    (
        "publish_delay_s",
        "publication delay, s",
        "délai de publication, s",
    ),
    ("ref", "reference", "référence"),
    ("retention_days", "kept, days", "conservation, jours"),
    ("role", "role", "fonction"),
    ("scope", "scope", "portée"),
    ("sent_on", "sent on", "envoyé le"),
    ("service", "service", "service"),
    ("sha256", "SHA-256", "SHA-256"),
    ("sign_ids", "signs", "panneaux"),
    ("signatory", "signatory", "signataire"),
    ("siren", "SIREN", "SIREN"),
    ("slot", "slot", "plage"),
    ("territory", "territory", "territoire"),
    ("to", "to", "au"),
    ("topic", "topic", "sujet"),
    ("training", "training", "formation"),
    ("type", "type", "type"),
    ("url", "address", "adresse"),
    ("valid_from", "from", "du"),
    ("valid_to", "until", "jusqu'au"),
    ("window_s", "window, s", "fenêtre, s"),
    ("by", "by", "par"),
];

/// Words of the form's vocabularies, by the field that holds them.
const WORDS: &[(&str, &str, &str, &str)] = &[
    ("sink_classes", "undeclared", "not declared", "non déclarée"),
    (
        "sink_classes",
        "csu-display",
        "screens of the control room",
        "écrans du CSU",
    ),
    (
        "sink_classes",
        "internal-secured",
        "internal network, encrypted",
        "réseau interne chiffré",
    ),
    (
        "sink_classes",
        "internal-unsecured",
        "internal network, in clear",
        "réseau interne en clair",
    ),
    (
        "sink_classes",
        "store",
        "recorder of the system",
        "enregistreur du système",
    ),
    ("sink_classes", "file", "file", "fichier"),
    ("sink_classes", "public", "the public", "le public"),
    (
        "anonymisation",
        "none",
        "none: images in clear",
        "aucun : images en clair",
    ),
    (
        "anonymisation",
        "persons",
        "every person",
        "toutes les personnes",
    ),
    (
        "anonymisation",
        "persons+vehicles",
        "every person and vehicle, plates included",
        "toutes les personnes et tous les véhicules, plaques comprises",
    ),
    ("anonymisation", "frame", "the whole image", "toute l'image"),
    (
        "audience",
        "habilitated",
        "designated people only",
        "personnes habilitées seulement",
    ),
    ("audience", "public", "anybody", "tout public"),
    ("channel", "website", "website", "site internet"),
    ("channel", "magazine", "magazine", "magazine"),
    ("channel", "social", "social network", "réseau social"),
    ("channel", "email", "e-mail", "courriel"),
    (
        "channel",
        "other_electronic",
        "other electronic medium",
        "autre support électronique",
    ),
    ("channel", "press", "press", "presse"),
    ("place_type", "public_road", "public road", "voie publique"),
    (
        "place_type",
        "open_to_public",
        "place open to the public",
        "lieu ouvert au public",
    ),
    (
        "place_type",
        "not_open_to_public",
        "place not open to the public",
        "lieu non ouvert au public",
    ),
    ("place_type", "private", "private place", "lieu privé"),
    (
        "place_type",
        "research",
        "research laboratory",
        "laboratoire de recherche",
    ),
    (
        "beneficiary_type",
        "public_body",
        "a public body",
        "un organisme public",
    ),
    (
        "beneficiary_type",
        "other",
        "another body",
        "un autre organisme",
    ),
    (
        "footage",
        "videoprotection",
        "images of a vidéoprotection system",
        "images de vidéoprotection",
    ),
    (
        "footage",
        "test",
        "published test clip",
        "clip de test publié",
    ),
    (
        "consents",
        "none_recognisable",
        "nobody can be recognised",
        "personne n'est reconnaissable",
    ),
    (
        "legal_basis",
        "rgpd_6_1_e",
        "task in the public interest (GDPR 6(1)(e))",
        "mission d'intérêt public (RGPD 6(1)(e))",
    ),
    (
        "legal_basis",
        "rgpd_6_1_f",
        "legitimate interests (GDPR 6(1)(f))",
        "intérêts légitimes (RGPD 6(1)(f))",
    ),
    (
        "legal_basis",
        "rgpd_6_1_c",
        "legal obligation (GDPR 6(1)(c))",
        "obligation légale (RGPD 6(1)(c))",
    ),
    ("mobility", "fixed", "fixed", "fixe"),
    ("mobility", "mobile", "mobile", "mobile"),
    ("decision", "granted", "granted", "accordée"),
    ("decision", "refused", "refused", "refusée"),
    ("basis", "authorisation", "authorisation", "autorisation"),
    ("basis", "flagrance", "flagrance", "flagrance"),
    ("days", "mon", "Monday", "lundi"),
    ("days", "tue", "Tuesday", "mardi"),
    ("days", "wed", "Wednesday", "mercredi"),
    ("days", "thu", "Thursday", "jeudi"),
    ("days", "fri", "Friday", "vendredi"),
    ("days", "sat", "Saturday", "samedi"),
    ("days", "sun", "Sunday", "dimanche"),
];

/// A verified mandate.
pub fn mandate(rules: &Rules, mandate: &Mandate, now: Timestamp, french: bool) -> String {
    let form = &mandate.form;
    let mut lines = Lines::new(french);
    let label = rules
        .purpose(&form.purpose_id)
        .map_or("", |p| pick(french, &p.label_en, &p.label_fr));
    lines.add(
        "purpose",
        "finalité",
        format_args!("{} ({label})", form.purpose_id),
    );
    let state = if now >= form.valid_to {
        pick(french, "ended", "terminé")
    } else if now < form.valid_from {
        pick(french, "not begun", "pas commencé")
    } else {
        pick(french, "in force", "en vigueur")
    };
    lines.add(
        "validity",
        "validité",
        format_args!(
            "{} – {}, {state}",
            local(form.valid_from),
            local(form.valid_to)
        ),
    );
    // A form is a table of texts, numbers and lists, so it has a JSON form.
    let Ok(Value::Object(fields)) = serde_json::to_value(form) else {
        return lines.text;
    };
    let told_above = ["version", "purpose_id", "valid_from", "valid_to"];
    for (name, en, fr) in FIELDS {
        let Some(value) = fields.get(*name) else {
            continue;
        };
        for item in items(value) {
            lines.add(en, fr, words(name, item, french));
        }
    }
    for (name, value) in &fields {
        if !told_above.contains(&name.as_str()) && !FIELDS.iter().any(|f| f.0 == name) {
            lines.add(name, name, words(name, value, french));
        }
    }
    added(mandate, &mut lines, french);
    lines.text
}

/// What was added after the authority signed, and what the mandate is known by.
fn added(mandate: &Mandate, lines: &mut Lines, french: bool) {
    for restriction in &mandate.restrictions {
        let (en, fr) = allowed(restriction);
        lines.add("narrowed", "restreint", if french { fr } else { en });
    }
    for c in &mandate.countersignatures {
        lines.add(
            "countersigned",
            "contresigné",
            format_args!(
                "{:?}, {:?}, {} {}",
                c.name,
                c.role,
                pick(french, "key", "clé"),
                c.fingerprint()
            ),
        );
    }
    lines.add("digest (SHA-256)", "empreinte (SHA-256)", &mandate.digest);
    lines.add("signed by key", "signé par la clé", &mandate.signed_by);
    for (at, id) in mandate.revocation_ids.iter().enumerate() {
        let second = mandate.countersignatures.iter().any(|c| c.block == at);
        let block = match (at, second) {
            (0, _) => pick(french, "the whole mandate", "tout le mandat"),
            (_, true) => pick(
                french,
                "from the countersignature on",
                "à partir de la contresignature",
            ),
            (_, false) => pick(
                french,
                "from this restriction on",
                "à partir de cette restriction",
            ),
        };
        lines.add(
            "revocation id",
            "id de révocation",
            format_args!("{id} ({block})"),
        );
    }
}

/// A list of tables is told one item a line, anything else in one line.
fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) if list.iter().any(Value::is_object) => list.iter().collect(),
        other => vec![other],
    }
}

/// The value of a field in words; `name` is the last part of its path.
fn words(name: &str, value: &Value, french: bool) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => pick(french, "yes", "oui").to_owned(),
        Value::Bool(false) => pick(french, "no", "non").to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => word(name, text, french),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(|item| words(name, item, french)).collect();
            list.join(", ")
        }
        Value::Object(table) => {
            let parts: Vec<String> = table
                .iter()
                .map(|(part, value)| {
                    let label = PARTS
                        .iter()
                        .find(|p| p.0 == part)
                        .map_or(part.as_str(), |p| pick(french, p.1, p.2));
                    let between = pick(french, ":", " :");
                    let value = match value {
                        // Commas stand between the parts of the items as well.
                        Value::Array(list) if list.iter().any(Value::is_object) => list
                            .iter()
                            .map(|item| format!("({})", words(part, item, french)))
                            .collect::<Vec<_>>()
                            .join(" "),
                        Value::Object(_) => format!("({})", words(part, value, french)),
                        other => words(part, other, french),
                    };
                    format!("{label}{between} {value}")
                })
                .collect();
            parts.join("; ")
        }
    }
}

fn word(name: &str, text: &str, french: bool) -> String {
    if name == "capacity" && Capacity::from_word(text).is_some() {
        return capacity(text, french);
    }
    if let Some(word) = WORDS.iter().find(|w| w.0 == name && w.1 == text) {
        return pick(french, word.2, word.3).to_owned();
    }
    // Instants are kept in UTC.
    text.parse::<Timestamp>()
        .map_or_else(|_| text.to_owned(), local)
}

/// What is known of an unverified token: nothing that it says.
pub fn unverified(blocks: &[(String, Option<String>)], french: bool) -> String {
    let mut lines = Lines::new(french);
    lines.title(pick(
        french,
        "SIGNATURE NOT VERIFIED: anybody may have written this, so its content is not shown. Give --key to verify it.",
        "SIGNATURE NON VÉRIFIÉE : n'importe qui a pu écrire ceci, son contenu n'est donc pas affiché. Indiquez --key pour la vérifier.",
    ));
    lines.title("");
    for (id, key) in blocks {
        if let Some(key) = key {
            lines.add("countersigned by key", "contresigné, clé", key);
        }
        lines.add("revocation id", "id de révocation", id);
    }
    lines.text
}

#[cfg(test)]
mod tests {
    use privacy_policy::Form;

    use super::*;

    fn names(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(table) => {
                for (name, value) in table {
                    found.push(if path.is_empty() {
                        format!("/{name}")
                    } else {
                        name.clone()
                    });
                    names(value, name, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|item| names(item, path, found)),
            _ => {}
        }
    }

    #[test]
    fn every_field_of_every_form_has_a_name_in_both_languages() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/tests/forms");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let form = Form::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let mut found = Vec::new();
            names(&serde_json::to_value(&form).unwrap(), "", &mut found);
            for name in found {
                let told = match name.strip_prefix('/') {
                    Some(field) => {
                        ["version", "purpose_id", "valid_from", "valid_to"].contains(&field)
                            || FIELDS.iter().any(|f| f.0 == field)
                    }
                    None => PARTS.iter().any(|p| p.0 == name),
                };
                assert!(told, "{name} of {}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 100);
    }
}
