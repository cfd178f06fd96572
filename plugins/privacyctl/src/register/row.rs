// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the columns of the register say about an entry, in the reader's language. Nothing here is escaped:
//! whoever shows these texts does that.

use std::sync::LazyLock;

use privacy_policy::{Capacity, Rules};
use privacy_register::{Entry, Operation, Phase, Recipient};
use privacy_verify::words::operation_name;
use serde_json::Value;

use super::filter;

static RULES: LazyLock<Rules> = LazyLock::new(Rules::builtin);

/// One of two texts.
pub fn pick<'a>(french: bool, en: &'a str, fr: &'a str) -> &'a str {
    if french { fr } else { en }
}

/// To whom the images went; empty when the entry does not say.
pub fn recipient(entry: &Entry) -> String {
    match &entry.destinataire {
        None => String::new(),
        Some(Recipient::Nobody(_)) => "aucun".into(),
        Some(Recipient::Somebody {
            name,
            service,
            capacity,
        }) => joined(&[name, service, capacity], ", "),
    }
}

/// Texts that say something, one after the other.
pub fn joined(parts: &[&str], between: &str) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.trim().is_empty())
        .collect();
    parts.join(between)
}

/// The name of a purpose. The register holds the French one; the English one is that of today's rules.
pub fn purpose(entry: &Entry, french: bool) -> String {
    let label = match french {
        true => entry.purpose_label_fr.as_str(),
        false => RULES
            .purpose(&entry.purpose_id)
            .map_or("", |p| p.label_en.as_str()),
    };
    label.to_owned()
}

/// In what quality somebody acted; an unknown word stays as it is.
pub fn capacity(word: &str, french: bool) -> String {
    let Some(capacity) = Capacity::from_word(word) else {
        return word.to_owned();
    };
    let (en, fr) = match capacity {
        Capacity::CsuOperator => ("control room operator", "opérateur de CSU"),
        Capacity::PoliceMunicipale => ("municipal police", "police municipale"),
        Capacity::AgentL531 => (
            "agent of L.531-1 to L.533-1 CSI",
            "agent des art. L.531-1 à L.533-1 CSI",
        ),
        Capacity::EluMaire => ("mayor or deputy", "maire ou adjoint"),
        Capacity::AgentAgree => ("agent approved by the prefect", "agent agréé par le préfet"),
        Capacity::PoliceNationale => ("national police", "police nationale"),
        Capacity::Gendarmerie => ("gendarmerie", "gendarmerie"),
        Capacity::Douanes => ("customs", "douanes"),
        Capacity::Sdis => ("fire and rescue", "SDIS"),
        Capacity::Opj => ("OPJ (judicial police officer)", "OPJ"),
        Capacity::Apj => ("APJ (judicial police agent)", "APJ"),
        Capacity::Magistrat => ("magistrate", "magistrat"),
        Capacity::Communication => ("communication department", "service communication"),
        Capacity::Technicien => ("technician", "technicien"),
        Capacity::Inspecteur => ("inspector", "contrôleur"),
        Capacity::Prive => (
            "private operator (L.613-13 CSI)",
            "opérateur privé (L.613-13 CSI)",
        ),
        Capacity::PersonneConcernee => ("the person filmed", "personne filmée"),
        Capacity::Commercant => ("a shopkeeper", "commerçant"),
    };
    pick(french, en, fr).to_owned()
}

/// What was done and where the entry stands in it, for a table of entries.
pub fn operation(entry: &Entry, french: bool) -> String {
    let mut text = operation_name(entry.operation, french).to_owned();
    let prior = entry
        .prior_entry_seq
        .map(|prior| prior.to_string())
        .unwrap_or_default();
    match entry.phase {
        Some(Phase::Open) => text += pick(french, ", opened", ", ouverture"),
        Some(Phase::Segment) => {
            text += pick(french, ", goes on from ", ", suite de ");
            text += &prior;
        }
        Some(Phase::Close) | None if !prior.is_empty() => {
            text += pick(french, ", closes ", ", clôt ");
            text += &prior;
        }
        Some(Phase::Close) | None => {}
    }
    if entry.interrupted {
        text += pick(french, ", interrupted", ", interrompue");
    }
    if let Some(refusal) = &entry.refusal {
        text += &format!(" {}", refusal.code);
    }
    text
}

/// What the entry names as the ground of what was done.
pub fn legal_basis(entry: &Entry, french: bool) -> String {
    let mut parts = Vec::new();
    if let Some(ground) = entry.more.get("csi_ground").and_then(Value::as_u64) {
        parts.push(format!("CSI L.251-2, {ground}°"));
    }
    if let Some(reference) = filter::requisition(entry) {
        parts.push(format!(
            "{} {reference}",
            pick(french, "requisition", "réquisition")
        ));
    }
    let named = [
        ("case", "case", "affaire"),
        ("procedure", "procedure", "procédure"),
        ("authorisation", "authorisation", "autorisation"),
        ("dpia", "impact assessment", "AIPD"),
        ("commitment", "commitment", "engagement"),
        ("ropa", "record of processing", "registre des traitements"),
    ];
    for (name, en, fr) in named {
        let reference = entry.more.get("legal_refs").and_then(|refs| refs.get(name));
        if let Some(reference) = reference
            .and_then(Value::as_str)
            .filter(|t| !t.trim().is_empty())
        {
            parts.push(format!("{} {reference}", pick(french, en, fr)));
        }
    }
    if let Some(refusal) = entry.refusal.as_ref().filter(|r| !r.legal_ref.is_empty()) {
        parts.push(refusal.legal_ref.clone());
    }
    parts.join(" ; ")
}

/// What came of what was asked for: why it was refused, or what was erased.
pub fn particulars(entry: &Entry, french: bool) -> String {
    match (entry.operation, &entry.refusal, &entry.erasure) {
        (Operation::Refuse, Some(refusal), _) => {
            let message = pick(french, &refusal.message_en, &refusal.message_fr);
            joined(&[&refusal.code, message], pick(french, ": ", " : "))
        }
        (Operation::Erase, _, Some(erasure)) => {
            let mut text = erasure.reason.clone();
            if let Some(before) = erasure.entries_before {
                text += &match french {
                    false => format!("; content of the entries below no. {before}"),
                    true => format!(" ; contenu des mentions antérieures au nº {before}"),
                };
            }
            if !erasure.files.is_empty() {
                text += &format!(" ({})", erasure.files.join(", "));
            }
            text
        }
        _ => String::new(),
    }
}
