// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dates as French acts write them: a day without an hour is a day in Paris.
//!
//! A mandate "du 1er au 5 décembre" runs from 2026-12-01T00:00 to the *end* of 2026-12-05, both in
//! Europe/Paris; an instant with an offset is taken as written.

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};
use serde::{Deserialize, Deserializer, de};

/// Europe/Paris from its rule, so that a host without a time zone database decides alike.
///
/// Paris has changed its clocks by this rule since 1996; dates before that do not occur in mandates.
pub fn paris() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap_or(TimeZone::UTC)
}

/// The first instant of a day in Paris. Errors only outside the years -9999 to 9999.
pub fn start_of(day: civil::Date) -> Result<Timestamp, jiff::Error> {
    paris().to_timestamp(day.at(0, 0, 0, 0))
}

/// The first instant after a day in Paris.
pub fn end_of(day: civil::Date) -> Result<Timestamp, jiff::Error> {
    start_of(day.checked_add(1.day())?)
}

/// The day it is in Paris.
pub fn day_of(instant: Timestamp) -> civil::Date {
    instant.to_zoned(paris()).date()
}

/// Seconds from one instant to another, as the shorter of what a stopwatch and what the clocks in Paris say: a day is
/// a day, although one has 25 hours.
pub(crate) fn elapsed_s(from: Timestamp, to: Timestamp) -> i64 {
    let stopwatch = to.as_second().saturating_sub(from.as_second());
    let clock = |instant: Timestamp| instant.to_zoned(paris()).datetime();
    let clocks = clock(from).until(clock(to)).ok().and_then(|span| {
        span.total(jiff::SpanTotal::from(jiff::Unit::Second).days_are_24_hours())
            .ok()
    });
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds of at most twenty thousand years"
    )]
    clocks.map_or(stopwatch, |seconds| stopwatch.min(seconds as i64))
}

/// Reads a TOML date, date-time or string as the first instant it names.
pub fn from<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
    read(d, start_of)
}

/// As [`from`], for a value that may be missing.
pub fn opt_from<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    from(d).map(Some)
}

/// Reads a TOML date, date-time or string as the first instant it no longer covers: a bare day counts in full.
pub fn until<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
    read(d, end_of)
}

/// As [`until`], for a value that may be missing.
pub fn opt_until<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    until(d).map(Some)
}

/// Reads a day, from a TOML date or a string.
pub fn date<'de, D: Deserializer<'de>>(d: D) -> Result<civil::Date, D::Error> {
    d.deserialize_any(Text)?
        .parse()
        .map_err(|e| de::Error::custom(format!("not a day such as 2026-12-31: {e}")))
}

/// As [`date`], for a value that may be missing.
pub fn opt_date<'de, D: Deserializer<'de>>(d: D) -> Result<Option<civil::Date>, D::Error> {
    date(d).map(Some)
}

/// As [`date`], with its place in the file.
pub(crate) fn spanned_date<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<toml::Spanned<civil::Date>, D::Error> {
    #[derive(Deserialize)]
    struct Day(#[serde(deserialize_with = "date")] civil::Date);
    let day = toml::Spanned::<Day>::deserialize(d)?;
    Ok(toml::Spanned::new(day.span(), day.into_inner().0))
}

/// The first instant that a text names; a bare day is its first instant.
pub fn first_instant(text: &str) -> Result<Timestamp, String> {
    parse(text, start_of)
}

/// The first instant that a text no longer covers; a bare day counts in full.
pub fn end_instant(text: &str) -> Result<Timestamp, String> {
    parse(text, end_of)
}

fn read<'de, D: Deserializer<'de>>(
    d: D,
    day: impl Fn(civil::Date) -> Result<Timestamp, jiff::Error>,
) -> Result<Timestamp, D::Error> {
    let text = d.deserialize_any(Text)?;
    parse(&text, day).map_err(de::Error::custom)
}

fn parse(
    text: &str,
    day: impl Fn(civil::Date) -> Result<Timestamp, jiff::Error>,
) -> Result<Timestamp, String> {
    let explain = |e: jiff::Error| {
        format!(
            "\"{text}\" is neither a day (2026-12-31) nor an instant (2026-12-31T18:00:00+01:00): {e}"
        )
    };
    // A date alone first: `Timestamp` would refuse it, and a date-time would lose its time as a date.
    if text.len() <= 10 {
        return text.parse().and_then(day).map_err(explain);
    }
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let local: civil::DateTime = text.parse().map_err(explain)?;
    paris().to_ambiguous_timestamp(local).unambiguous().map_err(|_| {
        format!(
            "\"{text}\" happens twice, or not at all, on the clocks of Paris that night; write the offset, \
             such as {local}+01:00 / a lieu deux fois, ou n'existe pas, à l'heure de Paris cette nuit-là ; écrivez \
             le décalage, par exemple {local}+01:00"
        )
    })
}

/// The text of a string, or of a TOML date or time.
pub(crate) fn text<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    d.deserialize_any(Text)
}

/// Takes the text of a string or of a TOML date.
struct Text;

impl<'de> de::Visitor<'de> for Text {
    type Value = String;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a date or a date-time")
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<String, E> {
        Ok(v.to_owned())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
        toml::value::Datetime::deserialize(de::value::MapAccessDeserializer::new(map))
            .map(|d| d.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_a_day_in_paris_in_winter_and_in_summer() {
        assert_eq!(
            parse("2026-12-31", start_of).unwrap(),
            instant("2026-12-30T23:00:00Z")
        );
        assert_eq!(
            parse("2026-12-31", end_of).unwrap(),
            instant("2026-12-31T23:00:00Z")
        );
        assert_eq!(
            parse("2026-07-14", start_of).unwrap(),
            instant("2026-07-13T22:00:00Z")
        );
        // The night the clocks go back has 25 hours, and all of them belong to the day.
        assert_eq!(
            parse("2026-10-25", end_of).unwrap(),
            instant("2026-10-25T23:00:00Z")
        );
    }

    #[test]
    fn instants_are_taken_as_written_and_local_times_are_paris_times() {
        assert_eq!(
            parse("2026-12-31T18:00:00+01:00", end_of).unwrap(),
            instant("2026-12-31T17:00:00Z")
        );
        assert_eq!(
            parse("2026-12-31T18:00:00", end_of).unwrap(),
            instant("2026-12-31T17:00:00Z")
        );
        for bad in ["", "tomorrow", "2026-13-01", "2026-02-30", "18:00:00"] {
            assert!(parse(bad, start_of).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_hour_that_happens_twice_or_never_needs_its_offset() {
        for bad in [
            "2026-10-25T02:00:00",
            "2026-10-25T02:30:00",
            "2026-10-25T02:59:59",
            "2027-03-28T02:00:00",
            "2027-03-28T02:59:59",
        ] {
            let error = parse(bad, start_of).unwrap_err();
            assert!(
                error.contains("write the offset") && error.contains("écrivez le décalage"),
                "{error}"
            );
        }
        for (text, utc) in [
            ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
            ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00Z"),
            ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"),
            ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
            ("2027-03-28T01:59:59", "2027-03-28T00:59:59Z"),
            ("2027-03-28T03:00:00", "2027-03-28T01:00:00Z"),
        ] {
            assert_eq!(parse(text, start_of).unwrap(), instant(utc), "{text}");
        }
    }

    #[test]
    fn toml_dates_and_strings_read_alike() {
        #[derive(Deserialize)]
        struct Document {
            #[serde(deserialize_with = "until")]
            a: Timestamp,
            #[serde(deserialize_with = "until")]
            b: Timestamp,
        }
        let d: Document = toml::from_str("a = 2026-12-31\nb = \"2026-12-31\"").unwrap();
        assert_eq!(d.a, d.b);
        let error = toml::from_str::<Document>("a = 3\nb = \"x\"")
            .err()
            .map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("line 1")));
    }
}
