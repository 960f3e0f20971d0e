//! The state machine, event by event; then the coordinator over the memory engine.

use super::coordinator::Groups;
use super::join::{Join, Joined};
use super::leave::Leaver;
use super::member::{Client, Protocol};
use super::slot::{RETRY_MS, Slot, WriteNumber, Writing};
use super::state::{Effect, Group, Limits, Moment, Phase, Refusal, Ticket, Who};
use super::sync::{Sync, Synced};
use crate::clock::Clock;
use crate::store::{Memory, Name, Store};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const LIMITS: Limits = Limits {
    members_max: 4,
    initial_delay_ms: 500,
};
const SESSION_MS: u64 = 10_000;
const REBALANCE_MS: u64 = 60_000;

fn join_as(member: &str) -> Join {
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

fn new_member(fresh: &str) -> Join {
    Join {
        fresh: fresh.into(),
        ..join_as("")
    }
}

fn static_member(instance: &str, fresh: &str) -> Join {
    Join {
        instance: Some(instance.into()),
        ..new_member(fresh)
    }
}

fn protocols(names: &[&str], metadata: &str) -> Vec<Protocol> {
    let protocol = |name: &&str| Protocol {
        name: (*name).into(),
        metadata: Bytes::copy_from_slice(metadata.as_bytes()),
    };
    names.iter().map(protocol).collect()
}

/// A machine with a clock that the test turns, and the answers it has given so far.
struct Played {
    group: Group,
    now: Moment,
    tickets: u64,
    joined: HashMap<Ticket, Result<Joined, Refusal>>,
    synced: HashMap<Ticket, Result<Synced, Refusal>>,
    /// How often the group was to be stored.
    stores: usize,
}

impl Played {
    fn new() -> Played {
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
    fn stable(members: &[&str]) -> Played {
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

    fn settle(&mut self, members: &[&str]) {
        for member in members {
            self.sync(member);
        }
        self.store_ok();
        assert_eq!(self.group.phase, Phase::Stable);
    }

    fn is_syncing(&self) -> bool {
        matches!(self.group.phase, Phase::Syncing { .. })
    }

    fn collect(&mut self) {
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

    fn join(&mut self, join: Join) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.group.join(ticket, join, self.now);
        self.collect();
        ticket
    }

    /// Syncs with an assignment for everybody, of which only the leader's counts.
    fn sync(&mut self, member: &str) -> Ticket {
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

    fn sync_as(&mut self, sync: Sync) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.group.sync(ticket, sync, self.now);
        self.collect();
        ticket
    }

    fn store_ok(&mut self) {
        assert!(self.stores > 0, "something was to be stored");
        self.group.stored(Ok(()), self.now);
        self.collect();
    }

    fn wait_ms(&mut self, ms: u64) {
        self.now = self.now.after_ms(ms);
        self.group.tick(self.now);
        self.collect();
    }

    fn heartbeat(&mut self, member: &str) -> Result<(), Refusal> {
        let generation = self.group.generation;
        self.heartbeat_in(member, generation)
    }

    fn heartbeat_in(&mut self, member: &str, generation: i32) -> Result<(), Refusal> {
        let who = Who {
            member,
            instance: None,
            generation,
        };
        self.group.heartbeat(who, self.now)
    }

    fn leave(&mut self, member: &str, instance: Option<&str>) -> Result<(), Refusal> {
        let leaver = Leaver {
            member: member.into(),
            instance: instance.map(Name::from),
        };
        let left = self.group.leave(&leaver, self.now);
        self.collect();
        left
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.group.cancel(ticket, self.now);
        self.collect();
    }

    fn place(&self, ticket: Ticket) -> &Joined {
        self.joined[&ticket].as_ref().expect("the join succeeded")
    }

    fn refused(&self, ticket: Ticket) -> &Refusal {
        match &self.joined[&ticket] {
            Ok(joined) => panic!("joined: {joined:?}"),
            Err(refusal) => refusal,
        }
    }

    fn share(&self, ticket: Ticket) -> &[u8] {
        &self.synced[&ticket]
            .as_ref()
            .expect("the sync succeeded")
            .assignment
    }
}

#[test]
fn a_dynamic_member_of_a_new_client_learns_its_id_before_it_joins() {
    let mut played = Played::new();
    let first = played.join(Join {
        must_know_its_id: true,
        ..new_member("m")
    });
    assert_eq!(
        played.refused(first),
        &Refusal::MemberIdRequired("m".into())
    );
    let second = played.join(join_as("m"));
    played.wait_ms(500);
    assert_eq!(&*played.place(second).member, "m");
    assert_eq!(played.place(second).generation, 1);
}

#[test]
fn an_id_that_is_never_used_lapses_and_holds_nobody_up() {
    let mut played = Played::stable(&["m"]);
    played.join(Join {
        must_know_its_id: true,
        ..new_member("ghost")
    });
    let mut changed = join_as("m");
    changed.protocols = protocols(&["range"], "b");
    let again = played.join(changed);
    assert!(
        !played.joined.contains_key(&again),
        "the pending id is waited for"
    );
    played.wait_ms(SESSION_MS);
    assert_eq!(played.place(again).generation, 2);
}

#[test]
fn the_first_rebalance_waits_while_members_arrive() {
    let mut played = Played::new();
    let first = played.join(new_member("a"));
    played.wait_ms(400);
    let second = played.join(new_member("b"));
    played.wait_ms(100);
    assert!(played.joined.is_empty(), "a second member came: wait again");
    played.wait_ms(500);
    assert_eq!(played.place(first).members.len(), 2);
    assert_eq!(
        played.place(second).members.len(),
        0,
        "only the leader is told of the others"
    );
    assert_eq!(&*played.place(second).leader, "a");
}

#[test]
fn assignments_go_out_only_once_they_are_stored() {
    let mut played = Played::new();
    played.join(new_member("a"));
    played.join(new_member("b"));
    played.wait_ms(500);
    played.wait_ms(500);
    let follower = played.sync("b");
    let leader = played.sync("a");
    assert!(played.synced.is_empty());
    assert_eq!(
        played.heartbeat("b"),
        Ok(()),
        "not an error between join and sync"
    );
    played.store_ok();
    assert_eq!(played.share(leader), b"for a");
    assert_eq!(played.share(follower), b"for b");
    let late = played.sync("b");
    assert_eq!(played.share(late), b"for b");
}

#[test]
fn an_assignment_that_cannot_be_stored_is_refused_and_everybody_rejoins() {
    let mut played = Played::new();
    played.join(new_member("a"));
    played.wait_ms(500);
    let leader = played.sync("a");
    assert_eq!(played.stores, 1);
    played.group.stored(Err(Refusal::Unavailable), played.now);
    played.collect();
    assert_eq!(played.synced[&leader], Err(Refusal::Unavailable));
    assert_eq!(played.heartbeat("a"), Err(Refusal::RebalanceInProgress));
}

#[test]
fn a_member_that_joins_makes_the_others_join_again_and_the_leader_stays() {
    let mut played = Played::stable(&["a", "b"]);
    let c = played.join(new_member("c"));
    assert_eq!(played.heartbeat("a"), Err(Refusal::RebalanceInProgress));
    played.join(join_as("b"));
    assert!(!played.joined.contains_key(&c));
    let a = played.join(join_as("a"));
    assert_eq!(played.place(c).generation, 2);
    assert_eq!(&*played.place(c).leader, "a");
    assert_eq!(played.place(a).members.len(), 3);
    assert_eq!(played.heartbeat_in("a", 1), Err(Refusal::IllegalGeneration));
}

#[test]
fn a_leader_that_does_not_rejoin_is_dropped_and_replaced() {
    let mut played = Played::stable(&["a", "b"]);
    let c = played.join(new_member("c"));
    let b = played.join(join_as("b"));
    played
        .group
        .members
        .get_mut("a")
        .expect("a is there")
        .session_ms = u64::MAX;
    played.wait_ms(REBALANCE_MS);
    assert_eq!(&*played.place(c).leader, "b");
    assert_eq!(played.place(b).members.len(), 2);
    assert_eq!(played.heartbeat("a"), Err(Refusal::UnknownMember));
}

#[test]
fn an_unchanged_follower_gets_its_place_back_without_a_rebalance() {
    let mut played = Played::stable(&["a", "b"]);
    let again = played.join(join_as("b"));
    assert_eq!(played.place(again).generation, 1);
    assert_eq!(played.group.phase, Phase::Stable);
    played.join(join_as("a"));
    assert_eq!(
        played.heartbeat("b"),
        Err(Refusal::RebalanceInProgress),
        "the leader's does"
    );
}

#[test]
fn a_silent_member_is_dropped_when_its_session_ends() {
    let mut played = Played::stable(&["a", "b"]);
    played.wait_ms(SESSION_MS - 1);
    assert_eq!(played.heartbeat("a"), Ok(()));
    played.wait_ms(1);
    assert_eq!(played.heartbeat("b"), Err(Refusal::UnknownMember));
    assert_eq!(played.heartbeat("a"), Err(Refusal::RebalanceInProgress));
}

#[test]
fn the_last_member_to_leave_leaves_an_empty_group_that_is_stored() {
    let mut played = Played::stable(&["a"]);
    let before = played.stores;
    assert_eq!(played.leave("a", None), Ok(()));
    assert_eq!(played.group.phase, Phase::Empty);
    assert_eq!(played.stores, before + 1);
    assert!(played.group.is_idle());
    assert_eq!(played.leave("a", None), Err(Refusal::UnknownMember));
}

#[test]
fn members_that_do_not_sync_in_time_are_dropped() {
    let mut played = Played::new();
    let slow = |id| Join {
        session_ms: 10 * REBALANCE_MS,
        ..new_member(id)
    };
    played.join(slow("a"));
    played.join(slow("b"));
    played.wait_ms(500);
    played.wait_ms(500);
    let b = played.sync("b");
    played.wait_ms(REBALANCE_MS);
    assert_eq!(played.synced[&b], Err(Refusal::RebalanceInProgress));
    assert_eq!(played.heartbeat("a"), Err(Refusal::UnknownMember));
}

#[test]
fn the_protocol_is_one_that_all_support_and_most_prefer() {
    let mut played = Played::new();
    let with = |id: &str, names: &[&str]| Join {
        protocols: protocols(names, "x"),
        ..new_member(id)
    };
    let a = played.join(with("a", &["only-a", "range", "sticky"]));
    played.join(with("b", &["sticky", "range"]));
    played.join(with("c", &["sticky", "range"]));
    let odd = played.join(with("d", &["other"]));
    assert_eq!(played.refused(odd), &Refusal::InconsistentProtocol);
    played.wait_ms(500);
    played.wait_ms(500);
    assert_eq!(played.place(a).protocol.as_deref(), Some("sticky"));
}

#[test]
fn a_join_of_another_protocol_type_or_without_protocols_is_inconsistent() {
    let mut played = Played::stable(&["a"]);
    let connect = Join {
        protocol_type: "connect".into(),
        ..new_member("b")
    };
    let ticket = played.join(connect);
    assert_eq!(played.refused(ticket), &Refusal::InconsistentProtocol);
    let none = Join {
        protocols: Vec::new(),
        ..new_member("b")
    };
    let ticket = played.join(none);
    assert_eq!(played.refused(ticket), &Refusal::InconsistentProtocol);
}

#[test]
fn a_full_group_takes_no_more_but_lets_its_own_members_rejoin() {
    let mut played = Played::stable(&["a", "b", "c", "d"]);
    let fifth = played.join(new_member("e"));
    assert_eq!(played.refused(fifth), &Refusal::GroupFull);
    played.join(join_as("a"));
    assert_eq!(played.heartbeat("b"), Err(Refusal::RebalanceInProgress));
}

#[test]
fn a_pending_member_takes_the_last_place() {
    let mut played = Played::stable(&["a", "b", "c"]);
    let limited = |fresh| Join {
        must_know_its_id: true,
        ..new_member(fresh)
    };
    played.join(limited("d"));
    let fourth = played.join(join_as("d"));
    assert!(
        !played.joined.contains_key(&fourth),
        "parked until the others rejoin"
    );
}

#[test]
fn what_members_say_of_themselves_is_bounded() {
    let mut played = Played::stable(&["a"]);
    let mut large = new_member("b");
    large.protocols[0].metadata = Bytes::from(vec![0; 17 << 20]);
    let ticket = played.join(large);
    assert_eq!(played.refused(ticket), &Refusal::GroupFull);
}

fn stable_static() -> Played {
    let mut played = Played::new();
    played.join(static_member("one", "s1"));
    played.join(static_member("two", "s2"));
    played.wait_ms(500);
    played.wait_ms(500);
    played.settle(&["s1", "s2"]);
    played
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut played = stable_static();
    let back = played.join(static_member("two", "s3"));
    assert!(
        !played.joined.contains_key(&back),
        "first its new id is stored"
    );
    played.store_ok();
    assert_eq!(played.place(back).generation, 1);
    assert_eq!(&*played.place(back).leader, "s1");
    let share = played.sync("s3");
    assert_eq!(played.share(share), b"for s2");
    let old = Who {
        member: "s2",
        instance: Some("two"),
        generation: 1,
    };
    let heartbeat = played.group.heartbeat(old, played.now);
    assert_eq!(heartbeat, Err(Refusal::FencedInstance));
}

#[test]
fn a_static_leader_that_comes_back_does_not_assign() {
    let mut played = stable_static();
    let old_client = played.join(static_member("one", "s3"));
    played.store_ok();
    assert_eq!(
        &*played.place(old_client).leader,
        "s1",
        "its former id, so that it follows"
    );
    assert!(played.place(old_client).members.is_empty());
    let new_client = played.join(Join {
        can_skip_assignment: true,
        ..static_member("one", "s4")
    });
    played.store_ok();
    let place = played.place(new_client);
    assert_eq!((&*place.leader, place.skip_assignment), ("s4", true));
    assert_eq!(place.members.len(), 2);
}

#[test]
fn a_static_member_that_would_change_the_protocol_makes_a_rebalance() {
    let mut played = stable_static();
    // Not common to both any more: "range" is all that "s1" knows.
    played.group.members.get_mut("s1").expect("s1").protocols = protocols(&["range", "x"], "a");
    played.group.protocol = Some("x".into());
    played.join(static_member("two", "s3"));
    assert!(matches!(played.group.phase, Phase::Joining(_)));
}

#[test]
fn a_static_member_taken_over_while_it_waits_is_fenced() {
    let mut played = stable_static();
    let leader = played.join(Join {
        instance: Some("one".into()),
        protocols: protocols(&["range"], "changed"),
        ..join_as("s1")
    });
    let newer = played.join(static_member("one", "s5"));
    assert_eq!(played.refused(leader), &Refusal::FencedInstance);
    assert!(!played.joined.contains_key(&newer));
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance() {
    let mut played = stable_static();
    assert_eq!(played.leave("", Some("two")), Ok(()));
    assert_eq!(played.leave("", Some("two")), Err(Refusal::UnknownMember));
    assert_eq!(played.leave("x", Some("one")), Err(Refusal::FencedInstance));
    assert!(matches!(played.group.phase, Phase::Joining(_)));
}

#[test]
fn a_first_join_whose_connection_dies_leaves_no_ghost() {
    let mut played = Played::stable(&["a", "b"]);
    let ghost = played.join(new_member("ghost"));
    played.join(join_as("b"));
    played.cancel(ghost);
    let a = played.join(join_as("a"));
    assert_eq!(played.place(a).members.len(), 2);
    assert!(!played.joined.contains_key(&ghost));
}

#[test]
fn a_member_whose_connection_dies_in_a_rejoin_may_come_back() {
    let mut played = Played::stable(&["a", "b"]);
    let changed = || Join {
        protocols: protocols(&["range"], "b"),
        ..join_as("a")
    };
    let lost = played.join(changed());
    played.cancel(lost);
    let b = played.join(join_as("b"));
    assert!(!played.joined.contains_key(&b), "a still has its session");
    played.join(changed());
    assert_eq!(played.place(b).generation, 2);
}

#[test]
fn commits_are_for_members_of_the_generation_or_for_empty_groups() {
    let mut played = Played::stable(&["a"]);
    let simple = Who {
        member: "",
        instance: None,
        generation: -1,
    };
    let member = |generation| Who {
        member: "a",
        instance: None,
        generation,
    };
    let now = played.now;
    let group = &mut played.group;
    assert_eq!(group.allow_commit(simple, now), Err(Refusal::UnknownMember));
    assert_eq!(group.allow_commit(member(1), now), Ok(()));
    assert_eq!(
        group.allow_commit(member(0), now),
        Err(Refusal::IllegalGeneration)
    );
    played.join(new_member("b"));
    assert_eq!(
        played.group.allow_commit(member(1), now),
        Ok(()),
        "while it prepares"
    );
    played.join(join_as("a"));
    let syncing = played.group.allow_commit(member(2), now);
    assert_eq!(syncing, Err(Refusal::RebalanceInProgress));
    played.leave("a", None).expect("a leaves");
    played.leave("b", None).expect("b leaves");
    assert_eq!(played.group.allow_commit(simple, now), Ok(()));
}

#[test]
fn a_group_reads_back_as_it_was_stored() {
    let mut played = stable_static();
    let stored = played.group.encode();
    let mut back = Group::decode(&stored, LIMITS, played.now);
    assert_eq!(back.phase, Phase::Stable);
    assert_eq!(back.encode(), stored);
    let who = Who {
        member: "s2",
        instance: Some("two"),
        generation: 1,
    };
    assert_eq!(back.heartbeat(who, played.now), Ok(()));
    played.group = back;
    let share = played.sync("s1");
    assert_eq!(played.share(share), b"for s1");
    played.wait_ms(SESSION_MS);
    assert_eq!(played.group.phase, Phase::Empty);
}

/// Random events: whatever happens, every request is answered or cancelled once, deadlines
/// pass, and a group left alone comes to rest.
#[test]
fn any_sequence_of_events_comes_to_rest() {
    for seed in 0..300_u64 {
        let mut played = Played::new();
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        for step in 0..120 {
            let members: Vec<Name> = played.group.members.keys().cloned().collect();
            let pick = |n: u64| members.get(usize::try_from(n).unwrap() % members.len().max(1));
            match next(9) {
                0 => drop(played.join(new_member(&format!("m{step}")))),
                1 => drop(played.join(static_member(
                    &format!("i{}", step % 3),
                    &format!("s{step}"),
                ))),
                2 | 3 => {
                    if let Some(id) = pick(next(9)).cloned() {
                        let instance = played.group.members[&id].instance.clone();
                        let again = Join {
                            instance,
                            ..join_as(&id)
                        };
                        played.join(again);
                    }
                }
                4 | 5 => {
                    if let Some(id) = pick(next(9)).cloned() {
                        played.sync(&id);
                    }
                }
                6 => {
                    if let Some(id) = pick(next(9)).cloned() {
                        let _ = played.leave(&id, None);
                    }
                }
                7 => played.cancel(Ticket(next(played.tickets + 1))),
                _ => played.wait_ms(next(20_000)),
            }
            if next(2) == 0 && played.stores > 0 {
                played.store_ok();
            }
            check(&played.group);
        }
        for _ in 0..50 {
            if let Some(at) = played.group.deadline() {
                played.now = played.now.max(at);
                played.wait_ms(0);
            }
            if played.stores > 0 {
                played.store_ok();
            }
        }
        for _ in 0..20 {
            played.wait_ms(300_000);
        }
        assert!(played.group.is_idle(), "seed {seed}: {:?}", played.group);
    }
}

fn check(group: &Group) {
    let leader = group.leader.as_ref();
    assert_eq!(
        group.members.is_empty(),
        group.phase == Phase::Empty,
        "{group:?}"
    );
    assert!(group.members.is_empty() || leader.is_some_and(|id| group.members.contains_key(id)));
    assert!(
        group
            .statics
            .values()
            .all(|id| group.members.contains_key(id))
    );
    if group.phase == Phase::Stable {
        let parked = |m: &super::Member| m.waits_for == super::member::Wait::Nothing;
        assert!(group.members.values().all(parked), "{group:?}");
    }
}

fn groups(store: &Arc<Store>) -> Arc<Groups> {
    Groups::start(store.clone(), Clock::system(), LIMITS)
}

fn memory() -> Arc<Store> {
    let clock = Clock::system();
    Store::new(Arc::new(Memory::new(clock.clone(), 1 << 20)), clock)
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_answers_in_time_and_a_restarted_one_knows_the_members() {
    let store = memory();
    let first = groups(&store);
    let name = Name::from("g");
    let joined = first
        .join(&store.view(), &name, new_member("a"))
        .answered()
        .await
        .unwrap();
    assert_eq!(joined.generation, 1);
    let sync = Sync {
        member: "a".into(),
        instance: None,
        generation: 1,
        protocol_type: None,
        protocol: None,
        assignments: HashMap::from([("a".into(), Bytes::from_static(b"all"))]),
    };
    let synced = first.sync(&name, sync.clone()).answered().await.unwrap();
    assert_eq!(synced.assignment, "all");
    drop(first);

    let second = groups(&store);
    let who = Who {
        member: "a",
        instance: None,
        generation: 1,
    };
    assert_eq!(second.heartbeat("g", who), Ok(()));
    assert_eq!(
        second
            .sync(&name, sync)
            .answered()
            .await
            .unwrap()
            .assignment,
        "all"
    );
    tokio::time::sleep(Duration::from_millis(SESSION_MS + 1)).await;
    assert_eq!(second.heartbeat("g", who), Err(Refusal::UnknownMember));
    let stored = store.view().group("g").expect("an empty group is kept");
    assert!(stored.empty_since.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_join_is_taken_back() {
    let store = memory();
    let groups = groups(&store);
    let name = Name::from("g");
    let ghost = groups.join(&store.view(), &name, new_member("ghost"));
    let alive = groups.join(&store.view(), &name, new_member("alive"));
    drop(ghost);
    let joined = alive.answered().await.unwrap();
    assert_eq!(&*joined.leader, "alive");
    assert_eq!(joined.members.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_groups_come_and_go_with_one_timer_task() {
    let store = memory();
    let groups = groups(&store);
    let names: Vec<Name> = (0..5000).map(|n| Name::from(format!("g{n}"))).collect();
    let parked: Vec<_> = names
        .iter()
        .map(|g| groups.join(&store.view(), g, new_member("m")))
        .collect();
    for join in parked {
        join.answered().await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(REBALANCE_MS)).await;
    let listed = groups.list(&store.view());
    assert_eq!(listed.len(), 5000);
    assert!(listed.values().all(|group| group.phase == Phase::Empty));
}

#[tokio::test(start_paused = true)]
async fn all_groups_together_hold_so_much_and_no_more() {
    let store = memory();
    let groups = groups(&store);
    let large = Protocol {
        name: "range".into(),
        metadata: Bytes::from(vec![0; 15 << 20]),
    };
    let join = |group: &str| {
        let join = Join {
            protocols: vec![large.clone()],
            ..new_member("m")
        };
        groups.join(&store.view(), &group.into(), join).answered()
    };
    for group in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        join(group).await.expect("eight times 15 MiB are held");
    }

    assert_eq!(join("i").await, Err(Refusal::Unavailable));

    let leaver = Leaver {
        member: "m".into(),
        instance: None,
    };
    assert_eq!(groups.leave(&"a".into(), &[leaver]), [Ok(())]);
    join("i").await.expect("who leaves makes room");
}

const SIMPLE: Who<'static> = Who {
    member: "",
    instance: None,
    generation: -1,
};

/// A store that refuses to write while its engine is stopped, and groups that do not gather.
fn refusing() -> (Arc<Memory>, Arc<Store>, Arc<Groups>) {
    let clock = Clock::system();
    let memory = Arc::new(Memory::new(clock.clone(), 1 << 20));
    let store = Store::new(memory.clone(), clock.clone());
    let limits = Limits {
        initial_delay_ms: 0,
        ..LIMITS
    };
    let groups = Groups::start(store.clone(), clock, limits);
    (memory, store, groups)
}

fn alone(member: &str) -> Sync {
    Sync {
        member: member.into(),
        instance: None,
        generation: 1,
        protocol_type: None,
        protocol: None,
        assignments: HashMap::from([(member.into(), Bytes::from_static(b"all"))]),
    }
}

fn leaver(member: &str) -> Leaver {
    Leaver {
        member: member.into(),
        instance: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_became_empty_while_the_disk_was_full_is_stored_later() {
    let (memory, store, groups) = refusing();
    let name = Name::from("g");
    let joined = groups.join(&store.view(), &name, new_member("a"));
    joined.answered().await.unwrap();
    groups.sync(&name, alone("a")).answered().await.unwrap();
    let is_stored_empty = || {
        let stored = store.view().group("g").expect("the group is stored");
        stored.empty_since.is_some()
    };

    store.stop().await;
    assert_eq!(groups.leave(&name, &[leaver("a")]), [Ok(())]);
    tokio::time::sleep(Duration::from_millis(5 * RETRY_MS)).await;
    assert!(!is_stored_empty());
    let commit = groups.commit(&store.view(), &name, SIMPLE, || ());
    assert_eq!(commit, Ok(()), "nobody is a member any more");

    memory.resume();
    tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
    assert!(is_stored_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_group_does_not_take_an_answer_to_its_namesake_for_its_own() {
    let (memory, store, groups) = refusing();
    let (name, view) = (Name::from("g"), store.view());
    groups.commit(&view, &name, SIMPLE, || ()).unwrap();
    let joined = groups.join(&view, &name, new_member("a"));
    store.stop().await;
    assert_eq!(groups.leave(&name, &[leaver("a")]), [Ok(())]);
    memory.resume();
    drop(groups.delete(&view, &name).unwrap());
    drop(joined);

    // The failure of the write that made the old group empty has not been heard of yet.
    drop(groups.join(&view, &name, new_member("b")));
    let synced = groups.sync(&name, alone("b")).answered().await;
    assert_eq!(synced.expect("this one's was written").assignment, "all");
}

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
