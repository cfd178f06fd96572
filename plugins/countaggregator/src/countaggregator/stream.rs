// SPDX-License-Identifier: MIT OR Apache-2.0
//! What flows through one sink pad: segments, purposes and frames, turned into calls of the counter.

use std::sync::Arc;

use privacy_common::{DetectorUse, Purpose, ScanStamp, StatisticsLimits, detections};

use super::{WindowClosed, claims::Claims};
use crate::{
    counter::{Closed, Counter, Due, Look},
    record::{Authority, ClassSet, rfc3339},
    site::Site,
    window::{DEFAULT_WINDOW, Floors, Limits, LimitsError, SECOND},
};

/// What the element was started with; the same for every pad.
#[derive(Debug)]
pub struct Job {
    /// The site file.
    pub site: Site,
    /// Length of a window from the property, ns.
    pub window: Option<i64>,
    /// The property `min-count`.
    pub min_count: u32,
    /// Time of the first frame of recorded footage, ns since 1970 UTC.
    pub start: Option<i64>,
    /// Which pad counts which camera.
    pub claims: Claims,
}

/// Why nothing may be counted on a pad.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The purpose is not statistics.
    #[error(
        "purpose \"{purpose}\" allows detectors for \"{detector_use}\", not for statistics; open the gate for stats.traffic_counts or remove countaggregator \
         / la finalité « {purpose} » autorise la détection pour « {detector_use} » et non pour des statistiques ; ouvrir purposegate pour stats.traffic_counts ou retirer countaggregator"
    )]
    NotStatistics {
        /// Its identifier.
        purpose: String,
        /// What it allows.
        detector_use: &'static str,
    },
    /// The purpose allows no class that can be counted.
    #[error(
        "purpose \"{0}\" allows no class to be counted; list classes in its rules \
         / la finalité « {0} » n'autorise le comptage d'aucune classe ; en lister dans ses règles"
    )]
    NoClasses(String),
    /// The pad and the purpose name different cameras.
    #[error(
        "property `camera` of the pad is \"{pad}\" and the mandate is for \"{purpose}\"; set one to the other \
         / propriété `camera` du pad : « {pad} », mandat pour « {purpose} » ; mettre les deux d'accord"
    )]
    OtherCamera {
        /// Named by the pad.
        pad: String,
        /// Named by the purpose.
        purpose: String,
    },
    /// The site file does not describe the camera.
    #[error(
        "the site file (property `config`) describes no camera \"{camera}\", but: {known}; add it or set `camera` of the pad \
         / le fichier de site (propriété `config`) ne décrit pas la caméra « {camera} » ; l'ajouter ou régler `camera` du pad"
    )]
    UnknownCamera {
        /// The camera.
        camera: String,
        /// Those that it describes.
        known: String,
    },
    /// Another pad counts this camera already.
    #[error(
        "camera \"{camera}\" is counted on pad {holder} already; give each pad its own camera \
         / la caméra « {camera} » est déjà comptée sur le pad {holder} ; donner à chaque pad la sienne"
    )]
    Twice {
        /// The camera.
        camera: String,
        /// The pad that has it.
        holder: String,
    },
    /// Another element counts this camera in windows of another length.
    #[error(
        "camera \"{camera}\" is counted in windows of {} s by another countaggregator with this site file, whose difference to windows of {} s would tell shorter ones; set `window` alike \
         / la caméra « {camera} » est déjà comptée par fenêtres de {} s par un autre countaggregator, dont la différence avec des fenêtres de {} s en révélerait de plus courtes ; régler `window` de même",
        .theirs / SECOND, .ours / SECOND, .theirs / SECOND, .ours / SECOND
    )]
    OtherWindow {
        /// The camera.
        camera: String,
        /// Length of the other's windows, ns.
        theirs: i64,
        /// Length asked for, ns.
        ours: i64,
    },
    /// The window or the minimum count is not allowed.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The stream cannot be placed in time.
    #[error(
        "the stream has no segment in time format; put a parser or `identity single-segment=true` before countaggregator \
         / le flux n'a pas de segment en temps ; placer un analyseur ou `identity single-segment=true` avant countaggregator"
    )]
    NoTime,
    /// The lines cannot be placed in the image.
    #[error(
        "the caps of the stream have no width and height; put a videoconvert before countaggregator \
         / les caps du flux sont sans largeur ni hauteur ; placer un videoconvert avant countaggregator"
    )]
    NoSize,
}

/// What a step of the stream gives out.
#[derive(Debug, Default)]
pub struct Step {
    /// Messages to post.
    pub closed: Vec<WindowClosed>,
    /// Buffers to push.
    pub records: Vec<gst::Buffer>,
}

/// State of one pad between start and stop.
#[derive(Debug, Default)]
pub struct Stream {
    /// The pad reached its end.
    pub eos: bool,
    /// What it was told to count by was refused, and nothing has been allowed since.
    pub refused: bool,
    /// Frames that came in.
    pub frames: u64,
    /// Of those, frames that no detector looked at.
    pub unscanned: u64,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    size: Option<(u32, u32)>,
    counter: Option<Counter>,
    camera: String,
    anchor: Option<Anchor>,
    last: Option<Instant>,
    analysed: Option<gst::ClockTime>,
}

/// Where stream time or running time meets UTC.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    utc: i64,
    base: gst::ClockTime,
}

/// An instant on both axes.
#[derive(Debug, Clone, Copy)]
struct Instant {
    utc: i64,
    running: gst::ClockTime,
}

impl Stream {
    /// A new segment; `false` when it is not in time.
    pub fn segment(&mut self, segment: &gst::Segment) -> bool {
        self.segment = segment.downcast_ref::<gst::ClockTime>().cloned();
        self.segment.is_some()
    }

    /// New caps; `false` when they have no size.
    pub fn caps(&mut self, caps: &gst::CapsRef) -> bool {
        let side = |name| {
            let s = caps.structure(0)?;
            u32::try_from(s.get::<i32>(name).ok()?)
                .ok()
                .filter(|&v| v > 0)
        };
        self.size = side("width").zip(side("height"));
        self.size.is_some()
    }

    /// The purpose now in force, or none that can be read. `pad` is the camera the pad names, `fallback`
    /// the name of the pad.
    pub fn govern(
        &mut self,
        job: &Job,
        purpose: Option<&Purpose>,
        pad: Option<String>,
        fallback: &str,
    ) -> Result<(), Refusal> {
        let governed = self.try_govern(job, purpose, pad, fallback);
        self.refused = governed.is_err();
        if self.refused {
            self.counter = None;
        }
        governed
    }

    fn try_govern(
        &mut self,
        job: &Job,
        purpose: Option<&Purpose>,
        pad: Option<String>,
        fallback: &str,
    ) -> Result<(), Refusal> {
        let (floors, allowed, authority) = match purpose {
            None => (Floors::default(), ClassSet::ALL, Authority::default()),
            Some(p) => {
                let limits = p
                    .statistics
                    .as_ref()
                    .filter(|_| p.detector_use == DetectorUse::Statistics);
                let limits = limits.ok_or_else(|| Refusal::NotStatistics {
                    purpose: p.purpose.clone(),
                    detector_use: p.detector_use.nick(),
                })?;
                let allowed = ClassSet::from_labels(p.classes.iter().map(String::as_str));
                if allowed.is_empty() {
                    return Err(Refusal::NoClasses(p.purpose.clone()));
                }
                let authority = Authority {
                    rules_version: Some(p.rules_version.clone()),
                    purpose: Some(p.purpose.clone()),
                    session: Some(p.session.clone()),
                };
                (floors(limits), allowed, authority)
            }
        };
        let declared = purpose.map(|p| p.camera.clone()).filter(|c| !c.is_empty());
        let camera = match (pad, declared) {
            (Some(pad), Some(purpose)) if pad != purpose => {
                return Err(Refusal::OtherCamera { pad, purpose });
            }
            (Some(camera), _) | (None, Some(camera)) => camera,
            (None, None) => fallback.to_owned(),
        };
        let site = job
            .site
            .camera(&camera)
            .ok_or_else(|| Refusal::UnknownCamera {
                camera: camera.clone(),
                known: job
                    .site
                    .cameras
                    .iter()
                    .map(|c| c.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
        let window = job.window.or(job.site.window).unwrap_or(DEFAULT_WINDOW);
        let limits = Limits::new(window, job.min_count, &floors)?;
        job.claims
            .take(fallback, &camera)
            .map_err(|holder| Refusal::Twice {
                camera: camera.clone(),
                holder,
            })?;
        job.claims
            .share(&camera, limits.window)
            .map_err(|theirs| Refusal::OtherWindow {
                camera: camera.clone(),
                theirs,
                ours: limits.window,
            })?;
        match &mut self.counter {
            Some(counter) if self.camera == camera => counter.govern(limits, authority, allowed),
            _ => {
                let site = Arc::new(site.clone());
                let mut counter = Counter::new(site, limits, authority, allowed);
                counter.resume(job.claims.told(&camera));
                self.counter = Some(counter);
            }
        }
        self.camera = camera;
        Ok(())
    }

    /// Whether the pad knows what it may count.
    pub fn governed(&self) -> bool {
        self.counter.is_some()
    }

    /// Reads the metas of a frame and counts. The frame itself is not kept.
    pub fn frame(&mut self, job: &Job, frame: &gst::BufferRef) -> Result<Step, Refusal> {
        let segment = self.segment.clone().ok_or(Refusal::NoTime)?;
        let (width, height) = self.size.ok_or(Refusal::NoSize)?;
        self.frames += 1;
        let Some(instant) = self.instant(job, &segment, frame.pts()) else {
            // Outside its segment: nobody would see this frame either.
            self.unscanned += 1;
            return Ok(Step::default());
        };
        let found;
        let look = match self.usable(frame) {
            None => Look::None,
            Some(stamp) if self.known(&stamp) => Look::Carried,
            Some(stamp) => {
                self.analysed = stamp.pts;
                found = detections(frame, width, height);
                Look::New {
                    classes: ClassSet::from_labels(stamp.classes.iter().map(String::as_str)),
                    detections: &found,
                }
            }
        };
        self.unscanned += u64::from(matches!(look, Look::None));
        if let Some(counter) = &mut self.counter {
            counter.resize(width, height);
            counter.frame(instant.utc, look);
        }
        Ok(self.output(job, false))
    }

    /// Time passes until `at` (a time of the segment) without a frame.
    pub fn gap(&mut self, job: &Job, at: gst::ClockTime) -> Step {
        // Before the first frame there is nothing that a gap could interrupt.
        if let (Some(segment), Some(_)) = (self.segment.clone(), self.last)
            && let Some(instant) = self.instant(job, &segment, Some(at))
            && let Some(counter) = &mut self.counter
        {
            counter.pass(instant.utc);
        }
        self.output(job, false)
    }

    /// The pad is at its end: what is whole is due, if it is not live.
    pub fn end(&mut self, job: &Job) -> Step {
        self.eos = true;
        if let Some(counter) = &mut self.counter {
            counter.end(job.start.is_none());
        }
        self.output(job, true)
    }

    /// The pad was flushed. Recorded footage keeps its place in time, a live stream takes the clock's.
    pub fn flush(&mut self, job: &Job) -> Step {
        self.eos = false;
        self.segment = None;
        self.analysed = None;
        if job.start.is_none() {
            self.anchor = None;
        }
        if let Some(counter) = &mut self.counter {
            counter.interrupt();
        }
        self.output(job, false)
    }

    /// The stamp of a frame, when it says that somebody has looked lately and seen everything.
    fn usable(&self, frame: &gst::BufferRef) -> Option<ScanStamp> {
        let stamp = ScanStamp::read(frame)?;
        if stamp.overflow {
            return None;
        }
        if stamp.predicted || self.known(&stamp) {
            let age = frame.pts()?.saturating_sub(stamp.pts?);
            return (age <= MAX_AGE).then_some(stamp);
        }
        Some(stamp)
    }

    /// Whether the boxes of this look were counted already, with another frame.
    fn known(&self, stamp: &ScanStamp) -> bool {
        stamp.pts.is_some() && stamp.pts == self.analysed
    }

    fn instant(
        &mut self,
        job: &Job,
        segment: &gst::FormattedSegment<gst::ClockTime>,
        pts: Option<gst::ClockTime>,
    ) -> Option<Instant> {
        let Some(pts) = pts else {
            return self.last;
        };
        let running = segment.to_running_time(pts)?;
        let time = match job.start {
            Some(_) => segment.to_stream_time(pts)?,
            None => running,
        };
        let anchor = *self.anchor.get_or_insert_with(|| Anchor {
            utc: job.start.unwrap_or_else(wall_clock),
            base: time,
        });
        // Signed: after a seek, stream time may lie before the first frame's.
        let ns = |t: gst::ClockTime| i64::try_from(t.nseconds()).unwrap_or(i64::MAX);
        let instant = Instant {
            utc: anchor
                .utc
                .saturating_add(ns(time).saturating_sub(ns(anchor.base))),
            running,
        };
        self.last = Some(instant);
        Some(instant)
    }

    fn output(&mut self, job: &Job, ended: bool) -> Step {
        let Some(counter) = &mut self.counter else {
            return Step::default();
        };
        let camera = &self.camera;
        let closed: Vec<WindowClosed> = counter
            .take_closed()
            .into_iter()
            .map(
                |Closed {
                     from,
                     to,
                     discarded,
                 }| WindowClosed {
                    camera: camera.clone(),
                    from: rfc3339(from),
                    to: rfc3339(to),
                    discarded,
                },
            )
            .collect();
        let mut records = Vec::new();
        while let Some(due) = counter.take_due(ended) {
            records.extend(self.last.and_then(|now| buffer(&due, now)));
        }
        if !closed.is_empty() {
            job.claims.tell(camera, counter.told());
        }
        Step { closed, records }
    }
}

/// The record as a buffer, at the running time at which its window ended.
fn buffer(due: &Due, now: Instant) -> Option<gst::Buffer> {
    let json = due.record.to_json_line().ok()?;
    let since = now.utc.saturating_sub(due.to);
    let apart = gst::ClockTime::from_nseconds(since.unsigned_abs());
    let end = if since >= 0 {
        now.running.saturating_sub(apart)
    } else {
        now.running.saturating_add(apart)
    };
    let length = u64::try_from(due.to.saturating_sub(due.from)).unwrap_or(0);
    let mut buffer = gst::Buffer::from_mut_slice(json.into_bytes());
    let fresh = buffer.get_mut()?;
    fresh.set_pts(end);
    fresh.set_duration(gst::ClockTime::from_nseconds(length));
    Some(buffer)
}

fn floors(limits: &StatisticsLimits) -> Floors {
    let ns = |t: gst::ClockTime| i64::try_from(t.nseconds()).unwrap_or(i64::MAX);
    Floors {
        min_window: ns(limits.min_window),
        max_window: ns(limits.max_window),
        min_count: limits.min_count,
        publish_delay: ns(limits.publish_delay),
        by_purpose: true,
    }
}

fn wall_clock() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Boxes carried on from an older look are no look at this frame.
const MAX_AGE: gst::ClockTime = gst::ClockTime::from_seconds(2);
