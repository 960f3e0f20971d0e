//! A stream's own settings: those given explicitly, kept as text, and the ones the store obeys.

use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

/// Explicit settings by name; whatever is absent has its default. Values are checked by the face
/// that accepts them; a value that cannot be read counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(transparent)]
pub struct Settings(#[n(0)] pub BTreeMap<String, String>);

/// Default of `retention.ms`: seven days.
pub const RETENTION_MS_DEFAULT: i64 = 604_800_000;
/// Default of `max.message.bytes`.
pub const BATCH_BYTES_MAX_DEFAULT: usize = 1_048_588;
/// Default of `message.timestamp.after.max.ms`: one hour.
pub const TIMESTAMP_AFTER_MS_MAX_DEFAULT: i64 = 3_600_000;
/// Default of `kinesis.max.record.kib`.
pub const RECORD_KIB_MAX_DEFAULT: u32 = 1024;

impl Settings {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    }

    /// How long records are kept after arrival; `None` for ever.
    pub fn retention_ms(&self) -> Option<i64> {
        let ms = self.number("retention.ms", RETENTION_MS_DEFAULT);
        (ms >= 0).then_some(ms)
    }

    /// How many bytes of each partition are kept; `None` for all.
    pub fn retention_bytes(&self) -> Option<u64> {
        u64::try_from(self.number("retention.bytes", -1_i64)).ok()
    }

    /// Largest batch that a Kafka producer may send, header included.
    pub fn batch_bytes_max(&self) -> usize {
        self.number("max.message.bytes", BATCH_BYTES_MAX_DEFAULT)
    }

    /// Whether `cleanup.policy` names `compact`, which makes null keys illegal.
    pub fn is_compacted(&self) -> bool {
        self.get("cleanup.policy")
            .is_some_and(|policy| policy.contains("compact"))
    }

    /// Whether retention applies: `cleanup.policy` is absent or names `delete`.
    pub fn is_deleted_from(&self) -> bool {
        self.get("cleanup.policy")
            .is_none_or(|policy| policy.contains("delete"))
    }

    /// Whether the log's arrival time replaces the producer's (`message.timestamp.type`).
    pub fn is_log_append_time(&self) -> bool {
        self.get("message.timestamp.type") == Some("LogAppendTime")
    }

    /// How far before now a record's timestamp may lie.
    pub fn timestamp_before_ms_max(&self) -> i64 {
        self.number("message.timestamp.before.max.ms", i64::MAX)
    }

    /// How far after now a record's timestamp may lie.
    pub fn timestamp_after_ms_max(&self) -> i64 {
        self.number(
            "message.timestamp.after.max.ms",
            TIMESTAMP_AFTER_MS_MAX_DEFAULT,
        )
    }

    /// Largest record that the Kinesis face takes, key included, in KiB.
    pub fn record_kib_max(&self) -> u32 {
        self.number("kinesis.max.record.kib", RECORD_KIB_MAX_DEFAULT)
    }

    /// Whether the stream's capacity mode is on-demand.
    pub fn is_on_demand(&self) -> bool {
        self.get("kinesis.stream.mode") == Some("ON_DEMAND")
    }
}
