// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the next append needs to know, and putting right what a crash has left.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use tlog_tiles::{Hash, record_hash};

use crate::{
    checkpoint::SignedCheckpoint,
    entry::Record,
    error::OpenError,
    files,
    key::SigningKey,
    tree::{self, TILE_WIDTH, Tree},
};

/// What the next append needs to know.
#[derive(Debug)]
pub struct Head {
    pub tree: Tree,
    /// Bytes of the incomplete bundle.
    pub bundle: Vec<u8>,
    /// Time of the last entry.
    pub last: Option<Timestamp>,
    pub checkpoint: SignedCheckpoint,
}

impl Head {
    /// Reads the head under the lock, and puts right what a crash has left.
    pub fn load(dir: &Path, key: &SigningKey) -> Result<Self, OpenError> {
        let io = |path: PathBuf| move |source| OpenError::Io { path, source };
        let path = dir.join(files::CHECKPOINT);
        let bytes = files::read_limited(&path, files::MAX_CHECKPOINT).map_err(io(path))?;
        let mut checkpoint = SignedCheckpoint::verify(&bytes, key.verifier())?;
        let size = checkpoint.size();
        let mut tree = read_edge(dir, size)
            .filter(|tree| &tree.root().0 == checkpoint.root())
            .map_or_else(|| rebuild(dir, &checkpoint), Ok)?;

        let mut last = None;
        if size > 0 && size.is_multiple_of(TILE_WIDTH) {
            let path = dir.join(files::bundle_path(size / TILE_WIDTH - 1, 256));
            let bytes = files::read_limited(&path, files::MAX_BUNDLE).map_err(io(path))?;
            last = files::split_bundle(&bytes)
                .0
                .last()
                .and_then(|b| time_of(b));
        }
        // More than one bundle only if somebody wrote without this crate, but then all the same.
        let bundle = loop {
            let (bundle, grown, time) = adopt(dir, &mut tree, size, last)?;
            last = time.or(last);
            if !grown || !tree.size().is_multiple_of(TILE_WIDTH) {
                break bundle;
            }
        };
        if tree.size() != size {
            checkpoint = SignedCheckpoint::sign(key, tree.size(), tree.root())?;
            files::write_durable(dir, files::CHECKPOINT, checkpoint.bytes())
                .map_err(io(dir.join(files::CHECKPOINT)))?;
        }
        Ok(Self {
            tree,
            bundle,
            last,
            checkpoint,
        })
    }
}

/// Reads the bundle that `tree` ends in, takes in the entries beyond the checkpoint (`signed` entries) that
/// a crash has left, and returns its bytes, whether it grew, and the time of its last entry. `before` is the time of
/// the last entry before this bundle.
fn adopt(
    dir: &Path,
    tree: &mut Tree,
    signed: u64,
    before: Option<Timestamp>,
) -> Result<(Vec<u8>, bool, Option<Timestamp>), OpenError> {
    let io = |path: PathBuf| move |source| OpenError::Io { path, source };
    let index = tree.size() / TILE_WIDTH;
    let covered = (tree.size() % TILE_WIDTH) as usize;
    let full = dir.join(files::bundle_path(index, 256));
    let folder = dir.join(format!("{}.p", files::bundle_path(index, 256)));

    let mut candidates: Vec<(u32, PathBuf)> = partials(&folder)
        .map_err(io(folder.clone()))?
        .into_iter()
        .map(|w| (w, folder.join(w.to_string())))
        .collect();
    if full.exists() {
        candidates.push((256, full.clone()));
    }
    // The widest file that holds the signed entries unchanged wins; a torn one may be wider by name and
    // hold less.
    let mut best: Option<(Vec<u8>, usize)> = None;
    for (width, path) in &candidates {
        let bytes = files::read_limited(path, files::MAX_BUNDLE).map_err(io(path.clone()))?;
        let (bodies, _) = files::split_bundle(&bytes);
        let unchanged = bodies.len() >= covered
            && bodies
                .iter()
                .zip(tree.edge(0))
                .all(|(body, leaf)| body.is_empty() || record_hash(body) == *leaf);
        let new = bodies.iter().take(*width as usize).skip(covered);
        let mut latest = match covered {
            0 => before,
            _ => bodies.get(covered - 1).and_then(|body| time_of(body)),
        };
        let whole = covered
            + new
                .zip(tree.size()..)
                .take_while(|(body, seq)| {
                    // What an append writes, and nothing else: the rest was torn or is not ours.
                    let Ok(record) = Record::from_bytes(body) else {
                        return false;
                    };
                    let follows = record.seq == *seq
                        && latest.is_none_or(|latest| latest <= record.timestamp)
                        && record.entry.check().is_ok()
                        // What a purge began is begun again by the next one; signed here, anybody
                        // could have bodies erased without the key.
                        && record.entry.erasure.as_ref().is_none_or(|e| e.entries_before.is_none());
                    latest = Some(record.timestamp);
                    follows
                })
                .count();
        if unchanged && best.as_ref().is_none_or(|(_, most)| whole > *most) {
            let length = bodies[..whole].iter().map(|b| b.len() + 2).sum();
            let mut bytes = bytes;
            bytes.truncate(length);
            best = Some((bytes, whole));
        }
    }
    let Some((bytes, whole)) = best else {
        return match covered {
            // Nothing after a full bundle.
            0 => Ok((Vec::new(), false, None)),
            _ => Err(OpenError::Damaged {
                first: index * TILE_WIDTH,
                last: signed - 1,
            }),
        };
    };
    let grown = whole > covered;
    let width = whole as u32;
    let (bodies, _) = files::split_bundle(&bytes);
    if whole > 0 {
        let path = files::bundle_path(index, width);
        let there = files::read_optional(&dir.join(&path), files::MAX_BUNDLE);
        if there.map_err(io(dir.join(&path)))?.as_ref() != Some(&bytes) {
            files::write_durable(dir, &path, &bytes).map_err(io(dir.join(&path)))?;
        }
    }
    for body in &bodies[covered..] {
        for tile in tree.push(record_hash(body)) {
            let path = files::tile_path(tile.level, tile.index, tile.width);
            files::write_durable(dir, &path, &tile.bytes).map_err(io(dir.join(&path)))?;
        }
    }
    // What is wider than the whole entries was torn and never acknowledged.
    remove_partials(&folder, |w| w > width).map_err(io(folder))?;
    if width < 256 && full.exists() {
        fs::remove_file(&full).map_err(io(full))?;
    }
    let time = bodies.last().and_then(|body| time_of(body));
    let bytes = if width == 256 { Vec::new() } else { bytes };
    Ok((bytes, grown, time))
}

fn time_of(body: &[u8]) -> Option<Timestamp> {
    Record::from_bytes(body).ok().map(|record| record.timestamp)
}

/// Reads the incomplete tile of each level; `None` when one cannot be used.
fn read_edge(dir: &Path, size: u64) -> Option<Tree> {
    let levels = (0..tree::level_count(size))
        .map(|level| {
            let level = level as u8;
            let width = tree::edge_width(size, level) as u32;
            if width == 0 {
                return Some(Vec::new());
            }
            let index = size >> (8 * (u32::from(level) + 1)).min(63);
            let path = dir.join(files::tile_path(level, index, width));
            tree::split(&files::read_limited(&path, files::MAX_TILE).ok()?)
        })
        .collect::<Option<Vec<_>>>()?;
    Tree::from_edge(size, levels)
}

/// Computes every tile again from the entries, where the stored ones do not lead to the signed root.
/// Nothing is written unless the result does.
fn rebuild(dir: &Path, checkpoint: &SignedCheckpoint) -> Result<Tree, OpenError> {
    let size = checkpoint.size();
    let damaged = || OpenError::Damaged {
        first: 0,
        last: size.saturating_sub(1),
    };
    let mut tree = Tree::default();
    let mut tiles = Vec::new();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let width = (size - index * TILE_WIDTH).min(TILE_WIDTH) as u32;
        // A crash before the checkpoint leaves the bundle under a wider name too, but never only there.
        let path = dir.join(files::bundle_path(index, width));
        let bytes = files::read_limited(&path, files::MAX_BUNDLE).map_err(|_| damaged())?;
        let stored = files::read_limited(
            &dir.join(files::tile_path(0, index, width)),
            files::MAX_TILE,
        )
        .ok()
        .and_then(|bytes| tree::split(&bytes))
        .unwrap_or_default();
        let (bodies, _) = files::split_bundle(&bytes);
        if bodies.len() < width as usize {
            return Err(damaged());
        }
        for (at, body) in bodies[..width as usize].iter().enumerate() {
            let leaf: Hash = match (body.is_empty(), stored.get(at)) {
                (false, _) => record_hash(body),
                // The body was erased: only its tile knows the hash.
                (true, Some(leaf)) => *leaf,
                (true, None) => return Err(damaged()),
            };
            tiles.extend(
                tree.push(leaf)
                    .into_iter()
                    .filter(|t| u64::from(t.width) == TILE_WIDTH),
            );
        }
    }
    if &tree.root().0 != checkpoint.root() {
        return Err(damaged());
    }
    tiles.extend(tree.partial_tiles());
    for tile in tiles {
        let path = files::tile_path(tile.level, tile.index, tile.width);
        files::write_durable(dir, &path, &tile.bytes).map_err(|source| OpenError::Io {
            path: dir.join(path),
            source,
        })?;
    }
    Ok(tree)
}

/// Widths of the partial files in `folder`, which need not be there, narrowest first.
pub fn partials(folder: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut widths = Vec::new();
    for entry in entries {
        widths.extend(entry?.file_name().to_str().and_then(files::parse_width));
    }
    widths.sort_unstable();
    Ok(widths)
}

/// Removes the partial files that `gone` chooses, and the folder with the last of them.
pub fn remove_partials(folder: &Path, gone: impl Fn(u32) -> bool) -> io::Result<()> {
    let widths = partials(folder)?;
    let all = widths.iter().all(|w| gone(*w));
    for width in widths.into_iter().filter(|w| gone(*w)) {
        fs::remove_file(folder.join(width.to_string()))?;
    }
    if all && folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}
