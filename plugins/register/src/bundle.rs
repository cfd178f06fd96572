// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verifying one bundle of entries against the tile of their hashes. It needs nothing of the bundles before it, so
//! several are verified at once.

use std::path::{Path, PathBuf};

use tlog_tiles::{Hash, record_hash};

use crate::{
    error::VerifyError,
    files,
    head::partials,
    report::{EntryName, Stands},
    tree::{self, TILE_WIDTH, concat},
};

/// What stands in one bundle, and what is wrong with it.
pub struct Checked {
    /// Index of its first entry.
    pub first: u64,
    /// The leaf hash of each entry: that of its body, or the stored one where the body was erased.
    pub leaves: Vec<Hash>,
    /// Root over a full bundle.
    pub root: Option<Hash>,
    /// What each entry says.
    pub stands: Vec<Stands>,
    /// First entry whose body does not match its stored hash.
    pub mismatch: Option<EntryName>,
    /// First entry that was signed and is not there.
    pub missing: Option<u64>,
    /// The tile does not follow from the entries.
    pub tile: Option<VerifyError>,
    /// First narrower copy that differs.
    pub stale: Option<VerifyError>,
}

impl Checked {
    /// Reads bundle `index`, which holds `width` signed entries, and its tile.
    pub fn read(dir: &Path, index: u64, width: u64) -> Result<Self, VerifyError> {
        let first = index * TILE_WIDTH;
        let full_tile = files::tile_path(0, index, 256);
        let tile_path = files::tile_path(0, index, width as u32);
        let tile = read(dir, &tile_path, files::MAX_TILE)?;
        // Where a file is gone, a narrower copy may still tell which entries are missing or changed.
        let stored = match &tile {
            Some(bytes) => tree::split(bytes),
            None => tree::split(&widest(dir, &full_tile, files::MAX_TILE)?.unwrap_or_default()),
        }
        .unwrap_or_default();
        let full = files::bundle_path(index, 256);
        let path = files::bundle_path(index, width as u32);
        let bundle = match read(dir, &path, files::MAX_BUNDLE)? {
            Some(bytes) => bytes,
            None => widest(dir, &full, files::MAX_BUNDLE)?.unwrap_or_default(),
        };
        let (bodies, rest) = files::split_bundle(&bundle);

        let mut checked = Self {
            first,
            leaves: Vec::with_capacity(width as usize),
            root: None,
            stands: Vec::with_capacity(width as usize),
            mismatch: None,
            missing: None,
            tile: None,
            stale: None,
        };
        for at in 0..width {
            let seq = first + at;
            let stored = stored.get(at as usize).copied();
            let Some(body) = bodies.get(at as usize) else {
                // Cut off within this entry, or before it.
                if at as usize == bodies.len() && !rest.is_empty() {
                    checked
                        .mismatch
                        .get_or_insert_with(|| EntryName::new(seq, b""));
                }
                checked.missing = Some(seq);
                break;
            };
            let leaf = if body.is_empty() {
                stored
            } else {
                Some(record_hash(body))
            };
            if stored.is_some() && leaf != stored {
                checked
                    .mismatch
                    .get_or_insert_with(|| EntryName::new(seq, body));
            }
            // Without either there is no tree to speak of; the mismatch or the tile is reported.
            checked.leaves.push(leaf.unwrap_or_default());
            checked.stands.push(Stands::new(body));
        }
        if checked.missing.is_none() {
            if bodies.len() as u64 > width || !rest.is_empty() {
                let at = bodies.get(width as usize).copied().unwrap_or(rest);
                checked
                    .mismatch
                    .get_or_insert_with(|| EntryName::new(first + width - 1, at));
            }
            if width == TILE_WIDTH {
                checked.root = Some(tree::subtree(&checked.leaves));
            }
            let wanted = concat(&checked.leaves);
            if tile.as_ref() != Some(&wanted) {
                checked.tile = Some(VerifyError::Tile {
                    path: tile_path,
                    first,
                    last: first + width - 1,
                });
            }
            checked.stale = narrower(dir, &full_tile, width, &wanted, (first, 1))?;
        }
        let stale = narrower(dir, &full, width, &bundle, (first, 1))?;
        checked.stale = stale.or(checked.stale);
        Ok(checked)
    }
}

fn read(dir: &Path, relative: &str, limit: u64) -> Result<Option<Vec<u8>>, VerifyError> {
    let path = dir.join(relative);
    files::read_optional(&path, limit).map_err(|source| VerifyError::Io { path, source })
}

/// Bytes of the widest version of a tile or bundle.
pub fn widest(dir: &Path, full: &str, limit: u64) -> Result<Option<Vec<u8>>, VerifyError> {
    if let Some(bytes) = read(dir, full, limit)? {
        return Ok(Some(bytes));
    }
    match widths(dir, full)?.pop() {
        Some(width) => read(dir, &format!("{full}.p/{width}"), limit),
        None => Ok(None),
    }
}

/// Widths of the incomplete versions of a tile or bundle, narrowest first.
pub fn widths(dir: &Path, full: &str) -> Result<Vec<u32>, VerifyError> {
    let path = dir.join(format!("{full}.p"));
    partials(&path).map_err(|source| VerifyError::Io { path, source })
}

/// Narrower copies of a file, kept for readers of earlier checkpoints, are its beginnings: the first that is not. The
/// file starts at entry `first` and each of its hashes stands for `span` entries.
pub fn narrower(
    dir: &Path,
    full: &str,
    width: u64,
    bytes: &[u8],
    (first, span): (u64, u64),
) -> Result<Option<VerifyError>, VerifyError> {
    let mut stale = None;
    for narrow in widths(dir, full)? {
        if u64::from(narrow) >= width {
            continue;
        }
        let path = dir.join(format!("{full}.p/{narrow}"));
        let io = |path: PathBuf| move |source| VerifyError::Io { path, source };
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
            stale.get_or_insert(VerifyError::Stale {
                path: format!("{full}.p/{narrow}"),
                entry: first + span * same as u64,
            });
        }
    }
    Ok(stale)
}

/// Length of each entry in a bundle, with the two bytes that hold it.
fn lengths(bundle: &[u8]) -> Vec<usize> {
    let (bodies, _) = files::split_bundle(bundle);
    bodies.iter().map(|body| body.len() + 2).collect()
}
