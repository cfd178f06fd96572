// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl key`: keys that sign mandates.

use std::{error::Error, path::PathBuf};

use clap::Subcommand;
use privacy_policy::key;

use crate::files;

/// Commands about keys.
#[derive(Subcommand)]
pub enum Command {
    /// Make a key pair: NAME (private, mode 0600) and NAME.pub. Nothing is overwritten.
    New {
        /// Path of the private key; the public key goes beside it with `.pub` added.
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
        Command::New { out } => new(out),
        Command::Show { file } => {
            for key in files::public_keys(&file)? {
                println!("{} {}", key::fingerprint(&key), key.algorithm_string());
            }
            Ok(())
        }
    }
}

fn new(private: PathBuf) -> Result<(), Box<dyn Error>> {
    let mut public = private.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    if public.exists() {
        // Before the private half is written, which would then be alone.
        return Err(files::FileError::Exists(public).into());
    }
    let pair = key::generate();
    files::create(&private, 0o600, key::private_pem(&pair)?.as_bytes())?;
    files::create(&public, 0o644, key::public_pem(&pair.public())?.as_bytes())?;
    println!(
        "{}  private, keep it offline / privée, à conserver hors ligne",
        private.display()
    );
    println!(
        "{}  public, for trusted-keys / publique, pour trusted-keys",
        public.display()
    );
    println!("{}", key::fingerprint(&pair.public()));
    Ok(())
}
