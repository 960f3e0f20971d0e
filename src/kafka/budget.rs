//! Memory that all connections share: frames, their decoded form, and responses on their way out.

use kafka_protocol::messages::ApiKey;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an element of a list takes at most: decoded, as its handler sees it, and in the answer.
const ELEMENT_BYTES: usize = 400;
/// The same where each is answered with all of a topic's settings.
const SETTINGS_ELEMENT_BYTES: usize = 10_000;
/// What is left of an element while its request waits for the disk or for the rest of its answer.
const WAITING_ELEMENT_BYTES: usize = 128;
/// What tagged fields take at most for each of their bytes.
const TAGGED_FACTOR: usize = 16;

/// Compressed batches that are looked into at a time: each is work for a core.
const OPENING_MAX: usize = 2;
/// What the records of such a batch may expand to before nobody looks any further.
pub const EXPANDED_BYTES_MAX: usize = 1 << 30;
/// The longest of them that is looked at.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Pools of bytes. A request for more than a pool holds takes the whole pool.
#[derive(Debug)]
pub struct Budget {
    /// Frames from their first piece on until they are answered or parked.
    frames: Pool,
    /// Decoded requests until their handler returns, and what is left of them until they are
    /// answered or parked.
    decoded: Pool,
    /// What parked requests keep. Nobody waits for this: they may stay for minutes.
    parked: Pool,
    /// How much of that fetch sessions may take, which stay when nobody waits.
    sessions: Pool,
    /// Fetched records until they are written.
    responses: Pool,
    /// Turns at looking into compressed batches.
    opening: Arc<Semaphore>,
}

impl Budget {
    /// Divides what there is for everything.
    pub fn new(bytes: usize) -> Budget {
        let quarter = bytes / 4;
        Budget {
            frames: Pool::new(quarter),
            decoded: Pool::new(quarter),
            parked: Pool::new(quarter),
            sessions: Pool::new(quarter / 2),
            responses: Pool::new(quarter),
            opening: Arc::new(Semaphore::new(OPENING_MAX)),
        }
    }

    /// Waits for room for a frame of this length.
    pub async fn frame(&self, bytes: usize) -> OwnedSemaphorePermit {
        self.frames.take(bytes).await
    }

    /// Waits for room for what a decoder may make of a frame with so many elements in its lists.
    pub async fn decoded(
        &self,
        key: ApiKey,
        frame_bytes: usize,
        elements: usize,
    ) -> OwnedSemaphorePermit {
        let other = match key {
            // Decoded by hand into slices of the frame.
            ApiKey::Produce => 0,
            _ => frame_bytes.saturating_mul(TAGGED_FACTOR),
        };
        let each = match key {
            ApiKey::CreateTopics | ApiKey::DescribeConfigs => SETTINGS_ELEMENT_BYTES,
            _ => ELEMENT_BYTES,
        };
        let bytes = elements.saturating_mul(each).saturating_add(other);
        self.decoded.take(bytes).await
    }

    /// Elements that the lists of one request may have together: as many as there is ever room
    /// for.
    pub fn elements_max(&self) -> usize {
        usize::try_from(self.decoded.bytes).unwrap_or(usize::MAX) / ELEMENT_BYTES
    }

    /// Gives back what a request no longer needs once its handler has returned.
    pub fn waiting(decoded: &mut OwnedSemaphorePermit, elements: usize) {
        let needed = elements.saturating_mul(WAITING_ELEMENT_BYTES);
        drop(decoded.split(decoded.num_permits().saturating_sub(needed)));
    }

    /// Room for what a request keeps while it is parked, if there is any now.
    pub fn parked(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.parked.take_now(bytes)
    }

    /// Room for a fetch session, if there is any now.
    pub fn session(&self, bytes: usize) -> Option<SessionRoom> {
        // One that takes the whole pool would not be charged for all that it takes.
        if bytes > self.sessions.share(bytes) as usize {
            return None;
        }
        Some(SessionRoom {
            of_sessions: self.sessions.take_now(bytes)?,
            of_parked: self.parked.take_now(bytes)?,
        })
    }

    /// Makes a session's room as large as that, if there is as much.
    pub fn grow_session(&self, room: &mut SessionRoom, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(room.of_sessions.num_permits());
        let Some(more) = self.session(missing) else {
            return false;
        };
        room.of_sessions.merge(more.of_sessions);
        room.of_parked.merge(more.of_parked);
        true
    }

    /// Waits for a turn at looking into a compressed batch.
    pub async fn opening(&self) -> OwnedSemaphorePermit {
        let opening = self.opening.clone();
        let turn = opening.acquire_owned().await;
        turn.expect("turns are never closed")
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

/// What a fetch session has of two pools.
#[derive(Debug)]
pub struct SessionRoom {
    of_sessions: OwnedSemaphorePermit,
    of_parked: OwnedSemaphorePermit,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_a_request_may_name_a_hundred_thousand_partitions() {
        let budget = Budget::new(crate::config::KafkaConfig::default().decode_bytes_max);
        assert!(budget.elements_max() > 150_000);
    }

    #[tokio::test]
    async fn what_is_answered_at_length_takes_room_for_that() {
        let budget = Budget::new(64 << 20);
        let short = budget.decoded(ApiKey::DeleteTopics, 0, 100).await;
        let long = budget.decoded(ApiKey::DescribeConfigs, 0, 100).await;
        assert_eq!(
            [short, long].map(|held| held.num_permits()),
            [40_000, 1_000_000]
        );
    }
}
