//! One record of a batch: its form, checked field by field without trusting a single length.

use super::varint::{varint, varlong};
use super::{Offset, Timestamp};
use bytes::Bytes;
use thiserror::Error;

/// Bytes of the shortest record after its length: attributes, two deltas, three empty fields.
pub const RECORD_BYTES_MIN: usize = 6;

/// A record as a reader of the log gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: Offset,
    /// The producer's time, or the arrival where the log's time replaces it.
    pub timestamp: Timestamp,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Headers,
}

/// What a record says, where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    pub offset: Offset,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// A record's headers, checked for form and decoded only when asked for: two bytes of a hostile
/// batch can claim a header each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    bytes: Bytes,
}

/// One header. Until `kinesis.record.format=envelope` is served, only tests look inside.
#[cfg(test)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// Why a batch, or what is left of it, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Undecodable {
    #[error("codec {0} is unknown")]
    Codec(u8),
    #[error("compressed records: {0}")]
    Compressed(String),
    #[error("the records end before the last one")]
    Cut,
    #[error("a record claims a length of {0} bytes")]
    Length(i32),
    #[error("a record of {bytes} bytes is longer than {bytes_max}")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("a record's fields do not fill it")]
    Fields,
    #[error("offset delta {0} is out of order or beyond the batch")]
    OffsetDelta(i32),
    #[error("bytes follow the last record")]
    Trailing,
}

/// A record's fields where they lie.
pub struct Fields<'a> {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// The headers' bytes without their count.
    pub headers: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads the fields of a record whose length was taken off; they must fill it exactly.
    pub fn parse(body: &'a [u8]) -> Option<Fields<'a>> {
        // Attributes: no bit of a record's own has a meaning yet.
        let mut rest = body.get(1..)?;
        let fields = Fields {
            timestamp_delta: varlong(&mut rest)?,
            offset_delta: varint(&mut rest)?,
            key: field(&mut rest)?,
            value: field(&mut rest)?,
            headers: &[],
        };
        let count = varint(&mut rest).filter(|count| *count >= 0)?;
        let headers = rest;
        for _ in 0..count {
            field(&mut rest)??;
            field(&mut rest)?;
        }
        rest.is_empty().then_some(Fields { headers, ..fields })
    }
}

impl Record {
    /// About what it takes in its batch, uncompressed.
    pub fn bytes_len(&self) -> usize {
        let field = |field: &Option<Bytes>| field.as_ref().map_or(0, Bytes::len);
        RECORD_BYTES_MIN + field(&self.key) + field(&self.value) + self.headers.bytes.len()
    }
}

impl Headers {
    /// Takes header bytes that [`Fields::parse`] found well-formed.
    pub(super) fn checked(bytes: Bytes) -> Headers {
        Headers { bytes }
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = Header> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let key = field(&mut rest)??;
            let value = field(&mut rest)?;
            Some(Header {
                key: self.bytes.slice_ref(key),
                value: value.map(|value| self.bytes.slice_ref(value)),
            })
        })
    }
}

/// Takes a field with its length in front; the inner `None` is a null.
#[expect(
    clippy::option_option,
    reason = "cut short, null and empty are three things"
)]
fn field<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint(rest)?;
    if length == -1 {
        return Some(None);
    }
    let (value, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(Some(value))
}
