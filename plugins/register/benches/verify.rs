// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long it takes to verify a whole register, and how much memory:
//! `cargo bench -p gst-privacy-register --bench verify -- [ENTRIES]` (1,000,000 unless said).

mod bulk;

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use privacy_register::{VerifierKey, verify};
use tlog_tiles::record_hash;

/// Names the register to the process that verifies it, whose memory is only that of verifying.
const REGISTER: &str = "GST_PRIVACY_BENCH_REGISTER";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(dir) = env::var_os(REGISTER) {
        return child(Path::new(&dir));
    }
    let entries = env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(1_000_000u64);
    let tmp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let dir = tmp.path().join("register");
    let start = Instant::now();
    let mut register = bulk::Bulk::new(&dir)?;
    let mut bytes = 0;
    for n in 0..entries {
        let body = bulk::body(n)?;
        bytes += body.len();
        register.body(&body)?;
        register.leaf(record_hash(&body))?;
    }
    register.finish()?;
    println!(
        "{entries} entries of {} bytes made in {:?}",
        bytes as u64 / entries.max(1),
        start.elapsed()
    );
    for _ in 0..3 {
        let status = Command::new(env::current_exe()?)
            .env(REGISTER, &dir)
            .status()?;
        if !status.success() {
            return Err("it does not verify".into());
        }
    }
    Ok(())
}

fn child(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let key = VerifierKey::load(&dir.join("register.pub"))?;
    let start = Instant::now();
    let report = verify(dir, &key)?;
    let took: Duration = start.elapsed();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("unknown");
    println!(
        "{} entries, {} sessions: {:.2} s, {:.0} entries/s, peak memory {}",
        report.entries,
        report.sessions,
        took.as_secs_f64(),
        report.entries as f64 / took.as_secs_f64(),
        peak.trim()
    );
    Ok(())
}
