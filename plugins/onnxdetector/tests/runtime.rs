// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding ONNX Runtime. One test alone in its process, since a process can hold one library only.

use std::path::Path;

use gst::prelude::*;

fn error(element: &gst::Element) -> Option<String> {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let _ = element.set_state(gst::State::Paused);
    let message = bus.pop_filtered(&[gst::MessageType::Error]);
    element.set_state(gst::State::Null).unwrap();
    message.map(|m| match m.view() {
        gst::MessageView::Error(e) => e.error().message().to_owned(),
        _ => unreachable!("filtered"),
    })
}

#[test]
fn bad_libraries_are_errors_and_the_first_good_one_stays() {
    gst::init().unwrap();
    gstonnxdetector::plugin_register_static().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let model = file("model.onnx", b"not a model");
    let start = |library: &Path| {
        let element = gst::ElementFactory::make("onnxdetector")
            .property("model-file", model.to_str().unwrap())
            .property("runtime-library", library.to_str().unwrap())
            .build()
            .unwrap();
        error(&element).expect("the model is none")
    };

    let text = start(Path::new("/nonexistent/libonnxruntime.so"));
    assert!(
        text.contains("runtime-library") && text.contains("no such file"),
        "{text}"
    );
    let text = start(&file("text.so", b"this is no library"));
    assert!(
        text.contains("text.so") && text.contains("not a usable ONNX Runtime"),
        "{text}"
    );
    // The head of a library for another machine (e_machine 0xf3, RISC-V).
    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xf3\0\x01\0\0\0".to_vec();
    head.resize(4096, 0);
    let text = start(&file("other.so", &head));
    assert!(text.contains("not a usable ONNX Runtime"), "{text}");
    // A library that is none of ONNX Runtime: this plugin's own test binary links the C library.
    for libc in [
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/lib/aarch64-linux-gnu/libm.so.6",
    ] {
        if Path::new(libc).exists() {
            let text = start(Path::new(libc));
            assert!(text.contains("not a usable ONNX Runtime"), "{text}");
        }
    }

    let good =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/assets/libonnxruntime.so");
    let Ok(good) = good.canonicalize() else {
        let line = "SKIPPED bad_libraries_are_errors_and_the_first_good_one_stays: libonnxruntime.so is missing, run ./examples/fetch-assets";
        eprintln!("{line}");
        assert!(std::env::var("CI").map_or(true, |v| v != "true"), "{line}");
        return;
    };
    let text = start(&good);
    assert!(
        text.contains("cannot be loaded by ONNX Runtime"),
        "the library is good, the model not: {text}"
    );
    // The same file by another name is the same library.
    let link = folder.path().join("libonnxruntime.so");
    std::os::unix::fs::symlink(&good, &link).unwrap();
    let text = start(&link);
    assert!(text.contains("cannot be loaded by ONNX Runtime"), "{text}");
    // Another file is not.
    let text = start(&file("second.so", b"this is no library"));
    assert!(
        text.contains("a process can only run one") && text.contains("second.so"),
        "{text}"
    );
    // Nothing asked for: the one that is loaded.
    let element = gst::ElementFactory::make("onnxdetector")
        .property("model-file", model.to_str().unwrap())
        .build()
        .unwrap();
    let text = error(&element).unwrap();
    assert!(text.contains("cannot be loaded by ONNX Runtime"), "{text}");
}
