//! A group's state, and the questions that every request asks of it first.
//!
//! No clock and no I/O: whoever calls passes the time, and afterwards takes the effects (answers
//! to parked requests, writes) and the next deadline.

use super::join::Joined;
use super::member::{Member, Wait};
use super::sync::Synced;
use crate::store::Name;
use std::collections::{BTreeMap, HashMap};
use thiserror::Error;

/// Milliseconds on a clock that never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    pub fn after_ms(self, ms: u64) -> Moment {
        Moment(self.0.saturating_add(ms))
    }
}

/// Names a request that may be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// Why a group does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("the group's name may not be empty")]
    EmptyGroupName,
    #[error("the session timeout is outside the allowed range")]
    SessionTimeout,
    #[error("the member is unknown")]
    UnknownMember,
    #[error("another member has taken the instance's place")]
    FencedInstance,
    #[error("the generation is over")]
    IllegalGeneration,
    #[error("the group does not exist")]
    UnknownGroup,
    #[error("the protocols do not fit those of the other members")]
    InconsistentProtocol,
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    #[error("join again as {0}")]
    MemberIdRequired(Name),
    #[error("the group is full")]
    GroupFull,
    #[error("the group still has members")]
    NonEmptyGroup,
    /// A write failed, the server is stopping, or it has all the groups that it can hold.
    #[error("the group is not available now")]
    Unavailable,
}

/// Bounds that the machine enforces.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub members_max: usize,
    pub initial_delay_ms: u64,
}

/// Where a group is between two generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Empty,
    /// Members are being gathered ("PreparingRebalance").
    Joining(Joining),
    /// The leader works out the assignment ("CompletingRebalance").
    Syncing {
        /// The assignment is known and on its way to the disk.
        is_assigned: bool,
    },
    Stable,
}

impl Phase {
    /// What Kafka calls it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::Joining(_) => "PreparingRebalance",
            Phase::Syncing { .. } => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }
}

/// The wait for members to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joining {
    pub until: Moment,
    /// Set while an empty group gathers its first members.
    pub gathering: Option<Gathering>,
}

/// The first rebalance waits a little, and longer while members keep arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    pub member_arrived: bool,
    /// By how much the wait may still be extended.
    pub remaining_ms: u64,
}

/// What the coordinator has to do after an event, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Joined(Ticket, Result<Joined, Refusal>),
    Synced(Ticket, Result<Synced, Refusal>),
    /// Keep the group as it is now, then tell [`Group::stored`], unless it is to be kept once
    /// more meanwhile.
    Store,
}

/// One group.
#[derive(Debug)]
pub struct Group {
    pub(super) limits: Limits,
    pub(super) phase: Phase,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<Name>,
    pub(super) protocol: Option<Name>,
    pub(super) leader: Option<Name>,
    pub(super) members: BTreeMap<Name, Member>,
    /// Static members' ids by instance id.
    pub(super) statics: HashMap<Name, Name>,
    /// Ids given out that have not joined yet, and when they lapse (KIP-394).
    pub(super) pending: BTreeMap<Name, Moment>,
    /// When members that have not synced are given up.
    pub(super) sync_until: Option<Moment>,
    /// Static members that came back into a stable group and wait for that to be stored.
    pub(super) returned: Vec<(Ticket, Joined)>,
    pub(super) arrivals: u64,
    pub(super) effects: Vec<Effect>,
}

/// A group as DescribeGroups and ListGroups tell of it.
#[derive(Clone, Debug)]
pub struct Described {
    pub phase: Phase,
    pub protocol_type: Option<Name>,
    pub protocol: Option<Name>,
    pub members: Vec<Member>,
}

impl Group {
    pub fn new(limits: Limits) -> Group {
        Group {
            limits,
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: HashMap::new(),
            pending: BTreeMap::new(),
            sync_until: None,
            returned: Vec::new(),
            arrivals: 0,
            effects: Vec::new(),
        }
    }

    /// What is to be done after the events so far.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whether nobody would miss the group if only its stored record remained.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Empty && self.pending.is_empty() && self.returned.is_empty()
    }

    pub fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// Bytes that the members said of themselves and were given.
    pub fn held_bytes(&self) -> usize {
        self.members.values().map(Member::held_bytes).sum()
    }

    pub fn describe(&self) -> Described {
        Described {
            phase: self.phase,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            members: self.members.values().cloned().collect(),
        }
    }

    /// The earliest moment at which [`Group::tick`] has something to do. Signs of life only move
    /// it to a later one.
    pub fn deadline(&self) -> Option<Moment> {
        let joining = match self.phase {
            Phase::Joining(joining) => Some(joining.until),
            Phase::Empty | Phase::Syncing { .. } | Phase::Stable => None,
        };
        let members = self.members.values().filter_map(Member::deadline);
        let pending = self.pending.values().copied();
        members
            .chain(pending)
            .chain(joining)
            .chain(self.sync_until)
            .min()
    }

    /// Gives up whoever's time is over, and goes on without.
    pub fn tick(&mut self, now: Moment) {
        self.pending.retain(|_, until| *until > now);
        let is_over = |member: &&Member| member.deadline().is_some_and(|at| at <= now);
        let over: Vec<Name> = self
            .members
            .values()
            .filter(is_over)
            .map(|member| member.id.clone())
            .collect();
        for id in &over {
            self.remove(id);
        }
        if !over.is_empty() {
            self.rebalance(now);
        }
        self.complete_join_if_ready(now);
        self.join_time_over(now);
        self.sync_time_over(now);
    }

    /// A sign of life in a generation: checks who, then when, then the phase.
    pub fn heartbeat(&mut self, who: Who<'_>, now: Moment) -> Result<(), Refusal> {
        self.check_generation(who)?;
        self.seen(who.member, now);
        match self.phase {
            Phase::Empty => Err(Refusal::UnknownMember),
            Phase::Joining(_) => Err(Refusal::RebalanceInProgress),
            // Not an error: the member has joined and is about to sync (spec §5, trap 20).
            Phase::Syncing { .. } | Phase::Stable => Ok(()),
        }
    }

    /// Whether offsets may be committed by `who`; a sign of life if so.
    pub fn allow_commit(&mut self, who: Who<'_>, now: Moment) -> Result<(), Refusal> {
        let is_simple = who.generation < 0 && who.member.is_empty() && who.instance.is_none();
        if who.generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        if is_simple {
            return Err(Refusal::UnknownMember);
        }
        self.check_generation(who)?;
        self.seen(who.member, now);
        match self.phase {
            Phase::Syncing { .. } => Err(Refusal::RebalanceInProgress),
            Phase::Empty | Phase::Joining(_) | Phase::Stable => Ok(()),
        }
    }

    pub(super) fn check_generation(&self, who: Who<'_>) -> Result<(), Refusal> {
        self.check_member(who.member, who.instance)?;
        if who.generation != self.generation {
            return Err(Refusal::IllegalGeneration);
        }
        Ok(())
    }

    pub(super) fn check_member(&self, id: &str, instance: Option<&str>) -> Result<(), Refusal> {
        if let Some(instance) = instance {
            let holder = self.statics.get(instance);
            match holder {
                None => return Err(Refusal::UnknownMember),
                Some(holder) if &**holder != id => return Err(Refusal::FencedInstance),
                Some(_) => {}
            }
        }
        let is_member = self.members.contains_key(id);
        is_member.then_some(()).ok_or(Refusal::UnknownMember)
    }

    fn seen(&mut self, id: &str, now: Moment) {
        if let Some(member) = self.members.get_mut(id) {
            member.seen = now;
        }
    }

    /// Asks for the group to be kept as it is now.
    pub(super) fn store(&mut self) {
        self.effects.push(Effect::Store);
    }

    /// Answers a member's parked request, if it has one, and forgets it.
    pub(super) fn refuse_parked(&mut self, id: &Name, refusal: &Refusal) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        match std::mem::replace(&mut member.waits_for, Wait::Nothing) {
            Wait::Nothing => {}
            Wait::Join(ticket) => {
                let effect = Effect::Joined(ticket, Err(refusal.clone()));
                self.effects.push(effect);
            }
            Wait::Sync(ticket) => {
                let effect = Effect::Synced(ticket, Err(refusal.clone()));
                self.effects.push(effect);
            }
        }
    }
}

/// Who says it is a member, and in which generation.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    pub member: &'a str,
    pub instance: Option<&'a str>,
    pub generation: i32,
}
