//! One type per meaning: offsets, partitions, shards, positions and times never mix.

use minicbor::{Decode, Encode};
use std::fmt;
use std::sync::Arc;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode,
        )]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Position of a record in a partition: dense from 0, never reused.
    Offset(u64)
}
number! {
    /// Names one partition of one incarnation of a stream, for ever; never reused.
    PartitionId(u64)
}
number! {
    /// A partition's number within its stream, from 0.
    PartitionIndex(u32)
}
number! {
    /// A shard's number within its stream; only grows.
    ShardNumber(u32)
}
number! {
    /// A place in the order of commits. Everything a reply contains or observed has one, and the
    /// reply may leave once that position is durable (design §8, invariant 8).
    Position(u64)
}
number! {
    /// Milliseconds since the Unix epoch; −1 where a producer gave none.
    Timestamp(i64)
}
number! {
    /// Value of the persistent counter that names a shard generation (design §3).
    Stamp(u64)
}
number! {
    /// An idempotent producer's id, as handed out by [`crate::store::Store::new_producer_id`].
    ProducerId(i64)
}

impl Offset {
    /// The offset `count` records further on.
    pub fn plus(self, count: u64) -> Offset {
        Offset(self.0 + count)
    }
}

/// A stream incarnation's identity: new whenever a name is created again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub uuid::Uuid);

impl StreamId {
    pub fn random() -> StreamId {
        StreamId(uuid::Uuid::new_v4())
    }
}

impl<C> Encode<C> for StreamId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for StreamId {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        let id = uuid::Uuid::from_slice(bytes).map_err(minicbor::decode::Error::custom)?;
        Ok(StreamId(id))
    }
}

/// A point of the 128-bit hash-key space that shards divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl<C> Encode<C> for HashKey {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0.to_be_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for HashKey {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        let be = <[u8; 16]>::try_from(bytes).map_err(minicbor::decode::Error::custom)?;
        Ok(HashKey(u128::from_be_bytes(be)))
    }
}

/// A stream's, group's or metadata's text; cloning shares it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The smallest name behind this one: this one with the smallest character appended.
    pub fn successor(&self) -> Name {
        format!("{self}\0").into()
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Maps by name are searched by text.
impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name(text.into())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Name {
        Name(text.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<C> Encode<C> for Name {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Name {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Name(d.str()?.into()))
    }
}
