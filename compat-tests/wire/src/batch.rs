//! Record batches written by hand, so that a test can say anything in them.

use bytes::{BufMut, Bytes, BytesMut};
use std::io::Write;

/// What a batch says; the checksum is always right unless [`BatchOf::bytes`] are changed.
#[derive(Clone, Debug)]
pub struct BatchOf {
    pub attributes: i16,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    /// Key, value and timestamp delta of each record.
    pub records: Vec<(Option<String>, String, i64)>,
}

impl BatchOf {
    /// Records with these values, without keys, all of one time.
    pub fn values(values: &[&str]) -> BatchOf {
        let records = values.iter().map(|value| (None, value.to_string(), 0));
        BatchOf {
            attributes: 0,
            base_timestamp: 1_700_000_000_000,
            max_timestamp: 1_700_000_000_000,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records: records.collect(),
        }
    }

    /// Records of these times.
    pub fn at(timestamps: &[i64]) -> BatchOf {
        let base = timestamps[0];
        let records = timestamps
            .iter()
            .map(|at| (None, at.to_string(), at - base));
        BatchOf {
            base_timestamp: base,
            max_timestamp: timestamps.iter().copied().max().expect("a record"),
            records: records.collect(),
            ..BatchOf::values(&[])
        }
    }

    pub fn from_producer(self, id: i64, epoch: i16, sequence: i32) -> BatchOf {
        BatchOf {
            producer_id: id,
            producer_epoch: epoch,
            base_sequence: sequence,
            ..self
        }
    }

    /// Compressed with gzip.
    pub fn gzip(self) -> BatchOf {
        BatchOf {
            attributes: self.attributes | 1,
            ..self
        }
    }

    pub fn bytes(&self) -> Bytes {
        let count = i32::try_from(self.records.len()).expect("a count");
        let mut records = BytesMut::new();
        for (delta, (key, value, time)) in (0_i64..).zip(&self.records) {
            put_record(&mut records, delta, *time, key.as_deref(), value);
        }
        let records = match self.attributes & 7 {
            1 => gzip(&records),
            _ => records.to_vec(),
        };
        let mut tail = BytesMut::new();
        tail.put_i16(self.attributes);
        tail.put_i32(count - 1);
        tail.put_i64(self.base_timestamp);
        tail.put_i64(self.max_timestamp);
        tail.put_i64(self.producer_id);
        tail.put_i16(self.producer_epoch);
        tail.put_i32(self.base_sequence);
        tail.put_i32(count);
        tail.put_slice(&records);
        let mut batch = BytesMut::new();
        batch.put_i64(0);
        batch.put_i32(i32::try_from(tail.len() + 9).expect("a length"));
        batch.put_i32(-1);
        batch.put_i8(2);
        batch.put_u32(crc32c::crc32c(&tail));
        batch.put_slice(&tail);
        batch.freeze()
    }
}

fn put_record(out: &mut BytesMut, delta: i64, time: i64, key: Option<&str>, value: &str) {
    let mut record = BytesMut::new();
    record.put_i8(0);
    put_varint(&mut record, time);
    put_varint(&mut record, delta);
    match key {
        None => put_varint(&mut record, -1),
        Some(key) => put_text(&mut record, key),
    }
    put_text(&mut record, value);
    put_varint(&mut record, 0);
    put_varint(out, i64::try_from(record.len()).expect("a length"));
    out.put_slice(&record);
}

fn put_text(out: &mut BytesMut, text: &str) {
    put_varint(out, i64::try_from(text.len()).expect("a length"));
    out.put_slice(text.as_bytes());
}

fn put_varint(out: &mut BytesMut, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.put_u8(zigzag.to_le_bytes()[0] | 0x80);
        zigzag >>= 7;
    }
    out.put_u8(zigzag.to_le_bytes()[0]);
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(plain).expect("memory");
    out.finish().expect("memory")
}
