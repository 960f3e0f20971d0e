//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup: what they accept, refuse and do.

use braid_wire::{Member, TestServer, group_id, text};
use kafka_protocol::messages::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use std::time::Duration;

/// Quick first rebalances, and session timeouts that a test can wait for.
async fn server() -> TestServer {
    let mut config = TestServer::config();
    config.kafka.group_initial_rebalance_delay_ms = 50;
    config.kafka.group_session_timeout_ms_min = 100;
    TestServer::with(config).await
}

/// Two members that joined in one generation; the first is the leader.
async fn pair(server: &TestServer) -> (Member, Member) {
    let mut leader = Member::of(server, "g").await;
    let mut follower = Member::of(server, "g").await;
    leader.settle_alone().await;
    // Told its id before the rebalance, so that the two joins below meet in one.
    assert_eq!(follower.join_once(9).await.error_code, 79);
    let (led, followed) = tokio::join!(leader.join(), follower.join());
    assert_eq!((led.error_code, followed.error_code), (0, 0));
    (leader, follower)
}

async fn share(leader: &mut Member, follower: &mut Member) {
    let shares = [
        (leader.id.clone(), "first"),
        (follower.id.clone(), "second"),
    ];
    let shares: Vec<(&str, &str)> = shares.iter().map(|(id, s)| (&**id, *s)).collect();
    let (first, second) = tokio::join!(leader.sync(&shares), follower.sync(&[]));
    assert_eq!(&first.assignment[..], b"first");
    assert_eq!(&second.assignment[..], b"second");
}

#[tokio::test]
async fn every_version_joins_syncs_beats_and_leaves() {
    let server = server().await;
    for version in 0..=9 {
        let mut member = Member::of(&server, &format!("g{version}")).await;
        let mut joined = member.join_once(version).await;
        if version >= 4 {
            assert_eq!(joined.error_code, 79, "version {version}");
            joined = member.join_once(version).await;
        }
        assert_eq!(
            (joined.error_code, joined.generation_id),
            (0, 1),
            "version {version}"
        );
        assert_eq!(joined.leader, joined.member_id);
        assert_eq!(joined.members[0].metadata, "topics");
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        assert_eq!(joined.protocol_type.is_some(), version >= 7);

        let sync = version.min(5);
        let request = member.sync_request(sync, &[(&member.id, "all")]);
        let synced = member.client.call(&request, sync).await;
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (0, &b"all"[..])
        );
        let request = member.heartbeat_request();
        let beat = member.client.call(&request, version.min(4)).await;
        assert_eq!(beat.error_code, 0);

        let leave = version.min(5);
        let request = LeaveGroupRequest::default().with_group_id(group_id(&member.group));
        let request = match leave {
            0..3 => request.with_member_id(text(&member.id)),
            _ => request.with_members(vec![
                MemberIdentity::default().with_member_id(text(&member.id)),
            ]),
        };
        let left = member.client.call(&request, leave).await;
        assert_eq!(left.error_code, 0);
        assert!(left.members.iter().all(|member| member.error_code == 0));
        assert_eq!(member.heartbeat().await, 25);
    }
}

#[tokio::test]
async fn every_version_encodes_a_refusal() {
    let server = server().await;
    for version in 0..=9 {
        let mut member = Member::of(&server, "nobody").await;
        member.id = "ghost".into();
        member.generation = 3;
        let joined = member.join_once(version).await;
        assert_eq!((joined.error_code, &*joined.member_id), (25, "ghost"));
        let request = member.sync_request(version.min(5), &[]);
        assert_eq!(
            member
                .client
                .call(&request, version.min(5))
                .await
                .error_code,
            25
        );
        let request = member.heartbeat_request();
        assert_eq!(
            member
                .client
                .call(&request, version.min(4))
                .await
                .error_code,
            25
        );
        let lone = MemberIdentity::default().with_member_id(text("ghost"));
        let request = LeaveGroupRequest::default().with_group_id(group_id("nobody"));
        let leave = version.min(5);
        if leave < 3 {
            let request = request.with_member_id(text("ghost"));
            assert_eq!(member.client.call(&request, leave).await.error_code, 25);
        } else {
            let left = member
                .client
                .call(&request.with_members(vec![lone]), leave)
                .await;
            assert_eq!((left.error_code, left.members[0].error_code), (0, 25));
        }
    }
}

#[tokio::test]
async fn a_join_is_refused_for_its_group_name_session_timeout_or_protocols() {
    let server = TestServer::start().await;
    let mut member = Member::of(&server, "").await;
    assert_eq!(member.join_once(9).await.error_code, 24);
    member.group = "g".into();
    for session_ms in [-1, 5_999, 1_800_001] {
        member.session_ms = session_ms;
        assert_eq!(member.join_once(9).await.error_code, 26, "{session_ms}");
    }
    member.session_ms = 6_000;
    let nothing = member.join_request().with_protocols(Vec::new());
    assert_eq!(member.client.call(&nothing, 9).await.error_code, 23);
}

#[tokio::test]
async fn two_members_share_the_work_and_a_third_makes_them_share_again() {
    let server = server().await;
    let (mut leader, mut follower) = pair(&server).await;
    share(&mut leader, &mut follower).await;
    assert_eq!(leader.heartbeat().await, 0);

    let mut third = Member::of(&server, "g").await;
    assert_eq!(third.join_once(9).await.error_code, 79);
    let (first, second, new) = tokio::join!(leader.join(), follower.join(), third.join());

    assert_eq!(first.members.len(), 3);
    assert_eq!(second.members.len(), 0);
    assert_eq!(new.generation_id, first.generation_id);
    assert_eq!(new.leader.as_str(), leader.id);
}

#[tokio::test]
async fn a_member_of_an_old_generation_is_told_so() {
    let server = server().await;
    let (mut leader, mut follower) = pair(&server).await;
    share(&mut leader, &mut follower).await;
    follower.generation -= 1;
    assert_eq!(follower.heartbeat().await, 22);
    assert_eq!(follower.sync(&[]).await.error_code, 22);
}

#[tokio::test]
async fn when_the_leader_leaves_another_member_leads() {
    let server = server().await;
    let (mut leader, mut follower) = pair(&server).await;
    share(&mut leader, &mut follower).await;

    assert_eq!(leader.leave().await, 0);
    assert_eq!(follower.heartbeat().await, 27);
    let joined = follower.join().await;

    assert_eq!(joined.leader.as_str(), follower.id);
    assert_eq!(joined.members.len(), 1);
}

#[tokio::test]
async fn a_silent_member_is_dropped_after_its_session_timeout() {
    let server = server().await;
    let mut member = Member::of(&server, "g").await;
    member.session_ms = 100;
    member.settle_alone().await;
    let mut watcher = Member::of(&server, "g").await;
    // Parked until the silent one is gone, since it never rejoins.
    let joined = watcher.join().await;
    assert_eq!(joined.members.len(), 1);
    assert_eq!(member.heartbeat().await, 25);
}

#[tokio::test]
async fn a_static_member_that_restarts_causes_no_rebalance() {
    let server = server().await;
    let mut leader = Member::with_instance(&server, "g", "one").await;
    leader.settle_alone().await;
    let former = leader.id.clone();

    let mut restarted = Member::with_instance(&server, "g", "one").await;
    let joined = restarted.join().await;

    assert_eq!(
        (joined.error_code, joined.generation_id),
        (0, leader.generation)
    );
    assert!(
        joined.skip_assignment,
        "a leader of version 9 keeps the assignment"
    );
    assert_eq!(joined.members.len(), 1);
    let synced = restarted.sync(&[]).await;
    assert_eq!(&synced.assignment[..], b"all");
    assert_eq!(leader.heartbeat().await, 82, "the former self is fenced");

    let mut old_client = Member::with_instance(&server, "g", "one").await;
    let joined = old_client.join_once(5).await;
    assert_eq!(
        joined.leader.as_str(),
        restarted.id,
        "so that it will not assign"
    );
    assert_ne!(joined.member_id.as_str(), former);
}

#[tokio::test]
async fn an_administrator_removes_static_members_by_their_instance() {
    let server = server().await;
    let mut member = Member::with_instance(&server, "g", "one").await;
    member.settle_alone().await;
    let named =
        |instance: &str| MemberIdentity::default().with_group_instance_id(Some(text(instance)));
    let request = LeaveGroupRequest::default()
        .with_group_id(group_id("g"))
        .with_members(vec![named("one"), named("two")]);

    let left = server.kafka().await.call(&request, 5).await;

    let codes: Vec<i16> = left
        .members
        .iter()
        .map(|member| member.error_code)
        .collect();
    assert_eq!(codes, [0, 25]);
    assert_eq!(left.members[0].group_instance_id.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_member_whose_connection_dies_while_it_joins_holds_nobody_up() {
    let server = server().await;
    let mut member = Member::of(&server, "g").await;
    member.settle_alone().await;
    let mut ghost = Member::of(&server, "g").await;
    assert_eq!(ghost.join_once(9).await.error_code, 79);
    let request = ghost.join_request();
    ghost.client.send(&request, 9).await;
    while member.heartbeat().await == 0 {
        tokio::task::yield_now().await;
    }
    drop(ghost);

    let joined = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let joined = member.join().await;
            if joined.members.len() == 1 {
                return joined;
            }
        }
    });
    assert_eq!(joined.await.expect("no ghost").error_code, 0);
}

#[tokio::test]
async fn sync_of_version_5_must_name_the_protocol_that_was_elected() {
    let server = server().await;
    let mut member = Member::of(&server, "g").await;
    member.join().await;
    let request = member.sync_request(5, &[]);
    let other = request.clone().with_protocol_name(Some(text("sticky")));
    assert_eq!(member.client.call(&other, 5).await.error_code, 23);
    let none = request.with_protocol_name(None);
    assert_eq!(member.client.call(&none, 5).await.error_code, 23);
}
