//! OffsetCommit, OffsetFetch, DescribeGroups, ListGroups, DeleteGroups: accepts, refuses, does.

use braid_wire::{Kafka, Member, TestServer, group_id, text};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest,
    ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName,
};

async fn server() -> TestServer {
    let mut config = TestServer::config();
    config.kafka.group_initial_rebalance_delay_ms = 10;
    TestServer::with(config).await
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

async fn create(client: &mut Kafka, topic: &str, partitions: i32) {
    let topic = CreatableTopic::default()
        .with_name(topic_name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    assert_eq!(client.call(&request, 7).await.topics[0].error_code, 0);
}

fn commit(group: &str, topic: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

async fn committed(client: &mut Kafka, request: &OffsetCommitRequest, version: i16) -> i16 {
    let answer = client.call(request, version).await;
    answer.topics[0].partitions[0].error_code
}

/// What version 9 answers for one partition: offset, metadata, error.
async fn fetched(
    client: &mut Kafka,
    group: &str,
    topic: &str,
    partition: i32,
) -> (i64, String, i16) {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![partition]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(group))
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let answer = client.call(&request, 9).await;
    assert_eq!(answer.groups[0].error_code, 0);
    let found = &answer.groups[0].topics[0].partitions[0];
    let metadata = found.metadata.as_deref().unwrap_or("null").to_owned();
    (found.committed_offset, metadata, found.error_code)
}

#[tokio::test]
async fn a_simple_commit_of_every_version_reads_back_in_every_version() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    for (version, offset) in (2..=9).zip(10..) {
        let request = commit("g", "orders", 0, offset);
        assert_eq!(
            committed(&mut client, &request, version).await,
            0,
            "version {version}"
        );
        assert_eq!(
            fetched(&mut client, "g", "orders", 0).await,
            (offset, "note".into(), 0)
        );
    }
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name("orders"))
            .with_partition_indexes(vec![0, 7]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group_id("g"))
            .with_topics(Some(vec![topic]));
        let answer = client.call(&request, version).await;
        let partitions = &answer.topics[0].partitions;
        assert_eq!(partitions[0].committed_offset, 17, "version {version}");
        assert_eq!(
            (partitions[1].committed_offset, partitions[1].error_code),
            (-1, 0)
        );
        if version >= 2 {
            let all = client.call(&request.with_topics(None), version).await;
            assert_eq!(all.topics[0].partitions[0].committed_offset, 17);
        }
    }
}

#[tokio::test]
async fn what_was_never_committed_is_minus_one_without_an_error_also_for_an_unknown_group() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    assert_eq!(
        fetched(&mut client, "nobody", "orders", 0).await,
        (-1, String::new(), 0)
    );
    assert_eq!(
        fetched(&mut client, "nobody", "nothing", 0).await,
        (-1, String::new(), 0)
    );
    let everything = OffsetFetchRequest::default().with_groups(vec![
        OffsetFetchRequestGroup::default()
            .with_group_id(group_id("nobody"))
            .with_topics(None),
    ]);
    let answer = client.call(&everything, 8).await;
    assert_eq!(
        (answer.groups[0].error_code, answer.groups[0].topics.len()),
        (0, 0)
    );
}

#[tokio::test]
async fn an_empty_list_of_topics_is_nothing_and_null_is_everything() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    client.call(&commit("g", "orders", 0, 5), 8).await;
    for (topics, count) in [(Some(Vec::new()), 0), (None, 1)] {
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id("g"))
            .with_topics(topics);
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        assert_eq!(client.call(&request, 9).await.groups[0].topics.len(), count);
    }
}

#[tokio::test]
async fn a_commit_is_refused_by_partition_for_unknown_partitions_and_long_metadata() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    assert_eq!(
        committed(&mut client, &commit("g", "nothing", 0, 1), 9).await,
        3
    );
    assert_eq!(
        committed(&mut client, &commit("g", "orders", 1, 1), 9).await,
        3
    );
    assert_eq!(
        committed(&mut client, &commit("g", "orders", -1, 1), 9).await,
        3
    );
    let mut long = commit("g", "orders", 0, 1);
    long.topics[0].partitions[0].committed_metadata = Some(text(&"m".repeat(4097)));
    assert_eq!(committed(&mut client, &long, 9).await, 12);
    long.topics[0].partitions[0].committed_metadata = Some(text(&"m".repeat(4096)));
    assert_eq!(committed(&mut client, &long, 9).await, 0);
    long.topics[0].partitions[0].committed_metadata = None;
    assert_eq!(committed(&mut client, &long, 9).await, 0);
    assert_eq!(
        fetched(&mut client, "g", "orders", 0).await,
        (1, String::new(), 0)
    );
}

#[tokio::test]
async fn members_commit_in_their_generation_and_nobody_else_while_there_are_members() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    let mut member = Member::of(&server, "g").await;
    assert_eq!(member.join().await.error_code, 0);
    let own = |member: &Member, generation| {
        commit("g", "orders", 0, 3)
            .with_member_id(text(&member.id))
            .with_generation_id_or_member_epoch(generation)
    };
    assert_eq!(
        committed(&mut client, &own(&member, 1), 9).await,
        27,
        "before the sync"
    );
    let id = member.id.clone();
    assert_eq!(member.sync(&[(&id, "all")]).await.error_code, 0);
    assert_eq!(committed(&mut client, &own(&member, 1), 9).await, 0);
    assert_eq!(committed(&mut client, &own(&member, 0), 9).await, 22);
    assert_eq!(
        committed(&mut client, &commit("g", "orders", 0, 9), 9).await,
        25
    );
    let ghost = own(&member, 1).with_member_id(text("ghost"));
    assert_eq!(committed(&mut client, &ghost, 9).await, 25);
    assert_eq!(member.leave().await, 0);
    assert_eq!(
        committed(&mut client, &commit("g", "orders", 0, 9), 9).await,
        0
    );
}

#[tokio::test]
async fn a_commit_in_a_generation_of_an_unknown_group_is_22_and_from_version_9_on_69() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    let request = commit("nobody", "orders", 0, 1)
        .with_generation_id_or_member_epoch(4)
        .with_member_id(text("m"));
    assert_eq!(committed(&mut client, &request, 8).await, 22);
    assert_eq!(committed(&mut client, &request, 9).await, 69);
}

#[tokio::test]
async fn commits_end_with_their_topic_and_do_not_come_back_with_a_namesake() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    assert_eq!(
        committed(&mut client, &commit("g", "orders", 0, 8), 9).await,
        0
    );
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("orders")]);
    assert_eq!(client.call(&delete, 5).await.responses[0].error_code, 0);
    create(&mut client, "orders", 1).await;
    assert_eq!(fetched(&mut client, "g", "orders", 0).await.0, -1);
}

#[tokio::test]
async fn every_version_describes_a_stable_an_empty_and_an_unknown_group() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    let mut member = Member::with_instance(&server, "stable", "one").await;
    member.settle_alone().await;
    assert_eq!(
        committed(&mut client, &commit("empty", "orders", 0, 1), 9).await,
        0
    );
    let groups = ["stable", "empty", "unknown"].map(group_id).to_vec();
    for version in 0..=6 {
        let request = DescribeGroupsRequest::default()
            .with_groups(groups.clone())
            .with_include_authorized_operations(version >= 3);
        let answer = client.call(&request, version).await;
        let [stable, empty, unknown] = &answer.groups[..] else {
            panic!("three groups");
        };
        assert_eq!(
            (&*stable.group_state, &*stable.protocol_data),
            ("Stable", "range")
        );
        assert_eq!(&*stable.protocol_type, "consumer");
        assert_eq!(stable.members[0].member_metadata, "topics");
        assert_eq!(stable.members[0].member_assignment, "all");
        assert_eq!(&*stable.members[0].client_id, "wire");
        assert_eq!(&*stable.members[0].client_host, "/127.0.0.1");
        assert_eq!(stable.members[0].group_instance_id.is_some(), version >= 4);
        assert_eq!((&*empty.group_state, empty.error_code), ("Empty", 0));
        assert_eq!(&*unknown.group_state, "Dead");
        assert_eq!(unknown.error_code, if version >= 6 { 69 } else { 0 });
        let operations = if version >= 3 { 3400 } else { i32::MIN };
        assert_eq!(stable.authorized_operations, operations);
    }
}

#[tokio::test]
async fn what_is_named_again_is_told_once() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    let made = committed(&mut client, &commit("g", "orders", 0, 1), 9).await;
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name("orders"))
        .with_partition_indexes(vec![0, 0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id("g"))
        .with_topics(Some(vec![topic.clone(), topic]));
    let offsets = OffsetFetchRequest::default().with_groups(vec![group.clone(), group]);
    let groups = DescribeGroupsRequest::default().with_groups(vec![group_id("g"), group_id("g")]);

    let offsets = client.call(&offsets, 9).await;
    let described = client.call(&groups, 5).await;

    assert_eq!(made, 0);
    assert_eq!(offsets.groups.len(), 1);
    let topics = offsets.groups[0].topics.iter();
    assert_eq!(topics.map(|topic| topic.partitions.len()).sum::<usize>(), 1);
    assert_eq!(described.groups.len(), 1);
}

#[tokio::test]
async fn groups_are_listed_and_filtered_by_state_and_type() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    Member::of(&server, "stable").await.settle_alone().await;
    assert_eq!(
        committed(&mut client, &commit("empty", "orders", 0, 1), 9).await,
        0
    );
    for version in 0..=5 {
        let answer = client.call(&ListGroupsRequest::default(), version).await;
        let names: Vec<&str> = answer
            .groups
            .iter()
            .map(|group| &**group.group_id)
            .collect();
        assert_eq!(names, ["empty", "stable"], "version {version}");
        let state = if version >= 4 { "Stable" } else { "" };
        assert_eq!(&*answer.groups[1].group_state, state);
        assert_eq!(
            &*answer.groups[1].group_type,
            if version >= 5 { "classic" } else { "" }
        );
    }
    for (states, types, count) in [
        (vec!["stABLE"], vec![], 1),
        (vec!["empty", "Stable"], vec!["Classic"], 2),
        (vec![], vec!["consumer"], 0),
        (vec!["Dead"], vec![], 0),
    ] {
        let request = ListGroupsRequest::default()
            .with_states_filter(states.into_iter().map(text).collect())
            .with_types_filter(types.into_iter().map(text).collect());
        assert_eq!(client.call(&request, 5).await.groups.len(), count);
    }
}

#[tokio::test]
async fn a_group_without_members_is_deleted_with_its_commits() {
    let server = server().await;
    let mut client = server.kafka().await;
    create(&mut client, "orders", 1).await;
    let mut member = Member::of(&server, "busy").await;
    member.settle_alone().await;
    for version in 0..=2 {
        assert_eq!(
            committed(&mut client, &commit("idle", "orders", 0, 1), 9).await,
            0
        );
        let groups = ["idle", "busy", "nobody"].map(group_id).to_vec();
        let request = DeleteGroupsRequest::default().with_groups_names(groups);
        let answer = client.call(&request, version).await;
        let codes: Vec<i16> = answer
            .results
            .iter()
            .map(|result| result.error_code)
            .collect();
        assert_eq!(codes, [0, 68, 69], "version {version}");
        assert_eq!(fetched(&mut client, "idle", "orders", 0).await.0, -1);
    }
    assert_eq!(member.heartbeat().await, 0);
}
