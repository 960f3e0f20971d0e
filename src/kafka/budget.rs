//! Memory that all connections share: frames, their decoded form, and responses on their way out.

use kafka_protocol::messages::ApiKey;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Generated decoders multiply a hostile frame up to 37-fold in memory (spec §0, decision 8).
const DECODE_FACTOR: usize = 40;

/// A Produce frame is decoded by hand into slices of itself; only its partitions take room, and
/// there are never more than these bytes of them.
const PRODUCE_BYTES_MAX: usize = 2 << 20;

/// Three pools, in bytes. A request for more than a pool holds takes the whole pool.
#[derive(Debug)]
pub struct Budget {
    /// Frames from their first piece on until they are answered.
    frames: Pool,
    /// Decoded requests until their handler returns.
    decoded: Pool,
    /// Fetched records until they are written.
    responses: Pool,
}

/// How large the pools are.
#[derive(Clone, Copy, Debug)]
pub struct BudgetBytes {
    pub frames: usize,
    pub decoded: usize,
    pub responses: usize,
}

impl Budget {
    pub fn new(bytes: BudgetBytes) -> Budget {
        Budget {
            frames: Pool::new(bytes.frames),
            decoded: Pool::new(bytes.decoded),
            responses: Pool::new(bytes.responses),
        }
    }

    /// Waits for room for a frame of this length.
    pub async fn frame(&self, bytes: usize) -> OwnedSemaphorePermit {
        self.frames.take(bytes).await
    }

    /// Waits for room for what a decoder may make of a frame of this length.
    pub async fn decoded(&self, key: ApiKey, frame_bytes: usize) -> OwnedSemaphorePermit {
        let bytes = frame_bytes.saturating_mul(DECODE_FACTOR);
        match key {
            ApiKey::Produce => self.decoded.take(bytes.min(PRODUCE_BYTES_MAX)).await,
            _ => self.decoded.take(bytes).await,
        }
    }

    /// Waits for room for that many bytes of records.
    pub async fn response(&self, bytes: usize) -> OwnedSemaphorePermit {
        self.responses.take(bytes).await
    }

    /// Room for that many bytes of records, if there is any now.
    pub fn response_now(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.responses.take_now(bytes)
    }
}

#[derive(Debug)]
struct Pool {
    room: Arc<Semaphore>,
    bytes: u32,
}

impl Pool {
    fn new(bytes: usize) -> Pool {
        let bytes = u32::try_from(bytes.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let room = usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS);
        Pool {
            room: Arc::new(Semaphore::new(room)),
            bytes,
        }
    }

    fn share(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).map_or(self.bytes, |bytes| bytes.min(self.bytes))
    }

    async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let room = self.room.clone();
        room.acquire_many_owned(self.share(bytes))
            .await
            .expect("a pool is never closed")
    }

    fn take_now(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let room = self.room.clone();
        room.try_acquire_many_owned(self.share(bytes)).ok()
    }
}
