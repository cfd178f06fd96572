// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table at the end.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{run::Outcome, site::Site, stages::StageTimes};

/// What the table is made from.
pub struct Report<'a> {
    pub published: &'a Outcome,
    pub counted: &'a Outcome,
    pub times: &'a StageTimes,
    pub site: &'a Site,
    /// Files written.
    pub files: &'a [&'a Path],
    /// The file of counts, JSON Lines.
    pub counts: &'a Path,
}

/// Prints it.
///
/// # Errors
/// When nothing came out, the counts cannot be read, or the register does not verify.
pub fn print(report: &Report) -> Result<()> {
    let Report {
        published, counted, ..
    } = report;
    let out = &published.frames_out;
    ensure!(!out.is_empty(), "no frame left the exit gate");
    let frames = out.len() as f64;
    let regions: u64 = out.iter().map(|f| u64::from(f.regions)).sum();
    let whole = out.iter().filter(|f| f.whole).count();
    let share = out.iter().map(|f| f.share).sum::<f64>() / frames;
    let wall = published.wall.max(counted.wall);
    println!();
    line(
        "masked video",
        &format!("{} frames in, {} out", published.frames_in.len(), out.len()),
    );
    line(
        "",
        &format!(
            "{regions} regions masked, {:.1} in a frame",
            regions as f64 / frames
        ),
    );
    line(
        "",
        &format!(
            "{:.1} % of a frame masked; {whole} frames as a whole",
            share * 100.0
        ),
    );
    line("counts", &counts(report.counts)?);
    line(
        "speed",
        &format!(
            "{:.1} s for both pipelines together: {:.0} frames/s masked, {:.0} frames/s counted",
            wall.as_secs_f64(),
            frames / published.wall.as_secs_f64(),
            counted.frames_in.len() as f64 / counted.wall.as_secs_f64(),
        ),
    );
    line("work per frame", &stages(report));
    let entries = report.site.entries()?;
    line("register", &format!("{} entries", entries.len()));
    let (holds, words) = report.site.verify_register()?;
    line("register verified", if holds { "yes" } else { "NO" });
    println!();
    for file in report.files {
        println!("  {}", file.display());
    }
    println!("  {}", report.site.register().display());
    ensure!(holds, "the register does not verify:\n{words}");
    Ok(())
}

fn line(name: &str, text: &str) {
    println!("{name:>18}  {text}");
}

/// Mean work of each stage of the masking pipeline on one core, in milliseconds.
fn stages(report: &Report) -> String {
    [
        ("decode", "decode"),
        ("convert", "convert"),
        ("detect", "detect"),
        ("mask", "mask"),
        ("exit", "prove"),
        ("encode", "encode"),
        ("register", "register"),
    ]
    .into_iter()
    .filter_map(|(element, stage)| {
        let mean = report.times.mean(&format!("masking.{element}"))?;
        Some(format!("{stage} {:.2} ms", mean.as_secs_f64() * 1e3))
    })
    .collect::<Vec<_>>()
    .join(", ")
}

fn counts(path: &Path) -> Result<String> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let windows: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is not JSON Lines", path.display()))?;
    Ok(format!("{} lines", windows.len()))
}
