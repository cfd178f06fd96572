// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who masks: the GPU, the CPU, or the CPU once the GPU has failed.

use privacy_shaders::{
    Frame, Mode, Region, Scratch, Seed, Work, cpu,
    gpu::{self, GpuError, MAX_IN_FLIGHT, Selection},
};

use crate::wgpublur::Backend;

/// Masks frames on the backend that was chosen when it was opened.
#[derive(Debug)]
pub struct Masker {
    gpu: Option<gpu::Masker>,
    /// Why there is no GPU any more.
    lost: Option<GpuError>,
    /// The user asked for the GPU by name: a failure is an error, not a reason to take the CPU.
    gpu_or_nothing: bool,
    scratch: Scratch,
    seed: Seed,
}

/// A frame that was submitted. Dropping it is saying that the frame will never be shown.
#[derive(Debug)]
#[must_use = "the frame may be clear until the ticket is collected"]
pub struct Ticket {
    /// `None` when the frame is masked already.
    gpu: Option<gpu::Ticket>,
    outcome: Outcome,
    fallback: Fallback,
}

/// What the CPU needs to mask a whole frame whose regions are gone: they are of the frame at hand.
#[derive(Debug, Clone, Copy)]
struct Fallback {
    mode: Mode<'static>,
    fill: u32,
}

/// How a frame was masked.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    AsAsked,
    /// The GPU failed, on this frame or while it was in flight, and will not be used again; the CPU
    /// masked the whole frame, with the fill colour if a part of it was to be solid. Says why.
    TookOver(GpuError),
}

/// Why no backend could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No adapter fits, or it does not work.
    #[error("{0}")]
    Gpu(#[from] GpuError),
    /// A device is named for a backend that has none.
    #[error(
        "device is \"{0}\" and backend is \"cpu\", which uses no device; clear one of them \
         (backend=cpu n'utilise aucune carte ; retirez \"device\")"
    )]
    DeviceForCpu(String),
    /// The system gives no random numbers.
    #[error("the system gave no random number for the secret of the noise: {0}")]
    Random(getrandom::Error),
}

impl Masker {
    /// Opens `backend`; `device` is a part of an adapter's name, or empty for any.
    pub fn open(backend: Backend, device: &str) -> Result<Self, OpenError> {
        if backend == Backend::Cpu && !device.is_empty() {
            return Err(OpenError::DeviceForCpu(device.to_owned()));
        }
        let seed = Seed(getrandom::u64().map_err(OpenError::Random)?);
        let selection = Selection {
            software: backend == Backend::Gpu,
            name: device.to_owned(),
            ..Selection::default()
        };
        let gpu = match backend {
            Backend::Cpu => None,
            Backend::Gpu => Some(gpu::Masker::open(&selection)?),
            Backend::Auto => match gpu::Masker::open(&selection) {
                Ok(gpu) => Some(gpu),
                // Whoever names a device wants that device; without a name, no GPU is no fault.
                Err(GpuError::NoAdapter { .. }) if device.is_empty() => None,
                Err(err) => return Err(err.into()),
            },
        };
        Ok(Self {
            gpu,
            lost: None,
            gpu_or_nothing: backend == Backend::Gpu,
            scratch: Scratch::default(),
            seed,
        })
    }

    /// `gpu` or `cpu`.
    pub fn name(&self) -> &'static str {
        if self.gpu.is_some() { "gpu" } else { "cpu" }
    }

    /// The adapter in use.
    pub fn adapter(&self) -> Option<&gpu::Adapter> {
        self.gpu.as_ref().map(gpu::Masker::adapter)
    }

    /// Secret of the noise.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// How many frames may be in flight when `asked` are wanted: 1, the frame at hand, on the CPU.
    pub fn depth(&self, asked: u32) -> usize {
        match &self.gpu {
            Some(_) => (asked as usize).clamp(1, MAX_IN_FLIGHT),
            None => 1,
        }
    }

    /// Forgets what objects looked like: the stream goes on somewhere else.
    pub fn forget(&mut self) {
        self.scratch.forget();
        if let Some(gpu) = &mut self.gpu {
            gpu.forget();
        }
    }

    /// Begins to mask a frame. The CPU masks it now; the GPU has masked it when its ticket is
    /// [collected](Self::collect), and until then it is clear and must not leave. No more than
    /// [`depth`](Self::depth) tickets may be out. On an error the frame is clear and must not leave.
    pub fn submit(&mut self, frame: &mut Frame<'_>, work: &Work<'_>) -> Result<Ticket, GpuError> {
        let fallback = Fallback::of(work);
        let Some(gpu) = &mut self.gpu else {
            if self.gpu_or_nothing {
                return Err(self.why());
            }
            cpu::mask(frame, work, &mut self.scratch);
            return Ok(Ticket {
                gpu: None,
                outcome: Outcome::AsAsked,
                fallback,
            });
        };
        let (gpu, outcome) = match gpu.submit(frame, work) {
            Ok(ticket) => (Some(ticket), Outcome::AsAsked),
            Err(err) => (None, self.take_over(err, frame, fallback)?),
        };
        Ok(Ticket {
            gpu,
            outcome,
            fallback,
        })
    }

    /// Ends what [`submit`](Self::submit) began, of the same frame: afterwards it is masked. On an error
    /// it may be clear and must not leave.
    pub fn collect(&mut self, ticket: Ticket, frame: &mut Frame<'_>) -> Result<Outcome, GpuError> {
        let Ticket {
            gpu: Some(flying),
            fallback,
            ..
        } = ticket
        else {
            return Ok(ticket.outcome);
        };
        let result = match &mut self.gpu {
            Some(gpu) => gpu.collect(flying, frame),
            None => Err(self.why()),
        };
        match result {
            Ok(()) => Ok(ticket.outcome),
            Err(err) => self.take_over(err, frame, fallback),
        }
    }

    /// Has the CPU mask a whole frame, this one and those in flight, and all regions from there on.
    fn take_over(
        &mut self,
        err: GpuError,
        frame: &mut Frame<'_>,
        fallback: Fallback,
    ) -> Result<Outcome, GpuError> {
        self.gpu = None;
        self.lost.get_or_insert_with(|| err.clone());
        if self.gpu_or_nothing {
            return Err(err);
        }
        let whole = [Region::whole(frame.width(), frame.height())];
        let work = Work {
            regions: &whole,
            fill: fallback.fill,
            ..Work::new(fallback.mode, self.seed)
        };
        cpu::mask(frame, &work, &mut self.scratch);
        Ok(Outcome::TookOver(err))
    }

    /// Why there is no GPU, though a frame needs one.
    fn why(&self) -> GpuError {
        let unknown = || GpuError::Lost("it was given up".to_owned());
        self.lost.clone().unwrap_or_else(unknown)
    }
}

impl Fallback {
    fn of(work: &Work<'_>) -> Self {
        let mode = match work.mode {
            // What was to be solid must not be less than that.
            _ if work.regions.iter().any(|r| r.solid) => Mode::Solid,
            Mode::Solid | Mode::Image { .. } => Mode::Solid,
            Mode::Pixelate { cells } => Mode::Pixelate { cells },
            Mode::Blur { cells } => Mode::Blur { cells },
            Mode::Gaussian { cells } => Mode::Gaussian { cells },
        };
        Self {
            mode,
            fill: work.fill,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use privacy_shaders::{Format, Shape};

    fn mask(
        masker: &mut Masker,
        frame: &mut Frame<'_>,
        work: &Work<'_>,
    ) -> Result<Outcome, GpuError> {
        let ticket = masker.submit(frame, work)?;
        masker.collect(ticket, frame)
    }

    fn lose(masker: &Masker) {
        masker.gpu.as_ref().unwrap().destroy_device();
    }

    /// Takes a masker's GPU away, as `err` would.
    pub(crate) fn give_up(masker: &mut Masker, err: GpuError) {
        (masker.gpu, masker.lost) = (None, Some(err));
    }

    /// A masker on any adapter, which then breaks. `None`, said aloud, without one.
    fn broken(test: &str, gpu_or_nothing: bool) -> Option<Masker> {
        let masker = working(test, gpu_or_nothing)?;
        lose(&masker);
        Some(masker)
    }

    /// A masker on any adapter. `None`, said aloud, without one.
    pub(crate) fn working(test: &str, gpu_or_nothing: bool) -> Option<Masker> {
        match Masker::open(Backend::Gpu, "") {
            Ok(masker) => Some(Masker {
                gpu_or_nothing,
                ..masker
            }),
            Err(OpenError::Gpu(err @ GpuError::NoAdapter { .. })) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "{err}");
                eprintln!(
                    "SKIPPED {test}: a Vulkan adapter is missing, install mesa-vulkan-drivers"
                );
                None
            }
            Err(err) => panic!("{err}"),
        }
    }

    const FACE: Region = Region {
        x: 2,
        y: 2,
        width: 4,
        height: 4,
        key: 1,
        shape: Shape::Box,
        solid: false,
        remember: false,
    };

    #[test]
    fn the_cpu_takes_over_from_a_lost_gpu_and_masks_the_whole_frame() {
        let Some(mut masker) = broken(
            "the_cpu_takes_over_from_a_lost_gpu_and_masks_the_whole_frame",
            false,
        ) else {
            return;
        };
        assert_eq!(masker.name(), "gpu");
        let mut pixels = [200u8; 16 * 16 * 4];
        let mut frame = Frame::from_slice(Format::Bgrx, 16, 16, &mut pixels, &[0], &[64]).unwrap();
        let work = Work {
            regions: &[FACE],
            ..Work::new(Mode::Solid, Seed(1))
        };
        let outcome = mask(&mut masker, &mut frame, &work).unwrap();
        assert!(matches!(outcome, Outcome::TookOver(_)));
        assert_eq!((masker.name(), masker.adapter()), ("cpu", None));
        assert_eq!(mask(&mut masker, &mut frame, &work), Ok(Outcome::AsAsked));
        assert!(
            pixels
                .as_chunks::<4>()
                .0
                .iter()
                .all(|p| *p == [0, 0, 0, 255])
        );
    }

    #[test]
    fn a_lost_gpu_is_an_error_for_whoever_asked_for_it() {
        let Some(mut masker) = broken("a_lost_gpu_is_an_error_for_whoever_asked_for_it", true)
        else {
            return;
        };
        let mut pixels = [200u8; 16 * 16 * 4];
        let mut frame = Frame::from_slice(Format::Bgrx, 16, 16, &mut pixels, &[0], &[64]).unwrap();
        for _ in 0..2 {
            let work = Work {
                regions: &[FACE],
                ..Work::new(Mode::Solid, Seed(1))
            };
            assert!(mask(&mut masker, &mut frame, &work).is_err());
        }
    }

    const BLUE: u32 = 0xff00_00ff;

    fn pictures() -> [Vec<u8>; 3] {
        [1, 2, 3].map(|n| (0..16 * 16 * 4).map(|i| (i * n % 251) as u8).collect())
    }

    fn frame(pixels: &mut [u8]) -> Frame<'_> {
        Frame::from_slice(Format::Bgrx, 16, 16, pixels, &[0], &[64]).unwrap()
    }

    #[test]
    fn gpu_frames_in_flight_are_masked_by_the_cpu_when_the_gpu_is_lost() {
        let name = "gpu_frames_in_flight_are_masked_by_the_cpu_when_the_gpu_is_lost";
        let Some(mut masker) = working(name, false) else {
            return;
        };
        assert_eq!((masker.depth(3), masker.depth(100)), (3, MAX_IN_FLIGHT));
        let mut flying = pictures();
        let solid = Region {
            solid: true,
            ..FACE
        };
        let regions = [[FACE], [solid], [FACE]];
        let mut tickets = Vec::new();
        for (pixels, regions) in flying.iter_mut().zip(&regions) {
            let work = Work {
                regions,
                fill: BLUE,
                ..Work::new(Mode::Pixelate { cells: 1 }, masker.seed())
            };
            tickets.push(masker.submit(&mut frame(pixels), &work).unwrap());
        }
        lose(&masker);
        for (n, (ticket, pixels)) in tickets.into_iter().zip(&mut flying).enumerate() {
            let outcome = masker.collect(ticket, &mut frame(pixels)).unwrap();
            let pixels = pixels.as_chunks::<4>().0;
            // The device may have been done with it before it was lost.
            let masked = match outcome {
                Outcome::AsAsked => 2..6,
                Outcome::TookOver(_) => 0..16,
            };
            let first = pixels[masked.start * 16 + masked.start];
            for row in pixels[masked.start * 16..masked.end * 16].chunks_exact(16) {
                let is_one_cell = row[masked.clone()].iter().all(|p| *p == first);
                assert!(is_one_cell, "frame {n}, {outcome:?}");
            }
            assert!(n != 1 || first == [255, 0, 0, 255]);
        }
        let mut next = pictures()[0].clone();
        let work = Work {
            regions: &[FACE],
            ..Work::new(Mode::Solid, masker.seed())
        };
        mask(&mut masker, &mut frame(&mut next), &work).unwrap();
        assert_eq!(next[2 * 64 + 8..][..4], [0, 0, 0, 255]);
        assert_eq!((masker.name(), masker.depth(3)), ("cpu", 1));
    }

    #[test]
    fn gpu_frames_in_flight_are_errors_when_nothing_but_the_gpu_will_do() {
        let name = "gpu_frames_in_flight_are_errors_when_nothing_but_the_gpu_will_do";
        let Some(mut masker) = working(name, true) else {
            return;
        };
        let mut pictures = pictures();
        let work = Work {
            regions: &[FACE],
            ..Work::new(Mode::Solid, masker.seed())
        };
        let mut submit = |masker: &mut Masker| {
            pictures
                .iter_mut()
                .map(|pixels| masker.submit(&mut frame(pixels), &work))
                .collect::<Vec<_>>()
        };
        let tickets = submit(&mut masker);
        lose(&masker);
        assert!(submit(&mut masker).iter().all(Result::is_err));
        for (ticket, pixels) in tickets.into_iter().zip(&mut pictures) {
            let result = masker.collect(ticket.unwrap(), &mut frame(pixels));
            assert!(result.is_err());
        }
    }

    #[test]
    fn the_cpu_masks_when_a_frame_is_submitted() {
        let mut masker = Masker::open(Backend::Cpu, "").unwrap();
        let mut pixels = pictures()[0].clone();
        let work = Work {
            regions: &[FACE],
            ..Work::new(Mode::Solid, masker.seed())
        };
        let ticket = masker.submit(&mut frame(&mut pixels), &work).unwrap();
        let now = pixels.clone();
        assert_eq!(pixels[2 * 64 + 8..][..4], [0, 0, 0, 255]);
        let outcome = masker.collect(ticket, &mut frame(&mut pixels));
        assert_eq!((outcome, pixels == now), (Ok(Outcome::AsAsked), true));
        assert_eq!(masker.depth(8), 1);
    }
}
