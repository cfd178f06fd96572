// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-countaggregator
 * @see_also: onnxdetector, purposegate, auditsink
 *
 * Turns the detections on video frames into counts per line, zone, class and window of time. The
 * frames end here: there is no video source pad, only JSON Lines, one object per closed window. Ids,
 * positions and images never leave, counts from 1 to `min-count` - 1 are `null`, and a window is given
 * out only when it is over, whole, and its publication delay has passed. At the end of recorded footage
 * (`start-time`), whole windows are given out at once. A live camera's that still wait for their delay are
 * discarded at the end of the stream, and so is every waiting window at a stop without one.
 *
 * Each sink pad is one camera of the site file. What counts is the middle of the lower edge of a box. A
 * line counts crossings, not people; a zone gives the mean number inside, to one decimal, withheld when
 * fewer than `min-count` objects were seen in it. Beside a withheld value, those of the lines that run along
 * the same place and of the zones that overlap are withheld too: their difference would tell it. Objects are followed by an own tracker without
 * appearance vectors, whatever ids the boxes carry. Scores help it and are lost in `videoconvert`, so
 * the detector should stand right before. Classes are those of the detector: someone on a bicycle is a
 * bicycle and, with most models, a pedestrian as well; a class that it cannot see is `null`, never 0.
 *
 * Frames that no detector stamped count nothing; a window with more than 5 % of them, or with 3 s in
 * which nobody looked, is discarded, and so is one in which counting began or stopped. The element
 * message `countaggregator` says so, without values: `event` (`window-closed`), `camera`, `from`, `to`
 * (RFC 3339), `whole` (boolean), `reason` (`start`, `stop`, `gap`, `unscanned`, `interrupted`,
 * `purpose`; empty when whole).
 *
 * Two elements may count one camera of a site file, in windows of the same length only: the difference of
 * longer and shorter ones would be a shorter one still.
 *
 * Without a declared purpose the legal floors hold: windows of 900 s to 86400 s, a publication delay of
 * 300 s. A purpose sets its own, and one that is not statistics is refused.
 *
 * ## Example
 *
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! onnxdetector model-file=m.onnx use=statistics ! countaggregator config=site.toml start-time=2026-11-21T10:00:00Z sink_0::camera=cam-12 ! filesink location=counts.jsonl
 * ]|
 *
 * Since: 0.1.0
 */
use std::sync::{
    Arc, LazyLock, Mutex,
    atomic::{AtomicU64, Ordering},
};

use gst::{prelude::*, subclass::prelude::*};
use privacy_common::{PathNote, Proof, Purpose};

use super::{
    CountAggregatorPad,
    output::{self, Output},
    settings::{Settings, properties},
    stream::{Job, Refusal, Step},
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "countaggregator",
        gst::DebugColorFlags::empty(),
        Some("Anonymous counts from detections"),
    )
});

/// The element. No two of its locks, nor one of these and a pad's, are ever held together.
pub struct CountAggregator {
    output: Output,
    settings: Mutex<Settings>,
    job: Mutex<Option<Arc<Job>>>,
    discarded: AtomicU64,
    next_pad: AtomicU64,
}

#[glib::object_subclass]
impl ObjectSubclass for CountAggregator {
    const NAME: &'static str = "GstCountAggregator";
    type Type = super::CountAggregator;
    type ParentType = gst::Element;
    type Interfaces = (gst::ChildProxy,);

    fn with_class(klass: &Self::Class) -> Self {
        let template = klass.pad_template("src").expect("registered below");
        let src = gst::Pad::builder_from_template(&template)
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.src_query(pad, query))
            })
            .build();
        Self {
            output: Output::new(src),
            settings: Mutex::default(),
            job: Mutex::default(),
            discarded: AtomicU64::new(0),
            next_pad: AtomicU64::new(0),
        }
    }
}

impl CountAggregator {
    fn job(&self) -> Option<Arc<Job>> {
        self.job.lock().expect("no panic holds it").clone()
    }

    fn cameras(&self) -> Vec<CountAggregatorPad> {
        let pads = self.obj().sink_pads();
        pads.into_iter()
            .filter_map(|pad| pad.downcast().ok())
            .collect()
    }

    pub(super) fn sink_chain(
        &self,
        pad: &CountAggregatorPad,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let job = self.job().ok_or(gst::FlowError::Flushing)?;
        let output = {
            let mut stream = pad.imp().stream.lock().expect("no panic holds it");
            if stream.refused {
                return Err(gst::FlowError::Error);
            }
            let governed = if stream.governed() {
                Ok(())
            } else {
                // No purpose was declared: the legal floors hold.
                stream.govern(&job, None, pad.imp().camera(), &pad.name())
            };
            governed.and_then(|()| stream.frame(&job, &buffer))
        };
        // The image ends here.
        drop(buffer);
        let output = output.map_err(|refusal| self.refuse(pad, &refusal))?;
        self.deliver(output)
    }

    fn refuse(&self, pad: &CountAggregatorPad, refusal: &Refusal) -> gst::FlowError {
        gst::element_imp_error!(
            self,
            gst::ResourceError::Settings,
            ("{refusal}"),
            ["{}: {refusal}", pad.name()]
        );
        gst::FlowError::Error
    }

    fn deliver(&self, output: Step) -> Result<gst::FlowSuccess, gst::FlowError> {
        for closed in &output.closed {
            if closed.discarded.is_some() {
                self.discarded.fetch_add(1, Ordering::Relaxed);
            }
            gst::debug!(CAT, imp = self, "window closed: {closed:?}");
            let message = gst::message::Element::builder(closed.into()).src(&*self.obj());
            let _ = self.obj().post_message(message.build());
        }
        self.output.push(output.records)
    }

    fn end_if_all_did(&self) {
        let cameras = self.cameras();
        let ended =
            |pad: &CountAggregatorPad| pad.imp().stream.lock().expect("no panic holds it").eos;
        if !cameras.is_empty() && cameras.iter().all(ended) {
            self.output.end();
        }
    }

    /// Nothing passes but the family's own: tags and other events can carry pictures and places.
    pub(super) fn sink_event(&self, pad: &CountAggregatorPad, event: gst::Event) -> bool {
        use gst::EventView;
        let stream = || pad.imp().stream.lock().expect("no panic holds it");
        match event.view() {
            EventView::Caps(caps) => {
                let sized = stream().caps(caps.caps());
                if !sized {
                    let _ = self.refuse(pad, &Refusal::NoSize);
                }
                sized
            }
            EventView::Segment(segment) => {
                let timed = stream().segment(segment.segment());
                if !timed {
                    let _ = self.refuse(pad, &Refusal::NoTime);
                }
                timed
            }
            EventView::Gap(gap) => {
                let (at, duration) = gap.get();
                let Some(job) = self.job() else { return false };
                let output = stream().gap(&job, at.saturating_add(duration.unwrap_or_default()));
                self.deliver(output).is_ok()
            }
            EventView::FlushStart(_) => self.output.pad().push_event(event),
            EventView::FlushStop(_) => {
                let Some(job) = self.job() else { return false };
                let output = stream().flush(&job);
                let passed = self.output.flushed(event);
                self.deliver(output).is_ok() && passed
            }
            EventView::Eos(_) => {
                let Some(job) = self.job() else { return false };
                let output = stream().end(&job);
                let delivered = self.deliver(output).is_ok();
                self.end_if_all_did();
                delivered
            }
            EventView::CustomDownstreamSticky(_) => match Purpose::from_event(&event) {
                Some(purpose) => self.govern(pad, purpose.ok(), event),
                None => true,
            },
            _ => true,
        }
    }

    fn govern(
        &self,
        pad: &CountAggregatorPad,
        purpose: Option<Purpose>,
        event: gst::Event,
    ) -> bool {
        let Some(job) = self.job() else { return false };
        let governed = {
            let mut stream = pad.imp().stream.lock().expect("no panic holds it");
            stream.govern(&job, purpose.as_ref(), pad.imp().camera(), &pad.name())
        };
        if let Err(refusal) = governed {
            // Received, and every frame is refused from now on. An event that is not received would be
            // sent again, and refused again, with each frame.
            let _ = self.refuse(pad, &refusal);
            return true;
        }
        self.output.forward(event)
    }

    pub(super) fn sink_query(&self, pad: &CountAggregatorPad, query: &mut gst::QueryRef) -> bool {
        if PathNote::is_audit(query) {
            PathNote {
                counter: true,
                elements: vec![concat!("countaggregator ", env!("CARGO_PKG_VERSION")).to_owned()],
                ..PathNote::default()
            }
            .add_to(query);
            return self.output.pad().peer_query(query);
        }
        match query.view_mut() {
            gst::QueryViewMut::Allocation(allocation) => {
                // No pixel is read, so any stride and any memory will do.
                allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
                true
            }
            // Whatever else somebody asks of the video ends here with it.
            gst::QueryViewMut::Custom(_) => false,
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if Proof::asked(query).is_some() {
            return self.cameras().iter().any(|camera| camera.peer_query(query));
        }
        if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            // As late as the latest camera. The publication delay is no latency: nobody may wait for it
            // to stay in step, and a display beside the counts must not be held back by minutes.
            let (mut live, mut min) = (false, gst::ClockTime::ZERO);
            for camera in self.cameras() {
                let mut asked = gst::query::Latency::new();
                if camera.peer_query(&mut asked) {
                    let (is_live, its_min, _) = asked.result();
                    live |= is_live;
                    min = min.max(if is_live {
                        its_min
                    } else {
                        gst::ClockTime::ZERO
                    });
                }
            }
            latency.set(live, min, gst::ClockTime::NONE);
            return true;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings.lock().expect("no panic holds it").clone();
        let job = settings.job()?;
        gst::info!(
            CAT,
            imp = self,
            "{} cameras, window {:?} ns",
            job.site.cameras.len(),
            job.window
        );
        self.reset();
        *self.job.lock().expect("no panic holds it") = Some(Arc::new(job));
        Ok(())
    }

    fn reset(&self) {
        *self.job.lock().expect("no panic holds it") = None;
        for pad in self.cameras() {
            *pad.imp().stream.lock().expect("no panic holds it") = Default::default();
        }
        self.output.reset();
        self.discarded.store(0, Ordering::Relaxed);
    }

    /// How it went. No count of anybody is in it: values leave in the records alone.
    fn stats(&self) -> gst::Structure {
        let (mut frames, mut unscanned) = (0u64, 0u64);
        for pad in self.cameras() {
            let stream = pad.imp().stream.lock().expect("no panic holds it");
            frames += stream.frames;
            unscanned += stream.unscanned;
        }
        gst::Structure::builder("stats")
            .field("frames", frames)
            .field("unscanned", unscanned)
            .field("windows-published", self.output.published())
            .field("windows-discarded", self.discarded.load(Ordering::Relaxed))
            .build()
    }
}

impl ObjectImpl for CountAggregator {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = self.settings.lock().expect("no panic holds it");
        match pspec.name() {
            "config" => settings.config = value.get().expect("type checked upstream"),
            "window" => settings.window = value.get().expect("type checked upstream"),
            "min-count" => settings.min_count = value.get().expect("type checked upstream"),
            "start-time" => settings.start_time = value.get().expect("type checked upstream"),
            other => gst::warning!(CAT, imp = self, "no property {other} can be set"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = self.settings.lock().expect("no panic holds it").clone();
        match pspec.name() {
            "config" => settings.config.to_value(),
            "window" => settings.window.to_value(),
            "min-count" => settings.min_count.to_value(),
            "start-time" => settings.start_time.to_value(),
            "windows" => self.output.published().to_value(),
            "stats" => self.stats().to_value(),
            _ => pspec.default_value().clone(),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        // The source pad is added once and its name is free.
        let _ = self.obj().add_pad(self.output.pad());
    }
}

impl GstObjectImpl for CountAggregator {}

impl ChildProxyImpl for CountAggregator {
    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        self.obj()
            .pads()
            .into_iter()
            .nth(index as usize)
            .map(|pad| pad.upcast())
    }

    fn children_count(&self) -> u32 {
        u32::from(self.obj().num_pads())
    }

    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        self.obj().static_pad(name).map(|pad| pad.upcast())
    }
}

impl ElementImpl for CountAggregator {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Count aggregator",
                "Analyzer/Video",
                "Turns detections into anonymous counts per line, zone, class and window; no image leaves it",
                "The gst-privacy developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let video = gst::Caps::builder("video/x-raw").any_features().build();
            let sink = gst::PadTemplate::with_gtype(
                "sink_%u",
                gst::PadDirection::Sink,
                gst::PadPresence::Request,
                &video,
                CountAggregatorPad::static_type(),
            );
            let src = gst::PadTemplate::new(
                "src",
                gst::PadDirection::Src,
                gst::PadPresence::Always,
                &output::caps(),
            );
            // Both are well formed.
            sink.into_iter().chain(src).collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let asked = name.filter(|name| self.obj().static_pad(name).is_none());
        let name = match asked {
            Some(name) => name.to_owned(),
            None => loop {
                let name = format!("sink_{}", self.next_pad.fetch_add(1, Ordering::Relaxed));
                if self.obj().static_pad(&name).is_none() {
                    break name;
                }
            },
        };
        let pad = CountAggregatorPad::new(template, &name);
        self.obj().add_pad(&pad).ok()?;
        self.obj().child_added(&pad, &pad.name());
        Some(pad.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let _ = pad.set_active(false);
        let _ = self.obj().remove_pad(pad);
        if let Some(job) = self.job() {
            job.claims.release(&pad.name());
        }
        self.obj().child_removed(pad, &pad.name());
        self.end_if_all_did();
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            self.start().map_err(|error| {
                self.post_error_message(error);
                gst::StateChangeError
            })?;
        }
        let success = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            self.reset();
        }
        Ok(success)
    }
}
