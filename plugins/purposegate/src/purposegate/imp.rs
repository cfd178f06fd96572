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
use std::sync::{Arc, LazyLock, Mutex};

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
    late::Late,
    media, opening,
    session::{self, Fate, Session, Unproven},
    watch::Closed,
};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "purposegate",
        gst::DebugColorFlags::empty(),
        Some("Gate for one lawful purpose"),
    )
});

/// A run, with the settings that it began with.
#[derive(Clone)]
pub(super) struct State {
    pub(super) settings: Arc<Settings>,
    pub(super) session: Arc<Session>,
}

/// Lock order: `settings`, then `state`; neither is held while anything else is done.
#[derive(Default)]
pub struct PurposeGate {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
}

#[glib::object_subclass]
impl ObjectSubclass for PurposeGate {
    const NAME: &'static str = "GstPurposeGate";
    type Type = super::PurposeGate;
    type ParentType = gst_base::BaseTransform;
}

impl PurposeGate {
    pub(super) fn running(&self) -> Option<State> {
        self.state.lock().unwrap().clone()
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
    fn hold(&self, state: &State, frame: &gst::BufferRef, reason: String) -> GenerateOutputSuccess {
        if state.session.is_news(&reason) {
            gst::warning!(CAT, imp = self, "holding frames: {reason}");
            let purpose = state.session.purpose();
            self.post(&Message::Held {
                session: purpose.map_or_else(String::new, |p| p.session),
                reason,
            });
        }
        self.black(state, frame)
    }

    fn black(&self, state: &State, frame: &gst::BufferRef) -> GenerateOutputSuccess {
        let wanted = state.settings.deny_action == DenyAction::Black;
        match wanted.then(|| state.session.black(frame)).flatten() {
            Some(black) => GenerateOutputSuccess::Buffer(black),
            None => GenerateOutputSuccess::Dropped,
        }
    }

    /// Closes the gate for good: what leaves cannot be written down. The first time, it is told.
    fn unwritten(&self, state: &State, error: &FramesError) {
        if state.session.shut() {
            let text = state.settings.text(&error.refusal());
            if error.is_full() {
                gst::element_imp_error!(self, gst::ResourceError::NoSpaceLeft, ("{text}"));
            } else {
                gst::element_imp_error!(self, gst::ResourceError::Write, ("{text}"));
            }
        }
    }

    /// The decision ended while frames flow.
    fn close(
        &self,
        state: &State,
        frame: &gst::BufferRef,
        closed: Closed,
    ) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let reason = match closed {
            Closed::Expired => "expired",
            Closed::ClockBack => "clock-back",
            Closed::Upstream => "session-closed",
        };
        let refusal = state
            .session
            .why()
            .unwrap_or_else(|| (&Late::Closed(closed)).into());
        state.session.close(&refusal);
        if state.session.is_news(reason) {
            self.post(&Message::Expired {
                session: state.session.id.clone(),
                reason: reason.to_owned(),
            });
        }
        match state.settings.deny_action {
            DenyAction::Error => {
                let text = state.settings.text(&refusal);
                gst::element_imp_error!(self, gst::ResourceError::NotAuthorized, ("{text}"));
                Err(gst::FlowError::Error)
            }
            DenyAction::Drop | DenyAction::Black => Ok(self.black(state, frame)),
            DenyAction::Eos => {
                // Not every source ends the stream by itself when it is told that it has ended.
                if state.session.ends() {
                    self.obj().src_pad().push_event(gst::event::Eos::new());
                }
                Err(gst::FlowError::Eos)
            }
        }
    }
}

impl ObjectImpl for PurposeGate {
    fn properties() -> &'static [glib::ParamSpec] {
        settings::param_specs()
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
                .and_then(|s| s.purpose())
                .and_then(|p| Timestamp::from_second(p.expires).ok())
                .map(|t| t.to_string())
                .to_value(),
            "stats" => session
                .map_or_else(session::no_stats, |s| s.stats())
                .to_value(),
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
        let frames = settings.frames().map_err(|e| {
            let text = settings.text(&e.refusal());
            gst::error_msg!(gst::ResourceError::OpenWrite, ("{text}"))
        })?;
        let id = uuid::Uuid::new_v4().to_string();
        let opened = match settings.stage {
            Stage::Exit => None,
            Stage::Entry => match opening::open(&settings.asked, &id, Timestamp::now()) {
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
        *self.state.lock().unwrap() = Some(State {
            session: Arc::new(Session::new(id, settings.asked.clone(), opened).with_frames(frames)),
            settings: Arc::new(settings),
        });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let Some(state) = self.state.lock().unwrap().take() else {
            return Ok(());
        };
        state.session.end();
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
        checked.map_err(|not_images| {
            let _ = self.refuse_late(&state, &Late::Media(not_images));
            gst::loggable_error!(CAT, "{incaps} may hold more than images")
        })
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let Some(state) = self.running() else {
            return self.parent_sink_event(event);
        };
        if let Some(purpose) = Purpose::from_event(&event) {
            if state.session.stage() == Stage::Entry {
                let _ = self.refuse_late(&state, &Late::TwoPurposes);
                return false;
            }
            if self.declared(&state, purpose.ok()).is_err() {
                return false;
            }
        }
        let event = match event.view() {
            gst::EventView::StreamStart(_) => {
                state.session.stream_started();
                event
            }
            gst::EventView::Eos(_) => {
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
            state.session.rounds.ask();
        }
        self.parent_src_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if let Some(state) = self.running() {
            if direction == gst::PadDirection::Sink {
                self.note(state.session.stage()).add_to(query);
            } else if let Some(session) = Proof::asked(query) {
                match state.session.proof(&session) {
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
        let state = self.running().ok_or(gst::FlowError::Flushing)?;
        self.decide(&state, &frame)?;
        let fate = state
            .session
            .judge(&frame, self.stream_time(&frame), Timestamp::now())
            .map_err(|e| {
                match e {
                    Unproven::Unreadable => {
                        gst::element_imp_error!(self, gst::ResourceError::Read, ["{e}"]);
                    }
                    Unproven::Frames(e) => self.unwritten(&state, &e),
                }
                gst::FlowError::Error
            })?;
        match fate {
            Fate::Out => {
                state.session.strip(&mut frame);
                Ok(GenerateOutputSuccess::Buffer(frame))
            }
            Fate::Held(reason) => Ok(self.hold(&state, &frame, reason)),
            Fate::Closed(closed) => self.close(&state, &frame, closed),
        }
    }
}
