//! Produce: what it accepts, refuses and does.

use braid_wire::{BatchOf, TestServer, init_producer_id, produce_of};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::protocol::StrBytes;

#[tokio::test]
async fn every_version_appends_and_tells_the_offset() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let id = client.topic("orders").await;

    for version in 3..=13 {
        let mut request = produce_of("orders", 0, BatchOf::values(&["a", "b"]).bytes());
        if version >= 13 {
            request.topic_data[0].topic_id = id;
            request.topic_data[0].name = Default::default();
        }
        let answer = client.call(&request, version).await;

        let topic = &answer.responses[0];
        let partition = &topic.partition_responses[0];
        assert_eq!(partition.error_code, 0);
        assert_eq!(partition.base_offset, i64::from(version - 3) * 2);
        assert_eq!(partition.log_append_time_ms, -1);
        assert_eq!(partition.log_start_offset, if version < 5 { -1 } else { 0 });
    }
}

#[tokio::test]
async fn what_was_produced_is_fetched_byte_for_byte_but_for_its_place() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let batch = BatchOf::values(&["a", "b", "c"]).gzip().bytes();
    client.produce_bytes("orders", batch.clone()).await;

    client.produce_bytes("orders", batch.clone()).await;
    let fetched = client.fetch("orders", 3).await.records.expect("records");

    assert_eq!(fetched[..8], 3_i64.to_be_bytes());
    assert_eq!(fetched[8..12], batch[8..12]);
    assert_eq!(fetched[12..16], 0_i32.to_be_bytes());
    assert_eq!(fetched[16..], batch[16..]);
}

#[tokio::test]
async fn a_batch_is_refused_for_its_form_in_kafkas_codes() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let good = BatchOf::values(&["a"]).bytes();
    let changed = |at: usize, to: u8| {
        let mut bytes = BytesMut::from(&good[..]);
        bytes[at] = to;
        bytes.freeze()
    };
    let twice = [&good[..], &good[..]].concat();
    let huge = "x".repeat(1_100_000);
    let zstd = BatchOf {
        attributes: 7,
        ..BatchOf::values(&["a"])
    };
    let cases: [(&str, Bytes, i16); 11] = [
        ("empty", Bytes::new(), 87),
        ("magic 1", changed(16, 1), 87),
        ("two batches", twice.into(), 87),
        ("base offset 1", changed(7, 1), 87),
        ("too large", BatchOf::values(&[&huge]).bytes(), 10),
        ("bad checksum", changed(17, !good[17]), 2),
        ("cut short", good.slice(..good.len() - 1), 2),
        ("no header", good.slice(..30), 2),
        ("unknown codec", zstd.bytes(), 87),
        (
            "control",
            BatchOf {
                attributes: 0x20,
                ..BatchOf::values(&["a"])
            }
            .bytes(),
            87,
        ),
        (
            "log append time",
            BatchOf {
                attributes: 8,
                ..BatchOf::values(&["a"])
            }
            .bytes(),
            32,
        ),
    ];

    for (case, bytes, code) in cases {
        let answer = client.produce_bytes("orders", bytes).await;
        assert_eq!(answer.error_code, code, "{case}");
        assert_eq!(answer.base_offset, -1, "{case}");
    }

    assert_eq!(client.fetch("orders", 0).await.high_watermark, 0);
}

#[tokio::test]
async fn zstd_is_refused_below_version_7() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let zstd = BatchOf {
        attributes: 4,
        ..BatchOf::values(&["a"])
    };

    let answer = client.call(&produce_of("orders", 0, zstd.bytes()), 6).await;

    assert_eq!(answer.responses[0].partition_responses[0].error_code, 76);
}

#[tokio::test]
async fn uncompressed_records_that_do_not_add_up_are_invalid() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    // The count says two, the records are one and some bytes of nothing.
    let mut bytes = BytesMut::from(&BatchOf::values(&["a", "b"]).bytes()[..]);
    let last = bytes.len() - 1;
    bytes[last] = 5;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());

    let answer = client.produce_bytes("orders", bytes.freeze()).await;

    assert_eq!(answer.error_code, 87);
}

#[tokio::test]
async fn a_record_from_the_future_is_refused_with_its_reason() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let future = 4_000_000_000_000;

    let answer = client.produce("orders", &BatchOf::at(&[future])).await;

    assert_eq!(answer.error_code, 32);
    assert!(
        answer
            .error_message
            .expect("a reason")
            .contains("4000000000000")
    );
}

#[tokio::test]
async fn an_unknown_topic_or_partition_fails_alone() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let batch = BatchOf::values(&["a"]).bytes();
    let mut request = produce_of("orders", 0, batch.clone());
    request
        .topic_data
        .extend(produce_of("orders", 7, batch.clone()).topic_data);
    request
        .topic_data
        .extend(produce_of("nobody", 0, batch).topic_data);

    let answer = client.call(&request, 9).await;

    let topics = answer.responses.iter();
    let codes: Vec<i16> = topics
        .map(|t| t.partition_responses[0].error_code)
        .collect();
    assert_eq!(codes, [0, 3, 3]);
}

#[tokio::test]
async fn acks_that_mean_nothing_are_refused() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let request = produce_of("orders", 0, BatchOf::values(&["a"]).bytes()).with_acks(2);

    let answer = client.call(&request, 9).await;

    assert_eq!(answer.responses[0].partition_responses[0].error_code, 21);
}

#[tokio::test]
async fn without_acknowledgement_nothing_is_answered() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let request = produce_of("orders", 0, BatchOf::values(&["quiet"]).bytes()).with_acks(0);

    client.send(&request, 9).await;
    // The next answer on the connection is the next request's.
    let fetched = client.produce("orders", &BatchOf::values(&["loud"])).await;

    assert_eq!(fetched.base_offset, 1);
}

#[tokio::test]
async fn without_acknowledgement_a_failure_closes_the_connection() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    let request = produce_of("nobody", 0, BatchOf::values(&["a"]).bytes()).with_acks(0);

    client.send(&request, 9).await;

    assert!(client.is_closed().await);
}

#[tokio::test]
async fn transactions_are_refused_and_nothing_is_stored() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let batch = BatchOf::values(&["a"]).from_producer(5, 0, 0);
    let marked = BatchOf {
        attributes: 0x10,
        ..batch.clone()
    };
    let named = produce_of("orders", 0, batch.bytes())
        .with_transactional_id(Some(StrBytes::from_static_str("tx").into()));
    let mut mixed = produce_of("orders", 0, batch.bytes());
    mixed
        .topic_data
        .extend(produce_of("orders", 0, marked.bytes()).topic_data);

    for request in [named, mixed] {
        let answer = client.call(&request, 9).await;
        let mut topics = answer.responses.iter();
        assert!(topics.all(|topic| topic.partition_responses[0].error_code == 53));
    }

    assert_eq!(client.fetch("orders", 0).await.high_watermark, 0);
}

#[tokio::test]
async fn a_batch_sent_twice_is_stored_once_and_answered_with_its_first_place() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let allotted = client.call(&init_producer_id(), 4).await;
    let id = allotted.producer_id.0;
    let batch = |sequence| BatchOf::values(&["a", "b"]).from_producer(id, 0, sequence);

    let first = client.produce("orders", &batch(0)).await;
    let second = client.produce("orders", &batch(2)).await;
    let again = client.produce("orders", &batch(0)).await;
    let gap = client.produce("orders", &batch(6)).await;
    let stale = client
        .produce("orders", &batch(0).from_producer(id, 1, 0))
        .await;
    let fenced = client.produce("orders", &batch(4)).await;

    assert_eq!((first.error_code, first.base_offset), (0, 0));
    assert_eq!((second.error_code, second.base_offset), (0, 2));
    assert_eq!((again.error_code, again.base_offset), (0, 0));
    assert_eq!(gap.error_code, 45);
    assert_eq!((stale.error_code, stale.base_offset), (0, 4));
    assert_eq!(fenced.error_code, 47);
}

#[tokio::test]
async fn many_requests_in_flight_are_answered_in_order() {
    let server = TestServer::start().await;
    let mut client = server.kafka().await;
    client.topic("orders").await;
    let request = produce_of("orders", 0, BatchOf::values(&["a"]).bytes());

    for _ in 0..500 {
        client.send(&request, 9).await;
    }
    for offset in 0..500 {
        let answer = client
            .receive::<ProduceRequest>(9)
            .await
            .expect("an answer");
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(partition.base_offset, offset);
    }
}

#[tokio::test]
async fn versions_that_are_listed_but_not_served_close_the_connection() {
    let server = TestServer::start().await;
    for version in 0..=2_u8 {
        let mut client = server.kafka().await;
        let mut frame = BytesMut::new();
        frame.put_i32(12);
        frame.put_slice(&[0, 0, 0, version, 0, 0, 0, 1, 0, 0, 0, 0]);

        client.send_raw(&frame).await;

        assert!(client.is_closed().await);
    }
}
