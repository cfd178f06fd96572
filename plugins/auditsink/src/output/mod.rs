// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of a run: hashed, counted and, where a file was asked for, written under a temporary name
//! that becomes the final one only at the end; encrypted on the way where there are recipients.
//!
//! Bytes are written by who brings them, and hashed at the same time by a thread of the run's own. What cannot
//! be written stays in memory, with the bytes behind it refused, so that a disk that comes back misses nothing.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use sha2::{Digest, Sha256};

mod digest;
mod intake;
mod seal;
mod target;

#[cfg(test)]
mod tests;

pub use seal::{MAX_RECIPIENTS, METHOD, RecipientError, Recipients};
pub use target::Leftover;

use digest::{Bytes, Digests, Hasher, Job, Kind, Queue};
use intake::Intake;
use seal::Seal;
use target::Target;

/// Parts in which a file is read for its hash.
const CHUNK: usize = 1024 * 1024;

/// Where the bytes of one run go.
#[derive(Debug)]
pub struct Output {
    // Before the intake: its thread ends first.
    hasher: Option<Hasher>,
    queue: Arc<Queue>,
    intake: Arc<Mutex<Intake>>,
    target: Option<Target>,
    /// Public keys of the recipients; none: the file is not encrypted.
    recipients: Vec<String>,
    /// Bytes that arrived.
    arrived: u64,
    /// Where the next byte goes.
    position: u64,
    /// Something was written over, so that the running hash is not that of the file.
    rewritten: bool,
    /// The disk said once that it lost what it had taken. It says so only once.
    lost: bool,
    /// Segments so far, and where the next one begins.
    segments: (u64, u64),
}

/// What a run amounted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// SHA-256 of the finished file, or of all bytes that arrived when there is no file, in hex.
    pub sha256: String,
    /// Length of what was hashed.
    pub bytes: u64,
    /// Name of the file, without its folder.
    pub name: Option<String>,
    /// How the file is encrypted; `None`: it is not.
    pub encryption: Option<Encrypted>,
}

/// An encrypted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encrypted {
    /// Public keys of those who can decrypt it.
    pub recipients: Vec<String>,
    /// SHA-256 of what they get, in hex.
    pub plain_sha256: String,
    /// Length of what they get.
    pub plain_bytes: u64,
}

/// A part of the bytes, as they arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number in the run, from 0.
    pub number: u64,
    /// Bytes that had arrived before it.
    pub from_byte: u64,
    /// Bytes that had arrived at its end.
    pub to_byte: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes in the order of their arrival, in hex.
    pub sha256: String,
}

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// There is a file of that name; it is never written over.
    #[error("{path} exists; choose another name or move it away (ce fichier existe : choisissez un autre nom)", path = .0.display())]
    Exists(PathBuf),
    /// Reading or writing failed.
    #[error("{path}: {source}; check that the folder is there, writable and not full", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk failed after it had taken the bytes. What it lost nobody knows, and trying again shows nothing.
    #[error("{path}: {source}; the disk may have lost a part of the file: look at the disk, and export once more (le disque a pu perdre une partie du fichier : recommencez l'export)", path = .path.display())]
    Lost {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bytes go backwards and there is no file to write over.
    #[error("the stream goes back to byte {0}, which only a file allows; set location")]
    NotSeekable(u64),
    /// The bytes go backwards, and those are encrypted already.
    #[error(
        "the stream goes back to byte {0}, which cannot be done in an encrypted file; have the muxer write from front to back: mp4mux fragment-duration=1000, matroskamux streamable=true (un fichier chiffré s'écrit d'un trait)"
    )]
    Sealed(u64),
    /// The thread of the hash could not be started, or ended by itself.
    #[error("the hash of the stream cannot be computed: {0}; start the pipeline anew")]
    Hash(String),
}

impl Output {
    fn new(target: Option<Target>, file: Option<File>, seal: Option<Seal>) -> Self {
        let queue = Arc::<Queue>::default();
        Self {
            hasher: None,
            intake: Intake::new(queue.clone(), file, seal),
            queue,
            target,
            recipients: Vec::new(),
            arrived: 0,
            position: 0,
            rewritten: false,
            lost: false,
            segments: (0, 0),
        }
    }

    /// No file: bytes are hashed and counted.
    pub fn hash_only() -> Self {
        Self::new(None, None, None)
    }

    /// A file, under a temporary name beside `location` until [`Output::finish`]. `tag` sets apart the
    /// leftovers of several crashed runs. With `recipients` it is encrypted to them, and no clear byte reaches
    /// the disk.
    ///
    /// # Errors
    ///
    /// When `location` exists or its folder cannot be written.
    pub fn create(
        location: &Path,
        tag: &str,
        recipients: &Recipients,
    ) -> Result<Self, OutputError> {
        let seal = match recipients.is_empty() {
            true => None,
            false => Some(Seal::new(recipients).map_err(|source| OutputError::Io {
                path: location.into(),
                source,
            })?),
        };
        let (target, file) = Target::create(location, tag)?;
        Ok(Self {
            recipients: recipients.names(),
            ..Self::new(Some(target), Some(file), seal)
        })
    }

    /// What is left of the file of a run that had this location and tag, and never came to its end.
    ///
    /// # Errors
    ///
    /// When the folder cannot be looked into.
    pub fn leftover(location: &Path, tag: &str) -> Result<Option<Leftover>, OutputError> {
        target::leftover(location, tag)
    }

    /// Number of the segment that goes on.
    pub fn next_segment(&self) -> u64 {
        self.segments.0
    }

    /// Whether bytes may go back.
    pub fn is_seekable(&self) -> bool {
        self.target.is_some() && self.recipients.is_empty()
    }

    /// Bytes that arrived so far.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes in the next bytes, by copying them. [`Output::write_shared`] does not.
    ///
    /// # Errors
    ///
    /// Those of [`Output::write_shared`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.take(bytes, |bytes| Arc::new(bytes.to_vec()))
    }

    /// Takes in the next bytes. They are kept until they are hashed, at most some MiB of them; then the call
    /// waits. They are with the operating system when it returns, or, when they follow others closely, some
    /// milliseconds later.
    ///
    /// # Errors
    ///
    /// When the file cannot be written. The bytes are kept then: [`Output::retry`] tries again, until it
    /// succeeds no others are taken in, and the run can be given up at any time. Only bytes that come while
    /// others wait are not kept.
    pub fn write_shared(
        &mut self,
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
    ) -> Result<(), OutputError> {
        self.take(bytes, |bytes| Arc::new(bytes))
    }

    fn take<B: AsRef<[u8]>>(
        &mut self,
        bytes: B,
        keep: impl FnOnce(B) -> Bytes,
    ) -> Result<(), OutputError> {
        let length = bytes.as_ref().len() as u64;
        if length == 0 {
            return Ok(());
        }
        self.started()?;
        // Not with the lock held, which the other thread may want in order to make room.
        if !self.queue.wait_for_room() {
            return Err(OutputError::Hash("its thread has ended".into()));
        }
        let mut intake = intake::lock(&self.intake);
        let taken = intake.ready().and_then(|()| {
            self.arrived += length;
            self.position += length;
            intake.take(bytes, keep)
        });
        drop(intake);
        taken.map_err(|e| self.io(e))
    }

    fn started(&mut self) -> Result<&Hasher, OutputError> {
        match &mut self.hasher {
            Some(hasher) => Ok(hasher),
            none => {
                let hasher = Hasher::start(self.queue.clone())
                    .map_err(|e| OutputError::Hash(e.to_string()))?;
                Ok(none.insert(hasher))
            }
        }
    }

    /// Writes what an earlier call could not write; does nothing if there was no such call.
    ///
    /// # Errors
    ///
    /// When it still cannot be written.
    pub fn retry(&mut self) -> Result<(), OutputError> {
        let written = intake::lock(&self.intake).retry();
        written.map_err(|e| self.io(e))
    }

    /// Goes to another byte of the file: a muxer that completes its header.
    ///
    /// # Errors
    ///
    /// Without a file, in an encrypted one, or when the file cannot be written.
    pub fn seek(&mut self, position: u64) -> Result<(), OutputError> {
        if position == self.position {
            return Ok(());
        }
        if self.target.is_none() {
            return Err(OutputError::NotSeekable(position));
        }
        if !self.is_seekable() {
            return Err(OutputError::Sealed(position));
        }
        let sought = intake::lock(&self.intake).seek(position);
        sought.map_err(|e| self.io(e))?;
        self.position = position;
        self.rewritten = true;
        Ok(())
    }

    /// Ends a segment: hashes what arrived since the last one, and has it on the disk if there is a file. Of an
    /// encrypted file the last bytes, up to 64 KiB of them, are there only at the end.
    ///
    /// # Errors
    ///
    /// When the file cannot be written. The segment goes on then.
    pub fn segment(&mut self) -> Result<Segment, OutputError> {
        self.started()?;
        let flushed = intake::lock(&self.intake).flush();
        flushed.map_err(|e| self.io(e))?;
        self.sync(File::sync_data)?;
        let sha256 = self.started()?.segment();
        let sha256 = sha256.ok_or_else(|| OutputError::Hash("its thread has ended".into()))?;
        let (number, from_byte) = self.segments;
        self.segments = (number + 1, self.arrived);
        Ok(Segment {
            number,
            from_byte,
            to_byte: self.arrived,
            bytes: self.arrived - from_byte,
            sha256,
        })
    }

    /// Makes the file durable under its final name, and says what it is.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or one of that name has come up meanwhile. The temporary one stays, and the
    /// call may be repeated.
    pub fn finish(&mut self) -> Result<Finished, OutputError> {
        let ended = intake::lock(&self.intake).end();
        ended.map_err(|e| self.io(e))?;
        if self.target.is_none() || self.arrived == 0 {
            self.discard();
            return self.described(self.arrived);
        }
        let bytes = match self.rewritten {
            true => self.hash_file()?,
            false => intake::lock(&self.intake).written(),
        };
        // The hash goes on meanwhile.
        self.sync(File::sync_all)?;
        let mut finished = self.described(bytes)?;
        if let Some(target) = &mut self.target {
            if !target.named {
                target.name().map_err(|source| match source.kind() {
                    io::ErrorKind::AlreadyExists => OutputError::Exists(target.location.clone()),
                    _ => OutputError::Io {
                        path: target.location.clone(),
                        source,
                    },
                })?;
            }
            let name = target.location.file_name();
            finished.name = name.map(|name| name.to_string_lossy().into_owned());
        }
        Ok(finished)
    }

    /// What there is of a run whose file could not be finished. The hash is given where it is that of the bytes
    /// that arrived; the file may hold fewer of them.
    pub fn unfinished(&self) -> Finished {
        // A failure is known already.
        let _ = intake::lock(&self.intake).flush();
        let bytes = match self.recipients.is_empty() {
            true => self.arrived,
            false => intake::lock(&self.intake).sealed_bytes(),
        };
        let mut finished = self.described(bytes).unwrap_or_else(|_| Finished {
            sha256: String::new(),
            bytes,
            name: None,
            encryption: None,
        });
        if self.rewritten {
            finished.sha256.clear();
        }
        finished
    }

    /// Name, without its folder, that the file has now: a temporary one until it is finished.
    pub fn temporary_name(&self) -> Option<String> {
        let name = self.target.as_ref()?.path().file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    /// Takes the final name back after [`Output::finish`], because the register did not take the entry that
    /// goes with it. Returns the name that the file has now.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed.
    pub fn take_back(&mut self) -> Result<Option<PathBuf>, OutputError> {
        let Some(target) = &mut self.target else {
            return Ok(None);
        };
        if self.arrived == 0 {
            return Ok(None);
        }
        target.unname().map_err(|source| OutputError::Io {
            path: target.location.clone(),
            source,
        })?;
        Ok(Some(target.temporary.clone()))
    }

    /// Removes the temporary file of a run in which nothing arrived, or nothing that is to be kept.
    pub fn discard(&mut self) {
        if let Some(target) = self.target.take() {
            // It holds no image; if it stays, it says nothing.
            let _ = fs::remove_file(&target.temporary);
        }
    }

    /// The hashes of what has been passed on so far.
    fn described(&self, bytes: u64) -> Result<Finished, OutputError> {
        let Digests { stream, file } = match &self.hasher {
            Some(hasher) => hasher.digests(),
            // Nothing arrived.
            None => {
                let nothing = hex::encode(Sha256::digest([]));
                Some(Digests {
                    stream: nothing.clone(),
                    file: nothing,
                })
            }
        }
        .ok_or_else(|| OutputError::Hash("its thread has ended".into()))?;
        let encryption = (!self.recipients.is_empty()).then(|| Encrypted {
            recipients: self.recipients.clone(),
            plain_sha256: stream.clone(),
            plain_bytes: self.arrived,
        });
        let own = self.target.is_some() && (self.rewritten || encryption.is_some());
        Ok(Finished {
            sha256: if own { file } else { stream },
            bytes,
            name: None,
            encryption,
        })
    }

    /// Sends the file, as it is now, through the hash. Returns its length.
    fn hash_file(&mut self) -> Result<u64, OutputError> {
        let Some(file) = intake::lock(&self.intake).file() else {
            return Ok(0);
        };
        self.started()?;
        self.queue.push(Job::Restart);
        let mut at = 0;
        loop {
            if !self.queue.wait_for_room() {
                return Err(OutputError::Hash("its thread has ended".into()));
            }
            let mut chunk = vec![0; CHUNK];
            match file.read_at(&mut chunk, at) {
                Ok(0) => return Ok(at),
                Ok(n) => {
                    chunk.truncate(n);
                    at += n as u64;
                    self.queue.push(Job::Bytes(Kind::File, Arc::new(chunk)));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.io(e)),
            }
        }
    }

    /// Waits until the file is on the disk.
    fn sync(&mut self, how: fn(&File) -> io::Result<()>) -> Result<(), OutputError> {
        let Some(file) = intake::lock(&self.intake).file() else {
            return Ok(());
        };
        let synced = match self.lost {
            true => Err(io::Error::other("it failed before")),
            false => how(&file),
        };
        synced.map_err(|source| {
            // A second call would succeed, although what the first one lost is lost.
            self.lost = true;
            let location = self.target.as_ref().map(|target| target.location.clone());
            OutputError::Lost {
                path: location.unwrap_or_default(),
                source,
            }
        })
    }

    fn io(&self, source: io::Error) -> OutputError {
        let location = self.target.as_ref().map(|target| target.location.clone());
        OutputError::Io {
            path: location.unwrap_or_default(),
            source,
        }
    }
}
