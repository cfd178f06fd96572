// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verifies registers, proofs and exported files of gst-privacy. Writes nothing, and opens no connection.
#![forbid(unsafe_code)]

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use privacy_verify::{check_file, check_proof, terminal, verify};

/// Verifies registers, proofs and exported files of gst-privacy, without a network.
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Verify every entry, hash and signature of a register. Exit status 1 when anything is wrong.
    Verify(verify::Args),
    /// Check that an entry was in a register, or a frame in an export, from the files of its proof alone.
    CheckProof(check_proof::Args),
    /// Say which export a file is: by whom, for what, for whom, when. Exit status 1 when it is none.
    CheckFile(check_file::Args),
}

fn main() -> ExitCode {
    let done = match &Cli::parse().command {
        Command::Verify(args) => verify::run(args),
        Command::CheckProof(args) => check_proof::run(args),
        Command::CheckFile(args) => check_file::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves the exit status, which says the same.
            let error = terminal::plain_lines(&error.to_string());
            let _ = writeln!(std::io::stderr(), "privacy-verify: {error}");
            ExitCode::FAILURE
        }
    }
}
