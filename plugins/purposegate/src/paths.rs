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
    find_sink(source, is_guard, |_| true)
}

/// The first sink that writes files and can be reached from `source`, by name. What an application does
/// with its frames cannot be seen from here.
pub fn file_sink(source: &gst::Pad) -> Option<String> {
    let writes = |element: Option<&gst::Element>| {
        element
            .and_then(|e| e.metadata(gst::ELEMENT_METADATA_KLASS))
            .is_some_and(|klass| klass.split('/').any(|word| word == "File"))
    };
    find_sink(source, |_| false, writes)
}

/// Whether images that leave `source` can reach `element`.
pub fn leads_to(source: &gst::Pad, element: &gst::Element) -> bool {
    let found = std::cell::Cell::new(false);
    let look = |on_the_way: &gst::Element| {
        found.set(found.get() || on_the_way == element);
        found.get()
    };
    find_sink(source, look, |_| false);
    found.get()
}

fn find_sink(
    source: &gst::Pad,
    is_guard: impl Fn(&gst::Element) -> bool,
    is_meant: impl Fn(Option<&gst::Element>) -> bool,
) -> Option<String> {
    let mut seen = HashSet::new();
    let mut next = vec![source.clone()];
    while let Some(pad) = next.pop() {
        let Some(peer) = pad.peer() else {
            // Nothing leaves through an unlinked pad, and a new link is looked at before the next frame.
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
        let onward = onward(&peer);
        // No way on: this is where the images end up.
        if onward.is_empty() && is_meant(element.as_ref()) {
            return Some(element.map_or_else(|| peer.name().to_string(), |e| e.name().to_string()));
        }
        next.extend(onward);
    }
    None
}

/// The pads that data may go on to. Through an element these are all its source pads and not only those
/// that it names as linked inside: some elements name none before data flows, and the walk must not stop
/// short of a sink.
fn onward(pad: &gst::Pad) -> Vec<gst::Pad> {
    match pad.downcast_ref::<gst::ProxyPad>() {
        // Into a bin or out of it.
        Some(proxy) => proxy
            .internal()
            .map(|inside| inside.upcast())
            .into_iter()
            .collect(),
        None => pad
            .parent_element()
            .map_or_else(Vec::new, |element| element.src_pads()),
    }
}

/// Whether `element` is the counter of this family, which lets no image through.
pub fn is_counter(element: &gst::Element) -> bool {
    // A plugin of another name may have a factory of this one.
    element.factory().is_some_and(|factory| {
        factory.name() == "countaggregator"
            && factory
                .plugin()
                .is_some_and(|p| p.plugin_name() == "countaggregator")
    })
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
    fn a_way_through_a_bin_a_selector_or_an_app_is_walked() {
        assert_eq!(
            find("identity name=entry ! ( queue ! identity ) ! fakesink name=behind"),
            Some("behind".into())
        );
        assert_eq!(
            find("identity name=entry ! ( queue ! identity name=guard ) ! fakesink"),
            None
        );
        assert_eq!(
            find("identity name=entry ! input-selector ! multiqueue ! fakesink name=leak"),
            Some("leak".into())
        );
        assert_eq!(
            find(
                "identity name=entry ! input-selector ! multiqueue ! identity name=guard ! fakesink"
            ),
            None
        );
        // What an application does with its frames cannot be seen from here.
        assert_eq!(
            find("identity name=entry ! appsink name=app appsrc ! identity name=guard ! fakesink"),
            Some("app".into())
        );
    }

    #[test]
    fn c1_a_sink_that_writes_files_is_found_behind_anything() {
        gst::init().unwrap();
        let find = |description: &str| {
            let bin = gst::parse::bin_from_description(description, false).unwrap();
            file_sink(&bin.by_name("entry").unwrap().static_pad("src").unwrap())
        };
        assert_eq!(find("identity name=entry ! queue ! fakesink"), None);
        assert_eq!(
            find(
                "identity name=entry ! tee name=t t. ! queue ! fakesink t. ! ( queue ! filesink name=copy )"
            ),
            Some("copy".into())
        );
    }

    #[test]
    fn an_element_that_is_only_called_like_the_counter_is_no_guard() {
        gst::init().unwrap();
        let fake = gst::ElementFactory::make("identity")
            .name("countaggregator")
            .build()
            .unwrap();
        assert!(!is_counter(&fake));
    }

    #[test]
    fn an_unlinked_gate_leaks_nothing() {
        assert_eq!(find("identity name=entry ! queue"), None);
    }
}
