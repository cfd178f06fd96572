// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register show`: entries as a table, or one in full.

use std::{
    error::Error,
    io::{self, Write as _},
    path::Path,
};

use privacy_register::{Phase, Recipient, Record, read_entries};

use super::text::{local, operation_name};
use crate::terminal::{plain, print};

/// Shows all entries, or the one that is wanted.
pub fn show(dir: &Path, wanted: Option<u64>, french: bool) -> Result<(), Box<dyn Error>> {
    let entries = read_entries(dir)?;
    if entries.is_empty() && !dir.join("checkpoint").exists() {
        return Err(format!(
            "{} holds no register; give the directory that privacyctl register init made \
             / aucun registre à cet endroit",
            dir.display()
        )
        .into());
    }
    let text = match wanted {
        Some(index) => {
            let (_, body) = usize::try_from(index)
                .ok()
                .and_then(|at| entries.get(at))
                .ok_or_else(|| {
                    format!(
                        "no entry {index}: the register holds {} / pas de mention {index}",
                        entries.len()
                    )
                })?;
            full(body, french)
        }
        None => table(&entries, french),
    };
    print(&text)?;
    let dir = dir.display();
    // A closed standard error changes nothing of what was shown.
    let _ = if french {
        writeln!(
            io::stderr(),
            "Lecture sans vérification ; vérifiez avec privacyctl register verify {dir}"
        )
    } else {
        writeln!(
            io::stderr(),
            "Shown as read, not verified; verify with privacyctl register verify {dir}"
        )
    };
    Ok(())
}

fn table(entries: &[(u64, Vec<u8>)], french: bool) -> String {
    let headings = if french {
        [
            "nº",
            "date (Paris)",
            "motif",
            "agent",
            "destinataire",
            "finalité",
            "opération",
        ]
    } else {
        [
            "no.",
            "date (Paris)",
            "reason",
            "agent",
            "recipient",
            "purpose",
            "operation",
        ]
    };
    let mut rows = vec![headings.map(String::from)];
    for (index, body) in entries {
        rows.push(row(*index, body, french));
    }
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{cell:<width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn row(index: u64, body: &[u8], french: bool) -> [String; 7] {
    let note = |en: &str, fr: &str| {
        let note = if french { fr } else { en };
        let mut row = [const { String::new() }; 7];
        row[0] = index.to_string();
        row[6] = format!("({note})");
        row
    };
    if body.is_empty() {
        return note("erased after its time", "effacée à son terme");
    }
    let Ok(record) = Record::from_bytes(body) else {
        return note("not readable", "illisible");
    };
    let entry = record.entry;
    let mut operation = operation_name(entry.operation, french).to_owned();
    match (
        entry.phase,
        entry.prior_entry_seq,
        entry.interrupted,
        french,
    ) {
        (Some(Phase::Open), _, _, false) => operation += ", opened",
        (Some(Phase::Open), _, _, true) => operation += ", ouverture",
        (_, Some(prior), false, false) => operation += &format!(", closes {prior}"),
        (_, Some(prior), false, true) => operation += &format!(", clôt {prior}"),
        (_, Some(prior), true, false) => operation += &format!(", closes {prior}, interrupted"),
        (_, Some(prior), true, true) => operation += &format!(", clôt {prior}, interrompue"),
        (_, None, _, _) => {}
    }
    if let Some(refusal) = &entry.refusal {
        operation += &format!(" {}", refusal.code);
    }
    let recipient = match entry.destinataire {
        None => String::new(),
        Some(Recipient::Nobody(_)) => "aucun".into(),
        Some(Recipient::Somebody {
            name,
            service,
            capacity,
        }) => [name, service, capacity]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", "),
    };
    [
        index.to_string(),
        local(record.timestamp),
        short(&entry.motif),
        short(&entry.agent.map_or_else(String::new, |agent| agent.id)),
        short(&recipient),
        short(&entry.purpose_id),
        short(&operation),
    ]
}

fn full(body: &[u8], french: bool) -> String {
    if body.is_empty() {
        let text = if french {
            "(effacée à son terme)\n"
        } else {
            "(erased after its time)\n"
        };
        return text.into();
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
