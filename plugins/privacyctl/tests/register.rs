// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register` as a user meets it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use privacy_register::{Agent, Entry, Operation, Phase, Recipient, Refusal, Register};

struct Site {
    tmp: tempfile::TempDir,
    dir: PathBuf,
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_privacyctl"))
        .arg("register")
        .args(args)
        .env("LC_ALL", "C")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

impl Site {
    fn empty() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("register");
        Self { tmp, dir }
    }

    /// A refusal, a closed extraction and a session left open.
    fn new() -> Self {
        let site = Self::empty();
        let made = run(&["init", site.dir(), "--origin", "gst-privacy/test"]);
        assert!(made.status.success(), "{}", err(&made));
        let mut register = Register::open(&site.dir, None).unwrap();
        let mut refusal = Entry::new(Operation::Refuse);
        refusal.refusal = Some(Refusal {
            code: "NO_MANDATE".into(),
            ..Default::default()
        });
        register.append(&refusal).unwrap();
        let mut extract = Entry::new(Operation::Extract);
        extract.session = "s-1".into();
        extract.phase = Some(Phase::Open);
        extract.purpose_id = "judicial.requisition_extract".into();
        extract.motif = "réquisition 2026/114\u{1b}[2J\u{202e}".into();
        extract.agent = Some(Agent {
            id: "a-0417".into(),
            ..Default::default()
        });
        extract.destinataire = Some(Recipient::Somebody {
            name: "OPJ 3321".into(),
            service: "commissariat".into(),
            capacity: String::new(),
        });
        register.append(&extract).unwrap();
        extract.phase = Some(Phase::Close);
        extract.prior_entry_seq = Some(1);
        register.append(&extract).unwrap();
        extract.phase = Some(Phase::Open);
        extract.prior_entry_seq = None;
        extract.session = "s-2".into();
        register.append(&extract).unwrap();
        site
    }

    fn dir(&self) -> &str {
        self.dir.to_str().unwrap()
    }
}

#[test]
fn a_register_is_made_once_with_a_key_of_its_own() {
    let site = Site::empty();
    let made = run(&["init", site.dir(), "--origin", "gst-privacy/test"]);
    assert!(made.status.success(), "{}", err(&made));
    let key = fs::read_to_string(site.dir.join("register.pub")).unwrap();
    assert!(out(&made).contains(key.trim()));
    assert!(key.starts_with("gst-privacy/test+"));
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &str| {
        let metadata = fs::metadata(site.dir.join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("keys/register.key"), 0o600);
    assert_eq!(mode("keys"), 0o700);
    assert!(!out(&made).contains("PRIVATE"));
    let again = run(&["init", site.dir(), "--origin", "gst-privacy/test"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("holds a register already"));

    let other = site.tmp.path().join("other");
    let bad = run(&["init", other.to_str().unwrap(), "--origin", "two words"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(err(&bad).contains("two words"));
    let named = run(&["init", other.to_str().unwrap()]);
    assert!(named.status.success(), "{}", err(&named));
    assert!(out(&named).contains("gst-privacy/"));
}

#[test]
fn verify_counts_and_names_what_was_interrupted() {
    let site = Site::new();
    let good = run(&["verify", site.dir()]);
    let text = out(&good);
    assert!(good.status.success(), "{text}");
    assert!(text.starts_with("register verified: yes\n"));
    for line in [
        "entries        4",
        "sessions       2",
        "interrupted    1",
        "refusals       1",
        "entry 3, ",
        "found in the register itself",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let french = out(&run(&["verify", site.dir(), "--lang", "fr"]));
    assert!(french.starts_with("register verified: yes\n"));
    assert!(french.contains("mentions       4") && french.contains("jamais close"));
    // A key from elsewhere.
    let key = site.tmp.path().join("copy.pub");
    fs::copy(site.dir.join("register.pub"), &key).unwrap();
    let text = out(&run(&[
        "verify",
        site.dir(),
        "--key",
        key.to_str().unwrap(),
    ]));
    assert!(text.starts_with("register verified: yes\n") && !text.contains("itself"));
}

#[test]
fn a_changed_entry_is_named_and_the_status_is_one() {
    let site = Site::new();
    let path = site.dir.join("tile/entries/000.p/4");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).rposition(|w| w == b"3321").unwrap();
    bytes[at] = b'4';
    fs::write(&path, bytes).unwrap();
    let bad = run(&["verify", site.dir()]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        out(&bad).starts_with("register verified: NO\nentry 3 (extract, "),
        "{}",
        out(&bad)
    );
    let french = out(&run(&["verify", site.dir(), "--lang", "fr"]));
    assert!(french.contains("la mention 3 (extraction, "), "{french}");
    assert!(french.contains("modifiée après sa signature"));
}

#[test]
fn a_register_that_cannot_be_verified_is_not_verified() {
    let site = Site::new();
    let bad = |args: &[&str], wanted: &str| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let text = out(&output);
        assert!(text.starts_with("register verified: NO\n"), "{text}");
        assert!(text.contains(wanted), "{wanted} in {text}");
    };
    bad(&["verify", "/nowhere"], "/nowhere");
    bad(&["verify", site.dir(), "--key", "/nowhere"], "/nowhere");
    let other = site.tmp.path().join("other");
    drop(Register::init(&other, "gst-privacy/test").unwrap());
    let key = other.join("register.pub");
    bad(
        &["verify", site.dir(), "--key", key.to_str().unwrap()],
        "is not signed by the key",
    );
    bad(
        &["verify", site.dir(), "--checkpoint", "/nowhere"],
        "/nowhere",
    );
    let theirs = other.join("checkpoint");
    bad(
        &[
            "verify",
            site.dir(),
            "--checkpoint",
            theirs.to_str().unwrap(),
        ],
        "earlier checkpoint",
    );
    let mine = site.tmp.path().join("kept");
    fs::copy(site.dir.join("checkpoint"), &mine).unwrap();
    let good = run(&["verify", site.dir(), "--checkpoint", mine.to_str().unwrap()]);
    assert!(good.status.success());
}

#[test]
fn show_prints_a_table_and_single_entries_in_two_languages() {
    let site = Site::new();
    let table = run(&["show", site.dir()]);
    assert!(table.status.success());
    let text = out(&table);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("no.") && lines[0].contains("recipient"));
    assert!(lines[1].contains("refuse NO_MANDATE"));
    assert!(
        lines[2].contains("réquisition 2026/114") && lines[2].contains("OPJ 3321, commissariat")
    );
    assert!(lines[2].contains("extract, opened") && lines[3].contains("closes 1"));
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{202e}'),
        "nothing moves the cursor"
    );
    assert!(err(&table).contains("not verified"));
    let french = out(&run(&["list", site.dir(), "--lang", "fr"]));
    assert!(french.contains("destinataire") && french.contains("clôt 1"));

    let one = run(&["show", site.dir(), "1"]);
    let text = out(&one);
    assert!(text.contains("\"motif\"") && text.contains("\"salt\"") && text.contains("\"seq\": 1"));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    let none = run(&["show", site.dir(), "9"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(err(&none).contains("no entry 9"));
    assert_eq!(run(&["show", "/nowhere"]).status.code(), Some(1));
}

#[test]
fn a_crash_is_recovered_and_old_entries_are_erased() {
    let site = Site::new();
    // As a crash leaves it: the entry is in the journal, the checkpoint does not cover it yet.
    let mut register = Register::open(&site.dir, None).unwrap();
    let mut entry = Entry::new(Operation::Config);
    entry.motif = "m".into();
    register.append(&entry).unwrap();
    let [before, journal] =
        ["checkpoint", "journal"].map(|name| fs::read(site.dir.join(name)).unwrap());
    register.checkpoint().unwrap();
    drop(register);
    fs::write(site.dir.join("checkpoint"), before).unwrap();
    // The journal goes on from the checkpoint that was lost: that is no crash, but an old copy.
    let bad = run(&["verify", site.dir()]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(out(&bad).contains("an old copy"), "{}", out(&bad));
    fs::write(site.dir.join("journal"), journal).unwrap();
    let waiting = run(&["verify", site.dir()]);
    assert!(waiting.status.success(), "{}", err(&waiting));
    assert!(
        out(&waiting).contains("not published  1"),
        "{}",
        out(&waiting)
    );
    let recovered = run(&["recover", site.dir()]);
    assert_eq!(
        out(&recovered),
        "5 entries, all signed\n",
        "{}",
        err(&recovered)
    );
    assert!(run(&["verify", site.dir()]).status.success());

    let purged = run(&["purge", site.dir()]);
    assert_eq!(out(&purged), "0 entries erased\n", "{}", err(&purged));
    for days in ["0", "1097"] {
        let refused = run(&["purge", site.dir(), "--keep-days", days]);
        assert_eq!(refused.status.code(), Some(2), "at most three years");
    }
    assert_eq!(run(&["recover", "/nowhere"]).status.code(), Some(1));
}

#[test]
fn an_erased_entry_says_so() {
    let site = Site::new();
    let mut register = Register::open(&site.dir, None).unwrap();
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    assert_eq!(register.purge(later, "test", later).unwrap(), 4);
    drop(register);
    let text = out(&run(&["show", site.dir()]));
    assert_eq!(text.matches("(erased after its time)").count(), 4, "{text}");
    assert_eq!(
        out(&run(&["show", site.dir(), "0"])),
        "(erased after its time)\n"
    );
    let text = out(&run(&["verify", site.dir()]));
    assert!(
        text.contains("entries        5 (4 erased after their time)"),
        "{text}"
    );
}
