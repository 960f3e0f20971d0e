//! SyncGroup: the leader's assignment is stored, then everybody gets their share.

use super::member::Wait;
use super::state::{Effect, Group, Moment, Phase, Refusal, Ticket, Who};
use crate::store::Name;
use bytes::Bytes;
use std::collections::HashMap;

/// A request for one's assignment, the leader's with everybody's.
#[derive(Clone, Debug)]
pub struct Sync {
    pub member: Name,
    pub instance: Option<Name>,
    pub generation: i32,
    /// What the member believes was elected, if it says (version 5 on).
    pub protocol_type: Option<Name>,
    pub protocol: Option<Name>,
    pub assignments: HashMap<Name, Bytes>,
}

/// A member's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: Option<Name>,
    pub protocol: Option<Name>,
    pub assignment: Bytes,
}

impl Group {
    pub fn sync(&mut self, ticket: Ticket, sync: Sync, now: Moment) {
        if let Err(refusal) = self.try_sync(ticket, sync, now) {
            self.effects.push(Effect::Synced(ticket, Err(refusal)));
        }
    }

    fn try_sync(&mut self, ticket: Ticket, sync: Sync, now: Moment) -> Result<(), Refusal> {
        self.check_generation(Who {
            member: &sync.member,
            instance: sync.instance.as_deref(),
            generation: sync.generation,
        })?;
        let differs = |said: &Option<Name>, is: &Option<Name>| said.is_some() && said != is;
        if differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol, &self.protocol)
        {
            return Err(Refusal::InconsistentProtocol);
        }
        match self.phase {
            Phase::Empty => Err(Refusal::UnknownMember),
            Phase::Joining(_) => Err(Refusal::RebalanceInProgress),
            Phase::Syncing { is_assigned } => {
                self.park_sync(&sync.member, ticket, now);
                if !is_assigned && self.leader.as_ref() == Some(&sync.member) {
                    self.assign(sync.assignments);
                }
                Ok(())
            }
            Phase::Stable => {
                self.park_sync(&sync.member, ticket, now);
                self.answer_syncs(now);
                Ok(())
            }
        }
    }

    fn park_sync(&mut self, id: &Name, ticket: Ticket, now: Moment) {
        self.refuse_parked(id, &Refusal::RebalanceInProgress);
        if let Some(member) = self.members.get_mut(id) {
            member.waits_for = Wait::Sync(ticket);
            member.has_synced = true;
            member.seen = now;
        }
    }

    /// Members whom the leader forgot get nothing.
    fn assign(&mut self, mut assignments: HashMap<Name, Bytes>) {
        for member in self.members.values_mut() {
            member.assignment = assignments.remove(&member.id).unwrap_or_default();
        }
        self.phase = Phase::Syncing { is_assigned: true };
        self.store();
    }

    /// The newest write is durable, or will never be.
    pub fn stored(&mut self, outcome: Result<(), Refusal>, now: Moment) {
        for (ticket, joined) in std::mem::take(&mut self.returned) {
            let answer = outcome.clone().map(|()| joined);
            self.effects.push(Effect::Joined(ticket, answer));
        }
        if self.phase != (Phase::Syncing { is_assigned: true }) {
            return;
        }
        match outcome {
            Ok(()) => {
                self.phase = Phase::Stable;
                self.answer_syncs(now);
            }
            Err(refusal) => {
                self.refuse_syncs(&refusal);
                self.rebalance(now);
            }
        }
    }

    fn answer_syncs(&mut self, now: Moment) {
        for member in self.members.values_mut() {
            let Wait::Sync(ticket) = member.waits_for else {
                continue;
            };
            member.waits_for = Wait::Nothing;
            member.seen = now;
            let synced = Synced {
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                assignment: member.assignment.clone(),
            };
            self.effects.push(Effect::Synced(ticket, Ok(synced)));
        }
        if self.members.values().all(|member| member.has_synced) {
            self.sync_until = None;
        }
    }

    /// Gives up members that joined but did not sync in time.
    pub(super) fn sync_time_over(&mut self, now: Moment) {
        if self.sync_until.is_none_or(|until| until > now) {
            return;
        }
        self.sync_until = None;
        let late = self.members.values().filter(|member| !member.has_synced);
        let late: Vec<Name> = late.map(|member| member.id.clone()).collect();
        for id in &late {
            self.remove(id);
        }
        if !late.is_empty() {
            self.rebalance(now);
        }
    }
}
