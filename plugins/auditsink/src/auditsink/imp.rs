// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-auditsink
 * @see_also: filesink, purposegate
 *
 * Writes the register of what is done with images: an entry before anything flows and another one after
 * it ends, and the exported file itself where `location` is set.
 *
 * An entry gate (`purposegate`) asks for the opening entry with the query `privacy-audit` and lets nothing
 * through before this sink has answered, which it does once the entry and a signed checkpoint over it are
 * on the disk. At the end of the stream the sink asks upstream with the query `privacy-proof` what the
 * session let out, finishes the file, writes the closing entry, and only then reports the end of stream.
 * A stream that stops otherwise is closed as interrupted, and so is one that ends because an element of the
 * pipeline has posted an error. Buffers that arrive with no session open are recorded
 * as undeclared before the first of them is taken in. A register that cannot be written is an error, also while
 * playing: once in every `probe-interval` the sink makes sure.
 *
 * The register is made with `privacyctl register init`.
 *
 * With `location` the bytes go to a hidden file beside it, which gets its name at the end; an existing file is
 * never written over. Such a stream is seekable in bytes, because muxers such as `mp4mux` complete their header
 * at the end; the SHA-256 in the register is then computed from the finished file. Without `location` the
 * bytes are hashed and forgotten, and the stream is not seekable. An operation that allows looking only
 * (`consult`) is refused where `location` is set.
 *
 * With `recipient-key` the file is encrypted (age, X25519) before it reaches the disk. The stream is not seekable
 * then: have muxers write from front to back, as `mp4mux fragment-duration=1000` and
 * `matroskamux streamable=true` do. Others keep in memory what they would go back to.
 *
 * With `segment-duration` each segment gets an entry with the SHA-256 of its bytes as they arrived and what the gate
 * has counted until then, and a published checkpoint. Segments go by the running time of the buffers, in streams
 * of bytes by their own times, and by their arrival where they have none; one ends before the first buffer of the
 * next one. The last segment ends with the stream.
 *
 * A session whose process died is closed as interrupted by the next sink that starts with this register; one that
 * still runs is left alone.
 *
 * With `on-failure=block` a stream that cannot be recorded or written for now waits, takes nothing in and tries again
 * every 200 ms; a flush, a change of state and an end of stream that is sent to the sink itself call the wait off.
 * Gates that ask meanwhile are answered at once that there is no entry. An end of stream is tried once: what
 * cannot be closed then is an error. What was tampered with, or stands in the way by its name, is an error at once.
 *
 * With `witness` a thread of its own sends each new checkpoint to a witness (C2SP tlog-witness) and keeps its
 * cosignature in the register. No stream waits for it; going to READY waits for 5 s at most.
 *
 * ## Messages
 *
 * Element messages named `auditsink`:
 *
 * * `event=opened` (string), `index` (guint64), `session` (string), `purpose` (string), `operation` (string)
 * * `event=closed` (string), `index` (guint64), `prior-index` (guint64), `session` (string), `sha256`
 *   (string), `bytes` (guint64), `interrupted` (gboolean)
 * * `event=checkpoint` (string), `size` (guint64), `root` (string), `checkpoint` (string)
 * * `event=segment` (string), `index` (guint64), `prior-index` (guint64), `session` (string), `number` (guint64),
 *   `from-byte` (guint64), `to-byte` (guint64), `sha256` (string)
 * * `event=interrupted` (string), `index` (guint64), `prior-index` (guint64), `session` (string), `left-as` (string):
 *   a session of a process that died was closed
 * * `event=blocked` (string), `reason` (string), and a warning
 * * `event=resumed` (string), `waited` (guint64, in nanoseconds)
 * * `event=witness` (string), `witness` (string), `cosigned` (gboolean), `size` (guint64), `root` (string),
 *   `disagrees` (gboolean: it knows another history of this register), `error` (string), and a warning where there
 *   is no cosignature
 *
 * ## Example pipelines
 *
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=100 ! x264enc ! mp4mux ! auditsink register=register location=piece.mp4
 * ]|
 *
 * |[
 * gst-launch-1.0 -e videotestsrc is-live=true ! x264enc tune=zerolatency ! mpegtsmux ! auditsink register=register location=piece.ts segment-duration=60000000000 on-failure=block
 * ]|
 *
 * Since: 0.1
 */
use std::sync::{LazyLock, Mutex};

use gst::{prelude::*, subclass::prelude::*};
use gst_base::{prelude::*, subclass::prelude::*};
use privacy_common::AuditRequest;

use super::{
    fault,
    message::Message,
    settings::{self, Settings, Status},
    upstream::Watch,
};
use crate::{
    errand::Errand,
    journal::{Journal, JournalError, Settled},
    patience::Patience,
};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "auditsink",
        gst::DebugColorFlags::empty(),
        Some("Writes the register"),
    )
});

/// An open register.
#[derive(Debug)]
pub(super) struct State {
    pub(super) journal: Journal,
    /// The settings that it was opened with.
    pub(super) opened_with: Settings,
    /// Sessions that were found dead and are still to be told of.
    pub(super) settled: Vec<Settled>,
}

/// Lock order: `state` before `settings` before `status`. `state` is the queue of those who write to the disk
/// (streaming thread, queries of gates, state changes), and is held while they do; nothing that must
/// not wait takes it: properties and caps use the other two, which are held for an instant. No message is posted
/// and no query sent with any of them, and none is held while the stream waits for a disk.
#[derive(Debug, Default)]
pub struct AuditSink {
    pub(super) state: Mutex<Option<State>>,
    pub(super) settings: Mutex<Settings>,
    pub(super) status: Mutex<Status>,
    /// Never held together with another.
    pub(super) watch: Mutex<Option<Watch>>,
    /// Never held together with another, but while the register is opened.
    pub(super) witness: Mutex<Option<Errand>>,
    /// Publishes entries in streams that then bring nothing for long. As `witness`.
    pub(super) publisher: Mutex<Option<Errand>>,
    pub(super) patience: Patience,
}

#[glib::object_subclass]
impl ObjectSubclass for AuditSink {
    const NAME: &'static str = "GstAuditSink";
    type Type = super::AuditSink;
    type ParentType = gst_base::BaseSink;
}

impl AuditSink {
    pub(super) fn settings(&self) -> Settings {
        self.settings.lock().unwrap().clone()
    }

    /// Runs `work` on the journal.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        match &mut *self.state.lock().unwrap() {
            Some(state) => work(&mut state.journal),
            None => Err(JournalError::NotRunning),
        }
    }

    pub(super) fn post(&self, message: &Message) {
        let message = gst::message::Element::builder(message.into())
            .src(&*self.obj())
            .build();
        // Without a bus nobody listens, which is no fault.
        let _ = self.obj().post_message(message);
    }
}

impl ObjectImpl for AuditSink {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if self.status.lock().unwrap().running {
            // One run, one register, one file: a change while it goes on would be none of what was recorded.
            gst::warning!(
                CAT,
                imp = self,
                "{} is locked from PAUSED on; set it in READY",
                pspec.name()
            );
            return;
        }
        self.settings.lock().unwrap().set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match self.status.lock().unwrap().get(pspec.name()) {
            Some(value) => value,
            None => self.settings.lock().unwrap().get(pspec.name()),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        // As fast as it comes. `async` stays on, as in filesink: without it a pipeline with decodebin sometimes
        // never tells its end of stream (GStreamer 1.22; `fakesink async=false` shows the same), because the
        // pipeline plays before decodebin has told that it is ready.
        obj.set_sync(false);
        // The base class would keep the last frame, clear as it may be, for anyone to read.
        obj.set_enable_last_sample(false);
    }
}

impl GstObjectImpl for AuditSink {}

impl ElementImpl for AuditSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Audit sink",
                "Sink",
                "Writes the register before anything flows and after it ends; can write the exported file",
                "The gst-privacy developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            gst::PadTemplate::new(
                "sink",
                gst::PadDirection::Sink,
                gst::PadPresence::Always,
                &gst::Caps::new_any(),
            )
            .into_iter()
            .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            // Before the pads open: the gate's query finds a run.
            self.begin().map_err(|e| {
                self.post_error_message(e);
                gst::StateChangeError
            })?;
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady
            || transition == gst::StateChange::ReadyToPaused && result.is_err()
        {
            // The streaming thread is gone. A run that has seen its end of stream is over already.
            if let Err(e) = self.end(true) {
                self.post_error_message(e);
            }
            self.part_from_witness();
        }
        result
    }

    fn send_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::Eos && self.patience.give_up() {
            gst::info!(CAT, imp = self, "the stream is to end and waits no longer");
        }
        self.parent_send_event(event)
    }
}

impl BaseSinkImpl for AuditSink {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let mut state = self.open(&self.settings())?;
        let settled = std::mem::take(&mut state.settled);
        *self.state.lock().unwrap() = Some(state);
        *self.status.lock().unwrap() = Status::default();
        self.settled(settled);
        gst::info!(CAT, imp = self, "started");
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *self.watch.lock().unwrap() = None;
        *self.witness.lock().unwrap() = None;
        *self.publisher.lock().unwrap() = None;
        *self.state.lock().unwrap() = None;
        gst::info!(CAT, imp = self, "stopped");
        Ok(())
    }

    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let media_type = caps.structure(0).map(|s| s.name().to_string());
        self.status.lock().unwrap().media_type = media_type.unwrap_or_default();
        self.parent_set_caps(caps)
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        if let Some(request) = AuditRequest::from_query(query) {
            self.audit(query, request.map_err(|e| e.to_string()));
            return true;
        }
        if let gst::QueryViewMut::Seeking(seeking) = query.view_mut() {
            // From the property, not the run: muxers ask before anything is started.
            let seekable = self.settings.lock().unwrap().is_seekable();
            let format = seeking.format();
            if format == gst::Format::Bytes {
                seeking.set(
                    seekable,
                    gst::format::Bytes::ZERO,
                    None::<gst::format::Bytes>,
                );
                return true;
            }
        }
        BaseSinkImplExt::parent_query(self, query)
    }

    fn event(&self, event: gst::Event) -> bool {
        let done = match event.view() {
            gst::EventView::Segment(segment) => {
                match segment.segment().downcast_ref::<gst::format::Bytes>() {
                    Some(segment) => {
                        let start = segment.start().map_or(0, |start| *start);
                        self.with(|journal| journal.seek(start))
                            .map_err(|e| fault::message(&self.settings(), &e))
                    }
                    None => Ok(()),
                }
            }
            // After a failure the source still ends its stream, as if that had been all there was.
            gst::EventView::Eos(_) => {
                let watch = self.watch.lock().unwrap();
                let failed = watch.as_ref().is_some_and(Watch::failed);
                drop(watch);
                self.end(failed)
            }
            // After an end of stream a new one makes a new run.
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_)
                if !self
                    .with(|journal| Ok(journal.is_running()))
                    .unwrap_or(true) =>
            {
                self.begin()
            }
            _ => Ok(()),
        };
        match done {
            Ok(()) => self.parent_event(event),
            Err(e) => {
                self.post_error_message(e);
                false
            }
        }
    }

    fn unlock(&self) -> Result<(), gst::ErrorMessage> {
        self.patience.release();
        Ok(())
    }

    fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
        self.patience.renew();
        Ok(())
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.take_in(buffer)?;
        gst::trace!(CAT, imp = self, "{} bytes", buffer.size());
        Ok(gst::FlowSuccess::Ok)
    }
}
