//! Every setting and its unit. Each part is given its own struct and never sees the rest.
//!
//! One row makes a setting: its field, its flag, its environment variable, its TOML key, its
//! check and its row in `docs/configuration.md`.

mod command;
mod given;
mod page;
mod setting;
mod unit;

pub use command::Command;
pub use given::ConfigError;
pub use setting::Durability;

use setting::{Setting, is_account_id, is_host_and_port, is_log_filter, settings};
use std::net::SocketAddr;
use std::path::PathBuf;

const MIB: usize = 1 << 20;

settings! {
    /// The Kafka face.
    kafka: KafkaConfig {
        /// Where the Kafka listener binds.
        "kafka-listen" listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9092));

        /// Host and port that Kafka clients are told to connect to. Without it, they are told the
        /// address that they reached.
        "kafka-advertised" advertised: Option<String> = None, valid is_host_and_port;

        /// Whether Metadata makes topics that do not exist.
        "auto-create-topics" auto_create_topics: bool = true;

        /// Partitions of a topic that is made without a number.
        "num-partitions" num_partitions: u32 = 1, in 1..=10_000;

        /// How long the first rebalance of an empty group waits for more members.
        "group-initial-rebalance-delay-ms" group_initial_rebalance_delay_ms: u64 = 500,
            in 0..=600_000;

        /// Shortest session timeout that a group's member may ask for.
        "group-session-timeout-ms-min" group_session_timeout_ms_min: u64 = 6_000,
            in 1..=1_800_000;

        /// Longest session timeout that a group's member may ask for.
        "group-session-timeout-ms-max" group_session_timeout_ms_max: u64 = 1_800_000,
            in 1..=86_400_000;

        /// Members that one group may have.
        "group-members-max" group_members_max: usize = 10_000, in 1..=1_000_000;

        /// Largest frame that a Kafka client may send.
        "kafka-frame-bytes-max" frame_bytes_max: usize = 100 * MIB, in MIB..=1024 * MIB;

        /// Most bytes that one Fetch answers with.
        "kafka-fetch-bytes-max" fetch_bytes_max: usize = 55 * MIB, in MIB..=1024 * MIB;

        /// Fetch sessions kept at a time (KIP-227); who finds no room names all partitions in
        /// every fetch. The memory that they take is bounded too.
        "kafka-fetch-sessions-max" fetch_sessions_max: usize = 1_000, in 0..=100_000;

        /// Time after which a silent Kafka connection is closed.
        "kafka-connection-idle-ms-max" connection_idle_ms_max: u64 = 600_000, in 1_000..=86_400_000;

        /// Kafka connections served at a time; more wait to be accepted.
        "kafka-connections-max" connections_max: usize = 20_000, in 1..=1_000_000;

        /// Memory for Kafka requests, a quarter each: being read, decoded, parked until there are
        /// records, and the records of answers. When nothing is left to park in, a fetch is
        /// answered at once. One request may name one partition for each 1,600 bytes.
        "kafka-decode-bytes-max" decode_bytes_max: usize = 256 * MIB, in 16 * MIB..=65_536 * MIB;
    }

    /// The Kinesis face.
    kinesis: KinesisConfig {
        /// Where the HTTP listener binds: Kinesis, health and metrics.
        "kinesis-listen" listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 4566));

        /// The twelve digits that colour ARNs.
        "account-id" account_id: String = "000000000000".into(), valid is_account_id;

        /// The region that colours ARNs.
        "region" region: String = "us-east-1".into();

        /// Largest HTTP request body.
        "kinesis-body-bytes-max" body_bytes_max: usize = 20 * MIB, in MIB..=1024 * MIB;

        /// Memory that HTTP request bodies and large answers may take together, half each.
        "kinesis-bodies-bytes-max" bodies_bytes_max: usize = 128 * MIB, in 16 * MIB..=65_536 * MIB;

        /// Largest record of a compressed Kafka batch that Kinesis readers get to see.
        "kinesis-record-bytes-max" record_bytes_max: usize = 32 * MIB, in MIB..=1024 * MIB;
    }

    /// The store and its engine.
    store: StoreConfig {
        /// Where the data lives. One server at a time.
        "data-dir" data_dir: PathBuf = PathBuf::from("./braid-data");

        /// Keep everything in memory only; nothing survives the process.
        "memory" memory: bool = false;

        /// Bytes of records that the memory engine keeps at most.
        "memory-bytes-max" memory_bytes_max: u64 = 1 << 30, in 1 << 20..=1 << 44;

        /// When an acknowledgement leaves: `disk`, once the disk has confirmed the write, or `os`,
        /// once the operating system has it. With `os` a power cut may lose acknowledged records;
        /// the end of the process does not.
        "durability" durability: Durability = Durability::Disk;

        /// Newest bytes of the log that are kept in memory for readers, or two segments while
        /// segments are folded. While all of it would be replaced within a quarter of a second,
        /// twice as much is kept as readers look back, and 8 MiB at least.
        "tail-cache-bytes" tail_cache_bytes: usize = 32 * MIB, in MIB..=65_536 * MIB;

        /// Bytes of a log segment once the data directory has outgrown its first, small one.
        "log-segment-bytes" log_segment_bytes: u64 = 64 << 20, in 1 << 20..=1 << 32;

        /// Bytes that may wait for the disk before producers are held back.
        "queue-bytes-max" queue_bytes_max: usize = 64 * MIB, in MIB..=65_536 * MIB;

        /// How often retention is enforced.
        "retention-check-ms" retention_check_ms: u64 = 30_000, in 100..=86_400_000;

        /// How long committed offsets outlive the last member of their group; those of a group
        /// without members, the last commit.
        "offsets-retention-ms" offsets_retention_ms: u64 = 604_800_000,
            in 1_000..=3_153_600_000_000;
    }

    /// The process.
    process: ProcessConfig {
        /// How long requests in flight may go on once the server is told to stop.
        "stop-ms-max" stop_ms_max: u64 = 10_000, in 0..=600_000;

        /// Threads that answer requests; 0 for one per core.
        "threads" threads: usize = 0, in 0..=1024;

        /// What is logged to standard error: `error`, `warn`, `info`, `debug` or `trace`, for a
        /// module alone as in `warn,braid::kafka=debug`.
        "log" log: String = "warn".into(), valid is_log_filter;
    }
}
