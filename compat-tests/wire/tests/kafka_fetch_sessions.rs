//! Fetch sessions (KIP-227): what is kept between fetches, what is told, and what is refused.

use braid_wire::{BatchOf, Kafka, TestServer, fetch_of, produce_of, topic_name};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{DeleteTopicsRequest, FetchRequest, FetchResponse};

/// By topic, of which clients of this version state the name.
const VERSION: i16 = 12;

/// A fetch that names nothing and waits for nothing.
fn going_on(id: i32, epoch: i32) -> FetchRequest {
    fetch_of("", 0, 0)
        .with_topics(Vec::new())
        .with_session_id(id)
        .with_session_epoch(epoch)
}

/// A fetch of the first partitions of a topic, from their beginnings.
fn all_of(topic: &str, partitions: i32) -> FetchRequest {
    let mut request = fetch_of(topic, 0, 0);
    let first = request.topics[0].partitions[0].clone();
    let partitions = (0..partitions).map(|index| first.clone().with_partition(index));
    request.topics[0].partitions = partitions.collect();
    request
}

async fn open(client: &mut Kafka, request: FetchRequest) -> i32 {
    let answer = client.call(&request.with_session_epoch(0), VERSION).await;
    assert_eq!(answer.error_code, 0);
    assert_ne!(answer.session_id, 0);
    answer.session_id
}

fn partitions(answer: &FetchResponse) -> Vec<&PartitionData> {
    let topics = answer.responses.iter();
    topics.flat_map(|topic| &topic.partitions).collect()
}

fn told(answer: &FetchResponse) -> Vec<i32> {
    let partitions = partitions(answer).into_iter();
    partitions.map(|found| found.partition_index).collect()
}

#[tokio::test]
async fn only_partitions_with_news_are_answered_for() {
    let server = TestServer::start().await;
    server.make_stream("orders", 5).await;
    let mut client = server.kafka().await;
    let batch = BatchOf::values(&["a"]);

    let id = open(&mut client, all_of("orders", 5)).await;
    let quiet = client.call(&going_on(id, 1), VERSION).await;
    let produced = produce_of("orders", 3, batch.bytes());
    client.call(&produced, 9).await;
    let grown = client.call(&going_on(id, 2), VERSION).await;
    let again = client.call(&going_on(id, 3), VERSION).await;
    let behind = going_on(id, 4).with_topics(fetch_of("orders", 3, 1).topics);
    let consumed = client.call(&behind, VERSION).await;

    assert_eq!((quiet.session_id, quiet.responses.len()), (id, 0));
    assert_eq!(told(&grown), [3]);
    assert_eq!(partitions(&grown)[0].high_watermark, 1);
    // Who does not move on is sent the same again.
    assert_eq!(told(&again), [3]);
    let records = |answer| {
        let records = &partitions(answer)[0].records;
        records.as_ref().expect("records").len()
    };
    assert_eq!(records(&again), batch.bytes().len());
    assert_eq!((consumed.error_code, consumed.responses.len()), (0, 0));
}

#[tokio::test]
async fn a_fetch_in_a_session_waits_for_the_next_produce() {
    let server = TestServer::start().await;
    server.make_stream("orders", 5).await;
    let mut consumer = server.kafka().await;
    let mut producer = server.kafka().await;
    let id = open(&mut consumer, all_of("orders", 5)).await;
    let waiting = going_on(id, 1).with_max_wait_ms(15_000);
    let produced = produce_of("orders", 4, BatchOf::values(&["late"]).bytes());

    let (fetched, _) = tokio::join!(
        consumer.call(&waiting, VERSION),
        producer.call(&produced, 9)
    );

    assert_eq!(told(&fetched), [4]);
}

#[tokio::test]
async fn partitions_are_added_and_forgotten_by_the_way() {
    let server = TestServer::start().await;
    server.make_stream("orders", 3).await;
    server.make_stream("more", 1).await;
    let mut client = server.kafka().await;
    let id = open(&mut client, all_of("orders", 3)).await;
    for (topic, partition) in [("orders", 0), ("orders", 1), ("more", 0)] {
        let batch = BatchOf::values(&["a"]).bytes();
        client.call(&produce_of(topic, partition, batch), 9).await;
    }
    let forgotten = ForgottenTopic::default()
        .with_topic(topic_name("orders"))
        .with_partitions(vec![1, 9]);
    let change = going_on(id, 1)
        .with_topics(fetch_of("more", 0, 0).topics)
        .with_forgotten_topics_data(vec![forgotten]);

    let changed = client.call(&change, VERSION).await;

    let topics = changed.responses.iter();
    let mut topics: Vec<_> = topics.map(|topic| topic.topic.to_string()).collect();
    topics.sort();
    assert_eq!(topics, ["more", "orders"]);
    assert_eq!(told(&changed), [0, 0]);
}

#[tokio::test]
async fn a_session_of_nothing_ends() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let id = open(&mut client, fetch_of("orders", 0, 0)).await;
    let forgotten = ForgottenTopic::default()
        .with_topic(topic_name("orders"))
        .with_partitions(vec![0]);
    let last = going_on(id, 1).with_forgotten_topics_data(vec![forgotten]);

    let answer = client.call(&last, VERSION).await;
    let after = client.call(&going_on(id, 2), VERSION).await;

    assert_eq!((answer.error_code, answer.session_id), (0, 0));
    assert_eq!(after.error_code, 70);
}

#[tokio::test]
async fn a_wrong_epoch_an_unknown_session_and_a_change_of_naming_are_refused_as_a_whole() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let topic_id = client.topic("orders").await;
    let id = open(&mut client, fetch_of("orders", 0, 0)).await;
    let mut by_id = going_on(id, 1);
    by_id.topics = fetch_of("", 0, 0).topics;
    by_id.topics[0].topic_id = topic_id;

    let refused = [
        client.call(&going_on(id, 2), VERSION).await,
        client.call(&by_id, 13).await,
        client.call(&going_on(id ^ 1, 1), VERSION).await,
    ];
    let right = client.call(&going_on(id, 1), VERSION).await;

    assert_eq!(
        refused.each_ref().map(|answer| answer.error_code),
        [71, 106, 70]
    );
    for answer in refused {
        assert_eq!((answer.session_id, answer.responses.len()), (0, 0));
    }
    assert_eq!((right.error_code, right.session_id), (0, id));
}

#[tokio::test]
async fn a_full_fetch_closes_the_session_that_it_names() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let first = open(&mut client, fetch_of("orders", 0, 0)).await;
    let anew = fetch_of("orders", 0, 0).with_session_id(first);

    let second = open(&mut client, anew).await;
    let gone = client.call(&going_on(first, 1), VERSION).await;
    let last = fetch_of("orders", 0, 0).with_session_id(second);
    let last = client.call(&last, VERSION).await;
    let closed = client.call(&going_on(second, 1), VERSION).await;

    assert_ne!(first, second);
    assert_eq!([gone.error_code, closed.error_code], [70, 70]);
    assert_eq!((last.session_id, told(&last)), (0, vec![0]));
}

#[tokio::test]
async fn a_topic_that_is_deleted_and_made_anew_is_told_of_and_found_again() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let mut other = server.kafka().await;
    client.topic("orders").await;
    let id = open(&mut client, fetch_of("orders", 0, 0)).await;
    let waiting = going_on(id, 1).with_max_wait_ms(15_000);
    let delete = DeleteTopicsRequest::default()
        .with_topics(vec![
            DeleteTopicState::default().with_name(Some(topic_name("orders"))),
        ])
        .with_timeout_ms(15_000);

    let (gone, _) = tokio::join!(client.call(&waiting, VERSION), other.call(&delete, 6));
    let still = client.call(&going_on(id, 2), VERSION).await;
    other.topic("orders").await;
    let batch = BatchOf::values(&["new"]).bytes();
    other.call(&produce_of("orders", 0, batch), 9).await;
    let back = client.call(&going_on(id, 3), VERSION).await;

    for answer in [gone, still] {
        assert_eq!(partitions(&answer)[0].error_code, 3);
    }
    let found = partitions(&back);
    assert_eq!((found[0].error_code, found[0].high_watermark), (0, 1));
}

#[tokio::test]
async fn a_session_ends_with_the_connection_on_which_a_fetch_waits_in_it() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let mut other = server.kafka().await;
    client.topic("orders").await;
    client.topic("behind").await;
    let id = open(&mut client, fetch_of("orders", 0, 0)).await;
    let waiting = going_on(id, 1).with_max_wait_ms(200_000);
    client.send(&waiting, VERSION).await;
    // What is produced behind it has its place once the fetch is parked.
    let batch = BatchOf::values(&["a"]).bytes();
    client.send(&produce_of("behind", 0, batch), 9).await;
    let behind = fetch_of("behind", 0, 0).with_max_wait_ms(15_000);
    other.fetch_by(&behind).await.expect("an answer");
    let early = other.call(&going_on(id, 2), VERSION).await;

    drop(client);
    let error = loop {
        let answer = other.call(&going_on(id, 2), VERSION).await;
        if answer.error_code != 71 {
            break answer.error_code;
        }
    };

    assert_eq!(early.error_code, 71);
    assert_eq!(error, 70);
}

#[tokio::test]
async fn who_finds_no_room_for_a_session_fetches_without() {
    let mut config = TestServer::config();
    config.kafka.fetch_sessions_max = 1;
    let server = TestServer::with(config).await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let id = open(&mut client, fetch_of("orders", 0, 0)).await;

    let second = fetch_of("orders", 0, 0).with_session_epoch(0);
    let second = client.call(&second, VERSION).await;
    let first = client.call(&going_on(id, 1), VERSION).await;

    assert_eq!((second.error_code, second.session_id), (0, 0));
    assert_eq!(told(&second), [0]);
    assert_eq!((first.error_code, first.session_id), (0, id));
}

#[tokio::test]
async fn what_was_sent_something_comes_last_in_the_next_fetch() {
    let server = TestServer::start().await;
    server.make_stream("orders", 3).await;
    let mut client = server.kafka().await;
    let batch = BatchOf::values(&[&"x".repeat(1000)]).bytes();
    for partition in [0, 0, 1, 1, 2, 2] {
        client
            .call(&produce_of("orders", partition, batch.clone()), 9)
            .await;
    }
    // Room for one batch, which comes whatever its size.
    let opening = all_of("orders", 3).with_max_bytes(10);
    let sent = |answer: &FetchResponse| -> Vec<i32> {
        let partitions = partitions(answer).into_iter();
        let sent = partitions.filter(|found| found.records.as_ref().is_some_and(|r| !r.is_empty()));
        sent.map(|found| found.partition_index).collect()
    };

    let first = client.call(&opening.with_session_epoch(0), VERSION).await;
    let mut order = vec![sent(&first)];
    for epoch in 1..4 {
        let request = going_on(first.session_id, epoch).with_max_bytes(10);
        order.push(sent(&client.call(&request, VERSION).await));
    }

    assert_eq!(order, [[0], [1], [2], [0]]);
}
