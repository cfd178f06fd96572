// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes on their way: copied together where they are small, encrypted where they are to be, handed to the hash and,
//! many at once, to the file.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, IoSlice},
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use rustix::{
    fs::{Advice, fadvise},
    io::pwritev,
};

use super::{
    digest::{Bytes, GATHERING, Job, Kind, Queue},
    seal::Seal,
};

/// Bytes shorter than this are copied together: to keep each would cost more than the copy.
const SMALL: usize = 16 * 1024;
/// So many bytes are copied together at most.
const COPIED: usize = 64 * 1024;
/// So many bytes go to the file in one call: the pages that the system makes for them are the larger.
const TOGETHER: usize = 512 * 1024;
/// And so many parts of them: fewer than any system refuses.
const PARTS: usize = 256;
/// The disk is told to begin once so much has come together…
const STEP: u64 = 8 * 1024 * 1024;
/// … or after so long, so that little is left to do at the end.
const PAUSE: Duration = Duration::from_secs(1);
/// Parts that the disk is told to begin with end at a multiple of this, the longest page in use: one that is
/// still being filled would be written twice.
const PAGE: u64 = 64 * 1024;

/// A panic while it was held can only have come from a hash, which leaves it whole.
pub(super) fn lock(intake: &Mutex<Intake>) -> MutexGuard<'_, Intake> {
    intake.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Linux begins to write what of this part waits in memory, and does not wait until it has. A file system that does
/// not know it writes later.
pub(super) fn write_back(file: &File, from: u64, length: NonZeroU64) {
    let _ = fadvise(file, from, Some(length), Advice::DontNeed);
}

/// Bytes that are on their way to the file.
struct Waiting {
    bytes: Bytes,
    taken: usize,
}

/// The way of the bytes. The streaming thread uses it, and the thread of the hash to write what has been gathering
/// for too long.
pub(super) struct Intake {
    queue: Arc<Queue>,
    file: Option<Arc<File>>,
    seal: Option<Seal>,
    /// Small ones that were copied together.
    copied: Vec<u8>,
    /// What is to be written next, and its length.
    waiting: VecDeque<Waiting>,
    length: usize,
    /// The file did not take it: everything else stays outside until it does.
    failed: bool,
    /// The other thread was told that something waits.
    told: bool,
    /// Where the next byte goes that leaves here.
    position: u64,
    /// Bytes that left here for the file.
    written: u64,
    /// Bytes that the encryption has given.
    sealed: u64,
    /// When something was last written.
    flushed: Option<Instant>,
    /// Up to where the disk was told to begin.
    begun: u64,
    begun_at: Instant,
    /// Nothing more is taken in: the file has its end, or its encryption failed.
    ended: bool,
    this: Weak<Mutex<Self>>,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Intake {
    pub fn new(queue: Arc<Queue>, file: Option<File>, seal: Option<Seal>) -> Arc<Mutex<Self>> {
        Arc::new_cyclic(|this| {
            Mutex::new(Self {
                queue,
                file: file.map(Arc::new),
                seal,
                copied: Vec::new(),
                waiting: VecDeque::new(),
                length: 0,
                failed: false,
                told: false,
                position: 0,
                written: 0,
                sealed: 0,
                flushed: None,
                begun: 0,
                begun_at: Instant::now(),
                ended: false,
                this: this.clone(),
            })
        })
    }

    /// The file.
    pub fn file(&self) -> Option<Arc<File>> {
        self.file.clone()
    }

    /// Bytes that the file has taken.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that the encryption has given.
    pub fn sealed_bytes(&self) -> u64 {
        self.sealed
    }

    /// Whether bytes can be taken in: the file takes what came before, and has no end yet.
    pub fn ready(&mut self) -> io::Result<()> {
        self.retry()?;
        match self.ended {
            true => Err(io::Error::other("the file has its end already")),
            false => Ok(()),
        }
    }

    /// Writes what could not be written.
    pub fn retry(&mut self) -> io::Result<()> {
        match self.failed {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Takes in bytes that are to be copied if they are small, and else are there to be kept.
    pub fn take<B: AsRef<[u8]>>(
        &mut self,
        bytes: B,
        keep: impl FnOnce(B) -> Bytes,
    ) -> io::Result<()> {
        let slice = bytes.as_ref();
        if slice.len() >= SMALL {
            self.pass_copied()?;
            self.pass(keep(bytes))?;
        } else {
            if self.copied.len() + slice.len() > COPIED {
                self.pass_copied()?;
            }
            if self.copied.is_empty() {
                self.copied.reserve(COPIED);
            }
            self.copied.extend_from_slice(slice);
        }
        if self.file.is_none() {
            return Ok(());
        }
        // What comes at the pace of a camera does not wait for each other; what follows closely does, until it is
        // much. If nothing follows, the other thread writes it.
        let now = Instant::now();
        if self.length >= TOGETHER || self.flushed.is_none_or(|at| now - at >= GATHERING) {
            return self.flush();
        }
        if !self.told {
            self.told = true;
            self.queue.push(Job::Gathering(self.this.clone()));
        }
        Ok(())
    }

    /// Writes everything that waits.
    pub fn flush(&mut self) -> io::Result<()> {
        self.pass_copied()?;
        let written = self.drain();
        self.failed = written.is_err();
        self.flushed = Some(Instant::now());
        self.told = false;
        written
    }

    fn pass_copied(&mut self) -> io::Result<()> {
        if self.copied.is_empty() {
            return Ok(());
        }
        let copied = std::mem::take(&mut self.copied);
        self.pass(Arc::new(copied))
    }

    /// To the hash, which begins at once, and to what is to be written.
    fn pass(&mut self, bytes: Bytes) -> io::Result<()> {
        self.queue.push(Job::Bytes(Kind::Stream, bytes.clone()));
        if self.file.is_none() {
            return Ok(());
        }
        let bytes = match &mut self.seal {
            None => bytes,
            Some(seal) => {
                let sealed = seal.update((*bytes).as_ref());
                // What follows a gap could not be decrypted.
                self.ended |= sealed.is_err();
                self.sealed(sealed?)
            }
        };
        self.wait(bytes);
        Ok(())
    }

    fn wait(&mut self, bytes: Bytes) {
        let length = (*bytes).as_ref().len();
        // Encryption gives nothing as long as little has come.
        if length > 0 {
            self.length += length;
            self.waiting.push_back(Waiting { bytes, taken: 0 });
        }
    }

    fn sealed(&mut self, bytes: Vec<u8>) -> Bytes {
        self.sealed += bytes.len() as u64;
        let bytes: Bytes = Arc::new(bytes);
        self.queue.push(Job::Bytes(Kind::File, bytes.clone()));
        bytes
    }

    /// Ends the file, and its encryption if there is any. To be called again if the file did not take all.
    pub fn end(&mut self) -> io::Result<()> {
        self.pass_copied()?;
        self.ended = true;
        if let Some(seal) = self.seal.take() {
            let rest = seal.finish()?;
            let bytes = self.sealed(rest);
            self.wait(bytes);
        }
        self.flush()
    }

    fn drain(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        while self.length > 0 {
            let parts = self.waiting.iter().take(PARTS);
            let parts: Vec<IoSlice> = parts
                .map(|part| IoSlice::new(&(*part.bytes).as_ref()[part.taken..]))
                .collect();
            let taken = match pwritev(file, &parts, self.position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => taken,
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            };
            drop(parts);
            self.position += taken as u64;
            self.written += taken as u64;
            self.length -= taken;
            let mut left = taken;
            while let Some(part) = self.waiting.front_mut() {
                let rest = (*part.bytes).as_ref().len() - part.taken;
                if left < rest {
                    part.taken += left;
                    break;
                }
                left -= rest;
                self.waiting.pop_front();
            }
        }
        self.begin_writing_back();
        Ok(())
    }

    /// Has the disk begin early with what lies in memory: only what is young, because the same call forgets what
    /// the disk has already.
    fn begin_writing_back(&mut self) {
        let end = self.position - self.position % PAGE;
        let step = end.saturating_sub(self.begun);
        let due = step >= STEP || step > 0 && self.begun_at.elapsed() >= PAUSE;
        if due
            && let Some(length) = NonZeroU64::new(step)
            && let Some(file) = self.file.clone()
        {
            let from = self.begun;
            // It costs time: of whoever has some. A camera's thread is not kept, and a hash that is behind is not
            // either.
            match self.queue.is_behind() {
                true => write_back(&file, from, length),
                false => self.queue.push(Job::WriteBack { file, from, length }),
            }
            self.begun = end;
            self.begun_at = Instant::now();
        }
    }

    /// Goes to another place of the file.
    pub fn seek(&mut self, position: u64) -> io::Result<()> {
        self.flush()?;
        self.position = position;
        Ok(())
    }

    /// Another disk, for a test.
    #[cfg(test)]
    pub fn change_file(&mut self, file: File) -> File {
        let old = self.file.replace(Arc::new(file)).unwrap();
        old.try_clone().unwrap()
    }
}
