// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models and files that must not start, each with an error that says what to do.

use std::path::Path;

use gst::prelude::*;

use crate::{
    onnx::{self, CELLS, Model, row},
    support::{asset, detector, start_error},
};

/// The error of starting with these bytes as the model, after `change`.
fn error(test: &str, bytes: &[u8], change: impl Fn(&gst::Element, &Path)) -> Option<glib::Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    let element = detector(test, &path)?;
    change(&element, folder.path());
    Some(start_error(&element).expect("it must not start"))
}

fn quiet() -> Model {
    onnx::yolox(&row(8.0, 8.0, 0.0, &[0.0, 0.0]).repeat(CELLS))
}

/// One output of `shape` from a constant, named like that of a face recogniser.
fn vector(name: &str, shape: &[i64]) -> Model {
    let count = shape.iter().product::<i64>() as usize;
    Model::default()
        .input("input.1", &[1, 3, 112, 112])
        .constant("values", shape, &vec![0.5; count])
        .node("Identity", &["values"], name, &[])
        .output(name, shape)
}

#[test]
fn g1_a_model_that_recognises_faces_is_refused_in_both_languages() {
    let test = "g1_a_model_that_recognises_faces_is_refused_in_both_languages";
    for shape in [&[1, 512][..], &[1, 128], &[512], &[1, 256, 1, 1]] {
        let Some(e) = error(test, &vector("683", shape).bytes(), |_, _| {}) else {
            return;
        };
        let text = e.message();
        assert!(
            text.contains("BIOMETRICS") && text.contains("683"),
            "{text}"
        );
        assert!(text.contains("Facial recognition is not authorised in public space"));
        assert!(text.contains("La reconnaissance faciale n'est pas autorisée"));
        assert!(e.matches(gst::ResourceError::NotAuthorized));
    }
}

#[test]
fn an_embedding_beside_the_boxes_is_refused() {
    let test = "an_embedding_beside_the_boxes_is_refused";
    let model = quiet()
        .constant("looks", &[1, CELLS as i64, 128], &vec![0.0; CELLS * 128])
        .node("Identity", &["looks"], "id", &[])
        .output("id", &[1, CELLS as i64, 128]);
    let Some(e) = error(test, &model.bytes(), |_, _| {}) else {
        return;
    };
    assert!(e.message().contains("BIOMETRICS"), "{e}");
}

#[test]
fn g2_a_model_that_says_what_people_are_like_is_refused() {
    let test = "g2_a_model_that_says_what_people_are_like_is_refused";
    for (key, value) in [
        ("description", "Face Recognition, R50"),
        ("task", "person re-identification"),
        ("attributes", "[\"gender\"]"),
        ("gender", "true"),
        ("note", "estimates Age and more"),
        ("type", "facial-emotion"),
        ("name", "ArcFace"),
        ("backbone", "OSNet x0.25"),
    ] {
        let model = quiet().metadata(key, value);
        let Some(e) = error(test, &model.bytes(), |_, _| {}) else {
            return;
        };
        assert!(e.message().contains("BIOMETRICS"), "{key}={value}: {e}");
    }
    // Words that only look alike.
    let model = quiet()
        .metadata("stage", "image average, embedded systems")
        .metadata(
            "source",
            "human-models: person and face detection, licence plate recognition",
        );
    let folder = tempfile::tempdir().unwrap();
    let element = detector(test, &model.file(&folder, "m.onnx")).unwrap();
    assert!(start_error(&element).is_none());
}

#[test]
fn labels_that_sort_people_are_refused_wherever_they_come_from() {
    let test = "labels_that_sort_people_are_refused_wherever_they_come_from";
    let Some(e) = error(test, &quiet().bytes(), |element, folder| {
        let labels = folder.join("labels.txt");
        std::fs::write(&labels, "male\nfemale\n").unwrap();
        element.set_property("label-file", labels.to_str().unwrap());
    }) else {
        return;
    };
    assert!(
        e.message().contains("BIOMETRICS") && e.message().contains("male"),
        "{e}"
    );
}

#[test]
fn files_that_are_missing_or_damaged_are_named() {
    let test = "files_that_are_missing_or_damaged_are_named";
    let good = quiet().bytes();
    let missing = |property: &'static str| {
        move |element: &gst::Element, _: &Path| element.set_property(property, "/nonexistent/x")
    };
    for property in ["model-file", "label-file"] {
        let Some(e) = error(test, &good, missing(property)) else {
            return;
        };
        for part in [property, "/nonexistent/x", "./examples/fetch-assets"] {
            assert!(e.message().contains(part), "{e}");
        }
        assert!(e.matches(gst::ResourceError::NotFound));
    }
    for bytes in [&b"not a model"[..], &good[..good.len() / 2], &[]] {
        let e = error(test, bytes, |_, _| {}).unwrap();
        assert!(
            e.message().contains("cannot be loaded by ONNX Runtime"),
            "{e}"
        );
        assert!(e.message().contains("model.onnx"));
    }
    let e = error(test, &good, |element, folder| {
        element.set_property("model-file", folder.to_str().unwrap());
    })
    .unwrap();
    assert!(e.message().contains("not a regular file"), "{e}");
}

#[test]
fn labels_and_classes_that_do_not_fit_are_named() {
    let test = "labels_and_classes_that_do_not_fit_are_named";
    let good = quiet().bytes();
    let labels = |text: &'static str| {
        move |element: &gst::Element, folder: &Path| {
            let path = folder.join("labels.txt");
            std::fs::write(&path, text).unwrap();
            element.set_property("label-file", path.to_str().unwrap());
        }
    };
    let Some(e) = error(test, &good, labels("a\nb\nc\n")) else {
        return;
    };
    assert!(
        e.message().contains("3 labels") && e.message().contains("2 classes"),
        "{e}"
    );
    let e = error(test, &good, labels("a\n\nb\n")).unwrap();
    assert!(e.message().contains("label 2"), "{e}");
    let e = error(test, &good, |element, _| {
        element.set_property("classes", "person, Person");
    })
    .unwrap();
    assert!(
        e.message().contains("\"Person\"") && e.message().contains("person, car"),
        "{e}"
    );
    let e = error(test, &good, |element, _| {
        element.set_property_from_str("decoder", "nanodet");
    })
    .unwrap();
    assert!(e.message().contains("decoder=nanodet"), "{e}");
}

#[test]
fn models_that_are_no_detectors_are_refused() {
    let test = "models_that_are_no_detectors_are_refused";
    // A classifier, a model without a picture, one with a free size.
    let Some(e) = error(test, &vector("probabilities", &[1, 10]).bytes(), |_, _| {}) else {
        return;
    };
    assert!(e.message().contains("no known detector"), "{e}");
    for shape in [
        &[1, 16][..],
        &[1, 3, -1, 32],
        &[1, 1, 32, 32],
        &[2, 3, 32, 32],
    ] {
        let model = Model::default()
            .input("x", shape)
            .node("Identity", &["x"], "y", &[])
            .output("y", shape);
        let e = error(test, &model.bytes(), |_, _| {}).unwrap();
        assert!(
            e.message()
                .contains("one float32 picture of 1x3xheightxwidth is expected"),
            "{e}"
        );
    }
}

#[test]
fn only_centerface_may_leave_its_size_free() {
    let test = "only_centerface_may_leave_its_size_free";
    let model = Model::default()
        .input("images", &[1, 3, -1, -1])
        .constant("values", &[1, 8400, 7], &vec![0.0; 8400 * 7])
        .node("Identity", &["values"], "output", &[])
        .output("output", &[1, 8400, 7]);
    let Some(e) = error(test, &model.bytes(), |_, _| {}) else {
        return;
    };
    assert!(e.message().contains("for CenterFace, both free"), "{e}");
}

#[test]
fn nanodet_passes_the_same_checks() {
    let test = "nanodet_passes_the_same_checks";
    let Some(model) = asset(test, "nanodet.onnx") else {
        return;
    };
    let Some(element) = detector(test, &model) else {
        return;
    };
    assert!(start_error(&element).is_none());
}
