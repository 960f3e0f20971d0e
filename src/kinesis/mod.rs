//! The Kinesis face: HTTP in, operations on streams, answers out in the service's own words.
//!
//! `http` owns the sockets, `request` the order in which a request is judged, `operations` the
//! table, `op` one file for each operation. Constraints are data (`shape`), declared with the
//! input they bound (`input`), checked and worded in one place (`validate`).

mod again;
mod answer;
mod arn;
mod base64;
mod body;
mod codec;
mod crossing;
mod cx;
mod date;
mod error;
mod http;
mod input;
mod iterator;
mod kept_timer;
mod op;
mod operations;
mod paced;
mod page;
mod pieces;
mod reader;
mod records_json;
mod request;
mod request_ids;
mod response;
mod room;
mod routing;
mod scan;
mod sequence;
mod shape;
mod shard_id;
mod shards;
mod signature;
mod stream;
mod tags;
mod token;
mod validate;
mod value;
mod writer;

pub use http::{Face, serve};
#[cfg(test)]
pub use operations::Operation;
