// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the gate must close by itself.

use std::sync::atomic::{AtomicI64, Ordering};

/// Why a gate that was open is not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The decision's end was reached.
    Expired,
    /// The clock went back, so nobody can tell whether the end was reached.
    ClockBack,
    /// One of the gates of the session closed it.
    Upstream,
    /// Another stream, or an earlier part of it, came after the one that was decided on.
    StreamChanged,
}

/// Watches the wall clock, one call a frame, without a lock.
#[derive(Debug)]
pub struct Watch {
    latest: AtomicI64,
}

/// How far a clock may step back without closing the gate: time daemons correct by less than this, and a
/// second more of video changes no one's rights.
const SLACK_SECONDS: i64 = 2;

impl Watch {
    /// Watches from `now` on, in seconds since 1970-01-01 UTC.
    pub fn new(now: i64) -> Self {
        Self {
            latest: AtomicI64::new(now),
        }
    }

    /// Whether what ends at `expires` may go on at `now`. Once it says no because the clock went back, only a
    /// clock that has caught up opens it again.
    pub fn check(&self, now: i64, expires: i64) -> Result<(), Closed> {
        let latest = self.latest.fetch_max(now, Ordering::Relaxed).max(now);
        if latest >= expires {
            Err(Closed::Expired)
        } else if now < latest - SLACK_SECONDS {
            Err(Closed::ClockBack)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_flows_from_the_end_on() {
        let watch = Watch::new(10);
        assert_eq!(watch.check(99, 100), Ok(()));
        assert_eq!(watch.check(100, 100), Err(Closed::Expired));
        assert_eq!(
            watch.check(50, 100),
            Err(Closed::Expired),
            "setting the clock back does not open it again"
        );
    }

    #[test]
    fn a_clock_that_goes_back_closes_the_gate() {
        let watch = Watch::new(500);
        assert_eq!(watch.check(499, 1000), Ok(()), "a correction of a second");
        assert_eq!(watch.check(400, 1000), Err(Closed::ClockBack));
        assert_eq!(watch.check(501, 1000), Ok(()));
    }
}
