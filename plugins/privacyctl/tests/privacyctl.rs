// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tool as a user meets it: the real binary, real files, exit statuses.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use jiff::{ToSpan as _, Zoned};

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// A folder with the key pairs `city` and `second`, and rules reviewed today.
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["city", "second"] {
            let made = desk.run(&["key", "new", "--out", &desk.path(name)]);
            assert_eq!(made.status.code(), Some(0), "{made:?}");
        }
        let today = Zoned::now().in_tz("Europe/Paris").unwrap().date();
        let rules = privacy_policy::rules::BUILTIN
            .replace(
                "verified_on = 2026-11-21",
                &format!("verified_on = {today}"),
            )
            .replace(
                "review_by = 2027-11-21",
                &format!("review_by = {}", today + 365.days()),
            );
        fs::write(desk.path("rules.toml"), rules).unwrap();
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_privacyctl"))
            .args(arguments)
            .env("LC_ALL", "C")
            .output()
            .unwrap()
    }

    /// A complete form of the policy's own tests, moved to today.
    fn form(&self, purpose: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../policy/tests/forms")
            .join(format!("{purpose}.toml"));
        let today = Zoned::now().in_tz("Europe/Paris").unwrap().date();
        let text = fs::read_to_string(path)
            .unwrap()
            .replace(
                "valid_to = 2026-11-26",
                &format!("valid_to = {}", today + 3.days()),
            )
            .replace("2026-11-20", &(today - 1.day()).to_string())
            .replace("2026-11-19", &(today - 2.days()).to_string())
            .replace("2026-11-17", &(today - 4.days()).to_string())
            .replace("2026-11-21T", &format!("{today}T"))
            .replace("2026-11-02", &(today - 20.days()).to_string())
            .replace("2026-03-02", &(today - 99.days()).to_string())
            .replace("2026-02-10", &(today - 99.days()).to_string())
            .replace("2026-02-01", &(today - 99.days()).to_string())
            .replace("2026-01-15", &(today - 99.days()).to_string())
            .replace("2026-01-01", &(today - 99.days()).to_string())
            .replace("2024-05-01", &(today - 99.days()).to_string())
            .replace("2029-04-30", &(today + 900.days()).to_string())
            .replace("2028-12-31", &(today + 900.days()).to_string())
            .replace("2029-02-10", &(today + 900.days()).to_string());
        let form = self.folder.path().join(format!("{purpose}.toml"));
        fs::write(&form, text).unwrap();
        form
    }

    fn sign(&self, purpose: &str) -> String {
        let form = self.form(purpose).display().to_string();
        let mandate = self.path(&format!("{purpose}.biscuit"));
        let signed = self.run(&[
            "mandate",
            "sign",
            &form,
            "--key",
            &self.path("city.key"),
            "--out",
            &mandate,
            "--rules",
            &self.path("rules.toml"),
        ]);
        assert_eq!(signed.status.code(), Some(0), "{signed:?}");
        assert_eq!(
            out(&signed).contains("two people"),
            purpose == "judicial.requisition_extract",
            "{signed:?}"
        );
        mandate
    }

    /// Countersigns in place.
    fn countersign(&self, mandate: &str, with: &str, name: &str) -> Output {
        let (key, with) = (self.path("city.pub"), self.path(with));
        self.run(&[
            "mandate",
            "countersign",
            mandate,
            "--key",
            &key,
            "--with",
            &with,
            "--name",
            name,
            "--role",
            "permanence",
            "--out",
            mandate,
        ])
    }

    fn inspect(&self, mandate: &str, lang: &str) -> String {
        let output = self.run(&[
            "mandate",
            "inspect",
            mandate,
            "--key",
            &self.path("city.pub"),
            "--lang",
            lang,
        ]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        out(&output)
    }

    fn check(&self, mandate: &str, more: &[&str]) -> Output {
        let (key, rules) = (self.path("city.pub"), self.path("rules.toml"));
        let second = self.path("second.pub");
        let mut arguments = vec![
            "mandate",
            "check",
            mandate,
            "--key",
            &key,
            "--rules",
            &rules,
            "--cosigner-keys",
            &second,
        ];
        arguments.extend(more);
        self.run(&arguments)
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const HERE: &[&str] = &["--camera", "cam-12", "--operator", "a-0417"];

#[test]
fn a_key_is_private_and_never_overwritten() {
    let desk = Desk::new();
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("city.key"), 0o600);
    let before = fs::read(desk.path("city.key")).unwrap();
    let again = desk.run(&["key", "new", "--out", &desk.path("city")]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("not overwritten") && err(&again).contains("n'est pas écrasé"));
    assert_eq!(fs::read(desk.path("city.key")).unwrap(), before);
    // Neither half alone is overwritten, nor left alone.
    fs::remove_file(desk.path("city.key")).unwrap();
    assert_eq!(
        desk.run(&["key", "new", "--out", &desk.path("city")])
            .status
            .code(),
        Some(1)
    );
    assert!(!Path::new(&desk.path("city.key")).exists());
    let shown = desk.run(&["key", "show", &desk.path("city.pub")]);
    assert!(out(&shown).contains("ed25519"), "{shown:?}");
}

#[test]
fn a_private_key_that_others_can_read_is_not_used() {
    let desk = Desk::new();
    let form = desk.form("comm.public_publication").display().to_string();
    for mode in [0o640, 0o604, 0o644, 0o666, 0o700] {
        fs::set_permissions(desk.path("city.key"), fs::Permissions::from_mode(mode)).unwrap();
        let output = desk.run(&[
            "mandate",
            "sign",
            &form,
            "--key",
            &desk.path("city.key"),
            "--out",
            &desk.path("m"),
            "--rules",
            &desk.path("rules.toml"),
        ]);
        assert_eq!(output.status.code(), Some(1), "{mode:o}");
        assert!(err(&output).contains("chmod 0600"), "{}", err(&output));
        assert!(!Path::new(&desk.path("m")).exists());
    }
}

#[test]
fn every_purpose_goes_from_form_to_decision() {
    let desk = Desk::new();
    for (purpose, sink, source) in [
        ("comm.public_publication", "file", "--deferred"),
        ("stats.traffic_counts", "file", "--live"),
        ("judicial.requisition_extract", "file", "--deferred"),
        ("stats.occupancy_study", "public", "--live"),
        ("training.operator", "internal-secured", "--deferred"),
        ("vp.live_view.masked", "internal-unsecured", "--live"),
        ("vp.live_view.public_place", "csu-display", "--live"),
        ("vp.live_view.public_road", "csu-display", "--live"),
        ("vp.live_view.shop_frontage", "csu-display", "--live"),
        ("vp.live_view.terrorism", "csu-display", "--live"),
        ("vp.recording", "store", "--live"),
    ] {
        let mandate = desk.sign(purpose);
        if purpose.starts_with("judicial.") {
            let alone = desk.check(&mandate, &[HERE, &["--sink-class", sink]].concat());
            assert!(err(&alone).contains("SECOND_PERSON_MISSING"), "{alone:?}");
            let made = desk.countersign(&mandate, "second.key", "Adjointe");
            assert_eq!(made.status.code(), Some(0), "{made:?}");
        }
        let ask = |sink: &str, more: &[&str]| {
            desk.check(
                &mandate,
                &[HERE, &["--sink-class", sink, "--purpose", purpose], more].concat(),
            )
        };
        let open = ask(sink, &[source]);
        assert_eq!(open.status.code(), Some(0), "{purpose}: {}", err(&open));
        assert!(out(&open).starts_with("It would open."));
        assert_eq!(
            out(&open).contains("needs footage-start"),
            purpose.starts_with("judicial."),
            "{}",
            out(&open)
        );
        assert!(out(&ask(sink, &[source, "--lang", "fr"])).starts_with("Il s'ouvrirait."));
        // The wrong source, and an instant long after the end.
        let other = if source == "--live" {
            "--deferred"
        } else {
            "--live"
        };
        let refused = ask(sink, &[other]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(err(&refused).contains("_SOURCE"), "{}", err(&refused));
        let today = Zoned::now().in_tz("Europe/Paris").unwrap().date();
        let late = format!("{}T12:00:00Z", today + 40.days());
        let late = ask(sink, &["--at", &late]);
        assert_eq!(late.status.code(), Some(1));
        assert!(err(&late).contains("EXPIRED_MANDATE"), "{}", err(&late));
        assert_eq!(ask("undeclared", &[source]).status.code(), Some(1));
    }
}

#[test]
fn a1_a_refusal_says_why_and_what_to_do_in_both_languages() {
    let desk = Desk::new();
    let mandate = desk.sign("vp.live_view.public_road");
    let stranger = [
        "--camera",
        "cam-12",
        "--operator",
        "a-0418",
        "--sink-class",
        "csu-display",
    ];
    let english = desk.check(&mandate, &stranger);
    assert_eq!(english.status.code(), Some(1));
    assert!(
        err(&english).contains("NOT_HABILITATED") && err(&english).contains("does not designate")
    );
    let french = desk.check(&mandate, &[&stranger[..], &["--lang", "fr"]].concat());
    assert!(err(&french).contains("n'habilite pas") && err(&french).contains("CSI R.253-3"));
    let camera = [
        "--camera",
        "cam-99",
        "--operator",
        "a-0417",
        "--sink-class",
        "csu-display",
    ];
    assert!(err(&desk.check(&mandate, &camera)).contains("WRONG_CAMERA"));
}

#[test]
fn a_form_is_printed_commented_and_refused_unfilled() {
    let desk = Desk::new();
    for purpose in ["comm.public_publication", "judicial.requisition_extract"] {
        let form = desk.run(&[
            "mandate",
            "new",
            "--purpose",
            purpose,
            "--rules",
            &desk.path("rules.toml"),
        ]);
        assert_eq!(form.status.code(), Some(0));
        let text = out(&form);
        assert!(text.contains("purpose_id = ") && text.contains('<') && text.contains(" / "));
        assert_eq!(
            text.contains("[requisition]"),
            purpose.starts_with("judicial")
        );
        assert_eq!(text.contains("channel = "), purpose.starts_with("comm"));
        let path = desk.path("form.toml");
        fs::write(&path, text).unwrap();
        let signed = desk.run(&[
            "mandate",
            "sign",
            &path,
            "--key",
            &desk.path("city.key"),
            "--out",
            &desk.path("m"),
        ]);
        assert_eq!(signed.status.code(), Some(1));
        assert!(
            err(&signed).contains("placeholder") && err(&signed).contains("line "),
            "{}",
            err(&signed)
        );
    }
    let refused = desk.run(&[
        "mandate",
        "new",
        "--purpose",
        "refused.facial_recognition",
        "--rules",
        &desk.path("rules.toml"),
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("BIOMETRICS"));
}

#[test]
fn an_incomplete_form_is_not_signed() {
    let desk = Desk::new();
    let form = desk.form("comm.public_publication");
    let text = fs::read_to_string(&form).unwrap();
    for (from, to, expected) in [
        (
            "approver = \"Responsable de la communication\"\n",
            "",
            "MISSING_FIELD",
        ),
        ("promotional = false", "promotional = \"no\"", "line "),
        (
            "beneficiary_type = \"public_body\"",
            "beneficiary_type = \"list\"",
            "ELECTORAL_PROMOTION",
        ),
        (
            "anonymisation = \"persons+vehicles\"",
            "anonymisation = \"none\"",
            "CLEAR_PUBLICATION",
        ),
        ("id = \"cam-12\"", "id = \"*\"", "CAMERA_WILDCARD"),
        (
            "regime = \"II\"",
            "regime = \"II\"\nbackdoor = true",
            "backdoor",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&form, text.replace(from, to)).unwrap();
        let form = form.display().to_string();
        let output = desk.run(&[
            "mandate",
            "sign",
            &form,
            "--key",
            &desk.path("city.key"),
            "--out",
            &desk.path("m"),
            "--rules",
            &desk.path("rules.toml"),
        ]);
        assert_eq!(output.status.code(), Some(1), "{to}");
        assert!(err(&output).contains(expected), "{to}: {}", err(&output));
        assert!(
            err(&output).contains("comm.public_publication.toml"),
            "the file is named"
        );
        assert!(!Path::new(&desk.path("m")).exists());
    }
}

#[test]
fn inspect_speaks_plainly_and_says_what_it_did_not_verify() {
    let desk = Desk::new();
    let mandate = desk.sign("judicial.requisition_extract");
    let key = desk.path("city.pub");
    let french = desk.run(&[
        "mandate", "inspect", &mandate, "--key", &key, "--lang", "fr",
    ]);
    assert_eq!(french.status.code(), Some(0), "{french:?}");
    for word in [
        "Extraction sur réquisition",
        "cam-12",
        "PV 2026/01542",
        "en vigueur",
        "BTA Voreppe",
    ] {
        assert!(out(&french).contains(word), "{word}\n{}", out(&french));
    }
    assert!(out(&desk.run(&["mandate", "inspect", &mandate, "--key", &key])).contains("in force"));
    let unverified = desk.run(&["mandate", "inspect", &mandate]);
    assert!(out(&unverified).starts_with("SIGNATURE NOT VERIFIED"));
    let stranger = Desk::new();
    let other = desk.run(&[
        "mandate",
        "inspect",
        &mandate,
        "--key",
        &stranger.path("city.pub"),
    ]);
    assert_eq!(other.status.code(), Some(1));
    assert!(err(&other).contains("BAD_SIGNATURE"));
    fs::write(desk.path("noise"), [7u8; 300]).unwrap();
    assert_eq!(
        desk.run(&["mandate", "inspect", &desk.path("noise")])
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn a_mandate_is_narrowed_without_its_key() {
    let desk = Desk::new();
    let mandate = desk.sign("comm.public_publication");
    let narrowed = desk.path("narrow.biscuit");
    let made = desk.run(&[
        "mandate",
        "narrow",
        &mandate,
        "--key",
        &desk.path("city.pub"),
        "--out",
        &narrowed,
        "--sink-class",
        "public",
    ]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let ask = |sink| desk.check(&narrowed, &[HERE, &["--sink-class", sink]].concat());
    assert_eq!(ask("public").status.code(), Some(0));
    assert_eq!(ask("file").status.code(), Some(1));
    let inspected = desk.run(&[
        "mandate",
        "inspect",
        &narrowed,
        "--key",
        &desk.path("city.pub"),
    ]);
    assert!(
        out(&inspected).contains("only destination public"),
        "{}",
        out(&inspected)
    );
}

#[test]
fn a_mandate_is_attenuated_to_less_of_everything_and_says_so() {
    let desk = Desk::new();
    let mandate = desk.sign("vp.live_view.public_road");
    let attenuate = |more: &[&str]| {
        let (key, out) = (desk.path("city.pub"), desk.path("less.biscuit"));
        let start = [
            "mandate",
            "attenuate",
            &mandate,
            "--key",
            &key,
            "--out",
            &out,
        ];
        desk.run(&[&start[..], more].concat())
    };
    for (more, says) in [
        (&[][..], "nothing to narrow"),
        (&["--camera", "cam-99"], "cam-99"),
        (&["--operator", "a-9999"], "a-9999"),
        (&["--recipient", "Presse"], "Presse"),
        (&["--sink-class", "public"], "public"),
        (&["--until", "2001-01-01T00:00:00Z"], "2001"),
        (&["--from", "2150-01-01T00:00:00Z"], "2150"),
    ] {
        let output = attenuate(more);
        assert_eq!(output.status.code(), Some(1), "{more:?}");
        assert!(err(&output).contains(says), "{more:?}: {}", err(&output));
    }
    assert_eq!(attenuate(&["--hours", "lun 8-20"]).status.code(), Some(2));
    let every = ["mon-sun 00:00-00:00"];
    let made = attenuate(&[
        "--camera",
        "cam-12",
        "--operator",
        "a-0417",
        "--hours",
        every[0],
    ]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let less = desk.path("less.biscuit");
    let ask = [HERE, &["--sink-class", "csu-display"]].concat();
    let open = desk.check(&less, &ask);
    assert_eq!(open.status.code(), Some(0), "{open:?}");
    let (english, french) = (desk.inspect(&less, "en"), desk.inspect(&less, "fr"));
    assert!(english.contains("only camera \"cam-12\"") && english.contains("only mon tue"));
    assert!(french.contains("seulement caméra \"cam-12\"") && french.contains("écrans du CSU"));
    assert_eq!(english.matches("revocation id").count(), 2, "{english}");

    // Hours that are over: refused now, with the next opening.
    let made = attenuate(&["--hours", "mon 03:00-03:01"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let shut = desk.check(
        &less,
        &[&ask[..], &["--at", "2026-11-24T12:00:00Z"]].concat(),
    );
    assert_eq!(shut.status.code(), Some(1));
}

#[test]
fn the_second_person_is_somebody_else() {
    let desk = Desk::new();
    let mandate = desk.sign("judicial.requisition_extract");
    for (with, name) in [
        ("city.key", "Adjointe"),
        (
            "second.key",
            "Ville de Voreppe, directrice générale des services",
        ),
        (
            "second.key",
            " ville de voreppe,  Directrice Générale des services ",
        ),
        ("second.key", "a-0417"),
    ] {
        let output = desk.countersign(&mandate, with, name);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(err(&output).contains("same person"), "{}", err(&output));
    }
    assert_eq!(
        desk.countersign(&mandate, "second.key", "a\nb")
            .status
            .code(),
        Some(1)
    );
    fs::set_permissions(desk.path("second.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let wide = desk.countersign(&mandate, "second.key", "Adjointe");
    assert!(err(&wide).contains("chmod 0600"), "{wide:?}");
    fs::set_permissions(desk.path("second.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let made = desk.countersign(&mandate, "second.key", "Adjointe");
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let again = desk.countersign(&mandate, "second.key", "Directeur");
    assert!(err(&again).contains("same person"), "{again:?}");
    assert!(
        desk.inspect(&mandate, "fr")
            .contains("contresigné            \"Adjointe\", \"permanence\"")
    );
    let ask = [HERE, &["--sink-class", "file"]].concat();
    assert_eq!(desk.check(&mandate, &ask).status.code(), Some(0));
    // Somebody whom nobody trusts.
    let stranger = desk.run(&["key", "new", "--out", &desk.path("stranger")]);
    assert_eq!(stranger.status.code(), Some(0));
    fs::copy(desk.path("stranger.pub"), desk.path("second.pub")).unwrap();
    let refused = desk.check(&mandate, &ask);
    assert!(
        err(&refused).contains("SECOND_PERSON_MISSING"),
        "{refused:?}"
    );
    assert!(
        err(&refused).contains("not among the trusted"),
        "{refused:?}"
    );
}

#[test]
fn a_revoked_mandate_opens_nothing_nor_do_its_copies() {
    let desk = Desk::new();
    let mandate = desk.sign("vp.live_view.public_road");
    let (key, list, copy) = (
        desk.path("city.pub"),
        desk.path("revoked.toml"),
        desk.path("copy.biscuit"),
    );
    let made = desk.run(&[
        "mandate",
        "attenuate",
        &mandate,
        "--key",
        &key,
        "--out",
        &copy,
        "--camera",
        "cam-12",
    ]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let why = [
        "--file",
        &list,
        "--by",
        "DGS",
        "--reason",
        "Le \"motif\" a disparu.",
    ];
    let run = |start: &[&str]| desk.run(&[start, &why].concat());
    let ask = |mandate: &str| {
        let more = ["--sink-class", "csu-display", "--revocation-file", &list];
        desk.check(mandate, &[HERE, &more].concat())
    };
    // A list that is not there refuses, since nobody can tell what it withdrew.
    assert_eq!(ask(&mandate).status.code(), Some(1));
    let revoked = run(&["mandate", "revoke", &copy, "--key", &key, "--copy"]);
    assert_eq!(revoked.status.code(), Some(0), "{revoked:?}");
    assert_eq!(
        fs::metadata(&list).unwrap().permissions().mode() & 0o777,
        0o644
    );
    assert!(err(&ask(&copy)).contains("REVOKED_MANDATE"));
    assert_eq!(ask(&mandate).status.code(), Some(0));
    // A line that somebody wrote stays.
    let text = fs::read_to_string(&list).unwrap() + "# kept";
    fs::write(&list, text).unwrap();
    let revoked = run(&["mandate", "revoke", &mandate, "--key", &key]);
    assert_eq!(revoked.status.code(), Some(0), "{revoked:?}");
    assert!(fs::read_to_string(&list).unwrap().contains("# kept\n"));
    assert!(err(&ask(&mandate)).contains("REVOKED_MANDATE"));
    assert!(err(&ask(&mandate)).contains("Le \"motif\" a disparu"));

    fs::remove_file(&list).unwrap();
    for (scope, refused) in [
        (&["--purpose", "stats.traffic_counts"][..], false),
        (&["--camera", "cam-99"], false),
        (&["--camera", "cam-12", "--until", "2001-01-01"], false),
        (&["--camera", "cam-12"], true),
        (&["--all"], true),
    ] {
        let order = ["mandate", "suspend", "--order", "AP 38-2026-1"];
        let made = run(&[&order[..], scope].concat());
        assert_eq!(made.status.code(), Some(0), "{made:?}");
        let answer = ask(&mandate);
        assert_eq!(
            err(&answer).contains("SUSPENDED_MANDATE"),
            refused,
            "{scope:?}: {answer:?}"
        );
    }
    let before = fs::read(&list).unwrap();
    for bad in [
        &["mandate", "revoke", "--id", "abc"][..],
        &["mandate", "suspend", "--order", "", "--all"],
        &["mandate", "suspend", "--order", "o", "--camera", ""],
    ] {
        assert_eq!(run(bad).status.code(), Some(1), "{bad:?}");
    }
    assert_eq!(
        fs::read(&list).unwrap(),
        before,
        "an entry that is no good changes nothing"
    );
    assert_eq!(
        run(&["mandate", "suspend", "--order", "o"]).status.code(),
        Some(2)
    );
    assert_eq!(run(&["mandate", "revoke"]).status.code(), Some(2));
    let lost = run(&[
        "mandate",
        "revoke",
        "--mandate-id",
        "6f1c2a52-6a50-4a3e-9d0c-0f6f6f1f7a11",
    ]);
    assert_eq!(lost.status.code(), Some(0), "{lost:?}");
}

#[test]
fn rules_are_listed_and_a_bad_file_is_placed() {
    let desk = Desk::new();
    let list = desk.run(&["rules", "show"]);
    assert!(out(&list).contains("comm.public_publication") && out(&list).contains("refused.sound"));
    let one = desk.run(&["rules", "show", "refused.sound", "--lang", "fr"]);
    assert!(out(&one).contains("Le son ne peut être capté"));
    let builtin = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../policy/rules/fr.toml"
    ))
    .unwrap();
    let strict = desk.path("strict.toml");
    let destinations = "sink_classes = [\"file\", \"public\"]";
    assert!(builtin.contains(destinations));
    let demand = "sink_classes = [\"file\"]\nmask_method = \"solid\"\none_clear = true\nsecond_person = true";
    fs::write(&strict, builtin.replacen(destinations, demand, 1)).unwrap();
    for (language, solid, clear) in [
        (
            "en",
            "; by one colour",
            "; one chosen person may stay clear",
        ),
        (
            "fr",
            " ; en aplat de couleur",
            " ; une personne choisie peut rester en clair",
        ),
    ] {
        let purpose = "comm.public_publication";
        let show = ["rules", "show", purpose, "--lang", language];
        let text = out(&desk.run(&show));
        assert!(!text.contains(solid) && !text.contains(clear), "{text}");
        let text = out(&desk.run(&[&show[..], &["--rules", &strict]].concat()));
        assert!(
            text.contains("persons+vehicles person, bicycle")
                && text.contains(&format!("truck{solid}{clear}")),
            "{text}"
        );
    }
    assert_eq!(
        desk.run(&["rules", "show", "nothing"]).status.code(),
        Some(1)
    );
    let bad = desk.path("bad.toml");
    fs::write(&bad, "rules_version = 3\n").unwrap();
    let output = desk.run(&["rules", "show", "--rules", &bad]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("bad.toml") && err(&output).contains("line 1"),
        "{}",
        err(&output)
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    let desk = Desk::new();
    for arguments in [
        &["mandate"][..],
        &["mandate", "check"],
        &[
            "mandate",
            "check",
            "m",
            "--key",
            "k",
            "--camera",
            "c",
            "--operator",
            "o",
            "--sink-class",
            "moon",
        ],
        &["key", "new"],
        &["frobnicate"],
    ] {
        assert_eq!(desk.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(
        desk.run(&["key", "show", "/nonexistent"]).status.code(),
        Some(1)
    );
}

/// A reader that goes away, such as `head`, ends the command and is no panic.
#[test]
fn a_closed_output_is_no_panic() {
    let site = Desk::new();
    let mandate = site.sign("vp.live_view.public_road");
    for arguments in [
        vec!["rules", "show"],
        vec!["rules", "show", "vp.live_view.public_road"],
        vec!["mandate", "new", "--purpose", "vp.live_view.public_road"],
        vec!["mandate", "inspect", &mandate],
        vec!["key", "new", "--out", &site.path("another")],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_privacyctl"))
            .args(&arguments)
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(!err(&output).contains("panicked"), "{}", err(&output));
    }
}

/// What a mandate says is shown, on its line, and moves no cursor.
#[test]
fn a_mandate_cannot_write_on_the_terminal() {
    let site = Desk::new();
    let form = site.form("vp.live_view.public_road");
    let text = fs::read_to_string(&form).unwrap();
    let line = text.lines().find(|l| l.starts_with("motif")).unwrap();
    let hostile =
        "motif = \"surveillance de la voie publique \\u001b[2J\\u009b2J\\nvalidity forged\\u202e\"";
    fs::write(&form, text.replace(line, hostile)).unwrap();
    let mandate = site.path("hostile.biscuit");
    let signed = site.run(&[
        "mandate",
        "sign",
        form.to_str().unwrap(),
        "--key",
        &site.path("city.key"),
        "--out",
        &mandate,
        "--rules",
        &site.path("rules.toml"),
    ]);
    // Refusing to sign it would do as well.
    if signed.status.success() {
        for more in [vec![], vec!["--key".to_owned(), site.path("city.pub")]] {
            let mut arguments = vec!["mandate", "inspect", &mandate];
            arguments.extend(more.iter().map(String::as_str));
            let shown = out(&site.run(&arguments));
            // Without a key nothing of what it says is shown.
            assert_eq!(shown.contains("surveillance"), !more.is_empty(), "{shown}");
            let hidden = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!shown.contains(hidden), "{shown:?}");
            assert!(
                !shown.lines().any(|l| l.starts_with("validity forged")),
                "{shown}"
            );
        }
    } else {
        assert!(!err(&signed).contains('\u{1b}'));
    }
}

#[test]
fn a_missing_file_is_an_error_that_says_what_to_do() {
    let site = Desk::new();
    let shown = site.run(&["key", "show", &site.path("no-such-key.pub")]);
    assert_eq!(shown.status.code(), Some(1));
    let text = err(&shown);
    assert!(
        text.contains("no-such-key.pub") && text.contains("check the path"),
        "{text}"
    );
}
