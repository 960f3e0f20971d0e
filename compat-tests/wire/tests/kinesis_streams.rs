//! CreateStream, DeleteStream, DescribeStream, DescribeStreamSummary, ListStreams: what they
//! accept, refuse and do. Orders and texts of refusals as recorded from the service (spec A.8,
//! B.2).

use braid_wire::{Kafka, Kinesis, TestServer};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/";

async fn kind_and_message(client: &mut Kinesis, operation: &str, input: Value) -> [String; 2] {
    client.refusal(operation, input).await.into()
}

/// Makes a topic as a Kafka client does, by asking for it.
async fn topic(client: &mut Kafka, name: &str) {
    let topic = TopicName(StrBytes::from_string(name.to_owned()));
    let topic = MetadataRequestTopic::default().with_name(Some(topic));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(true);
    client.call(&request, 12).await;
}

#[tokio::test]
async fn a_new_stream_is_active_at_once_and_shows_what_it_was_made_with() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;

    let made = client
        .call(
            "CreateStream",
            json!({"StreamName": "orders", "ShardCount": 3}),
        )
        .await;
    let described = client
        .call("DescribeStream", json!({"StreamName": "orders"}))
        .await;

    assert_eq!(made, Value::Null);
    let mut description = described["StreamDescription"].clone();
    let created = description["StreamCreationTimestamp"].take();
    assert!(created.as_f64().is_some_and(|at| at > 1.7e9), "{created}");
    let mut shards = description["Shards"].take();
    assert_eq!(
        description,
        json!({
            "StreamName": "orders",
            "StreamARN": format!("{ARN}orders"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "Shards": null,
            "HasMoreShards": false,
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": null,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
        })
    );
    for shard in shards.as_array_mut().expect("shards") {
        let number = shard["SequenceNumberRange"]["StartingSequenceNumber"].take();
        assert!(
            number
                .as_str()
                .is_some_and(|n| n.len() == 56 && n.starts_with("49"))
        );
    }
    let range = |start: &str, end: &str| json!({"StartingHashKey": start, "EndingHashKey": end});
    let shard = |id: u32, range: Value| {
        let id = format!("shardId-{id:012}");
        let numbers = json!({"StartingSequenceNumber": null});
        json!({"ShardId": id, "HashKeyRange": range, "SequenceNumberRange": numbers})
    };
    let (second, third) = (
        "113427455640312821154458202477256070485",
        "226854911280625642308916404954512140970",
    );
    assert_eq!(
        shards,
        json!([
            shard(0, range("0", "113427455640312821154458202477256070484")),
            shard(1, range(second, "226854911280625642308916404954512140969")),
            shard(2, range(third, "340282366920938463463374607431768211455")),
        ])
    );
}

#[tokio::test]
async fn an_on_demand_stream_has_four_shards_and_a_record_size_is_kept() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let mode = json!({"StreamMode": "ON_DEMAND"});

    let input = json!({"StreamName": "od", "StreamModeDetails": mode, "MaxRecordSizeInKiB": 2048});
    client.call("CreateStream", input).await;
    client
        .call("CreateStream", json!({"StreamName": "bare"}))
        .await;
    let od = client
        .call("DescribeStreamSummary", json!({"StreamName": "od"}))
        .await;
    let bare = client
        .call("DescribeStreamSummary", json!({"StreamName": "bare"}))
        .await;

    let summary = &od["StreamDescriptionSummary"];
    assert_eq!(summary["StreamModeDetails"], mode);
    assert_eq!(summary["OpenShardCount"], 4);
    assert_eq!(summary["MaxRecordSizeInKiB"], 2048);
    assert_eq!(summary["ConsumerCount"], 0);
    let summary = &bare["StreamDescriptionSummary"];
    assert_eq!(summary["StreamModeDetails"]["StreamMode"], "PROVISIONED");
    assert_eq!(summary["OpenShardCount"], 4);
    assert_eq!(summary["MaxRecordSizeInKiB"], 1024);
}

#[tokio::test]
async fn create_stream_refuses_in_the_order_of_the_service() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let input = json!({
        "StreamName": "a b", "ShardCount": 0, "MaxRecordSizeInKiB": 1, "Tags": {"": "x"},
        "StreamModeDetails": {"StreamMode": "x"}, "RecordDistributionStrategy": "y",
    });

    let refused = kind_and_message(&mut client, "CreateStream", input).await;

    assert_eq!(
        refused,
        [
            "ValidationException",
            "6 validation errors detected: Value '0' at 'shardCount' failed to satisfy constraint: \
             Member must have value greater than or equal to 1; Value 'a b' at 'streamName' failed \
             to satisfy constraint: Member must satisfy regular expression pattern: \
             [a-zA-Z0-9_.-]+; Value 'x' at 'streamModeDetails.streamMode' failed to satisfy \
             constraint: Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]; Value \
             '{=x}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: \
             [Member must have length less than or equal to 128, Member must have length greater \
             than or equal to 1]; Value '1' at 'maxRecordSizeInKiB' failed to satisfy constraint: \
             Member must have value greater than or equal to 1024; Value 'y' at \
             'recordDistributionStrategy' failed to satisfy constraint: Member must satisfy enum \
             value set: [AUTO, USER_PARTITION_KEY]",
        ]
    );
}

#[tokio::test]
async fn a_stream_that_exists_is_refused_whatever_the_count() {
    let server = TestServer::with_stream("orders", 1).await;
    let mut client = server.kinesis().await;
    let input = json!({"StreamName": "orders", "ShardCount": i32::MAX});

    let [kind, _] = kind_and_message(&mut client, "CreateStream", input).await;

    assert_eq!(kind, "ResourceInUseException");
}

#[tokio::test]
async fn create_stream_refuses_what_it_cannot_keep() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    client
        .call("CreateStream", json!({"StreamName": "a", "ShardCount": 1}))
        .await;

    for (input, kind, part) in [
        (
            json!({"StreamName": "a", "ShardCount": 1}),
            "ResourceInUseException",
            "Stream a under account 000000000000 already exists.",
        ),
        (
            json!({"StreamName": "b", "ShardCount": 1_000_000}),
            "LimitExceededException",
            "This request would exceed the shard limit for the account 000000000000 in us-east-1. \
             Current shard count for the account: 1. Limit: 20000. Number of additional shards \
             that would have resulted from this request: 1000000. Refer to the AWS Service \
             Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) \
             for current limits and how to request higher limits.",
        ),
        (
            json!({"StreamName": "b", "StreamModeDetails": {"StreamMode": "PROVISIONED"}}),
            "InvalidArgumentException",
            "ShardCount is required for a stream of mode PROVISIONED.",
        ),
        (
            json!({"StreamName": "b", "ShardCount": 1, "Tags": {"a": "ü%", "b": "!"}}),
            "InvalidArgumentException",
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, \
             white space, _ . / = + - % @.",
        ),
    ] {
        let refused = kind_and_message(&mut client, "CreateStream", input).await;
        assert_eq!(refused, [kind, part]);
    }
    let listed = client.call("ListStreams", json!({})).await;
    assert_eq!(listed["StreamNames"], json!(["a"]));
}

#[tokio::test]
async fn a_deleted_stream_is_gone_and_its_name_is_free() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    client
        .call("CreateStream", json!({"StreamName": "a", "ShardCount": 1}))
        .await;

    let gone = json!({"StreamARN": format!("{ARN}a"), "EnforceConsumerDeletion": "yes"});
    assert_eq!(client.call("DeleteStream", gone).await, Value::Null);

    let not_found = [
        "ResourceNotFoundException",
        "Stream a under account 000000000000 not found.",
    ];
    for operation in [
        "DeleteStream",
        "DescribeStream",
        "DescribeStreamSummary",
        "ListShards",
    ] {
        let refused = kind_and_message(&mut client, operation, json!({"StreamName": "a"})).await;
        assert_eq!(refused, not_found, "{operation}");
    }
    client
        .call("CreateStream", json!({"StreamName": "a", "ShardCount": 2}))
        .await;
}

#[tokio::test]
async fn a_stream_is_named_by_name_or_arn_and_both_must_agree() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    client
        .call("CreateStream", json!({"StreamName": "a", "ShardCount": 1}))
        .await;

    for operation in ["DescribeStream", "DescribeStreamSummary", "ListShards"] {
        let both = json!({"StreamName": "a", "StreamARN": format!("{ARN}a")});
        client.call(operation, both).await;
        for input in [
            json!({}),
            json!({"StreamName": "b", "StreamARN": format!("{ARN}a")}),
            json!({"StreamARN": "arn:aws:kinesis:us-east-1:111111111111:stream/a"}),
            json!({"StreamARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/a"}),
        ] {
            let (kind, _) = client.refusal(operation, input).await;
            assert_eq!(kind, "InvalidArgumentException", "{operation}");
        }
        let (kind, message) = client.refusal(operation, json!({"StreamARN": "a"})).await;
        assert_eq!(kind, "ValidationException");
        assert_eq!(
            message,
            "1 validation error detected: Value 'a' at 'streamARN' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: \
             arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+"
        );
    }
}

#[tokio::test]
async fn describe_stream_refuses_in_the_order_of_the_service_and_pages_by_shard() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    client
        .call(
            "CreateStream",
            json!({"StreamName": "a", "ShardCount": 150}),
        )
        .await;

    let bad = json!({"StreamName": "", "Limit": 0, "ExclusiveStartShardId": ""});
    let refused = kind_and_message(&mut client, "DescribeStream", bad).await;
    let first = client
        .call("DescribeStream", json!({"StreamName": "a", "Limit": 9999}))
        .await;
    let last = json!({"StreamName": "a", "ExclusiveStartShardId": "shardId-000000000099"});
    let second = client.call("DescribeStream", last).await;

    assert_eq!(
        refused[1],
        "5 validation errors detected: Value '0' at 'limit' failed to satisfy constraint: Member \
         must have value greater than or equal to 1; Value '' at 'exclusiveStartShardId' failed to \
         satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; \
         Value '' at 'exclusiveStartShardId' failed to satisfy constraint: Member must have length \
         greater than or equal to 1; Value '' at 'streamName' failed to satisfy constraint: Member \
         must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '' at 'streamName' failed \
         to satisfy constraint: Member must have length greater than or equal to 1"
    );
    let shards = |answer: &Value| {
        answer["StreamDescription"]["Shards"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((shards(&first), shards(&second)), (100, 50));
    assert_eq!(first["StreamDescription"]["HasMoreShards"], true);
    assert_eq!(second["StreamDescription"]["HasMoreShards"], false);
    assert_eq!(
        second["StreamDescription"]["Shards"][0]["ShardId"],
        "shardId-000000000100"
    );
}

#[tokio::test]
async fn list_streams_pages_in_the_order_of_names() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    for name in ["c", "a", "b"] {
        client
            .call("CreateStream", json!({"StreamName": name, "ShardCount": 1}))
            .await;
    }

    let first = client.call("ListStreams", json!({"Limit": 2})).await;
    let by_token = json!({"Limit": 2, "NextToken": first["NextToken"]});
    let by_token = client.call("ListStreams", by_token).await;
    let by_name = client
        .call("ListStreams", json!({"ExclusiveStartStreamName": "b"}))
        .await;

    assert_eq!(first["StreamNames"], json!(["a", "b"]));
    assert_eq!(first["HasMoreStreams"], true);
    assert_eq!(first["StreamSummaries"][1]["StreamARN"], format!("{ARN}b"));
    for last in [by_token, by_name] {
        assert_eq!(last["StreamNames"], json!(["c"]));
        assert_eq!(last["HasMoreStreams"], false);
        assert!(last.get("NextToken").is_none());
    }
    let refused = kind_and_message(&mut client, "ListStreams", json!({"Limit": 10_001})).await;
    assert_eq!(
        refused,
        [
            "ValidationException",
            "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: \
             Member must have value less than or equal to 10000"
        ]
    );
}

#[tokio::test]
async fn a_kafka_topic_is_a_stream_unless_its_name_is_too_long() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let mut kafka = server.kafka().await;
    for name in ["orders", &"long".repeat(40)] {
        topic(&mut kafka, name).await;
    }

    let listed = client.call("ListStreams", json!({})).await;
    let shown = client
        .call("DescribeStreamSummary", json!({"StreamName": "orders"}))
        .await;

    assert_eq!(listed["StreamNames"], json!(["orders"]));
    assert_eq!(
        shown["StreamDescriptionSummary"]["RetentionPeriodHours"],
        168
    );
    assert_eq!(shown["StreamDescriptionSummary"]["OpenShardCount"], 1);
}
