// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk over all entries in their order, once each bundle has been verified by itself.

use std::path::Path;

use tlog_tiles::{Hash, record_hash};

use crate::{
    bundle::{Checked, differs, narrower},
    checkpoint::SignedCheckpoint,
    error::{JournalFault, VerifyError},
    files,
    journal::Pending,
    report::{EntryName, Report, Rules, Stands},
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
    /// First narrower copy that still has a body that was erased.
    unpurged: Option<VerifyError>,
    /// First group of 256 whose leaf hashes do not match the hash one level up.
    group: Option<u64>,
    /// Roots that the tree must have on its way, by its size.
    marks: Vec<Mark>,
    /// The earlier checkpoint is not a beginning; its size.
    forked: Option<u64>,
    /// The journal does not continue the tree.
    astray: bool,
    /// Leaf hashes of the published entries from this one on, which the journal may still hold too.
    tail: Vec<Hash>,
    tail_from: u64,
    rules: Rules,
}

/// A root that the tree must have at one size.
struct Mark {
    size: u64,
    root: [u8; 32],
    whose: Whose,
}

#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Earlier,
    Journal,
}

impl Walk {
    /// A walk over a register that begins with what `earlier` has signed, and whose journal holds `pending`,
    /// with its signed `head`.
    pub fn new(
        earlier: Option<&SignedCheckpoint>,
        pending: &Pending,
        head: Option<&SignedCheckpoint>,
    ) -> Self {
        let mark = |size, root, whose| Mark { size, root, whose };
        let signed = |c: &SignedCheckpoint, whose| mark(c.size(), *c.root(), whose);
        let marks = earlier
            .map(|e| signed(e, Whose::Earlier))
            .into_iter()
            .chain(head.map(|h| signed(h, Whose::Journal)))
            .chain(pending.root.map(|r| mark(pending.base, r, Whose::Journal)))
            .collect();
        let mut walk = Self {
            marks,
            tail_from: match pending.root {
                Some(_) => pending.base,
                None => u64::MAX,
            },
            ..Self::default()
        };
        walk.compare();
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
        self.unpurged = self.unpurged.take().or(checked.unpurged);
        let wanted = (checked.first..).zip(&checked.leaves);
        self.tail.extend(
            wanted
                .filter(|(n, _)| *n >= self.tail_from)
                .map(|(_, leaf)| *leaf),
        );
        let Some(root) = checked.root else {
            for leaf in checked.leaves {
                self.push(leaf);
            }
            return Ok(());
        };
        let size = self.tree.size();
        let within = |mark: &&Mark| (size + 1..size + TILE_WIDTH).contains(&mark.size);
        let marks: Vec<&Mark> = self.marks.iter().filter(within).collect();
        if !marks.is_empty() {
            let mut tree = self.tree.clone();
            let mut wrong = Vec::new();
            for leaf in &checked.leaves {
                tree.push(*leaf);
                let here = marks.iter().filter(|mark| mark.size == tree.size());
                wrong.extend(
                    here.filter(|m| tree.root().0 != m.root)
                        .map(|m| (m.whose, m.size)),
                );
            }
            wrong
                .into_iter()
                .for_each(|(whose, size)| self.wrong(whose, size));
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
        self.compare();
        Ok(())
    }

    fn push(&mut self, leaf: Hash) {
        self.tree.push(leaf);
        self.compare();
    }

    fn compare(&mut self) {
        let size = self.tree.size();
        if self.marks.iter().all(|mark| mark.size != size) {
            return;
        }
        let root = self.tree.root().0;
        let wrong = |mark: &&Mark| mark.size == size && mark.root != root;
        let wrong: Vec<Whose> = self.marks.iter().filter(wrong).map(|m| m.whose).collect();
        wrong.into_iter().for_each(|whose| self.wrong(whose, size));
    }

    fn wrong(&mut self, whose: Whose, size: u64) {
        match whose {
            Whose::Earlier => self.forked = Some(size),
            Whose::Journal => self.astray = true,
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
                if *narrow >= wanted.width {
                    continue;
                }
                if let Some(same) = differs(&wanted.bytes, copy, *narrow) {
                    let full = files::tile_path(wanted.level, wanted.index, 256);
                    self.stale.get_or_insert(VerifyError::Stale {
                        path: format!("{full}.p/{narrow}"),
                        entry: first + span * same,
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
        self.beginning()?;
        if let Some(error) = self.tile.take().or(self.stale.take()) {
            return Err(error);
        }
        // Bytes after the last entry of a bundle leave every entry intact.
        if let Some(name) = self.mismatch.take() {
            return Err(VerifyError::Changed(name));
        }
        Ok(())
    }

    /// Whether the register begins as the earlier checkpoint has it, so far.
    fn beginning(&self) -> Result<(), VerifyError> {
        match self.forked {
            Some(size) => Err(VerifyError::Forked { size }),
            None => Ok(()),
        }
    }

    /// Walks on over the entries of the journal up to `signed`, after the published ones, which were judged.
    pub fn journal(&mut self, pending: &Pending, signed: u64) -> Result<(), VerifyError> {
        let fork = |entry| Err(JournalFault::Fork { entry }.into());
        for (leaf, seq) in self.tail.iter().zip(self.tail_from..) {
            // Published and in the journal: both are the same.
            if pending
                .body(seq)
                .is_some_and(|body| record_hash(body) != *leaf)
            {
                return fork(seq);
            }
        }
        for seq in self.tree.size()..signed {
            let body = pending.body(seq).unwrap_or_default();
            self.rules.entry(seq, Stands::new(body));
            self.push(record_hash(body));
        }
        if self.astray {
            return fork(signed.saturating_sub(1));
        }
        self.beginning()
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
        let report = self.rules.finish(checkpoint, unpublished)?;
        // Only now is it known that somebody who may has announced the erasure.
        self.unpurged.map_or(Ok(report), Err)
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
