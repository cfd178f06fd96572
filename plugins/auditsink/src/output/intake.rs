// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes on their way: gathered where they are small, encrypted where they are to be, handed to the hash and to the
//! disk.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    num::NonZeroU64,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use rustix::fs::{Advice, fadvise};

use super::{
    digest::{Bytes, GATHERING, Job, Kind, Queue},
    seal::Seal,
};

/// Writes shorter than this are copied together: what a call of the system costs would weigh more than the copy.
const SMALL: usize = 16 * 1024;
/// So many bytes are gathered at most.
const GATHERED: usize = 64 * 1024;
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

/// Bytes that the file has not taken yet.
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
    /// Small writes that came together.
    gathered: Vec<u8>,
    /// What a disk that failed has not taken. Everything else has to wait behind it.
    waiting: VecDeque<Waiting>,
    /// Where the next byte goes that leaves here.
    position: u64,
    /// Bytes that left here for the file.
    written: u64,
    /// Bytes that the encryption has given.
    sealed: u64,
    /// When small writes were last passed on.
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
                gathered: Vec::new(),
                waiting: VecDeque::new(),
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

    /// Whether bytes can be taken in: nothing waits any more, and there is no end yet.
    pub fn ready(&mut self) -> io::Result<()> {
        self.drain()?;
        match self.ended {
            true => Err(io::Error::other("the file has its end already")),
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
            self.pass_gathered()?;
            self.pass(keep(bytes))?;
            return self.drain();
        }
        if self.gathered.len() + slice.len() > GATHERED {
            self.pass_gathered()?;
        }
        let first = self.gathered.is_empty();
        if first {
            self.gathered.reserve(GATHERED);
        }
        self.gathered.extend_from_slice(slice);
        if self.file.is_some() {
            // Writes that come at the pace of a camera do not wait for each other; those that follow closely do,
            // and if none follows, the other thread writes them.
            let now = Instant::now();
            if self.flushed.is_none_or(|at| now - at >= GATHERING) {
                self.flushed = Some(now);
                self.pass_gathered()?;
            } else if first {
                self.queue.push(Job::Gathering(self.this.clone()));
            }
        }
        self.drain()
    }

    /// Hands on what has gathered, and writes it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flushed = Some(Instant::now());
        self.pass_gathered()?;
        self.drain()
    }

    fn pass_gathered(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        self.pass(Arc::new(gathered))
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
        self.waiting.push_back(Waiting { bytes, taken: 0 });
        Ok(())
    }

    fn sealed(&mut self, bytes: Vec<u8>) -> Bytes {
        self.sealed += bytes.len() as u64;
        let bytes: Bytes = Arc::new(bytes);
        self.queue.push(Job::Bytes(Kind::File, bytes.clone()));
        bytes
    }

    /// Ends the file, and its encryption if there is any. To be called again if the disk did not take all.
    pub fn end(&mut self) -> io::Result<()> {
        self.pass_gathered()?;
        self.ended = true;
        if let Some(seal) = self.seal.take() {
            let rest = seal.finish()?;
            let bytes = self.sealed(rest);
            self.waiting.push_back(Waiting { bytes, taken: 0 });
        }
        self.drain()
    }

    /// Writes what is to be written. What the disk did not take stays.
    pub fn drain(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        while let Some(first) = self.waiting.front_mut() {
            let bytes = (*first.bytes).as_ref();
            while first.taken < bytes.len() {
                match file.write_at(&bytes[first.taken..], self.position) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => {
                        first.taken += n;
                        self.position += n as u64;
                        self.written += n as u64;
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            self.waiting.pop_front();
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
