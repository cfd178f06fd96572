// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thread that does again and again what frames should not wait for.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Ends with this value. It is not waited for: the work may be in the midst of telling somebody who stops the
/// element in answer.
#[derive(Debug)]
pub struct Ticker(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    Woken,
    Stopped,
}

impl Ticker {
    /// Does `work` every `period`, for the first time after one, until it says no.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn start(
        name: &str,
        period: Duration,
        mut work: impl FnMut() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let signal = Arc::new(Signal::default());
        let heard = signal.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || while heard.wait(period) && work() {})?;
        Ok(Self(signal))
    }

    /// Asks for the work to be done now.
    pub fn wake(&self) {
        self.0.set(State::Woken);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.set(State::Stopped);
    }
}

impl Signal {
    fn set(&self, to: State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != State::Stopped {
            *state = to;
        }
        self.changed.notify_all();
    }

    /// Waits for the time or the call. Whether to go on.
    fn wait(&self, period: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, period, |state| *state == State::Waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if *state == State::Woken {
            *state = State::Waiting;
        }
        *state != State::Stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn it_works_by_itself_when_called_and_no_more_after_its_end() {
        let (sender, done) = mpsc::channel();
        let long = Duration::from_secs(3600);
        let send = sender.clone();
        let ticker = Ticker::start("t", long, move || send.send(1).is_ok()).unwrap();
        assert!(done.try_recv().is_err());
        ticker.wake();
        assert_eq!(done.recv().unwrap(), 1);
        drop(ticker);
        let often = Ticker::start("t", Duration::from_millis(1), move || {
            sender.send(2).is_ok()
        });
        for _ in 0..3 {
            assert_eq!(done.recv().unwrap(), 2);
        }
        drop(often);
        // The other end is dropped with the thread.
        while done.recv().is_ok() {}
    }
}
