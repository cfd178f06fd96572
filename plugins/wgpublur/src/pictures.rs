// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures that travel beside the frames.

use gst::prelude::*;

/// A tag event without its pictures, `None` when nothing else is in it. Demuxers send covers and previews
/// ahead of any frame, muxers write them, and a preview of a recording is a clear frame of it.
pub fn removed(event: gst::Event) -> Option<gst::Event> {
    let gst::EventView::Tag(tag) = event.view() else {
        return Some(event);
    };
    let is_picture = |value: &glib::SendValue| {
        [gst::Sample::static_type(), gst::Buffer::static_type()].contains(&value.type_())
    };
    let tags = tag.tag();
    if !tags
        .iter_generic()
        .any(|(_, mut values)| values.any(is_picture))
    {
        return Some(event);
    }
    let mut kept = gst::TagList::new();
    {
        let kept = kept.make_mut();
        kept.set_scope(tags.scope());
        for (name, values) in tags.iter_generic() {
            for value in values.filter(|value| !is_picture(value)) {
                // Fails only for a tag that is not registered, which this one was when it came.
                let _ = kept.add_value(name, value, gst::TagMergeMode::Append);
            }
        }
    }
    (kept.n_tags() > 0).then(|| {
        gst::event::Tag::builder(kept)
            .seqnum(event.seqnum())
            .build()
    })
}
