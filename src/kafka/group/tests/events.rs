//! Connections that die, commits, the stored form, and any sequence of events.

use super::played::{LIMITS, Played, SESSION_MS, join_as, new_member, protocols, static_member};
use super::statics::stable_static;
use crate::kafka::group::join::Join;
use crate::kafka::group::member::{Member, Wait};
use crate::kafka::group::state::{Group, Phase, Refusal, Ticket, Who};
use crate::store::Name;

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
        let parked = |m: &Member| m.waits_for == Wait::Nothing;
        assert!(group.members.values().all(parked), "{group:?}");
    }
}
