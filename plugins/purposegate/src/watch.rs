// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the gate must close by itself.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

/// Why a gate that was open is not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The decision's end was reached.
    Expired,
    /// The clock went back, so nobody can tell whether the end was reached.
    ClockBack,
    /// The entry gate of the session closed it.
    Upstream,
}

/// Watches the wall clock, one call a frame, without a lock.
#[derive(Debug)]
pub struct Watch {
    expires: i64,
    latest: AtomicI64,
}

/// How far a clock may step back without closing the gate: time daemons correct by less than this, and a
/// second more of video changes no one's rights.
const SLACK_SECONDS: i64 = 2;

impl Watch {
    /// Watches from `now` to `expires`, both in seconds since 1970-01-01 UTC.
    pub fn new(expires: i64, now: i64) -> Self {
        Self {
            expires,
            latest: AtomicI64::new(now),
        }
    }

    /// Whether the gate may stay open at `now`. Once it says no because the clock went back, only a
    /// clock that has caught up opens it again.
    pub fn check(&self, now: i64) -> Result<(), Closed> {
        let latest = self.latest.fetch_max(now, Ordering::Relaxed).max(now);
        if latest >= self.expires {
            Err(Closed::Expired)
        } else if now < latest - SLACK_SECONDS {
            Err(Closed::ClockBack)
        } else {
            Ok(())
        }
    }
}

/// How often what may change without notice is looked at again while frames flow.
const ROUND: Duration = Duration::from_secs(1);

/// When to look again: once a second, and at once after somebody linked something.
#[derive(Debug, Default)]
pub struct Rounds {
    next: Mutex<Option<Instant>>,
    asked: AtomicBool,
}

impl Rounds {
    /// Asks for a round before the next frame.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// Whether a round is due at `now`, which it then is not any more.
    pub fn due(&self, now: Instant) -> bool {
        let asked = self.asked.swap(false, Ordering::AcqRel);
        let mut next = self.next.lock().unwrap();
        if !asked && next.is_some_and(|next| now < next) {
            return false;
        }
        *next = Some(now + ROUND);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_due_at_first_each_second_and_when_asked_for() {
        let (rounds, start) = (Rounds::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(rounds.due(at(0)));
        assert!(!rounds.due(at(999)));
        assert!(rounds.due(at(1000)));
        rounds.ask();
        assert!(rounds.due(at(1001)));
        assert!(!rounds.due(at(2000)));
    }

    #[test]
    fn nothing_flows_from_the_end_on() {
        let watch = Watch::new(100, 10);
        assert_eq!(watch.check(99), Ok(()));
        assert_eq!(watch.check(100), Err(Closed::Expired));
        assert_eq!(
            watch.check(50),
            Err(Closed::Expired),
            "setting the clock back does not open it again"
        );
    }

    #[test]
    fn a_clock_that_goes_back_closes_the_gate() {
        let watch = Watch::new(1000, 500);
        assert_eq!(watch.check(499), Ok(()), "a correction of a second");
        assert_eq!(watch.check(400), Err(Closed::ClockBack));
        assert_eq!(watch.check(501), Ok(()));
    }
}
