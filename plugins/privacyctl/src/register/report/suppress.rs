// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small numbers, hidden so that nothing else gives them away.
//!
//! Every number below [`FEWEST`] is hidden, 0 included. A 0 would be worth showing, but not what it does to its
//! neighbours: were 0 shown, "fewer than 5" would say that it happened; and in a small town "no extraction in
//! October" already tells somebody that nobody has asked for the images of him. Only what cannot happen at all
//! is said in words. A total then stands beside the hidden numbers, and the total less the numbers that are
//! shown is their sum. It is shown only where that sum leaves every value from 0 to 4 possible for each of them;
//! elsewhere the sum of what is shown stands in its place, which everybody could work out. Rounding a total
//! or hiding a large number would serve as well, and say less.

/// The smallest number that is shown.
pub const FEWEST: u64 = 5;

/// A number, or that it is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cell {
    /// As it is.
    Exactly(u64),
    /// From 0 to 4.
    Few,
}

/// The sum of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Total {
    /// As it is.
    Exactly(u64),
    /// The sum of the numbers that are shown.
    AtLeast(u64),
}

/// One number that no total goes with.
pub fn cell(count: u64) -> Cell {
    if count < FEWEST {
        Cell::Few
    } else {
        Cell::Exactly(count)
    }
}

/// A list of numbers and its total.
pub fn table(counts: &[u64]) -> (Vec<Cell>, Total) {
    let cells: Vec<Cell> = counts.iter().map(|count| cell(*count)).collect();
    let (mut shown, mut few, mut hidden) = (0, 0, 0);
    for count in counts {
        if *count < FEWEST {
            few += count;
            hidden += 1;
        } else {
            shown += count;
        }
    }
    // One hidden number has value v if the others can sum up to the rest: from 0 to 4 each.
    let most = FEWEST - 1;
    let any_value = few >= most && few <= most * u64::saturating_sub(hidden, 1);
    let total = match (hidden == 0 || any_value) && shown + few >= FEWEST {
        true => Total::Exactly(shown + few),
        false => Total::AtLeast(shown),
    };
    (cells, total)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;

    /// Every table of up to four numbers: whoever knows how numbers are hidden, and sees what is shown, can work
    /// out no hidden one, since several tables that differ in it look the same.
    #[test]
    fn no_hidden_number_can_be_worked_out() {
        for length in 1..=4u32 {
            let mut looks: HashMap<(Vec<Cell>, Total), Vec<BTreeSet<u64>>> = HashMap::new();
            for code in 0..8u64.pow(length) {
                let counts: Vec<u64> = (0..length).map(|at| code / 8u64.pow(at) % 8).collect();
                let values = looks
                    .entry(table(&counts))
                    .or_insert_with(|| vec![BTreeSet::new(); counts.len()]);
                for (values, count) in values.iter_mut().zip(counts) {
                    values.insert(count);
                }
            }
            for ((cells, total), values) in looks {
                for (cell, values) in cells.iter().zip(values) {
                    match cell {
                        Cell::Few => assert_eq!(values.len(), 5, "{cells:?} {total:?} {values:?}"),
                        Cell::Exactly(n) => assert_eq!(values, BTreeSet::from([*n])),
                    }
                }
            }
        }
    }

    /// Tables at random, longer and larger: what an attacker with a pencil does, total less what is shown.
    #[test]
    fn no_total_gives_a_number_away() {
        let mut seed = 0x2026_1122u64;
        let mut random = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut exact, mut hidden_beside) = (0, 0);
        for _ in 0..100_000 {
            let length = 1 + random(12) as usize;
            let scale = [3, 6, 12, 200][random(4) as usize];
            let counts: Vec<u64> = (0..length).map(|_| random(scale)).collect();
            let (cells, total) = table(&counts);
            let shown: u64 = cells
                .iter()
                .map(|cell| match cell {
                    Cell::Exactly(n) => *n,
                    Cell::Few => 0,
                })
                .sum();
            assert!(
                cells
                    .iter()
                    .all(|cell| !matches!(cell, Cell::Exactly(n) if *n < FEWEST))
            );
            let hidden = cells.iter().filter(|cell| **cell == Cell::Few).count() as u64;
            match total {
                Total::AtLeast(sum) => assert_eq!(sum, shown, "everybody can add up what is shown"),
                Total::Exactly(sum) => {
                    exact += 1;
                    assert_eq!(sum, counts.iter().sum::<u64>());
                    assert!(sum >= FEWEST);
                    if hidden > 0 {
                        hidden_beside += 1;
                        let rest = sum - shown;
                        let lowest = rest.saturating_sub(4 * (hidden - 1));
                        let highest = rest.min(4);
                        assert_eq!((lowest, highest), (0, 4), "{counts:?}");
                    }
                }
            }
        }
        assert!(
            exact > 1000 && hidden_beside > 1000,
            "{exact} {hidden_beside}"
        );
    }

    #[test]
    fn a_lone_small_number_takes_the_total_with_it() {
        use Cell::{Exactly, Few};
        assert_eq!(
            table(&[812, 3]),
            (vec![Exactly(812), Few], Total::AtLeast(812))
        );
        assert_eq!(
            table(&[812, 23]),
            (vec![Exactly(812), Exactly(23)], Total::Exactly(835))
        );
        assert_eq!(
            table(&[812, 2, 2]),
            (vec![Exactly(812), Few, Few], Total::Exactly(816))
        );
        assert_eq!(
            table(&[812, 4, 4]).1,
            Total::AtLeast(812),
            "both would be 4"
        );
        assert_eq!(
            table(&[812, 0, 0]).1,
            Total::AtLeast(812),
            "both would be 0"
        );
        assert_eq!(
            table(&[2, 2]).1,
            Total::AtLeast(0),
            "a total is a number too"
        );
        assert_eq!(table(&[]).1, Total::AtLeast(0));
    }
}
