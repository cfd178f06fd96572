// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a session ends while frames flow, and what is looked at each second to know whether it must.

use gst::{prelude::*, subclass::prelude::*};
use gst_base::{prelude::*, subclass::base_transform::GenerateOutputSuccess};
use jiff::Timestamp;
use privacy_common::{AuditAnswer, AuditRequest};
use privacy_policy::Refusal;

use super::{
    DenyAction, Message, Stage,
    imp::{CAT, PurposeGate, State},
};
use crate::{late::Late, opening, opening::Renewed, watch::Closed};

/// How long before the end the bus hears of it, in seconds.
const EXPIRY_NOTICE: i64 = 300;

/// Refusals that lie in the hour or in an order of limited time: what they stop may go on after them.
const PASSING: [&str; 2] = ["OUTSIDE_SCHEDULE", "SUSPENDED_MANDATE"];

impl PurposeGate {
    /// Ends the session for good. The first time it is recorded and told, and whatever has not left stays in.
    pub(super) fn end(&self, state: &State, refusal: Refusal) {
        let session = &state.session;
        // What was never open is not to pass for a stream of which nothing may leave now.
        let hard = session.stage() == Stage::Entry && !session.is_open();
        session.end(refusal, hard, gst::ResourceError::NotAuthorized);
        self.tell_end(state);
    }

    /// As [`PurposeGate::end`], for what can only be an error.
    pub(super) fn end_hard(&self, state: &State, refusal: Refusal, error: gst::ResourceError) {
        state.session.end(refusal, true, error);
        self.tell_end(state);
    }

    fn tell_end(&self, state: &State) {
        let (session, settings) = (&state.session, &state.settings);
        let Some(ending) = session.ending() else {
            return;
        };
        session.tell_once(|| {
            let refusal = &ending.refusal;
            let text = if session.is_to_be_recorded() {
                let refused = session.refused_for(refusal.clone(), Timestamp::now());
                self.record(settings, &session.session(), &refused)
            } else {
                settings.text(refusal)
            };
            let id = session.session();
            match (session.purpose(), refusal.code.as_str()) {
                (None, _) => {}
                (Some(_), "EXPIRED_MANDATE") => self.post(&Message::Expired {
                    session: id,
                    reason: "expired".to_owned(),
                }),
                (Some(_), "CLOCK_BACK") => self.post(&Message::Expired {
                    session: id,
                    reason: "clock-back".to_owned(),
                }),
                (Some(_), code) => self.post(&Message::Revoked {
                    session: id,
                    code: code.to_owned(),
                }),
            }
            if ending.hard || settings.deny_action == DenyAction::Error {
                gst::element_imp_error!(self, ending.error, ("{text}"));
            }
        });
        // Not every source ends the stream by itself when it is told that it has ended, and one that sends
        // nothing is told nothing.
        if !ending.hard && settings.deny_action == DenyAction::Eos && session.ends() {
            self.obj().src_pad().push_event(gst::event::Eos::new());
        }
    }

    /// What leaves in the place of a frame of a session that has ended.
    pub(super) fn denied(
        &self,
        state: &State,
        frame: &gst::BufferRef,
    ) -> Result<GenerateOutputSuccess, gst::FlowError> {
        // Another thread may be telling it: the error on the bus comes before that of the stream.
        self.tell_end(state);
        let hard = state.session.ending().is_none_or(|ending| ending.hard);
        match state.settings.deny_action {
            _ if hard => Err(gst::FlowError::Error),
            DenyAction::Error => Err(gst::FlowError::Error),
            DenyAction::Drop | DenyAction::Black => Ok(self.black(state, frame)),
            DenyAction::Eos => Err(gst::FlowError::Eos),
        }
    }

    /// Once a second, and when called: what waits is written down, and an entry gate looks at all that may have
    /// changed since it opened.
    pub(super) fn tick(&self, state: &State) {
        self.write_noted(state);
        self.look(state);
    }

    /// Has the refusals written down that did not end the session.
    pub(super) fn write_noted(&self, state: &State) {
        let session = &state.session;
        for refusal in session.noted() {
            let refused = session.refused_for(refusal, Timestamp::now());
            self.record(&state.settings, &session.session(), &refused);
        }
    }

    /// Looks at the clock, the files, the mandate, the calendar and the links.
    pub(super) fn look(&self, state: &State) {
        let session = &state.session;
        let Some(opened) = session
            .opened
            .as_ref()
            .filter(|_| session.ending().is_none())
        else {
            return;
        };
        let now = Timestamp::now();
        if let Err(closed) = session.check(now) {
            return self.end(state, session.refusal_of(closed));
        }
        match opened.look_again(session.asked(), now) {
            Ok(renewed) => {
                if session.suspend(false) {
                    self.post(&Message::Resumed {
                        session: session.id.clone(),
                    });
                }
                if let Some(renewed) = renewed {
                    self.renew(state, &renewed);
                }
            }
            Err(refusal) if session.is_open() && self.passes(state, &refusal) => {
                if session.suspend(true) {
                    let refused = session.refused_for(refusal, now);
                    self.record(&state.settings, &session.id, &refused);
                    self.post(&Message::Suspended {
                        session: session.id.clone(),
                        code: refused.refusal.code.clone(),
                    });
                }
            }
            Err(refusal) => return self.end(state, refusal),
        }
        if !session.is_open() {
            return;
        }
        if let Some(purpose) = session.purpose()
            && let Err(late) = self.walk(opened, &purpose)
        {
            return self.end(state, (&late).into());
        }
        if let Some(end) = session.expires_soon(now, EXPIRY_NOTICE) {
            self.post(&Message::Expiring {
                session: session.id.clone(),
                expires_at: Timestamp::from_second(end)
                    .map_or_else(|_| String::new(), |end| end.to_string()),
            });
        }
    }

    /// Whether the stream can wait for what stops it to pass.
    fn passes(&self, state: &State, refusal: &Refusal) -> bool {
        PASSING.contains(&refusal.code.as_str())
            && matches!(
                state.settings.deny_action,
                DenyAction::Drop | DenyAction::Black
            )
    }

    /// Another mandate took the place of the one in use, and demands no less.
    fn renew(&self, state: &State, renewed: &Renewed) {
        let session = &state.session;
        let grant = &renewed.granted.grant;
        let Some(entry) = session.opening_entry(grant, Timestamp::now()) else {
            // Not open yet: it will open on the new one.
            return;
        };
        let answer = self.ask_register(&AuditRequest {
            session: session.id.clone(),
            purpose: grant.purpose_id.clone(),
            operation: "config".to_owned(),
            entry,
        });
        match answer {
            AuditAnswer::Durable(_) => {}
            AuditAnswer::Failed(why) => {
                return self.end(state, (&Late::RegisterFailed(why)).into());
            }
            AuditAnswer::ClockBack(_) => {
                return self.end(state, (&Late::Closed(Closed::ClockBack)).into());
            }
            AuditAnswer::None | AuditAnswer::AlreadyUsed(_) | AuditAnswer::UseUnchecked => {
                return self.end(state, (&Late::NoRegister).into());
            }
        }
        gst::info!(
            CAT,
            imp = self,
            "mandate {} took the place of {}",
            grant.mandate_digest,
            renewed.before
        );
        let purpose = opening::purpose_event(grant, &session.id);
        self.post(&Message::Renewed {
            session: session.id.clone(),
            mandate_digest: grant.mandate_digest.clone(),
            expires_at: grant.expires.to_string(),
        });
        session.renew(purpose);
    }
}
