// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of the element: from a buffer to a masked and stamped buffer.

use std::time::{Duration, Instant};

use gst_video::VideoInfo;
use privacy_common::{MaskStamp, ScanStamp};
use privacy_shaders::{Format, Region, gpu::GpuError};

use crate::{
    backend::{Masker, Outcome},
    classes::Classes,
    frame::{self, ViewError},
    hold::Holds,
    notice::{Event, Health},
    regions,
    settings::{Live, MAX_HOLD},
    verdict::{Demand, Evidence, Reason, Verdict, judge},
    wgpublur::{MissingScan, Mode},
};

/// While a purpose demands a mask: more cells make faces recognisable (arXiv:1609.00408).
const MAX_CELLS_BY_PURPOSE: u32 = 8;

/// Assumed between frames of a stream that has neither timestamps nor a frame rate.
const FRAME_DURATION: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// Everything that is known while frames flow, and forgotten when they stop.
#[derive(Debug)]
pub struct Session {
    masker: Masker,
    /// As the properties say.
    asked: Classes,
    /// Those and the purpose's.
    classes: Classes,
    demand: Demand,
    stream: Option<Stream>,
    holds: Holds,
    health: Health,
    /// Time of the last frame, by timestamp or counted.
    now: gst::ClockTime,
}

/// What the caps say.
#[derive(Debug, Clone)]
struct Stream {
    info: VideoInfo,
    format: Format,
    width: u32,
    height: u32,
}

/// What became of a frame.
#[derive(Debug)]
pub struct Handled {
    /// What was masked; `None` for a frame to be dropped.
    pub stamp: Option<MaskStamp>,
    /// Time spent on the pixels.
    pub time: Duration,
    /// To be told on the bus: what changed, and why.
    pub change: Option<(Event, Reason)>,
    /// The GPU failed on this frame and the CPU took over. Says why.
    pub took_over: Option<String>,
}

/// Why a frame must not leave: it may be clear, or half masked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Frames came before caps.
    #[error("a frame came before its caps")]
    NoCaps,
    /// Nobody looked at it, and the user wants the stream to stop then.
    #[error(
        "no detector looked at a frame in time ({}) and property \"on-missing-scan\" is \"error\"; put \
         onnxdetector right before wgpublur, or choose \"frame\" or \"drop\" \
         (aucune détection récente sur cette image)",
        .0.nick()
    )]
    MissingScan(Reason),
    /// No memory, or memory that cannot be read or written.
    #[error("the memory of a frame cannot be written to, so it cannot be masked: {0}")]
    Memory(#[from] glib::BoolError),
    /// A layout that cannot be masked.
    #[error("a frame cannot be masked: {0}")]
    Layout(#[from] ViewError),
    /// The GPU failed, and the user wants no other.
    #[error(
        "the GPU failed and property \"backend\" is \"gpu\": {0}; choose \"auto\" to let the CPU take over \
         (le GPU a échoué ; \"auto\" laisse le processeur prendre le relais)"
    )]
    Gpu(#[from] GpuError),
}

impl Session {
    /// A new run.
    pub fn new(masker: Masker, asked: Classes) -> Self {
        Self {
            masker,
            classes: asked.clone(),
            asked,
            demand: Demand::default(),
            stream: None,
            holds: Holds::default(),
            health: Health::default(),
            now: gst::ClockTime::ZERO,
        }
    }

    /// The backend in use.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Takes new caps; `false` when they cannot be masked.
    pub fn set_info(&mut self, info: &VideoInfo) -> bool {
        let known = self.stream.take();
        self.stream = frame::geometry(info).map(|(format, width, height)| Stream {
            info: info.clone(),
            format,
            width,
            height,
        });
        let size = |s: &Stream| (s.width, s.height);
        if known.as_ref().map(size) != self.stream.as_ref().map(size) {
            self.holds.size_changed();
        }
        self.stream.is_some()
    }

    /// Takes a new purpose.
    pub fn set_demand(&mut self, demand: Demand) {
        self.classes = self.asked.raised_by(demand.required_classes());
        self.demand = demand;
    }

    /// Forgets what was seen: the stream goes on somewhere else.
    pub fn flush(&mut self) {
        self.holds.forget();
    }

    /// Masks and stamps a frame.
    pub fn handle(&mut self, buffer: &mut gst::BufferRef, live: &Live) -> Result<Handled, Failure> {
        let stream = self.stream.clone().ok_or(Failure::NoCaps)?;
        // Even when nothing is to be masked: what was not looked at must not leave.
        frame::check(buffer, &stream.info)?;
        self.now = buffer.pts().unwrap_or_else(|| {
            self.now
                .saturating_add(frame::duration(&stream.info, FRAME_DURATION))
        });
        let (verdict, regions) = self.decide(buffer, &stream, live);
        let mut reason = match (verdict, live.on_missing_scan) {
            (Verdict::Regions, _) => None,
            (Verdict::Whole(reason), _) | (Verdict::Missing(reason), MissingScan::Frame) => {
                Some(reason)
            }
            (Verdict::Missing(reason), MissingScan::Drop) => {
                return Ok(Handled {
                    stamp: None,
                    time: Duration::ZERO,
                    change: self.health.observe(self.now, Some(reason)),
                    took_over: None,
                });
            }
            (Verdict::Missing(reason), MissingScan::Error) => {
                return Err(Failure::MissingScan(reason));
            }
        };
        let regions = match reason {
            None => regions,
            Some(_) => vec![Region::whole(stream.width, stream.height)],
        };

        let began = Instant::now();
        let mode = self.mode(live);
        frame::own_pixels(buffer)?;
        let mut took_over = None;
        if !regions.is_empty() {
            let info = &stream.info;
            let mut mapped = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, info)?;
            let mut view = frame::view(&mut mapped, info)?;
            if let Outcome::TookOver(why) =
                self.masker
                    .mask(&mut view, &regions, mode, live.fill_color)?
            {
                reason = reason.or(Some(Reason::BackendFailure));
                took_over = Some(why);
            }
        }
        let time = began.elapsed();

        privacy_common::remove_clear_copies(buffer, true);
        if self.demand.strips_detections() {
            privacy_common::strip_detections(buffer);
        }
        let stamp = MaskStamp {
            classes: self
                .classes
                .for_stamp(&ScanStamp::read(buffer).unwrap_or_default().classes),
            method: live.mode.nick().to_owned(),
            cells: mode.cells(),
            regions: match reason {
                // Bounded by `hold::MAX_OBJECTS`.
                None => regions.len() as u32,
                Some(_) => 0,
            },
            clear: 0,
            zones: 0,
            whole_frame: reason.is_some(),
            reason: reason.map_or("", Reason::nick).to_owned(),
            share: match reason {
                None => regions::share(&regions, stream.width, stream.height),
                Some(_) => 1.0,
            },
            pts: buffer.pts(),
        };
        // Last, so that a frame on which anything above failed has no stamp.
        stamp.write(buffer);
        let trouble = match took_over {
            Some(_) => Some(Reason::BackendFailure),
            None => reason.filter(|r| r.is_degraded()),
        };
        Ok(Handled {
            stamp: Some(stamp),
            time,
            change: self.health.observe(self.now, trouble),
            took_over,
        })
    }

    fn decide(
        &mut self,
        buffer: &gst::BufferRef,
        stream: &Stream,
        live: &Live,
    ) -> (Verdict, Vec<Region>) {
        let scan = ScanStamp::read(buffer);
        let (width, height) = (stream.width, stream.height);
        let detections = privacy_common::detections(buffer, width, height);
        let scanned = |class| scan.as_ref().is_some_and(|s| s.classes.contains(class));
        let carried = detections.iter().filter(|d| scanned(&d.class)).count();
        let verdict = judge(
            &Evidence {
                scan: scan.as_ref(),
                pts: buffer.pts(),
                carried,
            },
            &self.demand,
            &self.classes,
            live.whole_frame,
            live.max_scan_age,
        );
        let wanted = detections
            .iter()
            .filter(|d| self.classes.contains(&d.class));
        // Followed even while whole frames are masked: what is seen now may be missed once the
        // detector is back.
        let objects = self
            .holds
            .update(self.now, hold(live.hold, &stream.info), wanted);
        if verdict != Verdict::Regions {
            return (verdict, Vec::new());
        }
        let objects = match objects {
            Ok(objects) => objects,
            Err(reason) => return (Verdict::Whole(reason), Vec::new()),
        };
        match regions::regions(&objects, live.padding, stream.format, width, height) {
            Some(regions) => (verdict, regions),
            None => (Verdict::Whole(Reason::TooManyRegions), Vec::new()),
        }
    }

    fn mode(&self, live: &Live) -> privacy_shaders::Mode<'static> {
        let cells = if self.demand.is_mask_required() {
            live.cells.min(MAX_CELLS_BY_PURPOSE)
        } else {
            live.cells
        };
        match live.mode {
            // The shaders know no picture and no Gaussian: nothing of the original is left.
            Mode::Solid | Mode::Gaussian | Mode::Image => privacy_shaders::Mode::Solid,
            Mode::Pixelate => privacy_shaders::Mode::Pixelate { cells },
            Mode::Blur => privacy_shaders::Mode::Blur { cells },
        }
    }
}

/// How long a region is held: as asked, and over one missed frame of a slow camera unless no hold is asked.
fn hold(asked: gst::ClockTime, info: &VideoInfo) -> gst::ClockTime {
    if asked.is_zero() {
        return asked;
    }
    let frame = frame::duration(info, gst::ClockTime::ZERO);
    // Half a frame more, for timestamps that tremble.
    asked.max(frame.saturating_add(frame / 2).min(MAX_HOLD))
}
