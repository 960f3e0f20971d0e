//! One file for each operation.

pub mod get_records;
pub mod get_shard_iterator;
pub mod list_streams;
pub mod put_record;
pub mod put_records;
