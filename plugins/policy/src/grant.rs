// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a decision grants, and the entry that the register writes of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    bounds::{self, People},
    decide::{self, Conditions, Request},
    mandate::{
        Camera, Consents, Countersignature, Footage, Form, Mandate, Operator, Recipient,
        Restriction, Subject,
    },
    refusal::{NEW_MANDATE, Refusal, local, refuse},
    revocation::Revocations,
    rules::{Purpose, Rules},
    time,
    vocabulary::{DetectorUse, Mask, MaskMethod, Mode, Operation, SinkClass},
};

/// A granted request: everything that the elements and the register need to know of it.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Identifier of the purpose.
    pub purpose_id: String,
    /// Name of the purpose in English.
    pub label_en: String,
    /// Name of the purpose in French.
    pub label_fr: String,
    /// SHA-256 of the mandate, in hex.
    pub mandate_digest: String,
    /// Version of the rules that decided.
    pub rules_version: String,
    /// Camera.
    pub camera: String,
    /// Pseudonym of the operator.
    pub operator: String,
    /// Where the images go.
    pub sink_class: SinkClass,
    /// Weakest mask that may leave: the purpose's or the mandate's, whichever is stronger.
    pub required_mask: Mask,
    /// Classes that a mask must cover.
    pub mask_classes: Vec<String>,
    /// How it must be masked.
    pub mask_method: MaskMethod,
    /// One chosen person may stay clear.
    pub one_clear: bool,
    /// What a detector may be used for.
    pub detector_use: DetectorUse,
    /// Classes that may be detected or counted.
    pub classes: Vec<String>,
    /// Limits of statistics, for a statistics purpose.
    pub statistics: Option<StatisticsGrant>,
    /// Operation in the register.
    pub operation: Operation,
    /// Whether images may leave at all.
    pub video_out: bool,
    /// First instant at which nothing may flow any more: the earliest end of mandate, designation,
    /// authorisation, training, regime, rules and longest run.
    pub expires: Timestamp,
    /// Revocation identifiers of the mandate, the authority's block first.
    pub revocation_ids: Vec<String>,
    /// The mandate serves one run and no second one: the register is asked whether there was one already.
    pub single_use: bool,
    /// Who receives the images, of those whom the mandate names.
    pub recipient: Option<Recipient>,
    /// Who countersigned, with a trusted key.
    pub countersigned_by: Vec<Countersignature>,
    /// What each image must be beside masked.
    pub flow: FlowLimits,
    /// What somebody should know although it forbids nothing.
    pub notices: Vec<Notice>,
    modes: Vec<Mode>,
    footage: Option<Footage>,
    form: Form,
    rules_digest: String,
    act_ref: String,
    capacity: &'static str,
}

/// Limits of statistics, after the mandate and the DPO's agreement. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticsGrant {
    /// Shortest window.
    pub min_window_s: u32,
    /// Longest window.
    pub max_window_s: u32,
    /// Smallest published count.
    pub min_count: u32,
    /// Delay between the end of a window and its publication.
    pub publish_delay_s: u32,
}

/// What each image must be beside masked, after the rules and the mandate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowLimits {
    /// Youngest image that counts as a recording, in seconds since it was filmed.
    pub deferred_min_age_s: u32,
    /// Oldest image that counts as live, in seconds since it was filmed.
    pub live_max_age_s: u32,
    /// Oldest image that may still be there, in seconds since it was filmed; `None` for the copy of a case.
    pub retention_s: Option<u32>,
    /// Shortest delay between capture and release of a live image, in seconds.
    pub min_delay_s: u32,
    /// Largest width and height of an image, in pixels.
    pub max_size: Option<(u32, u32)>,
    /// Images leave as they were recorded, never decoded.
    pub lossless: bool,
    /// SHA-256 of the detection models that the mandate approves, in hex; empty for any.
    pub models: Vec<String>,
    /// SHA-256 of the file of privacy zones that the mandate names for this camera, in hex; `None` where it names
    /// none, or states that no dwelling is in view.
    pub zones_digest: Option<String>,
}

/// What somebody should know although it forbids nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Stable code, such as `ELECTION_NEAR`.
    pub code: &'static str,
    /// What to know, in English.
    pub message_en: String,
    /// What to know, in French.
    pub message_fr: String,
}

/// What is known of the time at which deferred images were filmed, for the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FootageTime {
    /// The beginning of the recording, as the operator declared it.
    pub declared_start: Option<Timestamp>,
    /// When the first frame was filmed.
    pub first_frame: Option<Timestamp>,
}

/// What the register says about the mask before anything flowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymisation {
    /// Images leave, and this mask is required.
    Required(Mask),
    /// No image leaves.
    NoVideo,
}

impl Grant {
    pub(crate) fn new(
        conditions: &Conditions<'_>,
        purpose: &Purpose,
        mandate: &Mandate,
        camera: &Camera,
        operator: &Operator,
        people: People<'_>,
        request: &Request<'_>,
    ) -> Self {
        let form = &mandate.form;
        let rules = conditions.rules;
        let statistics = form
            .stats
            .as_ref()
            .filter(|_| purpose.detector_use == DetectorUse::Statistics)
            .map(|stats| {
                let limits = &rules.statistics;
                let floor = stats
                    .dpo_signoff
                    .as_ref()
                    .map_or(limits.window_floor_s, |s| {
                        s.min_window_s.min(limits.window_floor_s)
                    });
                StatisticsGrant {
                    min_window_s: floor,
                    max_window_s: limits.window_ceiling_s,
                    min_count: stats.min_count.unwrap_or(limits.min_count_default),
                    publish_delay_s: stats.publish_delay_s.unwrap_or(limits.publish_delay_s),
                }
            });
        let classes = match &form.stats {
            Some(stats) if statistics.is_some() => stats.classes.clone(),
            _ => purpose.detector_classes.clone(),
        };
        let required_mask = decide::required_mask(purpose, form);
        Self {
            purpose_id: form.purpose_id.clone(),
            label_en: purpose.label_en.clone(),
            label_fr: purpose.label_fr.clone(),
            mandate_digest: mandate.digest.clone(),
            rules_version: rules.version.clone(),
            camera: camera.id.clone(),
            operator: operator.id.clone(),
            sink_class: request.sink_class,
            required_mask,
            mask_classes: mask_classes(purpose, required_mask),
            mask_method: purpose.mask_method,
            // A mandate that asks for the whole frame leaves nobody out of it.
            one_clear: purpose.one_clear && required_mask != Mask::Frame,
            detector_use: purpose.detector_use,
            classes,
            statistics,
            operation: purpose.operation,
            video_out: purpose.video_out,
            expires: mandate
                .restrictions
                .iter()
                .filter_map(|restriction| match restriction {
                    Restriction::Period { until, .. } => *until,
                    _ => None,
                })
                .fold(
                    expires(conditions, purpose, form, operator, request.now),
                    Timestamp::min,
                ),
            revocation_ids: mandate.revocation_ids.clone(),
            // A requisition asks for one extraction.
            single_use: purpose.single_use,
            recipient: people.recipient.cloned(),
            countersigned_by: people.countersigned_by,
            flow: flow_limits(rules, purpose, form, camera),
            notices: notices(conditions, form, request.now),
            modes: purpose.modes.clone(),
            footage: form.footage,
            form: form.clone(),
            rules_digest: rules.digest.clone(),
            act_ref: operator.habilitation.act_ref.clone(),
            capacity: operator.capacity.word(),
        }
    }

    /// Whether the source may be what it turned out to be, once that is known.
    pub fn check_mode(&self, live: bool) -> Result<Mode, Refusal> {
        decide::mode_allowed(
            &self.purpose_id,
            &self.modes,
            self.detector_use,
            self.footage,
            live,
        )
    }

    /// What the register says about masking before anything flowed.
    pub fn anonymisation(&self) -> Anonymisation {
        if self.video_out {
            Anonymisation::Required(self.required_mask)
        } else {
            Anonymisation::NoVideo
        }
    }

    /// The footage that a requisition asks for, from its first instant to the first after it.
    pub fn footage_range(&self) -> Option<(Timestamp, Timestamp)> {
        self.form.requisition.as_ref().map(|r| (r.from, r.to))
    }

    /// Revocation id of the block that the authority signed: the same for the mandate and every narrowed copy
    /// of it, so it tells whether the mandate was used before. The digest does not, since whoever holds a
    /// mandate changes its digest by narrowing it.
    pub fn authority_block(&self) -> &str {
        self.revocation_ids.first().map_or("", String::as_str)
    }

    /// Whether what was granted was withdrawn or suspended since.
    pub fn check_revocations(&self, list: &Revocations, now: Timestamp) -> Result<(), Refusal> {
        list.check_ids(
            &self.revocation_ids,
            &self.form.mandate_id,
            &self.purpose_id,
            &self.camera,
            now,
        )
    }

    /// Whether what was granted is still granted at `now`: it has not ended, its hours go on, and nobody withdrew
    /// or suspended it. `mandate` is the one that it was granted on.
    pub fn check_at(
        &self,
        mandate: &Mandate,
        revocations: &Revocations,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_revocations(revocations, now)?;
        if now >= self.expires {
            return Err(ended(self.expires));
        }
        self.check_bounds(mandate, now)
    }

    /// Whether the hours of the mandate and what narrowed it still allow at `now` what was granted. The grant's end
    /// is watched apart from this.
    pub fn still_holds(&self, mandate: &Mandate, now: Timestamp) -> bool {
        self.check_bounds(mandate, now).is_ok()
    }

    /// The first instant after `now` at which the hours of the mandate shut, or open again.
    pub fn next_schedule_change(&self, mandate: &Mandate, now: Timestamp) -> Option<Timestamp> {
        mandate
            .restrictions
            .iter()
            .filter_map(|restriction| match restriction {
                Restriction::Hours(schedule) => Some(schedule),
                _ => None,
            })
            .chain(&mandate.form.schedule)
            .filter_map(|schedule| schedule.next_change(now))
            .min()
    }

    fn check_bounds(&self, mandate: &Mandate, now: Timestamp) -> Result<(), Refusal> {
        bounds::within(
            mandate,
            &Subject {
                now,
                purpose: &self.purpose_id,
                camera: &self.camera,
                operator: &self.operator,
                sink_class: self.sink_class,
                recipient: self.recipient.as_ref().map(|r| r.name.as_str()),
            },
        )
    }

    /// The opening entry as a JSON object, without what only the register knows (index, time, host,
    /// models, output). `now` is when the images begin to flow.
    pub fn entry(&self, session: &str, mode: Mode, footage: FootageTime, now: Timestamp) -> String {
        let form = &self.form;
        let reference = |text: Option<&String>| text.cloned().unwrap_or_default();
        let required = match self.anonymisation() {
            Anonymisation::Required(mask) => mask.word(),
            Anonymisation::NoVideo => "no-video",
        };
        let (from, to) = self.footage_range().unzip();
        let case = form
            .magistrate_authorisation
            .as_ref()
            .map(|m| &m.case_ref)
            .or(form.requisition.as_ref().and_then(|r| r.case_ref.as_ref()))
            .or(form.strict_case_ref.as_ref())
            .or(form.incident_ref.as_ref());
        let mut entry = json!({
            "operation": self.operation.word(),
            "session": session,
            "purpose_id": self.purpose_id,
            "purpose_label_fr": self.label_fr,
            "motif": form.motif,
            "agent": {"id": self.operator, "capacity": self.capacity, "habilitation_ref": self.act_ref},
            "destinataire": self.recipient.as_ref().map_or(json!("aucun"), |r| {
                json!({"name": r.name, "service": r.service, "capacity": r.capacity})
            }),
            "mandate_id": form.mandate_id,
            "mandate_digest": self.mandate_digest,
            "rules_version": self.rules_version,
            "cameras": [self.camera],
            "mode": mode.word(),
            "anonymisation": {"required": required},
            "output": {"sink_class": self.sink_class.word()},
            "legal_refs": {
                "authorisation": reference(form.csi_authorisation.as_ref().map(|a| &a.act_ref)),
                "requisition": reference(form.requisition.as_ref().map(|r| &r.reference)),
                "dpia": reference(form.dpia.as_ref().map(|d| &d.reference)),
                "commitment": reference(form.compliance_commitment.as_ref().map(|c| &c.cnil_ref)),
                "ropa": reference(form.ropa_ref.as_ref()),
                "procedure": reference(form.procedure.as_ref().map(|p| &p.reference)),
                "case": reference(case),
            },
            "rules_digest": self.rules_digest,
            "expires": self.expires.to_string(),
        });
        let optional = [
            ("csi_ground", form.csi_ground.map(Value::from)),
            (
                "countersigned_by",
                (!self.countersigned_by.is_empty()).then(|| {
                    self.countersigned_by
                        .iter()
                        .map(|c| json!({"key": c.fingerprint(), "name": c.name, "role": c.role}))
                        .collect()
                }),
            ),
            ("legal_basis", form.legal_basis.clone().map(Value::from)),
            ("regime", form.regime.clone().map(Value::from)),
            ("audience", form.audience.and_then(|a| serde_json::to_value(a).ok())),
            ("origin_purpose", form.origin_purpose.clone().map(Value::from)),
            ("case_copy_ref", form.case_copy_ref.clone().map(Value::from)),
            (
                "access_request",
                form.access_request
                    .as_ref()
                    .map(|r| json!({"ref": r.reference, "decision": r.decision, "motive": r.motive})),
            ),
            (
                "mandate_rules_version",
                Some(&form.rules_version)
                    .filter(|version| **version != self.rules_version)
                    .map(|version| version.clone().into()),
            ),
            (
                "notices",
                (!self.notices.is_empty())
                    .then(|| self.notices.iter().map(|n| n.code).collect::<Vec<_>>().into()),
            ),
            ("footage_from", from.map(|t| t.to_string().into())),
            ("footage_to", to.map(|t| t.to_string().into())),
            ("channel", form.channel.and_then(|c| serde_json::to_value(c).ok())),
            ("item_ref", form.item_ref.clone().map(Value::from)),
            ("approver", form.approver.clone().map(Value::from)),
            (
                "consents_count",
                form.consents.as_ref().map(|c| match c {
                    Consents::None(_) => 0.into(),
                    Consents::Given(given) => given.len().into(),
                }),
            ),
            (
                "consents_digests",
                form.consents.as_ref().and_then(|c| match c {
                    Consents::None(_) => None,
                    Consents::Given(given) => {
                        Some(given.iter().map(|c| c.digest.clone()).collect::<Vec<_>>().into())
                    }
                }),
            ),
            (
                "non_electoral_declaration",
                form.declaration_non_electoral
                    .as_ref()
                    .map(|d| format!("{}, {}", d.signatory, d.date).into()),
            ),
            (
                "notice_ids",
                form.public_notice.as_ref().map(|n| n.sign_ids.clone().into()),
            ),
            ("footage_start", footage.declared_start.map(|t| t.to_string().into())),
            (
                "frame_age_s",
                footage
                    .first_frame
                    .map(|first| now.duration_since(first).as_secs().max(0).into()),
            ),
            ("footage", form.footage.and_then(|f| serde_json::to_value(f).ok())),
            (
                "statistics",
                self.statistics.map(|s| {
                    json!({
                        "min_window_s": s.min_window_s,
                        "min_count": s.min_count,
                        "publish_delay_s": s.publish_delay_s,
                        "dpo_signoff": form.stats.as_ref().and_then(|s| s.dpo_signoff.as_ref()).map(|d| &d.by),
                    })
                }),
            ),
        ];
        if let Some(object) = entry.as_object_mut() {
            for (name, value) in optional {
                if let Some(value) = value {
                    object.insert(name.to_owned(), value);
                }
            }
        }
        entry.to_string()
    }
}

impl Refusal {
    /// The refusal entry as a JSON object. `mandate` when one could be verified.
    pub fn entry(
        &self,
        session: &str,
        rules: Option<&Rules>,
        mandate: Option<&Mandate>,
        request: &Request<'_>,
    ) -> String {
        let form = mandate.map(|m| &m.form);
        let label = rules
            .and_then(|r| r.purpose(request.purpose))
            .map_or("", |p| p.label_fr.as_str());
        let cameras: Vec<String> = Some(request.camera)
            .filter(|camera| !camera.is_empty())
            .map(short)
            .into_iter()
            .collect();
        let mut agent = json!({"id": short(request.operator)});
        if let Some(operator) =
            form.and_then(|f| f.operators.iter().find(|o| o.id == request.operator))
        {
            agent["capacity"] = operator.capacity.word().into();
            agent["habilitation_ref"] = short(&operator.habilitation.act_ref).into();
        }
        let mut entry = json!({
            "operation": Operation::Refuse.word(),
            "session": session,
            "purpose_id": short(request.purpose),
            "purpose_label_fr": short(label),
            "motif": form.map_or_else(String::new, |f| short(&f.motif)),
            "agent": agent,
            "mandate_id": form.map_or_else(String::new, |f| short(&f.mandate_id)),
            "mandate_digest": mandate.map_or("", |m| m.digest.as_str()),
            "rules_version": rules.map_or_else(String::new, |r| short(&r.version)),
            "cameras": cameras,
            "output": {"sink_class": request.sink_class.word()},
            "refusal": {
                "code": self.code,
                "message_en": short(&self.message_en),
                "message_fr": short(&self.message_fr),
                "legal_ref": short(&self.legal_ref),
            },
        });
        let recipients = form.and_then(|f| f.recipient.as_ref());
        // Of several the one that was asked for; without one it is not known who would have received anything.
        if let Some(recipient) = recipients.and_then(|list| match list.0.as_slice() {
            [one] => Some(one),
            _ => list.named(request.recipient),
        }) {
            entry["destinataire"] = json!({
                "name": short(&recipient.name),
                "service": short(&recipient.service),
                "capacity": short(&recipient.capacity),
            });
        }
        if let Some(ground) = form.and_then(|f| f.csi_ground) {
            entry["csi_ground"] = ground.into();
        }
        entry.to_string()
    }
}

/// A text of a refusal entry, cut where it is long: whoever is refused chooses some of these texts, and an
/// entry of more than 64 KiB would not be written at all.
fn short(text: &str) -> String {
    const MAX_CHARS: usize = 1000;
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// What each image must be beside masked.
fn flow_limits(rules: &Rules, purpose: &Purpose, form: &Form, camera: &Camera) -> FlowLimits {
    const DAY_S: u32 = 86_400;
    let kept_days = form
        .csi_authorisation
        .as_ref()
        .map_or(rules.max_retention_days, |a| {
            a.retention_days.min(rules.max_retention_days)
        });
    FlowLimits {
        deferred_min_age_s: rules.deferred_min_age_s,
        live_max_age_s: rules.live_max_age_s,
        retention_s: form
            .case_copy_ref
            .is_none()
            .then(|| kept_days.saturating_mul(DAY_S)),
        min_delay_s: purpose.min_delay_s.unwrap_or(0),
        max_size: purpose.max_width.zip(purpose.max_height),
        lossless: purpose.lossless,
        models: form
            .models
            .iter()
            .map(|m| m.sha256.to_ascii_lowercase())
            .collect(),
        zones_digest: camera
            .privacy_zones_digest
            .as_ref()
            .filter(|digest| *digest != "none")
            .map(|digest| digest.to_ascii_lowercase()),
    }
}

/// What somebody should know of this form.
fn notices(conditions: &Conditions<'_>, form: &Form, now: Timestamp) -> Vec<Notice> {
    let near = Some(form)
        .filter(|f| f.promotional.is_some())
        .and_then(|f| conditions.calendar.warning(f, now))
        .map(|election| Notice {
            code: "ELECTION_NEAR",
            message_en: format!(
                "Promotion will be refused from {} ({}).",
                local(election.from),
                election.name
            ),
            message_fr: format!(
                "Toute promotion sera refusée à partir du {} ({}).",
                local(election.from),
                election.name
            ),
        });
    let version = &conditions.rules.version;
    let other_rules = (form.rules_version != *version).then(|| Notice {
        code: "OTHER_RULES",
        message_en: format!(
            "The mandate was drawn up under the rules {}; these are {version}.",
            form.rules_version
        ),
        message_fr: format!(
            "Le mandat a été établi selon les règles {} ; les règles en vigueur sont {version}.",
            form.rules_version
        ),
    });
    near.into_iter().chain(other_rules).collect()
}

/// The classes that a mask must cover. A mandate may ask for more than the purpose does.
fn mask_classes(purpose: &Purpose, required: Mask) -> Vec<String> {
    const VEHICLES: &[&str] = &["bicycle", "car", "motorcycle", "bus", "truck"];
    let more: &[&str] = match required {
        Mask::None | Mask::Frame => &[],
        Mask::Persons => &["person"],
        Mask::PersonsVehicles => &[
            "person",
            VEHICLES[0],
            VEHICLES[1],
            VEHICLES[2],
            VEHICLES[3],
            VEHICLES[4],
        ],
    };
    let mut classes = purpose.mask_classes.clone();
    for class in more {
        if !classes.iter().any(|c| c == class) {
            classes.push((*class).to_owned());
        }
    }
    classes
}

fn ended(end: Timestamp) -> Refusal {
    refuse(
        "EXPIRED_MANDATE",
        (
            format!("The decision ended on {} (Paris time).", local(end)),
            format!("La décision a pris fin le {} (heure de Paris).", local(end)),
        ),
        NEW_MANDATE,
        "CSI L.252-4",
    )
}

fn expires(
    conditions: &Conditions<'_>,
    purpose: &Purpose,
    form: &Form,
    operator: &Operator,
    now: Timestamp,
) -> Timestamp {
    let end_of = |day| time::end_of(day).unwrap_or(now);
    // A promotion that began the day before must not run into the period of an election.
    let calendar = conditions.calendar;
    let calendar_ends = purpose.election_sensitive.then(|| calendar.covered_until());
    let election_begins = Some(form)
        .filter(|f| f.promotional == Some(true))
        .and_then(|f| calendar.next(f, now))
        .map(|election| election.from);
    let session = purpose.max_session_s.map(|s| {
        now.checked_add(SignedDuration::from_secs(i64::from(s)))
            .unwrap_or(now)
    });
    // A renewed training counts by its latest end.
    let training = purpose.training.iter().filter_map(|topic| {
        operator
            .training
            .iter()
            .filter(|t| t.topic == *topic)
            .map(|t| t.valid_to)
            .max()
    });
    let authorisation = form
        .csi_authorisation
        .iter()
        .flat_map(|a| [Some(a.valid_to), a.event_end])
        .flatten();
    [
        Some(form.valid_to),
        Some(operator.habilitation.valid_to),
        Some(end_of(conditions.rules.review_by)),
        calendar_ends,
        election_begins,
        purpose.valid_to.map(end_of),
        session,
    ]
    .into_iter()
    .flatten()
    .chain(training)
    .chain(authorisation)
    .fold(form.valid_to, Timestamp::min)
}
