// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes per second through `auditsink location=…` beside `filesink`, to the disk that `TMPDIR` is on:
//! `cargo bench -p gst-plugin-auditsink --bench rate -- [MIB] [ROUNDS]`.
//!
//! Both run in turns in one process, from the same buffers, and are timed from the change to PLAYING to the end of
//! stream on the bus. `auditsink` has the file on the disk by then, because its closing entry says so; `filesink`
//! does not, and is timed a second time to the end of an `fsync`. What is compared is what is durable in both; the other
//! figure stands beside it.
//!
//! Every run finds the disk in the same state: the file of the run before is deleted, and a second is left for the disk
//! to forget its blocks. Without that, whoever writes next does so to blocks that the disk has at hand, or while it
//! forgets them, and a run is five times as fast as another by chance. A disk that is faster than one SHA-256 is one
//! that no sink with such a hash keeps up with; `TMPDIR=/dev/shm` shows that case.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gst::prelude::*;
use privacy_register::Register;
use sha2::{Digest, Sha256};

/// Longer than the caches: both sinks read from memory.
const POOL: usize = 64 * 1024 * 1024;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    gst::init()?;
    gstauditsink::plugin_register_static()?;
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let bytes = numbers.next().unwrap_or(512_u64) * 1024 * 1024;
    let rounds = numbers.next().unwrap_or(5).max(1);
    let tmp = tempfile::tempdir()?;
    Register::init(&tmp.path().join("register"), "gst-privacy/bench")?;
    let secret = age::x25519::Identity::generate();
    let key = secret.to_public().to_string();

    let pool: Arc<[u8]> = noise();
    println!(
        "{} MiB a run, {rounds} rounds, to {}; load {}",
        bytes >> 20,
        tmp.path().display(),
        fs::read_to_string("/proc/loadavg")?.trim()
    );
    let alone = hash_rate(&pool);
    println!("SHA-256 alone, one core: {alone:.2} GB/s");

    let sinks = ["filesink", "auditsink", "encrypted"];
    for (what, shape) in [
        ("64 KiB", Shape::Fixed(64 * 1024)),
        ("1 MiB", Shape::Fixed(1024 * 1024)),
        ("muxed", Shape::Muxed),
    ] {
        let buffers = shape.buffers(&pool);
        let mut times = vec![Vec::new(); sinks.len()];
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..sinks.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for i in order {
                times[i].push(run(sinks[i], &key, tmp.path(), &buffers, bytes)?);
            }
        }
        let rate = |seconds: f64| bytes as f64 / 1e9 / seconds;
        let median = |sink: usize, of: fn(&Times) -> f64| {
            let mut all: Vec<f64> = times[sink].iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            (rate(all[all.len() / 2]), rate(all[0]))
        };
        let (durable, best_durable) = median(0, |t| t.durable);
        for (i, sink) in sinks.iter().enumerate() {
            let (end, best_end) = median(i, |t| t.end);
            let (safe, best) = median(i, |t| t.durable);
            let each: Vec<String> = times[i]
                .iter()
                .map(|t| format!("{:.2}", rate(t.durable)))
                .collect();
            println!(
                "{what:>7} {sink:>9}: on the disk {safe:.2} GB/s (best {best:.2}), \
                 {:3.0} % of filesink's (best {:.0} %); end of stream {end:.2} GB/s \
                 (best {best_end:.2}); each: {}",
                100.0 * safe / durable,
                100.0 * best / best_durable,
                each.join(" "),
            );
        }
        // One stream has one SHA-256, which no second core makes faster.
        println!(
            "{what:>7}   SHA-256: {:.0} % of filesink's best",
            100.0 * alone / best_durable
        );
    }
    Ok(())
}

/// Seconds of one run.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// To the end of stream on the bus.
    end: f64,
    /// Until the file is on the disk.
    durable: f64,
}

fn run(kind: &str, key: &str, dir: &Path, buffers: &[gst::Buffer], bytes: u64) -> Result<Times> {
    let location = dir.join("piece");
    let register = dir.join("register");
    let sink = match kind {
        "filesink" => gst::ElementFactory::make("filesink"),
        _ => gst::ElementFactory::make("auditsink").property("register", register.to_str()),
    };
    let sink = match kind {
        "encrypted" => sink.property("recipient-key", key),
        _ => sink,
    };
    let sink = sink.property("location", location.to_str()).build()?;
    let source = source::make(buffers, bytes);
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([&source, &sink])?;
    source.link(&sink)?;
    let bus = pipeline.bus().ok_or("no bus")?;
    pipeline.set_state(gst::State::Paused)?;
    pipeline.state(gst::ClockTime::from_seconds(30)).0?;

    let start = Instant::now();
    pipeline.set_state(gst::State::Playing)?;
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::NONE, &wanted);
    let end = start.elapsed();
    if kind == "filesink" {
        // It writes its last bytes before it reports the end of stream.
        File::open(&location)?.sync_all()?;
    }
    let durable = start.elapsed();
    let message = message.ok_or("no message")?;
    if let gst::MessageView::Error(error) = message.view() {
        return Err(error.to_string().into());
    }
    pipeline.set_state(gst::State::Null)?;
    let length = fs::metadata(&location)?.len();
    if length < bytes {
        return Err(format!("{kind} wrote {length} of {bytes} bytes").into());
    }
    fs::remove_file(&location)?;
    rustix::fs::syncfs(File::open(dir)?)?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(Times {
        end: end.as_secs_f64(),
        durable: durable.as_secs_f64(),
    })
}

fn hash_rate(pool: &[u8]) -> f64 {
    let start = Instant::now();
    let mut hash = Sha256::new();
    for _ in 0..16 {
        for part in pool.chunks(1024 * 1024) {
            hash.update(part);
        }
    }
    std::hint::black_box(hash.finalize());
    (16 * pool.len()) as f64 / 1e9 / start.elapsed().as_secs_f64()
}

/// Xorshift: nothing on the way may gain by what the bytes are.
fn noise() -> Arc<[u8]> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(POOL / 8).flatten().collect()
}

/// How long the buffers are.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Fixed(usize),
    /// As fragmented MP4 of a camera of 8 Mbit/s with sound comes from a muxer: each second a header of 1.2 kB and one
    /// of 8 bytes, a key frame, 24 frames between 20 and 50 kB, and after each frame or two some sound.
    Muxed,
}

impl Shape {
    /// Buffers that share the memory of `pool`, which they use up once.
    fn buffers(self, pool: &Arc<[u8]>) -> Vec<gst::Buffer> {
        let mut second = Vec::new();
        match self {
            Self::Fixed(length) => second.push(length),
            Self::Muxed => {
                second.extend([1200, 8, 180_000, 350]);
                for frame in 1..25 {
                    second.extend([20_000 + frame * 7919 % 30_000, 350, 371]);
                }
            }
        }
        let mut from = 0;
        let mut buffers = Vec::new();
        for length in second.into_iter().cycle() {
            if from + length > pool.len() {
                return buffers;
            }
            buffers.push(gst::Buffer::from_slice(Part(
                pool.clone(),
                from..from + length,
            )));
            from += length;
        }
        buffers
    }
}

/// A part of the common memory.
struct Part(Arc<[u8]>, std::ops::Range<usize>);

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0[self.1.clone()]
    }
}

/// A source that costs nothing: it gives the same buffers again and again.
mod source {
    use std::sync::Mutex;

    use gst::{prelude::*, subclass::prelude::*};
    use gst_base::{
        prelude::*,
        subclass::{base_src::CreateSuccess, prelude::*},
    };

    #[derive(Default)]
    pub struct State {
        buffers: Vec<gst::Buffer>,
        next: usize,
        left: u64,
    }

    #[derive(Default)]
    pub struct Source(Mutex<State>);

    glib::wrapper! {
        pub struct BenchSource(ObjectSubclass<Source>) @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object;
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Source {
        const NAME: &'static str = "GstAuditSinkBenchSource";
        type Type = BenchSource;
        type ParentType = gst_base::PushSrc;
    }

    impl ObjectImpl for Source {}
    impl GstObjectImpl for Source {}

    impl ElementImpl for Source {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: std::sync::LazyLock<gst::subclass::ElementMetadata> =
                std::sync::LazyLock::new(|| {
                    gst::subclass::ElementMetadata::new(
                        "Bench source",
                        "Source",
                        "Gives the same buffers again and again",
                        "The gst-privacy developers",
                    )
                });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: std::sync::LazyLock<Vec<gst::PadTemplate>> =
                std::sync::LazyLock::new(|| {
                    gst::PadTemplate::new(
                        "src",
                        gst::PadDirection::Src,
                        gst::PadPresence::Always,
                        &gst::Caps::new_any(),
                    )
                    .into_iter()
                    .collect()
                });
            &TEMPLATES
        }
    }

    impl BaseSrcImpl for Source {
        fn is_seekable(&self) -> bool {
            false
        }
    }

    impl PushSrcImpl for Source {
        fn create(
            &self,
            _buffer: Option<&mut gst::BufferRef>,
        ) -> Result<CreateSuccess, gst::FlowError> {
            let mut state = self.0.lock().unwrap();
            if state.left == 0 {
                return Err(gst::FlowError::Eos);
            }
            let buffer = state.buffers[state.next].clone();
            state.next = (state.next + 1) % state.buffers.len();
            state.left = state.left.saturating_sub(buffer.size() as u64);
            Ok(CreateSuccess::NewBuffer(buffer))
        }
    }

    pub fn make(buffers: &[gst::Buffer], bytes: u64) -> gst::Element {
        let source: BenchSource = glib::Object::new();
        *source.imp().0.lock().unwrap() = State {
            buffers: buffers.to_vec(),
            next: 0,
            left: bytes,
        };
        source.set_format(gst::Format::Bytes);
        source.upcast()
    }
}
