// SPDX-License-Identifier: MIT OR Apache-2.0
//! `check-proof`: whether an entry was in a register, or a frame in an export, shown by files alone.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use privacy_register::{
    FRAME_PROOF_FORMAT, FrameError, FrameProof, MAX_ENTRY_SIZE, MAX_PROOF, Policy, Proof,
    ProofError, Record, SignedCheckpoint, VerifierKey,
};

use crate::{
    describe,
    input::{self, Failure},
    terminal::print,
    verify,
    words::{Lang, Lines},
};

/// Longest file of a proof of a frame: the stamps in it may be long.
const MAX_FRAME_PROOF: usize = 2 * 1024 * 1024;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files that privacyctl register prove wrote: entry-N.tlog-proof, entry-N.json, entry-N.frame-K.json.
    /// What belongs to one of them is also looked for beside it.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Verifier key of the register, from somebody you trust.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Policy (C2SP tlog-policy): also check that as many witnesses as it asks for have cosigned.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Also compare the one proven frame with this file of its raw bytes.
    #[arg(long, value_name = "FRAMEFILE")]
    raw: Option<PathBuf>,
    /// Language; the locale's when absent.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Checks as asked.
///
/// # Errors
///
/// When anything does not hold, which is also printed.
pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let french = Lang::is_french(args.lang);
    // The first line is for programs and the same in every language.
    match check(args, french) {
        Ok(text) => print(&format!("proof verified: yes\n{text}")),
        Err(failure) => {
            let text = crate::terminal::plain(failure.text(french));
            print(&format!("proof verified: NO\n{text}\n"))?;
            Err(failure.into())
        }
    }
}

/// One file, by what it holds.
enum Given {
    Proof(Proof),
    Frame(FrameProof),
    Body(Vec<u8>),
}

fn look(path: &Path) -> Result<Given, Failure> {
    let bytes = input::read(path, MAX_FRAME_PROOF.max(MAX_PROOF).max(MAX_ENTRY_SIZE))?;
    let text = std::str::from_utf8(&bytes).ok();
    if let Some(text) = text.filter(|text| text.starts_with("c2sp.org/tlog-proof@")) {
        return named(path, Proof::from_text(text)).map(Given::Proof);
    }
    if let Some(text) = text.filter(|text| is_frame_proof(text)) {
        return named(path, FrameProof::from_json(text)).map(Given::Frame);
    }
    if bytes.len() > MAX_ENTRY_SIZE {
        return Err(Failure {
            en: format!(
                "{}: neither an entry nor a proof; give files that privacyctl register prove wrote",
                path.display()
            ),
            fr: format!(
                "{} : ni mention ni preuve ; donnez des fichiers écrits par privacyctl register prove",
                path.display()
            ),
        });
    }
    // Even one that does not read is an entry that the proof speaks of, or not.
    Ok(Given::Body(bytes))
}

/// By any version of the format, so that another one is refused for what it is.
fn is_frame_proof(text: &str) -> bool {
    let family = FRAME_PROOF_FORMAT.rsplit_once('/').map_or("", |(f, _)| f);
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let format = value.as_ref().and_then(|v| v.get("format")?.as_str());
    format.is_some_and(|format| format.starts_with(family))
}

fn named<T, E: Into<Failure>>(path: &Path, result: Result<T, E>) -> Result<T, Failure> {
    result.map_err(|e| {
        let failure = e.into();
        Failure {
            en: format!("{}: {}", path.display(), failure.en),
            fr: format!("{} : {}", path.display(), failure.fr),
        }
    })
}

/// `entry-7.frame-3.json` without what comes behind `entry-7`.
fn stem(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name
        .strip_suffix(".tlog-proof")
        .or_else(|| name.strip_suffix(".json"))
        .unwrap_or(&name);
    let name = match name.rsplit_once(".frame-") {
        Some((name, _)) => name,
        None => name,
    };
    path.with_file_name(name)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = stem(path).into_os_string();
    name.push(ending);
    name.into()
}

/// What belongs together: an entry, its proof, and proofs of frames of it.
#[derive(Default)]
struct Set {
    /// Path of its files without what tells them apart.
    stem: PathBuf,
    proof: Option<Proof>,
    body: Option<Vec<u8>>,
    frames: Vec<(PathBuf, FrameProof)>,
}

fn sets(files: &[PathBuf]) -> Result<Vec<Set>, Failure> {
    let given: Vec<(&PathBuf, Given)> = files
        .iter()
        .map(|path| Ok((path, look(path)?)))
        .collect::<Result<_, Failure>>()?;
    let count = |kind: fn(&Given) -> bool| given.iter().filter(|(_, given)| kind(given)).count();
    let proofs = count(|given| matches!(given, Given::Proof(_)));
    let bodies = count(|given| matches!(given, Given::Body(_)));
    // One proof and one entry belong together whatever they are called; several are told apart by name.
    let one = proofs <= 1 && bodies <= 1 && proofs + bodies > 0;
    let mut sets: Vec<Set> = Vec::new();
    for (path, given) in given {
        let stem = stem(path);
        let at = match sets.iter().position(|set| one || set.stem == stem) {
            Some(at) => at,
            None => {
                sets.push(Set::default());
                sets.len() - 1
            }
        };
        let set = &mut sets[at];
        if !matches!(given, Given::Frame(_)) || set.stem.as_os_str().is_empty() {
            set.stem = stem;
        }
        match given {
            Given::Proof(proof) => set.proof = Some(proof),
            Given::Body(body) => set.body = Some(body),
            Given::Frame(frame) => set.frames.push((path.clone(), frame)),
        }
    }
    Ok(sets)
}

impl Set {
    /// Looks beside the files that were given for those that were not.
    fn complete(&mut self) -> Result<(Proof, Vec<u8>), Failure> {
        let proof = match self.proof.take() {
            Some(proof) => proof,
            None => {
                let path = beside(&self.stem, ".tlog-proof");
                let bytes = input::read(&path, MAX_PROOF)?;
                named(&path, Proof::from_text(&String::from_utf8_lossy(&bytes)))?
            }
        };
        let body = match self.body.take() {
            Some(body) => body,
            None => input::read(&beside(&self.stem, ".json"), MAX_ENTRY_SIZE)?,
        };
        Ok((proof, body))
    }
}

fn check(args: &Args, french: bool) -> Result<String, Failure> {
    let key = VerifierKey::load(&args.key)?;
    let policy = args.policy.as_deref().map(Policy::load).transpose()?;
    let sets = sets(&args.files)?;
    let frames: usize = sets.iter().map(|set| set.frames.len()).sum();
    if args.raw.is_some() && frames != 1 {
        return Err(Failure {
            en: format!(
                "--raw compares one frame, and {frames} were given; give one entry-N.frame-K.json"
            ),
            fr: format!(
                "--raw compare une image, or {frames} ont été données ; donnez un fichier entry-N.frame-K.json"
            ),
        });
    }
    let mut texts = Vec::new();
    for mut set in sets {
        let (proof, body) = set.complete()?;
        let record = proof.check(&body, &key)?;
        let mut lines = Lines::new(french);
        said(&mut lines, &proof, &record, &key)?;
        if let Some(policy) = &policy {
            let witnessed = policy.check_for(proof.checkpoint(), &key)?;
            verify::witnesses(&mut lines, &witnessed, witnessed.size);
        }
        for (path, frame) in &set.frames {
            named(path, check_frame(frame, &record))?;
            let (n, of) = (frame.frame().n, frame.frames());
            let text = lines.pick(
                format!("{n}, of {of} that were let out (counted from 0)"),
                format!("{n}, sur {of} qui sont sorties (comptées depuis 0)"),
            );
            lines.add("frame", "image", &text);
            describe::frame(&mut lines, frame.frame());
            if let Some(raw) = &args.raw {
                compare(frame, raw)?;
                let text = lines.pick(
                    "the very bytes that were let out",
                    "les octets mêmes qui sont sortis",
                );
                lines.add("raw", "octets", &format!("{}: {text}", raw.display()));
            }
        }
        texts.push(lines.text());
    }
    Ok(texts.join("\n"))
}

/// Adds what was proven of an entry, and of which register.
fn said(
    lines: &mut Lines,
    proof: &Proof,
    record: &Record,
    key: &VerifierKey,
) -> Result<(), Failure> {
    let checkpoint = SignedCheckpoint::verify(proof.checkpoint(), key).map_err(ProofError::from)?;
    lines.add("register", "registre", key.name());
    let place = lines.pick(
        format!(
            "{}, among {} entries signed",
            proof.index(),
            checkpoint.size()
        ),
        format!(
            "{}, parmi {} mentions signées",
            proof.index(),
            checkpoint.size()
        ),
    );
    lines.add("entry", "mention", &place);
    lines.add("root", "racine", &hex::encode(checkpoint.root()));
    describe::entry(lines, record);
    if record.entry.interrupted {
        let text = lines.pick("yes: the end is missing", "oui : la fin manque");
        lines.add("interrupted", "interrompue", text);
    }
    Ok(())
}

/// A tree over frames, as an entry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTree<'a> {
    /// Its root, in hex.
    pub root: &'a str,
    /// Its first frame, counted in the session.
    pub first: u64,
    /// Number of its frames.
    pub frames: u64,
}

impl FrameTree<'_> {
    fn holds(&self, n: u64) -> bool {
        n.checked_sub(self.first).is_some_and(|n| n < self.frames)
    }
}

/// The trees of an entry, the narrowest first: that of its segment, and that of all frames until then.
fn trees(record: &Record) -> impl Iterator<Item = FrameTree<'_>> {
    let segment = record.entry.more.get("segment").and_then(|segment| {
        Some(FrameTree {
            root: segment
                .get("proof_root")?
                .as_str()
                .filter(|r| !r.is_empty())?,
            first: segment.get("first_frame")?.as_u64()?,
            frames: segment.get("frames")?.as_u64()?,
        })
    });
    let all = record.entry.anonymisation.as_ref();
    let all = all.filter(|m| !m.proof_root.is_empty()).map(|m| FrameTree {
        root: &m.proof_root,
        first: 0,
        frames: m.frames_total,
    });
    segment.into_iter().chain(all)
}

/// The tree of frame `n`: of the segment that `record` is about if the frame is one of its frames, else of the
/// session that it closes, or of the session up to that segment.
///
/// # Errors
///
/// When the entry holds none.
pub fn tree_of(record: &Record, n: u64) -> Result<FrameTree<'_>, Failure> {
    trees(record)
        .find(|tree| tree.holds(n))
        .or_else(|| trees(record).last())
        .ok_or_else(|| Failure {
            en: format!(
                "entry {} holds no root of frames; give the closing entry of a session whose frames left by an exit gate",
                record.seq
            ),
            fr: format!(
                "la mention {} ne porte aucune racine d'images ; donnez la mention de clôture d'une session dont les images sont sorties par une porte de sortie",
                record.seq
            ),
        })
}

/// Checks that the frame was let out in the session that `record` closes, or in its segment.
///
/// # Errors
///
/// When the entry has no root of frames, or the frame does not lead to it.
pub fn check_frame(proof: &FrameProof, record: &Record) -> Result<(), Failure> {
    // A proof may be about the segment or about all frames until its end; it says by its first frame and their
    // number which one.
    let tree = trees(record)
        .find(|tree| (tree.first, tree.frames) == (proof.first(), proof.frames()))
        .map_or_else(|| tree_of(record, proof.frame().n), Ok)?;
    proof.check(tree.root)?;
    // The way to the root depends on them: other numbers could make it another frame.
    if (proof.first(), proof.frames()) != (tree.first, tree.frames) {
        return Err(FrameError::Count {
            found: proof.frames(),
            expected: tree.frames,
        }
        .into());
    }
    Ok(())
}

fn compare(proof: &FrameProof, raw: &Path) -> Result<(), Failure> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut input::open(raw)?, &mut hasher).map_err(|e| Failure::of_file(raw, &e))?;
    if hasher.finalize().to_hex().as_str() == proof.frame().frame {
        return Ok(());
    }
    Err(Failure {
        en: format!(
            "{}: these bytes are not those of frame {}; give the frame as it left the gate, undecoded and with its padding",
            raw.display(),
            proof.frame().n
        ),
        fr: format!(
            "{} : ces octets ne sont pas ceux de l'image {} ; donnez l'image telle qu'elle est sortie, non décodée et avec son bourrage",
            raw.display(),
            proof.frame().n
        ),
    })
}
