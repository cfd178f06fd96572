// SPDX-License-Identifier: MIT OR Apache-2.0
//! Paths of the tlog-tiles layout, entry bundles, writes that survive a power cut, and the lock.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, OFlags, flock};
use tlog_tiles::Tile;

use crate::{entry::MAX_ENTRY_SIZE, tree::TILE_WIDTH};

pub const CHECKPOINT: &str = "checkpoint";
pub const PUBLIC_KEY: &str = "register.pub";
pub const LOCK: &str = "lock";
/// Entries that are not published yet.
pub const JOURNAL: &str = "journal";
/// The latest checkpoint with the cosignatures of witnesses.
pub const WITNESSED: &str = "witnessed";

/// Threads that write files which are published together.
const WRITERS: usize = 8;
/// Fewest files that are worth a thread.
const MIN_SHARE: usize = 4;
/// How often a lock that somebody else has is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// Longest checkpoint that is read: three lines and the signatures of some witnesses.
pub const MAX_CHECKPOINT: u64 = 64 * 1024;
/// Longest bundle that is read.
pub const MAX_BUNDLE: u64 = TILE_WIDTH * (2 + MAX_ENTRY_SIZE as u64);
/// Longest tile that is read.
pub const MAX_TILE: u64 = TILE_WIDTH * 32;

/// Default place of the signing key.
pub fn default_key(dir: &Path) -> PathBuf {
    dir.join("keys").join("register.key")
}

/// Path of a hash tile below the register, `tile/0/x001/234.p/5`.
pub fn tile_path(level: u8, index: u64, width: u32) -> String {
    // The crate spells Go's `tile/<height>/<level>/…`; C2SP has one height only.
    let path = Tile::new(8, level, index, width, false).path();
    format!("tile/{}", path.trim_start_matches("tile/8/"))
}

/// Path of an entry bundle below the register, `tile/entries/x001/234.p/5`.
pub fn bundle_path(index: u64, width: u32) -> String {
    let path = Tile::new(8, 0, index, width, true).path();
    format!("tile/entries/{}", path.trim_start_matches("tile/8/data/"))
}

/// Width in the name of a partial tile or bundle.
pub fn parse_width(name: &str) -> Option<u32> {
    let width: u32 = name.parse().ok()?;
    ((1..256).contains(&width) && width.to_string() == name).then_some(width)
}

/// Splits a bundle into the bodies of its entries. The second value is what is left over when the bytes
/// end within an entry.
pub fn split_bundle(mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut bodies = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let Some((body, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
            break;
        };
        bodies.push(body);
        bytes = rest;
    }
    (bodies, bytes)
}

/// Adds an entry to a bundle. `body` holds at most [`MAX_ENTRY_SIZE`] bytes.
pub fn add_to_bundle(bundle: &mut Vec<u8>, body: &[u8]) {
    let length = u16::try_from(body.len()).expect("Record::to_bytes limits the length");
    bundle.extend(length.to_be_bytes());
    bundle.extend(body);
}

/// Opens what ought to be a plain file. A register may come from anywhere, and to open a pipe would wait
/// for its other end for ever.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a plain file",
        ));
    }
    Ok(file)
}

/// Reads a file, but no more than `limit` bytes: a register may come from anywhere.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_plain(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("longer than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// Reads a file that may not be there.
pub fn read_optional(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    match read_limited(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Makes the entry of `path` in its folder durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Writes `bytes` to `root/relative` so that after a power cut the file holds either all of its old
/// bytes or all of the new ones: a temporary file beside it, its data to the disk, then the rename, then
/// the folder. `root` itself must exist: a register whose directory vanished is not made anew.
pub fn write_durable(root: &Path, relative: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(root, relative, bytes)?;
    let path = root.join(relative);
    move_to(&temporary, &path)?;
    sync_parent(&path)
}

/// [`write_durable`] of several files, which need not appear together: each has all of its bytes or does not
/// change. Waits less for the disk than one by one.
pub fn write_all_durable(
    root: &Path,
    files: &[(String, Cow<'_, [u8]>)],
) -> Result<(), (PathBuf, io::Error)> {
    // The disk takes several at once in little more time than one.
    let share = files.len().div_ceil(WRITERS).max(MIN_SHARE);
    let write = |files: &[(String, Cow<'_, [u8]>)]| -> Vec<io::Result<PathBuf>> {
        files
            .iter()
            .map(|(relative, bytes)| write_beside(root, relative, bytes))
            .collect()
    };
    let mut shares = files.chunks(share);
    let first = shares.next().unwrap_or_default();
    let beside: Vec<io::Result<PathBuf>> = std::thread::scope(|scope| {
        // Where there is no thread to be had, this one writes.
        let others: Vec<_> = shares
            .map(|share| {
                let thread = std::thread::Builder::new();
                (share, thread.spawn_scoped(scope, move || write(share)))
            })
            .collect();
        let mut beside = write(first);
        for (share, thread) in others {
            let written = thread.ok().and_then(|thread| thread.join().ok());
            beside.extend(written.unwrap_or_else(|| write(share)));
        }
        beside
    });
    if let Some(at) = beside.iter().position(Result::is_err) {
        let mut error = io::Error::other("not written");
        for (n, written) in beside.into_iter().enumerate() {
            match written {
                Ok(temporary) => drop(fs::remove_file(temporary)),
                Err(e) if n == at => error = e,
                Err(_) => {}
            }
        }
        return Err((root.join(&files[at].0), error));
    }
    let mut folders = BTreeSet::new();
    for ((relative, _), temporary) in files.iter().zip(beside.into_iter().flatten()) {
        let path = root.join(relative);
        move_to(&temporary, &path).map_err(|e| (path.clone(), e))?;
        folders.extend(path.parent().map(Path::to_owned));
    }
    for folder in folders {
        let synced = File::open(&folder).and_then(|folder| folder.sync_all());
        synced.map_err(|e| (folder, e))?;
    }
    Ok(())
}

/// Writes `bytes` to a temporary file beside `root/relative`, and waits for the disk. Returns its path.
fn write_beside(root: &Path, relative: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut folder = root.to_path_buf();
    let mut parts: Vec<&str> = relative.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    for part in parts {
        folder.push(part);
        match fs::create_dir(&folder) {
            Ok(()) => sync_parent(&folder)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    // The writer holds the lock, so one fixed name is enough, and what a crash leaves behind is
    // written over by the next one.
    let temporary = folder.join(format!(".{name}.new"));
    let written = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    if written.is_err() {
        // On a full disk the half-written file would keep the space that the next attempt needs.
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| temporary)
}

fn move_to(temporary: &Path, path: &Path) -> io::Result<()> {
    let moved = fs::rename(temporary, path);
    if moved.is_err() {
        let _ = fs::remove_file(temporary);
    }
    moved
}

/// An advisory lock over a register, given back when dropped.
#[derive(Debug)]
pub struct Lock {
    file: Arc<File>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not left to the last of its copies: a process that this one starts has one for a moment.
        let _ = flock(&*self.file, FlockOperation::Unlock);
    }
}

impl Lock {
    /// Waits up to `patience` for the lock. `flock` belongs to the open file, so it holds between
    /// threads and processes alike and is given back by the kernel when a process dies.
    pub fn take(root: &Path, exclusive: bool, patience: Duration) -> io::Result<Option<Self>> {
        let end = Instant::now() + patience;
        let journal = open_plain(&root.join(JOURNAL)).ok();
        let _turn = match &journal {
            Some(journal) => match Turn::take(journal, end)? {
                Some(turn) => Some(turn),
                None => return Ok(None),
            },
            None => None,
        };
        LockFile::new(root, exclusive).take(end)
    }
}

/// The file that a lock is on, kept open.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    exclusive: bool,
    file: Option<Arc<File>>,
    /// Who this is.
    mark: [u8; 16],
}

impl LockFile {
    pub fn new(root: &Path, exclusive: bool) -> Self {
        Self {
            path: root.join(LOCK),
            exclusive,
            file: None,
            mark: [0; 16],
        }
    }

    /// Whether nobody else has left a mark in the file since this did; where somebody has, leaves it again. Everybody
    /// who may write does so first, under the lock, so that all see without asking the disk whether something may
    /// have changed. The mark goes no further than the cache of the kernel: where that is lost so are all who know it.
    ///
    /// # Errors
    ///
    /// When it cannot be left. Nothing may be written then, since the others would not see it.
    pub fn mark(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else {
            return Err(io::Error::other("nobody has the lock"));
        };
        if self.mark == [0; 16] {
            getrandom::fill(&mut self.mark).map_err(|e| io::Error::other(e.to_string()))?;
        }
        let mut found = [0; 16];
        let alone = file.read_at(&mut found, 0)? == found.len() && found == self.mark;
        if !alone {
            file.write_all_at(&self.mark, 0)?;
        }
        Ok(alone)
    }

    fn open(&self) -> io::Result<File> {
        if self.exclusive {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .open(&self.path)
        } else {
            // An auditor may have a read-only copy.
            open_plain(&self.path)
        }
    }

    /// Waits until `end` for the lock; `None` when somebody has it for longer. To be fair, whoever waits has a
    /// [`Turn`].
    pub fn take(&mut self, end: Instant) -> io::Result<Option<Lock>> {
        let operation = if self.exclusive {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        loop {
            let file = match self.file.take() {
                Some(file) => file,
                None => Arc::new(self.open()?),
            };
            if !poll(&file, operation, end)? {
                return Ok(None);
            }
            let lock = Lock { file };
            // Where somebody has removed the file, whoever still holds the old one would write beside whoever has
            // locked the new one.
            if is_at(&lock.file, &self.path) {
                self.file = Some(Arc::clone(&lock.file));
                return Ok(Some(lock));
            }
        }
    }
}

/// A lock on another file, which everybody takes first: who has just had the lock does not get it again before those
/// who wait.
pub struct Turn<'a>(&'a File);

impl<'a> Turn<'a> {
    /// Waits until `end`; `None` when somebody else waits for longer.
    pub fn take(file: &'a File, end: Instant) -> io::Result<Option<Self>> {
        Ok(poll(file, FlockOperation::NonBlockingLockExclusive, end)?.then_some(Self(file)))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// Tries until `end`; whether it worked.
fn poll(file: &File, operation: FlockOperation, end: Instant) -> io::Result<bool> {
    let mut began = None;
    loop {
        match flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                let now = Instant::now();
                if now >= end {
                    return Ok(false);
                }
                // A fraction of what it has taken already: little is lost, and a stuck process costs little.
                let waited = now.duration_since(*began.get_or_insert(now));
                let pause = (waited / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                std::thread::sleep(pause.min(end.duration_since(now)));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether `file` is still the one that `path` leads to.
pub fn is_at(file: &File, path: &Path) -> bool {
    file.metadata()
        .and_then(|ours| Ok((ours, fs::metadata(path)?)))
        .is_ok_and(|(ours, there)| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_lock_file_leaves_one_writer() {
        let tmp = tempfile::tempdir().unwrap();
        let first = Lock::take(tmp.path(), true, Duration::ZERO).unwrap();
        let waiter = std::thread::spawn({
            let root = tmp.path().to_owned();
            move || Lock::take(&root, true, Duration::from_secs(20)).unwrap()
        });
        std::thread::sleep(Duration::from_millis(50));
        fs::remove_file(tmp.path().join(LOCK)).unwrap();
        let second = Lock::take(tmp.path(), true, Duration::from_secs(20)).unwrap();
        drop(first);
        let path = tmp.path().join(LOCK);
        if let Some(second) = second {
            // Whoever got it holds the file that everybody else will open.
            assert!(is_at(&second.file, &path));
            drop(second);
        }
        let third = waiter.join().unwrap().unwrap();
        assert!(is_at(&third.file, &path));
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(2, 0, 1), "tile/2/000.p/1");
        assert_eq!(
            bundle_path(1_234_067, 255),
            "tile/entries/x001/x234/067.p/255"
        );
        assert_eq!(bundle_path(8, 256), "tile/entries/008");
        for (name, width) in [
            ("1", Some(1)),
            ("255", Some(255)),
            ("0", None),
            ("256", None),
            ("01", None),
            ("+1", None),
            (".1.new", None),
        ] {
            assert_eq!(parse_width(name), width, "{name}");
        }
    }

    #[test]
    fn bundles_split_at_their_lengths_and_never_panic() {
        let mut bundle = Vec::new();
        add_to_bundle(&mut bundle, b"one");
        add_to_bundle(&mut bundle, b"");
        add_to_bundle(&mut bundle, b"three");
        assert_eq!(
            split_bundle(&bundle),
            (vec![&b"one"[..], b"", b"three"], &b""[..])
        );
        for end in 0..bundle.len() {
            let (bodies, rest) = split_bundle(&bundle[..end]);
            let used: usize = bodies.iter().map(|b| b.len() + 2).sum();
            assert_eq!(used + rest.len(), end);
        }
    }

    #[test]
    fn a_lock_is_exclusive_until_dropped() {
        let tmp = tempfile::tempdir().unwrap();
        let now = Duration::ZERO;
        let first = Lock::take(tmp.path(), true, now).unwrap();
        assert!(first.is_some());
        assert!(Lock::take(tmp.path(), true, now).unwrap().is_none());
        assert!(Lock::take(tmp.path(), false, now).unwrap().is_none());
        drop(first);
        let shared = Lock::take(tmp.path(), false, now).unwrap();
        assert!(shared.is_some());
        assert!(Lock::take(tmp.path(), false, now).unwrap().is_some());
        assert!(Lock::take(tmp.path(), true, now).unwrap().is_none());
    }
}
