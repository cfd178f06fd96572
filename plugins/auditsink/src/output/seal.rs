// SPDX-License-Identifier: MIT OR Apache-2.0
//! Encryption of the file to those who may read it: the age format, version 1
//! (<https://c2sp.org/age>), X25519 recipients only.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use age::{Encryptor, stream::StreamWriter, x25519};
use curve25519_dalek::{montgomery::MontgomeryPoint, traits::IsIdentity};

/// Name of the method in entries.
pub const METHOD: &str = "age-x25519";

/// Most recipients of one file: each is named in the closing entry, whose room is limited.
pub const MAX_RECIPIENTS: usize = 32;

/// Longest file of keys that is read, in bytes: room for the comments too.
const MAX_FILE: u64 = 64 * 1024;

/// Those to whom a file is encrypted. None: it is written as it comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients(Vec<x25519::Recipient>);

/// Why keys of recipients are refused. No text holds what was read: it might be a secret.
#[derive(Debug, thiserror::Error)]
pub enum RecipientError {
    /// A secret key, where a public one belongs.
    #[error(
        "recipient-key: {0} holds a secret key (AGE-SECRET-KEY-…), which must never lie on a host that records; give the public key, age1…, that age-keygen -y prints for it (clé secrète : ne donnez ici que la clé publique)"
    )]
    Secret(String),
    /// Not a public key of the kind that is taken.
    #[error(
        "recipient-key: {0} is not an age public key of the kind age1… (X25519), as age-keygen prints it (ce n'est pas une clé publique age) — keys of SSH, of plugins and post-quantum ones are not taken"
    )]
    Malformed(String),
    /// A key with which everybody could read the file.
    #[error(
        "recipient-key: {0} is a public key that belongs to no secret key: what is encrypted to it is protected from nobody; ask the recipient for a new one (clé publique sans valeur : demandez-en une autre)"
    )]
    Weak(String),
    /// No key at all.
    #[error(
        "recipient-key: {0} names no recipient; give at least one age public key, age1… (aucun destinataire)"
    )]
    Empty(String),
    /// More than an entry of the register can name.
    #[error(
        "recipient-key: {0} recipients, and at most {MAX_RECIPIENTS} are taken; export once for each group of recipients (trop de destinataires)"
    )]
    TooMany(usize),
    /// The file of keys cannot be read.
    #[error(
        "recipient-key=\"{path}\": {source}; give age public keys (age1…, separated by commas) or the path of a file with one on each line (fichier de clés illisible)"
    )]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Recipients {
    /// Nobody: the file is not encrypted.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads public keys separated by commas, or the path of a file with one on each line, where lines that begin
    /// with `#` are comments.
    ///
    /// # Errors
    ///
    /// When there is no key, or one that cannot be used.
    pub fn parse(text: &str) -> Result<Self, RecipientError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RecipientError::Empty("\"\"".into()));
        }
        // Nobody gives a file such a name by chance; ./age1 is a path all the same.
        if text
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("age1"))
        {
            let keys = text.split(',').map(str::trim);
            let keys = keys.filter(|key| !key.is_empty()).enumerate();
            return Self::collect(keys.map(|(i, key)| (format!("key {}", i + 1), key)), || {
                "the list of keys".into()
            });
        }
        // What is no path either is quoted by the error.
        if is_secret(text) {
            return Err(RecipientError::Secret("the value".into()));
        }
        let lines = read(Path::new(text)).map_err(|source| RecipientError::Read {
            path: text.into(),
            source,
        })?;
        let keys = lines.lines().enumerate().filter_map(|(i, line)| {
            let line = line.trim();
            let key = !line.is_empty() && !line.starts_with('#');
            key.then(|| (format!("line {} of {text}", i + 1), line))
        });
        Self::collect(keys, || text.into())
    }

    fn collect<'a>(
        keys: impl Iterator<Item = (String, &'a str)>,
        whole: impl FnOnce() -> String,
    ) -> Result<Self, RecipientError> {
        let mut found = Vec::new();
        for (place, key) in keys {
            if is_secret(key) {
                return Err(RecipientError::Secret(place));
            }
            let Ok(recipient) = key.parse::<x25519::Recipient>() else {
                return Err(RecipientError::Malformed(place));
            };
            if is_weak(key) {
                return Err(RecipientError::Weak(place));
            }
            if !found.contains(&recipient) {
                found.push(recipient);
            }
        }
        match found.len() {
            0 => Err(RecipientError::Empty(whole())),
            n if n > MAX_RECIPIENTS => Err(RecipientError::TooMany(n)),
            _ => Ok(Self(found)),
        }
    }

    /// Nobody is named: nothing is to be encrypted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The public keys, as they are written.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// Whether there is a secret key in it, mistyped as it may be, or what leads a plugin to one.
fn is_secret(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    text.contains("AGE-SECRET-KEY") || text.contains("AGE-PLUGIN-")
}

fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    // A device or a pipe could keep the start waiting for ever.
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        let error = format!("longer than {MAX_FILE} bytes, so not a file of keys");
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok(text)
}

/// Whether `key`, which is well-formed, is one of the few points of small order (RFC 7748 §6.1): the shared secret
/// is zero whatever the other half, and the crate refuses to go on with it by a panic.
fn is_weak(key: &str) -> bool {
    let Ok((_, bytes)) = bech32::decode(key) else {
        return true;
    };
    let Ok(bytes) = <[u8; 32]>::try_from(bytes) else {
        return true;
    };
    // Clamping makes any scalar a multiple of the cofactor.
    MontgomeryPoint(bytes).mul_clamped([1; 32]).is_identity()
}

/// Encrypts a stream.
pub(super) struct Seal {
    writer: StreamWriter<Sink>,
    sink: Sink,
}

/// Takes what the encryption gives, in memory: so that it never sees a failure of the disk, after which it
/// would go on with the next number and make a file that nobody can decrypt.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It holds the key of the file and clear bytes.
        f.write_str("Seal")
    }
}

impl Seal {
    /// Begins a file for `recipients`, of whom there must be one at least.
    pub fn new(recipients: &Recipients) -> io::Result<Self> {
        let keys = recipients.0.iter().map(|key| key as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(keys).map_err(io::Error::other)?;
        let sink = Sink::default();
        let writer = encryptor.wrap_output(sink.clone())?;
        Ok(Self { writer, sink })
    }

    /// Encrypts the next bytes. What comes back may be nothing: the last bytes, up to 64 KiB of them, wait for
    /// the next ones or the end, because only the end of a file may be marked as such.
    pub fn update(&mut self, clear: &[u8]) -> io::Result<Vec<u8>> {
        self.sink
            .0
            .lock()
            .unwrap()
            .reserve(clear.len() + clear.len() / 1024 + 1024);
        self.writer.write_all(clear)?;
        Ok(self.sink.take())
    }

    /// The rest of the file.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.writer.finish()?;
        Ok(self.sink.take())
    }
}
