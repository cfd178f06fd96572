// SPDX-License-Identifier: MIT OR Apache-2.0
//! The journal: entries that were acknowledged and are not published yet.
//!
//! To publish one entry means to write a bundle, tiles and a checkpoint, each to the disk and each under a new name.
//! Instead, an append adds the entry and a signed head over it to one file whose blocks are all there already, and
//! waits for the disk once. What is in the file is published later, many entries at a time, and then the file
//! begins anew. So whatever was acknowledged is always on the disk and under a signature: in the tiles under the
//! file `checkpoint`, or in the journal under its last head.
//!
//! ```text
//! journal   0      header           magic "gprvjrnl", version 1 (u32), 0 (u32), length of the file (u64),
//!                                   generation: number (u64) and random identifier (16 bytes),
//!                                   entries published before it (u64) and the root over them (32 bytes),
//!                                   check: first 16 bytes of the SHA-256 of all that
//!           4096   the same header once more
//!           8192   records, each at a multiple of 8 bytes, zeros up to the next one:
//!                                   first 8 bytes of the identifier, kind (1 entry, 2 head; u32), length (u32),
//!                                   number of the commit (u64), check of the record before it (16 bytes), check (16 bytes),
//!                                   then the bytes of the entry as they will stand in the bundle, or of the head: a
//!                                   signed checkpoint over everything so far
//! ```
//!
//! All numbers are little-endian. The check of a record is the first 16 bytes of the SHA-256 of the identifier of the generation, its place
//! in the file (u64), its first 40 bytes and its RFC 6962 leaf hash. The first record names the check of the header.
//! So neither what an earlier generation has left in the file nor a record in another place passes for a record.
//!
//! A commit is some entries and one head, written at one go. It is begun when the one before it is on the disk, so
//! a crash leaves at most the last commit torn. Nobody was told that its entries are there, and they are dropped: the
//! checks hold no secret, so only a head shows that an entry is one of the register. A broken record with whole
//! commits *behind* it is not the work of a crash, nor is a file of another length than its header says: the register
//! refuses to open.

mod file;

use std::{ops::Range, path::Path};

use sha2::{Digest, Sha256};
use tlog_tiles::{Hash, record_hash};

use crate::{
    entry::MAX_ENTRY_SIZE,
    error::{JournalFault, ReadError},
    files,
};

/// Length of a new journal. It becomes longer, up to [`MAX_LENGTH`], where it fills up.
pub(crate) const FIRST_LENGTH: u64 = 256 * 1024;
/// Longest journal: some thousand entries.
pub(crate) const MAX_LENGTH: u64 = 8 * 1024 * 1024;

/// What is written at a time: the length of the file and the place of each write are multiples of it.
const BLOCK: u64 = 4096;
const MAGIC: [u8; 8] = *b"gprvjrnl";
const VERSION: u32 = 1;
/// Where the second copy of the header stands: in another sector and page than the first.
const SECOND: u64 = BLOCK;
/// Where records begin.
const START: u64 = 2 * SECOND;
const HEADER: usize = 104;
const RECORD: usize = 56;
/// Longest record.
const MAX_RECORD: usize = RECORD + MAX_ENTRY_SIZE.next_multiple_of(8);
/// Longest head that is read.
const MAX_HEAD: usize = 4096;

pub(crate) use self::file::{Journal, Staged, lock};

type Check = [u8; 16];

/// What a journal says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub length: u64,
    pub number: u64,
    pub id: [u8; 16],
    /// Entries that were published when it was begun.
    pub base: u64,
    /// The root over them.
    pub root: [u8; 32],
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.id);
        bytes[48..56].copy_from_slice(&self.base.to_le_bytes());
        bytes[56..88].copy_from_slice(&self.root);
        let check = digest(&[&bytes[..88]]);
        bytes[88..].copy_from_slice(&check);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER>()?;
        let header = Self {
            length: u64_at(bytes, 16)?,
            number: u64_at(bytes, 24)?,
            id: array_at(bytes, 32)?,
            base: u64_at(bytes, 48)?,
            root: array_at(bytes, 56)?,
        };
        // Also refuses another magic, version or check.
        (header.to_bytes() == *bytes).then_some(header)
    }

    /// Where the first record goes.
    fn start(&self) -> Place {
        Place {
            end: START,
            commit: 0,
            check: array_at(&self.to_bytes(), 88).unwrap_or_default(),
        }
    }
}

/// Where the next commit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub end: u64,
    /// Number of the last commit.
    commit: u64,
    check: Check,
}

/// A whole record.
#[derive(Debug)]
struct Raw {
    kind: Kind,
    commit: u64,
    before: Check,
    check: Check,
    payload: Range<usize>,
    leaf: Hash,
    /// Where the next one stands.
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Entry = 1,
    Head = 2,
}

/// Reads the record at `at`, which stands at `offset + at` in the file.
fn record_at(bytes: &[u8], at: usize, offset: u64, id: &[u8; 16]) -> Option<Raw> {
    let record = bytes.get(at..)?;
    if record.get(..8)? != &id[..8] {
        return None;
    }
    let kind = match u32::from_le_bytes(array_at(record, 8)?) {
        1 => Kind::Entry,
        2 => Kind::Head,
        _ => return None,
    };
    let length = u32::from_le_bytes(array_at(record, 12)?) as usize;
    let most = match kind {
        Kind::Entry => MAX_ENTRY_SIZE,
        Kind::Head => MAX_HEAD,
    };
    if length > most {
        return None;
    }
    let end = at + RECORD + length.next_multiple_of(8);
    let payload = at + RECORD..at + RECORD + length;
    let zeros = bytes.get(payload.end..end)?;
    let leaf = record_hash(bytes.get(payload.clone())?);
    let check = array_at(record, 40)?;
    let wanted = check_of(id, offset + at as u64, &record[..40], &leaf);
    (check == wanted && zeros.iter().all(|b| *b == 0)).then_some(Raw {
        kind,
        commit: u64_at(record, 16)?,
        before: array_at(record, 24)?,
        check,
        payload,
        leaf,
        end,
    })
}

fn check_of(id: &[u8; 16], place: u64, first: &[u8], leaf: &Hash) -> Check {
    digest(&[id, &place.to_le_bytes(), first, &leaf.0])
}

fn digest(parts: &[&[u8]]) -> Check {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    array_at(&hasher.finalize(), 0).unwrap_or_default()
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

/// An entry in a journal.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Where its body is in the bytes that were scanned.
    pub body: Range<usize>,
    pub leaf: Hash,
}

/// What the bytes of a journal hold from a place on.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Entries of whole commits, then those of a torn one.
    pub entries: Vec<Item>,
    /// How many of them are under `head`.
    pub covered: usize,
    /// The last head.
    pub head: Option<Range<usize>>,
    /// After the last head.
    pub place: Place,
    /// There is something of this generation behind the first place that holds no record.
    pub torn: bool,
    /// Whole commits stand behind a broken record.
    pub broken: bool,
}

/// Scans `bytes`, which begin at `offset` in the file, from `place` to their end.
pub(crate) fn scan(bytes: &[u8], offset: u64, header: &Header, place: Place) -> Scan {
    let (mut found, at) = chain(bytes, offset, header, place);
    // What fails is taken back or written over under the same number: a higher one was begun because this one was
    // on the disk.
    for (step, word) in bytes.get(at..).unwrap_or_default().chunks(8).enumerate() {
        if word == &header.id[..8]
            && let Some(record) = record_at(bytes, at + 8 * step, offset, &header.id)
        {
            found.torn |= record.commit > found.place.commit;
            found.broken |= record.commit > found.place.commit + 1;
        }
    }
    found
}

/// The records from `place` on, each of which follows from the one before it. Returns also where they end.
fn chain(bytes: &[u8], offset: u64, header: &Header, mut place: Place) -> (Scan, usize) {
    let mut found = Scan {
        entries: Vec::new(),
        covered: 0,
        head: None,
        place,
        torn: false,
        broken: false,
    };
    let mut at = (place.end - offset) as usize;
    while let Some(record) = record_at(bytes, at, offset, &header.id) {
        if record.commit != found.place.commit + 1 || record.before != place.check {
            break;
        }
        at = record.end;
        place = Place {
            end: offset + at as u64,
            commit: found.place.commit,
            check: record.check,
        };
        match record.kind {
            Kind::Entry => found.entries.push(Item {
                body: record.payload,
                leaf: record.leaf,
            }),
            Kind::Head => {
                place.commit = record.commit;
                found.place = place;
                found.covered = found.entries.len();
                found.head = Some(record.payload);
            }
        }
    }
    found.torn = found.entries.len() > found.covered;
    (found, at)
}

/// One commit while it is made.
#[derive(Debug)]
pub(crate) struct Commit {
    bytes: Vec<u8>,
    id: [u8; 16],
    start: Place,
    check: Check,
    entries: Vec<Item>,
}

impl Commit {
    /// Number of entries in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry, the parts of whose body are given, and returns its leaf hash.
    pub fn entry(&mut self, body: [&[u8]; 2]) -> Hash {
        let at = self.bytes.len() + RECORD;
        let leaf = self.record(Kind::Entry, body);
        self.entries.push(Item {
            body: at..at + body[0].len() + body[1].len(),
            leaf,
        });
        leaf
    }

    fn record(&mut self, kind: Kind, payload: [&[u8]; 2]) -> Hash {
        let at = self.bytes.len();
        let length = payload[0].len() + payload[1].len();
        self.bytes.extend(&self.id[..8]);
        self.bytes.extend((kind as u32).to_le_bytes());
        self.bytes.extend((length as u32).to_le_bytes());
        self.bytes.extend((self.start.commit + 1).to_le_bytes());
        self.bytes.extend(self.check);
        // The place of the check.
        self.bytes.extend([0; 16]);
        self.bytes.extend(payload[0]);
        self.bytes.extend(payload[1]);
        let (first, payload) = self.bytes[at..].split_at_mut(RECORD);
        let leaf = record_hash(payload);
        self.check = check_of(&self.id, self.start.end + at as u64, &first[..40], &leaf);
        first[40..].copy_from_slice(&self.check);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        leaf
    }
}

/// The header of a whole journal.
fn header(bytes: &[u8]) -> Result<Header, JournalFault> {
    let copies = [0, SECOND as usize]
        .map(|at| bytes.get(at..).and_then(Header::from_bytes))
        .into_iter()
        .flatten();
    let header = copies
        .max_by_key(|header| header.number)
        .filter(|header| header.length.is_multiple_of(BLOCK))
        .ok_or(JournalFault::Header)?;
    if header.length != bytes.len() as u64 {
        return Err(JournalFault::Length {
            length: bytes.len() as u64,
            wanted: header.length,
        });
    }
    Ok(header)
}

/// What waits to be published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pending {
    /// Index of the first of `entries`. It is below the size of the file `checkpoint` where a crash came between
    /// publishing and beginning the journal anew; the entries in between are published already.
    pub base: u64,
    /// The root over the entries before them; nothing when there is no journal.
    pub root: Option<[u8; 32]>,
    /// Bodies of the entries.
    pub entries: Vec<Vec<u8>>,
    /// A signed checkpoint over the first `base + covered` entries of the register. Its signature is not verified here.
    pub head: Option<Vec<u8>>,
    /// How many of `entries` are under `head`. Those after them are of an append that was cut off: nobody was told that
    /// they are there, and whoever opens the register for writing drops them.
    pub covered: usize,
    /// The last commit is not whole: an append was cut off, or somebody has changed it.
    pub torn: bool,
}

/// Reads the journal of the register in `dir`, without verifying signatures. The caller holds the shared lock, if
/// others may write. A copy without a journal has nothing to be published.
///
/// # Errors
///
/// When it cannot be read, is not a whole journal, or was changed where no crash changes it.
pub fn read(dir: &Path) -> Result<Pending, ReadError> {
    let path = dir.join(files::JOURNAL);
    let fault = |source| ReadError::Journal {
        path: path.clone(),
        source,
    };
    let bytes = match files::read_optional(&path, MAX_LENGTH) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Pending::default()),
        Err(source) => return Err(ReadError::Io { path, source }),
    };
    let header = header(&bytes).map_err(fault)?;
    let found = scan(&bytes, 0, &header, header.start());
    if found.broken {
        return Err(fault(JournalFault::Broken {
            entry: header.base + found.entries.len() as u64,
        }));
    }
    Ok(Pending {
        base: header.base,
        root: Some(header.root),
        entries: found
            .entries
            .iter()
            .map(|item| bytes[item.body.clone()].to_vec())
            .collect(),
        head: found.head.map(|head| bytes[head].to_vec()),
        covered: found.covered,
        torn: found.torn,
    })
}
