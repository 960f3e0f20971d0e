//! The servers that are compared: how each is installed, started and stopped.

mod braid;
mod ferrokinesis;
mod kafka;
mod kinesis_local;
mod server;

pub use kafka::libraries as kafka_libraries;
pub use server::Server;

use crate::options::Options;
use anyhow::Result;
use serde::Serialize;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// As installed: every acknowledgement is on disk.
    Braid,
    /// As installed: the page cache acknowledges.
    Kafka,
    /// `log.flush.interval.messages=1`.
    KafkaFlushing,
    /// As installed: in memory.
    Ferrokinesis,
    FerrokinesisDurable,
    KinesisLocal,
}

impl Peer {
    pub const ALL: [Peer; 6] = [
        Peer::Braid,
        Peer::Kafka,
        Peer::KafkaFlushing,
        Peer::Ferrokinesis,
        Peer::FerrokinesisDurable,
        Peer::KinesisLocal,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Peer::Braid => "braid",
            Peer::Kafka => "kafka",
            Peer::KafkaFlushing => "kafka-flushing",
            Peer::Ferrokinesis => "ferrokinesis",
            Peer::FerrokinesisDurable => "ferrokinesis-durable",
            Peer::KinesisLocal => "kinesis-local",
        }
    }

    /// Installs the peer into the cache unless it is there.
    pub fn install(self, options: &Options) -> Result<()> {
        match self {
            Peer::Braid => braid::install(&options.braid),
            Peer::Kafka | Peer::KafkaFlushing => kafka::install(&options.cache),
            Peer::Ferrokinesis | Peer::FerrokinesisDurable => ferrokinesis::install(&options.cache),
            Peer::KinesisLocal => kinesis_local::install(&options.cache),
        }
    }

    /// Starts the peer on a data directory and waits until it is ready.
    pub fn start(self, options: &Options, data: &Path) -> Result<Server> {
        let cache = &options.cache;
        match self {
            Peer::Braid => braid::start(&options.braid, data),
            Peer::Kafka => kafka::start(cache, data, &[]),
            Peer::KafkaFlushing => kafka::start(cache, data, &["log.flush.interval.messages=1"]),
            Peer::Ferrokinesis => ferrokinesis::start(cache, data, false),
            Peer::FerrokinesisDurable => ferrokinesis::start(cache, data, true),
            Peer::KinesisLocal => kinesis_local::start(cache, data),
        }
    }

    /// The file or folder whose size is the peer's.
    pub fn program(self, options: &Options) -> Option<&Path> {
        (self == Peer::Braid).then_some(&options.braid)
    }

    /// Whether a quick run includes it: not what takes minutes to install.
    pub fn is_quick(self) -> bool {
        matches!(self, Peer::Braid | Peer::Kafka)
    }

    /// Starts beside the first one: so short a time is taken as the median of several.
    pub fn further_starts(self) -> usize {
        if self.is_jvm() { 0 } else { 8 }
    }

    /// Whether the first loads only teach the peer's compiler.
    pub fn is_jvm(self) -> bool {
        matches!(self, Peer::Kafka | Peer::KafkaFlushing)
    }
}
