// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who stands behind a pseudonym: a table that is kept apart from the register and can be destroyed.
//!
//! The register names agents by pseudonyms such as `a-k3m7qz2x`, and cannot be changed afterwards. Names are in this
//! table only, so that they can be corrected and erased (GDPR art. 4(5), 16 and 17; art. 6 § 1 c of the law
//! « informatique et libertés »): without it a pseudonym says nothing. It is a TOML file that only its owner can
//! read:
//!
//! ```toml
//! version = 1
//!
//! [[agent]]
//! pseudonym = "a-k3m7qz2x"
//! name = "Camille Durand, matricule 417"
//! added = "2026-11-22T08:00:00Z"
//! ```
//!
//! Erasing overwrites the old bytes. What copies, backups, and disks that move blocks about (SSD, copy-on-write file
//! systems) still hold is beyond it: keep the table on a disk that is encrypted, and out of backups that are kept for
//! long.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::files;

/// Version of the file format.
const VERSION: u32 = 1;
/// Longest table that is read, in bytes.
const MAX_TABLE: u64 = 16 * 1024 * 1024;
/// Longest name, in characters.
const MAX_NAME: usize = 200;
/// How long to wait for others who change the table.
const PATIENCE: Duration = Duration::from_secs(10);
/// RFC 4648 base32, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A table of agents. It holds no name in memory: each call reads the file, under a lock, so that several processes
/// can use it at once.
#[derive(Debug, Clone)]
pub struct AgentTable {
    path: PathBuf,
}

/// One agent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentName {
    /// What stands in the register.
    pub pseudonym: String,
    /// Who that is.
    pub name: String,
    /// Since when.
    pub added: Timestamp,
}

impl fmt::Debug for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the name: debug output ends up in logs.
        write!(f, "AgentName({})", self.pseudonym)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    version: u32,
    #[serde(default)]
    agent: Vec<AgentName>,
}

/// Why the table cannot be used. No text holds a name.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Others can read or write it.
    #[error(
        "the table of agents {path} has mode {mode:04o}, so others than its owner can use it; run chmod 600 on it (la table des agents doit être réservée à son propriétaire)",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It would be copied and served with the register.
    #[error(
        "{path} lies within the register {register}; the table of agents must be kept apart from it (la table des agents doit être conservée hors du registre)",
        path = path.display(), register = register.display()
    )]
    Inside {
        /// The file.
        path: PathBuf,
        /// The register.
        register: PathBuf,
    },
    /// It is not one.
    #[error(
        "{path} is not a table of agents{line}; restore it from a copy (ce fichier n'est pas une table des agents : restaurez-le)",
        path = path.display(),
        line = line.map_or_else(String::new, |line| format!(" (line {line})"))
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1, where it is known.
        line: Option<usize>,
    },
    /// The name cannot be one.
    #[error(
        "the name cannot be used: {0}; write it as on the authorisation, with the service number where two agents have the same name (nom refusé : écrivez-le comme sur l'habilitation)"
    )]
    Name(&'static str),
    /// The agent is there already.
    #[error(
        "this name is in the table as {pseudonym}; use that, or add the service number for another agent of the same name (cet agent figure déjà dans la table)"
    )]
    Known {
        /// The pseudonym.
        pseudonym: String,
    },
    /// No random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
    /// Somebody else holds the table for too long.
    #[error("the table of agents {path} is locked by another process; try again (table verrouillée : réessayez)", path = .0.display())]
    Locked(PathBuf),
    /// Reading or writing failed.
    #[error("the table of agents {path}: {source}; check the path, and that you may read and write it (vérifiez le chemin et vos droits)", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl AgentTable {
    /// Makes a new, empty table.
    ///
    /// # Errors
    ///
    /// [`AgentError::Inside`], [`AgentError::Io`], also when the file exists.
    pub fn create(path: &Path) -> Result<Self, AgentError> {
        let table = Self { path: path.into() };
        table.keep_apart()?;
        let io = |source| table.io(source);
        let text = table.text(&Table {
            version: VERSION,
            agent: Vec::new(),
        })?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| files::sync_parent(path))
            .map_err(io)?;
        Ok(table)
    }

    /// Opens a table.
    ///
    /// # Errors
    ///
    /// [`AgentError::Exposed`] when others than its owner can read or write it, [`AgentError::Inside`],
    /// [`AgentError::Malformed`], [`AgentError::Io`].
    pub fn open(path: &Path) -> Result<Self, AgentError> {
        let table = Self { path: path.into() };
        table.keep_apart()?;
        table.read()?;
        Ok(table)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an agent and returns the new random pseudonym, `a-` and 8 characters.
    ///
    /// # Errors
    ///
    /// [`AgentError::Name`] when the name is empty, longer than 200 characters, or holds a control character or one
    /// that changes the direction of text; [`AgentError::Known`] when it is there already; those of
    /// [`AgentTable::open`].
    pub fn add(&self, name: &str) -> Result<String, AgentError> {
        let name = name.trim();
        check_name(name).map_err(AgentError::Name)?;
        let _lock = self.lock()?;
        let mut table = self.read()?;
        if let Some(agent) = table.agent.iter().find(|agent| agent.name == name) {
            return Err(AgentError::Known {
                pseudonym: agent.pseudonym.clone(),
            });
        }
        let pseudonym = loop {
            let pseudonym = random_pseudonym()?;
            if table.agent.iter().all(|agent| agent.pseudonym != pseudonym) {
                break pseudonym;
            }
        };
        table.agent.push(AgentName {
            pseudonym: pseudonym.clone(),
            name: name.into(),
            added: now(),
        });
        self.replace(&table)?;
        Ok(pseudonym)
    }

    /// The name behind a pseudonym, if the table still has it.
    ///
    /// # Errors
    ///
    /// Those of [`AgentTable::open`].
    pub fn name_of(&self, pseudonym: &str) -> Result<Option<String>, AgentError> {
        let agents = self.list()?;
        Ok(agents
            .into_iter()
            .find(|agent| agent.pseudonym == pseudonym)
            .map(|agent| agent.name))
    }

    /// All agents, in the order in which they were added.
    ///
    /// # Errors
    ///
    /// Those of [`AgentTable::open`].
    pub fn list(&self) -> Result<Vec<AgentName>, AgentError> {
        // The file is replaced as a whole, so it needs no lock to be read.
        Ok(self.read()?.agent)
    }

    /// Erases the name behind a pseudonym. `false` when the table does not have it.
    ///
    /// # Errors
    ///
    /// Those of [`AgentTable::open`].
    pub fn forget(&self, pseudonym: &str) -> Result<bool, AgentError> {
        let _lock = self.lock()?;
        let mut table = self.read()?;
        let before = table.agent.len();
        table.agent.retain(|agent| agent.pseudonym != pseudonym);
        if table.agent.len() == before {
            return Ok(false);
        }
        self.replace(&table)?;
        Ok(true)
    }

    /// Erases all names: overwrites the file, then removes it. Pseudonyms in the register then say nothing any more.
    ///
    /// # Errors
    ///
    /// [`AgentError::Io`] and [`AgentError::Locked`]; the table may then be there still.
    pub fn destroy(self) -> Result<(), AgentError> {
        let io = |source| self.io(source);
        let lock = self.lock()?;
        let temporary = self.beside("new");
        for path in [&temporary, &self.path] {
            match OpenOptions::new().write(true).open(path) {
                Ok(file) => {
                    blank(file).map_err(io)?;
                    fs::remove_file(path).map_err(io)?;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound && *path == temporary => {}
                Err(e) => return Err(io(e)),
            }
        }
        // Whoever waits for this lock notices that the file is another one, or none.
        fs::remove_file(self.beside("lock")).map_err(io)?;
        drop(lock);
        files::sync_parent(&self.path).map_err(io)
    }

    fn io(&self, source: io::Error) -> AgentError {
        AgentError::Io {
            path: self.path.clone(),
            source,
        }
    }

    /// Refuses a place within a register.
    fn keep_apart(&self) -> Result<(), AgentError> {
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let parent = fs::canonicalize(parent).map_err(|e| self.io(e))?;
        let register = parent.ancestors().find(|dir| {
            dir.join(files::CHECKPOINT).is_file()
                && (dir.join("tile").is_dir() || dir.join(files::PUBLIC_KEY).is_file())
        });
        match register {
            Some(register) => Err(AgentError::Inside {
                path: self.path.clone(),
                register: register.into(),
            }),
            None => Ok(()),
        }
    }

    fn read(&self) -> Result<Table, AgentError> {
        let metadata = fs::symlink_metadata(&self.path).map_err(|e| self.io(e))?;
        if !metadata.is_file() {
            // To replace a link would leave what it leads to.
            let what = io::Error::new(io::ErrorKind::InvalidInput, "not a plain file");
            return Err(self.io(what));
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(AgentError::Exposed {
                path: self.path.clone(),
                mode,
            });
        }
        let malformed = |line| AgentError::Malformed {
            path: self.path.clone(),
            line,
        };
        let bytes = files::read_limited(&self.path, MAX_TABLE).map_err(|e| self.io(e))?;
        let text = String::from_utf8(bytes).map_err(|_| malformed(None))?;
        // The error of the parser shows the line, with the name in it.
        let table: Table = toml::from_str(&text).map_err(|e| {
            malformed(e.span().map(|span| {
                let before = text.get(..span.start).unwrap_or_default();
                before.bytes().filter(|b| *b == b'\n').count() + 1
            }))
        })?;
        let sound = table.version == VERSION
            && table
                .agent
                .iter()
                .all(|agent| is_pseudonym(&agent.pseudonym) && check_name(&agent.name).is_ok());
        let mut pseudonyms: Vec<_> = table.agent.iter().map(|a| &a.pseudonym).collect();
        pseudonyms.sort();
        let unique = pseudonyms.windows(2).all(|pair| pair[0] != pair[1]);
        if sound && unique {
            Ok(table)
        } else {
            Err(malformed(None))
        }
    }

    fn text(&self, table: &Table) -> Result<String, AgentError> {
        toml::to_string(table).map_err(|_| AgentError::Malformed {
            path: self.path.clone(),
            line: None,
        })
    }

    /// Writes the new table, puts it in place of the old one, and overwrites that. Under the lock.
    fn replace(&self, table: &Table) -> Result<(), AgentError> {
        let io = |source| self.io(source);
        let text = self.text(table)?;
        if text.len() as u64 > MAX_TABLE {
            return Err(io(io::Error::other("it would be longer than 16 MiB")));
        }
        let old = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .map_err(io)?;
        let temporary = self.beside("new");
        // What a crash has left may be of any mode.
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        }
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
            .and_then(|()| files::sync_parent(&self.path))
            .and_then(|()| blank(old))
            .map_err(io)
    }

    /// `.<name of the table>.<what>`.
    fn beside(&self, what: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        self.path
            .with_file_name(format!(".{}.{what}", name.to_string_lossy()))
    }

    /// Waits for the lock. It is a file of its own, because the table is another file after each change.
    fn lock(&self) -> Result<File, AgentError> {
        let io = |source| self.io(source);
        let path = self.beside("lock");
        let end = Instant::now() + PATIENCE;
        loop {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&path)
                .map_err(io)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => return Ok(file),
                Ok(()) | Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(e) => return Err(io(e.into())),
            }
            if Instant::now() >= end {
                return Err(AgentError::Locked(self.path.clone()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Whether `file` is still the one that `path` leads to.
fn is_at(file: &File, path: &Path) -> bool {
    file.metadata()
        .and_then(|ours| Ok((ours, fs::metadata(path)?)))
        .is_ok_and(|(ours, there)| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

/// Overwrites a file with zeroes, on the disk.
fn blank(mut file: File) -> io::Result<()> {
    let mut left = file.metadata()?.len();
    let zeroes = [0u8; 4096];
    while left > 0 {
        let part = left.min(zeroes.len() as u64);
        file.write_all(&zeroes[..part as usize])?;
        left -= part;
    }
    file.sync_all()
}

/// Now, to the second: more would only tell who was added together with whom.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.chars().count() > MAX_NAME {
        return Err("it is longer than 200 characters");
    }
    let hidden = |c: char| {
        c.is_control()
            // Marks, embeddings and isolates of direction, line and paragraph separators, zero width.
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if name.chars().any(hidden) {
        return Err("it holds a control character, or one that cannot be seen");
    }
    if name != name.trim() {
        return Err("it begins or ends with a space");
    }
    Ok(())
}

fn is_pseudonym(text: &str) -> bool {
    text.strip_prefix("a-")
        .is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|b| BASE32.contains(&b)))
}

fn random_pseudonym() -> Result<String, AgentError> {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(|e| AgentError::Random(e.to_string()))?;
    // 256 is a multiple of 32: each character is as likely as the others.
    let characters = random.map(|byte| char::from(BASE32[usize::from(byte % 32)]));
    Ok(format!("a-{}", characters.iter().collect::<String>()))
}
