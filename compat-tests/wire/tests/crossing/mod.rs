//! Records as the `kafka-protocol` crate writes and reads them, and what a sequence number holds.

use braid_wire::Kafka;
use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

/// Time of every record that [`record`] makes: long before any arrival.
pub const PRODUCED_MS: i64 = 1_500_000_000_000;

pub fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: 0,
        timestamp: PRODUCED_MS,
        key: key.map(Bytes::copy_from_slice),
        value: value.map(Bytes::copy_from_slice),
        headers: IndexMap::new(),
    }
}

/// One batch of these records.
pub fn batch_of(records: &[Record], compression: Compression) -> Bytes {
    let numbered = (0_i32..).zip(records).map(|(i, record)| {
        let offset = i64::from(i);
        Record {
            offset,
            sequence: i,
            ..record.clone()
        }
    });
    let numbered: Vec<Record> = numbered.collect();
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, &numbered, &options).expect("a batch");
    // The encoder writes a producer's sequence even for no producer.
    bytes[53..57].copy_from_slice(&(-1_i32).to_be_bytes());
    sealed(bytes)
}

/// A batch with its length and checksum made right.
pub fn sealed(mut bytes: BytesMut) -> Bytes {
    let length = i32::try_from(bytes.len() - 12).expect("a length");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

/// Produces one batch and gives its first offset.
pub async fn produce(kafka: &mut Kafka, topic: &str, batch: Bytes) -> i64 {
    let produced = kafka.produce_bytes(topic, batch).await;
    assert_eq!(produced.error_code, 0, "{:?}", produced.error_message);
    produced.base_offset
}

/// Everything in partition 0 of a topic, as a Kafka consumer gets it.
pub async fn fetch_all(kafka: &mut Kafka, topic: &str) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let next = all.last().map_or(0, |record| record.offset + 1);
        let fetched = kafka.fetch(topic, next).await;
        assert_eq!(fetched.error_code, 0);
        let mut bytes = fetched.records.unwrap_or_default();
        if bytes.is_empty() {
            return all;
        }
        let sets = RecordBatchDecoder::decode_all(&mut bytes).expect("whole batches");
        all.extend(sets.into_iter().flat_map(|set| set.records));
    }
}

/// The offset in a sequence number: 64 bits above the lowest 80.
pub fn offset_of(sequence_number: &str) -> i64 {
    let mut words = [0_u64; 3];
    for digit in sequence_number.bytes() {
        let mut carry = u128::from(digit - b'0');
        for word in &mut words {
            carry += u128::from(*word) * 10;
            *word = (carry & u128::from(u64::MAX)) as u64;
            carry >>= 64;
        }
    }
    (words[1] >> 16 | words[2] << 48).cast_signed()
}
