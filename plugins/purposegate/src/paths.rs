// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every way out of an entry gate must pass a guard: an exit gate, or a counter that lets no image through.
//!
//! A `tee` before the exit gate would otherwise lead clear frames to a second sink, and nothing on the
//! guarded branch would notice. The walk sees the pipeline as it is linked when the gate opens.

use std::collections::HashSet;

use gst::prelude::*;

/// The first sink that can be reached from `source` without passing a guard, by name; `None` when every
/// way is guarded. `is_guard` is asked about each element on the way.
pub fn unguarded_sink(
    source: &gst::Pad,
    is_guard: impl Fn(&gst::Element) -> bool,
) -> Option<String> {
    let mut seen = HashSet::new();
    let mut next = vec![source.clone()];
    while let Some(pad) = next.pop() {
        let Some(peer) = pad.peer() else {
            // Nothing leaves through an unlinked pad.
            continue;
        };
        if !seen.insert(peer.clone()) {
            continue;
        }
        let element = peer.parent_element();
        if let Some(element) = element.as_ref().filter(|e| !e.is::<gst::Bin>())
            && is_guard(element)
        {
            continue;
        }
        let mut onward: Vec<gst::Pad> = peer
            .iterate_internal_links()
            .into_iter()
            .flatten()
            .collect();
        if onward.is_empty() {
            onward = element.as_ref().map_or_else(Vec::new, |e| e.src_pads());
        }
        if onward.is_empty() {
            // No way on: this is where the images end up.
            return Some(element.map_or_else(|| peer.name().to_string(), |e| e.name().to_string()));
        }
        next.extend(onward);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(description: &str) -> Option<String> {
        gst::init().unwrap();
        let bin = gst::parse::bin_from_description(description, false).unwrap();
        let source = bin.by_name("entry").unwrap().static_pad("src").unwrap();
        unguarded_sink(&source, |e| e.name() == "guard" || e.name() == "guard2")
    }

    #[test]
    fn a_guarded_line_has_no_leak() {
        assert_eq!(
            find("identity name=entry ! queue ! identity name=guard ! fakesink"),
            None
        );
    }

    #[test]
    fn b3_a_branch_around_the_guard_is_found() {
        assert_eq!(
            find(
                "identity name=entry ! tee name=t t. ! queue ! identity name=guard ! fakesink t. ! queue ! fakesink name=leak"
            ),
            Some("leak".into())
        );
        assert_eq!(
            find(
                "identity name=entry ! tee name=t t. ! queue ! identity name=guard ! fakesink t. ! identity name=guard2 ! fakesink"
            ),
            None
        );
    }

    #[test]
    fn a_sink_inside_a_bin_is_found_by_its_name() {
        assert_eq!(
            find("identity name=entry ! ( queue ! fakesink name=inner )"),
            Some("inner".into())
        );
        assert_eq!(
            find("identity name=entry ! ( queue ! identity name=guard ! fakesink )"),
            None
        );
    }

    #[test]
    fn an_unlinked_gate_leaks_nothing() {
        assert_eq!(find("identity name=entry ! queue"), None);
    }
}
