//! JoinGroup: who may come in, who is new, who comes back.

use super::member::{Client, Member, Protocol, Wait, protocols_bytes};
use super::state::{Effect, Group, Moment, Phase, Refusal, Ticket};
use crate::store::Name;
use bytes::Bytes;

/// More protocols than this in one join are refused as inconsistent.
pub const PROTOCOLS_MAX: usize = 64;
/// What all members of one group may say of themselves together.
const METADATA_BYTES_MAX: usize = 16 << 20;

/// A request to join.
#[derive(Clone, Debug)]
pub struct Join {
    /// The member's id; empty if it has none yet.
    pub member: Name,
    pub instance: Option<Name>,
    /// The id to give it if it is new or a static member that comes back.
    pub fresh: Name,
    pub client: Client,
    pub session_ms: u64,
    pub rebalance_ms: u64,
    pub protocol_type: Name,
    pub protocols: Vec<Protocol>,
    /// A dynamic member has to be told its id before it joins (version 4 on, KIP-394).
    pub must_know_its_id: bool,
    /// A leader understands that it need not assign (version 9 on, KIP-814).
    pub can_skip_assignment: bool,
}

/// A member's place in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub member: Name,
    pub generation: i32,
    pub protocol_type: Option<Name>,
    pub protocol: Option<Name>,
    pub leader: Name,
    /// Everybody, for the leader; nobody, for the others.
    pub members: Vec<JoinedMember>,
    pub skip_assignment: bool,
}

/// What the leader is told of each member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub id: Name,
    pub instance: Option<Name>,
    pub metadata: Bytes,
}

impl Group {
    pub fn join(&mut self, ticket: Ticket, join: Join, now: Moment) {
        if let Err(refusal) = self.try_join(ticket, join, now) {
            self.effects.push(Effect::Joined(ticket, Err(refusal)));
        }
    }

    fn try_join(&mut self, ticket: Ticket, join: Join, now: Moment) -> Result<(), Refusal> {
        if !self.has_room_for(&join.member) || !self.can_hold(&join) {
            self.pending.remove(&join.member);
            return Err(Refusal::GroupFull);
        }
        if !self.fits(&join) {
            return Err(Refusal::InconsistentProtocol);
        }
        if join.member.is_empty() {
            return self.join_without_id(ticket, join, now);
        }
        if join.instance.is_none() && self.pending.contains_key(&join.member) {
            let id = join.member.clone();
            self.add(ticket, id, join, now);
            return Ok(());
        }
        self.check_member(&join.member, join.instance.as_deref())?;
        self.rejoin(ticket, join, now)
    }

    fn has_room_for(&self, id: &Name) -> bool {
        let max = self.limits.members_max;
        let known = self.members.get(id);
        let present = match self.phase {
            Phase::Empty => 0,
            Phase::Joining(_) if known.is_some_and(Member::awaits_join) => return true,
            Phase::Joining(_) => self.members.values().filter(|m| m.awaits_join()).count(),
            Phase::Syncing { .. } | Phase::Stable if known.is_some() => return true,
            Phase::Syncing { .. } | Phase::Stable => self.members.len(),
        };
        present < max && (self.pending.len() < max || self.pending.contains_key(id))
    }

    /// Whether what the members say of themselves stays within bounds.
    fn can_hold(&self, join: &Join) -> bool {
        let others = self.members.values().filter(|m| m.id != join.member);
        let held: usize = others.map(|m| protocols_bytes(&m.protocols)).sum();
        held + protocols_bytes(&join.protocols) <= METADATA_BYTES_MAX
    }

    /// Whether some protocol of the newcomer's is one that every member supports.
    fn fits(&self, join: &Join) -> bool {
        if join.protocols.is_empty() || join.protocols.len() > PROTOCOLS_MAX {
            return false;
        }
        if self.phase == Phase::Empty {
            return !join.protocol_type.is_empty();
        }
        self.protocol_type.as_ref() == Some(&join.protocol_type)
            && join.protocols.iter().any(|p| self.is_common(&p.name))
    }

    pub(super) fn is_common(&self, protocol: &str) -> bool {
        self.members
            .values()
            .all(|member| member.supports(protocol))
    }

    fn join_without_id(&mut self, ticket: Ticket, join: Join, now: Moment) -> Result<(), Refusal> {
        let fresh = join.fresh.clone();
        let Some(instance) = &join.instance else {
            if join.must_know_its_id {
                let lapses = now.after_ms(join.session_ms);
                self.pending.insert(fresh.clone(), lapses);
                return Err(Refusal::MemberIdRequired(fresh));
            }
            self.add(ticket, fresh, join, now);
            return Ok(());
        };
        match self.statics.get(instance).cloned() {
            Some(holder) => self.take_over(&holder, ticket, join, now),
            None => self.add(ticket, fresh, join, now),
        }
        Ok(())
    }

    fn add(&mut self, ticket: Ticket, id: Name, join: Join, now: Moment) {
        if let Phase::Joining(joining) = &mut self.phase
            && let Some(gathering) = &mut joining.gathering
        {
            gathering.member_arrived = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        if let Some(instance) = &join.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        self.pending.remove(&id);
        self.arrivals += 1;
        let member = Member {
            id: id.clone(),
            instance: join.instance,
            client: join.client,
            session_ms: join.session_ms,
            rebalance_ms: join.rebalance_ms,
            protocols: join.protocols,
            assignment: Bytes::new(),
            arrival: self.arrivals,
            seen: now,
            waits_for: Wait::Join(ticket),
            is_new: true,
            has_synced: false,
        };
        self.members.insert(id, member);
        self.rebalance(now);
    }

    /// A member that the group knows joins again.
    fn rejoin(&mut self, ticket: Ticket, join: Join, now: Moment) -> Result<(), Refusal> {
        let id = join.member.clone();
        let is_changed = self.members[&id].protocols != join.protocols;
        let is_leader = self.leader.as_ref() == Some(&id);
        let must_rebalance = match self.phase {
            Phase::Empty => return Err(Refusal::UnknownMember),
            Phase::Joining(_) => true,
            // Unchanged: the answer to its last join must have been lost.
            Phase::Syncing { .. } => is_changed,
            Phase::Stable => is_changed || is_leader,
        };
        if !must_rebalance {
            let joined = self.joined(&id);
            self.effects.push(Effect::Joined(ticket, Ok(joined)));
            self.members
                .entry(id)
                .and_modify(|member| member.seen = now);
            return Ok(());
        }
        // Two joins of one member: the earlier connection is dead or has given up.
        self.refuse_parked(&id, &Refusal::RebalanceInProgress);
        self.update(&id, join, now);
        self.members
            .entry(id)
            .and_modify(|member| member.waits_for = Wait::Join(ticket));
        self.rebalance(now);
        Ok(())
    }

    fn update(&mut self, id: &Name, join: Join, now: Moment) {
        if let Some(member) = self.members.get_mut(id) {
            member.client = join.client;
            member.session_ms = join.session_ms;
            member.rebalance_ms = join.rebalance_ms;
            member.protocols = join.protocols;
            member.seen = now;
        }
    }

    /// A static member comes back without its id and takes the place of its former self, which
    /// in a stable group costs no rebalance (KIP-345).
    fn take_over(&mut self, old: &Name, ticket: Ticket, join: Join, now: Moment) {
        let leader_before = self.leader.clone();
        let id = join.fresh.clone();
        let can_skip_assignment = join.can_skip_assignment;
        self.replace(old, &id);
        self.update(&id, join, now);
        if self.phase == Phase::Stable && self.elected_protocol() == self.protocol {
            let mut joined = self.joined(&id);
            joined.skip_assignment = can_skip_assignment && self.leader.as_ref() == Some(&id);
            if !can_skip_assignment {
                // The former leader's id: a client that finds its own there would assign.
                joined.leader = leader_before.unwrap_or_else(|| "".into());
                joined.members.clear();
            }
            self.returned.push((ticket, joined));
            self.store();
            return;
        }
        self.members
            .entry(id)
            .and_modify(|member| member.waits_for = Wait::Join(ticket));
        self.rebalance(now);
    }

    fn replace(&mut self, old: &Name, id: &Name) {
        self.refuse_parked(old, &Refusal::FencedInstance);
        let (fenced, kept) = std::mem::take(&mut self.returned)
            .into_iter()
            .partition(|(_, joined): &(Ticket, Joined)| joined.member == *old);
        self.returned = kept;
        for (ticket, _) in fenced {
            let effect = Effect::Joined(ticket, Err(Refusal::FencedInstance));
            self.effects.push(effect);
        }
        let Some(mut member) = self.members.remove(old) else {
            return;
        };
        member.id = id.clone();
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        if self.leader.as_ref() == Some(old) {
            self.leader = Some(id.clone());
        }
        self.members.insert(id.clone(), member);
    }

    /// A member's place in the current generation.
    pub(super) fn joined(&self, id: &Name) -> Joined {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let described = |member: &Member| JoinedMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        let is_leader = self.leader.as_ref() == Some(id);
        let told = self.members.values().filter(|_| is_leader);
        Joined {
            member: id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            members: told.map(described).collect(),
            skip_assignment: false,
        }
    }
}
