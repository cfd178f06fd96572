// SPDX-License-Identifier: MIT OR Apache-2.0
//! `check-file`: which export a file is, by whom, for what and for whom.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use privacy_register::{
    Entry, ProofError, ReadError, Reader, Record, SignedCheckpoint, VerifierKey, prove, verify,
};
use sha2::{Digest as _, Sha256};

use crate::{
    describe,
    input::{self, Failure},
    terminal::print,
    words::{Lang, Lines, local},
};

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file.
    file: PathBuf,
    /// The register that it may be in.
    #[arg(long, value_name = "DIR")]
    register: PathBuf,
    /// Verifier key, from elsewhere than the register; DIR/register.pub when absent.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Checks as asked.
///
/// # Errors
///
/// When the file is not in the register, or what is said of it is not proven, which is also printed.
pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let french = Lang::is_french(args.lang);
    // The first line is for programs and the same in every language.
    match check(args, french) {
        Ok(text) => print(&format!("file in register: yes\n{text}")),
        Err(failure) => {
            let text = crate::terminal::plain(failure.text(french));
            print(&format!("file in register: NO\n{text}\n"))?;
            Err(failure.into())
        }
    }
}

/// What a file is to an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// The file as it was written.
    Whole,
    /// What an encrypted file holds.
    Decrypted,
    /// The bytes of one segment.
    Segment,
}

fn is(entry: &Entry, sha256: &str) -> Option<Is> {
    if describe::plain_sha256(entry) == Some(sha256) {
        return Some(Is::Decrypted);
    }
    let output = entry.output.as_ref()?;
    (output.sha256 == sha256).then_some(match entry.more.contains_key("segment") {
        true => Is::Segment,
        false => Is::Whole,
    })
}

fn check(args: &Args, french: bool) -> Result<String, Failure> {
    let key = input::key_of(&args.register, args.key.as_deref())?;
    let sha256 = sha256(&args.file)?;
    let reader = Reader::open(&args.register)?;
    let mut found = Vec::new();
    let mut erased = 0u64;
    for entry in reader.iter(0..reader.size()) {
        let (index, body) = entry?;
        if body.is_empty() {
            erased += 1;
            continue;
        }
        // Most entries speak of another file, or of none: they are not worth being read as a whole.
        if !std::str::from_utf8(&body).is_ok_and(|text| text.contains(&sha256)) {
            continue;
        }
        if let Ok(record) = Record::from_bytes(&body)
            && let Some(is) = is(&record.entry, &sha256)
        {
            found.push((index, is));
        }
    }
    if found.is_empty() {
        return Err(not_in_it(&args.file, &sha256, &key, reader.size(), erased));
    }
    if found.iter().any(|(_, is)| *is == Is::Whole) {
        // An export of one segment is the export.
        found.retain(|(_, is)| *is != Is::Segment);
    }
    let mut texts = Vec::new();
    for (index, is) in found {
        let mut lines = Lines::new(french);
        let proven = Proven::of(&args.register, &reader, &key, index)?;
        lines.add("file", "fichier", &args.file.display().to_string());
        lines.add("SHA-256", "SHA-256", &sha256);
        proven.describe(&mut lines, &args.register, &reader, &key, is)?;
        lines.add(
            "register",
            "registre",
            &format!(
                "{}{}",
                key.name(),
                input::whose_key(args.key.is_none(), french)
            ),
        );
        texts.push(lines.text());
    }
    Ok(texts.join("\n"))
}

fn sha256(path: &Path) -> Result<String, Failure> {
    let mut hasher = Sha256::new();
    io::copy(&mut input::open(path)?, &mut hasher).map_err(|e| Failure::of_file(path, &e))?;
    Ok(hex::encode(hasher.finalize()))
}

fn not_in_it(file: &Path, sha256: &str, key: &VerifierKey, size: u64, erased: u64) -> Failure {
    let (mut en, mut fr) = (
        format!(
            "{}: not in this register: none of the {size} entries of {} has its SHA-256 {sha256}. It was changed, or comes from elsewhere",
            file.display(),
            key.name()
        ),
        format!(
            "{} : absent de ce registre : aucune des {size} mentions de {} ne porte son SHA-256 {sha256}. Il a été modifié, ou vient d'ailleurs",
            file.display(),
            key.name()
        ),
    );
    if erased > 0 {
        en += &format!(", or its entry is among the {erased} erased after their time");
        fr += &format!(", ou sa mention est parmi les {erased} effacées à leur terme");
    }
    Failure { en, fr }
}

/// An entry that is proven to stand in the register.
struct Proven {
    record: Record,
    /// Entries under the signature that proves it.
    among: u64,
}

impl Proven {
    fn of(dir: &Path, reader: &Reader, key: &VerifierKey, index: u64) -> Result<Self, Failure> {
        let body = reader.body(index)?;
        match prove(dir, key, index) {
            Ok(proof) => {
                let record = proof.check(&body, key)?;
                let checkpoint =
                    SignedCheckpoint::verify(proof.checkpoint(), key).map_err(ProofError::from)?;
                Ok(Self {
                    record,
                    among: checkpoint.size(),
                })
            }
            // In the journal, where no tile leads to it: the whole register is verified then, and with it the
            // signature over the journal.
            Err(ProofError::Read(ReadError::Beyond { .. })) if index < reader.size() => {
                let report = verify(dir, key)?;
                let record = Record::from_bytes(&body).map_err(ProofError::from)?;
                Ok(Self {
                    record,
                    among: report.entries,
                })
            }
            Err(e) => Err(e.into()),
        }
    }

    fn describe(
        &self,
        lines: &mut Lines,
        dir: &Path,
        reader: &Reader,
        key: &VerifierKey,
        is: Is,
    ) -> Result<(), Failure> {
        let entry = &self.record.entry;
        let what = match is {
            Is::Whole => lines.pick("the file as it was exported", "le fichier tel qu'exporté"),
            Is::Decrypted => lines.pick(
                "the content of an encrypted export",
                "le contenu d'un export chiffré",
            ),
            Is::Segment => lines.pick(
                "one segment of an export, not all of it",
                "un segment d'un export, et non sa totalité",
            ),
        };
        lines.add("is", "est", what);
        let state = match (is, entry.interrupted) {
            (_, true) => lines.pick(
                "interrupted: the end is missing",
                "interrompu : la fin manque",
            ),
            (Is::Segment, false) => lines.pick("a part", "une partie"),
            (_, false) => lines.pick("complete", "complet"),
        };
        lines.add("state", "état", state);
        lines.add_if(
            "exported as",
            "exporté sous",
            &entry.output.clone().unwrap_or_default().media_id,
        );
        let mut opened = None;
        if let Some(prior) = entry.prior_entry_seq {
            // Its body may have been erased; the entry that was found speaks for itself then.
            if !reader.body(prior)?.is_empty() {
                opened = Some(Self::of(dir, reader, key, prior)?);
            }
        }
        let (first, last) = (
            opened
                .as_ref()
                .map_or(self.record.timestamp, |o| o.record.timestamp),
            self.record.timestamp,
        );
        lines.add("begun", "début", &local(first));
        lines.add("ended", "fin", &local(last));
        // What was asked for stands in the opening entry; the closing one repeats what it needs.
        let asked = opened.as_ref().map_or(entry, |o| &o.record.entry);
        describe::who_and_why(lines, asked);
        let numbers = match &opened {
            Some(o) => format!("{}, {}", o.record.seq, self.record.seq),
            None => self.record.seq.to_string(),
        };
        let text = lines.pick(
            format!("{numbers}, proven among {} signed", self.among),
            format!("{numbers}, prouvées parmi {} signées", self.among),
        );
        lines.add("entries", "mentions", &text);
        Ok(())
    }
}
