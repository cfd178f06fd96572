// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes to a terminal. Mandates, registers and files come from anywhere.

use std::{
    error::Error,
    io::{self, Write as _},
};

/// Text for one line: nothing in it may move the cursor, or turn the direction of writing.
pub fn plain(text: &str) -> String {
    replaced(text, |_| false)
}

/// [`plain`] for text of several lines.
pub fn plain_lines(text: &str) -> String {
    replaced(text, |c| c == '\n')
}

fn replaced(text: &str, kept: impl Fn(char) -> bool) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if hidden(c) && !kept(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Prints, and fails instead of panicking when nobody reads.
pub fn print(text: &str) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
