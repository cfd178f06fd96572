// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that say where things are in the views of cameras: what their readers share.
//!
//! ```
//! use privacy_common::site_file;
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct File {
//!     name: toml::Spanned<String>,
//! }
//! let fault = site_file::parse::<File>("nom = 'cam-12'", "correct it", "corriger").map(|_| ()).unwrap_err();
//! assert_eq!((fault.line, fault.column), (1, 1));
//! let text = "name = ''";
//! let file: File = site_file::parse(text, "correct it", "corriger").unwrap();
//! let fault = site_file::name(file.name, "camera").unwrap_err().at(text);
//! assert_eq!((fault.line, fault.column), (1, 8));
//! ```

use std::{collections::BTreeSet, ops::Range};

use serde::de::DeserializeOwned;
use toml::Spanned;

/// Longest name, in bytes.
const MAX_NAME: usize = 128;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}, column {column}: {problem}; {remedy} / ligne {line}, colonne {column} : {probleme}"
)]
pub struct FileError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, with the name and the value.
    pub problem: String,
    /// What to do.
    pub remedy: String,
    /// Both in French.
    pub probleme: String,
}

/// An error that knows its bytes and not yet its line.
#[derive(Debug)]
pub struct Fault {
    span: Range<usize>,
    problem: String,
    remedy: String,
    probleme: String,
}

impl Fault {
    /// What is wrong at `span`, what to do, and both in French.
    pub fn new(
        span: Range<usize>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
        probleme: impl Into<String>,
    ) -> Self {
        Self {
            span,
            problem: problem.into(),
            remedy: remedy.into(),
            probleme: probleme.into(),
        }
    }

    /// The same with its place in `text`.
    pub fn at(self, text: &str) -> FileError {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |last| last.chars().count())
            + 1;
        FileError {
            line,
            column,
            problem: self.problem,
            remedy: self.remedy,
            probleme: self.probleme,
        }
    }
}

/// Reads TOML. `remedy` and `remede` (French) say what to do when it is none, or has other keys.
pub fn parse<T: DeserializeOwned>(text: &str, remedy: &str, remede: &str) -> Result<T, FileError> {
    toml::from_str(text).map_err(|error| {
        let message = error.message().trim().replace('\n', "; ");
        let probleme = format!("{message} ; {remede}");
        Fault::new(error.span().unwrap_or(0..0), message, remedy, probleme).at(text)
    })
}

/// The name of a camera, a zone or whatever `what` says: short and plain.
pub fn name(name: Spanned<String>, what: &str) -> Result<String, Fault> {
    let (span, name) = (name.span(), name.into_inner());
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let shown = name.escape_debug();
        return Err(Fault::new(
            span,
            format!(
                "{what} name \"{shown}\" is empty, longer than {MAX_NAME} bytes or holds control characters"
            ),
            "give it a short plain name",
            format!(
                "nom « {shown} » vide, de plus de {MAX_NAME} octets ou avec des caractères de contrôle ; donner un nom court et simple"
            ),
        ));
    }
    Ok(name)
}

/// A [`name`] that is not among `names`, to which it is added.
pub fn unique(
    named: Spanned<String>,
    what: &str,
    names: &mut BTreeSet<String>,
) -> Result<String, Fault> {
    let span = named.span();
    let name = name(named, what)?;
    if !names.insert(name.clone()) {
        return Err(Fault::new(
            span,
            format!("a second {what} is named \"{name}\""),
            "give each its own name",
            format!("le nom « {name} » est pris deux fois ; donner à chacun le sien"),
        ));
    }
    Ok(name)
}

/// A point of the line or zone `name`, in fractions of the frame.
pub fn point([x, y]: [f64; 2], span: Range<usize>, name: &str) -> Result<[f64; 2], Fault> {
    // No NaN lies in a range.
    let inside = |v: f64| (0.0..=1.0).contains(&v);
    if inside(x) && inside(y) {
        return Ok([x, y]);
    }
    Err(Fault::new(
        span,
        format!("point [{x}, {y}] of \"{name}\" lies outside the frame"),
        "write fractions of the frame from 0 to 1, not pixels",
        format!(
            "le point [{x}, {y}] de « {name} » est hors de l'image ; écrire des fractions de l'image, de 0 à 1, et non des pixels"
        ),
    ))
}

/// The corners of the zone `name`, 3 to `most` of them, in fractions of the frame.
pub fn polygon(
    corners: Spanned<Vec<[f64; 2]>>,
    most: usize,
    name: &str,
) -> Result<Vec<[f64; 2]>, Fault> {
    let span = corners.span();
    let corners = corners.into_inner();
    if !(3..=most).contains(&corners.len()) {
        return Err(Fault::new(
            span,
            format!("zone \"{name}\" has {} corners", corners.len()),
            format!("give its polygon 3 to {most} points"),
            format!(
                "la zone « {name} » a {} sommets ; donner à son polygone de 3 à {most} points",
                corners.len()
            ),
        ));
    }
    corners
        .into_iter()
        .map(|corner| point(corner, span.clone(), name))
        .collect()
}

/// The outline of the zone `name` at `span` meets itself: inside and outside would be unclear.
pub fn meets_itself(span: Range<usize>, name: &str) -> Fault {
    Fault::new(
        span,
        format!("the outline of zone \"{name}\" meets itself"),
        "list its corners in the order of a walk around it, each once",
        format!(
            "le contour de la zone « {name} » se recoupe ; donner ses sommets dans l'ordre d'un tour, chacun une fois"
        ),
    )
}

/// `list`, if it has at most `most` entries; they are tables `what` of the file.
pub fn bounded<T>(
    list: Vec<T>,
    most: usize,
    what: &str,
    span: impl Fn(&T) -> Range<usize>,
) -> Result<Vec<T>, Fault> {
    match list.get(most) {
        None => Ok(list),
        Some(one_too_many) => Err(Fault::new(
            span(one_too_many),
            format!("{} {what} tables, more than {most}", list.len()),
            "split the site into several files",
            format!(
                "{} tables {what}, plus que {most} ; répartir le site sur plusieurs fichiers",
                list.len()
            ),
        )),
    }
}
