// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which entries are wanted: `--from --to --purpose --agent --camera --recipient --requisition --operation`.
//!
//! All that is asked for must hold. An operation is one thing, however many entries it has: when its opening,
//! one of its segments or its closing entry is wanted, all of them are. A time is not judged entry by entry
//! but by when the operation ran, so that a viewing from 23:00 to 01:00 is found on both days.

use std::collections::{BTreeMap, HashSet};

use jiff::{Timestamp, civil};
use privacy_policy::time;
use privacy_register::{Entry, Operation, Phase, ReadError, Reader, Recipient, Record};
use privacy_verify::words::operation_name;
use serde_json::Value;

/// What entries are asked for. Without any of these, all of them are.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Filter {
    /// Only what ran at this time or later: 2026-11-22 (from its first moment in Paris) or 2026-11-22T10:00:00+01:00.
    #[arg(long, value_name = "TIME", value_parser = first_moment)]
    pub from: Option<Timestamp>,
    /// Only what began before this time: 2026-11-22 (to the end of that day in Paris) or an instant, as for --from.
    #[arg(long, value_name = "TIME", value_parser = end_moment)]
    pub to: Option<Timestamp>,
    /// Only this purpose, or a family of them: judicial.requisition_extract, or judicial.
    #[arg(long, value_name = "ID")]
    pub purpose: Option<String>,
    /// Only this agent, by pseudonym.
    #[arg(long, value_name = "PSEUDONYM")]
    pub agent: Option<String>,
    /// Only this camera.
    #[arg(long, value_name = "ID")]
    pub camera: Option<String>,
    /// Only recipients in whose name, service or capacity this stands, in capitals or not.
    #[arg(long, value_name = "TEXT")]
    pub recipient: Option<String>,
    /// Only what was done on the requisition of this reference.
    #[arg(long, value_name = "REFERENCE")]
    pub requisition: Option<String>,
    /// Only this operation: consult, extract, communicate, publish, refuse, erase, config, …
    #[arg(long, value_name = "WORD", value_parser = operation)]
    pub operation: Option<Operation>,
}

fn operation(word: &str) -> Result<Operation, String> {
    Operation::from_nick(word)
        .or_else(|| {
            let french = |op: &Operation| operation_name(*op, true) == word;
            Operation::ALL.into_iter().find(french)
        })
        .ok_or_else(|| {
            let list = Operation::ALL.map(Operation::nick).join(", ");
            format!("one of: {list} / l'un de ces mots, ou son nom français")
        })
}

fn first_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, time::start_of)
}

fn end_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, time::end_of)
}

fn moment(
    text: &str,
    of_day: impl FnOnce(civil::Date) -> Result<Timestamp, jiff::Error>,
) -> Result<Timestamp, String> {
    // An instant first: a date is also the beginning of one.
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let unusable = |_| {
        "a day such as 2026-11-22, or an instant such as 2026-11-22T10:00:00+01:00 \
         / un jour ou un instant, écrits ainsi"
            .to_owned()
    };
    match text.parse::<civil::Date>() {
        Ok(day) if !text.contains([':', 'T', 't', ' ']) => of_day(day).map_err(unusable),
        // Without an offset it is what the clocks of France showed.
        _ => text
            .parse::<civil::DateTime>()
            .and_then(|local| time::paris().to_timestamp(local))
            .map_err(unusable),
    }
}

/// The reference of the requisition that an entry rests on, wherever it stands.
pub fn requisition(entry: &Entry) -> Option<&str> {
    let reference = |value: &'_ Value| -> bool { value.as_str().is_some_and(|t| !t.is_empty()) };
    let in_refs = entry
        .more
        .get("legal_refs")
        .and_then(|r| r.get("requisition"));
    // Writers other than the gate may keep it beside `legal_refs`, as a word or as the document itself.
    let own = entry.more.get("requisition");
    let inner = own.and_then(|r| r.get("ref").or_else(|| r.get("reference")));
    [in_refs, own, inner]
        .into_iter()
        .flatten()
        .find(|value| reference(value))
        .and_then(Value::as_str)
}

/// Lower case, and single spaces: `PV  2026/01542` is `pv 2026/01542`.
fn folded(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

impl Filter {
    /// Whether everything is wanted.
    pub fn is_empty(&self) -> bool {
        let Self {
            from,
            to,
            purpose,
            agent,
            camera,
            recipient,
            requisition,
            operation,
        } = self;
        let texts = [purpose, agent, camera, recipient, requisition];
        from.or(*to).is_none() && texts.into_iter().all(Option::is_none) && operation.is_none()
    }

    /// What was asked for, in the words of the command line.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let text = |name, value: &Option<String>| value.clone().map(|value| (name, value));
        [
            self.from.map(|t| ("from", t.to_string())),
            self.to.map(|t| ("to", t.to_string())),
            text("purpose", &self.purpose),
            text("agent", &self.agent),
            text("camera", &self.camera),
            text("recipient", &self.recipient),
            text("requisition", &self.requisition),
            self.operation.map(|op| ("operation", op.nick().to_owned())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Refuses a period that ends before it begins.
    pub fn check(&self) -> Result<(), String> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if to <= from => Err(format!(
                "--to {to} is not after --from {from}; give them in the order of time / --to doit être après --from"
            )),
            _ => Ok(()),
        }
    }

    /// Whether an entry is what is asked for, its time aside.
    fn fits(&self, entry: &Entry) -> bool {
        let purpose = self.purpose.as_deref().is_none_or(|wanted| {
            let family = wanted.trim_end_matches(['.', '*']);
            entry.purpose_id == wanted
                || entry
                    .purpose_id
                    .strip_prefix(family)
                    .is_some_and(|rest| rest.starts_with('.'))
        });
        let agent = self.agent.as_deref().is_none_or(|wanted| {
            let id = entry.agent.as_ref().map(|agent| agent.id.as_str());
            id == Some(wanted)
        });
        let camera = self
            .camera
            .as_ref()
            .is_none_or(|wanted| entry.cameras.contains(wanted));
        let recipient = self.recipient.as_deref().is_none_or(|wanted| {
            let wanted = folded(wanted);
            match &entry.destinataire {
                None => false,
                Some(Recipient::Nobody(_)) => wanted == "aucun",
                Some(Recipient::Somebody {
                    name,
                    service,
                    capacity,
                }) => [name, service, capacity]
                    .iter()
                    .any(|t| folded(t).contains(&wanted)),
            }
        });
        let requisition = self.requisition.as_deref().is_none_or(|wanted| {
            requisition(entry).is_some_and(|reference| folded(reference) == folded(wanted))
        });
        let operation = self
            .operation
            .is_none_or(|wanted| entry.operation == wanted);
        purpose && agent && camera && recipient && requisition && operation
    }

    /// Whether what ran from `begun` to `ended` ran in the period asked for.
    fn ran_in(&self, begun: Timestamp, ended: Option<Timestamp>) -> bool {
        // What is not closed may run on.
        let late_enough = self
            .from
            .is_none_or(|from| ended.is_none_or(|ended| ended >= from));
        late_enough && self.to.is_none_or(|to| begun < to)
    }
}

/// The operation that an entry belongs to, by the index of the entry that opened it.
pub fn key(index: u64, record: &Record) -> u64 {
    match record.entry.phase {
        Some(Phase::Segment | Phase::Close) => record.entry.prior_entry_seq.unwrap_or(index),
        Some(Phase::Open) | None => index,
    }
}

/// The entries that a filter chooses.
#[derive(Debug)]
pub struct Selection {
    /// Operations chosen; `None` for all.
    chosen: Option<HashSet<u64>>,
    /// Entries that were erased, of which nobody can tell any more.
    pub erased: u64,
}

/// What is known of an operation that may go on.
struct Running {
    begun: Timestamp,
    fits: bool,
}

impl Selection {
    /// Every entry.
    pub fn all() -> Self {
        Self {
            chosen: None,
            erased: 0,
        }
    }

    /// Goes through the whole register. Holds what is chosen and what is open, not the entries.
    pub fn new(reader: &Reader, size: u64, filter: &Filter) -> Result<Self, ReadError> {
        if filter.is_empty() {
            return Ok(Self::all());
        }
        let mut chosen = HashSet::new();
        let mut running: BTreeMap<u64, Running> = BTreeMap::new();
        let mut erased = 0;
        for entry in reader.iter(0..size) {
            let (index, body) = entry?;
            if body.is_empty() {
                erased += 1;
                continue;
            }
            let Ok(record) = Record::from_bytes(&body) else {
                // Whoever made it unreadable does not hide it too.
                chosen.insert(index);
                continue;
            };
            let (key, at) = (key(index, &record), record.timestamp);
            let fits = filter.fits(&record.entry);
            match record.entry.phase {
                Some(Phase::Open) => {
                    running.insert(key, Running { begun: at, fits });
                }
                Some(Phase::Segment) => {
                    let segment = Running {
                        begun: at,
                        fits: false,
                    };
                    running.entry(key).or_insert(segment).fits |= fits;
                }
                Some(Phase::Close) => {
                    let opened = running.remove(&key);
                    let begun = opened.as_ref().map_or(at, |opened| opened.begun);
                    let fits = fits || opened.is_some_and(|opened| opened.fits);
                    if fits && filter.ran_in(begun, Some(at)) {
                        chosen.insert(key);
                    }
                }
                None if fits && filter.ran_in(at, Some(at)) => {
                    chosen.insert(key);
                }
                None => {}
            }
        }
        let open = running
            .into_iter()
            .filter(|(_, o)| o.fits && filter.ran_in(o.begun, None));
        chosen.extend(open.map(|(key, _)| key));
        Ok(Self {
            chosen: Some(chosen),
            erased,
        })
    }

    /// Whether an entry is among them. `record` is `None` for a body that is erased or cannot be read.
    pub fn has(&self, index: u64, record: Option<&Record>) -> bool {
        let key = record.map_or(index, |record| key(index, record));
        self.chosen
            .as_ref()
            .is_none_or(|chosen| chosen.contains(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_in_paris_and_instants_are_instants() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(first_moment("2026-11-22"), Ok(at("2026-11-21T23:00:00Z")));
        assert_eq!(end_moment("2026-11-22"), Ok(at("2026-11-22T23:00:00Z")));
        // 25 hours long: the clocks go back.
        assert_eq!(first_moment("2026-10-25"), Ok(at("2026-10-24T22:00:00Z")));
        assert_eq!(end_moment("2026-10-25"), Ok(at("2026-10-25T23:00:00Z")));
        for moment in [first_moment, end_moment] {
            assert_eq!(
                moment("2026-11-22T10:00:00+01:00"),
                Ok(at("2026-11-22T09:00:00Z"))
            );
            assert_eq!(
                moment("2026-11-22T10:00:00Z"),
                Ok(at("2026-11-22T10:00:00Z"))
            );
            assert_eq!(moment("2026-11-22T10:00"), Ok(at("2026-11-22T09:00:00Z")));
            for bad in [
                "",
                "yesterday",
                "2026-13-01",
                "22/11/2026",
                "2026-11-22T",
                "99999-01-01",
            ] {
                assert!(moment(bad).unwrap_err().contains("2026-11-22"), "{bad}");
            }
        }
    }

    #[test]
    fn operations_go_by_both_their_names() {
        assert_eq!(operation("extract"), Ok(Operation::Extract));
        assert_eq!(operation("refus"), Ok(Operation::Refuse));
        assert!(operation("view").unwrap_err().contains("consult"));
    }

    #[test]
    fn a_requisition_is_found_wherever_it_stands() {
        let entry = |json: &str| Entry::from_json(Operation::Extract, json).unwrap();
        for json in [
            r#"{"legal_refs":{"requisition":"PV 1"}}"#,
            r#"{"requisition":"PV 1"}"#,
            r#"{"requisition":{"ref":"PV 1"}}"#,
            r#"{"legal_refs":{"requisition":""},"requisition":{"reference":"PV 1"}}"#,
        ] {
            assert_eq!(requisition(&entry(json)), Some("PV 1"), "{json}");
            let filter = |wanted: &str| Filter {
                requisition: Some(wanted.into()),
                ..Default::default()
            };
            assert!(filter(" pv  1 ").fits(&entry(json)));
            assert!(!filter("PV 11").fits(&entry(json)) && !filter("PV").fits(&entry(json)));
        }
        for json in [
            "{}",
            r#"{"legal_refs":{"requisition":""}}"#,
            r#"{"legal_refs":3,"requisition":[1]}"#,
        ] {
            assert_eq!(requisition(&entry(json)), None, "{json}");
        }
    }

    #[test]
    fn a_family_of_purposes_ends_at_a_dot() {
        let mut entry = Entry::new(Operation::Extract);
        entry.purpose_id = "judicial.requisition_extract".into();
        let fits = |wanted: &str| {
            let filter = Filter {
                purpose: Some(wanted.into()),
                ..Default::default()
            };
            filter.fits(&entry)
        };
        for wanted in [
            "judicial.requisition_extract",
            "judicial",
            "judicial.",
            "judicial.*",
        ] {
            assert!(fits(wanted), "{wanted}");
        }
        for wanted in ["jud", "judicial.requisition", "vp", "requisition_extract"] {
            assert!(!fits(wanted), "{wanted}");
        }
    }
}
