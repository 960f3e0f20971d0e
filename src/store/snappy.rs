//! Snappy as a stream: raw blocks, and the framing of xerial's library that Java uses.
//!
//! A raw block tells its expanded length up front and may only be decoded whole by the usual
//! libraries; here it is decoded piece by piece, so that a hostile block costs time, not memory.

use super::varint::{VARINT_BYTES_MAX, unsigned};
use bytes::{Buf, Bytes};
use std::io::{self, Read};

/// What xerial's framing starts with; two version numbers of four bytes follow.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;
/// How far back a copy may reach: the largest block of the libraries that Kafka clients use.
const WINDOW_BYTES_MAX: usize = 4 << 20;
/// Bytes expanded at a time.
const STEP_BYTES: usize = 32 << 10;

/// Expands snappy data; bad data is an error of [`Read::read`].
pub struct Snappy {
    /// Compressed bytes after the current block.
    rest: Bytes,
    /// Whether `rest` consists of blocks with a length in front.
    is_framed: bool,
    /// Compressed bytes of the current block.
    block: Bytes,
    /// Bytes that the current block still has to expand to.
    block_due: usize,
    /// The newest expanded bytes of the current block: those still to be read, and before them
    /// those that copies may refer to.
    window: Vec<u8>,
    /// Bytes of `window` that were read.
    read: usize,
}

impl Snappy {
    pub fn new(packed: Bytes) -> Snappy {
        Snappy {
            is_framed: packed.starts_with(XERIAL_MAGIC),
            rest: packed,
            block: Bytes::new(),
            block_due: 0,
            window: Vec::new(),
            read: 0,
        }
    }

    /// Expands until there is something to read or nothing left.
    fn advance(&mut self) -> io::Result<()> {
        while self.read == self.window.len() {
            if self.block_due == 0 && !self.next_block()? {
                return Ok(());
            }
            self.forget();
            let step = self.window.len() + STEP_BYTES;
            while self.block_due > 0 && self.window.len() < step {
                self.element()?;
            }
        }
        Ok(())
    }

    /// Starts the next block; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        if !self.block.is_empty() {
            return Err(bad("bytes follow a block"));
        }
        // A stream that was appended to another brings its header along.
        while self.is_framed && self.rest.starts_with(XERIAL_MAGIC) {
            take(&mut self.rest, XERIAL_HEADER_BYTES)?;
        }
        if self.rest.is_empty() {
            return Ok(false);
        }
        self.block = if self.is_framed {
            let bytes = take(&mut self.rest, 4)?.get_u32();
            take(&mut self.rest, length(bytes)?)?
        } else {
            std::mem::take(&mut self.rest)
        };
        let mut front = &self.block[..];
        let due = unsigned(&mut front, VARINT_BYTES_MAX).ok_or_else(|| bad("no length"))?;
        let due = u32::try_from(due).map_err(|_| bad("length over 2^32"))?;
        let preamble = self.block.len() - front.len();
        self.block.advance(preamble);
        self.block_due = length(due)?;
        self.window.clear();
        self.read = 0;
        Ok(true)
    }

    /// Lets go of expanded bytes that no copy may refer to, seldom enough to cost little.
    fn forget(&mut self) {
        if self.window.len() > 2 * WINDOW_BYTES_MAX {
            self.window.drain(..self.window.len() - WINDOW_BYTES_MAX);
            self.read = self.window.len();
        }
    }

    /// Expands one element: a literal or a copy.
    fn element(&mut self) -> io::Result<()> {
        let tag = take(&mut self.block, 1)?.get_u8();
        match tag & 3 {
            0 => self.literal(tag >> 2),
            1 => {
                let low = take(&mut self.block, 1)?.get_u8();
                let offset = u32::from(tag >> 5) << 8 | u32::from(low);
                self.copy(offset, usize::from(tag >> 2 & 7) + 4)
            }
            2 => {
                let offset = u32::from(take(&mut self.block, 2)?.get_u16_le());
                self.copy(offset, usize::from(tag >> 2) + 1)
            }
            _ => {
                let offset = take(&mut self.block, 4)?.get_u32_le();
                self.copy(offset, usize::from(tag >> 2) + 1)
            }
        }
    }

    fn literal(&mut self, code: u8) -> io::Result<()> {
        let bytes = match code {
            0..60 => usize::from(code) + 1,
            _ => {
                let width = usize::from(code - 59);
                let mut le = [0; 4];
                le[..width].copy_from_slice(&take(&mut self.block, width)?);
                length(u32::from_le_bytes(le))? + 1
            }
        };
        self.promise(bytes)?;
        let literal = take(&mut self.block, bytes)?;
        self.window.extend_from_slice(&literal);
        Ok(())
    }

    fn copy(&mut self, offset: u32, bytes: usize) -> io::Result<()> {
        let offset = length(offset)?;
        if offset == 0 || offset > self.window.len() {
            return Err(bad("copy from outside the window"));
        }
        self.promise(bytes)?;
        // A copy that overlaps itself repeats what it has just written.
        let mut left = bytes;
        while left > 0 {
            let start = self.window.len() - offset;
            let piece = left.min(offset);
            self.window.extend_from_within(start..start + piece);
            left -= piece;
        }
        Ok(())
    }

    /// Counts `bytes` against what the block said it expands to.
    fn promise(&mut self, bytes: usize) -> io::Result<()> {
        let left = self.block_due.checked_sub(bytes);
        self.block_due = left.ok_or_else(|| bad("block is longer than it says"))?;
        Ok(())
    }
}

impl Read for Snappy {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.advance()?;
        let ready = &self.window[self.read..];
        let bytes = ready.len().min(into.len());
        into[..bytes].copy_from_slice(&ready[..bytes]);
        self.read += bytes;
        Ok(bytes)
    }
}

fn take(from: &mut Bytes, bytes: usize) -> io::Result<Bytes> {
    if from.len() < bytes {
        return Err(bad("cut short"));
    }
    Ok(from.split_to(bytes))
}

fn length(number: u32) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| bad("too large for this machine"))
}

fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("snappy: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expand(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut expanded = Vec::new();
        Snappy::new(Bytes::copy_from_slice(packed)).read_to_end(&mut expanded)?;
        Ok(expanded)
    }

    fn framed(chunks: &[&[u8]]) -> Vec<u8> {
        let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        for chunk in chunks {
            let packed = raw(chunk);
            let bytes = u32::try_from(packed.len()).expect("a short chunk");
            framed.extend_from_slice(&bytes.to_be_bytes());
            framed.extend_from_slice(&packed);
        }
        framed
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new()
            .compress_vec(bytes)
            .expect("snap packs anything")
    }

    /// Bytes that compress: few different ones, in repeated stretches.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec((0..4_u8, 1..400_usize), 0..200)
            .prop_map(|runs| runs.into_iter().flat_map(|(b, n)| vec![b; n]).collect())
    }

    proptest! {
        #[test]
        fn a_raw_block_expands_to_what_was_packed(bytes in text()) {
            prop_assert_eq!(expand(&raw(&bytes)).expect("a good block"), bytes);
        }

        #[test]
        fn framed_blocks_expand_to_what_was_packed(first in text(), second in text()) {
            let packed = framed(&[&first, &second]);
            prop_assert_eq!(expand(&packed).expect("good blocks"), [first, second].concat());
        }

        #[test]
        fn any_damage_ends_in_bytes_or_an_error(
            bytes in text(), at: prop::sample::Index, to: u8, cut: prop::sample::Index,
        ) {
            let mut packed = framed(&[&bytes]);
            let at = at.index(packed.len());
            packed[at] = to;
            // Blocks are short, so that even a lying one expands to little.
            let _ = expand(&packed[..cut.index(packed.len())]);
        }
    }

    #[test]
    fn a_long_block_is_expanded_with_a_bounded_window() {
        let bytes: Vec<u8> = (0..20_000_000_u32)
            .flat_map(|i| (i / 7).to_le_bytes())
            .collect();
        let mut snappy = Snappy::new(raw(&bytes).into());
        let mut piece = vec![0; 10_000];
        let mut at = 0;
        loop {
            let read = snappy.read(&mut piece).expect("a good block");
            if read == 0 {
                break;
            }
            assert!(piece[..read] == bytes[at..at + read]);
            at += read;
            assert!(snappy.window.len() <= 2 * WINDOW_BYTES_MAX + 2 * STEP_BYTES + (64 << 10));
        }
        assert_eq!(at, bytes.len());
    }

    #[test]
    fn two_streams_in_a_row_are_one() {
        let packed = [framed(&[b"one, "]), framed(&[b"two"])].concat();
        assert_eq!(expand(&packed).expect("good blocks"), b"one, two");
    }

    #[test]
    fn a_block_of_another_length_than_it_says_is_refused() {
        let mut packed = raw(b"0123456789");
        packed[0] = 9;
        assert!(expand(&packed).is_err());
        packed[0] = 11;
        assert!(expand(&packed).is_err());
    }
}
