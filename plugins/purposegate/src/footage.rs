// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a frame was filmed, for a mandate that names a time: a requisition asks for some minutes of a
//! recording, and what lies outside them stays where it is.
//!
//! A frame's time is known from what its source wrote on it (`GstReferenceTimestampMeta` with caps
//! `timestamp/x-unix` or `timestamp/x-ntp`) and from the property `footage-start` and the frame's place in
//! the recording (its stream time). Every time that is known must lie inside; where none is, nothing leaves.

use jiff::{SignedDuration, Timestamp};
use privacy_policy::{FlowLimits, FootageTime, Mode};

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970), RFC 5905 figure 4.
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// The time of the frames, and the time that the mandate asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footage {
    range: Option<(Timestamp, Timestamp)>,
    start: Option<Timestamp>,
    ages: Ages,
}

/// How old images may be, in seconds since they were filmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ages {
    /// The oldest that are live.
    pub live_max: Option<u32>,
    /// The youngest that are a recording.
    pub deferred_min: u32,
    /// The oldest recording that may still be there.
    pub kept: Option<u32>,
}

impl From<&FlowLimits> for Ages {
    fn from(limits: &FlowLimits) -> Self {
        Self {
            live_max: Some(limits.live_max_age_s),
            deferred_min: limits.deferred_min_age_s,
            kept: limits.retention_s,
        }
    }
}

/// Why a frame may not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Outside {
    /// The mandate names a time and nobody knows the frame's.
    #[error(
        "nobody knows when the frame was filmed, and the mandate names a time; set footage-start"
    )]
    Unknown,
    /// The frame was filmed before or after.
    #[error("the frame was filmed outside the time that the mandate names")]
    Time,
    /// What was filmed just now is no recording, whatever plays it.
    #[error("the frame was filmed too short a time ago to be a recording")]
    Fresh,
    /// What was filmed a while ago is not live, whatever the source says.
    #[error("the frame was filmed too long ago to be live")]
    Stale,
    /// Recordings are erased by then.
    #[error("the frame was filmed longer ago than recordings may be kept")]
    Kept,
}

impl Footage {
    /// `range`: first instant asked for and first one after it; `start`: beginning of the recording.
    pub fn new(range: Option<(Timestamp, Timestamp)>, start: Option<Timestamp>) -> Self {
        Self {
            range,
            start,
            ages: Ages::default(),
        }
    }

    /// The same, for images of these ages.
    pub fn with_ages(self, ages: Ages) -> Self {
        Self { ages, ..self }
    }

    /// Whether the place of a frame in the recording says when it was filmed.
    pub fn needs_place(&self) -> bool {
        self.range.is_some() || self.start.is_some()
    }

    /// Whether a frame is as old as images of this mode may be at `now`. One of which nobody knows the age is.
    pub fn check_age(
        &self,
        frame: &gst::BufferRef,
        stream_time: Option<gst::ClockTime>,
        mode: Mode,
        now: Timestamp,
    ) -> Result<(), Outside> {
        for time in self.times(frame, stream_time) {
            let age = now.duration_since(time).as_secs();
            let beyond = |limit: Option<u32>| limit.is_some_and(|limit| age > i64::from(limit));
            match mode {
                Mode::Live if beyond(self.ages.live_max) => return Err(Outside::Stale),
                Mode::Live => {}
                Mode::Deferred if age < i64::from(self.ages.deferred_min) => {
                    return Err(Outside::Fresh);
                }
                Mode::Deferred if beyond(self.ages.kept) => return Err(Outside::Kept),
                Mode::Deferred => {}
            }
        }
        Ok(())
    }

    /// The time that the mandate asks for, if it names one.
    pub fn range(&self) -> Option<(Timestamp, Timestamp)> {
        self.range
    }

    /// Whether a frame may leave. `stream_time` is its place in the recording.
    pub fn check(
        &self,
        frame: &gst::BufferRef,
        stream_time: Option<gst::ClockTime>,
    ) -> Result<(), Outside> {
        let Some((from, to)) = self.range else {
            return Ok(());
        };
        let mut known = false;
        for time in self.times(frame, stream_time) {
            known = true;
            if !(from..to).contains(&time) {
                return Err(Outside::Time);
            }
        }
        if known { Ok(()) } else { Err(Outside::Unknown) }
    }

    /// What the register is told of it, with `frame` as the first one.
    pub fn time(&self, frame: &gst::BufferRef, stream_time: Option<gst::ClockTime>) -> FootageTime {
        FootageTime {
            declared_start: self.start,
            first_frame: self.times(frame, stream_time).min(),
        }
    }

    fn times(
        &self,
        frame: &gst::BufferRef,
        stream_time: Option<gst::ClockTime>,
    ) -> impl Iterator<Item = Timestamp> {
        let declared = self.start.zip(stream_time);
        frame
            .iter_meta::<gst::meta::ReferenceTimestampMeta>()
            .filter_map(|meta| written(meta.reference(), meta.timestamp()))
            .chain(declared.and_then(|(start, place)| add(start, place)))
    }
}

fn written(reference: &gst::CapsRef, at: gst::ClockTime) -> Option<Timestamp> {
    let epoch = match reference.structure(0)?.name().as_str() {
        "timestamp/x-unix" => 0,
        "timestamp/x-ntp" => -NTP_TO_UNIX,
        _ => return None,
    };
    add(Timestamp::from_second(epoch).ok()?, at)
}

fn add(start: Timestamp, time: gst::ClockTime) -> Option<Timestamp> {
    let nanoseconds = i64::try_from(time.nseconds()).ok()?;
    start
        .checked_add(SignedDuration::from_nanos(nanoseconds))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn asked() -> Option<(Timestamp, Timestamp)> {
        Some((at("2026-11-17T17:00:00Z"), at("2026-11-17T18:00:00Z")))
    }

    fn stamped(caps: &str, seconds: u64) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        gst::meta::ReferenceTimestampMeta::add(
            buffer.make_mut(),
            &caps.parse().unwrap(),
            gst::ClockTime::from_seconds(seconds),
            None,
        );
        buffer
    }

    #[test]
    fn c2_the_first_instant_is_inside_and_the_last_is_not() {
        gst::init().unwrap();
        let bare = gst::Buffer::new();
        let footage = Footage::new(asked(), Some(at("2026-11-17T16:59:59Z")));
        let second = gst::ClockTime::SECOND;
        for (place, expected) in [
            (Some(second), Ok(())),
            (Some(second - gst::ClockTime::NSECOND), Err(Outside::Time)),
            (Some(3600 * second), Ok(())),
            (Some(3601 * second), Err(Outside::Time)),
            (Some(gst::ClockTime::MAX), Err(Outside::Unknown)),
            (None, Err(Outside::Unknown)),
        ] {
            assert_eq!(footage.check(&bare, place), expected, "{place:?}");
        }
        let undeclared = Footage::new(asked(), None);
        assert_eq!(undeclared.check(&bare, Some(second)), Err(Outside::Unknown));
        assert_eq!(Footage::default().check(&bare, None), Ok(()));
    }

    #[test]
    fn what_the_camera_wrote_is_understood_from_either_epoch() {
        gst::init().unwrap();
        let footage = Footage::new(asked(), None);
        let inside = u64::try_from(at("2026-11-17T17:30:00Z").as_second()).unwrap();
        let ntp = inside + u64::try_from(NTP_TO_UNIX).unwrap();
        assert_eq!(
            footage.check(&stamped("timestamp/x-unix", inside), None),
            Ok(())
        );
        assert_eq!(
            footage.check(&stamped("timestamp/x-ntp", ntp), None),
            Ok(())
        );
        assert_eq!(
            footage.check(&stamped("timestamp/x-unix", ntp), None),
            Err(Outside::Time)
        );
        assert_eq!(
            footage.check(&stamped("timestamp/x-ptp", inside), None),
            Err(Outside::Unknown)
        );
    }

    #[test]
    fn f5_a_recording_is_old_enough_and_a_live_image_young_enough() {
        gst::init().unwrap();
        let now = at("2026-11-17T17:00:00Z");
        let ages = Ages {
            live_max: Some(30),
            deferred_min: 300,
            kept: Some(31 * 86_400),
        };
        let bare = gst::Buffer::new();
        let check = |ago: i64, mode| {
            let start = now - SignedDuration::from_secs(ago);
            let footage = Footage::new(None, Some(start)).with_ages(ages);
            footage.check_age(&bare, Some(gst::ClockTime::ZERO), mode, now)
        };
        for (ago, live, deferred) in [
            (-60, Ok(()), Err(Outside::Fresh)),
            (0, Ok(()), Err(Outside::Fresh)),
            (30, Ok(()), Err(Outside::Fresh)),
            (31, Err(Outside::Stale), Err(Outside::Fresh)),
            (299, Err(Outside::Stale), Err(Outside::Fresh)),
            (300, Err(Outside::Stale), Ok(())),
            (31 * 86_400, Err(Outside::Stale), Ok(())),
            (31 * 86_400 + 1, Err(Outside::Stale), Err(Outside::Kept)),
        ] {
            assert_eq!(check(ago, Mode::Live), live, "{ago} s ago, live");
            assert_eq!(check(ago, Mode::Deferred), deferred, "{ago} s ago");
        }
        // What the camera wrote counts beside what was declared: the youngest and the oldest decide.
        let written = u64::try_from(now.as_second()).unwrap() - 10;
        let declared = Footage::new(None, Some(now - SignedDuration::from_hours(1)));
        assert_eq!(
            declared.with_ages(ages).check_age(
                &stamped("timestamp/x-unix", written),
                Some(gst::ClockTime::ZERO),
                Mode::Deferred,
                now
            ),
            Err(Outside::Fresh)
        );
        let unknown = Footage::default().with_ages(ages);
        assert_eq!(unknown.check_age(&bare, None, Mode::Deferred, now), Ok(()));
    }

    #[test]
    fn the_register_is_told_the_earliest_time() {
        gst::init().unwrap();
        let start = at("2026-11-17T17:10:00Z");
        let footage = Footage::new(asked(), Some(start));
        let written = at("2026-11-17T17:05:00Z");
        let frame = stamped(
            "timestamp/x-unix",
            u64::try_from(written.as_second()).unwrap(),
        );
        assert_eq!(
            footage.time(&frame, Some(gst::ClockTime::ZERO)),
            FootageTime {
                declared_start: Some(start),
                first_frame: Some(written),
            }
        );
    }
}
