//! What Kinesis wrote, as Kafka consumers see it: the second table of design §4, row by row.

mod crossing;

use braid_wire::TestServer;
use crossing::{PRODUCED_MS, batch_of, fetch_all, offset_of, produce, record, sealed};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record, TimestampType};
use serde_json::json;

/// Makes a stream, puts one record with these members, and fetches it.
async fn crossed(input: serde_json::Value) -> Record {
    let server = TestServer::with_stream("orders", 1).await;
    server.kinesis().await.call("PutRecord", input).await;
    let mut fetched = fetch_all(&mut server.kafka().await, "orders").await;
    assert_eq!(fetched.len(), 1);
    fetched.remove(0)
}

#[tokio::test]
async fn the_partition_key_is_the_key() {
    for key in ["k", "ключ", &"🙂".repeat(256)] {
        let input = json!({"StreamName": "orders", "PartitionKey": key, "Data": ""});
        assert_eq!(crossed(input).await.key.as_deref(), Some(key.as_bytes()));
    }
}

#[tokio::test]
async fn the_data_is_the_value_and_no_data_is_an_empty_value() {
    let input = json!({"StreamName": "orders", "PartitionKey": "k", "Data": "/wA="});
    assert_eq!(crossed(input).await.value.as_deref(), Some(&b"\xff\0"[..]));
    let input = json!({"StreamName": "orders", "PartitionKey": "k", "Data": ""});
    assert_eq!(crossed(input).await.value.as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn an_explicit_hash_key_is_a_header_only_when_it_was_given() {
    let mut input = json!({"StreamName": "orders", "PartitionKey": "k", "Data": ""});
    assert!(crossed(input.clone()).await.headers.is_empty());
    input["ExplicitHashKey"] = "170141183460469231731687303715884105728".into();
    let headers = crossed(input).await.headers;
    let name = StrBytes::from_static_str("kinesis.explicit-hash-key");
    let value = headers.get(&name).and_then(|value| value.as_deref());
    assert_eq!(value, Some(&b"170141183460469231731687303715884105728"[..]));
    assert_eq!(headers.len(), 1);
}

#[tokio::test]
async fn the_arrival_is_the_timestamp_of_the_record_as_create_time() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    for _ in 0..3 {
        kinesis.put("orders", "k", b"").await;
    }
    let got = kinesis.read("orders", 0).await;
    let fetched = fetch_all(&mut server.kafka().await, "orders").await;
    for (got, fetched) in got.iter().zip(&fetched) {
        assert_eq!(fetched.timestamp, got.arrival_ms);
        assert_eq!(fetched.timestamp_type, TimestampType::Creation);
    }
    assert_eq!(fetched.len(), 3);
}

#[tokio::test]
async fn sequence_numbers_and_offsets_agree_record_by_record() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let mut numbers = Vec::new();
    for round in 0..10 {
        numbers.push(
            kinesis
                .put("orders", "k", format!("{round}").as_bytes())
                .await
                .1,
        );
        let entry = json!({"PartitionKey": "k", "Data": ""});
        let input = json!({"StreamName": "orders", "Records": vec![entry; 3]});
        let answer = kinesis.call("PutRecords", input).await;
        let results = answer["Records"].as_array().expect("a list");
        let number = |result: &serde_json::Value| result["SequenceNumber"].as_str().map(Into::into);
        numbers.extend(results.iter().filter_map(number));
    }
    let fetched = fetch_all(&mut server.kafka().await, "orders").await;
    let offsets: Vec<i64> = fetched.iter().map(|record| record.offset).collect();
    assert!(
        offsets.iter().copied().eq(0..40),
        "offsets are dense: {offsets:?}"
    );
    let encoded: Vec<i64> = numbers.iter().map(|number| offset_of(number)).collect();
    assert_eq!(encoded, offsets);
}

#[tokio::test]
async fn both_protocols_write_one_log_and_read_it_in_one_order() {
    let server = TestServer::with_stream("orders", 1).await;
    let (mut kafka, mut kinesis) = (server.kafka().await, server.kinesis().await);
    for i in 0..20 {
        let value = format!("kafka {i}");
        let produced = record(Some(b"k"), Some(value.as_bytes()));
        let offset = produce(
            &mut kafka,
            "orders",
            batch_of(&[produced], Compression::Gzip),
        )
        .await;
        assert_eq!(offset, 2 * i);
        let (_, number) = kinesis
            .put("orders", "k", format!("kinesis {i}").as_bytes())
            .await;
        assert_eq!(offset_of(&number), 2 * i + 1);
    }
    let fetched = fetch_all(&mut kafka, "orders").await;
    let got = kinesis.read("orders", 0).await;
    assert_eq!((fetched.len(), got.len()), (40, 40));
    for (fetched, got) in fetched.iter().zip(&got) {
        assert_eq!(fetched.value.as_deref(), Some(&got.data[..]));
        assert_eq!(fetched.offset, offset_of(&got.sequence_number));
    }
}

#[tokio::test]
async fn a_request_to_one_shard_becomes_one_batch() {
    let server = TestServer::with_stream("orders", 1).await;
    let entries: Vec<_> = (0..100)
        .map(|i| json!({"PartitionKey": format!("{i}"), "Data": ""}))
        .collect();
    let input = json!({"StreamName": "orders", "Records": entries});
    server.kinesis().await.call("PutRecords", input).await;
    let bytes = server
        .kafka()
        .await
        .fetch("orders", 0)
        .await
        .records
        .expect("records");
    let length = i32::from_be_bytes(bytes[8..12].try_into().expect("four bytes"));
    assert_eq!(usize::try_from(length).expect("a length") + 12, bytes.len());
    assert_eq!(
        sealed((&bytes[..]).into()),
        bytes,
        "length and checksum are right"
    );
    let time = i64::from_be_bytes(bytes[27..35].try_into().expect("eight bytes"));
    assert!(time > PRODUCED_MS, "the time is filled in");
}
