// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is published of a window: one JSON object on one line.
//!
//! ```json
//! {"schema":"gst-privacy.counts","version":1,
//!  "window":{"from":"2026-11-21T10:00:00Z","to":"2026-11-21T10:20:00Z"},"camera":"cam-12",
//!  "lines":[{"name":"gare","class":"pedestrian","forward":42,"backward":null}],
//!  "totals":[{"name":"gare","forward":57,"backward":null}],
//!  "zones":[{"name":"parvis","class":"pedestrian","mean":3.4}],
//!  "suppressed":[{"name":"gare","class":"pedestrian","field":"backward","reason":"below min-count"}],
//!  "min_count":5,"rules_version":"2026-11-01","purpose":"stats.traffic_counts","session":"…"}
//! ```
//!
//! No ids, no positions, no images. The order is that of the site file and, within it, of [`CLASSES`].
//! `null` is never 0: `suppressed` says of each why.

use serde::Serialize;

use crate::window::Withheld;

/// What is counted, in the order of records (CNIL, December 2024: counts by mode of transport).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// People on foot. Detectors that call them `person` also mean those on a bicycle or a scooter.
    Pedestrian,
    /// Bicycles.
    Bicycle,
    /// Kick scooters, electric or not.
    Scooter,
    /// Motorcycles.
    Motorcycle,
    /// Cars.
    Car,
    /// Vans.
    Van,
    /// Lorries.
    Truck,
    /// Buses and coaches.
    Bus,
}

/// Every class, in the order of records.
pub const CLASSES: [Class; 8] = [
    Class::Pedestrian,
    Class::Bicycle,
    Class::Scooter,
    Class::Motorcycle,
    Class::Car,
    Class::Van,
    Class::Truck,
    Class::Bus,
];

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassSet(u8);

/// A closed window, ready to be written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    schema: &'static str,
    version: u32,
    window: Span,
    camera: String,
    lines: Vec<LineRow>,
    totals: Vec<TotalRow>,
    zones: Vec<ZoneRow>,
    suppressed: Vec<Suppressed>,
    min_count: u32,
    rules_version: Option<String>,
    purpose: Option<String>,
    session: Option<String>,
}

/// Under what a window was counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Authority {
    /// Version of the rules; `None` without a purpose.
    pub rules_version: Option<String>,
    /// The purpose; `None` when none was declared.
    pub purpose: Option<String>,
    /// The session in the register; `None` without a purpose.
    pub session: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Span {
    from: String,
    to: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct LineRow {
    name: String,
    class: Class,
    forward: Option<u32>,
    backward: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct TotalRow {
    name: String,
    forward: Option<u64>,
    backward: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ZoneRow {
    name: String,
    class: Class,
    mean: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Suppressed {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<Class>,
    field: &'static str,
    reason: Withheld,
}

impl Class {
    /// The class that a detector's label means; `None` for what is not counted, such as faces and plates.
    /// Nothing is merged: a kick scooter never becomes a bicycle.
    pub fn from_label(label: &str) -> Option<Self> {
        LABELS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(label.trim()))
            .map(|&(_, class)| class)
    }

    /// Position in [`CLASSES`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name in records.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Pedestrian => "pedestrian",
            Self::Bicycle => "bicycle",
            Self::Scooter => "scooter",
            Self::Motorcycle => "motorcycle",
            Self::Car => "car",
            Self::Van => "van",
            Self::Truck => "truck",
            Self::Bus => "bus",
        }
    }
}

impl ClassSet {
    /// Every class.
    pub const ALL: Self = Self(u8::MAX);

    /// The classes that `labels` name.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let bits = labels
            .into_iter()
            .filter_map(Class::from_label)
            .fold(0, |bits, class| bits | 1 << class.index());
        Self(bits)
    }

    /// Whether `class` is one of them.
    pub fn contains(self, class: Class) -> bool {
        self.0 & (1 << class.index()) != 0
    }

    /// The classes in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Record {
    /// An empty record of the window from `from` to `to` (ns since 1970 UTC).
    pub fn new(camera: &str, from: i64, to: i64, min_count: u32, authority: &Authority) -> Self {
        Self {
            schema: SCHEMA,
            version: VERSION,
            window: Span {
                from: rfc3339(from),
                to: rfc3339(to),
            },
            camera: camera.to_owned(),
            lines: Vec::new(),
            totals: Vec::new(),
            zones: Vec::new(),
            suppressed: Vec::new(),
            min_count,
            rules_version: authority.rules_version.clone(),
            purpose: authority.purpose.clone(),
            session: authority.session.clone(),
        }
    }

    /// Adds the two counts of a class at a line.
    pub fn line(
        &mut self,
        name: &str,
        class: Class,
        forward: Result<u32, Withheld>,
        backward: Result<u32, Withheld>,
    ) {
        let forward = self.value(name, Some(class), "forward", forward);
        let backward = self.value(name, Some(class), "backward", backward);
        self.lines.push(LineRow {
            name: name.to_owned(),
            class,
            forward,
            backward,
        });
    }

    /// Adds the sums over all classes at a line.
    pub fn total(
        &mut self,
        name: &str,
        forward: Result<u64, Withheld>,
        backward: Result<u64, Withheld>,
    ) {
        let forward = self.value(name, None, "forward", forward);
        let backward = self.value(name, None, "backward", backward);
        self.totals.push(TotalRow {
            name: name.to_owned(),
            forward,
            backward,
        });
    }

    /// Adds the mean occupancy of a zone.
    pub fn zone(&mut self, name: &str, class: Class, mean: Result<f64, Withheld>) {
        let mean = self.value(name, Some(class), "mean", mean);
        self.zones.push(ZoneRow {
            name: name.to_owned(),
            class,
            mean,
        });
    }

    /// The record as one line of JSON, with its line feed.
    pub fn to_json_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|json| json + "\n")
    }

    fn value<T>(
        &mut self,
        name: &str,
        class: Option<Class>,
        field: &'static str,
        value: Result<T, Withheld>,
    ) -> Option<T> {
        value
            .map_err(|reason| {
                self.suppressed.push(Suppressed {
                    name: name.to_owned(),
                    class,
                    field,
                    reason,
                });
            })
            .ok()
    }
}

/// A time as RFC 3339 in UTC.
pub fn rfc3339(ns: i64) -> String {
    // Every i64 of nanoseconds lies within the years 1677 to 2262, which jiff can write.
    jiff::Timestamp::from_nanosecond(ns.into())
        .map_or_else(|_| String::new(), |time| time.to_string())
}

/// Name of the schema.
pub const SCHEMA: &str = "gst-privacy.counts";
/// Version of the schema.
pub const VERSION: u32 = 1;

const LABELS: [(&str, Class); 17] = [
    ("pedestrian", Class::Pedestrian),
    ("person", Class::Pedestrian),
    ("people", Class::Pedestrian),
    ("bicycle", Class::Bicycle),
    ("bike", Class::Bicycle),
    ("cyclist", Class::Bicycle),
    ("scooter", Class::Scooter),
    ("e-scooter", Class::Scooter),
    ("kick scooter", Class::Scooter),
    ("motorcycle", Class::Motorcycle),
    ("motorbike", Class::Motorcycle),
    ("car", Class::Car),
    ("van", Class::Van),
    ("truck", Class::Truck),
    ("lorry", Class::Truck),
    ("bus", Class::Bus),
    ("coach", Class::Bus),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h11_a_record_is_one_line_with_a_fixed_order() {
        let authority = Authority {
            rules_version: Some("2026-11-01".into()),
            purpose: Some("stats.traffic_counts".into()),
            session: Some("s".into()),
        };
        let mut record = Record::new("cam-12", 0, 1_200_000_000_000, 5, &authority);
        record.line(
            "gare",
            Class::Pedestrian,
            Ok(42),
            Err(Withheld::BelowMinCount),
        );
        record.line(
            "gare",
            Class::Scooter,
            Err(Withheld::Unsupported),
            Err(Withheld::Unsupported),
        );
        record.total("gare", Ok(42), Err(Withheld::Complementary));
        record.zone("parvis", Class::Pedestrian, Ok(3.4));
        record.zone("parvis", Class::Van, Err(Withheld::NotAllowed));
        let expected = concat!(
            r#"{"schema":"gst-privacy.counts","version":1,"#,
            r#""window":{"from":"1970-01-01T00:00:00Z","to":"1970-01-01T00:20:00Z"},"camera":"cam-12","#,
            r#""lines":[{"name":"gare","class":"pedestrian","forward":42,"backward":null},"#,
            r#"{"name":"gare","class":"scooter","forward":null,"backward":null}],"#,
            r#""totals":[{"name":"gare","forward":42,"backward":null}],"#,
            r#""zones":[{"name":"parvis","class":"pedestrian","mean":3.4},{"name":"parvis","class":"van","mean":null}],"#,
            r#""suppressed":[{"name":"gare","class":"pedestrian","field":"backward","reason":"below min-count"},"#,
            r#"{"name":"gare","class":"scooter","field":"forward","reason":"unsupported"},"#,
            r#"{"name":"gare","class":"scooter","field":"backward","reason":"unsupported"},"#,
            r#"{"name":"gare","field":"backward","reason":"would reveal a withheld count"},"#,
            r#"{"name":"parvis","class":"van","field":"mean","reason":"not allowed by the purpose"}],"#,
            r#""min_count":5,"rules_version":"2026-11-01","purpose":"stats.traffic_counts","session":"s"}"#,
            "\n",
        );
        assert_eq!(record.to_json_line().unwrap(), expected);
        let undeclared = Record::new("\"\n", 0, 1, 5, &Authority::default());
        let line = undeclared.to_json_line().unwrap();
        assert!(line.contains(r#""camera":"\"\n","#) && line.matches('\n').count() == 1);
        assert!(line.contains(r#""rules_version":null,"purpose":null,"session":null"#));
    }

    #[test]
    fn labels_are_never_merged_across_classes() {
        for class in CLASSES {
            assert_eq!(Class::from_label(class.nick()), Some(class));
            assert_eq!(CLASSES[class.index()], class);
            assert_eq!(serde_json::to_value(class).unwrap(), class.nick());
        }
        assert_eq!(Class::from_label("Person"), Some(Class::Pedestrian));
        for label in ["", "face", "license plate", "dog", "traffic light", "train"] {
            assert_eq!(Class::from_label(label), None, "{label}");
        }
        let coco = [
            "person",
            "bicycle",
            "car",
            "motorcycle",
            "bus",
            "truck",
            "dog",
        ];
        let seen = ClassSet::from_labels(coco);
        let unseen: Vec<_> = CLASSES.into_iter().filter(|&c| !seen.contains(c)).collect();
        assert_eq!(unseen, [Class::Scooter, Class::Van], "COCO knows neither");
        assert!(ClassSet::from_labels(["face"]).is_empty());
        assert!(seen.and(ClassSet::from_labels(["van"])).is_empty());
        assert!(CLASSES.into_iter().all(|c| ClassSet::ALL.contains(c)));
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(1_795_255_200_000_000_000), "2026-11-21T10:00:00Z");
        for ns in [i64::MIN, i64::MAX, -1] {
            assert!(rfc3339(ns).ends_with('Z'));
        }
    }
}
