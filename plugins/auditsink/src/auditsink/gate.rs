// SPDX-License-Identifier: MIT OR Apache-2.0
//! What passes between the sink and the gates upstream.

use gst::subclass::prelude::*;
use gst_base::prelude::*;
use privacy_common::{AuditAnswer, AuditRequest, PathNote, Proof, c_text};

use super::imp::{AuditSink, CAT};
use crate::{
    entries::Counted,
    journal::{JournalError, Request},
};

/// What the gates upstream have counted, by session.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<(String, Counted)>);

impl Counts {
    /// What was counted of a session; `None` when no gate has told.
    pub(super) fn of(&self, session: &str) -> Option<Counted> {
        let found = self.0.iter().find(|(name, _)| name == session);
        found.map(|(_, counted)| counted.clone())
    }
}

impl AuditSink {
    /// Answers a gate. One that asks while the stream waits for a disk is told so at once.
    pub(super) fn audit(&self, query: &mut gst::QueryRef, request: Result<AuditRequest, String>) {
        let note = PathNote::read(query);
        let answer = request.and_then(|request| {
            let request = Request {
                session: request.session,
                purpose: request.purpose,
                operation: request.operation,
                entry: request.entry,
                exit_gate: note.exit_gate,
                counter: note.counter,
                elements: note.elements,
                models: note.models,
            };
            let opened = match self.patience.is_waiting() {
                true => Err(JournalError::Waiting),
                false => self.with(|journal| journal.request(&request)),
            };
            opened.map_err(|e| e.to_string())
        });
        match answer {
            Ok(opened) => {
                AuditAnswer::Durable(opened.index).write(query);
                self.opened(opened);
            }
            Err(error) => {
                let error = c_text(&error).into_owned();
                gst::warning!(CAT, imp = self, "no entry: {error}");
                AuditAnswer::Failed(error).write(query);
            }
        }
    }

    /// Asks the gates upstream what they have counted so far. Without a lock held: the query travels through other
    /// elements, on the thread that brings their buffers too.
    pub(super) fn ask_gates(&self) -> Counts {
        let sessions = self
            .with(|journal| Ok(journal.sessions()))
            .unwrap_or_default();
        let answers = sessions.into_iter().filter_map(|session| {
            let proof = Proof::ask(self.obj().sink_pad(), &session)?;
            // A gate that speaks of another session says nothing of this one.
            (proof.session == session).then(|| (session, counted(proof)))
        });
        Counts(answers.collect())
    }
}

fn counted(proof: Proof) -> Counted {
    Counted {
        stage: proof.stage,
        frames_in: proof.frames_in,
        frames_out: proof.frames_out,
        mask_failures: proof.mask_failures,
        whole_masked: proof.whole_masked,
        root: proof.root,
    }
}
