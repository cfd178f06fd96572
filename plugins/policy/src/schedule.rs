// SPDX-License-Identifier: MIT OR Apache-2.0
//! The days and hours at which a mandate serves, by the clock on a wall in Paris.
//!
//! ```toml
//! [[schedule.slot]]
//! days = ["mon", "tue", "wed", "thu", "fri"]
//! from = "08:00"
//! to = "20:00"
//! [[schedule.slot]]
//! days = ["sat"]
//! from = "22:00"
//! to = "04:00"                    # not after `from`: the next morning; "00:00" is midnight
//! ```
//!
//! In the night when the clocks go back, both hours that read 02:xx belong to a slot that holds 02:xx; in the
//! night when they go forward there is no such hour, and nothing is open in it.

use std::fmt;

use jiff::{
    Timestamp,
    civil::{Date, Time, Weekday},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    refusal::{Refusal, local, refuse},
    time,
};

/// Minutes in a day.
const DAY_MIN: u16 = 24 * 60;

/// Day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// Every day, Monday first.
    pub const ALL: &'static [Self] = &[
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// The word of it in a form.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    /// The day of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|day| day.word() == word)
    }

    fn of(day: Weekday) -> Self {
        Self::ALL[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }

    fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// Hours on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Days on which it begins.
    pub days: Vec<Day>,
    /// First minute.
    #[serde(deserialize_with = "minute", serialize_with = "write_minute")]
    pub from: Time,
    /// First minute after it; of the next day where it does not lie after `from`.
    #[serde(deserialize_with = "minute", serialize_with = "write_minute")]
    pub to: Time,
}

/// When a mandate serves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Hours.
    #[serde(default, rename = "slot")]
    pub slots: Vec<Slot>,
    /// Days on which it does not serve.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "dates"
    )]
    pub except: Vec<Date>,
}

/// Part of one day of the week: minutes since midnight, `to` not included and at most 1440.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub day: Day,
    pub from: u16,
    pub to: u16,
}

impl Schedule {
    /// Whether it serves at `now`.
    pub fn open_at(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(time::paris());
        if self.except.contains(&local.date()) {
            return false;
        }
        let (day, minute) = (Day::of(local.weekday()), minutes(local.time()));
        self.spans()
            .any(|s| s.day == day && s.from <= minute && minute < s.to)
    }

    /// The first instant after `now` at which it opens or shuts; `None` when it does neither in the next 5 weeks.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        const HOUR_S: i64 = 3600;
        let open = self.open_at(now);
        // The clocks of Paris differ from UTC by whole hours, so slots begin and end at these minutes of an hour
        // of UTC, and the clocks change at the first.
        let mut marks: Vec<i64> = std::iter::once(0)
            .chain(
                self.slots
                    .iter()
                    .flat_map(|s| [s.from.minute(), s.to.minute()].map(i64::from)),
            )
            .collect();
        marks.sort_unstable();
        marks.dedup();
        let first = now.as_second() - now.as_second().rem_euclid(HOUR_S);
        (0..5 * 7 * 24)
            .flat_map(|hour| {
                marks
                    .iter()
                    .map(move |mark| first + hour * HOUR_S + mark * 60)
            })
            .filter_map(|second| Timestamp::from_second(second).ok())
            .find(|instant| *instant > now && self.open_at(*instant) != open)
    }

    /// Refuses outside it, and says when it opens next.
    pub(crate) fn check_at(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.open_at(now) {
            return Ok(());
        }
        let next = self.next_change(now).map(local);
        let (next_en, next_fr) = next.map_or_else(Default::default, |next| {
            (
                format!(" It opens next on {next} (Paris time)."),
                format!(" Prochaine ouverture le {next} (heure de Paris)."),
            )
        });
        Err(refuse(
            "OUTSIDE_SCHEDULE",
            (
                format!("The mandate does not serve at this hour of this day.{next_en}"),
                format!("Le mandat ne vaut pas à cette heure de ce jour.{next_fr}"),
            ),
            (
                "Come back within the hours of the mandate, or have them extended.",
                "Revenez dans les horaires du mandat, ou faites-les étendre.",
            ),
            "CSI R.252-3",
        ))
    }

    /// What is wrong with it, in English and French.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.slots.is_empty() || self.slots.iter().any(|s| s.days.is_empty()) {
            return Some((
                "it needs at least one slot, and each slot a day",
                "il faut au moins une plage (slot), et un jour par plage",
            ));
        }
        None
    }

    /// The hours cut at midnight.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        self.slots.iter().flat_map(|slot| {
            let (from, to) = (minutes(slot.from), minutes(slot.to));
            slot.days.iter().flat_map(move |day| {
                if from < to {
                    [
                        Some(Span {
                            day: *day,
                            from,
                            to,
                        }),
                        None,
                    ]
                } else {
                    let tail = Span {
                        day: day.next(),
                        from: 0,
                        to,
                    };
                    [
                        Some(Span {
                            day: *day,
                            from,
                            to: DAY_MIN,
                        }),
                        (to > 0).then_some(tail),
                    ]
                }
                .into_iter()
                .flatten()
            })
        })
    }

    /// The hours from parts of days.
    pub(crate) fn of_spans(spans: &[Span]) -> Option<Self> {
        let time = |minute: u16| {
            let minute = minute % DAY_MIN;
            Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).ok()
        };
        let mut slots: Vec<Slot> = Vec::new();
        for span in spans {
            if span.from >= span.to || span.to > DAY_MIN {
                return None;
            }
            let (from, to) = (time(span.from)?, time(span.to)?);
            match slots.iter_mut().find(|s| s.from == from && s.to == to) {
                Some(slot) => slot.days.push(span.day),
                None => slots.push(Slot {
                    days: vec![span.day],
                    from,
                    to,
                }),
            }
        }
        Some(Self {
            slots,
            except: Vec::new(),
        })
    }
}

fn minutes(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

/// Reads an hour and a minute, from a string or a TOML time.
fn minute<'de, D: Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
    let text = time::text(d)?;
    let time: Time = text.parse().map_err(|e| {
        de::Error::custom(format!("\"{text}\" is not a time such as \"08:30\": {e}"))
    })?;
    if time.duration_since(Time::midnight()).as_secs() % 60 != 0 || time.subsec_nanosecond() != 0 {
        return Err(de::Error::custom(format!(
            "\"{text}\": a slot begins and ends at whole minutes"
        )));
    }
    Ok(time)
}

fn write_minute<S: Serializer>(time: &Time, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&time.strftime("%H:%M"))
}

fn dates<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Date>, D::Error> {
    #[derive(Deserialize)]
    struct Day(#[serde(deserialize_with = "time::date")] Date);
    Ok(Vec::<Day>::deserialize(d)?
        .into_iter()
        .map(|d| d.0)
        .collect())
}

impl fmt::Display for Slot {
    /// `mon tue 08:00-20:00`, as the command line takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for day in &self.days {
            write!(f, "{} ", day.word())?;
        }
        let hours = |time: Time| time.strftime("%H:%M").to_string();
        write!(f, "{}-{}", hours(self.from), hours(self.to))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(toml: &str) -> Schedule {
        toml::from_str(toml).unwrap()
    }

    fn slot(days: &str, from: &str, to: &str) -> Schedule {
        schedule(&format!(
            "[[slot]]\ndays = [{days}]\nfrom = \"{from}\"\nto = \"{to}\"\n"
        ))
    }

    #[test]
    fn h12_hours_are_those_of_paris_to_the_minute() {
        let s = slot("\"mon\", \"fri\"", "08:00", "20:00");
        for (now, open) in [
            // Monday 23 November 2026, UTC+1.
            ("2026-11-23T06:59:59Z", false),
            ("2026-11-23T07:00:00Z", true),
            ("2026-11-23T18:59:59.999Z", true),
            ("2026-11-23T19:00:00Z", false),
            ("2026-11-24T12:00:00Z", false),
            // Friday 17 July 2026, UTC+2.
            ("2026-07-17T05:59:59Z", false),
            ("2026-07-17T06:00:00Z", true),
            ("2026-07-17T18:00:00Z", false),
        ] {
            assert_eq!(s.open_at(at(now)), open, "{now}");
        }
        assert_eq!(
            s.next_change(at("2026-11-23T19:00:00Z")),
            Some(at("2026-11-27T07:00:00Z"))
        );
        let refusal = s.check_at(at("2026-11-24T12:00:00Z")).unwrap_err();
        assert_eq!(refusal.code, "OUTSIDE_SCHEDULE");
        assert!(refusal.message_fr.contains("2026-11-27 08:00"), "{refusal}");
    }

    #[test]
    fn a_night_goes_on_after_midnight_and_an_excepted_day_is_shut() {
        let mut s = slot("\"sat\"", "22:00", "04:00");
        for (now, open) in [
            ("2026-11-21T20:59:59Z", false),
            ("2026-11-21T21:00:00Z", true),
            ("2026-11-21T23:30:00Z", true),
            ("2026-11-22T02:59:59Z", true),
            ("2026-11-22T03:00:00Z", false),
        ] {
            assert_eq!(s.open_at(at(now)), open, "{now}");
        }
        s.except.push("2026-11-22".parse().unwrap());
        assert!(s.open_at(at("2026-11-21T22:59:59Z")));
        assert!(!s.open_at(at("2026-11-21T23:00:00Z")));
        let all_day = slot("\"sun\"", "00:00", "00:00");
        assert!(all_day.open_at(at("2026-11-21T23:00:00Z")));
        assert!(all_day.open_at(at("2026-11-22T22:59:59Z")));
        assert!(!all_day.open_at(at("2026-11-22T23:00:00Z")));
        assert_eq!(all_day.spans().count(), 1);
    }

    #[test]
    fn both_nights_of_the_change_of_hour() {
        // 25 October 2026: 02:00 to 03:00 happens twice, at 00:xx and 01:xx UTC.
        let s = slot("\"sun\"", "02:00", "02:30");
        for (now, open) in [
            ("2026-10-24T23:59:59Z", false),
            ("2026-10-25T00:00:00Z", true),
            ("2026-10-25T00:29:59Z", true),
            ("2026-10-25T00:30:00Z", false),
            ("2026-10-25T00:59:59Z", false),
            ("2026-10-25T01:00:00Z", true),
            ("2026-10-25T01:30:00Z", false),
            // 28 March 2027: 02:00 to 03:00 never happens.
            ("2027-03-28T00:59:59Z", false),
            ("2027-03-28T01:00:00Z", false),
            ("2027-03-28T01:30:00Z", false),
        ] {
            assert_eq!(s.open_at(at(now)), open, "{now}");
        }
        let changes: Vec<String> =
            std::iter::successors(Some(at("2026-10-24T22:00:00Z")), |t| s.next_change(*t))
                .skip(1)
                .take(4)
                .map(|t| t.to_string())
                .collect();
        assert_eq!(
            changes,
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z"
            ]
        );
        // A slot over the gap is open on both sides of it.
        let s = slot("\"sun\"", "01:30", "03:30");
        assert!(s.open_at(at("2027-03-28T00:59:59Z")));
        assert!(s.open_at(at("2027-03-28T01:00:00Z")));
        assert_eq!(
            s.next_change(at("2027-03-28T00:45:00Z")),
            Some(at("2027-03-28T01:30:00Z"))
        );
    }

    #[test]
    fn a_schedule_that_never_changes_says_so() {
        let mut every = slot(
            "\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"",
            "06:00",
            "06:00",
        );
        assert_eq!(every.next_change(at("2026-11-21T12:00:00Z")), None);
        assert!(every.open_at(at("2026-11-21T12:00:00Z")));
        every.slots.clear();
        assert!(!every.open_at(at("2026-11-21T12:00:00Z")));
        assert!(every.fault().is_some());
        assert!(every.check_at(at("2026-11-21T12:00:00Z")).is_err());
    }

    #[test]
    fn forms_are_read_and_written_and_mistakes_are_named() {
        let s = schedule(
            "except = [2026-12-25]\n[[slot]]\ndays = [\"mon\"]\nfrom = 08:30:00\nto = \"20:00\"\n",
        );
        assert_eq!(s.slots[0].to_string(), "mon 08:30-20:00");
        assert_eq!(schedule(&toml::to_string(&s).unwrap()), s);
        for (slot, says) in [
            (
                "days = [\"lundi\"]\nfrom = \"08:00\"\nto = \"09:00\"",
                "lundi",
            ),
            ("days = [\"mon\"]\nfrom = \"8h\"\nto = \"09:00\"", "8h"),
            (
                "days = [\"mon\"]\nfrom = \"08:00:30\"\nto = \"09:00\"",
                "whole minutes",
            ),
            (
                "days = [\"mon\"]\nfrom = \"08:00\"\nto = \"24:00\"",
                "24:00",
            ),
            ("days = [\"mon\"]\nfrom = \"08:00\"", "to"),
        ] {
            let error = toml::from_str::<Schedule>(&format!("[[slot]]\n{slot}\n")).unwrap_err();
            assert!(error.to_string().contains(says), "{slot}: {error}");
        }
    }

    #[test]
    fn parts_of_days_give_the_same_hours_again() {
        let s = schedule(
            "[[slot]]\ndays = [\"fri\", \"sat\"]\nfrom = \"22:00\"\nto = \"04:00\"\n[[slot]]\ndays = [\"mon\"]\nfrom = \"00:00\"\nto = \"00:00\"\n",
        );
        let again = Schedule::of_spans(&s.spans().collect::<Vec<_>>()).unwrap();
        let start = at("2026-11-16T00:00:00Z");
        for quarter in 0..7 * 24 * 4 {
            let now = start + SignedDuration::from_mins(15 * quarter);
            assert_eq!(s.open_at(now), again.open_at(now), "{now}");
        }
    }
}
