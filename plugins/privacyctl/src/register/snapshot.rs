// SPDX-License-Identifier: MIT OR Apache-2.0
//! Texts and pages compared with those kept in `tests/snapshots`. `UPDATE_SNAPSHOTS=1` writes them anew.

use std::{fs, path::Path};

pub fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let at = kept
        .lines()
        .zip(text.lines())
        .position(|(kept, now)| kept != now);
    assert!(
        kept == text,
        "{} differs, from line {} on; look at it, then set UPDATE_SNAPSHOTS=1",
        path.display(),
        at.map_or(kept.lines().count().min(text.lines().count()) + 1, |at| at
            + 1)
    );
}
