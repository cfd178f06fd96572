// SPDX-License-Identifier: MIT OR Apache-2.0
//! A register open for writing.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    checkpoint::SignedCheckpoint,
    entry::Entry,
    error::{AppendError, OpenError},
    files::{self, Lock},
    group::Group,
    key::{SigningKey, VerifierKey},
    live::Held,
    writer::{Job, Writer},
};

/// How long a writer waits for another one: an append takes milliseconds, so this is a stuck process.
const PATIENCE: Duration = Duration::from_secs(5);

/// A register open for writing. Several processes, or several of these in one process, may share one
/// directory. Those of one process that append at the same time share a signature and one wait for the disk.
///
/// What was appended is published, as a new file `checkpoint` with its tiles and bundles, by
/// [`Register::publish`], [`Register::checkpoint`], [`Register::probe`] and [`Register::purge`], when the journal is full,
/// and when the last of these in a process is dropped or the next one opened.
#[derive(Debug)]
pub struct Register {
    dir: PathBuf,
    group: Arc<Group>,
    patience: Duration,
    size: u64,
    /// Sessions whose process has died, by their opening entries, until they are closed.
    taken_over: Vec<(u64, Held)>,
}

impl Register {
    /// Makes a new, empty register in `dir`, with a new key in `dir/keys/register.key`. An existing key
    /// there is kept, if it is for the same `origin`.
    ///
    /// # Errors
    ///
    /// When `dir` holds a register already, `origin` cannot name a key, or something cannot be written.
    pub fn init(dir: &Path, origin: &str) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io {
            path: dir.into(),
            source,
        };
        make_folder(dir, 0o750).map_err(io)?;
        let _lock = lock(dir, PATIENCE)?;
        for name in [files::CHECKPOINT, files::PUBLIC_KEY, files::JOURNAL, "tile"] {
            // Also without its checkpoint it is a register, and one that somebody has tampered with.
            if dir.join(name).symlink_metadata().is_ok() {
                return Err(OpenError::Exists(dir.into()));
            }
        }
        let path = files::default_key(dir);
        let key = if path.symlink_metadata().is_ok() {
            SigningKey::load(&path)?
        } else {
            let key = SigningKey::generate(origin)?;
            let keys = path.parent().unwrap_or(dir);
            make_folder(keys, 0o700).map_err(io)?;
            key.save(&path)?;
            key
        };
        if key.name() != origin {
            return Err(OpenError::Origin {
                found: key.name().into(),
                expected: origin.into(),
            });
        }
        let writer = Writer::init(dir, key.clone())?;
        Ok(Self {
            dir: dir.into(),
            group: Group::of_new(dir, key, writer)?,
            patience: PATIENCE,
            size: 0,
            taken_over: Vec::new(),
        })
    }

    /// Opens a register for writing, and puts right what a crash has left. `key` is the path of the
    /// signing key, `None` for `dir/keys/register.key`.
    ///
    /// Looks at the checkpoint, the right edge of the tree and the last bundle; [`crate::verify`] looks
    /// at everything.
    ///
    /// # Errors
    ///
    /// When there is no register, it is locked, the key is not its key, entries that were signed are
    /// missing or changed, or something cannot be read or written.
    pub fn open(dir: &Path, key: Option<&Path>) -> Result<Self, OpenError> {
        Self::open_within(dir, key, PATIENCE)
    }

    /// [`Register::open`] with another time to wait for the lock, here and in every later call.
    ///
    /// # Errors
    ///
    /// Those of [`Register::open`].
    pub fn open_within(
        dir: &Path,
        key: Option<&Path>,
        patience: Duration,
    ) -> Result<Self, OpenError> {
        if !dir.join(files::CHECKPOINT).exists() {
            return Err(OpenError::NotARegister(dir.into()));
        }
        let default = files::default_key(dir);
        let key = SigningKey::load(key.unwrap_or(&default))?;
        let mut register = Self {
            dir: dir.into(),
            group: Group::of(dir, key)?,
            patience,
            size: 0,
            taken_over: Vec::new(),
        };
        match register.publish() {
            Ok(()) => Ok(register),
            Err(AppendError::Register(error)) => Err(error),
            Err(AppendError::Io { path, source }) => Err(OpenError::Io { path, source }),
            // Nothing is appended here.
            Err(error @ (AppendError::Entry(_) | AppendError::Clock { .. })) => {
                Err(OpenError::Io {
                    path: dir.into(),
                    source: io::Error::other(error.to_string()),
                })
            }
        }
    }

    /// Where the register is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of entries, as of the last call.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The key that verifies this register.
    pub fn verifier_key(&self) -> VerifierKey {
        self.group.key().verifier().clone()
    }

    /// Appends an entry and returns its index. When it returns, the entry and a signed checkpoint over
    /// it are on the disk.
    ///
    /// # Errors
    ///
    /// When the entry lacks a mandatory field or is too long, the clock is behind the last entry, the
    /// register is locked, or something cannot be read or written. In the last case the entry is taken
    /// back as far as the disk lets it; after a power cut it may turn up all the same once the register is
    /// opened again.
    pub fn append(&mut self, entry: &Entry) -> Result<u64, AppendError> {
        self.append_job(entry, None)
    }

    /// [`Register::append`] with the time given, which is cut to milliseconds.
    ///
    /// # Errors
    ///
    /// Those of [`Register::append`].
    pub fn append_at(&mut self, entry: &Entry, now: Timestamp) -> Result<u64, AppendError> {
        self.append_job(entry, Some(now))
    }

    fn append_job(&mut self, entry: &Entry, time: Option<Timestamp>) -> Result<u64, AppendError> {
        let job = Job::new(entry, time)?;
        let index = self.group.append(job, self.patience)?;
        self.size = self.size.max(index + 1);
        Ok(index)
    }

    /// Publishes what was appended: folds the journal into tiles, bundles and the file `checkpoint`.
    ///
    /// # Errors
    ///
    /// Those of [`Register::append`] that do not come from the entry. What was appended stays in the journal.
    pub fn publish(&mut self) -> Result<(), AppendError> {
        self.with(|writer| Ok(writer.publish()?))
    }

    /// Publishes what was appended, and returns the checkpoint over it.
    ///
    /// # Errors
    ///
    /// Those of [`Register::publish`].
    pub fn checkpoint(&mut self) -> Result<SignedCheckpoint, AppendError> {
        self.with(|writer| {
            writer.publish()?;
            Ok(writer.checkpoint().clone())
        })
    }

    /// Publishes what was appended; where nothing waits, writes the checkpoint once more as it is. Either shows
    /// that the register is still there and can still be written, without an entry.
    ///
    /// # Errors
    ///
    /// Those of [`Register::publish`].
    pub fn probe(&mut self) -> Result<(), AppendError> {
        self.with(|writer| Ok(writer.probe()?))
    }

    pub(crate) fn taken_over(&mut self) -> &mut Vec<(u64, Held)> {
        &mut self.taken_over
    }

    /// Runs `work` under the lock.
    pub(crate) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Writer) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        let (result, size) = self.group.with(self.patience, |writer| {
            let result = work(writer);
            Ok((result, writer.size()))
        })?;
        self.size = size;
        result
    }
}

/// Makes a folder and those that it is in, each of which the power may go out after.
fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    let made = fs::DirBuilder::new().mode(mode).create(folder);
    match (made, folder.parent()) {
        (Ok(()), _) => {}
        (Err(e), _) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        (Err(e), Some(parent)) if e.kind() == io::ErrorKind::NotFound && parent != folder => {
            make_folder(parent, mode)?;
            return make_folder(folder, mode);
        }
        (Err(e), _) => return Err(e),
    }
    files::sync_parent(folder)
}

fn lock(dir: &Path, patience: Duration) -> Result<Lock, OpenError> {
    Lock::take(dir, true, patience)
        .map_err(|source| OpenError::Io {
            path: dir.join(files::LOCK),
            source,
        })?
        .ok_or_else(|| OpenError::Locked {
            dir: dir.into(),
            seconds: patience.as_secs_f32(),
        })
}
