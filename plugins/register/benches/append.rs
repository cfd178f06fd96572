// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long one durable, signed entry takes, on the disk that `TMPDIR` is on:
//! `cargo bench -p gst-privacy-register`.

use std::time::{Duration, Instant};

use privacy_register::{Agent, Entry, Operation, Register};

const ENTRIES: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tmp = tempfile::tempdir()?;
    let mut register = Register::init(&tmp.path().join("register"), "gst-privacy/bench")?;
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "vp.live_view.public_road".into();
    entry.motif = "surveillance de la voie publique".into();
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        ..Default::default()
    });
    // About the length of a real entry.
    entry
        .more
        .insert("legal_refs".into(), "r".repeat(900).into());
    let mut times = Vec::with_capacity(ENTRIES);
    for _ in 0..ENTRIES {
        let start = Instant::now();
        register.append(&entry)?;
        times.push(start.elapsed());
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let sum: Duration = times.iter().sum();
    println!(
        "{ENTRIES} entries: median {:?}, 95 % within {:?}, longest {:?}, {:.0} entries/s",
        at(0.5),
        at(0.95),
        at(1.0),
        ENTRIES as f64 / sum.as_secs_f64()
    );

    let start = Instant::now();
    let report = privacy_register::verify(register.dir(), &register.verifier_key())?;
    println!("verify {} entries: {:?}", report.entries, start.elapsed());
    Ok(())
}
