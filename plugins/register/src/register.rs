// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a register.
//!
//! The order of one append, all of it under the lock, and why:
//!
//! 1. the bundle with the new entry, 2. the hash tiles, 3. the signed checkpoint; each written beside
//!    its name, to the disk, then renamed ([`files::write_durable`]). Only then is the entry acknowledged.
//!
//! So whatever is acknowledged is under a signature, and a crash leaves one of four things, which the
//! next writer puts right: a temporary file (written over), a bundle that is one entry longer than the
//! checkpoint (the entry is kept, its tiles are written and a new checkpoint is signed), the same with some
//! of its tiles, or everything. A bundle that is *shorter* than the checkpoint is not the work of a crash,
//! and the register refuses to open.
//!
//! Narrower versions of the last tile and bundle stay until it is full: tlog-tiles wants those of every
//! signed checkpoint served.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, Unit};
use tlog_tiles::record_hash;

use crate::{
    checkpoint::SignedCheckpoint,
    entry::{Entry, Operation, Record, SCHEMA},
    error::{AppendError, OpenError, PurgeError},
    fields::Erasure,
    files::{self, Lock},
    head::{Head, remove_partials},
    key::{KeyError, SigningKey, VerifierKey},
    tree::{TILE_WIDTH, Tree},
};

/// How long a writer waits for another one: an append takes milliseconds, so this is a stuck process.
const PATIENCE: Duration = Duration::from_secs(5);

/// A register open for writing. Several processes, or several of these in one process, may share one
/// directory: each append takes the lock and reads again what others have written.
#[derive(Debug)]
pub struct Register {
    dir: PathBuf,
    key: SigningKey,
    patience: Duration,
    head: Head,
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
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o750);
        private.create(dir).map_err(io)?;
        let _lock = lock(dir, PATIENCE)?;
        for name in [files::CHECKPOINT, files::PUBLIC_KEY, "tile"] {
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
            private.mode(0o700).create(keys).map_err(io)?;
            key.save(&path)?;
            files::sync_parent(keys).map_err(io)?;
            key
        };
        if key.name() != origin {
            return Err(OpenError::Origin {
                found: key.name().into(),
                expected: origin.into(),
            });
        }
        let checkpoint = SignedCheckpoint::sign(&key, 0, tlog_tiles::EMPTY_HASH)?;
        files::write_durable(
            dir,
            files::PUBLIC_KEY,
            format!("{}\n", key.verifier()).as_bytes(),
        )
        .map_err(io)?;
        files::write_durable(dir, files::CHECKPOINT, checkpoint.bytes()).map_err(io)?;
        Ok(Self {
            dir: dir.into(),
            key,
            patience: PATIENCE,
            head: Head {
                tree: Tree::default(),
                bundle: Vec::new(),
                last: None,
                checkpoint,
            },
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
        let _lock = lock(dir, patience)?;
        let head = Head::load(dir, &key)?;
        Ok(Self {
            dir: dir.into(),
            key,
            patience,
            head,
        })
    }

    /// Where the register is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of entries, as of the last call.
    pub fn size(&self) -> u64 {
        self.head.tree.size()
    }

    /// The key that verifies this register.
    pub fn verifier_key(&self) -> VerifierKey {
        self.key.verifier().clone()
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
        entry.check()?;
        let _lock = lock(&self.dir, self.patience)?;
        self.refresh()?;
        // Read under the lock: another writer may have come first while this one waited.
        self.append_locked(entry, Timestamp::now())
    }

    /// [`Register::append`] with the time given, which is cut to milliseconds.
    ///
    /// # Errors
    ///
    /// Those of [`Register::append`].
    pub fn append_at(&mut self, entry: &Entry, now: Timestamp) -> Result<u64, AppendError> {
        entry.check()?;
        let _lock = lock(&self.dir, self.patience)?;
        self.refresh()?;
        self.append_locked(entry, now)
    }

    /// The signed checkpoint over the present head.
    ///
    /// # Errors
    ///
    /// Those of [`Register::append`] that do not come from the entry.
    pub fn checkpoint(&mut self) -> Result<SignedCheckpoint, AppendError> {
        let _lock = lock(&self.dir, self.patience)?;
        self.refresh()?;
        Ok(self.head.checkpoint.clone())
    }

    /// Writes the checkpoint once more as it is, which shows that the register is still there and can still
    /// be written, without an entry.
    ///
    /// # Errors
    ///
    /// Those of [`Register::append`] that do not come from the entry.
    pub fn probe(&mut self) -> Result<(), AppendError> {
        let _lock = lock(&self.dir, self.patience)?;
        self.refresh()?;
        self.write(files::CHECKPOINT, self.head.checkpoint.bytes())
    }

    /// Erases the bodies of the entries written before `limit`, which the law wants gone after three years
    /// at the most (art. R. 253-5 CSI). Their leaf hashes stay, so that every proof and checkpoint
    /// still verifies; an entry of its own, written first, says what was erased. Returns how many bodies went.
    ///
    /// # Errors
    ///
    /// Those of [`Register::append`]. After a crash in the middle, calling it again finishes the work.
    pub fn purge(
        &mut self,
        limit: Timestamp,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, PurgeError> {
        let held = lock(&self.dir, self.patience)?;
        self.refresh()?;
        let size = self.head.tree.size();
        let mut before = 0u64;
        let mut bodies_left = 0;
        'bundles: for index in 0..size.div_ceil(TILE_WIDTH) {
            let bytes = self.read_bundle(index)?;
            for body in files::split_bundle(&bytes).0 {
                if !body.is_empty() {
                    let record = Record::from_bytes(body)?;
                    if record.timestamp >= limit {
                        break 'bundles;
                    }
                    bodies_left += 1;
                }
                before += 1;
            }
        }
        if bodies_left == 0 {
            // A purge that was cut off may have left the bodies in narrower copies.
            self.erase_before(before, held)?;
            return Ok(0);
        }
        let mut entry = Entry::new(Operation::Erase);
        entry.erasure = Some(Erasure {
            reason: reason.into(),
            due_date: Some(limit),
            entries_before: Some(before),
            ..Default::default()
        });
        entry.check()?;
        self.append_locked(&entry, now)?;
        self.erase_before(before, held)?;
        Ok(bodies_left)
    }

    /// Empties the bodies of the entries below `before`, in every copy.
    ///
    /// The last bundle first, while nobody else can have read it since the erasure was announced: whoever
    /// appends next writes it again. Full ones no longer change, so others need not wait for all of them.
    fn erase_before(&mut self, before: u64, held: Lock) -> Result<(), AppendError> {
        let edge = self.head.tree.size() / TILE_WIDTH;
        let bundles = before.div_ceil(TILE_WIDTH);
        if bundles > edge {
            self.erase_in(edge, before)?;
        }
        drop(held);
        for index in 0..bundles.min(edge) {
            let _lock = lock(&self.dir, self.patience)?;
            self.refresh()?;
            self.erase_in(index, before)?;
        }
        Ok(())
    }

    /// Empties the bodies of the entries below `before` in one bundle.
    fn erase_in(&mut self, index: u64, before: u64) -> Result<(), AppendError> {
        let bytes = self.read_bundle(index)?;
        let mut erased = Vec::with_capacity(bytes.len());
        for (at, body) in files::split_bundle(&bytes).0.into_iter().enumerate() {
            let gone = index * TILE_WIDTH + (at as u64) < before;
            files::add_to_bundle(&mut erased, if gone { b"" } else { body });
        }
        let width = self.bundle_width(index);
        if erased != bytes {
            self.write(&files::bundle_path(index, width), &erased)?;
        }
        // Narrower versions made before hold the bodies too.
        let full = files::bundle_path(index, 256);
        let folder = self.dir.join(format!("{full}.p"));
        let holds = |w: u32| {
            let copy = files::read_limited(&folder.join(w.to_string()), files::MAX_BUNDLE);
            !copy.is_ok_and(|copy| erased.starts_with(&copy))
        };
        remove_partials(&folder, |w| w < width && holds(w)).map_err(|source| AppendError::Io {
            path: folder.clone(),
            source,
        })?;
        if index == self.head.tree.size() / TILE_WIDTH {
            self.head.bundle = erased;
        }
        Ok(())
    }

    fn bundle_width(&self, index: u64) -> u32 {
        (self.head.tree.size() - index * TILE_WIDTH).min(TILE_WIDTH) as u32
    }

    fn read_bundle(&self, index: u64) -> Result<Vec<u8>, AppendError> {
        let path = self
            .dir
            .join(files::bundle_path(index, self.bundle_width(index)));
        files::read_limited(&path, files::MAX_BUNDLE)
            .map_err(|source| AppendError::Io { path, source })
    }

    /// Reads the head again if another writer was here, or if one has died in the middle.
    fn refresh(&mut self) -> Result<(), AppendError> {
        let path = self.dir.join(files::CHECKPOINT);
        let bytes = files::read_limited(&path, files::MAX_CHECKPOINT)
            .map_err(|source| AppendError::Io { path, source })?;
        let (index, width) = self.next_place();
        let leftover = self.dir.join(files::bundle_path(index, width));
        if bytes != self.head.checkpoint.bytes() || leftover.symlink_metadata().is_ok() {
            let head = Head::load(&self.dir, &self.key)?;
            // Entries that were acknowledged here do not go away: an older copy was put in the place of
            // the register, which its own signature does not show.
            let (known, now) = (&self.head.tree, &head.tree);
            if now.size() < known.size() || now.size() == known.size() && now.root() != known.root()
            {
                let last = known.size().saturating_sub(1);
                let first = now.size().min(last);
                return Err(OpenError::Damaged { first, last }.into());
            }
            self.head = head;
        }
        Ok(())
    }

    /// Index and width of the bundle that the next entry makes.
    fn next_place(&self) -> (u64, u32) {
        let size = self.head.tree.size();
        (size / TILE_WIDTH, (size % TILE_WIDTH) as u32 + 1)
    }

    fn append_locked(&mut self, entry: &Entry, now: Timestamp) -> Result<u64, AppendError> {
        let now = floor_to_millisecond(now);
        if let Some(last) = self.head.last.filter(|last| now < *last) {
            return Err(AppendError::Clock { last, now });
        }
        let seq = self.head.tree.size();
        let mut salt = [0u8; 16];
        getrandom::fill(&mut salt).map_err(|e| KeyError::Random(e.to_string()))?;
        let record = Record {
            schema: SCHEMA.into(),
            seq,
            timestamp: now,
            salt: hex::encode(salt),
            entry: entry.clone(),
        };
        let body = record.to_bytes()?;
        let mut bundle = self.head.bundle.clone();
        files::add_to_bundle(&mut bundle, &body);
        let mut tree = self.head.tree.clone();
        let tiles = tree.push(record_hash(&body));
        let checkpoint =
            SignedCheckpoint::sign(&self.key, tree.size(), tree.root()).map_err(OpenError::from)?;

        let (index, width) = self.next_place();
        let written = (|| {
            self.write(&files::bundle_path(index, width), &bundle)?;
            for tile in &tiles {
                let path = files::tile_path(tile.level, tile.index, tile.width);
                self.write(&path, &tile.bytes)?;
            }
            self.write(files::CHECKPOINT, checkpoint.bytes())
        })();
        if let Err(error) = written {
            self.undo(&files::bundle_path(index, width));
            return Err(error);
        }

        if u64::from(width) == TILE_WIDTH {
            bundle.clear();
        }
        self.head = Head {
            tree,
            bundle,
            last: Some(now),
            checkpoint,
        };
        // Acknowledged from here on. Tidying may fail: what stays is a prefix of what is there.
        if u64::from(width) == TILE_WIDTH {
            let _ = self.remove_narrower(&files::bundle_path(index, 256), 256);
        }
        for tile in tiles.iter().filter(|t| u64::from(t.width) == TILE_WIDTH) {
            let _ = self.remove_narrower(&files::tile_path(tile.level, tile.index, 256), 256);
        }
        Ok(seq)
    }

    /// Takes back the bundle of an append that failed, so that its entry, which speaks of something that is
    /// now not done, does not turn up later. Where that fails too, it may.
    fn undo(&self, bundle: &str) {
        let path = self.dir.join(files::CHECKPOINT);
        let signed = files::read_limited(&path, files::MAX_CHECKPOINT);
        // Once the checkpoint has its name the entry is signed, whatever failed after that.
        if signed.is_ok_and(|bytes| bytes == self.head.checkpoint.bytes()) {
            let path = self.dir.join(bundle);
            let _ = fs::remove_file(&path).and_then(|()| files::sync_parent(&path));
        }
    }

    fn write(&self, relative: &str, bytes: &[u8]) -> Result<(), AppendError> {
        files::write_durable(&self.dir, relative, bytes).map_err(|source| AppendError::Io {
            path: self.dir.join(relative),
            source,
        })
    }

    /// Removes the partial versions of `full` that are narrower than `width`.
    fn remove_narrower(&self, full: &str, width: u32) -> Result<(), AppendError> {
        let folder = self.dir.join(format!("{full}.p"));
        remove_partials(&folder, |w| w < width).map_err(|source| AppendError::Io {
            path: folder,
            source,
        })
    }
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

fn floor_to_millisecond(time: Timestamp) -> Timestamp {
    let options = jiff::TimestampRound::new()
        .smallest(Unit::Millisecond)
        .mode(jiff::RoundMode::Floor);
    // Rounding down leaves the range of times at its lowest instant only.
    time.round(options).unwrap_or(time)
}
