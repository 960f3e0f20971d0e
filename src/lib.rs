//! One server that speaks the Kafka protocol and the Kinesis API over one log.

#![allow(dead_code, unused_imports)] // Until every part has its caller.

mod admin;
mod clock;
mod config;
mod kafka;
mod kinesis;
mod server;
mod store;

pub use config::{Config, Durability, KafkaConfig, KinesisConfig, StoreConfig};
pub use server::{Server, StartError};
