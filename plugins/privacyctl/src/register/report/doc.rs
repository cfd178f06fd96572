// SPDX-License-Identifier: MIT OR Apache-2.0
//! A short document, as plain text or as a page.

use std::fmt::Write as _;

use privacy_verify::terminal::plain;

use crate::register::page::{self, escape};

/// Columns of plain text.
const WIDTH: usize = 100;

const STYLE: &str = "\
body { max-width: 900px; }
tbody tr:last-child td { font-weight: 600; }
@page { size: A4; margin: 16mm; @bottom-right { content: counter(page) \" / \" counter(pages); font: 8pt sans-serif; } }
@media print { tr { break-inside: avoid; } }
";

/// A document.
#[derive(Debug)]
pub struct Doc {
    /// The language.
    pub french: bool,
    /// Its title.
    pub title: String,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// A part of a document.
#[derive(Debug)]
pub enum Block {
    /// Something is wrong.
    Bad(String),
    /// Something is as it should be.
    Good(String),
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A paragraph that explains what is above.
    Note(String),
    /// A table whose last row is its total.
    Table {
        /// What it shows.
        caption: String,
        /// Headings of its columns.
        headings: Vec<String>,
        /// The first column of numbers.
        numbers: usize,
        /// A column that is too wide for plain text, where it stands below the table.
        aside: Option<usize>,
        /// Its rows, each with as many cells as there are headings.
        rows: Vec<Vec<String>>,
    },
}

impl Doc {
    /// As a page.
    pub fn html(&self) -> String {
        let mut text = page::begin(self.french, &self.title, STYLE);
        let _ = writeln!(text, "<main>\n<h1>{}</h1>", escape(&self.title));
        for block in &self.blocks {
            let _ = match block {
                Block::Bad(t) => {
                    writeln!(text, "<p class=\"bad\" role=\"alert\">{}</p>", escape(t))
                }
                Block::Good(t) => writeln!(text, "<p class=\"good\">{}</p>", escape(t)),
                Block::Heading(t) => writeln!(text, "<h2>{}</h2>", escape(t)),
                Block::Text(t) => writeln!(text, "<p>{}</p>", escape(t)),
                Block::Note(t) => writeln!(text, "<p class=\"note\">{}</p>", escape(t)),
                Block::Table {
                    caption,
                    headings,
                    numbers,
                    rows,
                    ..
                } => {
                    text += &table_html(caption, headings, *numbers, rows);
                    Ok(())
                }
            };
        }
        text += "</main>\n";
        text += page::END;
        text
    }

    /// As plain text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n",
            plain(&self.title),
            "=".repeat(self.title.chars().count())
        );
        for block in &self.blocks {
            text.push('\n');
            match block {
                Block::Bad(t) => text += &wrapped(&format!("*** {t} ***")),
                Block::Heading(t) => {
                    let _ = writeln!(text, "{}\n{}", plain(t), "-".repeat(t.chars().count()));
                }
                Block::Good(t) | Block::Text(t) | Block::Note(t) => text += &wrapped(t),
                Block::Table {
                    headings,
                    numbers,
                    aside,
                    rows,
                    ..
                } => {
                    text += &table_text(headings, *numbers, *aside, rows);
                    if let Some(aside) = *aside {
                        text.push('\n');
                        for row in rows.iter().filter(|row| !row[aside].is_empty()) {
                            text += &wrapped(&format!("{} – {}", row[0], row[aside]));
                        }
                    }
                }
            }
        }
        text
    }
}

fn table_html(caption: &str, headings: &[String], numbers: usize, rows: &[Vec<String>]) -> String {
    let mut text = format!(
        "<table>\n<caption>{}</caption>\n<thead><tr>",
        escape(caption)
    );
    for (at, heading) in headings.iter().enumerate() {
        let class = if at >= numbers {
            " class=\"number\""
        } else {
            ""
        };
        let _ = write!(text, "<th scope=\"col\"{class}>{}</th>", escape(heading));
    }
    text += "</tr></thead>\n<tbody>\n";
    for row in rows {
        text += "<tr>";
        for (at, cell) in row.iter().enumerate() {
            let _ = match at {
                0 => write!(text, "<th scope=\"row\">{}</th>", escape(cell)),
                at if at >= numbers => write!(text, "<td class=\"number\">{}</td>", escape(cell)),
                _ => write!(text, "<td>{}</td>", escape(cell)),
            };
        }
        text += "</tr>\n";
    }
    text += "</tbody>\n</table>\n";
    text
}

fn table_text(
    headings: &[String],
    numbers: usize,
    aside: Option<usize>,
    rows: &[Vec<String>],
) -> String {
    let lines: Vec<&[String]> = std::iter::once(headings)
        .chain(rows.iter().map(Vec::as_slice))
        .collect();
    let width = |at: usize| {
        lines
            .iter()
            .filter_map(|row| row.get(at))
            .map(|c| c.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for row in lines {
        let mut line = String::new();
        let cells = row.iter().zip(&widths).enumerate();
        for (at, (cell, width)) in cells.filter(|(at, _)| Some(*at) != aside) {
            let cell = plain(cell);
            line += &match at >= numbers {
                true => format!("{cell:>width$}  "),
                false => format!("{cell:<width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    // Narrow and plain no-break spaces hold.
    for word in plain(text).split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out.push('\n');
    out
}
