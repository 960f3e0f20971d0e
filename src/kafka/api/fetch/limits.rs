//! How much a Fetch asks for, and how long it waits for that.

use crate::kafka::cx::Cx;
use crate::kafka::wire;
use kafka_protocol::messages::FetchRequest;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Longest wait that is granted; a client that asked for more is answered early, with nothing.
const WAIT_MS_MAX: i32 = 300_000;
/// First version that can carry zstd.
const ZSTD_FROM: i16 = 10;
/// What a parked request takes whatever it asks for.
const REQUEST_BYTES: usize = 2048;

pub struct Limits {
    pub wait: Duration,
    pub bytes_min: usize,
    pub bytes_max: usize,
    /// Lists of aborted transactions are null unless only committed records were asked for.
    pub read_committed: bool,
    pub takes_zstd: bool,
}

impl Limits {
    pub fn new(cx: &Cx, request: &FetchRequest, version: i16) -> Limits {
        let bytes_max = wire::byte_count(request.max_bytes).min(cx.config.fetch_bytes_max);
        let wait_ms = request.max_wait_ms.clamp(0, WAIT_MS_MAX);
        Limits {
            wait: Duration::from_millis(u64::from(wait_ms.unsigned_abs())),
            bytes_min: wire::byte_count(request.min_bytes).min(bytes_max),
            bytes_max,
            read_committed: request.isolation_level == 1,
            takes_zstd: version >= ZSTD_FROM,
        }
    }

    /// Room to wait in with so many bytes more, if this is to wait and there is any.
    pub fn room(&self, cx: &Cx, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if self.wait.is_zero() {
            return None;
        }
        cx.budget.parked(REQUEST_BYTES + bytes)
    }
}
