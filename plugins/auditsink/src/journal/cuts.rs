// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where one segment of a stream ends and the next one begins.

use std::time::{Duration, Instant};

/// Decides before each buffer whether a segment ends there.
///
/// Segments last `duration` in running time, counted from the first buffer with a time, so that a gap in the stream
/// shifts no later boundary. A stream whose buffers carry no times is cut by when they arrive.
#[derive(Debug, Clone)]
pub struct Cuts {
    duration: Duration,
    /// Running time at which the present segment may begin at the earliest, and ends at the latest, in nanoseconds.
    times: Option<(u64, u64)>,
    /// Arrival of the first buffer of the present segment, while none with a time has come.
    arrival: Option<Instant>,
}

impl Cuts {
    /// Segments of this length; `None` for zero, which is no segments.
    pub fn every(duration: Duration) -> Option<Self> {
        (!duration.is_zero()).then_some(Self {
            duration,
            times: None,
            arrival: None,
        })
    }

    /// Whether the segment ends before a buffer with this running time in nanoseconds, which arrives `now`.
    pub fn due(&mut self, running_time: Option<u64>, now: Instant) -> bool {
        let length = self.length();
        match (running_time, self.times) {
            // Far back: the clock of the stream was set anew, as a flush does. A little back: frames out of order.
            (Some(at), Some((begin, end))) => at >= end || at.saturating_add(length) < begin,
            (Some(at), None) => {
                self.times = Some((at, at.saturating_add(length)));
                false
            }
            (None, Some(_)) => false,
            (None, None) => {
                now.saturating_duration_since(*self.arrival.get_or_insert(now)) >= self.duration
            }
        }
    }

    /// The next segment begins with the buffer that [`Cuts::due`] was told.
    pub fn cut(&mut self, running_time: Option<u64>, now: Instant) {
        let length = self.length();
        self.times = match (running_time, self.times) {
            (Some(at), Some((begin, _))) if at >= begin => {
                let begin = at - (at - begin) % length;
                Some((begin, begin.saturating_add(length)))
            }
            (Some(at), _) => Some((at, at.saturating_add(length))),
            (None, times) => times,
        };
        self.arrival = Some(now);
    }

    fn length(&self) -> u64 {
        u64::try_from(self.duration.as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buffers before which a segment ended.
    fn cuts(times: &[Option<u64>], step: Duration) -> Vec<usize> {
        let mut cuts = Cuts::every(Duration::from_nanos(100)).unwrap();
        let start = Instant::now();
        let mut found = Vec::new();
        for (n, time) in times.iter().enumerate() {
            let now = start + step * n as u32;
            if cuts.due(*time, now) {
                cuts.cut(*time, now);
                found.push(n);
            }
        }
        found
    }

    #[test]
    fn no_duration_is_no_segments() {
        assert!(Cuts::every(Duration::ZERO).is_none());
    }

    #[test]
    fn boundaries_lie_on_a_grid_from_the_first_time() {
        let still = Duration::ZERO;
        let times = [5, 60, 104, 105, 150, 204, 206, 700, 704, 705].map(Some);
        assert_eq!(cuts(&times, still), [3, 6, 7, 9]);
        // Frames out of order do not cut twice.
        assert_eq!(cuts(&[0, 90, 110, 95, 120, 99].map(Some), still), [2]);
        // A header without a time belongs to the segment in which it comes.
        let mixed = [None, Some(0), None, Some(100), None];
        assert_eq!(cuts(&mixed, still), [3]);
        // After a flush the running time begins again.
        assert_eq!(
            cuts(&[1000, 1050, 10, 60, 109, 111].map(Some), still),
            [2, 5]
        );
        assert_eq!(cuts(&[u64::MAX - 1, u64::MAX, 0].map(Some), still), [1, 2]);
    }

    #[test]
    fn without_times_the_arrival_counts() {
        let none = [None; 7];
        assert_eq!(cuts(&none, Duration::from_nanos(40)), [3, 6]);
        assert_eq!(cuts(&none, Duration::ZERO), Vec::<usize>::new());
    }
}
