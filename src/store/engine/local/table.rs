//! The entries of a frame's table: an append's coordinates, or a change of state.

use super::frame::{Bad, batch_front};
use super::segment::{u32_at, u64_at};
use crate::store::batch::{self, ProducerSequence};
use crate::store::engine::BatchInfo;
use crate::store::engine::sequencer::{Appended, Effect};
use crate::store::state::{Key, Value};
use crate::store::{Offset, PartitionId, ProducerId, Timestamp};

const APPEND: u8 = 1;
const PUT: u8 = 2;
const OPEN: u8 = 3;
const TRIM: u8 = 4;
const DROP: u8 = 5;
const APPEND_IDEMPOTENT: u8 = 6;
/// Set in the kind of an atom's last entry.
const ENDS_ATOM: u8 = 0x80;

/// One effect as the table holds it.
#[derive(Debug, PartialEq)]
pub enum TableEntry {
    Append(AppendEntry),
    Put(Key, Option<Value>),
    Open(PartitionId),
    Trim(PartitionId, Offset),
    Drop(PartitionId),
}

/// All of a batch that its own checksum leaves out, and what the log keeps beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendEntry {
    pub partition: PartitionId,
    pub named: PartitionId,
    pub base: Offset,
    pub arrival: Timestamp,
    pub max_timestamp: Timestamp,
    pub span: u32,
    pub length: u32,
    pub crc: u32,
    pub producer: Option<ProducerSequence>,
}

impl AppendEntry {
    /// Behind the kind: five numbers of eight bytes and three of four.
    const PLAIN_BYTES: usize = 5 * 8 + 3 * 4;
    /// Then an idempotent producer's numbers: of eight, two and four bytes.
    const PRODUCER_BYTES: usize = 8 + 2 + 4;
    /// The most that it takes.
    pub const BYTES_MAX: usize = AppendEntry::bytes(true);

    /// What it takes, its kind included.
    pub const fn bytes(is_idempotent: bool) -> usize {
        let producer = if is_idempotent {
            AppendEntry::PRODUCER_BYTES
        } else {
            0
        };
        1 + AppendEntry::PLAIN_BYTES + producer
    }

    pub fn of(
        partition: PartitionId,
        info: &BatchInfo,
        header: &[u8; batch::HEADER_BYTES],
        producer: Option<ProducerSequence>,
    ) -> AppendEntry {
        let crc = header[17..21].try_into().expect("four bytes are four");
        AppendEntry {
            partition,
            named: info.named,
            base: info.base,
            arrival: info.arrival,
            max_timestamp: info.max_timestamp,
            span: u32::try_from(info.next.0 - info.base.0).expect("a span is at most 2^31"),
            length: info.bytes,
            crc: u32::from_be_bytes(crc),
            producer,
        }
    }

    pub fn info(&self) -> BatchInfo {
        BatchInfo {
            base: self.base,
            next: self.base.plus(u64::from(self.span)),
            bytes: self.length,
            arrival: self.arrival,
            max_timestamp: self.max_timestamp,
            named: self.named,
        }
    }

    pub fn appended(&self) -> Appended {
        Appended {
            partition: self.partition,
            named: self.named,
            base: self.base,
            span: u64::from(self.span),
            arrival: self.arrival,
            producer: self.producer,
        }
    }

    /// What the batch's first bytes must be.
    pub fn front(&self) -> [u8; batch::CRC_COVERS_FROM] {
        batch_front(self.base, self.length, self.crc)
    }

    fn decode(bytes: &[u8]) -> Result<AppendEntry, Bad> {
        let entry = AppendEntry {
            partition: PartitionId(u64_at(bytes, 0)),
            named: PartitionId(u64_at(bytes, 8)),
            base: Offset(u64_at(bytes, 16)),
            arrival: Timestamp(u64_at(bytes, 24).cast_signed()),
            max_timestamp: Timestamp(u64_at(bytes, 32).cast_signed()),
            span: u32_at(bytes, 40),
            length: u32_at(bytes, 44),
            crc: u32_at(bytes, 48),
            producer: None,
        };
        if (entry.length as usize) < batch::HEADER_BYTES {
            return Err("a batch's length");
        }
        let next = entry.base.0.checked_add(u64::from(entry.span));
        next.map(|_| entry).ok_or("a batch's offset")
    }
}

impl TableEntry {
    pub fn append(&self) -> Option<&AppendEntry> {
        match self {
            TableEntry::Append(append) => Some(append),
            _ => None,
        }
    }

    /// What it does, unless it is an append.
    pub fn into_change(self) -> Option<Effect> {
        match self {
            TableEntry::Append(_) => None,
            TableEntry::Put(key, value) => Some(Effect::Put { key, value }),
            TableEntry::Open(partition) => Some(Effect::Open { partition }),
            TableEntry::Trim(partition, to) => Some(Effect::Trim { partition, to }),
            TableEntry::Drop(partition) => Some(Effect::Drop { partition }),
        }
    }

    /// The most that an entry other than an append or a put takes.
    pub const SMALL_BYTES: usize = 17;

    /// What a put takes.
    pub fn put_bytes(key: &Key, value: Option<&Value>) -> usize {
        let mut count = Count(0);
        minicbor::encode((key, value), &mut count).expect("counting cannot fail");
        5 + count.0
    }

    pub fn encode(&self, ends_atom: bool, into: &mut Vec<u8>) {
        let kind = self.kind() | if ends_atom { ENDS_ATOM } else { 0 };
        into.push(kind);
        match self {
            TableEntry::Append(append) => {
                for number in [append.partition.0, append.named.0, append.base.0] {
                    into.extend_from_slice(&number.to_le_bytes());
                }
                into.extend_from_slice(&append.arrival.0.to_le_bytes());
                into.extend_from_slice(&append.max_timestamp.0.to_le_bytes());
                for number in [append.span, append.length, append.crc] {
                    into.extend_from_slice(&number.to_le_bytes());
                }
                if let Some(producer) = append.producer {
                    into.extend_from_slice(&producer.id.0.to_le_bytes());
                    into.extend_from_slice(&producer.epoch.to_le_bytes());
                    into.extend_from_slice(&producer.first.to_le_bytes());
                }
            }
            TableEntry::Put(key, value) => {
                let start = into.len();
                into.extend_from_slice(&[0; 4]);
                minicbor::encode((key, value), &mut *into).expect("memory takes all bytes");
                let length = u32::try_from(into.len() - start - 4).expect("a value is small");
                into[start..start + 4].copy_from_slice(&length.to_le_bytes());
            }
            TableEntry::Open(partition) | TableEntry::Drop(partition) => {
                into.extend_from_slice(&partition.0.to_le_bytes());
            }
            TableEntry::Trim(partition, to) => {
                into.extend_from_slice(&partition.0.to_le_bytes());
                into.extend_from_slice(&to.0.to_le_bytes());
            }
        }
    }

    fn kind(&self) -> u8 {
        match self {
            TableEntry::Append(append) if append.producer.is_some() => APPEND_IDEMPOTENT,
            TableEntry::Append(_) => APPEND,
            TableEntry::Put(..) => PUT,
            TableEntry::Open(_) => OPEN,
            TableEntry::Trim(..) => TRIM,
            TableEntry::Drop(_) => DROP,
        }
    }

    /// All entries of a table, each with whether it ends its atom.
    pub fn decode_all(table: &[u8], count: u32) -> Result<Vec<(TableEntry, bool)>, Bad> {
        let mut entries = Vec::new();
        let mut rest = table;
        while !rest.is_empty() {
            let kind = take(&mut rest, 1)?[0];
            let entry = TableEntry::decode(kind & !ENDS_ATOM, &mut rest)?;
            entries.push((entry, kind & ENDS_ATOM != 0));
        }
        if entries.len() as u64 != u64::from(count) {
            return Err("the number of entries");
        }
        Ok(entries)
    }

    fn decode(kind: u8, rest: &mut &[u8]) -> Result<TableEntry, Bad> {
        let partition = |bytes: &[u8]| PartitionId(u64_at(bytes, 0));
        match kind {
            APPEND => {
                let bytes = take(rest, AppendEntry::PLAIN_BYTES)?;
                AppendEntry::decode(bytes).map(TableEntry::Append)
            }
            APPEND_IDEMPOTENT => {
                let mut append = AppendEntry::decode(take(rest, AppendEntry::PLAIN_BYTES)?)?;
                let bytes = take(rest, AppendEntry::PRODUCER_BYTES)?;
                append.producer = Some(ProducerSequence {
                    id: ProducerId(u64_at(bytes, 0).cast_signed()),
                    epoch: i16::from_le_bytes([bytes[8], bytes[9]]),
                    first: u32_at(bytes, 10).cast_signed(),
                });
                Ok(TableEntry::Append(append))
            }
            PUT => {
                let length = u32_at(take(rest, 4)?, 0);
                let bytes = take(rest, length as usize)?;
                let (key, value) = minicbor::decode(bytes).map_err(|_| "a value")?;
                Ok(TableEntry::Put(key, value))
            }
            OPEN => Ok(TableEntry::Open(partition(take(rest, 8)?))),
            TRIM => {
                let bytes = take(rest, 16)?;
                Ok(TableEntry::Trim(partition(bytes), Offset(u64_at(bytes, 8))))
            }
            DROP => Ok(TableEntry::Drop(partition(take(rest, 8)?))),
            _ => Err("an entry's kind"),
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Bad> {
    let (taken, after) = rest.split_at_checked(count).ok_or("the table's length")?;
    *rest = after;
    Ok(taken)
}

/// A writer that only counts.
struct Count(usize);

impl minicbor::encode::Write for Count {
    type Error = std::convert::Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0 += bytes.len();
        Ok(())
    }
}
