//! Makes an uncompressed batch out of records, for a face that is not given one.

use super::batch::{Batch, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_PREFIX_BYTES};
use super::varint::{put_varint, varint_bytes};
use bytes::{BufMut, Bytes};

/// A record's headers before they are written.
pub type NewHeaders<'a> = &'a [(&'a [u8], Option<&'a [u8]>)];

/// A record's value before it is written: bytes, or what becomes bytes on its way into the batch.
pub trait NewValue {
    /// Bytes that [`put`](Self::put) adds.
    fn bytes_len(&self) -> usize;
    fn put(&self, to: &mut Vec<u8>);
}

impl NewValue for [u8] {
    fn bytes_len(&self) -> usize {
        self.len()
    }

    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }
}

/// Records become one batch; the engine stamps their times (`AppendTimes::Created`).
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    count: i32,
}

impl BatchBuilder {
    #[cfg(test)]
    pub fn new() -> BatchBuilder {
        BatchBuilder::with_capacity(0)
    }

    /// With room for so many bytes, header included; more may come.
    pub fn with_capacity(bytes_len: usize) -> BatchBuilder {
        let mut bytes = Vec::with_capacity(bytes_len.max(HEADER_BYTES));
        bytes.put_bytes(0, HEADER_BYTES);
        BatchBuilder { bytes, count: 0 }
    }

    /// Bytes of the batch so far, header included.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes by which a [`push`](Self::push) of this record lengthens the batch.
    pub fn bytes_added_by(
        &self,
        key: Option<&[u8]>,
        value: Option<&(impl NewValue + ?Sized)>,
        headers: NewHeaders<'_>,
    ) -> usize {
        let value_bytes = value.map(NewValue::bytes_len);
        let body = body_bytes(self.count, key, value_bytes, headers);
        varint_bytes(int(body)) + body
    }

    /// Adds a record. A batch's length is an `i32`: the caller closes it long before.
    pub fn push(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&(impl NewValue + ?Sized)>,
        headers: NewHeaders<'_>,
    ) {
        let to = &mut self.bytes;
        let value_bytes = value.map(NewValue::bytes_len);
        put_varint(to, int(body_bytes(self.count, key, value_bytes, headers)));
        to.put_u8(0); // attributes
        put_varint(to, 0); // timestamp delta
        put_varint(to, self.count); // offset delta
        put_field(to, key);
        put_varint(to, value_bytes.map_or(-1, int));
        if let Some(value) = value {
            value.put(to);
        }
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
        Some(Batch::trusted(Bytes::from(self.bytes)))
    }
}

fn body_bytes(
    offset_delta: i32,
    key: Option<&[u8]>,
    value_bytes: Option<usize>,
    headers: NewHeaders<'_>,
) -> usize {
    let field = |field: Option<&[u8]>| field_bytes(field.map(<[u8]>::len));
    let header = |(key, value): &(&[u8], Option<&[u8]>)| field(Some(key)) + field(*value);
    // Attributes and the timestamp delta take a byte each.
    2 + varint_bytes(offset_delta)
        + field(key)
        + field_bytes(value_bytes)
        + varint_bytes(int(headers.len()))
        + headers.iter().map(header).sum::<usize>()
}

fn field_bytes(field_bytes: Option<usize>) -> usize {
    field_bytes.map_or(varint_bytes(-1), |bytes| varint_bytes(int(bytes)) + bytes)
}

fn put_field(to: &mut Vec<u8>, field: Option<&[u8]>) {
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
