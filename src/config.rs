//! Every setting and its unit. Each part is given its own struct and never sees the rest.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What the server is started with, validated once.
#[derive(Clone, Debug)]
pub struct Config {
    pub kafka: KafkaConfig,
    pub kinesis: KinesisConfig,
    pub store: StoreConfig,
    /// How long requests in flight may go on once the server is told to stop.
    pub stop_ms_max: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            kafka: KafkaConfig::default(),
            kinesis: KinesisConfig::default(),
            store: StoreConfig::default(),
            stop_ms_max: 10_000,
        }
    }
}

/// The Kafka face.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// Where the Kafka listener binds.
    pub listen: SocketAddr,
    /// Host and port that clients are told to connect to; the bound address if absent.
    pub advertised: Option<String>,
    /// Whether Metadata makes topics that do not exist.
    pub auto_create_topics: bool,
    /// Partitions of a topic that is made without a number (`num.partitions`).
    pub num_partitions: u32,
    /// How long the first rebalance of an empty group waits for more members.
    pub group_initial_rebalance_delay_ms: u64,
    /// Largest frame that a client may send.
    pub frame_bytes_max: usize,
    /// Most bytes that one Fetch answers with.
    pub fetch_bytes_max: usize,
    /// Time after which a silent connection is closed.
    pub connection_idle_ms_max: u64,
    /// Memory that requests being read and decoded may take together.
    pub decode_bytes_max: usize,
}

impl Default for KafkaConfig {
    fn default() -> KafkaConfig {
        KafkaConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 9092)),
            advertised: None,
            auto_create_topics: true,
            num_partitions: 1,
            group_initial_rebalance_delay_ms: 500,
            frame_bytes_max: 104_857_600,
            fetch_bytes_max: 57_671_680,
            connection_idle_ms_max: 600_000,
            decode_bytes_max: 256 << 20,
        }
    }
}

/// The Kinesis face.
#[derive(Clone, Debug)]
pub struct KinesisConfig {
    /// Where the HTTP listener binds: Kinesis, health and metrics.
    pub listen: SocketAddr,
    /// The twelve digits that colour ARNs.
    pub account_id: String,
    /// The region that colours ARNs.
    pub region: String,
    /// Largest request body.
    pub body_bytes_max: usize,
    /// Memory that request bodies may take together.
    pub bodies_bytes_max: usize,
}

impl Default for KinesisConfig {
    fn default() -> KinesisConfig {
        KinesisConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 4566)),
            account_id: "000000000000".into(),
            region: "us-east-1".into(),
            body_bytes_max: 20 << 20,
            bodies_bytes_max: 256 << 20,
        }
    }
}

/// The store and its engine.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Where the data lives.
    pub data_dir: PathBuf,
    /// Keep everything in memory only.
    pub memory: bool,
    /// Bytes of records that the memory engine keeps at most.
    pub memory_bytes_max: u64,
    /// When an acknowledgement leaves.
    pub durability: Durability,
    /// Newest bytes of the log that are kept in memory for readers.
    pub tail_cache_bytes: usize,
    /// Bytes of a log segment once the data directory has outgrown its first, small one.
    pub log_segment_bytes: u64,
    /// Bytes that may wait for the disk before producers are held back.
    pub queue_bytes_max: usize,
    /// How often retention is enforced.
    pub retention_check_ms: u64,
}

/// When an acknowledgement leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once the disk has confirmed the write.
    Disk,
    /// Once the operating system has it: a power cut may lose it, the end of the process not.
    Os,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            data_dir: PathBuf::from("./braid-data"),
            memory: false,
            memory_bytes_max: 1 << 30,
            durability: Durability::Disk,
            tail_cache_bytes: 32 << 20,
            log_segment_bytes: 64 << 20,
            queue_bytes_max: 64 << 20,
            retention_check_ms: 30_000,
        }
    }
}
