//! A record batch v2 as it is produced, stored and fetched: a 61-byte header and opaque records.
//!
//! Layout and meaning of every field: Kafka's `RecordBatch`, magic 2. The checksum starts after
//! the leader epoch, so placing a batch (base offset, leader epoch) leaves it valid.

use super::berth::{Landed, Sole};
use super::crc;
use super::{Offset, ProducerId, Timestamp};
use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// Bytes before the records.
pub const HEADER_BYTES: usize = 61;
/// Bytes that `batchLength` does not count: base offset and the length itself.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// First byte covered by the batch's own CRC-32C; the log's table covers those before it.
pub const CRC_COVERS_FROM: usize = 21;

/// Codec of a batch's records: attribute bits 0–2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// What a batch's form is refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    #[error("no record batch")]
    Empty,
    #[error("batch is cut short: {found} bytes of {needed}")]
    Short { found: usize, needed: usize },
    #[error("batch length {0} is below the header's 49")]
    Length(i32),
    #[error("{0} bytes follow the batch")]
    Trailing(usize),
    #[error("magic {0} is not 2")]
    Magic(i8),
    #[error("checksum is {found:#010x}, not {stated:#010x}")]
    Checksum { stated: u32, found: u32 },
    #[error("{count} records do not end at offset delta {last_delta}")]
    Count { count: i32, last_delta: i32 },
    #[error("codec {0} is unknown")]
    Codec(u8),
    #[error("producer {0} without a sequence")]
    Sequence(i64),
    #[error("records are malformed")]
    Records,
}

/// One whole record batch, checked for form: header, length and checksum agree.
/// Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Bytes,
    /// The same bytes in a berth: with room in front.
    berthed: Option<Landed>,
}

impl PartialEq for Batch {
    fn eq(&self, other: &Batch) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Batch {}

impl Batch {
    /// Takes `bytes` as exactly one batch, in the order in which Kafka checks it.
    pub fn parse(bytes: Bytes) -> Result<Batch, Malformed> {
        if bytes.is_empty() {
            return Err(Malformed::Empty);
        }
        let length = Batch::length_at(&bytes)?;
        if bytes.len() > length {
            return Err(Malformed::Trailing(bytes.len() - length));
        }
        let batch = Batch::trusted(bytes);
        if batch.magic() != 2 {
            return Err(Malformed::Magic(batch.magic()));
        }
        let found = crc32c::crc32c(&batch.bytes[CRC_COVERS_FROM..]);
        if found != batch.crc() {
            return Err(Malformed::Checksum {
                stated: batch.crc(),
                found,
            });
        }
        batch.check_counts()?;
        Ok(batch)
    }

    /// Takes bytes that this store wrote and whose checksums the caller has verified or need not.
    pub fn trusted(bytes: Bytes) -> Batch {
        debug_assert!(bytes.len() >= HEADER_BYTES);
        Batch {
            bytes,
            berthed: None,
        }
    }

    /// The batch whose bytes are the end of `berthed`, in the same memory.
    pub fn berthed(self, berthed: Landed) -> Batch {
        let is_end = berthed.bytes.as_ptr_range().end == self.bytes.as_ptr_range().end;
        Batch {
            bytes: self.bytes,
            berthed: Some(berthed).filter(|_| is_end),
        }
    }

    pub fn is_berthed(&self) -> bool {
        self.berthed.is_some()
    }

    /// The memory that the batch lies in, `front` bytes in front of it included, if there are that
    /// many and nobody else has a part of it; the batch as it is otherwise.
    pub fn into_memory(self, front: usize) -> Result<Sole, Batch> {
        let Batch { bytes, berthed } = self;
        match berthed {
            Some(berthed) if berthed.bytes.len() == front + bytes.len() => {
                drop(bytes);
                berthed
                    .into_sole()
                    .map_err(|berthed| Batch::trusted(berthed.bytes.slice(front..)))
            }
            _ => Err(Batch::trusted(bytes)),
        }
    }

    /// Total length of the batch that starts at the front of `bytes`, all of which must be there.
    pub fn length_at(bytes: &[u8]) -> Result<usize, Malformed> {
        if bytes.len() < HEADER_BYTES {
            return Err(Malformed::Short {
                found: bytes.len(),
                needed: HEADER_BYTES,
            });
        }
        let stated = i32::from_be_bytes(array(bytes, 8));
        let length = usize::try_from(stated).map_err(|_| Malformed::Length(stated))?;
        let needed = length + LENGTH_PREFIX_BYTES;
        if needed < HEADER_BYTES {
            return Err(Malformed::Length(stated));
        }
        if bytes.len() < needed {
            return Err(Malformed::Short {
                found: bytes.len(),
                needed,
            });
        }
        Ok(needed)
    }

    fn check_counts(&self) -> Result<(), Malformed> {
        let count = self.record_count_stated();
        let last_delta = i32::from_be_bytes(array(&self.bytes, 23));
        if count <= 0 || last_delta < 0 || last_delta != count - 1 {
            return Err(Malformed::Count { count, last_delta });
        }
        self.codec()?;
        let producer = i64::from_be_bytes(array(&self.bytes, 43));
        if producer >= 0 && i32::from_be_bytes(array(&self.bytes, 53)) < 0 {
            return Err(Malformed::Sequence(producer));
        }
        Ok(())
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// First offset as written in the batch: 0 from a producer, the true one once placed.
    pub fn base_offset(&self) -> Offset {
        Offset(u64::from_be_bytes(array(&self.bytes, 0)))
    }

    pub fn magic(&self) -> i8 {
        i8::from_be_bytes(array(&self.bytes, 16))
    }

    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(array(&self.bytes, 17))
    }

    pub fn codec(&self) -> Result<Codec, Malformed> {
        match self.bytes[22] & 0x07 {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            other => Err(Malformed::Codec(other)),
        }
    }

    /// Attribute bit 3: every record's time is the batch's maximum timestamp.
    pub fn is_log_append_time(&self) -> bool {
        self.bytes[22] & 0x08 != 0
    }

    pub fn is_control(&self) -> bool {
        self.bytes[22] & 0x20 != 0
    }

    /// Offsets that the batch spans: last offset delta + 1.
    pub fn span(&self) -> u64 {
        u64::from(u32::from_be_bytes(array(&self.bytes, 23))) + 1
    }

    pub fn base_timestamp(&self) -> Timestamp {
        Timestamp(i64::from_be_bytes(array(&self.bytes, 27)))
    }

    pub fn max_timestamp(&self) -> Timestamp {
        Timestamp(i64::from_be_bytes(array(&self.bytes, 35)))
    }

    /// The idempotent producer's numbers, if the batch carries them.
    pub fn producer(&self) -> Option<ProducerSequence> {
        let id = i64::from_be_bytes(array(&self.bytes, 43));
        (id >= 0).then(|| ProducerSequence {
            id: ProducerId(id),
            epoch: i16::from_be_bytes(array(&self.bytes, 51)),
            first: i32::from_be_bytes(array(&self.bytes, 53)),
        })
    }

    /// The count in the header, which may be a lie in a batch that was not parsed.
    pub fn record_count_stated(&self) -> i32 {
        i32::from_be_bytes(array(&self.bytes, 57))
    }

    /// The records, compressed as one block unless the codec is none.
    pub fn records_bytes(&self) -> Bytes {
        self.bytes.slice(HEADER_BYTES..)
    }

    /// The header with this base offset and leader epoch 0, and by `times` new times and checksum.
    pub fn header_placed_at(&self, base: Offset, times: Times) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&self.bytes[..HEADER_BYTES]);
        header[0..8].copy_from_slice(&base.0.to_be_bytes());
        header[12..16].copy_from_slice(&0_i32.to_be_bytes());
        match times {
            Times::Kept => return header,
            Times::Created(at) => {
                header[27..35].copy_from_slice(&at.0.to_be_bytes());
                header[35..43].copy_from_slice(&at.0.to_be_bytes());
            }
            Times::Appended(at) => {
                header[22] |= 0x08;
                header[35..43].copy_from_slice(&at.0.to_be_bytes());
            }
        }
        let crc = self.crc_with_header(&header);
        header[17..21].copy_from_slice(&crc.to_be_bytes());
        header
    }

    /// The whole batch placed, as one buffer.
    pub fn placed_at(&self, base: Offset, times: Times) -> Batch {
        let mut bytes = BytesMut::with_capacity(self.bytes.len());
        bytes.extend_from_slice(&self.header_placed_at(base, times));
        bytes.extend_from_slice(&self.bytes[HEADER_BYTES..]);
        Batch::trusted(bytes.freeze())
    }

    /// The checksum after a change of header, without reading the records again: CRC is linear,
    /// so the headers' difference, shifted by the records, is that of the whole.
    fn crc_with_header(&self, header: &[u8; HEADER_BYTES]) -> u32 {
        let rest = self.bytes.len() - HEADER_BYTES;
        let old = crc32c::crc32c(&self.bytes[CRC_COVERS_FROM..HEADER_BYTES]);
        let new = crc32c::crc32c(&header[CRC_COVERS_FROM..]);
        self.crc() ^ crc::shifted(old ^ new, rest)
    }
}

/// What happens to a batch's timestamps when it is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// They stay as the producer wrote them.
    Kept,
    /// CreateTime = arrival, for a batch whose records were made on arrival.
    Created(Timestamp),
    /// LogAppendTime: bit 3 and the maximum timestamp are set, the base stays.
    Appended(Timestamp),
}

/// What an idempotent producer wrote into the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSequence {
    pub id: ProducerId,
    pub epoch: i16,
    /// The batch's first record in the producer's own count.
    pub first: i32,
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N]
        .try_into()
        .expect("a batch holds a whole header")
}
