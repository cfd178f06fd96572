// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a journal cannot go on.

use std::path::PathBuf;

use privacy_register::{AppendError, EntryError, OpenError, ReadError};

use crate::output::OutputError;

/// Why the journal cannot go on. Nothing may flow.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The register cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The register did not take an entry.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The register did not take the closing entry, so the file is not under its name.
    #[error("{source}; the file was kept as {kept}, without its closing entry", kept = kept.display())]
    Unclosed {
        /// Why.
        source: AppendError,
        /// The temporary name of the file.
        kept: PathBuf,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The request cannot be read.
    #[error("the entry that the gate asked for: {0}")]
    Entry(#[from] EntryError),
    /// An operation that is not one.
    #[error(
        "the operation \"{0}\" is unknown; use one of collect, modify, consult, communicate, erase, extract, publish, refuse, config, window_published"
    )]
    Operation(String),
    /// The session is open already, with another entry.
    #[error("the session {0} is open already; give each session its own identifier")]
    SessionOpen(String),
    /// A file was asked for under an operation that allows looking only.
    #[error(
        "what the gate opened for allows looking at images, not writing them to a file: leave out location, or obtain a mandate for an extraction (consulter n'autorise pas à extraire : une extraction n'est jamais libre)"
    )]
    NotAnExtraction,
    /// The mandate may be used once, and was.
    #[error(
        "the mandate may be used once, and entry {0} of this register is its use; ask for a new one (ce mandat ne sert qu'une fois et l'entrée {0} du registre en est l'usage)"
    )]
    AlreadyUsed(u64),
    /// Whether the mandate was used cannot be read from the register.
    #[error(
        "whether the mandate was used before cannot be read: {0}; run privacyctl register verify"
    )]
    Unreadable(#[from] ReadError),
    /// Nothing is running, so nothing can be written.
    #[error("the sink is not running")]
    NotRunning,
    /// The sink waits for a disk; a gate is not made to wait with it.
    #[error(
        "the sink waits until the register and the disk can be written again; free space or bring the register back, then ask again (en attente : le registre ou le disque ne peut pas être écrit)"
    )]
    Waiting,
}

impl JournalError {
    /// Whether the same may be taken later: the disk is full or away, the register locked, the clock behind. What
    /// was tampered with, or is refused for what it says, stays so.
    pub fn may_pass(&self) -> bool {
        let open_may = |error: &OpenError| {
            matches!(
                error,
                OpenError::Io { .. } | OpenError::Locked { .. } | OpenError::NotARegister(_)
            )
        };
        match self {
            Self::Open(error) | Self::Append(AppendError::Register(error)) => open_may(error),
            Self::Append(AppendError::Io { .. } | AppendError::Clock { .. }) => true,
            Self::Output(OutputError::Io { .. }) | Self::Waiting => true,
            _ => false,
        }
    }
}
