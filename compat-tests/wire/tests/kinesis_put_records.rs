//! PutRecords: what it accepts, what it refuses in which words, what it does.

use braid_wire::{TestServer, base64};
use serde_json::{Value, json};

fn entries(records: Vec<Value>) -> Value {
    json!({"StreamName": "orders", "Records": records})
}

fn entry(key: &str, data: &[u8]) -> Value {
    json!({"PartitionKey": key, "Data": base64(data)})
}

#[tokio::test]
async fn accepts_500_entries_and_answers_each_in_its_place() {
    let server = TestServer::with_stream("orders", 4).await;
    let mut kinesis = server.kinesis().await;
    let records = (0..500).map(|i| entry(&format!("key {i}"), format!("{i}").as_bytes()));
    let answer = kinesis.call("PutRecords", entries(records.collect())).await;

    assert_eq!(answer["FailedRecordCount"], 0);
    let results = answer["Records"].as_array().expect("a list");
    assert_eq!(results.len(), 500);
    for shard in 0..4_u32 {
        let id = format!("shardId-{shard:012}");
        let of_shard = |(_, result): &(usize, &Value)| result["ShardId"] == id;
        let expected: Vec<(String, String)> = results
            .iter()
            .enumerate()
            .filter(of_shard)
            .map(|(i, result)| {
                assert_eq!(
                    result.as_object().expect("an object").len(),
                    2,
                    "no error members"
                );
                let number = result["SequenceNumber"]
                    .as_str()
                    .expect("a number")
                    .to_owned();
                (number, format!("key {i}"))
            })
            .collect();
        assert!(expected.is_sorted(), "numbers ascend in the entries' order");
        let got = kinesis.read("orders", shard).await;
        let got: Vec<(String, String)> = got
            .into_iter()
            .map(|got| (got.sequence_number, got.partition_key))
            .collect();
        assert_eq!(got, expected);
    }
}

#[tokio::test]
async fn accepts_ten_mebibytes_and_no_more() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let mebibyte = |less: usize| entry("k", &vec![7; (1 << 20) - 1 - less]);
    let fitting: Vec<Value> = (0..10).map(|_| mebibyte(0)).collect();
    let answer = kinesis.call("PutRecords", entries(fitting.clone())).await;
    assert_eq!(answer["FailedRecordCount"], 0);
    let got = kinesis.read("orders", 0).await;
    assert!(got.len() == 10 && got.iter().all(|got| got.data.len() == (1 << 20) - 1));

    let too_much = [fitting, vec![entry("k", b"")]].concat();
    let refusal = kinesis.refusal("PutRecords", entries(too_much)).await;
    assert_eq!(refusal.0, "InvalidArgumentException");
    assert_eq!(
        kinesis.read("orders", 0).await.len(),
        10,
        "nothing of it was stored"
    );
}

#[tokio::test]
async fn refuses_no_entries_and_501() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let refusal = kinesis.refusal("PutRecords", json!({})).await;
    let message = "1 validation error detected: Value null at 'records' failed to satisfy \
                   constraint: Member must not be null";
    assert_eq!(refusal, ("ValidationException".into(), message.into()));
    let refusal = kinesis.refusal("PutRecords", entries(vec![])).await;
    let message = "1 validation error detected: Value '[]' at 'records' failed to satisfy \
                   constraint: Member must have length greater than or equal to 1";
    assert_eq!(refusal, ("ValidationException".into(), message.into()));
    let many = (0..501).map(|_| entry("k", b"")).collect();
    let (kind, message) = kinesis.refusal("PutRecords", entries(many)).await;
    assert_eq!(kind, "ValidationException");
    let end = "at 'records' failed to satisfy constraint: Member must have length less than or \
               equal to 500";
    assert!(
        message.ends_with(end),
        "{}",
        &message[message.len().saturating_sub(200)..]
    );
}

#[tokio::test]
async fn refuses_the_whole_request_for_the_form_of_one_entry() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    let records = vec![
        entry("k", b"fine"),
        json!({"PartitionKey": "", "ExplicitHashKey": "x"}),
    ];
    let refusal = kinesis.refusal("PutRecords", entries(records)).await;
    assert_eq!(refusal.0, "ValidationException");
    assert_eq!(
        refusal.1,
        "3 validation errors detected: \
         Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: \
         Member must have length greater than or equal to 1; \
         Value 'x' at 'records.2.member.explicitHashKey' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38}); \
         Value null at 'records.2.member.data' failed to satisfy constraint: \
         Member must not be null"
    );
    let beyond = "340282366920938463463374607431768211456";
    let mut record = entry("k", b"");
    record["ExplicitHashKey"] = beyond.into();
    let refusal = kinesis
        .refusal("PutRecords", entries(vec![entry("k", b"fine"), record]))
        .await;
    let message = format!(
        "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified \
         value was {beyond}"
    );
    assert_eq!(refusal, ("InvalidArgumentException".into(), message));
    assert_eq!(kinesis.read("orders", 0).await, []);
}

#[tokio::test]
async fn refuses_bad_base64_before_it_looks_at_constraints() {
    let server = TestServer::with_stream("orders", 1).await;
    let records = vec![json!({"PartitionKey": "", "Data": "A"})];
    let refusal = server
        .kinesis()
        .await
        .refusal("PutRecords", entries(records))
        .await;
    let message = "'A' can not be converted to a Blob: Base64 encoded length is expected a \
                   multiple of 4 bytes but found: 1";
    assert_eq!(refusal, ("SerializationException".into(), message.into()));
}

#[tokio::test]
async fn refuses_a_stream_that_does_not_exist() {
    let server = TestServer::start().await;
    let input = entries(vec![entry("a", b"")]);
    let refusal = server.kinesis().await.refusal("PutRecords", input).await;
    let message = "Stream orders under account 000000000000 not found.";
    assert_eq!(
        refusal,
        ("ResourceNotFoundException".into(), message.into())
    );
}

#[tokio::test]
async fn equal_entries_stay_apart_and_in_order() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut kinesis = server.kinesis().await;
    for _ in 0..3 {
        kinesis
            .call("PutRecords", entries(vec![entry("k", b"same"); 3]))
            .await;
    }
    let got = kinesis.read("orders", 0).await;
    assert_eq!(got.len(), 9);
    assert!(
        got.windows(2)
            .all(|two| two[0].sequence_number < two[1].sequence_number)
    );
}
