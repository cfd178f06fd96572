// SPDX-License-Identifier: MIT OR Apache-2.0
//! Masks frames on a device: a ring of frames in flight, and the memory of what was shown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Adapter, GpuError, Selection,
    context::Context,
    slot::{self, Slot, Submission},
};
use crate::{Format, Frame, Memory, Mode, Region, Seed, Work};

/// Frames given to the device and not collected yet, at most.
pub const MAX_IN_FLIGHT: usize = 8;

/// Masks frames on one device. Several may share a device; each has its own buffers.
#[derive(Debug)]
pub struct Masker {
    context: Arc<Context>,
    memory: Memory,
    /// In the order in which they were submitted.
    flying: Vec<Flight>,
    /// Slots that no frame uses.
    free: Vec<Slot>,
    timed: bool,
    kernel_time: Option<Duration>,
}

/// A frame that the device masks, to be [collected](Masker::collect). Whoever drops it wants the frame
/// no more.
#[derive(Debug)]
#[must_use = "the frame is not masked before the ticket is collected"]
pub struct Ticket {
    /// Number of the flight; `None` when there is nothing to mask.
    flight: Option<u64>,
    /// Gone when the ticket is.
    _alive: Arc<()>,
    shape: FrameShape,
}

/// What the frame that is collected must have in common with the one that was submitted.
type FrameShape = (Format, u32, u32, bool);

#[derive(Debug)]
struct Flight {
    number: u64,
    alive: std::sync::Weak<()>,
    slot: Slot,
    submission: Submission,
    /// The device is done, and the memory has learnt from it.
    landed: bool,
}

/// Of flights, one for the process: a ticket belongs to one masker.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl Masker {
    /// Opens a device and tries it out on one small frame, so that a driver that cannot run the
    /// shaders is found now.
    pub fn open(selection: &Selection) -> Result<Self, GpuError> {
        let mut masker = Self {
            context: Context::get(selection)?,
            memory: Memory::default(),
            flying: Vec::new(),
            free: Vec::new(),
            timed: false,
            kernel_time: None,
        };
        let mut pixels = [0u8; 16 * 16 * 4];
        if let Ok(mut frame) = Frame::from_slice(Format::Bgrx, 16, 16, &mut pixels, &[0], &[64]) {
            for mode in [
                Mode::Solid,
                Mode::Pixelate { cells: 2 },
                Mode::Blur { cells: 2 },
                Mode::Gaussian { cells: 2 },
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

    /// Masks a frame in place, with the same bits as [`crate::cpu::mask`].
    ///
    /// On an error the frame is untouched, and must not be shown.
    pub fn mask(&mut self, frame: &mut Frame<'_>, work: &Work<'_>) -> Result<(), GpuError> {
        let ticket = self.submit(frame, work)?;
        self.collect(ticket, frame)
    }

    /// Gives a frame to the device, which masks it while this process does something else, for instance
    /// submits the next. The frame itself changes only when the ticket is collected: until then it is
    /// clear, and must not be shown.
    ///
    /// Waits for frames before this one where it has to show the same cells. At most
    /// [`MAX_IN_FLIGHT`] frames may wait to be collected.
    pub fn submit(&mut self, frame: &Frame<'_>, work: &Work<'_>) -> Result<Ticket, GpuError> {
        self.context.check()?;
        self.sweep()?;
        let alive = Arc::new(());
        let shape = shape(frame);
        let mut slot = self.free.pop().unwrap_or_default();
        slot.plan.make(frame, work, &mut self.memory);
        if slot.plan.pending {
            if let Err(err) = self.land_all() {
                self.free.push(slot);
                return Err(err);
            }
            slot.plan.make(frame, work, &mut self.memory);
        }
        if slot.plan.jobs.is_empty() {
            self.free.push(slot);
            return Ok(Ticket {
                flight: None,
                _alive: alive,
                shape,
            });
        }
        match self.send(&mut slot, frame, work.seed) {
            Ok(submission) => {
                let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
                self.flying.push(Flight {
                    number,
                    alive: Arc::downgrade(&alive),
                    slot,
                    submission,
                    landed: false,
                });
                Ok(Ticket {
                    flight: Some(number),
                    _alive: alive,
                    shape,
                })
            }
            Err(err) => {
                slot.plan.abandon(&mut self.memory);
                self.free.push(slot);
                Err(self.cause(err))
            }
        }
    }

    /// Waits for a frame and copies what is masked into it. It must be the frame that was submitted,
    /// unchanged, though its memory may have moved; tickets may be collected in any order.
    ///
    /// On an error the frame is untouched, and must not be shown. Once a device is lost or late, every
    /// ticket is an error.
    pub fn collect(&mut self, ticket: Ticket, frame: &mut Frame<'_>) -> Result<(), GpuError> {
        if shape(frame) != ticket.shape {
            return Err(GpuError::Refused(
                "the frame collected is not the one submitted".into(),
            ));
        }
        let Some(number) = ticket.flight else {
            return Ok(());
        };
        let Some(i) = self.flying.iter().position(|f| f.number == number) else {
            // It went down with a frame before it that failed.
            self.context.check()?;
            return Err(GpuError::Refused(
                "the frame collected is no longer in flight".into(),
            ));
        };
        self.land(i)?;
        let mut flight = self.flying.remove(i);
        self.kernel_time = flight
            .slot
            .finish(&self.context, frame)
            .map_err(|err| self.cause(err))?;
        self.free.push(flight.slot);
        Ok(())
    }

    /// Frames submitted and not collected, those included that nobody wants any more.
    pub fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// Forgets the cells that were shown: the stream goes on somewhere else. Not what frames in flight
    /// are about to show.
    pub fn forget(&mut self) {
        self.memory.forget();
    }

    /// Has the device tell how long its kernels take, for [`Masker::kernel_time`].
    pub fn set_timed(&mut self, timed: bool) {
        self.timed = timed;
    }

    /// How long the kernels of the frame collected last took, by the clock of the device; `None` when
    /// it was not timed, or the device has no clock.
    pub fn kernel_time(&self) -> Option<Duration> {
        self.kernel_time
    }

    /// How long the device takes to copy `bytes` from one buffer to another, by its clock: the floor
    /// of any mask. `None` when it has no clock.
    pub fn copy_time(&self, bytes: u64) -> Result<Option<Duration>, GpuError> {
        self.context.check()?;
        slot::copy_time(&self.context, bytes)
    }

    fn send(&self, slot: &mut Slot, frame: &Frame<'_>, seed: Seed) -> Result<Submission, GpuError> {
        let context = &*self.context;
        slot.layout
            .make(&slot.plan, seed, context.kernels, slot::limit(context))?;
        slot.submit(context, frame, self.timed)
    }

    /// Waits for a frame in flight and learns from it. On an error it is gone.
    fn land(&mut self, i: usize) -> Result<(), GpuError> {
        let flight = &mut self.flying[i];
        let result = self.context.check().and_then(|()| match flight.landed {
            true => Ok(()),
            false => flight.slot.wait(&self.context, &flight.submission),
        });
        if let Err(err) = result {
            let flight = self.flying.remove(i);
            flight.slot.plan.abandon(&mut self.memory);
            return Err(self.cause(err));
        }
        if !flight.landed {
            flight.landed = true;
            flight.slot.plan.learn(&mut self.memory);
        }
        Ok(())
    }

    fn land_all(&mut self) -> Result<(), GpuError> {
        (0..self.flying.len()).try_for_each(|i| self.land(i))
    }

    /// Takes the slots back of frames that nobody wants, once the ring is full.
    fn sweep(&mut self) -> Result<(), GpuError> {
        while self.flying.len() >= MAX_IN_FLIGHT {
            let unwanted = |f: &Flight| f.alive.strong_count() == 0;
            let Some(i) = self.flying.iter().position(unwanted) else {
                return Err(GpuError::Refused(format!(
                    "{MAX_IN_FLIGHT} frames are in flight already"
                )));
            };
            self.land(i)?;
            let mut flight = self.flying.remove(i);
            flight.slot.clear();
            self.free.push(flight.slot);
        }
        Ok(())
    }

    /// A lost device refuses everything, and says that it is lost only once it has nothing to do.
    fn cause(&self, error: GpuError) -> GpuError {
        match error {
            GpuError::Refused(_) => self.context.settle().err().unwrap_or(error),
            _ => error,
        }
    }
}

fn shape(frame: &Frame<'_>) -> FrameShape {
    (
        frame.format(),
        frame.width(),
        frame.height(),
        frame.interlaced(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Kernels;

    #[test]
    fn a_late_gpu_is_an_error_for_every_frame_in_flight() {
        let selection = Selection {
            software: true,
            // A device that no other test of this process uses.
            kernels: Kernels::Together,
            ..Selection::default()
        };
        let mut masker = match Masker::open(&selection) {
            Ok(masker) => masker,
            Err(err @ GpuError::NoAdapter { .. }) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "{err}");
                eprintln!(
                    "SKIPPED a_late_gpu_is_an_error_for_every_frame_in_flight: a Vulkan adapter is \
                     missing, install mesa-vulkan-drivers"
                );
                return;
            }
            Err(err) => panic!("{err}"),
        };
        let mut pixels = vec![7u8; 3 * 16 * 16];
        let work = Work {
            regions: &[Region::whole(16, 16)],
            ..Work::new(Mode::Pixelate { cells: 3 }, Seed(1))
        };
        let mut frames: Vec<_> = pixels
            .chunks_exact_mut(16 * 16)
            .map(|pixels| Frame::from_slice(Format::Gray8, 16, 16, pixels, &[0], &[16]).unwrap())
            .collect();
        let tickets: Vec<_> = frames
            .iter()
            .map(|frame| masker.submit(frame, &work).unwrap())
            .collect();
        let late = GpuError::Timeout(Duration::from_secs(2));
        masker.context.fail(late.clone());
        for (ticket, frame) in tickets.into_iter().zip(&mut frames) {
            assert_eq!(masker.collect(ticket, frame), Err(late.clone()));
        }
        assert_eq!(masker.submit(&frames[0], &work).err(), Some(late));
        assert!(pixels.iter().all(|&p| p == 7), "as clear as they were");
        assert!(Masker::open(&selection).is_ok(), "another device");
    }
}
