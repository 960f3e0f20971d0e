//! A request that waits for its group; dropped with its connection, it is taken back.

use super::coordinator::Groups;
use super::join::Joined;
use super::state::{Refusal, Ticket};
use super::sync::Synced;
use crate::store::Name;
use std::sync::Weak;
use tokio::sync::oneshot;

/// Where a parked request's answer goes.
pub enum Waiter {
    Join(oneshot::Sender<Result<Joined, Refusal>>),
    Sync(oneshot::Sender<Result<Synced, Refusal>>),
}

/// The asker's end.
pub struct Parked<T> {
    answer: oneshot::Receiver<Result<T, Refusal>>,
    groups: Weak<Groups>,
    group: Name,
    ticket: Ticket,
}

impl<T> Parked<T> {
    pub(super) fn new(
        answer: oneshot::Receiver<Result<T, Refusal>>,
        groups: Weak<Groups>,
        group: Name,
        ticket: Ticket,
    ) -> Parked<T> {
        Parked {
            answer,
            groups,
            group,
            ticket,
        }
    }

    /// The answer; a group that went away without one could not be kept.
    pub async fn answered(mut self) -> Result<T, Refusal> {
        (&mut self.answer)
            .await
            .unwrap_or(Err(Refusal::Unavailable))
    }

    /// The same, but when the server stops the asker is sent to look for the group again.
    pub async fn answered_unless(self, stopping: impl Future<Output = ()>) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            answer = self.answered() => answer,
            () = stopping => Err(Refusal::Unavailable),
        }
    }
}

impl<T> Drop for Parked<T> {
    fn drop(&mut self) {
        if let Some(groups) = self.groups.upgrade() {
            groups.cancel(&self.group, self.ticket);
        }
    }
}
