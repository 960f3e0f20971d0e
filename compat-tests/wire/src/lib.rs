//! Test server and raw clients for both protocols; no client library.

mod kafka;
mod server;

pub use kafka::{Kafka, KafkaError, encode};
pub use server::TestServer;
