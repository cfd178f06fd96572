// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a mandate costs: reading and verifying its token, and the decision. Prints medians.
//!
//! ```sh
//! cargo bench -p gst-privacy-policy --bench mandate            # 500 rounds
//! cargo bench -p gst-privacy-policy --bench mandate -- 20
//! ```
//!
//! Goal: a token is verified in 2 ms or less, whatever was added to it.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use privacy_policy::{
    Conditions, Form, Request, Rules, decide, key,
    mandate::{self, Narrowing},
};

fn median(rounds: usize, mut work: impl FnMut()) -> Duration {
    // Some rounds to warm the caches up.
    for _ in 0..rounds / 10 + 1 {
        work();
    }
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[rounds / 2]
}

fn main() {
    let rounds = std::env::args()
        .find_map(|a| a.parse().ok())
        .unwrap_or(500usize)
        .max(1);
    let rules = Rules::builtin();
    let (authority, second) = (key::generate(), key::generate());
    let (keys, cosigners) = ([authority.public()], [second.public()]);
    let conditions = Conditions {
        cosigners: &cosigners,
        ..Conditions::new(&rules)
    };
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/forms/judicial.requisition_extract.toml"
    );
    let text = std::fs::read_to_string(path).expect("the form is in the repository");
    let form = Form::parse(&text).expect("the form is complete");
    let now: Timestamp = "2026-11-21T12:00:00+01:00".parse().expect("an instant");
    let one = mandate::sign(&form, &conditions, &authority, now).expect("the rules accept it");
    let cameras = Narrowing {
        cameras: vec!["cam-12".into()],
        ..Narrowing::default()
    };
    let until = Narrowing {
        until: Some(form.valid_to - jiff::SignedDuration::from_hours(1)),
        ..Narrowing::default()
    };
    let three = mandate::narrow(&one, &keys, &cameras)
        .and_then(|two| mandate::narrow(&two, &keys, &until))
        .expect("it can be narrowed");
    let countersign = |token: &[u8]| {
        mandate::countersign(token, &keys, "Adjointe", "permanence", &second)
            .expect("the second person is another one")
    };
    let tokens = [
        ("1 block", one.clone()),
        ("3 blocks", three.clone()),
        ("countersigned", countersign(&one)),
        ("3 blocks, countersigned", countersign(&three)),
    ];
    let request = Request {
        purpose: &form.purpose_id,
        camera: "cam-12",
        operator: "a-0417",
        sink_class: form.sink_classes[0],
        live: Some(false),
        ..Request::at(now)
    };
    println!("{rounds} rounds, medians");
    for (name, token) in &tokens {
        let verify = median(rounds, || {
            black_box(mandate::verify(black_box(token), &keys)).expect("it is signed");
        });
        let mandate = mandate::verify(token, &keys).expect("it is signed");
        // Without its second person it is refused, which takes as long but for the last steps.
        let decision = median(rounds, || {
            let _ = black_box(decide(&conditions, Some(black_box(&mandate)), &request));
        });
        println!(
            "{name:<26} {:>5} bytes   verify {verify:>10.1?}   decide {decision:>10.1?}",
            token.len()
        );
    }
    let parse = median(rounds.min(50), || {
        black_box(Rules::builtin());
    });
    println!("rules                                    parse  {parse:>10.1?}");
}
