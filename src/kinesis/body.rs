//! Request bodies: bounded each, bounded together, bounded in time.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Memory that a byte of body comes to while it is read, decoded and turned into a batch.
const MEMORY_PER_BYTE: usize = 3;
/// Bytes that one permit stands for.
const PERMIT_BYTES: usize = 1024;
/// Time without a byte after which a sender is given up.
const STALL_MS_MAX: u64 = 15_000;
/// Time for a whole body.
const BODY_MS_MAX: u64 = 120_000;
/// Time that a body waits for others to make room.
const ROOM_MS_MAX: u64 = 5_000;
/// Capacity reserved on the word of Content-Length alone.
const RESERVED_BYTES_MAX: usize = 256 << 10;
/// Bytes of an oversize body that are read and dropped, so that its sender gets to see the answer.
const DRAINED_BYTES_MAX: usize = 64 << 20;

/// The room that all bodies share.
pub struct Bodies {
    room: Arc<Semaphore>,
    bytes_max: usize,
}

/// A body, and its share of the room until the request is answered.
pub struct Held {
    pub bytes: Bytes,
    #[expect(dead_code, reason = "held for its drop")]
    room: Option<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    TooSlow,
    /// Others hold the room, and go on holding it.
    NoRoom,
    /// The connection broke.
    Broken,
}

impl Bodies {
    pub fn new(bytes_max: usize, together_bytes_max: usize) -> Bodies {
        // One body of the greatest size must always fit.
        let permits = together_bytes_max.max(bytes_max * MEMORY_PER_BYTE) / PERMIT_BYTES + 1;
        Bodies {
            room: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            bytes_max,
        }
    }

    pub async fn read(&self, body: Incoming) -> Result<Held, Unread> {
        let whole = timeout(Duration::from_millis(BODY_MS_MAX), self.read_whole(body));
        whole.await.unwrap_or(Err(Unread::TooSlow))
    }

    async fn read_whole(&self, mut body: Incoming) -> Result<Held, Unread> {
        let stated = body.size_hint().lower();
        if stated > self.bytes_max as u64 {
            return Err(drained(body).await);
        }
        let mut room = None;
        let mut charged = 0;
        let mut bytes = BytesMut::new();
        while let Some(data) = next(&mut body).await? {
            let length = bytes.len() + data.len();
            if length > self.bytes_max {
                return Err(drained(body).await);
            }
            let needed = (length * MEMORY_PER_BYTE).div_ceil(PERMIT_BYTES);
            self.charge(&mut room, needed - charged).await?;
            charged = needed;
            if bytes.is_empty() && length as u64 == stated {
                return Ok(Held { bytes: data, room });
            }
            if bytes.is_empty() {
                let stated = usize::try_from(stated).unwrap_or(RESERVED_BYTES_MAX);
                bytes.reserve(stated.min(RESERVED_BYTES_MAX));
            }
            bytes.extend_from_slice(&data);
        }
        let bytes = bytes.freeze();
        Ok(Held { bytes, room })
    }

    async fn charge(
        &self,
        room: &mut Option<OwnedSemaphorePermit>,
        permits: usize,
    ) -> Result<(), Unread> {
        let permits = u32::try_from(permits).map_err(|_| Unread::TooLarge)?;
        let more = self.room.clone().acquire_many_owned(permits);
        let more = timeout(Duration::from_millis(ROOM_MS_MAX), more).await;
        let more = more
            .map_err(|_| Unread::NoRoom)?
            .map_err(|_| Unread::NoRoom)?;
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    loop {
        let frame = timeout(Duration::from_millis(STALL_MS_MAX), body.frame()).await;
        match frame.map_err(|_| Unread::TooSlow)? {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unread::Broken),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

async fn drained(mut body: Incoming) -> Unread {
    let mut dropped = 0;
    while dropped < DRAINED_BYTES_MAX
        && let Ok(Some(data)) = next(&mut body).await
    {
        dropped += data.len();
    }
    Unread::TooLarge
}
