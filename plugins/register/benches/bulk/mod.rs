// SPDX-License-Identifier: MIT OR Apache-2.0
//! A large register in little time: the same files as `Register` writes, each once and without waiting for the disk.

use std::{fs, path::Path};

use privacy_register::Register;
use signed_note::{Note, StandardSigner};
use tlog_tiles::{Checkpoint, Hash, Tile, node_hash};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Writes the tiles of a tree, and the bundles of those entries whose bodies are given.
pub struct Bulk<'a> {
    dir: &'a Path,
    size: u64,
    /// The incomplete tile of each level, lowest first.
    levels: Vec<Vec<Hash>>,
    bundle: Vec<u8>,
}

impl<'a> Bulk<'a> {
    /// An empty register in `dir`, with a new key.
    pub fn new(dir: &'a Path) -> Fallible<Self> {
        Register::init(dir, "gst-privacy/bench")?;
        Ok(Self {
            dir,
            size: 0,
            levels: Vec::new(),
            bundle: Vec::new(),
        })
    }

    /// Adds a body to the bundle at hand. A bundle of which one is given must be given whole.
    pub fn body(&mut self, body: &[u8]) -> Fallible<()> {
        self.bundle.extend(u16::try_from(body.len())?.to_be_bytes());
        self.bundle.extend(body);
        Ok(())
    }

    /// Adds the leaf hash of the next entry.
    pub fn leaf(&mut self, leaf: Hash) -> Fallible<()> {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(hash);
            if self.levels[level].len() < 256 {
                break;
            }
            let full = std::mem::take(&mut self.levels[level]);
            self.write(level as u8, &full)?;
            hash = root(&full);
        }
        Ok(())
    }

    /// Writes what is incomplete, and the checkpoint.
    pub fn finish(mut self) -> Fallible<()> {
        let mut right = None;
        for (level, mut hashes) in std::mem::take(&mut self.levels).into_iter().enumerate() {
            if !hashes.is_empty() {
                self.write(level as u8, &hashes)?;
            }
            hashes.extend(right);
            right = (!hashes.is_empty()).then(|| root(&hashes));
        }
        let key = fs::read_to_string(self.dir.join("keys/register.key"))?;
        let signer = StandardSigner::new(key.trim())?;
        let root = right.unwrap_or(tlog_tiles::EMPTY_HASH);
        let checkpoint = Checkpoint::new("gst-privacy/bench", self.size, root, "")
            .map_err(|_| "a checkpoint")?;
        let mut note = Note::new(&checkpoint.to_bytes(), &[])?;
        note.add_sigs(&[&signer])?;
        fs::write(self.dir.join("checkpoint"), note.to_bytes())?;
        // As a copy to be read: the journal is that of an empty register.
        for name in ["journal", "lock"] {
            let _ = fs::remove_file(self.dir.join(name));
        }
        Ok(())
    }

    fn write(&mut self, level: u8, hashes: &[Hash]) -> Fallible<()> {
        // The index of the tile that the last leaf falls into.
        let index = (self.size - 1) >> (8 * (u32::from(level) + 1));
        let write = |path: String, bytes: &[u8]| -> Fallible<()> {
            let path = self.dir.join(path);
            fs::create_dir_all(path.parent().ok_or("no folder")?)?;
            Ok(fs::write(path, bytes)?)
        };
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        let tile = Tile::new(8, level, index, hashes.len() as u32, false).path();
        write(tile.replacen("tile/8/", "tile/", 1), &bytes)?;
        if level == 0 && !self.bundle.is_empty() {
            let bundle = Tile::new(8, 0, index, hashes.len() as u32, true).path();
            write(
                bundle.replacen("tile/8/data/", "tile/entries/", 1),
                &self.bundle,
            )?;
            self.bundle.clear();
        }
        Ok(())
    }
}

/// Root over a list of nodes that is not empty (RFC 6962 §2.1).
fn root(nodes: &[Hash]) -> Hash {
    match nodes {
        [one] => *one,
        _ => {
            let (left, right) = nodes.split_at(nodes.len().next_power_of_two() / 2);
            node_hash(root(left), root(right))
        }
    }
}

/// The body of entry `n`, of 600 to 1,500 bytes: the opening entries of exports, each followed by its closing entry.
pub fn body(n: u64) -> Fallible<Vec<u8>> {
    use privacy_register::*;
    let mut entry = Entry::new(Operation::Extract);
    entry.session = format!("5f0c4d1e-{:08x}", n / 2);
    entry.purpose_id = "judicial.requisition_extract".into();
    entry.purpose_label_fr = "Réquisition judiciaire : extraction".into();
    entry.motif = format!("réquisition nº 2026/{n}, vol à l'étalage");
    entry.agent = Some(Agent {
        id: "a-0417".into(),
        capacity: "opérateur".into(),
        habilitation_ref: "H-2025-17".into(),
    });
    entry.destinataire = Some(Recipient::Somebody {
        name: "OPJ 3321".into(),
        service: "commissariat central".into(),
        capacity: "OPJ".into(),
    });
    entry.rules_version = "1".into();
    entry.cameras = vec![format!("cam-{:03}", n % 500)];
    entry.host_id = "csu-1".into();
    if n.is_multiple_of(2) {
        entry.phase = Some(Phase::Open);
    } else {
        entry.phase = Some(Phase::Close);
        entry.prior_entry_seq = Some(n - 1);
        entry.anonymisation = Some(Anonymisation {
            required: "pixelate".into(),
            applied: "pixelate".into(),
            frames_in: 1500,
            frames_total: 1500,
            proof_root: "ab".repeat(32),
            counted_at: "exit".into(),
            ..Default::default()
        });
        entry.output = Some(Output {
            sink_class: "auditsink".into(),
            media_id: format!("export-{n}.mp4"),
            media_type: "video/quicktime".into(),
            sha256: "cd".repeat(32),
            bytes: 12_345_678,
            duration_ns: Some(60_000_000_000),
            first_pts_ns: Some(0),
            last_pts_ns: Some(59_960_000_000),
        });
        entry.models = vec![Model {
            sha256: "ef".repeat(32),
        }];
    }
    let refs = "r".repeat((n % 7 * 40) as usize);
    entry.more.insert("legal_refs".into(), refs.into());
    let time = jiff::Timestamp::from_millisecond(1_795_000_000_000 + n as i64)?;
    let record = Record {
        schema: SCHEMA.into(),
        seq: n,
        timestamp: time,
        salt: format!("{n:032x}"),
        entry,
    };
    Ok(record.to_bytes()?)
}
