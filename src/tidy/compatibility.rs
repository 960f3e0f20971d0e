//! `docs/compatibility.md`, derived from the two tables.

use super::assert_page;
use crate::kafka::APIS;
use crate::kinesis::Operation;
use kafka_protocol::messages::ApiKey;
use std::ops::RangeInclusive;

/// What the service offers, its queues and channels aside.
const KINESIS: &[&str] = &[
    "AddTagsToStream",
    "CreateStream",
    "DecreaseStreamRetentionPeriod",
    "DeleteResourcePolicy",
    "DeleteStream",
    "DeregisterStreamConsumer",
    "DescribeAccountSettings",
    "DescribeLimits",
    "DescribeStream",
    "DescribeStreamConsumer",
    "DescribeStreamSummary",
    "DisableEnhancedMonitoring",
    "EnableEnhancedMonitoring",
    "GetRecords",
    "GetResourcePolicy",
    "GetShardIterator",
    "IncreaseStreamRetentionPeriod",
    "ListShards",
    "ListStreamConsumers",
    "ListStreams",
    "ListTagsForResource",
    "ListTagsForStream",
    "MergeShards",
    "PutRecord",
    "PutRecords",
    "PutResourcePolicy",
    "RegisterStreamConsumer",
    "RemoveTagsFromStream",
    "SplitShard",
    "StartStreamEncryption",
    "StopStreamEncryption",
    "SubscribeToShard",
    "TagResource",
    "UntagResource",
    "UpdateAccountSettings",
    "UpdateMaxRecordSize",
    "UpdateShardCount",
    "UpdateStreamMode",
    "UpdateStreamRecordDistributionStrategy",
    "UpdateStreamWarmThroughput",
];

const HEAD: &str = "\
# Compatibility

Derived from `src/kafka/apis.rs` and `src/kinesis/operations.rs`; `cargo test` compares. To write it
anew: `WRITE_PAGES=1 cargo test --lib page`.

## Kafka

*Listed* is what ApiVersions tells, *served* what is answered; old producers need to see Produce
listed from 0. ApiVersions itself is answered at any version.

| key | API | listed | served |
|---|---|---|---|
";

const KINESIS_HEAD: &str = "
## Kinesis

JSON 1.1 over HTTP/1.1, and over HTTP/2 with prior knowledge, on one port. Signatures are checked
for their form, not for their truth: any credentials will do.

| operation |
|---|
";

/// By choice, and by how far the work has come.
const DIFFERENCES: &str = "
## Where braid differs

* One broker, id 1, leads every partition; a partition has one replica. `acks=1` and `acks=all` are
  the same: an acknowledged record is on disk (`durability`).
* Retention by time goes by the arrival of a record, not by its timestamp. ListOffsets goes by
  timestamps.
* There are no transactions yet: a transactional id in FindCoordinator or InitProducerId and a
  transactional batch are refused with error 53, and nothing is stored.
* Groups use the classic protocol; the newer consumer group protocol is not offered.
* There is no TLS and no SASL yet.
* Streams cannot be resharded yet: a shard is a partition, for as long as the stream lives.
* A Kinesis account's quotas are not enforced; sizes are.
* Kinesis readers see the key as PartitionKey if it is UTF-8 of 1 to 256 characters. Without a key
  it is the offset in decimal, for any other key the MD5 of the key in hexadecimal. Headers are not
  visible to them.
* Kafka readers see a Kinesis record's partition key as its key, its data as its value, its arrival
  as its timestamp, and its explicit hash key, if it had one, as the header
  `kinesis.explicit-hash-key`.
* A batch that cannot be decoded, or a record that expands beyond `kinesis-record-bytes-max`, is
  passed over by Kinesis readers, with what is left of its batch. Kafka readers get it as it came.
* A Kinesis record goes by the MD5 of its partition key (`key.routing` is not read yet). A KPL
  aggregate is one record on both sides: Kinesis consumers split it, Kafka's do not.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for api in APIS {
        let (key, listed, served) = (api.key as i16, span(&api.listed), span(&api.served));
        page.push_str(&format!(
            "| {key} | {:?} | {listed} | {served} |\n",
            api.key
        ));
    }
    let served = |key: &ApiKey| APIS.iter().any(|api| api.key == *key);
    let missing = ApiKey::iter().filter(|key| !served(key));
    let missing: Vec<String> = missing.map(|key| format!("{key:?}")).collect();
    page.push_str(&format!("\nNot served: {}.\n", missing.join(", ")));
    page.push_str(KINESIS_HEAD);
    for operation in Operation::ALL {
        page.push_str(&format!("| {} |\n", operation.name()));
    }
    let missing = KINESIS
        .iter()
        .filter(|name| Operation::named(name).is_none());
    let missing: Vec<&str> = missing.copied().collect();
    page.push_str(&format!(
        "\nNot served: {}; queues and channels.\n",
        missing.join(", ")
    ));
    page + DIFFERENCES
}

fn span(versions: &RangeInclusive<i16>) -> String {
    format!("{}–{}", versions.start(), versions.end())
}

#[test]
fn the_compatibility_page_equals_the_tables() {
    assert_page("docs/compatibility.md", &page());
}

#[test]
fn every_operation_that_is_served_is_one_of_the_services() {
    for operation in Operation::ALL {
        assert!(KINESIS.contains(&operation.name()), "{operation:?}");
    }
}
