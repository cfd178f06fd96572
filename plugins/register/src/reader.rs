// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the entries of a register without verifying them, bundle by bundle.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    checkpoint::SignedCheckpoint,
    error::{JournalFault, ReadError},
    files::{self, Lock},
    journal::{self, Pending},
    tiles::wider,
    tree::TILE_WIDTH,
};

/// How long a reader waits for a writer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The lock that readers share, or none where there is no file to lock: a copy on a read-only medium may
/// come without it, and then nobody writes there either. `Err` when a writer holds it for too long.
pub fn shared_lock(dir: &Path) -> Result<Option<Lock>, ()> {
    match Lock::take(dir, false, PATIENCE) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(()),
        Err(_) => Ok(None),
    }
}

/// Number of entries that the checkpoint claims to be over.
pub fn published(dir: &Path) -> Result<u64, ReadError> {
    let path = dir.join(files::CHECKPOINT);
    let bytes =
        files::read_limited(&path, files::MAX_CHECKPOINT).map_err(|source| ReadError::Io {
            path: path.clone(),
            source,
        })?;
    SignedCheckpoint::claim(&bytes)
        .map(|(size, _)| size)
        .map_err(|source| ReadError::Checkpoint { path, source })
}

/// What waits in the journal of a register whose checkpoint is over `published` entries. The caller holds the lock.
///
/// What is in front of the journal and what is behind it must meet: a copy of an earlier time in the place of one of the
/// two leaves a gap.
pub fn pending(dir: &Path, published: u64) -> Result<Pending, ReadError> {
    let pending = journal::read(dir)?;
    let fault = |source| ReadError::Journal {
        path: dir.join(files::JOURNAL),
        source,
    };
    let end = pending.base.saturating_add(pending.entries.len() as u64);
    match pending.root {
        Some(_) if pending.base > published => Err(fault(JournalFault::Ahead {
            base: pending.base,
            size: published,
        })),
        Some(_) if end < published => Err(fault(JournalFault::Behind {
            end,
            size: published,
        })),
        _ => Ok(pending),
    }
}

impl Pending {
    /// Number of entries of a register with these, those under a signature only; `published` of them are published.
    pub(crate) fn signed(&self, published: u64) -> u64 {
        match self.root {
            Some(_) => published.max(self.base.saturating_add(self.covered as u64)),
            None => published,
        }
    }

    /// The body of entry `index`, if it is in the journal.
    pub(crate) fn body(&self, index: u64) -> Option<&[u8]> {
        let at = usize::try_from(index.checked_sub(self.base)?).ok()?;
        self.entries.get(at).map(Vec::as_slice)
    }
}

/// A register as it was when it was opened, for reading. Nothing is verified: [`crate::verify()`] does that, and
/// [`crate::prove`] for one entry.
///
/// Entries that are appended later are not seen; bodies that are erased later are read as empty.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    published: u64,
    size: u64,
    pending: Pending,
}

impl Reader {
    /// Opens the register in `dir`. Needs no key, and leaves no trace.
    ///
    /// # Errors
    ///
    /// When there is no checkpoint, or it is malformed, the journal does not follow it, or a writer holds the register
    /// for too long.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let _lock = shared_lock(dir).map_err(|()| ReadError::Locked(dir.into()))?;
        let published = published(dir)?;
        Ok(Self::new(dir, published, pending(dir, published)?))
    }

    /// The `published` entries of a register, and those that wait in its journal.
    pub(crate) fn new(dir: &Path, published: u64, pending: Pending) -> Self {
        Self {
            dir: dir.into(),
            published,
            size: pending.signed(published),
            pending,
        }
    }

    /// Number of entries, with those that are in the journal only.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of entries that are published in bundles.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Where the register is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The body of entry `index`; empty when it was erased.
    ///
    /// # Errors
    ///
    /// When there is no such entry, or its file cannot be read or ends before it.
    pub fn body(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        if index >= self.size() {
            return Err(ReadError::Beyond {
                index,
                size: self.size(),
            });
        }
        if let Some(body) = self.unpublished(index) {
            return Ok(body.to_vec());
        }
        let bundle = self.bundle(index / TILE_WIDTH)?;
        bundle
            .get((index % TILE_WIDTH) as usize)
            .map(|body| bundle.bytes[body].to_vec())
            .ok_or_else(|| ReadError::Truncated(self.path(index / TILE_WIDTH)))
    }

    /// The bodies of the entries of `range` with their indexes, in their order. Holds one bundle of up to 256 entries
    /// at a time. After an error there is nothing more.
    pub fn iter(&self, range: Range<u64>) -> Entries<'_> {
        Entries {
            reader: self,
            next: range.start,
            end: range.end.min(self.size()),
            bundle: None,
        }
    }

    fn unpublished(&self, index: u64) -> Option<&[u8]> {
        match index < self.published {
            true => None,
            false => self.pending.body(index),
        }
    }

    fn path(&self, index: u64) -> PathBuf {
        self.dir.join(files::bundle_path(index, self.width(index)))
    }

    fn width(&self, index: u64) -> u32 {
        (self.published - index * TILE_WIDTH).min(TILE_WIDTH) as u32
    }

    /// Reads the bundle that holds the published entries from `256 × index` on.
    fn bundle(&self, index: u64) -> Result<Bundle, ReadError> {
        let width = self.width(index);
        let full = files::bundle_path(index, 256);
        let bytes = wider(&self.dir, &full, width, files::MAX_BUNDLE)
            .and_then(|bytes| bytes.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
            .map_err(|source| ReadError::Io {
                path: self.path(index),
                source,
            })?;
        let mut bodies = Vec::with_capacity(width as usize);
        let mut at = 0;
        for body in files::split_bundle(&bytes).0.iter().take(width as usize) {
            bodies.push(at + 2..at + 2 + body.len());
            at += 2 + body.len();
        }
        if bodies.len() < width as usize {
            return Err(ReadError::Truncated(self.path(index)));
        }
        Ok(Bundle { bytes, bodies })
    }
}

/// A bundle and where its bodies stand in it.
struct Bundle {
    bytes: Vec<u8>,
    bodies: Vec<Range<usize>>,
}

impl Bundle {
    fn get(&self, at: usize) -> Option<Range<usize>> {
        self.bodies.get(at).cloned()
    }
}

/// See [`Reader::iter`].
pub struct Entries<'a> {
    reader: &'a Reader,
    next: u64,
    end: u64,
    bundle: Option<Bundle>,
}

impl Iterator for Entries<'_> {
    type Item = Result<(u64, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let index = self.next;
        self.next += 1;
        if let Some(body) = self.reader.unpublished(index) {
            return Some(Ok((index, body.to_vec())));
        }
        let (bundle, at) = (index / TILE_WIDTH, (index % TILE_WIDTH) as usize);
        if at == 0 {
            self.bundle = None;
        }
        if self.bundle.is_none() {
            match self.reader.bundle(bundle) {
                Ok(read) => self.bundle = Some(read),
                Err(e) => {
                    self.end = 0;
                    return Some(Err(e));
                }
            }
        }
        let read = self.bundle.as_ref()?;
        let body = read.bytes[read.get(at)?].to_vec();
        Some(Ok((index, body)))
    }
}
