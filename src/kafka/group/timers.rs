//! Deadlines of all groups in one heap. A deadline that moved to a later time stays where it is:
//! the group is looked at too early once, which is cheaper than moving it at every heartbeat.

use super::state::Moment;
use crate::store::Name;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

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

    /// Takes out one deadline that has come.
    pub fn take_due(&mut self, now: Moment) -> Option<(Moment, Name)> {
        let is_due = self.next().is_some_and(|at| at <= now);
        is_due.then(|| self.heap.pop())?.map(|Reverse(due)| due)
    }

    pub fn next(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}
