// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names of the file: hidden until it is finished, final after that, and never that of another one.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::OutputError;

/// Longest name, in bytes, that is part of the temporary one: file systems take 255.
const MAX_HIDDEN: usize = 200;

/// A file that is being made.
#[derive(Debug)]
pub(super) struct Target {
    pub temporary: PathBuf,
    pub location: PathBuf,
    /// It has its final name.
    pub named: bool,
}

/// What a run that never came to its end has left of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Name of the file, without its folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// It has its final name: the run ended after the file was complete and before the closing entry. Nothing but the
    /// name says then that it comes from this run.
    pub named: bool,
}

impl Target {
    /// Makes the file under its temporary name.
    pub fn create(location: &Path, tag: &str) -> Result<(Self, File), OutputError> {
        let temporary = temporary(location, tag)?;
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
        let target = Self {
            temporary,
            location: location.into(),
            named: false,
        };
        Ok((target, file))
    }

    /// Gives the file its final name, durably; if that cannot be said for sure, it gets its temporary one again.
    pub fn name(&mut self) -> io::Result<()> {
        rename_new(&self.temporary, &self.location)?;
        self.named = true;
        sync_folder(&self.location).inspect_err(|_| {
            // The first failure is the one to tell; `named` says which name it is.
            let _ = self.unname();
        })
    }

    /// Gives the file its temporary name again.
    pub fn unname(&mut self) -> io::Result<()> {
        if self.named {
            rename_new(&self.location, &self.temporary)?;
            self.named = false;
            sync_folder(&self.location)?;
        }
        Ok(())
    }

    /// Where the file is now.
    pub fn path(&self) -> &Path {
        match self.named {
            true => &self.location,
            false => &self.temporary,
        }
    }
}

/// The temporary name: `.NAME.TAG.part` beside `location`.
fn temporary(location: &Path, tag: &str) -> Result<PathBuf, OutputError> {
    let no_file = || OutputError::Io {
        path: location.into(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "names no file"),
    };
    if location.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(no_file());
    }
    let name = location.file_name().ok_or_else(no_file)?;
    let mut hidden = OsString::from(".");
    // A longer name would leave no room for what is added to it.
    if name.len() <= MAX_HIDDEN {
        hidden.push(name);
        hidden.push(".");
    }
    hidden.push(format!("{tag}.part"));
    Ok(location.with_file_name(hidden))
}

/// What is left of the file of a run that had this location and tag.
pub(super) fn leftover(location: &Path, tag: &str) -> Result<Option<Leftover>, OutputError> {
    let temporary = temporary(location, tag)?;
    for (path, named) in [(temporary.as_path(), false), (location, true)] {
        match path.symlink_metadata() {
            Ok(found) if found.is_file() => {
                let name = path.file_name().unwrap_or_default();
                return Ok(Some(Leftover {
                    name: name.to_string_lossy().into_owned(),
                    bytes: found.len(),
                    named,
                }));
            }
            // Neither a folder nor a link was made by a run.
            Ok(_) => {}
            Err(e) => match e.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
                _ => {
                    return Err(OutputError::Io {
                        path: path.into(),
                        source: e,
                    });
                }
            },
        }
    }
    Ok(None)
}

/// Renames without ever writing over another file.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // Some file systems (network shares, some on a stick) do not know the flag.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            match link_new(from, to) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => reserve_new(from, to),
                done => done,
            }
        }
        Err(e) => Err(e.into()),
    }
}

/// A second name, which is refused where there is a file, and then the first one goes.
fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from).inspect_err(|_| {
        // With both names it would be there whatever the register says.
        let _ = fs::remove_file(to);
    })
}

/// Where there are no second names either: an empty file takes the name, which is refused where there is one, and
/// it alone is replaced.
fn reserve_new(from: &Path, to: &Path) -> io::Result<()> {
    from.symlink_metadata()?;
    File::options().write(true).create_new(true).open(to)?;
    fs::rename(from, to).inspect_err(|_| {
        // It is the empty one still.
        let _ = fs::remove_file(to);
    })
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn no_way_of_renaming_writes_over_a_file() {
        for rename in [rename_new, link_new, reserve_new] {
            let tmp = tempfile::tempdir().unwrap();
            let (from, to) = (tmp.path().join("from"), tmp.path().join("to"));
            fs::write(&from, b"new").unwrap();
            fs::write(&to, b"mine").unwrap();
            let error = rename(&from, &to).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&to).unwrap(), b"mine");
            assert_eq!(fs::read(&from).unwrap(), b"new");
            fs::remove_file(&to).unwrap();
            rename(&from, &to).unwrap();
            assert_eq!(fs::read(&to).unwrap(), b"new");
            assert!(!from.exists());
            // Nothing is left of a failure.
            assert!(rename(&from, &tmp.path().join("other")).is_err());
            assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
        }
    }

    fn name_beside_another() {
        let tmp = tempfile::tempdir().unwrap();
        let location = tmp.path().join("piece");
        let (mut target, _) = Target::create(&location, "t").unwrap();
        fs::write(&location, b"mine").unwrap();
        let error = target.name().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&location).unwrap(), b"mine");
        fs::remove_file(&location).unwrap();
        target.name().unwrap();
        assert_eq!(fs::read(&location).unwrap(), b"");
        target.unname().unwrap();
        assert!(!location.exists());
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_the_flag_is_not_known_a_second_name_serves() {
        with_failing(
            &["renameat2:error=EINVAL"],
            "where_the_flag_is_not_known_a_second_name_serves",
            name_beside_another,
        );
    }

    #[test]
    fn where_there_are_no_second_names_either_an_empty_file_serves() {
        with_failing(
            &["renameat2:error=EINVAL", "link,linkat:error=EPERM"],
            "where_there_are_no_second_names_either_an_empty_file_serves",
            name_beside_another,
        );
    }

    #[test]
    fn a_name_that_is_not_durable_is_taken_back() {
        // The first one is that of the folder, when the file has its name.
        with_failing(
            &["fsync:error=EIO:when=1"],
            "a_name_that_is_not_durable_is_taken_back",
            || {
                let tmp = tempfile::tempdir().unwrap();
                let location = tmp.path().join("piece");
                let (mut target, _) = Target::create(&location, "t").unwrap();
                assert!(target.name().is_err());
                assert!(!target.named && !location.exists());
                target.name().unwrap();
                assert!(target.named && location.exists());
            },
        );
    }

    /// Runs the test `name` again in a process whose calls of the system fail as `calls` say, and does `work` there.
    fn with_failing(calls: &[&str], name: &str, work: impl FnOnce()) {
        const CHILD: &str = "AUDITSINK_TEST_WITH_FAILING_CALLS";
        if std::env::var_os(CHILD).is_some() {
            return work();
        }
        let strace = || {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null"]);
            strace
        };
        let tried = strace().arg("true").output();
        if !tried.is_ok_and(|output| output.status.success()) {
            let missing = "strace is missing or may not trace, run: apt-get install strace";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
            eprintln!("SKIPPED {name}: {missing}");
            return;
        }
        let (_, module) = module_path!().split_once("::").unwrap();
        let run = strace()
            .args(calls.iter().map(|call| format!("--inject={call}")))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::{name}")])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && text.contains("1 passed"), "{text}");
    }

    #[test]
    fn what_is_left_is_found_by_its_tag() {
        let tmp = tempfile::tempdir().unwrap();
        let location = tmp.path().join("piece.mp4");
        let none = leftover(&location, "t").unwrap();
        assert_eq!(none, None);
        let (mut target, file) = Target::create(&location, "t").unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"half", 0).unwrap();
        let found = leftover(&location, "t").unwrap().unwrap();
        assert_eq!((found.bytes, found.named), (4, false));
        assert_eq!(found.name, ".piece.mp4.t.part");
        assert_eq!(leftover(&location, "other").unwrap(), None);
        target.name().unwrap();
        assert_eq!(target.path(), location);
        let found = leftover(&location, "t").unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.named), ("piece.mp4", true));
        target.unname().unwrap();
        assert_eq!(target.path(), tmp.path().join(".piece.mp4.t.part"));
        // A folder or a link is nobody's leftover.
        fs::remove_file(target.path()).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &location).unwrap();
        assert_eq!(leftover(&location, "t").unwrap(), None);
        assert_eq!(leftover(&tmp.path().join("gone/piece"), "t").unwrap(), None);
    }
}
