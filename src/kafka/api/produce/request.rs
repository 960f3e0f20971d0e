//! A Produce request in slices of its frame: no batch is copied, no count is believed.

use crate::kafka::error::Disconnect;
use crate::kafka::topic::TopicRef;
use crate::kafka::wire::{Decode, Reader};
use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

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
        let topics = array(&mut reader, |reader| topic(reader, version))?;
        reader.tagged_fields()?;
        Ok(ProduceRequest {
            transactional_id,
            acks,
            topics,
        })
    }
}

fn topic(reader: &mut Reader, version: i16) -> Result<ProduceTopic, Disconnect> {
    let topic = if version >= 13 {
        TopicRef::Id(reader.uuid()?)
    } else {
        TopicRef::Name(TopicName(reader.string()?.unwrap_or_default()))
    };
    let partitions = array(reader, partition)?;
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
    element: impl Fn(&mut Reader) -> Result<T, Disconnect>,
) -> Result<Vec<T>, Disconnect> {
    let count = reader.array_length()?.unwrap_or(0);
    (0..count).map(|_| element(reader)).collect()
}
