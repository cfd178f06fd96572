// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checkpoints that a witness cosigns.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use gst::prelude::*;
use gst_check::Harness;
use gstauditsink::auditsink::{Message, Witness};
use privacy_register::{VerifierKey, WitnessKey, witness::WitnessState};

use crate::support::*;

/// A witness on a port of its own.
struct Server {
    url: String,
    key: String,
    /// It takes requests and answers none.
    silent: Arc<AtomicBool>,
    _state: tempfile::TempDir,
}

impl Server {
    fn new(site: &Site) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = WitnessKey::generate("witness.test").unwrap();
        let text = key.verifier().to_string();
        let log = VerifierKey::load(&site.register.join("register.pub")).unwrap();
        WitnessState::init(dir.path(), &key).unwrap();
        let state = WitnessState::open(dir.path(), key, &[log]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let silent = Arc::new(AtomicBool::new(false));
        let theirs = silent.clone();
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if theirs.load(Ordering::SeqCst) {
                    kept.push(stream);
                    continue;
                }
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let mut words = line.split(' ');
                let (method, path) = (
                    words.next().unwrap_or_default().to_owned(),
                    words.next().unwrap_or_default().to_owned(),
                );
                let mut length = 0;
                loop {
                    let mut header = String::new();
                    reader.read_line(&mut header).unwrap();
                    let header = header.trim().to_ascii_lowercase();
                    if header.is_empty() {
                        break;
                    }
                    if let Some(value) = header.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let answer = state.answer(&method, &path, &body);
                let head = format!(
                    "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    answer.status,
                    answer.content_type,
                    answer.body.len()
                );
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(&answer.body);
            }
        });
        Self {
            url,
            key: text,
            silent,
            _state: dir,
        }
    }
}

fn witnessed(found: &[Message]) -> Vec<&Witness> {
    let of_witness = found.iter().filter_map(|m| match m {
        Message::Witness(witness) => Some(witness),
        _ => None,
    });
    of_witness.collect()
}

fn ten_buffers(sink: &gst::Element) {
    let mut harness = Harness::with_element(sink, Some("sink"), None);
    harness.set_src_caps_str("application/octet-stream");
    for n in 0..10u64 {
        let mut buffer = gst::Buffer::from_slice([1u8; 10]);
        let pts = gst::ClockTime::from_mseconds(250 * n);
        buffer.get_mut().unwrap().set_pts(pts);
        harness.push(buffer).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    drop(harness);
    sink.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_witness_cosigns_what_the_register_holds() {
    let site = Site::new();
    let server = Server::new(&site);
    let sink = site.sink();
    sink.set_property("segment-duration", 1_000_000_000u64);
    sink.set_property("witness", &server.url);
    sink.set_property("witness-key", &server.key);
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    ten_buffers(&sink);
    let found = messages(&bus);
    let told = witnessed(&found);
    assert!(!told.is_empty());
    for witness in &told {
        assert_eq!(witness.witness, "witness.test");
        assert!(witness.cosigned, "{}", witness.error);
    }
    let last = told.last().unwrap();
    assert_eq!(last.size, 5, "all of it, at the end");
    assert_eq!(site.records().len(), 5);
    assert!(site.register.join("witnessed").exists());

    // The next run, of which the file with the key tells too.
    let file = site.path("witness.pub");
    std::fs::write(&file, format!("{}\n", server.key)).unwrap();
    sink.set_property("witness-key", file.to_str().unwrap());
    ten_buffers(&sink);
    let found = messages(&bus);
    assert_eq!(witnessed(&found).last().unwrap().size, 10);
    assert!(site.verify().is_ok());
}

#[test]
fn a_witness_that_is_away_stops_nothing() {
    let site = Site::new();
    let server = Server::new(&site);
    // A port that nobody listens on, and a witness that never answers.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    server.silent.store(true, Ordering::SeqCst);
    for url in [&nobody, &server.url] {
        let sink = site.sink();
        sink.set_property("witness", url);
        sink.set_property("witness-key", &server.key);
        let bus = gst::Bus::new();
        sink.set_bus(Some(&bus));
        ten_buffers(&sink);
        let (mut warnings, mut found) = (0, Vec::new());
        while let Some(message) = bus.pop() {
            match message.view() {
                gst::MessageView::Error(e) => panic!("{url}: {}", e.error()),
                gst::MessageView::Warning(_) => warnings += 1,
                gst::MessageView::Element(e) => {
                    found.push(Message::try_from(e.structure().unwrap()).unwrap());
                }
                _ => {}
            }
        }
        let told = witnessed(&found);
        assert_eq!(told.len(), warnings);
        assert!(told.iter().all(|w| !w.cosigned && !w.disagrees));
        if *url == nobody {
            assert!(
                told[0].error.contains("was not reached"),
                "{}",
                told[0].error
            );
        }
    }
    let report = site.verify().unwrap();
    assert_eq!((report.entries, report.sessions), (4, 2));
    assert_eq!(report.interrupted, []);
}

/// Entries that the witness has seen are gone: this must reach a person.
#[test]
fn a_register_that_was_set_back_is_told() {
    let site = Site::new();
    let server = Server::new(&site);
    let before = site.path("before");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let done = std::process::Command::new("cp")
            .arg("-r")
            .args([from, to])
            .status();
        assert!(done.unwrap().success());
    };
    copy(&site.register, &before);
    let run = || {
        let sink = site.sink();
        sink.set_property("witness", &server.url);
        sink.set_property("witness-key", &server.key);
        let bus = gst::Bus::new();
        sink.set_bus(Some(&bus));
        ten_buffers(&sink);
        messages(&bus)
    };
    assert!(witnessed(&run()).last().unwrap().cosigned);
    std::fs::remove_dir_all(&site.register).unwrap();
    copy(&before, &site.register);
    let found = run();
    let last = *witnessed(&found).last().unwrap();
    assert!(!last.cosigned && last.disagrees, "{last:?}");
}
