// SPDX-License-Identifier: MIT OR Apache-2.0
//! The body of `add-checkpoint`: the size that the witness knows, a consistency proof from there, a blank line, the
//! checkpoint.

use signed_note::Note;
use tlog_tiles::{Checkpoint, Hash};

use crate::files::MAX_CHECKPOINT;

/// Most lines of a proof.
const MAX_PROOF: usize = 63;
/// Longest request that is read, in bytes: a checkpoint behind a proof of 63 lines of 45 bytes.
pub const MAX_REQUEST: u64 = MAX_CHECKPOINT + 4096;

/// A request whose form is right. Nothing in it is verified.
pub struct Request {
    /// Size that the sender believes the witness to know.
    pub old: u64,
    /// RFC 6962 §2.1.2 consistency proof from there.
    pub proof: Vec<Hash>,
    /// The checkpoint and its signatures.
    pub note: Note,
    /// The same, read.
    pub checkpoint: Checkpoint,
}

impl Request {
    /// Reads a request. The error is a sentence for the sender.
    pub fn parse(body: &[u8]) -> Result<Self, &'static str> {
        // The first blank line ends the proof; a checkpoint has another before its signatures.
        let end = body
            .windows(2)
            .position(|pair| pair == b"\n\n")
            .ok_or("no blank line before the checkpoint")?;
        let head = str::from_utf8(&body[..end]).map_err(|_| "not UTF-8")?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| parse_size(line.strip_prefix("old ")?))
            .ok_or("the first line is not \"old\" and a size")?;
        let proof = lines
            .map(|line| Hash::parse_hash(line).ok())
            .collect::<Option<Vec<_>>>()
            .ok_or("a line of the proof is not a hash in base64")?;
        if proof.len() > MAX_PROOF {
            return Err("more than 63 lines of proof");
        }
        let (note, checkpoint) =
            read_note(&body[end + 2..]).ok_or("the checkpoint is malformed")?;
        Ok(Self {
            old,
            proof,
            note,
            checkpoint,
        })
    }

    /// Writes a request.
    pub fn write(old: u64, proof: &[Hash], checkpoint: &[u8]) -> Vec<u8> {
        let mut body = format!("old {old}\n");
        for hash in proof {
            body.push_str(&format!("{hash}\n"));
        }
        body.push('\n');
        [body.as_bytes(), checkpoint].concat()
    }
}

/// A size in its only spelling: decimal, without leading zeroes.
pub fn parse_size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}

/// Reads a checkpoint in its only spelling.
pub fn read_note(bytes: &[u8]) -> Option<(Note, Checkpoint)> {
    if bytes.len() as u64 > MAX_CHECKPOINT {
        return None;
    }
    let note = Note::from_bytes(bytes).ok()?;
    let checkpoint = Checkpoint::from_bytes(note.text()).ok()?;
    (note.to_bytes() == bytes && checkpoint.to_bytes() == note.text()).then_some((note, checkpoint))
}
