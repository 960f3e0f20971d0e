//! A log segment: one preallocated file of the ring, and the block at its front that says which
//! stretch of the log it holds.

use super::disk::DiskFile;
use std::fmt;
use std::sync::Arc;

/// Frames start on a block; a block is never written again once it may be acknowledged.
pub const BLOCK_BYTES: u64 = 4096;
/// Newest format of any file that this program reads; all it writes.
pub const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"braidlog";
const HEADER_BYTES: usize = 48;

/// A place in the log, counted in bytes of frames since the directory was new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogAt(pub u64);

impl fmt::Display for LogAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a segment's first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Order of use; part of the file's name.
    pub sequence: u64,
    /// Random, new for every use of a file: what else lies in it is not of this log.
    pub salt: u64,
    /// Where the log continues in this segment.
    pub start: LogAt,
    /// Checksum of the frame that ends there, 0 at the very beginning.
    pub predecessor_crc: u32,
}

/// Why a block is no segment header of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHeader {
    Damaged,
    Newer(u32),
}

impl SegmentHeader {
    pub fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK_BYTES as usize);
        block.extend_from_slice(MAGIC);
        block.extend_from_slice(&FORMAT.to_le_bytes());
        block.extend_from_slice(&self.predecessor_crc.to_le_bytes());
        block.extend_from_slice(&self.sequence.to_le_bytes());
        block.extend_from_slice(&self.salt.to_le_bytes());
        block.extend_from_slice(&self.start.0.to_le_bytes());
        let crc = crc32c::crc32c(&block);
        block.extend_from_slice(&crc.to_le_bytes());
        block.resize(BLOCK_BYTES as usize, 0);
        block
    }

    pub fn decode(block: &[u8]) -> Result<SegmentHeader, NoHeader> {
        if block.len() < HEADER_BYTES || &block[..8] != MAGIC {
            return Err(NoHeader::Damaged);
        }
        let format = u32_at(block, 8);
        if format > FORMAT {
            return Err(NoHeader::Newer(format));
        }
        if crc32c::crc32c(&block[..40]) != u32_at(block, 40) {
            return Err(NoHeader::Damaged);
        }
        Ok(SegmentHeader {
            predecessor_crc: u32_at(block, 12),
            sequence: u64_at(block, 16),
            salt: u64_at(block, 24),
            start: LogAt(u64_at(block, 32)),
        })
    }
}

/// A segment that is or was written. Whoever holds one keeps its file from being used again.
pub struct Segment {
    pub header: SegmentHeader,
    pub file: Arc<dyn DiskFile>,
    /// Length of the file, header block included.
    pub bytes: u64,
}

impl Segment {
    /// Where in the file a place of the log is that lies in this segment.
    pub fn file_at(&self, at: LogAt) -> u64 {
        BLOCK_BYTES + (at.0 - self.header.start.0)
    }

    pub fn name(&self) -> String {
        log_name(self.header.sequence)
    }
}

pub fn log_name(sequence: u64) -> String {
    format!("log-{sequence:012}")
}

pub fn spare_name(number: u64) -> String {
    format!("spare-{number:012}")
}

pub fn data_name(number: u64) -> String {
    format!("data-{number:012}")
}

pub fn checkpoint_name(number: u64) -> String {
    format!("checkpoint-{number:012}")
}

/// The number in a name made by one of the functions above.
pub fn number_in(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_prefix('-')?;
    let is_number = digits.len() >= 12 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

pub fn round_up_to_block(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES) * BLOCK_BYTES
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes are four"))
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes are eight"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        sequence: 3,
        salt: 9,
        start: LogAt(8192),
        predecessor_crc: 77,
    };

    #[test]
    fn a_header_reads_back_and_any_flipped_bit_is_noticed() {
        let block = HEADER.encode();
        assert_eq!(SegmentHeader::decode(&block), Ok(HEADER));
        for at in 0..44 {
            let mut flipped = block.clone();
            flipped[at] ^= 1;
            assert!(SegmentHeader::decode(&flipped).is_err(), "{at}");
        }
    }

    #[test]
    fn a_newer_format_is_told_apart_from_damage() {
        let mut block = HEADER.encode();
        block[8] = 2;
        assert_eq!(SegmentHeader::decode(&block), Err(NoHeader::Newer(2)));
    }

    #[test]
    fn only_names_of_the_given_kind_have_a_number() {
        assert_eq!(number_in(&log_name(7), "log"), Some(7));
        assert_eq!(number_in("log-1", "log"), None);
        assert_eq!(number_in("log-000000000001.tmp", "log"), None);
        assert_eq!(number_in(&data_name(7), "log"), None);
    }
}
