//! Memory for what is read from the disk: aligned, and given back by its last reader.
//!
//! A megabyte fresh from the system costs more than reading into it. The buffer that came back last
//! is lent first: it may still be in the processor's cache.

use super::buffers::zero_blocks;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// Bytes of buffers that are kept while nobody needs them.
const IDLE_BYTES_MAX: usize = 8 << 20;
/// How much larger than what is asked for a buffer may be.
const SPARE_FACTOR_MAX: usize = 2;

/// Buffers that wait to be lent.
#[derive(Default)]
pub struct ReadMemory {
    idle: Arc<Mutex<Vec<BytesMut>>>,
}

/// A buffer of whole blocks. What an earlier reader left in it is still there.
pub struct Lent {
    pub blocks: BytesMut,
    home: Weak<Mutex<Vec<BytesMut>>>,
}

impl ReadMemory {
    /// A buffer of at least `bytes`.
    pub fn lend(&self, bytes: usize) -> Lent {
        let fits = |idle: &BytesMut| (bytes..=bytes * SPARE_FACTOR_MAX).contains(&idle.len());
        let mut idle = self.idle.lock();
        let found = idle.iter().rposition(fits).map(|at| idle.remove(at));
        drop(idle);
        Lent {
            blocks: found.unwrap_or_else(|| zero_blocks(bytes)),
            home: Arc::downgrade(&self.idle),
        }
    }

    /// Gives the idle buffers back to the system.
    pub fn release(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        drop(idle);
    }
}

impl Lent {
    /// For readers; the buffer goes home when the last of them lets go.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.blocks
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(home) = self.home.upgrade() else {
            return;
        };
        let blocks = std::mem::take(&mut self.blocks);
        let mut idle = home.lock();
        let kept: usize = idle.iter().map(BytesMut::len).sum();
        if kept + blocks.len() <= IDLE_BYTES_MAX {
            idle.push(blocks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_lent_again_once_its_last_reader_lets_go() {
        let memory = ReadMemory::default();
        let lent = memory.lend(100_000);
        let at = lent.blocks.as_ptr();
        assert_eq!(at.addr() % 4096, 0);
        let part = lent.freeze().slice(5..10);
        assert_ne!(memory.lend(100_000).blocks.as_ptr(), at);
        drop(part);
        assert_eq!(memory.lend(90_000).blocks.as_ptr(), at);
    }

    #[test]
    fn a_small_read_takes_no_large_buffer() {
        let memory = ReadMemory::default();
        drop(memory.lend(1 << 20));
        assert_eq!(memory.lend(100_000).blocks.len(), 102_400);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let memory = ReadMemory::default();
        let lent: Vec<_> = (0..20).map(|_| memory.lend(1 << 20)).collect();
        drop(lent);
        assert_eq!(memory.idle.lock().len(), 8);
        memory.release();
        assert!(memory.idle.lock().is_empty());
    }
}
