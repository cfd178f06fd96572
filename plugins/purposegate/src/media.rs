// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images only (CSI R.253-1 1°): which streams may pass a gate at all.

/// Why a stream may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotImages {
    /// Sound.
    Sound,
    /// A container, in which sound would pass unseen.
    Container,
    /// Nobody knows what it holds; the name of its media type, empty when it has none.
    Unknown(String),
}

/// Elementary streams of images and nothing else. A list of what is known to be good: a container that
/// nobody thought of would carry its sound past a list of bad ones.
const IMAGES: [&str; 31] = [
    "video/x-raw",
    "video/x-bayer",
    "video/x-h261",
    "video/x-h263",
    "video/x-h264",
    "video/x-h265",
    "video/x-h266",
    "video/x-vp6",
    "video/x-vp8",
    "video/x-vp9",
    "video/x-av1",
    "video/x-theora",
    "video/x-dirac",
    "video/x-msmpeg",
    "video/x-wmv",
    "video/x-divx",
    "video/x-xvid",
    "video/x-mjpg",
    "video/x-prores",
    "video/x-dnxhd",
    "video/x-ffv",
    "video/x-huffyuv",
    "video/x-cineform",
    "video/x-jpc",
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/x-jpc",
    "image/x-j2c",
    "image/jp2",
    "image/svt-jpegxs",
];

/// Media types that are images or a container with sound, as their field `systemstream` says.
const EITHER: [&str; 2] = ["video/mpeg", "video/x-dv"];

const CONTAINERS: [&str; 12] = [
    "video/quicktime",
    "video/x-matroska",
    "video/x-matroska-3d",
    "video/webm",
    "video/x-msvideo",
    "video/mpegts",
    "video/x-flv",
    "video/x-ms-asf",
    "application/ogg",
    "application/mxf",
    "application/x-rtp",
    "application/x-3gp",
];

/// Whether a stream of these caps holds images and nothing else.
pub fn check(caps: &gst::CapsRef) -> Result<(), NotImages> {
    let Some(media) = caps.structure(0) else {
        return Err(NotImages::Unknown(String::new()));
    };
    let name = media.name().as_str();
    if IMAGES.contains(&name) {
        Ok(())
    } else if EITHER.contains(&name) {
        match media.get::<bool>("systemstream") {
            Ok(false) => Ok(()),
            _ => Err(NotImages::Container),
        }
    } else if CONTAINERS.contains(&name) {
        Err(NotImages::Container)
    } else if name.starts_with("audio/") {
        Err(NotImages::Sound)
    } else {
        Err(NotImages::Unknown(name.to_owned()))
    }
}

/// A tag event without pictures: demuxers send covers and previews ahead of any frame, and a preview of a
/// recording is a clear frame of it. `None` when it holds none.
pub fn without_pictures(tags: &gst::TagListRef) -> Option<gst::TagList> {
    let picture = |value: &glib::SendValue| {
        use gst::prelude::*;
        [gst::Sample::static_type(), gst::Buffer::static_type()].contains(&value.type_())
    };
    if !tags
        .iter_generic()
        .any(|(_, mut values)| values.any(picture))
    {
        return None;
    }
    let mut kept = gst::TagList::new();
    {
        let kept = kept.make_mut();
        kept.set_scope(tags.scope());
        for (name, values) in tags.iter_generic() {
            for value in values.filter(|value| !picture(value)) {
                // Fails only for a tag that is not registered, which this one was when it came.
                let _ = kept.add_value(name, value, gst::TagMergeMode::Append);
            }
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j1_what_is_not_known_to_be_images_does_not_pass() {
        gst::init().unwrap();
        let check = |caps: &str| check(&caps.parse::<gst::Caps>().unwrap());
        for good in [
            "video/x-raw",
            "video/x-raw(memory:GLMemory)",
            "video/x-msmpeg",
            "video/mpeg,systemstream=false",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("audio/mpeg"), Err(NotImages::Sound));
        for container in [
            "video/mpeg",
            "video/mpeg,systemstream=true",
            "video/x-dv",
            "video/quicktime",
        ] {
            assert_eq!(check(container), Err(NotImages::Container), "{container}");
        }
        for unknown in ["video/x-new", "application/octet-stream", "text/x-raw"] {
            assert_eq!(
                check(unknown),
                Err(NotImages::Unknown(unknown.into())),
                "{unknown}"
            );
        }
        assert!(super::check(&gst::Caps::new_empty()).is_err());
        assert!(super::check(&gst::Caps::new_any()).is_err());
    }
}
