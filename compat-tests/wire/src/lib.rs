//! Test server and raw clients for both protocols; no client library.

mod kafka;
mod kinesis;
mod server;

pub use kafka::{Kafka, KafkaError, encode};
pub use kinesis::{Got, HttpAnswer, Kinesis, base64, got};
pub use server::TestServer;
