// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where what is made out of a register goes: to standard output, or to a new file.

use std::{
    error::Error,
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::files::FileError;

/// Writes what `fill` makes. A file is new, durable on return, and gone when it could not be finished.
pub fn write(
    path: Option<&Path>,
    mode: u32,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let Some(path) = path else {
        let mut out = BufWriter::new(io::stdout().lock());
        fill(&mut out)?;
        return Ok(out.flush()?);
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(FileError::io(path))?;
    let mut out = BufWriter::new(&file);
    fill(&mut out)
        .and_then(|()| Ok(out.flush()?))
        .and_then(|()| Ok(file.sync_all()?))
        .inspect_err(|_| {
            // Half a register is none. The first error is the one to tell.
            let _ = fs::remove_file(path);
        })
}
