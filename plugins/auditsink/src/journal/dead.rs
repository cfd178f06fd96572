// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions whose process died: closed at the next start.

use std::path::Path;

use privacy_register::Entry;

use super::{Journal, JournalError, request};
use crate::{
    entries::{self, FILE},
    output::{Leftover, Output},
};

/// A session of a process that died, closed at the start of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Index of the closing entry.
    pub index: u64,
    /// Index of the opening entry.
    pub prior: u64,
    /// The session.
    pub session: String,
    /// Name, without its folder, of the file that it has left, where that can be told.
    pub left_as: Option<String>,
}

impl Journal {
    /// Closes the sessions whose process died. Of several processes that start at once, one closes each; what runs in
    /// another one is left alone. `folder` is where files are looked for that they may have left.
    ///
    /// # Errors
    ///
    /// When the register cannot be written. What was not closed is found again at the next start.
    pub fn settle(&mut self, folder: Option<&Path>) -> Result<Vec<Settled>, JournalError> {
        let mut settled = Vec::new();
        for (prior, record) in self.register.interrupted()? {
            let left = folder.and_then(|folder| left_behind(&record.entry, folder));
            let mut entry = entries::abandoned(&record.entry, prior, left.as_ref());
            if request::leaves_room(&entry).is_err() {
                // Another writer left no room for it. The opening entry says the rest.
                entry.more.retain(|name, _| name == entries::CLOSED_BY);
            }
            let index = self.register.append(&entry)?;
            // If its file stays, so does the entry that was just written, and the next start finds both.
            let _ = self.register.settled(prior);
            settled.push(Settled {
                index,
                prior,
                session: record.entry.session,
                left_as: left.map(|left| left.name),
            });
        }
        Ok(settled)
    }
}

/// What is left in `folder` of the file that an opening entry announces.
fn left_behind(opening: &Entry, folder: &Path) -> Option<Leftover> {
    let file = opening.more.get(FILE)?;
    let (name, tag) = (file.get("name")?.as_str()?, file.get("tag")?.as_str()?);
    // An entry is no reason to look anywhere else.
    let plain = Path::new(name).file_name().is_some_and(|last| last == name);
    if !plain || !tag.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    Output::leftover(&folder.join(name), tag).ok().flatten()
}
