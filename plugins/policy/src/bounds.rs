// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bounds that a mandate sets itself: its recipients, its hours, what narrowed it, and the second person.

use crate::{
    decide::{Conditions, Request, required_mask},
    mandate::{
        Countersignature, Form, Mandate, Operator, Recipient, Restriction, Subject, same_person,
    },
    refusal::{Refusal, local, refuse},
    rules::Purpose,
    vocabulary::Mask,
};

/// Who takes part in a run beside the operator.
pub(crate) struct People<'f> {
    pub recipient: Option<&'f Recipient>,
    pub countersigned_by: Vec<Countersignature>,
}

/// Whether a second person has to countersign: where the rules say so, and whatever they say where images leave in
/// clear or one person is left out of the mask (CSI R.253-2; RGPD 32).
pub fn needs_second_person(purpose: &Purpose, form: &Form) -> bool {
    let mask = required_mask(purpose, form);
    let clear_export = purpose.export && purpose.video_out && mask == Mask::None;
    let lifted = purpose.one_clear && mask != Mask::Frame;
    purpose.second_person || clear_export || lifted
}

/// The countersignatures that count, at least one where one is needed.
pub(crate) fn second_person(
    conditions: &Conditions<'_>,
    purpose: &Purpose,
    mandate: &Mandate,
    operator: &Operator,
) -> Result<Vec<Countersignature>, Refusal> {
    let counted: Vec<Countersignature> = mandate
        .countersignatures
        .iter()
        .filter(|c| conditions.cosigners.contains(&c.key))
        .cloned()
        .collect();
    if counted.iter().any(|c| c.is_by(&operator.id)) {
        return Err(same_person());
    }
    if !counted.is_empty() || !needs_second_person(purpose, &mandate.form) {
        return Ok(counted);
    }
    let purpose = &mandate.form.purpose_id;
    let (en, fr) = match mandate.countersignatures.first() {
        None => (
            format!("{purpose} takes two people, and nobody countersigned this mandate."),
            format!("{purpose} exige deux personnes, et personne n'a contresigné ce mandat."),
        ),
        Some(c) => (
            format!(
                "{purpose} takes two people, and the key {} that countersigned this mandate is not among the trusted ones (cosigner-keys).",
                c.fingerprint()
            ),
            format!(
                "{purpose} exige deux personnes, et la clé {} qui a contresigné ce mandat n'est pas parmi les clés de confiance (cosigner-keys).",
                c.fingerprint()
            ),
        ),
    };
    Err(refuse(
        "SECOND_PERSON_MISSING",
        (en, fr),
        (
            "Have a second person, whose public key is in cosigner-keys, countersign it: privacyctl mandate countersign.",
            "Faites-le contresigner par une seconde personne dont la clé publique figure dans cosigner-keys : privacyctl mandate countersign.",
        ),
        "CSI R.253-2 ; RGPD art. 32",
    ))
}

/// The one recipient of this run, if the mandate has recipients.
pub(crate) fn recipient<'f>(
    mandate: &'f Mandate,
    request: &Request<'_>,
) -> Result<Option<&'f Recipient>, Refusal> {
    let all: &[Recipient] = mandate.form.recipient.as_ref().map_or(&[], |list| list);
    let names = |list: &[&Recipient]| {
        let names: Vec<String> = list.iter().map(|r| format!("{:?}", r.name)).collect();
        names.join(", ")
    };
    let all: Vec<&Recipient> = all.iter().collect();
    if !request.recipient.is_empty() {
        let chosen = all.iter().find(|r| r.name == request.recipient);
        return chosen.copied().map(Some).ok_or_else(|| {
            refuse(
                "WRONG_RECIPIENT",
                (
                    format!(
                        "The mandate does not name the recipient {:?}; it names: {}.",
                        request.recipient,
                        names(&all)
                    ),
                    format!(
                        "Le mandat ne désigne pas le destinataire {:?} ; il désigne : {}.",
                        request.recipient,
                        names(&all)
                    ),
                ),
                (
                    "Hand the images to nobody but a recipient of the mandate, or have it extended.",
                    "Ne remettez les images qu'à un destinataire du mandat, ou faites-le étendre.",
                ),
                "CSI R.253-5",
            )
        });
    }
    // A mandate that was narrowed to one recipient names that one.
    let left: Vec<&Recipient> = all
        .iter()
        .copied()
        .filter(|r| {
            mandate
                .restrictions
                .iter()
                .all(|restriction| match restriction {
                    Restriction::Recipients(list) => list.contains(&r.name),
                    _ => true,
                })
        })
        .collect();
    match (all.as_slice(), left.as_slice()) {
        ([], _) => Ok(None),
        (_, [one]) => Ok(Some(one)),
        // Its restrictions refuse it.
        ([one], _) => Ok(Some(one)),
        _ => Err(refuse(
            "RECIPIENT_NOT_CHOSEN",
            (
                format!(
                    "The mandate names several recipients, and a run serves one of them: {}.",
                    names(&all)
                ),
                format!(
                    "Le mandat désigne plusieurs destinataires, et une exécution n'en sert qu'un : {}.",
                    names(&all)
                ),
            ),
            (
                "Set recipient to one of them.",
                "Indiquez l'un d'eux dans recipient.",
            ),
            "CSI R.253-5",
        )),
    }
}

/// Whether the form's hours and everything that narrowed the mandate allow this.
pub(crate) fn within(mandate: &Mandate, subject: &Subject<'_>) -> Result<(), Refusal> {
    if let Some(schedule) = &mandate.form.schedule {
        schedule.check_at(subject.now)?;
    }
    let Some(restriction) = mandate.refused_by(subject) else {
        return Ok(());
    };
    if let Restriction::Hours(schedule) = restriction {
        return schedule.check_at(subject.now);
    }
    let (en, fr) = allowed(restriction);
    Err(refuse(
        "NARROWED_MANDATE",
        (
            format!("The mandate was narrowed after it was signed, and does not allow this: {en}."),
            format!("Le mandat a été restreint après sa signature et ne permet pas cela : {fr}."),
        ),
        (
            "See what the mandate allows with privacyctl mandate inspect.",
            "Consultez le mandat avec privacyctl mandate inspect.",
        ),
        "CSI R.253-3",
    ))
}

/// What a restriction leaves, in English and French.
pub fn allowed(restriction: &Restriction) -> (String, String) {
    // Debug text of a string is escaped, so that no value can look like another line or another restriction.
    let list = |items: &[String]| {
        let quoted: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
        quoted.join(", ")
    };
    let only = |en: &str, fr: &str, items: String| {
        (
            format!("only {en} {items}"),
            format!("seulement {fr} {items}"),
        )
    };
    match restriction {
        Restriction::Purposes(items) => only("the purpose", "la finalité", list(items)),
        Restriction::Cameras(items) => only("camera", "caméra", list(items)),
        Restriction::Operators(items) => only("operator", "opérateur", list(items)),
        Restriction::Recipients(items) => only("recipient", "destinataire", list(items)),
        Restriction::SinkClasses(items) => {
            let words: Vec<&str> = items.iter().map(|c| c.word()).collect();
            only("destination", "destination", words.join(", "))
        }
        Restriction::Period { from, until } => {
            let (mut en, mut fr) = ("only".to_owned(), "seulement".to_owned());
            if let Some(from) = from {
                en += &format!(" from {}", local(*from));
                fr += &format!(" à partir du {}", local(*from));
            }
            if let Some(until) = until {
                en += &format!(" before {}", local(*until));
                fr += &format!(" avant le {}", local(*until));
            }
            (en + " (Paris time)", fr + " (heure de Paris)")
        }
        Restriction::Hours(schedule) => {
            let slots: Vec<String> = schedule.slots.iter().map(ToString::to_string).collect();
            let slots = slots.join(", ");
            (
                format!("only {slots} (Paris time)"),
                format!("seulement {slots} (heure de Paris)"),
            )
        }
    }
}
