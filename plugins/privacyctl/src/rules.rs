// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl rules`: what each purpose allows and demands.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use privacy_policy::rules::BUILTIN;

use crate::{Lang, files, plain, terminal::print};

mod diff;

/// Commands about rules.
#[derive(Subcommand)]
pub enum Command {
    /// Say what a rules file allows more, allows less or says otherwise than the built-in rules.
    Diff {
        /// Rules file of the site.
        file: PathBuf,
        /// Exit with status 1 when anything is looser.
        #[arg(long)]
        looser: bool,
        /// Language; the locale's when absent.
        #[arg(long, value_enum)]
        lang: Option<Lang>,
    },
    /// List the purposes, or show one in full. Also checks a rules file given with --rules.
    Show {
        /// Purpose to show in full.
        purpose: Option<String>,
        /// Rules file in place of the embedded rules.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// Language; the locale's when absent.
        #[arg(long, value_enum)]
        lang: Option<Lang>,
    },
}

/// Runs a command about rules.
pub fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Show {
            purpose,
            rules,
            lang,
        } => show(purpose, rules.as_deref(), lang),
        Command::Diff { file, looser, lang } => compare(&file, looser, lang),
    }
}

fn compare(file: &Path, looser: bool, lang: Option<Lang>) -> Result<(), Box<dyn Error>> {
    // Sound rules only: a fault is told with its line and column.
    files::rules(Some(file))?;
    let text = files::read_text(file)?;
    let found = diff::differences(&toml::from_str(BUILTIN)?, &toml::from_str(&text)?);
    let french = lang.unwrap_or_else(Lang::of_locale) == Lang::Fr;
    print(&diff::report(&found, french))?;
    if looser && found.iter().any(|d| d.effect == diff::Effect::Looser) {
        return Err("this file allows more than the built-in rules / ce fichier est plus permissif que les règles intégrées".into());
    }
    Ok(())
}

fn show(
    purpose: Option<String>,
    rules: Option<&Path>,
    lang: Option<Lang>,
) -> Result<(), Box<dyn Error>> {
    let rules = files::rules(rules)?;
    let french = lang.unwrap_or_else(Lang::of_locale) == Lang::Fr;
    match purpose {
        None => print(&plain::rules(&rules, french)),
        Some(id) => match rules.purpose(&id) {
            Some(purpose) => print(&plain::purpose(&id, purpose, french)),
            None => Err(format!(
                "no purpose \"{id}\" in these rules; list them with privacyctl rules show \
                 / finalité « {id} » inconnue de ces règles"
            )
            .into()),
        },
    }
}
