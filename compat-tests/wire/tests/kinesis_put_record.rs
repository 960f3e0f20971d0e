//! PutRecord: what it accepts, what it refuses in which words, what it does.

use braid_wire::{TestServer, base64};
use serde_json::{Value, json};

fn record(extra: Value) -> Value {
    let mut input = json!({"StreamName": "orders", "PartitionKey": "k", "Data": "aGk="});
    for (name, value) in extra.as_object().expect("members") {
        input[name] = value.clone();
    }
    input
}

#[tokio::test]
async fn accepts_empty_data_and_keys_of_1_to_256_characters() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let longest = "🙂".repeat(256);
    for key in ["k", " ", &longest] {
        kinesis.put("orders", key, b"").await;
    }
    let keys: Vec<String> = kinesis
        .read("orders", 0)
        .await
        .into_iter()
        .map(|got| got.partition_key)
        .collect();
    assert_eq!(keys, ["k", " ", &longest]);
}

#[tokio::test]
async fn accepts_the_stream_by_arn() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
    let input = json!({"StreamARN": arn, "PartitionKey": "k", "Data": ""});
    assert_eq!(
        kinesis.call("PutRecord", input).await["ShardId"],
        "shardId-000000000000"
    );
}

#[tokio::test]
async fn accepts_a_record_of_exactly_the_largest_size() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let largest = vec![7; (1 << 20) - 1];
    kinesis.put("orders", "k", &largest).await;
    assert_eq!(kinesis.read("orders", 0).await[0].data, largest);
    let input = record(json!({"Data": base64(&vec![7; 1 << 20])}));
    assert_eq!(
        kinesis.refusal("PutRecord", input).await.0,
        "InvalidArgumentException",
        "the partition key counts"
    );
}

#[tokio::test]
async fn accepts_ten_mebibytes_where_the_stream_allows_them() {
    let server = TestServer::start().await;
    let mut kinesis = server.kinesis().await;
    let input = json!({"StreamName": "orders", "ShardCount": 1, "MaxRecordSizeInKiB": 10_240});
    kinesis.call("CreateStream", input).await;
    let largest = vec![7; (10 << 20) - 1];
    kinesis.put("orders", "k", &largest).await;
    assert!(kinesis.read("orders", 0).await[0].data == largest);
    let input = record(json!({"Data": base64(&vec![7; 10 << 20])}));
    assert_eq!(
        kinesis.refusal("PutRecord", input).await.0,
        "InvalidArgumentException"
    );
    let input = record(json!({"Data": base64(&vec![7; (10 << 20) + 1])}));
    let refusal = kinesis.refusal("PutRecord", input).await;
    let message = "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 \
                   lim=10485761 cap=10485761]' at 'data' failed to satisfy constraint: Member \
                   must have length less than or equal to 10485760";
    assert_eq!(refusal, ("ValidationException".into(), message.into()));
}

#[tokio::test]
async fn refuses_a_stream_that_does_not_exist() {
    let server = TestServer::start().await;
    let refusal = server
        .kinesis()
        .await
        .refusal("PutRecord", record(json!({})))
        .await;
    let message = "Stream orders under account 000000000000 not found.";
    assert_eq!(
        refusal,
        ("ResourceNotFoundException".into(), message.into())
    );
}

#[tokio::test]
async fn refuses_every_violation_at_once_in_the_services_order() {
    let server = TestServer::start().await;
    let input = json!({
        "StreamName": "", "PartitionKey": "", "ExplicitHashKey": "01",
        "SequenceNumberForOrdering": "x",
    });
    let refusal = server.kinesis().await.refusal("PutRecord", input).await;
    assert_eq!(refusal.0, "ValidationException");
    assert_eq!(
        refusal.1,
        "6 validation errors detected: \
         Value 'x' at 'sequenceNumberForOrdering' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: 0|([1-9]\\d{0,128}); \
         Value '' at 'partitionKey' failed to satisfy constraint: \
         Member must have length greater than or equal to 1; \
         Value '01' at 'explicitHashKey' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38}); \
         Value null at 'data' failed to satisfy constraint: Member must not be null; \
         Value '' at 'streamName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; \
         Value '' at 'streamName' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
}

#[tokio::test]
async fn refuses_a_partition_key_of_257_characters() {
    let server = TestServer::with_stream("orders", 1).await;
    let key = "é".repeat(257);
    let refusal = server
        .kinesis()
        .await
        .refusal("PutRecord", record(json!({"PartitionKey": key})))
        .await;
    let message = format!(
        "1 validation error detected: Value '{key}' at 'partitionKey' failed to satisfy \
         constraint: Member must have length less than or equal to 256"
    );
    assert_eq!(refusal, ("ValidationException".into(), message));
}

#[tokio::test]
async fn refuses_a_hash_key_outside_the_hash_space() {
    let server = TestServer::with_stream("orders", 1).await;
    let beyond = "340282366920938463463374607431768211456";
    let input = record(json!({"ExplicitHashKey": beyond}));
    let refusal = server.kinesis().await.refusal("PutRecord", input).await;
    let message = format!(
        "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified \
         value was {beyond}"
    );
    assert_eq!(refusal, ("InvalidArgumentException".into(), message));
}

#[tokio::test]
async fn refuses_an_ordering_after_a_number_that_was_not_given_yet() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let (_, number) = kinesis.put("orders", "k", b"").await;
    let accepted = record(json!({"SequenceNumberForOrdering": number}));
    kinesis.call("PutRecord", accepted).await;
    kinesis
        .call(
            "PutRecord",
            record(json!({"SequenceNumberForOrdering": "0"})),
        )
        .await;

    let other = TestServer::with_stream("orders", 1).await;
    let future = format!("{}{}", &number[..1], "9".repeat(55));
    for invalid in [&number, &future] {
        let input = record(json!({"SequenceNumberForOrdering": invalid}));
        let refusal = other.kinesis().await.refusal("PutRecord", input).await;
        let message = format!(
            "ExclusiveMinimumSequenceNumber {invalid} used in PutRecord on stream orders under \
             account 000000000000 is invalid."
        );
        assert_eq!(refusal, ("InvalidArgumentException".into(), message));
    }
}

#[tokio::test]
async fn a_key_goes_to_the_shard_that_owns_its_md5() {
    let server = TestServer::with_stream("orders", 4).await;
    let mut kinesis = server.kinesis().await;
    assert_eq!(
        kinesis.put("orders", "a", b"").await.0,
        "shardId-000000000000"
    );
    assert_eq!(
        kinesis.put("orders", "partition-1", b"").await.0,
        "shardId-000000000002"
    );
}

#[tokio::test]
async fn an_explicit_hash_key_overrides_the_partition_key() {
    let server = TestServer::with_stream("orders", 4).await;
    let mut kinesis = server.kinesis().await;
    let last = u128::MAX.to_string();
    for (hash_key, shard) in [
        ("0", "shardId-000000000000"),
        (&last, "shardId-000000000003"),
    ] {
        let input = record(json!({"ExplicitHashKey": hash_key}));
        assert_eq!(kinesis.call("PutRecord", input).await["ShardId"], shard);
    }
}

#[tokio::test]
async fn sequence_numbers_of_a_shard_grow_and_have_56_digits() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let mut last = String::new();
    for _ in 0..20 {
        let (_, number) = kinesis.put("orders", "k", b"").await;
        assert_eq!(number.len(), 56);
        assert!(number > last, "{number} after {last}");
        last = number;
    }
}
