// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file behind `proof-location`: one line of JSON for every frame let out, from which the leaves of the
//! proof can be computed again.
//!
//! ```text
//! {"n":0,"pts":40000000,"frame":"9f1c…","scan":"gst-privacy-scan, …","mask":"gst-privacy-mask, …"}
//! ```
//!
//! `n` counts from 0 within a session, `pts` is in nanoseconds or null, `frame` is the BLAKE3 hash of the
//! frame's bytes as they left, in hex, and the stamps are the texts of their structures, empty where the frame
//! has none. [`proof::leaf_of`](crate::proof::leaf_of) makes the leaf of these four. No pixel is in it.
//!
//! A line is written before its frame leaves; whatever the disk refuses, it refuses for good, and the frame
//! stays in.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use blake3::Hash;
use privacy_policy::{Refusal, RefusalText};
use rustix::fs::{Access, access};

/// What stands for the session in the name of the file.
const SESSION: &str = "%s";

/// How much is gathered before it goes to the system: some hundred lines.
const GATHERED: usize = 64 * 1024;

/// Why the file cannot be written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FramesError {
    /// An entry gate lets frames in, and only an exit gate proves what it lets out.
    #[error("proof-location is of the exit stage, where frames are let out")]
    NotAtTheExit,
    /// Something is there already.
    #[error("{} exists and is not overwritten", .0.display())]
    Taken(PathBuf),
    /// The file holds the frames of one session, and another one began.
    #[error("{} holds the frames of an earlier session", .0.display())]
    Second(PathBuf),
    /// The system said no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
}

impl FramesError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Taken(path),
            _ => Self::Io {
                path,
                error: Arc::new(error),
            },
        }
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull)
    }

    /// The refusal that the user reads.
    pub fn refusal(&self) -> Refusal {
        let (fr, remedy_en, remedy_fr) = match self {
            Self::NotAtTheExit => (
                "proof-location relève de l'étape exit, où les images sortent".to_owned(),
                "Set it on the purposegate with stage=exit.",
                "Indiquez-le sur le purposegate stage=exit.",
            ),
            Self::Taken(path) => (
                format!("{} existe déjà et n'est pas écrasé", path.display()),
                "Set proof-location to a new name, or write %s in it, which stands for the session.",
                "Donnez à proof-location un nouveau nom, ou écrivez-y %s, qui désigne la session.",
            ),
            Self::Second(path) => (
                format!(
                    "{} contient les images d'une session antérieure",
                    path.display()
                ),
                "Write %s in proof-location: it stands for the session, and each gets a file of its own.",
                "Écrivez %s dans proof-location : chaque session aura son propre fichier.",
            ),
            Self::Io { path, error } => (
                format!("{} : {error}", path.display()),
                "Set proof-location to a name in a folder that this process may write to, on a disk with room.",
                "Indiquez dans proof-location un nom dans un dossier où ce processus peut écrire, sur un disque non plein.",
            ),
        };
        RefusalText {
            code: "PROOF_FILE".to_owned(),
            message_en: format!("The proof of each frame cannot be written: {self}."),
            message_fr: format!("La preuve de chaque image ne peut être écrite : {fr}."),
            remedy_en: remedy_en.to_owned(),
            remedy_fr: remedy_fr.to_owned(),
            legal_ref: "CSI R.253-2, R.253-5".to_owned(),
        }
        .into()
    }
}

/// The lines of one run of an exit gate.
#[derive(Debug)]
pub struct Frames {
    /// As the user gave it.
    location: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The session that frames are let out for.
    session: String,
    open: Option<Open>,
    /// Lines that the system has not been given yet.
    lines: Vec<u8>,
    /// The first failure. It stays: after a failed write nobody knows what the disk holds.
    failed: Option<FramesError>,
}

#[derive(Debug, Clone)]
struct Open {
    file: Arc<File>,
    path: PathBuf,
    /// Whose frames it holds; empty as long as it holds none.
    session: String,
}

impl Frames {
    /// The file at `location`, where `%s` stands for the session. Without it the file is made at once, and
    /// is for one session.
    ///
    /// # Errors
    ///
    /// When the name is taken, or nothing can be written there.
    pub fn new(location: &str) -> Result<Self, FramesError> {
        let frames = Self {
            location: location.to_owned(),
            inner: Mutex::new(Inner {
                lines: Vec::with_capacity(2 * GATHERED),
                ..Inner::default()
            }),
        };
        if location.contains(SESSION) {
            // The file is made when its session is known; a folder that cannot be used shows now.
            let folder = parent(Path::new(location));
            access(folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|e| FramesError::io(folder)(e.into()))?;
        } else {
            let open = Open::create(location.into(), String::new())?;
            frames.inner.lock().unwrap().open = Some(open);
        }
        Ok(frames)
    }

    /// Frames are let out for `session` from now on, counted from 0.
    pub fn begin(&self, session: &str) {
        let mut inner = self.inner.lock().unwrap();
        session.clone_into(&mut inner.session);
    }

    /// Writes the line of the frame that is about to leave as the `n`-th of its session.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or written. The frame must then stay, and so must all that follow.
    pub fn write(
        &self,
        n: u64,
        pts: Option<u64>,
        frame: &Hash,
        scan: &str,
        mask: &str,
    ) -> Result<(), FramesError> {
        let mut inner = self.inner.lock().unwrap();
        if let Some(failed) = &inner.failed {
            return Err(failed.clone());
        }
        if n == 0 {
            let ended = inner.turn_to_session(&self.location)?;
            if let Some(ended) = ended {
                // Between two sessions, so nobody waits for it but the first frame of the next.
                drop(inner);
                self.settle(&ended)?;
                inner = self.inner.lock().unwrap();
            }
        }
        line(&mut inner.lines, n, pts, frame, scan, mask);
        if inner.lines.len() >= GATHERED {
            inner.hand_over()?;
        }
        Ok(())
    }

    /// Makes all that was written durable.
    ///
    /// # Errors
    ///
    /// When it cannot be; nothing can be written any more then.
    pub fn sync(&self) -> Result<(), FramesError> {
        let open = {
            let mut inner = self.inner.lock().unwrap();
            inner.hand_over()?;
            inner.open.clone()
        };
        // Frames go on meanwhile.
        match open {
            Some(open) if !open.session.is_empty() => self.settle(&open),
            _ => Ok(()),
        }
    }

    /// The run is over. A file that holds nothing goes, so that its name is free for the next run.
    ///
    /// # Errors
    ///
    /// As [`Frames::sync`].
    pub fn finish(&self) -> Result<(), FramesError> {
        self.sync()?;
        let open = self.inner.lock().unwrap().open.take();
        if let Some(open) = open.filter(|open| open.session.is_empty()) {
            open.remove();
        }
        Ok(())
    }

    fn settle(&self, open: &Open) -> Result<(), FramesError> {
        let done = open.file.sync_all().and_then(|()| {
            // The name, too, must outlive a power cut.
            File::open(parent(&open.path))?.sync_all()
        });
        done.map_err(|e| self.inner.lock().unwrap().fail(&open.path, e))
    }
}

impl Inner {
    /// Makes the file of the session that begins. Gives back the file of the one before.
    fn turn_to_session(&mut self, location: &str) -> Result<Option<Open>, FramesError> {
        self.hand_over()?;
        let session = self.session.clone();
        let made = match &mut self.open {
            Some(open) if open.session.is_empty() => {
                // Made when the gate started. An empty name is one all the same.
                open.session = if session.is_empty() {
                    "-".into()
                } else {
                    session
                };
                return Ok(None);
            }
            Some(open) if !location.contains(SESSION) => {
                Err(FramesError::Second(open.path.clone()))
            }
            _ => {
                let name = file_name(&session);
                Open::create(location.replace(SESSION, &name).into(), name)
            }
        };
        match made {
            Ok(open) => Ok(self.open.replace(open)),
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Gives the gathered lines to the system.
    fn hand_over(&mut self) -> Result<(), FramesError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let Some(open) = &self.open else {
            return Ok(());
        };
        match (&*open.file).write_all(&self.lines) {
            Ok(()) => {
                self.lines.clear();
                Ok(())
            }
            Err(e) => {
                let path = open.path.clone();
                Err(self.fail(&path, e))
            }
        }
    }

    fn fail(&mut self, path: &Path, error: io::Error) -> FramesError {
        let first = || FramesError::io(path)(error);
        self.failed.get_or_insert_with(first).clone()
    }
}

impl Open {
    fn create(path: PathBuf, session: String) -> Result<Self, FramesError> {
        // Never over something else, and never through a link that somebody has laid there.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(FramesError::io(&path))?;
        Ok(Self {
            file: Arc::new(file),
            path,
            session,
        })
    }

    /// Removes the file, if its name is still its own. It is empty, so what remains of it harms nobody.
    fn remove(&self) {
        let ours = self.file.metadata().and_then(|ours| {
            let named = fs::symlink_metadata(&self.path)?;
            Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino()) && ours.len() == 0)
        });
        if matches!(ours, Ok(true)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The folder of a file; that of a bare name is the working folder.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A session's name within the name of a file: its own if it is plain, else a hash of it.
fn file_name(session: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !session.is_empty()
        && session.len() <= 64
        && !session.starts_with('.')
        && session.chars().all(plain)
    {
        session.to_owned()
    } else {
        blake3::hash(session.as_bytes()).to_hex().to_string()
    }
}

/// Adds one line. Nothing is allocated but what the lines take.
fn line(lines: &mut Vec<u8>, n: u64, pts: Option<u64>, frame: &Hash, scan: &str, mask: &str) {
    // Writing to memory cannot fail.
    let _ = match pts {
        Some(pts) => write!(lines, "{{\"n\":{n},\"pts\":{pts},\"frame\":\""),
        None => write!(lines, "{{\"n\":{n},\"pts\":null,\"frame\":\""),
    };
    lines.extend_from_slice(frame.to_hex().as_bytes());
    for (field, text) in [("\",\"scan\":\"", scan), ("\",\"mask\":\"", mask)] {
        lines.extend_from_slice(field.as_bytes());
        for &byte in text.as_bytes() {
            match byte {
                b'"' | b'\\' => lines.extend_from_slice(&[b'\\', byte]),
                // RFC 8259 §7 wants these escaped, and nothing else.
                0..0x20 => {
                    let _ = write!(lines, "\\u{byte:04x}");
                }
                _ => lines.push(byte),
            }
        }
    }
    lines.extend_from_slice(b"\"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, impl Fn(&str) -> String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        (folder, move |name: &str| {
            path.join(name).to_str().unwrap().to_owned()
        })
    }

    fn write(frames: &Frames, n: u64) -> Result<(), FramesError> {
        frames.write(n, Some(n), &blake3::hash(b"frame"), "scan", "mask")
    }

    #[test]
    fn a_line_is_json_whatever_the_stamps_say() {
        let stamp = "a, b=\"é\\ \u{1}\n\u{2028}\";";
        let mut lines = Vec::new();
        line(&mut lines, 7, Some(9), &blake3::hash(b"x"), stamp, "");
        line(&mut lines, 8, None, &blake3::hash(b"x"), "", stamp);
        let text = String::from_utf8(lines).unwrap();
        let read: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            read,
            [
                serde_json::json!({"n": 7, "pts": 9, "frame": blake3::hash(b"x").to_hex().as_str(), "scan": stamp, "mask": ""}),
                serde_json::json!({"n": 8, "pts": null, "frame": blake3::hash(b"x").to_hex().as_str(), "scan": "", "mask": stamp}),
            ]
        );
    }

    #[test]
    fn only_new_files_that_nobody_else_reads_are_written() {
        let (_tmp, at) = folder();
        let frames = Frames::new(&at("f")).unwrap();
        frames.begin("s");
        write(&frames, 0).unwrap();
        assert!(fs::read(at("f")).unwrap().is_empty(), "lines are gathered");
        frames.sync().unwrap();
        assert_eq!(fs::read_to_string(at("f")).unwrap().lines().count(), 1);
        assert_eq!(fs::metadata(at("f")).unwrap().mode() & 0o777, 0o600);
        frames.finish().unwrap();
        assert!(matches!(Frames::new(&at("f")), Err(FramesError::Taken(_))));
        std::os::unix::fs::symlink(at("elsewhere"), at("link")).unwrap();
        assert!(matches!(
            Frames::new(&at("link")),
            Err(FramesError::Taken(_))
        ));
        assert!(matches!(
            Frames::new(&at("none/f")),
            Err(FramesError::Io { .. })
        ));
        assert!(matches!(
            Frames::new(&at("none/%s")),
            Err(FramesError::Io { .. })
        ));
    }

    #[test]
    fn a_run_that_let_nothing_out_leaves_no_file() {
        let (_tmp, at) = folder();
        let frames = Frames::new(&at("f")).unwrap();
        frames.begin("s");
        frames.finish().unwrap();
        assert!(!Path::new(&at("f")).exists());
        let frames = Frames::new(&at("f")).unwrap();
        fs::remove_file(at("f")).unwrap();
        fs::write(at("f"), "").unwrap();
        frames.finish().unwrap();
        assert!(Path::new(&at("f")).exists(), "somebody else's stays");
    }

    #[test]
    fn each_session_has_a_file_of_its_own() {
        let (_tmp, at) = folder();
        let frames = Frames::new(&at("f-%s.jsonl")).unwrap();
        for session in ["one", "../two"] {
            frames.begin(session);
            write(&frames, 0).unwrap();
            write(&frames, 1).unwrap();
        }
        let lines = |name: &str| fs::read_to_string(at(name)).unwrap().lines().count();
        assert_eq!(lines("f-one.jsonl"), 2, "complete once the next begins");
        frames.finish().unwrap();
        let hash = blake3::hash(b"../two").to_hex();
        assert_eq!(lines(&format!("f-{hash}.jsonl")), 2);

        let frames = Frames::new(&at("g")).unwrap();
        frames.begin("one");
        write(&frames, 0).unwrap();
        frames.begin("two");
        assert!(matches!(write(&frames, 0), Err(FramesError::Second(_))));
        assert!(matches!(write(&frames, 1), Err(FramesError::Second(_))));
    }

    #[test]
    fn a_full_disk_ends_it_for_good() {
        let full = Open {
            file: Arc::new(OpenOptions::new().write(true).open("/dev/full").unwrap()),
            path: "/dev/full".into(),
            session: "s".into(),
        };
        let frames = |open: Open| Frames {
            location: "f".into(),
            inner: Mutex::new(Inner {
                open: Some(open),
                ..Default::default()
            }),
        };
        let gathering = frames(full.clone());
        let failed = (1..10_000).find_map(|n| write(&gathering, n).err());
        assert!(failed.unwrap().is_full());
        assert!(write(&gathering, 0).unwrap_err().is_full());
        let asked = frames(full);
        write(&asked, 1).unwrap();
        assert!(
            asked.sync().unwrap_err().is_full(),
            "it would not be durable"
        );
        assert!(write(&asked, 2).unwrap_err().is_full());
        assert!(asked.finish().unwrap_err().is_full());
    }

    #[test]
    fn every_error_speaks_both_languages() {
        let path = PathBuf::from("f");
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for error in [
            FramesError::NotAtTheExit,
            FramesError::Taken(path.clone()),
            FramesError::Second(path.clone()),
            FramesError::io(&path)(full),
        ] {
            let refusal = error.refusal();
            assert!(refusal.text(false).contains("proof-location"), "{error}");
            assert!(refusal.text(true).contains("proof-location"), "{error}");
            assert_ne!(refusal.message_en, refusal.message_fr);
        }
    }
}
