// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verifying all of a register.
//!
//! Full bundles and tiles never change, but for bodies that a purge empties: they are verified without the lock, on
//! every core, while others go on writing. What changes with every entry (the checkpoint and the right edge of
//! the tree) is read at one go under the lock before. Where a fault is found and somebody wrote meanwhile, it may
//! be their doing, and everything is verified once more under the lock.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use crate::{
    bundle::{Checked, widest, widths},
    checkpoint::SignedCheckpoint,
    error::{JournalFault, VerifyError},
    files::{self, Lock},
    journal::Pending,
    key::VerifierKey,
    reader::{pending, shared_lock},
    report::{EntryName, Report},
    tree::{self, TILE_WIDTH},
    walk::{EdgeTile, Walk},
};

/// Most threads that read: beyond these the disk is the limit.
const MAX_READERS: usize = 8;
/// Bundles that a thread may be ahead of the walk.
const AHEAD: usize = 4;

/// Verifies everything: the signature of the checkpoint, every entry against its hash, every hash tile against
/// the entries, the root against the checkpoint, the entries of the journal against theirs, and the rules that
/// entries follow.
///
/// Writes nothing. `key` should come from elsewhere than the register.
///
/// # Errors
///
/// The first fault, naming the entry where there is one to name.
pub fn verify(dir: &Path, key: &VerifierKey) -> Result<Report, VerifyError> {
    verify_inner(dir, key, None)
}

/// [`verify`], and that the register still begins with what `earlier`, a checkpoint kept elsewhere, has signed.
///
/// # Errors
///
/// Those of [`verify`], [`VerifyError::Earlier`] and [`VerifyError::Forked`].
pub fn verify_since(dir: &Path, key: &VerifierKey, earlier: &[u8]) -> Result<Report, VerifyError> {
    let earlier = SignedCheckpoint::verify(earlier, key).map_err(VerifyError::Earlier)?;
    verify_inner(dir, key, Some(earlier))
}

fn verify_inner(
    dir: &Path,
    key: &VerifierKey,
    earlier: Option<SignedCheckpoint>,
) -> Result<Report, VerifyError> {
    let (edge, lock) = Edge::read(dir, key)?;
    drop(lock);
    let state = |edge: &Edge| {
        (
            edge.checkpoint.clone(),
            edge.head.clone(),
            edge.pending.base,
        )
    };
    let seen = state(&edge);
    let error = match edge.verify(dir, earlier.clone()) {
        Ok(report) => return Ok(report),
        Err(error) => error,
    };
    let (edge, _lock) = Edge::read(dir, key)?;
    if state(&edge) == seen {
        return Err(error);
    }
    edge.verify(dir, earlier)
}

/// What changes with every entry, as it was at one moment.
struct Edge {
    checkpoint: SignedCheckpoint,
    /// What is not published.
    pending: Pending,
    /// The checkpoint over that.
    head: Option<SignedCheckpoint>,
    /// The incomplete bundle, if there is one.
    bundle: Option<Checked>,
    /// Incomplete tiles above the leaves.
    tiles: Vec<EdgeTile>,
    /// First entry that is under no signature.
    unsigned: Option<EntryName>,
}

impl Edge {
    fn read(dir: &Path, key: &VerifierKey) -> Result<(Self, Option<Lock>), VerifyError> {
        let lock = shared_lock(dir).map_err(|()| VerifyError::Locked)?;
        let path = dir.join(files::CHECKPOINT);
        let bytes = files::read_limited(&path, files::MAX_CHECKPOINT)
            .map_err(|source| VerifyError::Io { path, source })?;
        let checkpoint = SignedCheckpoint::verify(&bytes, key)?;
        let size = checkpoint.size();
        let pending = pending(dir, size)?;
        // Writers lock what they write. A copy to be read has neither the lock nor the journal, or both.
        let written = dir.join(files::LOCK).symlink_metadata().is_ok();
        if pending.root.is_none() && written {
            return Err(JournalFault::Missing.into());
        }
        let covered = pending.base.saturating_add(pending.covered as u64);
        let head = match &pending.head {
            // One that is not signed by this key continues nothing.
            Some(head) => match SignedCheckpoint::verify(head, key) {
                Ok(head) if head.size() == covered => Some(head),
                _ => {
                    let entry = covered.saturating_sub(1);
                    return Err(JournalFault::Fork { entry }.into());
                }
            },
            None => None,
        };
        let within = size % TILE_WIDTH;
        let bundle = match within {
            0 => None,
            _ => Some(Checked::read(dir, size / TILE_WIDTH, within)?),
        };
        let edge = Self {
            bundle,
            tiles: edge_tiles(dir, size)?,
            unsigned: unsigned(dir, size, &pending)?,
            pending,
            head,
            checkpoint,
        };
        Ok((edge, lock))
    }

    fn verify(self, dir: &Path, earlier: Option<SignedCheckpoint>) -> Result<Report, VerifyError> {
        let size = self.checkpoint.size();
        let signed = self.pending.signed(size);
        if let Some(earlier) = earlier.as_ref().filter(|e| e.size() > signed) {
            return Err(VerifyError::Forked {
                size: earlier.size(),
            });
        }
        let mut walk = Walk::new(earlier.as_ref(), &self.pending, self.head.as_ref());
        full_bundles(dir, size / TILE_WIDTH, &mut walk)?;
        if !walk.is_over()
            && let Some(bundle) = self.bundle
        {
            walk.bundle(dir, bundle)?;
        }
        walk.edge(size, self.tiles);
        walk.judge(&self.checkpoint)?;
        walk.journal(&self.pending, signed)?;
        if let Some(name) = self.unsigned {
            return Err(VerifyError::Unsigned(name));
        }
        let last = match self.head {
            Some(head) if signed > size => head,
            _ => self.checkpoint,
        };
        walk.finish(last, signed - size)
    }
}

/// Walks over the first `count` bundles, all of them full. Each of several threads reads every so many-th of them and
/// may be a little ahead, so that memory does not grow with the register.
fn full_bundles(dir: &Path, count: u64, walk: &mut Walk) -> Result<(), VerifyError> {
    let readers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_READERS) as u64;
    thread::scope(|scope| {
        let mut channels = Vec::new();
        for first in 0..readers.min(count) {
            let (sender, receiver) = mpsc::sync_channel(AHEAD);
            channels.push(receiver);
            scope.spawn(move || {
                let mut index = first;
                // The walk hangs up where it ends early.
                while index < count && sender.send(Checked::read(dir, index, TILE_WIDTH)).is_ok() {
                    index += readers;
                }
            });
        }
        for index in 0..count {
            let Ok(checked) = channels[(index % readers) as usize].recv() else {
                // Only a panic ends a reader early, which the scope hands on.
                break;
            };
            walk.bundle(dir, checked?)?;
            if walk.is_over() {
                // Nothing after it is in its place, and a checkpoint may claim any size.
                break;
            }
        }
        Ok(())
    })
}

/// Reads the incomplete tiles above the leaves of a tree of `size`.
fn edge_tiles(dir: &Path, size: u64) -> Result<Vec<EdgeTile>, VerifyError> {
    let io = |path: PathBuf| move |source| VerifyError::Io { path, source };
    let mut tiles = Vec::new();
    for level in 1..tree::level_count(size) as u8 {
        let width = tree::edge_width(size, level) as u32;
        if width == 0 {
            continue;
        }
        let index = size >> (8 * (u32::from(level) + 1)).min(63);
        let path = dir.join(files::tile_path(level, index, width));
        let bytes = files::read_optional(&path, files::MAX_TILE).map_err(io(path))?;
        let full = files::tile_path(level, index, 256);
        let mut narrower = Vec::new();
        for narrow in widths(dir, &full)?.into_iter().filter(|w| *w < width) {
            let path = dir.join(format!("{full}.p/{narrow}"));
            let copy = files::read_limited(&path, files::MAX_TILE).map_err(io(path))?;
            narrower.push((narrow, copy));
        }
        tiles.push(EdgeTile {
            level,
            bytes: bytes.unwrap_or_default(),
            narrower,
        });
    }
    Ok(tiles)
}

/// The first entry that is neither under the checkpoint over `size` entries nor under the head of the journal, of which
/// there is none unless a crash or a hand was at work.
fn unsigned(dir: &Path, size: u64, pending: &Pending) -> Result<Option<EntryName>, VerifyError> {
    let mut next = size;
    loop {
        // Bundles that a crash has left on the way from the journal to the checkpoint hold what the journal holds.
        let full = files::bundle_path(next / TILE_WIDTH, 256);
        let within = (next % TILE_WIDTH) as usize;
        let wider = dir.join(&full).exists()
            || widths(dir, &full)?
                .pop()
                .is_some_and(|width| width as usize > within);
        if !wider {
            break;
        }
        let bytes = widest(dir, &full, files::MAX_BUNDLE)?.unwrap_or_default();
        let (bodies, _) = files::split_bundle(&bytes);
        let bodies = bodies.get(within..).unwrap_or_default();
        if bodies.is_empty() {
            return Ok(Some(EntryName::new(next, b"")));
        }
        for body in bodies {
            if pending.body(next) != Some(*body) {
                return Ok(Some(EntryName::new(next, body)));
            }
            next += 1;
        }
        if !next.is_multiple_of(TILE_WIDTH) {
            break;
        }
    }
    let (signed, end) = (
        pending.signed(size),
        pending.base.saturating_add(pending.entries.len() as u64),
    );
    // Where the next writer has taken in what was torn, only the journal is still to be begun anew.
    let taken_in = pending.base.saturating_add(pending.covered as u64) < size && end <= size;
    if pending.torn && !taken_in {
        let body = pending.body(signed).unwrap_or_default();
        return Ok(Some(EntryName::new(signed, body)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
