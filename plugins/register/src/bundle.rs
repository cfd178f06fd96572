// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verifying one bundle of entries against the tile of their hashes. It needs nothing of the bundles before it, so
//! several are verified at once.

use std::path::Path;

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
    /// First narrower copy that still has a body that was erased.
    pub unpurged: Option<VerifyError>,
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
            unpurged: None,
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
        checked.copies(dir, &full, width, &bodies)?;
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

/// Narrower copies of a tile, kept for readers of earlier checkpoints, are its beginnings: the first that is not. The
/// tile starts at entry `first` and each of its hashes stands for `span` entries.
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
        // One that is removed meanwhile is nobody's any more.
        let Some(copy) = read(dir, &format!("{full}.p/{narrow}"), files::MAX_TILE)? else {
            continue;
        };
        if let Some(same) = differs(bytes, &copy, narrow) {
            stale.get_or_insert(VerifyError::Stale {
                path: format!("{full}.p/{narrow}"),
                entry: first + span * same,
            });
        }
    }
    Ok(stale)
}

/// How many hashes a narrower copy of a tile has in common with it, where it is not its beginning.
pub fn differs(tile: &[u8], copy: &[u8], narrow: u32) -> Option<u64> {
    if tile.get(..32 * narrow as usize) == Some(copy) {
        return None;
    }
    let (ours, theirs) = (tile.chunks(32), copy.chunks(32));
    Some(ours.zip(theirs).take_while(|(a, b)| a == b).count() as u64)
}

impl Checked {
    /// The same for the copies of this bundle, whose present bodies are `bodies`.
    fn copies(
        &mut self,
        dir: &Path,
        full: &str,
        width: u64,
        bodies: &[&[u8]],
    ) -> Result<(), VerifyError> {
        for narrow in widths(dir, full)? {
            if u64::from(narrow) >= width {
                continue;
            }
            let relative = format!("{full}.p/{narrow}");
            let Some(copy) = read(dir, &relative, files::MAX_BUNDLE)? else {
                continue;
            };
            let (theirs, rest) = files::split_bundle(&copy);
            let mut same = 0;
            let mut erased = None;
            for (at, body) in theirs.iter().enumerate() {
                let ours = bodies.get(at);
                if ours != Some(body) {
                    // What was erased in the bundle, and not in the copy.
                    let authentic = self.leaves.get(at) == Some(&record_hash(body));
                    if ours.is_none_or(|ours| !ours.is_empty()) || !authentic {
                        break;
                    }
                    erased.get_or_insert(at as u64);
                }
                same += 1;
            }
            if same < theirs.len() || !rest.is_empty() || theirs.len() != narrow as usize {
                self.stale.get_or_insert(VerifyError::Stale {
                    path: relative,
                    entry: self.first + same as u64,
                });
            } else if let Some(at) = erased {
                self.unpurged.get_or_insert(VerifyError::Unpurged {
                    path: relative,
                    entry: self.first + at,
                });
            }
        }
        Ok(())
    }
}
