// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a gate asks other elements before and while frames flow: the register, the source, the pipeline.

use gst::{prelude::*, subclass::prelude::*};
use gst_base::prelude::*;
use jiff::Timestamp;
use privacy_common::{AuditAnswer, AuditRequest, PathNote, Purpose};
use privacy_policy::{Mode, Refusal};

use super::{
    Message, Stage,
    imp::{CAT, PurposeGate, State},
    settings::Settings,
};
use crate::{
    footage::Outside,
    held::Why,
    late::Late,
    media::NotImages,
    opening::{self, Opened, Refused},
    paths,
    session::Session,
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

    pub(super) fn ask_register(&self, request: &AuditRequest) -> AuditAnswer {
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
            AuditAnswer::Failed(why) | AuditAnswer::ClockBack(why) => Late::RegisterFailed(why),
            _ => Late::NoRegister,
        };
        let unrecorded = Refusal::from(&unrecorded);
        if unrecorded.code == refusal.code {
            text
        } else {
            format!("{text} {}", settings.text(&unrecorded))
        }
    }

    /// Closes the gate for good, for a reason that shows only while it runs.
    pub(super) fn refuse_late(&self, state: &State, late: &Late) {
        self.end(state, late.into());
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
    /// answers. An exit gate waits for its purpose. While a decision stands there is nothing to do.
    ///
    /// # Errors
    ///
    /// When the gate must not open, or not stay open.
    pub(super) fn decide(&self, state: &State, frame: &gst::BufferRef) -> Result<(), Refusal> {
        let session = &state.session;
        if !session.holds_images() {
            return Err((&Late::Media(NotImages::Unknown(String::new()))).into());
        }
        let Some(opened) = &session.opened else {
            return Ok(());
        };
        let src = self.obj().src_pad().clone();
        if session.is_open() {
            if let Some(purpose) = session.purpose().filter(|_| session.is_relinked()) {
                self.walk(opened, &purpose)?;
            }
            if let Some(renewed) = session.renewed() {
                src.push_event(renewed.to_event());
            }
            return Ok(());
        }
        let purpose = self.open_entry(session, opened, frame)?;
        // Known before the event is on its way.
        let announced = sessions::announce(&purpose, &src);
        let event = purpose.to_event();
        session.open(purpose, announced);
        src.push_event(event);
        Ok(())
    }

    /// A purpose reached this exit gate; `None` is one that cannot be read.
    ///
    /// # Errors
    ///
    /// When no entry gate stands behind it, which closes this gate for good.
    pub(super) fn declared(&self, state: &State, purpose: Option<Purpose>) -> Result<(), Late> {
        let here = self.obj();
        let Some(purpose) = purpose else {
            state.session.declare(None);
            return Ok(());
        };
        match sessions::find(&purpose, |pad| {
            paths::leads_to(pad, here.upcast_ref::<gst::Element>())
        }) {
            Some(shared) => {
                state.session.declare(Some((purpose, shared)));
                Ok(())
            }
            None => Err(Late::UnknownSession),
        }
    }

    fn open_entry(
        &self,
        session: &Session,
        opened: &Opened,
        frame: &gst::BufferRef,
    ) -> Result<Purpose, Refusal> {
        let now = Timestamp::now();
        session
            .check(now)
            .map_err(|closed| session.refusal_of(closed))?;
        // The mandate may hold no more, or not yet again, since the element was started.
        opened.look_again(session.asked(), now)?;
        let mut latency = gst::query::Latency::new();
        if !self.obj().sink_pad().peer_query(&mut latency) {
            return Err((&Late::UnknownSource).into());
        }
        let granted = opened.granted();
        let grant = &granted.grant;
        let mode = grant.check_mode(latency.result().0)?;
        session.check_size().map_err(|late| Refusal::from(&late))?;
        let footage = opened.footage.time(frame, self.stream_time(frame));
        if let (Some((from, to)), None) = (opened.footage.range(), footage.first_frame) {
            return Err((&Late::FootageTime(from, to)).into());
        }
        // Of what is handed over as evidence or to the person on it, the register must know when it was filmed.
        let handed_over = ["judicial.", "procedure.", "rights."];
        if mode == Mode::Deferred
            && footage.first_frame.is_none()
            && handed_over.iter().any(|p| grant.purpose_id.starts_with(p))
        {
            return Err(Why::Outside(Outside::Unknown).refusal());
        }
        opened
            .footage
            .check_age(frame, self.stream_time(frame), mode, now)
            .map_err(|outside| Why::Outside(outside).refusal())?;
        let purpose = opening::purpose_event(grant, &session.id);
        // Whatever was linked until now is seen here.
        session.is_relinked();
        self.walk(opened, &purpose)?;
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
            AuditAnswer::Failed(why) => return Err((&Late::RegisterFailed(why)).into()),
            AuditAnswer::ClockBack(_) => return Err((&Late::Closed(Closed::ClockBack)).into()),
            AuditAnswer::AlreadyUsed(entry) => return Err((&Late::AlreadyUsed(entry)).into()),
            AuditAnswer::UseUnchecked => return Err((&Late::UseUnchecked).into()),
            AuditAnswer::None => return Err((&Late::NoRegister).into()),
        };
        session.opened_on(mode, footage);
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
}
