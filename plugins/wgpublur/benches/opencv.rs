// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our side of the comparison with OpenCV; `benches/against-opencv` builds it and talks to it.
//!
//! ```sh
//! opencv FRAMES WIDTH HEIGHT
//! ```
//!
//! FRAMES is a file of raw NV12 frames without padding. Each line read from standard input is an order, and is
//! answered with one line:
//!
//! - `time MODE CELLS`: masks every frame as a whole, one thread, and answers the nanoseconds of each.
//! - `dump MODE CELLS FRAME SEED KEY PATH`: masks one frame and writes it to PATH; answers `done`.
//!
//! MODE is `solid`, `pixelate`, `blur` or `gaussian`. Nothing is remembered from frame to frame: every frame
//! has to be read. Before frames are timed all of them are put back, so that none lies in a cache because it
//! has just been copied.
#![forbid(unsafe_code)]

use std::{
    hint::black_box,
    io::{BufRead, Write},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use privacy_shaders::{Format, Frame, Mode, Region, Scratch, Seed, Work, cpu};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let [file, width, height] = &arguments[..] else {
        eprintln!(
            "opencv: nothing to do; plugins/wgpublur/benches/against-opencv runs this comparison"
        );
        return ExitCode::SUCCESS;
    };
    match serve(file, width, height) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Frames as they were, and as they are masked.
struct Frames {
    width: u32,
    height: u32,
    clear: Vec<u8>,
    masked: Vec<u8>,
    scratch: Scratch,
}

fn serve(file: &str, width: &str, height: &str) -> Result<()> {
    let side = |text: &str| {
        let side = text.parse::<u32>();
        side.ok()
            .filter(|side| *side > 0 && side % 2 == 0)
            .with_context(|| format!("\"{text}\" is no even number of pixels"))
    };
    let clear = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
    let mut frames = Frames {
        width: side(width)?,
        height: side(height)?,
        masked: clear.clone(),
        clear,
        scratch: Scratch::default(),
    };
    let (bytes, size) = (frames.clear.len(), frames.size());
    ensure!(
        bytes >= size && bytes % size == 0,
        "{file} holds {bytes} bytes, which is no number of NV12 frames of {width}x{height}"
    );
    let mut answers = std::io::stdout().lock();
    for order in std::io::stdin().lock().lines() {
        let order = order?;
        let answer = frames
            .obey(&order)
            .with_context(|| format!("in the order \"{order}\""))?;
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

impl Frames {
    fn size(&self) -> usize {
        self.width as usize * self.height as usize * 3 / 2
    }

    fn obey(&mut self, order: &str) -> Result<String> {
        let words: Vec<&str> = order.split(' ').collect();
        match &words[..] {
            ["time", mode, cells] => {
                let mode = read_mode(mode, cells)?;
                self.masked.copy_from_slice(&self.clear);
                let times = (0..self.clear.len() / self.size())
                    .map(|frame| {
                        let began = Instant::now();
                        self.mask(frame, mode, 0x5eed, 1)?;
                        let time = began.elapsed().as_nanos();
                        black_box(&self.masked);
                        Ok(time.to_string())
                    })
                    .collect::<Result<Vec<_>>>()?;
                Ok(times.join(" "))
            }
            ["dump", mode, cells, frame, seed, key, path] => {
                let frame: usize = frame.parse()?;
                let at = frame * self.size()..(frame + 1) * self.size();
                ensure!(at.end <= self.clear.len(), "there is no frame {frame}");
                self.masked[at.clone()].copy_from_slice(&self.clear[at.clone()]);
                self.mask(frame, read_mode(mode, cells)?, seed.parse()?, key.parse()?)?;
                std::fs::write(path, &self.masked[at])
                    .with_context(|| format!("cannot write {path}"))?;
                Ok("done".to_owned())
            }
            _ => bail!("no such order"),
        }
    }

    fn mask(&mut self, frame: usize, mode: Mode<'_>, seed: u64, key: u64) -> Result<()> {
        let size = self.size();
        let pixels = &mut self.masked[frame * size..(frame + 1) * size];
        let stride = self.width as usize;
        let luma = stride * self.height as usize;
        let mut frame = Frame::from_slice(
            Format::Nv12,
            self.width,
            self.height,
            pixels,
            &[0, luma],
            &[stride, stride],
        )?;
        let region = Region {
            key,
            ..Region::whole(self.width, self.height)
        };
        let work = Work {
            regions: &[region],
            ..Work::new(mode, Seed(seed))
        };
        cpu::mask(&mut frame, &work, &mut self.scratch);
        Ok(())
    }
}

fn read_mode(mode: &str, cells: &str) -> Result<Mode<'static>> {
    let cells = cells.parse()?;
    Ok(match mode {
        "solid" => Mode::Solid,
        "pixelate" => Mode::Pixelate { cells },
        "blur" => Mode::Blur { cells },
        "gaussian" => Mode::Gaussian { cells },
        _ => bail!("\"{mode}\" is no mode"),
    })
}
