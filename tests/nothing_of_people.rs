// SPDX-License-Identifier: MIT OR Apache-2.0
//! Not one pixel, plate, name or key in the register or the logs: a whole run at the highest debug level, and then
//! every byte that it wrote besides the export is searched.
//!
//! What is searched for:
//!
//! - rows of the frames as they came from the camera, 16 bytes of a row at a time, as bytes, as hexadecimal and as
//!   base64, everywhere (GStreamer's own categories too, which may dump memory at level 9);
//! - private keys and the name of the agent behind the pseudonym, everywhere;
//! - the text of a number plate, put on a detection where a careless detector would put it, and the boxes of the
//!   detections, in the register, in the file of frames and in the log of our own categories. GStreamer's categories
//!   print the metadata of any element that attaches some; level 9 is theirs to document.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use age::secrecy::ExposeSecret;
use base64::prelude::{BASE64_STANDARD, Engine};
use gst::prelude::*;
use gst_privacy_tests::{ELEMENTS, asset, init, root, site::Site};
use privacy_register::AgentTable;

const PLATE: &str = "QX-417-ZW";
const NAME: &str = "Zéphyrine Quatrebarbes, matricule 7731";
/// Boxes that the test itself attaches, where there is no detector: left, top, width, height.
const FORGED: [u32; 4] = [131, 47, 59, 73];

/// Files of the run, in a folder that is not searched.
struct Notes {
    frames: PathBuf,
    boxes: PathBuf,
}

impl Notes {
    fn of(site: &Path) -> Self {
        Self {
            frames: site.join("seen/frames"),
            boxes: site.join("seen/boxes"),
        }
    }
}

/// The run, in a process of its own: GStreamer reads its debug level once.
#[test]
fn the_run_that_is_searched() {
    let Ok(description) = std::env::var("PRIVACY_SEARCHED_PIPELINE") else {
        return;
    };
    let site = PathBuf::from(std::env::var_os("PRIVACY_SEARCHED_SITE").unwrap());
    let notes = Notes::of(&site);
    init();
    let pipeline = gst::parse::launch(&description)
        .unwrap_or_else(|e| panic!("{e}\n{description}"))
        .downcast::<gst::Pipeline>()
        .unwrap();

    // Luminance as it comes from the camera; and the register while the session runs.
    let mut seen = 0;
    let frames = Mutex::new(File::create(notes.frames).unwrap());
    let camera = pipeline.by_name("camera").unwrap();
    let pad = camera.static_pad("src").unwrap();
    let copy = Mutex::new(move || {
        seen += 1;
        if seen == 5 {
            for path in files_below(&site.join("register")) {
                let name = path.strip_prefix(&site).unwrap();
                let copy = site.join("during").join(name);
                std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
                std::fs::copy(&path, copy).unwrap();
            }
        }
    });
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        (copy.lock().unwrap())();
        let caps = pad.current_caps().unwrap();
        let info_of_video = gst_video::VideoInfo::from_caps(&caps).unwrap();
        let buffer = info.buffer().unwrap();
        let map = buffer.map_readable().unwrap();
        let (stride, width) = (info_of_video.stride()[0] as usize, info_of_video.width());
        let mut frames = frames.lock().unwrap();
        for row in map.chunks(stride).take(info_of_video.height() as usize) {
            frames.write_all(&row[..width as usize]).unwrap();
        }
        gst::PadProbeReturn::Ok
    });
    // What was found, and a plate that a careless detector has read.
    let boxes = Mutex::new(File::create(notes.boxes).unwrap());
    let forger = pipeline.by_name("forger").unwrap();
    let pad = forger.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data else {
            return gst::PadProbeReturn::Ok;
        };
        let buffer = buffer.make_mut();
        let [x, y, w, h] = FORGED;
        gst_video::VideoRegionOfInterestMeta::add(buffer, PLATE, (x, y, w, h));
        let mut boxes = boxes.lock().unwrap();
        for found in buffer.iter_meta::<gst_video::VideoRegionOfInterestMeta>() {
            let (x, y, w, h) = found.rect();
            writeln!(boxes, "{x} {y} {w} {h}").unwrap();
        }
        gst::PadProbeReturn::Ok
    });

    let bus = pipeline.bus().unwrap();
    // What went wrong is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let outcome = loop {
        let message = bus
            .timed_pop(gst::ClockTime::from_seconds(240))
            .expect("an end within four minutes");
        match message.view() {
            gst::MessageView::Eos(_) => break None,
            gst::MessageView::Error(e) => break Some(e.error().to_string()),
            _ => {}
        }
    };
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(outcome, None);
}

/// Something that must not be found, in one of its forms.
#[derive(Clone, Debug)]
struct Needle {
    bytes: Vec<u8>,
    what: String,
}

/// Finds any of many needles, each at least eight bytes long.
struct Search {
    /// Whether a needle begins with these two bytes.
    begins: Vec<bool>,
    by_start: HashMap<[u8; 8], Vec<Needle>>,
}

impl Search {
    fn new(needles: Vec<Needle>) -> Self {
        let mut begins = vec![false; 1 << 16];
        let mut by_start: HashMap<_, Vec<_>> = HashMap::new();
        for needle in needles {
            let start: [u8; 8] = *needle.bytes.first_chunk().unwrap();
            begins[usize::from(u16::from_be_bytes([start[0], start[1]]))] = true;
            by_start.entry(start).or_default().push(needle);
        }
        Self { begins, by_start }
    }

    fn first(&self, bytes: &[u8]) -> Option<(usize, &Needle)> {
        let mut at = 0;
        while let Some(start) = bytes[at..].first_chunk::<8>() {
            if self.begins[usize::from(u16::from_be_bytes([start[0], start[1]]))]
                && let Some(needles) = self.by_start.get(start)
                && let Some(needle) = needles.iter().find(|n| bytes[at..].starts_with(&n.bytes))
            {
                return Some((at, needle));
            }
            at += 1;
        }
        None
    }
}

/// Sixteen bytes of a row as a program could have written them.
fn forms(run: &[u8], what: &str) -> Vec<Needle> {
    let lower: String = run.iter().map(|byte| format!("{byte:02x}")).collect();
    let spaced: String = run.iter().map(|byte| format!("{byte:02x} ")).collect();
    let comma: Vec<String> = run.iter().map(u8::to_string).collect();
    let mut forms = vec![
        (run.to_vec(), "bytes"),
        (lower.to_uppercase().into_bytes(), "capital hexadecimal"),
        (lower.into_bytes(), "hexadecimal"),
        (spaced.to_uppercase().into_bytes(), "spaced capitals"),
        (spaced.into_bytes(), "spaced hexadecimal"),
        (comma.join(", ").into_bytes(), "a list of numbers"),
    ];
    // Wherever the run lies in what was encoded, one of three groupings is that of the encoder.
    for skip in 0..3 {
        let text = BASE64_STANDARD.encode(&run[skip..skip + 12]);
        forms.push((text.into_bytes(), "base64"));
    }
    let needle = |(bytes, form)| Needle {
        bytes,
        what: format!("{what} as {form}"),
    };
    forms.into_iter().map(needle).collect()
}

/// Pieces of the frames that nothing but the frames would hold: sixteen bytes of a row, most of them different.
fn pixels(frames: &[u8], width: usize) -> Vec<Needle> {
    let mut needles = Vec::new();
    for (number, row) in frames.chunks_exact(width).enumerate().step_by(29) {
        for (at, run) in row.chunks_exact(16).enumerate() {
            let different: BTreeSet<u8> = run.iter().copied().collect();
            if different.len() >= 8 {
                let what = format!("row {number} of the frames, column {}", 16 * at);
                needles.extend(forms(run, &what));
            }
        }
    }
    needles
}

/// The secret in a key file, as it stands there, as bytes and as hexadecimal, and the halves of it.
fn secret(path: &Path) -> Vec<Needle> {
    let text = std::fs::read_to_string(path).unwrap();
    let word = match text.strip_prefix("PRIVATE+KEY+") {
        // Name and number of a signed-note key are no secret; the third part is.
        Some(rest) => rest.splitn(3, '+').nth(2).unwrap().trim(),
        // PEM.
        None => text
            .lines()
            .find(|line| line.len() >= 40 && !line.starts_with('-'))
            .unwrap(),
    };
    let bytes = BASE64_STANDARD.decode(word).unwrap();
    let seed = &bytes[bytes.len() - 32..];
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let (first, second) = word.split_at(word.len() / 2);
    [
        first.as_bytes(),
        second.as_bytes(),
        &seed[..16],
        &seed[16..],
        &hex.as_bytes()[..32],
        &hex.as_bytes()[32..],
    ]
    .map(|bytes| Needle {
        bytes: bytes.to_vec(),
        what: format!("the key in {}", path.display()),
    })
    .into()
}

fn text(text: &str, what: &str) -> Needle {
    Needle {
        bytes: text.as_bytes().to_vec(),
        what: what.into(),
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Whether a line of a log is of one of our categories.
fn ours(line: &str) -> bool {
    // time process thread LEVEL category file:line:function:<object> text
    line.split_whitespace()
        .nth(4)
        .is_some_and(|category| ELEMENTS.contains(&category))
}

/// Whether the four numbers of a box stand in a line, one after the other.
fn tells(line: &str, found: [u32; 4]) -> bool {
    let numbers: Vec<u32> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    numbers.windows(4).any(|four| four == found)
}

#[test]
fn b1_nothing_of_people_in_register_or_logs() {
    const TEST: &str = "b1_nothing_of_people_in_register_or_logs";
    let site = Site::new();
    std::fs::create_dir(site.path().join("seen")).unwrap();
    let table = AgentTable::create(&site.path().join("agents.toml")).unwrap();
    let agent = table.add(NAME).unwrap();
    let form = root().join("examples/mandates/publication.toml");
    let form = std::fs::read_to_string(form).unwrap();
    let form = form.replace("a-0417", &agent);
    site.sign("publication", &form, jiff::Timestamp::now());
    let recipient = age::x25519::Identity::generate();
    let assets = (
        asset(TEST, "vtest.avi"),
        asset(TEST, "nanodet.onnx"),
        asset(TEST, "libonnxruntime.so"),
    );
    // Without the assets: noise, which no other text resembles, and the forged detection alone.
    let (source, detector, width) = match &assets {
        (Some(clip), Some(model), Some(runtime)) => (
            format!(
                "filesrc location={} ! avidemux ! decodebin ! identity eos-after=7 ! videoconvert",
                clip.display()
            ),
            format!(
                "onnxdetector model-file={} runtime-library={}",
                model.display(),
                runtime.display()
            ),
            768,
        ),
        _ => (
            "videotestsrc num-buffers=6 pattern=snow ! videoconvert".into(),
            "identity".into(),
            320,
        ),
    };
    let description = format!(
        "{source} ! video/x-raw,format=NV12 ! identity name=camera ! \
         purposegate purpose=comm.public_publication mandate={} trusted-keys={} camera=cam-12 operator={agent} \
         sink-class=file ! {detector} ! identity name=forger ! wgpublur backend=cpu ! \
         purposegate stage=exit proof-location={} ! x264enc speed-preset=ultrafast ! h264parse ! mp4mux fragment-duration=100 ! \
         auditsink register={} location={} recipient-key={} segment-duration=100000000",
        site.text("mandates/publication.biscuit"),
        site.text("keys/authority.pub"),
        site.text("frames.jsonl"),
        site.text("register"),
        site.text("out.mp4.age"),
        recipient.to_public(),
    );
    let log = site.path().join("debug.log");
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "nothing_of_people::the_run_that_is_searched",
            "--nocapture",
        ])
        .env("PRIVACY_SEARCHED_PIPELINE", description)
        .env("PRIVACY_SEARCHED_SITE", site.path())
        .env("GST_DEBUG", "*:9")
        .env("GST_DEBUG_FILE", &log)
        .env("GST_DEBUG_NO_COLOR", "1")
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
    // Opening, closing, and segments between them.
    assert!(site.verify().unwrap().entries > 3);

    let notes = Notes::of(site.path());
    let frames = std::fs::read(&notes.frames).unwrap();
    let mut everywhere = pixels(&frames, width);
    assert!(everywhere.len() > 5000, "{} needles", everywhere.len());
    everywhere.extend(secret(&site.path().join("keys/authority.key")));
    everywhere.extend(secret(&site.path().join("register/keys/register.key")));
    let private = recipient.to_string();
    let private = private.expose_secret().split_at(40);
    everywhere.extend([private.0, private.1].map(|half| text(half, "the recipient's key")));
    everywhere.extend([text(NAME, "the name of the agent")]);
    everywhere.extend([text("Quatrebarbes", "the name of the agent")]);
    let everywhere = Search::new(everywhere);
    let in_ours = Search::new(vec![text(PLATE, "a number plate")]);

    // The search finds what is there.
    let row = &frames[29 * 7 * width..][..width];
    for (number, form) in forms(&row[16..32], "").into_iter().enumerate() {
        let hidden = [b"some text ", &form.bytes[..], b" and more"].concat();
        let found = everywhere.first(&hidden).is_some();
        assert!(
            found || BTreeSet::from_iter(&row[16..32]).len() < 8,
            "{number}"
        );
    }

    let mut searched: Vec<(String, Vec<u8>)> = vec![("standard output".into(), said)];
    let during = site.path().join("during");
    assert_eq!(files_below(&during.join("register/live")).len(), 1);
    let mut files = files_below(&site.path().join("register"));
    files.extend(files_below(&during));
    for path in files {
        if !path.ends_with("keys/register.key") {
            let bytes = std::fs::read(&path).unwrap();
            searched.push((path.display().to_string(), bytes));
        }
    }
    let proof = site.path().join("frames.jsonl");
    searched.push((proof.display().to_string(), std::fs::read(&proof).unwrap()));
    let log = std::fs::read(&log).unwrap();
    let boxes: BTreeSet<[u32; 4]> = std::fs::read_to_string(&notes.boxes)
        .unwrap()
        .lines()
        .map(|line| {
            let mut numbers = line.split(' ').map(|word| word.parse().unwrap());
            std::array::from_fn(|_| numbers.next().unwrap())
        })
        .collect();
    assert!(boxes.contains(&FORGED));

    let check = |name: &str, bytes: &[u8], search: &Search| {
        if let Some((at, needle)) = search.first(bytes) {
            let around = &bytes[at.saturating_sub(200)..(at + 200).min(bytes.len())];
            panic!(
                "{name} holds {} at byte {at}: {}",
                needle.what,
                String::from_utf8_lossy(around)
            );
        }
    };
    for (name, bytes) in &searched {
        check(name, bytes, &everywhere);
        check(name, bytes, &in_ours);
        let lossy = String::from_utf8_lossy(bytes);
        for line in lossy.lines() {
            for found in &boxes {
                assert!(!tells(line, *found), "{name} tells the box {found:?}");
            }
        }
    }
    check("the log", &log, &everywhere);
    let log = String::from_utf8_lossy(&log);
    let mut categories = BTreeSet::new();
    let mut lines = 0;
    for line in log.lines().filter(|line| ours(line)) {
        lines += 1;
        categories.extend(line.split_whitespace().nth(4));
        check("our log", line.as_bytes(), &in_ours);
        for found in &boxes {
            assert!(
                !tells(line, *found),
                "our log tells the box {found:?}: {line}"
            );
        }
    }
    assert!(log.lines().count() > 10_000, "not at the highest level");
    println!(
        "{} needles, {} boxes; {} files, {} lines of log in all, {lines} of ours ({categories:?})",
        everywhere.by_start.len(),
        boxes.len(),
        searched.len(),
        log.lines().count(),
    );
    assert!(
        lines > 10 && categories.len() >= 3,
        "our elements logged nothing at level 9: {categories:?}"
    );
}
