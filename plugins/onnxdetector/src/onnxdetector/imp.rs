// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-onnxdetector
 * @see_also: wgpublur, countaggregator, purposegate
 *
 * Finds people, vehicles and whatever else a model reports, and identifies nobody. Each object becomes a
 * `GstVideoRegionOfInterestMeta` with its class in `roi_type`; each frame that was looked at carries the
 * custom meta `PrivacyScan`, also when nobody was found. A frame without it was not looked at, and
 * `wgpublur` masks it whole.
 *
 * Behind another detector, its stamp replaces the other's: classes that only the other one knows then count
 * as not looked for, and `wgpublur` masks the whole frame where they must be masked. The other's boxes stay;
 * with `use=statistics`, those of classes that this one reports too are replaced.
 *
 * Models are those of NanoDet, YOLOX (exported without decoding) and CenterFace.
 * Everything is loaded and checked on the way to PAUSED: ONNX Runtime, the model, its labels. A model
 * that recognises or characterises people is refused; no property changes that.
 *
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! videoconvert ! onnxdetector model-file=nanodet.onnx ! wgpublur ! autovideosink
 * ]|
 *
 * Messages are element messages with a structure named `onnxdetector`:
 * `event=ready, model-sha256, decoder, runtime-version, active-provider, classes, use` (strings; classes one
 * per line) and `event=inference-failed, timestamp (guint64, ns), consecutive (guint), error (string)`.
 *
 * Since: 0.1.0
 */
use std::sync::{LazyLock, Mutex};

use gst::{prelude::*, subclass::prelude::*};
use gst_base::subclass::prelude::*;
use privacy_common::{DetectorUse, PathNote, Purpose, c_text};

use super::{
    ExecutionProvider, InferenceFailed, Message, Ready, Use, frame, log::CAT, running::Running,
    settings::Settings, status::Status,
};
use crate::model::LoadError;

/// Frames in a row that may fail before the element gives up.
const MAX_FAILURES: u32 = 10;

/// Properties that may change at any time; the others are read on the way to PAUSED.
const MUTABLE_PLAYING: [&str; 3] = ["score-threshold", "iou-threshold", "max-detections"];

/// Locks are held one at a time, never across an inference or a message.
#[derive(Default)]
pub struct OnnxDetector {
    settings: Mutex<Settings>,
    status: Mutex<Status>,
    running: Mutex<Option<Box<Running>>>,
}

#[glib::object_subclass]
impl ObjectSubclass for OnnxDetector {
    const NAME: &'static str = "GstOnnxDetector";
    type Type = super::OnnxDetector;
    type ParentType = gst_base::BaseTransform;
}

impl OnnxDetector {
    /// Takes in a purpose; `false` when it does not allow what this element is used for.
    fn obey(&self, purpose: Option<&Purpose>) -> bool {
        let used_for = self.settings.lock().unwrap().used_for;
        let needed = match used_for {
            Use::Mask => DetectorUse::Mask,
            Use::Statistics => DetectorUse::Statistics,
        };
        let refusal = purpose.filter(|p| p.detector_use < needed);
        if let Some(running) = self.running.lock().unwrap().as_mut() {
            running.refused = refusal.is_some();
            running.allow(purpose);
        }
        let Some(purpose) = refusal else { return true };
        gst::element_imp_error!(
            self,
            gst::ResourceError::NotAuthorized,
            (
                "DETECTOR_USE: the purpose {0} allows the detector for \"{1}\", and its property use is \"{needed}\". \
                 Remove the detector or declare another purpose. / DETECTOR_USE : la finalité {0} limite la détection \
                 automatique à « {1} », et la propriété use vaut « {needed} ». Retirez le détecteur ou déclarez une \
                 autre finalité.",
                purpose.purpose,
                purpose.detector_use
            ),
            ["session {}", purpose.session]
        );
        false
    }

    /// Counts a failure and tells about it.
    fn failed(
        &self,
        running: &mut Running,
        pts: Option<gst::ClockTime>,
        error: String,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        running.failures += 1;
        let error = c_text(&error).into_owned();
        let consecutive = running.failures;
        self.status.lock().unwrap().failures += 1;
        self.post(&Message::InferenceFailed(InferenceFailed {
            timestamp: pts,
            consecutive,
            error: error.clone(),
        }));
        if consecutive >= MAX_FAILURES {
            gst::element_imp_error!(
                self,
                gst::StreamError::Failed,
                ("Detection failed on {consecutive} frames in a row"),
                ["{error}"]
            );
            return Err(gst::FlowError::Error);
        }
        if consecutive == 1 {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Failed,
                ("Detection failed; the frame goes on unmarked and is masked whole by wgpublur"),
                ["{error}"]
            );
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn post(&self, message: &Message) {
        let obj = self.obj();
        let message = gst::message::Element::builder(message.into())
            .src(&*obj)
            .build();
        // Without a bus nobody listens, which is the application's choice.
        let _ = obj.post_message(message);
    }
}

impl ObjectImpl for OnnxDetector {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(super::settings::specs);
        PROPERTIES.as_ref()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let name = pspec.name();
        if self.status.lock().unwrap().started && !MUTABLE_PLAYING.contains(&name) {
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
        let status = || self.status.lock().unwrap();
        match pspec.name() {
            "model-sha256" => status().model_sha256.to_value(),
            "runtime-version" => status().runtime_version.to_value(),
            "active-provider" => status().active_provider.to_value(),
            "stats" => status().stats().to_value(),
            name => self.settings.lock().unwrap().get(name),
        }
    }
}

impl GstObjectImpl for OnnxDetector {}

impl ElementImpl for OnnxDetector {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "ONNX object detector",
                "Analyzer/Video",
                "Finds people and vehicles with an ONNX model, marks every frame it looked at, identifies nobody",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_video::VideoCapsBuilder::new()
                .format_list(frame::FORMATS)
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
        TEMPLATES.as_ref()
    }
}

impl BaseTransformImpl for OnnxDetector {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings.lock().unwrap().clone();
        let plugin = self.obj().factory().and_then(|f| f.plugin());
        let library = plugin.and_then(|p| p.filename());
        let running = Running::load(&settings, library.as_ref().and_then(|l| l.parent()));
        let running = Box::new(running.map_err(|e| {
            let text = e.to_string();
            // It may quote the label file or the model.
            let text = c_text(&text);
            match e {
                LoadError::Biometrics { .. } => {
                    gst::error_msg!(gst::ResourceError::NotAuthorized, ("{text}"))
                }
                LoadError::Missing { .. } | LoadError::Runtime(_) => {
                    gst::error_msg!(gst::ResourceError::NotFound, ("{text}"))
                }
                LoadError::Read { .. } | LoadError::Session { .. } => {
                    gst::error_msg!(gst::ResourceError::OpenRead, ("{text}"))
                }
                _ => gst::error_msg!(gst::ResourceError::Settings, ("{text}")),
            }
        })?);
        let model = running.model();
        let provider = match settings.execution_provider {
            ExecutionProvider::Cpu => "cpu",
        };
        let ready = Ready {
            model_sha256: model.sha256.clone(),
            decoder: model.decoder.nick().to_owned(),
            runtime_version: model.runtime.version.clone(),
            active_provider: provider.to_owned(),
            classes: running.labels().to_vec(),
            used_for: match settings.used_for {
                Use::Mask => "mask",
                Use::Statistics => "statistics",
            }
            .to_owned(),
        };
        gst::info!(CAT, imp = self, "Ready: {ready:?}");
        *self.status.lock().unwrap() = Status {
            started: true,
            model_sha256: ready.model_sha256.clone(),
            runtime_version: ready.runtime_version.clone(),
            active_provider: ready.active_provider.clone(),
            ..Default::default()
        };
        *self.running.lock().unwrap() = Some(running);
        self.post(&Message::Ready(ready));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let running = self.running.lock().unwrap().take();
        // Freeing the session takes a while, and nobody should wait for a lock meanwhile.
        drop(running);
        *self.status.lock().unwrap() = Status::default();
        gst::info!(CAT, imp = self, "Stopped");
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_video::VideoInfo::from_caps(incaps)
            .map_err(|_| gst::loggable_error!(CAT, "Invalid caps {incaps:?}"))?;
        if !frame::is_one_picture(&info) {
            return Err(gst::loggable_error!(
                CAT,
                "Caps {incaps:?}: of two fields or views only one would be looked at; put deinterlace in front"
            ));
        }
        self.running
            .lock()
            .unwrap()
            .as_mut()
            .ok_or_else(|| gst::loggable_error!(CAT, "Caps before start"))?
            .set_info(info)
            .map_err(|e| gst::loggable_error!(CAT, "Caps {incaps:?}: {e}"))
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let obeyed = match Purpose::from_event(&event) {
            None => true,
            Some(Ok(purpose)) => self.obey(Some(&purpose)),
            Some(Err(e)) => {
                gst::warning!(
                    CAT,
                    imp = self,
                    "Purpose cannot be read, none is in force: {e}"
                );
                self.obey(None)
            }
        };
        if !obeyed {
            return false;
        }
        self.parent_sink_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Sink && PathNote::is_audit(query) {
            let sha256 = self.status.lock().unwrap().model_sha256.clone();
            PathNote {
                elements: vec![concat!("onnxdetector ", env!("CARGO_PKG_VERSION")).to_owned()],
                models: vec![sha256],
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
        let Some(mut running) = self.running.lock().unwrap().take() else {
            return Err(gst::FlowError::Flushing);
        };
        let pts = buffer.pts();
        let thresholds = self.settings.lock().unwrap().thresholds();
        let result = if running.refused {
            Err(gst::FlowError::Error)
        } else {
            match running.look(buffer, &thresholds) {
                Ok(scan) => {
                    self.status.lock().unwrap().count(&scan);
                    gst::log!(CAT, imp = self, "{pts:?}: {} found", scan.objects.len());
                    Ok(gst::FlowSuccess::Ok)
                }
                Err(error) => self.failed(&mut running, pts, error),
            }
        };
        *self.running.lock().unwrap() = Some(running);
        result
    }
}
