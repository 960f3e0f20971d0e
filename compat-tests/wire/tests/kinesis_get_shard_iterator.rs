//! GetShardIterator: what it accepts, what it refuses in which words, what it does.

use braid_wire::{Got, Kinesis, TestServer};
use serde_json::{Value, json};

fn asked(kind: &str, extra: Value) -> Value {
    let mut input = json!({"StreamName": "orders", "ShardId": "0", "ShardIteratorType": kind});
    for (name, value) in extra.as_object().expect("members") {
        input[name] = value.clone();
    }
    input
}

/// The data of everything from an iterator on.
async fn data_from(kinesis: &mut Kinesis, input: Value) -> Vec<String> {
    let iterator = kinesis.iterator(input).await;
    let got = kinesis.read_on(iterator, 10_000).await;
    got.into_iter()
        .map(|got| String::from_utf8(got.data).expect("text"))
        .collect()
}

/// A shard with the records `0`, `1` and `2`, and those records.
async fn three_records() -> (TestServer, Kinesis, Vec<Got>) {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    for data in ["0", "1", "2"] {
        kinesis.put("orders", "k", data.as_bytes()).await;
    }
    let got = kinesis.read("orders", 0).await;
    (server, kinesis, got)
}

#[tokio::test]
async fn accepts_a_shard_id_in_any_of_the_services_spellings() {
    let (_server, mut kinesis, _) = three_records().await;
    for id in [
        "shardId-000000000000",
        "shardId-0",
        "0",
        "000",
        "whatever-0",
    ] {
        let input = asked("TRIM_HORIZON", json!({"ShardId": id}));
        assert_eq!(
            data_from(&mut kinesis, input).await,
            ["0", "1", "2"],
            "{id}"
        );
    }
}

#[tokio::test]
async fn accepts_the_numbers_that_a_shard_begins_with() {
    let (_server, mut kinesis, _) = three_records().await;
    let shards = kinesis
        .call("ListShards", json!({"StreamName": "orders"}))
        .await;
    let range = &shards["Shards"][0]["SequenceNumberRange"];
    let start = range["StartingSequenceNumber"].as_str().expect("a number");
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let input = asked(kind, json!({"StartingSequenceNumber": start}));
        assert_eq!(
            data_from(&mut kinesis, input).await,
            ["0", "1", "2"],
            "{kind}"
        );
    }
}

#[tokio::test]
async fn refuses_every_violation_at_once_in_the_services_order() {
    let server = TestServer::start().await;
    let input = json!({"ShardIteratorType": "NEWEST", "StartingSequenceNumber": "00"});
    let refusal = server
        .kinesis()
        .await
        .refusal("GetShardIterator", input)
        .await;
    assert_eq!(refusal.0, "ValidationException");
    assert_eq!(
        refusal.1,
        "3 validation errors detected: \
         Value null at 'shardId' failed to satisfy constraint: Member must not be null; \
         Value 'NEWEST' at 'shardIteratorType' failed to satisfy constraint: \
         Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, \
         AT_SEQUENCE_NUMBER, TRIM_HORIZON]; \
         Value '00' at 'startingSequenceNumber' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: 0|([1-9]\\d{0,128})"
    );
}

#[tokio::test]
async fn refuses_shards_that_are_none() {
    let (_server, mut kinesis, _) = three_records().await;
    let cases = [
        (
            "orders",
            "x",
            "Could not find shard x in stream orders under account 000000000000.",
        ),
        (
            "orders",
            "shardId-2147483648",
            "Could not find shard shardId-2147483648 in stream orders under account 000000000000.",
        ),
        (
            "orders",
            "1",
            "Shard shardId-000000000001 in stream orders under account 000000000000 does not exist",
        ),
        (
            "none",
            "0",
            "Shard shardId-000000000000 in stream none under account 000000000000 does not exist",
        ),
        (
            "none",
            "x",
            "Could not find shard x in stream none under account 000000000000.",
        ),
    ];
    for (stream, id, message) in cases {
        let input = asked("LATEST", json!({"StreamName": stream, "ShardId": id}));
        let refusal = kinesis.refusal("GetShardIterator", input).await;
        assert_eq!(
            refusal,
            ("ResourceNotFoundException".into(), message.into())
        );
    }
}

#[tokio::test]
async fn refuses_a_number_that_does_not_go_with_the_type() {
    let (_server, mut kinesis, got) = three_records().await;
    let either = "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and \
                  StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no \
                  StartingSequenceNumber. Request specified";
    let number = json!({"StartingSequenceNumber": got[0].sequence_number});
    let cases = [
        (
            "TRIM_HORIZON",
            number.clone(),
            "and also a StartingSequenceNumber.",
        ),
        ("LATEST", number, "and also a StartingSequenceNumber."),
        (
            "AT_SEQUENCE_NUMBER",
            json!({}),
            "and no StartingSequenceNumber.",
        ),
        (
            "AFTER_SEQUENCE_NUMBER",
            json!({}),
            "and no StartingSequenceNumber.",
        ),
    ];
    for (kind, extra, end) in cases {
        let refusal = kinesis
            .refusal("GetShardIterator", asked(kind, extra))
            .await;
        let message = format!("{either} {kind} {end}");
        assert_eq!(refusal, ("InvalidArgumentException".into(), message));
    }
}

#[tokio::test]
async fn refuses_a_number_that_is_none_of_this_shards() {
    let (server, mut kinesis, got) = three_records().await;
    server.make_stream("wide", 2).await;
    let of_wide = kinesis.put("wide", "partition-1", b"").await;
    assert_eq!(of_wide.0, "shardId-000000000001");
    let (_, of_other) = kinesis.put("wide", "a", b"").await;
    let end =
        "on shard shardId-000000000000 in stream orders under account 000000000000 is invalid";
    let cases = [
        (
            "5",
            format!("StartingSequenceNumber 5 used in GetShardIterator {end}."),
        ),
        (
            &of_wide.1,
            "Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used \
             in a call to a shard with shardId-000000000000"
                .to_owned(),
        ),
        (
            &of_other,
            format!(
                "StartingSequenceNumber {of_other} used in GetShardIterator {end} because it did \
                 not come from this stream."
            ),
        ),
    ];
    for (number, message) in cases {
        for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
            let input = asked(kind, json!({"StartingSequenceNumber": number}));
            let refusal = kinesis.refusal("GetShardIterator", input).await;
            assert_eq!(
                refusal,
                ("InvalidArgumentException".into(), message.clone())
            );
        }
    }
    assert_eq!(got.len(), 3);
}

#[tokio::test]
async fn refuses_a_time_that_is_missing_or_in_the_future() {
    let (_server, mut kinesis, got) = three_records().await;
    let refusal = kinesis
        .refusal("GetShardIterator", asked("AT_TIMESTAMP", json!({})))
        .await;
    let message = "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. \
                   Current request has no timestamp parameter.";
    assert_eq!(refusal, ("InvalidArgumentException".into(), message.into()));

    let hour_ahead = got[0].arrival_ms / 1000 + 3600;
    let input = asked("AT_TIMESTAMP", json!({"Timestamp": hour_ahead}));
    let (kind, message) = kinesis.refusal("GetShardIterator", input).await;
    assert_eq!(kind, "InvalidArgumentException");
    let start = format!(
        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
         timestampInMillis: {hour_ahead}000, currentTimestampInMillis: "
    );
    assert!(message.starts_with(&start), "{message}");
}

#[tokio::test]
async fn each_type_starts_where_it_says() {
    let (_server, mut kinesis, got) = three_records().await;
    let second = json!({"StartingSequenceNumber": got[1].sequence_number});
    let last = json!({"StartingSequenceNumber": got[2].sequence_number});
    let horizon = json!({"Timestamp": 0});
    let cases: [(&str, Value, &[&str]); 6] = [
        ("TRIM_HORIZON", json!({}), &["0", "1", "2"]),
        ("LATEST", json!({}), &[]),
        ("AT_SEQUENCE_NUMBER", second.clone(), &["1", "2"]),
        ("AFTER_SEQUENCE_NUMBER", second, &["2"]),
        ("AFTER_SEQUENCE_NUMBER", last, &[]),
        ("AT_TIMESTAMP", horizon, &["0", "1", "2"]),
    ];
    for (kind, extra, data) in cases {
        assert_eq!(
            data_from(&mut kinesis, asked(kind, extra)).await,
            data,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn at_timestamp_starts_with_the_first_record_that_arrived_then() {
    let (_server, mut kinesis, got) = three_records().await;
    for record in &got {
        let seconds = record.arrival_ms as f64 / 1000.0;
        let iterator = kinesis
            .iterator(asked("AT_TIMESTAMP", json!({"Timestamp": seconds})))
            .await;
        let from = kinesis.read_on(iterator, 10_000).await;
        let expected: Vec<Got> = got
            .iter()
            .filter(|other| other.arrival_ms >= record.arrival_ms)
            .cloned()
            .collect();
        assert_eq!(from, expected);
    }
}

#[tokio::test]
async fn at_timestamp_behind_the_last_record_starts_at_the_tip() {
    let (_server, mut kinesis, got) = three_records().await;
    let after = (got[2].arrival_ms + 1) as f64 / 1000.0;
    let iterator = kinesis
        .iterator(asked("AT_TIMESTAMP", json!({"Timestamp": after})))
        .await;
    kinesis.put("orders", "k", b"3").await;
    let from = kinesis.read_on(iterator, 10_000).await;
    assert_eq!(from.len(), 1);
    assert_eq!(from[0].data, b"3");
}

#[tokio::test]
async fn latest_starts_behind_what_is_there_and_no_later() {
    let (_server, mut kinesis, _) = three_records().await;
    let iterator = kinesis.iterator(asked("LATEST", json!({}))).await;
    kinesis.put("orders", "k", b"3").await;
    let data: Vec<_> = kinesis
        .read_on(iterator, 10_000)
        .await
        .into_iter()
        .map(|got| got.data)
        .collect();
    assert_eq!(data, [b"3"]);
}

#[tokio::test]
async fn no_two_iterators_are_the_same_string() {
    let (_server, mut kinesis, _) = three_records().await;
    let first = kinesis.iterator(asked("TRIM_HORIZON", json!({}))).await;
    let second = kinesis.iterator(asked("TRIM_HORIZON", json!({}))).await;
    assert!(first != second && (1..=512).contains(&first.len()));
}
