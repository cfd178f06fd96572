// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the element messages of the family: each is a structure named after its element, and its field
//! `event` says what happened.

use glib::value::FromValue;

/// Why a structure is no message of an element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is a message of something else, or of a newer version of the element.
    #[error("it is no message of {0} known here")]
    Unknown(&'static str),
    /// A field is missing or has another type.
    #[error("field `{0}` is missing or has the wrong type")]
    Field(&'static str),
}

/// What happened, of a message of `element`.
pub fn event(s: &gst::StructureRef, element: &'static str) -> Result<String, MessageError> {
    if s.name() == element {
        text(s, "event")
    } else {
        Err(MessageError::Unknown(element))
    }
}

/// A field of any type.
pub fn field<'a, T: FromValue<'a>>(
    s: &'a gst::StructureRef,
    name: &'static str,
) -> Result<T, MessageError> {
    s.get::<T>(name).map_err(|_| MessageError::Field(name))
}

/// A field that holds text.
pub fn text(s: &gst::StructureRef, name: &'static str) -> Result<String, MessageError> {
    field::<&str>(s, name).map(str::to_owned)
}

/// A field that holds a time in ns, all ones where there is none.
pub fn time(
    s: &gst::StructureRef,
    name: &'static str,
) -> Result<Option<gst::ClockTime>, MessageError> {
    Ok(gst::ClockTime::try_from(field::<u64>(s, name)?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_is_read() {
        gst::init().unwrap();
        let s = gst::Structure::builder("wgpublur")
            .field("event", "ready")
            .field("n", 3u32)
            .field("at", 40u64)
            .field("never", u64::MAX)
            .build();
        assert_eq!(event(&s, "wgpublur").as_deref(), Ok("ready"));
        assert_eq!(
            event(&s, "auditsink"),
            Err(MessageError::Unknown("auditsink"))
        );
        assert_eq!(field(&s, "n"), Ok(3u32));
        assert_eq!(field::<u64>(&s, "n"), Err(MessageError::Field("n")));
        assert_eq!(text(&s, "m"), Err(MessageError::Field("m")));
        assert_eq!(time(&s, "at"), Ok(gst::ClockTime::from_nseconds(40).into()));
        assert_eq!(time(&s, "never"), Ok(None));
    }
}
