// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register agents`: who is behind the pseudonyms of the register.
//!
//! A name never stands on a command line, which everybody on the machine can read and the shell remembers.

use std::{
    error::Error,
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use privacy_register::AgentTable;
use privacy_verify::{
    terminal::{plain, print},
    words::{Lang, local},
};

use super::row::pick;

/// Longest line that is read, in bytes: more than any name.
const LONGEST: u64 = 4096;

/// Commands about the table of agents.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give an agent a new random pseudonym, for use in mandates and in the register. The name is read from standard
    /// input. Makes the table if there is none.
    Add(Args),
    /// List the pseudonyms and since when they are in use; names only with --names.
    List {
        #[command(flatten)]
        args: Args,
        /// Show the names too.
        #[arg(long)]
        names: bool,
    },
    /// Say who is behind a pseudonym.
    Name {
        #[command(flatten)]
        args: Args,
        /// The pseudonym.
        pseudonym: String,
    },
    /// Erase the name behind a pseudonym. The entries of the register stay, and nobody can say any more whose they are.
    Forget {
        #[command(flatten)]
        args: Args,
        /// The pseudonym.
        pseudonym: String,
    },
    /// Erase all names for good. The word that confirms it is read from standard input.
    Destroy(Args),
}

/// Which table.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The table, kept apart from the register: it alone says who is who.
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Runs a command about the table of agents.
pub fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Add(args) => add(&args),
        Command::List { args, names } => list(&args, names),
        Command::Name { args, pseudonym } => {
            let name = AgentTable::open(&args.table)?.name_of(&pseudonym)?;
            let name = name.ok_or_else(|| unknown(&pseudonym, &args.table))?;
            print(&format!("{}\n", plain(&name)))
        }
        Command::Forget { args, pseudonym } => {
            if !AgentTable::open(&args.table)?.forget(&pseudonym)? {
                return Err(unknown(&pseudonym, &args.table).into());
            }
            let text = pick(Lang::is_french(args.lang), "forgotten", "oublié");
            print(&format!("{} {text}\n", plain(&pseudonym)))
        }
        Command::Destroy(args) => destroy(&args),
    }
}

fn unknown(pseudonym: &str, table: &Path) -> String {
    format!(
        "{} holds no agent \"{pseudonym}\"; list them with privacyctl register agents list \
         / pseudonyme inconnu de cette table",
        table.display()
    )
}

fn add(args: &Args) -> Result<(), Box<dyn Error>> {
    let french = Lang::is_french(args.lang);
    // Before the name is asked for: nobody types it for nothing.
    let table = match args.table.try_exists() {
        Ok(false) => AgentTable::create(&args.table)?,
        Ok(true) | Err(_) => AgentTable::open(&args.table)?,
    };
    let name = line(
        pick(french, "Name of the agent: ", "Nom de l'agent : "),
        french,
    )?;
    print(&format!("{}\n", table.add(&name)?))
}

fn list(args: &Args, names: bool) -> Result<(), Box<dyn Error>> {
    let agents = AgentTable::open(&args.table)?.list()?;
    let mut text = String::new();
    for agent in agents {
        let line = match names {
            true => format!(
                "{}  {}  {}",
                agent.pseudonym,
                local(agent.added),
                agent.name
            ),
            false => format!("{}  {}", agent.pseudonym, local(agent.added)),
        };
        text += &plain(&line);
        text.push('\n');
    }
    print(&text)
}

fn destroy(args: &Args) -> Result<(), Box<dyn Error>> {
    let french = Lang::is_french(args.lang);
    let table = AgentTable::open(&args.table)?;
    let agents = table.list()?.len();
    let question = match french {
        false => format!(
            "This erases the names of {agents} agents for good. Type \"destroy\" to go on: "
        ),
        true => format!(
            "Ceci efface définitivement le nom de {agents} agents. Tapez « détruire » pour continuer : "
        ),
    };
    let answer = line(&question, french)?;
    if !matches!(answer.trim(), "destroy" | "détruire") {
        return Err(
            "nothing was erased; type \"destroy\" to erase the table / rien n'a été effacé".into(),
        );
    }
    table.destroy()?;
    print(match french {
        false => "destroyed; copies of the file elsewhere, as in backups, are for you to erase\n",
        true => {
            "détruite ; les copies du fichier, ainsi dans les sauvegardes, sont à effacer par vous\n"
        }
    })
}

/// One line of standard input, asked for where somebody sits at it.
fn line(question: &str, french: bool) -> Result<String, Box<dyn Error>> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        // Not to standard output, which may go into a file.
        let mut err = io::stderr();
        write!(err, "{question}")?;
        err.flush()?;
    }
    let mut text = String::new();
    let read = input.take(LONGEST).read_line(&mut text);
    if read.is_err() || !text.ends_with('\n') && text.len() as u64 >= LONGEST {
        // No word of what was typed: it may be half a name.
        return Err(pick(
            french,
            "standard input is no line of text in UTF-8; type it anew",
            "l'entrée n'est pas une ligne de texte en UTF-8 ; recommencez",
        )
        .into());
    }
    Ok(text.trim().to_owned())
}
