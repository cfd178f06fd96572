// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties: their defaults, their descriptions, and their values as the user set them.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use glib::prelude::*;
use gst::prelude::*;
use privacy_shaders::MAX_CELLS;

use crate::{
    verdict::Demand,
    wgpublur::{Backend, MissingScan, Mode, Overload, Shape},
};

const DEFAULT_FILL_COLOR: u32 = 0xff00_0000;
/// 6 × 6 cells bound what a region tells to 68 bytes (see `privacy_shaders`).
const DEFAULT_CELLS: u32 = 6;
/// On PETS 2009 S2.L1 it leaves half as many heads in view as 0.1, for 1.4 % more of the frame.
const DEFAULT_PADDING: f64 = 0.15;
const MAX_PADDING: f64 = 2.0;
const MAX_PADDING_PIXELS: u32 = 4096;
/// Mosaiced text can be read back (Hill et al., PoPETs 2016(4)), so what carries text is never mosaiced.
pub const DEFAULT_SOLID_CLASSES: &str = "license-plate,plate,text";
const DEFAULT_REFRESH: gst::ClockTime = gst::ClockTime::from_seconds(10);
const MAX_REFRESH: gst::ClockTime = gst::ClockTime::from_seconds(3600);
/// While a purpose demands a mask: values that change with every frame average out.
const MIN_REFRESH_BY_PURPOSE: gst::ClockTime = gst::ClockTime::from_mseconds(500);
/// While a purpose demands a mask: more cells make faces recognisable (arXiv:1609.00408).
const MAX_CELLS_BY_PURPOSE: u32 = 8;
/// A scan of another frame says nothing certain about this one.
const DEFAULT_MAX_SCAN_AGE: gst::ClockTime = gst::ClockTime::ZERO;
const MAX_SCAN_AGE: gst::ClockTime = gst::ClockTime::from_seconds(10);
const DEFAULT_HOLD: gst::ClockTime = gst::ClockTime::from_mseconds(500);
/// Longest hold.
pub const MAX_HOLD: gst::ClockTime = gst::ClockTime::from_seconds(60);
/// Longest lookahead.
pub const MAX_LOOKAHEAD: gst::ClockTime = gst::ClockTime::from_seconds(10);
/// Most frames on the GPU at a time.
pub const MAX_IN_FLIGHT: u32 = 8;

/// The user's, as they stand. Checked when the element starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to mask.
    pub backend: Backend,
    /// Part of an adapter's name.
    pub device: String,
    /// The picture of mode image; empty for none.
    pub image_location: PathBuf,
    /// List with commas.
    pub classes: String,
    /// List with commas.
    pub exclude_classes: String,
    /// List with commas.
    pub solid_classes: String,
    /// The file with the zones; empty for none.
    pub zones: PathBuf,
    /// Name of the camera in that file; empty for the purpose's.
    pub camera: String,
    /// How long frames wait for what later ones tell.
    pub lookahead: gst::ClockTime,
    /// Most frames on the GPU at a time.
    pub in_flight: u32,
    /// The rest.
    pub live: Live,
}

/// Those that may change while playing, read once per frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    pub mode: Mode,
    pub fill_color: u32,
    pub cells: u32,
    pub refresh_interval: gst::ClockTime,
    pub shape: Shape,
    pub padding: f64,
    pub padding_pixels: u32,
    /// Name of the view that a camera has turned to; empty for none.
    pub preset: Arc<str>,
    pub invert: bool,
    /// Track that stays clear; 0 for none.
    pub clear_track: u32,
    pub whole_frame: bool,
    pub on_missing_scan: MissingScan,
    pub on_overload: Overload,
    pub max_scan_age: gst::ClockTime,
    pub hold: gst::ClockTime,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            device: String::new(),
            image_location: PathBuf::new(),
            classes: String::new(),
            exclude_classes: String::new(),
            solid_classes: DEFAULT_SOLID_CLASSES.to_owned(),
            zones: PathBuf::new(),
            camera: String::new(),
            lookahead: gst::ClockTime::ZERO,
            in_flight: 1,
            live: Live {
                mode: Mode::default(),
                fill_color: DEFAULT_FILL_COLOR,
                cells: DEFAULT_CELLS,
                refresh_interval: DEFAULT_REFRESH,
                shape: Shape::default(),
                padding: DEFAULT_PADDING,
                padding_pixels: 0,
                preset: Arc::from(""),
                invert: false,
                clear_track: 0,
                whole_frame: false,
                on_missing_scan: MissingScan::default(),
                on_overload: Overload::default(),
                max_scan_age: DEFAULT_MAX_SCAN_AGE,
                hold: DEFAULT_HOLD,
            },
        }
    }
}

/// A property, or two together, that cannot be meant. In English and, in brackets, in French.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// Not a number, below 0 or too large. Comparisons with it would leave regions empty.
    #[error(
        "property \"padding\" is {0}: it must be a number from 0 to {MAX_PADDING}, such as 0.1 \
         (la propriété « padding » doit être un nombre de 0 à {MAX_PADDING}, par exemple 0.1)"
    )]
    Padding(f64),
    /// Nothing to show in mode image.
    #[error(
        "property \"mode\" is \"image\" and property \"image-location\" is empty: set it to a PNG file \
         before the element starts, or choose another mode \
         (mode=image demande un fichier PNG dans « image-location » avant le démarrage)"
    )]
    NoImage,
    /// A mask that can be undone, where one is demanded that cannot.
    #[error(
        "property \"mode\" is \"gaussian\" and the purpose in force demands a mask: a Gaussian blur can be \
         undone; choose \"pixelate\", \"blur\", \"solid\" or \"image\" \
         (un flou gaussien est réversible et la finalité exige un masquage : choisissez \"pixelate\", \
         \"blur\", \"solid\" ou \"image\")"
    )]
    Cosmetic,
    /// A view is named, and there is no file in which to look it up.
    #[error(
        "property \"{property}\" is \"{value}\" and property \"zones\" is empty, so it would do nothing: set \
         \"zones\" to the file with the zones of each camera, or clear \"{property}\" \
         (« {property} » sans « zones » n'a aucun effet : indiquez le fichier des zones, ou videz « {property} »)"
    )]
    NoZones {
        /// `camera` or `preset`.
        property: &'static str,
        /// Its value.
        value: String,
    },
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
                    .blurb("Colour of mode solid, of zones and of solid-classes, as ARGB; alpha counts in formats that have it.")
                    .default_value(d.live.fill_color)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecString::builder("image-location")
                    .nick("Image location")
                    .blurb("PNG file whose picture mode image stretches over each region; where it is transparent, fill-color shows as it was at the start.")
                    .default_value(Some(""))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecUInt::builder("cells")
                    .nick("Cells")
                    .blurb("Most cells along the longer side of a region; at most 8 while a purpose demands a mask.")
                    .minimum(1)
                    .maximum(MAX_CELLS)
                    .default_value(d.live.cells)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("refresh-interval")
                    .nick("Refresh interval")
                    .blurb("How long an object keeps the cell values once taken (a whole frame at most 500 ms), ns; 0 takes new ones on each frame, and at least 500 ms hold while a purpose demands a mask.")
                    .maximum(MAX_REFRESH.nseconds())
                    .default_value(d.live.refresh_interval.nseconds())
                    .mutable_playing()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("shape", d.live.shape)
                    .nick("Shape")
                    .blurb("Outline of what is masked for a detection; both cover the padded box.")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecDouble::builder("padding")
                    .nick("Padding")
                    .blurb("Share of a box's size added on each side, and 0.1 more above unless it is 0; solid-classes get at least 0.25 unless it is 0.")
                    .minimum(0.0)
                    .maximum(MAX_PADDING)
                    .default_value(d.live.padding)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("padding-pixels")
                    .nick("Padding in pixels")
                    .blurb("Pixels added on each side of a box, besides padding.")
                    .maximum(MAX_PADDING_PIXELS)
                    .default_value(d.live.padding_pixels)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecString::builder("classes")
                    .nick("Classes")
                    .blurb("Labels of the detections to mask, with commas; empty masks every detection.")
                    .default_value(Some(d.classes.as_str()))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("exclude-classes")
                    .nick("Excluded classes")
                    .blurb("Labels of detections not to mask, with commas; those that a purpose requires are masked all the same.")
                    .default_value(Some(d.exclude_classes.as_str()))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("solid-classes")
                    .nick("Solid classes")
                    .blurb("Labels of detections that are filled with one colour whatever the mode, with commas: mosaiced text can be read back.")
                    .default_value(Some(d.solid_classes.as_str()))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("zones")
                    .nick("Zones")
                    .blurb("TOML file with polygons per camera that are filled with one colour on every frame, such as windows of dwellings.")
                    .default_value(Some(""))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("camera")
                    .nick("Camera")
                    .blurb("Name of the camera in the file of zones; empty takes the purpose's; an unknown one masks the whole frame.")
                    .default_value(Some(d.camera.as_str()))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("preset")
                    .nick("Preset")
                    .blurb("Name of the position that the camera has turned to, as in the file of zones; an unknown one masks the whole frame.")
                    .default_value(Some(&*d.live.preset))
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoolean::builder("invert")
                    .nick("Invert")
                    .blurb("Mask everything but the detections of classes; others, zones and what a purpose requires are masked over them.")
                    .default_value(d.live.invert)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("clear-track")
                    .nick("Clear track")
                    .blurb("Track id of the one detection that stays clear, for a copy for the person concerned; 0 for none; a purpose that demands a mask must allow it.")
                    .default_value(d.live.clear_track)
                    .mutable_playing()
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
                glib::ParamSpecEnum::builder_with_default("on-overload", d.live.on_overload)
                    .nick("On overload")
                    .blurb("What becomes of a frame with more on it than the detector reports or can be masked one by one, or for which the GPU is too slow.")
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
                glib::ParamSpecUInt64::builder("lookahead")
                    .nick("Lookahead")
                    .blurb("How long a region is masked before its first detection, ns; frames are delayed by as much.")
                    .maximum(MAX_LOOKAHEAD.nseconds())
                    .default_value(d.lookahead.nseconds())
                    .mutable_ready()
                    .build(),
                glib::ParamSpecUInt::builder("in-flight")
                    .nick("In flight")
                    .blurb("Most frames on the GPU at a time; each above 1 delays frames by one.")
                    .minimum(1)
                    .maximum(MAX_IN_FLIGHT)
                    .default_value(d.in_flight)
                    .mutable_ready()
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
            "image-location" => self.image_location = text().into(),
            "classes" => self.classes = text(),
            "exclude-classes" => self.exclude_classes = text(),
            "solid-classes" => self.solid_classes = text(),
            "zones" => self.zones = text().into(),
            "camera" => self.camera = text(),
            "lookahead" => self.lookahead = time(),
            "in-flight" => self.in_flight = get(value),
            "mode" => live.mode = get(value),
            "fill-color" => live.fill_color = get(value),
            "cells" => live.cells = get(value),
            "refresh-interval" => live.refresh_interval = time(),
            "shape" => live.shape = get(value),
            "padding" => live.padding = get(value),
            "padding-pixels" => live.padding_pixels = get(value),
            "preset" => live.preset = text().into(),
            "invert" => live.invert = get(value),
            "clear-track" => live.clear_track = get(value),
            "whole-frame" => live.whole_frame = get(value),
            "on-missing-scan" => live.on_missing_scan = get(value),
            "on-overload" => live.on_overload = get(value),
            "max-scan-age" => live.max_scan_age = time(),
            "hold" => live.hold = time(),
            name => unreachable!("no writable property \"{name}\" is declared above"),
        }
    }

    /// A property's value; `None` for those that are not settings.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        let live = &self.live;
        // Set from text, so it is text.
        let path = |p: &PathBuf| p.to_string_lossy().to_value();
        Some(match name {
            "backend" => self.backend.to_value(),
            "device" => self.device.to_value(),
            "image-location" => path(&self.image_location),
            "classes" => self.classes.to_value(),
            "exclude-classes" => self.exclude_classes.to_value(),
            "solid-classes" => self.solid_classes.to_value(),
            "zones" => path(&self.zones),
            "camera" => self.camera.to_value(),
            "lookahead" => self.lookahead.nseconds().to_value(),
            "in-flight" => self.in_flight.to_value(),
            "mode" => live.mode.to_value(),
            "fill-color" => live.fill_color.to_value(),
            "cells" => live.cells.to_value(),
            "refresh-interval" => live.refresh_interval.nseconds().to_value(),
            "shape" => live.shape.to_value(),
            "padding" => live.padding.to_value(),
            "padding-pixels" => live.padding_pixels.to_value(),
            "preset" => live.preset.to_value(),
            "invert" => live.invert.to_value(),
            "clear-track" => live.clear_track.to_value(),
            "whole-frame" => live.whole_frame.to_value(),
            "on-missing-scan" => live.on_missing_scan.to_value(),
            "on-overload" => live.on_overload.to_value(),
            "max-scan-age" => live.max_scan_age.nseconds().to_value(),
            "hold" => live.hold.nseconds().to_value(),
            _ => return None,
        })
    }

    /// Checks what can be checked without opening a file or a device, for `start()`. The lists of
    /// classes, the file of zones and the picture are checked when they are read.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.live
            .check(!self.image_location.as_os_str().is_empty())?;
        if self.zones.as_os_str().is_empty() {
            for (property, value) in [("camera", &*self.camera), ("preset", &*self.live.preset)] {
                if !value.is_empty() {
                    let value = value.to_owned();
                    return Err(SettingsError::NoZones { property, value });
                }
            }
        }
        Ok(())
    }
}

impl Live {
    /// Checks what may have changed since the start, frame by frame; `has_image`: a picture was loaded.
    pub fn check(&self, has_image: bool) -> Result<(), SettingsError> {
        // A NaN gets past the range of a property, and lies in no range.
        if !(0.0..=MAX_PADDING).contains(&self.padding) {
            return Err(SettingsError::Padding(self.padding));
        }
        if self.mode == Mode::Image && !has_image {
            return Err(SettingsError::NoImage);
        }
        Ok(())
    }

    /// These settings, raised to what a purpose demands: few cells that last, and a mode that cannot be
    /// undone. An error must stop the stream before the frame leaves.
    pub fn under(&self, demand: &Demand) -> Result<Self, SettingsError> {
        let mut live = self.clone();
        if demand.is_mask_required() {
            if live.mode == Mode::Gaussian {
                return Err(SettingsError::Cosmetic);
            }
            if demand.is_solid_required() {
                live.mode = Mode::Solid;
            }
            live.cells = live.cells.min(MAX_CELLS_BY_PURPOSE);
            live.refresh_interval = live.refresh_interval.max(MIN_REFRESH_BY_PURPOSE);
        }
        Ok(live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let with = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check()
        };
        assert_eq!(with(&|_| ()), Ok(()));
        for padding in [f64::NAN, f64::INFINITY, -0.1, 2.1] {
            assert!(matches!(
                with(&|s| s.live.padding = padding),
                Err(SettingsError::Padding(_))
            ));
        }
        assert_eq!(
            with(&|s| s.live.mode = Mode::Image),
            Err(SettingsError::NoImage)
        );
        assert_eq!(
            with(&|s| {
                s.live.mode = Mode::Image;
                s.image_location = "a.png".into();
            }),
            Ok(())
        );
        for property in ["camera", "preset"] {
            let refused = with(&|s| s.set(property, &"square".to_value()));
            let error = refused.unwrap_err().to_string();
            assert!(
                error.contains(property) && error.contains("square"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_demand_raises_and_never_lowers() {
        let mut live = Settings::default().live;
        live.cells = 64;
        live.refresh_interval = gst::ClockTime::ZERO;
        assert_eq!(live.under(&Demand::Undeclared), Ok(live.clone()));
        let raised = live.under(&Demand::Unreadable).unwrap();
        assert_eq!(
            (raised.cells, raised.refresh_interval),
            (8, MIN_REFRESH_BY_PURPOSE)
        );
        live.cells = 3;
        live.refresh_interval = MAX_REFRESH;
        assert_eq!(live.under(&Demand::Unreadable), Ok(live.clone()));
        live.mode = Mode::Gaussian;
        assert_eq!(
            live.under(&Demand::Unreadable),
            Err(SettingsError::Cosmetic)
        );
        assert_eq!(live.under(&Demand::Undeclared), Ok(live.clone()));
    }
}
