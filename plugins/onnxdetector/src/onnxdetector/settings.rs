// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the user set, as it was set.

use std::path::PathBuf;

use glib::prelude::*;
use gst::prelude::*;

use super::{Decoder, ExecutionProvider, Use, log};
use crate::{decode::Family, model::Request, runtime::Search};

/// The properties that can be written.
#[derive(Debug, Clone)]
pub struct Settings {
    pub model_file: Option<String>,
    pub label_file: Option<String>,
    pub runtime_library: Option<String>,
    pub decoder: Decoder,
    pub score_threshold: f32,
    pub iou_threshold: f32,
    pub max_detections: u32,
    pub classes: Option<String>,
    pub threads: u32,
    pub execution_provider: ExecutionProvider,
    pub used_for: Use,
}

/// Those that may change from frame to frame.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    pub score: f32,
    pub iou: f32,
    pub max_detections: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model_file: None,
            label_file: None,
            runtime_library: None,
            decoder: Decoder::default(),
            score_threshold: 0.3,
            iou_threshold: 0.6,
            max_detections: 100,
            classes: None,
            // One thread per stream costs the least processor time per frame.
            threads: 1,
            execution_provider: ExecutionProvider::default(),
            used_for: Use::default(),
        }
    }
}

impl Settings {
    /// The model that these settings ask for, of an element whose plugin lies in `plugin_folder`.
    pub fn request(&self, plugin_folder: Option<&std::path::Path>) -> Request {
        let path =
            |text: &Option<String>| text.as_ref().filter(|t| !t.is_empty()).map(PathBuf::from);
        Request {
            model_file: path(&self.model_file),
            label_file: path(&self.label_file),
            family: match self.decoder {
                Decoder::Auto => None,
                Decoder::NanoDet => Some(Family::NanoDet),
                Decoder::Yolox => Some(Family::Yolox),
                Decoder::CenterFace => Some(Family::CenterFace),
            },
            threads: self.threads as usize,
            search: Search {
                log: Some(log::runtime),
                ..Search::new(path(&self.runtime_library), plugin_folder)
            },
        }
    }
}

impl Settings {
    pub fn thresholds(&self) -> Thresholds {
        Thresholds {
            score: self.score_threshold,
            iou: self.iou_threshold,
            max_detections: self.max_detections,
        }
    }

    /// Stores a property; what it means is checked on the way to PAUSED.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "model-file" => self.model_file = stored(value),
            "label-file" => self.label_file = stored(value),
            "runtime-library" => self.runtime_library = stored(value),
            "decoder" => self.decoder = stored(value),
            "score-threshold" => self.score_threshold = stored(value),
            "iou-threshold" => self.iou_threshold = stored(value),
            "max-detections" => self.max_detections = stored(value),
            "classes" => self.classes = stored(value),
            "threads" => self.threads = stored(value),
            "execution-provider" => self.execution_provider = stored(value),
            "use" => self.used_for = stored(value),
            // GObject passes on the names of `specs` alone, and the others of them cannot be written.
            _ => {}
        }
    }

    /// The value of a property that can be written.
    pub fn get(&self, name: &str) -> glib::Value {
        match name {
            "model-file" => self.model_file.to_value(),
            "label-file" => self.label_file.to_value(),
            "runtime-library" => self.runtime_library.to_value(),
            "decoder" => self.decoder.to_value(),
            "score-threshold" => self.score_threshold.to_value(),
            "iou-threshold" => self.iou_threshold.to_value(),
            "max-detections" => self.max_detections.to_value(),
            "threads" => self.threads.to_value(),
            "execution-provider" => self.execution_provider.to_value(),
            "use" => self.used_for.to_value(),
            _ => self.classes.to_value(),
        }
    }
}

fn stored<T: for<'a> glib::value::FromValue<'a>>(value: &glib::Value) -> T {
    value.get().expect("type checked upstream")
}

/// Every property.
pub fn specs() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecString::builder("model-file")
            .nick("Model file")
            .blurb("Path of the ONNX detector; it is read once and its SHA-256 goes onto every frame")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("label-file")
            .nick("Label file")
            .blurb("Path of a text file with one label per line (default: metadata of the model, else COCO)")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("runtime-library")
            .nick("Runtime library")
            .blurb("Path of libonnxruntime.so (default: ORT_DYLIB_PATH, else the usual folders)")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("decoder", default.decoder)
            .nick("Decoder")
            .blurb("How the outputs of the model are read")
            .mutable_ready()
            .build(),
        glib::ParamSpecFloat::builder("score-threshold")
            .nick("Score threshold")
            .blurb("Lowest score that is reported")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.score_threshold)
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("iou-threshold")
            .nick("IoU threshold")
            .blurb("Overlap above which two boxes of a class count as one object")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.iou_threshold)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("max-detections")
            .nick("Most detections")
            .blurb("Most objects reported per frame; a frame with more is marked as an overflow and masked whole")
            .minimum(1)
            .maximum(10_000)
            .default_value(default.max_detections)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("classes")
            .nick("Classes")
            .blurb("Labels to report, separated by commas (default: every class of the model)")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("threads")
            .nick("Threads")
            .blurb("Threads that share one inference; 0 takes one per core")
            .maximum(256)
            .default_value(default.threads)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("execution-provider", default.execution_provider)
            .nick("Execution provider")
            .blurb("What runs the model; one that is not there is an error, never replaced")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("use", default.used_for)
            .nick("Use")
            .blurb("What the detections are used for, at most what the purpose in force allows")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("model-sha256")
            .nick("SHA-256 of the model")
            .blurb("SHA-256 of the model file in hex, once it is loaded")
            .read_only()
            .build(),
        glib::ParamSpecString::builder("runtime-version")
            .nick("Runtime version")
            .blurb("Version and build of ONNX Runtime, once it is loaded")
            .read_only()
            .build(),
        glib::ParamSpecString::builder("active-provider")
            .nick("Active provider")
            .blurb("What runs the model, once it is loaded")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("frames, failures and detections since the start; preprocess-time, inference-time and decode-time as means per frame in ns")
            .read_only()
            .build(),
    ]
}
