// SPDX-License-Identifier: MIT OR Apache-2.0
//! The proof of what was let out: a Merkle tree over the frames, whose root goes into the register.
//!
//! The tree is the one of RFC 6962 §2.1 with BLAKE3 in the place of SHA-256 (four times faster on frames):
//! a leaf is `H(0x00 ‖ data)`, a node `H(0x01 ‖ left ‖ right)`, and a tree of n leaves splits at the
//! largest power of two below n. Only the roots of the whole subtrees are kept, so the memory of a session
//! of any length is a few hundred bytes.

use std::collections::VecDeque;

use blake3::{Hash, Hasher};
use privacy_common::SegmentProof;

/// Hashes of one kind of node are never hashes of the other (RFC 6962 §2.1).
const LEAF: &[u8] = &[0];
const NODE: &[u8] = &[1];

/// A Merkle tree that grows by one leaf at a time.
#[derive(Debug, Default, Clone)]
pub struct Tree {
    /// Roots of whole subtrees, largest first, each with its number of leaves.
    whole: Vec<(u64, Hash)>,
    leaves: u64,
}

/// Segments that ended and are still known: the register may ask for one of them again.
const ENDED: usize = 4;

/// The frames of the segment that goes on, in a tree of their own, and the segments that ended.
#[derive(Debug, Default, Clone)]
pub struct Segments {
    tree: Tree,
    first: u64,
    ended: VecDeque<SegmentProof>,
}

/// The leaf of a frame that was let out.
///
/// `pts` in nanoseconds, `u64::MAX` for none; `frame` are its bytes as they leave; the stamps are the
/// texts of their structures, empty when the frame has none. Lengths are hashed too, so that no two
/// frames share a leaf by moving bytes from one field to the next.
pub fn leaf(pts: u64, frame: &[u8], scan: &str, mask: &str) -> Hash {
    leaf_of(pts, &blake3::hash(frame), scan, mask)
}

/// [`leaf`] of a frame whose bytes have the hash `frame`.
pub fn leaf_of(pts: u64, frame: &Hash, scan: &str, mask: &str) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(LEAF);
    hasher.update(&pts.to_be_bytes());
    hasher.update(frame.as_bytes());
    for text in [scan, mask] {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize()
}

impl Segments {
    /// Adds a leaf to the segment that goes on.
    pub fn push(&mut self, leaf: Hash) {
        self.tree.push(leaf);
    }

    /// Ends the segment that goes on as the one of this number, or says again what it was. `None` for one that
    /// ended long ago, or never.
    pub fn end(&mut self, number: u64) -> Option<SegmentProof> {
        if let Some(last) = self.ended.back()
            && number <= last.number
        {
            return self.ended.iter().find(|s| s.number == number).cloned();
        }
        let tree = std::mem::take(&mut self.tree);
        let segment = SegmentProof {
            number,
            first_frame: self.first,
            frames: tree.len(),
            root: tree
                .root()
                .map_or_else(String::new, |root| hex::encode(root.as_bytes())),
        };
        self.first += tree.len();
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(segment.clone());
        Some(segment)
    }
}

impl Tree {
    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.leaves += 1;
        let mut merged = (1, leaf);
        while let Some(&(size, left)) = self.whole.last() {
            if size != merged.0 {
                break;
            }
            self.whole.pop();
            merged = (2 * size, node(&left, &merged.1));
        }
        self.whole.push(merged);
    }

    /// Number of leaves.
    pub fn len(&self) -> u64 {
        self.leaves
    }

    /// Whether nothing was let out.
    pub fn is_empty(&self) -> bool {
        self.leaves == 0
    }

    /// The root; `None` when there is no leaf.
    pub fn root(&self) -> Option<Hash> {
        let mut subtrees = self.whole.iter().rev().map(|(_, hash)| *hash);
        let smallest = subtrees.next()?;
        Some(subtrees.fold(smallest, |right, left| node(&left, &right)))
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(NODE);
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_part_the_frames_and_are_told_again() {
        let leaf = |n: u64| leaf(n, b"frame", "", "");
        let mut segments = Segments::default();
        let mut told = Vec::new();
        for (number, frames) in [(0, 0..3), (1, 3..3), (2, 3..8)] {
            let mut alone = Tree::default();
            for n in frames.clone() {
                segments.push(leaf(n));
                alone.push(leaf(n));
            }
            let ended = segments.end(number).unwrap();
            assert_eq!((ended.number, ended.first_frame), (number, frames.start));
            assert_eq!(ended.frames, frames.end - frames.start);
            let root = alone.root().map(|root| root.to_hex().to_string());
            assert_eq!(ended.root, root.unwrap_or_default());
            told.push(ended);
        }
        segments.push(leaf(8));
        for ended in told {
            assert_eq!(segments.end(ended.number), Some(ended));
        }
        for number in 3..9 {
            segments.end(number).unwrap();
        }
        assert_eq!(segments.end(1), None, "long ago");
    }

    /// The definition of RFC 6962 §2.1, word for word.
    fn definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [one] => *one,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node(&definition(&leaves[..k]), &definition(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition() {
        let mut tree = Tree::default();
        assert_eq!(tree.root(), None);
        let mut leaves = Vec::new();
        for n in 0..200u64 {
            let leaf = leaf(n, &n.to_be_bytes(), "scan", "");
            leaves.push(leaf);
            tree.push(leaf);
            assert_eq!(tree.root(), Some(definition(&leaves)), "{} leaves", n + 1);
            assert_eq!(tree.len(), n + 1);
        }
        assert!(tree.whole.len() < 9, "only whole subtrees are kept");
    }

    #[test]
    fn every_part_of_a_frame_changes_its_leaf() {
        let leaves = [
            leaf(1, b"frame", "scan", "mask"),
            leaf(2, b"frame", "scan", "mask"),
            leaf(1, b"frames", "scan", "mask"),
            leaf(1, b"frame", "sca", "nmask"),
            leaf(1, b"frame", "scan", ""),
        ];
        for (i, a) in leaves.iter().enumerate() {
            for b in &leaves[i + 1..] {
                assert_ne!(a, b);
            }
        }
    }
}
