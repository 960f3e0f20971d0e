//! One server that speaks the Kafka protocol and the Kinesis API over one log.

mod admin;
mod clock;
mod config;
mod healthcheck;
mod kafka;
mod kinesis;
mod server;
mod store;
#[cfg(test)]
mod tidy;

pub use config::{Command, Config, ConfigError, Durability};
pub use config::{KafkaConfig, KinesisConfig, ProcessConfig, StoreConfig};
pub use healthcheck::healthcheck;
pub use server::{Server, StartError};
