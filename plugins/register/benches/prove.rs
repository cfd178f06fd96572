// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long it takes to prove one entry of a large register, and to check the proof, and how long the proof is:
//! `cargo bench -p gst-privacy-register --bench prove -- [ENTRIES]` (10,000,000 unless said).

mod bulk;

use std::{
    env,
    time::{Duration, Instant},
};

use privacy_register::{Proof, Reader, VerifierKey, prove};
use tlog_tiles::record_hash;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let entries = env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(10_000_000u64)
        .max(1);
    let tmp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let dir = tmp.path().join("register");
    let start = Instant::now();
    let mut register = bulk::Bulk::new(&dir)?;
    // Only these have bodies: about a gigabyte is of no use to a proof of one entry.
    let proved = [0, entries / 3, entries / 2, entries - 1];
    for n in 0..entries {
        if proved.iter().any(|p| p / 256 == n / 256) {
            let body = bulk::body(n)?;
            register.body(&body)?;
            register.leaf(record_hash(&body))?;
        } else {
            register.leaf(record_hash(&n.to_be_bytes()))?;
        }
    }
    register.finish()?;
    println!("{entries} entries made in {:?}", start.elapsed());

    let key = VerifierKey::load(&dir.join("register.pub"))?;
    for index in proved {
        let mut times = Vec::new();
        let mut proof = prove(&dir, &key, index)?;
        for _ in 0..50 {
            let start = Instant::now();
            proof = prove(&dir, &key, index)?;
            times.push(start.elapsed());
        }
        let body = Reader::open(&dir)?.body(index)?;
        let text = proof.to_text();
        let mut checks = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            Proof::from_text(&text)?.check(&body, &key)?;
            checks.push(start.elapsed());
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort();
            (times[times.len() / 2], times[times.len() - 1])
        };
        let (prove, prove_most) = median(&mut times);
        let (check, check_most) = median(&mut checks);
        println!(
            "entry {index}: proved in {prove:?} (at most {prove_most:?}), checked in {check:?} (at most {check_most:?}), {} bytes of proof",
            text.len()
        );
    }
    Ok(())
}
