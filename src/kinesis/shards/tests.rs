//! Which shards are shown at which time, on a stream that was split.

use super::*;
use crate::kinesis::token::{Pick, ShardsToken};
use crate::store::{
    Closed, HashKey, HashRange, Offset, PartitionIndex, Settings, ShardNumber, Stamp, StreamId,
};

const DAY_MS: i64 = 86_400_000;
/// When the only shard was split.
const SPLIT: Timestamp = Timestamp(5000);

fn shard(number: u32, created: Timestamp, closed: Option<Timestamp>) -> Shard {
    let half = u128::MAX / 2;
    let range = match number {
        0 => (0, u128::MAX),
        1 => (0, half),
        _ => (half + 1, u128::MAX),
    };
    Shard {
        number: ShardNumber(number),
        partition: PartitionIndex(number / 2),
        range: HashRange {
            start: HashKey(range.0),
            end: HashKey(range.1),
        },
        stamp: Stamp(1_420_070_400 + u64::from(number)),
        first: Offset(0),
        created,
        closed: closed.map(|at| Closed {
            end: Offset(10),
            at,
        }),
        parents: (number > 0).then_some(ShardNumber(0)).into_iter().collect(),
    }
}

/// Made at 1000, split at 5000, kept for a day.
fn split_stream() -> Stream {
    let created = Timestamp(1000);
    Stream {
        name: "orders".into(),
        id: StreamId::random(),
        created,
        partitions: Vec::new(),
        shards: vec![
            shard(0, created, Some(SPLIT)),
            shard(1, SPLIT, None),
            shard(2, SPLIT, None),
        ],
        settings: Settings([("retention.ms".into(), DAY_MS.to_string())].into()),
    }
}

fn picked(pick: Pick, now: Timestamp) -> Vec<u32> {
    let stream = split_stream();
    let token = ShardsToken::new(&stream, pick, None);
    let shown = unexpired(&stream, now).filter(|shard| token.picks(shard));
    shown.map(|shard| shard.number.0).collect()
}

#[test]
fn one_generation_owns_the_keys_at_any_time() {
    let now = Timestamp(9000);
    for (at, owners) in [
        (1000, &[0][..]),
        (4999, &[0]),
        (5000, &[1, 2]),
        (9000, &[1, 2]),
    ] {
        assert_eq!(picked(Pick::OpenAt(Timestamp(at)), now), owners, "{at}");
    }
    assert_eq!(picked(Pick::Open, now), [1, 2]);
}

#[test]
fn a_closed_shard_is_listed_until_retention_has_passed() {
    assert_eq!(picked(Pick::All, Timestamp(SPLIT.0 + DAY_MS)), [0, 1, 2]);
    assert_eq!(picked(Pick::All, Timestamp(SPLIT.0 + DAY_MS + 1)), [1, 2]);
    assert_eq!(picked(Pick::OpenSince(SPLIT), Timestamp(9000)), [0, 1, 2]);
    assert_eq!(
        picked(Pick::OpenSince(Timestamp(5001)), Timestamp(9000)),
        [1, 2]
    );
}

#[test]
fn a_child_names_its_parent_and_a_parent_its_end() {
    let stream = split_stream();
    let parent = ShardView::of(&stream.shards[0]);
    let child = ShardView::of(&stream.shards[1]);

    assert_eq!(
        child.parent_shard_id.as_deref(),
        Some("shardId-000000000000")
    );
    assert_eq!(child.adjacent_parent_shard_id, None);
    assert_eq!(child.sequence_number_range.ending_sequence_number, None);
    let end = parent.sequence_number_range.ending_sequence_number;
    assert!(end.is_some_and(|end| end < child.sequence_number_range.starting_sequence_number));
}

#[test]
fn a_token_lasts_five_minutes_and_goes_on_behind_the_last_shard() {
    let stream = split_stream();
    let token = ShardsToken::new(&stream, Pick::All, None);
    let text = token.after(ShardNumber(1), Timestamp(9000)).to_string();

    let read = ShardsToken::read(&text, Timestamp(309_000)).expect("still good");
    let expired = ShardsToken::read(&text, Timestamp(309_001)).expect_err("too old");

    let rest = stream.shards.iter().filter(|shard| read.picks(shard));
    assert_eq!(rest.map(|shard| shard.number.0).collect::<Vec<_>>(), [2]);
    assert_eq!(expired.kind, "ExpiredNextTokenException");
}
