//! A group that a test plays with, event by event.

use crate::kafka::group::join::{Join, Joined};
use crate::kafka::group::leave::Leaver;
use crate::kafka::group::member::{Client, Protocol};
use crate::kafka::group::state::{Effect, Group, Limits, Moment, Phase, Refusal, Ticket, Who};
use crate::kafka::group::sync::{Sync, Synced};
use crate::store::Name;
use bytes::Bytes;
use std::collections::HashMap;

pub const LIMITS: Limits = Limits {
    members_max: 4,
    initial_delay_ms: 500,
};
pub const SESSION_MS: u64 = 10_000;
pub const REBALANCE_MS: u64 = 60_000;

pub fn join_as(member: &str) -> Join {
    Join {
        member: member.into(),
        instance: None,
        fresh: "fresh".into(),
        client: Client {
            id: "client".into(),
            host: "/127.0.0.1".into(),
        },
        session_ms: SESSION_MS,
        rebalance_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"], "a"),
        must_know_its_id: false,
        can_skip_assignment: false,
    }
}

pub fn new_member(fresh: &str) -> Join {
    Join {
        fresh: fresh.into(),
        ..join_as("")
    }
}

pub fn static_member(instance: &str, fresh: &str) -> Join {
    Join {
        instance: Some(instance.into()),
        ..new_member(fresh)
    }
}

pub fn protocols(names: &[&str], metadata: &str) -> Vec<Protocol> {
    let protocol = |name: &&str| Protocol {
        name: (*name).into(),
        metadata: Bytes::copy_from_slice(metadata.as_bytes()),
    };
    names.iter().map(protocol).collect()
}

/// A machine with a clock that the test turns, and the answers it has given so far.
pub struct Played {
    pub group: Group,
    pub now: Moment,
    pub tickets: u64,
    pub joined: HashMap<Ticket, Result<Joined, Refusal>>,
    pub synced: HashMap<Ticket, Result<Synced, Refusal>>,
    /// How often the group was to be stored.
    pub stores: usize,
}

impl Played {
    pub fn new() -> Played {
        Played {
            group: Group::new(LIMITS),
            now: Moment(1000),
            tickets: 0,
            joined: HashMap::new(),
            synced: HashMap::new(),
            stores: 0,
        }
    }

    /// A stable group of these dynamic members, the first one its leader.
    pub fn stable(members: &[&str]) -> Played {
        let mut played = Played::new();
        for member in members {
            played.join(new_member(member));
        }
        while !played.is_syncing() {
            played.wait_ms(500);
        }
        played.settle(members);
        played
    }

    pub fn settle(&mut self, members: &[&str]) {
        for member in members {
            self.sync(member);
        }
        self.store_ok();
        assert_eq!(self.group.phase, Phase::Stable);
    }

    pub fn is_syncing(&self) -> bool {
        matches!(self.group.phase, Phase::Syncing { .. })
    }

    pub fn collect(&mut self) {
        for effect in self.group.take_effects() {
            match effect {
                Effect::Joined(ticket, answer) => {
                    assert!(
                        self.joined.insert(ticket, answer).is_none(),
                        "answered twice"
                    );
                }
                Effect::Synced(ticket, answer) => {
                    assert!(
                        self.synced.insert(ticket, answer).is_none(),
                        "answered twice"
                    );
                }
                Effect::Store => self.stores += 1,
            }
        }
    }

    pub fn join(&mut self, join: Join) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.group.join(ticket, join, self.now);
        self.collect();
        ticket
    }

    /// Syncs with an assignment for everybody, of which only the leader's counts.
    pub fn sync(&mut self, member: &str) -> Ticket {
        let everybody = self.group.members.keys();
        let share = |id: &Name| (id.clone(), Bytes::from(format!("for {id}")));
        self.sync_as(Sync {
            member: member.into(),
            instance: None,
            generation: self.group.generation,
            protocol_type: None,
            protocol: None,
            assignments: everybody.map(share).collect(),
        })
    }

    pub fn sync_as(&mut self, sync: Sync) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.group.sync(ticket, sync, self.now);
        self.collect();
        ticket
    }

    pub fn store_ok(&mut self) {
        assert!(self.stores > 0, "something was to be stored");
        self.group.stored(Ok(()), self.now);
        self.collect();
    }

    pub fn wait_ms(&mut self, ms: u64) {
        self.now = self.now.after_ms(ms);
        self.group.tick(self.now);
        self.collect();
    }

    pub fn heartbeat(&mut self, member: &str) -> Result<(), Refusal> {
        let generation = self.group.generation;
        self.heartbeat_in(member, generation)
    }

    pub fn heartbeat_in(&mut self, member: &str, generation: i32) -> Result<(), Refusal> {
        let who = Who {
            member,
            instance: None,
            generation,
        };
        self.group.heartbeat(who, self.now)
    }

    pub fn leave(&mut self, member: &str, instance: Option<&str>) -> Result<(), Refusal> {
        let leaver = Leaver {
            member: member.into(),
            instance: instance.map(Name::from),
        };
        let left = self.group.leave(&leaver, self.now);
        self.collect();
        left
    }

    pub fn cancel(&mut self, ticket: Ticket) {
        self.group.cancel(ticket, self.now);
        self.collect();
    }

    pub fn place(&self, ticket: Ticket) -> &Joined {
        self.joined[&ticket].as_ref().expect("the join succeeded")
    }

    pub fn refused(&self, ticket: Ticket) -> &Refusal {
        match &self.joined[&ticket] {
            Ok(joined) => panic!("joined: {joined:?}"),
            Err(refusal) => refusal,
        }
    }

    pub fn share(&self, ticket: Ticket) -> &[u8] {
        &self.synced[&ticket]
            .as_ref()
            .expect("the sync succeeded")
            .assignment
    }
}
