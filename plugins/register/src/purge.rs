// SPDX-License-Identifier: MIT OR Apache-2.0
//! Erasing the bodies of old entries.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::{
    entry::{Entry, Operation, Record},
    error::{AppendError, OpenError, PurgeError},
    fields::Erasure,
    files,
    head::{partials, remove_partials},
    register::Register,
    tree::TILE_WIDTH,
    writer::{Job, SET_ASIDE, Writer},
};

impl Register {
    /// Erases the bodies of the entries written before `limit`, which the law wants gone after three years
    /// at the most (art. R. 253-5 CSI). Their leaf hashes stay, so that every proof and checkpoint
    /// still verifies; an entry of its own, written first, says what was erased. Returns how many bodies went.
    ///
    /// # Errors
    ///
    /// Those of [`Register::append`]. After a crash in the middle, calling it again finishes the work.
    pub fn purge(
        &mut self,
        limit: Timestamp,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, PurgeError> {
        // Full bundles no longer change, so others need not wait for all of them.
        let (before, bodies) = self.with(|writer| Ok(announce(writer, limit, reason, now)))??;
        let bundles = before.div_ceil(TILE_WIDTH);
        for index in 0..bundles.min(self.size() / TILE_WIDTH) {
            self.with(|writer| Ok(erase_in(writer, index, before)?))?;
        }
        Ok(bodies)
    }
}

/// Writes the entry about the erasure, and erases what is in the last bundle and in the journal, while nobody else
/// can write: whoever publishes next writes that bundle again. Returns the number of entries before `limit`, and
/// how many of them still had their body.
fn announce(
    writer: &mut Writer,
    limit: Timestamp,
    reason: &str,
    now: Timestamp,
) -> Result<(u64, u64), PurgeError> {
    writer.publish().map_err(AppendError::from)?;
    let mut before = 0u64;
    let mut bodies = 0;
    'bundles: for index in 0..writer.published().div_ceil(TILE_WIDTH) {
        let bytes = writer.read_bundle(index).map_err(AppendError::from)?;
        for body in files::split_bundle(&bytes).0 {
            if !body.is_empty() {
                let record = Record::from_bytes(body)?;
                if record.timestamp >= limit {
                    break 'bundles;
                }
                bodies += 1;
            }
            before += 1;
        }
    }
    // Where there are none, a purge that was cut off may have left them in narrower copies and in the journal.
    if bodies > 0 {
        let mut entry = Entry::new(Operation::Erase);
        entry.erasure = Some(Erasure {
            reason: reason.into(),
            due_date: Some(limit),
            entries_before: Some(before),
            ..Default::default()
        });
        let job = Job::new(&entry, Some(now))?;
        for outcome in writer.append(&[&job]) {
            outcome?;
        }
        writer.publish().map_err(AppendError::from)?;
    }
    if before > 0 {
        erase_last(writer, before).map_err(AppendError::from)?;
    }
    let dir = writer.dir();
    sweep(dir, limit).map_err(|source| {
        AppendError::from(OpenError::Io {
            path: dir.into(),
            source,
        })
    })?;
    Ok((before, bodies))
}

/// Removes what may hold bodies and is not of the register: half-written files that a crash has left, and what was
/// set aside before `limit`. The caller has the lock, so nobody is writing such a file.
fn sweep(dir: &Path, limit: Timestamp) -> io::Result<()> {
    let left_over = |path: &Path| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with('.') && name.ends_with(".new")
    };
    remove_files(dir, &left_over)?;
    let mut folders = vec![dir.join("tile")];
    while let Some(folder) = folders.pop() {
        folders.extend(remove_files(&folder, &left_over)?);
    }
    let old = |path: &Path| {
        let changed = path.symlink_metadata().and_then(|file| file.modified());
        changed.is_ok_and(|changed| Timestamp::try_from(changed).is_ok_and(|at| at < limit))
    };
    remove_files(&dir.join(SET_ASIDE), &old)?;
    Ok(())
}

/// Removes the files of `folder`, which need not be there, that `gone` chooses. Returns the folders in it.
fn remove_files(folder: &Path, gone: &dyn Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let (mut folders, mut removed) = (Vec::new(), None);
    for entry in entries {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            folders.push(path);
        } else if gone(&path) {
            fs::remove_file(&path)?;
            removed = Some(path);
        }
    }
    match removed {
        Some(path) => files::sync_parent(&path).map(|()| folders),
        None => Ok(folders),
    }
}

fn erase_last(writer: &mut Writer, before: u64) -> Result<(), OpenError> {
    writer.wipe_journal()?;
    let edge = writer.published() / TILE_WIDTH;
    if before.div_ceil(TILE_WIDTH) > edge {
        erase_in(writer, edge, before)?;
    }
    Ok(())
}

/// Empties the bodies of the entries below `before` in one bundle, in every copy of it.
fn erase_in(writer: &mut Writer, index: u64, before: u64) -> Result<(), OpenError> {
    let bytes = writer.read_bundle(index)?;
    let mut erased = Vec::with_capacity(bytes.len());
    for (at, body) in files::split_bundle(&bytes).0.into_iter().enumerate() {
        let gone = index * TILE_WIDTH + (at as u64) < before;
        files::add_to_bundle(&mut erased, if gone { b"" } else { body });
    }
    let width = writer.bundle_width(index);
    let full = files::bundle_path(index, 256);
    let folder = writer.dir().join(format!("{full}.p"));
    let io = |source| OpenError::Io {
        path: folder.clone(),
        source,
    };
    // Narrower versions made before hold the bodies too. They go first: beside an erased bundle they would look like
    // copies that somebody has changed.
    let holds = |w: u32| {
        let copy = files::read_limited(&folder.join(w.to_string()), files::MAX_BUNDLE);
        !copy.is_ok_and(|copy| erased.starts_with(&copy))
    };
    let narrower = partials(&folder).map_err(io)?;
    if narrower.into_iter().any(|w| w < width && holds(w)) {
        remove_partials(&folder, |w| w < width && holds(w)).map_err(io)?;
        let gone = !folder.exists();
        let names = if gone {
            folder.as_path()
        } else {
            &folder.join("1")
        };
        files::sync_parent(names).map_err(io)?;
    }
    if erased != bytes {
        writer.write(&files::bundle_path(index, width), &erased)?;
    }
    Ok(())
}
