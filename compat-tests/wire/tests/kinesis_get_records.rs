//! GetRecords: what it accepts, what it refuses in which words, what it does.

use braid_wire::{TestServer, base64, got};
use serde_json::{Value, json};

async fn with_records(count: usize) -> TestServer {
    let server = TestServer::with_stream("orders", 1).await;
    let entry = |i| json!({"PartitionKey": format!("{i}"), "Data": ""});
    let records: Vec<Value> = (0..count).map(entry).collect();
    let mut kinesis = server.kinesis().await;
    for records in records.chunks(500) {
        kinesis
            .call(
                "PutRecords",
                json!({"StreamName": "orders", "Records": records}),
            )
            .await;
    }
    server
}

#[tokio::test]
async fn accepts_an_iterator_in_quotes() {
    let server = with_records(2).await;
    let mut kinesis = server.kinesis().await;
    let iterator = kinesis.horizon("orders", 0).await;
    let input = json!({"ShardIterator": format!("\"{iterator}\"")});
    assert_eq!(got(&kinesis.call("GetRecords", input).await).len(), 2);
}

#[tokio::test]
async fn accepts_the_streams_arn_and_refuses_anothers() {
    let server = with_records(2).await;
    let mut kinesis = server.kinesis().await;
    let iterator = kinesis.horizon("orders", 0).await;
    let arn = |name: &str| format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}");
    let input = json!({"ShardIterator": iterator, "StreamARN": arn("orders")});
    assert_eq!(got(&kinesis.call("GetRecords", input).await).len(), 2);
    let input = json!({"ShardIterator": iterator, "StreamARN": arn("other")});
    let (kind, _) = kinesis.refusal("GetRecords", input).await;
    assert_eq!(kind, "InvalidArgumentException");
}

#[tokio::test]
async fn refuses_every_violation_at_once_in_the_services_order() {
    let server = TestServer::start().await;
    let mut kinesis = server.kinesis().await;
    let refusal = kinesis.refusal("GetRecords", json!({})).await;
    let message = "1 validation error detected: Value null at 'shardIterator' failed to satisfy \
                   constraint: Member must not be null";
    assert_eq!(refusal, ("ValidationException".into(), message.into()));
    let refusal = kinesis
        .refusal("GetRecords", json!({"ShardIterator": "", "Limit": 0}))
        .await;
    assert_eq!(
        refusal.1,
        "2 validation errors detected: \
         Value '0' at 'limit' failed to satisfy constraint: \
         Member must have value greater than or equal to 1; \
         Value '' at 'shardIterator' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
    let long = "a".repeat(513);
    let input = json!({"ShardIterator": long, "Limit": 10_001});
    let refusal = kinesis.refusal("GetRecords", input).await;
    let message = format!(
        "2 validation errors detected: \
         Value '10001' at 'limit' failed to satisfy constraint: \
         Member must have value less than or equal to 10000; \
         Value '{long}' at 'shardIterator' failed to satisfy constraint: \
         Member must have length less than or equal to 512"
    );
    assert_eq!(refusal, ("ValidationException".into(), message));
}

#[tokio::test]
async fn refuses_what_is_no_iterator() {
    let server = with_records(1).await;
    let mut kinesis = server.kinesis().await;
    let good = kinesis.horizon("orders", 0).await;
    let (cut, mut changed) = (&good[..good.len() - 4], good.clone().into_bytes());
    changed[40] = if changed[40] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("text");
    let other = base64(&[0; 152]);
    for bad in ["x", "AAAAAAAAAAE=", cut, &changed, &other, "\"", "''"] {
        let refusal = kinesis
            .refusal("GetRecords", json!({"ShardIterator": bad}))
            .await;
        let message = "Invalid ShardIterator.";
        assert_eq!(
            refusal,
            ("InvalidArgumentException".into(), message.into()),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn refuses_an_iterator_of_a_stream_that_was_deleted_and_made_again() {
    let server = with_records(1).await;
    let mut kinesis = server.kinesis().await;
    let iterator = kinesis.horizon("orders", 0).await;
    kinesis
        .call("DeleteStream", json!({"StreamName": "orders"}))
        .await;
    let message =
        "Shard shardId-000000000000 in stream orders under account 000000000000 does not exist";
    let input = json!({"ShardIterator": iterator});
    let refusal = kinesis.refusal("GetRecords", input.clone()).await;
    assert_eq!(
        refusal,
        ("ResourceNotFoundException".into(), message.into())
    );
    server.make_stream("orders", 1).await;
    let refusal = kinesis.refusal("GetRecords", input).await;
    assert_eq!(
        refusal,
        ("ResourceNotFoundException".into(), message.into())
    );
}

#[tokio::test]
async fn limit_bounds_a_page_and_pages_join_without_a_gap() {
    let server = with_records(1000).await;
    let mut kinesis = server.kinesis().await;
    for limit in [1, 7, 499, 500, 501, 1000] {
        let iterator = kinesis.horizon("orders", 0).await;
        let page = json!({"ShardIterator": iterator, "Limit": limit});
        let page = kinesis.call("GetRecords", page).await;
        assert_eq!(got(&page).len(), limit);
        let all = kinesis.read_on(iterator, limit).await;
        let keys: Vec<usize> = all
            .iter()
            .map(|got| got.partition_key.parse().expect("a number"))
            .collect();
        assert!(keys.iter().copied().eq(0..1000), "limit {limit}");
    }
}

#[tokio::test]
async fn an_empty_shard_answers_with_no_records_and_another_iterator() {
    let server = with_records(0).await;
    let mut kinesis = server.kinesis().await;
    let iterator = kinesis.horizon("orders", 0).await;
    let page = kinesis
        .call("GetRecords", json!({"ShardIterator": iterator}))
        .await;
    assert_eq!(page["Records"], json!([]));
    assert_eq!(page["MillisBehindLatest"], 0);
    let next = page["NextShardIterator"].as_str().expect("an iterator");
    assert_ne!(next, iterator);
    assert!(page.get("ChildShards").is_none());
}

#[tokio::test]
async fn the_same_iterator_reads_the_same_records_again() {
    let server = with_records(10).await;
    let mut kinesis = server.kinesis().await;
    let input = json!({"ShardIterator": kinesis.horizon("orders", 0).await, "Limit": 4});
    let first = got(&kinesis.call("GetRecords", input.clone()).await);
    let again = got(&kinesis.call("GetRecords", input).await);
    assert_eq!(first, again);
}

#[tokio::test]
async fn millis_behind_latest_is_zero_only_at_the_tip() {
    let server = with_records(10).await;
    let mut kinesis = server.kinesis().await;
    let iterator = kinesis.horizon("orders", 0).await;
    let page = json!({"ShardIterator": iterator, "Limit": 9});
    let page = kinesis.call("GetRecords", page).await;
    assert!(page["MillisBehindLatest"].as_i64() > Some(0));
    let page = json!({"ShardIterator": page["NextShardIterator"], "Limit": 1});
    let page = kinesis.call("GetRecords", page).await;
    assert_eq!(page["MillisBehindLatest"], 0);
}

#[tokio::test]
async fn a_page_holds_ten_mebibytes_at_most() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let large = vec![7; (1 << 20) - 1];
    for _ in 0..12 {
        kinesis.put("orders", "k", &large).await;
    }
    let iterator = kinesis.horizon("orders", 0).await;
    let page = kinesis
        .call("GetRecords", json!({"ShardIterator": iterator}))
        .await;
    assert_eq!(got(&page).len(), 10);
    let next = json!({"ShardIterator": page["NextShardIterator"]});
    assert_eq!(got(&kinesis.call("GetRecords", next).await).len(), 2);
}

#[tokio::test]
async fn record_members_are_the_services_and_no_others() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let (_, number) = kinesis.put("orders", "k", b"hello").await;
    let iterator = kinesis.horizon("orders", 0).await;
    let page = kinesis
        .call("GetRecords", json!({"ShardIterator": iterator}))
        .await;
    let record = page["Records"][0].as_object().expect("a record");
    assert!(record["ApproximateArrivalTimestamp"].is_number());
    assert_eq!(record["SequenceNumber"], number.as_str());
    assert_eq!(
        (&record["Data"], &record["PartitionKey"]),
        (&json!("aGVsbG8="), &json!("k"))
    );
    assert_eq!(record.len(), 4);
}
