// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl mandate`: from the form to the decision.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use jiff::Timestamp;
use privacy_policy::{
    Conditions, Request, SinkClass, decide,
    mandate::{self, Form},
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
        /// Rules file in place of the embedded rules.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
    },
    /// Say in plain language what a mandate allows.
    Inspect {
        /// The mandate.
        mandate: PathBuf,
        /// Public key of who signed it; without one nothing is verified.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Language; the locale's when absent.
        #[arg(long, value_enum)]
        lang: Option<Lang>,
        /// Rules file in place of the embedded rules.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
    },
    /// Say whether a mandate would open, and if not why and what to do.
    Check {
        /// The mandate.
        mandate: PathBuf,
        /// Public key of who signed it.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
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
        /// Rules file in place of the embedded rules.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
    },
    /// Narrow a mandate without its key: the result allows less, never more.
    Narrow {
        /// The mandate.
        mandate: PathBuf,
        /// Public key of who signed it.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The narrowed mandate to write; an earlier one there is replaced.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Only this camera.
        #[arg(long, value_name = "ID")]
        camera: Option<String>,
        /// Only this operator.
        #[arg(long, value_name = "ID")]
        operator: Option<String>,
        /// Only this destination.
        #[arg(long, value_name = "CLASS", value_parser = sink_class)]
        sink_class: Option<SinkClass>,
        /// Only before this instant.
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
    },
}

fn sink_class(word: &str) -> Result<SinkClass, String> {
    SinkClass::from_word(word).ok_or_else(|| {
        let list: Vec<&str> = SinkClass::ALL.iter().map(|c| c.word()).collect();
        format!("one of: {}", list.join(", "))
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
            rules,
        } => sign(&form, &key, &out, rules.as_deref()),
        Command::Inspect {
            mandate,
            key,
            lang,
            rules,
        } => inspect(&mandate, key.as_deref(), lang, rules.as_deref()),
        Command::Check {
            mandate,
            key,
            purpose,
            camera,
            operator,
            sink_class,
            live,
            deferred,
            at,
            lang,
            rules,
        } => {
            let keys = files::public_keys(&key)?;
            let rules = files::rules(rules.as_deref())?;
            let french = lang.unwrap_or_else(Lang::of_locale) == Lang::Fr;
            let verified = mandate::verify(&files::read(&mandate)?, &keys)
                .map_err(privacy_policy::Refusal::from);
            let decision = verified.and_then(|verified| {
                let request = Request {
                    now: at.unwrap_or_else(Timestamp::now),
                    purpose: purpose.as_deref().unwrap_or(&verified.form.purpose_id),
                    camera: &camera,
                    operator: &operator,
                    sink_class,
                    live: (live || deferred).then_some(live),
                };
                decide(&Conditions::new(&rules), Some(&verified), &request)
            });
            match decision {
                Ok(grant) => print(&plain::grant(&grant, french)),
                Err(refusal) => Err(plain::refusal(&refusal, french).into()),
            }
        }
        Command::Narrow {
            mandate,
            key,
            out,
            camera,
            operator,
            sink_class,
            until,
        } => {
            let narrowing = mandate::Narrowing {
                camera,
                operator,
                sink_class,
                until,
            };
            let keys = files::public_keys(&key)?;
            let narrowed = mandate::narrow(&files::read(&mandate)?, &keys, &narrowing)?;
            Ok(files::replace(&out, &narrowed)?)
        }
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

fn sign(form: &Path, key: &Path, out: &Path, rules: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let rules = files::rules(rules)?;
    let pair = files::private_key(key)?;
    let parsed =
        Form::parse(&files::read_text(form)?).map_err(|e| files::FileError::content(form, e))?;
    let token = mandate::sign(&parsed, &Conditions::new(&rules), &pair, Timestamp::now())
        .map_err(|e| files::FileError::content(form, e))?;
    Ok(files::replace(out, &token)?)
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
        let source =
            mandate::unverified_source(&bytes).map_err(|e| files::FileError::content(path, e))?;
        return print(&plain::unverified(&source, french));
    };
    let rules = files::rules(rules)?;
    let mandate = mandate::verify(&bytes, &files::public_keys(key)?)
        .map_err(privacy_policy::Refusal::from)
        .map_err(|refusal| plain::refusal(&refusal, french))?;
    print(&plain::mandate(&rules, &mandate, Timestamp::now(), french))
}
