//! Memory that many requests share: whoever needs some takes a share, waits if there is none left,
//! and gives it back by dropping it.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes that one permit stands for.
const PERMIT_BYTES: usize = 1024;
/// Time to wait for others to make room.
const WAIT_MS_MAX: u64 = 5_000;

pub struct Room {
    permits: Arc<Semaphore>,
}

/// Others hold the room, and go on holding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// A part of the room.
pub struct Share {
    room: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub fn new(bytes: usize) -> Room {
        let permits = permits(bytes).min(Semaphore::MAX_PERMITS);
        Room {
            permits: Arc::new(Semaphore::new(permits)),
        }
    }

    /// A share of nothing yet.
    pub fn share(&self) -> Share {
        Share {
            room: self.permits.clone(),
            held: None,
        }
    }
}

impl Share {
    /// Makes the share `bytes` large, if it is smaller.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let more = permits(bytes).saturating_sub(self.permits());
        let more = u32::try_from(more).map_err(|_| NoRoom)?;
        let taken = self.room.clone().acquire_many_owned(more);
        let taken = timeout(Duration::from_millis(WAIT_MS_MAX), taken).await;
        let taken = taken.map_err(|_| NoRoom)?.map_err(|_| NoRoom)?;
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        Ok(())
    }

    /// Gives back what is not needed for these pieces. The rest is given back piece by piece, when
    /// the last clone of each is dropped.
    pub fn holding(mut self, pieces: Vec<Vec<u8>>) -> VecDeque<Bytes> {
        let held = pieces.into_iter().map(|bytes| {
            let needed = permits(bytes.len()).min(self.permits());
            let share = self.held.as_mut().and_then(|held| held.split(needed));
            Bytes::from_owner(Held { bytes, share })
        });
        held.collect()
    }

    fn permits(&self) -> usize {
        self.held
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

fn permits(bytes: usize) -> usize {
    bytes.div_ceil(PERMIT_BYTES)
}

struct Held {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held for its drop")]
    share: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_share_lasts_as_long_as_the_bytes_it_was_taken_for() {
        let room = Room::new(10 * PERMIT_BYTES);
        let mut first = room.share();
        first
            .grow_to(10 * PERMIT_BYTES)
            .await
            .expect("an empty room");
        let mut second = room.share();

        let refused = second.grow_to(PERMIT_BYTES).await;
        let answer = first.holding(vec![vec![0; 3 * PERMIT_BYTES], vec![0; 5 * PERMIT_BYTES]]);
        let smaller = second.grow_to(2 * PERMIT_BYTES).await;
        let larger = second.grow_to(3 * PERMIT_BYTES).await;
        drop(answer);

        assert_eq!(
            (refused, smaller, larger),
            (Err(NoRoom), Ok(()), Err(NoRoom))
        );
        assert_eq!(second.grow_to(10 * PERMIT_BYTES).await, Ok(()));
    }
}
