// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a gate asks for, and the entry that it becomes.

use privacy_register::{
    Anonymisation, Entry, EntryError, MAX_ENTRY_SIZE, Model, Operation, Output, Phase,
};
use serde_json::json;

use super::{JournalError, uses::Single};
use crate::entries;

/// Sink classes of a mandate that allow looking only.
const DISPLAYS: [&str; 3] = ["csu-display", "internal-secured", "internal-unsecured"];

/// Longest opening entry in bytes; the later ones say the same and what came of it.
pub(super) const MAX_OPENING: usize = MAX_ENTRY_SIZE - 8 * 1024;

/// What a gate asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The session.
    pub session: String,
    /// Identifier of the purpose.
    pub purpose: String,
    /// The operation, as a word.
    pub operation: String,
    /// Fields of the entry, a JSON object.
    pub entry: String,
    /// A gate stands at the exit.
    pub exit_gate: bool,
    /// A counter stands on the way.
    pub counter: bool,
    /// Software on the way, as `name version`.
    pub elements: Vec<String>,
    /// SHA-256 of the models on the way.
    pub models: Vec<String>,
    /// The mandate may be used once.
    pub single_use: Option<Single>,
}

impl Request {
    /// What is to be done.
    pub(super) fn operation(&self) -> Result<Operation, JournalError> {
        Operation::from_nick(&self.operation)
            .ok_or_else(|| JournalError::Operation(self.operation.clone()))
    }

    /// The entry. `to_file` says that what flows ends up in a file.
    pub(super) fn entry(
        &self,
        operation: Operation,
        host: &str,
        to_file: bool,
    ) -> Result<Entry, JournalError> {
        let alone = stands_alone(operation);
        let mut entry = Entry::from_json(operation, &self.entry)?;
        // A file of images is an extraction, whatever else the gate has opened for. Counts are not images.
        let display = entry
            .output
            .as_ref()
            .is_some_and(|output| DISPLAYS.contains(&output.sink_class.as_str()));
        let images = !alone && !self.counter;
        if to_file && images && (display || operation == Operation::Consult) {
            return Err(JournalError::NotAnExtraction);
        }
        entry.session.clone_from(&self.session);
        entry.purpose_id.clone_from(&self.purpose);
        entry.phase = (!alone).then_some(Phase::Open);
        entry.prior_entry_seq = None;
        entry.interrupted = false;
        // What came of it is not known yet, whatever the request says; the closing entry tells.
        if let Some(output) = &mut entry.output {
            *output = Output {
                sink_class: std::mem::take(&mut output.sink_class),
                ..Default::default()
            };
        }
        if let Some(masked) = &mut entry.anonymisation {
            *masked = Anonymisation {
                required: std::mem::take(&mut masked.required),
                ..Default::default()
            };
        }
        for own in entries::OWN {
            entry.more.remove(own);
        }
        entry.host_id = host.into();
        entry.elements = entries::elements(&self.elements);
        entry.models = self
            .models
            .iter()
            .map(|sha256| Model {
                sha256: sha256.clone(),
            })
            .collect();
        if let Some(single) = self.uses_up(alone) {
            let key = single.key.clone();
            entry.more.insert(entries::MANDATE_USE.into(), key.into());
        }
        if !alone {
            entry.more.insert(
                "path".into(),
                json!({"exit_gate": self.exit_gate, "counter": self.counter}),
            );
        }
        Ok(entry)
    }
}

/// Whether nothing flows under the operation, so that its entry needs no session.
pub(super) fn stands_alone(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Refuse | Operation::Config | Operation::Erase
    )
}

/// Refuses what does not leave room for the closing entry: it could be opened and never closed.
pub(super) fn leaves_room(entry: &Entry) -> Result<(), EntryError> {
    let length = serde_json::to_vec(entry).map_or(usize::MAX, |bytes| bytes.len());
    if length > MAX_OPENING {
        return Err(EntryError::TooLong(length));
    }
    Ok(())
}
