//! A berth: memory in which a batch comes in and from which the log writes it, so that its bytes
//! are copied nowhere.
//!
//! The batch lies where it would lie in a group of its own: behind as many bytes of a block as the
//! log puts in front of it. What is in front while it comes in has been read by the time the log
//! writes over it.

use super::engine::{ALIGNMENT, aligned, bytes_before_lone_batch};
use bytes::{Bytes, BytesMut};

/// Where in a block a batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Berth {
    front: usize,
}

impl Berth {
    /// For a batch that an idempotent producer sent, or another.
    pub fn new(is_idempotent: bool) -> Berth {
        Berth {
            front: bytes_before_lone_batch(is_idempotent),
        }
    }

    /// Memory that takes `bytes` more without moving; what is put into it from its `before`th byte
    /// on is the batch. It holds some bytes already, which mean nothing.
    pub fn memory(self, before: usize, bytes: usize) -> BytesMut {
        // Whole blocks, of which the last ones begin with what the log puts in front.
        let blocks = before.max(self.front).next_multiple_of(ALIGNMENT);
        let held = blocks + self.front - before;
        let mut memory = aligned(held + bytes);
        memory.resize(held, 0);
        memory
    }

    /// A part of such memory with as much of it as the log needs in front.
    pub fn widened(self, memory: &Bytes, part: &Bytes) -> Option<Bytes> {
        let at = part.as_ptr().addr().checked_sub(memory.as_ptr().addr())?;
        let start = at.checked_sub(self.front)?;
        (at + part.len() <= memory.len()).then(|| memory.slice(start..at + part.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_lies_behind_the_same_part_of_a_block_whatever_comes_before() {
        for is_idempotent in [false, true] {
            let berth = Berth::new(is_idempotent);
            for before in [0, 1, 60, 130, 131, 132, 4095, 4096, 5000] {
                let mut memory = berth.memory(before, before + 100_000);
                let (at, from) = (memory.len(), memory.as_ptr());
                memory.resize(at + before + 100_000, 7);
                assert_eq!(memory.as_ptr(), from);
                let memory = memory.freeze();
                let batch = memory.slice(at + before..);
                let wide = berth.widened(&memory, &batch).expect("room in front");
                assert_eq!(wide.as_ptr().addr() % ALIGNMENT, 0, "{before}");
                assert_eq!(wide.len(), berth.front + batch.len());
            }
        }
    }

    #[test]
    fn memory_that_begins_too_late_has_no_room() {
        let memory = Bytes::from(vec![0; 1000]);
        let berth = Berth::new(true);
        assert_eq!(berth.widened(&memory, &memory.slice(10..)), None);
        assert_eq!(berth.widened(&memory.slice(500..), &memory), None);
    }
}
