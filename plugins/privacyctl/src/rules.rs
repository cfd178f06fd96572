// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl rules`: what each purpose allows and demands.

use std::{error::Error, path::PathBuf};

use clap::Subcommand;

use crate::{Lang, files, plain, terminal::print};

/// Commands about rules.
#[derive(Subcommand)]
pub enum Command {
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
    let Command::Show {
        purpose,
        rules,
        lang,
    } = command;
    let rules = files::rules(rules.as_deref())?;
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
