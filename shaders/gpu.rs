// SPDX-License-Identifier: MIT OR Apache-2.0
//! The masks on a GPU, through Vulkan.
//!
//! Only the rows of regions travel, and up to the device only those whose cells are not known: they are
//! packed into one buffer, cells are measured, and one dispatch paints all regions. Of the masked rows
//! the samples that a region covers are copied back. [`Masker::mask`] either masks every region or leaves
//! the frame as it was and says why; [`Masker::submit`] and [`Masker::collect`] do the same with several
//! frames in flight.

mod context;
mod layout;
mod masker;
mod slot;

pub use context::{Adapter, Kernels, Selection};
pub use masker::{MAX_IN_FLIGHT, Masker, Ticket};

/// A shader file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shader {
    /// Name of the file without its end.
    pub name: &'static str,
    /// Its WGSL, with everything it needs in front.
    pub source: &'static str,
    /// Its entry points, in order.
    pub entries: &'static [&'static str],
}

/// All shaders.
pub const SHADERS: [Shader; 3] = [
    Shader {
        name: "cell_mean",
        source: concat!(
            include_str!("common.wgsl"),
            include_str!("noise.wgsl"),
            include_str!("cell_mean.wgsl")
        ),
        entries: &["cell_sum", "cell_mean", "cell_sum_alone", "cell_mean_alone"],
    },
    Shader {
        name: "smooth",
        source: concat!(include_str!("common.wgsl"), include_str!("smooth.wgsl")),
        entries: &["smooth_across", "smooth_down"],
    },
    Shader {
        name: "paint",
        source: concat!(include_str!("common.wgsl"), include_str!("paint.wgsl")),
        entries: &["paint"],
    },
];

/// Why the GPU cannot be used, or failed on a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// No adapter was found that fits. Install a driver, or use the CPU.
    #[error(
        "no Vulkan adapter{wanted}; found: {found}. Install the driver of the graphics card and the \
         Vulkan loader (on Debian: libvulkan1 and mesa-vulkan-drivers, or nvidia-driver), or use the \
         CPU (aucune carte graphique utilisable ; installez son pilote Vulkan, ou utilisez le processeur)"
    )]
    NoAdapter {
        /// What was asked for, beginning with a space.
        wanted: String,
        /// Names of the adapters that are there.
        found: String,
    },
    /// The adapter is there and gives no device. The text is the driver's.
    #[error("adapter {adapter} gives no device: {why}")]
    NoDevice {
        /// Its name.
        adapter: String,
        /// What wgpu says.
        why: String,
    },
    /// A shader or a pipeline was refused: the driver is too old, or we are wrong.
    #[error("the adapter refuses the shaders: {0}")]
    Shaders(String),
    /// The device went away: removed, reset, or its driver crashed. A new one may work.
    #[error("the graphics device was lost: {0}")]
    Lost(String),
    /// The device did not answer in time, and counts as lost.
    #[error("the graphics device did not answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The regions need more memory than one buffer of the adapter holds.
    #[error("regions of {needed} bytes exceed the {limit} bytes that the adapter masks at once")]
    TooLarge {
        /// Bytes of all regions.
        needed: u64,
        /// Bytes that fit.
        limit: u64,
    },
    /// The device refused an operation, for lack of memory or because we are wrong.
    #[error("the graphics device refused the work: {0}")]
    Refused(String),
}
