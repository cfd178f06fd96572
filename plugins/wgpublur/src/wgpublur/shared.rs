// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the element counts, tells and posts.

use std::sync::LazyLock;

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst_base::prelude::*;

use super::{Backend, imp::WgpuBlur};
use crate::{
    backend::Masker,
    failure::Failure,
    notice::{Event, Notice},
    session::{Handled, Session},
};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "wgpublur",
        gst::DebugColorFlags::empty(),
        Some("Masks detections or whole frames"),
    )
});

/// What others may read while frames are masked.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub backend: &'static str,
    pub adapter: Option<String>,
    pub stats: Stats,
    /// Frames wait before they leave.
    pub is_delayed: bool,
    /// By how much.
    pub delay: gst::ClockTime,
    /// How many wait, when that is known.
    pub frames: Option<u32>,
    /// Whoever makes the buffers of these caps was asked for as many more.
    pub is_asked: bool,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Stats {
    frames: u64,
    regions: u64,
    whole_frames: u64,
    dropped: u64,
    share: f64,
    time: u64,
}

impl Shared {
    /// Of a new session.
    pub fn new(session: &Session) -> Self {
        let masker = session.masker();
        Self {
            backend: masker.name(),
            adapter: masker.adapter().map(ToString::to_string),
            is_delayed: session.is_delayed(),
            ..Self::default()
        }
    }
}

impl Stats {
    fn count(&mut self, handled: &Handled) {
        let Some(stamp) = &handled.stamp else {
            self.dropped += 1;
            return;
        };
        self.frames += 1;
        self.regions += u64::from(stamp.regions);
        self.whole_frames += u64::from(stamp.whole_frame);
        self.share += stamp.share;
        let time = u64::try_from(handled.time.as_nanos()).unwrap_or(u64::MAX);
        self.time = self.time.saturating_add(time);
    }

    pub fn to_structure(self) -> gst::Structure {
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

impl WgpuBlur {
    /// Says what masks from here on.
    pub(super) fn opened(&self, masker: &Masker, asked: Backend) -> Notice {
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
        Notice {
            event: Event::Ready,
            reason: None,
            detail: match (adapter, asked) {
                (Some(adapter), _) => adapter,
                (None, Backend::Auto) => "no GPU was found".to_owned(),
                (None, _) => String::new(),
            },
            backend: masker.name().to_owned(),
            running_time: None,
        }
    }

    /// Posts the error of a frame that must not leave.
    pub(super) fn fail(&self, failure: &Failure) -> gst::FlowError {
        match failure {
            Failure::NoCaps => return gst::FlowError::NotNegotiated,
            Failure::Settings(_) => {
                gst::element_imp_error!(self, gst::ResourceError::Settings, ("{failure}"));
            }
            Failure::MissingScan(_) | Failure::Overload(_) => {
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
    pub(super) fn account(&self, handled: &Handled, masker: &Masker) -> Option<Notice> {
        let pts = handled.pts;
        gst::log!(CAT, imp = self, "Frame at {pts:?}: {:?}", handled.stamp);
        if let Some(why) = &handled.took_over {
            gst::warning!(CAT, imp = self, "GPU failed, going on with the CPU: {why}");
        }
        {
            let shared = &mut *self.shared.lock().unwrap();
            if handled.took_over.is_some() {
                (shared.backend, shared.adapter) = (masker.name(), None);
            }
            shared.stats.count(handled);
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

    pub(super) fn tell(&self, notice: &Notice) {
        let message = gst::message::Element::builder(notice.into())
            .src(&*self.obj())
            .build();
        // Fails only without a bus, and then nobody listens.
        let _ = self.obj().post_message(message);
    }
}
