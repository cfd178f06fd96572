// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-purposegate
 * @see_also: auditsink, wgpublur, onnxdetector, countaggregator
 *
 * A gate that is closed by default. Behind the source (`stage=entry`) it opens for one purpose on one
 * signed mandate, after the register downstream has written the opening entry. At the way out
 * (`stage=exit`) it lets out only frames whose stamps prove what the purpose demands.
 *
 * ## Example pipeline
 * ```sh
 * gst-launch-1.0 videotestsrc is-live=true ! purposegate purpose=vp.live_view.public_road mandate=m.biscuit \
 *   trusted-keys=authority.pub camera=cam-12 operator=a-0417 sink-class=csu-display ! auditsink register=register
 * ```
 *
 * Since: 0.1.0
 */
use std::sync::{
    Arc, LazyLock, Mutex,
    atomic::{AtomicU64, Ordering},
};

use gst::{prelude::*, subclass::prelude::*};
use gst_base::{prelude::*, subclass::prelude::*};
use jiff::Timestamp;
use privacy_common::{
    AuditAnswer, AuditRequest, Mask, MaskStamp, PathNote, Proof, Purpose, ScanStamp,
};
use privacy_policy::{Refusal, RefusalText, SinkClass};

use super::{DenyAction, Language, Message, Sink, Stage};
use crate::{
    black, exit,
    opening::{self, Asked, Opened, Refused},
    paths, proof,
    watch::{Closed, Watch},
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "purposegate",
        gst::DebugColorFlags::empty(),
        Some("Gate for one lawful purpose"),
    )
});

#[derive(Debug, Clone, Default)]
struct Settings {
    stage: Stage,
    asked: Asked,
    deny_action: DenyAction,
    language: Language,
}

/// Of one run, from PAUSED to READY. Shared with queries, so it holds no lock while anything is pushed.
struct State {
    settings: Settings,
    session: String,
    /// Entry stage: the decision, waiting for the register or open.
    opened: Option<Opened>,
    /// Set once the register has answered (entry) or the purpose event came (exit).
    open: Mutex<Option<Arc<Open>>>,
    video: Mutex<Option<gst_video::VideoInfo>>,
    tree: Mutex<proof::Tree>,
    counters: Counters,
    told: Mutex<Option<String>>,
}

/// What is decided, as the streaming thread needs it for every frame.
struct Open {
    purpose: Purpose,
    watch: Watch,
}

#[derive(Default)]
struct Counters {
    frames_in: AtomicU64,
    frames_out: AtomicU64,
    held: AtomicU64,
    whole: AtomicU64,
    first_pts: AtomicU64,
    last_pts: AtomicU64,
}

/// Lock order: `settings`, then `state`; the locks inside `State` are never held together.
#[derive(Default)]
pub struct PurposeGate {
    settings: Mutex<Settings>,
    state: Mutex<Option<Arc<State>>>,
}

#[glib::object_subclass]
impl ObjectSubclass for PurposeGate {
    const NAME: &'static str = "GstPurposeGate";
    type Type = super::PurposeGate;
    type ParentType = gst_base::BaseTransform;
}

/// What becomes of a frame.
enum Fate {
    Out,
    Black,
    Dropped,
    Ended,
}

impl PurposeGate {
    fn running(&self) -> Option<Arc<State>> {
        self.state.lock().unwrap().clone()
    }

    /// The user's text of a refusal: the code, then one or both languages.
    fn text(settings: &Settings, refusal: &Refusal) -> String {
        let (en, fr) = (refusal.text(false), refusal.text(true));
        let text = match settings.language {
            Language::En => en,
            Language::Fr => fr,
            Language::Auto if std::env::var("LANG").is_ok_and(|l| l.starts_with("fr")) => {
                format!("{fr} / {en}")
            }
            Language::Auto => format!("{en} / {fr}"),
        };
        format!("{}: {text} ({})", refusal.code, refusal.legal_ref)
    }

    fn post(&self, message: &Message) {
        let element = self.obj();
        let _ = element.post_message(
            gst::message::Element::builder(message.into())
                .src(&*element)
                .build(),
        );
    }

    /// Has the refusal written by the register, if there is one, and says it on the bus.
    fn refuse(&self, session: &str, purpose: &str, refused: &Refused) {
        let answer = self.ask_register(&AuditRequest {
            session: session.to_owned(),
            purpose: purpose.to_owned(),
            operation: "refuse".to_owned(),
            entry: refused.entry.clone(),
        });
        match answer.0 {
            AuditAnswer::Durable(index) => gst::info!(CAT, imp = self, "refusal is entry {index}"),
            answer => gst::warning!(
                CAT,
                imp = self,
                "refusal is not in the register: {answer:?}"
            ),
        }
        self.post(&Message::refused(session, &refused.refusal));
    }

    fn ask_register(&self, request: &AuditRequest) -> (AuditAnswer, PathNote) {
        let mut query = request.to_query();
        self.note(Stage::Entry).add_to(&mut query);
        let answered = self.obj().src_pad().peer_query(&mut query);
        (AuditAnswer::read(&query, answered), PathNote::read(&query))
    }

    fn note(&self, stage: Stage) -> PathNote {
        PathNote {
            exit_gate: stage == Stage::Exit,
            elements: vec![format!("purposegate {}", env!("CARGO_PKG_VERSION"))],
            ..Default::default()
        }
    }

    /// Opens an entry gate before its first frame: the source is known by now, and the register answers.
    fn open_entry(&self, state: &State) -> Result<Arc<Open>, Refused> {
        // `start` refused to run without a decision.
        let Some(opened) = &state.opened else {
            return Err(self.late(
                state,
                None,
                "NO_DECISION",
                "no decision was made",
                "aucune décision n'a été prise",
            ));
        };
        let now = Timestamp::now();
        let mut latency = gst::query::Latency::new();
        if !self.obj().sink_pad().peer_query(&mut latency) {
            return Err(self.late(
                state,
                Some(opened),
                "UNKNOWN_SOURCE",
                "The source does not say whether it is live (latency query), so the purpose cannot be checked",
                "La source n'indique pas si elle est en direct (requête de latence) : la finalité ne peut être vérifiée",
            ));
        }
        let mode = opened
            .grant
            .check_mode(latency.result().0)
            .map_err(|r| opened.refuse(r, &state.settings.asked, &state.session, now))?;
        let purpose = opening::purpose_event(&opened.grant, &state.session);
        self.check_paths(state, opened, &purpose)?;
        let (answer, path) = self.ask_register(&AuditRequest {
            session: state.session.clone(),
            purpose: purpose.purpose.clone(),
            operation: opened.grant.operation.word().to_owned(),
            entry: opened.grant.entry(&state.session, mode),
        });
        let entry = match answer {
            AuditAnswer::Durable(entry) => entry,
            AuditAnswer::Failed(why) => {
                return Err(self.late(
                    state,
                    Some(opened),
                    "REGISTER_FAILED",
                    &format!("The register could not write the opening entry: {why}"),
                    &format!("Le registre n'a pas pu écrire l'entrée d'ouverture : {why}"),
                ));
            }
            AuditAnswer::None => {
                return Err(self.late(
                    state,
                    Some(opened),
                    "NO_REGISTER",
                    "No register answered; put auditsink at the end of the pipeline, or on a branch of a tee",
                    "Aucun registre n'a répondu ; placez auditsink en fin de pipeline, ou sur une branche d'un tee",
                ));
            }
        };
        gst::info!(CAT, imp = self, "open for {} by {path:?}", purpose.purpose);
        let open = Arc::new(Open {
            watch: Watch::new(purpose.expires, now.as_second()),
            purpose,
        });
        self.post(&Message::Opened {
            session: state.session.clone(),
            purpose: open.purpose.purpose.clone(),
            entry,
            expires_at: opened.grant.expires.to_string(),
        });
        Ok(open)
    }

    /// Every way out must pass an exit gate when a mask is due, or a counter when no image may leave.
    fn check_paths(
        &self,
        state: &State,
        opened: &Opened,
        purpose: &Purpose,
    ) -> Result<(), Refused> {
        let counts_only = purpose.detector_use == privacy_common::DetectorUse::Statistics;
        if purpose.required_mask == Mask::None && !counts_only {
            return Ok(());
        }
        let is_guard = |element: &gst::Element| {
            element
                .factory()
                .is_some_and(|f| f.name() == "countaggregator")
                || (!counts_only
                    && element
                        .downcast_ref::<super::PurposeGate>()
                        .is_some_and(|gate| gate.property::<Stage>("stage") == Stage::Exit))
        };
        match paths::unguarded_sink(&self.obj().src_pad().clone(), is_guard) {
            None => Ok(()),
            Some(sink) if counts_only => Err(self.late(
                state,
                Some(opened),
                "UNGUARDED_PATH",
                &format!("Images would reach \"{sink}\" without passing countaggregator, and statistics let no image out"),
                &format!("Des images atteindraient « {sink} » sans passer par countaggregator, or les statistiques ne laissent sortir aucune image"),
            )),
            Some(sink) => Err(self.late(
                state,
                Some(opened),
                "UNGUARDED_PATH",
                &format!("Images would reach \"{sink}\" without passing a purposegate with stage=exit, and this purpose demands masked images"),
                &format!("Des images atteindraient « {sink} » sans passer par un purposegate stage=exit, or cette finalité exige des images masquées"),
            )),
        }
    }

    /// A refusal for something that shows only when the pipeline runs.
    fn late(
        &self,
        state: &State,
        opened: Option<&Opened>,
        code: &str,
        en: &str,
        fr: &str,
    ) -> Refused {
        let refusal = Refusal::from(RefusalText {
            code: code.to_owned(),
            message_en: format!("{en}."),
            message_fr: format!("{fr}."),
            remedy_en: String::new(),
            remedy_fr: String::new(),
            legal_ref: "CSI R.253-2, R.253-5".to_owned(),
        });
        match opened {
            Some(opened) => opened.refuse(
                refusal,
                &state.settings.asked,
                &state.session,
                Timestamp::now(),
            ),
            None => Refused {
                entry: String::from("{}"),
                refusal,
            },
        }
    }

    /// The decision in force, opening an entry gate on its first frame.
    fn decision(&self, state: &State) -> Result<Option<Arc<Open>>, gst::FlowError> {
        if let Some(open) = state.open.lock().unwrap().clone() {
            return Ok(Some(open));
        }
        if state.settings.stage == Stage::Exit {
            return Ok(None);
        }
        match self.open_entry(state) {
            Ok(open) => {
                self.obj().src_pad().push_event(open.purpose.to_event());
                *state.open.lock().unwrap() = Some(open.clone());
                Ok(Some(open))
            }
            Err(refused) => {
                self.refuse(&state.session, &state.settings.asked.purpose, &refused);
                let text = Self::text(&state.settings, &refused.refusal);
                gst::element_imp_error!(self, gst::ResourceError::NotAuthorized, ("{text}"));
                Err(gst::FlowError::Error)
            }
        }
    }

    fn judge(&self, state: &State, frame: &gst::BufferRef) -> Result<Fate, gst::FlowError> {
        state.counters.frames_in.fetch_add(1, Ordering::Relaxed);
        let open = self.decision(state)?;
        if let Some(open) = &open
            && let Err(closed) = open.watch.check(Timestamp::now().as_second())
        {
            return self.close(state, closed);
        }
        let (scan, mask) = (ScanStamp::read(frame), MaskStamp::read(frame));
        if state.settings.stage == Stage::Exit {
            let purpose = open.as_ref().map(|o| &o.purpose);
            if let Err(held) = exit::judge(purpose, scan.as_ref(), mask.as_ref(), frame.pts()) {
                return Ok(self.hold(state, open.as_deref(), &held));
            }
            self.prove(state, frame, scan.as_ref(), mask.as_ref())?;
        }
        let counters = &state.counters;
        let pts = frame.pts().map_or(u64::MAX, gst::ClockTime::nseconds);
        if counters.frames_out.fetch_add(1, Ordering::Relaxed) == 0 {
            counters.first_pts.store(pts, Ordering::Relaxed);
        }
        counters.last_pts.store(pts, Ordering::Relaxed);
        if mask.is_some_and(|m| m.whole_frame) {
            counters.whole.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Fate::Out)
    }

    /// Adds a frame that leaves to the proof; a frame that cannot be read does not leave.
    fn prove(
        &self,
        state: &State,
        frame: &gst::BufferRef,
        scan: Option<&ScanStamp>,
        mask: Option<&MaskStamp>,
    ) -> Result<(), gst::FlowError> {
        let map = frame.map_readable().map_err(|_| {
            gst::element_imp_error!(self, gst::ResourceError::Read, ["a frame cannot be mapped"]);
            gst::FlowError::Error
        })?;
        let text = |s: Option<gst::Structure>| s.map_or_else(String::new, |s| s.to_string());
        let leaf = proof::leaf(
            frame.pts().map_or(u64::MAX, gst::ClockTime::nseconds),
            &map,
            &text(scan.map(gst::Structure::from)),
            &text(mask.map(gst::Structure::from)),
        );
        state.tree.lock().unwrap().push(leaf);
        Ok(())
    }

    /// A frame that may not leave for want of proof: the stream goes on without it.
    fn hold(&self, state: &State, open: Option<&Open>, held: &exit::Held) -> Fate {
        state.counters.held.fetch_add(1, Ordering::Relaxed);
        let reason = held.to_string();
        let news = {
            let mut told = state.told.lock().unwrap();
            (told.as_ref() != Some(&reason)).then(|| *told = Some(reason.clone()))
        };
        if news.is_some() {
            gst::warning!(CAT, imp = self, "holding frames: {reason}");
            self.post(&Message::Held {
                session: open.map_or_else(String::new, |o| o.purpose.session.clone()),
                reason,
            });
        }
        match state.settings.deny_action {
            DenyAction::Black => Fate::Black,
            _ => Fate::Dropped,
        }
    }

    /// The decision ended while frames flow.
    fn close(&self, state: &State, closed: Closed) -> Result<Fate, gst::FlowError> {
        state.counters.held.fetch_add(1, Ordering::Relaxed);
        let (reason, text) = match closed {
            Closed::Expired => (
                "expired",
                "EXPIRED_MANDATE: The mandate ended while images flowed; renew it. / Le mandat a pris fin pendant la diffusion ; renouvelez-le.",
            ),
            Closed::ClockBack => (
                "clock-back",
                "CLOCK_BACK: The clock of this host went back, so nobody can tell whether the mandate still runs. / L'horloge de cette machine a reculé : la validité du mandat ne peut être établie.",
            ),
        };
        let news = state
            .told
            .lock()
            .unwrap()
            .replace(reason.to_owned())
            .as_deref()
            != Some(reason);
        if news {
            self.post(&Message::Expired {
                session: state.session.clone(),
                reason: reason.to_owned(),
            });
        }
        match state.settings.deny_action {
            DenyAction::Error => {
                gst::element_imp_error!(self, gst::ResourceError::NotAuthorized, ("{text}"));
                Err(gst::FlowError::Error)
            }
            DenyAction::Drop => Ok(Fate::Dropped),
            DenyAction::Black => Ok(Fate::Black),
            DenyAction::Eos => Ok(Fate::Ended),
        }
    }

    fn proof(&self, state: &State) -> Proof {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &state.counters;
        let out = get(&counters.frames_out);
        let pts = |counter| {
            (out > 0)
                .then(|| gst::ClockTime::try_from(get(counter)).ok())
                .flatten()
        };
        let open = state.open.lock().unwrap().clone();
        let root = state.tree.lock().unwrap().root();
        Proof {
            session: open.map_or_else(|| state.session.clone(), |o| o.purpose.session.clone()),
            stage: match state.settings.stage {
                Stage::Entry => "entry".to_owned(),
                Stage::Exit => "exit".to_owned(),
            },
            frames_in: get(&counters.frames_in),
            frames_out: out,
            mask_failures: get(&counters.held),
            whole_masked: get(&counters.whole),
            root: root.map_or_else(String::new, |r| hex::encode(r.as_bytes())),
            first_pts: pts(&counters.first_pts),
            last_pts: pts(&counters.last_pts),
        }
    }

    fn stats(&self) -> gst::Structure {
        let proof = self
            .running()
            .map_or_else(Proof::default, |s| self.proof(&s));
        gst::Structure::builder("purposegate-stats")
            .field("frames-in", proof.frames_in)
            .field("frames-out", proof.frames_out)
            .field("frames-held", proof.mask_failures)
            .field("frames-whole-masked", proof.whole_masked)
            .field("proof-root", proof.root)
            .build()
    }

    /// A purpose event from upstream: the exit gate's decision, and a fault at an entry gate.
    fn purpose_event(&self, state: &State, purpose: Option<Purpose>) -> bool {
        if state.settings.stage == Stage::Entry {
            gst::element_imp_error!(
                self,
                gst::ResourceError::NotAuthorized,
                ("TWO_PURPOSES: A gate upstream already declared a purpose; one stream serves one purpose. / Une porte en amont a déjà déclaré une finalité ; un flux sert une seule finalité.")
            );
            return false;
        }
        // An event that cannot be read declares nothing: the gate is closed again.
        *state.open.lock().unwrap() = purpose.map(|purpose| {
            Arc::new(Open {
                watch: Watch::new(purpose.expires, Timestamp::now().as_second()),
                purpose,
            })
        });
        true
    }
}

impl ObjectImpl for PurposeGate {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let defaults = Settings::default();
            let text = |name: &'static str, nick: &'static str, blurb: &'static str| {
                glib::ParamSpecString::builder(name)
                    .nick(nick)
                    .blurb(blurb)
                    .mutable_ready()
                    .build()
            };
            let read = |name: &'static str, nick: &'static str, blurb: &'static str| {
                glib::ParamSpecString::builder(name)
                    .nick(nick)
                    .blurb(blurb)
                    .read_only()
                    .build()
            };
            vec![
                glib::ParamSpecEnum::builder_with_default("stage", defaults.stage)
                    .nick("Stage")
                    .blurb("Whether the gate stands behind the source or before the way out")
                    .mutable_ready()
                    .build(),
                text("purpose", "Purpose", "Identifier of the one purpose to open for (entry)"),
                text("mandate", "Mandate", "Path of the signed mandate (entry)"),
                text(
                    "trusted-keys",
                    "Trusted keys",
                    "Path of the public key file of the authority that signs mandates, or of a folder of them (entry)",
                ),
                text(
                    "rules-file",
                    "Rules file",
                    "Path of a rules file to use instead of the built-in one (entry)",
                ),
                text("camera", "Camera", "Identifier of the camera, as the mandate names it (entry)"),
                text(
                    "operator",
                    "Operator",
                    "Pseudonym of the operator, as the mandate names it; never a name (entry)",
                ),
                glib::ParamSpecEnum::builder_with_default("sink-class", Sink::default())
                    .nick("Sink class")
                    .blurb("Where the images go (entry)")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("deny-action", defaults.deny_action)
                    .nick("Deny action")
                    .blurb("What leaves when the decision ends while playing; frames held at the exit are dropped or, with black, painted black")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("language", defaults.language)
                    .nick("Language")
                    .blurb("Language of error texts")
                    .mutable_ready()
                    .build(),
                read("state", "State", "closed, open or expired"),
                read("session", "Session", "Random identifier of the running session, as in the register"),
                read("expires-at", "Expires at", "When the decision ends, RFC 3339"),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Counters of the running session")
                    .read_only()
                    .build(),
            ]
        });
        PROPERTIES.as_ref()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        if self.running().is_some() {
            // One run, one purpose: a change while frames flow would be a misuse of purpose.
            gst::warning!(
                CAT,
                imp = self,
                "{} is locked from PAUSED on; set it in READY",
                spec.name()
            );
            return;
        }
        let mut settings = self.settings.lock().unwrap();
        let text = || {
            value
                .get::<Option<String>>()
                .expect("type checked upstream")
                .unwrap_or_default()
        };
        match spec.name() {
            "stage" => settings.stage = value.get().expect("type checked upstream"),
            "purpose" => settings.asked.purpose = text(),
            "mandate" => settings.asked.mandate = text(),
            "trusted-keys" => settings.asked.trusted_keys = text(),
            "rules-file" => settings.asked.rules_file = text(),
            "camera" => settings.asked.camera = text(),
            "operator" => settings.asked.operator = text(),
            "sink-class" => {
                settings.asked.sink_class = match value.get().expect("type checked upstream") {
                    Sink::Undeclared => None,
                    Sink::CsuDisplay => Some(SinkClass::CsuDisplay),
                    Sink::InternalSecured => Some(SinkClass::InternalSecured),
                    Sink::InternalUnsecured => Some(SinkClass::InternalUnsecured),
                    Sink::File => Some(SinkClass::File),
                    Sink::Public => Some(SinkClass::Public),
                };
            }
            "deny-action" => settings.deny_action = value.get().expect("type checked upstream"),
            "language" => settings.language = value.get().expect("type checked upstream"),
            other => unreachable!("no writable property {other}"),
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        let settings = self.settings.lock().unwrap().clone();
        let text = |text: &str| (!text.is_empty()).then_some(text).to_value();
        let open = || self.running().and_then(|s| s.open.lock().unwrap().clone());
        match spec.name() {
            "stage" => settings.stage.to_value(),
            "purpose" => text(&settings.asked.purpose),
            "mandate" => text(&settings.asked.mandate),
            "trusted-keys" => text(&settings.asked.trusted_keys),
            "rules-file" => text(&settings.asked.rules_file),
            "camera" => text(&settings.asked.camera),
            "operator" => text(&settings.asked.operator),
            "sink-class" => match settings.asked.sink_class {
                None | Some(SinkClass::Undeclared) => Sink::Undeclared,
                Some(SinkClass::CsuDisplay) => Sink::CsuDisplay,
                Some(SinkClass::InternalSecured) => Sink::InternalSecured,
                Some(SinkClass::InternalUnsecured) => Sink::InternalUnsecured,
                Some(SinkClass::File) => Sink::File,
                Some(SinkClass::Public) => Sink::Public,
            }
            .to_value(),
            "deny-action" => settings.deny_action.to_value(),
            "language" => settings.language.to_value(),
            "state" => match open() {
                None => "closed",
                Some(open) if open.watch.check(Timestamp::now().as_second()).is_err() => "expired",
                Some(_) => "open",
            }
            .to_value(),
            "session" => self.running().map(|s| s.session.clone()).to_value(),
            "expires-at" => open()
                .and_then(|o| Timestamp::from_second(o.purpose.expires).ok())
                .map(|t| t.to_string())
                .to_value(),
            "stats" => self.stats().to_value(),
            other => unreachable!("no property {other}"),
        }
    }
}

impl GstObjectImpl for PurposeGate {}

impl ElementImpl for PurposeGate {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Purpose gate",
                "Filter",
                "Lets video flow for one lawful purpose on one signed mandate, or not at all",
                "The gst-privacy developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            [
                ("src", gst::PadDirection::Src),
                ("sink", gst::PadDirection::Sink),
            ]
            .into_iter()
            .map(|(name, direction)| {
                gst::PadTemplate::new(
                    name,
                    direction,
                    gst::PadPresence::Always,
                    &gst::Caps::new_any(),
                )
                .expect("name and caps are valid")
            })
            .collect()
        });
        TEMPLATES.as_ref()
    }
}

impl BaseTransformImpl for PurposeGate {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = true;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings.lock().unwrap().clone();
        let session = uuid::Uuid::new_v4().to_string();
        // Only black frames are written into; all else passes the very buffer on.
        self.obj()
            .set_passthrough(settings.deny_action != DenyAction::Black);
        let opened = match settings.stage {
            Stage::Exit => None,
            Stage::Entry => match opening::open(&settings.asked, &session, Timestamp::now()) {
                Ok(opened) => Some(opened),
                Err(refused) => {
                    self.refuse(&session, &settings.asked.purpose, &refused);
                    return Err(gst::error_msg!(
                        gst::ResourceError::NotAuthorized,
                        ("{}", Self::text(&settings, &refused.refusal))
                    ));
                }
            },
        };
        *self.state.lock().unwrap() = Some(Arc::new(State {
            settings,
            session,
            opened,
            open: Mutex::default(),
            video: Mutex::default(),
            tree: Mutex::default(),
            counters: Counters::default(),
            told: Mutex::default(),
        }));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *self.state.lock().unwrap() = None;
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let media = incaps.structure(0).map_or("", |s| s.name().as_str());
        if let Some((code, en, fr)) = refused_media(media) {
            gst::element_imp_error!(
                self,
                gst::StreamError::WrongType,
                ("{code}: {en} / {fr} (CSI R.253-1)")
            );
            return Err(gst::loggable_error!(CAT, "{media} is refused: {en}"));
        }
        if let Some(state) = self.running() {
            *state.video.lock().unwrap() = gst_video::VideoInfo::from_caps(incaps).ok();
        }
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if let Some(purpose) = Purpose::from_event(&event)
            && let Some(state) = self.running()
            && !self.purpose_event(&state, purpose.ok())
        {
            return false;
        }
        self.parent_sink_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if let Some(state) = self.running() {
            match direction {
                gst::PadDirection::Sink => self.note(state.settings.stage).add_to(query),
                gst::PadDirection::Src if Proof::asked(query).is_some() => {
                    self.proof(&state).answer(query);
                    return true;
                }
                _ => {}
            }
        }
        BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn transform_ip_passthrough(
        &self,
        frame: &gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let state = self.running().ok_or(gst::FlowError::Flushing)?;
        match self.judge(&state, frame)? {
            Fate::Out => Ok(gst::FlowSuccess::Ok),
            Fate::Dropped | Fate::Black => Ok(gst_base::BASE_TRANSFORM_FLOW_DROPPED),
            Fate::Ended => Err(gst::FlowError::Eos),
        }
    }

    fn transform_ip(&self, frame: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let state = self.running().ok_or(gst::FlowError::Flushing)?;
        match self.judge(&state, frame)? {
            Fate::Out => Ok(gst::FlowSuccess::Ok),
            Fate::Dropped => Ok(gst_base::BASE_TRANSFORM_FLOW_DROPPED),
            Fate::Ended => Err(gst::FlowError::Eos),
            Fate::Black => {
                let info = state.video.lock().unwrap().clone();
                let painted = info.is_some_and(|info| {
                    gst_video::VideoFrameRef::from_buffer_ref_writable(frame, &info)
                        .is_ok_and(|mut frame| black::paint(&mut frame).is_ok())
                });
                if !painted {
                    return Ok(gst_base::BASE_TRANSFORM_FLOW_DROPPED);
                }
                privacy_common::strip_detections(frame);
                privacy_common::remove_clear_copies(frame, false);
                Ok(gst::FlowSuccess::Ok)
            }
        }
    }
}

/// Streams that never pass: sound, and containers in which sound would pass unseen.
fn refused_media(media: &str) -> Option<(&'static str, &'static str, &'static str)> {
    const CONTAINERS: [&str; 10] = [
        "video/quicktime",
        "video/x-matroska",
        "video/webm",
        "video/x-msvideo",
        "video/mpegts",
        "video/x-flv",
        "video/x-ms-asf",
        "application/ogg",
        "application/mxf",
        "application/x-rtp",
    ];
    if media.starts_with("audio/") {
        Some((
            "SOUND",
            "Sound may not be recorded or transmitted with these images; leave the audio pad unlinked.",
            "Le son ne peut être capté avec ces images ; ne reliez pas le pad audio.",
        ))
    } else if CONTAINERS.contains(&media) {
        Some((
            "SOUND",
            "Inside a container nobody can tell images from sound; put the gate behind the demuxer.",
            "Dans un conteneur, les images ne se distinguent pas du son ; placez la porte après le démultiplexeur.",
        ))
    } else {
        None
    }
}
