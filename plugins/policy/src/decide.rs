// SPDX-License-Identifier: MIT OR Apache-2.0
//! The decision: rules, mandate and request in, a grant or a refusal out.

use jiff::{Timestamp, civil::Date};

use crate::{
    bounds,
    calendar::Calendar,
    complete,
    grant::Grant,
    key::PublicKey,
    mandate::{Footage, Form, Mandate, Subject},
    people,
    refusal::{NEW_MANDATE, Refusal, local, refuse},
    revocation::Revocations,
    rules::{Purpose, Rules},
    time,
    vocabulary::{DetectorUse, Mask, Mode, PlaceType, SinkClass},
};

/// What a site holds beside the mandate, and decides with: files that it may replace, and keys that it trusts.
#[derive(Debug, Clone, Copy)]
pub struct Conditions<'a> {
    /// The rules.
    pub rules: &'a Rules,
    /// The elections, in whose periods a public body may not promote itself.
    pub calendar: &'a Calendar,
    /// Mandates that were withdrawn, and orders that suspend.
    pub revocations: &'a Revocations,
    /// Keys of the people who may countersign. A mandate that needs a second person opens with none of them
    /// never.
    pub cosigners: &'a [PublicKey],
}

impl<'a> Conditions<'a> {
    /// These rules with the calendar that ships with the crate, nothing withdrawn, and nobody to countersign.
    pub fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            calendar: Calendar::builtin(),
            revocations: Revocations::none(),
            cosigners: &[],
        }
    }
}

/// What somebody asks for, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The time of the decision.
    pub now: Timestamp,
    /// Identifier of the purpose.
    pub purpose: &'a str,
    /// Identifier of the camera.
    pub camera: &'a str,
    /// Pseudonym of the operator.
    pub operator: &'a str,
    /// Where the images go.
    pub sink_class: SinkClass,
    /// Name of the recipient; may stay empty where the mandate leaves only one.
    pub recipient: &'a str,
    /// Whether the source is live; `None` while nobody knows, in which case [`Grant::check_mode`] is
    /// asked later.
    pub live: Option<bool>,
}

impl Request<'static> {
    /// A request for nothing at all, to be filled in.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            purpose: "",
            camera: "",
            operator: "",
            sink_class: SinkClass::Undeclared,
            recipient: "",
            live: None,
        }
    }
}

/// Whether images may flow. Every path that is not an explicit grant is a refusal.
pub fn decide(
    conditions: &Conditions<'_>,
    mandate: Option<&Mandate>,
    request: &Request<'_>,
) -> Result<Grant, Refusal> {
    let rules = conditions.rules;
    let purpose = open_purpose(rules, request.purpose, request.now)?;
    let Some(mandate) = mandate else {
        return Err(refuse(
            "NO_MANDATE",
            (
                format!(
                    "The purpose {} needs a signed mandate and none was given.",
                    request.purpose
                ),
                format!(
                    "La finalité {} exige un mandat signé et aucun n'a été fourni.",
                    request.purpose
                ),
            ),
            (
                format!(
                    "Draw one up: privacyctl mandate new --purpose {}.",
                    request.purpose
                ),
                format!(
                    "Établissez-en un : privacyctl mandate new --purpose {}.",
                    request.purpose
                ),
            ),
            "CSI R.253-3",
        ));
    };
    let form = &mandate.form;
    if form.purpose_id != request.purpose {
        return Err(refuse(
            "WRONG_PURPOSE",
            (
                format!(
                    "The mandate is for {} and not for {}.",
                    form.purpose_id, request.purpose
                ),
                format!(
                    "Le mandat porte sur {} et non sur {}.",
                    form.purpose_id, request.purpose
                ),
            ),
            (
                "One mandate serves one purpose: use the mandate of this purpose.",
                "Un mandat vaut pour une seule finalité : utilisez celui de cette finalité.",
            ),
            "RGPD art. 5(1)(b) ; C. pén. 226-21",
        ));
    }
    conditions
        .revocations
        .check(mandate, request.purpose, request.camera, request.now)?;
    in_date(form, request.now)?;
    people::municipal_initiative(rules, purpose, form, request.operator)?;
    complete::complete(conditions, form, request.now)?;
    let camera = people::camera(form, purpose, request.camera)?;
    let operator = people::operator(form, purpose, request.operator, camera, request.now)?;
    sink(form, purpose, request)?;
    let people = bounds::People {
        countersigned_by: bounds::second_person(conditions, purpose, mandate, operator)?,
        recipient: bounds::recipient(mandate, request)?,
    };
    bounds::within(
        mandate,
        &Subject {
            now: request.now,
            purpose: request.purpose,
            camera: request.camera,
            operator: request.operator,
            sink_class: request.sink_class,
            recipient: people.recipient.map(|r| r.name.as_str()),
        },
    )?;
    let grant = Grant::new(
        conditions, purpose, mandate, camera, operator, people, request,
    );
    if let Some(live) = request.live {
        grant.check_mode(live)?;
    }
    Ok(grant)
}

/// The purpose, if it can open to anybody at this time.
pub(crate) fn open_purpose<'r>(
    rules: &'r Rules,
    id: &str,
    now: Timestamp,
) -> Result<&'r Purpose, Refusal> {
    if time::day_of(now) > rules.review_by {
        return Err(refuse(
            "RULES_PAST_REVIEW",
            (
                format!(
                    "The rules {} had to be reviewed by {}; until then everything is refused.",
                    rules.version, rules.review_by
                ),
                format!(
                    "Les règles {} devaient être relues avant le {} ; jusque-là tout est refusé.",
                    rules.version, rules.review_by
                ),
            ),
            (
                "Install a reviewed rules file (rules-file) or a newer version of gst-privacy.",
                "Installez un fichier de règles relu (rules-file) ou une version plus récente de gst-privacy.",
            ),
            "RGPD art. 24",
        ));
    }
    let Some(purpose) = rules.purpose(id) else {
        let message = rules.purpose("refused.unknown_purpose");
        let text = |t: Option<&String>, default: &str| t.map_or(default.to_owned(), Clone::clone);
        let en = text(
            message.and_then(|m| m.message_en.as_ref()),
            "No recognised purpose.",
        );
        let fr = text(
            message.and_then(|m| m.message_fr.as_ref()),
            "Finalité non reconnue.",
        );
        return Err(refuse(
            "UNKNOWN_PURPOSE",
            (format!("{en} (\"{id}\")"), format!("{fr} (« {id} »)")),
            (
                "List the purposes with privacyctl rules show.",
                "Listez les finalités avec privacyctl rules show.",
            ),
            "RGPD art. 5(1)(b)",
        ));
    };
    // The dates first: a regime that ended has ended for those too for whom it was never open.
    let today = time::day_of(now);
    let ended = purpose.valid_to.filter(|end| today > *end);
    if let Some(end) = ended {
        return Err(expired_regime(rules, end));
    }
    if let Some(start) = purpose.valid_from.filter(|start| today < *start) {
        return Err(refuse(
            "REGIME_NOT_YET",
            (
                format!("The legal regime of {id} begins on {start}."),
                format!("Le régime juridique de {id} commence le {start}."),
            ),
            ("", ""),
            &purpose.legal_refs.join(" ; "),
        ));
    }
    if !purpose.is_open() {
        return Err(Refusal::of_purpose(purpose));
    }
    Ok(purpose)
}

/// The refusal of a purpose whose regime ended on `end`, in the words of the rules.
fn expired_regime(rules: &Rules, end: Date) -> Refusal {
    let default = (
        "The legal regime cited ended on {date}.",
        "Le régime juridique invoqué a pris fin le {date}.",
    );
    let known = rules.purpose("refused.expired_regime");
    let text = |t: Option<&String>, default: &str| {
        t.map_or(default, String::as_str)
            .replace("{date}", &end.to_string())
    };
    refuse(
        "EXPIRED_REGIME",
        (
            text(known.and_then(|p| p.message_en.as_ref()), default.0),
            text(known.and_then(|p| p.message_fr.as_ref()), default.1),
        ),
        ("", ""),
        &known.map_or_else(String::new, |p| p.legal_refs.join(" ; ")),
    )
}

fn in_date(form: &Form, now: Timestamp) -> Result<(), Refusal> {
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
    if now < form.valid_from {
        return Err(refuse(
            "MANDATE_NOT_YET_VALID",
            (
                format!(
                    "The mandate begins on {} (Paris time).",
                    local(form.valid_from)
                ),
                format!(
                    "Le mandat prend effet le {} (heure de Paris).",
                    local(form.valid_from)
                ),
            ),
            (
                "Wait until then, and check the clock of this host.",
                "Attendez cette date, et vérifiez l'horloge de cette machine.",
            ),
            "CSI L.252-4",
        ));
    }
    Ok(())
}

fn sink(form: &Form, purpose: &Purpose, request: &Request<'_>) -> Result<(), Refusal> {
    let class = request.sink_class;
    if purpose.sink_classes.contains(&class) && form.sink_classes.contains(&class) {
        return Ok(());
    }
    if class == SinkClass::File && !purpose.export && purpose.video_out {
        return Err(refuse(
            "EXTRACTION_NOT_FREE",
            (
                format!(
                    "{} does not allow images to leave as a file: an extraction is never free.",
                    request.purpose
                ),
                format!(
                    "{} n'autorise pas la sortie d'images dans un fichier : l'extraction n'est jamais libre.",
                    request.purpose
                ),
            ),
            (
                "On a requisition use judicial.requisition_extract; to publish use comm.public_publication.",
                "Sur réquisition : judicial.requisition_extract ; pour publier : comm.public_publication.",
            ),
            "CSI R.253-4 ; CSI R.253-5",
        ));
    }
    let words = |classes: &[SinkClass]| {
        classes
            .iter()
            .map(|c| c.word())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let both: Vec<SinkClass> = purpose
        .sink_classes
        .iter()
        .copied()
        .filter(|c| form.sink_classes.contains(c))
        .collect();
    Err(refuse(
        "SINK_CLASS",
        (
            format!(
                "sink-class \"{class}\" is not allowed by the purpose and the mandate together, which allow: {}.",
                words(&both)
            ),
            format!(
                "La destination (sink-class) « {class} » n'est pas permise à la fois par la finalité et le mandat, qui permettent : {}.",
                words(&both)
            ),
        ),
        (
            "Declare where the images truly go, or have the mandate extended.",
            "Déclarez la destination réelle des images, ou faites étendre le mandat.",
        ),
        "CSI R.253-3 ; RGPD art. 32",
    ))
}

/// Whether a purpose with this form may run on a live or on a deferred source.
pub(crate) fn mode_allowed(
    purpose_id: &str,
    modes: &[Mode],
    detector_use: DetectorUse,
    footage: Option<Footage>,
    live: bool,
) -> Result<Mode, Refusal> {
    let mode = if live { Mode::Live } else { Mode::Deferred };
    // A published clip is nobody's vidéoprotection recording: counting on it harms nobody, and without it
    // nobody could try the counter.
    let test_clip = mode == Mode::Deferred
        && detector_use == DetectorUse::Statistics
        && footage == Some(Footage::Test);
    if modes.contains(&mode) || test_clip {
        return Ok(mode);
    }
    Err(match mode {
        Mode::Live => refuse(
            "LIVE_SOURCE",
            (
                format!("{purpose_id} works on recordings only, and the source is live."),
                format!(
                    "{purpose_id} ne porte que sur des enregistrements, or la source est en direct."
                ),
            ),
            (
                "Read the recording from a file.",
                "Lisez l'enregistrement depuis un fichier.",
            ),
            "CNIL 5 décembre 2024",
        ),
        Mode::Deferred => refuse(
            "DEFERRED_SOURCE",
            (
                format!("{purpose_id} works on live images only, and the source is not live."),
                format!(
                    "{purpose_id} ne porte que sur des images en direct, or la source ne l'est pas."
                ),
            ),
            if detector_use == DetectorUse::Statistics {
                (
                    "For a published test clip, the mandate says footage = \"test\".",
                    "Pour un clip de test publié, le mandat indique footage = \"test\".",
                )
            } else {
                ("Use a live source.", "Utilisez une source en direct.")
            },
            "CSI L.251-2",
        ),
    })
}

/// What must be masked when images leave under this purpose and this mandate.
pub(crate) fn required_mask(purpose: &Purpose, form: &Form) -> Mask {
    purpose.required_mask.max(form.anonymisation)
}

/// Whether a place type is one that the purpose may be used at.
pub(crate) fn place_allowed(purpose: &Purpose, place: PlaceType) -> bool {
    purpose.place_types.contains(&place)
}
