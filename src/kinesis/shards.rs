//! A stream's shards as this face lists them: which are still there, and how each is shown.

use super::sequence::SequenceNumber;
use super::shard_id;
use crate::store::{Shard, Stream, Timestamp};
use serde::Serialize;

/// A shard as answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShardView {
    shard_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjacent_parent_shard_id: Option<String>,
    hash_key_range: HashKeyRangeView,
    sequence_number_range: SequenceNumberRangeView,
}

/// A hash range as answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HashKeyRangeView {
    starting_hash_key: String,
    ending_hash_key: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRangeView {
    starting_sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_sequence_number: Option<String>,
}

impl ShardView {
    pub fn of(shard: &Shard) -> ShardView {
        let mut parents = shard.parents.iter().map(|number| shard_id::format(*number));
        ShardView {
            shard_id: shard_id::format(shard.number),
            parent_shard_id: parents.next(),
            adjacent_parent_shard_id: parents.next(),
            hash_key_range: HashKeyRangeView {
                starting_hash_key: shard.range.start.0.to_string(),
                ending_hash_key: shard.range.end.0.to_string(),
            },
            sequence_number_range: SequenceNumberRangeView {
                starting_sequence_number: SequenceNumber::starting(shard).to_string(),
                ending_sequence_number: SequenceNumber::ending(shard).map(|n| n.to_string()),
            },
        }
    }
}

/// The oldest time that retention still covers, no earlier than the stream itself.
pub fn horizon(stream: &Stream, now: Timestamp) -> Timestamp {
    let kept_ms = stream.settings.retention_ms().unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_sub(kept_ms)).max(stream.created)
}

/// Shards that are open or were within retention, by number.
pub fn unexpired(stream: &Stream, now: Timestamp) -> impl Iterator<Item = &Shard> {
    let horizon = horizon(stream, now);
    let shards = stream.shards.iter();
    shards.filter(move |shard| shard.closed.is_none_or(|closed| closed.at >= horizon))
}

/// Whether a shard comes after the one with this id, which need not exist.
pub fn is_after(shard: &Shard, id: &str) -> bool {
    match shard_id::parse(id) {
        Some(number) => shard.number > number,
        None => *shard_id::format(shard.number) > *id,
    }
}

/// Whether the shard owned its range at that time. At the instant of a reshard the children do,
/// so that the owners always tile the hash space.
pub fn is_open_at(shard: &Shard, at: Timestamp) -> bool {
    shard.created <= at && shard.closed.is_none_or(|closed| closed.at > at)
}

#[cfg(test)]
mod tests;
