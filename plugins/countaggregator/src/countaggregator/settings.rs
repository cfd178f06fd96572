// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the user set, and what it takes to start with it.

use std::io::{self, Read};

use gst::prelude::*;
use privacy_common::c_text;

use super::{claims::Claims, stream::Job};
use crate::{
    site::Site,
    window::{ABSOLUTE_MIN_COUNT, LimitsError},
};

const DEFAULT_MIN_COUNT: u32 = 5;
/// 256 cameras with 32 lines and 32 zones each take less.
const MAX_SITE_FILE: u64 = 8 * 1024 * 1024;

/// The properties as they were set.
#[derive(Debug, Clone)]
pub struct Settings {
    pub config: Option<String>,
    /// 0 for that of the site file.
    pub window: u64,
    pub min_count: u32,
    pub start_time: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: None,
            window: 0,
            min_count: DEFAULT_MIN_COUNT,
            start_time: None,
        }
    }
}

impl Settings {
    /// Reads and checks everything; nothing falls back.
    pub fn job(self) -> Result<Job, gst::ErrorMessage> {
        use gst::ResourceError::{OpenRead, Settings};
        let path = self.config.filter(|path| !path.is_empty()).ok_or_else(|| {
            gst::error_msg!(
                Settings,
                ("property `config` is not set; name the site file with the lines and zones of each camera \
                  / propriété `config` absente ; y nommer le fichier de site")
            )
        })?;
        let text = read(&path).map_err(|error| {
            gst::error_msg!(
                OpenRead,
                ("property `config`: cannot read \"{path}\": {error}; name a readable site file \
                  / propriété `config` : lecture de « {path} » impossible ; y nommer un fichier de site lisible")
            )
        })?;
        let site = Site::parse(&text).map_err(|error| {
            // It may quote the file.
            let error = error.to_string();
            let error = c_text(&error);
            gst::error_msg!(Settings, ("property `config`: {path}: {error}"))
        })?;
        if self.min_count < ABSOLUTE_MIN_COUNT {
            let value = self.min_count;
            let error = LimitsError::MinCount { value };
            return Err(gst::error_msg!(Settings, ("{error}")));
        }
        let start = self.start_time.filter(|text| !text.is_empty()).map(|text| {
            start_time(&text).ok_or_else(|| {
                gst::error_msg!(
                    Settings,
                    ("property `start-time`: \"{text}\" is no RFC 3339 time; write it like 2026-11-21T10:00:00Z \
                      / propriété `start-time` : « {text} » n'est pas une date RFC 3339 ; l'écrire comme 2026-11-21T10:00:00Z")
                )
            })
        });
        Ok(Job {
            site,
            window: (self.window != 0).then(|| i64::try_from(self.window).unwrap_or(i64::MAX)),
            min_count: self.min_count,
            start: start.transpose()?,
            claims: Claims::new(&path),
        })
    }
}

/// The properties of the element.
pub fn properties() -> Vec<glib::ParamSpec> {
    let defaults = Settings::default();
    vec![
        glib::ParamSpecString::builder("config")
            .nick("Site file")
            .blurb("TOML file with the lines and zones of each camera; must be set")
            .default_value(defaults.config.as_deref())
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt64::builder("window")
            .nick("Window")
            .blurb("Length of a window in ns, aligned to UTC; 0 takes that of the site file, else 1200 s; at least 900 s unless the purpose says otherwise")
            .default_value(defaults.window)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("min-count")
            .nick("Minimum count")
            .blurb("Counts from 1 to this minus 1 are withheld; at least 3, and a purpose can raise it")
            .default_value(defaults.min_count)
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("start-time")
            .nick("Start time")
            .blurb("Time of the first frame of recorded footage, RFC 3339; unset for live cameras, which take the clock's")
            .default_value(defaults.start_time.as_deref())
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt64::builder("windows")
            .nick("Windows")
            .blurb("Number of windows published since the start")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Frames taken in, frames that no detector looked at, windows published and discarded; no counts of anybody")
            .read_only()
            .build(),
    ]
}

/// Reads a plain file of bounded length: a pipe would be waited for, and a device may never end.
fn read(path: &str) -> io::Result<String> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    if !std::fs::metadata(path)?.is_file() {
        return Err(invalid("not a plain file".into()));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_SITE_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SITE_FILE {
        return Err(invalid(format!("longer than {MAX_SITE_FILE} bytes")));
    }
    Ok(text)
}

fn start_time(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}
