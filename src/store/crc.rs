//! Arithmetic on CRC-32C checksums: what one becomes when bytes follow, without reading them.
//!
//! A checksum is a polynomial over GF(2) with its highest power in the lowest bit; n zero bytes
//! behind the data multiply it by x^8n. The method is zlib's (`crc32_combine`).

/// CRC-32C (Castagnoli), reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x^0.
const ONE: u32 = 1 << 31;
/// x^2^k at index k: enough for any length of a batch in bits.
const SQUARES: [u32; 40] = squares();

/// The checksum of what `crc` covers, shifted by so many bytes that follow: with it checksums of
/// parts are taken out of the whole and put into it (`^`).
pub fn shifted(crc: u32, bytes: usize) -> u32 {
    let mut factor = ONE;
    let mut left = bytes;
    // x^8 is the third square.
    for square in &SQUARES[3..] {
        if left == 0 {
            break;
        }
        if left & 1 == 1 {
            factor = product(*square, factor);
        }
        left >>= 1;
    }
    product(factor, crc)
}

/// a · b modulo the polynomial.
const fn product(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut power = ONE;
    while power > 0 {
        // Without a branch: bits are as good as random.
        product ^= b & ((a & power != 0) as u32).wrapping_neg();
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
        power >>= 1;
    }
    product
}

const fn squares() -> [u32; 40] {
    // x^1.
    let mut squares = [ONE >> 1; 40];
    let mut k = 1;
    while k < squares.len() {
        squares[k] = product(squares[k - 1], squares[k - 1]);
        k += 1;
    }
    squares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_checksum_of_a_whole_is_that_of_its_parts(
            front in proptest::collection::vec(any::<u8>(), 0..100),
            back in proptest::collection::vec(any::<u8>(), 0..5000),
        ) {
            let whole = [&front[..], &back].concat();
            let combined = shifted(crc32c::crc32c(&front), back.len()) ^ crc32c::crc32c(&back);
            prop_assert_eq!(combined, crc32c::crc32c(&whole));
        }

        #[test]
        fn any_length_shifts_as_the_library_says(crc: u32, bytes in 0_usize..1 << 31) {
            prop_assert_eq!(shifted(crc, bytes), crc32c::crc32c_combine(crc, 0, bytes));
        }
    }
}
