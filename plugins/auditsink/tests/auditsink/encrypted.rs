// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that only their recipient can read.

use std::{fs, io::Read};

use age::x25519::Identity;
use gst::prelude::*;
use gst_check::Harness;
use sha2::{Digest, Sha256};

use crate::support::*;

const FRONT: &str = "videotestsrc num-buffers=30 ! video/x-raw,width=64,height=48 ! x264enc ! ";

fn opened(identity: &Identity, sealed: &[u8]) -> Vec<u8> {
    let decryptor = age::Decryptor::new(sealed).unwrap();
    let keys = [identity as &dyn age::Identity];
    let mut clear = Vec::new();
    let mut reader = decryptor.decrypt(keys.into_iter()).unwrap();
    reader.read_to_end(&mut clear).unwrap();
    clear
}

#[test]
fn what_muxers_write_can_be_encrypted() {
    let key = Identity::generate();
    for (muxer, sign, demuxer) in [
        (
            "matroskamux streamable=true",
            &b"matroska"[..],
            "matroskademux",
        ),
        ("mp4mux fragment-duration=1000", b"ftyp", "qtdemux"),
        ("mpegtsmux", b"GStreamer", "tsdemux"),
        // These keep until the end what they would write over.
        ("matroskamux", b"matroska", "matroskademux"),
        ("mp4mux", b"ftyp", "qtdemux"),
    ] {
        let site = Site::new();
        let file = site.path("piece.age");
        run(&launch(&format!(
            "{FRONT} {muxer} ! auditsink register={} location={} recipient-key={} segment-duration=500000000",
            site.register.display(),
            file.display(),
            key.to_public()
        )))
        .unwrap_or_else(|e| panic!("{muxer}: {e}"));
        let sealed = fs::read(&file).unwrap();
        assert!(sealed.starts_with(b"age-encryption.org/v1\n"), "{muxer}");
        assert!(
            !sealed.windows(sign.len()).any(|w| w == sign),
            "{muxer}: clear bytes"
        );
        let clear = opened(&key, &sealed);
        let records = site.records();
        let close = &records.last().unwrap().entry;
        assert!(!close.interrupted);
        let output = close.output.as_ref().unwrap();
        assert_eq!(
            output.sha256,
            sha256(&file),
            "{muxer}: of the file as it lies there"
        );
        assert_eq!(output.bytes as usize, sealed.len());
        let encryption = &close.more["encryption"];
        assert_eq!(encryption["method"], "age-x25519");
        assert_eq!(encryption["recipients"][0], key.to_public().to_string());
        assert_eq!(encryption["plain_bytes"], clear.len());
        assert_eq!(
            encryption["plain_sha256"],
            hex::encode(Sha256::digest(&clear))
        );
        assert_eq!(site.leftovers(), ["piece.age"]);
        // And what the recipient gets can be played.
        let plain = site.path("plain");
        fs::write(&plain, &clear).unwrap();
        run(&launch(&format!(
            "filesrc location={} ! {demuxer} ! h264parse ! avdec_h264 ! fakesink",
            plain.display()
        )))
        .unwrap();
    }
}

/// Muxers are told that they cannot go back, and one that does so all the same is stopped with what to set.
#[test]
fn a_stream_that_goes_back_is_told_what_to_set() {
    let key = Identity::generate();
    let site = Site::new();
    let file = site.path("piece.age");
    let sink = site.sink();
    sink.set_property("location", file.to_str().unwrap());
    sink.set_property("recipient-key", key.to_public().to_string());
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    let mut query = gst::query::Seeking::new(gst::Format::Bytes);
    assert!(harness.srcpad().unwrap().peer_query(&mut query));
    assert!(!query.result().0);
    harness.set_src_caps_str("video/quicktime");
    harness.push(gst::Buffer::from_slice([1u8; 100])).unwrap();
    let mut back = gst::FormattedSegment::<gst::format::Bytes>::new();
    back.set_start(gst::format::Bytes::from_u64(10));
    harness.push_event(gst::event::Segment::new(&back));
    let error = &errors(&bus)[0].1;
    assert!(
        error.contains("mp4mux fragment-duration=1000")
            && error.contains("matroskamux streamable=true"),
        "{error}"
    );
    assert!(harness.push_event(gst::event::Eos::new()));
    assert!(site.records().last().unwrap().entry.interrupted);
}
