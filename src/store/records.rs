//! The records of one batch in order, whatever its codec, in memory for one record at a time.

use super::batch::{Batch, Codec, Malformed};
use super::codec::{WINDOW_BYTES_MAX, inflate};
use super::record::{Fields, Headers, RECORD_BYTES_MIN, Record, RecordView, Undecodable};
use super::varint::{VARINT_BYTES_MAX, varint};
use super::{Offset, Timestamp};
use bytes::{Buf, Bytes, BytesMut};
use std::io::{ErrorKind, Read};

/// Bytes expanded at a time.
const STEP_BYTES: usize = 16 << 10;

impl Batch {
    /// The records, decoded one by one. A record longer than `record_bytes_max` ends them with an
    /// error, as anything does that cannot be decoded.
    pub fn records(&self, record_bytes_max: usize) -> Records {
        let shape = Shape {
            base: self.base_offset(),
            span: self.span(),
            base_timestamp: self.base_timestamp(),
            log_time: self.is_log_append_time().then(|| self.max_timestamp()),
            record_bytes_max,
        };
        let source = match self.codec() {
            Ok(Codec::None) => Ok(Source::Plain(self.records_bytes())),
            Ok(codec) => inflate(codec, self.records_bytes())
                .map(Source::packed)
                .map_err(|error| Undecodable::Compressed(error.to_string())),
            Err(_) => Err(Undecodable::Codec(self.bytes()[22] & 7)),
        };
        let (source, failed) = match source {
            Ok(source) => (source, None),
            Err(error) => (Source::Plain(Bytes::new()), Some(error)),
        };
        Records {
            shape,
            source,
            failed,
            left: u32::try_from(self.record_count_stated()).unwrap_or(0),
            front: None,
            delta_min: 0,
            taken_bytes: 0,
            ended: false,
        }
    }

    /// Checks the form of every record of an uncompressed batch, as Kafka does on arrival: offsets
    /// without gaps, lengths that agree, nothing behind the last. Allocates nothing.
    pub fn walk(&self) -> Result<Walked, Malformed> {
        let mut walked = Walked {
            null_key: None,
            timestamp_min: Timestamp(i64::MAX),
            timestamp_max: Timestamp(i64::MIN),
        };
        let bytes = self.records_bytes();
        let mut rest = &bytes[..];
        for index in 0..self.record_count_stated() {
            let fields = plain(&mut rest).ok_or(Malformed::Records)?;
            if fields.offset_delta != index {
                return Err(Malformed::Records);
            }
            if fields.key.is_none() {
                walked.null_key = walked.null_key.or(u32::try_from(index).ok());
            }
            let timestamp = later(self.base_timestamp(), fields.timestamp_delta);
            walked.timestamp_min = walked.timestamp_min.min(timestamp);
            walked.timestamp_max = walked.timestamp_max.max(timestamp);
        }
        if rest.is_empty() {
            Ok(walked)
        } else {
            Err(Malformed::Records)
        }
    }
}

/// What a walk over the records has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Index of the first record without a key.
    pub null_key: Option<u32>,
    pub timestamp_min: Timestamp,
    pub timestamp_max: Timestamp,
}

/// Iterator over a batch's records. Ends after the first error.
pub struct Records {
    shape: Shape,
    source: Source,
    /// Why not even the first record can be decoded.
    failed: Option<Undecodable>,
    /// Records that the header still promises.
    left: u32,
    /// The next record, once it was looked at.
    front: Option<Front>,
    /// Smallest offset delta that the next record may have.
    delta_min: u64,
    /// Expanded bytes that went into records so far.
    taken_bytes: usize,
    ended: bool,
}

/// Where the next record is in what the source has ready.
#[derive(Clone, Copy)]
struct Front {
    /// Bytes of its length, and behind it.
    prefix: usize,
    bytes: usize,
    delta: u64,
}

/// What a batch's header says about each of its records.
struct Shape {
    base: Offset,
    span: u64,
    base_timestamp: Timestamp,
    /// The log's own time, where it replaces the producer's.
    log_time: Option<Timestamp>,
    record_bytes_max: usize,
}

impl Records {
    /// Memory that going on may take at most: the codec's window fills with what it has expanded.
    pub fn memory_bytes(&self) -> usize {
        match &self.source {
            Source::Plain(_) => 0,
            Source::Packed { ready, .. } => {
                self.taken_bytes.min(WINDOW_BYTES_MAX) + ready.capacity()
            }
        }
    }

    /// The next record where it lies; it stays the next one until it is passed. Ends after the
    /// first error.
    pub fn peek(&mut self) -> Option<Result<RecordView<'_>, Undecodable>> {
        let front = match self.front()? {
            Ok(front) => front,
            Err(error) => return Some(Err(error)),
        };
        let body = &self.source.front()[front.prefix..front.prefix + front.bytes];
        let fields = Fields::parse(body)?;
        Some(Ok(RecordView {
            offset: self.shape.base.plus(front.delta),
            key: fields.key,
            value: fields.value,
        }))
    }

    /// Goes on behind the record that was looked at.
    pub fn pass(&mut self) {
        if let Some(front) = self.front.take() {
            self.leave(front);
            self.source.skip(front.prefix + front.bytes);
        }
    }

    /// Finds the next record, and checks its form.
    fn front(&mut self) -> Option<Result<Front, Undecodable>> {
        if let Some(front) = self.front {
            return Some(Ok(front));
        }
        if self.ended {
            return None;
        }
        if self.left == 0 && self.failed.is_none() {
            self.ended = true;
            return match self.source.fill(1) {
                Ok(false) => None,
                Ok(true) => Some(Err(Undecodable::Trailing)),
                Err(error) => Some(Err(error)),
            };
        }
        let found = self.find();
        match &found {
            Ok(front) => self.front = Some(*front),
            Err(_) => self.ended = true,
        }
        Some(found)
    }

    fn find(&mut self) -> Result<Front, Undecodable> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.source.fill(VARINT_BYTES_MAX)?;
        let front = self.source.front();
        let mut rest = front;
        let stated = varint(&mut rest).ok_or(Undecodable::Cut)?;
        let prefix = front.len() - rest.len();
        let bytes = usize::try_from(stated).map_err(|_| Undecodable::Length(stated))?;
        if bytes < RECORD_BYTES_MIN {
            return Err(Undecodable::Length(stated));
        }
        let bytes_max = self.shape.record_bytes_max;
        if bytes > bytes_max {
            return Err(Undecodable::TooLarge { bytes, bytes_max });
        }
        if !self.source.fill(prefix + bytes)? {
            return Err(Undecodable::Cut);
        }
        let body = &self.source.front()[prefix..prefix + bytes];
        let fields = Fields::parse(body).ok_or(Undecodable::Fields)?;
        let delta = u64::try_from(fields.offset_delta)
            .ok()
            .filter(|delta| (self.delta_min..self.shape.span).contains(delta))
            .ok_or(Undecodable::OffsetDelta(fields.offset_delta))?;
        Ok(Front {
            prefix,
            bytes,
            delta,
        })
    }

    fn leave(&mut self, front: Front) {
        self.delta_min = front.delta + 1;
        self.taken_bytes += front.prefix + front.bytes;
        self.left = self.left.saturating_sub(1);
    }

    /// Takes the next record out, with its bytes.
    fn take(&mut self, front: Front) -> Option<Record> {
        self.leave(front);
        self.source.skip(front.prefix);
        let body = self.source.take(front.bytes);
        let fields = Fields::parse(&body)?;
        let shape = &self.shape;
        let part = |slice| body.slice_ref(slice);
        let created = later(shape.base_timestamp, fields.timestamp_delta);
        Some(Record {
            offset: shape.base.plus(front.delta),
            timestamp: shape.log_time.unwrap_or(created),
            key: fields.key.map(part),
            value: fields.value.map(part),
            headers: Headers::checked(part(fields.headers)),
        })
    }
}

impl Iterator for Records {
    type Item = Result<Record, Undecodable>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.front()? {
            Ok(front) => {
                self.front = None;
                self.take(front).map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Where records' bytes come from.
enum Source {
    Plain(Bytes),
    Packed {
        reader: Box<dyn Read + Send>,
        /// Expanded and not taken yet.
        ready: BytesMut,
    },
}

impl Source {
    fn packed(reader: Box<dyn Read + Send>) -> Source {
        let ready = BytesMut::new();
        Source::Packed { reader, ready }
    }

    /// Makes `bytes` ready, or as many as there are; tells whether that was enough. Memory grows
    /// with what really comes, whatever was promised.
    fn fill(&mut self, bytes: usize) -> Result<bool, Undecodable> {
        let Source::Packed { reader, ready } = self else {
            return Ok(self.front().len() >= bytes);
        };
        while ready.len() < bytes {
            let before = ready.len();
            ready.resize(before + STEP_BYTES, 0);
            let read = reader.read(&mut ready[before..]);
            ready.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Undecodable::Compressed(error.to_string())),
            }
        }
        Ok(true)
    }

    fn front(&self) -> &[u8] {
        match self {
            Source::Plain(rest) => rest,
            Source::Packed { ready, .. } => ready,
        }
    }

    fn skip(&mut self, bytes: usize) {
        match self {
            Source::Plain(rest) => rest.advance(bytes),
            Source::Packed { ready, .. } => ready.advance(bytes),
        }
    }

    fn take(&mut self, bytes: usize) -> Bytes {
        match self {
            Source::Plain(rest) => rest.split_to(bytes),
            Source::Packed { ready, .. } => ready.split_to(bytes).freeze(),
        }
    }
}

/// Takes one record off the front of uncompressed bytes.
fn plain<'a>(rest: &mut &'a [u8]) -> Option<Fields<'a>> {
    let bytes = usize::try_from(varint(rest)?).ok()?;
    let (body, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Fields::parse(body)
}

/// A hostile delta wraps instead of overflowing, as in Java.
fn later(base: Timestamp, delta: i64) -> Timestamp {
    Timestamp(base.0.wrapping_add(delta))
}

#[cfg(test)]
mod tests;
