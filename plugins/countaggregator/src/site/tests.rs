// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

const GOOD: &str = r#"# a site
window-seconds = 1800

[[camera]]
name = "cam-12"
[[camera.line]]
name = "gare"
from = [0.5, 0.0]
to = [0.5, 1]
[[camera.zone]]
name = "parvis"
polygon = [[0.4, 0.3], [0.8, 0.3], [0.8, 0.7]]

[[camera]]
name = "cam-13"
[[camera.line]]
name = "gare"
from = [0.0, 0.5]
to = [1.0, 0.5]
"#;

#[test]
fn a_whole_file_is_read() {
    let site = Site::parse(GOOD).unwrap();
    assert_eq!(site.window, Some(1800 * SECOND));
    assert_eq!(site.cameras.len(), 2);
    let camera = site.camera("cam-12").unwrap();
    assert_eq!(camera.lines[0].to, Point { x: 0.5, y: 1.0 });
    assert_eq!(camera.zones[0].polygon.len(), 3);
    assert_eq!(site.camera("cam-14"), None);
}

#[test]
fn errors_say_where_what_and_what_to_do() {
    // What to change in the good file, and the line, column and words of the error.
    let cases = [
        (
            "[[0.4, 0.3], [0.8, 0.3], [0.8, 0.7]]",
            "[[400, 300], [800, 300], [800, 700]]",
            12,
            11,
            "not pixels",
        ),
        (
            "[[0.4, 0.3], [0.8, 0.3], [0.8, 0.7]]",
            "[[0.4, 0.3], [0.8, 0.3]]",
            12,
            11,
            "\"parvis\" has 2 corners",
        ),
        (
            "[[0.4, 0.3], [0.8, 0.3], [0.8, 0.7]]",
            "[[0.4, 0.3], [0.41, 0.3], [0.4, 0.31]]",
            12,
            11,
            "singles people out",
        ),
        (
            "[[0.4, 0.3], [0.8, 0.3], [0.8, 0.7]]",
            "[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]",
            12,
            11,
            "meets itself",
        ),
        (
            "[[0.4, 0.3], [0.8, 0.3], [0.8, 0.7]]",
            "[[nan, 0.3], [0.8, 0.3], [0.8, 0.7]]",
            12,
            11,
            "outside the frame",
        ),
        (
            "to = [0.5, 1]",
            "to = [0.5, 0.0]",
            9,
            6,
            "\"gare\" is shorter",
        ),
        (
            "from = [0.5, 0.0]\nto = [0.5, 1]",
            "from = [1.0, 0.0]\nto = [1, 1]",
            9,
            6,
            "edge of the frame",
        ),
        ("to = [0.5, 1]", "to = [0.5, \"1\"]", 9, 12, "invalid type"),
        (
            "to = [0.5, 1]",
            "to = [0.5, 1]\nalert-threshold = 10",
            10,
            1,
            "alert-threshold",
        ),
        ("to = [0.5, 1]", "to = [0.5, 1]\ndwell = 10", 10, 1, "dwell"),
        ("to = [0.5, 1]", "to = [0.5, 1", 10, 1, ""),
        (
            "name = \"cam-13\"",
            "name = \"cam-12\"",
            15,
            8,
            "a second camera is named \"cam-12\"",
        ),
        ("name = \"cam-13\"", "name = \"\"", 15, 8, "camera name"),
        ("name = \"cam-13\"", "", 14, 1, "name"),
        (
            "window-seconds = 1800",
            "window-seconds = 0",
            2,
            18,
            "window-seconds = 0",
        ),
        (
            "window-seconds = 1800",
            "window-seconds = 9223372036854775807",
            2,
            18,
            "not between",
        ),
        ("window-seconds = 1800", "window = 1800", 2, 1, "window"),
    ];
    for (from, to, line, column, words) in cases {
        assert!(GOOD.contains(from), "{from}");
        let error = Site::parse(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{to}: {error}");
        assert!(error.to_string().contains(words), "{to}: {error}");
        assert!(!error.remedy.is_empty() && !error.probleme.is_empty());
    }
}

#[test]
fn empty_and_oversized_files_are_refused() {
    assert!(
        Site::parse("")
            .unwrap_err()
            .to_string()
            .contains("no [[camera]]")
    );
    let bare = Site::parse("[[camera]]\nname = \"a\"\n").unwrap_err();
    assert!(bare.to_string().contains("nothing to count at"), "{bare}");
    let camera = |i: usize| {
        format!(
            "[[camera]]\nname = \"{i}\"\n[[camera.line]]\nname = \"l\"\nfrom = [0.5, 0.0]\nto = [0.5, 1.0]\n"
        )
    };
    let many: String = (0..300).map(camera).collect();
    assert!(
        Site::parse(&many)
            .unwrap_err()
            .to_string()
            .contains("more than 256")
    );
}

#[test]
fn no_bytes_make_it_panic() {
    let mut seed = 1u64;
    for _ in 0..3000 {
        let mut bytes = GOOD.as_bytes().to_vec();
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (seed >> 33) as usize % bytes.len();
            bytes[at] = (seed >> 20) as u8;
        }
        if let Err(error) = Site::parse(&String::from_utf8_lossy(&bytes)) {
            assert!(error.line >= 1 && error.column >= 1);
        }
    }
}
