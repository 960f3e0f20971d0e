//! What an operation answers, and how that is written.

use super::error::ApiError;
use crate::store::Timestamp;
use serde::{Serialize, Serializer};

/// An operation's output that is written as its type says.
pub trait Answer: Serialize {}

/// An operation's output.
pub trait Output {
    /// The body; empty for an operation that has no output (spec A.2).
    fn body(self) -> Result<Body, ApiError>;
}

/// A body in one piece or in several, in their order.
pub type Body = Vec<Vec<u8>>;

impl<T: Answer> Output for T {
    fn body(self) -> Result<Body, ApiError> {
        let body = serde_json::to_vec(&self);
        let body = body.map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(vec![body])
    }
}

/// No output.
impl Output for () {
    fn body(self) -> Result<Body, ApiError> {
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
