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
//! `PrivacyScan`. With two detectors in a row the later one's stamp counts: classes that only the
//! earlier one knows then count as not looked for, and where they must be masked the whole frame is.
//! Keep it right behind the detector: `videoflip`, `videocrop` and `compositor` drop
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

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::{BASE_TRANSFORM_FLOW_DROPPED, prelude::*, subclass::prelude::*};
use gst_video::subclass::prelude::*;
use privacy_common::{PathNote, Purpose};

use crate::{
    backend::{Masker, OpenError},
    classes::Classes,
    frame::FORMATS,
    notice::{Event, Notice},
    pictures,
    session::{Failure, Handled, Session},
    settings::{Settings, param_specs},
    verdict::Demand,
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "wgpublur",
        gst::DebugColorFlags::empty(),
        Some("Masks detections or whole frames"),
    )
});

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

/// `session` is taken out while a frame is masked, so that no lock is held then. No two locks are ever
/// held together.
#[derive(Debug, Default)]
pub struct WgpuBlur {
    settings: Mutex<Settings>,
    session: Mutex<Option<Session>>,
    shared: Mutex<Shared>,
}

#[glib::object_subclass]
impl ObjectSubclass for WgpuBlur {
    const NAME: &'static str = "GstWgpuBlur";
    type Type = super::WgpuBlur;
    type ParentType = gst_video::VideoFilter;
}

impl WgpuBlur {
    /// Runs `change` on the session, if one is on.
    fn change(&self, change: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut *self.session.lock().unwrap() {
            change(session);
        }
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
        self.change(|session| session.set_demand(demand));
    }

    /// Posts the error of a frame that must not leave.
    fn fail(&self, failure: &Failure) -> gst::FlowError {
        match failure {
            Failure::NoCaps => return gst::FlowError::NotNegotiated,
            Failure::MissingScan(_) => {
                gst::element_imp_error!(self, gst::StreamError::Failed, ("{failure}"));
            }
            Failure::Memory(_) => {
                gst::element_imp_error!(self, gst::ResourceError::Write, ("{failure}"));
            }
            Failure::Layout(_) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ("{failure}"));
            }
            Failure::Gpu(_) => {
                gst::element_imp_error!(self, gst::ResourceError::Failed, ("{failure}"));
            }
        }
        gst::FlowError::Error
    }

    /// Counts a frame and returns what to tell the bus.
    fn account(
        &self,
        handled: &Handled,
        masker: &Masker,
        pts: Option<gst::ClockTime>,
    ) -> Option<Notice> {
        gst::log!(CAT, imp = self, "Frame at {pts:?}: {:?}", handled.stamp);
        if let Some(why) = &handled.took_over {
            gst::warning!(CAT, imp = self, "GPU failed, going on with the CPU: {why}");
        }
        {
            let shared = &mut *self.shared.lock().unwrap();
            if handled.took_over.is_some() {
                (shared.backend, shared.adapter) = (masker.name(), None);
            }
            let stats = &mut shared.stats;
            match &handled.stamp {
                None => stats.dropped += 1,
                Some(stamp) => {
                    stats.frames += 1;
                    stats.regions += u64::from(stamp.regions);
                    stats.whole_frames += u64::from(stamp.whole_frame);
                    stats.share += stamp.share;
                    let time = u64::try_from(handled.time.as_nanos()).unwrap_or(u64::MAX);
                    stats.time = stats.time.saturating_add(time);
                }
            }
        }
        let (event, reason) = handled.change?;
        let segment = self.obj().segment();
        Some(Notice {
            event,
            reason: Some(reason),
            detail: handled.took_over.clone().unwrap_or_default(),
            backend: masker.name().to_owned(),
            running_time: segment
                .downcast_ref::<gst::ClockTime>()
                .and_then(|s| s.to_running_time(pts)),
        })
    }

    fn tell(&self, notice: &Notice) {
        let message = gst::message::Element::builder(notice.into())
            .src(&*self.obj())
            .build();
        // Fails only without a bus, and then nobody listens.
        let _ = self.obj().post_message(message);
    }
}

impl ObjectImpl for WgpuBlur {
    fn properties() -> &'static [glib::ParamSpec] {
        param_specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let name = pspec.name();
        let is_started = !self.shared.lock().unwrap().backend.is_empty();
        if is_started && !pspec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING) {
            gst::error!(
                CAT,
                imp = self,
                "Property {name} cannot change before the element is back in READY; the change is ignored"
            );
            return;
        }
        self.settings.lock().unwrap().set(name, value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let setting = self.settings.lock().unwrap().get(pspec.name());
        setting.unwrap_or_else(|| {
            let shared = self.shared.lock().unwrap();
            match pspec.name() {
                "active-backend" => shared.backend.to_value(),
                "adapter" => shared.adapter.clone().unwrap_or_default().to_value(),
                "stats" => shared.stats.to_structure().to_value(),
                name => unreachable!("no property \"{name}\" is declared"),
            }
        })
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
        settings
            .check()
            .map_err(|err| gst::error_msg!(gst::ResourceError::Settings, ("{err}")))?;
        let asked = Classes::parse(&settings.classes, &settings.exclude_classes)
            .map_err(|err| gst::error_msg!(gst::ResourceError::Settings, ("{err}")))?;
        let masker = Masker::open(settings.backend, &settings.device).map_err(|err| {
            let text = format!("properties \"backend\" and \"device\": {err}");
            match err {
                OpenError::DeviceForCpu(_) => {
                    gst::error_msg!(gst::ResourceError::Settings, ("{text}"))
                }
                OpenError::Gpu(_) => gst::error_msg!(gst::ResourceError::NotFound, ("{text}")),
                OpenError::Random(_) => gst::error_msg!(gst::ResourceError::Failed, ("{text}")),
            }
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
        let ready = Notice {
            event: Event::Ready,
            reason: None,
            detail: match (&adapter, settings.backend) {
                (Some(adapter), _) => adapter.clone(),
                (None, super::Backend::Auto) => "no GPU was found".to_owned(),
                (None, _) => String::new(),
            },
            backend: masker.name().to_owned(),
            running_time: None,
        };
        *self.shared.lock().unwrap() = Shared {
            backend: masker.name(),
            adapter,
            stats: Stats::default(),
        };
        *self.session.lock().unwrap() = Some(Session::new(masker, asked));
        self.tell(&ready);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        // Taken out first: dropping it waits for the GPU.
        let session = self.session.lock().unwrap().take();
        drop(session);
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
        if event.type_() == gst::EventType::FlushStop {
            self.change(Session::flush);
        }
        match pictures::removed(event) {
            Some(event) => self.parent_sink_event(event),
            None => true,
        }
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
        let Some(mut session) = self.session.lock().unwrap().take() else {
            gst::element_imp_error!(
                self,
                gst::CoreError::Failed,
                ["a frame came while stopped, or after a frame that could not be masked"]
            );
            return Err(gst::FlowError::Error);
        };
        let live = self.settings.lock().unwrap().live.clone();
        let pts = buffer.pts();
        // After a failure the session is not put back: what comes then is refused until a restart.
        let handled = session
            .handle(buffer, &live)
            .map_err(|failure| self.fail(&failure))?;
        let notice = self.account(&handled, session.masker(), pts);
        *self.session.lock().unwrap() = Some(session);
        if let Some(notice) = notice {
            self.tell(&notice);
        }
        match handled.stamp {
            Some(_) => Ok(gst::FlowSuccess::Ok),
            None => Ok(BASE_TRANSFORM_FLOW_DROPPED),
        }
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
        let mut fits = true;
        self.change(|session| fits = session.set_info(in_info));
        if fits {
            Ok(())
        } else {
            Err(gst::loggable_error!(CAT, "Caps {incaps} cannot be masked"))
        }
    }
}
