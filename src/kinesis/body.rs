//! Request bodies: bounded each, bounded together, bounded in time.

use super::room::{NoRoom, Room, Share};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

/// Memory that a byte of body comes to while it is read, decoded and turned into a batch.
const MEMORY_PER_BYTE: usize = 3;
/// Time without a byte after which a sender is given up.
const STALL_MS_MAX: u64 = 15_000;
/// Time for a whole body.
const BODY_MS_MAX: u64 = 120_000;
/// Bytes for which a body is charged as they arrive, and which are reserved on the word of
/// Content-Length alone. A larger one takes all it will need at once: many that each held a part
/// and waited for more would wait for each other.
const SMALL_BYTES_MAX: usize = 64 << 10;
/// Bytes of an oversize body that are read and dropped, so that its sender gets to see the answer.
const DRAINED_BYTES_MAX: usize = 64 << 20;

/// The room that all bodies share.
pub struct Bodies {
    room: Room,
    bytes_max: usize,
}

/// A body, and its share of the room until the request is answered.
pub struct Held {
    pub bytes: Bytes,
    #[expect(dead_code, reason = "held for its drop")]
    share: Share,
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
        let room = Room::new(together_bytes_max.max(bytes_max * MEMORY_PER_BYTE));
        Bodies { room, bytes_max }
    }

    pub async fn read(&self, body: Incoming) -> Result<Held, Unread> {
        let mut whole = pin!(self.read_whole(body));
        if let Some(held) = at_hand(whole.as_mut()).await {
            return held;
        }
        let whole = timeout(Duration::from_millis(BODY_MS_MAX), whole);
        whole.await.unwrap_or(Err(Unread::TooSlow))
    }

    async fn read_whole(&self, mut body: Incoming) -> Result<Held, Unread> {
        let stated = body.size_hint().lower();
        if stated > self.bytes_max as u64 {
            return Err(drained(body).await);
        }
        let stated = usize::try_from(stated).unwrap_or(0);
        let whole = if body.size_hint().exact().is_some() {
            stated
        } else {
            self.bytes_max
        };
        let mut share = self.room.share();
        let mut bytes = BytesMut::new();
        while let Some(data) = next(&mut body).await? {
            let length = bytes.len() + data.len();
            if length > self.bytes_max {
                return Err(drained(body).await);
            }
            let charged = if length > SMALL_BYTES_MAX {
                whole
            } else {
                length
            };
            share.grow_to(charged * MEMORY_PER_BYTE).await?;
            if bytes.is_empty() && length == stated {
                return Ok(Held { bytes: data, share });
            }
            if length > bytes.capacity() {
                // What was charged may be reserved: then nothing is copied twice.
                let wanted = if length > SMALL_BYTES_MAX {
                    stated
                } else {
                    stated.min(SMALL_BYTES_MAX)
                };
                bytes.reserve(wanted.max(length) - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
        let bytes = bytes.freeze();
        Ok(Held { bytes, share })
    }
}

impl From<NoRoom> for Unread {
    fn from(_: NoRoom) -> Unread {
        Unread::NoRoom
    }
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    loop {
        let frame = match at_hand(body.frame()).await {
            Some(frame) => frame,
            None => timeout(Duration::from_millis(STALL_MS_MAX), body.frame())
                .await
                .map_err(|_| Unread::TooSlow)?,
        };
        match frame {
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

/// What is there once its sender has had a turn to give it: it needs no timer.
async fn at_hand<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut has_waited = false;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if has_waited => Poll::Ready(None),
        Poll::Pending => {
            has_waited = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
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
