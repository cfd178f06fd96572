// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl mandate revoke` and `suspend`: entries of the revocation file.

use std::{
    error::Error,
    fs::File,
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::Timestamp;
use privacy_policy::{
    Revocations, mandate,
    revocation::{Revoked, Suspension},
    time,
};

use crate::{files, terminal::print};

/// Which mandate is taken back, and why.
#[derive(Args)]
pub struct Revoke {
    /// The mandate.
    #[arg(required_unless_present_any = ["id", "mandate_id"], requires = "key")]
    mandate: Option<PathBuf>,
    /// Public key of who signed it, or a folder of such keys.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Only this copy and those narrowed from it, rather than the whole mandate.
    #[arg(long, requires = "mandate")]
    copy: bool,
    /// Revocation id of a block, where the mandate itself is lost.
    #[arg(long, value_name = "HEX", conflicts_with = "mandate")]
    id: Option<String>,
    /// Identifier of the mandate, where the mandate itself is lost.
    #[arg(long, value_name = "UUID", conflicts_with_all = ["mandate", "id"])]
    mandate_id: Option<String>,
    #[command(flatten)]
    entry: Entry,
}

/// What is suspended, by which order.
#[derive(Args)]
pub struct Suspend {
    /// This purpose.
    #[arg(long, value_name = "ID", group = "scope")]
    purpose: Option<String>,
    /// This camera.
    #[arg(long, value_name = "ID", group = "scope")]
    camera: Option<String>,
    /// Mandates with this block (a revocation id).
    #[arg(long, value_name = "HEX", group = "scope")]
    id: Option<String>,
    /// Everything.
    #[arg(long, group = "scope", required_unless_present = "scope")]
    all: bool,
    /// Reference of the order.
    #[arg(long, value_name = "REF")]
    order: String,
    /// Day or instant from which it holds; at once when absent.
    #[arg(long, value_name = "TIME", value_parser = time::first_instant)]
    from: Option<Timestamp>,
    /// Last day, or first instant after it; without end when absent.
    #[arg(long, value_name = "TIME", value_parser = time::end_instant)]
    until: Option<Timestamp>,
    #[command(flatten)]
    entry: Entry,
}

/// What every entry says.
#[derive(Args)]
struct Entry {
    /// The revocation file, which is made if it is not there.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Who decided: a function.
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why, in a sentence.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Takes a mandate back.
pub fn revoke(command: &Revoke) -> Result<(), Box<dyn Error>> {
    let (id, mandate_id) = match (&command.mandate, &command.key) {
        (Some(path), Some(key)) => {
            let mandate = mandate::verify(&files::read(path)?, &files::public_keys(key)?)
                .map_err(|e| files::FileError::content(path, e))?;
            let ids = &mandate.revocation_ids;
            let id = if command.copy {
                ids.last()
            } else {
                ids.first()
            };
            // The identifier names the whole mandate, so a copy is revoked without it.
            let whole = !command.copy || ids.len() == 1;
            (
                id.cloned().unwrap_or_default(),
                whole.then_some(mandate.form.mandate_id),
            )
        }
        _ => (
            command.id.clone().unwrap_or_default(),
            command.mandate_id.clone(),
        ),
    };
    let entry = Revoked {
        id,
        mandate_id,
        date: Timestamp::now(),
        by: command.entry.by.clone(),
        reason: command.entry.reason.clone(),
    };
    add(&command.entry.file, &entry.to_toml())
}

/// Enters an order.
pub fn suspend(command: &Suspend) -> Result<(), Box<dyn Error>> {
    let entry = Suspension {
        purpose: command.purpose.clone(),
        camera: command.camera.clone(),
        id: command.id.clone(),
        all: command.all,
        order: command.order.clone(),
        from: command.from,
        until: command.until,
        by: command.entry.by.clone(),
        reason: command.entry.reason.clone(),
    };
    add(&command.entry.file, &entry.to_toml())
}

/// Adds an entry to the end of the file, which keeps its comments. The file is replaced as a whole, and only by one
/// that can be read.
fn add(file: &Path, entry: &str) -> Result<(), Box<dyn Error>> {
    let folder = match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(files::FileError::content(file, "not a file").into()),
    };
    // Two who revoke at once take turns; the lock ends with this process.
    let lock = File::open(folder).map_err(files::FileError::io(folder))?;
    lock.lock().map_err(files::FileError::io(folder))?;
    let mut text = if file.exists() {
        files::revocations(file)?;
        files::read_text(file)?
    } else {
        Revocations::empty_file()
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(entry);
    Revocations::parse(&text).map_err(|e| {
        // The file was sound, so this is about the entry, and its line says nothing to whoever typed a command.
        files::FileError::content(file, e.message)
    })?;
    files::replace_readable(file, text.as_bytes())?;
    print(&format!(
        "{}: entered; gates that read this file (revocation-file) stop within a second / inscrit ; les passerelles qui lisent ce fichier s'arrêtent dans la seconde\n",
        file.display()
    ))
}
