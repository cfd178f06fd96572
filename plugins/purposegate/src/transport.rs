// SPDX-License-Identifier: MIT OR Apache-2.0
//! By what transport images come to a gate and leave behind it (RGPD art. 32, CSI R.253-2).
//!
//! What can be seen here is what an element says of itself: the scheme of its URI, or its class where it has
//! none. A tunnel below it cannot be seen, so a plain transport inside one is plain.

use std::collections::HashSet;

use gst::prelude::*;

/// An element that brings images from elsewhere, or takes them there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    /// Name of the element.
    pub element: String,
    /// Scheme of its transport, such as `rtsps`; `srt` only where its URI holds a passphrase.
    pub scheme: String,
}

/// What `srt` is called where nothing shows that it is encrypted.
pub const PLAIN_SRT: &str = "srt, no passphrase in the URI";

/// Schemes of elements that stay on this host, besides `file`.
const LOCAL: [&str; 11] = [
    "appsink",
    "appsrc",
    "cdda",
    "data",
    "fd",
    "pushfile",
    "resource",
    "test",
    "testbin",
    "v4l2",
    "videotestsrc",
];

/// Shortest passphrase that SRT takes (SRT API, `SRTO_PASSPHRASE`).
const MIN_PASSPHRASE: usize = 10;

/// Elements that send what can be reached from `source` over a network.
pub fn sinks(source: &gst::Pad) -> Vec<Carrier> {
    walk(source, Direction::Down)
        .into_iter()
        .filter(|carrier| carrier.scheme != "file")
        .collect()
}

/// Elements that bring what comes to `sink`, over a network or from a file.
pub fn sources(sink: &gst::Pad) -> Vec<Carrier> {
    walk(sink, Direction::Up)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

fn walk(start: &gst::Pad, direction: Direction) -> Vec<Carrier> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut next = vec![start.clone()];
    while let Some(pad) = next.pop() {
        let Some(peer) = pad.peer() else {
            continue;
        };
        if !seen.insert(peer.clone()) {
            continue;
        }
        // Of a pad of a bin, this is the bin, which may be the one that knows the URI.
        if let Some(element) = peer.parent_element()
            && let Some(scheme) = scheme(&element, direction)
        {
            let element = element.name().into();
            found.push(Carrier { element, scheme });
            continue;
        }
        match peer.downcast_ref::<gst::ProxyPad>() {
            Some(proxy) => next.extend(proxy.internal().map(Cast::upcast)),
            None => {
                if let Some(element) = peer.parent_element() {
                    next.extend(match direction {
                        Direction::Up => element.sink_pads(),
                        Direction::Down => element.src_pads(),
                    });
                }
            }
        }
    }
    found
}

/// The scheme by which `element` carries images, if it takes them anywhere or brings them from anywhere.
fn scheme(element: &gst::Element, direction: Direction) -> Option<String> {
    let klass = element.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or("");
    let is = |word: &str| klass.split('/').any(|w| w == word);
    let way = match direction {
        Direction::Up => gst::URIType::Src,
        Direction::Down => gst::URIType::Sink,
    };
    let handler = element
        .dynamic_cast_ref::<gst::URIHandler>()
        .filter(|handler| handler.uri_type() == way);
    let ends = match direction {
        Direction::Up => element.sink_pads().is_empty(),
        Direction::Down => element.src_pads().is_empty(),
    };
    let network = is("Network") && (ends || is("WebRTC")) && !is("RTP");
    if handler.is_none() && !network && !ends {
        return None;
    }
    let uri = handler
        .and_then(|handler| handler.uri().map(String::from))
        .or_else(|| text(element));
    let scheme = match uri.as_deref().and_then(of_uri) {
        Some(scheme) => scheme,
        None if network => without_uri(element),
        None => return None,
    };
    (!LOCAL.contains(&scheme.as_str())).then_some(scheme)
}

/// The URI of an element that is no handler of them.
fn text(element: &gst::Element) -> Option<String> {
    ["uri", "location", "url"].into_iter().find_map(|name| {
        let spec = element.find_property(name)?;
        if spec.value_type() != glib::Type::STRING
            || !spec.flags().contains(glib::ParamFlags::READABLE)
        {
            return None;
        }
        element
            .property::<Option<String>>(name)
            .filter(|text| text.contains("://"))
    })
}

/// The scheme of a URI, under the name that rules know it by.
fn of_uri(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    Some(match scheme.as_str() {
        // TLS, and the images inside it. With rtspsu only the commands are.
        "rtspst" | "rtspsh" => "rtsps".into(),
        "srt" if !has_passphrase(rest) => PLAIN_SRT.into(),
        "multifile" | "splitfile" => "file".into(),
        _ => scheme,
    })
}

fn has_passphrase(rest: &str) -> bool {
    let Some((_, query)) = rest.split_once('?') else {
        return false;
    };
    query
        .split('&')
        .filter_map(|part| part.split_once('='))
        .any(|(key, value)| key == "passphrase" && value.len() >= MIN_PASSPHRASE)
}

/// What the transport of an element that names no URI is called: `tcp` for `tcpserversink`.
fn without_uri(element: &gst::Element) -> String {
    let name = element
        .factory()
        .map_or_else(|| element.name().to_string(), |f| f.name().to_string());
    for known in ["tcp", "udp", "srt", "rtmp", "rtsp", "webrtc"] {
        if name.contains(known) {
            return if known == "srt" {
                PLAIN_SRT.into()
            } else {
                known.into()
            };
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemes(description: &str, look: impl Fn(&gst::Element) -> Vec<Carrier>) -> Vec<String> {
        gst::init().unwrap();
        let bin = gst::parse::bin_from_description(description, false).unwrap();
        let found = look(&bin.by_name("gate").unwrap());
        found.into_iter().map(|carrier| carrier.scheme).collect()
    }

    fn out(description: &str) -> Vec<String> {
        schemes(&format!("identity name=gate ! {description}"), |gate| {
            sinks(&gate.static_pad("src").unwrap())
        })
    }

    fn from(description: &str) -> Vec<String> {
        schemes(
            &format!("{description} ! identity name=gate ! fakesink"),
            |gate| sources(&gate.static_pad("sink").unwrap()),
        )
    }

    #[test]
    fn e5_what_leaves_over_a_network_is_known_by_its_scheme() {
        for local in [
            "fakesink",
            "appsink",
            "filesink location=/tmp/never",
            "fdsink",
            "queue ! autovideosink",
        ] {
            assert_eq!(out(local), Vec::<String>::new(), "{local}");
        }
        for (sink, scheme) in [
            ("udpsink host=127.0.0.1", "udp"),
            ("( queue ! udpsink )", "udp"),
            ("tcpserversink", "tcp"),
            ("tcpclientsink", "tcp"),
            ("srtsink uri=srt://:7001", PLAIN_SRT),
            // Nobody can read it back.
            ("srtsink uri=srt://:7001 passphrase=0123456789", PLAIN_SRT),
            ("srtsink uri=srt://:7001?passphrase=short", PLAIN_SRT),
            ("srtsink uri=srt://:7001?passphrase=0123456789", "srt"),
            ("souphttpclientsink location=http://a/b", "http"),
            ("souphttpclientsink location=https://a/b", "https"),
            ("tee ! queue ! rtph264pay ! multiudpsink", "udp"),
        ] {
            assert_eq!(out(sink), [scheme], "{sink}");
        }
    }

    #[test]
    fn e5_what_comes_over_a_network_is_known_by_its_scheme() {
        for local in ["videotestsrc", "appsrc", "fakesrc ! queue"] {
            assert_eq!(from(local), Vec::<String>::new(), "{local}");
        }
        for (source, scheme) in [
            ("filesrc location=/tmp/never", "file"),
            ("udpsrc", "udp"),
            ("( udpsrc ! queue )", "udp"),
            ("tcpclientsrc ! queue", "tcp"),
            ("srtsrc uri=srt://:7001", PLAIN_SRT),
            (
                "srtsrc uri=srt://:7001?passphrase=0123456789&mode=caller",
                "srt",
            ),
            ("souphttpsrc location=http://a/b", "http"),
            ("souphttpsrc location=https://a/b", "https"),
        ] {
            assert_eq!(from(source), [scheme], "{source}");
        }
        assert_eq!(
            from("filesrc location=/tmp/never ! funnel name=f udpsrc ! f. f.").len(),
            2
        );
    }

    #[test]
    fn e5_a_camera_is_known_by_its_address_although_its_pads_come_later() {
        gst::init().unwrap();
        for (location, scheme) in [
            ("rtsp://camera/stream", "rtsp"),
            ("rtsps://camera/stream", "rtsps"),
            ("rtspst://camera/stream", "rtsps"),
            ("rtspsu://camera/stream", "rtspsu"),
        ] {
            let source = gst::ElementFactory::make("rtspsrc")
                .property("location", location)
                .build()
                .unwrap();
            assert_eq!(
                super::scheme(&source, Direction::Up).as_deref(),
                Some(scheme),
                "{location}"
            );
        }
    }
}
