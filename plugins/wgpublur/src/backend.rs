// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who masks: the GPU, the CPU, or the CPU once the GPU has failed.

use privacy_shaders::{
    Frame, Mode, Region, Scratch, Seed, Work, cpu,
    gpu::{self, GpuError, Selection},
};

use crate::wgpublur::Backend;

/// Masks frames on the backend that was chosen when it was opened.
#[derive(Debug)]
pub struct Masker {
    gpu: Option<gpu::Masker>,
    /// The user asked for the GPU by name: a failure is an error, not a reason to take the CPU.
    gpu_or_nothing: bool,
    scratch: Scratch,
    seed: Seed,
}

/// How a frame was masked.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    AsAsked,
    /// The GPU failed and will not be used again; the CPU masked the whole frame. Says why.
    TookOver(String),
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

    /// Masks `regions` of a frame. On an error the frame is as clear as it was and must not leave.
    pub fn mask(
        &mut self,
        frame: &mut Frame<'_>,
        regions: &[Region],
        mode: Mode<'_>,
        fill: u32,
    ) -> Result<Outcome, GpuError> {
        let work = Work {
            regions,
            fill,
            ..Work::new(mode, self.seed)
        };
        let Some(gpu) = &mut self.gpu else {
            cpu::mask(frame, &work, &mut self.scratch);
            return Ok(Outcome::AsAsked);
        };
        match gpu.mask(frame, &work) {
            Ok(()) => Ok(Outcome::AsAsked),
            Err(err) if self.gpu_or_nothing => Err(err),
            Err(err) => {
                self.gpu = None;
                let work = Work {
                    regions: &[Region::whole(frame.width(), frame.height())],
                    ..work
                };
                cpu::mask(frame, &work, &mut self.scratch);
                Ok(Outcome::TookOver(err.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_shaders::{Format, Shape};

    /// A masker on any adapter, which then breaks. `None`, said aloud, without one.
    fn broken(test: &str, gpu_or_nothing: bool) -> Option<Masker> {
        match Masker::open(Backend::Gpu, "") {
            Ok(masker) => {
                masker.gpu.as_ref().unwrap().destroy_device();
                Some(Masker {
                    gpu_or_nothing,
                    ..masker
                })
            }
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
        let mode = Mode::Solid;
        let outcome = masker.mask(&mut frame, &[FACE], mode, 0).unwrap();
        assert!(matches!(outcome, Outcome::TookOver(_)));
        assert_eq!((masker.name(), masker.adapter()), ("cpu", None));
        assert_eq!(
            masker.mask(&mut frame, &[FACE], mode, 0),
            Ok(Outcome::AsAsked)
        );
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
            assert!(masker.mask(&mut frame, &[FACE], Mode::Solid, 0).is_err());
        }
    }
}
