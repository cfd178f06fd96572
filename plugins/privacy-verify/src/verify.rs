// SPDX-License-Identifier: MIT OR Apache-2.0
//! `verify`: every entry, hash and signature of a register.

use std::{
    error::Error,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use privacy_register::{
    EntryName, Policy, Report, VerifierKey, VerifyError, Witnessed, WitnessedReport, verify,
    verify_since, verify_witnessed,
};

use crate::{
    french,
    input::{self, Failure},
    terminal::{plain, print},
    words::{Lang, Lines, local},
};

/// Longest checkpoint that is read: the notes of many witnesses stand in one.
const MAX_CHECKPOINT: usize = 1024 * 1024;

/// What to verify.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The register.
    dir: PathBuf,
    /// Verifier key, from elsewhere than the register; DIR/register.pub when absent.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Checkpoint kept from earlier, or had from a witness: also verify that the register still begins with what
    /// it signed.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Policy (C2SP tlog-policy): also verify that as many witnesses as it asks for have cosigned that checkpoint,
    /// or DIR/witnessed when none is given.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Verifies as asked.
///
/// # Errors
///
/// When the register does not verify, which is also printed.
pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let french = Lang::is_french(args.lang);
    // The first line is for programs and the same in every language.
    match check(args) {
        Ok(found) => print(&format!(
            "register verified: yes\n{}",
            found.text(args.key.is_none(), french)
        )),
        Err(failure) => {
            let text = plain(failure.text(french));
            print(&format!("register verified: NO\n{text}\n"))?;
            Err(plain(&failure.en).into())
        }
    }
}

struct Found {
    report: Report,
    witnessed: Option<Witnessed>,
    key: VerifierKey,
}

fn check(args: &Args) -> Result<Found, Failure> {
    let dir: &Path = &args.dir;
    let key = input::key_of(dir, args.key.as_deref())?;
    let policy = args.policy.as_deref().map(Policy::load).transpose()?;
    let checkpoint = args
        .checkpoint
        .as_deref()
        .map(|path| input::read(path, MAX_CHECKPOINT))
        .transpose()?;
    let (report, witnessed) = match (policy, checkpoint) {
        (None, None) => (verify(dir, &key)?, None),
        (None, Some(note)) => (verify_since(dir, &key, &note)?, None),
        (Some(policy), None) => {
            let WitnessedReport {
                report, witnessed, ..
            } = verify_witnessed(dir, &key, &policy)?;
            (report, Some(witnessed))
        }
        (Some(policy), Some(note)) => {
            let witnessed = policy.check_for(&note, &key)?;
            (verify_since(dir, &key, &note)?, Some(witnessed))
        }
    };
    Ok(Found {
        report,
        witnessed,
        key,
    })
}

impl Found {
    fn text(&self, own_key: bool, french: bool) -> String {
        let mut lines = Lines::new(french);
        if let Some(witnessed) = &self.witnessed {
            witnesses(&mut lines, witnessed, self.report.entries);
        }
        // A register may bring a key of its own, with any name.
        lines.add(
            "key",
            "clé",
            &format!("{}{}", self.key, input::whose_key(own_key, french)),
        );
        report_text(&self.report, french) + &lines.text()
    }
}

/// Adds what witnesses have seen of a register of so many entries.
pub(crate) fn witnesses(lines: &mut Lines, witnessed: &Witnessed, entries: u64) {
    let by: Vec<_> = witnessed
        .by
        .iter()
        .map(|by| format!("{} ({})", by.name, local(by.time)))
        .collect();
    let by = match by.is_empty() {
        true => lines
            .pick(
                "nobody, as the policy allows",
                "personne, comme la politique le permet",
            )
            .to_owned(),
        false => by.join(", "),
    };
    let text = lines.pick(
        format!("{} entries, by {by}", witnessed.size),
        format!("{} mentions, par {by}", witnessed.size),
    );
    lines.add("witnessed", "attestées", &text);
    if !witnessed.missing.is_empty() {
        lines.add("not by", "mais non par", &witnessed.missing.join(", "));
    }
    let younger = entries.saturating_sub(witnessed.size);
    if younger > 0 {
        let text = lines.pick(
            format!("{younger} entries, which only the key of the register vouches for"),
            format!("{younger} mentions, dont seule répond la clé du registre"),
        );
        lines.add("younger", "plus récentes", &text);
    }
}

/// What a register that verifies holds, as labelled lines.
pub fn report_text(report: &Report, french: bool) -> String {
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
    if report.unpublished > 0 {
        line(
            pick("not published", "non publiées"),
            &format_args!(
                "{} {}",
                report.unpublished,
                pick(
                    "of these, in the journal under a signature of its own",
                    "d'entre elles, dans le journal sous sa propre signature"
                )
            ),
        );
    }
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
pub fn in_french(error: &VerifyError) -> String {
    let name = |name: &EntryName| french::name(name);
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
        VerifyError::Journal(fault) => french::journal(fault),
        VerifyError::Unpurged { path, entry } => format!(
            "{path} contient encore la mention {entry}, effacée à son terme : l'effacement a été interrompu ; relancez privacyctl register purge"
        ),
        VerifyError::Earlier(e) => format!("le point de contrôle antérieur : {e}"),
    }
}
