// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tampering: each attack on a register is found by `verify`, or by whoever kept a checkpoint of it elsewhere.

mod support;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use privacy_register::*;
use support::{ORIGIN, Random, at, copy, entry, files_below, fill, published};
use tlog_tiles::{node_hash, record_hash};

/// A register under attack.
struct Scene {
    tmp: tempfile::TempDir,
    key: VerifierKey,
    /// What an inspector noted before the last entries were written.
    earlier: SignedCheckpoint,
    /// What somebody noted after the last.
    last: SignedCheckpoint,
    /// The body of every entry.
    bodies: Vec<Vec<u8>>,
    /// Of these, in the tiles.
    in_tiles: usize,
}

impl Scene {
    /// A register with `in_tiles` entries published and `waiting` in its journal.
    fn new(in_tiles: usize, waiting: usize) -> Self {
        // In memory, where there is such a folder: thousands of copies are made.
        let memory = Path::new("/dev/shm");
        let tmp = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let dir = tmp.path().join("register");
        let mut register = Register::init(&dir, ORIGIN).unwrap();
        fill(&mut register, in_tiles.saturating_sub(1).max(1));
        let earlier = register.checkpoint().unwrap();
        copy(&dir, &tmp.path().join("older"));
        fill(&mut register, in_tiles);
        register.checkpoint().unwrap();
        fill(&mut register, in_tiles + waiting);
        // Dropped, it would publish what waits.
        copy(&dir, &tmp.path().join("whole"));
        let last = register.checkpoint().unwrap();
        let bodies = published(&dir);
        assert_eq!(bodies.len(), in_tiles + waiting);
        Self {
            key: register.verifier_key(),
            tmp,
            earlier,
            last,
            bodies,
            in_tiles,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    /// A fresh copy to attack.
    fn copy(&self) -> PathBuf {
        let dir = self.path("attacked");
        copy(&self.path("whole"), &dir);
        dir
    }

    /// Judges an attack that was made without the key. Returns what found it: nothing, verify, or a checkpoint.
    fn judge(&self, dir: &Path, what: &str) -> Found {
        let found = self.look(dir, what);
        self.open(dir, what, found);
        found
    }

    /// What those who read find.
    fn look(&self, dir: &Path, what: &str) -> Found {
        let prefix = |bodies: &[Vec<u8>]| self.bodies.starts_with(bodies);
        match verify(dir, &self.key) {
            Err(error) => {
                let text = error.to_string();
                let named = ["entry ", "entries ", "checkpoint", "journal", "tile/"];
                assert!(
                    named.iter().any(|name| text.contains(name)),
                    "{what}: \"{text}\" names nothing"
                );
                Found::Verify
            }
            Ok(report) => {
                assert!(report.entries >= self.in_tiles as u64, "{what}");
                // Whatever verifies is what was written.
                let reader = Reader::open(dir).unwrap();
                assert_eq!(reader.size(), report.entries, "{what}");
                let read: Vec<Vec<u8>> = reader
                    .iter(0..reader.size())
                    .map(|item| item.unwrap().1)
                    .collect();
                assert!(prefix(&read), "{what}: verifies with other entries");
                match verify_since(dir, &self.key, self.last.bytes()) {
                    Ok(_) => Found::Nothing,
                    Err(error) => {
                        assert!(
                            matches!(error, VerifyError::Forked { .. }),
                            "{what}: {error}"
                        );
                        Found::Checkpoint
                    }
                }
            }
        }
    }

    /// Whatever was done, nobody signs over it.
    fn open(&self, dir: &Path, what: &str, found: Found) {
        let prefix = |bodies: &[Vec<u8>]| self.bodies.starts_with(bodies);
        if let Ok(mut register) = Register::open_within(dir, None, Duration::ZERO)
            && register.checkpoint().is_ok()
        {
            // Opening looks at the edge alone, and may put right what follows from the entries.
            match verify(dir, &self.key) {
                Ok(_) => {
                    let now = published(dir);
                    let gone = now.len() < self.in_tiles;
                    assert!(!gone, "{what}: opened, and entries are gone");
                    assert!(prefix(&now), "{what}: opened, and other entries are signed");
                }
                Err(_) => assert_eq!(found, Found::Verify, "{what}: spoilt by opening"),
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// And nothing was changed.
    Nothing,
    Verify,
    /// By comparing with a checkpoint kept elsewhere.
    Checkpoint,
}

/// Files that verifying does not read. Whoever can change the key can sign; the rest carries nothing.
fn ignored(name: &str) -> bool {
    ["lock", "register.pub", "keys/register.key"].contains(&name) || name.starts_with("live/")
}

fn relative(path: &Path, dir: &Path) -> String {
    path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()
}

/// Where the records of the present generation stand in a journal: each entry is followed by its head.
fn records(journal: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 8192;
    while journal[at..].starts_with(&journal[32..40]) {
        let length = u32::from_le_bytes(*journal[at + 12..].first_chunk().unwrap());
        let end = at + 56 + (length as usize).next_multiple_of(8);
        found.push(at..end);
        at = end;
    }
    found
}

/// Bytes of a journal that say something: both headers and the records; the rest is room for more.
fn said_by_journal(journal: &[u8]) -> Vec<usize> {
    let end = records(journal).last().map_or(8192, |last| last.end);
    (0..104).chain(4096..4200).chain(8192..end).collect()
}

/// Flips those bytes of every file that `choose` chooses.
fn flips(scene: &Scene, mut choose: impl FnMut(Vec<usize>) -> Vec<usize>) {
    let whole = scene.path("whole");
    let (mut tried, mut found) = (0, 0);
    for path in files_below(&whole) {
        let name = relative(&path, &whole);
        if ignored(&name) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let all = match name.as_str() {
            "journal" => said_by_journal(&bytes),
            _ => (0..bytes.len()).collect(),
        };
        let records = match name.as_str() {
            "journal" => records(&bytes),
            _ => Vec::new(),
        };
        // The last commit can be torn by a crash as well: that it was there, a checkpoint over it shows.
        let last = records.iter().rev().nth(1).map_or(0, |entry| entry.start);
        let mut dir = scene.copy();
        for at in choose(all) {
            tried += 1;
            let what = format!("bit {} of byte {at} of {name}", at % 8);
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1 << (at % 8);
            fs::write(dir.join(&name), spoilt).unwrap();
            let found_by = scene.look(&dir, &what);
            // Opening is slower, and changes what comes after.
            if tried % 8 == 0 {
                scene.open(&dir, &what, found_by);
                dir = scene.copy();
            }
            fs::write(dir.join(&name), &bytes).unwrap();
            match found_by {
                Found::Verify => found += 1,
                // Of two copies of the header the other is left.
                Found::Nothing => assert!(name == "journal" && at < 8192, "{what}: not found"),
                Found::Checkpoint => assert!(name == "journal" && at >= last, "{what}"),
            }
        }
    }
    println!(
        "{} entries, {} of them waiting: {tried} bytes flipped, {found} found by verify alone",
        scene.bodies.len(),
        scene.bodies.len() - scene.in_tiles
    );
}

/// Every byte that says something, of every file of small registers.
#[test]
fn each_flipped_byte_of_small_registers() {
    flips(&Scene::new(2, 2), |all| all);
    flips(&Scene::new(1, 0), |all| all);
}

/// Some bytes of every file of registers with one tile, more than one, and none that is full.
#[test]
fn flipped_bytes_of_large_registers() {
    let seed = 257;
    let mut random = Random(seed);
    println!("seed {seed}");
    for (in_tiles, waiting) in [(256, 1), (257, 0), (250, 10), (700, 3)] {
        flips(&Scene::new(in_tiles, waiting), |all| {
            (0..10).map(|_| all[random.below(all.len())]).collect()
        });
    }
}

/// Whoever can write to the files and has no key puts an entry behind the last signed one, as a crash could leave it.
/// It is seen, and never signed.
#[test]
fn an_entry_forged_behind_the_last_head_is_never_signed() {
    use sha2::{Digest, Sha256};
    for waiting in [0, 2] {
        let scene = Scene::new(3, waiting);
        let dir = scene.copy();
        let path = dir.join("journal");
        let mut journal = fs::read(&path).unwrap();
        let records = records(&journal);
        let at = records.last().map_or(8192, |last| last.end);
        let before = match records.last() {
            Some(last) => journal[last.start + 40..last.start + 56].to_vec(),
            None => journal[88..104].to_vec(),
        };
        let seq = 3 + waiting;
        let record = Record {
            schema: SCHEMA.into(),
            seq: seq as u64,
            timestamp: support::at(seq),
            salt: "00".repeat(16),
            entry: entry(666),
        };
        let body = record.to_bytes().unwrap();
        let id = journal[32..48].to_vec();
        let mut forged = id[..8].to_vec();
        forged.extend(1u32.to_le_bytes());
        forged.extend((body.len() as u32).to_le_bytes());
        forged.extend((waiting as u64 + 1).to_le_bytes());
        forged.extend(before);
        let mut hasher = Sha256::new();
        hasher.update(&id);
        hasher.update((at as u64).to_le_bytes());
        hasher.update(&forged);
        hasher.update(record_hash(&body).0);
        forged.extend(&hasher.finalize()[..16]);
        forged.extend(&body);
        forged.resize(forged.len().next_multiple_of(8), 0);
        journal[at..at + forged.len()].copy_from_slice(&forged);
        fs::write(&path, journal).unwrap();
        let error = verify(&dir, &scene.key).unwrap_err();
        let named = matches!(&error, VerifyError::Unsigned(name) if name.index == seq as u64);
        assert!(
            named,
            "the test no longer forges what the journal reads: {error}"
        );
        let mut register = Register::open(&dir, None).unwrap();
        register.checkpoint().unwrap();
        assert_eq!(
            published(&dir),
            scene.bodies,
            "an entry that nobody with a key wrote is signed"
        );
        verify(&dir, &scene.key).unwrap();
    }
}

/// Each file removed, emptied, cut short or made longer.
#[test]
fn each_missing_or_cut_file() {
    for (in_tiles, waiting) in [(1, 0), (3, 2), (256, 1), (257, 0), (700, 5)] {
        let scene = Scene::new(in_tiles, waiting);
        let whole = scene.path("whole");
        for path in files_below(&whole) {
            let name = relative(&path, &whole);
            if ignored(&name) {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let current = in_tiles % 256;
            // Narrower copies are there for readers of earlier checkpoints; nothing is lost with them.
            let narrower = name.contains(".p/") && !name.ends_with(&format!(".p/{current}"));
            let half = bytes.len() / 2;
            let ends: [(&str, Option<Vec<u8>>); 5] = [
                ("removed", None),
                ("emptied", Some(Vec::new())),
                ("cut in half", Some(bytes[..half].to_vec())),
                ("cut by a byte", Some(bytes[..bytes.len() - 1].to_vec())),
                ("made longer", Some([&bytes[..], b"x"].concat())),
            ];
            for (how, change) in ends {
                let dir = scene.copy();
                match &change {
                    None => fs::remove_file(dir.join(&name)).unwrap(),
                    Some(bytes) => fs::write(dir.join(&name), bytes).unwrap(),
                }
                let what = format!("{in_tiles}+{waiting} entries, {name} {how}");
                let found = scene.judge(&dir, &what);
                match found {
                    Found::Verify => {}
                    Found::Nothing => assert!(
                        narrower && change.is_none() || name == "journal" && waiting == 0,
                        "{what}: not found"
                    ),
                    Found::Checkpoint => assert!(name == "journal" && waiting > 0, "{what}"),
                }
            }
        }
    }
}

/// Writes bundles and tiles over `bodies`, as somebody does who knows the format and not the key.
fn rewrite(dir: &Path, bodies: &[Vec<u8>]) {
    fs::remove_dir_all(dir.join("tile")).unwrap();
    let partial = |width: usize| match width {
        256 => String::new(),
        _ => format!(".p/{width}"),
    };
    let put = |path: String, bytes: &[u8]| {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let mut above = Vec::new();
    for (index, some) in bodies.chunks(256).enumerate() {
        let mut bundle = Vec::new();
        let mut hashes = Vec::new();
        for body in some {
            bundle.extend((body.len() as u16).to_be_bytes());
            bundle.extend(body);
            hashes.push(record_hash(body));
        }
        let end = partial(some.len());
        put(format!("tile/entries/{index:03}{end}"), &bundle);
        let tile: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        put(format!("tile/0/{index:03}{end}"), &tile);
        if some.len() == 256 {
            while hashes.len() > 1 {
                let pair = |two: &[Hash]| node_hash(two[0], two[1]);
                hashes = hashes.chunks(2).map(pair).collect();
            }
            above.extend(hashes[0].0);
        }
    }
    if !above.is_empty() {
        let end = partial(above.len() / 32);
        put(format!("tile/1/000{end}"), &above);
    }
}

/// Entries exchanged, removed, doubled, changed or put in, with every hash computed anew.
#[test]
fn entries_rearranged_with_their_hashes() {
    let mut random = Random(6962);
    for size in [3, 256, 257, 700] {
        let scene = Scene::new(size, 0);
        // The instrument itself: the same entries make the same register.
        let dir = scene.copy();
        rewrite(&dir, &scene.bodies);
        assert_eq!(scene.judge(&dir, "nothing changed"), Found::Nothing);
        for _ in 0..8 {
            let (one, two) = (random.below(size), random.below(size - 1));
            let two = if two >= one { two + 1 } else { two };
            type Attack = fn(&mut Vec<Vec<u8>>, usize, usize);
            let attacks: [(&str, Attack); 5] = [
                ("exchanged", |b, one, two| b.swap(one, two)),
                ("removed", |b, one, _| {
                    b.remove(one);
                }),
                ("doubled", |b, one, two| b[two] = b[one].clone()),
                ("put in", |b, one, two| b.insert(two, b[one].clone())),
                ("changed", |b, one, _| {
                    let at = b[one].len() / 2;
                    b[one][at] ^= 1;
                }),
            ];
            for (how, attack) in attacks {
                let mut bodies = scene.bodies.clone();
                attack(&mut bodies, one, two);
                rewrite(&dir, &bodies);
                let what = format!("{size} entries, {one} {how} ({two})");
                let error = verify(&dir, &scene.key).unwrap_err().to_string();
                assert!(error.contains("entr"), "{what}: {error}");
                assert!(
                    Register::open_within(&dir, None, Duration::ZERO).is_err()
                        || published(&dir) == scene.bodies,
                    "{what}: signed"
                );
                let _ = fs::remove_dir_all(&dir);
                scene.copy();
            }
        }
    }
}

/// Journals of another time or another register in the place of this one's.
#[test]
fn journals_of_other_times() {
    let scene = Scene::new(5, 3);
    // Of before the last entries were published: they are there already.
    let older = fs::read(scene.path("older/journal"));
    let other = Scene::new(5, 2);
    let foreign = fs::read(other.path("whole/journal"));
    for (what, journal) in [("older", older), ("another register's", foreign)] {
        let Ok(journal) = journal else {
            continue;
        };
        let dir = scene.copy();
        fs::write(dir.join("journal"), journal).unwrap();
        let found = scene.judge(&dir, what);
        assert_ne!(found, Found::Nothing, "{what}: three entries are gone");
    }
    // The journal before the tiles caught up with it, beside the tiles after: what a crash leaves, and no harm.
    let register = scene.path("register");
    fs::copy(scene.path("whole/journal"), register.join("journal")).unwrap();
    assert_eq!(scene.judge(&register, "already published"), Found::Nothing);
    // And beside tiles that are older than it: entries in between are missing.
    let dir = scene.path("attacked");
    copy(&scene.path("older"), &dir);
    fs::copy(scene.path("whole/journal"), dir.join("journal")).unwrap();
    let error = verify(&dir, &scene.key).unwrap_err().to_string();
    assert!(error.contains("journal"), "{error}");
    assert!(Register::open(&dir, None).is_err());
}

/// The cosigned checkpoint in the register: any change of it is refused, and so is its absence.
#[test]
fn the_cosigned_checkpoint_is_believed_whole_or_not_at_all() {
    use privacy_register::witness::{WITNESSED, WitnessState, submit_through};
    let scene = Scene::new(3, 0);
    let key = WitnessKey::generate("witness.example/w1").unwrap();
    let verifier = key.verifier().clone();
    let state = scene.path("witness");
    WitnessState::init(&state, &key).unwrap();
    let witness = WitnessState::open(&state, key, std::slice::from_ref(&scene.key)).unwrap();
    let dir = scene.path("register");
    let post = |body: &[u8]| Ok(witness.add_checkpoint(body));
    assert_eq!(
        submit_through(post, &dir, &scene.key, &verifier)
            .unwrap()
            .size,
        3
    );
    let policy = format!("log {}\nwitness w1 {verifier}\nquorum w1\n", scene.key);
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let report = verify_witnessed(&dir, &scene.key, &policy).unwrap();
    assert_eq!((report.witnessed.size, report.younger), (3, 0));
    let path = dir.join(WITNESSED);
    let note = fs::read(&path).unwrap();
    for at in 0..note.len() {
        for bit in [0, 5] {
            let mut spoilt = note.clone();
            spoilt[at] ^= 1 << bit;
            fs::write(&path, spoilt).unwrap();
            let result = verify_witnessed(&dir, &scene.key, &policy);
            assert!(result.is_err(), "bit {bit} of byte {at} of {WITNESSED}");
        }
        fs::write(&path, &note[..at]).unwrap();
        let result = verify_witnessed(&dir, &scene.key, &policy);
        assert!(result.is_err(), "{WITNESSED} cut to {at} bytes");
    }
    fs::remove_file(&path).unwrap();
    let error = verify_witnessed(&dir, &scene.key, &policy).unwrap_err();
    assert!(error.to_string().contains(WITNESSED), "{error}");
    // An older copy with its older cosignature says how old it is, and no more than that.
    fs::write(&path, &note).unwrap();
    let mut register = Register::open(&dir, None).unwrap();
    fill(&mut register, 5);
    register.checkpoint().unwrap();
    let report = verify_witnessed(&dir, &scene.key, &policy).unwrap();
    assert_eq!((report.witnessed.size, report.younger), (3, 2));
}

/// The register `name`: that of the scene with other entries from `same` on, signed with its key.
fn history(scene: &Scene, name: &str, same: usize, size: usize) -> PathBuf {
    let dir = scene.path(name);
    copy(&scene.path("older"), &dir);
    for file in ["checkpoint", "register.pub", "journal"] {
        let _ = fs::remove_file(dir.join(file));
    }
    fs::remove_dir_all(dir.join("tile")).unwrap();
    let mut register = Register::init(&dir, ORIGIN).unwrap();
    for n in 0..size {
        let other = if n < same { 0 } else { 1000 };
        register.append_at(&entry(n + other), at(n)).unwrap();
    }
    register.checkpoint().unwrap();
    dir
}

/// The register `name`: an older copy that went on with `entry(n + other)`.
fn gone_on(scene: &Scene, name: &str, other: usize, size: usize) -> PathBuf {
    let dir = scene.path(name);
    copy(&scene.path("older"), &dir);
    let mut register = Register::open(&dir, None).unwrap();
    for n in register.size() as usize..size {
        register.append_at(&entry(n + other), at(n)).unwrap();
    }
    register.checkpoint().unwrap();
    dir
}

/// What is found by whom, as the README says it.
#[test]
fn what_needs_a_witness() {
    let scene = Scene::new(300, 4);
    let mut table = String::from(
        "| who | what | `verify`, with the key from elsewhere | and a checkpoint from elsewhere |\n|---|---|---|---|\n",
    );
    let mut row = |who: &str, what: &str, attacked: &[PathBuf], since: &SignedCheckpoint| {
        let mut found = Vec::new();
        for dir in attacked {
            let alone = verify(dir, &scene.key);
            let compared = verify_since(dir, &scene.key, since.bytes());
            // A comparison never finds less.
            assert!(alone.is_ok() || compared.is_err(), "{what}");
            found.push((alone.is_err(), compared.is_err()));
        }
        found.dedup();
        let [(alone, compared)] = found[..] else {
            panic!("{what}: some are found and some are not: {found:?}");
        };
        let word = |found| if found { "finds it" } else { "**does not**" };
        let (alone, compared) = (word(alone), word(compared));
        table += &format!("| {who} | {what} | {alone} | {compared} |\n");
    };
    let mut made = 0;
    let mut spoil = |spoil: &dyn Fn(&Path)| {
        made += 1;
        let dir = scene.path(&format!("spoilt-{made}"));
        copy(&scene.path("whole"), &dir);
        spoil(&dir);
        dir
    };
    let flip = |dir: &Path, name: &str| {
        let mut bytes = fs::read(dir.join(name)).unwrap();
        bytes[99] ^= 1;
        fs::write(dir.join(name), bytes).unwrap();
    };
    let bodies = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut bodies = scene.bodies[..300].to_vec();
        change(&mut bodies);
        bodies
    };

    let files = "writes to the files";
    let attacked = [
        spoil(&|dir| flip(dir, "tile/entries/001.p/44")),
        spoil(&|dir| flip(dir, "tile/entries/000")),
        spoil(&|dir| flip(dir, "tile/0/000")),
        spoil(&|dir| flip(dir, "checkpoint")),
    ];
    let what = "changes an entry, a hash or the checkpoint";
    row(files, what, &attacked, &scene.last);
    let attacked = [
        spoil(&|dir| rewrite(dir, &bodies(&|b| b.swap(7, 280)))),
        spoil(&|dir| rewrite(dir, &bodies(&|b| drop(b.remove(7))))),
        spoil(&|dir| rewrite(dir, &bodies(&|b| b.insert(7, b[8].clone())))),
        spoil(&|dir| rewrite(dir, &bodies(&|b| b[7][99] ^= 1))),
    ];
    let what = "exchanges, removes, adds or changes entries, with every hash computed anew";
    row(files, what, &attacked, &scene.last);
    let attacked = [
        spoil(&|dir| fs::remove_file(dir.join("tile/entries/001.p/44")).unwrap()),
        spoil(&|dir| rewrite(dir, &bodies(&|b| b.truncate(250)))),
    ];
    row(files, "cuts off the published tail", &attacked, &scene.last);
    let attacked = [spoil(&|dir| {
        let emptied = bodies(&|b| b[7].clear());
        let tile = fs::read(dir.join("tile/0/000")).unwrap();
        rewrite(dir, &emptied);
        fs::write(dir.join("tile/0/000"), tile).unwrap();
        fs::copy(
            scene.path("whole/tile/1/000.p/1"),
            dir.join("tile/1/000.p/1"),
        )
        .unwrap();
    })];
    let what = "empties an entry, as if it were erased after its time";
    row(files, what, &attacked, &scene.last);
    let attacked = [scene.path("another key")];
    let mut register = Register::init(&attacked[0], ORIGIN).unwrap();
    fill(&mut register, 304);
    register.checkpoint().unwrap();
    drop(register);
    let what = "makes the register anew, signed with another key";
    row(files, what, &attacked, &scene.last);
    let attacked = [spoil(&|dir| {
        let mut journal = fs::read(dir.join("journal")).unwrap();
        let records = records(&journal);
        let (entry, head) = (&records[records.len() - 2], &records[records.len() - 1]);
        journal[entry.start..head.end].fill(0);
        fs::write(dir.join("journal"), journal).unwrap();
    })];
    let what = "cuts off the last entries of the journal, which are not published yet";
    row(files, what, &attacked, &scene.last);
    let attacked = [scene.path("older")];
    let what = "puts an older copy of the whole register back";
    row(files, what, &attacked, &scene.last);

    let key = "has the signing key";
    let attacked = [
        gone_on(&scene, "tail", 1000, 300),
        history(&scene, "tail anew", 290, 304),
    ];
    let what = "cuts off the tail and signs another one, of any length";
    row(key, what, &attacked, &scene.last);
    let attacked = [
        history(&scene, "history", 0, 304),
        history(&scene, "longer", 7, 400),
    ];
    row(key, "writes another history", &attacked, &scene.last);
    let attacked = [gone_on(&scene, "second host", 2000, 310)];
    let what = "goes on from a copy on a second host";
    row(key, what, &attacked, &scene.last);
    // Nobody outside knows the entries after `earlier`.
    let attacked = [
        scene.path("older"),
        gone_on(&scene, "young tail", 3000, 304),
    ];
    let what = "does one of these to entries younger than every checkpoint elsewhere";
    row("either", what, &attacked, &scene.earlier);
    let attacked = [gone_on(&scene, "lie", 4000, 299 + 1)];
    let what = "writes an entry of something that was not done";
    row(key, what, &attacked, &scene.earlier);

    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    println!("{table}");
    assert!(
        readme.contains(&table),
        "the README has another table than:\n{table}"
    );
}
