// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register show`: entries as a table, or one in full.

use std::{
    error::Error,
    io::{self, Write as _},
    path::Path,
};

use privacy_register::{Reader, Record};
use privacy_verify::{
    terminal::{plain, print},
    words::local,
};

use super::{
    filter::{Filter, Selection},
    row::{self, pick},
};

/// Rows from which the widths of the columns are taken.
const MEASURED: usize = 1000;

/// Opens a register for reading, or says that there is none.
pub fn open(dir: &Path) -> Result<Reader, Box<dyn Error>> {
    if !dir.join("checkpoint").exists() {
        return Err(format!(
            "{} holds no register; give the directory that privacyctl register init made \
             / aucun registre à cet endroit",
            dir.display()
        )
        .into());
    }
    Ok(Reader::open(dir)?)
}

/// Shows one entry in full.
pub fn one(dir: &Path, index: u64, french: bool) -> Result<(), Box<dyn Error>> {
    let reader = open(dir)?;
    if index >= reader.size() {
        return Err(format!(
            "no entry {index}: the register holds {} / pas de mention {index}",
            reader.size()
        )
        .into());
    }
    print(&full(&reader.body(index)?, french))?;
    say_unverified(dir, french);
    Ok(())
}

/// Shows the entries that a filter chooses, as they are read: nothing but the first rows is held.
pub fn all(dir: &Path, filter: &Filter, french: bool) -> Result<(), Box<dyn Error>> {
    filter.check()?;
    let reader = open(dir)?;
    let size = reader.size();
    let selection = Selection::new(&reader, size, filter)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut table = Table::new(french);
    for entry in reader.iter(0..size) {
        let (index, body) = entry?;
        let record = Record::from_bytes(&body).ok();
        if selection.has(index, record.as_ref()) {
            table.add(cells(index, &body, record.as_ref(), french), &mut out)?;
        }
    }
    let shown = table.finish(&mut out)?;
    out.flush()?;
    drop(out);
    say_unverified(dir, french);
    let mut err = io::stderr();
    if !filter.is_empty() {
        // A closed standard error changes nothing of what was shown.
        let _ = match french {
            false => writeln!(err, "{shown} of {size} entries"),
            true => writeln!(err, "{shown} mentions sur {size}"),
        };
    }
    if selection.erased > 0 {
        let _ = match french {
            false => writeln!(
                err,
                "{} erased after their time: nobody can tell whether they would be among them",
                selection.erased
            ),
            true => writeln!(
                err,
                "{} effacées à leur terme : nul ne peut dire si elles en feraient partie",
                selection.erased
            ),
        };
    }
    Ok(())
}

fn say_unverified(dir: &Path, french: bool) {
    let dir = plain(&dir.display().to_string());
    // As above.
    let _ = match french {
        false => writeln!(
            io::stderr(),
            "Shown as read, not verified; verify with privacyctl register verify {dir}"
        ),
        true => writeln!(
            io::stderr(),
            "Lecture sans vérification ; vérifiez avec privacyctl register verify {dir}"
        ),
    };
}

/// A table whose columns are as wide as its first rows need.
struct Table {
    waiting: Vec<[String; 7]>,
    widths: Option<[usize; 7]>,
    rows: u64,
}

impl Table {
    fn new(french: bool) -> Self {
        let headings = [
            pick(french, "no.", "nº"),
            "date (Paris)",
            pick(french, "reason", "motif"),
            "agent",
            pick(french, "recipient", "destinataire"),
            pick(french, "purpose", "finalité"),
            pick(french, "operation", "opération"),
        ];
        Self {
            waiting: vec![headings.map(String::from)],
            widths: None,
            rows: 0,
        }
    }

    fn add(&mut self, row: [String; 7], out: &mut impl io::Write) -> io::Result<()> {
        self.rows += 1;
        self.waiting.push(row);
        if self.widths.is_some() || self.waiting.len() > MEASURED {
            self.write(out)?;
        }
        Ok(())
    }

    fn write(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        let widths = *self.widths.get_or_insert_with(|| {
            let mut widths = [0; 7];
            for row in &self.waiting {
                for (width, cell) in widths.iter_mut().zip(row) {
                    *width = cell.chars().count().max(*width);
                }
            }
            widths
        });
        for row in self.waiting.drain(..) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line += &format!("{cell:<width$}  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn finish(mut self, out: &mut impl io::Write) -> io::Result<u64> {
        self.write(out)?;
        Ok(self.rows)
    }
}

fn cells(index: u64, body: &[u8], record: Option<&Record>, french: bool) -> [String; 7] {
    let Some(record) = record else {
        let note = match body.is_empty() {
            true => pick(french, "(erased after its time)", "(effacée à son terme)"),
            false => pick(french, "(not readable)", "(illisible)"),
        };
        let mut row = [const { String::new() }; 7];
        row[0] = index.to_string();
        row[6] = note.into();
        return row;
    };
    let entry = &record.entry;
    [
        index.to_string(),
        local(record.timestamp),
        short(&entry.motif),
        short(entry.agent.as_ref().map_or("", |agent| &agent.id)),
        short(&row::recipient(entry)),
        short(&entry.purpose_id),
        short(&row::operation(entry, french)),
    ]
}

fn full(body: &[u8], french: bool) -> String {
    if body.is_empty() {
        return pick(
            french,
            "(erased after its time)\n",
            "(effacée à son terme)\n",
        )
        .into();
    }
    // The entry itself, with every field it has: the language of its fields is the register's.
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(value) => {
            let text = serde_json::to_string_pretty(&value).unwrap_or_else(|e| e.to_string());
            text.lines().map(|line| plain(line) + "\n").collect()
        }
        Err(e) => format!("({e})\n{}\n", plain(&String::from_utf8_lossy(body))),
    }
}

/// A cell of a table.
fn short(text: &str) -> String {
    const LENGTH: usize = 44;
    let text = plain(text);
    if text.chars().count() <= LENGTH {
        return text;
    }
    text.chars().take(LENGTH - 1).chain(['…']).collect()
}
