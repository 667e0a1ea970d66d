//! Which incident of the new policy is which of the old one, and what became of each.
//!
//! The same: equal ids; of the rest those that share a building and were confirmed within half an hour of each other,
//! the nearest in time first, each once. What is left over is gained or lost, unless its building stands in an incident
//! of the other policy of about that time: then it was split off, or joined it, and no fire is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::replay::Confirmation;

/// Confirmations farther apart than this are not about the same fire.
const SAME_FIRE_MS: u64 = 30 * 60_000;

/// Two policies held against each other; positions in their lists of confirmations, in the order of those.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Of the new policy only.
    pub gained: Vec<usize>,
    /// Of the old policy only.
    pub lost: Vec<usize>,
    /// Old and new: the new policy confirmed sooner.
    pub earlier: Vec<(usize, usize)>,
    /// Old and new: the new policy confirmed later.
    pub later: Vec<(usize, usize)>,
    /// Old and new: an old incident that is now part of another one.
    pub joined: Vec<(usize, usize)>,
    /// Old and new: a new incident that was part of another one.
    pub split: Vec<(usize, usize)>,
    /// Old and new: confirmed at the same time.
    pub unchanged: Vec<(usize, usize)>,
}

impl Comparison {
    /// Holds the new confirmations against the old ones.
    pub fn new(old: &[Confirmation], new: &[Confirmation]) -> Self {
        let near = near_pairs(old, new);
        let mut new_of_old = same_ids(old, new);
        let mut matched: BTreeSet<usize> = new_of_old.values().copied().collect();
        for (_, old, new) in &near {
            if !new_of_old.contains_key(old) && matched.insert(*new) {
                new_of_old.insert(*old, *new);
            }
        }
        let mut comparison = Self::default();
        for (before, after) in &new_of_old {
            let list = match new[*after].decided_at_ms.cmp(&old[*before].decided_at_ms) {
                std::cmp::Ordering::Less => &mut comparison.earlier,
                std::cmp::Ordering::Equal => &mut comparison.unchanged,
                std::cmp::Ordering::Greater => &mut comparison.later,
            };
            list.push((*before, *after));
        }
        for before in (0..old.len()).filter(|before| !new_of_old.contains_key(before)) {
            match near.iter().find(|(_, other, _)| *other == before) {
                Some((_, _, after)) => comparison.joined.push((before, *after)),
                None => comparison.lost.push(before),
            }
        }
        for after in (0..new.len()).filter(|after| !matched.contains(after)) {
            match near.iter().find(|(_, _, other)| *other == after) {
                Some((_, before, _)) => comparison.split.push((*before, after)),
                None => comparison.gained.push(after),
            }
        }
        comparison
    }

    /// Whether anything but the unchanged is there.
    pub fn differs(&self) -> bool {
        let Self { gained, lost, earlier, later, joined, split, unchanged: _ } = self;
        let pairs = [earlier, later, joined, split];
        !gained.is_empty() || !lost.is_empty() || pairs.iter().any(|list| !list.is_empty())
    }
}

/// New by old.
fn same_ids(old: &[Confirmation], new: &[Confirmation]) -> BTreeMap<usize, usize> {
    let new_by_id: BTreeMap<&str, usize> = (0..).zip(new).map(|(at, each)| (each.incident.as_str(), at)).collect();
    let same = |(at, each): (usize, &Confirmation)| Some((at, *new_by_id.get(each.incident.as_str())?));
    old.iter().enumerate().filter_map(same).collect()
}

/// Milliseconds apart, old, new: all that share a building and are not too far apart, the nearest first.
fn near_pairs(old: &[Confirmation], new: &[Confirmation]) -> BTreeSet<(u64, usize, usize)> {
    let mut old_of_building: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, confirmation) in old.iter().enumerate() {
        for building in &confirmation.buildings {
            old_of_building.entry(building).or_default().push(at);
        }
    }
    let mut pairs = BTreeSet::new();
    for (after, confirmation) in new.iter().enumerate() {
        let shared = confirmation.buildings.iter().filter_map(|building| old_of_building.get(building.as_str()));
        for before in shared.flatten() {
            let apart_ms = old[*before].decided_at_ms.abs_diff(confirmation.decided_at_ms);
            if apart_ms <= SAME_FIRE_MS {
                pairs.insert((apart_ms, *before, after));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::truth::Place;
    use super::*;

    /// Id, buildings, when it was confirmed.
    type Row<'r> = (&'r str, &'r str, i64);

    fn confirmations(rows: &[Row<'_>]) -> Vec<Confirmation> {
        let of_row = |(incident, buildings, decided_at_ms): &Row<'_>| Confirmation {
            incident: (*incident).to_owned(),
            place: String::new(),
            under: Place::new("rental", None, None),
            rule: String::new(),
            buildings: buildings.split(' ').map(str::to_owned).collect(),
            fire_at_ms: 0,
            decided_at_ms: *decided_at_ms,
        };
        rows.iter().map(of_row).collect()
    }

    #[test]
    fn incidents_are_told_apart_and_found_again() {
        const HALF_HOUR: i64 = SAME_FIRE_MS.cast_signed();
        let none = Comparison::default;
        let rows: &[(&[Row<'_>], &[Row<'_>], Comparison)] = &[
            (&[], &[], none()),
            (&[("i", "A", 5)], &[("i", "A", 5)], Comparison { unchanged: vec![(0, 0)], ..none() }),
            (&[("i", "A", 5)], &[("i", "A", 4)], Comparison { earlier: vec![(0, 0)], ..none() }),
            (&[("i", "A", 5)], &[("i", "A", 6)], Comparison { later: vec![(0, 0)], ..none() }),
            (&[("i", "A", 5)], &[], Comparison { lost: vec![0], ..none() }),
            (&[], &[("i", "A", 5)], Comparison { gained: vec![0], ..none() }),
            // An id is enough, however late.
            (&[("i", "A", 5)], &[("i", "B", 2 * HALF_HOUR)], Comparison { later: vec![(0, 0)], ..none() }),
            // Without it, a shared building and half an hour are.
            (&[("i", "A B", 5)], &[("j", "B C", 5 + HALF_HOUR)], Comparison { later: vec![(0, 0)], ..none() }),
            (&[("i", "A", 5)], &[("j", "A", 6 + HALF_HOUR)], Comparison { gained: vec![0], lost: vec![0], ..none() }),
            (&[("i", "A", 5)], &[("j", "B", 5)], Comparison { gained: vec![0], lost: vec![0], ..none() }),
            // The nearest first.
            (
                &[("i", "A", 5)],
                &[("j", "A", 1), ("k", "A", 6)],
                Comparison { later: vec![(0, 1)], split: vec![(0, 0)], ..none() },
            ),
            // Two that are one now, and one that are two.
            (
                &[("i", "A", 5), ("j", "B", 6)],
                &[("i", "A B", 5)],
                Comparison { unchanged: vec![(0, 0)], joined: vec![(1, 0)], ..none() },
            ),
            (
                &[("i", "A B", 5)],
                &[("i", "A", 5), ("j", "B", 6)],
                Comparison { unchanged: vec![(0, 0)], split: vec![(0, 1)], ..none() },
            ),
        ];
        for (old, new, expected) in rows {
            let comparison = Comparison::new(&confirmations(old), &confirmations(new));
            assert_eq!(comparison, *expected, "{old:?} {new:?}");
            let same = expected.unchanged.len() == old.len() && old.len() == new.len();
            assert_eq!(comparison.differs(), !same, "{old:?} {new:?}");
        }
    }

    fn lists() -> impl Strategy<Value = Vec<(u8, u8, i64)>> {
        prop::collection::vec((0_u8..12, 0_u8..4, 0_i64..4_000_000), 0..12)
    }

    proptest! {
        /// Every incident of either policy is counted exactly once.
        #[test]
        fn the_sums_agree(old in lists(), new in lists()) {
            let of = |list: Vec<(u8, u8, i64)>| {
                let mut ids = BTreeSet::new();
                let rows = list.into_iter().filter(|(id, _, _)| ids.insert(*id));
                let rows: Vec<_> = rows.map(|(id, at, ms)| (id.to_string(), at.to_string(), ms)).collect();
                confirmations(&rows.iter().map(|(id, at, ms)| (id.as_str(), at.as_str(), *ms)).collect::<Vec<_>>())
            };
            let (old, new) = (of(old), of(new));
            let found = Comparison::new(&old, &new);
            let both = found.earlier.len() + found.later.len() + found.unchanged.len();
            prop_assert_eq!(both + found.lost.len() + found.joined.len(), old.len());
            prop_assert_eq!(both + found.gained.len() + found.split.len(), new.len());
            let mirrored = Comparison::new(&new, &old);
            prop_assert_eq!(mirrored.differs(), found.differs());
        }
    }
}
