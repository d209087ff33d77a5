//! A sorted set for very many small entries.

use std::collections::BTreeMap;

/// A sorted set that takes little more memory than its entries.
///
/// The tree of the standard library stays half empty if entries come in ascending order, as those
/// of new sessions do. Here entries stand in sorted runs of bounded length, and a tree finds the
/// run.
#[derive(Debug)]
pub(super) struct SortedSet<T> {
    /// Each run has a key that is a lower bound of its entries and above all entries of the run
    /// before. No run is empty.
    runs: BTreeMap<T, Vec<T>>,
}

/// The most entries of a run: few enough that moving them is cheap.
const RUN: usize = 64;

/// Runs grow and shrink in steps of this size; otherwise each would allocate `RUN` entries.
const STEP: usize = 8;

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self { runs: BTreeMap::new() }
    }
}

impl<T: Ord + Copy> SortedSet<T> {
    pub(super) fn insert(&mut self, entry: T) {
        let Some((_, run)) = self.runs.range_mut(..=entry).next_back() else {
            // Before all others: the first run gets a lower bound.
            let run = self.runs.pop_first().map(|(_, run)| run).unwrap_or_default();
            self.runs.insert(entry, run);
            return self.insert(entry);
        };
        let Err(at) = run.binary_search(&entry) else {
            return;
        };
        if run.len() < RUN {
            if run.len() == run.capacity() {
                run.reserve_exact(STEP);
            }
            run.insert(at, entry);
            return;
        }
        // Where entries ascend, in one place or in many, the runs behind them stay full.
        let next = run.split_off(if at == RUN { RUN } else { at.clamp(RUN / 4, RUN / 4 * 3) });
        run.shrink_to_fit();
        self.runs.insert(next.first().copied().unwrap_or(entry), next);
        self.insert(entry);
    }

    pub(super) fn remove(&mut self, entry: T) {
        let Some((bound, run)) = self.runs.range_mut(..=entry).next_back() else {
            return;
        };
        if let Ok(at) = run.binary_search(&entry) {
            run.remove(at);
        }
        if 2 * STEP <= run.capacity() - run.len() {
            run.shrink_to(run.len() + STEP);
        }
        if run.is_empty() {
            let bound = *bound;
            self.runs.remove(&bound);
        }
    }

    /// All entries, the lowest first.
    pub(super) fn ascending(&self) -> impl Iterator<Item = T> {
        self.runs.values().flatten().copied()
    }

    /// The entries below `end`, descending.
    pub(super) fn below(&self, end: T) -> impl Iterator<Item = T> {
        self.runs.range(..end).rev().flat_map(move |(_, run)| {
            let below = run.partition_point(|entry| *entry < end);
            run[..below].iter().rev().copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_set(
            changes in prop::collection::vec((any::<bool>(), 0_u16..400), 0..2000),
            end in 0_u16..400,
        ) {
            let (mut ours, mut theirs) = (SortedSet::default(), BTreeSet::new());
            for (adds, entry) in changes {
                if adds {
                    ours.insert(entry);
                    theirs.insert(entry);
                } else {
                    ours.remove(entry);
                    theirs.remove(&entry);
                }
            }
            prop_assert!(ours.ascending().eq(theirs.iter().copied()));
            prop_assert!(ours.below(end).eq(theirs.range(..end).rev().copied()));
            prop_assert!(ours.runs.iter().all(|(bound, run)| *bound <= run[0]));
        }
    }

    #[test]
    fn ascending_entries_leave_no_room_unused() {
        let mut set = SortedSet::default();
        (0..6400).for_each(|entry| set.insert(entry));
        assert_eq!(set.runs.len(), 6400 / RUN);
    }

    #[test]
    fn entries_that_ascend_in_many_places_leave_little_room_unused() {
        let mut set = SortedSet::default();
        (0..64_000).for_each(|entry| set.insert((entry % 64, entry)));
        assert!(set.runs.len() < 64_000 / RUN * 5 / 4, "{}", set.runs.len());
    }
}
