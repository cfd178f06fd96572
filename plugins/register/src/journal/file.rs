// SPDX-License-Identifier: MIT OR Apache-2.0
//! The journal as its writer has it open.
//!
//! A writer that is alone writes whole blocks past the cache of the kernel (`O_DIRECT`, `O_DSYNC`), where the file system
//! can: the last block that holds a record is kept in memory and written again with what follows. On ext4 this waits
//! for the disk about a sixth less long than a write followed by `fdatasync`, which is what happens elsewhere, and where
//! several processes write: each would have to read from the disk what the others have written past the cache.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::{
        fd::AsFd,
        unix::fs::{FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use tlog_tiles::Hash;

use super::{
    BLOCK, Commit, HEADER, Header, Item, Kind, MAX_HEAD, MAX_LENGTH, MAX_RECORD, Place, RECORD,
    SECOND, START, Scan, chain, header, scan,
};
use crate::{error::JournalFault, files, tree::Tree};

/// How much is read at first of what other processes have written.
const FIRST_WINDOW: usize = MAX_RECORD + 16 * 1024;
/// Most bytes kept for the next commit.
const MOST_ROOM: usize = 256 * 1024;

/// The journal as its writer has it open.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    at: (u32, u32, u64),
    pub header: Header,
    header_bytes: [u8; HEADER],
    /// After the last commit, which may still be on its way to the disk.
    pub place: Place,
    disk: Arc<Mutex<Disk>>,
    /// Nobody else has written of late.
    alone: bool,
    /// Number of commits that were staged.
    staged: u64,
    /// What stands before `place` in the block that `place` is in.
    tail: Vec<u8>,
    /// The entries of all its commits.
    waiting: Waiting,
}

/// Entries that are in the journal, kept in memory so that to publish them needs no reading of what was just written.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// As in a bundle.
    bodies: Vec<u8>,
    /// Where each of them ends, and its leaf hash.
    entries: Vec<(usize, Hash)>,
}

impl Waiting {
    fn add(&mut self, entries: &[Item], bytes: &[u8]) {
        for entry in entries {
            files::add_to_bundle(&mut self.bodies, &bytes[entry.body.clone()]);
            self.entries.push((self.bodies.len(), entry.leaf));
        }
    }

    /// The leaf hashes from the entry numbered `first` on, counted from the first in the journal.
    pub fn leaves(&self, first: usize) -> impl Iterator<Item = Hash> {
        self.entries.iter().skip(first).map(|(_, leaf)| *leaf)
    }

    /// What the entries of `range` add to a bundle.
    pub fn bundle(&self, range: Range<usize>) -> &[u8] {
        let end_of = |n: usize| n.checked_sub(1).map_or(0, |n| self.entries[n].0);
        &self.bodies[end_of(range.start)..end_of(range.end)]
    }

    /// Forgets them, but keeps the room.
    fn clear(&mut self) {
        self.bodies.clear();
        self.entries.clear();
    }
}

/// How blocks get to the disk. Whoever has it locked writes; commits lock it in their order.
#[derive(Debug)]
pub(crate) struct Disk {
    file: Arc<File>,
    /// Open for writes past the cache; `None` where the file system has no such.
    direct: Option<File>,
    /// A commit is being written or has failed: the tree over what was there before it. Nothing follows it then.
    unsettled: Option<Tree>,
    /// Number of commits that were written.
    written: u64,
    room: Vec<u8>,
}

/// Locks the disk. What a panic may leave behind is in `unsettled`.
pub(crate) fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// For the file at `path`, which is `file`.
    fn new(path: &Path, file: Arc<File>) -> io::Result<Self> {
        let opened = File::options()
            .write(true)
            // rustix spells `O_SYNC` for `OFlags::DSYNC`, which waits for the time of the change as well.
            .custom_flags(libc::O_DIRECT | libc::O_DSYNC | libc::O_NONBLOCK)
            .open(path);
        let direct = match opened {
            Ok(direct) if number(&direct)? == number(&file)? => Some(direct),
            Ok(_) => return Err(io::Error::other("it was replaced meanwhile")),
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => None,
            Err(e) => return Err(e),
        };
        Ok(Self {
            file,
            direct,
            unsettled: None,
            written: 0,
            room: Vec::new(),
        })
    }

    /// Writes the blocks from `at` to `end`: `parts` and zeros behind them. Returns when they are on the disk.
    fn write(&mut self, at: u64, parts: [&[u8]; 2], end: u64, alone: bool) -> io::Result<()> {
        let length = (end.next_multiple_of(BLOCK) - at) as usize;
        self.room.clear();
        self.room.reserve(length + BLOCK as usize);
        // Direct writes take only aligned memory.
        let start = self.room.as_ptr().align_offset(BLOCK as usize);
        self.room.resize(start, 0);
        parts.iter().for_each(|part| self.room.extend(*part));
        self.room.resize(start + length, 0);
        let blocks = &self.room[start..];
        let written = match &self.direct {
            Some(direct) if alone => match direct.write_all_at(blocks, at) {
                // Blocks of another size, say.
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                    self.direct = None;
                    None
                }
                written => Some(written),
            },
            _ => None,
        };
        let written = written.unwrap_or_else(|| {
            self.file.write_all_at(blocks, at)?;
            self.file.sync_data()
        });
        if self.room.len() > MOST_ROOM {
            self.room = Vec::new();
        }
        written
    }
}

/// A commit that has its place and its head, and is not on the disk yet.
#[derive(Debug)]
pub(crate) struct Staged {
    disk: Arc<Mutex<Disk>>,
    alone: bool,
    /// The tree over everything before it.
    before: Tree,
    at: u64,
    tail: Vec<u8>,
    bytes: Vec<u8>,
    end: u64,
}

impl Staged {
    /// The disk that it goes to. Whoever locks it before the next commit is staged writes in the right order.
    pub fn disk(&self) -> Arc<Mutex<Disk>> {
        Arc::clone(&self.disk)
    }

    /// Waits until all of it is on the disk. When that fails, it is taken back as far as the disk lets it, and the
    /// journal has to be read again.
    pub fn write(self, disk: &mut Disk) -> io::Result<()> {
        if disk.unsettled.is_some() {
            return Err(io::Error::other("the entries before it were not written"));
        }
        disk.unsettled = Some(self.before);
        let written = disk.write(self.at, [&self.tail, &self.bytes], self.end, self.alone);
        match &written {
            Ok(()) => {
                disk.unsettled = None;
                disk.written += 1;
            }
            // The error that matters is the first one.
            Err(_) => drop(disk.write(self.at, [&self.tail, &[]], self.end, self.alone)),
        }
        written
    }
}

impl Journal {
    /// Makes a journal for a register of `base` published entries, in the place of any that is there.
    pub fn create(dir: &Path, length: u64, base: u64, root: Hash) -> io::Result<Self> {
        let path = dir.join(files::JOURNAL);
        let header = Header {
            length,
            number: 1,
            id: random()?,
            base,
            root: root.0,
        };
        let temporary = dir.join(format!(".{}.new", files::JOURNAL));
        let made: io::Result<(Arc<File>, Disk)> = (|| {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o640)
                .open(&temporary)?;
            // Every block is written, not only set aside, or the first write into each would have to change
            // where the file system says that it holds zeros.
            let mut bytes = vec![0; length as usize];
            for at in [0, SECOND as usize] {
                bytes[at..at + HEADER].copy_from_slice(&header.to_bytes());
            }
            file.write_all_at(&bytes, 0)?;
            file.sync_all()?;
            let file = Arc::new(file);
            let disk = Disk::new(&temporary, Arc::clone(&file))?;
            fs::rename(&temporary, &path)?;
            Ok((file, disk))
        })();
        if made.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        let (file, disk) = made?;
        files::sync_parent(&path)?;
        Ok(Self {
            at: number(&file)?,
            place: header.start(),
            disk: Arc::new(Mutex::new(disk)),
            alone: false,
            staged: 0,
            tail: Vec::new(),
            waiting: Waiting::default(),
            path,
            file,
            header_bytes: header.to_bytes(),
            header,
        })
    }

    /// Opens the journal and reads all of it. `Ok(Err(_))` when the file is not a journal, or not a whole one.
    pub fn open(dir: &Path) -> io::Result<Result<(Self, Vec<u8>), JournalFault>> {
        let path = dir.join(files::JOURNAL);
        let file = match File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
        {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Err(JournalFault::Missing)),
            Err(e) => return Err(e),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a plain file",
            ));
        }
        if metadata.len() > MAX_LENGTH {
            return Ok(Err(JournalFault::Header));
        }
        let mut bytes = vec![0; metadata.len() as usize];
        file.read_exact_at(&mut bytes, 0)?;
        let header = match header(&bytes) {
            Ok(header) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        let file = Arc::new(file);
        let disk = Disk::new(&path, Arc::clone(&file))?;
        let journal = Self {
            at: number(&file)?,
            place: header.start(),
            disk: Arc::new(Mutex::new(disk)),
            alone: false,
            staged: 0,
            tail: Vec::new(),
            waiting: Waiting::default(),
            path,
            file,
            header_bytes: header.to_bytes(),
            header,
        };
        Ok(Ok((journal, bytes)))
    }

    /// Whether the file is still the one at its path. An error when there is none.
    ///
    pub fn is_there(&self) -> io::Result<bool> {
        Ok(identity(CWD, &self.path)? == self.at)
    }

    /// The file, which writers that wait for their turn hold a lock on.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Says whether other processes have written of late.
    pub fn set_alone(&mut self, alone: bool) {
        self.alone = alone;
    }

    /// Whether another process has begun a new generation.
    pub fn is_begun_anew(&self) -> io::Result<bool> {
        let mut bytes = [0; HEADER];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes != self.header_bytes)
    }

    /// What other processes have written behind `place`, with the bytes that it was read from; `None` when there is
    /// nothing. Where it is not whole commits, it is torn.
    pub fn news(&self) -> io::Result<Option<(Scan, Vec<u8>)>> {
        let end = self.place.end;
        let left = (self.header.length - end) as usize;
        let mut bytes = vec![0; RECORD.min(left)];
        self.file.read_exact_at(&mut bytes, end)?;
        let begins = |bytes: &[u8]| bytes.get(..8) == Some(&self.header.id[..8]);
        if !begins(&bytes) {
            return Ok(None);
        }
        // Often one commit of one entry, and never more than is left.
        let mut window = FIRST_WINDOW.min(left);
        loop {
            bytes.resize(window, 0);
            self.file.read_exact_at(&mut bytes, end)?;
            let (mut found, at) = chain(&bytes, end, &self.header, self.place);
            if window == left || bytes.len() - at >= MAX_RECORD {
                found.torn |= begins(&bytes[at..]);
                return Ok(Some((found, bytes)));
            }
            window = (4 * window).min(left);
        }
    }

    /// Goes on behind the whole commits in `found`, which another writer has left. `bytes`, in which they were found,
    /// begin at `offset` in the file: at the present place or the beginning.
    pub fn take_in(&mut self, found: &Scan, bytes: &[u8], offset: u64) {
        self.waiting.add(&found.entries[..found.covered], bytes);
        self.go_to(found.place, bytes, offset);
    }

    /// The entries that it holds.
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// Sets the place, in front of which `bytes` are, which begin at `offset` in the file.
    fn go_to(&mut self, place: Place, bytes: &[u8], offset: u64) {
        let block = place.end - place.end % BLOCK;
        if block >= offset {
            self.tail.clear();
        }
        let from = (block.max(offset) - offset) as usize;
        self.tail
            .extend(&bytes[from..(place.end - offset) as usize]);
        self.place = place;
    }

    /// Writes again the copy of the header that a crash has left behind.
    pub fn mend(&mut self, bytes: &[u8]) -> io::Result<()> {
        for at in [0, SECOND] {
            if bytes.get(at as usize..at as usize + HEADER) != Some(&self.header_bytes) {
                self.write_header(at)?;
            }
        }
        Ok(())
    }

    fn write_header(&self, at: u64) -> io::Result<()> {
        let header = [&self.header_bytes[..], &[]];
        lock(&self.disk).write(at, header, at + BLOCK, false)
    }

    /// Waits until what was staged is on the disk.
    ///
    /// # Errors
    ///
    /// When something of it is not.
    pub fn drain(&self) -> io::Result<()> {
        let disk = lock(&self.disk);
        if disk.unsettled.is_some() || disk.written != self.staged {
            return Err(io::Error::other("the last entries were not written"));
        }
        Ok(())
    }

    /// The tree over what was there before a commit that has failed. Does not wait for one that is being written.
    pub fn failed(&self) -> Option<Tree> {
        match self.disk.try_lock() {
            Ok(disk) => disk.unsettled.clone(),
            Err(TryLockError::Poisoned(disk)) => disk.into_inner().unsettled.clone(),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// What all of its bytes hold.
    pub fn scan(&self, bytes: &[u8]) -> Scan {
        scan(bytes, 0, &self.header, self.header.start())
    }

    pub fn begin_commit(&self) -> Commit {
        Commit {
            bytes: Vec::new(),
            id: self.header.id,
            start: self.place,
            check: self.place.check,
            entries: Vec::new(),
        }
    }

    /// Whether an entry of `length` bytes and a head still fit.
    pub fn fits(&self, commit: &Commit, length: usize) -> bool {
        let used = commit.bytes.len() + 2 * RECORD + (length + MAX_HEAD).next_multiple_of(8) + 8;
        self.place.end + used as u64 <= self.header.length
    }

    /// Ends the commit with `head`, a signed checkpoint. What is staged next goes behind it. `before` is the tree over
    /// everything before it.
    pub fn stage(&mut self, mut commit: Commit, head: &[u8], before: Tree) -> Staged {
        commit.record(Kind::Head, [head, &[]]);
        let end = self.place.end + commit.bytes.len() as u64;
        let staged = Staged {
            disk: Arc::clone(&self.disk),
            alone: self.alone,
            before,
            at: self.place.end - self.tail.len() as u64,
            tail: self.tail.clone(),
            bytes: commit.bytes,
            end,
        };
        let place = Place {
            end,
            commit: self.place.commit + 1,
            check: commit.check,
        };
        self.waiting.add(&commit.entries, &staged.bytes);
        self.go_to(place, &staged.bytes, self.place.end);
        self.staged += 1;
        staged
    }

    /// Overwrites everything behind the last commit: what earlier generations have left holds bodies of entries.
    pub fn wipe(&self) -> io::Result<()> {
        let at = self.place.end - self.tail.len() as u64;
        lock(&self.disk).write(at, [&self.tail, &[]], self.header.length, false)
    }

    /// From now on nothing can be written.
    #[cfg(test)]
    pub fn make_read_only(&self) {
        let mut disk = lock(&self.disk);
        disk.file = Arc::new(File::open(&self.path).unwrap());
        disk.direct = None;
    }

    /// Begins a new generation, for a register of `base` published entries. Where the present one is full, the new one gets
    /// more room, unless there is none.
    pub fn begin_anew(&mut self, dir: &Path, base: u64, root: Hash, full: bool) -> io::Result<()> {
        if full && self.header.length < MAX_LENGTH {
            let length = (4 * self.header.length).min(MAX_LENGTH);
            match Self::create(dir, length, base, root) {
                Ok(mut longer) => {
                    longer.alone = self.alone;
                    *self = longer;
                    return Ok(());
                }
                Err(e) if !self.is_there()? => return Err(e),
                Err(_) => {}
            }
        }
        let header = Header {
            length: self.header.length,
            number: self.header.number + 1,
            id: random()?,
            base,
            root: root.0,
        };
        // One after the other: the other copy is whole whenever the power goes. Until the second is on the disk
        // there are no records of the new generation, so either of them may be found.
        let before = std::mem::replace(&mut self.header_bytes, header.to_bytes());
        if let Err(e) = self
            .write_header(0)
            .and_then(|()| self.write_header(SECOND))
        {
            self.header_bytes = before;
            return Err(e);
        }
        self.waiting.clear();
        self.go_to(header.start(), &[], START);
        self.header = header;
        Ok(())
    }
}

fn number(file: &File) -> io::Result<(u32, u32, u64)> {
    identity(file, Path::new(""))
}

/// What tells a file from others: the device and its number there.
///
/// Asks for nothing else. Since Linux 6.13 whoever asks for the time of the last change makes the next write wait until
/// a finer one is stored, which nearly doubles the time of an append.
fn identity(folder: impl AsFd, path: &Path) -> io::Result<(u32, u32, u64)> {
    let stat = statx(folder, path, AtFlags::EMPTY_PATH, StatxFlags::INO)?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
}

fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(bytes)
}
