//! Batches with opaque, reproducible contents.

use crate::store::Berth;
use crate::store::batch::{Batch, HEADER_BYTES, LENGTH_PREFIX_BYTES, ProducerSequence};
use bytes::{Bytes, BytesMut};

/// Reproducible noise (xorshift64*).
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`; 0 for 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a usize is a u64");
        usize::try_from(self.next() % bound.max(1)).expect("below a usize")
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// What a test batch looks like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub span: u32,
    /// Bytes behind the header.
    pub bytes: usize,
    pub seed: u64,
    pub producer: Option<ProducerSequence>,
    pub max_timestamp: i64,
}

impl Shape {
    /// A whole batch, valid but for its records, which nobody below the faces reads.
    pub fn batch(self) -> Batch {
        let mut bytes = BytesMut::zeroed(HEADER_BYTES + self.bytes);
        Noise::new(self.seed).fill(&mut bytes[HEADER_BYTES..]);
        let length = i32::try_from(bytes.len() - LENGTH_PREFIX_BYTES).expect("a small batch");
        let count = i32::try_from(self.span).expect("a small batch");
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
        bytes[27..35].copy_from_slice(&self.max_timestamp.saturating_sub(7).to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        bytes[43..51].copy_from_slice(&(-1_i64).to_be_bytes());
        bytes[51..53].copy_from_slice(&(-1_i16).to_be_bytes());
        bytes[53..57].copy_from_slice(&(-1_i32).to_be_bytes());
        if let Some(producer) = self.producer {
            bytes[43..51].copy_from_slice(&producer.id.0.to_be_bytes());
            bytes[51..53].copy_from_slice(&producer.epoch.to_be_bytes());
            bytes[53..57].copy_from_slice(&producer.first.to_be_bytes());
        }
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        match self.seed % 2 {
            0 => in_berth(&bytes, self.producer.is_some()),
            _ => Batch::parse(bytes.freeze()).expect("the suite makes whole batches"),
        }
    }
}

/// A batch as it lies in memory that the log may write from.
pub fn in_berth(batch: &[u8], is_idempotent: bool) -> Batch {
    let before = batch.len() % 300;
    let berth = Berth::new(is_idempotent);
    let mut memory = berth.memory(before, before + batch.len());
    let at = memory.len() + before;
    memory.put(&vec![0xfb; before]);
    memory.put(batch);
    let memory = memory.land();
    let bytes = memory.bytes.slice(at..);
    let berthed = berth.widened(&memory, &bytes).expect("room in front");
    let batch = Batch::parse(bytes).expect("a whole batch");
    batch.berthed(berthed)
}

/// Reproducible bytes.
pub fn noise(seed: u64, count: usize) -> Bytes {
    let mut bytes = vec![0; count];
    Noise::new(seed).fill(&mut bytes);
    bytes.into()
}
