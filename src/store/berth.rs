//! A berth: memory in which a batch comes in and from which the log writes it, so that its bytes
//! are copied nowhere.
//!
//! The batch lies where it would lie in a group of its own: behind as many bytes of a block as the
//! log puts in front of it. What is in front while it comes in has been read by the time the log
//! writes over it.

use super::engine::{ALIGNMENT, aligned, bytes_before_lone_batch};
use super::slots::{SLOT_BYTES, Slot};
use bytes::{Bytes, BytesMut};
use std::ops::Range;
use std::sync::Arc;

/// Where in a block a batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Berth {
    front: usize,
}

/// Memory that is being filled.
#[derive(Debug)]
pub enum Incoming {
    Heap(BytesMut),
    Slot { slot: Slot, filled: usize },
}

/// Filled memory that some may share, or a part of it.
#[derive(Clone, Debug)]
pub struct Landed {
    pub bytes: Bytes,
    /// What the bytes are a part of, if it is one.
    slot: Option<Arc<Slot>>,
}

/// Memory that nobody else has a part of, and the room behind it.
#[derive(Debug)]
pub enum Sole {
    Heap(BytesMut),
    Slot { slot: Slot, part: Range<usize> },
}

/// A slot that bytes are shared from.
struct Shared(Arc<Slot>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
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
    pub fn memory(self, before: usize, bytes: usize) -> Incoming {
        // Whole blocks, of which the last ones begin with what the log puts in front.
        let blocks = before.max(self.front).next_multiple_of(ALIGNMENT);
        let held = blocks + self.front - before;
        let needed = (held + bytes).next_multiple_of(ALIGNMENT);
        // A smaller batch would leave most of a slot unused.
        let fits = (SLOT_BYTES / 2..=SLOT_BYTES).contains(&needed);
        if fits && let Some(slot) = Slot::take() {
            return Incoming::Slot { slot, filled: held };
        }
        let mut memory = aligned(held + bytes);
        memory.resize(held, 0);
        Incoming::Heap(memory)
    }

    /// A part of such memory with as much of it as the log needs in front.
    pub fn widened(self, memory: &Landed, part: &Bytes) -> Option<Landed> {
        let bytes = &memory.bytes;
        let at = part.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
        let start = at.checked_sub(self.front)?;
        (at + part.len() <= bytes.len()).then(|| Landed {
            bytes: bytes.slice(start..at + part.len()),
            slot: memory.slot.clone(),
        })
    }
}

impl Incoming {
    /// How much is filled.
    pub fn len(&self) -> usize {
        match self {
            Incoming::Heap(memory) => memory.len(),
            Incoming::Slot { filled, .. } => *filled,
        }
    }

    /// Fills some more of it.
    pub fn put(&mut self, bytes: &[u8]) {
        match self {
            Incoming::Heap(memory) => memory.extend_from_slice(bytes),
            Incoming::Slot { slot, filled } => {
                slot[*filled..][..bytes.len()].copy_from_slice(bytes);
                *filled += bytes.len();
            }
        }
    }

    /// All of it is there.
    pub fn land(self) -> Landed {
        match self {
            Incoming::Heap(memory) => memory.freeze().into(),
            Incoming::Slot { slot, filled } => Landed::part_of(Arc::new(slot), 0..filled),
        }
    }
}

impl Landed {
    fn part_of(slot: Arc<Slot>, part: Range<usize>) -> Landed {
        Landed {
            bytes: Bytes::from_owner(Shared(slot.clone())).slice(part),
            slot: Some(slot),
        }
    }

    /// These bytes for whoever may write to them, if nobody else has a part of their memory.
    pub fn into_sole(self) -> Result<Sole, Landed> {
        let Landed { bytes, slot } = self;
        let Some(slot) = slot else {
            return bytes.try_into_mut().map(Sole::Heap).map_err(Landed::from);
        };
        let start = bytes.as_ptr().addr() - slot.as_ptr().addr();
        let part = start..start + bytes.len();
        drop(bytes);
        match Arc::try_unwrap(slot) {
            Ok(slot) => Ok(Sole::Slot { slot, part }),
            Err(slot) => Err(Landed::part_of(slot, part)),
        }
    }
}

impl From<Bytes> for Landed {
    fn from(bytes: Bytes) -> Landed {
        Landed { bytes, slot: None }
    }
}

impl Sole {
    pub fn bytes(&mut self) -> &mut [u8] {
        match self {
            Sole::Heap(memory) => memory,
            Sole::Slot { slot, part } => &mut slot[part.clone()],
        }
    }

    /// Whether it is aligned, and takes what fills up its last block without moving.
    pub fn is_fit(&self) -> bool {
        let (at, len, room) = match self {
            Sole::Heap(memory) => (memory.as_ptr(), memory.len(), memory.capacity()),
            Sole::Slot { slot, part } => (
                slot[part.start..].as_ptr(),
                part.len(),
                slot.len() - part.start,
            ),
        };
        at.addr().is_multiple_of(ALIGNMENT) && len.next_multiple_of(ALIGNMENT) <= room
    }

    /// Fills its last block up with zeros. The bytes, and what they take of memory.
    pub fn filled_up(self) -> (Bytes, usize) {
        match self {
            Sole::Heap(mut memory) => {
                memory.resize(memory.len().next_multiple_of(ALIGNMENT), 0);
                let bytes = memory.capacity();
                (memory.freeze(), bytes)
            }
            Sole::Slot { mut slot, part } => {
                let end = part.start + part.len().next_multiple_of(ALIGNMENT);
                slot[part.end..end].fill(0);
                let landed = Landed::part_of(Arc::new(slot), part.start..end);
                (landed.bytes, SLOT_BYTES)
            }
        }
    }

    /// The same memory for all to read.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Sole::Heap(memory) => memory.freeze(),
            Sole::Slot { slot, part } => Landed::part_of(Arc::new(slot), part).bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landed(berth: Berth, before: usize, batch: usize) -> (Landed, Bytes) {
        let mut memory = berth.memory(before, before + batch + 50);
        let at = memory.len() + before;
        memory.put(&vec![1; before]);
        memory.put(&vec![7; batch]);
        memory.put(&[9; 50]);
        let landed = memory.land();
        let batch = landed.bytes.slice(at..at + batch);
        (landed, batch)
    }

    #[test]
    fn a_batch_lies_behind_the_same_part_of_a_block_whatever_comes_before() {
        for is_idempotent in [false, true] {
            let berth = Berth::new(is_idempotent);
            for before in [0, 1, 60, 130, 131, 132, 4095, 4096, 5000] {
                for length in [100_000, 1_000_000, 2_000_000] {
                    let (memory, batch) = landed(berth, before, length);
                    let at = batch.as_ptr();
                    let wide = berth.widened(&memory, &batch).expect("room in front");
                    assert_eq!(wide.bytes.as_ptr().addr() % ALIGNMENT, 0, "{before}");
                    drop((memory, batch));

                    let mut sole = wide.into_sole().expect("nobody else");
                    assert!(sole.is_fit());
                    sole.bytes()[..berth.front].fill(3);
                    let (filled, memory) = sole.filled_up();
                    assert!(filled.len().is_multiple_of(ALIGNMENT) && memory >= filled.len());
                    assert_eq!(filled[berth.front..].as_ptr(), at);
                    let (front, rest) = filled.split_at(berth.front);
                    let (batch, padding) = rest.split_at(length);
                    assert!(front.iter().all(|byte| *byte == 3));
                    assert!(batch.iter().all(|byte| *byte == 7));
                    assert!(padding.iter().all(|byte| *byte == 0));
                }
            }
        }
    }

    #[test]
    fn who_shares_memory_may_not_write_to_it() {
        for length in [100_000, 1_000_000] {
            let berth = Berth::new(true);
            let (memory, batch) = landed(berth, 60, length);
            let wide = berth.widened(&memory, &batch).expect("room in front");
            drop(memory);
            let wide = wide.into_sole().expect_err("somebody has the batch");
            assert!(wide.bytes.ends_with(&batch));
            drop(batch);
            assert_eq!(
                wide.into_sole().expect("nobody else").bytes()[berth.front],
                7
            );
        }
    }

    #[test]
    fn memory_that_begins_too_late_has_no_room() {
        let memory = Bytes::from(vec![0; 1000]);
        let berth = Berth::new(true);
        let widened = |memory: &Bytes, part: &Bytes| berth.widened(&memory.clone().into(), part);
        assert!(widened(&memory, &memory.slice(10..)).is_none());
        assert!(widened(&memory.slice(500..), &memory).is_none());
    }
}
