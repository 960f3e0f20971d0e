//! A Produce request in slices of its frame: no batch is copied, no count is believed.

use crate::kafka::apis;
use crate::kafka::body::Body;
use crate::kafka::error::Disconnect;
use crate::kafka::text;
use crate::kafka::topic::TopicRef;
use crate::kafka::wire::{Decode, Reader, RequestHead};
use crate::store::{Batch, Berth, HEADER_BYTES, Landed};
use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

/// Batches from this length on come in where the log can write them from; smaller ones share a
/// group and its memory.
const BERTHED_BYTES_MIN: usize = 64 << 10;

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
    /// The same with room in front.
    pub berthed: Option<Landed>,
}

impl Decode for ProduceRequest {
    fn decode(body: Body, version: i16) -> Result<ProduceRequest, Disconnect> {
        let mut reader = Reader::new(body.rest(), version >= 9);
        let transactional_id = reader.string()?;
        let acks = reader.i16()?;
        // Bounds the wait for replicas, and there are none.
        let _timeout_ms = reader.i32()?;
        let topics = array(&mut reader, |reader| topic(&body, reader, version))?;
        reader.tagged_fields()?;
        Ok(ProduceRequest {
            transactional_id,
            acks,
            topics,
        })
    }
}

fn topic(body: &Body, reader: &mut Reader, version: i16) -> Result<ProduceTopic, Disconnect> {
    let topic = topic_ref(reader, version)?;
    let partitions = array(reader, |reader| partition(body, reader))?;
    reader.tagged_fields()?;
    Ok(ProduceTopic { topic, partitions })
}

fn topic_ref(reader: &mut Reader, version: i16) -> Result<TopicRef, Disconnect> {
    if version >= 13 {
        return Ok(TopicRef::Id(reader.uuid()?));
    }
    // A copy: the log may write from the frame only if nobody else has a part of it.
    let name = reader.string()?.as_ref().map(text::own);
    Ok(TopicRef::Name(TopicName(name.unwrap_or_default())))
}

fn partition(body: &Body, reader: &mut Reader) -> Result<ProducePartition, Disconnect> {
    let index = reader.i32()?;
    let records = reader.bytes()?;
    reader.tagged_fields()?;
    Ok(ProducePartition {
        index,
        berthed: records.as_ref().and_then(|records| body.widened(records)),
        records,
    })
}

/// Where a body of this length has the one large batch of a request for one partition, and the
/// berth for it; `None` if it has another form or its front is too short to tell. Nothing is
/// believed: whether the batch lies there is seen once all of it is read.
pub fn berth(head: &RequestHead, length: usize, front: &[u8]) -> Option<(usize, Berth)> {
    if length < BERTHED_BYTES_MIN {
        return None;
    }
    let front = Bytes::copy_from_slice(front);
    let mut reader = apis::reader(head, front.clone());
    let at = lone_batch_at(&mut reader, head.version).ok().flatten()?;
    let header = front.get(at..at + HEADER_BYTES)?;
    let batch = Batch::trusted(front.slice_ref(header));
    Some((at, Berth::new(batch.producer().is_some())))
}

fn lone_batch_at(reader: &mut Reader, version: i16) -> Result<Option<usize>, Disconnect> {
    let whole = reader.rest().len();
    reader.client_id()?;
    reader.tagged_fields()?;
    reader.skip_string()?;
    reader.i16()?;
    reader.i32()?;
    let topics = reader.array_length()?;
    topic_ref(reader, version)?;
    let partitions = reader.array_length()?;
    reader.i32()?;
    let bytes = reader.array_length()?;
    let is_lone = topics == Some(1) && partitions == Some(1);
    let is_large = bytes.is_some_and(|bytes| bytes >= BERTHED_BYTES_MIN);
    Ok((is_lone && is_large).then(|| whole - reader.rest().len()))
}

/// Reads as many elements as are stated and really there.
fn array<T>(
    reader: &mut Reader,
    element: impl Fn(&mut Reader) -> Result<T, Disconnect>,
) -> Result<Vec<T>, Disconnect> {
    let count = reader.array_length()?.unwrap_or(0);
    (0..count).map(|_| element(reader)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::budget::Budget;
    use crate::kafka::frame::Frames;
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::ApiKey;
    use std::sync::Arc;
    use tokio::io::AsyncWriteExt;

    /// Where a batch has its producer's id.
    const PRODUCER_AT: usize = 43;

    /// What looks like a batch as far as its producer's id.
    fn batch(bytes: usize, producer: i64) -> Bytes {
        let mut batch = vec![3; bytes];
        batch[PRODUCER_AT..][..8].copy_from_slice(&producer.to_be_bytes());
        batch.into()
    }

    /// A whole frame with these batches for partitions of one topic.
    fn frame(version: i16, batches: &[Bytes]) -> Vec<u8> {
        let flexible = version >= 9;
        let mut frame = BytesMut::new();
        let count = |frame: &mut BytesMut, count: usize| match flexible {
            true => put_unsigned_varint(frame, count + 1),
            false => frame.put_i32(i32::try_from(count).expect("a count")),
        };
        frame.put_i32(0);
        frame.put_i16(ApiKey::Produce as i16);
        frame.put_i16(version);
        frame.put_i32(1);
        frame.put_i16(8);
        frame.put_slice(b"a client");
        // Tags of the header, then no transactional id.
        frame.put_slice(if flexible { &[0, 0] } else { &[0xff, 0xff] });
        frame.put_i16(-1);
        frame.put_i32(1000);
        count(&mut frame, 1);
        match version {
            13.. => frame.put_u128(99),
            9.. => frame.put_slice(b"\x07orders"),
            _ => frame.put_slice(b"\x00\x06orders"),
        }
        count(&mut frame, batches.len());
        for (index, batch) in batches.iter().enumerate() {
            frame.put_i32(i32::try_from(index).expect("a few"));
            count(&mut frame, batch.len());
            frame.put_slice(batch);
            frame.put_bytes(0, usize::from(flexible));
        }
        frame.put_bytes(0, 2 * usize::from(flexible));
        let length = i32::try_from(frame.len() - 4).expect("a length");
        frame[..4].copy_from_slice(&length.to_be_bytes());
        frame.to_vec()
    }

    fn put_unsigned_varint(frame: &mut BytesMut, mut number: usize) {
        while number >= 0x80 {
            frame.put_u8(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
            number >>= 7;
        }
        frame.put_u8(u8::try_from(number).expect("seven bits"));
    }

    /// The partitions of a request that comes in over a connection.
    async fn received(version: i16, batches: &[Bytes]) -> Vec<ProducePartition> {
        let sent = frame(version, batches);
        let (mut peer, source) = tokio::io::duplex(8 << 10);
        let mut frames = Frames::new(source, Arc::new(Budget::new(64 << 20)), 100 << 20);
        let (frame, written) = tokio::join!(frames.next(), peer.write_all(&sent));
        written.expect("room");
        let frame = frame.expect("a frame").expect("a frame");
        let (_, body) = apis::client_id(&frame.head, frame.body).expect("a header");
        let mut request = ProduceRequest::decode(body, version).expect("a request");
        request.topics.remove(0).partitions
    }

    #[tokio::test]
    async fn one_large_batch_comes_in_where_the_log_can_write_it_from() {
        for version in [3, 8, 9, 12, 13] {
            for producer in [-1, 7] {
                let batch = batch(BERTHED_BYTES_MIN + 1000, producer);
                let partition = received(version, std::slice::from_ref(&batch))
                    .await
                    .remove(0);
                assert_eq!(partition.records, Some(batch.clone()));
                let berthed = partition.berthed.expect("a berth");
                assert_eq!(berthed.bytes.as_ptr().addr() % 4096, 0, "{version}");
                assert!(berthed.bytes.ends_with(&batch));
                // Nobody else has a part of it once the request has been read.
                drop(partition.records);
                assert!(berthed.into_sole().is_ok(), "{version}");
            }
        }
    }

    #[tokio::test]
    async fn small_batches_and_several_of_them_come_in_as_they_are() {
        let large = batch(BERTHED_BYTES_MIN, 7);
        for batches in [vec![batch(5000, 7)], vec![large.clone(), large]] {
            for partition in received(9, &batches).await {
                assert!(partition.berthed.is_none());
            }
        }
    }

    #[test]
    fn a_front_that_does_not_tell_has_no_berth() {
        let sent = frame(9, &[batch(BERTHED_BYTES_MIN, 7)]);
        let head = RequestHead::parse(sent[4..12].try_into().expect("a head")).expect("a head");
        let front = &sent[12..400];
        assert!(berth(&head, sent.len(), front).is_some());
        for end in 0..90 {
            assert_eq!(berth(&head, sent.len(), &front[..end]), None, "{end}");
        }
        for at in 0..front.len() {
            let mut garbled = front.to_vec();
            garbled[at] = 0xff;
            berth(&head, sent.len(), &garbled);
        }
    }
}
