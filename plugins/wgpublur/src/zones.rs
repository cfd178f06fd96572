// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file of zones: what each camera must never show, wherever a detector looks.
//!
//! The inside of dwellings and, specifically, their entrances must not be seen (CSI, art. L.251-3): these
//! polygons are filled with one colour on every frame, last of all.
//!
//! ```toml
//! [[camera]]
//! name = "cam-12"
//!
//! [[camera.zone]]
//! name = "windows-of-no-3"
//! polygon = [[0.10, 0.05], [0.32, 0.05], [0.32, 0.40], [0.10, 0.40]]   # fractions of the frame
//!
//! [[camera]]                     # a camera that turns has one entry for each position
//! name = "cam-13"
//! preset = "square"
//!
//! [[camera.zone]]
//! name = "balconies"
//! polygon = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.3]]
//!
//! [[camera]]
//! name = "cam-13"
//! preset = "car-park"
//! no-zone = true                 # looked at, and nothing there has to be hidden
//! ```
//!
//! 0,0 is the upper left corner of the frame and 1,1 its lower right one. A camera or a position that is
//! not in the file is an unknown view, and its frames are masked as a whole.

use std::{collections::BTreeSet, path::Path};

use privacy_common::site_file::{self, Fault, FileError, bounded, unique};
use serde::Deserialize;
use toml::Spanned;

use crate::file;

/// The zones of every view of every camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Zones {
    views: Vec<View>,
}

/// What a camera sees from one position.
#[derive(Debug, Clone, PartialEq)]
struct View {
    camera: String,
    /// `None` for a camera that does not turn.
    preset: Option<String>,
    zones: Vec<Zone>,
}

/// A polygon to fill.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Unique in its view.
    pub name: String,
    /// Corners in fractions of the frame, x before y; at least three, and the outline does not meet
    /// itself.
    pub polygon: Vec<[f64; 2]>,
}

impl Zone {
    /// The corners in pixels of a frame of `width` × `height`.
    pub fn in_pixels(&self, width: u32, height: u32) -> Vec<[f64; 2]> {
        let scaled = |[x, y]: &[f64; 2]| [x * f64::from(width), y * f64::from(height)];
        self.polygon.iter().map(scaled).collect()
    }
}

/// Why a file of zones cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ZonesError {
    /// It is not there, or cannot be read.
    #[error(
        "property \"zones\" is \"{path}\", which cannot be read: {error}; name a TOML file of zones \
         (le fichier « zones » est illisible ; indiquez un fichier TOML de zones)"
    )]
    Read {
        /// As the property says.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It is far larger than any site needs.
    #[error(
        "property \"zones\" is \"{0}\", a file of more than {MAX_FILE} bytes; split it by camera \
         (le fichier « zones » dépasse {MAX_FILE} octets ; répartissez les caméras sur plusieurs fichiers)"
    )]
    Large(String),
    /// Something in it is wrong.
    #[error("property \"zones\" is \"{path}\": {error}")]
    Entry {
        /// As the property says.
        path: String,
        /// What, where.
        error: FileError,
    },
}

impl Zones {
    /// Reads the file of the property `zones`.
    pub fn load(path: &Path) -> Result<Self, ZonesError> {
        let shown = path.display().to_string();
        let bytes = match file::read(path, MAX_FILE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(ZonesError::Large(shown)),
            Err(error) => return Err(ZonesError::Read { path: shown, error }),
        };
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let error =
                    std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error());
                return Err(ZonesError::Read { path: shown, error });
            }
        };
        Self::parse(&text).map_err(|error| ZonesError::Entry { path: shown, error })
    }

    /// Reads the text of such a file.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let file: ZonesFile = site_file::parse(
            text,
            "correct this entry; examples/zones.toml is a whole file",
            "corriger cette entrée, examples/zones.toml est un fichier complet",
        )?;
        file.check().map_err(|fault| fault.at(text))
    }

    /// The zones of what `camera` sees from position `preset` (empty for one that does not turn). `None`
    /// for a view that the file does not know: nobody can say what is to be hidden there, so the whole
    /// frame has to be masked. A camera that turns is never known without its position.
    pub fn view(&self, camera: &str, preset: &str) -> Option<&[Zone]> {
        let preset = (!preset.is_empty()).then_some(preset);
        self.views
            .iter()
            .find(|v| v.camera == camera && v.preset.as_deref() == preset)
            .map(|v| &*v.zones)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZonesFile {
    #[serde(default)]
    camera: Vec<CameraFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CameraFile {
    name: Spanned<String>,
    preset: Option<Spanned<String>>,
    no_zone: Option<Spanned<bool>>,
    #[serde(default)]
    zone: Vec<ZoneFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneFile {
    name: Spanned<String>,
    polygon: Spanned<Vec<[f64; 2]>>,
}

impl ZonesFile {
    fn check(self) -> Result<Zones, Fault> {
        if self.camera.is_empty() {
            return Err(Fault::new(
                0..0,
                "no [[camera]] in this file",
                "add one with a name and at least one [[camera.zone]]",
                "aucune [[camera]] dans ce fichier ; en ajouter une, avec un nom et au moins une [[camera.zone]]",
            ));
        }
        let cameras = bounded(self.camera, MAX_VIEWS, "[[camera]]", |c| c.name.span())?;
        let mut views = Vec::<View>::with_capacity(cameras.len());
        for camera in cameras {
            let span = camera.name.span();
            let view = camera.check()?;
            let known = || views.iter().filter(|v| v.camera == view.camera);
            let name = &view.camera;
            if known().any(|v| v.preset == view.preset) {
                return Err(Fault::new(
                    span,
                    match &view.preset {
                        None => format!("a second camera is named \"{name}\""),
                        Some(preset) => {
                            format!("camera \"{name}\" has preset \"{preset}\" a second time")
                        }
                    },
                    "put all zones of one view under one [[camera]]",
                    format!(
                        "la caméra « {name} » est décrite deux fois ; mettre toutes les zones d'une même vue sous une seule [[camera]]"
                    ),
                ));
            }
            // Without its position nobody knows what such a camera sees.
            if known().any(|v| v.preset.is_some() != view.preset.is_some()) {
                return Err(Fault::new(
                    span,
                    format!("camera \"{name}\" is there with a preset and without one"),
                    "give each of its views a preset, or none if it does not turn",
                    format!(
                        "la caméra « {name} » figure avec et sans preset ; donner un preset à chaque vue, ou aucun si elle est fixe"
                    ),
                ));
            }
            views.push(view);
        }
        Ok(Zones { views })
    }
}

impl CameraFile {
    fn check(self) -> Result<View, Fault> {
        let span = self.name.span();
        let camera = site_file::name(self.name, "camera")?;
        let preset = self
            .preset
            .map(|p| site_file::name(p, "preset"))
            .transpose()?;
        let no_zone = self.no_zone.as_ref().is_some_and(|no| *no.get_ref());
        if self.zone.is_empty() && !no_zone {
            return Err(Fault::new(
                span,
                format!("camera \"{camera}\" has no zone"),
                "add a [[camera.zone]] below it, or write no-zone = true if nothing it sees must be hidden",
                format!(
                    "la caméra « {camera} » n'a aucune zone ; ajouter une [[camera.zone]], ou écrire no-zone = true si rien ne doit y être masqué"
                ),
            ));
        }
        if let Some(no) = self.no_zone.filter(|_| no_zone && !self.zone.is_empty()) {
            return Err(Fault::new(
                no.span(),
                format!("camera \"{camera}\" says no-zone = true and has zones"),
                "take one of them out",
                format!(
                    "la caméra « {camera} » dit no-zone = true et a des zones ; retirer l'un ou l'autre"
                ),
            ));
        }
        let mut names = BTreeSet::new();
        let zones = bounded(self.zone, MAX_ZONES, "[[camera.zone]]", |z| z.name.span())?
            .into_iter()
            .map(|zone| zone.check(&mut names))
            .collect::<Result<_, _>>()?;
        Ok(View {
            camera,
            preset,
            zones,
        })
    }
}

impl ZoneFile {
    fn check(self, names: &mut BTreeSet<String>) -> Result<Zone, Fault> {
        let name = unique(self.name, "zone", names)?;
        let span = self.polygon.span();
        let polygon = site_file::polygon(self.polygon, MAX_CORNERS, &name)?;
        if meets_itself(&polygon) {
            return Err(site_file::meets_itself(span, &name));
        }
        Ok(Zone { name, polygon })
    }
}

/// Whether an outline touches or crosses itself, so that inside and outside would be unclear: edges that
/// are not neighbours meet, neighbours lie on each other, or corners coincide.
fn meets_itself(corners: &[[f64; 2]]) -> bool {
    let n = corners.len();
    let edge = |i: usize| (corners[i], corners[(i + 1) % n]);
    (0..n).any(|i| {
        let ((a, b), (_, c)) = (edge(i), edge((i + 1) % n));
        let dot = (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1]);
        // Also when two corners are one, where both are 0.
        let folds_back = turn(a, b, c) == 0.0 && dot >= 0.0;
        folds_back
            || (i + 2..n)
                .filter(|j| (j + 1) % n != i)
                .any(|j| meet(edge(i), edge(j)))
    })
}

/// Which way it goes from `p` over `q` to `r`: 1, -1, or 0 for straight on.
fn turn(p: [f64; 2], q: [f64; 2], r: [f64; 2]) -> f64 {
    let cross = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    if cross.abs() < ROUNDING {
        0.0
    } else {
        cross.signum()
    }
}

fn meet((a, b): ([f64; 2], [f64; 2]), (c, d): ([f64; 2], [f64; 2])) -> bool {
    let between = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        (0..2).all(|i| r[i] >= p[i].min(q[i]) && r[i] <= p[i].max(q[i]))
    };
    let (abc, abd, cda, cdb) = (turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b));
    abc * abd < 0.0 && cda * cdb < 0.0
        || abc == 0.0 && between(a, b, c)
        || abd == 0.0 && between(a, b, d)
        || cda == 0.0 && between(c, d, a)
        || cdb == 0.0 && between(c, d, b)
}

/// Bytes.
const MAX_FILE: u64 = 4 << 20;
const MAX_VIEWS: usize = 1024;
const MAX_ZONES: usize = 64;
const MAX_CORNERS: usize = 256;
/// Of a cross product in the square of a frame: far below a pixel of the largest.
const ROUNDING: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[[camera]]
name = "cam-12"
[[camera.zone]]
name = "windows"
polygon = [[0.1, 0.05], [0.32, 0.05], [0.32, 0.4], [0.1, 0.4]]
[[camera.zone]]
name = "door"
polygon = [[0, 0], [1, 0], [0, 1]]

[[camera]]
name = "cam-13"
preset = "square"
[[camera.zone]]
name = "windows"
polygon = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.3]]
[[camera]]
name = "cam-13"
preset = "car-park"
no-zone = true
"#;

    #[test]
    fn views_are_found_by_camera_and_preset() {
        let zones = Zones::parse(GOOD).unwrap();
        let names = |camera, preset| {
            zones
                .view(camera, preset)
                .map(|v| v.iter().map(|z| &*z.name).collect::<Vec<_>>())
        };
        assert_eq!(names("cam-12", ""), Some(vec!["windows", "door"]));
        assert_eq!(names("cam-13", "square"), Some(vec!["windows"]));
        assert_eq!(names("cam-13", "car-park"), Some(vec![]));
        assert_eq!(names("cam-13", ""), None, "where has it turned to?");
        assert_eq!(names("cam-13", "roof"), None);
        assert_eq!(names("cam-12", "square"), None);
        assert_eq!(names("cam-14", ""), None);
        assert_eq!(names("", ""), None);
        let door = &zones.view("cam-12", "").unwrap()[1];
        let corners = door.in_pixels(64, 48);
        assert_eq!(corners, [[0.0, 0.0], [64.0, 0.0], [0.0, 48.0]]);
    }

    #[test]
    fn the_example_is_a_file_of_zones() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/zones.toml");
        let zones = Zones::load(Path::new(path)).unwrap();
        assert_eq!(zones.view("cam-12", "").map(<[_]>::len), Some(2));
        assert_eq!(zones.view("cam-13", "square").map(<[_]>::len), Some(1));
        assert_eq!(zones.view("cam-13", "car-park").map(<[_]>::len), Some(0));
    }

    #[test]
    fn any_text_is_a_file_of_zones_or_an_error_with_its_place() {
        let mut seed = 3u64;
        let mut next = move |below: usize| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        let pieces = [
            "[",
            "]",
            "\"",
            "0.",
            "1e",
            "nan",
            ",",
            "\n",
            "é",
            "=",
            "[[camera]]",
            "-",
            "name",
        ];
        let (mut good, mut bad) = (0, 0);
        for _ in 0..4000 {
            let mut text: Vec<char> = GOOD.chars().collect();
            for _ in 0..=next(3) {
                let at = next(text.len());
                let until = (at + next(4)).min(text.len());
                let piece = pieces[next(pieces.len())].chars().take(next(12));
                text.splice(at..until, piece);
            }
            let text: String = text.into_iter().collect();
            match Zones::parse(&text) {
                Ok(zones) => {
                    good += 1;
                    let mut corners = zones.views.iter().flat_map(|v| &v.zones);
                    assert!(corners.all(|z| z.polygon.len() >= 3));
                }
                Err(error) => {
                    bad += 1;
                    let lines = text.matches('\n').count() + 1;
                    assert!((1..=lines).contains(&error.line), "{error}\n{text}");
                    assert!(error.column >= 1 && !error.problem.is_empty());
                }
            }
        }
        assert!(good > 100 && bad > 1000, "{good} {bad}");
    }

    fn refused(text: &str) -> FileError {
        let error = Zones::parse(text).unwrap_err();
        assert!(
            !error.problem.is_empty() && !error.remedy.is_empty() && !error.probleme.is_empty()
        );
        error
    }

    fn polygon(points: &str) -> String {
        format!("[[camera]]\nname = \"c\"\n[[camera.zone]]\nname = \"z\"\npolygon = {points}\n")
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, line, column, word) in [
            ("", 1, 1, "no [[camera]]"),
            ("# only a comment\n", 1, 1, "no [[camera]]"),
            ("[[camera]\n", 1, 10, ""),
            ("[[camera]]\nname = 3\n", 2, 8, "integer"),
            ("[[camera]]\nname = \"c\"\nzoom = 1\n", 3, 1, "zoom"),
            ("[[camera]]\nname = \"c\"\n", 2, 8, "no zone"),
            (
                "[[camera]]\nname = \"c\"\nno-zone = false\n",
                2,
                8,
                "no zone",
            ),
            ("[[camera]]\nname = \"\"\nno-zone = true\n", 2, 8, "empty"),
            (
                "[[camera]]\nname = \"c\"\npreset = \"a\\u0007\"\nno-zone = true\n",
                3,
                10,
                "control",
            ),
            (
                "[[camera]]\nname = \"é\"\nno-zone = true\n[[camera]]\nname = \"é\"\nno-zone = true\n",
                5,
                8,
                "second",
            ),
            (
                "[[camera]]\nname = \"c\"\nno-zone = true\n[[camera]]\nname = \"c\"\npreset = \"p\"\nno-zone = true\n",
                5,
                8,
                "without one",
            ),
        ] {
            let error = refused(text);
            assert_eq!((error.line, error.column), (line, column), "{error}");
            assert!(error.problem.contains(word), "{error}");
        }
        let twice = polygon("[[0,0],[1,0],[0,1]]")
            + "[[camera.zone]]\nname = \"z\"\npolygon = [[0,0],[1,0],[0,1]]\n";
        assert_eq!(refused(&twice).line, 7);
        let both = polygon("[[0,0],[1,0],[0,1]]").replace("\"c\"\n", "\"c\"\nno-zone = true\n");
        assert_eq!(refused(&both).line, 3);
    }

    #[test]
    fn polygons_are_polygons() {
        for (points, word) in [
            ("[]", "0 corners"),
            ("[[0.1, 0.1], [0.5, 0.5]]", "2 corners"),
            ("[[0.1, 0.1], [0.5, 0.5], [nan, 0.2]]", "outside"),
            ("[[0.1, 0.1], [0.5, 0.5], [inf, 0.2]]", "outside"),
            ("[[0.1, 0.1], [0.5, 0.5], [-0.01, 0.2]]", "outside"),
            ("[[0.1, 0.1], [0.5, 0.5], [640, 480]]", "outside"),
            ("[[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]", "meets itself"),
            ("[[0.1, 0.1], [0.1, 0.1], [0.9, 0.2]]", "meets itself"),
            (
                "[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]",
                "meets itself",
            ),
            // A spike: out and back on the same way.
            (
                "[[0.1, 0.1], [0.9, 0.1], [0.5, 0.1], [0.1, 0.9]]",
                "meets itself",
            ),
            // A corner on another edge.
            (
                "[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.5, 0.1], [0.1, 0.9]]",
                "meets itself",
            ),
            ("[[0.1], [0.5, 0.5], [0.9, 0.9]]", ""),
            ("\"everything\"", ""),
        ] {
            let error = refused(&polygon(points));
            assert_eq!(error.line, 5, "{error}");
            assert!(error.problem.contains(word), "{points}: {error}");
        }
        // Concave ones and any turn of the walk are good.
        for points in [
            "[[0.1, 0.1], [0.9, 0.1], [0.5, 0.3], [0.1, 0.9]]",
            "[[0.1, 0.9], [0.5, 0.3], [0.9, 0.1], [0.1, 0.1]]",
            "[[0, 0], [0.5, 0], [1, 0], [1, 1], [0, 1]]",
        ] {
            assert!(Zones::parse(&polygon(points)).is_ok(), "{points}");
        }
        let many = (0..=MAX_CORNERS)
            .map(|i| {
                let turn = std::f64::consts::TAU * i as f64 / (MAX_CORNERS + 1) as f64;
                format!("[{}, {}]", 0.5 + 0.4 * turn.cos(), 0.5 + 0.4 * turn.sin())
            })
            .collect::<Vec<_>>();
        assert!(
            refused(&polygon(&format!("[{}]", many.join(", "))))
                .problem
                .contains("257")
        );
        let allowed = polygon(&format!("[{}]", many[1..].join(", ")));
        assert!(Zones::parse(&allowed).is_ok());
    }

    #[test]
    fn files_that_are_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zones.toml");
        let error = Zones::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("zones.toml") && error.contains("illisible"),
            "{error}"
        );
        assert!(matches!(
            Zones::load(dir.path()),
            Err(ZonesError::Read { .. })
        ));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(Zones::load(&path), Err(ZonesError::Read { .. })));
        std::fs::write(&path, "#".repeat(MAX_FILE as usize + 1)).unwrap();
        assert!(matches!(Zones::load(&path), Err(ZonesError::Large(_))));
        std::fs::write(&path, "").unwrap();
        let error = Zones::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("line 1, column 1") && error.contains("ligne 1"),
            "{error}"
        );
        std::fs::write(&path, GOOD).unwrap();
        assert!(Zones::load(&path).unwrap().view("cam-12", "").is_some());
    }
}
