// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices, one per choice of adapter and process, shared by all who make the same choice.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use once_cell::sync::OnceCell;

use super::{GpuError, SHADERS};

/// Which adapter to use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Selection {
    /// Accept an adapter that is a CPU in disguise (lavapipe) when there is no other. It is slower
    /// than the CPU twin: for tests.
    pub software: bool,
    /// Part of the adapter's name, in any case; empty for any.
    pub name: String,
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

/// A device with the pipelines of all shaders.
pub struct Context {
    pub adapter: Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub layout: wgpu::BindGroupLayout,
    pub cell_mean: wgpu::ComputePipeline,
    pub pixelate: wgpu::ComputePipeline,
    pub blur: wgpu::ComputePipeline,
    pub solid: wgpu::ComputePipeline,
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
        let offered = chosen.limits();
        let (device, queue) = pollster::block_on(chosen.request_device(&wgpu::DeviceDescriptor {
            label: Some("gst-privacy"),
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
        let pipelines = SHADERS.map(|(name, source)| pipeline(&device, &layout, name, source));
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(GpuError::Shaders(error.to_string()));
        }
        let [cell_mean, pixelate, blur, solid] = pipelines;
        Ok(Self {
            adapter,
            device,
            queue,
            layout,
            cell_mean,
            pixelate,
            blur,
            solid,
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
        entries: &[storage(0, true), storage(1, false), storage(2, false)],
    })
}

fn pipeline(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    name: &str,
    source: &str,
) -> wgpu::ComputePipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(name),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: Some(&layout),
        module: &module,
        entry_point: Some(name),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
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
