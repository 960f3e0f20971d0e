//! Primitive encodings, request heads and the way from a message to a frame.

use super::body::Body;
use super::error::Disconnect;
use super::reply::{Answer, Respond};
use crate::store::Offset;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use uuid::Uuid;

/// Bytes of key, version and correlation id.
pub const HEAD_BYTES: usize = 8;
/// Bytes of a frame's length.
pub const LENGTH_BYTES: usize = 4;

/// The fixed front of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub key: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
}

impl RequestHead {
    pub fn parse(bytes: [u8; HEAD_BYTES]) -> Result<RequestHead, Disconnect> {
        let mut rest = &bytes[..];
        let key = rest.get_i16();
        Ok(RequestHead {
            key: ApiKey::try_from(key).map_err(|()| Disconnect::UnknownApi(key))?,
            version: rest.get_i16(),
            correlation_id: rest.get_i32(),
        })
    }

    /// The head of the answer in the body format of `version`.
    pub fn response(self, version: i16) -> ResponseHead {
        ResponseHead {
            key: self.key,
            version,
            correlation_id: self.correlation_id,
        }
    }
}

/// What a response needs to know about its request.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead {
    pub key: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
}

/// A request that can be read from the rest of its frame.
pub trait Decode: Sized {
    fn decode(body: Body, version: i16) -> Result<Self, Disconnect>;
}

impl<T: Decodable> Decode for T {
    fn decode(body: Body, version: i16) -> Result<T, Disconnect> {
        Decodable::decode(&mut body.rest(), version)
            .map_err(|error| Disconnect::Malformed(error.to_string()))
    }
}

impl<T: Encodable + HeaderVersion> Respond for T {
    fn respond(self, head: ResponseHead) -> Answer {
        let mut frame = BytesMut::with_capacity(256);
        put_head(&mut frame, head, T::header_version(head.version));
        if let Err(error) = self.encode(&mut frame, head.version) {
            let ResponseHead { key, version, .. } = head;
            tracing::error!(?key, version, %error, "a response cannot be encoded");
            return Answer::Close;
        }
        if !finish(&mut frame, 0) {
            return Answer::Close;
        }
        Answer::Frame {
            pieces: vec![frame.freeze()],
            held: None,
        }
    }
}

/// An offset as clients state it; `None` for the negative ones, which have meanings of their own.
pub fn offset(stated: i64) -> Option<Offset> {
    u64::try_from(stated).ok().map(Offset)
}

/// An offset on the wire.
pub fn stated(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

/// A byte count as clients state it; a negative one allows nothing.
pub fn byte_count(stated: i32) -> usize {
    usize::try_from(stated).unwrap_or(0)
}

/// Room for the length, then the response header.
pub fn put_head(frame: &mut BytesMut, head: ResponseHead, header_version: i16) {
    frame.put_i32(0);
    frame.put_i32(head.correlation_id);
    if header_version > 0 {
        frame.put_u8(0);
    }
}

/// Writes the length over its room; `bytes_beyond` follow in other pieces. False if no frame can
/// be that long.
pub fn finish(frame: &mut BytesMut, bytes_beyond: usize) -> bool {
    let Ok(length) = i32::try_from(frame.len() - LENGTH_BYTES + bytes_beyond) else {
        tracing::error!(bytes_beyond, "a response is too long for a frame");
        return false;
    };
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    true
}

/// Reads primitives off the front of a frame; whatever is cut short ends the connection.
#[derive(Debug)]
pub struct Reader {
    rest: Bytes,
    /// Compact lengths and tagged fields.
    flexible: bool,
}

impl Reader {
    pub fn new(rest: Bytes, flexible: bool) -> Reader {
        Reader { rest, flexible }
    }

    pub fn i16(&mut self) -> Result<i16, Disconnect> {
        self.rest.try_get_i16().map_err(short)
    }

    pub fn i32(&mut self) -> Result<i32, Disconnect> {
        self.rest.try_get_i32().map_err(short)
    }

    pub fn uuid(&mut self) -> Result<Uuid, Disconnect> {
        self.rest.try_get_u128().map(Uuid::from_u128).map_err(short)
    }

    pub fn unsigned_varint(&mut self) -> Result<u32, Disconnect> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let byte = self.rest.try_get_u8().map_err(short)?;
            let bits = u32::from(byte & 0x7f);
            value |= bits.checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Disconnect::Malformed("a number is too long".into()))
    }

    pub fn string(&mut self) -> Result<Option<StrBytes>, Disconnect> {
        let length = self.string_length()?;
        self.text(length)
    }

    /// A header keeps the old length in front of the client id (spec §1.6).
    pub fn client_id(&mut self) -> Result<Option<StrBytes>, Disconnect> {
        let length = length(i32::from(self.i16()?))?;
        self.text(length)
    }

    pub fn bytes(&mut self) -> Result<Option<Bytes>, Disconnect> {
        let length = self.array_length()?;
        length.map(|length| self.take(length)).transpose()
    }

    pub fn skip(&mut self, bytes: usize) -> Result<(), Disconnect> {
        self.take(bytes).map(drop)
    }

    /// Skips a string or a null, whatever is in it.
    pub fn skip_string(&mut self) -> Result<(), Disconnect> {
        let length = self.string_length()?;
        self.skip(length.unwrap_or(0))
    }

    /// How many elements follow; `None` for a null array. Nothing is reserved on its word.
    pub fn array_length(&mut self) -> Result<Option<usize>, Disconnect> {
        if self.flexible {
            return self.compact_length();
        }
        let stated = self.i32()?;
        length(stated)
    }

    /// Unknown tagged fields are skipped, never an error.
    pub fn tagged_fields(&mut self) -> Result<(), Disconnect> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let length = self.unsigned_varint()?;
            self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        }
        Ok(())
    }

    pub fn rest(&self) -> &Bytes {
        &self.rest
    }

    fn string_length(&mut self) -> Result<Option<usize>, Disconnect> {
        if self.flexible {
            return self.compact_length();
        }
        length(i32::from(self.i16()?))
    }

    fn compact_length(&mut self) -> Result<Option<usize>, Disconnect> {
        let above = self.unsigned_varint()?.checked_sub(1);
        Ok(above.map(|length| usize::try_from(length).unwrap_or(usize::MAX)))
    }

    fn text(&mut self, length: Option<usize>) -> Result<Option<StrBytes>, Disconnect> {
        let Some(length) = length else {
            return Ok(None);
        };
        let text = StrBytes::from_utf8(self.take(length)?);
        text.map(Some)
            .map_err(|error| Disconnect::Malformed(error.to_string()))
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Disconnect> {
        if length > self.rest.len() {
            return Err(Disconnect::Malformed("a field is cut short".into()));
        }
        Ok(self.rest.split_to(length))
    }
}

fn length(stated: i32) -> Result<Option<usize>, Disconnect> {
    match stated {
        -1 => Ok(None),
        _ => usize::try_from(stated)
            .map(Some)
            .map_err(|_| Disconnect::Malformed(format!("length {stated}"))),
    }
}

fn short(error: bytes::TryGetError) -> Disconnect {
    Disconnect::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8], flexible: bool) -> Reader {
        Reader::new(Bytes::from_static(bytes), flexible)
    }

    #[test]
    fn a_length_beyond_the_frame_is_malformed_not_reserved() {
        assert!(reader(b"\x7f\xff\xff\xffabc", false).bytes().is_err());
        assert!(reader(b"\xff\xff\xff\xff\x0fabc", true).bytes().is_err());
        assert!(reader(b"\xff\xff\xff\xfeabc", false).bytes().is_err());
    }

    #[test]
    fn null_and_empty_differ_in_both_encodings() {
        let read = |bytes, flexible| reader(bytes, flexible).bytes().expect("a field");
        assert_eq!(read(b"\xff\xff\xff\xff", false), None);
        assert_eq!(read(b"\x00", true), None);
        assert_eq!(read(b"\x00\x00\x00\x00", false), Some(Bytes::new()));
        assert_eq!(read(b"\x01", true), Some(Bytes::new()));
    }

    #[test]
    fn unknown_tagged_fields_are_skipped() {
        let mut reader = reader(b"\x02\x05\x03abc\x09\x00\x00\x07", true);
        reader.tagged_fields().expect("two tagged fields");
        assert_eq!(reader.i16().expect("what follows"), 7);
    }
}
