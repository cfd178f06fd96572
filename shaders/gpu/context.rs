// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices, one per choice of adapter and process, shared by all who make the same choice.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use once_cell::sync::OnceCell;

use super::{GpuError, SHADERS, Shader};

/// Which variant of the kernels that measure cells to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Kernels {
    /// [`Kernels::Alone`] on an adapter that is a CPU and where cells are small, else
    /// [`Kernels::Together`].
    #[default]
    Auto,
    /// A workgroup for each piece of a cell, with barriers.
    Together,
    /// One invocation for each piece, without barriers, and pieces for few of them.
    Alone,
}

/// Which adapter to use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Selection {
    /// Accept an adapter that is a CPU in disguise (lavapipe) when there is no other. It is slower
    /// than the CPU twin: for tests.
    pub software: bool,
    /// Part of the adapter's name, in any case; empty for any.
    pub name: String,
    /// The same bits at another speed: for tests.
    pub kernels: Kernels,
}

/// An adapter in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Its name, as the driver gives it.
    pub name: String,
    /// Name and version of the driver.
    pub driver: String,
    /// It computes on the CPU.
    pub is_software: bool,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.driver)
    }
}

/// A device that has not answered for this long is taken for lost. A driver resets a hanging device
/// after some seconds; a frame that late is of no use to anybody.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// A device with the pipelines of all shaders.
pub struct Context {
    pub adapter: Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub layout: wgpu::BindGroupLayout,
    /// Never [`Kernels::Auto`] on an adapter that is a CPU.
    pub kernels: Kernels,
    pub cell_sum: wgpu::ComputePipeline,
    pub cell_mean: wgpu::ComputePipeline,
    pub cell_sum_alone: wgpu::ComputePipeline,
    pub cell_mean_alone: wgpu::ComputePipeline,
    pub smooth_across: wgpu::ComputePipeline,
    pub smooth_down: wgpu::ComputePipeline,
    pub paint: wgpu::ComputePipeline,
    /// Whether the device tells how long its work takes.
    pub has_clock: bool,
    /// Why it cannot be used any more.
    failure: Failure,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Context").field(&self.adapter).finish()
    }
}

/// Told by callbacks, which may come on any thread.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<GpuError>>>);

impl Failure {
    fn lock(&self) -> MutexGuard<'_, Option<GpuError>> {
        // Nothing panics while this is held; a poisoned lock still holds what matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first failure is the cause, later ones follow from it.
    fn tell(&self, error: GpuError) {
        self.lock().get_or_insert(error);
    }
}

type Slot = Arc<OnceCell<Arc<Context>>>;

/// Slots and not contexts, so that the map is not locked while a device is made.
static CONTEXTS: LazyLock<Mutex<BTreeMap<Selection, Slot>>> = LazyLock::new(Mutex::default);

impl Context {
    /// The process's device for `selection`, made on first use and again after it was lost.
    pub fn get(selection: &Selection) -> Result<Arc<Self>, GpuError> {
        let slot = {
            let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = contexts.entry(selection.clone()).or_default();
            if slot.get().is_some_and(|context| context.check().is_err()) {
                *slot = Slot::default();
            }
            slot.clone()
        };
        slot.get_or_try_init(|| Self::make(selection).map(Arc::new))
            .cloned()
    }

    /// Whether the device can still be used.
    pub fn check(&self) -> Result<(), GpuError> {
        // Runs the callbacks that are due: a device says that it is lost only when it is asked.
        let _ = self.device.poll(wgpu::PollType::Poll);
        match &*self.failure.lock() {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Waits until the device has nothing to do, and checks it then.
    pub fn settle(&self) -> Result<(), GpuError> {
        // Whatever this says, the check says it better.
        let _ = self.device.poll(wgpu::PollType::Wait {
            submission_index: None,
            timeout: Some(TIMEOUT),
        });
        self.check()
    }

    /// Marks the device as unusable: the next [`Context::get`] makes another.
    pub fn fail(&self, error: GpuError) {
        self.failure.tell(error);
    }

    fn make(selection: &Selection) -> Result<Self, GpuError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::VULKAN,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
        let chosen = choose(
            &adapters
                .iter()
                .map(|a| {
                    let info = a.get_info();
                    (info.name, info.device_type)
                })
                .collect::<Vec<_>>(),
            selection,
        )?;
        let chosen = &adapters[chosen];
        let info = chosen.get_info();
        let adapter = Adapter {
            is_software: info.device_type == wgpu::DeviceType::Cpu,
            driver: format!("{} {}", info.driver, info.driver_info)
                .trim()
                .to_owned(),
            name: info.name,
        };
        let kernels = match selection.kernels {
            Kernels::Auto if adapter.is_software => Kernels::Alone,
            kernels => kernels,
        };
        let offered = chosen.limits();
        let clock =
            wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS;
        let has_clock = chosen.features().contains(clock);
        let (device, queue) = pollster::block_on(chosen.request_device(&wgpu::DeviceDescriptor {
            label: Some("gst-privacy"),
            required_features: if has_clock {
                clock
            } else {
                wgpu::Features::empty()
            },
            required_limits: wgpu::Limits {
                max_buffer_size: offered.max_buffer_size,
                max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
                ..wgpu::Limits::downlevel_defaults()
            },
            ..Default::default()
        }))
        .map_err(|err| GpuError::NoDevice {
            adapter: adapter.name.clone(),
            why: err.to_string(),
        })?;

        let failure = Failure::default();
        let told = failure.clone();
        device.set_device_lost_callback(move |reason, message| {
            told.tell(GpuError::Lost(format!("{reason:?}: {message}")));
        });
        // The default handler panics, which would take a streaming thread down.
        let told = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            told.tell(GpuError::Refused(error.to_string()));
        }));

        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let layout = layout(&device);
        let [measure, smooth, paint] = SHADERS.map(|shader| module(&device, &shader));
        let pipelines = [
            (&measure, "cell_sum"),
            (&measure, "cell_mean"),
            (&measure, "cell_sum_alone"),
            (&measure, "cell_mean_alone"),
            (&smooth, "smooth_across"),
            (&smooth, "smooth_down"),
            (&paint, "paint"),
        ]
        .map(|(module, entry)| pipeline(&device, &layout, module, entry));
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(GpuError::Shaders(error.to_string()));
        }
        let [
            cell_sum,
            cell_mean,
            cell_sum_alone,
            cell_mean_alone,
            smooth_across,
            smooth_down,
            paint,
        ] = pipelines;
        Ok(Self {
            adapter,
            device,
            queue,
            layout,
            kernels,
            cell_sum,
            cell_mean,
            cell_sum_alone,
            cell_mean_alone,
            smooth_across,
            smooth_down,
            paint,
            has_clock,
            failure,
        })
    }
}

/// Index of the adapter to use: a real GPU before a software one, else the order of the driver.
fn choose(
    adapters: &[(String, wgpu::DeviceType)],
    selection: &Selection,
) -> Result<usize, GpuError> {
    let name = selection.name.to_lowercase();
    let fits = |wanted: bool| {
        adapters.iter().position(|(adapter, kind)| {
            (*kind != wgpu::DeviceType::Cpu) == wanted && adapter.to_lowercase().contains(&name)
        })
    };
    fits(true)
        .or_else(|| fits(false).filter(|_| selection.software))
        .ok_or_else(|| GpuError::NoAdapter {
            wanted: match (selection.name.as_str(), selection.software) {
                ("", true) => String::new(),
                ("", false) => " that is a real GPU".to_owned(),
                (name, true) => format!(" whose name contains \"{name}\""),
                (name, false) => {
                    format!(" that is a real GPU and whose name contains \"{name}\"")
                }
            },
            found: if adapters.is_empty() {
                "none".to_owned()
            } else {
                let names: Vec<&str> = adapters.iter().map(|(name, _)| name.as_str()).collect();
                names.join(", ")
            },
        })
}

fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let storage = |binding, read_only| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("mask"),
        entries: &[
            storage(0, true),
            storage(1, false),
            storage(2, false),
            storage(3, false),
        ],
    })
}

fn module(device: &wgpu::Device, shader: &Shader) -> wgpu::ShaderModule {
    device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(shader.name),
        source: wgpu::ShaderSource::Wgsl(shader.source.into()),
    })
}

fn pipeline(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    module: &wgpu::ShaderModule,
    entry: &str,
) -> wgpu::ComputePipeline {
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(entry),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(entry),
        layout: Some(&layout),
        module,
        entry_point: Some(entry),
        compilation_options: wgpu::PipelineCompilationOptions {
            // The shaders write it before they read it.
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu};

    #[test]
    fn software_is_chosen_only_when_accepted_and_alone() {
        let of = |adapters: &[(&str, wgpu::DeviceType)], software, name: &str| {
            let adapters: Vec<_> = adapters.iter().map(|(n, t)| (n.to_string(), *t)).collect();
            choose(
                &adapters,
                &Selection {
                    software,
                    name: name.into(),
                    ..Default::default()
                },
            )
        };
        let all = [
            ("llvmpipe", Cpu),
            ("Intel Arc", IntegratedGpu),
            ("NVIDIA L4", DiscreteGpu),
        ];
        assert_eq!(of(&all, false, ""), Ok(1));
        assert_eq!(of(&all, true, ""), Ok(1));
        assert_eq!(of(&all, false, "nvidia"), Ok(2));
        assert_eq!(of(&all, true, "LLVM"), Ok(0));
        let missing = |wanted: &str, found: &str| {
            Err(GpuError::NoAdapter {
                wanted: wanted.into(),
                found: found.into(),
            })
        };
        assert_eq!(
            of(&all[..1], false, ""),
            missing(" that is a real GPU", "llvmpipe")
        );
        assert_eq!(of(&all[..1], true, ""), Ok(0));
        assert_eq!(of(&[], true, ""), missing("", "none"));
        assert_eq!(
            of(&all[..2], true, "amd"),
            missing(" whose name contains \"amd\"", "llvmpipe, Intel Arc")
        );
    }
}
