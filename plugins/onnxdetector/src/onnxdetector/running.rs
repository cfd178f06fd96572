// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the streaming thread works with between start and stop.

use std::path::Path;

use gst_video::{VideoFrameRef, VideoInfo};
use privacy_common::{Detection, Purpose, ScanStamp, attach};

use super::{
    Use, frame,
    settings::{Settings, Thresholds},
};
use crate::{
    detector::{Detector, Options, Scan, ScanError},
    labels,
    model::{LoadError, Model},
};

/// What runs between start and stop; used by the streaming thread alone, which takes it out of its mutex
/// for the time of an inference.
pub struct Running {
    detector: Detector,
    info: Option<VideoInfo>,
    /// Classes that the property allows.
    selected: Vec<usize>,
    /// Of these, the classes that the purpose in force allows.
    classes: Vec<usize>,
    /// Their labels.
    labels: Vec<String>,
    used_for: Use,
    /// The purpose in force does not allow this use: nothing may leave.
    pub refused: bool,
    /// Frames in a row that could not be looked at.
    pub failures: u32,
}

impl Running {
    /// Loads what the settings ask for, of an element whose plugin lies in `plugin_folder`.
    pub fn load(settings: &Settings, plugin_folder: Option<&Path>) -> Result<Self, LoadError> {
        let model = Model::load(&settings.request(plugin_folder))?;
        let selected = labels::select(settings.classes.as_deref().unwrap_or(""), &model.labels)?;
        let mut running = Self {
            detector: Detector::new(model),
            info: None,
            selected,
            classes: Vec::new(),
            labels: Vec::new(),
            used_for: settings.used_for,
            refused: false,
            failures: 0,
        };
        running.allow(None);
        Ok(running)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        self.detector.model()
    }

    /// Labels that are reported.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What the following frames look like.
    pub fn set_info(&mut self, info: VideoInfo) -> Result<(), ScanError> {
        self.info = None;
        self.detector
            .set_format((info.width(), info.height()), &frame::format(&info))?;
        self.info = Some(info);
        Ok(())
    }

    /// Recomputes what is reported under a purpose.
    pub fn allow(&mut self, purpose: Option<&Purpose>) {
        let model = self.detector.model();
        // What must be masked has to be found, whether or not it may be counted. A purpose that allows no
        // class allows none, whatever the use: what is then not looked for is masked as part of the frame.
        let allowed = |label: &String| {
            purpose.is_none_or(|p| p.classes.contains(label) || p.mask_classes.contains(label))
        };
        self.classes = self
            .selected
            .iter()
            .copied()
            .filter(|&c| allowed(&model.labels[c]))
            .collect();
        self.labels = self
            .classes
            .iter()
            .map(|&c| model.labels[c].clone())
            .collect();
    }

    /// Looks at a frame and writes down what was found; an error means that nobody looked.
    pub fn look(
        &mut self,
        buffer: &mut gst::BufferRef,
        thresholds: &Thresholds,
    ) -> Result<Scan, String> {
        let earlier = ScanStamp::read(buffer);
        ScanStamp::remove(buffer);
        let scan = self.scan(buffer, thresholds);
        // For a mask, what an earlier detector found stays: too many boxes hide more, never less. To count,
        // an object that both found is one object. Of a frame that was not looked at, nothing stays.
        if scan.is_err() || self.used_for == Use::Statistics {
            remove_detections(buffer, &self.labels);
        }
        let scan = scan?;
        // A frame was looked at, so there were caps.
        let (width, height, par) = self.info.as_ref().map_or((0, 0, (1, 1)), |info| {
            let par = info.par();
            (info.width(), info.height(), (par.numer(), par.denom()))
        });
        let model = self.detector.model();
        for object in &scan.objects {
            attach(
                buffer,
                &Detection {
                    class: model.labels[object.class].clone(),
                    x: object.rect.x,
                    y: object.rect.y,
                    width: object.rect.width,
                    height: object.rect.height,
                    track: None,
                    score: Some(object.score),
                },
            );
        }
        ScanStamp {
            detector: "onnxdetector".to_owned(),
            model: model.sha256.clone(),
            classes: self.labels.clone(),
            threshold: thresholds.score.into(),
            found: scan.objects.len() as u32,
            // A detector before this one that saw more than it reported: its detections stay incomplete.
            overflow: scan.overflow || earlier.is_some_and(|e| e.overflow),
            pts: buffer.pts(),
            predicted: false,
            width,
            height,
            par,
        }
        .write(buffer);
        self.failures = 0;
        Ok(scan)
    }

    fn scan(&mut self, buffer: &gst::BufferRef, thresholds: &Thresholds) -> Result<Scan, String> {
        let info = self.info.as_ref().ok_or("a frame came before its caps")?;
        frame::check(buffer, info).map_err(|e| format!("the frame cannot be read: {e}"))?;
        let unmapped = |e: glib::BoolError| format!("the frame cannot be mapped: {e}");
        let copy;
        let buffer = if frame::is_in_one_piece(buffer) {
            buffer
        } else {
            copy = frame::in_one_piece(buffer).map_err(unmapped)?;
            &*copy
        };
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).map_err(unmapped)?;
        let components =
            frame::components(&frame).ok_or("rows stored from bottom to top are not read")?;
        let options = Options {
            classes: &self.classes,
            score_threshold: thresholds.score,
            iou_threshold: thresholds.iou,
            max_detections: thresholds.max_detections as usize,
        };
        self.detector
            .scan(&components, options)
            .map_err(|e| e.to_string())
    }
}

/// Takes off the detections of the classes that this element reports.
fn remove_detections(buffer: &mut gst::BufferRef, labels: &[String]) {
    buffer.foreach_meta_mut(|mut meta| {
        let ours = meta
            .downcast_ref::<gst_video::VideoRegionOfInterestMeta>()
            .is_some_and(|roi| labels.iter().any(|l| l == roi.roi_type()));
        std::ops::ControlFlow::Continue(if ours {
            gst::buffer::BufferMetaForeachAction::Remove
        } else {
            gst::buffer::BufferMetaForeachAction::Keep
        })
    });
}
