// SPDX-License-Identifier: MIT OR Apache-2.0
//! One writer of a register: what it knows, and what it does under the lock.
//!
//! An append goes to the [`journal`](crate::journal). [`Writer::publish`] folds the journal into the tlog-tiles
//! layout, in this order and each to the disk: 1. the bundles and tiles, 2. the signed checkpoint, 3. the journal
//! begun anew. Until the third the entries stand in the journal as well, so whatever a crash leaves of the first two is
//! written once more. A bundle that the checkpoint signs and that is not there is not the work of a crash, and
//! the register refuses to open.
//!
//! Narrower versions of the last tile and bundle stay until it is full: tlog-tiles wants those of every
//! checkpoint that was published served.

use std::{
    borrow::Cow,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, Unit};
use tlog_tiles::Hash;

use crate::{
    checkpoint::SignedCheckpoint,
    entry::Record,
    error::{AppendError, JournalFault, OpenError},
    files,
    head::{Head, partials, remove_partials},
    journal::{self, Journal, Scan, Staged},
    key::{KeyError, SigningKey},
    tree::{TILE_WIDTH, TileBytes, Tree},
};

mod job;
#[cfg(test)]
mod tests;

use self::job::{Batch, failed};
pub use self::job::{Job, Outcome};

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version(u64, u64, i64, i64);

/// A register as its writer knows it. Everything is done under the lock.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    key: SigningKey,
    head: Head,
    /// Of the file `checkpoint`.
    version: Version,
    journal: Journal,
    /// The tree over everything, with what waits in the journal.
    tree: Tree,
    /// Time of the last entry.
    last: Option<Timestamp>,
    /// Something was begun and not ended, so what is known here may not be what is on the disk.
    unsure: bool,
}

impl Writer {
    /// Makes an empty register in `dir`.
    pub fn init(dir: &Path, key: SigningKey) -> Result<Self, OpenError> {
        let io = |name: &str| {
            let path = dir.join(name);
            move |source| OpenError::Io { path, source }
        };
        let checkpoint = SignedCheckpoint::sign(&key, 0, tlog_tiles::EMPTY_HASH)?;
        let journal = Journal::create(dir, journal::FIRST_LENGTH, 0, tlog_tiles::EMPTY_HASH)
            .map_err(io(files::JOURNAL))?;
        let public = format!("{}\n", key.verifier());
        files::write_durable(dir, files::PUBLIC_KEY, public.as_bytes())
            .map_err(io(files::PUBLIC_KEY))?;
        // Last, since this is what makes it a register.
        files::write_durable(dir, files::CHECKPOINT, checkpoint.bytes())
            .map_err(io(files::CHECKPOINT))?;
        Ok(Self {
            version: version(dir)?,
            dir: dir.into(),
            key,
            head: Head {
                tree: Tree::default(),
                checkpoint,
            },
            journal,
            tree: Tree::default(),
            last: None,
            unsure: false,
        })
    }

    /// Opens a register and puts right what a crash has left.
    pub fn load(dir: &Path, key: &SigningKey) -> Result<Self, OpenError> {
        Self::load_after(dir, key, None)
    }

    /// [`Self::load`], and that it still begins with the entries of `known`.
    fn load_after(dir: &Path, key: &SigningKey, known: Option<&Tree>) -> Result<Self, OpenError> {
        let version = version(dir)?;
        let head = Head::load(dir, key)?;
        let path = dir.join(files::JOURNAL);
        let io = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let fault = |source| OpenError::Journal {
            path: path.clone(),
            source,
        };
        let (mut journal, bytes) = Journal::open(dir).map_err(io)?.map_err(fault)?;
        let found = journal.scan(&bytes);
        let mut last = time_of(&head.last_body(dir)?);
        let tree = follow(dir, key, &head, (&journal, &found, &bytes), &mut last).map_err(fault)?;
        let size = tree.size();
        if let Some(known) = known.filter(|known| known.size() > 0) {
            let now = root_at(dir, &head, &journal, &found, known.size());
            if now != Some(known.root()) {
                // Entries that were acknowledged here do not go away: an older copy was put in the place of the
                // register, which its own signature does not show.
                let last = known.size() - 1;
                let first = size.min(last);
                return Err(OpenError::Damaged { first, last });
            }
        }
        journal.mend(&bytes).map_err(io)?;
        journal.take_in(&found, &bytes, 0);
        let mut writer = Self {
            dir: dir.into(),
            key: key.clone(),
            version,
            last,
            journal,
            tree,
            head,
            unsure: false,
        };
        if found.torn || writer.journal.header.base < writer.head.tree.size() {
            writer.fold(false)?;
        }
        writer.set_aside()?;
        Ok(writer)
    }

    /// Where the register is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Number of entries under the file `checkpoint`.
    pub fn published(&self) -> u64 {
        self.head.tree.size()
    }

    /// The file `checkpoint`.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.head.checkpoint
    }

    /// What writers that wait for their turn hold a lock on.
    pub fn turn(&self) -> &fs::File {
        self.journal.file()
    }

    /// Reads again what other writers have changed, and puts right what one that died has left. `alone` when there
    /// has been none since.
    pub fn refresh(&mut self, alone: bool) -> Result<(), OpenError> {
        match self.journal.failed() {
            Some(before) => *self = Self::load_after(&self.dir, &self.key, Some(&before))?,
            None => {
                let known = alone && !std::mem::replace(&mut self.unsure, true);
                self.look_again(known)?;
            }
        }
        self.unsure = false;
        self.journal.set_alone(alone);
        Ok(())
    }

    fn look_again(&mut self, known: bool) -> Result<(), OpenError> {
        let failed = |e| self.failed(e);
        if version(&self.dir)? == self.version && self.journal.is_there().map_err(failed)? {
            if known {
                return Ok(());
            }
            if !self.journal.is_begun_anew().map_err(failed)? {
                match self.journal.news().map_err(failed)? {
                    None => return Ok(()),
                    Some((found, bytes)) if !found.torn => return self.take_in(&found, &bytes),
                    Some(_) => {}
                }
            }
        }
        *self = Self::load_after(&self.dir, &self.key, Some(&self.tree))?;
        Ok(())
    }

    /// Takes in whole commits of another writer.
    fn take_in(&mut self, found: &Scan, bytes: &[u8]) -> Result<(), OpenError> {
        let mut tree = self.tree.clone();
        for item in &found.entries {
            tree.push(item.leaf);
        }
        let head = found.head.as_ref().map(|head| &bytes[head.clone()]);
        if head.is_some_and(|head| !is_head_of(&self.key, &tree, head)) {
            return Err(self.fork(tree.size()));
        }
        if let Some(item) = found.entries.last() {
            self.last = time_of(&bytes[item.body.clone()]);
        }
        self.tree = tree;
        let end = self.journal.place.end;
        self.journal.take_in(found, bytes, end);
        Ok(())
    }

    fn fork(&self, size: u64) -> OpenError {
        OpenError::Journal {
            path: self.dir.join(files::JOURNAL),
            source: JournalFault::Fork {
                entry: size.saturating_sub(1),
            },
        }
    }

    fn failed(&self, source: io::Error) -> OpenError {
        failed(&self.dir, source)
    }

    /// Waits until everything that was staged is on the disk, or has failed.
    pub fn drain(&self) {
        // What failed is found when the writer looks again.
        let _ = self.journal.drain();
    }

    /// Appends what `jobs` hold, and waits until it is on the disk and signed. Returns for each its index, or why it
    /// is not in the register.
    pub fn append(&mut self, jobs: &[&Job]) -> Vec<Outcome> {
        let (batch, staged) = self.stage(jobs);
        match staged {
            Some(staged) => {
                let disk = staged.disk();
                let written = staged.write(&mut journal::lock(&disk));
                batch.settled(written)
            }
            None => batch.outcomes,
        }
    }

    /// Gives the entries of `jobs` their places, and signs them. The last commit of them is still to be written; before
    /// it is, the next one may be staged, but not written.
    pub fn stage(&mut self, jobs: &[&Job]) -> (Batch, Option<Staged>) {
        let mut batch = Batch {
            outcomes: Vec::with_capacity(jobs.len()),
            unsettled: 0,
            dir: self.dir.clone(),
        };
        let mut salts = vec![0u8; 16 * jobs.len()];
        let random = getrandom::fill(&mut salts).map_err(|e| KeyError::Random(e.to_string()));
        let staged = random
            .map_err(OpenError::from)
            .and_then(|()| self.stage_all(jobs, &salts, &mut batch));
        let staged = staged.unwrap_or_else(|error| {
            while batch.outcomes.len() < jobs.len() {
                batch.outcomes.push(Err(error.copy().into()));
            }
            None
        });
        (batch, staged)
    }

    fn stage_all(
        &mut self,
        jobs: &[&Job],
        salts: &[u8],
        batch: &mut Batch,
    ) -> Result<Option<Staged>, OpenError> {
        // Read under the lock: another writer may have come first while this one waited.
        let clock = Timestamp::now();
        while batch.outcomes.len() < jobs.len() {
            let mut commit = self.journal.begin_commit();
            let mut tree = self.tree.clone();
            let mut last = self.last;
            let mut done = Vec::new();
            let left = jobs.iter().zip(salts.chunks(16));
            for (job, salt) in left.skip(batch.outcomes.len()) {
                let time = floor_to_millisecond(job.time.unwrap_or(clock));
                if let Some(last) = last.filter(|last| time < *last) {
                    done.push(Err(AppendError::Clock { last, now: time }));
                    continue;
                }
                let (first, rest) = match job.body(tree.size(), time, salt) {
                    Ok(body) => body,
                    Err(error) => {
                        done.push(Err(error.into()));
                        continue;
                    }
                };
                if !self.journal.fits(&commit, first.len() + rest.len()) {
                    break;
                }
                done.push(Ok(tree.size()));
                tree.push(commit.entry([first.as_bytes(), rest]));
                last = Some(time);
            }
            if commit.len() > 0 {
                let head = SignedCheckpoint::sign(&self.key, tree.size(), tree.root())?;
                let before = std::mem::replace(&mut self.tree, tree);
                let staged = self.journal.stage(commit, head.bytes(), before);
                self.last = last;
                batch.unsettled = batch.outcomes.len();
                batch.outcomes.append(&mut done);
                if batch.outcomes.len() == jobs.len() {
                    return Ok(Some(staged));
                }
                let disk = staged.disk();
                if let Err(e) = staged.write(&mut journal::lock(&disk)) {
                    batch.outcomes.truncate(batch.unsettled);
                    return Err(failed(&self.dir, e));
                }
            } else if done.is_empty() {
                self.publish_and(true)?;
            }
            batch.outcomes.append(&mut done);
        }
        Ok(None)
    }

    /// Folds what waits in the journal into tiles, bundles and the file `checkpoint`.
    pub fn publish(&mut self) -> Result<(), OpenError> {
        self.publish_and(false)
    }

    fn publish_and(&mut self, full: bool) -> Result<(), OpenError> {
        if self.tree.size() == self.journal.header.base {
            return Ok(());
        }
        self.fold(full)
    }

    fn fold(&mut self, full: bool) -> Result<(), OpenError> {
        self.journal.drain().map_err(|e| self.failed(e))?;
        self.unsure = true;
        let mut tree = self.head.tree.clone();
        let there = (tree.size() - self.journal.header.base) as usize;
        let count = (self.tree.size() - self.journal.header.base) as usize;
        if count > there {
            let waiting = self.journal.waiting();
            // What the last bundle holds so far.
            let mut begun = self.head.bundle(&self.dir)?;
            let mut bundle = |range| match std::mem::take(&mut begun) {
                bytes if bytes.is_empty() => Cow::Borrowed(waiting.bundle(range)),
                bytes => Cow::Owned([&bytes, waiting.bundle(range)].concat()),
            };
            let mut new: Vec<(String, Cow<'_, [u8]>)> = Vec::new();
            let mut first = there;
            for (at, leaf) in waiting.leaves(there).enumerate() {
                let tiles = tree.push(leaf);
                if !tiles.is_empty() {
                    let path = files::bundle_path(tree.size() / TILE_WIDTH - 1, 256);
                    let next = there + at + 1;
                    new.push((path, bundle(first..next)));
                    first = next;
                    new.extend(tiles.into_iter().map(named));
                }
            }
            if tree != self.tree {
                return Err(self.fork(self.tree.size()));
            }
            let width = tree.size() % TILE_WIDTH;
            if width > 0 {
                let path = files::bundle_path(tree.size() / TILE_WIDTH, width as u32);
                new.push((path, bundle(first..count)));
            }
            let before = self.head.tree.partial_tiles();
            let partial = tree.partial_tiles().into_iter();
            new.extend(partial.filter(|tile| !before.contains(tile)).map(named));
            let checkpoint = SignedCheckpoint::sign(&self.key, tree.size(), tree.root())?;
            files::write_all_durable(&self.dir, &new)
                .map_err(|(path, source)| OpenError::Io { path, source })?;
            self.write(files::CHECKPOINT, checkpoint.bytes())?;
            self.head = Head { tree, checkpoint };
            self.version = version(&self.dir)?;
            for (path, _) in &new {
                if !path.contains(".p/") {
                    // Tidying may fail: what stays is a prefix of what is there.
                    let _ = remove_partials(&self.dir.join(format!("{path}.p")), |_| true);
                }
            }
        }
        let (size, root) = (self.head.tree.size(), self.head.tree.root());
        let begun = self.journal.begin_anew(&self.dir, size, root, full);
        begun.map_err(|e| self.failed(e))?;
        self.unsure = false;
        Ok(())
    }

    /// Publishes what waits; where nothing waits, writes the checkpoint once more as it is, which shows that the
    /// register can still be written.
    pub fn probe(&mut self) -> Result<(), OpenError> {
        if self.tree.size() > self.head.tree.size() {
            return self.publish();
        }
        self.write(files::CHECKPOINT, self.head.checkpoint.bytes())?;
        self.version = version(&self.dir)?;
        Ok(())
    }

    /// Overwrites what earlier generations have left in the journal.
    pub fn wipe_journal(&mut self) -> Result<(), OpenError> {
        self.unsure = true;
        let wiped = self.journal.wipe();
        wiped.map_err(|e| self.failed(e))?;
        self.unsure = false;
        Ok(())
    }

    pub fn write(&self, relative: &str, bytes: &[u8]) -> Result<(), OpenError> {
        files::write_durable(&self.dir, relative, bytes).map_err(|source| OpenError::Io {
            path: self.dir.join(relative),
            source,
        })
    }

    /// Width of a bundle among the published entries.
    pub fn bundle_width(&self, index: u64) -> u32 {
        (self.published() - index * TILE_WIDTH).min(TILE_WIDTH) as u32
    }

    /// The bytes of a bundle of published entries.
    pub fn read_bundle(&self, index: u64) -> Result<Vec<u8>, OpenError> {
        let path = files::bundle_path(index, self.bundle_width(index));
        let path = self.dir.join(path);
        files::read_limited(&path, files::MAX_BUNDLE)
            .map_err(|source| OpenError::Io { path, source })
    }

    /// Puts entries beyond the checkpoint, which nobody has signed and no crash leaves there, out of the way of readers.
    fn set_aside(&self) -> Result<(), OpenError> {
        let size = self.published();
        for index in size / TILE_WIDTH.. {
            let full = files::bundle_path(index, 256);
            let within = size.saturating_sub(index * TILE_WIDTH) as u32;
            let folder = self.dir.join(format!("{full}.p"));
            let failed = |path: &Path| {
                let path = path.to_owned();
                move |source| OpenError::Io { path, source }
            };
            let beyond = partials(&folder).map_err(failed(&folder))?.into_iter();
            let mut strays: Vec<String> = beyond
                .filter(|width| *width > within)
                .map(|width| format!("{full}.p/{width}"))
                .collect();
            if self.dir.join(&full).symlink_metadata().is_ok() {
                strays.push(full);
            }
            if strays.is_empty() {
                break;
            }
            for stray in strays {
                let from = self.dir.join(&stray);
                let aside = self.dir.join(SET_ASIDE);
                match fs::create_dir(&aside) {
                    Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(failed(&aside)(e));
                    }
                    _ => {}
                }
                let name = stray.trim_start_matches("tile/").replace('/', "-");
                // Not over another one.
                let to = (0..)
                    .map(|n| aside.join(format!("{name}-{n}")))
                    .find(|to| to.symlink_metadata().is_err())
                    .unwrap_or_default();
                fs::rename(&from, to).map_err(failed(&from))?;
            }
        }
        Ok(())
    }
}

/// Where files go that are not the register's.
pub const SET_ASIDE: &str = "set-aside";

fn named<'a>(tile: TileBytes) -> (String, Cow<'a, [u8]>) {
    let path = files::tile_path(tile.level, tile.index, tile.width);
    (path, tile.bytes.into())
}

/// The tree over what was published and what the journal adds. `last`, the time of the last published entry, becomes
/// that of the last entry.
///
/// What a torn commit has left behind the last head is not taken in: nobody was told that it is there, and its
/// checks can be made by anybody, so it would be signed whoever wrote it.
fn follow(
    dir: &Path,
    key: &SigningKey,
    head: &Head,
    (journal, found, bytes): (&Journal, &Scan, &[u8]),
    last: &mut Option<Timestamp>,
) -> Result<Tree, JournalFault> {
    let (base, size) = (journal.header.base, head.tree.size());
    let end = base + found.covered as u64;
    if base > size {
        return Err(JournalFault::Ahead { base, size });
    }
    if found.broken {
        return Err(JournalFault::Broken { entry: end });
    }
    if end < size {
        return Err(JournalFault::Behind { end, size });
    }
    let fork = |tree: &Tree| JournalFault::Fork {
        entry: tree.size().saturating_sub(1),
    };
    let mut tree = head
        .tree_at(dir, base)
        .filter(|tree| tree.root().0 == journal.header.root)
        .ok_or_else(|| fork(&head.tree))?;
    let new = &found.entries[..found.covered];
    for item in new {
        tree.push(item.leaf);
        if tree.size() == size && tree.root() != head.tree.root() {
            return Err(fork(&tree));
        }
    }
    if let Some(signed) = &found.head
        && !is_head_of(key, &tree, &bytes[signed.clone()])
    {
        return Err(fork(&tree));
    }
    if let Some(item) = new.last().filter(|_| end > size) {
        *last = time_of(&bytes[item.body.clone()]);
    }
    Ok(tree)
}

/// Root over the first `size` entries of what is there now.
fn root_at(dir: &Path, head: &Head, journal: &Journal, found: &Scan, size: u64) -> Option<Hash> {
    if size <= head.tree.size() {
        return head.tree_at(dir, size).map(|tree| tree.root());
    }
    let mut tree = head.tree.clone();
    let there = (tree.size() - journal.header.base) as usize;
    for item in found.entries[..found.covered].iter().skip(there) {
        tree.push(item.leaf);
        if tree.size() == size {
            return Some(tree.root());
        }
    }
    None
}

/// Whether `head` is what this key signs over `tree`: Ed25519 signs the same text with the same bytes.
fn is_head_of(key: &SigningKey, tree: &Tree, head: &[u8]) -> bool {
    SignedCheckpoint::sign(key, tree.size(), tree.root()).is_ok_and(|wanted| wanted.bytes() == head)
}

fn version(dir: &Path) -> Result<Version, OpenError> {
    let path = dir.join(files::CHECKPOINT);
    let metadata = fs::metadata(&path).map_err(|source| OpenError::Io { path, source })?;
    Ok(Version(
        metadata.dev(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ))
}

fn time_of(body: &[u8]) -> Option<Timestamp> {
    Record::from_bytes(body).ok().map(|record| record.timestamp)
}

fn floor_to_millisecond(time: Timestamp) -> Timestamp {
    let options = jiff::TimestampRound::new()
        .smallest(Unit::Millisecond)
        .mode(jiff::RoundMode::Floor);
    // Rounding down leaves the range of times at its lowest instant only.
    time.round(options).unwrap_or(time)
}
