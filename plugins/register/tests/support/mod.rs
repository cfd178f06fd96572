// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests that attack a register share.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use privacy_register::{Agent, Entry, Operation, Register};

pub const ORIGIN: &str = "gst-privacy/test";

/// An entry that stands alone, of a size of its own.
pub fn entry(n: usize) -> Entry {
    let mut entry = Entry::new(Operation::Consult);
    entry.purpose_id = "vp.live_view.public_road".into();
    entry.motif = format!("motif nº {n}{}", "·".repeat(n * 7 % 23));
    entry.agent = Some(Agent {
        id: format!("a-{n:04}"),
        ..Default::default()
    });
    entry
}

/// The time of the `n`th entry.
pub fn at(n: usize) -> Timestamp {
    let start: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(n as i64)
}

/// Appends the entries from the size of the register up to `size`.
pub fn fill(register: &mut Register, size: usize) {
    for n in register.size() as usize..size {
        let index = register.append_at(&entry(n), at(n)).unwrap();
        assert_eq!(index, n as u64);
    }
}

/// Every file below `dir`, sorted; none when it is not there.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).into_iter().flatten() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Makes `to` a copy of the folder `from`, whatever was there.
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for path in files_below(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, &target).unwrap();
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// A number from 0 up to, not including, `below`.
    pub fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

/// The bodies of the published entries, read by hand. An erased body is empty.
pub fn published(dir: &Path) -> Vec<Vec<u8>> {
    let checkpoint = fs::read_to_string(dir.join("checkpoint")).unwrap();
    let size: usize = checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let mut bodies = Vec::new();
    while bodies.len() < size {
        let (index, width) = (bodies.len() / 256, (size - bodies.len()).min(256));
        let partial = match width {
            256 => String::new(),
            _ => format!(".p/{width}"),
        };
        let bundle = fs::read(dir.join(format!("tile/entries/{index:03}{partial}"))).unwrap();
        assert!(!bundle.is_empty(), "bundle {index} is empty");
        let mut rest = &bundle[..];
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (body, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            bodies.push(body.to_vec());
            rest = after;
        }
    }
    assert_eq!(bodies.len(), size);
    bodies
}
