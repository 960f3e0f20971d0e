//! Keyed state that rides in the log: catalogue, groups, commits, counters.
//!
//! Encoded as CBOR by field number, so that fields can be added and never renumbered.

use super::stream::Stream;
use super::{Name, Offset, PartitionIndex, Position, StreamId, Timestamp};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::sync::Arc;

/// Names one value of the keyed state. The order of variants and fields is the order of a scan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Key {
    /// A counter that never goes back.
    #[n(0)]
    Counter(#[n(0)] Counter),
    /// A stream by name.
    #[n(1)]
    Stream(#[n(0)] Name),
    /// The name of the stream with this id.
    #[n(2)]
    StreamName(#[n(0)] StreamId),
    /// A group by name.
    #[n(3)]
    Group(#[n(0)] Name),
    /// A group's committed offset of one partition.
    #[n(4)]
    Commit(#[n(0)] CommitKey),
    /// What this store is called, for ever.
    #[n(5)]
    Cluster,
}

impl Key {
    /// The smallest key behind this one.
    pub fn successor(&self) -> Key {
        match self {
            Key::Counter(Counter::Partition) => Key::Counter(Counter::Stamp),
            Key::Counter(Counter::Stamp) => Key::Counter(Counter::Producer),
            Key::Counter(Counter::Producer) => Key::Stream("".into()),
            Key::Stream(name) => Key::Stream(name.successor()),
            Key::StreamName(id) => match id.0.as_u128().checked_add(1) {
                Some(next) => Key::StreamName(StreamId(uuid::Uuid::from_u128(next))),
                None => Key::Group("".into()),
            },
            Key::Group(name) => Key::Group(name.successor()),
            Key::Commit(key) => Key::Commit(key.successor()),
            // Nothing is behind the last.
            Key::Cluster => Key::Cluster,
        }
    }
}

impl CommitKey {
    fn successor(&self) -> CommitKey {
        let next = self.partition.0.checked_add(1);
        CommitKey {
            group: self.group.clone(),
            stream: match next {
                Some(_) => self.stream.clone(),
                None => self.stream.successor(),
            },
            partition: PartitionIndex(next.unwrap_or(0)),
        }
    }
}

/// The counters that are never reused, even after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Counter {
    /// Next [`super::PartitionId`].
    #[n(0)]
    Partition,
    /// Next [`super::Stamp`].
    #[n(1)]
    Stamp,
    /// Next [`super::ProducerId`].
    #[n(2)]
    Producer,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct CommitKey {
    #[n(0)]
    pub group: Name,
    #[n(1)]
    pub stream: Name,
    #[n(2)]
    pub partition: PartitionIndex,
}

/// A value of the keyed state. Each [`Key`] variant has its own.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Value {
    #[n(0)]
    Counter(#[n(0)] u64),
    #[n(1)]
    Stream(
        #[n(0)]
        #[cbor(with = "shared")]
        Arc<Stream>,
    ),
    #[n(2)]
    StreamName(#[n(0)] Name),
    #[n(3)]
    Group(
        #[n(0)]
        #[cbor(with = "shared")]
        Arc<Group>,
    ),
    #[n(4)]
    Commit(#[n(0)] Commit),
    #[n(5)]
    Cluster(#[n(0)] Name),
}

/// A group as it survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Group {
    /// When the last member left, or the group was made; offsets expire after that.
    #[n(0)]
    pub empty_since: Option<Timestamp>,
    /// Members, generation and assignments in the coordinator's own encoding; only carried here.
    #[n(1)]
    #[cbor(encode_with = "encode_bytes", decode_with = "decode_bytes")]
    pub membership: Bytes,
}

/// A committed offset: the stored truth that leases are rendered from (design §5).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Commit {
    /// The incarnation it was made for; a commit of an earlier one does not count.
    #[n(0)]
    pub stream: StreamId,
    /// The next offset to read.
    #[n(1)]
    pub offset: Offset,
    #[n(2)]
    pub leader_epoch: i32,
    #[n(3)]
    pub metadata: Name,
    #[n(4)]
    pub at: Timestamp,
    /// When it lapses by itself, if the client asked for that.
    #[n(5)]
    pub expires: Option<Timestamp>,
}

/// A value with the commit that wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub value: Value,
    pub version: Position,
}

fn encode_bytes<C, W: minicbor::encode::Write>(
    bytes: &Bytes,
    e: &mut minicbor::Encoder<W>,
    _: &mut C,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    e.bytes(bytes)?.ok()
}

fn decode_bytes<C>(
    d: &mut minicbor::Decoder<'_>,
    _: &mut C,
) -> Result<Bytes, minicbor::decode::Error> {
    Ok(Bytes::copy_from_slice(d.bytes()?))
}

/// A shared value is encoded as the value.
mod shared {
    use minicbor::{Decode, Decoder, Encode, Encoder};
    use std::sync::Arc;

    pub fn encode<C, T: Encode<C>, W: minicbor::encode::Write>(
        value: &Arc<T>,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        value.encode(e, context)
    }

    pub fn decode<'b, C, T: Decode<'b, C>>(
        d: &mut Decoder<'b>,
        context: &mut C,
    ) -> Result<Arc<T>, minicbor::decode::Error> {
        T::decode(d, context).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_between_a_key_and_its_successor() {
        let commit = |stream: &str, partition| {
            Key::Commit(CommitKey {
                group: "g".into(),
                stream: stream.into(),
                partition: PartitionIndex(partition),
            })
        };
        let pairs = [
            (Key::Counter(Counter::Producer), Key::Stream("".into())),
            (Key::Stream("a".into()), Key::Stream("a\0".into())),
            (Key::Group("g".into()), Key::Group("g\0".into())),
            (commit("s", 6), commit("s", 7)),
            (commit("s", u32::MAX), commit("s\0", 0)),
            (
                Key::StreamName(StreamId(uuid::Uuid::max())),
                Key::Group("".into()),
            ),
        ];
        for (key, successor) in pairs {
            assert!(key < successor, "{key:?}");
            assert_eq!(key.successor(), successor);
        }
    }
}
