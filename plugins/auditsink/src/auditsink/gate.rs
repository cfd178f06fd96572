// SPDX-License-Identifier: MIT OR Apache-2.0
//! What passes between the sink and the gates upstream.

use gst::subclass::prelude::*;
use gst_base::prelude::*;
use privacy_common::{AuditAnswer, AuditRequest, PathNote, Proof, SingleUse, c_text};

use super::imp::{AuditSink, CAT};
use crate::{
    entries::{Counted, CountedSegment},
    journal::{JournalError, Request, Single},
};

/// Why a request became no entry.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Unread(String),
    #[error(transparent)]
    Journal(JournalError),
}

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
        let single_use = SingleUse::read(query).transpose();
        let is_single = !matches!(single_use, Ok(None));
        let request = request.and_then(|request| {
            let single_use = single_use.map_err(|e| e.to_string())?;
            Ok((request, single_use))
        });
        let answer = request
            .map_err(Refused::Unread)
            .and_then(|(request, single_use)| {
                let request = Request {
                    session: request.session,
                    purpose: request.purpose,
                    operation: request.operation,
                    entry: request.entry,
                    exit_gate: note.exit_gate,
                    counter: note.counter,
                    elements: note.elements,
                    models: note.models,
                    single_use: single_use.map(|single| Single {
                        key: single.key,
                        since: single.since,
                    }),
                };
                let opened = match self.patience.is_waiting() {
                    true => Err(JournalError::Waiting),
                    false => self.with(|journal| journal.request(&request)),
                };
                opened.map_err(Refused::Journal)
            });
        match answer {
            Ok(opened) => {
                AuditAnswer::Durable(opened.index).write(query);
                if is_single {
                    SingleUse::checked(query);
                }
                self.opened(opened);
            }
            Err(Refused::Journal(JournalError::AlreadyUsed(index))) => {
                gst::warning!(CAT, imp = self, "used already in entry {index}");
                AuditAnswer::AlreadyUsed(index).write(query);
            }
            Err(error) => {
                let clock_back = matches!(
                    error,
                    Refused::Journal(JournalError::Append(
                        privacy_register::AppendError::Clock { .. }
                    ))
                );
                let error = error.to_string();
                let error = c_text(&error).into_owned();
                gst::warning!(CAT, imp = self, "no entry: {error}");
                match clock_back {
                    true => AuditAnswer::ClockBack(error),
                    false => AuditAnswer::Failed(error),
                }
                .write(query);
            }
        }
    }

    /// Asks the gates upstream what they have counted so far. Without a lock held: the query travels through other
    /// elements, on the thread that brings their buffers too.
    /// The segment that is about to be recorded ends at the gates too, so that its frames have a tree of their own.
    pub(super) fn ask_gates(&self) -> Counts {
        let (sessions, segment) = self
            .with(|journal| Ok((journal.sessions(), journal.segment_number())))
            .unwrap_or_default();
        let answers = sessions.into_iter().filter_map(|session| {
            let element = self.obj();
            let proof = match segment {
                Some(number) => Proof::ask_segment(element.sink_pad(), &session, number),
                None => Proof::ask(element.sink_pad(), &session),
            }?;
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
        outside: proof.outside,
        late: proof.late,
        whole_masked: proof.whole_masked,
        root: proof.root,
        segment: proof.segment.map(|segment| CountedSegment {
            number: segment.number,
            first_frame: segment.first_frame,
            frames: segment.frames,
            root: segment.root,
        }),
    }
}
