// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who masks: the GPU, the CPU, or the CPU once the GPU has failed.

use privacy_shaders::{
    Frame, Mode, Region, Scratch, Seed, cpu,
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
    /// The system gives no random numbers.
    #[error("the system gave no random number for the secret of the noise: {0}")]
    Random(getrandom::Error),
}

impl Masker {
    /// Opens `backend`; `device` is a part of an adapter's name, or empty for any.
    pub fn open(backend: Backend, device: &str) -> Result<Self, OpenError> {
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
        mode: Mode,
    ) -> Result<Outcome, GpuError> {
        let Some(gpu) = &mut self.gpu else {
            cpu::mask(frame, regions, mode, self.seed, &mut self.scratch);
            return Ok(Outcome::AsAsked);
        };
        match gpu.mask(frame, regions, mode, self.seed) {
            Ok(()) => Ok(Outcome::AsAsked),
            Err(err) if self.gpu_or_nothing => Err(err),
            Err(err) => {
                self.gpu = None;
                let whole = Region::whole(frame.width(), frame.height());
                cpu::mask(frame, &[whole], mode, self.seed, &mut self.scratch);
                Ok(Outcome::TookOver(err.to_string()))
            }
        }
    }
}
