//! A live group with its parked requests, and how far it is written.

use super::join::Joined;
use super::parked::Waiter;
use super::state::{Group, Moment, Refusal, Ticket};
use super::sync::Synced;
use std::collections::HashMap;

/// How long a write that failed rests before it is tried again.
pub const RETRY_MS: u64 = 1000;

/// A live group.
pub struct Slot {
    pub group: Group,
    pub parked: HashMap<Ticket, Waiter>,
    pub writing: Writing,
    /// The newest write failed, and that has been reported.
    pub is_failing: bool,
    /// The deadline in the heap that counts; others of this group are stale.
    pub armed: Option<Moment>,
    /// What the group held when this was last looked at.
    pub held_bytes: usize,
}

/// Numbers the writes of all groups: a name's next slot must not take the answer to a write of
/// its last one for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteNumber(pub u64);

/// What is still to be written of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    Nothing,
    /// The newest write is on its way.
    Underway(WriteNumber),
    /// It failed, and is tried again then.
    Again(Moment),
}

impl Slot {
    pub fn new(group: Group) -> Slot {
        Slot {
            group,
            parked: HashMap::new(),
            writing: Writing::Nothing,
            is_failing: false,
            armed: None,
            held_bytes: 0,
        }
    }

    /// Whether nobody would miss the slot if only the stored record remained.
    pub fn is_idle(&self) -> bool {
        self.writing == Writing::Nothing && self.group.is_idle()
    }

    /// Whether the group itself has to be asked what the stored record may not tell.
    pub fn is_ahead_of_its_record(&self) -> bool {
        self.writing != Writing::Nothing || self.group.has_members()
    }

    /// The earliest moment at which [`Slot::tick`] has something to do.
    pub fn deadline(&self) -> Option<Moment> {
        let again = match self.writing {
            Writing::Again(at) => Some(at),
            Writing::Nothing | Writing::Underway(_) => None,
        };
        self.group.deadline().into_iter().chain(again).min()
    }

    /// Gives up whoever's time is over, and writes again what could not be written.
    pub fn tick(&mut self, now: Moment) {
        if matches!(self.writing, Writing::Again(at) if at <= now) {
            self.writing = Writing::Nothing;
            // Members that came meanwhile are watched, and what becomes of them is stored.
            if !self.group.has_members() {
                self.group.store();
            }
        }
        self.group.tick(now);
    }

    /// Write `number` is durable, or will never be. An older write than the newest says nothing:
    /// the newest contains it.
    pub fn stored(&mut self, number: WriteNumber, outcome: Result<(), Refusal>, now: Moment) {
        if self.writing != Writing::Underway(number) {
            return;
        }
        self.is_failing = outcome.is_err();
        self.writing = Writing::Nothing;
        self.group.stored(outcome, now);
        // The record of a group that became empty still shows members, whom only this slot
        // knows to be gone.
        if self.is_failing && !self.group.has_members() {
            self.writing = Writing::Again(now.after_ms(RETRY_MS));
        }
    }

    /// The asker may have gone away meanwhile, here and below.
    pub fn answer_join(&mut self, ticket: Ticket, answer: Result<Joined, Refusal>) {
        if let Some(Waiter::Join(waiter)) = self.parked.remove(&ticket) {
            let _ = waiter.send(answer);
        }
    }

    pub fn answer_sync(&mut self, ticket: Ticket, answer: Result<Synced, Refusal>) {
        if let Some(Waiter::Sync(waiter)) = self.parked.remove(&ticket) {
            let _ = waiter.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::group::state::{Effect, Limits};

    const LIMITS: Limits = Limits {
        members_max: 4,
        initial_delay_ms: 500,
    };

    #[test]
    fn a_write_that_failed_rests_before_it_is_tried_again() {
        let mut slot = Slot::new(Group::new(LIMITS));
        let failed = |slot: &mut Slot, at| {
            slot.writing = Writing::Underway(WriteNumber(7));
            slot.stored(WriteNumber(7), Err(Refusal::Unavailable), at);
        };
        failed(&mut slot, Moment(0));
        assert!(!slot.is_idle());
        assert_eq!(slot.deadline(), Some(Moment(RETRY_MS)));
        slot.tick(Moment(RETRY_MS - 1));
        assert_eq!(slot.group.take_effects(), []);

        slot.tick(Moment(RETRY_MS));
        assert_eq!(slot.group.take_effects(), [Effect::Store]);
        failed(&mut slot, Moment(RETRY_MS));
        assert_eq!(slot.deadline(), Some(Moment(2 * RETRY_MS)));
    }

    #[test]
    fn only_the_newest_write_speaks_for_the_group() {
        let mut slot = Slot::new(Group::new(LIMITS));
        slot.writing = Writing::Underway(WriteNumber(8));
        slot.stored(WriteNumber(7), Ok(()), Moment(0));
        assert!(!slot.is_idle());
        slot.stored(WriteNumber(8), Ok(()), Moment(0));
        assert!(slot.is_idle());
    }
}
