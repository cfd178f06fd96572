// SPDX-License-Identifier: MIT OR Apache-2.0
//! The buffers of one frame on the device, and its way there and back.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::{
    GpuError,
    context::{Context, TIMEOUT},
    layout::{Layout, MAX_BYTES, groups},
};
use crate::{Frame, plan::Plan};

/// Of the clock before and after the kernels.
const CLOCK_BYTES: u64 = 16;

/// What one frame needs, kept for another one.
#[derive(Debug, Default)]
pub struct Slot {
    pub plan: Plan,
    pub layout: Layout,
    buffers: Option<Buffers>,
}

/// Upload and read-back are apart because memory that is good for one is slow for the other.
#[derive(Debug)]
struct Buffers {
    sizes: Sizes,
    /// Work, then values, then pixels. Mapped between frames.
    upload: wgpu::Buffer,
    work: wgpu::Buffer,
    pixels: wgpu::Buffer,
    values: wgpu::Buffer,
    /// Pixels, then values, then the clock.
    download: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    clock: Option<Clock>,
}

#[derive(Debug)]
struct Clock {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

/// In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    work: u64,
    pixels: u64,
    values: u64,
    sums: u64,
}

impl Sizes {
    fn of(layout: &Layout) -> Self {
        Self {
            work: layout.work.len() as u64,
            pixels: 4 * u64::from(layout.words),
            values: 4 * u64::from(layout.values_words()),
            sums: 16 * u64::from(layout.pieces),
        }
    }

    fn each(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            work: of(self.work, other.work),
            pixels: of(self.pixels, other.pixels),
            values: of(self.values, other.values),
            sums: of(self.sums, other.sums),
        }
    }
}

/// Work that the device has been given.
#[derive(Debug)]
pub struct Submission {
    index: wgpu::SubmissionIndex,
    read: Mapping,
    write: Mapping,
}

impl Slot {
    /// Sends the plan and the pixels that it needs to the device. On an error the slot is good for
    /// another frame.
    pub fn submit(
        &mut self,
        context: &Context,
        frame: &Frame<'_>,
        timed: bool,
    ) -> Result<Submission, GpuError> {
        // Taken out, so that buffers in an unknown state are not used again after an error.
        let buffers = self.buffers.take();
        let buffers = self.buffers_for(context, buffers, timed)?;
        self.upload(&buffers, frame)?;
        let submission = self.run(context, &buffers)?;
        self.buffers = Some(buffers);
        Ok(submission)
    }

    /// Waits until the device is done, and takes the values that the plan is to keep.
    pub fn wait(&mut self, context: &Context, submission: &Submission) -> Result<(), GpuError> {
        let result = self.try_wait(context, submission);
        if result.is_err() {
            self.buffers = None;
        }
        result
    }

    fn try_wait(&mut self, context: &Context, submission: &Submission) -> Result<(), GpuError> {
        let waited = context.device.poll(wgpu::PollType::Wait {
            submission_index: Some(submission.index.clone()),
            timeout: Some(TIMEOUT),
        });
        context.check()?;
        let late = || {
            let error = GpuError::Timeout(TIMEOUT);
            context.fail(error.clone());
            error
        };
        match waited {
            Ok(_) => {}
            Err(wgpu::PollError::Timeout) => return Err(late()),
            Err(err) => return Err(GpuError::Refused(err.to_string())),
        }
        // Whoever polls the device at the same time may have taken the news away, and tells in a moment.
        for mapping in [&submission.read, &submission.write] {
            match mapping.wait() {
                Some(true) => {}
                Some(false) => {
                    return Err(GpuError::Refused("a buffer could not be mapped".into()));
                }
                None => return Err(late()),
            }
        }
        if self.layout.learns {
            let buffers = self.buffers.as_ref().ok_or_else(no_buffers)?;
            let start = buffers.sizes.pixels;
            let cells = buffers
                .download
                .get_mapped_range(start..start + 4 * u64::from(self.layout.cells))
                .map_err(refused)?;
            self.layout.read_values(&mut self.plan, &cells);
        }
        Ok(())
    }

    /// Copies the masked samples into the frame: the first time it is touched, and nothing fails any
    /// more. Returns how long the kernels took, when that was asked.
    pub fn finish(
        &mut self,
        context: &Context,
        frame: &mut Frame<'_>,
    ) -> Result<Option<Duration>, GpuError> {
        let buffers = self.buffers.take().ok_or_else(no_buffers)?;
        let masked = buffers
            .download
            .get_mapped_range(..4 * u64::from(self.layout.words))
            .map_err(refused)?;
        let time = match &buffers.clock {
            None => None,
            Some(_) => {
                let start = buffers.sizes.pixels + buffers.sizes.values;
                let ticks = buffers
                    .download
                    .get_mapped_range(start..start + CLOCK_BYTES)
                    .map_err(refused)?;
                Some(elapsed(context, &ticks))
            }
        };
        self.layout.unpack(&self.plan, &masked, frame);
        drop(masked);
        buffers.download.unmap();
        self.buffers = Some(buffers);
        Ok(time)
    }

    /// Makes the slot ready for another frame, when nobody wants this one any more.
    pub fn clear(&mut self) {
        if let Some(buffers) = &self.buffers {
            buffers.download.unmap();
        }
    }

    /// The buffers of the last frame, or larger ones. They never shrink.
    fn buffers_for(
        &self,
        context: &Context,
        old: Option<Buffers>,
        timed: bool,
    ) -> Result<Buffers, GpuError> {
        let timed = timed && context.has_clock;
        let needed = Sizes::of(&self.layout);
        let mut sizes = needed;
        if let Some(old) = old {
            sizes = needed.each(old.sizes, u64::max);
            if sizes == old.sizes && timed == old.clock.is_some() {
                return Ok(old);
            }
        }
        let limit = limit(context);
        // Room to grow, so that one more region does not make new buffers.
        let room = |size: u64, _| size.next_power_of_two().max(4096).min(limit).max(size);
        make_buffers(context, sizes.each(sizes, room), timed)
    }

    /// Packs work, values and pixels into the upload buffer and unmaps it.
    fn upload(&mut self, buffers: &Buffers, frame: &Frame<'_>) -> Result<(), GpuError> {
        let Sizes { work, values, .. } = buffers.sizes;
        let end = work + values + 4 * u64::from(self.layout.words_seen);
        let mut mapped = buffers
            .upload
            .get_mapped_range_mut(..end)
            .map_err(refused)?;
        let layout = &mut self.layout;
        mapped
            .slice(..layout.work.len())
            .copy_from_slice(&layout.work);
        let known: &[u8] = bytemuck::cast_slice(&layout.known);
        let work = work as usize;
        mapped
            .slice(work..work + known.len())
            .copy_from_slice(known);
        layout.pack(&self.plan, frame, mapped.slice(work + values as usize..));
        drop(mapped);
        buffers.upload.unmap();
        Ok(())
    }

    /// Copies, computes, copies back, and has both mappable buffers mapped again.
    fn run(&self, context: &Context, buffers: &Buffers) -> Result<Submission, GpuError> {
        let (layout, sizes) = (&self.layout, &buffers.sizes);
        let (read, write) = (Mapping::default(), Mapping::default());
        let index = checked(context, wgpu::ErrorFilter::Validation, || {
            let mut encoder =
                context
                    .device
                    .create_command_encoder(&wgpu::CommandEncoderDescriptor {
                        label: Some("mask"),
                    });
            let (upload, download) = (&buffers.upload, &buffers.download);
            let length = layout.work.len() as u64;
            encoder.copy_buffer_to_buffer(upload, 0, &buffers.work, 0, length);
            let length = 4 * layout.known.len() as u64;
            if length > 0 {
                let to = 4 * u64::from(layout.cells);
                encoder.copy_buffer_to_buffer(upload, sizes.work, &buffers.values, to, length);
            }
            let length = 4 * u64::from(layout.words_seen);
            if length > 0 {
                let from = sizes.work + sizes.values;
                encoder.copy_buffer_to_buffer(upload, from, &buffers.pixels, 0, length);
            }
            if let Some(clock) = &buffers.clock {
                encoder.write_timestamp(&clock.queries, 0);
            }
            self.kernels(context, &mut encoder, &buffers.bind_group);
            if let Some(clock) = &buffers.clock {
                encoder.write_timestamp(&clock.queries, 1);
                encoder.resolve_query_set(&clock.queries, 0..2, &clock.resolved, 0);
                let to = sizes.pixels + sizes.values;
                encoder.copy_buffer_to_buffer(&clock.resolved, 0, download, to, CLOCK_BYTES);
            }
            let length = 4 * u64::from(layout.words);
            encoder.copy_buffer_to_buffer(&buffers.pixels, 0, download, 0, length);
            if layout.learns {
                let length = 4 * u64::from(layout.cells);
                encoder.copy_buffer_to_buffer(&buffers.values, 0, download, sizes.pixels, length);
            }
            encoder.map_buffer_on_submit(download, wgpu::MapMode::Read, .., read.callback());
            encoder.map_buffer_on_submit(upload, wgpu::MapMode::Write, .., write.callback());
            context.queue.submit([encoder.finish()])
        })?;
        Ok(Submission { index, read, write })
    }

    fn kernels(
        &self,
        context: &Context,
        encoder: &mut wgpu::CommandEncoder,
        bind_group: &wgpu::BindGroup,
    ) {
        let layout = &self.layout;
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("mask"),
            timestamp_writes: None,
        });
        pass.set_bind_group(0, bind_group, &[]);
        let mut dispatch = |pipeline, workgroups| {
            pass.set_pipeline(pipeline);
            let (x, y) = groups(workgroups);
            pass.dispatch_workgroups(x, y, 1);
        };
        if layout.cells > 0 {
            if layout.alone {
                dispatch(&context.cell_sum_alone, layout.pieces.div_ceil(LONERS));
            } else {
                dispatch(&context.cell_sum, layout.pieces);
            }
            match (layout.split, layout.alone) {
                (false, _) => {}
                (true, true) => dispatch(&context.cell_mean_alone, layout.cells.div_ceil(LONERS)),
                (true, false) => dispatch(&context.cell_mean, layout.cells),
            }
            if layout.smooth {
                dispatch(&context.smooth_across, layout.cells.div_ceil(SMOOTHERS));
                dispatch(&context.smooth_down, layout.cells.div_ceil(SMOOTHERS));
            }
        }
        dispatch(&context.paint, layout.groups);
    }
}

/// Invocations per workgroup where each works alone, as in `cell_mean.wgsl`.
const LONERS: u32 = 32;

/// Invocations per workgroup, as in `smooth.wgsl`.
const SMOOTHERS: u32 = 64;

/// Most bytes that one buffer holds.
pub fn limit(context: &Context) -> u64 {
    let limits = context.device.limits();
    limits
        .max_buffer_size
        .min(limits.max_storage_buffer_binding_size)
        .min(MAX_BYTES)
}

/// How long the device takes to copy `bytes` from one buffer to another, by its own clock; `None`
/// where it has none.
pub fn copy_time(context: &Context, bytes: u64) -> Result<Option<Duration>, GpuError> {
    if !context.has_clock {
        return Ok(None);
    }
    let bytes = bytes.next_multiple_of(4).clamp(4, limit(context));
    let device = &context.device;
    use wgpu::BufferUsages as Usage;
    let read = Mapping::default();
    let (index, download) = checked(context, wgpu::ErrorFilter::Validation, || {
        let storage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let [from, to] = ["from", "to"].map(|label| buffer(device, label, bytes, storage, false));
        let clock = clock(device);
        let usage = Usage::MAP_READ | Usage::COPY_DST;
        let download = buffer(device, "download", CLOCK_BYTES, usage, false);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor {
            label: Some("copy"),
        });
        // So that the copy timed is not the first that touches its buffers.
        encoder.clear_buffer(&from, 0, None);
        encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes);
        encoder.write_timestamp(&clock.queries, 0);
        encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes);
        encoder.write_timestamp(&clock.queries, 1);
        encoder.resolve_query_set(&clock.queries, 0..2, &clock.resolved, 0);
        encoder.copy_buffer_to_buffer(&clock.resolved, 0, &download, 0, CLOCK_BYTES);
        encoder.map_buffer_on_submit(&download, wgpu::MapMode::Read, .., read.callback());
        (context.queue.submit([encoder.finish()]), download)
    })?;
    let waited = device.poll(wgpu::PollType::Wait {
        submission_index: Some(index),
        timeout: Some(TIMEOUT),
    });
    context.check()?;
    waited.map_err(|err| GpuError::Refused(err.to_string()))?;
    if read.wait() != Some(true) {
        return Err(GpuError::Refused("a buffer could not be mapped".into()));
    }
    let ticks = download.get_mapped_range(..).map_err(refused)?;
    Ok(Some(elapsed(context, &ticks)))
}

fn elapsed(context: &Context, ticks: &[u8]) -> Duration {
    let [before, after] = [&ticks[..8], &ticks[8..16]].map(|bytes| {
        let mut ticks = [0; 8];
        ticks.copy_from_slice(bytes);
        u64::from_le_bytes(ticks)
    });
    let period = f64::from(context.queue.get_timestamp_period());
    Duration::from_nanos((after.saturating_sub(before) as f64 * period) as u64)
}

fn clock(device: &wgpu::Device) -> Clock {
    Clock {
        queries: device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("clock"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        }),
        resolved: buffer(
            device,
            "clock",
            CLOCK_BYTES,
            wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            false,
        ),
    }
}

fn buffer(
    device: &wgpu::Device,
    label: &str,
    size: u64,
    usage: wgpu::BufferUsages,
    mapped_at_creation: bool,
) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage,
        mapped_at_creation,
    })
}

fn make_buffers(context: &Context, sizes: Sizes, timed: bool) -> Result<Buffers, GpuError> {
    let device = &context.device;
    use wgpu::BufferUsages as Usage;
    checked(context, wgpu::ErrorFilter::OutOfMemory, || {
        let storage = Usage::STORAGE | Usage::COPY_DST;
        let upload = buffer(
            device,
            "upload",
            sizes.work + sizes.values + sizes.pixels,
            Usage::MAP_WRITE | Usage::COPY_SRC,
            true,
        );
        let work = buffer(device, "work", sizes.work, storage, false);
        let readable = storage | Usage::COPY_SRC;
        let pixels = buffer(device, "pixels", sizes.pixels, readable, false);
        let values = buffer(device, "values", sizes.values, readable, false);
        let sums = buffer(device, "sums", sizes.sums, Usage::STORAGE, false);
        let download = buffer(
            device,
            "download",
            sizes.pixels + sizes.values + CLOCK_BYTES,
            Usage::MAP_READ | Usage::COPY_DST,
            false,
        );
        let mut binding = 0;
        let entries = [&work, &pixels, &values, &sums].map(|buffer| {
            let entry = wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            };
            binding += 1;
            entry
        });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("mask"),
            layout: &context.layout,
            entries: &entries,
        });
        Buffers {
            sizes,
            upload,
            work,
            pixels,
            values,
            download,
            bind_group,
            clock: timed.then(|| clock(device)),
        }
    })
}

/// Runs `operation` and asks the device what it thought of it. Errors stay with this masker and do not
/// end the device for others.
fn checked<T>(
    context: &Context,
    filter: wgpu::ErrorFilter,
    operation: impl FnOnce() -> T,
) -> Result<T, GpuError> {
    let scope = context.device.push_error_scope(filter);
    let result = operation();
    match pollster::block_on(scope.pop()) {
        None => Ok(result),
        Some(error) => Err(GpuError::Refused(error.to_string())),
    }
}

fn refused(err: wgpu::MapRangeError) -> GpuError {
    GpuError::Refused(err.to_string())
}

fn no_buffers() -> GpuError {
    GpuError::Refused("the buffers of the frame are gone".into())
}

/// What the callback of a mapping said.
#[derive(Debug, Clone, Default)]
struct Mapping(Arc<(Mutex<Option<bool>>, Condvar)>);

impl Mapping {
    fn callback(&self) -> impl FnOnce(Result<(), wgpu::BufferAsyncError>) + Send + 'static {
        let told = self.0.clone();
        move |result| {
            let (said, changed) = &*told;
            *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(result.is_ok());
            changed.notify_all();
        }
    }

    /// Whether the buffer is mapped; `None` when nobody said so in time.
    fn wait(&self) -> Option<bool> {
        let (said, changed) = &*self.0;
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let (said, _) = changed
            .wait_timeout_while(said, TIMEOUT, |said| said.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        *said
    }
}
