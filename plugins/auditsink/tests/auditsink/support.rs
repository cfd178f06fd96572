// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Once,
};

use gst::prelude::*;
use gstauditsink::auditsink::{Message, MessageError};
use privacy_common::{AuditRequest, PROOF_QUERY, Proof};
use privacy_register::{Reader, Record, Register, VerifierKey, VerifyError, verify};

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstauditsink::plugin_register_static().unwrap();
    });
}

pub struct Site {
    pub tmp: tempfile::TempDir,
    pub register: PathBuf,
}

impl Site {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    pub fn within(folder: &Path) -> Self {
        init();
        let tmp = tempfile::tempdir_in(folder).unwrap();
        let register = tmp.path().join("register");
        drop(Register::init(&register, "gst-privacy/test").unwrap());
        Self { tmp, register }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    pub fn sink(&self) -> gst::Element {
        gst::ElementFactory::make("auditsink")
            .property("register", self.register.to_str().unwrap())
            .build()
            .unwrap()
    }

    pub fn records(&self) -> Vec<Record> {
        let reader = Reader::open(&self.register).unwrap();
        let bodies = reader.iter(0..reader.size()).map(|read| read.unwrap().1);
        let records = bodies.map(|body| Record::from_bytes(&body));
        records.collect::<Result<_, _>>().unwrap()
    }

    pub fn verify(&self) -> Result<privacy_register::Report, VerifyError> {
        let key = VerifierKey::load(&self.register.join("register.pub")).unwrap();
        verify(&self.register, &key)
    }

    /// Names of files beside the register.
    pub fn leftovers(&self) -> Vec<String> {
        let items = fs::read_dir(self.tmp.path()).unwrap();
        let mut names: Vec<String> = items
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "register")
            .collect();
        names.sort();
        names
    }
}

pub fn extract(session: &str) -> AuditRequest {
    AuditRequest {
        session: session.into(),
        purpose: "judicial.requisition_extract".into(),
        operation: "extract".into(),
        entry: r#"{"operation":"extract","motif":"réquisition 2026/114","purpose_label_fr":"Extraction sur réquisition",
            "agent":{"id":"a-0417","capacity":"OPJ"},"destinataire":{"name":"OPJ 3321","service":"commissariat"},
            "cameras":["cam-12"],"anonymisation":{"required":"none"},"output":{"sink_class":"file"},
            "legal_refs":{"requisition":"2026/114"}}"#
            .into(),
    }
}

pub fn refuse() -> AuditRequest {
    AuditRequest {
        session: "s-0".into(),
        purpose: "comm.public_live".into(),
        operation: "refuse".into(),
        entry: r#"{"agent":{"id":""},"motif":"","refusal":{"code":"NO_MANDATE","message_en":"no","message_fr":"non"}}"#.into(),
    }
}

pub fn sha256(path: &Path) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(fs::read(path).unwrap()))
}

/// Answers `privacy-proof` as a gate would.
pub fn answer_proofs(pad: &gst::Pad, session: &'static str) {
    pad.add_probe(gst::PadProbeType::QUERY_UPSTREAM, move |_, info| {
        let Some(query) = info.query_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        if query.structure().is_none_or(|s| s.name() != PROOF_QUERY) {
            return gst::PadProbeReturn::Ok;
        }
        assert_eq!(Proof::asked(query).as_deref(), Some(session));
        Proof {
            session: session.into(),
            stage: "exit".into(),
            frames_in: 12,
            frames_out: 10,
            mask_failures: 2,
            whole_masked: 1,
            root: "ab".repeat(32),
            ..Default::default()
        }
        .answer(query);
        gst::PadProbeReturn::Handled
    });
}

pub fn errors(bus: &gst::Bus) -> Vec<(glib::Error, String)> {
    let mut found = Vec::new();
    while let Some(message) = bus.pop_filtered(&[gst::MessageType::Error]) {
        if let gst::MessageView::Error(e) = message.view() {
            found.push((e.error(), e.error().to_string()));
        }
    }
    found
}

pub fn messages(bus: &gst::Bus) -> Vec<Message> {
    let mut found = Vec::new();
    while let Some(message) = bus.pop_filtered(&[gst::MessageType::Element]) {
        match Message::try_from(message.structure().unwrap()) {
            Ok(message) => found.push(message),
            Err(MessageError::Unknown(_)) => {}
            Err(e) => panic!("{e}"),
        }
    }
    found
}

/// Runs a pipeline to its end of stream or first error.
pub fn run(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().unwrap();
    let result = (|| {
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|_| String::from("no state change"))?;
        loop {
            let wanted = [gst::MessageType::Error, gst::MessageType::Eos];
            let message = bus
                .timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted)
                .ok_or("nothing happened for a minute")?;
            match message.view() {
                gst::MessageView::Eos(_) => return Ok(()),
                gst::MessageView::Error(e) => return Err(e.error().to_string()),
                _ => {}
            }
        }
    })();
    // The message that explains a failed state change.
    let result = result.map_err(|e| match bus.pop_filtered(&[gst::MessageType::Error]) {
        Some(message) => match message.view() {
            gst::MessageView::Error(e) => e.error().to_string(),
            _ => e,
        },
        None => e,
    });
    pipeline.set_state(gst::State::Null).unwrap();
    result
}

pub fn launch(text: &str) -> gst::Pipeline {
    init();
    gst::parse::launch(text).unwrap().downcast().unwrap()
}

pub fn refused(set: impl Fn(&gst::Element)) -> String {
    init();
    let sink = gst::ElementFactory::make("auditsink").build().unwrap();
    set(&sink);
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    assert!(sink.set_state(gst::State::Paused).is_err());
    let errors = errors(&bus);
    sink.set_state(gst::State::Null).unwrap();
    // The base class adds one of its own after ours.
    errors[0].1.clone()
}

/// A disk of 24 MiB for the test `name`, which runs itself again where there is one; `None` in the process that did.
pub fn small_disk(name: &str) -> Option<PathBuf> {
    const DISK: &str = "AUDITSINK_TEST_DISK";
    if let Some(disk) = std::env::var_os(DISK) {
        return Some(disk.into());
    }
    let tmp = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=24m tmpfs \"$AUDITSINK_TEST_DISK\" || exit 77; exec \"$0\" \"$@\"";
    let output = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(DISK, tmp.path())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("1 passed"), "{text}");
        }
        Ok(output) if output.status.code() != Some(77) && !output.stdout.is_empty() => {
            panic!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        other => {
            eprintln!(
                "SKIPPED {name}: no disk of its own can be mounted here (unshare --mount): {other:?}"
            );
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!ci, "unshare must work in CI");
        }
    }
    None
}

/// Fills the disk of `filler`, but for `left` bytes.
pub fn fill(filler: &Path, left: u64) {
    use std::io::Write;
    let mut file = fs::File::create(filler).unwrap();
    for step in [64 * 1024, 4 * 1024, 1] {
        while file.write_all(&vec![1; step]).is_ok() {}
    }
    let length = file.metadata().unwrap().len();
    file.set_len(length - left).unwrap();
}
