//! Fetch: what it accepts, refuses and does.

use braid_wire::{BatchOf, TestServer, fetch_of, produce_of};
use kafka_protocol::messages::{FetchRequest, HeartbeatRequest};
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

#[tokio::test]
async fn every_version_answers_with_the_batches_and_the_ends_of_the_log() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let id = client.topic("orders").await;
    client
        .produce("orders", &BatchOf::values(&["a", "b"]))
        .await;

    for version in 4..=18 {
        let mut request = fetch_of("orders", 0, 0);
        if version >= 13 {
            request.topics[0].topic_id = id;
            request.topics[0].topic = Default::default();
        }
        if version < 7 {
            request.session_epoch = -1;
        }
        let answer = client.call(&request, version).await;

        assert_eq!((answer.error_code, answer.session_id), (0, 0));
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        assert_eq!(partition.high_watermark, 2);
        assert_eq!(partition.last_stable_offset, 2);
        assert_eq!(partition.log_start_offset, if version < 5 { -1 } else { 0 });
        assert!(partition.aborted_transactions.is_none());
        assert_eq!(
            partition.records.as_ref().expect("records")[57..61],
            [0, 0, 0, 2]
        );
    }
}

#[tokio::test]
async fn a_fetch_at_the_end_waits_for_the_next_produce() {
    let server = TestServer::start().await;
    let mut consumer = server.kafka().await;
    let mut producer = server.kafka().await;
    producer.topic("orders").await;
    let request = fetch_of("orders", 0, 0).with_max_wait_ms(15_000);
    let late = BatchOf::values(&["late"]);

    let (fetched, placed) = tokio::join!(
        consumer.fetch_by(&request),
        producer.produce("orders", &late)
    );

    assert_eq!(placed.base_offset, 0);
    let records = fetched.expect("an answer").records.expect("records");
    assert_eq!(records[16..], late.bytes()[16..]);
}

#[tokio::test]
async fn a_fetch_waits_until_there_are_as_many_bytes_as_it_asked_for() {
    let server = TestServer::start().await;
    let mut consumer = server.kafka().await;
    let mut producer = server.kafka().await;
    producer.topic("orders").await;
    let batch = BatchOf::values(&["0123456789"]);
    let two = i32::try_from(batch.bytes().len() * 2).expect("a length");
    let request = fetch_of("orders", 0, 0)
        .with_max_wait_ms(15_000)
        .with_min_bytes(two);
    let produce_two = async {
        producer.produce("orders", &batch).await;
        producer.produce("orders", &batch).await;
    };

    let (fetched, ()) = tokio::join!(consumer.fetch_by(&request), produce_two);

    let records = fetched.expect("an answer").records.expect("records");
    assert_eq!(records.len(), batch.bytes().len() * 2);
}

#[tokio::test]
async fn a_fetch_that_waited_in_vain_is_answered_with_nothing() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let request = fetch_of("orders", 0, 0).with_max_wait_ms(50);

    let fetched = client.fetch_by(&request).await.expect("an answer");

    assert_eq!(fetched.error_code, 0);
    assert_eq!(fetched.records.expect("not null").len(), 0);
}

#[tokio::test]
async fn a_parked_fetch_is_answered_when_the_server_stops() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let mut observer = server.kafka().await;
    client.topic("orders").await;
    client.topic("behind").await;
    client
        .send(&fetch_of("orders", 0, 0).with_max_wait_ms(200_000), 12)
        .await;
    // Whoever sees what is produced behind the fetch knows that the fetch is parked.
    let batch = BatchOf::values(&["a"]).bytes();
    client.send(&produce_of("behind", 0, batch), 9).await;
    let behind = fetch_of("behind", 0, 0).with_max_wait_ms(15_000);
    observer.fetch_by(&behind).await.expect("an answer");

    server.stop().await;

    let answer = client.receive::<FetchRequest>(12).await.expect("an answer");
    assert_eq!(answer.responses[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn the_first_batch_comes_whatever_its_size_and_the_others_only_if_they_fit() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("one").await;
    client.topic("two").await;
    let large = "x".repeat(10_000);
    let batch = BatchOf::values(&[&large]);
    for topic in ["one", "one", "two"] {
        client.produce(topic, &batch).await;
    }
    let mut request = fetch_of("one", 0, 0).with_max_bytes(100);
    request.topics.extend(fetch_of("two", 0, 0).topics);

    let answer = client.call(&request, 12).await;

    let bytes = |topic: usize| {
        let records = &answer.responses[topic].partitions[0].records;
        records.as_ref().expect("not null").len()
    };
    assert_eq!(bytes(0), batch.bytes().len());
    assert_eq!(bytes(1), 0);
}

#[tokio::test]
async fn an_offset_inside_a_batch_gets_the_whole_batch() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    client
        .produce("orders", &BatchOf::values(&["a", "b", "c"]))
        .await;

    let fetched = client.fetch("orders", 2).await;

    assert_eq!(fetched.records.expect("records")[..8], 0_i64.to_be_bytes());
}

#[tokio::test]
async fn offsets_outside_the_log_are_out_of_range() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    client.produce("orders", &BatchOf::values(&["a"])).await;

    for offset in [-1, 2, i64::MAX, i64::MIN] {
        let fetched = client.fetch("orders", offset).await;
        assert_eq!(fetched.error_code, 1, "{offset}");
        assert_eq!(fetched.high_watermark, -1);
    }
    assert_eq!(client.fetch("orders", 1).await.error_code, 0);
}

#[tokio::test]
async fn an_unknown_partition_topic_epoch_or_id_is_told_at_once() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let waiting = |request: FetchRequest| request.with_max_wait_ms(15_000);
    let mut early = waiting(fetch_of("orders", 0, 0));
    early.topics[0].partitions[0].current_leader_epoch = 1;
    let mut by_id = waiting(fetch_of("", 0, 0));
    by_id.topics[0].topic_id = Uuid::from_u128(1);

    let partition = client.fetch_by(&waiting(fetch_of("orders", 9, 0))).await;
    let topic = client.fetch_by(&waiting(fetch_of("nobody", 0, 0))).await;
    let epoch = client.fetch_by(&early).await;
    let id = client.call(&by_id, 13).await;

    assert_eq!(partition.expect("an answer").error_code, 3);
    assert_eq!(topic.expect("an answer").error_code, 3);
    assert_eq!(epoch.expect("an answer").error_code, 75);
    assert_eq!(id.responses[0].partitions[0].error_code, 100);
}

#[tokio::test]
async fn who_reads_committed_gets_an_empty_list_of_aborted_transactions() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let request = fetch_of("orders", 0, 0).with_isolation_level(1);

    let fetched = client.fetch_by(&request).await.expect("an answer");

    assert_eq!(fetched.aborted_transactions.expect("a list").len(), 0);
}

#[tokio::test]
async fn zstd_is_not_sent_to_those_who_cannot_know_it() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    // Nobody looks inside a compressed batch, so its bytes need not be zstd.
    let zstd = BatchOf {
        attributes: 4,
        ..BatchOf::values(&["a"])
    };
    client.produce("orders", &zstd).await;
    let request = fetch_of("orders", 0, 0);

    let early = client.call(&request, 9).await;
    let later = client.call(&request, 10).await;

    assert_eq!(early.responses[0].partitions[0].error_code, 76);
    assert_eq!(later.responses[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn a_refused_partition_keeps_no_room_from_the_next() {
    let mut config = TestServer::config();
    config.kafka.decode_bytes_max = 16 << 20; // of which 4 MiB are for answers
    let server = TestServer::with(config).await;
    server.make_stream("orders", 2).await;
    let mut client = server.kafka().await;
    let zstd = BatchOf {
        attributes: 4,
        ..BatchOf::values(&[&"x".repeat(1_000_000)])
    };
    for partition in [0, 0, 0, 0, 1, 1, 1, 1] {
        let produced = produce_of("orders", partition, zstd.bytes());
        client.call(&produced, 9).await;
    }
    let mut request = fetch_of("orders", 0, 0).with_max_bytes(50 << 20);
    let first = request.topics[0].partitions[0].clone();
    let first = first.with_partition_max_bytes(50 << 20);
    request.topics[0].partitions = vec![first.clone(), first.with_partition(1)];

    let fetched = timeout(Duration::from_secs(20), client.call(&request, 9)).await;

    let fetched = fetched.expect("an answer");
    let partitions = fetched.responses[0].partitions.iter();
    assert!(partitions.map(|found| found.error_code).eq([76, 76]));
}

#[tokio::test]
async fn a_fetch_parked_in_front_does_not_keep_a_produce_behind_it_from_taking_effect() {
    let server = TestServer::start().await;
    let mut pipelining = server.kafka().await;
    pipelining.topic("orders").await;
    let request = fetch_of("orders", 0, 0).with_max_wait_ms(15_000);
    pipelining.send(&request, 12).await;

    // Its effect wakes the fetch in front of it, whose answer still comes first.
    let batch = BatchOf::values(&["a"]);
    pipelining
        .send(&produce_of("orders", 0, batch.bytes()), 9)
        .await;

    let fetched = pipelining
        .receive::<FetchRequest>(12)
        .await
        .expect("an answer");
    assert_eq!(fetched.responses[0].partitions[0].high_watermark, 1);
}

#[tokio::test]
async fn parked_fetches_keep_nobody_waiting_however_much_they_ask_for() {
    let mut config = TestServer::config();
    config.kafka.decode_bytes_max = 16 << 20; // of which 4 MiB are to park in
    let server = TestServer::with(config).await;
    let mut other = server.kafka().await;
    other.topic("orders").await;
    other.topic("behind").await;
    let mut large = fetch_of("orders", 0, 0).with_max_wait_ms(200_000);
    let partition = large.topics[0].partitions[0].clone();
    large.topics[0].partitions = vec![partition; 10_000]; // 1 MB while it is parked
    let mut greedy = Vec::new();
    for _ in 0..8 {
        let mut one = server.kafka().await;
        one.send(&large, 7).await;
        // What is produced behind it has its place once the fetch is parked.
        let batch = BatchOf::values(&["a"]).bytes();
        one.send(&produce_of("behind", 0, batch), 9).await;
        greedy.push(one);
    }
    let behind = fetch_of("behind", 0, 0);
    let all = i64::try_from(greedy.len()).expect("a count");
    let placed = async {
        while other.call(&behind, 7).await.responses[0].partitions[0].high_watermark < all {}
    };
    timeout(Duration::from_secs(30), placed)
        .await
        .expect("every produced record has its place");

    let heartbeat = other.call(&HeartbeatRequest::default(), 4).await;
    other.topic("more").await;
    let answer = other.call(&large, 7).await;

    assert_ne!(heartbeat.error_code, 0);
    let partition = &answer.responses[0].partitions[0];
    assert_eq!((partition.error_code, partition.high_watermark), (0, 0));
}
