//! Members that come, stay and go, and the rebalances that this makes.

use super::played::{Played, REBALANCE_MS, SESSION_MS, join_as, new_member, protocols};
use crate::kafka::group::join::Join;
use crate::kafka::group::state::{Phase, Refusal};
use bytes::Bytes;

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
