// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ends: of a segment and of a run.

use std::time::Instant;

use privacy_register::{AppendError, Register};
use serde_json::json;

use super::{Closed, Cut, Ended, Journal, JournalError, Recorded, Run};
use crate::{
    entries::{self, Counted, End},
    output::Finished,
};

impl Journal {
    /// Whether a segment ends before the buffer with this running time in nanoseconds.
    pub fn segment_due(&mut self, running_time: Option<u64>) -> bool {
        let Some(run) = &mut self.run else {
            return false;
        };
        match &mut run.cuts {
            // One that could not be recorded before is still due.
            Some(cuts) => cuts.due(running_time, Instant::now()) || run.ended.is_some(),
            None => false,
        }
    }

    /// Number of the segment that goes on, or that ended and is not recorded yet; `None` without segments.
    pub fn segment_number(&self) -> Option<u64> {
        let run = self.run.as_ref()?;
        run.cuts.as_ref()?;
        Some(match &run.ended {
            Some((segment, _)) => segment.number,
            None => run.output.next_segment(),
        })
    }

    /// Ends the segment before the buffer with this running time, records and publishes it. `counted` tells of a
    /// session what its gate has counted so far. After a failure the call may be repeated.
    ///
    /// # Errors
    ///
    /// When the file or the register cannot be written.
    pub fn cut(
        &mut self,
        running_time: Option<u64>,
        media_type: &str,
        counted: impl Fn(&str) -> Option<Counted>,
    ) -> Result<Cut, JournalError> {
        let run = self.run.as_mut().ok_or(JournalError::NotRunning)?;
        let result = run
            .record_segment(&mut self.register, media_type, &counted)
            .and_then(|segments| {
                // The checkpoint publishes: whoever looks at the register sees the segment.
                let checkpoint = match segments.is_empty() {
                    true => None,
                    false => Some(self.register.checkpoint()?),
                };
                if let Some(cuts) = &mut run.cuts {
                    cuts.cut(running_time, Instant::now());
                }
                Ok(Cut {
                    segments,
                    checkpoint,
                })
            });
        self.note(result)
    }

    /// Ends the run: the file first, then the closing entries, so that no entry speaks of a file that is
    /// not there. A file into which no gate let a frame gets no name; if the register does not take the first of them, the file loses its name again. `None` when
    /// nothing ran, or nothing was opened and nothing arrived.
    ///
    /// # Errors
    ///
    /// When the file or an entry cannot be written. The run is over all the same, and the register reports
    /// its sessions as interrupted: a file that could not be finished has closing entries that say so.
    pub fn end(
        &mut self,
        media_type: &str,
        counted: impl Fn(&str) -> Option<Counted>,
        interrupted: bool,
    ) -> Result<Option<Ended>, JournalError> {
        let Some(mut run) = self.run.take() else {
            return Ok(None);
        };
        if run.sessions.is_empty() {
            run.output.discard();
            return Ok(None);
        }
        // The last segment stands on its own: what is true of it stays true, whatever becomes of the rest.
        let last = match run.cuts.is_some() {
            true => run.record_segment(&mut self.register, media_type, &counted),
            false => Ok(Vec::new()),
        };
        if run.let_nothing_out(&counted) {
            run.output.discard();
        }
        let finished = run.output.finish();
        // A file that could not be finished is no end, and the entry says what is left of it.
        let interrupted = interrupted || run.failed || finished.is_err() || last.is_err();
        let (output, failure) = match finished {
            Ok(output) => (output, None),
            Err(error) => (run.output.unfinished(), Some(error)),
        };
        let mut sessions = Vec::new();
        for session in std::mem::take(&mut run.sessions) {
            let end = End {
                times: &run.times,
                output: &output,
                media_type,
                counted: counted(&session.entry.session),
            };
            let mut entry = entries::closing(&session.entry, session.index, end);
            entry.interrupted = interrupted;
            if failure.is_some() {
                let left = run.output.temporary_name();
                entry
                    .more
                    .insert("unfinished".into(), json!({"left_as": left}));
            }
            match self.register.append(&entry) {
                Ok(index) => {
                    // If its file stays, the next start finds the closing entry too.
                    let _ = session.held.release();
                    sessions.push(Closed {
                        index,
                        prior: session.index,
                        session: session.entry.session,
                        interrupted,
                    });
                }
                Err(source) => {
                    // An entry that names the file stands already: the name stays true.
                    if failure.is_some() || !sessions.is_empty() {
                        return Err(failure.map_or_else(|| source.into(), JournalError::from));
                    }
                    return Err(run.without_entry(source));
                }
            }
        }
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        Ok(Some(Ended {
            output,
            segments: last?,
            sessions,
            checkpoint: self.register.checkpoint()?,
        }))
    }
}

impl Run {
    /// Ends the present segment and records it for each session. Nothing when nothing arrived in it.
    fn record_segment(
        &mut self,
        register: &mut Register,
        media_type: &str,
        counted: &impl Fn(&str) -> Option<Counted>,
    ) -> Result<Vec<Recorded>, JournalError> {
        let (segment, times) = match self.ended.clone() {
            Some(ended) => ended,
            None => {
                if self.output.arrived() == self.segment_from {
                    return Ok(Vec::new());
                }
                let segment = self.output.segment()?;
                self.segment_from = segment.to_byte;
                let times = std::mem::take(&mut self.segment_times);
                self.ended.insert((segment, times)).clone()
            }
        };
        let output = Finished {
            sha256: segment.sha256.clone(),
            bytes: segment.bytes,
            name: None,
            encryption: None,
        };
        let mut recorded = Vec::new();
        for session in &mut self.sessions {
            if session.segments > segment.number {
                continue;
            }
            let end = End {
                times: &times,
                output: &output,
                media_type,
                counted: counted(&session.entry.session),
            };
            let entry = entries::segment(&session.entry, session.index, end, &segment);
            let index = register.append(&entry)?;
            session.segments = segment.number + 1;
            recorded.push(Recorded {
                index,
                prior: session.index,
                session: session.entry.session.clone(),
                number: segment.number,
                from: segment.from_byte,
                to: segment.to_byte,
                sha256: segment.sha256.clone(),
            });
        }
        self.ended = None;
        Ok(recorded)
    }

    /// Whether every gate says that it let no frame out: what arrived is the frame of a file without images, and
    /// nobody is to take that for an extract.
    fn let_nothing_out(&self, counted: &impl Fn(&str) -> Option<Counted>) -> bool {
        self.sessions
            .iter()
            .all(|s| counted(&s.entry.session).is_some_and(|c| c.frames_out == 0))
    }

    /// The register has not taken the closing entry: the file loses its name.
    fn without_entry(&mut self, source: AppendError) -> JournalError {
        match self.output.take_back() {
            Ok(Some(kept)) => JournalError::Unclosed { source, kept },
            Ok(None) | Err(_) => source.into(),
        }
    }
}
