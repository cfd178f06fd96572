// SPDX-License-Identifier: MIT OR Apache-2.0
//! Masks frames on a device, with buffers of its own that are kept from frame to frame.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use super::{Adapter, GpuError, Selection, context::Context};
use crate::{
    Format, Frame, Memory, Mode, Region, Seed, Work,
    plan::{Job, Kind, Plan},
};

/// A device that has not answered for this long is taken for lost. A driver resets a hanging device
/// after some seconds; a frame that late is of no use to anybody.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The arithmetic of `cell_mean.wgsl` holds cells of up to 2^28 samples.
const MAX_BYTES: u64 = 1 << 28;

/// Workgroups per dimension that every Vulkan device takes.
const MAX_GROUPS: u32 = 65_535;

/// As `Job` in `common.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct GpuJob {
    pixels: u32,
    pitch: u32,
    width: u32,
    height: u32,
    channels: u32,
    nx: u32,
    ny: u32,
    first_cell: u32,
    first_value: u32,
    noise_bit: u32,
    key: [u32; 2],
    opaque: u32,
    fill: [u8; 4],
    reserved: [u32; 2],
}

/// As the head of `Work` in `common.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct GpuWork {
    seed: [u32; 2],
    jobs_used: u32,
    words: u32,
    cells: u32,
    reserved: [u32; 3],
}

/// Buffers that hold the regions of a frame. Upload and read-back are apart because memory that is
/// good for one is slow for the other.
#[derive(Debug)]
struct Buffers {
    pixels_size: u64,
    work_size: u64,
    values_size: u64,
    /// Work, then pixels. Mapped between frames.
    upload: wgpu::Buffer,
    pixels: wgpu::Buffer,
    work: wgpu::Buffer,
    download: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
}

/// Masks frames on one device. Several may share a device; each has its own buffers.
#[derive(Debug)]
pub struct Masker {
    context: Arc<Context>,
    plan: Plan,
    memory: Memory,
    /// First word of each job.
    words: Vec<u32>,
    /// What goes to the device besides pixels.
    work: Vec<u8>,
    buffers: Option<Buffers>,
}

impl Masker {
    /// Opens a device and tries it out on one small frame, so that a driver that cannot run the
    /// shaders is found now.
    pub fn open(selection: &Selection) -> Result<Self, GpuError> {
        let mut masker = Self {
            context: Context::get(selection)?,
            plan: Plan::default(),
            memory: Memory::default(),
            words: Vec::new(),
            work: Vec::new(),
            buffers: None,
        };
        let mut pixels = [0u8; 16 * 16 * 4];
        if let Ok(mut frame) =
            Frame::from_slice(crate::Format::Bgrx, 16, 16, &mut pixels, &[0], &[64])
        {
            for mode in [
                Mode::Solid,
                Mode::Pixelate { cells: 2 },
                Mode::Blur { cells: 2 },
            ] {
                let work = Work {
                    regions: &[Region::whole(16, 16)],
                    ..Work::new(mode, Seed(0))
                };
                masker.mask(&mut frame, &work)?;
            }
        }
        Ok(masker)
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &Adapter {
        &self.context.adapter
    }

    /// Destroys the device, for everybody who shares it: what a driver crash does, for tests of what
    /// comes after.
    pub fn destroy_device(&self) {
        self.context.device.destroy();
    }

    /// Masks `work.regions` of `frame` in place, with the same bits as [`crate::cpu::mask`].
    ///
    /// On an error the frame is untouched, and must not be shown.
    pub fn mask(&mut self, frame: &mut Frame<'_>, work: &Work<'_>) -> Result<(), GpuError> {
        self.plan.make(frame, work, &mut self.memory);
        self.plan.abandon(&mut self.memory);
        let Some(first) = self.plan.jobs.first() else {
            return Ok(());
        };
        let kind = first.kind;
        let plain = |j: &Job| {
            let known = j.known == (kind == Kind::Solid);
            j.kind == kind && j.is_box() && j.smooth == 0 && !j.remember && known
        };
        if is_new(frame.format()) || !self.plan.jobs.iter().all(plain) {
            return Err(GpuError::Refused(
                "these regions cannot be masked on the GPU yet".into(),
            ));
        }
        self.context.check()?;
        let result = self.mask_planned(frame, kind, work.seed);
        if let Err(GpuError::Refused(_)) = result {
            // A lost device refuses everything and may not have said that it is lost.
            self.context.check()?;
        }
        result
    }

    fn mask_planned(
        &mut self,
        frame: &mut Frame<'_>,
        kind: Kind,
        seed: Seed,
    ) -> Result<(), GpuError> {
        let words = self.lay_out(seed)?;
        // Taken out, so that buffers in an unknown state are not used again after an error.
        let buffers = self.buffers.take();
        let buffers = self.buffers_for(buffers, u64::from(words) * 4)?;
        self.upload(&buffers, frame, kind)?;
        self.run(&buffers, kind, words)?;
        self.download(&buffers, frame)?;
        self.buffers = Some(buffers);
        Ok(())
    }

    /// Gives each job its place in the packed pixels and writes the work for the shaders. Returns the
    /// number of words of all jobs.
    fn lay_out(&mut self, seed: Seed) -> Result<u32, GpuError> {
        let limit = self.limit();
        let needed: u64 = self.plan.jobs.iter().map(|j| 4 * job_words(j)).sum();
        if needed > limit {
            return Err(GpuError::TooLarge { needed, limit });
        }
        self.words.clear();
        self.work.clear();
        let mut total = 0u32;
        // The head is written again once the total is known.
        self.work.resize(size_of::<GpuWork>(), 0);
        for job in &self.plan.jobs {
            self.words.push(total);
            self.work.extend_from_slice(bytemuck::bytes_of(&GpuJob {
                pixels: total,
                pitch: pitch(job),
                width: job.width,
                height: job.height,
                channels: job.channels,
                nx: job.nx,
                ny: job.ny,
                first_cell: job.first_cell,
                first_value: job.first_value,
                noise_bit: job.noise_bit,
                key: halves(job.key),
                opaque: job.set.iter().position(|&b| b == 255).unwrap_or(4) as u32,
                fill: job.fill,
                reserved: [0; 2],
            }));
            // Below the limit, which is below 2^28 bytes.
            total += job_words(job) as u32;
        }
        let head = GpuWork {
            seed: halves(seed.0),
            jobs_used: self.plan.jobs.len() as u32,
            words: total,
            cells: self.plan.cells,
            reserved: [0; 3],
        };
        self.work[..size_of::<GpuWork>()].copy_from_slice(bytemuck::bytes_of(&head));
        Ok(total)
    }

    fn limit(&self) -> u64 {
        let limits = self.context.device.limits();
        limits
            .max_buffer_size
            .min(limits.max_storage_buffer_binding_size)
            .min(MAX_BYTES)
    }

    /// The buffers of the last frame, or larger ones. They never shrink.
    fn buffers_for(&self, old: Option<Buffers>, pixels: u64) -> Result<Buffers, GpuError> {
        let work = self.work.len() as u64;
        let values = 4 * (self.plan.values.len() as u64).max(1);
        if let Some(old) = old {
            if pixels <= old.pixels_size && work <= old.work_size && values <= old.values_size {
                return Ok(old);
            }
            return self.make_buffers(
                pixels.max(old.pixels_size),
                work.max(old.work_size),
                values.max(old.values_size),
            );
        }
        self.make_buffers(pixels, work, values)
    }

    fn make_buffers(&self, pixels: u64, work: u64, values: u64) -> Result<Buffers, GpuError> {
        let limit = self.limit();
        // Room to grow, so that one more region does not make new buffers.
        let room = |size: u64| size.next_power_of_two().max(4096).min(limit).max(size);
        let (pixels_size, work_size, values_size) = (room(pixels), room(work), room(values));
        let device = &self.context.device;
        let buffer = |label, size, usage, mapped_at_creation| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation,
            })
        };
        use wgpu::BufferUsages as Usage;
        self.checked(wgpu::ErrorFilter::OutOfMemory, || {
            let upload = buffer(
                "upload",
                work_size + pixels_size,
                Usage::MAP_WRITE | Usage::COPY_SRC,
                true,
            );
            let storage = Usage::STORAGE | Usage::COPY_DST;
            let pixels = buffer("pixels", pixels_size, storage | Usage::COPY_SRC, false);
            let work = buffer("work", work_size, storage, false);
            let values = buffer("values", values_size, Usage::STORAGE, false);
            let download = buffer(
                "download",
                pixels_size,
                Usage::MAP_READ | Usage::COPY_DST,
                false,
            );
            let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("mask"),
                layout: &self.context.layout,
                entries: &[
                    wgpu::BindGroupEntry {
                        binding: 0,
                        resource: work.as_entire_binding(),
                    },
                    wgpu::BindGroupEntry {
                        binding: 1,
                        resource: pixels.as_entire_binding(),
                    },
                    wgpu::BindGroupEntry {
                        binding: 2,
                        resource: values.as_entire_binding(),
                    },
                ],
            });
            Buffers {
                pixels_size,
                work_size,
                values_size,
                upload,
                pixels,
                work,
                download,
                bind_group,
            }
        })
    }

    /// Packs work and pixels into the upload buffer and unmaps it. A solid fill needs no pixels.
    fn upload(&self, buffers: &Buffers, frame: &Frame<'_>, kind: Kind) -> Result<(), GpuError> {
        let pixels = match kind {
            Kind::Solid => 0,
            _ => self.pixel_bytes(),
        };
        let refused = |err: wgpu::MapRangeError| GpuError::Refused(err.to_string());
        let mut mapped = buffers
            .upload
            .get_mapped_range_mut(..buffers.work_size + pixels)
            .map_err(refused)?;
        mapped.slice(..self.work.len()).copy_from_slice(&self.work);
        if pixels > 0 {
            let start = buffers.work_size as usize;
            for (job, &first) in self.plan.jobs.iter().zip(&self.words) {
                let (data, stride) = frame.plane(job.plane);
                let mut at = start + 4 * first as usize;
                for y in 0..job.height {
                    let row = &data[job.row(y, stride)];
                    mapped.slice(at..at + row.len()).copy_from_slice(row);
                    at += 4 * pitch(job) as usize;
                }
            }
        }
        drop(mapped);
        buffers.upload.unmap();
        Ok(())
    }

    /// Copies, computes, copies back, and waits until both mappable buffers are mapped again.
    fn run(&self, buffers: &Buffers, kind: Kind, words: u32) -> Result<(), GpuError> {
        let context = &*self.context;
        let bytes = self.pixel_bytes();
        let (read, write) = (Mapping::default(), Mapping::default());
        let submission = self.checked(wgpu::ErrorFilter::Validation, || {
            let mut encoder =
                context
                    .device
                    .create_command_encoder(&wgpu::CommandEncoderDescriptor {
                        label: Some("mask"),
                    });
            encoder.copy_buffer_to_buffer(
                &buffers.upload,
                0,
                &buffers.work,
                0,
                self.work.len() as u64,
            );
            let paint = match kind {
                Kind::Solid => &context.solid,
                Kind::Flat => &context.pixelate,
                Kind::Interpolated => &context.blur,
            };
            let has_cells = kind != Kind::Solid;
            if has_cells {
                encoder.copy_buffer_to_buffer(
                    &buffers.upload,
                    buffers.work_size,
                    &buffers.pixels,
                    0,
                    bytes,
                );
            }
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some("mask"),
                    timestamp_writes: None,
                });
                pass.set_bind_group(0, &buffers.bind_group, &[]);
                if has_cells {
                    pass.set_pipeline(&context.cell_mean);
                    let (x, y) = groups(self.plan.cells);
                    pass.dispatch_workgroups(x, y, 1);
                }
                pass.set_pipeline(paint);
                let (x, y) = groups(words.div_ceil(64));
                pass.dispatch_workgroups(x, y, 1);
            }
            encoder.copy_buffer_to_buffer(&buffers.pixels, 0, &buffers.download, 0, bytes);
            encoder.map_buffer_on_submit(
                &buffers.download,
                wgpu::MapMode::Read,
                ..bytes,
                read.callback(),
            );
            encoder.map_buffer_on_submit(
                &buffers.upload,
                wgpu::MapMode::Write,
                ..,
                write.callback(),
            );
            context.queue.submit([encoder.finish()])
        })?;
        let waited = context.device.poll(wgpu::PollType::Wait {
            submission_index: Some(submission),
            timeout: Some(TIMEOUT),
        });
        context.check()?;
        match waited {
            Ok(_) if read.is_done() && write.is_done() => Ok(()),
            Err(wgpu::PollError::Timeout) => {
                let error = GpuError::Timeout(TIMEOUT);
                context.fail(error.clone());
                Err(error)
            }
            Ok(_) => Err(GpuError::Refused("a buffer could not be mapped".into())),
            Err(err) => Err(GpuError::Refused(err.to_string())),
        }
    }

    /// Copies the masked rows into the frame: the first time it is touched, and nothing fails any more.
    fn download(&self, buffers: &Buffers, frame: &mut Frame<'_>) -> Result<(), GpuError> {
        let mapped = buffers
            .download
            .get_mapped_range(..self.pixel_bytes())
            .map_err(|err| GpuError::Refused(err.to_string()))?;
        for (job, &first) in self.plan.jobs.iter().zip(&self.words) {
            let (data, stride) = frame.plane_mut(job.plane);
            let mut at = 4 * first as usize;
            for y in 0..job.height {
                let row = &mut data[job.row(y, stride)];
                row.copy_from_slice(&mapped[at..at + row.len()]);
                at += 4 * pitch(job) as usize;
            }
        }
        drop(mapped);
        buffers.download.unmap();
        Ok(())
    }

    fn pixel_bytes(&self) -> u64 {
        self.plan.jobs.iter().map(|j| 4 * job_words(j)).sum()
    }

    /// Runs `operation` and asks the device what it thought of it. Errors stay with this masker and
    /// do not end the device for others.
    fn checked<T>(
        &self,
        filter: wgpu::ErrorFilter,
        operation: impl FnOnce() -> T,
    ) -> Result<T, GpuError> {
        let scope = self.context.device.push_error_scope(filter);
        let result = operation();
        match pollster::block_on(scope.pop()) {
            None => Ok(result),
            Some(error) => Err(GpuError::Refused(error.to_string())),
        }
    }
}

/// What the callback of a mapping said.
#[derive(Debug, Clone, Default)]
struct Mapping(Arc<AtomicU8>);

impl Mapping {
    const DONE: u8 = 1;

    fn callback(&self) -> impl FnOnce(Result<(), wgpu::BufferAsyncError>) + Send + 'static {
        let told = self.0.clone();
        move |result| {
            if result.is_ok() {
                told.store(Self::DONE, Ordering::Release);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::DONE
    }
}

/// Words per packed row.
fn pitch(job: &Job) -> u32 {
    (job.width * job.channels).div_ceil(4)
}

fn job_words(job: &Job) -> u64 {
    u64::from(pitch(job)) * u64::from(job.height)
}

/// Whether the shaders do not know the samples of a format.
fn is_new(format: Format) -> bool {
    use Format as F;
    matches!(format, F::Yuy2 | F::Uyvy | F::P010 | F::Rgb | F::Bgr)
}

fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// Workgroups in two dimensions, at least `count`.
fn groups(count: u32) -> (u32, u32) {
    let rows = count.div_ceil(MAX_GROUPS).max(1);
    (count.div_ceil(rows), rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_the_work_within_the_limits() {
        for count in [1, 2, 65_535, 65_536, 131_071, 4_194_304, 67_108_864] {
            let (x, y) = groups(count);
            assert!(x <= MAX_GROUPS && y <= MAX_GROUPS);
            assert!(u64::from(x) * u64::from(y) >= u64::from(count));
        }
    }

    #[test]
    fn structures_are_as_large_as_in_wgsl() {
        assert_eq!(size_of::<GpuJob>(), 64);
        assert_eq!(size_of::<GpuWork>(), 32);
    }
}
