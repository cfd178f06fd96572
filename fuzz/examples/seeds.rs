// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes the first inputs of the corpus, from the rules and the forms of the tests:
//!
//! ```sh
//! cargo run --manifest-path fuzz/Cargo.toml --example seeds
//! ```

use std::{fs, io, path::Path};

use biscuit_auth::builder::BlockBuilder;
use privacy_policy::{
    mandate::{self, Narrowing},
    rules::BUILTIN,
};

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// The rules with all of their head, and one purpose of each kind: a fuzzer works best on short inputs.
fn short_rules() -> String {
    const KEPT: &[&str] = &[
        "comm.public_publication",
        "stats.traffic_counts",
        "judicial.lrj_search",
        "refused.facial_recognition",
        "refused.unknown_purpose",
    ];
    let (head, purposes) = BUILTIN.split_once("[purpose.").unwrap_or((BUILTIN, ""));
    let lines = |text: &str| {
        let kept = text.lines().filter(|l| !l.trim_start().starts_with('#'));
        kept.flat_map(|l| [l, "\n"]).collect::<String>()
    };
    let mut text = lines(head);
    for purpose in purposes.split("[purpose.") {
        if KEPT
            .iter()
            .any(|id| purpose.starts_with(&format!("\"{id}\"]")))
        {
            text += &lines(&format!("[purpose.{purpose}"));
        }
    }
    text
}

const BLOCKS: &[(&str, &str)] = &[
    ("camera", "check if camera(\"cam-12\");"),
    ("operator", "check if operator(\"a-0417\");"),
    ("sink", "check if sink_class(\"file\");"),
    ("until", "check if time($t), $t < 2026-11-22T00:00:00Z;"),
    (
        "facts",
        "valid_to(2099-01-01T00:00:00Z);\npurpose_id(\"vp.live_view.public_road\");",
    ),
    (
        "rule",
        "camera($c) <- camera($c), cameras($l), $l.length() > 0;",
    ),
    (
        "several",
        "check if camera(\"cam-12\") or camera(\"cam-13\");",
    ),
    (
        "recipient",
        "check if recipient_name(\"OPJ matricule 123456\");",
    ),
    (
        "hours",
        "check if paris_time(\"mon\", $m), $m >= 480, $m < 1200 or paris_time(\"sat\", $m), $m >= 0, $m < 1440;",
    ),
    ("all", "check all camera($c), $c.starts_with(\"cam\");"),
    ("reject", "reject if sink_class(\"public\");"),
    (
        "quotes",
        "check if camera(\"x\\\");\\ncheck if camera(\\\"y\");",
    ),
];

const REVOCATIONS: &[(&str, &str)] = &[
    ("empty", "version = 1\n"),
    (
        "mandate",
        "version = 1\n[[revoked]]\nmandate_id = \"6f1c2a52-6a50-4a3e-9d0c-0f6f6f1f7a11\"\ndate = 2026-11-20\nby = \"DGS\"\nreason = \"fini\"\n",
    ),
    (
        "block",
        "version = 1\n[[revoked]]\nid = \"00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff\"\ndate = 2026-11-20T10:00:00+01:00\nby = \"DGS\"\nreason = \"perdu\"\n",
    ),
    (
        "purpose",
        "version = 1\n[[suspended]]\npurpose = \"comm.public_publication\"\norder = \"AP 1\"\nfrom = 2026-11-20\nuntil = 2026-12-20\nby = \"DGS\"\nreason = \"arrêté\"\n",
    ),
    (
        "camera",
        "version = 1\n[[suspended]]\ncamera = \"cam-12\"\norder = \"AP 2\"\nby = \"DGS\"\nreason = \"panne\"\n",
    ),
    (
        "all",
        "version = 1\n[[suspended]]\nall = true\norder = \"CNIL\"\nuntil = 2026-11-20\nby = \"DGS\"\nreason = \"mise en demeure\"\n",
    ),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let short = short_rules();
    write("rules", "short.toml", &short)?;
    write("rules", "shipped.toml", BUILTIN)?;
    let half = short.len() / 2;
    write("rules", "cut.toml", &short.as_bytes()[..half])?;
    write(
        "rules",
        "past-review.toml",
        short.replace("review_by = 2027", "review_by = 2026"),
    )?;
    write("rules", "empty.toml", "")?;
    for (name, text) in targets::FORMS {
        write("form", &format!("{name}.toml"), text)?;
    }
    let keys = [targets::key().public()];
    for (name, token) in targets::tokens() {
        write("token", &format!("{name}.biscuit"), token)?;
        write(
            "facts",
            &format!("{name}.datalog"),
            mandate::unverified_source(token)?,
        )?;
        let narrowing = Narrowing {
            cameras: vec!["cam-12".into()],
            operators: vec!["a-0417".into()],
            until: Some(targets::noon()),
            ..Narrowing::default()
        };
        write(
            "token",
            &format!("{name}.narrowed.biscuit"),
            mandate::narrow(token, &keys, &narrowing)?,
        )?;
    }
    for (name, text) in BLOCKS {
        BlockBuilder::new().code(text)?;
        write("blocks", &format!("{name}.datalog"), text)?;
    }
    let calendar = privacy_policy::calendar::BUILTIN;
    let past = calendar
        .replace("2026-10-01", "2026-01-01")
        .replace("2027-05-02", "2026-11-20");
    write("calendar", "shipped.toml", calendar)?;
    write("calendar", "past.toml", &past)?;
    write(
        "calendar",
        "tomorrow.toml",
        past.replace("2027-09-01", "2026-11-22"),
    )?;
    write(
        "calendar",
        "outlived.toml",
        past.replace("2027-11-21", "2026-11-21"),
    )?;
    write(
        "calendar",
        "elsewhere.toml",
        calendar.replace("\"*\"", "\"dept:2A\""),
    )?;
    for (name, text) in REVOCATIONS {
        write("revocations", &format!("{name}.toml"), text)?;
    }
    Ok(())
}
