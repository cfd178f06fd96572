// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proofs that one entry stands in a register, without the register: [C2SP tlog-proof](https://c2sp.org/tlog-proof).
//!
//! A proof is text of about one kibibyte: the index of the entry, the hashes beside its way to the root (RFC 6962
//! §2.1.1), and the signed checkpoint. With the body of the entry and the key of the register it can be checked
//! years later, on another machine, whatever became of the register.

use std::{
    cell::OnceCell,
    fmt, io,
    path::{Path, PathBuf},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use tlog_tiles::{
    Hash, HashReader, check_record, check_tree, prove_record, prove_tree, record_hash,
    stored_hash_index, tree_hash,
};

use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    entry::{EntryError, Record},
    error::ReadError,
    files,
    journal::Pending,
    key::VerifierKey,
    reader::{Reader, pending, published, shared_lock},
    report::EntryName,
    tiles::{MAX_SIZE, TileError, Tiles},
};

/// First line of a proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Longest proof that is read, in bytes: 63 hashes, a checkpoint, and more beside it than anybody writes.
pub const MAX_PROOF: usize = 2 * files::MAX_CHECKPOINT as usize;

/// A proof that an entry stands in a register.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    index: u64,
    extra: Option<Vec<u8>>,
    hashes: Vec<Hash>,
    checkpoint: Vec<u8>,
}

impl Proof {
    /// Index of the entry, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The signed checkpoint that the proof leads to. It is text, and may carry the cosignatures of witnesses.
    pub fn checkpoint(&self) -> &[u8] {
        &self.checkpoint
    }

    /// The proof as text, to be kept in a file whose name ends in `.tlog-proof`.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", BASE64_STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.hashes {
            text.push_str(&format!("{hash}\n"));
        }
        text.push('\n');
        // Read as a note before, so it is text.
        text.push_str(&String::from_utf8_lossy(&self.checkpoint));
        text
    }

    /// Reads a proof. Data that another writer put on the line `extra` are kept and never believed.
    ///
    /// # Errors
    ///
    /// [`ProofError::Malformed`], which names the line.
    pub fn from_text(text: &str) -> Result<Self, ProofError> {
        let malformed = |line, why| Err(ProofError::Malformed { line, why });
        if text.len() > MAX_PROOF {
            return malformed(1, "longer than any proof");
        }
        let mut rest = text;
        let mut number = 0;
        let mut next = || {
            number += 1;
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            Some((number, line))
        };
        match next() {
            Some((_, HEADER)) => {}
            _ => return malformed(1, "not the line \"c2sp.org/tlog-proof@v1\""),
        }
        let mut line = next();
        let mut extra = None;
        if let Some((number, data)) = line.and_then(|(n, l)| Some((n, l.strip_prefix("extra ")?))) {
            let Ok(data) = BASE64_STANDARD.decode(data) else {
                return malformed(number, "extra data that is not base64");
            };
            extra = Some(data);
            line = next();
        }
        let index = line.and_then(|(_, l)| {
            let digits = l.strip_prefix("index ")?;
            let index: u64 = digits.parse().ok()?;
            (index.to_string() == digits).then_some(index)
        });
        let Some(index) = index else {
            return malformed(number_of(line), "not the line \"index N\"");
        };
        let mut hashes = Vec::new();
        loop {
            let Some((number, line)) = next() else {
                return malformed(0, "ends before the empty line and the checkpoint");
            };
            if line.is_empty() {
                break;
            }
            match Hash::parse_hash(line) {
                // As many levels as 64 bits can have.
                Ok(_) if hashes.len() == 63 => return malformed(number, "too many hashes"),
                // A second spelling of the same hash is refused.
                Ok(hash) if hash.to_string() == line => hashes.push(hash),
                _ => return malformed(number, "not a hash of 32 bytes in base64"),
            }
        }
        SignedCheckpoint::claim(rest.as_bytes()).map_err(ProofError::Checkpoint)?;
        Ok(Self {
            index,
            extra,
            hashes,
            checkpoint: rest.as_bytes().to_vec(),
        })
    }

    /// Checks that `body` is the body of the entry as it was signed with `key`, and reads it.
    ///
    /// # Errors
    ///
    /// What does not fit: the signature, the hashes, or the entry itself.
    pub fn check(&self, body: &[u8], key: &VerifierKey) -> Result<Record, ProofError> {
        let checkpoint = SignedCheckpoint::verify(&self.checkpoint, key)?;
        if body.is_empty() {
            return Err(ProofError::Erased(self.index));
        }
        check_record(
            &self.hashes,
            checkpoint.size(),
            Hash(*checkpoint.root()),
            self.index,
            record_hash(body),
        )
        .map_err(|_| ProofError::NotIncluded(EntryName::new(self.index, body)))?;
        let record = Record::from_bytes(body)?;
        if record.seq != self.index {
            return Err(ProofError::Place {
                index: self.index,
                seq: record.seq,
            });
        }
        Ok(record)
    }
}

fn number_of(line: Option<(usize, &str)>) -> usize {
    line.map_or(0, |(number, _)| number)
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Makes the proof that entry `index` stands in the register in `dir`, whose key is `key`. Reads only the few
/// files that it needs, writes nothing, and hands out nothing that [`Proof::check`] would refuse.
///
/// The proof leads to the checkpoint that witnesses have cosigned, where that covers the entry, or to the one that is
/// published, or, for an entry that is in the journal only, to the one there.
///
/// # Errors
///
/// When there is no such entry, its body is not what was signed, or a file is missing or damaged.
pub fn prove(dir: &Path, key: &VerifierKey, index: u64) -> Result<Proof, ProofError> {
    let _lock = shared_lock(dir).map_err(|()| ReadError::Locked(dir.into()))?;
    let state = State::read(dir)?;
    let checkpoint = state.checkpoint_over(key, index)?;
    let size = checkpoint.size();
    let tiles = state.tiles(size)?;
    let failed = |_| from_tiles(&tiles);
    let hashes = prove_record(size, index, &tiles).map_err(failed)?;
    let leaf = tiles
        .read_hashes(&[stored_hash_index(0, index)])
        .map_err(failed)?;
    let leaf = leaf.first().copied().ok_or_else(|| from_tiles(&tiles))?;
    let body = match index < state.published {
        true => Reader::new(dir, state.published, Pending::default()).body(index)?,
        false => state.pending()?.body(index).unwrap_or_default().to_vec(),
    };
    if !body.is_empty() && record_hash(&body) != leaf {
        return Err(ProofError::Changed(EntryName::new(index, &body)));
    }
    check_record(&hashes, size, Hash(*checkpoint.root()), index, leaf)
        .map_err(|_| ProofError::Root(index))?;
    Ok(Proof {
        index,
        extra: None,
        hashes,
        checkpoint: checkpoint.bytes().to_vec(),
    })
}

/// The hashes that show that the register of `new` entries begins with the one of `old` entries (RFC 6962 §2.1.2),
/// as a witness wants them; none when `old` is 0 or equals `new`. They are consistent with each other; that they
/// lead to the signed roots is for the witness to check, who has them.
///
/// # Errors
///
/// When `old` is more than `new`, there are fewer than `new` entries, or a file is missing or damaged.
pub fn consistency(dir: &Path, old: u64, new: u64) -> Result<Vec<Hash>, ProofError> {
    let _lock = shared_lock(dir).map_err(|()| ReadError::Locked(dir.into()))?;
    if old > new {
        return Err(ProofError::Order { old, new });
    }
    let state = State::read(dir)?;
    let size = state.size_for(new.saturating_sub(1))?;
    if new > size {
        let index = new - 1;
        return Err(ReadError::Beyond { index, size }.into());
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let tiles = state.tiles(new)?;
    let failed = |_| from_tiles(&tiles);
    let proof = prove_tree(new, old, &tiles).map_err(failed)?;
    let (before, after) = (
        tree_hash(old, &tiles).map_err(failed)?,
        tree_hash(new, &tiles).map_err(failed)?,
    );
    check_tree(&proof, new, after, old, before).map_err(|_| ProofError::Root(old))?;
    Ok(proof)
}

/// What a register is at one moment, under the lock.
struct State<'a> {
    dir: &'a Path,
    published: u64,
    /// Read where it is asked for.
    pending: OnceCell<Pending>,
}

impl<'a> State<'a> {
    fn read(dir: &'a Path) -> Result<Self, ProofError> {
        Ok(Self {
            dir,
            published: published(dir)?,
            pending: OnceCell::new(),
        })
    }

    fn pending(&self) -> Result<&Pending, ProofError> {
        if let Some(pending) = self.pending.get() {
            return Ok(pending);
        }
        let read = pending(self.dir, self.published)?;
        Ok(self.pending.get_or_init(|| read))
    }

    /// Number of entries, as far as it takes to know whether `index` is among them.
    fn size_for(&self, index: u64) -> Result<u64, ProofError> {
        match index < self.published {
            true => Ok(self.published),
            false => Ok(self.pending()?.signed(self.published)),
        }
    }

    /// The checkpoint to prove entry `index` against.
    fn checkpoint_over(
        &self,
        key: &VerifierKey,
        index: u64,
    ) -> Result<SignedCheckpoint, ProofError> {
        let size = self.size_for(index)?;
        if index >= size {
            return Err(ReadError::Beyond { index, size }.into());
        }
        let read = |name: &str| {
            let path = self.dir.join(name);
            files::read_optional(&path, files::MAX_CHECKPOINT)
                .map_err(|source| ProofError::Io { path, source })
        };
        if let Some(bytes) = read(files::WITNESSED)? {
            let witnessed = SignedCheckpoint::verify(&bytes, key).map_err(ProofError::Witnessed)?;
            // Not one that witnesses have seen and that this register no longer reaches.
            if witnessed.size() > index
                && witnessed.size() <= self.size_for(witnessed.size() - 1)?
            {
                return Ok(witnessed);
            }
        }
        if index >= self.published
            && let Some(head) = &self.pending()?.head
        {
            let head = SignedCheckpoint::verify(head, key)?;
            return match head.size() == size {
                true => Ok(head),
                false => Err(ProofError::Root(index)),
            };
        }
        let bytes = read(files::CHECKPOINT)?.ok_or_else(|| ProofError::Io {
            path: self.dir.join(files::CHECKPOINT),
            source: io::ErrorKind::NotFound.into(),
        })?;
        Ok(SignedCheckpoint::verify(&bytes, key)?)
    }

    /// The tiles of the tree of the first `size` entries.
    fn tiles(&self, size: u64) -> Result<Tiles<'a>, ProofError> {
        if size > MAX_SIZE {
            return Err(ReadError::Beyond {
                index: size - 1,
                size: MAX_SIZE,
            }
            .into());
        }
        let mut tiles = Tiles::new(self.dir, size.min(self.published));
        if size > self.published {
            // The tree grows in memory as the next writer makes it grow on the disk.
            let mut tree = tiles.edge().map_err(from_tile)?;
            let mut grown = Vec::new();
            for index in self.published..size {
                let body = self.pending()?.body(index).unwrap_or_default();
                grown.extend(tree.push(record_hash(body)));
            }
            grown.extend(tree.partial_tiles());
            tiles.overlay(grown);
        }
        Ok(tiles)
    }
}

fn from_tiles(tiles: &Tiles<'_>) -> ProofError {
    match tiles.take_error() {
        Some(error) => from_tile(error),
        None => ProofError::Tile("tile".into()),
    }
}

fn from_tile(error: TileError) -> ProofError {
    match error {
        TileError::Io { path, source } => ProofError::Io { path, source },
        TileError::Missing(path) => ProofError::Tile(path),
    }
}

/// Why there is no proof, or why it does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The text is not a proof.
    #[error(
        "the proof is malformed: {why}{at}; take the file as privacyctl register prove wrote it (la preuve est illisible : reprenez le fichier d'origine)",
        at = if *line == 0 { String::new() } else { format!(" (line {line})") }
    )]
    Malformed {
        /// The line, from 1; 0 for none in particular.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The checkpoint is malformed or another's.
    #[error(
        "{0}; use the key of the register that the proof is from (utilisez la clé du registre d'où vient la preuve)"
    )]
    Checkpoint(#[from] CheckpointError),
    /// The cosigned checkpoint of the register cannot be used.
    #[error(
        "the file \"witnessed\" of the register: {0}; restore it from a copy, or remove it and ask the witnesses again"
    )]
    Witnessed(CheckpointError),
    /// The entry is not what the proof is about, or was changed.
    #[error(
        "{0} is not what was signed: the entry or the proof was changed, or they do not belong together (la mention ou la preuve a été modifiée, ou l'une ne va pas avec l'autre)"
    )]
    NotIncluded(EntryName),
    /// The entry says that it stands elsewhere.
    #[error(
        "the entry was signed at index {index}, but says that it is entry {seq}; the register is at fault: run privacyctl register verify"
    )]
    Place {
        /// Where it was signed.
        index: u64,
        /// Where it says that it is.
        seq: u64,
    },
    /// The entry cannot be read.
    #[error("the entry is as it was signed, but: {0}")]
    Entry(#[from] EntryError),
    /// The body is gone.
    #[error(
        "the body of entry {0} was erased after its time; a proof is checked with the body as it was (la mention a été effacée à son terme)"
    )]
    Erased(u64),
    /// The body in the register is not what was signed.
    #[error("{0} was changed after it was signed; run privacyctl register verify")]
    Changed(EntryName),
    /// A file of hashes is missing or too short.
    #[error(
        "the hash file {0} is missing or damaged; run privacyctl register verify, then restore it from a copy"
    )]
    Tile(String),
    /// The hashes in the files do not lead to the signed root.
    #[error(
        "the hash files do not lead from entry {0} to the signed root, so one of them is damaged; run privacyctl register verify"
    )]
    Root(u64),
    /// A register does not begin with a longer one.
    #[error(
        "{old} entries are more than {new}: a register begins with a shorter one; exchange the two sizes"
    )]
    Order {
        /// Size of what should come first.
        old: u64,
        /// Size of what should come later.
        new: u64,
    },
    /// An entry cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be read.
    #[error("{path}: {source}; check the path, and that you may read it", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
