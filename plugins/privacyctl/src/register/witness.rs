// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register witness`, `witness-key` and `cosign`: both sides of a witness.

use std::{
    error::Error,
    io::Write as _,
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Subcommand;
use jiff::Timestamp;
use privacy_register::{
    Register, VerifierKey, WitnessKey, WitnessVerifier,
    witness::{MAX_REQUEST, WitnessState, submit},
};
use privacy_verify::words::{Lang, local};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::http::{self, Reply};
use crate::{
    files,
    terminal::{plain, print},
};

/// Commands about the keys of witnesses.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key pair: NAME.key (private, mode 0600) and NAME.pub. Nothing is overwritten.
    New {
        /// Name of the witness, without spaces and plus signs, such as witness.example/csu.
        #[arg(long)]
        name: String,
        /// Path of both files, without their endings.
        #[arg(long, value_name = "DIR/NAME")]
        out: PathBuf,
    },
}

/// How to run a witness.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port to listen on, such as 127.0.0.1:8080. TLS is the business of a proxy before it.
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// Private key of the witness, that witness-key new made.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Directory of what was cosigned. It goes with the key: without it the witness could sign two histories.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Make the state of a new witness first, in a directory that is empty or not there.
    #[arg(long)]
    init: bool,
    /// Verifier key of each register to cosign for: its text, or a file that holds it (register.pub).
    #[arg(long, value_name = "VKEY", num_args = 1.., required = true)]
    log: Vec<String>,
}

/// Whom to ask for a cosignature.
#[derive(Debug, clap::Args)]
pub struct CosignArgs {
    /// The register.
    dir: PathBuf,
    /// Address of the witness, before /add-checkpoint.
    #[arg(long, value_name = "URL")]
    witness: String,
    /// Verifier key of the witness (NAME.pub).
    #[arg(long, value_name = "FILE")]
    witness_key: PathBuf,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// How long a witness has to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command about keys of witnesses.
pub fn key(command: &KeyCommand) -> Result<(), Box<dyn Error>> {
    let KeyCommand::New { name, out } = command;
    // Appended and not replaced: `city.hall` stays `city.hall.key`.
    let with = |ending: &str| {
        let mut path = out.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    let (private, public) = (with(".key"), with(".pub"));
    if public.exists() {
        // Before the private half is written, which would then be alone.
        return Err(files::FileError::Exists(public).into());
    }
    let key = WitnessKey::generate(name)?;
    key.save(&private)?;
    let verifier = key.verifier().to_string();
    files::create(&public, 0o644, format!("{verifier}\n").as_bytes())?;
    print(&format!(
        "{}  private, keep it on the host of the witness / privée, à garder sur la machine du témoin\n\
         {}  public, for registers and for policies / publique, pour les registres et les politiques\n\
         {verifier}\n",
        private.display(),
        public.display(),
    ))
}

/// Answers requests for cosignatures until SIGINT or SIGTERM.
pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let key = WitnessKey::load(&args.key)?;
    let logs = args
        .log
        .iter()
        .map(|log| verifier(log))
        .collect::<Result<Vec<_>, _>>()?;
    if args.init {
        WitnessState::init(&args.state, &key)?;
    }
    let state = WitnessState::open(&args.state, key, &logs)?;
    // Before anybody can be told the address, so that no signal is lost.
    let (stopped, stop) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, stop.try_clone()?)?;
    }
    let listener = TcpListener::bind(&args.listen).map_err(|e| {
        format!(
            "--listen {}: {e}; choose another address or port / choisissez une autre adresse",
            args.listen
        )
    })?;
    let mut text = format!("witness   {}\n", plain(&state.verifier().to_string()));
    for log in state.logs() {
        text += &format!("log       {}\n", plain(&log.to_string()));
    }
    print(&format!(
        "{text}listening http://{}\n",
        listener.local_addr()?
    ))?;
    let max_body = usize::try_from(MAX_REQUEST)?;
    http::serve(&listener, &stopped, max_body, |method, path, body| {
        let answer = state.answer(method, path, body);
        tell(answer.status, method, path, body, &answer.body);
        Reply {
            status: answer.status,
            content_type: answer.content_type,
            body: answer.body,
        }
    })?;
    print("stopped\n")
}

/// Says what was not cosigned, and why: whoever runs a witness must hear of a fork.
fn tell(status: u16, method: &str, path: &str, body: &[u8], answer: &[u8]) {
    if status == 200 {
        return;
    }
    let origin = origin(body).unwrap_or_default();
    let said = String::from_utf8_lossy(answer);
    let line = format!(
        "{} {status} {method} {path} {origin}: {}",
        Timestamp::now(),
        said.lines().next().unwrap_or_default()
    );
    let line: String = plain(&line).chars().take(400).collect();
    // A closed standard error is no reason to stop witnessing.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Origin that a request claims, on the first line of its checkpoint.
fn origin(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, checkpoint) = text.split_once("\n\n")?;
    checkpoint.lines().next().map(str::to_owned)
}

/// The key in a file, or in the text itself.
fn verifier(log: &str) -> Result<VerifierKey, Box<dyn Error>> {
    if let Ok(key) = VerifierKey::from_text(log) {
        return Ok(key);
    }
    Ok(VerifierKey::load(Path::new(log))?)
}

/// Has the register cosigned.
pub fn cosign(args: &CosignArgs) -> Result<(), Box<dyn Error>> {
    let french = Lang::is_french(args.lang);
    let witness = WitnessVerifier::load(&args.witness_key)?;
    // Where the key is, what waits for being published is; elsewhere, what was published is cosigned.
    let key = if args.dir.join("keys/register.key").exists() {
        let mut register = Register::open(&args.dir, None)?;
        register.checkpoint()?;
        register.verifier_key()
    } else {
        VerifierKey::load(&args.dir.join("register.pub"))?
    };
    let cosigned = submit(&args.witness, &args.dir, &key, &witness, PATIENCE)?;
    let (time, name) = (local(cosigned.time), plain(&cosigned.witness));
    print(&if french {
        format!(
            "{} mentions cosignées par {name} le {time}\n",
            cosigned.size
        )
    } else {
        format!("{} entries cosigned by {name} at {time}\n", cosigned.size)
    })
}
