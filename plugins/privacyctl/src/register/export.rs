// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register export`: the register, verified and handed over.

use std::{
    collections::HashMap,
    error::Error,
    io::{self, Write},
    path::PathBuf,
};

use jiff::Timestamp;
use privacy_register::{Phase, ReadError, Reader, Record};
use privacy_verify::{terminal::plain, words::Lang};

use super::{
    filter::{self, Filter, Selection},
    html, list, output,
    sheet::{Csv, Json},
    verdict::{self, Verdict},
};

/// What to export, and as what.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("form").required(true).args(["csv", "json", "html"])))]
pub struct Args {
    #[command(flatten)]
    source: verdict::Source,
    /// A spreadsheet: one row per entry, 43 columns (RFC 4180, UTF-8). What a spreadsheet would take for a formula begins with '.
    #[arg(long)]
    csv: bool,
    /// The entries as they stand: an array of {"index", "leaf_hash", "state", "record"}.
    #[arg(long)]
    json: bool,
    /// The paper register: one page that needs nothing else, one row per operation, A4 landscape.
    #[arg(long)]
    html: bool,
    /// File to write, which must be new; standard output when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Exports as asked. What does not verify is exported too, and said not to verify.
pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    args.filter.check()?;
    let french = Lang::is_french(args.lang);
    // In this order: what is read then holds all that was verified.
    let verdict = verdict::of(&args.source);
    let reader = list::open(&args.source.dir);
    // A checkpoint that cannot be read leaves nothing to read by, which the verdict says.
    let reader = match (reader, &verdict.report) {
        (Ok(reader), _) => Some(reader),
        (Err(_), Err(_)) if args.source.dir.join("checkpoint").exists() => None,
        (Err(e), _) => return Err(e),
    };
    // Agents and recipients are for whoever controls, not for whoever can log in.
    let result = output::write(args.out.as_deref(), 0o600, |out| {
        let source = Entries {
            reader: reader.as_ref(),
            verdict: &verdict,
        };
        if args.html {
            let now = Timestamp::now();
            return page(&source, &args.filter, now, french, out);
        }
        let selection = source.select(&args.filter)?;
        if args.csv {
            let mut sheet = Csv::new(out, french)?;
            source.each(&selection, |index, body, record| {
                sheet.add(index, body, record)
            })?;
            sheet.finish()
        } else {
            let mut array = Json::new(out)?;
            source.each(&selection, |index, body, record| {
                array.add(index, body, record)
            })?;
            array.finish()
        }
    });
    result?;
    let mut err = io::stderr();
    // A closed standard error leaves the exit status, which says the same.
    let _ = match &verdict.report {
        Ok(summary) => writeln!(
            err,
            "register verified: yes\n{} root {}",
            summary.entries, summary.root
        ),
        Err(failure) => writeln!(
            err,
            "register verified: NO\n{}",
            plain(failure.text(french))
        ),
    };
    verdict
        .report
        .map(drop)
        .map_err(|failure| plain(&failure.en).into())
}

/// The entries of a register, those that were verified if it verifies.
pub struct Entries<'a> {
    /// `None` when nothing of it can be read.
    pub reader: Option<&'a Reader>,
    /// Whether it verifies.
    pub verdict: &'a Verdict,
}

impl Entries<'_> {
    fn size(&self) -> u64 {
        let read = self.reader.map_or(0, Reader::size);
        // What was appended since is not of what the root speaks.
        self.verdict
            .report
            .as_ref()
            .map_or(read, |summary| summary.entries.min(read))
    }

    /// A register that does not verify is handed over as far as it can be read.
    fn tolerated<T>(&self, result: Result<T, ReadError>) -> Result<Option<T>, Box<dyn Error>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.verdict.report.is_err() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn select(&self, filter: &Filter) -> Result<Selection, Box<dyn Error>> {
        let Some(reader) = self.reader else {
            return Ok(Selection::all());
        };
        let selection = self.tolerated(Selection::new(reader, self.size(), filter))?;
        // Where not all of it can be read, nobody can say what is not wanted.
        Ok(selection.unwrap_or_else(Selection::all))
    }

    /// Hands over the entries of a selection, one by one.
    pub fn each(
        &self,
        selection: &Selection,
        mut use_entry: impl FnMut(u64, &[u8], Option<&Record>) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let Some(reader) = self.reader else {
            return Ok(());
        };
        for entry in reader.iter(0..self.size()) {
            let Some((index, body)) = self.tolerated(entry)? else {
                break;
            };
            let record = Record::from_bytes(&body).ok();
            if selection.has(index, record.as_ref()) {
                use_entry(index, &body, record.as_ref())?;
            }
        }
        Ok(())
    }
}

fn page(
    source: &Entries<'_>,
    filter: &Filter,
    now: Timestamp,
    french: bool,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let selection = source.select(filter)?;
    let mut outcomes: HashMap<u64, html::Outcome> = HashMap::new();
    let mut period: Option<(Timestamp, Timestamp)> = None;
    source.each(&selection, |index, _, record| {
        let Some(record) = record else { return Ok(()) };
        let at = record.timestamp;
        period = Some((period.map_or(at, |(first, _)| first), at));
        let key = filter::key(index, record);
        match record.entry.phase {
            Some(Phase::Segment) => outcomes.entry(key).or_default().segments += 1,
            Some(Phase::Close) => outcomes.entry(key).or_default().close(index, record),
            Some(Phase::Open) | None => {}
        }
        Ok(())
    })?;
    let page = html::Page {
        verdict: source.verdict,
        filter,
        period,
        made: now,
        french,
        not_told: selection.erased,
    };
    out.write_all(page.head().as_bytes())?;
    let mut erased = 0..0;
    let mut shown = 0;
    source.each(&selection, |index, body, record| {
        if body.is_empty() {
            // One row for all entries that were erased one after the other.
            if erased.end != index {
                out.write_all(page.erased(&erased).as_bytes())?;
                erased = index..index;
            }
            erased.end = index + 1;
            return Ok(());
        }
        out.write_all(page.erased(&std::mem::take(&mut erased)).as_bytes())?;
        let Some(record) = record else {
            return Ok(out.write_all(page.unreadable(index).as_bytes())?);
        };
        let key = filter::key(index, record);
        let row = match record.entry.phase {
            // It completes a row, unless that row went with the body of its opening entry.
            Some(Phase::Segment | Phase::Close) => match outcomes.get_mut(&key) {
                Some(outcome) if !outcome.shown => {
                    outcome.shown = true;
                    page.row(index, record, Some(outcome))
                }
                _ => return Ok(()),
            },
            Some(Phase::Open) => {
                let outcome = outcomes.entry(key).or_default();
                outcome.shown = true;
                page.row(index, record, Some(outcome))
            }
            None => page.row(index, record, None),
        };
        shown += 1;
        Ok(out.write_all(row.as_bytes())?)
    })?;
    out.write_all(page.erased(&erased).as_bytes())?;
    Ok(out.write_all(page.foot(shown).as_bytes())?)
}
