//! Zig-zag variable-length integers, as records are written in.

use bytes::BufMut;

/// Most bytes of a 32-bit number.
pub const VARINT_BYTES_MAX: usize = 5;
/// Most bytes of a 64-bit number.
const VARLONG_BYTES_MAX: usize = 10;

/// Takes a 32-bit number off the front of `from`; `None` if it is cut short or too long.
pub fn varint(from: &mut &[u8]) -> Option<i32> {
    let raw = unsigned(from, VARINT_BYTES_MAX)?;
    let raw = u32::try_from(raw).ok()?;
    Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

/// Takes a 64-bit number off the front of `from`; `None` if it is cut short or too long.
pub fn varlong(from: &mut &[u8]) -> Option<i64> {
    let raw = unsigned(from, VARLONG_BYTES_MAX)?;
    Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

/// Takes a plain (not zig-zag) number of at most `bytes_max` bytes off the front of `from`.
pub fn unsigned(from: &mut &[u8], bytes_max: usize) -> Option<u64> {
    let mut value = 0_u64;
    for (i, byte) in from.iter().take(bytes_max).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * i;
        // The tenth byte has room for one bit.
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            *from = &from[i + 1..];
            return Some(value);
        }
    }
    None
}

/// Writes a 32-bit number.
pub fn put_varint(to: &mut impl BufMut, value: i32) {
    let mut raw = zigzag(value);
    while raw >= 0x80 {
        to.put_u8(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    to.put_u8(raw.to_le_bytes()[0]);
}

/// Bytes that [`put_varint`] writes.
pub fn varint_bytes(value: i32) -> usize {
    match zigzag(value) {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        0x1000_0000.. => 5,
    }
}

fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value: i32) {
            let mut written = BytesMut::new();
            put_varint(&mut written, value);
            prop_assert_eq!(written.len(), varint_bytes(value));
            let mut from = &written[..];
            prop_assert_eq!(varint(&mut from), Some(value));
            prop_assert!(from.is_empty());
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            varint(&mut &bytes[..]);
            varlong(&mut &bytes[..]);
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert_eq!(
            varint(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f][..]),
            Some(i32::MIN)
        );
        assert_eq!(varint(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None);
        assert_eq!(varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..]), None);
        assert_eq!(varint(&mut &[0x80][..]), None);
        let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varlong(&mut &longest[..]), Some(i64::MIN));
    }
}
