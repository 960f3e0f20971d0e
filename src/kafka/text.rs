//! Texts of the wire and names of the store, each way.

use crate::store::Name;
use kafka_protocol::protocol::StrBytes;

/// A copy: a name that is kept must not keep the whole frame it came in.
pub fn name(text: &StrBytes) -> Name {
    Name::from(text.as_str())
}

/// A copy, for the same reason.
pub fn own(text: &StrBytes) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

pub fn text(name: &str) -> StrBytes {
    StrBytes::from_string(name.to_owned())
}
