// SPDX-License-Identifier: MIT OR Apache-2.0
//! The published part of a register, as its writer needs it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tlog_tiles::{Hash, record_hash};

use crate::{
    checkpoint::SignedCheckpoint,
    error::OpenError,
    files,
    key::SigningKey,
    tiles::wider,
    tree::{self, TILE_WIDTH, Tree},
};

/// The published part of a register: what the file `checkpoint` has signed.
#[derive(Debug)]
pub struct Head {
    pub tree: Tree,
    pub checkpoint: SignedCheckpoint,
}

impl Head {
    /// Reads the head under the lock. Looks at the checkpoint, the right edge of the tree and the incomplete
    /// bundle, and writes the tiles anew where they do not lead to the signed root and the entries do.
    pub fn load(dir: &Path, key: &SigningKey) -> Result<Self, OpenError> {
        let io = |path: PathBuf| move |source| OpenError::Io { path, source };
        let path = dir.join(files::CHECKPOINT);
        let bytes = files::read_limited(&path, files::MAX_CHECKPOINT).map_err(io(path))?;
        let checkpoint = SignedCheckpoint::verify(&bytes, key.verifier())?;
        let tree = read_edge(dir, checkpoint.size())
            .filter(|tree| &tree.root().0 == checkpoint.root())
            .map_or_else(|| rebuild(dir, &checkpoint), Ok)?;
        let head = Self { tree, checkpoint };
        head.bundle(dir)?;
        Ok(head)
    }

    /// The bytes of the incomplete bundle, whose bodies are those that were signed or erased.
    pub fn bundle(&self, dir: &Path) -> Result<Vec<u8>, OpenError> {
        let size = self.tree.size();
        let width = (size % TILE_WIDTH) as usize;
        if width == 0 {
            return Ok(Vec::new());
        }
        let damaged = || OpenError::Damaged {
            first: size - width as u64,
            last: size - 1,
        };
        let path = dir.join(files::bundle_path(size / TILE_WIDTH, width as u32));
        let bytes = files::read_optional(&path, files::MAX_BUNDLE)
            .map_err(|source| OpenError::Io { path, source })?
            .ok_or_else(damaged)?;
        let (bodies, rest) = files::split_bundle(&bytes);
        let unchanged = bodies.len() == width
            && rest.is_empty()
            && bodies
                .iter()
                .zip(self.tree.edge(0))
                .all(|(body, leaf)| body.is_empty() || record_hash(body) == *leaf);
        if !unchanged {
            return Err(damaged());
        }
        Ok(bytes)
    }

    /// The body of the last entry, empty where it was erased or there is none.
    pub fn last_body(&self, dir: &Path) -> Result<Vec<u8>, OpenError> {
        let size = self.tree.size();
        let bytes = if size > 0 && size.is_multiple_of(TILE_WIDTH) {
            let path = dir.join(files::bundle_path(size / TILE_WIDTH - 1, 256));
            files::read_limited(&path, files::MAX_BUNDLE)
                .map_err(|source| OpenError::Io { path, source })?
        } else {
            self.bundle(dir)?
        };
        let (bodies, _) = files::split_bundle(&bytes);
        Ok(bodies.last().map(|body| body.to_vec()).unwrap_or_default())
    }

    /// The tree over the first `size` entries, from tiles that are not verified.
    pub fn tree_at(&self, dir: &Path, size: u64) -> Option<Tree> {
        if size == self.tree.size() {
            return Some(self.tree.clone());
        }
        let levels = (0..tree::level_count(size))
            .map(|level| {
                let width = tree::edge_width(size, level as u8) as u32;
                if width == 0 {
                    return Some(Vec::new());
                }
                let index = size >> (8 * (level as u32 + 1)).min(63);
                let full = files::tile_path(level as u8, index, 256);
                let bytes = wider(dir, &full, width, files::MAX_TILE).ok()??;
                let mut hashes = tree::split(&bytes)?;
                hashes.truncate(width as usize);
                Some(hashes)
            })
            .collect::<Option<Vec<_>>>()?;
        Tree::from_edge(size, levels)
    }
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
