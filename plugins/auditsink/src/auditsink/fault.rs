// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors as the user reads them.

use privacy_common::c_text;
use privacy_register::{AppendError, KeyError, OpenError};

use super::settings::Settings;
use crate::{journal::JournalError, output::OutputError};

/// The error, naming the property that it comes from and what that holds.
pub fn message(settings: &Settings, error: &JournalError) -> gst::ErrorMessage {
    use JournalError::{Append, Open, Output};
    let code = match error {
        Open(OpenError::NotARegister(_)) => gst::ResourceError::NotFound,
        Open(OpenError::Locked { .. }) => gst::ResourceError::Busy,
        Open(_) => gst::ResourceError::OpenReadWrite,
        Append(AppendError::Io { source, .. }) | Output(OutputError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::StorageFull =>
        {
            gst::ResourceError::NoSpaceLeft
        }
        _ => gst::ResourceError::Write,
    };
    let text = text(settings, error);
    gst::error_msg!(code, ("{text}"))
}

/// The text of [`message`].
pub fn text(settings: &Settings, error: &JournalError) -> String {
    use JournalError::{Open, Output};
    let (name, path) = match error {
        Open(OpenError::Key(KeyError::Random(_))) => ("register", &settings.register),
        Open(OpenError::Key(_) | OpenError::Origin { .. }) => {
            ("signing-key", &settings.signing_key)
        }
        Output(_) => ("location", &settings.location),
        _ => ("register", &settings.register),
    };
    let value = path
        .as_ref()
        .map_or_else(String::new, |path| path.display().to_string());
    // An error may quote what a request or a file held.
    c_text(&format!("{name}=\"{value}\": {error}")).into_owned()
}
