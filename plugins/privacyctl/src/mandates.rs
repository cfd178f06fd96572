// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl mandate`: from the form to the decision, and back to nothing.

mod revoke;
mod text;

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use jiff::{Timestamp, civil::Time};
use privacy_policy::{
    Calendar, Conditions, PublicKey, Refusal, Request, Revocations, Rules, SinkClass, decide,
    mandate::{self, Form},
    needs_second_person,
    schedule::{Day, Schedule, Slot},
    time,
};

use crate::{Lang, files, plain, terminal::print};

/// Commands about mandates.
#[derive(Subcommand)]
pub enum Command {
    /// Print an empty form for a purpose, with only the fields that it needs.
    New {
        /// Purpose, as listed by `privacyctl rules show`.
        #[arg(long, value_name = "ID")]
        purpose: String,
        /// Rules file in place of the embedded rules.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
    },
    /// Sign a filled-in form, unless the rules would refuse it.
    Sign {
        /// The form (TOML).
        form: PathBuf,
        /// Private key, mode 0600.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The mandate to write; an earlier one there is replaced.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        law: Law,
    },
    /// Countersign a mandate as its second person, with a key of one's own.
    Countersign {
        /// The mandate.
        mandate: PathBuf,
        /// Public key of who signed it, or a folder of such keys.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Private key of the second person, mode 0600.
        #[arg(long, value_name = "FILE")]
        with: PathBuf,
        /// Who the second person is: a function or a pseudonym.
        #[arg(long, value_name = "WHO")]
        name: String,
        /// In what quality they agree, such as "élu de permanence".
        #[arg(long, value_name = "TEXT")]
        role: String,
        /// The countersigned mandate to write; an earlier one there is replaced.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Say in plain language what a mandate allows.
    Inspect {
        /// The mandate.
        mandate: PathBuf,
        /// Public key of who signed it; without one nothing is verified, and nothing of the content shown.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Language; the locale's when absent.
        #[arg(long, value_enum)]
        lang: Option<Lang>,
        /// Rules file in place of the embedded rules.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
    },
    /// Say whether a mandate would open here and now, and if not why and what to do.
    Check(Box<Check>),
    /// Narrow a mandate without its key: the result allows less, never more.
    #[command(alias = "narrow")]
    Attenuate(Attenuate),
    /// Take a mandate back, with every copy that was narrowed from it.
    Revoke(revoke::Revoke),
    /// Enter an order that suspends a purpose, a camera, one mandate or everything.
    Suspend(revoke::Suspend),
}

/// The files that decide beside the mandate.
#[derive(Args)]
pub struct Law {
    /// Rules file in place of the embedded rules.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Election calendar in place of the embedded one.
    #[arg(long, value_name = "FILE")]
    calendar: Option<PathBuf>,
}

/// A request, as the gate would make it.
#[derive(Args)]
pub struct Check {
    /// The mandate.
    mandate: PathBuf,
    /// Public key of who signed it, or a folder of such keys.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Public keys of those who may countersign, or a folder of them.
    #[arg(long, value_name = "FILE")]
    cosigner_keys: Option<PathBuf>,
    /// What was revoked and suspended.
    #[arg(long, value_name = "FILE")]
    revocation_file: Option<PathBuf>,
    /// Purpose; the mandate's own when absent.
    #[arg(long, value_name = "ID")]
    purpose: Option<String>,
    /// Camera.
    #[arg(long, value_name = "ID")]
    camera: String,
    /// Pseudonym of the operator.
    #[arg(long, value_name = "ID")]
    operator: String,
    /// Where the images go.
    #[arg(long, value_name = "CLASS", value_parser = sink_class)]
    sink_class: SinkClass,
    /// Name of the recipient, where the mandate has several.
    #[arg(long, value_name = "NAME", default_value = "")]
    recipient: String,
    /// The source is live.
    #[arg(long, conflicts_with = "deferred")]
    live: bool,
    /// The source is a recording.
    #[arg(long)]
    deferred: bool,
    /// Instant to judge at, such as 2026-12-01T09:00:00+01:00; now when absent.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    #[command(flatten)]
    law: Law,
}

/// What to narrow a mandate to. Each option that takes a list may be given several times.
#[derive(Args)]
pub struct Attenuate {
    /// The mandate.
    mandate: PathBuf,
    /// Public key of who signed it, or a folder of such keys.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The narrowed mandate to write; an earlier one there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only this camera.
    #[arg(long = "camera", value_name = "ID")]
    cameras: Vec<String>,
    /// Only this operator.
    #[arg(long = "operator", value_name = "ID")]
    operators: Vec<String>,
    /// Only this destination.
    #[arg(long = "sink-class", value_name = "CLASS", value_parser = sink_class)]
    sink_classes: Vec<SinkClass>,
    /// Only this recipient, by name.
    #[arg(long = "recipient", value_name = "NAME")]
    recipients: Vec<String>,
    /// Only in these hours, Paris time, such as "mon-fri 08:00-20:00" or "sat,sun 22:00-04:00".
    #[arg(long = "hours", value_name = "DAYS HOURS", value_parser = slot)]
    hours: Vec<Slot>,
    /// Only from this instant.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only before this instant.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

fn sink_class(word: &str) -> Result<SinkClass, String> {
    SinkClass::from_word(word).ok_or_else(|| {
        let list: Vec<&str> = SinkClass::ALL.iter().map(|c| c.word()).collect();
        format!("one of: {}", list.join(", "))
    })
}

/// Reads `mon-fri,sun 08:00-20:00`.
fn slot(text: &str) -> Result<Slot, String> {
    let usage =
        || "such as \"mon-fri 08:00-20:00\"; days are mon, tue, wed, thu, fri, sat, sun".to_owned();
    let (days, hours) = text.split_once(' ').ok_or_else(usage)?;
    let (from, to) = hours.trim().split_once('-').ok_or_else(usage)?;
    let mut list = Vec::new();
    for part in days.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let place = |word| Day::ALL.iter().position(|day| day.word() == word);
        let (first, last) = (
            place(first).ok_or_else(usage)?,
            place(last).ok_or_else(usage)?,
        );
        list.extend(Day::ALL.get(first..=last).ok_or_else(usage)?);
    }
    // Seconds would be read and then lost.
    let time = |text: &str| {
        (text.len() == 5)
            .then(|| text.parse::<Time>().ok())
            .flatten()
    };
    Ok(Slot {
        days: list,
        from: time(from).ok_or_else(usage)?,
        to: time(to).ok_or_else(usage)?,
    })
}

/// Runs a command about mandates.
pub fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::New { purpose, rules } => new(&purpose, rules.as_deref()),
        Command::Sign {
            form,
            key,
            out,
            law,
        } => sign(&form, &key, &out, &law),
        Command::Countersign {
            mandate,
            key,
            with,
            name,
            role,
            out,
        } => {
            let second = files::private_key(&with)?;
            let keys = files::public_keys(&key)?;
            let token =
                mandate::countersign(&files::read(&mandate)?, &keys, &name, &role, &second)?;
            Ok(files::replace(&out, &token)?)
        }
        Command::Inspect {
            mandate,
            key,
            lang,
            rules,
        } => inspect(&mandate, key.as_deref(), lang, rules.as_deref()),
        Command::Check(command) => check(&command),
        Command::Attenuate(command) => attenuate(command),
        Command::Revoke(command) => revoke::revoke(&command),
        Command::Suspend(command) => revoke::suspend(&command),
    }
}

impl Law {
    fn read(&self) -> Result<(Rules, Option<Calendar>), files::FileError> {
        let rules = files::rules(self.rules.as_deref())?;
        let calendar = self
            .calendar
            .as_deref()
            .map(|path| {
                Calendar::parse(&files::read_text(path)?)
                    .map_err(|e| files::FileError::content(path, e))
            })
            .transpose()?;
        Ok((rules, calendar))
    }
}

fn conditions<'a>(rules: &'a Rules, calendar: Option<&'a Calendar>) -> Conditions<'a> {
    let built_in = Conditions::new(rules);
    Conditions {
        calendar: calendar.unwrap_or(built_in.calendar),
        ..built_in
    }
}

fn new(id: &str, rules: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let rules = files::rules(rules)?;
    let now = Timestamp::now();
    let purpose = rules.open_purpose(id, now)?;
    let mandate_id = uuid::Uuid::new_v4().to_string();
    let day = time::day_of(now);
    print(&mandate::template(&rules, id, purpose, &mandate_id, day))
}

fn sign(form: &Path, key: &Path, out: &Path, law: &Law) -> Result<(), Box<dyn Error>> {
    let (rules, calendar) = law.read()?;
    let pair = files::private_key(key)?;
    let parsed =
        Form::parse(&files::read_text(form)?).map_err(|e| files::FileError::content(form, e))?;
    let conditions = conditions(&rules, calendar.as_ref());
    let token = mandate::sign(&parsed, &conditions, &pair, Timestamp::now())
        .map_err(|e| files::FileError::content(form, e))?;
    files::replace(out, &token)?;
    if rules
        .purpose(&parsed.purpose_id)
        .is_some_and(|purpose| needs_second_person(purpose, &parsed))
    {
        print(
            "This mandate takes two people: have a second one countersign it (privacyctl mandate countersign).\n\
             Ce mandat exige deux personnes : faites-le contresigner (privacyctl mandate countersign).\n",
        )?;
    }
    Ok(())
}

fn inspect(
    path: &Path,
    key: Option<&Path>,
    lang: Option<Lang>,
    rules: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let french = lang.unwrap_or_else(Lang::of_locale) == Lang::Fr;
    let bytes = files::read(path)?;
    let Some(key) = key else {
        let blocks = mandate::outline(&bytes).map_err(|e| files::FileError::content(path, e))?;
        return print(&text::unverified(&blocks, french));
    };
    let rules = files::rules(rules)?;
    let mandate = mandate::verify(&bytes, &files::public_keys(key)?)
        .map_err(Refusal::from)
        .map_err(|refusal| plain::refusal(&refusal, french))?;
    print(&text::mandate(&rules, &mandate, Timestamp::now(), french))
}

fn check(command: &Check) -> Result<(), Box<dyn Error>> {
    let french = command.lang.unwrap_or_else(Lang::of_locale) == Lang::Fr;
    let keys = files::public_keys(&command.key)?;
    let cosigners: Vec<PublicKey> = match &command.cosigner_keys {
        Some(path) => files::public_keys(path)?,
        None => Vec::new(),
    };
    let revocations = match &command.revocation_file {
        Some(path) => files::revocations(path)?,
        None => Revocations::default(),
    };
    let (rules, calendar) = command.law.read()?;
    let conditions = Conditions {
        revocations: &revocations,
        cosigners: &cosigners,
        ..conditions(&rules, calendar.as_ref())
    };
    let verified = mandate::verify(&files::read(&command.mandate)?, &keys).map_err(Refusal::from);
    let decision = verified.and_then(|verified| {
        let request = Request {
            now: command.at.unwrap_or_else(Timestamp::now),
            purpose: command
                .purpose
                .as_deref()
                .unwrap_or(&verified.form.purpose_id),
            camera: &command.camera,
            operator: &command.operator,
            sink_class: command.sink_class,
            recipient: &command.recipient,
            live: (command.live || command.deferred).then_some(command.live),
        };
        decide(&conditions, Some(&verified), &request)
    });
    match decision {
        Ok(grant) => print(&plain::grant(&grant, french)),
        Err(refusal) => Err(plain::refusal(&refusal, french).into()),
    }
}

fn attenuate(command: Attenuate) -> Result<(), Box<dyn Error>> {
    let narrowing = mandate::Narrowing {
        cameras: command.cameras,
        operators: command.operators,
        sink_classes: command.sink_classes,
        recipients: command.recipients,
        from: command.from,
        until: command.until,
        schedule: (!command.hours.is_empty()).then_some(Schedule {
            slots: command.hours,
            except: Vec::new(),
        }),
    };
    let keys = files::public_keys(&command.key)?;
    let narrowed = mandate::narrow(&files::read(&command.mandate)?, &keys, &narrowing)?;
    Ok(files::replace(&command.out, &narrowed)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_they_are_written() {
        assert_eq!(
            slot("mon-wed,sun 08:00-20:30").unwrap().to_string(),
            "mon tue wed sun 08:00-20:30"
        );
        for bad in [
            "",
            "mon",
            "mon 08:00",
            "lun 08:00-20:00",
            "fri-mon 08:00-20:00",
            "mon 8:00-20:00",
            "mon 08:00-24:00",
            "mon 08:00:30-09:00",
        ] {
            assert!(slot(bad).is_err(), "{bad}");
        }
    }
}
