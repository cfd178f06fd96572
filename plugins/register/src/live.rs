// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions that are running, so that one whose process died is found and closed at the next start.
//!
//! Each has a file `live/<session>` which its process holds a lock on (`flock`, given back by the kernel when the
//! process dies) and which says where its opening entry is:
//!
//! ```text
//! {"session":"0b1d…","from":17,"index":17}
//! ```
//!
//! The file is on the disk before the opening entry is written, at first without `index`: the entry is then one of
//! those from `from` on, or was never written. It goes once the closing entry is written. Whoever gets the lock of a file
//! that is still there closes the session; everybody else finds it locked or gone.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    entry::{Entry, Phase, Record},
    error::AppendError,
    files,
    register::Register,
    tree::TILE_WIDTH,
    writer::Writer,
};

const LIVE: &str = "live";
/// Longest name that is taken over from a session as it is.
const MAX_NAME: usize = 100;
/// What the name of a file begins with that holds the hash of a session.
const HASHED: &str = "sha256-";
/// Longest file that is read.
const MAX_FILE: u64 = 256 * 1024;
/// Files of one session: more than one only where it was opened more than once.
const MAX_SAME: u32 = 1000;

/// What a file of a session says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Live {
    session: String,
    /// The opening entry is not before this one.
    from: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

/// A running session. When dropped without [`Held::release`], the session counts as interrupted.
#[derive(Debug)]
pub struct Held {
    file: File,
    path: PathBuf,
}

impl Held {
    /// The session has its closing entry.
    ///
    /// # Errors
    ///
    /// When the file of the session cannot be removed. It is then found at the next start, and so is its closing entry.
    pub fn release(self) -> Result<(), AppendError> {
        let removed = match fs::remove_file(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => files::sync_parent(&self.path),
        };
        removed.map_err(|source| AppendError::Io {
            path: self.path.clone(),
            source,
        })
    }

    /// Makes and locks the file of a session.
    fn new(dir: &Path, live: &Live) -> io::Result<Self> {
        let folder = dir.join(LIVE);
        match fs::DirBuilder::new().mode(0o750).create(&folder) {
            Ok(()) => files::sync_parent(&folder)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        let name = file_name(&live.session);
        for n in 0..MAX_SAME {
            // No session has a tilde in its name.
            let suffix = if n == 0 {
                String::new()
            } else {
                format!("~{n}")
            };
            let path = folder.join(format!("{name}{suffix}"));
            let made = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o640)
                .open(&path);
            let file = match made {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e),
            };
            let mut held = Self { file, path };
            // Somebody who looks for dead sessions may have been quicker, and has then removed the empty file.
            let locked = flock(&held.file, FlockOperation::NonBlockingLockExclusive).is_ok();
            if locked && files::is_at(&held.file, &held.path) {
                if let Err(e) = held
                    .write(live)
                    .and_then(|()| files::sync_parent(&held.path))
                {
                    let _ = fs::remove_file(&held.path);
                    return Err(e);
                }
                return Ok(held);
            }
        }
        Err(io::Error::other(
            "too many files of this session; close the interrupted ones first",
        ))
    }

    /// Writes the file in place. Torn by a crash, it says as little as an empty one.
    fn write(&mut self, live: &Live) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(live)?;
        bytes.push(b'\n');
        // Never shorter than before.
        io::Seek::rewind(&mut self.file)?;
        self.file.write_all(&bytes)?;
        self.file.sync_all()
    }

    /// Takes over the file of a session whose process has died; `None` when it runs or is closed.
    fn take_over(path: PathBuf) -> io::Result<Option<(Self, Option<Live>)>> {
        let opened = File::options()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(&path);
        let mut file = match opened {
            Ok(file) if file.metadata()?.is_file() => file,
            Ok(_) => return Ok(None),
            Err(e)
                if [io::ErrorKind::NotFound, io::ErrorKind::IsADirectory].contains(&e.kind()) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        // Its process may have closed it in the meantime, or another one that has found it.
        if !files::is_at(&file, &path) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        (&mut file).take(MAX_FILE).read_to_end(&mut bytes)?;
        let live = serde_json::from_slice(&bytes).ok();
        Ok(Some((Self { file, path }, live)))
    }
}

/// Name of the file of a session: the session itself where it can be one.
fn file_name(session: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !session.is_empty()
        && session.len() <= MAX_NAME
        && !session.starts_with('.')
        && !session.starts_with(HASHED)
        && session.chars().all(plain)
    {
        session.to_owned()
    } else {
        format!("{HASHED}{}", hex::encode(Sha256::digest(session)))
    }
}

impl Register {
    /// Appends the opening entry of a session and holds the session: the file that makes others notice when this process
    /// dies is there before the entry is.
    ///
    /// # Errors
    ///
    /// Those of [`Register::append`], and when the file of the session cannot be written.
    pub fn open_session(&mut self, entry: &Entry) -> Result<(u64, Held), AppendError> {
        entry.check()?;
        let mut live = Live {
            session: entry.session.clone(),
            from: self.size(),
            index: None,
        };
        let mut held = self.new_held(&live)?;
        let result = self.append(entry).and_then(|index| {
            live.index = Some(index);
            held.write(&live).map_err(|source| AppendError::Io {
                path: held.path.clone(),
                source,
            })?;
            Ok(index)
        });
        match result {
            Ok(index) => Ok((index, held)),
            Err(error) => {
                // With an index, the entry is there, and the session ends here.
                if live.index.is_none() {
                    let _ = held.release();
                }
                Err(error)
            }
        }
    }

    /// Holds a session whose opening entry, `index`, was appended before. [`Register::open_session`] also notices a process that
    /// dies in between.
    ///
    /// # Errors
    ///
    /// When the file of the session cannot be written.
    pub fn hold(&mut self, session: &str, index: u64) -> Result<Held, AppendError> {
        self.new_held(&Live {
            session: session.to_owned(),
            from: index,
            index: Some(index),
        })
    }

    fn new_held(&self, live: &Live) -> Result<Held, AppendError> {
        Held::new(self.dir(), live).map_err(|source| AppendError::Io {
            path: self.dir().join(LIVE),
            source,
        })
    }

    /// Takes over the sessions whose process has died without closing them, and returns the index and content of their opening
    /// entries. Of several processes that ask at once, one gets each. For each of them write its closing entry, then
    /// call [`Register::settled`]. What is not settled is found again once this register is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`Register::publish`], and when a file of a session or an entry cannot be read.
    pub fn interrupted(&mut self) -> Result<Vec<(u64, Record)>, AppendError> {
        let folder = self.dir().join(LIVE);
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| AppendError::Io { path, source }
        };
        let mut paths = Vec::new();
        match fs::read_dir(&folder) {
            Ok(entries) => {
                for entry in entries {
                    paths.push(entry.map_err(io(&folder))?.path());
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io(&folder)(e)),
        }
        paths.sort();
        let mut found = Vec::new();
        for path in paths {
            let taken = Held::take_over(path.clone()).map_err(io(&path))?;
            let Some((held, live)) = taken else { continue };
            // Without a word in it, the name may be the session's; it may be anywhere then.
            let live = live.unwrap_or_else(|| Live {
                session: named_by(&path),
                from: 0,
                index: None,
            });
            match self.with(|writer| opening(writer, &live))? {
                Some((index, record)) => {
                    found.push((index, record));
                    self.taken_over().push((index, held));
                }
                None => held.release()?,
            }
        }
        found.sort_by_key(|(index, _)| *index);
        Ok(found)
    }

    /// The session opened by entry `index`, which [`Register::interrupted`] has found, has its closing entry.
    ///
    /// # Errors
    ///
    /// When the file of the session cannot be removed.
    pub fn settled(&mut self, index: u64) -> Result<(), AppendError> {
        let taken = self.taken_over();
        match taken.iter().position(|(i, _)| *i == index) {
            Some(at) => taken.swap_remove(at).1.release(),
            None => Ok(()),
        }
    }
}

/// The session that the name of its file tells.
fn named_by(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    name.split('~').next().unwrap_or_default().to_owned()
}

/// The opening entry of a session, unless there is none, it is closed already, or its body was erased after its time.
fn opening(writer: &mut Writer, live: &Live) -> Result<Option<(u64, Record)>, AppendError> {
    writer.publish()?;
    let from = live.index.unwrap_or(live.from);
    let mut open = Vec::new();
    for bundle in from / TILE_WIDTH..writer.published().div_ceil(TILE_WIDTH) {
        let bytes = writer.read_bundle(bundle)?;
        for (seq, body) in (bundle * TILE_WIDTH..).zip(files::split_bundle(&bytes).0) {
            let first = open.is_empty() && live.index.is_none_or(|index| index == seq);
            if seq < from || !concerns(body, &live.session, first) {
                continue;
            }
            let Ok(record) = Record::from_bytes(body) else {
                continue;
            };
            // Of a file that says nothing, the session is known by the name of the file alone.
            if record.entry.session != live.session
                && file_name(&record.entry.session) != live.session
            {
                continue;
            }
            match record.entry.phase {
                Some(Phase::Open) if live.index.is_none_or(|index| index == seq) => {
                    open.push((seq, record));
                }
                Some(Phase::Close) => {
                    open.retain(|(index, _)| Some(*index) != record.entry.prior_entry_seq);
                }
                _ => {}
            }
        }
    }
    Ok(open.into_iter().next_back())
}

/// Whether it is worth reading all of `body`: it speaks of the session, as far as a look at its bytes can tell.
fn concerns(body: &[u8], session: &str, first: bool) -> bool {
    // A session that JSON has to spell otherwise, or whose hash alone is known, is looked for by reading every entry.
    let plain = !session.starts_with(HASHED)
        && session
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b));
    first
        || !plain
        || body
            .windows(session.len().max(1))
            .any(|w| w == session.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_cannot_name_a_file_elsewhere() {
        assert_eq!(file_name("0b1d-4f.a_B"), "0b1d-4f.a_B");
        for odd in ["", ".", "..", "../x", "a/b", "a b", "é", "sha256-x", "a~1"] {
            let name = file_name(odd);
            assert!(name.starts_with("sha256-") && name.len() == 71, "{odd}");
        }
        assert!(file_name(&"x".repeat(101)).starts_with("sha256-"));
        assert_ne!(file_name("a/b"), file_name("a b"));
    }
}
