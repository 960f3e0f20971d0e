//! A shard is one generation of a partition: a span of its offsets that owned one hash range.

use super::{HashKey, Offset, PartitionIndex, ShardNumber, Stamp, Timestamp};
use minicbor::{Decode, Encode};

/// Hash keys from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HashRange {
    #[n(0)]
    pub start: HashKey,
    #[n(1)]
    pub end: HashKey,
}

impl HashRange {
    pub fn contains(&self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// The `count` ranges of a new stream: equal sizes, the last one takes the remainder
    /// (spec C.1).
    pub fn uniform(count: u32) -> Vec<HashRange> {
        if count <= 1 {
            return vec![HashRange {
                start: HashKey(0),
                end: HashKey(u128::MAX),
            }];
        }
        let count = u128::from(count);
        // ⌊2^128 / n⌋ without a 129-bit number.
        let size = u128::MAX / count + u128::from(u128::MAX % count == count - 1);
        let end = |i: u128| {
            if i + 1 == count {
                u128::MAX
            } else {
                size * (i + 1) - 1
            }
        };
        (0..count)
            .map(|i| HashRange {
                start: HashKey(size * i),
                end: HashKey(end(i)),
            })
            .collect()
    }
}

/// The end of a shard: where and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Closed {
    /// First offset of the partition that no longer belongs to the shard.
    #[n(0)]
    pub end: Offset,
    #[n(1)]
    pub at: Timestamp,
}

/// One span of one partition, `[first, closed.end)`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Shard {
    #[n(0)]
    pub number: ShardNumber,
    #[n(1)]
    pub partition: PartitionIndex,
    #[n(2)]
    pub range: HashRange,
    /// Names this generation for ever; children's sort after their parents'.
    #[n(3)]
    pub stamp: Stamp,
    #[n(4)]
    pub first: Offset,
    #[n(5)]
    pub created: Timestamp,
    #[n(6)]
    pub closed: Option<Closed>,
    /// None for a stream's first shards, one after a split, two after a merge.
    #[n(7)]
    pub parents: Vec<ShardNumber>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_of_a_new_stream_are_those_of_the_service() {
        let starts: Vec<u128> = HashRange::uniform(3).iter().map(|r| r.start.0).collect();
        assert_eq!(
            starts,
            [
                0,
                113427455640312821154458202477256070485,
                226854911280625642308916404954512140970
            ]
        );
    }

    #[test]
    fn the_ranges_tile_the_whole_hash_space_for_any_count() {
        for count in [1, 2, 3, 4, 7, 64, 1000, 10_000] {
            let ranges = HashRange::uniform(count);
            assert_eq!(ranges[0].start.0, 0);
            assert_eq!(ranges[ranges.len() - 1].end.0, u128::MAX);
            assert!(
                ranges.windows(2).all(|w| w[0].end.0 + 1 == w[1].start.0),
                "{count}"
            );
        }
    }
}
