// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every command of the README is read by a test, and run where it can be: documentation that nobody
//! runs stops being true.

use std::{path::Path, process::Command};

use gst::prelude::*;
use gst_privacy_tests::{ELEMENTS, asset, init, root, site::Site, yesterday_noon};

/// A command of a `sh` block, continuation lines joined.
struct Line {
    number: usize,
    text: String,
}

fn commands() -> Vec<Line> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut found = Vec::new();
    let mut inside = false;
    let mut open: Option<Line> = None;
    for (index, line) in readme.lines().enumerate() {
        if line.starts_with("```") {
            inside = !inside && line == "```sh";
            assert!(
                open.is_none(),
                "README.md:{}: command not finished",
                index + 1
            );
            continue;
        }
        if !inside || line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (text, goes_on) = match line.strip_suffix('\\') {
            Some(text) => (text, true),
            None => (line, false),
        };
        let mut command = open.take().unwrap_or(Line {
            number: index + 1,
            text: String::new(),
        });
        command.text.push_str(text.trim());
        command.text.push(' ');
        if goes_on {
            open = Some(command);
        } else {
            found.push(command);
        }
    }
    assert!(found.len() > 8, "the README has {} commands", found.len());
    found
}

/// The description that `gst-launch-1.0` gets from the shell, as GStreamer's parser takes it.
fn pipeline(line: &Line) -> Option<String> {
    let text = line.text.trim();
    let text = text.strip_prefix("gst-launch-1.0 ")?;
    let mut text = text.trim_start();
    while let Some(rest) = text.strip_prefix('-') {
        text = rest
            .split_once(' ')
            .map_or("", |(_, rest)| rest.trim_start());
    }
    let text = text.replace(
        "$(TZ=Europe/Paris date -d yesterday +%FT12:00:00%:z)",
        &yesterday_noon(),
    );
    assert!(
        !text.contains('$'),
        "README.md:{}: the test knows no {text}",
        line.number
    );
    Some(text)
}

#[test]
fn every_pipeline_of_the_readme_is_parsed() {
    init();
    let mut parsed = 0;
    for line in commands() {
        if let Some(description) = pipeline(&line) {
            gst::parse::launch(&description)
                .unwrap_or_else(|e| panic!("README.md:{}: {e}", line.number));
            parsed += 1;
        }
    }
    assert!(parsed >= 4, "the README shows {parsed} pipelines");
}

/// The pipelines run in the order of the README, over a site that lies in a temporary folder instead of
/// `examples/out`. A display becomes a `fakesink`, as tests have no screen.
#[test]
fn every_pipeline_of_the_readme_runs() {
    const TEST: &str = "every_pipeline_of_the_readme_runs";
    init();
    let (Some(runtime), Some(_), Some(clip)) = (
        asset(TEST, "libonnxruntime.so"),
        asset(TEST, "nanodet.onnx"),
        asset(TEST, "vtest.avi"),
    ) else {
        return;
    };
    let site = Site::new();
    let assets = clip.parent().unwrap();
    let file = |name: &str| root().join("examples").join(name).display().to_string();
    for line in commands() {
        let Some(description) = pipeline(&line) else {
            continue;
        };
        let description = description
            .replace("examples/out", site.path().to_str().unwrap())
            .replace("examples/assets", assets.to_str().unwrap())
            .replace("examples/site.toml", &file("site.toml"))
            .replace("examples/zones.toml", &file("zones.toml"))
            // The README sets ORT_DYLIB_PATH; a test must not change the environment of the others.
            .replace(
                "onnxdetector ",
                &format!("onnxdetector runtime-library={} ", runtime.display()),
            )
            .replace("autovideosink", "fakesink sync=false");
        run(line.number, &description, site.path());
    }
    let report = privacy_register_verify(&site);
    assert!(
        report >= 8,
        "four sessions opened and closed: {report} entries"
    );
}

fn run(number: usize, description: &str, folder: &Path) {
    let pipeline = gst::parse::launch(description)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).ok();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(300),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    match end.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => {}
        Some(gst::MessageView::Error(e)) => panic!(
            "README.md:{number}: {} ({:?}) in {}",
            e.error(),
            e.debug(),
            folder.display()
        ),
        _ => panic!("README.md:{number}: no end within five minutes"),
    }
}

fn privacy_register_verify(site: &Site) -> u64 {
    site.verify().expect("the register verifies").entries
}

#[test]
fn every_other_command_of_the_readme_exists() {
    init();
    for line in commands() {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let place = format!("README.md:{}: {}", line.number, line.text);
        match words[0] {
            "gst-launch-1.0" | "git" | "cd" | "export" | "meson" | "ffprobe" | "." => {}
            "gst-inspect-1.0" => assert!(ELEMENTS.contains(&words[1]), "{place}"),
            "cargo" => {
                for name in words.iter().skip_while(|w| **w != "-p").skip(1).step_by(2) {
                    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
                    assert!(lock.contains(&format!("name = \"{name}\"")), "{place}");
                }
            }
            tool @ ("privacyctl" | "privacy-verify") => takes(tool, &words[1..], &place),
            script if script.starts_with("./") => {
                let path = root().join(script);
                assert!(path.is_file(), "{place}: no such file");
                let first = std::fs::read_to_string(&path).unwrap();
                if first.starts_with("#!/usr/bin/env bash") {
                    let ok = Command::new("bash").arg("-n").arg(&path).status().unwrap();
                    assert!(ok.success(), "{place}");
                }
            }
            other => panic!("{place}: no test knows the program `{other}`"),
        }
    }
}

/// The subcommands exist: `--help` of each answers.
fn takes(tool: &str, arguments: &[&str], place: &str) {
    let Some(tool) = gst_privacy_tests::tool(tool) else {
        return;
    };
    // What follows them is a flag, a path or a number.
    let subcommand = |word: &&&str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    let subcommands: Vec<_> = arguments.iter().take_while(subcommand).copied().collect();
    let output = Command::new(tool)
        .args(&subcommands)
        .arg("--help")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{place}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let help = String::from_utf8_lossy(&output.stdout);
    for flag in arguments.iter().filter(|a| a.starts_with("--")) {
        let flag = flag.split('=').next().unwrap();
        assert!(help.contains(flag), "{place}: {flag} is not in\n{help}");
    }
}

/// The names of all test functions in the plugins and here.
fn tests_of_the_repository() -> std::collections::HashSet<String> {
    fn walk(folder: &Path, found: &mut std::collections::HashSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|n| n != "target") {
                    walk(&path, found);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let mut test = false;
                for line in text.lines().map(str::trim) {
                    match line.strip_prefix("fn ") {
                        Some(rest) if test => {
                            let name = rest.split(['(', '<']).next().unwrap();
                            found.insert(name.to_owned());
                            test = false;
                        }
                        _ if line.starts_with("#[test]") => test = true,
                        _ if line.starts_with("#[") || line.starts_with("//") => {}
                        _ => test = false,
                    }
                }
            }
        }
    }
    let mut found = std::collections::HashSet::new();
    walk(&root().join("plugins"), &mut found);
    walk(&root().join("tests"), &mut found);
    found
}

/// The table under "The law, row by row" has each row of the requirements once and in order, and each test that it
/// names exists and begins with its row. A row without a test says that no software can hold it.
#[test]
fn every_row_of_the_law_has_a_line_and_a_test() {
    const LAST: &[(char, u32)] = &[
        ('A', 7),
        ('B', 11),
        ('C', 8),
        ('D', 3),
        ('E', 7),
        ('F', 16),
        ('G', 6),
        ('H', 17),
        ('J', 9),
    ];
    let rows: Vec<String> = LAST
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |n| format!("{letter}{n}")))
        .collect();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## The law, row by row\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let tests = tests_of_the_repository();
    let mut seen = Vec::new();
    for line in section.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [row, content, by, named] = cells[..] else {
            continue;
        };
        if !rows.iter().any(|r| r == row) {
            continue;
        }
        seen.push(row.to_owned());
        assert!(!content.is_empty() && !by.is_empty(), "{line}");
        if named == "none" {
            assert!(by.starts_with("no software"), "{row}: {by}");
            continue;
        }
        for name in named.split(", ") {
            let name = name.trim_matches('`');
            assert!(tests.contains(name), "{row}: no test {name}");
            assert!(
                name.starts_with(&format!("{}_", row.to_lowercase())),
                "{row}: {name}"
            );
        }
    }
    assert_eq!(seen, rows);
}
