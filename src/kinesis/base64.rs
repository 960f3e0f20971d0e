//! Base64 as the service reads it: padded, canonical, and refused in its own words (spec A.7).

use super::validate::shortened;
use crate::store::NewValue;
use bytes::Bytes;

/// Base64 that was found to be well-formed.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    text: &'a [u8],
    bytes_len: usize,
}

impl<'a> Encoded<'a> {
    /// `None` for what [`decode`] refuses.
    pub fn checked(text: &'a [u8]) -> Option<Encoded<'a>> {
        base64_simd::STANDARD.check(text).ok()?;
        let bytes_len = base64_simd::STANDARD.decoded_length(text).ok()?;
        Some(Encoded { text, bytes_len })
    }
}

impl NewValue for Encoded<'_> {
    fn bytes_len(&self) -> usize {
        self.bytes_len
    }

    fn put(&self, to: &mut Vec<u8>) {
        to.reserve(self.bytes_len);
        base64_simd::STANDARD
            .decode_append(self.text, to)
            .expect("it was found to be well-formed");
    }
}

/// Adds bytes as base64.
pub fn append(to: &mut Vec<u8>, bytes: &[u8]) {
    to.reserve(base64_simd::STANDARD.encoded_length(bytes.len()));
    base64_simd::STANDARD.encode_append(bytes, to);
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
    use proptest::prelude::*;

    #[test]
    fn bytes_come_back_from_their_text() {
        assert_eq!(decode("").as_deref(), Ok(&b""[..]));
        assert_eq!(decode("aGVsbG8=").as_deref(), Ok(&b"hello"[..]));
        assert_eq!(encode(b"hello"), "aGVsbG8=");
        let mut written = b"> ".to_vec();
        append(&mut written, b"hello");
        assert_eq!(written, b"> aGVsbG8=");
    }

    proptest! {
        #[test]
        fn what_is_found_well_formed_decodes(
            text in "[A-Za-z0-9+/]{0,80}[A-Za-z0-9+/=?\\\\]{0,4}",
        ) {
            let checked = Encoded::checked(text.as_bytes()).map(|encoded| {
                let mut bytes = Vec::new();
                encoded.put(&mut bytes);
                assert_eq!(bytes.len(), encoded.bytes_len());
                Bytes::from(bytes)
            });
            prop_assert_eq!(checked, decode(&text).ok());
        }
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
