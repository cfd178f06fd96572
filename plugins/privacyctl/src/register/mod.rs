// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register`: make, verify, read and keep the register.

mod agents;
mod export;
mod filter;
mod html;
mod http;
mod list;
mod output;
mod page;
mod prove;
mod report;
pub mod row;
mod sheet;
#[cfg(test)]
mod snapshot;
mod verdict;
mod witness;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use privacy_register::Register;
// Shared with the binary that verifies and does nothing else.
use privacy_verify::{check_file, check_proof, verify};

use crate::{Lang, terminal::print};

/// Entries are kept for three years at the most (art. R. 253-5 CSI), leap day included.
const MAX_KEEP_DAYS: u32 = 3 * 365 + 1;

/// Commands about the register.
#[derive(Subcommand)]
pub enum Command {
    /// Make a register: a directory with a signing key of its own.
    Init {
        /// Directory to make.
        dir: PathBuf,
        /// Name of the register, written into every checkpoint; gst-privacy/ and the host name when absent.
        #[arg(long)]
        origin: Option<String>,
    },
    /// Verify every entry, hash and signature. Exit status 1 when anything is wrong.
    Verify(verify::Args),
    /// Write the proof that one entry, or one frame of one export, stands in the register.
    Prove(prove::Args),
    /// Check that an entry was in a register, or a frame in an export, from the files of its proof alone.
    CheckProof(check_proof::Args),
    /// Say which export a file is: by whom, for what, for whom, when. Exit status 1 when it is none.
    CheckFile(check_file::Args),
    /// Be a witness: cosign what continues the registers of others, and nothing else.
    Witness(witness::Args),
    /// Make the key of a witness.
    #[command(subcommand)]
    WitnessKey(witness::KeyCommand),
    /// Have a witness cosign the register.
    Cosign(witness::CosignArgs),
    /// Show all entries as a table, those asked for, or one of them in full. Verifies nothing.
    #[command(visible_alias = "list")]
    Show {
        /// The register.
        dir: PathBuf,
        /// Entry to show in full.
        #[arg(conflicts_with = "Filter")]
        entry: Option<u64>,
        #[command(flatten)]
        filter: filter::Filter,
        /// Language; the locale's when absent.
        #[arg(long, value_enum)]
        lang: Option<Lang>,
    },
    /// Verify the register and hand it over: as a page that prints as the paper register, as a spreadsheet, or
    /// as it stands. Exit status 1 when it does not verify; the page then says so in red.
    Export(export::Args),
    /// Count what was done in a month, for publication: no agent, camera or recipient, no number below 5.
    Report(report::Args),
    /// Keep the table of who is behind the pseudonyms of agents, apart from the register.
    #[command(subcommand)]
    Agents(agents::Command),
    /// Put a register right after a crash, as the next writer would, and sign what was found.
    Recover {
        /// The register.
        dir: PathBuf,
        /// Signing key; DIR/keys/register.key when absent.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Erase the content of old entries. Their hashes stay, and an entry says what was erased.
    Purge {
        /// The register.
        dir: PathBuf,
        /// Days that entries are kept, at most three years.
        #[arg(long, default_value_t = MAX_KEEP_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_KEEP_DAYS)))]
        keep_days: u32,
        /// Signing key; DIR/keys/register.key when absent.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

/// Runs a command about the register.
pub fn run(command: Command) -> Result<(), Box<dyn Error>> {
    let french = |lang: Option<Lang>| lang.unwrap_or_else(Lang::of_locale) == Lang::Fr;
    match command {
        Command::Init { dir, origin } => init(&dir, origin),
        Command::Verify(args) => verify::run(&args),
        Command::Prove(args) => prove::run(&args),
        Command::CheckProof(args) => check_proof::run(&args),
        Command::CheckFile(args) => check_file::run(&args),
        Command::Witness(args) => witness::run(&args),
        Command::WitnessKey(command) => witness::key(&command),
        Command::Cosign(args) => witness::cosign(&args),
        Command::Show {
            dir,
            entry: Some(index),
            lang,
            ..
        } => list::one(&dir, index, french(lang)),
        Command::Show {
            dir, filter, lang, ..
        } => list::all(&dir, &filter, french(lang)),
        Command::Export(args) => export::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Agents(command) => agents::run(command),
        Command::Recover { dir, key } => {
            let register = Register::open(&dir, key.as_deref())?;
            print(&format!("{} entries, all signed\n", register.size()))
        }
        Command::Purge {
            dir,
            keep_days,
            key,
        } => {
            let now = Timestamp::now();
            let limit = now - SignedDuration::from_hours(24 * i64::from(keep_days));
            let mut register = Register::open(&dir, key.as_deref())?;
            let reason = format!("kept for {keep_days} days (CSI R.253-5)");
            let erased = register.purge(limit, &reason, now)?;
            print(&format!("{erased} entries erased\n"))
        }
    }
}

fn init(dir: &Path, origin: Option<String>) -> Result<(), Box<dyn Error>> {
    let origin = match origin {
        Some(origin) => origin,
        None => {
            let host = ["/proc/sys/kernel/hostname", "/etc/hostname"]
                .into_iter()
                .find_map(|path| fs::read_to_string(path).ok())
                .ok_or("this host has no name; give one with --origin")?;
            format!("gst-privacy/{}", host.trim())
        }
    };
    let register = Register::init(dir, &origin)?;
    print(&format!(
        "register of origin {origin} made in {dir}\n\
         signing key  {dir}/keys/register.key (keep it here, and nowhere else)\n\
         verifier key {dir}/register.pub (give a copy to whoever verifies):\n\
         {key}\n",
        dir = dir.display(),
        key = register.verifier_key()
    ))
}
