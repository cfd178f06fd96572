// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a register and verifying all of it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tlog_tiles::{Hash, record_hash};

use crate::{
    checkpoint::SignedCheckpoint,
    error::{ReadError, VerifyError},
    files::{self, Lock},
    head::partials,
    key::VerifierKey,
    report::{EntryName, Report, Rules},
    tree::{self, TILE_WIDTH, TileBytes, Tree},
};

/// How long a reader waits for a writer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Verifies everything: the signature of the checkpoint, every entry against its hash, every hash tile against
/// the entries, the root against the checkpoint, and the rules that entries follow.
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

/// Reads the bodies of all entries with their indexes, without verifying anything. An erased body is empty.
///
/// # Errors
///
/// When a file cannot be read or ends within an entry.
pub fn read_entries(dir: &Path) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
    let _lock = Lock::take(dir, false, PATIENCE);
    let mut entries = Vec::new();
    for index in 0.. {
        let Some((_, path, bytes)) = widest_bundle(dir, index)? else {
            break;
        };
        let (bodies, rest) = files::split_bundle(&bytes);
        for body in &bodies {
            entries.push((entries.len() as u64, body.to_vec()));
        }
        if !rest.is_empty() {
            return Err(ReadError::Truncated(path));
        }
        if (bodies.len() as u64) < TILE_WIDTH {
            break;
        }
    }
    Ok(entries)
}

/// Length of each entry in a bundle, with the two bytes that hold it.
fn lengths(bundle: &[u8]) -> Vec<usize> {
    let (bodies, _) = files::split_bundle(bundle);
    bodies.iter().map(|body| body.len() + 2).collect()
}

/// Width, path and bytes of the widest version of a bundle.
fn widest_bundle(dir: &Path, index: u64) -> Result<Option<(u32, PathBuf, Vec<u8>)>, ReadError> {
    widest(dir, &files::bundle_path(index, 256), files::MAX_BUNDLE)
}

fn widest(
    dir: &Path,
    full: &str,
    limit: u64,
) -> Result<Option<(u32, PathBuf, Vec<u8>)>, ReadError> {
    let io = |path: PathBuf| move |source| ReadError::Io { path, source };
    let path = dir.join(full);
    if let Some(bytes) = files::read_optional(&path, limit).map_err(io(path.clone()))? {
        return Ok(Some((256, path, bytes)));
    }
    let folder = dir.join(format!("{full}.p"));
    let Some(width) = partials(&folder).map_err(io(folder.clone()))?.pop() else {
        return Ok(None);
    };
    let path = folder.join(width.to_string());
    let bytes = files::read_limited(&path, limit).map_err(io(path.clone()))?;
    Ok(Some((width, path, bytes)))
}

fn verify_inner(
    dir: &Path,
    key: &VerifierKey,
    earlier: Option<SignedCheckpoint>,
) -> Result<Report, VerifyError> {
    // A copy on a read-only medium may come without the lock; then nobody writes there either.
    let _lock = match Lock::take(dir, false, PATIENCE) {
        Ok(Some(lock)) => Some(lock),
        Ok(None) => return Err(VerifyError::Locked),
        Err(_) => None,
    };
    let path = dir.join(files::CHECKPOINT);
    let bytes = files::read_limited(&path, files::MAX_CHECKPOINT)
        .map_err(|source| VerifyError::Io { path, source })?;
    let checkpoint = SignedCheckpoint::verify(&bytes, key)?;
    if let Some(earlier) = earlier.as_ref().filter(|e| e.size() > checkpoint.size()) {
        return Err(VerifyError::Forked {
            size: earlier.size(),
        });
    }

    let mut walk = Walk::default();
    if let Some(earlier) = earlier {
        walk.earlier = Some(earlier);
        walk.compare_earlier();
    }
    let size = checkpoint.size();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        walk.bundle(dir, index, (size - index * TILE_WIDTH).min(TILE_WIDTH))?;
        if walk.missing.is_some() {
            // Nothing after it is in its place, and a checkpoint may claim any size.
            break;
        }
    }
    walk.edges(dir, size)?;
    walk.judge(&checkpoint)?;
    if let Some(name) = unsigned(dir, size)? {
        return Err(VerifyError::Unsigned(name));
    }
    walk.rules.finish(checkpoint)
}

/// State of one walk over all entries.
#[derive(Default)]
struct Walk {
    /// The tree that the bodies make (with the stored hash where a body was erased).
    bodies: Tree,
    /// The tree that the stored leaf hashes make.
    leaves: Tree,
    /// First entry whose body does not match its stored hash.
    mismatch: Option<EntryName>,
    /// First entry that was signed and is not there.
    missing: Option<u64>,
    /// First hash file that does not follow from the entries.
    tile: Option<VerifyError>,
    /// First narrower copy that differs.
    stale: Option<VerifyError>,
    /// First group of 256 whose leaf hashes do not match the hash one level up.
    group: Option<u64>,
    earlier: Option<SignedCheckpoint>,
    forked: bool,
    rules: Rules,
}

impl Walk {
    fn bundle(&mut self, dir: &Path, index: u64, width: u64) -> Result<(), VerifyError> {
        let first = index * TILE_WIDTH;
        // Where the file is gone, a narrower copy may still tell which entries are missing or changed.
        let read = |full: &str, path: &str, limit| -> Result<Vec<u8>, VerifyError> {
            let path = dir.join(path);
            match files::read_optional(&path, limit) {
                Ok(Some(bytes)) => Ok(bytes),
                Ok(None) => {
                    Ok(widest(dir, full, limit)?.map_or_else(Vec::new, |(.., bytes)| bytes))
                }
                Err(source) => Err(VerifyError::Io { path, source }),
            }
        };
        let full = files::tile_path(0, index, 256);
        let path = files::tile_path(0, index, width as u32);
        let leaves = tree::split(&read(&full, &path, files::MAX_TILE)?).unwrap_or_default();
        let full = files::bundle_path(index, 256);
        let path = files::bundle_path(index, width as u32);
        let bundle = read(&full, &path, files::MAX_BUNDLE)?;
        let (bodies, rest) = files::split_bundle(&bundle);

        for at in 0..width {
            let seq = first + at;
            let stored = leaves.get(at as usize).copied();
            let Some(body) = bodies.get(at as usize) else {
                // Cut off within this entry, or before it.
                if at as usize == bodies.len() && !rest.is_empty() {
                    self.mismatch.get_or_insert(EntryName::new(seq, b""));
                }
                self.missing.get_or_insert(seq);
                break;
            };
            let leaf = if body.is_empty() {
                stored
            } else {
                Some(record_hash(body))
            };
            if stored.is_some() && leaf != stored && self.mismatch.is_none() {
                self.mismatch = Some(EntryName::new(seq, body));
            }
            // Without either there is no tree to speak of; the mismatch or the tile is reported.
            let leaf = leaf.unwrap_or_default();
            self.rules.entry(seq, body);
            for changed in self.bodies.push(leaf) {
                if u64::from(changed.width) == TILE_WIDTH {
                    self.compare_tile(dir, &changed)?;
                }
            }
            self.leaves.push(stored.unwrap_or(leaf));
            self.compare_earlier();
        }
        if self.missing.is_none() && (bodies.len() as u64 > width || !rest.is_empty()) {
            let at = bodies.get(width as usize).copied().unwrap_or(rest);
            self.mismatch
                .get_or_insert(EntryName::new(first + width - 1, at));
        }
        self.narrower(dir, &full, width, &bundle, (first, 1))
    }

    /// Compares a tile on the disk with what the entries make of it.
    fn compare_tile(&mut self, dir: &Path, wanted: &TileBytes) -> Result<(), VerifyError> {
        let relative = files::tile_path(wanted.level, wanted.index, wanted.width);
        let path = dir.join(&relative);
        let stored = files::read_optional(&path, files::MAX_TILE)
            .map_err(|source| VerifyError::Io { path, source })?
            .unwrap_or_default();
        let span = 1u64 << (8 * u32::from(wanted.level)).min(63);
        let first = (wanted.index * TILE_WIDTH).saturating_mul(span);
        if stored != wanted.bytes {
            if wanted.level == 1 && self.group.is_none() {
                let pairs = tree::split(&stored).unwrap_or_default();
                let ours = tree::split(&wanted.bytes).unwrap_or_default();
                self.group = pairs
                    .iter()
                    .zip(&ours)
                    .position(|(a, b)| a != b)
                    .map(|at| wanted.index * TILE_WIDTH + at as u64);
            }
            self.tile.get_or_insert(VerifyError::Tile {
                path: relative,
                first,
                last: first + u64::from(wanted.width) * span - 1,
            });
        }
        let full = files::tile_path(wanted.level, wanted.index, 256);
        self.narrower(
            dir,
            &full,
            wanted.width.into(),
            &wanted.bytes,
            (first, span),
        )
    }

    fn edges(&mut self, dir: &Path, size: u64) -> Result<(), VerifyError> {
        // With entries missing, the edge is elsewhere and says nothing more.
        if self.bodies.size() == size {
            for tile in self.bodies.partial_tiles() {
                self.compare_tile(dir, &tile)?;
            }
        }
        Ok(())
    }

    /// Narrower copies of a file, kept for readers of earlier checkpoints, are its beginnings. The file starts at
    /// entry `first` and each of its hashes stands for `span` entries.
    fn narrower(
        &mut self,
        dir: &Path,
        full: &str,
        width: u64,
        bytes: &[u8],
        (first, span): (u64, u64),
    ) -> Result<(), VerifyError> {
        let folder = dir.join(format!("{full}.p"));
        let io = |path: PathBuf| move |source| VerifyError::Io { path, source };
        for narrow in partials(&folder).map_err(io(folder.clone()))? {
            if u64::from(narrow) >= width {
                continue;
            }
            let path = folder.join(narrow.to_string());
            let copy = files::read_limited(&path, files::MAX_BUNDLE).map_err(io(path))?;
            let (ours, theirs) = if full.starts_with("tile/entries/") {
                (lengths(bytes), lengths(&copy))
            } else {
                (vec![32; bytes.len() / 32], vec![32; copy.len() / 32])
            };
            let length = ours.iter().take(narrow as usize).sum();
            if bytes.get(..length) != Some(copy.as_slice()) {
                let mut at = 0;
                let same = ours
                    .iter()
                    .zip(&theirs)
                    .take_while(|(ours, theirs)| {
                        let end = at + **ours;
                        let same = ours == theirs && bytes.get(at..end) == copy.get(at..end);
                        at = end;
                        same
                    })
                    .count();
                self.stale.get_or_insert(VerifyError::Stale {
                    path: format!("{full}.p/{narrow}"),
                    entry: first + span * same as u64,
                });
            }
        }
        Ok(())
    }

    fn compare_earlier(&mut self) {
        if let Some(earlier) = self
            .earlier
            .as_ref()
            .filter(|e| e.size() == self.bodies.size())
        {
            self.forked |= self.bodies.root().0 != *earlier.root();
        }
    }

    /// Says what is wrong, if anything is.
    fn judge(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), VerifyError> {
        let signed = |tree: &Tree| {
            tree.size() == checkpoint.size() && tree.root() == Hash(*checkpoint.root())
        };
        let last = checkpoint.size().saturating_sub(1);
        if !signed(&self.bodies) {
            // The stored hashes are the signed ones: the entry that differs is the changed one. They are
            // not, either: still the first difference is the best that can be said.
            let changed = self.mismatch.take();
            if let Some(first) = self.missing
                && changed.as_ref().is_none_or(|name| first < name.index)
            {
                return Err(VerifyError::Missing { first, last });
            }
            if let Some(name) = changed {
                return Err(VerifyError::Changed(name));
            }
            let (first, last) = self.group.map_or((0, last), |group| {
                (group * TILE_WIDTH, (group * TILE_WIDTH + 255).min(last))
            });
            return Err(VerifyError::Rewritten { first, last });
        }
        if self.forked {
            return Err(VerifyError::Forked {
                size: self.earlier.as_ref().map_or(0, SignedCheckpoint::size),
            });
        }
        if let Some(error) = self.tile.take().or(self.stale.take()) {
            return Err(error);
        }
        // Bytes after the last entry of a bundle leave every entry intact.
        if let Some(name) = self.mismatch.take() {
            return Err(VerifyError::Changed(name));
        }
        Ok(())
    }
}

/// The first entry beyond the checkpoint, of which there is none unless a crash or a hand was at work.
fn unsigned(dir: &Path, size: u64) -> Result<Option<EntryName>, VerifyError> {
    let within = (size % TILE_WIDTH) as usize;
    let Some((width, _, bytes)) = widest_bundle(dir, size / TILE_WIDTH)? else {
        return Ok(None);
    };
    if width as usize <= within {
        return Ok(None);
    }
    let (bodies, _) = files::split_bundle(&bytes);
    let body = bodies.get(within).copied().unwrap_or_default();
    Ok(Some(EntryName::new(size, body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Register, SigningKey, error::OpenError};

    /// A signed size is a claim like any other: the answer comes at the first entry that is not there.
    #[test]
    fn a_checkpoint_over_more_entries_than_there_are_is_answered_at_once() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("register");
        drop(Register::init(&dir, "gst-privacy/test").unwrap());
        let key = SigningKey::load(&files::default_key(&dir)).unwrap();
        for size in [1, 256, 257, 1 << 40, 1 << 62] {
            let claim = SignedCheckpoint::sign(&key, size, Hash([7; 32])).unwrap();
            std::fs::write(dir.join(files::CHECKPOINT), claim.bytes()).unwrap();
            let error = verify(&dir, key.verifier()).unwrap_err();
            assert!(
                matches!(error, VerifyError::Missing { first: 0, .. }),
                "{size}: {error}"
            );
            assert!(matches!(
                Register::open(&dir, None),
                Err(OpenError::Damaged { .. })
            ));
        }
    }
}
