// SPDX-License-Identifier: MIT OR Apache-2.0
//! Percentiles, and what machine they were taken on.

use std::fs;

/// The value below which `share` of the samples lie (nearest rank); NaN without samples.
pub fn percentile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

/// The middle sample.
pub fn median(samples: &[f64]) -> f64 {
    percentile(samples, 0.5)
}

/// Prints what a reader needs to judge the figures by.
pub fn machine() {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |name: &str| {
        cpu.lines()
            .find_map(|line| line.strip_prefix(name)?.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let governor = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let date = glib::DateTime::now_utc().and_then(|now| now.format("%Y-%m-%d %H:%M UTC"));
    println!(
        "machine: {}, family {} model {}, {cores} cores, governor {}",
        of("model name"),
        of("cpu family"),
        of("model\t"),
        governor.as_deref().unwrap_or("unknown").trim(),
    );
    println!(
        "date: {}; {}; built {}",
        date.as_deref().unwrap_or("unknown"),
        gst::version_string(),
        if cfg!(debug_assertions) {
            "WITHOUT optimisation: the figures mean nothing"
        } else {
            "with optimisation"
        },
    );
    load("at the start");
}

/// Prints how busy the machine is with other things: above 1 the figures below are worth little.
pub fn load(when: &str) {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average {when}: {}", load.trim());
}
