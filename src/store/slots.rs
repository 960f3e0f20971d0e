//! Slots for large batches, in memory that the system is asked to back with huge pages: a disk
//! takes one piece from there where it would take a page of 4 KiB at a time.
//!
//! Such memory comes in chunks and is kept: what the largest load took is there for the next one.
//! Where the system gives no huge pages, slots are ordinary memory; once all are taken, batches lie
//! in the allocator's.

use memmap2::{Advice, MmapMut};
use parking_lot::Mutex;
use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A batch of the largest size that streams allow by default, and what lies around it.
pub const SLOT_BYTES: usize = (1 << 20) + (32 << 10);
const HUGE_PAGE_BYTES: usize = 2 << 20;
const CHUNK_BYTES: usize = 4 * HUGE_PAGE_BYTES;
/// What the tail cache and the groups on their way to the disk take by default.
const CHUNKS_MAX: usize = 6;

static SLOTS: Mutex<Slots> = Mutex::new(Slots::NONE);

struct Slots {
    idle: Vec<&'static mut [u8]>,
    /// Chunks there are; no more are made once one could not be.
    chunks: usize,
}

/// Memory of [`SLOT_BYTES`] that begins with a page, until it is dropped. What it holds at first
/// means nothing.
pub struct Slot(&'static mut [u8]);

impl Slot {
    /// The slot that was used last, so that its memory is warm; `None` if there is none.
    pub fn take() -> Option<Slot> {
        SLOTS.lock().take().map(Slot)
    }
}

impl Slots {
    const NONE: Slots = Slots {
        idle: Vec::new(),
        chunks: 0,
    };

    fn take(&mut self) -> Option<&'static mut [u8]> {
        if self.idle.is_empty() && self.chunks < CHUNKS_MAX {
            self.add_chunk();
        }
        self.idle.pop()
    }

    fn add_chunk(&mut self) {
        let Some(chunk) = chunk() else {
            self.chunks = CHUNKS_MAX;
            return;
        };
        self.chunks += 1;
        // For the process's whole life, as the slots are: nobody could take a part of it back.
        let chunk = Box::leak(Box::new(chunk));
        self.idle.extend(chunk.chunks_exact_mut(SLOT_BYTES));
    }
}

/// Memory whose huge pages are there already. `None` where the system knows no such thing.
fn chunk() -> Option<MmapMut> {
    let mut chunk = MmapMut::map_anon(CHUNK_BYTES).ok()?;
    chunk.advise(Advice::HugePage).ok()?;
    // The allocator has the process do without them: an idle server would take twice its memory.
    let are_disabled = transparent_huge_pages_are_disabled().ok()?;
    disable_transparent_huge_pages(false).ok()?;
    for first in (0..CHUNK_BYTES).step_by(HUGE_PAGE_BYTES) {
        chunk[first] = 0;
    }
    disable_transparent_huge_pages(are_disabled).ok()?;
    Some(chunk)
}

impl Deref for Slot {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl DerefMut for Slot {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        SLOTS.lock().idle.push(std::mem::take(&mut self.0));
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_tuple("Slot").field(&self.0.as_ptr()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_share_nothing_come_to_an_end_and_the_last_one_is_used_again() {
        let mut slots = Slots::NONE;
        let mut taken: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
        let chunks = if chunk().is_some() { CHUNKS_MAX } else { 0 };
        assert_eq!(taken.len(), chunks * (CHUNK_BYTES / SLOT_BYTES));
        for (at, slot) in taken.iter_mut().enumerate() {
            assert_eq!((slot.len(), slot.as_ptr().addr() % 4096), (SLOT_BYTES, 0));
            slot.fill(u8::try_from(at).expect("fewer than 256"));
        }
        for (at, slot) in taken.iter().enumerate() {
            assert!(slot.iter().all(|byte| usize::from(*byte) == at));
        }
        let last = taken.last().map(|slot| slot.as_ptr());
        slots.idle.append(&mut taken);
        assert_eq!(slots.take().map(|slot| slot.as_ptr()), last);
    }

    #[test]
    fn the_process_does_with_or_without_huge_pages_as_before() {
        let before = transparent_huge_pages_are_disabled().ok();
        let _chunk = chunk();
        assert_eq!(transparent_huge_pages_are_disabled().ok(), before);
    }
}
