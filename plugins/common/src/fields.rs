// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the fields of a structure: all or nothing.

use std::borrow::Cow;

use gst::StructureRef;

use crate::CONTRACT_VERSION;

/// Why a structure of the contract cannot be used. The caller treats it as absent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Written by a newer or older contract: its meaning is unknown, so it says nothing.
    #[error("version {0} is not version {CONTRACT_VERSION} of the contract")]
    Version(u32),
    /// A field is not there or has another type.
    #[error("field `{0}` is missing or has the wrong type")]
    Field(&'static str),
    /// A field has a value outside its meaning.
    #[error("field `{field}` has the unknown value \"{value}\"")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// What it held.
        value: String,
    },
}

/// Checks the version, which is read before anything else.
pub fn version(s: &StructureRef) -> Result<(), FieldError> {
    match get::<u32>(s, "version")? {
        CONTRACT_VERSION => Ok(()),
        other => Err(FieldError::Version(other)),
    }
}

pub fn get<'a, T>(s: &'a StructureRef, name: &'static str) -> Result<T, FieldError>
where
    T: glib::value::FromValue<'a>,
{
    s.get::<T>(name).map_err(|_| FieldError::Field(name))
}

/// A list of strings travels as one string with a separator that no label holds: arrays of strings
/// would print as `{ (string)a }` in `gst-launch-1.0 -v` and cannot be typed in a caps-like string.
pub const SEPARATOR: char = '\n';

pub fn list(s: &StructureRef, name: &'static str) -> Result<Vec<String>, FieldError> {
    Ok(split(get::<&str>(s, name)?))
}

pub fn split(text: &str) -> Vec<String> {
    text.split(SEPARATOR)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Joins a list. A separator inside a part would make two of it, so it becomes a replacement character.
pub fn join(parts: &[String]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| part.replace([SEPARATOR, '\0'], "\u{fffd}"))
        .collect();
    parts.join("\n")
}

/// Text for structures, messages, logs and queries, which are C strings and end at a NUL: each becomes a
/// replacement character. Without this, setting a field of such a text panics.
///
/// ```
/// assert_eq!(privacy_common::c_text("cam\0-12"), "cam\u{fffd}-12");
/// ```
pub fn c_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
