// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hashes of a tree, read from the few tiles that hold them.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use tlog_tiles::{Error, HASH_SIZE, Hash, HashReader, Tile};

use crate::{
    files,
    head::partials,
    tree::{self, TILE_WIDTH, TileBytes, Tree},
};

/// More entries than any register holds: indexes of stored hashes stay far below 64 bits.
pub const MAX_SIZE: u64 = 1 << 48;

/// Why a tile cannot be used.
#[derive(Debug)]
pub enum TileError {
    /// It cannot be read.
    Io { path: PathBuf, source: io::Error },
    /// It is not there, or holds fewer hashes than it must.
    Missing(String),
}

/// The tiles of a tree of `size` leaves, `size` at most [`MAX_SIZE`], each read once and when it is wanted.
///
/// What they hold is not believed: whoever computes with it checks the result against a signed root.
pub struct Tiles<'a> {
    dir: &'a Path,
    size: u64,
    read: RefCell<HashMap<(u8, u64), Vec<u8>>>,
    error: RefCell<Option<TileError>>,
}

impl<'a> Tiles<'a> {
    pub fn new(dir: &'a Path, size: u64) -> Self {
        Self {
            dir,
            size,
            read: RefCell::default(),
            error: RefCell::default(),
        }
    }

    /// The tree, to grow on.
    pub fn edge(&self) -> Result<Tree, TileError> {
        let size = self.size;
        let levels = (0..tree::level_count(size))
            .map(|level| {
                let level = level as u8;
                let width = tree::edge_width(size, level) as usize;
                if width == 0 {
                    return Ok(Vec::new());
                }
                let index = size >> (8 * (u32::from(level) + 1)).min(63);
                let mut bytes = self.load(level, index)?;
                bytes.truncate(width * HASH_SIZE);
                Ok(tree::split(&bytes).unwrap_or_default())
            })
            .collect::<Result<Vec<_>, _>>()?;
        // One that is too short.
        Tree::from_edge(size, levels).ok_or_else(|| TileError::Missing("tile".into()))
    }

    /// Takes `tiles`, which are not on the disk yet, in the place of those there.
    pub fn overlay(&mut self, tiles: impl IntoIterator<Item = TileBytes>) {
        let read = self.read.get_mut();
        read.extend(tiles.into_iter().map(|t| ((t.level, t.index), t.bytes)));
    }

    /// What stood in the way of the last computation, if a file did.
    pub fn take_error(&self) -> Option<TileError> {
        self.error.borrow_mut().take()
    }

    fn hash(&self, index: u64) -> Result<Hash, TileError> {
        let narrow = Tile::from_index(8, index);
        let (level, at) = (narrow.level(), narrow.level_index());
        let mut read = self.read.borrow_mut();
        let bytes = match read.entry((level, at)) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(self.load(level, at)?),
        };
        // As wide as it is: where a wider one stands in its place, the hashes at its beginning are the same.
        let width = (bytes.len() / HASH_SIZE).min(TILE_WIDTH as usize) as u32;
        let missing = || TileError::Missing(files::tile_path(level, at, self.width(level, at)));
        if width < narrow.width() {
            return Err(missing());
        }
        Tile::new(8, level, at, width, false)
            .hash_at_index(bytes, index)
            .map_err(|_| missing())
    }

    /// Width of a tile in a tree of this size; that of a full one where the tree does not reach.
    fn width(&self, level: u8, index: u64) -> u32 {
        let there = self.size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        match there.saturating_sub(index.saturating_mul(TILE_WIDTH)) {
            0 => TILE_WIDTH as u32,
            there => there.min(TILE_WIDTH) as u32,
        }
    }

    fn load(&self, level: u8, index: u64) -> Result<Vec<u8>, TileError> {
        let width = self.width(level, index);
        let path = files::tile_path(level, index, width);
        match wider(
            self.dir,
            &files::tile_path(level, index, 256),
            width,
            files::MAX_TILE,
        ) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(TileError::Missing(path)),
            Err(source) => Err(TileError::Io {
                path: self.dir.join(path),
                source,
            }),
        }
    }
}

impl HashReader for Tiles<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes
            .iter()
            .map(|index| {
                self.hash(*index).map_err(|error| {
                    self.error.borrow_mut().get_or_insert(error);
                    Error::InvalidTile
                })
            })
            .collect()
    }
}

/// Bytes of a tile or bundle of at least `width`: the one of that width or, since a narrower one goes when the
/// full one is there, the narrowest that is wider. `full` is its path below `dir` without a width.
pub fn wider(dir: &Path, full: &str, width: u32, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let folder = dir.join(format!("{full}.p"));
    if width < 256 {
        let exact = files::read_optional(&folder.join(width.to_string()), limit)?;
        if exact.is_some() {
            return Ok(exact);
        }
        for wide in partials(&folder)?.into_iter().filter(|w| *w > width) {
            let bytes = files::read_optional(&folder.join(wide.to_string()), limit)?;
            if bytes.is_some() {
                return Ok(bytes);
            }
        }
    }
    files::read_optional(&dir.join(full), limit)
}
