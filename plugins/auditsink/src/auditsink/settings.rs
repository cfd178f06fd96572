// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties: what the user asked for, and what can be read back.

use std::{path::PathBuf, time::Duration};

use gst::prelude::*;
use privacy_common::c_text;

use super::OnFailure;
use crate::{journal::Plan, output::Recipients};
/// Longest segment: a day, so that nothing runs for longer without a word in the register.
const MAX_SEGMENT: gst::ClockTime = gst::ClockTime::from_seconds(24 * 60 * 60);

/// Shortest one: each costs an entry and a checkpoint that is published.
const MIN_SEGMENT: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// What the user asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Directory of the register.
    pub register: Option<PathBuf>,
    /// File of the signing key; `None` for the default one.
    pub signing_key: Option<PathBuf>,
    /// File to write.
    pub location: Option<PathBuf>,
    /// Camera of undeclared sessions.
    pub camera: Option<String>,
    /// Name of the host in entries.
    pub host_id: Option<String>,
    /// How often the register is probed.
    pub probe_interval: gst::ClockTime,
    /// What becomes of the stream when nothing can be written.
    pub on_failure: OnFailure,
    /// Length of a segment; zero for none.
    pub segment_duration: gst::ClockTime,
    /// Keys to which the file is encrypted.
    pub recipient_key: Option<String>,
    /// Address of the witness.
    pub witness: Option<String>,
    /// Key of the witness, or a file with it.
    pub witness_key: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            register: None,
            signing_key: None,
            location: None,
            camera: None,
            host_id: None,
            probe_interval: gst::ClockTime::SECOND,
            on_failure: OnFailure::Halt,
            segment_duration: gst::ClockTime::ZERO,
            recipient_key: None,
            witness: None,
            witness_key: None,
        }
    }
}

/// What can be read from outside while the journal is busy with the disk.
#[derive(Debug, Clone)]
pub struct Status {
    /// Entries written since the run began.
    pub entries: u64,
    /// Index of the last of them, -1 for none.
    pub last_index: i64,
    /// SHA-256 of the finished run, in hex.
    pub digest: Option<String>,
    /// Media type of the stream.
    pub media_type: String,
    /// A run is going on, for which the properties stay as they are.
    pub running: bool,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            entries: 0,
            last_index: -1,
            digest: None,
            media_type: String::new(),
            running: false,
        }
    }
}

/// The properties of the element.
pub fn properties() -> Vec<glib::ParamSpec> {
    let settings = Settings::default();
    let status = Status::default();
    let path = |name: &str, nick: &str, blurb: &str| {
        glib::ParamSpecString::builder(name)
            .nick(nick)
            .blurb(blurb)
            .mutable_ready()
            .build()
    };
    vec![
                path(
                    "register",
                    "Register",
                    "Directory of the register, made with privacyctl register init",
                ),
                path(
                    "signing-key",
                    "Signing key",
                    "File of the key that signs checkpoints; unset: keys/register.key in the register",
                ),
                path(
                    "location",
                    "Location",
                    "File to write, which must not exist; unset: bytes are hashed and forgotten",
                ),
                path(
                    "camera",
                    "Camera",
                    "Camera named in the entry of a session that no gate declared",
                ),
                path(
                    "host-id",
                    "Host identifier",
                    "Name of this host in the entries; unset: the system's host name",
                ),
                glib::ParamSpecUInt64::builder("probe-interval")
                    .nick("Probe interval")
                    .blurb("How often it is made sure while playing that the register can be written, in nanoseconds")
                    .minimum(gst::ClockTime::from_mseconds(100).nseconds())
                    .maximum(gst::ClockTime::from_seconds(60).nseconds())
                    .default_value(settings.probe_interval.nseconds())
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("on-failure", settings.on_failure)
                    .nick("On failure")
                    .blurb("What becomes of a playing stream when the register or the disk cannot be written")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecUInt64::builder("segment-duration")
                    .nick("Segment duration")
                    .blurb("Length of the segments that get an entry and a checkpoint each while the stream goes on, in nanoseconds; 0: none")
                    .maximum(MAX_SEGMENT.nseconds())
                    .default_value(settings.segment_duration.nseconds())
                    .mutable_ready()
                    .build(),
                path(
                    "recipient-key",
                    "Recipient key",
                    "Public age keys (age1…), comma-separated, or a file with one on each line, to which the file is encrypted; unset: it is written as it comes",
                ),
                path(
                    "witness",
                    "Witness",
                    "Address of a witness (before /add-checkpoint) that cosigns the register; one that is away does not stop the stream, which a warning tells",
                ),
                path(
                    "witness-key",
                    "Witness key",
                    "Key of the witness as it prints it, or a file with it",
                ),
                glib::ParamSpecUInt64::builder("entries")
                    .nick("Entries")
                    .blurb("Entries written since the run began")
                    .default_value(status.entries)
                    .read_only()
                    .build(),
                glib::ParamSpecInt64::builder("last-index")
                    .nick("Last index")
                    .blurb("Index in the register of the last entry written since the run began, -1 for none")
                    .minimum(-1)
                    .default_value(status.last_index)
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("digest")
                    .nick("Digest")
                    .blurb("SHA-256 of what the finished run wrote, in hex; unset until it is finished")
                    .read_only()
                    .build(),
            ]
}

impl Settings {
    /// Stores a property; `start` judges it.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        let text = || {
            value
                .get::<Option<String>>()
                .expect("type checked upstream")
        };
        let filled = || text().filter(|t| !t.is_empty());
        let path = || filled().map(PathBuf::from);
        let time = || gst::ClockTime::from_nseconds(value.get().expect("type checked upstream"));
        match name {
            "register" => self.register = path(),
            "signing-key" => self.signing_key = path(),
            "location" => self.location = path(),
            "camera" => self.camera = text(),
            "host-id" => self.host_id = text(),
            "probe-interval" => self.probe_interval = time(),
            "on-failure" => self.on_failure = value.get().expect("type checked upstream"),
            "segment-duration" => self.segment_duration = time(),
            "recipient-key" => self.recipient_key = filled(),
            "witness" => self.witness = filled(),
            "witness-key" => self.witness_key = filled(),
            name => unreachable!("property {name} cannot be written"),
        }
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> glib::Value {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        match name {
            "register" => path(&self.register).to_value(),
            "signing-key" => path(&self.signing_key).to_value(),
            "location" => path(&self.location).to_value(),
            "camera" => self.camera.to_value(),
            "host-id" => self.host_id.to_value(),
            "probe-interval" => self.probe_interval.nseconds().to_value(),
            "on-failure" => self.on_failure.to_value(),
            "segment-duration" => self.segment_duration.nseconds().to_value(),
            "recipient-key" => self.recipient_key.to_value(),
            "witness" => self.witness.to_value(),
            "witness-key" => self.witness_key.to_value(),
            name => unreachable!("property {name} is not there"),
        }
    }

    /// How a run is to be made.
    pub fn plan(&self) -> Result<Plan, gst::ErrorMessage> {
        let refused = |text: String| Err(gst::error_msg!(gst::ResourceError::Settings, ("{text}")));
        let segment = self.segment_duration;
        if !segment.is_zero() && segment < MIN_SEGMENT {
            return refused(format!(
                "segment-duration={}: shorter than {} ns (100 ms); set it to a minute or more, or to 0 for no segments",
                segment.nseconds(),
                MIN_SEGMENT.nseconds()
            ));
        }
        let recipients = match &self.recipient_key {
            None => Recipients::none(),
            Some(_) if self.location.is_none() => {
                return refused(
                    "recipient-key is set, but location is not, so there is nothing to encrypt; set location, or leave out recipient-key (rien à chiffrer : indiquez location)".into(),
                );
            }
            Some(keys) => match Recipients::parse(keys) {
                Ok(recipients) => recipients,
                Err(e) => return refused(c_text(&e.to_string()).into_owned()),
            },
        };
        Ok(Plan {
            location: self.location.clone(),
            recipients,
            segment: Duration::from_nanos(segment.nseconds()),
            waits: self.on_failure == OnFailure::Block,
        })
    }

    /// Whether the stream may go back to earlier bytes.
    pub fn is_seekable(&self) -> bool {
        self.location.is_some() && self.recipient_key.is_none()
    }

    /// Whether the register would be opened in the same way.
    pub fn same_register(&self, other: &Self) -> bool {
        self.register == other.register
            && self.signing_key == other.signing_key
            && self.host_id == other.host_id
            && self.probe_interval == other.probe_interval
            && self.witness == other.witness
            && self.witness_key == other.witness_key
    }
}

impl Status {
    /// The value of a read-only property; `None` for another.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        match name {
            "entries" => Some(self.entries.to_value()),
            "last-index" => Some(self.last_index.to_value()),
            "digest" => Some(self.digest.to_value()),
            _ => None,
        }
    }

    /// Counts an entry.
    pub fn wrote(&mut self, index: u64) {
        self.entries += 1;
        self.last_index = index.try_into().unwrap_or(i64::MAX);
    }
}
