//! What an operation answers, and how that is written.

use super::base64;
use crate::store::Timestamp;
use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;
use std::io;

/// Bytes reserved for an answer that does not say how long it is.
const BODY_BYTES: usize = 512;

/// An operation's output.
pub trait Answer: Serialize {
    /// Roughly the bytes of the body, for one that can be long.
    fn bytes_len_guess(&self) -> usize {
        BODY_BYTES
    }

    /// The body; empty for an operation that has no output (spec A.2).
    fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut body = Vec::with_capacity(self.bytes_len_guess());
        self.serialize(&mut serde_json::Serializer::with_formatter(
            &mut body, Blobs,
        ))?;
        Ok(body)
    }
}

/// Compact JSON with bytes as base64, which needs no escapes and so is not searched for any.
struct Blobs;

impl Formatter for Blobs {
    fn write_byte_array<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        bytes: &[u8],
    ) -> io::Result<()> {
        out.write_all(b"\"")?;
        base64::write(out, bytes)?;
        out.write_all(b"\"")
    }
}

/// Bytes as the service writes them: base64 in JSON.
#[derive(Clone, Debug)]
pub struct Blob(pub Bytes);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_bytes(&self.0)
    }
}

/// No output.
impl Answer for () {
    fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        Ok(Vec::new())
    }
}

/// A time as the service writes it: seconds with a fraction.
#[derive(Clone, Copy, Debug)]
pub struct EpochSeconds(pub Timestamp);

impl Serialize for EpochSeconds {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_f64(self.0.0 as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_seconds_with_milliseconds() {
        let written = serde_json::to_string(&EpochSeconds(Timestamp(1_767_323_045_678)));
        assert_eq!(written.unwrap(), "1767323045.678");
    }
}
