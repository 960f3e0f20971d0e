//! Groups across a restart of the server: members, assignments, generations and commits stay.

use braid::Config;
use braid_wire::{Member, TestServer, group_id, text};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName,
};
use tempfile::TempDir;

/// A server that keeps its data in `directory`.
fn in_directory(directory: &TempDir) -> Config {
    let mut config = TestServer::config();
    config.store.memory = false;
    config.store.data_dir = directory.path().to_owned();
    config.kafka.group_initial_rebalance_delay_ms = 10;
    config.kafka.group_session_timeout_ms_min = 100;
    config
}

fn commit_of(member: &Member, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group_id(&member.group))
        .with_generation_id_or_member_epoch(member.generation)
        .with_member_id(text(&member.id))
        .with_topics(vec![topic])
}

async fn committed(member: &mut Member) -> i64 {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(&member.group))
        .with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let answer = member.client.call(&request, 8).await;
    answer.groups[0].topics[0].partitions[0].committed_offset
}

#[tokio::test]
async fn a_member_goes_on_as_if_nothing_had_happened() {
    let directory = TempDir::new().expect("a directory");
    let server = TestServer::with(in_directory(&directory)).await;
    server.make_stream("orders", 1).await;
    let mut member = Member::of(&server, "g").await;
    member.settle_alone().await;
    let commit = commit_of(&member, 42);
    let answer = member.client.call(&commit, 9).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    server.stop().await;

    let server = TestServer::with(in_directory(&directory)).await;
    member.client = server.kafka().await;

    assert_eq!(member.heartbeat().await, 0);
    assert_eq!(&member.sync(&[]).await.assignment[..], b"all");
    assert_eq!(committed(&mut member).await, 42);
    let answer = member.client.call(&commit_of(&member, 43), 9).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_static_member_comes_back_to_its_assignment() {
    let directory = TempDir::new().expect("a directory");
    let server = TestServer::with(in_directory(&directory)).await;
    let mut member = Member::with_instance(&server, "g", "one").await;
    member.settle_alone().await;
    server.stop().await;

    let server = TestServer::with(in_directory(&directory)).await;
    let mut back = Member::with_instance(&server, "g", "one").await;
    let joined = back.join().await;

    assert_eq!((joined.generation_id, joined.skip_assignment), (1, true));
    assert_eq!(&back.sync(&[]).await.assignment[..], b"all");
    server.stop().await;
}

#[tokio::test]
async fn a_member_that_does_not_come_back_leaves_when_its_session_ends() {
    let directory = TempDir::new().expect("a directory");
    let server = TestServer::with(in_directory(&directory)).await;
    let mut gone = Member::of(&server, "g").await;
    gone.session_ms = 200;
    gone.settle_alone().await;
    server.stop().await;

    let server = TestServer::with(in_directory(&directory)).await;
    let mut next = Member::of(&server, "g").await;
    let joined = next.join().await;

    assert_eq!(joined.members.len(), 1);
    assert!(
        joined.generation_id > gone.generation,
        "generations do not start again"
    );
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id("g")]);
    let described = next.client.call(&request, 6).await;
    assert_eq!(described.groups[0].members.len(), 1);
    server.stop().await;
}
