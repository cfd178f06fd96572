// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register`: make, verify, read and keep the register.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use privacy_policy::time;
use privacy_register::{
    EntryName, Operation, Phase, Recipient, Record, Register, Report, VerifierKey, VerifyError,
    read_entries, verify, verify_since,
};

use crate::{
    Lang,
    terminal::{plain, print},
};

/// Entries are kept for three years at the most (art. R. 253-5 CSI), leap day included.
const MAX_KEEP_DAYS: u32 = 3 * 365 + 1;

/// Commands about the register.
#[derive(Subcommand)]
pub enum Command {
    /// Make a register: a directory with a signing key of its own.
    Init {
        /// Directory to make.
        dir: PathBuf,
        /// Name of the register, written into every checkpoint; gst-privacy/ and the host name when absent.
        #[arg(long)]
        origin: Option<String>,
    },
    /// Verify every entry, hash and signature. Exit status 1 when anything is wrong.
    Verify {
        /// The register.
        dir: PathBuf,
        /// Verifier key, from elsewhere than the register; DIR/register.pub when absent.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Checkpoint kept from earlier: also verify that the register still begins with what it signed.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Language; the locale's when absent.
        #[arg(long, value_enum)]
        lang: Option<Lang>,
    },
    /// Show all entries as a table, or one of them in full. Verifies nothing.
    #[command(alias = "list")]
    Show {
        /// The register.
        dir: PathBuf,
        /// Entry to show in full.
        entry: Option<u64>,
        /// Language; the locale's when absent.
        #[arg(long, value_enum)]
        lang: Option<Lang>,
    },
    /// Put a register right after a crash, as the next writer would, and sign what was found.
    Recover {
        /// The register.
        dir: PathBuf,
        /// Signing key; DIR/keys/register.key when absent.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Erase the content of old entries. Their hashes stay, and an entry says what was erased.
    Purge {
        /// The register.
        dir: PathBuf,
        /// Days that entries are kept, at most three years.
        #[arg(long, default_value_t = MAX_KEEP_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_KEEP_DAYS)))]
        keep_days: u32,
        /// Signing key; DIR/keys/register.key when absent.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

/// Runs a command about the register.
pub fn run(command: Command) -> Result<(), Box<dyn Error>> {
    let french = |lang: Option<Lang>| lang.unwrap_or_else(Lang::of_locale) == Lang::Fr;
    match command {
        Command::Init { dir, origin } => init(&dir, origin),
        Command::Verify {
            dir,
            key,
            checkpoint,
            lang,
        } => check(&dir, key.as_deref(), checkpoint.as_deref(), french(lang)),
        Command::Show { dir, entry, lang } => show(&dir, entry, french(lang)),
        Command::Recover { dir, key } => {
            let register = Register::open(&dir, key.as_deref())?;
            print(&format!("{} entries, all signed\n", register.size()))
        }
        Command::Purge {
            dir,
            keep_days,
            key,
        } => {
            let now = Timestamp::now();
            let limit = now - SignedDuration::from_hours(24 * i64::from(keep_days));
            let mut register = Register::open(&dir, key.as_deref())?;
            let reason = format!("kept for {keep_days} days (CSI R.253-5)");
            let erased = register.purge(limit, &reason, now)?;
            print(&format!("{erased} entries erased\n"))
        }
    }
}

fn init(dir: &Path, origin: Option<String>) -> Result<(), Box<dyn Error>> {
    let origin = match origin {
        Some(origin) => origin,
        None => {
            let host = ["/proc/sys/kernel/hostname", "/etc/hostname"]
                .into_iter()
                .find_map(|path| fs::read_to_string(path).ok())
                .ok_or("this host has no name; give one with --origin")?;
            format!("gst-privacy/{}", host.trim())
        }
    };
    let register = Register::init(dir, &origin)?;
    print(&format!(
        "register of origin {origin} made in {dir}\n\
         signing key  {dir}/keys/register.key (keep it here, and nowhere else)\n\
         verifier key {dir}/register.pub (give a copy to whoever verifies):\n\
         {key}\n",
        dir = dir.display(),
        key = register.verifier_key()
    ))
}

fn check(
    dir: &Path,
    key: Option<&Path>,
    checkpoint: Option<&Path>,
    french: bool,
) -> Result<(), Box<dyn Error>> {
    let own = dir.join("register.pub");
    let verdict = VerifierKey::load(key.unwrap_or(&own))
        .map_err(|e| (format!("{e}"), format!("la clé : {e}")))
        .and_then(|verifier| {
            let report = match checkpoint {
                None => verify(dir, &verifier),
                Some(path) => match fs::read(path) {
                    Ok(bytes) => verify_since(dir, &verifier, &bytes),
                    Err(source) => Err(VerifyError::Io {
                        path: path.into(),
                        source,
                    }),
                },
            };
            report
                .map(|report| (report, verifier))
                .map_err(|e| (e.to_string(), in_french(&e)))
        });
    // The first line is for programs and the same in every language.
    match verdict {
        Ok((report, verifier)) => {
            let mut text = String::from("register verified: yes\n");
            text += &report_text(&report, french);
            let whose = match (key, french) {
                (Some(_), _) => "",
                (None, false) => " (found in the register itself; compare it with your own copy)",
                (None, true) => " (trouvée dans le registre ; comparez-la à votre propre copie)",
            };
            let label = if french { "clé" } else { "key" };
            // A register may bring a key of its own, with any name.
            let verifier = plain(&verifier.to_string());
            text += &format!("{label:<14} {verifier}{whose}\n");
            print(&text)
        }
        Err((english, in_french)) => {
            let text = if french { in_french } else { english.clone() };
            print(&format!("register verified: NO\n{}\n", plain(&text)))?;
            Err(plain(&english).into())
        }
    }
}

fn report_text(report: &Report, french: bool) -> String {
    let pick = |en: &'static str, fr: &'static str| if french { fr } else { en };
    let mut text = String::new();
    let mut line = |label: &str, value: &dyn std::fmt::Display| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label:<14} {value}");
    };
    let erased = match report.erased {
        0 => String::new(),
        n => format!(
            " ({n} {})",
            pick("erased after their time", "effacées à leur terme")
        ),
    };
    line(
        pick("entries", "mentions"),
        &format_args!("{}{erased}", report.entries),
    );
    if let (Some(first), Some(last)) = (report.first, report.last) {
        line(pick("from", "du"), &local(first));
        line(pick("to", "au"), &local(last));
    }
    line(pick("sessions", "sessions"), &report.sessions);
    line(
        pick("interrupted", "interrompues"),
        &report.interrupted.len(),
    );
    for session in &report.interrupted {
        let how = match session.closed {
            true => pick("stopped before its end", "arrêtée avant sa fin"),
            false => pick(
                "never closed, or still running",
                "jamais close, ou encore en cours",
            ),
        };
        line(
            "",
            &format_args!(
                "{} {}, {}, {}: {how}",
                pick("entry", "mention"),
                session.index,
                local(session.timestamp),
                plain(&session.session)
            ),
        );
    }
    line(pick("refusals", "refus"), &report.refusals);
    let root: String = report
        .checkpoint
        .root()
        .iter()
        .fold(String::new(), |root, byte| root + &format!("{byte:02x}"));
    line(pick("root", "racine"), &root);
    text
}

/// What [`VerifyError`] says in English, for whoever reads French law.
fn in_french(error: &VerifyError) -> String {
    let name = |name: &EntryName| match name.readable {
        Some((operation, time)) => format!(
            "la mention {} ({}, {})",
            name.index,
            operation_name(operation, true),
            local(time)
        ),
        None => format!("la mention {} (illisible)", name.index),
    };
    match error {
        VerifyError::Io { path, source } => format!(
            "{} : {source} ; rien n'est prouvé ni dans un sens ni dans l'autre : vérifiez le chemin et vos droits",
            path.display()
        ),
        VerifyError::Locked => "le registre est en cours d'écriture ; recommencez".into(),
        VerifyError::Checkpoint(e) => {
            format!("le point de contrôle signé est absent, modifié ou d'une autre clé : {e}")
        }
        VerifyError::Changed(entry) => {
            format!("{} a été modifiée après sa signature", name(entry))
        }
        VerifyError::Rewritten { first, last } => format!(
            "parmi les mentions {first} à {last}, certaines ont été modifiées, avec leurs empreintes, après leur signature"
        ),
        VerifyError::Missing { first, last } => format!(
            "les mentions {first} à {last} manquent : {} ont été signées",
            last + 1
        ),
        VerifyError::Tile { path, first, last } => format!(
            "le fichier d'empreintes {path} est endommagé (les mentions {first} à {last}, qu'il couvre, sont intactes)"
        ),
        VerifyError::Stale { path, entry } => format!(
            "{path}, conservé pour les lecteurs d'un point de contrôle antérieur, a été modifié à la mention {entry}"
        ),
        VerifyError::Unsigned(entry) => format!(
            "{} n'est couverte par aucune signature : une écriture a été coupée, ou quelqu'un l'a ajoutée ; \
             lancez privacyctl register recover, puis vérifiez de nouveau",
            name(entry)
        ),
        VerifyError::Erased(index) => format!(
            "le contenu de la mention {index} a disparu et aucune mention n'indique son effacement"
        ),
        VerifyError::Rule { name: entry, why } => format!("{} : {why}", name(entry)),
        VerifyError::Forked { size } => format!(
            "le point de contrôle antérieur ({size} mentions) n'est pas un début de ce registre : \
             des mentions ont été retirées ou modifiées et la suite signée de nouveau"
        ),
        VerifyError::Earlier(e) => format!("le point de contrôle antérieur : {e}"),
    }
}

fn show(dir: &Path, wanted: Option<u64>, french: bool) -> Result<(), Box<dyn Error>> {
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

fn operation_name(operation: Operation, french: bool) -> &'static str {
    if !french {
        return operation.nick();
    }
    match operation {
        Operation::Collect => "collecte",
        Operation::Modify => "modification",
        Operation::Consult => "consultation",
        Operation::Communicate => "communication",
        Operation::Erase => "effacement",
        Operation::Extract => "extraction",
        Operation::Publish => "publication",
        Operation::Refuse => "refus",
        Operation::Config => "configuration",
        Operation::WindowPublished => "publication de comptages",
    }
}

fn local(time: Timestamp) -> String {
    time.to_zoned(time::paris())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
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
