// SPDX-License-Identifier: MIT OR Apache-2.0
//! The register as the paper register: one page, one row per operation, A4 landscape.

use std::{fmt::Write as _, ops::Range};

use jiff::Timestamp;
use privacy_register::{Operation, Record};
use privacy_verify::{
    input,
    words::{local, operation_name},
};

use super::{
    filter::Filter,
    page::{self, escape},
    row,
    verdict::Verdict,
};

/// Longest text of a cell, in characters. An entry may hold 64 KiB, which would be twenty sheets of paper.
const LONGEST: usize = 1200;

const STYLE: &str = "\
body { max-width: 1500px; }
.wide { overflow-x: auto; }
table { table-layout: fixed; min-width: 1180px; font-size: .88em; }
col.no { width: 4.5% } col.date { width: 8% } col.reason { width: 16% } col.agent { width: 9.5% }
col.recipient { width: 10.5% } col.purpose { width: 11% } col.cameras { width: 7% } col.operation { width: 14% }
col.file { width: 10.5% } col.basis { width: 9% }
tbody th { font-weight: 600; }
footer { margin-top: 1.4em; }
@page { size: A4 landscape; margin: 11mm 10mm 14mm;
  @bottom-right { content: counter(page) \" / \" counter(pages); font: 8pt sans-serif; }
  @bottom-left { content: \"CSI R.253-5\"; font: 8pt sans-serif; } }
@media print {
  .wide { overflow: visible; }
  table { min-width: 0; font-size: 7.4pt; line-height: 1.3; }
  tr { break-inside: avoid; }
}
";

/// The page, but for its rows.
pub struct Page<'a> {
    /// Whether the register verifies.
    pub verdict: &'a Verdict,
    /// What was asked for.
    pub filter: &'a Filter,
    /// First and last entry shown.
    pub period: Option<(Timestamp, Timestamp)>,
    /// When the page was made.
    pub made: Timestamp,
    /// The language.
    pub french: bool,
    /// Erased entries, of which nobody can tell whether they were asked for.
    pub not_told: u64,
}

/// What the entries after the first one say of an operation.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Segments so far.
    pub segments: u32,
    /// It stands on the page already.
    pub shown: bool,
    closed: Option<Closed>,
}

#[derive(Debug, Clone)]
struct Closed {
    index: u64,
    at: Timestamp,
    interrupted: bool,
    file: String,
    sha256: String,
    bytes: u64,
    frames: u64,
    held_back: u64,
}

impl Outcome {
    /// Takes in the closing entry.
    pub fn close(&mut self, index: u64, record: &Record) {
        let output = record.entry.output.clone().unwrap_or_default();
        let masked = record.entry.anonymisation.clone().unwrap_or_default();
        self.closed = Some(Closed {
            index,
            at: record.timestamp,
            interrupted: record.entry.interrupted,
            file: output.media_id,
            sha256: output.sha256,
            bytes: output.bytes,
            frames: masked.frames_total,
            held_back: masked.mask_failures,
        });
    }
}

impl Page<'_> {
    fn pick(&self, en: &'static str, fr: &'static str) -> &'static str {
        if self.french { fr } else { en }
    }

    /// Everything above the rows.
    pub fn head(&self) -> String {
        let title = self.pick(
            "Register of operations on video-protection images",
            "Registre des opérations sur les images de vidéoprotection",
        );
        let mut text = page::begin(self.french, title, STYLE);
        text += "<header>\n";
        if let Err(failure) = &self.verdict.report {
            text += &self.banner(failure);
        }
        let _ = writeln!(text, "<h1>{title}</h1>");
        let _ = writeln!(
            text,
            "<p class=\"note\">{}</p>",
            self.pick(
                "Code de la sécurité intérieure, art. R. 253-5. Times are those of Paris. Agents stand under pseudonyms.",
                "Code de la sécurité intérieure, art. R. 253-5. Heures de Paris. Les agents figurent sous pseudonyme.",
            )
        );
        text += "<dl>\n";
        self.item(
            &mut text,
            self.pick("Register", "Registre"),
            &self.verdict.origin,
        );
        let asked = |at: Option<Timestamp>, shown: Option<Timestamp>| at.or(shown).map(local);
        let first = asked(self.filter.from, self.period.map(|(first, _)| first));
        let last = asked(self.filter.to, self.period.map(|(_, last)| last));
        let period = match (first, last) {
            (Some(first), Some(last)) => format!("{first} – {last}"),
            _ => self.pick("no entry", "aucune mention").to_owned(),
        };
        self.item(&mut text, self.pick("Period", "Période"), &period);
        let words = self.filter.words();
        let chosen: Vec<String> = words
            .iter()
            .filter(|(name, _)| !matches!(*name, "from" | "to"))
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        if !chosen.is_empty() {
            self.item(
                &mut text,
                self.pick("Only", "Sélection"),
                &chosen.join(" ; "),
            );
        }
        self.item(
            &mut text,
            self.pick("Made on", "Édité le"),
            &local(self.made),
        );
        text += "</dl>\n</header>\n<main>\n";
        text += &self.table_head();
        text
    }

    fn table_head(&self) -> String {
        let headings = [
            ("no", "No.", "Nº"),
            ("date", "Date and hour", "Date et heure"),
            ("reason", "Reason", "Motif"),
            ("agent", "Authorised agent", "Agent habilité"),
            ("recipient", "Recipient", "Destinataire"),
            ("purpose", "Purpose", "Finalité"),
            ("cameras", "Cameras", "Caméras"),
            ("operation", "Operation and outcome", "Opération et suite"),
            ("file", "File and SHA-256", "Fichier et SHA-256"),
            ("basis", "Legal basis", "Fondement"),
        ];
        let mut text = format!(
            "<div class=\"wide\" role=\"region\" aria-labelledby=\"what\" tabindex=\"0\">\n<table>\n\
             <caption id=\"what\">{}</caption>\n<colgroup>",
            self.pick(
                "Operations, in the order of their opening",
                "Opérations, dans l'ordre de leur ouverture"
            )
        );
        for (class, ..) in headings {
            let _ = write!(text, "<col class=\"{class}\">");
        }
        text += "</colgroup>\n<thead>\n<tr>";
        for (_, en, fr) in headings {
            let _ = write!(text, "<th scope=\"col\">{}</th>", self.pick(en, fr));
        }
        text += "</tr>\n</thead>\n<tbody>\n";
        text
    }

    /// One operation. `outcome` where it has an opening entry.
    pub fn row(&self, index: u64, record: &Record, outcome: Option<&Outcome>) -> String {
        let entry = &record.entry;
        let closed = outcome.and_then(|outcome| outcome.closed.as_ref());
        let agent = entry.agent.clone().unwrap_or_default();
        let capacity = row::capacity(&agent.capacity, self.french);
        let mut text = format!(
            "<tr id=\"e{index}\"><th scope=\"row\" class=\"number\">{index}</th><td><time datetime=\"{}\">{}</time></td>",
            record.timestamp,
            local(record.timestamp)
        );
        let cells = [
            self.long(&entry.motif, index),
            self.lines(&[&agent.id, &capacity, &agent.habilitation_ref]),
            self.long(&row::recipient(entry), index),
            self.lines(&[&row::purpose(entry, self.french), &entry.purpose_id]),
            self.long(&entry.cameras.join(", "), index),
            self.what(record, outcome, index),
            self.file(entry.output.as_ref().map_or("", |o| &o.media_id), closed),
            self.long(&row::legal_basis(entry, self.french), index),
        ];
        for cell in cells {
            let _ = write!(text, "<td>{cell}</td>");
        }
        text += "</tr>\n";
        text
    }

    /// What was done and what came of it.
    fn what(&self, record: &Record, outcome: Option<&Outcome>, index: u64) -> String {
        let entry = &record.entry;
        let mut text = format!(
            "<strong>{}</strong>",
            operation_name(entry.operation, self.french)
        );
        let mut parts = Vec::new();
        if let Some(outcome) = outcome {
            match &outcome.closed {
                Some(closed) => {
                    let how = match closed.interrupted {
                        true => self.pick("interrupted, closed", "interrompue, close"),
                        false => self.pick("ended", "terminée"),
                    };
                    let entry = self.pick("entry", "mention");
                    parts.push(format!(
                        "{how} {} ({entry} {})",
                        local(closed.at),
                        closed.index
                    ));
                    if closed.frames > 0 || closed.held_back > 0 {
                        parts.push(match self.french {
                            false => format!(
                                "{} frames let out, {} held back",
                                closed.frames, closed.held_back
                            ),
                            true => format!(
                                "{} images sorties, {} retenues",
                                closed.frames, closed.held_back
                            ),
                        });
                    }
                }
                None => parts.push(
                    self.pick(
                        "not closed: running, or broken off",
                        "non close : en cours, ou rompue",
                    )
                    .to_owned(),
                ),
            }
            if outcome.segments > 0 {
                parts.push(format!(
                    "{} {}",
                    outcome.segments,
                    self.pick("segments", "segments")
                ));
            }
        }
        if let Some(Operation::Refuse | Operation::Erase) = Some(entry.operation) {
            parts.push(row::particulars(entry, self.french));
        }
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let _ = write!(text, "<br>{}", self.long(part, index));
        }
        text
    }

    fn file(&self, opened: &str, closed: Option<&Closed>) -> String {
        let Some(closed) = closed.filter(|closed| !closed.sha256.is_empty()) else {
            return escape(opened);
        };
        let name = match closed.file.as_str() {
            "" => self.pick("no file", "sans fichier"),
            name => name,
        };
        let short: String = closed.sha256.chars().take(16).collect();
        format!(
            "{}<br><span class=\"hash\" title=\"{}\">{}…</span><br>{} {}",
            escape(name),
            escape(&closed.sha256),
            escape(&short),
            closed.bytes,
            self.pick("bytes", "octets")
        )
    }

    /// Entries that were erased, in one row; none for none.
    pub fn erased(&self, entries: &Range<u64>) -> String {
        let number = match entries.end.saturating_sub(entries.start) {
            0 => return String::new(),
            1 => entries.start.to_string(),
            _ => format!("{}–{}", entries.start, entries.end - 1),
        };
        self.note(
            &number,
            self.pick(
                "erased after their time (CSI R.253-5)",
                "effacées à leur terme (CSI R.253-5)",
            ),
        )
    }

    /// An entry that cannot be read.
    pub fn unreadable(&self, index: u64) -> String {
        self.note(&index.to_string(), self.pick("not readable", "illisible"))
    }

    fn note(&self, number: &str, note: &str) -> String {
        format!(
            "<tr><th scope=\"row\" class=\"number\">{number}</th><td colspan=\"9\" class=\"note\">{note}</td></tr>\n"
        )
    }

    /// Everything below the rows.
    pub fn foot(&self, shown: u64) -> String {
        let mut text = String::new();
        if shown == 0 {
            let none = self.pick("No operation.", "Aucune opération.");
            let _ = writeln!(
                text,
                "<tr><td colspan=\"10\" class=\"note\">{none}</td></tr>"
            );
        }
        text += "</tbody>\n</table>\n</div>\n</main>\n<footer>\n";
        let _ = writeln!(
            text,
            "<h2>{}</h2>",
            self.pick("Verification", "Vérification")
        );
        match &self.verdict.report {
            Err(failure) => text += &self.banner(failure),
            Ok(summary) => {
                let _ = writeln!(
                    text,
                    "<p class=\"good\">{}</p>",
                    self.pick(
                        "The register verifies: every entry, every hash and the signature were checked when this page was made.",
                        "Le registre est vérifié : chaque mention, chaque empreinte et la signature ont été contrôlées à l'édition de cette page.",
                    )
                );
                text += "<dl>\n";
                let entries = summary.entries.to_string();
                self.item(
                    &mut text,
                    self.pick("Entries in the register", "Mentions au registre"),
                    &entries,
                );
                let erased = summary.erased.to_string();
                self.item(
                    &mut text,
                    self.pick(
                        "Of these, erased after their time",
                        "Dont effacées à leur terme",
                    ),
                    &erased,
                );
                self.hash(
                    &mut text,
                    self.pick("Root hash", "Empreinte racine"),
                    &summary.root,
                );
                self.hash(&mut text, self.pick("Key", "Clé"), &self.verdict.key);
                text += "</dl>\n";
                let own = !self.verdict.key_from_elsewhere;
                let whose = input::whose_key(own, self.french).trim();
                if !whose.is_empty() {
                    let _ = writeln!(
                        text,
                        "<p class=\"note\">{} {}</p>",
                        self.pick("Key:", "Clé :"),
                        escape(whose)
                    );
                }
            }
        }
        text += "<dl>\n";
        self.item(
            &mut text,
            self.pick("Operations on this page", "Opérations sur cette page"),
            &shown.to_string(),
        );
        if self.not_told > 0 {
            let note = match self.french {
                false => format!(
                    "{}, of which nobody can tell whether they were asked for",
                    self.not_told
                ),
                true => format!(
                    "{}, dont nul ne peut dire si elles étaient demandées",
                    self.not_told
                ),
            };
            self.item(
                &mut text,
                self.pick("Erased entries left out", "Mentions effacées non reprises"),
                &note,
            );
        }
        text += "</dl>\n";
        let _ = writeln!(
            text,
            "<p class=\"note\">{}</p>\n</footer>",
            self.pick(
                "This page proves nothing by itself. The register does: <code>privacy-verify verify</code> gives the same root hash, offline, with a copy of the public key kept elsewhere.",
                "Cette page ne prouve rien à elle seule. Le registre, si : <code>privacy-verify verify</code> donne la même empreinte racine, hors ligne, avec une copie de la clé publique gardée ailleurs.",
            )
        );
        text += page::END;
        text
    }

    fn banner(&self, failure: &input::Failure) -> String {
        format!(
            "<p class=\"bad\" role=\"alert\">{}<br>{}</p>\n",
            self.pick(
                "THIS REGISTER DOES NOT VERIFY. Nothing below can be relied on.",
                "CE REGISTRE NE SE VÉRIFIE PAS. Rien de ce qui suit n'est sûr.",
            ),
            self.long(failure.text(self.french), 0)
        )
    }

    fn item(&self, text: &mut String, label: &str, value: &str) {
        let _ = writeln!(text, "<dt>{label}</dt><dd>{}</dd>", escape(value));
    }

    fn hash(&self, text: &mut String, label: &str, value: &str) {
        let _ = writeln!(
            text,
            "<dt>{label}</dt><dd class=\"hash\">{}</dd>",
            escape(value)
        );
    }

    /// Texts one below the other, those that say something.
    fn lines(&self, parts: &[&str]) -> String {
        let parts = parts.iter().filter(|part| !part.trim().is_empty());
        let parts: Vec<String> = parts.map(|part| self.long(part, 0)).collect();
        parts.join("<br>")
    }

    /// A text of any length, escaped.
    fn long(&self, text: &str, index: u64) -> String {
        let Some((end, _)) = text.char_indices().nth(LONGEST) else {
            return escape(text);
        };
        let length = text.chars().count();
        let rest = match self.french {
            false => format!("{length} characters; all of it: privacyctl register show … {index}"),
            true => format!("{length} caractères ; en entier : privacyctl register show … {index}"),
        };
        format!(
            "{}… <span class=\"note\">[{rest}]</span>",
            escape(&text[..end])
        )
    }
}

#[cfg(test)]
mod tests;
