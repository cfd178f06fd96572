// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties: their defaults, their descriptions, and their values as the user set them.

use std::sync::LazyLock;

use glib::prelude::*;
use gst::prelude::*;
use privacy_shaders::MAX_CELLS;

use crate::wgpublur::{Backend, MissingScan, Mode};

const DEFAULT_FILL_COLOR: u32 = 0xff00_0000;
/// 6 × 6 cells bound what a region tells to 68 bytes (see `privacy_shaders`).
const DEFAULT_CELLS: u32 = 6;
const DEFAULT_PADDING: f64 = 0.1;
/// A scan of another frame says nothing certain about this one.
const DEFAULT_MAX_SCAN_AGE: gst::ClockTime = gst::ClockTime::ZERO;
const MAX_SCAN_AGE: gst::ClockTime = gst::ClockTime::from_seconds(10);
const DEFAULT_HOLD: gst::ClockTime = gst::ClockTime::from_mseconds(500);
/// Longest hold.
pub const MAX_HOLD: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// The user's, as they stand. Checked when the element starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to mask.
    pub backend: Backend,
    /// Part of an adapter's name.
    pub device: String,
    /// List with commas.
    pub classes: String,
    /// The rest.
    pub live: Live,
}

/// Those that may change while playing, read once per frame.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    pub mode: Mode,
    pub fill_color: u32,
    pub cells: u32,
    pub padding: f64,
    pub whole_frame: bool,
    pub on_missing_scan: MissingScan,
    pub max_scan_age: gst::ClockTime,
    pub hold: gst::ClockTime,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            device: String::new(),
            classes: String::new(),
            live: Live {
                mode: Mode::default(),
                fill_color: DEFAULT_FILL_COLOR,
                cells: DEFAULT_CELLS,
                padding: DEFAULT_PADDING,
                whole_frame: false,
                on_missing_scan: MissingScan::default(),
                max_scan_age: DEFAULT_MAX_SCAN_AGE,
                hold: DEFAULT_HOLD,
            },
        }
    }
}

/// Descriptions of all properties, the read-only ones included.
pub fn param_specs() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let d = Settings::default();
        vec![
                glib::ParamSpecEnum::builder_with_default("backend", d.backend)
                    .nick("Backend")
                    .blurb("Where frames are masked.")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("mode", d.live.mode)
                    .nick("Mode")
                    .blurb("What a region is replaced with.")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("fill-color")
                    .nick("Fill colour")
                    .blurb("Colour of mode solid, as ARGB; alpha counts in formats that have it.")
                    .default_value(d.live.fill_color)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("cells")
                    .nick("Cells")
                    .blurb("Most cells along the longer side of a region; at most 8 while a purpose demands a mask.")
                    .minimum(1)
                    .maximum(MAX_CELLS)
                    .default_value(d.live.cells)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecDouble::builder("padding")
                    .nick("Padding")
                    .blurb("Share of a box's size added on each side, and 0.1 more above unless it is 0.")
                    .minimum(0.0)
                    .maximum(2.0)
                    .default_value(d.live.padding)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecString::builder("classes")
                    .nick("Classes")
                    .blurb("Labels of the detections to mask, with commas; empty masks every detection.")
                    .default_value(Some(d.classes.as_str()))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("whole-frame")
                    .nick("Whole frame")
                    .blurb("Mask every frame as a whole.")
                    .default_value(d.live.whole_frame)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("on-missing-scan", d.live.on_missing_scan)
                    .nick("On missing scan")
                    .blurb("What becomes of a frame that no detector looked at in time.")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("max-scan-age")
                    .nick("Maximum scan age")
                    .blurb("How far the frame that the detector analysed may be from this one, ns; 0 asks for a scan of this very frame.")
                    .maximum(MAX_SCAN_AGE.nseconds())
                    .default_value(d.live.max_scan_age.nseconds())
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("hold")
                    .nick("Hold")
                    .blurb("How long a region stays masked after its detection is gone, ns.")
                    .maximum(MAX_HOLD.nseconds())
                    .default_value(d.live.hold.nseconds())
                    .mutable_playing()
                    .build(),
                glib::ParamSpecString::builder("device")
                    .nick("Device")
                    .blurb("Part of the name of the adapter to use, in any case; empty takes the first.")
                    .default_value(Some(d.device.as_str()))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("active-backend")
                    .nick("Active backend")
                    .blurb("What masks now: gpu, cpu, or empty while stopped.")
                    .default_value(Some(""))
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("adapter")
                    .nick("Adapter")
                    .blurb("Name and driver of the adapter in use; empty without one.")
                    .default_value(Some(""))
                    .read_only()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Of this run: frames, regions, whole-frames, dropped, masked-share (mean), time (spent masking, ns).")
                    .read_only()
                    .build(),
            ]
    });
    &PROPERTIES
}

impl Settings {
    /// Stores a property.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        fn get<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value) -> T {
            value.get().expect("type checked upstream")
        }
        let text = || get::<Option<String>>(value).unwrap_or_default();
        let time = || gst::ClockTime::from_nseconds(get(value));
        let live = &mut self.live;
        match name {
            "backend" => self.backend = get(value),
            "device" => self.device = text(),
            "classes" => self.classes = text(),
            "mode" => live.mode = get(value),
            "fill-color" => live.fill_color = get(value),
            "cells" => live.cells = get(value),
            "padding" => live.padding = get(value),
            "whole-frame" => live.whole_frame = get(value),
            "on-missing-scan" => live.on_missing_scan = get(value),
            "max-scan-age" => live.max_scan_age = time(),
            "hold" => live.hold = time(),
            name => unreachable!("no writable property \"{name}\" is declared above"),
        }
    }

    /// A property's value; `None` for those that are not settings.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        let live = &self.live;
        Some(match name {
            "backend" => self.backend.to_value(),
            "device" => self.device.to_value(),
            "classes" => self.classes.to_value(),
            "mode" => live.mode.to_value(),
            "fill-color" => live.fill_color.to_value(),
            "cells" => live.cells.to_value(),
            "padding" => live.padding.to_value(),
            "whole-frame" => live.whole_frame.to_value(),
            "on-missing-scan" => live.on_missing_scan.to_value(),
            "max-scan-age" => live.max_scan_age.nseconds().to_value(),
            "hold" => live.hold.nseconds().to_value(),
            _ => return None,
        })
    }
}
