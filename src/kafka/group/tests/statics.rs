//! Static members, who come back (KIP-345).

use super::played::{Played, join_as, protocols, static_member};
use crate::kafka::group::join::Join;
use crate::kafka::group::state::{Phase, Refusal, Who};

pub fn stable_static() -> Played {
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
