// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register prove`: the files that show, without the register, that one entry stands in it, or that
//! one frame was let out in one export.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use privacy_register::{
    FrameProof, ProofError, ReadError, Reader, Record, Register, prove, prove_frame_within,
};
use privacy_verify::{check_proof, input::Failure, words::Lang};

use crate::{
    files,
    terminal::{plain, print},
};

/// What to prove.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The register.
    dir: PathBuf,
    /// Number of the entry.
    entry: u64,
    /// Folder for the files; made when absent.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// File of frames that purposegate wrote (proof-location), with --frame: the entry is then the closing one.
    #[arg(long, value_name = "FILE", requires = "frame")]
    frames: Option<PathBuf>,
    /// Number of the frame, counted from 0. The files tell nothing of the other frames.
    #[arg(long, value_name = "K", requires = "frames")]
    frame: Option<u64>,
    /// Verifier key, from elsewhere than the register; DIR/register.pub when absent.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Writes the files.
pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let french = Lang::is_french(args.lang);
    let written = write(args).map_err(|failure| plain(failure.text(french)))?;
    let text: String = written
        .iter()
        .map(|path| plain(&path.display().to_string()) + "\n")
        .collect();
    print(&text)
}

fn write(args: &Args) -> Result<Vec<PathBuf>, Failure> {
    let key = privacy_verify::input::key_of(&args.dir, args.key.as_deref())?;
    let proof = match prove(&args.dir, &key, args.entry) {
        // It may stand in the journal, under a signature that is no checkpoint yet.
        Err(ProofError::Read(ReadError::Beyond { .. })) if publish(&args.dir) => {
            prove(&args.dir, &key, args.entry)?
        }
        other => other?,
    };
    let body = Reader::open(&args.dir)?.body(args.entry)?;
    // Nothing is handed out that would not pass.
    let record = proof.check(&body, &key)?;
    let frame = match (&args.frames, args.frame) {
        (Some(path), Some(k)) => Some(frame(path, k, &record)?),
        _ => None,
    };
    fs::create_dir_all(&args.out).map_err(|e| Failure::of_file(&args.out, &e))?;
    let at = |ending: &str| args.out.join(format!("entry-{}{ending}", args.entry));
    let mut written = Vec::new();
    let mut put = |path: PathBuf, bytes: &[u8]| {
        keep(&path, bytes)?;
        written.push(path);
        Ok::<(), Failure>(())
    };
    put(at(".json"), &body)?;
    put(at(".tlog-proof"), proof.to_text().as_bytes())?;
    if let Some(frame) = frame {
        let json = frame.to_json()? + "\n";
        put(
            at(&format!(".frame-{}.json", frame.frame().n)),
            json.as_bytes(),
        )?;
    }
    Ok(written)
}

/// Publishes what waits in the register, where its key is at hand. Whether that was done.
fn publish(dir: &Path) -> bool {
    dir.join("keys/register.key").exists()
        && Register::open(dir, None).is_ok_and(|mut register| register.checkpoint().is_ok())
}

fn frame(path: &Path, k: u64, record: &Record) -> Result<FrameProof, Failure> {
    let tree = check_proof::tree_of(record, k)?;
    let proof = prove_frame_within(path, k, tree.first, tree.frames)?;
    check_proof::check_frame(&proof, record)?;
    Ok(proof)
}

/// Writes a new file, unless the very same is there: a second frame of one export comes with the same entry.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    match files::create(path, 0o640, bytes) {
        Err(files::FileError::Exists(_)) if fs::read(path).is_ok_and(|there| there == bytes) => {
            Ok(())
        }
        Err(e) => Err(Failure {
            en: e.to_string(),
            fr: e.to_string(),
        }),
        Ok(()) => Ok(()),
    }
}
