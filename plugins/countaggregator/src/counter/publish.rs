// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is published of a window, and what is withheld.

use super::{BACKWARD, Counter, FORWARD, InZone, Tally};
use crate::{
    record::{CLASSES, Class, Record},
    window::{self, Window, Withheld},
};

impl Counter {
    /// The record of a whole window, with everything withheld that must be.
    pub(super) fn publishable(&self, tally: &Tally) -> Record {
        let k = self.limits.min_count;
        let Window { from, to, .. } = tally.window;
        let countable = |class: Class| {
            if !self.allowed.contains(class) {
                Err(Withheld::NotAllowed)
            } else if !tally.supported.contains(class) {
                Err(Withheld::Unsupported)
            } else {
                Ok(())
            }
        };
        let mut record = Record::new(&self.site.name, from, to, k, &self.authority);
        // Where two lines or zones have people in common, the difference of what they count is a count too.
        // Beside a withheld value, those of its kin are withheld, and each in the same words: else the reason
        // would tell which of them is small.
        let beside = |kin: &[usize], value: Result<_, Withheld>, small: &dyn Fn(usize) -> bool| {
            match value {
                Err(Withheld::BelowMinCount) if !kin.is_empty() => Err(Withheld::Complementary),
                Ok(_) if kin.iter().any(|&other| small(other)) => Err(Withheld::Complementary),
                value => value,
            }
        };
        for (index, (line, crossings)) in self.site.lines.iter().zip(&tally.crossings).enumerate() {
            let kin = &self.line_kin[index];
            // Kin may be drawn the other way round, so that one's forward is the other's backward.
            let small = |class: Class| {
                move |other: usize| {
                    countable(class).is_ok()
                        && tally.crossings[other][class.index()]
                            .iter()
                            .any(|&count| window::cell(count, k).is_err())
                }
            };
            for class in CLASSES {
                let cell = |way: usize| {
                    let count = crossings[class.index()][way];
                    let value = countable(class).and_then(|()| window::cell(count, k));
                    beside(kin, value.map(f64::from), &small(class)).map(|_| count)
                };
                record.line(&line.name, class, cell(FORWARD), cell(BACKWARD));
            }
            let withheld_beside = CLASSES
                .into_iter()
                .any(|class| kin.iter().any(|&other| small(class)(other)));
            let total = |way: usize| {
                let counts: Vec<u32> = CLASSES
                    .into_iter()
                    .filter(|&class| countable(class).is_ok())
                    .map(|class| crossings[class.index()][way])
                    .collect();
                if counts.is_empty() {
                    Err(Withheld::Unsupported)
                } else if withheld_beside {
                    Err(Withheld::Complementary)
                } else {
                    window::total(&counts, k)
                }
            };
            record.total(&line.name, total(FORWARD), total(BACKWARD));
        }
        for (index, (zone, tallies)) in self.site.zones.iter().zip(&tally.zones).enumerate() {
            let kin = &self.zone_kin[index];
            for class in CLASSES {
                let InZone { sum, objects } = tallies[class.index()];
                let mean =
                    countable(class).and_then(|()| window::mean(sum, tally.looks, objects, k));
                let small = |other: usize| {
                    let objects = tally.zones[other][class.index()].objects;
                    countable(class).is_ok() && window::cell(objects, k).is_err()
                };
                record.zone(&zone.name, class, beside(kin, mean, &small));
            }
        }
        record
    }
}

/// For each of `shapes`, the indexes of the others that overlap it.
pub fn kin<T>(shapes: &[T], overlap: impl Fn(&T, &T) -> bool) -> Vec<Vec<usize>> {
    let others = |index: usize| {
        (0..shapes.len())
            .filter(|&other| other != index && overlap(&shapes[index], &shapes[other]))
            .collect()
    };
    (0..shapes.len()).map(others).collect()
}
