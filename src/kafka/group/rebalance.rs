//! The rebalance: gather the members, elect leader and protocol, begin a generation.

use super::member::{Member, Wait};
use super::state::{Effect, Gathering, Group, Joining, Moment, Phase, Refusal};
use crate::store::Name;
use bytes::Bytes;

/// Shortest wait for static members that stay away, whatever rebalance timeout they named.
const WAIT_MS_MIN: u64 = 1000;

impl Group {
    /// Begins a rebalance, or goes on with the one that runs.
    pub(super) fn rebalance(&mut self, now: Moment) {
        match self.phase {
            Phase::Joining(_) => {}
            Phase::Empty => self.gather(now),
            Phase::Syncing { .. } | Phase::Stable => self.prepare(now),
        }
        self.complete_join_if_ready(now);
    }

    /// An empty group waits a little for more members than the first.
    fn gather(&mut self, now: Moment) {
        let delay_ms = self.limits.initial_delay_ms;
        let gathering = Gathering {
            member_arrived: false,
            remaining_ms: self.rebalance_ms().saturating_sub(delay_ms),
        };
        self.phase = Phase::Joining(Joining {
            until: now.after_ms(delay_ms),
            gathering: (delay_ms > 0).then_some(gathering),
        });
    }

    fn prepare(&mut self, now: Moment) {
        if let Phase::Syncing { .. } = self.phase {
            self.refuse_syncs(&Refusal::RebalanceInProgress);
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
            }
        }
        self.sync_until = None;
        self.phase = Phase::Joining(Joining {
            until: now.after_ms(self.rebalance_ms()),
            gathering: None,
        });
    }

    pub(super) fn refuse_syncs(&mut self, refusal: &Refusal) {
        let is_parked = |member: &&Member| matches!(member.waits_for, Wait::Sync(_));
        let parked: Vec<Name> = self
            .members
            .values()
            .filter(is_parked)
            .map(|member| member.id.clone())
            .collect();
        for id in &parked {
            self.refuse_parked(id, refusal);
        }
    }

    /// The longest time any member may take to join.
    fn rebalance_ms(&self) -> u64 {
        let each = self.members.values().map(|member| member.rebalance_ms);
        each.max().unwrap_or_default()
    }

    /// Ends the join phase early once everybody is there and no id is still out.
    pub(super) fn complete_join_if_ready(&mut self, now: Moment) {
        let Phase::Joining(joining) = self.phase else {
            return;
        };
        let is_complete = joining.gathering.is_none()
            && self.pending.is_empty()
            && self.members.values().all(Member::awaits_join);
        if is_complete || self.members.is_empty() {
            self.complete_join(now);
        }
    }

    /// Ends the join phase, or extends it, when its time is over.
    pub(super) fn join_time_over(&mut self, now: Moment) {
        let Phase::Joining(joining) = self.phase else {
            return;
        };
        if joining.until > now {
            return;
        }
        match joining.gathering {
            Some(gathering) if gathering.member_arrived && gathering.remaining_ms > 0 => {
                let delay_ms = self.limits.initial_delay_ms.min(gathering.remaining_ms);
                let gathering = Gathering {
                    member_arrived: false,
                    remaining_ms: gathering.remaining_ms - delay_ms,
                };
                self.phase = Phase::Joining(Joining {
                    until: now.after_ms(delay_ms),
                    gathering: Some(gathering),
                });
            }
            Some(_) | None => self.complete_join(now),
        }
    }

    /// Begins the next generation with the members that have joined, and with the static ones
    /// whose session still runs.
    fn complete_join(&mut self, now: Moment) {
        let is_absent = |member: &&Member| !member.awaits_join() && member.instance.is_none();
        let absent: Vec<Name> = self
            .members
            .values()
            .filter(is_absent)
            .map(|member| member.id.clone())
            .collect();
        for id in &absent {
            self.remove(id);
        }
        if self.members.is_empty() {
            return self.become_empty();
        }
        if !self.elect_leader() {
            // Only absent static members: wait on until they come back or their sessions end.
            self.phase = Phase::Joining(Joining {
                until: now.after_ms(self.rebalance_ms().max(WAIT_MS_MIN)),
                gathering: None,
            });
            return;
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = self.elected_protocol();
        self.phase = Phase::Syncing { is_assigned: false };
        self.sync_until = Some(now.after_ms(self.rebalance_ms()));
        self.answer_joins(now);
    }

    fn become_empty(&mut self) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = None;
        self.leader = None;
        self.sync_until = None;
        self.phase = Phase::Empty;
        self.store();
    }

    /// The leader stays if it has joined again; else the first member that has takes over.
    fn elect_leader(&mut self) -> bool {
        let current = self.leader.as_ref().and_then(|id| self.members.get(id));
        if current.is_some_and(Member::awaits_join) {
            return true;
        }
        let joined = self.members.values().filter(|member| member.awaits_join());
        let Some(first) = joined.min_by_key(|member| member.arrival) else {
            return false;
        };
        self.leader = Some(first.id.clone());
        true
    }

    /// Of the protocols that all support, the one most members prefer; among equals the one
    /// that the longest-standing member names first.
    pub(super) fn elected_protocol(&self) -> Option<Name> {
        let eldest = self.members.values().min_by_key(|member| member.arrival)?;
        let names = eldest.protocols.iter().map(|protocol| &protocol.name);
        let common: Vec<&Name> = names.filter(|name| self.is_common(name)).collect();
        let vote = |member: &Member| {
            let mut preferred = member.protocols.iter().map(|protocol| &protocol.name);
            preferred.find(|name| common.contains(name)).cloned()
        };
        let votes: Vec<Option<Name>> = self.members.values().map(vote).collect();
        let count = |name: &Name| votes.iter().flatten().filter(|vote| *vote == name).count();
        // The first of several maxima: max_by_key would take the last.
        let best = common.iter().rev().max_by_key(|name| count(name))?;
        Some((*best).clone())
    }

    fn answer_joins(&mut self, now: Moment) {
        let ids: Vec<Name> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.has_synced = false;
            member.assignment = Bytes::new();
            let Wait::Join(ticket) = member.waits_for else {
                continue;
            };
            member.waits_for = Wait::Nothing;
            member.is_new = false;
            member.seen = now;
            self.effects.push(Effect::Joined(ticket, Ok(joined)));
        }
    }

    /// Takes a member out; its parked request learns that it is unknown now.
    pub(super) fn remove(&mut self, id: &Name) {
        self.refuse_parked(id, &Refusal::UnknownMember);
        let Some(member) = self.members.remove(id) else {
            return;
        };
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        if self.leader.as_ref() == Some(id) {
            let next = self.members.values().min_by_key(|member| member.arrival);
            self.leader = next.map(|member| member.id.clone());
        }
    }
}
