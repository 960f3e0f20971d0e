//! The end of a shard, which no operation of this server brings about yet.

use super::*;
use crate::kinesis::answer::Output as _;
use crate::store::{
    Closed, HashKey, HashRange, PartitionId, PartitionIndex, Settings, ShardNumber, Stamp, StreamId,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn shard(number: u32, range: (u128, u128), end: Option<u64>, parents: &[u32]) -> Shard {
    Shard {
        number: ShardNumber(number),
        partition: PartitionIndex(0),
        range: HashRange {
            start: HashKey(range.0),
            end: HashKey(range.1),
        },
        stamp: Stamp(1_420_070_400 + u64::from(number)),
        first: Offset(0),
        created: NOW,
        closed: end.map(|end| Closed {
            end: Offset(end),
            at: NOW,
        }),
        parents: parents.iter().copied().map(ShardNumber).collect(),
    }
}

/// Shards 0 and 1 were merged into 2, which was split into 3 and 4.
fn stream() -> Stream {
    let half = u128::MAX / 2;
    Stream {
        name: "orders".into(),
        id: StreamId::random(),
        created: NOW,
        partitions: vec![PartitionId(1)],
        shards: vec![
            shard(0, (0, half), Some(10), &[]),
            shard(1, (half + 1, u128::MAX), Some(10), &[]),
            shard(2, (0, u128::MAX), Some(20), &[0, 1]),
            shard(3, (0, half), None, &[2]),
            shard(4, (half + 1, u128::MAX), None, &[2]),
        ],
        settings: Settings::default(),
    }
}

fn answered(number: usize, next: u64) -> serde_json::Value {
    let stream = stream();
    let shard = &stream.shards[number];
    let end = shard.closed.map_or(Offset(100), |closed| closed.end);
    let page = Page::new(Arc::new(shard.clone()), Offset(next), end, 10);
    let iterator = ShardIterator {
        stream: stream.name.clone(),
        stream_id: stream.id,
        shard: shard.number,
        position: page.next,
        created: NOW,
    };
    let body = answer(&stream, shard, page, iterator).body();
    serde_json::from_slice(&body.expect("a body").concat()).expect("JSON")
}

#[test]
fn at_the_end_of_a_closed_shard_children_take_the_place_of_the_iterator() {
    let answer = answered(2, 20);
    assert!(answer.get("NextShardIterator").is_none());
    assert_eq!(answer["MillisBehindLatest"], 0);
    let children = answer["ChildShards"].as_array().expect("a list");
    let ids: Vec<&str> = children
        .iter()
        .filter_map(|child| child["ShardId"].as_str())
        .collect();
    assert_eq!(ids, ["shardId-000000000003", "shardId-000000000004"]);
    assert_eq!(
        children[0]["ParentShards"],
        serde_json::json!(["shardId-000000000002"])
    );
    assert_eq!(children[0]["HashKeyRange"]["StartingHashKey"], "0");
}

#[test]
fn the_child_of_a_merge_names_both_parents() {
    let parents = serde_json::json!(["shardId-000000000000", "shardId-000000000001"]);
    for parent in [0, 1] {
        assert_eq!(
            answered(parent, 10)["ChildShards"][0]["ParentShards"],
            parents
        );
    }
}

#[test]
fn before_the_end_of_a_closed_shard_there_is_an_iterator_and_no_child() {
    for (number, next) in [(2, 19), (3, 20)] {
        let answer = answered(number, next);
        assert!(answer["NextShardIterator"].is_string());
        assert!(answer.get("ChildShards").is_none());
    }
}
