// SPDX-License-Identifier: MIT OR Apache-2.0
//! Detections on a frame: boxes in frame coordinates, as metas that any element can read or write.
//!
//! The base carrier is `GstVideoRegionOfInterestMeta`: class in `roi_type`, track in `id`. Its params
//! are hints (`videoconvert` and `videoscale` empty them), so nothing is ever decided from them. With
//! the feature `v1_24`, `GstAnalyticsRelationMeta` is written beside it and read as well.

use gst_video::VideoRegionOfInterestMeta;

/// One object found in a frame. Clamped to the frame when it comes from [`detections`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detection {
    /// Label of the class, such as `person`.
    pub class: String,
    /// Left edge, pixels.
    pub x: u32,
    /// Top edge, pixels.
    pub y: u32,
    /// Width, pixels; never 0 when it comes from [`detections`].
    pub width: u32,
    /// Height, pixels; never 0 when it comes from [`detections`].
    pub height: u32,
    /// Track that the object belongs to, if a tracker ran. 0 and below are no tracks.
    pub track: Option<u32>,
    /// Score, 0 to 1: a hint that ordinary elements drop.
    pub score: Option<f32>,
}

/// Puts a detection on a frame.
///
/// The score goes into a `detection` param (`confidence`, as DL Streamer writes it).
pub fn attach(frame: &mut gst::BufferRef, detection: &Detection) {
    let mut meta = VideoRegionOfInterestMeta::add(
        frame,
        &detection.class,
        (detection.x, detection.y, detection.width, detection.height),
    );
    if let Some(track) = detection.track.and_then(|t| i32::try_from(t).ok()) {
        meta.set_id(track);
    }
    if let Some(score) = detection.score {
        meta.add_param(
            gst::Structure::builder("detection")
                .field("confidence", f64::from(score))
                .build(),
        );
    }
    #[cfg(feature = "v1_24")]
    relation::attach(frame, detection);
}

/// The detections on a frame of `width` × `height` pixels, clamped to it, empty ones left out.
///
/// The fields of the meta are unsigned, and elements that compute a box left of the frame write -3 as
/// 4294967293; such a box is read as the signed number that was meant and cut at the edge, so that the
/// part of the object inside the frame is still masked.
pub fn detections(frame: &gst::BufferRef, width: u32, height: u32) -> Vec<Detection> {
    let mut found: Vec<Detection> = frame
        .iter_meta::<VideoRegionOfInterestMeta>()
        .filter_map(|meta| {
            let (x, y, w, h) = meta.rect();
            let (x, y, w, h) = clamp(signed(x), signed(y), w.into(), h.into(), width, height)?;
            Some(Detection {
                class: meta.roi_type().to_owned(),
                x,
                y,
                width: w,
                height: h,
                track: u32::try_from(meta.id()).ok().filter(|&id| id > 0),
                score: meta
                    .param("detection")
                    .and_then(|p| p.get::<f64>("confidence").ok())
                    .map(|c| c as f32),
            })
        })
        .collect();
    #[cfg(feature = "v1_24")]
    relation::read(frame, width, height, &mut found);
    found.shrink_to_fit();
    found
}

/// Takes every detection off a frame: what a mask was made from must not outlive it.
pub fn strip_detections(frame: &mut gst::BufferRef) {
    frame.foreach_meta_mut(|meta| {
        let api = meta.api().name();
        let detection = matches!(
            api,
            "GstVideoRegionOfInterestMetaAPI" | "GstAnalyticsRelationMetaAPI"
        );
        std::ops::ControlFlow::Continue(if detection {
            gst::buffer::BufferMetaForeachAction::Remove
        } else {
            gst::buffer::BufferMetaForeachAction::Keep
        })
    });
}

/// A coordinate that was negative before it was stored unsigned.
fn signed(coordinate: u32) -> i64 {
    i64::from(coordinate as i32)
}

/// Cuts a box at the edges of the frame; `None` when nothing of it lies inside.
fn clamp(x: i64, y: i64, w: i64, h: i64, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
    let (left, top) = (x.max(0), y.max(0));
    let right = (x + w).min(width.into());
    let bottom = (y + h).min(height.into());
    (left < right && top < bottom).then(|| {
        // Between 0 and the frame's size by now, which is a u32.
        (
            left as u32,
            top as u32,
            (right - left) as u32,
            (bottom - top) as u32,
        )
    })
}

#[cfg(feature = "v1_24")]
mod relation {
    //! `GstAnalyticsRelationMeta`, GStreamer 1.24 and later.
    use gst_analytics::{
        AnalyticsMetaRefExt as _, AnalyticsODMtd, AnalyticsRelationMeta,
        AnalyticsRelationMetaODExt as _, AnalyticsRelationMetaTrackingExt as _,
        AnalyticsTrackingMtd, RelTypes,
    };

    use super::{Detection, clamp};

    pub fn attach(frame: &mut gst::BufferRef, detection: &Detection) {
        let (Ok(x), Ok(y), Ok(w), Ok(h)) = (
            i32::try_from(detection.x),
            i32::try_from(detection.y),
            i32::try_from(detection.width),
            i32::try_from(detection.height),
        ) else {
            return;
        };
        let mut meta = if frame.meta::<AnalyticsRelationMeta>().is_some() {
            match frame.meta_mut::<AnalyticsRelationMeta>() {
                Some(meta) => meta,
                None => return,
            }
        } else {
            AnalyticsRelationMeta::add(frame)
        };
        let quark = glib::Quark::from_str(&detection.class);
        let score = detection.score.unwrap_or(0.0);
        // The ROI meta beside it is the one that elements decide from: a full meta loses a copy only.
        let Ok(object) = meta.add_od_mtd(quark, x, y, w, h, score).map(|o| o.id()) else {
            return;
        };
        if let Some(track) = detection.track
            && let Ok(track) = meta
                .add_tracking_mtd(track.into(), gst::ClockTime::ZERO)
                .map(|t| t.id())
        {
            let _ = meta.set_relation(RelTypes::RELATE_TO, object, track);
        }
    }

    pub fn read(frame: &gst::BufferRef, width: u32, height: u32, found: &mut Vec<Detection>) {
        let Some(meta) = frame.meta::<AnalyticsRelationMeta>() else {
            return;
        };
        for object in meta.iter::<AnalyticsODMtd>() {
            let Ok(at) = object.location() else { continue };
            let Some((x, y, w, h)) = clamp(
                at.x.into(),
                at.y.into(),
                at.w.into(),
                at.h.into(),
                width,
                height,
            ) else {
                continue;
            };
            let class = object
                .obj_type()
                .map_or_else(String::new, |q| q.as_str().to_string());
            let known = found
                .iter()
                .any(|d| d.class == class && (d.x, d.y, d.width, d.height) == (x, y, w, h));
            if known {
                continue;
            }
            let track = meta
                .iter_direct_related::<AnalyticsTrackingMtd>(object.id(), RelTypes::RELATE_TO)
                .next()
                .and_then(|t| u32::try_from(t.info().0).ok())
                .filter(|&id| id > 0);
            found.push(Detection {
                class,
                x,
                y,
                width: w,
                height: h,
                track,
                score: Some(at.loc_conf_lvl),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detections_survive_a_buffer() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        let buffer = buffer.make_mut();
        let person = Detection {
            class: "person".into(),
            x: 10,
            y: 20,
            width: 30,
            height: 60,
            track: Some(4),
            score: Some(0.5),
        };
        let car = Detection {
            class: "car".into(),
            x: 1,
            y: 2,
            width: 3,
            height: 4,
            track: None,
            score: None,
        };
        attach(buffer, &person);
        attach(buffer, &car);
        assert_eq!(detections(buffer, 640, 480), [person, car]);
        strip_detections(buffer);
        assert_eq!(detections(buffer, 640, 480), []);
    }

    #[test]
    fn boxes_are_cut_at_the_edges_and_negative_ones_understood() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        let buffer = buffer.make_mut();
        for rect in [
            (4_294_967_293, 0, 10, 5),            // x = -3
            (630, 470, 50, 50),                   // beyond the right and lower edges
            (640, 0, 10, 10),                     // outside
            (5, 5, 0, 10),                        // empty
            (0, 0, u32::MAX, u32::MAX),           // larger than any frame
            (u32::MAX - 20, u32::MAX - 20, 5, 5), // far outside
        ] {
            VideoRegionOfInterestMeta::add(buffer, "person", rect);
        }
        let boxes: Vec<_> = detections(buffer, 640, 480)
            .iter()
            .map(|d| (d.x, d.y, d.width, d.height))
            .collect();
        assert_eq!(boxes, [(0, 0, 7, 5), (630, 470, 10, 10), (0, 0, 640, 480)]);
    }

    #[test]
    fn ids_of_zero_and_below_are_no_tracks() {
        gst::init().unwrap();
        for id in [0, -1, i32::MIN] {
            let mut buffer = gst::Buffer::new();
            let buffer = buffer.make_mut();
            VideoRegionOfInterestMeta::add(buffer, "person", (0, 0, 2, 2)).set_id(id);
            assert_eq!(detections(buffer, 4, 4)[0].track, None);
        }
    }
}
