// SPDX-License-Identifier: MIT OR Apache-2.0
//! The right edge of an RFC 6962 Merkle tree kept in tiles of 256 hashes.

use tlog_tiles::{EMPTY_HASH, HASH_SIZE, Hash, node_hash};

/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;

/// One tile as it must stand on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct TileBytes {
    /// Level, 0 for leaf hashes.
    pub level: u8,
    /// Index within the level.
    pub index: u64,
    /// Hashes in it, 1 to 256.
    pub width: u32,
    /// The hashes, one after the other.
    pub bytes: Vec<u8>,
}

/// A tree of which only the incomplete tiles are kept: enough to append and to know the root.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    size: u64,
    levels: Vec<Level>,
}

/// The incomplete tile of one level.
#[derive(Debug, Clone, Default, PartialEq)]
struct Level {
    /// Its 0 to 255 hashes.
    hashes: Vec<Hash>,
    /// Roots over them in groups of falling powers of two, so that neither a new leaf nor the root needs all of
    /// them.
    peaks: Vec<Hash>,
}

impl Level {
    fn push(&mut self, hash: Hash) {
        self.hashes.push(hash);
        self.peaks.push(hash);
        for _ in 0..self.hashes.len().trailing_zeros() {
            if let (Some(right), Some(left)) = (self.peaks.pop(), self.peaks.pop()) {
                self.peaks.push(node_hash(left, right));
            }
        }
    }

    /// Empties a full tile and returns its root.
    fn take(&mut self) -> Option<Hash> {
        self.hashes.clear();
        self.peaks.pop()
    }
}

impl From<Vec<Hash>> for Level {
    fn from(hashes: Vec<Hash>) -> Self {
        let mut level = Self::default();
        hashes.into_iter().for_each(|hash| level.push(hash));
        level
    }
}

impl Tree {
    /// A tree of `size` leaves, from the incomplete tile of each level, lowest first. `None` when the
    /// widths do not fit `size`.
    pub fn from_edge(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = levels
            .iter()
            .enumerate()
            .all(|(l, hashes)| hashes.len() as u64 == edge_width(size, l as u8))
            && levels.len() == level_count(size);
        fits.then(|| Self {
            size,
            levels: levels.into_iter().map(Level::from).collect(),
        })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Hashes of the incomplete tile of `level`.
    pub fn edge(&self, level: usize) -> &[Hash] {
        self.levels.get(level).map_or(&[], |l| &l.hashes)
    }

    /// Adds a leaf and returns the tiles that are full with it, lowest first. [`Self::partial_tiles`] has the others.
    pub fn push(&mut self, leaf: Hash) -> Vec<TileBytes> {
        self.size += 1;
        self.push_from(0, leaf)
    }

    /// Adds the hash of what was last added to `level`.
    fn push_from(&mut self, level: usize, mut hash: Hash) -> Vec<TileBytes> {
        let mut full = Vec::new();
        for level in level.. {
            while self.levels.len() <= level {
                self.levels.push(Level::default());
            }
            let tile = &mut self.levels[level];
            tile.push(hash);
            if (tile.hashes.len() as u64) < TILE_WIDTH {
                break;
            }
            full.push(TileBytes {
                level: level as u8,
                // The tile that the last leaf falls into.
                index: (self.size - 1) >> (8 * (level as u32 + 1)).min(63),
                width: TILE_WIDTH as u32,
                bytes: concat(&tile.hashes),
            });
            let Some(root) = tile.take() else { break };
            hash = root;
        }
        full
    }

    /// Adds 256 leaves at once to a tree of a multiple of 256: `root` is the one over them. Returns the tiles of higher
    /// levels that are full with them, lowest first.
    pub fn push_tile(&mut self, root: Hash) -> Vec<TileBytes> {
        debug_assert!(
            self.size.is_multiple_of(TILE_WIDTH),
            "the lowest tile is incomplete"
        );
        self.size += TILE_WIDTH;
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        self.push_from(1, root)
    }

    /// The incomplete tiles, lowest first.
    pub fn partial_tiles(&self) -> Vec<TileBytes> {
        self.levels
            .iter()
            .enumerate()
            .filter(|(_, tile)| !tile.hashes.is_empty())
            .map(|(level, tile)| TileBytes {
                level: level as u8,
                index: self.size >> (8 * (level as u32 + 1)).min(63),
                width: tile.hashes.len() as u32,
                bytes: concat(&tile.hashes),
            })
            .collect()
    }

    /// The root. An incomplete tile stands below its parents as one more, smaller node at their right:
    /// that is how RFC 6962 splits a list at the largest power of two.
    pub fn root(&self) -> Hash {
        self.levels
            .iter()
            .flat_map(|tile| tile.peaks.iter().rev())
            .copied()
            .reduce(|right, left| node_hash(left, right))
            .unwrap_or(EMPTY_HASH)
    }
}

/// Levels that a tree of `size` leaves has hashes on.
pub fn level_count(size: u64) -> usize {
    (0..8u32)
        .take_while(|l| size.checked_shr(8 * l).unwrap_or(0) > 0)
        .count()
}

/// Width of the incomplete tile of `level`, 0 to 255.
pub fn edge_width(size: u64, level: u8) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0) % TILE_WIDTH
}

/// Root over a list of nodes that are not empty: RFC 6962 §2.1 with the leaves already hashed.
pub fn subtree(nodes: &[Hash]) -> Hash {
    match nodes {
        [] => EMPTY_HASH,
        [one] => *one,
        _ => {
            let split = (nodes.len() - 1).ilog2();
            let (left, right) = nodes.split_at(1 << split);
            node_hash(subtree(left), subtree(right))
        }
    }
}

/// The hashes in the bytes of a tile; `None` when they are not a whole number of hashes.
pub fn split(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_SIZE>();
    rest.is_empty()
        .then(|| hashes.iter().copied().map(Hash).collect())
}

/// The bytes of a tile of these hashes.
pub fn concat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[cfg(test)]
mod tests {
    use tlog_tiles::{Error, HashReader, record_hash, stored_hash_index, stored_hashes, tree_hash};

    use super::*;

    struct Stored(Vec<Hash>);
    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
            Ok(indexes.iter().map(|i| self.0[*i as usize]).collect())
        }
    }

    #[test]
    fn roots_and_tiles_are_those_of_the_reference() {
        let mut stored = Stored(Vec::new());
        let mut tree = Tree::default();
        assert_eq!(tree.root(), EMPTY_HASH);
        for n in 0..70_000u64 {
            let data = n.to_be_bytes();
            let hashes = stored_hashes(n, &data, &stored).unwrap();
            stored.0.extend(hashes);
            let tiles = tree.push(record_hash(&data));
            let size = n + 1;
            if size < 600 || size % 4093 == 0 || size % 256 < 2 || size > 69_990 {
                assert_eq!(tree.root(), tree_hash(size, &stored).unwrap(), "{size}");
                for tile in tiles.iter().chain(&tree.partial_tiles()) {
                    let hashes: Vec<Hash> = (0..u64::from(tile.width))
                        .map(|i| {
                            let index = tile.index * 256 + i;
                            stored.0[stored_hash_index(8 * tile.level, index) as usize]
                        })
                        .collect();
                    assert_eq!(tile.bytes, concat(&hashes), "{size} {tile:?}");
                }
                let again = (0..level_count(size))
                    .map(|l| tree.edge(l).to_vec())
                    .collect();
                let again = Tree::from_edge(size, again);
                assert_eq!(again.unwrap().root(), tree.root());
            }
        }
        let mut quick = Tree::default();
        let mut full = Vec::new();
        for first in (0..256 * 260).step_by(256) {
            let leaves: Vec<Hash> = (first..first + 256)
                .map(|n| stored.0[stored_hash_index(0, n) as usize])
                .collect();
            full.extend(quick.push_tile(subtree(&leaves)));
            assert_eq!(quick.root(), tree_hash(first + 256, &stored).unwrap());
        }
        let place = |t: &TileBytes| (t.level, t.index, t.width);
        assert_eq!(full.iter().map(place).collect::<Vec<_>>(), [(1, 0, 256)]);
        // The example of the tlog-tiles specification.
        assert_eq!(level_count(70_000), 3);
        assert_eq!([0, 1, 2].map(|l| edge_width(70_000, l)), [112, 17, 1]);
        assert_eq!(Tree::from_edge(5, vec![vec![EMPTY_HASH; 4]]), None);
    }
}
