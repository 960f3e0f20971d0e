//! ListOffsets and OffsetForLeaderEpoch: what they accept, refuse and do.

use braid_wire::{BatchOf, Kafka, TestServer, topic_name};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{ListOffsetsRequest, OffsetForLeaderEpochRequest};

const T: i64 = 1_700_000_000_000;

fn asking(topic: &str, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic])
}

async fn ask(client: &mut Kafka, timestamp: i64, version: i16) -> ListOffsetsPartitionResponse {
    let mut answer = client.call(&asking("orders", timestamp), version).await;
    answer.topics.remove(0).partitions.remove(0)
}

/// Offsets 0–2 at T, T+20, T+10; 3–5, compressed, at T+30, T+50, T+50.
async fn filled() -> (TestServer, Kafka) {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    client
        .produce("orders", &BatchOf::at(&[T, T + 20, T + 10]))
        .await;
    client
        .produce("orders", &BatchOf::at(&[T + 30, T + 50, T + 50]).gzip())
        .await;
    (server, client)
}

#[tokio::test]
async fn every_version_tells_both_ends() {
    let (_server, mut client) = filled().await;

    for version in 1..=10 {
        let earliest = ask(&mut client, -2, version).await;
        let latest = ask(&mut client, -1, version).await;

        assert_eq!(
            (earliest.error_code, earliest.offset, earliest.timestamp),
            (0, 0, -1)
        );
        assert_eq!(
            (latest.error_code, latest.offset, latest.timestamp),
            (0, 6, -1)
        );
        assert_eq!(latest.leader_epoch, if version < 4 { -1 } else { 0 });
    }
}

#[tokio::test]
async fn a_timestamp_finds_the_first_record_at_or_after_it() {
    let (_server, mut client) = filled().await;
    let cases = [
        (0, 0, T),
        (T, 0, T),
        (T + 1, 1, T + 20),
        (T + 21, 3, T + 30),
        (T + 31, 4, T + 50),
        (T + 51, -1, -1),
    ];

    for (timestamp, offset, found_at) in cases {
        let found = ask(&mut client, timestamp, 7).await;
        assert_eq!(found.error_code, 0);
        assert_eq!(
            (found.offset, found.timestamp),
            (offset, found_at),
            "{timestamp}"
        );
    }
}

#[tokio::test]
async fn the_largest_timestamp_is_told_with_the_first_record_that_has_it() {
    let (_server, mut client) = filled().await;

    let found = ask(&mut client, -3, 7).await;

    assert_eq!((found.offset, found.timestamp), (4, T + 50));
}

#[tokio::test]
async fn an_empty_partition_has_no_largest_timestamp() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;

    let found = ask(&mut client, -3, 7).await;

    assert_eq!(
        (found.error_code, found.offset, found.timestamp),
        (0, -1, -1)
    );
}

#[tokio::test]
async fn tiers_there_are_none() {
    let (_server, mut client) = filled().await;

    assert_eq!(ask(&mut client, -4, 8).await.offset, 0);
    let tiered = ask(&mut client, -5, 9).await;

    assert_eq!(
        (tiered.error_code, tiered.offset, tiered.leader_epoch),
        (0, -1, -1)
    );
}

#[tokio::test]
async fn a_meaning_that_a_version_does_not_have_is_unsupported() {
    let (_server, mut client) = filled().await;

    for (timestamp, version) in [(-3, 6), (-4, 7), (-5, 8), (-6, 10), (i64::MIN, 10)] {
        assert_eq!(
            ask(&mut client, timestamp, version).await.error_code,
            35,
            "{timestamp}"
        );
    }
}

#[tokio::test]
async fn a_partition_named_twice_is_refused_as_is_an_unknown_one() {
    let (_server, mut client) = filled().await;
    let mut twice = asking("orders", -1);
    let again = twice.topics[0].partitions[0].clone();
    twice.topics[0].partitions.push(again);
    twice.topics.extend(asking("nobody", -1).topics);
    let mut early = asking("orders", -1);
    early.topics[0].partitions[0].current_leader_epoch = 3;

    let answer = client.call(&twice, 6).await;
    let fenced = client.call(&early, 6).await;

    let topics = answer.topics.iter();
    let codes: Vec<i16> = topics
        .flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|partition| partition.error_code)
        })
        .collect();
    assert_eq!(codes, [42, 42, 3]);
    assert_eq!(fenced.topics[0].partitions[0].error_code, 75);
}

#[tokio::test]
async fn the_one_leader_epoch_ends_where_the_log_does() {
    let (_server, mut client) = filled().await;
    let epoch = |epoch| {
        let partition = OffsetForLeaderPartition::default()
            .with_current_leader_epoch(-1)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_name("orders"))
            .with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic])
    };

    for version in 2..=4 {
        let current = client.call(&epoch(0), version).await;
        let unknown = client.call(&epoch(1), version).await;

        let end = &current.topics[0].partitions[0];
        assert_eq!(
            (end.error_code, end.leader_epoch, end.end_offset),
            (0, 0, 6)
        );
        let end = &unknown.topics[0].partitions[0];
        assert_eq!(
            (end.error_code, end.leader_epoch, end.end_offset),
            (0, -1, -1)
        );
    }
}
