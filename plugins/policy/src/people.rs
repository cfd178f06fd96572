// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the camera and the operator of a request are those of the mandate.

use jiff::Timestamp;

use crate::{
    complete::missing,
    decide::place_allowed,
    mandate::{Camera, Form, Operator},
    refusal::{Refusal, local, refuse},
    rules::{Purpose, Rules},
    time,
    vocabulary::{Capacity, Field},
};

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

/// Municipal police act on a requisition and never on their own initiative: of all that such a mandate lacks, this
/// is what to say.
pub(crate) fn municipal_initiative(
    rules: &Rules,
    purpose: &Purpose,
    form: &Form,
    operator: &str,
) -> Result<(), Refusal> {
    let municipal = |o: &Operator| o.capacity == Capacity::PoliceMunicipale;
    let acting = match form.operators.iter().find(|o| o.id == operator) {
        Some(operator) => municipal(operator),
        None => !form.operators.is_empty() && form.operators.iter().all(municipal),
    };
    if !acting || !purpose.required.contains(&Field::Requisition) || form.requisition.is_some() {
        return Ok(());
    }
    Err(rules
        .purpose("refused.municipal_initiative")
        .map(Refusal::of_purpose)
        .unwrap_or_else(|| missing("requisition", &form.purpose_id)))
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

pub(crate) fn capacity(form: &Form, purpose: &Purpose, operator: &Operator) -> Refusal {
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
