// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing may join the images behind an entry gate that has not passed one itself.
//!
//! Sound that a muxer puts beside the images, or a second camera that a compositor puts into the picture,
//! would leave under a decision that was never taken about it. The walk goes down from the gate to each
//! element that its images can reach, and from every other linked sink pad of such an element back up to
//! where that branch comes from.

use std::collections::HashSet;

use gst::prelude::*;

/// A branch that joins the images without having passed a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Name of the element where it joins.
    pub element: String,
    /// Name of the element where it comes from, or of the one that can be followed no further.
    pub from: String,
    /// It brings sound.
    pub sound: bool,
}

/// What a branch brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brings {
    Sound,
    /// Text to be written over the picture, or reports about packets: neither image nor sound.
    Neither,
    /// Images, or what nobody knows.
    Images,
}

/// The first branch that joins what leaves through `source` and has not passed an entry gate. `is_entry`
/// knows the gates of entry, `lets_none_out` the elements behind which there are no images to be joined.
pub fn ungated_join(
    source: &gst::Pad,
    is_entry: impl Fn(&gst::Element) -> bool,
    lets_none_out: impl Fn(&gst::Element) -> bool,
) -> Option<Join> {
    let reached = reached(source, lets_none_out);
    for pad in &reached {
        let Some(element) = pad.parent_element() else {
            continue;
        };
        for beside in element.sink_pads() {
            if reached.contains(&beside) || !same_lane(&element, pad, &beside) {
                continue;
            }
            let Some(from) = ungated_source(&beside, &reached, &is_entry) else {
                continue;
            };
            let sound = match brings(&beside) {
                Brings::Neither => continue,
                Brings::Sound => true,
                Brings::Images => false,
            };
            return Some(Join {
                element: element.name().into(),
                from,
                sound,
            });
        }
    }
    None
}

/// Sink pads of elements that images can come to, in the order in which they are found.
fn reached(source: &gst::Pad, lets_none_out: impl Fn(&gst::Element) -> bool) -> Vec<gst::Pad> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut next = vec![source.clone()];
    while let Some(pad) = next.pop() {
        let Some(peer) = pad.peer() else {
            continue;
        };
        if !seen.insert(peer.clone()) {
            continue;
        }
        match peer.downcast_ref::<gst::ProxyPad>() {
            // Into a bin or out of it.
            Some(proxy) => next.extend(proxy.internal().map(Cast::upcast)),
            None => {
                if let Some(element) = peer.parent_element()
                    && !lets_none_out(&element)
                {
                    let onward = element.src_pads();
                    next.extend(onward.into_iter().filter(|s| same_lane(&element, &peer, s)));
                }
                found.push(peer);
            }
        }
    }
    found
}

/// Where the branch into `sink` comes from, if any way up ends without a gate.
fn ungated_source(
    sink: &gst::Pad,
    reached: &[gst::Pad],
    is_entry: impl Fn(&gst::Element) -> bool,
) -> Option<String> {
    let mut seen = HashSet::new();
    let mut next = vec![sink.clone()];
    while let Some(pad) = next.pop() {
        let Some(peer) = pad.peer() else {
            // Nothing comes through an unlinked pad, and a new link is looked at in the next round.
            continue;
        };
        if !seen.insert(peer.clone()) {
            continue;
        }
        if let Some(proxy) = peer.downcast_ref::<gst::ProxyPad>() {
            // A pad of a bin that leads nowhere yet, as those of bins that look for their parts.
            match proxy.internal() {
                Some(inside) => next.push(inside.upcast()),
                None => return Some(name(&peer)),
            }
            continue;
        }
        let Some(element) = peer.parent_element() else {
            return Some(name(&peer));
        };
        if is_entry(&element) {
            continue;
        }
        let upward = element.sink_pads();
        // No way up: this is where it comes from.
        if upward.is_empty() {
            return Some(name(&peer));
        }
        // What the gate's own images come to as well was, or is going to be, looked at from there.
        let upward = upward
            .into_iter()
            .filter(|pad| !reached.contains(pad) && same_lane(&element, &peer, pad));
        next.extend(upward);
    }
    None
}

fn name(pad: &gst::Pad) -> String {
    pad.parent_element()
        .map_or_else(|| pad.name().to_string(), |e| e.name().to_string())
}

/// Whether what comes through one of the pads of `element` may meet what goes through the other. Elements
/// that carry several streams side by side do not mix them; of any other it is taken to be so.
fn same_lane(element: &gst::Element, one: &gst::Pad, other: &gst::Pad) -> bool {
    let Some(factory) = element.factory() else {
        return true;
    };
    // A plugin of another name may have a factory of this one.
    let plugin = factory.plugin().map(|p| p.plugin_name());
    let (one, other) = (one.name(), other.name());
    match (plugin.as_deref(), factory.name().as_str()) {
        (Some("coreelements"), "multiqueue") => number(&one) == number(&other),
        // What comes in from the far end and its reports goes another way than what is sent.
        (Some("rtpmanager"), "rtpsession" | "rtpbin") => {
            !(one.starts_with("send_rtp_") && other.starts_with("recv_")
                || one.starts_with("recv_") && other.starts_with("send_rtp_"))
        }
        _ => true,
    }
}

/// What stands behind the last underscore of a pad's name.
fn number(name: &str) -> Option<&str> {
    name.rsplit_once('_').map(|(_, number)| number)
}

/// What the branch into `sink` brings, by its caps, or by those that it could have where none are set yet.
fn brings(sink: &gst::Pad) -> Brings {
    let caps = sink.current_caps().or_else(|| {
        let peer = sink.peer()?;
        Some(peer.current_caps().unwrap_or_else(|| peer.query_caps(None)))
    });
    let Some(caps) = caps.filter(|caps| !caps.is_any() && !caps.is_empty()) else {
        return Brings::Images;
    };
    let all = |known: &dyn Fn(&str, &gst::StructureRef) -> bool| {
        caps.iter().all(|media| known(media.name(), media))
    };
    if all(&|name, media| {
        let rtp = name == "application/x-rtp" && media.get::<&str>("media") == Ok("audio");
        name.starts_with("audio/") || rtp
    }) {
        Brings::Sound
    } else if all(&|name, _| {
        ["text/x-raw", "application/x-rtcp", "application/x-srtcp"].contains(&name)
    }) {
        Brings::Neither
    } else {
        Brings::Images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(description: &str) -> Option<(String, String, bool)> {
        gst::init().unwrap();
        let bin = gst::parse::bin_from_description(description, false).unwrap();
        let source = bin.by_name("entry").unwrap().static_pad("src").unwrap();
        ungated_join(
            &source,
            |e| e.name().starts_with("entry"),
            |e| e.name() == "counter",
        )
        .map(|join| (join.element, join.from, join.sound))
    }

    fn found(element: &str, from: &str, sound: bool) -> Option<(String, String, bool)> {
        Some((element.into(), from.into(), sound))
    }

    #[test]
    fn a_line_and_a_tee_behind_the_gate_join_nothing() {
        assert_eq!(
            join("videotestsrc ! identity name=entry ! queue ! fakesink"),
            None
        );
        // Two branches of what passed the gate may meet again.
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! tee name=t t. ! queue ! c. t. ! queue ! c. \
                 compositor name=c ! fakesink"
            ),
            None
        );
        assert_eq!(join("identity name=entry ! compositor ! fakesink"), None);
    }

    #[test]
    fn j1_sound_that_joins_behind_the_gate_is_found_in_and_out_of_bins() {
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! x264enc ! mp4mux name=m ! fakesink \
                 audiotestsrc name=micro ! lamemp3enc ! m."
            ),
            found("m", "micro", true)
        );
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! matroskamux name=m ! fakesink \
                 ( audiotestsrc name=micro ! queue ) ! m."
            ),
            found("m", "micro", true)
        );
    }

    #[test]
    fn a_second_camera_is_found_unless_it_has_a_gate_of_its_own() {
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! compositor name=c ! fakesink \
                 videotestsrc name=other ! queue ! c."
            ),
            found("c", "other", false)
        );
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! compositor name=c ! fakesink \
                 videotestsrc ! identity name=entry2 ! queue ! c."
            ),
            None
        );
        // A compositor behind the second gate has a way in besides it.
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! compositor name=c ! fakesink \
                 videotestsrc ! identity name=entry2 ! d. videotestsrc name=third ! d. compositor name=d ! c."
            ),
            found("c", "third", false)
        );
        for switch in ["input-selector", "funnel", "concat"] {
            assert_eq!(
                join(&format!(
                    "videotestsrc ! identity name=entry ! {switch} name=s ! fakesink appsrc name=other ! s."
                )),
                found("s", "other", false),
                "{switch}"
            );
        }
    }

    #[test]
    fn streams_side_by_side_in_a_multiqueue_do_not_meet_there() {
        let beside = "videotestsrc ! identity name=entry ! multiqueue name=q q.src_0 ! fakesink \
                      audiotestsrc name=micro ! q.sink_1";
        assert_eq!(join(&format!("{beside} q.src_1 ! fakesink")), None);
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! multiqueue name=q q.src_0 ! matroskamux name=m ! fakesink \
                 audiotestsrc name=micro ! q.sink_1 q.src_1 ! m."
            ),
            found("m", "micro", true)
        );
    }

    #[test]
    fn text_over_the_picture_is_no_image_and_counts_are_none_either() {
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! funnel name=o ! fakesink \
                 appsrc ! text/x-raw,format=utf8 ! o."
            ),
            None
        );
        assert_eq!(
            join(
                "videotestsrc ! identity name=entry ! identity name=counter ! funnel name=f ! fakesink \
                 audiotestsrc ! f."
            ),
            None
        );
    }
}
