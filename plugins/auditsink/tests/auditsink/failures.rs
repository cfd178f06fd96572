// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is refused, and what stops a stream.

use std::{fs, path::Path};

use gst::prelude::*;
use gst_check::Harness;
use privacy_common::AuditAnswer;
use privacy_register::WitnessKey;

use crate::support::*;

#[test]
fn each_bad_property_is_refused_by_name_value_and_remedy() {
    let site = Site::new();
    let text = |path: &Path| path.to_str().unwrap().to_owned();

    let error = refused(|_| {});
    assert!(error.contains("register is not set") && error.contains("privacyctl register init"));

    let missing = text(&site.path("nowhere"));
    let error = refused(|sink| sink.set_property("register", &missing));
    assert!(error.contains(&format!("register=\"{missing}\"")) && error.contains("privacyctl"));

    let file = site.path("file");
    fs::write(&file, b"").unwrap();
    let error = refused(|sink| sink.set_property("register", text(&file)));
    assert!(
        error.contains("register=") && error.contains("holds no register"),
        "{error}"
    );

    let good = |sink: &gst::Element| sink.set_property("register", text(&site.register));
    let error = refused(|sink| {
        good(sink);
        sink.set_property("signing-key", &missing);
    });
    assert!(
        error.contains(&format!("signing-key=\"{missing}\"")),
        "{error}"
    );

    let exposed = site.path("exposed.key");
    fs::copy(site.register.join("keys/register.key"), &exposed).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&exposed, fs::Permissions::from_mode(0o644)).unwrap();
    let error = refused(|sink| {
        good(sink);
        sink.set_property("signing-key", text(&exposed));
    });
    assert!(
        error.contains("signing-key=") && error.contains("chmod 600"),
        "{error}"
    );

    let error = refused(|sink| {
        good(sink);
        sink.set_property("location", text(&file));
    });
    assert!(
        error.contains(&format!("location=\"{}\"", file.display()))
            && error.contains("choose another"),
        "{error}"
    );
    let error = refused(|sink| {
        good(sink);
        sink.set_property("location", text(&site.path("no/such/folder")));
    });
    assert!(
        error.contains("location=") && error.contains("folder"),
        "{error}"
    );
    let error = refused(|sink| {
        good(sink);
        sink.set_property("segment-duration", 5u64);
    });
    assert!(
        error.contains("segment-duration=5") && error.contains("a minute"),
        "{error}"
    );

    let location = text(&site.path("new"));
    let secret = age::x25519::Identity::generate().to_string();
    let secret: &str = age::secrecy::ExposeSecret::expose_secret(&secret);
    for (keys, wanted) in [
        ("age1nobody", "recipient-key"),
        (secret, "AGE-SECRET-KEY-…"),
        (missing.as_str(), "recipient-key="),
    ] {
        let error = refused(|sink| {
            good(sink);
            sink.set_property("location", &location);
            sink.set_property("recipient-key", keys);
        });
        assert!(error.contains(wanted) && !error.contains(secret), "{error}");
    }
    let error = refused(|sink| {
        good(sink);
        sink.set_property("recipient-key", "age1nobody");
    });
    assert!(
        error.contains("recipient-key") && error.contains("set location"),
        "{error}"
    );

    let witness = WitnessKey::generate("w.test").unwrap();
    let key = witness.verifier().to_string();
    for (url, key, wanted) in [
        (Some("http://w.test"), None, "witness-key is not set"),
        (None, Some(key.as_str()), "witness is not"),
        (Some("w.test:80"), Some(&key), "witness=\"w.test:80\""),
        (
            Some("http://w.test"),
            Some("nonsense"),
            "witness-key=\"nonsense\"",
        ),
        (
            Some("http://w.test"),
            Some("PRIVATE+KEY+w.test+hidden"),
            "secret key",
        ),
    ] {
        let error = refused(|sink| {
            good(sink);
            sink.set_property("witness", url);
            sink.set_property("witness-key", key);
        });
        assert!(
            error.contains(wanted) && !error.contains("hidden"),
            "{error}"
        );
    }
    assert_eq!(fs::read(&file).unwrap(), b"", "untouched");
    assert_eq!(site.records().len(), 0);
}

#[test]
fn a_tampered_register_stays_shut() {
    let site = Site::new();
    run(&launch(&format!(
        "videotestsrc num-buffers=1 ! auditsink register={}",
        site.register.display()
    )))
    .unwrap();
    let path = site.register.join("tile/entries/000.p/2");
    let text = fs::read(&path).unwrap();
    let mut changed = text.clone();
    changed[200] ^= 1;
    fs::write(&path, changed).unwrap();
    let error = refused(|sink| sink.set_property("register", site.register.to_str().unwrap()));
    assert!(error.contains("missing or changed"), "{error}");
}

/// What stands between a pipeline and its register while playing.
#[test]
fn a_register_that_goes_away_stops_the_stream() {
    type Break = fn(&Path);
    let breaks: [(&str, Break); 3] = [
        ("removed", |dir| fs::remove_dir_all(dir).unwrap()),
        ("a file in its place", |dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::write(dir, b"").unwrap();
        }),
        ("tampered with", |dir| {
            fs::write(dir.join("checkpoint"), b"x").unwrap();
        }),
    ];
    for (what, break_it) in breaks {
        let site = Site::new();
        let file = site.path("out.bin");
        let sink = site.sink();
        sink.set_property("location", file.to_str().unwrap());
        sink.set_property("probe-interval", 100_000_000u64);
        let bus = gst::Bus::new();
        sink.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&sink, Some("sink"), None);
        harness.set_src_caps_str("application/octet-stream");
        harness.push(gst::Buffer::from_slice([1u8; 10])).unwrap();
        break_it(&site.register);
        // Within one probe interval of playing, however slow this machine is.
        let mut flow = Ok(gst::FlowSuccess::Ok);
        for _ in 0..3000 {
            flow = harness.push(gst::Buffer::from_slice([2u8; 10]));
            if flow.is_err() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(flow, Err(gst::FlowError::Error), "{what}");
        let found = errors(&bus);
        assert!(found[0].1.contains("register="), "{what}: {found:?}");
        // And the end is not reported as one, nor does the file get its name.
        assert!(!harness.push_event(gst::event::Eos::new()), "{what}");
        assert!(errors(&bus)[0].1.contains("the file was kept as"), "{what}");
        assert!(!file.exists(), "{what}");
    }
}

/// The disk of the register.
#[test]
fn a_full_disk_stops_the_stream() {
    let Some(disk) = small_disk("failures::a_full_disk_stops_the_stream") else {
        return;
    };
    let site = Site::within(&disk);
    let sink = site.sink();
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    fill(&disk.join("filler"), 0);
    // The room that the register has set aside is used up at some time.
    let pad = harness.srcpad().unwrap();
    let taken = (0..100_000u64).find(|_| {
        let mut query = refuse().to_query();
        let answered = pad.peer_query(&mut query);
        matches!(AuditAnswer::read(&query, answered), AuditAnswer::Failed(_))
    });
    let taken = taken.expect("the disk is full") as usize;
    harness.set_src_caps_str("application/octet-stream");
    let flow = harness.push(gst::Buffer::from_slice([1u8; 10]));
    assert_eq!(flow, Err(gst::FlowError::Error));
    let found = errors(&bus);
    assert_eq!(
        found[0].0.kind::<gst::ResourceError>(),
        Some(gst::ResourceError::NoSpaceLeft)
    );
    assert_eq!(
        site.records().len(),
        taken,
        "what was acknowledged, and no more"
    );
}

/// The folder of the file goes away while it is written.
#[test]
fn a_folder_that_is_removed_is_no_end() {
    let site = Site::new();
    let folder = site.path("exports");
    fs::create_dir(&folder).unwrap();
    let sink = site.sink();
    sink.set_property("location", folder.join("piece").to_str().unwrap());
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    harness.set_src_caps_str("application/octet-stream");
    harness.push(gst::Buffer::from_slice([1u8; 10])).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(!harness.push_event(gst::event::Eos::new()));
    assert!(errors(&bus)[0].1.contains("location="));
    let close = &site.records()[1].entry;
    assert!(close.interrupted);
    assert_eq!(close.output.as_ref().unwrap().media_id, "");
}

/// Somebody else's file has come up under the name.
#[test]
fn a_name_that_is_taken_meanwhile_is_no_end() {
    let site = Site::new();
    let file = site.path("piece");
    let sink = site.sink();
    sink.set_property("location", file.to_str().unwrap());
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    harness.set_src_caps_str("application/octet-stream");
    harness.push(gst::Buffer::from_slice([1u8; 10])).unwrap();
    fs::write(&file, b"theirs").unwrap();
    assert!(!harness.push_event(gst::event::Eos::new()));
    assert_eq!(fs::read(&file).unwrap(), b"theirs");
    let close = &site.records()[1].entry;
    assert!(close.interrupted);
    let left = close.more["unfinished"]["left_as"].as_str().unwrap();
    assert_eq!(fs::read(site.path(left)).unwrap(), [1; 10]);
}
