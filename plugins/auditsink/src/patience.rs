// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting until something can be written again, and being called off.

use std::{
    sync::{Condvar, Mutex},
    time::{Duration, Instant},
};

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The time is over: try again.
    Through,
    /// Somebody wants the thread back, for a flush or a change of state.
    Released,
    /// The stream is to end: what waits is given up.
    GivenUp,
}

/// Lets one thread wait, and others call it off.
#[derive(Debug, Default)]
pub struct Patience {
    inner: Mutex<Inner>,
    change: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: bool,
    released: bool,
    given_up: bool,
}

impl Patience {
    /// Whoever waits returns at once, and so does everybody until [`Patience::renew`].
    pub fn release(&self) {
        self.inner.lock().unwrap().released = true;
        self.change.notify_all();
    }

    /// Waiting is allowed again.
    pub fn renew(&self) {
        self.inner.lock().unwrap().released = false;
    }

    /// Whoever waits gives up what it waits for. Whether somebody was waiting.
    pub fn give_up(&self) -> bool {
        let mut inner = self.inner.lock().unwrap();
        inner.given_up = inner.waiting;
        self.change.notify_all();
        inner.waiting
    }

    /// The stream does not go on for now, or does again.
    pub fn set_waiting(&self, waiting: bool) {
        let mut inner = self.inner.lock().unwrap();
        inner.waiting = waiting;
        if !waiting {
            inner.given_up = false;
        }
    }

    /// Whether the stream waits.
    pub fn is_waiting(&self) -> bool {
        self.inner.lock().unwrap().waiting
    }

    /// Waits for `time`, or until called off.
    pub fn wait(&self, time: Duration) -> Waited {
        let end = Instant::now() + time;
        let mut inner = self.inner.lock().unwrap();
        loop {
            if inner.given_up {
                return Waited::GivenUp;
            }
            if inner.released {
                return Waited::Released;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::Through;
            }
            inner = self.change.wait_timeout(inner, left).unwrap().0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_wait_ends_by_itself_or_is_called_off() {
        let patience = Arc::new(Patience::default());
        assert_eq!(patience.wait(Duration::ZERO), Waited::Through);
        assert!(!patience.give_up(), "nobody waits");
        assert_eq!(patience.wait(Duration::ZERO), Waited::Through);
        for (call, wanted) in [
            (Patience::release as fn(&Patience), Waited::Released),
            (|p| assert!(p.give_up()), Waited::GivenUp),
        ] {
            patience.set_waiting(true);
            let waiter = std::thread::spawn({
                let patience = patience.clone();
                move || patience.wait(LONG)
            });
            call(&patience);
            assert_eq!(waiter.join().unwrap(), wanted);
            patience.renew();
            patience.set_waiting(false);
            assert_eq!(patience.wait(Duration::from_millis(1)), Waited::Through);
        }
    }

    #[test]
    fn a_release_holds_until_it_is_taken_back() {
        let patience = Patience::default();
        patience.release();
        assert_eq!(patience.wait(LONG), Waited::Released);
        assert_eq!(patience.wait(LONG), Waited::Released);
        patience.renew();
        assert_eq!(patience.wait(Duration::ZERO), Waited::Through);
    }
}
