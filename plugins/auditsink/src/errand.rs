// SPDX-License-Identifier: MIT OR Apache-2.0
//! Work that must not delay the stream, on a thread of its own.

use std::{
    io,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Runs the same work each time that it is asked for. Whoever asks does not wait; what is asked for while the work is
/// being done, or while it is put off, is done once more afterwards, however often it was asked.
#[derive(Debug)]
pub struct Errand {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    change: Condvar,
}

#[derive(Debug, Default)]
struct State {
    asked: bool,
    /// It was asked for, and is put off.
    later: bool,
    busy: bool,
    over: bool,
}

impl Errand {
    /// Starts the thread. What is asked for is done after `delay`, unless this is dropped before.
    ///
    /// # Errors
    ///
    /// When the system gives none.
    pub fn start(
        name: &str,
        delay: Duration,
        mut work: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            let mut state = theirs.state.lock().unwrap();
            loop {
                if state.asked {
                    if !delay.is_zero() {
                        state.later = true;
                        let put_off = theirs.change.wait_timeout_while(state, delay, |s| !s.over);
                        state = put_off.unwrap().0;
                        state.later = false;
                        if state.over {
                            return;
                        }
                    }
                    state.asked = false;
                    state.busy = true;
                    drop(state);
                    work();
                    state = theirs.state.lock().unwrap();
                    state.busy = false;
                    theirs.change.notify_all();
                } else if state.over {
                    return;
                } else {
                    state = theirs.change.wait(state).unwrap();
                }
            }
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Has the work done soon.
    pub fn ask(&self) {
        self.shared.state.lock().unwrap().asked = true;
        self.shared.change.notify_all();
    }

    /// Waits until everything that was asked for is done, for no longer than `patience`. Whether it is done. The
    /// thread ends by itself once it is and this was dropped.
    pub fn finish(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.shared.state.lock().unwrap();
        while state.asked || state.busy {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.change.wait_timeout(state, left).unwrap().0;
        }
        true
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap();
        state.over = true;
        let idle = state.later || !state.asked && !state.busy;
        drop(state);
        self.shared.change.notify_all();
        // What the work holds is given back before this returns, unless the work still goes on: it may also be the
        // one that drops this.
        if let Some(thread) = self.thread.take().filter(|_| idle) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn what_is_asked_for_while_busy_is_done_once_more() {
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let errand = Errand::start("test", Duration::ZERO, move || {
            begun.send(()).unwrap();
            let _ = may_go.recv();
        })
        .unwrap();
        errand.ask();
        has_begun.recv().unwrap();
        for _ in 0..3 {
            errand.ask();
        }
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert!(errand.finish(LONG));
        drop(errand);
        assert_eq!(
            has_begun.iter().count(),
            1,
            "once for the three, and the thread is gone"
        );
    }

    #[test]
    fn nobody_waits_longer_than_they_want() {
        let (go, may_go) = mpsc::channel::<()>();
        let errand = Errand::start("test", Duration::ZERO, move || {
            let _ = may_go.recv();
        })
        .unwrap();
        errand.ask();
        assert!(!errand.finish(Duration::from_millis(1)));
        drop(go);
        let idle = Errand::start("test", Duration::ZERO, || {}).unwrap();
        assert!(idle.finish(LONG), "nothing was asked for");
    }
    #[test]
    fn what_is_put_off_is_done_later_or_not_at_all() {
        let (done, is_done) = mpsc::channel();
        let work = move || done.send(()).unwrap();
        let errand = Errand::start("test", Duration::from_millis(1), work.clone()).unwrap();
        errand.ask();
        assert!(errand.finish(LONG));
        assert_eq!(is_done.try_iter().count(), 1);
        let errand = Errand::start("test", LONG, work).unwrap();
        errand.ask();
        drop(errand);
        assert_eq!(is_done.try_iter().count(), 0);
    }
}
