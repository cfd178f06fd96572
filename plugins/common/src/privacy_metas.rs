// SPDX-License-Identifier: MIT OR Apache-2.0
//! Metas that keep clear pixels alive behind a mask.

/// Removes the metas through which an element downstream could get the clear frame back.
///
/// `originalbuffersave` hangs the untouched buffer on the stream as `GstOriginalBufferMeta`, and
/// `originalbufferrestore` hands it out again after any mask. A `GstParentBufferMeta` does the same with
/// the parent buffer; `pixels_are_ours` says that the masked pixels no longer live in that parent's
/// memory (until then the parent is what keeps this memory valid).
///
/// Returns how many were removed.
pub fn remove_clear_copies(frame: &mut gst::BufferRef, pixels_are_ours: bool) -> usize {
    let mut removed = 0;
    frame.foreach_meta_mut(|meta| {
        let api = meta.api().name();
        let keeps_pixels = api == "GstOriginalBufferMetaAPI"
            || (pixels_are_ours && api == "GstParentBufferMetaAPI");
        std::ops::ControlFlow::Continue(if keeps_pixels {
            removed += 1;
            gst::buffer::BufferMetaForeachAction::Remove
        } else {
            gst::buffer::BufferMetaForeachAction::Keep
        })
    });
    removed
}

/// Whether a frame carries detections, or a clear copy of itself that [`remove_clear_copies`] would remove.
/// Asked first, because removing makes a buffer that others hold be copied.
pub fn carries_more_than_pixels(frame: &gst::BufferRef) -> bool {
    let mut more = false;
    frame.foreach_meta(|meta| {
        more |= matches!(
            meta.api().name(),
            "GstVideoRegionOfInterestMetaAPI"
                | "GstAnalyticsRelationMetaAPI"
                | "GstOriginalBufferMetaAPI"
        );
        std::ops::ControlFlow::Continue(())
    });
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_buffer_goes_only_when_the_pixels_are_ours() {
        gst::init().unwrap();
        let parent = gst::Buffer::with_size(16).unwrap();
        let mut frame = gst::Buffer::with_size(16).unwrap();
        let frame = frame.make_mut();
        gst::meta::ParentBufferMeta::add(frame, &parent);
        assert_eq!(remove_clear_copies(frame, false), 0);
        assert_eq!(remove_clear_copies(frame, true), 1);
        assert!(frame.meta::<gst::meta::ParentBufferMeta>().is_none());
    }
}
