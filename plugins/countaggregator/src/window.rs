// SPDX-License-Identifier: MIT OR Apache-2.0
//! Windows of time, what makes one whole, and what may be published of it.
//!
//! Times are nanoseconds since 1970-01-01 UTC.

use serde::Serialize;

/// The floors that hold when no purpose says otherwise (CNIL, position of July 2022 on augmented
/// cameras; décret 2021-269 aggregates every 20 minutes; the numbers are this project's reading).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floors {
    /// Shortest window, ns.
    pub min_window: i64,
    /// Longest window, ns.
    pub max_window: i64,
    /// Counts from 1 to this minus 1 are withheld.
    pub min_count: u32,
    /// How long after its end a window may be published, ns.
    pub publish_delay: i64,
    /// Whether a purpose set them.
    pub by_purpose: bool,
}

/// What a camera counts by, after the floors were applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of a window, ns.
    pub window: i64,
    /// Counts from 1 to this minus 1 are withheld.
    pub min_count: u32,
    /// How long after its end a window is published, ns.
    pub publish_delay: i64,
}

/// Why a window or a minimum count is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// The window is shorter than the law or the purpose allows.
    #[error(
        "property `window`: {} s is shorter than the {} s that {} allows; set window={} or more{} \
         / propriété `window` : {} s, moins que le plancher de {} s ; régler window={} ou davantage{}",
        secs(.window), secs(.floor), who(.by_purpose), .floor, signoff(.by_purpose),
        secs(.window), secs(.floor), .floor, signoff_fr(.by_purpose)
    )]
    TooShort {
        /// Asked for, ns.
        window: i64,
        /// Allowed, ns.
        floor: i64,
        /// Whether a purpose set the floor.
        by_purpose: bool,
    },
    /// The window is longer than the law or the purpose allows.
    #[error(
        "property `window`: {} s is longer than the {} s that {} allows; set window={} or less \
         / propriété `window` : {} s, plus que le plafond de {} s ; régler window={} ou moins",
        secs(.window), secs(.ceiling), who(.by_purpose), .ceiling,
        secs(.window), secs(.ceiling), .ceiling
    )]
    TooLong {
        /// Asked for, ns.
        window: i64,
        /// Allowed, ns.
        ceiling: i64,
        /// Whether a purpose set the ceiling.
        by_purpose: bool,
    },
    /// The minimum count is below the absolute floor.
    #[error(
        "property `min-count`: {value} is below the floor of {ABSOLUTE_MIN_COUNT}; set min-count={ABSOLUTE_MIN_COUNT} or more \
         / propriété `min-count` : {value}, sous le plancher de {ABSOLUTE_MIN_COUNT} ; régler min-count={ABSOLUTE_MIN_COUNT} ou davantage"
    )]
    MinCount {
        /// Asked for.
        value: u32,
    },
    /// A purpose asks for a delay that would keep too many windows back.
    #[error(
        "the purpose asks for a publication delay of {} s, more than the {MAX_PENDING} windows of {} s that are kept in memory; correct the rules file \
         / la finalité demande un délai de publication de {} s, plus que les {MAX_PENDING} fenêtres de {} s gardées en mémoire ; corriger le fichier de règles",
        secs(.delay), secs(.window), secs(.delay), secs(.window)
    )]
    Delay {
        /// Asked for, ns.
        delay: i64,
        /// Length of a window, ns.
        window: i64,
    },
}

/// Why a window is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// Counting began after the window did.
    Start,
    /// Counting ended before the window did.
    Stop,
    /// For longer than [`MAX_GAP`] nobody looked.
    Gap,
    /// More than [`MAX_UNSCANNED`] of the frames came without a usable scan stamp.
    Unscanned,
    /// The stream was flushed, changed its size or went back in time.
    Interrupted,
    /// The purpose or its limits changed.
    Purpose,
}

/// One window as time passes through it.
#[derive(Debug, Clone)]
pub struct Window {
    /// Start, a multiple of the length.
    pub from: i64,
    /// End.
    pub to: i64,
    watched: i64,
    late: Option<Discard>,
    frames: u64,
    unscanned: u64,
    spoiled: Option<Discard>,
}

/// Why a value is `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Withheld {
    /// The detector cannot see this class.
    #[serde(rename = "unsupported")]
    Unsupported,
    /// The purpose does not allow this class to be counted.
    #[serde(rename = "not allowed by the purpose")]
    NotAllowed,
    /// It was 1 to `min_count` − 1.
    #[serde(rename = "below min-count")]
    BelowMinCount,
    /// With the other cells it would tell a withheld one.
    #[serde(rename = "would reveal a withheld count")]
    Complementary,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            min_window: 900 * SECOND,
            max_window: 86_400 * SECOND,
            min_count: ABSOLUTE_MIN_COUNT,
            publish_delay: 300 * SECOND,
            by_purpose: false,
        }
    }
}

impl Limits {
    /// What holds when `window` and `min_count` are asked for under `floors`.
    pub fn new(window: i64, min_count: u32, floors: &Floors) -> Result<Self, LimitsError> {
        let by_purpose = floors.by_purpose;
        // Whatever a rules file says, a window has a length.
        let floor = floors.min_window.max(SECOND);
        if window < floor {
            return Err(LimitsError::TooShort {
                window,
                floor,
                by_purpose,
            });
        }
        if window > floors.max_window {
            return Err(LimitsError::TooLong {
                window,
                ceiling: floors.max_window,
                by_purpose,
            });
        }
        if min_count < ABSOLUTE_MIN_COUNT {
            return Err(LimitsError::MinCount { value: min_count });
        }
        if floors.publish_delay / window >= MAX_PENDING {
            return Err(LimitsError::Delay {
                delay: floors.publish_delay,
                window,
            });
        }
        Ok(Self {
            window,
            min_count: min_count.max(floors.min_count),
            publish_delay: floors.publish_delay.max(0),
        })
    }
}

impl Window {
    /// The window that `at` falls into, aligned to multiples of `length` since 1970-01-01 UTC.
    pub fn around(at: i64, length: i64) -> Self {
        let from = at.saturating_sub(at.rem_euclid(length));
        Self {
            from,
            to: from.saturating_add(length),
            watched: from,
            late: None,
            frames: 0,
            unscanned: 0,
            spoiled: None,
        }
    }

    /// Says why its beginning was missed, should it turn out to have been.
    pub fn late(&mut self, why: Option<Discard>) {
        self.late = why;
    }

    /// Takes in a frame; `scanned` when a detector looked at it.
    pub fn frame(&mut self, at: i64, scanned: bool) {
        self.frames += 1;
        if !scanned {
            self.unscanned += 1;
            return;
        }
        if at.saturating_sub(self.watched) > MAX_GAP {
            let began = self.watched == self.from;
            self.spoil(self.late.filter(|_| began).unwrap_or(Discard::Gap));
        }
        self.watched = self.watched.max(at);
    }

    /// Says that the window cannot be whole any more. The first reason stands.
    pub fn spoil(&mut self, why: Discard) {
        self.spoiled.get_or_insert(why);
    }

    /// Whether the window may be published, now that it is over; `ended` when the stream is over too.
    pub fn verdict(&self, ended: bool) -> Result<(), Discard> {
        if let Some(why) = self.spoiled {
            return Err(why);
        }
        if self.unscanned as f64 > MAX_UNSCANNED * self.frames as f64 {
            return Err(Discard::Unscanned);
        }
        if self.to.saturating_sub(self.watched) > MAX_GAP {
            return Err(if ended { Discard::Stop } else { Discard::Gap });
        }
        Ok(())
    }
}

impl Discard {
    /// The word used in bus messages.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Gap => "gap",
            Self::Unscanned => "unscanned",
            Self::Interrupted => "interrupted",
            Self::Purpose => "purpose",
        }
    }

    /// The reason that `nick` names.
    pub fn from_nick(nick: &str) -> Option<Self> {
        [
            Self::Start,
            Self::Stop,
            Self::Gap,
            Self::Unscanned,
            Self::Interrupted,
            Self::Purpose,
        ]
        .into_iter()
        .find(|why| why.nick() == nick)
    }
}

/// A count as it may be published.
pub fn cell(count: u32, min_count: u32) -> Result<u32, Withheld> {
    if (1..min_count).contains(&count) {
        Err(Withheld::BelowMinCount)
    } else {
        Ok(count)
    }
}

/// The sum of `counts` as it may be published beside them.
///
/// Whoever knows the sum and the cells that are not withheld knows the sum of those that are. It is
/// published only when each withheld cell can still be anything from 1 to `min_count` − 1; with one
/// withheld cell that is never so (complementary suppression; Hundepool et al., "Statistical Disclosure
/// Control", 2012, chapter 4). The reason is always the same: one for small sums would tell that the sum is
/// small, and with it the cells.
pub fn total(counts: &[u32], min_count: u32) -> Result<u64, Withheld> {
    let withheld = || {
        counts
            .iter()
            .copied()
            .filter(|&count| cell(count, min_count).is_err())
    };
    let (m, rest) = withheld().fold((0u64, 0u64), |(m, rest), count| {
        (m + 1, rest + u64::from(count))
    });
    let largest = u64::from(min_count).saturating_sub(1);
    let sum = counts.iter().copied().map(u64::from).sum::<u64>();
    // A sum from 1 to `min_count` − 1 never passes: two cells that can be all of that sum up to more.
    let hides_all = m == 0 || (m - 1 + largest <= rest && rest <= (m - 1) * largest + 1);
    if hides_all {
        Ok(sum)
    } else {
        Err(Withheld::Complementary)
    }
}

/// A mean as it may be published: to one decimal, withheld when fewer than `min_count` objects made it.
pub fn mean(sum: u64, frames: u64, objects: u32, min_count: u32) -> Result<f64, Withheld> {
    cell(objects, min_count)?;
    if frames == 0 {
        return Ok(0.0);
    }
    Ok((10.0 * sum as f64 / frames as f64).round() / 10.0)
}

fn secs(ns: &i64) -> f64 {
    *ns as f64 / SECOND as f64
}

fn who(by_purpose: &bool) -> &'static str {
    if *by_purpose {
        "the purpose"
    } else {
        "the law, for want of a declared purpose,"
    }
}

fn signoff(by_purpose: &bool) -> &'static str {
    if *by_purpose {
        ", or obtain a mandate with the DPO's sign-off (stats.dpo_signoff)"
    } else {
        ", or put a purposegate upstream whose mandate allows less"
    }
}

fn signoff_fr(by_purpose: &bool) -> &'static str {
    if *by_purpose {
        ", ou obtenir un mandat avec l'accord du DPO (stats.dpo_signoff)"
    } else {
        ", ou placer en amont un purposegate dont le mandat permet moins"
    }
}

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Window when neither the property nor the site file names one.
pub const DEFAULT_WINDOW: i64 = 1200 * SECOND;
/// No purpose and no property lowers the minimum count below this (Insee: no cell from fewer than three units).
pub const ABSOLUTE_MIN_COUNT: u32 = 3;
/// A window with a longer stretch that nobody looked at is not whole; neither is one whose ends lack more.
pub const MAX_GAP: i64 = 3 * SECOND;
/// A window with a larger share of frames that nobody looked at is not whole.
pub const MAX_UNSCANNED: f64 = 0.05;
/// Most windows that wait for their publication.
const MAX_PENDING: i64 = 4096;

#[cfg(test)]
mod tests;
