//! Base64 as the service reads it: padded, canonical, and refused in its own words (spec A.7).

use super::validate::shortened;
use bytes::Bytes;

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
