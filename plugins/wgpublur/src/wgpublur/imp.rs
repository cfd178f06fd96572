// SPDX-License-Identifier: MIT OR Apache-2.0
//! SECTION:element-wgpublur
//! @see_also: onnxdetector, purposegate
//!
//! Masks every detection on a frame, and the whole frame when it cannot be sure of them: when no
//! detector looked at it, looked too long ago, saw more than it could report, does not know a class
//! that has to be masked, or when detections got lost on the way. No setting lets such a frame pass.
//! Every frame that leaves carries a mask stamp (`PrivacyMask`) that says what was masked and why.
//!
//! It works with any detector that writes `GstVideoRegionOfInterestMeta` and the scan stamp
//! `PrivacyScan`. Keep it right behind the detector: `videoflip`, `videocrop` and `compositor` drop
//! detections, and an element that changes timestamps makes a scan look stale.
//!
//! ## Example
//!
//! ```sh
//! gst-launch-1.0 videotestsrc num-buffers=30 ! wgpublur whole-frame=true mode=blur ! videoconvert ! autovideosink
//! ```
//!
//! ## Message
//!
//! Posts `wgpublur` element messages when it has to mask more than it was asked to, and when that is
//! over; see [`crate::Notice`] for the fields.
//!
//! Since: 0.1

use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::{BASE_TRANSFORM_FLOW_DROPPED, prelude::*, subclass::prelude::*};
use gst_video::{VideoRegionOfInterestMeta, subclass::prelude::*};
use privacy_common::{MaskStamp, PathNote, Purpose, ScanStamp};
use privacy_shaders::{MAX_CELLS, Region};

use super::{Backend, MissingScan, Mode};
use crate::{
    backend::{Masker, Outcome},
    classes::Classes,
    frame::{self, FORMATS},
    hold::Holds,
    notice::{Health, Notice},
    regions,
    verdict::{Demand, Evidence, Reason, Verdict, judge},
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "wgpublur",
        gst::DebugColorFlags::empty(),
        Some("Masks detections or whole frames"),
    )
});

const DEFAULT_FILL_COLOR: u32 = 0xff00_0000;
/// 6 × 6 cells bound what a region tells to 68 bytes (see `privacy_shaders`).
const DEFAULT_CELLS: u32 = 6;
/// While a purpose demands a mask: more cells make faces recognisable (arXiv:1609.00408).
const MAX_CELLS_BY_PURPOSE: u32 = 8;
const DEFAULT_PADDING: f64 = 0.1;
/// A scan of another frame says nothing certain about this one.
const DEFAULT_MAX_SCAN_AGE: gst::ClockTime = gst::ClockTime::ZERO;
const MAX_SCAN_AGE: gst::ClockTime = gst::ClockTime::from_seconds(10);
const DEFAULT_HOLD: gst::ClockTime = gst::ClockTime::from_mseconds(500);
const MAX_HOLD: gst::ClockTime = gst::ClockTime::from_seconds(60);
/// Assumed between frames of a stream that has neither timestamps nor a frame rate.
const FRAME_DURATION: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// The user's, as they stand.
#[derive(Debug, Clone)]
struct Settings {
    backend: Backend,
    device: String,
    classes: String,
    live: Live,
}

/// Those that may change while playing, read once per frame.
#[derive(Debug, Clone, Copy)]
struct Live {
    mode: Mode,
    fill_color: u32,
    cells: u32,
    padding: f64,
    whole_frame: bool,
    on_missing_scan: MissingScan,
    max_scan_age: gst::ClockTime,
    hold: gst::ClockTime,
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

/// Of one run: made in `start`, dropped in `stop`.
#[derive(Debug)]
struct State {
    masker: Masker,
    /// As the properties say.
    asked: Classes,
    /// Those and the purpose's.
    classes: Classes,
    demand: Demand,
    info: Option<gst_video::VideoInfo>,
    holds: Holds,
    health: Health,
    /// Time of the last frame, by timestamp or counted.
    now: gst::ClockTime,
}

/// What others may read while frames are masked.
#[derive(Debug, Default)]
struct Shared {
    backend: &'static str,
    adapter: Option<String>,
    stats: Stats,
}

#[derive(Debug, Default, Clone, Copy)]
struct Stats {
    frames: u64,
    regions: u64,
    whole_frames: u64,
    dropped: u64,
    share: f64,
    time: u64,
}

/// What is left to do once a frame has been handled and no lock is held.
#[derive(Debug, Default)]
struct After {
    notice: Option<Notice>,
    drop: bool,
}

/// `state` is taken out while a frame is masked, so that no lock is held then. No two locks are ever
/// held together.
#[derive(Debug, Default)]
pub struct WgpuBlur {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    shared: Mutex<Shared>,
}

#[glib::object_subclass]
impl ObjectSubclass for WgpuBlur {
    const NAME: &'static str = "GstWgpuBlur";
    type Type = super::WgpuBlur;
    type ParentType = gst_video::VideoFilter;
}

impl WgpuBlur {
    fn handle(
        &self,
        state: &mut State,
        buffer: &mut gst::BufferRef,
    ) -> Result<After, gst::FlowError> {
        let live = self.settings.lock().unwrap().live;
        let info = state.info.clone().ok_or(gst::FlowError::NotNegotiated)?;
        let (format, width, height) =
            frame::geometry(&info).ok_or(gst::FlowError::NotNegotiated)?;
        let pts = buffer.pts();
        state.now = pts.unwrap_or_else(|| state.now + frame::duration(&info, FRAME_DURATION));

        let scan = ScanStamp::read(buffer);
        let evidence = Evidence {
            scan: scan.as_ref(),
            pts,
            carried: buffer.iter_meta::<VideoRegionOfInterestMeta>().count(),
        };
        let mut verdict = judge(
            &evidence,
            &state.demand,
            &state.classes,
            live.whole_frame,
            live.max_scan_age,
        );
        // Followed even while whole frames are masked: a region seen now may be missed when the
        // detector is back to reporting all of them.
        let detections = privacy_common::detections(buffer, width, height);
        let wanted = detections
            .iter()
            .filter(|d| state.classes.contains(&d.class));
        let objects = state.holds.update(state.now, live.hold, wanted);
        let mut masked = Vec::new();
        if verdict == Verdict::Regions {
            match objects
                .ok()
                .and_then(|o| regions::regions(&o, live.padding, format, width, height))
            {
                Some(regions) => masked = regions,
                None => verdict = Verdict::Whole(Reason::TooManyRegions),
            }
        }
        let mut reason = match (verdict, live.on_missing_scan) {
            (Verdict::Regions, _) => None,
            (Verdict::Whole(reason), _) | (Verdict::Missing(reason), MissingScan::Frame) => {
                Some(reason)
            }
            (Verdict::Missing(reason), MissingScan::Drop) => {
                gst::debug!(
                    CAT,
                    imp = self,
                    "Dropping frame at {pts:?}: {}",
                    reason.nick()
                );
                self.shared.lock().unwrap().stats.dropped += 1;
                return Ok(After {
                    notice: self.observe(state, Some(reason), pts, ""),
                    drop: true,
                });
            }
            (Verdict::Missing(reason), MissingScan::Error) => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Failed,
                    (
                        "No detector looked at a frame in time ({}), and on-missing-scan is \"error\" \
                         (aucune détection récente sur cette image)",
                        reason.nick()
                    ),
                    ["frame at {pts:?}, scan stamp {scan:?}"]
                );
                return Err(gst::FlowError::Error);
            }
        };
        if reason.is_some() {
            masked = vec![Region::whole(width, height)];
        }

        frame::own_pixels(buffer).map_err(|err| {
            gst::element_imp_error!(self, gst::ResourceError::NoSpaceLeft, ["{err}"]);
            gst::FlowError::Error
        })?;
        let mode = self.mode(&live, state.demand.is_mask_required());
        let began = Instant::now();
        let mut detail = String::new();
        if !masked.is_empty() {
            match self.paint(state, buffer, &info, &masked, mode)? {
                Outcome::AsAsked => {}
                Outcome::TookOver(why) => {
                    gst::warning!(CAT, imp = self, "GPU failed, going on with the CPU: {why}");
                    reason = Some(reason.unwrap_or(Reason::BackendFailure));
                    detail = why;
                    let mut shared = self.shared.lock().unwrap();
                    (shared.backend, shared.adapter) = (state.masker.name(), None);
                }
            }
        }
        let time = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);

        privacy_common::remove_clear_copies(buffer, true);
        if state.demand.strips_detections() {
            privacy_common::strip_detections(buffer);
        }
        let share = match reason {
            Some(_) => 1.0,
            None => regions::share(&masked, width, height),
        };
        let regions = if reason.is_some() { 0 } else { masked.len() };
        let stamp = MaskStamp {
            classes: state.classes.for_stamp(),
            method: live.mode.nick().to_owned(),
            cells: mode.cells(),
            regions: regions as u32,
            whole_frame: reason.is_some(),
            reason: reason.map_or("", Reason::nick).to_owned(),
            share,
        };
        stamp.write(buffer);
        gst::log!(CAT, imp = self, "Frame at {pts:?}: {stamp:?}");
        {
            let stats = &mut self.shared.lock().unwrap().stats;
            stats.frames += 1;
            stats.regions += regions as u64;
            stats.whole_frames += u64::from(reason.is_some());
            stats.share += share;
            stats.time = stats.time.saturating_add(time);
        }
        let trouble = reason.filter(|r| r.is_degraded());
        Ok(After {
            notice: self.observe(state, trouble, pts, &detail),
            drop: false,
        })
    }

    /// Masks the pixels. An error means that the frame may be clear and must not leave.
    fn paint(
        &self,
        state: &mut State,
        buffer: &mut gst::BufferRef,
        info: &gst_video::VideoInfo,
        regions: &[Region],
        mode: privacy_shaders::Mode,
    ) -> Result<Outcome, gst::FlowError> {
        let mut mapped =
            gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, info).map_err(|err| {
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::Write,
                    ("A frame cannot be written to, so it cannot be masked"),
                    ["{err}"]
                );
                gst::FlowError::Error
            })?;
        let mut frame = frame::view(&mut mapped).map_err(|err| {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("A frame has a layout that cannot be masked: {err}"),
                ["{err:?}"]
            );
            gst::FlowError::Error
        })?;
        state.masker.mask(&mut frame, regions, mode).map_err(|err| {
            gst::element_imp_error!(
                self,
                gst::ResourceError::Failed,
                (
                    "The GPU failed and backend is \"gpu\": {err}; set backend=auto to let the CPU take over \
                     (le GPU a échoué ; backend=auto laisse le processeur prendre le relais)"
                ),
                ["{err:?}"]
            );
            gst::FlowError::Error
        })
    }

    fn mode(&self, live: &Live, mask_required: bool) -> privacy_shaders::Mode {
        let cells = if mask_required {
            live.cells.min(MAX_CELLS_BY_PURPOSE)
        } else {
            live.cells
        };
        match live.mode {
            Mode::Solid => privacy_shaders::Mode::Solid {
                argb: live.fill_color,
            },
            Mode::Pixelate => privacy_shaders::Mode::Pixelate { cells },
            Mode::Blur => privacy_shaders::Mode::Blur { cells },
        }
    }

    fn observe(
        &self,
        state: &mut State,
        trouble: Option<Reason>,
        pts: Option<gst::ClockTime>,
        detail: &str,
    ) -> Option<Notice> {
        let (event, reason) = state.health.observe(state.now, trouble)?;
        let segment = self.obj().segment();
        Some(Notice {
            event,
            reason,
            detail: detail.to_owned(),
            backend: state.masker.name().to_owned(),
            running_time: segment
                .downcast_ref::<gst::ClockTime>()
                .and_then(|s| s.to_running_time(pts)),
        })
    }

    fn purpose_changed(&self, demand: Demand) {
        match &demand {
            Demand::Declared(p) => gst::info!(
                CAT,
                imp = self,
                "Purpose {} requires mask \"{}\"",
                p.purpose,
                p.required_mask
            ),
            _ => gst::warning!(CAT, imp = self, "Unreadable purpose: masking whole frames"),
        }
        if let Some(state) = &mut *self.state.lock().unwrap() {
            state.classes = state.asked.raised_by(demand.required_classes());
            state.demand = demand;
        }
    }
}

impl ObjectImpl for WgpuBlur {
    fn properties() -> &'static [glib::ParamSpec] {
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

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        fn get<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value) -> T {
            value.get().expect("type checked upstream")
        }
        let text = || get::<Option<String>>(value).unwrap_or_default();
        let time = || gst::ClockTime::from_nseconds(get(value));
        let settings = &mut *self.settings.lock().unwrap();
        let live = &mut settings.live;
        match pspec.name() {
            "backend" => settings.backend = get(value),
            "device" => settings.device = text(),
            "classes" => settings.classes = text(),
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

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = self.settings.lock().unwrap().clone();
        let shared = self.shared.lock().unwrap();
        let live = settings.live;
        match pspec.name() {
            "backend" => settings.backend.to_value(),
            "device" => settings.device.to_value(),
            "classes" => settings.classes.to_value(),
            "mode" => live.mode.to_value(),
            "fill-color" => live.fill_color.to_value(),
            "cells" => live.cells.to_value(),
            "padding" => live.padding.to_value(),
            "whole-frame" => live.whole_frame.to_value(),
            "on-missing-scan" => live.on_missing_scan.to_value(),
            "max-scan-age" => live.max_scan_age.nseconds().to_value(),
            "hold" => live.hold.nseconds().to_value(),
            "active-backend" => shared.backend.to_value(),
            "adapter" => shared.adapter.clone().unwrap_or_default().to_value(),
            "stats" => shared.stats.to_structure().to_value(),
            name => unreachable!("no property \"{name}\" is declared above"),
        }
    }
}

impl Stats {
    fn to_structure(self) -> gst::Structure {
        let mean = if self.frames > 0 {
            self.share / self.frames as f64
        } else {
            0.0
        };
        gst::Structure::builder("wgpublur-stats")
            .field("frames", self.frames)
            .field("regions", self.regions)
            .field("whole-frames", self.whole_frames)
            .field("dropped", self.dropped)
            .field("masked-share", mean)
            .field("time", self.time)
            .build()
    }
}

impl GstObjectImpl for WgpuBlur {}

impl ElementImpl for WgpuBlur {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Privacy mask",
                "Filter/Effect/Video",
                "Masks detections, or whole frames when unsure, and stamps every frame it masked",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let side = 1..privacy_shaders::MAX_DIMENSION as i32 + 1;
            let caps = gst_video::VideoCapsBuilder::new()
                .format_list(FORMATS.iter().map(|(f, _)| *f))
                .width_range(side.clone())
                .height_range(side)
                .build();
            [
                ("src", gst::PadDirection::Src),
                ("sink", gst::PadDirection::Sink),
            ]
            .into_iter()
            .filter_map(|(name, direction)| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
            })
            .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for WgpuBlur {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings.lock().unwrap().clone();
        let asked = Classes::parse(&settings.classes)
            .map_err(|err| gst::error_msg!(gst::ResourceError::Settings, ("{err}")))?;
        let masker = Masker::open(settings.backend, &settings.device).map_err(|err| {
            gst::error_msg!(
                gst::ResourceError::NotFound,
                ("properties \"backend\" and \"device\": {err}"),
                ["{err:?}"]
            )
        })?;
        let adapter = masker.adapter().map(ToString::to_string);
        gst::info!(
            CAT,
            imp = self,
            "Masking on the {} {}",
            masker.name(),
            adapter.as_deref().unwrap_or_default()
        );
        if let Some(adapter) = masker.adapter().filter(|a| a.is_software) {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                ("backend is \"gpu\" and the only adapter, {adapter}, is software: slower than \
                     backend=cpu, and meant for tests")
            );
        }
        *self.shared.lock().unwrap() = Shared {
            backend: masker.name(),
            adapter,
            stats: Stats::default(),
        };
        *self.state.lock().unwrap() = Some(State {
            masker,
            classes: asked.clone(),
            asked,
            demand: Demand::default(),
            info: None,
            holds: Holds::default(),
            health: Health::default(),
            now: gst::ClockTime::ZERO,
        });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        // Taken out first: dropping it waits for the GPU.
        let state = self.state.lock().unwrap().take();
        drop(state);
        *self.shared.lock().unwrap() = Shared::default();
        gst::info!(CAT, imp = self, "Stopped");
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match Purpose::from_event(&event) {
            Some(Ok(purpose)) => self.purpose_changed(Demand::Declared(Box::new(purpose))),
            Some(Err(_)) => self.purpose_changed(Demand::Unreadable),
            None => {}
        }
        if event.type_() == gst::EventType::FlushStop
            && let Some(state) = &mut *self.state.lock().unwrap()
        {
            state.holds = Holds::default();
        }
        self.parent_sink_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Sink {
            PathNote {
                elements: vec![concat!("wgpublur ", env!("CARGO_PKG_VERSION")).to_owned()],
                ..Default::default()
            }
            .add_to(query);
        }
        BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn transform_ip(
        &self,
        buffer: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(mut state) = self.state.lock().unwrap().take() else {
            gst::element_imp_error!(
                self,
                gst::CoreError::Failed,
                ["a frame came while stopped, or after a frame that could not be masked"]
            );
            return Err(gst::FlowError::Error);
        };
        // On an error the state is not put back: the frame may be half masked, and nothing that was
        // known before is worth going on with.
        let after = self.handle(&mut state, buffer)?;
        *self.state.lock().unwrap() = Some(state);
        if let Some(notice) = after.notice {
            let message = gst::message::Element::builder((&notice).into())
                .src(&*self.obj())
                .build();
            // Fails only without a bus, and then nobody listens.
            let _ = self.obj().post_message(message);
        }
        if after.drop {
            return Ok(BASE_TRANSFORM_FLOW_DROPPED);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

impl VideoFilterImpl for WgpuBlur {
    fn set_info(
        &self,
        incaps: &gst::Caps,
        in_info: &gst_video::VideoInfo,
        _outcaps: &gst::Caps,
        _out_info: &gst_video::VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        if frame::geometry(in_info).is_none() {
            return Err(gst::loggable_error!(CAT, "Caps {incaps} cannot be masked"));
        }
        if let Some(state) = &mut *self.state.lock().unwrap() {
            // Another picture: what was seen in the old one is somewhere else in the new one.
            state.holds = Holds::default();
            state.info = Some(in_info.clone());
        }
        Ok(())
    }
}
