//! A frame is one group of commits as it lies in the log; `docs/formats.md` shows the bytes.

use super::layout::Layout;
use super::segment::{LogAt, round_up_to_block, u32_at, u64_at};
use super::table::{AppendEntry, TableEntry};
use crate::store::batch;
use crate::store::engine::BatchInfo;
use crate::store::engine::sequencer::Effect;
use crate::store::{Offset, PartitionId, Position};

pub const HEADER_BYTES: usize = 64;
const MAGIC: &[u8; 4] = b"BrFr";
/// Bytes at the front that the checksum does not cover: magic and the checksum itself.
pub const CRC_COVERS_FROM: usize = 8;

/// Where a frame goes, and what it says about the log before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub salt: u64,
    pub at: LogAt,
    /// Everything before this was durable when the frame was written.
    pub durable: LogAt,
    /// Position of the frame's first commit.
    pub first: Position,
    pub predecessor_crc: u32,
}

/// A frame's fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub place: Place,
    pub crc: u32,
    pub table_bytes: u32,
    pub body_bytes: u64,
    pub entries: u32,
}

/// An atom that took effect, at its position.
#[derive(Debug)]
pub struct Committed {
    pub position: Position,
    pub effects: Vec<Effect>,
}

/// Consecutive batches of one partition, contiguous in a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct FrameRun {
    pub partition: PartitionId,
    /// Where the first batch is, from the front of the frame.
    pub start: usize,
    pub batches: Vec<BatchInfo>,
}

/// What a frame's table tells.
#[derive(Debug)]
pub struct Decoded {
    pub commits: Vec<Listed>,
    pub runs: Vec<FrameRun>,
    /// Where each append's batch starts, from the front of the frame.
    starts: Vec<usize>,
}

/// An atom as the table lists it.
#[derive(Debug)]
pub struct Listed {
    pub position: Position,
    pub entries: Vec<TableEntry>,
}

/// Why bytes are not the frame that was written.
pub type Bad = &'static str;

impl FrameHeader {
    /// Reads the fixed part; the checksum is judged by [`FrameHeader::covers`] once the table is
    /// there too.
    pub fn decode(bytes: &[u8]) -> Option<FrameHeader> {
        if bytes.len() < HEADER_BYTES || &bytes[..4] != MAGIC {
            return None;
        }
        let place = Place {
            salt: u64_at(bytes, 8),
            at: LogAt(u64_at(bytes, 16)),
            durable: LogAt(u64_at(bytes, 24)),
            first: Position(u64_at(bytes, 32)),
            predecessor_crc: u32_at(bytes, 40),
        };
        Some(FrameHeader {
            place,
            crc: u32_at(bytes, 4),
            table_bytes: u32_at(bytes, 44),
            body_bytes: u64_at(bytes, 48),
            entries: u32_at(bytes, 56),
        })
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&self.crc.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.place.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.place.at.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.place.durable.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.place.first.0.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.place.predecessor_crc.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.table_bytes.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.entries.to_le_bytes());
        bytes
    }

    /// Header and table.
    pub fn covered_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.table_bytes)
    }

    /// The whole frame in blocks; `None` if no file can be that large.
    pub fn frame_bytes(&self) -> Option<u64> {
        let bytes = self.covered_bytes().checked_add(self.body_bytes)?;
        (bytes < 1 << 62).then(|| round_up_to_block(bytes))
    }

    /// Whether header and table, at the front of `bytes`, are as they were written.
    pub fn covers(&self, bytes: &[u8]) -> bool {
        let covered = usize::try_from(self.covered_bytes()).ok();
        let covered = covered.and_then(|end| bytes.get(CRC_COVERS_FROM..end));
        covered.is_some_and(|covered| crc32c::crc32c(covered) == self.crc)
    }
}

/// Reads the table of a frame whose header has been found to cover it; both are at the front of
/// `bytes`.
pub fn decode(header: &FrameHeader, bytes: &[u8]) -> Result<Decoded, Bad> {
    let body_start = usize::try_from(header.covered_bytes()).map_err(|_| "the table's length")?;
    let body_bytes = usize::try_from(header.body_bytes).map_err(|_| "the body's length")?;
    let table = bytes.get(HEADER_BYTES..body_start);
    let entries = TableEntry::decode_all(table.ok_or("the table's length")?, header.entries)?;
    let appends = entries.iter().filter_map(|(entry, _)| entry.append());
    let infos: Vec<BatchInfo> = appends.clone().map(AppendEntry::info).collect();
    let owners = appends.map(|append| append.partition);
    let layout = Layout::of(owners, &infos, body_start);
    if layout.body_bytes != body_bytes {
        return Err("the body's length");
    }
    let mut commits = Vec::new();
    let mut position = header.place.first;
    let mut unfinished = Vec::new();
    for (entry, ends_atom) in entries {
        unfinished.push(entry);
        if ends_atom {
            let entries = std::mem::take(&mut unfinished);
            commits.push(Listed { position, entries });
            position = Position(position.0.checked_add(1).ok_or("the position")?);
        }
    }
    if !unfinished.is_empty() {
        return Err("an unfinished atom");
    }
    Ok(Decoded {
        commits,
        runs: layout.runs,
        starts: layout.starts,
    })
}

impl Decoded {
    /// Judges every batch of the frame, all of which is in `bytes`, by its own checksum, and what
    /// that leaves out by the table.
    pub fn check(&self, bytes: &[u8]) -> Result<(), Bad> {
        let entries = self.commits.iter().flat_map(|commit| &commit.entries);
        let appends = entries.filter_map(TableEntry::append);
        for (append, start) in appends.zip(&self.starts) {
            let batch = bytes.get(*start..start + append.length as usize);
            check_batch(append, batch.ok_or("the frame's length")?)?;
        }
        Ok(())
    }
}

fn check_batch(append: &AppendEntry, bytes: &[u8]) -> Result<(), Bad> {
    if append.front() != bytes[..batch::CRC_COVERS_FROM] {
        return Err("a batch's front");
    }
    if crc32c::crc32c(&bytes[batch::CRC_COVERS_FROM..]) != append.crc {
        return Err("a batch's checksum");
    }
    Ok(())
}

/// Whether these bytes are a stored batch with this first offset, by its own checksum.
pub fn is_batch(base: Offset, bytes: &[u8]) -> bool {
    let Ok(length) = u32::try_from(bytes.len()) else {
        return false;
    };
    if bytes.len() < batch::HEADER_BYTES {
        return false;
    }
    let crc = crc32c::crc32c(&bytes[batch::CRC_COVERS_FROM..]);
    bytes[..batch::CRC_COVERS_FROM] == batch_front(base, length, crc)
}

/// The front of a stored batch, which its own checksum leaves out.
pub fn batch_front(base: Offset, length: u32, crc: u32) -> [u8; batch::CRC_COVERS_FROM] {
    let mut front = [0; batch::CRC_COVERS_FROM];
    let stated = length.saturating_sub(batch::LENGTH_PREFIX_BYTES as u32);
    front[0..8].copy_from_slice(&base.0.to_be_bytes());
    front[8..12].copy_from_slice(&stated.to_be_bytes());
    front[16] = 2;
    front[17..21].copy_from_slice(&crc.to_be_bytes());
    front
}
