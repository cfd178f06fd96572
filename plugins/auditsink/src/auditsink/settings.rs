// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties: what the user asked for, and what can be read back.

use std::path::PathBuf;

use gst::prelude::*;

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
}

impl Default for Status {
    fn default() -> Self {
        Self {
            entries: 0,
            last_index: -1,
            digest: None,
            media_type: String::new(),
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
        let path = || text().filter(|t| !t.is_empty()).map(PathBuf::from);
        match name {
            "register" => self.register = path(),
            "signing-key" => self.signing_key = path(),
            "location" => self.location = path(),
            "camera" => self.camera = text(),
            "host-id" => self.host_id = text(),
            "probe-interval" => {
                let nanoseconds = value.get().expect("type checked upstream");
                self.probe_interval = gst::ClockTime::from_nseconds(nanoseconds);
            }
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
            name => unreachable!("property {name} is not there"),
        }
    }

    /// Whether the register would be opened in the same way.
    pub fn same_register(&self, other: &Self) -> bool {
        self.register == other.register
            && self.signing_key == other.signing_key
            && self.host_id == other.host_id
            && self.probe_interval == other.probe_interval
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
