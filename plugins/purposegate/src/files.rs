// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the small files that properties name, without ever waiting for somebody else.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use privacy_policy::{PublicKey, Refusal, RefusalText, key, mandate};
use rustix::fs::OFlags;

/// Longest rules file, and longest file of keys.
pub const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A folder, a pipe, a socket or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// More than the limit in bytes.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    /// Not UTF-8.
    #[error("it is not a text file (UTF-8)")]
    NotText,
    /// What it holds cannot be used.
    #[error("{0}")]
    Content(String),
    /// A folder without any key.
    #[error("the folder holds no *.pub and no *.pem file")]
    NoKey,
}

impl FileError {
    /// The same in French; what the system or a parser said stays as it was said.
    fn french(&self) -> String {
        match self {
            Self::Io(_) | Self::Content(_) => self.to_string(),
            Self::NotAFile => "ce n'est pas un fichier ordinaire".into(),
            Self::TooLong(limit) => format!("il dépasse {limit} octets"),
            Self::NotText => "ce n'est pas un fichier texte (UTF-8)".into(),
            Self::NoKey => "le dossier ne contient aucun fichier *.pub ni *.pem".into(),
        }
    }

    /// The refusal of a run whose `property` names this file.
    pub fn refusal(&self, code: &str, property: &str, path: &str) -> Refusal {
        RefusalText {
            code: code.to_owned(),
            message_en: format!("{property}=\"{path}\" cannot be used: {self}."),
            message_fr: format!(
                "{property}=\"{path}\" est inutilisable : {}.",
                self.french()
            ),
            remedy_en: format!("Set {property} to a file that this process can read."),
            remedy_fr: format!("Indiquez dans {property} un fichier lisible par ce processus."),
            legal_ref: "CSI R.253-2".to_owned(),
        }
        .into()
    }
}

/// Reads a whole regular file of at most `limit` bytes.
///
/// Opening a pipe waits until somebody writes into it, and the element would never start; so the file is
/// opened without waiting, and looked at before it is read.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(FileError::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLong(limit));
    }
    Ok(bytes)
}

/// What tells one state of a file from the next without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp([i64; 7]);

/// The state of a file; `None` when there is none, or none that can be seen.
pub fn stamp(path: &str) -> Option<Stamp> {
    let m = fs::metadata(path).ok()?;
    Some(Stamp([
        m.dev().cast_signed(),
        m.ino().cast_signed(),
        m.mtime(),
        m.mtime_nsec(),
        m.ctime(),
        m.ctime_nsec(),
        m.len().cast_signed(),
    ]))
}

/// Reads a whole text file of at most `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    String::from_utf8(read(path, limit)?).map_err(|_| FileError::NotText)
}

/// The public keys of a file, or of the `*.pub` and `*.pem` files of a folder.
pub fn trusted_keys(path: &str) -> Result<Vec<PublicKey>, Refusal> {
    if path.is_empty() {
        return Err(Refusal::from(mandate::VerifyError::NoKey));
    }
    public_keys("trusted-keys", path)
}

/// The public keys of the file or folder that `property` names.
pub fn public_keys(property: &str, path: &str) -> Result<Vec<PublicKey>, Refusal> {
    let refuse = |path: &str, e: FileError| e.refusal("NO_TRUSTED_KEY", property, path);
    let files = key_files(Path::new(path)).map_err(|e| refuse(path, e))?;
    let mut keys = Vec::new();
    for file in files {
        let found = read_text(&file, MAX_TEXT_BYTES).and_then(|text| {
            key::parse_public(&text).map_err(|e| FileError::Content(e.to_string()))
        });
        keys.extend(found.map_err(|e| refuse(&file.display().to_string(), e))?);
    }
    Ok(keys)
}

fn key_files(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "pub" || e == "pem") {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(FileError::NoKey);
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a"), [0xff; 10]).unwrap();
        assert_eq!(read(&at("a"), 10).unwrap().len(), 10);
        assert!(matches!(read(&at("a"), 9), Err(FileError::TooLong(9))));
        assert!(matches!(read_text(&at("a"), 10), Err(FileError::NotText)));
        assert!(matches!(read(folder.path(), 10), Err(FileError::NotAFile)));
        assert!(matches!(
            read(Path::new("/dev/zero"), 10),
            Err(FileError::NotAFile)
        ));
        assert!(matches!(read(&at("b"), 10), Err(FileError::Io(_))));
        std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
        assert!(read(&at("link"), 10).is_ok(), "a link to a file is a file");
    }

    #[test]
    fn a_folder_without_keys_says_so_in_both_languages() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = trusted_keys(folder.path().to_str().unwrap()).unwrap_err();
        assert_eq!(refusal.code, "NO_TRUSTED_KEY");
        assert!(refusal.message_en.contains("no *.pub"));
        assert!(refusal.message_fr.contains("aucun fichier *.pub"));
    }
}
