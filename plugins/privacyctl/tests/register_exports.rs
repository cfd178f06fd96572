// SPDX-License-Identifier: MIT OR Apache-2.0
//! `privacyctl register list`, `export`, `report` and `agents` as a user meets them.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use jiff::Timestamp;
use privacy_register::{Agent, Entry, Operation, Phase, Recipient, Refusal, Register};
use serde_json::Value;

struct Site {
    tmp: tempfile::TempDir,
    dir: PathBuf,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_privacyctl"));
    command.arg("register").args(args).env("LC_ALL", "C");
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn told(args: &[&str], input: &str) -> Output {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn good(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", err(&output));
    out(&output)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn entry(operation: Operation, purpose: &str, agent: &str, camera: &str) -> Entry {
    let mut entry = Entry::new(operation);
    entry.purpose_id = purpose.into();
    entry.motif = "pour l'essai".into();
    entry.agent = Some(Agent {
        id: agent.into(),
        capacity: "csu_operator".into(),
        ..Default::default()
    });
    entry.cameras = vec![camera.into()];
    entry
}

impl Site {
    /// Entries: 0 refusal; 1 a viewing opened on 1 October at 23:00 and closed by 4 at 01:00; 2 and 3 an
    /// extraction; 5 another viewing, never closed.
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("register");
        let mut register = Register::init(&dir, "ville-exemple.fr/csu-1").unwrap();
        let mut append = |entry: &Entry, time: &str| register.append_at(entry, at(time)).unwrap();
        let mut refusal = Entry::new(Operation::Refuse);
        refusal.refusal = Some(Refusal {
            code: "NO_MANDATE".into(),
            ..Default::default()
        });
        append(&refusal, "2026-10-01T10:00:00+02:00");
        let mut view = entry(
            Operation::Consult,
            "vp.live_view.public_road",
            "a-0417",
            "cam-12",
        );
        view.session = "s-1".into();
        view.phase = Some(Phase::Open);
        append(&view, "2026-10-01T23:00:00+02:00");
        let mut extract = entry(
            Operation::Extract,
            "judicial.requisition_extract",
            "a-0031",
            "cam-13",
        );
        extract.session = "s-2".into();
        extract.phase = Some(Phase::Open);
        extract.motif = "=cmd|'/c calc'!A1 <script>alert(1)</script>".into();
        extract.destinataire = Some(Recipient::Somebody {
            name: "OPJ 3321".into(),
            service: "Commissariat".into(),
            capacity: "OPJ".into(),
        });
        extract.more.insert(
            "legal_refs".into(),
            serde_json::json!({"requisition": "PV 2026/01542"}),
        );
        append(&extract, "2026-10-01T23:30:00+02:00");
        extract.phase = Some(Phase::Close);
        extract.prior_entry_seq = Some(2);
        append(&extract, "2026-10-01T23:40:00+02:00");
        view.phase = Some(Phase::Close);
        view.prior_entry_seq = Some(1);
        append(&view, "2026-10-02T01:00:00+02:00");
        view.phase = Some(Phase::Open);
        view.prior_entry_seq = None;
        view.session = "s-3".into();
        append(&view, "2026-10-03T10:00:00+02:00");
        drop(register);
        Self { tmp, dir }
    }

    fn dir(&self) -> &str {
        self.dir.to_str().unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.tmp.path().join(name).display().to_string()
    }

    /// Indexes that `list` shows under a filter.
    fn listed(&self, filter: &[&str]) -> Vec<u64> {
        let text = good(&[&["list", self.dir()], filter].concat());
        let rows = text.lines().skip(1);
        rows.map(|row| row.split(' ').next().unwrap().parse().unwrap())
            .collect()
    }

    /// Changes a byte of an entry.
    fn tamper(&self) {
        let folder = self.dir.join("tile/entries/000.p");
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            if let Some(at) = bytes.windows(8).position(|w| w == b"OPJ 3321") {
                bytes[at + 7] = b'2';
                fs::write(&path, bytes).unwrap();
            }
        }
    }
}

#[test]
fn filters_choose_whole_operations() {
    let site = Site::new();
    let cases: [(&[&str], &[u64]); 18] = [
        (&[], &[0, 1, 2, 3, 4, 5]),
        (&["--operation", "extract"], &[2, 3]),
        (&["--operation", "refus"], &[0]),
        (&["--purpose", "vp"], &[1, 4, 5]),
        (&["--purpose", "judicial.requisition_extract"], &[2, 3]),
        (&["--agent", "a-0417"], &[1, 4, 5]),
        (&["--agent", "a-04"], &[]),
        (&["--camera", "cam-13"], &[2, 3]),
        (&["--recipient", "commissariat"], &[2, 3]),
        (&["--requisition", "pv 2026/01542"], &[2, 3]),
        (&["--to", "2026-10-01"], &[0, 1, 2, 3, 4]),
        (&["--from", "2026-10-02"], &[1, 4, 5]),
        (&["--from", "2026-10-02", "--to", "2026-10-02"], &[1, 4]),
        (&["--from", "2026-10-02T01:00:01+02:00"], &[5]),
        // Between its two entries, and long after one that was never closed.
        (
            &[
                "--from",
                "2026-10-02T00:10:00+02:00",
                "--to",
                "2026-10-02T00:20:00+02:00",
            ],
            &[1, 4],
        ),
        (&["--from", "2026-11-01"], &[5]),
        (&["--agent", "a-0417", "--camera", "cam-13"], &[]),
        (
            &[
                "--agent",
                "a-0031",
                "--camera",
                "cam-13",
                "--to",
                "2026-10-01",
            ],
            &[2, 3],
        ),
    ];
    for (filter, wanted) in cases {
        assert_eq!(site.listed(filter), wanted, "{filter:?}");
    }
    let some = run(&["list", site.dir(), "--camera", "cam-13", "--lang", "fr"]);
    assert!(err(&some).contains("2 mentions sur 6"), "{}", err(&some));
    for (bad, says) in [
        (
            &["--from", "2026-10-02", "--to", "2026-10-01"][..],
            "in the order of time",
        ),
        (&["--from", "tomorrow"], "2026-11-22"),
        (&["--operation", "view"], "consult"),
        (&["3", "--agent", "a-0417"], "cannot be used with"),
    ] {
        let refused = run(&[&["show", site.dir()], bad].concat());
        assert!(
            !refused.status.success() && err(&refused).contains(says),
            "{}",
            err(&refused)
        );
    }
}

#[test]
fn h15_a_register_is_exported_in_three_forms() {
    let site = Site::new();
    let csv = good(&["export", site.dir(), "--csv"]);
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let headings = rows.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        rows[row][headings.iter().position(|h| h == name).unwrap()].to_owned()
    };
    assert_eq!(rows.len(), 6);
    assert_eq!(
        cell(2, "reason"),
        "'=cmd|'/c calc'!A1 <script>alert(1)</script>"
    );
    assert_eq!(cell(2, "time_paris"), "2026-10-01T23:30:00+02:00");
    assert_eq!(
        (cell(3, "phase"), cell(3, "completes")),
        ("close".into(), "2".into())
    );
    assert_eq!(cell(0, "refusal_code"), "NO_MANDATE");
    let french = good(&[
        "export",
        site.dir(),
        "--csv",
        "--lang",
        "fr",
        "--agent",
        "a-0031",
    ]);
    assert!(french.starts_with("nº,état,date_utc,") && french.lines().count() == 3);

    let json: Value = serde_json::from_str(&good(&["export", site.dir(), "--json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 6);
    assert_eq!(json[2]["index"], 2);
    assert_eq!(
        json[2]["record"]["motif"],
        "=cmd|'/c calc'!A1 <script>alert(1)</script>"
    );
    assert_eq!(json[2]["leaf_hash"].as_str().unwrap().len(), 64);

    let file = site.path("register.html");
    let made = run(&[
        "export",
        site.dir(),
        "--html",
        "--lang",
        "fr",
        "--out",
        &file,
    ]);
    assert!(made.status.success(), "{}", err(&made));
    assert!(err(&made).starts_with("register verified: yes\n"));
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "agents and recipients are not for everybody");
    let html = fs::read_to_string(&file).unwrap();
    assert!(html.contains("<html lang=\"fr\"") && !html.contains("<script"));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    // One row per operation: the closing entries are in the rows that they complete.
    for row in ["e0", "e1", "e2", "e5"] {
        assert!(html.contains(&format!("<tr id=\"{row}\">")), "{row}");
    }
    assert!(!html.contains("id=\"e3\"") && !html.contains("id=\"e4\""));
    assert!(
        html.contains("terminée 2026-10-02 01:00:00 (mention 4)") && html.contains("non close")
    );
    let root = err(&made).trim().rsplit(' ').next().unwrap().to_owned();
    assert!(root.len() == 64 && html.contains(&root), "{root}");
    let verify = good(&["verify", site.dir()]);
    assert!(verify.contains(&root), "the same root as verify shows");
    let again = run(&["export", site.dir(), "--html", "--out", &file]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("not overwritten"));
    assert_eq!(
        run(&["export", site.dir()]).status.code(),
        Some(2),
        "a form must be chosen"
    );
    assert_eq!(
        run(&["export", "/nowhere", "--html"]).status.code(),
        Some(1)
    );
}

#[test]
fn what_does_not_verify_is_handed_over_and_said_to() {
    let site = Site::new();
    site.tamper();
    let page = run(&["export", site.dir(), "--html"]);
    assert_eq!(page.status.code(), Some(1));
    assert!(out(&page).contains("DOES NOT VERIFY") && out(&page).contains("OPJ 3322"));
    assert!(!out(&page).contains("class=\"good\""));
    for form in ["--csv", "--json"] {
        let sheet = run(&["export", site.dir(), form]);
        assert_eq!(sheet.status.code(), Some(1));
        assert!(
            err(&sheet).starts_with("register verified: NO\n") && out(&sheet).contains("OPJ 3322")
        );
    }
    let report = run(&["report", site.dir(), "--month", "2026-10"]);
    assert_eq!(report.status.code(), Some(1));
    assert!(out(&report).contains("DOES NOT VERIFY"));

    // Nothing left to read by.
    fs::write(site.dir.join("checkpoint"), "gst\n").unwrap();
    for form in ["--html", "--csv", "--json"] {
        let page = run(&["export", site.dir(), form, "--lang", "fr"]);
        assert_eq!(page.status.code(), Some(1), "{form}");
        assert!(
            err(&page).contains("register verified: NO"),
            "{}",
            err(&page)
        );
        assert!(!out(&page).contains("OPJ"));
    }
    // Another key.
    let other = site.tmp.path().join("other");
    drop(Register::init(&other, "ville-exemple.fr/csu-1").unwrap());
    let key = other.join("register.pub").display().to_string();
    let foreign = run(&["export", Site::new().dir(), "--html", "--key", &key]);
    assert_eq!(foreign.status.code(), Some(1));
    assert!(out(&foreign).contains("DOES NOT VERIFY"));
}

#[test]
fn a_month_is_reported_without_anybody_in_it() {
    let site = Site::new();
    let mut register = Register::open(&site.dir, None).unwrap();
    for hour in 0..7 {
        let mut refusal = Entry::new(Operation::Refuse);
        refusal.refusal = Some(Refusal {
            code: "BIOMETRICS".into(),
            ..Default::default()
        });
        let time = at("2026-10-04T00:00:00Z") + jiff::SignedDuration::from_hours(hour);
        register.append_at(&refusal, time).unwrap();
    }
    drop(register);
    let text = good(&["report", site.dir(), "--month", "2026-10"]);
    assert!(text.contains("facial recognition or biometrics"), "{text}");
    let file = site.path("october.html");
    good(&[
        "report",
        site.dir(),
        "--month",
        "2026-10",
        "--html",
        "--lang",
        "fr",
        "--out",
        &file,
    ]);
    let page = fs::read_to_string(&file).unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o600, 0o600);
    for text in [text, page] {
        for secret in [
            "a-0417",
            "a-0031",
            "cam-1",
            "OPJ",
            "PV 2026",
            "Commissariat",
            "calc",
            "pour l'essai",
            "s-1",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    // A month in which nothing happened looks like one in which little did.
    let quiet = good(&["report", site.dir(), "--month", "2026-09"]);
    assert!(
        !quiet.contains(" 0\n") && quiet.contains("not published"),
        "{quiet}"
    );

    let now = Timestamp::now().to_zoned(privacy_policy::time::paris());
    let running = now.strftime("%Y-%m").to_string();
    let early = run(&["report", site.dir(), "--month", &running]);
    assert_eq!(early.status.code(), Some(1));
    assert!(err(&early).contains("is not over"), "{}", err(&early));
    assert_eq!(
        run(&["report", site.dir(), "--month", "October"])
            .status
            .code(),
        Some(2)
    );

    // Once entries of it are gone, what is left is not its number.
    let mut register = Register::open(&site.dir, None).unwrap();
    register
        .purge(at("2026-10-01T22:30:00Z"), "for the test", Timestamp::now())
        .unwrap();
    drop(register);
    let late = run(&["report", site.dir(), "--month", "2026-10"]);
    assert_eq!(late.status.code(), Some(1));
    assert!(
        err(&late).contains("erased after their time"),
        "{}",
        err(&late)
    );
    let page = good(&["export", site.dir(), "--html"]);
    assert!(page.contains("0–3</th><td colspan=\"9\""), "{page}");
    // The opening entry of this viewing is gone, its closing entry is not.
    assert!(page.contains("<tr id=\"e4\">"));
    let some = run(&["list", site.dir(), "--agent", "a-0417"]);
    assert!(err(&some).contains("4 erased"), "{}", err(&some));
}

#[test]
fn names_of_agents_stay_in_their_table() {
    let site = Site::new();
    let table = site.path("agents.toml");
    let made = told(&["agents", "add", "--table", &table], "Jeanne Dupont\n");
    assert!(made.status.success(), "{}", err(&made));
    let pseudonym = out(&made).trim().to_owned();
    assert!(
        pseudonym.starts_with("a-") && pseudonym.len() == 10,
        "{pseudonym}"
    );
    let mode = fs::metadata(&table).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let known = told(&["agents", "add", "--table", &table], "Jeanne Dupont\n");
    assert_eq!(known.status.code(), Some(1));
    assert!(err(&known).contains(&pseudonym) && !err(&known).contains("Jeanne"));
    assert_eq!(
        run(&["agents", "add", "Jeanne", "--table", &table])
            .status
            .code(),
        Some(2),
        "a name is no argument"
    );
    for bad in ["", "\n", "\u{1b}[2J\n", &"x".repeat(5000)] {
        let refused = told(&["agents", "add", "--table", &table], bad);
        assert_eq!(refused.status.code(), Some(1), "{bad:?}");
    }
    let list = good(&["agents", "list", "--table", &table]);
    assert!(list.starts_with(&pseudonym) && !list.contains("Jeanne"));
    assert!(good(&["agents", "list", "--names", "--table", &table]).contains("Jeanne Dupont"));
    assert_eq!(
        good(&["agents", "name", &pseudonym, "--table", &table]),
        "Jeanne Dupont\n"
    );
    assert_eq!(
        run(&["agents", "name", "a-zzzzzzzz", "--table", &table])
            .status
            .code(),
        Some(1)
    );
    good(&["agents", "forget", &pseudonym, "--table", &table]);
    assert_eq!(
        run(&["agents", "forget", &pseudonym, "--table", &table])
            .status
            .code(),
        Some(1)
    );
    assert!(!fs::read_to_string(&table).unwrap().contains("Jeanne"));
    let kept = told(&["agents", "destroy", "--table", &table], "yes\n");
    assert_eq!(kept.status.code(), Some(1));
    assert!(fs::exists(&table).unwrap());
    let gone = told(&["agents", "destroy", "--table", &table], "détruire\n");
    assert!(gone.status.success(), "{}", err(&gone));
    assert!(!fs::exists(&table).unwrap());
    let within = site.dir.join("agents.toml").display().to_string();
    let inside = told(&["agents", "add", "--table", &within], "Jeanne Dupont\n");
    assert_eq!(inside.status.code(), Some(1));
}

/// Entries that so far stand in the journal alone are entries.
#[test]
fn a_register_in_use_is_shown_and_exported_up_to_its_last_entry() {
    let site = Site::new();
    let mut register = Register::open(&site.dir, None).unwrap();
    let mut refusal = Entry::new(Operation::Refuse);
    refusal.refusal = Some(Refusal {
        code: "NO_MANDATE".into(),
        ..Default::default()
    });
    register
        .append_at(&refusal, at("2026-10-05T10:00:00Z"))
        .unwrap();
    assert_eq!(site.listed(&["--operation", "refuse"]), [0, 6]);
    let made = run(&["export", site.dir(), "--html"]);
    assert!(made.status.success(), "{}", err(&made));
    assert!(err(&made).contains("\n7 root ") && out(&made).contains("<tr id=\"e6\">"));
}
