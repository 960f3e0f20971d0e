//! What the lanes of the Rust clients share: running checks, and the few steps each of them needs.

pub mod checks;
pub mod kafka;
pub mod kinesis;
pub mod sequence;

pub use checks::Checks;
