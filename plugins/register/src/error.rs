// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a register cannot be opened, written or verified.

use std::{io, path::PathBuf};

use jiff::Timestamp;

use crate::{checkpoint::CheckpointError, entry::EntryError, key::KeyError, report::EntryName};

/// Why a register cannot be opened for writing. Nothing may flow.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No checkpoint there.
    #[error(
        "{dir} holds no register; make one with: privacyctl register init {dir} (aucun registre à cet endroit : créez-le avec cette commande). If there was one, restore its file \"checkpoint\" from a copy",
        dir = .0.display()
    )]
    NotARegister(PathBuf),
    /// A register, or what is left of one, is there already.
    #[error("{dir} holds a register already; choose another directory", dir = .0.display())]
    Exists(PathBuf),
    /// Another process holds the lock.
    #[error(
        "the register {dir} is locked by another process, which did not finish within {seconds} s; find and stop that process (le registre est verrouillé par un autre processus)",
        dir = dir.display()
    )]
    Locked {
        /// The register.
        dir: PathBuf,
        /// How long it was waited for.
        seconds: f32,
    },
    /// The signing key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is for another register.
    #[error(
        "the key is for the origin \"{found}\", not \"{expected}\"; use the key of this register"
    )]
    Origin {
        /// Origin of the key.
        found: String,
        /// Origin asked for.
        expected: String,
    },
    /// The checkpoint is not one of this key.
    #[error("{0}; use the key of this register, or restore its file \"checkpoint\" from a copy")]
    Checkpoint(#[from] CheckpointError),
    /// Entries that were signed are missing or changed.
    #[error(
        "signed entries among {first} to {last} are missing or changed; run privacyctl register verify, then restore them from a copy (des mentions signées manquent ou ont été modifiées)"
    )]
    Damaged {
        /// First entry that may be concerned.
        first: u64,
        /// Last entry that may be concerned.
        last: u64,
    },
    /// The journal cannot be used, or does not follow from the checkpoint.
    #[error("{path}: {source}", path = path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JournalFault,
    },
    /// Reading or writing failed.
    #[error("{path}: {source}; check that the register is mounted, writable and not full", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why a journal cannot be used. Entries that were acknowledged may stand in it and nowhere else, so nobody begins
/// a new one in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalFault {
    /// It is not there.
    #[error(
        "the journal is missing, and with it the latest entries; restore it and the file \"checkpoint\" from the same copy (le journal manque, et avec lui les dernières mentions)"
    )]
    Missing,
    /// Neither copy of its header can be read.
    #[error(
        "the journal is damaged at its beginning, or is not a journal; restore it and the file \"checkpoint\" from the same copy (le journal est endommagé)"
    )]
    Header,
    /// It was cut or made longer.
    #[error(
        "the journal has {length} bytes instead of {wanted}: it was cut or made longer, which no crash does; restore it and the file \"checkpoint\" from the same copy (le journal a été tronqué ou allongé)"
    )]
    Length {
        /// Its length in bytes.
        length: u64,
        /// The length that it was made with.
        wanted: u64,
    },
    /// An entry was changed and entries after it were not.
    #[error(
        "entry {entry} in the journal was changed or overwritten after it was signed, as whole entries follow it; restore the journal and the file \"checkpoint\" from the same copy (une mention du journal a été modifiée après sa signature)"
    )]
    Broken {
        /// The entry, or the first of its commit.
        entry: u64,
    },
    /// The checkpoint is older.
    #[error(
        "the journal begins after entry count {base} and the file \"checkpoint\" is over {size} entries only: an old copy of the checkpoint was restored; restore both from the same copy (une ancienne copie du fichier « checkpoint » a été restaurée)"
    )]
    Ahead {
        /// Entries published before the journal.
        base: u64,
        /// Entries under the checkpoint.
        size: u64,
    },
    /// The journal is older.
    #[error(
        "the journal ends at entry count {end} and the file \"checkpoint\" is over {size} entries: an old copy of the journal was restored; restore both from the same copy (une ancienne copie du journal a été restaurée)"
    )]
    Behind {
        /// Entries up to the end of the journal.
        end: u64,
        /// Entries under the checkpoint.
        size: u64,
    },
    /// Both are authentic in themselves, or seem so, but tell different histories.
    #[error(
        "the journal does not continue what the file \"checkpoint\" has signed: it is another register's, or an old copy of one of them was restored, or entry {entry} or one before it was changed; restore both from the same copy (le journal ne fait pas suite au fichier « checkpoint »)"
    )]
    Fork {
        /// The last entry that is concerned.
        entry: u64,
    },
}

impl OpenError {
    /// The same once more, as one failure is told to everybody who waited for one commit.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::NotARegister(dir) => Self::NotARegister(dir.clone()),
            Self::Exists(dir) => Self::Exists(dir.clone()),
            Self::Locked { dir, seconds } => Self::Locked {
                dir: dir.clone(),
                seconds: *seconds,
            },
            Self::Key(error) => Self::Key(error.copy()),
            Self::Origin { found, expected } => Self::Origin {
                found: found.clone(),
                expected: expected.clone(),
            },
            Self::Checkpoint(error) => Self::Checkpoint(error.clone()),
            Self::Damaged { first, last } => Self::Damaged {
                first: *first,
                last: *last,
            },
            Self::Journal { path, source } => Self::Journal {
                path: path.clone(),
                source: source.clone(),
            },
            Self::Io { path, source } => Self::Io {
                path: path.clone(),
                source: copy_io(source),
            },
        }
    }
}

/// The same error once more.
pub(crate) fn copy_io(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Why an entry was not appended. Whoever waits for it must not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The entry itself is not good.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Time goes backwards.
    #[error(
        "the clock says {now}, which is before the last entry ({last}); set the clock right (l'horloge est en retard sur la dernière mention du registre : mettez-la à l'heure)"
    )]
    Clock {
        /// Time of the last entry.
        last: Timestamp,
        /// Time of the clock.
        now: Timestamp,
    },
    /// The register cannot be read again, is locked, or was tampered with meanwhile.
    #[error(transparent)]
    Register(OpenError),
    /// Reading or writing failed: full disk, missing directory, no permission.
    #[error("{path}: {source}; check that the register is mounted, writable and not full", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<OpenError> for AppendError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io { path, source } => Self::Io { path, source },
            error => Self::Register(error),
        }
    }
}

impl From<KeyError> for AppendError {
    fn from(error: KeyError) -> Self {
        Self::Register(error.into())
    }
}

/// Why bodies were not erased, or not all.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// The register cannot be opened.
    #[error(transparent)]
    Register(#[from] OpenError),
    /// An entry cannot be read or written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// An entry in the register cannot be read, so its age is not known.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

/// Why a register does not verify. Each says what to conclude.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not there, or not readable: nothing is proved either way.
    #[error("{path}: {source}; nothing is proved either way: check the path, and that you may read it", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A writer holds it for too long: try again.
    #[error("the register is being written; try again")]
    Locked,
    /// The signed head is missing, changed or another's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The content of the entry is not what was signed.
    #[error("{0} was changed after it was signed")]
    Changed(EntryName),
    /// The content and the hash of the entry were changed together.
    #[error(
        "entries {first} to {last}: some of them, and their hashes with them, were changed after they were signed"
    )]
    Rewritten {
        /// First entry of the group.
        first: u64,
        /// Last entry of the group.
        last: u64,
    },
    /// Entries that were signed are not there, such as a tail cut off.
    #[error("entries {first} to {last} are missing: {count} were signed", count = last + 1)]
    Missing {
        /// First missing entry.
        first: u64,
        /// Last signed entry.
        last: u64,
    },
    /// The entries that wait to be published cannot be read, or do not follow from the checkpoint.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// All entries are authentic, but a file of hashes is damaged.
    #[error(
        "the hash file {path} is damaged (it covers entries {first} to {last}, which are as they were signed)"
    )]
    Tile {
        /// The file, below the register.
        path: String,
        /// First entry below it.
        first: u64,
        /// Last entry below it.
        last: u64,
    },
    /// An older, narrower copy of a file says something else than the present one.
    #[error("{path}, kept for readers of an earlier checkpoint, was changed at entry {entry}")]
    Stale {
        /// The file, below the register.
        path: String,
        /// First entry that differs in it.
        entry: u64,
    },
    /// Entries without a signature: an append was cut off by a crash, or somebody added them.
    #[error(
        "{0} is under no signature: an append was cut off, or somebody added it. Open the register with its key (privacyctl register recover), then verify again"
    )]
    Unsigned(EntryName),
    /// The body of the entry is gone and no entry says that it was erased.
    #[error("the body of entry {0} is gone, and no entry says that it was erased")]
    Erased(u64),
    /// An erasure that was announced was cut off.
    #[error(
        "{path} still holds the body of entry {entry}, which was erased after its time: the erasure was cut off; run privacyctl register purge again (l'effacement a été interrompu : relancez-le)"
    )]
    Unpurged {
        /// The file, below the register.
        path: String,
        /// First entry that is erased elsewhere and not in it.
        entry: u64,
    },
    /// The entry is as it was signed, but breaks a rule of the register.
    #[error("{name}: {why}")]
    Rule {
        /// The entry.
        name: EntryName,
        /// The rule that it breaks.
        why: String,
    },
    /// The earlier checkpoint is not a beginning of this register: its history was written anew.
    #[error(
        "the earlier checkpoint ({size} entries) is not a beginning of this register: entries were removed or changed and everything after them signed again"
    )]
    Forked {
        /// Size of the earlier checkpoint.
        size: u64,
    },
    /// The earlier checkpoint cannot be used.
    #[error("the earlier checkpoint: {0}")]
    Earlier(CheckpointError),
}

/// Why entries cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file ends within an entry, or before one that was signed.
    #[error("{path} ends within an entry, or before one that was signed; run privacyctl register verify", path = .0.display())]
    Truncated(PathBuf),
    /// The checkpoint does not say how many entries there are.
    #[error("{path}: {source}; restore it from a copy", path = path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CheckpointError,
    },
    /// There is no such entry.
    #[error("there is no entry {index}: the register holds {size}, counted from 0")]
    Beyond {
        /// The entry asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// A writer holds it for too long.
    #[error("the register {dir} is being written; try again", dir = .0.display())]
    Locked(PathBuf),
    /// The journal cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JournalFault,
    },
}

impl From<ReadError> for VerifyError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { path, source } => Self::Io { path, source },
            ReadError::Checkpoint { source, .. } => Self::Checkpoint(source),
            ReadError::Locked(_) => Self::Locked,
            ReadError::Journal { source, .. } => Self::Journal(source),
            ReadError::Truncated(path) => Self::Io {
                path,
                source: io::Error::new(io::ErrorKind::UnexpectedEof, "ends within an entry"),
            },
            ReadError::Beyond { index, size } => Self::Missing {
                first: size,
                last: index,
            },
        }
    }
}
