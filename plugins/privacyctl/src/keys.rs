// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl key`: keys that sign mandates.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use privacy_policy::key;

use crate::{files, terminal::print};

/// Commands about keys.
#[derive(Subcommand)]
pub enum Command {
    /// Make a key pair: NAME.key (private, mode 0600) and NAME.pub. Nothing is overwritten.
    New {
        /// Path of both files, without their endings.
        #[arg(long, value_name = "DIR/NAME")]
        out: PathBuf,
    },
    /// Show the fingerprint of each public key in a file.
    Show {
        /// File of public keys.
        file: PathBuf,
    },
}

/// Runs a command about keys.
pub fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::New { out } => new(&out),
        Command::Show { file } => {
            let keys = files::public_keys(&file)?;
            let lines = keys
                .iter()
                .map(|key| format!("{} {}\n", key::fingerprint(key), key.algorithm_string()));
            print(&lines.collect::<String>())
        }
    }
}

fn new(name: &Path) -> Result<(), Box<dyn Error>> {
    // Appended and not replaced: `city.hall` stays `city.hall.key`.
    let with = |ending: &str| {
        let mut path = name.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    let (private, public) = (with(".key"), with(".pub"));
    if public.exists() {
        // Before the private half is written, which would then be alone.
        return Err(files::FileError::Exists(public).into());
    }
    let pair = key::generate();
    files::create(&private, 0o600, key::private_pem(&pair)?.as_bytes())?;
    files::create(&public, 0o644, key::public_pem(&pair.public())?.as_bytes())?;
    print(&format!(
        "{}  private, keep it offline / privée, à conserver hors ligne\n\
         {}  public, for trusted-keys / publique, pour trusted-keys\n\
         {}\n",
        private.display(),
        public.display(),
        key::fingerprint(&pair.public())
    ))
}
