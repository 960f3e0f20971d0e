//! Deadlines of all groups in one heap. A deadline that moved to a later time stays where it is:
//! the group is looked at too early once, which is cheaper than moving it at every heartbeat.

use super::state::Moment;
use crate::store::Name;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// So few deadlines are never tidied up.
const STALE_MIN: usize = 64;

#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Moment, Name)>>,
}

impl Timers {
    /// Adds a deadline, and tells whether it is now the earliest of all.
    pub fn add(&mut self, at: Moment, group: Name) -> bool {
        let is_earliest = self.next().is_none_or(|next| at < next);
        self.heap.push(Reverse((at, group)));
        is_earliest
    }

    /// Forgets deadlines that do not count any more, once most of them do not: groups that come
    /// and go leave theirs behind.
    pub fn tidy(&mut self, groups: usize, counts: impl Fn(Moment, &Name) -> bool) {
        if self.heap.len() > 2 * groups + STALE_MIN {
            self.heap.retain(|Reverse((at, name))| counts(*at, name));
        }
    }

    /// Takes out one deadline that has come.
    pub fn take_due(&mut self, now: Moment) -> Option<(Moment, Name)> {
        let is_due = self.next().is_some_and(|at| at <= now);
        is_due.then(|| self.heap.pop())?.map(|Reverse(due)| due)
    }

    pub fn next(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_that_were_left_behind_do_not_pile_up() {
        let mut timers = Timers::default();
        for at in 0..10_000 {
            timers.add(Moment(at), "g".into());
            timers.tidy(1, |counting, _| counting == Moment(at));
            assert!(timers.heap.len() <= 2 + STALE_MIN);
        }
        assert_eq!(
            timers
                .take_due(Moment(20_000))
                .map(|(at, _)| at > Moment(9_000)),
            Some(true)
        );
    }
}
