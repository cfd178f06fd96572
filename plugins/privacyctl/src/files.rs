// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading and writing files with the care that keys and mandates need.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use privacy_policy::{KeyPair, PublicKey, Revocations, Rules, key};

/// Longest text file that is read.
const MAX_TEXT_BYTES: u64 = 4 * 1024 * 1024;

/// Why a file could not be used. Each message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system said no.
    #[error("{}: {source}; check the path, and that you may read or write there / vérifiez le chemin et vos droits", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something is there already.
    #[error("{} exists and is not overwritten; choose another name / existe déjà et n'est pas écrasé, choisissez un autre nom", .0.display())]
    Exists(PathBuf),
    /// A private key that others can read.
    #[error(
        "{}: mode {mode:04o} lets others read this private key; chmod 0600 it, and replace it if it may have been copied / d'autres peuvent lire cette clé privée : chmod 0600, et remplacez-la si elle a pu être copiée",
        path.display()
    )]
    WideMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content is not what it should be.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl FileError {
    /// Names the file that the system said no about.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                Self::Exists(path)
            } else {
                Self::Io { path, source }
            }
        }
    }

    /// Names the file that `message` is about.
    pub fn content(path: &Path, message: impl ToString) -> Self {
        Self::Content {
            path: path.to_owned(),
            message: message.to_string(),
        }
    }
}

/// Creates `path` with the given mode, durable on return. Never overwrites.
pub fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), FileError> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .inspect_err(|_| {
                // Half a key is none, and its name would be taken for good.
                let _ = fs::remove_file(path);
            })
    };
    write().map_err(FileError::io(path))
}

/// Writes `path` as a whole or not at all, in place of what was there.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_beside(path, bytes, None)
}

fn write_beside(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<(), FileError> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    create(&part, 0o644, bytes)?;
    mode.map_or(Ok(()), |mode| {
        fs::set_permissions(&part, fs::Permissions::from_mode(mode))
    })
    .and_then(|()| fs::rename(&part, path))
    .map_err(|e| {
        // The first error is the one to tell; a leftover part harms nobody.
        let _ = fs::remove_file(&part);
        FileError::io(path)(e)
    })
}

/// As [`replace`], and everybody may read the result, whatever this user's mask for new files: a gate reads it as
/// another user.
pub fn replace_readable(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_beside(path, bytes, Some(0o644))
}

/// Reads a whole file of bounded size.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(FileError::io(path))?;
    read_open(file, path)
}

/// Reads a whole text file.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    String::from_utf8(read(path)?).map_err(|e| FileError::content(path, e))
}

/// Reads a private key, unless others could have read it too.
pub fn private_key(path: &Path) -> Result<KeyPair, FileError> {
    // Mode and content of the same open file: nobody can swap it in between.
    let file = File::open(path).map_err(FileError::io(path))?;
    let mode = file
        .metadata()
        .map_err(FileError::io(path))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o177 != 0 {
        return Err(FileError::WideMode {
            path: path.to_owned(),
            mode,
        });
    }
    let text = String::from_utf8(read_open(file, path)?)
        .map_err(|_| FileError::content(path, "not a text file"))?;
    key::parse_private(&text).map_err(|e| FileError::content(path, e))
}

/// Reads the public keys of a file, or of the `*.pub` and `*.pem` files of a folder, as a gate does.
pub fn public_keys(path: &Path) -> Result<Vec<PublicKey>, FileError> {
    if !path.is_dir() {
        return key::parse_public(&read_text(path)?).map_err(|e| FileError::content(path, e));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(FileError::io(path))? {
        let file = entry.map_err(FileError::io(path))?.path();
        if file.extension().is_some_and(|e| e == "pub" || e == "pem") {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(FileError::content(
            path,
            "the folder holds no *.pub and no *.pem file / le dossier ne contient aucun fichier *.pub ni *.pem",
        ));
    }
    files.sort();
    let mut keys = Vec::new();
    for file in files {
        let text = read_text(&file)?;
        keys.extend(key::parse_public(&text).map_err(|e| FileError::content(&file, e))?);
    }
    Ok(keys)
}

/// Reads a revocation file.
pub fn revocations(path: &Path) -> Result<Revocations, FileError> {
    Revocations::parse(&read_text(path)?).map_err(|e| FileError::content(path, e))
}

/// Reads a rules file, or takes the embedded rules.
pub fn rules(path: Option<&Path>) -> Result<Rules, FileError> {
    match path {
        None => Ok(Rules::builtin()),
        Some(path) => Rules::parse(&read_text(path)?).map_err(|e| FileError::content(path, e)),
    }
}

fn read_open(file: File, path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(FileError::io(path))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(FileError::content(
            path,
            format!("longer than {MAX_TEXT_BYTES} bytes"),
        ));
    }
    Ok(bytes)
}
