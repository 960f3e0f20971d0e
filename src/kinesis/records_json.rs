//! The records of an answer as JSON, written while they are read, from where they lie.

use super::answer::EpochSeconds;
use super::base64;
use super::crossing::Seen;
use super::sequence::{DIGITS, Running, SequenceNumber};
use crate::store::{Offset, Shard, Timestamp};

/// Bytes of text after which another piece begins: what was written is sent from the processor's
/// cache, and memory that was freed is taken again.
const PIECE_BYTES: usize = 256 << 10;
/// Bytes of an answer that has hardly any record.
const SHORT_BYTES: usize = 512;
/// Bytes of a record's text besides its data and its partition key.
const RECORD_BYTES: usize = 128 + DIGITS;

/// Records of one shard between the brackets of a list.
#[derive(Debug)]
pub struct RecordsJson {
    pieces: Vec<Vec<u8>>,
    count: usize,
    /// What consecutive records of one batch share.
    batch: Option<InBatch>,
}

#[derive(Debug)]
struct InBatch {
    arrival: Timestamp,
    next_offset: Offset,
    next: Running,
    /// From behind the sequence number up to the data.
    middle: Vec<u8>,
}

impl RecordsJson {
    /// Text that begins with `opening`.
    pub fn new(opening: &[u8]) -> RecordsJson {
        let mut first = Vec::with_capacity(SHORT_BYTES);
        first.extend_from_slice(opening);
        RecordsJson {
            pieces: vec![first],
            count: 0,
            batch: None,
        }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a record of `shard` that arrived then.
    pub fn push(&mut self, shard: &Shard, seen: &Seen<'_>, arrival: Timestamp) {
        let is_next = |batch: &InBatch| batch.arrival == arrival;
        let mut batch = match self.batch.take().filter(is_next) {
            Some(batch) => batch,
            None => InBatch::new(shard, seen.offset, arrival),
        };
        if batch.next_offset != seen.offset {
            batch.next = SequenceNumber::of_record(shard, seen.offset, arrival).into();
        }
        let key = seen.partition_key.as_bytes();
        let is_first = self.count == 0;
        let out = self.room(seen.data.len() / 3 * 4 + key.len() + RECORD_BYTES);
        out.extend_from_slice(if is_first {
            b"{\"SequenceNumber\":\""
        } else {
            b",{\"SequenceNumber\":\""
        });
        batch.next.write(out);
        out.extend_from_slice(&batch.middle);
        base64::append(out, seen.data);
        out.extend_from_slice(b"\",\"PartitionKey\":");
        put_string(out, key);
        out.push(b'}');
        batch.next.step();
        batch.next_offset = seen.offset.plus(1);
        self.batch = Some(batch);
        self.count += 1;
    }

    /// The whole text, which ends with `closing`.
    pub fn finish(mut self, closing: &[u8]) -> Vec<Vec<u8>> {
        self.room(closing.len()).extend_from_slice(closing);
        self.pieces
    }

    /// The piece that takes so many bytes more. Pieces grow, so that a short answer takes little.
    fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        let last = self.pieces.last();
        let has_room = last.is_some_and(|piece| piece.capacity() - piece.len() >= bytes);
        if !has_room {
            let grown = last.map_or(0, |piece| 4 * piece.capacity());
            let capacity = bytes.max(grown.min(PIECE_BYTES));
            self.pieces.push(Vec::with_capacity(capacity));
        }
        self.pieces.last_mut().expect("there is one now")
    }
}

impl InBatch {
    fn new(shard: &Shard, offset: Offset, arrival: Timestamp) -> InBatch {
        let mut middle = b"\",\"ApproximateArrivalTimestamp\":".to_vec();
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut middle, &EpochSeconds(arrival));
        middle.extend_from_slice(b",\"Data\":\"");
        InBatch {
            arrival,
            next_offset: offset,
            next: SequenceNumber::of_record(shard, offset, arrival).into(),
            middle,
        }
    }
}

/// Adds a JSON string. What needs no escape is copied as it is.
fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
    if text.iter().all(is_plain) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    let text = String::from_utf8_lossy(text);
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, &*text);
}
