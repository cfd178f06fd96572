// SPDX-License-Identifier: MIT OR Apache-2.0
//! The site file: which lines and zones each camera has.
//!
//! ```toml
//! window-seconds = 1200          # optional; the property `window` goes before it
//!
//! [[camera]]
//! name = "cam-12"
//!
//! [[camera.line]]
//! name = "rue-de-la-gare"
//! from = [0.5, 0.0]              # fractions of the frame: 0,0 is its upper left corner
//! to = [0.5, 1.0]
//!
//! [[camera.zone]]
//! name = "parvis"
//! polygon = [[0.4, 0.3], [0.8, 0.3], [0.8, 0.7], [0.4, 0.7]]
//! ```
//!
//! The point of an object that counts is the middle of the lower edge of its box: where it touches the
//! ground. There is no threshold, no dwell time and no alert to set, and a key that is not known is an
//! error (counting for statistics must have no immediate operational use, CNIL, December 2024).

use std::{collections::BTreeSet, ops::Range};

use privacy_common::site_file::{self, Fault, FileError, bounded, unique};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    geometry::{self, Point},
    window::SECOND,
};

/// Every camera of a site.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Length of a window in ns, when the file names one.
    pub window: Option<i64>,
    /// The cameras, in the order of the file.
    pub cameras: Vec<CameraSite>,
}

/// Lines and zones of one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraSite {
    /// Name of the camera, as mandates and pads name it.
    pub name: String,
    /// Its lines.
    pub lines: Vec<LineSite>,
    /// Its zones.
    pub zones: Vec<ZoneSite>,
}

/// A line between two points in fractions of the frame.
#[derive(Debug, Clone, PartialEq)]
pub struct LineSite {
    /// Name, unique among the camera's lines.
    pub name: String,
    /// First point.
    pub from: Point,
    /// Second point.
    pub to: Point,
}

/// A polygon in fractions of the frame.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneSite {
    /// Name, unique among the camera's zones.
    pub name: String,
    /// Its corners.
    pub polygon: Vec<Point>,
}

impl Site {
    /// Reads a site file.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let file: SiteFile = site_file::parse(
            text,
            "correct this entry; the README shows a whole site file",
            "corriger cette entrée, le README montre un fichier complet",
        )?;
        file.check().map_err(|fault| fault.at(text))
    }

    /// The camera of that name.
    pub fn camera(&self, name: &str) -> Option<&CameraSite> {
        self.cameras.iter().find(|camera| camera.name == name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SiteFile {
    window_seconds: Option<Spanned<i64>>,
    #[serde(default)]
    camera: Vec<CameraFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CameraFile {
    name: Spanned<String>,
    #[serde(default)]
    line: Vec<LineFile>,
    #[serde(default)]
    zone: Vec<ZoneFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineFile {
    name: Spanned<String>,
    from: Spanned<[f64; 2]>,
    to: Spanned<[f64; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneFile {
    name: Spanned<String>,
    polygon: Spanned<Vec<[f64; 2]>>,
}

impl SiteFile {
    fn check(self) -> Result<Site, Fault> {
        let window = match self.window_seconds {
            None => None,
            Some(seconds) => {
                let span = seconds.span();
                let value = seconds.into_inner();
                let ns = (1..=MAX_WINDOW_SECONDS)
                    .contains(&value)
                    .then(|| value * SECOND);
                Some(ns.ok_or_else(|| {
                    Fault::new(
                        span,
                        format!("window-seconds = {value} is not between 1 and {MAX_WINDOW_SECONDS}"),
                        "write the length of a window in seconds, such as 1200",
                        format!("window-seconds = {value} n'est pas entre 1 et {MAX_WINDOW_SECONDS} ; écrire la durée d'une fenêtre en secondes, par exemple 1200"),
                    )
                })?)
            }
        };
        if self.camera.is_empty() {
            return Err(Fault::new(
                0..0,
                "no [[camera]] in this file",
                "add one with a name and at least one [[camera.line]] or [[camera.zone]]",
                "aucune [[camera]] dans ce fichier ; en ajouter une, avec un nom et au moins une [[camera.line]] ou [[camera.zone]]",
            ));
        }
        let mut names = BTreeSet::new();
        let cameras = bounded(self.camera, MAX_CAMERAS, "[[camera]]", |camera| {
            camera.name.span()
        })?
        .into_iter()
        .map(|camera| camera.check(&mut names))
        .collect::<Result<_, _>>()?;
        Ok(Site { window, cameras })
    }
}

impl CameraFile {
    fn check(self, names: &mut BTreeSet<String>) -> Result<CameraSite, Fault> {
        let span = self.name.span();
        let name = unique(self.name, "camera", names)?;
        if self.line.is_empty() && self.zone.is_empty() {
            return Err(Fault::new(
                span,
                format!("camera \"{name}\" has nothing to count at"),
                "add a [[camera.line]] or a [[camera.zone]] below it",
                format!(
                    "la caméra « {name} » n'a rien à compter ; ajouter une [[camera.line]] ou une [[camera.zone]] sous elle"
                ),
            ));
        }
        let (mut lines, mut zones) = (BTreeSet::new(), BTreeSet::new());
        Ok(CameraSite {
            name,
            lines: bounded(self.line, MAX_SHAPES, "[[camera.line]]", |line| {
                line.name.span()
            })?
            .into_iter()
            .map(|line| line.check(&mut lines))
            .collect::<Result<_, _>>()?,
            zones: bounded(self.zone, MAX_SHAPES, "[[camera.zone]]", |zone| {
                zone.name.span()
            })?
            .into_iter()
            .map(|zone| zone.check(&mut zones))
            .collect::<Result<_, _>>()?,
        })
    }
}

impl LineFile {
    fn check(self, names: &mut BTreeSet<String>) -> Result<LineSite, Fault> {
        let name = unique(self.name, "line", names)?;
        let span = self.to.span();
        let from = point(*self.from.get_ref(), self.from.span(), &name)?;
        let to = point(*self.to.get_ref(), span.clone(), &name)?;
        if (from.x - to.x).hypot(from.y - to.y) < MIN_LENGTH {
            return Err(Fault::new(
                span,
                format!("line \"{name}\" is shorter than {MIN_LENGTH} of the frame"),
                "move its two points apart",
                format!(
                    "la ligne « {name} » mesure moins de {MIN_LENGTH} de l'image ; écarter ses deux points"
                ),
            ));
        }
        if geometry::smaller_side(from, to) < MIN_ROOM {
            return Err(Fault::new(
                span,
                format!(
                    "line \"{name}\" runs along the edge of the frame: nobody can be seen on its other side"
                ),
                "move it into the frame",
                format!(
                    "la ligne « {name} » longe le bord de l'image : personne n'est visible de l'autre côté ; la déplacer vers l'intérieur"
                ),
            ));
        }
        Ok(LineSite { name, from, to })
    }
}

impl ZoneFile {
    fn check(self, names: &mut BTreeSet<String>) -> Result<ZoneSite, Fault> {
        let name = unique(self.name, "zone", names)?;
        let span = self.polygon.span();
        let polygon: Vec<Point> = site_file::polygon(self.polygon, MAX_CORNERS, &name)?
            .into_iter()
            .map(|[x, y]| Point { x, y })
            .collect();
        if geometry::crosses_itself(&polygon) {
            return Err(site_file::meets_itself(span, &name));
        }
        if geometry::area(&polygon) < MIN_AREA {
            return Err(Fault::new(
                span,
                format!(
                    "zone \"{name}\" covers less than {MIN_AREA} of the frame, which singles people out"
                ),
                "make it larger",
                format!(
                    "la zone « {name} » couvre moins de {MIN_AREA} de l'image, ce qui isole des individus ; l'agrandir"
                ),
            ));
        }
        Ok(ZoneSite { name, polygon })
    }
}

fn point(at: [f64; 2], span: Range<usize>, name: &str) -> Result<Point, Fault> {
    site_file::point(at, span, name).map(|[x, y]| Point { x, y })
}

const MAX_CAMERAS: usize = 256;
const MAX_SHAPES: usize = 32;
const MAX_CORNERS: usize = 64;
const MAX_WINDOW_SECONDS: i64 = 86_400;
/// Shortest line, in fractions of the frame.
const MIN_LENGTH: f64 = 0.01;
/// How far the frame must reach on both sides of a line, in fractions of it.
const MIN_ROOM: f64 = 0.002;
/// Smallest zone, as a share of the frame.
const MIN_AREA: f64 = 0.005;

#[cfg(test)]
mod tests;
