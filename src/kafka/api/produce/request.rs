//! A Produce request in slices of its frame: no batch is copied, no count is believed.

use crate::kafka::error::Disconnect;
use crate::kafka::topic::TopicRef;
use crate::kafka::wire::{Decode, Reader};
use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

/// Topics and partitions that one request may name together. A partition takes some 100 bytes in
/// memory and 3 on the wire.
const PARTS_MAX: usize = 20_000;

#[derive(Debug)]
pub struct ProduceRequest {
    pub transactional_id: Option<StrBytes>,
    pub acks: i16,
    pub topics: Vec<ProduceTopic>,
}

#[derive(Debug)]
pub struct ProduceTopic {
    pub topic: TopicRef,
    pub partitions: Vec<ProducePartition>,
}

#[derive(Debug)]
pub struct ProducePartition {
    pub index: i32,
    pub records: Option<Bytes>,
}

impl Decode for ProduceRequest {
    fn decode(body: Bytes, version: i16) -> Result<ProduceRequest, Disconnect> {
        let mut reader = Reader::new(body, version >= 9);
        let transactional_id = reader.string()?;
        let acks = reader.i16()?;
        // Bounds the wait for replicas, and there are none.
        let _timeout_ms = reader.i32()?;
        let mut parts_left = PARTS_MAX;
        let topics = array(&mut reader, &mut parts_left, |reader, parts_left| {
            topic(reader, parts_left, version)
        })?;
        reader.tagged_fields()?;
        Ok(ProduceRequest {
            transactional_id,
            acks,
            topics,
        })
    }
}

fn topic(
    reader: &mut Reader,
    parts_left: &mut usize,
    version: i16,
) -> Result<ProduceTopic, Disconnect> {
    let topic = if version >= 13 {
        TopicRef::Id(reader.uuid()?)
    } else {
        TopicRef::Name(TopicName(reader.string()?.unwrap_or_default()))
    };
    let partitions = array(reader, parts_left, |reader, _| partition(reader))?;
    reader.tagged_fields()?;
    Ok(ProduceTopic { topic, partitions })
}

fn partition(reader: &mut Reader) -> Result<ProducePartition, Disconnect> {
    let index = reader.i32()?;
    let records = reader.bytes()?;
    reader.tagged_fields()?;
    Ok(ProducePartition { index, records })
}

/// Reads as many elements as are stated and really there.
fn array<T>(
    reader: &mut Reader,
    parts_left: &mut usize,
    element: impl Fn(&mut Reader, &mut usize) -> Result<T, Disconnect>,
) -> Result<Vec<T>, Disconnect> {
    let mut elements = Vec::new();
    for _ in 0..reader.array_length()?.unwrap_or(0) {
        *parts_left = parts_left
            .checked_sub(1)
            .ok_or_else(|| Disconnect::Malformed("too many partitions".into()))?;
        elements.push(element(reader, parts_left)?);
    }
    Ok(elements)
}
