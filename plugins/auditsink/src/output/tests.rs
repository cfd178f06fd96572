// SPDX-License-Identifier: MIT OR Apache-2.0

use std::{process::Command, sync::mpsc, thread, time::Duration};

use age::x25519::Identity;

use super::*;

mod sealed;
use sealed::decrypted;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn clear(location: &Path) -> Output {
    Output::create(location, "t", &Recipients::none()).unwrap()
}

/// Bytes that look like nothing in particular.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}

/// Lengths on both sides of every limit: nothing, small, gathered, long.
const LENGTHS: [usize; 12] = [
    1, 0, 188, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 1_000_003, 7, 300_000,
];

#[test]
fn bytes_without_a_file_are_hashed_and_cannot_go_back() {
    let mut output = Output::hash_only();
    output.write(b"one").unwrap();
    output.seek(3).unwrap();
    output.write(b"two").unwrap();
    assert!(matches!(output.seek(0), Err(OutputError::NotSeekable(0))));
    let finished = output.finish().unwrap();
    assert_eq!(finished.sha256, sha256(b"onetwo"));
    assert_eq!((finished.bytes, finished.name), (6, None));
    let nothing = Output::hash_only().finish().unwrap();
    assert_eq!((nothing.sha256, nothing.bytes), (sha256(b""), 0));
}

#[test]
fn the_file_appears_at_the_end_and_is_hashed_as_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let location = tmp.path().join("piece.mp4");
    for (rewrite, wanted) in [(false, &b"headbody"[..]), (true, b"HEADbody")] {
        let mut output = clear(&location);
        output.write(b"head").unwrap();
        output.write(b"body").unwrap();
        if rewrite {
            output.seek(0).unwrap();
            output.write(b"HEAD").unwrap();
        }
        assert!(!location.exists());
        let finished = output.finish().unwrap();
        assert_eq!(fs::read(&location).unwrap(), wanted);
        assert_eq!(finished.sha256, sha256(wanted));
        assert_eq!(finished.bytes, 8);
        assert_eq!(finished.name.as_deref(), Some("piece.mp4"));
        let back = output.take_back().unwrap().unwrap();
        assert!(!location.exists() && back.exists());
        fs::remove_file(back).unwrap();
    }
}

#[test]
fn lengths_on_both_sides_of_every_limit_arrive_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let source = noise(2_000_000);
    // Each length after each other one, shared or copied; seeks to places written and not yet written.
    for (seek, shared) in [
        (None, true),
        (None, false),
        (Some(100), true),
        (Some(4_000_000), false),
    ] {
        let location = tmp.path().join("piece");
        let mut output = clear(&location);
        let mut wanted = Vec::new();
        let mut offset = 0;
        for first in LENGTHS {
            for length in [first, LENGTHS[(first + 5) % LENGTHS.len()]] {
                let part = &source[offset..offset + length];
                offset = (offset + 977) % 900_000;
                wanted.extend_from_slice(part);
                match shared {
                    true => output.write_shared(part.to_vec()).unwrap(),
                    false => output.write(part).unwrap(),
                }
                assert_eq!(output.arrived(), wanted.len() as u64);
            }
        }
        if let Some(seek) = seek {
            output.seek(seek as u64).unwrap();
            output.write(b"over").unwrap();
            wanted.resize(wanted.len().max(seek + 4), 0);
            wanted[seek..seek + 4].copy_from_slice(b"over");
        }
        let finished = output.finish().unwrap();
        assert!(fs::read(&location).unwrap() == wanted, "{seek:?}");
        assert_eq!(finished.sha256, sha256(&wanted), "{seek:?}");
        assert_eq!(finished.bytes, wanted.len() as u64);
        fs::remove_file(&location).unwrap();
    }
}

/// What a muxer may do, in any order, against the same done to bytes in memory.
#[test]
fn any_order_of_writes_and_seeks_gives_the_file_that_it_ought_to() {
    let tmp = tempfile::tempdir().unwrap();
    let location = tmp.path().join("piece");
    let source = noise(1_000_000);
    let mut dice = noise(100_000).into_iter().map(usize::from);
    let mut roll = |sides: usize| (dice.next().unwrap() * 256 + dice.next().unwrap()) % sides;
    for run in 0..60 {
        let mut output = clear(&location);
        let (mut file, mut place) = (Vec::new(), 0);
        let mut arrived = Vec::new();
        let mut from = 0;
        for _ in 0..1 + roll(60) {
            match roll(10) {
                0 => {
                    place = match roll(4) {
                        0 => roll(2000),
                        1 => file.len() + roll(70_000),
                        _ => file.len(),
                    };
                    output.seek(place as u64).unwrap();
                }
                1 => {
                    let segment = output.segment().unwrap();
                    assert_eq!(segment.sha256, sha256(&arrived[from..]), "run {run}");
                    from = arrived.len();
                }
                2 => flush(&output).unwrap(),
                kind => {
                    let length = match roll(4) {
                        0 => roll(100_000) * 9,
                        1 => roll(60_000),
                        _ => roll(600),
                    };
                    let part = &source[roll(60_000)..][..length];
                    match kind % 2 {
                        0 => output.write(part).unwrap(),
                        _ => output.write_shared(part.to_vec()).unwrap(),
                    }
                    arrived.extend_from_slice(part);
                    if length > 0 {
                        let end = place + length;
                        file.resize(file.len().max(end), 0);
                        file[place..end].copy_from_slice(part);
                        place = end;
                    }
                }
            }
            assert_eq!(output.position(), place as u64);
        }
        assert_eq!(output.arrived(), arrived.len() as u64);
        let finished = output.finish().unwrap();
        if arrived.is_empty() {
            assert!(!location.exists());
            continue;
        }
        assert!(fs::read(&location).unwrap() == file, "run {run}");
        assert_eq!(finished.sha256, sha256(&file), "run {run}");
        assert_eq!(finished.bytes, file.len() as u64);
        fs::remove_file(&location).unwrap();
    }
}

#[test]
fn another_file_is_never_written_over() {
    let tmp = tempfile::tempdir().unwrap();
    let location = tmp.path().join("piece.mp4");
    let none = Recipients::none();
    fs::write(&location, b"mine").unwrap();
    assert!(matches!(
        Output::create(&location, "t", &none),
        Err(OutputError::Exists(_))
    ));
    fs::remove_file(&location).unwrap();
    let mut output = clear(&location);
    output.write(b"theirs").unwrap();
    fs::write(&location, b"mine").unwrap();
    assert!(matches!(output.finish(), Err(OutputError::Exists(_))));
    assert_eq!(fs::read(&location).unwrap(), b"mine");
    // Once it is out of the way, the file gets its name.
    fs::remove_file(&location).unwrap();
    assert_eq!(output.finish().unwrap().sha256, sha256(b"theirs"));
    assert_eq!(fs::read(&location).unwrap(), b"theirs");
    assert!(Output::create(&tmp.path().join("no/piece"), "t", &none).is_err());
    let long = tmp.path().join("é".repeat(120));
    let mut output = clear(&long);
    output.write(b"x").unwrap();
    output.finish().unwrap();
    assert_eq!(fs::read(&long).unwrap(), b"x");
    // Refused before anything is written, not when the file ought to get its name.
    for odd in ["piece.mp4/", "newfolder/", "piece.mp4/below"] {
        assert!(
            Output::create(&tmp.path().join(odd), "t", &none).is_err(),
            "{odd}"
        );
    }
    assert!(Output::create(Path::new("/"), "t", &none).is_err());
}

#[test]
fn nothing_leaves_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let location = tmp.path().join("piece.mp4");
    let key = Identity::generate().to_public().to_string();
    for recipients in [Recipients::none(), Recipients::parse(&key).unwrap()] {
        let mut output = Output::create(&location, "t", &recipients).unwrap();
        output.write(b"").unwrap();
        assert_eq!(output.finish().unwrap().name, None);
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
    }
}

#[test]
fn segments_are_hashed_as_they_arrived() {
    let tmp = tempfile::tempdir().unwrap();
    let source = noise(400_000);
    let key = Identity::generate().to_public().to_string();
    let mut outputs = [
        Output::hash_only(),
        clear(&tmp.path().join("clear")),
        Output::create(
            &tmp.path().join("sealed"),
            "t",
            &Recipients::parse(&key).unwrap(),
        )
        .unwrap(),
    ];
    for output in &mut outputs {
        let mut from = 0;
        for (number, length) in [(0, 3), (1, 0), (2, 100_000), (3, 70_000)] {
            let part = &source[from..from + length];
            output.write(part).unwrap();
            let segment = output.segment().unwrap();
            let wanted = Segment {
                number,
                from_byte: from as u64,
                to_byte: (from + length) as u64,
                bytes: length as u64,
                sha256: sha256(part),
            };
            assert_eq!(segment, wanted);
            from += length;
        }
        output.write(b"the rest").unwrap();
        let plain = [&source[..from], b"the rest"].concat();
        let finished = output.finish().unwrap();
        let of_plain = finished
            .encryption
            .map_or(finished.sha256, |e| e.plain_sha256);
        assert_eq!(of_plain, sha256(&plain));
    }
    // A header that is written over belongs to the segment in which that happens.
    let mut output = clear(&tmp.path().join("rewritten"));
    output.write(b"headbody").unwrap();
    output.segment().unwrap();
    output.seek(0).unwrap();
    output.write(b"HEAD").unwrap();
    let segment = output.segment().unwrap();
    assert_eq!(segment.sha256, sha256(b"HEAD"));
    assert_eq!((segment.from_byte, segment.to_byte), (8, 12));
    assert_eq!(output.finish().unwrap().sha256, sha256(b"HEADbody"));
}

/// Writes at once what waits for more.
fn flush(output: &Output) -> Result<(), OutputError> {
    let flushed = intake::lock(&output.intake).flush();
    flushed.map_err(|e| output.io(e))
}

/// The temporary file of an output.
fn hidden(output: &Output) -> PathBuf {
    output.target.as_ref().unwrap().temporary.clone()
}

#[test]
fn small_writes_wait_for_nobody() {
    let tmp = tempfile::tempdir().unwrap();
    let mut output = clear(&tmp.path().join("piece"));
    // A burst, and then silence: the other thread writes the tail.
    for _ in 0..50 {
        output.write(b"0123456789").unwrap();
    }
    let file = hidden(&output);
    while fs::metadata(&file).unwrap().len() < 500 {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(output.finish().unwrap().bytes, 500);
}

#[test]
fn a_disk_that_comes_back_misses_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let source = noise(300_000);
    let identity = Identity::generate();
    let key = identity.to_public().to_string();
    for recipients in [Recipients::none(), Recipients::parse(&key).unwrap()] {
        let location = tmp.path().join("piece");
        let mut output = Output::create(&location, "t", &recipients).unwrap();
        output.write(&source[..100_000]).unwrap();
        // May still be gathered when the disk goes.
        output.write(&source[100_000..100_100]).unwrap();
        // /dev/full refuses every write, as a full disk does.
        let full = File::options().write(true).open("/dev/full").unwrap();
        let disk = intake::lock(&output.intake).change_file(full);
        let written = output.write(&source[100_100..200_100]);
        // It may have been too little to be written at once.
        let error = written.and_then(|()| flush(&output)).unwrap_err();
        assert!(error.to_string().contains("not full"), "{error}");
        assert_eq!(output.arrived(), 200_100);
        assert!(output.retry().is_err());
        assert!(output.write(b"not taken").is_err());
        assert!(output.finish().is_err());
        assert!(output.segment().is_err());
        assert_eq!(output.arrived(), 200_100);
        let so_far = output.unfinished();
        let plain = so_far.encryption.map_or(so_far.sha256, |e| e.plain_sha256);
        assert_eq!(plain, sha256(&source[..200_100]));

        intake::lock(&output.intake).change_file(disk);
        let finished = output.finish().unwrap();
        assert!(output.write(b"late").is_err());
        let file = fs::read(&location).unwrap();
        assert_eq!(finished.sha256, sha256(&file));
        let plain = match recipients.is_empty() {
            true => file,
            false => decrypted(&location, &identity),
        };
        assert!(plain == source[..200_100]);
        fs::remove_file(&location).unwrap();

        // And one that goes on.
        let mut output = Output::create(&location, "t", &recipients).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let disk = intake::lock(&output.intake).change_file(full);
        let written = output.write(&source);
        assert!(written.and_then(|()| flush(&output)).is_err());
        intake::lock(&output.intake).change_file(disk);
        output.retry().unwrap();
        output.write(b"more").unwrap();
        let finished = output.finish().unwrap();
        let plain = finished
            .encryption
            .map_or(finished.sha256, |e| e.plain_sha256);
        assert_eq!(plain, sha256(&[&source[..], b"more"].concat()));
        fs::remove_file(&location).unwrap();
    }
}

/// Runs itself again under a limit that stops a file in the middle of a write, as a disk does that fills up.
#[test]
fn a_write_that_stops_in_the_middle_is_continued_there() {
    const CHILD: &str = "AUDITSINK_TEST_UNDER_LIMIT";
    if std::env::var_os(CHILD).is_none() {
        let (_, module) = module_path!().split_once("::").unwrap();
        // The signal that goes with the limit is ignored by whoever is started like this.
        let run = Command::new("sh")
            .args([
                "-c",
                r#"trap '' XFSZ; ulimit -S -f 300; exec "$0" --exact "$1""#,
            ])
            .arg(std::env::current_exe().unwrap())
            .arg(format!(
                "{module}::a_write_that_stops_in_the_middle_is_continued_there"
            ))
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let location = tmp.path().join("piece");
    let source = noise(2_000_000);
    let mut output = clear(&location);
    // The limit counts blocks of 512 or 1024 bytes.
    let written = output.write(&source[..1_000_000]);
    assert!(written.and_then(|()| flush(&output)).is_err());
    assert!(output.retry().is_err());
    let before = fs::metadata(hidden(&output)).unwrap().len();
    assert!((1..1_000_000).contains(&before), "{before}");
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, raised).unwrap();
    output.retry().unwrap();
    output.write(&source[1_000_000..]).unwrap();
    assert_eq!(output.finish().unwrap().sha256, sha256(&source));
    assert!(fs::read(&location).unwrap() == source);
}

#[test]
fn a_folder_that_goes_away_is_said() {
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join("exports");
    fs::create_dir(&folder).unwrap();
    let mut output = clear(&folder.join("piece"));
    output.write(b"bytes").unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let error = output.finish().unwrap_err().to_string();
    assert!(error.contains("check that the folder is there"), "{error}");
    assert_eq!(output.unfinished().sha256, sha256(b"bytes"));
}

#[test]
fn what_the_disk_lost_once_is_not_forgotten() {
    let tmp = tempfile::tempdir().unwrap();
    let mut output = clear(&tmp.path().join("piece"));
    output.write(b"bytes").unwrap();
    output
        .sync(|_| Err(io::Error::other("input/output error")))
        .unwrap_err();
    for _ in 0..2 {
        let error = output.finish().unwrap_err().to_string();
        assert!(error.contains("lost a part") && error.contains("failed before"));
    }
    assert!(output.segment().is_err());
    assert!(hidden(&output).exists());
}

/// Bytes that cannot be looked at once `armed` says so: a stand-in for whatever makes the thread panic.
struct Broken;

impl AsRef<[u8]> for Broken {
    fn as_ref(&self) -> &[u8] {
        assert_ne!(
            thread::current().name(),
            Some("auditsink-hash"),
            "as it should"
        );
        &[0; 20_000]
    }
}

#[test]
fn a_hash_that_broke_is_no_hash() {
    let tmp = tempfile::tempdir().unwrap();
    let location = tmp.path().join("piece");
    let mut output = clear(&location);
    output.write_shared(Broken).unwrap();
    let error = output.finish().unwrap_err();
    assert!(matches!(error, OutputError::Hash(_)), "{error}");
    assert!(!location.exists());
    assert!(matches!(output.write(b"more"), Err(OutputError::Hash(_))));
    assert_eq!(output.unfinished().sha256, "");
}

/// Bytes of which nobody has room for many, and that tell how many there are.
struct Counted(Vec<u8>, Arc<std::sync::atomic::AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn memory_is_bounded_and_the_thread_ends() {
    let mut output = Output::hash_only();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut most = 0;
    for _ in 0..200 {
        let before = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        most = most.max(before);
        let bytes = Counted(vec![1; 1024 * 1024], count.clone());
        output.write_shared(bytes).unwrap();
    }
    assert!(most <= 10, "{most}");
    // Given up in the middle, the thread ends and lets go of everything.
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        drop(output);
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 0);
}
