//! What Kafka says about topic names.

use super::cx::{Cx, LEADER_EPOCH};
use super::error::{ApiError, Code};
use crate::store::{Name, NewStream, Partition, PartitionIndex, Stream, StreamId};
use kafka_protocol::messages::TopicName;
use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
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

/// Kafka takes both for the same.
const SEPARATORS: [char; 2] = ['.', '_'];

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
    // Beginnings of existing names that are like this one's: not every topic is looked at.
    let mut alike = vec![String::new()];
    let mut rest = name;
    while let Some(at) = rest.find(SEPARATORS) {
        let (piece, after) = (&rest[..at], &rest[at + 1..]);
        let each = alike
            .iter()
            .flat_map(|front| SEPARATORS.map(|c| format!("{front}{piece}{c}")));
        alike = each
            .filter(|front| cx.store.stream_with_prefix(front).is_some())
            .collect();
        rest = after;
    }
    let mut whole = alike.into_iter().map(|front| front + rest);
    let found = whole.find(|other| other != name && cx.store.stream(other).is_ok());
    found.map(Name::from)
}

/// Whether a topic with this name may be made: legal, new, and like no other's.
pub fn check_new(cx: &Cx, name: &str) -> Result<(), ApiError> {
    if !is_legal(name) {
        let text = format!("Topic name {name:?} is illegal");
        return Err(ApiError::new(Code::InvalidTopicException, text));
    }
    if cx.store.stream(name).is_ok() {
        return Err(exists(name));
    }
    if let Some(other) = collision(cx, name) {
        return Err(collides(name, &other));
    }
    Ok(())
}

fn exists(name: &str) -> ApiError {
    let text = format!("Topic '{name}' already exists.");
    ApiError::new(Code::TopicAlreadyExists, text)
}

fn collides(name: &str, other: &str) -> ApiError {
    let text = format!("Topic '{name}' collides with existing topic: {other}");
    ApiError::new(Code::InvalidTopicException, text)
}

/// Topics to be made together, each of them checked.
#[derive(Default)]
pub struct NewTopics {
    streams: Vec<NewStream>,
    /// Their names, by what Kafka takes them for.
    plain: HashMap<String, Name>,
}

impl NewTopics {
    /// Adds one that passed [`check_new`], unless it is too like another of these.
    pub fn add(&mut self, new: NewStream) -> Result<(), ApiError> {
        match self.plain.entry(new.name.replace(SEPARATORS, "_")) {
            Occupied(other) if *other.get() != new.name => {
                return Err(collides(&new.name, other.get()));
            }
            Occupied(_) => {}
            Vacant(place) => {
                place.insert(new.name.clone());
                self.streams.push(new);
            }
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Makes all of them by one commit; tells of each by its name.
    pub async fn make(self, cx: &Cx) -> HashMap<Name, Result<Arc<Stream>, ApiError>> {
        let names: Vec<Name> = self.streams.iter().map(|new| new.name.clone()).collect();
        let made = cx.store.create_streams(self.streams).await;
        let told = names.into_iter().zip(made);
        told.map(|(name, made)| (name, made.map_err(ApiError::from)))
            .collect()
    }
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
