//! What Kafka says about topic names.

use super::cx::{Cx, LEADER_EPOCH};
use super::error::{ApiError, Code};
use crate::store::{Name, NewStream, Partition, PartitionIndex, Settings, Stream, StreamId};
use kafka_protocol::messages::TopicName;
use std::sync::Arc;
use uuid::Uuid;

/// Longest name of a topic.
const NAME_CHARS_MAX: usize = 249;
/// Topics that a Kafka cluster keeps for itself; no client writes to them.
const INTERNAL: [&str; 3] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

/// 1–249 of `[a-zA-Z0-9._-]`, but not `.` or `..`.
pub fn is_legal(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name.chars().all(legal)
        && !matches!(name, "." | "..")
}

pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// How a request names a topic: by name, from some version on by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicRef {
    Name(TopicName),
    Id(Uuid),
}

impl TopicRef {
    pub fn find(&self, cx: &Cx) -> Result<Arc<Stream>, ApiError> {
        match self {
            TopicRef::Name(name) => Ok(cx.store.stream(name)?),
            TopicRef::Id(id) => {
                let found = cx.store.stream_by_id(StreamId(*id));
                found.ok_or(Code::UnknownTopicId.into())
            }
        }
    }
}

/// A partition by its number on the wire.
pub fn partition(cx: &Cx, stream: &Stream, index: i32) -> Result<Partition, ApiError> {
    let index = u32::try_from(index).map_err(|_| Code::UnknownTopicOrPartition)?;
    Ok(cx.store.partition(stream, PartitionIndex(index))?)
}

/// What a client believes the leader epoch to be; −1 is no belief.
pub fn check_leader_epoch(believed: i32) -> Result<(), ApiError> {
    if believed > LEADER_EPOCH {
        return Err(Code::UnknownLeaderEpoch.into());
    }
    // No epoch was ever below the one there is, so nobody can be fenced.
    Ok(())
}

/// An existing topic whose name differs from this one only by `.` and `_`: both would have the
/// same name in Kafka's metrics, so Kafka refuses the second.
pub fn collision(cx: &Cx, name: &str) -> Option<Name> {
    if !name.contains(['.', '_']) {
        return None;
    }
    let plain = |name: &str| name.replace('.', "_");
    let sought = plain(name);
    let all = cx.store.all_streams().into_iter();
    let mut names = all.map(|stream| stream.name.clone());
    names.find(|other| **other != *name && plain(other) == sought)
}

/// Whether a topic with this name may be made: legal, new, and like no other's.
pub fn check_new(cx: &Cx, name: &str) -> Result<(), ApiError> {
    if !is_legal(name) {
        let text = format!("Topic name {name:?} is illegal");
        return Err(ApiError::new(Code::InvalidTopicException, text));
    }
    if cx.store.stream(name).is_ok() {
        let text = format!("Topic '{name}' already exists.");
        return Err(ApiError::new(Code::TopicAlreadyExists, text));
    }
    if let Some(other) = collision(cx, name) {
        let text = format!("Topic '{name}' collides with existing topic: {other}");
        return Err(ApiError::new(Code::InvalidTopicException, text));
    }
    Ok(())
}

/// Makes a topic with this name, if that may be.
pub async fn create(
    cx: &Cx,
    name: &str,
    partition_count: u32,
    settings: Settings,
) -> Result<Arc<Stream>, ApiError> {
    check_new(cx, name)?;
    let new = NewStream {
        name: name.into(),
        partition_count,
        settings,
    };
    Ok(cx.store.create_stream(new).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_name_has_up_to_249_plain_characters() {
        for good in ["a", "orders.v1", "_x-9", "...", &"n".repeat(249)] {
            assert!(is_legal(good), "{good}");
        }
        for bad in ["", ".", "..", "a b", "é", "a/b", &"n".repeat(250)] {
            assert!(!is_legal(bad), "{bad}");
        }
    }
}
