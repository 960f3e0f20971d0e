//! Memory for groups: aligned, so that the disk takes it as it is, and used again once nobody
//! reads it any more.
//!
//! A group is the same bytes for the disk, for the tail cache and for readers. The last of them
//! to let go makes the buffer idle; nothing is zeroed, and no page is touched for the first time
//! twice.

use super::segment::{BLOCK_BYTES, round_up_to_block};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;

/// Small groups lie one behind the other in buffers of this size.
pub const SHARED_BYTES: usize = 128 << 10;
/// Groups above this have a buffer of their own, so that no more than this is left unused.
const SMALL_BYTES: usize = SHARED_BYTES / 4;
/// Memory kept besides what the tail cache holds: groups on their way to the disk, idle buffers.
const BESIDES_CACHE_BYTES: usize = 16 << 20;
/// Idle buffers kept for groups of other sizes.
const IDLE_MAX: usize = 4;
/// Blocks of the disk, and the memory that is written to it, begin at multiples of this.
pub const ALIGNMENT: usize = BLOCK_BYTES as usize;

/// Buffers for groups, and those that groups lie in.
pub struct Buffers {
    /// Where the next small group goes.
    shared: Option<Buffer>,
    /// Buffers full of groups, oldest first: the tail cache lets go of them in this order.
    full: VecDeque<Buffer>,
    full_bytes: usize,
    full_bytes_max: usize,
    idle: Vec<Buffer>,
}

/// One piece of memory, and what is still unused of it.
struct Buffer {
    rest: BytesMut,
    bytes: usize,
}

/// A group in memory.
pub struct Filled {
    /// Aligned, whole blocks.
    pub bytes: Bytes,
    /// What it takes, the unused part of its buffer included.
    pub memory: usize,
}

impl From<Vec<u8>> for Filled {
    fn from(bytes: Vec<u8>) -> Filled {
        Filled {
            memory: bytes.capacity(),
            bytes: bytes.into(),
        }
    }
}

impl Buffers {
    pub fn new(tail_cache_bytes: usize) -> Buffers {
        Buffers {
            shared: None,
            full: VecDeque::new(),
            full_bytes: 0,
            full_bytes_max: tail_cache_bytes + BESIDES_CACHE_BYTES,
            idle: Vec::new(),
        }
    }

    /// From now on so many bytes of groups are kept by those who know when to let go.
    pub fn keep(&mut self, bytes: usize) {
        self.full_bytes_max = bytes + BESIDES_CACHE_BYTES;
    }

    /// A group of what `fill` appends: at most `bytes_max` bytes, filled up with zeros to whole
    /// blocks.
    pub fn fill(&mut self, bytes_max: usize, fill: impl FnOnce(&mut BytesMut)) -> Filled {
        let bytes_max = in_blocks(bytes_max);
        let is_small = bytes_max <= SMALL_BYTES;
        let mut buffer = match is_small {
            true => self.take_shared(bytes_max),
            false => self.take(size_for(bytes_max)),
        };
        fill(&mut buffer.rest);
        buffer.rest.resize(in_blocks(buffer.rest.len()), 0);
        let bytes = buffer.rest.split().freeze();
        if is_small {
            self.shared = Some(buffer);
            let memory = bytes.len();
            return Filled { bytes, memory };
        }
        let memory = buffer.bytes;
        self.put_away(buffer);
        Filled { bytes, memory }
    }

    /// A buffer that takes `bytes` more and goes on where the last small group ends, if it can.
    fn take_shared(&mut self, bytes: usize) -> Buffer {
        match self.shared.take() {
            Some(shared) if shared.rest.capacity() >= bytes => return shared,
            Some(shared) => self.put_away(shared),
            None => {}
        }
        self.take(SHARED_BYTES)
    }

    /// An unused buffer for `bytes`.
    fn take(&mut self, bytes: usize) -> Buffer {
        self.let_go();
        let fits = |idle: &Buffer| (bytes..=2 * bytes).contains(&(idle.bytes - ALIGNMENT));
        let mut found = self.idle.iter().position(fits);
        while found.is_none()
            && let Some(idle) = self.next_idle()
        {
            self.idle.push(idle);
            found = self.idle.iter().position(fits);
            if self.idle.len() > IDLE_MAX && found.is_none() {
                self.idle.remove(0);
            }
        }
        let mut buffer = match found {
            Some(at) => self.idle.swap_remove(at),
            None => Buffer::new(bytes + ALIGNMENT),
        };
        buffer.align();
        buffer
    }

    fn put_away(&mut self, buffer: Buffer) {
        self.full_bytes += buffer.bytes;
        self.full.push_back(buffer);
    }

    /// The oldest full buffer, if it is idle by now.
    fn next_idle(&mut self) -> Option<Buffer> {
        if !self.full.front_mut()?.is_idle() {
            return None;
        }
        let oldest = self.full.pop_front()?;
        self.full_bytes -= oldest.bytes;
        Some(oldest)
    }

    /// Lets go of what is more than may be kept: idle buffers, and those that somebody still reads
    /// long after the cache has let go of them, which are their readers' then.
    fn let_go(&mut self) {
        while self.full_bytes > self.full_bytes_max
            && let Some(oldest) = self.full.pop_front()
        {
            self.full_bytes -= oldest.bytes;
        }
    }
}

impl Buffer {
    fn new(bytes: usize) -> Buffer {
        Buffer {
            rest: BytesMut::with_capacity(bytes),
            bytes,
        }
    }

    /// Whether nobody else has a part of it; then all of it is unused again.
    fn is_idle(&mut self) -> bool {
        self.rest.try_reclaim(self.bytes)
    }

    fn align(&mut self) {
        let past = self.rest.as_ptr().addr() % ALIGNMENT;
        let skipped = (ALIGNMENT - past) % ALIGNMENT;
        self.rest.resize(skipped, 0);
        self.rest.advance(skipped);
    }
}

/// Memory that takes so many bytes and is aligned as long as it is given no more.
pub fn aligned(bytes: usize) -> BytesMut {
    let mut buffer = Buffer::new(in_blocks(bytes) + ALIGNMENT);
    buffer.align();
    buffer.rest
}

/// Whole blocks of zeros, fit to be written or to be read into.
pub fn zero_blocks(bytes: usize) -> BytesMut {
    let mut blocks = aligned(bytes);
    blocks.resize(in_blocks(bytes), 0);
    blocks
}

/// The size to make a buffer of for a group of `bytes`: a quarter larger at most, so that it fits
/// others too.
fn size_for(bytes: usize) -> usize {
    bytes.next_multiple_of(bytes.next_power_of_two() / 8)
}

fn in_blocks(bytes: usize) -> usize {
    usize::try_from(round_up_to_block(bytes as u64)).expect("it is about to be in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(buffers: &mut Buffers, bytes: usize) -> Filled {
        buffers.fill(bytes, |into| into.resize(bytes, 7))
    }

    #[test]
    fn a_group_is_aligned_and_filled_up_with_zeros() {
        let mut buffers = Buffers::new(1 << 20);
        for bytes in [1, 4096, 5000, SMALL_BYTES, SMALL_BYTES + 1, 3 << 20] {
            let filled = group(&mut buffers, bytes);
            assert_eq!(filled.bytes.as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(filled.bytes.len(), bytes.next_multiple_of(ALIGNMENT));
            assert!(filled.bytes[..bytes].iter().all(|byte| *byte == 7));
            assert!(filled.bytes[bytes..].iter().all(|byte| *byte == 0));
            assert!(filled.memory >= filled.bytes.len());
            assert!(filled.memory <= filled.bytes.len() * 5 / 4 + 2 * ALIGNMENT);
        }
    }

    #[test]
    fn a_buffer_is_used_again_once_nobody_has_a_part_of_it() {
        let mut buffers = Buffers::new(1 << 20);
        let first = group(&mut buffers, 1 << 20).bytes;
        let at = first.as_ptr();
        let part = first.slice(10..20);
        drop(first);
        assert_ne!(group(&mut buffers, 1 << 20).bytes.as_ptr(), at);
        drop(part);
        let again = [0; 2].map(|_| group(&mut buffers, 1 << 20).bytes.as_ptr());
        assert!(again.contains(&at));
    }

    #[test]
    fn small_groups_share_a_buffer() {
        let mut buffers = Buffers::new(1 << 20);
        let first = group(&mut buffers, 4096).bytes;
        let second = group(&mut buffers, 100).bytes;
        assert_eq!(second.as_ptr().addr(), first.as_ptr().addr() + 4096);
    }

    #[test]
    fn slow_readers_do_not_make_it_keep_more_than_it_may() {
        let mut buffers = Buffers::new(1 << 20);
        let slow: Vec<_> = (0..100).map(|_| group(&mut buffers, 1 << 20)).collect();
        assert!(buffers.full_bytes <= buffers.full_bytes_max + (2 << 20));
        drop(slow);
        group(&mut buffers, 1 << 20);
        let idle: usize = buffers.idle.iter().map(|idle| idle.bytes).sum();
        assert!(idle <= IDLE_MAX * (2 << 20));
        buffers.keep(0);
        group(&mut buffers, 1 << 20);
        assert!(buffers.full_bytes <= BESIDES_CACHE_BYTES + (2 << 20));
    }
}
