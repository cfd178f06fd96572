// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys, mandates, rules and the register of gst-privacy, on the command line.
//!
//! ```sh
//! privacyctl key new --out keys/city-hall
//! privacyctl mandate new --purpose comm.public_publication > publication.toml   # then fill it in
//! privacyctl mandate sign publication.toml --key keys/city-hall.key --out publication.biscuit
//! privacyctl mandate check publication.biscuit --key keys/city-hall.pub \
//!     --camera cam-12 --operator c-0031 --sink-class file
//! ```
//!
//! Exit status: 0 done or allowed, 1 refused or failed, 2 wrong usage.
#![forbid(unsafe_code)]

mod files;
mod keys;
mod mandates;
mod plain;
mod register;
mod rules;

use std::{error::Error, io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use privacy_verify::{terminal, words::Lang};

/// Keys, mandates, rules and register of gst-privacy.
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the keys that sign mandates.
    #[command(subcommand)]
    Key(keys::Command),
    /// Draw up, sign, read and check mandates.
    #[command(subcommand)]
    Mandate(mandates::Command),
    /// Make, verify and read the register.
    #[command(subcommand)]
    Register(register::Command),
    /// Show what each purpose allows and demands.
    #[command(subcommand)]
    Rules(rules::Command),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves the exit status, which says the same.
            let error = terminal::plain_lines(&error.to_string());
            let _ = writeln!(std::io::stderr(), "privacyctl: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Key(command) => keys::run(command),
        Command::Mandate(command) => mandates::run(command),
        Command::Register(command) => register::run(command),
        Command::Rules(command) => rules::run(command),
    }
}
