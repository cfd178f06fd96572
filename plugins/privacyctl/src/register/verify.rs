// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register verify`: every entry, hash and signature.

use std::{error::Error, fmt::Write as _, fs, path::Path};

use privacy_register::{EntryName, Report, VerifierKey, VerifyError, verify, verify_since};

use super::text::{local, operation_name};
use crate::terminal::{plain, print};

/// Verifies a register and says what was found.
pub fn check(
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
