// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real models on frames of `vtest.avi` (PETS 2009, S2.L1, view 001), held against an independent
//! implementation and against annotated people.

use std::path::Path;

use gst::prelude::*;
use gst_check::Harness;
use gstonnxdetector::decode::{Decoder, Output, Wanted};
use privacy_common::Detection;
use serde_json::Value;

use crate::support::{asset, detector, edges, file, harness, init, iou, look};

/// Frames of the clip with these numbers (ascending, from 0) as I420, after `convert`, and their caps.
pub fn frames(clip: &Path, numbers: &[usize], convert: &str) -> (Vec<gst::Buffer>, gst::Caps) {
    init();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! avidemux ! avdec_msmpeg4 ! {convert} appsink name=out sync=false max-buffers=8",
        clip.display()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let sink = pipeline
        .by_name("out")
        .and_downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let (mut found, mut caps) = (Vec::new(), None);
    let last = *numbers.last().unwrap();
    for number in 0..=last {
        let sample = sink.pull_sample().unwrap();
        if numbers.contains(&number) {
            // Out of the decoder's pool, so that no buffer of it is held back.
            found.push(sample.buffer().unwrap().copy_deep().unwrap());
            caps = sample.caps().map(|c| c.to_owned());
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    (found, caps.unwrap())
}

fn detect(harness: &mut Harness, frame: &gst::Buffer) -> Vec<Detection> {
    let seen = look(harness, frame.copy(), 768, 576);
    let stamp = seen.stamp.expect("every frame is stamped");
    assert_eq!(stamp.found as usize, seen.boxes.len());
    assert_eq!(stamp.pts, frame.pts());
    assert!(!stamp.overflow && !stamp.predicted);
    seen.boxes
}

/// Reference figures of an independent implementation in Python; its head says how they were made.
struct Reference {
    frames: Vec<Value>,
    numbers: Vec<usize>,
}

fn reference() -> Reference {
    let path = file("reference", "tests/data/nanodet-vtest.json", "").unwrap();
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let frames = all["frames"].as_array().unwrap().clone();
    let numbers = frames
        .iter()
        .map(|f| f["index"].as_u64().unwrap() as usize)
        .collect();
    Reference { frames, numbers }
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Holds what was found against the reference: each of its boxes that is surer than the tolerance allows
/// to vanish, and nothing sure beyond them.
fn compare(found: &[Detection], expected: &Value, pixels: f64, score: f64) {
    let labels = gstonnxdetector::labels::COCO;
    let matches = |d: &Detection, e: &Value| {
        let edge = numbers(&e["box"]);
        // Reported boxes are cut at the frame and rounded outwards.
        let wanted = [
            edge[0].max(0.0),
            edge[1].max(0.0),
            edge[2].min(768.0),
            edge[3].min(576.0),
        ];
        let got = [d.x, d.y, d.x + d.width, d.y + d.height].map(f64::from);
        d.class == labels[e["class"].as_u64().unwrap() as usize]
            && (f64::from(d.score.unwrap()) - e["score"].as_f64().unwrap()).abs() <= score
            && got.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= pixels)
    };
    let expected = expected["boxes"].as_array().unwrap();
    for e in expected {
        if e["score"].as_f64().unwrap() > 0.3 + 2.0 * score {
            assert!(
                found.iter().any(|d| matches(d, e)),
                "{e} is missing in {found:?}"
            );
        }
    }
    for d in found {
        if f64::from(d.score.unwrap()) > 0.3 + 2.0 * score {
            assert!(
                expected.iter().any(|e| matches(d, e)),
                "{d:?} is not expected"
            );
        }
    }
}

#[test]
fn nanodet_finds_what_an_independent_implementation_finds() {
    let test = "nanodet_finds_what_an_independent_implementation_finds";
    let Some(clip) = asset(test, "vtest.avi") else {
        return;
    };
    let Some(model) = asset(test, "nanodet.onnx") else {
        return;
    };
    let Some(element) = detector(test, &model) else {
        return;
    };
    let reference = reference();
    let (frames, caps) = frames(&clip, &reference.numbers, "");
    let mut harness = harness(&element, &caps);
    for (frame, expected) in frames.iter().zip(&reference.frames) {
        // The reference takes the nearest chroma sample and rounds to 8 bits before it scales; here
        // chroma is interpolated and nothing is rounded. One pixel of the rest is the rounding outwards.
        compare(&detect(&mut harness, frame), expected, 2.0, 0.03);
    }
}

/// I420 to RGB exactly as the reference does it: BT.601, studio range, the nearest chroma sample.
fn to_rgb(i420: &gst::Buffer) -> gst::Buffer {
    let data = i420.map_readable().unwrap();
    let (width, height) = (768, 576);
    let chroma = &data[width * height..];
    let mut rgb = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let luma = (f32::from(data[y * width + x]) - 16.0) * (255.0 / 219.0);
            let at = y / 2 * (width / 2) + x / 2;
            let [u, v] = [at, at + width * height / 4]
                .map(|i| (f32::from(chroma[i]) - 128.0) * (255.0 / 224.0));
            for value in [
                luma + 1.402 * v,
                luma - 0.344136 * u - 0.714136 * v,
                luma + 1.772 * u,
            ] {
                rgb.push(value.round_ties_even().clamp(0.0, 255.0) as u8);
            }
        }
    }
    let mut buffer = gst::Buffer::from_mut_slice(rgb);
    buffer.make_mut().set_pts(i420.pts());
    buffer
}

#[test]
fn nanodet_on_the_same_rgb_agrees_to_a_thousandth() {
    let test = "nanodet_on_the_same_rgb_agrees_to_a_thousandth";
    let Some(clip) = asset(test, "vtest.avi") else {
        return;
    };
    let Some(model) = asset(test, "nanodet.onnx") else {
        return;
    };
    let Some(element) = detector(test, &model) else {
        return;
    };
    let reference = reference();
    let (frames, _) = frames(&clip, &reference.numbers, "");
    let mut harness = harness(&element, &crate::support::caps("RGB", 768, 576));
    for (frame, expected) in frames.iter().zip(&reference.frames) {
        compare(&detect(&mut harness, &to_rgb(frame)), expected, 1.0, 1e-3);
    }
}

#[test]
fn nanodet_decodes_recorded_logits_as_the_reference_does() {
    let outputs: Vec<Output> = [8i64, 16, 32]
        .into_iter()
        .flat_map(|s| {
            let cells = (416 / s) * (416 / s);
            [("cls", 80), ("dis", 44)].map(|(kind, values)| Output {
                name: format!("{kind}_{s}"),
                shape: vec![1, cells, values],
                float32: true,
            })
        })
        .collect();
    let decoder = Decoder::find(None, (416, 416), &outputs).unwrap();
    assert_eq!(decoder.nick(), "nanodet");
    for frame in reference().frames {
        for cell in frame["cells"].as_array().unwrap() {
            let mut data: Vec<Vec<f32>> = outputs
                .iter()
                .map(|o| vec![0.0; (o.shape[1] * o.shape[2]) as usize])
                .collect();
            let number = |name: &str| cell[name].as_u64().unwrap() as usize;
            let level = [8, 16, 32]
                .iter()
                .position(|&s| s == number("stride"))
                .unwrap();
            let score = cell["score"].as_f64().unwrap() as f32;
            data[2 * level][number("cell") * 80 + number("class")] = score;
            for (i, logit) in numbers(&cell["logits"]).into_iter().enumerate() {
                data[2 * level + 1][number("cell") * 44 + i] = logit as f32;
            }
            let slices: Vec<&[f32]> = data.iter().map(Vec::as_slice).collect();
            let classes: Vec<usize> = (0..80).collect();
            let wanted = Wanted {
                classes: &classes,
                threshold: 0.01,
            };
            let found = decoder.decode(&slices, wanted).unwrap();
            let [candidate] = found.list[..] else {
                panic!("{found:?}")
            };
            assert_eq!((candidate.class, candidate.score), (number("class"), score));
            for (edge, wanted) in candidate.edges.iter().zip(numbers(&cell["input_box"])) {
                assert!((f64::from(*edge) - wanted).abs() < 1e-2, "{edge} {wanted}");
            }
        }
    }
}

/// Share of the annotated people that a box of class person overlaps by half or more, and the number of
/// annotated people.
fn found_people(test: &str, model: &Path) -> Option<(f64, usize)> {
    let clip = asset(test, "vtest.avi")?;
    let truth = file(test, "../shared/data/pets09-s2l1/gt.txt", "")?;
    let element = detector(test, model)?;
    element.set_property("classes", "person");
    let numbers: Vec<usize> = (0..795).step_by(50).collect();
    let (frames, caps) = frames(&clip, &numbers, "");
    let mut harness = harness(&element, &caps);
    let (mut hits, mut people) = (0, 0);
    let truth = std::fs::read_to_string(truth).unwrap();
    for (frame, number) in frames.iter().zip(&numbers) {
        let boxes = detect(&mut harness, frame);
        assert!(boxes.iter().all(|d| d.class == "person"));
        for person in annotated(&truth, *number) {
            people += 1;
            hits += usize::from(boxes.iter().any(|d| iou(edges(d), person) >= 0.5));
        }
    }
    let share = hits as f64 / people as f64;
    eprintln!(
        "{test}: {hits} of {people} annotated people, {:.1} %",
        100.0 * share
    );
    eprintln!("{test}: {}", element.property::<gst::Structure>("stats"));
    Some((share, people))
}

#[test]
fn nanodet_finds_annotated_people() {
    let test = "nanodet_finds_annotated_people";
    let Some(model) = asset(test, "nanodet.onnx") else {
        return;
    };
    let Some((share, people)) = found_people(test, &model) else {
        return;
    };
    assert!(people > 50 && share > 0.9, "{share} of {people}");
}

#[test]
fn yolox_finds_annotated_people() {
    let test = "yolox_finds_annotated_people";
    let Some(model) = file(test, "../shared/models/yolox_nano.onnx", "") else {
        return;
    };
    let Some((share, people)) = found_people(test, &model) else {
        return;
    };
    assert!(people > 50 && share > 0.9, "{share} of {people}");
}

/// Annotated people of a frame counted from 0: left, top, width, height.
fn annotated(truth: &str, number: usize) -> Vec<[f64; 4]> {
    truth
        .lines()
        .map(|line| -> Vec<f64> { line.split(',').map(|v| v.parse().unwrap()).collect() })
        // Frames of the annotation are counted from 1.
        .filter(|values| values[0] as usize == number + 1)
        .map(|values| [values[2], values[3], values[4], values[5]])
        .collect()
}

#[test]
fn centerface_finds_faces_where_people_have_their_heads() {
    let test = "centerface_finds_faces_where_people_have_their_heads";
    let Some(clip) = asset(test, "vtest.avi") else {
        return;
    };
    let Some(model) = asset(test, "centerface.onnx") else {
        return;
    };
    let Some(truth) = file(test, "../shared/data/pets09-s2l1/gt.txt", "") else {
        return;
    };
    let Some(element) = detector(test, &model) else {
        return;
    };
    let truth = std::fs::read_to_string(truth).unwrap();
    let numbers: Vec<usize> = (0..795).step_by(40).collect();
    let (frames, caps) = frames(&clip, &numbers, "");
    let mut harness = harness(&element, &caps);
    let (mut faces, mut on_heads) = (0, 0);
    for (frame, number) in frames.iter().zip(numbers) {
        let people = annotated(&truth, number);
        for face in detect(&mut harness, frame) {
            assert_eq!(face.class, "face");
            let [x, y, width, height] = edges(&face);
            let (x, y) = (x + width / 2.0, y + height / 2.0);
            // Upper third of a person, and a little above: the annotation is loose.
            let head = people
                .iter()
                .any(|p| x > p[0] && x < p[0] + p[2] && y > p[1] - 5.0 && y < p[1] + 0.35 * p[3]);
            faces += 1;
            on_heads += usize::from(head);
        }
    }
    // Faces are some 10 pixels high here, at the limit of the model; traffic cones look alike to it.
    eprintln!("{test}: {on_heads} of {faces} faces on heads");
    assert!(
        faces >= 5 && on_heads * 4 >= faces * 3,
        "{on_heads} of {faces}"
    );
}

#[test]
fn centerface_takes_frames_of_every_shape() {
    let test = "centerface_takes_frames_of_every_shape";
    let Some(model) = asset(test, "centerface.onnx") else {
        return;
    };
    let Some(element) = detector(test, &model) else {
        return;
    };
    for (width, height) in [(640, 360), (90, 160), (33, 31), (1, 1)] {
        let mut harness = harness(&element, &crate::support::caps("RGB", width, height));
        let size = (width * 3).next_multiple_of(4) * height;
        let frame = gst::Buffer::from_mut_slice(vec![90u8; size as usize]);
        let seen = look(&mut harness, frame, width, height);
        let stamp = seen.stamp.expect("looked at");
        assert_eq!(stamp.classes, ["face"]);
        drop(harness);
        element.set_state(gst::State::Null).unwrap();
    }
}
