// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-purposegate
 * @see_also: auditsink, wgpublur, onnxdetector, countaggregator
 *
 * A gate that is closed by default. Behind the source (`stage=entry`) it opens for one purpose on one
 * signed mandate, after the register downstream has written the opening entry. At the way out
 * (`stage=exit`) it lets out only frames whose stamps prove what the purpose demands, and
 * `proof-location=FILE` writes down a line for each, so that one frame can later be shown to be among them.
 *
 * ## Example pipeline
 * ```sh
 * gst-launch-1.0 videotestsrc is-live=true ! purposegate purpose=vp.live_view.public_road mandate=m.biscuit \
 *   trusted-keys=authority.pub camera=cam-12 operator=a-0417 sink-class=csu-display ! auditsink register=register
 * ```
 *
 * Since: 0.1.0
 */
use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use gst::{prelude::*, subclass::prelude::*};
use gst_base::{prelude::*, subclass::base_transform::GenerateOutputSuccess, subclass::prelude::*};
use jiff::Timestamp;
use privacy_common::{Proof, Purpose};

use super::{
    DenyAction, Message, Stage,
    settings::{self, Settings},
};
use crate::{
    frames::{Frames, FramesError},
    held::Why,
    late::Late,
    media, opening,
    session::{self, Fate, Session, Unproven},
    ticker::Ticker,
};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "purposegate",
        gst::DebugColorFlags::empty(),
        Some("Gate for one lawful purpose"),
    )
});

/// A run, with the settings that it began with.
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) session: Session,
}

/// What a gate looks at while it runs, whether frames come or not.
const ROUND: Duration = Duration::from_secs(1);

/// No lock is held while anything else is done. A frame reads `state` without one.
#[derive(Default)]
pub struct PurposeGate {
    settings: Mutex<Settings>,
    state: ArcSwapOption<State>,
    ticker: Mutex<Option<Ticker>>,
}

#[glib::object_subclass]
impl ObjectSubclass for PurposeGate {
    const NAME: &'static str = "GstPurposeGate";
    type Type = super::PurposeGate;
    type ParentType = gst_base::BaseTransform;
}

impl PurposeGate {
    pub(super) fn running(&self) -> Option<Arc<State>> {
        self.state.load_full()
    }

    fn wake(&self) {
        if let Some(ticker) = &*self.ticker.lock().unwrap() {
            ticker.wake();
        }
    }

    pub(super) fn post(&self, message: &Message) {
        let element = self.obj();
        // Without a bus nobody listens, which is no fault.
        let _ = element.post_message(
            gst::message::Element::builder(message.into())
                .src(&*element)
                .build(),
        );
    }

    /// What leaves in the place of a frame that may not, while others may.
    fn hold(&self, state: &State, frame: &gst::BufferRef, why: &Why) -> GenerateOutputSuccess {
        let reason = why.english();
        if state.session.is_news(&reason) {
            gst::warning!(CAT, imp = self, "holding frames: {reason}");
            let purpose = state.session.purpose();
            self.post(&Message::Held {
                session: purpose.map_or_else(String::new, |p| p.session),
                code: why.code().to_owned(),
                reason,
                reason_fr: why.french(),
            });
            if state.session.note(why.code(), || why.refusal()) {
                self.wake();
            }
        }
        self.black(state, frame)
    }

    pub(super) fn black(&self, state: &State, frame: &gst::BufferRef) -> GenerateOutputSuccess {
        let wanted = state.settings.deny_action == DenyAction::Black;
        match wanted.then(|| state.session.black(frame)).flatten() {
            Some(black) => GenerateOutputSuccess::Buffer(black),
            None => GenerateOutputSuccess::Dropped,
        }
    }

    /// Closes the gate for good: what leaves cannot be written down.
    fn unwritten(&self, state: &State, error: &FramesError) {
        let kind = match error.is_full() {
            true => gst::ResourceError::NoSpaceLeft,
            false => gst::ResourceError::Write,
        };
        self.end_hard(state, error.refusal(), kind);
    }

    /// A property was set that is locked. One run, one purpose: a change while frames flow would be a misuse of
    /// purpose.
    fn locked(&self, state: &State, spec: &glib::ParamSpec, value: &glib::Value) {
        let name = spec.name();
        let mut changed = state.settings.clone();
        changed.set(name, value);
        if changed == state.settings {
            return;
        }
        gst::warning!(
            CAT,
            imp = self,
            "{name} is locked from PAUSED on; set it in READY"
        );
        let late = Late::PropertyLocked(name.to_owned());
        if state.session.note(name, || (&late).into()) {
            // Whoever sets a property does not wait for a disk.
            self.wake();
        }
    }
}

impl ObjectImpl for PurposeGate {
    fn properties() -> &'static [glib::ParamSpec] {
        settings::param_specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        if let Some(state) = self.running() {
            return self.locked(&state, spec, value);
        }
        self.settings.lock().unwrap().set(spec.name(), value);
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        let running = self.running();
        let session = running.as_ref().map(|state| &state.session);
        match spec.name() {
            "state" => session
                .map_or("closed", |s| s.state(Timestamp::now()))
                .to_value(),
            "session" => session.map(|s| s.id.clone()).to_value(),
            "expires-at" => session
                .and_then(|s| s.expires())
                .and_then(|end| Timestamp::from_second(end).ok())
                .map(|t| t.to_string())
                .to_value(),
            "stats" => session
                .map_or_else(session::no_stats, |s| s.stats())
                .to_value(),
            "decision" => session.map(|s| s.described(Timestamp::now())).to_value(),
            // What runs, and not what was set while it started.
            name => match &running {
                Some(state) => state.settings.get(name),
                None => self.settings.lock().unwrap().get(name),
            },
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

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        // Whatever changed in a pause is met before a frame is. From READY to PAUSED all is decided anew.
        if transition == gst::StateChange::PausedToPlaying
            && let Some(state) = self.running()
        {
            self.look(&state);
            if state.session.ending().is_some_and(|ending| ending.hard) {
                return Err(gst::StateChangeError);
            }
        }
        // The sinks are stopped first, and a register that is stopped takes no entry.
        if transition == gst::StateChange::PlayingToPaused
            && let Some(state) = self.running()
        {
            self.write_noted(&state);
        }
        self.parent_change_state(transition)
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
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings.lock().unwrap().clone();
        // Whatever leaves is the very buffer that came, or a new one: nothing is allocated for frames.
        self.obj().set_passthrough(true);
        let now = Timestamp::now();
        let id = uuid::Uuid::new_v4().to_string();
        let frames = settings.frames().map_err(|e| {
            let refused = opening::refuse(e.refusal(), None, &settings.asked, &id, now);
            let text = self.record(&settings, &id, &refused);
            gst::error_msg!(gst::ResourceError::OpenWrite, ("{text}"))
        })?;
        let opened = match settings.stage {
            Stage::Exit => None,
            Stage::Entry => match opening::open(&settings.asked, &id, now) {
                Ok(opened) => Some(opened),
                Err(refused) => {
                    let text = self.record(&settings, &id, &refused);
                    return Err(gst::error_msg!(
                        gst::ResourceError::NotAuthorized,
                        ("{text}")
                    ));
                }
            },
        };
        let asked = settings.asked.clone();
        let state = Arc::new(State {
            session: Session::new(id, asked, opened, now).with_frames(frames),
            settings,
        });
        self.state.store(Some(state.clone()));
        let gate = self.obj().downgrade();
        let ticker = Ticker::start("purposegate", ROUND, move || match gate.upgrade() {
            Some(gate) => {
                gate.imp().tick(&state);
                true
            }
            None => false,
        });
        match ticker {
            Ok(ticker) => *self.ticker.lock().unwrap() = Some(ticker),
            Err(error) => {
                // Nobody would look whether the mandate still holds.
                self.state.store(None);
                return Err(gst::error_msg!(
                    gst::CoreError::Thread,
                    ("No thread can be started: {error} / Aucun fil d'exécution ne peut être lancé : {error}")
                ));
            }
        }
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *self.ticker.lock().unwrap() = None;
        let Some(state) = self.state.swap(None) else {
            return Ok(());
        };
        state.session.retire();
        if let Some(Err(error)) = state.session.frames().map(Frames::finish) {
            // Told, and no failure of this: an element that cannot be stopped helps nobody.
            self.unwritten(&state, &error);
        }
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let Some(state) = self.running() else {
            return Err(gst::loggable_error!(CAT, "not running"));
        };
        let checked = media::check(incaps);
        state.session.set_media(checked.is_ok(), incaps);
        if let (Ok(()), Err(late)) = (&checked, state.session.check_size()) {
            self.end_hard(&state, (&late).into(), gst::ResourceError::NotAuthorized);
            return Err(gst::loggable_error!(
                CAT,
                "{incaps} is larger than the rules allow"
            ));
        }
        checked.map_err(|not_images| {
            // Caps that are refused end the stream whatever the deny action.
            let refusal = (&Late::Media(not_images)).into();
            self.end_hard(&state, refusal, gst::ResourceError::NotAuthorized);
            gst::loggable_error!(CAT, "{incaps} may hold more than images")
        })
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let Some(state) = self.running() else {
            return self.parent_sink_event(event);
        };
        if let Some(purpose) = Purpose::from_event(&event) {
            if state.session.stage() == Stage::Entry {
                self.refuse_late(&state, &Late::TwoPurposes);
                return false;
            }
            if let Err(late) = self.declared(&state, purpose.ok()) {
                self.refuse_late(&state, &late);
                return false;
            }
        }
        let event = match event.view() {
            gst::EventView::StreamStart(start) => {
                if let Err(late) = state.session.stream_started(start.stream_id()) {
                    self.refuse_late(&state, &late);
                }
                event
            }
            gst::EventView::Segment(segment) if state.session.stage() == Stage::Entry => {
                let segment = segment.segment().downcast_ref::<gst::ClockTime>().cloned();
                if let Err(late) = state.session.set_segment(segment) {
                    self.refuse_late(&state, &late);
                }
                event
            }
            gst::EventView::FlushStop(_) if state.session.stage() == Stage::Entry => {
                state.session.flushed();
                event
            }
            gst::EventView::Eos(_) => {
                // The register closes the session at the end of the stream.
                self.write_noted(&state);
                if let Some(Err(error)) = state.session.frames().map(Frames::sync) {
                    // Whoever is told of the end would take what left for complete.
                    self.unwritten(&state, &error);
                    return false;
                }
                event
            }
            gst::EventView::Tag(tag) => match media::without_pictures(tag.tag()) {
                Some(tags) => gst::event::Tag::builder(tags)
                    .seqnum(event.seqnum())
                    .build(),
                None => event,
            },
            _ => event,
        };
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::Reconfigure
            && let Some(state) = self.running()
        {
            // Something was linked downstream.
            state.session.relink();
        }
        self.parent_src_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if let Some(state) = self.running() {
            if direction == gst::PadDirection::Sink {
                self.note(state.session.stage()).add_to(query);
            } else if let Some(session) = Proof::asked(query) {
                match state.session.proof(&session, Proof::asked_segment(query)) {
                    Ok(Some(proof)) => {
                        proof.answer(query);
                        return true;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.unwritten(&state, &error);
                        return false;
                    }
                }
            }
        }
        BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let Some(mut frame) = self.take_queued_buffer() else {
            return Ok(GenerateOutputSuccess::NoOutput);
        };
        let state = self.state.load();
        let state = state.as_deref().ok_or(gst::FlowError::Flushing)?;
        let session = &state.session;
        if session.needs_a_look()
            && let Err(refusal) = self.decide(state, &frame)
        {
            self.end(state, refusal);
            return self.denied(state, &frame);
        }
        let fate = session
            .judge(&frame, || self.stream_time(&frame), Timestamp::now())
            .map_err(|e| {
                match e {
                    Unproven::Unreadable => {
                        gst::element_imp_error!(self, gst::ResourceError::Read, ["{e}"]);
                    }
                    Unproven::Frames(e) => self.unwritten(state, &e),
                }
                gst::FlowError::Error
            })?;
        match fate {
            Fate::Out => {
                session.strip(&mut frame);
                Ok(GenerateOutputSuccess::Buffer(frame))
            }
            Fate::Held(why) => Ok(self.hold(state, &frame, &why)),
            Fate::Paused => Ok(self.black(state, &frame)),
            Fate::Ends(closed) => {
                let refusal = session.refusal_of(closed);
                session.end_all(&refusal);
                self.end(state, refusal);
                self.denied(state, &frame)
            }
            Fate::Ended => self.denied(state, &frame),
        }
    }
}
