// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

#[test]
fn windows_are_aligned_to_utc() {
    let ten: i64 = 1_795_255_200 * SECOND; // 2026-11-21T10:00:00Z
    for offset in [0, 1, 599 * SECOND, 1200 * SECOND - 1] {
        let w = Window::around(ten + offset, 1200 * SECOND);
        assert_eq!((w.from, w.to), (ten, ten + 1200 * SECOND));
    }
    let w = Window::around(-1, 900 * SECOND);
    assert_eq!((w.from, w.to), (-900 * SECOND, 0));
    for at in [i64::MIN, i64::MAX] {
        let w = Window::around(at, 900 * SECOND);
        assert!(w.from <= w.to);
    }
}

fn filled(frames: impl IntoIterator<Item = (i64, bool)>) -> Window {
    let mut w = Window::around(0, 60 * SECOND);
    w.late(Some(Discard::Start));
    for (at, scanned) in frames {
        w.frame(at, scanned);
    }
    w
}

#[test]
fn only_whole_windows_are_whole() {
    let seconds = |range: std::ops::Range<i64>| range.map(|s| (s * SECOND, true));
    assert_eq!(filled(seconds(0..60)).verdict(false), Ok(()));
    assert_eq!(
        filled(seconds(3..58)).verdict(false),
        Ok(()),
        "within 3 s of both ends"
    );
    assert_eq!(filled(seconds(4..60)).verdict(false), Err(Discard::Start));
    assert_eq!(filled(seconds(0..56)).verdict(true), Err(Discard::Stop));
    assert_eq!(filled(seconds(0..56)).verdict(false), Err(Discard::Gap));
    let hole = seconds(0..20).chain(seconds(24..60));
    assert_eq!(filled(hole).verdict(false), Err(Discard::Gap));
    assert_eq!(
        filled([]).verdict(true),
        Err(Discard::Stop),
        "nobody looked"
    );
}

#[test]
fn one_frame_in_twenty_may_lack_its_stamp_and_no_more() {
    let every = |n: i64| (0..600).map(move |i| (i * SECOND / 10, i % n != 1));
    assert_eq!(filled(every(20)).verdict(false), Ok(()));
    assert_eq!(filled(every(19)).verdict(false), Err(Discard::Unscanned));
    let mut w = filled(every(20));
    w.spoil(Discard::Purpose);
    w.spoil(Discard::Gap);
    assert_eq!(
        w.verdict(false),
        Err(Discard::Purpose),
        "the first reason stands"
    );
}

#[test]
fn counts_from_one_to_k_minus_one_are_withheld() {
    for k in 3..20 {
        for n in 0..40 {
            assert_eq!(cell(n, k).is_err(), n >= 1 && n < k, "{n} of {k}");
        }
    }
}

/// Every way to fill the withheld cells that agrees with what is published.
fn consistent(published: &[Option<u32>], total: u64, k: u32) -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new()];
    for cell in published {
        let options: Vec<u32> = cell.map_or_else(|| (1..k).collect(), |value| vec![value]);
        all = all
            .into_iter()
            .flat_map(|head| {
                options
                    .iter()
                    .map(move |&o| [head.as_slice(), &[o]].concat())
            })
            .collect();
    }
    all.retain(|cells| cells.iter().map(|&c| u64::from(c)).sum::<u64>() == total);
    all
}

#[test]
fn a_published_total_tells_no_withheld_cell() {
    let k = 4;
    let values = [0, 1, 2, 3, 7];
    let mut totals = 0;
    for a in values {
        for b in values {
            for c in values {
                for d in values {
                    let counts = [a, b, c, d];
                    let Ok(sum) = total(&counts, k) else { continue };
                    assert_eq!(sum, u64::from(a + b + c + d));
                    let published: Vec<_> = counts.iter().map(|&n| cell(n, k).ok()).collect();
                    totals += usize::from(published.contains(&None));
                    let worlds = consistent(&published, sum, k);
                    for i in (0..4).filter(|&i| published[i].is_none()) {
                        for value in 1..k {
                            assert!(
                                worlds.iter().any(|world| world[i] == value),
                                "{counts:?}: cell {i} cannot be {value}"
                            );
                        }
                    }
                }
            }
        }
    }
    assert!(
        totals > 0,
        "some totals beside withheld cells are published"
    );
}

/// Whoever knows the rules looks for every world that would have been published in the same words.
#[test]
fn neither_a_total_nor_the_reason_it_lacks_tells_a_withheld_cell() {
    for k in [3, 4, 5] {
        let values: Vec<u32> = (0..=k + 1).collect();
        let mut published = std::collections::BTreeMap::<String, Vec<[u32; 3]>>::new();
        for &a in &values {
            for &b in &values {
                for &c in &values {
                    let counts = [a, b, c];
                    let cells = counts.map(|n| cell(n, k));
                    let sum = total(&counts, k);
                    assert!(sum.is_err() || !sum.is_ok_and(|n| (1..u64::from(k)).contains(&n)));
                    let told = format!("{cells:?} {sum:?}");
                    published.entry(told).or_default().push(counts);
                }
            }
        }
        for (told, worlds) in published {
            for i in 0..3 {
                if cell(worlds[0][i], k).is_err() {
                    for value in 1..k {
                        assert!(
                            worlds.iter().any(|world| world[i] == value),
                            "k = {k}, {told}: cell {i} cannot be {value}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_total_with_one_withheld_cell_is_withheld_too() {
    for k in 3..12 {
        for n in 1..k {
            assert_eq!(total(&[40, n, 0, 99], k), Err(Withheld::Complementary));
            assert_eq!(total(&[0, n, 0], k), Err(Withheld::Complementary));
        }
    }
    assert_eq!(total(&[40, 0, 9], 5), Ok(49));
    assert_eq!(total(&[0, 0], 5), Ok(0));
    assert_eq!(total(&[u32::MAX, u32::MAX], 5), Ok(8_589_934_590));
    assert_eq!(
        total(&[1, 1, 60], 5),
        Err(Withheld::Complementary),
        "2 can only be 1 and 1"
    );
    assert_eq!(
        total(&[4, 4, 60], 5),
        Err(Withheld::Complementary),
        "8 can only be 4 and 4"
    );
    assert_eq!(total(&[1, 4, 60], 5), Ok(65), "5 can be 1+4 to 4+1");
}

#[test]
fn means_are_rounded_and_need_enough_objects() {
    assert_eq!(mean(271, 100, 5, 5), Ok(2.7));
    assert_eq!(mean(275, 100, 9, 5), Ok(2.8));
    assert_eq!(mean(100, 100, 4, 5), Err(Withheld::BelowMinCount));
    assert_eq!(mean(0, 100, 0, 5), Ok(0.0));
    assert_eq!(mean(0, 0, 0, 5), Ok(0.0));
}

#[test]
fn limits_name_what_is_wrong_and_a_purpose_moves_them() {
    let law = Floors::default();
    let limits = Limits::new(DEFAULT_WINDOW, 5, &law).unwrap();
    assert_eq!(limits.publish_delay, 300 * SECOND);
    let short = Limits::new(600 * SECOND, 5, &law).unwrap_err();
    for part in [
        "`window`",
        "600 s",
        "900 s",
        "window=900000000000",
        "plancher",
        "purposegate",
    ] {
        assert!(short.to_string().contains(part), "{short}: {part}");
    }
    let long = Limits::new(90_000 * SECOND, 5, &law).unwrap_err();
    assert!(long.to_string().contains("86400 s"), "{long}");
    let few = Limits::new(DEFAULT_WINDOW, 2, &law).unwrap_err();
    assert!(few.to_string().contains("min-count=3"), "{few}");

    let purpose = Floors {
        min_window: 60 * SECOND,
        min_count: 11,
        publish_delay: 10 * SECOND,
        by_purpose: true,
        ..law
    };
    let limits = Limits::new(60 * SECOND, 5, &purpose).unwrap();
    assert_eq!((limits.min_count, limits.publish_delay), (11, 10 * SECOND));
    assert_eq!(
        Limits::new(60 * SECOND, 20, &purpose).unwrap().min_count,
        20
    );
    let short = Limits::new(59 * SECOND, 5, &purpose).unwrap_err();
    assert!(short.to_string().contains("stats.dpo_signoff"), "{short}");
    // A purpose that asks for nothing still leaves a window and the absolute floor.
    let nothing = Floors {
        min_window: 0,
        min_count: 0,
        ..purpose
    };
    assert!(Limits::new(0, 5, &nothing).is_err());
    assert_eq!(Limits::new(SECOND, 3, &nothing).unwrap().min_count, 3);
    let never = Floors {
        publish_delay: i64::MAX,
        ..purpose
    };
    let never = Limits::new(60 * SECOND, 5, &never).unwrap_err();
    assert!(never.to_string().contains("publication delay"), "{never}");
}

#[test]
fn every_reason_has_its_word() {
    for why in [
        Discard::Start,
        Discard::Stop,
        Discard::Gap,
        Discard::Unscanned,
        Discard::Interrupted,
        Discard::Purpose,
    ] {
        assert_eq!(Discard::from_nick(why.nick()), Some(why));
    }
    assert_eq!(Discard::from_nick("else"), None);
}
