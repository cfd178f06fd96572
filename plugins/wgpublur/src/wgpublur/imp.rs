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
//! ## Time
//!
//! An object that is missed stays masked for `hold`, moving on as it moved. With `lookahead` frames wait
//! that long, rounded up to whole frames, and an object is masked on frames before its first detection
//! and between two; with `in-flight` above 1 a GPU works on several frames, each of which waits for the
//! next ones. Both are reported as latency. What waits leaves at the end of a stream, of a segment and of
//! caps, and is forgotten in a flush; events keep their place between frames.
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
use gst_base::{
    BASE_TRANSFORM_FLOW_DROPPED,
    subclass::{base_transform::GenerateOutputSuccess, prelude::*},
};
use gst_video::subclass::prelude::*;
use privacy_common::PathNote;

use super::shared::{CAT, Shared};
use crate::{
    backend::{Masker, OpenError},
    frame::FORMATS,
    session::Session,
    settings::{Settings, param_specs},
    what::What,
};

/// `session` is taken out while a frame is masked, so that no lock is held then. No two locks are ever
/// held together.
#[derive(Debug, Default)]
pub struct WgpuBlur {
    pub(super) settings: Mutex<Settings>,
    pub(super) session: Mutex<Option<Session>>,
    pub(super) shared: Mutex<Shared>,
}

#[glib::object_subclass]
impl ObjectSubclass for WgpuBlur {
    const NAME: &'static str = "GstWgpuBlur";
    type Type = super::WgpuBlur;
    type ParentType = gst_video::VideoFilter;
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
        let what = What::load(&settings).map_err(|err| {
            // It may quote a file, and a message is a C string.
            let text = err.to_string();
            gst::error_msg!(
                gst::ResourceError::Settings,
                ("{}", privacy_common::c_text(&text))
            )
        })?;
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
        let ready = self.opened(&masker, settings.backend);
        let session = Session::new(masker, what, &settings);
        *self.shared.lock().unwrap() = Shared::new(&session);
        *self.session.lock().unwrap() = Some(session);
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
        self.route(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Sink {
            PathNote {
                elements: vec![concat!("wgpublur ", env!("CARGO_PKG_VERSION")).to_owned()],
                ..Default::default()
            }
            .add_to(query);
            if query.type_() == gst::QueryType::Drain {
                self.drain();
            }
        }
        let known = BaseTransformImplExt::parent_query(self, direction, query);
        if direction == gst::PadDirection::Src
            && known
            && let gst::QueryViewMut::Latency(latency) = query.view_mut()
        {
            let delay = self.shared.lock().unwrap().delay;
            let (live, min, max) = latency.result();
            let max = max.map(|max| max.saturating_add(delay));
            latency.set(live, min.saturating_add(delay), max);
        }
        known
    }

    fn propose_allocation(
        &self,
        decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        let proposed = self.parent_propose_allocation(decide_query, query);
        // Downstream's answer for its own frames: here one that is larger than its caps is refused.
        while let Some(index) = query.find_allocation_meta::<gst_video::VideoCropMeta>() {
            query.remove_nth_allocation_meta(index);
        }
        if self.asks_for_frames(query) {
            Ok(())
        } else {
            proposed
        }
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        if !self.shared.lock().unwrap().is_delayed {
            return self.parent_generate_output();
        }
        if let Some(buffer) = self.take_queued_buffer() {
            self.wait(buffer)?;
        }
        Ok(match self.advance(false)? {
            Some(buffer) => GenerateOutputSuccess::Buffer(buffer),
            None => GenerateOutputSuccess::NoOutput,
        })
    }

    fn transform_ip(
        &self,
        buffer: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let handled = self.with_session(|session, live| session.handle(buffer, live))?;
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
        self.set_stream(in_info).map_err(|err| {
            gst::element_imp_error!(self, gst::StreamError::Format, ("{err}"));
            gst::loggable_error!(CAT, "Caps {incaps}: {err}")
        })
    }
}
