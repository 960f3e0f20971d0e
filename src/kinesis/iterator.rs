//! Shard iterators: an opaque string that carries a place in a shard for five minutes.
//!
//! Base64 of a version, the time of issue, a number that makes each string another, stream id,
//! shard, offset, stream name, and in front of them all a checksum: a string that was cut or
//! changed is no iterator. It grants nothing that GetShardIterator would not, so it needs no key.

use crate::store::{Name, Offset, ShardNumber, StreamId, Timestamp};
use bytes::{Buf, BufMut};
use md5::{Digest, Md5};
use std::fmt;

/// How long an iterator may be used (spec C.5).
pub const EXPIRES_AFTER_MS: i64 = 300_000;
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
/// Bytes after the checksum and before the name.
const FIXED_BYTES: usize = 1 + 8 + 16 + 16 + 4 + 8;

/// A place in a shard, and since when it was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIterator {
    pub stream: Name,
    pub stream_id: StreamId,
    pub shard: ShardNumber,
    /// The next offset to read, or a later one if that is gone.
    pub position: Offset,
    pub created: Timestamp,
}

impl ShardIterator {
    /// Reads an iterator; quotes around it are accepted, as the service does (spec C.6).
    pub fn parse(text: &str) -> Option<ShardIterator> {
        let text = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        let bytes = base64_simd::STANDARD.decode_to_vec(text).ok()?;
        let (stated, mut rest) = bytes.split_at_checked(CHECKSUM_BYTES)?;
        if stated != checksum(rest) || rest.len() < FIXED_BYTES || rest.get_u8() != VERSION {
            return None;
        }
        let created = Timestamp(rest.get_i64());
        rest.advance(16);
        Some(ShardIterator {
            created,
            stream_id: StreamId(uuid::Uuid::from_u128(rest.get_u128())),
            shard: ShardNumber(rest.get_u32()),
            position: Offset(rest.get_u64()),
            stream: std::str::from_utf8(rest).ok()?.into(),
        })
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        now.0.saturating_sub(self.created.0) > EXPIRES_AFTER_MS
    }
}

/// Another string at every call.
impl fmt::Display for ShardIterator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![0; CHECKSUM_BYTES];
        bytes.put_u8(VERSION);
        bytes.put_i64(self.created.0);
        bytes.put_slice(uuid::Uuid::new_v4().as_bytes());
        bytes.put_slice(self.stream_id.0.as_bytes());
        bytes.put_u32(self.shard.0);
        bytes.put_u64(self.position.0);
        bytes.put_slice(self.stream.as_bytes());
        let checksum = checksum(&bytes[CHECKSUM_BYTES..]);
        bytes[..CHECKSUM_BYTES].copy_from_slice(&checksum);
        f.write_str(&base64_simd::STANDARD.encode_to_string(&bytes))
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&Md5::digest(bytes)[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn iterator(name: &str) -> ShardIterator {
        ShardIterator {
            stream: name.into(),
            stream_id: StreamId::random(),
            shard: ShardNumber(7),
            position: Offset(1 << 40),
            created: Timestamp(1_700_000_000_000),
        }
    }

    #[test]
    fn an_iterator_comes_back_as_it_went_out() {
        for name in ["a", &"n".repeat(249)] {
            let iterator = iterator(name);
            let text = iterator.to_string();
            assert!((1..=512).contains(&text.len()), "{}", text.len());
            assert_eq!(ShardIterator::parse(&text), Some(iterator.clone()));
            assert_eq!(ShardIterator::parse(&format!("\"{text}\"")), Some(iterator));
        }
    }

    #[test]
    fn no_two_iterators_are_the_same_string() {
        let iterator = iterator("orders");
        assert_ne!(iterator.to_string(), iterator.to_string());
    }

    #[test]
    fn an_iterator_lasts_five_minutes() {
        let iterator = iterator("orders");
        assert!(!iterator.is_expired(Timestamp(1_700_000_300_000)));
        assert!(iterator.is_expired(Timestamp(1_700_000_300_001)));
    }

    proptest! {
        #[test]
        fn a_changed_iterator_is_none(at: prop::sample::Index, to in "[A-Za-z0-9+/]") {
            let text = iterator("orders").to_string();
            let at = at.index(text.trim_end_matches('=').len());
            let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
            prop_assert_eq!(ShardIterator::parse(&changed).is_some(), changed == text);
        }

        #[test]
        fn a_cut_iterator_is_none(at: prop::sample::Index) {
            let text = iterator("orders").to_string();
            prop_assert_eq!(ShardIterator::parse(&text[..at.index(text.len())]), None);
        }

        #[test]
        fn nothing_else_is_an_iterator(text in ".{0,200}") {
            prop_assert_eq!(ShardIterator::parse(&text), None);
        }
    }
}
