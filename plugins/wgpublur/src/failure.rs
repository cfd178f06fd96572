// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a frame must not leave.

use privacy_shaders::gpu::GpuError;

use crate::{frame::ViewError, settings::SettingsError, verdict::Reason};

/// Why a frame must not leave: it may be clear, or half masked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Frames came before caps.
    #[error("a frame came before its caps")]
    NoCaps,
    /// Properties that cannot be meant, or not under the purpose in force.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody looked at it, and the user wants the stream to stop then.
    #[error(
        "no detector looked at a frame in time ({}) and property \"on-missing-scan\" is \"error\"; put \
         onnxdetector right before wgpublur, or choose \"frame\" or \"drop\" \
         (aucune détection récente sur cette image)",
        .0.nick()
    )]
    MissingScan(Reason),
    /// There was more to mask than can be, or not enough time, and the user wants the stream to stop then.
    #[error(
        "there was more to mask than can be in time ({}) and property \"on-overload\" is \"error\"; choose \
         \"frame\" or \"drop\" (trop à masquer sur cette image ; choisissez \"frame\" ou \"drop\")",
        .0.nick()
    )]
    Overload(Reason),
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
