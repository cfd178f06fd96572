// SPDX-License-Identifier: MIT OR Apache-2.0

use std::os::unix::fs::PermissionsExt;

use super::*;

fn new() -> (tempfile::TempDir, AgentTable) {
    let tmp = tempfile::tempdir().unwrap();
    let table = AgentTable::create(&tmp.path().join("agents.toml")).unwrap();
    (tmp, table)
}

#[test]
fn a_name_is_found_until_it_is_forgotten() {
    let (_tmp, table) = new();
    let first = table.add("  Camille Durand, matricule 417 ").unwrap();
    let second = table.add("Noé \"Lé\" O'Brien\\ = [[agent]] #").unwrap();
    assert!(is_pseudonym(&first) && first != second, "{first}");
    let again = AgentTable::open(table.path()).unwrap();
    assert_eq!(
        again.name_of(&first).unwrap().as_deref(),
        Some("Camille Durand, matricule 417")
    );
    assert_eq!(
        again.name_of(&second).unwrap().as_deref(),
        Some("Noé \"Lé\" O'Brien\\ = [[agent]] #")
    );
    let error = again.add("Camille Durand, matricule 417").unwrap_err();
    assert!(matches!(&error, AgentError::Known { pseudonym } if *pseudonym == first));
    assert!(!error.to_string().contains("Durand"), "{error}");
    assert!(again.forget(&first).unwrap());
    assert!(!again.forget(&first).unwrap());
    assert_eq!(again.name_of(&first).unwrap(), None);
    assert_eq!(again.list().unwrap().len(), 1);
    assert!(!format!("{:?} {again:?}", again.list().unwrap()).contains("Brien"));
    let mode = fs::metadata(table.path()).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn the_old_bytes_are_overwritten() {
    let (tmp, table) = new();
    let pseudonym = table.add("Camille Durand").unwrap();
    // A second link shows what becomes of the old file.
    let old = tmp.path().join("old");
    fs::hard_link(table.path(), &old).unwrap();
    table.forget(&pseudonym).unwrap();
    assert!(fs::read(&old).unwrap().iter().all(|b| *b == 0));
    table.add("Camille Durand").unwrap();
    let last = tmp.path().join("last");
    fs::hard_link(table.path(), &last).unwrap();
    // What a crash within a change has left.
    let torn = tmp.path().join(".agents.toml.new");
    fs::write(&torn, "name = \"Camille Durand\"").unwrap();
    table.destroy().unwrap();
    assert!(fs::read(&last).unwrap().iter().all(|b| *b == 0));
    let mut left: Vec<_> = fs::read_dir(tmp.path())
        .unwrap()
        .map(|item| item.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["last", "old"]);
}

#[test]
fn names_that_deceive_are_refused() {
    let (_tmp, table) = new();
    for name in [
        "",
        "   ",
        "a\nb",
        "a\0b",
        "a\u{1b}[31mb",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200b}b",
        "a\u{85}b",
        &"é".repeat(201),
    ] {
        let error = table.add(name).unwrap_err();
        assert!(matches!(error, AgentError::Name(_)), "{name:?}: {error}");
    }
    assert!(table.list().unwrap().is_empty());
    table.add(&"é".repeat(200)).unwrap();
}

#[test]
fn a_table_that_others_can_read_is_refused() {
    let (tmp, table) = new();
    let pseudonym = table.add("Camille Durand").unwrap();
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(table.path(), fs::Permissions::from_mode(mode)).unwrap();
        for error in [
            AgentTable::open(table.path()).unwrap_err(),
            table.name_of(&pseudonym).unwrap_err(),
            table.add("Noé").unwrap_err(),
            table.forget(&pseudonym).unwrap_err(),
        ] {
            assert!(matches!(error, AgentError::Exposed { .. }), "{error}");
            assert!(error.to_string().contains("chmod 600"));
        }
    }
    fs::set_permissions(table.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let link = tmp.path().join("link.toml");
    std::os::unix::fs::symlink(table.path(), &link).unwrap();
    assert!(AgentTable::open(&link).is_err());
    assert!(
        AgentTable::create(table.path()).is_err(),
        "never overwritten"
    );
    assert!(AgentTable::open(&tmp.path().join("none")).is_err());
}

#[test]
fn a_table_within_a_register_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    drop(crate::Register::init(&dir, "gst-privacy/test").unwrap());
    for path in [dir.join("agents.toml"), dir.join("keys/agents.toml")] {
        let error = AgentTable::create(&path).unwrap_err();
        assert!(matches!(error, AgentError::Inside { .. }), "{error}");
    }
    AgentTable::create(&tmp.path().join("agents.toml")).unwrap();
}

#[test]
fn what_is_not_a_table_is_refused_without_showing_names() {
    let (_tmp, table) = new();
    table.add("Camille Durand").unwrap();
    let good = fs::read_to_string(table.path()).unwrap();
    for bad in [
        good.replace("version = 1", "version = 2"),
        good.replace("a-", "b-"),
        good.replace("Camille Durand", "Camille \\nDurand"),
        good.replace("name =", "nom ="),
        good.replace("added = \"2", "added = \"x2"),
        good.replace("Camille Durand\"", "Camille Durand"),
        format!(
            "{good}{}",
            good.split_once("\n\n").map_or("", |(_, rows)| rows)
        ),
        "\0".into(),
        "[[agent]]".into(),
    ] {
        fs::write(table.path(), &bad).unwrap();
        let error = AgentTable::open(table.path()).unwrap_err();
        assert!(
            matches!(error, AgentError::Malformed { .. }),
            "{bad}: {error}"
        );
        let text = format!("{error} {error:?}");
        assert!(!text.contains("Durand"), "{text}");
    }
    for end in 0..good.len() {
        fs::write(table.path(), &good.as_bytes()[..end]).unwrap();
        // Never a panic; a shorter table at most where a row is gone as a whole.
        let _ = AgentTable::open(table.path());
    }
}

#[test]
fn many_at_once_lose_nothing() {
    let (_tmp, table) = new();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let table = &table;
            scope.spawn(move || {
                for n in 0..10 {
                    let table = AgentTable::open(table.path()).unwrap();
                    let pseudonym = table.add(&format!("agent {worker}/{n}")).unwrap();
                    if n % 5 == 4 {
                        assert!(table.forget(&pseudonym).unwrap());
                    }
                }
            });
        }
    });
    let agents = table.list().unwrap();
    assert_eq!(agents.len(), 4 * 8);
}
