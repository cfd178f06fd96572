// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's bus message: what masks, when it masks more than it was asked to, and when that is over.

use crate::verdict::Reason;

/// Name of the message's structure.
const NAME: &str = "wgpublur";

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The element has started, on the backend that `backend=auto` chose or the user asked for.
    Ready,
    /// From here on whole frames are masked, or dropped, because something is missing, or the CPU has
    /// taken over from a GPU that failed.
    Degraded,
    /// Frames have been masked as asked for a second.
    Recovered,
}

impl Event {
    fn nick(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Recovered => "recovered",
        }
    }
}

/// An element message `wgpublur`.
///
/// | field | type | meaning |
/// |---|---|---|
/// | `event` | string | `ready`, `degraded` or `recovered` |
/// | `reason` | string | why it degraded, as in the mask stamp; empty for `ready` |
/// | `detail` | string | for a person to read, for `ready` the adapter; may be empty |
/// | `backend` | string | `gpu` or `cpu`: what masks from here on |
/// | `running-time` | guint64 | of the frame, ns; all ones when unknown |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What changed.
    pub event: Event,
    /// Why it degraded; for [`Event::Recovered`], what is over; `None` for [`Event::Ready`].
    pub reason: Option<Reason>,
    /// For a person to read; may be empty.
    pub detail: String,
    /// Backend that masks from here on: `gpu` or `cpu`.
    pub backend: String,
    /// Running time of the frame.
    pub running_time: Option<gst::ClockTime>,
}

/// Why a structure is no [`Notice`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// It has another name.
    #[error("a structure named `{0}` is no wgpublur message")]
    Name(String),
    /// A field is not there, has another type or an unknown value.
    #[error("field `{0}` is missing or cannot be read")]
    Field(&'static str),
}

impl From<&Notice> for gst::Structure {
    fn from(notice: &Notice) -> Self {
        gst::Structure::builder(NAME)
            .field("event", notice.event.nick())
            .field("reason", notice.reason.map_or("", Reason::nick))
            .field("detail", &notice.detail)
            .field("backend", &notice.backend)
            .field(
                "running-time",
                notice
                    .running_time
                    .map_or(u64::MAX, gst::ClockTime::nseconds),
            )
            .build()
    }
}

impl TryFrom<&gst::StructureRef> for Notice {
    type Error = NoticeError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, NoticeError> {
        if s.name() != NAME {
            return Err(NoticeError::Name(s.name().to_string()));
        }
        let text = |field| s.get::<&str>(field).map_err(|_| NoticeError::Field(field));
        Ok(Self {
            event: match text("event")? {
                "ready" => Event::Ready,
                "degraded" => Event::Degraded,
                "recovered" => Event::Recovered,
                _ => return Err(NoticeError::Field("event")),
            },
            reason: match text("reason")? {
                "" => None,
                nick => Some(Reason::from_nick(nick).ok_or(NoticeError::Field("reason"))?),
            },
            detail: text("detail")?.to_owned(),
            backend: text("backend")?.to_owned(),
            running_time: s
                .get::<u64>("running-time")
                .map_err(|_| NoticeError::Field("running-time"))
                .map(|t| gst::ClockTime::try_from(t).ok())?,
        })
    }
}

/// How long frames must be masked as asked before the element says so: a detector that looks at every
/// second frame must not fill the bus.
const SETTLED: gst::ClockTime = gst::ClockTime::SECOND;

/// Follows the state from frame to frame and says when to tell.
#[derive(Debug, Default)]
pub struct Health {
    degraded: Option<(Reason, gst::ClockTime)>,
}

impl Health {
    /// The frame at `now` was masked as asked (`None`) or not. Returns what to post, if anything.
    pub fn observe(
        &mut self,
        now: gst::ClockTime,
        trouble: Option<Reason>,
    ) -> Option<(Event, Reason)> {
        match (trouble, self.degraded) {
            (Some(reason), before) => {
                self.degraded = Some((reason, now));
                before
                    .is_none_or(|(known, _)| known != reason)
                    .then_some((Event::Degraded, reason))
            }
            (None, Some((reason, last)))
                if now.nseconds().abs_diff(last.nseconds()) >= SETTLED.nseconds() =>
            {
                self.degraded = None;
                Some((Event::Recovered, reason))
            }
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_survive_the_bus() {
        gst::init().unwrap();
        for (event, reason, running_time) in [
            (Event::Ready, None, None),
            (
                Event::Degraded,
                Some(Reason::BackendFailure),
                Some(gst::ClockTime::from_mseconds(40)),
            ),
            (Event::Recovered, Some(Reason::NoScan), None),
        ] {
            let notice = Notice {
                event,
                reason,
                detail: "device lost".into(),
                backend: "cpu".into(),
                running_time,
            };
            let s = gst::Structure::from(&notice);
            assert_eq!(Notice::try_from(s.as_ref()), Ok(notice));
            for field in s.fields() {
                let mut cut = s.clone();
                cut.remove_field(field);
                assert!(Notice::try_from(cut.as_ref()).is_err(), "without {field}");
            }
        }
        let other = gst::Structure::new_empty("level");
        assert_eq!(
            Notice::try_from(other.as_ref()),
            Err(NoticeError::Name("level".into()))
        );
    }

    #[test]
    fn changes_are_told_once() {
        let ms = gst::ClockTime::from_mseconds;
        let mut health = Health::default();
        let scan = Some(Reason::NoScan);
        assert_eq!(health.observe(ms(0), None), None);
        assert_eq!(
            health.observe(ms(40), scan),
            Some((Event::Degraded, Reason::NoScan))
        );
        assert_eq!(health.observe(ms(80), scan), None);
        assert_eq!(health.observe(ms(120), None), None, "not settled yet");
        assert_eq!(health.observe(ms(160), scan), None, "no flood");
        assert_eq!(
            health.observe(ms(200), Some(Reason::Overflow)),
            Some((Event::Degraded, Reason::Overflow))
        );
        assert_eq!(health.observe(ms(1199), None), None);
        assert_eq!(
            health.observe(ms(1200), None),
            Some((Event::Recovered, Reason::Overflow))
        );
        assert_eq!(health.observe(ms(1240), None), None);
    }
}
