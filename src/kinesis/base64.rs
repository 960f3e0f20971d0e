//! Base64 as the service reads it: padded, canonical, and refused in its own words (spec A.7).

use super::validate::shortened;
use bytes::Bytes;
use std::io;

/// Bytes encoded at a time: a multiple of three, so that only the last piece is padded.
const PIECE_BYTES: usize = 3 << 10;

/// Writes bytes as base64, piece by piece and with no copy of the whole.
pub fn write<W: io::Write + ?Sized>(out: &mut W, bytes: &[u8]) -> io::Result<()> {
    let mut text = [0; PIECE_BYTES / 3 * 4];
    for piece in bytes.chunks(PIECE_BYTES) {
        let text = base64_simd::Out::from_slice(&mut text);
        out.write_all(base64_simd::STANDARD.encode(piece, text))?;
    }
    Ok(())
}

/// The bytes, or the message of the refusal.
pub fn decode(text: &str) -> Result<Bytes, String> {
    match base64_simd::STANDARD.decode_to_vec(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(_) => Err(refusal(text)),
    }
}

pub fn encode(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn refusal(text: &str) -> String {
    let reason = match stray_character(text) {
        _ if !text.chars().count().is_multiple_of(4) => format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.chars().count()
        ),
        Some(stray) => format!("Invalid Base64 character: '{stray}'"),
        // The misspelling is the service's.
        None => "Invalid last non-pad Base64 character dectected".into(),
    };
    format!(
        "'{}' can not be converted to a Blob: {reason}",
        shortened(text)
    )
}

/// The first character outside the alphabet, or the first padding that something else follows.
fn stray_character(text: &str) -> Option<char> {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_stray = match character {
            '=' => characters.peek().is_some_and(|next| *next != '='),
            other => !(other.is_ascii_alphanumeric() || matches!(other, '+' | '/')),
        };
        if is_stray {
            return Some(character);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_text() {
        assert_eq!(decode("").as_deref(), Ok(&b""[..]));
        assert_eq!(decode("aGVsbG8=").as_deref(), Ok(&b"hello"[..]));
        assert_eq!(encode(b"hello"), "aGVsbG8=");
        let long: Bytes = (0..=255).cycle().take(2 * PIECE_BYTES + 1).collect();
        let mut written = Vec::new();
        write(&mut written, &long).unwrap();
        assert_eq!(written, encode(&long).as_bytes());
    }

    #[test]
    fn refusals_are_in_the_words_of_the_service() {
        let refused = |text: &str| decode(text).expect_err("not base64");
        assert_eq!(
            refused("A"),
            "'A' can not be converted to a Blob: Base64 encoded length is expected a multiple of \
             4 bytes but found: 1"
        );
        assert_eq!(
            refused("=+AA"),
            "'=+AA' can not be converted to a Blob: Invalid Base64 character: '='"
        );
        assert_eq!(
            refused("+/+="),
            "'+/+=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected"
        );
        assert_eq!(
            refused("A+?/"),
            "'A+?/' can not be converted to a Blob: Invalid Base64 character: '?'"
        );
    }
}
