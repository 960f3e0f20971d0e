//! Test server and raw clients for both protocols; no client library.

mod batch;
mod group;
mod hostile;
mod kafka;
mod kinesis;
mod process;
mod server;
mod topics;

pub use batch::BatchOf;
pub use group::{Member, group_id, text};
pub use hostile::{garbage, greatest, truncated};
pub use kafka::{Kafka, KafkaError, encode};
pub use kinesis::{Got, HttpAnswer, Kinesis, base64, got};
pub use process::Program;
pub use server::TestServer;
pub use topics::{fetch_of, init_producer_id, produce_of, topic_name};
