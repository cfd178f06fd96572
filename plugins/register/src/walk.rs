// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk over all entries in their order, once each bundle has been verified by itself.

use std::path::Path;

use tlog_tiles::Hash;

use crate::{
    bundle::{Checked, narrower},
    checkpoint::SignedCheckpoint,
    error::VerifyError,
    files,
    report::{EntryName, Report, Rules},
    tree::{self, TILE_WIDTH, TileBytes, Tree},
};

/// State of the walk.
#[derive(Default)]
pub struct Walk {
    /// The tree that the bodies make (with the stored hash where a body was erased).
    tree: Tree,
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
    /// A walk that also looks whether the register begins with what `earlier` has signed.
    pub fn new(earlier: Option<SignedCheckpoint>) -> Self {
        let mut walk = Self {
            earlier,
            ..Self::default()
        };
        walk.compare_earlier();
        walk
    }

    /// Whether entries are missing: nothing after them is in its place.
    pub fn is_over(&self) -> bool {
        self.missing.is_some()
    }

    /// Takes in the bundle that comes next.
    pub fn bundle(&mut self, dir: &Path, checked: Checked) -> Result<(), VerifyError> {
        for (seq, stands) in (checked.first..).zip(checked.stands) {
            self.rules.entry(seq, stands);
        }
        self.mismatch = self.mismatch.take().or(checked.mismatch);
        self.missing = self.missing.take().or(checked.missing);
        self.tile = self.tile.take().or(checked.tile);
        self.stale = self.stale.take().or(checked.stale);
        let Some(root) = checked.root else {
            for leaf in checked.leaves {
                self.push(leaf);
            }
            return Ok(());
        };
        let size = self.tree.size();
        let within = |e: &SignedCheckpoint| (size + 1..size + TILE_WIDTH).contains(&e.size());
        if let Some(earlier) = self.earlier.as_ref().filter(|e| within(e)) {
            let mut tree = self.tree.clone();
            for leaf in &checked.leaves[..(earlier.size() - size) as usize] {
                tree.push(*leaf);
            }
            self.forked |= tree.root().0 != *earlier.root();
        }
        for tile in self.tree.push_tile(root) {
            let relative = files::tile_path(tile.level, tile.index, tile.width);
            let path = dir.join(&relative);
            let stored = files::read_optional(&path, files::MAX_TILE)
                .map_err(|source| VerifyError::Io { path, source })?;
            self.tile(&stored.unwrap_or_default(), &tile);
            let full = files::tile_path(tile.level, tile.index, 256);
            let stale = narrower(dir, &full, tile.width.into(), &tile.bytes, span(&tile))?;
            self.stale = self.stale.take().or(stale);
        }
        self.compare_earlier();
        Ok(())
    }

    fn push(&mut self, leaf: Hash) {
        self.tree.push(leaf);
        self.compare_earlier();
    }

    fn compare_earlier(&mut self) {
        if let Some(earlier) = self
            .earlier
            .as_ref()
            .filter(|e| e.size() == self.tree.size())
        {
            self.forked |= self.tree.root().0 != *earlier.root();
        }
    }

    /// Compares the bytes of a tile, as stored, with what the entries make of it.
    fn tile(&mut self, stored: &[u8], wanted: &TileBytes) {
        if stored == wanted.bytes {
            return;
        }
        if wanted.level == 1 && self.group.is_none() {
            let pairs = tree::split(stored).unwrap_or_default();
            let ours = tree::split(&wanted.bytes).unwrap_or_default();
            self.group = pairs
                .iter()
                .zip(&ours)
                .position(|(a, b)| a != b)
                .map(|at| wanted.index * TILE_WIDTH + at as u64);
        }
        let (first, span) = span(wanted);
        self.tile.get_or_insert(VerifyError::Tile {
            path: files::tile_path(wanted.level, wanted.index, wanted.width),
            first,
            last: first + u64::from(wanted.width) * span - 1,
        });
    }

    /// Compares the incomplete tiles above the leaves, as they were read, with what the entries make of them.
    pub fn edge(&mut self, size: u64, read: Vec<EdgeTile>) {
        // With entries missing, the edge is elsewhere and says nothing more.
        if self.tree.size() != size {
            return;
        }
        for wanted in self.tree.partial_tiles() {
            let Some(tile) = read.iter().find(|tile| tile.level == wanted.level) else {
                // The leaves, which the bundle was verified with.
                continue;
            };
            self.tile(&tile.bytes, &wanted);
            let (first, span) = span(&wanted);
            for (narrow, copy) in &tile.narrower {
                let length = 32 * *narrow as usize;
                if u64::from(*narrow) < wanted.width.into()
                    && wanted.bytes.get(..length) != Some(copy)
                {
                    let (ours, _) = wanted.bytes.as_chunks::<32>();
                    let (theirs, _) = copy.as_chunks::<32>();
                    let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
                    let full = files::tile_path(wanted.level, wanted.index, 256);
                    self.stale.get_or_insert(VerifyError::Stale {
                        path: format!("{full}.p/{narrow}"),
                        entry: first + span * same as u64,
                    });
                }
            }
        }
    }

    /// Says what is wrong with the published entries, if anything is.
    pub fn judge(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), VerifyError> {
        let last = checkpoint.size().saturating_sub(1);
        if !self.leads_to(checkpoint) {
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

    fn leads_to(&self, checkpoint: &SignedCheckpoint) -> bool {
        self.tree.size() == checkpoint.size() && self.tree.root().0 == *checkpoint.root()
    }

    /// The report over everything that was walked over, or the first rule broken.
    pub fn finish(
        self,
        checkpoint: SignedCheckpoint,
        unpublished: u64,
    ) -> Result<Report, VerifyError> {
        self.rules.finish(checkpoint, unpublished)
    }
}

/// An incomplete tile above the leaves as it was on the disk.
pub struct EdgeTile {
    pub level: u8,
    pub bytes: Vec<u8>,
    /// Narrower copies, by width.
    pub narrower: Vec<(u32, Vec<u8>)>,
}

/// First entry below a tile, and how many are below each of its hashes.
fn span(tile: &TileBytes) -> (u64, u64) {
    let span = 1u64 << (8 * u32::from(tile.level)).min(63);
    ((tile.index * TILE_WIDTH).saturating_mul(span), span)
}
