//! ListShards: what it accepts, refuses and does (spec B.3).

use braid_wire::{Kinesis, TestServer};
use serde_json::{Value, json};

async fn stream_of_three(server: &TestServer) -> Kinesis {
    let mut client = server.kinesis().await;
    client
        .call("CreateStream", json!({"StreamName": "a", "ShardCount": 3}))
        .await;
    client
}

fn ids(answer: &Value) -> Vec<&str> {
    let shards = answer["Shards"].as_array().expect("shards");
    shards
        .iter()
        .filter_map(|shard| shard["ShardId"].as_str())
        .collect()
}

const ALL: [&str; 3] = [
    "shardId-000000000000",
    "shardId-000000000001",
    "shardId-000000000002",
];

#[tokio::test]
async fn pages_go_on_by_token_until_there_is_none() {
    let server = TestServer::start().await;
    let mut client = stream_of_three(&server).await;

    let first = client
        .call("ListShards", json!({"StreamName": "a", "MaxResults": 2}))
        .await;
    let second = client
        .call("ListShards", json!({"NextToken": first["NextToken"]}))
        .await;
    let whole = client
        .call("ListShards", json!({"StreamName": "a", "MaxResults": 3}))
        .await;

    assert_eq!(
        (ids(&first), ids(&second)),
        (ALL[..2].to_vec(), ALL[2..].to_vec())
    );
    assert!(second.get("NextToken").is_none());
    assert_eq!(ids(&whole), ALL);
    assert!(whole.get("NextToken").is_none());
    assert!(whole["Shards"][0].get("ParentShardId").is_none());
}

#[tokio::test]
async fn every_filter_shows_all_shards_of_a_stream_that_was_never_resharded() {
    let server = TestServer::start().await;
    let mut client = stream_of_three(&server).await;

    for filter in [
        json!({"Type": "AT_LATEST"}),
        json!({"Type": "AT_TRIM_HORIZON"}),
        json!({"Type": "FROM_TRIM_HORIZON"}),
        json!({"Type": "AT_TIMESTAMP", "Timestamp": 1.5}),
        json!({"Type": "AT_TIMESTAMP", "Timestamp": 4e9}),
        json!({"Type": "FROM_TIMESTAMP", "Timestamp": 0}),
        json!({"Type": "FROM_TIMESTAMP", "Timestamp": 4e9}),
    ] {
        let input = json!({"StreamName": "a", "ShardFilter": filter});
        assert_eq!(
            ids(&client.call("ListShards", input).await),
            ALL,
            "{filter}"
        );
    }
}

#[tokio::test]
async fn shards_behind_one_are_listed_whether_it_exists_or_not() {
    let server = TestServer::start().await;
    let mut client = stream_of_three(&server).await;

    for (id, count) in [
        ("shardId-000000000000", 2),
        ("shardId-000000000009", 0),
        ("a", 3),
    ] {
        let filter = json!({"Type": "AFTER_SHARD_ID", "ShardId": id});
        for input in [
            json!({"StreamName": "a", "ShardFilter": filter}),
            json!({"StreamName": "a", "ExclusiveStartShardId": id}),
        ] {
            let answer = client.call("ListShards", input).await;
            assert_eq!(ids(&answer), ALL[3 - count..], "{id}");
        }
    }
}

/// Asserts that each input is refused in these words.
async fn assert_refused(client: &mut Kinesis, kind: &str, cases: &[(Value, &str)]) {
    for (input, message) in cases {
        let (found, words) = client.refusal("ListShards", input.clone()).await;
        assert_eq!((&*found, &*words), (kind, *message));
    }
}

#[tokio::test]
async fn what_does_not_go_together_is_refused() {
    let server = TestServer::start().await;
    let mut client = stream_of_three(&server).await;
    let page = client
        .call("ListShards", json!({"StreamName": "a", "MaxResults": 1}))
        .await;
    let token = &page["NextToken"];
    let with_name = json!({"StreamName": "a", "NextToken": token});
    let with_filter = json!({"NextToken": token, "ShardFilter": {"Type": "AT_LATEST"}});
    let filter = |kind: &str| json!({"StreamName": "a", "ShardFilter": {"Type": kind}});

    let cases = [
        (
            json!({}),
            "Either NextToken or StreamName should be provided.",
        ),
        (
            with_name,
            "NextToken and StreamName cannot be provided together.",
        ),
        (
            with_filter,
            "NextToken and ShardFilter cannot be provided together.",
        ),
        (json!({"NextToken": "AAAA"}), "Invalid NextToken."),
        (
            filter("AFTER_SHARD_ID"),
            "ShardId must be provided for ShardFilter type AFTER_SHARD_ID.",
        ),
        (
            filter("AT_TIMESTAMP"),
            "Timestamp must be provided for ShardFilter type AT_TIMESTAMP.",
        ),
    ];
    assert_refused(&mut client, "InvalidArgumentException", &cases).await;
    let made_then = json!({"StreamName": "a", "StreamCreationTimestamp": 1});
    let cases = [(made_then, "Stream a under account 000000000000 not found.")];
    assert_refused(&mut client, "ResourceNotFoundException", &cases).await;
}

#[tokio::test]
async fn violations_inside_the_filter_are_named_by_their_path() {
    let server = TestServer::start().await;
    let mut client = stream_of_three(&server).await;

    let empty = "2 validation errors detected: Value '0' at 'maxResults' failed to satisfy \
                 constraint: Member must have value greater than or equal to 1; Value null at \
                 'shardFilter.type' failed to satisfy constraint: Member must not be null";
    let unknown = "1 validation error detected: Value 'x' at 'shardFilter.type' failed to satisfy \
                   constraint: Member must satisfy enum value set: [AFTER_SHARD_ID, \
                   AT_TRIM_HORIZON, FROM_TRIM_HORIZON, AT_LATEST, AT_TIMESTAMP, FROM_TIMESTAMP]";
    let cases = [
        (
            json!({"StreamName": "a", "MaxResults": 0, "ShardFilter": {}}),
            empty,
        ),
        (
            json!({"StreamName": "a", "ShardFilter": {"Type": "x"}}),
            unknown,
        ),
    ];
    assert_refused(&mut client, "ValidationException", &cases).await;
}

#[tokio::test]
async fn a_token_ends_with_its_stream() {
    let server = TestServer::start().await;
    let mut client = stream_of_three(&server).await;
    let page = client
        .call("ListShards", json!({"StreamName": "a", "MaxResults": 1}))
        .await;

    client
        .call("DeleteStream", json!({"StreamName": "a"}))
        .await;
    client
        .call("CreateStream", json!({"StreamName": "a", "ShardCount": 3}))
        .await;

    let (kind, _) = client
        .refusal("ListShards", json!({"NextToken": page["NextToken"]}))
        .await;
    assert_eq!(kind, "ResourceNotFoundException");
}
