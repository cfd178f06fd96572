// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replays the corpus of the fuzz targets: what a fuzzer once reached is held without one.

use std::{fs, path::Path};

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

/// Runs `target` over each input of its folder, in the order of their names.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(
        inputs.len() >= 4,
        "{} inputs in {}",
        inputs.len(),
        folder.display()
    );
    for input in inputs {
        // Shown by the test runner when the input fails.
        println!("{}", input.display());
        target(&fs::read(&input).unwrap());
    }
}

#[test]
fn rules() {
    replay("rules", targets::rules);
}

#[test]
fn form() {
    replay("form", targets::form);
}

#[test]
fn token() {
    replay("token", targets::token);
}

#[test]
fn facts() {
    replay("facts", targets::facts);
}

#[test]
fn blocks() {
    replay("blocks", targets::blocks);
}

#[test]
fn revocations() {
    replay("revocations", targets::revocations);
}

#[test]
fn calendar() {
    replay("calendar", targets::calendar);
}

/// Inputs that nothing reads would hold nothing: some mandates open, and what is appended to them is judged.
#[test]
fn the_tokens_of_the_targets_open() {
    assert_eq!(targets::opening(), targets::FORMS.len());
}
