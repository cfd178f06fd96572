// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that properties name.

use std::{fs, io, io::Read as _, path::Path};

/// Reads a file of at most `most` bytes; `None` for a longer one.
pub fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    // Asked before it is opened, because opening a pipe waits until somebody writes to it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    let mut bytes = Vec::new();
    // One byte more tells a file that is too long from one that is just as long as it may be.
    fs::File::open(path)?
        .take(most + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}
