// SPDX-License-Identifier: MIT OR Apache-2.0
//! The beginning and the end of a run, and what is told of it.

use std::{path::Path, time::Duration};

use gst::{prelude::*, subclass::prelude::*};
use privacy_register::{OpenError, Register};

use super::{
    fault,
    imp::{AuditSink, CAT, State},
    message::Message,
    settings::{Settings, Status},
    upstream::Watch,
    witness,
};
use crate::{
    errand::Errand,
    journal::{Cut, Ended, Journal, JournalError, Opened, Settled},
};

/// How long a stop waits for the witness.
const WITNESS_PATIENCE: Duration = Duration::from_secs(5);

impl AuditSink {
    /// Opens the register, closes what died in it, and begins to talk to the witness.
    pub(super) fn open(&self, settings: &Settings) -> Result<State, gst::ErrorMessage> {
        let Some(dir) = &settings.register else {
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ("register is not set; set it to the directory of a register (make one with: privacyctl register init DIR)")
            ));
        };
        // Refused now, before anything is asked for.
        settings.plan()?;
        let witness = witness::Address::of(settings)?;
        let host = settings.host_id.clone().filter(|id| !id.is_empty());
        let mut journal = Journal::open(
            dir,
            settings.signing_key.as_deref(),
            &host.unwrap_or_else(|| glib::host_name().to_string()),
            Duration::from_nanos(settings.probe_interval.nseconds()),
        )
        .map_err(|e| fault::message(settings, &e))?;
        let folder = settings.location.as_deref().map(|location| {
            let folder = location.parent();
            folder
                .filter(|f| !f.as_os_str().is_empty())
                .unwrap_or(Path::new("."))
        });
        let settled = journal
            .settle(folder)
            .map_err(|e| fault::message(settings, &e))?;
        let witness = match witness {
            Some(address) => Some(
                address
                    .talk(&self.obj(), settings, dir)
                    .map_err(|e| fault::message(settings, &e))?,
            ),
            None => None,
        };
        let publisher = publisher(settings, dir).map_err(|e| fault::message(settings, &e))?;
        *self.witness.lock().unwrap() = witness;
        *self.publisher.lock().unwrap() = Some(publisher);
        Ok(State {
            journal,
            opened_with: settings.clone(),
            settled,
        })
    }

    /// Begins a run. The register is opened anew if its properties were changed since `start`.
    pub(super) fn begin(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings();
        let plan = settings.plan()?;
        let watch = Watch::new(self.obj().upcast_ref());
        *self.watch.lock().unwrap() = Some(watch);
        let mut guard = self.state.lock().unwrap();
        let unchanged = guard
            .take()
            .filter(|state| state.opened_with.same_register(&settings));
        let state = guard.insert(match unchanged {
            Some(state) => state,
            None => self.open(&settings)?,
        });
        state
            .journal
            .begin(&plan)
            .map_err(|e| fault::message(&settings, &e))?;
        let settled = std::mem::take(&mut state.settled);
        *self.status.lock().unwrap() = Status {
            running: true,
            ..Default::default()
        };
        drop(guard);
        self.settled(settled);
        Ok(())
    }

    /// Ends the run, if one is going on, and says so on the bus.
    pub(super) fn end(&self, interrupted: bool) -> Result<(), gst::ErrorMessage> {
        let counts = self.ask_gates();
        let media_type = self.status.lock().unwrap().media_type.clone();
        let ended = self
            .with(|journal| journal.end(&media_type, |session| counts.of(session), interrupted));
        self.status.lock().unwrap().running = false;
        match ended {
            Ok(Some(ended)) => {
                self.report(&ended);
                Ok(())
            }
            Ok(None) | Err(JournalError::NotRunning) => Ok(()),
            Err(e) => Err(fault::message(&self.settings(), &e)),
        }
    }

    /// Tells of the sessions that were found dead.
    pub(super) fn settled(&self, settled: Vec<Settled>) {
        for session in settled {
            gst::warning!(
                CAT,
                imp = self,
                "entry {} was opened by a process that died; closed as interrupted",
                session.prior
            );
            self.post(&session.into());
        }
    }

    /// Lets the witness have the last checkpoint before the sink stops, within bounds.
    pub(super) fn part_from_witness(&self) {
        let witness = self.witness.lock().unwrap();
        if let Some(witness) = &*witness
            && !witness.finish(WITNESS_PATIENCE)
        {
            gst::warning!(
                CAT,
                imp = self,
                "the witness has not answered within {WITNESS_PATIENCE:?}; privacyctl register cosign asks it again"
            );
        }
    }

    fn report(&self, ended: &Ended) {
        {
            let mut status = self.status.lock().unwrap();
            status.digest = Some(ended.output.sha256.clone());
            for segment in &ended.segments {
                status.wrote(segment.index);
            }
            for session in &ended.sessions {
                status.wrote(session.index);
            }
        }
        self.tell(Message::of_end(ended));
        self.obj().notify("digest");
    }

    /// Tells of a segment.
    pub(super) fn recorded(&self, cut: &Cut) {
        {
            let mut status = self.status.lock().unwrap();
            for segment in &cut.segments {
                status.wrote(segment.index);
            }
        }
        self.tell(Message::of_cut(cut));
    }

    fn tell(&self, messages: Vec<Message>) {
        self.ask_witness();
        for message in messages {
            self.post(&message);
        }
        for name in ["entries", "last-index"] {
            self.obj().notify(name);
        }
    }

    /// Tells of an entry that a gate asked for, or that nobody did.
    pub(super) fn opened(&self, opened: Opened) {
        if opened.repeated {
            return;
        }
        self.status.lock().unwrap().wrote(opened.index);
        gst::info!(
            CAT,
            imp = self,
            "entry {} ({})",
            opened.index,
            opened.operation
        );
        self.ask_witness();
        if let Some(publisher) = &*self.publisher.lock().unwrap() {
            publisher.ask();
        }
        self.post(&opened.into());
    }

    fn ask_witness(&self) {
        if let Some(witness) = &*self.witness.lock().unwrap() {
            witness.ask();
        }
    }
}

/// Publishes entries a probe interval after they were written, whether or not buffers follow: windows of counts are
/// a quarter of an hour apart.
fn publisher(settings: &Settings, dir: &Path) -> Result<Errand, JournalError> {
    let mut register = Register::open(dir, settings.signing_key.as_deref())?;
    let delay = Duration::from_nanos(settings.probe_interval.nseconds());
    let publish = move || {
        if let Err(e) = register.publish() {
            // The entries are on the disk and signed. The next probe tells whether anything more can be written.
            gst::warning!(CAT, "entries are not published: {e}");
        }
    };
    Errand::start("auditsink-publish", delay, publish).map_err(|source| {
        JournalError::Open(OpenError::Io {
            path: dir.into(),
            source,
        })
    })
}
