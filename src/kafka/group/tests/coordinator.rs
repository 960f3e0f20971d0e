//! The coordinator over the memory engine.

use super::played::{LIMITS, REBALANCE_MS, SESSION_MS, new_member};
use crate::clock::Clock;
use crate::kafka::group::coordinator::Groups;
use crate::kafka::group::join::Join;
use crate::kafka::group::leave::Leaver;
use crate::kafka::group::member::Protocol;
use crate::kafka::group::slot::RETRY_MS;
use crate::kafka::group::state::{Limits, Phase, Refusal, Who};
use crate::kafka::group::sync::Sync;
use crate::store::{Memory, Name, Store};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

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
