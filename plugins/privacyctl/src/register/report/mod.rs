// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register report`: what was done in a month, for the public.
//!
//! It holds numbers and words of ours, and nothing that an entry says: no agent, camera, file, requisition,
//! recipient or reason. Neither does it give the size of the register or its root hash: those of two reports
//! would tell how many entries lie between them, or that there are none, and with that the numbers hidden.

mod count;
mod doc;
mod reasons;
mod suppress;

use std::{error::Error, path::PathBuf};

use jiff::Timestamp;
use privacy_policy::time;
use privacy_register::Operation;
use privacy_verify::{terminal::plain, words::Lang};

use self::{
    count::{Counts, Month, Purpose},
    doc::{Block, Doc},
    reasons::REASONS,
    suppress::{Cell, Total},
};
use super::{
    export::Entries,
    filter::Selection,
    list, output,
    row::pick,
    verdict::{self, Verdict},
};
use crate::files;

/// Which month, and as what.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: verdict::Source,
    /// The month, which must be over.
    #[arg(long, value_name = "YYYY-MM")]
    month: Month,
    /// A page in place of plain text.
    #[arg(long)]
    html: bool,
    /// File to write, which must be new; standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Rules file in place of the embedded rules: those that were in force in that month.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Reports as asked. Of a register that does not verify, the report says so.
pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let french = Lang::is_french(args.lang);
    let now = Timestamp::now();
    let (from, to) = args.month.span()?;
    if now < to {
        return Err(format!(
            "{} is not over: a report made today and one made tomorrow would give single operations away; \
             ask for an earlier month / ce mois n'est pas terminé : demandez un mois antérieur",
            args.month.name(false)
        )
        .into());
    }
    let purposes = count::purposes(&files::rules(args.rules.as_deref())?);
    let verdict = verdict::of(&args.source);
    let reader = list::open(&args.source.dir)?;
    let entries = Entries {
        reader: Some(&reader),
        verdict: &verdict,
    };
    let mut counts = Counts::new(&purposes);
    let (mut erased, mut first) = (false, None);
    entries.each(&Selection::all(), |_, body, record| {
        erased |= body.is_empty();
        if let Some(record) = record {
            first.get_or_insert(record.timestamp);
            if (from..to).contains(&record.timestamp) {
                counts.add(&purposes, record);
            }
        }
        Ok(())
    })?;
    // Erasing goes from the oldest entry on.
    if erased && first.is_none_or(|first| first > from) {
        return Err(format!(
            "entries of {} may have been erased after their time: its numbers can no longer be told \
             / des mentions de ce mois ont pu être effacées à leur terme : ses nombres ne peuvent plus être établis",
            args.month.name(false)
        )
        .into());
    }
    let doc = report(args.month, &purposes, &counts, &verdict, now, french);
    let text = if args.html { doc.html() } else { doc.text() };
    // Made to be read by everybody.
    output::write(args.out.as_deref(), 0o644, |out| {
        Ok(out.write_all(text.as_bytes())?)
    })?;
    verdict
        .report
        .map(drop)
        .map_err(|failure| plain(&failure.en).into())
}

/// The report.
fn report(
    month: Month,
    purposes: &[Purpose],
    counts: &Counts,
    verdict: &Verdict,
    made: Timestamp,
    french: bool,
) -> Doc {
    let t = |en: &'static str, fr: &'static str| pick(french, en, fr).to_owned();
    let name = month.name(french);
    let mut blocks = Vec::new();
    if verdict.report.is_err() {
        blocks.push(Block::Bad(t(
            "THE REGISTER DOES NOT VERIFY. These numbers cannot be relied on, and must not be published.",
            "LE REGISTRE NE SE VÉRIFIE PAS. Ces nombres ne sont pas sûrs et ne doivent pas être publiés.",
        )));
    }
    blocks.push(Block::Text(t(
        "Every use of the images of the cameras that goes through the control of gst-privacy is written into a register before it begins: when, why, by which authorised agent and for whom (code de la sécurité intérieure, art. R. 253-5). This report counts them. It names nobody.",
        "Toute utilisation des images des caméras soumise au contrôle de gst-privacy est consignée dans un registre avant de commencer : date, motif, agent habilité, destinataire (code de la sécurité intérieure, art. R. 253-5). Ce bilan les compte. Il ne désigne personne.",
    )));
    blocks.push(Block::Text(format!(
        "{}{}",
        t("Register: ", "Registre : "),
        verdict.origin
    )));
    blocks.push(Block::Heading(t(
        "For what images were used",
        "À quoi les images ont servi",
    )));
    blocks.push(uses(purposes, counts, french));
    blocks.push(Block::Note(t(
        "A session is one use from its opening to its end. It is counted in the month in which it began, and as interrupted in the month in which it broke off before its end (a power cut, a lost camera, a mandate that ended).",
        "Une session est une utilisation, de son ouverture à sa fin. Elle est comptée dans le mois où elle a commencé, et comme interrompue dans le mois où elle s'est arrêtée avant sa fin (coupure, caméra perdue, mandat échu).",
    )));
    blocks.push(Block::Heading(t("What was refused", "Ce qui a été refusé")));
    blocks.push(refusals(counts, french));
    blocks.push(Block::Note(t(
        "A refusal is a request that the system turned down: no image was shown or handed over. Reasons not listed had fewer than 5 refusals each, or none.",
        "Un refus est une demande rejetée par le système : aucune image n'a été montrée ni remise. Les motifs absents de la liste comptent chacun moins de 5 refus, ou aucun.",
    )));
    blocks.push(Block::Heading(t(
        "Rules set aside by a person",
        "Règles écartées par une personne",
    )));
    let overrides = match suppress::cell(counts.overrides) {
        Cell::Few => t("fewer than 5", "moins de 5"),
        Cell::Exactly(n) => number(n, french),
    };
    blocks.push(Block::Text(format!(
        "{}{overrides}.",
        t("Overrides recorded: ", "Dérogations consignées : ")
    )));
    blocks.push(Block::Heading(t(
        "How to read small numbers",
        "Lire les petits nombres",
    )));
    blocks.push(Block::Text(t(
        "Numbers below 5 are not published, 0 included: “fewer than 5” may mean none. In a small town a single operation, or the absence of any, could tell something about one person. Where a total would give such a number away, “at least” stands before the sum of the numbers published.",
        "Les nombres inférieurs à 5 ne sont pas publiés, 0 compris : « moins de 5 » peut signifier aucun. Dans une petite commune, une opération isolée, ou son absence, pourrait renseigner sur une personne. Là où un total révélerait un tel nombre, il est remplacé par « au moins » et la somme des nombres publiés.",
    )));
    blocks.push(Block::Heading(t(
        "What never takes place",
        "Ce qui n'a jamais lieu",
    )));
    blocks.push(Block::Text(t(
        "Facial recognition, biometric identification and the detection of “abnormal” behaviour are not available to anyone, on any request (RGPD art. 9; CNIL, 5 December 2024; Conseil d'État, 30 January 2026, no. 506370).",
        "La reconnaissance faciale, l'identification biométrique et la détection de comportements « anormaux » ne sont accessibles à personne, quelle que soit la demande (RGPD art. 9 ; CNIL, 5 décembre 2024 ; Conseil d'État, 30 janvier 2026, n° 506370).",
    )));
    blocks.push(Block::Heading(t(
        "How this can be checked",
        "Comment le vérifier",
    )));
    blocks.push(Block::Text(t(
        "The register is a list under an electronic signature, in the open C2SP tlog-tiles format, as used for the certificates of websites. An entry that is changed, removed or moved no longer fits the signature; that somebody who holds the key signed another list shows against a signature kept elsewhere. Inspectors (the CNIL, the commission départementale de vidéoprotection) can verify all of it on their own computer, offline, with the public key of the municipality and free software (privacy-verify), and count these numbers again.",
        "Le registre est une liste scellée par signature électronique, au format ouvert C2SP tlog-tiles, comme pour les certificats des sites web. Une mention modifiée, retirée ou déplacée ne correspond plus à la signature ; si le détenteur de la clé signait une autre liste, une signature conservée ailleurs le montrerait. Les autorités de contrôle (CNIL, commission départementale de vidéoprotection) peuvent le vérifier en entier sur leur propre ordinateur, hors ligne, avec la clé publique de la collectivité et un logiciel libre (privacy-verify), et recompter ces nombres.",
    )));
    let day = made
        .to_zoned(time::paris())
        .strftime("%Y-%m-%d")
        .to_string();
    if verdict.report.is_ok() {
        blocks.push(Block::Good(match french {
            false => {
                format!("All of the register was verified on {day}, when this report was made.")
            }
            true => format!("Le registre entier a été vérifié le {day}, à l'édition de ce bilan."),
        }));
    }
    blocks.push(Block::Text(t(
        "Entries are erased after three years at the most. Whoever was filmed has a right of access to the images (CSI R. 253-6), to be put to the municipality, and may turn to its data-protection officer or to the CNIL.",
        "Les mentions sont effacées au plus tard après trois ans. Toute personne filmée dispose d'un droit d'accès aux images (CSI R. 253-6), à exercer auprès de la collectivité, et peut saisir son délégué à la protection des données ou la CNIL.",
    )));
    Doc {
        french,
        title: match french {
            false => format!("Video protection: what was done in {name}"),
            true => {
                let of = if name.starts_with(['a', 'o']) {
                    "d'"
                } else {
                    "de "
                };
                format!("Vidéoprotection : bilan {of}{name}")
            }
        },
        blocks,
    }
}

/// What is done, in the plural.
fn kind(operation: Operation, french: bool) -> &'static str {
    let (en, fr) = match operation {
        Operation::Consult => ("viewings", "visionnages"),
        Operation::Extract => ("extractions", "extractions"),
        Operation::Communicate => ("communications", "communications"),
        Operation::Publish => ("publications", "publications"),
        Operation::WindowPublished => ("statistics, without images", "statistiques, sans images"),
        Operation::Collect => ("recordings", "enregistrements"),
        Operation::Modify => ("changes", "modifications"),
        Operation::Erase | Operation::Refuse | Operation::Config => ("other", "autres"),
    };
    pick(french, en, fr)
}

fn uses(purposes: &[Purpose], counts: &Counts, french: bool) -> Block {
    let (sessions, sessions_total) = suppress::table(&counts.sessions);
    let (interrupted, interrupted_total) = suppress::table(&counts.interrupted);
    let t = |en: &'static str, fr: &'static str| pick(french, en, fr).to_owned();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (at, (sessions, interrupted)) in sessions.iter().zip(&interrupted).enumerate() {
        let [purpose, kind, law] = match purposes.get(at) {
            Some(purpose) => [
                pick(french, &purpose.label.0, &purpose.label.1).to_owned(),
                kind(purpose.operation(), french).to_owned(),
                purpose.legal_refs.clone(),
            ],
            None => [
                t(
                    "Any other, or none declared",
                    "Toute autre, ou non déclarée",
                ),
                t("any", "toutes"),
                String::new(),
            ],
        };
        rows.push(vec![
            purpose,
            kind,
            law,
            shown(*sessions, french),
            shown(*interrupted, french),
        ]);
    }
    rows.push(vec![
        t("Total", "Total"),
        String::new(),
        String::new(),
        total(sessions_total, french),
        total(interrupted_total, french),
    ]);
    Block::Table {
        caption: t("Sessions by purpose", "Sessions par finalité"),
        headings: vec![
            t("Purpose", "Finalité"),
            t("What is done", "Nature"),
            t("Legal basis", "Fondement"),
            t("Sessions", "Sessions"),
            t("Interrupted", "Interrompues"),
        ],
        numbers: 3,
        aside: Some(2),
        rows,
    }
}

fn refusals(counts: &Counts, french: bool) -> Block {
    let t = |en: &'static str, fr: &'static str| pick(french, en, fr).to_owned();
    let (cells, sum) = suppress::table(&counts.refusals);
    let mut rows = Vec::new();
    for (at, cell) in cells.into_iter().enumerate() {
        // A code that is listed with a small number says that it is not 0; so none is.
        if let Cell::Exactly(n) = cell {
            let reason = REASONS.get(at).map(|(_, en, fr)| pick(french, en, fr));
            let reason = reason.map_or_else(|| t("another reason", "autre motif"), str::to_owned);
            rows.push(vec![reason, number(n, french)]);
        }
    }
    rows.push(vec![
        t("Each other reason", "Chacun des autres motifs"),
        shown(Cell::Few, french),
    ]);
    rows.push(vec![t("Total", "Total"), total(sum, french)]);
    Block::Table {
        caption: t("Refusals by reason", "Refus par motif"),
        headings: vec![t("Reason", "Motif"), t("Refusals", "Refus")],
        numbers: 1,
        aside: None,
        rows,
    }
}

fn shown(cell: Cell, french: bool) -> String {
    match cell {
        Cell::Few => pick(french, "fewer than 5", "moins de 5").to_owned(),
        Cell::Exactly(n) => number(n, french),
    }
}

fn total(total: Total, french: bool) -> String {
    match total {
        Total::Exactly(n) => number(n, french),
        Total::AtLeast(0) => pick(french, "not published", "non publié").to_owned(),
        Total::AtLeast(n) => format!(
            "{} {}",
            pick(french, "at least", "au moins"),
            number(n, french)
        ),
    }
}

/// A number as it is written in the language.
fn number(n: u64, french: bool) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(if french { '\u{202f}' } else { ',' });
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
