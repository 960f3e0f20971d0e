//! One file for each operation.

pub mod list_streams;
