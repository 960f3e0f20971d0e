//! Which open shard a record goes to: the one that owns its hash key (spec C.1).
//!
//! `key.routing=murmur2|crc32` (design §4) is not served yet: the MD5 of the key decides.

use crate::store::{HashKey, Shard, Stream};
use md5::{Digest, Md5};

/// The hash key of a partition key: its MD5 as a big-endian number.
pub fn hash_key(partition_key: &str) -> HashKey {
    HashKey(u128::from_be_bytes(
        Md5::digest(partition_key.as_bytes()).into(),
    ))
}

/// A hash key that a client gave in decimal; `None` beyond 2^128 − 1.
pub fn explicit_hash_key(decimal: &str) -> Option<HashKey> {
    decimal.parse().ok().map(HashKey)
}

/// The open shard that owns a hash key. Open shards tile the space (design §8, invariant 5).
pub fn owner(stream: &Stream, key: HashKey) -> Option<&Shard> {
    let owns = |shard: &&Shard| shard.closed.is_none() && shard.range.contains(key);
    // In a stream that was never resharded shards are in the order of their ranges.
    let likely = stream.shards.partition_point(|shard| shard.range.end < key);
    let likely = stream.shards.get(likely).filter(owns);
    likely.or_else(|| stream.open_shards().find(owns))
}

/// The shard that takes every record, if there is only one open.
pub fn only(stream: &Stream) -> Option<&Shard> {
    let mut open = stream.open_shards();
    let first = open.next();
    first.filter(|_| open.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::HashRange;

    /// Recorded from the service (spec C.1).
    #[test]
    fn a_partition_keys_hash_key_is_that_of_the_service() {
        let shard_of_4 = |key: HashKey| {
            HashRange::uniform(4)
                .iter()
                .position(|range| range.contains(key))
        };
        let a = hash_key("a");
        assert_eq!(a.0, 16_955_237_001_963_240_173_058_271_559_858_726_497);
        assert_eq!(shard_of_4(a), Some(0));
        let partition_1 = hash_key("partition-1");
        assert_eq!(
            partition_1.0,
            198_019_941_650_871_988_756_153_596_255_032_211_816
        );
        assert_eq!(shard_of_4(partition_1), Some(2));
    }

    #[test]
    fn an_explicit_hash_key_ends_with_the_hash_space() {
        let last = u128::MAX.to_string();
        assert_eq!(explicit_hash_key(&last), Some(HashKey(u128::MAX)));
        assert_eq!(
            explicit_hash_key("340282366920938463463374607431768211456"),
            None
        );
    }
}
