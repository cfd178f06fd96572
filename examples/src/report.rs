// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table at the end.

use std::{collections::BTreeMap, fs, path::Path};

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
    let found: u64 = out.iter().map(|f| u64::from(f.found)).sum();
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
            "{:.1} objects found in a frame, {:.1} regions masked",
            found as f64 / frames,
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
    for (text, name) in counts(report.counts)?
        .iter()
        .zip(["counts"].into_iter().chain(std::iter::repeat("")))
    {
        line(name, text);
    }
    line(
        "speed",
        &format!(
            "{:.1} s for both pipelines together: {:.0} frames/s masked, {:.0} frames/s counted",
            wall.as_secs_f64(),
            frames / published.wall.as_secs_f64(),
            counted.frames_in.len() as f64 / counted.wall.as_secs_f64(),
        ),
    );
    line("time per frame", &stages(report));
    line("register", &format!("{} entries", report.site.entries()?));
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
    let colon = if name.is_empty() { ' ' } else { ':' };
    println!("{name:>18}{colon} {text}");
}

/// Mean time of a frame in each stage of the masking pipeline; the cores are shared with the other pipeline.
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

/// The closed windows in words; a count that was withheld is not a zero.
fn counts(path: &Path) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = Vec::new();
    for record in text.lines() {
        let record: Value = serde_json::from_str(record)
            .with_context(|| format!("{} is not JSON Lines", path.display()))?;
        lines.extend(window(&record));
    }
    if lines.is_empty() {
        lines.push("no window was closed".to_owned());
    }
    Ok(lines)
}

fn window(record: &Value) -> Vec<String> {
    let time = |end: &str| {
        let stamp = record["window"][end].as_str().unwrap_or("?");
        // 2026-11-21T10:00:00Z: the time of day says enough here.
        stamp.get(11..19).unwrap_or(stamp).to_owned()
    };
    let rows = |name: &str| record[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let count = |value: &Value| match value {
        Value::Null => "withheld".to_owned(),
        other => other.to_string(),
    };
    let mut lines = vec![format!("{} to {}", time("from"), time("to"))];
    for row in rows("totals") {
        let (forward, backward) = (count(&row["forward"]), count(&row["backward"]));
        let name = text(&row["name"]);
        lines.push(format!(
            "line {name}: {forward} forward, {backward} backward"
        ));
    }
    for row in rows("zones").iter().filter(|row| !row["mean"].is_null()) {
        let (name, class) = (text(&row["name"]), text(&row["class"]));
        lines.push(format!(
            "zone {name}: {class} {} at a time on average",
            row["mean"]
        ));
    }
    let mut withheld = BTreeMap::<String, usize>::new();
    for row in rows("suppressed") {
        *withheld.entry(text(&row["reason"])).or_default() += 1;
    }
    for (reason, values) in withheld {
        lines.push(format!("{values} values withheld: {reason}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withheld_count_is_not_shown_as_a_number() {
        let record = serde_json::json!({
            "window": {"from": "2026-11-21T10:00:00Z", "to": "2026-11-21T10:20:00Z"},
            "totals": [{"name": "gare", "forward": 57, "backward": null}],
            "zones": [
                {"name": "parvis", "class": "pedestrian", "mean": 3.4},
                {"name": "parvis", "class": "van", "mean": null},
            ],
            "suppressed": [
                {"name": "gare", "field": "backward", "reason": "below min-count"},
                {"name": "parvis", "field": "mean", "reason": "not allowed by the purpose"},
            ],
        });
        assert_eq!(
            window(&record),
            [
                "10:00:00 to 10:20:00",
                "line gare: 57 forward, withheld backward",
                "zone parvis: pedestrian 3.4 at a time on average",
                "1 values withheld: below min-count",
                "1 values withheld: not allowed by the purpose",
            ]
        );
    }
}
