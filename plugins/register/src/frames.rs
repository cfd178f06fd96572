// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proofs that one frame was let out in one export.
//!
//! The gate at the exit hashes every frame that it lets out into a Merkle tree whose root stands in the closing
//! entry (`anonymisation.proof_root`); the frames of each segment have a tree of their own beside it, with its root
//! in the segment's entry (`segment.proof_root`). With `proof-location=` it also writes a file of frames, JSON Lines, one frame
//! a line:
//!
//! ```text
//! {"n":0,"pts":0,"frame":"<BLAKE3 of the frame, hex>","scan":"<text of its stamp>","mask":"<text of its stamp>"}
//! ```
//!
//! The tree is the one of RFC 6962 §2.1 with BLAKE3 in the place of SHA-256. A leaf is
//!
//! ```text
//! BLAKE3(0x00 ‖ pts ‖ frame ‖ len(scan) ‖ scan ‖ len(mask) ‖ mask)
//! ```
//!
//! with `pts` in nanoseconds (2⁶⁴ − 1 for none) and the lengths in bytes as 64-bit big-endian numbers, and `frame`
//! the 32 bytes of BLAKE3 over the frame as it left; a node is `BLAKE3(0x01 ‖ left ‖ right)`.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use blake3::{Hash, Hasher};
use serde::{Deserialize, Serialize};

use crate::{fields::Anonymisation, files};

/// The `format` of the proofs that this version writes.
pub const FRAME_PROOF_FORMAT: &str = "gst-privacy/frame-proof/1";

/// Longest line of a file of frames that is read: the stamps name every region of the frame.
const MAX_LINE: u64 = 1024 * 1024;
/// Longest proof that is read.
const MAX_FRAME_PROOF: usize = 2 * MAX_LINE as usize;

/// One frame that was let out, as the gate saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Place among the frames let out, from 0.
    pub n: u64,
    /// Presentation time in nanoseconds, if it had one.
    pub pts: Option<u64>,
    /// BLAKE3 of the bytes of the frame as it left, in hex.
    pub frame: String,
    /// The stamp of the detector; empty when there was none.
    pub scan: String,
    /// The stamp of the mask; empty when there was none.
    pub mask: String,
}

impl Frame {
    /// The leaf of this frame; `Err` names what cannot be.
    fn leaf(&self) -> Result<Hash, &'static str> {
        let pts = match self.pts {
            // It stands for none, which has a spelling of its own.
            Some(u64::MAX) => return Err("a `pts` that no frame has"),
            Some(pts) => pts,
            None => u64::MAX,
        };
        let frame = hash_from_hex(&self.frame).ok_or("a `frame` that is not 64 hex digits")?;
        let mut hasher = Hasher::new();
        hasher.update(&[0]);
        hasher.update(&pts.to_be_bytes());
        hasher.update(frame.as_bytes());
        for text in [&self.scan, &self.mask] {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        Ok(hasher.finalize())
    }
}

/// In the one spelling that is written: small letters.
fn hash_from_hex(hex: &str) -> Option<Hash> {
    let hash = Hash::from_hex(hex).ok()?;
    (hash.to_hex().as_str() == hex).then_some(hash)
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(&[1]);
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    hasher.finalize()
}

/// A tree that grows by one leaf at a time and keeps the way from one of them to the root, in memory that does
/// not grow with the number of leaves.
#[derive(Default)]
struct Grown {
    /// The leaf to prove.
    wanted: Option<u64>,
    /// Roots of whole subtrees, largest first: number of leaves, root, and whether the leaf is below it.
    whole: Vec<(u64, Hash, bool)>,
    leaves: u64,
    /// Hashes beside the way, the lowest first.
    way: Vec<Hash>,
}

impl Grown {
    fn push(&mut self, leaf: Hash) {
        let mut merged = (1, leaf, self.wanted == Some(self.leaves));
        self.leaves += 1;
        while let Some(&(size, left, below)) = self.whole.last() {
            if size != merged.0 {
                break;
            }
            self.whole.pop();
            merged = self.join((size, left, below), merged);
        }
        self.whole.push(merged);
    }

    fn join(&mut self, left: (u64, Hash, bool), right: (u64, Hash, bool)) -> (u64, Hash, bool) {
        if left.2 {
            self.way.push(right.1);
        } else if right.2 {
            self.way.push(left.1);
        }
        (left.0 + right.0, node(&left.1, &right.1), left.2 || right.2)
    }

    /// Root and way; no root when there is no leaf.
    fn finish(mut self) -> (Option<Hash>, Vec<Hash>) {
        let mut root = self.whole.pop();
        while let (Some(left), Some(right)) = (self.whole.pop(), root) {
            root = Some(self.join(left, right));
        }
        (root.map(|(_, hash, _)| hash), self.way)
    }
}

/// Root that the way from leaf `n` of `size` leads to (RFC 6962 §2.1.1); `None` when it is too short or too long.
fn walk(n: u64, size: u64, leaf: Hash, way: &[Hash]) -> Option<Hash> {
    match (size, way.split_last()) {
        (1, None) => Some(leaf),
        (1, Some(_)) | (_, None) => None,
        (_, Some((beside, way))) => {
            let left = 1u64 << (size - 1).ilog2();
            Some(if n < left {
                node(&walk(n, left, leaf, way)?, beside)
            } else {
                node(beside, &walk(n - left, size - left, leaf, way)?)
            })
        }
    }
}

/// A file of frames that was read from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameFile {
    frames: u64,
    root: Option<Hash>,
}

impl FrameFile {
    /// Reads the file of frames at `path`, line by line.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a line is not the frame that belongs there.
    pub fn read(path: &Path) -> Result<Self, FrameError> {
        let (frames, root, ..) = read(path, None, 0, None)?;
        Ok(Self { frames, root })
    }

    /// Reads no more than the first `frames`: a line is written before its frame leaves, so a file may hold more
    /// than an entry counts (that of a segment, or one written while frames went on), and may end within a line.
    ///
    /// # Errors
    ///
    /// Those of [`FrameFile::read`] for these frames, and [`FrameError::Count`] when there are fewer.
    pub fn read_first(path: &Path, frames: u64) -> Result<Self, FrameError> {
        let (frames, root, ..) = read(path, None, 0, Some(frames))?;
        Ok(Self { frames, root })
    }

    /// Number of frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Reads the `frames` frames of it from frame `first` on, which a segment has let out.
    ///
    /// # Errors
    ///
    /// Those of [`FrameFile::read_first`].
    pub fn read_within(path: &Path, first: u64, frames: u64) -> Result<Self, FrameError> {
        let (frames, root, ..) = read(path, None, first, Some(frames))?;
        Ok(Self { frames, root })
    }

    /// Root of the tree over them, in hex; empty when there is none, as the closing entry has it.
    pub fn root(&self) -> String {
        self.root
            .map(|root| root.to_hex().to_string())
            .unwrap_or_default()
    }

    /// Checks the file against `anonymisation.proof_root` and `anonymisation.frames_total` of the closing entry.
    ///
    /// # Errors
    ///
    /// [`FrameError::Root`] or [`FrameError::Count`].
    pub fn check(&self, proof_root: &str, frames_total: u64) -> Result<(), FrameError> {
        if self.frames != frames_total {
            return Err(FrameError::Count {
                found: self.frames,
                expected: frames_total,
            });
        }
        if self.root() != proof_root {
            return Err(FrameError::Root {
                found: self.root(),
                expected: proof_root.into(),
            });
        }
        Ok(())
    }
}

/// Makes the proof that frame `n` of the file of frames at `path` was let out.
///
/// # Errors
///
/// Those of [`FrameFile::read`], and [`FrameError::Beyond`].
pub fn prove_frame(path: &Path, n: u64) -> Result<FrameProof, FrameError> {
    proved(read(path, Some(n), 0, None)?, n, 0)
}

/// Makes the proof that frame `n` is one of the first `frames` of the file of frames at `path`, as an entry with
/// `anonymisation.frames_total` of that number wants it. What follows in the file is not read.
///
/// # Errors
///
/// Those of [`FrameFile::read_first`], and [`FrameError::Beyond`].
pub fn prove_frame_among(path: &Path, n: u64, frames: u64) -> Result<FrameProof, FrameError> {
    prove_frame_within(path, n, 0, frames)
}

/// Makes the proof that frame `n` is one of the `frames` frames from frame `first` on, which have a tree of their
/// own, as the entry of a segment says with `segment.first_frame` and `segment.frames`.
///
/// # Errors
///
/// Those of [`prove_frame_among`].
pub fn prove_frame_within(
    path: &Path,
    n: u64,
    first: u64,
    frames: u64,
) -> Result<FrameProof, FrameError> {
    if n < first {
        return Err(FrameError::Beyond { n, of: first });
    }
    proved(read(path, Some(n), first, Some(frames))?, n, first)
}

fn proved((of, root, way, frame): Whole, n: u64, first: u64) -> Result<FrameProof, FrameError> {
    let (Some(root), Some(frame)) = (root, frame) else {
        return Err(FrameError::Beyond { n, of: first + of });
    };
    Ok(FrameProof {
        first,
        frame,
        of,
        way,
        root,
    })
}

type Whole = (u64, Option<Hash>, Vec<Hash>, Option<Frame>);

/// Number of frames, root, way from frame `wanted` and that frame, of the file from frame `first` on, or of
/// `count` frames of it.
fn read(
    path: &Path,
    wanted: Option<u64>,
    first: u64,
    count: Option<u64>,
) -> Result<Whole, FrameError> {
    let io = |source| FrameError::Io {
        path: path.into(),
        source,
    };
    let mut file = BufReader::new(files::open_plain(path).map_err(io)?);
    let mut tree = Grown {
        wanted: wanted.map(|n| n.saturating_sub(first)),
        ..Default::default()
    };
    let mut frame = None;
    let mut line = Vec::new();
    for n in 0.. {
        if count == Some(tree.leaves) {
            break;
        }
        let fault = |why: String| FrameError::Line {
            path: path.into(),
            line: n + 1,
            why,
        };
        line.clear();
        (&mut file)
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut line)
            .map_err(io)?;
        if line.is_empty() {
            break;
        }
        if line.pop() != Some(b'\n') {
            return Err(fault(if line.len() as u64 >= MAX_LINE {
                format!("longer than {MAX_LINE} bytes")
            } else {
                "cut off before its end".into()
            }));
        }
        let read: Frame = serde_json::from_slice(&line).map_err(|e| fault(e.to_string()))?;
        if read.n != n {
            return Err(fault(format!("frame {n} expected, not frame {}", read.n)));
        }
        if n < first {
            continue;
        }
        tree.push(read.leaf().map_err(|why| fault(why.into()))?);
        if wanted == Some(n) {
            frame = Some(read);
        }
    }
    let frames = tree.leaves;
    if let Some(expected) = count.filter(|count| *count != frames) {
        return Err(FrameError::Count {
            found: frames,
            expected,
        });
    }
    let (root, way) = tree.finish();
    Ok((frames, root, way, frame))
}

/// A proof that a frame was let out in the export whose closing entry has the root that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameProof {
    first: u64,
    frame: Frame,
    of: u64,
    way: Vec<Hash>,
    root: Hash,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    format: String,
    /// First frame of the tree, where it is that of a segment.
    #[serde(default, skip_serializing_if = "is_zero")]
    first: u64,
    of: u64,
    #[serde(flatten)]
    frame: Frame,
    path: Vec<String>,
    root: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl FrameProof {
    /// First frame of the tree that the proof is about: 0, or the first one of a segment.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The frame.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// How many frames the tree has: those let out in the session, or in the segment.
    pub fn frames(&self) -> u64 {
        self.of
    }

    /// The root that the proof leads to, in hex. [`FrameProof::check`] compares it with that of the closing entry.
    pub fn root(&self) -> String {
        self.root.to_hex().to_string()
    }

    /// The proof as one JSON object.
    ///
    /// # Errors
    ///
    /// None that a frame that was read can bring about; the text of [`FrameError::Malformed`] would say.
    pub fn to_json(&self) -> Result<String, FrameError> {
        serde_json::to_string(&Written {
            format: FRAME_PROOF_FORMAT.into(),
            first: self.first,
            of: self.of,
            frame: self.frame.clone(),
            path: self.way.iter().map(|h| h.to_hex().to_string()).collect(),
            root: self.root(),
        })
        .map_err(|e| FrameError::Malformed(e.to_string()))
    }

    /// Reads a proof.
    ///
    /// # Errors
    ///
    /// [`FrameError::Malformed`].
    pub fn from_json(json: &str) -> Result<Self, FrameError> {
        let malformed = |why: &str| FrameError::Malformed(why.into());
        if json.len() > MAX_FRAME_PROOF {
            return Err(malformed("longer than any proof"));
        }
        let written: Written =
            serde_json::from_str(json).map_err(|e| FrameError::Malformed(e.to_string()))?;
        if written.format != FRAME_PROOF_FORMAT {
            return Err(FrameError::Malformed(format!(
                "the format \"{}\" is not {FRAME_PROOF_FORMAT}",
                written.format
            )));
        }
        // As many levels as 64 bits can have.
        if written.path.len() > 64 {
            return Err(malformed("too many hashes"));
        }
        let place = written.frame.n.checked_sub(written.first);
        if place.is_none_or(|place| place >= written.of) {
            return Err(malformed("`n` is not among the frames from `first` on"));
        }
        let hash = |hex: &String| hash_from_hex(hex).ok_or_else(|| malformed("not a hash in hex"));
        Ok(Self {
            way: written.path.iter().map(hash).collect::<Result<_, _>>()?,
            root: hash(&written.root)?,
            first: written.first,
            frame: written.frame,
            of: written.of,
        })
    }

    /// Checks that the frame is one of those whose tree has `root`, which is `anonymisation.proof_root` of the
    /// closing entry.
    ///
    /// A root alone does not say how many leaves are below it, and without their number the place `n` is
    /// not certain either: [`FrameProof::check_entry`] compares that too.
    ///
    /// # Errors
    ///
    /// [`FrameError::NotIncluded`] or [`FrameError::Root`].
    pub fn check(&self, root: &str) -> Result<(), FrameError> {
        let leaf = self
            .frame
            .leaf()
            .map_err(|why| FrameError::Malformed(why.into()))?;
        let place = self.frame.n.checked_sub(self.first);
        if place.and_then(|place| walk(place, self.of, leaf, &self.way)) != Some(self.root) {
            return Err(FrameError::NotIncluded(self.frame.n));
        }
        if self.root() != root {
            return Err(FrameError::Root {
                found: self.root(),
                expected: root.into(),
            });
        }
        Ok(())
    }

    /// [`FrameProof::check`] against what the closing entry says, with the number of frames.
    ///
    /// # Errors
    ///
    /// Those of [`FrameProof::check`], and [`FrameError::Count`].
    pub fn check_entry(&self, closing: &Anonymisation) -> Result<(), FrameError> {
        self.check(&closing.proof_root)?;
        if self.first != 0 {
            return Err(FrameError::NotIncluded(self.frame.n));
        }
        if self.of != closing.frames_total {
            return Err(FrameError::Count {
                found: self.of,
                expected: closing.frames_total,
            });
        }
        Ok(())
    }
}

/// Why frames prove nothing.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The file cannot be read.
    #[error("the file of frames {path}: {source}; name the file that proof-location wrote, and check that you may read it", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not the frame that belongs there.
    #[error("the file of frames {path}, line {line}: {why}; take the file as proof-location wrote it (reprenez le fichier d'origine)", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such frame.
    #[error("there is no frame {n}: {of} were let out, counted from 0")]
    Beyond {
        /// The frame asked for.
        n: u64,
        /// How many there are.
        of: u64,
    },
    /// Not as many frames as the closing entry counts.
    #[error(
        "{found} frames, but the closing entry counts {expected}; take the file of frames of that export, unchanged"
    )]
    Count {
        /// Frames found.
        found: u64,
        /// Frames counted.
        expected: u64,
    },
    /// Not the root of the closing entry.
    #[error(
        "the frames lead to the root {found}, the closing entry has \"{expected}\": they were changed, or are of another export (les images ont été modifiées, ou viennent d'un autre export)"
    )]
    Root {
        /// Root of the frames.
        found: String,
        /// Root in the closing entry.
        expected: String,
    },
    /// The frame does not lead to the root of its own proof.
    #[error(
        "frame {0} does not lead to the root of its proof: the proof was changed (la preuve a été modifiée)"
    )]
    NotIncluded(u64),
    /// The text is not a proof.
    #[error(
        "the proof of the frame is malformed: {0}; take the file as privacyctl register prove wrote it"
    )]
    Malformed(String),
}

#[cfg(test)]
mod tests;
