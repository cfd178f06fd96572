// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of a run: hashed, counted and, where a file was asked for, written under a temporary name
//! that becomes the final one only at the end.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};

/// Big enough to gather the small writes of a muxer, small enough that a full disk shows at once.
const BUFFER: usize = 64 * 1024;
/// Longest name, in bytes, that is part of the temporary one: file systems take 255.
const MAX_HIDDEN: usize = 200;

/// Where the bytes of one run go.
#[derive(Debug)]
pub struct Output {
    file: Option<Target>,
    hash: Sha256,
    /// Bytes that arrived.
    arrived: u64,
    /// Where the next byte goes.
    position: u64,
    /// Something was written over, so that the running hash is not that of the file.
    rewritten: bool,
}

#[derive(Debug)]
struct Target {
    writer: BufWriter<File>,
    temporary: PathBuf,
    location: PathBuf,
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
    /// The bytes go backwards and there is no file to write over.
    #[error("the stream goes back to byte {0}, which only a file allows; set location")]
    NotSeekable(u64),
}

impl Output {
    /// No file: bytes are hashed and counted.
    pub fn hash_only() -> Self {
        Self {
            file: None,
            hash: Sha256::new(),
            arrived: 0,
            position: 0,
            rewritten: false,
        }
    }

    /// A file, under a temporary name beside `location` until [`Output::finish`]. `tag` sets apart the
    /// leftovers of several crashed runs.
    ///
    /// # Errors
    ///
    /// When `location` exists or its folder cannot be written.
    pub fn create(location: &Path, tag: &str) -> Result<Self, OutputError> {
        let no_file = || OutputError::Io {
            path: location.into(),
            source: io::Error::new(io::ErrorKind::InvalidInput, "names no file"),
        };
        match location.symlink_metadata() {
            Ok(_) => return Err(OutputError::Exists(location.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            // Said now and not once everything has been written.
            Err(source) => {
                return Err(OutputError::Io {
                    path: location.into(),
                    source,
                });
            }
        }
        if location.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(no_file());
        }
        let name = location.file_name().ok_or_else(no_file)?;
        let mut hidden = std::ffi::OsString::from(".");
        // A longer name would leave no room for what is added to it.
        if name.len() <= MAX_HIDDEN {
            hidden.push(name);
            hidden.push(".");
        }
        hidden.push(format!("{tag}.part"));
        let temporary = location.with_file_name(hidden);
        // Images of people: for the owner of the process, until that one decides otherwise.
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|source| OutputError::Io {
                path: temporary.clone(),
                source,
            })?;
        Ok(Self {
            file: Some(Target {
                writer: BufWriter::with_capacity(BUFFER, file),
                temporary,
                location: location.into(),
            }),
            ..Self::hash_only()
        })
    }

    /// Whether bytes may go back.
    pub fn is_seekable(&self) -> bool {
        self.file.is_some()
    }

    /// Bytes that arrived so far.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    ///
    /// When the file cannot be written. The run is over then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        if let Some(file) = &mut self.file
            && let Err(source) = file.writer.write_all(bytes)
        {
            // Who knows how much of it arrived: only the file itself does.
            self.rewritten = true;
            return Err(OutputError::Io {
                path: file.location.clone(),
                source,
            });
        }
        if !self.rewritten {
            self.hash.update(bytes);
        }
        self.arrived += bytes.len() as u64;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Goes to another byte of the file: a muxer that completes its header.
    ///
    /// # Errors
    ///
    /// Without a file, or when the file cannot be written.
    pub fn seek(&mut self, position: u64) -> Result<(), OutputError> {
        if position == self.position {
            return Ok(());
        }
        let Some(file) = &mut self.file else {
            return Err(OutputError::NotSeekable(position));
        };
        file.writer
            .seek(SeekFrom::Start(position))
            .map_err(|source| OutputError::Io {
                path: file.location.clone(),
                source,
            })?;
        self.position = position;
        self.rewritten = true;
        Ok(())
    }

    /// Makes the file durable under its final name, and says what it is.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or one of that name has come up meanwhile. The temporary one stays.
    pub fn finish(&mut self) -> Result<Finished, OutputError> {
        let mut finished = Finished {
            sha256: hex::encode(self.hash.clone().finalize()),
            bytes: self.arrived,
            name: None,
        };
        let Some(file) = &mut self.file else {
            return Ok(finished);
        };
        if self.arrived == 0 {
            self.discard();
            return Ok(finished);
        }
        let rewritten = self.rewritten;
        let done = (|| {
            file.writer.flush()?;
            if rewritten {
                let (sha256, bytes) = hash_file(file.writer.get_mut())?;
                finished.sha256 = sha256;
                finished.bytes = bytes;
            }
            file.writer.get_mut().sync_all()?;
            rename_new(&file.temporary, &file.location)?;
            sync_folder(&file.location)
        })();
        done.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists(file.location.clone()),
            _ => OutputError::Io {
                path: file.location.clone(),
                source,
            },
        })?;
        finished.name = file
            .location
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        Ok(finished)
    }

    /// What there is of a run whose file could not be finished. The hash is given where it is that of the bytes
    /// that arrived.
    pub fn unfinished(&self) -> Finished {
        let sha256 = match self.rewritten {
            true => String::new(),
            false => hex::encode(self.hash.clone().finalize()),
        };
        Finished {
            sha256,
            bytes: self.arrived,
            name: None,
        }
    }

    /// Name, without its folder, that the file has until it is finished.
    pub fn temporary_name(&self) -> Option<String> {
        let name = self.file.as_ref()?.temporary.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    /// Takes the final name back after [`Output::finish`], because the register did not take the entry that
    /// goes with it. Returns the name that the file has now.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed.
    pub fn take_back(&mut self) -> Result<Option<PathBuf>, OutputError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        if self.arrived == 0 {
            return Ok(None);
        }
        rename_new(&file.location, &file.temporary)
            .and_then(|()| sync_folder(&file.location))
            .map_err(|source| OutputError::Io {
                path: file.location.clone(),
                source,
            })?;
        Ok(Some(file.temporary.clone()))
    }

    /// Removes the temporary file of a run in which nothing arrived.
    pub fn discard(&mut self) {
        if let Some(file) = self.file.take() {
            // It is empty; if it stays, it says nothing.
            let _ = fs::remove_file(&file.temporary);
        }
    }
}

fn hash_file(file: &mut File) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut chunk = vec![0; BUFFER];
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((hex::encode(hash.finalize()), bytes)),
            n => {
                hash.update(&chunk[..n]);
                bytes += n as u64;
            }
        }
    }
}

/// Renames without ever writing over another file.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // Some file systems (exFAT on a stick, network shares) do not know the flag.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        Err(e) => Err(e.into()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    #[test]
    fn bytes_without_a_file_are_hashed_and_cannot_go_back() {
        let mut output = Output::hash_only();
        output.write(b"one").unwrap();
        output.seek(3).unwrap();
        output.write(b"two").unwrap();
        assert!(matches!(output.seek(0), Err(OutputError::NotSeekable(0))));
        let finished = output.finish().unwrap();
        assert_eq!(finished.sha256, sha256(b"onetwo"));
        assert_eq!((finished.bytes, finished.name), (6, None));
    }

    #[test]
    fn the_file_appears_at_the_end_and_is_hashed_as_it_is() {
        let tmp = tempfile::tempdir().unwrap();
        let location = tmp.path().join("piece.mp4");
        for (rewrite, wanted) in [(false, &b"headbody"[..]), (true, b"HEADbody")] {
            let mut output = Output::create(&location, "t").unwrap();
            output.write(b"head").unwrap();
            output.write(b"body").unwrap();
            if rewrite {
                output.seek(0).unwrap();
                output.write(b"HEAD").unwrap();
            }
            assert!(!location.exists());
            let finished = output.finish().unwrap();
            assert_eq!(fs::read(&location).unwrap(), wanted);
            assert_eq!(finished.sha256, sha256(wanted));
            assert_eq!(finished.bytes, 8);
            assert_eq!(finished.name.as_deref(), Some("piece.mp4"));
            let back = output.take_back().unwrap().unwrap();
            assert!(!location.exists() && back.exists());
            fs::remove_file(back).unwrap();
        }
    }

    #[test]
    fn another_file_is_never_written_over() {
        let tmp = tempfile::tempdir().unwrap();
        let location = tmp.path().join("piece.mp4");
        fs::write(&location, b"mine").unwrap();
        assert!(matches!(
            Output::create(&location, "t"),
            Err(OutputError::Exists(_))
        ));
        fs::remove_file(&location).unwrap();
        let mut output = Output::create(&location, "t").unwrap();
        output.write(b"theirs").unwrap();
        fs::write(&location, b"mine").unwrap();
        assert!(matches!(output.finish(), Err(OutputError::Exists(_))));
        assert_eq!(fs::read(&location).unwrap(), b"mine");
        assert!(Output::create(&tmp.path().join("no/piece"), "t").is_err());
        let long = tmp.path().join("é".repeat(120));
        let mut output = Output::create(&long, "t").unwrap();
        output.write(b"x").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&long).unwrap(), b"x");
        // Refused before anything is written, not when the file ought to get its name.
        for odd in ["piece.mp4/", "newfolder/", "piece.mp4/below"] {
            assert!(Output::create(&tmp.path().join(odd), "t").is_err(), "{odd}");
        }
        assert!(Output::create(Path::new("/"), "t").is_err());
    }

    #[test]
    fn nothing_leaves_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let location = tmp.path().join("piece.mp4");
        let mut output = Output::create(&location, "t").unwrap();
        assert_eq!(output.finish().unwrap().name, None);
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
    }
}
