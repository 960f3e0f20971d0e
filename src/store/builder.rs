//! Makes an uncompressed batch out of records, for a face that is not given one.

use super::batch::{Batch, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_PREFIX_BYTES};
use super::varint::{put_varint, varint_bytes};
use bytes::{BufMut, BytesMut};

/// A record's headers before they are written.
pub type NewHeaders<'a> = &'a [(&'a [u8], Option<&'a [u8]>)];

/// Records become one batch; the engine stamps their times (`AppendTimes::Created`).
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: BytesMut,
    count: i32,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    pub fn new() -> BatchBuilder {
        let mut bytes = BytesMut::new();
        bytes.put_bytes(0, HEADER_BYTES);
        BatchBuilder { bytes, count: 0 }
    }

    /// Bytes of the batch so far, header included.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    pub fn record_count(&self) -> u32 {
        self.count.cast_unsigned()
    }

    /// Bytes by which a [`push`](Self::push) of this record lengthens the batch.
    pub fn bytes_added_by(
        &self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: NewHeaders<'_>,
    ) -> usize {
        let body = body_bytes(self.count, key, value, headers);
        varint_bytes(int(body)) + body
    }

    /// Adds a record. A batch's length is an `i32`: the caller closes it long before.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, headers: NewHeaders<'_>) {
        let to = &mut self.bytes;
        put_varint(to, int(body_bytes(self.count, key, value, headers)));
        to.put_u8(0); // attributes
        put_varint(to, 0); // timestamp delta
        put_varint(to, self.count); // offset delta
        put_field(to, key);
        put_field(to, value);
        put_varint(to, int(headers.len()));
        for (key, value) in headers {
            put_field(to, Some(key));
            put_field(to, *value);
        }
        self.count += 1;
    }

    /// The batch, unless it has no record.
    pub fn finish(mut self) -> Option<Batch> {
        if self.count == 0 {
            return None;
        }
        let length = int(self.bytes.len() - LENGTH_PREFIX_BYTES);
        let mut header = &mut self.bytes[..HEADER_BYTES];
        header.put_u64(0); // base offset
        header.put_i32(length);
        header.put_i32(-1); // leader epoch
        header.put_u8(2); // magic
        header.put_u32(0); // checksum, below
        header.put_i16(0); // attributes
        header.put_i32(self.count - 1); // last offset delta
        header.put_i64(0); // base timestamp
        header.put_i64(0); // maximum timestamp
        header.put_i64(-1); // producer id
        header.put_i16(-1); // producer epoch
        header.put_i32(-1); // base sequence
        header.put_i32(self.count);
        let crc = crc32c::crc32c(&self.bytes[CRC_COVERS_FROM..]);
        self.bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Some(Batch::trusted(self.bytes.freeze()))
    }
}

fn body_bytes(
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: NewHeaders<'_>,
) -> usize {
    let header =
        |(key, value): &(&[u8], Option<&[u8]>)| field_bytes(Some(key)) + field_bytes(*value);
    // Attributes and the timestamp delta take a byte each.
    2 + varint_bytes(offset_delta)
        + field_bytes(key)
        + field_bytes(value)
        + varint_bytes(int(headers.len()))
        + headers.iter().map(header).sum::<usize>()
}

fn field_bytes(field: Option<&[u8]>) -> usize {
    match field {
        None => varint_bytes(-1),
        Some(field) => varint_bytes(int(field.len())) + field.len(),
    }
}

fn put_field(to: &mut BytesMut, field: Option<&[u8]>) {
    match field {
        None => put_varint(to, -1),
        Some(field) => {
            put_varint(to, int(field.len()));
            to.put_slice(field);
        }
    }
}

fn int(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("the faces bound what they put into one batch")
}
