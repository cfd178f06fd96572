// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a gate asks other elements before and while frames flow: the register, the source, the pipeline.

use std::time::Instant;

use gst::{prelude::*, subclass::prelude::*};
use gst_base::prelude::*;
use jiff::Timestamp;
use privacy_common::{AuditAnswer, AuditRequest, PathNote, Purpose};

use super::{
    Message, Stage,
    imp::{CAT, PurposeGate, State},
    settings::Settings,
};
use crate::{
    late::Late,
    media::NotImages,
    opening::{self, Opened, Refused},
    paths,
    session::{Decision, Session},
    sessions,
    watch::Closed,
};

impl PurposeGate {
    pub(super) fn note(&self, stage: Stage) -> PathNote {
        PathNote {
            exit_gate: stage == Stage::Exit,
            elements: vec![format!("purposegate {}", env!("CARGO_PKG_VERSION"))],
            ..Default::default()
        }
    }

    fn ask_register(&self, request: &AuditRequest) -> AuditAnswer {
        self.ask(request.to_query())
    }

    /// Asks for the opening entry. Of a mandate for one use the register must have looked for an earlier one.
    fn ask_to_open(&self, opened: &Opened, request: &AuditRequest) -> AuditAnswer {
        let mut query = request.to_query();
        if let Some(single_use) = opened.single_use() {
            single_use.add_to(&mut query);
        }
        self.ask(query)
    }

    fn ask(&self, mut query: gst::query::Custom<gst::Query>) -> AuditAnswer {
        self.note(Stage::Entry).add_to(&mut query);
        let answered = self.obj().src_pad().peer_query(&mut query);
        gst::debug!(
            CAT,
            imp = self,
            "asked by way of {:?}",
            PathNote::read(&query)
        );
        AuditAnswer::read(&query, answered)
    }

    /// Has a refusal written by the register and says it on the bus. The text of the error says so where no
    /// register took it.
    pub(super) fn record(&self, settings: &Settings, session: &str, refused: &Refused) -> String {
        let refusal = &refused.refusal;
        let answer = self.ask_register(&AuditRequest {
            session: session.to_owned(),
            purpose: refused.purpose.clone(),
            operation: "refuse".to_owned(),
            entry: refused.entry.clone(),
        });
        let recorded = matches!(answer, AuditAnswer::Durable(_));
        self.post(&Message::refused(session, refusal, recorded));
        let text = settings.text(refusal);
        if recorded {
            return text;
        }
        gst::warning!(
            CAT,
            imp = self,
            "refusal is not in the register: {answer:?}"
        );
        let unrecorded = match answer {
            AuditAnswer::Failed(why) => Late::RegisterFailed(why),
            _ => Late::NoRegister,
        };
        let unrecorded = privacy_policy::Refusal::from(&unrecorded);
        if unrecorded.code == refusal.code {
            text
        } else {
            format!("{text} {}", settings.text(&unrecorded))
        }
    }

    /// Closes the gate for good; the first time, it is recorded and told.
    fn refuse(&self, state: &State, refused: &Refused) -> gst::FlowError {
        state.session.close(&refused.refusal);
        if state.session.shut() {
            let text = self.record(&state.settings, &state.session.id, refused);
            gst::element_imp_error!(self, gst::ResourceError::NotAuthorized, ("{text}"));
        }
        gst::FlowError::Error
    }

    pub(super) fn refuse_late(&self, state: &State, late: &Late) -> gst::FlowError {
        self.refuse(state, &state.session.refused(late, Timestamp::now()))
    }

    /// The frame's place in the recording. Demuxers of old containers (AVI) know only when a frame is to be
    /// decoded, which is when it is shown in streams that do not reorder frames.
    pub(super) fn stream_time(&self, frame: &gst::BufferRef) -> Option<gst::ClockTime> {
        let segment = self.obj().segment();
        segment
            .downcast_ref::<gst::ClockTime>()?
            .to_stream_time(frame.pts().or(frame.dts())?)
    }

    /// Makes sure that an entry gate is open before `frame`: the source is known by now, and the register
    /// answers. An exit gate waits for its purpose.
    pub(super) fn decide(
        &self,
        state: &State,
        frame: &gst::BufferRef,
    ) -> Result<(), gst::FlowError> {
        let session = &state.session;
        if let Decision::Shut = session.decision() {
            return Err(gst::FlowError::Error);
        }
        if !session.holds_images() {
            let late = Late::Media(NotImages::Unknown(String::new()));
            return Err(self.refuse_late(state, &late));
        }
        let Some(opened) = &session.opened else {
            return Ok(());
        };
        if let Decision::Open(open) = session.decision() {
            if session.rounds.due(Instant::now()) {
                self.look_again(state, opened, &open.purpose)?;
            }
            return Ok(());
        }
        let purpose = self
            .open_entry(session, opened, frame)
            .map_err(|refused| self.refuse(state, &refused))?;
        // Known before the event is on its way.
        let announced = sessions::announce(&purpose, self.obj().src_pad());
        let event = purpose.to_event();
        session.open(purpose, announced, Timestamp::now());
        self.obj().src_pad().push_event(event);
        Ok(())
    }

    /// A purpose reached this exit gate; `None` is one that cannot be read.
    ///
    /// # Errors
    ///
    /// When no entry gate stands behind it, which closes this gate for good.
    pub(super) fn declared(
        &self,
        state: &State,
        purpose: Option<Purpose>,
    ) -> Result<(), gst::FlowError> {
        let here = self.obj();
        let now = Timestamp::now();
        let Some(purpose) = purpose else {
            state.session.declare(None, now);
            return Ok(());
        };
        match sessions::find(&purpose, |pad| {
            paths::leads_to(pad, here.upcast_ref::<gst::Element>())
        }) {
            Some(shared) => {
                state.session.declare(Some((purpose, shared)), now);
                Ok(())
            }
            None => Err(self.refuse_late(state, &Late::UnknownSession)),
        }
    }

    fn open_entry(
        &self,
        session: &Session,
        opened: &Opened,
        frame: &gst::BufferRef,
    ) -> Result<Purpose, Box<Refused>> {
        let now = Timestamp::now();
        let late = |late: Late| Box::new(session.refused(&late, now));
        opened
            .check(now)
            .map_err(|closed| late(Late::Closed(closed)))?;
        let mut latency = gst::query::Latency::new();
        if !self.obj().sink_pad().peer_query(&mut latency) {
            return Err(late(Late::UnknownSource));
        }
        let grant = &opened.grant;
        let mode = grant
            .check_mode(latency.result().0)
            .map_err(|refusal| Box::new(session.refused_for(refusal, now)))?;
        let footage = opened.footage.time(frame, self.stream_time(frame));
        if let (Some((from, to)), None) = (opened.footage.range(), footage.first_frame) {
            return Err(late(Late::FootageTime(from, to)));
        }
        let purpose = opening::purpose_event(grant, &session.id);
        // Counts as a round: frames follow at once.
        session.rounds.due(Instant::now());
        self.walk(opened, &purpose).map_err(late)?;
        self.warn_of_sources(opened);
        let answer = self.ask_to_open(
            opened,
            &AuditRequest {
                session: session.id.clone(),
                purpose: purpose.purpose.clone(),
                operation: grant.operation.word().to_owned(),
                entry: grant.entry(&session.id, mode, footage, now),
            },
        );
        let entry = match answer {
            AuditAnswer::Durable(entry) => entry,
            AuditAnswer::Failed(why) => return Err(late(Late::RegisterFailed(why))),
            AuditAnswer::AlreadyUsed(entry) => return Err(late(Late::AlreadyUsed(entry))),
            AuditAnswer::UseUnchecked => return Err(late(Late::UseUnchecked)),
            AuditAnswer::None => return Err(late(Late::NoRegister)),
        };
        gst::info!(
            CAT,
            imp = self,
            "open for {}, entry {entry}",
            purpose.purpose
        );
        self.post(&Message::Opened {
            session: session.id.clone(),
            purpose: purpose.purpose.clone(),
            entry,
            expires_at: grant.expires.to_string(),
        });
        Ok(purpose)
    }

    /// What may have changed since the gate opened: links, and restrictions of the mandate.
    fn look_again(
        &self,
        state: &State,
        opened: &Opened,
        purpose: &Purpose,
    ) -> Result<(), gst::FlowError> {
        self.walk(opened, purpose)
            .map_err(|late| self.refuse_late(state, &late))?;
        // An end that is reached as foreseen is met at the frame, with the deny action.
        if opened.grant.still_holds(&opened.mandate, Timestamp::now())
            || opened.watch.check(Timestamp::now().as_second()).is_err()
        {
            Ok(())
        } else {
            Err(self.refuse_late(state, &Late::Closed(Closed::Expired)))
        }
    }
}
