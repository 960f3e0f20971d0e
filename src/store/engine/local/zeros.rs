//! Zeros ahead of small groups, in a file whose blocks were never written: file systems note the
//! first write of each block, and a small group would wait for that (decision 25).

use super::buffers::zero_blocks;
use bytes::BytesMut;
use std::ops::Range;

/// What is written at once up to this is small.
const SMALL_BYTES: u64 = 64 << 10;
/// So many small writes in a row tell that more will follow: zeros for one among large ones would
/// be written over at once.
const SMALL_MIN: u32 = 16;
/// Zeros written at once, at most: no more than one write in a hundred is to wait for them.
const AHEAD_BYTES: u64 = 512 << 10;
/// Zeros kept in memory; they are written again and again.
const PIECE_BYTES: u64 = 64 << 10;

/// How far the blocks of the segment that is being written have been written.
#[derive(Default)]
pub struct Zeros {
    /// In bytes of the file.
    written_to: u64,
    /// Small writes in a row.
    small: u32,
    /// Empty until it is needed.
    piece: BytesMut,
}

impl Zeros {
    /// The log goes on in a file that has been written so far.
    pub fn enter(&mut self, written_to: u64) {
        self.written_to = written_to;
    }

    /// The zeros to be written together with groups that take this part of a file of so many
    /// bytes, behind them.
    pub fn behind(&mut self, groups: Range<u64>, file_bytes: u64) -> impl Iterator<Item = &[u8]> {
        let is_small = groups.end - groups.start <= SMALL_BYTES;
        self.small = if is_small {
            self.small.saturating_add(1)
        } else {
            0
        };
        let mut bytes = 0;
        if groups.end > self.written_to {
            if self.small >= SMALL_MIN {
                bytes = AHEAD_BYTES.min(file_bytes - groups.end);
            }
            self.written_to = groups.end + bytes;
        }
        if bytes > 0 && self.piece.is_empty() {
            self.piece = zero_blocks(PIECE_BYTES as usize);
        }
        let pieces = (0..bytes).step_by(PIECE_BYTES as usize);
        let piece = &self.piece[..];
        pieces.map(move |at| &piece[..PIECE_BYTES.min(bytes - at) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE_BYTES: u64 = 2 << 20;

    /// Bytes of zeros behind each of the writes that follow one another from `at` on.
    fn behind(zeros: &mut Zeros, at: u64, writes: &[u64]) -> Vec<u64> {
        let mut at = at;
        let mut one = |bytes: &u64| {
            let behind = zeros.behind(at..at + bytes, FILE_BYTES);
            at += bytes;
            behind.map(|piece| piece.len() as u64).sum()
        };
        writes.iter().map(&mut one).collect()
    }

    #[test]
    fn many_small_writes_find_zeros() {
        let mut zeros = Zeros::default();
        zeros.enter(4096);
        let before = behind(&mut zeros, 4096, &[4096; 15]);
        assert_eq!(before, [0; 15]);
        let then = behind(&mut zeros, 16 * 4096, &[4096; 130]);
        assert_eq!(then[0], AHEAD_BYTES);
        assert_eq!(then[1..129], [0; 128]);
        assert_eq!(then[129], AHEAD_BYTES);
    }

    #[test]
    fn a_small_write_among_large_ones_is_written_as_it_is() {
        let mut zeros = Zeros::default();
        zeros.enter(4096);
        let writes = [4096, SMALL_BYTES + 4096].repeat(20);
        assert_eq!(behind(&mut zeros, 4096, &writes), [0; 40]);
    }

    #[test]
    fn zeros_end_with_the_file() {
        let mut zeros = Zeros::default();
        zeros.enter(4096);
        behind(&mut zeros, 4096, &[4096; 15]);
        let last = FILE_BYTES - 3 * 4096;
        assert_eq!(behind(&mut zeros, last, &[4096; 3]), [2 * 4096, 0, 0]);
    }

    #[test]
    fn what_was_written_before_needs_none() {
        let mut zeros = Zeros::default();
        zeros.enter(FILE_BYTES);
        assert_eq!(behind(&mut zeros, 4096, &[4096; 300]), [0; 300]);
    }
}
